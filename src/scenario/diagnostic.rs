//! What is wrong with the user's input: message, place, help.

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
    /// The dotted key that it is about; empty for the file as a whole.
    pub key: String,
    /// One sentence.
    pub message: String,
    /// Bytes of the scenario file; None for a value that the command line gave.
    pub place: Option<Range<usize>>,
    /// What to write instead.
    pub help: String,
}
