//! What one run produced, as plain data. Reports read it; nothing in it changes any more.

mod classes;
mod decisions;

pub use classes::{Answer, Audience, ClassRecord, SampledRequest, UserRecord};
pub use decisions::{Change, ChangeKind, Decider, Decision, FiredAlert};

use crate::model::Revision;
use crate::model::outcome::Cause;
use crate::units::{Duration, Instant, Share};

/// One run of one scenario under one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub seed: u64,
    /// Folds every event of the control plane and the outcome of every request.
    pub fingerprint: u64,
    /// When the release began: t = 0 of every report. Before it lies the warm-up.
    pub release: Instant,
    /// The last instant: no request arrives at or after it.
    pub end: Instant,
    /// One entry per second since the start of the warm-up.
    pub seconds: Vec<Second>,
    /// The control plane's story, in order of time.
    pub events: Vec<LogEntry>,
    pub requests: Requests,
    /// Indexed by `Cause::index`.
    pub causes: [CauseCount; Cause::ALL.len()],
    /// The seconds in which requests failed, in order.
    pub failures: Vec<FailingSecond>,
    pub steps: Vec<StepRecord>,
    pub rollout: RolloutRecord,
    /// On what a release waits that was not over when the run ended, in words.
    pub waits_for: Option<String>,
    pub pods: Pods,
    pub latency: Latency,
    /// ALB nodes: `Second::weight_effective` is a sum over them.
    pub nodes: u32,
    /// By class of traffic; empty without classes.
    pub classes: Vec<ClassRecord>,
    /// What somebody decided about the release, in order of time.
    pub decisions: Vec<Decision>,
    /// What that, and others, changed about it, in order of time.
    pub changes: Vec<Change>,
    /// Revisions that were built from the code of another one: (which, whose).
    pub built_from: Vec<(Revision, Revision)>,
    /// Copies of requests that a mirror route sent to the canary, and how many of them it did not answer well.
    pub mirrored: Mirrored,
    /// Each request, in order of arrival. Only filled when the run was asked for it.
    pub trace: Option<Vec<TracedRequest>>,
}

/// So many seconds in which requests failed, and what happened in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The first of them, counted from the start of the warm-up.
    pub first: usize,
    pub seconds: u64,
    pub elb_5xx: u64,
    pub requests: u64,
}

impl Stretch {
    /// ELB 5xx ÷ requests.
    pub fn share(self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.elb_5xx as f64 / self.requests as f64 }
    }
}

impl Run {
    /// Who brought the pod template that the workload has had since then. None: no decision did.
    pub fn template_by(&self, at: Instant) -> Option<&Decision> {
        let is_it = |change: &&Change| change.at == at && matches!(change.kind, ChangeKind::Template(_));
        self.changes.iter().find(is_it).and_then(|change| self.decision_of(change))
    }

    pub fn decision_of(&self, change: &Change) -> Option<&Decision> {
        change.decision.map(|index| &self.decisions[index])
    }

    /// Whose code a revision runs.
    pub fn code_of(&self, revision: Revision) -> Revision {
        self.built_from.iter().find(|(which, _)| *which == revision).map_or(revision, |(_, whose)| *whose)
    }

    /// All seconds with an ELB 5xx.
    pub fn failing_seconds(&self) -> Stretch {
        let failing = self.seconds.iter().enumerate().filter(|(_, second)| second.elb_5xx() > 0);
        failing.fold(Stretch::default(), |sum, (row, second)| Stretch {
            first: if sum.seconds == 0 { row } else { sum.first },
            seconds: sum.seconds + 1,
            elb_5xx: sum.elb_5xx + u64::from(second.elb_5xx()),
            requests: sum.requests + u64::from(second.requests),
        })
    }

    /// The ten seconds in a row with the highest share of ELB 5xx, the first of equals. None without an error.
    pub fn worst_ten_seconds(&self) -> Option<Stretch> {
        let length = self.seconds.len().min(10);
        let (mut errors, mut requests) = (0u64, 0u64);
        let mut worst = Stretch { requests: 1, ..Stretch::default() };
        for (row, second) in self.seconds.iter().enumerate() {
            errors += u64::from(second.elb_5xx());
            requests += u64::from(second.requests);
            if row >= length {
                errors -= u64::from(self.seconds[row - length].elb_5xx());
                requests -= u64::from(self.seconds[row - length].requests);
            }
            // Fractions are compared crosswise: no rounding decides between two windows.
            let is_worse =
                u128::from(errors) * u128::from(worst.requests) > u128::from(worst.elb_5xx) * u128::from(requests);
            if row + 1 >= length && is_worse {
                worst = Stretch { first: row + 1 - length, seconds: length as u64, elb_5xx: errors, requests };
            }
        }
        (worst.elb_5xx > 0).then_some(worst)
    }
}

/// One simulated second. A request counts in the second in which it arrived, whenever its answer came, so each row adds
/// up. The control plane's figures hold at the end of the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    pub requests: u32,
    pub ok: u32,
    pub elb_502: u32,
    pub elb_503: u32,
    pub elb_504: u32,
    pub elb_404: u32,
    pub target_5xx: u32,
    /// Response time of the requests that a target answered, in microseconds; 0 without such a request.
    pub latency_p50_us: u32,
    pub latency_p99_us: u32,
    /// The canary weight in the Ingress annotation, in hundredths of a percent.
    pub weight_requested: u16,
    /// The canary weights by which the ALB nodes route, added up over the nodes, in hundredths of a percent.
    pub weight_effective_sum: u32,
    /// Pods by ReplicaSet: ready and not terminating. "Stable" is the revision that was stable before the release,
    /// "canary" the one that the release brings, also after it has been promoted.
    pub stable_serving: u16,
    pub canary_serving: u16,
    /// Deleted, but not yet removed.
    pub terminating: u16,
    /// Created and not yet removed, terminating ones included.
    pub pods_total: u16,
}

