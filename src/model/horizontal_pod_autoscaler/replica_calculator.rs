//! How many pods the metrics ask for.
//!
//! Follows `pkg/controller/podautoscaler/replica_calculator.go` and `metrics/utilization.go` of Kubernetes 1.35.

use super::{
    ExternalTarget, HorizontalPodAutoscalerSpec, Measured, MetricSpec, Observation, Pod, Resource, ResourceTarget,
    Sample,
};
use crate::units::{Duration, Instant};

/// So long after its start a pod's CPU sample counts only if it is all from after it became ready. Source:
/// `config/v1alpha1/defaults.go`, `HorizontalPodAutoscalerCPUInitializationPeriod`.
const CPU_INITIALIZATION_PERIOD: Duration = Duration::secs(300);

/// Who was last not ready so soon after its start has never been ready. Source: `config/v1alpha1/defaults.go`,
/// `HorizontalPodAutoscalerInitialReadinessDelay`.
const INITIAL_READINESS_DELAY: Duration = Duration::secs(30);

/// How far the ratio of measured to target may be from 1 without any consequence.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tolerances {
    scale_down: f64,
    scale_up: f64,
}

impl Tolerances {
    /// 0.1. Source: `config/v1alpha1/defaults.go`, `HorizontalPodAutoscalerTolerance`.
    const DEFAULT: f64 = 0.1;

    fn of(spec: &HorizontalPodAutoscalerSpec) -> Self {
        let behavior = spec.behavior.as_ref();
        Self {
            scale_down: behavior.and_then(|it| it.scale_down.tolerance).unwrap_or(Self::DEFAULT),
            scale_up: behavior.and_then(|it| it.scale_up.tolerance).unwrap_or(Self::DEFAULT),
        }
    }

    fn allow(self, ratio: f64) -> bool {
        1.0 - self.scale_down <= ratio && ratio <= 1.0 + self.scale_up
    }
}

/// The largest proposal of a metric. One that fails forbids shrinking, and all of them any answer. Source:
/// `computeReplicasForMetrics`.
pub(super) fn proposal(spec: &HorizontalPodAutoscalerSpec, now: Instant, observation: &Observation) -> Option<u32> {
    assert_eq!(spec.metrics.len(), observation.metrics.len(), "each metric is measured");
    let calculator = Calculator { now, observation, tolerances: Tolerances::of(spec) };
    let metrics = spec.metrics.iter().zip(&observation.metrics);
    let proposals: Vec<_> = metrics.map(|(metric, measured)| calculator.proposal_of(*metric, measured)).collect();
    let largest = proposals.iter().copied().flatten().max()?;
    let is_whole = proposals.iter().all(Option::is_some);
    (is_whole || largest >= observation.spec_replicas).then_some(largest)
}

struct Calculator<'a> {
    now: Instant,
    observation: &'a Observation,
    tolerances: Tolerances,
}

/// The samples that count, and how many pods are left out for want of one.
struct Grouped {
    ready: Vec<u64>,
    unready: usize,
    missing: usize,
}

