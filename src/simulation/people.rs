//! What people do, and what they hear of.

use super::Simulation;
use super::event::Event;
use crate::model::metrics::Versions;
use crate::model::people::{Trigger, Verb};
use crate::model::rollout::Command;
use crate::model::{Revision, rollout};
use crate::units::Instant;

impl Simulation<'_> {
    /// At the start of the run: the times of the release are known.
    pub(super) fn plan_actions(&mut self) {
        let release = self.release;
        self.begin_actions(|trigger| match trigger {
            Trigger::At(time) => Some(release + time),
            Trigger::StepStarted(_) | Trigger::Shown(_) => None,
        });
        if self.people.watch() {
            self.queue.schedule(release + self.scenario.monitoring.evaluation_interval, Event::LookAtMetrics);
        }
    }

    pub(super) fn begin_actions_of_step(&mut self, now: Instant, step: usize) {
        self.begin_actions(|trigger| (trigger == Trigger::StepStarted(step)).then_some(now));
    }

    pub(super) fn look_at_metrics(&mut self, now: Instant) {
        let (metrics, versions) = (self.tally.metrics(), self.versions());
        let is_shown = |trigger| match trigger {
            Trigger::Shown(condition) => metrics.holds(&condition, now, versions).then_some(now),
            Trigger::At(_) | Trigger::StepStarted(_) => None,
        };
        for (at, index) in self.people.begin(is_shown) {
            self.queue.schedule(at, Event::Action(index));
        }
        if self.people.watch() {
            self.queue.schedule(now + self.scenario.monitoring.evaluation_interval, Event::LookAtMetrics);
        }
    }

    /// What "canary" and "stable" mean to monitoring now. Once promoted, the canary is the stable version.
    pub(super) fn versions(&self) -> Versions {
        let status = self.rollout.status();
        Versions { canary: status.current, stable: status.stable }
    }

    fn begin_actions(&mut self, begins: impl Fn(Trigger) -> Option<Instant>) {
        for (at, index) in self.people.begin(begins) {
            self.queue.schedule(at, Event::Action(index));
        }
    }

    pub(super) fn act(&mut self, now: Instant, index: u32) {
        let verb = self.people.act(index);
        let (input, detail) = match verb {
            Verb::Promote => (rollout::Input::Command(Command::Promote), String::new()),
            Verb::PromoteFull => (rollout::Input::Command(Command::PromoteFull), String::new()),
            Verb::Abort => (rollout::Input::Command(Command::Abort), String::new()),
            Verb::Retry => (rollout::Input::Command(Command::Retry), String::new()),
            Verb::Pause => (rollout::Input::Command(Command::Pause), String::new()),
            Verb::SetReplicas(replicas) => (rollout::Input::ReplicasChanged(replicas), replicas.to_string()),
            Verb::Undo => {
                let revision = self.rollout.previous_revision();
                (rollout::Input::TemplateChanged(revision), revision.to_string())
            }
            Verb::Deploy => {
                self.newest = Revision(self.newest.0 + 1);
                (rollout::Input::TemplateChanged(self.newest), self.newest.to_string())
            }
        };
        self.log(now, "people", verb.name(), "rollout", detail);
        self.tell_rollout(now, input);
    }
}
