//! The readiness gates of the AWS Load Balancer Controller, from the label of the Namespace to the Ready condition.

use crate::support;
use proptest::prelude::*;
use rollout_sim::report::resolved;
use rollout_sim::run::{LogEntry, RolloutOutcome, Run};
use rollout_sim::scenario::Scenario;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation::run;
use rollout_sim::units::{Duration, Instant};
use std::cell::Cell;
use std::collections::BTreeSet;

const ON: &str = r#"namespace.labels."elbv2.k8s.aws/pod-readiness-gate-inject"=enabled"#;
const PING_PONG: [&str; 2] = [
    "rollout.strategy.canary.pingPong={ pingService = \"ping\", pongService = \"pong\" }",
    "rollout.strategy.canary.trafficRouting.alb={ ingress = \"web\", rootService = \"root\", servicePort = 80 }",
];

fn short(overrides: &[&str]) -> Scenario {
    support::scenario(support::SHORT, "short", overrides)
}

fn ping_pong(overrides: &[&str]) -> Scenario {
    short(&[&PING_PONG, overrides].concat())
}

fn of<'a>(run: &'a Run, event: &'a str) -> impl Iterator<Item = &'a LogEntry> {
    run.events.iter().filter(move |entry| entry.event == event)
}

/// The pods of the new revision, in order.
fn canary_pods(run: &Run) -> Vec<&str> {
    of(run, "Created").filter(|entry| entry.detail == "v2").map(|entry| entry.object.as_str()).collect()
}

fn first(run: &Run, event: &str, pod: &str) -> Instant {
    of(run, event).find(|entry| entry.object == pod).unwrap_or_else(|| panic!("{event} of {pod}")).at
}

/// The Services by which the pod has got a gate.
fn gates<'a>(run: &'a Run, pod: &str) -> Vec<&'a str> {
    of(run, "GateInjected").filter(|entry| entry.object == pod).map(|entry| entry.detail.as_str()).collect()
}

/// When every node had found the pod healthy in the target group of the Service.
fn healthy_everywhere(run: &Run, service: &str, pod: &str, nodes: usize) -> Instant {
    let by_node = of(run, "TargetHealthy").filter(|entry| entry.detail == pod && entry.object.ends_with(service));
    let times: Vec<_> = by_node.map(|entry| entry.at).collect();
    assert_eq!(times.len(), nodes, "{pod} in {service}");
    *times.last().expect("there are nodes")
}

#[test]
fn without_the_label_nothing_changes() {
    let mut off = short(&[]);
    // Parameters of gates that nobody injects.
    let controller = &mut off.load_balancer_controller.readiness_gate;
    controller.requeue_duration = Duration::secs(1);
    let plain = run(&short(&[]), 3);
    assert_eq!(run(&off, 3), plain);
    let disabled = r#"namespace.labels."elbv2.k8s.aws/pod-readiness-gate-inject"=disabled"#;
    assert_eq!(run(&short(&[disabled, "namespace.labels.team=web"]), 3), plain);
    assert_eq!(of(&plain, "GateInjected").count() + of(&plain, "ContainersReady").count(), 0);
    assert_ne!(run(&short(&[ON]), 3).fingerprint, plain.fingerprint);
}

#[test]
fn the_parameters_of_gates_are_listed_where_there_are_gates() {
    let listed = |overrides: &[&str]| {
        let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let loaded = load(support::SHORT, "short", &overrides).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let resolved = resolved::scenario(&loaded, loaded.scenario.seed);
        let again = load(&resolved, "short", &[]).unwrap_or_else(|problems| panic!("{problems:#?}\n{resolved}"));
        assert_eq!(Scenario { title: loaded.scenario.title.clone(), ..again.scenario }, loaded.scenario, "{resolved}");
        let names = ["gated_pods", "requeue_duration", "pod_watch", "gate_patch"];
        let keys = names.map(|name| format!("load_balancer_controller.{name}"));
        loaded.parameters.iter().filter(|parameter| keys.contains(&parameter.key)).count()
    };
    assert_eq!(listed(&[]), 0);
    assert_eq!(listed(&[ON]), 4);
    assert_eq!(listed(&["load_balancer_controller.requeue_duration=30s"]), 1);
}

#[test]
fn mistakes_about_gates_are_told() {
    for (set, message) in [
        ("load_balancer_controller.requeue_duration=0s", "requeue_duration must be above zero"),
        ("load_balancer_controller.gated_pods=poll", "`poll` is no choice for `gated_pods`"),
        ("namespace.labels.team=3", "`team` is an integer, it must be a string"),
        ("namespace.label.team=web", "unknown key `label`"),
    ] {
        let problems = load(support::SHORT, "short", &[set.to_owned()]).expect_err(set);
        let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [message], "{set}");
    }
}

