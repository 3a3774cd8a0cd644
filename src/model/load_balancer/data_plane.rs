//! The path of a request: node, rule, target group, target, answer. The hot path of the simulator.
//!
//! Between two events nothing that routes can change, so requests are served in a loop from tables that only
//! [`Command`]s rebuild. Order of decisions as in the *User Guide for Application Load Balancers*; no retry: a failure
//! reaches the client. A request takes about 50 ns in all, half of what a plain loop over one event heap takes for far
//! less of a model (`benches/speed.rs`). The slow, obvious twin is `tests/it/twin.rs`.

use super::connection::{KeepAlive, Pool};
use super::cookie::{Client, Cookies};
use super::route::{Route, Split};
use super::target_selection::{Algorithm, Targets};
use super::{LoadBalancerSpec, TargetGroupSelection, TargetGroupSpec};
use crate::model::application::{ApplicationSpec, Open, Port, Server};
use crate::model::outcome::{Cause, Outcome};
use crate::model::tally::{Fate, Tally};
use crate::model::traffic::{Request, Traffic};
use crate::model::{PodId, Revision, Service};
use crate::random::derived_lot;
use crate::units::{Duration, Instant, Percent};
use std::sync::Arc;

/// What the control plane tells the request path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A node routes so from now on, by class of traffic.
    SetRoutes { node: u32, routes: Arc<[Route]> },
    /// A node sends requests for this group to these targets from now on.
    Route { node: u32, service: Service, targets: Vec<PodId> },
    /// A pod of this revision was created. Nobody listens there yet.
    AddPod(PodId, Revision),
    /// What comes to the pod from now on is answered as this version of the program does it: a feature was switched off, or the
    /// revision was built from that version's code.
    BehaveLike(PodId, Revision),
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
    /// How many they are.
    node_count: u32,
    /// By class and node.
    draws: Vec<Draw>,
    /// By pod.
    servers: Vec<Server>,
    application: ApplicationSpec,
    selection: TargetGroupSelection,
    /// How long a client stays with the target that it got.
    target_stickiness: Option<Duration>,
    /// The nodes ask which target has the fewest requests in flight.
    counts_outstanding: bool,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// Of 2^32 connections to an address that is gone, so many get an ICMP answer.
    host_unreachable: u64,
    /// Set if the target closes idle connections before the load balancer does.
    race: Option<KeepAlive>,
    cookies: Cookies,
}

/// What the request path is made of.
#[derive(Clone, Copy, Debug)]
pub struct DataPlaneSpec<'a> {
    pub load_balancer: &'a LoadBalancerSpec,
    pub target_group: TargetGroupSpec,
    pub application: &'a ApplicationSpec,
    /// Of the connections to an address that is gone, so many get an ICMP answer.
    pub host_unreachable_share: f64,
    /// How many users each class of traffic has; one class at least.
    pub users: &'a [u32],
}

/// One node's own view, later than the control plane's.
#[derive(Clone, Debug)]
struct Node {
    routes: Arc<[Route]>,
    /// What the smooth selection owes the canary group, by `Split::rotation`.
    owed: Vec<u32>,
    /// By `Service::index`.
    groups: [Targets; 2],
    /// By pod.
    pools: Vec<Pool>,
}

/// Where a node sends the requests of a class whose route asks for nothing but weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draw {
    Stable,
    Canary,
    /// Those whose lot is below this to the canary, all others to stable.
    CanaryBelow(u64),
    /// The route asks for more.
    ByRoute,
}

/// What came of sending a request to a pod.
#[derive(Clone, Copy, Debug)]
struct Sent {
    outcome: Outcome,
    answered: Instant,
    /// From the arrival to the start of the work.
    waited: Duration,
}

impl Sent {
    /// The pods of another Service answered.
    fn elsewhere(now: Instant) -> Self {
        Self { outcome: Outcome::Ok, answered: now, waited: Duration::ZERO }
    }

    /// Nobody worked on it.
    fn failed(cause: Cause, answered: Instant) -> Self {
        Self { outcome: Outcome::Elb(cause), answered, waited: Duration::ZERO }
    }
}

