//! Analyses of good and bad versions, and what becomes of the release.

use crate::support;
use rollout_sim::run::{LogEntry, RolloutOutcome, Run};
use rollout_sim::simulation;

const BASE: &str = r#"
[simulation]
warmup = "5s"
cooldown = "5s"
horizon = "20m"
[traffic]
rate = "100/s"
[application]
startup_time = "5s"
[monitoring]
window = "60s"
scrape_lag = "15s"
[rollout]
replicas = 10
[[rollout.template.spec.containers]]
name = "web"
readinessProbe = { periodSeconds = 1 }
[rollout.strategy.canary]
trafficRouting.alb = {}
steps = [
    { setWeight = 20 },
    { pause = { duration = "5m" } },
    { setWeight = 50 },
    { pause = { duration = "60s" } },
]
[[analysis_templates]]
name = "success"
[[analysis_templates.metrics]]
name = "success-rate"
interval = "30s"
initialDelay = "80s"
failureLimit = 1
successCondition = "result[0] >= 0.95"
provider.simulation.query = "canary.success.rate"
[[analysis_templates]]
name = "once"
[[analysis_templates.metrics]]
name = "error-rate"
initialDelay = "80s"
successCondition = "result[0] < 0.01"
failureCondition = "result[0] > 0.5"
provider.simulation.query = "canary.error.rate"
"#;

const BACKGROUND: &str =
    "rollout.strategy.canary.analysis={ templates = [{ templateName = \"success\" }], startingStep = 1 }";
const BAD: &str = "application.versions.v2.error_share=0.2";

fn play(more: &str, overrides: &[&str]) -> Run {
    simulation::run(&support::scenario(&format!("{BASE}{more}"), "analysis", overrides), 1)
}

fn seconds(run: &Run, entry: &LogEntry) -> f64 {
    entry.at.as_nanos() as f64 / 1e9 - run.release.as_nanos() as f64 / 1e9
}

fn of<'a>(run: &'a Run, event: &'a str) -> impl Iterator<Item = &'a LogEntry> {
    run.events.iter().filter(move |entry| entry.component == "analysis" && entry.event == event)
}

