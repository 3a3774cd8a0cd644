//! What a report on the terminal is made of: colours, columns, filled lines.

use anstyle::{AnsiColor, Style};

pub(super) const TITLE: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const QUIET: Style = Style::new().dimmed();

/// Where the text after a line's name begins.
pub(super) const INDENT: usize = 11;
/// What is left of words at least.
const SHORTEST_WORDS: usize = 8;

pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Cut to so many columns.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.into();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Rows of a table whose columns are as wide as what stands in them. `words` is the column that gets what is left; numbers
/// stand at the right of the others.
pub(super) fn columns(rows: &[impl AsRef<[String]>], words: usize, width: usize) -> Vec<String> {
    let mut widths = vec![0; rows[0].as_ref().len()];
    for cells in rows {
        for (width, cell) in widths.iter_mut().zip(cells.as_ref()) {
            *width = cell.chars().count().max(*width);
        }
    }
    let gaps = widths.len() - 1;
    let gap = if widths.iter().sum::<usize>() + 2 * gaps <= width { 2 } else { 1 };
    let others = widths.iter().sum::<usize>() - widths[words] + gap * gaps;
    widths[words] = widths[words].min(width.saturating_sub(others).max(SHORTEST_WORDS));
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column == words {
            true => format!("{:<width$}", fit(cell, *width)),
            false => format!("{cell:>width$}"),
        });
        fit(&padded.collect::<Vec<_>>().join(&" ".repeat(gap)), width)
    };
    rows.iter().map(|cells| line(cells.as_ref())).collect()
}

pub(super) fn quiet(line: &str) -> String {
    paint(QUIET, line)
}

pub(super) fn coloured(errors: u64, line: String) -> String {
    if errors > 0 { paint(BAD, line) } else { line }
}

/// The words of a sentence; a number, its unit and `t =` before it stay together.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match words.last_mut() {
            Some(last)
                if word == "="
                    || last.ends_with(" =")
                    || matches!(
                        word.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '%'),
                        "s" | "ms" | "%"
                    ) =>
            {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => words.push(word.into()),
        }
    }
    words
}

/// Filled lines under a hanging name.
pub(super) fn paragraph(name: &str, words: &[String], between: &str, width: usize) -> Vec<String> {
    let mut lines = vec![format!("{name:<INDENT$}")];
    let mut used = INDENT;
    for word in words {
        let word = fit(word, width - INDENT);
        let (columns, gap) = (word.chars().count(), between.chars().count());
        let last = lines.last_mut().expect("a paragraph has a line");
        if used == INDENT {
            last.push_str(&word);
            used += columns;
        } else if used + gap + columns < width {
            last.push_str(between);
            last.push_str(&word);
            used += gap + columns;
        } else {
            last.push_str(between.trim_end());
            lines.push(format!("{:INDENT$}{word}", ""));
            used = INDENT + columns;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit_are_not_torn_apart() {
        assert_eq!(words("after 70 s, 10 % of it (t = 90 s)."), ["after", "70 s,", "10 %", "of", "it", "(t = 90 s)."]);
        let (name, words) = ("why", ["aaa", "bbb", "ccc"].map(String::from));
        assert_eq!(paragraph(name, &words, ", ", 19), ["why        aaa,", "           bbb,", "           ccc"]);
    }
}
