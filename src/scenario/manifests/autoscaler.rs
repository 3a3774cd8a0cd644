//! `[hpa]`: a HorizontalPodAutoscaler. What pods use no manifest says: without a word on that in the scenario the
//! autoscaler rests, as in a cluster whose size fits to its load.

use super::Import;
use super::build::{array, put, remove};
use crate::scenario::document::{Kind, Node, Table};
use crate::scenario::hpa::USAGE;

pub fn autoscaler(import: &mut Import<'_>) {
    let Some(autoscaler) = import.release.autoscaler else { return };
    let says_usage = USAGE.iter().any(|key| import.scenario.find(&format!("application.{key}")).is_some());
    let (true, Some(mut spec)) = (says_usage, autoscaler.spec().cloned()) else {
        import.ignore("hpa", Some(autoscaler.name_place.clone()));
        return;
    };
    let Kind::Table(table) = &mut spec.kind else { return };
    if let Some(metrics) = table.get("metrics").map(|entry| entry.value.clone()) {
        let (known, others): (Vec<_>, Vec<_>) =
            metrics.array().unwrap_or_default().iter().cloned().partition(|metric| is_simulated(metric, import));
        for other in others {
            import.ignore("hpa.metrics", other.place);
        }
        if known.is_empty() {
            import.ignore("hpa", Some(autoscaler.name_place.clone()));
            return;
        }
        put(table, "metrics", array(known, &metrics.place));
    }
    // autoscaling/v1 knows the CPU alone.
    if let Some(percent) = remove(table, "targetCPUUtilizationPercentage") {
        put(table, "metrics", array(vec![cpu(&percent.value)], &percent.value.place));
    }
    put(&mut import.document, "hpa", spec);
}

fn cpu(percent: &Node) -> Node {
    use super::build::{table, text};
    let place = &percent.place;
    let target = table([("type", text("Utilization", place)), ("averageUtilization", percent.clone())], place);
    let resource = table([("name", text("cpu", place)), ("target", target)], place);
    table([("type", text("Resource", place)), ("resource", resource)], place)
}

/// CPU against its request, or memory against its.
fn is_simulated(metric: &Node, import: &Import<'_>) -> bool {
    let Some(metric) = metric.table() else { return false };
    let text = |key: &str| metric.find(key).and_then(Node::text);
    let is_share = metric.find("resource.target.averageUtilization").is_some();
    let has_request = |table: &Table| table.find("resources.requests.cpu").is_some();
    let template = import.release.template.and_then(|object| object.find("spec.template.spec.containers"));
    let has_requests =
        template.and_then(Node::array).is_some_and(|items| items.iter().filter_map(Node::table).all(has_request));
    match text("resource.name") {
        Some("cpu") => !is_share || has_requests,
        Some("memory") => is_share,
        _ => false,
    }
}
