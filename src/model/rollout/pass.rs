//! One pass of the controller over the Rollout, in its order.
//!
//! Follows `rollout/context.go:reconcile`, `rollout/canary.go` and `rollout/sync.go` of argo-rollouts at 9f8d111d (after
//! 1.10.0-rc1).

use super::observed::Observed;
use super::pause::PauseContext;
use super::status::{PauseReason, PingPong, PodCounts, ReplicaSet, Status, Weights};
use super::step::Step;
use super::traffic_routing::{decide, rolling_back_to_stable};
use super::verification::Verification;
use super::{Effect, Refusal, Rollout, conditions, replicas};
use crate::model::{Revision, Update};
use crate::units::{Duration, Instant};

/// An invalid spec is looked at again after this long. Source: `rollout/controller.go:syncHandler`.
const INVALID_SPEC_RETRY: Duration = Duration::secs(20);

/// What one pass has done so far.
pub(super) struct Pass<'a> {
    pub(super) rollout: &'a mut Rollout,
    pub(super) now: Instant,
    pub(super) pause: PauseContext,
    /// `newStatus.canary.weights`: what this pass asked of the router.
    pub(super) weights: Option<Weights>,
    pub(super) effects: Vec<Effect>,
}

impl<'a> Pass<'a> {
    pub(super) fn run(rollout: &'a mut Rollout, now: Instant) -> Vec<Effect> {
        let weights = rollout.status.weights;
        let mut pass = Self { rollout, now, pause: PauseContext::default(), weights, effects: vec![] };
        pass.reconcile();
        pass.effects
    }

    fn reconcile(&mut self) {
        if let Some(Refusal::InvalidSpec(message)) = self.rollout.refusal.clone() {
            self.refuse();
            self.rollout.status.conditions.invalid_spec = Some(message);
            conditions::set_phase(&mut self.rollout.status, &self.rollout.spec, self.rollout.spec.paused);
            self.look_again_in(INVALID_SPEC_RETRY);
            return;
        }
        // Source: `rollout/sync.go:calculateBaseStatus`.
        self.rollout.status.conditions.invalid_spec = None;
        if self.ensure_replica_set() {
            return;
        }
        if self.observed().is_fully_promoted() && self.rollout.status.abort {
            self.pause.removes_abort = true;
        }
        let rollout = &mut *self.rollout;
        if conditions::patch_paused(&mut rollout.status, &rollout.spec, rollout.spec.paused, self.now) {
            let is_retry = conditions::is_retried(&rollout.status) && !rollout.spec.steps().is_empty();
            self.effects.extend(is_retry.then_some(Effect::StepStarted(0)));
            return;
        }
        let is_blue_green = self.rollout.spec.blue_green().is_some();
        if self.is_scaling_event() {
            match is_blue_green {
                true => self.reconcile_blue_green_replica_sets(),
                false => _ = self.reconcile_replica_sets(),
            }
            return self.sync_status();
        }
        if is_blue_green {
            return self.reconcile_blue_green();
        }
        if self.template_or_steps_changed() {
            return self.start_update();
        }
        if self.reconcile_restart() {
            return;
        }
        self.clean_up_history();
        self.reconcile_services();
        if self.reconcile_traffic_routing() == Verification::Fails {
            return;
        }
        self.rollout.failed_passes = 0;
        self.reconcile_analysis();
        if !self.is_halted() && !self.reconcile_replica_sets() {
            self.reconcile_pause();
        }
        self.sync_status();
    }

    /// The pass does not come to its end.
    fn refuse(&mut self) {
        if self.rollout.refused_passes == 0 {
            self.effects.extend(self.rollout.refusal.clone().map(Effect::Refused));
        }
        self.rollout.refused_passes += 1;
    }

