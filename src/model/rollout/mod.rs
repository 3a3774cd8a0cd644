//! The Argo Rollouts controller: one Rollout.
//!
//! Follows argo-rollouts at 9f8d111d (after 1.10.0-rc1). One pass reads the state it has heard of, acts in a fixed order,
//! and writes its status once, at the end; its own writes wake it again. It never looks at the load balancer: the weights
//! it acts on are those it last *asked* for.
//!
//! The rules are in the files beside this one, as functions of what a pass has in front of it ([`observed::Observed`]):
//! [`replicas`] and [`basic_canary`] for sizes, [`traffic_routing`] for weights, [`analysis`] for AnalysisRuns,
//! [`conditions`] for phases and deadlines. `pass` puts them into their order, `blue_green` into that of its strategy.
//!
//! What depends on the release of the controller, and on its flags, is in [`controller`].
//!
//! Left out: experiments, step plugins, `workloadRef`, ephemeral metadata.

pub mod alb;
pub mod analysis;
pub mod basic_canary;
mod blue_green;
pub mod conditions;
pub mod controller;
pub mod gateway_api;
pub mod istio;
pub mod observed;
mod pass;
mod pause;
pub mod replicas;
mod restart;
pub mod router;
mod scale_down;
mod service;
pub mod spec;
pub mod status;
pub mod step;
pub mod traffic_routing;
pub mod verification;
pub mod weighted;

use crate::model::analysis::metric::Phase;
use crate::model::replica_set;
use crate::model::{Revision, Service, Update};
use crate::units::{Instant, TrafficWeight};
use analysis::{Kind, Templates};
use controller::Profile;
use observed::Observed;
use spec::{AbortScaleDown, RolloutSpec};
use status::{PauseReason, PingPong, ReplicaSet, Status, Weights};
use std::collections::BTreeSet;
use step::{HeaderRoute, MirrorRoute, Step};
use {Effect::*, Input::*};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The pod template was changed: to a new revision, or back to one that there was.
    TemplateChanged(Revision),
    /// A ReplicaSet's status was heard.
    ReplicaSetStatus(Revision, replica_set::Status),
    /// A timer of the controller's own.
    Timer,
    /// How many pods of each revision are older than `restartAt`, as the pass that follows would count them.
    OldPods(Vec<(Revision, u32)>),
    /// The phase of the AnalysisRun of this number, and its message.
    AnalysisRun(u32, Phase, String),
    /// What AWS would answer to the pass that follows.
    Aws(Aws),
    /// The pass itself.
    Reconcile,
    /// `spec.replicas` was changed.
    ReplicasChanged(u32),
    /// `kubectl argo rollouts` …
    Command(Command),
    /// Somebody wrote over the object of the router.
    Overwritten(Overwritten),
    /// Somebody took the pod-template hash out of the selector of a Service.
    ServiceOverwritten(Service),
    /// Why the object of the router takes nothing from now on; None: it does again. Nobody tells the controller: a pass
    /// finds it out.
    RouterRefuses(Option<Refusal>),
}

/// Why no pass comes to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Validation finds it before the pass begins.
    InvalidSpec(String),
    /// The write fails, and with it the pass.
    PassFails(String),
}

/// What is gone of what the controller had written into the object of its router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Overwritten {
    pub weight: bool,
    /// Names of header and mirror routes.
    pub routes: Vec<String>,
    /// Whether the controller hears of it: it watches such objects, and finds its mark.
    pub is_heard: bool,
}

/// What AWS shows of the load balancer when a pass asks. Each pass asks anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aws {
    /// Throttled, or denied.
    Error,
    Shows {
        /// Of the target groups in the listener's rule, by `Service::index`.
        weights: [TrafficWeight; 2],
        /// Whether each Service's ready endpoints are all registered as targets.
        has_all_endpoints: [bool; 2],
    },
}

