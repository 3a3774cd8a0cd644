//! The wiring: who tells whom, after which lag. The only layer where two components meet; it decides nothing.
//!
//! Requests are served between events ([`DataPlane::serve_until`]) from tables that only events change.

mod alerts;
mod analysis;
mod autoscaling;
mod cluster;
mod decisions;
mod delivery;
mod event;
mod feature;
mod gitops;
mod load_balancing;
mod people;
mod recorder;
mod routing;
mod start;
mod waiting;
mod workload;

use crate::engine::Queue;
use crate::model::analysis as analysis_run;
use crate::model::endpoint_slice::{self, EndpointSlice};
use crate::model::load_balancer::LoadBalancer;
use crate::model::load_balancer::data_plane::{Command, DataPlane};
use crate::model::load_balancer_controller::QueueDiscipline;
use crate::model::load_balancer_controller::ingress::{self, Ingress};
use crate::model::load_balancer_controller::readiness_gate::ReadinessGate;
use crate::model::load_balancer_controller::target_group_binding::TargetGroupBinding;
use crate::model::people::People;
use crate::model::pod::Pod;
use crate::model::replica_set::ReplicaSet;
use crate::model::rollout::step::{HeaderRoute, Step};
use crate::model::rollout::{self, Aws, Rollout};
use crate::model::scheduler::Scheduler;
use crate::model::tally::Tally;
use crate::model::traffic::Traffic;
use crate::model::{Revision, Service};
use crate::run::{LogEntry, Run};
use crate::scenario::Scenario;
use crate::units::{Duration, Instant, Share, TrafficWeight};
use alerts::Rule;
use analysis::Measuring;
use autoscaling::Autoscaling;
use decisions::Decisions;
use delivery::Delivery;
use event::{Event, Fingerprint};
use feature::Code;
use gitops::GitOps;
use recorder::{Ending, Recorder, State};
use routing::{NodeRoutes, Routing};
use start::Streams;
use std::collections::BTreeMap;
use workload::Workload;

/// A run that is being made, and what a slow twin needs to make it again.
#[derive(Debug)]
pub struct TracedRun {
    pub run: Run,
    /// Everything that the control plane told the request path.
    pub commands: Vec<(Instant, Command)>,
}

/// Plays the scenario. The result depends on the scenario and the seed alone.
pub fn run(scenario: &Scenario, seed: u64) -> Run {
    Simulation::new(scenario, seed, false).play().run
}

/// The same, with every request and every command to the request path written down: for tests, of short scenarios.
pub fn run_traced(scenario: &Scenario, seed: u64) -> TracedRun {
    Simulation::new(scenario, seed, true).play()
}

/// The revision that is stable before the release, and the one that the release brings.
const STABLE: Revision = Revision(1);
const CANARY: Revision = Revision(2);

struct Simulation<'a> {
    scenario: &'a Scenario,
    seed: u64,
    queue: Queue<Event>,
    streams: Streams,
    release: Instant,
    /// The end of the run, once it is known.
    end: Option<Instant>,
    /// The release has ended.
    over: bool,
    fingerprint: Fingerprint,
    recorder: Recorder,
    decisions: Decisions,
    commands: Option<Vec<(Instant, Command)>>,
    people: People,
    gitops: Option<GitOps<'a>>,
    delivery: Option<Delivery<'a>>,
    alerts: Vec<Rule<'a>>,
    /// By number.
    analysis_runs: BTreeMap<u32, Measuring>,
    autoscaling: Option<Autoscaling>,

    workload: Workload,
    /// The newest revision that anybody has asked for.
    newest: Revision,
    code: Code,
    replica_sets: Vec<ReplicaSet>,
    pods: Vec<Member>,
    scheduler: Scheduler,
    endpoint_slices: [EndpointSlice; 2],
    routing: Routing,
    ingress: Ingress,
    bindings: [TargetGroupBinding; 2],
    readiness_gates: [ReadinessGate; 2],
    /// When the load balancer controller's watch of pods will tell the newest change: it tells them in order.
    pods_watched_until: Instant,
    /// The same for another control plane and the endpoints of each Service.
    endpoints_watched_until: [Instant; 2],
    load_balancer: LoadBalancer,
    data_plane: DataPlane,
    traffic: Traffic,
    tally: Tally,
    /// What is in force, for the timeline.
    state: State,
    /// Canary weights by node.
    weights: Vec<Share>,
    /// By node; None until its rules change.
    routes: Vec<Option<NodeRoutes>>,
}

