//! On what a release waits that is not over: one sentence for the report.

use super::Simulation;
use crate::model::rollout::status::{Phase, ReplicaSet};
use crate::model::rollout::step::Step;

impl Simulation<'_> {
    /// None once it is promoted or aborted.
    pub(super) fn waits_for(&self) -> Option<String> {
        let status = self.rollout.status();
        if status.abort || self.rollout.is_fully_promoted() {
            return None;
        }
        if self.rollout.is_paused_by_hand() {
            return Some("`kubectl argo rollouts promote`: the Rollout was paused by hand".to_owned());
        }
        let index = self.rollout.step_index();
        let Some(step) = self.rollout.steps().get(index) else {
            return Some(format!("the promotion, after the last step: {}", self.pods_of_the_update()));
        };
        let late = if status.phase == Phase::Degraded { ", and the progress deadline has passed" } else { "" };
        Some(match step {
            Step::Pause(None) => format!("somebody to promote it: step {index} ({step}) has no end"),
            Step::Pause(Some(_)) => format!("the end of step {index} ({step})"),
            Step::Analysis(_) => format!("the verdict of step {index} ({step})"),
            Step::SetWeight(_) | Step::SetCanaryScale(_) | Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => {
                format!("step {index} ({step}): {}{late}", self.pods_of_the_update())
            }
        })
    }

    /// `3 of 5 canary pods are available`
    fn pods_of_the_update(&self) -> String {
        let current = self.rollout.status().current;
        let is_current = |set: &&ReplicaSet| Some(set.revision) == current;
        let (available, wanted) =
            self.rollout.replica_sets().iter().find(is_current).map_or((0, 0), |set| (set.available, set.replicas));
        format!("{available} of {wanted} canary pods are available")
    }
}
