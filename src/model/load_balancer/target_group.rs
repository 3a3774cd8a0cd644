//! One node's view of one target group: which targets it knows, how healthy it found them, which of them get requests.
//!
//! Source: *User Guide for Application Load Balancers*, Target groups and Health checks. Each node checks every target
//! itself. Left out: the percentage threshold, zonal shift.

use super::{EmptyTargetGroup, InitialOnly, LoadBalancerSpec, TargetGroupSpec};
use crate::model::PodId;

/// ELBv2's target states, as one node sees them; `draining` and `unused` targets are not in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHealth {
    Initial,
    Healthy,
    Unhealthy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    pod: PodId,
    /// Which of the target's registrations this is.
    version: u32,
    health: TargetHealth,
    /// How often in a row the health check had the same result.
    run_passed: bool,
    run_length: u32,
}

#[derive(Clone, Debug)]
pub struct TargetGroup {
    targets: Vec<Target>,
    minimum_healthy: u32,
    healthy_threshold: u32,
    unhealthy_threshold: u32,
    initial_passes: u32,
    empty: EmptyTargetGroup,
    initial_only: InitialOnly,
    /// Those that got requests when there were some that could.
    last_known: Vec<PodId>,
}

impl TargetGroup {
    pub fn new(group: &TargetGroupSpec, load_balancer: &LoadBalancerSpec) -> Self {
        Self {
            targets: vec![],
            minimum_healthy: group.minimum_healthy_targets,
            healthy_threshold: group.healthy_threshold,
            unhealthy_threshold: group.unhealthy_threshold,
            initial_passes: load_balancer.initial_passes,
            empty: load_balancer.empty_target_group,
            initial_only: load_balancer.initial_only,
            last_known: vec![],
        }
    }

    pub fn add(&mut self, pod: PodId, version: u32, health: TargetHealth) {
        // A target that is registered again while it drains starts anew.
        self.remove(pod);
        self.targets.push(Target { pod, version, health, run_passed: false, run_length: 0 });
    }

    /// Whether the node knows this registration of the target.
    pub fn knows(&self, pod: PodId, version: u32) -> bool {
        self.targets.iter().any(|target| target.pod == pod && target.version == version)
    }

    pub fn is_healthy(&self, pod: PodId) -> bool {
        self.targets.iter().any(|target| target.pod == pod && target.health == TargetHealth::Healthy)
    }

    pub fn pods(&self) -> Vec<PodId> {
        self.targets.iter().map(|target| target.pod).collect()
    }

    pub fn remove(&mut self, pod: PodId) {
        self.targets.retain(|target| target.pod != pod);
    }

    /// The result of a health check; the new state if it changed. A target that has left is not asked.
    pub fn on_checked(&mut self, pod: PodId, passed: bool) -> Option<TargetHealth> {
        use TargetHealth::{Healthy, Initial, Unhealthy};
        let target = self.targets.iter_mut().find(|target| target.pod == pod)?;
        target.run_length = if target.run_passed == passed { target.run_length + 1 } else { 1 };
        target.run_passed = passed;
        let health = match (target.health, passed) {
            // The healthy threshold counts only for recovery.
            (Initial, true) if target.run_length >= self.initial_passes => Healthy,
            (Unhealthy, true) if target.run_length >= self.healthy_threshold => Healthy,
            (Initial | Healthy, false) if target.run_length >= self.unhealthy_threshold => Unhealthy,
            (health, _) => health,
        };
        (std::mem::replace(&mut target.health, health) != health).then_some(health)
    }

