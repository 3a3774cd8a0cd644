//! The controller of what is released: a Rollout's, or a Deployment's.

use super::event::Event;
use super::{STABLE, Simulation, index};
use crate::model::deployment::{self, Deployment};
use crate::model::replica_set::{self, ReplicaSet};
use crate::model::rollout::status::{Phase, Status};
use crate::model::rollout::step::Step;
use crate::model::rollout::{self, Rollout};
use crate::model::{Revision, Service, Update};
use crate::run::RolloutOutcome;
use crate::scenario::{self, Scenario};
use crate::units::Instant;

pub enum Workload {
    Rollout(Box<Rollout>),
    Deployment(Deployment),
}

impl Workload {
    /// At rest, with revision 1.
    pub fn established(scenario: &Scenario) -> Self {
        match &scenario.workload {
            scenario::workload::Workload::Rollout(spec) => {
                let rollout = Rollout::established(spec.clone()).under(scenario.rollouts_controller.profile);
                let has_services = spec.is_traffic_routed() || spec.blue_green().is_some();
                Self::Rollout(Box::new(if has_services { rollout } else { rollout.without_services() }))
            }
            scenario::workload::Workload::Deployment(spec) => Self::Deployment(Deployment::established(spec.clone())),
        }
    }

    pub fn rollout(&self) -> Option<&Rollout> {
        match self {
            Self::Rollout(rollout) => Some(rollout),
            Self::Deployment(_) => None,
        }
    }

    /// As people call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rollout(_) => "rollout",
            Self::Deployment(_) => "deployment",
        }
    }

    /// The revision of the pod template in the spec.
    pub fn template(&self) -> Revision {
        match self {
            Self::Rollout(rollout) => rollout.template(),
            Self::Deployment(deployment) => deployment.template(),
        }
    }

    pub fn status(&self) -> Option<&Status> {
        self.rollout().map(Rollout::status)
    }

    pub fn steps(&self) -> &[Step] {
        self.rollout().map_or(&[], Rollout::steps)
    }

    /// What a Service selects when the run begins. Where nobody manages Services, the stable one selects every pod of the
    /// workload, and nobody uses the other.
    pub fn selector(&self, service: Service) -> Option<Revision> {
        match (self.rollout().and_then(Rollout::services), service) {
            (Some(services), _) => services[service.index()].revision,
            (None, Service::Stable) => None,
            (None, Service::Canary) => Some(Revision(0)),
        }
    }

    pub fn is_at_rest(&self) -> bool {
        match self {
            Self::Rollout(rollout) => rollout.is_at_rest(),
            Self::Deployment(deployment) => deployment.is_at_rest(),
        }
    }

    pub fn replicas_of(&self, revision: Revision) -> u32 {
        match self {
            Self::Rollout(rollout) => rollout.replicas_of(revision),
            Self::Deployment(deployment) => deployment.replicas_of(revision),
        }
    }

    /// The revision whose pod template was in force before this one: where `undo` goes.
    pub fn previous_revision(&self) -> Revision {
        match self {
            Self::Rollout(rollout) => rollout.previous_revision(),
            Self::Deployment(deployment) => deployment.previous_revision(),
        }
    }

    /// The scale subresource: `spec.replicas`, and the pods that an autoscaler is told of. blueGreen tells of the active
    /// ReplicaSet only. Source: `rollout/canary.go`, `rollout/bluegreen.go`, `status.HPAReplicas`.
    pub fn scale(&self) -> (u32, u32) {
        match self {
            Self::Rollout(rollout) => {
                let active = rollout.status().active;
                let is_told = |set: &&rollout::status::ReplicaSet| active.is_none_or(|active| set.revision == active);
                let told = rollout.replica_sets().iter().filter(is_told).map(|set| set.created).sum();
                (rollout.replicas(), told)
            }
            Self::Deployment(deployment) => {
                let told = deployment.replica_sets().iter().map(|set| set.observed.created).sum();
                (deployment.replicas(), told)
            }
        }
    }

    /// The revision that was stable when the update began, until it is promoted.
    fn stable(&self) -> Revision {
        match self {
            Self::Rollout(rollout) => rollout.status().stable.unwrap_or(STABLE),
            Self::Deployment(deployment) => deployment.completed(),
        }
    }

    /// Pods wanted of the revision that is stable now, and of all others.
    fn wanted(&self) -> (u32, u32) {
        let sets: Vec<(Revision, u32)> = match self {
            Self::Rollout(rollout) => rollout.replica_sets().iter().map(|set| (set.revision, set.replicas)).collect(),
            Self::Deployment(deployment) => {
                deployment.replica_sets().iter().map(|set| (set.revision, set.replicas)).collect()
            }
        };
        let stable = self.stable();
        let sum =
            |is_stable| sets.iter().filter(|(revision, _)| (*revision == stable) == is_stable).map(|set| set.1).sum();
        (sum(true), sum(false))
    }

    fn update(&self) -> Update {
        match self {
            Self::Rollout(rollout) => rollout.update(),
            Self::Deployment(deployment) => deployment.update(),
        }
    }

    fn outcome(&self) -> RolloutOutcome {
        match self {
            Self::Rollout(rollout) => outcome_of_rollout(rollout),
            Self::Deployment(deployment) => match deployment.update() {
                Update::Promoted => RolloutOutcome::Promoted,
                Update::TakenBack => RolloutOutcome::Aborted,
                Update::None | Update::Begun if deployment.is_progress_deadline_exceeded() => RolloutOutcome::Degraded,
                Update::None | Update::Begun => RolloutOutcome::Running,
            },
        }
    }
}

