//! Sums done on paper: refused requests = rate × share × seconds, exactly.
//!
//! One node, fixed lags, even arrivals, and a weighted choice that splits any 100 requests in a row exactly. Every
//! window is a multiple of 100 ms, in which ten requests arrive, so round robin over ten targets divides it evenly, too.

use rollout_sim::model::outcome::Cause;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;

/// 100 requests/s on ten pods that exit at once on SIGTERM. Nothing takes any time, but what a case says, and the pass
/// of the Rollouts controller: 100 ms after whatever wakes it.
const BASE: &str = r#"
title = "By hand"

[simulation]
warmup = "10s"
duration = "400s"

[traffic]
rate = "100/s"
arrivals = "uniform"
service_time = "10ms"

[rollout]
replicas = 10
[rollout.template.spec]
terminationGracePeriodSeconds = 90
[[rollout.template.spec.containers]]
name = "web"
[rollout.strategy.canary]
dynamicStableScale = true
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
steps = []

[ingress.annotations]
"alb.ingress.kubernetes.io/healthcheck-interval-seconds" = "300"

[application]
startup_time = "0s"
on_sigterm = "exit"
sigterm_reaction = "0s"

[cluster]
api_write = "0s"
scheduling = "0s"
sandbox_creation = "0s"
image_pull = "0s"
container_start = "0s"
container_seen = "0s"
kubelet_notices_delete = "0s"
sandbox_removal = "1h"
pod_removal = "1h"
replica_set_sync = "0s"
replica_set_status = "0s"
endpoint_slice = "0s"
host_unreachable_share = 0.0

[load_balancer_controller]
rule_lag = "0s"
target_lag = "0s"
deregister_targets = "0s"
register_targets = "0s"

[load_balancer]
nodes = 1
rule_batch = "0s"
rule_push = "0s"
registration = "0s"
first_health_check = "0s"
deregistration = "0s"
target_group_selection = "smooth"
"#;

/// One pod of ten is removed, the rule never changes.
const ONE_POD: &str = r#"rollout.strategy.canary.steps=[{ setWeight = 10 }, { pause = {} }]"#;
/// 90 %, long enough for every lag, then 100 %: the last stable pod goes.
const LAST_POD: &str = r#"rollout.strategy.canary.steps=[{ setWeight = 90 }, { pause = { duration = "100s" } }, { setWeight = 100 }, { pause = {} }]"#;
/// Straight to the promotion, with ten canary pods at the ready.
const PROMOTION: &str = r#"rollout.strategy.canary.steps=[{ setCanaryScale = { weight = 100 } }, { pause = { duration = "20s" } }, { setWeight = 100 }]"#;

const LAST_KNOWN: &str = r#"load_balancer.empty_target_group="last_known_targets""#;
const NO_RULE: &str = r#"load_balancer_controller.rule_lag="1h""#;
const RULE_70S: &str = r#"load_balancer_controller.rule_lag="70s""#;
const DEREGISTRATION_20S: &str = r#"load_balancer.deregistration="20s""#;

struct Case {
    sum: &'static str,
    overrides: &'static [&'static str],
    /// Every cause that may strike, and how often, exactly.
    expected: &'static [(Cause, u64)],
}

fn check(case: &Case) {
    let overrides: Vec<_> = case.overrides.iter().map(ToString::to_string).collect();
    let loaded = load(BASE, "by-hand", &overrides).unwrap_or_else(|problems| panic!("{}: {problems:?}", case.sum));
    let run = simulation::run(&loaded.scenario, 1);
    let struck: Vec<_> = Cause::ALL
        .into_iter()
        .map(|cause| (cause, run.causes[cause.index()].count))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(struck, case.expected, "{}", case.sum);
    assert_eq!(run.requests.total, 41_000, "100/s for 10 s + 400 s");
}

