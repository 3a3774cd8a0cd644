//! From what the Rollouts controller writes for its router to the routes by which the nodes send the requests of each
//! class of traffic.

use super::Simulation;
use super::event::Event;
use super::start;
use crate::model::http_request::HttpRequest;
use crate::model::load_balancer;
use crate::model::load_balancer::data_plane::Command;
use crate::model::load_balancer::listener_rule::{Action, Forward, Listener};
use crate::model::load_balancer::route::{Route, Split};
use crate::model::load_balancer_controller::listener_rules::RuleCall;
use crate::model::load_balancer_controller::{QueueDiscipline, ingress};
use crate::model::manifest::{Id, Manifests};
use crate::model::outcome::Cause;
use crate::model::rollout::router::{Destination, Pair, Router};
use crate::model::rollout::step::{HeaderRoute, MirrorRoute, Step};
use crate::model::rollout::{Overwritten, Refusal, Rollout};
use crate::model::routing_object::RoutingObject;
use crate::model::{Revision, Service};
use crate::scenario::Scenario;
use crate::units::{Duration, Instant, Percent, Share, TrafficWeight};
use serde_json::Value;
use std::sync::Arc;

/// What routes are made for.
pub struct Routing {
    /// As it stands in the cluster.
    object: Arc<RoutingObject>,
    /// Somebody has deleted it, and nothing is left of it.
    is_deleted: bool,
    /// None without `trafficRouting`.
    router: Option<Router>,
    /// By `Service::index`.
    names: [String; 2],
    max_weight: TrafficWeight,
    /// What the requests of each class say.
    requests: Vec<HttpRequest>,
    /// A request that asks for nothing special: it meets the weights.
    usual: HttpRequest,
}

/// What a node does with the requests of each class, and with usual ones.
#[derive(Clone)]
pub struct NodeRoutes {
    routes: Arc<[Route]>,
    usual: Route,
}

impl Routing {
    /// At rest: the stable revision has all the weight.
    pub fn established(scenario: &Scenario) -> Self {
        let usual = scenario.usual_request();
        let classes = scenario.traffic.classes.iter();
        let requests: Vec<_> = classes.map(|class| class.request.clone()).collect();
        let mut routing = Self {
            object: Arc::new(scenario.routing_object()),
            is_deleted: false,
            router: scenario.router(),
            names: Service::ALL.map(|service| scenario.services.name(service).to_owned()),
            max_weight: scenario.max_weight(),
            requests: if requests.is_empty() { vec![usual.clone()] } else { requests },
            usual,
        };
        // A Rollout whose object has no place for its weights never came to rest; its rules are those of the object.
        let split = routing.shares(Service::Canary, TrafficWeight::ZERO);
        let _ = routing.write(|router, object| router.set_weights(object, &split));
        routing
    }

    pub fn object(&self) -> &Arc<RoutingObject> {
        &self.object
    }

    /// Whether the object has changed; nothing changes without a router, nor where it refuses.
    fn write(&mut self, write: impl FnOnce(&Router, &mut RoutingObject) -> Result<(), String>) -> Result<bool, String> {
        let Some(router) = &self.router else { return Ok(false) };
        let mut object = RoutingObject::clone(&self.object);
        write(router, &mut object)?;
        let has_changed = object != *self.object;
        if has_changed {
            self.object = Arc::new(object);
        }
        Ok(has_changed)
    }

    /// Somebody else writes a manifest into the object: what is gone of what the Rollouts controller had written. None if
    /// nothing has changed for anybody.
    pub fn take(&mut self, id: &Id, manifest: &Value, rollout: Option<&Rollout>) -> Option<Overwritten> {
        let was_deleted = std::mem::replace(&mut self.is_deleted, false);
        let mut object = RoutingObject::clone(&self.object);
        object.take(id, manifest);
        let overwritten = self.replace(object, rollout).or(was_deleted.then(Overwritten::default))?;
        let is_heard = self.router.as_ref().is_some_and(|router| router.hears_of(&self.object));
        Some(Overwritten { is_heard, ..overwritten })
    }

