//! The strategy `blueGreen`: all new pods beside the old ones, then one Service moves.
//!
//! Follows `rollout/bluegreen.go`, `rollout/service.go:reconcileActiveService` and `rollout/pause.go` of argo-rollouts at
//! 9f8d111d (after 1.10.0-rc1). The active Service is [`Service::Stable`], the preview Service [`Service::Canary`].

use super::pass::Pass;
use super::service::Needs;
use super::spec::BlueGreen;
use super::status::{PauseReason, Status};
use super::{Effect, Observed};
use crate::model::{Revision, Service};

impl Observed<'_> {
    /// Wanted pods of the new ReplicaSet. Source: `NewRSNewReplicas`.
    pub fn wanted_of_new(&self, blue_green: &BlueGreen) -> u32 {
        let Some(preview) = blue_green.preview_replicas else { return self.spec.replicas };
        let is_active = self.status.active.is_none() || self.status.active == self.new_revision();
        let is_current = self.new_revision() == self.status.current;
        let is_resumed = self.status.pause_conditions.is_empty() && self.status.scales_up_preview;
        if is_active || is_current && is_resumed { self.spec.replicas } else { preview }
    }

    /// Whether the new ReplicaSet has the pods that it is to have now. Source: `ReadyForPause`.
    fn is_ready_for_pause(&self, blue_green: &BlueGreen) -> bool {
        let wanted = self.wanted_of_new(blue_green);
        self.new.is_some_and(|new| new.replicas == wanted && new.available == wanted)
    }
}

