//! On what a release waits that is not over: one sentence for the report.

use super::Simulation;
use super::workload::Workload;
use crate::model::rollout::analysis::{Kind, Run};
use crate::model::rollout::status::{PauseReason, Phase, ReplicaSet};
use crate::model::rollout::step::Step;
use crate::model::rollout::{Refusal, Rollout};
use crate::model::{Revision, Update, analysis};
use crate::units::TrafficWeight;

impl Simulation<'_> {
    /// None once it is promoted or aborted.
    pub(super) fn waits_for(&self) -> Option<String> {
        match &self.workload {
            Workload::Rollout(rollout) => waits_for(rollout),
            Workload::Deployment(deployment) => {
                let template = deployment.template();
                match deployment.update() {
                    Update::Promoted | Update::TakenBack => return None,
                    Update::None | Update::Begun => {}
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
    if let Some(refusal) = rollout.refusal().filter(|_| rollout.update() == Update::Begun || !rollout.is_at_rest()) {
        return Some(match refusal {
            Refusal::InvalidSpec(message) => format!("a valid spec; InvalidSpec: {message}"),
            Refusal::PassFails(message) => format!("a pass of the Rollouts controller that does not fail: {message}"),
        });
    }
    match rollout.update() {
        Update::None | Update::Promoted | Update::TakenBack => return None,
        Update::Begun if status.abort || rollout.is_fully_promoted() => return waits_on_the_way_back(rollout),
        Update::Begun => {}
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
    let to_see = |what: &str| match rollout.fails_to_ask_aws() {
        true => format!(
            "a look at AWS that does not fail, to see {what}: the newest one failed, and the next comes with the resync at \
             the latest"
        ),
        false => format!("AWS to show {what}"),
    };
    let late = if status.phase == Phase::Degraded { ", and the progress deadline has passed" } else { "" };
    let is_switched = status.active.is_some() && status.active == status.current;
    let Some(step) = rollout.steps().get(index) else {
        let waits = match () {
            () if is_unverified => to_see("the full weight"),
            () if is_switched => to_see("the new pods as targets of the active Service"),
            () => pods,
        };
        return Some(format!("the promotion: {waits}{late}"));
    };
    Some(match step {
        Step::Pause(None) => format!("somebody to promote it: step {index} ({step}) has no end"),
        Step::Pause(Some(_)) => format!("the end of step {index} ({step})"),
        Step::Analysis(_) => format!("the verdict of step {index} ({step})"),
        Step::SetWeight(_) if is_unverified => to_see(&format!("the weight of step {index} ({step})")) + late,
        Step::SetWeight(_) | Step::SetCanaryScale(_) | Step::SetCanaryScaleAndWeight(..) => {
            format!("step {index} ({step}): {pods}{late}")
        }
        Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => {
            format!("step {index} ({step}): {pods}{late}")
        }
    })
}

/// After an abort, or with the template of stable again: under dynamicStableScale the weight goes back as stable grows; what
/// keeps stable from growing keeps the weight.
fn waits_on_the_way_back(rollout: &Rollout) -> Option<String> {
    let status = rollout.status();
    if status.abort && rollout.has_all_traffic_on_stable() {
        return None;
    }
    if rollout.is_blue_green() && rollout.is_paused_by_hand() {
        let waits = "`kubectl argo rollouts promote`: the pause by hand keeps the active Service where it is";
        return Some(waits.to_owned());
    }
    let ReplicaSet { available, replicas, .. } = find(rollout, status.stable)?;
    let wanted = rollout.replicas();
    let left = match status.weights {
        Some(weights) if weights.canary != TrafficWeight::ZERO => {
            let revision = weights.canary_revision.map_or_else(String::new, |revision| revision.to_string());
            format!("{} % still go to {revision}, ", weights.canary)
        }
        Some(_) => String::new(),
        None => {
            let others = rollout.replica_sets().iter().filter(|set| Some(set.revision) != status.stable);
            match others.map(|set| set.available).sum::<u32>() {
                0 => String::new(),
                pods => format!("{pods} pods of other revisions still serve, "),
            }
        }
    };
    let pods = match (rollout.is_paused_by_hand(), replicas == wanted) {
        (true, _) => format!(
            "stable has {available} of the {wanted} pods that it needs, and the pause by hand keeps it from growing: \
             `kubectl argo rollouts promote` ends it"
        ),
        (false, true) => format!("stable has {available} of its {wanted} pods"),
        (false, false) => format!("stable has {available} of its {replicas} pods and needs {wanted}"),
    };
    Some(format!("stable to take its traffic back: {left}{pods}"))
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
