//! What a rule looks at: the objects as they are written, and the scenario that they amount to.

use super::change::{Change, List};
use crate::model::application::OnSigterm;
use crate::model::load_balancer_controller::LoadBalancerControllerSpec;
use crate::random::Distribution;
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::pod::main_container;
use crate::scenario::manifests::release::Release;
use crate::scenario::sources::Sources;
use crate::scenario::{Loaded, Origin, Parameter, Scenario};
use crate::units::Duration;
use std::ops::Range;

/// The key of the pod's spec in a workload.
pub const POD: &str = "spec.template.spec";

/// What annotations of the load balancer controller begin with.
pub const ANNOTATIONS: &str = "alb.ingress.kubernetes.io/";

/// The longest request that rules reckon with. Assumption: a service that answers within 10 s.
pub const LONGEST_REQUEST: Duration = Duration::secs(10);

#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub sources: &'a Sources,
    pub release: &'a Release<'a>,
    /// None if the manifests cannot be simulated.
    pub scenario: Option<&'a Scenario>,
    /// What the scenario was made of.
    parameters: &'a [Parameter],
}

impl<'a> Subject<'a> {
    pub fn new(sources: &'a Sources, release: &'a Release<'a>, loaded: Option<&'a Loaded>) -> Self {
        Self {
            sources,
            release,
            scenario: loaded.map(|loaded| &loaded.scenario),
            parameters: loaded.map_or(&[], |loaded| &loaded.parameters),
        }
    }

    /// Whether a parameter has its value from somebody, and is not the default: it may have the same.
    pub fn is_said(&self, key: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.key == key && parameter.origin != Origin::Default)
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

