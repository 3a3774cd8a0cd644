//! The status of a Deployment: complete, progressing, or past its deadline.
//!
//! Follows `pkg/controller/deployment/progress.go` and `util/deployment_util.go` of Kubernetes 1.35.

use super::Deployment;
use super::Effect::{self, Completed};
use crate::model::{Revision, Update};
use crate::units::{Duration, Instant};

/// `status` of a Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The template that it speaks of: all of `observedGeneration` that matters here.
    pub(super) template: Revision,
    pub(super) replicas: u32,
    pub(super) updated: u32,
    pub(super) available: u32,
}

/// The reason of the condition Progressing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NewReplicaSetCreated,
    ReplicaSetUpdated,
    NewReplicaSetAvailable,
    ProgressDeadlineExceeded,
}

impl Deployment {
    /// Source: `syncRolloutStatus`.
    pub(super) fn sync_rollout_status(&mut self, now: Instant) -> Option<Effect> {
        let (before, status) = (self.status, self.current_status());
        self.status = status;
        let (reason, since) = self.progressing;
        if status.replicas == status.updated && reason == Reason::NewReplicaSetAvailable {
            // No rollout is under way; or it goes back under Recreate, and no pod has come yet.
            if self.is_complete_by(status) {
                self.complete();
            }
            return None;
        }
        let old_pods = |status: Status| status.replicas - status.updated;
        let is_progress = status.updated > before.updated
            || old_pods(status) < old_pods(before)
            || status.available > before.available;
        if self.is_complete_by(status) {
            let is_news = self.set_progressing(Reason::NewReplicaSetAvailable, now);
            self.complete();
            return is_news.then_some(Completed(self.template));
        }
        if is_progress {
            self.progressing = (Reason::ReplicaSetUpdated, now.floor_to_second());
            return None;
        }
        let may_time_out = reason != Reason::NewReplicaSetAvailable;
        let is_late = may_time_out && now > since + self.spec.progress_deadline;
        let is_news = is_late && self.set_progressing(Reason::ProgressDeadlineExceeded, now);
        is_news.then_some(Effect::ProgressDeadlineExceeded(self.template))
    }

    /// Later changes of size do not complete the update once more.
    fn complete(&mut self) {
        if self.update == Update::Begun {
            let is_back = self.template == self.completed;
            self.update = if is_back { Update::TakenBack } else { Update::Promoted };
        }
        self.completed = self.template;
    }

    /// Whether the reason is a new one; the time of one that stays is kept. Source: `SetDeploymentCondition`.
    pub(super) fn set_progressing(&mut self, reason: Reason, now: Instant) -> bool {
        let is_news = self.progressing.0 != reason;
        if is_news {
            self.progressing = (reason, now.floor_to_second());
        }
        is_news
    }

    /// When to look for progress again; None if nothing is under way. Source: `requeueStuckDeployment`, which adds the
    /// second.
    pub(super) fn progress_check(&self) -> Option<Instant> {
        let (reason, since) = self.progressing;
        let is_waiting = match reason {
            Reason::NewReplicaSetCreated | Reason::ReplicaSetUpdated => !self.is_complete_by(self.status),
            Reason::NewReplicaSetAvailable | Reason::ProgressDeadlineExceeded => false,
        };
        let check = since + self.spec.progress_deadline + Duration::secs(1);
        is_waiting.then_some(check)
    }

    /// Source: `calculateStatus`.
    pub(super) fn current_status(&self) -> Status {
        let observed = || self.replica_sets.iter().map(|set| set.observed);
        Status {
            template: self.template,
            replicas: observed().map(|status| status.created).sum(),
            updated: self.new_index().map_or(0, |new| self.replica_sets[new].observed.created),
            available: observed().map(|status| status.available).sum(),
        }
    }

    /// Source: `DeploymentComplete`.
    pub(super) fn is_complete_by(&self, status: Status) -> bool {
        let counts = [status.replicas, status.updated, status.available];
        status.template == self.template && counts.iter().all(|pods| *pods == self.spec.replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at, of};
    use super::super::{Effect::*, Input::*, Strategy};
    use super::*;

    /// Revision 2 is rolled out at 10 s, and its pods never become available.
    fn stuck() -> World {
        let mut world = World::new(of(4, Strategy::default()));
        world.now = at(10);
        world.send(TemplateChanged(Revision(2)));
        world
    }

    #[test]
    fn a_rollout_without_progress_misses_its_deadline_and_nothing_else_happens() {
        let mut world = stuck();
        assert_eq!(world.wake, Some(at(611)), "600 s after the last progress, and the second that the real one adds");
        world.now = at(610);
        world.send(Timer);
        assert!(!world.deployment.is_progress_deadline_exceeded());
        world.now = at(611);
        world.send(Timer);
        assert!(world.deployment.is_progress_deadline_exceeded());
        assert_eq!(world.log(), "create-v2 v2=1 v1=3 v2=2 late-v2");
        assert_eq!(world.deployment.handle(at(612), Timer), [ReconcileSoon]);
        assert_eq!(world.deployment.handle(at(612), Reconcile), [], "said once");
    }

    #[test]
    fn a_late_rollout_may_still_complete() {
        let mut world = stuck();
        world.now = at(700);
        world.send(Timer);
        world.wait();
        assert!(!world.deployment.is_progress_deadline_exceeded(), "new pods became available");
        world.wait();
        assert_eq!(world.log(), "create-v2 v2=1 v1=3 v2=2 late-v2 | v1=1 v2=4 | v1=0 completed-v2");
        assert!(world.deployment.is_at_rest());
    }

    #[test]
    fn a_new_template_has_a_deadline_of_its_own() {
        let mut world = stuck();
        world.now = at(300);
        world.send(TemplateChanged(Revision(3)));
        assert_eq!(world.wake, Some(at(901)));
    }

    #[test]
    fn at_rest_the_loss_of_a_pod_starts_no_deadline() {
        let mut world = World::new(of(4, Strategy::default()));
        world.set_available(Revision(1), 3);
        world.send(Timer);
        assert_eq!((world.wake, world.log().as_str()), (None, ""));
        assert!(!world.deployment.is_complete(Revision(1)));
    }
}
