//! Path expressions of jq, as `ignoreDifferences` uses them: `del(EXPRESSION)` is what they do to an object.
//!
//! The forms: `.a.b`, `."a/b"`, `.["a/b"]`, `[0]`, `[]`, each with a `?` behind it, joined by `|`, and `select(…)` with `==`,
//! `!=`, `startswith`, `endswith`, `contains`, `test`, `and`, `or`, `not` and parentheses. As in jq a pipe binds weakest: what
//! stands in front of `| not` is all of the condition, up to a parenthesis. Left out: all else of jq.

use regex_lite::Regex;
use serde_json::Value;

/// What an expression points at, step by step.
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    segments: Vec<Segment>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug)]
enum Segment {
    Key(String),
    Index(usize),
    Each,
    Select(Condition),
}

#[derive(Clone, Debug)]
enum Condition {
    /// Neither null nor false.
    IsTrue(Vec<Segment>),
    Compare {
        path: Vec<Segment>,
        is_equal: bool,
        with: Value,
    },
    StartsWith(Vec<Segment>, String),
    EndsWith(Vec<Segment>, String),
    Contains(Vec<Segment>, String),
    Test(Vec<Segment>, Regex),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

/// A place in an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Key(String),
    Index(usize),
}

impl Path {
    /// # Errors
    /// What of it is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let segments = parser.pipeline()?;
        parser.skip_blanks();
        if parser.rest.is_empty() {
            Ok(Self { text: text.to_owned(), segments })
        } else {
            Err(format!("`{}` is not understood", parser.rest))
        }
    }

    /// Takes all that it points at out of the object.
    pub fn delete(&self, value: &mut Value) {
        let mut places = vec![];
        find(&self.segments, value, &mut vec![], &mut places);
        // From behind, so that the places of list elements stay right.
        places.sort();
        places.dedup();
        for place in places.iter().rev() {
            remove(value, place);
        }
    }
}

/// The first value that the segments point at; null if there is none.
fn first<'a>(segments: &[Segment], value: &'a Value) -> &'a Value {
    let mut places = vec![];
    find(segments, value, &mut vec![], &mut places);
    places.first().map_or(&Value::Null, |place| get(value, place))
}

fn find(segments: &[Segment], value: &Value, at: &mut Vec<Place>, found: &mut Vec<Vec<Place>>) {
    let Some((segment, rest)) = segments.split_first() else { return found.push(at.clone()) };
    let mut go = |place, value: &Value| {
        at.push(place);
        find(rest, value, at, found);
        at.pop();
    };
    match (segment, value) {
        (Segment::Key(key), Value::Object(fields)) => {
            if let Some(field) = fields.get(key) {
                go(Place::Key(key.clone()), field);
            }
        }
        (Segment::Index(index), Value::Array(elements)) => {
            if let Some(element) = elements.get(*index) {
                go(Place::Index(*index), element);
            }
        }
        (Segment::Each, Value::Array(elements)) => {
            elements.iter().enumerate().for_each(|(index, element)| go(Place::Index(index), element));
        }
        (Segment::Each, Value::Object(fields)) => {
            fields.iter().for_each(|(key, field)| go(Place::Key(key.clone()), field));
        }
        (Segment::Select(condition), value) => {
            if condition.holds(value) {
                find(rest, value, at, found);
            }
        }
        (Segment::Key(_) | Segment::Index(_) | Segment::Each, _) => {}
    }
}

fn get<'a>(value: &'a Value, place: &[Place]) -> &'a Value {
    place.iter().fold(value, |value, step| match step {
        Place::Key(key) => &value[key.as_str()],
        Place::Index(index) => &value[*index],
    })
}

