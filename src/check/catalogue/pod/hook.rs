//! preStop hooks and the grace period around them, as they are written and as the scenario has them.

use crate::check::change::Change;
use crate::check::subject::{LONGEST_REQUEST, POD, Subject, seconds};
use crate::scenario::document::{Kind, Node};
use crate::scenario::pre_stop::{self, PreStop};
use crate::scenario::workload::MAX_SECONDS;
use crate::units::Duration;
use std::ops::Range;

pub const GRACE_PERIOD: &str = "terminationGracePeriodSeconds";

/// What a pod has unless it says more. Source: Kubernetes, `pkg/apis/core/v1/defaults.go`.
pub const DEFAULT_GRACE: Duration = Duration::secs(30);

/// A program needs a moment to end behind its last request. Assumption.
const ROOM: u64 = 5;

/// A container's preStop hook.
pub struct Hook<'a> {
    pub container: usize,
    pub node: &'a Node,
    /// None if nobody can read it off the manifest, and the scenario does not say it.
    pub time: Option<Duration>,
    pub is_sleep_action: bool,
    pub place: Option<Range<usize>>,
}

impl<'a> Hook<'a> {
    pub fn words(&self) -> Option<Vec<&'a str>> {
        pre_stop::words(self.node.table()?.find("exec.command")?)
    }

    pub fn key(&self) -> String {
        format!("{POD}.containers[{}].lifecycle.preStop", self.container)
    }
}

pub fn hooks<'a>(subject: &Subject<'a>) -> Vec<Hook<'a>> {
    let hook = |(container, node): (usize, &'a Node)| {
        let node = node.table()?.find("lifecycle.preStop")?;
        let table = node.table()?;
        let sleep = table.find("sleep.seconds");
        let command = table.find("exec.command");
        let written = match sleep {
            Some(sleep) => sleep.integer().map(whole_seconds),
            None => command.and_then(pre_stop::words).and_then(|words| match PreStop::from_command(&words) {
                PreStop::Command(time) | PreStop::Sleep(time) => Some(time),
                PreStop::None | PreStop::Unknown => None,
            }),
        };
        // Of the container that takes the requests the scenario may know more.
        let said = subject.scenario.filter(|_| container == subject.main()).and_then(|scenario| scenario.pod.pre_stop);
        let is_said = |said: &Duration| *said > Duration::ZERO || subject.is_said("application.pre_stop_time");
        let time = said.filter(|said| written.is_some() || is_said(said)).or(written);
        let place = sleep.or(command).unwrap_or(node).place.clone();
        Some(Hook { container, node, time, is_sleep_action: sleep.is_some(), place })
    };
    subject.containers().iter().enumerate().filter_map(hook).collect()
}

pub fn main_hook<'a>(subject: &Subject<'a>) -> Option<Hook<'a>> {
    hooks(subject).into_iter().find(|hook| hook.container == subject.main())
}

/// Zero without a hook; None if nobody knows how long it takes, or without a container.
pub fn time_of_main_hook(subject: &Subject<'_>) -> Option<Duration> {
    if subject.containers().is_empty() {
        return None;
    }
    main_hook(subject).map_or(Some(Duration::ZERO), |hook| hook.time)
}

/// No more than a day, which no pod is ever granted to stop.
fn whole_seconds(count: i64) -> Duration {
    Duration::secs(u64::try_from(count).unwrap_or(0).min(u64::from(MAX_SECONDS)))
}

pub fn grace(subject: &Subject<'_>) -> Duration {
    let written = subject.pod(GRACE_PERIOD).and_then(Node::integer).map(whole_seconds);
    subject.grace_period().or(written).unwrap_or(DEFAULT_GRACE)
}

/// Only the sleep action is checked against the grace period, not a command that sleeps.
pub fn is_refused(hook: &Hook<'_>, grace: Duration) -> bool {
    hook.is_sleep_action && hook.time.is_some_and(|time| time > grace)
}

