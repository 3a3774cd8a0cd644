//! What the controller reads back of its own doing: the `status` of a Rollout, and the ReplicaSets.
//!
//! Follows `pkg/apis/rollouts/v1alpha1/types.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::analysis::Run;
use super::step::Step;
use crate::model::Revision;
use crate::units::{Duration, Instant, TrafficWeight};

/// `status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// `stableRS`; none before the first deployment.
    pub stable: Option<Revision>,
    /// `currentPodHash`.
    pub current: Option<Revision>,
    /// `currentStepIndex`; the number of steps when none is left. None before the first pass, and without steps.
    pub step_index: Option<usize>,
    /// `currentStepHash`: the steps that `step_index` counts.
    pub steps: Option<Vec<Step>>,
    pub weights: Option<Weights>,
    pub pause_conditions: Vec<PauseCondition>,
    /// The controller itself paused the Rollout, and nobody took notice yet that it went on.
    pub controller_pause: bool,
    pub abort: bool,
    /// Set with `abort`, and cleared by the first full pass after a retry.
    pub aborted_at: Option<Instant>,
    pub promote_full: bool,
    pub restarted_at: Option<Instant>,
    pub stable_ping_pong: Option<PingPong>,
    /// `blueGreen.activeSelector`
    pub active: Option<Revision>,
    /// `blueGreen.scaleUpPreviewCheckPoint`
    pub scales_up_preview: bool,
    /// The current AnalysisRuns.
    pub analysis: Vec<Run>,
    pub conditions: Conditions,
    pub pods: PodCounts,
    pub phase: Phase,
    pub message: String,
}

/// `status.canary.weights`: what was asked of the router last, and of which ReplicaSets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    pub canary: TrafficWeight,
    pub stable: TrafficWeight,
    pub canary_revision: Option<Revision>,
    pub stable_revision: Option<Revision>,
    /// Whether the load balancer was seen to have them; None if nobody asked.
    pub verified: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PauseCondition {
    pub reason: PauseReason,
    /// In whole seconds.
    pub start: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    CanaryPauseStep,
    BlueGreenPause,
    InconclusiveAnalysisRun,
}

impl PauseReason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::CanaryPauseStep => "CanaryPauseStep",
            Self::BlueGreenPause => "BlueGreenPause",
            Self::InconclusiveAnalysisRun => "InconclusiveAnalysisRun",
        }
    }
}

/// Which of the two Services of `pingPong` is the stable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingPong {
    Ping,
    Pong,
}

/// `status.conditions`, as far as a decision depends on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    pub progressing: Option<Progressing>,
    /// `Paused`: the condition that events and dashboards show.
    pub paused: bool,
    /// `Healthy`; None before the first time.
    pub healthy: Option<bool>,
    /// `Completed`; None before the first pass.
    pub completed: Option<bool>,
    /// The message of `InvalidSpec`, while the spec is refused.
    pub invalid_spec: Option<String>,
}

/// The condition `Progressing`.
#[derive(Clone, Debug, PartialEq)]
pub struct Progressing {
    pub reason: ProgressingReason,
    pub message: String,
    /// In whole seconds. The progress deadline counts from here.
    pub last_update: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressingReason {
    NewReplicaSetCreated,
    FoundNewReplicaSet,
    ReplicaSetUpdated,
    NewReplicaSetAvailable,
    ProgressDeadlineExceeded,
    RolloutPaused,
    RolloutResumed,
    RolloutRetry,
    RolloutAborted,
}

/// Pods that exist, by the ReplicaSets' status at the start of the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// `replicas`
    pub created: u32,
    /// `updatedReplicas`: those of the current revision.
    pub updated: u32,
    pub available: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Before the first pass.
    #[default]
    Unknown,
    Healthy,
    Progressing,
    Paused,
    Degraded,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Healthy => "Healthy",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Degraded => "Degraded",
        }
    }
}

/// A ReplicaSet as the controller sees it: its own writes at once, the rest as it hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    pub revision: Revision,
    /// `spec.replicas`: pods wanted.
    pub replicas: u32,
    /// `status.replicas`
    pub created: u32,
    /// `status.availableReplicas`
    pub available: u32,
    /// The annotation `desired-replicas`: the Rollout's replicas when this one was scaled last.
    pub desired_replicas: u32,
    /// The annotation `revision`: how many revisions there were when it became the current one last.
    pub number: u32,
    /// In whole seconds.
    pub created_at: Instant,
    /// The annotation `scale-down-deadline`, in whole seconds.
    pub scale_down_deadline: Option<Instant>,
}

impl ReplicaSet {
    pub fn has_scale_down_deadline(&self) -> bool {
        self.scale_down_deadline.is_some()
    }

    /// What is left until the deadline; None once it has passed.
    pub fn time_to_scale_down(&self, now: Instant) -> Option<Duration> {
        let deadline = self.scale_down_deadline.filter(|deadline| *deadline > now)?;
        Some(deadline.saturating_since(now))
    }
}
