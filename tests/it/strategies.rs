//! The strategies beside the traffic-routed canary, and the Deployments that people compare them with.

use crate::support;
use rollout_sim::model::Revision;
use rollout_sim::run::{LogEntry, RolloutOutcome, Run};
use rollout_sim::scenario::Scenario;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use rollout_sim::units::Instant;

/// Ten pods that take 5 s; the workload follows.
const BASE: &str = r#"
[simulation]
warmup = "5s"
cooldown = "5s"
horizon = "10m"
[traffic]
rate = "50/s"
arrivals = "uniform"
[application]
startup_time = "5s"
"#;

fn scenario(workload: &str, overrides: &[&str]) -> Scenario {
    support::scenario(&format!("{BASE}{workload}"), "strategies", overrides)
}

fn play(workload: &str, overrides: &[&str]) -> Run {
    simulation::run(&scenario(workload, overrides), 1)
}

fn seconds(run: &Run, entry: &LogEntry) -> f64 {
    entry.at.as_nanos() as f64 / 1e9 - run.release.as_nanos() as f64 / 1e9
}

fn of<'a>(run: &'a Run, event: &'a str) -> impl Iterator<Item = &'a LogEntry> {
    run.events.iter().filter(move |entry| entry.event == event)
}

/// `object detail` of each event of a kind.
fn details(run: &Run, event: &str) -> Vec<String> {
    of(run, event).map(|entry| format!("{} {}", entry.object, entry.detail)).collect()
}

fn at(run: &Run, event: &str, object: &str, detail: &str) -> f64 {
    let entry = of(run, event).find(|entry| entry.object == object && entry.detail == detail);
    seconds(run, entry.unwrap_or_else(|| panic!("no {event} {object} {detail}")))
}

const BASIC: &str = r#"
[rollout]
replicas = 10
[rollout.strategy.canary]
maxSurge = 1
maxUnavailable = 0
steps = [{ setWeight = 25 }, { pause = { duration = "20s" } }, { setWeight = 60 }, { pause = { duration = "20s" } }]
"#;

#[test]
fn without_a_router_the_pods_split_the_traffic() {
    let scenario = scenario(BASIC, &[]);
    let run = simulation::run_traced(&scenario, 1).run;
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(of(&run, "SetWeight").count(), 0, "nobody asks for a weight");
    // The published table: with surge 25 % of ten pods are three of eleven, and 60 % are six of ten.
    let sizes = run.steps.iter().map(|step| (step.canary_pods, step.stable_pods)).collect::<Vec<_>>();
    assert_eq!(sizes, [(3, 8), (3, 8), (6, 4), (6, 4)]);
    assert_eq!(
        run.pods.peak,
        11 + terminating(&run),
        "never more than one beyond the replicas, but for those that end"
    );
    // What the pods serve is the share: round robin over all targets.
    let second = &run.seconds[usize::try_from(run.steps[3].started.expect("it began").second()).unwrap() + 15];
    assert_eq!((second.canary_serving, second.stable_serving), (6, 4));
}

/// The most pods that were terminating when there were most pods.
fn terminating(run: &Run) -> u32 {
    let most = run.seconds.iter().map(|second| second.pods_total).max().expect("there are seconds");
    let then = run.seconds.iter().filter(|second| second.pods_total == most);
    u32::from(then.map(|second| second.terminating).max().expect("one is the most"))
}

const BLUE_GREEN: &str = r#"
[rollout]
replicas = 10
[rollout.strategy.blueGreen]
activeService = "active"
previewService = "preview"
"#;

