//! What is found, and the page that explains it.

use super::change::Change;
use super::reproduce::Run;
use crate::scenario::diagnostic::{Problem, Severity};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Note,
    /// It costs requests, or time, in some release.
    Warning,
    /// A controller refuses it, or nothing works.
    Error,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What `sim explain` prints of a kind of finding.
#[derive(Debug)]
pub struct Page {
    pub code: &'static str,
    /// One line without a full stop.
    pub title: &'static str,
    pub level: Level,
    pub cause: &'static str,
    pub consequence: &'static str,
    pub remedy: &'static str,
    /// Where it is written, by somebody else.
    pub source: &'static str,
    /// The smallest manifests that show it.
    pub example: &'static str,
    /// A release that shows more of what comes of it.
    pub run: Option<Run>,
}

/// What a rule found.
#[derive(Debug)]
pub struct Found {
    pub place: Option<Range<usize>>,
    /// One sentence with the user's own numbers.
    pub message: String,
    /// Changes that help, the smallest first; the first that leaves the fewest failed requests is proposed.
    pub changes: Vec<Change>,
    /// Whether the changes are worth playing: they are about failed requests.
    pub is_played: bool,
}

impl Found {
    pub fn at(place: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), changes: Vec::new(), is_played: false }
    }

    /// With a change that is a matter of taste or of safety, not of failed requests in this release.
    pub fn with(mut self, change: Option<Change>) -> Self {
        self.changes.extend(change);
        self
    }

    /// With changes against failed requests.
    pub fn played(mut self, changes: impl IntoIterator<Item = Change>) -> Self {
        self.changes.extend(changes);
        self.is_played = true;
        self
    }
}

/// Failed requests of one release, on average, with and without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    pub without: f64,
    pub with: f64,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    pub code: &'static str,
    pub level: Level,
    pub place: Option<Range<usize>>,
    /// The dotted key that the reader speaks of: of what the command line has set there is no place.
    pub key: String,
    pub message: String,
    /// What to do, in words: the change, or what the page says where no change of the manifests would help.
    pub help: String,
    pub remedy: &'static str,
    /// The best change; all that were thought of are in `changes`.
    pub change: Option<Change>,
    pub changes: Vec<Change>,
    pub is_played: bool,
    pub prediction: Option<Prediction>,
}

/// A mistake of the input: what cannot be read cannot be checked.
pub const INPUT: &str = "INPUT";
/// A field that nobody knows.
pub const UNKNOWN_FIELD: &str = "M001";

/// The page of [`INPUT`].
pub const UNREADABLE: Page = Page {
    code: INPUT,
    title: "the input cannot be read",
    level: Level::Error,
    cause: "A value is of the wrong kind or out of its range, a name leads nowhere, or the text is no YAML.",
    consequence: "The release cannot be simulated, and nobody can say what the controllers would make of it.",
    remedy: "mend the line that the message names",
    source: "Kubernetes documentation, API Conventions; the documentation of the controller that reads the field",
    example: include_str!("../../scenarios/findings/INPUT.bad.yaml"),
    run: None,
};

/// The page of [`UNKNOWN_FIELD`].
pub const UNKNOWN: Page = Page {
    code: UNKNOWN_FIELD,
    title: "a field that nobody knows",
    level: Level::Warning,
    cause: "No controller has a field of this name: it is misspelt, stands at the wrong depth, or is newer than this program.",
    consequence: "The API server drops it, or refuses it under strict validation, and the default counts: a preStop hook one \
                  level too high is none.",
    remedy: "write the name as the API has it, in its place",
    source: "Kubernetes documentation, API Concepts: Field validation",
    example: include_str!("../../scenarios/findings/M001.bad.yaml"),
    run: None,
};

impl Finding {
    /// The change, unless it leaves more failed requests than there are without it.
    pub fn proposed(&self) -> Option<&Change> {
        let raises = self.prediction.is_some_and(|prediction| prediction.with > prediction.without);
        self.change.as_ref().filter(|_| !raises)
    }

    pub fn new(page: &Page, found: Found) -> Self {
        let help = found.changes.first().map_or_else(|| page.remedy.to_owned(), |change| change.words.clone());
        Self {
            code: page.code,
            level: page.level,
            place: found.place,
            key: String::new(),
            message: found.message,
            help,
            remedy: page.remedy,
            change: found.changes.first().cloned(),
            changes: found.changes,
            is_played: found.is_played,
            prediction: None,
        }
    }

    /// What the reader of a scenario says. Its warnings the rules of the catalogue say better, all but one.
    pub fn of_problem(problem: &Problem) -> Option<Self> {
        let is_unknown = problem.message.starts_with("unknown ") || problem.message.starts_with("there is no step ");
        let (code, level) = match problem.severity {
            Severity::Error => (problem.code.unwrap_or(INPUT), Level::Error),
            Severity::Warning if is_unknown => (UNKNOWN_FIELD, Level::Warning),
            Severity::Warning => return None,
        };
        Some(Self {
            code,
            level,
            place: problem.place.clone(),
            key: problem.key.clone(),
            message: problem.message.clone(),
            help: problem.help.clone(),
            remedy: "",
            change: None,
            changes: Vec::new(),
            is_played: false,
            prediction: None,
        })
    }
}