    pub(super) fn observed(&self) -> Observed<'_> {
        self.rollout.observed()
    }

    pub(super) fn is_aborted(&self) -> bool {
        !self.pause.removes_abort && (self.pause.abort.is_some() || self.rollout.status.abort)
    }

    /// Creates the ReplicaSet of the template, which ends the pass, or numbers the existing one as the newest. Source:
    /// `rollout/sync.go:getAllReplicaSetsAndSyncRevision`.
    fn ensure_replica_set(&mut self) -> bool {
        let template = self.rollout.template;
        let others = self.rollout.replica_sets.iter().filter(|replica_set| replica_set.revision != template);
        let number = others.map(|replica_set| replica_set.number).max().unwrap_or(0) + 1;
        if let Some(replica_set) = self.rollout.replica_set_mut(template) {
            replica_set.number = replica_set.number.max(number);
            if self.rollout.status.conditions.progressing.is_none() {
                conditions::found_new_replica_set(&mut self.rollout.status, template, self.now);
            }
            return false;
        }
        self.rollout.replica_sets.push(ReplicaSet {
            revision: template,
            replicas: 0,
            created: 0,
            available: 0,
            desired_replicas: self.rollout.spec.replicas,
            number,
            created_at: self.now.floor_to_second(),
            scale_down_deadline: None,
        });
        conditions::new_replica_set_created(&mut self.rollout.status, template, self.now);
        self.effects.push(Effect::CreateReplicaSet(template));
        true
    }

    /// Whether `spec.replicas` was changed since a ReplicaSet was scaled last. Source: `rollout/sync.go:isScalingEvent`.
    fn is_scaling_event(&self) -> bool {
        let observed = self.observed();
        let is_stale = |replica_set: ReplicaSet| {
            replica_set.replicas > 0 && replica_set.desired_replicas != observed.spec.replicas
        };
        observed.new.is_some_and(is_stale) || observed.stable.is_some_and(is_stale)
    }

    /// Source: `utils/replicaset/canary.go:PodTemplateOrStepsChanged`.
    pub(super) fn template_or_steps_changed(&self) -> bool {
        let (status, spec) = (&self.rollout.status, &self.rollout.spec);
        let steps_changed = status.steps.as_ref().is_some_and(|steps| *steps != spec.steps());
        steps_changed || status.current != Some(self.rollout.template)
    }

    /// Back to the first step; past the last one, if it is a rollback. Source: `rollout/sync.go:resetRolloutStatus`.
    pub(super) fn start_update(&mut self) {
        self.pause = PauseContext { clears_conditions: true, removes_abort: true, ..PauseContext::default() };
        self.end_runs();
        let mut status = self.base_status();
        status.promote_full = false;
        status.scales_up_preview = false;
        let count = self.rollout.spec.steps().len();
        let is_active = self.observed().new.is_some_and(|new| new.replicas > 0);
        let is_back = status.stable.is_some() && status.stable == status.current;
        let skips_steps = is_back || (is_active && self.is_rollback_within_window());
        let first = if skips_steps { count } else { 0 };
        status.step_index = (count > 0).then_some(first);
        if first < count {
            self.effects.push(Effect::StepStarted(first));
        }
        self.persist(status);
    }

    /// Source: `rollout/replicaset.go` and `rollout/sync.go:cleanupRollouts`; oldest first.
    pub(super) fn clean_up_history(&mut self) {
        let others = self.observed().others;
        let surplus = others.len().saturating_sub(self.rollout.spec.revision_history_limit as usize);
        for other in others.iter().take(surplus) {
            if other.replicas == 0 && other.created == 0 {
                self.rollout.replica_sets.retain(|replica_set| replica_set.revision != other.revision);
                self.effects.push(Effect::DeleteReplicaSet(other.revision));
            }
        }
    }

    fn reconcile_traffic_routing(&mut self) -> Verification {
        if !self.rollout.spec.canary().is_traffic_routed() {
            self.weights = None;
            return Verification::Passed;
        }
        let observed = self.observed();
        let decision = decide(&observed);
        let writes = decision.removes_managed_routes || decision.canary.is_some();
        if writes && matches!(self.rollout.refusal, Some(Refusal::PassFails(_))) {
            self.refuse();
            self.look_again_after_failures(self.rollout.refused_passes);
            return Verification::Fails;
        }
        let (stable_revision, max) = (observed.stable_revision(), observed.max_weight());
        let step = observed.step().cloned();
        let is_update = observed.new.is_some_and(|new| new.number > 1);
        if decision.removes_managed_routes {
            self.remove_managed_routes();
        }
        if decision.resets_canary_service {
            self.reset_canary_service();
        }
        // Without the pods for it, the pass ends before it writes routes; their step may be over all the same.
        let Some(canary) = decision.canary else { return Verification::Passed };
        match step.filter(|_| is_update) {
            Some(Step::SetHeaderRoute(route)) => self.set_header_route(route),
            Some(Step::SetMirrorRoute(route)) => self.set_mirror_route(route),
            Some(Step::SetWeight(_) | Step::SetCanaryScale(_) | Step::SetCanaryScaleAndWeight(..)) | None => {}
            Some(Step::Pause(_) | Step::Analysis(_)) => {}
        }
        self.set_weight(canary);
        let mut asked = Weights {
            canary,
            stable: canary.rest(max),
            canary_revision: decision.canary_revision,
            stable_revision,
            verified: None,
        };
        let verification = self.verify_weight(&mut asked);
        self.weights = Some(asked);
        verification
    }

    /// Stable, then canary, then the others; the first that is resized ends the round. Returns whether one was. Source:
    /// `rollout/canary.go:reconcileCanaryReplicaSets`.
    fn reconcile_replica_sets(&mut self) -> bool {
        if self.rollout.spec.paused {
            return false;
        }
        self.remove_scale_down_deadlines();
        // The stable side is sized by the weights of the last pass, the canary by those of this one.
        let observed = self.observed();
        if let Some(stable) = observed.stable_beside_new() {
            let wanted = replicas::wanted(&observed, observed.status.weights).stable;
            let wanted = self.delayed_size_of_stable(stable, wanted);
            if self.scale(stable.revision, wanted) {
                return true;
            }
        }
        self.reconcile_new_replica_set() || self.reconcile_other_replica_sets()
    }

    pub(super) fn scale(&mut self, revision: Revision, to: u32) -> bool {
        let keeps_deadline = self.delays_scale_down_on_abort();
        let desired_replicas = self.rollout.spec.replicas;
        let replica_set = self.rollout.replica_set_mut(revision).expect("it was observed");
        let from = std::mem::replace(&mut replica_set.replicas, to);
        if from != to || replica_set.desired_replicas != desired_replicas {
            replica_set.desired_replicas = desired_replicas;
            if to == 0 && !keeps_deadline {
                replica_set.scale_down_deadline = None;
            }
        }
        if from != to {
            self.effects.push(Effect::Scale { revision, from, to });
        }
        from != to
    }

    pub(super) fn has_pause_condition(&self, reason: PauseReason) -> bool {
        self.rollout.status.pause_conditions.iter().any(|condition| condition.reason == reason)
    }

    /// Source: `rollout/sync.go:calculateBaseStatus`.
    fn base_status(&self) -> Status {
        let observed = self.observed();
        Status {
            current: Some(self.rollout.template),
            steps: Some(self.rollout.spec.steps().to_vec()),
            analysis: self.rollout.status.analysis.clone(),
            weights: self.weights,
            pods: PodCounts {
                created: observed.all().map(|replica_set| replica_set.created).sum(),
                updated: observed.new.map_or(0, |new| new.created),
                available: observed.all().map(|replica_set| replica_set.available).sum(),
            },
            ..self.rollout.status.clone()
        }
    }

    /// Promotion, abort, then the step: at most one step in a pass. Source: `rollout/canary.go:syncRolloutStatusCanary`.
    pub(super) fn sync_status(&mut self) {
        if self.template_or_steps_changed() {
            return self.start_update();
        }
        let mut status = self.base_status();
        let count = self.rollout.spec.steps().len();
        let is_blue_green = self.rollout.spec.blue_green().is_some();
        if is_blue_green {
            self.fill_blue_green_status(&mut status);
        }
        let is_to_be_promoted = match is_blue_green {
            true => self.is_blue_green_to_be_promoted(),
            false => self.is_to_be_promoted(),
        };
        if is_to_be_promoted {
            self.promote(&mut status);
            return self.persist(status);
        }
        if status.promote_full || self.is_rollback_within_window() {
            self.pause.clears_conditions = true;
            self.pause.removes_abort = true;
            status.step_index = (count > 0).then_some(count);
            return self.persist(status);
        }
        if self.is_aborted() {
            let first = if status.stable == status.current { count } else { 0 };
            status.step_index = (count > 0).then_some(first);
            return self.persist(status);
        }
        let index = self.observed().step_index();
        status.step_index = index;
        if let Some(index) = index.filter(|_| self.is_step_completed()) {
            self.pause.removes.push(PauseReason::CanaryPauseStep);
            status.step_index = Some(index + 1);
            self.effects.push(Effect::StepCompleted(index));
            if index + 1 < count {
                self.effects.push(Effect::StepStarted(index + 1));
            }
        }
        self.persist(status);
    }

    /// Source: `rollout/sync.go:shouldFullPromote`.
    fn is_to_be_promoted(&self) -> bool {
        let observed = self.observed();
        if observed.stable.is_none() {
            return true;
        }
        let replicas = observed.spec.replicas;
        let available = Observed::available(observed.new);
        let is_ready = match observed.replica_progress_threshold() {
            None => available >= replicas,
            Some(threshold) => threshold.is_met(available, replicas),
        };
        if self.is_aborted() || observed.new.is_none() || !is_ready {
            return false;
        }
        let has_no_step_left = observed.step_index().is_none_or(|index| index >= observed.canary().steps.len());
        observed.status.promote_full || self.is_rollback_within_window() || has_no_step_left
    }

    /// Source: `rollout/sync.go:promoteStable`.
    fn promote(&mut self, status: &mut Status) {
        self.pause.clears_conditions = true;
        self.pause.removes_abort = true;
        status.promote_full = false;
        let count = self.rollout.spec.steps().len();
        status.step_index = (count > 0).then_some(count);
        if status.stable == status.current {
            return;
        }
        if self.rollout.spec.is_ping_pong() {
            // Pong is the stable one until ping is promoted.
            status.stable_ping_pong = Some(match status.stable_ping_pong {
                Some(PingPong::Ping) => PingPong::Pong,
                Some(PingPong::Pong) | None => PingPong::Ping,
            });
        }
        status.stable = status.current;
        self.rollout.update = Update::Promoted;
        self.effects.push(Effect::Promoted(self.rollout.template));
    }

    /// Whether the template is older than stable, with fewer revisions between than `rollbackWindow` allows. Source:
    /// `rollout/sync.go:isRollbackWithinWindow`.
    pub(super) fn is_rollback_within_window(&self) -> bool {
        let observed = self.observed();
        let (Some(window), Some(new), Some(stable)) = (observed.spec.rollback_window, observed.new, observed.stable)
        else {
            return false;
        };
        let is_between = |other: &ReplicaSet| new.created_at < other.created_at && other.created_at < stable.created_at;
        let between = observed.others.iter().filter(|other| is_between(other)).count();
        new.created_at < stable.created_at && between < window as usize
    }

    /// Source: `completedCurrentCanaryStep`.
    fn is_step_completed(&self) -> bool {
        if self.rollout.spec.paused {
            return false;
        }
        let observed = self.observed();
        match observed.step() {
            None => false,
            Some(Step::SetWeight(_)) => {
                let is_verified = self.weights.is_none_or(|weights| weights.verified != Some(false));
                is_verified && replicas::at_desired_replica_counts(&observed, self.weights)
            }
            Some(Step::SetCanaryScale(_) | Step::SetCanaryScaleAndWeight(..)) => {
                replicas::at_desired_replica_counts(&observed, self.weights)
            }
            Some(Step::Pause(duration)) => self.is_pause_over(*duration),
            Some(Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_)) => true,
            Some(Step::Analysis(_)) => self.is_step_analysis_successful(),
        }
    }

    fn persist(&mut self, mut status: Status) {
        let timer = conditions::calculate(self, &mut status);
        self.pause.apply(&self.rollout.status, &mut status, self.now);
        conditions::set_phase(&mut status, &self.rollout.spec, self.rollout.spec.paused);
        let is_unchanged = status == self.rollout.status;
        self.rollout.status = status;
        if is_unchanged {
            self.effects.extend(timer.map(Effect::WakeAt));
        }
    }

    pub(super) fn is_rolling_back_to_stable(&self) -> bool {
        rolling_back_to_stable(&self.observed()).is_some()
    }
}
