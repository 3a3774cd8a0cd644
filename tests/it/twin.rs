//! A slow, obvious twin of the request path: every request goes through one event queue, workers and queues are lists,
//! and an outcome is decided in the moment in which it happens. It must agree with the fast one request by request.

use crate::support;
use proptest::prelude::*;
use rayon::prelude::*;
use rollout_sim::engine::Queue;
use rollout_sim::model::application::VersionSpec;
use rollout_sim::model::load_balancer::TargetGroupSelection;
use rollout_sim::model::load_balancer::data_plane::Command;
use rollout_sim::model::load_balancer::route::{Route, Split};
use rollout_sim::model::load_balancer::target_selection::Algorithm;
use rollout_sim::model::outcome::{Cause, Outcome};
use rollout_sim::model::traffic::{ANONYMOUS, Request, Traffic};
use rollout_sim::model::{PodId, Revision, Service};
use rollout_sim::random::derived_lot;
use rollout_sim::run::TracedRequest;
use rollout_sim::scenario::Scenario;
use rollout_sim::simulation::{TracedRun, run_traced};
use rollout_sim::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug)]
enum Event {
    /// A worker of the pod is done with the request of this number.
    WorkDone {
        pod: PodId,
        number: u64,
    },
    /// The load balancer has waited long enough for the answer to this request.
    ClientTimeout(u64),
    Command(Command),
    Arrival(Request),
}

impl Event {
    /// What goes first at one instant: an answer is in time at the very last moment, and a command holds for the
    /// requests that arrive with it.
    fn order(&self) -> u8 {
        match self {
            Self::WorkDone { .. } => 0,
            Self::ClientTimeout(_) => 1,
            Self::Command(_) => 2,
            Self::Arrival(_) => 3,
        }
    }
}

/// What became of a request, as the twin saw it.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    answer: Option<(Outcome, Instant)>,
    work_began: Option<Instant>,
}

#[derive(Default)]
struct Node {
    /// By class.
    routes: Vec<Route>,
    /// Smooth selection: parts of a request that the canary group has to get, by rule, whoever sends the requests.
    canary_credit: BTreeMap<u16, u64>,
    stable: Group,
    canary: Group,
    /// Connections to each pod that nobody uses: since when.
    idle: Vec<Vec<Instant>>,
}

impl Node {
    fn group(&mut self, service: Service) -> &mut Group {
        match service {
            Service::Stable => &mut self.stable,
            Service::Canary => &mut self.canary,
        }
    }
}

#[derive(Default)]
struct Group {
    targets: Vec<PodId>,
    turn: usize,
    /// Slow start: since when each target that came beside others is there.
    since: BTreeMap<PodId, Instant>,
    /// Until then not all of them get an equal part.
    slow_until: Instant,
}

impl Group {
    fn replace(&mut self, now: Instant, (targets, slow_start): (Vec<PodId>, Duration)) {
        // The rotation keeps its place in the list, as far as the list still has it.
        self.turn = if targets.is_empty() { 0 } else { self.turn % targets.len() };
        let come: Vec<_> = targets.iter().copied().filter(|pod| !self.targets.contains(pod)).collect();
        self.since.retain(|pod, _| targets.contains(pod));
        if slow_start > Duration::ZERO && !self.targets.is_empty() && !come.is_empty() {
            self.since.extend(come.into_iter().map(|pod| (pod, now)));
            self.slow_until = now + slow_start;
        }
        self.targets = targets;
    }

    /// In thousandths of what a target gets that is there for long: a hundredth at first, and then by its age.
    fn part(&self, pod: PodId, (now, slow_start): (Instant, Duration)) -> u128 {
        let Some(since) = self.since.get(&pod) else { return 1_000 };
        let age = u128::from((now - *since).as_nanos());
        (age * 1_000 / u128::from(slow_start.as_nanos())).clamp(10, 1_000)
    }

