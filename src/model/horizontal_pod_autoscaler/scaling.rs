//! How fast an autoscaler follows its metrics: stabilization windows and policies.
//!
//! Follows `pkg/controller/podautoscaler/horizontal.go` of Kubernetes 1.35, and `pkg/apis/autoscaling/v2/defaults.go`.

use super::HorizontalPodAutoscalerSpec;
use crate::units::{Duration, Instant};

/// 300 s: also without `behavior`. Source: `config/v1alpha1/defaults.go`,
/// `HorizontalPodAutoscalerDownscaleStabilizationWindow`.
const DOWNSCALE_STABILIZATION: Duration = Duration::secs(300);

/// The longest `stabilizationWindowSeconds` that is accepted; a `periodSeconds` is at most half of it. Source:
/// `pkg/apis/autoscaling/validation`.
const LONGEST_WINDOW: Duration = Duration::secs(3600);

/// `behavior`
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    pub scale_up: ScalingRules,
    pub scale_down: ScalingRules,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// `stabilizationWindowSeconds`
    pub stabilization_window: Duration,
    pub select_policy: SelectPolicy,
    pub policies: Vec<Policy>,
    /// A part of 1; 0.1 unless set.
    pub tolerance: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The policy that allows the largest change.
    Max,
    Min,
    /// No change in this direction.
    Disabled,
}

/// At most so much within each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub value: PolicyValue,
    pub period: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyValue {
    Pods(u32),
    /// Of the pods at the beginning of the period.
    Percent(u32),
}

impl ScalingRules {
    /// Unless set: without a window, four pods or twice as many in 15 s.
    pub fn default_scale_up() -> Self {
        let policies = vec![Policy::each_15_s(PolicyValue::Pods(4)), Policy::each_15_s(PolicyValue::Percent(100))];
        Self { stabilization_window: Duration::ZERO, select_policy: SelectPolicy::Max, policies, tolerance: None }
    }

    /// Unless set: after 300 s, all pods in 15 s.
    pub fn default_scale_down() -> Self {
        let policies = vec![Policy::each_15_s(PolicyValue::Percent(100))];
        let stabilization_window = DOWNSCALE_STABILIZATION;
        Self { stabilization_window, select_policy: SelectPolicy::Max, policies, tolerance: None }
    }
}

impl Policy {
    fn each_15_s(value: PolicyValue) -> Self {
        Self { value, period: Duration::secs(15) }
    }
}

impl Default for Behavior {
    fn default() -> Self {
        Self { scale_up: ScalingRules::default_scale_up(), scale_down: ScalingRules::default_scale_down() }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Replicas {
    pub(super) current: u32,
    pub(super) desired: u32,
    pub(super) min: u32,
    pub(super) max: u32,
}

/// What an autoscaler remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// What the metrics asked for.
    recommendations: Vec<(Instant, u32)>,
    /// By how much `spec.replicas` was changed: it grew, or it shrank.
    changes: Vec<(Instant, i64)>,
}

impl History {
    /// The first recommendation is what there is. Source: `recordInitialRecommendation`.
    pub(super) fn begin(&mut self, now: Instant, current: u32) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
    }

    /// Source: `storeScaleEvent`.
    pub(super) fn record(&mut self, now: Instant, from: u32, to: u32) {
        if from != to {
            self.changes.retain(|(at, _)| now - *at <= LONGEST_WINDOW);
            self.changes.push((now, i64::from(to) - i64::from(from)));
        }
    }

    /// As many pods of those desired as may be had now.
    pub(super) fn normalize(&mut self, now: Instant, spec: &HorizontalPodAutoscalerSpec, replicas: Replicas) -> u32 {
        let desired = match &spec.behavior {
            None => self.normalize_without_behavior(now, replicas),
            Some(behavior) => {
                let desired = self.stabilize(now, behavior, replicas);
                self.limit(now, behavior, Replicas { desired, ..replicas })
            }
        };
        self.recommendations.retain(|(at, _)| now - *at <= LONGEST_WINDOW);
        self.recommendations.push((now, replicas.desired));
        desired
    }

