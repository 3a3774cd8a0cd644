//! What the controller asks AWS, and what waits for the answer: the flag `--aws-verify-target-group`.
//!
//! Follows `rollout/trafficrouting/alb/alb.go:VerifyWeight`, `utils/rollout/rolloututil.go:ShouldVerifyWeight`,
//! `rollout/trafficrouting.go` and `rollout/service.go:awsVerifyTargetGroups` of argo-rollouts at 9f8d111d (after
//! 1.10.0-rc1). The weight gates the step, never the size of a ReplicaSet, but for one case: a full weight that AWS does
//! not show yet fails the pass.
//!
//! Of several rules with one target group AWS's answer shows the weight of the last. Assumption: an AWS error about targets counts as "not yet".

use super::pass::Pass;
use super::status::{ReplicaSet, Weights};
use super::{Aws, Effect, Observed};
use crate::model::{Revision, Service};
use crate::units::{Duration, Instant, TrafficWeight};

/// Source: `utils/defaults/defaults.go:GetRolloutVerifyRetryInterval`.
const RETRY: Duration = Duration::secs(10);

/// A failed pass is repeated after 1 ms, 2 ms, 4 ms … Source: `utils/queue/queue.go:DefaultArgoRolloutsRateLimiter`.
const FIRST_BACK_OFF: Duration = Duration::millis(1);

/// What became of the look at the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// Nothing to look at, or it is as asked.
    Passed,
    Pending,
    /// The pass ends here and persists nothing.
    Fails,
}

impl Observed<'_> {
    /// Whether the weight is looked up at AWS. Source: `ShouldVerifyWeight`.
    pub fn verifies_weight(&self, desired: TrafficWeight) -> bool {
        if !self.profile.aws_verify_target_group || self.status.stable.is_none() || self.is_fully_promoted() {
            return false;
        }
        match self.step() {
            Some(step) => step.weight().is_some(),
            None => self.profile.version.insists_on_full_weight() && desired == self.max_weight(),
        }
    }

    /// Whether the targets of the stable Service, or the active one, are looked up. A canary does before an old ReplicaSet
    /// gets its deadline, blueGreen between the switch of the Service and the promotion. `active` is what that Service
    /// selects. Source: `shouldVerifyTargetGroup`.
    pub fn verifies_targets(&self, active: Option<Revision>) -> bool {
        let may_go = |other: &ReplicaSet| other.replicas > 0 && !other.has_scale_down_deadline();
        let has_to = match self.spec.blue_green() {
            Some(_) => !self.is_fully_promoted() && active == self.new_revision(),
            None => self.is_fully_promoted() && self.others.iter().any(may_go),
        };
        has_to && self.profile.aws_verify_target_group
    }
}

impl Pass<'_> {
    pub(super) fn verify_weight(&mut self, asked: &mut Weights) -> Verification {
        let observed = self.observed();
        let (max, version) = (observed.max_weight(), observed.profile.version);
        if !observed.verifies_weight(asked.canary) {
            return Verification::Passed;
        }
        let canary = self.rollout.canary_service().index();
        let is_shown =
            matches!(self.rollout.observed_aws, Aws::Shows { weights, .. } if weights[canary] == asked.canary);
        asked.verified = Some(is_shown);
        match self.rollout.observed_aws {
            Aws::Shows { .. } if is_shown => return Verification::Passed,
            Aws::Shows { .. } => {}
            // The pass goes on, and nobody looks again before something else happens.
            Aws::Error => return Verification::Pending,
        }
        if asked.canary == max && version.insists_on_full_weight() {
            self.rollout.failed_passes += 1;
            self.look_again_after_failures(self.rollout.failed_passes);
            return Verification::Fails;
        }
        self.look_again_in(RETRY);
        Verification::Pending
    }

    /// Whether AWS knows every ready endpoint of the stable Service as a target; healthy or not.
    pub(super) fn are_targets_verified(&mut self) -> bool {
        if !self.observed().verifies_targets(self.active()) {
            return true;
        }
        let stable = match self.rollout.canary_service() {
            Service::Canary => Service::Stable,
            Service::Stable => Service::Canary,
        };
        let is_verified = match self.rollout.observed_aws {
            Aws::Error => false,
            Aws::Shows { has_all_endpoints, .. } => has_all_endpoints[stable.index()],
        };
        if !is_verified {
            self.look_again_in(RETRY);
        }
        is_verified
    }

    /// After so many failed passes in a row.
    pub(super) fn look_again_after_failures(&mut self, failed: u32) {
        let doubled = FIRST_BACK_OFF * (1 << (failed - 1).min(20));
        self.look_again_in(doubled.min(RETRY));
    }

    /// The queue keeps one time for a Rollout, the earliest.
    pub(super) fn look_again_in(&mut self, delay: Duration) {
        let at: Instant = self.now + delay;
        if !self.rollout.looks_again_at.is_some_and(|earlier| earlier > self.now && earlier <= at) {
            self.rollout.looks_again_at = Some(at);
            self.effects.push(Effect::WakeAt(at));
        }
    }
}