/// A pod, and what the rest of the cluster keeps about it.
struct Member {
    pod: Pod,
    revision: Revision,
    created: Instant,
    node: Option<u32>,
    /// Since when the Ready condition is what it is.
    ready_since: Instant,
    deleted: bool,
    removed: bool,
}

impl Member {
    fn serves(&self) -> bool {
        self.pod.ready() && !self.deleted
    }
}

impl Simulation<'_> {
    fn play(mut self) -> TracedRun {
        loop {
            let end = self.end.unwrap_or(self.release + self.scenario.simulation.horizon);
            let next = self.queue.next_at().unwrap_or(Instant::NEVER);
            self.data_plane.serve_until(next.min(end), &mut self.traffic, &mut self.tally);
            if next >= end {
                return self.close(end);
            }
            let (now, event) = self.queue.pop().expect("an event is due");
            self.fingerprint.fold(now, &event);
            self.dispatch(now, event);
        }
    }

    fn dispatch(&mut self, now: Instant, event: Event) {
        match event {
            Event::Release => {
                self.newest = CANARY;
                self.begin_gitops(now);
                self.begin_promotion(now);
                self.change_template(now, CANARY);
            }
            Event::Rollout(input) => {
                if input == rollout::Input::Reconcile && self.asks_aws() {
                    let answer = self.ask_aws();
                    self.tell_rollout(now, rollout::Input::Aws(answer));
                }
                if input == rollout::Input::Reconcile && self.workload.rollout().is_some_and(Rollout::is_restarting) {
                    let pods = self.count_old_pods();
                    self.tell_rollout(now, rollout::Input::OldPods(pods));
                }
                self.tell_rollout(now, input);
            }
            Event::Deployment(input) => self.tell_deployment(now, input),
            Event::ReplicaSet(revision, input) => self.tell_replica_set(now, revision, input),
            Event::SyncReplicaSet(revision) => self.sync_replica_set(now, revision),
            Event::PodsWritten(revision, count) => self.create_pods(now, revision, count),
            Event::PodsDeleted(pods) => {
                for pod in pods {
                    self.delete_pod(now, pod);
                }
            }
            Event::Pod(pod, input) => self.tell_pod(now, pod, input),
            Event::EndpointSlice(service, input) => self.tell_endpoint_slice(now, service, input),
            Event::Ingress(input) => self.tell_ingress(now, input),
            Event::TargetGroupBinding(service, input) => self.tell_binding(now, service, input),
            Event::Accepted(service, call) => self.accept(now, service, call),
            Event::LoadBalancer(input) => self.tell_load_balancer(now, input),
            Event::MeasureDue(number) => self.tell_analysis(now, number, analysis_run::Input::MeasureDue),
            Event::SyncAutoscaler => self.sync_autoscaler(now),
            Event::LookAtMetrics => self.look_at_metrics(now),
            Event::Action(index) => self.act(now, index),
            Event::ReadinessGate(service, input) => self.tell_readiness_gate(now, service, input),
            Event::Push(push) => self.push(now, push),
            Event::CommitNoticed(input) => self.notice_commit(now, input),
            Event::PollDue => self.poll(now),
            Event::ArgoCd(input) => self.tell_argo_cd(now, input),
            Event::Compare => self.compare(now),
            Event::Sync => self.sync(now),
            Event::Pipeline(input) => self.tell_pipeline(now, input),
            Event::OtherJob => self.begin_other_job(now),
            Event::Promotion(input) => self.tell_promotion(now, input),
            Event::EvaluateAlert(index) => self.evaluate_alert(now, index),
            Event::Notification(index) => self.notify(now, index),
            Event::FeatureFlag(pod) => self.hear_of_feature(now, pod),
            Event::Resync => {
                self.queue.schedule(now + self.scenario.rollouts_controller.resync_period, Event::Resync);
                self.tell_rollout(now, rollout::Input::Timer);
            }
        }
    }

    // The Rollouts controller.

    fn tell_rollout(&mut self, now: Instant, input: rollout::Input) {
        use rollout::Effect::*;
        const NAME: &str = "rollouts-controller";
        // The writes of a pass follow each other. It matters where one of them starts a reconcile that the next is late for.
        let mut written = Duration::ZERO;
        let Workload::Rollout(rollout) = &mut self.workload else { unreachable!("{input:?} is for a Rollout") };
        for effect in rollout.handle(now, input) {
            match effect {
                ReconcileSoon => {
                    let controller = &self.scenario.rollouts_controller;
                    let mut delay = self.streams.rollouts_controller.draw(&controller.reconcile_delay);
                    if self.asks_aws() {
                        delay += self.streams.aws.draw(&controller.aws_query_time);
                    }
                    self.queue.schedule(now + delay, Event::Rollout(rollout::Input::Reconcile));
                }
                WakeAt(at) => self.queue.schedule(at.max(now), Event::Rollout(rollout::Input::Timer)),
                CreateReplicaSet(revision) => self.create_replica_set(now, NAME, revision),
                Scale { revision, from, to } => self.scale(now, NAME, (revision, from, to)),
                SwitchService { service, from, to } => {
                    self.switch_service(now, service, from, to);
                    written += self.streams.rollouts_controller.draw(&self.scenario.cluster.api_write);
                }
                SetWeight { canary, weight } => self.on_weight_asked(now, written, (canary, weight)),
                StepStarted(index) => self.on_step_started(now, index),
                StepCompleted(index) => self.on_step_completed(now, index),
                ScaleDownDeadline(revision, deadline) => {
                    // To the millisecond, as all times of the log.
                    let left = (deadline.saturating_since(now).as_secs_f64() * 1e3).round() / 1e3;
                    let detail = format!("in {left}s");
                    self.log(now, "rollouts-controller", "ScaleDownDeadline", revision, detail);
                }
                StartAnalysis { number, kind, templates } => self.start_analysis(now, (number, kind), &templates),
                Evict { revision, count } => self.evict(now, revision, count),
                EndAnalysis(number) => self.tell_analysis(now, number, analysis_run::Input::Terminate),
                Aborted(message) => {
                    self.forget_routes();
                    self.tally.begin_section(now);
                    self.recorder.aborted(now);
                    // An abort by hand has no reason.
                    self.decisions.aborted(now, message.contains(": "));
                    self.log(now, "rollouts-controller", "Aborted", "rollout", message);
                }
                SetHeaderRoute(route) => {
                    self.log(now, NAME, "SetHeaderRoute", self.routing.object().name(), &route.name);
                    self.patch_header_route(now, written, &route);
                }
                SetMirrorRoute(route) => self.patch_mirror_route(now, written, &route),
                RemoveRoute(name) => {
                    self.log(now, NAME, "RemoveRoutes", self.routing.object().name(), &name);
                    self.patch_header_route(now, written, &HeaderRoute { name, matches: vec![] });
                }
                RemoveRoutes(names) => self.remove_routes(now, written, &names),
                Refused(rollout::Refusal::InvalidSpec(message)) => {
                    self.log(now, NAME, "InvalidSpec", "rollout", message)
                }
                Refused(rollout::Refusal::PassFails(message)) => self.log(now, NAME, "PassFailed", "rollout", message),
                // An empty ReplicaSet has no part in the story.
                DeleteReplicaSet(_) => {}
                Promoted(revision) => {
                    self.forget_routes();
                    self.recorder.promoted(now);
                    self.record_sizes(now);
                    self.log(now, NAME, "Promoted", revision, "");
                }
                TakenBack(revision) => {
                    self.forget_routes();
                    self.on_taken_back(now);
                    self.log(now, NAME, "TakenBack", revision, "");
                }
            }
        }
        self.end_if_over(now);
    }

    fn on_weight_asked(&mut self, now: Instant, written: Duration, (service, asked): (Service, TrafficWeight)) {
        // The load balancer controller refuses others, and the rule stays.
        let Some(weight) = asked.share_of(self.scenario.max_weight()) else { return };
        let canary = if service == Service::Canary { weight } else { weight.rest() };
        self.log(now, "rollouts-controller", "SetWeight", self.routing.object().name(), self.split(canary));
        self.state.weight_requested = canary.hundredths();
        self.recorder.asked(now, canary);
        self.record_state(now);
        self.patch_weight(now, written, (service, asked));
    }

    fn asks_aws(&self) -> bool {
        self.workload.rollout().is_some_and(Rollout::asks_aws)
    }

    /// DescribeRules and DescribeTargetHealth.
    fn ask_aws(&mut self) -> Aws {
        if self.streams.aws.happens(self.scenario.rollouts_controller.aws_error_share) {
            return Aws::Error;
        }
        let canary = self.routing.weight_shown(self.load_balancer.listener(), Service::Canary);
        let has_all_endpoints = Service::ALL.map(|service| {
            let endpoints = self.endpoint_slices[service.index()].published();
            endpoints.is_subset(self.load_balancer.registered(service))
        });
        Aws::Shows { weights: [canary.rest(TrafficWeight::HUNDRED), canary], has_all_endpoints }
    }

    fn on_step_started(&mut self, now: Instant, index: usize) {
        self.recorder.step_started(now, index);
        self.tally.begin_section(now);
        let step = self.workload.steps()[index].clone();
        self.log(now, "rollouts-controller", "StepStarted", format!("step {index}"), step);
        self.begin_actions_of_step(now, index);
    }

    fn on_step_completed(&mut self, now: Instant, index: usize) {
        self.recorder.step_completed(now, index);
        let steps = self.workload.steps();
        if index + 1 == steps.len() {
            self.tally.begin_section(now);
            self.recorder.steps_over();
        }
        let step = steps[index].clone();
        if matches!(step, Step::SetHeaderRoute(_)) {
            self.mean_for_routes(index);
        }
        self.log(now, "rollouts-controller", "StepCompleted", format!("step {index}"), step);
    }

    fn switch_service(&mut self, now: Instant, service: Service, from: Option<Revision>, to: Revision) {
        let from = match from {
            // The release before the one that is stable has no number.
            Some(Revision(0)) => "(before v1)".to_owned(),
            Some(from) => from.to_string(),
            // Somebody has taken the hash out of the selector.
            None => "(every revision)".to_owned(),
        };
        self.log(now, "rollouts-controller", "SwitchService", self.name(service), format!("{from} -> {to}"));
        self.tell_endpoint_slice(now, service, endpoint_slice::Input::SelectorChanged(to));
        // Others hear of selectors by EndpointSlices alone.
        let is_watched = self.routing.object().is_ingress();
        if is_watched && self.scenario.load_balancer_controller.queue == QueueDiscipline::WorkQueue {
            self.tell_ingress(now, ingress::Input::ServiceChanged);
        }
    }

    // The books.

    /// As the event log calls a Service.
    fn name(&self, service: Service) -> &'static str {
        self.scenario.workload.service_name(service)
    }

    /// As the event log writes a rule.
    fn split(&self, canary: Share) -> String {
        let [stable_name, canary_name] = Service::ALL.map(|service| self.name(service));
        format!("{canary_name} {canary} {stable_name} {}", canary.rest())
    }

    fn command(&mut self, now: Instant, command: Command) {
        if let Some(commands) = &mut self.commands {
            commands.push((now, command.clone()));
        }
        self.data_plane.apply(now, command, &mut self.tally);
    }

    fn log(
        &mut self,
        at: Instant,
        component: &'static str,
        event: &'static str,
        object: impl ToString,
        detail: impl ToString,
    ) {
        let (object, detail) = (object.to_string(), detail.to_string());
        self.recorder.log(LogEntry { at, component, event, object, detail });
    }

    fn record_pods(&mut self, now: Instant) {
        let [mut stable, mut canary, mut terminating, mut total] = [0u16; 4];
        for member in self.pods.iter().filter(|member| !member.removed) {
            let one = |count: &mut u16| *count = count.saturating_add(1);
            one(&mut total);
            if member.deleted {
                one(&mut terminating);
            }
            if member.serves() {
                one(if member.revision == STABLE { &mut stable } else { &mut canary });
            }
        }
        (self.state.stable_serving, self.state.canary_serving) = (stable, canary);
        (self.state.terminating, self.state.pods_total) = (terminating, total);
        self.record_state(now);
    }

    fn record_state(&mut self, now: Instant) {
        self.recorder.state(now, self.state);
    }

    /// The release is over when one revision is alone, the last pod of the others is gone, and nobody is about to act.
    fn end_if_over(&mut self, now: Instant) {
        let stays = |member: &Member| member.removed || self.workload.replicas_of(member.revision) > 0;
        if now < self.release || !self.workload.is_at_rest() || !self.pods.iter().all(stays) {
            return;
        }
        self.decisions.settled(now);
        if self.over || self.somebody_acts() {
            return;
        }
        self.over = true;
        let whole_second = (now + Duration::from_nanos(999_999_999)).floor_to_second();
        self.end = self.end.or(Some(whole_second + self.scenario.simulation.cooldown));
    }

    fn somebody_acts(&self) -> bool {
        self.people.are_about_to_act()
            || self.somebody_is_alerted()
            || self.code.is_changing()
            || self.gitops.as_ref().is_some_and(GitOps::is_under_way)
            || self.delivery.as_ref().is_some_and(Delivery::is_under_way)
    }

    /// What seemed to be over is not.
    fn go_on(&mut self) {
        if self.over && self.scenario.simulation.duration.is_none() {
            (self.over, self.end) = (false, None);
        }
    }

    fn close(mut self, end: Instant) -> TracedRun {
        for member in self.pods.iter().filter(|member| !member.removed) {
            self.recorder.pod_removed(end - member.created);
        }
        if self.pods.iter().any(|member| member.revision == STABLE && !member.removed) {
            self.recorder.stable_there();
        }
        let (outcome, waits_for) = (self.outcome(), self.waits_for());
        let totals = self.tally.close(usize::try_from((end - Instant::START).whole_secs()).expect("seconds fit"));
        let ending = Ending {
            seed: self.seed,
            fingerprint: start::join(self.fingerprint, totals.fingerprint),
            release: self.release,
            end,
            nodes: self.scenario.load_balancer.nodes,
            replicas: self.scenario.workload.replicas(),
            steps: self.workload.steps(),
            max_weight: self.scenario.max_weight(),
            outcome,
        };
        let (decisions, changes) = self.decisions.into_records();
        let built_from = self.code.into_records();
        let run = Run { waits_for, decisions, changes, built_from, ..self.recorder.into_run(totals, &ending) };
        TracedRun { run, commands: self.commands.unwrap_or_default() }
    }
}

fn index(revision: Revision) -> usize {
    revision.0 as usize - 1
}
