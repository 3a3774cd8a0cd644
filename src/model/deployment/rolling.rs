//! RollingUpdate: new pods as far as `maxSurge` leaves room, old ones as far as enough pods are available.
//!
//! Follows `pkg/controller/deployment/rolling.go` of Kubernetes 1.35.

use super::{Deployment, Effect};
use crate::units::Instant;

impl Deployment {
    pub(super) fn rollout_rolling(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = self.create_new_replica_set(now);
        let mut scaled: Vec<_> = self.reconcile_new_replica_set().into_iter().collect();
        if scaled.is_empty() {
            scaled = self.reconcile_old_replica_sets();
        }
        if scaled.is_empty() && self.is_complete_by(self.status) {
            scaled = self.clean_up();
        }
        effects.append(&mut scaled);
        effects
    }

    fn reconcile_new_replica_set(&mut self) -> Option<Effect> {
        let new = self.new_index().expect("it was created");
        let size =
            if self.replica_sets[new].replicas > self.spec.replicas { self.spec.replicas } else { self.new_size(new) };
        self.scale(new, size)
    }

    /// As many new pods as surge leaves room for. Source: `NewRSNewReplicas`.
    pub(super) fn new_size(&self, new: usize) -> u32 {
        let size = self.replica_sets[new].replicas;
        let sum: u32 = self.replica_sets.iter().map(|set| set.replicas).sum();
        let room = self.max_replicas().saturating_sub(sum);
        size + room.min(self.spec.replicas - size)
    }

    fn reconcile_old_replica_sets(&mut self) -> Vec<Effect> {
        let new = self.replica_sets[self.new_index().expect("it was created")];
        let olds: Vec<_> = self.active_olds().collect();
        let sum: i64 = self.replica_sets.iter().map(|set| i64::from(set.replicas)).sum();
        // What is missing of the new pods may come: it must not make room for another old pod to go.
        let new_unavailable = i64::from(new.replicas) - i64::from(new.observed.available);
        let mut surplus = sum - self.min_available() - new_unavailable;
        if olds.is_empty() || surplus <= 0 {
            return vec![];
        }
        let mut effects = vec![];
        for old in &olds {
            let set = self.replica_sets[*old];
            let Some(unhealthy) = set.replicas.checked_sub(set.observed.available) else {
                // The status is older than the last scale-down. The real pass ends with an error, too.
                return effects;
            };
            let removed = i64::from(unhealthy).min(surplus);
            surplus -= removed;
            effects.extend(self.scale(*old, set.replicas - to_u32(removed)));
        }
        effects.extend(self.scale_down_old_replica_sets(&olds));
        effects
    }

    /// Source: `scaleDownOldReplicaSetsForRollingUpdate`.
    fn scale_down_old_replica_sets(&mut self, olds: &[usize]) -> Vec<Effect> {
        let counted = olds.iter().copied().chain(self.new_index());
        let available: i64 = counted.map(|index| i64::from(self.replica_sets[index].observed.available)).sum();
        let mut surplus = (available - self.min_available()).max(0);
        let mut effects = vec![];
        for old in olds {
            let size = self.replica_sets[*old].replicas;
            let removed = i64::from(size).min(surplus);
            surplus -= removed;
            effects.extend(self.scale(*old, size - to_u32(removed)));
        }
        effects
    }

    fn min_available(&self) -> i64 {
        i64::from(self.spec.replicas - self.fenceposts().max_unavailable)
    }
}

fn to_u32(pods: i64) -> u32 {
    u32::try_from(pods).expect("a part of a ReplicaSet")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, of, rolling};
    use super::super::{Input::*, Strategy};
    use crate::model::Revision;

    fn rolls(replicas: u32, strategy: Strategy, expected: &str) {
        let mut world = World::new(of(replicas, strategy));
        world.send(TemplateChanged(Revision(2)));
        while !world.deployment.is_at_rest() {
            world.wait();
        }
        assert_eq!(world.log(), format!("create-v2 {expected} completed-v2"), "{replicas} replicas");
    }

    #[test]
    fn the_published_rollouts_come_out() {
        let quarter = Strategy::default();
        rolls(10, quarter, "v2=3 v1=8 v2=5 | v1=3 v2=10 | v1=0");
        rolls(4, quarter, "v2=1 v1=3 v2=2 | v1=1 v2=4 | v1=0");
        rolls(3, quarter, "v2=1 | v1=2 v2=2 | v1=1 v2=3 | v1=0");
    }

    #[test]
    fn with_a_surge_of_one_pod_comes_before_one_goes() {
        let rounds = (1..=10).map(|round| format!("v2={round} | v1={}", 10 - round));
        rolls(10, rolling(1, 0), &rounds.collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn without_a_surge_one_pod_goes_before_one_comes() {
        let rounds = (1..=10).map(|round| format!("v1={} v2={round} |", 10 - round));
        rolls(10, rolling(0, 1), &rounds.collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn a_third_template_takes_the_pods_of_the_second_that_are_not_available() {
        let mut world = World::new(of(10, rolling(3, 2)));
        world.send(TemplateChanged(Revision(2)));
        world.take_log();
        world.send(TemplateChanged(Revision(3)));
        assert_eq!(world.log(), "create-v3 v2=0 v3=5", "surge is used up: it starts with no pods");
        world.wait();
        world.wait();
        assert_eq!(world.log(), "create-v3 v2=0 v3=5 | v1=3 v3=10 | v1=0 completed-v3");
    }

    #[test]
    fn the_way_back_takes_the_pods_that_never_became_available() {
        let mut world = World::new(of(10, rolling(3, 2)));
        world.send(TemplateChanged(Revision(2)));
        world.take_log();
        world.send(TemplateChanged(Revision(1)));
        world.wait();
        assert_eq!(world.log(), "v2=0 v1=10 | completed-v1");
    }

    #[test]
    fn new_pods_that_are_not_available_make_no_room() {
        let mut world = World::new(of(10, rolling(3, 2)));
        world.send(TemplateChanged(Revision(2)));
        world.take_log();
        // 13 - 8 - 5: the lost pod is not replaced, and not taken away.
        world.set_available(Revision(1), 7);
        assert_eq!(world.log(), "");
    }

    #[test]
    fn a_status_older_than_the_last_scale_down_holds_the_pass_up() {
        let mut world = World::new(of(10, rolling(3, 2)));
        world.lags = true;
        world.send(TemplateChanged(Revision(2)));
        world.set_available(Revision(2), 5);
        assert_eq!(world.take_log(), "create-v2 v2=3 v1=8 v2=5", "revision 1 says 10 available of 8");
        world.hear(Revision(1));
        assert_eq!(world.log(), "v1=3 v2=10");
    }

    #[test]
    fn a_new_replica_set_beyond_replicas_shrinks_first() {
        let mut world = World::new(of(4, Strategy::default()));
        world.deployment.replica_sets[0].replicas = 6;
        world.send(Timer);
        assert_eq!(world.log(), "v1=4");
    }
}
