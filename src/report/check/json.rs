//! Findings as JSON, schema `rollout-sim/check/v1`.

use super::{Findings, Position};
use crate::check::finding::Finding;
use crate::report::summary;
use serde_json::{Value, json};

pub const SCHEMA: &str = "rollout-sim/check/v1";

pub fn render(findings: &Findings<'_>) -> String {
    let deployments = findings.checked.iter().map(|checked| {
        let played = checked.simulated.played();
        json!({
            "deployment": checked.title,
            "failed": played.ok().map(|played| played.failed),
            "requests": played.ok().map(|played| played.requests),
            "not_simulated": played.err().map(|why| format!("{} {why}", checked.title)),
            "failed_before": findings.before.and_then(|before| before.failed(&checked.identity)),
            "seeds": checked.plays.map_or(0, |plays| plays.seeds),
            "changes_are_played": checked.plays.is_some_and(|plays| plays.with_changes),
            "supposes_mended": checked.supposed_mended(),
            "ignored": summary::ignored(&checked.ignored),
            "findings": checked.findings.iter().map(|finding| self::finding(findings, finding)).collect::<Vec<_>>(),
        })
    });
    let value = json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "seeds": findings.seeds,
        "suppressed": findings.suppressed,
        "removed": findings.before.map_or(&[][..], |before| &before.removed),
        "deployments": deployments.collect::<Vec<_>>(),
    });
    format!("{}\n", serde_json::to_string_pretty(&value).expect("JSON can be written"))
}

fn finding(findings: &Findings<'_>, finding: &Finding) -> Value {
    let position = Position::of(findings.sources, finding.place.as_ref());
    let prediction = finding
        .prediction
        .map(|prediction| json!({ "failed": prediction.without, "failed_with_change": prediction.with }));
    json!({
        "code": finding.code,
        "level": finding.level.name(),
        "message": finding.message,
        "help": finding.help,
        "position": position.map(|position| json!({
            "file": position.file,
            "line": position.line,
            "column": position.column,
            "end_line": position.end_line,
            "end_column": position.end_column,
        })),
        "prediction": prediction,
    })
}
