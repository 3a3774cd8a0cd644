//! What is known of the part of the release in which most requests failed, and of what made them fail.

use super::super::{counted, decimal, grouped, time};
use super::group::{Groups, Load};
use super::place::{Place, places};
use crate::model::Service;
use crate::model::outcome::Cause;
use crate::run::{CauseCount, FailingSecond, LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};

/// Causes that one and the same thing brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// Requests go to a pod that has stopped.
    PodGone,
    GroupEmpty,
    /// The program ends with requests in flight.
    CutOff,
    KeepAliveRace,
    DeregistrationDelay,
    /// The pods do not keep up.
    Slow,
    /// The listener has no rule for the request.
    NoRule,
    /// The rule leads to nothing that is there.
    MissingBackend,
}

impl Mechanism {
    const ALL: [Self; 8] = [
        Self::PodGone,
        Self::GroupEmpty,
        Self::CutOff,
        Self::KeepAliveRace,
        Self::DeregistrationDelay,
        Self::Slow,
        Self::NoRule,
        Self::MissingBackend,
    ];

    fn of(cause: Cause) -> Self {
        match cause {
            Cause::ConnectionRefused | Cause::HostUnreachable | Cause::ConnectTimeout => Self::PodGone,
            Cause::NoRegisteredTargets => Self::GroupEmpty,
            Cause::ResetInFlight => Self::CutOff,
            Cause::KeepAliveRace => Self::KeepAliveRace,
            Cause::DeregistrationDelayExpired => Self::DeregistrationDelay,
            Cause::BacklogFull | Cause::IdleTimeout => Self::Slow,
            Cause::NoMatchingRule => Self::NoRule,
            Cause::MissingBackend => Self::MissingBackend,
        }
    }

    /// It lies in what the listener was told, not in who acts late.
    fn is_of_rules(self) -> bool {
        match self {
            Self::NoRule | Self::MissingBackend => true,
            Self::PodGone
            | Self::GroupEmpty
            | Self::CutOff
            | Self::KeepAliveRace
            | Self::DeregistrationDelay
            | Self::Slow => false,
        }
    }

    fn causes(self) -> impl Iterator<Item = Cause> {
        Cause::ALL.into_iter().filter(move |cause| Self::of(*cause) == self)
    }

    fn count(self, second: &FailingSecond) -> u64 {
        self.causes().map(|cause| u64::from(second.causes[cause.index()])).sum()
    }
}

/// The part of the release in which most requests failed by one mechanism.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) run: &'a Run,
    pub(super) mechanism: Mechanism,
    pub(super) place: Place,
    pub(super) groups: Groups<'a>,
    /// The seconds with a failure of this mechanism, in this place and on from it.
    failing: Vec<&'a FailingSecond>,
}

/// Failing seconds of one mechanism in one place.
#[derive(Clone, Debug)]
struct Part<'a> {
    mechanism: Mechanism,
    /// Index of the place.
    place: usize,
    failing: Vec<&'a FailingSecond>,
}

/// Failing seconds so far apart are still one stretch.
const GAP: u32 = 5;

/// Empty groups so far apart have been emptied by two different things.
const APART: u32 = 60;

/// Over so many seconds the failures before a new place are compared with those in it.
const BORDER: u32 = 3;

impl<'a> Part<'a> {
    /// In the order of the mechanisms, and for each in the order of time.
    fn all(run: &'a Run, places: &[Place]) -> Vec<Self> {
        let mut parts = vec![];
        for mechanism in Mechanism::ALL {
            if mechanism.is_of_rules() {
                parts.extend(Self::whole(run, mechanism));
                continue;
            }
            for (place, Place { rows, .. }) in places.iter().enumerate() {
                let here = |second: &&FailingSecond| rows.contains(&second.row.into()) && mechanism.count(second) > 0;
                let failing: Vec<_> = run.failures.iter().filter(here).collect();
                let is_one = |a: &&FailingSecond, b: &&FailingSecond| {
                    mechanism != Mechanism::GroupEmpty || b.row - a.row <= APART
                };
                parts.extend(failing.chunk_by(is_one).map(|part| Self { mechanism, place, failing: part.to_vec() }));
            }
        }
        parts
    }

