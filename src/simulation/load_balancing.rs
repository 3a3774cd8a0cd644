//! Who tells whom from the Ingress and the endpoints to the nodes of the load balancer.

use super::Simulation;
use super::event::Event;
use crate::model::load_balancer::data_plane::Command;
use crate::model::load_balancer::target_group::TargetHealth;
use crate::model::load_balancer::{self, News};
use crate::model::load_balancer_controller::readiness_gate;
use crate::model::load_balancer_controller::target_group_binding::{self, ApiCall};
use crate::model::{PodId, Revision, Service, pod};
use crate::units::Instant;
use std::collections::BTreeSet;

impl Simulation<'_> {
    /// What the webhook puts into a pod that is created now: a gate for each target group whose Service selects it.
    pub(super) fn gates_to_inject(&self, revision: Revision) -> BTreeSet<Service> {
        let is_injected = self.scenario.load_balancer_controller.readiness_gate.is_injected;
        let selects = |service: &Service| is_injected && self.endpoint_slices[service.index()].selects(revision);
        Service::ALL.into_iter().filter(selects).collect()
    }

    /// The controller knows the gates of a pod from its creation on.
    pub(super) fn inject_gates(&mut self, now: Instant, id: PodId) {
        for service in self.gates_to_inject(self.pods[id.0 as usize].revision) {
            self.log(now, "load-balancer-controller", "GateInjected", id, self.name(service));
            self.tell_readiness_gate(now, service, readiness_gate::Input::Injected(id));
        }
    }

    /// The news of ContainersReady, on their way to the controller's cache of pods.
    pub(super) fn watch_pod(&mut self, now: Instant, id: PodId, containers_ready: bool) {
        let spec = &self.scenario.load_balancer_controller.readiness_gate;
        let heard = now + self.streams.readiness_gate.draw(&spec.pod_watch);
        self.pods_watched_until = self.pods_watched_until.max(heard);
        for service in Service::ALL {
            let news = readiness_gate::Input::ContainersReady(id, containers_ready);
            self.queue.schedule(self.pods_watched_until, Event::ReadinessGate(service, news));
        }
    }

    pub(super) fn tell_readiness_gate(&mut self, now: Instant, service: Service, input: readiness_gate::Input) {
        use readiness_gate::Effect::*;
        for effect in self.readiness_gates[service.index()].handle(now, input) {
            match effect {
                Targets(targets) => {
                    self.tell_binding(now, service, target_group_binding::Input::EndpointsChanged(targets));
                }
                DescribeTargetHealth => {
                    let healthy = self.load_balancer.healthy(service);
                    self.tell_readiness_gate(now, service, readiness_gate::Input::TargetHealth(healthy));
                }
                PassGate(pod) => {
                    self.log(now, "load-balancer-controller", "GatePassed", pod, self.name(service));
                    let spec = &self.scenario.load_balancer_controller.readiness_gate;
                    let passed = now + self.streams.readiness_gate.draw(&spec.gate_patch);
                    self.queue.schedule(passed, Event::Pod(pod, pod::Input::GatePassed(service)));
                }
                Wake(delay) => {
                    let again = Event::ReadinessGate(service, readiness_gate::Input::LookAgain);
                    self.queue.schedule(now + delay, again);
                }
            }
        }
    }

    /// Other proxies than an ALB's nodes have nobody who calls them: their control plane watches the endpoints, and hears of
    /// changes in their order.
    pub(super) fn watch_endpoints(&mut self, now: Instant, service: Service, ready: BTreeSet<PodId>) {
        let lag = self.streams.target_lag.draw(&self.scenario.load_balancer_controller.target_lag);
        let heard = &mut self.endpoints_watched_until[service.index()];
        *heard = (*heard).max(now + lag);
        let news = load_balancer::Input::EndpointsChanged(service, ready);
        self.queue.schedule(*heard, Event::LoadBalancer(news));
    }

    pub(super) fn tell_binding(&mut self, now: Instant, service: Service, input: target_group_binding::Input) {
        use target_group_binding::Effect::*;
        let controller = &self.scenario.load_balancer_controller;
        if input == target_group_binding::Input::Start {
            self.tell_readiness_gate(now, service, readiness_gate::Input::Reconcile);
        }
        for effect in self.bindings[service.index()].handle(input) {
            match effect {
                Enqueue => {
                    let start = now + self.streams.target_lag.draw(&controller.target_lag);
                    self.queue.schedule(start, Event::TargetGroupBinding(service, target_group_binding::Input::Start));
                }
                Call(call) => {
                    let latency = match call {
                        ApiCall::DeregisterTargets(_) => &controller.deregister_targets,
                        ApiCall::RegisterTargets(_) => &controller.register_targets,
                    };
                    let accepted = now + self.streams.target_lag.draw(latency);
                    self.queue.schedule(accepted, Event::Accepted(service, call));
                }
            }
        }
    }

    pub(super) fn accept(&mut self, now: Instant, service: Service, call: ApiCall) {
        let (event, input, count) = match call {
            ApiCall::DeregisterTargets(pods) => {
                let count = pods.len();
                ("DeregisterTargets", load_balancer::Input::DeregisterTargets(service, pods), count)
            }
            ApiCall::RegisterTargets(pods) => {
                let count = pods.len();
                ("RegisterTargets", load_balancer::Input::RegisterTargets(service, pods), count)
            }
        };
        let detail = if count == 1 { "1 target".to_owned() } else { format!("{count} targets") };
        self.log(now, "load-balancer-controller", event, self.name(service), detail);
        self.tell_load_balancer(now, input);
        self.tell_binding(now, service, target_group_binding::Input::Done);
    }

    pub(super) fn tell_load_balancer(&mut self, now: Instant, input: load_balancer::Input) {
        let effects = self.load_balancer.handle(now, input);
        self.on_load_balancer_effects(now, effects);
    }

    pub(super) fn on_load_balancer_effects(&mut self, now: Instant, effects: Vec<load_balancer::Effect>) {
        use load_balancer::Effect::*;
        use load_balancer::Input::*;
        let spec = &self.scenario.load_balancer;
        for effect in effects {
            let (delay, input) = match effect {
                Wake(delay, input) => (delay, input),
                PushListener { node, listener, version } => {
                    let delay = self.streams.rule_push[node as usize].draw(&spec.rule_push);
                    (delay, ListenerReached { node, listener, version })
                }
                PushTargets { node, news, targets } => {
                    (self.streams.propagation(node, news, spec), TargetsReached { node, news, targets })
                }
                PushEndpoints { node, service, endpoints, version } => {
                    let delay = self.streams.propagation(node, News::Registered, spec);
                    (delay, EndpointsReached { node, service, endpoints, version })
                }
                FirstHealthCheck { node, target } => {
                    let delay = self.streams.first_health_check[node as usize].draw(&spec.first_health_check);
                    (delay, HealthCheckDue { node, target })
                }
                HealthCheck { node, target, timeout } => {
                    let (delay, passed) = self.ask(now, target.pod, timeout);
                    (delay, HealthChecked { node, target, passed })
                }
                SetListener { node, listener } => {
                    self.set_listener(now, node, &listener);
                    continue;
                }
                Route { node, service, targets } => {
                    if targets.is_empty() {
                        self.log(now, "load-balancer", "GroupEmpty", format!("node {node} {}", self.name(service)), "");
                    }
                    self.command(now, Command::Route { node, service, targets });
                    continue;
                }
                HealthChanged { node, service, pod, health } => {
                    let event = match health {
                        TargetHealth::Initial => "TargetInitial",
                        TargetHealth::Healthy => "TargetHealthy",
                        TargetHealth::Unhealthy => "TargetUnhealthy",
                    };
                    self.log(now, "load-balancer", event, format!("node {node} {}", self.name(service)), pod);
                    continue;
                }
                TargetRemoved { node, service, pod } => {
                    self.log(now, "load-balancer", "TargetRemoved", format!("node {node} {}", self.name(service)), pod);
                    continue;
                }
                CutConnections { service, pod } => {
                    self.command(now, Command::CutConnections { service, pod });
                    continue;
                }
            };
            self.queue.schedule(now + delay, Event::LoadBalancer(input));
        }
    }
}
