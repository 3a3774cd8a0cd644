//! Conditions and phase: how far the Rollout says it is, and when it is overdue.
//!
//! Follows `utils/conditions/conditions.go`, `rollout/sync.go:calculateRolloutConditions` and
//! `utils/rollout/rolloututil.go:CalculateRolloutPhase` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::pass::Pass;
use super::spec::RolloutSpec;
use super::status::{Conditions, Phase, Progressing, ProgressingReason, Status};
use super::step::Step;
use crate::model::Revision;
use crate::units::{Duration, Instant};
use ProgressingReason::*;

pub fn of_a_healthy_rollout(revision: Revision) -> Conditions {
    let message = format!("ReplicaSet \"{revision}\" has successfully progressed.");
    let progressing = Progressing { reason: NewReplicaSetAvailable, message, last_update: Instant::START };
    Conditions {
        progressing: Some(progressing),
        paused: false,
        healthy: Some(true),
        completed: Some(true),
        invalid_spec: None,
    }
}

/// Of the first one; later ones leave the condition as it is.
pub(super) fn new_replica_set_created(status: &mut Status, revision: Revision, now: Instant) {
    if status.conditions.progressing.is_some() {
        return;
    }
    set(status, NewReplicaSetCreated, format!("Created new replica set \"{revision}\""), now);
}

pub(super) fn found_new_replica_set(status: &mut Status, revision: Revision, now: Instant) {
    set(status, FoundNewReplicaSet, format!("Found new replica set \"{revision}\""), now);
}

/// A condition keeps its time until its reason changes. Returns whether it was changed. Source: `SetRolloutCondition`.
fn set(status: &mut Status, reason: ProgressingReason, message: String, now: Instant) -> bool {
    if status.conditions.progressing.as_ref().is_some_and(|condition| condition.reason == reason) {
        return false;
    }
    status.conditions.progressing = Some(Progressing { reason, message, last_update: now.floor_to_second() });
    true
}

fn reason(status: &Status) -> Option<ProgressingReason> {
    status.conditions.progressing.as_ref().map(|condition| condition.reason)
}

/// Brings the conditions into line with pauses and aborts: a patch of its own, which ends the pass. Returns whether there
/// was one. A pause by `spec.paused` has none. Source: `rollout/sync.go:checkPausedConditions`.
pub(super) fn patch_paused(status: &mut Status, spec: &RolloutSpec, spec_paused: bool, now: Instant) -> bool {
    let is_paused = !status.pause_conditions.is_empty();
    let was_paused = reason(status) == Some(RolloutPaused);
    if reason(status) == Some(RolloutAborted) {
        if status.abort {
            return false;
        }
        set(status, RolloutRetry, "Retrying Rollout after abort".to_owned(), now);
    } else if is_paused == was_paused && is_paused == status.conditions.paused {
        return false;
    } else {
        status.conditions.paused = is_paused;
        match is_paused {
            true => set(status, RolloutPaused, "Rollout is paused".to_owned(), now),
            false => set(status, RolloutResumed, "Rollout is resumed".to_owned(), now),
        };
    }
    set_phase(status, spec, spec_paused);
    true
}

/// An abort was taken back, and nothing has come of it yet.
pub(super) fn is_retried(status: &Status) -> bool {
    reason(status) == Some(RolloutRetry)
}

/// Fills in the conditions of the status that a pass is about to persist. Returns when the controller has to look at the
/// progress deadline again.
pub(super) fn calculate(pass: &mut Pass<'_>, status: &mut Status) -> Option<Instant> {
    let (now, before) = (pass.now, pass.rollout.status.clone());
    let is_paused = !before.pause_conditions.is_empty() || pass.rollout.spec.paused;
    let is_aborted = pass.is_aborted();
    let healthy = is_healthy(&pass.rollout.spec, status);
    let mut became_unhealthy = false;
    if !is_paused && healthy {
        status.conditions.healthy = Some(true);
    } else if before.conditions.healthy.is_some() {
        became_unhealthy = before.conditions.healthy == Some(true);
        status.conditions.healthy = Some(false);
    }
    status.conditions.completed = Some(status.current.is_some() && status.current == status.stable);
    let number = pass.observed().new.map_or(1, |new| new.number);
    if is_aborted {
        let reason = pass.pause.abort.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let message = format!("Rollout aborted update to revision {number}{reason}");
        if set(status, RolloutAborted, message.clone(), now) {
            pass.effects.push(super::Effect::Aborted(message));
        }
    }
    let is_at_rest = status.pods.created == status.pods.available && reason(&before) == Some(NewReplicaSetAvailable);
    let name = pass.rollout.template;
    // While it is paused, nothing is expected of it.
    if !is_at_rest && !is_aborted && !is_paused {
        if healthy {
            set(status, NewReplicaSetAvailable, format!("ReplicaSet \"{name}\" has successfully progressed."), now);
        } else if is_progressing(&before, status) || became_unhealthy {
            status.conditions.progressing = Some(Progressing {
                reason: ReplicaSetUpdated,
                message: format!("ReplicaSet \"{name}\" is progressing."),
                last_update: now.floor_to_second(),
            });
        } else if !is_indefinite(pass) && is_timed_out(&pass.rollout.spec, status, now) {
            let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
            let is_new = set(status, ProgressDeadlineExceeded, message.clone(), now);
            if pass.rollout.spec.progress_deadline_abort {
                pass.pause.abort = Some(message.clone());
                // While promoteFull takes every abort back, the condition stays what it is.
                let message = format!("Rollout aborted update to revision {number}: {message}");
                if !pass.pause.removes_abort {
                    set(status, RolloutAborted, message.clone(), now);
                }
                if is_new {
                    pass.effects.push(super::Effect::Aborted(message));
                }
            }
        }
    }
    let is_stuck = !healthy
        && reason(&before) != Some(ProgressDeadlineExceeded)
        && !is_paused
        && !before.abort
        && !is_indefinite(pass);
    let since = before.conditions.progressing.filter(|_| is_stuck)?.last_update;
    let deadline = since + pass.rollout.spec.progress_deadline;
    let left = deadline.saturating_since(now);
    Some(if left < Duration::secs(1) { now } else { now + left + Duration::secs(1) })
}

