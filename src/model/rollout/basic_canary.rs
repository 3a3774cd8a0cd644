//! How many pods a canary without traffic routing wants, where the share of the pods is the share of the requests.
//!
//! Follows `utils/replicaset/canary.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::observed::Observed;
use super::replicas::{Replicas, ScaleSource, scale_source};
use super::status::ReplicaSet;
use crate::units::TrafficWeight;

/// The split of `replicas`, or of one pod more where surge allows it, that comes nearest to `weight`. Source:
/// `approximateWeightedCanaryStableReplicaCounts`.
pub fn nearest_split(replicas: u32, weight: TrafficWeight, max: TrafficWeight, max_surge: u32) -> Replicas {
    if replicas == 0 {
        return Replicas { stable: 0, canary: 0 };
    }
    let (ceil, floor) = (weight.pods_ceil(replicas, max), weight.pods_floor(replicas, max));
    let may_be_none = weight == TrafficWeight::ZERO || weight == max || (replicas == 1 && max_surge == 0);
    let doubled = i128::from(weight.get()) * i128::from(replicas) * 2;
    let is_tie = doubled.rem_euclid(i128::from(max.get()) * 2) == i128::from(max.get());
    let takes_ceil = ceil < replicas || may_be_none;
    let takes_floor = !is_tie && (floor != 0 || may_be_none);
    let mut candidates = vec![];
    candidates.extend(takes_ceil.then_some((ceil, replicas)));
    candidates.extend(takes_floor.then_some((floor, replicas)));
    if max_surge > 0 {
        candidates.push((ceil, replicas + 1));
        candidates.extend(takes_floor.then_some((floor, replicas + 1)));
    }
    // |canary ÷ total − weight ÷ max|, compared without division.
    let distance = |(canary, total): (u32, u32)| {
        let actual = i128::from(canary) * i128::from(max.get());
        (actual.abs_diff(i128::from(weight.get()) * i128::from(total)), total)
    };
    let nearer = |a: (u128, u32), b: (u128, u32)| a.0 * u128::from(b.1) < b.0 * u128::from(a.1);
    let best =
        candidates.into_iter().reduce(|best, next| if nearer(distance(next), distance(best)) { next } else { best });
    // With no candidate at all the real controller wants no canary.
    let (canary, total) = best.unwrap_or((0, replicas));
    Replicas { stable: total - canary, canary }
}

/// Wanted sizes one move on: never more than `replicas` and the surge, never fewer available than allowed. Source:
/// `CalculateReplicaCountsForBasicCanary`.
pub fn wanted(observed: &Observed<'_>) -> Replicas {
    let replicas = observed.spec.replicas;
    let fenceposts = observed.canary().fenceposts(replicas);
    let weight = match scale_source(observed) {
        ScaleSource::Weight(weight) => weight,
        ScaleSource::Replicas(_) => unreachable!("setCanaryScale is for traffic routing"),
    };
    let (new, stable) = (observed.new, observed.stable_beside_new());
    let goal = match stable {
        Some(_) => nearest_split(replicas, weight, observed.max_weight(), fenceposts.max_surge),
        // Nothing to compare the canary with: it becomes the whole.
        None => Replicas { stable: 0, canary: replicas },
    };
    let size = |replica_set: Option<ReplicaSet>| replica_set.map_or(0, |replica_set| replica_set.replicas);
    let now = Replicas { stable: size(stable), canary: size(new) };
    let old: u32 = observed.others.iter().map(|other| other.replicas).sum();
    let limit = replicas + fenceposts.max_surge;

    // Up first: stable, then canary, as far as there is room.
    let mut room = limit.saturating_sub(now.stable + now.canary + old);
    let mut wanted = now;
    if stable.is_some() && goal.stable > now.stable {
        wanted.stable = goal.stable.min(now.stable + room);
        room -= wanted.stable - now.stable;
    }
    if new.is_some() && goal.canary > now.canary {
        wanted.canary = goal.canary.min(now.canary + room);
    }
    // Older ReplicaSets go before these two shrink.
    if old > 0 {
        return wanted;
    }
    let min_available = replicas - fenceposts.max_unavailable;
    let is_increasing = new.is_none_or(|new| goal.canary >= new.replicas);
    let headroom = counted(new, !is_increasing) + counted(observed.stable, is_increasing);
    if headroom <= min_available {
        return wanted;
    }
    let surplus = headroom - min_available;
    let shrink =
        |now: u32, goal: u32, wanted: u32| if now > goal { goal.max(now.saturating_sub(surplus)) } else { wanted };
    // Where both together exceed the limit, the other one gives what it can: pods that are not available, and those that
    // the Rollout can spare. Source: `adjustReplicaWithinLimits`.
    let within = |shrunk: u32, other: u32, available: [u32; 2]| {
        let kept = other.saturating_sub((shrunk + other).saturating_sub(limit));
        let kept = kept.max(available[1].min(min_available.saturating_sub(available[0])));
        (shrunk.saturating_sub((shrunk + kept).saturating_sub(limit)), kept)
    };
    let available = [new, observed.stable].map(Observed::available);
    if !is_increasing {
        let canary = shrink(now.canary, goal.canary, wanted.canary);
        let (canary, stable) = within(canary, wanted.stable, available);
        Replicas { stable, canary }
    } else if stable.is_some() {
        let stable = shrink(now.stable, goal.stable, wanted.stable);
        let (stable, canary) = within(stable, wanted.canary, [available[1], available[0]]);
        Replicas { stable, canary }
    } else {
        wanted
    }
}

/// Pods that a scale-down may count on. Source: `GetReplicasForScaleDown`.
fn counted(replica_set: Option<ReplicaSet>, ignores_availability: bool) -> u32 {
    replica_set.map_or(0, |replica_set| match ignores_availability {
        true => replica_set.replicas,
        false => replica_set.replicas.min(replica_set.available),
    })
}
