//! Scenarios for the other tests: the gallery, short ones, random ones.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use rayon::prelude::*;
use rollout_sim::scenario::load::load;
use rollout_sim::scenario::{Loaded, Scenario};
use rollout_sim::simulation::run;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A release of half a minute, without a mistake in it; tests change it in a few places.
pub const SHORT: &str = r#"
[simulation]
warmup = "5s"
cooldown = "5s"
horizon = "10m"
[traffic]
rate = "40/s"
[rollout]
replicas = 4
[rollout.template.spec]
terminationGracePeriodSeconds = 30
[[rollout.template.spec.containers]]
name = "web"
lifecycle.preStop.exec.command = ["sleep", "5"]
readinessProbe = { periodSeconds = 2 }
[rollout.strategy.canary]
dynamicStableScale = true
trafficRouting.alb = {}
steps = [
    { setWeight = 25 },
    { pause = { duration = 5 } },
    { setWeight = 50 },
    { pause = { duration = 5 } },
    { setWeight = 100 },
    { pause = { duration = 5 } },
]
[ingress.annotations]
"alb.ingress.kubernetes.io/target-group-attributes" = "deregistration_delay.timeout_seconds=20"
[application]
startup_time = "2s"
"#;

pub fn scenario(text: &str, name: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let loaded = load(text, name, &overrides).unwrap_or_else(|problems| panic!("{name}: {problems:#?}\n{text}"));
    loaded.scenario
}

/// Every file under `scenarios/`, by its path there without the ending, in order.
pub fn gallery() -> Vec<Scenario> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let name = |path: &PathBuf| {
        let path = path.strip_prefix(&root).unwrap().with_extension("");
        path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    let files = files(&root, "toml");
    assert!(!files.is_empty(), "there are scenarios");
    // What names manifests beside it is no scenario by itself.
    let files = files.into_iter().filter(|path| path.parent().is_none_or(|folder| !folder.ends_with("manifests")));
    let files: Vec<_> = files.collect();
    files.iter().map(|path| scenario(&fs::read_to_string(path).unwrap(), &name(path), &[])).collect()
}

/// One of them, with its thresholds.
pub fn of_gallery(name: &str, overrides: &[&str]) -> Loaded {
    let path = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|problem| panic!("{path}: {problem}"));
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    load(&text, name, &overrides).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"))
}

/// Plays every scenario of a folder of the gallery under its own seed; panics with all verdicts that were missed.
pub fn check_thresholds(folder: &str) {
    let names: Vec<_> = gallery().into_iter().map(|scenario| scenario.name).collect();
    let names: Vec<_> = names.into_iter().filter(|name| name.starts_with(&format!("{folder}/"))).collect();
    assert!(!names.is_empty(), "there are scenarios in {folder}");
    let missed = names.par_iter().flat_map_iter(|name| {
        let loaded = of_gallery(name, &[]);
        assert!(!loaded.thresholds.is_empty(), "{name} has thresholds");
        let run = run(&loaded.scenario, loaded.scenario.seed);
        let verdicts = loaded.thresholds.iter().map(|threshold| threshold.judge(&run)).collect::<Vec<_>>();
        let missed = verdicts.into_iter().filter(|verdict| !verdict.met);
        missed.map(|verdict| format!("{name}: {}, but {}", verdict.threshold, verdict.observed)).collect::<Vec<_>>()
    });
    let missed: Vec<_> = missed.collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

/// The files with this ending in a folder and all folders in it, in order.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|known| known == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The seeds of one kind in `tests/seeds.txt`.
pub fn seeds(kind: &str) -> Vec<u64> {
    let seed = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some(kind)).then(|| words.next().and_then(|seed| seed.parse().ok()).expect(line))
    };
    include_str!("../seeds.txt").lines().filter_map(seed).collect()
}

/// Puts so many random scenarios for each seed of this kind to the test; the smallest that fails is printed.
pub fn for_random_scenarios(kind: &str, cases: u32, test: impl Fn(&Scenario, u64) -> Result<(), TestCaseError>) {
    for seed in seeds(kind) {
        let rng_seed = RngSeed::Fixed(seed);
        let mut runner = TestRunner::new(Config { cases, rng_seed, failure_persistence: None, ..Config::default() });
        let result =
            runner.run(&(random_text(), 0u64..1_000), |(Text(text), seed)| test(&scenario(&text, "random", &[]), seed));
        if let Err(failure) = result {
            panic!("{kind}, seed {seed}: {failure}");
        }
    }
}

