//! Markdown for a comment on a pull request.

use super::text::supposed;
use super::{Findings, Position, difference, requests};
use crate::check::finding::Level;
use crate::check::{Checked, Simulated};
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
        let failed = checked.simulated.played().map_or_else(str::to_owned, |played| requests(played.failed));
        let mended = supposed(checked).map_or(String::new(), |words| format!(", {words}"));
        text.push_str(&format!("| {} | {failed}{mended} |\n", cell(&checked.title)));
    }
    if findings.all().next().is_some() {
        text.push_str("\n| finding | where | what | what helps | failed requests with it |\n|---|---|---|---|---:|\n");
        for finding in findings.all().take(ROWS) {
            let position = Position::of(findings.sources, finding.place.as_ref());
            let place = position.map_or("–".to_owned(), |position| format!("{}:{}", position.file, position.line));
            let with = match finding.prediction.map(difference) {
                None => "–".to_owned(),
                Some(None) => "no difference".to_owned(),
                Some(Some((_, with))) => with,
            };
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
    let sentence = |checked: &Checked| {
        let of = if several { format!(" of {}", checked.title) } else { String::new() };
        let is_new = before.failed.iter().all(|(identity, _)| *identity != checked.identity);
        let now = match checked.simulated.played() {
            Ok(played) => played.failed,
            Err(why) => return format!("after this change {} {why}", checked.title),
        };
        match before.failed(&checked.identity) {
            None if is_new => {
                format!("{} is new: {} failed requests are expected per release", checked.title, requests(now))
            }
            None => {
                format!(
                    "{} could not be simulated before: now {} failed requests per release",
                    checked.title,
                    requests(now)
                )
            }
            Some(then) if requests(then) == requests(now) => {
                format!("this change leaves the expected failed requests per release{of} at {}", requests(now))
            }
            Some(then) => {
                let verb = if now > then { "raises" } else { "lowers" };
                let (then, now) = (requests(then), requests(now));
                format!("this change {verb} the expected failed requests per release{of} from {then} to {now}")
            }
        }
    };
    // Files that have never held a workload have nothing to compare.
    let is_compared = |checked: &&Checked| !before.failed.is_empty() || checked.simulated != Simulated::NoWorkload;
    let removed = before.removed.iter().map(|identity| format!("this change removes {identity}"));
    findings.checked.iter().filter(is_compared).map(sentence).chain(removed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::{Finding, Found, Prediction};
    use crate::check::predict::Played;
    use crate::check::suppression::UNUSED;
    use crate::scenario::sources::Sources;

    #[test]
    fn a_change_without_a_difference_has_no_number() {
        for (prediction, told) in [
            (None, "| – |"),
            (Some(Prediction { without: 15.4, with: 3.0 }), "| 3 |"),
            (Some(Prediction { without: 15.4, with: 14.8 }), "| no difference |"),
        ] {
            let finding = Finding { prediction, ..Finding::new(&UNUSED, Found::at(None, "it is wrong")) };
            let checked = [Checked {
                title: "Rollout web".to_owned(),
                identity: String::new(),
                findings: vec![finding],
                simulated: Simulated::Played(Played { failed: 15.4, requests: 100.0 }),
                plays: None,
                ignored: Vec::new(),
            }];
            let findings =
                Findings { sources: &Sources::default(), checked: &checked, suppressed: 0, before: None, seeds: 1 };
            let text = render(&findings);
            assert!(text.lines().last().is_some_and(|line| line.ends_with(told)), "{text}");
        }
    }
}
