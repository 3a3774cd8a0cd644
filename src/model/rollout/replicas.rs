//! How many pods a traffic-routed canary and its stable side want.
//!
//! Follows `utils/replicaset/canary.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). All integer; `rep(w)` is a share
//! of the replicas, rounded up.

use super::observed::Observed;
use super::spec::AbortScaleDown;
use super::status::{ReplicaSet, Weights};
use super::step::{CanaryScale, Step};
use crate::units::TrafficWeight;

/// Wanted sizes of the two ReplicaSets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    pub stable: u32,
    pub canary: u32,
}

/// What the canary's size is worked out from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleSource {
    /// `setCanaryScale.replicas`.
    Replicas(u32),
    Weight(TrafficWeight),
}

/// The last `setWeight` among `steps`.
pub fn last_set_weight(steps: &[Step]) -> Option<TrafficWeight> {
    steps.iter().rev().find_map(Step::weight)
}

/// The `setWeight` in force at step `index`; `max` when no step is left.
pub fn set_weight_at(steps: &[Step], index: usize, max: TrafficWeight) -> TrafficWeight {
    steps.get(..=index).map_or(max, |steps| last_set_weight(steps).unwrap_or(TrafficWeight::ZERO))
}

/// The `setWeight` in force now. Source: `GetCurrentSetWeight`.
pub fn current_set_weight(observed: &Observed<'_>) -> TrafficWeight {
    match observed.step_index() {
        _ if observed.status.abort => TrafficWeight::ZERO,
        None => observed.max_weight(),
        Some(index) => set_weight_at(&observed.canary().steps, index, observed.max_weight()),
    }
}

/// The weight that pods are moved towards: under dynamicStableScale an abort goes back `setWeight` by `setWeight`. Source:
/// `GetDesiredCanaryWeight`, since 1.9.
pub fn desired_canary_weight(observed: &Observed<'_>) -> TrafficWeight {
    if observed.status.abort { abort_target(observed) } else { current_set_weight(observed) }
}

/// The last `setWeight` of the list whose canary is smaller than the pods that are still needed there.
pub fn abort_target(observed: &Observed<'_>) -> TrafficWeight {
    let (replicas, max) = (observed.spec.replicas, observed.max_weight());
    let version = observed.profile.version;
    let goes_by_steps = observed.canary().uses_dynamic_stable_scale() && version.goes_back_by_steps();
    let (true, Some(new), Some(stable)) = (goes_by_steps, observed.new, observed.stable) else {
        return TrafficWeight::ZERO;
    };
    let missing = replicas.saturating_sub(stable.available);
    let is_held = observed.canary().holds_canary_on_abort() && version.frees_stable_on_abort();
    let pods = if is_held { missing } else { missing.max(new.available) };
    let fits = |step: &Step| step.weight().is_some_and(|weight| weight.pods_ceil(replicas, max) < pods);
    let step = observed.canary().steps.iter().rposition(fits);
    step.map_or(TrafficWeight::ZERO, |index| set_weight_at(&observed.canary().steps, index, max))
}

/// Source: `GetCanaryReplicasOrWeight`.
pub fn scale_source(observed: &Observed<'_>) -> ScaleSource {
    if observed.status.promote_full || observed.status.stable.is_none() || observed.is_fully_promoted() {
        return ScaleSource::Weight(observed.max_weight());
    }
    match current_canary_scale(observed) {
        Some(CanaryScale::Replicas(replicas)) => ScaleSource::Replicas(replicas),
        Some(CanaryScale::Weight(weight)) => ScaleSource::Weight(weight),
        Some(CanaryScale::MatchTrafficWeight) | None => ScaleSource::Weight(desired_canary_weight(observed)),
    }
}

/// The last `setCanaryScale` so far. An abort forgets it, unless the canary is never to be scaled down. Source:
/// `UseSetCanaryScale`.
fn current_canary_scale(observed: &Observed<'_>) -> Option<CanaryScale> {
    let is_forgotten = observed.status.abort && observed.canary().abort_scale_down() != AbortScaleDown::Never;
    if !observed.canary().is_traffic_routed() || is_forgotten {
        return None;
    }
    observed.steps_so_far().iter().rev().find_map(Step::canary_scale)
}

/// Wanted sizes, given the weights that were asked for. Source: `CalculateReplicaCountsForTrafficRoutedCanary`.
pub fn traffic_routed(observed: &Observed<'_>, weights: Option<Weights>) -> Replicas {
    let (replicas, max) = (observed.spec.replicas, observed.max_weight());
    let rep = |weight: TrafficWeight| weight.pods_ceil(replicas, max);
    let (mut canary, weight) = match scale_source(observed) {
        // A fixed number leaves the stable side at its full size.
        ScaleSource::Replicas(replicas) => (replicas, TrafficWeight::ZERO),
        ScaleSource::Weight(weight) => (at_least_min_pods(observed, rep(weight)), weight),
    };
    if !observed.canary().dynamic_stable_scale {
        return Replicas { stable: replicas, canary };
    }
    let mut stable = rep(weight.rest(max));
    if weight > max && weights.is_none() {
        // A scale beyond all is less than none for stable, and the smallest size is more than that.
        stable = observed.canary().min_pods_per_replica_set.unwrap_or(0);
    }
    if let Some(weights) = weights {
        // What has been asked to go to stable, it must be able to carry; after an abort that holds for the canary, too.
        stable = stable.max(rep(weights.stable));
        if observed.status.abort {
            canary = canary.max(rep(weights.canary));
        }
    }
    Replicas { stable: at_least_min_pods(observed, stable), canary: at_least_min_pods(observed, canary) }
}

/// Source: `CheckMinPodsPerReplicaSet`.
fn at_least_min_pods(observed: &Observed<'_>, pods: u32) -> u32 {
    let min = observed.canary().min_pods_per_replica_set.filter(|_| observed.canary().is_traffic_routed());
    let cap = if observed.profile.version.caps_min_pods() { observed.spec.replicas } else { u32::MAX };
    if pods == 0 { 0 } else { pods.max(min.unwrap_or(0).min(cap)) }
}

/// Wanted sizes whatever the strategy.
pub fn wanted(observed: &Observed<'_>, weights: Option<Weights>) -> Replicas {
    match observed.canary().is_traffic_routed() {
        true => traffic_routed(observed, weights),
        false => super::basic_canary::wanted(observed),
    }
}

/// Whether the canary has what its step wants. Source: `AtDesiredReplicaCountsForCanary`.
pub fn at_desired_replica_counts(observed: &Observed<'_>, weights: Option<Weights>) -> bool {
    let wanted = wanted(observed, weights);
    let is_full = |new: ReplicaSet| new.replicas == wanted.canary && new.available == wanted.canary;
    let is_ready = match observed.replica_progress_threshold() {
        None => observed.new.is_none_or(is_full),
        Some(threshold) => threshold.is_met(Observed::available(observed.new), wanted.canary),
    };
    if !is_ready {
        return false;
    }
    if !observed.canary().uses_dynamic_stable_scale() {
        let is_stable = |stable: ReplicaSet| stable.replicas == wanted.stable && stable.created == wanted.stable;
        if !observed.stable.is_none_or(is_stable) {
            return false;
        }
    }
    observed.canary().is_traffic_routed() || observed.others.iter().all(|other| other.available == 0)
}
