//! An alerting rule and its one alert, as Prometheus evaluates it.
//!
//! Source: *Prometheus*, Alerting rules; `rules/alerting.go`: an alert is pending from the first evaluation that shows its
//! condition, and fires at the first one that shows it `for` later. Left out: `keep_firing_for`, labels, silences and
//! inhibition; of Alertmanager there is the time until its notification.

use crate::model::metrics::Condition;
use crate::random::Distribution;
use crate::units::{Duration, Instant};
use {Effect::*, Input::*};

/// `[[alerts]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSpec {
    pub name: String,
    /// `expr`.
    pub condition: Condition,
    /// `for`.
    pub hold: Duration,
    pub evaluation_interval: Duration,
    /// From firing until somebody knows, `group_wait` at least.
    pub notification_delay: Distribution,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An evaluation, and whether it shows the condition.
    Evaluated(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    BecamePending,
    /// It was pending, and its condition is gone.
    BecameInactive,
    BecameFiring,
    WasResolved,
}

#[derive(Clone, Debug)]
pub struct Alert {
    hold: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Inactive,
    Pending(Instant),
    Firing,
}

impl Alert {
    pub fn new(hold: Duration) -> Self {
        Self { hold, phase: Phase::Inactive }
    }

    pub fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending(_))
    }

    pub fn is_firing(&self) -> bool {
        self.phase == Phase::Firing
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Option<Effect> {
        let (phase, effect) = match (self.phase, input) {
            (Phase::Inactive, Evaluated(true)) if self.hold == Duration::ZERO => (Phase::Firing, Some(BecameFiring)),
            (Phase::Inactive, Evaluated(true)) => (Phase::Pending(now), Some(BecamePending)),
            (Phase::Pending(since), Evaluated(true)) if now - since >= self.hold => (Phase::Firing, Some(BecameFiring)),
            (Phase::Pending(since), Evaluated(true)) => (Phase::Pending(since), None),
            (Phase::Pending(_), Evaluated(false)) => (Phase::Inactive, Some(BecameInactive)),
            (Phase::Firing, Evaluated(false)) => (Phase::Inactive, Some(WasResolved)),
            (Phase::Inactive, Evaluated(false)) => (Phase::Inactive, None),
            (Phase::Firing, Evaluated(true)) => (Phase::Firing, None),
        };
        self.phase = phase;
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of evaluations every 15 s.
    fn evaluate(hold: u64, shown: &[bool]) -> Vec<Option<Effect>> {
        let mut alert = Alert::new(Duration::secs(hold));
        let at = |number: usize| Instant::START + Duration::secs(15) * number as u64;
        shown.iter().enumerate().map(|(number, shown)| alert.handle(at(number), Evaluated(*shown))).collect()
    }

    #[test]
    fn it_fires_once_its_condition_has_held_so_long() {
        let effects = evaluate(30, &[false, true, true, true, true]);
        assert_eq!(effects, [None, Some(BecamePending), None, Some(BecameFiring), None]);
    }

    #[test]
    fn a_gap_begins_the_wait_anew() {
        let effects = evaluate(30, &[true, true, false, true, true]);
        assert_eq!(effects, [Some(BecamePending), None, Some(BecameInactive), Some(BecamePending), None]);
    }

    #[test]
    fn without_a_wait_it_fires_at_once() {
        assert_eq!(evaluate(0, &[true]), [Some(BecameFiring)]);
    }

    #[test]
    fn it_fires_again_after_it_was_resolved() {
        let effects = evaluate(0, &[true, false, true]);
        assert_eq!(effects, [Some(BecameFiring), Some(WasResolved), Some(BecameFiring)]);
    }
}
