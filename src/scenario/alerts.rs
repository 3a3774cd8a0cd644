//! `[[alerts]]`: the alerting rules, and when people are told.

use super::document::{Node, Table};
use super::entry::{self, Entry};
use super::monitoring::{self, MonitoringSpec};
use super::reader::Reader;
use super::value::{distribution_from, text_from};
use crate::model::alert::AlertSpec;
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::{Value, json};

/// Source: *Alertmanager*, Configuration, `group_wait`: 30s.
const GROUP_WAIT: Distribution = Distribution::secs(30);

fn schema() -> Value {
    let time = |description: &str, example: &str| json!({ "type": "string", "description": description, "examples": [example] });
    json!({ "type": "array", "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "expr"],
        "properties": {
            "name": { "type": "string", "description": "What `when = \"alert NAME\"` calls it" },
            "expr": {
                "type": "string",
                "description": "The condition: a figure of monitoring, a comparison and a bound",
                "examples": ["canary.success.rate < 95%", "elb_5xx.rate > 1%"],
            },
            "for": time("So long the condition must hold. Prometheus: 0s unless set", "60s"),
            "evaluation_interval": time("Instead of monitoring.evaluation_interval", "15s"),
            "notification_delay": {
                "allOf": [{ "$ref": "#/definitions/delay" }],
                "description": "From firing until somebody is told. Alertmanager, group_wait: 30 s unless set",
            },
        },
    } })
}

/// The entries in the order of the file.
pub fn read(root: &mut Reader<'_, '_>, monitoring: MonitoringSpec) -> Vec<AlertSpec> {
    const NOTE: &str = "Alerting rules: { name, expr, for, evaluation_interval, notification_delay }. Prometheus: for is 0s \
                        unless set; Alertmanager: a notification waits 30 s for others of its group";
    let Some(node) = root.take("alerts", schema, NOTE) else { return vec![] };
    root.pass.parameter("alerts".to_owned(), node.to_toml(), Some(node), NOTE);
    let mut seen: Vec<String> = vec![];
    entry::list((root.pass, "alerts"), node, |mut entry| {
        let alert = alert(&mut entry, monitoring);
        if let Some(alert) = &alert {
            if seen.contains(&alert.name) {
                let message = format!("there are two alerts `{}`", alert.name);
                entry.error("name", (message, "people wait for one of them: give it another name".to_owned()));
            }
            seen.push(alert.name.clone());
        }
        alert
    })
}

fn alert(entry: &mut Entry<'_, '_>, monitoring: MonitoringSpec) -> Option<AlertSpec> {
    let name = entry.required("name", "write name = \"canary-fails\"");
    entry.requires("expr", "write expr = \"canary.success.rate < 95%\"");
    let condition = entry.read("expr", |node| monitoring::condition(&text_from("expr", node)?, monitoring));
    let hold = entry.duration("for").unwrap_or(Duration::ZERO);
    let evaluation_interval = entry.duration("evaluation_interval").unwrap_or(monitoring.evaluation_interval);
    if evaluation_interval < Duration::secs(1) {
        let message = format!("`evaluation_interval` is {evaluation_interval}, it must be 1s at least");
        entry.error("evaluation_interval", (message, String::new()));
    }
    let notification_delay = entry.read("notification_delay", distribution_from).unwrap_or(GROUP_WAIT);
    entry.refuse_unknown();
    Some(AlertSpec { name, condition: condition?, hold, evaluation_interval, notification_delay })
}

/// As the file has them, be the rest of an entry right or wrong.
pub fn names(document: &Table) -> Vec<&str> {
    let items = document.get("alerts").and_then(|entry| entry.value.array()).unwrap_or_default();
    let name = |item| -> Option<&str> { Node::table(item)?.get("name")?.value.text() };
    items.iter().map(|item| name(item).unwrap_or_default()).collect()
}
