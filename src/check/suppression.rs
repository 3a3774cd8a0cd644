//! `# sim-check: ignore K006 because the program drains by itself`: a finding that somebody has thought about.
//!
//! The comment stands at the end of the line that the finding is about, or alone on a line above it, or above the whole
//! document, where it counts for all of it.

use super::Checked;
use super::comment::Reader;
use super::finding::{Finding, Found, INPUT, Level, Page};
use super::predict::document_at;
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::release::{Release, backends, releases};
use crate::scenario::manifests::stream::Stream;
use crate::scenario::sources::Sources;
use std::collections::BTreeSet;
use std::ops::Range;

const MARK: &str = "# sim-check: ignore ";
/// Whatever stands behind it and a colon was meant to be a mark.
const WORD: &str = "sim-check";

/// A suppression that matches nothing.
pub const UNUSED: Page = Page {
    code: "S001",
    title: "a suppression that suppresses nothing",
    level: Level::Warning,
    cause: "A comment `# sim-check: ignore CODE because …` stands where no finding of that code is.",
    consequence: "Whoever reads it believes in a risk that is gone; when it comes back, nobody is told.",
    remedy: "remove the comment",
    source: "Practice of linters: ESLint `--report-unused-disable-directives`, Ruff RUF100.",
    example: include_str!("../../scenarios/findings/S001.bad.yaml"),
    run: None,
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
    example: include_str!("../../scenarios/findings/S002.bad.yaml"),
    run: None,
};

/// A comment that was meant to be a suppression.
pub const MALFORMED: Page = Page {
    code: "S003",
    title: "a suppression that is not understood",
    level: Level::Warning,
    cause: "A comment begins with `# sim-check:` or nearly so, and is not `# sim-check: ignore CODE because REASON`.",
    consequence: "It suppresses nothing.",
    remedy: "write # sim-check: ignore CODE because REASON",
    source: "Practice of linters: ESLint on directives that it cannot parse, Ruff RUF102.",
    example: include_str!("../../scenarios/findings/S003.bad.yaml"),
    run: None,
};

#[derive(Debug)]
struct Suppression {
    /// None if it is not understood.
    codes: Option<Vec<String>>,
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
    let wrong = suppressions.iter().zip(used).filter_map(|(suppression, used)| suppression.wrong(used));
    let mut wrong: Vec<Finding> = wrong.collect();
    if !wrong.is_empty() {
        let owners = Owners::new(sources, checked);
        wrong.retain(|finding| owners.allow(finding));
    }
    if let Some(first) = checked.first_mut() {
        first.findings.extend(wrong);
        first.findings.sort_by_key(super::order);
    }
    count
}

/// Whose documents the texts have: what is suppressed for a release that is not asked for shows when it is.
struct Owners {
    asked_for: BTreeSet<Document>,
    not_asked_for: BTreeSet<Document>,
    /// Of what is not simulated many findings that could be ignored do not show.
    played: BTreeSet<Document>,
    unplayed: BTreeSet<Document>,
    are_all_played: bool,
}

/// Where a document begins and ends in all texts.
type Document = (usize, usize);

impl Owners {
    fn new(sources: &Sources, checked: &[Checked]) -> Self {
        let (stream, _) = Stream::read(sources);
        let all = releases(&stream);
        let documents = |is_meant: &dyn Fn(&Checked) -> bool| {
            let is_meant = |release: &&Release<'_>| {
                let identity = super::identity(release.workload);
                checked.iter().any(|checked| checked.identity == identity && is_meant(checked))
            };
            let (these, others): (Vec<_>, Vec<_>) = all.iter().partition(is_meant);
            [these, others].map(|releases| {
                let objects = releases.into_iter().flat_map(objects);
                objects.filter_map(|object| document(sources, object)).collect::<BTreeSet<_>>()
            })
        };
        let is_played = |checked: &Checked| checked.simulated.played().is_ok();
        let [asked_for, not_asked_for] = documents(&|_| true);
        let [played, unplayed] = documents(&is_played);
        let are_all_played = unplayed.is_empty() && checked.iter().all(is_played);
        Self { asked_for, not_asked_for, played, unplayed, are_all_played }
    }

    /// Whether what is wrong with a comment may be told. That it ignores nothing is known only if nobody else may have a
    /// finding there: a document of no release at all may be anybody's.
    fn allow(&self, finding: &Finding) -> bool {
        let Some(place) = &finding.place else { return true };
        let is_in =
            |documents: &BTreeSet<Document>| documents.iter().any(|(start, end)| (*start..*end).contains(&place.start));
        let is_of_others = is_in(&self.not_asked_for) && !is_in(&self.asked_for);
        let is_known = self.are_all_played || is_in(&self.played) && !is_in(&self.unplayed);
        !is_of_others && (is_known || finding.code != UNUSED.code)
    }
}

