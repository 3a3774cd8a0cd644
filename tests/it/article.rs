//! The story that the project was built for, and the tables that the real controller's source gives for it.

use rayon::prelude::*;
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::scenario::Loaded;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use rollout_sim::units::{Duration, Instant};
use std::ops::RangeInclusive;

fn article(name: &str, overrides: &[&str]) -> Loaded {
    let path = format!("{}/scenarios/article/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the article's scenarios are there");
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    load(&text, name, &overrides).expect("the article's scenarios are right")
}

fn twenty_seeds(name: &str) -> Vec<Run> {
    let loaded = article(name, &[]);
    (1..=20u64).into_par_iter().map(|seed| simulation::run(&loaded.scenario, seed)).collect()
}

fn mean(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    runs.iter().map(figure).sum::<f64>() / runs.len() as f64
}

/// Distinct seconds with an ELB 5xx, and the share of the requests that failed in them.
fn failing_seconds(run: &Run) -> (f64, f64) {
    let failing = run.failing_seconds();
    (failing.seconds as f64, failing.share())
}

fn check(name: &str, figure: &str, value: f64, range: RangeInclusive<f64>) {
    assert!(range.contains(&value), "{name}: {figure} is {value}, not in {range:?}");
}

/// ELB 5xx before the step of the last `setWeight`.
fn before_the_last_weight(run: &Run) -> u64 {
    let last = run.steps.iter().rposition(|step| step.step.starts_with("setWeight")).expect("there is one");
    run.steps[..last].iter().map(|step| step.elb_5xx).sum()
}

/// The ranges come from sums on paper; the thresholds in the scenario files say what was reported.
#[test]
fn the_story_of_the_article_comes_out() {
    let [original, tuned, empty, ninety_nine, fixed] =
        ["1-original", "2-pod-tuning", "2b-empty-group", "3-ninety-nine", "4-fixed"].map(twenty_seeds);
    let elb_502 = |run: &Run| run.requests.elb_502 as f64;
    let share = |run: &Run| failing_seconds(run).1;

    check("1", "elb_502", mean(&original, elb_502), 2_000.0..=f64::MAX);
    check("1", "errors.seconds", mean(&original, |run| failing_seconds(run).0), 60.0..=240.0);
    check("1", "share_while_failing", mean(&original, share), 0.10..=0.30);
    for run in &original {
        let weights = run.steps.iter().filter(|step| step.step.starts_with("setWeight"));
        let failing = weights.filter(|step| step.elb_5xx + run.steps[step.index + 1].elb_5xx > 0).count();
        assert!(failing >= 4, "seed {}: 502s at {failing} steps", run.seed);
    }

    check("2", "elb_502", mean(&tuned, elb_502), 50.0..=700.0);
    check("2", "share_while_failing", mean(&tuned, share), 0.04..=0.12);
    assert_eq!(tuned.iter().map(before_the_last_weight).sum::<u64>(), 0, "2: 502s only after the last setWeight");

    check("2b", "elb_503", mean(&empty, |run| run.requests.elb_503 as f64), 800.0..=2_000.0);
    assert_eq!(mean(&empty, elb_502), 0.0, "2b: no 502");

    check("3", "elb_502", mean(&ninety_nine, elb_502), 1.0..=0.2 * mean(&tuned, elb_502));
    check("3", "share_while_failing", mean(&ninety_nine, share), 0.0..=0.02);

    for run in &fixed {
        assert_eq!(run.requests.elb_5xx(), 0, "4, seed {}", run.seed);
        assert_eq!(run.pods.peak, 20, "4, seed {}", run.seed);
    }
    let extra = |run: &Run| run.pods.extra_pod_seconds();
    let price = mean(&fixed, extra) / mean(&tuned, extra);
    check("4", "extra_pod_seconds as a multiple of 2's", price, 2.5..=f64::MAX);
}

#[test]
fn wanted_pods_and_weights_after_each_step_are_those_of_the_published_table() {
    // Step, weight asked, canary, stable without and with dynamicStableScale.
    let table = [
        (0, 0, 2, 10, 10),
        (1, 0, 2, 10, 10),
        (2, 0, 2, 10, 10),
        (3, 0, 0, 10, 10),
        (4, 10, 1, 10, 9),
        (6, 60, 6, 10, 4),
        (8, 80, 8, 10, 2),
        (10, 90, 9, 10, 1),
        (12, 100, 10, 10, 0),
    ];
    for dynamic in [false, true] {
        let loaded = article("2-pod-tuning", &[&format!("rollout.strategy.canary.dynamicStableScale={dynamic}")]);
        let run = simulation::run(&loaded.scenario, 1);
        for (index, weight, canary, fixed, shrunk) in table {
            let step = &run.steps[index];
            let got = (step.weight_requested.hundredths() / 100, step.canary_pods, step.stable_pods);
            assert_eq!(got, (weight, canary, if dynamic { shrunk } else { fixed }), "step {index}, {dynamic}");
        }
    }
}

