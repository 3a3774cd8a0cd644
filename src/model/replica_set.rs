//! One ReplicaSet and its controller: wanted and actual pods, and which pod goes first.
//!
//! Follows `pkg/controller/replicaset/replica_set.go` and `pkg/controller/controller_utils.go` of Kubernetes 1.35.
//! Left out: failed writes and their retries, the client's rate limit (it binds above 30 pods at once), the limit of 500
//! writes a sync, the wait until deletions have been seen, the annotation `pod-deletion-cost`.

use crate::model::PodId;
use crate::units::{Duration, Instant};
use std::cmp::{Ordering, Reverse};
use {Effect::*, Input::*};

/// `status` of a ReplicaSet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status {
    /// `replicas`: pods that exist and are not terminating.
    pub created: u32,
    /// `availableReplicas`: ready for `minReadySeconds`.
    pub available: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Scale(u32),
    /// The controller's work item runs. `pods_on_node`: active pods of every ReplicaSet of the same owner, by node.
    Sync {
        pods_on_node: Vec<u32>,
    },
    /// A batch of pods was written.
    Created(Vec<NewPod>),
    Scheduled(PodId, u32),
    /// The pod's phase is Running.
    Started(PodId),
    Ready(PodId, bool),
    MinReadyOver(PodId),
    /// Somebody else deleted the pod.
    Evicted(PodId),
    /// The pod's container was started again.
    Restarted(PodId),
    StatusDue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NewPod {
    pub id: PodId,
    /// Breaks ties as the UID does in the API server: at random.
    pub uid: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run the controller's work item; answer with `Sync`.
    SyncSoon,
    /// Write so many pods at once; answer with `Created`.
    Create(u32),
    Delete(Vec<PodId>),
    /// Answer with `MinReadyOver` after `minReadySeconds` and the `availability_check`.
    AwaitMinReady(PodId, Duration),
    /// The status changed; answer with `StatusDue`.
    StatusSoon,
    /// What the owner hears.
    Publish(Status),
}

#[derive(Clone, Debug)]
pub struct ReplicaSet {
    /// `spec.replicas`.
    replicas: u32,
    min_ready: Duration,
    pods: Vec<Member>,
    sync_queued: bool,
    status_queued: bool,
    /// Pods still to be written, and the size of the batch under way.
    to_create: u32,
    batch: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    id: PodId,
    uid: u64,
    node: Option<u32>,
    running: bool,
    created: Instant,
    ready: Option<Instant>,
    available: bool,
    /// Of its container.
    restarts: u32,
}

impl ReplicaSet {
    pub fn new(min_ready: Duration) -> Self {
        Self { replicas: 0, min_ready, pods: vec![], sync_queued: false, status_queued: false, to_create: 0, batch: 0 }
    }

    /// A ReplicaSet whose pods have been available since the start of the run.
    pub fn established(min_ready: Duration, pods: impl Iterator<Item = (NewPod, u32)>) -> Self {
        let member = |(pod, node): (NewPod, u32)| Member {
            id: pod.id,
            uid: pod.uid,
            node: Some(node),
            running: true,
            created: Instant::START,
            ready: Some(Instant::START),
            available: true,
            restarts: 0,
        };
        let pods: Vec<_> = pods.map(member).collect();
        let replicas = u32::try_from(pods.len()).expect("pods are counted in u32");
        Self { replicas, pods, ..Self::new(min_ready) }
    }

    pub fn status(&self) -> Status {
        let count = |pods: usize| u32::try_from(pods).expect("pods are counted in u32");
        Status {
            created: count(self.pods.len()),
            available: count(self.pods.iter().filter(|pod| pod.available).count()),
        }
    }

