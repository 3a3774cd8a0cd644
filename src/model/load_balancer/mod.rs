//! The Application Load Balancer: its control plane, and what each of its nodes knows of rules and targets, later. Proxies
//! of another kind are the same with other delays: they go by EndpointSlices, and their holds differ.
//!
//! One listener with its rules, and the two target groups of a canary. Source: *User Guide for Application Load
//! Balancers*; the delays between control plane and nodes are measured by users, not documented. Left out: availability
//! zones, scaling of the nodes, several listeners, the target groups of other Services.

pub mod connection;
pub mod cookie;
pub mod data_plane;
pub mod hold;
pub mod listener_rule;
mod pattern;
pub mod route;
mod spec;
pub mod target_group;
pub mod target_selection;

use crate::model::{PodId, Service};
use crate::units::{Duration, Instant};
use hold::{Held, Turn};
use listener_rule::Listener;
pub use spec::{EmptyTargetGroup, InitialOnly, LoadBalancerSpec, TargetGroupSelection, TargetGroupSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use target_group::{TargetGroup, TargetHealth};
use {Effect::*, Input::*};

/// A target of one of the groups, and which of its registrations is meant: news about an older one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration {
    pub service: Service,
    pub pod: PodId,
    version: u32,
}

/// What a node is told about targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    Registered,
    Deregistered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The rules after a call of the API.
    ListenerChanged(Arc<Listener>),
    HoldOver,
    /// Rules reach a node; later ones have higher versions.
    ListenerReached {
        node: u32,
        listener: Arc<Listener>,
        version: u32,
    },
    RegisterTargets(Service, Vec<PodId>),
    DeregisterTargets(Service, Vec<PodId>),
    TargetsReached {
        node: u32,
        news: News,
        targets: Vec<Registration>,
    },
    HealthCheckDue {
        node: u32,
        target: Registration,
    },
    HealthChecked {
        node: u32,
        target: Registration,
        passed: bool,
    },
    DeregistrationDelayOver(Vec<Registration>),
    /// For proxies that go by EndpointSlices: the endpoints of a Service, all of them.
    EndpointsChanged(Service, BTreeSet<PodId>),
    /// They reach a node; later ones have higher versions.
    EndpointsReached {
        node: u32,
        service: Service,
        endpoints: Vec<Registration>,
        version: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give this input back after the delay.
    Wake(Duration, Input),
    /// Bring the rules to the node, after `rule_push`; answer with `ListenerReached`.
    PushListener { node: u32, listener: Arc<Listener>, version: u32 },
    /// Bring the news to the node, after `registration` or `deregistration`; answer with `TargetsReached`.
    PushTargets { node: u32, news: News, targets: Vec<Registration> },
    /// Bring the endpoints to the node, after `registration`; answer with `EndpointsReached`.
    PushEndpoints { node: u32, service: Service, endpoints: Vec<Registration>, version: u32 },
    /// Answer with `HealthCheckDue` after `first_health_check`.
    FirstHealthCheck { node: u32, target: Registration },
    /// Ask the target; answer with `HealthChecked` within the time-out.
    HealthCheck { node: u32, target: Registration, timeout: Duration },
    /// The node routes by these rules now.
    SetListener { node: u32, listener: Arc<Listener> },
    /// The node sends requests of the group to these targets now.
    Route { node: u32, service: Service, targets: Vec<PodId> },
    /// A node's opinion of a target changed.
    HealthChanged { node: u32, service: Service, pod: PodId, health: TargetHealth },
    /// The node has heard that the target is deregistered.
    TargetRemoved { node: u32, service: Service, pod: PodId },
    /// What the target still works on is cut, at every node.
    CutConnections { service: Service, pod: PodId },
}

#[derive(Clone, Debug)]
pub struct LoadBalancer {
    spec: LoadBalancerSpec,
    target_group: TargetGroupSpec,
    /// As the API shows it.
    listener: Arc<Listener>,
    listener_version: u32,
    held: Held,
    nodes: Vec<Node>,
    /// Every target that was ever registered: its newest registration, by group.
    targets: [BTreeMap<PodId, u32>; 2],
    /// As the API shows them: those that are not draining.
    registered: [BTreeSet<PodId>; 2],
    endpoints_version: u32,
}

/// What the load balancer is asked to do when nothing is on its way.
#[derive(Clone, Debug)]
pub struct AtRest<'a> {
    pub listener: Arc<Listener>,
    /// By `Service::index`: registered, and healthy at every node.
    pub targets: [&'a [PodId]; 2],
}

