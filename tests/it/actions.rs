//! What people do during a release, and what comes of it.

use rollout_sim::run::{LogEntry, RolloutOutcome, Run};
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use rollout_sim::units::Instant;

const SCENARIO: &str = r#"title = "Actions"
[simulation]
warmup = "5s"
cooldown = "5s"
horizon = "20m"
[traffic]
rate = "10/s"
[rollout]
replicas = 10
[rollout.strategy.canary]
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
steps = [
  { setWeight = 10 },
  { pause = { duration = "20s" } },
  { setWeight = 60 },
  { pause = { duration = "20s" } },
  { setWeight = 80 },
  { pause = {} },
]
"#;

/// The scenario with `dynamicStableScale` and these actions.
fn run(dynamic: bool, actions: &str) -> Run {
    let set = [format!("rollout.strategy.canary.dynamicStableScale={dynamic}")];
    let loaded =
        load(&format!("{SCENARIO}{actions}"), "actions", &set).unwrap_or_else(|problems| panic!("{problems:?}"));
    simulation::run(&loaded.scenario, 1)
}

fn seconds(entry: &LogEntry) -> f64 {
    (entry.at - Instant::START).as_secs_f64()
}

/// The controller's events of one kind, as `object detail`, from an instant on.
fn events(run: &Run, event: &str, since: f64) -> Vec<String> {
    let entries = run.events.iter().filter(|entry| entry.event == event && seconds(entry) >= since);
    entries.map(|entry| format!("{} {}", entry.object, entry.detail)).collect()
}

/// When somebody did something first.
fn acted(run: &Run) -> f64 {
    seconds(run.events.iter().find(|entry| entry.component == "people").expect("somebody acted"))
}

const ABORT: &str = "[[actions]]\nwhen = \"step 5\"\nafter = \"10s\"\ndo = \"abort\"\n";

#[test]
fn an_abort_under_dynamic_stable_scale_walks_the_weights_back() {
    let run = run(true, ABORT);
    let since = acted(&run);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    assert_eq!(run.rollout.duration, run.rollout.aborted.expect("it was") - run.release);
    let last = &run.steps[5];
    assert_eq!((last.stable_pods, last.canary_pods), (2, 8), "as they were before the abort");
    let steps: u64 = run.steps.iter().map(|step| step.elb_5xx).sum();
    assert!(run.rollout.elb_5xx_after_abort > 0, "one pod is left for 80 % of the requests");
    assert_eq!(steps + run.rollout.elb_5xx_after_abort, run.requests.elb_5xx());
    let weights = ["canary 60 stable 40", "canary 10 stable 90", "canary 0 stable 100"];
    assert_eq!(events(&run, "SetWeight", since), weights.map(|weight| format!("ingress {weight}")));
    // Stable grows first, and with each weight the canary shrinks in the same pass.
    let sizes = ["v1 2 -> 4", "v2 8 -> 6", "v1 4 -> 9", "v2 6 -> 1", "v1 9 -> 10", "v2 1 -> 0"];
    assert_eq!(events(&run, "ScaleReplicaSet", since), sizes);
    let at = |event: &str, object: &str, detail: &str| {
        let entry =
            run.events.iter().rfind(|entry| entry.event == event && entry.object == object && entry.detail == detail);
        entry.map(|entry| entry.at)
    };
    assert_eq!(at("SetWeight", "ingress", weights[1]), at("ScaleReplicaSet", "v2", "6 -> 1"));
}

#[test]
fn an_abort_without_it_keeps_the_canary_for_thirty_seconds() {
    let run = run(false, ABORT);
    let since = acted(&run);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    assert_eq!(events(&run, "SetWeight", since), ["ingress canary 0 stable 100"]);
    assert_eq!(events(&run, "ScaleReplicaSet", since), ["v2 8 -> 0"]);
    let gone = run.events.iter().rfind(|entry| entry.event == "ScaleReplicaSet").expect("it went");
    let waited = seconds(gone) - since;
    // The deadline has whole seconds.
    assert!((29.0..31.0).contains(&waited), "{waited}");
    // Each pass moves the canary Service there and back (argo-rollouts issue 3078).
    assert!(events(&run, "SwitchService", since).len() > 100);
}

