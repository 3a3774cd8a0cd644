//! What one pass has in front of it. The rules are functions of it, and of nothing else.

use super::controller::Profile;
use super::spec::{Canary, ReplicaProgressThreshold, RolloutSpec};
use super::status::{ReplicaSet, Status};
use super::step::Step;
use crate::model::Revision;
use crate::units::TrafficWeight;

#[derive(Clone, Debug)]
pub struct Observed<'a> {
    pub profile: Profile,
    pub spec: &'a RolloutSpec,
    /// As the last pass left it.
    pub status: &'a Status,
    /// The ReplicaSet of the current pod template.
    pub new: Option<ReplicaSet>,
    /// The ReplicaSet of `status.stableRS`. The same one as `new` once promoted.
    pub stable: Option<ReplicaSet>,
    /// All that are neither.
    pub others: Vec<ReplicaSet>,
}

impl Observed<'_> {
    pub fn canary(&self) -> &Canary {
        self.spec.canary()
    }

    /// None before the version that knows it.
    pub fn replica_progress_threshold(&self) -> Option<ReplicaProgressThreshold> {
        let threshold = self.canary().replica_progress_threshold;
        threshold.filter(|_| self.profile.version.has_replica_progress_threshold())
    }

    pub fn max_weight(&self) -> TrafficWeight {
        self.canary().max_weight()
    }

    /// Source: `utils/rollout/rolloututil.go:IsFullyPromoted`.
    pub fn is_fully_promoted(&self) -> bool {
        self.status.stable == self.status.current
    }

    /// Neither is stable nor is there nothing stable. Source: `utils/replicaset/replicaset.go:CheckStableRSExists`.
    pub fn stable_beside_new(&self) -> Option<ReplicaSet> {
        self.stable.filter(|stable| self.new_revision() != Some(stable.revision))
    }

    pub fn new_revision(&self) -> Option<Revision> {
        self.new.map(|new| new.revision)
    }

    pub fn stable_revision(&self) -> Option<Revision> {
        self.stable.map(|stable| stable.revision)
    }

    /// Every ReplicaSet once.
    pub fn all(&self) -> impl Iterator<Item = ReplicaSet> {
        self.others.iter().copied().chain(self.new).chain(self.stable_beside_new())
    }

    /// The position of the current step; the number of steps when none is left. None without steps. Source:
    /// `GetCurrentCanaryStep`.
    pub fn step_index(&self) -> Option<usize> {
        (!self.canary().steps.is_empty()).then(|| self.status.step_index.unwrap_or(0))
    }

    pub fn step(&self) -> Option<&Step> {
        self.canary().steps.get(self.step_index()?)
    }

    /// The steps up to the current one, it included; none when no step is left.
    pub fn steps_so_far(&self) -> &[Step] {
        self.step_index().and_then(|index| self.canary().steps.get(..=index)).unwrap_or_default()
    }

    /// Available pods of a ReplicaSet that may not exist.
    pub fn available(replica_set: Option<ReplicaSet>) -> u32 {
        replica_set.map_or(0, |replica_set| replica_set.available)
    }
}