    /// A point on a line on which each target has its part, one behind the other.
    fn drawn(&self, at: (Instant, Duration), lot: u64) -> PodId {
        let all: u128 = self.targets.iter().map(|pod| self.part(*pod, at)).sum();
        let point = u128::from(derived_lot(lot, 3) >> 32) * all / (1 << 32);
        let mut end = 0;
        let behind = self.targets.iter().find(|pod| {
            end += self.part(**pod, at);
            point < end
        });
        *behind.expect("the point lies on the line")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Address {
    Listens,
    Refuses,
    Nobody,
}

struct Pod {
    address: Address,
    version: VersionSpec,
    workers: Vec<Job>,
    waiting: VecDeque<Job>,
}

/// A request in a pod.
#[derive(Clone)]
struct Job {
    request: Request,
    node: usize,
    service: Service,
    /// As the pod behaved when the request came.
    version: VersionSpec,
}

struct Twin<'a> {
    scenario: &'a Scenario,
    queue: Queue<Event>,
    nodes: Vec<Node>,
    pods: Vec<Pod>,
    records: Vec<Record>,
    /// By class and user: the group that the cookie names, and its end.
    group_cookies: BTreeMap<(u8, u32), (Service, Instant)>,
    target_cookies: BTreeMap<(u8, u32), (PodId, Instant)>,
}

fn play(scenario: &Scenario, seed: u64, traced: &TracedRun) -> Vec<Record> {
    let mut queue = Queue::default();
    for (at, command) in &traced.commands {
        queue.schedule(*at, Event::Command(command.clone()));
    }
    let mut traffic = Traffic::new(&scenario.traffic, seed, Instant::START + scenario.simulation.warmup);
    let mut records = vec![];
    for request in traffic.all_before(traced.run.end) {
        queue.schedule(request.arrival, Event::Arrival(request));
        records.push(Record::default());
    }
    let nodes = (0..scenario.load_balancer.nodes).map(|_| Node::default()).collect();
    let mut twin = Twin {
        scenario,
        queue,
        nodes,
        pods: vec![],
        records,
        group_cookies: BTreeMap::new(),
        target_cookies: BTreeMap::new(),
    };
    twin.play();
    twin.records
}

impl Twin<'_> {
    fn play(&mut self) {
        let mut due: Vec<Event> = vec![];
        loop {
            // All that is due at this instant, and what it brings about at this same instant.
            while self.queue.next_at().is_some_and(|at| due.is_empty() || at == self.queue.now()) {
                due.push(self.queue.pop().expect("an event is due").1);
            }
            let Some((first, _)) = due.iter().enumerate().min_by_key(|(_, event)| event.order()) else { return };
            let event = due.remove(first);
            self.happen(self.queue.now(), event);
        }
    }

    fn happen(&mut self, now: Instant, event: Event) {
        match event {
            Event::WorkDone { pod, number } => self.work_done(now, pod, number),
            Event::ClientTimeout(number) => self.answer(number, Outcome::Elb(Cause::IdleTimeout), now),
            Event::Command(command) => self.obey(now, command),
            Event::Arrival(request) => self.arrive(now, request),
        }
    }

    /// The first answer counts.
    fn answer(&mut self, number: u64, outcome: Outcome, at: Instant) {
        let record = &mut self.records[usize::try_from(number).unwrap()];
        record.answer = record.answer.or(Some((outcome, at)));
    }

    fn arrive(&mut self, now: Instant, request: Request) {
        let fail = |twin: &mut Self, cause: Cause, at: Instant| twin.answer(request.number, Outcome::Elb(cause), at);
        let node = ((u128::from(request.lot >> 32) * self.nodes.len() as u128) >> 32) as usize;
        let split = match self.nodes[node].routes[usize::from(request.class)] {
            Route::Forward(split) => split,
            Route::FixedResponse(cause) => return fail(self, cause, now),
            Route::Elsewhere => return self.answer(request.number, Outcome::Ok, now),
        };
        let service = self.sticky_service(now, node, (&request, split));
        let Some(pod) = self.sticky_target(now, node, (&request, service)) else {
            return fail(self, Cause::NoRegisteredTargets, now);
        };
        let gives_up = now + self.scenario.load_balancer.connect_timeout;
        match self.pods[pod.0 as usize].address {
            Address::Refuses => return fail(self, Cause::ConnectionRefused, now),
            Address::Nobody if self.is_told(request.lot) => return fail(self, Cause::HostUnreachable, now),
            Address::Nobody => return fail(self, Cause::ConnectTimeout, gives_up),
            Address::Listens => {}
        }
        if self.races() && self.meets_a_closing_connection(now, node, pod) {
            return fail(self, Cause::KeepAliveRace, now);
        }
        let (concurrency, backlog) = (self.scenario.application.concurrency, self.scenario.application.backlog);
        let server = &mut self.pods[pod.0 as usize];
        let job = Job { request, node, service, version: server.version.clone() };
        if server.workers.len() < concurrency as usize {
            self.begin(now, pod, job);
        } else if server.waiting.len() < backlog as usize {
            server.waiting.push_back(job);
        } else {
            return fail(self, Cause::BacklogFull, gives_up);
        }
        let patience = self.scenario.load_balancer.idle_timeout;
        self.queue.schedule(now + patience, Event::ClientTimeout(request.number));
    }

