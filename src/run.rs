//! What one run produced, as plain data. Reports read it; nothing in it changes any more.

use crate::model::Revision;
use crate::model::outcome::Cause;
use crate::model::people::Verb;
use crate::units::{Duration, Instant, Share};
use std::ops::Range;

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

/// What a person, or a machine, decided about the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub by: Decider,
    /// When what a person waited for happened; with an alert, when he was told.
    pub triggered: Instant,
    /// When he knew. A machine knows at once.
    pub noticed: Instant,
    /// What he was told.
    pub alert: Option<FiredAlert>,
    pub decided: Instant,
    /// Why nothing came of it, where somebody said so.
    pub refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    Person {
        verb: Verb,
        /// Of `[[actions]]`.
        action: u32,
    },
    /// The time of the promotion stage was over, and that takes the release back.
    Promotion,
    /// The Rollouts controller, by an analysis or the progress deadline.
    RolloutsController,
}

impl Decider {
    /// A person's verb, or what else it was.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person { verb, .. } => verb.name(),
            Self::Promotion => "promotion time-out",
            Self::RolloutsController => "automatic abort",
        }
    }
}

/// An alert that somebody was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiredAlert {
    pub name: String,
    /// When it fired: the notification comes later.
    pub fired: Instant,
}

/// Something that changed which version the requests come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Instant,
    pub kind: ChangeKind,
    /// Index of the decision that led to it. None: the release itself, or a sync of Argo CD that nobody of `decisions`
    /// asked for.
    pub decision: Option<usize>,
    /// When one revision had all pods and all requests, or when the last pod knew of it. None: another change came first,
    /// or the end of the run.
    pub complete: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The workload has another pod template.
    Template(Revision),
    /// `status.abort`
    Abort,
    /// Taken back.
    Retry,
    /// What the release brought is switched off.
    FeatureDisabled,
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

/// What a request of a class came to, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Target5xx,
    Elb5xx,
    Elb404,
}

impl Answer {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Target5xx, Self::Elb5xx, Self::Elb404];

    /// Whether a pod gave it.
    #[inline]
    pub const fn is_from_target(self) -> bool {
        match self {
            Self::Ok | Self::Target5xx => true,
            Self::Elb5xx | Self::Elb404 => false,
        }
    }
}

/// The revision that the release brings. Later ones are new, too.
const NEW: usize = 2;

/// The requests of one class of traffic, and its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRecord {
    versions: usize,
    /// By second and version: counts by `Answer`.
    cells: Vec<[u32; Answer::ALL.len()]>,
    /// By second and version: users who were last answered by it, at the end of the second.
    users_on: Vec<u32>,
    /// The first users have the highest activity, if it differs.
    pub users: Vec<UserRecord>,
    /// The requests of the first users, in order of arrival.
    pub samples: Vec<SampledRequest>,
    /// Of each of them one request in so many is a sample.
    pub sampled_every: u32,
    /// Arrival of the first request that a pod of the new revision, or of a later one, answered.
    pub first_exposure: Option<Instant>,
    /// By version: arrival of the first request that a pod of it answered.
    pub first_answers: Vec<Option<Instant>>,
    /// Requests with a header that a route was made for, which came to another version than that route's.
    pub wrong_version: u64,
}

impl ClassRecord {
    pub fn new(versions: usize, users: u32) -> Self {
        Self {
            versions,
            cells: vec![],
            users_on: vec![],
            users: vec![UserRecord::default(); users as usize],
            samples: vec![],
            sampled_every: 1,
            first_exposure: None,
            first_answers: vec![None; versions],
            wrong_version: 0,
        }
    }

    /// Versions: 0 stands for "no pod", each other number for the revision.
    pub fn versions(&self) -> usize {
        self.versions
    }

    /// Requests of a second since the start of the warm-up that came to this version, by `Answer`.
    pub fn counts(&self, second: usize, version: usize) -> [u32; Answer::ALL.len()] {
        self.cells[second * self.versions + version]
    }

    /// Users who were last answered by this version, at the end of the second.
    pub fn users_on(&self, second: usize, version: usize) -> u32 {
        self.users_on[second * self.versions + version]
    }

    /// Requests of the whole run that came to this version, by `Answer`.
    pub fn total(&self, version: usize) -> [u64; Answer::ALL.len()] {
        let mut total = [0; Answer::ALL.len()];
        for cells in self.cells.iter().skip(version).step_by(self.versions) {
            for (sum, count) in total.iter_mut().zip(cells) {
                *sum += u64::from(*count);
            }
        }
        total
    }

    pub fn seconds(&self) -> usize {
        self.cells.len() / self.versions
    }

