//! The Deployment controller: one Deployment with the strategy RollingUpdate or Recreate.
//!
//! Follows `pkg/controller/deployment` (`rolling.go`, `recreate.go`, `sync.go`, `progress.go`) of Kubernetes 1.35. One
//! pass reads the statuses it has heard of, writes the sizes of its ReplicaSets, and writes its own status at the end;
//! its own writes wake it again. It looks at availability only: no load balancer can hold it back.
//!
//! The rules are in the files beside this one, and `on_reconcile` puts them into their order.
//!
//! Left out: `paused`, `podReplacementPolicy`, failed writes and their retries, `readyReplicas` as a sign of progress
//! (with `minReadySeconds` the real deadline starts anew when a pod is ready, too).

mod progress;
mod recreate;
mod rolling;
mod scaling;

use crate::model::fenceposts::{Fenceposts, IntOrPercent, fenceposts};
use crate::model::{Revision, Update, replica_set};
use crate::units::{Duration, Instant};
use progress::{Reason, Status};
use {Effect::*, Input::*};

/// `spec` of a Deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentSpec {
    pub replicas: u32,
    pub min_ready: Duration,
    /// `progressDeadlineSeconds`
    pub progress_deadline: Duration,
    pub strategy: Strategy,
    /// How many old ReplicaSets are kept.
    pub revision_history_limit: u32,
}