/// A scenario's text that is printed as it is.
#[derive(Clone)]
struct Text(String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

fn random_text() -> impl Strategy<Value = Text> {
    let sections = (traffic(), rollout(), ingress(), application(), cluster(), controllers(), load_balancer());
    (sections, versions(), actions()).prop_map(|(sections, versions, actions)| {
        let (traffic, rollout, ingress, application, cluster, controllers, load_balancer) = sections;
        let simulation = "[simulation]\nwarmup = \"5s\"\ncooldown = \"5s\"\nhorizon = \"10m\"\n";
        let rest = [&application, &versions, &cluster, &controllers, &load_balancer, &actions].map(String::as_str);
        Text([&[simulation, &traffic, &rollout, &ingress], &rest[..]].concat().concat())
    })
}

/// One of a few words, in quotes.
fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(|word| format!("\"{word}\""))
}

/// A delay of at most about so many milliseconds.
fn delay(longest_ms: u64) -> impl Strategy<Value = String> {
    let ms = 1..=longest_ms;
    prop_oneof![
        ms.clone().prop_map(|ms| format!("\"{ms}ms\"")),
        (ms.clone(), ms.clone())
            .prop_map(|(a, b)| { format!("{{ min = \"{}ms\", max = \"{}ms\" }}", a.min(b), a.max(b)) }),
        ms.prop_map(|ms| format!("{{ exponential = \"{}us\" }}", ms * 200)),
    ]
}

fn traffic() -> impl Strategy<Value = String> {
    (5u32..=50, word(&["poisson", "uniform"]), delay(1_000)).prop_map(|(rate, arrivals, service_time)| {
        format!("[traffic]\nrate = \"{rate}/s\"\narrivals = {arrivals}\nservice_time = {service_time}\n")
    })
}

fn rollout() -> impl Strategy<Value = String> {
    let strategy = (any::<bool>(), any::<bool>(), 0u32..15, 0u32..=2, proptest::collection::vec(step(), 0..7));
    (1u32..=6, 0u32..=4, prop_oneof![3 => Just(0), 1 => 1u32..=2], pod(), strategy).prop_map(
        |(replicas, min_ready, window, pod, (dynamic, ping_pong, delay, unavailable, steps))| {
            let delay = if dynamic { String::new() } else { format!("scaleDownDelaySeconds = {delay}\n") };
            let window = if window == 0 { String::new() } else { format!("rollbackWindow.revisions = {window}\n") };
            let ping_pong = if ping_pong { PING_PONG } else { "" };
            let steps = steps.join(", ");
            format!(
                "[rollout]\nreplicas = {replicas}\nminReadySeconds = {min_ready}\n{window}{pod}\
                 [rollout.strategy.canary]\ndynamicStableScale = {dynamic}\n{delay}maxUnavailable = {unavailable}\n\
                 {ping_pong}trafficRouting.alb = {{ rootService = \"web-root\" }}\nsteps = [{steps}]\n"
            )
        },
    )
}

const PING_PONG: &str = "pingPong = { pingService = \"web-ping\", pongService = \"web-pong\" }\n";

/// Now and then a version that is worse than the others.
fn versions() -> impl Strategy<Value = String> {
    let bad = (word(&["v1", "v2", "v3"]), 0u32..=4, 1u32..=8, prop_oneof![Just(None), (5u32..60).prop_map(Some)]);
    let table = bad.prop_map(|(version, errors, factor, crash)| {
        let crash = crash.map_or_else(String::new, |secs| format!("crash_after = \"{secs}s\"\n"));
        let (errors, factor) = (f64::from(errors) / 4.0, f64::from(factor) / 2.0);
        let version = version.trim_matches('"');
        format!("[application.versions.{version}]\nerror_share = {errors:?}\nlatency_factor = {factor:?}\n{crash}")
    });
    prop_oneof![2 => Just(String::new()), 1 => table]
}

