//! The count of all requests: by second, by cause, by response time.
//!
//! A request is counted when its outcome is known, which is when it arrives; should its pod die before it is answered,
//! it is counted again. Per second of arrival, so each second's figures add up.

pub mod exposure;

use crate::model::Revision;
use crate::model::metrics::{Answer, Metrics};
use crate::model::outcome::{Cause, Outcome};
use crate::run::{CauseCount, ClassRecord, FailingSecond, Latency, Mirrored, Requests, Second, TracedRequest};
use crate::units::{Duration, Instant};
use exposure::Exposure;
use std::collections::VecDeque;

/// What happened to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub number: u64,
    pub arrival: Instant,
    pub outcome: Outcome,
    /// When the client has its answer.
    pub answered: Instant,
    /// Of the pod that it was sent to.
    pub version: Option<Revision>,
    /// Of its class, or `traffic::ANONYMOUS`.
    pub user: u32,
    pub class: u8,
}

#[derive(Clone, Debug)]
pub struct Tally {
    /// The seconds before the current one.
    seconds: Vec<Second>,
    current: Second,
    current_end: Instant,
    /// Response times in microseconds of the requests that arrived in the current second.
    current_times: Vec<u32>,
    /// The same of the last entries of `seconds`: those that can still change.
    open: VecDeque<Vec<u32>>,
    /// So many seconds can still change.
    horizon: usize,
    histogram: Histogram,
    causes: [CauseTally; Cause::ALL.len()],
    failures: Vec<FailingSecond>,
    /// Arrivals of requests that will time out, unless their pod dies first: an idle time-out is the only failure that
    /// lies in the future when it is counted and can still become another one.
    timeouts_ahead: VecDeque<Instant>,
    /// ELB 5xx by arrival since each of these instants, up to the next one.
    sections: Vec<(Instant, u64)>,
    fingerprint: u64,
    /// Somebody wants more than the sums: one of the three below.
    is_watched: bool,
    /// Somebody wants a trace or metrics.
    is_told: bool,
    trace: Option<Vec<TracedRequest>>,
    metrics: Option<Metrics>,
    exposure: Option<Exposure>,
    mirrored: Mirrored,
}

#[derive(Clone, Copy, Debug)]
struct CauseTally {
    count: u64,
    first: Instant,
    last: Instant,
}

impl CauseTally {
    fn extend_to(&mut self, arrival: Instant) {
        self.first = self.first.min(arrival);
        self.last = self.last.max(arrival);
    }
}

const SECOND: Duration = Duration::secs(1);

impl Tally {
    /// No answer may take longer than `longest_answer`.
    pub fn new(longest_answer: Duration, trace: bool) -> Self {
        let none = CauseTally { count: 0, first: Instant::NEVER, last: Instant::START };
        Self {
            seconds: vec![],
            current: Second::default(),
            current_end: Instant::START + SECOND,
            current_times: vec![],
            open: VecDeque::new(),
            horizon: usize::try_from(longest_answer.whole_secs()).unwrap_or(usize::MAX).saturating_add(2),
            histogram: Histogram::new(),
            causes: [none; Cause::ALL.len()],
            failures: vec![],
            timeouts_ahead: VecDeque::new(),
            sections: vec![(Instant::START, 0)],
            fingerprint: 0,
            is_watched: trace,
            is_told: trace,
            trace: trace.then(Vec::new),
            metrics: None,
            exposure: None,
            mirrored: Mirrored::default(),
        }
    }

    /// Keeps the books of each class of traffic, too.
    pub fn with_exposure(mut self, exposure: Exposure) -> Self {
        (self.exposure, self.is_watched) = (Some(exposure), true);
        self
    }

    pub fn exposure(&mut self) -> Option<&mut Exposure> {
        self.exposure.as_mut()
    }

    /// Keeps what monitoring shows, too: somebody is going to look.
    pub fn with_metrics(mut self) -> Self {
        self.metrics = Some(Metrics::default());
        (self.is_watched, self.is_told) = (true, true);
        self
    }

    pub fn metrics(&self) -> &Metrics {
        self.metrics.as_ref().expect("nobody looks who has not said so")
    }

