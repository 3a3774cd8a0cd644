pub mod step;

use crate::random::Distribution;
use crate::units::Duration;
use step::Step;

/// `[rollout]`: the `spec` of a Rollout with `strategy.canary` and `trafficRouting.alb`.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutSpec {
    pub replicas: u32,
    pub min_ready: Duration,
    pub steps: Vec<Step>,
    pub dynamic_stable_scale: bool,
    /// `scaleDownDelaySeconds`, 30 s unless set.
    pub scale_down_delay: Duration,
    pub max_unavailable: u32,
}

/// `[rollouts_controller]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutsControllerSpec {
    /// From whatever wakes the controller (its own last write, too) until the pass that it wakes.
    pub reconcile_delay: Distribution,
}
