//! Reports from the field: each scenario under `scenarios/field-reports` gives the published figures, and what a report
//! says about two variants holds between them.

use crate::support;
use rollout_sim::model::outcome::Cause;
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use rollout_sim::units::Duration;

#[test]
fn every_report_comes_out() {
    support::check_thresholds("field-reports");
}

fn run(name: &str, overrides: &[&str]) -> Run {
    let overrides = [overrides, &["thresholds={}"]].concat();
    let loaded = support::of_gallery(&format!("field-reports/{name}"), &overrides);
    simulation::run(&loaded.scenario, loaded.scenario.seed)
}

fn set(key: &str, value: impl std::fmt::Display) -> String {
    format!("{key}={value}")
}

/// `tolerance` of the expected number.
fn check(what: &str, count: u64, expected: f64, tolerance: f64) {
    let error = (count as f64 - expected).abs();
    assert!(error <= tolerance * expected, "{what}: {count} instead of {expected} ± {tolerance}");
}

/// Stale rule: `rate` requests/s for so long as the rule is late, less the time in which the old pods go on answering. That
/// is a pass of the controller, the kubelet and the program: 0.2 s to 0.6 s.
fn check_stale_rule(what: &str, count: u64, rate: f64, seconds: f64) {
    let (least, most) = (rate * (seconds - 0.6).max(0.0), rate * seconds);
    let boundary = 2.0;
    assert!(
        (least - boundary..=most + boundary).contains(&(count as f64)),
        "{what}: {count} is not in {least} to {most}"
    );
}

const LAG: &str = "load_balancer_controller.rule_lag";

#[test]
fn p01_the_deregistration_does_not_matter_to_pods_that_exit_at_once() {
    for deregistration in ["0s", "10s", "40s", "70s"] {
        let run = run("p01-a-pauses-120s", &[&set("load_balancer.deregistration", deregistration)]);
        check(deregistration, run.steps[9].elb_5xx, 1_750.0, 0.05);
    }
}

#[test]
fn p01_a_queue_that_works_one_by_one_makes_it_worse() {
    let queue = ["load_balancer_controller.queue=work_queue", "load_balancer_controller.reconcile_time=70s"];
    let serial = run("p01-a-pauses-60s", &queue);
    assert!(serial.steps[9].elb_5xx > 2_100, "{}", serial.steps[9].elb_5xx);
}

#[test]
fn p02_half_of_the_requests_fail_for_the_whole_lag() {
    for lag in [5, 20, 70] {
        let steps = "rollout.strategy.canary.steps=[{ setWeight = 50 }, { pause = { duration = \"120s\" } }, \
                     { setWeight = 100 }, { pause = { duration = \"120s\" } }]";
        let lag_is = set(LAG, format!("{lag}s"));
        let run = run("p02-stable-at-zero-before-the-weight", &[&lag_is, steps]);
        check_stale_rule(&lag_is, run.steps[3].elb_5xx, 125.0, f64::from(lag));
    }
}

#[test]
fn p02_verification_alone_changes_nothing_but_the_step() {
    let last = |run: &Run| run.steps[2].elb_5xx + run.steps[3].elb_5xx;
    let off = run("p02-weight-verified", &["rollouts_controller.aws_verify_target_group=false"]);
    let on = run("p02-weight-verified", &[]);
    check("verified", last(&on), last(&off) as f64, 0.01);
    let modified =
        on.events.iter().find(|entry| entry.event == "ModifyRule" && entry.detail.starts_with("canary 100 "));
    let modified = modified.expect("the rule changes").at;
    assert!(on.steps[2].completed.expect("it is over") >= modified, "the step waits for the rule");
    // Since 1.7 it does help, unless AWS fails to answer twice in a row.
    let newer = "rollouts_controller.version=\"1.9\"";
    assert_eq!(last(&run("p02-weight-verified", &[newer])), 0);
    let errors = run("p02-weight-verified", &[newer, "rollouts_controller.aws_error_share=0.5"]);
    assert!(last(&errors) > 1_250, "AWS errors: {}", last(&errors));
}

#[test]
fn p02_the_default_delay_covers_thirty_seconds() {
    for lag in ["5s", "20s", "30s"] {
        assert_eq!(run("p02-dynamic-stable-scale-off", &[&set(LAG, lag)]).requests.elb_5xx(), 0, "{lag}");
    }
}

#[test]
fn p03_the_delay_during_the_steps_is_taken_off_the_window() {
    let delay = |seconds: u32| {
        let key = "rollout.strategy.canary.scaleDownDelaySeconds";
        run("p03-delay-honoured", &[&set(key, seconds)]).requests.elb_5xx()
    };
    // From the last stable pod's end on, a quarter of 250/s goes to nobody.
    check("30 s", delay(30), 62.5 * 40.0, 0.05);
    assert_eq!([delay(72), delay(90)], [0, 0]);
}