    /// The end of a cookie that is set now: browsers count in seconds.
    fn end_of_cookie(now: Instant, duration: Duration) -> Instant {
        let end = (now + duration).as_nanos();
        Instant::from_nanos(end.div_ceil(1_000_000_000) * 1_000_000_000)
    }

    fn sticky_service(&mut self, now: Instant, node: usize, (request, split): (&Request, Split)) -> Service {
        let Some(duration) = split.stickiness else { return self.choose_service(node, (request, split)) };
        let spec = self.scenario.load_balancer.cookies;
        let client = (request.class, request.user);
        let kept = self.group_cookies.get(&client).copied().filter(|(service, end)| {
            let index = service.index();
            now < *end && split.has[index] && (spec.honours_zero_weight || split.weights[index] > 0)
        });
        let service = kept.map_or_else(|| self.choose_service(node, (request, split)), |(service, _)| service);
        if request.user != ANONYMOUS && (kept.is_none() || spec.is_renewed) {
            self.group_cookies.insert(client, (service, Self::end_of_cookie(now, duration)));
        }
        service
    }

    fn sticky_target(&mut self, now: Instant, node: usize, (request, service): (&Request, Service)) -> Option<PodId> {
        let Some(duration) = self.scenario.target_group.stickiness else {
            return self.next_target(now, node, (service, request.lot));
        };
        let client = (request.class, request.user);
        let targets = self.nodes[node].group(service).targets.clone();
        let kept = self.target_cookies.get(&client).copied();
        let kept = kept.filter(|(pod, end)| now < *end && targets.contains(pod)).map(|(pod, _)| pod);
        let pod = kept.or_else(|| self.next_target(now, node, (service, request.lot)))?;
        if request.user != ANONYMOUS && (kept.is_none() || self.scenario.load_balancer.cookies.is_renewed) {
            self.target_cookies.insert(client, (pod, Self::end_of_cookie(now, duration)));
        }
        Some(pod)
    }

    fn choose_service(&mut self, node: usize, (request, split): (&Request, Split)) -> Service {
        let [stable, canary] = split.weights.map(u64::from);
        let is_canary = match self.scenario.load_balancer.target_group_selection {
            TargetGroupSelection::Random => (request.lot & 0xffff_ffff) * (stable + canary) / (1 << 32) < canary,
            TargetGroupSelection::Smooth => {
                let credit = self.nodes[node].canary_credit.entry(split.rotation).or_default();
                *credit += canary;
                let is_canary = *credit >= stable + canary;
                *credit %= stable + canary;
                is_canary
            }
        };
        if is_canary { Service::Canary } else { Service::Stable }
    }

    /// Round robin, but for targets in slow start and where the targets are drawn.
    fn next_target(&mut self, now: Instant, node: usize, (service, lot): (Service, u64)) -> Option<PodId> {
        let spec = self.scenario.target_group;
        let group = self.nodes[node].group(service);
        let target = *group.targets.get(group.turn)?;
        if now < group.slow_until || spec.algorithm == Algorithm::WeightedRandom {
            return Some(group.drawn((now, spec.slow_start), lot));
        }
        group.turn = (group.turn + 1) % group.targets.len();
        Some(target)
    }

    /// Whether the network tells that nobody has the address.
    fn is_told(&self, lot: u64) -> bool {
        let share = (self.scenario.cluster.host_unreachable_share * (1u64 << 32) as f64) as u64;
        derived_lot(lot, 1) >> 32 < share
    }

