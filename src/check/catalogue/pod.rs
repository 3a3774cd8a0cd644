//! How a pod stops, and whether the load balancer knows.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::{LONGEST_REQUEST, POD, Subject, seconds};
use crate::model::application::OnSigterm;
use crate::scenario::document::{Kind, Node};
use crate::scenario::pre_stop::{self, PreStop};
use crate::scenario::workload::MAX_SECONDS;
use crate::units::Duration;
use std::ops::Range;

pub const RULES: &[Rule] = &[
    HOOK_TAKES_THE_GRACE_PERIOD,
    SHORT_GRACE_PERIOD,
    DEFAULT_GRACE_PERIOD,
    SLEEP_ABOVE_THE_GRACE_PERIOD,
    NO_PRE_STOP,
    SHORT_PRE_STOP,
    NO_SHELL,
    NO_GRACE_PERIOD,
    SHELL_AS_PROCESS_1,
    SIDECAR_WITHOUT_HOOK,
    SPOT,
];

const GRACE_PERIOD: &str = "terminationGracePeriodSeconds";

/// What a pod has unless it says more. Source: Kubernetes, `pkg/apis/core/v1/defaults.go`.
const DEFAULT_GRACE: Duration = Duration::secs(30);

/// A hook from here on needs most of the default. Assumption: whoever writes 20 s has thought of the load balancer.
const LONG_HOOK: Duration = Duration::secs(20);

/// A program needs a moment to end behind its last request. Assumption.
const ROOM: u64 = 5;

const HOOK_TAKES_THE_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K001",
        title: "the preStop hook takes the whole grace period",
        level: Level::Warning,
        cause: "A preStop hook runs inside of terminationGracePeriodSeconds, it does not extend it. At the end of the grace \
                period the kubelet abandons the hook, sends SIGTERM, and SIGKILL two seconds later.",
        consequence: "The program has two seconds to finish what it works on: longer requests are cut off and become 502. A \
                      hook that waits for the load balancer waits for a shorter time than it says.",
        remedy: "raise terminationGracePeriodSeconds above the hook, the longest request and a few seconds",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods; kubelet, `minimumGracePeriodInSeconds`",
        reproduce: "sim run tests/findings/K001.bad.yaml --set load_balancer.deregistration=40s",
    },
    look: |subject| {
        let grace = grace(subject);
        let is_cut = |hook: &Hook<'_>| {
            grace > Duration::ZERO && !is_refused(hook, grace) && hook.time.is_some_and(|time| time >= grace)
        };
        let found = |hook: Hook<'_>| {
            let time = hook.time?;
            let message = format!(
                "the preStop hook takes {} s of a grace period of {} s: SIGTERM cuts it off there, SIGKILL follows 2 s later",
                seconds(time),
                seconds(grace)
            );
            Some(Found::at(hook.place, message).played(room_behind(subject, time)))
        };
        hooks(subject).into_iter().filter(is_cut).filter_map(found).collect()
    },
};

const SHORT_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K002",
        title: "the grace period ends before the last request",
        level: Level::Warning,
        cause: "terminationGracePeriodSeconds counts from the deletion of the pod, the preStop hook included. What it leaves \
                behind the hook is all that a program has to finish what it works on.",
        consequence: "SIGKILL cuts requests off that take longer: 502 for each of them.",
        remedy: "raise terminationGracePeriodSeconds above the hook, the longest request and a few seconds",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods",
        reproduce: "sim run tests/findings/K002.bad.yaml --set application.on_sigterm=drain \
                    --set traffic.rate=10/s --set traffic.service_time=18s",
    },
    look: |subject| {
        let (grace, key) = (grace(subject), format!("{POD}.{GRACE_PERIOD}"));
        let is_said = subject.template().is_some_and(|template| template.find(&key).is_some());
        let Some(time) = time_of_main_hook(subject).filter(|time| is_said && *time < grace) else { return Vec::new() };
        let last = last_request(subject, time);
        if grace == Duration::ZERO || last + LONGEST_REQUEST <= grace {
            return Vec::new();
        }
        let message = format!(
            "a request that reaches a pod {} s after its deletion has {} s until SIGKILL, and one may take {} s",
            seconds(last),
            grace.saturating_sub(last).whole_secs(),
            seconds(LONGEST_REQUEST)
        );
        let place = subject.pod(GRACE_PERIOD).and_then(|node| node.place.clone());
        vec![Found::at(place, message).played(room_behind(subject, time))]
    },
};

