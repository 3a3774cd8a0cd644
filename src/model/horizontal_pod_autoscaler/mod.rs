//! One HorizontalPodAutoscaler (`autoscaling/v2`): looks at its metrics from time to time and writes `spec.replicas`.
//!
//! Follows `pkg/controller/podautoscaler` of Kubernetes 1.35. What its metrics ask for is in [`replica_calculator`], how
//! fast it may go there in [`scaling`]. The rounding of the real one is kept: whole percents and whole thousandths where
//! it counts in integers, and a `float64` where it has one, since `0.07 * 100` is a pod more than 7. Only division,
//! multiplication and `ceil` are used, whose bits are the same everywhere.
//!
//! Left out: requests that differ between pods, `ContainerResource`, failed pods, `Pods` metrics (as a memory value), pods
//! chosen by owner (KEP-5325), and that the real one may forget a scale event before the longest `periodSeconds` is over.

pub mod replica_calculator;
pub mod scaling;

use crate::units::{Duration, Instant};
use scaling::{Behavior, History, Replicas};

/// From one look to the next. Source: `config/v1alpha1/defaults.go`, `HorizontalPodAutoscalerSyncPeriod`.
pub const SYNC_PERIOD: Duration = Duration::secs(15);

#[derive(Clone, Debug, PartialEq)]
pub struct HorizontalPodAutoscalerSpec {
    pub min_replicas: u32,
    pub max_replicas: u32,
    pub metrics: Vec<MetricSpec>,
    pub behavior: Option<Behavior>,
}

impl HorizontalPodAutoscalerSpec {
    /// At least one pod, and 80 % of the CPU request. Source: `pkg/apis/autoscaling/v2/defaults.go`.
    pub fn new(max_replicas: u32) -> Self {
        let metrics = vec![MetricSpec::Resource(Resource::Cpu, ResourceTarget::AverageUtilization(80))];
        Self { min_replicas: 1, max_replicas, metrics, behavior: None }
    }
}

