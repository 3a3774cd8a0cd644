//! Pauses: how a pass enters one, and when it is over.
//!
//! Follows `rollout/pause.go` and `rollout/canary.go:reconcileCanaryPause` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::Effect;
use super::pass::Pass;
use super::status::{PauseCondition, PauseReason, Status};
use super::step::Step;
use crate::units::{Duration, Instant};

/// What a pass wants to change in the Rollout's pauses and its abort.
#[derive(Debug, Default)]
pub(super) struct PauseContext {
    pub(super) adds: Vec<PauseReason>,
    pub(super) removes: Vec<PauseReason>,
    pub(super) clears_conditions: bool,
    /// The reason of an abort by the controller itself.
    pub(super) abort: Option<String>,
    pub(super) removes_abort: bool,
}

impl PauseContext {
    /// Source: `CalculatePauseStatus`.
    pub(super) fn apply(&self, before: &Status, status: &mut Status, now: Instant) {
        status.pause_conditions.clear();
        status.controller_pause = false;
        status.abort = self.abort.is_some() || (before.abort && !self.removes_abort);
        status.aborted_at = status.abort.then(|| before.aborted_at.unwrap_or(now.floor_to_second()));
        if status.abort || self.clears_conditions {
            return;
        }
        let stays = |condition: &&PauseCondition| !self.removes.contains(&condition.reason);
        status.pause_conditions = before.pause_conditions.iter().filter(stays).copied().collect();
        let mut is_paused = before.controller_pause;
        for reason in &self.adds {
            if !before.pause_conditions.iter().any(|condition| condition.reason == *reason) {
                status.pause_conditions.push(PauseCondition { reason: *reason, start: now.floor_to_second() });
                is_paused = true;
            }
        }
        status.controller_pause = is_paused && !status.pause_conditions.is_empty();
    }
}

impl Pass<'_> {
    /// Enters the pause, or arms its timer.
    pub(super) fn reconcile_pause(&mut self) {
        if self.rollout.spec.paused {
            return;
        }
        let Some(Step::Pause(duration)) = self.observed().step().cloned() else { return };
        match self.pause_condition() {
            // Without a condition, a pause of the controller's own was ended by a person.
            None if self.rollout.status.controller_pause => {}
            None => self.pause.adds.push(PauseReason::CanaryPauseStep),
            Some(condition) => {
                let end = duration.map(|duration| condition.start + duration);
                self.effects.extend(end.map(|end| Effect::WakeAt(end.max(self.now))));
            }
        }
    }

    pub(super) fn is_pause_over(&self, duration: Option<Duration>) -> bool {
        match self.pause_condition() {
            None => self.rollout.status.controller_pause,
            Some(condition) => duration.is_some_and(|duration| self.now > condition.start + duration),
        }
    }

    fn pause_condition(&self) -> Option<PauseCondition> {
        let conditions = &self.rollout.status.pause_conditions;
        conditions.iter().find(|condition| condition.reason == PauseReason::CanaryPauseStep).copied()
    }
}
