//! YAML documents as trees of values that know their place: the same trees as a scenario's.
//!
//! The syntax is `saphyr_parser`'s, YAML 1.2. What a bare word means follows YAML 1.1, as the API server reads it (the Go
//! package `sigs.k8s.io/yaml`): `yes` and `on` are true, also as keys; `0644` is 420. Null is the absence of an entry, as in Go.
//!
//! Left out: tags, and keys that are no scalars.

use crate::scenario::document::{Entry, Kind, Node, Table};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// No field of an object of Kubernetes lies half as deep.
const MAX_DEPTH: usize = 64;

/// Bytes that the values of one document may take, anchors and aliases counted as often as they are written out: what
/// multiplies itself ends here.
const MAX_MEMORY: usize = 96 << 20;
/// What a value takes beside its text, about.
const OF_A_VALUE: usize = 128;

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub message: String,
    /// Bytes of the text.
    pub place: Range<usize>,
    pub help: String,
}

/// The documents of a stream, in the order of the text; places count from `start`. A broken one does not hide the next:
/// `---` in the first column ends a document wherever it stands.
pub fn documents(text: &str, start: usize) -> Vec<Result<Node, Mistake>> {
    let mut lines_before = 0;
    let document = |part: Range<usize>| {
        let document = document(&text[part.clone()], start + part.start, lines_before).transpose();
        lines_before += text[part].matches('\n').count();
        document
    };
    parts(text).into_iter().filter_map(document).collect()
}

/// The text between the lines that are `---`, with the line that begins it.
fn parts(text: &str) -> Vec<Range<usize>> {
    let begin = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (mut parts, mut start, mut at) = (Vec::new(), begin, begin);
    // Directives stand before the line that begins their document.
    let mut has_content = false;
    for line in text[begin..].split_inclusive('\n') {
        let rest = line.strip_prefix("---");
        let begins = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if begins && has_content {
            parts.push(start..at);
            start = at;
        }
        has_content |= begins || !line.trim().is_empty() && !line.starts_with(['#', '%']);
        at += line.len();
    }
    parts.push(start..text.len());
    parts
}

/// None if there is nothing but comments in it.
fn document(text: &str, offset: usize, lines_before: usize) -> Result<Option<Node>, Mistake> {
    let (cursor, anchors) = (Cursor::default(), BTreeMap::new());
    let mut builder = Builder { text, offset, lines_before, cursor, open: Vec::new(), anchors, memory: 0 };
    let mut parser = Parser::new_from_str(text);
    let mut root = None;
    loop {
        match builder.next(&mut parser)? {
            (Event::StreamEnd, _) => return Ok(root.flatten()),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (event, place) if root.is_none() => root = Some(builder.node(&mut parser, event, place, 0)?),
            (_, place) => {
                let help = "begin each document with a line ---";
                return Err(builder.mistake("a second document begins here without a line ---", place, help));
            }
        }
    }
}

/// Where the parser's characters are in the bytes of the text. It asks in rising order, all but always.
#[derive(Default)]
struct Cursor {
    characters: usize,
    bytes: usize,
}

impl Cursor {
    fn byte(&mut self, text: &str, character: usize) -> usize {
        if character < self.characters {
            *self = Self::default();
        }
        let ahead = character - self.characters;
        let rest = &text[self.bytes..];
        self.bytes += rest.char_indices().nth(ahead).map_or(rest.len(), |(at, _)| at);
        self.characters = character;
        self.bytes
    }
}