fn remove(value: &mut Value, place: &[Place]) {
    let Some((last, way)) = place.split_last() else {
        *value = Value::Null;
        return;
    };
    let parent = way.iter().try_fold(value, |value, step| match step {
        Place::Key(key) => value.get_mut(key.as_str()),
        Place::Index(index) => value.get_mut(*index),
    });
    match (parent, last) {
        (Some(Value::Object(fields)), Place::Key(key)) => {
            fields.remove(key);
        }
        (Some(Value::Array(elements)), Place::Index(index)) if *index < elements.len() => {
            elements.remove(*index);
        }
        (None | Some(_), Place::Key(_) | Place::Index(_)) => {}
    }
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        let text = |path: &[Segment]| first(path, value).as_str().unwrap_or_default().to_owned();
        match self {
            Self::IsTrue(path) => !matches!(first(path, value), Value::Null | Value::Bool(false)),
            Self::Compare { path, is_equal, with } => (first(path, value) == with) == *is_equal,
            Self::StartsWith(path, start) => text(path).starts_with(start),
            Self::EndsWith(path, end) => text(path).ends_with(end),
            Self::Contains(path, part) => text(path).contains(part),
            Self::Test(path, regex) => regex.is_match(&text(path)),
            Self::And(one, other) => one.holds(value) && other.holds(value),
            Self::Or(one, other) => one.holds(value) || other.holds(value),
            Self::Not(one) => !one.holds(value),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("`{sign}` is missing before `{}`", self.rest)) }
    }

    /// A word that does not go on.
    fn takes_word(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(word).filter(|rest| !rest.starts_with(is_of_name));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn pipeline(&mut self) -> Result<Vec<Segment>, String> {
        let mut segments = vec![];
        loop {
            if self.takes_word("select") {
                self.expect("(")?;
                segments.push(Segment::Select(self.condition()?));
                self.expect(")")?;
                if self.rest.starts_with('.') {
                    segments.extend(self.path()?);
                }
            } else {
                segments.extend(self.path()?);
            }
            if !self.takes("|") {
                return Ok(segments);
            }
        }
    }

    fn path(&mut self) -> Result<Vec<Segment>, String> {
        self.skip_blanks();
        if !self.rest.starts_with('.') {
            return Err(format!("a path begins with a dot, and `{}` does not", self.rest));
        }
        let mut segments = vec![];
        loop {
            if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                segments.push(self.bracket()?);
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                if rest.starts_with('"') {
                    segments.push(Segment::Key(self.quoted()?));
                } else if rest.starts_with(is_of_name) {
                    segments.push(Segment::Key(self.name()));
                } else if !rest.starts_with('[') && !segments.is_empty() {
                    return Err(format!("a name is missing before `{rest}`"));
                }
            } else {
                return Ok(segments);
            }
            self.rest = self.rest.strip_prefix('?').unwrap_or(self.rest);
        }
    }

    fn bracket(&mut self) -> Result<Segment, String> {
        self.skip_blanks();
        if self.takes("]") {
            return Ok(Segment::Each);
        }
        let segment = if self.rest.starts_with('"') {
            Segment::Key(self.quoted()?)
        } else {
            let name = self.name();
            let place = if name.is_empty() { self.rest } else { name.as_str() };
            Segment::Index(name.parse().map_err(|_| format!("`{place}` is no place in a list, counted from 0"))?)
        };
        self.expect("]")?;
        Ok(segment)
    }

    fn name(&mut self) -> String {
        let end = self.rest.find(|sign| !is_of_name(sign)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    /// A text of JSON.
    fn quoted(&mut self) -> Result<String, String> {
        let value = self.literal()?;
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
    }

    fn literal(&mut self) -> Result<Value, String> {
        self.skip_blanks();
        let refusal = |rest: &str| format!("`{rest}` begins with no value");
        if self.rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
            let value = values.next().and_then(Result::ok).ok_or_else(|| refusal(self.rest))?;
            self.rest = &self.rest[values.byte_offset()..];
            return Ok(value);
        }
        // Numbers, true, false and null: up to what cannot be a part of them.
        let end = self.rest.find(|sign: char| !is_of_name(sign) && !"+-.".contains(sign)).unwrap_or(self.rest.len());
        let value = serde_json::from_str(&self.rest[..end]).map_err(|_| refusal(self.rest))?;
        self.rest = &self.rest[end..];
        Ok(value)
    }

    /// What stands in parentheses: the pipes come last.
    fn condition(&mut self) -> Result<Condition, String> {
        let mut condition = self.any()?;
        while self.takes("|") {
            condition = self.piped(condition)?;
        }
        Ok(condition)
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut condition = self.all()?;
        while self.takes_word("or") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all()?));
        }
        Ok(condition)
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut condition = self.term()?;
        while self.takes_word("and") {
            condition = Condition::And(Box::new(condition), Box::new(self.term()?));
        }
        Ok(condition)
    }

    fn term(&mut self) -> Result<Condition, String> {
        if self.takes("(") {
            let inner = self.condition()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        for (sign, is_equal) in [("==", true), ("!=", false)] {
            if self.takes(sign) {
                return Ok(Condition::Compare { path, is_equal, with: self.literal()? });
            }
        }
        Ok(Condition::IsTrue(path))
    }

    /// What follows a pipe.
    fn piped(&mut self, before: Condition) -> Result<Condition, String> {
        if self.takes_word("not") {
            return Ok(Condition::Not(Box::new(before)));
        }
        for function in ["startswith", "endswith", "contains", "test"] {
            if !self.takes_word(function) {
                continue;
            }
            self.expect("(")?;
            self.skip_blanks();
            let text = self.quoted()?;
            self.expect(")")?;
            let Condition::IsTrue(path) = before else {
                return Err(format!("`{function}` is for a text: put (.path | {function}(…)) in parentheses"));
            };
            return Ok(match function {
                "startswith" => Condition::StartsWith(path, text),
                "endswith" => Condition::EndsWith(path, text),
                "contains" => Condition::Contains(path, text),
                _ => Condition::Test(path, Regex::new(&text).map_err(|error| error.to_string())?),
            });
        }
        Err(format!("`{}` is not understood", self.rest))
    }
}

