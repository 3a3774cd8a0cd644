//! `decisions`, `rollback` and `header_routes` of `summary.json`.

use super::header_routes::{HeaderRouteLife, lives};
use super::{Rollback, Times, Way, argo_cd, of};
use crate::report::summary::{number, secs, since_release};
use crate::run::{ChangeKind, Decision, LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};
use serde_json::{Value, json};

/// Adds what only some runs have.
pub(in crate::report) fn add(summary: &mut Value, loaded: &Loaded, run: &Run) {
    if let Some(rollback) = of(loaded, run) {
        summary["rollback"] = write(run, &rollback);
    }
    if !run.decisions.is_empty() {
        summary["decisions"] = run.decisions.iter().enumerate().map(|entry| decision(run, entry)).collect();
    }
    if loaded.scenario.gitops.is_some() {
        summary["argo_cd"] = json!({
            "wrote": by_argo_cd(run),
            "by_weights_of_git_s": secs(argo_cd::by_weights_of_git(run)),
        });
    }
    let lives = lives(loaded, run);
    if !lives.is_empty() && !run.classes.is_empty() {
        summary["header_routes"] = lives.iter().map(life).collect();
    }
}

fn write(run: &Run, rollback: &Rollback<'_>) -> Value {
    let Rollback { first_bad, way, mitigated: [mitigated, nearly], exposure, .. } = rollback;
    let users = exposure.users.map(
        |users| json!({ "count": users.count, "exposed": users.exposed, "hit_by_target_5xx": users.hit_by_target_5xx }),
    );
    let of_way = |show: &dyn Fn(&Way<'_>) -> Value| way.as_ref().map_or(Value::Null, show);
    let at = |show: &dyn Fn(&Way<'_>) -> Option<Instant>| of_way(&|way| since_release(run, show(way)));
    let times = rollback.times();
    let time = |show: fn(&Times) -> Option<Duration>| times.as_ref().and_then(show).map_or(Value::Null, secs);
    json!({
        "decision": of_way(&|way| way.decision.by.name().into()),
        "alert": of_way(&|way| way.decision.alert.as_ref().map(|alert| alert.name.as_str()).into()),
        "first_bad_s": since_release(run, Some(*first_bad)),
        "detected_s": at(&|way| Some(way.detected)),
        "decided_s": at(&|way| Some(way.decision.decided)),
        "changed_s": at(&|way| Some(way.change.at)),
        "complete_s": at(&|way| way.change.complete),
        "mitigated_s": since_release(run, *mitigated),
        "mitigated_to_1_percent_s": since_release(run, *nearly),
        "time_to_detect_s": time(|times| Some(times.detect)),
        "time_to_decide_s": time(|times| Some(times.decide)),
        "time_to_mitigate_s": time(|times| times.mitigate),
        "time_to_recover_s": time(|times| times.recover),
        "requests": exposure.requests,
        "target_5xx": exposure.target_5xx,
        "equivalent_s": number(exposure.equivalent, 3),
        "users": users,
        "elb_5xx": of_way(&|way| way.elb_5xx.into()),
    })
}

/// What Argo CD wrote over, pruned and created, by object and fields.
fn by_argo_cd(run: &Run) -> Vec<Value> {
    let mut written: Vec<(&LogEntry, Vec<Instant>)> = vec![];
    let is_meant =
        |entry: &&LogEntry| entry.component == "argo-cd" && ["Applied", "Created", "Pruned"].contains(&entry.event);
    for entry in run.events.iter().filter(is_meant) {
        let is_same = |(other, _): &&mut (&LogEntry, Vec<Instant>)| {
            (other.event, &other.object, &other.detail) == (entry.event, &entry.object, &entry.detail)
        };
        match written.iter_mut().find(is_same) {
            Some((_, times)) => times.push(entry.at),
            None => written.push((entry, vec![entry.at])),
        }
    }
    let row = |(entry, times): (&LogEntry, Vec<Instant>)| {
        json!({
            "event": entry.event,
            "object": entry.object,
            "fields": entry.detail,
            "times": times.len(),
            "first_s": since_release(run, times.first().copied()),
            "last_s": since_release(run, times.last().copied()),
        })
    };
    written.into_iter().map(row).collect()
}

/// Everybody's, with what came of it.
fn decision(run: &Run, (index, decision): (usize, &Decision)) -> Value {
    let changes = run.changes.iter().filter(|change| change.decision == Some(index));
    let changes = changes.map(|change| {
        let (what, revision) = match change.kind {
            ChangeKind::Template(revision) => ("template", Some(revision.to_string())),
            ChangeKind::Abort => ("abort", None),
            ChangeKind::Retry => ("retry", None),
            ChangeKind::FeatureDisabled => ("feature_disabled", None),
        };
        json!({
            "change": what,
            "revision": revision,
            "at_s": since_release(run, Some(change.at)),
            "complete_s": since_release(run, change.complete),
        })
    });
    let alert = decision.alert.as_ref();
    json!({
        "decision": decision.by.name(),
        "alert": alert.map(|alert| alert.name.as_str()),
        "fired_s": since_release(run, alert.map(|alert| alert.fired)),
        "triggered_s": since_release(run, Some(decision.triggered)),
        "noticed_s": since_release(run, Some(decision.noticed)),
        "decided_s": since_release(run, Some(decision.decided)),
        "refused": decision.refused,
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn life(life: &HeaderRouteLife) -> Value {
    json!({
        "name": life.name,
        "present_s": secs(life.present),
        "absent_s": secs(life.absent),
        "removed_by": life.removed_by,
    })
}