#[test]
fn blue_green_moves_one_service_when_all_new_pods_are_there() {
    let run = play(BLUE_GREEN, &[]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(details(&run, "ScaleReplicaSet"), ["v2 0 -> 10", "v1 10 -> 0"]);
    assert_eq!(details(&run, "SwitchService"), ["preview v1 -> v2", "active v1 -> v2"]);
    let (preview, active) =
        (at(&run, "SwitchService", "preview", "v1 -> v2"), at(&run, "SwitchService", "active", "v1 -> v2"));
    let ready = of(&run, "Ready").filter(|entry| entry.detail == "v2").map(|entry| seconds(&run, entry));
    assert!(preview < 1.0, "before the pods are there: {preview}");
    assert!(ready.fold(0.0, f64::max) < active, "after the last of them");
    // scaleDownDelaySeconds: 30, to whole seconds.
    let gone = at(&run, "ScaleReplicaSet", "v1", "10 -> 0");
    assert!((29.0..31.0).contains(&(gone - active)), "{gone} - {active}");
}

#[test]
fn blue_green_waits_where_it_is_told_to() {
    let later = play(BLUE_GREEN, &["rollout.strategy.blueGreen.autoPromotionSeconds=40"]);
    let ready = of(&later, "Ready").filter(|entry| entry.detail == "v2").map(|entry| seconds(&later, entry));
    let waited = at(&later, "SwitchService", "active", "v1 -> v2") - ready.fold(0.0, f64::max);
    // The pause begins and ends with the pass after, and its start has whole seconds.
    assert!((39.0..41.5).contains(&waited), "{waited}");

    let never = ["rollout.strategy.blueGreen.autoPromotionEnabled=false", "simulation.horizon=\"2m\""];
    let waiting = play(BLUE_GREEN, &never);
    assert_eq!(waiting.rollout.outcome, RolloutOutcome::Paused);
    let waits = "somebody to promote it: the active Service does not move by itself";
    assert_eq!(waiting.waits_for.as_deref(), Some(waits));
    assert_eq!(of(&waiting, "SwitchService").filter(|entry| entry.object == "active").count(), 0);
    let promote = format!("{BLUE_GREEN}[[actions]]\nat = \"60s\"\ndo = \"promote\"\n");
    let promoted = play(&promote, &never);
    assert_eq!(promoted.rollout.outcome, RolloutOutcome::Promoted);
    let moved = at(&promoted, "SwitchService", "active", "v1 -> v2");
    assert!((60.0..61.0).contains(&moved), "{moved}");
}

#[test]
fn a_preview_grows_to_its_full_size_after_the_pause() {
    let overrides =
        ["rollout.strategy.blueGreen.previewReplicaCount=2", "rollout.strategy.blueGreen.autoPromotionSeconds=20"];
    let run = play(BLUE_GREEN, &overrides);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(details(&run, "ScaleReplicaSet"), ["v2 0 -> 2", "v2 2 -> 10", "v1 10 -> 0"]);
}

#[test]
fn an_aborted_preview_goes_after_thirty_seconds() {
    let abort = format!("{BLUE_GREEN}[[actions]]\nat = \"30s\"\ndo = \"abort\"\n");
    let run = play(&abort, &["rollout.strategy.blueGreen.autoPromotionEnabled=false"]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    let gone = at(&run, "ScaleReplicaSet", "v2", "10 -> 0");
    assert!((59.0..61.5).contains(&gone), "{gone}");
    assert_eq!(run.requests.elb_5xx(), 0, "the active Service never moved");
}

/// Unlike the Services of a canary, both stay where they are.
#[test]
fn a_pause_by_hand_keeps_both_services_of_blue_green() {
    let pause =
        |at: &str| format!("{BLUE_GREEN}autoPromotionSeconds = 10\n[[actions]]\nat = \"{at}\"\ndo = \"pause\"\n");
    let short = ["simulation.horizon=\"100s\""];
    for (text, services) in [
        // Before the controller saw the template; the new pods come all the same.
        (BLUE_GREEN.replace("replicas = 10", "replicas = 10\npaused = true"), vec![]),
        (pause("3s"), vec!["preview v1 -> v2"]),
    ] {
        let run = play(&text, &short);
        assert_eq!(details(&run, "SwitchService"), services, "{text}");
        assert_eq!(details(&run, "ScaleReplicaSet"), ["v2 0 -> 10"], "{text}");
        assert_eq!(run.rollout.outcome, RolloutOutcome::Paused);
        let waits = "`kubectl argo rollouts promote`: the Rollout was paused by hand";
        assert_eq!(run.waits_for.as_deref(), Some(waits));
    }
    // Not even an abort takes the active Service back.
    let template = "[[analysis_templates]]\nname = \"long\"\nmetrics = [{ name = \"m\", count = 60, interval = \"10s\", \
                    provider.simulation.query = \"success.rate\" }]\n";
    let after = "postPromotionAnalysis = { templates = [{ templateName = \"long\" }] }\n";
    let actions = "[[actions]]\nat = \"40s\"\ndo = \"pause\"\n[[actions]]\nat = \"50s\"\ndo = \"abort\"\n";
    let run = play(&format!("{BLUE_GREEN}{after}{template}{actions}"), &short);
    assert_eq!(details(&run, "SwitchService"), ["preview v1 -> v2", "active v1 -> v2"]);
    let waits = "`kubectl argo rollouts promote`: the pause by hand keeps the active Service where it is";
    assert_eq!(run.waits_for.as_deref(), Some(waits));
    let promote = "[[actions]]\nat = \"60s\"\ndo = \"promote\"\n";
    let run = play(&format!("{}{promote}", pause("3s")), &[]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    let moved = at(&run, "SwitchService", "active", "v1 -> v2");
    assert!((70.0..72.0).contains(&moved), "the pause of the strategy begins then: {moved}");
}

#[test]
fn the_pause_before_the_switch_begins_when_the_analysis_is_over() {
    let analysis = "autoPromotionSeconds = 20\nprePromotionAnalysis = { templates = [{ templateName = \"t\" }] }\n\
                    [[analysis_templates]]\nname = \"t\"\nmetrics = [{ name = \"m\", count = 5, interval = \"10s\", \
                    provider.simulation.query = \"success.rate\" }]\n";
    let run = play(&format!("{BLUE_GREEN}{analysis}"), &[]);
    let finished = of(&run, "Finished").next().expect("it ends");
    let pause = at(&run, "SwitchService", "active", "v1 -> v2") - seconds(&run, finished);
    assert!((19.0..21.5).contains(&pause), "{pause}");
    assert!(seconds(&run, finished) > 40.0, "five measurements, ten seconds apart");
}

/// P11: preview URLs have an outage in each release, the active one has none.
#[test]
fn a_preview_points_at_nothing_first() {
    let rules = r#"
[[ingress.rules]]
http.paths = [{ backend.service.name = "preview" }]
"#;
    let timing = [
        "traffic.rate=\"20/s\"",
        "application.startup_time=\"45s\"",
        "load_balancer.registration=\"0s\"",
        "load_balancer.first_health_check=\"30s\"",
        "load_balancer.deregistration=\"0s\"",
        "load_balancer_controller.target_lag=\"0s\"",
    ];
    let probe = "[[rollout.template.spec.containers]]\nname = \"web\"\nreadinessProbe = { periodSeconds = 1 }\n";
    let preview = play(&format!("{BLUE_GREEN}{probe}{rules}"), &timing);
    // 45 s until the pods are ready, 30 s until the ALB finds them healthy: 20/s for 75 s, and for what the cluster takes.
    let outage = preview.requests.elb_503 as f64 / 20.0;
    assert!((75.0..80.0).contains(&outage), "{outage} s");
    let active = play(
        &format!("{BLUE_GREEN}{probe}"),
        &[timing[0], timing[1], "rollout.strategy.blueGreen.autoPromotionEnabled=false"],
    );
    assert_eq!(active.requests.elb_5xx(), 0, "until the active Service moves");
}

const DEPLOYMENT: &str = "[deployment]\nreplicas = 10\n";

/// The published sequence for ten pods with 25 % and 25 %.
#[test]
fn a_rolling_update_takes_the_published_steps() {
    let run = play(
        DEPLOYMENT,
        &[
            "cluster.image_pull=\"0s\"",
            "cluster.sandbox_creation=\"0s\"",
            "cluster.container_start=\"0s\"",
            "cluster.container_seen=\"0s\"",
            "cluster.scheduling=\"0s\"",
        ],
    );
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    let sizes = details(&run, "ScaleReplicaSet");
    // All pods of a wave become available together, but for what the news takes.
    assert_eq!(sizes[..3], ["v2 0 -> 3", "v1 10 -> 8", "v2 3 -> 5"]);
    let of_v1: Vec<u32> = run
        .events
        .iter()
        .filter(|entry| entry.event == "ScaleReplicaSet" && entry.object == "v1")
        .map(|entry| entry.detail.split(" -> ").nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(of_v1.is_sorted_by(|a, b| a > b) && of_v1.last() == Some(&0), "{of_v1:?}");
    // Never more than 13 that do not terminate, never fewer than 8 that serve.
    for second in &run.seconds {
        assert!(second.pods_total - second.terminating <= 13, "{second:?}");
        assert!(second.stable_serving + second.canary_serving >= 8, "{second:?}");
    }
}

#[test]
fn recreate_is_an_outage_from_the_last_old_target_to_the_first_new_one() {
    let run = play(DEPLOYMENT, &["deployment.strategy.type=\"Recreate\""]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(details(&run, "ScaleReplicaSet"), ["v1 10 -> 0", "v2 0 -> 10"]);
    let gone = of(&run, "Removed").map(|entry| entry.at).max().expect("pods went");
    let created = of(&run, "Created").map(|entry| entry.at).min().expect("pods came");
    assert!(created > gone, "the new ones wait for the last old one");
    let empty: Vec<_> = run.seconds.iter().filter(|second| second.elb_5xx() == second.requests).collect();
    assert!(empty.len() >= 5, "{} s without a single answer", empty.len());
}

#[test]
fn a_deployment_goes_back_by_undo() {
    let undo = format!("{DEPLOYMENT}[[actions]]\nat = \"4s\"\ndo = \"undo\"\n");
    let run = play(&undo, &[]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted, "revision 1 is in force again");
    assert_eq!(run.seconds.last().map(|second| second.stable_serving), Some(10));
}

#[test]
fn a_deployment_that_never_gets_ready_says_on_what_it_waits() {
    let bad = format!(
        "{DEPLOYMENT}progressDeadlineSeconds = 30\n[application.versions.v2]\nstartup_time = \"1h\"\n[[deployment.template.spec.containers]]\nname = \"web\"\nreadinessProbe = {{}}\n"
    );
    let run = play(&bad, &["simulation.horizon=\"2m\""]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Degraded);
    assert_eq!(run.waits_for.as_deref(), Some("the pods of v2: 0 of 5 are ready"));
    assert!(run.end < Instant::START + rollout_sim::units::Duration::secs(200), "it ends");
    assert_eq!(Revision(2).to_string(), "v2");
}

/// The second in which a person acted.
fn acted(run: &Run) -> usize {
    let entry = run.events.iter().find(|entry| entry.component == "people").expect("somebody acted");
    usize::try_from(entry.at.second()).expect("a run is short")
}

/// A restart replaces every pod, and never takes more than may be missing.
#[test]
fn a_restart_replaces_the_old_pods_a_few_at_a_time() {
    let restart = "[[actions]]\nat = \"5m\"\ndo = \"restart\"\n";
    let overrides =
        ["simulation.duration=\"9m\"", "rollout.strategy.canary.maxUnavailable=3", "rollout.strategy.canary.steps=[]"];
    let run = play(&format!("{BASIC}{restart}"), &overrides);
    let evicted: Vec<_> = of(&run, "Evict").collect();
    assert_eq!(evicted.len(), 10, "each pod of v2 once");
    let restarted = acted(&run);
    for second in &run.seconds[restarted..] {
        assert!(second.canary_serving >= 7, "three may be missing: {second:?}");
    }
    let last = run.seconds.last().expect("there are seconds");
    assert_eq!(last.canary_serving, 10);
}

/// What a run writes down of its scenario makes the same run, whatever the workload.
#[test]
fn the_resolved_scenario_of_each_workload_makes_the_same_run() {
    let probe = "[[WORKLOAD.template.spec.containers]]\nname = \"web\"\nreadinessProbe = { periodSeconds = 1 }\n";
    let of = |workload: &str| probe.replace("WORKLOAD", workload);
    let rules = "[[ingress.rules]]\nhttp.paths = [{ backend.service.name = \"preview\" }]\n";
    let texts = [
        format!("{BASIC}{}", of("rollout")),
        format!("{BLUE_GREEN}autoPromotionSeconds = 10\n{}{rules}", of("rollout")),
        format!("{DEPLOYMENT}strategy.rollingUpdate.maxSurge = 2\n{}", of("deployment")),
        format!("{DEPLOYMENT}strategy.type = \"Recreate\"\n{}", of("deployment")),
    ];
    for text in texts {
        let loaded = load(&format!("{BASE}{text}"), "strategies", &[]).expect("it is right");
        let written = rollout_sim::report::resolved::scenario(&loaded, 1);
        let again = load(&written, "strategies", &[]).unwrap_or_else(|problems| panic!("{problems:#?}\n{written}"));
        assert!(again.warnings.is_empty(), "{:?}", again.warnings);
        let fingerprint = |scenario: &Scenario| simulation::run(scenario, 1).fingerprint;
        assert_eq!(fingerprint(&loaded.scenario), fingerprint(&again.scenario), "{written}");
    }
}

/// Recreate makes the second revision's ReplicaSet when the first one's pods are gone; a third may come before that.
#[test]
fn a_template_that_is_replaced_before_its_turn_never_has_a_pod() {
    let deploy = "[[actions]]\nat = \"2s\"\ndo = \"deploy\"\n";
    let hook = "[[deployment.template.spec.containers]]\nname = \"web\"\nlifecycle.preStop.sleep.seconds = 20\n";
    let run = play(&format!("{DEPLOYMENT}strategy.type = \"Recreate\"\n{hook}{deploy}"), &[]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(details(&run, "ScaleReplicaSet"), ["v1 10 -> 0", "v3 0 -> 10"]);
    let rollout = play(&format!("{BASIC}[[actions]]\nat = \"0s\"\ndo = \"deploy\"\n"), &[]);
    assert_eq!(rollout.rollout.outcome, RolloutOutcome::Promoted, "v3");
}

#[test]
fn an_outcome_outlives_the_history_of_revisions() {
    let deploy = "[[actions]]\nat = \"30s\"\ndo = \"deploy\"\n";
    let run = play(&format!("{BASIC}{deploy}"), &["rollout.revisionHistoryLimit=0"]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Promoted);
    assert_eq!(run.waits_for, None);
    let undo = "[[actions]]\nat = \"30s\"\ndo = \"undo\"\n";
    let run = play(&format!("{BASIC}{undo}"), &["rollout.revisionHistoryLimit=0"]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
}

/// Back to stable after the switch: the pods are there, nobody is asked.
#[test]
fn blue_green_goes_back_to_stable_at_once() {
    let by_hand = "rollout.strategy.blueGreen.autoPromotionEnabled=false";
    let actions = "[[actions]]\nat = \"30s\"\ndo = \"promote\"\n[[actions]]\nat = \"40s\"\ndo = \"undo\"\n";
    let template = "[[analysis_templates]]\nname = \"long\"\nmetrics = [{ name = \"m\", count = 60, interval = \"10s\", \
                    provider.simulation.query = \"success.rate\" }]\n";
    let after = "postPromotionAnalysis = { templates = [{ templateName = \"long\" }] }\n";
    let run = play(&format!("{BLUE_GREEN}{after}{template}{actions}"), &[by_hand]);
    let back = at(&run, "SwitchService", "active", "v2 -> v1");
    assert!((40.0..41.0).contains(&back), "{back}");
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
}

#[test]
fn the_scenarios_of_the_strategies_hold_their_thresholds() {
    support::check_thresholds("strategies");
}
