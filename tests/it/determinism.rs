//! A run is a function of the scenario and the seed: on any number of threads, through the library and the binary.

use crate::support;
use rayon::prelude::*;
use rollout_sim::model::outcome::Outcome;
use rollout_sim::run::{Run, TracedRequest};
use rollout_sim::scenario::Scenario;
use rollout_sim::simulation::{run, run_traced};
use rollout_sim::units::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_same_seed_makes_the_same_run() {
    for scenario in support::gallery() {
        assert_eq!(run(&scenario, 7), run(&scenario, 7), "{}", scenario.name);
    }
}

#[test]
fn writing_every_request_down_changes_nothing() {
    let scenario = short(&[]);
    let traced = run_traced(&scenario, 7).run;
    assert_eq!(Run { trace: None, ..traced }, run(&scenario, 7));
}

#[test]
fn another_seed_makes_another_run() {
    let mut fingerprints: Vec<_> = (0..50).map(|seed| run(&short(&[]), seed).fingerprint).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 50);
}

#[test]
fn one_thread_and_eight_make_the_same_runs_in_the_same_order() {
    let scenario = short(&["application.on_sigterm=drain"]);
    let runs = |threads: usize| -> Vec<Run> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (0u64..16).into_par_iter().map(|seed| run(&scenario, seed)).collect())
    };
    assert_eq!(runs(1), runs(8));
}

fn short(overrides: &[&str]) -> Scenario {
    support::scenario(support::SHORT, "short", overrides)
}

fn trace(scenario: &Scenario) -> Vec<TracedRequest> {
    run_traced(scenario, 3).run.trace.expect("the run was traced")
}

#[test]
fn two_designs_face_the_same_requests() {
    let dynamic = trace(&short(&["rollout.strategy.canary.dynamicStableScale=true"]));
    let fixed = trace(&short(&["rollout.strategy.canary.dynamicStableScale=false", "rollout.replicas=7"]));
    let common = dynamic.len().min(fixed.len());
    assert!(common > 1_000, "{common}");
    assert!(dynamic.iter().zip(&fixed).all(|(a, b)| a.arrival == b.arrival));
    // A request that a pod works on at once is answered after what it demands.
    let demand = |request: &TracedRequest| {
        let at_once = request.outcome == Outcome::Ok && request.waited == Duration::ZERO;
        at_once.then(|| request.answered - request.arrival)
    };
    let demands = dynamic.iter().zip(&fixed).filter_map(|(a, b)| Some((demand(a)?, demand(b)?)));
    let demands: Vec<_> = demands.collect();
    assert!(demands.len() > common / 2, "{} of {common}", demands.len());
    assert!(demands.iter().all(|(a, b)| a == b));
}

/// The log of some components, one line an event.
fn log(run: &Run, components: &[&str]) -> Vec<String> {
    let entries = run.events.iter().filter(|entry| components.contains(&entry.component));
    entries.map(|entry| format!("{:?} {} {} {}", entry.at, entry.event, entry.object, entry.detail)).collect()
}

#[test]
fn one_stream_moves_no_other() {
    const RULES: &[&str] = &["rollouts-controller", "pod", "endpoint-slice", "load-balancer-controller"];
    const PODS: &[&str] = &["rollouts-controller", "pod", "endpoint-slice"];
    // What is changed, and who must not notice.
    let cases: [(&str, &[&str]); 8] = [
        ("load_balancer.rule_push={ exponential = \"9s\" }", RULES),
        ("load_balancer.deregistration=1s", RULES),
        ("load_balancer.registration={ exponential = \"9s\" }", RULES),
        ("load_balancer.first_health_check=1s", RULES),
        ("load_balancer_controller.rule_lag=9s", PODS),
        ("load_balancer_controller.target_lag={ exponential = \"3s\" }", PODS),
        ("traffic.service_time=1ms", RULES),
        ("traffic.rate=50/s", RULES),
    ];
    // An end of its own, so that nobody's news comes after it in one run only.
    const END: &str = "simulation.duration=100s";
    let before = run(&short(&[END]), 3);
    for (change, unmoved) in cases {
        let after = run(&short(&[END, change]), 3);
        assert_ne!(after.fingerprint, before.fingerprint, "{change} changes something");
        assert!(!log(&before, unmoved).is_empty());
        assert_eq!(log(&after, unmoved), log(&before, unmoved), "{change}");
    }
}

