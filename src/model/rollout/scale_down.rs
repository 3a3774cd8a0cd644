//! What becomes of a ReplicaSet that is neither stable nor canary any more.
//!
//! Follows `rollout/canary.go:scaleDownOldReplicaSetsForCanary` and `rollout/replicaset.go:scaleDownDelayHelper` of
//! argo-rollouts 1.10. Left out: `scaleDownDelayRevisionLimit`, target-group verification, `revisionHistoryLimit`.

use super::{Effect, Rollout, Weights};
use crate::model::Revision;
use crate::units::{Duration, Instant};

impl Rollout {
    /// Newest revision first. Several may be resized in one pass.
    pub(super) fn scale_down_others(&mut self, now: Instant, persisted: Option<Weights>) -> Vec<Effect> {
        let mut effects = self.remove_unavailable_pods();
        let available: u32 = self.replica_sets.iter().map(|view| view.available).sum();
        if available <= self.spec.replicas.saturating_sub(self.spec.max_unavailable) {
            return effects;
        }
        for revision in self.others() {
            if self.view(revision).replicas > 0 && !self.is_referenced(revision, persisted) {
                effects.extend(self.scale_down_other(now, revision));
            }
        }
        effects
    }

    /// Source: `cleanupUnhealthyReplicas`.
    fn remove_unavailable_pods(&mut self) -> Vec<Effect> {
        let unhealthy = |rollout: &Self, revision: &Revision| {
            let view = rollout.view(*revision);
            view.replicas > view.available && view.created > view.available
        };
        let revisions: Vec<_> = self.others().into_iter().filter(|revision| unhealthy(self, revision)).collect();
        revisions.into_iter().flat_map(|revision| self.scale(revision, self.view(revision).available)).collect()
    }

    fn scale_down_other(&mut self, now: Instant, revision: Revision) -> Vec<Effect> {
        // One that was superseded in the middle of an update goes at once; under dynamicStableScale every one does.
        if !self.is_fully_promoted() || self.spec.dynamic_stable_scale {
            return self.scale(revision, 0);
        }
        match self.view(revision).scale_down_deadline {
            Some(deadline) if now > deadline => self.scale(revision, 0),
            Some(deadline) => vec![Effect::WakeAt(deadline)],
            // No deadline is ever written for a delay of zero: the pods stay (argo-rollouts issue 1992).
            None if self.spec.scale_down_delay == Duration::ZERO => vec![],
            None => {
                let deadline = (now + self.spec.scale_down_delay).floor_to_second();
                self.view_mut(revision).scale_down_deadline = Some(deadline);
                vec![Effect::ScaleDownDeadline(revision, deadline), Effect::WakeAt(deadline)]
            }
        }
    }

    fn others(&self) -> Vec<Revision> {
        let named = [self.status.stable, self.status.current];
        let all = (1..=self.replica_sets.len()).rev().map(|number| Revision(u32::try_from(number).expect("few")));
        all.filter(|revision| !named.contains(revision)).collect()
    }

    /// Still named by the weights that the last pass persisted, or by a Service. Source: `isReplicaSetReferenced`.
    fn is_referenced(&self, revision: Revision, persisted: Option<Weights>) -> bool {
        persisted.is_some_and(|weights| [weights.canary_revision, weights.stable_revision].contains(&revision))
            || self.services.contains(&revision)
    }
}
