//! The release cut into stretches that have a name in a sentence.

use super::super::time;
use crate::run::{Decider, LogEntry, Run};
use crate::units::{Duration, Instant};
use std::ops::Range;

#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `At setWeight 100 (t = 420 s)`.
    pub(super) name: String,
    pub(super) start: Instant,
    /// Of `Run::seconds`.
    pub(super) rows: Range<u64>,
}

/// A first step that begins so soon after a new template is the controller's answer to it.
const ANSWER: Duration = Duration::secs(1);

/// In the order of time, without gaps; the first is the time before the release. A step that begins once more, in a retry
/// or in another release, is another place.
pub(super) fn places(run: &Run) -> Vec<Place> {
    let without_steps = if run.steps.is_empty() { ", which has no steps" } else { "" };
    let mut marks = vec![
        (Instant::START, "Already before the release".to_owned()),
        (run.release, format!("In the release{without_steps}")),
    ];
    marks.extend(run.events.iter().filter_map(|entry| Some((entry.at, mark(run, entry)?))));
    marks.sort_by_key(|(at, _)| *at);
    let ends: Vec<_> = marks[1..].iter().map(|(at, _)| at.second()).chain([run.seconds.len() as u64]).collect();
    let place = |((start, name), end): ((Instant, String), u64)| Place { name, start, rows: start.second()..end };
    marks.into_iter().zip(ends).map(place).collect()
}

/// The name of the place that begins with an event.
fn mark(run: &Run, entry: &LogEntry) -> Option<String> {
    let at = time(run, entry.at);
    let is_of = |index: Option<usize>| index.is_some_and(|index| entry.object == format!("step {index}"));
    match (entry.component, entry.event) {
        (_, "StepStarted") if is_of(Some(0)) && is_answer(run, entry) => None,
        // A pause belongs to the step before it.
        (_, "StepStarted") if is_of(Some(0)) || !entry.detail.starts_with("pause") => {
            Some(format!("At {} (t = {at})", entry.detail))
        }
        (_, "StepCompleted") if is_of(run.steps.len().checked_sub(1)) => {
            Some(format!("After the last step (over at t = {at})"))
        }
        (_, "Aborted") => Some(format!("After the abort (t = {at})")),
        // The controller answers an abort with `Aborted`, and a pause with nothing.
        ("people", "abort" | "pause") => None,
        // What goes by way of git is there with the sync.
        ("argo-cd", "ChangeTemplate") => Some(match run.template_by(entry.at) {
            Some(decision) => match decision.by {
                Decider::Person { verb, .. } => format!("After `{}`, synced at t = {at}", verb.name()),
                by @ (Decider::Promotion | Decider::RolloutsController) => {
                    format!("After the {}, synced at t = {at}", by.name())
                }
            },
            None => format!("After Argo CD synced {} (t = {at})", entry.detail),
        }),
        ("people", "revert_commit" | "run_pipeline" | "accept" | "reject" | "sync" | "refresh") => None,
        ("people", "undo" | "deploy") => Some(format!("After `{} {}` (t = {at})", entry.event, entry.detail)),
        ("people", "set_replicas") => Some(format!("After `set_replicas {}` (t = {at})", entry.detail)),
        ("people", verb) => Some(format!("After `{verb}` (t = {at})")),
        _ => None,
    }
}

/// A rollback within the window begins the first step and none after it: its place is the `undo`.
fn is_answer(run: &Run, step: &LogEntry) -> bool {
    let brings = |entry: &&LogEntry| match entry.component {
        "people" => ["undo", "deploy"].contains(&entry.event),
        component => component == "argo-cd" && entry.event == "ChangeTemplate",
    };
    let before = run.events.iter().rfind(|entry| entry.at <= step.at && brings(entry));
    before.is_some_and(|entry| step.at - entry.at <= ANSWER)
}

/// The place in which something happened.
pub(super) fn place_of(run: &Run, at: Instant) -> Place {
    places(run).into_iter().rfind(|place| place.start <= at).expect("the first begins with the run")
}