const DEFAULT_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K003",
        title: "a long preStop hook in the grace period that nobody set",
        level: Level::Warning,
        cause: "Without terminationGracePeriodSeconds a pod has 30 s from its deletion to SIGKILL, and its preStop hook takes \
                most of them.",
        consequence: "A few seconds are left for the requests in flight. Longer ones are cut off: 502.",
        remedy: "set terminationGracePeriodSeconds above the hook, the longest request and a few seconds",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods",
        reproduce: "sim run tests/findings/K003.bad.yaml --set application.on_sigterm=drain \
                    --set traffic.rate=10/s --set traffic.service_time=18s",
    },
    look: |subject| {
        let is_default = subject.pod(GRACE_PERIOD).is_none() && grace(subject) == DEFAULT_GRACE;
        let is_long =
            |hook: &Hook<'_>| hook.time.is_some_and(|time| time >= LONG_HOOK && time < DEFAULT_GRACE && is_default);
        let found = |hook: Hook<'_>| {
            let time = hook.time?;
            let message = format!(
                "the preStop hook takes {} s of the 30 s that a pod has unless it says more: {} s are left behind it",
                seconds(time),
                DEFAULT_GRACE.saturating_sub(time).whole_secs()
            );
            Some(Found::at(hook.place, message).played(room_behind(subject, time)))
        };
        hooks(subject).into_iter().filter(is_long).filter_map(found).collect()
    },
};

const SLEEP_ABOVE_THE_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K004",
        title: "the preStop sleep is longer than the grace period",
        level: Level::Error,
        cause: "`preStop.sleep.seconds` must not exceed terminationGracePeriodSeconds, which is 30 unless set. The API server \
                checks that, and Argo Rollouts checks the pod template likewise.",
        consequence: "A Deployment is refused, a Rollout becomes InvalidSpec: nothing is released.",
        remedy: "raise terminationGracePeriodSeconds above the sleep, the longest request and a few seconds",
        source: "Kubernetes Enhancement Proposals 3960 and 4818, validation of the sleep action",
        reproduce: "sim check tests/findings/K004.bad.yaml",
    },
    look: |subject| {
        let grace = grace(subject);
        let found = |hook: Hook<'_>| {
            let time = hook.time?;
            let (sleep, grace) = (seconds(time), seconds(grace));
            let message = format!("Kubernetes refuses a preStop sleep of {sleep} s in a grace period of {grace} s");
            Some(Found::at(hook.place, message).with(room_behind(subject, time)))
        };
        hooks(subject).into_iter().filter(|hook| is_refused(hook, grace)).filter_map(found).collect()
    },
};

const NO_PRE_STOP: Rule = Rule {
    page: Page {
        code: "K005",
        title: "no preStop hook, and the program closes its port on SIGTERM",
        level: Level::Warning,
        cause: "Deleting a pod sends SIGTERM at once. The load balancer hears of it through the EndpointSlice, \
                DeregisterTargets and its nodes, many seconds later.",
        consequence: "Requests that come in between are refused: 502, and 504 once the pod's address is gone.",
        remedy: "add a preStop hook that sleeps until the load balancer has let go of the pod, and a grace period above it",
        source: "Amazon EKS Best Practices Guide, load balancing; AWS Load Balancer Controller issues 1719, 2366",
        reproduce: "sim run scenarios/field-reports/lbc-2366-traffic-after-draining.toml",
    },
    look: |subject| {
        let (Some(scenario), Some(until)) = (subject.scenario, subject.deregistered_after()) else { return Vec::new() };
        let has_hook = subject.container("lifecycle.preStop").is_some() || scenario.pod.pre_stop.is_some();
        let keeps_serving = scenario.application.on_sigterm == OnSigterm::Ignore;
        if has_hook || keeps_serving || subject.release.ingress.is_none() || subject.containers().is_empty() {
            return Vec::new();
        }
        let message = format!(
            "without a preStop hook each deleted pod refuses the requests that the ALB still sends it, for up to {} s",
            seconds(until)
        );
        vec![Found::at(subject.container_place(), message).played(sleep(subject, until))]
    },
};

