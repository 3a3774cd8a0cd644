//! `[[analysis_templates]]`: what AnalysisRuns measure, and where a strategy names them.
//!
//! The fields of a metric are those of an AnalysisTemplate, but for the provider: `simulation` asks the run's own
//! monitoring, by the names of [`super::monitoring`].

use super::document::Node;
use super::entry::Entry;
use super::monitoring::{self, MonitoringSpec};
use super::pass::Pass;
use super::reader::Reader;
use crate::model::analysis::condition::Condition;
use crate::model::analysis::metric::Metric;
use crate::model::metrics::Query;
use crate::model::rollout::analysis::Templates;
use crate::units::Duration;
use serde_json::{Value, json};

/// One AnalysisTemplate.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisTemplateSpec {
    pub name: String,
    /// Each with what it asks monitoring for.
    pub metrics: Vec<(Metric, Query)>,
}

impl AnalysisTemplateSpec {
    /// Whether it comes to an end by itself.
    pub fn is_finite(&self) -> bool {
        self.metrics.iter().all(|(metric, _)| metric.count.is_some_and(|count| count > 0) || metric.interval.is_none())
    }
}

const HELP: &str = "write [[analysis_templates]] with name = \"success-rate\" and [[analysis_templates.metrics]]";

fn schema() -> Value {
    let whole =
        |least: i32, description: &str| json!({ "type": "integer", "minimum": least, "description": description });
    let text = |description: &str, example: &str| json!({ "type": "string", "description": description, "examples": [example] });
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let mut query = object(
        json!({
            "query": text("What monitoring shows", "canary.success.rate"),
            "window": text("Instead of monitoring.window", "60s"),
            "scrape_lag": text("Instead of monitoring.scrape_lag", "15s"),
        }),
        json!(["query"]),
    );
    query["description"] = json!("What is asked");
    let mut provider = object(json!({ "simulation": query }), json!(["simulation"]));
    provider["description"] = json!("Who measures: the run's own monitoring");
    let metric = object(
        json!({
            "name": text("Name of the metric", "success-rate"),
            "interval": text("Between two measurements; without it there is one", "30s"),
            "count": whole(1, "Measurements; without it they go on, if there is an interval"),
            "initialDelay": text("From the start of the run to the first measurement", "1m"),
            "failureLimit": whole(-1, "So many may fail; -1: all. Argo Rollouts: 0 unless set"),
            "inconclusiveLimit": whole(0, "So many may be inconclusive. Argo Rollouts: 0 unless set"),
            "consecutiveErrorLimit": whole(0, "So many errors in a row are borne. Argo Rollouts: 4 unless set"),
            "consecutiveSuccessLimit": whole(0, "So many successes in a row are enough; 0 is off"),
            "successCondition": text("When a measurement is a success", "result[0] >= 0.95"),
            "failureCondition": text("When it is a failure", "result[0] < 0.9"),
            "provider": provider,
        }),
        json!(["name", "provider"]),
    );
    let dry_run =
        object(json!({ "metricName": text("Name of a metric, or *", "success-rate") }), json!(["metricName"]));
    let template = object(
        json!({
            "name": text("Name of the template", "success-rate"),
            "metrics": { "type": "array", "minItems": 1, "description": "What is measured", "items": metric },
            "dryRun": { "type": "array", "description": "Metrics that are measured without a say", "items": dry_run },
        }),
        json!(["name", "metrics"]),
    );
    json!({ "type": "array", "items": template })
}

/// The templates in the order of the file.
pub fn read(root: &mut Reader<'_, '_>, monitoring: MonitoringSpec) -> Vec<AnalysisTemplateSpec> {
    const NOTE: &str = "What AnalysisRuns measure";
    let Some(node) = root.take("analysis_templates", schema, NOTE) else { return Vec::new() };
    let Some(items) = node.array() else {
        root.pass.error("analysis_templates", node.place.clone(), "`analysis_templates` must be an array", HELP);
        return Vec::new();
    };
    root.pass.parameter("analysis_templates".to_owned(), node.to_toml(), Some(node), NOTE);
    let mut templates: Vec<AnalysisTemplateSpec> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = format!("analysis_templates[{index}]");
        let mut entry = Entry::new(root.pass, key, item);
        let template = template(&mut entry, monitoring);
        entry.refuse_unknown();
        if templates.iter().any(|other| other.name == template.name) {
            let message = format!("there are two templates `{}`", template.name);
            root.pass.error(&format!("analysis_templates[{index}].name"), item.place.clone(), message, "");
        }
        templates.push(template);
    }
    templates
}

fn template(entry: &mut Entry<'_, '_>, monitoring: MonitoringSpec) -> AnalysisTemplateSpec {
    let name = entry.required("name", HELP);
    let mut dry_run = Vec::new();
    for (index, item) in entry.items("dryRun").iter().enumerate() {
        let mut inner = Entry::new(entry.pass, format!("{}.dryRun[{index}]", entry.key), item);
        dry_run.push(inner.required("metricName", "write dryRun = [{ metricName = \"success-rate\" }]"));
        inner.refuse_unknown();
    }
    let mut metrics: Vec<(Metric, Query)> = Vec::new();
    for (index, item) in entry.items("metrics").iter().enumerate() {
        let key = format!("{}.metrics[{index}]", entry.key);
        let mut inner = Entry::new(entry.pass, key, item);
        let (mut metric, query) = metric(&mut inner, monitoring);
        if !metric.name.is_empty() && metrics.iter().any(|(other, _)| other.name == metric.name) {
            let message = format!("duplicate name `{}`: two metrics of a template cannot share one", metric.name);
            inner.error("name", (message, "call one of them something else".to_owned()));
        }
        inner.refuse_unknown();
        metric.dry_run = dry_run.iter().any(|name| name == "*" || *name == metric.name);
        metrics.extend(query.map(|query| (metric, query)));
    }
    if entry.get("metrics").is_none_or(|node| node.array().is_some_and(<[Node]>::is_empty)) {
        entry.error("metrics", ("an AnalysisTemplate without metrics measures nothing".to_owned(), HELP.to_owned()));
    }
    AnalysisTemplateSpec { name, metrics }
}

