//! The ways back from a bad version: pipeline, promotion stage, alerts, feature flag, and the worked example of their costs.

use crate::support;
use rayon::prelude::*;
use rollout_sim::model::Revision;
use rollout_sim::report::summary::summary;
use rollout_sim::run::{Answer, LogEntry, Run};
use rollout_sim::scenario::Loaded;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use serde_json::Value;

/// As `summary.json` has it; null where nobody decided to go back.
fn rollback(loaded: &Loaded, run: &Run) -> Value {
    summary(loaded, run, &[])["rollback"].clone()
}

fn seconds(run: &Run, entry: &LogEntry) -> f64 {
    (entry.at - run.release).as_secs_f64()
}

/// The log of a component: when since the release, what, about what, and the detail.
fn log<'a>(run: &'a Run, component: &str) -> Vec<(f64, &'a str, &'a str, &'a str)> {
    let entries = run.events.iter().filter(|entry| entry.component == component);
    entries.map(|entry| (seconds(run, entry), entry.event, entry.object.as_str(), entry.detail.as_str())).collect()
}

/// The same without the times.
fn words(run: &Run, component: &str) -> Vec<String> {
    log(run, component).iter().map(|(_, event, object, detail)| format!("{event} {object} {detail}")).collect()
}

/// Requests that a version answered, by second.
fn answered(run: &Run, version: usize) -> Vec<u64> {
    let count = |second: usize| {
        let classes = run.classes.iter().filter(|class| second < class.seconds() && version < class.versions());
        classes.map(|class| class.counts(second, version).iter().map(|count| u64::from(*count)).sum::<u64>()).sum()
    };
    (0..run.seconds.len()).map(count).collect()
}

/// Errors of the program, by second.
fn failed(run: &Run, second: usize) -> u64 {
    let classes = run.classes.iter().filter(|class| second < class.seconds());
    let of = |class: &rollout_sim::run::ClassRecord| {
        (0..class.versions())
            .map(|version| u64::from(class.counts(second, version)[Answer::Target5xx as usize]))
            .sum::<u64>()
    };
    classes.map(of).sum()
}

// The worked example of gitops-and-routing.md 2.5.

const COMMIT: &str = "git.commit_time=10s";
const POLL: &str = "argo_cd.commit_detection=95s";
const WEBHOOK: &str = "argo_cd.webhook=5s";
const COMPARISON: &str = "argo_cd.comparison=0s";
const SYNC: &str = "argo_cd.sync_time=10s";
/// 300 s at 100 %. Step 13 begins when the weight is asked for; it is in force 15 s later.
const NOTICED: &str = "315s";
/// The same, and a verdict that takes 60 s; the pipeline's row has its pull request instead.
const DECIDED: &str = "375s";
const STAGES: &str = "pipeline.stages=[{ name = \"pull request\", duration = \"120s\", executor = false }, \
                      { name = \"tests\", duration = \"300s\" }, { name = \"image build\", duration = \"180s\" }, \
                      { name = \"push\", duration = \"30s\" }]";

/// One row of the table.
struct Path {
    scenario: &'static str,
    actions: &'static str,
    overrides: &'static [&'static str],
    /// Requests that the bad version answers.
    bad: f64,
}

/// Requests that the bad version answered since it had all of them; all of its, if it never had: those of the report, and
/// without the ones before.
fn bad_since_it_had_all(loaded: &Loaded, run: &Run) -> u64 {
    let bad = answered(run, 2);
    assert_eq!(rollback(loaded, run)["requests"], bad.iter().sum::<u64>(), "{}", loaded.scenario.name);
    let has_all = |(second, count): (usize, &u64)| *count > 0 && *count == u64::from(run.seconds[second].requests);
    let first = bad.iter().enumerate().position(has_all).unwrap_or(0);
    bad[first..].iter().sum()
}