struct Builder<'t> {
    text: &'t str,
    /// The place of the text's first byte.
    offset: usize,
    lines_before: usize,
    cursor: Cursor,
    /// The brackets that have been opened and not closed yet, each by its byte of the text.
    open: Vec<usize>,
    /// Each anchor's value, and what it takes.
    anchors: BTreeMap<usize, (Option<Node>, usize)>,
    memory: usize,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl<'t> Builder<'t> {
    fn mistake(&self, message: &str, place: Range<usize>, help: &str) -> Mistake {
        Mistake { message: message.to_owned(), place, help: help.to_owned() }
    }

    fn next(&mut self, parser: &mut Events<'t>) -> Result<(Event<'t>, Range<usize>), Mistake> {
        match parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place(span))),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Ok((Event::StreamEnd, self.offset + self.text.len()..self.offset + self.text.len())),
        }
    }

    fn place(&mut self, span: Span) -> Range<usize> {
        let start = self.cursor.byte(self.text, span.start.index());
        let end = Cursor { characters: self.cursor.characters, bytes: self.cursor.bytes }
            .byte(self.text, span.end.index().max(span.start.index()));
        self.offset + start..self.offset + end
    }

    /// What the parser could not read. Most often that is a template that nobody has rendered, or a tab.
    fn broken(&self, error: &ScanError) -> Mistake {
        // Not on the empty lines at the end.
        let end = self.text.trim_end().len();
        let at = Cursor::default().byte(self.text, error.marker().index()).min(end);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        // The parser often notices on the line after.
        let before = self.text[..start].trim_end_matches(['\r', '\n']);
        let before = before.rfind('\n').map_or(0, |newline| newline + 1)..before.len();
        for line in [start..line_end, before] {
            let text = &self.text[line.clone()];
            let indent = text.len() - text.trim_start().len();
            if let Some(brace) = text.find("{{") {
                let place = self.offset + line.start + brace..self.offset + line.start + brace + 2;
                return self.mistake(UNRENDERED, place, RENDER_FIRST);
            }
            if let Some(tab) = text[..indent].find('\t') {
                let place = self.offset + line.start + tab..self.offset + line.start + tab + 1;
                return self.mistake("YAML is not indented by tabs", place, "put spaces there");
            }
        }
        if let Some(line) = self.shallow_block(start) {
            let message = "a text behind `|` or `>` stands further in than its key, and this line does not";
            let place = self.offset + line.start..self.offset + line.end;
            return self.mistake(message, place, "put spaces before every line of it");
        }
        let message = format!("this is not YAML: {}", error.info());
        match self.open.last() {
            Some(&open) if at == end => {
                let message = format!("this `{}` is never closed", &self.text[open..=open]);
                self.mistake(&message, self.offset + open..self.offset + open + 1, "")
            }
            Some(&open) => {
                let line = self.line(open);
                let help =
                    format!("is a comma missing here, or the end of the `{}` in line {line}?", &self.text[open..=open]);
                self.mistake(&message, self.offset + at..self.offset + at, &help)
            }
            None => self.mistake(&message, self.offset + at..self.offset + at, ""),
        }
    }

    /// The number of the line with this byte, among all of the file.
    fn line(&self, at: usize) -> usize {
        self.lines_before + self.text[..at].matches('\n').count() + 1
    }

    /// The first line of a block scalar that was meant to be one, before some place: it ends at once, and what follows is
    /// read as something else.
    fn shallow_block(&self, before: usize) -> Option<Range<usize>> {
        let (mut at, mut header) = (0, None);
        for line in self.text[..before].split_inclusive('\n') {
            let text = line.trim_end();
            let indent = text.len() - text.trim_start().len();
            if let Some(of_key) = header.take()
                && !text.is_empty()
                && indent <= of_key
            {
                return Some(at + indent..at + text.len());
            }
            let is_header = [": |", ": >", ": |-", ": >-", ": |+", ": >+"].iter().any(|end| text.ends_with(end));
            header = is_header.then_some(indent);
            at += line.len();
        }
        None
    }

    fn count(&mut self, memory: usize, place: &Range<usize>) -> Result<(), Mistake> {
        self.memory = self.memory.saturating_add(memory);
        if self.memory <= MAX_MEMORY {
            return Ok(());
        }
        let message = format!("the values of this document take more than {} MiB", MAX_MEMORY >> 20);
        Err(self.mistake(&message, place.clone(), "aliases count as often as they are used: write less of them"))
    }

    /// The value that begins with this event; None is null.
    fn node(
        &mut self,
        parser: &mut Events<'t>,
        event: Event<'t>,
        place: Range<usize>,
        depth: usize,
    ) -> Result<Option<Node>, Mistake> {
        if depth > MAX_DEPTH {
            let message = format!("this lies more than {MAX_DEPTH} levels deep");
            return Err(self.mistake(&message, place, "no field of an object of Kubernetes does"));
        }
        let before = self.memory;
        self.count(OF_A_VALUE + if matches!(event, Event::Scalar(..)) { place.len() } else { 0 }, &place)?;
        let (node, anchor) = match event {
            Event::Alias(anchor) => {
                let Some(memory) = self.anchors.get(&anchor).map(|(_, memory)| *memory) else {
                    return Err(self.mistake("this alias stands inside of its own anchor", place, ""));
                };
                // Before it is copied.
                self.count(memory, &place)?;
                return Ok(self.anchors[&anchor].0.clone());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind =
                    if is_text(style, tag.as_deref()) { Some(Kind::String(text.into_owned())) } else { plain(&text) };
                let place = self.of_scalar(place);
                (kind.map(|kind| Node { kind, place: Some(place) }), anchor)
            }
            Event::SequenceStart(anchor, _) => (Some(self.sequence(parser, place, depth)?), anchor),
            Event::MappingStart(anchor, _) => (Some(self.mapping(parser, place, depth)?), anchor),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(self.mistake("a value is missing here", place, "")),
        };
        if anchor > 0 {
            let memory = self.memory - before;
            self.count(memory, node.as_ref().and_then(|node| node.place.as_ref()).unwrap_or(&(0..0)))?;
            self.anchors.insert(anchor, (node.clone(), memory));
        }
        Ok(node)
    }

    /// The parser's span of a scalar may reach to the next token: over comments behind quotes, over empty lines.
    fn of_scalar(&self, place: Range<usize>) -> Range<usize> {
        let text = &self.text[place.start - self.offset..place.end - self.offset];
        let mut length = text.trim_end().len();
        if let Some(quote @ ('"' | '\'')) = text.chars().next() {
            let mut rest = text.char_indices().skip(1);
            while let Some((at, c)) = rest.next() {
                match c {
                    '\\' if quote == '"' => drop(rest.next()),
                    // Doubled, a single quote stands for itself.
                    '\'' if c == quote && text[at + 1..].starts_with(c) => drop(rest.next()),
                    _ if c == quote => {
                        length = at + 1;
                        break;
                    }
                    _ => {}
                }
            }
        }
        place.start..place.start + length
    }

    fn sequence(&mut self, parser: &mut Events<'t>, place: Range<usize>, depth: usize) -> Result<Node, Mistake> {
        let mut items = Vec::new();
        self.opened(&place);
        loop {
            match self.next(parser)? {
                (Event::SequenceEnd, bracket) => {
                    let last = items.last().and_then(|item: &Node| item.place.clone());
                    let place = place.start..self.end_of(&place, last.map_or(place.end, |last| last.end), &bracket);
                    return Ok(Node { kind: Kind::Array(items), place: Some(place) });
                }
                (event, place) => {
                    // Go reads null in a list as the zero value of what the list holds.
                    let zero = Node { kind: Kind::Table(Table::default()), place: Some(place.clone()) };
                    items.push(self.node(parser, event, place, depth + 1)?.unwrap_or(zero));
                }
            }
        }
    }

    fn mapping(&mut self, parser: &mut Events<'t>, place: Range<usize>, depth: usize) -> Result<Node, Mistake> {
        let mut table = Table::default();
        self.opened(&place);
        let (mut merged, mut end) = (Vec::new(), place.end);
        // Those without a value, too: an explicit null stands where a default would be merged.
        let mut keys: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let (key, key_place) = match self.next(parser)? {
                (Event::MappingEnd, bracket) => {
                    let place = place.start..self.end_of(&place, end, &bracket);
                    merge(&mut table, merged, &mut keys);
                    return Ok(Node { kind: Kind::Table(table), place: Some(place) });
                }
                (Event::Scalar(text, style, _, tag), place) => {
                    (key(text, is_text(style, tag.as_deref())), self.of_scalar(place))
                }
                (_, place) => {
                    let before = (place.start - self.offset).checked_sub(1);
                    let is_template =
                        before.and_then(|at| self.text.get(at..)).is_some_and(|text| text.starts_with("{{"));
                    let (message, help) = match is_template {
                        true => (UNRENDERED, RENDER_FIRST),
                        false => ("a key must be a word", "put it in quotes"),
                    };
                    // Of `{{` the second brace begins the key.
                    let start = place.start - usize::from(is_template);
                    return Err(self.mistake(message, start..place.start + 1, help));
                }
            };
            let (event, place) = self.next(parser)?;
            let value = self.node(parser, event, place, depth + 1)?;
            end = value.as_ref().and_then(|node| node.place.clone()).map_or(key_place.end, |place| place.end);
            if key == "<<" {
                merged.extend(value);
                continue;
            }
            if let Some(first) = keys.insert(key.clone(), key_place.start - self.offset) {
                let line = self.line(first);
                let message = format!("`{key}` stands here twice");
                // What an object has once was meant to begin another.
                let help = match depth == 0 && ["apiVersion", "kind"].contains(&key.as_str()) {
                    true => format!("put a line `---` between the two objects; the first has it in line {line}"),
                    false => format!("leave one of them out; the first is in line {line}"),
                };
                return Err(self.mistake(&message, key_place, &help));
            }
            table.entries.extend(value.map(|value| Entry { key, key_place: Some(key_place), value }));
        }
    }

    /// Where a collection ends: with its bracket, or, in block style, with its last value.
    fn end_of(&mut self, place: &Range<usize>, last: usize, bracket: &Range<usize>) -> usize {
        if !self.is_flow(place) {
            return last.max(place.start);
        }
        self.open.pop();
        bracket.start + 1
    }

    fn opened(&mut self, place: &Range<usize>) {
        if self.is_flow(place) {
            self.open.push(place.start - self.offset);
        }
    }

    fn is_flow(&self, place: &Range<usize>) -> bool {
        self.text[place.start - self.offset..].starts_with(['[', '{'])
    }
}