impl Default for DeploymentSpec {
    /// Source: `pkg/apis/apps/v1/defaults.go`.
    fn default() -> Self {
        Self {
            replicas: 1,
            min_ready: Duration::ZERO,
            progress_deadline: Duration::secs(600),
            strategy: Strategy::default(),
            revision_history_limit: 10,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    RollingUpdate { max_surge: IntOrPercent, max_unavailable: IntOrPercent },
    Recreate,
}

impl Default for Strategy {
    fn default() -> Self {
        Self::RollingUpdate { max_surge: IntOrPercent::default(), max_unavailable: IntOrPercent::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The pod template was changed: to a new revision, or back to one that there was.
    TemplateChanged(Revision),
    /// A ReplicaSet's status was heard.
    ReplicaSetStatus(Revision, replica_set::Status),
    /// So many pods of the revision exist whose phase is not terminal: those that terminate count.
    PodsOf(Revision, u32),
    /// `spec.replicas` was changed.
    ReplicasChanged(u32),
    /// A timer of the controller's own.
    Timer,
    /// The pass itself.
    Reconcile,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Wake the controller; answer with `Reconcile`.
    ReconcileSoon,
    /// Answer with `Timer` at this instant.
    WakeAt(Instant),
    /// One write with the `Scale` that follows it, if any.
    CreateReplicaSet(Revision),
    DeleteReplicaSet(Revision),
    Scale {
        revision: Revision,
        from: u32,
        to: u32,
    },
    /// All pods are of this revision and available.
    Completed(Revision),
    /// No progress for `progressDeadlineSeconds`. Nothing else follows from it.
    ProgressDeadlineExceeded(Revision),
}

/// One ReplicaSet, as the controller knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    pub revision: Revision,
    /// `spec.replicas`
    pub replicas: u32,
    /// Last heard of its status.
    pub observed: replica_set::Status,
    /// Existing pods, those that terminate included.
    observed_pods: u32,
    /// The annotations `desired-replicas` and `max-replicas`: what the Deployment wanted at the last write.
    desired_replicas: u32,
    max_replicas: u32,
    /// The annotation `revision`: the newest has the highest.
    number: u32,
}

#[derive(Clone, Debug)]
pub struct Deployment {
    spec: DeploymentSpec,
    /// The revision of the pod template in the spec.
    template: Revision,
    status: Status,
    /// The condition Progressing, and its `lastUpdateTime`.
    progressing: (Reason, Instant),
    /// In order of their creation.
    replica_sets: Vec<ReplicaSet>,
    reconcile_queued: bool,
    /// The revision that was complete last.
    completed: Revision,
    update: Update,
}

impl Deployment {
    /// A Deployment at rest: all pods are of revision 1 and available.
    pub fn established(spec: DeploymentSpec) -> Self {
        let pods = spec.replicas;
        let mut deployment = Self {
            spec,
            template: Revision(1),
            status: Status { template: Revision(1), replicas: pods, updated: pods, available: pods },
            progressing: (Reason::NewReplicaSetAvailable, Instant::START),
            replica_sets: vec![],
            reconcile_queued: false,
            completed: Revision(1),
            update: Update::None,
        };
        let observed = replica_set::Status { created: pods, available: pods };
        let first = deployment.new_replica_set(Revision(1));
        deployment.replica_sets.push(ReplicaSet { replicas: pods, observed, observed_pods: pods, ..first });
        deployment
    }

    /// The revision of the pod template.
    pub fn template(&self) -> Revision {
        self.template
    }

    /// The revision that was complete last.
    pub fn completed(&self) -> Revision {
        self.completed
    }

    pub fn update(&self) -> Update {
        self.update
    }

    /// `spec.replicas`
    pub fn replicas(&self) -> u32 {
        self.spec.replicas
    }

    pub fn replica_sets(&self) -> &[ReplicaSet] {
        &self.replica_sets
    }

    /// `spec.replicas` of a revision's ReplicaSet.
    pub fn replicas_of(&self, revision: Revision) -> u32 {
        let mut sets = self.replica_sets.iter();
        sets.find(|set| set.revision == revision).map_or(0, |set| set.replicas)
    }

    /// Whether all pods are of this revision and available, as far as was heard.
    pub fn is_complete(&self, revision: Revision) -> bool {
        let is_created = self.new_index().is_some();
        self.template == revision && is_created && self.is_complete_by(self.current_status())
    }

    /// Of the ReplicaSet that was the newest before the current one: where `undo` goes.
    pub fn previous_revision(&self) -> Revision {
        let others = self.replica_sets.iter().filter(|set| set.revision != self.template);
        others.max_by_key(|set| set.number).map_or(self.template, |set| set.revision)
    }

    /// Complete, and nothing left to scale.
    pub fn is_at_rest(&self) -> bool {
        let is_alone = self.replica_sets.iter().all(|set| set.revision == self.template || set.replicas == 0);
        self.is_complete(self.template) && is_alone && !self.is_scaling_event()
    }

    pub fn is_progress_deadline_exceeded(&self) -> bool {
        self.progressing.0 == Reason::ProgressDeadlineExceeded
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            TemplateChanged(revision) if revision == self.template => {}
            TemplateChanged(revision) => (self.template, self.update) = (revision, Update::Begun),
            ReplicasChanged(replicas) => self.spec.replicas = replicas,
            ReplicaSetStatus(revision, status) => self.with(revision, |set| set.observed = status),
            PodsOf(revision, pods) => {
                self.with(revision, |set| set.observed_pods = pods);
                // A pod wakes the controller under Recreate only, and only the last one. Source: `deletePod`.
                let is_last = self.replica_sets.iter().all(|set| set.observed_pods == 0);
                if self.spec.strategy != Strategy::Recreate || !is_last {
                    return vec![];
                }
            }
            Timer => {}
            Reconcile => return self.on_reconcile(now),
        }
        self.reconcile_soon()
    }

    fn with(&mut self, revision: Revision, change: impl FnOnce(&mut ReplicaSet)) {
        // One that was deleted is not counted any more.
        if let Some(set) = self.replica_sets.iter_mut().find(|set| set.revision == revision) {
            change(set);
        }
    }

    fn reconcile_soon(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.reconcile_queued, true) { vec![] } else { vec![ReconcileSoon] }
    }

    /// Source: `syncDeployment`.
    fn on_reconcile(&mut self, now: Instant) -> Vec<Effect> {
        self.reconcile_queued = false;
        let (status, progressing, sets) = (self.status, self.progressing, self.replica_sets.clone());
        let is_scaling_event = self.is_scaling_event();
        let mut effects = match self.spec.strategy {
            _ if is_scaling_event => self.scale_to_replicas(),
            Strategy::RollingUpdate { .. } => self.rollout_rolling(now),
            Strategy::Recreate => self.rollout_recreate(now),
        };
        if is_scaling_event {
            self.status = self.current_status();
        } else {
            effects.extend(self.sync_rollout_status(now));
        }
        if self.status != status || self.progressing != progressing || self.replica_sets != sets {
            effects.extend(self.reconcile_soon());
        } else if !is_scaling_event {
            effects.extend(self.progress_check().map(WakeAt));
        }
        effects
    }

    /// Source: `getNewReplicaSet`.
    fn create_new_replica_set(&mut self, now: Instant) -> Vec<Effect> {
        let newest_other = self.olds().map(|old| self.replica_sets[old].number).max().unwrap_or(0);
        if let Some(new) = self.new_index() {
            // Back to an earlier template: its ReplicaSet is the newest again.
            let number = &mut self.replica_sets[new].number;
            *number = (*number).max(newest_other + 1);
            return vec![];
        }
        self.replica_sets.push(self.new_replica_set(self.template));
        let new = self.replica_sets.len() - 1;
        let size = match self.spec.strategy {
            Strategy::RollingUpdate { .. } => self.new_size(new),
            Strategy::Recreate => self.spec.replicas,
        };
        self.set_progressing(Reason::NewReplicaSetCreated, now);
        [CreateReplicaSet(self.template)].into_iter().chain(self.scale(new, size)).collect()
    }

    fn new_replica_set(&self, revision: Revision) -> ReplicaSet {
        ReplicaSet {
            revision,
            replicas: 0,
            observed: replica_set::Status::default(),
            observed_pods: 0,
            desired_replicas: self.spec.replicas,
            max_replicas: self.max_replicas(),
            number: self.replica_sets.iter().map(|set| set.number).max().unwrap_or(0) + 1,
        }
    }

    /// Deletes the oldest ReplicaSets beyond `revisionHistoryLimit`, where they are empty. Source: `cleanupDeployment`.
    fn clean_up(&mut self) -> Vec<Effect> {
        let mut olds: Vec<_> = self.olds().map(|old| self.replica_sets[old]).collect();
        olds.sort_by_key(|old| old.number);
        olds.truncate(olds.len().saturating_sub(self.spec.revision_history_limit as usize));
        olds.retain(|old| old.replicas == 0 && old.observed.created == 0);
        self.replica_sets.retain(|set| olds.iter().all(|old| old.revision != set.revision));
        olds.into_iter().map(|old| DeleteReplicaSet(old.revision)).collect()
    }

    fn new_index(&self) -> Option<usize> {
        self.replica_sets.iter().position(|set| set.revision == self.template)
    }

    /// All but the ReplicaSet of the template, oldest first.
    fn olds(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.replica_sets.len()).filter(|index| self.replica_sets[*index].revision != self.template)
    }