#[test]
fn promote_ends_a_pause_and_the_release() {
    let promote = "[[actions]]\nwhen = \"step 5\"\nafter = \"10s\"\ndo = \"promote\"\n";
    let promoted = run(false, promote);
    assert_eq!(promoted.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(run(false, "").rollout.outcome, RolloutOutcome::Paused);
    // All steps at once: the weights of the steps that are left are never asked for.
    let full = run(true, "[[actions]]\nwhen = \"step 1\"\nafter = \"5s\"\ndo = \"promote_full\"\n");
    assert_eq!(full.rollout.outcome, RolloutOutcome::Promoted);
    assert!(full.rollout.duration < promoted.rollout.duration);
    assert!(full.steps[2].started.is_none());
}

#[test]
fn undo_goes_back_without_steps() {
    let undone = run(false, "[[actions]]\nwhen = \"step 3\"\nafter = \"5s\"\ndo = \"undo\"\n");
    assert_eq!(undone.rollout.outcome, RolloutOutcome::Aborted, "the revision that was released is not the stable one");
    let since = acted(&undone);
    assert_eq!(events(&undone, "SetWeight", since), ["ingress canary 0 stable 100"]);
    assert_eq!(events(&undone, "ScaleReplicaSet", since), ["v2 6 -> 0"]);
}

#[test]
fn a_retry_begins_again_with_the_first_step() {
    let retry = format!("{ABORT}[[actions]]\nwhen = \"step 5\"\nafter = \"60s\"\ndo = \"retry\"\n");
    let promote = "[[actions]]\nat = \"5m\"\ndo = \"promote_full\"\n";
    let again = run(true, &format!("{retry}{promote}"));
    assert_eq!(again.rollout.outcome, RolloutOutcome::Promoted);
    let starts = events(&again, "StepStarted", 0.0).into_iter().filter(|start| start.starts_with("step 0 ")).count();
    assert_eq!(starts, 2);
    // The table tells of the second try, and keeps what failed in the first.
    let rollout = &again.rollout;
    assert_eq!(rollout.began_anew, again.steps[0].started);
    assert!(rollout.elb_5xx_superseded > 0, "the abort lost requests");
    let steps: u64 = again.steps.iter().map(|step| step.elb_5xx).sum();
    let outside = rollout.elb_5xx_superseded + rollout.elb_5xx_after_last_step + rollout.elb_5xx_after_abort;
    assert_eq!(steps + outside, again.requests.elb_5xx());
}

#[test]
fn a_third_version_takes_the_place_of_the_second() {
    let deploy = "[[actions]]\nwhen = \"step 3\"\nafter = \"5s\"\ndo = \"deploy\"\n";
    let promote = "[[actions]]\nat = \"3m\"\ndo = \"promote\"\n";
    let run = run(false, &format!("{deploy}{promote}"));
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    let sizes = events(&run, "ScaleReplicaSet", acted(&run));
    assert!(sizes.contains(&"v2 6 -> 0".to_owned()), "superseded pods go at once: {sizes:?}");
    assert!(
        sizes.iter().any(|size| size.starts_with("v3 ")) && sizes.last() == Some(&"v1 10 -> 0".to_owned()),
        "{sizes:?}"
    );
}

#[test]
fn a_template_that_is_replaced_at_once_leaves_no_replica_set() {
    let deploy = "[[actions]]\nat = \"50ms\"\ndo = \"deploy\"\n";
    let promote = "[[actions]]\nat = \"3m\"\ndo = \"promote\"\n";
    let run = run(false, &format!("{deploy}{promote}"));
    assert_eq!(events(&run, "CreateReplicaSet", 0.0), ["v3 "]);
    assert_eq!(events(&run, "Promoted", 0.0), ["v3 "]);
}

#[test]
fn replicas_can_change_on_the_way() {
    let scale = "[[actions]]\nwhen = \"step 3\"\nafter = \"5s\"\ndo = \"set_replicas\"\nreplicas = 20\n";
    let promote = "[[actions]]\nwhen = \"step 5\"\ndo = \"promote\"\nafter = \"10s\"\n";
    let run = run(true, &format!("{scale}{promote}"));
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    let sizes = events(&run, "ScaleReplicaSet", acted(&run));
    assert_eq!(sizes[..2], ["v1 4 -> 8", "v2 6 -> 12"], "{sizes:?}");
    assert_eq!(sizes.iter().rfind(|size| size.starts_with("v2 ")), Some(&"v2 16 -> 20".to_owned()), "{sizes:?}");
}

#[test]
fn a_release_without_progress_is_degraded_and_may_be_aborted() {
    let stuck = |abort: bool| {
        let set = [
            "application.startup_time=\"30m\"".to_owned(),
            "rollout.template.spec.containers[0].readinessProbe.tcpSocket.port=80".to_owned(),
            "rollout.progressDeadlineSeconds=60".to_owned(),
            format!("rollout.progressDeadlineAbort={abort}"),
        ];
        let loaded = load(SCENARIO, "stuck", &set).unwrap_or_else(|problems| panic!("{problems:?}"));
        simulation::run(&loaded.scenario, 1).rollout
    };
    assert_eq!(stuck(false).outcome, RolloutOutcome::Degraded);
    assert_eq!(stuck(true).outcome, RolloutOutcome::Aborted);
}

#[test]
fn an_action_without_sense_is_refused_in_words() {
    for (action, message) in [
        ("at = \"5m\"", "an action without `do` does nothing"),
        ("do = \"abort\"", "an action has one of `at` and `when`"),
        ("at = \"5m\"\nwhen = \"step 1\"\ndo = \"abort\"", "an action has one of `at` and `when`"),
        ("at = \"5m\"\ndo = \"abrot\"", "there is no action \"abrot\""),
        ("when = \"step 6\"\ndo = \"abort\"", "\"step 6\" is not a step: there are 6, counted from 0"),
        ("when = 4\ndo = \"abort\"", "4 is not a step: there are 6, counted from 0"),
        ("at = \"5m\"\ndo = \"set_replicas\"", "`set_replicas` needs `replicas`"),
        ("at = \"5m\"\ndo = \"abort\"\nreplicas = 3", "only `set_replicas` has `replicas`"),
        ("at = 5\ndo = \"abort\"", "5"),
        ("at = \"5m\"\ndo = \"abort\"\nwho = 3", "unknown key `who`"),
    ] {
        let problems = load(&format!("{SCENARIO}[[actions]]\n{action}\n"), "x", &[]).expect_err(action);
        assert!(problems.iter().any(|problem| problem.message.contains(message)), "{message}: {problems:?}");
        assert!(problems.iter().any(|problem| problem.place.is_some()), "{message} has a place");
    }
}

#[test]
fn all_mistakes_of_an_action_come_at_once() {
    let told = |action: &str, set: &[String]| {
        let problems = load(&format!("{SCENARIO}[[actions]]\n{action}\n"), "x", set).expect_err(action);
        problems.into_iter().map(|problem| (problem.message, problem.help)).collect::<Vec<_>>()
    };
    let messages = |action: &str| told(action, &[]).into_iter().map(|(message, _)| message).collect::<Vec<_>>();
    assert_eq!(
        messages("at = 5\nafter = \"soon\"\ndo = \"abrot\"\nwho = 3"),
        [
            "5 is a bare number, a duration needs its unit",
            "`soon` is not a duration: write a number with its unit, like \"30s\", \"250ms\" or \"1m30s\"",
            "there is no action \"abrot\"",
            "unknown key `who`",
        ]
    );
    assert_eq!(
        messages("when = \"step 6\"\ndo = \"set_replicas\"\nreplicas = -1"),
        ["\"step 6\" is not a step: there are 6, counted from 0", "`replicas` is -1, it must lie between 0 and 10,000",]
    );
    let help = |set: &[String]| told("when = \"step 6\"\ndo = \"abort\"", set).remove(0).1;
    assert_eq!(help(&[]), "write when = \"step 5\" for the last one, or a condition like \"elb_5xx.rate > 1%\"");
    let none = ["rollout.strategy.canary.steps=[]".to_owned()];
    assert_eq!(help(&none), "write a condition like \"elb_5xx.rate > 1%\"");
}

#[test]
fn a_release_that_is_not_over_says_on_what_it_waits() {
    let waits = |actions: &str, set: &[&str]| {
        let set: Vec<_> = set.iter().map(|set| (*set).to_owned()).collect();
        let loaded = load(&format!("{SCENARIO}{actions}"), "x", &set).unwrap_or_else(|problems| panic!("{problems:?}"));
        simulation::run(&loaded.scenario, 1).waits_for
    };
    let stuck = [
        "application.startup_time=\"30m\"",
        "rollout.template.spec.containers[0].readinessProbe.tcpSocket.port=80",
        "rollout.progressDeadlineSeconds=60",
    ];
    let paused = "[[actions]]\nat = \"10s\"\ndo = \"pause\"\n";
    for (actions, set, expected) in [
        ("", &[][..], Some("somebody to promote it: step 5 (pause) has no end")),
        (
            "",
            &stuck,
            Some("step 0 (setWeight 10): 0 of 1 pods of v2 are available, and the progress deadline has passed"),
        ),
        (paused, &[], Some("`kubectl argo rollouts promote`: the Rollout was paused by hand")),
        ("", &["simulation.duration=\"15s\""], Some("the end of step 1 (pause 20s)")),
        (ABORT, &[], None),
    ] {
        assert_eq!(waits(actions, set).as_deref(), expected);
    }
}

#[test]
fn a_rollout_that_is_paused_in_its_manifest_waits_for_somebody() {
    let paused = |actions: &str| {
        let set = ["rollout.paused=true", "rollout.strategy.canary.steps[5]={ pause = { duration = \"5s\" } }"];
        let text = format!("{SCENARIO}{actions}");
        let loaded = load(&text, "paused", &set.map(str::to_owned)).unwrap_or_else(|problems| panic!("{problems:?}"));
        simulation::run(&loaded.scenario, 1)
    };
    let waiting = paused("");
    assert_eq!(waiting.rollout.outcome, RolloutOutcome::Paused);
    assert!(events(&waiting, "ScaleReplicaSet", 0.0).is_empty(), "no pods, no steps");
    assert_eq!(waiting.steps[0].completed, None);
    let waits = "`kubectl argo rollouts promote`: the Rollout was paused by hand";
    assert_eq!(waiting.waits_for.as_deref(), Some(waits));
    let promoted = paused("[[actions]]\nat = \"1m\"\ndo = \"promote\"\n");
    assert_eq!(promoted.rollout.outcome, RolloutOutcome::Promoted);
    assert!(events(&promoted, "ScaleReplicaSet", 0.0).len() > 2, "and then it goes its way");
}

/// The controller lets it pass, and calls it complete when the canary has the pods of its `setCanaryScale`.
#[test]
fn a_step_of_a_scale_and_a_weight_asks_for_both() {
    let of = |verifies: bool| {
        let set = [
            "rollout.strategy.canary.steps[0]={ setCanaryScale = { replicas = 4 }, setWeight = 10 }",
            "rollout.strategy.canary.steps[2]={ setCanaryScale = { matchTrafficWeight = true }, setWeight = 60 }",
            "rollout.strategy.canary.steps[5]={ pause = { duration = \"5s\" } }",
        ];
        let flag = format!("rollouts_controller.aws_verify_target_group={verifies}");
        let set: Vec<_> = set.iter().map(|set| (*set).to_owned()).chain([flag]).collect();
        let loaded = load(SCENARIO, "both", &set).unwrap_or_else(|problems| panic!("{problems:?}"));
        simulation::run(&loaded.scenario, 1)
    };
    let run = of(false);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    let weights = events(&run, "SetWeight", 0.0);
    assert_eq!(weights[..2], ["ingress canary 10 stable 90", "ingress canary 60 stable 40"]);
    assert_eq!(events(&run, "ScaleReplicaSet", 0.0)[..2], ["v2 0 -> 4", "v2 4 -> 6"]);
    assert_eq!(run.steps[0].step, "setWeight 10, setCanaryScale replicas 4");
    assert!(run.steps[0].weight_effective.is_some(), "its weight is told like that of any setWeight");
    // Verification holds a setWeight up, and not this one.
    let took = |run: &Run, step: usize| {
        (run.steps[step].completed.expect("it was") - run.steps[step].started.expect("it was")).as_secs_f64()
    };
    let verified = of(true);
    assert!((took(&verified, 2) - took(&run, 2)).abs() < 3.0, "{} s", took(&verified, 2));
    assert!(took(&verified, 4) > took(&run, 4) + 3.0, "{} s", took(&verified, 4));
}
