//! GitLab Code Quality.

use super::{Findings, Occurrences, Position, text};
use crate::check::finding::Level;
use crate::report::ci::fingerprint;
use serde_json::json;

pub fn render(findings: &Findings<'_>) -> Vec<u8> {
    let mut seen = Occurrences::default();
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
            let hash = fingerprint(&[finding.code, &path, &line.to_string()]);
            let fingerprint = match seen.count(&hash) {
                1 => hash,
                // Of two releases that share a line.
                again => fingerprint(&[&hash, &again.to_string()]),
            };
            json!({
                "description": text::sentences(finding),
                "check_name": finding.code,
                "fingerprint": fingerprint,
                "severity": severity,
                "location": { "path": path, "lines": { "begin": line } },
            })
        })
        .collect();
    let mut bytes = serde_json::to_vec_pretty(&entries).expect("JSON can be written");
    bytes.push(b'\n');
    bytes
}
