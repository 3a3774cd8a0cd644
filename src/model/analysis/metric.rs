//! One metric of an analysis: what a measurement says, and what so many of them say.
//!
//! Follows `analysis/analysis.go` and `utils/evaluate/evaluate.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::condition::{Condition, Value};
use crate::units::{Duration, Instant};

/// One entry of `metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    /// None measures once. The real one refuses a `count` above one without it.
    pub interval: Option<Duration>,
    /// None measures once without an interval, else for ever; so does 0.
    pub count: Option<u32>,
    /// From the start of the run.
    pub initial_delay: Duration,
    /// How many failed measurements are tolerated; None, written -1, tolerates all.
    pub failure_limit: Option<u32>,
    pub inconclusive_limit: u32,
    pub consecutive_error_limit: u32,
    /// How many successful measurements in a row settle the metric; 0 is off.
    pub consecutive_success_limit: u32,
    /// Measured and reported, but without influence on the run.
    pub dry_run: bool,
    pub success_condition: Option<Condition>,
    pub failure_condition: Option<Condition>,
}

impl Default for Metric {
    /// Source: `docs/features/analysis.md`; `utils/defaults/defaults.go` for the four errors in a row.
    fn default() -> Self {
        Self {
            name: String::new(),
            interval: None,
            count: None,
            initial_delay: Duration::ZERO,
            failure_limit: Some(0),
            inconclusive_limit: 0,
            consecutive_error_limit: 4,
            consecutive_success_limit: 0,
            dry_run: false,
            success_condition: None,
            failure_condition: None,
        }
    }
}

/// Of a measurement, a metric, or the run. In order from good to bad, since the worst metric decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Running,
    Successful,
    Inconclusive,
    Error,
    Failed,
}

/// `status.metricResults` of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricResult {
    pub phase: Phase,
    /// Measurements that were no errors.
    pub count: u32,
    pub successful: u32,
    pub failed: u32,
    pub inconclusive: u32,
    pub error: u32,
    pub consecutive_error: u32,
    pub consecutive_success: u32,
    pub last: Option<Measurement>,
    pub(super) is_measuring: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    pub phase: Phase,
    pub finished: Instant,
    /// What was wrong with an error; else empty.
    pub message: String,
}

impl Metric {
    /// Source: `EffectiveCount`.
    fn effective_count(&self) -> Option<u32> {
        match self.count {
            None | Some(0) => self.interval.is_none().then_some(1),
            Some(count) => Some(count),
        }
    }

    /// What one value says. Source: `EvaluateResult`.
    pub(super) fn evaluate(&self, value: Value) -> Result<Phase, String> {
        let holds = |condition: &Option<Condition>| condition.as_ref().map(|it| it.evaluate(value)).transpose();
        Ok(match (holds(&self.success_condition)?, holds(&self.failure_condition)?) {
            (_, Some(true)) | (Some(false), None) => Phase::Failed,
            (Some(false), Some(false)) => Phase::Inconclusive,
            (None, None | Some(false)) | (Some(true), None | Some(false)) => Phase::Successful,
        })
    }

    /// The phase that a metric's counts lead to, and why. Source: `assessMetricStatus`.
    pub(super) fn assess(&self, result: &MetricResult) -> (Phase, String) {
        if let Some(excess) = self.exceeded_limit(result) {
            return excess;
        }
        let streak = self.consecutive_success_limit;
        let is_counted = self.effective_count().is_some_and(|count| result.count >= count);
        let missing = || format!("count ({}) reached before consecutiveSuccessLimit ({streak})", result.count);
        match self.failure_limit {
            _ if streak > 0 && result.consecutive_success >= streak => (Phase::Successful, String::new()),
            _ if !is_counted => (Phase::Running, String::new()),
            _ if streak == 0 => (Phase::Successful, String::new()),
            Some(_) => (Phase::Inconclusive, missing()),
            None => (Phase::Failed, missing()),
        }
    }

