//! `[[actions]]`: what people do to the Rollout during the release.

use super::Scenario;
use super::document::Node;
use super::document::Table;
use super::monitoring::{self, MonitoringSpec};
use super::pass::Pass;
use super::path;
use super::reader::Reader;
use super::value::{count_from, distribution_from, duration_from};
use crate::model::Revision;
use crate::model::people::{Action, Trigger, Verb};
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::{Value, json};

const VERBS: [Verb; 16] = [
    Verb::Promote,
    Verb::PromoteFull,
    Verb::Abort,
    Verb::Retry,
    Verb::Pause,
    Verb::Restart,
    Verb::Undo,
    Verb::Deploy,
    Verb::SetReplicas(0),
    Verb::RevertCommit,
    Verb::Sync,
    Verb::Refresh,
    Verb::RunPipeline,
    Verb::Accept,
    Verb::Reject,
    Verb::DisableFeature,
];

const HELP: &str = "write [[actions]] with at = \"5m\" (or when = \"step 0\") and do = \"abort\"";

fn schema() -> Value {
    let text = |description: &str, example: &str| json!({ "type": "string", "description": description, "examples": [example] });
    let delay = |description: &str| json!({ "allOf": [{ "$ref": "#/definitions/delay" }], "description": description });
    let replicas = json!({
        "type": "integer",
        "minimum": 0,
        "maximum": super::workload::MAX_REPLICAS,
        "description": "The pods that `set_replicas` asks for",
    });
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["do"],
            "properties": {
                "at": text("Time since the start of the release; or `when`", "5m"),
                "when": {
                    "type": "string",
                    "description": "The first time that this step begins, counted from 0, that somebody is told of this alert, or that monitoring shows this; or `at`",
                    "examples": ["step 4", "alert canary-fails", "elb_5xx.rate > 1%", "canary.success.rate < 95%"],
                },
                "after": delay("The time that a person takes after that"),
                "noticed_after": delay("So much of `after` is over when he notices: it ends the time to detect. Without it the alert, or the moment itself, is what he notices"),
                "do": { "enum": VERBS.map(Verb::name), "description": "What the person does" },
                "replicas": replicas,
            },
        },
    })
}

impl Scenario {
    /// The newest revision that there can be in a run.
    pub fn newest_revision(&self) -> Revision {
        newest_revision(&self.actions)
    }
}

/// The release brings v2, and each `deploy` and each run of the pipeline the next one.
pub fn newest_revision(actions: &[Action]) -> Revision {
    let deployed = actions.iter().filter(|action| action.verb.brings_a_revision()).count();
    Revision(2 + u32::try_from(deployed).unwrap_or(u32::MAX))
}

/// What a trigger may name.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    pub steps: usize,
    pub monitoring: MonitoringSpec,
    pub alerts: Vec<&'a str>,
}

/// The entries in the order of the file.
pub fn read(root: &mut Reader<'_, '_>, known: &Known<'_>) -> Vec<Action> {
    const NOTE: &str = "What people do: { at | when = \"step N\" | \"alert NAME\" | \"elb_5xx.rate > 1%\", after, \
                        noticed_after, do = promote | abort | undo | … }";
    let Some(node) = root.take("actions", schema, NOTE) else { return Vec::new() };
    let Some(items) = node.array() else {
        root.pass.error("actions", node.place.clone(), "`actions` must be an array of tables", HELP);
        return Vec::new();
    };
    root.pass.parameter("actions".to_owned(), node.to_toml(), Some(node), NOTE);
    let mut actions = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = format!("actions[{index}]");
        actions.extend(action(root.pass, (&key, item), known));
    }
    actions
}

fn action(pass: &mut Pass, (key, item): (&str, &Node), known: &Known<'_>) -> Option<Action> {
    let Some(table) = item.table() else {
        pass.error(key, item.place.clone(), format!("an action is a table, this is {}", item.kind_name()), HELP);
        return None;
    };
    const KNOWN: [&str; 6] = ["at", "when", "after", "noticed_after", "do", "replicas"];
    for entry in table.entries.iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        let message = format!("unknown key `{}`", entry.key);
        let help = format!("known here: {}", KNOWN.join(", "));
        pass.error(&path::join(key, &entry.key), entry.key_place.clone(), message, help);
    }
    let value = |name: &str| table.get(name).map(|entry| (path::join(key, name), &entry.value));
    // Everything is read before anything is given up: all mistakes come out at once.
    let at = value("at").map(|(key, node)| duration(pass, &key, node));
    let when = value("when").map(|(key, node)| {
        let refuse = |(message, help)| pass.error(&key, node.place.clone(), message, help);
        when(node, known).map_err(refuse).ok()
    });
    let after = value("after").map_or(Some(Distribution::Fixed(Duration::ZERO)), |(key, node)| delay(pass, &key, node));
    let noticed_after = value("noticed_after").map(|(key, node)| delay(pass, &key, node));
    if let (Some(Some(Distribution::Fixed(noticed))), Some(Distribution::Fixed(acted))) = (&noticed_after, &after)
        && noticed > acted
    {
        let message = format!("somebody notices after {noticed}, and has acted after {acted}");
        pass.error(
            &path::join(key, "noticed_after"),
            item.place.clone(),
            message,
            "`after` counts from the trigger, too",
        );
    }
    let trigger = match (at, when) {
        (Some(at), None) => at.map(Trigger::At),
        (None, Some(when)) => when,
        (Some(_), Some(_)) | (None, None) => {
            pass.error(key, item.place.clone(), "an action has one of `at` and `when`", HELP);
            None
        }
    };
    let verb = verb(pass, key, item);
    // A mistake in it has been told.
    let noticed_after = noticed_after.flatten();
    Some(Action { trigger: trigger?, after: after?, noticed_after, verb: verb? })
}

