//! What a pod answers with: the code of its revision, as its feature flags stand.

use super::event::Event;
use super::{STABLE, Simulation};
use crate::model::load_balancer::data_plane::Command;
use crate::model::{PodId, Revision};
use crate::random::{Random, Stream};
use crate::run::{ChangeKind, FROM_ITS_START};
use crate::units::Instant;
use std::collections::BTreeMap;

/// Whose code each revision of the pod template runs.
#[derive(Debug, Default)]
pub struct Code {
    /// Of revisions that were built from the code of another one.
    sources: BTreeMap<Revision, Revision>,
    /// What the release brings is switched off.
    feature_is_disabled: bool,
    /// Pods that have not heard of it.
    unaware: u32,
}

impl Code {
    pub fn of(&self, revision: Revision) -> Revision {
        *self.sources.get(&revision).unwrap_or(&revision)
    }

    pub fn is_changing(&self) -> bool {
        self.unaware > 0
    }

    /// (Which, whose).
    pub fn into_records(self) -> Vec<(Revision, Revision)> {
        self.sources.into_iter().collect()
    }

    pub fn is_built_from(&mut self, revision: Revision, source: Revision) {
        self.sources.insert(revision, source);
    }
}

impl Simulation<'_> {
    /// A pod that starts now reads the flag as it stands.
    pub(super) fn begin_behaviour(&mut self, now: Instant, pod: PodId, revision: Revision) {
        let code = self.code.of(revision);
        let is_switched_off = self.code.feature_is_disabled && code != STABLE;
        if is_switched_off {
            self.log(now, "application", "FeatureDisabled", pod, FROM_ITS_START);
        }
        let version = if is_switched_off { STABLE } else { code };
        if version != revision {
            self.command(now, Command::BehaveLike(pod, version));
        }
    }

    pub(super) fn disable_feature(&mut self, now: Instant) {
        self.code.feature_is_disabled = true;
        let delay = &self.scenario.application.feature_flag_delay;
        for (number, member) in (0..).zip(&self.pods) {
            if !member.removed && self.code.of(member.revision) != STABLE {
                let time = Random::new(self.seed, Stream::FeatureFlag, number).draw(delay);
                self.code.unaware += 1;
                self.queue.schedule(now + time, Event::FeatureFlag(PodId(number)));
            }
        }
        if self.code.is_changing() {
            self.decisions.change(now, ChangeKind::FeatureDisabled, Some(self.decisions.newest()));
        }
        self.end_if_over(now);
    }

    pub(super) fn hear_of_feature(&mut self, now: Instant, pod: PodId) {
        self.code.unaware -= 1;
        if !self.pods[pod.0 as usize].removed {
            self.log(now, "application", "FeatureDisabled", pod, "");
            self.command(now, Command::BehaveLike(pod, STABLE));
        }
        if !self.code.is_changing() {
            self.decisions.told_of_feature(now);
        }
        self.end_if_over(now);
    }
}
