//! The text of a scenario as a tree of values that know their place in the file, with `--set` laid over it.

use super::diagnostic::{Problem, Severity};
use super::path::{self, Segment};
use super::quoted::quoted;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A scenario is written by hand: what is longer was not meant to be one.
pub const MAX_BYTES: usize = 1 << 20;

/// `a.b.c` makes three tables, one in the other. No key of ours is half as deep, and a tree of unlimited depth would
/// overflow the stack of whoever walks it. The `toml` crate limits brackets itself, to 80, but not dots.
const MAX_DOTS: usize = 16;

/// Syntax errors shown at most: after a few the rest follow from the first.
const MAX_SYNTAX_ERRORS: usize = 10;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kind: Kind,
    /// Bytes of the file; None for a value that the command line gave.
    pub place: Option<Range<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// A table, its entries in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_place: Option<Range<usize>>,
    pub value: Node,
}

impl Node {
    /// With its article, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::String(_) => "a string",
            Kind::Integer(_) => "an integer",
            Kind::Float(_) => "a decimal number",
            Kind::Boolean(_) => "a boolean",
            Kind::Datetime(_) => "a date",
            Kind::Array(_) => "an array",
            Kind::Table(_) => "a table",
        }
    }

    pub fn text(&self) -> Option<&str> {
        if let Kind::String(text) = &self.kind { Some(text) } else { None }
    }

    pub fn integer(&self) -> Option<i64> {
        if let Kind::Integer(number) = self.kind { Some(number) } else { None }
    }

    pub fn boolean(&self) -> Option<bool> {
        if let Kind::Boolean(yes) = self.kind { Some(yes) } else { None }
    }

    pub fn array(&self) -> Option<&[Self]> {
        if let Kind::Array(items) = &self.kind { Some(items) } else { None }
    }

    pub fn table(&self) -> Option<&Table> {
        if let Kind::Table(table) = &self.kind { Some(table) } else { None }
    }

    /// Whether the command line gave this value or a part of it.
    pub fn is_overridden(&self) -> bool {
        let within = |table: &Table| table.entries.iter().any(|entry| entry.value.is_overridden());
        self.place.is_none()
            || self.array().is_some_and(|items| items.iter().any(Self::is_overridden))
            || self.table().is_some_and(within)
    }

    /// As TOML writes it on one line.
    pub fn to_toml(&self) -> String {
        match &self.kind {
            Kind::String(text) => quoted(text),
            Kind::Integer(number) => number.to_string(),
            Kind::Float(number) if number.is_nan() => "nan".to_owned(),
            Kind::Float(number) => format!("{number:?}"),
            Kind::Boolean(yes) => yes.to_string(),
            Kind::Datetime(text) => text.clone(),
            Kind::Array(items) => format!("[{}]", items.iter().map(Self::to_toml).collect::<Vec<_>>().join(", ")),
            Kind::Table(table) if table.entries.is_empty() => "{}".to_owned(),
            Kind::Table(table) => {
                let entry = |entry: &Entry| format!("{} = {}", path::key(&entry.key), entry.value.to_toml());
                format!("{{ {} }}", table.entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value at a dotted key such as `rollout.strategy.canary.steps[3].setWeight`.
    pub fn find(&self, dotted: &str) -> Option<&Node> {
        let mut segments = path::parse(dotted).ok()?.into_iter();
        let Some(Segment::Key(first)) = segments.next() else { return None };
        let mut node = &self.get(&first)?.value;
        for segment in segments {
            node = match (&node.kind, segment) {
                (Kind::Table(table), Segment::Key(key)) => &table.get(&key)?.value,
                (Kind::Array(items), Segment::Index(index)) => items.get(index)?,
                (_, Segment::Key(_) | Segment::Index(_)) => return None,
            };
        }
        Some(node)
    }

    fn entry_or_insert(&mut self, key: String) -> &mut Node {
        let at = self.entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            let value = Node { kind: Kind::Table(Self::default()), place: None };
            self.entries.push(Entry { key, key_place: None, value });
            self.entries.len() - 1
        });
        &mut self.entries[at].value
    }
}

/// Reads a file's text.
pub fn parse(text: &str) -> Result<Table, Vec<Problem>> {
    let refuse = |message: String, place: Option<Range<usize>>, help: &str| {
        vec![Problem {
            severity: Severity::Error,
            code: None,
            key: String::new(),
            message,
            place,
            help: help.to_owned(),
        }]
    };
    if text.len() > MAX_BYTES {
        let message = format!("the file is {} bytes long, a scenario has at most {MAX_BYTES}", text.len());
        return Err(refuse(message, None, "is this the right file?"));
    }
    if let Some(place) = too_many_dots(text) {
        let message = format!("this key has more than {MAX_DOTS} dots");
        return Err(refuse(message, Some(place), "no key of a scenario is so deep"));
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return table_from(table.get_ref());
    }
    let mut problems = Vec::new();
    for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
        problems.extend(refuse(format!("this is not TOML: {}", error.message()), error.span(), ""));
    }
    if errors.len() > MAX_SYNTAX_ERRORS {
        problems.extend(refuse(format!("{} more syntax errors follow", errors.len() - MAX_SYNTAX_ERRORS), None, ""));
    }
    Err(problems)
}

