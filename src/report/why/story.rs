//! What is known of the part of the release in which most requests failed, and of what made them fail.

use super::super::{counted, decimal, grouped, time, weight_effective};
use super::place::{Place, places};
use crate::model::Service;
use crate::model::outcome::Cause;
use crate::run::{FailingSecond, LogEntry, Run};
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
}

impl Mechanism {
    const ALL: [Self; 6] =
        [Self::PodGone, Self::GroupEmpty, Self::CutOff, Self::KeepAliveRace, Self::DeregistrationDelay, Self::Slow];

    fn of(cause: Cause) -> Self {
        match cause {
            Cause::ConnectionRefused | Cause::HostUnreachable | Cause::ConnectTimeout => Self::PodGone,
            Cause::NoRegisteredTargets => Self::GroupEmpty,
            Cause::ResetInFlight => Self::CutOff,
            Cause::KeepAliveRace => Self::KeepAliveRace,
            Cause::DeregistrationDelayExpired => Self::DeregistrationDelay,
            Cause::BacklogFull | Cause::IdleTimeout => Self::Slow,
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
    pub(super) place: Place<'a>,
    /// The seconds with a failure of this mechanism, in this place and on from it.
    failing: Vec<&'a FailingSecond>,
    /// When the stable Service began to select the new revision.
    pub(super) switched: Option<Instant>,
    /// When the last ALB node had a target of the new revision in the stable target group.
    exchanged: Option<Instant>,
}

/// The pods that get a share of the requests, in one second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) service: Service,
    pub(super) pods: u32,
    /// Percent of all requests.
    pub(super) share: f64,
    /// Requests per second for each pod, on average.
    pub(super) each: f64,
}

/// Failing seconds so far apart are still one stretch.
const GAP: u32 = 5;

/// When every node had a healthy target in the stable target group again, after the switch of its Service.
fn exchanged(run: &Run, switched: Instant) -> Option<Instant> {
    let first = |node| {
        let object = format!("node {node} {}", Service::Stable);
        let healthy =
            |entry: &&LogEntry| entry.at > switched && entry.event == "TargetHealthy" && entry.object == object;
        run.events.iter().find(healthy).map(|entry| entry.at)
    };
    (0..run.nodes).map(first).collect::<Option<Vec<_>>>()?.into_iter().max()
}

impl<'a> Story<'a> {
    /// None if no request failed.
    pub(super) fn worst(loaded: &'a Loaded, run: &'a Run) -> Option<Self> {
        let stable = Service::Stable.to_string();
        let switch = run.events.iter().find(|entry| entry.event == "SwitchService" && entry.object == stable);
        let switched = switch.map(|entry| entry.at);
        let exchanged = switched.and_then(|at| exchanged(run, at));
        let of = |place: Place<'a>, mechanism: Mechanism| {
            let here =
                |second: &&FailingSecond| place.rows.contains(&u64::from(second.row)) && mechanism.count(second) > 0;
            let failing = run.failures.iter().filter(here).collect();
            Self { loaded, run, mechanism, place, failing, switched, exchanged }
        };
        let of_mechanism = |mechanism| places(run).into_iter().map(move |place| of(place, mechanism));
        let stories = Mechanism::ALL.into_iter().flat_map(of_mechanism).filter(|story| !story.failing.is_empty());
        // `max_by_key` takes the last of equals.
        let worst = stories.collect::<Vec<_>>().into_iter().rev().max_by_key(Self::count)?;
        // What fails as often before the release as in it is not the release's doing.
        let before = of(places(run).swap_remove(0), worst.mechanism);
        if 2.0 * before.per_second() >= worst.per_second() {
            return Some(before);
        }
        Some(worst.extended())
    }

    /// One mechanism does not stop where a step does: whatever follows without a gap belongs to it.
    fn extended(mut self) -> Self {
        for second in self.run.failures.iter().filter(|second| self.mechanism.count(second) > 0) {
            let last = self.failing[self.failing.len() - 1].row;
            if (last + 1..=last + GAP).contains(&second.row) {
                self.failing.push(second);
            }
        }
        self
    }

    fn count(&self) -> u64 {
        self.failing.iter().map(|second| self.mechanism.count(second)).sum()
    }

