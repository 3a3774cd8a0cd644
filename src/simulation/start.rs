//! The state in which a run begins: revision 1 has been stable for long, every controller is at rest.

use super::alerts::Rule;
use super::autoscaling::Autoscaling;
use super::decisions::Decisions;
use super::delivery::Delivery;
use super::event::{Event, Fingerprint};
use super::feature::Code;
use super::gitops::GitOps;
use super::recorder::{Recorder, State};
use super::routing::Routing;
use super::workload::Workload;
use super::{Member, STABLE, Simulation};
use crate::engine::Queue;
use crate::model::endpoint_slice::{Conditions, EndpointSlice};
use crate::model::horizontal_pod_autoscaler::SYNC_PERIOD;
use crate::model::load_balancer::data_plane::{Command, DataPlane, DataPlaneSpec};
use crate::model::load_balancer::{AtRest, LoadBalancer, LoadBalancerSpec, News};
use crate::model::load_balancer_controller::ingress::{Ingress, IngressSpec};
use crate::model::load_balancer_controller::listener_rules::Cluster;
use crate::model::load_balancer_controller::readiness_gate::ReadinessGate;
use crate::model::load_balancer_controller::target_group_binding::TargetGroupBinding;
use crate::model::people::{Pace, People, Trigger};
use crate::model::pod::{self, Pod, Shutdown, Timings};
use crate::model::replica_set::{NewPod, ReplicaSet};
use crate::model::scheduler::Scheduler;
use crate::model::tally::Tally;
use crate::model::tally::exposure::Exposure;
use crate::model::traffic::Traffic;
use crate::model::{PodId, Revision, Service};
use crate::random::{Random, Stream};
use crate::scenario::Scenario;
use crate::units::{Duration, Instant, Share};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The streams of everybody who draws more than once.
pub struct Streams {
    seed: u64,
    pub rollouts_controller: Random,
    /// How long a look at AWS takes, and whether it fails.
    pub aws: Random,
    pub replica_set: Random,
    pub image_pull: Random,
    pub endpoint_slice: Random,
    pub rule_lag: Random,
    /// How long each call about listener rules takes that another one waits for.
    pub rule_call: Random,
    pub target_lag: Random,
    /// By ALB node, as are the three below.
    pub rule_push: Vec<Random>,
    registration: Vec<Random>,
    deregistration: Vec<Random>,
    pub first_health_check: Vec<Random>,
    pub readiness_gate: Random,
}

impl Streams {
    fn new(seed: u64, nodes: u32) -> Self {
        let by_node = |stream| (0..nodes).map(|node| Random::new(seed, stream, node)).collect();
        let single = |stream| Random::new(seed, stream, 0);
        Self {
            seed,
            rollouts_controller: single(Stream::RolloutsController),
            aws: single(Stream::AwsQuery),
            replica_set: single(Stream::ReplicaSet),
            image_pull: single(Stream::ImagePull),
            endpoint_slice: single(Stream::EndpointSlice),
            rule_lag: single(Stream::RuleLag),
            rule_call: single(Stream::RuleCall),
            target_lag: single(Stream::TargetLag),
            rule_push: by_node(Stream::RulePush),
            registration: by_node(Stream::Registration),
            deregistration: by_node(Stream::Deregistration),
            first_health_check: by_node(Stream::FirstHealthCheck),
            readiness_gate: single(Stream::ReadinessGate),
        }
    }

    pub fn of_pod(&self, id: PodId) -> Random {
        Random::new(self.seed, Stream::Pod, id.0)
    }

    /// How long the news takes to a node.
    pub fn propagation(&mut self, node: u32, news: News, spec: &LoadBalancerSpec) -> Duration {
        match news {
            News::Registered => self.registration[node as usize].draw(&spec.registration),
            News::Deregistered => self.deregistration[node as usize].draw(&spec.deregistration),
        }
    }
}

