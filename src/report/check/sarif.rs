//! SARIF 2.1.0, as GitHub code scanning and editors read it.
//!
//! Columns count UTF-16 units, as the format does unless told otherwise.

use super::{Findings, Occurrences, Position, text};
use crate::check::change::Edit;
use crate::check::finding::{Finding, Level, Page};
use crate::report::ci::fingerprint;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub fn render<'p>(findings: &Findings<'_>, pages: impl Iterator<Item = &'p Page>) -> Vec<u8> {
    let pages: BTreeMap<&str, &Page> = pages.map(|page| (page.code, page)).collect();
    // Only the rules that found something, in the order of their codes.
    let mut codes: Vec<&str> = findings.all().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code, pages.get(code).copied())).collect();
    let index = |code: &str| codes.binary_search(&code).expect("each code is in the list");
    let mut seen = Occurrences::default();
    let results: Vec<Value> =
        findings.all().map(|finding| result(findings, finding, index(finding.code), &mut seen)).collect();
    let value = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rollout-sim",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    });
    let mut bytes = serde_json::to_vec_pretty(&value).expect("JSON can be written");
    bytes.push(b'\n');
    bytes
}

fn rule(code: &str, page: Option<&Page>) -> Value {
    let Some(page) = page else {
        return json!({ "id": code, "shortDescription": { "text": "The Rollouts controller refuses it" } });
    };
    let help = format!("{}\n\n{}\n\n{}\n\nSource: {}", page.cause, page.consequence, page.remedy, page.source);
    json!({
        "id": code,
        "shortDescription": { "text": page.title },
        "fullDescription": { "text": page.cause },
        "help": { "text": help, "markdown": help },
        "defaultConfiguration": { "level": level(page.level) },
    })
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn result(findings: &Findings<'_>, finding: &Finding, index: usize, seen: &mut Occurrences) -> Value {
    let position = Position::of(findings.sources, finding.place.as_ref());
    // What is about no line is about the first file.
    let file = findings.sources.texts().first().map_or("-", |source| source.name.as_str());
    let location = match &position {
        Some(position) => json!({
            "artifactLocation": { "uri": uri(&position.file) },
            "region": region(position),
        }),
        None => json!({ "artifactLocation": { "uri": uri(file) } }),
    };
    let line = position.as_ref().map_or(String::new(), |_| {
        finding.place.as_ref().map(|place| findings.sources.text(place).to_owned()).unwrap_or_default()
    });
    // Two findings on equal lines are told apart by their order, as CodeQL does.
    let file = position.as_ref().map_or(file, |position| position.file.as_str());
    let hash = fingerprint(&[finding.code, file, &line]);
    let hash = format!("{hash}:{}", seen.count(&hash));
    let mut value = json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": level(finding.level),
        "message": { "text": text::sentences(finding) },
        "locations": [{ "physicalLocation": location }],
        "partialFingerprints": { "primaryLocationLineHash": hash },
    });
    if let Some(change) = finding.proposed() {
        value["fixes"] =
            json!([{ "description": { "text": change.words }, "artifactChanges": changes(findings, &change.edits) }]);
    }
    value
}

/// One entry for each file. What is inserted at one point makes one replacement.
fn changes(findings: &Findings<'_>, edits: &[Edit]) -> Vec<Value> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    edits.dedup_by(|next, edit| {
        let is_same = next.at == edit.at;
        if is_same {
            edit.text.push_str(&next.text);
        }
        is_same
    });
    let mut files: Vec<(String, Vec<Value>)> = Vec::new();
    for edit in edits {
        let Some(position) = Position::of(findings.sources, Some(&edit.at)) else { continue };
        let replacement = json!({ "deletedRegion": region(&position), "insertedContent": { "text": edit.text } });
        match files.last_mut().filter(|(file, _)| *file == position.file) {
            Some((_, replacements)) => replacements.push(replacement),
            None => files.push((position.file, vec![replacement])),
        }
    }
    let change = |(file, replacements): (String, Vec<Value>)| json!({ "artifactLocation": { "uri": uri(&file) }, "replacements": replacements });
    files.into_iter().map(change).collect()
}

fn region(position: &Position) -> Value {
    json!({
        "startLine": position.line,
        "startColumn": position.column,
        "endLine": position.end_line,
        "endColumn": position.end_column,
    })
}

/// A relative reference: what a URI reserves is escaped.
fn uri(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
