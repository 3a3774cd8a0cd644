//! From what the Rollouts controller writes into the Ingress to the routes by which the nodes send the requests of each
//! class of traffic.

use super::Simulation;
use super::event::Event;
use crate::model::http_request::HttpRequest;
use crate::model::ingress::Ingress as Object;
use crate::model::load_balancer;
use crate::model::load_balancer::data_plane::Command;
use crate::model::load_balancer::listener_rule::{Action, Condition, Forward, Listener};
use crate::model::load_balancer::route::{Route, Split};
use crate::model::load_balancer_controller::listener_rules::RuleCall;
use crate::model::load_balancer_controller::{QueueDiscipline, ingress};
use crate::model::outcome::Cause;
use crate::model::rollout::Rollout;
use crate::model::rollout::alb::{Destination, Router};
use crate::model::rollout::step::{HeaderMatch, HeaderRoute};
use crate::model::{Revision, Service};
use crate::scenario::Scenario;
use crate::units::{Duration, Instant, Percent, TrafficWeight};
use std::sync::Arc;

/// What routes are made for.
pub struct Routing {
    /// The Ingress as it stands in the cluster.
    object: Arc<Object>,
    /// None without `trafficRouting`.
    router: Option<Router>,
    /// By `Service::index`.
    names: [String; 2],
    /// What the requests of each class say.
    requests: Vec<HttpRequest>,
    /// A request that asks for nothing special: it meets the weights.
    usual: HttpRequest,
}

impl Routing {
    /// At rest: the stable revision has all the weight.
    pub fn established(scenario: &Scenario) -> Self {
        let usual = scenario.usual_request();
        let classes = scenario.traffic.classes.iter();
        let requests: Vec<_> = classes.map(|class| class.request.clone()).collect();
        let mut routing = Self {
            object: Arc::new(scenario.ingress.clone()),
            router: scenario.alb_router(),
            names: Service::ALL.map(|service| scenario.services.name(service).to_owned()),
            requests: if requests.is_empty() { vec![usual.clone()] } else { requests },
            usual,
        };
        // A Rollout whose Ingress has no path to its root Service never came to rest; its rules are those of the object.
        let _ = routing.set_weight(Service::Canary, TrafficWeight::ZERO);
        routing
    }

    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// Patches the Ingress; None without a router.
    fn set_weight(&mut self, canary: Service, weight: TrafficWeight) -> Option<Result<(), String>> {
        let router = self.router.as_ref()?;
        let stable = if canary == Service::Canary { Service::Stable } else { Service::Canary };
        let destination =
            |service: Service, weight| Destination { service: self.names[service.index()].clone(), weight };
        let split = [destination(canary, weight), destination(stable, weight.rest(TrafficWeight::HUNDRED))];
        Some(router.set_weights(Arc::make_mut(&mut self.object), &split))
    }

    /// What such a node does with each class of requests.
    pub fn routes(&self, listener: &Listener) -> Arc<[Route]> {
        self.requests.iter().map(|request| self.route(listener.action(request))).collect()
    }

    fn route(&self, action: &Action) -> Route {
        match action {
            Action::Forward(forward) => self.split(forward).map_or(Route::Elsewhere, Route::Forward),
            Action::FixedResponse(400..500) => Route::FixedResponse(Cause::NoMatchingRule),
            Action::FixedResponse(500..) => Route::FixedResponse(Cause::MissingBackend),
            Action::FixedResponse(_) | Action::Redirect => Route::Elsewhere,
        }
    }

    /// None if none of the target groups is one of ours. What an action gives to others besides ours is left out.
    fn split(&self, forward: &Forward) -> Option<Split> {
        let group = |name: &String| forward.target_groups.iter().find(|group| group.service == *name);
        let [stable, canary] = [0, 1].map(|index| group(&self.names[index]));
        let has = [stable.is_some(), canary.is_some()];
        // Of a lone group the weight counts for nothing.
        let weights = match (stable, canary) {
            (None, None) => return None,
            (Some(_), None) => [1, 0],
            (None, Some(_)) => [0, 1],
            (Some(stable), Some(canary)) => [stable.weight, canary.weight],
        };
        Some(Split { weights, has, stickiness: forward.stickiness, mirrored: Percent::ZERO })
    }

