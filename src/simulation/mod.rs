//! The wiring: who tells whom, after which lag. The only place where two components meet; it decides nothing.
//!
//! Requests are served between events ([`DataPlane::serve_until`]) from tables that only events change.

mod event;
mod recorder;
mod start;

use crate::engine::Queue;
use crate::model::endpoint_slice::{self, Conditions, EndpointSlice};
use crate::model::load_balancer::data_plane::{Command, DataPlane};
use crate::model::load_balancer::target_group::TargetHealth;
use crate::model::load_balancer::{self, LoadBalancer};
use crate::model::load_balancer_controller::QueueDiscipline;
use crate::model::load_balancer_controller::ingress::{self, Ingress};
use crate::model::load_balancer_controller::target_group_binding::{self, ApiCall, TargetGroupBinding};
use crate::model::pod::{self, Phase, Pod};
use crate::model::replica_set::{self, NewPod, ReplicaSet};
use crate::model::rollout::{self, Rollout};
use crate::model::scheduler::Scheduler;
use crate::model::tally::Tally;
use crate::model::traffic::Traffic;
use crate::model::{PodId, Revision, Service};
use crate::run::{LogEntry, RolloutOutcome, Run};
use crate::scenario::Scenario;
use crate::units::{Duration, Instant, Percent};
use event::{Event, Fingerprint};
use recorder::{Ending, Recorder, State};
use start::Streams;

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
    commands: Option<Vec<(Instant, Command)>>,

    rollout: Rollout,
    replica_sets: Vec<ReplicaSet>,
    pods: Vec<Member>,
    scheduler: Scheduler,
    endpoint_slices: [EndpointSlice; 2],
    ingress: Ingress,
    bindings: [TargetGroupBinding; 2],
    load_balancer: LoadBalancer,
    data_plane: DataPlane,
    traffic: Traffic,
    tally: Tally,
    /// What is in force, for the timeline.
    state: State,
    /// Canary weights by node.
    weights: Vec<Percent>,
}