    /// Counts a request; requests come in order of arrival. `waited`: from arrival to the start of the work.
    #[inline(always)]
    pub fn count(&mut self, fate: Fate, waited: Duration) {
        while fate.arrival >= self.current_end {
            self.next_second();
        }
        if fate.outcome == Outcome::Ok {
            self.fingerprint = self.fingerprint.wrapping_add(hash(&fate));
            self.current.ok += 1;
            self.current_times.push(micros(&fate));
        } else {
            self.count_bad(fate);
        }
        // One look, where nobody wants more than the sums.
        if self.is_watched {
            if let Some(exposure) = &mut self.exposure {
                exposure.count(&fate);
            }
            if self.is_told {
                self.count_for_others(fate, waited);
            }
        }
    }

    #[cold]
    fn count_bad(&mut self, fate: Fate) {
        self.fingerprint = self.fingerprint.wrapping_add(hash(&fate));
        if fate.outcome.is_from_target() {
            self.current_times.push(micros(&fate));
        }
        self.count_failure(fate);
    }

    /// What most runs do without. By value: a reference would keep every request's fate in memory.
    #[inline(never)]
    fn count_for_others(&mut self, fate: Fate, waited: Duration) {
        if let Some(trace) = &mut self.trace {
            let Fate { arrival, outcome, answered, version, user, class, .. } = fate;
            trace.push(TracedRequest { arrival, outcome, answered, waited, version, user, class });
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.count(answer(&fate));
        }
    }

    /// A copy of a request came to this: no user's, and yet monitoring sees it.
    pub fn count_mirrored(&mut self, copy: Fate) {
        self.mirrored.requests += 1;
        match copy.outcome {
            Outcome::Ok => {}
            Outcome::Target5xx => self.mirrored.target_5xx += 1,
            Outcome::Elb(_) => self.mirrored.lost += 1,
        }
        self.fingerprint = self.fingerprint.wrapping_add(hash(&copy).rotate_left(1));
        if let Some(metrics) = &mut self.metrics {
            metrics.count(answer(&copy));
        }
    }

    /// The request was counted as `before`, but its connection broke for `cause`, now.
    pub fn count_again(&mut self, before: Fate, cause: Cause, now: Instant) {
        let fate = Fate { outcome: Outcome::Elb(cause), answered: now, ..before };
        self.fingerprint = self.fingerprint.wrapping_sub(hash(&before)).wrapping_add(hash(&fate));
        if before.outcome.is_from_target() {
            let times = self.times(fate.arrival);
            let place = times.iter().position(|time| *time == micros(&before)).expect("it was counted");
            times.swap_remove(place);
        }
        match before.outcome {
            Outcome::Ok => self.second(fate.arrival).ok -= 1,
            Outcome::Elb(cause) => {
                *code_count(self.second(fate.arrival), cause) -= 1;
                *self.cause_in_second(fate.arrival, cause) -= 1;
                self.causes[cause.index()].count -= 1;
                *self.section(before.arrival) -= 1;
                let place = self.timeouts_ahead.iter().position(|arrival| *arrival == before.arrival);
                self.timeouts_ahead.remove(place.expect("only an idle time-out is counted ahead"));
            }
            Outcome::Target5xx => self.second(fate.arrival).target_5xx -= 1,
        }
        self.count_failure(fate);
        if let Some(trace) = &mut self.trace {
            let entry = &mut trace[usize::try_from(fate.number).expect("a traced run is short")];
            (entry.outcome, entry.answered) = (fate.outcome, now);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.take_back(answer(&before));
            metrics.count(answer(&fate));
        }
        if let Some(exposure) = &mut self.exposure {
            exposure.count_again(&before, &fate);
        }
    }

    /// ELB 5xx of the requests that arrive from now on are counted by themselves, too.
    pub fn begin_section(&mut self, now: Instant) {
        self.sections.push((now, 0));
    }

    /// Closes the books at the end of the run. Its last second is `seconds - 1`.
    pub fn close(mut self, seconds: usize) -> Totals {
        while self.seconds.len() < seconds {
            self.next_second();
        }
        while !self.open.is_empty() {
            self.settle_oldest();
        }
        let mut requests = Requests::default();
        for second in &self.seconds {
            requests.total += u64::from(second.requests);
            requests.ok += u64::from(second.ok);
            requests.elb_502 += u64::from(second.elb_502);
            requests.elb_503 += u64::from(second.elb_503);
            requests.elb_504 += u64::from(second.elb_504);
            requests.elb_404 += u64::from(second.elb_404);
            requests.target_5xx += u64::from(second.target_5xx);
        }
        let causes = self.causes.map(|cause| CauseCount {
            count: cause.count,
            first: (cause.count > 0).then_some(cause.first),
            last: (cause.count > 0).then_some(cause.last),
        });
        Totals {
            requests,
            causes,
            failures: self.failures,
            latency: self.histogram.latency(),
            fingerprint: self.fingerprint,
            sections: self.sections.iter().map(|(_, count)| *count).collect(),
            seconds: self.seconds,
            classes: self.exposure.map_or(vec![], Exposure::into_records),
            mirrored: self.mirrored,
            trace: self.trace,
        }
    }

