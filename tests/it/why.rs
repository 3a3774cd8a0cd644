//! The report's sentences: what made requests fail, told of what happened in this run, and why a release was aborted.

use rollout_sim::report::{summary, text, why};
use rollout_sim::run::Run;
use rollout_sim::scenario::Loaded;
use rollout_sim::scenario::load::load;
use rollout_sim::{simulation, units::Instant};

const HEAD: &str = r#"[simulation]
warmup = "20s"
cooldown = "30s"
horizon = "15m"
[traffic]
rate = "100/s"
"#;

const REST: &str = r#"[ingress.annotations]
"alb.ingress.kubernetes.io/target-group-attributes" = "deregistration_delay.timeout_seconds=30"
[application]
startup_time = "10s"
[load_balancer_controller]
rule_lag = "10s"
"#;

const POD: &str = r#"terminationGracePeriodSeconds = 60
containers = [{ name = "web", lifecycle.preStop.exec.command = ["sleep", "30"], readinessProbe.periodSeconds = 2 }]
"#;

const CANARY: &str = r#"[rollout.strategy.canary]
dynamicStableScale = true
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
steps = [ { setWeight = 10 }, { pause = { duration = "30s" } }, { setWeight = 50 }, { pause = { duration = "30s" } },
          { setWeight = 100 }, { pause = { duration = "30s" } } ]
"#;

const PING_PONG: &str = "rollout.strategy.canary.pingPong={ pingService = \"web-ping\", pongService = \"web-pong\" }";

/// A run of such a strategy with such actions.
struct Played {
    loaded: Loaded,
    run: Run,
}

fn play(strategy: &str, actions: &str, overrides: &[&str]) -> Played {
    let workload = format!("[rollout]\nreplicas = 10\n[rollout.template.spec]\n{POD}{strategy}");
    play_text(&format!("{HEAD}{workload}{REST}{actions}"), overrides)
}

fn play_text(text: &str, overrides: &[&str]) -> Played {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let loaded = load(text, "why", &overrides).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    let run = simulation::run(&loaded.scenario, 1);
    Played { loaded, run }
}

fn act(at: &str, verb: &str) -> String {
    format!("[[actions]]\nat = \"{at}\"\ndo = {verb}\n")
}

impl Played {
    fn why(&self) -> String {
        why::explain(&self.loaded, &self.run)
    }

    fn says(&self, parts: &[&str]) {
        let why = self.why();
        for part in parts {
            assert!(why.contains(part), "`{part}` is not in: {why}");
        }
    }

    fn report(&self) -> String {
        let text = text::render(&self.loaded, &self.run, &[], 100);
        anstream::adapter::strip_str(&text).to_string()
    }

    /// When the last such event happened, as the report writes it.
    fn last(&self, event: &str, detail: &str) -> String {
        let found = self.run.events.iter().rfind(|entry| entry.event == event && entry.detail == detail);
        let at = found.unwrap_or_else(|| panic!("no {event} {detail}")).at;
        let since = (at - Instant::START).as_secs_f64() - (self.run.release - Instant::START).as_secs_f64();
        let text = format!("{since:.1}");
        format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
    }
}

#[test]
fn the_pods_that_went_are_those_that_had_the_requests() {
    let steps = "rollout.strategy.canary.steps=[{ setWeight = 80 }, { pause = { duration = \"60s\" } }]";
    let third = play(CANARY, &(act("1s", "\"deploy\"") + &act("60s", "\"abort\"")), &[PING_PONG, steps]);
    third.says(&["After the abort (t = 60.1 s)", "the ReplicaSet of v3 from 1 to 0 pods"]);
    assert!(!third.why().contains("v2"), "no request ever went to v2: {}", third.why());
}

#[test]
fn the_weight_that_ended_the_failures_is_the_one_that_is_told() {
    let undone = play(CANARY, &act("60s", "\"undo\""), &[PING_PONG]);
    let ended = undone.last("RuleEffective", "ping 0 pong 100");
    undone.says(&[
        "After `undo v1` (t = 60 s), the controller scaled the ReplicaSet of v2 from 5 to 0 pods 100 ms after it asked \
         for weight 0",
        &format!("kept sending 50 % of the requests to the ping target group until t = {ended}, "),
        "after that weight was asked for. Between t = 84.1 s and t = 97.9 s",
    ]);
    // The failures go on over the abort: one stretch with one cause.
    let aborted = play(CANARY, &act("115s", "\"abort\""), &[]);
    let ended = aborted.last("RuleEffective", "canary 100 stable 0");
    aborted.says(&[
        "At setWeight 100 (t = 89.1 s), the controller scaled the ReplicaSet of v1",
        &format!("50 % of the requests to the stable target group until t = {ended}"),
        &format!("and t = {ended}, "),
    ]);
}