#[test]
fn a_pod_keeps_its_start_when_others_take_longer() {
    let started = |overrides: &[&str]| {
        let run = run(&short(overrides), 3);
        let times = (4..8).map(|pod| {
            let at = |event: &str| {
                let is = |name: &str, object: &str| name == event && object == format!("pod-{pod}");
                run.events.iter().find(|entry| is(entry.event, &entry.object)).expect(event).at
            };
            at("Listening") - at("Created")
        });
        times.collect::<Vec<_>>()
    };
    const SPREAD: &str = "application.startup_time={ min = \"1s\", max = \"9s\" }";
    const NO_PULL: &str = "cluster.image_pull=0s";
    let before = started(&[SPREAD, NO_PULL]);
    assert!((1..before.len()).all(|pod| !before[..pod].contains(&before[pod])), "each has its own: {before:?}");
    for slower in ["cluster.pod_removal={ exponential = \"9s\" }", "cluster.api_write={ exponential = \"1s\" }"] {
        assert_eq!(started(&[SPREAD, NO_PULL, slower]), before, "{slower}");
    }
}

/// Lines of `name seed fingerprint`. UPDATE_GOLDEN=1 writes them anew: say in the commit why a result has changed.
#[test]
fn the_gallery_has_its_recorded_fingerprints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fingerprints.txt");
    let gallery = support::gallery();
    let lines: Vec<_> = gallery
        .par_iter()
        .flat_map_iter(|scenario| (1..=2).map(move |seed| (scenario, seed)))
        .map(|(scenario, seed)| format!("{} {seed} {:016x}", scenario.name, run(scenario, seed).fingerprint))
        .collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        return;
    }
    let recorded = fs::read_to_string(&path).expect("UPDATE_GOLDEN=1 records the fingerprints");
    let recorded: Vec<_> = recorded.lines().collect();
    let only = |ours: &[&str], theirs: &[&str]| {
        let only = ours.iter().filter(|line| !theirs.contains(line));
        only.map(|line| format!("\n  {line}")).collect::<String>()
    };
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let (new, gone) = (only(&lines, &recorded), only(&recorded, &lines));
    assert_eq!(lines, recorded, "recorded, but not so any more:{gone}\nnow:{new}\nIf that is meant, UPDATE_GOLDEN=1.");
}

const FIRST_RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/first-run.toml");

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    folder
}

fn sim(arguments: &[&str], output: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(["run", "--quiet"]).args(arguments).arg("--output").arg(output);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn assert_same_files(ours: &Path, theirs: &Path) {
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert!(names(ours).len() >= 5, "{:?}", names(ours));
    assert_eq!(names(ours), names(theirs));
    for name in names(ours) {
        let same = fs::read(ours.join(&name)).unwrap() == fs::read(theirs.join(&name)).unwrap();
        assert!(same, "{} differs between {} and {}", name.display(), ours.display(), theirs.display());
    }
}

fn fingerprint(folder: &Path) -> serde_json::Value {
    let summary = fs::read_to_string(folder.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let fingerprint = summary["fingerprint"].clone();
    assert!(!fingerprint.is_null(), "{summary}");
    fingerprint
}

#[test]
fn the_program_writes_the_same_bytes_twice() {
    let (one, two) = (folder("one"), folder("two"));
    sim(&[FIRST_RUN], &one);
    sim(&[FIRST_RUN], &two);
    assert_same_files(&one, &two);
}

#[test]
fn the_scenario_in_a_folder_of_results_makes_them_again() {
    let (first, again) = (folder("first"), folder("again"));
    let changes = ["--seed", "9", "--set", "rollout.replicas=5", "--set", "traffic.arrivals=uniform"];
    sim(&[&[FIRST_RUN], &changes[..]].concat(), &first);
    sim(&[first.join("scenario.toml").to_str().unwrap()], &again);
    assert_eq!(fingerprint(&first), fingerprint(&again));
    for name in ["timeline.csv", "events.csv"] {
        assert_eq!(fs::read(first.join(name)).unwrap(), fs::read(again.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn the_program_writes_the_same_bytes_on_one_thread_and_on_eight() {
    let (one, eight) = (folder("one-thread"), folder("eight-threads"));
    sim(&[FIRST_RUN, "--seeds", "4", "--threads", "1"], &one);
    sim(&[FIRST_RUN, "--seeds", "4", "--threads", "8"], &eight);
    assert_same_files(&one, &eight);
}
