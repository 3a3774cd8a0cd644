//! What the controller does when `spec.replicas` changes in the middle of a rollout.
//!
//! Follows `pkg/controller/deployment/sync.go:scale` and `util/deployment_util.go` of Kubernetes 1.35.

use super::{Deployment, Effect, ReplicaSet, Strategy};

impl Deployment {
    /// Whether an active ReplicaSet was sized for another number of replicas.
    pub(super) fn is_scaling_event(&self) -> bool {
        self.active().any(|index| self.replica_sets[index].desired_replicas != self.spec.replicas)
    }

    /// Source: `scale`.
    pub(super) fn scale_to_replicas(&mut self) -> Vec<Effect> {
        let replicas = self.spec.replicas;
        let active: Vec<_> = self.active().collect();
        if let [only] = active[..] {
            return self.scale(only, replicas).into_iter().collect();
        }
        if self.new_index().is_some_and(|new| self.is_saturated(&self.replica_sets[new])) {
            let olds: Vec<_> = self.active_olds().collect();
            return olds.into_iter().filter_map(|old| self.scale(old, 0)).collect();
        }
        match self.spec.strategy {
            Strategy::RollingUpdate { .. } => self.scale_proportionally(active),
            Strategy::Recreate => vec![],
        }
    }

    fn is_saturated(&self, new: &ReplicaSet) -> bool {
        [new.replicas, new.desired_replicas, new.observed.available].iter().all(|pods| *pods == self.spec.replicas)
    }

    /// All ReplicaSets keep their parts of the whole, so that a change of `replicas` neither hastens the rollout nor holds
    /// it up. The largest comes first and gets what rounding leaves over.
    fn scale_proportionally(&mut self, mut active: Vec<usize>) -> Vec<Effect> {
        let allowed = if self.spec.replicas == 0 { 0 } else { i64::from(self.max_replicas()) };
        let size = |index: usize| i64::from(self.replica_sets[index].replicas);
        let to_add = allowed - active.iter().map(|index| size(*index)).sum::<i64>();
        if to_add > 0 {
            // Of two of the same size, the newer grows and the older shrinks first.
            active.reverse();
        }
        active.sort_by_key(|index| std::cmp::Reverse(size(*index)));
        let mut added = 0;
        let mut sizes = vec![];
        for index in active {
            let rest = to_add - added;
            let fraction = self.fraction(&self.replica_sets[index]);
            let part = if to_add > 0 { fraction.min(rest) } else { fraction.max(rest) };
            let part = if rest == 0 { 0 } else { part };
            added += part;
            sizes.push((index, size(index) + part));
        }
        sizes[0].1 = (sizes[0].1 + to_add - added).max(0);
        let sizes =
            sizes.into_iter().map(|(index, size)| (index, u32::try_from(size).expect("no part exceeds its whole")));
        // All are written, if only for their annotations.
        sizes.filter_map(|(index, size)| self.write(index, size)).collect()
    }

    /// By how much a ReplicaSet changes to keep its part of the whole, rounded half up. Source: `getReplicaSetFraction`.
    fn fraction(&self, set: &ReplicaSet) -> i64 {
        let size = i64::from(set.replicas);
        if self.spec.replicas == 0 {
            return -size;
        }
        assert_ne!(set.max_replicas, 0, "none is active under a Deployment of no pods");
        let (max, annotated) = (i64::from(self.max_replicas()), i64::from(set.max_replicas));
        (2 * size * max + annotated) / (2 * annotated) - size
    }
}

#[cfg(test)]
mod tests {
    use super::super::Input::*;
    use super::super::tests::{World, at, of, rolling};
    use super::*;
    use crate::model::Revision;

    /// The example of the documentation: of 10 pods 8 are old, and 5 new ones are not available.
    fn half_way() -> World {
        let mut world = World::new(of(10, rolling(3, 2)));
        world.send(TemplateChanged(Revision(2)));
        assert_eq!(world.take_log(), "create-v2 v2=3 v1=8 v2=5");
        world
    }

    #[test]
    fn at_rest_the_only_replica_set_takes_the_new_size() {
        let mut world = World::new(of(10, Strategy::default()));
        world.send(ReplicasChanged(4));
        assert_eq!(world.log(), "v1=4");
        assert!(world.deployment.is_at_rest());
    }

    #[test]
    fn in_a_rollout_all_replica_sets_grow_in_proportion() {
        // Kubernetes documentation, "Proportional scaling": 3 of 5 additional pods are old, 2 are new.
        let mut world = half_way();
        world.send(ReplicasChanged(15));
        assert_eq!(world.log(), "v1=11 v2=7");
        world.wait();
        assert_eq!(world.log(), "v1=11 v2=7 | v1=6 v2=12", "and the rollout goes on");
    }

    #[test]
    fn in_a_rollout_all_replica_sets_shrink_in_proportion() {
        let mut world = half_way();
        world.deployment.handle(at(0), ReplicasChanged(5));
        let scaled = world.deployment.scale_to_replicas();
        let sizes = [Revision(1), Revision(2)].map(|revision| world.deployment.replicas_of(revision));
        assert_eq!((scaled.len(), sizes), (2, [5, 3]));
    }

    #[test]
    fn no_replicas_means_no_pods_of_any_revision() {
        let mut world = half_way();
        world.send(ReplicasChanged(0));
        assert_eq!(world.log(), "v1=0 v2=0 completed-v2");
    }

    #[test]
    fn of_equals_the_newer_grows_and_the_older_shrinks() {
        for (pods, replicas, expected) in [(1, 3, [1, 2]), (2, 3, [1, 2])] {
            let mut world = World::new(of(2 * pods, rolling(0, 1)));
            let deployment = &mut world.deployment;
            let other = deployment.new_replica_set(Revision(2));
            deployment.replica_sets.push(other);
            deployment.template = Revision(2);
            deployment.replica_sets.iter_mut().for_each(|set| set.replicas = pods);
            deployment.spec.replicas = replicas;
            deployment.scale_to_replicas();
            let sizes = [Revision(1), Revision(2)].map(|revision| deployment.replicas_of(revision));
            assert_eq!(sizes, expected, "two of {pods} to {replicas} in all");
            assert!(!deployment.is_scaling_event(), "all are annotated anew");
        }
    }

    #[test]
    fn a_saturated_new_replica_set_ends_the_old_ones() {
        let mut world = World::new(of(4, Strategy::default()));
        let deployment = &mut world.deployment;
        let old = ReplicaSet { replicas: 2, desired_replicas: 5, ..deployment.new_replica_set(Revision(0)) };
        deployment.replica_sets.push(old);
        world.send(Timer);
        assert_eq!(world.log(), "v0=0");
    }
}
