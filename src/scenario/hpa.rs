//! `[hpa]`: the `spec` of a HorizontalPodAutoscaler (autoscaling/v2), with the field names of its manifest, and what the
//! pods use.

use super::document::{Node, Table};
use super::entry::Entry;
use super::pass::Pass;
use super::path;
use super::reader::Reader;
use super::workload::MAX_REPLICAS;
use crate::model::horizontal_pod_autoscaler::scaling::{Behavior, Policy, PolicyValue, ScalingRules, SelectPolicy};
use crate::model::horizontal_pod_autoscaler::{
    ExternalTarget, HorizontalPodAutoscalerSpec, MetricSpec, Resource, ResourceTarget,
};
use crate::units::Duration;
use serde_json::json;
use std::ops::RangeInclusive;

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
        let place = document.find("hpa").and_then(|node| node.place.clone());
        root.pass.error("hpa", place, message, help);
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

/// The only one that the run can measure.
const EXTERNAL: &str = "requests_per_second";

fn metrics(reader: &mut Reader<'_, '_>) -> Vec<MetricSpec> {
    const NOTE: &str = "What it looks at. Kubernetes: 80 % of the CPU request unless set";
    let schema = || json!({ "type": "array", "items": { "type": "object" } });
    let Some(node) = reader.take("metrics", schema, NOTE) else { return vec![] };
    let key = reader.key("metrics");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    if node.array().is_none() {
        reader.pass.error(&key, node.place.clone(), "`metrics` must be an array", METRIC);
    }
    let mut metrics = vec![];
    for (index, item) in node.array().unwrap_or_default().iter().enumerate() {
        let mut entry = Entry::new(reader.pass, format!("{key}[{index}]"), item);
        let kind = entry.required("type", METRIC);
        let metric = match kind.as_str() {
            "Resource" => inner(&mut entry, "resource", resource),
            "External" => inner(&mut entry, "external", external),
            "" => None,
            _ => {
                let message = format!("metrics of the type `{kind}` are not simulated");
                entry.error("type", (message, "known are Resource and External".to_owned()));
                entry.knows(&["pods", "object", "containerResource"]);
                None
            }
        };
        entry.refuse_unknown();
        metrics.extend(metric);
    }
    metrics
}

fn inner<T>(
    entry: &mut Entry<'_, '_>,
    name: &'static str,
    read: impl FnOnce(&mut Entry<'_, '_>) -> Option<T>,
) -> Option<T> {
    let Some(node) = entry.get(name) else {
        entry.error(name, (format!("`{name}` is missing"), METRIC.to_owned()));
        return None;
    };
    let mut inner = Entry::new(entry.pass, path::join(&entry.key, name), node);
    let value = read(&mut inner);
    inner.refuse_unknown();
    value
}

fn resource(entry: &mut Entry<'_, '_>) -> Option<MetricSpec> {
    let name = match entry.required("name", "write name = \"cpu\" or \"memory\"").as_str() {
        "cpu" => Some(Resource::Cpu),
        "memory" => Some(Resource::Memory),
        other => {
            let message = format!("the resource `{other}` is not simulated");
            entry.error("name", (message, "known are cpu and memory".to_owned()));
            None
        }
    };
    let target = inner(entry, "target", |target| {
        target.knows(&["type"]);
        let percent = target.whole("averageUtilization", 1).and_then(|percent| u32::try_from(percent).ok());
        let value = target.read("averageValue", quantity);
        let names = ["averageUtilization", "averageValue"];
        one_of(target, names, "write averageUtilization = 80")?;
        percent.map(ResourceTarget::AverageUtilization).or(value.map(ResourceTarget::AverageValue))
    })?;
    if name == Some(Resource::Memory) && matches!(target, ResourceTarget::AverageValue(_)) {
        let help = "write averageUtilization: what a pod uses is application.memory_utilization of its request";
        entry.error("target", ("memory is simulated as a part of its request".to_owned(), help.to_owned()));
    }
    Some(MetricSpec::Resource(name?, target))
}

fn external(entry: &mut Entry<'_, '_>) -> Option<MetricSpec> {
    let name = inner(entry, "metric", |metric| {
        metric.knows(&["selector"]);
        Some(metric.required("name", "write name = \"requests_per_second\""))
    })?;
    if name != EXTERNAL {
        let message = format!("the run cannot measure `{name}`");
        entry.error("metric", (message, format!("known is {EXTERNAL}, of all requests")));
    }
    inner(entry, "target", |target| {
        target.knows(&["type"]);
        let [average, value] = ["averageValue", "value"].map(|name| target.read(name, quantity));
        one_of(target, ["averageValue", "value"], "write averageValue = \"20\"")?;
        let target = average.map(ExternalTarget::AverageValue).or(value.map(ExternalTarget::Value));
        target.map(MetricSpec::External)
    })
}

