//! Turns a run into bytes; `cli` writes them. Averages and percentages exist here only.
//!
//! Every time in a report is relative to the release: t = 0 is its start, the warm-up lies before it.

pub mod check;
pub mod ci;
pub mod classes;
pub mod csv;
#[cfg(feature = "png")]
pub mod png;
pub mod replications;
pub mod resolved;
pub mod rollback;
#[cfg(test)]
mod sample;
mod sparkline;
mod step_table;
pub mod summary;
pub mod svg;
pub mod sweep;
mod terminal;
pub mod text;
pub mod why;
mod window;

use crate::model::people::Verb;
use crate::run::{ChangeKind, Decider, LogEntry, RolloutOutcome, Run, Second, StepRecord};
use crate::scenario::Loaded;
use crate::scenario::metric::Unit;
use crate::units::{Duration, Instant, counted, grouped};

pub use crate::scenario::threshold::Verdict;

/// Why the release was aborted, or who took it back: the controller's own words, or a person's. None if it was neither.
fn abort_reason(run: &Run) -> Option<String> {
    let last = |wanted: &dyn Fn(&LogEntry) -> bool| run.events.iter().rev().find(|entry| wanted(entry));
    // A template that came after an abort is not what ended the release.
    let aborted = last(&|entry| entry.event == "Aborted").filter(|entry| run.rollout.aborted == Some(entry.at));
    let Some(aborted) = aborted else { return way_back(run) };
    let at = time(run, aborted.at);
    Some(match aborted.detail.split_once(": ") {
        Some((_, timed_out)) if timed_out.contains("has timed out progressing") => {
            format!("by the progress deadline (t = {at}): {timed_out}")
        }
        Some((_, reason)) => format!("{reason} (t = {at})"),
        None => {
            let person = last(&|entry| entry.component == "people" && entry.event == "abort");
            format!("by a person (t = {})", person.map_or(at, |person| time(run, person.at)))
        }
    })
}

/// The pod template by which the release was taken back, and who brought it.
fn way_back(run: &Run) -> Option<String> {
    let older = run.changes.iter().rev().find(|change| matches!(change.kind, ChangeKind::Template(_)))?;
    let ChangeKind::Template(revision) = older.kind else { return None };
    let is_back = run.rollout.undone.is_some() || run.rollout.outcome == RolloutOutcome::Aborted;
    let Some(decision) = run.decision_of(older).filter(|_| is_back) else {
        let synced = format!("by a commit of {revision}, which Argo CD synced at t = {}", time(run, older.at));
        return is_back.then_some(synced);
    };
    let at = time(run, decision.decided);
    Some(match decision.by {
        Decider::Person { verb: verb @ (Verb::Undo | Verb::Deploy), .. } => {
            format!("by a person, with `{} {revision}` (t = {at})", verb.name())
        }
        Decider::Person { verb, .. } => {
            format!("by a person, with `{}` (t = {at}), synced at t = {}", verb.name(), time(run, older.at))
        }
        Decider::Promotion | Decider::RolloutsController => {
            format!("by the promotion stage (over at t = {at}), synced at t = {}", time(run, older.at))
        }
    })
}

/// What took the release back by a pod template, as sentences call it: `the undo`, `revert_commit`.
fn name_of_way_back(run: &Run, undone: Instant) -> &'static str {
    run.template_by(undone).map_or("the commit", |decision| match decision.by {
        Decider::Person { verb: Verb::Undo, .. } => "the undo",
        Decider::Promotion => "the promotion time-out",
        by @ (Decider::Person { .. } | Decider::RolloutsController) => by.name(),
    })
}

/// A step with the pauses after it: what a person takes for one step of the release.
#[derive(Clone, Copy, Debug)]
struct Stage<'a> {
    /// Never empty; all but the first are pauses.
    steps: &'a [StepRecord],
}

impl<'a> Stage<'a> {
    fn first(self) -> &'a StepRecord {
        self.steps.first().expect("a stage has a step")
    }

    fn last(self) -> &'a StepRecord {
        self.steps.last().expect("a stage has a step")
    }

    /// `setWeight 90 + pause 60s`.
    fn label(self) -> String {
        let steps: Vec<_> = self.steps.iter().map(|step| step.step.as_str()).collect();
        steps.join(" + ")
    }

    fn elb_5xx(self) -> u64 {
        self.steps.iter().map(|step| step.elb_5xx).sum()
    }
}

fn stages(run: &Run) -> impl Iterator<Item = Stage<'_>> {
    run.steps.chunk_by(|_, next| next.step.starts_with("pause")).map(|steps| Stage { steps })
}

fn is_set_weight(step: &StepRecord) -> bool {
    step.step.starts_with("setWeight")
}

/// Milliseconds since the release, rounded; negative in the warm-up.
fn millis_since_release(run: &Run, at: Instant) -> i64 {
    let since = i128::from(at.as_nanos()) - i128::from(run.release.as_nanos());
    i64::try_from((since + 500_000).div_euclid(1_000_000)).expect("nanoseconds fit, so milliseconds do")
}

fn secs_since_release(run: &Run, at: Instant) -> f64 {
    millis_since_release(run, at) as f64 / 1e3
}