const REFUSED: &[Case] = &[
    Case {
        sum: "a pod refuses until its deregistration is known: 100/s × 1/10 × 20 s",
        overrides: &[ONE_POD, NO_RULE, DEREGISTRATION_20S],
        expected: &[(Cause::ConnectionRefused, 200)],
    },
    Case {
        sum: "the controller's own lags add to it: 100/s × 1/10 × (0.4 + 1.5 + 0.1 + 20) s",
        overrides: &[
            ONE_POD,
            NO_RULE,
            DEREGISTRATION_20S,
            r#"cluster.endpoint_slice="400ms""#,
            r#"load_balancer_controller.target_lag="1500ms""#,
            r#"load_balancer_controller.deregister_targets="100ms""#,
        ],
        expected: &[(Cause::ConnectionRefused, 220)],
    },
    Case {
        sum: "preStop takes its time off: 100/s × 1/10 × (20 - 15) s",
        overrides: &[ONE_POD, NO_RULE, DEREGISTRATION_20S, PRE_STOP_15S],
        expected: &[(Cause::ConnectionRefused, 50)],
    },
    Case {
        sum: "the last pod goes one pass (0.1 s) after the weight was asked for, the rule 70 s after: 100/s × 10 % × 69.9 s",
        overrides: &[LAST_POD, RULE_70S, LAST_KNOWN],
        expected: &[(Cause::ConnectionRefused, 699)],
    },
    Case {
        sum: "the same, answered 503 for an empty group: 100/s × 10 % × 69.9 s",
        overrides: &[LAST_POD, RULE_70S],
        expected: &[(Cause::NoRegisteredTargets, 699)],
    },
    Case {
        sum: "preStop 60 s leaves 100/s × 10 % × (69.9 - 60) s of 502 …",
        overrides: &[LAST_POD, RULE_70S, LAST_KNOWN, PRE_STOP_60S],
        expected: &[(Cause::ConnectionRefused, 99)],
    },
    Case {
        sum: "… and changes nothing about 503: 100/s × 10 % × 69.9 s",
        overrides: &[LAST_POD, RULE_70S, PRE_STOP_60S],
        expected: &[(Cause::NoRegisteredTargets, 699)],
    },
    Case {
        sum: "the ALB's own batch and push add to the lag: 100/s × 10 % × (69.9 + 10 + 3) s",
        overrides: &[
            LAST_POD,
            RULE_70S,
            LAST_KNOWN,
            r#"load_balancer.rule_batch="10s""#,
            r#"load_balancer.rule_push="3s""#,
        ],
        expected: &[(Cause::ConnectionRefused, 829)],
    },
    Case {
        sum: "an address that is gone times out instead: 100/s × 1/10 × 20 s",
        overrides: &[ONE_POD, NO_RULE, DEREGISTRATION_20S, r#"cluster.sandbox_removal="0s""#],
        expected: &[(Cause::ConnectTimeout, 200)],
    },
    Case {
        sum: "an exit loses what is in flight: 100/s × 1/10 × 1 s of work",
        overrides: &[ONE_POD, NO_RULE, r#"traffic.service_time="1s""#],
        expected: &[(Cause::ResetInFlight, 10)],
    },
    Case {
        sum: "at the promotion all targets are new: 100/s × 100 % × (2 s registration + 5 s to the first check)",
        overrides: &[
            PROMOTION,
            NO_RULE,
            r#"load_balancer.registration="2s""#,
            r#"load_balancer.first_health_check="5s""#,
            "rollout.strategy.canary.dynamicStableScale=false",
        ],
        expected: &[(Cause::NoRegisteredTargets, 700)],
    },
    Case {
        sum: "connections are cut when the deregistration delay is over: 100/s × 1/10 × (3 - 1) s of 3 s of work",
        overrides: &[
            ONE_POD,
            NO_RULE,
            PRE_STOP_60S,
            r#"traffic.service_time="3s""#,
            r#"ingress.annotations."alb.ingress.kubernetes.io/target-group-attributes"="deregistration_delay.timeout_seconds=1""#,
        ],
        expected: &[(Cause::DeregistrationDelayExpired, 20)],
    },
];

#[test]
fn refused_requests_are_rate_times_share_times_seconds() {
    REFUSED.iter().for_each(check);
}

const PRE_STOP_15S: &str = r#"rollout.template.spec.containers[0].lifecycle.preStop.exec.command=["sleep", "15"]"#;
const PRE_STOP_60S: &str = r#"rollout.template.spec.containers[0].lifecycle.preStop.exec.command=["sleep", "60"]"#;

#[test]
fn no_lag_or_enough_pre_stop_means_no_error() {
    let cases = [
        Case { sum: "nothing is late", overrides: &[LAST_POD], expected: &[] },
        Case {
            sum: "preStop outlives the deregistration",
            overrides: &[ONE_POD, NO_RULE, DEREGISTRATION_20S, PRE_STOP_60S],
            expected: &[],
        },
        Case {
            sum: "preStop outlives the rule",
            overrides: &[LAST_POD, r#"load_balancer_controller.rule_lag="59s""#, LAST_KNOWN, PRE_STOP_60S],
            expected: &[],
        },
        Case {
            sum: "no pod is removed",
            overrides: &[LAST_POD, RULE_70S, "rollout.strategy.canary.dynamicStableScale=false"],
            expected: &[],
        },
    ];
    cases.iter().for_each(check);
}
