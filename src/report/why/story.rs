//! What is known of the part of the release in which most requests failed.

use super::super::{decimal, grouped, time, weight_effective};
use super::place::{Place, places};
use crate::model::Service;
use crate::model::outcome::Cause;
use crate::run::{LogEntry, Run, Second, StepRecord};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};

/// The part of the release in which most requests failed by the dominant cause.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) run: &'a Run,
    pub(super) cause: Cause,
    /// `At setWeight 100 (t = 420 s)`.
    pub(super) place: String,
    /// The `setWeight` in force.
    pub(super) asked: Option<&'a StepRecord>,
    /// The seconds with an error of the cause's code, in this place and on from it: number of the row, row.
    failing: Vec<(usize, &'a Second)>,
    /// ELB answers of the cause's code in them.
    count: u64,
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
    /// Requests per second for each pod.
    pub(super) each: f64,
}

/// Failing seconds so far apart are still one stretch.
const GAP: usize = 5;

fn errors_of_code(second: &Second, code: u16) -> u64 {
    u64::from(match code {
        502 => second.elb_502,
        503 => second.elb_503,
        _ => second.elb_504,
    })
}

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
    pub(super) fn new(loaded: &'a Loaded, run: &'a Run, cause: Cause) -> Option<Self> {
        let code = cause.elb_status_code();
        let struck = &run.causes[cause.index()];
        let (first, last) = (struck.first?.second(), struck.last?.second());
        let rows = || run.seconds.iter().enumerate().filter(|(row, _)| (first..=last).contains(&(*row as u64)));
        let stable = Service::Stable.to_string();
        let switch = run.events.iter().find(|entry| entry.event == "SwitchService" && entry.object == stable);
        let switched = switch.map(|entry| entry.at);
        let exchanged = switched.and_then(|at| exchanged(run, at));
        let of_place = |place: Place<'a>| {
            let failing: Vec<_> = rows()
                .filter(|(row, second)| place.rows.contains(&(*row as u64)) && errors_of_code(second, code) > 0)
                .collect();
            let count = failing.iter().map(|(_, second)| errors_of_code(second, code)).sum();
            Self { loaded, run, cause, place: place.name, asked: place.asked, failing, count, switched, exchanged }
        };
        let stories = places(run).into_iter().map(of_place);
        let mut worst = stories.rev().max_by_key(|story| story.count).filter(|story| story.count > 0)?;
        // One mechanism does not stop where a step does: whatever follows without a gap belongs to it.
        for (row, second) in rows().filter(|(_, second)| errors_of_code(second, code) > 0) {
            let (last, _) = worst.failing[worst.failing.len() - 1];
            if (last + 1..=last + GAP).contains(&row) {
                worst.failing.push((row, second));
                worst.count += errors_of_code(second, code);
            }
        }
        Some(worst)
    }

    /// `1,750 requests got 502 because the pod had closed its port`, with the number of the whole run if that is more.
    pub(super) fn failed(&self, reason: &str) -> String {
        let code = self.cause.elb_status_code();
        let total: u64 = self.run.seconds.iter().map(|second| errors_of_code(second, code)).sum();
        let of = if self.count < total { format!(" ({} in the whole run)", grouped(total)) } else { String::new() };
        // Seconds count codes, not causes: another cause of the same code may be among them.
        let mostly = if self.run.causes[self.cause.index()].count < total { ", mostly" } else { "" };
        format!("{} got {code}{of}{mostly} because {reason}", super::super::counted(self.count, "request"))
    }

    /// The start of the first second with an error.
    pub(super) fn start(&self) -> Instant {
        Instant::START + Duration::secs(self.failing[0].0 as u64)
    }

    /// The end of the last second with an error.
    pub(super) fn over(&self) -> Instant {
        let (row, _) = self.failing[self.failing.len() - 1];
        Instant::START + Duration::secs(row as u64 + 1)
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

    /// The last such event before the errors ended.
    pub(super) fn before_the_end(&self, wanted: impl Fn(&LogEntry) -> bool) -> Option<&'a LogEntry> {
        self.run.events.iter().rev().find(|entry| entry.at <= self.over() && wanted(entry))
    }

    /// Pods behind a Service's target group that work, and the requests that the ALB sends there.
    fn load(&self, row: usize, service: Service) -> Load {
        let second = &self.run.seconds[row];
        let exchanged = self.exchanged.is_some_and(|at| at <= Instant::START + Duration::secs(row as u64));
        let weight = weight_effective(self.run, second);
        let (pods, share) = match service {
            Service::Stable if !exchanged => (second.stable_serving, 100.0 - weight),
            Service::Stable => (second.canary_serving, 100.0 - weight),
            Service::Canary => (second.canary_serving, weight),
        };
        let each = f64::from(second.requests) * share / 100.0 / f64::from(pods.max(1));
        Load { service, pods: pods.into(), share, each }
    }

    /// The Service whose pods are gone while the ALB still sends requests to them, as first seen: if most of the errors
    /// fall into such seconds.
    pub(super) fn deserted(&self) -> Option<Load> {
        let deserted = |row: usize, service| {
            let load = self.load(row, service);
            // A share that prints as 0 % explains nothing.
            (load.pods == 0 && decimal(load.share, 2) != "0").then_some(load)
        };
        Service::ALL.into_iter().find_map(|service| {
            let errors = |(row, second): &(usize, &Second)| {
                deserted(*row, service).map_or(0, |_| errors_of_code(second, self.cause.elb_status_code()))
            };
            let count: u64 = self.failing.iter().map(errors).sum();
            let first = self.failing.iter().find_map(|(row, _)| deserted(*row, service));
            first.filter(|_| 2 * count >= self.count)
        })
    }

    /// The pods with the most requests each in a failing second.
    pub(super) fn busiest(&self) -> Option<Load> {
        let loads = self.failing.iter().flat_map(|(row, _)| Service::ALL.map(|service| self.load(*row, service)));
        loads.filter(|load| load.pods > 0).fold(None, |most: Option<Load>, load| match most {
            Some(most) if most.each >= load.each => Some(most),
            Some(_) | None => Some(load),
        })
    }
}
