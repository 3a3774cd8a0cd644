//! A table inside of a list: read key by key, as the tables of the file are, but reported as a part of its list.

use super::document::Node;
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::value::{duration_from, text_from, wrong_kind};
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
            let message = format!("this is {}, it must be a table", node.kind_name());
            pass.error(&key, node.place.clone(), message, "write { name = value, … } in its place");
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

    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.read(name, |node| node.boolean().ok_or_else(|| wrong_kind(name, node, "true or false")))
    }

    /// It is a mistake to leave this key out.
    pub fn requires(&mut self, name: &'static str, help: &str) {
        let is_missing = self.node.table().is_some_and(|table| table.get(name).is_none());
        if is_missing {
            self.error(name, (format!("`{name}` is missing"), help.to_owned()));
        }
    }

    pub fn required(&mut self, name: &'static str, help: &str) -> String {
        self.requires(name, help);
        self.text(name).unwrap_or_default()
    }

    /// A text of a closed list.
    pub fn one_of(&mut self, name: &'static str, words: &[&'static str]) -> Option<&'static str> {
        self.read(name, |node| {
            let text = text_from(name, node)?;
            let known = words.iter().copied().find(|word| *word == text);
            let help = match nearest(&text, words) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is {}", words.join(", ")),
            };
            known.ok_or_else(|| (format!("`{name}` cannot be `{text}`"), help))
        })
    }

    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.read(name, duration_from)
    }

    pub fn whole(&mut self, name: &'static str, least: i64) -> Option<i64> {
        self.read(name, |node| {
            let text = node.text().and_then(|text| text.parse().ok());
            let number = node.integer().or(text).filter(|number| (least..=1_000_000).contains(number));
            let message = || format!("{} is not a whole number from {least} to 1,000,000", node.to_toml());
            number.ok_or_else(|| (message(), format!("write {name} = {}", least.max(1))))
        })
    }

    pub fn count(&mut self, name: &'static str, default: u32) -> u32 {
        self.whole(name, 0).map_or(default, |number| u32::try_from(number).expect("it is in its range"))
    }

    /// A table in this one.
    pub fn inner(&mut self, name: &'static str) -> Option<Entry<'a, '_>> {
        let node = self.get(name)?;
        Some(Entry::new(self.pass, path::join(&self.key, name), node))
    }

    /// What stands in an array.
    pub fn items(&mut self, name: &'static str) -> &'a [Node] {
        let Some(node) = self.get(name) else { return &[] };
        array(self.pass, &path::join(&self.key, name), node)
    }

    /// What each table of an array comes to.
    pub fn list<T>(&mut self, name: &'static str, read: fn(Entry<'_, '_>) -> Option<T>) -> Vec<T> {
        let Some(node) = self.get(name) else { return vec![] };
        list((self.pass, &path::join(&self.key, name)), node, read)
    }

    /// What each table of a table comes to, whose names are the user's own.
    pub fn each<T>(&mut self, mut read: impl FnMut(&str, Entry<'_, '_>) -> Option<T>) -> Vec<T> {
        let entries = self.node.table().map_or(&[][..], |table| &table.entries);
        let read = |one: &super::document::Entry| {
            read(&one.key, Entry::new(self.pass, path::join(&self.key, &one.key), &one.value))
        };
        entries.iter().filter_map(read).collect()
    }

    /// The strings of an array.
    pub fn texts(&mut self, name: &'static str) -> Vec<String> {
        let Some(node) = self.get(name) else { return vec![] };
        texts(self.pass, &path::join(&self.key, name), node)
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

fn array<'a>(pass: &mut Pass, key: &str, node: &'a Node) -> &'a [Node] {
    node.array().unwrap_or_else(|| {
        let message = format!("this is {}, it must be an array", node.kind_name());
        pass.error(key, node.place.clone(), message, "put it in brackets: [ … ]");
        &[]
    })
}

/// What each table of an array comes to.
pub fn list<T>(
    (pass, key): (&mut Pass, &str),
    node: &Node,
    mut read: impl FnMut(Entry<'_, '_>) -> Option<T>,
) -> Vec<T> {
    let items = array(pass, key, node);
    let read = |(index, item): (usize, &Node)| read(Entry::new(pass, format!("{key}[{index}]"), item));
    items.iter().enumerate().filter_map(read).collect()
}

/// The strings of an array.
pub fn texts(pass: &mut Pass, key: &str, node: &Node) -> Vec<String> {
    let items = array(pass, key, node);
    let read = |(index, item): (usize, &Node)| match text_from("it", item) {
        Ok(text) => Some(text),
        Err((_, help)) => {
            let message = format!("this is {}, it must be a string", item.kind_name());
            pass.error(&format!("{key}[{index}]"), item.place.clone(), message, help);
            None
        }
    };
    items.iter().enumerate().filter_map(read).collect()
}
