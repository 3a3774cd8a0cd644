//! What people do, and what they hear of.

use super::event::Event;
use super::{STABLE, Simulation};
use crate::model::metrics::Versions;
use crate::model::people::{Act, Trigger, Verb};
use crate::model::promotion::{self, Verdict};
use crate::model::rollout::Command;
use crate::model::{Revision, argo_cd, rollout};
use crate::run::{ChangeKind, Decider, Decision, FiredAlert};
use crate::units::Instant;

impl Simulation<'_> {
    /// At the start of the run: the times of the release are known.
    pub(super) fn plan_actions(&mut self) {
        let release = self.release;
        self.begin_actions(|trigger| match trigger {
            Trigger::At(time) => Some(release + time),
            Trigger::StepStarted(_) | Trigger::Shown(_) | Trigger::Alert(_) => None,
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
            Trigger::At(_) | Trigger::StepStarted(_) | Trigger::Alert(_) => None,
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
        match self.workload.status() {
            Some(status) => Versions { canary: status.current, stable: status.stable },
            // A Deployment knows of no stable version; monitoring can tell the one of its template from the first.
            None => Versions { canary: Some(self.workload.template()), stable: Some(STABLE) },
        }
    }

    pub(super) fn begin_actions(&mut self, begins: impl Fn(Trigger) -> Option<Instant>) {
        for (at, index) in self.people.begin(begins) {
            self.queue.schedule(at, Event::Action(index));
        }
    }

    pub(super) fn act(&mut self, now: Instant, index: u32) {
        let verb = self.decide(now, index);
        let command = match verb {
            Verb::Promote => Command::Promote,
            Verb::PromoteFull => Command::PromoteFull,
            Verb::Abort => Command::Abort,
            Verb::Retry => Command::Retry,
            Verb::Pause => Command::Pause,
            Verb::Restart => Command::Restart,
            Verb::SetReplicas(replicas) => {
                self.log(now, "people", verb.name(), self.workload.kind(), replicas);
                self.change_replicas(now, replicas);
                return self.tell_argo_cd(now, argo_cd::Input::ObjectChanged);
            }
            Verb::RevertCommit => {
                self.log(now, "people", verb.name(), "git", "");
                return self.revert_commit(now);
            }
            Verb::Sync | Verb::Refresh => {
                let input = if verb == Verb::Sync { argo_cd::Input::SyncAsked } else { argo_cd::Input::Refresh };
                self.log(now, "people", verb.name(), "argo-cd", "");
                return self.tell_argo_cd(now, input);
            }
            Verb::RunPipeline => {
                self.log(now, "people", verb.name(), "pipeline", "");
                return self.run_pipeline(now);
            }
            Verb::Accept | Verb::Reject => {
                let verdict = if verb == Verb::Accept { Verdict::Accept } else { Verdict::Reject };
                self.log(now, "people", verb.name(), "promotion", "");
                return self.tell_promotion(now, promotion::Input::Decided(verdict));
            }
            Verb::DisableFeature => {
                self.log(now, "people", verb.name(), "application", "");
                return self.disable_feature(now);
            }
            Verb::Undo => {
                self.tally.begin_section(now);
                self.recorder.undone(now);
                return self.apply(now, verb, self.workload.previous_revision());
            }
            Verb::Deploy => {
                if self.recorder.deployed() {
                    self.tally.begin_section(now);
                }
                self.newest = Revision(self.newest.0 + 1);
                return self.apply(now, verb, self.newest);
            }
        };
        self.log(now, "people", verb.name(), self.workload.kind(), "");
        match command {
            Command::Abort => self.decisions.wants_abort(),
            Command::Retry if self.workload.status().is_some_and(|status| status.abort) => {
                self.decisions.change(now, ChangeKind::Retry, Some(self.decisions.newest()));
            }
            Command::Retry | Command::Promote | Command::PromoteFull | Command::Pause | Command::Restart => {}
        }
        self.tell_rollout(now, rollout::Input::Command(command));
    }

    /// Writes down who does what, and why.
    fn decide(&mut self, now: Instant, action: u32) -> Verb {
        let Act { verb, trigger, triggered, noticed } = self.people.act(action);
        let alert = match trigger {
            Trigger::Alert(alert) => self.decisions.firing(alert, triggered).map(|fired| {
                let name = self.scenario.alerts[alert as usize].name.clone();
                FiredAlert { name, fired }
            }),
            Trigger::At(_) | Trigger::StepStarted(_) | Trigger::Shown(_) => None,
        };
        let by = Decider::Person { verb, action };
        self.decisions.decided(Decision { by, triggered, noticed, alert, decided: now, refused: None });
        verb
    }

    /// A person brings a pod template.
    fn apply(&mut self, now: Instant, verb: Verb, revision: Revision) {
        self.log(now, "people", verb.name(), self.workload.kind(), revision);
        self.decisions.applies(revision);
        self.change_template(now, revision);
        self.tell_argo_cd(now, argo_cd::Input::ObjectChanged);
    }
}
