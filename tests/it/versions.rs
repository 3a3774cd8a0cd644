//! What differs between releases of the Rollouts controller, and what its look at AWS changes.

use crate::support;
use rollout_sim::run::{LogEntry, RolloutOutcome, Run};
use rollout_sim::simulation;

/// Every pod takes 5 s, every weight 40 s; the pods go on for 15 s.
const BASE: &str = r#"
[simulation]
warmup = "5s"
cooldown = "5s"
horizon = "15m"
[traffic]
rate = "50/s"
arrivals = "uniform"
[application]
startup_time = "5s"
[load_balancer_controller]
rule_lag = "40s"
[rollout]
replicas = 10
[[rollout.template.spec.containers]]
name = "web"
readinessProbe = { periodSeconds = 1 }
[rollout.strategy.canary]
dynamicStableScale = true
trafficRouting.alb = {}
steps = [
    { setWeight = 20 },
    { pause = { duration = "60s" } },
    { setWeight = 80 },
    { pause = { duration = "60s" } },
    { setWeight = 100 },
    { pause = { duration = "60s" } },
]
"#;

const VERIFIED: &str = "rollouts_controller.aws_verify_target_group=true";

fn play(more: &str, overrides: &[&str]) -> Run {
    simulation::run(&support::scenario(&format!("{BASE}{more}"), "versions", overrides), 1)
}

fn version(name: &str) -> String {
    format!("rollouts_controller.version=\"{name}\"")
}

fn seconds(run: &Run, entry: &LogEntry) -> f64 {
    entry.at.as_nanos() as f64 / 1e9 - run.release.as_nanos() as f64 / 1e9
}

fn at(run: &Run, event: &str, object: &str, detail: &str) -> f64 {
    let is_meant = |entry: &&LogEntry| entry.event == event && entry.object == object && entry.detail == detail;
    let entry = run.events.iter().find(is_meant);
    seconds(run, entry.unwrap_or_else(|| panic!("no {event} {object} {detail}")))
}

fn weights_after(run: &Run, since: f64) -> Vec<String> {
    let asked = run.events.iter().filter(|entry| entry.event == "SetWeight" && seconds(run, entry) >= since);
    asked.map(|entry| entry.detail.clone()).collect()
}

/// When a person did something first.
fn acted(run: &Run) -> f64 {
    seconds(run, run.events.iter().find(|entry| entry.component == "people").expect("somebody acted"))
}

/// Invariant 5, and its necessary conditions one by one: the flag, a version from 1.7 on, an API that answers.
#[test]
fn stable_waits_for_the_full_weight_only_where_the_controller_looks() {
    let leads = |overrides: &[&str]| {
        let run = play("", overrides);
        let gone = at(&run, "ScaleReplicaSet", "v1", "2 -> 0");
        at(&run, "ModifyRule", "ingress", "canary 100 stable 0") - gone
    };
    assert!(leads(&[VERIFIED, &version("1.7")]) < 0.0, "the rule comes first");
    assert!(leads(&[VERIFIED]) < 0.0);
    assert!((39.0..41.0).contains(&leads(&[])), "without the flag stable goes with the request");
    assert!((39.0..41.0).contains(&leads(&[VERIFIED, &version("1.6")])), "before 1.7 the step waits, the pods do not");
    // Two looks that fail one after the other: the errors are swallowed, stable goes, and the step waits for ever.
    let only = "rollout.strategy.canary.steps=[{ setWeight = 100 }, { pause = {} }]";
    let blind = play("", &[VERIFIED, "rollouts_controller.aws_error_share=1.0", only]);
    let gone = at(&blind, "ScaleReplicaSet", "v1", "10 -> 0");
    assert!(gone < at(&blind, "ModifyRule", "ingress", "canary 100 stable 0") - 30.0, "{gone}");
    assert_eq!(blind.steps[0].completed, None);
}

/// Below the full weight only the step waits: 80 % takes stable's pods at once (not implied by invariant 5).
#[test]
fn an_unverified_weight_below_the_full_one_shrinks_stable_all_the_same() {
    let run = play("", &[VERIFIED]);
    let asked = at(&run, "SetWeight", "ingress", "canary 80 stable 20");
    let shrunk = at(&run, "ScaleReplicaSet", "v1", "8 -> 2");
    assert!(shrunk - asked < 1.5, "{shrunk} - {asked}");
    let modified = at(&run, "ModifyRule", "ingress", "canary 80 stable 20");
    assert!(modified > shrunk);
    assert!(
        run.steps[2].completed.expect("it was") - run.release > rollout_sim::units::Duration::secs(modified as u64)
    );
}