impl Calculator<'_> {
    /// None if the metric fails.
    fn proposal_of(&self, metric: MetricSpec, measured: &Measured) -> Option<u32> {
        match (metric, measured) {
            (MetricSpec::Resource(resource, target), Measured::Pods(samples)) => {
                self.resource_replicas(target, self.group_pods(resource, samples))
            }
            (MetricSpec::External(ExternalTarget::AverageValue(target)), Measured::Total(total)) => {
                total.map(|total| self.per_pod_replicas(total, target))
            }
            (MetricSpec::External(ExternalTarget::Value(target)), Measured::Total(total)) => {
                self.value_replicas((*total)? as f64 / target as f64)
            }
            (MetricSpec::Resource(..), Measured::Total(_)) | (MetricSpec::External(_), Measured::Pods(_)) => {
                panic!("{metric:?} was measured as {measured:?}")
            }
        }
    }

    /// Source: `groupPods`.
    fn group_pods(&self, resource: Resource, samples: &[Option<Sample>]) -> Grouped {
        let mut grouped = Grouped { ready: vec![], unready: 0, missing: 0 };
        for (pod, sample) in self.observation.pods.iter().zip(samples) {
            match sample {
                _ if pod.is_terminating => {}
                _ if !pod.is_running => grouped.unready += 1,
                None => grouped.missing += 1,
                Some(sample) if resource == Resource::Cpu && self.is_unready(pod, *sample) => grouped.unready += 1,
                Some(sample) => grouped.ready.push(sample.value),
            }
        }
        grouped
    }

    /// Whether a CPU sample may still show the start of the pod.
    fn is_unready(&self, pod: &Pod, sample: Sample) -> bool {
        if pod.started + CPU_INITIALIZATION_PERIOD > self.now {
            return !pod.is_ready || sample.at < pod.ready_since + sample.window;
        }
        !pod.is_ready && pod.started + INITIAL_READINESS_DELAY > pod.ready_since
    }

    /// Source: `GetResourceReplicas`, and `calcPlainMetricReplicas` for values.
    fn resource_replicas(&self, target: ResourceTarget, pods: Grouped) -> Option<u32> {
        let current = self.observation.spec_replicas;
        let mut values = pods.ready;
        if values.is_empty() {
            return None;
        }
        let ratio = target.ratio(&values);
        let scale_up_with_unready = pods.unready > 0 && ratio > 1.0;
        if !scale_up_with_unready && pods.missing == 0 {
            return Some(if self.tolerances.allow(ratio) { current } else { times(ratio, values.len()) });
        }
        // What is not known is taken for whatever speaks against a change.
        if ratio < 1.0 {
            values.resize(values.len() + pods.missing, target.when_missing());
        } else if ratio > 1.0 {
            values.resize(values.len() + pods.missing + pods.unready, 0);
        }
        let new_ratio = target.ratio(&values);
        let is_turned = (ratio < 1.0 && new_ratio > 1.0) || (ratio > 1.0 && new_ratio < 1.0);
        let replicas = times(new_ratio, values.len());
        let contradicts = (new_ratio < 1.0 && replicas > current) || (new_ratio > 1.0 && replicas < current);
        let stays = self.tolerances.allow(new_ratio) || is_turned || contradicts;
        Some(if stays { current } else { replicas })
    }

    /// Within the tolerance it is the number of pods that there are, not `spec.replicas`. Source:
    /// `GetExternalPerPodMetricReplicas`.
    fn per_pod_replicas(&self, total: u64, target: u64) -> u32 {
        let pods = self.observation.status_replicas;
        let ratio = total as f64 / (target as f64 * f64::from(pods));
        if self.tolerances.allow(ratio) { pods } else { ceil(total as f64 / target as f64) }
    }

    /// Source: `getUsageRatioReplicaCount`.
    fn value_replicas(&self, ratio: f64) -> Option<u32> {
        let Observation { spec_replicas: current, pods, .. } = self.observation;
        if *current == 0 {
            return Some(ceil(ratio));
        }
        if self.tolerances.allow(ratio) {
            return Some(*current);
        }
        // Those that terminate are counted as long as they are ready.
        let ready = pods.iter().filter(|pod| pod.is_running && pod.is_ready).count();
        (!pods.is_empty()).then(|| times(ratio, ready))
    }
}

impl ResourceTarget {
    /// Measured by target. The measured average is cut off to whole percents, or to whole thousandths. Source:
    /// `GetResourceUtilizationRatio`, `GetMetricUsageRatio`.
    fn ratio(self, values: &[u64]) -> f64 {
        let (sum, count) = (values.iter().sum::<u64>(), values.len() as u64);
        match self {
            // Of a thousand thousandths each.
            Self::AverageUtilization(target) => (sum * 100 / (count * 1000)) as f64 / f64::from(target),
            Self::AverageValue(target) => (sum / count) as f64 / target as f64,
        }
    }

    /// What a pod without a sample is taken to use where the others say shrink.
    fn when_missing(self) -> u64 {
        match self {
            Self::AverageUtilization(target) => u64::from(target.max(100)) * 10,
            Self::AverageValue(target) => target,
        }
    }
}

fn times(ratio: f64, pods: usize) -> u32 {
    ceil(ratio * pods as f64)
}

