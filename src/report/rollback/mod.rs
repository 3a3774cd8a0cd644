//! The way back: how long a bad version was out, who noticed and decided when, and whom it reached in the meantime.
//!
//! The bad version is the one that the scenario gives errors to; else the one that the release brought. Shares are those of
//! the data plane, by whole seconds: what was served, not what was asked for.

mod argo_cd;
pub(super) mod header_routes;
pub mod side_by_side;
pub(super) mod summary;
pub(super) mod text;

use crate::model::Revision;
use crate::run::{Answer, LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};

/// The share of bad answers below which the release counts as mitigated, strictly and for practice.
const TOLERATED: [f64; 2] = [0.0, 0.01];

/// Only of a run in which somebody, or something, decided to go back.
#[derive(Clone, Debug)]
pub(super) struct Rollback {
    /// The first answer of the bad version.
    pub first_bad: Instant,
    /// When somebody could have known: the alert fired, or what the person waited for happened.
    pub detected: Instant,
    /// The name of the alert.
    pub alert: Option<String>,
    pub decided: Instant,
    /// As the event log calls it.
    pub decision: String,
    /// By `TOLERATED`; None if it was not over when the run ended.
    pub mitigated: [Option<Instant>; 2],
    pub exposure: Exposure,
    /// ELB 5xx of the requests that arrived after the decision.
    pub elb_5xx: u64,
}

/// Whom the bad version reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exposure {
    pub requests: u64,
    /// Those that it failed.
    pub target_5xx: u64,
    /// The sum of its shares over the seconds: so many seconds with all requests cost the same.
    pub equivalent: f64,
    pub total: u64,
    pub users: Option<Users>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Users {
    pub count: u64,
    pub exposed: u64,
    pub hit_by_target_5xx: u64,
}

/// None if nobody decided anything, or nobody met the bad version.
pub(super) fn of(loaded: &Loaded, run: &Run) -> Option<Rollback> {
    let (decided, decision) = decision(run)?;
    let bad = bad_versions(loaded, run);
    let first_bad = run.classes.iter().filter_map(|class| class.first_exposure).min()?;
    let alert = run.events.iter().rev().find(|entry| {
        entry.component == "alert" && entry.event == "Firing" && (first_bad..=decided).contains(&entry.at)
    });
    let waited = loaded.scenario.actions.iter().find(|action| action.verb.name() == decision);
    let waited = waited.map_or(Duration::ZERO, |action| action.after);
    // A person who takes his time has noticed so much earlier.
    let noticed = alert
        .map_or_else(|| run.release + decided.saturating_since(run.release).saturating_sub(waited), |alert| alert.at);
    let shares: Vec<_> = (0..run.seconds.len()).map(|row| share(run, &bad, row)).collect();
    let mitigated = TOLERATED.map(|tolerated| {
        let last = shares.iter().rposition(|(bad, total)| *bad as f64 > tolerated * *total as f64);
        let end = last.map_or(Duration::ZERO, |last| Duration::secs(last as u64 + 1));
        (Instant::START + end < run.end).then_some((Instant::START + end).max(decided))
    });
    let row = usize::try_from(decided.second()).expect("a run's seconds can be indexed");
    Some(Rollback {
        first_bad,
        detected: noticed.max(first_bad),
        alert: alert.map(|alert| alert.object.clone()),
        decided,
        decision,
        mitigated,
        exposure: exposure(run, &bad, &shares),
        elb_5xx: run.seconds.iter().skip(row).map(|second| u64::from(second.elb_5xx())).sum(),
    })
}

/// The first decision to go back, by a person or by a machine.
fn decision(run: &Run) -> Option<(Instant, String)> {
    const VERBS: [&str; 6] = ["abort", "undo", "revert_commit", "run_pipeline", "reject", "disable_feature"];
    let is_decision = |entry: &&LogEntry| match entry.component {
        "people" => VERBS.contains(&entry.event),
        "promotion" => entry.event == "TimedOut" && entry.detail == "rollback",
        "rollouts-controller" => entry.event == "Aborted",
        _ => false,
    };
    let entry = run.events.iter().find(is_decision)?;
    let name = match entry.component {
        "people" => entry.event,
        "promotion" => "promotion time-out",
        _ => "automatic abort",
    };
    Some((entry.at, name.to_owned()))
}

fn bad_versions(loaded: &Loaded, run: &Run) -> Vec<usize> {
    let versions = run.classes.iter().map(|class| class.versions()).max().unwrap_or(0);
    let specs = &loaded.scenario.application.versions;
    let has_errors = |version: &usize| {
        let revision = Revision(u32::try_from(*version).expect("versions are few"));
        specs.get(&revision).is_some_and(|spec| spec.error_share > 0.0)
    };
    let bad: Vec<_> = (1..versions).filter(has_errors).collect();
    if bad.is_empty() { vec![2] } else { bad }
}

/// Requests of a second that a bad version answered, and all of them.
fn share(run: &Run, bad: &[usize], row: usize) -> (u64, u64) {
    let answered = |answers: [u32; Answer::ALL.len()]| {
        u64::from(answers[Answer::Ok as usize]) + u64::from(answers[Answer::Target5xx as usize])
    };
    let classes = run.classes.iter().filter(|class| row < class.seconds());
    let bad = bad.iter();
    let of_class = |class: &crate::run::ClassRecord| {
        let versions = bad.clone().filter(|version| **version < class.versions());
        versions.map(|version| answered(class.counts(row, *version))).sum::<u64>()
    };
    (classes.map(of_class).sum(), u64::from(run.seconds[row].requests))
}

fn exposure(run: &Run, bad: &[usize], shares: &[(u64, u64)]) -> Exposure {
    let failed = |class: &crate::run::ClassRecord| {
        let versions = bad.iter().filter(|version| **version < class.versions());
        versions.map(|version| class.total(*version)[Answer::Target5xx as usize]).sum::<u64>()
    };
    let audiences: Vec<_> =
        run.classes.iter().filter(|class| !class.users.is_empty()).map(|class| class.audience()).collect();
    let sum = |figure: fn(&crate::run::Audience) -> u64| audiences.iter().map(figure).sum();
    let users = (!audiences.is_empty()).then(|| Users {
        count: sum(|audience| audience.count),
        exposed: sum(|audience| audience.exposed),
        hit_by_target_5xx: sum(|audience| audience.hit_by_target_5xx),
    });
    Exposure {
        requests: shares.iter().map(|(bad, _)| bad).sum(),
        target_5xx: run.classes.iter().map(failed).sum(),
        equivalent: shares.iter().filter(|(_, total)| *total > 0).map(|(bad, total)| *bad as f64 / *total as f64).sum(),
        total: run.requests.total,
        users,
    }
}
