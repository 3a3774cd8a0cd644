//! The path of a request: node, rule, target group, target, answer. The hot path of the simulator.
//!
//! Between two events nothing that routes can change, so requests are served in a loop from tables that only
//! [`Command`]s rebuild. Order of decisions as in the *User Guide for Application Load Balancers*; no retry: a failure
//! reaches the client. A request takes about 50 ns in all, half of what a plain loop over one event heap takes for far
//! less of a model (`benches/speed.rs`). The slow, obvious twin is `tests/it/twin.rs`.

use super::connection::{KeepAlive, Pool};
use super::{LoadBalancerSpec, TargetGroupSelection};
use crate::model::application::{ApplicationSpec, Open, Port, Server};
use crate::model::outcome::{Cause, Outcome};
use crate::model::tally::{Fate, Tally};
use crate::model::traffic::{Request, Traffic};
use crate::model::{PodId, Revision, Service};
use crate::random::derived_lot;
use crate::units::{Duration, Instant, Percent};

/// What the control plane tells the request path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A node routes by this canary weight from now on.
    SetWeight { node: u32, canary: Percent },
    /// A node sends requests for this group to these targets from now on.
    Route { node: u32, service: Service, targets: Vec<PodId> },
    /// A pod of this revision was created. Nobody listens there yet.
    AddPod(PodId, Revision),
    /// The program accepts connections.
    Listen(PodId),
    /// New connections are refused; what is in flight goes on.
    CloseListener(PodId),
    /// The process is gone, and with it what was in flight.
    Exit(PodId),
    /// Nobody answers at the pod's address any more.
    LoseAddress(PodId),
    /// The deregistration delay is over: what the target still works on for this group is cut.
    CutConnections { service: Service, pod: PodId },
}

#[derive(Clone, Debug)]
pub struct DataPlane {
    nodes: Vec<Node>,
    /// By pod.
    servers: Vec<Server>,
    application: ApplicationSpec,
    selection: TargetGroupSelection,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// Of 2^32 connections to an address that is gone, so many get an ICMP answer.
    host_unreachable: u64,
    /// Set if the target closes idle connections before the load balancer does.
    race: Option<KeepAlive>,
}

/// One node's own view, later than the control plane's.
#[derive(Clone, Debug, Default)]
struct Node {
    canary: u32,
    /// What the smooth selection owes the canary group, in hundredths of a request.
    owed: u32,
    /// By `Service::index`.
    groups: [Group; 2],
    /// By pod.
    pools: Vec<Pool>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    targets: Vec<u32>,
    /// Round robin.
    next: usize,
}

impl Group {
    #[inline]
    fn next_target(&mut self) -> Option<u32> {
        let target = *self.targets.get(self.next)?;
        self.next += 1;
        if self.next == self.targets.len() {
            self.next = 0;
        }
        Some(target)
    }
}

impl DataPlane {
    pub fn new(spec: &LoadBalancerSpec, application: &ApplicationSpec, host_unreachable_share: f64) -> Self {
        let closes_after = application.keep_alive;
        let race = KeepAlive { closes_after, race_window: application.keep_alive_race_window };
        Self {
            nodes: vec![Node::default(); spec.nodes as usize],
            servers: vec![],
            application: application.clone(),
            selection: spec.target_group_selection,
            connect_timeout: spec.connect_timeout,
            idle_timeout: spec.idle_timeout,
            host_unreachable: (host_unreachable_share * (1u64 << 32) as f64) as u64,
            race: (closes_after <= spec.idle_timeout).then_some(race),
        }
    }

    /// Serves every request that arrives before `until`.
    pub fn serve_until(&mut self, until: Instant, traffic: &mut Traffic, tally: &mut Tally) {
        while let Some(request) = traffic.next_before(until) {
            self.serve(request, tally);
        }
    }

    #[inline]
    fn serve(&mut self, request: Request, tally: &mut Tally) {
        let number = (((request.lot >> 32) * self.nodes.len() as u64) >> 32) as usize;
        let node = &mut self.nodes[number];
        let service = node.choose_group(self.selection, request.lot);
        let group = &mut node.groups[service.index()];
        let target = group.next_target();
        let (outcome, answered, waited) = match target {
            Some(pod) => self.send(request, number, service, pod),
            None => (Outcome::Elb(Cause::NoRegisteredTargets), request.arrival, Duration::ZERO),
        };
        let version = target.map(|pod| self.servers[pod as usize].revision());
        let Request { number, arrival, .. } = request;
        tally.count(Fate { number, arrival, outcome, answered, version }, waited);
    }

    #[inline]
    fn send(&mut self, request: Request, node: usize, service: Service, pod: u32) -> (Outcome, Instant, Duration) {
        let server = &mut self.servers[pod as usize];
        if server.port() != Port::Open {
            return self.fail_to_connect(request, pod);
        }
        if let Some(keep_alive) = self.race
            && !self.nodes[node].pool(pod).take(keep_alive, request.arrival)
        {
            return (Outcome::Elb(Cause::KeepAliveRace), request.arrival, Duration::ZERO);
        }
        let group = service as u8;
        let Some((start, open)) = server.accept(request, group) else {
            return (Outcome::Elb(Cause::BacklogFull), request.arrival + self.connect_timeout, Duration::ZERO);
        };
        let (outcome, answered) = answer(&open, self.idle_timeout);
        // After a time-out the node closes the connection.
        if self.race.is_some() && outcome.is_from_target() {
            self.nodes[node].pool(pod).give_back(open.end);
        }
        (outcome, answered, start - request.arrival)
    }

