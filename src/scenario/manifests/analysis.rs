//! AnalysisRuns of a strategy: what their templates ask Prometheus or CloudWatch nobody can answer here. A scenario laid
//! over the manifests may hold templates of the same names that ask the run's own monitoring.

use super::Import;
use super::build::{put, remove, table};
use crate::scenario::document::{Node, Table};
use crate::scenario::workload::MAX_SECONDS;
use crate::units::Duration;
use std::ops::Range;

/// Leaves a reference to templates that the scenario has, and removes any other. Returns whether it is there still.
pub fn keep_or_remove(import: &mut Import<'_>, holder: &mut Table, (name, key): (&str, &str)) -> bool {
    let Some(entry) = holder.get(name) else { return false };
    let place = entry.value.place.clone();
    let templates = entry.value.table().and_then(|table| table.find("templates")).cloned();
    let starting_step = entry.value.table().and_then(|table| table.find("startingStep")).cloned();
    let names: Vec<_> = templates.iter().filter_map(Node::array).flatten().filter_map(template_name).collect();
    let of_scenario = import.scenario.get("analysis_templates").and_then(|entry| entry.value.array());
    let known: Vec<_> =
        of_scenario.unwrap_or_default().iter().filter_map(|item| item.table()?.find("name")?.text()).collect();
    if !names.is_empty() && names.iter().all(|name| known.contains(&name.as_str())) {
        let named = |name: &String| table([("templateName", super::build::text(name, &place))], &place);
        let mut kept = table([("templates", super::build::array(names.iter().map(named).collect(), &place))], &place);
        if let (Some(step), crate::scenario::document::Kind::Table(kept)) = (starting_step, &mut kept.kind) {
            put(kept, "startingStep", step);
        }
        put(holder, name, kept);
        return true;
    }
    let removed = remove(holder, name).expect("it is there");
    import.ignore(key, removed.key_place);
    false
}

fn template_name(reference: &Node) -> Option<String> {
    reference.table()?.find("templateName")?.text().map(str::to_owned)
}

/// The seconds that the analysis of a step takes if nothing fails, as far as its templates are known.
pub fn takes(import: &Import<'_>, index: usize) -> (i64, Option<Range<usize>>) {
    let step = import.release.workload.find(&format!("spec.strategy.canary.steps[{index}].analysis"));
    let references = step.and_then(Node::table).and_then(|table| table.find("templates")).and_then(Node::array);
    let stream = import.release.stream;
    let template = |reference: &Node| {
        let name = template_name(reference)?;
        let namespace = import.release.workload.namespace.as_str();
        let of_cluster = stream.find("ClusterAnalysisTemplate", "", &name);
        stream.find("AnalysisTemplate", namespace, &name).or(of_cluster)
    };
    let templates = references.unwrap_or_default().iter().filter_map(template);
    let metrics = templates.flat_map(|template| template.items("spec.metrics"));
    let longest = metrics.filter_map(|metric| Some(seconds_of(metric.table()?))).max().unwrap_or(0);
    let longest = longest.min(u64::from(MAX_SECONDS));
    (i64::try_from(longest).expect("a day is not too long"), step.and_then(|step| step.place.clone()))
}

/// Until the last measurement of a metric.
fn seconds_of(metric: &Table) -> u64 {
    let seconds = |key: &str| {
        let duration = metric.find(key).and_then(Node::text).and_then(|text| text.parse::<Duration>().ok());
        duration.map_or(0, Duration::whole_secs)
    };
    let count = metric.find("count").and_then(Node::integer).and_then(|count| u64::try_from(count).ok()).unwrap_or(1);
    seconds("initialDelay").saturating_add(seconds("interval").saturating_mul(count.saturating_sub(1)))
}
