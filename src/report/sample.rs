//! A scenario and two runs made by hand, for the tests of the reports.
//!
//! Ten pods at 250 requests/s. Every weight reaches the ALB 70 s after it was asked for; at the last one the controller
//! removes the stable pods at once, so 10 % of the requests, 25/s, fail for 70 s.

use crate::model::application::{ApplicationSpec, DrainUntil, OnSigterm};
use crate::model::load_balancer::cookie::CookieSpec;
use crate::model::load_balancer::hold::Hold;
use crate::model::load_balancer::target_selection::Algorithm;
use crate::model::load_balancer::{
    EmptyTargetGroup, InitialOnly, LoadBalancerSpec, TargetGroupSelection, TargetGroupSpec,
};
use crate::model::load_balancer_controller::listener_rules::RuleSynthesis;
use crate::model::load_balancer_controller::{
    GatedPods, LoadBalancerControllerSpec, QueueDiscipline, ReadinessGateSpec,
};
use crate::model::outcome::Cause;
use crate::model::pod::PodSpec;
use crate::model::rollout::controller::RolloutsControllerSpec;
use crate::model::rollout::spec::{Canary, RolloutSpec, Strategy, TrafficRouting};
use crate::model::scheduler::ClusterSpec;
use crate::model::traffic::{Arrivals, RateProfile, TrafficSpec};
use crate::random::Distribution;
use crate::run::{
    CauseCount, FailingSecond, Latency, LogEntry, Mirrored, Pods, Requests, RolloutOutcome, RolloutRecord, Run, Second,
    StepRecord,
};
use crate::scenario::preset::ALB;
use crate::scenario::router::{RouterKind, RouterSpec, Routes};
use crate::scenario::service_names::ServiceNames;
use crate::scenario::workload::Workload;
use crate::scenario::{Loaded, Origin, Parameter, Scenario, SimulationSpec};
use crate::units::{Duration, Instant, Share};

const WARMUP: u64 = 60;
const END: u64 = 540;
const LAG: u64 = 70;
/// (weight, start in seconds since the release, stable pods, canary pods) of every `setWeight`.
const STAGES: [(u8, u64, u16, u16); 6] =
    [(0, 40, 10, 2), (10, 100, 9, 2), (60, 180, 4, 6), (80, 260, 2, 8), (90, 340, 1, 9), (100, 420, 0, 10)];

/// So many milliseconds after the release.
pub fn at_millis(millis: u64) -> Instant {
    Instant::START + Duration::secs(WARMUP) + Duration::millis(millis)
}

pub fn at(secs: u64) -> Instant {
    at_millis(secs * 1000)
}

pub fn loaded() -> Loaded {
    let parameter = |key: &str, value: &str, origin| Parameter {
        key: key.into(),
        value: value.into(),
        origin,
        note: "what it is, and where it comes from",
    };
    Loaded {
        ignored: Vec::new(),
        scenario: scenario(),
        thresholds: Vec::new(),
        sweep: crate::scenario::sweep::SweepSection::default(),
        parameters: vec![
            parameter("title", "\"…\"", Origin::Scenario),
            parameter("simulation.warmup", "\"60s\"", Origin::Default),
            parameter("traffic.rate", "\"15000/min\"", Origin::Scenario),
            parameter("rollout.replicas", "10", Origin::Scenario),
            parameter("application.startup_time", "\"20s\"", Origin::Default),
            parameter("application.on_sigterm", "\"exit\"", Origin::Scenario),
            parameter("rollouts_controller.reconcile_delay", "{ min = \"50ms\", max = \"150ms\" }", Origin::Default),
            parameter("load_balancer_controller.rule_lag", "\"1m10s\"", Origin::CommandLine),
            parameter("load_balancer.deregistration", "\"2s\"", Origin::Default),
            parameter("load_balancer.empty_target_group", "\"last_known_targets\"", Origin::Default),
        ],
        warnings: Vec::new(),
    }
}

fn alb() -> RouterSpec {
    RouterSpec { kind: Some(RouterKind::Alb), preset: ALB, routes: Routes::default() }
}

fn readiness_gate() -> ReadinessGateSpec {
    ReadinessGateSpec {
        is_injected: false,
        gated_pods: GatedPods::Watch,
        requeue_duration: Duration::secs(15),
        pod_watch: Distribution::millis(100),
        gate_patch: Distribution::millis(100),
    }
}