    /// The targets that get requests now.
    pub fn routable(&mut self) -> Vec<PodId> {
        let with = |health| self.targets.iter().filter(move |target| target.health == health).map(|target| target.pod);
        let all = || self.targets.iter().map(|target| target.pod).collect::<Vec<_>>();
        let healthy: Vec<_> = with(TargetHealth::Healthy).collect();
        let initial_only = with(TargetHealth::Initial).count() == self.targets.len();
        let routable = if healthy.len() >= self.minimum_healthy as usize && !healthy.is_empty() {
            healthy
        } else if !initial_only || self.initial_only == InitialOnly::Route {
            // Fail-open: better a target that failed its checks than none.
            all()
        } else {
            vec![]
        };
        match (routable.is_empty(), self.empty) {
            (true, EmptyTargetGroup::LastKnownTargets) => self.last_known.clone(),
            (true, EmptyTargetGroup::Answer503) => routable,
            (false, _) => {
                self.last_known.clone_from(&routable);
                routable
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load_balancer::TargetGroupSelection;
    use crate::model::load_balancer::cookie::CookieSpec;
    use crate::model::load_balancer::hold::Hold;
    use crate::model::load_balancer::target_selection::Algorithm;
    use crate::random::Distribution;
    use crate::units::Duration;
    use TargetHealth::{Healthy, Initial, Unhealthy};

    fn group(empty: EmptyTargetGroup, initial_only: InitialOnly) -> TargetGroup {
        let zero = Distribution::secs(0);
        let load_balancer = LoadBalancerSpec {
            nodes: 1,
            hold: Hold::None,
            health_checks: true,
            rule_push: zero.clone(),
            registration: zero.clone(),
            first_health_check: zero.clone(),
            deregistration: zero,
            initial_passes: 1,
            empty_target_group: empty,
            initial_only,
            target_group_selection: TargetGroupSelection::Random,
            cookies: CookieSpec { honours_zero_weight: false, is_renewed: true },
            connect_timeout: Duration::secs(10),
            idle_timeout: Duration::secs(60),
        };
        let group = TargetGroupSpec {
            interval: Duration::secs(15),
            timeout: Duration::secs(5),
            healthy_threshold: 3,
            unhealthy_threshold: 2,
            deregistration_delay: Duration::secs(300),
            minimum_healthy_targets: 1,
            algorithm: Algorithm::RoundRobin,
            slow_start: Duration::ZERO,
            stickiness: None,
            cookie_is_of_application: false,
        };
        TargetGroup::new(&group, &load_balancer)
    }

    #[test]
    fn every_composition_routes_as_documented() {
        let cases: [(&str, &[TargetHealth], &[u32]); 6] = [
            ("healthy ones only", &[Healthy, Unhealthy, Initial], &[0]),
            ("fail-open", &[Unhealthy, Unhealthy], &[0, 1]),
            ("fail-open takes initial ones, too", &[Unhealthy, Initial], &[0, 1]),
            ("initial ones get nothing", &[Initial, Initial], &[]),
            ("empty", &[], &[]),
            ("all healthy", &[Healthy, Healthy], &[0, 1]),
        ];
        for (name, healths, expected) in cases {
            let mut group = group(EmptyTargetGroup::Answer503, InitialOnly::Answer503);
            for (pod, health) in (0..).zip(healths) {
                group.add(PodId(pod), 0, *health);
            }
            let routable: Vec<_> = group.routable().into_iter().map(|pod| pod.0).collect();
            assert_eq!(routable, expected, "{name}");
        }
    }

    #[test]
    fn initial_targets_can_be_told_to_serve() {
        let mut group = group(EmptyTargetGroup::Answer503, InitialOnly::Route);
        group.add(PodId(4), 0, Initial);
        assert_eq!(group.routable(), [PodId(4)]);
    }

    #[test]
    fn a_group_that_lost_its_targets_can_be_told_to_go_on() {
        let mut group = group(EmptyTargetGroup::LastKnownTargets, InitialOnly::Answer503);
        group.add(PodId(1), 0, Healthy);
        group.routable();
        group.remove(PodId(1));
        assert_eq!(group.routable(), [PodId(1)], "the last it knew");
        group.add(PodId(2), 0, Initial);
        assert_eq!(group.routable(), [PodId(1)], "a new one is not asked before it has passed a check");
        group.on_checked(PodId(2), true);
        assert_eq!(group.routable(), [PodId(2)]);
    }

    #[test]
    fn thresholds_count_checks_in_a_row() {
        let mut group = group(EmptyTargetGroup::Answer503, InitialOnly::Answer503);
        group.add(PodId(0), 0, Initial);
        let checks = [
            (true, Some(Healthy)),
            (false, None),
            (true, None),
            (false, None),
            (false, Some(Unhealthy)),
            (true, None),
            (true, None),
            (false, None),
            (true, None),
            (true, None),
            (true, Some(Healthy)),
        ];
        for (number, (passed, change)) in checks.into_iter().enumerate() {
            assert_eq!(group.on_checked(PodId(0), passed), change, "check {number}");
        }
        assert_eq!(group.on_checked(PodId(9), true), None, "a target that has left");
    }
}
