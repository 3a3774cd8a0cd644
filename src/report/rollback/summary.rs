//! `rollback` and `header_routes` of `summary.json`.

use super::header_routes::{HeaderRouteLife, lives};
use super::{Rollback, of};
use crate::report::summary::{number, secs, since_release};
use crate::run::Run;
use crate::scenario::Loaded;
use serde_json::{Value, json};

/// Adds what only some runs have.
pub(in crate::report) fn add(summary: &mut Value, loaded: &Loaded, run: &Run) {
    if let Some(rollback) = of(loaded, run) {
        summary["rollback"] = write(run, &rollback);
    }
    let lives = lives(loaded, run);
    if !lives.is_empty() && !run.classes.is_empty() {
        summary["header_routes"] = lives.iter().map(life).collect();
    }
}

fn write(run: &Run, rollback: &Rollback) -> Value {
    let Rollback { first_bad, detected, decided, mitigated: [mitigated, nearly], exposure, .. } = rollback;
    let users = exposure.users.map(
        |users| json!({ "count": users.count, "exposed": users.exposed, "hit_by_target_5xx": users.hit_by_target_5xx }),
    );
    json!({
        "decision": rollback.decision,
        "alert": rollback.alert,
        "first_bad_s": since_release(run, Some(*first_bad)),
        "detected_s": since_release(run, Some(*detected)),
        "decided_s": since_release(run, Some(*decided)),
        "mitigated_s": since_release(run, *mitigated),
        "mitigated_to_1_percent_s": since_release(run, *nearly),
        "time_to_detect_s": secs(detected.saturating_since(*first_bad)),
        "time_to_decide_s": secs(decided.saturating_since(*detected)),
        "time_to_mitigate_s": mitigated.map(|at| secs(at.saturating_since(*detected))),
        "time_to_recover_s": mitigated.map(|at| secs(at.saturating_since(*first_bad))),
        "requests": exposure.requests,
        "target_5xx": exposure.target_5xx,
        "equivalent_s": number(exposure.equivalent, 3),
        "users": users,
        "elb_5xx_after_decision": rollback.elb_5xx,
    })
}

fn life(life: &HeaderRouteLife) -> Value {
    json!({
        "name": life.name,
        "present_s": secs(life.present),
        "absent_s": secs(life.absent),
        "removed_by": life.removed_by,
    })
}
