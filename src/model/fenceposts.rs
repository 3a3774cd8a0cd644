//! `maxSurge` and `maxUnavailable`: how far a rolling update may leave `replicas`, upwards and downwards.
//!
//! A Deployment and a canary without traffic routing say and read them alike, to the letter. Follows
//! `pkg/controller/deployment/util/deployment_util.go:ResolveFenceposts` of Kubernetes 1.35 and
//! `utils/replicaset/replicaset.go:resolveFenceposts` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use crate::units::TrafficWeight;

/// A number of pods, or a part of `replicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOrPercent {
    Pods(u32),
    Percent(u32),
    /// A text that is no number. It makes both limits 0.
    Unreadable,
}

impl IntOrPercent {
    /// Any text counts as a percentage, with its sign or without.
    pub fn parse(text: &str) -> Self {
        text.strip_suffix('%').unwrap_or(text).parse().map_or(Self::Unreadable, Self::Percent)
    }
}

impl Default for IntOrPercent {
    /// 25 % of both. Source: `pkg/apis/apps/v1/defaults.go`; `utils/defaults/defaults.go`.
    fn default() -> Self {
        Self::Percent(25)
    }
}

/// `maxSurge` and `maxUnavailable` as pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenceposts {
    /// Pods beyond `replicas`, rounded up.
    pub max_surge: u32,
    /// Pods that may be missing, rounded down, but one if nothing could move otherwise.
    pub max_unavailable: u32,
}

pub fn fenceposts(max_surge: IntOrPercent, max_unavailable: IntOrPercent, replicas: u32) -> Fenceposts {
    let hundred = TrafficWeight::HUNDRED;
    let surge = match max_surge {
        IntOrPercent::Pods(pods) => Some(pods),
        IntOrPercent::Percent(percent) => Some(TrafficWeight::new(percent).pods_ceil(replicas, hundred)),
        IntOrPercent::Unreadable => None,
    };
    let unavailable = match max_unavailable {
        IntOrPercent::Pods(pods) => Some(pods),
        IntOrPercent::Percent(percent) => Some(TrafficWeight::new(percent).pods_floor(replicas, hundred)),
        IntOrPercent::Unreadable => None,
    };
    let (max_surge, unavailable) = match (surge, unavailable) {
        (Some(0), Some(0)) => (0, 1),
        (Some(surge), Some(unavailable)) => (surge, unavailable),
        (None, _) | (_, None) => (0, 0),
    };
    Fenceposts { max_surge, max_unavailable: unavailable.min(replicas) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surge_is_rounded_up_and_unavailable_down() {
        let quarter = IntOrPercent::default();
        let published = [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 1), (5, 2, 1), (8, 2, 2), (10, 3, 2), (20, 5, 5)];
        for (replicas, max_surge, max_unavailable) in published.into_iter().chain([(100, 25, 25)]) {
            let expected = Fenceposts { max_surge, max_unavailable };
            assert_eq!(fenceposts(quarter, quarter, replicas), expected, "{replicas} replicas");
        }
    }

    #[test]
    fn one_pod_may_be_missing_where_nothing_could_move() {
        let [none, little] = [IntOrPercent::Pods(0), IntOrPercent::Percent(10)];
        assert_eq!(fenceposts(none, little, 3), Fenceposts { max_surge: 0, max_unavailable: 1 });
        assert_eq!(fenceposts(none, little, 0), Fenceposts { max_surge: 0, max_unavailable: 0 });
    }

    #[test]
    fn no_more_pods_can_be_missing_than_there_are() {
        assert_eq!(fenceposts(IntOrPercent::Pods(1), IntOrPercent::Pods(5), 3).max_unavailable, 3);
    }
}
