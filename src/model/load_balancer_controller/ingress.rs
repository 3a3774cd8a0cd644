//! The ingress loop: from the annotation to `ModifyRule`.
//!
//! One work item per Ingress group. A change that finds the item waiting joins it; one that finds it being reconciled
//! queues it once more for when that is done. The snapshot of the Ingress is taken when the reconcile begins, so the
//! newest state at *that* moment is what the rule gets: a weight that was asked for and replaced while the item waited
//! is never sent. Source: `controllers/ingress/group_controller.go`, controller-runtime's work queue.

use crate::units::{Duration, Percent};
use {Effect::*, Input::*, State::*};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The annotation has a new canary weight.
    WeightChanged(Percent),
    /// The selector of a Service that the Ingress names has changed: nothing to modify, and yet work.
    ServiceChanged,
    /// The item's turn has come; the reconcile will take so long until `ModifyRule`.
    Start(Duration),
    /// The reconcile has come to the rules.
    Send,
    /// For [`super::QueueDiscipline::Overlap`]: this very weight is due.
    SendWeight(Percent),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The item enters the queue; answer with `Start`.
    Enqueue,
    /// Give `Send` back after the delay.
    Reconcile(Duration),
    ModifyRule(Percent),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Waiting,
    Reconciling {
        snapshot: Percent,
        /// Something changed since the snapshot.
        dirty: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Ingress {
    /// The annotation as it stands.
    observed: Percent,
    /// The rule as the controller last left it.
    sent: Percent,
    state: State,
}

impl Ingress {
    pub fn new(weight: Percent) -> Self {
        Self { observed: weight, sent: weight, state: Idle }
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let (state, effects) = match (self.state, input) {
            (_, WeightChanged(weight)) => {
                self.observed = weight;
                self.on_changed()
            }
            (_, ServiceChanged) => self.on_changed(),
            (Waiting, Start(delay)) => (Reconciling { snapshot: self.observed, dirty: false }, vec![Reconcile(delay)]),
            (Reconciling { snapshot, dirty }, Send) => {
                let mut effects = self.modify_rule(snapshot);
                effects.extend(dirty.then_some(Enqueue));
                (if dirty { Waiting } else { Idle }, effects)
            }
            (state, SendWeight(weight)) => (state, self.modify_rule(weight)),
            (Idle | Reconciling { .. }, Start(_)) | (Idle | Waiting, Send) => {
                unreachable!("{input:?} reached the ingress loop in {:?}", self.state)
            }
        };
        self.state = state;
        effects
    }

    fn on_changed(&self) -> (State, Vec<Effect>) {
        match self.state {
            Idle => (Waiting, vec![Enqueue]),
            Waiting => (Waiting, vec![]),
            Reconciling { snapshot, .. } => (Reconciling { snapshot, dirty: true }, vec![]),
        }
    }

    /// A rule that is as wanted is left alone.
    fn modify_rule(&mut self, weight: Percent) -> Vec<Effect> {
        if std::mem::replace(&mut self.sent, weight) == weight { vec![] } else { vec![ModifyRule(weight)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(weight: i64) -> Percent {
        Percent::try_from(weight).unwrap()
    }

    const TIME: Duration = Duration::secs(2);

    #[test]
    fn a_change_is_sent_when_its_turn_comes() {
        let mut ingress = Ingress::new(percent(0));
        assert_eq!(ingress.handle(WeightChanged(percent(10))), vec![Enqueue]);
        assert_eq!(ingress.handle(Start(TIME)), vec![Reconcile(TIME)]);
        assert_eq!(ingress.handle(Send), vec![ModifyRule(percent(10))]);
    }

    #[test]
    fn a_waiting_item_takes_the_newest_state() {
        let mut ingress = Ingress::new(percent(0));
        ingress.handle(WeightChanged(percent(10)));
        assert_eq!(ingress.handle(WeightChanged(percent(60))), vec![], "one item per group");
        ingress.handle(Start(TIME));
        assert_eq!(ingress.handle(Send), vec![ModifyRule(percent(60))], "10 is never sent");
    }

    #[test]
    fn a_change_during_the_reconcile_waits_for_a_whole_second_one() {
        let mut ingress = Ingress::new(percent(0));
        ingress.handle(WeightChanged(percent(10)));
        ingress.handle(Start(TIME));
        assert_eq!(ingress.handle(WeightChanged(percent(60))), vec![]);
        assert_eq!(ingress.handle(Send), vec![ModifyRule(percent(10)), Enqueue]);
        ingress.handle(Start(TIME));
        assert_eq!(ingress.handle(Send), vec![ModifyRule(percent(60))]);
    }

    #[test]
    fn a_selector_occupies_the_group_and_modifies_nothing() {
        let mut ingress = Ingress::new(percent(0));
        assert_eq!(ingress.handle(ServiceChanged), vec![Enqueue]);
        ingress.handle(Start(TIME));
        assert_eq!(ingress.handle(WeightChanged(percent(10))), vec![]);
        assert_eq!(ingress.handle(Send), vec![Enqueue]);
    }

    #[test]
    fn overlapping_changes_are_sent_one_by_one() {
        let mut ingress = Ingress::new(percent(0));
        assert_eq!(ingress.handle(SendWeight(percent(10))), vec![ModifyRule(percent(10))]);
        assert_eq!(ingress.handle(SendWeight(percent(10))), vec![]);
    }
}