    /// The nodes of the active pods.
    pub fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.pods.iter().filter_map(|pod| pod.node)
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Scale(replicas) => {
                self.replicas = replicas;
                self.sync_soon()
            }
            Sync { pods_on_node } => {
                self.sync_queued = false;
                self.on_sync(now, &pods_on_node)
            }
            Created(pods) => self.on_created(now, &pods),
            Scheduled(pod, node) => {
                self.with(pod, |member| member.node = Some(node));
                vec![]
            }
            Started(pod) => {
                self.with(pod, |member| member.running = true);
                vec![]
            }
            Ready(pod, ready) => self.on_ready(now, pod, ready),
            MinReadyOver(pod) => self.on_min_ready_over(now, pod),
            Evicted(pod) => {
                self.pods.retain(|member| member.id != pod);
                self.status_soon().into_iter().chain(self.sync_soon()).collect()
            }
            Restarted(pod) => {
                self.with(pod, |member| member.restarts += 1);
                vec![]
            }
            StatusDue => {
                self.status_queued = false;
                vec![Publish(self.status())]
            }
        }
    }

    fn sync_soon(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.sync_queued, true) { vec![] } else { vec![SyncSoon] }
    }

    fn status_soon(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.status_queued, true) { vec![] } else { vec![StatusSoon] }
    }

    fn with(&mut self, pod: PodId, change: impl FnOnce(&mut Member)) {
        // A pod that is terminating is not counted any more.
        if let Some(member) = self.pods.iter_mut().find(|member| member.id == pod) {
            change(member);
        }
    }

    fn on_sync(&mut self, now: Instant, pods_on_node: &[u32]) -> Vec<Effect> {
        if self.to_create > 0 {
            // The controller waits until it has seen all it created; the last batch queues the next look.
            return vec![];
        }
        let actual = self.status().created;
        if actual < self.replicas {
            self.to_create = self.replicas - actual;
            self.batch = 1;
            return vec![Create(1)];
        }
        let surplus = (actual - self.replicas) as usize;
        if surplus == 0 {
            return vec![];
        }
        let victims = (0..surplus).map(|_| self.remove_first(now, pods_on_node)).collect();
        let mut effects = vec![Delete(victims)];
        effects.extend(self.status_soon());
        effects
    }

    /// Takes out the pod that is deleted first.
    fn remove_first(&mut self, now: Instant, pods_on_node: &[u32]) -> PodId {
        // Not a sort: the order of two pods is no total order, since the UID comes in at two ranks.
        let pods = self.pods.iter().enumerate();
        let first = pods.min_by(|(_, a), (_, b)| deleted_first(a, b, now, pods_on_node)).map(|(index, _)| index);
        self.pods.remove(first.expect("there is a surplus")).id
    }

    /// Slow start: batches of 1, 2, 4, 8 …, the next when the whole batch has been written.
    fn on_created(&mut self, now: Instant, pods: &[NewPod]) -> Vec<Effect> {
        let member = |pod: &NewPod| Member {
            id: pod.id,
            uid: pod.uid,
            node: None,
            running: false,
            created: now,
            ready: None,
            available: false,
            restarts: 0,
        };
        self.pods.extend(pods.iter().map(member));
        self.to_create -= self.batch;
        self.batch = (self.batch * 2).min(self.to_create);
        let mut effects = if self.to_create > 0 { vec![Create(self.batch)] } else { self.sync_soon() };
        effects.extend(self.status_soon());
        effects
    }

    fn on_ready(&mut self, now: Instant, pod: PodId, ready: bool) -> Vec<Effect> {
        let min_ready = self.min_ready;
        self.with(pod, |member| {
            member.ready = ready.then_some(now);
            member.available = ready && min_ready == Duration::ZERO;
        });
        let mut effects = self.status_soon();
        if ready && min_ready > Duration::ZERO {
            effects.push(AwaitMinReady(pod, min_ready));
        }
        effects
    }

    fn on_min_ready_over(&mut self, now: Instant, pod: PodId) -> Vec<Effect> {
        let min_ready = self.min_ready;
        // A pod that was unready meanwhile has a later timer of its own.
        self.with(pod, |member| member.available = member.ready.is_some_and(|since| now - since >= min_ready));
        self.status_soon()
    }
}

/// Which of two pods is deleted first. Source: `controller_utils.go:ActivePodsWithRanks`.
fn deleted_first(a: &Member, b: &Member, now: Instant, pods_on_node: &[u32]) -> Ordering {
    let rank = |pod: &Member| {
        let crowd = pod.node.map_or(0, |node| pods_on_node[node as usize]);
        (pod.node.is_some(), pod.running, pod.ready.is_some(), Reverse(crowd))
    };
    // The younger, the earlier gone, but only to within a factor of two: then the UID decides.
    let by_age = |a: Instant, b: Instant| log2_bucket(now - a).cmp(&log2_bucket(now - b));
    let then = match (a.ready, b.ready) {
        (Some(a), Some(b)) if a != b => by_age(a, b),
        // Of containers that started again, the one that did so more often goes first.
        (Some(_) | None, Some(_) | None) => b.restarts.cmp(&a.restarts).then(by_age(a.created, b.created)),
    };
    rank(a).cmp(&rank(b)).then(then).then(a.uid.cmp(&b.uid))
}

