//! Who tells whom about the HorizontalPodAutoscaler: the metrics pipeline, and the workload that it scales.

use super::event::Event;
use super::{Member, Simulation};
use crate::model::argo_cd;
use crate::model::horizontal_pod_autoscaler::{
    HorizontalPodAutoscaler, Measured, MetricSpec, Observation, Pod, Resource, ResourceTarget, SYNC_PERIOD, Sample,
};
use crate::model::metrics::{Of, Query, Series};
use crate::model::pod::Phase;
use crate::scenario::hpa::HpaSpec;
use crate::units::{Duration, Instant};
use std::collections::VecDeque;

/// The autoscaler, and what the metrics pipeline has seen of the pods.
pub struct Autoscaling {
    hpa: HorizontalPodAutoscaler,
    /// Requests that each pod had taken at an instant; the newest last.
    taken: VecDeque<(Instant, Vec<u64>)>,
}

impl Autoscaling {
    pub fn new(spec: &HpaSpec) -> Self {
        Self { hpa: HorizontalPodAutoscaler::new(spec.autoscaler.clone()), taken: VecDeque::new() }
    }

    /// Of a pod: the requests that it took in the newest window that has come through the pipeline, and when that ended.
    fn newest_window(&self, now: Instant, age: Duration) -> Option<(&Vec<u64>, &Vec<u64>, Instant)> {
        let end = self.taken.iter().rposition(|(at, _)| *at + age <= now)?;
        let begin = end.checked_sub(1)?;
        Some((&self.taken[begin].1, &self.taken[end].1, self.taken[end].0))
    }
}

impl Simulation<'_> {
    pub(super) fn sync_autoscaler(&mut self, now: Instant) {
        self.queue.schedule(now + SYNC_PERIOD, Event::SyncAutoscaler);
        let (Some(mut autoscaling), Some(spec)) = (self.autoscaling.take(), &self.scenario.hpa) else { return };
        autoscaling.taken.push_back((now, self.pods_taken()));
        let observation = self.observe_for_autoscaler(now, &autoscaling, spec);
        let current = observation.spec_replicas;
        let desired = autoscaling.hpa.sync(now, &observation).desired;
        while autoscaling.taken.len() > 2 && autoscaling.taken[1].0 + spec.metrics_age <= now {
            autoscaling.taken.pop_front();
        }
        self.autoscaling = Some(autoscaling);
        if desired != current {
            self.log(now, "horizontal-pod-autoscaler", "Scale", "replicas", format!("{current} -> {desired}"));
            self.change_replicas(now, desired);
            self.tell_argo_cd(now, argo_cd::Input::ObjectChanged);
        }
    }

    fn pods_taken(&self) -> Vec<u64> {
        (0..self.pods.len()).map(|index| self.data_plane.taken(index)).collect()
    }

    fn observe_for_autoscaler(&self, now: Instant, autoscaling: &Autoscaling, spec: &HpaSpec) -> Observation {
        // blueGreen names the active ReplicaSet in its selector, all others the whole workload.
        let active = self.workload.status().and_then(|status| status.active);
        let is_selected = |member: &Member| active.is_none_or(|active| member.revision == active);
        let members = self.pods.iter().enumerate();
        let members: Vec<_> = members.filter(|(_, member)| !member.removed && is_selected(member)).collect();
        let measured = spec.autoscaler.metrics.iter().map(|metric| match metric {
            MetricSpec::Resource(resource, target) => {
                let window = autoscaling.newest_window(now, spec.metrics_age);
                let sample = |(index, _): &(usize, &Member)| {
                    let (before, after, at) = window?;
                    let taken = after.get(*index)? - before.get(*index)?;
                    Some(Sample { value: spec.measured(*resource, *target, taken), at, window: SYNC_PERIOD })
                };
                Measured::Pods(members.iter().map(sample).collect())
            }
            MetricSpec::External(_) => Measured::Total(self.requests_per_second(now, spec.metrics_age)),
        });
        let metrics = measured.collect();
        let pods = members.iter().map(|(_, member)| observed(member)).collect();
        let (spec_replicas, status_replicas) = self.workload.scale();
        Observation { spec_replicas, status_replicas, pods, metrics }
    }

    /// In thousandths, over the last minute.
    fn requests_per_second(&self, now: Instant, age: Duration) -> Option<u64> {
        const WINDOW: Duration = Duration::secs(60);
        let query = Query { series: Series::Requests, of: Of::Service, window: WINDOW, scrape_lag: age };
        let requests = self.tally.metrics().value(query, now, self.versions())?;
        let seconds = WINDOW.min(now - Instant::START).whole_secs().max(1);
        Some(requests as u64 * 1_000 / seconds)
    }
}

impl HpaSpec {
    /// What a pod uses that took so many requests in a window, in the unit of the target: thousandths of its request, or
    /// thousandths of a core.
    fn measured(&self, resource: Resource, target: ResourceTarget, taken: u64) -> u64 {
        match (resource, target) {
            (Resource::Cpu, target) => {
                let used = u128::from(taken) * u128::from(self.usage.cpu_per_request.as_nanos());
                let millicores = used * 1_000 / u128::from(SYNC_PERIOD.as_nanos());
                let millicores = u64::try_from(millicores).unwrap_or(u64::MAX);
                match target {
                    ResourceTarget::AverageValue(_) => millicores,
                    ResourceTarget::AverageUtilization(_) => millicores * 1_000 / self.cpu_request,
                }
            }
            // The same in every pod, whatever it does.
            (Resource::Memory, _) => self.usage.memory_utilization,
        }
    }
}

fn observed(member: &Member) -> Pod {
    let is_running = !matches!(member.pod.phase(), Phase::Pending | Phase::Starting);
    Pod {
        is_terminating: member.deleted,
        is_running,
        started: member.created,
        is_ready: member.pod.ready(),
        ready_since: member.ready_since,
    }
}
