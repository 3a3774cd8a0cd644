//! `users` of a class of traffic: how many, how active, and in which sessions.

use super::document::{Kind, Node};
use super::reader::Reader;
use super::value::{count_from, number_from, wrong_kind};
use crate::model::traffic::{Activity, SessionSpec, UsersSpec};
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// With an activity that is not uniform each user takes 8 bytes.
const COUNT: RangeInclusive<u32> = 1..=10_000_000;

const HELP: &str = "write users = 1000 or users = { count = 1000 }";

fn schema() -> Value {
    json!({ "type": ["integer", "object"], "minimum": COUNT.start(), "maximum": COUNT.end() })
}

pub fn read(reader: &mut Reader<'_, '_>) -> Option<UsersSpec> {
    const NOTE: &str = "Who sends the requests: so many users, or a table that says more of them";
    let node = reader.take("users", schema, NOTE);
    let key = reader.key("users");
    let table = node.and_then(Node::table);
    if let Some(node) = node
        && table.is_none()
    {
        let is_count = matches!(node.kind, Kind::Integer(_));
        let count = if is_count {
            count_from("users", node, &COUNT)
        } else {
            Err(wrong_kind("users", node, "a whole number or a table"))
        };
        let count = count.map_err(|(message, _)| reader.pass.error(&key, node.place.clone(), message, HELP)).ok()?;
        reader.pass.parameter(key, count.to_string(), Some(node), NOTE);
        return Some(UsersSpec { count, activity: Activity::Uniform, session: None });
    }
    if table.is_none() && !reader.writes_schema() {
        return None;
    }
    let place = node.and_then(|node| node.place.clone());
    let mut users = Reader::new(reader.pass, key, table, place);
    let spec = users_of(&mut users);
    users.refuse_unknown();
    spec
}

fn users_of(reader: &mut Reader<'_, '_>) -> Option<UsersSpec> {
    let count = reader.optional_count("count", COUNT, "How many users there are");
    if !reader.has("count") {
        reader.missing("count", "say how many users there are: count = 1000");
    }
    let activity = activity(reader);
    let session = session(reader);
    Some(UsersSpec { count: count?, activity, session })
}

fn activity(reader: &mut Reader<'_, '_>) -> Activity {
    const NOTE: &str = "How active they are: uniform, or { zipf = 1.1 }, where the k-th user is 1 / k^1.1 times as active as the \
                        first. Assumption: uniform, all alike";
    const RANGE: RangeInclusive<f64> = 0.001..=10.0;
    let zipf = json!({ "type": "number", "minimum": RANGE.start(), "maximum": RANGE.end(), "examples": [1.1] });
    let zipf = json!({ "type": "object", "properties": { "zipf": zipf }, "required": ["zipf"], "additionalProperties": false });
    let schema = json!({ "oneOf": [{ "const": "uniform" }, zipf], "default": "uniform" });
    let show = |activity: &Activity| match activity {
        Activity::Uniform => "\"uniform\"".to_owned(),
        Activity::Zipf { exponent } => format!("{{ zipf = {exponent:?} }}"),
    };
    let value = reader.value("activity", (schema, NOTE), Some(Activity::Uniform), show, |node| {
        let exponent = node
            .table()
            .filter(|table| table.entries.len() == 1)
            .and_then(|table| number_from(&table.get("zipf")?.value));
        match (node.text(), exponent) {
            (Some("uniform"), _) => Ok(Activity::Uniform),
            (None, Some(exponent)) if RANGE.contains(&exponent) => Ok(Activity::Zipf { exponent }),
            (None, Some(exponent)) => {
                let help = match exponent == 0.0 {
                    true => "write activity = \"uniform\": then all are alike",
                    false => "write activity = { zipf = 1.1 }",
                };
                Err((format!("`zipf` is {exponent}, it must lie between 0.001 and 10"), help.to_owned()))
            }
            (Some(_) | None, _) => {
                Err((format!("{} is no activity", node.to_toml()), "it is \"uniform\" or { zipf = 1.1 }".to_owned()))
            }
        }
    });
    value.unwrap_or(Activity::Uniform)
}

fn session(reader: &mut Reader<'_, '_>) -> Option<SessionSpec> {
    const THINK_TIME: &str =
        "From a request of a session to its next one. Assumption: 7 s on average, exponential, as in TPC-W";
    const REQUESTS: &str = "So many requests of one user follow each other; without it each request is of any user";
    const RANGE: RangeInclusive<u32> = 1..=1_000_000;
    let schema = json!({ "type": "integer", "minimum": RANGE.start(), "maximum": RANGE.end() });
    let requests = reader.value("requests_per_session", (schema, REQUESTS), None, u32::to_string, |node| {
        let help = "write requests_per_session = 20, or leave it out: then each request is of any user";
        count_from("requests_per_session", node, &RANGE).map_err(|(message, _)| (message, help.to_owned()))
    });
    if requests.is_none() && reader.has("think_time") && !reader.has("requests_per_session") {
        let help = "write requests_per_session = 20";
        reader.missing("requests_per_session", help);
    }
    if requests.is_none() && !reader.writes_schema() {
        // Known, though nothing asks for it.
        reader.take("think_time", || json!({}), THINK_TIME);
        return None;
    }
    let think_time =
        reader.distribution("think_time", Distribution::Exponential { mean: Duration::secs(7) }, THINK_TIME);
    requests.map(|requests| SessionSpec { requests, think_time })
}