/// What a person does with the Rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// `promote`: ends a pause, or skips the current step.
    Promote,
    /// `promote --full`: skips all steps.
    PromoteFull,
    Abort,
    Retry,
    /// `pause`: sets `spec.paused`.
    Pause,
    /// `restart`: sets `spec.restartAt` to now.
    Restart,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Wake the controller; answer with `Reconcile`.
    ReconcileSoon,
    /// Answer with `Timer` at this instant.
    WakeAt(Instant),
    CreateReplicaSet(Revision),
    DeleteReplicaSet(Revision),
    Scale {
        revision: Revision,
        from: u32,
        to: u32,
    },
    SwitchService {
        service: Service,
        from: Option<Revision>,
        to: Revision,
    },
    /// Patch the Ingress: so much for one of the two Services, the rest for the other.
    SetWeight {
        canary: Service,
        weight: TrafficWeight,
    },
    /// Patch the Ingress: requests with these headers go to the canary Service.
    SetHeaderRoute(HeaderRoute),
    /// Patch what the router reads: such requests are sent to the canary Service once more.
    SetMirrorRoute(MirrorRoute),
    /// Patch the Ingress: the route of this name goes.
    RemoveRoute(String),
    /// Patch the Ingress: the routes of these names go, and what the router takes for its own besides.
    RemoveRoutes(Vec<String>),
    StepStarted(usize),
    StepCompleted(usize),
    ScaleDownDeadline(Revision, Instant),
    /// Create an AnalysisRun; answer with `AnalysisRun` when its phase changes.
    StartAnalysis {
        number: u32,
        kind: Kind,
        templates: Templates,
    },
    /// Evict so many of the oldest pods of the revision.
    Evict {
        revision: Revision,
        count: u32,
    },
    /// Its verdict is not asked for any more.
    EndAnalysis(u32),
    /// The first pass that does not come to its end, for this reason.
    Refused(Refusal),
    Aborted(String),
    /// The revision is the stable one from now on.
    Promoted(Revision),
    /// The template is that of the stable revision again, which has all its pods and all the traffic.
    TakenBack(Revision),
}

#[derive(Clone, Debug)]
pub struct Rollout {
    profile: Profile,
    spec: RolloutSpec,
    /// `spec.restartAt`
    restart_at: Option<Instant>,
    /// Pods of each revision that are older than that.
    observed_old_pods: Vec<(Revision, u32)>,
    /// Why the spec is refused, or the router's object takes nothing, if so.
    refusal: Option<Refusal>,
    /// The revision of the pod template in the spec.
    template: Revision,
    status: Status,
    /// In order of their creation.
    replica_sets: Vec<ReplicaSet>,
    /// By `Service::index`; none without `canaryService` and `stableService`.
    services: Option<[Selector; 2]>,
    ingress: Ingress,
    reconcile_queued: bool,
    update: Update,
    /// The number of the next AnalysisRun.
    next_run: u32,
    observed_aws: Aws,
    /// Passes in a row that ended in an error, as AWS did not show the full weight.
    failed_passes: u32,
    /// The same, as the router's object took nothing.
    refused_passes: u32,
    /// When the controller looks at AWS again.
    looks_again_at: Option<Instant>,
    /// Since when stable is bigger than wanted, and by which weights: for `honor_scale_down_delay`.
    stable_scale_down: Option<(Weights, Instant)>,
}

/// A Service, as far as the controller has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The pod-template hash that it selects; none before the controller wrote one.
    pub revision: Option<Revision>,
    /// Whether it carries the annotation `managed-by-rollouts`.
    pub is_managed: bool,
}

/// What the controller keeps in the Ingress, or in what another router reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// The Service with the canary weight, and the weight. None before the first patch.
    pub weight: Option<(Service, TrafficWeight)>,
    /// Header routes, and the Service that they lead to.
    pub routes: Vec<(HeaderRoute, Service)>,
    /// Mirror routes, and the Service that gets the copies.
    pub mirrors: Vec<(MirrorRoute, Service)>,
    /// Names of the routes that somebody else has taken out of the object.
    pub lost: BTreeSet<String>,
    /// What counts as a managed route without being one has been removed, and nothing was added since.
    pub is_cleared: bool,
}

impl Rollout {
    /// A Rollout that was just created: nothing is deployed yet.
    pub fn created(spec: RolloutSpec, template: Revision) -> Self {
        let service = Selector { revision: None, is_managed: false };
        Self {
            profile: Profile::default(),
            spec,
            restart_at: None,
            observed_old_pods: vec![],
            refusal: None,
            template,
            status: Status::default(),
            replica_sets: vec![],
            services: Some([service; 2]),
            ingress: Ingress::default(),
            reconcile_queued: false,
            update: Update::None,
            next_run: 0,
            observed_aws: Aws::Error,
            failed_passes: 0,
            refused_passes: 0,
            looks_again_at: None,
            stable_scale_down: None,
        }
    }

