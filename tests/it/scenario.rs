//! From the text of a scenario to the scenario, and back.

use proptest::prelude::*;
use rollout_sim::cli::diagnostics::{Input, render};
use rollout_sim::cli::gallery;
use rollout_sim::model::request_match::StringMatch;
use rollout_sim::model::rollout::step::{HeaderMatch, Step};
use rollout_sim::report::resolved;
use rollout_sim::scenario::load::load;
use rollout_sim::scenario::sources::Sources;
use rollout_sim::scenario::{Loaded, Origin, Scenario};

const FULL: &str = r#"
"$schema" = "./scenario.schema.json"
schema_version = 1
title = "Everything \"at\" once"
seed = 7
seeds = [3, 5, 8]

[simulation]
warmup = "30s"
duration = "24h"

[traffic]
rate = "15000/min"
arrivals = "uniform"
service_time = { quantiles = [[0, "1ms"], [0.5, "20ms"], [1.0, "2s"]] }

[rollout]
replicas = 10
minReadySeconds = 5
revisionHistoryLimit = 3
[rollout.template.metadata.labels]
app = "web"
[rollout.template.spec]
terminationGracePeriodSeconds = 90
[[rollout.template.spec.containers]]
name = "web"
image = "web:2"
ports = [{ containerPort = 8080 }]
lifecycle.preStop.httpGet = { path = "/stop", port = 8080 }
readinessProbe = { httpGet = { path = "/", port = 8080 }, periodSeconds = 0, initialDelaySeconds = 3 }
[rollout.strategy.canary]
canaryService = "web-canary"
stableService = "web-stable"
scaleDownDelaySeconds = 60
maxUnavailable = "20%"
maxSurge = 1
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
trafficRouting.managedRoutes = [{ name = "by-header" }, { name = "by-cookie" }]
pingPong = { pingService = "web-ping", pongService = "web-pong" }
antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight = 1
steps = [
  { setCanaryScale = { weight = 20 } },
  { setCanaryScale = { replicas = 3 } },
  { setCanaryScale = { matchTrafficWeight = true } },
  { setWeight = 0 },
  { pause = { duration = 60 } },
  { pause = { duration = "1m30s" } },
  { pause = {} },
  { setHeaderRoute = { name = "by-header", match = [{ headerName = "X-Canary", headerValue = { exact = "on" } }] } },
]

[[ingress.rules]]
host = "example.org"
http.paths = [{ path = "/*", backend.service = { name = "web-root", port.name = "use-annotation" } }]
[ingress.annotations]
"alb.ingress.kubernetes.io/healthcheck-interval-seconds" = "10"
"alb.ingress.kubernetes.io/scheme" = "internal"
"alb.ingress.kubernetes.io/actions.web-root" = '{"type":"forward"}'
"kubernetes.io/ingress.class" = "alb"
"alb.ingress.kubernetes.io/target-group-attributes" = "deregistration_delay.timeout_seconds=30, stickiness.enabled=true"

[application]
pre_stop_time = "20s"
on_sigterm = "drain"
keep_alive = "1m15s"

[load_balancer]
nodes = 2
rule_push = "3s"

[thresholds]
"elb_502.count" = ["== 0", "< 5"]
elb_5xx.rate = "< 0.01%"
"elb_5xx{step=3}.count" = "== 0"
"#;

fn loaded(text: &str, overrides: &[&str]) -> Loaded {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    load(text, "test", &overrides).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn messages(text: &str, overrides: &[&str]) -> Vec<String> {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    match load(text, "test", &overrides) {
        Ok(loaded) => loaded.warnings.into_iter().map(|problem| format!("warning: {}", problem.message)).collect(),
        Err(problems) => problems.into_iter().map(|problem| problem.message).collect(),
    }
}

fn first_run() -> &'static str {
    gallery::find("first-run").expect("the gallery has it").1
}