/// `floor(log2(nanoseconds))`, and -1 for no time at all.
fn log2_bucket(age: Duration) -> i32 {
    age.as_nanos().checked_ilog2().map_or(-1, |bucket| i32::try_from(bucket).expect("at most 63"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    fn member(id: u32, node: Option<u32>, ready: Option<u64>, uid: u64) -> Member {
        Member {
            id: PodId(id),
            uid,
            node,
            running: true,
            created: at(0),
            ready: ready.map(at),
            available: ready.is_some(),
            restarts: 0,
        }
    }

    fn sync(set: &mut ReplicaSet, now: Instant, pods_on_node: &[u32]) -> Vec<Effect> {
        set.handle(now, Sync { pods_on_node: pods_on_node.to_vec() })
    }

    #[test]
    fn pods_are_created_in_batches_that_double() {
        let mut set = ReplicaSet::new(Duration::ZERO);
        assert_eq!(set.handle(at(0), Scale(10)), vec![SyncSoon]);
        let mut effects = sync(&mut set, at(0), &[]);
        let (mut batches, mut next) = (vec![], 0);
        while let Some(count) = effects.iter().find_map(|effect| match effect {
            Create(count) => Some(*count),
            SyncSoon | Delete(_) | AwaitMinReady(..) | StatusSoon | Publish(_) => None,
        }) {
            batches.push(count);
            let pods = (next..next + count).map(|id| NewPod { id: PodId(id), uid: 0 }).collect();
            next += count;
            effects = set.handle(at(0), Created(pods));
        }
        assert_eq!(batches, [1, 2, 4, 3]);
        assert_eq!(set.status(), Status { created: 10, available: 0 });
        assert!(effects.contains(&SyncSoon), "it looks again when the last batch is written");
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        // Pods (id, node, ready since, uid), pods on each node -> who goes first at t = 700.
        let cases: [(&str, Vec<Member>, &[u32], u32); 6] = [
            ("unassigned before assigned", vec![member(0, Some(0), None, 1), member(1, None, None, 2)], &[1], 1),
            ("unready before ready", vec![member(0, Some(0), Some(1), 1), member(1, Some(0), None, 2)], &[2], 1),
            (
                "the crowded node before the empty one",
                vec![member(0, Some(0), Some(1), 1), member(1, Some(1), Some(1), 2)],
                &[1, 4],
                1,
            ),
            (
                "ready for 60 s before ready for 600 s",
                vec![member(0, Some(0), Some(100), 1), member(1, Some(0), Some(640), 2)],
                &[2],
                1,
            ),
            (
                "600 s and 700 s are alike: the smaller UID",
                vec![member(0, Some(0), Some(100), 9), member(1, Some(0), Some(0), 2)],
                &[2],
                1,
            ),
            (
                "the UID again, the other way round",
                vec![member(0, Some(0), Some(100), 2), member(1, Some(0), Some(0), 9)],
                &[2],
                0,
            ),
        ];
        for (name, pods, pods_on_node, first) in cases {
            let mut set = ReplicaSet { pods, ..ReplicaSet::new(Duration::ZERO) };
            set.handle(at(700), Scale(1));
            let effects = sync(&mut set, at(700), pods_on_node);
            assert_eq!(effects[0], Delete(vec![PodId(first)]), "{name}");
        }
    }

    #[test]
    fn pods_ready_alike_go_by_uid_even_if_one_is_much_younger() {
        // Created 600 s and 30 s ago, ready 20 s and 18 s ago: the same bucket, so the creation is not asked.
        let old = Member { created: at(100), ..member(0, Some(0), Some(680), 1) };
        let young = Member { created: at(670), ..member(1, Some(0), Some(682), 2) };
        let mut set = ReplicaSet { pods: vec![old, young], ..ReplicaSet::new(Duration::ZERO) };
        set.handle(at(700), Scale(1));
        assert_eq!(sync(&mut set, at(700), &[2])[0], Delete(vec![PodId(0)]));
    }

    #[test]
    fn a_pending_pod_goes_before_a_running_one() {
        let pulling = Member { running: false, ..member(1, Some(0), None, 9) };
        let mut set =
            ReplicaSet { pods: vec![member(0, Some(0), None, 1), pulling], ..ReplicaSet::new(Duration::ZERO) };
        set.handle(at(700), Scale(1));
        assert_eq!(sync(&mut set, at(700), &[2])[0], Delete(vec![PodId(1)]));
    }

    #[test]
    fn the_published_bucket_edges_hold() {
        for (seconds, bucket) in [(1.08, 30), (34.3, 34), (34.4, 35), (137.5, 37), (600.0, 39), (700.0, 39)] {
            assert_eq!(log2_bucket(Duration::from_secs_f64(seconds)), bucket, "{seconds} s");
        }
        assert_eq!(log2_bucket(Duration::ZERO), -1);
    }

    #[test]
    fn a_pod_is_available_after_min_ready_without_a_break() {
        let mut set = ReplicaSet::new(Duration::secs(10));
        set.pods = vec![member(0, Some(0), None, 1)];
        set.handle(at(1), Ready(PodId(0), true));
        set.handle(at(5), Ready(PodId(0), false));
        set.handle(at(8), Ready(PodId(0), true));
        set.handle(at(11), MinReadyOver(PodId(0)));
        assert_eq!(set.status().available, 0, "the clock was restarted at 8");
        set.handle(at(18), MinReadyOver(PodId(0)));
        assert_eq!(set.status().available, 1);
    }
}