    fn active_olds(&self) -> impl Iterator<Item = usize> + '_ {
        self.olds().filter(|old| self.replica_sets[*old].replicas > 0)
    }

    fn active(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.replica_sets.len()).filter(|index| self.replica_sets[*index].replicas > 0)
    }

    fn fenceposts(&self) -> Fenceposts {
        match self.spec.strategy {
            Strategy::RollingUpdate { max_surge, max_unavailable } => {
                fenceposts(max_surge, max_unavailable, self.spec.replicas)
            }
            Strategy::Recreate => Fenceposts { max_surge: 0, max_unavailable: 0 },
        }
    }

    fn max_replicas(&self) -> u32 {
        self.spec.replicas + self.fenceposts().max_surge
    }

    /// Source: `scaleReplicaSetAndRecordEvent`.
    fn scale(&mut self, index: usize, to: u32) -> Option<Effect> {
        if self.replica_sets[index].replicas == to { None } else { self.write(index, to) }
    }

    /// Source: `scaleReplicaSet`.
    fn write(&mut self, index: usize, to: u32) -> Option<Effect> {
        let (desired_replicas, max_replicas) = (self.spec.replicas, self.max_replicas());
        let set = &mut self.replica_sets[index];
        let (revision, from) = (set.revision, set.replicas);
        *set = ReplicaSet { replicas: to, desired_replicas, max_replicas, ..*set };
        (from != to).then_some(Scale { revision, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    pub(super) fn of(replicas: u32, strategy: Strategy) -> DeploymentSpec {
        DeploymentSpec { replicas, strategy, ..DeploymentSpec::default() }
    }

    pub(super) fn rolling(max_surge: u32, max_unavailable: u32) -> Strategy {
        let [max_surge, max_unavailable] = [max_surge, max_unavailable].map(IntOrPercent::Pods);
        Strategy::RollingUpdate { max_surge, max_unavailable }
    }

    /// A Deployment whose ReplicaSets do at once as they are told. Their pods become available in `wait`.
    pub(super) struct World {
        pub(super) deployment: Deployment,
        pub(super) now: Instant,
        /// The last `WakeAt`.
        pub(super) wake: Option<Instant>,
        /// Statuses are heard in `hear` only.
        pub(super) lags: bool,
        log: Vec<String>,
    }

    impl World {
        pub(super) fn new(spec: DeploymentSpec) -> Self {
            Self { deployment: Deployment::established(spec), now: at(0), wake: None, lags: false, log: vec![] }
        }

        /// What was done, and `|` for each `wait`.
        pub(super) fn log(&self) -> String {
            self.log.join(" ")
        }

        pub(super) fn take_log(&mut self) -> String {
            std::mem::take(&mut self.log).join(" ")
        }

        pub(super) fn send(&mut self, input: Input) {
            for effect in self.deployment.handle(self.now, input) {
                match effect {
                    ReconcileSoon => self.send(Reconcile),
                    WakeAt(instant) => self.wake = Some(instant),
                    CreateReplicaSet(revision) => self.log.push(format!("create-{revision}")),
                    DeleteReplicaSet(revision) => self.log.push(format!("delete-{revision}")),
                    Scale { revision, to, .. } => {
                        self.log.push(format!("{revision}={to}"));
                        if !self.lags {
                            self.hear(revision);
                        }
                    }
                    Completed(revision) => self.log.push(format!("completed-{revision}")),
                    ProgressDeadlineExceeded(revision) => self.log.push(format!("late-{revision}")),
                }
            }
        }

        /// The ReplicaSet has its pods, and those that were available still are.
        pub(super) fn hear(&mut self, revision: Revision) {
            let set = *self.deployment.replica_sets.iter().find(|set| set.revision == revision).unwrap();
            self.set_available(revision, set.observed.available.min(set.replicas));
        }

        pub(super) fn set_available(&mut self, revision: Revision, available: u32) {
            let created = self.deployment.replicas_of(revision);
            self.send(ReplicaSetStatus(revision, replica_set::Status { created, available }));
        }

        /// All pods become available.
        pub(super) fn wait(&mut self) {
            self.log.push("|".to_owned());
            for set in self.deployment.replica_sets.clone() {
                self.set_available(set.revision, self.deployment.replicas_of(set.revision));
            }
        }
    }

    #[test]
    fn an_established_deployment_does_nothing() {
        for strategy in [Strategy::default(), Strategy::Recreate] {
            let mut world = World::new(of(3, strategy));
            assert!(world.deployment.is_at_rest());
            world.send(Timer);
            assert_eq!((world.log().as_str(), world.wake), ("", None));
        }
    }

    #[test]
    fn changes_in_quick_succession_are_one_pass() {
        let mut deployment = Deployment::established(of(3, Strategy::default()));
        assert_eq!(deployment.handle(at(0), TemplateChanged(Revision(2))), [ReconcileSoon]);
        assert_eq!(deployment.handle(at(0), ReplicasChanged(4)), []);
    }

    #[test]
    fn pods_that_end_wake_nobody_in_a_rolling_update() {
        let mut deployment = Deployment::established(of(3, Strategy::default()));
        assert_eq!(deployment.handle(at(0), PodsOf(Revision(1), 0)), []);
    }

    #[test]
    fn only_its_own_revision_is_complete() {
        let mut world = World::new(of(1, Strategy::default()));
        world.send(TemplateChanged(Revision(2)));
        let complete = |world: &World| [1, 2].map(|revision| world.deployment.is_complete(Revision(revision)));
        assert_eq!(complete(&world), [false, false]);
        world.wait();
        assert_eq!(complete(&world), [false, true]);
    }

    #[test]
    fn old_replica_sets_beyond_the_history_limit_are_deleted() {
        let spec = DeploymentSpec { revision_history_limit: 1, ..of(1, Strategy::default()) };
        let mut world = World::new(spec);
        // Back to revision 1 makes it newer than 2, so 2 is the oldest when 3 comes.
        for revision in [2, 1, 3] {
            world.send(TemplateChanged(Revision(revision)));
            world.wait();
            world.send(Timer);
        }
        let expected = "create-v2 v2=1 | v1=0 completed-v2 v1=1 | v2=0 completed-v1 create-v3 v3=1 | v1=0 completed-v3 \
                        delete-v2";
        assert_eq!(world.log(), expected);
    }
}
