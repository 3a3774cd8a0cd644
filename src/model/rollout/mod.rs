//! The Argo Rollouts controller: one Rollout, a canary with traffic routing through an ALB.
//!
//! Follows argo-rollouts 1.10: `rollout/canary.go`, `rollout/sync.go`, `rollout/service.go`. One pass reads the state it
//! has heard of, acts in a fixed order, resizes at most one ReplicaSet and writes its status once, at the end; its own
//! writes wake it again. It never looks at the load balancer: the weights it acts on are those it last *asked* for.
//!
//! Assumption: both Services were managed before, so they move as soon as one pod is available.
//!
//! Left out: abort, retry, promote-full, undo, analysis, experiments, ping-pong, verification, blue-green.

pub mod replicas;
mod scale_down;
pub mod step;
mod traffic_routing;

use crate::model::replica_set;
use crate::model::{Revision, Service};
use crate::random::Distribution;
use crate::units::{Duration, Instant, Percent};
use replicas::desired;
use step::Step;
use {Effect::*, Input::*};

/// `[rollout]`: the `spec` of a Rollout with `strategy.canary` and `trafficRouting.alb`.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutSpec {
    pub replicas: u32,
    pub min_ready: Duration,
    pub steps: Vec<Step>,
    pub dynamic_stable_scale: bool,
    /// `scaleDownDelaySeconds`, 30 s unless set.
    pub scale_down_delay: Duration,
    pub max_unavailable: u32,
}

/// `[rollouts_controller]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutsControllerSpec {
    /// From whatever wakes the controller (its own last write, too) until the pass that it wakes.
    pub reconcile_delay: Distribution,
}

/// `status.canary.weights`: what was asked of the router last, and of which ReplicaSets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    pub canary: Percent,
    pub canary_revision: Revision,
    pub stable_revision: Revision,
}

impl Weights {
    pub fn stable(self) -> Percent {
        self.canary.rest()
    }
}

/// `status` of the Rollout, as far as the controller reads it back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Status {
    /// `stableRS`.
    stable: Revision,
    /// `currentPodHash`.
    current: Revision,
    /// `currentStepIndex`; the number of steps when none is left.
    step_index: usize,
    weights: Option<Weights>,
    /// `pauseConditions[0].startTime`, in whole seconds.
    pause_started: Option<Instant>,
}

/// A ReplicaSet as the controller sees it: its own writes at once, the rest as it hears of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct View {
    replicas: u32,
    created: u32,
    available: u32,
    /// The annotation `scale-down-deadline`.
    scale_down_deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The pod template was changed: this is the new revision.
    TemplateChanged(Revision),
    /// A ReplicaSet's status was heard.
    ReplicaSetStatus(Revision, replica_set::Status),
    /// A timer of the controller's own.
    Timer,
    /// The pass itself.
    Reconcile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Wake the controller; answer with `Reconcile`.
    ReconcileSoon,
    /// Answer with `Timer` at this instant.
    WakeAt(Instant),
    CreateReplicaSet(Revision),
    Scale {
        revision: Revision,
        from: u32,
        to: u32,
    },
    SwitchService {
        service: Service,
        from: Revision,
        to: Revision,
    },
    /// Patch the Ingress: so much for the canary group, the rest for the stable group.
    SetWeight(Percent),
    StepStarted(usize),
    StepCompleted(usize),
    ScaleDownDeadline(Revision, Instant),
    /// The revision is the stable one from now on.
    Promoted(Revision),
}

#[derive(Clone, Debug)]
pub struct Rollout {
    spec: RolloutSpec,
    /// The revision of the pod template in the spec.
    template: Revision,
    status: Status,
    /// Whether the Progressing condition says "paused".
    paused_condition: bool,
    /// By revision, the first is revision 1.
    replica_sets: Vec<View>,
    /// The Services' selectors, by `Service::index`.
    services: [Revision; 2],
    /// The canary weight in the Ingress annotation.
    annotation: Percent,
    reconcile_queued: bool,
}

