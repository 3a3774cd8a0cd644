//! Where the comments of a YAML text are: a `#` in quotes or in a block text is none.

/// What a line may be in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Nothing,
    Quotes(char),
    /// A text behind `|` or `>`, whose lines stand further in than this many spaces; None: than nothing.
    Block(Option<usize>),
}

/// Reads line after line.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    inside: Inside,
}

impl Reader {
    pub const fn new() -> Self {
        Self { inside: Inside::Nothing }
    }

    /// Where the comment of the next line begins, at the `#`.
    pub fn read(&mut self, line: &str) -> Option<usize> {
        let line = line.trim_end();
        if line.starts_with("---") {
            self.inside = Inside::Nothing;
        }
        if let Inside::Block(beyond) = self.inside {
            let indent = line.len() - line.trim_start().len();
            if line.is_empty() || beyond.is_none_or(|beyond| indent > beyond) {
                return None;
            }
            self.inside = Inside::Nothing;
        }
        let comment = self.scan(line);
        let content = line[..comment.unwrap_or(line.len())].trim_end();
        if self.inside == Inside::Nothing && begins_block(content) {
            self.inside = Inside::Block(parent(content));
        }
        comment
    }

    /// Over the quotes of a line to its comment.
    fn scan(&mut self, line: &str) -> Option<usize> {
        let mut before = ' ';
        let mut characters = line.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match self.inside {
                Inside::Quotes('"') if character == '\\' => {
                    characters.next();
                }
                // Two of them are one in the text.
                Inside::Quotes('\'')
                    if character == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') =>
                {
                    characters.next();
                }
                Inside::Quotes(quote) if character == quote => self.inside = Inside::Nothing,
                Inside::Quotes(_) => {}
                Inside::Nothing | Inside::Block(_) => match character {
                    '#' if before.is_whitespace() => return Some(at),
                    // In the middle of a word it is an apostrophe.
                    '"' | '\'' if before.is_whitespace() || "[{,:(".contains(before) => {
                        self.inside = Inside::Quotes(character);
                    }
                    _ => {}
                },
            }
            before = character;
        }
        None
    }
}

/// Whether the last word of a line is `|` or `>`, and a value.
fn begins_block(content: &str) -> bool {
    let mut words = content.split_whitespace().rev();
    let Some(header) = words.next() else { return false };
    let is_header = header.strip_prefix(['|', '>']).is_some_and(|rest| {
        rest.chars().all(|character| character.is_ascii_digit() || character == '+' || character == '-')
    });
    let before = words.find(|word| !word.starts_with(['&', '!']));
    is_header && before.is_none_or(|word| word.ends_with(':') || ["-", "---", "?"].contains(&word))
}

/// How far in the key or the dash stands that a block text belongs to.
fn parent(content: &str) -> Option<usize> {
    if content.starts_with("---") {
        return None;
    }
    let mut indent = content.len() - content.trim_start().len();
    while let Some(rest) = content[indent..].strip_prefix('-').filter(|rest| rest.starts_with(' ')) {
        let item = rest.trim_start();
        if item.starts_with(['|', '>', '&', '!']) {
            break;
        }
        indent = content.len() - item.len();
    }
    Some(indent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(text: &str) -> Vec<&str> {
        let mut reader = Reader::new();
        text.lines().filter_map(|line| Some(&line[reader.read(line)?..])).collect()
    }

    #[test]
    fn a_comment_stands_outside_of_texts() {
        let text = "\
# 1
a: b # 2
c: \"# no\" # 3
d: 'it''s # no' # 4
e: don't # 5
f: x#no
g: \"over # no
  two \\\" lines # no\" # 6
h: | # 7
  # no

  # no
# 8
i:
  - >-
    # no
  - k: |2
      # no
    # 9
  - a |
    # 10
l: { m: \"#\", n: '#' } # 11
---
# 12
";
        let expected: Vec<_> = (1..=12).map(|number| format!("# {number}")).collect();
        assert_eq!(comments(text), expected);
    }
}
