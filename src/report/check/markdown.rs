//! Markdown for a comment on a pull request.

use super::text::supposed;
use super::{Findings, Position, requests};
use crate::check::finding::Level;
use crate::report::ci::cell;

/// A comment has room for 65,536 characters.
const ROWS: usize = 100;

pub fn render(findings: &Findings<'_>) -> String {
    let fails = findings.count(Level::Error) + findings.count(Level::Warning) > 0;
    let mut text = format!("## {} rollout-sim\n\n", if fails { "❌" } else { "✅" });
    for sentence in comparison(findings) {
        text.push_str(&format!("**{}**\n\n", cell(&sentence)));
    }
    text.push_str("| deployment | failed requests per release |\n|---|---:|\n");
    for checked in findings.checked {
        let failed = checked.failed.map_or("cannot be simulated".to_owned(), requests);
        let mended = supposed(checked).map_or(String::new(), |words| format!(", {words}"));
        text.push_str(&format!("| {} | {failed}{mended} |\n", cell(&checked.title)));
    }
    if findings.all().next().is_some() {
        text.push_str("\n| finding | where | what | what helps | failed requests with it |\n|---|---|---|---|---:|\n");
        for finding in findings.all().take(ROWS) {
            let position = Position::of(findings.sources, finding.place.as_ref());
            let place = position.map_or("–".to_owned(), |position| format!("{}:{}", position.file, position.line));
            let with = finding.prediction.map_or("–".to_owned(), |prediction| requests(prediction.with));
            text.push_str(&format!(
                "| {} {} | {} | {} | {} | {with} |\n",
                finding.level.name(),
                finding.code,
                cell(&place),
                cell(&finding.message),
                cell(&finding.help)
            ));
        }
    }
    let more = findings.all().count().saturating_sub(ROWS);
    if more > 0 {
        text.push_str(&format!("\nAnd {more} more.\n"));
    }
    text
}

/// What a change does to each deployment, in a sentence.
pub fn comparison(findings: &Findings<'_>) -> Vec<String> {
    let Some(before) = findings.before else { return Vec::new() };
    let several = findings.checked.len() + before.removed.len() > 1;
    let sentence = |checked: &crate::check::Checked| {
        let of = if several { format!(" of {}", checked.title) } else { String::new() };
        let is_new = before.failed.iter().all(|(identity, _)| *identity != checked.identity);
        match (before.failed(&checked.identity), checked.failed) {
            (_, None) => format!("after this change {} cannot be simulated", checked.title),
            (None, Some(now)) if is_new => {
                format!("{} is new: {} failed requests are expected per release", checked.title, requests(now))
            }
            (None, Some(now)) => {
                format!(
                    "{} could not be simulated before: now {} failed requests per release",
                    checked.title,
                    requests(now)
                )
            }
            (Some(then), Some(now)) if requests(then) == requests(now) => {
                format!("this change leaves the expected failed requests per release{of} at {}", requests(now))
            }
            (Some(then), Some(now)) => {
                let verb = if now > then { "raises" } else { "lowers" };
                let (then, now) = (requests(then), requests(now));
                format!("this change {verb} the expected failed requests per release{of} from {then} to {now}")
            }
        }
    };
    let removed = before.removed.iter().map(|identity| format!("this change removes {identity}"));
    findings.checked.iter().map(sentence).chain(removed).collect()
}
