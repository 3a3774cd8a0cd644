//! How long each header route stood in the object of its router, of the time in which it was meant to.

use crate::model::rollout::step::Step;
use crate::run::{LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};

/// From its step to the end of the release.
#[derive(Clone, Debug)]
pub struct HeaderRouteLife {
    pub name: String,
    pub present: Duration,
    pub absent: Duration,
    /// From when to when it was there.
    pub spells: Vec<(Instant, Instant)>,
    /// Who took it away, before the release was over.
    pub removed_by: Option<&'static str>,
}

pub fn lives(loaded: &Loaded, run: &Run) -> Vec<HeaderRouteLife> {
    let mut names: Vec<&str> = vec![];
    for step in loaded.scenario.workload.steps() {
        if let Step::SetHeaderRoute(route) = step
            && !names.contains(&route.name.as_str())
        {
            names.push(&route.name);
        }
    }
    names.into_iter().filter_map(|name| life(run, name)).collect()
}

fn life(run: &Run, name: &str) -> Option<HeaderRouteLife> {
    let step = format!("setHeaderRoute {name}");
    let began = run.events.iter().find(|entry| entry.event == "StepCompleted" && entry.detail == step)?.at;
    let is_end = |entry: &&LogEntry| entry.at > began && ["Promoted", "Aborted", "TakenBack"].contains(&entry.event);
    let over = run.events.iter().find(is_end).map_or(run.end, |entry| entry.at);
    let (mut since, mut spells, mut removed_by): (Option<Instant>, Vec<_>, _) = (None, vec![], None);
    for entry in run.events.iter().filter(|entry| entry.at <= over) {
        match entry.event {
            "SetHeaderRoute" if entry.detail == name => since = since.or(Some(entry.at.max(began))),
            "RemoveRoutes" if entry.detail.split(", ").any(|route| route == name) => {
                if let Some(since) = since.take() {
                    spells.push((since, entry.at));
                    removed_by = Some(entry.component).filter(|_| entry.at < over).or(removed_by);
                }
            }
            _ => {}
        }
    }
    if let Some(since) = since {
        spells.push((since, over));
    }
    let present = spells.iter().fold(Duration::ZERO, |sum, (from, to)| sum + to.saturating_since(*from));
    let absent = over.saturating_since(began).saturating_sub(present);
    Some(HeaderRouteLife { name: name.to_owned(), present, absent, spells, removed_by })
}