fn is_of_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn without(expression: &str, mut value: Value) -> Value {
        Path::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}")).delete(&mut value);
        value
    }

    #[test]
    fn what_an_expression_points_at_goes() {
        let paths = json!({ "spec": { "rules": [
            { "http": { "paths": [{ "backend": { "service": { "name": "canary-header" } } }, { "path": "/" }] } },
            { "http": { "paths": [{ "backend": { "service": { "name": "canary-header" } } }] } },
        ] } });
        let left =
            json!({ "spec": { "rules": [{ "http": { "paths": [{ "path": "/" }] } }, { "http": { "paths": [] } }] } });
        for expression in [
            r#".spec.rules[].http.paths[] | select(.backend.service.name == "canary-header")"#,
            r#".spec.rules[]?.http.paths[]?|select(.backend.service.name|startswith("canary"))"#,
            r#".spec.rules[].http.paths[] | select(.backend.service.name | test("^canary-.*$"))"#,
            r#".spec["rules"][].http.paths[] | select(.path != "/" and (.path == null or .x == 1))"#,
            r#".spec.rules[].http.paths[] | select((.path | contains("/")) | not)"#,
        ] {
            assert_eq!(without(expression, paths.clone()), left, "{expression}");
        }
        let annotations = json!({ "metadata": { "annotations": { "a/b.c": "1", "d": "2" } } });
        for expression in [r#".metadata.annotations."a/b.c""#, r#".metadata.annotations["a/b.c"]"#] {
            assert_eq!(
                without(expression, annotations.clone()),
                json!({ "metadata": { "annotations": { "d": "2" } } })
            );
        }
        assert_eq!(
            without(".spec.rules[0]", json!({ "spec": { "rules": [1, 2] } })),
            json!({ "spec": { "rules": [2] } })
        );
        assert_eq!(without(".spec.replicas", json!({ "spec": {} })), json!({ "spec": {} }));
        assert_eq!(without(".a[].b", json!({ "a": { "x": { "b": 1, "c": 2 } } })), json!({ "a": { "x": { "c": 2 } } }));
    }

    /// jq 1.7 says the same of each: a pipe binds weaker than `and` and `or`.
    #[test]
    fn not_is_of_all_that_stands_before_it() {
        let both = json!([{ "a": 1, "b": 2 }, { "a": 1, "b": 3 }, { "a": 0, "b": 2 }]);
        for (condition, left) in [
            (".a == 1 and .b == 2 | not", json!([{ "a": 1, "b": 2 }])),
            (".a == 1 and (.b == 2 | not)", json!([{ "a": 1, "b": 2 }, { "a": 0, "b": 2 }])),
            ("(.a == 1 or .b == 2 | not) | not", json!([])),
            (".a == 1 | not | not", json!([{ "a": 0, "b": 2 }])),
            (".c | not", json!([])),
            (".c", both.clone()),
        ] {
            assert_eq!(without(&format!(".[] | select({condition})"), both.clone()), left, "{condition}");
        }
        let rules = json!({ "rules": [{ "name": "a", "x": 1 }, { "name": "b", "x": 1 }] });
        let left = json!({ "rules": [{ "name": "a" }, { "name": "b", "x": 1 }] });
        assert_eq!(without(r#".rules[] | select(.name == "a").x"#, rules), left);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (expression, message) in [
            ("spec", "a path begins with a dot, and `spec` does not"),
            (".a | map(.b)", "a path begins with a dot, and `map(.b)` does not"),
            (".a[x]", "`x` is no place in a list, counted from 0"),
            (".a[-1]", "`-1]` is no place in a list, counted from 0"),
            (".a[] | select(.b > 1)", "`)` is missing before `> 1)`"),
            (".a[] | select(.b | length == 1)", "`length == 1)` is not understood"),
            (
                r#".a[] | select(.b == 1 and .c | test("x"))"#,
                "`test` is for a text: put (.path | test(…)) in parentheses",
            ),
            (".a[] | select(.b == 1", "`)` is missing before ``"),
            (".a..b", "a name is missing before `.b`"),
            (".a, .b", "`, .b` is not understood"),
        ] {
            assert_eq!(Path::parse(expression).unwrap_err(), message, "{expression}");
        }
    }
}
