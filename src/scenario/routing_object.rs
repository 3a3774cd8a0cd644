//! What the Rollouts controller writes for its router, and into what: the object of the scenario, or the one that stands
//! for it where none is given.

use super::Scenario;
use super::preset::ALB;
use super::route_checks;
use super::router::{IstioSection, NginxSection, RouterKind, Routes};
use super::service_names::PREFIX;
use crate::model::Service;
use crate::model::http_request::{HttpRequest, NOBODYS_ADDRESS, NOBODYS_HOST};
use crate::model::http_route::{BackendRef, HttpRoute, HttpRouteRule};
use crate::model::request_match::{RequestMatch, StringMatch};
use crate::model::rollout::router::{Pair, Router};
use crate::model::rollout::{alb, gateway_api, istio, weighted};
use crate::model::routing_object::RoutingObject;
use crate::model::virtual_service::{Route, RouteDestination, VirtualService};
use crate::model::weighted_route::{Destination, HeaderRoute, WeightedRoute};
use crate::units::TrafficWeight;

impl Scenario {
    /// Out of what weights are given.
    pub fn max_weight(&self) -> TrafficWeight {
        self.workload.rollout().map_or(TrafficWeight::HUNDRED, |rollout| rollout.max_weight())
    }

    /// What the Rollouts controller writes with; None where pods alone split the traffic.
    pub fn router(&self) -> Option<Router> {
        let kind = self.router.kind.as_ref().filter(|_| self.workload.is_traffic_routed())?;
        Some(match kind {
            RouterKind::Alb => Router::Alb(self.alb_router()?),
            RouterKind::Istio(section) => Router::Istio(istio::Router {
                routes: section.routes.clone(),
                subsets_of: section.subsets.as_ref().map(|_| self.host_of_subsets()),
            }),
            RouterKind::GatewayApi(router) => Router::GatewayApi(self.with_a_route(router)),
            RouterKind::Apisix => Router::Weighted(weighted::Router { has_header_routes: true }),
            RouterKind::Nginx(_) | RouterKind::Other => Router::Weighted(weighted::Router::default()),
        })
    }

    /// What the Rollouts controller writes with into the Ingress; None without traffic routing.
    pub fn alb_router(&self) -> Option<alb::Router> {
        self.workload.is_traffic_routed().then(|| alb::Router {
            // Its name tells one Rollout's annotations from another's, and there is one.
            rollout: "rollout".to_owned(),
            annotation_prefix: PREFIX.to_owned(),
            action_service: self.services.root.clone(),
            service_port: i64::from(self.services.port),
            stickiness: self.target_group_stickiness().map(i64::from),
        })
    }

    /// The plugin names its route. Where a scenario does not, it is the only one.
    fn with_a_route(&self, router: &gateway_api::Router) -> gateway_api::Router {
        if !router.routes.is_empty() {
            return router.clone();
        }
        let first = self.router.routes.http_routes.as_ref().and_then(|routes| routes.first());
        let name = first.map_or_else(|| self.name.clone(), |route| route.name.clone());
        gateway_api::Router { routes: vec![gateway_api::NamedRoute { name, uses_header_routes: true }] }
    }

    fn host_of_subsets(&self) -> String {
        let service = self.router.routes.virtual_service.as_ref();
        let destinations = service.into_iter().flat_map(|service| &service.http).flat_map(|route| &route.route);
        let named = destinations.into_iter().find(|destination| destination.subset.is_some());
        named.map_or_else(|| self.services.root.clone(), |destination| destination.host.clone())
    }

    /// Whether an ALB stands in front.
    pub fn has_alb(&self) -> bool {
        self.router.preset == ALB
    }

    /// What says where requests go, as it stands before the release.
    pub fn routing_object(&self) -> RoutingObject {
        let pair = Service::ALL.map(|service| self.services.name(service));
        match (&self.router.kind, &self.router.routes) {
            (Some(RouterKind::Alb), _) => RoutingObject::Ingress(self.ingress.clone()),
            (Some(RouterKind::Istio(section)), routes) => {
                let given = routes.virtual_service.clone();
                RoutingObject::VirtualService(given.unwrap_or_else(|| self.default_virtual_service(section, pair)))
            }
            (Some(RouterKind::GatewayApi(router)), routes) => {
                let given = routes.http_routes.clone();
                RoutingObject::HttpRoutes(
                    given.unwrap_or_else(|| default_http_routes(&self.with_a_route(router), pair)),
                )
            }
            (Some(RouterKind::Nginx(section)), _) => {
                RoutingObject::Weighted(WeightedRoute { headers: section.headers(pair), destinations: to_stable(pair) })
            }
            (Some(RouterKind::Apisix | RouterKind::Other), _) => {
                RoutingObject::Weighted(WeightedRoute { headers: vec![], destinations: to_stable(pair) })
            }
            (None, Routes { http_routes: Some(routes), .. }) => RoutingObject::HttpRoutes(routes.clone()),
            (None, Routes { virtual_service: Some(service), .. }) => RoutingObject::VirtualService(service.clone()),
            (None, _) if self.has_alb() => RoutingObject::Ingress(self.ingress.clone()),
            (None, _) => {
                let service = self.services.name(self.backend).to_owned();
                let destinations = vec![Destination { service, weight: 1 }];
                RoutingObject::Weighted(WeightedRoute { headers: vec![], destinations })
            }
        }
    }