/// What a release alone is made of, or shares with another.
fn objects<'s>(release: &Release<'s>) -> Vec<&'s Object> {
    let backends = release.ingress.map(backends).unwrap_or_default();
    let services =
        backends.into_iter().filter_map(|backend| release.service(backend.text()?)).chain(release.services());
    let budgets = release.stream.of_kind("PodDisruptionBudget").filter(|budget| {
        budget.namespace == release.workload.namespace
            && Object::selects(budget.entries("spec.selector.matchLabels"), release.labels())
    });
    let others = [release.template, release.ingress, release.autoscaler, release.namespace];
    std::iter::once(release.workload).chain(others.into_iter().flatten()).chain(services).chain(budgets).collect()
}

fn document(sources: &Sources, object: &Object) -> Option<Document> {
    let (source, within) = sources.locate(&object.place)?;
    let document = document_at(&source.text, within.start);
    Some((source.start + document.start, source.start + document.end))
}

impl Suppression {
    /// An error is none the less one: nothing would come of such manifests.
    fn covers(&self, finding: &Finding) -> bool {
        finding.level != Level::Error
            && finding.place.as_ref().is_some_and(|place| self.reach.contains(&place.start))
            && self.codes.iter().flatten().any(|code| code == finding.code)
    }

    fn wrong(&self, is_used: bool) -> Option<Finding> {
        let place = Some(self.place.clone());
        let Some(codes) = &self.codes else {
            let message = "this comment looks like a suppression and is none";
            return Some(Finding::new(&MALFORMED, Found::at(place, message)));
        };
        let codes = codes.join(", ");
        if !is_used {
            let message = format!("there is no finding {codes} here to ignore");
            return Some(Finding::new(&UNUSED, Found::at(place, message)));
        }
        let message = format!("{codes} is ignored without a reason");
        (!self.has_reason).then(|| Finding::new(&WITHOUT_REASON, Found::at(place, message)))
    }
}

fn read(sources: &Sources) -> Vec<Suppression> {
    let mut suppressions = Vec::new();
    for source in sources.manifests() {
        let (mut at, mut document) = (source.start, None);
        let lines: Vec<&str> = source.text.split_inclusive('\n').collect();
        let (mut is_begin, mut reader) = (true, Reader::new());
        for (index, line) in lines.iter().enumerate() {
            if line.starts_with("---") {
                (document, is_begin) = (None, true);
            }
            let comment = reader.read(line);
            if let Some((comment, mark)) =
                comment.and_then(|comment| Some((comment, comment + mark(&line[comment..])?)))
            {
                let is_alone = line[..comment].trim().is_empty();
                let text = line[mark..].trim_end();
                let end = at + line.len();
                let reach = match (is_alone, is_begin) {
                    (true, true) => {
                        let document = document.get_or_insert_with(|| document_at(&source.text, at - source.start));
                        source.start + document.start..source.start + document.end
                    }
                    // Over further comments to the next line that says something.
                    (true, false) => end..end_of_next(&lines[index + 1..], end),
                    (false, _) => at..end,
                };
                let place = at + mark..at + mark + text.len();
                let (codes, reason) = text.split_once(" because ").unwrap_or((text, ""));
                let has_reason = !reason.trim().is_empty();
                suppressions.push(Suppression { codes: codes_of(codes), has_reason, place, reach });
            }
            is_begin &= line.starts_with("---") || line.trim_start().starts_with('#') || line.trim().is_empty();
            at += line.len();
        }
    }
    suppressions
}

/// Where in a comment a mark begins, or what was meant to be one: `# sim-check` and a colon.
fn mark(comment: &str) -> Option<usize> {
    comment.match_indices('#').map(|(at, _)| at).find(|at| {
        let words = comment[*at..].trim_start_matches('#').trim_start();
        let is_ours = words.get(..WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD));
        is_ours && words[WORD.len()..].trim_start().starts_with(':')
    })
}

/// The codes of a mark: letters and digits, with commas or spaces between them. Words behind them are a reason that lacks
/// its `because`.
fn codes_of(text: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = text.strip_prefix(MARK)?.split([',', ' ']).filter(|word| !word.is_empty()).collect();
    let codes = words.iter().map(|word| word.to_uppercase()).take_while(|word| is_code(word)).collect::<Vec<_>>();
    // `K005: the program drains` is another grammar.
    let has_colon = words.get(codes.len()).is_some_and(|word| is_code(&word.trim_end_matches(':').to_uppercase()));
    let is_understood = !codes.is_empty() && !has_colon;
    is_understood.then_some(codes)
}

fn is_code(word: &str) -> bool {
    let number = word.trim_start_matches(|character: char| character.is_ascii_uppercase());
    let is_number = !number.is_empty() && number.chars().all(|character| character.is_ascii_digit());
    number.len() < word.len() && is_number || word == INPUT
}

fn end_of_next(lines: &[&str], start: usize) -> usize {
    let says_nothing = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let before = lines.iter().take_while(says_nothing).count();
    start + lines.iter().take(before + 1).map(|line| line.len()).sum::<usize>()
}