fn outcome_of_rollout(rollout: &Rollout) -> RolloutOutcome {
    let status = rollout.status();
    match rollout.update() {
        Update::Promoted => RolloutOutcome::Promoted,
        Update::TakenBack => RolloutOutcome::Aborted,
        // An abort is one when nothing goes to the aborted revision any more.
        Update::None | Update::Begun if status.abort && rollout.has_all_traffic_on_stable() => RolloutOutcome::Aborted,
        Update::None | Update::Begun if rollout.is_paused_indefinitely() || rollout.is_paused_by_hand() => {
            RolloutOutcome::Paused
        }
        Update::None | Update::Begun if status.phase == Phase::Degraded => RolloutOutcome::Degraded,
        Update::None | Update::Begun => RolloutOutcome::Running,
    }
}

impl Simulation<'_> {
    pub(super) fn change_template(&mut self, now: Instant, revision: Revision) {
        self.recorder.template_changed(now);
        if revision == self.workload.template() {
            self.decisions.template_stays(revision);
        } else {
            self.decisions.template_changed(now, revision);
        }
        match self.workload {
            Workload::Rollout(_) => self.tell_rollout(now, rollout::Input::TemplateChanged(revision)),
            Workload::Deployment(_) => self.tell_deployment(now, deployment::Input::TemplateChanged(revision)),
        }
    }

    pub(super) fn change_replicas(&mut self, now: Instant, replicas: u32) {
        match self.workload {
            Workload::Rollout(_) => self.tell_rollout(now, rollout::Input::ReplicasChanged(replicas)),
            Workload::Deployment(_) => self.tell_deployment(now, deployment::Input::ReplicasChanged(replicas)),
        }
    }

    pub(super) fn publish_status(&mut self, now: Instant, revision: Revision, status: replica_set::Status) {
        let event = match self.workload {
            Workload::Rollout(_) => Event::Rollout(rollout::Input::ReplicaSetStatus(revision, status)),
            Workload::Deployment(_) => Event::Deployment(deployment::Input::ReplicaSetStatus(revision, status)),
        };
        self.queue.schedule(now, event);
    }

    /// Recreate waits for the last pod of the old revision.
    pub(super) fn publish_pods(&mut self, now: Instant, revision: Revision) {
        if matches!(self.workload, Workload::Deployment(_)) {
            let pods = self.pods.iter().filter(|member| member.revision == revision && !member.removed).count();
            let pods = u32::try_from(pods).expect("pods are counted in u32");
            self.queue.schedule(now, Event::Deployment(deployment::Input::PodsOf(revision, pods)));
        }
    }

    pub(super) fn tell_deployment(&mut self, now: Instant, input: deployment::Input) {
        use deployment::Effect::*;
        const NAME: &str = "deployment-controller";
        let Workload::Deployment(deployment) = &mut self.workload else {
            unreachable!("{input:?} is for a Deployment");
        };
        let before = deployment.update();
        let effects = deployment.handle(now, input);
        let after = deployment.update();
        for effect in effects {
            match effect {
                ReconcileSoon => {
                    // Assumption: as its neighbour in kube-controller-manager, the ReplicaSet controller.
                    let delay = self.streams.rollouts_controller.draw(&self.scenario.cluster.replica_set_sync);
                    self.queue.schedule(now + delay, Event::Deployment(deployment::Input::Reconcile));
                }
                WakeAt(at) => self.queue.schedule(at.max(now), Event::Deployment(deployment::Input::Timer)),
                CreateReplicaSet(revision) => self.create_replica_set(now, NAME, revision),
                DeleteReplicaSet(_) => {}
                Scale { revision, from, to } => self.scale(now, NAME, (revision, from, to)),
                Completed(revision) => self.log(now, NAME, "Completed", revision, ""),
                ProgressDeadlineExceeded(revision) => self.log(now, NAME, "ProgressDeadlineExceeded", revision, ""),
            }
        }
        match after {
            Update::Promoted if before != after => self.recorder.promoted(now),
            Update::TakenBack if before != after => self.on_taken_back(now),
            Update::None | Update::Begun | Update::Promoted | Update::TakenBack => {}
        }
        self.end_if_over(now);
    }

    pub(super) fn on_taken_back(&mut self, now: Instant) {
        self.tally.begin_section(now);
        if self.is_back_at_what_was_promoted() {
            self.recorder.rollback_undone(now);
        } else {
            self.recorder.taken_back(now);
        }
    }

    /// What was taken back was itself a way back from a revision that had been promoted: that one is released all the same.
    fn is_back_at_what_was_promoted(&self) -> bool {
        let stable = self.workload.template();
        let mut before =
            self.decisions.templates_had().rev().skip(1).take_while(|revision| *revision != stable).peekable();
        before.peek().is_some() && before.all(|revision| revision < stable)
    }

    pub(super) fn outcome(&self) -> RolloutOutcome {
        if self.workload.update() == Update::TakenBack && self.is_back_at_what_was_promoted() {
            return RolloutOutcome::Promoted;
        }
        self.workload.outcome()
    }

    pub(super) fn create_replica_set(&mut self, now: Instant, controller: &'static str, revision: Revision) {
        // A template that was replaced before the controller saw it has none; its place stays empty.
        let count = self.replica_sets.len().max(index(revision) + 1);
        self.replica_sets.resize_with(count, || ReplicaSet::new(self.scenario.workload.min_ready()));
        self.log(now, controller, "CreateReplicaSet", revision, "");
    }

    pub(super) fn scale(&mut self, now: Instant, controller: &'static str, (revision, from, to): (Revision, u32, u32)) {
        self.log(now, controller, "ScaleReplicaSet", revision, format!("{from} -> {to}"));
        self.record_sizes(now);
        self.tell_replica_set(now, revision, replica_set::Input::Scale(to));
    }

    pub(super) fn record_sizes(&mut self, now: Instant) {
        let (stable, others) = self.workload.wanted();
        self.recorder.sizes(now, stable, others);
    }
}