fn scenario() -> Scenario {
    Scenario {
        router: alb(),
        name: "web-incident".into(),
        title: "Ten pods, and a rule that arrives 70 s late".into(),
        seed: 1,
        seeds: None,
        simulation: SimulationSpec {
            warmup: Duration::secs(WARMUP),
            cooldown: Duration::secs(60),
            duration: None,
            horizon: Duration::secs(7200),
        },
        traffic: TrafficSpec {
            rate: RateProfile::Constant("15000/min".parse().expect("a rate")),
            arrivals: Arrivals::Poisson,
            service_time: Distribution::millis(40),
            classes: vec![],
        },
        workload: Workload::Rollout(RolloutSpec {
            replicas: 10,
            min_ready: Duration::ZERO,
            strategy: Strategy::Canary(Canary {
                traffic_routing: Some(TrafficRouting::default()),
                dynamic_stable_scale: true,
                ..Canary::default()
            }),
            ..RolloutSpec::default()
        }),
        pod: PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: None },
        target_group: target_group(),
        application: application(),
        cluster: cluster(),
        rollouts_controller: RolloutsControllerSpec::default(),
        load_balancer_controller: LoadBalancerControllerSpec {
            rule_lag: Distribution::secs(LAG),
            reconcile_time: Duration::secs(1),
            queue: QueueDiscipline::WorkQueue,
            rule_call: Distribution::secs(0),
            rule_synthesis: RuleSynthesis::BySettings,
            tolerates_missing_action: true,
            target_lag: Distribution::secs(1),
            deregister_targets: Distribution::millis(100),
            register_targets: Distribution::millis(100),
            readiness_gate: readiness_gate(),
        },
        load_balancer: load_balancer(),
        actions: Vec::new(),
        analysis_templates: Vec::new(),
        gitops: None,
        hpa: None,
        backend: crate::model::Service::Stable,
        ingress: crate::model::ingress::Ingress::default(),
        services: ServiceNames { stable: "stable".into(), canary: "canary".into(), root: "stable".into(), port: 80 },
        monitoring: crate::scenario::monitoring::MonitoringSpec::default(),
        alerts: vec![],
    }
}

fn target_group() -> TargetGroupSpec {
    TargetGroupSpec {
        interval: Duration::secs(10),
        timeout: Duration::secs(5),
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        deregistration_delay: Duration::secs(30),
        minimum_healthy_targets: 1,
        algorithm: Algorithm::RoundRobin,
        slow_start: Duration::ZERO,
        stickiness: None,
        cookie_is_of_application: false,
    }
}

fn application() -> ApplicationSpec {
    ApplicationSpec {
        startup_time: Distribution::secs(20),
        on_sigterm: OnSigterm::Exit,
        sigterm_reaction: Distribution::millis(0),
        drain_until: DrainUntil::RequestsAnswered,
        drain_timeout: Duration::secs(30),
        keep_alive: Duration::secs(75),
        keep_alive_race_window: Duration::millis(1),
        concurrency: 64,
        backlog: 128,
        versions: std::collections::BTreeMap::new(),
        feature_flag_delay: Distribution::millis(0),
    }
}

fn cluster() -> ClusterSpec {
    let short = || Distribution::millis(100);
    ClusterSpec {
        nodes: 4,
        api_write: short(),
        scheduling: short(),
        sandbox_creation: short(),
        image_pull: short(),
        container_start: short(),
        container_seen: short(),
        kubelet_notices_delete: short(),
        sandbox_removal: short(),
        pod_removal: short(),
        replica_set_sync: short(),
        replica_set_status: short(),
        availability_check: short(),
        endpoint_slice: short(),
        host_unreachable_share: 0.5,
    }
}

fn load_balancer() -> LoadBalancerSpec {
    LoadBalancerSpec {
        nodes: 2,
        hold: Hold::None,
        health_checks: true,
        rule_push: Distribution::secs(1),
        registration: Distribution::secs(1),
        first_health_check: Distribution::secs(1),
        deregistration: Distribution::secs(2),
        initial_passes: 1,
        empty_target_group: EmptyTargetGroup::LastKnownTargets,
        initial_only: InitialOnly::Answer503,
        target_group_selection: TargetGroupSelection::Random,
        cookies: CookieSpec { honours_zero_weight: false, is_renewed: true },
        connect_timeout: Duration::secs(10),
        idle_timeout: Duration::secs(60),
    }
}

