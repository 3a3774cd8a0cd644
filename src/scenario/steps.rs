//! `rollout.strategy.canary.steps`.

use super::document::{Entry, Node, Table};
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::routes;
use super::validation::rule::Rule;
use crate::model::rollout::step::{CanaryScale, Step, pause_seconds};
use crate::units::{Duration, Percent, TrafficWeight};
use serde_json::{Value, json};

const NOTE: &str = "One step of the canary";
const SIMULATED: [&str; 5] = ["setWeight", "setCanaryScale", "pause", "setHeaderRoute", "analysis"];
const NOT_YET: [&str; 2] = ["experiment", "plugin"];
/// The controller refuses it, but with Istio and plugins.
const MIRROR: &str = "setMirrorRoute";
pub const HELP: &str = "a step is { setWeight = 25 }, { setCanaryScale = { replicas | weight | matchTrafficWeight } }, \
                        { pause = { duration = \"60s\" } }, { pause = {} }, { setHeaderRoute = { name, match } } or \
                        { analysis = { templates } }";
/// Of which one step has one at most, for the controller.
const EXCLUSIVE: [&str; 4] = ["setWeight", "pause", "experiment", "analysis"];

/// Which the controller takes in one step, and we do, too.
const PAIR: [&str; 2] = ["setCanaryScale", "setWeight"];