const SHORT_PRE_STOP: Rule = Rule {
    page: Page {
        code: "K006",
        title: "the preStop hook ends before the load balancer has let go of the pod",
        level: Level::Warning,
        cause: "The hook keeps the program serving while the load balancer hears of the deletion: through the EndpointSlice, \
                DeregisterTargets and the nodes of the ALB. This one ends sooner than that may take.",
        consequence: "From SIGTERM on the port is closed, and what the ALB still sends is refused: 502.",
        remedy: "let the hook sleep until the load balancer has let go of the pod, and raise the grace period above it",
        source: "Amazon EKS Best Practices Guide, load balancing; AWS Load Balancer Controller issues 1064, 2366",
        reproduce: "sim run scenarios/field-reports/lbc-1064-pre-stop-5s.toml",
    },
    look: |subject| {
        let (Some(scenario), Some(until)) = (subject.scenario, subject.deregistered_after()) else { return Vec::new() };
        let Some(hook) = main_hook(subject) else { return Vec::new() };
        let keeps_serving = scenario.application.on_sigterm == OnSigterm::Ignore || subject.release.ingress.is_none();
        let Some(time) = hook.time.filter(|time| *time < until && !keeps_serving) else { return Vec::new() };
        let message = format!(
            "the preStop hook ends after {} s, and the ALB may send requests to a deleted pod for up to {} s",
            seconds(time),
            seconds(until)
        );
        vec![Found::at(hook.place.clone(), message).played(sleeping(subject, &hook, until))]
    },
};

const NO_SHELL: Rule = Rule {
    page: Page {
        code: "K007",
        title: "a preStop command in an image that has no shell",
        level: Level::Warning,
        cause: "The hook runs `sleep` or a shell in the container, and images of this kind have neither.",
        consequence: "The hook fails at once with FailedPreStopHook, and SIGTERM follows without any wait: as if there were no \
                      hook.",
        remedy: "use `preStop.sleep.seconds`, which the kubelet runs itself (on by default since Kubernetes 1.30)",
        source: "Kubernetes Enhancement Proposal 3960, motivation; Kubernetes documentation, Container Lifecycle Hooks",
        reproduce: "sim check tests/findings/K007.bad.yaml",
    },
    look: |subject| {
        let found = |hook: Hook<'_>| {
            let words = hook.words()?;
            let container = subject.containers().get(hook.container)?.table()?;
            let image = container.find("image").and_then(Node::text).filter(|image| has_no_shell(image))?;
            let message = format!("{image} probably has no `{}`: this preStop hook fails at once", words.first()?);
            let until = subject.deregistered_after().filter(|_| subject.release.ingress.is_some());
            let change = hook.time.or(until).and_then(|time| slept_by_the_kubelet(subject, &hook, time));
            Some(Found::at(hook.place, message).with(change))
        };
        hooks(subject).into_iter().filter_map(found).collect()
    },
};

const NO_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K008",
        title: "a grace period of zero",
        level: Level::Warning,
        cause: "With terminationGracePeriodSeconds: 0 a deleted pod vanishes from the API at once, and the kubelet gives its \
                containers a second, preStop hook included.",
        consequence: "Nothing is drained: the requests in flight are lost, and what the load balancer still sends is refused.",
        remedy: "leave it out for 30 s, or set it above the preStop hook and the longest request",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods; `pkg/registry/core/pod/strategy.go`",
        reproduce: "sim run tests/findings/K008.bad.yaml",
    },
    look: |subject| {
        let Some(node) = subject.pod(GRACE_PERIOD).filter(|node| node.integer() == Some(0)) else { return Vec::new() };
        let message = "with a grace period of 0 s a deleted pod is killed with all requests that it works on";
        let time = time_of_main_hook(subject).unwrap_or(Duration::ZERO).max(LONG_HOOK);
        vec![Found::at(node.place.clone(), message).played(room_behind(subject, time))]
    },
};

