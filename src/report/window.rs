//! The part of a run that is worth drawing.

use super::second_of_row;
use crate::run::{Run, Second};
use std::ops::Range;

/// Seconds since the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The runs began long before anything happened in them.
    pub(super) cut_before: bool,
    /// The runs go on where nothing happens any more.
    pub(super) cut_after: bool,
}

impl Window {
    /// From the first of the runs to the last. Where that is more than twice as long as anything happens in them, only
    /// the seconds in which something does, with a minute or more around them.
    pub(super) fn of(runs: &[&Run]) -> Self {
        let (from, to) = whole(runs);
        let eventful = runs.iter().map(|run| eventful(run));
        let (first, last) = eventful.reduce(joined).unwrap_or((from, to));
        let near = Self::around(runs, (first, last), [((last - first) / 10).max(60); 2]);
        if (near.to - near.from) * 2 < to - from {
            near
        } else {
            Self { from, to, cut_before: false, cut_after: false }
        }
    }

    /// Only the seconds in which something happens, and those that are named, with a little before them and room for a label after them.
    pub(super) fn close_to(runs: &[&Run], named: &[(i64, i64)]) -> Self {
        let eventful = runs.iter().map(|run| eventful(run)).chain(named.iter().copied());
        let (first, last) = eventful.reduce(joined).unwrap_or(whole(runs));
        Self::around(runs, (first, last), [((last - first) / 20).max(5), ((last - first) / 7).max(5)])
    }

    fn around(runs: &[&Run], (first, last): (i64, i64), [before, after]: [i64; 2]) -> Self {
        let (from, to) = whole(runs);
        let (first, last) = ((first - before).max(from), (last + after).min(to));
        Self { from: first, to: last, cut_before: from < first, cut_after: last < to }
    }

    /// The rows of `Run::seconds` within.
    pub(super) fn rows(self, run: &Run) -> Range<usize> {
        let row = |second: i64| usize::try_from(second - second_of_row(run, 0)).unwrap_or(0).min(run.seconds.len());
        row(self.from)..row(self.to)
    }
}

fn joined(one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    (one.0.min(other.0), one.1.max(other.1))
}

/// From the first second of the runs to the last.
fn whole(runs: &[&Run]) -> (i64, i64) {
    let from = runs.iter().map(|run| second_of_row(run, 0)).min().unwrap_or(0);
    let to = runs.iter().map(|run| second_of_row(run, run.seconds.len())).max().unwrap_or(1);
    (from, to.max(from + 1))
}

/// The first and the last second in which a run is not in its steady state: the release, failures, pods coming and going.
fn eventful(run: &Run) -> (i64, i64) {
    let steady = |second: &Second| second.elb_5xx() == 0 && second.elb_404 == 0 && second.terminating == 0;
    let busy = |row: &usize| !steady(&run.seconds[*row]);
    let first = (0..run.seconds.len()).find(busy).map_or(0, |row| second_of_row(run, row));
    let last = (0..run.seconds.len()).rfind(busy).map_or(0, |row| second_of_row(run, row));
    let changes = run.seconds.windows(2).rposition(|pair| {
        let state = |second: &Second| (second.weight_requested, second.weight_effective_sum, second.pods_total);
        state(&pair[0]) != state(&pair[1])
    });
    let changed = changes.map_or(0, |row| second_of_row(run, row + 1));
    (first.min(0), last.max(changed).max(0))
}
