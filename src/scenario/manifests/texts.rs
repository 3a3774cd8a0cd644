//! Names, labels, selectors and environment variables are texts: the API server refuses a number or a boolean there, also where a
//! word without quotes only looks like a text. A boolean as a key it takes for the text `true` or `false`, which nobody means.

use super::object::Object;
use super::stream::error;
use super::yaml::is_boolean_word;
use crate::scenario::diagnostic::Problem;
use crate::scenario::document::{Entry, Kind, Node};
use crate::scenario::sources::{Source, Sources};
use std::ops::Range;

/// Tables of a Rollout, a Deployment or a Service whose values are texts. A Service's selector has no matchLabels, a
/// workload's nothing else that is a number.
const TABLES: [(&str, &str); 4] = [
    ("metadata.labels", "label"),
    ("spec.selector", "selector"),
    ("spec.selector.matchLabels", "selector"),
    ("spec.template.metadata.labels", "label"),
];

const CONTAINERS: [&str; 2] = ["spec.template.spec.containers", "spec.template.spec.initContainers"];

/// What is no text and has to be one.
pub fn wrong(object: &Object, sources: &Sources) -> Vec<Problem> {
    if !["Deployment", "Rollout", "Service"].contains(&object.kind.as_str()) {
        return Vec::new();
    }
    let entries = TABLES.iter().flat_map(|(key, what)| object.entries(key).iter().map(move |entry| (*what, entry)));
    let of_tables = entries.flat_map(|(what, entry)| in_table(what, entry, sources));
    let containers = CONTAINERS.iter().flat_map(|key| object.items(key)).filter_map(Node::table);
    let variables = containers.filter_map(|container| container.find("env")?.array()).flatten();
    of_tables.chain(variables.filter_map(|variable| in_environment(variable, sources))).collect()
}

/// Of both a key and its value.
fn in_table(what: &str, entry: &Entry, sources: &Sources) -> Vec<Problem> {
    let word = |place: Option<&Range<usize>>| place.map(|place| sources.text(place)).unwrap_or_default();
    let (key, value) = (word(entry.key_place.as_ref()), word(entry.value.place.as_ref()));
    let mut problems = Vec::new();
    if is_boolean_word(key) {
        let message = format!("the key of the {what} `{key}` is a boolean, it must be a text");
        problems.push(error(message, entry.key_place.clone(), in_quotes(key)));
    }
    if let Some(is) = kind(&entry.value) {
        let name = if is_boolean_word(key) { key } else { &entry.key };
        let message = format!("the {what} `{name}` is {is}, it must be a text");
        problems.push(error(message, entry.value.place.clone(), in_quotes(value)));
    }
    problems
}

/// The name or the namespace of an object, if one of them is no text.
pub fn wrong_name(object: &Object, source: &Source) -> Option<Problem> {
    let wrong = |what: &str| {
        let node = object.find(&format!("metadata.{what}"))?;
        let message = format!("the {what} is {}, it must be a text", kind(node)?);
        let place = node.place.clone();
        let within = place.as_ref().map(|place| place.start - source.start..place.end - source.start);
        let word = within.and_then(|within| source.text.get(within)).unwrap_or_default();
        Some(error(message, place, in_quotes(word)))
    };
    wrong("name").or_else(|| wrong("namespace"))
}

/// What to write in the place of a word that is no text.
fn in_quotes(word: &str) -> String {
    if is_boolean_word(word) {
        format!(
            "`{word}` without quotes is a boolean in YAML 1.1, which Kubernetes reads: put it in quotes: \"{word}\""
        )
    } else if word.is_empty() || word.starts_with('*') {
        // It is written elsewhere: at an anchor.
        "put it in quotes".to_owned()
    } else {
        format!("put it in quotes: \"{word}\"")
    }
}

/// Where it stands is told in words: with a place the line would be shown, and with it what is nobody's business.
fn in_environment(variable: &Node, sources: &Sources) -> Option<Problem> {
    let variable = variable.table()?;
    let value = variable.find("value")?;
    let is = kind(value)?;
    let name = variable.find("name").and_then(Node::text).unwrap_or_default();
    let place = value.place.as_ref()?;
    let file = sources.locate(place).map_or("", |(source, _)| source.name.as_str());
    let (line, column) = sources.line_and_column(place.start);
    let message = format!("the value of the environment variable `{name}` is {is}, it must be a text");
    Some(error(message, None, format!("it stands at {file}:{line}:{column}: put it in quotes")))
}

/// What it is, if that is no text. Null is the empty text, and a table in the place of a text is told by others.
fn kind(node: &Node) -> Option<&'static str> {
    match node.kind {
        Kind::Integer(_) | Kind::Float(_) => Some("a number"),
        Kind::Boolean(_) => Some("a boolean"),
        Kind::String(_) | Kind::Datetime(_) | Kind::Array(_) | Kind::Table(_) => None,
    }
}
