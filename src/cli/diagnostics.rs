//! Problems as text: the message, the file with line and column, the line itself, and what to write instead.

use crate::check::finding::{self, Finding};
use crate::check::predict::document_at;
use crate::report::check::text;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::sources::Sources;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::ops::Range;

/// The files that problems are about, and what the command line changed of them.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub sources: &'a Sources,
    pub overrides: &'a [String],
}

/// One finding, coloured, and whose it is, where that is not plain.
pub fn render_finding(finding: &Finding, of: Option<&str>, input: Input<'_>) -> String {
    let level = match finding.level {
        finding::Level::Error => Level::ERROR,
        finding::Level::Warning => Level::WARNING,
        finding::Level::Note => Level::NOTE,
    };
    let problem = Problem {
        severity: Severity::Warning,
        code: Some(finding.code).filter(|code| *code != finding::INPUT),
        key: finding.key.clone(),
        message: finding.message.clone(),
        place: finding.place.clone(),
        help: text::help(finding),
    };
    render_as(level, &problem, of, input)
}

/// One problem, coloured.
pub fn render(problem: &Problem, input: Input<'_>) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    render_as(level, problem, None, input)
}

fn render_as(level: Level<'_>, problem: &Problem, of: Option<&str>, input: Input<'_>) -> String {
    let title = level.primary_title(problem.message.as_str());
    let title = match problem.code {
        Some(code) => title.id(code),
        None => title,
    };
    let group = match problem.place.as_ref().and_then(|place| input.sources.locate(place)) {
        Some((source, place)) if is_secret(&source.text, &place) => {
            let (line, column) = input.sources.line_and_column(source.start + place.start);
            title.element(Origin::path(source.name.as_str()).line(line).char_column(column))
        }
        Some((source, place)) => {
            let (text, line, span) = lines_around(&source.text, &place);
            let annotation = AnnotationKind::Primary.span(span);
            title.element(Snippet::source(text).line_start(line).path(source.name.as_str()).annotation(annotation))
        }
        None => title.element(Origin::path(origin(problem, input))),
    };
    let help = (!problem.help.is_empty()).then(|| Level::HELP.message(problem.help.as_str()));
    let of = of.map(|of| Level::NOTE.message(of));
    Renderer::styled().render(&[group.elements(help).elements(of)])
}

/// Whether a place is in a document that says `kind: Secret`: nothing of it is shown, even if it is no YAML.
fn is_secret(text: &str, place: &Range<usize>) -> bool {
    let document = document_at(text, boundary(text, place.start));
    text[document].lines().any(|line| {
        let plain: String = line.chars().filter(|character| !" \t\"'".contains(*character)).collect();
        let is_end = |rest: &str| !rest.starts_with(|character: char| character.is_ascii_alphanumeric());
        plain.match_indices("kind:Secret").any(|(at, found)| is_end(&plain[at + found.len()..]))
    })
}

/// The character of a text that has this byte.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The line of a place, its number, and the place in it. Of a table that spans many only the first: its header says it all.
fn lines_around<'t>(text: &'t str, place: &Range<usize>) -> (&'t str, usize, Range<usize>) {
    let (start, end) = (boundary(text, place.start), boundary(text, place.end));
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let last = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let number = text[..first].matches('\n').count() + 1;
    (&text[first..last], number, start - first..end.clamp(start, last.max(start)) - first)
}

/// Where a problem comes from that has no place in the file.
fn origin(problem: &Problem, input: Input<'_>) -> String {
    if problem.key.starts_with("--set ") {
        return problem.key.clone();
    }
    match problem.override_index(input.overrides) {
        Some(index) => format!("--set {}", input.overrides[index]),
        None => input.sources.texts().first().map_or_else(String::new, |source| source.name.clone()),
    }
}
