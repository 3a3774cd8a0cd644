//! Which router splits the requests: what `trafficRouting` names.

use super::document::{Node, Table};
use super::service_names::ServiceNames;
use super::workload::Workload;
use crate::model::http_route::HttpRoute;
use crate::model::rollout::gateway_api;
use crate::model::rollout::spec::Strategy;
use crate::model::virtual_service::VirtualService;

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
