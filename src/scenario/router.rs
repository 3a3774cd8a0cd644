//! Which router splits the requests: what `trafficRouting` names, and `[router]`, which says how it is installed.

use super::Scenario;
use super::document::{Node, Table};
use super::preset::{self, ALB, Preset};
use super::reader::Reader;
use super::service_names::ServiceNames;
use super::workload::Workload;
use crate::model::Service;
use crate::model::http_route::{BackendRef, HttpRoute, HttpRouteRule};
use crate::model::request_match::{RequestMatch, StringMatch};
use crate::model::rollout::router::Router;
use crate::model::rollout::spec::Strategy;
use crate::model::rollout::{gateway_api, istio, weighted};
use crate::model::routing_object::RoutingObject;
use crate::model::virtual_service::{Route, RouteDestination, VirtualService};
use crate::model::weighted_route::{Destination, HeaderRoute, WeightedRoute};
use crate::units::TrafficWeight;

const ROUTING: &str = "rollout.strategy.canary.trafficRouting";
/// The plugin that is simulated.
pub const GATEWAY_API: &str = "argoproj-labs/gatewayAPI";

/// In the order in which the controller goes through them, but for the ALB: it meets the clients.
pub const ROUTERS: [&str; 9] =
    ["alb", "istio", "nginx", "smi", "ambassador", "appMesh", "traefik", "apisix", "plugins"];

/// The routes of other routers as the scenario has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    /// `[[http_routes]]`
    pub http_routes: Option<Vec<HttpRoute>>,
    /// `[virtual_service]`
    pub virtual_service: Option<VirtualService>,
}

/// The router as it is played.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterSpec {
    /// Of `trafficRouting`; None without.
    pub kind: Option<RouterKind>,
    /// The name of the preset.
    pub preset: &'static str,
    pub routes: Routes,
}

/// What `trafficRouting` says of the router that is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterKind {
    Alb,
    Istio(IstioSection),
    GatewayApi(gateway_api::Router),
    Nginx(NginxSection),
    Apisix,
    /// SMI, Ambassador, App Mesh, Traefik, and plugins that are not known: weights alone.
    Other,
}

/// `trafficRouting.istio`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IstioSection {
    pub routes: Vec<String>,
    /// `destinationRule`: the subsets, by `Service::index`.
    pub subsets: Option<[String; 2]>,
}

/// `trafficRouting.nginx.additionalIngressAnnotations`, as far as they choose requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NginxSection {
    pub by_header: Option<String>,
    pub by_header_value: Option<String>,
    pub by_header_pattern: Option<String>,
    pub by_cookie: Option<String>,
}

/// The router of a document that is played, by its key in `trafficRouting`; None without one.
pub fn named(document: &Table) -> Option<&'static str> {
    let has = |router: &&str| document.find(&format!("{ROUTING}.{router}")).is_some();
    ROUTERS.into_iter().find(has)
}