    /// Source: `stabilizeRecommendation`, `convertDesiredReplicasWithRules`.
    fn normalize_without_behavior(&self, now: Instant, replicas: Replicas) -> u32 {
        let recent = self.recommendations.iter().filter(|(at, _)| now - *at <= DOWNSCALE_STABILIZATION);
        let stabilized = recent.map(|(_, recommendation)| *recommendation).fold(replicas.desired, u32::max);
        // At most twice as many, but four in any case.
        let limit = replicas.current.saturating_mul(2).max(4);
        stabilized.clamp(replicas.min, replicas.max.min(limit))
    }

    /// Between the least of those within the window for growing and the most within the one for shrinking, the current
    /// number stays. Source: `stabilizeRecommendationWithBehaviors`.
    fn stabilize(&self, now: Instant, behavior: &Behavior, replicas: Replicas) -> u32 {
        let within = |window: Duration| {
            let recent = self.recommendations.iter().filter(move |(at, _)| now - *at < window);
            recent.map(|(_, recommendation)| *recommendation)
        };
        let up = within(behavior.scale_up.stabilization_window).fold(replicas.desired, u32::min);
        let down = within(behavior.scale_down.stabilization_window).fold(replicas.desired, u32::max);
        replicas.current.clamp(up, down)
    }

    /// Source: `convertDesiredReplicasWithBehaviorRate`.
    fn limit(&self, now: Instant, behavior: &Behavior, replicas: Replicas) -> u32 {
        let Replicas { current, desired, min, max } = replicas;
        if desired > current {
            let limits = self.limits(now, &behavior.scale_up, current, proposed_up);
            let limit = match behavior.scale_up.select_policy {
                SelectPolicy::Max => limits.max(),
                SelectPolicy::Min => limits.min(),
                SelectPolicy::Disabled => None,
            };
            return desired.min(max).min(limit.unwrap_or(current).max(current));
        }
        let limits = self.limits(now, &behavior.scale_down, current, proposed_down);
        let limit = match behavior.scale_down.select_policy {
            SelectPolicy::Max => limits.min(),
            SelectPolicy::Min => limits.max(),
            SelectPolicy::Disabled => None,
        };
        desired.max(min).max(limit.unwrap_or(current).min(current))
    }

    /// What each policy allows, counted from the pods at the beginning of its period.
    fn limits<'a>(
        &'a self,
        now: Instant,
        rules: &'a ScalingRules,
        current: u32,
        proposed: fn(i64, PolicyValue) -> i64,
    ) -> impl Iterator<Item = u32> + 'a {
        rules.policies.iter().map(move |policy| {
            let recent = self.changes.iter().filter(|(at, _)| now - *at < policy.period);
            let start = i64::from(current) - recent.map(|(_, change)| change).sum::<i64>();
            u32::try_from(proposed(start, policy.value).max(0)).unwrap_or(u32::MAX)
        })
    }
}

