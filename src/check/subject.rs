//! What a rule looks at: the objects as they are written, and the scenario that they amount to.

use super::change::Change;
use crate::model::load_balancer_controller::LoadBalancerControllerSpec;
use crate::random::Distribution;
use crate::scenario::Scenario;
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::pod::main_container;
use crate::scenario::manifests::release::Release;
use crate::scenario::sources::Sources;
use crate::units::Duration;
use std::ops::Range;

/// The key of the pod's spec in a workload.
pub const POD: &str = "spec.template.spec";

/// The longest request that rules reckon with. Assumption: a service that answers within 10 s.
pub const LONGEST_REQUEST: Duration = Duration::secs(10);

#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub sources: &'a Sources,
    pub release: &'a Release<'a>,
    /// None if the manifests cannot be simulated.
    pub scenario: Option<&'a Scenario>,
}

impl<'a> Subject<'a> {
    pub fn new(sources: &'a Sources, release: &'a Release<'a>, scenario: Option<&'a Scenario>) -> Self {
        Self { sources, release, scenario }
    }

    /// The Rollout or Deployment.
    pub fn workload(&self) -> &'a Object {
        self.release.workload
    }

    /// The object that has the pod template, if it is known.
    pub fn template(&self) -> Option<&'a Object> {
        self.release.template
    }

    /// A value of the pod's spec.
    pub fn pod(&self, key: &str) -> Option<&'a Node> {
        self.template()?.find(&format!("{POD}.{key}"))
    }

    /// All containers of the pod.
    pub fn containers(&self) -> &'a [Node] {
        self.pod("containers").and_then(Node::array).unwrap_or_default()
    }

    /// The position of the container that takes the requests.
    pub fn main(&self) -> usize {
        main_container(&self.release.services(), self.containers())
    }

    /// A value of the container that takes the requests.
    pub fn container(&self, key: &str) -> Option<&'a Node> {
        self.containers().get(self.main())?.table()?.find(key)
    }

    /// Where that container stands: at its name.
    pub fn container_place(&self) -> Option<Range<usize>> {
        let container = self.containers().get(self.main())?;
        self.container("name").unwrap_or(container).place.clone()
    }

    /// The dotted key of a field of that container.
    pub fn container_key(&self, key: &str) -> String {
        format!("{POD}.containers[{}].{key}", self.main())
    }

    /// Where a key of that container stands, or of one of its probes and hooks.
    pub fn container_key_place(&self, key: &str) -> Option<Range<usize>> {
        self.template()?.key_place(&self.container_key(key))
    }

    /// An annotation of the load balancer controller, of the Ingress.
    pub fn annotation(&self, short: &str) -> Option<&'a Entry> {
        let key = format!("alb.ingress.kubernetes.io/{short}");
        self.release.ingress?.entries("metadata.annotations").iter().find(|entry| entry.key == key)
    }

    /// The value of a key in an annotation that is a map: `target-group-attributes`.
    pub fn attribute(&self, annotation: &str, key: &str) -> Option<(&'a str, Range<usize>)> {
        let node = &self.annotation(annotation)?.value;
        let pair = |item: &'a str| item.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let (_, value) = node.text()?.split(',').filter_map(pair).find(|(name, _)| *name == key)?;
        Some((value, node.place.clone()?))
    }

    pub fn grace_period(&self) -> Option<Duration> {
        Some(self.scenario?.pod.grace_period)
    }

    /// How long the pod goes on serving after its deletion because of its preStop hook.
    pub fn pre_stop(&self) -> Option<Duration> {
        Some(self.scenario?.pod.pre_stop.unwrap_or(Duration::ZERO))
    }

    /// From the deletion of a pod until the last ALB node sends it nothing any more: a time that is rarely exceeded.
    pub fn deregistered_after(&self) -> Option<Duration> {
        let scenario = self.scenario?;
        Some(
            usual_most(&scenario.load_balancer_controller.target_lag)
                + usual_most(&scenario.load_balancer.deregistration),
        )
    }

    /// From the annotation until the last ALB node follows the weight: a time that is rarely exceeded.
    pub fn rule_effective_after(&self) -> Option<Duration> {
        let scenario = self.scenario?;
        let LoadBalancerControllerSpec { rule_lag, .. } = &scenario.load_balancer_controller;
        Some(usual_most(rule_lag) + scenario.load_balancer.rule_batch + scenario.load_balancer.rule_push.longest())
    }

    /// A canary whose traffic an ALB splits.
    pub fn is_routed_by_alb(&self) -> bool {
        self.workload().find("spec.strategy.canary.trafficRouting.alb").is_some()
    }

    /// A canary's steps as they are written.
    pub fn steps(&self) -> &'a [Node] {
        self.workload().items("spec.strategy.canary.steps")
    }

    pub fn replicas(&self) -> u32 {
        self.scenario.map_or(1, |scenario| scenario.workload.replicas())
    }

    /// Sets a field of the workload.
    pub fn set(&self, key: &str, value: &str) -> Option<Change> {
        Change::set(self.sources, self.workload(), key, value)
    }

    /// Sets a field of the object with the pod template.
    pub fn set_in_template(&self, key: &str, value: &str) -> Option<Change> {
        Change::set(self.sources, self.template()?, key, value)
    }

    /// Where a key of the workload stands.
    pub fn key_place(&self, key: &str) -> Option<Range<usize>> {
        self.workload().key_place(key)
    }
}

/// The 95th percentile.
pub fn usual_most(distribution: &Distribution) -> Duration {
    Duration::from_secs_f64(distribution.quantile_nanos(0.95) / 1e9)
}

/// In whole seconds, rounded up.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000_000_000)
}