    /// Failures per failing second; 0 without one.
    fn per_second(&self) -> f64 {
        self.count() as f64 / self.failing.len().max(1) as f64
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

    fn counted(&self) -> String {
        let (here, all) = (self.count(), self.run.requests.elb_5xx());
        let of = if here < all { format!(" (of {} in the whole run)", grouped(all)) } else { String::new() };
        format!("{}{of}", counted(here, "request"))
    }

    /// The start of the first second with a failure.
    pub(super) fn start(&self) -> Instant {
        Instant::START + Duration::secs(self.failing[0].row.into())
    }

    /// The end of the last second with a failure.
    pub(super) fn over(&self) -> Instant {
        Instant::START + Duration::secs(u64::from(self.failing[self.failing.len() - 1].row) + 1)
    }

    /// `between t = 420 s and t = 490 s`.
    pub(super) fn when(&self) -> String {
        format!("between t = {} and t = {}", time(self.run, self.start()), time(self.run, self.over()))
    }

    /// The last such event before requests failed, or in the first second in which they did: only that can be a cause.
    pub(super) fn before_the_start(&self, wanted: impl Fn(&LogEntry) -> bool) -> Option<&'a LogEntry> {
        let first = self.start() + Duration::secs(1);
        self.run.events.iter().rev().find(|entry| entry.at < first && wanted(entry))
    }

    /// The last such event before the failures ended.
    pub(super) fn before_the_end(&self, wanted: impl Fn(&LogEntry) -> bool) -> Option<&'a LogEntry> {
        self.run.events.iter().rev().find(|entry| entry.at <= self.over() && wanted(entry))
    }

    /// Pods behind a Service's target group that work, and the requests that the ALB sends there.
    pub(super) fn load(&self, row: usize, service: Service) -> Load {
        let second = &self.run.seconds[row];
        let exchanged = self.exchanged.is_some_and(|at| at <= Instant::START + Duration::secs(row as u64));
        let weight = weight_effective(self.run, second);
        let (pods, share) = match service {
            Service::Stable if !exchanged => (second.stable_serving, 100.0 - weight),
            Service::Stable => (second.canary_serving, 100.0 - weight),
            Service::Canary => (second.canary_serving, weight),
        };
        let each = self.loaded.scenario.traffic.rate.per_second() * share / 100.0 / f64::from(pods.max(1));
        Load { service, pods: pods.into(), share, each }
    }

    /// The Service whose pods are gone while the ALB still sends requests to them, as first seen: if most of the failures
    /// fall into such seconds.
    pub(super) fn deserted(&self) -> Option<Load> {
        let deserted = |row: u32, service| {
            let load = self.load(row as usize, service);
            // A share that prints as 0 % explains nothing.
            (load.pods == 0 && decimal(load.share, 2) != "0").then_some(load)
        };
        Service::ALL.into_iter().find_map(|service| {
            let first = self.failing.iter().find_map(|second| deserted(second.row, service));
            let within = self.failing.iter().filter(|second| deserted(second.row, service).is_some());
            let count: u64 = within.map(|second| self.mechanism.count(second)).sum();
            first.filter(|_| 2 * count >= self.count())
        })
    }

    /// When the ALB's nodes begin to send another share of the requests to the Service, after the failures began.
    pub(super) fn share_changes(&self, service: Service) -> Option<Instant> {
        let first = self.failing[0].row as usize;
        let share = self.load(first, service).share;
        let rows = first..self.run.seconds.len();
        let row = rows.into_iter().find(|row| (self.load(*row, service).share - share).abs() > 0.01)?;
        Some(Instant::START + Duration::secs(row as u64))
    }

    /// The pods with the most requests each in a failing second.
    pub(super) fn busiest(&self) -> Option<Load> {
        let loads = |second: &&FailingSecond| Service::ALL.map(|service| self.load(second.row as usize, service));
        let loads = self.failing.iter().flat_map(loads).filter(|load| load.pods > 0);
        loads.fold(None, |most: Option<Load>, load| match most {
            Some(most) if most.each >= load.each => Some(most),
            Some(_) | None => Some(load),
        })
    }
}
