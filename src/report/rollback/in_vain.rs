//! Decisions that changed nothing, and why.

use crate::model::people::Verb;
use crate::report::time;
use crate::run::{Decider, Decision, LogEntry, Run};
use crate::units::Instant;

pub(super) fn sentence(run: &Run, decision: &Decision) -> String {
    let (name, at) = (decision.by.name(), time(run, decision.decided));
    if let Some(reason) = &decision.refused {
        return format!("`{name}` (t = {at}) came too late: {reason}.");
    }
    let reason = reason(run, decision).map_or_else(String::new, |reason| format!(": {reason}"));
    format!("`{name}` (t = {at}) changed nothing{reason}.")
}

fn reason(run: &Run, decision: &Decision) -> Option<String> {
    match decision.by {
        Decider::Person { verb: Verb::Abort, .. } => {
            Some(refusal(run, decision).unwrap_or_else(|| "no update was under way".to_owned()))
        }
        Decider::Person { verb: Verb::RunPipeline, .. } => of_pipeline(run, decision),
        Decider::Person { verb: Verb::RevertCommit | Verb::Reject, .. } | Decider::Promotion => {
            of_commit(run, decision.decided)
        }
        Decider::Person { .. } | Decider::RolloutsController => None,
    }
}

/// What kept every pass of the Rollouts controller from its end then.
fn refusal(run: &Run, decision: &Decision) -> Option<String> {
    let is_of_pass = |entry: &&LogEntry| {
        entry.component == "rollouts-controller" && ["InvalidSpec", "PassFailed", "SetWeight"].contains(&entry.event)
    };
    let (before, after): (Vec<_>, Vec<_>) =
        run.events.iter().filter(is_of_pass).partition(|entry| entry.at <= decision.decided);
    let near = [before.last(), after.first()].into_iter().flatten();
    let refused = near.copied().find(|entry| entry.event != "SetWeight")?;
    Some(format!("no pass of the Rollouts controller came to its end ({}: {})", refused.event, refused.detail))
}

fn of_pipeline(run: &Run, decision: &Decision) -> Option<String> {
    let of_pipeline = |entry: &&LogEntry| entry.component == "pipeline" && entry.at >= decision.decided;
    let mut entries = run.events.iter().filter(of_pipeline);
    let number = &entries.find(|entry| ["Queued", "Started"].contains(&entry.event))?.object;
    // Of a stage the detail says whose it is.
    let is_of_run = |entry: &&LogEntry| entry.object == *number || entry.detail.split(", ").next() == Some(number);
    let last = run.events.iter().filter(of_pipeline).rfind(is_of_run)?;
    match (last.event, last.detail.as_str()) {
        ("Ended", "succeeded") => of_commit(run, last.at),
        ("Ended", _) => Some(format!("{number} of the pipeline failed")),
        ("Queued", _) => Some(format!("{number} of the pipeline was still waiting for an executor at the end")),
        _ => Some(format!("{number} of the pipeline was still going on at the end")),
    }
}

/// Of the commit of a pod template that was made from then on.
fn of_commit(run: &Run, from: Instant) -> Option<String> {
    let is_template = |detail: &str| detail.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
    let mut after = run.events.iter().filter(|entry| entry.at >= from);
    let commit = after.find(|entry| entry.component == "git" && is_template(&entry.detail));
    let Some(commit) = commit else { return Some("its commit was not pushed before the end".to_owned()) };
    let number = &commit.object;
    let of_commit = |event: &str| after.clone().any(|entry| entry.event == event && entry.object == *number);
    match () {
        () if of_commit("SyncEnded") => Some(format!("the cluster had its template when {number} was synced")),
        () if of_commit("SyncStarted") => Some(format!("the sync of {number} was still going on at the end")),
        () => Some(format!("nothing synced {number}")),
    }
}