/// What is random about a pod, always drawn in this order.
pub fn timings(scenario: &Scenario, revision: Revision, random: &mut Random) -> Timings {
    let (cluster, application) = (&scenario.cluster, &scenario.application);
    let version = application.versions.get(&revision);
    let startup_time = version.and_then(|version| version.startup_time.as_ref()).unwrap_or(&application.startup_time);
    let crash_after = version.and_then(|version| version.crash_after.as_ref());
    Timings {
        scheduling: random.draw(&cluster.scheduling),
        sandbox_creation: random.draw(&cluster.sandbox_creation),
        container_start: random.draw(&cluster.container_start),
        container_seen: random.draw(&cluster.container_seen),
        startup_time: random.draw(startup_time),
        kubelet_notices_delete: random.draw(&cluster.kubelet_notices_delete),
        sigterm_reaction: random.draw(&application.sigterm_reaction),
        sandbox_removal: random.draw(&cluster.sandbox_removal),
        pod_removal: random.draw(&cluster.pod_removal),
        crash_after: crash_after.map(|after| random.draw(after)),
    }
}

pub fn shutdown(scenario: &Scenario) -> Shutdown {
    let application = &scenario.application;
    Shutdown {
        on_sigterm: application.on_sigterm,
        drain_until: application.drain_until,
        drain_timeout: application.drain_timeout,
    }
}

/// One number for the control plane's events and the requests' outcomes.
pub fn join(control_plane: Fingerprint, requests: u64) -> u64 {
    use std::hash::Hasher;
    let mut joined = control_plane;
    joined.write_u64(requests);
    joined.finish()
}

/// At rest, with the rules that the Ingress makes.
fn ingress(scenario: &Scenario, routing: &Routing) -> Ingress {
    established(scenario, routing).expect("the Ingress of a checked scenario makes rules")
}

/// None if the object makes no rules as it stands.
pub fn established(scenario: &Scenario, routing: &Routing) -> Option<Ingress> {
    let controller = &scenario.load_balancer_controller;
    let cluster = Cluster { tolerates_missing_action: controller.tolerates_missing_action, ..Cluster::default() };
    let spec = IngressSpec { cluster, synthesis: controller.rule_synthesis };
    Ingress::established(spec, Arc::clone(routing.object())).ok()
}

fn data_plane(scenario: &Scenario) -> DataPlane {
    DataPlane::new(DataPlaneSpec {
        load_balancer: &scenario.load_balancer,
        target_group: scenario.target_group,
        application: &scenario.application,
        host_unreachable_share: scenario.cluster.host_unreachable_share,
        users: &scenario.traffic.users_by_class(),
    })
}

fn people(scenario: &Scenario, seed: u64) -> People {
    let actions = (0..).zip(&scenario.actions);
    let paced = actions.map(|(number, action)| {
        let pace = Pace::draw(action, &mut Random::new(seed, Stream::People, number));
        (action.clone(), pace)
    });
    People::new(paced.collect())
}

/// The books that somebody is going to look into.
fn tally(scenario: &Scenario, trace: bool) -> Tally {
    let longest_answer = scenario.load_balancer.idle_timeout.max(scenario.load_balancer.connect_timeout);
    let mut tally = Tally::new(longest_answer, trace);
    // Of a way back the versions are to be known, also where nobody asks who sends the requests.
    if !scenario.traffic.classes.is_empty() || may_go_back(scenario) {
        tally = tally.with_exposure(Exposure::new(&scenario.traffic.users_by_class(), scenario.newest_revision()));
    }
    let somebody_waits = scenario.actions.iter().any(|action| matches!(action.trigger, Trigger::Shown(_)));
    let is_evaluated = !scenario.analysis_templates.is_empty() || !scenario.alerts.is_empty();
    let is_watched = scenario.hpa.is_some() || somebody_waits || is_evaluated;
    if is_watched { tally.with_metrics() } else { tally }
}

/// Whether somebody, or something, may take a version back.
fn may_go_back(scenario: &Scenario) -> bool {
    let is_judged = !scenario.analysis_templates.is_empty() || !scenario.alerts.is_empty();
    is_judged || !scenario.actions.is_empty() || scenario.gitops.is_some()
}