const UNRENDERED: &str = "this looks like a Helm template that nobody has rendered";
const RENDER_FIRST: &str = "render it first: helm template … | sim run -";

/// `<<: *defaults`. What stands there itself goes before what is merged.
fn merge(table: &mut Table, merged: Vec<Node>, keys: &mut BTreeMap<String, usize>) {
    for node in merged {
        let tables = match node.kind {
            Kind::Table(table) => vec![table],
            Kind::Array(items) => items.into_iter().filter_map(|item| item.table().cloned()).collect(),
            Kind::String(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) => vec![],
        };
        for entry in tables.into_iter().flat_map(|table| table.entries) {
            if keys.insert(entry.key.clone(), 0).is_none() {
                table.entries.push(entry);
            }
        }
    }
}

/// Whether a scalar is a text whatever it looks like.
fn is_text(style: ScalarStyle, tag: Option<&Tag>) -> bool {
    style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str")
}

/// A key as it reaches the API server: in JSON all keys are texts, and a bare boolean is the text `true` or `false`. Source:
/// the package `sigs.k8s.io/yaml`, `convertToJSONableObject`.
fn key(text: Cow<'_, str>, is_text: bool) -> String {
    match plain(&text) {
        Some(Kind::Boolean(boolean)) if !is_text => boolean.to_string(),
        _ => text.into_owned(),
    }
}

