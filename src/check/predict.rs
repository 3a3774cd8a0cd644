//! Failed requests with and without a change, by playing both.

use super::Setting;
use super::change::{Change, Edit, apply};
use super::finding::{Finding, Prediction};
use crate::scenario::Scenario;
use crate::scenario::load::load_release;
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::release::Release;
use crate::scenario::manifests::stream::Stream;
use crate::scenario::sources::Sources;
use crate::simulation::run;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// What came of playing a release: means over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Played {
    pub failed: f64,
    pub requests: f64,
}

/// A play takes a time that grows with the square of the pods, about half a second for a thousand. From here on one seed
/// has to do.
const MANY_PODS: u32 = 1_000;
/// And from here on the release is played as it is, and no change of it.
const TOO_MANY_PODS: u32 = 2_000;

/// How a release is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plays {
    /// As many as the workload may have when nothing is released.
    pub pods: u32,
    pub seeds: usize,
    pub with_changes: bool,
}

impl Plays {
    pub fn new(scenario: &Scenario, seeds: usize) -> Self {
        let most = scenario.hpa.as_ref().map_or(0, |hpa| hpa.autoscaler.max_replicas);
        Self::of(scenario.workload.replicas().max(most), seeds)
    }

    fn of(pods: u32, seeds: usize) -> Self {
        let seeds = if pods > MANY_PODS { seeds.min(1) } else { seeds };
        Self { pods, seeds, with_changes: pods <= TOO_MANY_PODS }
    }
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
        let seeds = &seeds[..Plays::new(scenario, seeds.len()).seeds];
        let runs: Vec<_> = seeds.par_iter().map(|seed| run(scenario, *seed).requests).collect();
        let mean = |sum: u64| sum as f64 / seeds.len().max(1) as f64;
        Played {
            failed: mean(runs.iter().map(|requests| requests.elb_5xx()).sum()),
            requests: mean(runs.iter().map(|requests| requests.total).sum()),
        }
    }

    /// None if the changed manifests cannot be simulated. Of what is read, the places serve nobody here.
    pub fn play_with(&self, edits: &[Edit]) -> Option<Played> {
        let stream = match self.read_changed(edits) {
            Reread::Read(stream) => stream,
            Reread::Broken => return None,
            Reread::Unlike => self.read_all(edits)?,
        };
        let workload = self.release.workload;
        let workload = stream.find(&workload.kind, &workload.namespace, &workload.name)?;
        let release = Release::new(&stream, workload);
        let loaded = load_release(self.sources, &release, self.setting.scenario, self.setting.overrides).ok()?;
        Some(self.play(&loaded.scenario))
    }

    fn read_all(&self, edits: &[Edit]) -> Option<Stream> {
        let (stream, problems) = Stream::read(&apply(self.sources, edits)?);
        problems.is_empty().then_some(stream)
    }

    /// The documents with changes are read again, and all other objects are those of the stream as it was: a folder with
    /// hundreds of releases is not parsed once more for every change of each.
    fn read_changed(&self, edits: &[Edit]) -> Reread {
        let stream = self.release.stream;
        let Some(Touched { sources, edits, documents }) = self.touched(edits) else { return Reread::Unlike };
        let Some(changed) = apply(&sources, &edits) else { return Reread::Broken };
        let (read, problems) = Stream::read(&changed);
        if !problems.is_empty() {
            return Reread::Broken;
        }
        let mut read = read.objects.into_iter();
        let mut objects = Vec::with_capacity(stream.objects.len());
        for object in &stream.objects {
            if !documents.iter().any(|document| document.contains(&object.place.start)) {
                objects.push(Arc::clone(object));
                continue;
            }
            match read.next().filter(|again| is_same(again, object)) {
                Some(again) => objects.push(again),
                None => return Reread::Unlike,
            }
        }
        if read.next().is_some() {
            return Reread::Unlike;
        }
        Reread::Read(Stream { objects, others: stream.others.clone(), ..*stream })
    }

    /// None if an edit is not of one document of manifests.
    fn touched(&self, edits: &[Edit]) -> Option<Touched> {
        let mut edits = edits.to_vec();
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let mut documents: Vec<Range<usize>> = Vec::new();
        let mut sources = Sources::default();
        for edit in &mut edits {
            if !self.sources.is_of_manifest(edit.at.start) {
                return None;
            }
            let (source, within) = self.sources.locate(&edit.at)?;
            let within = document_at(&source.text, within.start);
            let document = source.start + within.start..source.start + within.end;
            if documents.last() != Some(&document) {
                sources.add_manifests(&source.name, source.text.get(within)?, source.is_named);
                documents.push(document.clone());
            }
            if edit.at.end > document.end {
                return None;
            }
            let start = sources.texts().last()?.start;
            edit.at = edit.at.start - document.start + start..edit.at.end - document.start + start;
        }
        Some(Touched { sources, edits, documents })
    }
}