/// Where a key has too many dots, strings and comments left aside.
fn too_many_dots(text: &str) -> Option<Range<usize>> {
    // What ends the string or comment that we are in.
    let (mut dots, mut inside, mut at) = (0, None, 0);
    while let Some(c) = text[at..].chars().next() {
        let mut length = c.len_utf8();
        match (inside, c) {
            (Some("\"" | "\"\"\""), '\\') => length += text[at + 1..].chars().next().map_or(0, char::len_utf8),
            (Some("\"\"\"" | "'''"), '\n') => {}
            (_, '\n') => (dots, inside) = (0, None),
            (Some(end), _) if text[at..].starts_with(end) => {
                inside = None;
                length = end.len();
                // Up to two quotes may stand right before the three that close: they all belong to the string.
                let more = text[at + length..].chars().take_while(|next| end.len() == 3 && *next == c).take(2);
                length += more.count();
            }
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                let ends = if c == '"' { ["\"\"\"", "\""] } else { ["'''", "'"] };
                let end = if text[at..].starts_with(ends[0]) { ends[0] } else { ends[1] };
                inside = Some(end);
                length = end.len();
            }
            (None, '#') => inside = Some("\n"),
            (None, '=' | ',' | '[' | ']' | '{' | '}') => dots = 0,
            (None, '.') => dots += 1,
            (None, _) => {}
        }
        if dots > MAX_DOTS {
            return Some(at..at + 1);
        }
        at += length;
    }
    None
}

fn table_from(table: &DeTable<'_>) -> Result<Table, Vec<Problem>> {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for (key, value) in table {
        match node_from(value.get_ref(), value.span()) {
            Ok(node) => {
                let key_place = Some(key.span());
                entries.push(Entry { key: key.get_ref().to_string(), key_place, value: node });
            }
            Err(more) => problems.extend(more),
        }
    }
    // The `toml` crate sorts keys by name; a person reads them as they stand in the file.
    entries.sort_by_key(|entry| entry.key_place.as_ref().map(|place| place.start));
    if problems.is_empty() { Ok(Table { entries }) } else { Err(problems) }
}