/// A pod, and what the rest of the cluster keeps about it.
struct Member {
    pod: Pod,
    revision: Revision,
    created: Instant,
    node: Option<u32>,
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
            Event::Release => self.tell_rollout(now, rollout::Input::TemplateChanged(CANARY)),
            Event::Rollout(input) => self.tell_rollout(now, input),
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
        }
    }

    // The Rollouts controller.

    fn tell_rollout(&mut self, now: Instant, input: rollout::Input) {
        use rollout::Effect::*;
        for effect in self.rollout.handle(now, input) {
            match effect {
                ReconcileSoon => {
                    let delay = &self.scenario.rollouts_controller.reconcile_delay;
                    let delay = self.streams.rollouts_controller.draw(delay);
                    self.queue.schedule(now + delay, Event::Rollout(rollout::Input::Reconcile));
                }
                WakeAt(at) => self.queue.schedule(at.max(now), Event::Rollout(rollout::Input::Timer)),
                CreateReplicaSet(revision) => {
                    self.replica_sets.push(ReplicaSet::new(self.scenario.rollout.min_ready));
                    self.log(now, "rollouts-controller", "CreateReplicaSet", revision, "");
                }
                Scale { revision, from, to } => {
                    self.log(now, "rollouts-controller", "ScaleReplicaSet", revision, format!("{from} -> {to}"));
                    let (stable, canary) = (self.rollout.replicas_of(STABLE), self.rollout.replicas_of(CANARY));
                    self.recorder.sizes(now, stable, canary);
                    self.tell_replica_set(now, revision, replica_set::Input::Scale(to));
                }
                SwitchService { service, from, to } => self.switch_service(now, service, from, to),
                SetWeight(canary) => {
                    self.log(now, "rollouts-controller", "SetWeight", "ingress", split(canary));
                    self.state.weight_requested = canary.get();
                    self.recorder.asked(now, canary);
                    self.record_state(now);
                    self.tell_ingress_weight(now, canary);
                }
                StepStarted(index) => self.on_step_started(now, index),
                StepCompleted(index) => self.on_step_completed(now, index),
                ScaleDownDeadline(revision, deadline) => {
                    let detail = format!("in {}s", (deadline.saturating_since(now)).as_secs_f64());
                    self.log(now, "rollouts-controller", "ScaleDownDeadline", revision, detail);
                }
                Promoted(revision) => {
                    self.recorder.promoted(now);
                    self.log(now, "rollouts-controller", "Promoted", revision, "");
                }
            }
        }
        self.end_if_over(now);
    }

    fn on_step_started(&mut self, now: Instant, index: usize) {
        self.recorder.step_started(now, index);
        self.tally.begin_section(now);
        let step = self.rollout.steps()[index];
        self.log(now, "rollouts-controller", "StepStarted", format!("step {index}"), step);
    }

    fn on_step_completed(&mut self, now: Instant, index: usize) {
        self.recorder.step_completed(now, index);
        let steps = self.rollout.steps();
        if index + 1 == steps.len() {
            self.tally.begin_section(now);
        }
        let step = steps[index];
        self.log(now, "rollouts-controller", "StepCompleted", format!("step {index}"), step);
    }

    fn switch_service(&mut self, now: Instant, service: Service, from: Revision, to: Revision) {
        self.log(now, "rollouts-controller", "SwitchService", service, format!("{from} -> {to}"));
        self.tell_endpoint_slice(now, service, endpoint_slice::Input::SelectorChanged(to));
        if self.scenario.load_balancer_controller.queue == QueueDiscipline::WorkQueue {
            self.tell_ingress(now, ingress::Input::ServiceChanged);
        }
    }

    // ReplicaSets and pods.

    fn tell_replica_set(&mut self, now: Instant, revision: Revision, input: replica_set::Input) {
        use replica_set::Effect::*;
        let cluster = &self.scenario.cluster;
        for effect in self.replica_sets[index(revision)].handle(now, input) {
            match effect {
                SyncSoon => {
                    let delay = self.streams.replica_set.draw(&cluster.replica_set_sync);
                    self.queue.schedule(now + delay, Event::SyncReplicaSet(revision));
                }
                Create(count) => {
                    let delay = self.streams.replica_set.draw(&cluster.api_write);
                    self.queue.schedule(now + delay, Event::PodsWritten(revision, count));
                }
                Delete(pods) => {
                    let delay = self.streams.replica_set.draw(&cluster.api_write);
                    self.queue.schedule(now + delay, Event::PodsDeleted(pods));
                }
                Wake(delay, input) => self.queue.schedule(now + delay, Event::ReplicaSet(revision, input)),
                StatusSoon => {
                    let delay = self.streams.replica_set.draw(&cluster.replica_set_status);
                    self.queue.schedule(now + delay, Event::ReplicaSet(revision, replica_set::Input::StatusDue));
                }
                Publish(status) => {
                    let heard = rollout::Input::ReplicaSetStatus(revision, status);
                    self.queue.schedule(now, Event::Rollout(heard));
                }
            }
        }
    }

    fn sync_replica_set(&mut self, now: Instant, revision: Revision) {
        let mut pods_on_node = vec![0; self.scenario.cluster.nodes as usize];
        for node in self.replica_sets.iter().flat_map(ReplicaSet::nodes) {
            pods_on_node[node as usize] += 1;
        }
        self.tell_replica_set(now, revision, replica_set::Input::Sync { pods_on_node });
    }

    fn create_pods(&mut self, now: Instant, revision: Revision, count: u32) {
        let mut created = vec![];
        for _ in 0..count {
            let id = PodId(u32::try_from(self.pods.len()).expect("pods are counted in u32"));
            let mut random = self.streams.of_pod(id);
            let pod =
                Pod::new(self.scenario.pod, start::shutdown(self.scenario), start::timings(self.scenario, &mut random));
            created.push(NewPod { id, uid: random.next_u64() });
            self.pods.push(Member { pod, revision, created: now, node: None, deleted: false, removed: false });
            self.command(now, Command::AddPod(id));
            self.log(now, "pod", "Created", id, revision);
            self.tell_pod(now, id, pod::Input::Created);
        }
        self.record_pods(now);
        self.tell_replica_set(now, revision, replica_set::Input::Created(created));
    }

    fn delete_pod(&mut self, now: Instant, id: PodId) {
        let member = &mut self.pods[id.0 as usize];
        member.deleted = true;
        let revision = member.revision;
        self.log(now, "pod", "Deleted", id, revision);
        self.record_pods(now);
        self.tell_pod(now, id, pod::Input::Deleted);
        self.publish_conditions(now, id);
    }

    fn tell_pod(&mut self, now: Instant, id: PodId, input: pod::Input) {
        let member = &mut self.pods[id.0 as usize];
        if input == pod::Input::Scheduled && member.pod.phase() == Phase::Pending {
            let node = self.scheduler.bind();
            member.node = Some(node);
            let bound = replica_set::Input::Scheduled(id, node);
            let revision = member.revision;
            self.tell_replica_set(now, revision, bound);
        }
        for effect in self.pods[id.0 as usize].pod.handle(now, input) {
            self.on_pod_effect(now, id, effect);
        }
    }

    fn on_pod_effect(&mut self, now: Instant, id: PodId, effect: pod::Effect) {
        use pod::Effect::*;
        let revision = self.pods[id.0 as usize].revision;
        match effect {
            Wake(delay, input) => self.queue.schedule(now + delay, Event::Pod(id, input)),
            PullImage => {
                let pull = self.streams.image_pull.draw(&self.scenario.cluster.image_pull);
                let node = self.pods[id.0 as usize].node.expect("a pod that pulls is bound");
                let ready = self.scheduler.image_ready(now, node, revision, pull);
                self.queue.schedule(ready, Event::Pod(id, pod::Input::ImagePulled));
            }
            Listen => {
                self.command(now, Command::Listen(id));
                self.log(now, "pod", "Listening", id, revision);
            }
            Probe { timeout } => {
                let (delay, passed) = self.ask(now, id, timeout);
                self.queue.schedule(now + delay, Event::Pod(id, pod::Input::Probed { passed }));
            }
            Ready(ready) => {
                self.log(now, "pod", if ready { "Ready" } else { "Unready" }, id, revision);
                self.record_pods(now);
                self.tell_replica_set(now, revision, replica_set::Input::Ready(id, ready));
                self.publish_conditions(now, id);
            }
            Sigterm => self.log(now, "pod", "SIGTERM", id, revision),
            CloseListener => {
                self.command(now, Command::CloseListener(id));
                self.log(now, "pod", "ListenerClosed", id, revision);
            }
            AskInFlight => {
                let rest = self.data_plane.in_flight(id, now);
                self.tell_pod(now, id, pod::Input::InFlight(rest));
            }
            Exit { killed } => {
                self.command(now, Command::Exit(id));
                self.log(now, "pod", if killed { "SIGKILL" } else { "Exited" }, id, revision);
            }
            LoseAddress => {
                self.command(now, Command::LoseAddress(id));
                self.tell_endpoint_slices(now, endpoint_slice::Input::PodRemoved(id));
            }
            Remove => self.remove_pod(now, id),
        }
    }

    fn remove_pod(&mut self, now: Instant, id: PodId) {
        let member = &mut self.pods[id.0 as usize];
        member.removed = true;
        let (revision, existed) = (member.revision, now - member.created);
        if let Some(node) = member.node {
            self.scheduler.release(node);
        }
        self.log(now, "pod", "Removed", id, revision);
        self.recorder.pod_removed(existed);
        self.record_pods(now);
        self.tell_endpoint_slices(now, endpoint_slice::Input::PodRemoved(id));
        self.end_if_over(now);
    }

    /// How a probe or a health check that comes now ends, and when.
    fn ask(&self, now: Instant, id: PodId, timeout: Duration) -> (Duration, bool) {
        match self.data_plane.time_to_answer(id, now) {
            Some(wait) if wait <= timeout => (wait, true),
            None if self.data_plane.refuses(id) => (Duration::ZERO, false),
            Some(_) | None => (timeout, false),
        }
    }

    // EndpointSlices and the AWS Load Balancer Controller.

    fn publish_conditions(&mut self, now: Instant, id: PodId) {
        let member = &self.pods[id.0 as usize];
        if member.removed {
            return;
        }
        let conditions =
            Conditions { revision: member.revision, serving: member.pod.ready(), terminating: member.deleted };
        self.tell_endpoint_slices(now, endpoint_slice::Input::PodChanged(id, conditions));
    }

    fn tell_endpoint_slices(&mut self, now: Instant, input: endpoint_slice::Input) {
        for service in Service::ALL {
            self.tell_endpoint_slice(now, service, input);
        }
    }

    fn tell_endpoint_slice(&mut self, now: Instant, service: Service, input: endpoint_slice::Input) {
        use endpoint_slice::Effect::*;
        for effect in self.endpoint_slices[service.index()].handle(input) {
            match effect {
                SyncSoon => {
                    let heard = now + self.streams.endpoint_slice.draw(&self.scenario.cluster.endpoint_slice);
                    self.queue.schedule(heard, Event::EndpointSlice(service, endpoint_slice::Input::SyncDue));
                }
                Publish(endpoints) => {
                    self.log(now, "endpoint-slice", "Updated", service, format!("{} ready", endpoints.len()));
                    let heard = target_group_binding::Input::EndpointsChanged(endpoints);
                    self.tell_binding(now, service, heard);
                }
            }
        }
    }

    fn tell_ingress_weight(&mut self, now: Instant, canary: Percent) {
        let controller = &self.scenario.load_balancer_controller;
        match controller.queue {
            QueueDiscipline::WorkQueue => self.tell_ingress(now, ingress::Input::WeightChanged(canary)),
            QueueDiscipline::Overlap => {
                let due = now + self.streams.rule_lag.draw(&controller.rule_lag);
                self.queue.schedule(due, Event::Ingress(ingress::Input::SendWeight(canary)));
            }
        }
    }

    fn tell_ingress(&mut self, now: Instant, input: ingress::Input) {
        use ingress::Effect::*;
        let controller = &self.scenario.load_balancer_controller;
        for effect in self.ingress.handle(input) {
            match effect {
                Enqueue => {
                    let lag = self.streams.rule_lag.draw(&controller.rule_lag);
                    let reconcile = lag.min(controller.reconcile_time);
                    let start = now + (lag - reconcile);
                    self.queue.schedule(start, Event::Ingress(ingress::Input::Start(reconcile)));
                }
                Reconcile(time) => self.queue.schedule(now + time, Event::Ingress(ingress::Input::Send)),
                ModifyRule(canary) => {
                    self.log(now, "load-balancer-controller", "ModifyRule", "ingress", split(canary));
                    self.tell_load_balancer(now, load_balancer::Input::ModifyRule(canary));
                }
            }
        }
    }

    fn tell_binding(&mut self, now: Instant, service: Service, input: target_group_binding::Input) {
        use target_group_binding::Effect::*;
        let controller = &self.scenario.load_balancer_controller;
        for effect in self.bindings[service.index()].handle(input) {
            match effect {
                Enqueue => {
                    let start = now + self.streams.target_lag.draw(&controller.target_lag);
                    self.queue.schedule(start, Event::TargetGroupBinding(service, target_group_binding::Input::Start));
                }
                Call(call) => {
                    let latency = match call {
                        ApiCall::DeregisterTargets(_) => &controller.deregister_targets,
                        ApiCall::RegisterTargets(_) => &controller.register_targets,
                    };
                    let accepted = now + self.streams.target_lag.draw(latency);
                    self.queue.schedule(accepted, Event::Accepted(service, call));
                }
            }
        }
    }

    fn accept(&mut self, now: Instant, service: Service, call: ApiCall) {
        let (event, input, count) = match call {
            ApiCall::DeregisterTargets(pods) => {
                let count = pods.len();
                ("DeregisterTargets", load_balancer::Input::DeregisterTargets(service, pods), count)
            }
            ApiCall::RegisterTargets(pods) => {
                let count = pods.len();
                ("RegisterTargets", load_balancer::Input::RegisterTargets(service, pods), count)
            }
        };
        let detail = if count == 1 { "1 target".to_owned() } else { format!("{count} targets") };
        self.log(now, "load-balancer-controller", event, service, detail);
        self.tell_load_balancer(now, input);
        self.tell_binding(now, service, target_group_binding::Input::Done);
    }

    // The load balancer.

    fn tell_load_balancer(&mut self, now: Instant, input: load_balancer::Input) {
        let effects = self.load_balancer.handle(now, input);
        self.on_load_balancer_effects(now, effects);
    }

    fn on_load_balancer_effects(&mut self, now: Instant, effects: Vec<load_balancer::Effect>) {
        use load_balancer::Effect::*;
        use load_balancer::Input::*;
        let spec = &self.scenario.load_balancer;
        for effect in effects {
            let (delay, input) = match effect {
                Wake(delay, input) => (delay, input),
                PushRule { node, canary, version } => {
                    let delay = self.streams.rule_push[node as usize].draw(&spec.rule_push);
                    (delay, RuleReached { node, canary, version })
                }
                PushTargets { node, news, targets } => {
                    (self.streams.propagation(node, news, spec), TargetsReached { node, news, targets })
                }
                FirstHealthCheck { node, target } => {
                    let delay = self.streams.first_health_check[node as usize].draw(&spec.first_health_check);
                    (delay, HealthCheckDue { node, target })
                }
                HealthCheck { node, target, timeout } => {
                    let (delay, passed) = self.ask(now, target.pod, timeout);
                    (delay, HealthChecked { node, target, passed })
                }
                SetWeight { node, canary } => {
                    self.set_weight(now, node, canary);
                    continue;
                }
                Route { node, service, targets } => {
                    if targets.is_empty() {
                        self.log(now, "load-balancer", "GroupEmpty", format!("node {node} {service}"), "");
                    }
                    self.command(now, Command::Route { node, service, targets });
                    continue;
                }
                HealthChanged { node, service, pod, health } => {
                    let event = match health {
                        TargetHealth::Initial => "TargetInitial",
                        TargetHealth::Healthy => "TargetHealthy",
                        TargetHealth::Unhealthy => "TargetUnhealthy",
                    };
                    self.log(now, "load-balancer", event, format!("node {node} {service}"), pod);
                    continue;
                }
                TargetRemoved { node, service, pod } => {
                    self.log(now, "load-balancer", "TargetRemoved", format!("node {node} {service}"), pod);
                    continue;
                }
                CutConnections { service, pod, deregistered } => {
                    self.command(now, Command::CutConnections { service, pod, deregistered });
                    continue;
                }
            };
            self.queue.schedule(now + delay, Event::LoadBalancer(input));
        }
    }

    fn set_weight(&mut self, now: Instant, node: u32, canary: Percent) {
        self.command(now, Command::SetWeight { node, canary });
        if std::mem::replace(&mut self.weights[node as usize], canary) != canary {
            self.log(now, "load-balancer", "RuleEffective", format!("node {node}"), split(canary));
        }
        if self.weights.iter().all(|weight| *weight == canary) {
            self.recorder.effective(now, canary);
        }
        self.state.weight_effective_sum = self.weights.iter().map(|weight| u16::from(weight.get())).sum();
        self.record_state(now);
    }

    // The books.

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
        let count = |which: &dyn Fn(&Member) -> bool| {
            u16::try_from(self.pods.iter().filter(|member| !member.removed && which(member)).count())
                .unwrap_or(u16::MAX)
        };
        self.state.stable_serving = count(&|member| member.revision == STABLE && member.serves());
        self.state.canary_serving = count(&|member| member.revision != STABLE && member.serves());
        self.state.terminating = count(&|member| member.deleted);
        self.state.pods_total = count(&|_| true);
        self.record_state(now);
    }

    fn record_state(&mut self, now: Instant) {
        self.recorder.state(now, self.state);
    }

    /// The release is over when the new revision is alone and the last pod of the old one is gone.
    fn end_if_over(&mut self, now: Instant) {
        let alone = |member: &Member| member.revision == CANARY || member.removed;
        if self.over || now < self.release || !self.rollout.is_at_rest() || !self.pods.iter().all(alone) {
            return;
        }
        self.over = true;
        self.recorder.last_pod_removed(now);
        let whole_second = (now + Duration::from_nanos(999_999_999)).floor_to_second();
        self.end = self.end.or(Some(whole_second + self.scenario.simulation.cooldown));
    }

    fn close(mut self, end: Instant) -> TracedRun {
        for member in self.pods.iter().filter(|member| !member.removed) {
            self.recorder.pod_removed(end - member.created);
        }
        let totals = self.tally.close(usize::try_from((end - Instant::START).whole_secs()).expect("seconds fit"));
        let outcome = if self.over {
            RolloutOutcome::Promoted
        } else if self.rollout.is_paused_indefinitely() {
            RolloutOutcome::Paused
        } else {
            RolloutOutcome::Running
        };
        let ending = Ending {
            seed: self.seed,
            fingerprint: start::join(self.fingerprint, totals.fingerprint),
            release: self.release,
            end,
            nodes: self.scenario.load_balancer.nodes,
            replicas: self.scenario.rollout.replicas,
            steps: self.rollout.steps(),
            outcome,
        };
        TracedRun { run: self.recorder.into_run(totals, &ending), commands: self.commands.unwrap_or_default() }
    }
}

/// As the event log writes a rule.
fn split(canary: Percent) -> String {
    format!("canary {canary} stable {}", canary.rest())
}

fn index(revision: Revision) -> usize {
    revision.0 as usize - 1
}
