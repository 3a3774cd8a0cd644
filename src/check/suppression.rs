//! `# sim-check: ignore K006 because the program drains by itself`: a finding that somebody has thought about.
//!
//! The comment stands at the end of the line that the finding is about, or alone on a line above it, or above the whole
//! document, where it counts for all of it.

use super::Checked;
use super::finding::{Finding, Found, Level, Page};
use crate::scenario::sources::Sources;
use std::ops::Range;

const MARK: &str = "# sim-check: ignore ";

/// A suppression that matches nothing.
pub const UNUSED: Page = Page {
    code: "S001",
    title: "a suppression that suppresses nothing",
    level: Level::Warning,
    cause: "A comment `# sim-check: ignore CODE because …` stands where no finding of that code is.",
    consequence: "Whoever reads it believes in a risk that is gone; when it comes back, nobody is told.",
    remedy: "remove the comment",
    source: "Practice of linters: ESLint `--report-unused-disable-directives`, Ruff RUF100.",
    reproduce: "sim check FILE, with the comment on a line without findings",
};

/// A suppression that does not say why.
pub const WITHOUT_REASON: Page = Page {
    code: "S002",
    title: "a suppression without a reason",
    level: Level::Warning,
    cause: "A comment `# sim-check: ignore CODE` has no `because …`.",
    consequence: "The next reader cannot tell a decision from a convenience.",
    remedy: "write `because` and the reason behind the code",
    source: "Practice of linters: ESLint `require-description`, Ruff's documentation on `noqa`.",
    reproduce: "sim check FILE, with `# sim-check: ignore K023` in it",
};

#[derive(Debug)]
struct Suppression {
    codes: Vec<String>,
    has_reason: bool,
    place: Range<usize>,
    /// The bytes that it counts for.
    reach: Range<usize>,
}

/// Takes out what is suppressed, and adds what is wrong with the suppressions to the first deployment. Returns how many are
/// suppressed.
pub fn suppress(sources: &Sources, checked: &mut [Checked]) -> usize {
    let suppressions = read(sources);
    let mut used = vec![false; suppressions.len()];
    let mut count = 0;
    for checked in checked.iter_mut() {
        let before = checked.findings.len();
        checked.findings.retain(|finding| {
            let suppressed_by = suppressions.iter().position(|suppression| suppression.covers(finding));
            if let Some(index) = suppressed_by {
                used[index] = true;
            }
            suppressed_by.is_none()
        });
        count += before - checked.findings.len();
    }
    let Some(first) = checked.first_mut() else { return count };
    for (suppression, used) in suppressions.iter().zip(used) {
        let codes = suppression.codes.join(", ");
        let place = Some(suppression.place.clone());
        if !used {
            let message = format!("there is no finding {codes} here to ignore");
            first.findings.push(Finding::new(&UNUSED, Found::at(place, message)));
        } else if !suppression.has_reason {
            let message = format!("{codes} is ignored without a reason");
            first.findings.push(Finding::new(&WITHOUT_REASON, Found::at(place, message)));
        }
    }
    first.findings.sort_by_key(|finding| (finding.place.as_ref().map(|place| place.start), finding.code));
    count
}

impl Suppression {
    /// An error is none the less one: nothing would come of such manifests.
    fn covers(&self, finding: &Finding) -> bool {
        finding.level != Level::Error
            && finding.place.as_ref().is_some_and(|place| self.reach.contains(&place.start))
            && self.codes.iter().any(|code| code == finding.code)
    }
}

fn read(sources: &Sources) -> Vec<Suppression> {
    let mut suppressions = Vec::new();
    for source in sources.manifests() {
        let (mut at, mut document) = (source.start, source.start);
        let lines: Vec<&str> = source.text.split_inclusive('\n').collect();
        let mut is_begin = true;
        for (index, line) in lines.iter().enumerate() {
            if line.starts_with("---") {
                (document, is_begin) = (at, true);
            }
            if let Some(mark) = line.find(MARK) {
                let is_alone = line[..mark].trim().is_empty();
                let text = line[mark + MARK.len()..].trim_end();
                let (codes, reason) = text.split_once(" because ").unwrap_or((text, ""));
                let end = at + line.len();
                let reach = match (is_alone, is_begin) {
                    (true, true) => document..end_of_document(&lines[index + 1..], end),
                    // Over further comments to the next line that says something.
                    (true, false) => end..end_of_next(&lines[index + 1..], end),
                    (false, _) => at..end,
                };
                suppressions.push(Suppression {
                    codes: codes.split([',', ' ']).filter(|code| !code.is_empty()).map(str::to_owned).collect(),
                    has_reason: !reason.trim().is_empty(),
                    place: at + mark..at + mark + MARK.len() + text.len(),
                    reach,
                });
            }
            is_begin &= line.starts_with("---") || line.trim_start().starts_with('#') || line.trim().is_empty();
            at += line.len();
        }
    }
    suppressions
}

fn end_of_document(lines: &[&str], start: usize) -> usize {
    start + lines.iter().take_while(|line| !line.starts_with("---")).map(|line| line.len()).sum::<usize>()
}

fn end_of_next(lines: &[&str], start: usize) -> usize {
    let comments = lines.iter().take_while(|line| line.trim_start().starts_with('#')).count();
    start + lines.iter().take(comments + 1).map(|line| line.len()).sum::<usize>()
}
