//! How long each header route stood in the object of its router, of the time in which it was meant to.

use crate::model::rollout::step::Step;
use crate::run::{LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};

/// From its step to the step that takes it away, or to the end of the release: of each time that it was set.
#[derive(Clone, Debug)]
pub struct HeaderRouteLife {
    pub name: String,
    pub present: Duration,
    pub absent: Duration,
    /// From when to when it was there.
    pub spells: Vec<(Instant, Instant)>,
    /// Who took it away while it was meant to be there.
    pub removed_by: Option<&'static str>,
    /// With its object.
    pub is_pruned: bool,
}

impl HeaderRouteLife {
    pub fn is_never_written(&self) -> bool {
        self.spells.is_empty()
    }

    /// It was not there all the time.
    pub fn is_cut_short(&self) -> bool {
        self.is_never_written() || self.removed_by.is_some()
    }
}

pub fn lives(loaded: &Loaded, run: &Run) -> Vec<HeaderRouteLife> {
    let mut names: Vec<&str> = vec![];
    let steps = loaded.scenario.workload.steps();
    for step in steps {
        if let Step::SetHeaderRoute(route) = step
            && !names.contains(&route.name.as_str())
        {
            names.push(&route.name);
        }
    }
    names.into_iter().filter_map(|name| life((steps, run), name)).collect()
}

/// None if its step was never reached.
fn life((steps, run): (&[Step], &Run), name: &str) -> Option<HeaderRouteLife> {
    let meant = meant((steps, run), name);
    let (mut spells, mut taken) = (vec![], None);
    for (since, removal) in there(run, name) {
        for (began, over) in &meant {
            let (from, to) = (since.max(*began), removal.map_or(*over, |removal| removal.at.min(*over)));
            if from < to {
                spells.push((from, to));
                taken = removal.filter(|removal| removal.at < *over).or(taken);
            }
        }
    }
    let sum = |times: &[(Instant, Instant)]| {
        times.iter().fold(Duration::ZERO, |sum, (from, to)| sum + to.saturating_since(*from))
    };
    let present = sum(&spells);
    let absent = sum(&meant).saturating_sub(present);
    let removed_by = taken.map(|removal| removal.component);
    let is_pruned =
        taken.is_some_and(|removal| run.events.iter().any(|entry| entry.event == "Pruned" && entry.at == removal.at));
    (!meant.is_empty()).then(|| HeaderRouteLife {
        name: name.to_owned(),
        present,
        absent,
        spells,
        removed_by,
        is_pruned,
    })
}

/// The times in which the steps want it there.
fn meant((steps, run): (&[Step], &Run), name: &str) -> Vec<(Instant, Instant)> {
    let route_of = |object: &str| match steps.get(object.strip_prefix("step ")?.parse::<usize>().ok()?)? {
        Step::SetHeaderRoute(route) => Some(route).filter(|route| route.name == name),
        Step::SetWeight(_)
        | Step::SetCanaryScale(_)
        | Step::SetCanaryScaleAndWeight(..)
        | Step::Pause(_)
        | Step::SetMirrorRoute(_)
        | Step::Analysis(_) => None,
    };
    let (mut since, mut times) = (None, vec![]);
    for entry in &run.events {
        let is_over = match entry.event {
            // A step without `match` takes the route away.
            "StepCompleted" if entry.detail.starts_with("setHeaderRoute") => match route_of(&entry.object) {
                Some(route) if !route.matches.is_empty() => {
                    since = since.or(Some(entry.at));
                    false
                }
                Some(_) => true,
                None => false,
            },
            "Promoted" | "Aborted" | "TakenBack" | "ChangeTemplate" => true,
            event => entry.component == "people" && ["deploy", "undo"].contains(&event),
        };
        if let Some(began) = since.take_if(|_| is_over) {
            times.push((began, entry.at));
        }
    }
    times.extend(since.map(|began| (began, run.end)));
    times
}

