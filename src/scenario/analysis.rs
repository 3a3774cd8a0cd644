//! `[[analysis_templates]]`: what AnalysisRuns measure, and where a strategy names them.
//!
//! The fields of a metric are those of an AnalysisTemplate, but for the provider: `simulation` asks the run's own
//! monitoring, by the names of [`super::monitoring`].

use super::document::Node;
use super::monitoring::{self, MonitoringSpec};
use super::path;
use super::reader::{Pass, Reader, duration_from};
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

/// A table inside of the file whose values are no parameters by themselves: the whole list is one.
struct Entry<'a, 'p> {
    pass: &'p mut Pass,
    key: String,
    node: &'a Node,
    known: Vec<&'static str>,
}

impl<'a, 'p> Entry<'a, 'p> {
    fn new(pass: &'p mut Pass, key: String, node: &'a Node) -> Self {
        if node.table().is_none() {
            pass.error(&key, node.place.clone(), format!("this is {}, it must be a table", node.kind_name()), HELP);
        }
        Self { pass, key, node, known: vec![] }
    }

    fn get(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        Some(&self.node.table()?.get(name)?.value)
    }

    fn error(&mut self, name: &str, (message, help): (String, String)) {
        let node = self.node.table().and_then(|table| table.get(name)).map_or(self.node, |entry| &entry.value);
        self.pass.error(&path::join(&self.key, name), node.place.clone(), message, help);
    }

    fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&Node) -> Result<T, (String, String)>) -> Option<T> {
        let result = read(self.get(name)?);
        result.map_err(|problem| self.error(name, problem)).ok()
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, |node| match node.text() {
            Some(text) => Ok(text.to_owned()),
            None => Err((format!("`{name}` is {}, it must be a text", node.kind_name()), String::new())),
        })
    }

    fn required(&mut self, name: &'static str, help: &str) -> String {
        let is_missing = self.node.table().is_some_and(|table| table.get(name).is_none());
        if is_missing {
            self.error(name, (format!("`{name}` is missing"), help.to_owned()));
        }
        self.text(name).unwrap_or_default()
    }

    fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.read(name, duration_from)
    }

    fn whole(&mut self, name: &'static str, least: i64) -> Option<i64> {
        self.read(name, |node| {
            let text = node.text().and_then(|text| text.parse().ok());
            let number = node.integer().or(text).filter(|number| (least..=1_000_000).contains(number));
            number.ok_or_else(|| (format!("{} is not a number from {least} to 1000000", node.to_toml()), String::new()))
        })
    }

    fn count(&mut self, name: &'static str, default: u32) -> u32 {
        self.whole(name, 0).map_or(default, |number| u32::try_from(number).expect("it is in its range"))
    }

    fn condition(&mut self, name: &'static str) -> Option<Condition> {
        let text = self.text(name)?;
        let help = "it compares `result` with numbers: result[0] >= 0.95, isNaN(result[0]) || result[0] < 0.01";
        text.parse().map_err(|message| self.error(name, (message, help.to_owned()))).ok()
    }

    fn items(&mut self, name: &'static str) -> &'a [Node] {
        self.get(name).and_then(Node::array).unwrap_or_default()
    }

    fn refuse_unknown(&mut self) {
        let entries = self.node.table().map_or(&[][..], |table| &table.entries);
        for entry in entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = format!("unknown key `{}`", entry.key);
            let help = match super::reader::nearest(&entry.key, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.pass.error(&path::join(&self.key, &entry.key), entry.key_place.clone(), message, help);
        }
    }
}

fn template(entry: &mut Entry<'_, '_>, monitoring: MonitoringSpec) -> AnalysisTemplateSpec {
    let name = entry.required("name", HELP);
    let dry_run: Vec<_> = entry.items("dryRun").iter().filter_map(|item| item.table()?.get("metricName")).collect();
    let dry_run: Vec<_> = dry_run.into_iter().filter_map(|entry| entry.value.text()).collect();
    let mut metrics = Vec::new();
    for (index, item) in entry.items("metrics").iter().enumerate() {
        let key = format!("{}.metrics[{index}]", entry.key);
        let mut inner = Entry::new(entry.pass, key, item);
        let (mut metric, query) = metric(&mut inner, monitoring);
        inner.refuse_unknown();
        metric.dry_run = dry_run.iter().any(|name| ["*", &metric.name].contains(name));
        metrics.extend(query.map(|query| (metric, query)));
    }
    if entry.items("metrics").is_empty() {
        entry.error("metrics", ("an AnalysisTemplate without metrics measures nothing".to_owned(), HELP.to_owned()));
    }
    AnalysisTemplateSpec { name, metrics }
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
        success_condition: entry.condition("successCondition"),
        failure_condition: entry.condition("failureCondition"),
    };
    if metric.interval.is_none() && metric.count.is_some_and(|count| count > 1) {
        let message = "more than one measurement needs an interval".to_owned();
        entry.error("count", (message, "write interval = \"30s\"".to_owned()));
    }
    (metric, provider(entry, monitoring))
}

fn provider(entry: &mut Entry<'_, '_>, monitoring: MonitoringSpec) -> Option<Query> {
    const PROVIDER: &str = "write provider.simulation = { query = \"canary.success.rate\" }";
    let simulation = entry.get("provider").and_then(|node| Some(&node.table()?.get("simulation")?.value));
    let Some(node) = simulation else {
        entry.error("provider", ("the provider of a metric must be `simulation`".to_owned(), PROVIDER.to_owned()));
        return None;
    };
    let key = format!("{}.provider.simulation", entry.key);
    let mut inner = Entry::new(entry.pass, key, node);
    let text = inner.required("query", PROVIDER);
    let window = inner.duration("window").unwrap_or(monitoring.window);
    let scrape_lag = inner.duration("scrape_lag").unwrap_or(monitoring.scrape_lag);
    inner.refuse_unknown();
    if text.is_empty() {
        return None;
    }
    let query = monitoring::query(&text, MonitoringSpec { window, scrape_lag, ..monitoring });
    query.map_err(|problem| inner.error("query", problem)).ok()
}

/// `templates = [{ templateName = "success-rate" }]`, wherever a strategy asks for a run.
pub fn template_names(pass: &mut Pass, key: &str, node: &Node) -> Templates {
    let items = node.table().and_then(|table| table.get("templates")).and_then(|entry| entry.value.array());
    let name = |item: &Node| item.table()?.get("templateName")?.value.text().map(str::to_owned);
    let names: Templates = items.unwrap_or_default().iter().filter_map(name).collect();
    if names.is_empty() || names.len() != items.map_or(0, <[Node]>::len) {
        let help = "write { templates = [{ templateName = \"success-rate\" }] }";
        pass.error(key, node.place.clone(), "an analysis names its templates", help);
    }
    names
}