/// From the deletion of a pod to the last request that reaches it and that it takes. Whoever else sends requests, the hook
/// is taken to be as long as that takes.
pub fn last_request(subject: &Subject<'_>, hook: Duration) -> Duration {
    let until = subject.deregistered_after().filter(|_| subject.release.ingress.is_some());
    until.map_or(hook, |until| until.min(hook))
}

/// A grace period with room for a request behind a hook of that time.
pub fn room_behind(subject: &Subject<'_>, hook: Duration) -> Option<Change> {
    let needed = seconds(hook) + seconds(LONGEST_REQUEST) + ROOM;
    subject.set_in_template(&format!("{POD}.{GRACE_PERIOD}"), &needed.to_string())
}

/// A preStop sleep of that time, and a grace period that leaves room behind it.
pub fn sleep(subject: &Subject<'_>, time: Duration) -> Option<Change> {
    let key = subject.container_key("lifecycle.preStop.sleep.seconds");
    with_room(subject, subject.set_in_template(&key, &seconds(time).to_string())?, time)
}

fn with_room(subject: &Subject<'_>, hook: Change, time: Duration) -> Option<Change> {
    let needed = seconds(time) + seconds(LONGEST_REQUEST) + ROOM;
    if seconds(grace(subject)) >= needed {
        return Some(hook);
    }
    hook.and(room_behind(subject, time))
}

/// The hook as it is, but for its time.
pub fn sleeping(subject: &Subject<'_>, hook: &Hook<'_>, time: Duration) -> Option<Change> {
    if hook.is_sleep_action {
        return sleep(subject, time);
    }
    let (index, text) = command_sleeping(&hook.words()?, seconds(time))?;
    let change = set_on_one_line(subject, &format!("{}.exec.command[{index}]", hook.key()), &text)?;
    let words = format!("let the preStop hook sleep {} s", seconds(time));
    with_room(subject, Change { words, ..change }, time)
}

/// The word of a command that says how long it sleeps, with another time; None if it is not the only one.
fn command_sleeping(words: &[&str], time: u64) -> Option<(usize, String)> {
    match words {
        [program, _] if program.rsplit('/').next() == Some("sleep") => Some((1, time.to_string())),
        [_, _, script] => {
            let (before, after) = script.split_once("sleep ").filter(|(_, after)| !after.contains("sleep "))?;
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(after.len());
            Some((2, format!("{before}sleep {time}{}", &after[end..])))
        }
        _ => None,
    }
}

/// A text in the place of another, unless that is a block of several lines.
pub fn set_on_one_line(subject: &Subject<'_>, key: &str, text: &str) -> Option<Change> {
    let place = subject.template()?.find(key)?.place.clone()?;
    if subject.sources.text(&place).contains('\n') {
        return None;
    }
    let quoted = Node { kind: Kind::String(text.to_owned()), place: None }.to_toml();
    subject.set_in_template(key, &quoted)
}

/// The kubelet's own sleep instead of a command.
pub fn slept_by_the_kubelet(subject: &Subject<'_>, hook: &Hook<'_>, time: Duration) -> Option<Change> {
    let is_flow = subject.sources.text(hook.node.place.as_ref()?).starts_with('{');
    let sleep = format!("sleep: {{ seconds: {} }}", seconds(time));
    let value = if is_flow { format!("{{ {sleep} }}") } else { sleep.clone() };
    let change = subject.set_in_template(&hook.key(), &value)?;
    with_room(subject, Change { words: format!("write preStop: {{ {sleep} }} instead"), ..change }, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_sleeps_for_another_time() {
        for (words, expected) in [
            (&["sleep", "5"][..], Some((1, "25"))),
            (&["sh", "-c", "sleep 5"], Some((2, "sleep 25"))),
            (&["sh", "-c", "sleep 5s; nginx -s quit"], Some((2, "sleep 25; nginx -s quit"))),
            (&["sh", "-c", "sleep 1 && nginx -s quit && sleep 4"], None),
            (&["nginx", "-s", "quit"], None),
            (&["/app/drain", "5"], None),
        ] {
            let told = command_sleeping(words, 25);
            assert_eq!(told.as_ref().map(|(index, text)| (*index, text.as_str())), expected, "{words:?}");
        }
    }
}
