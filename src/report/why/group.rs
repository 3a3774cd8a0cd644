//! Whose pods stand in the target groups and how many of them work, read off the event log.

use super::super::{second_of_row, weight_effective};
use crate::model::traffic::TrafficSpec;
use crate::model::{Revision, Service};
use crate::run::{LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The revision that was stable before the release, and the one that the release brings: `Second` counts their pods.
const STABLE: Revision = Revision(1);
const CANARY: Revision = Revision(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The Service selects all pods of the workload.
    All,
    Of(Revision),
    /// The Service has selected no pods so far.
    Nobodys,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(revision) => write!(f, " of {revision}"),
            Self::All | Self::Nobodys => Ok(()),
        }
    }
}

/// The pods that get a share of the requests, in one second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) row: usize,
    pub(super) service: Service,
    pub(super) whose: Whose,
    pub(super) pods: u32,
    /// Percent of all requests.
    pub(super) share: f64,
    /// Requests per second for each pod, on average.
    pub(super) each: f64,
}

#[derive(Debug)]
pub(super) struct Groups<'a> {
    run: &'a Run,
    traffic: &'a TrafficSpec,
    /// By Service, in order of time: since when every ALB node has had a target of these pods.
    members: [Vec<(Instant, Whose)>; 2],
    /// Working pods of the revisions after the release's, with the instant since which they were so many.
    later: Vec<(Instant, Revision, u32)>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(loaded: &'a Loaded, run: &'a Run) -> Self {
        let workload = &loaded.scenario.workload;
        let has_services =
            workload.is_traffic_routed() || workload.rollout().is_some_and(|rollout| rollout.blue_green().is_some());
        let revisions = revisions_of_pods(run);
        let members = Service::ALL.map(|service| match has_services {
            true => members(run, (service, workload.service_name(service)), &revisions),
            false => vec![(Instant::START, Whose::All)],
        });
        Self { run, traffic: &loaded.scenario.traffic, members, later: later(run) }
    }

    /// Whose pods the last ALB node had in the target group.
    pub(super) fn whose(&self, service: Service, at: Instant) -> Whose {
        let members = &self.members[service.index()];
        members.iter().rfind(|(since, _)| *since <= at).map_or(Whose::Nobodys, |(_, whose)| *whose)
    }

    /// Pods behind a Service's target group that work, and the requests that the ALB sends there.
    pub(super) fn load(&self, row: usize, service: Service) -> Load {
        let second = &self.run.seconds[row];
        let weight = weight_effective(self.run, second);
        let share = if service == Service::Canary { weight } else { 100.0 - weight };
        let whose = self.whose(service, Instant::START + Duration::secs(row as u64));
        let pods = match whose {
            Whose::All => u32::from(second.stable_serving) + u32::from(second.canary_serving),
            Whose::Of(revision) => self.working(revision, row),
            Whose::Nobodys => 0,
        };
        let requests_per_second = self.traffic.rate_in(second_of_row(self.run, row));
        let each = requests_per_second * share / 100.0 / f64::from(pods.max(1));
        Load { row, service, whose, pods, share, each }
    }

    /// Pods of the revision that are ready and not deleted, at the end of the second.
    fn working(&self, revision: Revision, row: usize) -> u32 {
        let second = &self.run.seconds[row];
        let end = Instant::START + Duration::secs(row as u64 + 1);
        let later: BTreeMap<Revision, u32> =
            self.later.iter().filter(|(at, ..)| *at < end).map(|(_, revision, count)| (*revision, *count)).collect();
        match revision {
            STABLE => second.stable_serving.into(),
            CANARY => u32::from(second.canary_serving).saturating_sub(later.values().sum()),
            other => later.get(&other).copied().unwrap_or(0),
        }
    }
}

/// `v2`; None for what was there before v1.
pub(super) fn revision(text: &str) -> Option<Revision> {
    text.strip_prefix('v')?.parse().ok().map(Revision)
}

/// Of the pods that a run has created; all others were there before.
fn revisions_of_pods(run: &Run) -> BTreeMap<&str, Revision> {
    let created = run.events.iter().filter(|entry| entry.event == "Created");
    created.filter_map(|entry| Some((entry.object.as_str(), revision(&entry.detail)?))).collect()
}

fn members(run: &Run, (service, name): (Service, &str), revisions: &BTreeMap<&str, Revision>) -> Vec<(Instant, Whose)> {
    let whose = |text: &str| revision(text).map_or(Whose::Nobodys, Whose::Of);
    let healthy: Vec<_> = run
        .events
        .iter()
        .filter(|entry| entry.event == "TargetHealthy" && entry.object.ends_with(name))
        .map(|entry| (entry, revisions.get(entry.detail.as_str()).copied().unwrap_or(STABLE)))
        .collect();
    let switches = run.events.iter().filter(|entry| entry.event == "SwitchService" && entry.object == name);
    let switches: Vec<_> = switches.filter_map(|entry| Some((entry.at, entry.detail.split_once(" -> ")?))).collect();
    let first = switches.first().map_or_else(
        || Whose::Of(if service == Service::Canary { CANARY } else { STABLE }),
        |(_, (from, _))| whose(from),
    );
    let mut members = vec![(Instant::START, first)];
    for (at, (_, to)) in switches {
        let later = &healthy[healthy.partition_point(|(entry, _)| entry.at <= at)..];
        let of_node = |node: u32| {
            let object = format!("node {node} {name}");
            let is_first = |(entry, of): &&(&LogEntry, Revision)| entry.object == object && Whose::Of(*of) == whose(to);
            later.iter().find(is_first).map(|(entry, _)| entry.at)
        };
        let nodes: Option<Vec<_>> = (0..run.nodes).map(of_node).collect();
        members.extend(nodes.and_then(|nodes| nodes.into_iter().max()).map(|exchanged| (exchanged, whose(to))));
    }
    members.sort_by_key(|(at, _)| *at);
    members
}

fn later(run: &Run) -> Vec<(Instant, Revision, u32)> {
    let (mut working, mut deleted) = (BTreeMap::<Revision, BTreeSet<&str>>::new(), BTreeSet::new());
    let mut later = vec![];
    for entry in run.events.iter().filter(|entry| entry.component == "pod") {
        let Some(revision) = revision(&entry.detail).filter(|revision| *revision > CANARY) else { continue };
        let (pods, pod) = (working.entry(revision).or_default(), entry.object.as_str());
        match entry.event {
            "Ready" if !deleted.contains(pod) => _ = pods.insert(pod),
            "Unready" => _ = pods.remove(pod),
            "Deleted" => {
                pods.remove(pod);
                deleted.insert(pod);
            }
            _ => continue,
        }
        later.push((entry.at, revision, u32::try_from(pods.len()).expect("pods are counted in u32")));
    }
    later
}
