//! The EndpointSlice of one Service: `ready`, `serving` and `terminating`, as watchers hear them.
//!
//! Follows `pkg/controller/endpointslice` of Kubernetes 1.35. Every change wakes the controller; changes that come
//! while it is awake are in the same write. Left out: the retry, 1 s later, of a write that found a stale cache;
//! `publishNotReadyAddresses`; the limit of 100 endpoints a slice (watchers join the slices anyway).

use crate::model::{PodId, Revision};
use std::collections::{BTreeMap, BTreeSet};
use {Effect::*, Input::*};

/// What the API says of a pod, as far as an EndpointSlice cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conditions {
    pub revision: Revision,
    /// The pod's Ready condition; it stays as it is when the pod is deleted.
    pub serving: bool,
    pub terminating: bool,
    /// One of its readiness gates is not True.
    pub awaits_gates: bool,
}

impl Conditions {
    fn ready(self) -> bool {
        self.serving && !self.terminating
    }

    /// Not `ready`, and yet somebody's business.
    fn is_gated(self) -> bool {
        self.awaits_gates && !self.terminating
    }
}

/// What a slice says, as far as anybody listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoints {
    pub ready: BTreeSet<PodId>,
    /// Endpoints that a readiness gate keeps from being `ready`. Others that are not `ready` concern nobody.
    pub gated: BTreeSet<PodId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// `spec.selector` of the Service has a new pod-template hash.
    SelectorChanged(Revision),
    PodChanged(PodId, Conditions),
    PodRemoved(PodId),
    SyncDue,
    /// `spec.selector` has no pod-template hash any more.
    SelectorRemoved,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run the controller's work item and let the watchers hear of it; answer with `SyncDue`.
    SyncSoon,
    /// The slice as it is now written.
    Publish(Endpoints),
}

#[derive(Clone, Debug)]
pub struct EndpointSlice {
    /// None selects the pods of every revision.
    selector: Option<Revision>,
    pods: BTreeMap<PodId, Conditions>,
    published: Endpoints,
    sync_queued: bool,
}

impl EndpointSlice {
    pub fn new(selector: Option<Revision>, pods: BTreeMap<PodId, Conditions>) -> Self {
        let mut slice = Self { selector, pods, published: Endpoints::default(), sync_queued: false };
        slice.published = slice.endpoints();
        slice
    }

    /// The endpoints that are `ready`, by the pods and the selector of this moment.
    pub fn ready(&self) -> BTreeSet<PodId> {
        self.chosen(Conditions::ready)
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints { ready: self.ready(), gated: self.chosen(Conditions::is_gated) }
    }

    fn chosen(&self, has: fn(Conditions) -> bool) -> BTreeSet<PodId> {
        let chosen = self.pods.iter().filter(|(_, pod)| self.selects(pod.revision) && has(**pod));
        chosen.map(|(id, _)| *id).collect()
    }

    /// Whether the Service selects the pods of a revision, by its selector of this moment.
    pub fn selects(&self, revision: Revision) -> bool {
        self.selector.is_none_or(|selector| selector == revision)
    }

    /// The endpoints that are `ready`, as they are written.
    pub fn published(&self) -> &BTreeSet<PodId> {
        &self.published.ready
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let relevant = match input {
            SelectorChanged(revision) => self.selector.replace(revision) != Some(revision),
            SelectorRemoved => self.selector.take().is_some(),
            PodChanged(id, pod) => self.pods.insert(id, pod) != Some(pod) && self.selects(pod.revision),
            PodRemoved(id) => self.pods.remove(&id).is_some_and(|pod| self.selects(pod.revision)),
            SyncDue => return self.on_sync(),
        };
        if relevant && !std::mem::replace(&mut self.sync_queued, true) { vec![SyncSoon] } else { vec![] }
    }

    fn on_sync(&mut self) -> Vec<Effect> {
        self.sync_queued = false;
        let endpoints = self.endpoints();
        if endpoints == self.published {
            return vec![];
        }
        self.published.clone_from(&endpoints);
        vec![Publish(endpoints)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(revision: u32, serving: bool, terminating: bool) -> Conditions {
        Conditions { revision: Revision(revision), serving, terminating, awaits_gates: false }
    }

    fn ids(ids: &[u32]) -> BTreeSet<PodId> {
        ids.iter().copied().map(PodId).collect()
    }

    fn slice() -> EndpointSlice {
        let pods = [(PodId(0), pod(1, true, false)), (PodId(1), pod(1, true, false)), (PodId(2), pod(2, true, false))];
        EndpointSlice::new(Some(Revision(1)), pods.into())
    }

    fn publishes(slice: &mut EndpointSlice, input: Input, expected: &[u32]) {
        assert_eq!(slice.handle(input), vec![SyncSoon]);
        let endpoints = Endpoints { ready: ids(expected), ..Endpoints::default() };
        assert_eq!(slice.handle(SyncDue), vec![Publish(endpoints)]);
    }

    #[test]
    fn a_terminating_pod_is_not_ready_although_it_serves() {
        publishes(&mut slice(), PodChanged(PodId(0), pod(1, true, true)), &[1]);
    }

    #[test]
    fn a_selector_exchanges_all_endpoints() {
        publishes(&mut slice(), SelectorChanged(Revision(2)), &[2]);
    }

    #[test]
    fn changes_in_quick_succession_are_one_write() {
        let mut slice = slice();
        assert_eq!(slice.handle(PodChanged(PodId(0), pod(1, true, true))), vec![SyncSoon]);
        assert_eq!(slice.handle(PodChanged(PodId(1), pod(1, false, false))), vec![]);
        assert_eq!(slice.handle(SyncDue), vec![Publish(Endpoints::default())]);
    }

    #[test]
    fn pods_of_another_revision_wake_nobody() {
        assert_eq!(slice().handle(PodChanged(PodId(2), pod(2, false, false))), vec![]);
        assert_eq!(slice().handle(PodRemoved(PodId(2))), vec![]);
    }

    #[test]
    fn a_write_that_changes_nothing_for_watchers_is_not_heard() {
        let mut slice = slice();
        slice.handle(PodChanged(PodId(0), pod(1, true, true)));
        slice.handle(SyncDue);
        assert_eq!(slice.handle(PodChanged(PodId(0), pod(1, false, true))), vec![SyncSoon], "serving fell");
        assert_eq!(slice.handle(SyncDue), vec![]);
    }

    #[test]
    fn a_gated_pod_is_heard_of_before_it_is_ready() {
        let mut slice = slice();
        let gated = Conditions { awaits_gates: true, ..pod(1, false, false) };
        let told = |ready: &[u32], gated: &[u32]| vec![Publish(Endpoints { ready: ids(ready), gated: ids(gated) })];
        assert_eq!(slice.handle(PodChanged(PodId(3), gated)), vec![SyncSoon]);
        assert_eq!(slice.handle(SyncDue), told(&[0, 1], &[3]));
        slice.handle(PodChanged(PodId(3), pod(1, true, false)));
        assert_eq!(slice.handle(SyncDue), told(&[0, 1, 3], &[]), "its gates have passed");
        slice.handle(PodChanged(PodId(4), gated));
        slice.handle(PodChanged(PodId(4), Conditions { terminating: true, ..gated }));
        assert_eq!(slice.handle(SyncDue), vec![], "one that terminates is no endpoint to wait for");
    }
}