    /// What the rules lack they lack from the first step to the last: one part, in the first place.
    fn whole(run: &'a Run, mechanism: Mechanism) -> Option<Self> {
        let failing: Vec<_> = run.failures.iter().filter(|second| mechanism.count(second) > 0).collect();
        (!failing.is_empty()).then_some(Self { mechanism, place: 0, failing })
    }

    fn count(&self) -> u64 {
        self.failing.iter().map(|second| self.mechanism.count(second)).sum()
    }

    fn first(&self) -> u32 {
        self.failing[0].row
    }

    fn last(&self) -> u32 {
        self.failing[self.failing.len() - 1].row
    }

    /// Failures per failing second.
    fn per_second(&self) -> f64 {
        self.count() as f64 / self.failing.len() as f64
    }

    /// Failures in these seconds.
    fn count_in(&self, run: &Run, rows: std::ops::Range<u32>) -> u64 {
        let seconds = run.failures.iter().filter(|second| rows.contains(&second.row));
        seconds.map(|second| self.mechanism.count(second)).sum()
    }

    /// One mechanism does not begin where a step does: whatever leads up to it without a gap or a leap belongs to it.
    fn begun_earlier(mut self, run: &'a Run, places: &[Place]) -> Self {
        // The first place lies before the release.
        while let Some(before) = (1..self.place).rev().find(|place| !places[*place].rows.is_empty()) {
            let first = self.first();
            let [led_up, began] =
                [first.saturating_sub(BORDER)..first, first..first + BORDER].map(|rows| self.count_in(run, rows));
            if u64::from(first) > places[self.place].rows.start + u64::from(GAP) || 3 * led_up < began {
                return self;
            }
            let mut earlier: Vec<&FailingSecond> = vec![];
            for second in run.failures.iter().rev().filter(|second| self.mechanism.count(second) > 0) {
                let next = earlier.last().map_or(first, |later| later.row);
                let is_here = places[before].rows.contains(&second.row.into());
                if second.row < next && is_here && next - second.row <= GAP {
                    earlier.push(second);
                }
            }
            if earlier.is_empty() {
                return self;
            }
            earlier.reverse();
            earlier.append(&mut self.failing);
            self = Self { place: before, failing: earlier, ..self };
        }
        self
    }

    /// Nor does it stop where a step does: whatever follows without a gap belongs to it.
    fn extended(mut self, run: &'a Run) -> Self {
        for second in run.failures.iter().filter(|second| self.mechanism.count(second) > 0) {
            if (self.last() + 1..=self.last() + GAP).contains(&second.row) {
                self.failing.push(second);
            }
        }
        self
    }
}

impl<'a> Story<'a> {
    /// None if no request failed.
    pub(super) fn worst(loaded: &'a Loaded, run: &'a Run) -> Option<Self> {
        let mut places = places(run);
        let parts = Part::all(run, &places);
        // `max_by_key` takes the last of equals.
        let worst = parts.iter().rev().max_by_key(|part| part.count())?;
        // What fails as often before the release as in it is not the release's doing.
        let before = parts.iter().find(|part| part.place == 0 && part.mechanism == worst.mechanism);
        let Part { mechanism, place, failing } =
            match before.filter(|before| 2.0 * before.per_second() >= worst.per_second()) {
                Some(before) => before.clone(),
                None => worst.clone().begun_earlier(run, &places).extended(run),
            };
        let place = Place { rows: places[place].rows.start..places[worst.place].rows.end, ..places.swap_remove(place) };
        Some(Self { loaded, run, mechanism, place, groups: Groups::of(loaded, run), failing })
    }

