//! Routes of a canary besides its weight: `trafficRouting.managedRoutes` and the steps that make them.

use super::document::{Node, Table};
use super::entry::Entry;
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::steps::inner_table;
use super::string_match;
use super::value::{percent_from, text_from};
use crate::model::request_match::StringMatch;
use crate::model::rollout::step::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute};
use crate::units::Percent;
use serde_json::{Value, json};

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn name_schema() -> Value {
    json!({ "type": "string", "description": "Name of the route", "examples": ["canary-by-header"] })
}

/// Of `managedRoutes`.
pub fn schema() -> Value {
    json!({ "type": "array", "items": object(json!({ "name": name_schema() }), &["name"]) })
}

pub fn header_schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let value = object(
        json!({
            "exact": text("The whole value; an ALB takes no other form"),
            "regex": text("Not with an ALB"),
            "prefix": text("Not with an ALB"),
        }),
        &[],
    );
    let one = object(
        json!({ "headerName": text("Name of the header"), "headerValue": value }),
        &["headerName", "headerValue"],
    );
    let matches = json!({
        "type": "array",
        "items": one,
        "description": "Requests with these headers go to the canary; without it the route is removed",
    });
    object(json!({ "name": name_schema(), "match": matches }), &["name"])
}

pub fn mirror_schema() -> Value {
    let one = json!({
        "type": "object",
        "properties": {
            "method": string_match_schema(),
            "path": string_match_schema(),
            "headers": { "type": "object", "additionalProperties": string_match_schema() },
        },
        "additionalProperties": false,
    });
    let matches = json!({
        "type": "array",
        "items": one,
        "description": "The requests that are copied; without it the route is removed",
    });
    let percentage = json!({ "type": "integer", "minimum": 0, "maximum": 100, "description": "So many of them" });
    let mut schema = object(json!({ "name": name_schema(), "match": matches, "percentage": percentage }), &["name"]);
    schema["description"] = json!("Istio alone does it: the Rollouts controller refuses it with an ALB");
    schema
}

fn string_match_schema() -> Value {
    let text = json!({ "type": "string" });
    object(json!({ "exact": text, "prefix": text, "regex": text }), &[])
}

/// The names of `managedRoutes`.
pub fn managed(pass: &mut Pass, key: &str, node: Option<&Node>) -> Vec<String> {
    const HELP: &str = "write managedRoutes = [{ name = \"canary-by-header\" }]";
    let Some(node) = node else { return Vec::new() };
    let names = array(pass, key, node, HELP).iter().enumerate().filter_map(|(index, item)| {
        let key = format!("{key}[{index}]");
        let table = inner_table(pass, &key, item, &["name"])?;
        required(pass, &key, (item, table), "name")
    });
    names.collect()
}

pub fn header(pass: &mut Pass, key: &str, node: &Node) -> Option<HeaderRoute> {
    const HELP: &str = "write match = [{ headerName = \"X-Canary\", headerValue = { exact = \"always\" } }]";
    let table = inner_table(pass, key, node, &["name", "match"])?;
    let name = required(pass, key, (node, table), "name");
    let items = table.get("match").map_or(&[][..], |entry| array(pass, &path::join(key, "match"), &entry.value, HELP));
    let matches = items.iter().enumerate().filter_map(|(index, item)| {
        let key = format!("{key}.match[{index}]");
        header_match(pass, &key, item)
    });
    let matches = matches.collect();
    Some(HeaderRoute { name: name?, matches })
}

fn header_match(pass: &mut Pass, key: &str, node: &Node) -> Option<HeaderMatch> {
    let table = inner_table(pass, key, node, &["headerName", "headerValue"])?;
    let header_name = required(pass, key, (node, table), "headerName");
    let mut value = None;
    if let Some(entry) = table.get("headerValue") {
        const FORMS: [&str; 3] = ["exact", "regex", "prefix"];
        let key = path::join(key, "headerValue");
        let table = inner_table(pass, &key, &entry.value, &FORMS)?;
        let [exact, regex, prefix] = FORMS.map(|form| optional(pass, &key, table, form));
        value = exact.map(StringMatch::Exact).or(regex.map(StringMatch::Regex)).or(prefix.map(StringMatch::Prefix));
        if let Some(reason) = value.as_ref().and_then(StringMatch::refusal) {
            let place = table.get("regex").and_then(|entry| entry.value.place.clone());
            let message = format!("this is no regular expression: {reason}");
            pass.error(&path::join(&key, "regex"), place, message, "the proxies read RE2");
        }
    }
    // A match without a value, or with several, the controller refuses: the run does not start.
    Some(HeaderMatch { header_name: header_name?, value: value.unwrap_or(StringMatch::Exact(String::new())) })
}

pub fn mirror(pass: &mut Pass, key: &str, node: &Node) -> Option<MirrorRoute> {
    const HELP: &str = "write match = [{ method = { exact = \"GET\" } }]";
    let table = inner_table(pass, key, node, &["name", "match", "percentage"])?;
    let name = required(pass, key, (node, table), "name");
    let items = table.get("match").map_or(&[][..], |entry| array(pass, &path::join(key, "match"), &entry.value, HELP));
    let matches =
        items.iter().enumerate().map(|(index, item)| mirror_match(pass, &format!("{key}.match[{index}]"), item));
    let matches = matches.collect();
    let mut percentage = Percent::HUNDRED;
    if let Some(entry) = table.get("percentage") {
        match percent_from("percentage", &entry.value) {
            Ok(percent) => percentage = percent,
            Err((message, help)) => {
                pass.error(&path::join(key, "percentage"), entry.value.place.clone(), message, help)
            }
        }
    }
    Some(MirrorRoute { name: name?, matches, percentage })
}

fn mirror_match(pass: &mut Pass, key: &str, node: &Node) -> MirrorMatch {
    let mut entry = Entry::new(pass, key.to_owned(), node);
    let [method, path] = ["method", "path"].map(|name| entry.inner(name).and_then(string_match::read));
    let headers = entry.inner("headers").map(string_match::read_named).unwrap_or_default();
    entry.refuse_unknown();
    MirrorMatch { method, path, headers }
}

fn array<'a>(pass: &mut Pass, key: &str, node: &'a Node, help: &str) -> &'a [Node] {
    node.array().unwrap_or_else(|| {
        pass.error(key, node.place.clone(), format!("this is {}, it must be an array", node.kind_name()), help);
        &[]
    })
}

fn optional(pass: &mut Pass, key: &str, table: &Table, name: &str) -> Option<String> {
    let node = &table.get(name)?.value;
    let text = text_from(name, node);
    text.map_err(|(message, help)| pass.error(&path::join(key, name), node.place.clone(), message, help)).ok()
}

fn required(pass: &mut Pass, parent: &str, (node, table): (&Node, &Table), name: &str) -> Option<String> {
    if table.get(name).is_none() {
        // An unknown key is a problem already, and may be this one misspelt.
        let is_unknown = |key: &str| {
            let key = path::join(parent, key);
            pass.problems.iter().any(|problem| problem.key == key && problem.message.starts_with("unknown key "))
        };
        if table.entries.iter().any(|entry| is_unknown(&entry.key) && nearest(&entry.key, &[name]).is_some()) {
            return None;
        }
        let message = format!("`{name}` is missing");
        pass.error(&path::join(parent, name), node.place.clone(), message, format!("write {name} = \"…\""));
        return None;
    }
    optional(pass, parent, table, name)
}