#[derive(Clone, Debug)]
struct Node {
    listener_version: u32,
    /// By `Service::index`.
    endpoints_versions: [u32; 2],
    groups: [TargetGroup; 2],
    routed: [Vec<PodId>; 2],
}

impl LoadBalancer {
    pub fn established(
        spec: &LoadBalancerSpec,
        target_group: TargetGroupSpec,
        AtRest { listener, targets }: AtRest<'_>,
    ) -> (Self, Vec<Effect>) {
        let groups = targets.map(|targets| {
            let mut group = TargetGroup::new(&target_group, spec);
            for pod in targets {
                group.add(*pod, 0, TargetHealth::Healthy);
            }
            group
        });
        let node = Node { listener_version: 0, endpoints_versions: [0; 2], groups, routed: [vec![], vec![]] };
        let mut load_balancer = Self {
            nodes: vec![node; spec.nodes as usize],
            spec: spec.clone(),
            target_group,
            listener: Arc::clone(&listener),
            listener_version: 0,
            held: Held::default(),
            targets: targets.map(|targets| targets.iter().map(|pod| (*pod, 0)).collect()),
            registered: targets.map(|targets| targets.iter().copied().collect()),
            endpoints_version: 0,
        };
        let mut effects = vec![];
        for node in 0..spec.nodes {
            effects.push(SetListener { node, listener: Arc::clone(&listener) });
            for service in Service::ALL {
                effects.extend(load_balancer.route(node, service));
                let targets = if spec.health_checks { targets[service.index()] } else { &[] };
                for (index, pod) in (0u64..).zip(targets) {
                    // Checks have been going on for long: they are spread over the interval.
                    let checks = u64::from(spec.nodes) * targets.len() as u64;
                    let number = u64::from(node) * targets.len() as u64 + index + 1;
                    let spread = target_group.interval.as_nanos() / (checks + 1) * number;
                    let target = Registration { service, pod: *pod, version: 0 };
                    effects.push(Wake(Duration::from_nanos(spread), HealthCheckDue { node, target }));
                }
            }
        }
        (load_balancer, effects)
    }

    /// As DescribeListeners and DescribeRules show it.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// The targets of a group, as DescribeTargetHealth shows them.
    pub fn registered(&self, service: Service) -> &BTreeSet<PodId> {
        &self.registered[service.index()]
    }