    /// Somebody else deletes the object, or of several that of this name: what is gone with it.
    pub fn delete(&mut self, id: &Id, rollout: Option<&Rollout>) -> Option<Overwritten> {
        let mut object = RoutingObject::clone(&self.object);
        object.delete(id);
        self.is_deleted = self.is_one_object();
        // An empty object is gone, too.
        let overwritten = self.replace(object, rollout).or(self.is_deleted.then(Overwritten::default))?;
        let is_heard = self.router.as_ref().is_some_and(Router::hears_of_deletions);
        Some(Overwritten { is_heard, ..overwritten })
    }

    fn is_one_object(&self) -> bool {
        match *self.object {
            RoutingObject::Ingress(_) | RoutingObject::VirtualService(_) | RoutingObject::Weighted(_) => true,
            RoutingObject::HttpRoutes(_) => false,
        }
    }

    /// As git would have them.
    pub fn manifests(&self, name: &str) -> Manifests {
        if self.is_deleted { Manifests::new() } else { self.object.manifests(name) }
    }

    /// Why the controller of Rollouts cannot write into the object, if so. `name` is that of a lone one.
    pub fn refusal(&self, name: &str) -> Option<Refusal> {
        let object = (!self.is_deleted).then_some(&*self.object);
        self.router.as_ref()?.refusal(object, name, &self.shares(Service::Canary, TrafficWeight::ZERO))
    }

    /// What is gone of what the Rollouts controller had written. None if nothing has changed for anybody.
    fn replace(&mut self, object: RoutingObject, rollout: Option<&Rollout>) -> Option<Overwritten> {
        if object == *self.object {
            return None;
        }
        let before = std::mem::replace(&mut self.object, Arc::new(object));
        // Nobody had written anything into it.
        let (Some(router), Some(rollout)) = (&self.router, rollout) else { return Some(Overwritten::default()) };
        let written = rollout.ingress();
        let is_weight_gone = written.weight.is_some_and(|(canary, weight)| {
            let mut repaired = RoutingObject::clone(&self.object);
            router.set_weights(&mut repaired, &self.shares(canary, weight)).is_err() || repaired != *self.object
        });
        let names = written.routes.iter().map(|(route, _)| &route.name);
        let names = names.chain(written.mirrors.iter().map(|(route, _)| &route.name));
        let is_lost = |name: &&String| Router::has_route(&before, name) && !Router::has_route(&self.object, name);
        let routes = names.filter(is_lost).cloned().collect();
        Some(Overwritten { weight: is_weight_gone, routes, is_heard: false })
    }

    /// The names of the two Services by their roles.
    fn roles(&self, canary: Service) -> [&str; 2] {
        let stable = if canary == Service::Canary { Service::Stable } else { Service::Canary };
        [canary, stable].map(|service| self.names[service.index()].as_str())
    }

    fn shares(&self, canary: Service, weight: TrafficWeight) -> [Destination; 2] {
        let [canary, stable] = self.roles(canary);
        let destination = |service: &str, weight| Destination { service: service.to_owned(), weight };
        [destination(canary, weight), destination(stable, weight.rest(self.max_weight))]
    }

    /// What such a node does with each class of requests.
    pub fn routes(&self, listener: &Listener) -> Arc<[Route]> {
        self.requests.iter().map(|request| self.route(listener, request)).collect()
    }