impl Pass<'_> {
    pub(super) fn reconcile_blue_green(&mut self) {
        if !self.halts_progress() {
            // Before its pods are there.
            self.point(Service::Canary, self.observed().new, Needs::Nothing);
        }
        if self.template_or_steps_changed() {
            return self.start_update();
        }
        if self.reconcile_restart() {
            return;
        }
        let is_fast_tracked = self.is_fast_tracked();
        self.reconcile_blue_green_replica_sets();
        self.clean_up_history();
        self.reconcile_blue_green_pause(is_fast_tracked);
        self.reconcile_active_service(is_fast_tracked);
        self.reconcile_analysis();
        self.sync_status();
    }

    fn blue_green(&self) -> BlueGreen {
        self.rollout.spec.blue_green().expect("the strategy is blueGreen").clone()
    }

    /// The new pods are there already, or are to be taken as they are: no pause. Source: `isBlueGreenFastTracked`.
    fn is_fast_tracked(&self) -> bool {
        let observed = self.observed();
        let is_kept = observed.new.is_some_and(|new| new.has_scale_down_deadline()) && !self.is_aborted();
        let is_back = observed.new.is_some() && observed.new_revision() == observed.stable_revision();
        is_kept || is_back || observed.status.promote_full || self.is_rollback_within_window()
    }

    pub(super) fn reconcile_blue_green_replica_sets(&mut self) {
        self.remove_scale_down_deadlines();
        let replicas = self.rollout.spec.replicas;
        if let Some(active) = self.active().filter(|active| self.rollout.knows(*active)) {
            self.scale(active, replicas);
        }
        self.reconcile_new_replica_set();
        self.reconcile_other_replica_sets();
    }

    /// The revision that the active Service selects.
    pub(super) fn active(&self) -> Option<Revision> {
        self.rollout.services.and_then(|services| services[Service::Stable.index()].revision)
    }

    /// Source: `reconcileBlueGreenPause`.
    fn reconcile_blue_green_pause(&mut self, is_fast_tracked: bool) {
        let (observed, blue_green) = (self.observed(), self.blue_green());
        let is_first = observed.stable.is_none();
        if self.is_aborted() || self.rollout.spec.paused || is_first || !observed.is_ready_for_pause(&blue_green) {
            return;
        }
        let is_switched = self.active() == observed.new_revision();
        if is_fast_tracked || is_switched {
            return self.pause.removes.push(PauseReason::BlueGreenPause);
        }
        // The pause counts from the end of the analysis, not beside it.
        if !self.has_passed_pre_promotion_analysis() {
            return;
        }
        let is_resumed = self.rollout.status.controller_pause;
        match self.blue_green_pause() {
            _ if !blue_green.pauses() || observed.status.scales_up_preview => {}
            None if !is_resumed => self.pause.adds.push(PauseReason::BlueGreenPause),
            None => {}
            Some(_) if self.is_blue_green_pause_over() => self.pause.removes.push(PauseReason::BlueGreenPause),
            Some(start) => {
                let end = blue_green.auto_promotion_after.map(|after| start + after);
                self.effects.extend(end.map(|end| Effect::WakeAt(end.max(self.now))));
            }
        }
    }

    fn blue_green_pause(&self) -> Option<crate::units::Instant> {
        let conditions = &self.rollout.status.pause_conditions;
        conditions.iter().find(|condition| condition.reason == PauseReason::BlueGreenPause).map(|it| it.start)
    }

    /// Source: `CompletedBlueGreenPause`.
    fn is_blue_green_pause_over(&self) -> bool {
        let (status, blue_green) = (&self.rollout.status, self.blue_green());
        if self.pause.adds.contains(&PauseReason::BlueGreenPause) {
            return false;
        }
        // A preview grows to its full size after the pause: that it may says that the pause is over.
        if !blue_green.pauses() || status.promote_full || status.scales_up_preview {
            return true;
        }
        match (self.blue_green_pause(), blue_green.auto_promotion_after) {
            (Some(start), Some(after)) => self.now > start + after,
            (Some(_), None) => false,
            // A pause of the controller's own was ended by a person.
            (None, _) => status.controller_pause,
        }
    }

    /// The two Services stay where they are; unlike those of a canary. Source: `haltProgress`.
    fn halts_progress(&self) -> bool {
        self.rollout.spec.paused || self.is_halted()
    }

    /// Source: `reconcileActiveService`.
    fn reconcile_active_service(&mut self, is_fast_tracked: bool) {
        if self.halts_progress() {
            return;
        }
        let (observed, blue_green) = (self.observed(), self.blue_green());
        if self.is_aborted() {
            return self.point(Service::Stable, observed.stable, Needs::Nothing);
        }
        let new = observed.new;
        let is_saturated =
            new.is_some_and(|new| new.replicas == observed.spec.replicas && new.available == new.replicas);
        if !is_saturated || !observed.is_ready_for_pause(&blue_green) {
            return;
        }
        let is_promoted = self.is_blue_green_pause_over() && self.has_passed_pre_promotion_analysis();
        if is_fast_tracked || is_promoted || observed.stable.is_none() {
            self.point(Service::Stable, new, Needs::Nothing);
        }
    }

    /// Whether a preview with fewer pods may grow to its full size. Source: `calculateScaleUpPreviewCheckPoint`.
    fn scales_up_preview(&self) -> bool {
        let (observed, blue_green) = (self.observed(), self.blue_green());
        let Some(preview) = blue_green.preview_replicas else { return false };
        let is_there = observed.new.is_some_and(|new| new.available >= preview);
        let is_over = self.is_blue_green_pause_over() && self.has_passed_pre_promotion_analysis();
        observed.status.scales_up_preview || is_there && is_over
    }

    /// What the status says of a blue-green update, beside the rest. Source: `syncRolloutStatusBlueGreen`.
    pub(super) fn fill_blue_green_status(&self, status: &mut Status) {
        status.active = self.active();
        status.scales_up_preview = self.scales_up_preview();
    }

    /// Source: `shouldFullPromote`.
    pub(super) fn is_blue_green_to_be_promoted(&mut self) -> bool {
        let observed = self.observed();
        let is_switched = self.active().is_some() && self.active() == observed.new_revision();
        let (is_first, is_full) = (observed.stable.is_none(), observed.status.promote_full);
        if !is_switched || is_first || is_full {
            return is_switched;
        }
        !self.is_aborted() && self.are_targets_verified() && self.has_passed_post_promotion_analysis()
    }
}
