//! A page of `sim explain`.

use crate::check::finding::Page;
use crate::check::glossary::{Entry, Reproduce};
use crate::check::reproduce;
use crate::report::terminal::{TITLE, paint};
use crate::scenario::schema::Field;

/// No line is wider than `width`, but for those that go to a shell.
pub fn render(page: &Page, width: usize) -> String {
    let mut text = format!("{}  {}\n\n", paint(TITLE, format!("{} ({})", page.code, page.level.name())), page.title);
    for (head, words) in
        [("Cause", page.cause), ("Consequence", page.consequence), ("Remedy", page.remedy), ("Source", page.source)]
    {
        text.push_str(&section(head, words, width));
    }
    text.push_str(&lines("To see it", &reproduce::check(page.example)));
    if let Some(run) = &page.run {
        text.push_str(&lines("What comes of it", &run.lines()));
    }
    text
}

/// A page about a cause, a rule or a term.
pub fn entry(entry: &Entry, width: usize) -> String {
    let mut text = format!("{}  {}\n\n", paint(TITLE, entry.name), entry.title);
    for (head, words) in [("Meaning", entry.words), ("Source", entry.source)] {
        text.push_str(&section(head, words, width));
    }
    let shown = match entry.reproduce {
        Reproduce::Example(example) => reproduce::check(example),
        Reproduce::Run(run) => run.lines(),
    };
    text.push_str(&lines("To see it", &shown));
    text
}

/// A page about a parameter of a scenario.
pub fn parameter(field: &Field, width: usize) -> String {
    let mut text = format!("{}\n\n", paint(TITLE, &field.path));
    text.push_str(&section("Meaning", field.note, width));
    if let Some(default) = field.schema.get("default") {
        text.push_str(&section("Default", &default.to_string(), width));
    }
    text
}

/// A head, and lines that are copied as they stand: a shell knows the end of its input only at the margin.
fn lines(head: &str, lines: &str) -> String {
    format!("{}\n{lines}\n", paint(TITLE, head))
}

/// A head, and a paragraph under it.
pub fn section(head: &str, words: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width.saturating_sub(2) {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    format!("{}\n  {}\n\n", paint(TITLE, head), lines.join("\n  "))
}
