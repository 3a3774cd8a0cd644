//! `[ingress]`: the annotations of the load balancer controller, of the Ingress and of the Service.

use super::Import;
use super::build::{put, table};
use crate::scenario::document::{Entry, Kind, Node, Table};

const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// What a Service may say of its target group. Source: AWS Load Balancer Controller, *Ingress annotations*, the column
/// Location.
const OF_SERVICE: [&str; 11] = [
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
    "unhealthy-threshold-count",
];

pub fn ingress(import: &mut Import<'_>) {
    let Some(ingress) = import.release.ingress else { return };
    let place = Some(ingress.place.clone());
    let mut annotations = Table::default();
    for entry in ingress.entries("metadata.annotations").iter().filter(|entry| entry.key.starts_with(PREFIX)) {
        annotations.entries.push(one_line(entry));
    }
    // A Service's own annotation goes before the Ingress's, key by key.
    if let Some(service) = import.release.services().first() {
        let of_target_group = |entry: &&Entry| {
            entry.key.strip_prefix(PREFIX).is_some_and(|short| short == "target-type" || OF_SERVICE.contains(&short))
        };
        for entry in service.entries("metadata.annotations").iter().filter(of_target_group) {
            put(&mut annotations, &entry.key, one_line(entry).value);
        }
    }
    let annotations = Node { kind: Kind::Table(annotations), place: place.clone() };
    let mut section = table([("annotations", annotations)], &place);
    let is_blue_green = import.release.workload.find("spec.strategy.blueGreen").is_some();
    if let (true, Some(rules), Kind::Table(section)) = (is_blue_green, ingress.find("spec.rules"), &mut section.kind) {
        put(section, "rules", rules.clone());
    }
    put(&mut import.document, "ingress", section);
}

/// A folded block ends with a line break, which belongs to no value.
fn one_line(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    if let Kind::String(text) = &mut entry.value.kind {
        text.truncate(text.trim_end().len());
    }
    entry
}