#[test]
fn a_resolved_scenario_is_the_same_scenario() {
    let dynamic = ["rollout.strategy.canary.dynamicStableScale=true", "rollout.replicas=3"];
    let sleep = ["rollout.template.spec.containers[0].lifecycle.preStop={ sleep = { seconds = 20 } }"];
    let mut cases = vec![loaded(FULL, &[]), loaded(FULL, &sleep), loaded(first_run(), &dynamic)];
    cases.extend(gallery::SCENARIOS.iter().map(|(_, text)| loaded(text, &[])));
    for case in cases {
        let text = resolved::scenario(&case, case.scenario.seed);
        let again = loaded(&text, &[]);
        let scenario = Scenario { name: "test".to_owned(), ..case.scenario.clone() };
        assert_eq!(again.scenario, scenario, "{text}");
        assert_eq!(again.thresholds, case.thresholds, "{text}");
        // Whatever had a default is written out now.
        let keys = |loaded: &Loaded| loaded.parameters.iter().map(|p| p.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&again), keys(&case), "{text}");
        assert!(again.parameters.iter().all(|parameter| parameter.origin == Origin::Scenario));
        assert_eq!(resolved::scenario(&again, 99).matches("seed = 99  # from the command line").count(), 1);
    }
}

#[test]
fn every_section_reaches_the_scenario() {
    let scenario = loaded(FULL, &[]).scenario;
    assert_eq!(scenario.seeds, Some(vec![3, 5, 8]));
    assert_eq!(
        scenario.workload.canary().expect("it is a canary").fenceposts(scenario.workload.replicas()).max_unavailable,
        2
    );
    let canary = scenario.workload.canary().expect("it is a canary");
    assert_eq!(canary.steps.len(), 8);
    assert_eq!(canary.steps[7].to_string(), "setHeaderRoute by-header");
    assert!(
        matches!(&canary.steps[7], Step::SetHeaderRoute(route) if route.matches == [HeaderMatch { header_name: "X-Canary".into(), value: StringMatch::Exact("on".into()) }])
    );
    assert_eq!(canary.traffic_routing.as_ref().unwrap().managed_routes, ["by-header", "by-cookie"]);
    assert!(canary.ping_pong);
    assert_eq!(scenario.pod.pre_stop.unwrap().to_string(), "20s");
    assert_eq!(scenario.pod.readiness_probe.unwrap().period.to_string(), "10s");
    assert_eq!(scenario.target_group.deregistration_delay.to_string(), "30s");
    assert_eq!(scenario.target_group.interval.to_string(), "10s");
    assert_eq!(scenario.load_balancer.rule_push.to_string(), "\"3s\"");
}

#[test]
fn a_parameter_says_where_its_value_comes_from() {
    let parameters =
        loaded(first_run(), &["traffic.rate=50/s", "rollout.strategy.canary.steps[0].setWeight=30"]).parameters;
    let origin = |key: &str| {
        let parameter = parameters.iter().find(|parameter| parameter.key == key).expect(key);
        (parameter.value.as_str(), parameter.origin)
    };
    assert_eq!(origin("traffic.rate"), ("\"50/s\"", Origin::CommandLine));
    assert_eq!(origin("rollout.strategy.canary.steps[0]"), ("{ setWeight = 30 }", Origin::CommandLine));
    assert_eq!(origin("rollout.strategy.canary.steps[2]"), ("{ setWeight = 50 }", Origin::Scenario));
    assert_eq!(origin("rollout.replicas"), ("4", Origin::Scenario));
    assert_eq!(origin("application.concurrency"), ("64", Origin::Default));
}

#[test]
fn every_default_names_its_source() {
    let sources = ["Kubernetes", "kubelet", "Argo", "argo-", "AWS", "aws-", "ELBv2", "nginx", "Linux"];
    for parameter in loaded(first_run(), &[]).parameters {
        let note = parameter.note;
        let has_source = note.contains("Assumption: ") || sources.iter().any(|source| note.contains(source));
        let is_plain = ["seed", "title"].contains(&parameter.key.as_str()) || note.contains("controller-runtime");
        assert!(parameter.origin != Origin::Default || has_source || is_plain, "{}: {note}", parameter.key);
    }
}