/// Where a request is sent to.
#[derive(Clone, Copy, Debug)]
struct Place {
    node: usize,
    service: Service,
    pod: u32,
}

/// Lots that a request's own lot stands for, besides its node and its target group.
const ICMP: u64 = 1;
const MIRROR: u64 = 4;

impl DataPlane {
    pub fn new(spec: DataPlaneSpec<'_>) -> Self {
        let (load_balancer, group, application) = (spec.load_balancer, spec.target_group, spec.application);
        let targets = || Targets::new(group.algorithm, group.slow_start);
        let node = Node { routes: vec![].into(), owed: vec![0], groups: [targets(), targets()], pools: vec![] };
        let closes_after = application.keep_alive;
        let race = KeepAlive { closes_after, race_window: application.keep_alive_race_window };
        let mut data_plane = Self {
            nodes: vec![node; load_balancer.nodes as usize],
            node_count: load_balancer.nodes,
            draws: vec![Draw::ByRoute; load_balancer.nodes as usize * spec.users.len()],
            servers: vec![],
            application: application.clone(),
            selection: load_balancer.target_group_selection,
            target_stickiness: group.stickiness,
            counts_outstanding: group.algorithm == Algorithm::LeastOutstandingRequests,
            connect_timeout: load_balancer.connect_timeout,
            idle_timeout: load_balancer.idle_timeout,
            host_unreachable: (spec.host_unreachable_share * (1u64 << 32) as f64) as u64,
            race: (closes_after <= load_balancer.idle_timeout).then_some(race),
            cookies: Cookies::new(load_balancer.cookies, spec.users),
        };
        let routes: Arc<[Route]> = vec![Route::Forward(Split::weighted(Percent::ZERO)); spec.users.len()].into();
        (0..data_plane.nodes.len()).for_each(|node| data_plane.set_routes(node, Arc::clone(&routes)));
        data_plane
    }

    /// Serves every request that arrives before `until`.
    pub fn serve_until(&mut self, until: Instant, traffic: &mut Traffic, tally: &mut Tally) {
        loop {
            let waiting = traffic.waiting();
            let mut served = 0;
            for request in waiting.iter().take_while(|request| request.arrival < until) {
                self.serve(request, tally);
                served += 1;
            }
            let is_all = served == waiting.len();
            traffic.take(served);
            if !is_all {
                return;
            }
        }
    }

    /// By weight alone, as most requests go; whatever else a route may ask for is looked at elsewhere.
    #[inline(always)]
    fn serve(&mut self, request: &Request, tally: &mut Tally) {
        let node_count = u64::from(self.node_count);
        let number = ((request.lot >> 32) * node_count) >> 32;
        let route = (u64::from(request.class) * node_count + number) as usize;
        let number = number as usize;
        // One copy of the path for each: a core that foresees the way does not wait for the lot.
        match self.draws[route] {
            Draw::Stable => self.serve_in(request, (number, Service::Stable), tally),
            Draw::Canary => self.serve_in(request, (number, Service::Canary), tally),
            Draw::CanaryBelow(below) => self.serve_in(request, (number, drawn(below, request.lot)), tally),
            Draw::ByRoute => self.serve_by_route(*request, number, tally),
        }
    }

    #[inline(always)]
    fn serve_in(&mut self, request: &Request, (number, service): (usize, Service), tally: &mut Tally) {
        let target = self.nodes[number].groups[service.index()].next(request.arrival, request.lot);
        let (sent, version) = self.send_to(*request, (number, service), target);
        count(tally, (*request, sent), version);
    }

    #[inline(never)]
    fn serve_by_route(&mut self, request: Request, node: usize, tally: &mut Tally) {
        let route = self.nodes[node].routes[usize::from(request.class)];
        let (sent, version) = match route {
            Route::Forward(split) => self.forward(request, (node, split)),
            Route::FixedResponse(cause) => (Sent::failed(cause, request.arrival), None),
            Route::Elsewhere => (Sent::elsewhere(request.arrival), None),
        };
        count(tally, (request, sent), version);
        if let Route::Forward(split) = route
            && split.mirrored != Percent::ZERO
        {
            self.mirror(request, (node, split.mirrored), tally);
        }
    }

