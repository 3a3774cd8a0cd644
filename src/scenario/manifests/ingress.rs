//! `[ingress]`: the annotations of the load balancer controller, of the Ingress and of the Service.

use super::Import;
use super::build::{array, put, table};
use super::object::Object;
use crate::scenario::document::{Entry, Kind, Node, Table};

const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// What a Service may say of its target group. Source: AWS Load Balancer Controller, *Ingress annotations*, the column
/// Location.
pub const OF_SERVICE: [&str; 12] = [
    "backend-protocol",
    "backend-protocol-version",
    "healthcheck-interval-seconds",
    "healthcheck-path",
    "healthcheck-port",
    "healthcheck-protocol",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "success-codes",
    "target-group-attributes",
    "target-type",
    "unhealthy-threshold-count",
];

pub(super) fn ingress(import: &mut Import<'_>) {
    let Some(ingress) = import.release.ingress else { return };
    // That of another router says nothing of its proxies.
    if !crate::scenario::router_preset::is_alb(&import.document, import.scenario) {
        return;
    }
    let place = Some(ingress.place.clone());
    let mut annotations = Table::default();
    for entry in ingress.entries("metadata.annotations").iter().filter(|entry| entry.key.starts_with(PREFIX)) {
        annotations.entries.push(one_line(entry));
    }
    // A Service's own annotation goes before the Ingress's, key by key.
    if let Some(service) = import.release.service_of_target_group() {
        let of_target_group =
            |entry: &&Entry| entry.key.strip_prefix(PREFIX).is_some_and(|short| OF_SERVICE.contains(&short));
        for entry in service.entries("metadata.annotations").iter().filter(of_target_group) {
            put(&mut annotations, &entry.key, one_line(entry).value);
        }
    }
    of_class(import, ingress, &mut annotations);
    let annotations = Node { kind: Kind::Table(annotations), place: place.clone() };
    let mut section = table([("annotations", annotations)], &place);
    // The Ingress of another router says nothing of an ALB that stands in its place, and that of a Deployment may lead
    // to other Services.
    let tells_rules = ["spec.strategy.blueGreen", "spec.strategy.canary.trafficRouting.alb"]
        .iter()
        .any(|key| import.release.workload.find(key).is_some());
    if let (true, Kind::Table(section)) = (tells_rules, &mut section.kind) {
        put(section, "rules", ingress.find("spec.rules").cloned().unwrap_or_else(|| array(vec![], &place)));
        if let Some(backend) = ingress.find("spec.defaultBackend") {
            put(section, "defaultBackend", backend.clone());
        }
    }
    put(&mut import.document, "ingress", section);
}

/// What the parameters of the Ingress class say goes before the annotations. Source: AWS Load Balancer Controller,
/// *IngressClass*: `targetType` and each of `loadBalancerAttributes`.
fn of_class(import: &Import<'_>, ingress: &Object, annotations: &mut Table) {
    let stream = import.release.stream;
    let class = ingress.text("spec.ingressClassName").and_then(|name| stream.find("IngressClass", "", name));
    let name = class.and_then(|class| class.text("spec.parameters.name"));
    let Some(parameters) = name.and_then(|name| stream.find("IngressClassParams", "", name)) else { return };
    if let Some(target_type) = parameters.find("spec.targetType") {
        put(annotations, &format!("{PREFIX}target-type"), target_type.clone());
    }
    let key = format!("{PREFIX}load-balancer-attributes");
    let own = annotations.get(&key).and_then(|entry| entry.value.text()).unwrap_or_default().to_owned();
    let mut attributes: Vec<String> =
        own.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
    let mut place = None;
    for item in parameters.items("spec.loadBalancerAttributes").iter().filter_map(Node::table) {
        let text = |key: &str| item.find(key).and_then(Node::text);
        if let (Some(name), Some(value)) = (text("key"), text("value")) {
            attributes.retain(|attribute| attribute.split('=').next().map(str::trim) != Some(name));
            attributes.push(format!("{name}={value}"));
            place = item.find("value").and_then(|value| value.place.clone());
        }
    }
    if place.is_some() {
        put(annotations, &key, super::build::text(&attributes.join(","), &place));
    }
}

/// A folded block ends with a line break, which belongs to no value.
fn one_line(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    if let Kind::String(text) = &mut entry.value.kind {
        text.truncate(text.trim_end().len());
    }
    entry
}