/// The first such event at `since` or later.
fn find<'a>(run: &'a Run, since: Instant, event: &str, object: &str, detail: &str) -> &'a LogEntry {
    let matches = |entry: &&LogEntry| {
        entry.at >= since && entry.event == event && entry.object == object && entry.detail == detail
    };
    run.events.iter().find(matches).unwrap_or_else(|| panic!("no {event} {object} {detail} after {since:?}"))
}

#[test]
fn stable_is_resized_one_pass_after_the_annotation_and_the_rule_changes_70_s_after_it() {
    let run = simulation::run(&article("2-pod-tuning", &[]).scenario, 1);
    for (weight, resize) in [(10, "10 -> 9"), (60, "9 -> 4"), (80, "4 -> 2"), (90, "2 -> 1"), (100, "1 -> 0")] {
        let rule = format!("canary {weight} stable {}", 100 - weight);
        let asked = find(&run, run.release, "SetWeight", "ingress", &rule).at;
        let resized = find(&run, run.release, "ScaleReplicaSet", "v1", resize).at;
        let modified = find(&run, run.release, "ModifyRule", "ingress", &rule).at;
        assert_eq!(resized - asked, Duration::millis(100), "stable at {weight} %");
        assert_eq!(modified - asked, Duration::secs(70), "the rule at {weight} %");
    }
    // The promotion: the status, one pass later Service and annotation together.
    let promoted = find(&run, run.release, "Promoted", "v2", "").at;
    let switched = find(&run, promoted, "SwitchService", "stable", "v1 -> v2").at;
    let flipped = find(&run, promoted, "SetWeight", "ingress", "canary 0 stable 100").at;
    assert_eq!(switched, flipped);
    assert_eq!(switched - promoted, Duration::millis(100));
}

/// The assumptions of the published timeline: pods take 20 s, and nobody inside of the cluster is late.
const PUBLISHED: [&str; 10] = [
    "application.startup_time=\"19900ms\"",
    "rollout.template.spec.containers[0].readinessProbe.periodSeconds=20",
    "cluster.image_pull=\"0s\"",
    "cluster.sandbox_creation=\"0s\"",
    "cluster.container_start=\"0s\"",
    "cluster.container_seen=\"0s\"",
    "cluster.scheduling=\"0s\"",
    "cluster.api_write=\"0s\"",
    "cluster.replica_set_sync=\"25ms\"",
    "cluster.replica_set_status=\"25ms\"",
];

/// With pods that take 20 s, the published second-by-second table holds to within two passes of the controller.
#[test]
fn the_published_timeline_holds() {
    let run = simulation::run(&article("2-pod-tuning", &PUBLISHED).scenario, 1);
    let table = [
        (0.1, "ScaleReplicaSet", "v2", "0 -> 2"),
        (20.25, "SwitchService", "canary", "v1 -> v2"),
        (80.3, "ScaleReplicaSet", "v2", "2 -> 0"),
        (80.55, "ScaleReplicaSet", "v2", "0 -> 1"),
        (100.7, "SetWeight", "ingress", "canary 10 stable 90"),
        (100.8, "ScaleReplicaSet", "v1", "10 -> 9"),
        (160.3, "ScaleReplicaSet", "v2", "1 -> 6"),
        (170.7, "ModifyRule", "ingress", "canary 10 stable 90"),
        (180.45, "SetWeight", "ingress", "canary 60 stable 40"),
        (180.55, "ScaleReplicaSet", "v1", "9 -> 4"),
        (240.3, "ScaleReplicaSet", "v2", "6 -> 8"),
        (250.45, "ModifyRule", "ingress", "canary 60 stable 40"),
        (260.45, "SetWeight", "ingress", "canary 80 stable 20"),
        (260.55, "ScaleReplicaSet", "v1", "4 -> 2"),
        (330.45, "ModifyRule", "ingress", "canary 80 stable 20"),
        (340.45, "SetWeight", "ingress", "canary 90 stable 10"),
        (340.55, "ScaleReplicaSet", "v1", "2 -> 1"),
        (410.45, "ModifyRule", "ingress", "canary 90 stable 10"),
        (420.45, "SetWeight", "ingress", "canary 100 stable 0"),
        (420.55, "ScaleReplicaSet", "v1", "1 -> 0"),
        (480.3, "Promoted", "v2", ""),
        (480.4, "SwitchService", "stable", "v1 -> v2"),
        (480.4, "SetWeight", "ingress", "canary 0 stable 100"),
        (490.45, "ModifyRule", "ingress", "canary 100 stable 0"),
    ];
    for (at, event, object, detail) in table {
        let got = (find(&run, run.release, event, object, detail).at - run.release).as_secs_f64();
        // The table begins when the new ReplicaSet exists and the status is reset: up to two passes before our t = 0.
        assert!((got - at).abs() <= 0.25, "{event} {object} {detail} at {got} s instead of {at} s");
    }
}