#[test]
fn all_mistakes_of_a_file_come_at_once_and_in_order() {
    let text = "seed = -1\n[traffic]\nrate = \"-5/s\"\n[rollout]\nreplica = 3\n[simulation]\nwarmup = 60\n";
    assert_eq!(
        messages(text, &["traffic.arrivals=often"]),
        [
            "`often` is no choice for `arrivals`",
            "-1 is not a seed: it must be an integer from 0",
            "`-5/s` is negative: a rate must be above zero",
            "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'",
            "unknown key `replica`",
            "60 is a bare number, a duration needs its unit",
        ]
    );
}

#[test]
fn each_rule_of_the_controllers_has_its_message() {
    let canary = |rest: &str| format!("rollout.strategy.canary.{rest}");
    let annotation = |rest: &str| format!("ingress.annotations.\"alb.ingress.kubernetes.io/{rest}");
    let container = |rest: &str| format!("rollout.template.spec.containers[0].{rest}");
    for (set, message) in [
        (canary("scaleDownDelaySeconds=30"), "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds"),
        (canary("steps[0].setWeight=101"), "SetWeight needs to be between 0 and 100"),
        (canary("steps[0]={ setweight = 5 }"), "there is no step `setweight`"),
        (canary("steps[0]={ experiment = {} }"), "the step `experiment` is not simulated yet"),
        (canary("steps[0]={ analysis = {} }"), "an analysis names its templates"),
        (
            canary("steps[0]={ setHeaderRoute = { name = \"h\" }, setCanaryScale = {} }"),
            "a step that does several things is not simulated yet",
        ),
        (canary("steps[1].pause.duration=-5"), "Duration needs to be greater than 0"),
        (canary("steps[1].pause.duration=1d"), "Duration needs to be greater than 0"),
        (canary("trafficRouting={}"), "`rollout.strategy.canary.trafficRouting.alb` is missing"),
        (
            canary("stableService=web-canary"),
            "This rollout uses the same service for the stable and canary services, but two different services are required",
        ),
        (canary("maxUnavailable=half"), "\"half\" is neither a number of pods nor a percentage"),
        ("rollout.strategy.blueGreen={}".into(), "Multiple Strategies can not be listed"),
        (
            "rollout.strategy={ blueGreen = { activeService = \"a\", previewService = \"a\" } }".into(),
            "This rollout uses the same service for the active and preview services, but two different services are \
             required",
        ),
        ("rollout.minReadySeconds=600".into(), "progressDeadlineSeconds must be greater than minReadySeconds"),
        (container("livenessProbe={}"), "`livenessProbe` is not simulated yet"),
        (
            container("lifecycle.preStop={ sleep = { seconds = 61 } }"),
            "the preStop sleep (1m1s) is longer than the grace period (1m)",
        ),
        (
            annotation("healthcheck-timeout-seconds\"=\"15\""),
            "the health check's timeout (15s) must be below its interval (15s)",
        ),
        (annotation("healthcheck-interval-seconds\"=15"), "an annotation is a string, this is an integer"),
        (annotation("target-type\"=instance"), "target-type `instance` is not simulated"),
        (annotation("healthchek-path\"=/"), "unknown annotation `alb.ingress.kubernetes.io/healthchek-path`"),
        (
            annotation("target-group-attributes\"=deregistration_delay.timeout_seconds=3601"),
            "`deregistration_delay.timeout_seconds` is `3601`, it must be a number from 0 to 3,600",
        ),
        (
            "thresholds.\"elb_5xx{step=6}.count\"=\"== 0\"".into(),
            "`elb_5xx{step=6}.count == 0`: there are 6 steps, counted from 0",
        ),
        ("thresholds.\"elb_520.count\"=\"== 0\"".into(), "there is no metric `elb_520.count`"),
        ("title=\"a\\nb\"".into(), "the title holds a line break or another control character"),
        ("title=\" \"".into(), "the title is empty"),
        ("rollouts_controller.reconcile_delay=0s".into(), "reconcile_delay must be above zero"),
        ("seeds=[5, 3, 5]".into(), "`seeds` names 5 twice: it would count twice"),
    ] {
        let got = messages(first_run(), &[&set]);
        assert!(got.iter().any(|text| text == message), "{set}: {got:#?}");
    }
}

