//! `summary.json`: every figure of a run under a name that scripts may rely on.
//!
//! Seconds and milliseconds have at most three decimals and shares at most six, so the same run prints the same bytes.

use super::{Verdict, classes, rollback, second_of_row, secs_since_release};
use crate::model::outcome::Cause;
use crate::run::{Run, StepRecord};
use crate::scenario::manifests::ignored::{Ignored, Reason};
use crate::scenario::{Loaded, Origin, Parameter};
use crate::units::{Duration, Instant, Share};
use serde_json::{Value, json};

pub const SCHEMA: &str = "rollout-sim/run/v1";

/// Parameters that no manifest holds: what the model assumes of the world around the Rollout.
const ASSUMED: [&str; 12] = [
    "simulation.",
    "traffic.",
    "application.",
    "cluster.",
    "rollouts_controller.",
    "load_balancer_controller.",
    "load_balancer.",
    "monitoring.",
    "argo_cd.",
    "git.",
    "pipeline.",
    "promotion.",
];

/// The keys are sorted, and nothing of the machine or the day is in it.
pub fn summary(loaded: &Loaded, run: &Run, verdicts: &[Verdict]) -> Value {
    let scenario = &loaded.scenario;
    let requests = &run.requests;
    let thresholds = verdicts
        .iter()
        .map(|verdict| json!({ "threshold": verdict.threshold, "observed": number(verdict.observed, 6), "met": verdict.met }));
    let mut summary = json!({
        "schema": SCHEMA,
        "scenario": scenario.name,
        "title": scenario.title,
        "seed": run.seed,
        "version": env!("CARGO_PKG_VERSION"),
        "fingerprint": format!("{:016x}", run.fingerprint),
        "simulated_s": secs(run.end - Instant::START),
        "requests": {
            "total": requests.total,
            "ok": requests.ok,
            "elb_502": requests.elb_502,
            "elb_503": requests.elb_503,
            "elb_504": requests.elb_504,
            "elb_404": requests.elb_404,
            "elb_5xx": requests.elb_5xx(),
            "target_5xx": requests.target_5xx,
        },
        "causes": causes(run),
        "errors": errors(run),
        "steps": run.steps.iter().map(|record| step(run, record)).collect::<Vec<_>>(),
        "rollout": {
            "outcome": run.rollout.outcome.name(),
            "aborted_s": since_release(run, run.rollout.aborted.or(run.rollout.undone)),
            "abort_reason": super::abort_reason(run),
            "waits_for": run.waits_for,
            "duration_s": secs(run.rollout.duration),
            "promoted_s": since_release(run, run.rollout.promoted),
        },
        "pods": {
            "peak": run.pods.peak,
            "pod_seconds": secs(run.pods.pod_time),
            "steady_pod_seconds": secs(run.pods.steady_pod_time),
            "extra_pod_seconds": number(run.pods.extra_pod_seconds(), 3),
        },
        "latency_ms": {
            "p50": millis(run.latency.p50),
            "p90": millis(run.latency.p90),
            "p99": millis(run.latency.p99),
            "p999": millis(run.latency.p999),
            "max": millis(run.latency.max),
        },
        "thresholds": thresholds.collect::<Vec<_>>(),
        "assumptions": assumed(loaded).map(assumption).collect::<Vec<_>>(),
        "ignored": ignored(&loaded.ignored),
    });
    classes::summary::add(&mut summary, loaded, run);
    rollback::summary::add(&mut summary, loaded, run);
    if loaded.scenario.gitops.is_some() {
        // Only such a run has lanes.svg.
        summary["gitops"] = true.into();
    }
    summary
}

/// The parameters that a report lists as assumptions.
pub(super) fn assumed(loaded: &Loaded) -> impl Iterator<Item = &Parameter> {
    // What people do about pauses without an end no manifest says.
    let is_assumed = |parameter: &&Parameter| {
        let key = &parameter.key;
        // An Application is a manifest, too.
        ASSUMED.iter().any(|prefix| key.starts_with(prefix)) && !key.starts_with("argo_cd.application.")
            || parameter.key == "actions" && parameter.origin == Origin::Manifest
    };
    loaded.parameters.iter().filter(is_assumed)
}

