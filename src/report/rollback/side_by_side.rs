//! Several runs beside each other: one column for each, one row for each figure that tells them apart.

use super::header_routes::{HeaderRouteLife, lives};
use super::{Rollback, Times, of};
use crate::report::{grouped_decimal, percent, span};
use crate::run::Run;
use crate::scenario::Loaded;
use crate::units::{Duration, grouped};
use serde_json::Value;

/// A row has a cell for each run.
type Row = (&'static str, Vec<String>);

/// The table as lines of text. No column is cut: names of scenarios are short.
pub fn render(runs: &[(&Loaded, &Run)]) -> String {
    let rollbacks: Vec<_> = runs.iter().map(|(loaded, run)| of(loaded, run)).collect();
    let names = runs.iter().map(|(loaded, _)| loaded.scenario.name.clone()).collect();
    let mut rows: Vec<Row> = vec![("", names)];
    rows.extend(figures(runs));
    rows.extend(header_routes(runs));
    if rollbacks.iter().any(Option::is_some) {
        rows.extend(way_back(&rollbacks));
    }
    table(&rows)
}

/// Of several seeds of each: the medians, by the summaries that join them. A scenario without a figure has a dash.
pub fn medians(scenarios: &[&Value]) -> String {
    let cells = |show: &dyn Fn(&Value) -> Option<String>| {
        let cell = |summary: &&Value| show(summary).unwrap_or_else(|| "–".to_owned());
        scenarios.iter().map(cell).collect::<Vec<_>>()
    };
    let text = |pointer: &str| cells(&|summary| summary.pointer(pointer)?.as_str().map(str::to_owned));
    let median = |pointer: &str, places: usize| {
        let pointer = format!("{pointer}/p50");
        cells(&|summary| Some(grouped_decimal(summary.pointer(&pointer)?.as_f64()?, places)))
    };
    let figures = [
        ("duration of the release (s)", "/rollout/duration_s", 1),
        ("requests", "/requests/total", 0),
        ("ELB 5xx", "/requests/elb_5xx", 0),
        ("404, no rule", "/requests/elb_404", 0),
        ("target 5xx", "/requests/target_5xx", 0),
        ("pods, peak", "/pods/peak", 0),
        ("extra pod-seconds", "/pods/extra_pod_seconds", 0),
        ("time to detect (s)", "/rollback/time_to_detect_s", 1),
        ("… and to decide (s)", "/rollback/time_to_decide_s", 1),
        ("time to mitigate, once detected (s)", "/rollback/time_to_mitigate_s", 1),
        ("time to recover: both (s)", "/rollback/time_to_recover_s", 1),
        ("requests to the bad version", "/rollback/requests", 0),
        ("… as seconds of all", "/rollback/equivalent_s", 1),
        ("… that it failed", "/rollback/target_5xx", 0),
        ("users that it reached", "/rollback/users/exposed", 0),
        ("ELB 5xx of the way back", "/rollback/elb_5xx", 0),
    ];
    let goes_back = scenarios.iter().any(|summary| summary["rollback"].is_object());
    let has_404 = |summary: &&Value| summary["requests"]["elb_404"]["max"].as_f64() > Some(0.0);
    let has_404 = scenarios.iter().any(has_404);
    let shown = figures.into_iter().filter(|(_, pointer, _)| goes_back || !pointer.starts_with("/rollback"));
    let shown = shown.filter(|(_, pointer, _)| has_404 || !pointer.ends_with("elb_404"));
    let mut rows = vec![("medians over the seeds", text("/scenario"))];
    rows.extend(shown.map(|(name, pointer, places)| (name, median(pointer, places))));
    table(&rows)
}

fn table(rows: &[Row]) -> String {
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let width = |column: usize| rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].1.len()).map(width).collect();
    let line = |(name, cells): &Row| {
        let cells: String = cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect();
        format!("{name:<first$}{cells}\n")
    };
    rows.iter().map(line).collect()
}

