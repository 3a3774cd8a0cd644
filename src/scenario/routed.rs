//! What the routes of a router that is no ALB amount to: where a usual request goes, and what the controller or its plugin
//! would refuse at every pass.

use super::document::Table;
use super::pass::Pass;
use super::router::RouterKind;
use super::{Scenario, path};
use crate::model::http_route::{HttpRoute, HttpRouteMatch, HttpRouteRule, PathMatch};
use crate::model::ingress::Ingress;
use crate::model::request_match::StringMatch;
use crate::model::rollout::router::{Destination, Pair, Router};
use crate::model::rollout::step::Step;
use crate::model::routing_object::RoutingObject;
use crate::model::virtual_service::{Route, VirtualService};
use crate::units::TrafficWeight;

const STEPS: &str = "rollout.strategy.canary.steps";
const ROUTING: &str = "rollout.strategy.canary.trafficRouting";

/// Host and path of a request that meets the weights, as far as the object names them.
pub fn place(object: &RoutingObject, (pair, root): (Pair<'_>, &str)) -> (Option<String>, Option<String>) {
    match object {
        RoutingObject::HttpRoutes(routes) => of_http_routes(routes, pair),
        RoutingObject::VirtualService(service) => of_virtual_service(service, pair),
        RoutingObject::Ingress(ingress) => of_ingress(ingress, root),
        RoutingObject::Weighted(_) => (None, None),
    }
}

/// Of the first path that leads to the root Service.
fn of_ingress(ingress: &Ingress, root: &str) -> (Option<String>, Option<String>) {
    let paths = || ingress.rules.iter().flat_map(|rule| rule.paths.iter().map(move |path| (rule, path)));
    let to_root = paths().find(|(_, path)| path.backend.service == root);
    let Some((rule, path)) = to_root.or_else(|| paths().next()) else { return (None, None) };
    let path = path.path.replace('*', "").replace('?', "x");
    let host = rule.host.as_ref().map(|host| named(host).replace('?', "x"));
    (host, Some(path).filter(|path| !path.is_empty()))
}

/// Of the first rule with both backends, else of the first with one of them.
fn of_http_routes(routes: &[HttpRoute], pair: Pair<'_>) -> (Option<String>, Option<String>) {
    let rules = || routes.iter().flat_map(|route| route.rules.iter().map(move |rule| (route, rule)));
    let has_both = |rule: &HttpRouteRule| rule.has(pair.stable) && rule.has(pair.canary);
    let both = rules().find(|(_, rule)| has_both(rule));
    let Some((route, rule)) = both.or_else(|| rules().find(|(_, rule)| rule.has(pair.stable))) else {
        return (None, None);
    };
    let path = |one: &HttpRouteMatch| match one.path.as_ref()? {
        PathMatch::Exact(path) | PathMatch::PathPrefix(path) => Some(path.clone()),
        PathMatch::RegularExpression(_) => None,
    };
    (route.hostnames.first().map(|host| named(host)), rule.matches.first().and_then(path))
}

fn of_virtual_service(service: &VirtualService, pair: Pair<'_>) -> (Option<String>, Option<String>) {
    let leads_to = |route: &Route, target: &str| route.route.iter().any(|destination| destination.target() == target);
    let both = |route: &&Route| leads_to(route, pair.stable) && leads_to(route, pair.canary);
    let uri = service.http.iter().find(both).and_then(|route| route.matches.first()?.uri.as_ref());
    let path = uri.and_then(|uri| match uri {
        StringMatch::Exact(path) | StringMatch::Prefix(path) => Some(path.clone()),
        StringMatch::Regex(_) => None,
    });
    (service.hosts.first().filter(|host| *host != "*").map(|host| named(host)), path)
}

/// A name in the place of a wildcard.
fn named(host: &str) -> String {
    host.replacen('*', "www", 1)
}

/// What no pass would get through, and what is odd.
pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    let (Some(router), false) = (scenario.router(), scenario.has_alb()) else { return };
    let is_error = |problem: &super::diagnostic::Problem| problem.severity == super::diagnostic::Severity::Error;
    if pass.problems.iter().any(is_error) {
        return;
    }
    Checked { pass, scenario, document, router }.all();
}

struct Checked<'a> {
    pass: &'a mut Pass,
    scenario: &'a Scenario,
    document: &'a Table,
    router: Router,
}

