//! The way back in the report on the terminal.

use super::header_routes::{HeaderRouteLife, lives};
use super::{Exposure, Other, Rollback, TOLERATED, Times, Way, argo_cd, in_vain, of};
use crate::report::{grouped_decimal, percent, span, time};
use crate::run::{Change, ChangeKind, Decider, Run};
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
        parts.extend(decided(way, rollback.first_bad, times));
        parts.extend(changed(run, way, rollback.first_bad));
    }
    parts.push(over(run, rollback));
    let others = rollback.others.iter().map(|one| other(run, one));
    let vain = rollback.vain.iter().map(|decision| in_vain::sentence(run, decision));
    let mut sentences: Vec<_> = std::iter::once(parts.join("; ") + ".").chain(others).chain(vain).collect();
    if sentences.len() == 1 && rollback.way.is_none() {
        sentences.push("Nobody decided to go back from it.".to_owned());
    }
    sentences.join(" ")
}

/// `` `undo` (t = 300 s) had changed the template at t = 300 s; Argo CD brought v2 back at t = 303.3 s. ``
fn other(run: &Run, Other { decision, change, undone }: &Other<'_>) -> String {
    let (name, decided, at) = (decision.by.name(), time(run, decision.decided), time(run, change.at));
    match undone {
        Some(undone) => format!("`{name}` (t = {decided}) had its effect at t = {at}; {}.", brought_back(run, undone)),
        None => format!("`{name}` (t = {decided}) had its effect at t = {at}: it was not the last."),
    }
}

fn brought_back(run: &Run, undone: &Change) -> String {
    let who = run.decision_of(undone).map_or("Argo CD", |decision| decision.by.name());
    let what = match undone.kind {
        ChangeKind::Template(revision) => revision.to_string(),
        ChangeKind::Abort | ChangeKind::Retry | ChangeKind::FeatureDisabled => "it".to_owned(),
    };
    format!("{who} brought {what} back at t = {}", time(run, undone.at))
}

fn decided(way: &Way<'_>, first_bad: Instant, times: Times) -> Vec<String> {
    let name = way.decision.by.name();
    if way.decision.decided < first_bad {
        return vec![format!("{name} had been decided {} before", span(first_bad - way.decision.decided))];
    }
    if way.decision.by == Decider::Promotion && times.decide == Duration::ZERO {
        return vec![format!(
            "nobody noticed, and the time of the promotion stage was over {} later",
            span(times.detect)
        )];
    }
    let detected_by = match &way.decision.alert {
        Some(alert) => format!("the alert {} fired {} later", alert.name, span(times.detect)),
        None => format!("it was noticed {} later", span(times.detect)),
    };
    let decided = format!("{} {} after that", way.decision.by.name(), span(times.decide));
    let unaware = way.decision.alert.as_ref().map(|alert| way.decision.triggered.saturating_since(alert.fired));
    match unaware.filter(|unaware| *unaware > Duration::ZERO) {
        Some(unaware) => vec![detected_by, format!("{decided}, {} of it until somebody was told", span(unaware))],
        None => vec![detected_by, decided],
    }
}

/// What takes its time between the decision and the cluster; and who took it back.
fn changed(run: &Run, way: &Way<'_>, first_bad: Instant) -> Vec<String> {
    let mut parts = vec![];
    let later = way.change.at.saturating_since(way.decision.decided);
    if let ChangeKind::Template(revision) = way.change.kind
        && later > Duration::ZERO
    {
        let when = match way.decision.decided < first_bad {
            true => format!("at t = {}", time(run, way.change.at)),
            false => format!("{} after that", span(later)),
        };
        parts.push(format!("the template of {revision} came into the cluster {when}"));
    }
    parts.extend(way.undone.map(|undone| brought_back(run, undone)));
    parts
}

fn over(run: &Run, rollback: &Rollback<'_>) -> String {
    let since = |at: Instant| match &rollback.way {
        Some(way) => {
            let since = if way.decision.by == Decider::Promotion { "the time was over" } else { "it was noticed" };
            format!(", {} after {since}", span(at.saturating_since(way.detected)))
        }
        None => String::new(),
    };
    match rollback.mitigated {
        [Some(at), _] => format!("the last bad answer was before t = {}{}", time(run, at), since(at)),
        [None, Some(at)] => format!(
            "from t = {} on it answered no more than {} of the requests, but it never stopped",
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
        Some("argo-cd") if life.is_pruned => "Argo CD pruned its object",
        Some("argo-cd") => "Argo CD wrote git's state over it",
        Some(_) | None => "the Rollouts controller took it away",
    };
    format!("The header route {} was there for {} of {}: {by}.", life.name, span(life.present), span(whole))
}