    /// Of several limits the last one speaks. Source: `assessMetricFailureInconclusiveOrError`.
    fn exceeded_limit(&self, result: &MetricResult) -> Option<(Phase, String)> {
        let excess = |phase, name: &str, count: u32, limit: u32, limit_name: &str| {
            (count > limit).then(|| (phase, format!("{name} ({count}) > {limit_name} ({limit})")))
        };
        let (inconclusive, errors) = (self.inconclusive_limit, self.consecutive_error_limit);
        let failed =
            self.failure_limit.and_then(|limit| excess(Phase::Failed, "failed", result.failed, limit, "failureLimit"));
        excess(Phase::Error, "consecutiveErrors", result.consecutive_error, errors, "consecutiveErrorLimit")
            .or_else(|| {
                excess(Phase::Inconclusive, "inconclusive", result.inconclusive, inconclusive, "inconclusiveLimit")
            })
            .or(failed)
    }
}

impl MetricResult {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Running,
            count: 0,
            successful: 0,
            failed: 0,
            inconclusive: 0,
            error: 0,
            consecutive_error: 0,
            consecutive_success: 0,
            last: None,
            is_measuring: false,
        }
    }

    /// Source: `runMeasurements`.
    pub(super) fn count(&mut self, measurement: Measurement) {
        let counter = match measurement.phase {
            Phase::Successful => &mut self.successful,
            Phase::Failed => &mut self.failed,
            Phase::Inconclusive => &mut self.inconclusive,
            Phase::Error => &mut self.error,
            Phase::Running => unreachable!("a measurement that is finished"),
        };
        *counter += 1;
        self.count += u32::from(measurement.phase != Phase::Error);
        let (success, error) = (measurement.phase == Phase::Successful, measurement.phase == Phase::Error);
        self.consecutive_success = if success { self.consecutive_success + 1 } else { 0 };
        self.consecutive_error = if error { self.consecutive_error + 1 } else { 0 };
        self.last = Some(measurement);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BAD, GOOD, NEITHER, NOTHING, metric};
    use super::*;

    #[test]
    fn the_conditions_judge_a_measurement() {
        use Phase::*;
        let [success, failure] = [metric(1).success_condition, metric(1).failure_condition];
        for (success_condition, failure_condition, expected) in [
            (None, None, [Successful, Successful, Successful]),
            (success.clone(), None, [Successful, Failed, Failed]),
            (None, failure.clone(), [Successful, Failed, Successful]),
            (success, failure, [Successful, Failed, Inconclusive]),
        ] {
            let metric = Metric { success_condition, failure_condition, ..metric(1) };
            assert_eq!([GOOD, BAD, NEITHER].map(|value| metric.evaluate(value).unwrap()), expected, "{metric:?}");
        }
        let both = Metric { failure_condition: "result[0] > 0.95".parse().ok(), ..metric(1) };
        assert_eq!(both.evaluate(GOOD), Ok(Failed), "where both hold, failure does");
    }

    #[test]
    fn nan_fails_a_bare_threshold_and_no_series_is_an_error() {
        let threshold = Metric { failure_condition: None, ..metric(1) };
        assert_eq!(threshold.evaluate(Value::Number(f64::NAN)), Ok(Phase::Failed));
        assert!(threshold.evaluate(NOTHING).is_err());
    }

    #[test]
    fn of_several_limits_at_once_the_later_one_speaks() {
        let too_many = |failed, inconclusive, consecutive_error| {
            let result = MetricResult { failed, inconclusive, consecutive_error, ..MetricResult::new() };
            metric(9).assess(&result).0
        };
        assert_eq!(too_many(1, 1, 5), Phase::Error);
        assert_eq!(too_many(1, 1, 0), Phase::Inconclusive);
        assert_eq!(too_many(1, 0, 0), Phase::Failed);
    }
}