#[test]
fn what_ended_the_failures_before_the_rule_is_told() {
    let steps = |steps: &str| format!("rollout.strategy.canary.steps=[{steps}]");
    let pause = |seconds: &str| format!("{{ pause = {{ duration = \"{seconds}s\" }} }}");
    let back = format!(
        "{{ setWeight = 60 }}, {}, {{ setWeight = 20 }}, {}, {{ setWeight = 0 }}, {}",
        pause("20"),
        pause("20"),
        pause("10")
    );
    play(CANARY, "", &[&steps(&back)]).says(&[
        "up to 60 % of the requests to the canary target group until t = 103.1 s, 24.8 s after weight 0 was asked for",
        " and t = 86.3 s, ",
        "New targets of the canary target group ended it earlier (t = 86.4 s).",
    ]);
    let quick = "{ setWeight = 10 }, { pause = {} }, { setWeight = 50 }, { pause = {} }, { setWeight = 100 }";
    let promotes = act("60s", "\"promote\"") + &act("90s", "\"promote\"");
    play(CANARY, &promotes, &[&steps(quick)]).says(&[
        "to the stable target group until t = 130 s, 24.7 s after weight 0 was asked for",
        "The promotion ended it earlier",
    ]);
}

#[test]
fn an_exchange_of_targets_is_told_of_the_switch_that_began_it() {
    let blue_green = "[rollout.strategy.blueGreen]\nactiveService = \"a\"\npreviewService = \"b\"\n";
    let undone = play(blue_green, &act("20s", "\"undo\""), &[]);
    undone.says(&[
        "In the release, which has no steps, the controller pointed the active Service from v1 to v2 (t = 15.4 s)",
    ]);
    let thrice = play(blue_green, &(act("60s", "\"undo\"") + &act("90s", "\"deploy\"")), &[]);
    thrice.says(&["After `deploy v3` (t = 90 s), the controller pointed the active Service from v1 to v3"]);
    assert!(!thrice.why().contains("between t = 20"), "{}", thrice.why());
    let aborted = play(CANARY, &act("80s", "\"abort\""), &["rollout.strategy.canary.dynamicStableScale=false"]);
    aborted.says(&["pointed the canary Service from v2 to v1 (t = 80.1 s, and to and fro with each later pass)"]);
}

#[test]
fn a_rule_that_is_out_of_date_is_told_as_such() {
    let loaded = crate::support::of_gallery("hazards/h10-third-version-in-the-middle", &[]);
    let run = simulation::run(&loaded.scenario, loaded.scenario.seed);
    Played { loaded, run }.says(&[
        "After `deploy v3` (t = 57.6 s), 1 pod of v3 got 80 % of the requests",
        "the ALB still routed by weight 80, asked for at t = 12.6 s, and not yet by weight 10, asked for at t = 78.3 s",
    ]);
}

#[test]
fn what_people_do_is_named() {
    let none = format!("{}replicas = 0\n", act("50s", "\"set_replicas\""));
    let expected = "After `set_replicas 0` (t = 50 s), the controller removed every pod. Between t = ";
    play(CANARY, &none, &["simulation.horizon=200s"]).says(&[expected]);
    let deployment = format!("{HEAD}[deployment]\nreplicas = 10\n[deployment.template.spec]\n{POD}{REST}{none}");
    play_text(&deployment, &["simulation.horizon=200s"]).says(&[expected]);
    let undone = play(CANARY, &act("60s", "\"undo\""), &["rollout.strategy.canary.dynamicStableScale=false"]);
    undone.says(&["After `undo v1` (t = 60 s), the controller pointed the canary Service from v2 to v1 (t = 60.3 s)"]);
    let report = undone.report();
    let row = report.lines().find(|line| line.contains("after the undo")).expect("a row");
    assert!(row.contains(" 60 s ") && row.ends_with(" 6"), "{row}");
    let steps: u64 = undone.run.steps.iter().map(|step| step.elb_5xx).sum();
    assert_eq!((steps, undone.run.rollout.elb_5xx_after_undo), (0, 6));
    assert_eq!((undone.run.steps[3].stable_pods, undone.run.steps[3].canary_pods), (10, 5), "as they were before it");
}