    /// The targets that DescribeTargetHealth calls `healthy`. Assumption: those that every node has found healthy; AWS
    /// does not publish how it makes one state of what the nodes found, each of which checks by itself.
    pub fn healthy(&self, service: Service) -> BTreeSet<PodId> {
        let everywhere = |pod: &&PodId| self.nodes.iter().all(|node| node.groups[service.index()].is_healthy(**pod));
        self.registered(service).iter().filter(everywhere).copied().collect()
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            ListenerChanged(listener) => {
                self.listener = listener;
                let turn = self.held.on_change(now, self.spec.hold);
                self.take(turn)
            }
            HoldOver => {
                let turn = self.held.on_time(now, self.spec.hold);
                self.take(turn)
            }
            ListenerReached { node, listener, version } => {
                let known = &mut self.nodes[node as usize].listener_version;
                if version < *known {
                    return vec![];
                }
                *known = version;
                vec![SetListener { node, listener }]
            }
            RegisterTargets(service, pods) => self.on_register(service, &pods),
            DeregisterTargets(service, pods) => self.on_deregister(service, &pods),
            TargetsReached { node, news, targets } => self.on_targets_reached(node, news, &targets),
            HealthCheckDue { node, target } => self.on_health_check_due(node, target),
            HealthChecked { node, target, passed } => self.on_health_checked(node, target, passed),
            DeregistrationDelayOver(targets) => self.on_deregistration_delay_over(&targets),
            EndpointsChanged(service, pods) => self.on_endpoints_changed(service, pods),
            EndpointsReached { node, service, endpoints, version } => {
                self.on_endpoints_reached((node, service), &endpoints, version)
            }
        }
    }

    fn take(&mut self, turn: Turn) -> Vec<Effect> {
        let mut effects = vec![];
        if turn.sends {
            self.listener_version += 1;
            let version = self.listener_version;
            let push = |node| PushListener { node, listener: Arc::clone(&self.listener), version };
            effects.extend((0..self.spec.nodes).map(push));
        }
        effects.extend(turn.wakes_after.map(|delay| Wake(delay, HoldOver)));
        effects
    }

    fn on_register(&mut self, service: Service, pods: &[PodId]) -> Vec<Effect> {
        let targets = self.new_versions(service, pods);
        self.registered[service.index()].extend(pods);
        self.push(News::Registered, &targets)
    }

    fn on_deregister(&mut self, service: Service, pods: &[PodId]) -> Vec<Effect> {
        let targets = self.new_versions(service, pods);
        self.registered[service.index()].retain(|pod| !pods.contains(pod));
        let mut effects = self.push(News::Deregistered, &targets);
        effects.push(Wake(self.target_group.deregistration_delay, DeregistrationDelayOver(targets)));
        effects
    }

    /// What is new and what is gone come to a node together.
    fn on_endpoints_changed(&mut self, service: Service, pods: BTreeSet<PodId>) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.registered[service.index()], pods.clone());
        let added: Vec<_> = pods.difference(&before).copied().collect();
        self.new_versions(service, &added);
        let known = &self.targets[service.index()];
        let endpoints: Vec<_> =
            pods.iter().map(|pod| Registration { service, pod: *pod, version: known[pod] }).collect();
        self.endpoints_version += 1;
        let version = self.endpoints_version;
        let push = |node| PushEndpoints { node, service, endpoints: endpoints.clone(), version };
        (0..self.spec.nodes).map(push).collect()
    }

    fn on_endpoints_reached(
        &mut self,
        (node, service): (u32, Service),
        endpoints: &[Registration],
        version: u32,
    ) -> Vec<Effect> {
        let entry = &mut self.nodes[node as usize];
        let known = &mut entry.endpoints_versions[service.index()];
        if version < *known {
            return vec![];
        }
        *known = version;
        let group = &mut entry.groups[service.index()];
        let mut effects = vec![];
        for pod in group.pods() {
            if !endpoints.iter().any(|endpoint| endpoint.pod == pod) {
                group.remove(pod);
                effects.push(TargetRemoved { node, service, pod });
            }
        }
        let is_new = |endpoint: &&Registration| !group.knows(endpoint.pod, endpoint.version);
        let added: Vec<_> = endpoints.iter().filter(is_new).copied().collect();
        effects.extend(added.into_iter().map(|endpoint| add(group, (node, endpoint), self.spec.health_checks)));
        effects.extend(self.route(node, service));
        effects
    }

    fn new_versions(&mut self, service: Service, pods: &[PodId]) -> Vec<Registration> {
        let known = &mut self.targets[service.index()];
        let mut next = |pod: &PodId| {
            let version = known.get(pod).map_or(0, |version| version + 1);
            known.insert(*pod, version);
            Registration { service, pod: *pod, version }
        };
        pods.iter().map(&mut next).collect()
    }

    fn push(&self, news: News, targets: &[Registration]) -> Vec<Effect> {
        (0..self.spec.nodes).map(|node| PushTargets { node, news, targets: targets.to_vec() }).collect()
    }

    fn on_targets_reached(&mut self, node: u32, news: News, targets: &[Registration]) -> Vec<Effect> {
        let mut effects = vec![];
        let current: Vec<_> = targets.iter().copied().filter(|target| self.is_current(*target)).collect();
        for target in &current {
            let group = &mut self.nodes[node as usize].groups[target.service.index()];
            match news {
                News::Registered => effects.push(add(group, (node, *target), self.spec.health_checks)),
                News::Deregistered => {
                    group.remove(target.pod);
                    effects.push(TargetRemoved { node, service: target.service, pod: target.pod });
                }
            }
        }
        if let Some(target) = current.first() {
            effects.extend(self.route(node, target.service));
        }
        effects
    }

    /// A node goes on checking a target until it hears that the target is deregistered.
    fn on_health_check_due(&mut self, node: u32, target: Registration) -> Vec<Effect> {
        if !self.knows(node, target) {
            return vec![];
        }
        let again = Wake(self.target_group.interval, HealthCheckDue { node, target });
        vec![HealthCheck { node, target, timeout: self.target_group.timeout }, again]
    }

    fn on_health_checked(&mut self, node: u32, target: Registration, passed: bool) -> Vec<Effect> {
        if !self.knows(node, target) {
            return vec![];
        }
        let group = &mut self.nodes[node as usize].groups[target.service.index()];
        let Some(health) = group.on_checked(target.pod, passed) else {
            return vec![];
        };
        let mut effects = vec![HealthChanged { node, service: target.service, pod: target.pod, health }];
        effects.extend(self.route(node, target.service));
        effects
    }

    fn knows(&self, node: u32, target: Registration) -> bool {
        self.nodes[node as usize].groups[target.service.index()].knows(target.pod, target.version)
    }

    fn on_deregistration_delay_over(&self, targets: &[Registration]) -> Vec<Effect> {
        let cut = |target: &Registration| {
            let Registration { service, pod, .. } = *target;
            self.is_current(*target).then_some(CutConnections { service, pod })
        };
        targets.iter().filter_map(cut).collect()
    }

    fn is_current(&self, target: Registration) -> bool {
        self.targets[target.service.index()][&target.pod] == target.version
    }

    /// Tells the node's request path if the targets that get requests have changed.
    fn route(&mut self, node: u32, service: Service) -> Vec<Effect> {
        let entry = &mut self.nodes[node as usize];
        let targets = entry.groups[service.index()].routable();
        if std::mem::replace(&mut entry.routed[service.index()], targets.clone()) == targets {
            return vec![];
        }
        vec![Route { node, service, targets }]
    }
}

