//! The end of `sim check` on a terminal: what a release costs, and which change helps how much.

use super::{Findings, difference, requests};
use crate::check::Checked;
use crate::check::finding::{Finding, Level, Prediction};
use crate::check::predict::Played;
use crate::report::terminal::{BAD, GOOD, TITLE, paint};
use crate::report::text::ignored;
use crate::report::{counted, grouped, percent};

/// The verdict, after the findings themselves.
pub fn render(findings: &Findings<'_>, width: usize) -> String {
    let mut text = String::new();
    for checked in findings.checked {
        text.push_str(&deployment(checked, findings.seeds));
        text.extend(ignored(&checked.ignored, width).iter().map(|line| format!("{line}\n")));
    }
    for sentence in super::markdown::comparison(findings) {
        text.push_str(&format!("{sentence}\n"));
    }
    let count = |level: Level| findings.count(level) as u64;
    let mut words = vec![
        counted(count(Level::Error), "error"),
        counted(count(Level::Warning), "warning"),
        counted(count(Level::Note), "note"),
    ];
    if findings.suppressed > 0 {
        words.push(format!("{} ignored by comments", findings.suppressed));
    }
    text.push_str(&format!("{}\n", words.join(", ")));
    text
}

fn deployment(checked: &Checked, seeds: usize) -> String {
    let Played { failed, requests: all } = match checked.simulated.played() {
        Ok(played) => played,
        Err(why) => return format!("{} {why}\n", paint(TITLE, &checked.title)),
    };
    let mean = match checked.plays {
        Some(plays) if plays.seeds > 1 => format!(", mean of {} seeds", plays.seeds),
        Some(_) | None => String::new(),
    };
    let verdict = if failed == 0.0 {
        paint(GOOD, "no failed request in a release")
    } else {
        let share = percent(failed / all.max(1.0));
        paint(BAD, format!("{} of {} requests fail in a release ({share})", requests(failed), requests(all)))
    };
    let mended = supposed(checked).map_or(String::new(), |words| format!(", {words}"));
    let mut text = format!("{}: {verdict}{mean}{mended}\n", paint(TITLE, &checked.title));
    text.extend(bounded(checked, seeds).map(|words| format!("  {words}\n")));
    let mut helping: Vec<(&Finding, f64, &str)> = checked.findings.iter().filter_map(helps).collect();
    helping.sort_by(|a, b| a.1.total_cmp(&b.1));
    let width = helping.iter().map(|(_, _, words)| words.chars().count()).max().unwrap_or(0).min(90);
    for (finding, with, words) in helping {
        text.push_str(&format!("  {:6}  {words:width$}  → {}\n", finding.code, requests(with)));
    }
    text
}

/// What so many pods keep from being played.
fn bounded(checked: &Checked, seeds: usize) -> Option<String> {
    let plays = checked.plays.filter(|plays| plays.seeds < seeds || !plays.with_changes)?;
    let pods = grouped(u64::from(plays.pods));
    let changes = if plays.with_changes { "" } else { ", and no change of it" };
    Some(format!("{pods} pods take long to play: it was played with {} seed{changes}", plays.seeds))
}

/// Of which errors the numbers know nothing.
pub fn supposed(checked: &Checked) -> Option<String> {
    match &checked.supposed_mended()[..] {
        [] => None,
        [code] => Some(format!("supposing that {code} is mended")),
        codes => Some(format!("supposing that {} are mended", codes.join(", "))),
    }
}

/// A change that leaves fewer failed requests.
fn helps(finding: &Finding) -> Option<(&Finding, f64, &str)> {
    let is_less = |prediction: &Prediction| prediction.with < prediction.without && difference(*prediction).is_some();
    let prediction = finding.prediction.filter(is_less)?;
    Some((finding, prediction.with, finding.change.as_ref()?.words.as_str()))
}

/// The help of a finding: what to do, and what that brings.
pub fn help(finding: &Finding) -> String {
    let Some(prediction) = finding.prediction else { return finding.help.clone() };
    match difference(prediction) {
        None => format!("{} (it makes no difference in this release)", finding.help),
        Some((without, with)) => {
            let raises = prediction.with > prediction.without;
            let verb = if raises { "here it would raise the failed requests" } else { "failed requests" };
            format!("{} ({verb} of a release: {without} → {with})", finding.help)
        }
    }
}

/// What is wrong, and what to do where something can be done.
pub fn sentences(finding: &Finding) -> String {
    let help = help(finding);
    if help.is_empty() { finding.message.clone() } else { format!("{}. {help}", finding.message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::Found;
    use crate::check::suppression::UNUSED;

    #[test]
    fn the_help_tells_what_it_brings() {
        let mut finding = Finding::new(&UNUSED, Found::at(None, "it is wrong"));
        assert_eq!(sentences(&finding), "it is wrong. remove the comment");
        finding.prediction = Some(Prediction { without: 15.4, with: 3.0 });
        assert_eq!(help(&finding), "remove the comment (failed requests of a release: 15 → 3)");
        finding.prediction = Some(Prediction { without: 15.4, with: 14.8 });
        assert_eq!(help(&finding), "remove the comment (it makes no difference in this release)");
        finding.prediction = Some(Prediction { without: 40.0, with: 56.0 });
        assert_eq!(
            help(&finding),
            "remove the comment (here it would raise the failed requests of a release: 40 → 56)"
        );
        (finding.prediction, finding.help) = (None, String::new());
        assert_eq!(sentences(&finding), "it is wrong");
    }
}
