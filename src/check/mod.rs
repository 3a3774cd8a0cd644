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
pub mod reproduce;
pub mod subject;
pub mod suppression;

use crate::scenario::Loaded;
use crate::scenario::diagnostic::Problem;
use crate::scenario::document::Table;
use crate::scenario::load::{load_annotations, load_release};
use crate::scenario::manifests::ignored::Ignored;
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::release::{Release, parts};
use crate::scenario::manifests::stream::Stream;
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
    pub simulated: Simulated,
    /// How it was played, if it was.
    pub plays: Option<Plays>,
    /// What stands in its manifests without a part in the simulation.
    pub ignored: Vec<Ignored>,
}

/// Whether the release of a deployment was played, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Simulated {
    Played(Played),
    /// A controller refuses it.
    Refused,
    /// Mistakes that are no findings: of the input.
    WrongInput,
    /// Nobody knows which objects there are.
    Unread,
    /// There is nothing to release.
    NoWorkload,
}

impl Simulated {
    /// What came of it; or why nothing did, as the rest of a sentence that begins with the deployment.
    pub const fn played(self) -> Result<Played, &'static str> {
        match self {
            Self::Played(played) => Ok(played),
            Self::Refused | Self::WrongInput => Err("cannot be simulated"),
            Self::Unread => Err("cannot be read"),
            Self::NoWorkload => Err("hold no Rollout and no Deployment: nothing is simulated"),
        }
    }

    /// Failed requests of one release, on average.
    pub fn failed(self) -> Option<f64> {
        self.played().ok().map(|played| played.failed)
    }

    pub const fn is_wrong_input(self) -> bool {
        matches!(self, Self::WrongInput | Self::Unread)
    }
}

/// What is checked where there is no deployment to name.
const MANIFESTS: &str = "the manifests";

impl Checked {
    /// Texts that are no manifests: the problems are all that there is to say.
    pub fn unread(problems: &[Problem]) -> Self {
        Self::of_manifests(problems.iter().filter_map(Finding::of_problem).collect(), Simulated::Unread)
    }

    /// Of no deployment in particular.
    fn of_manifests(findings: Vec<Finding>, simulated: Simulated) -> Self {
        Self {
            title: MANIFESTS.to_owned(),
            identity: String::new(),
            findings,
            simulated,
            plays: None,
            ignored: Vec::new(),
        }
    }

    /// The codes of the errors that would end the release, or keep it from its requests, before it costs what was played.
    pub fn supposed_mended(&self) -> Vec<&'static str> {
        let is_played = self.simulated.played().is_ok();
        let errors = self.findings.iter().filter(|finding| finding.level == Level::Error && is_played);
        let mut codes: Vec<_> = errors.map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    fn plays_changes(&self) -> bool {
        self.plays.is_some_and(|plays| plays.with_changes)
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
    if let Ok(base) = checked.simulated.played()
        && checked.plays_changes()
    {
        predict::predict(&Predictor::new(sources, release, setting), base, &mut checked.findings);
    }
    checked
}

/// What the rules say, and what a release costs as it is; nobody has played the changes yet.
fn look(sources: &Sources, release: &Release<'_>, setting: Setting<'_>) -> Checked {
    let loaded = load_release(sources, release, setting.scenario, setting.overrides);
    let subject = Subject::new(sources, release, loaded.as_ref().ok());
    let mut findings: Vec<Finding> = Vec::new();
    for rule in catalogue::rules() {
        findings.extend((rule.look)(&subject).into_iter().map(|found| Finding::new(&rule.page, found)));
    }
    let is_wrong_input = read(&loaded, &mut findings);
    let predictor = Predictor::new(sources, release, setting);
    let simulated = match subject.scenario.map(|scenario| predictor.play(scenario)) {
        Some(base) => Simulated::Played(base),
        None if is_wrong_input => Simulated::WrongInput,
        None => Simulated::Refused,
    };
    let plays = subject.scenario.map(|scenario| Plays::new(scenario, setting.seeds.len()));
    findings.sort_by_key(order);
    Checked {
        title: title(release),
        identity: identity(release.workload),
        findings,
        simulated,
        plays,
        ignored: loaded.map_or_else(|_| Vec::new(), |loaded| loaded.ignored),
    }
}

/// Files that hold no workload: what can be said of an Ingress, a Service or a Namespace by itself.
pub fn check_without_workload(sources: &Sources, stream: &Stream) -> Checked {
    let mut findings: Vec<Finding> = Vec::new();
    for part in parts(stream) {
        let subject = Subject::new(sources, &part, None);
        for rule in catalogue::rules_without_workload() {
            findings.extend((rule.look)(&subject).into_iter().map(|found| Finding::new(&rule.page, found)));
        }
        findings.extend(load_annotations(sources, &part).iter().filter_map(Finding::of_problem));
    }
    // An Ingress that leads to several Services is looked at with each of them.
    findings.sort_by(|a, b| (order(a), &a.message).cmp(&(order(b), &b.message)));
    findings.dedup_by(|next, finding| order(next) == order(finding) && next.message == finding.message);
    let is_wrong_input = findings.iter().any(|finding| finding.code == finding::INPUT);
    let simulated = if is_wrong_input { Simulated::WrongInput } else { Simulated::NoWorkload };
    Checked::of_manifests(findings, simulated)
}

/// In the order of the files.
fn order(finding: &Finding) -> (Option<usize>, &'static str) {
    (finding.place.as_ref().map(|place| place.start), finding.code)
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
