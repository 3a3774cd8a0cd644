//! A page of `sim explain`.

use crate::check::finding::Page;
use crate::report::text::{TITLE, paint};

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