#[test]
fn the_old_replica_set_gets_its_deadline_one_pass_after_the_services_have_moved() {
    let run = simulation::run(&article("4-fixed", &[]).scenario, 1);
    let switched = find(&run, run.release, "SwitchService", "stable", "v1 -> v2").at;
    let deadline = run.events.iter().find(|entry| entry.event == "ScaleDownDeadline").expect("there is a deadline").at;
    assert_eq!(
        deadline - switched,
        Duration::millis(100),
        "the persisted weights still name it in the pass of the switch"
    );
}

/// The selector begins a reconcile of the Ingress group; the weight of the same pass is written 15 ms later, too late for
/// its snapshot, and waits for a whole second one.
#[test]
fn a_weight_written_just_after_a_selector_takes_two_reconciles() {
    let overrides = [
        "rollout.replicas=1",
        "rollout.strategy.canary.steps=[{ setWeight = 50 }, { pause = { duration = \"300s\" } }]",
        "load_balancer_controller.reconcile_time=\"70s\"",
    ];
    let run = simulation::run(&article("4-fixed", &overrides).scenario, 1);
    let asked = find(&run, run.release, "SetWeight", "ingress", "canary 50 stable 50").at;
    let switched = find(&run, run.release, "SwitchService", "canary", "v1 -> v2").at;
    let modified = find(&run, run.release, "ModifyRule", "ingress", "canary 50 stable 50").at;
    assert_eq!(asked, switched, "one pass does both");
    assert_eq!(modified - switched, Duration::secs(140));
}

/// The pods that were wanted beyond ten, summed over the time: the published integrals.
#[test]
fn the_published_costs_come_out() {
    for (name, dynamic, verified, pod_seconds) in [
        ("2-pod-tuning", true, false, 363.0),
        ("2-pod-tuning", false, false, 3_183.0),
        ("2-pod-tuning", true, true, 434.0),
        ("2-pod-tuning", false, true, 5_597.0),
        ("3-ninety-nine", true, false, 423.0),
        ("3-ninety-nine", false, false, 3_783.0),
        ("3-ninety-nine", true, true, 564.0),
        ("3-ninety-nine", false, true, 6_907.0),
    ] {
        let overrides = [
            format!("rollout.strategy.canary.dynamicStableScale={dynamic}"),
            format!("rollouts_controller.aws_verify_target_group={verified}"),
            "rollouts_controller.aws_query_time=\"0s\"".to_owned(),
        ];
        let overrides: Vec<&str> = PUBLISHED.into_iter().chain(overrides.iter().map(String::as_str)).collect();
        let run = simulation::run(&article(name, &overrides).scenario, 1);
        let mut wanted = [10.0, 0.0];
        let (mut since, mut extra) = (run.release, 0.0);
        for entry in run.events.iter().filter(|entry| entry.event == "ScaleReplicaSet") {
            extra += (wanted[0] + wanted[1] - 10.0) * (entry.at - since).as_secs_f64();
            let to = entry.detail.split(" -> ").nth(1).and_then(|pods| pods.parse().ok()).expect("a size");
            wanted[usize::from(entry.object == "v2")] = to;
            since = entry.at;
        }
        assert_eq!(wanted, [0.0, 10.0], "{name}: the old ReplicaSet is gone at the end");
        assert!(
            (extra / pod_seconds - 1.0).abs() < 0.02,
            "{name}, {dynamic}, {verified}: {extra} instead of {pod_seconds}"
        );
    }
}