fn node_from(value: &DeValue<'_>, place: Range<usize>) -> Result<Node, Vec<Problem>> {
    let refuse = |what: &str| {
        let message = format!("{what} is out of range");
        let help = String::new();
        vec![Problem {
            severity: Severity::Error,
            code: None,
            key: String::new(),
            message,
            place: Some(place.clone()),
            help,
        }]
    };
    let kind = match value {
        DeValue::String(text) => Kind::String(text.to_string()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            Kind::Integer(number.map_err(|_| refuse("this integer"))?)
        }
        DeValue::Float(float) => Kind::Float(float.as_str().parse().map_err(|_| refuse("this number"))?),
        DeValue::Boolean(yes) => Kind::Boolean(*yes),
        DeValue::Datetime(datetime) => Kind::Datetime(datetime.to_string()),
        DeValue::Array(items) => {
            let nodes = items.iter().map(|item| node_from(item.get_ref(), item.span()));
            Kind::Array(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Kind::Table(table_from(table)?),
    };
    Ok(Node { kind, place: Some(place) })
}

/// Lays one `--set KEY=VALUE` over the document.
pub fn set(document: &mut Table, assignment: &str) -> Result<(), Problem> {
    let refuse = |message: String, help: &str| Problem {
        severity: Severity::Error,
        code: None,
        key: format!("--set {assignment}"),
        message,
        place: None,
        help: help.to_owned(),
    };
    let (segments, value) = path::parse_assignment(assignment).map_err(|(message, help)| refuse(message, help))?;
    if segments.len() > MAX_DOTS {
        return Err(refuse("the key is too deep".to_owned(), "no key of a scenario is so deep"));
    }
    let value = override_value(value).map_err(|message| refuse(message, "VALUE is a TOML value, or one bare word"))?;
    let mut segments = segments.into_iter();
    let Some(Segment::Key(first)) = segments.next() else {
        return Err(refuse("a key starts with a name".to_owned(), "write --set traffic.rate=250/s"));
    };
    let mut node = document.entry_or_insert(first);
    for segment in segments {
        let kind_name = node.kind_name();
        // A path through something that is not there yet makes it: a table, or an array if an index follows.
        let is_new = node.place.is_none() && node.table().is_some_and(|table| table.entries.is_empty());
        if is_new && matches!(segment, Segment::Index(_)) {
            node.kind = Kind::Array(Vec::new());
        }
        node = match (&mut node.kind, segment) {
            (Kind::Table(table), Segment::Key(key)) => table.entry_or_insert(key),
            (Kind::Array(items), Segment::Index(index)) => {
                let length = items.len();
                if index == length {
                    items.push(Node { kind: Kind::Table(Table::default()), place: None });
                }
                let message = format!("there is no [{index}]: the array has {length} entries, counted from [0]");
                items.get_mut(index).ok_or_else(|| refuse(message, ""))?
            }
            (_, Segment::Key(key)) => {
                return Err(refuse(format!("`{key}` stands inside of {kind_name}"), "only tables have keys"));
            }
            (_, Segment::Index(index)) => {
                return Err(refuse(format!("[{index}] stands behind {kind_name}"), "only arrays have indexes"));
            }
        };
    }
    *node = value;
    Ok(())
}

/// A TOML value, or a bare word as a string.
fn override_value(text: &str) -> Result<Node, String> {
    let text = text.trim();
    let bare = || Ok(Node { kind: Kind::String(text.to_owned()), place: None });
    let starts_as_toml = text.starts_with(['"', '\'', '[', '{']);
    if text.len() > MAX_BYTES || too_many_dots(text).is_some() && starts_as_toml {
        return Err("the value is too long".to_owned());
    }
    match DeValue::parse(text) {
        Ok(value) => {
            let node = node_from(value.get_ref(), 0..0).map_err(|problems| problems[0].message.clone())?;
            Ok(without_place(node))
        }
        Err(error) if starts_as_toml => Err(format!("`{text}` is not a TOML value: {}", error.message())),
        Err(_) => bare(),
    }
}

fn without_place(mut node: Node) -> Node {
    node.place = None;
    match &mut node.kind {
        Kind::Array(items) => *items = std::mem::take(items).into_iter().map(without_place).collect(),
        Kind::Table(table) => {
            for entry in &mut table.entries {
                entry.key_place = None;
                let value = std::mem::replace(&mut entry.value, Node { kind: Kind::Boolean(false), place: None });
                entry.value = without_place(value);
            }
        }
        Kind::String(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) => {}
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, assignment: &str) -> Result<Table, String> {
        let mut table = parse(text).expect("the text is TOML");
        set(&mut table, assignment).map(|()| table).map_err(|problem| problem.message)
    }

    #[test]
    fn entries_keep_the_order_of_the_file() {
        let table = parse("z = 1\na = 2\n[m]\nb = 3\n[c]\n").unwrap();
        let keys: Vec<_> = table.entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["z", "a", "m", "c"]);
    }

    #[test]
    fn a_value_knows_its_place() {
        let text = "[traffic]\nrate = \"15000/min\"\n";
        let place = parse(text).unwrap().find("traffic.rate").unwrap().place.clone().unwrap();
        assert_eq!(&text[place], "\"15000/min\"");
    }

    #[test]
    fn an_override_reaches_into_arrays_and_quoted_keys() {
        let steps = with("[a]\nsteps = [{ setWeight = 1 }, { setWeight = 2 }]", "a.steps[1].setWeight=90").unwrap();
        assert_eq!(steps.find("a.steps[1].setWeight").unwrap().kind, Kind::Integer(90));
        assert!(steps.find("a.steps[1]").unwrap().is_overridden());
        assert!(!steps.find("a.steps[0]").unwrap().is_overridden());
        let appended = with("[a]\nsteps = [{ setWeight = 1 }]", "a.steps[1].setWeight=90").unwrap();
        assert_eq!(appended.find("a.steps[1].setWeight").unwrap().kind, Kind::Integer(90));
        let made = with("", "a.containers[0].name=web").unwrap();
        assert_eq!(made.find("a").unwrap().to_toml(), "{ containers = [{ name = \"web\" }] }");
        let key = r#"ingress.annotations."alb.ingress.kubernetes.io/scheme""#;
        let annotation = with("", &format!("{key}=internal")).unwrap();
        assert_eq!(annotation.find(key).unwrap().kind, Kind::String("internal".to_owned()));
    }

    #[test]
    fn a_bare_word_is_a_string_and_a_toml_value_is_itself() {
        for (value, toml) in [
            ("250/s", "\"250/s\""),
            ("7", "7"),
            ("0.5", "0.5"),
            ("true", "true"),
            ("60s", "\"60s\""),
            ("\"7\"", "\"7\""),
            ("{ min = \"1s\", max = \"2s\" }", "{ min = \"1s\", max = \"2s\" }"),
            ("<= 20", "\"<= 20\""),
            ("", "\"\""),
        ] {
            let table = with("", &format!("x={value}")).unwrap();
            assert_eq!(table.find("x").unwrap().to_toml(), toml);
        }
    }

    #[test]
    fn an_override_that_fits_nowhere_is_refused() {
        for (assignment, message) in [
            ("a.b.c=1", "`c` stands inside of an integer"),
            ("a.list[3]=1", "there is no [3]: the array has 2 entries, counted from [0]"),
            ("a.list.x=1", "`x` stands inside of an array"),
            ("a[0]=1", "[0] stands behind a table"),
            ("a", "there is no `=` in it"),
            ("a.=1", "a name is missing"),
            ("a.x=[1", "`[1` is not a TOML value: unclosed array, expected `]`"),
        ] {
            assert_eq!(with("[a]\nb = 1\nlist = [1, 2]", assignment).unwrap_err(), message, "{assignment}");
        }
    }

    #[test]
    fn depth_and_length_are_refused_and_do_no_harm() {
        let brackets = format!("x = {}", "[".repeat(MAX_BYTES - 4));
        let tables = "[".repeat(MAX_BYTES);
        let dots = format!("x{} = 1", ".x".repeat(200_000));
        let header = format!("# a\n[x{}]", ".x".repeat(200_000));
        let inline = format!("x = {{ a{} = 1 }}", ".x".repeat(200_000));
        let long = " ".repeat(10 * MAX_BYTES);
        let deep = ".x".repeat(200_000);
        let hidden = format!("x = {{ y = \"\"\"\\\"\n\"\"\"\", a{deep} = 1, z = '''\n''''', b{deep} = 1 }}");
        for text in [brackets, tables, dots, header, inline, long, hidden] {
            let problems = parse(&text).unwrap_err();
            assert!(!problems.is_empty() && problems.len() <= MAX_SYNTAX_ERRORS + 1);
        }
    }

    #[test]
    fn dots_in_strings_and_comments_are_no_depth() {
        let dots = ".".repeat(100);
        let text = format!("# {dots}\nx = \"{dots}\" # {dots}\ny = '{dots}'\nz = [1.5, 1.5]\n");
        assert!(parse(&text).is_ok());
    }
}
