//! The hazards of a canary: each scenario under `scenarios/hazards` shows its own, and what is said to help does help.

use crate::support;
use rollout_sim::run::Run;
use rollout_sim::simulation;

#[test]
fn every_hazard_shows() {
    support::check_thresholds("hazards");
}

fn run(name: &str, overrides: &[&str]) -> Run {
    let loaded = support::of_gallery(&format!("hazards/{name}"), overrides);
    simulation::run(&loaded.scenario, loaded.scenario.seed)
}

const STEPS: &str = "rollout.strategy.canary.steps";

/// Name, what is set, and how many requests fail then, at most: what the comment of the scenario says.
#[test]
fn every_remedy_helps() {
    let steps = |steps: &str| format!("{STEPS}=[{steps}]");
    let cases: [(&str, String, u64); 11] = [
        ("h2-stable-too-small-for-its-share", "rollout.strategy.canary.dynamicStableScale=false".into(), 0),
        (
            "h3-promotion-empties-the-stable-group",
            "rollout.strategy.canary.pingPong={ pingService = \"web-ping\", pongService = \"web-pong\" }".into(),
            0,
        ),
        (
            "h4-first-weight-without-warm-up",
            steps(
                "{ setCanaryScale = { weight = 50 } }, { pause = { duration = \"20s\" } }, { setWeight = 50 }, \
                 { pause = {} }",
            ),
            0,
        ),
        (
            "h5-lower-weight-shrinks-first",
            steps(
                "{ setWeight = 80 }, { pause = { duration = \"60s\" } }, { setCanaryScale = { weight = 80 } }, \
                 { setWeight = 20 }, { pause = {} }",
            ),
            0,
        ),
        (
            "h6-match-throws-the-warm-pods-away",
            steps(
                "{ setCanaryScale = { weight = 20 } }, { setWeight = 0 }, { pause = { duration = \"20s\" } }, \
                 { setWeight = 20 }, { setCanaryScale = { matchTrafficWeight = true } }, { pause = {} }",
            ),
            0,
        ),
        ("h7-canary-too-small-for-its-weight", format!("{STEPS}[0].setCanaryScale.replicas=5"), 0),
        (
            "h8-abort-shrinks-the-canary",
            "load_balancer.deregistration={ min = \"2s\", mode = \"10s\", max = \"20s\" }".into(),
            0,
        ),
        ("h10-third-version-in-the-middle", "actions=[]".into(), 0),
        ("h11-rollback-to-the-first-pod", "rollout.rollbackWindow={}".into(), 0),
        ("h13-old-pods-leave-before-the-targets", "rollout.strategy.canary.scaleDownDelaySeconds=45".into(), 0),
        ("h1-weight-100-then-pause", "rollout.strategy.canary.dynamicStableScale=false".into(), 0),
    ];
    for (name, set, most) in cases {
        let failed = run(name, &[&set, "thresholds={}"]).requests.elb_5xx();
        assert!(failed <= most, "{name} with {set}: {failed} requests failed");
    }
}

/// A hazard of what people do shows only if they do it.
#[test]
fn without_the_people_their_hazards_do_not_show() {
    for name in [
        "h8-abort-shrinks-the-canary",
        "h9-abort-flaps-the-canary-service",
        "h10-third-version-in-the-middle",
        "h11-rollback-to-the-first-pod",
    ] {
        let loaded = support::of_gallery(&format!("hazards/{name}"), &["actions=[]"]);
        let run = simulation::run(&loaded.scenario, loaded.scenario.seed);
        let is_met = loaded.thresholds.iter().all(|threshold| threshold.judge(&run).met);
        assert!(!is_met, "{name} proves nothing");
    }
}

#[test]
fn verification_keeps_the_last_stable_pod() {
    let verified = run("h1-weight-100-then-pause", &["rollouts_controller.aws_verify_target_group=true"]);
    assert_eq!(verified.steps[2].elb_5xx + verified.steps[3].elb_5xx, 0);
    let errors = run(
        "h1-weight-100-then-pause",
        &["rollouts_controller.aws_verify_target_group=true", "rollouts_controller.aws_error_share=0.5"],
    );
    assert!(errors.steps[2].elb_5xx + errors.steps[3].elb_5xx > 0, "two AWS errors in a row defeat it");
}

#[test]
fn with_pauses_beyond_the_lag_only_the_last_share_fails() {
    let long = "{ setWeight = 50 }, { pause = { duration = \"40s\" } }, { setWeight = 90 }, \
                { pause = { duration = \"40s\" } }, { setWeight = 100 }, { pause = {} }";
    let set = [format!("{STEPS}=[{long}]"), "simulation.duration=160s".to_owned()];
    let run = run("h12-pauses-shorter-than-the-lag", &[&set[0], &set[1]]);
    // 100/s × 10 % × 30 s, ± 5 %.
    assert!((285..=315).contains(&run.steps[5].elb_5xx), "{}", run.steps[5].elb_5xx);
}

#[test]
fn an_abort_moves_the_canary_service_hundreds_of_times() {
    let run = run("h9-abort-flaps-the-canary-service", &[]);
    let aborted = run.rollout.aborted.expect("somebody aborts");
    let switches = run.events.iter().filter(|entry| entry.event == "SwitchService" && entry.at >= aborted);
    // There and back every 0.1 s, for 30 s.
    assert!((500..=700).contains(&switches.count()));
}

#[test]
fn a_delay_of_one_second_ends_what_a_delay_of_zero_keeps() {
    let one = run("h14-delay-of-zero-keeps-the-old-pods", &["rollout.strategy.canary.scaleDownDelaySeconds=1"]);
    assert!(one.pods.extra_pod_seconds() < 150.0, "{}", one.pods.extra_pod_seconds());
}