    /// Only a pod that closes idle connections before the load balancer does can close one that is about to be used.
    fn races(&self) -> bool {
        self.scenario.application.keep_alive <= self.scenario.load_balancer.idle_timeout
    }

    /// Takes the connection that was idle for the shortest time, if there is one.
    fn meets_a_closing_connection(&mut self, now: Instant, node: usize, pod: PodId) -> bool {
        let (closes_after, window) =
            (self.scenario.application.keep_alive, self.scenario.application.keep_alive_race_window);
        let idle = &mut self.nodes[node].idle[pod.0 as usize];
        idle.sort();
        let Some(since) = idle.pop() else { return false };
        if now - since > closes_after + window {
            // Closed for long, as are all the others.
            idle.clear();
            return false;
        }
        now - since + window >= closes_after
    }

    fn begin(&mut self, now: Instant, pod: PodId, job: Job) {
        let number = job.request.number;
        self.records[usize::try_from(number).unwrap()].work_began = Some(now);
        // Three decimals of the factor count.
        let factor = job.version.latency_factor.unwrap_or(1.0);
        let demand = job.request.demand;
        self.pods[pod.0 as usize].workers.push(job);
        let nanos = u128::from(demand.as_nanos()) * (factor * 1_000.0).round() as u128 / 1_000;
        let work = Duration::from_nanos(u64::try_from(nanos).unwrap());
        self.queue.schedule(now + work, Event::WorkDone { pod, number });
    }

    fn work_done(&mut self, now: Instant, pod: PodId, number: u64) {
        let server = &mut self.pods[pod.0 as usize];
        let Some(worker) = server.workers.iter().position(|job| job.request.number == number) else {
            return; // The process died before.
        };
        let job = server.workers.remove(worker);
        let errors = (job.version.error_share * (1u64 << 32) as f64) as u64;
        let is_error = derived_lot(job.request.lot, 2) >> 32 < errors;
        let answer = if is_error { Outcome::Target5xx } else { Outcome::Ok };
        let next = server.waiting.pop_front();
        self.answer(number, answer, now);
        // Where the load balancer has given up, it has closed the connection.
        if self.records[usize::try_from(number).unwrap()].answer == Some((answer, now)) {
            self.nodes[job.node].idle[pod.0 as usize].push(now);
        }
        if let Some(next) = next {
            self.begin(now, pod, next);
        }
    }

    fn version(&self, revision: Revision) -> VersionSpec {
        self.scenario.application.versions.get(&revision).cloned().unwrap_or_default()
    }

    fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::SetRoutes { node, routes } => self.nodes[node as usize].routes = routes.to_vec(),
            Command::Route { node, service, targets } => {
                let slow_start = self.scenario.target_group.slow_start;
                self.nodes[node as usize].group(service).replace(now, (targets, slow_start));
            }
            Command::AddPod(pod, revision) => {
                assert_eq!(pod.0 as usize, self.pods.len());
                let version = self.version(revision);
                let (workers, waiting) = (vec![], VecDeque::new());
                self.pods.push(Pod { address: Address::Refuses, version, workers, waiting });
                for node in &mut self.nodes {
                    node.idle.push(vec![]);
                }
            }
            Command::BehaveLike(pod, version) => self.pods[pod.0 as usize].version = self.version(version),
            Command::Listen(pod) => self.pods[pod.0 as usize].address = Address::Listens,
            Command::CloseListener(pod) => self.pods[pod.0 as usize].address = Address::Refuses,
            Command::LoseAddress(pod) => self.pods[pod.0 as usize].address = Address::Nobody,
            Command::Exit(pod) => {
                let server = &mut self.pods[pod.0 as usize];
                server.address = Address::Refuses;
                let lost: Vec<_> = server.workers.drain(..).chain(server.waiting.drain(..)).collect();
                for job in lost {
                    self.answer(job.request.number, Outcome::Elb(Cause::ResetInFlight), now);
                }
            }
            Command::CutConnections { service, pod } => {
                let server = &self.pods[pod.0 as usize];
                let jobs = server.workers.iter().chain(&server.waiting);
                let cut = |job: &&Job| job.service == service;
                let cut: Vec<_> = jobs.filter(cut).map(|job| job.request.number).collect();
                for number in cut {
                    self.answer(number, Outcome::Elb(Cause::DeregistrationDelayExpired), now);
                }
            }
        }
    }
}