impl Checked<'_> {
    fn place(&self, key: &str) -> Option<std::ops::Range<usize>> {
        self.document.find(key).and_then(|node| node.place.clone())
    }

    fn warning(&mut self, key: &str, message: String, help: &str) {
        let place = self.place(key);
        self.pass.warning(key, place, message, help);
    }

    /// Where the routes are written, or else where the router is named.
    fn section(&self) -> String {
        let section = ["http_routes", "virtual_service"].into_iter().find(|key| self.document.find(key).is_some());
        section.map_or_else(|| ROUTING.to_owned(), str::to_owned)
    }

    fn all(mut self) {
        self.weights();
        let mut object = self.scenario.routing_object();
        for (index, step) in self.scenario.workload.steps().iter().enumerate() {
            match step {
                Step::SetHeaderRoute(_) => self.header_route(&mut object, (index, step)),
                Step::SetMirrorRoute(_) if !self.router.mirrors() => {
                    let key = format!("{STEPS}[{index}].setMirrorRoute");
                    let message = "this router makes no mirror route: the step is over at once".to_owned();
                    self.warning(&key, message, "of all routers Istio alone does it");
                }
                Step::SetMirrorRoute(_)
                | Step::SetWeight(_)
                | Step::SetCanaryScale(_)
                | Step::SetCanaryScaleAndWeight(..)
                | Step::Pause(_)
                | Step::Analysis(_) => {}
            }
        }
        self.removed_by_form();
    }

    /// Weights that cannot be written fail every pass.
    fn weights(&mut self) {
        let [canary, stable] = [&self.scenario.services.canary, &self.scenario.services.stable];
        let max = self.scenario.max_weight();
        let steps = self.scenario.workload.steps().iter().enumerate();
        let weights = steps.filter_map(|(index, step)| Some((format!("{STEPS}[{index}].setWeight"), step.weight()?)));
        let all = [(self.section(), TrafficWeight::ZERO)].into_iter().chain(weights);
        for (key, weight) in all {
            let destination = |service: &String, weight| Destination { service: service.clone(), weight };
            let split = [destination(canary, weight), destination(stable, weight.rest(max))];
            let mut object = self.scenario.routing_object();
            if let Err(message) = self.router.set_weights(&mut object, &split) {
                let place = self.place(&key);
                let help = "the Rollouts controller fails at every pass: no step completes";
                self.pass.error(&key, place, message, help);
                return;
            }
        }
    }

    fn header_route(&mut self, object: &mut RoutingObject, (index, step): (usize, &Step)) {
        let Step::SetHeaderRoute(route) = step else { return };
        let key = format!("{STEPS}[{index}].setHeaderRoute");
        let services = &self.scenario.services;
        let pair = Pair { canary: &services.canary, stable: &services.stable };
        let before = object.clone();
        let result = self.router.set_header_route(object, (route, pair), self.scenario.workload.managed_routes());
        match result {
            Err(message) => {
                let place = self.place(&key);
                self.pass.error(&key, place, message, "the Rollouts controller fails at this step again and again");
            }
            Ok(()) if *object == before && !route.matches.is_empty() => {
                let help = match self.router {
                    Router::GatewayApi(_) => "write useHeaderRoutes = true beside the name of the HTTPRoute",
                    Router::Alb(_) | Router::Istio(_) | Router::Weighted(_) => {
                        "ALB, Istio, APISIX and the Gateway API plugin make header routes"
                    }
                };
                self.warning(&key, "this step makes no route: it is over at once".to_owned(), help);
            }
            Ok(()) => {}
        }
    }

    /// Source: the plugin takes a rule with the canary alone for one of its own.
    fn removed_by_form(&mut self) {
        let managed = self.scenario.workload.managed_routes();
        let (Some(RouterKind::GatewayApi(_)), false) = (&self.scenario.router.kind, managed.is_empty()) else { return };
        let services = &self.scenario.services;
        let pair = Pair { canary: &services.canary, stable: &services.stable };
        let before = self.scenario.routing_object();
        let mut object = before.clone();
        if self.router.remove_managed_routes(&mut object, pair, managed).is_ok() && object != before {
            let message =
                "the plugin will delete a rule of this route: its only backend is the canary's Service".to_owned();
            let key = path::join("", &self.section());
            self.warning(&key, message, "give the rule an HTTPRoute of its own, which the plugin does not name");
        }
    }
}