/// When it was written, and what took it away after that.
fn there<'a>(run: &'a Run, name: &str) -> Vec<(Instant, Option<&'a LogEntry>)> {
    let (mut since, mut times) = (None, vec![]);
    for entry in &run.events {
        match entry.event {
            "SetHeaderRoute" if entry.detail == name => since = since.or(Some(entry.at)),
            "RemoveRoutes" if entry.detail.split(", ").any(|route| route == name) => {
                times.extend(since.take().map(|began| (began, Some(entry))));
            }
            _ => {}
        }
    }
    times.extend(since.map(|began| (began, None)));
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rollout::spec::{Canary, RolloutSpec, Strategy};
    use crate::model::rollout::step::HeaderRoute;
    use crate::report::classes::sample;
    use crate::report::sample::log;
    use crate::scenario::workload::Workload;

    type Entry = (u64, &'static str, &'static str, &'static str, &'static str);

    const SET: Entry = (100_000, "rollouts-controller", "SetHeaderRoute", "ingress", "by-header");
    const PASSED: Entry = (100_000, "rollouts-controller", "StepCompleted", "step 0", "setHeaderRoute by-header");

    /// Of a release with this log, to its end at 540 s: present and absent in seconds, and who took the route away. Its
    /// second step takes the route away.
    fn told(entries: &[Entry]) -> Option<(u64, u64, Option<&'static str>)> {
        let (mut loaded, mut run) = sample::exposed();
        let rollout = loaded.scenario.workload.rollout().expect("the sample is a Rollout").clone();
        let mut canary: Canary = rollout.canary().clone();
        canary.steps.push(Step::SetHeaderRoute(HeaderRoute { name: "by-header".into(), matches: vec![] }));
        let strategy = Strategy::Canary(canary);
        loaded.scenario.workload = Workload::Rollout(RolloutSpec { strategy, ..rollout });
        run.events = log(entries);
        let life = lives(&loaded, &run).pop()?;
        Some((life.present.whole_secs(), life.absent.whole_secs(), life.removed_by))
    }

    #[test]
    fn a_route_lives_from_its_step_to_the_end_of_the_release() {
        assert_eq!(told(&[]), None, "its step was never reached");
        assert_eq!(told(&[SET, PASSED]), Some((440, 0, None)));
        let promoted = (200_000, "rollouts-controller", "Promoted", "v2", "");
        let removed = (200_000, "rollouts-controller", "RemoveRoutes", "ingress", "by-header");
        assert_eq!(told(&[SET, PASSED, removed, promoted]), Some((100, 0, None)));
    }

    #[test]
    fn who_takes_it_away_before_is_told() {
        let by_argo_cd = (130_000, "argo-cd", "RemoveRoutes", "ingress", "other, by-header");
        assert_eq!(told(&[SET, PASSED, by_argo_cd]), Some((30, 410, Some("argo-cd"))));
    }

    #[test]
    fn a_step_that_removes_it_ends_its_time() {
        let removed = (150_000, "rollouts-controller", "RemoveRoutes", "ingress", "by-header");
        let passed = (150_000, "rollouts-controller", "StepCompleted", "step 1", "setHeaderRoute by-header");
        assert_eq!(told(&[SET, PASSED, removed, passed]), Some((50, 0, None)));
    }

    #[test]
    fn the_spells_of_all_attempts_are_added_up() {
        let aborted = (120_000, "rollouts-controller", "Aborted", "rollout", "");
        let removed = (120_000, "rollouts-controller", "RemoveRoutes", "ingress", "by-header");
        let again = [(200_000, SET), (200_000, PASSED)].map(|(at, entry)| (at, entry.1, entry.2, entry.3, entry.4));
        assert_eq!(told(&[SET, PASSED, aborted, removed, again[0], again[1]]), Some((20 + 340, 0, None)));
    }

    #[test]
    fn a_route_that_was_never_written_was_never_there() {
        assert_eq!(told(&[PASSED]), Some((0, 440, None)));
        let (loaded, mut run) = sample::exposed();
        run.events.retain(|entry| entry.event != "SetHeaderRoute");
        let life = lives(&loaded, &run).remove(0);
        assert!(life.is_never_written() && life.is_cut_short());
    }
}
