//! `rollout_validation`.

use super::Table;
use rollout_sim::scenario::document::{Entry, Kind, Node, Table as TomlTable};
use rollout_sim::scenario::validation::violations;
use serde_json::{Value, json};

/// A manifest as the scenario's reader holds it. A key with null is absent, as for the API.
fn node(value: &Value) -> Node {
    let kind = match value {
        Value::Null => unreachable!("left out by the table around it"),
        Value::Bool(yes) => Kind::Boolean(*yes),
        Value::Number(number) => Kind::Integer(number.as_i64().expect("an integer")),
        Value::String(text) => Kind::String(text.clone()),
        Value::Array(items) => Kind::Array(items.iter().map(node).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let entry =
                |(key, value): (&String, &Value)| Entry { key: key.clone(), key_place: None, value: node(value) };
            Kind::Table(TomlTable { entries: fields.map(entry).collect() })
        }
    };
    Node { kind, place: None }
}

#[test]
fn a_spec_is_refused_as_by_the_real_controller() {
    let answer = |row: &Value| {
        let mut spec = row["inputs"]["spec"].clone();
        spec.as_object_mut().expect("a spec").entry("selector").or_insert(json!({ "matchLabels": { "app": "demo" } }));
        let ours: Vec<_> = violations(&node(&spec), &[("app", "demo")])
            .into_iter()
            .map(|violation| {
                json!({ "type": violation.kind.name(), "field": violation.field, "detail": violation.detail })
            })
            .collect();
        Some((row["expected"].clone(), json!({ "errors": ours })))
    };
    Table::compare("rollout_validation", answer).hold();
}