impl<'a> Simulation<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64, trace: bool) -> Self {
        let replicas = scenario.workload.replicas();
        let nodes = scenario.load_balancer.nodes;
        let release = Instant::START + scenario.simulation.warmup;
        let ids: Vec<_> = (0..replicas).map(PodId).collect();
        let serving = Conditions { revision: STABLE, serving: true, terminating: false, awaits_gates: false };
        let endpoints: BTreeMap<_, _> = ids.iter().map(|id| (*id, serving)).collect();
        let workload = Workload::established(scenario);
        let endpoint_slices =
            Service::ALL.map(|service| EndpointSlice::new(workload.selector(service), endpoints.clone()));
        let bindings = [0, 1].map(|service| TargetGroupBinding::new(endpoint_slices[service].ready()));
        let gate_spec = &scenario.load_balancer_controller.readiness_gate;
        let readiness_gates = [0, 1].map(|service| ReadinessGate::new(gate_spec, endpoint_slices[service].ready()));
        let targets = [0, 1].map(|service| endpoint_slices[service].ready().into_iter().collect::<Vec<_>>());
        let routing = Routing::established(scenario);
        let ingress = ingress(scenario, &routing);
        let listener = Arc::clone(ingress.listener());
        let canary = routing.weight(&listener).unwrap_or(Share::NONE);
        let at_rest = AtRest { listener, targets: [&targets[0], &targets[1]] };
        let (load_balancer, effects) =
            LoadBalancer::established(&scenario.load_balancer, scenario.target_group, at_rest);
        let mut simulation = Self {
            scenario,
            seed,
            queue: Queue::default(),
            streams: Streams::new(seed, nodes),
            release,
            end: scenario.simulation.duration.map(|duration| release + duration),
            over: false,
            fingerprint: Fingerprint::new(),
            recorder: Recorder::new(scenario.workload.steps().len(), replicas),
            commands: trace.then(Vec::new),
            gitops: GitOps::new(scenario, seed),
            delivery: Delivery::new(scenario, seed),
            alerts: Rule::all(scenario, seed),
            people: people(scenario, seed),
            decisions: Decisions::default(),
            analysis_runs: BTreeMap::new(),
            autoscaling: scenario.hpa.as_ref().map(Autoscaling::new),
            newest: STABLE,
            code: Code::default(),
            workload,
            replica_sets: vec![],
            pods: vec![],
            scheduler: Scheduler::new(scenario.cluster.nodes),
            endpoint_slices,
            routing,
            ingress,
            bindings,
            readiness_gates,
            pods_watched_until: Instant::START,
            endpoints_watched_until: [Instant::START; 2],
            load_balancer,
            data_plane: data_plane(scenario),
            traffic: Traffic::new(&scenario.traffic, seed, release),
            tally: tally(scenario, trace),
            state: State::default(),
            weights: vec![canary; nodes as usize],
            routes: vec![None; nodes as usize],
        };
        simulation.establish_pods(&ids);
        simulation.on_load_balancer_effects(Instant::START, effects);
        simulation.wind_clocks();
        simulation
    }

    /// Everything that happens by itself.
    fn wind_clocks(&mut self) {
        self.queue.schedule(self.release, Event::Release);
        if self.workload.rollout().is_some() {
            let first = Instant::START + self.scenario.rollouts_controller.resync_period;
            self.queue.schedule(first, Event::Resync);
        }
        if self.scenario.hpa.is_some() {
            self.queue.schedule(Instant::START + SYNC_PERIOD, Event::SyncAutoscaler);
        }
        self.plan_actions();
        self.plan_other_job(Instant::START);
        self.plan_alerts();
    }

    fn establish_pods(&mut self, ids: &[PodId]) {
        let mut members = vec![];
        for (number, id) in (1u64..).zip(ids) {
            let mut random = self.streams.of_pod(*id);
            let timings = timings(self.scenario, STABLE, &mut random);
            let pod = Pod::established(self.scenario.pod, shutdown(self.scenario), timings);
            let node = self.scheduler.bind();
            self.scheduler.has_image(node, STABLE);
            members.push((NewPod { id: *id, uid: random.next_u64() }, node));
            self.pods.push(Member {
                pod,
                revision: STABLE,
                created: Instant::START,
                node: Some(node),
                ready_since: Instant::START,
                deleted: false,
                removed: false,
            });
            self.command(Instant::START, Command::AddPod(*id, STABLE));
            self.command(Instant::START, Command::Listen(*id));
            if let Some(probe) = self.scenario.pod.readiness_probe {
                // The pods were not started all at once: their probes are spread over the period.
                let spread = probe.period.as_nanos() * number / (ids.len() as u64 + 1);
                let due = Instant::START + Duration::from_nanos(spread);
                self.queue.schedule(due, Event::Pod(*id, pod::Input::ProbeDue));
            }
        }
        let min_ready = self.scenario.workload.min_ready();
        self.replica_sets.push(ReplicaSet::established(min_ready, members.into_iter()));
        self.record_pods(Instant::START);
    }
}
