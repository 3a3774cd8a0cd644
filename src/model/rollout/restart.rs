//! `restartAt`: pods older than an instant are evicted, so that their ReplicaSets replace them.
//!
//! Follows `rollout/restart.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::pass::Pass;
use super::{Effect, Observed, Rollout};
use crate::model::Revision;
use crate::units::Duration;

/// The next look while pods are left. Source: `restartPodCheckTime`.
const RETRY: Duration = Duration::secs(30);

impl Rollout {
    /// Whether pods are left that are to be replaced, as far as anybody has looked.
    pub fn is_restarting(&self) -> bool {
        self.restart_at.is_some() && self.status.restarted_at != self.restart_at
    }
}

impl Observed<'_> {
    /// How many pods may be missing at once.
    fn max_unavailable(&self) -> u32 {
        let replicas = self.spec.replicas;
        // blueGreen has a field of its own, which counts as unset here.
        let set = if self.spec.blue_green().is_some() { 0 } else { self.canary().fenceposts(replicas).max_unavailable };
        set.max(1)
    }
}

impl Pass<'_> {
    /// Returns whether pods were evicted, which ends the pass. Source: `RolloutPodRestarter.Reconcile`.
    pub(super) fn reconcile_restart(&mut self) -> bool {
        if !self.rollout.is_restarting() || self.rollout.restart_at.is_some_and(|at| at > self.now) {
            return false;
        }
        let observed = self.observed();
        let (available, wanted) = observed.all().fold((0, 0), |(available, wanted), replica_set| {
            (available + replica_set.available, wanted + replica_set.replicas)
        });
        let least = wanted.max(observed.spec.replicas).saturating_sub(observed.max_unavailable());
        let mut allowed = u32::saturating_sub(available, least);
        let mut others: Vec<_> = observed.others.iter().map(|other| other.revision).collect();
        others.sort_unstable();
        let order = observed.stable_revision().into_iter().chain(observed.new_revision()).chain(others);
        let mut seen: Vec<Revision> = vec![];
        let (mut left, mut evicted) = (0, 0);
        for revision in order {
            if seen.contains(&revision) {
                continue;
            }
            seen.push(revision);
            let old =
                self.rollout.observed_old_pods.iter().find(|(of, _)| *of == revision).map_or(0, |(_, pods)| *pods);
            let count = old.min(allowed);
            allowed -= count;
            left += old;
            evicted += count;
            if count > 0 {
                self.effects.push(Effect::Evict { revision, count });
            }
        }
        if left == 0 {
            self.rollout.status.restarted_at = self.rollout.restart_at;
        } else {
            self.effects.push(Effect::WakeAt(self.now + RETRY));
        }
        evicted > 0
    }
}
