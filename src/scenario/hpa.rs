//! `[hpa]`: the `spec` of a HorizontalPodAutoscaler (autoscaling/v2), with the field names of its manifest, and what the
//! pods use.

use super::document::{Node, Table};
use super::path;
use super::reader::{Pass, Reader};
use super::workload::MAX_REPLICAS;
use crate::model::horizontal_pod_autoscaler::scaling::{Behavior, Policy, PolicyValue, ScalingRules, SelectPolicy};
use crate::model::horizontal_pod_autoscaler::{
    ExternalTarget, HorizontalPodAutoscalerSpec, MetricSpec, Resource, ResourceTarget,
};
use crate::units::Duration;
use serde_json::json;

#[derive(Clone, Debug, PartialEq)]
pub struct HpaSpec {
    pub autoscaler: HorizontalPodAutoscalerSpec,
    /// So old is what the metrics pipeline shows.
    pub metrics_age: Duration,
    pub usage: Usage,
    /// Of one pod, in thousandths of a core.
    pub cpu_request: u64,
}

/// What a pod uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu_per_request: Duration,
    /// Thousandths of the memory request, whatever the pod does.
    pub memory_utilization: u64,
}

/// None without the table.
pub fn read(root: &mut Reader<'_, '_>, document: &Table, usage: Usage) -> Option<HpaSpec> {
    let cpu_request = cpu_request(document);
    let spec = root.optional_table("hpa", "The `spec` of a HorizontalPodAutoscaler (autoscaling/v2)", |reader| {
        let min_replicas =
            reader.count("minReplicas", 1..=MAX_REPLICAS, 1, "It scales to no fewer pods. Kubernetes: 1 unless set");
        if !reader.has("maxReplicas") && !reader.writes_schema() {
            reader.missing("maxReplicas", "write maxReplicas = 20");
        }
        let max = reader.optional_count("maxReplicas", 1..=MAX_REPLICAS, "It scales to no more pods");
        let max_replicas = max.unwrap_or(min_replicas);
        if min_replicas > max_replicas {
            let message = format!("minReplicas ({min_replicas}) is above maxReplicas ({max_replicas})");
            reader.error_here(message, "Kubernetes refuses such a HorizontalPodAutoscaler");
        }
        let metrics = metrics(reader);
        let behavior = reader.take("behavior", || json!({ "type": "object" }), "How fast it may scale");
        let key = reader.key("behavior");
        let behavior = behavior.and_then(|node| behavior_from(reader.pass, &key, node));
        let metrics_age = reader.duration(
            "metrics_age",
            Duration::secs(30),
            "So old is what the metrics pipeline shows. Assumption: 15 s to 60 s are usual with the metrics server",
        );
        reader.ignored(&["scaleTargetRef"]);
        let default = HorizontalPodAutoscalerSpec::new(max_replicas.max(min_replicas));
        let metrics = if metrics.is_empty() { default.metrics.clone() } else { metrics };
        (HorizontalPodAutoscalerSpec { min_replicas, metrics, behavior, ..default }, metrics_age)
    });
    let (autoscaler, metrics_age) = spec?;
    let needs_request = |metric: &MetricSpec| {
        matches!(metric, MetricSpec::Resource(Resource::Cpu, ResourceTarget::AverageUtilization(_)))
    };
    if cpu_request.is_none() && autoscaler.metrics.iter().any(needs_request) && !root.writes_schema() {
        let message = "without resources.requests.cpu a pod has no CPU utilization";
        let help = "write resources.requests.cpu = \"500m\" in the container; Kubernetes does nothing without it";
        root.pass.error("hpa.metrics", None, message, help);
    }
    Some(HpaSpec { autoscaler, metrics_age, usage, cpu_request: cpu_request.unwrap_or(1_000) })
}

/// The keys of [`usage`].
pub const USAGE: [&str; 2] = ["cpu_per_request", "memory_utilization"];

/// What `[application]` says of it: the CPU time of a request, and the part of its memory that a pod uses.
pub fn usage(reader: &mut Reader<'_, '_>) -> Usage {
    let cpu_per_request = reader.duration(
        "cpu_per_request",
        Duration::millis(10),
        "CPU time that a request takes. Assumption: a quarter of a usual service time, the rest is waiting",
    );
    let memory = reader.share(
        "memory_utilization",
        0.5,
        "Part of its memory request that a pod uses, whatever it does. Assumption: half",
    );
    Usage { cpu_per_request, memory_utilization: (memory * 1_000.0).round() as u64 }
}

/// Of the container, in thousandths of a core.
fn cpu_request(document: &Table) -> Option<u64> {
    let of = |workload: &str| document.find(&format!("{workload}.template.spec.containers[0].resources.requests.cpu"));
    of("rollout").or(of("deployment")).and_then(milli)
}

const METRIC: &str = "write { type = \"Resource\", resource = { name = \"cpu\", target = { type = \"Utilization\", \
                      averageUtilization = 80 } } }";