impl Rollout {
    /// A Rollout at rest: revision 1 is stable, available and gets all traffic.
    pub fn established(spec: RolloutSpec) -> Self {
        let first = Revision(1);
        let view = View {
            replicas: spec.replicas,
            created: spec.replicas,
            available: spec.replicas,
            scale_down_deadline: None,
        };
        let weights = Weights { canary: Percent::ZERO, canary_revision: first, stable_revision: first };
        let status = Status {
            stable: first,
            current: first,
            step_index: spec.steps.len(),
            weights: Some(weights),
            pause_started: None,
        };
        Self {
            spec,
            template: first,
            status,
            paused_condition: false,
            replica_sets: vec![view],
            services: [first; 2],
            annotation: Percent::ZERO,
            reconcile_queued: false,
        }
    }

    pub fn is_fully_promoted(&self) -> bool {
        self.status.stable == self.status.current && self.status.current == self.template
    }

    /// Waits for a person.
    pub fn is_paused_indefinitely(&self) -> bool {
        self.spec.steps.get(self.status.step_index) == Some(&Step::Pause(None)) && self.status.pause_started.is_some()
    }

    /// The current step; the number of steps when none is left.
    pub fn step_index(&self) -> usize {
        self.status.step_index
    }

    pub fn steps(&self) -> &[Step] {
        &self.spec.steps
    }

    /// Promoted, and nothing left to scale down.
    pub fn is_at_rest(&self) -> bool {
        let alone = |(index, view): (usize, &View)| index + 1 == self.template.0 as usize || view.replicas == 0;
        self.is_fully_promoted() && self.replica_sets.iter().enumerate().all(alone)
    }

    /// Whether the ReplicaSet of this revision exists.
    pub fn knows(&self, revision: Revision) -> bool {
        revision.0 as usize <= self.replica_sets.len()
    }

