//! A table inside of a list: read key by key, as the tables of the file are, but reported as a part of its list.

use super::document::Node;
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::value::duration_from;
use crate::units::Duration;

/// A table inside of the file whose values are no parameters by themselves: the whole list is one.
pub struct Entry<'a, 'p> {
    pub pass: &'p mut Pass,
    pub key: String,
    node: &'a Node,
    known: Vec<&'static str>,
}

impl<'a, 'p> Entry<'a, 'p> {
    pub fn new(pass: &'p mut Pass, key: String, node: &'a Node) -> Self {
        if node.table().is_none() {
            pass.error(&key, node.place.clone(), format!("this is {}, it must be a table", node.kind_name()), "");
        }
        Self { pass, key, node, known: vec![] }
    }

    /// Keys that somebody else reads.
    pub fn knows(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Where it stands.
    pub fn place(&self) -> Option<std::ops::Range<usize>> {
        self.node.place.clone()
    }

    /// A real field that would change the result, and that this version does not follow.
    pub fn not_simulated(&mut self, name: &'static str) {
        self.known.push(name);
        if let Some(entry) = self.node.table().and_then(|table| table.get(name)) {
            let message = format!("`{name}` is not simulated yet");
            let help = "leave it out to see the rollout without it".to_owned();
            self.pass.not_simulated(&path::join(&self.key, name), entry.key_place.clone(), message, help);
        }
    }

    pub fn get(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        Some(&self.node.table()?.get(name)?.value)
    }

    pub fn error(&mut self, name: &str, (message, help): (String, String)) {
        let node = self.node.table().and_then(|table| table.get(name)).map_or(self.node, |entry| &entry.value);
        self.pass.error(&path::join(&self.key, name), node.place.clone(), message, help);
    }

    pub fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node) -> Result<T, (String, String)>,
    ) -> Option<T> {
        let result = read(self.get(name)?);
        result.map_err(|problem| self.error(name, problem)).ok()
    }

    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, |node| match node.text() {
            Some(text) => Ok(text.to_owned()),
            None => Err((format!("`{name}` is {}, it must be a text", node.kind_name()), String::new())),
        })
    }

    pub fn required(&mut self, name: &'static str, help: &str) -> String {
        let is_missing = self.node.table().is_some_and(|table| table.get(name).is_none());
        if is_missing {
            self.error(name, (format!("`{name}` is missing"), help.to_owned()));
        }
        self.text(name).unwrap_or_default()
    }

    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.read(name, duration_from)
    }

    pub fn whole(&mut self, name: &'static str, least: i64) -> Option<i64> {
        self.read(name, |node| {
            let text = node.text().and_then(|text| text.parse().ok());
            let number = node.integer().or(text).filter(|number| (least..=1_000_000).contains(number));
            number.ok_or_else(|| (format!("{} is not a number from {least} to 1000000", node.to_toml()), String::new()))
        })
    }

    pub fn count(&mut self, name: &'static str, default: u32) -> u32 {
        self.whole(name, 0).map_or(default, |number| u32::try_from(number).expect("it is in its range"))
    }

    pub fn items(&mut self, name: &'static str) -> &'a [Node] {
        self.get(name).and_then(Node::array).unwrap_or_default()
    }

    pub fn refuse_unknown(&mut self) {
        let entries = self.node.table().map_or(&[][..], |table| &table.entries);
        for entry in entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = format!("unknown key `{}`", entry.key);
            let help = match nearest(&entry.key, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.pass.unknown(&path::join(&self.key, &entry.key), entry.key_place.clone(), message, help);
        }
    }
}
