//! `load_balancer.hold`: how changes of the routes are held back.

use super::document::{Node, Table};
use super::nearest::nearest;
use super::path;
use super::reader::Reader;
use super::value::duration_from;
use crate::model::load_balancer::hold::Hold;
use crate::units::Duration;
use serde_json::{Value, json};

const HELP: &str = "write \"none\", { batch = \"10s\" }, { debounce = \"100ms\", max = \"10s\" }, { throttle = \"2s\" } or \
                    { tick = \"3s\" }";

pub fn read(reader: &mut Reader<'_, '_>, name: &'static str, (default, note): (Hold, &'static str)) -> Hold {
    reader.value(name, (schema(default), note), Some(default), |hold| shown(*hold), from).unwrap_or(default)
}

fn from(node: &Node) -> Result<Hold, (String, String)> {
    let refuse = |message: String| (message, HELP.to_owned());
    if node.text() == Some("none") {
        return Ok(Hold::None);
    }
    let Some(table) = node.table() else {
        return Err(refuse(format!("{} is no way to hold changes back", node.to_toml())));
    };
    let at = |name: &str| above_zero(table, name);
    let mut names: Vec<_> = table.entries.iter().map(|entry| entry.key.as_str()).collect();
    names.sort_unstable();
    match names[..] {
        // Zero is a batch of its own: all that comes in one instant.
        ["batch"] => Ok(Hold::Batch(duration_from(&table.entries[0].value)?)),
        ["throttle"] => Ok(Hold::Throttle(at("throttle")?)),
        ["tick"] => Ok(Hold::Tick(at("tick")?)),
        ["debounce", "max"] => {
            let (quiet, max) = (at("debounce")?, at("max")?);
            if quiet > max {
                return Err(refuse(format!("debounce ({quiet}) is above max ({max})")));
            }
            Ok(Hold::Debounce { quiet, max })
        }
        [only] if nearest(only, &["batch", "throttle", "tick", "debounce"]).is_some_and(|near| near != only) => {
            Err((format!("unknown hold `{}`", path::key(only)), HELP.to_owned()))
        }
        _ => Err(refuse(format!("{{ {} }} is no way to hold changes back", names.join(", ")))),
    }
}

fn above_zero(table: &Table, name: &str) -> Result<Duration, (String, String)> {
    let node = &table.get(name).expect("the name is in the table").value;
    match duration_from(node)? {
        Duration::ZERO => Err((format!("`{name}` must be above zero"), "write \"none\" for no hold".to_owned())),
        duration => Ok(duration),
    }
}

/// As TOML.
pub fn shown(hold: Hold) -> String {
    match hold {
        Hold::None => "\"none\"".to_owned(),
        Hold::Batch(length) => format!("{{ batch = \"{length}\" }}"),
        Hold::Debounce { quiet, max } => format!("{{ debounce = \"{quiet}\", max = \"{max}\" }}"),
        Hold::Throttle(period) => format!("{{ throttle = \"{period}\" }}"),
        Hold::Tick(period) => format!("{{ tick = \"{period}\" }}"),
    }
}

fn schema(default: Hold) -> Value {
    let duration = json!({ "type": "string", "examples": ["100ms", "2s"] });
    let form = |names: &[&str]| {
        let properties: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), duration.clone())).collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    };
    let default = match default {
        Hold::None => json!("none"),
        Hold::Batch(length) => json!({ "batch": length.to_string() }),
        Hold::Debounce { quiet, max } => json!({ "debounce": quiet.to_string(), "max": max.to_string() }),
        Hold::Throttle(period) => json!({ "throttle": period.to_string() }),
        Hold::Tick(period) => json!({ "tick": period.to_string() }),
    };
    json!({
        "oneOf": [
            { "const": "none" },
            form(&["batch"]),
            form(&["debounce", "max"]),
            form(&["throttle"]),
            form(&["tick"]),
        ],
        "default": default,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::document;

    fn hold(toml: &str) -> Result<Hold, String> {
        let table = document::parse(&format!("x = {toml}")).expect("the test's TOML is right");
        from(&table.entries[0].value).map_err(|(message, _)| message)
    }

    #[test]
    fn every_hold_reads_and_prints_as_itself() {
        for toml in [
            "\"none\"",
            "{ batch = \"10s\" }",
            "{ batch = \"0s\" }",
            "{ debounce = \"100ms\", max = \"10s\" }",
            "{ throttle = \"3.333s\" }",
            "{ tick = \"3s\" }",
        ] {
            assert_eq!(shown(hold(toml).unwrap()), toml);
        }
    }

    #[test]
    fn a_hold_that_makes_no_sense_is_refused() {
        for (toml, message) in [
            ("\"2s\"", "\"2s\" is no way to hold changes back"),
            ("{ throttle = \"0s\" }", "`throttle` must be above zero"),
            ("{ debounce = \"100ms\" }", "{ debounce } is no way to hold changes back"),
            ("{ debounce = \"2s\", max = \"1s\" }", "debounce (2s) is above max (1s)"),
            ("{ throtle = \"2s\" }", "unknown hold `throtle`"),
            ("{ tick = 3 }", "3 is a bare number, a duration needs its unit"),
        ] {
            assert_eq!(hold(toml).unwrap_err(), message, "{toml}");
        }
    }
}
