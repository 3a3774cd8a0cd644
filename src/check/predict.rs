//! Failed requests with and without a change, by playing both.

use super::Setting;
use super::change::{Edit, apply};
use super::finding::{Finding, Prediction};
use crate::scenario::Scenario;
use crate::scenario::load::load_release;
use crate::scenario::manifests::release::{Release, releases};
use crate::scenario::manifests::stream::Stream;
use crate::scenario::sources::Sources;
use crate::simulation::run;
use rayon::prelude::*;

/// Means over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Played {
    pub failed: f64,
    pub requests: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Predictor<'a> {
    sources: &'a Sources,
    release: &'a Release<'a>,
    setting: Setting<'a>,
}

impl<'a> Predictor<'a> {
    pub fn new(sources: &'a Sources, release: &'a Release<'a>, setting: Setting<'a>) -> Self {
        Self { sources, release, setting }
    }

    pub fn play(&self, scenario: &Scenario) -> Played {
        let seeds = self.setting.seeds;
        let runs: Vec<_> = seeds.par_iter().map(|seed| run(scenario, *seed).requests).collect();
        let mean = |sum: u64| sum as f64 / seeds.len().max(1) as f64;
        Played {
            failed: mean(runs.iter().map(|requests| requests.elb_5xx()).sum()),
            requests: mean(runs.iter().map(|requests| requests.total).sum()),
        }
    }

    /// None if the changed manifests cannot be simulated.
    pub fn play_with(&self, edits: &[Edit]) -> Option<Played> {
        let sources = apply(self.sources, edits)?;
        let (stream, problems) = Stream::read(&sources);
        if !problems.is_empty() {
            return None;
        }
        let workload = self.release.workload;
        let releases = releases(&stream);
        let is_same = |release: &&Release<'_>| {
            let other = release.workload;
            (&other.kind, &other.namespace, &other.name) == (&workload.kind, &workload.namespace, &workload.name)
        };
        let release = releases.iter().find(is_same)?;
        let loaded = load_release(&sources, release, self.setting.scenario, self.setting.overrides).ok()?;
        Some(self.play(&loaded.scenario))
    }
}

/// Of the changes of each finding the first that leaves the fewest failed requests; a change that spoils the manifests is
/// none, and one that leaves more failed requests than before is no help.
pub fn predict(predictor: &Predictor<'_>, base: Played, findings: &mut [Finding]) {
    findings.par_iter_mut().for_each(|finding| {
        if !finding.is_played {
            return;
        }
        let mut best: Option<(f64, usize)> = None;
        for (index, change) in finding.changes.iter().enumerate() {
            let Some(played) = predictor.play_with(&change.edits) else { continue };
            if best.is_none_or(|(failed, _)| played.failed < failed) {
                best = Some((played.failed, index));
            }
            if played.failed == 0.0 {
                break;
            }
        }
        match best {
            Some((with, index)) if with <= base.failed => {
                let change = finding.changes[index].clone();
                finding.help.clone_from(&change.words);
                finding.change = Some(change);
                finding.prediction = Some(Prediction { without: base.failed, with });
            }
            Some(_) | None => {
                finding.change = None;
                finding.help = finding.remedy.to_owned();
            }
        }
    });
}

/// The fewest changes that bring the failed requests to zero, or as low as they go: each time the one that helps most.
pub fn smallest(
    predictor: &Predictor<'_>,
    base: Played,
    findings: &[Finding],
) -> (Vec<Edit>, Vec<&'static str>, Played) {
    let (mut edits, mut codes, mut now) = (Vec::new(), Vec::new(), base);
    while now.failed > 0.0 {
        let candidates: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.is_played && finding.change.is_some() && !codes.contains(&finding.code))
            .collect();
        let play = |finding: &&Finding| {
            let change = finding.change.as_ref()?;
            let with = [&edits[..], &change.edits].concat();
            Some((predictor.play_with(&with)?, with, finding.code))
        };
        let played: Vec<_> = candidates.par_iter().filter_map(play).collect();
        let least = played.into_iter().min_by(|a, b| a.0.failed.total_cmp(&b.0.failed));
        match least {
            Some((played, with, code)) if played.failed < now.failed => {
                (edits, now) = (with, played);
                codes.push(code);
            }
            Some(_) | None => break,
        }
    }
    (edits, codes, now)
}
