//! Changes of manifests: the smallest that helps, in the user's own text, whose comments and format stay.

use crate::scenario::document::{Entry, Node, Table};
use crate::scenario::manifests::object::Object;
use crate::scenario::path::{self, Segment};
use crate::scenario::sources::Sources;
use std::ops::Range;

/// One or several edits that make sense together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What to write: `set dynamicStableScale: false`.
    pub words: String,
    pub edits: Vec<Edit>,
}

/// Some bytes of the texts, and what takes their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub at: Range<usize>,
    pub text: String,
}

impl Change {
    /// Sets a field of an object to a value in YAML: `false`, `30`, `"25%"`.
    pub fn set(sources: &Sources, object: &Object, key: &str, value: &str) -> Option<Self> {
        let edit = set(sources, object, key, value)?;
        Some(Self { words: format!("set {}: {value}", short(key)), edits: vec![edit] })
    }

    /// Takes a field out.
    pub fn remove(sources: &Sources, object: &Object, key: &str) -> Option<Self> {
        let edit = remove(sources, object, key)?;
        Some(Self { words: format!("remove {}", short(key)), edits: vec![edit] })
    }

    /// This change and another.
    pub fn and(mut self, other: Option<Self>) -> Option<Self> {
        let other = other?;
        self.words = format!("{}, {}", self.words, other.words);
        self.edits.extend(other.edits);
        Some(self)
    }
}

/// A key without what its readers know of it: where strategies and pods stand.
fn short(key: &str) -> &str {
    let mut key = key;
    for prefix in ["spec.", "strategy.", "canary.", "blueGreen.", "template.spec."] {
        key = key.strip_prefix(prefix).unwrap_or(key);
    }
    match key.strip_prefix("containers[").and_then(|rest| rest.split_once("].")) {
        Some((_, rest)) => rest,
        None => key,
    }
}

/// A list in block style, each of whose items begins on a line of its own: for changes of whole items.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    pub sources: &'a Sources,
    pub object: &'a Object,
    /// The dotted key of the list.
    pub key: &'a str,
}

impl List<'_> {
    /// New items above the one of that number.
    pub fn before(&self, index: usize, items: &[&str]) -> Option<Edit> {
        let (lines, indent) = self.lines(index)?;
        let newline = newline(&self.sources.locate(&lines)?.0.text);
        let text: String = items.iter().map(|item| format!("{indent}- {item}{newline}")).collect();
        Some(Edit { at: lines.start..lines.start, text })
    }

    /// New items below the one of that number.
    pub fn after(&self, index: usize, items: &[&str]) -> Option<Edit> {
        let (lines, indent) = self.lines(index)?;
        let newline = newline(&self.sources.locate(&lines)?.0.text);
        let text: String = items.iter().map(|item| format!("{newline}{indent}- {item}")).collect();
        Some(Edit { at: lines.end..lines.end, text })
    }

    /// Without the item of that number.
    pub fn without(&self, index: usize) -> Option<Edit> {
        let (lines, _) = self.lines(index)?;
        let (source, within) = self.sources.locate(&lines)?;
        let newline = usize::from(source.text[within.end..].starts_with('\n'));
        Some(Edit { at: lines.start..lines.end + newline, text: String::new() })
    }

    /// The lines of an item, without the last line break, and the spaces before its dash. An alias has the place of its
    /// anchor, so the lines are told by how far they stand in.
    fn lines(&self, index: usize) -> Option<(Range<usize>, String)> {
        let item = self.object.items(self.key).get(index)?;
        let (source, within) = self.sources.locate(item.place.as_ref()?)?;
        let start = source.text[..within.start].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &source.text[start..within.start];
        let indent = before.trim_end().strip_suffix('-').filter(|indent| indent.chars().all(|c| c == ' '))?;
        let (mut at, mut end) = (start, start);
        for (number, line) in source.text[start..].split_inclusive('\n').enumerate() {
            let text = line.trim_end();
            let is_further_in = text.len() - text.trim_start().len() > indent.len();
            if number > 0 && !text.is_empty() && !is_further_in {
                break;
            }
            if !text.is_empty() && (number == 0 || !text.trim_start().starts_with('#')) {
                end = at + text.len();
            }
            at += line.len();
        }
        Some((source.start + start..source.start + end, indent.to_owned()))
    }
}

