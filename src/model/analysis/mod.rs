//! One AnalysisRun: measures its metrics until each of them is settled, or one of them ends badly.
//!
//! Follows `analysis/analysis.go` and `utils/analysis` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). One pass starts
//! all measurements that are due, waits for all of them, and then judges.
//!
//! Left out: measurements over several passes (Job, Kayenta), providers that do not answer, `measurementRetention`, the
//! history of measurements, the moment between a metric that ends badly and the pass that ends the run.

pub mod condition;
pub mod metric;

use crate::units::{Duration, Instant};
use condition::Value;
use metric::{Measurement, Metric, MetricResult, Phase};
use {Effect::*, Input::*};

/// Until the next measurement after one that was an error, whatever `interval` says. Source: `analysis.go`,
/// `DefaultErrorRetryInterval`.
const ERROR_RETRY_INTERVAL: Duration = Duration::secs(10);

/// A metric goes by its place in the spec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    Started,
    /// The time of a measurement has come.
    MeasureDue,
    /// What the provider answered.
    Measured(usize, Value),
    /// `spec.terminate` was set.
    Terminate,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer with `MeasureDue` at this instant.
    WakeAt(Instant),
    /// Ask the provider; answer with `Measured`.
    Measure(usize),
    /// The run's verdict, and its `message`.
    Finished(Phase, String),
}

#[derive(Clone, Debug)]
pub struct AnalysisRun {
    metrics: Vec<Metric>,
    results: Vec<MetricResult>,
    started: Instant,
    phase: Phase,
    /// `spec.terminate`
    terminate: bool,
}