/// With 250 requests a second, of which the bad version answers
/// - 310 s × 10 %: the 310 s are 300 s and the way of the weight. Here, with dynamicStableScale, the tenth pod of the old
///   version has to start before the weight goes back (18 s), and the ALB follows 15 s later: 333 s, 6 % more;
/// - else 300 s + the delay before the canary + the pauses' 156 s + the start of pods + the way of the weights. The
///   reference has 60 s for the starts. A pod starts here in 18 s, but each weight waits for the pods that it needs: at bad
///   shares of 1, 0.9, 0.4, 0.2 and 0.1, in all 2.6 × 18 s = 47 s. Each weight comes 15 s late to the ALB: 15 s with shares
///   that add up to 1. Together 62 s. In the rollback window there is one start and no step: the reference's 60 s and 10 s
///   need a pod that starts in 55 s.
#[test]
fn the_exposures_of_the_worked_example() {
    let paths = [
        Path {
            scenario: "abort-at-10",
            actions: "actions=[{ when = \"step 5\", after = \"315s\", do = \"abort\" }]",
            overrides: &[],
            bad: 7_800.0,
        },
        Path {
            scenario: "full-pipeline",
            actions: "run_pipeline",
            overrides: &[COMMIT, POLL, SYNC, COMPARISON, STAGES, "pipeline.executors=1000"],
            bad: 315_000.0,
        },
        Path {
            scenario: "revert-at-100",
            actions: "revert_commit",
            overrides: &[COMMIT, POLL, SYNC, COMPARISON],
            bad: 173_000.0,
        },
        Path {
            scenario: "improved-pipeline",
            actions: "reject",
            overrides: &[COMMIT, POLL, SYNC, COMPARISON],
            bad: 173_000.0,
        },
        Path {
            scenario: "revert-at-100-webhook",
            actions: "revert_commit",
            overrides: &[COMMIT, WEBHOOK, SYNC, COMPARISON],
            bad: 150_000.0,
        },
        Path {
            scenario: "rollback-window",
            actions: "revert_commit",
            overrides: &[COMMIT, WEBHOOK, SYNC, COMPARISON, "application.startup_time=55s"],
            bad: 114_000.0,
        },
    ];
    let wrong = paths.par_iter().filter_map(|path| {
        let actions = match path.actions.starts_with("actions") {
            true => path.actions.to_owned(),
            false => {
                let after = if path.actions == "run_pipeline" { NOTICED } else { DECIDED };
                format!("actions=[{{ when = \"step 13\", after = \"{after}\", do = \"{}\" }}]", path.actions)
            }
        };
        let overrides: Vec<_> = path.overrides.iter().copied().chain([actions.as_str()]).collect();
        let loaded = support::of_gallery(&format!("gitops/{}", path.scenario), &overrides);
        let bad = bad_since_it_had_all(&loaded, &simulation::run(&loaded.scenario, 1)) as f64;
        let difference = bad / path.bad - 1.0;
        println!("{}: {bad} instead of {}, {:+.1} %", path.scenario, path.bad, difference * 100.0);
        (difference.abs() > 0.1).then_some((path.scenario, bad, path.bad))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// The pipeline.

const SHORT: &str = "steps = [{ setWeight = 50 }, { pause = { duration = \"5s\" } }]";

/// A release of half a minute under Argo CD.
fn play(sections: &str) -> Run {
    let text = format!(
        "[simulation]\nwarmup = \"5s\"\ncooldown = \"30s\"\nhorizon = \"2h\"\n[traffic]\n[[traffic.classes]]\nname = \"public\"\n\
         rate = \"40/s\"\n[rollout]\nreplicas = 4\n[rollout.strategy.canary]\ntrafficRouting.alb = {{}}\n{SHORT}\n\
         [application]\nstartup_time = \"2s\"\nversions.v1.latency_factor = 2.0\nversions.v2.error_share = 0.5\n\
         [git]\ncommit_time = \"10s\"\n[argo_cd]\ncommit_detection = \"20s\"\nsync_time = \"5s\"\n\
         application.spec.syncPolicy.automated = {{ selfHeal = true }}\n{sections}"
    );
    let loaded = load(&text, "way back", &[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    simulation::run(&loaded.scenario, 1)
}

const RUN_PIPELINE: &str = "[[actions]]\nat = \"60s\"\ndo = \"run_pipeline\"\n";
const TESTS: &str = "stages = [{ name = \"tests\", duration = \"60s\" }, { name = \"push\", duration = \"30s\" }]\n";

#[test]
fn the_pipeline_makes_a_new_revision_of_the_old_code() {
    let run = play(&format!("[pipeline]\n{TESTS}{RUN_PIPELINE}"));
    let expected = [
        "Started run 1 the code of v1",
        "StageStarted tests run 1",
        "StageEnded tests run 1",
        "StageStarted push run 1",
        "StageEnded push run 1",
        "Ended run 1 succeeded",
    ];
    assert_eq!(words(&run, "pipeline"), expected);
    let commits: Vec<_> = log(&run, "git").iter().map(|(at, _, _, detail)| (*at, (*detail).to_owned())).collect();
    assert_eq!(commits, [(0.0, "v2".to_owned()), (160.0, "v3".to_owned())]);
    let [bad, rebuilt] = [2, 3].map(|version| run.classes[0].total(version));
    assert!(bad[Answer::Target5xx as usize] > 0, "the release is bad");
    assert!(rebuilt[Answer::Ok as usize] > 0, "the old code comes as a canary of its own");
    assert_eq!(rebuilt[Answer::Target5xx as usize], 0, "the old code has no errors");
    let created =
        run.events.iter().filter(|entry| entry.event == "CreateReplicaSet").map(|entry| entry.object.as_str());
    assert_eq!(created.collect::<Vec<_>>(), ["v2", "v3"]);
}

#[test]
fn a_run_that_fails_brings_no_commit() {
    let failing = "retries = 1\nstages = [{ name = \"tests\", duration = \"60s\", failure_share = 1.0 }]\n";
    let run = play(&format!("[pipeline]\n{failing}{RUN_PIPELINE}"));
    let expected = [
        "Started run 1 the code of v1",
        "StageStarted tests run 1",
        "StageFailed tests run 1",
        "StageStarted tests run 1, retry 1",
        "StageFailed tests run 1, retry 1",
        "Ended run 1 failed",
    ];
    assert_eq!(words(&run, "pipeline"), expected);
    assert_eq!(log(&run, "git").len(), 1, "that of the release");
}

#[test]
fn other_teams_hold_the_executors() {
    let busy = "executors = 1\nother_jobs = { rate = \"120/h\", duration = \"60s\" }\n";
    let run = play(&format!("[pipeline]\n{busy}{TESTS}{RUN_PIPELINE}"));
    let of = |event: &str| log(&run, "pipeline").into_iter().find(|entry| entry.1 == event).map(|entry| entry.0);
    let waited = of("StageStarted").unwrap() - of("Queued").expect("two jobs a minute need two executors");
    assert!(waited > 0.0, "{waited} s");
    assert!((run.end - run.release).as_secs_f64() < 3_600.0, "jobs of others hold no run");
}

// The promotion stage.

#[test]
fn the_first_verdict_counts_and_a_later_one_is_told() {
    let verdicts =
        "[promotion]\n[[actions]]\nat = \"60s\"\ndo = \"accept\"\n[[actions]]\nat = \"90s\"\ndo = \"reject\"\n";
    let run = play(verdicts);
    let expected = ["Started stage for 30m", "Accepted stage ", "TooLate stage it was accepted"];
    assert_eq!(words(&run, "promotion"), expected);
    assert_eq!(log(&run, "git").len(), 1, "that of the release");
    assert!((run.end - run.release).as_secs_f64() < 150.0, "nobody waits for the time-out");
}

#[test]
fn a_time_out_goes_back_only_if_it_is_told_to() {
    for (on_timeout, commits) in [("abort_without_action", 1), ("keep_new", 1), ("rollback", 2)] {
        let run = play(&format!("[promotion]\ntimeout = \"5m\"\non_timeout = \"{on_timeout}\"\n"));
        let last = log(&run, "promotion").pop().unwrap();
        assert_eq!(last, (300.0, "TimedOut", "stage", on_timeout));
        assert_eq!(log(&run, "git").len(), commits, "{on_timeout}");
        assert!(run.end > run.release + rollout_sim::units::Duration::secs(300), "the run waits for it");
    }
}

#[test]
fn a_rejection_in_the_middle_of_the_canary_goes_straight_back() {
    let run = play("[promotion]\n[[actions]]\nwhen = \"step 1\"\ndo = \"reject\"\n");
    let head = log(&run, "git").pop().unwrap();
    assert_eq!(head.3, Revision(1).to_string());
}

// Alerts.

const ALERT: &str = "[monitoring]\nwindow = \"10s\"\n[[alerts]]\nname = \"fails\"\nexpr = \"canary.error.rate > 20%\"\nfor = \"15s\"\n\
                     notification_delay = \"7s\"\n";

#[test]
fn a_person_is_told_of_an_alert_and_acts() {
    let run = play(&format!("{ALERT}[[actions]]\nwhen = \"alert fails\"\nafter = \"20s\"\ndo = \"revert_commit\"\n"));
    let alert = log(&run, "alert");
    let words: Vec<_> = alert.iter().map(|entry| entry.1).collect();
    assert_eq!(words[..3], ["Pending", "Firing", "Notified"]);
    assert!(words.contains(&"Resolved"), "the old version is back: {words:?}");
    assert_eq!(alert[1].0 - alert[0].0, 15.0);
    assert_eq!(alert[2].0 - alert[1].0, 7.0);
    let acted = log(&run, "people");
    assert_eq!((acted.len(), acted[0].0), (1, alert[2].0 + 20.0));
    assert_eq!(log(&run, "git").pop().unwrap().3, "v1", "the run goes on until the old version is back");
    assert!(answered(&run, 2).last().is_some_and(|count| *count == 0));
}

#[test]
fn an_alert_that_nobody_waits_for_holds_no_run() {
    let run = play(ALERT);
    assert!(words(&run, "alert").iter().any(|words| words.starts_with("Firing")));
    assert_eq!(log(&run, "git").len(), 1);
    assert!((run.end - run.release).as_secs_f64() < 120.0);
}

// The feature flag.

#[test]
fn without_its_feature_the_new_version_answers_like_the_old_one() {
    let run = play("[[actions]]\nat = \"60s\"\ndo = \"disable_feature\"\n");
    let told = log(&run, "application");
    assert_eq!(told.len(), 4, "each of the pods of v2");
    assert!(told.iter().all(|entry| entry.1 == "FeatureDisabled" && (61.0..=70.0).contains(&entry.0)), "{told:?}");
    let release = usize::try_from((run.release - rollout_sim::units::Instant::START).whole_secs()).unwrap();
    assert!((release + 50..release + 60).all(|second| failed(&run, second) > 0));
    assert!((release + 72..run.seconds.len()).all(|second| failed(&run, second) == 0));
}

// What is missing.

#[test]
fn nobody_acts_on_what_is_not_there() {
    let problems = |sections: &str| {
        let text = format!(
            "[traffic]\nrate = \"40/s\"\n[rollout]\nreplicas = 4\n[rollout.strategy.canary]\ntrafficRouting.alb = {{}}\n{SHORT}\n{sections}"
        );
        let problems = load(&text, "missing", &[]).expect_err("something is missing");
        problems
            .into_iter()
            .map(|problem| format!("{}: {} ({})", problem.key, problem.message, problem.help))
            .collect::<Vec<_>>()
    };
    let action = |verb: &str| format!("[[actions]]\nat = \"5m\"\ndo = \"{verb}\"\n");
    const HELP: &str = "write [argo_cd.application.spec.syncPolicy] with automated = { selfHeal = true }";
    for verb in ["revert_commit", "sync", "refresh", "run_pipeline", "accept", "reject"] {
        assert_eq!(problems(&action(verb)), [format!("actions[0].do: `{verb}` needs [argo_cd] ({HELP})")]);
    }
    let with_argo_cd = |verb| problems(&format!("[argo_cd]\n{}", action(verb)));
    assert_eq!(
        with_argo_cd("run_pipeline"),
        [
            "actions[0].do: `run_pipeline` needs [pipeline] (write [pipeline], with executors = 2 or with stages of its own)"
        ]
    );
    assert_eq!(
        with_argo_cd("reject"),
        ["actions[0].do: `reject` needs [promotion] (write [promotion] with timeout = \"30m\")"]
    );
    for section in ["git", "pipeline", "promotion"] {
        let message =
            format!("{section}: `{section}` needs [argo_cd]: nobody else brings a commit into the cluster ({HELP})");
        assert_eq!(problems(&format!("[{section}]\n")), [message]);
    }
    let alerts = "[[alerts]]\nname = \"fails\"\nexpr = \"error.rate > 1%\"\n[[actions]]\nwhen = \"alert fals\"\ndo = \"abort\"\n";
    assert_eq!(problems(alerts), ["actions[0].when: there is no alert `fals` (did you mean `fails`?)"]);
    let twice =
        "[[alerts]]\nname = \"a\"\nexpr = \"error.rate > 1%\"\n[[alerts]]\nname = \"a\"\nexpr = \"error.rate > 2%\"\n";
    assert_eq!(
        problems(twice),
        ["alerts[1].name: there are two alerts `a` (people wait for one of them: give it another name)"]
    );
}

mod told;