    #[cold]
    fn fail_to_connect(&self, request: Request, pod: u32) -> (Outcome, Instant, Duration) {
        let silent = request.arrival + self.connect_timeout;
        let (cause, answered) = match self.servers[pod as usize].port() {
            Port::Closed => (Cause::ConnectionRefused, request.arrival),
            Port::Gone if derived_lot(request.lot, 1) >> 32 < self.host_unreachable => {
                (Cause::HostUnreachable, request.arrival)
            }
            Port::Gone => (Cause::ConnectTimeout, silent),
            Port::Open => unreachable!("an open port accepts"),
        };
        (Outcome::Elb(cause), answered, Duration::ZERO)
    }

    /// What a probe or a health check that comes now meets: the time until the answer, None if it gets none.
    pub fn time_to_answer(&self, pod: PodId, now: Instant) -> Option<Duration> {
        let server = &self.servers[pod.0 as usize];
        (server.port() == Port::Open).then(|| server.wait(now))
    }

    /// Whether a connection is refused at once, rather than left unanswered.
    pub fn refuses(&self, pod: PodId) -> bool {
        self.servers[pod.0 as usize].port() == Port::Closed
    }

    /// How many requests the pod has accepted so far.
    pub fn taken(&self, pod: usize) -> u64 {
        self.servers[pod].taken()
    }

    /// How long until the last request in flight is answered.
    pub fn in_flight(&mut self, pod: PodId, now: Instant) -> Duration {
        let open = self.servers[pod.0 as usize].open_at(now);
        open.iter().map(|open| open.end - now).max().unwrap_or(Duration::ZERO)
    }

    /// Carries out what the control plane says. Every request before `now` must have been served.
    pub fn apply(&mut self, now: Instant, command: Command, tally: &mut Tally) {
        match command {
            Command::SetWeight { node, canary } => self.nodes[node as usize].canary = u32::from(canary.get()),
            Command::Route { node, service, targets } => {
                let group = &mut self.nodes[node as usize].groups[service.index()];
                // The rotation goes on where it was: an offset in a list that has changed.
                group.next = if targets.is_empty() { 0 } else { group.next % targets.len() };
                group.targets = targets.into_iter().map(|pod| pod.0).collect();
            }
            Command::AddPod(pod, revision) => {
                assert_eq!(self.servers.len(), pod.0 as usize, "pods are numbered in order of creation");
                self.servers.push(Server::new(&self.application, revision));
            }
            Command::Listen(pod) => self.server(pod).set_port(Port::Open),
            Command::CloseListener(pod) => self.server(pod).set_port(Port::Closed),
            Command::Exit(pod) => {
                self.server(pod).set_port(Port::Closed);
                self.lose(now, pod, Cause::ResetInFlight, |_| true, tally);
                self.server(pod).clear();
            }
            Command::LoseAddress(pod) => self.server(pod).set_port(Port::Gone),
            Command::CutConnections { service, pod } => {
                let cut = |target_group| target_group == service as u8;
                self.lose(now, pod, Cause::DeregistrationDelayExpired, cut, tally);
            }
        }
    }

    fn server(&mut self, pod: PodId) -> &mut Server {
        &mut self.servers[pod.0 as usize]
    }

    /// Requests in flight at the pod break off, unless their client has had its time-out.
    fn lose(&mut self, now: Instant, pod: PodId, cause: Cause, which: impl Fn(u8) -> bool, tally: &mut Tally) {
        let idle_timeout = self.idle_timeout;
        let version = Some(self.servers[pod.0 as usize].revision());
        for open in self.servers[pod.0 as usize].open_at(now) {
            let (outcome, answered) = answer(open, idle_timeout);
            if answered > now && open.target_group.is_some_and(&which) {
                open.target_group = None;
                if self.race.is_some() && outcome.is_from_target() {
                    // It was given back ahead of time.
                    let _ = self.nodes.iter_mut().any(|node| node.pool(pod.0).close(open.end));
                }
                let before = Fate { number: open.number, arrival: open.arrival, outcome, answered, version };
                tally.count_again(before, cause, now);
            }
        }
    }
}

impl Node {
    #[inline]
    fn choose_group(&mut self, selection: TargetGroupSelection, lot: u64) -> Service {
        let canary = match selection {
            TargetGroupSelection::Random => ((lot & 0xffff_ffff) * 100) >> 32 < u64::from(self.canary),
            TargetGroupSelection::Smooth => {
                self.owed += self.canary;
                let canary = self.owed >= 100;
                self.owed -= if canary { 100 } else { 0 };
                canary
            }
        };
        if canary { Service::Canary } else { Service::Stable }
    }

    fn pool(&mut self, pod: u32) -> &mut Pool {
        let index = pod as usize;
        if self.pools.len() <= index {
            self.pools.resize_with(index + 1, Pool::default);
        }
        &mut self.pools[index]
    }
}

/// What the client gets for a request that the program has taken.
#[inline]
fn answer(open: &Open, idle_timeout: Duration) -> (Outcome, Instant) {
    let given_up = open.arrival + idle_timeout;
    if open.end > given_up {
        (Outcome::Elb(Cause::IdleTimeout), given_up)
    } else {
        (if open.is_error { Outcome::Target5xx } else { Outcome::Ok }, open.end)
    }
}
