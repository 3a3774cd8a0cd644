//! The TargetGroupBinding loop of one target group: from endpoints to `DeregisterTargets`, then `RegisterTargets`.
//!
//! One work item per TargetGroupBinding, the newest endpoints win. Surplus targets leave before missing ones come: there
//! is no make-before-break. Source: `pkg/targetgroupbinding/resource_manager.go`.

use crate::model::PodId;
use std::collections::BTreeSet;
use {Effect::*, Input::*};

/// Targets in one API call; more need several, one after the other.
const TARGETS_PER_CALL: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The `ready` endpoints, as the watch tells them.
    EndpointsChanged(BTreeSet<PodId>),
    /// The item's turn has come.
    Start,
    /// The API has accepted the call.
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The item enters the queue; answer with `Start`.
    Enqueue,
    /// Make this call; answer with `Done` when it is accepted.
    Call(ApiCall),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ApiCall {
    DeregisterTargets(Vec<PodId>),
    RegisterTargets(Vec<PodId>),
}

#[derive(Clone, Debug)]
pub struct TargetGroupBinding {
    observed: BTreeSet<PodId>,
    /// Targets that the API holds and that are not draining.
    registered: BTreeSet<PodId>,
    /// Calls of the reconcile under way, the next one last.
    calls: Vec<ApiCall>,
    queued: bool,
    reconciling: bool,
}

impl TargetGroupBinding {
    pub fn new(registered: BTreeSet<PodId>) -> Self {
        Self { observed: registered.clone(), registered, calls: vec![], queued: false, reconciling: false }
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        match input {
            EndpointsChanged(endpoints) => {
                self.observed = endpoints;
                let waits = std::mem::replace(&mut self.queued, true);
                if waits || self.reconciling { vec![] } else { vec![Enqueue] }
            }
            Start => {
                self.queued = false;
                self.reconciling = true;
                self.plan();
                self.next_call()
            }
            Done => self.next_call(),
        }
    }

    fn plan(&mut self) {
        let chunks = |targets: Vec<PodId>| -> Vec<Vec<PodId>> {
            targets.chunks(TARGETS_PER_CALL).map(<[PodId]>::to_vec).collect()
        };
        let surplus = chunks(self.registered.difference(&self.observed).copied().collect());
        let missing = chunks(self.observed.difference(&self.registered).copied().collect());
        let calls = surplus.into_iter().map(ApiCall::DeregisterTargets);
        self.calls = calls.chain(missing.into_iter().map(ApiCall::RegisterTargets)).collect();
        self.calls.reverse();
        self.registered.clone_from(&self.observed);
    }

    fn next_call(&mut self) -> Vec<Effect> {
        if let Some(call) = self.calls.pop() {
            return vec![Call(call)];
        }
        self.reconciling = false;
        if self.queued { vec![Enqueue] } else { vec![] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(ids: &[u32]) -> BTreeSet<PodId> {
        ids.iter().copied().map(PodId).collect()
    }

    fn list(ids: &[u32]) -> Vec<PodId> {
        pods(ids).into_iter().collect()
    }

    #[test]
    fn old_targets_leave_before_new_ones_come() {
        let mut binding = TargetGroupBinding::new(pods(&[1, 2]));
        assert_eq!(binding.handle(EndpointsChanged(pods(&[2, 3]))), vec![Enqueue]);
        assert_eq!(binding.handle(Start), vec![Call(ApiCall::DeregisterTargets(list(&[1])))]);
        assert_eq!(binding.handle(Done), vec![Call(ApiCall::RegisterTargets(list(&[3])))]);
        assert_eq!(binding.handle(Done), vec![]);
    }

    #[test]
    fn the_newest_endpoints_win() {
        let mut binding = TargetGroupBinding::new(pods(&[1]));
        binding.handle(EndpointsChanged(pods(&[2])));
        assert_eq!(binding.handle(EndpointsChanged(pods(&[1]))), vec![], "one item");
        assert_eq!(binding.handle(Start), vec![], "nothing is left to do");
    }

    #[test]
    fn a_change_during_a_reconcile_waits_for_the_next() {
        let mut binding = TargetGroupBinding::new(pods(&[1]));
        binding.handle(EndpointsChanged(pods(&[])));
        binding.handle(Start);
        assert_eq!(binding.handle(EndpointsChanged(pods(&[5]))), vec![]);
        assert_eq!(binding.handle(Done), vec![Enqueue]);
        assert_eq!(binding.handle(Start), vec![Call(ApiCall::RegisterTargets(list(&[5])))]);
    }

    #[test]
    fn more_than_two_hundred_targets_need_several_calls() {
        let mut binding = TargetGroupBinding::new(BTreeSet::new());
        binding.handle(EndpointsChanged((0..450).map(PodId).collect()));
        let mut sizes = vec![];
        let mut effects = binding.handle(Start);
        while let [Call(ApiCall::RegisterTargets(targets))] = effects.as_slice() {
            sizes.push(targets.len());
            effects = binding.handle(Done);
        }
        assert_eq!(sizes, [200, 200, 50]);
    }
}
