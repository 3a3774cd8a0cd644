//! What people do: the actions of the scenario.

use super::Simulation;
use super::event::Event;
use crate::model::{Revision, rollout};
use crate::scenario::actions::{Action, Trigger, Verb};
use crate::units::Instant;

/// The actions, and which of them are still to come.
#[derive(Debug)]
pub struct People<'a> {
    actions: &'a [Action],
    /// Whether what it waits for has happened.
    begun: Vec<bool>,
    /// Begun, and not done yet.
    waiting: usize,
}

impl<'a> People<'a> {
    pub fn new(actions: &'a [Action]) -> Self {
        Self { actions, begun: vec![false; actions.len()], waiting: 0 }
    }

    /// Whether somebody is about to do something: a release is not over before that.
    pub fn are_about_to_act(&self) -> bool {
        self.waiting > 0
    }

    /// Those that this begins, each once, with the instants at which they are done.
    fn begin(&mut self, begins: impl Fn(Trigger) -> Option<Instant>) -> Vec<(Instant, u32)> {
        let mut begun = vec![];
        for (index, action) in self.actions.iter().enumerate() {
            if let Some(at) = begins(action.trigger).filter(|_| !self.begun[index]) {
                self.begun[index] = true;
                self.waiting += 1;
                begun.push((at + action.after, u32::try_from(index).expect("actions are few")));
            }
        }
        begun
    }
}

impl Simulation<'_> {
    /// At the start of the run: the times of the release are known.
    pub(super) fn plan_actions(&mut self) {
        let release = self.release;
        self.begin_actions(|trigger| match trigger {
            Trigger::At(time) => Some(release + time),
            Trigger::StepStarted(_) => None,
        });
    }

    pub(super) fn begin_actions_of_step(&mut self, now: Instant, step: usize) {
        self.begin_actions(|trigger| (trigger == Trigger::StepStarted(step)).then_some(now));
    }

    fn begin_actions(&mut self, begins: impl Fn(Trigger) -> Option<Instant>) {
        for (at, index) in self.people.begin(begins) {
            self.queue.schedule(at, Event::Action(index));
        }
    }

    pub(super) fn act(&mut self, now: Instant, index: u32) {
        self.people.waiting -= 1;
        let verb = self.people.actions[index as usize].verb;
        let (input, detail) = match verb {
            Verb::Command(command) => (rollout::Input::Command(command), String::new()),
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