/// What a bare word means. Source: the package `go.yaml.in/yaml/v2`, `resolve.go`.
fn plain(text: &str) -> Option<Kind> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => return None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Kind::Boolean(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Kind::Boolean(false),
        _ => match (integer(text), float(text)) {
            (Some(number), _) => Kind::Integer(number),
            (None, Some(number)) => Kind::Float(number),
            (None, None) => Kind::String(text.to_owned()),
        },
    })
}

/// The bare words of YAML 1.1 that look like texts.
pub fn is_boolean_word(text: &str) -> bool {
    !text.eq_ignore_ascii_case("true")
        && !text.eq_ignore_ascii_case("false")
        && matches!(plain(text), Some(Kind::Boolean(_)))
}

fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0b") => (&digits[2..], 2),
        Some("0o") => (&digits[2..], 8),
        Some(other) if other.starts_with('0') => (&digits[1..], 8),
        Some(_) | None => (&digits[..], 10),
    };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
        && digits.contains(|c: char| c.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        let mut documents = documents(text, 0);
        assert_eq!(documents.len(), 1, "{text}");
        documents.remove(0).unwrap()
    }

    fn mistake(text: &str) -> Mistake {
        documents(text, 0).into_iter().find_map(Result::err).expect(text)
    }

    fn value(text: &str) -> String {
        one(&format!("x: {text}")).table().unwrap().get("x").map_or("absent".to_owned(), |entry| entry.value.to_toml())
    }

    #[test]
    fn bare_words_mean_what_the_api_server_takes_them_for() {
        for (text, toml) in [
            ("12", "12"),
            ("-3", "-3"),
            ("0644", "420"),
            ("0x1f", "31"),
            ("1_000", "1000"),
            ("0", "0"),
            ("1.5", "1.5"),
            ("1e3", "1000.0"),
            ("yes", "true"),
            ("off", "false"),
            ("\"yes\"", "\"yes\""),
            ("'12'", "\"12\""),
            ("!!str 12", "\"12\""),
            ("12:30", "\"12:30\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("2030-01-01", "\"2030-01-01\""),
            ("1d", "\"1d\""),
            ("25%", "\"25%\""),
            ("~", "absent"),
            ("", "absent"),
            ("[a, 1, yes]", "[\"a\", 1, true]"),
            ("{ a: 1, b: { c: null } }", "{ a = 1, b = {} }"),
            ("|\n  two\n  lines\n", "\"two\\nlines\\n\""),
            (">-\n  one\n  line\n", "\"one line\""),
        ] {
            assert_eq!(value(text), toml, "{text}");
        }
    }

    #[test]
    fn a_bare_boolean_is_a_key_by_its_name() {
        let node = one("{ on: 1, \"no\": 2, n: 3, 'y': 4, !!str off: 5, yess: 6, \"true\\u0021\": 7 }");
        assert_eq!(node.to_toml(), "{ true = 1, no = 2, false = 3, y = 4, off = 5, yess = 6, \"true!\" = 7 }");
        assert!(mistake("on: 1\nyes: 2\n").message.contains("stands here twice"));
    }

    #[test]
    fn a_value_knows_its_bytes() {
        let text = "# ä€\nspec:\n  name: \"wëb\"  # a\n  one: 'it''s' # b\n  bare: a b  # c\n  list: [1, 2]  # d\n  block: |\n    text\n\n  deep:\n    - a: 1\n\n";
        let node = one(text);
        let at = |key: &str| &text[node.table().unwrap().find(key).unwrap().place.clone().unwrap()];
        assert_eq!(at("spec.name"), "\"wëb\"");
        assert_eq!(at("spec.one"), "'it''s'");
        assert_eq!(at("spec.bare"), "a b");
        assert_eq!(at("spec.list"), "[1, 2]");
        assert_eq!(at("spec.deep[0].a"), "1");
        assert_eq!(at("spec.deep[0]"), "a: 1");
        assert_eq!(at("spec.deep"), "- a: 1");
        assert!(at("spec.block").ends_with("text"));
        let spec = &node.table().unwrap().entries[0];
        assert_eq!(&text[spec.key_place.clone().unwrap()], "spec");
    }

    #[test]
    fn documents_are_separate_and_a_broken_one_hides_none() {
        let text = "\u{feff}---\r\n# empty\r\n---\r\na: 1\r\n...\r\n--- # second\na: [\n---\nnull\n---\n{\"a\": 3}\n";
        let documents: Vec<_> = documents(text, 0)
            .into_iter()
            .map(|document| document.map(|node| node.to_toml()).map_err(|_| ()))
            .collect();
        assert_eq!(documents, [Ok("{ a = 1 }".to_owned()), Err(()), Ok("{ a = 3 }".to_owned())]);
    }

    #[test]
    fn anchors_are_written_out_and_merged() {
        let node = one("a: &x { b: 1, c: 2 }\nd: *x\ne: { <<: *x, c: 3 }\nf:\n- &y 7\n- *y\n");
        assert_eq!(node.to_toml(), "{ a = { b = 1, c = 2 }, d = { b = 1, c = 2 }, e = { c = 3, b = 1 }, f = [7, 7] }");
    }

    #[test]
    fn mistakes_have_a_place_and_a_help() {
        for (text, message, at) in [
            ("a: 1\nb: 2\na: 3\n", "`a` stands here twice", "a: 3"),
            ("a:\n\tb: 1\n", "YAML is not indented by tabs", "\tb"),
            ("replicas: {{ .Values.replicas }}\n", UNRENDERED, "{"),
            ("a: 1\n{{- if .x }}\nb: 2\n{{- end }}\n", UNRENDERED, "{{"),
            ("a: {{ x }}: 1\n", UNRENDERED, "{"),
            ("a: [1, 2\nb: 3\n", "this is not YAML", ""),
            ("a: { b: 1\n# x\n\n", "this `{` is never closed", "{ b: 1"),
            ("a: { b: [ { c: 1 }, 2\n\n", "this `[` is never closed", "[ { c"),
            ("- [1]\n- { b: ", "this `{` is never closed", "{ b"),
            ("a: \"x\n", "this is not YAML", ""),
            ("a: |\n{\n  \"x\": 1\n}\n", "a text behind `|`", "{"),
            ("? [a]\n: b\n", "a key must be a word", "[a]"),
            ("a: &x [*x]\n", "this alias stands inside of its own anchor", "*x"),
            ("a: *nobody\n", "this is not YAML", ""),
        ] {
            let mistake = mistake(text);
            assert!(mistake.message.starts_with(message), "{text}: {mistake:?}");
            assert!(text[mistake.place.start..].starts_with(at), "{text}: {mistake:?}");
        }
    }

    #[test]
    fn depth_and_anchors_that_explode_are_refused_quickly() {
        let deep = "[".repeat(10_000);
        let blocks = (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
        let lines = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1));
        let laughs = format!("a0: &a0 [1, 2]\n{}", lines.collect::<String>());
        // A long text, many times.
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(3_000));
        // Anchors around anchors: each keeps a copy of all that is in it.
        let (open, close) = ((0..60).map(|n| format!("&n{n} [")).collect::<String>(), "]".repeat(60));
        let nested = format!("a: {open}{}{close}\n", "1, ".repeat(100_000));
        for text in [deep, blocks, laughs, long, nested] {
            mistake(&text);
        }
    }

    #[test]
    fn many_documents_and_many_keys_take_no_longer_than_their_bytes() {
        // Quadratic, these would take minutes.
        assert_eq!(documents(&"---\na: 1\n".repeat(100_000), 0).len(), 100_000);
        let keys = (0..100_000).map(|n| format!("k{n}: {n}\n")).collect::<String>();
        assert_eq!(one(&keys).table().unwrap().entries.len(), 100_000);
    }

    #[test]
    fn an_explicit_null_is_not_merged_over() {
        let node = one("a: &x { b: 1, c: 2 }\nd: { <<: *x, c: ~ }\n");
        assert_eq!(node.to_toml(), "{ a = { b = 1, c = 2 }, d = { b = 1 } }");
        assert!(mistake("a: ~\na: 1\n").message.contains("stands here twice"));
    }
}
