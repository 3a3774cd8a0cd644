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
        let from = runs.iter().map(|run| second_of_row(run, 0)).min().unwrap_or(0);
        let to = runs.iter().map(|run| second_of_row(run, run.seconds.len())).max().unwrap_or(1).max(from + 1);
        let eventful: Vec<_> = runs.iter().map(|run| eventful(run)).collect();
        let first = eventful.iter().map(|(first, _)| *first).min().unwrap_or(from);
        let last = eventful.iter().map(|(_, last)| *last).max().unwrap_or(to);
        let margin = ((last - first) / 10).max(60);
        let (first, last) = ((first - margin).max(from), (last + margin).min(to));
        if (last - first) * 2 < to - from {
            Self { from: first, to: last, cut_before: from < first, cut_after: last < to }
        } else {
            Self { from, to, cut_before: false, cut_after: false }
        }
    }

    /// The rows of `Run::seconds` within.
    pub(super) fn rows(self, run: &Run) -> Range<usize> {
        let row = |second: i64| usize::try_from(second - second_of_row(run, 0)).unwrap_or(0).min(run.seconds.len());
        row(self.from)..row(self.to)
    }
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
