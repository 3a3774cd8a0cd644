//! All that the results of a sweep are a function of.

use super::design::Design;
use crate::model::traffic::recording::Recording;
use crate::scenario::Loaded;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::load::load_with;
use std::sync::Arc;

/// The key of an axis whose values are scenario files.
pub const SCENARIO: &str = "scenario";

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The scenario files, at least one. With an axis `scenario`: one for each of its values.
    pub sources: Vec<Source>,
    /// `--set`, for all cells. An axis comes after it.
    pub set: Vec<String>,
    pub design: Design,
    /// The same for all cells, so that cells differ by design and not by dice.
    pub seeds: Vec<u64>,
}

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As the axis names it.
    pub path: String,
    /// The scenario's name in reports.
    pub name: String,
    pub text: String,
    /// Of the file of arrivals that it names.
    pub recording: Option<Arc<Recording>>,
}

impl Plan {
    /// The file of a cell, and what is laid over it.
    pub fn cell(&self, cell: u64) -> (&Source, Vec<String>) {
        let values = self.design.values(cell);
        let mut source = &self.sources[0];
        let mut overrides = self.set.clone();
        for (key, value) in self.design.keys().zip(&values) {
            if key == SCENARIO {
                let named = self.sources.iter().find(|source| source.path == *value);
                source = named.expect("every value of the axis has its file");
            } else {
                overrides.push(format!("{key}={value}"));
            }
        }
        (source, overrides)
    }

    /// The scenario of a cell, or its first mistake in one line.
    pub fn load(&self, cell: u64) -> Result<Loaded, String> {
        self.try_load(cell).map_err(|problems| {
            let first = problems.iter().find(|problem| problem.severity == Severity::Error);
            first.map_or_else(String::new, |problem| match problem.key.is_empty() {
                true => problem.message.clone(),
                false => format!("{}: {}", problem.key, problem.message),
            })
        })
    }

    pub fn try_load(&self, cell: u64) -> Result<Loaded, Vec<Problem>> {
        let (source, overrides) = self.cell(cell);
        load_with(&source.text, source.recording.as_ref(), (&source.name, &overrides))
    }
}