    /// The canary weight that a usual request meets; None while nobody takes it.
    pub fn weight(&self, listener: &Listener) -> Option<Percent> {
        let Route::Forward(split) = self.route(listener.action(&self.usual)) else { return None };
        let [stable, canary] = split.weights.map(u64::from);
        let percent = (canary * 100).checked_div(stable + canary).unwrap_or(0);
        Percent::try_from(i64::try_from(percent).ok()?).ok()
    }

    /// The weight that a look at AWS takes for the canary's: that of the last rule which names its target group. Source:
    /// `VerifyWeightPerIngress`.
    pub fn weight_shown(&self, listener: &Listener, canary: Service) -> TrafficWeight {
        let name = &self.names[canary.index()];
        let actions = listener.rules.iter().rev().map(|rule| &rule.action);
        let weight = actions.filter_map(|action| match action {
            Action::Forward(forward) => forward.target_groups.iter().find(|group| group.service == *name),
            Action::FixedResponse(_) | Action::Redirect => None,
        });
        weight.map(|group| TrafficWeight::new(u32::from(group.weight))).next().unwrap_or(TrafficWeight::ZERO)
    }

    /// The classes whose requests a header route is for.
    fn classes_of(&self, route: &HeaderRoute) -> Vec<usize> {
        let mut headers: Vec<(&str, Vec<String>)> = vec![];
        for HeaderMatch { header_name, exact } in &route.matches {
            match headers.iter_mut().find(|(name, _)| name == header_name) {
                Some((_, values)) => values.push(exact.clone()),
                None => headers.push((header_name, vec![exact.clone()])),
            }
        }
        let condition = |(name, values): (&str, _)| Condition::HttpHeader { name: name.to_owned(), values };
        let conditions: Vec<_> = headers.into_iter().map(condition).collect();
        let takes = |request: &HttpRequest| conditions.iter().all(|condition| condition.holds(request));
        let classes = self.requests.iter().enumerate();
        classes.filter(|(_, request)| takes(request)).map(|(class, _)| class).collect()
    }
}