#[test]
fn p03_the_two_fields_are_refused_together() {
    let path = format!("{}/scenarios/field-reports/p03-delay-honoured.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("it is there");
    let off = ["rollouts_controller.honor_scale_down_delay=false".to_owned()];
    let problems = load(&text, "p03", &off).expect_err("the controller refuses it");
    let both = |text: &str| text.contains("dynamicStableScale") && text.contains("scaleDownDelaySeconds");
    let problem = problems.iter().find(|problem| both(&format!("{} {}", problem.message, problem.help)));
    let problem = problem.unwrap_or_else(|| panic!("{problems:#?}"));
    assert!(problem.place.is_some(), "it says where: {problem:?}");
}

#[test]
fn p04_a_third_version_that_is_sooner_ends_the_window() {
    let sooner = run("p04-third-image-at-half", &["application.versions.v3.startup_time=40s"]);
    check("healthy after 40 s", sooner.requests.elb_5xx(), 5_000.0, 0.05);
    assert_eq!(run("p04-third-image-at-half", &["actions=[]"]).requests.elb_5xx(), 0, "without a third version");
}

#[test]
fn p05_the_overload_is_one_of_capacity() {
    let before = run("p05-after", &["rollouts_controller.version=\"1.7\""]);
    assert_eq!(before.causes[Cause::BacklogFull.index()].count, before.requests.elb_5xx());
    check("1.7", before.requests.elb_5xx(), 1_490.0, 0.05);
}

#[test]
fn p06_the_delay_does_not_hold_for_a_superseded_version_and_an_abort_loses_less() {
    for lag in [1, 10] {
        let lag_is = set(LAG, format!("{lag}s"));
        let superseded = run("p06-superseded-at-80", &[&lag_is]).requests.elb_5xx();
        check_stale_rule(&lag_is, superseded, 80.0, f64::from(lag));
        assert!(run("p06-aborted-at-80", &[&lag_is]).requests.elb_5xx() < superseded);
    }
}

/// Of the release with 1.7: when the full weight was asked for, and the promotion.
fn p07_wait(lag: u32) -> Duration {
    let run = run("p07-after", &[&set(LAG, format!("{lag}s")), "simulation.duration=400s"]);
    assert_eq!(run.requests.elb_5xx(), 0, "{lag} s");
    let asked = run.events.iter().find(|entry| entry.event == "SetWeight" && entry.detail.starts_with("ping 100 "));
    run.rollout.promoted.expect("it is promoted") - asked.expect("the full weight is asked for").at
}

#[test]
fn p07_without_verification_at_the_end_the_lag_beyond_the_delay_is_lost() {
    for lag in [10, 40, 90] {
        let lag_is = set(LAG, format!("{lag}s"));
        // The queries of a pass come on top of the delay.
        let failed = run("p07-before", &[&lag_is, "rollouts_controller.aws_query_time=0s"]).requests.elb_5xx();
        // The deadline has whole seconds: the old pods may go up to one earlier.
        let window = f64::from(lag) - 30.0;
        let (least, most) = (20.0 * (window - 0.6).max(0.0), 20.0 * if window > 0.0 { window + 1.0 } else { 0.0 });
        assert!((least..=most).contains(&(failed as f64)), "{lag_is}: {failed} is not in {least} to {most}");
    }
}

#[test]
fn p07_with_it_the_release_takes_longer_in_steps_of_ten_seconds() {
    let waits: Vec<_> = [40, 45, 50, 55, 60, 70, 80, 90].into_iter().map(|lag| (lag, p07_wait(lag))).collect();
    for pair in waits.windows(2) {
        let longer = (pair[1].1.as_secs_f64() - pair[0].1.as_secs_f64()) / 10.0;
        assert!((longer - longer.round()).abs() < 0.1, "not in steps of 10 s: {waits:?}");
    }
    assert!(waits.iter().all(|(lag, wait)| *wait >= Duration::secs(u64::from(*lag))), "{waits:?}");
}

/// Calls with 200 targets at most that wait for the client's rate limit, 3 s each (assumed), and the rule after 16 s.
#[test]
fn p08_the_swap_race_is_lost_by_large_fleets_only() {
    const RACE: [&str; 9] = [
        "traffic={ rate = \"20/s\", arrivals = \"uniform\", service_time = \"40ms\" }",
        "load_balancer_controller.target_lag=0s",
        "load_balancer_controller.deregister_targets=3s",
        "load_balancer_controller.register_targets=3s",
        "load_balancer.rule_push=5s",
        "load_balancer.deregistration=0s",
        "load_balancer.registration=5s",
        "load_balancer.first_health_check=3s",
        "load_balancer_controller.queue=overlap",
    ];
    let failed = |name: &str, replicas: u32| {
        let replicas = set("rollout.replicas", replicas);
        run(name, &[&RACE[..], &[&replicas]].concat()).requests.elb_503
    };
    let sizes = [10, 50, 300, 600];
    let counts = sizes.map(|replicas| failed("p08-swap-race", replicas));
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(counts[1] == 0 && counts[2] > 0, "between 50 and 300 pods it begins: {counts:?}");
    assert_eq!(sizes.map(|replicas| failed("p08-ping-pong", replicas)), [0; 4]);
}

#[test]
fn p10_verification_keeps_the_old_pods_longer_and_saves_nothing() {
    let [off, on] = ["p10-unverified", "p10-verified"].map(|name| run(name, &[]));
    check("verified", on.requests.elb_503, off.requests.elb_503 as f64, 0.01);
    let gone = |run: &Run| run.rollout.stable_gone.expect("the old pods go") - run.release;
    assert!(gone(&on) >= gone(&off) + Duration::secs(5), "{:?} and {:?}", gone(&on), gone(&off));
}

/// A pod answers 25/s.
#[test]
fn p12_until_the_eighth_pod_more_comes_than_can_be_answered() {
    let run = run("p12-rollback-to-the-first-pod", &[]);
    let acted = run.events.iter().find(|entry| entry.component == "people").expect("somebody rolls back").at;
    // The promotion of v2 ended with no pod of v1.
    let rows = run.seconds.iter().enumerate().skip(usize::try_from(acted.second()).unwrap() + 1);
    let settled = |row: usize| run.seconds[row - 5].stable_serving == run.seconds[row].stable_serving;
    let (mut overloaded, mut carried) = (0, 0);
    for (row, second) in rows.filter(|(row, second)| second.stable_serving > 0 && settled(*row)) {
        if second.stable_serving < 8 {
            assert!(second.elb_504 > 0, "second {row}: {second:?}");
            overloaded += 1;
        } else if second.stable_serving > 8 {
            assert_eq!(second.elb_5xx(), 0, "second {row}: {second:?}");
            carried += 1;
        }
    }
    assert!(overloaded > 10 && carried > 10, "{overloaded} and {carried} seconds");
    // All pods of v1 are back before the rollback is over.
    let over = run.rollout.duration.as_secs_f64() - (acted - run.release).as_secs_f64();
    assert!(over > 60.0, "time to the full rollback: {over} s");
}

#[test]
fn p13_no_version_goes_below_the_pods_that_must_be_available() {
    for version in ["1.6", "1.7", "1.8", "1.9", "1.10"] {
        let run = run("p13-rollback-keeps-its-pods", &[&set("rollouts_controller.version", format!("\"{version}\""))]);
        let fewest = run.seconds.iter().map(|second| second.stable_serving + second.canary_serving).min();
        // 21 - floor(25 % of 21).
        assert!(fewest >= Some(16), "{version}: {fewest:?}");
        assert_eq!(run.requests.elb_5xx(), 0, "{version}");
    }
}

#[test]
fn p15_without_self_heal_the_bad_version_stays_away() {
    let once = run("p15-self-heal", &["argo_cd.application.spec.syncPolicy.automated.selfHeal=false"]);
    check("rolled back once", once.requests.target_5xx, 830.0, 0.05);
    let healed = run("p15-self-heal", &[]);
    let templates = |run: &Run| {
        let is_template = |entry: &&LogEntry| ["undo", "ChangeTemplate"].contains(&entry.event);
        let templates = run.events.iter().filter(is_template);
        templates.map(|entry| format!("{} {}", entry.component, entry.detail)).collect::<Vec<_>>()
    };
    assert_eq!(templates(&once), ["people v1"]);
    assert_eq!(templates(&healed), ["people v1", "argo-cd v2"]);
}

/// Of 6 replicas one may be unavailable, and of 8: pods that serve are not taken away while the new ones start.
#[test]
fn p27_more_replicas_take_no_pod_away() {
    let run = run("p27-scaled-in-the-middle", &[]);
    let serving = |row: usize| run.seconds[row].stable_serving + run.seconds[row].canary_serving;
    let scaled = run.events.iter().find(|entry| entry.event == "set_replicas").expect("somebody scales").at;
    let ready = run.events.iter().filter(|entry| entry.event == "Ready" && entry.at > scaled).map(|entry| entry.at);
    let ready = ready.min().expect("the new pods start").second();
    assert!(ready > scaled.second() + 300, "the new pods take 400 s");
    let least = |rows: std::ops::Range<u64>| rows.map(|row| serving(row as usize)).min();
    assert_eq!(least(0..ready), Some(5));
    let end = run.seconds.len() as u64;
    let full = (ready..end).find(|row| serving(*row as usize) >= 8).expect("all of 8 come");
    assert!(least(ready..end) >= Some(5) && least(full..end) >= Some(7), "{:?}", (least(ready..end), least(full..end)));
    let set = ["actions=[]"];
    let loaded = crate::support::of_gallery("field-reports/p27-scaled-in-the-middle", &set);
    let other = rollout_sim::simulation::run(&loaded.scenario, loaded.scenario.seed);
    assert!(!loaded.thresholds.iter().all(|threshold| threshold.judge(&other).met), "6 replicas stay 6");
}
