//! How releases end, and what is told of those that do not: the outcome, how long they took, on what they wait.

use crate::support;
use rollout_sim::run::{RolloutOutcome, Run};
use rollout_sim::simulation;
use rollout_sim::units::{Duration, Instant};

/// Ten pods that take 10 s; the strategy and what people do follow.
const BASE: &str = r#"
[simulation]
warmup = "20s"
cooldown = "30s"
horizon = "15m"
[traffic]
rate = "20/s"
[application]
startup_time = "10s"
[load_balancer_controller]
rule_lag = "10s"
"#;

const CANARY: &str = r#"
[rollout]
replicas = 10
[[rollout.template.spec.containers]]
name = "web"
lifecycle.preStop.exec.command = ["sleep", "30"]
readinessProbe = { periodSeconds = 2 }
[rollout.template.spec]
terminationGracePeriodSeconds = 60
[rollout.strategy.canary]
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
steps = [
  { setWeight = 10 }, { pause = { duration = "30s" } },
  { setWeight = 50 }, { pause = { duration = "30s" } },
  { setWeight = 100 }, { pause = { duration = "30s" } },
]
"#;

const DYNAMIC: &str = "rollout.strategy.canary.dynamicStableScale=true";

/// A workload under these actions, each an instant in seconds and a verb.
fn play(workload: &str, actions: &[(u64, &str)], overrides: &[&str]) -> Run {
    let action = |(at, verb): &(u64, &str)| format!("[[actions]]\nat = \"{at}s\"\ndo = \"{verb}\"\n");
    let actions: String = actions.iter().map(action).collect();
    simulation::run(&support::scenario(&format!("{BASE}{workload}{actions}"), "endings", overrides), 1)
}

fn seconds(run: &Run, at: Option<Instant>) -> f64 {
    (at.expect("it happened") - run.release).as_secs_f64()
}

/// From the release to the end of the run.
fn all_of(run: &Run) -> Duration {
    run.end - run.release
}

#[test]
fn a_rollback_that_a_pause_holds_is_not_over() {
    let run = play(CANARY, &[(60, "pause"), (70, "undo")], &[DYNAMIC, "simulation.horizon=\"200s\""]);
    assert_eq!((run.rollout.outcome, run.rollout.aborted), (RolloutOutcome::Paused, None));
    assert_eq!(run.rollout.duration, all_of(&run));
    let waits = run.waits_for.expect("it waits");
    for part in ["50 % still go to v2", "stable has 5 of the 10 pods", "pause by hand", "promote"] {
        assert!(waits.contains(part), "{part}: {waits}");
    }
    let ended = play(CANARY, &[(60, "pause"), (70, "undo"), (100, "promote")], &[DYNAMIC]);
    assert_eq!((ended.rollout.outcome, ended.waits_for), (RolloutOutcome::Aborted, None), "promote ends the pause");
}

#[test]
fn a_rollback_without_stable_pods_is_not_over() {
    let slow = "[application.versions.v1]\nstartup_time = \"2h\"\n";
    let run = play(&format!("{CANARY}{slow}"), &[(60, "undo")], &[DYNAMIC, "simulation.horizon=\"300s\""]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Running);
    let waits = run.waits_for.expect("it waits");
    assert_eq!(waits, "stable to take its traffic back: 50 % still go to v2, stable has 5 of its 10 pods");
}