    /// The same under a controller of another version, or with other flags.
    #[must_use]
    pub fn under(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// A Rollout at rest: revision 1 is stable, available and gets all traffic.
    pub fn established(spec: RolloutSpec) -> Self {
        let first = Revision(1);
        let pods = spec.replicas;
        let replica_set = ReplicaSet {
            revision: first,
            replicas: pods,
            created: pods,
            available: pods,
            desired_replicas: pods,
            number: 1,
            created_at: Instant::START,
            scale_down_deadline: None,
        };
        let weights = Weights {
            canary: TrafficWeight::ZERO,
            stable: spec.max_weight(),
            canary_revision: Some(first),
            stable_revision: Some(first),
            verified: None,
        };
        let (is_routed, is_ping_pong) = (spec.is_traffic_routed(), spec.is_ping_pong());
        // So that `Service::Stable` has the stable role in any case.
        let stable_ping_pong = is_ping_pong.then_some(PingPong::Pong);
        let spec_is_blue_green = spec.blue_green().is_some();
        let mut rollout = Self::created(spec, first);
        rollout.status = Status {
            stable: Some(first),
            current: Some(first),
            step_index: (!rollout.spec.steps().is_empty()).then_some(rollout.spec.steps().len()),
            steps: Some(rollout.spec.steps().to_vec()),
            weights: is_routed.then_some(weights),
            stable_ping_pong,
            active: spec_is_blue_green.then_some(first),
            conditions: conditions::of_a_healthy_rollout(first),
            pods: status::PodCounts { created: pods, updated: pods, available: pods },
            phase: status::Phase::Healthy,
            ..Status::default()
        };
        rollout.replica_sets.push(replica_set);
        let selector = Selector { revision: Some(first), is_managed: true };
        // The one of `pingPong` that has no role keeps the selector of the release before.
        let idle = if is_ping_pong { Selector { revision: Some(Revision(0)), ..selector } } else { selector };
        rollout.services = Some([selector, idle]);
        rollout.ingress.weight = is_routed.then_some((rollout.canary_service(), TrafficWeight::ZERO));
        rollout
    }

    /// The same with a spec that the controller refuses, for this reason.
    #[must_use]
    pub fn refused(mut self, message: String) -> Self {
        self.refusal = Some(Refusal::InvalidSpec(message));
        self
    }

    pub fn status(&self) -> &Status {
        &self.status
    }

    pub fn replica_sets(&self) -> &[ReplicaSet] {
        &self.replica_sets
    }

    /// The same without Services, as a canary without traffic routing may be.
    #[must_use]
    pub fn without_services(mut self) -> Self {
        self.services = None;
        self
    }

    pub fn services(&self) -> Option<[Selector; 2]> {
        self.services
    }

    pub fn ingress(&self) -> &Ingress {
        &self.ingress
    }

    pub fn is_fully_promoted(&self) -> bool {
        self.status.stable == self.status.current && self.status.current == Some(self.template)
    }

    /// `spec.paused`
    pub fn is_paused_by_hand(&self) -> bool {
        self.spec.paused
    }

    /// The revision of the pod template.
    pub fn template(&self) -> Revision {
        self.template
    }

    /// `spec.replicas`
    pub fn replicas(&self) -> u32 {
        self.spec.replicas
    }

    pub fn is_blue_green(&self) -> bool {
        self.spec.blue_green().is_some()
    }

    /// Passes fail because AWS does not show the full weight.
    pub fn is_verifying(&self) -> bool {
        self.failed_passes > 0
    }

    /// Why passes do not come to their end, if so.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref().filter(|_| self.refused_passes > 0)
    }

    /// The newest look at AWS failed: throttled, or denied.
    pub fn fails_to_ask_aws(&self) -> bool {
        self.profile.aws_verify_target_group && self.observed_aws == Aws::Error
    }

    /// Waits for a person.
    pub fn is_paused_indefinitely(&self) -> bool {
        let index = self.status.step_index.unwrap_or(0);
        self.status.pause_conditions.iter().any(|condition| match condition.reason {
            PauseReason::CanaryPauseStep => self.spec.steps().get(index) == Some(&Step::Pause(None)),
            PauseReason::BlueGreenPause => self.spec.blue_green().is_some_and(|it| it.auto_promotion_after.is_none()),
            PauseReason::InconclusiveAnalysisRun => true,
        })
    }

