//! What is released: a Rollout, or a Deployment to compare it with.

use super::pre_stop::PreStop;
use crate::model::Service;
use crate::model::deployment::DeploymentSpec;
use crate::model::pod::PodSpec;
use crate::model::rollout::spec::{Canary, RolloutSpec, Strategy};
use crate::model::rollout::step::Step;
use crate::units::Duration;

/// A release has about twice as many pods, and a second's pods are counted in 16 bits.
pub const MAX_REPLICAS: u32 = 10_000;

/// A day: longer than any of Kubernetes' own waits.
pub const MAX_SECONDS: u32 = 86_400;

#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    Rollout(RolloutSpec),
    Deployment(DeploymentSpec),
}

/// `[rollout]` or `[deployment]` as read; `pod.pre_stop` is filled in once `[application]` is known, which may have to
/// tell it.
#[derive(Debug)]
pub struct WorkloadSection {
    pub workload: Workload,
    pub pod: PodSpec,
    pub pre_stop: PreStop,
}

impl Workload {
    pub fn replicas(&self) -> u32 {
        match self {
            Self::Rollout(rollout) => rollout.replicas,
            Self::Deployment(deployment) => deployment.replicas,
        }
    }

    pub fn min_ready(&self) -> Duration {
        match self {
            Self::Rollout(rollout) => rollout.min_ready,
            Self::Deployment(deployment) => deployment.min_ready,
        }
    }

    pub fn rollout(&self) -> Option<&RolloutSpec> {
        match self {
            Self::Rollout(rollout) => Some(rollout),
            Self::Deployment(_) => None,
        }
    }

    /// Of a Rollout with that strategy.
    pub fn canary(&self) -> Option<&Canary> {
        match &self.rollout()?.strategy {
            Strategy::Canary(canary) => Some(canary),
            Strategy::BlueGreen(_) => None,
        }
    }

    /// What a Service is called by its role, and with it its target group.
    pub fn service_name(&self, service: Service) -> &'static str {
        let [stable, canary] = match self.rollout() {
            Some(spec) if spec.is_ping_pong() => ["pong", "ping"],
            Some(spec) if spec.blue_green().is_some() => ["active", "preview"],
            Some(spec) if spec.is_traffic_routed() => ["stable", "canary"],
            // One Service for all pods.
            Some(_) | None => ["service", "unused"],
        };
        match service {
            Service::Stable => stable,
            Service::Canary => canary,
        }
    }

    /// Of a canary.
    pub fn steps(&self) -> &[Step] {
        self.canary().map_or(&[], |canary| &canary.steps)
    }

    /// Names of `managedRoutes`.
    pub fn managed_routes(&self) -> &[String] {
        self.canary().and_then(|canary| canary.traffic_routing.as_ref()).map_or(&[], |routing| &routing.managed_routes)
    }

    /// Whether two target groups share the traffic by weights.
    pub fn is_traffic_routed(&self) -> bool {
        self.canary().is_some_and(Canary::is_traffic_routed)
    }
}