    #[inline]
    fn forward(&mut self, request: Request, (node, split): (usize, Split)) -> (Sent, Option<Revision>) {
        let service = match split.stickiness {
            None => self.nodes[node].choose_group(self.selection, (&request, split)),
            Some(duration) => self.sticky_group(&request, (node, split), duration),
        };
        let target = match self.target_stickiness {
            None => self.nodes[node].groups[service.index()].next(request.arrival, request.lot),
            Some(duration) => self.sticky_target(&request, (node, service), duration),
        };
        self.send_to(request, (node, service), target)
    }

    /// What came of it, and which version got it.
    #[inline(always)]
    fn send_to(
        &mut self,
        request: Request,
        (node, service): (usize, Service),
        target: Option<u32>,
    ) -> (Sent, Option<Revision>) {
        let Some(pod) = target else { return (Sent::failed(Cause::NoRegisteredTargets, request.arrival), None) };
        let sent = self.send(request, Place { node, service, pod });
        (sent, Some(self.servers[pod as usize].revision()))
    }

    /// The group that the client's cookie names, or one by the weights, which the cookie then names.
    fn sticky_group(&mut self, request: &Request, (node, split): (usize, Split), duration: Duration) -> Service {
        let client = Client { class: request.class, user: request.user };
        let kept = self.cookies.group(client, request.arrival, split);
        let service = kept.unwrap_or_else(|| self.nodes[node].choose_group(self.selection, (request, split)));
        self.cookies.set_group(client, (service, kept.is_none()), request.arrival + duration);
        service
    }

    /// The target that the client's cookie names, as long as the node sends requests to it, or the next one.
    fn sticky_target(
        &mut self,
        request: &Request,
        (node, service): (usize, Service),
        duration: Duration,
    ) -> Option<u32> {
        let client = Client { class: request.class, user: request.user };
        let group = &mut self.nodes[node].groups[service.index()];
        let kept = self.cookies.target(client, request.arrival).filter(|pod| group.contains(*pod));
        let target = kept.or_else(|| group.next(request.arrival, request.lot))?;
        self.cookies.set_target(client, (target, kept.is_none()), request.arrival + duration);
        Some(target)
    }

    /// The copy takes a worker's time like any request; its answer goes to nobody.
    #[cold]
    fn mirror(&mut self, request: Request, (node, percent): (usize, Percent), tally: &mut Tally) {
        let lot = derived_lot(request.lot, MIRROR);
        if ((lot >> 32) * 100) >> 32 >= u64::from(percent.get()) {
            return;
        }
        let target = self.nodes[node].groups[Service::Canary.index()].next(request.arrival, lot);
        let Some(pod) = target else { return };
        let server = &mut self.servers[pod as usize];
        let accepted = if server.port() == Port::Open { server.accept(request, None) } else { None };
        let (outcome, answered) = match accepted {
            Some((_, open)) => answer(&open, self.idle_timeout),
            None => (Outcome::Elb(Cause::ConnectionRefused), request.arrival),
        };
        let version = Some(self.servers[pod as usize].revision());
        let Request { number, arrival, user, class, .. } = request;
        tally.count_mirrored(Fate { number, arrival, outcome, answered, version, user, class });
    }

    #[inline(always)]
    fn send(&mut self, request: Request, place: Place) -> Sent {
        let sent = self.offer(request, place);
        if self.counts_outstanding {
            self.nodes[place.node].groups[place.service.index()].waits(place.pod, sent.answered);
        }
        sent
    }

    #[inline(always)]
    fn offer(&mut self, request: Request, Place { node, service, pod }: Place) -> Sent {
        let server = &mut self.servers[pod as usize];
        if server.port() != Port::Open {
            return self.fail_to_connect(request, pod);
        }
        if let Some(keep_alive) = self.race
            && !self.nodes[node].pool(pod).take(keep_alive, request.arrival)
        {
            return Sent::failed(Cause::KeepAliveRace, request.arrival);
        }
        let Some((start, open)) = server.accept(request, Some(service as u8)) else {
            return Sent::failed(Cause::BacklogFull, request.arrival + self.connect_timeout);
        };
        let (outcome, answered) = answer(&open, self.idle_timeout);
        // After a time-out the node closes the connection.
        if self.race.is_some() && outcome.is_from_target() {
            self.nodes[node].pool(pod).give_back(open.end);
        }
        Sent { outcome, answered, waited: start - request.arrival }
    }