/// The first request on which the two disagree.
fn disagreement(scenario: &Scenario, seed: u64, traced: &TracedRun) -> Option<String> {
    let trace = traced.run.trace.as_ref().expect("the run was traced");
    let records = play(scenario, seed, traced);
    if trace.len() != records.len() {
        return Some(format!("{} requests instead of {}", trace.len(), records.len()));
    }
    let differs = |(fast, slow): &(&TracedRequest, &Record)| {
        let waited = slow.work_began.map_or(Duration::ZERO, |began| began - fast.arrival);
        slow.answer != Some((fast.outcome, fast.answered)) || fast.outcome.is_from_target() && fast.waited != waited
    };
    let number = trace.iter().zip(&records).position(|pair| differs(&pair))?;
    Some(format!("request {number}: fast {:?}, slow {:?}", trace[number], records[number]))
}

fn check(scenario: &Scenario, seed: u64) -> TracedRun {
    let traced = run_traced(scenario, seed);
    if let Some(difference) = disagreement(scenario, seed, &traced) {
        panic!("{}, seed {seed}: {difference}", scenario.name);
    }
    traced
}

#[test]
fn the_twin_agrees_about_every_request_of_the_gallery() {
    let gallery = support::gallery();
    let cases: Vec<_> = gallery
        .iter()
        .flat_map(|scenario| support::seeds("gallery").into_iter().map(move |seed| (scenario, seed)))
        .collect();
    cases.par_iter().for_each(|(scenario, seed)| {
        check(scenario, *seed);
    });
}

const IDLE_TIMEOUT: &str = "ingress.annotations.\"alb.ingress.kubernetes.io/load-balancer-attributes\"=\
                            \"idle_timeout.timeout_seconds=2\"";
const NO_DELAY: &str = "ingress.annotations.\"alb.ingress.kubernetes.io/target-group-attributes\"=\
                        \"deregistration_delay.timeout_seconds=1\"";
const SLOW: &str = "traffic.service_time={ exponential = \"3s\" }";
const LONG_WAIT: &str = "rollout.template.spec.containers[0].lifecycle.preStop.exec.command=[\"sleep\", \"25\"]";

#[test]
fn the_twin_agrees_where_it_gets_tight() {
    use Cause::*;
    // Name, changes to the short scenario, causes that must have struck.
    let cases: [(&str, &[&str], &[Cause]); 10] = [
        ("one worker, no queue", &["application.concurrency=1", "application.backlog=0"], &[BacklogFull]),
        ("two workers, small queue", &["application.concurrency=2", "application.backlog=3", SLOW], &[BacklogFull]),
        ("one worker, long queue", &["application.concurrency=1", IDLE_TIMEOUT, SLOW], &[IdleTimeout]),
        ("idle time-outs", &[SLOW, IDLE_TIMEOUT], &[IdleTimeout, ResetInFlight]),
        (
            "short keep-alive",
            &["application.keep_alive=1s", "application.keep_alive_race_window=20ms"],
            &[KeepAliveRace],
        ),
        (
            "time-outs and short keep-alive",
            &["application.keep_alive=1s", "application.keep_alive_race_window=50ms", IDLE_TIMEOUT, SLOW],
            &[KeepAliveRace, IdleTimeout],
        ),
        ("exit on SIGTERM", &["application.on_sigterm=exit", SLOW], &[ResetInFlight, ConnectionRefused]),
        (
            "grace too short",
            &["application.on_sigterm=drain", "rollout.template.spec.terminationGracePeriodSeconds=3", SLOW],
            &[ResetInFlight],
        ),
        ("short deregistration delay", &[NO_DELAY, SLOW, LONG_WAIT], &[DeregistrationDelayExpired]),
        (
            "addresses gone",
            &["load_balancer.deregistration=20s", "cluster.sandbox_removal=200ms"],
            &[HostUnreachable, ConnectTimeout],
        ),
    ];
    for (name, overrides, causes) in cases {
        let scenario = support::scenario(support::SHORT, name, overrides);
        let struck: BTreeSet<Cause> = (1..=3)
            .flat_map(|seed| {
                let run = check(&scenario, seed).run;
                Cause::ALL.into_iter().filter(move |cause| run.causes[cause.index()].count > 0)
            })
            .collect();
        for cause in causes {
            assert!(struck.contains(cause), "{name}: nothing failed for {cause:?}, only for {struck:?}");
        }
    }
}