    /// A request that says nothing special: it goes by the weights. Host and path are those of the first path that leads to
    /// the root Service.
    pub fn usual_request(&self) -> HttpRequest {
        let services = &self.services;
        let pair = Pair { canary: &services.canary, stable: &services.stable };
        let (host, path) = route_checks::place(&self.routing_object(), (pair, &services.root));
        HttpRequest {
            host: host.unwrap_or_else(|| NOBODYS_HOST.to_owned()),
            path: path.unwrap_or_else(|| "/".to_owned()),
            method: "GET".to_owned(),
            query: vec![],
            headers: vec![],
            source_ip: NOBODYS_ADDRESS,
        }
    }

    /// One route, for everything, under the first of the names.
    fn default_virtual_service(&self, section: &IstioSection, pair: [&str; 2]) -> VirtualService {
        let host = section.subsets.as_ref().map(|_| self.services.root.clone());
        let destination = |name: &str, weight| match &host {
            None => RouteDestination { host: name.to_owned(), subset: None, weight: Some(weight) },
            Some(host) => RouteDestination { host: host.clone(), subset: Some(name.to_owned()), weight: Some(weight) },
        };
        let [stable, canary] = pair;
        let route = vec![destination(stable, 100), destination(canary, 0)];
        let name = |name: Option<&String>| Route { name: name.cloned(), route: route.clone(), ..Route::default() };
        let http = match section.routes.is_empty() {
            true => vec![name(None)],
            false => section.routes.iter().map(|route| name(Some(route))).collect(),
        };
        VirtualService { hosts: vec![], http }
    }
}

fn to_stable([stable, canary]: [&str; 2]) -> Vec<Destination> {
    let destination = |service: &str, weight| Destination { service: service.to_owned(), weight };
    vec![destination(stable, 1), destination(canary, 0)]
}

/// One rule for everything with both backends, in each route that the plugin names.
fn default_http_routes(router: &gateway_api::Router, pair: [&str; 2]) -> Vec<HttpRoute> {
    let backend = |service: &str| BackendRef { service: service.to_owned(), weight: None };
    let rule = HttpRouteRule { backend_refs: pair.map(backend).to_vec(), ..HttpRouteRule::default() };
    let route = |named: &gateway_api::NamedRoute| HttpRoute {
        name: named.name.clone(),
        hostnames: vec![],
        rules: vec![rule.clone()],
    };
    router.routes.iter().map(route).collect()
}

impl NginxSection {
    /// Header, then cookie, then weight. Source: ingress-nginx, *Canary*. They hold as long as the canary Ingress exists,
    /// which is always: the controller makes it with the first weight and never removes it.
    fn headers(&self, [stable, canary]: [&str; 2]) -> Vec<HeaderRoute> {
        let route = |name: &str, conditions, service: &str| HeaderRoute {
            name: name.to_owned(),
            conditions,
            service: service.to_owned(),
        };
        let header = |name: &str, value| vec![RequestMatch::Header { name: name.to_owned(), value }];
        let exact = |text: &str| StringMatch::Exact(text.to_owned());
        let mut routes = vec![];
        if let Some(name) = &self.by_header {
            match (&self.by_header_value, &self.by_header_pattern) {
                (Some(value), _) => routes.push(route("canary-by-header-value", header(name, exact(value)), canary)),
                (None, Some(pattern)) => {
                    let pattern = StringMatch::Regex(format!(".*(?:{pattern}).*"));
                    routes.push(route("canary-by-header-pattern", header(name, pattern), canary));
                }
                (None, None) => {
                    routes.push(route("canary-by-header", header(name, exact("always")), canary));
                    routes.push(route("canary-by-header", header(name, exact("never")), stable));
                }
            }
        }
        if let Some(name) = &self.by_cookie {
            let cookie = |value: &str| StringMatch::Regex(format!("(?:.*; ?)?{name}={value}(?:;.*)?"));
            routes.push(route("canary-by-cookie", header("Cookie", cookie("always")), canary));
            routes.push(route("canary-by-cookie", header("Cookie", cookie("never")), stable));
        }
        routes
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::load::load;

    #[test]
    fn the_router_writes_for_the_root_service() {
        let text = "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\n\
                    trafficRouting.alb = { rootService = \"web\", servicePort = 8080 }\n";
        let router = load(text, "shop", &[]).unwrap().scenario.alb_router().unwrap();
        let named = (router.rollout.as_str(), router.action_service.as_str(), router.service_port);
        assert_eq!(named, ("rollout", "web", 8080));
        let deployment = load("[traffic]\nrate = \"1/s\"\n[deployment]\n", "shop", &[]).unwrap();
        assert_eq!(deployment.scenario.alb_router(), None);
    }
}
