//! On what a release waits that is not over: one sentence for the report.

use super::Simulation;
use super::workload::Workload;
use crate::model::rollout::Rollout;
use crate::model::rollout::status::{PauseReason, Phase, ReplicaSet};
use crate::model::rollout::step::Step;
use crate::units::TrafficWeight;

impl Simulation<'_> {
    /// None once it is promoted or aborted.
    pub(super) fn waits_for(&self) -> Option<String> {
        match &self.workload {
            Workload::Rollout(rollout) => waits_for(rollout),
            Workload::Deployment(deployment) if deployment.is_at_rest() => None,
            Workload::Deployment(_) => {
                let ready = self.pods.iter().filter(|member| member.revision == self.newest && member.serves()).count();
                let wanted = self.workload.replicas_of(self.newest);
                Some(format!("the pods of {}: {ready} of {wanted} are ready", self.newest))
            }
        }
    }
}

fn waits_for(rollout: &Rollout) -> Option<String> {
    let status = rollout.status();
    if rollout.is_fully_promoted() {
        return None;
    }
    if status.abort {
        return waits_after_abort(rollout);
    }
    if rollout.is_paused_by_hand() {
        return Some("`kubectl argo rollouts promote`: the Rollout was paused by hand".to_owned());
    }
    match status.pause_conditions.first().map(|condition| condition.reason) {
        Some(PauseReason::InconclusiveAnalysisRun) => {
            return Some("somebody to decide: an analysis was inconclusive".to_owned());
        }
        Some(PauseReason::BlueGreenPause) => {
            return Some("the end of the pause before the active Service moves".to_owned());
        }
        Some(PauseReason::CanaryPauseStep) | None => {}
    }
    let pods = pods_of_the_update(rollout);
    let index = rollout.step_index();
    let is_unverified = status.weights.is_some_and(|weights| weights.verified == Some(false)) || rollout.is_verifying();
    let late = if status.phase == Phase::Degraded { ", and the progress deadline has passed" } else { "" };
    let Some(step) = rollout.steps().get(index) else {
        let waits = if is_unverified { "AWS to show the full weight".to_owned() } else { pods };
        return Some(format!("the promotion: {waits}{late}"));
    };
    Some(match step {
        Step::Pause(None) => format!("somebody to promote it: step {index} ({step}) has no end"),
        Step::Pause(Some(_)) => format!("the end of step {index} ({step})"),
        Step::Analysis(_) => format!("the verdict of step {index} ({step})"),
        Step::SetWeight(_) if is_unverified => format!("AWS to show the weight of step {index} ({step}){late}"),
        Step::SetWeight(_) | Step::SetCanaryScale(_) | Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => {
            format!("step {index} ({step}): {pods}{late}")
        }
    })
}

/// Under dynamicStableScale the weight goes back as stable grows; what keeps stable from growing keeps the weight.
fn waits_after_abort(rollout: &Rollout) -> Option<String> {
    let weight = rollout.status().weights.map_or(TrafficWeight::ZERO, |weights| weights.canary);
    let stable = find(rollout, rollout.status().stable)?;
    (weight != TrafficWeight::ZERO).then(|| {
        let ReplicaSet { available, replicas, .. } = stable;
        let wanted = rollout.replicas();
        format!(
            "stable to take its traffic back: {weight} % still go to the aborted revision, stable has {available} of its \
             {replicas} pods and needs {wanted}"
        )
    })
}

/// `3 of 5 canary pods are available`
fn pods_of_the_update(rollout: &Rollout) -> String {
    let set = find(rollout, rollout.status().current);
    let (available, wanted) = set.map_or((0, 0), |set| (set.available, set.replicas));
    format!("{available} of {wanted} canary pods are available")
}

fn find(rollout: &Rollout, revision: Option<crate::model::Revision>) -> Option<ReplicaSet> {
    rollout.replica_sets().iter().find(|set| Some(set.revision) == revision).copied()
}
