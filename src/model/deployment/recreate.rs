//! Recreate: no new pod before the last old one is gone.
//!
//! Follows `pkg/controller/deployment/recreate.go` of Kubernetes 1.35.

use super::{Deployment, Effect};
use crate::units::Instant;

impl Deployment {
    pub(super) fn rollout_recreate(&mut self, now: Instant) -> Vec<Effect> {
        let olds: Vec<_> = self.active_olds().collect();
        if !olds.is_empty() {
            return olds.into_iter().filter_map(|old| self.scale(old, 0)).collect();
        }
        if self.has_old_pods() {
            return vec![];
        }
        let mut effects = self.create_new_replica_set(now);
        let new = self.new_index().expect("it was created");
        effects.extend(self.scale(new, self.spec.replicas));
        if self.is_complete_by(self.status) {
            effects.extend(self.clean_up());
        }
        effects
    }

    /// Whether an old pod exists, be it that a ReplicaSet still counts it, be it that it terminates. Source:
    /// `oldPodsRunning`.
    fn has_old_pods(&self) -> bool {
        let mut olds = self.olds().map(|old| self.replica_sets[old]);
        olds.any(|old| old.observed.created > 0 || old.observed_pods > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, of};
    use super::super::{Input::*, Strategy};
    use crate::model::Revision;

    #[test]
    fn new_pods_wait_until_the_last_old_one_has_terminated() {
        let mut world = World::new(of(3, Strategy::Recreate));
        world.send(TemplateChanged(Revision(2)));
        assert_eq!(world.log(), "v1=0", "all are terminating");
        world.send(PodsOf(Revision(1), 1));
        world.send(Timer);
        assert_eq!(world.log(), "v1=0");
        world.send(PodsOf(Revision(1), 0));
        world.wait();
        assert_eq!(world.log(), "v1=0 create-v2 v2=3 | completed-v2");
        assert!(world.deployment.is_at_rest());
    }

    #[test]
    fn new_pods_wait_for_a_replica_set_that_still_counts_pods() {
        let mut world = World::new(of(3, Strategy::Recreate));
        world.lags = true;
        world.send(TemplateChanged(Revision(2)));
        world.send(PodsOf(Revision(1), 0));
        assert_eq!(world.log(), "v1=0");
        world.hear(Revision(1));
        assert_eq!(world.log(), "v1=0 create-v2 v2=3");
    }

    #[test]
    fn a_third_template_replaces_the_second_before_its_pods_are_available() {
        let mut world = World::new(of(3, Strategy::Recreate));
        world.send(TemplateChanged(Revision(2)));
        world.send(PodsOf(Revision(1), 0));
        world.send(PodsOf(Revision(2), 3));
        world.send(TemplateChanged(Revision(3)));
        assert_eq!(world.take_log(), "v1=0 create-v2 v2=3 v2=0");
        world.send(PodsOf(Revision(2), 0));
        assert_eq!(world.log(), "create-v3 v3=3");
    }
}