impl Second {
    pub fn elb_5xx(&self) -> u32 {
        self.elb_502 + self.elb_503 + self.elb_504
    }
}

/// Detail of a `FeatureDisabled` of a pod that has started after the feature was switched off.
pub const FROM_ITS_START: &str = "from its start";

/// One event of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub at: Instant,
    /// rollouts-controller, deployment-controller, horizontal-pod-autoscaler, analysis, replica-set, pod, endpoint-slice,
    /// load-balancer-controller, load-balancer, people.
    pub component: &'static str,
    pub event: &'static str,
    pub object: String,
    pub detail: String,
}

/// `total` = `ok` + `elb_502` + `elb_503` + `elb_504` + `elb_404` + `target_5xx`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub total: u64,
    pub ok: u64,
    pub elb_502: u64,
    pub elb_503: u64,
    pub elb_504: u64,
    /// No rule of the listener took the request.
    pub elb_404: u64,
    pub target_5xx: u64,
}

impl Requests {
    pub fn elb_5xx(&self) -> u64 {
        self.elb_502 + self.elb_503 + self.elb_504
    }
}

/// A second of `Run::seconds` with its ELB 5xx by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailingSecond {
    pub row: u32,
    /// Indexed by `Cause::index`.
    pub causes: [u32; Cause::ALL.len()],
}

/// How often a cause struck; `first` and `last` are arrivals of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CauseCount {
    pub count: u64,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
}

/// One entry of `canary.steps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    pub index: usize,
    /// As the scenario writes it: `setWeight 90`, `pause 60s`.
    pub step: String,
    pub started: Option<Instant>,
    pub completed: Option<Instant>,
    /// The canary weight asked for while this step is in force: that of the nearest `setWeight`, at the step or before.
    pub weight_requested: Share,
    /// For a `setWeight`: when the weight was written into the Ingress annotation, or the start of the step if it was
    /// there already.
    pub weight_asked: Option<Instant>,
    /// For a `setWeight`: when the last ALB node routed by it. None for other steps, and when it never happened.
    pub weight_effective: Option<Instant>,
    /// Pods that the ReplicaSets were told to have, when the step was over and the controller had come to rest.
    pub stable_pods: u32,
    pub canary_pods: u32,
    /// ELB 5xx of the requests that arrived from this step's start to the next one's.
    pub elb_5xx: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutOutcome {
    /// The new revision is the stable one.
    Promoted,
    Aborted,
    /// Waits at a pause without a duration.
    Paused,
    Degraded,
    /// Not over when the run ended.
    Running,
}

impl RolloutOutcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Aborted => "aborted",
            Self::Paused => "paused",
            Self::Degraded => "degraded",
            Self::Running => "running",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutRecord {
    pub outcome: RolloutOutcome,
    /// When `status.stableRS` became the new revision.
    pub promoted: Option<Instant>,
    /// When the release was aborted last, by a person or by the controller, or when a template that brought the stable
    /// revision back had done so. None after a retry.
    pub aborted: Option<Instant>,
    /// When a pod template took the release back last: by `undo`, or by a commit. None once a step has begun after it.
    pub undone: Option<Instant>,
    /// When the last pod of the revision that was stable before was removed. None while there is one.
    pub stable_gone: Option<Instant>,
    /// From the first new template to the promotion or the abort that was the end of it, else to the end of the run.
    pub duration: Duration,
    /// ELB 5xx of the requests that arrived after the last step was completed.
    pub elb_5xx_after_last_step: u64,
    /// ELB 5xx of the requests that arrived after an abort, until a retry.
    pub elb_5xx_after_abort: u64,
    /// When the steps began anew last, by a retry or by another template.
    pub began_anew: Option<Instant>,
    /// ELB 5xx of the requests that arrived before that, since the first step began.
    pub elb_5xx_superseded: u64,
    /// ELB 5xx of the requests that arrived after that, until a step begins.
    pub elb_5xx_after_undo: u64,
}

/// What the release cost. A pod counts from its creation until its object is removed, terminating included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    pub peak: u32,
    /// The sum over all pods of the time each existed.
    pub pod_time: Duration,
    /// `spec.replicas` × simulated time: what no release would have cost.
    pub steady_pod_time: Duration,
}

impl Pods {
    /// What the release cost beyond the steady state, in seconds; negative if there were fewer pods.
    pub fn extra_pod_seconds(&self) -> f64 {
        self.pod_time.as_secs_f64() - self.steady_pod_time.as_secs_f64()
    }
}

/// Response times of the requests that a target answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    pub p50: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub p999: Duration,
    pub max: Duration,
}

/// One request of a traced run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedRequest {
    pub arrival: Instant,
    pub outcome: crate::model::outcome::Outcome,
    /// When the client had its answer.
    pub answered: Instant,
    /// From arrival to the start of the work; zero unless a target worked on it.
    pub waited: Duration,
    /// Of the pod that it was sent to.
    pub version: Option<Revision>,
    /// Of its class; `u32::MAX` where nobody asks.
    pub user: u32,
    pub class: u8,
}

/// Copies of requests, whose answers nobody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    pub requests: u64,
    pub target_5xx: u64,
    /// Nobody took the copy.
    pub lost: u64,
}
