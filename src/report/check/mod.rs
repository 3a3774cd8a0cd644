//! Findings for people and for CI systems.

pub mod github;
pub mod gitlab;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod page;
pub mod sarif;
pub mod text;

use crate::check::Checked;
use crate::check::finding::{Finding, Level, Prediction};
use crate::scenario::sources::Sources;
use std::collections::BTreeMap;
use std::ops::Range;

/// What `sim check` has found, of all deployments.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    pub sources: &'a Sources,
    pub checked: &'a [Checked],
    pub suppressed: usize,
    pub before: Option<&'a Before>,
    /// The seeds that each release was played with.
    pub seeds: usize,
}

/// What was there before a change.
#[derive(Clone, Debug)]
pub struct Before {
    /// The failed requests of each deployment, by its identity; None if it could not be simulated.
    pub failed: Vec<(String, Option<f64>)>,
    /// The identities of those that are no more.
    pub removed: Vec<String>,
}

impl Before {
    /// The failed requests of a deployment; None if it was not there or could not be simulated.
    fn failed(&self, identity: &str) -> Option<f64> {
        self.failed.iter().find(|(other, _)| other == identity).and_then(|(_, failed)| *failed)
    }
}

/// A finding, and the deployments that have it: what stands in an Ingress that several share is said once.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    pub finding: &'a Finding,
    pub titles: Vec<&'a str>,
}

impl<'a> Findings<'a> {
    pub fn all(&self) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.told().into_iter().map(|told| told.finding)
    }

    /// In the order of the deployments, and of the files.
    pub fn told(&self) -> Vec<Told<'a>> {
        let mut told: Vec<Told<'a>> = Vec::new();
        let mut places = BTreeMap::new();
        for checked in self.checked {
            for finding in &checked.findings {
                let place = finding.place.as_ref().map(|place| (place.start, place.end));
                let index = *places.entry((finding.code, place, text::sentences(finding))).or_insert(told.len());
                if index == told.len() {
                    told.push(Told { finding, titles: Vec::new() });
                }
                if !told[index].titles.contains(&checked.title.as_str()) {
                    told[index].titles.push(&checked.title);
                }
            }
        }
        told
    }

    pub fn count(&self, level: Level) -> usize {
        self.all().filter(|finding| finding.level == level).count()
    }
}

/// Where something stands; all of it counts from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub file: String,
    pub line: usize,
    /// In UTF-16 units, as SARIF and editors count.
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Position {
    /// None for what is about no line at all.
    pub fn of(sources: &Sources, place: Option<&Range<usize>>) -> Option<Self> {
        let (source, within) = sources.locate(place?)?;
        let at = |byte: usize| {
            let before = source.text.get(..byte)?;
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            Some((before.matches('\n').count() + 1, before[start..].encode_utf16().count() + 1))
        };
        let ((line, column), (end_line, end_column)) = (at(within.start)?, at(within.end)?);
        Some(Self { file: source.name.replace('\\', "/"), line, column, end_line, end_column })
    }
}

/// How often each value has come before.
#[derive(Debug, Default)]
struct Occurrences(BTreeMap<String, usize>);

impl Occurrences {
    /// 1 for the first time.
    fn count(&mut self, value: &str) -> usize {
        let count = self.0.entry(value.to_owned()).or_default();
        *count += 1;
        *count
    }
}

/// The failed requests without a change and with it; None if a reader sees no difference.
pub fn difference(prediction: Prediction) -> Option<(String, String)> {
    let (without, with) = (requests(prediction.without), requests(prediction.with));
    (without != with).then_some((without, with))
}

/// A number of requests that is a mean: whole from ten on.
pub fn requests(mean: f64) -> String {
    super::grouped_decimal(mean, if mean >= 10.0 { 0 } else { 1 })
}