    /// The current step; the number of steps when none is left.
    pub fn step_index(&self) -> usize {
        self.status.step_index.unwrap_or(0)
    }

    pub fn steps(&self) -> &[Step] {
        self.spec.steps()
    }

    /// Promoted or aborted, and nothing left to scale down.
    pub fn is_at_rest(&self) -> bool {
        let stable = self.status.stable;
        let is_alone = self.replica_sets.iter().all(|set| Some(set.revision) == stable || set.replicas == 0);
        let stays = self.spec.abort_scale_down() == AbortScaleDown::Never;
        let is_aborted = self.status.abort && self.has_all_traffic_on_stable() && (is_alone || stays);
        let is_over = self.is_fully_promoted() && self.update != Update::Begun;
        is_over && is_alone || is_aborted
    }

    /// Of the ReplicaSet that was the newest before the current one: where `undo` goes.
    pub fn previous_revision(&self) -> Revision {
        let others = self.replica_sets.iter().filter(|set| set.revision != self.template);
        others.max_by_key(|set| set.number).map_or(self.template, |set| set.revision)
    }

    pub fn update(&self) -> Update {
        self.update
    }

    /// Whether nothing goes to another revision than the stable one.
    pub fn has_all_traffic_on_stable(&self) -> bool {
        let status = &self.status;
        match status.weights {
            Some(weights) => weights.canary == TrafficWeight::ZERO,
            None if self.is_blue_green() => status.active == status.stable,
            // The pods split the traffic.
            None => self.replica_sets.iter().all(|set| Some(set.revision) == status.stable || set.available == 0),
        }
    }

    /// Whether a change of the template that brought stable back is over.
    fn is_back(&self) -> bool {
        let stable = self.status.stable.and_then(|stable| self.replica_set(stable));
        let has_all_pods = stable.is_some_and(|stable| stable.available >= self.spec.replicas);
        self.is_fully_promoted() && has_all_pods && self.has_all_traffic_on_stable()
    }

    /// Whether the ReplicaSet of this revision exists.
    pub fn knows(&self, revision: Revision) -> bool {
        self.replica_set(revision).is_some()
    }

    /// `spec.replicas` of a revision's ReplicaSet.
    pub fn replicas_of(&self, revision: Revision) -> u32 {
        self.replica_set(revision).map_or(0, |replica_set| replica_set.replicas)
    }

    /// `spec.restartAt`
    pub fn restart_at(&self) -> Option<Instant> {
        self.restart_at
    }