fn metrics(reader: &mut Reader<'_, '_>) -> Vec<MetricSpec> {
    const NOTE: &str = "What it looks at. Kubernetes: 80 % of the CPU request unless set";
    let schema = || json!({ "type": "array", "items": { "type": "object" } });
    let Some(node) = reader.take("metrics", schema, NOTE) else { return vec![] };
    let key = reader.key("metrics");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    let items = node.array().unwrap_or_default();
    let mut metrics = vec![];
    for (index, item) in items.iter().enumerate() {
        let key = format!("{key}[{index}]");
        match metric(item) {
            Some(metric) => metrics.push(metric),
            None => {
                let message = "this metric is not simulated: known are cpu and memory, and External";
                reader.pass.error(&key, item.place.clone(), message, METRIC);
            }
        }
    }
    metrics
}

fn get<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    Some(&node.table()?.get(name)?.value)
}

fn metric(item: &Node) -> Option<MetricSpec> {
    match get(item, "type")?.text()? {
        "Resource" => {
            let resource = get(item, "resource")?;
            let name = match get(resource, "name")?.text()? {
                "cpu" => Resource::Cpu,
                "memory" => Resource::Memory,
                _ => return None,
            };
            let target = get(resource, "target")?;
            let utilization = get(target, "averageUtilization").and_then(Node::integer);
            let target = match (utilization, get(target, "averageValue"), name) {
                (Some(percent), None, _) => ResourceTarget::AverageUtilization(u32::try_from(percent).ok()?),
                (None, Some(value), Resource::Cpu) => ResourceTarget::AverageValue(milli(value)?),
                _ => return None,
            };
            Some(MetricSpec::Resource(name, target))
        }
        "External" => {
            let target = get(get(item, "external")?, "target")?;
            match (get(target, "averageValue"), get(target, "value")) {
                (Some(value), None) => Some(MetricSpec::External(ExternalTarget::AverageValue(milli(value)?))),
                (None, Some(value)) => Some(MetricSpec::External(ExternalTarget::Value(milli(value)?))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A quantity in thousandths: `500m`, `0.5`, `2`.
fn milli(node: &Node) -> Option<u64> {
    let text = match node.text() {
        Some(text) => text.to_owned(),
        None => node.to_toml(),
    };
    let value = match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>().ok()?,
        None => text.parse::<f64>().ok()? * 1_000.0,
    };
    (value > 0.0 && value <= 1e12).then_some(value.ceil() as u64)
}

/// Source: `pkg/apis/autoscaling/validation`.
const LONGEST_WINDOW: Duration = Duration::secs(3600);
const LONGEST_PERIOD: Duration = Duration::secs(1800);

const BEHAVIOR: &str = "write behavior.scaleDown = { stabilizationWindowSeconds = 300, selectPolicy = \"Max\", policies = [\
                        { type = \"Percent\", value = 100, periodSeconds = 15 }] }";

fn behavior_from(pass: &mut Pass, key: &str, node: &Node) -> Option<Behavior> {
    pass.parameter(key.to_owned(), node.to_toml(), Some(node), "How fast it may scale");
    let mut rules = |name: &str, default: ScalingRules| {
        let Some(node) = get(node, name) else { return Some(default) };
        let rules = rules_from(node, default);
        if rules.is_none() {
            pass.error(&path::join(key, name), node.place.clone(), "these scaling rules cannot be read", BEHAVIOR);
        }
        rules
    };
    let scale_up = rules("scaleUp", ScalingRules::default_scale_up());
    let scale_down = rules("scaleDown", ScalingRules::default_scale_down());
    Some(Behavior { scale_up: scale_up?, scale_down: scale_down? })
}

fn rules_from(node: &Node, default: ScalingRules) -> Option<ScalingRules> {
    let seconds = |node: &Node| u64::try_from(node.integer()?).ok().map(Duration::secs);
    let mut rules = default;
    if let Some(window) = get(node, "stabilizationWindowSeconds") {
        rules.stabilization_window = seconds(window).filter(|window| *window <= LONGEST_WINDOW)?;
    }
    if let Some(policy) = get(node, "selectPolicy") {
        rules.select_policy = match policy.text()? {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            "Disabled" => SelectPolicy::Disabled,
            _ => return None,
        };
    }
    if let Some(policies) = get(node, "policies") {
        let policy = |node: &Node| {
            let value = u32::try_from(get(node, "value")?.integer()?).ok()?;
            let value = match get(node, "type")?.text()? {
                "Pods" => PolicyValue::Pods(value),
                "Percent" => PolicyValue::Percent(value),
                _ => return None,
            };
            let period = seconds(get(node, "periodSeconds")?)?;
            (period > Duration::ZERO && period <= LONGEST_PERIOD).then_some(Policy { value, period })
        };
        rules.policies = policies.array()?.iter().map(policy).collect::<Option<_>>()?;
    }
    Some(rules)
}
