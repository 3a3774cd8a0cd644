//! The way back in the report on the terminal.

use super::header_routes::{HeaderRouteLife, lives};
use super::{Exposure, Rollback, TOLERATED, argo_cd, of};
use crate::report::{decimal, percent, span, time};
use crate::run::Run;
use crate::scenario::Loaded;
use crate::units::{counted, grouped};

/// Sentences under their names.
pub(in crate::report) fn paragraphs(loaded: &Loaded, run: &Run) -> Vec<(&'static str, String)> {
    let mut told = vec![];
    if let Some(rollback) = of(loaded, run) {
        told.push(("rollback", story(run, &rollback)));
        told.push(("exposure", exposure(&rollback)));
    }
    told.extend(argo_cd::sentence(run).map(|text| ("argo cd", text)));
    let routes = lives(loaded, run).into_iter().filter(|life| life.removed_by.is_some());
    told.extend(routes.map(|life| ("route", removed(&life))));
    told
}

/// `v2 answered first at t = 10 s; the alert errors fired 300 s later; abort 60 s after that; …`
fn story(run: &Run, rollback: &Rollback) -> String {
    let Rollback { first_bad, detected, decided, mitigated: [mitigated, nearly], .. } = rollback;
    let later = detected.saturating_since(*first_bad);
    let detected_by = match &rollback.alert {
        Some(alert) => format!("the alert {alert} fired {} later", span(later)),
        None => format!("it was noticed {} later", span(later)),
    };
    let decided = format!("{} {} after that", rollback.decision, span(decided.saturating_since(*detected)));
    let since = |at| span(crate::units::Instant::saturating_since(at, *detected));
    let over = match (mitigated, nearly) {
        (Some(at), _) => {
            format!("its last answer was before t = {}, {} after it was noticed", time(run, *at), since(*at))
        }
        (None, Some(at)) => {
            format!(
                "from t = {} on it answered no more than {}, but it never stopped",
                time(run, *at),
                percent(TOLERATED[1])
            )
        }
        (None, None) => "it still answered when the run ended".to_owned(),
    };
    format!("The bad version answered first at t = {}; {detected_by}; {decided}; {over}.", time(run, *first_bad))
}

/// By requests and by users, and what the way back cost by itself.
fn exposure(rollback: &Rollback) -> String {
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
    format!(
        "{} ({}) came to the bad version, as many as in {} s with all of them; it failed {}{users}. From the decision on \
         {} got an ELB 5xx.",
        counted(requests, "request"),
        percent(share),
        decimal(equivalent, 1),
        grouped(target_5xx),
        counted(rollback.elb_5xx, "request"),
    )
}

fn removed(life: &HeaderRouteLife) -> String {
    let by = match life.removed_by {
        Some("argo-cd") => "Argo CD wrote git's state over it",
        Some(_) | None => "the Rollouts controller took it away",
    };
    let whole = life.present + life.absent;
    format!("The header route {} was there for {} of {}: {by}.", life.name, span(life.present), span(whole))
}