/// Source: `RolloutHealthy`.
fn is_healthy(spec: &RolloutSpec, status: &Status) -> bool {
    let count = spec.steps().len();
    let has_run_all = count == 0 || status.step_index == Some(count);
    let has_all_pods = status.pods.updated == spec.replicas && status.pods.available >= spec.replicas;
    let is_switched = spec.blue_green().is_none() || status.active == status.current;
    has_run_all && is_switched && has_all_pods && status.current.is_some() && status.current == status.stable
}

/// Source: `RolloutProgressing`.
fn is_progressing(before: &Status, status: &Status) -> bool {
    let old = |status: &Status| status.pods.created.saturating_sub(status.pods.updated);
    status.pods.updated != before.pods.updated
        || old(status) < old(before)
        || status.pods.available > before.pods.available
        || status.stable != before.stable
        || status.step_index != before.step_index
        || status.steps != before.steps
}

/// A step that takes as long as it takes.
fn is_indefinite(pass: &Pass<'_>) -> bool {
    matches!(pass.observed().step(), Some(Step::Pause(_) | Step::Analysis(_)))
}

/// Source: `RolloutTimedOut`.
fn is_timed_out(spec: &RolloutSpec, status: &Status, now: Instant) -> bool {
    let Some(condition) = &status.conditions.progressing else { return false };
    match condition.reason {
        ProgressDeadlineExceeded => true,
        NewReplicaSetAvailable | RolloutPaused | RolloutAborted => false,
        NewReplicaSetCreated | FoundNewReplicaSet | ReplicaSetUpdated | RolloutResumed | RolloutRetry => {
            now > condition.last_update + spec.progress_deadline
        }
    }
}

/// Source: `CalculateRolloutPhase`.
pub(super) fn set_phase(status: &mut Status, spec: &RolloutSpec, spec_paused: bool) {
    let (phase, message) = phase(status, spec, spec_paused);
    (status.phase, status.message) = (phase, message);
}

fn phase(status: &Status, spec: &RolloutSpec, spec_paused: bool) -> (Phase, String) {
    let progressing = |message: &str| (Phase::Progressing, message.to_owned());
    if let Some(message) = &status.conditions.invalid_spec {
        return (Phase::Degraded, format!("InvalidSpec: {message}"));
    }
    match &status.conditions.progressing {
        Some(condition) if condition.reason == RolloutAborted => {
            return (Phase::Degraded, format!("RolloutAborted: {}", condition.message));
        }
        Some(condition) if condition.reason == ProgressDeadlineExceeded => {
            return (Phase::Degraded, format!("ProgressDeadlineExceeded: {}", condition.message));
        }
        Some(_) | None => {}
    }
    if spec_paused {
        return (Phase::Paused, "manually paused".to_owned());
    }
    if let Some(condition) = status.pause_conditions.first() {
        return (Phase::Paused, condition.reason.name().to_owned());
    }
    if status.pods.updated < spec.replicas {
        return progressing("more replicas need to be updated");
    }
    if status.pods.available < status.pods.updated {
        return progressing("updated replicas are still becoming available");
    }
    if spec.blue_green().is_some() {
        if status.active.is_none() || status.active != status.current {
            return progressing("active service cutover pending");
        }
        if status.stable.is_none() || status.stable != status.current {
            return progressing("waiting for analysis to complete");
        }
    } else if !spec.is_traffic_routed() && status.pods.created > status.pods.updated {
        return progressing("old replicas are pending termination");
    }
    if status.stable.is_none() || status.stable != status.current {
        return progressing("waiting for all steps to complete");
    }
    (Phase::Healthy, String::new())
}
