//! What one pass over a scenario collects beside its values: problems, parameters, fields, and what is ignored.

use super::diagnostic::{Problem, Severity};
use super::document::Node;
use super::manifests::ignored::{Ignored, Reason};
use super::schema::Field;
use super::{Origin, Parameter};
use crate::model::traffic::recording::Recording;
use std::ops::Range;
use std::sync::Arc;

/// What a pass over a document collects.
#[derive(Debug, Default)]
pub struct Pass {
    pub problems: Vec<Problem>,
    pub parameters: Vec<Parameter>,
    /// The fields of the file format; only filled when the schema is asked for.
    pub fields: Option<Vec<Field>>,
    /// Where manifests begin. What they say for others, and what is unknown to this version, is no mistake there.
    pub manifests_from: Option<usize>,
    /// The Services that manifests declare.
    pub services: Vec<String>,
    /// What manifests say without a part in the simulation.
    pub ignored: Vec<Ignored>,
    /// The file of arrivals, if one was read.
    pub recording: Option<Arc<Recording>>,
}

impl Pass {
    pub fn error(
        &mut self,
        key: &str,
        place: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problem(Severity::Error, key, place, message.into(), help.into());
    }

    pub fn warning(
        &mut self,
        key: &str,
        place: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problem(Severity::Warning, key, place, message.into(), help.into());
    }

    fn problem(&mut self, severity: Severity, key: &str, place: Option<Range<usize>>, message: String, help: String) {
        self.problems.push(Problem { severity, code: None, key: key.to_owned(), message, place, help });
    }

    pub fn is_of_manifest(&self, place: Option<&Range<usize>>) -> bool {
        place.is_some_and(|place| self.manifests_from.is_some_and(|from| place.start >= from))
    }

    /// A field of a manifest has no part in the simulation.
    pub fn ignore(&mut self, key: String, place: Option<Range<usize>>, reason: Reason) {
        self.ignored.push(Ignored { key, place, reason });
    }

    /// A key that nobody reads: a mistake, but for a manifest, whose definition may be newer than this program.
    pub fn unknown(&mut self, key: &str, place: Option<Range<usize>>, message: String, help: String) {
        if self.is_of_manifest(place.as_ref()) {
            self.ignore(key.to_owned(), place.clone(), Reason::Unknown);
            self.warning(key, place, message, help);
        } else {
            self.error(key, place, message, help);
        }
    }

    /// A real field that would change the result, and that this version does not follow.
    pub fn not_simulated(&mut self, key: &str, place: Option<Range<usize>>, message: String, help: String) {
        if self.is_of_manifest(place.as_ref()) {
            self.ignore(key.to_owned(), place, Reason::NotSimulated);
        } else {
            self.error(key, place, message, help);
        }
    }

    pub fn parameter(&mut self, key: String, value: String, node: Option<&Node>, note: &'static str) {
        let origin = match node {
            None => Origin::Default,
            Some(node) if node.is_overridden() => Origin::CommandLine,
            Some(node) if self.is_of_manifest(node.place.as_ref()) => Origin::Manifest,
            Some(_) => Origin::Scenario,
        };
        self.parameters.push(Parameter { key, value, origin, note });
    }
}
