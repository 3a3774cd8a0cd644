//! The alerting rules: what monitoring shows them, and who is told.

use super::Simulation;
use super::event::Event;
use crate::model::alert::{Alert, AlertSpec, Effect, Input};
use crate::model::people::Trigger;
use crate::random::{Random, Stream};
use crate::scenario::Scenario;
use crate::units::Instant;

/// One rule, and its alert.
pub struct Rule<'a> {
    spec: &'a AlertSpec,
    alert: Alert,
    random: Random,
    /// A notification is on its way.
    is_under_way: bool,
}

impl<'a> Rule<'a> {
    pub fn all(scenario: &'a Scenario, seed: u64) -> Vec<Self> {
        let rule = |(number, spec): (u32, &'a AlertSpec)| Self {
            spec,
            alert: Alert::new(spec.hold),
            random: Random::new(seed, Stream::Notification, number),
            is_under_way: false,
        };
        (0..).zip(&scenario.alerts).map(rule).collect()
    }
}

impl Simulation<'_> {
    /// People look from the release on, and so do the rules: what the warm-up shows is no news.
    pub(super) fn plan_alerts(&mut self) {
        for (index, rule) in (0..).zip(&self.alerts) {
            self.queue.schedule(self.release + rule.spec.evaluation_interval, Event::EvaluateAlert(index));
        }
    }

    pub(super) fn evaluate_alert(&mut self, now: Instant, index: u32) {
        let versions = self.versions();
        let rule = &mut self.alerts[index as usize];
        let is_shown = self.tally.metrics().holds(&rule.spec.condition, now, versions);
        let effect = rule.alert.handle(now, Input::Evaluated(is_shown));
        let (name, next) = (&rule.spec.name, now + rule.spec.evaluation_interval);
        let event = effect.map(|effect| match effect {
            Effect::BecamePending => "Pending",
            Effect::BecameInactive => "Inactive",
            Effect::BecameFiring => "Firing",
            Effect::WasResolved => "Resolved",
        });
        // One that is resolved and fires again goes out with the group that waits.
        if effect == Some(Effect::BecameFiring) && !rule.is_under_way {
            let delay = rule.random.draw(&rule.spec.notification_delay);
            rule.is_under_way = true;
            self.queue.schedule(now + delay, Event::Notification(index));
            self.decisions.fired(now, index, now + delay);
        }
        if let Some(event) = event {
            self.log(now, "alert", event, name, "");
        }
        if self.somebody_is_alerted() {
            self.go_on();
        }
        self.queue.schedule(next, Event::EvaluateAlert(index));
        self.end_if_over(now);
    }

    /// Nobody is told of an alert that is resolved by then: Alertmanager sends a resolved one only after a firing one.
    pub(super) fn notify(&mut self, now: Instant, index: u32) {
        let rule = &mut self.alerts[index as usize];
        rule.is_under_way = false;
        if rule.alert.is_firing() {
            let name = &rule.spec.name;
            self.log(now, "alert", "Notified", name, "");
            self.begin_actions(|trigger| (trigger == Trigger::Alert(index)).then_some(now));
        }
        self.end_if_over(now);
    }

    /// Whether somebody is going to be told, who then does something.
    pub(super) fn somebody_is_alerted(&self) -> bool {
        let is_near = |rule: &Rule<'_>| rule.alert.is_pending() || rule.is_under_way;
        let mut rules = (0..).zip(&self.alerts);
        rules.any(|(index, rule)| is_near(rule) && self.people.wait_for(Trigger::Alert(index)))
    }
}
