//! How ReplicaSets shrink: an aborted canary, and those that are neither stable nor canary any more.
//!
//! Follows `rollout/replicaset.go` and `rollout/canary.go:scaleDownOldReplicaSetsForCanary` of argo-rollouts at 9f8d111d
//! (after 1.10.0-rc1).

use super::pass::Pass;
use super::replicas;
use super::spec::AbortScaleDown;
use super::status::{ReplicaSet, Weights};
use super::{Effect, Observed};
use crate::model::Revision;
use crate::units::{Duration, Instant};

impl Pass<'_> {
    /// Source: `removeScaleDownDeadlines`.
    pub(super) fn remove_scale_down_deadlines(&mut self) {
        let observed = self.observed();
        let new = observed.new_revision().filter(|_| !self.delays_scale_down_on_abort());
        let stable = observed.stable_revision();
        for revision in [new, stable].into_iter().flatten() {
            if let Some(replica_set) = self.rollout.replica_set_mut(revision) {
                replica_set.scale_down_deadline = None;
            }
        }
    }

    /// Whether an aborted canary keeps its pods for a while. Source: `shouldDelayScaleDownOnAbort`.
    pub(super) fn delays_scale_down_on_abort(&self) -> bool {
        let observed = self.observed();
        let canary = observed.canary();
        let is_routed = canary.is_traffic_routed() && observed.stable.is_some();
        let is_held = !canary.uses_dynamic_stable_scale() || canary.holds_canary_on_abort();
        self.is_aborted() && is_routed && is_held && canary.abort_scale_down() != AbortScaleDown::Never
    }

    /// Source: `reconcileNewReplicaSet`.
    pub(super) fn reconcile_new_replica_set(&mut self) -> bool {
        let observed = self.observed();
        let Some(new) = observed.new else { return false };
        let mut wanted = replicas::wanted(&observed, self.weights).canary;
        if self.delays_scale_down_on_abort() {
            match new.scale_down_deadline {
                Some(deadline) if deadline > self.now => {
                    self.effects.push(Effect::WakeAt(deadline));
                    return false;
                }
                Some(_) => wanted = 0,
                None => {
                    // Not before stable can take everything back.
                    let is_full = Observed::available(observed.stable) >= observed.spec.replicas;
                    if let (AbortScaleDown::After(delay), true) = (observed.canary().abort_scale_down(), is_full) {
                        self.set_scale_down_deadline(new.revision, delay);
                    }
                    return false;
                }
            }
        }
        self.scale(new.revision, wanted)
    }

    /// Source: `reconcileOtherReplicaSets`.
    pub(super) fn reconcile_other_replica_sets(&mut self) -> bool {
        let mut scaled = false;
        if !self.are_targets_verified() {
            return false;
        }
        // Pods that are not available go first: they serve nobody.
        for other in self.observed().others {
            if other.replicas > other.available {
                scaled |= self.scale(other.revision, other.available);
            }
        }
        let observed = self.observed();
        let replicas = observed.spec.replicas;
        let available: u32 = observed.all().map(|replica_set| replica_set.available).sum();
        let min_available = replicas - observed.canary().fenceposts(replicas).max_unavailable;
        let mut surplus = available.saturating_sub(min_available);
        let mut others = observed.others;
        others.sort_by_key(|other| std::cmp::Reverse(other.number));
        let mut waiting = 0;
        for other in others.into_iter().filter(|other| other.replicas > 0) {
            let is_routed = self.rollout.spec.canary().is_traffic_routed();
            if is_routed && self.is_referenced(other.revision) {
                continue;
            }
            if surplus == 0 {
                break;
            }
            let wanted = match is_routed {
                false => other.replicas.saturating_sub(surplus),
                true => self.size_of_other(&other, &mut waiting),
            };
            scaled |= self.scale(other.revision, wanted);
            surplus = surplus.saturating_sub(other.replicas.saturating_sub(wanted));
        }
        scaled
    }

    /// The previous stable ReplicaSet waits; one that was superseded in the middle of an update goes at once, and under
    /// dynamicStableScale every one does. Source: `scaleDownDelayHelper`.
    fn size_of_other(&mut self, other: &ReplicaSet, waiting: &mut u32) -> u32 {
        let observed = self.observed();
        let canary = observed.canary();
        let may_wait = observed.is_fully_promoted() || other.has_scale_down_deadline();
        let ignores_delay = canary.dynamic_stable_scale && !observed.profile.honor_scale_down_delay;
        if !may_wait || ignores_delay {
            return 0;
        }
        let delay = canary.scale_down_delay();
        let limit = canary.scale_down_delay_revision_limit.unwrap_or(u32::MAX);
        match other.scale_down_deadline {
            None if *waiting >= limit => 0,
            None => {
                *waiting += 1;
                self.set_scale_down_deadline(other.revision, delay);
                other.replicas
            }
            Some(deadline) => {
                *waiting += 1;
                let is_waiting = *waiting <= limit && deadline > self.now;
                self.effects.extend(is_waiting.then_some(Effect::WakeAt(deadline)));
                if is_waiting { other.replicas } else { 0 }
            }
        }
    }

    /// The size of stable before the promotion. As released: the wanted one, at once. Under `honor_scale_down_delay` it
    /// shrinks when the weights that allow it have been asked for so long; a new weight begins the wait anew. Assumption:
    /// the pull request is open, and this is what its description asks for.
    pub(super) fn delayed_size_of_stable(&mut self, stable: ReplicaSet, wanted: u32) -> u32 {
        let (profile, canary) = (self.rollout.profile, self.rollout.spec.canary());
        let delay = canary.scale_down_delay();
        let weights =
            self.rollout.status.weights.filter(|_| profile.honor_scale_down_delay && wanted < stable.replicas);
        let Some(weights) = weights.filter(|_| canary.uses_dynamic_stable_scale()) else {
            self.rollout.stable_scale_down = None;
            return wanted;
        };
        let is_same = |then: &Weights| then.canary == weights.canary && then.canary_revision == weights.canary_revision;
        let since = match self.rollout.stable_scale_down {
            Some((then, since)) if is_same(&then) => since,
            Some(_) | None => self.now,
        };
        self.rollout.stable_scale_down = Some((weights, since));
        if since + delay <= self.now {
            return wanted;
        }
        self.effects.push(Effect::WakeAt(since + delay));
        stable.replicas
    }

    /// No deadline is ever written for a delay of zero, so the pods stay (argo-rollouts issue 1992).
    fn set_scale_down_deadline(&mut self, revision: Revision, delay: Duration) {
        if delay > Duration::ZERO {
            let deadline: Instant = (self.now + delay).floor_to_second();
            let replica_set = self.rollout.replica_set_mut(revision).expect("it was observed");
            replica_set.scale_down_deadline = Some(deadline);
            self.effects.push(Effect::ScaleDownDeadline(revision, deadline));
            self.effects.push(Effect::WakeAt(deadline));
        }
    }

    /// Still named by the status, by the weights that the last pass persisted, or by a Service. The Services of `pingPong`
    /// are not looked at. Source: `isReplicaSetReferenced`.
    fn is_referenced(&self, revision: Revision) -> bool {
        let status = &self.rollout.status;
        let weights = status.weights.map_or([None; 2], |weights| [weights.canary_revision, weights.stable_revision]);
        let is_selected = self.rollout.services.iter().flatten().any(|service| service.revision == Some(revision));
        let named = [status.stable, status.current, weights[0], weights[1]];
        named.contains(&Some(revision)) || (!self.rollout.spec.canary().ping_pong && is_selected)
    }
}
