//! `[[http_routes]]`, `[virtual_service]` and `[router]`: what stands beside the Rollout for a router that is no ALB.

use super::Import;
use super::build::{array, put, table, text};
use super::object::Object;
use crate::scenario::document::{Node, Table};
use crate::scenario::router;

const ROUTING: &str = "spec.strategy.canary.trafficRouting";

pub(super) fn routes(import: &mut Import<'_>) {
    match router::named(&import.document) {
        Some("plugins") => http_routes(import),
        Some("istio") => virtual_service(import),
        Some(_) => {}
        // The requests of a Deployment come through a gateway, if nothing else leads to it.
        None if import.release.ingress.is_none() => http_routes(import),
        None => {}
    }
}

/// Those that the plugin names, and the others that lead to the release: they hang on the same Gateway.
fn http_routes(import: &mut Import<'_>) {
    let release = import.release;
    let config = release.workload.find(&format!("{ROUTING}.plugins")).and_then(Node::table);
    let config = config.and_then(|plugins| plugins.get(router::GATEWAY_API)?.value.table());
    let text_of = |key: &str| config.and_then(|config| config.find(key)?.text());
    let namespace = text_of("namespace").unwrap_or(&release.workload.namespace);
    let items = config.and_then(|config| config.find("httpRoutes")?.array()).unwrap_or_default();
    let several = items.iter().filter_map(|item| item.table()?.find("name")?.text());
    let named: Vec<_> = text_of("httpRoute").into_iter().chain(several).collect();
    let mut services: Vec<_> = release.named_services().iter().filter_map(|(_, node)| node.text()).collect();
    services.extend(release.services().iter().map(|service| service.name.as_str()));
    let is_ours = |object: &&Object| {
        object.namespace == namespace
            && (named.contains(&object.name.as_str()) || backends(object).iter().any(|name| services.contains(name)))
    };
    let found: Vec<_> = release.stream.of_kind("HTTPRoute").filter(is_ours).map(section).collect();
    let Some(first) = found.first() else { return };
    let place = first.place.clone();
    put(&mut import.document, "http_routes", array(found, &place));
    if router::named(&import.document).is_none() && import.scenario.find("router.preset").is_none() {
        put(&mut import.document, "router", table([("preset", text("envoy-gateway", &place))], &place));
    }
}

/// The one that the Rollout names, or the first of several.
fn virtual_service(import: &mut Import<'_>) {
    let release = import.release;
    let name = |key: &str| release.workload.text(&format!("{ROUTING}.istio.{key}"));
    let Some(name) = name("virtualService.name").or_else(|| name("virtualServices[0].name")) else { return };
    // A name may have its namespace behind a `.`. Source: `GetVirtualServiceNamespaceName`.
    let (name, namespace) = name.split_once('.').unwrap_or((name, &release.workload.namespace));
    if let Some(object) = release.stream.find("VirtualService", namespace, name) {
        put(&mut import.document, "virtual_service", section(object));
    }
}

fn section(object: &Object) -> Node {
    let place = Some(object.place.clone());
    let name = text(&object.name, &Some(object.name_place.clone()));
    let spec = object.spec().cloned().unwrap_or_default();
    table([("metadata", table([("name", name)], &place)), ("spec", spec)], &place)
}

/// The Services that its rules name.
fn backends(route: &Object) -> Vec<&str> {
    let rules = route.items("spec.rules").iter().filter_map(Node::table);
    let backends = rules.filter_map(|rule: &Table| rule.find("backendRefs")?.array()).flatten();
    backends.filter_map(|backend| backend.table()?.find("name")?.text()).collect()
}
