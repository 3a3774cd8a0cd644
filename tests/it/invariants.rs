//! What the controller's own order of operations implies, and what it does not: the invariants that
//! [`super::conservation`] does not hold already. Source: `rollout/context.go:reconcile`, `rollout/canary.go`.

use crate::support;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rollout_sim::model::rollout::controller::Version;
use rollout_sim::model::rollout::step::{CanaryScale, Step};
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::scenario::Scenario;
use rollout_sim::simulation;
use rollout_sim::units::Duration;

/// Whether the flag is on, the version insists on the full weight, and AWS answers each time.
fn verifies(scenario: &Scenario) -> bool {
    let controller = &scenario.rollouts_controller;
    let profile = controller.profile;
    profile.aws_verify_target_group && profile.version.insists_on_full_weight() && controller.aws_error_share == 0.0
}

/// The old stable ReplicaSet is told to have no pods.
fn is_last_of_stable(entry: &LogEntry) -> bool {
    entry.event == "ScaleReplicaSet" && entry.object == "v1" && entry.detail.ends_with("-> 0")
}

/// Verified since 1.7: stable is not scaled to zero before the rule shows the full weight. The rule is what AWS holds; its
/// nodes may be later. Without steps, or with more canary pods than replicas, the
/// promotion does not wait for any weight.
fn stable_waits_for_the_rule(scenario: &Scenario, run: &Run) -> Result<(), TestCaseError> {
    if !verifies(scenario) || !scenario.workload.is_traffic_routed() {
        return Ok(());
    }
    let replicas = scenario.workload.replicas();
    let is_more = |scale| matches!(scale, CanaryScale::Replicas(pods) if pods > replicas);
    let steps = scenario.workload.steps();
    let asks_for_none = steps.is_empty() || steps.iter().filter_map(Step::canary_scale).any(is_more);
    for gone in run.events.iter().filter(|entry| is_last_of_stable(entry)) {
        let before = || run.events.iter().take_while(|entry| entry.at <= gone.at);
        let is_left = |entry: &LogEntry| {
            entry.component == "people" || entry.event == "Aborted" || entry.event == "Promoted" && asks_for_none
        };
        if before().any(is_left) {
            break;
        }
        let is_shown = before().any(|entry| entry.event == "ModifyRule" && entry.detail.contains(" 100 "));
        prop_assert!(is_shown, "{:?}", gone);
    }
    Ok(())
}

#[test]
fn with_verification_stable_stays_until_the_rule_shows_the_full_weight() {
    let mut gone = 0;
    for scenario in support::gallery() {
        let canary = scenario.workload.canary();
        // Nobody verifies what other routers do, and a second rule with the canary's group misleads who looks: the last
        // rule that names it counts.
        let is_lone = scenario.traffic.classes.is_empty() && scenario.workload.managed_routes().is_empty();
        let is_verified = canary.is_some_and(|canary| canary.is_traffic_routed()) && scenario.has_alb() && is_lone;
        if !is_verified || scenario.workload.replicas() > 50 {
            continue;
        }
        for version in [Version::V1_7, Version::V1_8, Version::V1_9, Version::V1_10] {
            let mut scenario = scenario.clone();
            scenario.rollouts_controller.profile.aws_verify_target_group = true;
            scenario.rollouts_controller.profile.version = version;
            scenario.rollouts_controller.aws_error_share = 0.0;
            let run = simulation::run(&scenario, 1);
            if let Err(failure) = stable_waits_for_the_rule(&scenario, &run) {
                panic!("{}, {version:?}: {failure}", scenario.name);
            }
            gone += usize::from(run.events.iter().any(is_last_of_stable));
        }
    }
    assert!(gone > 50, "it happened {gone} times");
}

#[test]
fn with_verification_stable_stays_in_random_scenarios() {
    support::for_random_scenarios("conservation", 300, |scenario, seed| {
        let mut scenario = scenario.clone();
        scenario.rollouts_controller.profile.aws_verify_target_group = true;
        scenario.rollouts_controller.profile.version = Version::V1_10;
        scenario.rollouts_controller.aws_error_share = 0.0;
        stable_waits_for_the_rule(&scenario, &simulation::run(&scenario, seed))
    });
}

/// Verification does not make stable large enough for what the rule still sends it: below 100 it gates the step only.
#[test]
fn verification_does_not_keep_stable_large_enough() {
    let overrides = ["rollouts_controller.aws_verify_target_group=true"];
    let loaded = support::of_gallery("hazards/h2-stable-too-small-for-its-share", &overrides);
    let run = simulation::run(&loaded.scenario, 1);
    // The rule sends everything to stable, which would need all ten pods and has two.
    let is_short = |second: &&rollout_sim::run::Second| second.weight_effective_sum == 0 && second.stable_serving == 2;
    let short = run.seconds.iter().filter(is_short).count();
    assert!((35..=41).contains(&short), "for the lag of 40 s, not for {short} s");
}

/// On the way up stable is resized in the pass after the one that writes the weight; after an abort the canary in the same.
#[test]
fn stable_shrinks_a_pass_after_the_weight_and_an_aborted_canary_with_it() {
    let loaded = support::of_gallery("hazards/h8-abort-shrinks-the-canary", &[]);
    let run = simulation::run(&loaded.scenario, 1);
    let aborted = run.rollout.aborted.expect("somebody aborts");
    let weights: Vec<_> = run.events.iter().filter(|entry| entry.event == "SetWeight").map(|entry| entry.at).collect();
    let (mut up, mut back) = (0, 0);
    for entry in run.events.iter().filter(|entry| entry.event == "ScaleReplicaSet") {
        let (from, to) = entry.detail.split_once(" -> ").expect("a -> b");
        let shrinks = to.parse::<u32>().unwrap() < from.parse::<u32>().unwrap();
        if entry.object == "v1" && shrinks {
            let asked = weights.iter().rfind(|at| **at <= entry.at).expect("a weight was asked for");
            assert_eq!(entry.at - *asked, Duration::millis(100), "{entry:?}");
            up += 1;
        }
        if entry.object == "v2" && shrinks && entry.at >= aborted {
            assert!(weights.contains(&entry.at), "{entry:?}");
            back += 1;
        }
    }
    assert_eq!((up, back), (3, 3), "10, 60, 80 on the way up, and 60, 10, 0 back");
}
