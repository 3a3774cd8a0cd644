//! `rollout.strategy.canary.steps`.

use super::document::{Entry, Node, Table};
use super::path;
use super::reader::{Pass, nearest};
use crate::model::rollout::step::{CanaryScale, Step, pause_seconds};
use crate::units::{Duration, Percent};
use serde_json::{Value, json};

const NOTE: &str = "One step of the canary";
const SIMULATED: [&str; 3] = ["setWeight", "setCanaryScale", "pause"];
const NOT_YET: [&str; 5] = ["analysis", "experiment", "setHeaderRoute", "setMirrorRoute", "plugin"];
const HELP: &str = "a step is { setWeight = 25 }, { setCanaryScale = { replicas | weight | matchTrafficWeight } }, \
                    { pause = { duration = \"60s\" } } or { pause = {} }";

pub fn schema() -> Value {
    let percent = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
    let object =
        |properties: Value| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let scale = object(json!({
        "replicas": { "type": "integer", "minimum": 0, "maximum": super::rollout::MAX_REPLICAS },
        "weight": percent,
        "matchTrafficWeight": { "type": "boolean" },
    }));
    let pause = object(json!({
        "duration": {
            "type": ["string", "integer"],
            "description": "Seconds, or a Go duration; without it a person has to promote",
            "examples": ["60s", 60, "1h30m"],
        }
    }));
    let kinds = [("setWeight", percent.clone()), ("setCanaryScale", scale), ("pause", pause)].map(|(kind, schema)| {
        let mut step = object(json!({ kind: schema }));
        step["required"] = json!([kind]);
        step
    });
    json!({ "type": "array", "items": { "oneOf": kinds } })
}

pub fn read(pass: &mut Pass, key: &str, node: Option<&Node>) -> Vec<Step> {
    let Some(node) = node else { return Vec::new() };
    let Some(items) = node.array() else {
        let message = format!("`steps` is {}, it must be an array", node.kind_name());
        pass.error(key, node.place.clone(), message, HELP);
        return Vec::new();
    };
    let mut steps = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = format!("{key}[{index}]");
        steps.extend(step(pass, &key, item));
        pass.parameter(key, item.to_toml(), Some(item), NOTE);
    }
    steps
}

fn step(pass: &mut Pass, key: &str, node: &Node) -> Option<Step> {
    let Some(table) = node.table() else {
        pass.error(key, node.place.clone(), format!("a step is a table, this is {}", node.kind_name()), HELP);
        return None;
    };
    let entry = match &table.entries[..] {
        [entry] => entry,
        [] => {
            pass.error(key, node.place.clone(), "this step does nothing", HELP);
            return None;
        }
        [_, second, ..] => {
            let help = "write two steps";
            pass.error(key, second.key_place.clone(), "a step does one thing, this one has several", help);
            return None;
        }
    };
    let inner = path::join(key, &entry.key);
    match entry.key.as_str() {
        "setWeight" => percent(pass, &inner, &entry.value).map(|weight| Step::SetWeight(weight.into())),
        "setCanaryScale" => canary_scale(pass, &inner, &entry.value).map(Step::SetCanaryScale),
        "pause" => pause(pass, &inner, &entry.value).map(Step::Pause),
        kind => {
            refuse_kind(pass, &inner, kind, entry);
            None
        }
    }
}

fn refuse_kind(pass: &mut Pass, key: &str, kind: &str, entry: &Entry) {
    let place = entry.key_place.clone();
    if NOT_YET.contains(&kind) {
        let message = format!("the step `{kind}` is not simulated yet");
        return pass.error(key, place, message, format!("simulated: {}", SIMULATED.join(", ")));
    }
    let known = [&SIMULATED[..], &NOT_YET].concat();
    let help = match nearest(kind, &known) {
        Some(known) => format!("did you mean `{known}`? A step is one of {}", SIMULATED.join(", ")),
        None => format!("a step is one of {}", SIMULATED.join(", ")),
    };
    pass.error(key, place, format!("there is no step `{kind}`"), help);
}

fn percent(pass: &mut Pass, key: &str, node: &Node) -> Option<Percent> {
    let wrong_kind = || format!("this is {}, a weight is an integer from 0 to 100", node.kind_name());
    let percent = node.integer().ok_or_else(wrong_kind).and_then(Percent::try_from);
    percent.map_err(|message| pass.error(key, node.place.clone(), message, "it is the canary's share in percent")).ok()
}

fn inner_table<'a>(pass: &mut Pass, key: &str, node: &'a Node, known: &[&str]) -> Option<&'a Table> {
    let Some(table) = node.table() else {
        pass.error(key, node.place.clone(), format!("this is {}, it must be a table", node.kind_name()), HELP);
        return None;
    };
    for entry in table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let help = match nearest(&entry.key, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let message = format!("unknown key `{}`", entry.key);
        pass.error(&path::join(key, &entry.key), entry.key_place.clone(), message, help);
    }
    Some(table)
}

/// `matchTrafficWeight` goes before `replicas`, that before `weight`; an empty table means `matchTrafficWeight`.
/// Source: Argo Rollouts, `utils/replicaset`.
fn canary_scale(pass: &mut Pass, key: &str, node: &Node) -> Option<CanaryScale> {
    let table = inner_table(pass, key, node, &["replicas", "weight", "matchTrafficWeight"])?;
    let value = |name: &str| table.get(name).map(|entry| (path::join(key, name), &entry.value));
    let mut matches = false;
    if let Some((key, node)) = value("matchTrafficWeight") {
        let Some(yes) = node.boolean() else {
            pass.error(&key, node.place.clone(), format!("this is {}, it must be true or false", node.kind_name()), "");
            return None;
        };
        matches = yes;
    }
    let replicas = match value("replicas") {
        None => None,
        Some((key, node)) => {
            let range = 0..=super::rollout::MAX_REPLICAS;
            let count = super::reader::count_from("replicas", node, &range);
            Some(count.map_err(|(message, help)| pass.error(&key, node.place.clone(), message, help)).ok()?)
        }
    };
    let weight = match value("weight") {
        None => None,
        Some((key, node)) => Some(percent(pass, &key, node)?.into()),
    };
    Some(match (matches, replicas, weight) {
        (true, _, _) | (false, None, None) => CanaryScale::MatchTrafficWeight,
        (false, Some(replicas), _) => CanaryScale::Replicas(replicas),
        (false, None, Some(weight)) => CanaryScale::Weight(weight),
    })
}

fn pause(pass: &mut Pass, key: &str, node: &Node) -> Option<Option<Duration>> {
    let table = inner_table(pass, key, node, &["duration"])?;
    let Some(entry) = table.get("duration") else { return Some(None) };
    let help = "write seconds (60), or a Go duration (\"60s\", \"1h30m\"); `pause = {}` waits for a person";
    let refuse = |pass: &mut Pass, message: String| {
        pass.error(&path::join(key, "duration"), entry.value.place.clone(), message, help);
        None
    };
    let (number, text) = (entry.value.integer(), entry.value.text());
    if number.is_none() && text.is_none() {
        return refuse(pass, format!("this is {}, a pause has seconds or a Go duration", entry.value.kind_name()));
    }
    let in_range = number.is_none_or(|number| i32::try_from(number).is_ok());
    match u64::try_from(pause_seconds(text, number)).ok().filter(|_| in_range) {
        Some(seconds) => Some(Some(Duration::secs(seconds))),
        None => refuse(pass, format!("{} is not a pause's duration", entry.value.to_toml())),
    }
}