const SHELL_AS_PROCESS_1: Rule = Rule {
    page: Page {
        code: "K019",
        title: "a shell is process 1 and may keep SIGTERM to itself",
        level: Level::Warning,
        cause: "The container starts a shell with several commands. SIGTERM goes to process 1, the shell, and a shell passes \
                no signal on. Which of them replace themselves by the last command differs from shell to shell.",
        consequence: "Where the shell stays, the program never hears of SIGTERM: it serves until SIGKILL at the end of the \
                      grace period, and loses what it works on.",
        remedy: "write `exec` before the last command, or start an init such as tini",
        source: "Amazon EKS Best Practices Guide, load balancing, graceful shutdown; Docker documentation, ENTRYPOINT",
        reproduce: "sim check tests/findings/K019.bad.yaml",
    },
    look: |subject| {
        let Some((key, script)) = script(subject).filter(|(_, script)| keeps_its_shell(script)) else {
            return Vec::new();
        };
        let message = format!(
            "SIGTERM goes to the shell and may not reach the program, which then dies by SIGKILL after {} s",
            seconds(grace(subject))
        );
        let place = subject.container(&key).and_then(|node| node.place.clone());
        let change = with_exec(script)
            .and_then(|script| set_on_one_line(subject, &subject.container_key(&key), &script))
            .map(|change| Change { words: "write exec before the last command".to_owned(), ..change });
        vec![Found::at(place, message).with(change)]
    },
};

const SIDECAR_WITHOUT_HOOK: Rule = Rule {
    page: Page {
        code: "K020",
        title: "a proxy beside the program stops before it",
        level: Level::Warning,
        cause: "All containers of a pod are stopped at the same time. The program has a preStop hook, the proxy beside it has \
                none and gets SIGTERM at once.",
        consequence: "While the program waits in its hook for the load balancer, requests through the proxy fail, as do its \
                      own: to the database, to other services.",
        remedy: "give all containers the same hook, or make the proxy a native sidecar: an init container with \
                 restartPolicy: Always",
        source: "Kubernetes Enhancement Proposal 753, Sidecar containers; Kubernetes documentation, Pod Lifecycle",
        reproduce: "sim check tests/findings/K020.bad.yaml",
    },
    look: |subject| {
        let Some(hook) = main_hook(subject) else { return Vec::new() };
        let Some(time) = hook.time.filter(|time| *time > Duration::ZERO) else { return Vec::new() };
        let name = |node: &Node| node.table()?.find("name")?.text().map(str::to_owned);
        let program = subject.containers().get(hook.container).and_then(name).unwrap_or_default();
        let found = |(index, container): (usize, &Node)| {
            let table = container.table()?;
            if index == hook.container || table.find("lifecycle.preStop").is_some() || !is_proxy(container) {
                return None;
            }
            let message = format!(
                "`{}` has no preStop hook and stops at once, while `{program}` goes on for {} s",
                name(container)?,
                seconds(time)
            );
            let key = format!("{POD}.containers[{index}].lifecycle.preStop.sleep.seconds");
            let change = subject.set_in_template(&key, &seconds(time).to_string());
            Some(Found::at(table.find("name")?.place.clone(), message).with(change))
        };
        subject.containers().iter().enumerate().filter_map(found).collect()
    },
};

/// A spot instance is gone two minutes after its notice; some of that passes before the pod is deleted. Source: Karpenter
/// documentation, interruption.
const SPOT_NOTICE: Duration = Duration::secs(110);

const SPOT: Rule = Rule {
    page: Page {
        code: "K029",
        title: "stopping takes longer than the notice of a spot instance",
        level: Level::Warning,
        cause: "The pod runs on spot instances, which AWS takes back two minutes after a notice. Its preStop hook and its \
                longest request together take longer.",
        consequence: "The instance disappears with the requests in flight: 504 once nobody answers.",
        remedy: "shorten the preStop hook to what the load balancer needs, or run on demand",
        source: "Karpenter documentation, Disruption, interruption; AWS Node Termination Handler, README",
        reproduce: "sim check tests/findings/K029.bad.yaml",
    },
    look: |subject| {
        let Some(hook) = main_hook(subject).filter(|_| runs_on_spot(subject)) else { return Vec::new() };
        let Some(time) = hook.time.filter(|time| *time + LONGEST_REQUEST > SPOT_NOTICE) else { return Vec::new() };
        let message = format!(
            "the preStop hook takes {} s and a request up to {} s: a spot instance leaves the pod about {} s",
            seconds(time),
            seconds(LONGEST_REQUEST),
            seconds(SPOT_NOTICE)
        );
        let until = subject.deregistered_after().filter(|_| subject.release.ingress.is_some());
        let change = until.and_then(|until| sleeping(subject, &hook, until));
        vec![Found::at(hook.place.clone(), message).with(change)]
    },
};

/// A container's preStop hook.
struct Hook<'a> {
    container: usize,
    node: &'a Node,
    /// None if nobody can read it off the manifest, and the scenario does not say it.
    time: Option<Duration>,
    is_sleep_action: bool,
    place: Option<Range<usize>>,
}

