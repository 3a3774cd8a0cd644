//! Several runs beside each other: one column for each, one row for each figure that tells them apart.

use super::{Rollback, of};
use crate::report::{decimal, grouped_decimal, percent, span};
use crate::run::Run;
use crate::scenario::Loaded;
use crate::units::{Instant, grouped};

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
fn way_back(rollbacks: &[Option<Rollback>]) -> Vec<Row> {
    let cells = |show: &dyn Fn(&Rollback) -> Option<String>| {
        let cell = |rollback: &Option<Rollback>| rollback.as_ref().and_then(show).unwrap_or_else(|| "–".to_owned());
        rollbacks.iter().map(cell).collect::<Vec<_>>()
    };
    let between = |from: Instant, to: Instant| span(to.saturating_since(from));
    let never = "not by the end".to_owned();
    vec![
        ("way back", cells(&|rollback| Some(rollback.decision.clone()))),
        ("noticed after", cells(&|rollback| Some(between(rollback.first_bad, rollback.detected)))),
        ("decided after", cells(&|rollback| Some(between(rollback.detected, rollback.decided)))),
        (
            "mitigated after",
            cells(&|rollback| Some(rollback.mitigated[0].map_or(never.clone(), |at| between(rollback.decided, at)))),
        ),
        (
            "first bad answer to last",
            cells(&|rollback| Some(rollback.mitigated[0].map_or(never.clone(), |at| between(rollback.first_bad, at)))),
        ),
        ("requests to the bad version", cells(&|rollback| Some(grouped(rollback.exposure.requests)))),
        ("… of all", cells(&|rollback| Some(percent(share(rollback))))),
        ("… as seconds of all", cells(&|rollback| Some(decimal(rollback.exposure.equivalent, 1)))),
        ("… that it failed", cells(&|rollback| Some(grouped(rollback.exposure.target_5xx)))),
        ("users that it reached", cells(&|rollback| rollback.exposure.users.map(|users| grouped(users.exposed)))),
        ("… that it failed", cells(&|rollback| rollback.exposure.users.map(|users| grouped(users.hit_by_target_5xx)))),
        ("ELB 5xx from the decision on", cells(&|rollback| Some(grouped(rollback.elb_5xx)))),
    ]
}

fn share(rollback: &Rollback) -> f64 {
    let total = rollback.exposure.total.max(1);
    rollback.exposure.requests as f64 / total as f64
}