/// What people do, at any time.
fn actions() -> impl Strategy<Value = String> {
    let verb = word(&["promote", "promote_full", "abort", "retry", "pause", "undo", "deploy"]);
    let verb = prop_oneof![
        6 => verb.prop_map(|verb| format!("do = {verb}\n")),
        1 => (1u32..=8).prop_map(|replicas| format!("do = \"set_replicas\"\nreplicas = {replicas}\n")),
    ];
    let action = (0u32..120, verb).prop_map(|(at, verb)| format!("[[actions]]\nat = \"{at}s\"\n{verb}"));
    let some = proptest::collection::vec(action, 1..4).prop_map(|actions| actions.concat());
    prop_oneof![1 => Just(String::new()), 1 => some]
}

fn step() -> impl Strategy<Value = String> {
    let weight = prop_oneof![proptest::sample::select(vec![0u32, 10, 25, 45, 50, 90, 99, 100]), 0u32..=100];
    prop_oneof![
        12 => weight.clone().prop_map(|weight| format!("{{ setWeight = {weight} }}")),
        12 => (1u32..8).prop_map(|secs| format!("{{ pause = {{ duration = {secs} }} }}")),
        2 => weight.prop_map(|weight| format!("{{ setCanaryScale = {{ weight = {weight} }} }}")),
        2 => (0u32..=6).prop_map(|replicas| format!("{{ setCanaryScale = {{ replicas = {replicas} }} }}")),
        2 => Just("{ setCanaryScale = { matchTrafficWeight = true } }".to_owned()),
        1 => Just("{ pause = {} }".to_owned()),
        1 => (0u32..=100, 0u32..=6).prop_map(|(weight, replicas)| {
            format!("{{ setWeight = {weight}, setCanaryScale = {{ replicas = {replicas} }} }}")
        }),
    ]
}

fn pod() -> impl Strategy<Value = String> {
    let hook = prop_oneof![Just(None), (any::<bool>(), 0u32..12).prop_map(Some)];
    let probe = prop_oneof![
        Just(String::new()),
        (0u32..3, 1u32..5, 1u32..3, 1u32..3, 1u32..4).prop_map(|(initial, period, timeout, passes, failures)| {
            format!(
                "readinessProbe = {{ initialDelaySeconds = {initial}, periodSeconds = {period}, timeoutSeconds = \
                 {timeout}, successThreshold = {passes}, failureThreshold = {failures} }}\n"
            )
        }),
    ];
    (0u32..15, hook, probe).prop_map(|(grace, hook, probe)| {
        let hook = match hook {
            None => String::new(),
            // The API server refuses the kubelet's own sleep if it is longer than the grace period.
            Some((true, secs)) => format!("lifecycle.preStop.sleep.seconds = {}\n", secs.min(grace)),
            Some((false, secs)) => format!("lifecycle.preStop.exec.command = [\"sleep\", \"{secs}\"]\n"),
        };
        format!(
            "[rollout.template.spec]\nterminationGracePeriodSeconds = {grace}\n\
             [[rollout.template.spec.containers]]\nname = \"web\"\n{hook}{probe}"
        )
    })
}

fn ingress() -> impl Strategy<Value = String> {
    let check = (5u32..15, 2u32..5, 2u32..4, 2u32..4);
    (check, 0u32..20, 1u32..4, 1u32..30).prop_map(|((interval, timeout, healthy, unhealthy), delay, minimum, idle)| {
        let prefix = "alb.ingress.kubernetes.io/";
        format!(
            "[ingress.annotations]\n\"{prefix}healthcheck-interval-seconds\" = \"{interval}\"\n\
             \"{prefix}healthcheck-timeout-seconds\" = \"{timeout}\"\n\
             \"{prefix}healthy-threshold-count\" = \"{healthy}\"\n\
             \"{prefix}unhealthy-threshold-count\" = \"{unhealthy}\"\n\
             \"{prefix}target-group-attributes\" = \"deregistration_delay.timeout_seconds={delay},\
             target_group_health.unhealthy_state_routing.minimum_healthy_targets.count={minimum}\"\n\
             \"{prefix}load-balancer-attributes\" = \"idle_timeout.timeout_seconds={idle}\"\n"
        )
    })
}

