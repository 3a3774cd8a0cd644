//! The AWS Load Balancer Controller: two loops that know nothing of each other.
//!
//! The [`ingress`] loop turns the Ingress annotation into a listener rule; the [`target_group_binding`] loop turns
//! endpoints into registered targets. Follows aws-load-balancer-controller v3.5. Left out: the API's rate limits, errors
//! and their back-off, leader election, several groups that compete for workers (all of them are in the lags).

pub mod ingress;
pub mod target_group_binding;

use crate::random::Distribution;
use crate::units::Duration;

/// What happens to a change that finds its Ingress group already in the work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueDiscipline {
    /// As controller-runtime does it: one item per group, the newest state wins.
    WorkQueue,
    /// Every change takes effect its own lag after it was asked for, whatever else is under way: for sums by hand.
    Overlap,
}

/// `[load_balancer_controller]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancerControllerSpec {
    /// From the change of the Ingress to `ModifyRule`, when the group was idle.
    pub rule_lag: Distribution,
    /// The last part of `rule_lag`: from the snapshot of the Ingress to `ModifyRule`.
    pub reconcile_time: Duration,
    pub queue: QueueDiscipline,
    /// From the change of the endpoints to `DeregisterTargets`, when the TargetGroupBinding was idle.
    pub target_lag: Distribution,
    pub deregister_targets: Distribution,
    pub register_targets: Distribution,
}
