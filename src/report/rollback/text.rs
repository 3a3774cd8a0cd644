//! The way back in the report on the terminal.

use super::header_routes::{HeaderRouteLife, lives};
use super::{Exposure, Rollback, TOLERATED, Times, Way, argo_cd, in_vain, of};
use crate::report::{grouped_decimal, percent, span, time};
use crate::run::{ChangeKind, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant, counted, grouped};

/// Sentences under their names.
pub(in crate::report) fn paragraphs(loaded: &Loaded, run: &Run) -> Vec<(&'static str, String)> {
    let mut told = vec![];
    if let Some(rollback) = of(loaded, run) {
        told.push(("rollback", story(run, &rollback)));
        told.push(("exposure", exposure(run, &rollback)));
    }
    told.extend(argo_cd::sentences(run).map(|text| ("argo cd", text)));
    let routes = lives(loaded, run).into_iter().filter(HeaderRouteLife::is_cut_short);
    told.extend(routes.map(|life| ("route", removed(&life))));
    told
}

/// `The bad version answered first at t = 10 s; the alert errors fired 300 s later; abort 60 s after that; …`
fn story(run: &Run, rollback: &Rollback<'_>) -> String {
    let mut parts = vec![format!("The bad version answered first at t = {}", time(run, rollback.first_bad))];
    if let (Some(way), Some(times)) = (&rollback.way, rollback.times()) {
        parts.extend(decided(way, times));
        parts.extend(changed(run, way));
    }
    parts.push(over(run, rollback));
    let vain: Vec<_> = rollback.vain.iter().map(|decision| in_vain::sentence(run, decision)).collect();
    std::iter::once(parts.join("; ") + ".").chain(vain).collect::<Vec<_>>().join(" ")
}

fn decided(way: &Way<'_>, times: Times) -> [String; 2] {
    let detected_by = match &way.decision.alert {
        Some(alert) => format!("the alert {} fired {} later", alert.name, span(times.detect)),
        None => format!("it was noticed {} later", span(times.detect)),
    };
    let decided = format!("{} {} after that", way.decision.by.name(), span(times.decide));
    let unaware = way.decision.alert.as_ref().map(|alert| way.decision.triggered.saturating_since(alert.fired));
    match unaware.filter(|unaware| *unaware > Duration::ZERO) {
        Some(unaware) => [detected_by, format!("{decided}, {} of it until somebody was told", span(unaware))],
        None => [detected_by, decided],
    }
}

/// What takes its time between the decision and the cluster; and who took it back.
fn changed(run: &Run, way: &Way<'_>) -> Vec<String> {
    let mut parts = vec![];
    let later = way.change.at.saturating_since(way.decision.decided);
    if let ChangeKind::Template(revision) = way.change.kind
        && later > Duration::ZERO
    {
        parts.push(format!("the template of {revision} came into the cluster {} after that", span(later)));
    }
    if let Some(undone) = way.undone {
        let who = run.decision_of(undone).map_or("Argo CD", |decision| decision.by.name());
        let what = match undone.kind {
            ChangeKind::Template(revision) => revision.to_string(),
            ChangeKind::Abort | ChangeKind::Retry | ChangeKind::FeatureDisabled => "it".to_owned(),
        };
        parts.push(format!("{who} brought {what} back at t = {}", time(run, undone.at)));
    }
    parts
}

fn over(run: &Run, rollback: &Rollback<'_>) -> String {
    let since = |at: Instant| match &rollback.way {
        Some(way) => format!(", {} after it was noticed", span(at.saturating_since(way.detected))),
        None => String::new(),
    };
    match rollback.mitigated {
        [Some(at), _] => format!("its last answer was before t = {}{}", time(run, at), since(at)),
        [None, Some(at)] => format!(
            "from t = {} on it answered no more than {}, but it never stopped",
            time(run, at),
            percent(TOLERATED[1])
        ),
        [None, None] => "it still answered when the run ended".to_owned(),
    }
}

/// By requests and by users, and what the way back cost by itself.
fn exposure(run: &Run, rollback: &Rollback<'_>) -> String {
    let Exposure { requests, target_5xx, equivalent, total, users } = rollback.exposure;
    let share = if total == 0 { 0.0 } else { requests as f64 / total as f64 };
    let users = match users {
        Some(users) => format!(
            "; it reached {} of {}, and failed {}",
            grouped(users.exposed),
            counted(users.count, "user"),
            grouped(users.hit_by_target_5xx)
        ),
        None => "; whom it reached is not known without [[traffic.classes]] with users".to_owned(),
    };
    let cost = match &rollback.way {
        Some(Way { change, elb_5xx, .. }) => {
            let until = match change.complete {
                Some(complete) => format!(" to {}", time(run, complete)),
                None => " on, without coming to its end".to_owned(),
            };
            let failed = if *elb_5xx == 0 { "no request".to_owned() } else { counted(*elb_5xx, "request") };
            format!(" The way back (from t = {}{until}) cost {failed} an ELB 5xx.", time(run, change.at))
        }
        None => String::new(),
    };
    format!(
        "{} ({}) came to the bad version, as many as in {} s with all of them; it failed {}{users}.{cost}",
        counted(requests, "request"),
        percent(share),
        grouped_decimal(equivalent, 1),
        grouped(target_5xx),
    )
}

fn removed(life: &HeaderRouteLife) -> String {
    let whole = life.present + life.absent;
    if life.is_never_written() {
        let name = &life.name;
        return format!(
            "The header route {name} was never there, of {}: its step passed, and nothing was written.",
            span(whole)
        );
    }
    let by = match life.removed_by {
        Some("argo-cd") => "Argo CD wrote git's state over it",
        Some(_) | None => "the Rollouts controller took it away",
    };
    format!("The header route {} was there for {} of {}: {by}.", life.name, span(life.present), span(whole))
}