impl Simulation<'_> {
    /// The Rollouts controller patches the weights. `written`: how long the earlier writes of the same pass took.
    pub(super) fn patch_weight(&mut self, now: Instant, written: Duration, (canary, weight): (Service, TrafficWeight)) {
        let result = self.routing.set_weight(canary, weight);
        self.tell_ingress_object(now, written, result.unwrap_or(Ok(())));
    }

    pub(super) fn patch_header_route(&mut self, now: Instant, written: Duration, route: &HeaderRoute) {
        let canary = self.workload.rollout().map_or(Service::Canary, Rollout::canary_service);
        let managed = self.scenario.workload.managed_routes();
        let routing = &mut self.routing;
        let name = &routing.names[canary.index()];
        let object = Arc::make_mut(&mut routing.object);
        let result = routing.router.as_ref().map(|router| router.set_header_route(object, (route, name), managed));
        for class in self.routing.classes_of(route) {
            let meant = (!route.matches.is_empty()).then_some(self.newest);
            self.mean_for(class, meant);
        }
        self.tell_ingress_object(now, written, result.unwrap_or(Ok(())));
    }

    pub(super) fn remove_routes(&mut self, now: Instant, written: Duration, names: &[String]) {
        let routing = &mut self.routing;
        let object = Arc::make_mut(&mut routing.object);
        let result = routing.router.as_ref().map(|router| router.remove_managed_routes(object, names));
        self.tell_ingress_object(now, written, result.unwrap_or(Ok(())));
    }

    /// No route is meant to be there any more.
    pub(super) fn forget_routes(&mut self) {
        for class in 0..self.routing.requests.len() {
            self.mean_for(class, None);
        }
    }

    fn mean_for(&mut self, class: usize, revision: Option<Revision>) {
        if let Some(exposure) = self.tally.exposure() {
            exposure.mean_for(class, revision);
        }
    }

    /// A patch that failed leaves the object as it was, and nobody hears of it.
    fn tell_ingress_object(&mut self, now: Instant, written: Duration, result: Result<(), String>) {
        if let Err(message) = result {
            self.log(now, "rollouts-controller", "PatchFailed", "ingress", message);
            return;
        }
        let object = Arc::clone(self.routing.object());
        let controller = &self.scenario.load_balancer_controller;
        match controller.queue {
            QueueDiscipline::WorkQueue if written == Duration::ZERO => {
                self.tell_ingress(now, ingress::Input::Changed(object));
            }
            QueueDiscipline::WorkQueue => {
                self.queue.schedule(now + written, Event::Ingress(ingress::Input::Changed(object)));
            }
            QueueDiscipline::Overlap => {
                let due = now + self.streams.rule_lag.draw(&controller.rule_lag);
                self.queue.schedule(due, Event::Ingress(ingress::Input::SendState(object)));
            }
        }
    }

    pub(super) fn tell_ingress(&mut self, now: Instant, input: ingress::Input) {
        use ingress::Effect::*;
        let controller = &self.scenario.load_balancer_controller;
        for effect in self.ingress.handle(input) {
            match effect {
                Enqueue => {
                    let lag = self.streams.rule_lag.draw(&controller.rule_lag);
                    let reconcile = lag.min(controller.reconcile_time);
                    let start = now + (lag - reconcile);
                    self.queue.schedule(start, Event::Ingress(ingress::Input::Start(reconcile)));
                }
                Reconcile(time) => self.queue.schedule(now + time, Event::Ingress(ingress::Input::Send)),
                Call { call, listener } => {
                    let (name, detail) = self.describe(&call, &listener);
                    self.log(now, "load-balancer-controller", name, "ingress", detail);
                    self.tell_load_balancer(now, load_balancer::Input::ListenerChanged(listener));
                }
                AwaitAnswer => {
                    let answered = now + self.streams.rule_call.draw(&controller.rule_call);
                    self.queue.schedule(answered, Event::Ingress(ingress::Input::Answered));
                }
                Failed(message) => self.log(now, "load-balancer-controller", "FailedBuildModel", "ingress", message),
            }
        }
    }

    /// As the event log writes a call: a change of the weights by the weights.
    fn describe(&self, call: &RuleCall, listener: &Listener) -> (&'static str, String) {
        let weight = || self.routing.weight(listener).map(|canary| self.split(canary));
        match call {
            RuleCall::ModifyRule(rule) if rule.takes(&self.routing.usual) => {
                ("ModifyRule", weight().unwrap_or_else(|| rule.to_string()))
            }
            RuleCall::ModifyRule(rule) => ("ModifyRule", rule.to_string()),
            RuleCall::CreateRule(rule) => ("CreateRule", rule.to_string()),
            RuleCall::DeleteRule(priority) => ("DeleteRule", format!("rule {priority}")),
            RuleCall::SetRulePriorities(moves) => {
                let moves: Vec<_> = moves.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
                ("SetRulePriorities", moves.join(", "))
            }
            RuleCall::ModifyListener(_) => ("ModifyListener", weight().unwrap_or_default()),
        }
    }

    /// A node routes by these rules from now on.
    pub(super) fn set_listener(&mut self, now: Instant, node: u32, listener: &Listener) {
        let routes = self.routing.routes(listener);
        self.command(now, Command::SetRoutes { node, routes });
        let before = self.weights[node as usize];
        let canary = self.routing.weight(listener).unwrap_or(before);
        self.weights[node as usize] = canary;
        if before != canary {
            self.log(now, "load-balancer", "RuleEffective", format!("node {node}"), self.split(canary));
        }
        if self.weights.iter().all(|weight| *weight == canary) {
            self.recorder.effective(now, canary);
        }
        self.state.weight_effective_sum = self.weights.iter().map(|weight| u16::from(weight.get())).sum();
        self.record_state(now);
    }
}
