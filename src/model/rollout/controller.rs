//! The controller as somebody installed it: its version, its flags, how long it takes.
//!
//! Releases compared by their tags: argo-rollouts 1.6.6, 1.7.2, 1.8.1, 1.9.1 and 9f8d111d (after 1.10.0-rc1). Not told apart:
//! the stale-cache requeue of 1.10, and the order of weight and status when an update is superseded (1.9).

use crate::random::Distribution;
use crate::units::Duration;

/// `[rollouts_controller]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutsControllerSpec {
    pub profile: Profile,
    /// From whatever wakes the controller (its own last write, too) until the pass that it wakes.
    pub reconcile_delay: Distribution,
    /// The informers hand every Rollout to the controller again, changed or not. Source: `--rollout-resync`.
    pub resync_period: Duration,
    /// What a pass that asks AWS takes longer.
    pub aws_query_time: Distribution,
    /// Of the passes that ask AWS, the share that gets an error for an answer.
    pub aws_error_share: f64,
}

impl Default for RolloutsControllerSpec {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            reconcile_delay: Distribution::millis(100),
            resync_period: Duration::secs(900),
            aws_query_time: Distribution::millis(500),
            aws_error_share: 0.0,
        }
    }
}

/// What a pass depends on beside what it observes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub version: Version,
    /// The flag `--aws-verify-target-group`: weights and targets are looked up at AWS.
    pub aws_verify_target_group: bool,
    /// Not released (argo-rollouts pull request 4925): `scaleDownDelaySeconds` holds under `dynamicStableScale`, too.
    pub honor_scale_down_delay: bool,
}

/// A release of the controller; of each the last patch, where it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V1_6,
    V1_7,
    V1_8,
    V1_9,
    /// The branch `main` after 1.10.0-rc1.
    #[default]
    V1_10,
}

impl Version {
    pub const ALL: [(&'static str, Self); 5] =
        [("1.6", Self::V1_6), ("1.7", Self::V1_7), ("1.8", Self::V1_8), ("1.9", Self::V1_9), ("1.10", Self::V1_10)];

    /// A full weight that AWS does not show yet ends the pass, and is waited for after the last step, too. Source: pull
    /// request 3627.
    pub fn insists_on_full_weight(self) -> bool {
        self >= Self::V1_7
    }

    /// No weight changes while stable has too few available pods for its part. Source: pull request 3878, 1.8.1.
    pub fn guards_stable_capacity(self) -> bool {
        self >= Self::V1_8
    }

    /// Managed routes go when the canary has no available pod. Source: 1.8.0.
    pub fn removes_routes_of_an_empty_canary(self) -> bool {
        self >= Self::V1_8
    }

    /// Under `dynamicStableScale` an abort goes back `setWeight` by `setWeight`, and a rollback waits for all stable pods;
    /// before, the weight followed the stable pods. Source: 1.9.0.
    pub fn goes_back_by_steps(self) -> bool {
        self >= Self::V1_9
    }

    /// `replicaProgressThreshold` counts. Source: 1.9.0.
    pub fn has_replica_progress_threshold(self) -> bool {
        self >= Self::V1_9
    }

    /// `minPodsPerReplicaSet` is no more than `replicas`. Source: 1.10.
    pub fn caps_min_pods(self) -> bool {
        self >= Self::V1_10
    }

    /// An aborted canary that `abortScaleDownDelaySeconds` holds does not hold up stable; before, both waited for each other
    /// under `dynamicStableScale`. Source: pull request 4900, after 1.10.0-rc1.
    pub fn frees_stable_on_abort(self) -> bool {
        self >= Self::V1_10
    }
}