    /// Whether the pass that comes next asks AWS.
    pub fn asks_aws(&self) -> bool {
        let observed = self.observed();
        let is_routed = self.spec.is_traffic_routed();
        let weight = is_routed.then(|| traffic_routing::decide(&observed).canary).flatten();
        weight.is_some_and(|weight| observed.verifies_weight(weight))
            || observed.verifies_targets(self.services.and_then(|services| services[Service::Stable.index()].revision))
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            TemplateChanged(revision) => {
                if revision != self.template {
                    (self.template, self.update) = (revision, Update::Begun);
                }
                self.reconcile_soon()
            }
            ReplicasChanged(replicas) => {
                self.spec.replicas = replicas;
                self.reconcile_soon()
            }
            Input::Overwritten(overwritten) => self.on_overwritten(&overwritten),
            ServiceOverwritten(service) => {
                if let Some(services) = &mut self.services {
                    services[service.index()].revision = None;
                }
                self.reconcile_soon()
            }
            Input::Command(command) => {
                let mut effects = self.obey(now, command);
                effects.extend(self.reconcile_soon());
                effects
            }
            ReplicaSetStatus(revision, status) => {
                if let Some(replica_set) = self.replica_set_mut(revision) {
                    (replica_set.created, replica_set.available) = (status.created, status.available);
                }
                self.reconcile_soon()
            }
            Timer => self.reconcile_soon(),
            RouterRefuses(refusal) => {
                // Each reason has a row of failures of its own.
                if refusal != self.refusal {
                    (self.refusal, self.refused_passes) = (refusal, 0);
                }
                vec![]
            }
            Input::AnalysisRun(number, phase, message) => {
                // One that was ended has no verdict.
                let runs = self.status.analysis.iter_mut();
                let run = runs.filter(|run| run.phase == Phase::Running).find(|run| run.number == number);
                let Some(run) = run else { return vec![] };
                (run.phase, run.message) = (phase, message);
                self.reconcile_soon()
            }
            OldPods(pods) => {
                self.observed_old_pods = pods;
                vec![]
            }
            Input::Aws(answer) => {
                self.observed_aws = answer;
                vec![]
            }
            Reconcile => {
                self.reconcile_queued = false;
                let (status, replica_sets) = (self.status.clone(), self.replica_sets.clone());
                let mut effects = pass::Pass::run(self, now);
                // Whatever it wrote wakes the controller again, even where a second write took the first one back.
                let writes = |effect: &Effect| !matches!(effect, WakeAt(_) | Evict { .. });
                let changed = self.status != status || self.replica_sets != replica_sets;
                if changed || effects.iter().any(writes) {
                    effects.extend(self.reconcile_soon());
                }
                if self.update == Update::Begun && self.is_back() {
                    self.update = Update::TakenBack;
                    effects.push(TakenBack(self.template));
                }
                effects
            }
        }
    }

    /// The next pass asks for the weight again, whenever it comes. A route is asked for by its step alone.
    fn on_overwritten(&mut self, overwritten: &Overwritten) -> Vec<Effect> {
        if overwritten.weight {
            self.ingress.weight = None;
        }
        self.ingress.lost.extend(overwritten.routes.iter().cloned());
        if overwritten.is_heard { self.reconcile_soon() } else { vec![] }
    }

    /// Source: `pkg/kubectl-argo-rollouts/cmd`.
    fn obey(&mut self, now: Instant, command: Command) -> Vec<Effect> {
        let count = self.spec.steps().len();
        match command {
            Command::Promote => {
                self.spec.paused = false;
                if !self.status.pause_conditions.is_empty() {
                    self.status.pause_conditions.clear();
                } else if let Some(index) = self.status.step_index.filter(|index| *index < count) {
                    self.status.step_index = Some(index + 1);
                    if self.status.abort {
                        // The next pass sets it back to the first step, which does not begin.
                        return vec![];
                    }
                    let next = (index + 1 < count).then_some(StepStarted(index + 1));
                    return [StepCompleted(index)].into_iter().chain(next).collect();
                }
            }
            Command::PromoteFull => self.status.promote_full = self.status.current != self.status.stable,
            Command::Abort => self.status.abort = true,
            Command::Retry => self.status.abort = false,
            Command::Pause => self.spec.paused = true,
            Command::Restart => self.restart_at = Some(now.floor_to_second()),
        }
        vec![]
    }

    fn reconcile_soon(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.reconcile_queued, true) { vec![] } else { vec![ReconcileSoon] }
    }

    fn observed(&self) -> Observed<'_> {
        let of = |revision: Option<Revision>| revision.and_then(|revision| self.replica_set(revision).copied());
        let (new, stable) = (of(Some(self.template)), of(self.status.stable));
        let named = [new, stable].map(|replica_set| replica_set.map(|replica_set| replica_set.revision));
        let is_other = |replica_set: &&ReplicaSet| !named.contains(&Some(replica_set.revision));
        let others = self.replica_sets.iter().filter(is_other).copied().collect();
        Observed { profile: self.profile, spec: &self.spec, status: &self.status, new, stable, others }
    }

    /// The Service that has the canary's role. With `pingPong`, ping and pong take turns: ping is [`Service::Canary`].
    pub fn canary_service(&self) -> Service {
        match (self.spec.is_ping_pong(), self.status.stable_ping_pong) {
            (true, Some(PingPong::Ping)) => Service::Stable,
            (true, Some(PingPong::Pong) | None) | (false, _) => Service::Canary,
        }
    }

    fn replica_set(&self, revision: Revision) -> Option<&ReplicaSet> {
        self.replica_sets.iter().find(|replica_set| replica_set.revision == revision)
    }

    fn replica_set_mut(&mut self, revision: Revision) -> Option<&mut ReplicaSet> {
        self.replica_sets.iter_mut().find(|replica_set| replica_set.revision == revision)
    }
}
