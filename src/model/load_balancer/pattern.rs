//! Patterns with wildcards, as the values of a listener rule's conditions are.
//!
//! Source: *User Guide for Application Load Balancers*, Condition types.

/// `/cart/*`, `v?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `*`: any characters, or none.
    Any,
    /// `?`: exactly one character.
    One,
    Only(char),
}

impl Pattern {
    pub fn new(pattern: &str) -> Self {
        Self(pattern.chars().map(token).collect())
    }

    /// There a backslash makes a character of a wildcard. Source: `QueryStringConditionConfig`.
    pub fn of_query(pattern: &str) -> Self {
        let (mut tokens, mut chars) = (vec![], pattern.chars().peekable());
        while let Some(c) = chars.next() {
            let escaped = chars.next_if(|next| c == '\\' && matches!(next, '*' | '?' | '\\'));
            tokens.push(escaped.map_or(token(c), Token::Only));
        }
        Self(tokens)
    }

    pub fn wildcards(&self) -> usize {
        self.0.iter().filter(|token| !matches!(token, Token::Only(_))).count()
    }

    /// Whether the whole text fits. After a mismatch only the last `*` is tried again, one character longer: those before
    /// it have taken the least already.
    pub fn fits(&self, text: &str) -> bool {
        let Self(pattern) = self;
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut place) = (0, 0);
        // Behind the last `*`, and how far it has come.
        let mut last_any: Option<(usize, usize)> = None;
        while place < text.len() {
            match pattern.get(at) {
                Some(Token::Any) => {
                    at += 1;
                    last_any = Some((at, place));
                }
                Some(Token::One) => (at, place) = (at + 1, place + 1),
                Some(Token::Only(c)) if *c == text[place] => (at, place) = (at + 1, place + 1),
                Some(Token::Only(_)) | None => {
                    let Some((behind, taken)) = last_any else { return false };
                    (at, place) = (behind, taken + 1);
                    last_any = Some((behind, place));
                }
            }
        }
        pattern[at..].iter().all(|token| *token == Token::Any)
    }
}

fn token(c: char) -> Token {
    match c {
        '*' => Token::Any,
        '?' => Token::One,
        c => Token::Only(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by trying everything.
    fn fits_slowly(pattern: &[Token], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Token::Any, pattern)), _) => (0..=text.len()).any(|taken| fits_slowly(pattern, &text[taken..])),
            (Some((Token::One, pattern)), Some((_, text))) => fits_slowly(pattern, text),
            (Some((Token::Only(c), pattern)), Some((first, text))) => c == first && fits_slowly(pattern, text),
            (Some((Token::One | Token::Only(_), _)), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_its_slow_twin_fits(pattern in "[ab*?/]{0,9}", text in "[ab/]{0,12}") {
            let pattern = Pattern::new(&pattern);
            let slowly = fits_slowly(&pattern.0, &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(pattern.fits(&text), slowly, "{:?} on {}", pattern, text);
        }

        #[test]
        fn a_text_with_all_of_its_wildcards_escaped_fits_itself_alone(text in r"[ab*?\\]{0,9}", other in r"[ab*?\\]{0,9}") {
            let mut pattern = String::new();
            for c in text.chars() {
                if matches!(c, '*' | '?' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(c);
            }
            let pattern = Pattern::of_query(&pattern);
            prop_assert!(pattern.fits(&text));
            prop_assert_eq!(pattern.fits(&other), text == other);
        }
    }
}