    fn route(&self, listener: &Listener, request: &HttpRequest) -> Route {
        match listener.action(request) {
            Action::Forward(forward) => {
                let rotation = listener.place_from_end(request);
                let split = self.split(forward).map(|split| Split { rotation, ..split });
                split.map_or(Route::Elsewhere, Route::Forward)
            }
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
        // Assumption: the copies are for the Service that `Service::Canary` stands for; with pingPong it may be the other.
        let mirror = forward.mirror.as_ref().filter(|mirror| mirror.service == self.names[Service::Canary.index()]);
        let mirrored = mirror.map_or(Percent::ZERO, |mirror| mirror.percent);
        Some(Split { weights, has, stickiness: forward.stickiness, mirrored, rotation: 0 })
    }

    /// As the event log writes it.
    fn describe_route(&self, route: &Route) -> String {
        match route {
            Route::Forward(split) => {
                let shares = [Service::Canary, Service::Stable].map(Service::index).into_iter();
                let shares = shares.filter(|index| split.has[*index]);
                let shares = shares.map(|index| format!("{} {}", self.names[index], split.weights[index]));
                shares.collect::<Vec<_>>().join(" ")
            }
            Route::FixedResponse(cause) => cause.elb_status_code().to_string(),
            Route::Elsewhere => "elsewhere".to_owned(),
        }
    }

    /// The canary weight that a usual request meets; None while nobody takes it.
    pub fn weight(&self, listener: &Listener) -> Option<Share> {
        let Route::Forward(split) = self.route(listener, &self.usual) else { return None };
        let [stable, canary] = split.weights.map(u64::from);
        Some(Share::new(canary, stable + canary))
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
        let Some(router) = &self.router else { return vec![] };
        let classes = self.requests.iter().enumerate();
        classes.filter(|(_, request)| router.means(route, request)).map(|(class, _)| class).collect()
    }
}

impl Simulation<'_> {
    fn canary_service(&self) -> Service {
        self.workload.rollout().map_or(Service::Canary, Rollout::canary_service)
    }

    /// Nobody hears of an object that is as it was.
    fn write_routing(
        &mut self,
        now: Instant,
        write: impl FnOnce(&Router, &mut RoutingObject) -> Result<(), String>,
    ) -> Result<bool, String> {
        let before = Arc::clone(self.routing.object());
        let result = self.routing.write(write);
        if result == Ok(true) {
            self.on_routing_written(now, &before);
        }
        result
    }

    /// The Rollouts controller patches the weights. `written`: how long the earlier writes of the same pass took.
    pub(super) fn patch_weight(&mut self, now: Instant, written: Duration, (canary, weight): (Service, TrafficWeight)) {
        let split = self.routing.shares(canary, weight);
        let result = self.write_routing(now, |router, object| router.set_weights(object, &split));
        self.tell_routing_object(now, written, result);
    }

    pub(super) fn patch_header_route(&mut self, now: Instant, written: Duration, route: &HeaderRoute) {
        let [canary, stable] = self.routing.roles(self.canary_service()).map(str::to_owned);
        let managed = self.scenario.workload.managed_routes();
        let result = self.write_routing(now, |router, object| {
            router.set_header_route(object, (route, Pair { canary: &canary, stable: &stable }), managed)
        });
        self.tell_routing_object(now, written, result);
    }

    /// A router that knows none does nothing, and nobody is told.
    pub(super) fn patch_mirror_route(&mut self, now: Instant, written: Duration, route: &MirrorRoute) {
        if !self.routing.router.as_ref().is_some_and(Router::mirrors) {
            return;
        }
        self.log(now, "rollouts-controller", "SetMirrorRoute", self.routing.object().name(), &route.name);
        let [canary, stable] = self.routing.roles(self.canary_service()).map(str::to_owned);
        let managed = self.scenario.workload.managed_routes();
        let result = self.write_routing(now, |router, object| {
            router.set_mirror_route(object, (route, Pair { canary: &canary, stable: &stable }), managed)
        });
        self.tell_routing_object(now, written, result);
    }

    /// Somebody else has written the object, and with it another canary weight than the Rollouts controller's.
    pub(super) fn note_overwritten_weight(&mut self, now: Instant) {
        let rules = start::established(self.scenario, &self.routing);
        let Some(weight) = rules.and_then(|rules| self.routing.weight(rules.listener())) else { return };
        if weight.hundredths() == self.state.weight_requested {
            return;
        }
        self.log(now, "argo-cd", "OverwriteWeight", self.routing.object().name(), self.split(weight));
        self.recorder.overwritten(now, weight);
        self.state.weight_requested = weight.hundredths();
        self.record_state(now);
    }

    /// Where there is nothing to remove, nobody is told.
    pub(super) fn remove_routes(&mut self, now: Instant, written: Duration, names: &[String]) {
        let [canary, stable] = self.routing.roles(self.canary_service()).map(str::to_owned);
        let result = self.write_routing(now, |router, object| {
            router.remove_managed_routes(object, Pair { canary: &canary, stable: &stable }, names)
        });
        let object = Arc::clone(self.routing.object());
        if object.is_ingress() || result != Ok(false) {
            self.log(now, "rollouts-controller", "RemoveRoutes", object.name(), names.join(", "));
        }
        self.tell_routing_object(now, written, result);
    }