impl<'a> Hook<'a> {
    fn words(&self) -> Option<Vec<&'a str>> {
        pre_stop::words(self.node.table()?.find("exec.command")?)
    }

    fn key(&self) -> String {
        format!("{POD}.containers[{}].lifecycle.preStop", self.container)
    }
}

fn hooks<'a>(subject: &Subject<'a>) -> Vec<Hook<'a>> {
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
        let time = said.filter(|said| written.is_some() || *said > Duration::ZERO).or(written);
        let place = sleep.or(command).unwrap_or(node).place.clone();
        Some(Hook { container, node, time, is_sleep_action: sleep.is_some(), place })
    };
    subject.containers().iter().enumerate().filter_map(hook).collect()
}

fn main_hook<'a>(subject: &Subject<'a>) -> Option<Hook<'a>> {
    hooks(subject).into_iter().find(|hook| hook.container == subject.main())
}

/// Zero without a hook; None if nobody knows how long it takes, or without a container.
fn time_of_main_hook(subject: &Subject<'_>) -> Option<Duration> {
    if subject.containers().is_empty() {
        return None;
    }
    main_hook(subject).map_or(Some(Duration::ZERO), |hook| hook.time)
}

/// No more than a day, which no pod is ever granted to stop.
fn whole_seconds(count: i64) -> Duration {
    Duration::secs(u64::try_from(count).unwrap_or(0).min(u64::from(MAX_SECONDS)))
}

fn grace(subject: &Subject<'_>) -> Duration {
    let written = subject.pod(GRACE_PERIOD).and_then(Node::integer).map(whole_seconds);
    subject.grace_period().or(written).unwrap_or(DEFAULT_GRACE)
}

/// Only the sleep action is checked against the grace period, not a command that sleeps.
fn is_refused(hook: &Hook<'_>, grace: Duration) -> bool {
    hook.is_sleep_action && hook.time.is_some_and(|time| time > grace)
}

/// From the deletion of a pod to the last request that reaches it and that it takes. Whoever else sends requests, the hook
/// is taken to be as long as that takes.
fn last_request(subject: &Subject<'_>, hook: Duration) -> Duration {
    let until = subject.deregistered_after().filter(|_| subject.release.ingress.is_some());
    until.map_or(hook, |until| until.min(hook))
}

/// A grace period with room for a request behind a hook of that time.
fn room_behind(subject: &Subject<'_>, hook: Duration) -> Option<Change> {
    let needed = seconds(hook) + seconds(LONGEST_REQUEST) + ROOM;
    subject.set_in_template(&format!("{POD}.{GRACE_PERIOD}"), &needed.to_string())
}

/// A preStop sleep of that time, and a grace period that leaves room behind it.
fn sleep(subject: &Subject<'_>, time: Duration) -> Option<Change> {
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
fn sleeping(subject: &Subject<'_>, hook: &Hook<'_>, time: Duration) -> Option<Change> {
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
        [_, _] => Some((1, time.to_string())),
        [_, _, script] => {
            let (before, after) = script.split_once("sleep ").filter(|(_, after)| !after.contains("sleep "))?;
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(after.len());
            Some((2, format!("{before}sleep {time}{}", &after[end..])))
        }
        _ => None,
    }
}

/// A text in the place of another, unless that is a block of several lines.
fn set_on_one_line(subject: &Subject<'_>, key: &str, text: &str) -> Option<Change> {
    let place = subject.template()?.find(key)?.place.clone()?;
    if subject.sources.text(&place).contains('\n') {
        return None;
    }
    let quoted = Node { kind: Kind::String(text.to_owned()), place: None }.to_toml();
    subject.set_in_template(key, &quoted)
}

/// The kubelet's own sleep instead of a command.
fn slept_by_the_kubelet(subject: &Subject<'_>, hook: &Hook<'_>, time: Duration) -> Option<Change> {
    let is_flow = subject.sources.text(hook.node.place.as_ref()?).starts_with('{');
    let sleep = format!("sleep: {{ seconds: {} }}", seconds(time));
    let value = if is_flow { format!("{{ {sleep} }}") } else { sleep.clone() };
    let change = subject.set_in_template(&hook.key(), &value)?;
    with_room(subject, Change { words: format!("write preStop: {{ {sleep} }} instead"), ..change }, time)
}

