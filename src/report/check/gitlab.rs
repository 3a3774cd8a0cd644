//! GitLab Code Quality.

use super::{Findings, Position, text};
use crate::check::finding::Level;
use crate::report::ci::fingerprint;
use serde_json::json;

pub fn render(findings: &Findings<'_>) -> Vec<u8> {
    let entries: Vec<_> = findings
        .all()
        .map(|finding| {
            let first = findings.sources.texts().first().map_or("-", |source| source.name.as_str());
            let position = Position::of(findings.sources, finding.place.as_ref());
            let (path, line) = position.map_or((first.to_owned(), 1), |position| (position.file, position.line));
            let severity = match finding.level {
                Level::Note => "info",
                Level::Warning => "major",
                Level::Error => "critical",
            };
            json!({
                "description": format!("{}. {}", finding.message, text::help(finding)),
                "check_name": finding.code,
                "fingerprint": fingerprint(&[finding.code, &path, &line.to_string()]),
                "severity": severity,
                "location": { "path": path, "lines": { "begin": line } },
            })
        })
        .collect();
    let mut bytes = serde_json::to_vec_pretty(&entries).expect("JSON can be written");
    bytes.push(b'\n');
    bytes
}