/// Without health checks of its own a node takes whatever it hears of.
fn add(group: &mut TargetGroup, (node, target): (u32, Registration), health_checks: bool) -> Effect {
    let Registration { service, pod, version } = target;
    if health_checks {
        group.add(pod, version, TargetHealth::Initial);
        return FirstHealthCheck { node, target };
    }
    group.add(pod, version, TargetHealth::Healthy);
    HealthChanged { node, service, pod, health: TargetHealth::Healthy }
}

#[cfg(test)]
mod tests {
    use super::cookie::CookieSpec;
    use super::hold::Hold;
    use super::target_selection::Algorithm;
    use super::*;
    use crate::random::Distribution;
    use listener_rule::Action;

    /// With another default action each.
    fn listener(code: u16) -> Arc<Listener> {
        Arc::new(Listener { rules: vec![], default_action: Action::FixedResponse(code) })
    }

    fn load_balancer(nodes: u32, targets: &[u32]) -> LoadBalancer {
        let zero = Distribution::secs(0);
        let spec = LoadBalancerSpec {
            nodes,
            hold: Hold::Batch(Duration::secs(10)),
            health_checks: true,
            rule_push: zero.clone(),
            registration: zero.clone(),
            first_health_check: zero.clone(),
            deregistration: zero,
            initial_passes: 1,
            empty_target_group: EmptyTargetGroup::Answer503,
            initial_only: InitialOnly::Answer503,
            target_group_selection: TargetGroupSelection::Random,
            cookies: CookieSpec { honours_zero_weight: false, is_renewed: true },
            connect_timeout: Duration::secs(10),
            idle_timeout: Duration::secs(60),
        };
        let group = TargetGroupSpec {
            interval: Duration::secs(15),
            timeout: Duration::secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            deregistration_delay: Duration::secs(300),
            minimum_healthy_targets: 1,
            algorithm: Algorithm::RoundRobin,
            slow_start: Duration::ZERO,
            stickiness: None,
            cookie_is_of_application: false,
        };
        let targets: Vec<_> = targets.iter().copied().map(PodId).collect();
        let at_rest = AtRest { listener: listener(404), targets: [&targets, &targets] };
        LoadBalancer::established(&spec, group, at_rest).0
    }

    #[test]
    fn a_batch_takes_what_comes_within_ten_seconds_and_the_newest_wins() {
        let mut alb = load_balancer(2, &[0]);
        assert_eq!(
            alb.handle(Instant::START, ListenerChanged(listener(510))),
            vec![Wake(Duration::secs(10), HoldOver)]
        );
        assert_eq!(alb.handle(Instant::START, ListenerChanged(listener(560))), vec![]);
        let push = |node| PushListener { node, listener: listener(560), version: 1 };
        assert_eq!(alb.handle(Instant::START, HoldOver), vec![push(0), push(1)]);
    }

    #[test]
    fn an_older_rule_does_not_undo_a_newer_one() {
        let mut alb = load_balancer(1, &[0]);
        let newer = ListenerReached { node: 0, listener: listener(560), version: 2 };
        assert_eq!(alb.handle(Instant::START, newer), vec![SetListener { node: 0, listener: listener(560) }]);
        assert_eq!(
            alb.handle(Instant::START, ListenerReached { node: 0, listener: listener(510), version: 1 }),
            vec![]
        );
    }