    fn count(&self) -> u64 {
        self.failing.iter().map(|second| self.mechanism.count(second)).sum()
    }

    /// `1,750 requests (of 2,000 in the whole run) got 502 because the pod had closed its port`; of several causes each
    /// with its number.
    pub(super) fn failed(&self) -> String {
        let of_cause = |cause: Cause| {
            let count: u64 = self.failing.iter().map(|second| u64::from(second.causes[cause.index()])).sum();
            (count > 0).then_some((cause, count))
        };
        let causes: Vec<_> = self.mechanism.causes().filter_map(of_cause).collect();
        match causes[..] {
            [(cause, _)] => self.failed_because(cause.elb_status_code(), cause.description()),
            _ => {
                let part = |(cause, count): &(Cause, u64)| {
                    format!("{} got {} because {}", grouped(*count), cause.elb_status_code(), cause.description())
                };
                let parts: Vec<_> = causes.iter().map(part).collect();
                format!("{} failed: {}", self.counted(), parts.join(", "))
            }
        }
    }

    /// The same for a mechanism of one cause, with a reason that says more.
    pub(super) fn failed_because(&self, code: u16, reason: &str) -> String {
        format!("{} got {code} because {reason}", self.counted())
    }

    /// `1,750 requests (of 2,000 in the whole run)`: of those that the load balancer failed in this way or in another.
    pub(super) fn counted(&self) -> String {
        let requests = &self.run.requests;
        let all = if self.mechanism == Mechanism::NoRule { requests.elb_404 } else { requests.elb_5xx() };
        let here = self.count();
        let of = if here < all { format!(" (of {} in the whole run)", grouped(all)) } else { String::new() };
        format!("{}{of}", counted(here, "request"))
    }

    pub(super) fn failing_seconds(&self) -> u64 {
        self.failing.len() as u64
    }

    /// The start of the first second with a failure.
    pub(super) fn start(&self) -> Instant {
        Instant::START + Duration::secs(self.failing[0].row.into())
    }

    /// The end of the last second with a failure.
    pub(super) fn over(&self) -> Instant {
        Instant::START + Duration::secs(u64::from(self.failing[self.failing.len() - 1].row) + 1)
    }

    /// `between t = 420 s and t = 490 s`. `ended`: what ended the failures, if that is known.
    pub(super) fn when(&self, ended: Option<Instant>) -> String {
        let known = |instant: fn(&CauseCount) -> Option<Instant>| {
            let causes = self.mechanism.causes().map(|cause| &self.run.causes[cause.index()]);
            causes.filter_map(instant).collect::<Vec<_>>()
        };
        let (start, over) = (self.start(), self.over());
        let last = over.second() - 1;
        let first = known(|cause| cause.first).into_iter().filter(|at| at.second() == start.second()).min();
        let ended = known(|cause| cause.last).into_iter().chain(ended).filter(|at| at.second() == last).max();
        let [first, ended] = [first.unwrap_or(start), ended.unwrap_or(over)].map(|at| time(self.run, at));
        if first == ended { format!("at t = {first}") } else { format!("between t = {first} and t = {ended}") }
    }

    /// When the first request failed; as late as it can have been if that is not known to the millisecond.
    fn first_failure(&self) -> Instant {
        let (start, end) = (self.start(), self.start() + Duration::secs(1));
        let known = self.mechanism.causes().filter_map(|cause| self.run.causes[cause.index()].first);
        known.filter(|at| (start..end).contains(at)).min().unwrap_or(end)
    }