fn delay(pass: &mut Pass, key: &str, node: &Node) -> Option<Distribution> {
    distribution_from(node).map_err(|(message, help)| pass.error(key, node.place.clone(), message, help)).ok()
}

fn duration(pass: &mut Pass, key: &str, node: &Node) -> Option<Duration> {
    duration_from(node).map_err(|(message, help)| pass.error(key, node.place.clone(), message, help)).ok()
}

/// `step 4`, `alert canary-fails`, or a condition on what monitoring shows.
fn when(node: &Node, known: &Known<'_>) -> Result<Trigger, (String, String)> {
    let &Known { steps, monitoring, .. } = known;
    if let Some(name) = node.text().and_then(|text| text.strip_prefix("alert ")) {
        return alert(name.trim(), &known.alerts);
    }
    let step = node.text().map(|text| text.strip_prefix("step").ok_or(text)).transpose();
    let index = match step {
        Err(text) => return monitoring::condition(text, monitoring).map(Trigger::Shown),
        Ok(step) => step.and_then(|step| step.trim().parse().ok()).filter(|index| *index < steps),
    };
    index.map(Trigger::StepStarted).ok_or_else(|| {
        let message = format!("{} is not a step: there are {steps}, counted from 0", node.to_toml());
        let last = steps.checked_sub(1).map(|last| format!("when = \"step {last}\" for the last one, or "));
        (message, format!("write {}a condition like \"elb_5xx.rate > 1%\"", last.unwrap_or_default()))
    })
}

fn alert(name: &str, alerts: &[&str]) -> Result<Trigger, (String, String)> {
    let place = alerts.iter().position(|alert| *alert == name).and_then(|place| u32::try_from(place).ok());
    place.map(Trigger::Alert).ok_or_else(|| {
        let help = match super::nearest(name, alerts) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write [[alerts]] with name = \"{name}\""),
        };
        (format!("there is no alert `{name}`"), help)
    })
}

/// Whether somebody waits for what monitoring shows.
pub fn look_at_metrics(document: &Table) -> bool {
    texts(document, "when").any(|when| !when.starts_with("step") && !when.starts_with("alert "))
}

/// Whether somebody switches a feature off.
pub fn disable_feature(document: &Table) -> bool {
    texts(document, "do").any(|verb| verb == Verb::DisableFeature.name())
}

fn texts<'a>(document: &'a Table, key: &'a str) -> impl Iterator<Item = &'a str> {
    let items = document.get("actions").and_then(|entry| entry.value.array()).unwrap_or_default();
    items.iter().filter_map(move |item| item.table()?.get(key)?.value.text())
}

fn verb(pass: &mut Pass, key: &str, item: &Node) -> Option<Verb> {
    let table = item.table().expect("the caller has looked");
    let Some(entry) = table.get("do") else {
        pass.error(key, item.place.clone(), "an action without `do` does nothing", HELP);
        return None;
    };
    let inner = path::join(key, "do");
    let Some(verb) = VERBS.iter().find(|verb| Some(verb.name()) == entry.value.text()) else {
        let names = VERBS.map(Verb::name);
        let written = entry.value.text().unwrap_or_default();
        let begun = names.iter().copied().find(|name| !written.is_empty() && name.starts_with(written));
        let help = match begun.or_else(|| super::nearest::nearest(written, &names)) {
            // The plugin has no such command, either.
            _ if ["rollback", "roll_back"].contains(&written) => {
                "write do = \"undo\" for the dashboard or kubectl, \"abort\" during the update, \"revert_commit\" through git"
                    .to_owned()
            }
            _ if written == "resume" => {
                "write do = \"promote\": it ends a pause, also one that somebody has begun by `pause`".to_owned()
            }
            Some(near) => format!("did you mean `{near}`? An action is one of {}", names.join(", ")),
            None => format!("an action is one of {}", names.join(", ")),
        };
        pass.error(&inner, entry.value.place.clone(), format!("there is no action {}", entry.value.to_toml()), help);
        return None;
    };
    let replicas = table.get("replicas");
    match (verb, replicas) {
        (Verb::SetReplicas(_), Some(entry)) => {
            let count = count_from("replicas", &entry.value, &(0..=super::workload::MAX_REPLICAS));
            let report =
                |(message, help)| pass.error(&path::join(key, "replicas"), entry.value.place.clone(), message, help);
            count.map(Verb::SetReplicas).map_err(report).ok()
        }
        (Verb::SetReplicas(_), None) => {
            pass.error(key, item.place.clone(), "`set_replicas` needs `replicas`", "write replicas = 20");
            None
        }
        (verb, None) => Some(*verb),
        (_, Some(entry)) => {
            pass.error(&path::join(key, "replicas"), entry.key_place.clone(), "only `set_replicas` has `replicas`", "");
            None
        }
    }
}