/// The texts with the edits; None if two of them overlap. An edit that stands twice counts once.
pub fn apply(sources: &Sources, edits: &[Edit]) -> Option<Sources> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    edits.dedup();
    if edits.windows(2).any(|pair| pair[1].at.start < pair[0].at.end) {
        return None;
    }
    let mut changed = Vec::new();
    for source in sources.texts() {
        let mut text = source.text.clone();
        let end = source.start + source.text.len();
        for edit in edits.iter().rev().filter(|edit| edit.at.start >= source.start && edit.at.end <= end) {
            let within = edit.at.start - source.start..edit.at.end - source.start;
            text.get(within.clone())?;
            text.replace_range(within, &edit.text);
        }
        changed.push(text);
    }
    Some(sources.with_texts(changed))
}

/// What a path leads to, as far as it leads.
struct Way<'a> {
    /// The innermost value that is there.
    node: Option<&'a Node>,
    table: &'a Table,
    /// The keys that are not there.
    rest: Vec<String>,
    /// The last entry on the way.
    entry: Option<&'a Entry>,
}

fn walk<'a>(object: &'a Object, key: &str) -> Option<Way<'a>> {
    let mut way = Way { node: None, table: &object.table, rest: Vec::new(), entry: None };
    let mut segments = path::parse(key).ok()?.into_iter();
    while let Some(segment) = segments.next() {
        let within = way.node.and_then(|node| node.place.clone());
        match segment {
            Segment::Key(key) => {
                let Some(entry) = way.table.get(&key) else {
                    let rest = segments.map(|segment| match segment {
                        Segment::Key(key) => Some(key),
                        Segment::Index(_) => None,
                    });
                    way.rest = std::iter::once(Some(key)).chain(rest).collect::<Option<_>>()?;
                    return Some(way);
                };
                (way.entry, way.node) = (Some(entry), Some(&entry.value));
                let (key, value) = (entry.key_place.as_ref()?, entry.value.place.as_ref()?);
                // An alias, or what `<<` brings: to change it would change what stands with the anchor, too.
                if value.start < key.end || within.is_some_and(|within| !within.contains(&key.start)) {
                    return None;
                }
            }
            Segment::Index(index) => {
                way.node = Some(way.node?.array()?.get(index)?);
                if !within?.contains(&way.node?.place.as_ref()?.start) {
                    return None;
                }
            }
        }
        if let Some(table) = way.node.and_then(Node::table) {
            way.table = table;
        }
    }
    Some(way)
}

fn set(sources: &Sources, object: &Object, key: &str, value: &str) -> Option<Edit> {
    let way = walk(object, key)?;
    if way.rest.is_empty() {
        let at = way.node?.place.clone()?;
        return Some(Edit { at, text: value.to_owned() });
    }
    // A value that is no table can hold nothing.
    if way.node.is_some_and(|node| node.table().is_none()) {
        return None;
    }
    let is_flow =
        way.node.and_then(|node| node.place.as_ref()).is_some_and(|place| sources.text(place).starts_with('{'));
    if is_flow {
        let at = way.node?.place.as_ref()?.start + 1;
        let is_json = sources.locate(&(at..at)).is_some_and(|(source, _)| source.text.trim_start().starts_with('{'));
        let quoted = |key: &String| if is_json { format!("\"{key}\"") } else { key.clone() };
        let value = if is_json { in_json(value) } else { value.to_owned() };
        let (last, outer) = way.rest.split_last()?;
        let inner = outer
            .iter()
            .rev()
            .fold(format!("{}: {value}", quoted(last)), |inner, key| format!("{}: {{ {inner} }}", quoted(key)));
        let end = if way.table.entries.is_empty() { " " } else { "," };
        return Some(Edit { at: at..at, text: format!(" {inner}{end}") });
    }
    insert(sources, way.table, &way.rest, value)
}