/// What does not fit is cut off.
fn ceil(pods: f64) -> u32 {
    pods.ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::super::scaling::{Behavior, ScalingRules};
    use super::super::tests::{CPU, MEMORY, at, old_pods, spec, utilization};
    use super::*;

    /// Of pods that have been ready for long, with the target 100 %.
    fn memory(values: &[Option<u64>], spec_replicas: u32) -> Option<u32> {
        let pods = old_pods(values.len());
        let observation =
            Observation { spec_replicas, status_replicas: spec_replicas, pods, metrics: vec![utilization(values)] };
        proposal(&spec(&[MEMORY]), at(1000), &observation)
    }

    #[test]
    fn the_ready_pods_times_the_ratio_rounded_up() {
        for (value, expected) in
            [(1000, 10), (1100, 10), (1110, 12), (900, 10), (890, 9), (500, 5), (1509, 15), (2000, 20)]
        {
            assert_eq!(memory(&[Some(value); 10], 10), Some(expected), "{value} thousandths");
        }
        assert_eq!(memory(&[Some(2000); 10], 4), Some(20), "of the pods that are there, not of spec.replicas");
    }

    #[test]
    fn the_last_bit_of_a_float_may_be_a_pod() {
        let metric = MetricSpec::Resource(Resource::Memory, ResourceTarget::AverageUtilization(100));
        let pods = old_pods(100);
        let metrics = vec![utilization(&[Some(70); 100])];
        let observation = Observation { spec_replicas: 100, status_replicas: 100, pods, metrics };
        assert_eq!(proposal(&spec(&[metric]), at(1000), &observation), Some(8), "7 % of 100, as float64 has it");
    }

    #[test]
    fn pods_without_a_sample_dampen_every_change() {
        // Shrinking: taken for 100 %. (5 + 5 × 0.2) / 10 = 0.6.
        let half = |value| [vec![Some(value); 5], vec![None; 5]].concat();
        assert_eq!(memory(&half(200), 10), Some(6));
        // Growing: taken for 0. 5 × 3 / 10 = 1.5.
        assert_eq!(memory(&half(3000), 10), Some(15));
        assert_eq!(memory(&half(1500), 10), Some(10), "0.75 after 1.5: the direction turned");
        assert_eq!(memory(&[None; 3], 3), None, "no sample at all");
        assert_eq!(memory(&[Some(500), None], 1), Some(1), "two pods for 0.75 are no shrinking");
    }

    #[test]
    fn with_a_target_above_the_request_a_missing_pod_uses_the_target() {
        let metric = MetricSpec::Resource(Resource::Memory, ResourceTarget::AverageUtilization(200));
        let metrics = vec![utilization(&[Some(0), Some(0), None, None])];
        let observation = Observation { spec_replicas: 4, status_replicas: 4, pods: old_pods(4), metrics };
        assert_eq!(proposal(&spec(&[metric]), at(1000), &observation), Some(2));
    }

    #[test]
    fn raw_values_are_compared_a_pod_and_missing_ones_meet_the_target() {
        let metric = MetricSpec::Resource(Resource::Memory, ResourceTarget::AverageValue(400));
        let value_of = |values: &[Option<u64>]| {
            let pods = old_pods(values.len());
            let observation =
                Observation { spec_replicas: 4, status_replicas: 4, pods, metrics: vec![utilization(values)] };
            proposal(&spec(&[metric]), at(1000), &observation)
        };
        assert_eq!(value_of(&[Some(600); 4]), Some(6));
        assert_eq!(value_of(&[Some(200), Some(200), None, None]), Some(3), "(200 + 200 + 400 + 400) / 4 = 300");
    }

    #[test]
    fn a_cpu_sample_counts_when_it_cannot_show_the_start() {
        let metric = CPU;
        let ready = Pod { started: at(100), ready_since: at(120), ..old_pods(1)[0] };
        let unready = Pod { is_ready: false, ..ready };
        for (name, pod, now, counts) in [
            ("the sample is all from after it was ready", ready, 181, true),
            ("a part of its window is from before", ready, 179, false),
            ("after 300 s no matter", Pod { ready_since: at(395), ..ready }, 400, true),
            ("not ready", unready, 181, false),
            ("not ready after 300 s, and never was", unready, 400, false),
            ("not ready after 300 s, but it was", Pod { ready_since: at(390), ..unready }, 400, true),
            ("pending", Pod { is_running: false, ..ready }, 400, false),
            ("terminating", Pod { is_terminating: true, ..ready }, 400, false),
        ] {
            let sample = Sample { value: 2000, at: at(now), window: Duration::secs(60) };
            let metrics = vec![Measured::Pods(vec![Some(sample)])];
            let observation = Observation { spec_replicas: 1, status_replicas: 1, pods: vec![pod], metrics };
            assert_eq!(proposal(&spec(&[metric]), at(now), &observation), counts.then_some(2), "{name}");
        }
    }

    #[test]
    fn unready_pods_dampen_growth_and_are_not_asked_when_shrinking() {
        let mut pods = old_pods(10);
        pods[5..].iter_mut().for_each(|pod| pod.is_running = false);
        let proposal_at = |value| {
            let metrics = vec![utilization(&[Some(value); 10])];
            let observation = Observation { spec_replicas: 10, status_replicas: 10, pods: pods.clone(), metrics };
            proposal(&spec(&[CPU]), at(1000), &observation)
        };
        assert_eq!(proposal_at(3000), Some(15), "5 × 3 + 5 × 0");
        assert_eq!(proposal_at(400), Some(2), "5 × 0.4");
    }

    #[test]
    fn an_external_average_within_tolerance_is_the_number_of_pods_not_of_replicas() {
        let external = |total, status_replicas| {
            let metric = MetricSpec::External(ExternalTarget::AverageValue(1000));
            let metrics = vec![Measured::Total(Some(total))];
            let observation = Observation { spec_replicas: 10, status_replicas, pods: vec![], metrics };
            proposal(&spec(&[metric]), at(0), &observation)
        };
        assert_eq!(external(10_000, 11), Some(11));
        assert_eq!(external(10_000, 13), Some(10));
        assert_eq!(external(10_001, 20), Some(11), "rounded up");
        assert_eq!(external(500, 0), Some(1), "from zero");
    }

    #[test]
    fn an_external_value_is_shared_by_the_ready_pods() {
        let metric = MetricSpec::External(ExternalTarget::Value(1000));
        let external = |total, spec_replicas| {
            let mut pods = old_pods(5);
            pods[4].is_ready = false;
            pods[3].is_terminating = true;
            let metrics = vec![Measured::Total(Some(total))];
            let observation = Observation { spec_replicas, status_replicas: 5, pods, metrics };
            proposal(&spec(&[metric]), at(0), &observation)
        };
        assert_eq!(external(1500, 4), Some(6));
        assert_eq!(external(1050, 4), Some(4), "within tolerance");
        assert_eq!(external(2500, 0), Some(3), "from zero the ratio itself");
    }

    #[test]
    fn the_largest_proposal_wins_and_a_metric_that_fails_forbids_shrinking() {
        let average = MetricSpec::External(ExternalTarget::AverageValue(1000));
        let of = |totals: [Option<u64>; 2]| {
            let metrics = totals.map(Measured::Total).to_vec();
            let observation = Observation { spec_replicas: 10, status_replicas: 10, pods: vec![], metrics };
            proposal(&spec(&[average, average]), at(0), &observation)
        };
        assert_eq!(of([Some(15_000), Some(20_000)]), Some(20));
        assert_eq!(of([Some(15_000), None]), Some(15));
        assert_eq!(of([None, Some(5_000)]), None);
        assert_eq!(of([None, None]), None);
    }

    #[test]
    fn each_direction_may_have_its_own_tolerance() {
        let mut spec = spec(&[MEMORY]);
        let scale_up = ScalingRules { tolerance: Some(0.0), ..ScalingRules::default_scale_up() };
        let scale_down = ScalingRules { tolerance: Some(0.5), ..ScalingRules::default_scale_down() };
        spec.behavior = Some(Behavior { scale_up, scale_down });
        let at_ratio = |value| {
            let metrics = vec![utilization(&[Some(value); 10])];
            let observation = Observation { spec_replicas: 10, status_replicas: 10, pods: old_pods(10), metrics };
            proposal(&spec, at(1000), &observation)
        };
        assert_eq!([1020, 550, 490].map(at_ratio), [Some(11), Some(10), Some(5)]);
    }
}