/// Images whose names say that they hold a program and nothing else.
fn has_no_shell(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let is_bare = ["distroless", "chiseled", "chainguard/static"].iter().any(|name| image.contains(name));
    // The variant for people who want to look inside has a shell.
    is_bare && !tag.contains("debug") && !tag.contains("dev")
}

/// The script of a container whose command is a shell, with its key.
fn script<'a>(subject: &Subject<'a>) -> Option<(String, &'a str)> {
    let words_of = |key: &str| subject.container(key).and_then(pre_stop::words).unwrap_or_default();
    let (command, arguments) = (words_of("command"), words_of("args"));
    let words: Vec<(String, &str)> = command
        .iter()
        .enumerate()
        .map(|(index, word)| (format!("command[{index}]"), *word))
        .chain(arguments.iter().enumerate().map(|(index, word)| (format!("args[{index}]"), *word)))
        .collect();
    let (_, shell) = words.first().filter(|_| !command.is_empty())?;
    let (_, flags) = words.get(1)?;
    let is_script = pre_stop::is_shell(shell) && flags.starts_with('-') && flags.ends_with('c');
    words.get(2).filter(|_| is_script).cloned()
}

/// Whether a script has several commands, none of which takes the shell's place, and no other way to pass signals on.
fn keeps_its_shell(script: &str) -> bool {
    let separators = [";", "&&", "||", "|", "\n"];
    let is_list = separators.iter().any(|separator| script.trim().trim_end_matches(';').contains(separator));
    is_list && !["exec ", "trap ", "tini", "dumb-init"].iter().any(|other| script.contains(other))
}

/// `exec` before the last command, where that is a program's.
fn with_exec(script: &str) -> Option<String> {
    let script = script.trim_end();
    let at = ["&&", ";"].iter().filter_map(|separator| script.rfind(separator).map(|at| at + separator.len())).max()?;
    let (before, last) = script.split_at(at);
    let last = last.trim_start();
    let is_plain = !last.is_empty() && !last.contains(['|', '&', '\n', '(', '{']);
    let is_program = is_plain && !["done", "fi", "esac"].contains(&last.split_whitespace().next()?);
    is_program.then(|| format!("{before} exec {last}"))
}

/// A container through which requests go in or out, by its name or its image.
fn is_proxy(container: &Node) -> bool {
    let text = |key: &str| container.table().and_then(|table| table.find(key)).and_then(Node::text).unwrap_or_default();
    let names = format!("{} {}", text("name"), text("image"));
    // Scraped by Prometheus, not on the way of a request.
    let is_for_metrics = names.contains("rbac") || names.contains("exporter");
    let proxies = ["envoy", "proxy", "nginx", "traefik", "caddy"];
    !is_for_metrics && proxies.iter().any(|proxy| names.contains(proxy))
}

/// Keys by which Karpenter, managed node groups and the older habits tell spot instances.
const CAPACITY_TYPES: [&str; 3] =
    ["karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType", "node.kubernetes.io/lifecycle"];

/// Whether the pod is bound to spot instances; one that only tolerates them may run elsewhere.
fn runs_on_spot(subject: &Subject<'_>) -> bool {
    const REQUIRED: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let is_spot = |node: &Node| node.text().is_some_and(|text| text.eq_ignore_ascii_case("spot"));
    let selector = subject.pod("nodeSelector").and_then(Node::table).map_or(&[][..], |table| &table.entries);
    let is_selected =
        selector.iter().any(|entry| CAPACITY_TYPES.contains(&entry.key.as_str()) && is_spot(&entry.value));
    let demands_spot = |expression: &Node| {
        let Some(table) = expression.table() else { return false };
        let text = |key: &str| table.find(key).and_then(Node::text).unwrap_or_default();
        let values = table.find("values").and_then(Node::array).unwrap_or_default();
        CAPACITY_TYPES.contains(&text("key"))
            && text("operator") == "In"
            && !values.is_empty()
            && values.iter().all(is_spot)
    };
    let terms = subject.pod(REQUIRED).and_then(Node::array).unwrap_or_default();
    let expressions = |term: &'_ Node| -> bool {
        let list = term.table().and_then(|table| table.find("matchExpressions")).and_then(Node::array);
        list.is_some_and(|list| list.iter().any(demands_spot))
    };
    is_selected || !terms.is_empty() && terms.iter().all(expressions)
}
