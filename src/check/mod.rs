//! `sim check`: what is wrong with a deployment before it is released, what it costs in failed requests, and the smallest
//! change that helps.
//!
//! A rule looks at the manifests and at the scenario that they amount to. Where a change helps against failed requests,
//! the release is simulated with and without it: the number is played, not guessed.

pub mod catalogue;
pub mod change;
mod comment;
pub mod finding;
pub mod glossary;
pub mod mend;
pub mod predict;
pub mod subject;
pub mod suppression;

use crate::scenario::Loaded;
use crate::scenario::diagnostic::Problem;
use crate::scenario::document::Table;
use crate::scenario::load::load_release;
use crate::scenario::manifests::ignored::Ignored;
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::release::Release;
use crate::scenario::sources::Sources;
use finding::{Finding, Level};
use predict::{Played, Plays, Predictor};
use rayon::prelude::*;
use subject::Subject;

/// One deployment, checked.
#[derive(Debug)]
pub struct Checked {
    /// `Rollout web`, or `Rollout web in staging` if the files have another of this name.
    pub title: String,
    /// `Rollout web in staging`, whatever else there is.
    pub identity: String,
    /// In the order of the files.
    pub findings: Vec<Finding>,
    /// Failed requests of one release, on average; None if it cannot be simulated.
    pub failed: Option<f64>,
    /// All requests of one release, on average.
    pub requests: Option<f64>,
    /// How it was played, if it was.
    pub plays: Option<Plays>,
    /// What stands in its manifests without a part in the simulation.
    pub ignored: Vec<Ignored>,
    /// Whether it cannot be simulated because of mistakes that are no findings: of the input.
    pub is_wrong_input: bool,
}

impl Checked {
    /// The codes of the errors that would end the release, or keep it from its requests, before it costs what was played.
    pub fn supposed_mended(&self) -> Vec<&'static str> {
        let errors = self.findings.iter().filter(|finding| finding.level == Level::Error && self.failed.is_some());
        let mut codes: Vec<_> = errors.map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    fn plays_changes(&self) -> bool {
        self.plays.is_some_and(|plays| plays.with_changes)
    }

    fn played(&self) -> Option<Played> {
        let (failed, requests) = self.failed.zip(self.requests)?;
        Some(Played { failed, requests })
    }
}

/// What is laid over the manifests, and how often a release is played.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The name and the document of the scenario that names the manifests.
    pub scenario: (Option<&'a str>, &'a Table),
    pub overrides: &'a [String],
    pub seeds: &'a [u64],
}

/// Several deployments, in their order. Each of them is checked by itself, so that many take all processors.
pub fn check_all(sources: &Sources, releases: &[Release<'_>], setting: Setting<'_>) -> Vec<Checked> {
    releases.par_iter().map(|release| check(sources, release, setting)).collect()
}

pub fn check(sources: &Sources, release: &Release<'_>, setting: Setting<'_>) -> Checked {
    let mut checked = look(sources, release, setting);
    if let Some(base) = checked.played().filter(|_| checked.plays_changes()) {
        predict::predict(&Predictor::new(sources, release, setting), base, &mut checked.findings);
    }
    checked
}

/// What the rules say, and what a release costs as it is; nobody has played the changes yet.
fn look(sources: &Sources, release: &Release<'_>, setting: Setting<'_>) -> Checked {
    let loaded = load_release(sources, release, setting.scenario, setting.overrides);
    let scenario = loaded.as_ref().ok().map(|loaded| &loaded.scenario);
    let subject = Subject::new(sources, release, scenario);
    let mut findings: Vec<Finding> = Vec::new();
    for rule in catalogue::rules() {
        findings.extend((rule.look)(&subject).into_iter().map(|found| Finding::new(&rule.page, found)));
    }
    let is_wrong_input = read(&loaded, &mut findings);
    let predictor = Predictor::new(sources, release, setting);
    let base = scenario.map(|scenario| predictor.play(scenario));
    findings.sort_by_key(|finding| (finding.place.as_ref().map(|place| place.start), finding.code));
    Checked {
        title: title(release),
        identity: identity(release.workload),
        findings,
        failed: base.map(|base| base.failed),
        requests: base.map(|base| base.requests),
        plays: scenario.map(|scenario| Plays::new(scenario, setting.seeds.len())),
        ignored: loaded.map_or_else(|_| Vec::new(), |loaded| loaded.ignored),
        is_wrong_input,
    }
}

/// Kind, namespace and name: what tells a deployment from all others.
pub fn identity(workload: &Object) -> String {
    format!("{} in {}", workload.title(), workload.namespace)
}

/// With the namespace only where the name is not enough.
fn title(release: &Release<'_>) -> String {
    let workload = release.workload;
    let of_name = release.stream.of_kind(&workload.kind).filter(|other| other.name == workload.name).count();
    if of_name > 1 { identity(workload) } else { workload.title() }
}

/// What the reader and the controllers say. Returns whether something is no finding, but a mistake of the input.
fn read(loaded: &Result<Loaded, Vec<Problem>>, findings: &mut Vec<Finding>) -> bool {
    let problems = match loaded {
        Ok(loaded) => loaded.warnings.as_slice(),
        Err(problems) => problems.as_slice(),
    };
    let mut is_wrong_input = false;
    for problem in problems {
        let is_told = findings.iter().any(|finding| finding.level == Level::Error && finding.place == problem.place);
        let Some(finding) = Finding::of_problem(problem).filter(|_| !is_told) else { continue };
        is_wrong_input |= finding.code == finding::INPUT;
        findings.push(finding);
    }
    is_wrong_input
}
