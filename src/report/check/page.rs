//! A page of `sim explain`.

use crate::check::finding::Page;
use crate::check::glossary::Entry;
use crate::report::text::{TITLE, paint};
use crate::scenario::schema::Field;

/// No line is wider than `width`.
pub fn render(page: &Page, width: usize) -> String {
    let mut text = format!("{}  {}\n\n", paint(TITLE, format!("{} ({})", page.code, page.level.name())), page.title);
    for (head, words) in [
        ("Cause", page.cause),
        ("Consequence", page.consequence),
        ("Remedy", page.remedy),
        ("Source", page.source),
        ("To see it", page.reproduce),
    ] {
        text.push_str(&section(head, words, width));
    }
    text
}

/// A page about a cause, a rule or a term.
pub fn entry(entry: &Entry, width: usize) -> String {
    let mut text = format!("{}  {}\n\n", paint(TITLE, entry.name), entry.title);
    for (head, words) in [("Meaning", entry.words), ("Source", entry.source), ("To see it", entry.reproduce)] {
        text.push_str(&section(head, words, width));
    }
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
