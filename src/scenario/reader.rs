//! A cursor over the document: each call reads one key, and so declares it.
//!
//! One pass over the file format gives everything that is to be known of it: the values, the problems, the parameters
//! that reports list, the keys that exist (so that the others can be refused with the nearest one), and, over an empty
//! document, the JSON Schema.

use super::document::{Node, Table};
use super::manifests::ignored::Reason;
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::quoted::quoted;
use super::schema::Field;
use super::value::{count_from, distribution_from, duration_from, number_from, text_from, wrong_kind};
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::{Value, json};
use std::ops::{Range, RangeInclusive};

/// A table of the document, or the absence of one: then every key has its default.
#[derive(Debug)]
pub struct Reader<'a, 'p> {
    pub pass: &'p mut Pass,
    pub path: String,
    table: Option<&'a Table>,
    place: Option<Range<usize>>,
    known: Vec<&'a str>,
    /// Real fields that have been refused already.
    not_simulated: Vec<&'static str>,
}

impl<'a, 'p> Reader<'a, 'p> {
    pub fn new(pass: &'p mut Pass, path: String, table: Option<&'a Table>, place: Option<Range<usize>>) -> Self {
        Self { pass, path, table, place, known: Vec::new(), not_simulated: Vec::new() }
    }

    pub fn key(&self, name: &str) -> String {
        path::join(&self.path, name)
    }

    pub fn writes_schema(&self) -> bool {
        self.pass.fields.is_some()
    }

    /// The value at `name`, without a parameter of its own.
    pub fn take(&mut self, name: &'static str, schema: impl FnOnce() -> Value, note: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let path = self.key(name);
        if let Some(fields) = &mut self.pass.fields {
            fields.push(Field { path, schema: schema(), note });
        }
        self.table.and_then(|table| table.get(name)).map(|entry| &entry.value)
    }

    /// Whether the document has this table at all.
    pub fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// A name of the user's own is no mistake.
    pub fn accept(&mut self, name: &'a str) {
        self.known.push(name);
    }

    /// A real field that the controller refuses where it stands: `validation` says so, and nobody offers it.
    pub fn refused_by_controller(&mut self, name: &'static str) {
        self.not_simulated.push(name);
    }

    /// A problem with the table as a whole.
    pub fn error_here(&mut self, message: impl Into<String>, help: impl Into<String>) {
        let (key, place) = (self.path.clone(), self.place.clone());
        self.pass.error(&key, place, message, help);
    }

    /// A problem with one value as it goes together with the others.
    pub fn error_at(&mut self, name: &str, message: impl Into<String>, help: &str) {
        let (key, place) = (self.key(name), self.place_of(name));
        self.pass.error(&key, place, message, help);
    }

    /// Where a value stands; where the table does, if it is not there.
    pub fn place_of(&self, name: &str) -> Option<Range<usize>> {
        let value = self.peek(name).and_then(|node| node.place.clone());
        value.or_else(|| self.place.clone())
    }

    /// Where the table stands.
    pub fn place(&self) -> Option<Range<usize>> {
        self.place.clone()
    }

    pub fn has(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// A look at a value that is read elsewhere.
    pub fn peek(&self, name: &str) -> Option<&'a Node> {
        self.table.and_then(|table| table.get(name)).map(|entry| &entry.value)
    }