    fn pushed(effects: &[Effect]) -> (News, Vec<Registration>) {
        let PushTargets { news, targets, .. } = &effects[0] else {
            panic!("{effects:?} is no news for a node");
        };
        (*news, targets.clone())
    }

    #[test]
    fn a_target_registered_again_is_not_removed_by_older_news() {
        let mut alb = load_balancer(1, &[0, 1]);
        let (news, targets) = pushed(&alb.handle(Instant::START, DeregisterTargets(Service::Stable, vec![PodId(0)])));
        alb.handle(Instant::START, RegisterTargets(Service::Stable, vec![PodId(0)]));
        assert_eq!(alb.handle(Instant::START, TargetsReached { node: 0, news, targets }), vec![], "overtaken");
    }

    #[test]
    fn a_new_target_gets_requests_after_its_first_passed_check() {
        let mut alb = load_balancer(1, &[0]);
        let (news, targets) = pushed(&alb.handle(Instant::START, RegisterTargets(Service::Canary, vec![PodId(7)])));
        let target = targets[0];
        let effects = alb.handle(Instant::START, TargetsReached { node: 0, news, targets });
        assert_eq!(effects, vec![FirstHealthCheck { node: 0, target }]);
        let effects = alb.handle(Instant::START, HealthChecked { node: 0, target, passed: true });
        let routed = Route { node: 0, service: Service::Canary, targets: vec![PodId(0), PodId(7)] };
        assert!(effects.contains(&routed), "{effects:?}");
    }

    #[test]
    fn a_target_is_healthy_when_every_node_has_found_it_so() {
        let mut alb = load_balancer(2, &[0]);
        let (news, targets) = pushed(&alb.handle(Instant::START, RegisterTargets(Service::Canary, vec![PodId(7)])));
        let target = targets[0];
        let healthy = |alb: &LoadBalancer| alb.healthy(Service::Canary).into_iter().collect::<Vec<_>>();
        for node in 0..2 {
            assert_eq!(healthy(&alb), [PodId(0)], "node {node} has not checked yet");
            alb.handle(Instant::START, TargetsReached { node, news, targets: targets.clone() });
            alb.handle(Instant::START, HealthChecked { node, target, passed: true });
        }
        assert_eq!(healthy(&alb), [PodId(0), PodId(7)]);
        alb.handle(Instant::START, DeregisterTargets(Service::Canary, vec![PodId(7)]));
        assert_eq!(healthy(&alb), [PodId(0)], "a draining target is shown as such, whatever the nodes know");
    }

    #[test]
    fn endpoints_come_and_go_together_where_nobody_calls_the_load_balancer() {
        let mut proxies = load_balancer(1, &[0, 1]);
        proxies.spec.health_checks = false;
        let pods = |pods: &[u32]| pods.iter().copied().map(PodId).collect();
        let mut told = |to: &[u32]| {
            let effects = proxies.handle(Instant::START, EndpointsChanged(Service::Stable, pods(to)));
            let [PushEndpoints { node, service, endpoints, version }] = &effects[..] else { panic!("{effects:?}") };
            EndpointsReached { node: *node, service: *service, endpoints: endpoints.clone(), version: *version }
        };
        let (older, newer) = (told(&[1, 7]), told(&[7, 8]));
        let routed = |targets: &[u32]| Route {
            node: 0,
            service: Service::Stable,
            targets: targets.iter().copied().map(PodId).collect(),
        };
        let effects = proxies.handle(Instant::START, newer);
        assert_eq!(effects.last(), Some(&routed(&[7, 8])), "the group is never empty");
        let routes = effects.iter().filter(|effect| matches!(effect, Route { .. })).count();
        assert_eq!(routes, 1);
        assert_eq!(proxies.handle(Instant::START, older), vec![], "overtaken");
    }

    #[test]
    fn in_flight_requests_are_cut_when_the_delay_is_over_unless_the_target_came_back() {
        let mut alb = load_balancer(1, &[0, 1]);
        let (_, targets) = pushed(&alb.handle(Instant::START, DeregisterTargets(Service::Stable, vec![PodId(0)])));
        let cut = CutConnections { service: Service::Stable, pod: PodId(0) };
        assert_eq!(alb.handle(Instant::START, DeregistrationDelayOver(targets.clone())), vec![cut]);
        alb.handle(Instant::START, RegisterTargets(Service::Stable, vec![PodId(0)]));
        assert_eq!(alb.handle(Instant::START, DeregistrationDelayOver(targets)), vec![]);
    }
}
