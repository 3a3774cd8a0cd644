//! What is wrong with the user's input: message, place, help.

use super::path::is_within;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The run cannot start.
    Error,
    /// Odd but possible.
    Warning,
}

/// One mistake of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// The number of the rule that is broken, if it has one: `V9`.
    pub code: Option<&'static str>,
    /// The dotted key that it is about; empty for the file as a whole.
    pub key: String,
    /// One sentence.
    pub message: String,
    /// Bytes of the scenario file; None for a value that the command line gave.
    pub place: Option<Range<usize>>,
    /// What to write instead.
    pub help: String,
}

impl Problem {
    /// Which of the `KEY=VALUE` of the command line gave the value that it is about: the last of several.
    pub fn override_index(&self, overrides: &[String]) -> Option<usize> {
        let gave = |assignment: &String| {
            let key = assignment.split_once('=').map_or(assignment.as_str(), |(key, _)| key).trim();
            // An unknown table is the problem of the whole table, and the override gave a key in it.
            is_within(&self.key, key) || is_within(key, &self.key)
        };
        match self.key.strip_prefix("--set ") {
            Some(assignment) => overrides.iter().position(|other| other == assignment),
            None => overrides.iter().rposition(gave),
        }
    }
}
