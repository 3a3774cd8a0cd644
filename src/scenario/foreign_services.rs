//! Backends that are none of the release's Services. What they answer is not simulated and counts as well: nothing else
//! would tell a name that is misspelt.

use super::Scenario;
use super::diagnostic::{Problem, Severity};
use super::document::Table;
use super::ingress_rules::uses_annotation;
use super::nearest::nearest;
use super::pass::Pass;
use crate::model::http_route::{Filter, HttpRoute};
use crate::model::ingress::{Backend, Ingress};
use crate::model::routing_object::RoutingObject;
use crate::model::virtual_service::VirtualService;

pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    // What could not be read has no place in the object.
    if pass.problems.iter().any(|problem: &Problem| problem.severity == Severity::Error) {
        return;
    }
    let services = &scenario.services;
    let own = [services.stable.as_str(), &services.canary, &services.root];
    let mut told = vec![];
    for (key, service) in backends(&scenario.routing_object()) {
        // An object that nobody wrote has no place.
        let Some(place) = document.find(&key).and_then(|node| node.place.clone()) else { continue };
        if own.contains(&service.as_str()) || told.contains(&service) {
            continue;
        }
        let near = nearest(&service, &own);
        // Of manifests others lead to Services of their own, which may be in files that are not given.
        let is_of_manifest = pass.is_of_manifest(Some(&place));
        if is_of_manifest && (near.is_none() || pass.services.contains(&service)) {
            continue;
        }
        let message =
            format!("Service `{service}` is none of this release: its answers are not simulated, and count as well");
        let help = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
        pass.warning(&key, Some(place), message, help);
        told.push(service);
    }
}

/// Each with its key.
fn backends(object: &RoutingObject) -> Vec<(String, String)> {
    match object {
        RoutingObject::Ingress(ingress) => of_ingress(ingress),
        RoutingObject::HttpRoutes(routes) => routes.iter().enumerate().flat_map(of_http_route).collect(),
        RoutingObject::VirtualService(service) => of_virtual_service(service),
        RoutingObject::Weighted(_) => vec![],
    }
}

/// Where an annotation says what to do, the name is that of an action.
fn of_ingress(ingress: &Ingress) -> Vec<(String, String)> {
    let mut backends = vec![];
    let mut add = |key: String, backend: &Backend| {
        if !uses_annotation(backend) {
            backends.push((format!("{key}.service.name"), backend.service.clone()));
        }
    };
    for (rule_index, rule) in ingress.rules.iter().enumerate() {
        for (index, path) in rule.paths.iter().enumerate() {
            add(format!("ingress.rules[{rule_index}].http.paths[{index}].backend"), &path.backend);
        }
    }
    if let Some(backend) = &ingress.default_backend {
        add("ingress.defaultBackend".to_owned(), backend);
    }
    backends
}

fn of_http_route((route_index, route): (usize, &HttpRoute)) -> Vec<(String, String)> {
    let mut backends = vec![];
    for (rule_index, rule) in route.rules.iter().enumerate() {
        let rule_key = format!("http_routes[{route_index}].spec.rules[{rule_index}]");
        for (index, backend) in rule.backend_refs.iter().enumerate() {
            backends.push((format!("{rule_key}.backendRefs[{index}].name"), backend.service.clone()));
        }
        for (index, filter) in rule.filters.iter().enumerate() {
            if let Filter::RequestMirror(mirror) = filter {
                let key = format!("{rule_key}.filters[{index}].requestMirror.backendRef.name");
                backends.push((key, mirror.service.clone()));
            }
        }
    }
    backends
}

fn of_virtual_service(service: &VirtualService) -> Vec<(String, String)> {
    let mut backends = vec![];
    for (route_index, route) in service.http.iter().enumerate() {
        let key = format!("virtual_service.spec.http[{route_index}]");
        for (index, destination) in route.route.iter().enumerate() {
            let part = if destination.subset.is_some() { "subset" } else { "host" };
            backends.push((format!("{key}.route[{index}].destination.{part}"), destination.target().to_owned()));
        }
        let mirror = route.mirror.as_ref();
        backends.extend(mirror.map(|mirror| (format!("{key}.mirror.host"), mirror.service.clone())));
    }
    backends
}

#[cfg(test)]
mod tests {
    use crate::scenario::load::load;

    fn told(routing: &str, routes: &str) -> Vec<[String; 3]> {
        let text = format!(
            "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\nstableService = \"web-stable\"\ncanaryService = \
             \"web-canary\"\ntrafficRouting.{routing}\n{routes}"
        );
        let warnings = load(&text, "x", &[]).unwrap_or_else(|problems| panic!("{problems:#?}")).warnings;
        warnings.into_iter().map(|warning| [warning.key, warning.message, warning.help]).collect()
    }

    #[test]
    fn a_backend_of_another_name_is_told_once_with_the_nearest_one() {
        let ingress = "[[ingress.rules]]\nhttp.paths = [{ path = \"/a\", backend.service.name = \"web-stabel\" }, { path = \
                       \"/b\", backend.service.name = \"web-stabel\" }, { backend.service = { name = \"web-stable\", \
                       port.name = \"use-annotation\" } }]\n";
        let http_routes = "[[http_routes]]\nmetadata.name = \"web\"\nspec.rules = [{ backendRefs = [{ name = \"web-stable\" }, \
                           { name = \"web-canary\" }] }, { backendRefs = [{ name = \"login\" }] }]\n";
        let plugin = "plugins.\"argoproj-labs/gatewayAPI\".httpRoute = \"web\"";
        let service = "[virtual_service]\nspec.http = [{ match = [{ uri.prefix = \"/a\" }], name = \"a\", route = [{ \
                       destination.host = \"web-canray\" }] }, { route = [{ destination.host = \"web-stable\" }, { \
                       destination.host = \"web-canary.shop.svc\" }] }]\n";
        for (routing, routes, key, name, help) in [
            (
                "alb = {}",
                ingress,
                "ingress.rules[0].http.paths[0].backend.service.name",
                "web-stabel",
                "did you mean `web-stable`?",
            ),
            (plugin, http_routes, "http_routes[0].spec.rules[1].backendRefs[0].name", "login", ""),
            (
                "istio.virtualService.name = \"web\"",
                service,
                "virtual_service.spec.http[0].route[0].destination.host",
                "web-canray",
                "did you mean `web-canary`?",
            ),
        ] {
            let message =
                format!("Service `{name}` is none of this release: its answers are not simulated, and count as well");
            assert_eq!(told(routing, routes), [[key.to_owned(), message, help.to_owned()]]);
        }
    }
}
