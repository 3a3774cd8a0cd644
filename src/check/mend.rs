//! `--fix`: the changes that bring the failed requests of each release to zero, or as low as they go.
//!
//! After a change the rules look again: a hook that has to be longer now, a step that is too short only now. So it goes
//! round after round, until nothing is left that helps.

use super::change::{Edit, apply};
use super::predict::{Predictor, smallest};
use super::{Checked, Setting, look, suppression};
use crate::scenario::manifests::release::Release;
use crate::scenario::manifests::stream::Stream;
use crate::scenario::sources::Sources;
use rayon::prelude::*;

/// Two releases that share an Ingress might undo each other's changes for ever.
const MOST_ROUNDS: usize = 10;

/// What was changed for one release.
#[derive(Clone, Debug)]
pub struct Mended {
    pub title: String,
    /// Of the findings whose changes were made, in their order.
    pub codes: Vec<&'static str>,
    /// Failed requests of a release.
    pub before: f64,
    pub after: f64,
}

/// The changed texts, and what was changed for each release that can be simulated. `checked` is what the rules say of the
/// releases.
pub fn mend(
    sources: &Sources,
    (releases, checked): (&[Release<'_>], &[Checked]),
    setting: Setting<'_>,
) -> (Sources, Vec<Mended>) {
    let begin = |checked: &Checked| {
        let failed = checked.simulated.failed()?;
        Some(Mended { title: checked.title.clone(), codes: Vec::new(), before: failed, after: failed })
    };
    let mut mended: Vec<Option<Mended>> = checked.iter().map(begin).collect();
    let mut changed = round(sources, (releases, checked), setting, &mut mended);
    let (mut sources, mut rounds) = (sources.clone(), 1);
    while let Some(texts) = changed {
        sources = texts;
        if rounds == MOST_ROUNDS {
            break;
        }
        rounds += 1;
        let (mut stream, _) = Stream::read(&sources);
        stream.is_scaled_elsewhere = releases.iter().any(|release| release.stream.is_scaled_elsewhere);
        let again = |release: &Release<'_>| {
            let workload = release.workload;
            stream.find(&workload.kind, &workload.namespace, &workload.name)
        };
        let again: Vec<_> = releases.iter().filter_map(again).map(|workload| Release::new(&stream, workload)).collect();
        let mut checked: Vec<_> = again.par_iter().map(|release| look(&sources, release, setting)).collect();
        suppression::suppress(&sources, &mut checked);
        changed = round(&sources, (&again, &checked), setting, &mut mended);
    }
    (sources, mended.into_iter().flatten().collect())
}

/// One change or several for each release; None if nothing helps any more.
fn round(
    sources: &Sources,
    (releases, checked): (&[Release<'_>], &[Checked]),
    setting: Setting<'_>,
    mended: &mut [Option<Mended>],
) -> Option<Sources> {
    let choose = |(release, checked): (&Release<'_>, &Checked)| {
        let checked = Some(checked).filter(|checked| checked.plays_changes())?;
        Some(smallest(&Predictor::new(sources, release, setting), checked.simulated.played().ok()?, &checked.findings))
    };
    let chosen: Vec<_> = releases.par_iter().zip(checked).map(choose).collect();
    let all: Vec<Edit> = chosen.iter().flatten().flat_map(|chosen| chosen.edits.clone()).collect();
    if all.is_empty() {
        return None;
    }
    let at_once = applied(sources, &all);
    let (mut edits, mut changed) = (Vec::new(), None);
    for (chosen, mended) in chosen.into_iter().zip(mended) {
        let (Some(chosen), Some(mended)) = (chosen.filter(|chosen| !chosen.edits.is_empty()), mended) else { continue };
        if at_once.is_none() {
            // What touches what another has changed has to wait for the next round.
            let with = [&edits[..], &chosen.edits].concat();
            let Some(texts) = applied(sources, &with) else { continue };
            (edits, changed) = (with, Some(texts));
        }
        let new: Vec<_> = chosen.codes.iter().filter(|code| !mended.codes.contains(code)).copied().collect();
        mended.codes.extend(new);
        mended.after = chosen.played.failed;
    }
    at_once.or(changed)
}

/// The changed texts, if they can be read.
fn applied(sources: &Sources, edits: &[Edit]) -> Option<Sources> {
    apply(sources, edits).filter(|changed| Stream::read(changed).1.is_empty())
}