#[test]
fn a_rollback_is_over_when_stable_has_its_pods_and_all_traffic() {
    let still = play(CANARY, &[(60, "undo")], &[]);
    assert_eq!(still.rollout.outcome, RolloutOutcome::Aborted);
    // Stable has all its pods: the next passes take the weight back.
    assert!((60.2..61.0).contains(&still.rollout.duration.as_secs_f64()), "{:?}", still.rollout);
    let longer = play(CANARY, &[(60, "undo")], &["simulation.cooldown=\"5m\""]);
    assert_eq!(longer.rollout.duration, still.rollout.duration, "the cooldown is not part of it");
    let dynamic = play(CANARY, &[(60, "undo")], &[DYNAMIC]);
    let weight = dynamic.events.iter().rfind(|entry| entry.event == "SetWeight").expect("it goes back");
    let over = dynamic.rollout.aborted;
    assert!((0.0..0.2).contains(&(seconds(&dynamic, over) - seconds(&dynamic, Some(weight.at)))), "{over:?}");
    assert!(seconds(&dynamic, over) > 70.0, "stable needs five pods first");
    assert_eq!((dynamic.steps[3].stable_pods, dynamic.steps[3].canary_pods), (5, 5), "as before the rollback");
}

#[test]
fn a_rollback_without_a_router_is_over_with_the_last_new_pod() {
    let basic = CANARY.replace("trafficRouting.alb", "maxUnavailable = 0 #");
    let run = play(&basic, &[(60, "undo")], &[]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    let deleted = run.events.iter().rfind(|entry| entry.event == "Deleted" && entry.detail == "v2").expect("they go");
    let late = seconds(&run, run.rollout.aborted) - seconds(&run, Some(deleted.at));
    assert!((0.0..2.0).contains(&late), "{late}");
    // Half of the pods may be missing: those of v2 go first, and stable grows after that.
    let halved = CANARY.replace("trafficRouting.alb", "maxUnavailable = 5\nmaxSurge = 0 #");
    let run = play(&halved, &[(60, "undo")], &[]);
    let ready = run.events.iter().rfind(|entry| entry.event == "Ready" && entry.detail == "v1").expect("they come");
    let late = seconds(&run, run.rollout.aborted) - seconds(&run, Some(ready.at));
    assert!((0.0..2.0).contains(&late), "{late}");
}

/// Upstream it is an update like any other, with its own steps.
#[test]
fn a_rollback_after_the_promotion_is_promoted() {
    let run = play(CANARY, &[(160, "undo")], &[]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert!(run.rollout.duration > Duration::secs(250), "{:?}", run.rollout.duration);
    assert_eq!(run.steps[5].completed.map(|at| at < run.end), Some(true));
}

#[test]
fn a_deployment_tells_when_it_was_back() {
    const DEPLOYMENT: &str = "[deployment]\nreplicas = 10\n";
    let last_ready = |run: &Run, revision: &str| {
        let ready = run.events.iter().rfind(|entry| entry.event == "Ready" && entry.detail == revision);
        seconds(run, ready.map(|entry| entry.at))
    };
    let probe = "[[deployment.template.spec.containers]]\nname = \"web\"\nreadinessProbe = {}\n";
    let rolling = format!("{DEPLOYMENT}{probe}");
    let recreate = format!("{DEPLOYMENT}strategy.type = \"Recreate\"\n{probe}");
    for (workload, undo, outcome) in [
        (&rolling, 12, RolloutOutcome::Aborted),
        (&rolling, 100, RolloutOutcome::Promoted),
        (&recreate, 100, RolloutOutcome::Promoted),
    ] {
        let run = play(workload, &[(undo, "undo")], &[]);
        assert_eq!(run.rollout.outcome, outcome, "undo at {undo} s: {workload}");
        let over = run.rollout.duration.as_secs_f64();
        assert!(over > undo as f64 && over < all_of(&run).as_secs_f64() - 25.0, "undo at {undo} s: over at {over} s");
        assert!(over >= last_ready(&run, "v1"), "undo at {undo} s: over at {over} s");
    }
    // Another size later on is not another completion.
    let scaled = format!("{rolling}[[actions]]\nat = \"2m\"\ndo = \"set_replicas\"\nreplicas = 14\n");
    let once = play(&rolling, &[], &["simulation.duration=\"200s\""]);
    let scaled = play(&scaled, &[], &["simulation.duration=\"200s\""]);
    assert_eq!(scaled.rollout.duration, once.rollout.duration);
}

#[test]
fn an_abort_that_a_pause_holds_says_so_and_goes_on() {
    let run = play(CANARY, &[(60, "pause"), (70, "abort")], &[DYNAMIC, "simulation.horizon=\"200s\""]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Paused);
    assert_eq!(run.rollout.duration, all_of(&run), "it is not over");
    let waits = run.waits_for.expect("it waits");
    assert!(waits.contains("stable has 5 of the 10 pods that it needs, and the pause by hand keeps it"), "{waits}");
}

/// 1.9 with a delay of its own: stable and canary wait for each other.
#[test]
fn an_abort_that_blocks_itself_takes_the_whole_run() {
    let overrides =
        [DYNAMIC, "rollouts_controller.version=\"1.9\"", "rollout.strategy.canary.abortScaleDownDelaySeconds=60"];
    let run = play(CANARY, &[(80, "abort")], &[&overrides[..], &["simulation.horizon=\"400s\""]].concat());
    assert_eq!((run.rollout.outcome, run.rollout.duration), (RolloutOutcome::Degraded, all_of(&run)));
}

#[test]
fn a_second_release_is_told_by_its_own_figures() {
    let crash = "[application.versions.v2]\ncrash_after = \"30s\"\n";
    let run = play(&format!("{CANARY}{crash}"), &[(80, "deploy")], &[DYNAMIC]);
    let began = run.rollout.began_anew.expect("another template came");
    assert_eq!(Some(began), run.steps[0].started);
    assert!((80.0..81.0).contains(&seconds(&run, Some(began))));
    assert!(run.rollout.elb_5xx_superseded > 0, "v2 crashes with every request that it has");
    let steps: u64 = run.steps.iter().map(|step| step.elb_5xx).sum();
    let rest = run.rollout.elb_5xx_superseded + run.rollout.elb_5xx_after_last_step;
    assert_eq!(steps + rest, run.requests.elb_5xx(), "every failure in one place");
    let failed = |from: u64, to: u64| {
        let rows = run.seconds.iter().skip(from as usize).take((to - from) as usize);
        rows.map(|second| u64::from(second.elb_5xx())).sum::<u64>()
    };
    assert!(run.rollout.elb_5xx_superseded <= failed(20, began.second() + 1));
    assert!(run.rollout.elb_5xx_superseded >= failed(20, began.second()));
}

#[test]
fn a_second_release_has_a_stable_side_of_its_own() {
    let run = play(CANARY, &[(200, "deploy")], &[DYNAMIC]);
    let sizes: Vec<_> = run.steps.iter().map(|step| (step.stable_pods, step.canary_pods)).collect();
    assert_eq!(sizes, [(9, 1), (9, 1), (5, 5), (5, 5), (0, 10), (0, 10)]);
    // Nothing is scaled in the first step, nor since the promotion before it.
    let run = play(&CANARY.replacen("setWeight = 10", "setWeight = 0", 1), &[(200, "deploy")], &[DYNAMIC]);
    assert_eq!((run.steps[0].stable_pods, run.steps[0].canary_pods), (10, 0));
}

/// The third version asks for 10 % while the load balancer still has the 10 % of the second one, with 50 % on their way.
#[test]
fn a_weight_that_another_update_left_behind_does_not_count() {
    let run = play(CANARY, &[(52, "deploy")], &[]);
    let step = &run.steps[0];
    let (started, asked) = (seconds(&run, step.started), seconds(&run, step.weight_asked));
    assert!(asked > started + 5.0, "v3 needs a pod before it gets its weight: {started} s, {asked} s");
    let effective = seconds(&run, step.weight_effective);
    assert!(effective > asked + 10.0, "asked for at {asked} s, with a lag of 10 s: {effective} s");
    let after = run.seconds.iter().skip(effective as usize + 20).take(10);
    for second in after {
        assert_eq!(second.weight_effective_sum, 1_000 * run.nodes, "from {effective} s on");
    }
}
