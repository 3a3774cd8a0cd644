//! The figures of a run under the names that thresholds, tables and pictures use for them.

use super::class_metric::ClassMetric;
use crate::model::outcome::Cause;
use crate::run::{Run, Stretch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    Count(Answer),
    Rate(Answer),
    Cause(Cause),
    /// ELB 5xx of the requests that arrived during one step.
    Step(usize),
    FailingSeconds,
    ShareWhileFailing,
    WorstTenSeconds,
    PodsPeak,
    ExtraPodSeconds,
    RolloutDuration,
    Latency(Rank),
    /// Of the class of traffic with this number.
    Class(usize, ClassMetric),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Requests,
    Ok,
    Elb502,
    Elb503,
    Elb504,
    Elb404,
    Elb5xx,
    Target5xx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    P50,
    P90,
    P99,
    P999,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Number,
    /// Of 1.
    Share,
    Seconds,
    Milliseconds,
}

/// Every name that does not carry a number of the user's.
fn metrics() -> Vec<(String, Metric)> {
    let answers = [
        ("requests", Answer::Requests),
        ("ok", Answer::Ok),
        ("elb_502", Answer::Elb502),
        ("elb_503", Answer::Elb503),
        ("elb_504", Answer::Elb504),
        ("elb_404", Answer::Elb404),
        ("elb_5xx", Answer::Elb5xx),
        ("target_5xx", Answer::Target5xx),
    ];
    let ranks = [("p50", Rank::P50), ("p90", Rank::P90), ("p99", Rank::P99), ("p999", Rank::P999), ("max", Rank::Max)];
    let both = |(name, answer)| {
        [(format!("{name}.count"), Metric::Count(answer)), (format!("{name}.rate"), Metric::Rate(answer))]
    };
    let single = [
        ("errors.seconds", Metric::FailingSeconds),
        ("errors.share_while_failing", Metric::ShareWhileFailing),
        ("errors.worst_10s.share", Metric::WorstTenSeconds),
        ("pods.peak", Metric::PodsPeak),
        ("pods.extra_pod_seconds", Metric::ExtraPodSeconds),
        ("rollout.duration_s", Metric::RolloutDuration),
    ];
    let mut metrics: Vec<_> = answers.into_iter().flat_map(both).collect();
    metrics.extend(Cause::ALL.map(|cause| (format!("{}.count", cause.name()), Metric::Cause(cause))));
    metrics.extend(single.map(|(name, metric)| (name.to_owned(), metric)));
    metrics.extend(ranks.map(|(name, rank)| (format!("latency_ms.{name}"), Metric::Latency(rank))));
    metrics
}

impl Metric {
    pub fn parse(name: &str) -> Option<Self> {
        let step = name.strip_prefix("elb_5xx{step=").and_then(|rest| rest.strip_suffix("}.count"));
        if let Some(step) = step {
            return step.parse().ok().map(Self::Step);
        }
        metrics().into_iter().find(|(known, _)| known == name).map(|(_, metric)| metric)
    }

    /// Every name that does not carry a number of the user's.
    pub fn names() -> Vec<String> {
        metrics().into_iter().map(|(name, _)| name).collect()
    }

    /// The step that this is about, if it is about one.
    pub fn step(self) -> Option<usize> {
        match self {
            Self::Step(index) => Some(index),
            Self::Count(_)
            | Self::Rate(_)
            | Self::Cause(_)
            | Self::FailingSeconds
            | Self::ShareWhileFailing
            | Self::WorstTenSeconds
            | Self::PodsPeak
            | Self::ExtraPodSeconds
            | Self::RolloutDuration
            | Self::Latency(_)
            | Self::Class(..) => None,
        }
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::Count(_)
            | Self::Cause(_)
            | Self::Step(_)
            | Self::FailingSeconds
            | Self::PodsPeak
            | Self::ExtraPodSeconds => Unit::Number,
            Self::Rate(_) | Self::ShareWhileFailing | Self::WorstTenSeconds => Unit::Share,
            Self::RolloutDuration => Unit::Seconds,
            Self::Latency(_) => Unit::Milliseconds,
            Self::Class(_, metric) => metric.unit(),
        }
    }

    pub fn observe(self, run: &Run) -> f64 {
        match self {
            Self::Count(answer) => answer.count(run) as f64,
            Self::Rate(answer) => share(answer.count(run), run.requests.total),
            Self::Cause(cause) => run.causes[cause.index()].count as f64,
            Self::Step(index) => run.steps.get(index).map_or(0.0, |step| step.elb_5xx as f64),
            Self::FailingSeconds => run.failing_seconds().seconds as f64,
            Self::ShareWhileFailing => run.failing_seconds().share(),
            Self::WorstTenSeconds => run.worst_ten_seconds().map_or(0.0, Stretch::share),
            Self::PodsPeak => f64::from(run.pods.peak),
            Self::ExtraPodSeconds => run.pods.extra_pod_seconds(),
            Self::RolloutDuration => run.rollout.duration.as_secs_f64(),
            Self::Class(class, metric) => metric.observe(&run.classes[class]),
            Self::Latency(rank) => {
                let latency = match rank {
                    Rank::P50 => run.latency.p50,
                    Rank::P90 => run.latency.p90,
                    Rank::P99 => run.latency.p99,
                    Rank::P999 => run.latency.p999,
                    Rank::Max => run.latency.max,
                };
                latency.as_secs_f64() * 1_000.0
            }
        }
    }
}

impl Answer {
    fn count(self, run: &Run) -> u64 {
        match self {
            Self::Requests => run.requests.total,
            Self::Ok => run.requests.ok,
            Self::Elb502 => run.requests.elb_502,
            Self::Elb503 => run.requests.elb_503,
            Self::Elb504 => run.requests.elb_504,
            Self::Elb404 => run.requests.elb_404,
            Self::Elb5xx => run.requests.elb_5xx(),
            Self::Target5xx => run.requests.target_5xx,
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Unit {
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Share => "a share like 0.01% or 0.0001",
            Self::Seconds => "a duration like 90s",
            Self::Milliseconds => "a duration like 250ms",
        }
    }
}
