//! Changes in manifests of another form: with the line ends of Windows, and with a comment on every line.

use super::{Setting, folder, overrides};
use rollout_sim::check::catalogue::rules;
use rollout_sim::check::change::{Change, apply};
use rollout_sim::check::check;
use rollout_sim::scenario::document::{Kind, Node, Table};
use rollout_sim::scenario::manifests::release::releases;
use rollout_sim::scenario::manifests::stream::Stream;
use rollout_sim::scenario::sources::Sources;
use std::fs;

/// What stands in a document, without where.
fn plain(node: &Node) -> String {
    match &node.kind {
        Kind::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Kind::Table(table) => plain_table(table),
        value @ (Kind::String(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_)) => {
            format!("{value:?}")
        }
    }
}

fn plain_table(table: &Table) -> String {
    let entries: Vec<_> = table.entries.iter().map(|entry| format!("{}: {}", entry.key, plain(&entry.value))).collect();
    format!("{{{}}}", entries.join(", "))
}

fn objects(sources: &Sources) -> Vec<String> {
    let (stream, problems) = Stream::read(sources);
    assert_eq!(problems, [], "{}", sources.texts()[0].text);
    stream.objects.iter().map(|object| plain_table(&object.table)).collect()
}

/// Every change that a rule thinks of, played or not.
fn changes(sources: &Sources, code: &str, set: &[String]) -> Vec<Change> {
    let (stream, _) = Stream::read(sources);
    let setting = Setting { scenario: (None, &Table::default()), overrides: set, seeds: &[] };
    let checked = check(sources, &releases(&stream)[0], setting);
    let findings = checked.findings.into_iter().filter(|finding| finding.code == code);
    findings.flat_map(|finding| finding.changes).collect()
}

fn of(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add_manifests("x.yaml", text, true);
    sources
}

/// A comment behind each line but those that are comments, or lines of a text.
fn commented(text: &str) -> String {
    let mut block: Option<usize> = None;
    let line = |(number, line): (usize, &str)| {
        let indent = line.len() - line.trim_start().len();
        if block.is_some_and(|of_key| indent > of_key) || line.is_empty() || line.trim_start().starts_with('#') {
            return format!("{line}\n");
        }
        block = line.ends_with(": |").then_some(indent);
        format!("{line} # note {number}.\n")
    };
    text.lines().enumerate().map(line).collect()
}

#[test]
fn what_is_proposed_is_the_same_in_every_form() {
    for code in rules().map(|rule| rule.page.code) {
        let text = fs::read_to_string(folder().join(format!("{code}.bad.yaml"))).unwrap();
        let set = overrides(&text);
        let sources = of(&text);
        let expected = changes(&sources, code, &set);
        for form in [text.replace('\n', "\r\n"), commented(&text)] {
            let formed = of(&form);
            let found = changes(&formed, code, &set);
            assert_eq!(found.len(), expected.len(), "{code}\n{form}");
            for (change, expected) in found.iter().zip(&expected) {
                assert_eq!(change.words, expected.words, "{code}");
                let changed = apply(&formed, &change.edits).unwrap();
                let other = apply(&sources, &expected.edits).unwrap();
                assert_eq!(objects(&changed), objects(&other), "{code}: {}", changed.texts()[0].text);
                keeps_comments(&formed, change, &changed.texts()[0].text);
            }
        }
    }
}

/// A comment goes only with its whole line.
fn keeps_comments(before: &Sources, change: &Change, after: &str) {
    let removed: String = change.edits.iter().map(|edit| before.text(&edit.at)).collect();
    for comment in before.texts()[0].text.lines().filter_map(|line| Some(&line[line.find(" # note ")?..])) {
        let is_there = after.lines().any(|line| line.ends_with(comment));
        assert!(is_there || removed.contains(&format!("{comment}\n")), "{comment} of {}\n{after}", change.words);
    }
}