    /// `spec.replicas` of a revision's ReplicaSet.
    pub fn replicas_of(&self, revision: Revision) -> u32 {
        self.replica_sets.get(revision.0 as usize - 1).map_or(0, |view| view.replicas)
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            TemplateChanged(revision) => {
                self.template = revision;
                self.reconcile_soon()
            }
            ReplicaSetStatus(revision, status) => {
                let view = self.view_mut(revision);
                (view.created, view.available) = (status.created, status.available);
                self.reconcile_soon()
            }
            Timer => self.reconcile_soon(),
            Reconcile => {
                self.reconcile_queued = false;
                self.reconcile(now)
            }
        }
    }

    fn reconcile_soon(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.reconcile_queued, true) { vec![] } else { vec![ReconcileSoon] }
    }

    /// One pass. What it writes wakes the next one.
    fn reconcile(&mut self, now: Instant) -> Vec<Effect> {
        let before = self.status.clone();
        let mut effects = self.reconcile_in_order(now);
        let wrote = effects.iter().any(|effect| !matches!(effect, WakeAt(_)));
        if wrote || self.status != before {
            effects.extend(self.reconcile_soon());
        }
        effects
    }

    fn reconcile_in_order(&mut self, now: Instant) -> Vec<Effect> {
        if self.replica_sets.len() < self.template.0 as usize {
            self.replica_sets.push(View::default());
            return vec![CreateReplicaSet(self.template)];
        }
        let paused = self.status.pause_started.is_some();
        if self.paused_condition != paused {
            // The condition is a patch of its own, and it ends the pass.
            self.paused_condition = paused;
            return self.reconcile_soon();
        }
        if self.status.current != self.template {
            return self.start_update();
        }
        let mut effects = self.reconcile_services();
        // The stable side is sized by the weights of the last pass, the canary by those of this one.
        let persisted = self.status.weights;
        effects.extend(self.reconcile_traffic_routing());
        let resized = self.reconcile_replica_sets(now, persisted);
        let scaled = resized.iter().any(|effect| matches!(effect, Scale { .. }));
        effects.extend(resized);
        if !scaled {
            effects.extend(self.reconcile_pause(now));
        }
        effects.extend(self.sync_status(now));
        effects
    }

    /// Source: `rollout/sync.go:resetRolloutStatus`.
    fn start_update(&mut self) -> Vec<Effect> {
        self.status.current = self.template;
        self.status.pause_started = None;
        self.status.step_index = if self.is_fully_promoted() { self.spec.steps.len() } else { 0 };
        if self.spec.steps.is_empty() { vec![] } else { vec![StepStarted(self.status.step_index)] }
    }

    /// A Service that was managed before moves as soon as one pod of the new ReplicaSet is available (since 1.3.2).
    fn reconcile_services(&mut self) -> Vec<Effect> {
        let wanted = [(Service::Stable, self.status.stable), (Service::Canary, self.status.current)];
        let mut effects = vec![];
        for (service, to) in wanted {
            let from = self.services[service.index()];
            if from != to && self.view(to).available >= 1 {
                self.services[service.index()] = to;
                effects.push(SwitchService { service, from, to });
            }
        }
        effects
    }

    fn reconcile_traffic_routing(&mut self) -> Vec<Effect> {
        let Some(canary) = self.desired_weight() else {
            return vec![];
        };
        let (canary_revision, stable_revision) = (self.status.current, self.status.stable);
        self.status.weights = Some(Weights { canary, canary_revision, stable_revision });
        // The patch is sent only if the annotation differs.
        if std::mem::replace(&mut self.annotation, canary) == canary { vec![] } else { vec![SetWeight(canary)] }
    }

    /// Stable, then canary, then the others; the first that is resized ends the round.
    fn reconcile_replica_sets(&mut self, now: Instant, persisted: Option<Weights>) -> Vec<Effect> {
        if self.is_fully_promoted() {
            let effects = self.scale(self.status.stable, self.spec.replicas);
            return if effects.is_empty() { self.scale_down_others(now, persisted) } else { effects };
        }
        let index = self.status.step_index;
        let stable = desired(&self.spec, index, persisted).stable;
        let effects = self.scale(self.status.stable, stable);
        if !effects.is_empty() {
            return effects;
        }
        let canary = desired(&self.spec, index, self.status.weights).canary;
        let effects = self.scale(self.status.current, canary);
        if !effects.is_empty() {
            return effects;
        }
        self.scale_down_others(now, persisted)
    }

    fn scale(&mut self, revision: Revision, to: u32) -> Vec<Effect> {
        let from = std::mem::replace(&mut self.view_mut(revision).replicas, to);
        if from == to { vec![] } else { vec![Scale { revision, from, to }] }
    }

    /// Enters the pause, or arms its timer.
    fn reconcile_pause(&mut self, now: Instant) -> Vec<Effect> {
        let Some(Step::Pause(duration)) = self.spec.steps.get(self.status.step_index) else {
            return vec![];
        };
        match self.status.pause_started {
            None => {
                self.status.pause_started = Some(now.floor_to_second());
                vec![]
            }
            Some(started) => duration.map(|duration| WakeAt((started + duration).max(now))).into_iter().collect(),
        }
    }

    /// Promotion, then the step: at most one step in a pass.
    fn sync_status(&mut self, now: Instant) -> Vec<Effect> {
        if self.is_fully_promoted() {
            return vec![];
        }
        let (index, steps) = (self.status.step_index, self.spec.steps.len());
        if index >= steps {
            if self.canary().available < self.spec.replicas {
                return vec![];
            }
            self.status.stable = self.status.current;
            return vec![Promoted(self.status.stable)];
        }
        if !self.is_step_completed(now) {
            return vec![];
        }
        self.status.step_index = index + 1;
        self.status.pause_started = None;
        let mut effects = vec![StepCompleted(index)];
        if index + 1 < steps {
            effects.push(StepStarted(index + 1));
        }
        effects
    }

    /// Whether the weight has reached the load balancer is not asked.
    fn is_step_completed(&self, now: Instant) -> bool {
        match self.spec.steps[self.status.step_index] {
            Step::SetWeight(_) | Step::SetCanaryScale(_) => self.at_desired_replica_counts(),
            Step::Pause(None) => false,
            Step::Pause(Some(duration)) => self.status.pause_started.is_some_and(|started| now > started + duration),
        }
    }

    /// Source: `AtDesiredReplicaCountsForCanary`. Under dynamicStableScale the stable side is not asked.
    fn at_desired_replica_counts(&self) -> bool {
        let wanted = desired(&self.spec, self.status.step_index, self.status.weights);
        let (canary, stable) = (self.canary(), self.view(self.status.stable));
        let canary_is = canary.replicas == wanted.canary && canary.available == wanted.canary;
        let stable_is = stable.replicas == wanted.stable && stable.created == wanted.stable;
        canary_is && (self.spec.dynamic_stable_scale || stable_is)
    }

    fn canary(&self) -> &View {
        self.view(self.status.current)
    }

    fn view(&self, revision: Revision) -> &View {
        &self.replica_sets[revision.0 as usize - 1]
    }

    fn view_mut(&mut self, revision: Revision) -> &mut View {
        &mut self.replica_sets[revision.0 as usize - 1]
    }
}
