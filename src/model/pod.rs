use crate::units::Duration;

/// `readinessProbe`. Zero counts as absent, as in Kubernetes, but for `initial_delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessProbe {
    /// Whole seconds.
    pub initial_delay: Duration,
    pub period: Duration,
    pub timeout: Duration,
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

/// `spec.template.spec`: what the manifest says of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodSpec {
    /// `terminationGracePeriodSeconds`.
    pub grace_period: Duration,
    /// How long the preStop hook runs; None without a hook.
    pub pre_stop: Option<Duration>,
    pub readiness_probe: Option<ReadinessProbe>,
}
