//! What the routes of a router that is no ALB amount to: where a usual request goes, and what the controller or its plugin
//! would refuse at every pass.

use super::document::Table;
use super::nearest::nearest;
use super::pass::Pass;
use super::router::{GATEWAY_API, RouterKind, Routes};
use super::{Scenario, path};
use crate::model::http_request::HttpRequest;
use crate::model::http_route::{HttpRoute, HttpRouteMatch, HttpRouteRule, PathMatch};
use crate::model::ingress::Ingress;
use crate::model::request_match::StringMatch;
use crate::model::rollout::router::{Destination, Pair, Router};
use crate::model::rollout::step::{MirrorRoute, Step};
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

/// Methods whose requests change something where they arrive. Source: RFC 9110, section 9.2.1, all that are not safe.
const ACTING: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

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
        if !self.has_place_for_weights() {
            return;
        }
        let mut object = self.scenario.routing_object();
        for (index, step) in self.scenario.workload.steps().iter().enumerate() {
            match step {
                Step::SetHeaderRoute(_) => self.header_route(&mut object, (index, step)),
                Step::SetMirrorRoute(_) if !self.router.mirrors() => {
                    let key = format!("{STEPS}[{index}].setMirrorRoute");
                    let message = "this router makes no mirror route: the step is over at once".to_owned();
                    self.warning(&key, message, "of all routers Istio alone does it");
                }
                Step::SetMirrorRoute(route) => self.side_effects(index, route),
                Step::SetWeight(_)
                | Step::SetCanaryScale(_)
                | Step::SetCanaryScaleAndWeight(..)
                | Step::Pause(_)
                | Step::Analysis(_) => {}
            }
        }
        self.removed_by_form();
    }

    /// Weights that cannot be written fail every pass.
    fn has_place_for_weights(&mut self) -> bool {
        const FAILS: &str = "the Rollouts controller fails at every pass: no step completes";
        let at_rest = self.refusal_of_weight(TrafficWeight::ZERO);
        if let Some(message) = at_rest {
            let (key, help) = self
                .missing_route()
                .or_else(|| self.missing_backend())
                .unwrap_or_else(|| (self.section(), FAILS.to_owned()));
            let place = self.place(&key);
            self.pass.error(&key, place, message, help);
            return false;
        }
        for (index, step) in self.scenario.workload.steps().iter().enumerate() {
            let refusal = step.weight().and_then(|weight| self.refusal_of_weight(weight));
            if let Some(message) = refusal {
                let key = format!("{STEPS}[{index}].setWeight");
                let place = self.place(&key);
                self.pass.error(&key, place, message, FAILS);
                return false;
            }
        }
        true
    }

    fn refusal_of_weight(&self, weight: TrafficWeight) -> Option<String> {
        let services = &self.scenario.services;
        let destination = |service: &String, weight| Destination { service: service.clone(), weight };
        let rest = weight.rest(self.scenario.max_weight());
        let split = [destination(&services.canary, weight), destination(&services.stable, rest)];
        self.router.set_weights(&mut self.scenario.routing_object(), &split).err()
    }

    /// A route that `trafficRouting` names and nobody has: where it is named, and which there are.
    fn missing_route(&self) -> Option<(String, String)> {
        let (key, named, known): (_, Vec<_>, Vec<_>) = match (&self.router, &self.scenario.router.routes) {
            (Router::GatewayApi(router), Routes { http_routes: Some(routes), .. }) => (
                format!("{ROUTING}.plugins.\"{GATEWAY_API}\""),
                router.routes.iter().map(|route| route.name.as_str()).collect(),
                routes.iter().map(|route| route.name.as_str()).collect(),
            ),
            (Router::Istio(router), Routes { virtual_service: Some(service), .. }) => (
                format!("{ROUTING}.istio.virtualService.routes"),
                router.routes.iter().map(String::as_str).collect(),
                service.http.iter().filter_map(|route| route.name.as_deref()).collect(),
            ),
            (Router::Alb(_) | Router::GatewayApi(_) | Router::Istio(_) | Router::Weighted(_), _) => return None,
        };
        let missing = named.into_iter().find(|name| !known.contains(name))?;
        Some((
            key,
            match (nearest(missing, &known), known.is_empty()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, true) => "no route has a name".to_owned(),
                (None, false) => format!("there are {}", known.join(", ")),
            },
        ))
    }

    /// A route that leads to one of the two Services alone, or to none: where it leads, and where it should.
    fn missing_backend(&self) -> Option<(String, String)> {
        let pair = [&self.scenario.services.stable, &self.scenario.services.canary];
        let lacks = |services: &[String]| pair.iter().any(|wanted| !services.contains(wanted));
        let (key, services, noun) = match (&self.router, self.scenario.routing_object()) {
            (Router::GatewayApi(router), RoutingObject::HttpRoutes(routes)) => {
                let services = |route: &HttpRoute| -> Vec<String> {
                    route.rules.iter().flat_map(|rule| &rule.backend_refs).map(|one| one.service.clone()).collect()
                };
                let is_named = |route: &HttpRoute| router.routes.iter().any(|named| named.name == route.name);
                let lacking = routes.iter().position(|route| is_named(route) && lacks(&services(route)))?;
                (format!("http_routes[{lacking}].spec.rules"), services(&routes[lacking]), "backendRefs")
            }
            (Router::Istio(router), RoutingObject::VirtualService(service)) => {
                let services = |route: &Route| -> Vec<String> {
                    route.route.iter().map(|destination| destination.target().to_owned()).collect()
                };
                let is_named = |route: &Route| match &route.name {
                    Some(name) => router.routes.contains(name),
                    None => router.routes.is_empty(),
                };
                let lacking = service.http.iter().position(|route| is_named(route) && lacks(&services(route)))?;
                (
                    format!("virtual_service.spec.http[{lacking}].route"),
                    services(&service.http[lacking]),
                    "destinations",
                )
            }
            (Router::Alb(_) | Router::GatewayApi(_) | Router::Istio(_) | Router::Weighted(_), _) => return None,
        };
        let [stable, canary] = pair;
        let there = if services.is_empty() { "none".to_owned() } else { services.join(", ") };
        Some((key, format!("name {noun} {stable} and {canary}; there are {there}")))
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

    /// A copy is a request like any other to whoever gets it.
    fn side_effects(&mut self, index: usize, route: &MirrorRoute) {
        let classes = &self.scenario.traffic.classes;
        let usual = self.scenario.usual_request();
        let mut requests: Vec<_> =
            classes.iter().map(|class| (format!(" of the class `{}`", class.name), &class.request)).collect();
        if requests.is_empty() {
            requests.push((String::new(), &usual));
        }
        let is_copied = |request: &HttpRequest| ACTING.contains(&request.method.as_str()) && route.copies(request);
        let told = requests.into_iter().find(|(_, request)| is_copied(request));
        if let Some((whose, request)) = told {
            let key = format!("{STEPS}[{index}].setMirrorRoute");
            let message = format!("{} requests{whose} are copied: what they do is done twice", request.method);
            self.warning(
                &key,
                message,
                "match the method GET alone, or give the canary a place where that does no harm",
            );
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
