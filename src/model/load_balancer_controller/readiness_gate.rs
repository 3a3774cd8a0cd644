//! The readiness gates of one target group: which endpoints become targets before they are `ready`, and when their gate
//! is set True.
//!
//! A pod whose containers are ready and whose gate is open is registered, asked about with DescribeTargetHealth until it
//! is healthy, and only then Ready. Source: `pkg/backend/endpoint_resolver.go`, `pkg/targetgroupbinding/
//! resource_manager.go`, `controllers/elbv2/eventhandlers/pod.go`, controller-runtime's work queue. Left out: nodes that
//! are not Ready; a gate that is set False again because its target is registered anew; retries of failed patches; that versions before
//! 2.10 back off from an unhealthy target, too.

use super::back_off::back_off;
use super::{GatedPods, ReadinessGateSpec};
use crate::model::PodId;
use crate::units::{Duration, Instant};
use std::collections::BTreeSet;
use {Effect::*, Input::*};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A pod is created with the gate of this target group.
    Injected(PodId),
    /// The endpoints of the Service, as its EndpointSlice tells them; `gated` ones are not `ready`.
    EndpointsChanged { ready: BTreeSet<PodId>, gated: BTreeSet<PodId> },
    /// The ContainersReady condition of a pod with an open gate, be it this target group's or another's.
    ContainersReady(PodId, bool),
    /// The TargetGroupBinding is reconciled.
    Reconcile,
    /// The time for another look has come.
    LookAgain,
    /// What DescribeTargetHealth calls healthy.
    TargetHealth(BTreeSet<PodId>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The endpoints that are to be targets: for the TargetGroupBinding, which answers with `Reconcile`.
    Targets(BTreeSet<PodId>),
    /// Ask AWS; answer with `TargetHealth`.
    DescribeTargetHealth,
    /// Patch the condition of this pod's gate to True.
    PassGate(PodId),
    /// Give `LookAgain` back after the delay.
    Wake(Duration),
}

#[derive(Clone, Debug)]
pub struct ReadinessGate {
    gated_pods: GatedPods,
    requeue_duration: Duration,
    /// Pods whose gate of this target group has not passed.
    open: BTreeSet<PodId>,
    /// As last heard of.
    observed_ready: BTreeSet<PodId>,
    observed_gated: BTreeSet<PodId>,
    observed_containers_ready: BTreeSet<PodId>,
    /// What the TargetGroupBinding was told last.
    targets: BTreeSet<PodId>,
    /// When the next look is due. The work queue holds an item once, at its earliest time.
    due: Option<Instant>,
    /// Looks in a row that found a pod to wait for.
    retries: u32,
}