/// The documents that are changed, as texts of their own.
struct Touched {
    sources: Sources,
    /// The edits, with their places in these texts.
    edits: Vec<Edit>,
    /// Where the documents stand in all texts.
    documents: Vec<Range<usize>>,
}

/// What became of the documents with changes.
enum Reread {
    Read(Stream),
    /// They cannot be read, or the changes touch the same place.
    Broken,
    /// They hold other objects than before, or it is not clear which documents they are: everything has to be read.
    Unlike,
}

fn is_same(a: &Object, b: &Object) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}

/// The document of a text that has this byte: from a line `---` to the next. What stands above the first of these lines
/// belongs to the document behind it, if it is nothing but comments.
pub fn document_at(text: &str, byte: usize) -> Range<usize> {
    let says_nothing = |line: &str| line.trim().is_empty() || line.starts_with(['#', '%', '\u{feff}']);
    let begins = |line: usize| {
        let rest = text[line..].strip_prefix("---");
        let is_mark = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        is_mark && !text[..line].lines().all(says_nothing)
    };
    let mut start = text[..byte].rfind('\n').map_or(0, |newline| newline + 1);
    while start > 0 && !begins(start) {
        start = text[..start - 1].rfind('\n').map_or(0, |newline| newline + 1);
    }
    let mut end = start;
    loop {
        end = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
        if end == text.len() || begins(end) {
            return start..end;
        }
    }
}

/// Of the changes of each finding the first that leaves the fewest failed requests, be they more than before: that is told,
/// too. A change that spoils the manifests is none.
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
            Some((with, index)) => {
                let change = finding.changes[index].clone();
                finding.help.clone_from(&change.words);
                finding.change = Some(change);
                finding.prediction = Some(Prediction { without: base.failed, with });
            }
            None => {
                finding.change = None;
                finding.help = finding.remedy.to_owned();
            }
        }
    });
}

/// What is changed, and what that brings.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub edits: Vec<Edit>,
    pub codes: Vec<&'static str>,
    pub played: Played,
}

/// The fewest changes that bring the failed requests to zero, or as low as they go: each time the one that helps most with
/// those before it, whatever it would bring alone.
pub fn smallest(predictor: &Predictor<'_>, base: Played, findings: &[Finding]) -> Chosen {
    let mut chosen = Chosen { edits: Vec::new(), codes: Vec::new(), played: base };
    let mut left: Vec<&Finding> = findings.iter().filter(|finding| finding.is_played).collect();
    while chosen.played.failed > 0.0 {
        let changes = left.iter().enumerate().flat_map(|(place, finding)| {
            let changes = finding.changes.iter();
            changes.map(move |change| (place, change))
        });
        let play = |(place, change): (usize, &Change)| {
            let edits = [&chosen.edits[..], &change.edits].concat();
            Some((predictor.play_with(&edits)?, edits, place))
        };
        let played: Vec<_> = changes.collect::<Vec<_>>().into_par_iter().filter_map(play).collect();
        let least = played.into_iter().min_by(|a, b| a.0.failed.total_cmp(&b.0.failed));
        match least {
            Some((played, edits, place)) if played.failed < chosen.played.failed => {
                let finding = left.remove(place);
                chosen.codes.push(finding.code);
                (chosen.edits, chosen.played) = (edits, played);
            }
            Some(_) | None => break,
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pods_are_played_less() {
        let plays = |pods: u32| {
            let plays = Plays::of(pods, 3);
            (plays.seeds, plays.with_changes)
        };
        assert_eq!([plays(1), plays(1_000), plays(1_001)], [(3, true), (3, true), (1, true)]);
        assert_eq!([plays(2_000), plays(2_001), plays(10_000)], [(1, true), (1, false), (1, false)]);
    }
}