impl AnalysisRun {
    pub fn new(metrics: Vec<Metric>) -> Self {
        assert!(!metrics.is_empty(), "a template without metrics is refused");
        let results = metrics.iter().map(|_| MetricResult::new()).collect();
        Self { metrics, results, started: Instant::NEVER, phase: Phase::Running, terminate: false }
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// In the order of the metrics.
    pub fn results(&self) -> &[MetricResult] {
        &self.results
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        if self.phase != Phase::Running {
            // A timer or an answer that was already on its way.
            return vec![];
        }
        match input {
            Started => self.started = now.floor_to_second(),
            MeasureDue => {}
            Measured(metric, value) => self.on_measured(now, metric, value),
            Terminate => self.terminate = true,
        }
        if self.results.iter().any(|result| result.is_measuring) {
            // The pass is not over.
            return vec![];
        }
        match input {
            Started | MeasureDue => self.measure(now),
            Measured(..) | Terminate => self.assess(),
        }
    }

    /// Source: `generateMetricTasks`.
    fn measure(&mut self, now: Instant) -> Vec<Effect> {
        let due: Vec<_> = (0..self.metrics.len()).filter(|metric| self.next_measurement(*metric) <= now).collect();
        if due.is_empty() {
            return vec![self.wake()];
        }
        due.iter().for_each(|metric| self.results[*metric].is_measuring = true);
        due.into_iter().map(Measure).collect()
    }

    /// Never for a metric that is settled.
    fn next_measurement(&self, metric: usize) -> Instant {
        let (metric, result) = (&self.metrics[metric], &self.results[metric]);
        match &result.last {
            _ if result.phase != Phase::Running => Instant::NEVER,
            None => self.started + metric.initial_delay,
            Some(last) if last.phase == Phase::Error => last.finished + ERROR_RETRY_INTERVAL,
            Some(last) => last.finished + metric.interval.unwrap_or(ERROR_RETRY_INTERVAL),
        }
    }

    fn wake(&self) -> Effect {
        let next = (0..self.metrics.len()).map(|metric| self.next_measurement(metric)).min();
        WakeAt(next.expect("there are metrics"))
    }

    fn on_measured(&mut self, now: Instant, metric: usize, value: Value) {
        let (phase, message) = match self.metrics[metric].evaluate(value) {
            Ok(phase) => (phase, String::new()),
            Err(message) => (Phase::Error, message),
        };
        let result = &mut self.results[metric];
        assert!(std::mem::take(&mut result.is_measuring), "nobody asked for this measurement");
        result.count(Measurement { phase, finished: now.floor_to_second(), message });
    }

    /// Source: `assessRunStatus`.
    fn assess(&mut self) -> Vec<Effect> {
        let mut worst = (Phase::Running, if self.terminate { "Run Terminated".to_owned() } else { String::new() });
        for (metric, result) in self.metrics.iter().zip(&mut self.results) {
            // A metric that was never measured has nothing to judge, not even a count of zero.
            if result.last.is_none() {
                continue;
            }
            let (phase, reason) = metric.assess(result);
            result.phase = phase;
            if metric.dry_run || phase <= worst.0 {
                continue;
            }
            worst.0 = phase;
            if !reason.is_empty() {
                worst.1 = message(metric, result, &reason);
            }
        }
        let is_over = self.results.iter().all(|result| result.phase != Phase::Running);
        if !is_over && !self.terminate && worst.0 <= Phase::Successful {
            return vec![self.wake()];
        }
        // Metrics without a verdict, stopped here, count as successful.
        self.phase = worst.0.max(Phase::Successful);
        vec![Finished(self.phase, worst.1)]
    }
}

fn message(metric: &Metric, result: &MetricResult, reason: &str) -> String {
    let error = result.last.as_ref().map_or("", |last| &last.message);
    let error = if error.is_empty() { String::new() } else { format!(": \"Error Message: {error}\"") };
    format!("Metric \"{}\" assessed {:?} due to {reason}{error}", metric.name, result.phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GOOD: Value = Value::Number(1.0);
    pub(super) const BAD: Value = Value::Number(0.0);
    /// With the two conditions of `metric`.
    pub(super) const NEITHER: Value = Value::Number(0.5);
    pub(super) const NOTHING: Value = Value::Empty;

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    /// Every 60 s, so often; good from 0.9 on, bad below 0.1.
    pub(super) fn metric(count: u32) -> Metric {
        Metric {
            name: "rate".to_owned(),
            interval: Some(Duration::secs(60)),
            count: Some(count),
            success_condition: Some("result[0] >= 0.9".parse().unwrap()),
            failure_condition: Some("result[0] < 0.1".parse().unwrap()),
            ..Metric::default()
        }
    }

    /// When each metric was measured, and how and when the run ended. It begins at 100 s and is left alone at 1000 s.
    #[derive(Debug, PartialEq)]
    struct Played {
        measured: Vec<Vec<u64>>,
        end: Option<(u64, Phase, String)>,
    }

    /// Each metric gets its answers in turn, and the last one again and again.
    fn play(metrics: Vec<Metric>, answers: &[&[Value]]) -> Played {
        let mut played = Played { measured: vec![vec![]; metrics.len()], end: None };
        let mut run = AnalysisRun::new(metrics);
        let (mut now, mut input) = (at(100), Started);
        while now < at(1000) {
            let mut effects = run.handle(now, input);
            while matches!(effects[0], Measure(_)) {
                for effect in std::mem::take(&mut effects) {
                    let Measure(metric) = effect else { panic!("{effect:?} in the middle of a pass") };
                    let measured = &mut played.measured[metric];
                    let answer = answers[metric].get(measured.len()).or(answers[metric].last()).unwrap();
                    measured.push(now.second());
                    effects = run.handle(now, Measured(metric, *answer));
                }
            }
            let [effect] = &effects[..] else { panic!("{effects:?}") };
            match effect {
                WakeAt(next) => (now, input) = (*next, MeasureDue),
                Finished(phase, message) => {
                    played.end = Some((now.second(), *phase, message.clone()));
                    return played;
                }
                Measure(_) => unreachable!("they were all taken"),
            }
        }
        played
    }

    fn ends(metric: Metric, answers: &[Value], phase: Phase, measurements: usize) {
        let played = play(vec![metric.clone()], &[answers]);
        let end = played.end.as_ref().map(|(_, phase, _)| *phase);
        assert_eq!((end, played.measured[0].len()), (Some(phase), measurements), "{metric:?}");
    }

    fn message_of(metric: Metric, answers: &[Value]) -> String {
        play(vec![metric], &[answers]).end.expect("it ends").2
    }

    #[test]
    fn without_interval_and_count_it_measures_once() {
        ends(Metric { interval: None, count: None, ..metric(0) }, &[GOOD], Phase::Successful, 1);
        ends(Metric { interval: None, ..metric(0) }, &[GOOD], Phase::Successful, 1);
    }

    #[test]
    fn with_an_interval_and_no_count_it_measures_on() {
        for count in [None, Some(0)] {
            let played = play(vec![Metric { count, ..metric(0) }], &[&[GOOD]]);
            assert_eq!((played.measured[0].len(), played.end), (15, None));
        }
    }

    #[test]
    fn errors_do_not_count() {
        let metric = Metric { inconclusive_limit: 9, failure_limit: Some(9), ..metric(3) };
        ends(metric, &[GOOD, NOTHING, BAD, NOTHING, NEITHER], Phase::Successful, 5);
    }

    #[test]
    fn the_first_measurement_waits_for_the_initial_delay() {
        let late = Metric { initial_delay: Duration::secs(30), ..metric(1) };
        let played = play(vec![late, metric(1)], &[&[GOOD], &[GOOD]]);
        assert_eq!(played.measured, [[130], [100]]);
    }

    #[test]
    fn the_interval_counts_from_the_end_of_the_last_measurement() {
        let mut run = AnalysisRun::new(vec![metric(2)]);
        run.handle(at(100), Started);
        let end = at(103) + Duration::millis(700);
        assert_eq!(run.handle(end, Measured(0, GOOD)), [WakeAt(at(163))], "in the whole seconds of a time stamp");
    }

    #[test]
    fn after_an_error_the_next_measurement_comes_in_10_seconds_whatever_the_interval() {
        let played = play(vec![metric(2)], &[&[NOTHING, GOOD, NOTHING, GOOD]]);
        assert_eq!(played.measured, [[100, 110, 170, 180]]);
        let once = Metric { interval: None, count: None, ..metric(0) };
        assert_eq!(play(vec![once], &[&[NOTHING, GOOD]]).measured, [[100, 110]], "also without an interval");
    }

    #[test]
    fn one_failure_more_than_the_limit_fails() {
        ends(metric(9), &[BAD], Phase::Failed, 1);
        let three = Metric { failure_limit: Some(3), ..metric(9) };
        ends(three.clone(), &[BAD, GOOD, BAD, BAD, GOOD, BAD], Phase::Failed, 6);
        ends(three, &[BAD, BAD, BAD, GOOD], Phase::Successful, 9);
        ends(Metric { failure_limit: None, ..metric(9) }, &[BAD], Phase::Successful, 9);
        assert_eq!(
            message_of(metric(1), &[BAD]),
            "Metric \"rate\" assessed Failed due to failed (1) > failureLimit (0)"
        );
    }

    #[test]
    fn one_inconclusive_measurement_more_than_the_limit_is_inconclusive() {
        ends(metric(9), &[NEITHER], Phase::Inconclusive, 1);
        ends(Metric { inconclusive_limit: 2, ..metric(9) }, &[NEITHER], Phase::Inconclusive, 3);
        let message = "Metric \"rate\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)";
        assert_eq!(message_of(metric(1), &[NEITHER]), message);
    }

    #[test]
    fn the_fifth_error_in_a_row_is_an_error() {
        let played = play(vec![metric(9)], &[&[NOTHING]]);
        assert_eq!(played.measured, [[100, 110, 120, 130, 140]], "40 s after the first");
        let (end, phase, message) = played.end.unwrap();
        assert_eq!((end, phase), (140, Phase::Error));
        let expected = "Metric \"rate\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \
                        \"Error Message: index out of range: 0 (the result is empty)\"";
        assert_eq!(message, expected);
    }

    #[test]
    fn whatever_is_no_error_ends_a_row_of_errors() {
        for other in [GOOD, BAD, NEITHER] {
            let metric =
                Metric { failure_limit: Some(1), inconclusive_limit: 1, consecutive_error_limit: 1, ..metric(9) };
            ends(metric, &[NOTHING, other, NOTHING, NOTHING], Phase::Error, 4);
        }
    }

    #[test]
    fn enough_successes_in_a_row_settle_a_metric() {
        let metric = Metric { consecutive_success_limit: 2, failure_limit: Some(1), ..metric(9) };
        ends(metric.clone(), &[GOOD, GOOD], Phase::Successful, 2);
        ends(metric.clone(), &[GOOD, BAD, GOOD, GOOD], Phase::Successful, 4);
        ends(metric, &[GOOD, NOTHING, GOOD, GOOD], Phase::Successful, 4);
    }

    #[test]
    fn at_the_count_without_the_row_of_successes_the_failure_limit_decides() {
        let metric = Metric { consecutive_success_limit: 3, failure_limit: Some(1), ..metric(3) };
        let never_fails = Metric { failure_limit: None, ..metric.clone() };
        ends(metric.clone(), &[GOOD, BAD, GOOD], Phase::Inconclusive, 3);
        ends(never_fails, &[GOOD, BAD, GOOD], Phase::Failed, 3);
        ends(metric, &[GOOD, GOOD, GOOD], Phase::Successful, 3);
    }

    #[test]
    fn the_first_metric_that_ends_badly_ends_the_others() {
        for (answer, phase) in [(BAD, Phase::Failed), (NEITHER, Phase::Inconclusive)] {
            let played = play(vec![metric(9), metric(9)], &[&[GOOD], &[GOOD, answer]]);
            assert_eq!(played.measured, [[100, 160], [100, 160]]);
            assert_eq!(played.end.map(|(end, phase, _)| (end, phase)), Some((160, phase)));
        }
    }

    #[test]
    fn a_metric_that_succeeds_leaves_the_others_running() {
        let played = play(vec![metric(1), metric(3)], &[&[GOOD], &[GOOD]]);
        assert_eq!(played.measured, [vec![100], vec![100, 160, 220]]);
        assert_eq!(played.end, Some((220, Phase::Successful, String::new())));
    }

    #[test]
    fn the_worst_metric_decides() {
        let sensitive = Metric { consecutive_error_limit: 0, ..metric(1) };
        let verdict = |answers: [Value; 2]| {
            let metrics = vec![sensitive.clone(), sensitive.clone()];
            play(metrics, &[&answers[..1], &answers[1..]]).end.map(|(_, phase, _)| phase)
        };
        assert_eq!(verdict([GOOD, NEITHER]), Some(Phase::Inconclusive));
        assert_eq!(verdict([NOTHING, NEITHER]), Some(Phase::Error));
        assert_eq!(verdict([NOTHING, BAD]), Some(Phase::Failed));
        assert_eq!(verdict([BAD, NOTHING]), Some(Phase::Failed));
    }

    #[test]
    fn a_pass_judges_when_all_its_measurements_are_there() {
        let mut run = AnalysisRun::new(vec![metric(1), metric(1)]);
        assert_eq!(run.handle(at(0), Started), [Measure(0), Measure(1)]);
        assert_eq!(run.handle(at(1), Measured(0, NEITHER)), []);
        assert_eq!(run.handle(at(2), MeasureDue), [], "and starts no second one meanwhile");
        let [Finished(Phase::Failed, _)] = run.handle(at(3), Measured(1, BAD))[..] else { panic!() };
        assert_eq!(run.handle(at(4), MeasureDue), [], "over is over");
    }

    #[test]
    fn a_terminated_run_with_nothing_bad_is_successful() {
        let end = [Finished(Phase::Successful, "Run Terminated".to_owned())];
        let late = Metric { initial_delay: Duration::secs(30), ..metric(9) };
        let mut run = AnalysisRun::new(vec![metric(9), late]);
        run.handle(at(0), Started);
        run.handle(at(0), Measured(0, GOOD));
        assert_eq!(run.handle(at(1), Terminate), end, "one metric was measured, one was not");
        assert_eq!(run.phase(), Phase::Successful);
        assert_eq!(AnalysisRun::new(vec![metric(9)]).handle(at(0), Terminate), end, "none was measured");
    }

    #[test]
    fn a_terminated_run_still_hears_the_measurements_under_way() {
        let mut run = AnalysisRun::new(vec![metric(9)]);
        run.handle(at(0), Started);
        assert_eq!(run.handle(at(1), Terminate), []);
        let [Finished(Phase::Failed, _)] = run.handle(at(2), Measured(0, BAD))[..] else { panic!() };
    }

    #[test]
    fn a_dry_run_metric_prolongs_the_run_and_does_not_decide_it() {
        let dry = Metric { dry_run: true, failure_limit: Some(1), ..metric(9) };
        let played = play(vec![metric(1), dry.clone()], &[&[GOOD], &[BAD]]);
        assert_eq!(played.measured, [vec![100], vec![100, 160]]);
        assert_eq!(played.end, Some((160, Phase::Successful, String::new())));
        ends(dry, &[BAD], Phase::Successful, 2);
    }
}