    #[cold]
    fn count_failure(&mut self, fate: Fate) {
        let second = self.second(fate.arrival);
        let Outcome::Elb(cause) = fate.outcome else {
            second.target_5xx += 1;
            return;
        };
        *code_count(second, cause) += 1;
        *self.cause_in_second(fate.arrival, cause) += 1;
        if cause.is_5xx() {
            *self.section(fate.arrival) += 1;
        }
        let entry = &mut self.causes[cause.index()];
        entry.count += 1;
        if cause == Cause::IdleTimeout {
            self.timeouts_ahead.push_back(fate.arrival);
        } else {
            entry.extend_to(fate.arrival);
        }
    }

    fn cause_in_second(&mut self, arrival: Instant, cause: Cause) -> &mut u32 {
        let row = u32::try_from(second_index(arrival)).expect("a run is shorter than 136 years");
        let place = self.failures.partition_point(|second| second.row < row);
        if self.failures.get(place).is_none_or(|second| second.row != row) {
            self.failures.insert(place, FailingSecond { row, causes: [0; Cause::ALL.len()] });
        }
        &mut self.failures[place].causes[cause.index()]
    }

    fn section(&mut self, arrival: Instant) -> &mut u64 {
        let section = self.sections.iter_mut().rev().find(|(begin, _)| *begin <= arrival);
        &mut section.expect("the first section begins with the run").1
    }

    fn second(&mut self, arrival: Instant) -> &mut Second {
        self.seconds.get_mut(second_index(arrival)).unwrap_or(&mut self.current)
    }

    /// The response times of that second; panics if it cannot change any more.
    fn times(&mut self, arrival: Instant) -> &mut Vec<u32> {
        let settled = self.seconds.len() - self.open.len();
        let index = second_index(arrival).checked_sub(settled).expect("the second of an open request is open");
        self.open.get_mut(index).unwrap_or(&mut self.current_times)
    }

    #[cold]
    fn next_second(&mut self) {
        let spare = if self.open.len() >= self.horizon { self.settle_oldest() } else { vec![] };
        let of_each = [self.current.ok, self.current.target_5xx, self.current.elb_5xx(), self.current.elb_404];
        self.current.requests = of_each.iter().sum();
        self.seconds.push(std::mem::take(&mut self.current));
        if let Some(exposure) = &mut self.exposure {
            exposure.next_second();
        }
        self.open.push_back(std::mem::replace(&mut self.current_times, spare));
        self.current_end = self.current_end + SECOND;
    }

    /// Nothing that arrived in the oldest open second can change any more. Returns its emptied list.
    fn settle_oldest(&mut self) -> Vec<u32> {
        let mut times = self.open.pop_front().expect("there is an open second");
        let index = self.seconds.len() - 1 - self.open.len();
        while let Some(arrival) = self.timeouts_ahead.pop_front_if(|arrival| second_index(*arrival) <= index) {
            self.causes[Cause::IdleTimeout.index()].extend_to(arrival);
        }
        let second = &mut self.seconds[index];
        (second.latency_p50_us, second.latency_p99_us) = self.histogram.add(&times);
        times.clear();
        times
    }
}

/// The closed books.
#[derive(Debug)]
pub struct Totals {
    pub seconds: Vec<Second>,
    pub requests: Requests,
    pub causes: [CauseCount; Cause::ALL.len()],
    pub failures: Vec<FailingSecond>,
    pub latency: Latency,
    pub fingerprint: u64,
    /// ELB 5xx by section: the first reaches from the start to the first `begin_section`.
    pub sections: Vec<u64>,
    pub classes: Vec<ClassRecord>,
    pub mirrored: Mirrored,
    pub trace: Option<Vec<TracedRequest>>,
}

fn second_index(arrival: Instant) -> usize {
    usize::try_from(arrival.second()).expect("a run's seconds can be indexed")
}

fn code_count(second: &mut Second, cause: Cause) -> &mut u32 {
    match cause.elb_status_code() {
        404 => &mut second.elb_404,
        502 => &mut second.elb_502,
        503 => &mut second.elb_503,
        504 => &mut second.elb_504,
        other => unreachable!("no cause is answered with {other}"),
    }
}