    /// No route is meant to be there any more.
    pub(super) fn forget_routes(&mut self) {
        for class in 0..self.routing.requests.len() {
            self.mean_for(class, None);
        }
    }

    /// The step is over: its requests are meant for the canary, whatever was written and whatever becomes of it.
    pub(super) fn mean_for_routes(&mut self, completed: usize) {
        self.forget_routes();
        let mut routes: Vec<&HeaderRoute> = vec![];
        for step in &self.workload.steps()[..=completed] {
            let Step::SetHeaderRoute(route) = step else { continue };
            routes.retain(|other| other.name != route.name);
            routes.extend((!route.matches.is_empty()).then_some(route));
        }
        let classes: Vec<_> = routes.into_iter().flat_map(|route| self.routing.classes_of(route)).collect();
        for class in classes {
            self.mean_for(class, Some(self.newest));
        }
    }

    fn mean_for(&mut self, class: usize, revision: Option<Revision>) {
        if let Some(exposure) = self.tally.exposure() {
            exposure.mean_for(class, revision);
        }
    }

    /// A patch that failed leaves the object as it was, and nobody hears of it.
    pub(super) fn tell_routing_object(&mut self, now: Instant, written: Duration, result: Result<bool, String>) {
        let object = Arc::clone(self.routing.object());
        match result {
            Err(message) => {
                self.log(now, "rollouts-controller", "PatchFailed", object.name(), message);
                return;
            }
            // Nobody hears of an object that is as it was. With an ALB a patch is made only where something changes.
            Ok(false) if !object.is_ingress() => return,
            Ok(_) => {}
        }
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
                    let object = self.routing.object().name();
                    self.log(now, self.control_plane(), name, object, detail);
                    self.tell_load_balancer(now, load_balancer::Input::ListenerChanged(listener));
                }
                AwaitAnswer => {
                    let answered = now + self.streams.rule_call.draw(&controller.rule_call);
                    self.queue.schedule(answered, Event::Ingress(ingress::Input::Answered));
                }
                Failed(failure) => {
                    self.log(now, self.control_plane(), failure.event(), "ingress", failure.message());
                }
                RetryAfter(delay, number) => {
                    self.queue.schedule(now + delay, Event::Ingress(ingress::Input::Retry(number)));
                }
            }
        }
    }

    /// As the event log calls who reads the object.
    fn control_plane(&self) -> &'static str {
        if self.routing.object().is_ingress() { "load-balancer-controller" } else { "control-plane" }
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
            RuleCall::Configure(listener) => {
                let rules = match listener.rules.len() {
                    0 => String::new(),
                    count => format!(", {count} rules"),
                };
                ("Configure", weight().unwrap_or_default() + &rules)
            }
        }
    }

    /// A node routes by these rules from now on.
    pub(super) fn set_listener(&mut self, now: Instant, node: u32, listener: &Listener) {
        let routes = self.routing.routes(listener);
        let usual = self.routing.route(listener, &self.routing.usual);
        let before = self.routes[node as usize].replace(NodeRoutes { routes: Arc::clone(&routes), usual });
        self.log_routes(now, node, before);
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
        self.state.weight_effective_sum = self.weights.iter().map(|weight| u32::from(weight.hundredths())).sum();
        self.record_state(now);
    }

    /// Of classes that do not go the way of usual requests, or no longer do; of the others the weight is told.
    fn log_routes(&mut self, now: Instant, node: u32, before: Option<NodeRoutes>) {
        let (Some(before), Some(after)) = (before, self.routes[node as usize].clone()) else { return };
        for (class, spec) in self.scenario.traffic.classes.iter().enumerate() {
            let [old, new] = [&before, &after].map(|routes| routes.routes[class]);
            let goes_with_the_rest = old.leads_as(&before.usual) && new.leads_as(&after.usual);
            if !(old.leads_as(&new) || goes_with_the_rest) {
                let detail = format!("{} {}", spec.name, self.routing.describe_route(&new));
                self.log(now, "load-balancer", "RouteEffective", format!("node {node}"), detail);
            }
        }
    }
}
