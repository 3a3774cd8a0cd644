//! Annotations of a GitHub workflow, one command a line.

use super::{Findings, Position, text};
use crate::check::finding::Level;
use crate::report::ci::{escape, escape_property};

/// GitHub shows ten annotations of a level and a step.
const OF_A_LEVEL: usize = 10;

pub fn annotations(findings: &Findings<'_>) -> String {
    let mut lines = String::new();
    for (level, command) in [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Note, "notice")] {
        for finding in findings.all().filter(|finding| finding.level == level).take(OF_A_LEVEL) {
            let place = Position::of(findings.sources, finding.place.as_ref()).map_or(String::new(), |position| {
                let file = escape_property(&position.file);
                format!("file={file},line={},col={},", position.line, position.column)
            });
            let message = escape(&text::sentences(finding));
            lines.push_str(&format!("::{command} {place}title={}::{message}\n", finding.code));
        }
    }
    lines
}