pub fn schema() -> Value {
    let percent = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
    let weight = json!({ "type": "integer", "minimum": 0, "description": "Out of maxTrafficWeight: 100 unless set" });
    let object =
        |properties: Value| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let scale = object(json!({
        "replicas": { "type": "integer", "minimum": 0, "maximum": super::workload::MAX_REPLICAS },
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
    let kinds = [
        ("setWeight", weight.clone()),
        ("setCanaryScale", scale.clone()),
        ("pause", pause),
        ("setHeaderRoute", routes::header_schema()),
        (MIRROR, routes::mirror_schema()),
        ("analysis", super::rollout::templates_schema()),
    ];
    let kinds = kinds.map(|(kind, schema)| {
        let mut step = object(json!({ kind: schema }));
        step["required"] = json!([kind]);
        step
    });
    let mut pair = object(json!({ PAIR[0]: scale, PAIR[1]: weight }));
    pair["required"] = json!(PAIR);
    let kinds: Vec<_> = kinds.into_iter().chain([pair]).collect();
    json!({ "type": "array", "items": { "oneOf": kinds } })
}

/// How many there are, readable or not: what counts them must not stumble over those.
pub fn count(document: &Table) -> usize {
    document.find("rollout.strategy.canary.steps").and_then(Node::array).map_or(0, <[Node]>::len)
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
    let is_kind = |kind: &str| [&SIMULATED[..], &NOT_YET, &[MIRROR]].concat().contains(&kind);
    for entry in table.entries.iter().filter(|entry| !is_kind(&entry.key)) {
        refuse_unknown(pass, key, entry);
    }
    let kinds: Vec<_> = table.entries.iter().filter(|entry| is_kind(&entry.key)).collect();
    match kinds[..] {
        // A step of no kind: the controller refuses it.
        [] => None,
        [entry] => step_of_kind(pass, key, entry),
        [one, other] if [one, other].iter().all(|entry| PAIR.contains(&entry.key.as_str())) => {
            let (one, other) = (step_of_kind(pass, key, one), step_of_kind(pass, key, other));
            let steps: Vec<_> = one.into_iter().chain(other).collect();
            let (scale, weight) = (steps.iter().find_map(Step::canary_scale), steps.iter().find_map(Step::weight));
            Some(Step::SetCanaryScaleAndWeight(scale?, weight?))
        }
        [_, second, ..] => {
            // Several of these the controller refuses itself, the others make one step that does all of them.
            if kinds.iter().filter(|entry| EXCLUSIVE.contains(&entry.key.as_str())).count() < 2 {
                let message = "a step that does several things is not simulated yet";
                pass.error(key, second.key_place.clone(), message, "write two steps");
            }
            None
        }
    }
}

fn step_of_kind(pass: &mut Pass, key: &str, entry: &Entry) -> Option<Step> {
    let inner = path::join(key, &entry.key);
    match entry.key.as_str() {
        "setWeight" => set_weight(pass, &inner, &entry.value),
        "setCanaryScale" => canary_scale(pass, &inner, &entry.value).map(Step::SetCanaryScale),
        "pause" => pause(pass, &inner, &entry.value).map(Step::Pause),
        "setHeaderRoute" => routes::header(pass, &inner, &entry.value).map(Step::SetHeaderRoute),
        "analysis" => Some(Step::Analysis(super::analysis::template_names(pass, &inner, &entry.value, &[]))),
        MIRROR => routes::mirror(pass, &inner, &entry.value).map(Step::SetMirrorRoute),
        kind => {
            let message = format!("the step `{kind}` is not simulated yet");
            let help = format!("simulated: {}", SIMULATED.join(", "));
            pass.error(&inner, entry.key_place.clone(), message, help);
            None
        }
    }
}

fn refuse_unknown(pass: &mut Pass, key: &str, entry: &Entry) {
    let kind = entry.key.as_str();
    let known = [&SIMULATED[..], &NOT_YET].concat();
    let help = match nearest(kind, &known) {
        Some(known) => format!("did you mean `{known}`? A step is one of {}", SIMULATED.join(", ")),
        None => format!("a step is one of {}", SIMULATED.join(", ")),
    };
    pass.unknown(&path::join(key, kind), entry.key_place.clone(), format!("there is no step `{kind}`"), help);
}

fn set_weight(pass: &mut Pass, key: &str, node: &Node) -> Option<Step> {
    let Some(weight) = node.integer() else {
        let message = format!("this is {}, a weight is an integer from 0 to 100", node.kind_name());
        pass.error(key, node.place.clone(), message, Rule::SetWeight.help());
        return None;
    };
    // What lies beyond `maxTrafficWeight` the controller refuses: the run does not start.
    let weight = u32::try_from(weight).ok()?;
    Some(Step::SetWeight(TrafficWeight::new(weight)))
}

fn percent(pass: &mut Pass, key: &str, node: &Node) -> Option<Percent> {
    let wrong_kind = || format!("this is {}, a weight is an integer from 0 to 100", node.kind_name());
    let percent = node.integer().ok_or_else(wrong_kind).and_then(Percent::try_from);
    percent.map_err(|message| pass.error(key, node.place.clone(), message, "it is the canary's share in percent")).ok()
}

/// A table in which only these keys may stand.
pub fn inner_table<'a>(pass: &mut Pass, key: &str, node: &'a Node, known: &[&str]) -> Option<&'a Table> {
    let Some(table) = node.table() else {
        let help = format!("known in it: {}", known.join(", "));
        pass.error(key, node.place.clone(), format!("this is {}, it must be a table", node.kind_name()), help);
        return None;
    };
    for entry in table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let help = match nearest(&entry.key, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let message = format!("unknown key `{}`", entry.key);
        pass.unknown(&path::join(key, &entry.key), entry.key_place.clone(), message, help);
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
            let range = 0..=super::workload::MAX_REPLICAS;
            let count = super::value::count_from("replicas", node, &range);
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
    let mut refuse = |message: String| {
        pass.error(&path::join(key, "duration"), entry.value.place.clone(), message, Rule::PauseDuration.help());
        None
    };
    let (number, text) = (entry.value.integer(), entry.value.text());
    if number.is_none() && text.is_none() {
        return refuse(format!("this is {}, a pause has seconds or a Go duration", entry.value.kind_name()));
    }
    // The API takes no number of more bits.
    if number.is_some_and(|number| number > i64::from(i32::MAX)) {
        return refuse(format!("{} s are more than a pause can have", entry.value.to_toml()));
    }
    // What is negative or no duration the controller refuses: the run does not start.
    let seconds = u64::try_from(pause_seconds(text, number)).ok()?;
    Some(Some(Duration::secs(seconds)))
}