/// The fields of manifests that could change the answer.
pub(super) fn ignored(ignored: &[Ignored]) -> Vec<Value> {
    let field = |ignored: &Ignored| {
        let reason = match ignored.reason {
            Reason::WithoutEffect => return None,
            Reason::NotSimulated => "not_simulated",
            Reason::Unknown => "unknown",
        };
        Some(json!({ "key": ignored.key, "reason": reason, "note": ignored.consequence() }))
    };
    ignored.iter().filter_map(field).collect()
}

fn assumption(parameter: &Parameter) -> Value {
    let source = match parameter.origin {
        Origin::Scenario => "scenario",
        Origin::Manifest => "manifest",
        Origin::CommandLine => "command_line",
        Origin::Default => "default",
    };
    json!({ "key": parameter.key, "value": parameter.value, "source": source, "note": parameter.note })
}

fn causes(run: &Run) -> Vec<Value> {
    let mut struck: Vec<_> = Cause::ALL.into_iter().filter(|cause| run.causes[cause.index()].count > 0).collect();
    struck.sort_by_key(|cause| (cause.elb_status_code(), cause.name()));
    let entry = |cause: &Cause| {
        let count = &run.causes[cause.index()];
        json!({
            "code": cause.elb_status_code(),
            "cause": cause.name(),
            "count": count.count,
            "first_s": since_release(run, count.first),
            "last_s": since_release(run, count.last),
        })
    };
    struck.iter().map(entry).collect()
}

fn errors(run: &Run) -> Value {
    let failing = run.failing_seconds();
    let worst = run.worst_ten_seconds();
    let worst =
        worst.map(|worst| json!({ "start_s": second_of_row(run, worst.first), "share": number(worst.share(), 6) }));
    json!({
        "first_s": since_release(run, run.causes.iter().filter_map(|cause| cause.first).min()),
        "last_s": since_release(run, run.causes.iter().filter_map(|cause| cause.last).max()),
        "seconds": failing.seconds,
        "share_while_failing": number(failing.share(), 6),
        "worst_10s": worst,
    })
}

/// In percent: a whole number where it is one.
fn weight(share: Share) -> Value {
    match share.hundredths() {
        hundredths if hundredths % 100 == 0 => json!(hundredths / 100),
        hundredths => json!(f64::from(hundredths) / 100.0),
    }
}

fn step(run: &Run, step: &StepRecord) -> Value {
    json!({
        "index": step.index,
        "step": step.step,
        "started_s": since_release(run, step.started),
        "completed_s": since_release(run, step.completed),
        "weight_requested": weight(step.weight_requested),
        "weight_asked_s": since_release(run, step.weight_asked),
        "weight_effective_s": since_release(run, step.weight_effective),
        "stable_pods": step.stable_pods,
        "canary_pods": step.canary_pods,
        "elb_5xx": step.elb_5xx,
    })
}

pub(super) fn since_release(run: &Run, at: Option<Instant>) -> Value {
    at.map_or(Value::Null, |at| number(secs_since_release(run, at), 3))
}

pub(super) fn secs(duration: Duration) -> Value {
    number(duration.as_secs_f64(), 3)
}

fn millis(duration: Duration) -> Value {
    number(duration.as_nanos() as f64 / 1e6, 3)
}