fn answer(fate: &Fate) -> Answer {
    Answer { version: fate.version, outcome: fate.outcome, answered: fate.answered, micros: micros(fate) }
}

fn micros(fate: &Fate) -> u32 {
    u32::try_from((fate.answered - fate.arrival).as_nanos() / 1_000).unwrap_or(u32::MAX)
}

/// Requests are added up, not chained, so the order in which they are counted does not show in the fingerprint.
#[inline]
fn hash(fate: &Fate) -> u64 {
    let code = match fate.outcome {
        Outcome::Ok => 0,
        Outcome::Target5xx => 1,
        Outcome::Elb(cause) => 2 + cause as u64,
    };
    let mixed = (fate.number ^ code << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ fate.answered.as_nanos();
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}

/// A log-linear histogram of microseconds: 128 cells to each power of two, so a quantile is right to 0.4 %.
#[derive(Clone, Debug)]
struct Histogram {
    total: Vec<u64>,
    second: Vec<u32>,
    count: u64,
    max: u32,
}

const CELL_BITS: u32 = 7;
const CELLS: usize = (33 - CELL_BITS as usize) << CELL_BITS;
const STEP: usize = 8;

impl Histogram {
    fn new() -> Self {
        Self { total: vec![0; CELLS], second: vec![0; CELLS], count: 0, max: 0 }
    }

    /// Adds one second's response times; returns their 50th and 99th percentile, 0 without any.
    fn add(&mut self, times: &[u32]) -> (u32, u32) {
        if times.is_empty() {
            return (0, 0);
        }
        let (mut low, mut high) = (CELLS, 0);
        for time in times {
            let cell = cell(*time);
            self.second[cell] += 1;
            low = low.min(cell);
            high = high.max(cell);
            self.max = self.max.max(*time);
        }
        self.count += times.len() as u64;
        let (rank50, rank99) = (rank(times.len() as u64, 500), rank(times.len() as u64, 990));
        // Eight cells to a step, so that the scan is a few vector additions and hardly a branch.
        let cells = low / STEP * STEP..high / STEP * STEP + STEP;
        let quantile = |rank: u64| {
            let mut below = 0;
            for (step, counts) in self.second[cells.clone()].chunks_exact(STEP).enumerate() {
                let next = below + counts.iter().sum::<u32>();
                if u64::from(next) <= rank {
                    below = next;
                    continue;
                }
                let within = counts.iter().position(|count| {
                    below += count;
                    u64::from(below) > rank
                });
                return middle(cells.start + step * STEP + within.expect("the step holds the rank"));
            }
            unreachable!("rank {rank} lies beyond all counts")
        };
        let (p50, p99) = (quantile(rank50), quantile(rank99));
        for (total, second) in self.total[cells.clone()].iter_mut().zip(&mut self.second[cells]) {
            *total += u64::from(std::mem::take(second));
        }
        (p50.min(self.max), p99.min(self.max))
    }

    fn latency(&self) -> Latency {
        let quantile = |per_mille| {
            let wanted = rank(self.count, per_mille);
            let mut below = 0;
            let cell = self.total.iter().position(|count| {
                below += count;
                below > wanted
            });
            Duration::from_nanos(u64::from(cell.map_or(0, middle).min(self.max)) * 1_000)
        };
        Latency {
            p50: quantile(500),
            p90: quantile(900),
            p99: quantile(990),
            p999: quantile(999),
            max: Duration::from_nanos(u64::from(self.max) * 1_000),
        }
    }
}

/// Nearest rank, counted from 0.
fn rank(count: u64, per_mille: u64) -> u64 {
    (count * per_mille).div_ceil(1_000).saturating_sub(1)
}

#[inline]
fn cell(micros: u32) -> usize {
    // The position of the highest bit beyond the first 128 values tells how coarse the cells are.
    let coarse = (u32::BITS - (micros >> CELL_BITS).leading_zeros()).saturating_sub(1);
    let coarse_cells = if micros < 1 << CELL_BITS { 0 } else { (coarse + 1) << CELL_BITS };
    (coarse_cells + ((micros >> coarse) & ((1 << CELL_BITS) - 1))) as usize
}

/// The middle of a cell.
fn middle(cell: usize) -> u32 {
    let cell = u32::try_from(cell).expect("few cells");
    if cell < 1 << CELL_BITS {
        return cell;
    }
    let coarse = (cell >> CELL_BITS) - 1;
    let low = (1 << CELL_BITS | cell & ((1 << CELL_BITS) - 1)) << coarse;
    low + (1 << coarse >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fate(number: u64, arrival_ms: u64, took_ms: u64, outcome: Outcome) -> Fate {
        let arrival = Instant::START + Duration::millis(arrival_ms);
        Fate {
            number,
            arrival,
            outcome,
            answered: arrival + Duration::millis(took_ms),
            version: None,
            user: 0,
            class: 0,
        }
    }

    fn tally() -> Tally {
        Tally::new(Duration::secs(60), true)
    }

    #[test]
    fn a_request_counts_in_its_second_of_arrival() {
        let mut tally = tally();
        tally.count(fate(0, 500, 10, Outcome::Ok), Duration::ZERO);
        tally.count(fate(1, 2_999, 10_000, Outcome::Elb(Cause::ConnectTimeout)), Duration::ZERO);
        let totals = tally.close(5);
        let rows: Vec<_> = totals.seconds.iter().map(|second| (second.requests, second.ok, second.elb_504)).collect();
        assert_eq!(rows, [(1, 1, 0), (0, 0, 0), (1, 0, 1), (0, 0, 0), (0, 0, 0)]);
    }

    #[test]
    fn a_broken_request_is_counted_as_if_it_had_never_been_ok() {
        let ok = fate(0, 500, 3_000, Outcome::Ok);
        let mut corrected = tally();
        corrected.count(ok, Duration::ZERO);
        corrected.count(fate(1, 1_200, 10, Outcome::Ok), Duration::ZERO);
        let now = Instant::START + Duration::millis(2_000);
        corrected.count_again(ok, Cause::ResetInFlight, now);

        let mut right = tally();
        right.count(fate(0, 500, 1_500, Outcome::Elb(Cause::ResetInFlight)), Duration::ZERO);
        right.count(fate(1, 1_200, 10, Outcome::Ok), Duration::ZERO);

        let (corrected, right) = (corrected.close(3), right.close(3));
        assert_eq!(corrected.fingerprint, right.fingerprint);
        assert_eq!(corrected.seconds, right.seconds);
        assert_eq!(corrected.latency, right.latency);
        assert_eq!(corrected.trace, right.trace);
        assert_eq!(right.requests.elb_502, 1);
    }

    #[test]
    fn causes_know_their_first_and_last_request() {
        let mut tally = tally();
        for (number, at) in [(0, 700), (1, 1_500), (2, 4_100)] {
            tally.count(fate(number, at, 0, Outcome::Elb(Cause::NoRegisteredTargets)), Duration::ZERO);
        }
        let cause = tally.close(5).causes[Cause::NoRegisteredTargets.index()];
        let at = |ms| Some(Instant::START + Duration::millis(ms));
        assert_eq!(cause, CauseCount { count: 3, first: at(700), last: at(4_100) });
    }

    #[test]
    fn a_time_out_that_did_not_come_leaves_no_trace() {
        let ahead = fate(0, 500, 60_000, Outcome::Elb(Cause::IdleTimeout));
        let mut tally = tally();
        tally.count(ahead, Duration::ZERO);
        tally.count(fate(1, 1_500, 60_000, Outcome::Elb(Cause::IdleTimeout)), Duration::ZERO);
        tally.count_again(ahead, Cause::ResetInFlight, Instant::START + Duration::secs(2));
        let totals = tally.close(3);
        let at = |ms| Some(Instant::START + Duration::millis(ms));
        let timeouts = totals.causes[Cause::IdleTimeout.index()];
        assert_eq!(timeouts, CauseCount { count: 1, first: at(1_500), last: at(1_500) });
        assert_eq!(totals.causes[Cause::ResetInFlight.index()], CauseCount { count: 1, first: at(500), last: at(500) });
        assert_eq!((totals.requests.elb_502, totals.requests.elb_504), (1, 1));
    }

    proptest! {
        #[test]
        fn quantiles_are_right_to_four_per_mille(mut times in proptest::collection::vec(0u32..100_000_000, 1..500)) {
            let mut histogram = Histogram::new();
            let (p50, p99) = histogram.add(&times);
            times.sort_unstable();
            for (ours, per_mille) in [(p50, 500), (p99, 990)] {
                let exact = f64::from(times[rank(times.len() as u64, per_mille) as usize]);
                prop_assert!((f64::from(ours) - exact).abs() <= exact / 256.0 + 0.5, "{ours} instead of {exact}");
            }
            prop_assert_eq!(histogram.latency().p50.as_nanos(), u64::from(p50) * 1_000);
        }
    }
}