/// The incident.
pub fn incident() -> Run {
    let mut run = quiet();
    for second in 420..490 {
        let row = &mut run.seconds[(WARMUP + second) as usize];
        row.elb_502 = 25;
        row.ok -= 25;
    }
    run.events.extend(log(&[
        (420_000, "rollouts-controller", "SetWeight", "ingress", "canary 100 stable 0"),
        (420_100, "rollouts-controller", "ScaleReplicaSet", "v1", "1 -> 0"),
        (420_200, "pod", "Deleted", "pod-9", "v1"),
        (420_300, "pod", "SIGTERM", "pod-9", "v1"),
        (420_300, "pod", "Exited", "pod-9", "v1"),
        (423_000, "load-balancer", "GroupEmpty", "node 0 stable", ""),
        (490_000, "load-balancer", "RuleEffective", "node 0", "canary 100 stable 0"),
    ]));
    run.events.sort_by_key(|entry| entry.at);
    recount(&mut run, Cause::ConnectionRefused);
    run
}

/// Adds up the rows, as the simulation does; all errors get the one cause.
pub fn recount(run: &mut Run, cause: Cause) {
    run.requests = Requests::default();
    for row in &run.seconds {
        run.requests.total += u64::from(row.requests);
        run.requests.ok += u64::from(row.ok);
        run.requests.elb_502 += u64::from(row.elb_502);
        run.requests.elb_503 += u64::from(row.elb_503);
        run.requests.elb_504 += u64::from(row.elb_504);
    }
    let failing = |row: &usize| run.seconds[*row].elb_5xx() > 0;
    let instant = |row: usize, millis: u64| Instant::START + Duration::secs(row as u64) + Duration::millis(millis);
    run.causes = [CauseCount::default(); Cause::ALL.len()];
    run.causes[cause.index()] = CauseCount {
        count: run.requests.elb_5xx(),
        first: (0..run.seconds.len()).find(failing).map(|row| instant(row, 300)),
        last: (0..run.seconds.len()).rfind(failing).map(|row| instant(row, 980)),
    };
    let second = |(row, second): (usize, &Second)| {
        let mut causes = [0; Cause::ALL.len()];
        causes[cause.index()] = second.elb_5xx();
        FailingSecond { row: row as u32, causes }
    };
    run.failures = run.seconds.iter().enumerate().filter(|(_, second)| second.elb_5xx() > 0).map(second).collect();
    let starts: Vec<_> = run.steps.iter().map(|step| step.started.map_or(u64::MAX, Instant::second)).collect();
    for (index, step) in run.steps.iter_mut().enumerate() {
        let next = starts.get(index + 1).copied().unwrap_or(WARMUP + 480);
        let rows = run.seconds.iter().zip(0..).filter(|(_, second)| (starts[index]..next).contains(second));
        step.elb_5xx = rows.map(|(row, _)| u64::from(row.elb_5xx())).sum();
    }
    let after = run.seconds.iter().skip((WARMUP + 480) as usize);
    run.rollout.elb_5xx_after_last_step = after.map(|row| u64::from(row.elb_5xx())).sum();
}

/// The same release without an error.
pub fn quiet() -> Run {
    let seconds: Vec<_> = (0..WARMUP + END).map(|row| second(row as i64 - WARMUP as i64)).collect();
    let total = 250 * seconds.len() as u64;
    let mut events = log(&[(0, "rollouts-controller", "StepStarted", "step 0", "setCanaryScale weight 20")]);
    events.extend(log(&[(0, "rollouts-controller", "ScaleReplicaSet", "v2", "0 -> 2")]));
    let steps = steps();
    for step in &steps {
        let entry = |event, at: Option<Instant>| LogEntry {
            at: at.expect("every step of the sample begins and ends"),
            component: "rollouts-controller",
            event,
            object: format!("step {}", step.index),
            detail: step.step.clone(),
        };
        // The first one stands above.
        events.extend((step.index > 0).then(|| entry("StepStarted", step.started)));
        events.push(entry("StepCompleted", step.completed));
    }
    events.sort_by_key(|entry| entry.at);
    Run {
        seed: 1,
        fingerprint: 0x0123_4567_89ab_cdef,
        release: at(0),
        end: at(END),
        seconds,
        events,
        requests: Requests { total, ok: total, ..Requests::default() },
        causes: [CauseCount::default(); Cause::ALL.len()],
        failures: Vec::new(),
        steps,
        rollout: RolloutRecord {
            outcome: RolloutOutcome::Promoted,
            promoted: Some(at_millis(480_100)),
            stable_gone: Some(at(485)),
            duration: Duration::millis(480_100),
            elb_5xx_after_last_step: 0,
            elb_5xx_after_abort: 0,
            began_anew: None,
            elb_5xx_superseded: 0,
            elb_5xx_after_undo: 0,
            aborted: None,
            undone: None,
        },
        waits_for: None,
        pods: Pods { peak: 13, pod_time: Duration::secs(6512), steady_pod_time: Duration::secs(6000) },
        latency: Latency {
            p50: Duration::millis(40),
            p90: Duration::millis(141),
            p99: Duration::from_nanos(400_123_456),
            p999: Duration::millis(880),
            max: Duration::millis(2310),
        },
        nodes: 2,
        classes: vec![],
        decisions: vec![],
        changes: vec![],
        built_from: vec![],
        mirrored: Mirrored::default(),
        trace: None,
    }
}

