//! The release cut into stretches that have a name in a sentence.

use super::super::{Stage, is_set_weight, stages, time};
use crate::run::{Run, StepRecord};
use crate::units::Instant;
use std::ops::Range;

#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// `At setWeight 100 (t = 420 s)`.
    pub(super) name: String,
    /// The `setWeight` in force.
    pub(super) asked: Option<&'a StepRecord>,
    /// Of `Run::seconds`.
    pub(super) rows: Range<u64>,
}

/// In the order of time, without gaps; the first is the time before the release.
pub(super) fn places(run: &Run) -> Vec<Place<'_>> {
    let stages: Vec<_> = stages(run).filter(|stage| stage.first().started.is_some()).collect();
    let start = |stage: &Stage| stage.first().started.map_or(u64::MAX, Instant::second);
    let end = run.seconds.len() as u64;
    let first = stages.first().map_or(run.release.second(), start);
    let before = if run.rollout.began_anew.is_some() { run.release.second() } else { first };
    let mut places = vec![Place { name: "Already before the release".into(), asked: None, rows: 0..before }];
    if let Some(began) = run.rollout.began_anew {
        let name = format!("Before the steps began anew (t = {})", time(run, began));
        places.push(Place { name, asked: None, rows: before..first });
    }
    if stages.is_empty() {
        places.push(Place { name: "In the release, which has no steps".into(), asked: None, rows: first..end });
    }
    let aborted = run.rollout.aborted;
    let over = stages.last().and_then(|stage| stage.last().completed).filter(|_| aborted.is_none());
    let mut asked = None;
    for (index, stage) in stages.iter().enumerate() {
        let first = stage.first();
        asked = if is_set_weight(first) { Some(first) } else { asked };
        let until = stages.get(index + 1).map_or(over.or(aborted).map_or(end, Instant::second), start);
        let name = format!("At {} (t = {})", first.step, time(run, first.started.unwrap_or(run.release)));
        places.push(Place { name, asked, rows: start(stage)..until });
    }
    if let Some(over) = over {
        let name = format!("After the last step (over at t = {})", time(run, over));
        places.push(Place { name, asked, rows: over.second()..end });
    }
    if let Some(aborted) = aborted {
        let name = format!("After the abort (t = {})", time(run, aborted));
        places.push(Place { name, asked: None, rows: aborted.second()..end });
    }
    places
}

/// The place in which something happened.
pub(super) fn place_of(run: &Run, at: Instant) -> Option<Place<'_>> {
    places(run).into_iter().rfind(|place| place.rows.contains(&at.second()))
}