#[test]
fn a_second_release_in_a_run_is_not_before_the_release() {
    let actions = act("200s", "\"deploy\"") + &act("220s", "\"abort\"");
    // The second one ends before anything fails.
    play(CANARY, &actions, &[])
        .says(&["At setWeight 100 (t = 89.1 s), the controller scaled the ReplicaSet of v1 from 5 to 0"]);
}

#[test]
fn a_rollback_within_the_window_is_told_by_its_undo_and_its_revision() {
    for (name, expected) in [
        (
            "field-reports/p14-last-weight-for-one-pod",
            "After `undo v1` (t = 120 s), 1 pod of v1 got 70 % of the requests",
        ),
        (
            "field-reports/p12-rollback-to-the-first-pod",
            "After `undo v1` (t = 140 s), 1 pod of v1 got 100 % of the requests",
        ),
    ] {
        let loaded = crate::support::of_gallery(name, &[]);
        let run = simulation::run(&loaded.scenario, loaded.scenario.seed);
        let played = Played { loaded, run };
        played.says(&[expected]);
        if let Some(waits_for) = &played.run.waits_for {
            assert_eq!(waits_for, "the promotion: 7 of 20 pods of v1 are available");
        }
    }
}

#[test]
fn the_report_says_why_a_release_was_aborted() {
    let loaded = crate::support::of_gallery("strategies/analysis-of-a-bad-version", &[]);
    let run = simulation::run(&loaded.scenario, loaded.scenario.seed);
    let deadline = [
        "rollout.progressDeadlineSeconds=60",
        "rollout.progressDeadlineAbort=true",
        "application.versions.v2.startup_time=\"30m\"",
        "rollout.template.spec.containers[0].readinessProbe.tcpSocket.port=80",
    ];
    for (played, reason) in [
        (
            Played { loaded, run },
            "Metric \"success-rate\" assessed Failed due to failed (3) > failureLimit (2) (t = 115.1 s)",
        ),
        (play(CANARY, &act("60s", "\"abort\""), &[]), "by a person (t = 60 s)"),
        (play(CANARY, &act("60s", "\"undo\""), &[]), "by a person, with `undo v1` (t = 60 s)"),
        (
            play(CANARY, "", &deadline),
            "by the progress deadline (t = 61.1 s): ReplicaSet \"v2\" has timed out progressing.",
        ),
    ] {
        let report = played.report();
        assert!(report.contains(&format!("\naborted    {reason}")), "`{reason}` is not in:\n{report}");
        let rollout = summary::summary(&played.loaded, &played.run, &[])["rollout"].clone();
        assert_eq!(rollout["abort_reason"], reason);
        assert!(rollout["aborted_s"].as_f64().is_some_and(|at| at >= 60.0), "{rollout}");
    }
    let blue_green = "[rollout.strategy.blueGreen]\nactiveService = \"a\"\npreviewService = \"b\"\n";
    let again = play(blue_green, &(act("60s", "\"undo\"") + &act("90s", "\"deploy\"")), &[]);
    assert!(!again.report().contains("\naborted "), "the third version is promoted: {}", again.report());
    let promoted = play(CANARY, "", &[]);
    assert!(!promoted.report().contains("\naborted "));
    assert!(summary::summary(&promoted.loaded, &promoted.run, &[])["rollout"]["abort_reason"].is_null());
}

#[test]
fn the_release_stands_under_its_place_in_a_long_run_too() {
    let long = play(CANARY, &act("700s", "\"deploy\""), &["simulation.horizon=20m"]);
    let report = long.report();
    assert!(report.contains("↑ 0 s, the release"), "{report}");
}

#[test]
fn the_log_has_milliseconds() {
    let run = play(CANARY, "", &["rollout.strategy.canary.dynamicStableScale=false"]).run;
    let deadline = run.events.iter().find(|entry| entry.event == "ScaleDownDeadline").expect("one is set");
    let left = deadline.detail.trim_start_matches("in ").trim_end_matches('s');
    assert!(left.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 3), "{}", deadline.detail);
}