/// None, with a problem, unless just one of them is written: what cannot be read has its own.
fn one_of(target: &mut Entry<'_, '_>, names: [&'static str; 2], help: &str) -> Option<()> {
    let written = names.iter().filter(|name| target.get(name).is_some()).count();
    if written != 1 {
        let message = format!("a target is one of {} and {}", names[0], names[1]);
        target.error(names[0], (message, help.to_owned()));
    }
    (written == 1).then_some(())
}

/// In thousandths: `500m`, `0.5`, `2`.
fn quantity(node: &Node) -> Result<u64, (String, String)> {
    milli(node).ok_or_else(|| {
        let message = format!("{} is no quantity above zero", node.to_toml());
        (message, "write \"500m\" or \"2\"".to_owned())
    })
}

fn milli(node: &Node) -> Option<u64> {
    let text = node.text().map_or_else(|| node.to_toml(), str::to_owned);
    let value = match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>().ok()?,
        None => text.parse::<f64>().ok()? * 1_000.0,
    };
    (value > 0.0 && value <= 1e12).then_some(value.ceil() as u64)
}

/// Source: `pkg/apis/autoscaling/validation`.
const LONGEST_WINDOW: Duration = Duration::secs(3600);
const LONGEST_PERIOD: Duration = Duration::secs(1800);

const POLICY: &str = "write policies = [{ type = \"Percent\", value = 100, periodSeconds = 15 }]";

fn behavior_from(pass: &mut Pass, key: &str, node: &Node) -> Option<Behavior> {
    pass.parameter(key.to_owned(), node.to_toml(), Some(node), "How fast it may scale");
    let mut entry = Entry::new(pass, key.to_owned(), node);
    let rules = |entry: &mut Entry<'_, '_>, name: &'static str, default: ScalingRules| {
        let Some(node) = entry.get(name) else { return default };
        let mut inner = Entry::new(entry.pass, path::join(&entry.key, name), node);
        let rules = rules_from(&mut inner, default);
        inner.refuse_unknown();
        rules
    };
    let scale_up = rules(&mut entry, "scaleUp", ScalingRules::default_scale_up());
    let scale_down = rules(&mut entry, "scaleDown", ScalingRules::default_scale_down());
    entry.refuse_unknown();
    Some(Behavior { scale_up, scale_down })
}

fn rules_from(entry: &mut Entry<'_, '_>, default: ScalingRules) -> ScalingRules {
    let mut rules = default;
    if let Some(window) = seconds(entry, "stabilizationWindowSeconds", Duration::ZERO..=LONGEST_WINDOW) {
        rules.stabilization_window = window;
    }
    match entry.text("selectPolicy").as_deref() {
        None => {}
        Some("Max") => rules.select_policy = SelectPolicy::Max,
        Some("Min") => rules.select_policy = SelectPolicy::Min,
        Some("Disabled") => rules.select_policy = SelectPolicy::Disabled,
        Some(other) => {
            let message = format!("there is no selectPolicy `{other}`");
            entry.error("selectPolicy", (message, "it is one of Max, Min and Disabled".to_owned()));
        }
    }
    rules.tolerance = entry.read("tolerance", |node| {
        let text = node.text().map_or_else(|| node.to_toml(), str::to_owned);
        let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
        number.ok_or_else(|| (format!("{text} is no part of 1"), "write tolerance = 0.1".to_owned()))
    });
    if let Some(node) = entry.get("policies") {
        let policies: Vec<_> = entry.items("policies").iter().enumerate().filter_map(|it| policy(entry, it)).collect();
        if node.array().is_some_and(<[Node]>::is_empty) {
            entry.error("policies", ("at least one policy is needed".to_owned(), POLICY.to_owned()));
        }
        rules.policies = policies;
    }
    rules
}

fn policy(entry: &mut Entry<'_, '_>, (index, node): (usize, &Node)) -> Option<Policy> {
    let mut inner = Entry::new(entry.pass, format!("{}.policies[{index}]", entry.key), node);
    let value = inner.whole("value", 1).and_then(|value| u32::try_from(value).ok());
    let value = match inner.required("type", POLICY).as_str() {
        // That it is missing has been said.
        "" => None,
        "Pods" => value.map(PolicyValue::Pods),
        "Percent" => value.map(PolicyValue::Percent),
        other => {
            let message = format!("there is no policy of the type `{other}`");
            inner.error("type", (message, "it is one of Pods and Percent".to_owned()));
            None
        }
    };
    let period = seconds(&mut inner, "periodSeconds", Duration::secs(1)..=LONGEST_PERIOD);
    if ["value", "periodSeconds"].iter().any(|name| inner.get(name).is_none()) {
        inner.error("value", ("a policy has type, value and periodSeconds".to_owned(), POLICY.to_owned()));
    }
    inner.refuse_unknown();
    Some(Policy { value: value?, period: period? })
}

fn seconds(entry: &mut Entry<'_, '_>, name: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
    let seconds = entry.whole(name, 0)?;
    let time = Duration::secs(u64::try_from(seconds).expect("it is not negative"));
    if !range.contains(&time) {
        let message = format!("`{name}` must lie between {} and {}", range.start(), range.end());
        entry.error(name, (message, String::new()));
        return None;
    }
    Some(time)
}
