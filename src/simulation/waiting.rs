//! On what a release waits that is not over: one sentence for the report.

use super::Simulation;
use super::workload::Workload;
use crate::model::rollout::Rollout;
use crate::model::rollout::analysis::{Kind, Run};
use crate::model::rollout::status::{PauseReason, Phase, ReplicaSet};
use crate::model::rollout::step::Step;
use crate::model::{Revision, analysis};
use crate::units::TrafficWeight;

impl Simulation<'_> {
    /// None once it is promoted or aborted.
    pub(super) fn waits_for(&self) -> Option<String> {
        match &self.workload {
            Workload::Rollout(rollout) => waits_for(rollout),
            Workload::Deployment(deployment) => {
                let template = deployment.template();
                if deployment.completed() == Some(template) {
                    return None;
                }
                let of = |revision: Revision| self.pods.iter().filter(move |member| member.revision == revision);
                let (ready, wanted) =
                    (of(template).filter(|member| member.serves()).count(), deployment.replicas_of(template));
                let old = self.pods.iter().filter(|member| member.revision != template && !member.removed).count();
                Some(match wanted {
                    0 => format!("the {old} old pods to end, before those of {template} come"),
                    _ => format!("the pods of {template}: {ready} of {wanted} are ready"),
                })
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
            return Some(match rollout.is_paused_indefinitely() {
                true => "somebody to promote it: the active Service does not move by itself".to_owned(),
                false => "the end of autoPromotionSeconds, before the active Service moves".to_owned(),
            });
        }
        Some(PauseReason::CanaryPauseStep) | None => {}
    }
    let decides = |run: &&Run| run.phase == analysis::metric::Phase::Running && run.kind != Kind::Background;
    if let Some(run) = status.analysis.iter().find(decides).filter(|run| run.kind != Kind::Step) {
        return Some(format!("the verdict of the {} analysis", run.kind.name()));
    }
    let pods = pods_of_the_update(rollout);
    let index = rollout.step_index();
    let is_unverified = status.weights.is_some_and(|weights| weights.verified == Some(false)) || rollout.is_verifying();
    let late = if status.phase == Phase::Degraded { ", and the progress deadline has passed" } else { "" };
    let is_switched = status.active.is_some() && status.active == status.current;
    let Some(step) = rollout.steps().get(index) else {
        let waits = match () {
            () if is_unverified => "AWS to show the full weight".to_owned(),
            () if is_switched => "AWS to show the new pods as targets of the active Service".to_owned(),
            () => pods,
        };
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
    let aborted = rollout.status().current.map_or("the aborted revision".to_owned(), |revision| revision.to_string());
    (weight != TrafficWeight::ZERO).then(|| {
        let ReplicaSet { revision, available, replicas, .. } = stable;
        let wanted = rollout.replicas();
        format!(
            "{revision} to take its traffic back: {weight} % still go to {aborted}, which was aborted; {revision} has \
             {available} of its {replicas} pods and needs {wanted}"
        )
    })
}

/// `3 of 5 pods of v2 are available`
fn pods_of_the_update(rollout: &Rollout) -> String {
    let update = rollout.status().current.unwrap_or(rollout.template());
    let (available, wanted) = find(rollout, Some(update)).map_or((0, 0), |set| (set.available, set.replicas));
    format!("{available} of {wanted} pods of {update} are available")
}

fn find(rollout: &Rollout, revision: Option<Revision>) -> Option<ReplicaSet> {
    rollout.replica_sets().iter().find(|set| Some(set.revision) == revision).copied()
}