#[test]
fn canary_pods_of_ping_pong_are_ready_after_the_load_balancer_has_found_them_healthy() {
    let scenario = ping_pong(&[ON]);
    let gated = run(&scenario, 3);
    assert_eq!(gated.rollout.outcome, RolloutOutcome::Promoted);
    let pods = canary_pods(&gated);
    assert_eq!(pods.len(), 4);
    for pod in pods {
        assert_eq!(gates(&gated, pod), ["ping"]);
        let healthy = healthy_everywhere(&gated, "ping", pod, 3);
        let (containers, ready) = (first(&gated, "ContainersReady", pod), first(&gated, "Ready", pod));
        assert!(containers < healthy && healthy < ready, "{pod}: {containers:?} {healthy:?} {ready:?}");
        // The next look is 15 s off at most; then AWS, the patch and the kubelet.
        assert!(ready - healthy <= Duration::millis(15_500), "{pod}: {healthy:?} {ready:?}");
    }
    let plain = run(&ping_pong(&[]), 3);
    let too_early = |pod: &&&str| first(&plain, "Ready", pod) < healthy_everywhere(&plain, "ping", pod, 3);
    assert_eq!(canary_pods(&plain).iter().filter(too_early).count(), 4, "without gates nobody waits for the nodes");
    assert!(gated.rollout.duration > plain.rollout.duration + Duration::secs(30), "three batches of pods wait");
}

#[test]
fn the_first_pods_of_a_plain_canary_carry_no_gate() {
    let run = run(&short(&[ON]), 3);
    let switched = of(&run, "SwitchService").find(|entry| entry.object == "canary").expect("it moves to v2").at;
    let pods = canary_pods(&run);
    let (before, after): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| first(&run, "Created", pod) < switched);
    assert_eq!((before.len(), after.len()), (1, 3));
    for pod in before {
        assert_eq!(gates(&run, pod), [""; 0]);
        assert!(first(&run, "Ready", pod) < healthy_everywhere(&run, "canary", pod, 3));
    }
    for pod in after {
        assert_eq!(gates(&run, pod), ["canary"]);
        assert!(first(&run, "Ready", pod) > healthy_everywhere(&run, "canary", pod, 3));
    }
}

/// From the endpoint that is not ready until its target is registered, of a pod that takes 45 s to start and half a
/// second to be probed.
fn registered_after(gated_pods: &str) -> Duration {
    let gated_pods = format!("load_balancer_controller.gated_pods={gated_pods}");
    let run = run(
        &ping_pong(&[
            ON,
            &gated_pods,
            "application.startup_time=45s",
            "cluster.container_seen=500ms",
            "cluster.endpoint_slice=0s",
            "rollout.template.spec.containers[0].readinessProbe.periodSeconds=1",
            "load_balancer_controller.pod_watch=0s",
            "load_balancer_controller.target_lag=0s",
            "load_balancer_controller.register_targets=0s",
        ]),
        3,
    );
    let endpoint = of(&run, "Updated").find(|entry| entry.detail.ends_with("gated")).expect("it has an endpoint").at;
    of(&run, "RegisterTargets").next().expect("it becomes a target").at - endpoint
}

#[test]
fn how_late_a_slow_pod_is_registered_depends_on_the_version_of_the_controller() {
    assert_eq!(registered_after("watch"), Duration::millis(45_500));
    assert_eq!(registered_after("requeue"), Duration::secs(60));
    // 5 ms, doubled 13 times: the sum of the first 14 waits.
    assert_eq!(registered_after("back_off"), Duration::millis(81_915));
}

#[test]
fn no_pod_of_a_random_scenario_is_ready_before_its_gates() {
    let gates_passed = Cell::new(0);
    support::for_random_scenarios("conservation", 100, |scenario, seed| {
        let mut scenario = scenario.clone();
        scenario.load_balancer_controller.readiness_gate.is_injected = true;
        let run = run(&scenario, seed);
        for gate in of(&run, "GateInjected") {
            let passed = of(&run, "GatePassed").find(|it| it.object == gate.object && it.detail == gate.detail);
            let ready = of(&run, "Ready").find(|entry| entry.object == gate.object);
            if let Some(ready) = ready {
                prop_assert!(passed.is_some_and(|passed| passed.at <= ready.at), "{:?}", gate);
            }
            let Some(passed) = passed else { continue };
            gates_passed.set(gates_passed.get() + 1);
            let found = of(&run, "TargetHealthy").filter(|it| it.detail == gate.object && it.at <= passed.at);
            let nodes: BTreeSet<_> =
                found.filter(|it| it.object.ends_with(&gate.detail)).map(|it| &it.object).collect();
            prop_assert_eq!(nodes.len() as u32, scenario.load_balancer.nodes, "{:?}", gate);
        }
        Ok(())
    });
    assert!(gates_passed.get() > 50, "{} gates", gates_passed.get());
}