#[test]
fn the_end_of_the_steps_is_looked_at_since_1_7() {
    let steps = "rollout.strategy.canary.steps=[{ setWeight = 80 }, { pause = { duration = \"60s\" } }]";
    let lead = |name: &str| {
        let run = play("", &[VERIFIED, &version(name), steps]);
        at(&run, "Promoted", "v2", "") - at(&run, "SetWeight", "ingress", "canary 100 stable 0")
    };
    assert!(lead("1.6") < 1.0, "promoted in the pass that asks: {}", lead("1.6"));
    assert!(lead("1.7") > 39.0, "promoted when AWS shows it: {}", lead("1.7"));
}

#[test]
fn a_verification_that_never_passes_ends_with_a_sentence() {
    // The rule is never sent within the run.
    let run = play("", &[VERIFIED, "load_balancer_controller.rule_lag=\"1h\"", "rollout.progressDeadlineSeconds=120"]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Degraded);
    let waits = "AWS to show the weight of step 0 (setWeight 20), and the progress deadline has passed";
    assert_eq!(run.waits_for.as_deref(), Some(waits));
}

const ABORT: &str = "[[actions]]\nwhen = \"step 3\"\nafter = \"50s\"\ndo = \"abort\"\n";

#[test]
fn an_abort_goes_back_by_the_steps_since_1_9_and_by_the_pods_before() {
    let by_steps = play(ABORT, &[&version("1.9")]);
    let weights = |steps: &[u32]| steps.iter().map(|w| format!("canary {w} stable {}", 100 - w)).collect::<Vec<_>>();
    // The last two stable pods come one after the other.
    assert_eq!(weights_after(&by_steps, acted(&by_steps)), weights(&[20, 10, 0]));
    // Stable goes to its full size at once, and the weight follows each pod that becomes available.
    let by_pods = play(ABORT, &[&version("1.8")]);
    let asked = weights_after(&by_pods, acted(&by_pods));
    assert_eq!(at(&by_pods, "ScaleReplicaSet", "v1", "2 -> 10").floor(), acted(&by_pods).floor());
    assert!(asked.len() > 2 && asked.last() == Some(&weights(&[0])[0]), "{asked:?}");
    assert_ne!(asked[0], weights(&[20])[0], "not by the steps");
}

/// Fixed after 1.10.0-rc1 (argo-rollouts issue 4898).
#[test]
fn a_delay_after_an_abort_blocked_it_in_1_9() {
    let delay = "rollout.strategy.canary.abortScaleDownDelaySeconds=60";
    let blocked = play(ABORT, &[&version("1.9"), delay]);
    assert_eq!(blocked.rollout.outcome, RolloutOutcome::Degraded);
    let waits = blocked.waits_for.expect("it waits");
    assert!(waits.starts_with("v1 to take its traffic back: 20 % still go to v2, which was aborted"), "{waits}");
    let freed = play(ABORT, &[&version("1.10"), delay]);
    assert_eq!(freed.rollout.outcome, RolloutOutcome::Aborted);
}

/// Argo-rollouts issue 3372: a third revision, while stable has two pods of ten.
#[test]
fn a_third_revision_fell_on_a_small_stable_before_1_8() {
    let deploy = "[[actions]]\nwhen = \"step 3\"\nafter = \"50s\"\ndo = \"deploy\"\n";
    let weight = |name: &str| {
        let run = play(deploy, &[&version(name)]);
        let since = acted(&run);
        let asked = run.events.iter().find(|entry| entry.event == "SetWeight" && seconds(&run, entry) >= since);
        let asked = asked.expect("it was asked for");
        let stable = &run.seconds[usize::try_from(asked.at.second()).unwrap()];
        (asked.detail.clone(), stable.stable_serving)
    };
    assert_eq!(weight("1.7"), ("canary 0 stable 100".to_owned(), 2), "all to two pods");
    let (asked, serving) = weight("1.8");
    assert_eq!(asked, "canary 20 stable 80");
    assert!(serving >= 8, "80 % when stable has its pods: {serving}");
}

#[test]
fn min_pods_are_capped_since_1_10() {
    let overrides = ["rollout.replicas=3", "rollout.strategy.canary.minPodsPerReplicaSet=5"];
    let canary = |name: &str| play("", &[overrides[0], overrides[1], &version(name)]).steps[0].canary_pods;
    assert_eq!((canary("1.9"), canary("1.10")), (5, 3));
}

/// Pull request 4925, as this program reads it: no window at any step, if the delay outlasts the rule.
#[test]
fn honoring_the_delay_closes_every_window() {
    let overrides =
        ["rollout.strategy.canary.scaleDownDelaySeconds=90", "rollouts_controller.honor_scale_down_delay=true"];
    let honored = play("", &overrides);
    assert_eq!((honored.rollout.outcome, honored.requests.elb_5xx()), (RolloutOutcome::Promoted, 0));
    let released = play("", &[]);
    let failing = released.steps.iter().filter(|step| step.elb_5xx > 0).count();
    assert!(failing >= 2, "as released, {failing} steps have a window");
    assert!(honored.pods.extra_pod_seconds() > released.pods.extra_pod_seconds(), "it has its price");
}
