//! `[[actions]]`: what people do to the Rollout during the release.

use super::document::Node;
use super::path;
use super::reader::{Pass, Reader, count_from, duration_from};
use crate::model::rollout::Command;
use crate::units::Duration;
use serde_json::{Value, json};

/// One entry of `[[actions]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    pub trigger: Trigger,
    /// The time a person takes after that.
    pub after: Duration,
    pub verb: Verb,
}

/// What an action waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// This long after the start of the release.
    At(Duration),
    /// The first time that a step of the canary begins.
    StepStarted(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `kubectl argo rollouts promote`, `abort`, …
    Command(Command),
    /// `kubectl argo rollouts undo`: the pod template of the revision before.
    Undo,
    /// A new pod template.
    Deploy,
    /// `kubectl scale`.
    SetReplicas(u32),
}

const VERBS: [(&str, Verb); 8] = [
    ("promote", Verb::Command(Command::Promote)),
    ("promote_full", Verb::Command(Command::PromoteFull)),
    ("abort", Verb::Command(Command::Abort)),
    ("retry", Verb::Command(Command::Retry)),
    ("pause", Verb::Command(Command::Pause)),
    ("undo", Verb::Undo),
    ("deploy", Verb::Deploy),
    ("set_replicas", Verb::SetReplicas(0)),
];

impl Verb {
    pub fn name(self) -> &'static str {
        let is_same = |other: &&(&str, Verb)| std::mem::discriminant(&other.1) == std::mem::discriminant(&self);
        let same = VERBS.iter().filter(is_same).find(|(_, verb)| match (verb, self) {
            (Self::Command(one), Self::Command(other)) => *one == other,
            _ => true,
        });
        same.expect("every verb has a name").0
    }
}

const HELP: &str = "write [[actions]] with at = \"5m\" (or when = \"step 0\") and do = \"abort\"";

fn schema() -> Value {
    let text = |description: &str, example: &str| json!({ "type": "string", "description": description, "examples": [example] });
    let replicas = json!({
        "type": "integer",
        "minimum": 0,
        "maximum": super::rollout::MAX_REPLICAS,
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
                "when": text("The first time that this step begins, counted from 0; or `at`", "step 4"),
                "after": text("The time that a person takes after that", "30s"),
                "do": { "enum": VERBS.map(|(name, _)| name), "description": "What the person does" },
                "replicas": replicas,
            },
        },
    })
}

/// The entries in the order of the file.
pub fn read(root: &mut Reader<'_, '_>, steps: usize) -> Vec<Action> {
    const NOTE: &str = "What people do: { at | when = \"step N\", after, do = promote | abort | undo | … }";
    let Some(node) = root.take("actions", schema, NOTE) else { return Vec::new() };
    let Some(items) = node.array() else {
        root.pass.error("actions", node.place.clone(), "`actions` must be an array of tables", HELP);
        return Vec::new();
    };
    root.pass.parameter("actions".to_owned(), node.to_toml(), Some(node), NOTE);
    let mut actions = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = format!("actions[{index}]");
        actions.extend(action(root.pass, &key, item, steps));
    }
    actions
}

fn action(pass: &mut Pass, key: &str, item: &Node, steps: usize) -> Option<Action> {
    let Some(table) = item.table() else {
        pass.error(key, item.place.clone(), format!("an action is a table, this is {}", item.kind_name()), HELP);
        return None;
    };
    const KNOWN: [&str; 5] = ["at", "when", "after", "do", "replicas"];
    for entry in table.entries.iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        let message = format!("unknown key `{}`", entry.key);
        let help = format!("known here: {}", KNOWN.join(", "));
        pass.error(&path::join(key, &entry.key), entry.key_place.clone(), message, help);
    }
    let value = |name: &str| table.get(name).map(|entry| (path::join(key, name), &entry.value));
    // Everything is read before anything is given up: all mistakes come out at once.
    let at = value("at").map(|(key, node)| duration(pass, &key, node));
    let when = value("when").map(|(key, node)| step_started(pass, &key, node, steps));
    let after = value("after").map_or(Some(Duration::ZERO), |(key, node)| duration(pass, &key, node));
    let trigger = match (at, when) {
        (Some(at), None) => at.map(Trigger::At),
        (None, Some(step)) => step.map(Trigger::StepStarted),
        (Some(_), Some(_)) | (None, None) => {
            pass.error(key, item.place.clone(), "an action has one of `at` and `when`", HELP);
            None
        }
    };
    let verb = verb(pass, key, item);
    Some(Action { trigger: trigger?, after: after?, verb: verb? })
}

fn duration(pass: &mut Pass, key: &str, node: &Node) -> Option<Duration> {
    duration_from(node).map_err(|(message, help)| pass.error(key, node.place.clone(), message, help)).ok()
}

fn step_started(pass: &mut Pass, key: &str, node: &Node, steps: usize) -> Option<usize> {
    let step = step(node).filter(|index| *index < steps);
    if step.is_none() {
        let message = format!("{} is not a step: there are {steps}, counted from 0", node.to_toml());
        let help = match steps.checked_sub(1) {
            Some(last) => format!("write when = \"step {last}\" for the last one"),
            None => "write at = \"5m\" instead: a time since the start of the release".to_owned(),
        };
        pass.error(key, node.place.clone(), message, help);
    }
    step
}

/// `step 4`
fn step(node: &Node) -> Option<usize> {
    node.text()?.strip_prefix("step")?.trim().parse().ok()
}

fn verb(pass: &mut Pass, key: &str, item: &Node) -> Option<Verb> {
    let table = item.table().expect("the caller has looked");
    let Some(entry) = table.get("do") else {
        pass.error(key, item.place.clone(), "an action without `do` does nothing", HELP);
        return None;
    };
    let inner = path::join(key, "do");
    let Some((_, verb)) = VERBS.iter().find(|(name, _)| Some(*name) == entry.value.text()) else {
        let names = VERBS.map(|(name, _)| name);
        let written = entry.value.text().unwrap_or_default();
        let help = match super::reader::nearest(written, &names) {
            Some(near) => format!("did you mean `{near}`? An action is one of {}", names.join(", ")),
            None => format!("an action is one of {}", names.join(", ")),
        };
        pass.error(&inner, entry.value.place.clone(), format!("there is no action {}", entry.value.to_toml()), help);
        return None;
    };
    let replicas = table.get("replicas");
    match (verb, replicas) {
        (Verb::SetReplicas(_), Some(entry)) => {
            let count = count_from("replicas", &entry.value, &(0..=super::rollout::MAX_REPLICAS));
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