    /// Requests of the whole run, by `Answer`.
    pub fn requests(&self) -> [u64; Answer::ALL.len()] {
        self.sum(0..self.versions)
    }

    /// Those that came to the new revision, or to a later one, by `Answer`.
    pub fn requests_to_new(&self) -> [u64; Answer::ALL.len()] {
        self.sum(NEW..self.versions)
    }

    fn sum(&self, versions: Range<usize>) -> [u64; Answer::ALL.len()] {
        versions.map(|version| self.total(version)).fold([0; Answer::ALL.len()], |mut sum, total| {
            sum.iter_mut().zip(total).for_each(|(sum, count)| *sum += count);
            sum
        })
    }

    /// What the users met, all together.
    pub fn audience(&self) -> Audience {
        let mut audience = Audience { count: self.users.len() as u64, ..Audience::default() };
        for user in &self.users {
            audience.active += u64::from(user.requests > 0);
            audience.exposed += u64::from(user.is_exposed());
            audience.saw_both += u64::from(user.saw_both());
            audience.back_and_forth += u64::from(user.went_back_and_forth());
            audience.flips += u64::from(user.flips);
            audience.most_flips = audience.most_flips.max(user.flips.into());
            audience.hit_by_target_5xx += u64::from(user.target_5xx > 0);
            audience.hit_by_elb_5xx += u64::from(user.elb_5xx > 0);
            audience.hit_by_both += u64::from(user.target_5xx > 0 && user.elb_5xx > 0);
        }
        audience
    }

    /// Adds a second's books.
    pub fn close_second(&mut self, cells: &[[u32; Answer::ALL.len()]], users_on: &[u32]) {
        self.cells.extend_from_slice(cells);
        self.users_on.extend_from_slice(users_on);
    }

    /// None for the second that is still open.
    pub fn cells_mut(&mut self, second: usize, version: usize) -> Option<&mut [u32; Answer::ALL.len()]> {
        self.cells.get_mut(second * self.versions + version)
    }
}

/// The users of a class, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    pub count: u64,
    /// Who sent a request at all.
    pub active: u64,
    /// Whom the new revision, or a later one, has answered.
    pub exposed: u64,
    /// Whom more than one revision has answered.
    pub saw_both: u64,
    /// Who met a revision again after another one.
    pub back_and_forth: u64,
    /// How often another revision answered a user than the time before.
    pub flips: u64,
    /// Those of the user who had most of them.
    pub most_flips: u64,
    pub hit_by_target_5xx: u64,
    pub hit_by_elb_5xx: u64,
    /// Hit by the one and by the other.
    pub hit_by_both: u64,
}

/// What one user met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub requests: u32,
    /// How often another version answered than the time before.
    pub flips: u32,
    pub target_5xx: u32,
    pub elb_5xx: u32,
    /// The second since the start of the warm-up in which the new revision, or a later one, answered first; `u32::MAX`:
    /// never.
    pub first_exposed_s: u32,
    /// A bit for each revision that answered; the highest one stands for all beyond it, too.
    pub seen: u16,
    /// The same for those that answered with an error.
    pub failed_by: u16,
}

impl Default for UserRecord {
    fn default() -> Self {
        Self { requests: 0, flips: 0, target_5xx: 0, elb_5xx: 0, first_exposed_s: u32::MAX, seen: 0, failed_by: 0 }
    }
}

impl UserRecord {
    /// Whether the new revision, or a later one, has answered.
    pub fn is_exposed(&self) -> bool {
        self.seen >> NEW != 0
    }

    /// Whether more than one revision has answered.
    pub fn saw_both(&self) -> bool {
        self.seen.count_ones() > 1
    }

    /// Whether a revision answered again after another one had: more changes than it takes to meet each of them once.
    pub fn went_back_and_forth(&self) -> bool {
        self.flips >= self.seen.count_ones() && self.flips > 0
    }
}

/// One request of one of the users who are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampledRequest {
    pub user: u32,
    pub arrival: Instant,
    /// 0: no pod.
    pub version: u8,
    pub answer: Answer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_goes_back_and_forth_who_meets_a_version_again() {
        // The versions that answered, and the changes between them.
        for (seen, flips, back_and_forth, both) in [
            (0b010, 0, false, false),
            (0b110, 1, false, true),
            (0b110, 2, true, true),
            (0b1110, 2, false, true),
            (0b1110, 3, true, true),
            (0, 0, false, false),
        ] {
            let user = UserRecord { seen, flips, ..UserRecord::default() };
            assert_eq!((user.went_back_and_forth(), user.saw_both()), (back_and_forth, both), "{seen:b}, {flips}");
        }
    }
}
