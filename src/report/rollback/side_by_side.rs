//! Several runs beside each other: one column for each, one row for each figure that tells them apart.

use super::{Rollback, Times, of};
use crate::report::{decimal, grouped_decimal, percent, span};
use crate::run::Run;
use crate::scenario::Loaded;
use crate::units::{Duration, grouped};

/// A row has a cell for each run.
type Row = (&'static str, Vec<String>);

/// The table as lines of text. No column is cut: names of scenarios are short.
pub fn render(runs: &[(&Loaded, &Run)]) -> String {
    let rollbacks: Vec<_> = runs.iter().map(|(loaded, run)| of(loaded, run)).collect();
    let names = runs.iter().map(|(loaded, _)| loaded.scenario.name.clone()).collect();
    let mut rows: Vec<Row> = vec![("", names)];
    rows.extend(figures(runs));
    if rollbacks.iter().any(Option::is_some) {
        rows.extend(way_back(&rollbacks));
    }
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let width = |column: usize| rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..runs.len()).map(width).collect();
    let line = |(name, cells): &Row| {
        let cells: String = cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect();
        format!("{name:<first$}{cells}\n")
    };
    rows.iter().map(line).collect()
}

fn figures(runs: &[(&Loaded, &Run)]) -> Vec<Row> {
    let cells = |show: &dyn Fn(&Run) -> String| runs.iter().map(|(_, run)| show(run)).collect::<Vec<_>>();
    vec![
        ("outcome", cells(&|run| run.rollout.outcome.name().to_owned())),
        ("duration of the release", cells(&|run| span(run.rollout.duration))),
        ("requests", cells(&|run| grouped(run.requests.total))),
        ("ELB 5xx", cells(&|run| grouped(run.requests.elb_5xx()))),
        ("target 5xx", cells(&|run| grouped(run.requests.target_5xx))),
        ("pods, peak", cells(&|run| run.pods.peak.to_string())),
        ("extra pod-seconds", cells(&|run| grouped_decimal(run.pods.extra_pod_seconds(), 0))),
    ]
}

/// What a run without a way back does not have is a dash.
fn way_back(rollbacks: &[Option<Rollback<'_>>]) -> Vec<Row> {
    let cells = |show: &dyn Fn(&Rollback<'_>) -> Option<String>| {
        let cell = |rollback: &Option<Rollback<'_>>| rollback.as_ref().and_then(show).unwrap_or_else(|| "–".to_owned());
        rollbacks.iter().map(cell).collect::<Vec<_>>()
    };
    // One clock for all of them: `Times`.
    let time = |show: fn(&Times) -> Option<Duration>| {
        cells(&|rollback| Some(show(&rollback.times()?).map_or_else(|| "not by the end".to_owned(), span)))
    };
    vec![
        ("way back", cells(&|rollback| Some(rollback.way.as_ref()?.decision.by.name().to_owned()))),
        ("time to detect", time(|times| Some(times.detect))),
        ("… and to decide", time(|times| Some(times.decide))),
        ("time to mitigate, once detected", time(|times| times.mitigate)),
        ("time to recover: both", time(|times| times.recover)),
        ("requests to the bad version", cells(&|rollback| Some(grouped(rollback.exposure.requests)))),
        ("… of all", cells(&|rollback| Some(percent(share(rollback))))),
        ("… as seconds of all", cells(&|rollback| Some(decimal(rollback.exposure.equivalent, 1)))),
        ("… that it failed", cells(&|rollback| Some(grouped(rollback.exposure.target_5xx)))),
        ("users that it reached", cells(&|rollback| rollback.exposure.users.map(|users| grouped(users.exposed)))),
        ("… that it failed", cells(&|rollback| rollback.exposure.users.map(|users| grouped(users.hit_by_target_5xx)))),
        ("ELB 5xx of the way back", cells(&|rollback| Some(grouped(rollback.way.as_ref()?.elb_5xx)))),
    ]
}

fn share(rollback: &Rollback<'_>) -> f64 {
    let total = rollback.exposure.total.max(1);
    rollback.exposure.requests as f64 / total as f64
}