/// Rounded to so many decimals, a whole number without any. What is no number becomes null.
pub(super) fn number(value: f64, places: usize) -> Value {
    let scale = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6][places];
    let rounded = (value * scale).round() / scale;
    // Up to 2^53 every whole number has its own f64.
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 { json!(rounded as i64) } else { json!(rounded) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scenario::metric::Unit;

    fn verdict() -> Verdict {
        Verdict {
            threshold: "elb_502.count == 0".into(),
            observed: 1750.0,
            met: false,
            unit: Unit::Number,
            is_across_seeds: false,
        }
    }

    #[test]
    fn the_keys_are_those_that_scripts_rely_on() {
        let value = summary(&sample::loaded(), &sample::incident(), &[verdict()]);
        let keys = |pointer: &str| {
            let object = value.pointer(pointer).and_then(Value::as_object).unwrap_or_else(|| panic!("{pointer}"));
            object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        for (pointer, expected) in [
            (
                "",
                "assumptions causes errors fingerprint ignored latency_ms pods requests rollout scenario schema seed \
                 simulated_s steps thresholds title version",
            ),
            ("/requests", "elb_404 elb_502 elb_503 elb_504 elb_5xx ok target_5xx total"),
            ("/causes/0", "cause code count first_s last_s"),
            ("/errors", "first_s last_s seconds share_while_failing worst_10s"),
            ("/errors/worst_10s", "share start_s"),
            (
                "/steps/0",
                "canary_pods completed_s elb_5xx index stable_pods started_s step weight_asked_s weight_effective_s weight_requested",
            ),
            ("/rollout", "abort_reason aborted_s duration_s outcome promoted_s waits_for"),
            ("/pods", "extra_pod_seconds peak pod_seconds steady_pod_seconds"),
            ("/latency_ms", "max p50 p90 p99 p999"),
            ("/thresholds/0", "met observed threshold"),
            ("/assumptions/0", "key note source value"),
        ] {
            assert_eq!(keys(pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn the_figures_of_the_incident_are_told() {
        let value = summary(&sample::loaded(), &sample::incident(), &[verdict()]);
        for (pointer, expected) in [
            ("/schema", json!("rollout-sim/run/v1")),
            ("/fingerprint", json!("0123456789abcdef")),
            ("/simulated_s", json!(600)),
            ("/requests/total", json!(150_000)),
            ("/requests/elb_5xx", json!(1750)),
            ("/causes/0/cause", json!("connection_refused")),
            ("/causes/0/first_s", json!(420.3)),
            ("/causes/1", Value::Null),
            ("/errors/last_s", json!(489.98)),
            ("/errors/seconds", json!(70)),
            ("/errors/share_while_failing", json!(0.1)),
            ("/errors/worst_10s/start_s", json!(420)),
            ("/steps/11/step", json!("setWeight 100")),
            ("/steps/11/weight_effective_s", json!(490)),
            ("/rollout/promoted_s", json!(480.1)),
            ("/pods/extra_pod_seconds", json!(512)),
            ("/latency_ms/p99", json!(400.123)),
            ("/thresholds/0/met", json!(false)),
        ] {
            assert_eq!(value.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}");
        }
    }

    #[test]
    fn without_an_error_there_is_no_first_one() {
        let value = summary(&sample::loaded(), &sample::quiet(), &[]);
        let expected =
            json!({ "first_s": null, "last_s": null, "seconds": 0, "share_while_failing": 0, "worst_10s": null });
        assert_eq!((&value["errors"], &value["causes"]), (&expected, &json!([])));
    }

    #[test]
    fn assumptions_are_what_no_manifest_holds() {
        let value = summary(&sample::loaded(), &sample::quiet(), &[]);
        let assumptions = value["assumptions"].as_array().expect("a list");
        let source = |key: &str| {
            assumptions
                .iter()
                .find(|assumption| assumption["key"] == key)
                .map(|assumption| assumption["source"].clone())
        };
        assert_eq!(source("rollout.replicas"), None);
        assert_eq!(source("title"), None);
        assert_eq!(source("traffic.rate"), Some(json!("scenario")));
        assert_eq!(source("load_balancer_controller.rule_lag"), Some(json!("command_line")));
        assert_eq!(source("load_balancer.deregistration"), Some(json!("default")));
    }

    #[test]
    fn what_is_assumed_of_argo_cd_and_of_a_pipeline_is_told_too() {
        let text = include_str!("../../scenarios/gitops/full-pipeline.toml");
        let loaded = crate::scenario::load::load(text, "full-pipeline", &[]).expect("the scenario is right");
        let keys: Vec<_> = assumed(&loaded).map(|parameter| parameter.key.as_str()).collect();
        for key in ["argo_cd.version", "argo_cd.commit_detection", "git.commit_time", "pipeline.executors"] {
            assert!(keys.contains(&key), "{key}: {keys:?}");
        }
        assert!(!keys.iter().any(|key| key.starts_with("argo_cd.application.")), "{keys:?}");
    }

    #[test]
    fn causes_are_sorted_by_code_and_name() {
        let mut run = sample::quiet();
        for cause in Cause::ALL {
            run.causes[cause.index()].count = 1;
        }
        let value = summary(&sample::loaded(), &run, &[]);
        let listed: Vec<_> = value["causes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|cause| format!("{} {}", cause["code"], cause["cause"]))
            .collect();
        assert_eq!(listed.len(), Cause::ALL.len());
        assert!(listed.is_sorted(), "{listed:?}");
    }

    #[test]
    fn numbers_are_rounded_once() {
        for (value, places, text) in
            [(0.123_456_7, 6, "0.123457"), (70.0, 3, "70"), (-0.000_1, 3, "0"), (1e-7, 6, "0"), (f64::NAN, 3, "null")]
        {
            assert_eq!(number(value, places).to_string(), text);
        }
    }
}