/// The second since the release that `run.seconds[row]` stands for.
fn second_of_row(run: &Run, row: usize) -> i64 {
    let signed = |seconds: u64| i64::try_from(seconds).expect("seconds of a run fit");
    signed(row as u64) - signed(run.release.second())
}

/// The canary weight in the Ingress annotation.
fn weight_requested(second: &Second) -> f64 {
    f64::from(second.weight_requested) / 100.0
}

/// The canary weight by which the average ALB node routes.
fn weight_effective(run: &Run, second: &Second) -> f64 {
    f64::from(second.weight_effective_sum) / (100.0 * f64::from(run.nodes.max(1)))
}

/// `value` with at most so many decimals, none of them a trailing zero.
fn decimal(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// `-1,234.5`: at most so many decimals.
fn grouped_decimal(value: f64, places: usize) -> String {
    let text = decimal(value, places);
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_string(), grouped);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// What a threshold was compared with, for a person.
fn observed(verdict: &Verdict) -> String {
    let value = verdict.observed;
    match verdict.unit {
        Unit::Number => grouped_decimal(value, 3),
        Unit::Share => percent(value),
        Unit::Seconds => format!("{} s", grouped_decimal(value, 1)),
        Unit::Milliseconds => format!("{} ms", grouped_decimal(value, 1)),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[impl AsRef<str>]) -> String {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).into(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Who sends the requests to the pods.
fn data_plane(loaded: &Loaded) -> &'static str {
    if loaded.scenario.has_alb() { "the ALB" } else { "the data plane" }
}

/// A time since the release, to the tenth of a second: `-3.2 s`.
fn time(run: &Run, at: Instant) -> String {
    format!("{} s", grouped_decimal(secs_since_release(run, at), 1))
}

/// A span to the tenth of a second, one below a second to the tenth of a millisecond: `70.3 s`, `120 ms`, `0 s`.
fn span(duration: Duration) -> String {
    if Duration::ZERO < duration && duration < Duration::secs(1) {
        return millis(duration);
    }
    format!("{} s", grouped_decimal(duration.as_secs_f64(), 1))
}

/// `40.1 ms`.
fn millis(duration: Duration) -> String {
    format!("{} ms", grouped_decimal(duration.as_nanos() as f64 / 1e6, 1))
}

/// A share of 1 in percent, with as many decimals as a small one needs.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = match percent {
        p if p >= 10.0 => 1,
        p if p >= 1.0 => 2,
        p if p >= 0.01 => 3,
        _ => 5,
    };
    format!("{} %", decimal(percent, places))
}

/// Whole seconds since the start of the release.
fn seconds(seconds: i64) -> String {
    format!("{} s", grouped_decimal(seconds as f64, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_trailing_zeros() {
        for (value, places, text) in
            [(1.0, 3, "1"), (0.1, 3, "0.1"), (-0.0004, 3, "0"), (12.345_67, 3, "12.346"), (100.0, 0, "100")]
        {
            assert_eq!(decimal(value, places), text);
        }
        for (value, text) in [(1_234_567.26, "1,234,567.3"), (-1234.0, "-1,234"), (-61.5, "-61.5"), (999.0, "999")] {
            assert_eq!(grouped_decimal(value, 1), text);
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_list_ends_in_an_and() {
        for (words, text) in [(&[][..], ""), (&["a"], "a"), (&["a", "b"], "a and b"), (&["a", "b", "c"], "a, b and c")]
        {
            assert_eq!(listed(words), text);
        }
    }

    #[test]
    fn time_counts_from_the_release_and_is_rounded_to_milliseconds() {
        let run = sample::incident();
        for (nanos, secs) in [(0, -60.0), (60_000_499_999, 0.0), (60_000_500_000, 0.001), (59_999_400_000, -0.001)] {
            assert_eq!(secs_since_release(&run, Instant::from_nanos(nanos)), secs, "{nanos} ns");
        }
        assert_eq!((second_of_row(&run, 0), second_of_row(&run, 60)), (-60, 0));
    }

    #[test]
    fn the_worst_ten_seconds_are_the_first_with_the_highest_share() {
        let mut run = sample::quiet();
        assert_eq!(run.worst_ten_seconds(), None);
        // 30 errors early among 250 requests a second; fewer later, but among fewer requests.
        run.seconds[100].elb_502 = 30;
        for row in 300..310 {
            run.seconds[row] = Second { requests: 10, elb_504: 2, ok: 8, ..run.seconds[row] };
        }
        let worst = |run: &Run| run.worst_ten_seconds().map(|worst| (second_of_row(run, worst.first), worst.share()));
        assert_eq!(worst(&run), Some((240, 0.2)));
        run.seconds.truncate(4);
        run.seconds[2].elb_503 = 10;
        assert_eq!(worst(&run), Some((-60, 0.01)));
    }

    #[test]
    fn a_stage_is_a_step_with_the_pauses_after_it() {
        let run = sample::incident();
        let labels: Vec<_> = stages(&run).map(Stage::label).collect();
        assert_eq!(labels[..3], ["setCanaryScale weight 20", "setWeight 0 + pause 60s", "setWeight 10 + pause 60s"]);
        let during = stages(&run).map(Stage::elb_5xx).sum::<u64>();
        assert_eq!(during + run.rollout.elb_5xx_after_last_step, run.requests.elb_5xx());
    }
}