/// A scalar of YAML as JSON writes it.
fn in_json(value: &str) -> String {
    let is_plain = value.starts_with('"') || serde_json::from_str::<serde_json::Value>(value).is_ok();
    if is_plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// The end of a line as the text writes it.
fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A new entry below the last of a table in block style, or above the first, if the last stands somewhere else.
fn insert(sources: &Sources, table: &Table, keys: &[String], value: &str) -> Option<Edit> {
    let first = table.entries.first()?.key_place.clone()?;
    let (_, column) = sources.line_and_column(first.start);
    let indent = " ".repeat(column - 1);
    let mut lines = Vec::new();
    for (depth, key) in keys.iter().enumerate() {
        let end = if depth + 1 == keys.len() { format!(" {value}") } else { String::new() };
        lines.push(format!("{indent}{}{key}:{end}", "  ".repeat(depth)));
    }
    let end_of = |entry: &Entry| {
        let (key, value) = (entry.key_place.as_ref()?, entry.value.place.as_ref()?);
        // The value of an alias stands with its anchor.
        (value.start > key.end).then_some(value.end)
    };
    let is_in_order = table.entries.windows(2).all(|pair| {
        pair[0].key_place.as_ref().map(|place| place.start) < pair[1].key_place.as_ref().map(|place| place.start)
    });
    match table.entries.last().filter(|_| is_in_order).and_then(end_of) {
        Some(end) => {
            let (source, within) = sources.locate(&(end..end))?;
            let line_end = source.text[within.start..].find('\n').map_or(source.text.len(), |at| within.start + at);
            let line_end = line_end - usize::from(source.text[..line_end].ends_with('\r'));
            let at = source.start + line_end;
            let newline = newline(&source.text);
            Some(Edit { at: at..at, text: format!("{newline}{}", lines.join(newline)) })
        }
        None => {
            let (source, _) = sources.locate(&first)?;
            let newline = newline(&source.text);
            let text = format!("{}{newline}{indent}", lines.join(newline).trim_start());
            Some(Edit { at: first.start..first.start, text })
        }
    }
}

fn remove(sources: &Sources, object: &Object, key: &str) -> Option<Edit> {
    let way = walk(object, key)?;
    let entry = way.entry.filter(|_| way.rest.is_empty())?;
    let (key, value) = (entry.key_place.clone()?, entry.value.place.clone()?);
    let (source, within) = sources.locate(&(key.start..value.end))?;
    let line_start = source.text[..within.start].rfind('\n').map_or(0, |newline| newline + 1);
    let is_alone = source.text[line_start..within.start].chars().all(|c| c == ' ');
    if value.start < key.end || !is_alone {
        // In braces, or behind the dash of a list: there the rest of the line is another's.
        return None;
    }
    let line_end = source.text[within.end..].find('\n').map_or(source.text.len(), |at| within.end + at + 1);
    Some(Edit { at: source.start + line_start..source.start + line_end, text: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::manifests::stream::Stream;

    const TEXT: &str = "kind: Rollout
apiVersion: argoproj.io/v1alpha1
metadata: { name: web }
spec:
  steps:
    # First.
    - analysis: &gate
        name: a

    # Second.
    - analysis: *gate
    - pause: {}
  flow: [{ pause: {} }]
";

    fn changed(key: &str, edit: impl Fn(List<'_>) -> Option<Edit>) -> Option<String> {
        let mut sources = Sources::default();
        sources.add_manifests("rollout.yaml", TEXT, true);
        let (stream, _) = Stream::read(&sources);
        let edit = edit(List { sources: &sources, object: &stream.objects[0], key })?;
        Some(apply(&sources, &[edit])?.texts()[0].text.clone())
    }

    #[test]
    fn items_of_a_list_come_and_go_as_whole_lines() {
        let with = |old: &str, new: &str| Some(TEXT.replacen(old, new, 1));
        let change = changed("spec.steps", |list| list.before(0, &["a: 1", "b: 2"]));
        assert_eq!(change, with("    - analysis: &gate", "    - a: 1\n    - b: 2\n    - analysis: &gate"));
        let change = changed("spec.steps", |list| list.after(0, &["a: 1"]));
        assert_eq!(change, with("        name: a\n", "        name: a\n    - a: 1\n"));
        let change = changed("spec.steps", |list| list.after(2, &["a: 1"]));
        assert_eq!(change, with("    - pause: {}\n", "    - pause: {}\n    - a: 1\n"));
        assert_eq!(changed("spec.steps", |list| list.without(1)), with("    - analysis: *gate\n", ""));
        // In brackets a line has several items.
        assert_eq!(changed("spec.flow", |list| list.after(0, &["a: 1"])), None);
    }
}
