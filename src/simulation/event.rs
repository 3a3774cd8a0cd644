//! The events of the control plane, and how they are folded into the fingerprint.

use super::gitops::Push;
use crate::model::load_balancer_controller::target_group_binding::ApiCall;
use crate::model::load_balancer_controller::{ingress, readiness_gate, target_group_binding};
use crate::model::{PodId, Revision, Service};
use crate::model::{
    argo_cd, deployment, endpoint_slice, load_balancer, pipeline, pod, promotion, replica_set, rollout,
};
use crate::units::Instant;
use std::hash::{Hash, Hasher};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The new pod template is applied: t = 0.
    Release,
    Rollout(rollout::Input),
    Deployment(deployment::Input),
    ReplicaSet(Revision, replica_set::Input),
    /// The ReplicaSet controller's work item runs.
    SyncReplicaSet(Revision),
    /// So many pods have been written.
    PodsWritten(Revision, u32),
    /// The deletions have been written.
    PodsDeleted(Vec<PodId>),
    Pod(PodId, pod::Input),
    EndpointSlice(Service, endpoint_slice::Input),
    Ingress(ingress::Input),
    TargetGroupBinding(Service, target_group_binding::Input),
    /// The API of the load balancer accepts the call.
    Accepted(Service, ApiCall),
    LoadBalancer(load_balancer::Input),
    /// The AnalysisRun of this number has something to measure.
    MeasureDue(u32),
    /// The HorizontalPodAutoscaler looks at its metrics.
    SyncAutoscaler,
    /// Somebody looks at what monitoring shows.
    LookAtMetrics,
    /// A person does what the scenario says.
    Action(u32),
    ReadinessGate(Service, readiness_gate::Input),
    /// The informers of the Rollouts controller resync.
    Resync,
    /// A commit reaches the branch.
    Push(Push),
    /// Argo CD finds out about a commit, one way or the other.
    CommitNoticed(argo_cd::Input),
    /// The informer of Argo CD ticks.
    PollDue,
    ArgoCd(argo_cd::Input),
    /// Argo CD has compared the cluster with git.
    Compare,
    /// Argo CD's sync ends.
    Sync,
    Pipeline(pipeline::Input),
    /// Another team starts a job.
    OtherJob,
    Promotion(promotion::Input),
    /// The rule of this alert is evaluated.
    EvaluateAlert(u32),
    /// Somebody is told of it.
    Notification(u32),
    /// A pod hears that a feature is switched off.
    FeatureFlag(PodId),
}

/// Folds every event in order. FNV-1a over little-endian bytes: the same on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn fold(&mut self, now: Instant, event: &Event) {
        (now, event).hash(self);
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    // The standard ones use the machine's byte order, and `usize` its width.
    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write(&(value as u64).to_le_bytes());
    }

    fn write_isize(&mut self, value: isize) {
        self.write(&(value as i64).to_le_bytes());
    }
}