fn condition(entry: &mut Entry<'_, '_>, name: &'static str) -> Option<Condition> {
    let text = entry.text(name)?;
    let help = "it compares `result` with numbers: result[0] >= 0.95, isNaN(result[0]) || result[0] < 0.01";
    text.parse().map_err(|message| entry.error(name, (message, help.to_owned()))).ok()
}

fn metric(entry: &mut Entry<'_, '_>, monitoring: MonitoringSpec) -> (Metric, Option<Query>) {
    let default = Metric::default();
    let name = entry.required("name", "write name = \"success-rate\"");
    let failure_limit = entry.whole("failureLimit", -1);
    let metric = Metric {
        name,
        interval: entry.duration("interval"),
        count: entry.whole("count", 1).map(|count| u32::try_from(count).expect("it is in its range")),
        initial_delay: entry.duration("initialDelay").unwrap_or(default.initial_delay),
        failure_limit: failure_limit.map_or(default.failure_limit, |limit| u32::try_from(limit).ok()),
        inconclusive_limit: entry.count("inconclusiveLimit", default.inconclusive_limit),
        consecutive_error_limit: entry.count("consecutiveErrorLimit", default.consecutive_error_limit),
        consecutive_success_limit: entry.count("consecutiveSuccessLimit", default.consecutive_success_limit),
        dry_run: false,
        success_condition: condition(entry, "successCondition"),
        failure_condition: condition(entry, "failureCondition"),
    };
    // Time stamps have whole seconds: less than one would be no time at all.
    for (name, time) in [("interval", metric.interval), ("initialDelay", Some(metric.initial_delay))] {
        let is_too_short =
            time.is_some_and(|time| time < Duration::secs(1) && (name == "interval" || time > Duration::ZERO));
        if is_too_short {
            let message = format!("`{name}` is less than a second");
            entry.error(name, (message, format!("write {name} = \"30s\"")));
        }
    }
    limits(entry, &metric);
    if entry.get("interval").is_none() && metric.count.is_some_and(|count| count > 1) {
        let message = "more than one measurement needs an interval".to_owned();
        entry.error("count", (message, "write interval = \"30s\"".to_owned()));
    }
    (metric, provider(entry, monitoring))
}

/// Source: `utils/analysis/helpers.go:ValidateMetric`.
fn limits(entry: &mut Entry<'_, '_>, metric: &Metric) {
    let limits = [("failureLimit", metric.failure_limit), ("inconclusiveLimit", Some(metric.inconclusive_limit))];
    for (name, limit) in limits {
        if let (Some(count), Some(limit)) = (metric.count, limit)
            && count < limit
        {
            let message = format!("count ({count}) must be >= {name} ({limit})");
            entry.error("count", (message, format!("raise the count, or lower {name}")));
        }
    }
}

fn provider(entry: &mut Entry<'_, '_>, monitoring: MonitoringSpec) -> Option<Query> {
    const PROVIDER: &str = "write provider.simulation = { query = \"canary.success.rate\" }";
    let providers = entry.get("provider").and_then(Node::table);
    let simulation = providers.filter(|table| table.entries.len() == 1).and_then(|table| table.get("simulation"));
    let Some(node) = simulation.map(|entry| &entry.value) else {
        entry.error(
            "provider",
            ("a metric has one provider, and here that is `simulation`".to_owned(), PROVIDER.to_owned()),
        );
        return None;
    };
    let key = format!("{}.provider.simulation", entry.key);
    let mut inner = Entry::new(entry.pass, key, node);
    let text = inner.required("query", PROVIDER);
    let window = inner.duration("window").unwrap_or(monitoring.window);
    if window < Duration::secs(1) {
        inner.error(
            "window",
            ("a window below a second is always empty".to_owned(), "write window = \"60s\"".to_owned()),
        );
    }
    let scrape_lag = inner.duration("scrape_lag").unwrap_or(monitoring.scrape_lag);
    inner.refuse_unknown();
    if text.is_empty() {
        return None;
    }
    let query = monitoring::query(&text, MonitoringSpec { window, scrape_lag, ..monitoring });
    query.map_err(|problem| inner.error("query", problem)).ok()
}

/// `templates = [{ templateName = "success-rate" }]`, wherever a strategy asks for a run. `known`: what may stand beside.
pub fn template_names(pass: &mut Pass, key: &str, node: &Node, known: &[&'static str]) -> Templates {
    let mut run = Entry::new(pass, key.to_owned(), node);
    run.knows(known);
    for item in run.items("templates") {
        let mut template = Entry::new(run.pass, format!("{key}.templates"), item);
        template.text("templateName");
        template.refuse_unknown();
    }
    run.refuse_unknown();
    let templates = node.table().and_then(|table| table.get("templates"));
    let items = templates.and_then(|entry| entry.value.array());
    if templates.is_some() && items.is_none() {
        // That it is no array has been said.
        return Templates::default();
    }
    let name = |item: &Node| item.table()?.get("templateName")?.value.text().map(str::to_owned);
    let names: Templates = items.unwrap_or_default().iter().filter_map(name).collect();
    if names.is_empty() || names.len() != items.map_or(0, <[Node]>::len) {
        let help = "write { templates = [{ templateName = \"success-rate\" }] }";
        pass.error(key, node.place.clone(), "an analysis names its templates", help);
    }
    names
}
