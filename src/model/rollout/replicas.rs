//! How many pods a traffic-routed canary wants.
//!
//! Follows `utils/replicaset/canary.go` of argo-rollouts 1.10. All integer; `rep(w)` is a share of the replicas,
//! rounded up. Left out: `minPodsPerReplicaSet`, abort, `maxTrafficWeight` (always 100 with an ALB).

use super::step::{CanaryScale, Step};
use super::{RolloutSpec, Weights};
use crate::units::Percent;

/// Wanted sizes of the two ReplicaSets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    pub stable: u32,
    pub canary: u32,
}

/// The `setWeight` in force at step `index`; 100 when no step is left. Source: `GetCurrentSetWeight`.
pub fn current_set_weight(steps: &[Step], index: usize) -> Percent {
    if index >= steps.len() { Percent::HUNDRED } else { last_set_weight(&steps[..=index]).unwrap_or(Percent::ZERO) }
}

/// The last `setWeight` among `steps`.
pub fn last_set_weight(steps: &[Step]) -> Option<Percent> {
    steps.iter().rev().find_map(|step| match step {
        Step::SetWeight(weight) => Some(*weight),
        Step::SetCanaryScale(_) | Step::Pause(_) => None,
    })
}

/// Wanted sizes at step `index` of a rollout that is not yet promoted. `weights` are the last ones that were asked for,
/// None before the first. Source: `CalculateReplicaCountsForTrafficRoutedCanary`.
pub fn desired(spec: &RolloutSpec, index: usize, weights: Option<Weights>) -> Replicas {
    let set_weight = current_set_weight(&spec.steps, index);
    let scale = spec.steps.get(..=index).and_then(last_canary_scale).unwrap_or(CanaryScale::MatchTrafficWeight);
    let (canary, scale_weight) = match scale {
        // A fixed number leaves the stable side at its full size.
        CanaryScale::Replicas(replicas) => (replicas, Percent::ZERO),
        CanaryScale::Weight(weight) => (weight.of_ceil(spec.replicas), weight),
        CanaryScale::MatchTrafficWeight => (set_weight.of_ceil(spec.replicas), set_weight),
    };
    if !spec.dynamic_stable_scale {
        return Replicas { stable: spec.replicas, canary };
    }
    let protected = weights.map_or(0, |weights| weights.stable().of_ceil(spec.replicas));
    Replicas { stable: scale_weight.rest().of_ceil(spec.replicas).max(protected), canary }
}

/// The last `setCanaryScale` among `steps`. Source: `UseSetCanaryScale`.
fn last_canary_scale(steps: &[Step]) -> Option<CanaryScale> {
    steps.iter().rev().find_map(|step| match step {
        Step::SetCanaryScale(scale) => Some(*scale),
        Step::SetWeight(_) | Step::Pause(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Revision;
    use crate::units::Duration;
    use proptest::prelude::*;

    fn percent(weight: u8) -> Percent {
        Percent::try_from(i64::from(weight)).unwrap()
    }

    fn spec(replicas: u32, dynamic_stable_scale: bool, steps: Vec<Step>) -> RolloutSpec {
        RolloutSpec {
            replicas,
            min_ready: Duration::ZERO,
            steps,
            dynamic_stable_scale,
            scale_down_delay: Duration::secs(30),
            max_unavailable: 1,
        }
    }

    fn asked(canary: u8) -> Option<Weights> {
        Some(Weights { canary: percent(canary), canary_revision: Revision(2), stable_revision: Revision(1) })
    }

    #[test]
    fn the_worked_table_for_ten_replicas_holds() {
        // setWeight, the weight asked for before -> canary, stable without and with dynamicStableScale: just after the
        // weight was set, and one pass later.
        let table = [
            (0, 0, 0, 10, 10, 10),
            (1, 0, 1, 10, 10, 10),
            (10, 0, 1, 10, 10, 9),
            (60, 10, 6, 10, 9, 4),
            (80, 60, 8, 10, 4, 2),
            (90, 80, 9, 10, 2, 1),
            (95, 90, 10, 10, 1, 1),
            (99, 95, 10, 10, 1, 1),
            (100, 90, 10, 10, 1, 0),
        ];
        for (weight, before, canary, fixed, first, settled) in table {
            let steps = vec![Step::SetWeight(percent(weight)), Step::Pause(None)];
            let stable = |dynamic, asked| desired(&spec(10, dynamic, steps.clone()), 0, asked);
            assert_eq!(stable(false, asked(before)), Replicas { stable: fixed, canary }, "{weight}, fixed");
            assert_eq!(stable(true, asked(before)), Replicas { stable: first, canary }, "{weight}, just set");
            assert_eq!(stable(true, asked(weight)), Replicas { stable: settled, canary }, "{weight}, settled");
        }
    }

    #[test]
    fn small_and_odd_sizes_round_both_sides_up() {
        for (replicas, weight, canary, stable) in [
            (1, 50, 1, 1),
            (3, 10, 1, 3),
            (3, 50, 2, 2),
            (3, 90, 3, 1),
            (7, 60, 5, 3),
            (7, 90, 7, 1),
            (25, 10, 3, 23),
            (25, 99, 25, 1),
        ] {
            let spec = spec(replicas, true, vec![Step::SetWeight(percent(weight)), Step::Pause(None)]);
            assert_eq!(desired(&spec, 0, asked(weight)), Replicas { stable, canary }, "{weight} % of {replicas}");
        }
    }

    #[test]
    fn a_canary_scale_holds_until_the_next_one() {
        let scale = |scale| Step::SetCanaryScale(scale);
        let steps = vec![
            scale(CanaryScale::Weight(percent(20))),
            Step::SetWeight(percent(50)),
            scale(CanaryScale::Replicas(3)),
            scale(CanaryScale::MatchTrafficWeight),
            Step::Pause(None),
        ];
        let spec = spec(10, true, steps);
        for (index, weight, canary, stable) in
            [(0, 0, 2, 10), (1, 50, 2, 8), (2, 50, 3, 10), (3, 50, 5, 5), (5, 100, 10, 0)]
        {
            assert_eq!(desired(&spec, index, asked(weight)), Replicas { stable, canary }, "step {index}");
        }
    }

    proptest! {
        #[test]
        fn stable_never_falls_below_the_share_asked_for(replicas in 1u32..200, weight in 0u8..=100, before in 0u8..=100) {
            let spec = spec(replicas, true, vec![Step::SetWeight(percent(weight)), Step::Pause(None)]);
            prop_assert!(desired(&spec, 0, asked(before)).stable >= percent(100 - before).of_ceil(replicas));
        }
    }
}
