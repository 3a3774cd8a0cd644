//! Which canary weight one pass asks of the router.
//!
//! Follows `rollout/trafficrouting.go:reconcileTrafficRouting` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). The first
//! row that fits counts.

use super::observed::Observed;
use super::replicas::{at_desired_replica_counts, current_set_weight, desired_canary_weight, last_set_weight};
use crate::model::Revision;
use crate::units::TrafficWeight;

/// What one pass asks of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// None while stable has too few available pods for what would fall on it.
    pub canary: Option<TrafficWeight>,
    /// The revision that the canary weight is for.
    pub canary_revision: Option<Revision>,
    /// Header and mirror routes go.
    pub removes_managed_routes: bool,
    /// The canary Service goes back to the stable revision.
    pub resets_canary_service: bool,
}

pub fn decide(observed: &Observed<'_>) -> Decision {
    let row = row(observed);
    let needed = row.weight.rest(observed.max_weight()).pods_floor(observed.spec.replicas, observed.max_weight());
    let threshold = observed.replica_progress_threshold();
    let is_enough = |pods| pods >= needed || threshold.is_some_and(|threshold| threshold.is_met(pods, needed));
    let is_carried = !observed.profile.version.guards_stable_capacity()
        || observed.stable.is_some_and(|stable| is_enough(stable.available));
    Decision {
        canary: is_carried.then_some(row.weight),
        canary_revision: row.revision,
        removes_managed_routes: row.removes_managed_routes,
        resets_canary_service: row.resets_canary_service,
    }
}

struct Row {
    weight: TrafficWeight,
    revision: Option<Revision>,
    removes_managed_routes: bool,
    resets_canary_service: bool,
}

fn row(observed: &Observed<'_>) -> Row {
    let (status, zero) = (observed.status, TrafficWeight::ZERO);
    let keep = Row {
        weight: zero,
        revision: observed.new_revision(),
        removes_managed_routes: false,
        resets_canary_service: false,
    };
    let remove = |weight| Row { weight, removes_managed_routes: true, ..keep };
    if let Some(previous) = rolling_back_to_stable(observed) {
        return Row { weight: weight_on_the_way_back(observed), revision: Some(previous), ..keep };
    }
    if observed.is_fully_promoted() {
        return remove(zero);
    }
    if status.abort {
        let weight = weight_on_the_way_back(observed);
        let resets_canary_service = weight == zero || !observed.canary().uses_dynamic_stable_scale();
        return Row { resets_canary_service, ..remove(weight) };
    }
    let Some(new) = observed.new.filter(|new| new.available > 0) else {
        let removes_managed_routes = observed.profile.version.removes_routes_of_an_empty_canary();
        return Row { removes_managed_routes, ..keep };
    };
    if status.promote_full {
        let carried = TrafficWeight::of_pods(new.available, observed.spec.replicas.max(1), observed.max_weight());
        let asked = status.weights.map_or(zero, |weights| weights.canary);
        return remove(if observed.canary().uses_dynamic_stable_scale() { carried } else { asked });
    }
    let Some(index) = observed.step_index() else { return keep };
    let steps = &observed.canary().steps;
    let weight = if !at_desired_replica_counts(observed, None) {
        last_set_weight(&steps[..index.min(steps.len())]).unwrap_or(zero)
    } else if index == steps.len() {
        observed.max_weight()
    } else {
        current_set_weight(observed)
    };
    Row { weight, ..keep }
}

/// The revision that still has the canary's weight, while stable grows back under dynamicStableScale. Source:
/// `isDynamicallyRollingBackToStable`.
pub fn rolling_back_to_stable(observed: &Observed<'_>) -> Option<Revision> {
    let weights = observed.status.weights?;
    let new = observed.new?;
    let is_back = observed.is_fully_promoted() && observed.canary().uses_dynamic_stable_scale();
    let previous = weights.canary_revision.filter(|previous| *previous != new.revision)?;
    (is_back && new.available < observed.spec.replicas).then_some(previous)
}

/// The canary weight after an abort, and while stable is being rolled back to: it follows the pods that stable has. Source:
/// `calculateDesiredWeightOnAbortOrStableRollback`, since 1.9.
fn weight_on_the_way_back(observed: &Observed<'_>) -> TrafficWeight {
    let (replicas, max) = (observed.spec.replicas, observed.max_weight());
    let (true, Some(stable), true) =
        (observed.canary().uses_dynamic_stable_scale() && observed.new.is_some(), observed.stable, replicas > 0)
    else {
        return TrafficWeight::ZERO;
    };
    let carried = TrafficWeight::of_pods(stable.available, replicas, max);
    let asked = observed.status.weights.map_or(max, |weights| weights.canary);
    let target = desired_canary_weight(observed);
    if !observed.profile.version.goes_back_by_steps() {
        return carried.rest(max).max(TrafficWeight::ZERO).min(asked);
    }
    if target == TrafficWeight::ZERO || observed.status.weights.is_none() && carried < target.rest(max) {
        carried.rest(max).max(TrafficWeight::ZERO).min(asked)
    } else if carried < target.rest(max) {
        asked
    } else {
        target.min(asked)
    }
}