#[test]
fn odd_but_possible_is_a_warning() {
    let container = |rest: &str| format!("rollout.template.spec.containers[0].lifecycle.preStop={rest}");
    let dynamic = "rollout.strategy.canary.dynamicStableScale=false";
    for (set, message) in [
        (
            container("{ exec = { command = [\"sleep\", \"60\"] } }"),
            "the preStop hook (1m) takes the whole grace period (1m)",
        ),
        (
            container("{ exec = { command = [\"/stop.sh\"] } }"),
            "how long this preStop hook runs cannot be read off it: it counts as instant",
        ),
        (
            container("{ exec = { command = [\"sh\", \"-c\", \"nginx -s quit; sleep 5\"] } }"),
            "this hook tells the program to stop before it sleeps",
        ),
        (
            "rollout.strategy.canary.scaleDownDelaySeconds=0".into(),
            "with scaleDownDelaySeconds = 0 the previous ReplicaSet is never removed",
        ),
        ("application.pre_stop_time=5s".into(), "`pre_stop_time` has no effect"),
        (
            // 64 workers ÷ 65.28 ms, the mean of a log-normal with median 40 ms and p99 400 ms; 4 pods need more than 980/s each.
            "traffic.rate=3922/s".into(),
            "the pods can't carry this load even without a release: 3922/s arrive, a pod answers at most 980.4/s",
        ),
        (
            "ingress.annotations.\"alb.ingress.kubernetes.io/scheme\"=internal".into(),
            "without effect on the simulation: scheme",
        ),
        (
            "ingress.annotations.\"alb.ingress.kubernetes.io/target-group-attributes\"=\
             load_balancing.algorithm.anomaly_mitigation=on"
                .into(),
            "`load_balancing.algorithm.anomaly_mitigation=on` is not simulated",
        ),
    ] {
        assert_eq!(messages(first_run(), &[&set, dynamic]), [format!("warning: {message}")], "{set}");
    }
}

/// Loads, and draws every problem: neither may panic, whatever the text.
fn survives(text: &str, overrides: &[String]) {
    let sources = Sources::scenario("test.toml", text);
    let input = Input { sources: &sources, overrides };
    match load(text, "test", overrides) {
        Ok(loaded) => {
            let resolved = resolved::scenario(&loaded, 1);
            load(&resolved, "test", &[]).unwrap_or_else(|problems| panic!("{problems:#?}\n{resolved}"));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(render(&problem, input).contains(&problem.message[..1]));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_that_changes_makes_the_reader_panic(
        changes in proptest::collection::vec((0..FULL.len(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (at, byte, what) in changes {
            let at = at % bytes.len();
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        survives(&String::from_utf8_lossy(&bytes), &[]);
    }

    #[test]
    fn no_value_at_any_key_makes_the_reader_panic(
        key in 0..200usize,
        value in prop::sample::select(vec![
            "0", "-1", "9223372036854775807", "1.5", "nan", "inf", "-0.0", "true", "\"\"", "x", "\"-1s\"", "\"0s\"",
            "\"146y\"", "\"2562047h\"", "[]", "[[]]", "{}", "{ min = 1 }", "1979-05-27", "\"100%\"", "[{}]", "\"\\u0000\"",
            "{ median = \"1ns\", p99 = \"1000000h\" }", "\"5000000000/s\"", "\"1/h\"", "[0, 0]", "\"\\u007f\\u0085é\"",
        ]),
        cut in any::<bool>(),
    ) {
        let parameters = loaded(FULL, &[]).parameters;
        let key = parameters[key % parameters.len()].key.clone();
        let key = if cut { key.rsplit_once('.').map_or(key.clone(), |(table, _)| table.to_owned()) } else { key };
        survives(FULL, &[format!("{key}={value}")]);
    }
}
