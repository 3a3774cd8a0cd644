//! The file format as a JSON Schema (draft-07), from the same pass that reads it.

use super::document::Table;
use super::pass::Pass;
use super::path::{self, Segment};
use crate::random::{Distribution, Tail};
use serde_json::{Map, Value, json};

/// One key of the file format.
#[derive(Debug)]
pub struct Field {
    /// `rollout.template.spec.containers[0].name`.
    pub path: String,
    pub schema: Value,
    pub note: &'static str,
}

/// Every key of the file format.
pub fn fields() -> Vec<Field> {
    let mut pass = Pass { fields: Some(Vec::new()), ..Pass::default() };
    super::load::read(&mut pass, "", &Table::default());
    pass.fields.unwrap_or_default()
}

/// For editors: what may stand where, with its default.
pub fn schema() -> Value {
    let mut root = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "rollout-sim scenario",
        "description": "An Argo Rollouts canary behind an AWS Application Load Balancer, for the program sim",
        "type": "object",
        "anyOf": [
            { "required": ["traffic", "rollout"] },
            { "required": ["traffic", "deployment"] },
            { "required": ["manifests"] },
        ],
        "definitions": { "delay": delay_schema(), "rate": super::rate_profile::schema() },
    });
    for field in fields() {
        insert(&mut root, field);
    }
    root["properties"]["traffic"]["anyOf"] = json!([
        { "required": ["rate"] },
        { "required": ["classes"] },
        { "required": ["arrivals"], "properties": { "arrivals": { "type": "object" } } },
    ]);
    root["properties"]["traffic"]["properties"]["classes"]["items"]["required"] = json!(["name"]);
    root["properties"]["ingress"]["properties"]["annotations"]["additionalProperties"] = json!({ "type": "string" });
    root["properties"]["namespace"]["properties"]["labels"]["additionalProperties"] = json!({ "type": "string" });
    root["properties"]["thresholds"]["additionalProperties"] = json!({
        "type": ["string", "array", "object"],
        "items": { "type": "string" },
        "examples": ["== 0", "< 0.01%", [">= 50", "<= 700"]],
    });
    root
}

fn insert(root: &mut Value, field: Field) {
    let segments = path::parse(&field.path).expect("the reader writes paths that parse");
    let mut at = root;
    for segment in segments {
        at = match segment {
            Segment::Key(key) => {
                let object = at.as_object_mut().expect("a schema is an object");
                // Only the keys that the pass has read may stand in a table.
                object.entry("additionalProperties").or_insert(json!(false));
                let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
                let properties = properties.as_object_mut().expect("properties are an object");
                properties.entry(key).or_insert_with(|| json!({ "type": "object" }))
            }
            Segment::Index(_) => {
                let object = at.as_object_mut().expect("a schema is an object");
                object.entry("items").or_insert_with(|| json!({ "type": "object" }))
            }
        };
    }
    let note = json!(field.note);
    // A draft-07 reader ignores whatever stands next to a $ref.
    if let Some(reference) = field.schema.get("$ref") {
        *at = json!({ "allOf": [{ "$ref": reference }], "default": field.schema["default"], "description": note });
    } else {
        *at = field.schema;
        at["description"] = note;
    }
}

/// A distribution as JSON.
pub fn delay(distribution: &Distribution) -> Value {
    let text = |duration: &crate::units::Duration| json!(duration.to_string());
    match distribution {
        Distribution::Fixed(value) => text(value),
        Distribution::Uniform { min, max } => json!({ "min": text(min), "max": text(max) }),
        Distribution::Exponential { mean } => json!({ "exponential": text(mean) }),
        Distribution::LogNormal { median, tail: Tail::P95(at) } => json!({ "median": text(median), "p95": text(at) }),
        Distribution::LogNormal { median, tail: Tail::P99(at) } => json!({ "median": text(median), "p99": text(at) }),
        Distribution::Triangular { min, mode, max } => {
            json!({ "min": text(min), "mode": text(mode), "max": text(max) })
        }
        Distribution::Quantiles(points) => {
            let points: Vec<_> = points.iter().map(|(rank, value)| json!([rank, text(value)])).collect();
            json!({ "quantiles": points })
        }
    }
}

fn delay_schema() -> Value {
    let duration = json!({ "type": "string", "examples": ["30s", "250ms", "1m30s"] });
    let form = |names: &[&str]| {
        let properties: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), duration.clone())).collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    };
    json!({
        "description": "How long something takes: fixed, uniform, triangular, exponential, log-normal, or measured",
        "oneOf": [
            duration.clone(),
            form(&["min", "max"]),
            form(&["min", "mode", "max"]),
            form(&["exponential"]),
            form(&["median", "p95"]),
            form(&["median", "p99"]),
            {
                "type": "object",
                "properties": {
                    "quantiles": {
                        "type": "array",
                        "items": { "type": "array", "minItems": 2, "maxItems": 2 },
                        "examples": [[[0.0, "1s"], [0.5, "2s"], [1.0, "9s"]]],
                    }
                },
                "required": ["quantiles"],
                "additionalProperties": false,
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, schema) in properties {
                visit(name, schema);
                each(schema, visit);
            }
        }
        if let Some(items) = value.get("items") {
            each(items, visit);
        }
    }

    #[test]
    fn every_field_says_what_it_is() {
        let schema = schema();
        let (mut fields, mut delays) = (0, 0);
        for (name, section) in schema["properties"].as_object().unwrap() {
            each(section, &mut |field, schema| {
                // Steps and probes of fixed shape come as one fragment, without a sentence for each key.
                if !["replicas", "weight", "matchTrafficWeight"].contains(&field) {
                    assert!(schema["description"].is_string(), "{name}: {field}");
                }
                fields += 1;
                delays += usize::from(schema.get("allOf").is_some());
            });
        }
        assert!(fields > 80, "{fields} fields");
        assert!(delays > 15, "{delays} delays");
    }

    #[test]
    fn the_schema_reaches_into_containers_and_annotations() {
        let schema = schema();
        let spec = &schema["properties"]["rollout"]["properties"]["template"]["properties"]["spec"]["properties"];
        let probe = &spec["containers"]["items"]["properties"]["readinessProbe"]["properties"]["periodSeconds"];
        assert_eq!(probe["default"], 10);
        let annotations = &schema["properties"]["ingress"]["properties"]["annotations"];
        assert_eq!(
            annotations["properties"]["alb.ingress.kubernetes.io/healthcheck-interval-seconds"]["default"],
            "15"
        );
    }
}