fn figures(runs: &[(&Loaded, &Run)]) -> Vec<Row> {
    let cells = |show: &dyn Fn(&Run) -> String| runs.iter().map(|(_, run)| show(run)).collect::<Vec<_>>();
    let mut rows = vec![
        ("outcome", cells(&|run| run.rollout.outcome.name().to_owned())),
        ("duration of the release", cells(&|run| span(run.rollout.duration))),
        ("requests", cells(&|run| grouped(run.requests.total))),
        ("ELB 5xx", cells(&|run| grouped(run.requests.elb_5xx()))),
        ("target 5xx", cells(&|run| grouped(run.requests.target_5xx))),
        ("pods, peak", cells(&|run| run.pods.peak.to_string())),
        ("extra pod-seconds", cells(&|run| grouped_decimal(run.pods.extra_pod_seconds(), 0))),
    ];
    let hit = |run: &Run| run.classes.iter().map(|class| class.audience().hit_by_elb_5xx).sum::<u64>();
    if runs.iter().any(|(_, run)| run.classes.iter().any(|class| !class.users.is_empty())) {
        rows.insert(4, ("… users that got one", cells(&|run| grouped(hit(run)))));
    }
    if runs.iter().any(|(_, run)| run.requests.elb_404 > 0) {
        let place = rows.iter().position(|(name, _)| *name == "target 5xx").expect("it is a row");
        rows.insert(place, ("404, no rule", cells(&|run| grouped(run.requests.elb_404))));
    }
    rows
}

/// Where somebody has one: how long they stood in their object, and whose requests came elsewhere.
fn header_routes(runs: &[(&Loaded, &Run)]) -> Vec<Row> {
    let lives: Vec<_> = runs.iter().map(|(loaded, run)| lives(loaded, run)).collect();
    if lives.iter().all(Vec::is_empty) {
        return vec![];
    }
    let life = |life: &HeaderRouteLife| format!("{} of {}", span(life.present), span(life.present + life.absent));
    let told = |lives: &Vec<HeaderRouteLife>| match &lives[..] {
        [] => "–".to_owned(),
        lives => lives.iter().map(life).collect::<Vec<_>>().join(", "),
    };
    let wrong = |run: &Run| run.classes.iter().map(|class| class.wrong_version).sum::<u64>();
    vec![
        ("header route there for", lives.iter().map(told).collect()),
        ("… its requests that came elsewhere", runs.iter().map(|(_, run)| grouped(wrong(run))).collect()),
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
        ("… as seconds of all", cells(&|rollback| Some(grouped_decimal(rollback.exposure.equivalent, 1)))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_became_of_a_header_route_stands_beside_what_became_of_another() {
        let scenarios = [
            include_str!("../../../scenarios/gitops/header-route-removed.toml"),
            include_str!("../../../scenarios/gitops/header-route-respected.toml"),
        ];
        let loaded = scenarios.map(|text| crate::scenario::load::load(text, "x", &[]).expect("it is right"));
        let runs: Vec<_> = loaded.iter().map(|loaded| crate::simulation::run(&loaded.scenario, 1)).collect();
        let both: Vec<_> = loaded.iter().zip(&runs).collect();
        let text = render(&both);
        let row = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
            line[name.len()..].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
        };
        let lives = both.iter().map(|(loaded, run)| lives(loaded, run).remove(0)).collect::<Vec<_>>();
        assert!(lives[0].present < lives[1].present, "{text}");
        let there = row("header route there for");
        assert!(there[0].starts_with(&format!("{} of ", span(lives[0].present))), "{text}");
        let elsewhere = runs.iter().map(|run| run.classes.iter().map(|class| class.wrong_version).sum());
        let elsewhere: Vec<u64> = elsewhere.collect();
        assert!(elsewhere[0] > 10 * elsewhere[1], "{text}");
        assert_eq!(row("… its requests that came elsewhere"), [grouped(elsewhere[0]), grouped(elsewhere[1])]);
    }

    #[test]
    fn medians_of_several_scenarios_stand_beside_each_other() {
        let spread = |median: f64| json!({ "min": 0, "mean": 1, "p50": median, "p95": 3, "max": 4 });
        let plain = json!({ "scenario": "a", "requests": { "total": spread(1234.0) } });
        let back = json!({ "scenario": "with-a-way-back", "rollback": { "requests": spread(77.0), "users": null } });
        let text = medians(&[&plain, &back]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("a  with-a-way-back"), "{text}");
        let row =
            |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(row("requests  ").ends_with("1,234                –"), "{text}");
        assert!(row("requests to the bad version").ends_with("–               77"), "{text}");
        assert!(row("users that it reached").ends_with("–                –"), "{text}");
        assert!(!medians(&[&plain, &plain]).contains("bad version"));
    }
}
