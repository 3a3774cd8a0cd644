//! What is known of the load balancer and its target groups before a run.

use super::cookie::CookieSpec;
use super::hold::Hold;
use super::target_selection::Algorithm;
use crate::random::Distribution;
use crate::units::Duration;

/// What a node does with a request for a group that has lost all its targets. Not settled in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyTargetGroup {
    /// It answers 503.
    Answer503,
    /// It goes on with the last targets that it knew, so a stopped pod yields 502.
    LastKnownTargets,
}

/// What a node does with a request for a group whose targets are all `initial`. Reports disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialOnly {
    Answer503,
    Route,
}

/// How a node picks the target group by weight. Not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetGroupSelection {
    /// Each request draws its own lot.
    Random,
    /// Smooth weighted round robin: any 100 requests in a row that meet one rule of a node split
    /// exactly by its weights. Of some proxies, and for sums by hand.
    Smooth,
}

/// `[load_balancer]`: the ALB's own delays and choices.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancerSpec {
    pub nodes: u32,
    /// How the control plane holds rule changes back before it pushes them.
    pub hold: Hold,
    /// From then until a node routes by the new rule.
    pub rule_push: Distribution,
    /// From `RegisterTargets` until a node knows the target.
    pub registration: Distribution,
    /// Whether a node looks for itself; else a target gets requests as soon as the node knows it.
    pub health_checks: bool,
    /// From then until that node's first health check.
    pub first_health_check: Distribution,
    /// From `DeregisterTargets` until a node stops sending requests to the target.
    pub deregistration: Distribution,
    /// Passed checks that make a new target healthy.
    pub initial_passes: u32,
    pub empty_target_group: EmptyTargetGroup,
    pub initial_only: InitialOnly,
    pub target_group_selection: TargetGroupSelection,
    pub cookies: CookieSpec,
    pub connect_timeout: Duration,
    /// `idle_timeout.timeout_seconds` of the annotation `load-balancer-attributes`.
    pub idle_timeout: Duration,
}

/// What the Ingress annotations say of both target groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetGroupSpec {
    /// `healthcheck-interval-seconds`.
    pub interval: Duration,
    /// `healthcheck-timeout-seconds`.
    pub timeout: Duration,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    /// `deregistration_delay.timeout_seconds`.
    pub deregistration_delay: Duration,
    /// `minimum_healthy_targets.count`: with fewer healthy targets a node routes to all registered ones.
    pub minimum_healthy_targets: u32,
    /// `load_balancing.algorithm.type`
    pub algorithm: Algorithm,
    /// `slow_start.duration_seconds`; zero: none.
    pub slow_start: Duration,
    /// `stickiness.…duration_seconds`, where it is enabled: how long a client stays with its target.
    pub stickiness: Option<Duration>,
    /// `stickiness.type=app_cookie`: it is the application's own cookie that says so. Assumption: its program sets it with
    /// every answer, so it is like one of the load balancer's.
    pub cookie_is_of_application: bool,
}