pub fn log(entries: &[(u64, &'static str, &'static str, &str, &str)]) -> Vec<LogEntry> {
    let entry = |&(millis, component, event, object, detail): &(u64, _, _, &str, &str)| LogEntry {
        at: at_millis(millis),
        component,
        event,
        object: object.into(),
        detail: detail.into(),
    };
    entries.iter().map(entry).collect()
}

fn second(time: i64) -> Second {
    let since = |lag: u64| STAGES.iter().rfind(|stage| time >= (stage.1 + lag) as i64);
    let stage = since(0);
    let (stable, canary) = match stage {
        Some(&(_, start, stable, canary)) if time < start as i64 + 40 => {
            // New pods take 40 s to start; those of the stage before serve meanwhile.
            let before = STAGES.iter().rfind(|other| other.1 < start).map_or(0, |other| other.3);
            (stable, canary.min(before.max(if start == 40 { 2 } else { 0 })))
        }
        Some(&(_, _, stable, canary)) => (stable, canary),
        None => (10, 0),
    };
    let gone = stage.map_or(0, |stage| {
        let before = STAGES.iter().rfind(|other| other.1 < stage.1).map_or(10, |other| other.2);
        if time < stage.1 as i64 + 30 { before - stage.2 } else { 0 }
    });
    let wanted = stage.map_or(if time >= 0 { 2 } else { 0 }, |stage| stage.3);
    Second {
        requests: 250,
        ok: 250,
        latency_p50_us: 40_000,
        latency_p99_us: 400_123,
        weight_requested: stage.map_or(0, |stage| 100 * u16::from(stage.0)),
        weight_effective_sum: since(LAG).map_or(0, |stage| 2 * 100 * u32::from(stage.0)),
        stable_serving: stable,
        canary_serving: canary,
        terminating: gone,
        pods_total: stable + wanted + gone,
        ..Second::default()
    }
}

fn steps() -> Vec<StepRecord> {
    let mut steps = vec![StepRecord {
        index: 0,
        step: "setCanaryScale weight 20".into(),
        started: Some(at(0)),
        completed: Some(at(40)),
        weight_requested: Share::NONE,
        weight_asked: None,
        weight_effective: None,
        stable_pods: 10,
        canary_pods: 2,
        elb_5xx: 0,
    }];
    for (index, &(weight, start, stable, canary)) in STAGES.iter().enumerate() {
        let set_weight = StepRecord {
            index: steps.len(),
            step: format!("setWeight {weight}"),
            started: Some(at(start)),
            completed: Some(at(start)),
            weight_requested: Share::new(u64::from(weight), 100),
            weight_asked: Some(at(start)),
            weight_effective: Some(if weight == 0 { at(start) } else { at(start + LAG) }),
            stable_pods: u32::from(stable),
            canary_pods: u32::from(canary),
            elb_5xx: 0,
        };
        let pause = StepRecord {
            index: steps.len() + 1,
            step: "pause 60s".into(),
            completed: Some(at(STAGES.get(index + 1).map_or(480, |next| next.1))),
            weight_asked: None,
            weight_effective: None,
            ..set_weight.clone()
        };
        steps.extend([set_weight, pause]);
    }
    steps
}