/// Rounded up, lest a small part of few pods never make a whole one.
fn proposed_up(start: i64, value: PolicyValue) -> i64 {
    match value {
        PolicyValue::Pods(pods) => start + i64::from(pods),
        PolicyValue::Percent(percent) => (start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64,
    }
}

fn proposed_down(start: i64, value: PolicyValue) -> i64 {
    match value {
        PolicyValue::Pods(pods) => start - i64::from(pods),
        PolicyValue::Percent(percent) => (start as f64 * (1.0 - f64::from(percent) / 100.0)).trunc() as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    /// An autoscaler of 1 to 100 pods, told each 15 s what its metrics ask for; what it writes is there at once.
    fn follows(behavior: Option<Behavior>, start: u32, proposals: &[u32]) -> Vec<u32> {
        let spec = HorizontalPodAutoscalerSpec { behavior, ..HorizontalPodAutoscalerSpec::new(100) };
        let (mut history, mut current) = (History::default(), start);
        let sync = |(number, desired): (u64, &u32)| {
            let now = at(15 * number);
            history.begin(now, current);
            let next = history.normalize(now, &spec, Replicas { current, desired: *desired, min: 1, max: 100 });
            history.record(now, current, next);
            current = next;
            next
        };
        (0..).zip(proposals).map(sync).collect()
    }

    /// One policy for each direction and no window.
    fn behavior(scale_up: PolicyValue, scale_down: PolicyValue) -> Behavior {
        let rules = |value| ScalingRules {
            stabilization_window: Duration::ZERO,
            policies: vec![Policy { value, period: Duration::secs(60) }],
            ..ScalingRules::default_scale_up()
        };
        Behavior { scale_up: rules(scale_up), scale_down: rules(scale_down) }
    }

    #[test]
    fn without_behavior_it_doubles_at_most_but_may_always_have_four() {
        assert_eq!(follows(None, 1, &[50; 6]), [4, 8, 16, 32, 50, 50]);
        assert_eq!(follows(None, 1, &[200; 7]), [4, 8, 16, 32, 64, 100, 100]);
    }

    #[test]
    fn it_shrinks_when_nothing_more_was_asked_for_in_300_s() {
        for behavior in [None, Some(Behavior::default())] {
            let sizes = follows(behavior.clone(), 10, &[3; 23]);
            let held = sizes.iter().take_while(|size| **size == 10).count();
            // 300 s after the first look the one window still holds what there was then, the other does not.
            let expected = if behavior.is_none() { 21 } else { 20 };
            assert_eq!((held, sizes[22]), (expected, 3));
        }
    }

    #[test]
    fn by_default_behavior_adds_four_pods_or_doubles_whichever_is_more() {
        assert_eq!(follows(Some(Behavior::default()), 1, &[50; 5]), [5, 10, 20, 40, 50]);
    }

    #[test]
    fn growing_waits_until_the_least_of_its_window_allows_it() {
        let mut behavior = behavior(PolicyValue::Pods(50), PolicyValue::Pods(50));
        behavior.scale_up.stabilization_window = Duration::secs(31);
        assert_eq!(follows(Some(behavior), 5, &[9, 8, 9, 9, 9, 3]), [5, 5, 5, 8, 9, 3]);
    }

    #[test]
    fn a_policy_counts_the_pods_at_the_beginning_of_its_period() {
        let by_pods = behavior(PolicyValue::Pods(3), PolicyValue::Pods(2));
        assert_eq!(follows(Some(by_pods.clone()), 10, &[20; 6]), [13, 13, 13, 13, 16, 16]);
        assert_eq!(follows(Some(by_pods), 10, &[1; 6]), [8, 8, 8, 8, 6, 6]);
        let by_percent = behavior(PolicyValue::Percent(10), PolicyValue::Percent(30));
        assert_eq!(follows(Some(by_percent.clone()), 12, &[20; 5]), [14, 14, 14, 14, 16], "13.2 and 15.4, rounded up");
        assert_eq!(follows(Some(by_percent), 12, &[1; 5]), [8, 8, 8, 8, 5], "8.4 and 5.6, cut off");
    }

    #[test]
    fn pods_that_were_just_removed_may_come_back() {
        let quick = behavior(PolicyValue::Pods(1), PolicyValue::Pods(4));
        assert_eq!(follows(Some(quick), 10, &[6, 20]), [6, 11], "one more than there were at the beginning");
    }

    #[test]
    fn the_policy_is_selected() {
        for (select_policy, grown, shrunk) in
            [(SelectPolicy::Max, 20, 5), (SelectPolicy::Min, 12, 8), (SelectPolicy::Disabled, 10, 10)]
        {
            let mut behavior = behavior(PolicyValue::Pods(2), PolicyValue::Pods(2));
            for (rules, value) in [(&mut behavior.scale_up, 100), (&mut behavior.scale_down, 50)] {
                rules.select_policy = select_policy;
                rules.policies.push(Policy::each_15_s(PolicyValue::Percent(value)));
            }
            assert_eq!(follows(Some(behavior.clone()), 10, &[50]), [grown], "{select_policy:?}");
            assert_eq!(follows(Some(behavior), 10, &[1]), [shrunk], "{select_policy:?}");
        }
    }
}