/// One entry of `metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricSpec {
    Resource(Resource, ResourceTarget),
    /// `External` and `Object` are read alike.
    External(ExternalTarget),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Cpu,
    Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceTarget {
    /// Percent of the request.
    AverageUtilization(u32),
    /// Thousandths a pod.
    AverageValue(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalTarget {
    /// Thousandths a pod.
    AverageValue(u64),
    /// Thousandths in all.
    Value(u64),
}

/// What a look at the cluster shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// `scale.spec.replicas`
    pub spec_replicas: u32,
    /// `scale.status.replicas`. A Rollout gives `HPAReplicas` for it: the pods of all its ReplicaSets.
    pub status_replicas: u32,
    /// All that the scale's selector finds.
    pub pods: Vec<Pod>,
    /// In the order of `spec.metrics`.
    pub metrics: Vec<Measured>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod {
    pub is_terminating: bool,
    /// The phase is Running, not Pending.
    pub is_running: bool,
    /// `status.startTime`
    pub started: Instant,
    /// The condition Ready, and its `lastTransitionTime`.
    pub is_ready: bool,
    pub ready_since: Instant,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// For a Resource: of each pod, None where there is no sample.
    Pods(Vec<Option<Sample>>),
    /// For an External metric: thousandths; None if it cannot be had.
    Total(Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Thousandths of the request for a utilization, else of the unit.
    pub value: u64,
    /// The end of the window that it is an average over.
    pub at: Instant,
    pub window: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What `spec.replicas` is to be; the controller writes only what differs.
    pub desired: u32,
    /// What the metrics alone ask for. None if they were not asked, or do not allow an answer.
    pub proposal: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct HorizontalPodAutoscaler {
    spec: HorizontalPodAutoscalerSpec,
    history: History,
}

impl HorizontalPodAutoscaler {
    pub fn new(spec: HorizontalPodAutoscalerSpec) -> Self {
        assert!(spec.min_replicas <= spec.max_replicas && !spec.metrics.is_empty(), "a checked spec");
        Self { spec, history: History::default() }
    }

    /// Source: `reconcileAutoscaler`.
    pub fn sync(&mut self, now: Instant, observation: &Observation) -> Decision {
        let (current, min, max) = (observation.spec_replicas, self.spec.min_replicas, self.spec.max_replicas);
        self.history.begin(now, current);
        let mut proposal = None;
        let desired = match current {
            // Scaled to zero by a person: disabled.
            0 if min > 0 => 0,
            // Out of the limits there is no stabilization.
            _ if current > max => max,
            _ if current < min => min,
            _ => {
                proposal = replica_calculator::proposal(&self.spec, now, observation);
                let replicas = |desired| Replicas { current, desired, min, max };
                proposal.map_or(current, |desired| self.history.normalize(now, &self.spec, replicas(desired)))
            }
        };
        self.history.record(now, current, desired);
        Decision { desired, proposal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const CPU: MetricSpec = MetricSpec::Resource(Resource::Cpu, ResourceTarget::AverageUtilization(100));
    pub(super) const MEMORY: MetricSpec =
        MetricSpec::Resource(Resource::Memory, ResourceTarget::AverageUtilization(100));

    pub(super) fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    pub(super) fn spec(metrics: &[MetricSpec]) -> HorizontalPodAutoscalerSpec {
        HorizontalPodAutoscalerSpec { metrics: metrics.to_vec(), ..HorizontalPodAutoscalerSpec::new(42) }
    }

    /// Ready since the start of the run.
    pub(super) fn old_pods(count: usize) -> Vec<Pod> {
        let start = Instant::START;
        vec![Pod { is_terminating: false, is_running: true, started: start, is_ready: true, ready_since: start }; count]
    }

    /// In thousandths, by samples that are late enough for any pod.
    pub(super) fn utilization(values: &[Option<u64>]) -> Measured {
        let sample = |value| Sample { value, at: at(1000), window: Duration::secs(60) };
        Measured::Pods(values.iter().map(|value| value.map(sample)).collect())
    }

    /// `spec.replicas` look by look, with a canary of so many percent beside the stable pods: each of them measures the
    /// same, in percent of the target.
    fn canary(percent_measured: u64, canary_percent: u32, start: u32, looks: usize) -> Vec<u32> {
        let mut autoscaler = HorizontalPodAutoscaler::new(spec(&[MEMORY]));
        let mut stable = start;
        let look = |number| {
            let pods = (stable + (stable * canary_percent).div_ceil(100)) as usize;
            let observation = Observation {
                spec_replicas: stable,
                status_replicas: u32::try_from(pods).unwrap(),
                pods: old_pods(pods),
                metrics: vec![utilization(&vec![Some(percent_measured * 10); pods])],
            };
            stable = autoscaler.sync(at(1000) + SYNC_PERIOD * number, &observation).desired;
            stable
        };
        (0..).take(looks).map(look).collect()
    }

    #[test]
    fn a_metric_that_no_load_moves_drives_the_stable_pods_up_during_a_canary() {
        assert_eq!(canary(70, 65, 10, 9), [12, 14, 17, 21, 25, 30, 35, 41, 42]);
        let half = canary(70, 50, 20, 15);
        assert_eq!((&half[..4], half[14]), (&[21, 23, 25, 27][..], 42));
        assert_eq!(canary(60, 100, 10, 8), [12, 15, 18, 22, 27, 33, 40, 42]);
        assert_eq!(canary(60, 50, 10, 20), [10; 20], "0.6 × 1.5 is no growth");
    }

    #[test]
    fn an_external_average_swings_with_the_canary_pods_that_it_brings() {
        let mut autoscaler =
            HorizontalPodAutoscaler::new(spec(&[MetricSpec::External(ExternalTarget::AverageValue(1000))]));
        let mut stable = 10u32;
        let look = |number| {
            let status_replicas = stable + stable.div_ceil(10);
            let metrics = vec![Measured::Total(Some(10_000))];
            let observation = Observation { spec_replicas: stable, status_replicas, pods: vec![], metrics };
            stable = autoscaler.sync(at(0) + SYNC_PERIOD * number, &observation).desired;
            stable
        };
        let sizes: Vec<_> = (0..44).map(look).collect();
        let held = [11; 21];
        assert_eq!(sizes, [&held[..], &[10], &held, &[10]].concat(), "11 for 300 s, then 10 for one look");
    }

    fn replicas(spec_replicas: u32, total: Option<u64>, min_replicas: u32) -> Decision {
        let spec = spec(&[MetricSpec::External(ExternalTarget::AverageValue(1000))]);
        let mut autoscaler = HorizontalPodAutoscaler::new(HorizontalPodAutoscalerSpec { min_replicas, ..spec });
        let metrics = vec![Measured::Total(total)];
        autoscaler.sync(at(0), &Observation { spec_replicas, status_replicas: spec_replicas, pods: vec![], metrics })
    }

    #[test]
    fn outside_of_the_limits_it_goes_to_the_limit_at_once() {
        assert_eq!(replicas(60, Some(60_000), 1), Decision { desired: 42, proposal: None });
        assert_eq!(replicas(2, Some(60_000), 5), Decision { desired: 5, proposal: None });
    }

    #[test]
    fn zero_replicas_disable_it_unless_zero_is_the_minimum() {
        assert_eq!(replicas(0, Some(3_000), 1), Decision { desired: 0, proposal: None });
        assert_eq!(replicas(0, Some(3_000), 0), Decision { desired: 3, proposal: Some(3) });
    }

    #[test]
    fn without_a_metric_nothing_changes() {
        assert_eq!(replicas(7, None, 1), Decision { desired: 7, proposal: None });
    }

    #[test]
    fn a_decision_tells_what_the_metrics_alone_ask_for() {
        assert_eq!(replicas(10, Some(30_000), 1), Decision { desired: 20, proposal: Some(30) });
    }

    #[test]
    fn by_default_it_keeps_the_cpu_at_80_percent() {
        let mut autoscaler = HorizontalPodAutoscaler::new(HorizontalPodAutoscalerSpec::new(42));
        let metrics = vec![utilization(&[Some(1000); 8])];
        let observation = Observation { spec_replicas: 8, status_replicas: 8, pods: old_pods(8), metrics };
        assert_eq!(autoscaler.sync(at(1000), &observation).desired, 10);
    }
}