    /// The last such event before requests failed: only that can be a cause.
    pub(super) fn before_the_start(&self, wanted: impl Fn(&LogEntry) -> bool) -> Option<&'a LogEntry> {
        let first = self.first_failure();
        self.run.events.iter().rev().find(|entry| entry.at <= first && wanted(entry))
    }

    /// The last such event before the failures ended.
    pub(super) fn before_the_end(&self, wanted: impl Fn(&LogEntry) -> bool) -> Option<&'a LogEntry> {
        self.run.events.iter().rev().find(|entry| entry.at <= self.over() && wanted(entry))
    }

    /// The Service whose pods are gone while the ALB still sends requests to them, at the highest share that it sends: if
    /// most of the failures fall into such seconds.
    pub(super) fn deserted(&self) -> Option<Load> {
        let deserted = |second: &&FailingSecond, service| {
            let load = self.groups.load(second.row as usize, service);
            // A share that prints as 0 % explains nothing.
            (load.pods == 0 && decimal(load.share, 2) != "0").then_some((load, self.mechanism.count(second)))
        };
        Service::ALL.into_iter().find_map(|service| {
            let within: Vec<_> = self.failing.iter().filter_map(|second| deserted(second, service)).collect();
            let count: u64 = within.iter().map(|(_, count)| count).sum();
            let highest = within.iter().map(|(load, _)| *load).reduce(|a, b| if b.share > a.share { b } else { a });
            highest.filter(|_| 2 * count >= self.count())
        })
    }

    /// When the ALB's nodes came to send the share of the requests to the Service that ended the failures. None if they
    /// ended otherwise.
    pub(super) fn share_ended(&self, service: Service) -> Option<Instant> {
        let (first, after) = (self.failing[0].row as usize, self.over().second() as usize);
        let share = |row| self.groups.load(row, service).share;
        let left = share(after.min(self.run.seconds.len() - 1));
        let most = (first..after).map(share).fold(0.0, f64::max);
        let row = (first..after).rev().find(|row| (share(*row) - left).abs() > 0.01).map_or(first, |row| row + 1);
        // What fails longer than that had another end.
        (most - left > 0.01 && row + 2 >= after).then(|| self.rule_changed_in(row))
    }

    /// Whether the ALB sent the Service less while the failures went on.
    pub(super) fn share_falls(&self, service: Service) -> bool {
        let [first, last] = [self.start(), self.over()].map(|at| at.second() as usize);
        let share = |row| self.groups.load(row, service).share;
        self.share_ended(service).is_none() && share(first) - share(last - 1) > 0.01
    }

    /// When the last of the ALB's nodes takes the next rule after the failures by which the Service gets another share.
    pub(super) fn share_changes(&self, service: Service) -> Option<Instant> {
        let rows = self.over().second() as usize..self.run.seconds.len();
        let share = |row| self.groups.load(row, service).share;
        let row = rows.clone().find(|row| (share(*row) - share(rows.start)).abs() > 0.01)?;
        let changed = self.rule_changed_in(row);
        let later = |entry: &&LogEntry| entry.event == "RuleEffective" && entry.at >= changed;
        let mut rules = self.run.events.iter().filter(later);
        let first = rules.next();
        let last = rules.take_while(|rule| first.is_some_and(|first| rule.detail == first.detail)).last();
        Some(last.or(first).map_or(changed, |rule| rule.at))
    }

    /// The rows hold what is true at their end: to the millisecond only the log knows.
    fn rule_changed_in(&self, row: usize) -> Instant {
        let is_change = |entry: &&LogEntry| entry.event == "RuleEffective" && entry.at.second() == row as u64;
        let change = self.run.events.iter().rfind(is_change);
        change.map_or(Instant::START + Duration::secs(row as u64), |entry| entry.at)
    }

    /// The pods with the most requests each in a failing second.
    pub(super) fn busiest(&self) -> Option<Load> {
        let loads =
            |second: &&FailingSecond| Service::ALL.map(|service| self.groups.load(second.row as usize, service));
        let loads = self.failing.iter().flat_map(loads).filter(|load| load.pods > 0);
        loads.fold(None, |most: Option<Load>, load| match most {
            Some(most) if most.each >= load.each => Some(most),
            Some(_) | None => Some(load),
        })
    }
}