    /// The entries whose keys `take` has not read: for tables with names of the user's own.
    pub fn others(&self) -> impl Iterator<Item = &'a super::document::Entry> {
        let known: Vec<_> = self.known.iter().chain(&self.not_simulated).copied().collect();
        let entries = self.table.map_or(&[][..], |table| &table.entries);
        entries.iter().filter(move |entry| !known.contains(&entry.key.as_str()))
    }

    pub fn table<T>(
        &mut self,
        name: &'static str,
        note: &'static str,
        read: impl FnOnce(&mut Reader<'a, '_>) -> T,
    ) -> T {
        let node = self.take(name, || json!({ "type": "object" }), note);
        let path = self.key(name);
        let table = node.and_then(Node::table);
        if let Some(node) = node
            && table.is_none()
        {
            let message = format!("`{name}` is {}, it must be a table", node.kind_name());
            self.pass.error(&path, node.place.clone(), message, format!("write {name} = {{ … }} or [{path}]"));
        }
        let place = node.and_then(|node| node.place.clone()).or_else(|| self.place.clone());
        let mut reader = Reader::new(self.pass, path, table, place);
        let value = read(&mut reader);
        reader.refuse_unknown();
        value
    }

    /// None if the table is not there at all.
    pub fn optional_table<T>(
        &mut self,
        name: &'static str,
        note: &'static str,
        read: impl FnOnce(&mut Reader<'a, '_>) -> T,
    ) -> Option<T> {
        let parameters = self.pass.parameters.len();
        let value = self.table(name, note, |reader| (reader.exists() || reader.writes_schema()).then(|| read(reader)));
        // That it is there says something even if nothing is in it.
        if value.is_some() && self.pass.parameters.len() == parameters {
            let node = self.table.and_then(|table| table.get(name)).map(|entry| &entry.value);
            self.pass.parameter(self.key(name), "{}".to_owned(), node, note);
        }
        value
    }

    /// Every key that nobody asked for is a mistake.
    pub fn refuse_unknown(&mut self) {
        let unknown: Vec<_> = self.others().collect();
        for entry in unknown {
            let key = self.key(&entry.key);
            let message = format!("unknown key `{}`", entry.key);
            let help = match nearest(&entry.key, &[&self.known[..], &self.not_simulated].concat()) {
                Some(known) => format!("did you mean `{known}`?"),
                None if self.known.is_empty() => "no key belongs here".to_owned(),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.pass.unknown(&key, entry.key_place.clone(), message, help);
        }
    }

    pub fn missing(&mut self, name: &'static str, help: &str) {
        let (key, place) = (self.key(name), self.place.clone().map(|place| place.start..place.start));
        self.pass.error(&key, place, format!("`{key}` is missing"), help);
    }

    /// Reads one value; a bad one is a problem, and the default goes on.
    pub fn value<T>(
        &mut self,
        name: &'static str,
        (schema, note): (Value, &'static str),
        default: Option<T>,
        show: impl Fn(&T) -> String,
        read: impl FnOnce(&Node) -> Result<T, (String, String)>,
    ) -> Option<T> {
        let node = self.take(name, || schema, note);
        let key = self.key(name);
        let value = match node.map(read) {
            None => default,
            Some(Ok(value)) => Some(value),
            Some(Err((message, help))) => {
                self.pass.error(&key, node.and_then(|node| node.place.clone()), message, help);
                default
            }
        };
        if let Some(value) = &value {
            self.pass.parameter(key, show(value), node, note);
        }
        value
    }

    pub fn duration(&mut self, name: &'static str, default: Duration, note: &'static str) -> Duration {
        let schema = json!({ "type": "string", "default": default.to_string(), "examples": ["30s", "250ms", "1m30s"] });
        let show = |value: &Duration| format!("\"{value}\"");
        self.value(name, (schema, note), Some(default), show, duration_from).unwrap_or(default)
    }

    pub fn whole_seconds(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Duration>,
        default: Option<Duration>,
        note: &'static str,
    ) -> Option<Duration> {
        let mut schema = json!({ "type": "string", "examples": ["60s", "2m", "24h"] });
        if let Some(default) = default {
            schema["default"] = json!(default.to_string());
        }
        let show = |value: &Duration| format!("\"{value}\"");
        self.value(name, (schema, note), default, show, |node| {
            let duration = duration_from(node)?;
            if duration.as_nanos() % 1_000_000_000 != 0 {
                return Err((
                    format!("`{name}` is {duration}, it must be whole seconds"),
                    "write it like \"60s\"".into(),
                ));
            }
            if range.contains(&duration) {
                return Ok(duration);
            }
            let message = format!("`{name}` is {duration}, it must lie between {} and {}", range.start(), range.end());
            Err((message, String::new()))
        })
    }

    pub fn distribution(&mut self, name: &'static str, default: Distribution, note: &'static str) -> Distribution {
        let mut schema = json!({ "$ref": "#/definitions/delay" });
        schema["default"] = super::schema::delay(&default);
        let value = self.value(name, (schema, note), Some(default.clone()), Distribution::to_string, distribution_from);
        value.unwrap_or(default)
    }

    /// A delay that stands for something only if it is there.
    pub fn optional_distribution(&mut self, name: &'static str, note: &'static str) -> Option<Distribution> {
        let schema = json!({ "$ref": "#/definitions/delay" });
        self.value(name, (schema, note), None, Distribution::to_string, distribution_from)
    }

    /// How many times as much.
    pub fn optional_factor(&mut self, name: &'static str, note: &'static str) -> Option<f64> {
        const RANGE: RangeInclusive<f64> = 0.001..=1_000.0;
        let schema = json!({ "type": "number", "minimum": RANGE.start(), "maximum": RANGE.end() });
        let show = |factor: &f64| format!("{factor:?}");
        self.value(name, (schema, note), None, show, |node| {
            let number = number_from(node).ok_or_else(|| wrong_kind(name, node, "a number, as 2.5"))?;
            let message = || format!("`{name}` is {number}, it must lie between 0.001 and 1000");
            if RANGE.contains(&number) { Ok(number) } else { Err((message(), String::new())) }
        })
    }

    pub fn count(&mut self, name: &'static str, range: RangeInclusive<u32>, default: u32, note: &'static str) -> u32 {
        let schema = json!({ "type": "integer", "minimum": range.start(), "maximum": range.end(), "default": default });
        let value =
            self.value(name, (schema, note), Some(default), u32::to_string, |node| count_from(name, node, &range));
        value.unwrap_or(default)
    }

    /// Seconds as Kubernetes writes them: a plain integer.
    pub fn seconds(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
        note: &'static str,
    ) -> Duration {
        let schema = json!({ "type": "integer", "minimum": range.start(), "maximum": range.end(), "default": default });
        let value = self.value(name, (schema, note), Some(default), u32::to_string, |node| match node.text() {
            Some(text) => {
                let help = format!("Kubernetes counts in seconds here: write {name} = 30");
                Err((format!("`{text}` is a string, `{name}` must be an integer"), help))
            }
            None => count_from(name, node, &range),
        });
        Duration::secs(u64::from(value.unwrap_or(default)))
    }

    pub fn optional_count(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        note: &'static str,
    ) -> Option<u32> {
        let schema = json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() });
        self.value(name, (schema, note), None, u32::to_string, |node| count_from(name, node, &range))
    }

    /// One of a few words; the first is the default.
    pub fn choice<T: Clone + PartialEq>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
        note: &'static str,
    ) -> T {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let schema = json!({ "type": "string", "enum": words, "default": words[0] });
        let show = |value: &T| {
            let (word, _) = choices.iter().find(|(_, choice)| choice == value).expect("a choice is in its list");
            quoted(word)
        };
        let value = self.value(name, (schema, note), Some(choices[0].1.clone()), show, |node| {
            let text = text_from(name, node)?;
            let choice = choices.iter().find(|(word, _)| *word == text);
            choice.map(|(_, choice)| choice.clone()).ok_or_else(|| {
                let help = format!("it is one of {}", words.join(", "));
                (format!("`{text}` is no choice for `{name}`"), help)
            })
        });
        value.unwrap_or_else(|| choices[0].1.clone())
    }

    pub fn text(&mut self, name: &'static str, default: Option<&str>, note: &'static str) -> Option<String> {
        let default = default.map(str::to_owned);
        let show = |text: &String| quoted(text);
        self.value(name, (json!({ "type": "string" }), note), default, show, |node| text_from(name, node))
    }

    pub fn boolean(&mut self, name: &'static str, default: bool, note: &'static str) -> bool {
        let schema = json!({ "type": "boolean", "default": default });
        let value = self.value(name, (schema, note), Some(default), bool::to_string, |node| {
            node.boolean().ok_or_else(|| wrong_kind(name, node, "true or false"))
        });
        value.unwrap_or(default)
    }

    /// A part of a whole, 0 to 1.
    pub fn share(&mut self, name: &'static str, default: f64, note: &'static str) -> f64 {
        let schema = json!({ "type": "number", "minimum": 0, "maximum": 1, "default": default });
        let show = |share: &f64| format!("{share:?}");
        let value = self.value(name, (schema, note), Some(default), show, |node| {
            let percent = node.text().and_then(|text| text.strip_suffix('%')?.trim().parse::<f64>().ok());
            let percent = percent.or(number_from(node)).filter(|percent| (0.0..=100.0).contains(percent));
            let help = || format!("write {name} = {:?}", percent.map_or(0.1, |percent| percent / 100.0));
            let wrong_kind = || wrong_kind(name, node, "a number between 0.0 and 1.0").0;
            let number = number_from(node).ok_or_else(|| (wrong_kind(), help()))?;
            let message = || format!("`{name}` is {number}, it must lie between 0.0 and 1.0");
            if (0.0..=1.0).contains(&number) { Ok(number) } else { Err((message(), help())) }
        });
        value.unwrap_or(default)
    }

    /// Taken over from a manifest; the simulation does not look at it.
    pub fn ignored(&mut self, names: &[&'static str]) {
        const NOTE: &str = "Accepted, without effect on the simulation";
        for name in names {
            let Some(node) = self.take(name, || json!({}), NOTE) else { continue };
            let key = self.key(name);
            if self.pass.is_of_manifest(node.place.as_ref()) {
                // Nor is it shown: a manifest may hold what nobody should read.
                self.pass.ignore(key, node.place.clone(), Reason::WithoutEffect);
            } else {
                self.pass.parameter(key, node.to_toml(), Some(node), NOTE);
            }
        }
    }

    /// One of several routers, of which another is played.
    pub fn not_played(&mut self, name: &'static str, played: &str) {
        self.not_simulated.push(name);
        if let Some(entry) = self.table.and_then(|table| table.get(name)) {
            let message = format!("one router is simulated: `{played}`");
            let help = format!("leave `{name}` out, or `{played}`");
            self.pass.not_simulated(&self.key(name), entry.key_place.clone(), message, help);
        }
    }

    /// Real fields that would change the result, and that this version does not follow.
    pub fn not_simulated(&mut self, names: &[&'static str]) {
        for name in names {
            // Known to the reader, but offered neither by the schema nor by a help.
            self.not_simulated.push(name);
            if let Some(entry) = self.table.and_then(|table| table.get(name)) {
                let key = self.key(name);
                let message = format!("`{name}` is not simulated yet");
                let help = "leave it out to see the rollout without it".to_owned();
                self.pass.not_simulated(&key, entry.key_place.clone(), message, help);
            }
        }
    }
}