#[test]
fn a_bad_version_is_aborted_by_its_analysis() {
    let run = play("", &[BACKGROUND, BAD]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    let started = seconds(&run, of(&run, "Started").next().expect("it began"));
    let times: Vec<_> = of(&run, "Measured").map(|entry| seconds(&run, entry) - started).collect();
    // The first after initialDelay, the second an interval later; one failure is borne, the second is not.
    assert_eq!(times.len(), 2, "{times:?}");
    assert!((79.0..=80.0).contains(&times[0]) && times[1] - times[0] == 30.0, "{times:?}");
    let aborted = run.rollout.aborted.expect("it was") - run.release;
    assert!((0.0..1.0).contains(&(aborted.as_secs_f64() - started - times[1])), "in the pass after the verdict");
    // 20 % of what the canary answers.
    let answered = of(&run, "Measured").map(|entry| entry.detail.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    // 60 s × 100/s × 20 % = 1,200 answers: four sigma of 0.8 are 4.6 %.
    for rate in answered {
        assert!((rate - 0.8).abs() < 0.047, "{rate}");
    }
    assert!(run.requests.target_5xx > 0);
}

#[test]
fn a_good_version_passes() {
    let run = play("", &[BACKGROUND]);
    assert_eq!((run.rollout.outcome, run.requests.target_5xx), (RolloutOutcome::Promoted, 0));
    assert!(of(&run, "Measured").count() > 5, "to the end of the steps");
    let finished: Vec<_> = of(&run, "Finished").map(|entry| entry.detail.clone()).collect();
    assert_eq!(finished, ["Successful: Run Terminated"], "it is ended by the promotion");
}

/// The figures of the whole service hide a bad canary behind its weight: 1 % of a broken version costs 1 %.
#[test]
fn a_whole_service_metric_sees_the_weight_not_the_version() {
    let broken = "application.versions.v2.error_share=1.0";
    let run_of = |query: &str| {
        let query = format!("analysis_templates[0].metrics[0].provider.simulation.query=\"{query}\"");
        play("", &[BACKGROUND, broken, &query, "rollout.strategy.canary.steps[0].setWeight=1"]).rollout.aborted
    };
    assert!(run_of("canary.success.rate").is_some_and(|at| at.second() < 200));
    assert!(run_of("success.rate").is_none_or(|at| at.second() > 300), "not before the weight is 50 %");
}

#[test]
fn a_step_waits_for_its_analysis() {
    let steps = "rollout.strategy.canary.steps=[{ setWeight = 50 }, { analysis = { templates = [{ templateName = \"once\" }] } }]";
    let good = play("", &[steps]);
    assert_eq!(good.rollout.outcome, RolloutOutcome::Promoted);
    let took = good.steps[1].completed.expect("it passed") - good.steps[1].started.expect("it began");
    assert!((79.0..82.0).contains(&took.as_secs_f64()), "{took}");
    let bad = play("", &[steps, "application.versions.v2.error_share=1.0"]);
    assert_eq!(bad.rollout.outcome, RolloutOutcome::Aborted);
}

#[test]
fn an_inconclusive_analysis_waits_for_a_person_and_then_begins_anew() {
    let steps = "rollout.strategy.canary.steps=[{ setWeight = 50 }, { analysis = { templates = [{ templateName = \"once\" }] } }]";
    // Between success (below 1 %) and failure (above 50 %).
    let waiting = play("", &[steps, BAD, "simulation.horizon=\"5m\""]);
    assert_eq!(waiting.waits_for.as_deref(), Some("somebody to decide: an analysis was inconclusive"));
    let promote = "[[actions]]\nat = \"4m\"\ndo = \"promote\"\n";
    let again = play(promote, &[steps, BAD, "simulation.horizon=\"10m\""]);
    assert_eq!(of(&again, "Started").count(), 2, "a second run");
    assert_eq!(of(&again, "Finished").filter(|entry| entry.detail.starts_with("Inconclusive")).count(), 2);
}

/// No request, no series: five errors, ten seconds apart, abort a healthy canary.
#[test]
fn an_empty_result_is_an_error_and_the_fifth_aborts() {
    let steps = "rollout.strategy.canary.steps=[{ setCanaryScale = { replicas = 1 } }, { pause = { duration = \"5m\" } }, { setWeight = 50 }]";
    let run = play("", &[steps, BACKGROUND]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    let times: Vec<_> = of(&run, "Measured").map(|entry| seconds(&run, entry)).collect();
    assert_eq!(times.len(), 5);
    assert_eq!(times[4] - times[0], 40.0);
}

#[test]
fn blue_green_is_analysed_before_and_after_the_switch() {
    let blue_green = |kind: &str| {
        let run = format!("{kind} = {{ templates = [{{ templateName = \"once\" }}] }}");
        let strategy =
            format!("rollout.strategy={{ blueGreen = {{ activeService = \"a\", previewService = \"p\", {run} }} }}");
        play("", &[&strategy, "application.versions.v2.error_share=1.0", "simulation.duration=\"5m\""])
    };
    let switched = |run: &Run, to: &str| {
        run.events
            .iter()
            .filter(|entry| entry.event == "SwitchService" && entry.object == "active" && entry.detail.ends_with(to))
            .count()
    };
    // Before the switch nobody asks the preview: nothing to measure, and the fifth error aborts.
    let before = blue_green("prePromotionAnalysis");
    assert_eq!((before.rollout.outcome, switched(&before, "v2")), (RolloutOutcome::Aborted, 0));
    assert_eq!(before.requests.target_5xx, 0, "nobody met the bad version");
    // After it, the bad version shows, and the active Service goes back.
    let after = blue_green("postPromotionAnalysis");
    assert_eq!(
        (after.rollout.outcome, switched(&after, "v2"), switched(&after, "v1")),
        (RolloutOutcome::Aborted, 1, 1)
    );
    assert!(after.requests.target_5xx > 1_000);
}

#[test]
fn a_person_sees_the_errors_and_aborts() {
    let action = "[[actions]]\nwhen = \"canary.success.rate < 95%\"\nafter = \"20s\"\ndo = \"abort\"\n";
    let run = play(action, &[BAD]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Aborted);
    let served = run.steps[0].weight_effective.expect("it was") - run.release;
    let aborted = run.rollout.aborted.expect("it was") - run.release;
    // The scrape (15 s), the next evaluation (up to 15 s) and the person's 20 s lie between; the first node is earlier.
    let between = aborted.as_secs_f64() - served.as_secs_f64();
    assert!((25.0..=52.0).contains(&between), "{between}");
}

#[test]
fn templates_that_do_not_exist_or_never_end_are_refused() {
    let refused = |overrides: &[&str]| {
        let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let problems = rollout_sim::scenario::load::load(BASE, "analysis", &overrides).expect_err("it is refused");
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let steps = |name: &str| {
        format!("rollout.strategy.canary.steps=[{{ analysis = {{ templates = [{{ templateName = \"{name}\" }}] }} }}]")
    };
    assert_eq!(refused(&[&steps("nobody")]), ["there is no AnalysisTemplate `nobody`"]);
    assert_eq!(
        refused(&[&steps("success")]),
        ["the AnalysisTemplate `success` never ends: nothing would come after it"]
    );
    let condition = "analysis_templates[0].metrics[0].successCondition=\"result >>> 1\"";
    assert_eq!(refused(&[condition]).len(), 1);
}

/// An inconclusive run waits for a person also while a pause is under way, and makes one run, not one after the other.
#[test]
fn an_inconclusive_run_beside_a_pause_halts_the_release() {
    let background = "rollout.strategy.canary.analysis={ templates = [{ templateName = \"once\" }] }";
    let run = play("", &[background, BAD, "simulation.horizon=\"15m\""]);
    assert_eq!(run.rollout.outcome, RolloutOutcome::Paused);
    assert_eq!(run.waits_for.as_deref(), Some("somebody to decide: an analysis was inconclusive"));
    assert_eq!(of(&run, "Started").count(), 1);
}

/// Before the load balancer has the new pods an analysis would measure the old ones.
#[test]
fn an_analysis_after_the_switch_waits_for_the_targets() {
    let run_of = |verified: bool| {
        let strategy = "rollout.strategy={ blueGreen = { activeService = \"a\", previewService = \"p\", postPromotionAnalysis = { templates = [{ templateName = \"once\" }] } } }";
        let verified = format!("rollouts_controller.aws_verify_target_group={verified}");
        let run = play("", &[strategy, &verified, "load_balancer_controller.target_lag=\"60s\""]);
        let started = seconds(&run, of(&run, "Started").next().expect("it began"));
        let is_registered = |entry: &&LogEntry| entry.event == "RegisterTargets" && entry.object == "active";
        started - seconds(&run, run.events.iter().find(is_registered).expect("they were"))
    };
    assert!(run_of(true) > 0.0, "after the targets");
    assert!(run_of(false) < -50.0, "without the flag at once");
}

#[test]
fn what_would_measure_nothing_is_refused() {
    let refused = |set: &str| {
        let problems =
            rollout_sim::scenario::load::load(BASE, "analysis", &[set.to_owned()]).expect_err("it is refused");
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(refused("analysis_templates[0].metrics[0].interval=\"500ms\""), ["`interval` is less than a second"]);
    // One mistake is told once.
    let bare = "analysis_templates[0].metrics[0]={ name = \"m\", interval = 10, count = 3, provider.simulation.query = \"success.rate\" }";
    assert_eq!(refused(bare), ["10 is a bare number, a duration needs its unit"]);
    let window = "analysis_templates[0].metrics[0].provider.simulation.window=\"0s\"";
    assert_eq!(refused(window), ["a window below a second is always empty"]);
    let misspelt = "rollout.strategy.canary.analysis={ templates = [{ templateName = \"once\" }], startingSteps = 1 }";
    assert_eq!(refused(misspelt), ["unknown key `startingSteps`"]);
    let dry = "analysis_templates[0].dryRun=[{ metricNam = \"success-rate\" }]";
    assert_eq!(refused(dry).len(), 2);
    let deep = format!(
        "analysis_templates[0].metrics[0].successCondition=\"{}result{} > 1\"",
        "(".repeat(9_999),
        ")".repeat(9_999)
    );
    assert_eq!(refused(&deep).len(), 1);
}

/// The controller's own rules for a template.
#[test]
fn limits_that_cannot_be_reached_and_names_that_are_there_twice_are_refused() {
    let metric = |rest: &str| format!("{{ name = \"m\", provider.simulation.query = \"success.rate\"{rest} }}");
    let problems = |metrics: &[String]| {
        let set = [
            format!("analysis_templates[0].metrics=[{}]", metrics.join(", ")),
            "rollout.strategy.canary.analysis={ templates = [{ templateName = \"success\" }] }".to_owned(),
        ];
        let loaded = rollout_sim::scenario::load::load(BASE, "analysis", &set);
        let problems = loaded.err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let with = |rest: &str| problems(&[metric(rest)]);
    let limits = ", interval = \"30s\", count = 2";
    assert_eq!(with(&format!("{limits}, failureLimit = 3")), ["count (2) must be >= failureLimit (3)"]);
    assert_eq!(with(&format!("{limits}, inconclusiveLimit = 3")), ["count (2) must be >= inconclusiveLimit (3)"]);
    for rest in ["failureLimit = 2", "failureLimit = -1", "inconclusiveLimit = 2"] {
        assert_eq!(with(&format!("{limits}, {rest}")), [] as [&str; 0], "{rest}");
    }
    let twice = problems(&[metric(""), metric("")]);
    assert_eq!(twice, ["duplicate name `m`: two metrics of a template cannot share one"]);
}