    /// The Ingress, if an ALB is made of it: the Rollout routes by it, or it has a class or an annotation of the controller.
    pub fn alb_ingress(&self) -> Option<&'a Object> {
        let ingress = self.release.ingress?;
        let is_of_controller = |entry: &Entry| {
            entry.key.starts_with(ANNOTATIONS)
                || entry.key == "kubernetes.io/ingress.class" && entry.value.text() == Some("alb")
        };
        let is_alb = self.is_routed_by_alb()
            || ingress.text("spec.ingressClassName") == Some("alb")
            || ingress.entries("metadata.annotations").iter().any(is_of_controller);
        is_alb.then_some(ingress)
    }

    /// An annotation about target groups, with the object that has it: that of the stable pods' Service goes before the
    /// Ingress's, as in the import.
    pub fn target_group_annotation(&self, short: &str) -> Option<(&'a Object, &'a Entry)> {
        let key = format!("{ANNOTATIONS}{short}");
        let objects = self.release.service_of_target_group().into_iter().chain(self.alb_ingress());
        let entry = |object: &'a Object| {
            let annotations = object.entries("metadata.annotations");
            Some((object, annotations.iter().find(|entry| entry.key == key)?))
        };
        objects.into_iter().find_map(entry)
    }

    /// Its value as a text.
    pub fn target_group_text(&self, short: &str) -> Option<&'a str> {
        self.target_group_annotation(short)?.1.value.text().map(str::trim)
    }

    /// The value of a key in such an annotation that is a map.
    pub fn target_group_attribute(&self, annotation: &str, key: &str) -> Option<(&'a str, Range<usize>)> {
        let (_, entry) = self.target_group_annotation(annotation)?;
        let pair = |item: &'a str| item.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let (_, value) = entry.value.text()?.split(',').filter_map(pair).rfind(|(name, _)| *name == key)?;
        Some((value, entry.value.place.clone()?))
    }

    /// Sets an annotation where it stands, or in the Ingress.
    pub fn set_annotation(&self, short: &str, value: &str) -> Option<Change> {
        let object = self.target_group_annotation(short).map(|(object, _)| object).or(self.alb_ingress())?;
        let mut change = Change::set(self.sources, object, &annotation_key(short), &format!("\"{value}\""))?;
        change.words = format!("set {short}: {value}");
        // A value of several lines is folded: what takes its place would have to be, too.
        let is_one_line = change.edits.iter().all(|edit| !self.sources.text(&edit.at).contains('\n'));
        is_one_line.then_some(change)
    }

    /// Sets one key of an annotation that is a map, and leaves the others.
    pub fn set_attribute(&self, annotation: &str, key: &str, value: &str) -> Option<Change> {
        let text = self.target_group_text(annotation).unwrap_or_default();
        let is_other = |item: &&str| item.split('=').next().is_some_and(|name| name.trim() != key);
        let mut items: Vec<String> = text
            .split(',')
            .filter(|item| !item.trim().is_empty())
            .filter(is_other)
            .map(|item| item.trim().to_owned())
            .collect();
        items.push(format!("{key}={value}"));
        let mut change = self.set_annotation(annotation, &items.join(","))?;
        change.words = format!("set {key}={value} in {annotation}");
        Some(change)
    }

    /// Whether the manifests say that the targets are the pods themselves.
    pub fn has_ip_targets(&self) -> bool {
        self.alb_ingress().is_some() && self.target_group_text("target-type") == Some("ip")
    }

    /// Whether the targets are the pods themselves, or nothing says otherwise, as the Ingress is not in these files. The
    /// targets of the type instance, the default, are nodes: they stay when a pod goes.
    pub fn may_have_ip_targets(&self) -> bool {
        self.release.ingress.is_none() || self.has_ip_targets()
    }

    /// The longest request: as long as the scenario's longest, and at least what rules reckon with.
    pub fn longest_request(&self) -> Duration {
        let told = self.scenario.map_or(Duration::ZERO, |scenario| scenario.traffic.longest_service_time());
        told.max(LONGEST_REQUEST)
    }

    /// The steps as a list that can be changed.
    pub fn step_list(&self) -> List<'a> {
        List { sources: self.sources, object: self.workload(), key: "spec.strategy.canary.steps" }
    }

    pub fn grace_period(&self) -> Option<Duration> {
        Some(self.scenario?.pod.grace_period)
    }

    /// How long the pod goes on serving after its deletion because of its preStop hook.
    pub fn pre_stop(&self) -> Option<Duration> {
        Some(self.scenario?.pod.pre_stop.unwrap_or(Duration::ZERO))
    }

    /// How long a pod goes on serving behind its deletion: for its preStop hook, or to the end if it ignores SIGTERM. None
    /// if nobody has seen its template.
    pub fn serves_after_deletion(&self) -> Option<Duration> {
        let scenario = self.scenario.filter(|_| self.template().is_some())?;
        let hook = scenario.pod.pre_stop.unwrap_or(Duration::ZERO).min(scenario.pod.grace_period);
        Some(match scenario.application.on_sigterm {
            OnSigterm::Exit | OnSigterm::Drain => hook,
            OnSigterm::Ignore => scenario.pod.grace_period,
        })
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
        Some(usual_most(rule_lag) + scenario.load_balancer.hold.longest() + scenario.load_balancer.rule_push.longest())
    }

    /// From the readiness of a pod until every ALB node sends it requests: a time that is rarely exceeded.
    pub fn registered_after(&self) -> Option<Duration> {
        let scenario = self.scenario?;
        let (controller, alb) = (&scenario.load_balancer_controller, &scenario.load_balancer);
        let waits = [&controller.target_lag, &controller.register_targets, &alb.registration];
        let known = waits.into_iter().map(usual_most).sum::<Duration>();
        if !alb.health_checks {
            return Some(known);
        }
        let further_checks = scenario.target_group.interval * u64::from(alb.initial_passes.saturating_sub(1));
        Some(known + usual_most(&alb.first_health_check) + further_checks)
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

/// The dotted key of an annotation of the load balancer controller.
pub fn annotation_key(short: &str) -> String {
    format!("metadata.annotations.\"{ANNOTATIONS}{short}\"")
}

/// The 95th percentile.
pub fn usual_most(distribution: &Distribution) -> Duration {
    Duration::from_secs_f64(distribution.quantile_nanos(0.95) / 1e9)
}

/// In whole seconds, rounded up.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000_000_000)
}
