//! Problems as text: the message, the file with line and column, the line itself, and what to write instead.

use crate::scenario::diagnostic::{Problem, Severity};
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::ops::Range;

/// The file that problems are about, and what the command line changed of it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub overrides: &'a [String],
}

/// One problem, coloured.
pub fn render(problem: &Problem, input: Input<'_>) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str());
    let title = match problem.code {
        Some(code) => title.id(code),
        None => title,
    };
    let group = match &problem.place {
        Some(place) => {
            let span = within(input.text, place);
            let snippet = Snippet::source(input.text).path(input.path).annotation(AnnotationKind::Primary.span(span));
            title.element(snippet)
        }
        None => title.element(Origin::path(origin(problem, input))),
    };
    let help = (!problem.help.is_empty()).then(|| Level::HELP.message(problem.help.as_str()));
    Renderer::styled().render(&[group.elements(help)])
}

/// The first line of a place: a table may be long, and its header says it all.
fn within(text: &str, place: &Range<usize>) -> Range<usize> {
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (start, end) = (boundary(place.start), boundary(place.end));
    let line = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..end.clamp(start, line.max(start))
}

/// Where a problem comes from that has no place in the file.
fn origin(problem: &Problem, input: Input<'_>) -> String {
    if problem.key.starts_with("--set ") {
        return problem.key.clone();
    }
    match problem.override_index(input.overrides) {
        Some(index) => format!("--set {}", input.overrides[index]),
        None => input.path.to_owned(),
    }
}
