//! Which canary weight one pass asks of the router.
//!
//! Follows `rollout/trafficrouting.go:reconcileTrafficRouting` of argo-rollouts 1.10, of which the first matching row
//! counts. Left out: the rows for abort, promote-full and a rollback to stable; experiments; header and mirror routes;
//! weight verification (off by default in the controller, too).

use super::Rollout;
use super::replicas::{current_set_weight, last_set_weight};
use crate::units::Percent;

impl Rollout {
    /// The canary weight to ask for; None while the stable side has too few available pods for what would fall on it
    /// (`checkReplicasAvailable`, since 1.8.1).
    pub(super) fn desired_weight(&self) -> Option<Percent> {
        let weight = self.wanted_weight();
        let needed = weight.rest().of_floor(self.spec.replicas);
        (self.view(self.status.stable).available >= needed).then_some(weight)
    }

    fn wanted_weight(&self) -> Percent {
        let (steps, index) = (&self.spec.steps, self.status.step_index);
        if self.is_fully_promoted() || self.canary().available == 0 || steps.is_empty() {
            Percent::ZERO
        } else if !self.at_desired_replica_counts() {
            last_set_weight(&steps[..index]).unwrap_or(Percent::ZERO)
        } else {
            current_set_weight(steps, index)
        }
    }
}
