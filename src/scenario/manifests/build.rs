//! Values of a document that manifests amount to: each with the place of what it comes from.

use crate::scenario::document::{Entry, Kind, Node, Table};
use std::ops::Range;

pub fn text(text: &str, place: &Option<Range<usize>>) -> Node {
    Node { kind: Kind::String(text.to_owned()), place: place.clone() }
}

pub fn integer(number: i64, place: &Option<Range<usize>>) -> Node {
    Node { kind: Kind::Integer(number), place: place.clone() }
}

pub fn array(items: Vec<Node>, place: &Option<Range<usize>>) -> Node {
    Node { kind: Kind::Array(items), place: place.clone() }
}

pub fn table<const N: usize>(entries: [(&str, Node); N], place: &Option<Range<usize>>) -> Node {
    let entries = entries.map(|(key, value)| entry(key, value));
    Node { kind: Kind::Table(Table { entries: entries.to_vec() }), place: place.clone() }
}

pub fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_place: value.place.clone(), value }
}

/// Puts a value in the place of another, or behind all.
pub fn put(table: &mut Table, key: &str, value: Node) {
    match table.entries.iter_mut().find(|entry| entry.key == key) {
        Some(entry) => entry.value = value,
        None => table.entries.push(entry(key, value)),
    }
}

pub fn remove(table: &mut Table, key: &str) -> Option<Entry> {
    let at = table.entries.iter().position(|entry| entry.key == key)?;
    Some(table.entries.remove(at))
}

/// The table at a dotted key, if there is one.
pub fn inside<'t>(table: &'t mut Table, path: &[&str]) -> Option<&'t mut Table> {
    let mut table = table;
    for key in path {
        let entry = table.entries.iter_mut().find(|entry| entry.key == *key)?;
        let Kind::Table(inner) = &mut entry.value.kind else { return None };
        table = inner;
    }
    Some(table)
}