impl ReadinessGate {
    pub fn new(spec: &ReadinessGateSpec, targets: BTreeSet<PodId>) -> Self {
        Self {
            gated_pods: spec.gated_pods,
            requeue_duration: spec.requeue_duration,
            open: BTreeSet::new(),
            observed_ready: targets.clone(),
            observed_gated: BTreeSet::new(),
            observed_containers_ready: BTreeSet::new(),
            targets,
            due: None,
            retries: 0,
        }
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Injected(pod) => {
                self.open.insert(pod);
                vec![]
            }
            EndpointsChanged { ready, gated } => {
                (self.observed_ready, self.observed_gated) = (ready, gated);
                self.on_changed(now)
            }
            ContainersReady(pod, ready) => self.on_containers_ready(now, pod, ready),
            Reconcile => self.look(now),
            LookAgain if self.due == Some(now) => {
                self.due = None;
                self.on_changed(now)
            }
            // An earlier look has taken its place.
            LookAgain => vec![],
            TargetHealth(healthy) => self.on_target_health(now, &healthy),
        }
    }

    /// A change is reconciled, even if it leaves the targets as they are.
    fn on_changed(&mut self, now: Instant) -> Vec<Effect> {
        let with_ready_containers = self.observed_gated.intersection(&self.observed_containers_ready);
        let targets: BTreeSet<_> = self.observed_ready.iter().chain(with_ready_containers).copied().collect();
        if targets == self.targets {
            return self.look(now);
        }
        self.targets.clone_from(&targets);
        vec![Targets(targets)]
    }

    /// The controller's cache of pods always has the news; what differs is whether it wakes anybody.
    fn on_containers_ready(&mut self, now: Instant, pod: PodId, ready: bool) -> Vec<Effect> {
        if ready {
            self.observed_containers_ready.insert(pod);
        } else {
            self.observed_containers_ready.remove(&pod);
        }
        let is_woken = match self.gated_pods {
            GatedPods::Watch => self.open.contains(&pod),
            GatedPods::Requeue | GatedPods::BackOff => false,
        };
        if is_woken { self.on_changed(now) } else { vec![] }
    }

    fn look(&mut self, now: Instant) -> Vec<Effect> {
        if self.has_gates_to_pass() { vec![DescribeTargetHealth] } else { self.look_again(now) }
    }

    fn on_target_health(&mut self, now: Instant, healthy: &BTreeSet<PodId>) -> Vec<Effect> {
        let passes = |pod: &PodId| self.open.contains(pod) && self.targets.contains(pod);
        let passed: Vec<_> = healthy.iter().copied().filter(passes).collect();
        self.open.retain(|pod| !passed.contains(pod));
        let mut effects: Vec<_> = passed.into_iter().map(PassGate).collect();
        effects.extend(self.look_again(now));
        effects
    }

    fn has_gates_to_pass(&self) -> bool {
        !self.open.is_disjoint(&self.targets)
    }

    /// An endpoint with an open gate that may yet become a target.
    fn has_gated_pods_to_wait_for(&self) -> bool {
        self.observed_gated.iter().any(|pod| self.open.contains(pod) && !self.targets.contains(pod))
    }

    /// Queues the next look, unless one is due before. Whatever needs no retry makes the count of retries begin anew.
    fn look_again(&mut self, now: Instant) -> Vec<Effect> {
        let retries = std::mem::take(&mut self.retries);
        let delay = if self.has_gates_to_pass() {
            Some(self.requeue_duration)
        } else if self.has_gated_pods_to_wait_for() {
            self.retry_after(retries)
        } else {
            None
        };
        let Some(delay) = delay else { return vec![] };
        if self.due.is_some_and(|due| due <= now + delay) {
            return vec![];
        }
        self.due = Some(now + delay);
        vec![Wake(delay)]
    }

    fn retry_after(&mut self, retries: u32) -> Option<Duration> {
        match self.gated_pods {
            GatedPods::Watch => None,
            GatedPods::Requeue => Some(self.requeue_duration),
            GatedPods::BackOff => {
                self.retries = retries + 1;
                Some(back_off(retries))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Distribution;

    const POD: PodId = PodId(7);

    fn ids(ids: &[u32]) -> BTreeSet<PodId> {
        ids.iter().copied().map(PodId).collect()
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    fn endpoints(ready: &[u32], gated: &[u32]) -> Input {
        EndpointsChanged { ready: ids(ready), gated: ids(gated) }
    }

    /// Pod 1 is a target; pod 7 is created with a gate.
    fn gate(gated_pods: GatedPods) -> ReadinessGate {
        let spec = ReadinessGateSpec {
            is_injected: true,
            gated_pods,
            requeue_duration: Duration::secs(15),
            pod_watch: Distribution::secs(0),
            gate_patch: Distribution::secs(0),
        };
        let mut gate = ReadinessGate::new(&spec, ids(&[1]));
        assert_eq!(gate.handle(at(0), Injected(POD)), vec![]);
        gate
    }

    const REQUEUE: Effect = Wake(Duration::secs(15));

    #[test]
    fn without_gates_the_ready_endpoints_are_the_targets() {
        let mut gate = gate(GatedPods::Watch);
        assert_eq!(gate.handle(at(1), endpoints(&[1, 2], &[])), vec![Targets(ids(&[1, 2]))]);
        assert_eq!(gate.handle(at(2), Reconcile), vec![]);
    }

    #[test]
    fn a_gated_pod_becomes_a_target_when_its_containers_are_ready() {
        let mut gate = gate(GatedPods::Watch);
        assert_eq!(gate.handle(at(1), endpoints(&[1], &[7])), vec![], "the watch will tell");
        assert_eq!(gate.handle(at(9), ContainersReady(POD, true)), vec![Targets(ids(&[1, 7]))]);
        assert_eq!(gate.handle(at(20), ContainersReady(POD, false)), vec![Targets(ids(&[1]))]);
    }

    #[test]
    fn a_gate_passes_when_its_target_is_healthy_and_nobody_asks_any_more() {
        let mut gate = gate(GatedPods::Watch);
        gate.handle(at(1), endpoints(&[1], &[7]));
        gate.handle(at(9), ContainersReady(POD, true));
        assert_eq!(gate.handle(at(10), Reconcile), vec![DescribeTargetHealth]);
        assert_eq!(gate.handle(at(10), TargetHealth(ids(&[1]))), vec![REQUEUE]);
        assert_eq!(gate.handle(at(25), LookAgain), vec![DescribeTargetHealth]);
        assert_eq!(gate.handle(at(25), TargetHealth(ids(&[1, 7]))), vec![PassGate(POD)]);
        assert_eq!(gate.handle(at(26), endpoints(&[1, 7], &[])), vec![], "its target was there before");
        assert_eq!(gate.handle(at(40), TargetHealth(ids(&[1, 7]))), vec![], "it passes once");
    }

    #[test]
    fn a_look_between_two_others_does_not_put_off_the_next_one() {
        let mut gate = gate(GatedPods::Watch);
        gate.handle(at(0), endpoints(&[1], &[7]));
        gate.handle(at(0), ContainersReady(POD, true));
        assert_eq!(gate.handle(at(0), TargetHealth(ids(&[]))), vec![REQUEUE]);
        assert_eq!(gate.handle(at(5), Reconcile), vec![DescribeTargetHealth]);
        assert_eq!(gate.handle(at(5), TargetHealth(ids(&[]))), vec![]);
        assert_eq!(gate.handle(at(15), LookAgain), vec![DescribeTargetHealth]);
        assert_eq!(gate.handle(at(15), TargetHealth(ids(&[]))), vec![REQUEUE]);
    }

    #[test]
    fn a_pod_that_waits_for_the_gate_of_another_group_is_a_target_of_this_one() {
        let mut gate = gate(GatedPods::Watch);
        gate.handle(at(0), ContainersReady(PodId(8), true));
        assert_eq!(gate.handle(at(1), endpoints(&[1], &[8])), vec![Targets(ids(&[1, 8]))]);
        assert_eq!(gate.handle(at(2), TargetHealth(ids(&[8]))), vec![], "it has no gate here");
    }

    #[test]
    fn without_the_watch_a_look_after_fifteen_seconds_finds_the_containers_ready() {
        let mut gate = gate(GatedPods::Requeue);
        assert_eq!(gate.handle(at(0), endpoints(&[1], &[7])), vec![REQUEUE]);
        assert_eq!(gate.handle(at(9), ContainersReady(POD, true)), vec![], "the endpoints are what they were");
        assert_eq!(gate.handle(at(15), LookAgain), vec![Targets(ids(&[1, 7]))]);
    }

    /// The looks from 0 on until the pod, ready after `start`, becomes a target.
    fn looks(gate: &mut ReadinessGate, start: Duration) -> Vec<Duration> {
        let (mut now, mut looks) = (Instant::START, vec![]);
        let mut effects = gate.handle(now, endpoints(&[1], &[7]));
        while let [Wake(delay)] = effects[..] {
            let next = now + delay;
            if now < Instant::START + start && next >= Instant::START + start {
                assert_eq!(gate.handle(Instant::START + start, ContainersReady(POD, true)), vec![]);
            }
            now = next;
            looks.push(now - Instant::START);
            effects = gate.handle(now, LookAgain);
        }
        assert_eq!(effects, vec![Targets(ids(&[1, 7]))]);
        looks
    }

    #[test]
    fn the_back_off_follows_the_published_points() {
        let looks = looks(&mut gate(GatedPods::BackOff), Duration::secs(1_500));
        let millis: Vec<_> = looks.iter().map(|look| look.as_nanos() / 1_000_000).collect();
        let expected = [
            5, 15, 35, 75, 155, 315, 635, 1_275, 2_555, 5_115, 10_235, 20_475, 40_955, 81_915, 163_835, 327_675,
            655_355, 1_310_715, 2_310_715,
        ];
        assert_eq!(millis, expected);
    }

    #[test]
    fn a_pod_that_takes_45_s_to_start_is_registered_82_s_after_the_first_look() {
        let looks = looks(&mut gate(GatedPods::BackOff), Duration::secs(45));
        assert_eq!(looks.last(), Some(&Duration::millis(81_915)));
    }

    #[test]
    fn a_look_that_needs_no_retry_makes_the_back_off_begin_anew() {
        let mut gate = gate(GatedPods::BackOff);
        looks(&mut gate, Duration::secs(45));
        let now = at(90);
        assert_eq!(gate.handle(now, TargetHealth(ids(&[7]))), vec![PassGate(POD)]);
        gate.handle(now, Injected(PodId(9)));
        let effects = gate.handle(now, endpoints(&[1, 7], &[9]));
        assert_eq!(effects, vec![Wake(back_off(0))]);
    }
}