impl RouterKind {
    pub fn read(document: &Table) -> Option<Self> {
        document.find(ROUTING)?;
        let Some(router) = named(document) else { return Some(Self::Alb) };
        let section = document.find(&format!("{ROUTING}.{router}")).and_then(Node::table);
        Some(match (router, section) {
            ("istio", Some(section)) => Self::Istio(IstioSection::read(section)),
            ("nginx", Some(section)) => Self::Nginx(NginxSection::read(section)),
            ("plugins", Some(section)) => match section.get(GATEWAY_API).and_then(|entry| entry.value.table()) {
                Some(plugin) => Self::GatewayApi(named_routes(plugin)),
                None => Self::Other,
            },
            ("apisix", _) => Self::Apisix,
            ("alb", _) => Self::Alb,
            _ => Self::Other,
        })
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.and_then(Node::array).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}

impl IstioSection {
    /// Of several VirtualServices the first.
    fn read(section: &Table) -> Self {
        let text = |key: &str| section.find(key).and_then(Node::text).map(str::to_owned);
        let routes = section.find("virtualService.routes").or_else(|| section.find("virtualServices[0].routes"));
        let stable = text("destinationRule.stableSubsetName");
        let subsets = stable.zip(text("destinationRule.canarySubsetName")).map(|(stable, canary)| [stable, canary]);
        Self { routes: texts(routes), subsets }
    }
}

impl NginxSection {
    fn read(section: &Table) -> Self {
        let annotations = section.find("additionalIngressAnnotations").and_then(Node::table);
        let text = |key: &str| Some(annotations?.get(key)?.value.text()?.to_owned());
        Self {
            by_header: text("canary-by-header"),
            by_header_value: text("canary-by-header-value"),
            by_header_pattern: text("canary-by-header-pattern"),
            by_cookie: text("canary-by-cookie"),
        }
    }

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

/// `httpRoute` alone takes header routes, too; of `httpRoutes` those that say so.
fn named_routes(plugin: &Table) -> gateway_api::Router {
    let text = |table: &Table, key: &str| table.get(key).and_then(|entry| entry.value.text()).map(str::to_owned);
    let single = text(plugin, "httpRoute").map(|name| gateway_api::NamedRoute { name, uses_header_routes: true });
    let items = plugin.get("httpRoutes").and_then(|entry| entry.value.array()).unwrap_or_default();
    let several = items.iter().filter_map(Node::table).filter_map(|item| {
        let uses = item.get("useHeaderRoutes").and_then(|entry| entry.value.boolean()) == Some(true);
        Some(gateway_api::NamedRoute { name: text(item, "name")?, uses_header_routes: uses })
    });
    gateway_api::Router { routes: single.into_iter().chain(several).collect() }
}

/// The preset that a router has unless `[router]` says otherwise.
fn default_preset(router: Option<&str>) -> &'static str {
    match router {
        None | Some("alb") => ALB,
        // The specification is archived; Linkerd is the mesh that it came from.
        Some("smi") => "linkerd",
        Some("appMesh") => "app-mesh",
        Some("plugins") => "envoy-gateway",
        Some("istio") => "istio",
        Some("nginx") => "nginx",
        Some("ambassador") => "ambassador",
        Some("traefik") => "traefik",
        Some("apisix") => "apisix",
        Some(router) => unreachable!("{router} is no router"),
    }
}

/// Whether an ALB stands in front; `scenario` may name another preset.
pub fn is_alb(document: &Table, scenario: &Table) -> bool {
    let chosen = scenario.find("router.preset").and_then(Node::text);
    chosen.unwrap_or_else(|| default_preset(named(scenario).or_else(|| named(document)))) == ALB
}

/// `[router]`. An ALB is what it is without a word about it.
pub fn preset(reader: &mut Reader<'_, '_>, document: &Table) -> Preset {
    const NAME: &str = "preset";
    const NOTE: &str = "Whose proxies follow: the defaults of [load_balancer] and [load_balancer_controller]. Unless set, what \
                        trafficRouting names; assumption: of the Gateway API plugin envoy-gateway, of SMI linkerd, and an ALB \
                        where nothing is named";
    let router = named(document);
    let mut presets = preset::all();
    let default = default_preset(router);
    let first = presets.iter().position(|preset| preset.name == default).expect("it is in the table");
    let first = presets.remove(first);
    presets.insert(0, first);
    let is_told = router.is_some_and(|router| router != ALB) || reader.has(NAME) || reader.writes_schema();
    if !is_told {
        reader.accept(NAME);
        return presets.swap_remove(0);
    }
    let choices: Vec<_> = presets.iter().enumerate().map(|(index, preset)| (preset.name, index)).collect();
    let chosen = presets.swap_remove(reader.choice(NAME, &choices, NOTE));
    if let Some(router) = router.filter(|router| !chosen.routers.contains(router)) {
        let fits = preset::all().into_iter().filter(|preset| preset.routers.contains(&router));
        let names: Vec<_> = fits.map(|preset| preset.name).collect();
        let message = format!("the preset `{}` does not read what the router `{router}` writes", chosen.name);
        let place = document.find("router.preset").and_then(|node| node.place.clone());
        reader.pass.error("router.preset", place, message, format!("it is one of {}", names.join(", ")));
    }
    chosen
}

/// Routes that are written by another router than the one that is there, or read by other proxies.
pub fn refuse_foreign(root: &mut Reader<'_, '_>, document: &Table, (section, router): (&'static str, &str)) {
    let chosen = document.find("router.preset").and_then(Node::text);
    let chosen = chosen.unwrap_or_else(|| default_preset(named(document)));
    let is_read = preset::all().iter().any(|preset| preset.name == chosen && preset.routers.contains(&router));
    if is_read && named(document).is_none_or(|named| named == router) {
        return;
    }
    let place = document.find(section).and_then(|node| node.place.clone());
    let message = format!("`{section}` says nothing here: the router is another one");
    let help = format!("leave it out, or name trafficRouting.{router}, or a preset of its kind in [router]");
    root.pass.error(section, place, message, help);
}

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

impl RouterSpec {
    /// What the controller's own rules depend on.
    pub fn tell(&self, workload: &mut Workload) {
        if let (Some(RouterKind::GatewayApi(router)), Workload::Rollout(rollout)) = (&self.kind, workload)
            && let Strategy::Canary(canary) = &mut rollout.strategy
            && let Some(routing) = &mut canary.traffic_routing
        {
            routing.removes_by_form = router.routes.iter().any(|route| route.uses_header_routes);
        }
    }

    /// Where the weights are about subsets, those have the place of the two Services.
    pub fn rename(&self, names: ServiceNames) -> ServiceNames {
        match &self.kind {
            Some(RouterKind::Istio(IstioSection { subsets: Some([stable, canary]), .. })) => {
                ServiceNames { stable: stable.clone(), canary: canary.clone(), ..names }
            }
            Some(
                RouterKind::Alb
                | RouterKind::Istio(_)
                | RouterKind::GatewayApi(_)
                | RouterKind::Nginx(_)
                | RouterKind::Apisix
                | RouterKind::Other,
            )
            | None => names,
        }
    }
}