    #[cold]
    fn fail_to_connect(&self, request: Request, pod: u32) -> Sent {
        let silent = request.arrival + self.connect_timeout;
        match self.servers[pod as usize].port() {
            Port::Closed => Sent::failed(Cause::ConnectionRefused, request.arrival),
            Port::Gone if derived_lot(request.lot, ICMP) >> 32 < self.host_unreachable => {
                Sent::failed(Cause::HostUnreachable, request.arrival)
            }
            Port::Gone => Sent::failed(Cause::ConnectTimeout, silent),
            Port::Open => unreachable!("an open port accepts"),
        }
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
            Command::SetRoutes { node, routes } => self.set_routes(node as usize, routes),
            Command::Route { node, service, targets } => {
                self.nodes[node as usize].groups[service.index()].replace(now, &targets);
            }
            Command::AddPod(pod, revision) => {
                assert_eq!(self.servers.len(), pod.0 as usize, "pods are numbered in order of creation");
                self.servers.push(Server::new(&self.application, revision));
            }
            Command::BehaveLike(pod, version) => {
                self.servers[pod.0 as usize].behave_like(&self.application, version);
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

    /// A rotation goes on where it was. Assumption: a proxy that reads its rules anew may begin it anew, too.
    fn set_routes(&mut self, node: usize, routes: Arc<[Route]>) {
        let draws_lots = self.selection == TargetGroupSelection::Random && self.target_stickiness.is_none();
        let draw = |route: &Route| match route {
            Route::Forward(split) if draws_lots && split.is_plain() => match split.weights {
                [_, 0] => Draw::Stable,
                [0, _] => Draw::Canary,
                [_, _] => Draw::CanaryBelow(split.canary_below()),
            },
            Route::Forward(_) | Route::FixedResponse(_) | Route::Elsewhere => Draw::ByRoute,
        };
        for (class, route) in routes.iter().enumerate() {
            self.draws[class * self.nodes.len() + node] = draw(route);
        }
        let node = &mut self.nodes[node];
        for route in routes.iter() {
            if let Route::Forward(split) = route {
                node.owed.resize(node.owed.len().max(usize::from(split.rotation) + 1), 0);
            }
        }
        node.routes = routes;
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
                let Open { number, arrival, user, class, .. } = *open;
                let before = Fate { number, arrival, outcome, answered, version, user, class };
                tally.count_again(before, cause, now);
            }
        }
    }
}

impl Node {
    #[inline]
    fn choose_group(&mut self, selection: TargetGroupSelection, (request, split): (&Request, Split)) -> Service {
        let is_canary = match selection {
            TargetGroupSelection::Random => return drawn(split.canary_below(), request.lot),
            TargetGroupSelection::Smooth => {
                let [stable, canary] = split.weights.map(u32::from);
                let total = stable + canary;
                let owed = &mut self.owed[usize::from(split.rotation)];
                *owed += canary;
                let is_due = *owed >= total;
                *owed -= if is_due { total } else { 0 };
                is_due
            }
        };
        if is_canary { Service::Canary } else { Service::Stable }
    }

    fn pool(&mut self, pod: u32) -> &mut Pool {
        let index = pod as usize;
        if self.pools.len() <= index {
            self.pools.resize_with(index + 1, Pool::default);
        }
        &mut self.pools[index]
    }
}

/// By the lower half of a request's lot: the upper one has chosen the node.
#[inline]
fn drawn(canary_below: u64, lot: u64) -> Service {
    if lot & 0xffff_ffff < canary_below { Service::Canary } else { Service::Stable }
}

#[inline(always)]
fn count(tally: &mut Tally, (request, sent): (Request, Sent), version: Option<Revision>) {
    let Request { number, arrival, class, user, .. } = request;
    tally.count(
        Fate { number, arrival, outcome: sent.outcome, answered: sent.answered, version, user, class },
        sent.waited,
    );
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