fn application() -> impl Strategy<Value = String> {
    let stop = (word(&["exit", "drain", "ignore"]), delay(1_000), word(&["timeout", "requests_answered"]), 0u32..10);
    let connections = (1u32..40, 0u32..100, prop_oneof![1u32..4, 1u32..64], prop_oneof![0u32..10, Just(4096)]);
    (delay(5_000), stop, connections).prop_map(
        |(startup, (on_sigterm, reaction, until, timeout), (keep_alive, window, concurrency, backlog))| {
            format!(
                "[application]\nstartup_time = {startup}\non_sigterm = {on_sigterm}\nsigterm_reaction = {reaction}\n\
                 drain_until = {until}\ndrain_timeout = \"{timeout}s\"\nkeep_alive = \"{keep_alive}s\"\n\
                 keep_alive_race_window = \"{window}ms\"\nconcurrency = {concurrency}\nbacklog = {backlog}\n"
            )
        },
    )
}

fn cluster() -> impl Strategy<Value = String> {
    let start = (1u32..4, delay(50), delay(50), delay(1_000), delay(3_000), delay(500), delay(1_000));
    let rest = (delay(500), delay(1_000), delay(3_000), delay(50), delay(400), 0u32..=4);
    (start, rest).prop_map(
        |((nodes, write, scheduling, sandbox, pull, start, seen), (delete, address, removal, sync, slice, icmp))| {
            format!(
                "[cluster]\nnodes = {nodes}\napi_write = {write}\nscheduling = {scheduling}\n\
                 sandbox_creation = {sandbox}\nimage_pull = {pull}\ncontainer_start = {start}\n\
                 container_seen = {seen}\nkubelet_notices_delete = {delete}\nsandbox_removal = {address}\n\
                 pod_removal = {removal}\nreplica_set_sync = {sync}\nendpoint_slice = {slice}\n\
                 replica_set_status = {{ min = \"50ms\", max = \"{LONGEST_STATUS_MS}ms\" }}\n\
                 host_unreachable_share = {:?}\n",
                f64::from(icmp) / 4.0
            )
        },
    )
}

/// The longest `replica_set_status` and `reconcile_delay` of a random scenario.
pub const LONGEST_STATUS_MS: u64 = 300;
pub const LONGEST_RECONCILE_MS: u64 = 200;

fn controllers() -> impl Strategy<Value = String> {
    let rules = (delay(20_000), 0u64..5_000, word(&["work_queue", "overlap"]));
    let targets = (delay(3_000), delay(500), delay(500));
    let versions = word(&["1.6", "1.7", "1.8", "1.9", "1.10"]);
    let aws = prop_oneof![Just(None), (0u32..600, prop_oneof![2 => Just(0), 1 => 1u32..=4]).prop_map(Some)];
    (1..=LONGEST_RECONCILE_MS, versions, aws, rules, targets).prop_map(
        |(reconcile, version, aws, (lag, time, queue), (target_lag, deregister, register))| {
            let aws = aws.map_or_else(String::new, |(query, errors)| {
                let errors = f64::from(errors) / 4.0;
                format!(
                    "aws_verify_target_group = true\naws_query_time = \"{query}ms\"\naws_error_share = {errors:?}\n"
                )
            });
            format!(
                "[rollouts_controller]\nreconcile_delay = \"{reconcile}ms\"\nversion = {version}\n{aws}\
                 [load_balancer_controller]\nrule_lag = {lag}\nreconcile_time = \"{time}ms\"\nqueue = {queue}\n\
                 target_lag = {target_lag}\nderegister_targets = {deregister}\nregister_targets = {register}\n"
            )
        },
    )
}

fn load_balancer() -> impl Strategy<Value = String> {
    let delays = (0u64..10_000, delay(5_000), delay(5_000), delay(5_000), delay(15_000));
    let choices =
        (word(&["503", "last_known_targets"]), word(&["503", "route"]), word(&["random", "smooth"]), 1u32..4, 1u32..11);
    (1u32..5, delays, choices).prop_map(
        |(nodes, (batch, push, registration, check, deregistration), (empty, initial, selection, passes, connect))| {
            format!(
                "[load_balancer]\nnodes = {nodes}\nrule_batch = \"{batch}ms\"\nrule_push = {push}\n\
                 registration = {registration}\nfirst_health_check = {check}\nderegistration = {deregistration}\n\
                 initial_passes = {passes}\nempty_target_group = {empty}\ninitial_only = {initial}\n\
                 target_group_selection = {selection}\nconnect_timeout = \"{connect}s\"\n"
            )
        },
    )
}
