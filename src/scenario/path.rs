//! Dotted keys, as `--set` takes them and reports print them: `rollout.strategy.canary.steps[3].setWeight`.

use super::quoted::quoted;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// A key as TOML writes it: bare if it can be.
pub fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(is_bare_char);
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// The path of an entry of the table at `parent`.
pub fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { key(name) } else { format!("{parent}.{}", key(name)) }
}

/// Whether `inner` is `outer`, or a part of it.
pub fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn is_bare_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

type Refusal = (String, &'static str);

/// The path in its plainest spelling.
pub fn written(segments: &[Segment]) -> String {
    segments.iter().fold(String::new(), |path, segment| match segment {
        Segment::Key(name) => join(&path, name),
        Segment::Index(index) => format!("{path}[{index}]"),
    })
}

pub fn parse(text: &str) -> Result<Vec<Segment>, Refusal> {
    let (segments, rest) = segments(text)?;
    if rest.is_empty() { Ok(segments) } else { Err(unexpected(rest)) }
}

/// `KEY=VALUE`; a quoted name may hold an `=`.
pub fn parse_assignment(text: &str) -> Result<(Vec<Segment>, &str), Refusal> {
    let (segments, rest) = segments(text)?;
    match rest.trim_start().strip_prefix('=') {
        Some(value) => Ok((segments, value)),
        None if rest.trim().is_empty() => Err(("there is no `=` in it".to_owned(), "write --set KEY=VALUE")),
        None => Err(unexpected(rest)),
    }
}

fn unexpected(rest: &str) -> Refusal {
    let c = rest.chars().next().unwrap_or_default();
    (format!("`{c}` cannot stand in a key"), "put names with other characters in quotes: ingress.annotations.\"a/b\"=…")
}

fn segments(text: &str) -> Result<(Vec<Segment>, &str), Refusal> {
    let (mut segments, mut rest) = (Vec::new(), text.trim_start());
    loop {
        let (name, after) = name(rest)?;
        segments.push(Segment::Key(name));
        rest = after;
        while let Some(after) = rest.strip_prefix('[') {
            let refusal = || ("`[` wants a number and `]`".to_owned(), "entries of an array count from [0]");
            let (index, after) = after.split_once(']').ok_or_else(refusal)?;
            segments.push(Segment::Index(index.trim().parse().map_err(|_| refusal())?));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None => return Ok((segments, rest)),
        }
    }
}

fn name(text: &str) -> Result<(String, &str), Refusal> {
    let missing = || ("a name is missing".to_owned(), "write --set traffic.rate=250/s");
    match text.chars().next() {
        Some('\'') => {
            let (name, after) = text[1..].split_once('\'').ok_or_else(missing)?;
            Ok((name.to_owned(), after))
        }
        Some('"') => quoted_name(&text[1..]).ok_or_else(missing),
        _ => {
            let end = text.find(|c| !is_bare_char(c)).unwrap_or(text.len());
            let (name, after) = text.split_at(end);
            match (name.is_empty(), after.chars().next()) {
                (false, _) => Ok((name.to_owned(), after)),
                (true, None | Some('.' | '=' | '[' | ' ')) => Err(missing()),
                (true, Some(_)) => Err(unexpected(after)),
            }
        }
    }
}

fn quoted_name(text: &str) -> Option<(String, &str)> {
    let (mut name, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, &text[at + 1..])),
            '\\' => name.push(chars.next()?.1),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quoted_name_may_hold_dots_slashes_and_equal_signs() {
        let (segments, value) = parse_assignment(r#"a."b.c/d=e"[2].f = g=h"#).unwrap();
        let key = |name: &str| Segment::Key(name.to_owned());
        assert_eq!(segments, [key("a"), key("b.c/d=e"), Segment::Index(2), key("f")]);
        assert_eq!(value, " g=h");
    }

    proptest! {
        #[test]
        fn a_written_path_reads_as_itself(names in proptest::collection::vec("[ -~]{1,12}", 1..5)) {
            let path = names.iter().fold(String::new(), |path, name| join(&path, name));
            let keys: Vec<_> = names.into_iter().map(Segment::Key).collect();
            prop_assert_eq!(parse(&path), Ok(keys));
        }
    }
}