/// Least outstanding requests are left out: a request that breaks off counts there until the time that it would have had.
#[test]
fn the_twin_agrees_about_slow_start_and_drawn_targets() {
    for attribute in ["slow_start.duration_seconds=30", "load_balancing.algorithm.type=weighted_random"] {
        let key = "ingress.annotations.\"alb.ingress.kubernetes.io/target-group-attributes\"";
        let scenario = support::scenario(support::SHORT, attribute, &[&format!("{key}=\"{attribute}\"")]);
        for seed in 1..=3 {
            check(&scenario, seed);
        }
    }
}

#[test]
fn the_twin_agrees_where_a_feature_is_switched_off() {
    let changes = [
        "traffic.service_time={ exponential = \"1s\" }",
        "application.concurrency=4",
        "application.versions.v1.latency_factor=0.5",
        "application.versions.v2={ error_share = 0.5, latency_factor = 3.0 }",
        "actions=[{ when = \"step 3\", do = \"disable_feature\" }]",
    ];
    let scenario = support::scenario(support::SHORT, "a feature switched off", &changes);
    for seed in 1..=3 {
        let traced = check(&scenario, seed);
        assert!(traced.commands.iter().any(|(_, command)| matches!(command, Command::BehaveLike(..))));
    }
}

/// Every delay a multiple of 100 ms, so that arrivals, answers, time-outs and the control plane meet at one instant.
const ROUND: &[&str] = &[
    "traffic.rate=20/s",
    "traffic.arrivals=uniform",
    "application.sigterm_reaction=100ms",
    "cluster={ api_write = \"0s\", scheduling = \"0s\", sandbox_creation = \"1s\", image_pull = \"2s\", \
     container_start = \"200ms\", container_seen = \"100ms\", kubelet_notices_delete = \"100ms\", \
     sandbox_removal = \"200ms\", pod_removal = \"1s\", replica_set_sync = \"0s\", \
     replica_set_status = \"100ms\", endpoint_slice = \"100ms\" }",
    "load_balancer_controller={ rule_lag = \"2s\", target_lag = \"100ms\", deregister_targets = \"0s\", \
     register_targets = \"100ms\" }",
    "load_balancer.rule_batch=1s",
    "load_balancer.rule_push=1s",
    "load_balancer.registration=1s",
    "load_balancer.first_health_check=1s",
    "load_balancer.deregistration=6s",
    IDLE_TIMEOUT,
];

#[test]
fn the_twin_agrees_where_everything_happens_at_once() {
    for service_time in ["100ms", "1s", "2s", "2100ms", "6s"] {
        for concurrency in [1, 3, 64] {
            for on_sigterm in ["exit", "drain", "ignore"] {
                let changes = [
                    format!("traffic.service_time={service_time}"),
                    format!("application.concurrency={concurrency}"),
                    format!("application.on_sigterm={on_sigterm}"),
                    "application.drain_until=requests_answered".to_owned(),
                ];
                let changes: Vec<_> = ROUND.iter().copied().chain(changes.iter().map(String::as_str)).collect();
                let name = format!("{service_time}, {concurrency} workers, {on_sigterm}");
                for delay in [NO_DELAY, "seed=1"] {
                    let changes = [&changes[..], &[delay]].concat();
                    check(&support::scenario(support::SHORT, &name, &changes), 1);
                }
            }
        }
    }
}

#[test]
fn the_twin_agrees_about_random_scenarios() {
    support::for_random_scenarios("twin", 500, |scenario, seed| {
        let traced = run_traced(scenario, seed);
        let difference = disagreement(scenario, seed, &traced);
        prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
        Ok(())
    });
}
