//! The program in a pod: how many requests it works on at once, which wait, which are in flight.
//!
//! A request's end is known when it arrives, as the queue is first come, first served: nothing that comes later can
//! delay it. So no event is needed for it; what is kept is the set of open requests, which a killed process loses.

use crate::model::Revision;
use crate::model::traffic::Request;
use crate::random::{Distribution, derived_lot};
use crate::units::{Duration, Instant};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// What the process does on SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSigterm {
    /// The default action of the signal: gone at once, with all it was working on.
    Exit,
    /// Closes the listener and the idle connections, goes on with what is in flight.
    Drain,
    /// Goes on as before until SIGKILL: a shell as process 1, no handler.
    Ignore,
}

/// What a draining process waits for before it exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainUntil {
    /// The whole `drain_timeout` is over: a fixed wait, or a wait for connections that their client never ends.
    Timeout,
    /// The requests in flight are answered, at most `drain_timeout`.
    RequestsAnswered,
}

/// `[application]`: what the program in the pod does.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationSpec {
    /// From the start of the container until the program answers: probes, health checks and requests.
    pub startup_time: Distribution,
    pub on_sigterm: OnSigterm,
    /// From SIGTERM until the program acts on it.
    pub sigterm_reaction: Distribution,
    pub drain_until: DrainUntil,
    pub drain_timeout: Duration,
    /// An idle connection is closed after this long.
    pub keep_alive: Duration,
    /// So long before and after the moment of closing, a request on that connection is lost.
    pub keep_alive_race_window: Duration,
    /// Requests worked on at once; more wait in a queue, first come, first served.
    pub concurrency: u32,
    /// So many may wait; a further connection gets no answer.
    pub backlog: u32,
    /// What is different in a version of the program.
    pub versions: BTreeMap<Revision, VersionSpec>,
    /// From the change of a feature flag until a pod heeds it.
    pub feature_flag_delay: Distribution,
}

/// `[application.versions.v2]`: how good one version is. Each field's absence: like the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionSpec {
    /// Of the requests that it answers, the share that gets a 500.
    pub error_share: f64,
    /// How many times as long as another version it works on a request.
    pub latency_factor: Option<f64>,
    /// From the start of the container until the process dies. The pods that are there at the start of the run have long
    /// outlived it.
    pub crash_after: Option<Distribution>,
    pub startup_time: Option<Distribution>,
}

/// What a new connection meets at the pod's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The program accepts.
    Open,
    /// RST: nobody listens, but the pod has its network.
    Closed,
    /// The address belongs to nobody.
    Gone,
}

/// A request that the program has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    pub number: u64,
    pub arrival: Instant,
    /// When the program is done with it.
    pub end: Instant,
    /// Whose target the pod was for it: the target group's index. None once the load balancer has given it up, and for a
    /// copy, whose answer nobody waits for.
    pub target_group: Option<u8>,
    pub class: u8,
    pub user: u32,
    /// The answer will be a 500.
    pub is_error: bool,
}

/// The running program.
#[derive(Clone, Debug)]
pub struct Server {
    revision: Revision,
    /// Requests that it has accepted.
    taken: u64,
    port: Port,
    /// Of 2^32 answers, so many are a 500.
    errors: u64,
    /// In thousandths of a request's own demand.
    demand_per_mille: u64,
    concurrency: usize,
    backlog: usize,
    /// Open requests, and finished ones that nobody has cleared away yet.
    open: Vec<Open>,
    /// While `open` is shorter than this a worker is free for sure. Zero while all of them are busy.
    free_below: usize,
    /// When each worker is free; empty unless all were busy when they were last counted.
    busy: BinaryHeap<Reverse<Instant>>,
    /// While all workers are busy: when the work on each request in the backlog begins. They begin in order of arrival.
    waiting: VecDeque<Instant>,
    /// While all workers are busy, `open` is cleared of finished requests at this length.
    clear_at: usize,
}

/// Short lists are not worth looking through.
const SHORT: usize = 16;

impl Server {
    pub fn new(spec: &ApplicationSpec, revision: Revision) -> Self {
        let concurrency = spec.concurrency as usize;
        let mut server = Self {
            revision,
            taken: 0,
            port: Port::Closed,
            errors: 0,
            demand_per_mille: 1_000,
            concurrency,
            backlog: spec.backlog as usize,
            open: Vec::with_capacity(concurrency.min(SHORT)),
            free_below: concurrency.min(SHORT),
            busy: BinaryHeap::new(),
            waiting: VecDeque::new(),
            clear_at: 0,
        };
        server.behave_like(spec, revision);
        server
    }

    /// Requests that come from now on are answered as this version does it.
    pub fn behave_like(&mut self, spec: &ApplicationSpec, version: Revision) {
        let version = spec.versions.get(&version);
        self.errors = version.map_or(0, |version| (version.error_share * (1u64 << 32) as f64) as u64);
        self.demand_per_mille = version.and_then(|version| version.latency_factor).map_or(1_000, per_mille);
    }

    pub fn taken(&self) -> u64 {
        self.taken
    }

    #[inline]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    #[inline]
    pub fn port(&self) -> Port {
        self.port
    }

    pub fn set_port(&mut self, port: Port) {
        self.port = port;
    }

    /// Takes a request that arrives now. Returns when the work on it begins, and what is kept of it; None if the backlog
    /// is full.
    #[inline(always)]
    pub fn accept(&mut self, request: Request, target_group: Option<u8>) -> Option<(Instant, Open)> {
        let Request { number, arrival, demand, lot, class, user } = request;
        let start = if self.open.len() < self.free_below { arrival } else { self.worker_free_at(arrival)? };
        let end = start + self.work(demand);
        let is_error = self.errors > 0 && derived_lot(lot, 2) >> 32 < self.errors;
        let open = Open { number, arrival, end, target_group, class, user, is_error };
        self.open.push(open);
        self.taken += 1;
        if let Some(mut first) = self.busy.peek_mut() {
            *first = Reverse(end);
        }
        Some((start, open))
    }

    /// How long this version works on a request with such a demand.
    #[inline]
    fn work(&self, demand: Duration) -> Duration {
        if self.demand_per_mille == 1_000 {
            return demand;
        }
        Duration::from_nanos(scaled(demand.as_nanos(), self.demand_per_mille))
    }

    /// How long a request that arrives now would wait for a worker.
    pub fn wait(&self, now: Instant) -> Duration {
        let mut ends: Vec<_> = self.open.iter().map(|open| open.end).filter(|end| *end > now).collect();
        if ends.len() < self.concurrency {
            return Duration::ZERO;
        }
        // With fewer than `concurrency` requests left before it, it has a worker.
        let rank = ends.len() - self.concurrency;
        *ends.select_nth_unstable(rank).1 - now
    }

    /// Every request that is open now.
    pub fn open_at(&mut self, now: Instant) -> &mut [Open] {
        self.open.retain(|open| open.end > now);
        &mut self.open
    }

    /// The process is gone.
    pub fn clear(&mut self) {
        self.open.clear();
        self.busy.clear();
        self.waiting.clear();
        self.free_below = self.concurrency.min(SHORT);
    }

    /// When the next worker is free; None if the backlog is full.
    #[cold]
    fn worker_free_at(&mut self, arrival: Instant) -> Option<Instant> {
        if self.busy.peek().is_none_or(|first| first.0 <= arrival) {
            self.clear_finished(arrival);
            self.busy.clear();
            if self.open.len() < self.concurrency {
                self.free_below = self.concurrency.min(SHORT.max(2 * self.open.len()));
                return Some(arrival);
            }
            // Of the open requests, the last `concurrency` to end hold a worker or will be the last to get one.
            let mut ends: Vec<_> = self.open.iter().map(|open| open.end).collect();
            let first_kept = ends.len() - self.concurrency;
            ends.select_nth_unstable(first_kept);
            self.busy = ends[first_kept..].iter().copied().map(Reverse).collect();
            self.free_below = 0;
        } else if self.open.len() >= self.clear_at {
            self.clear_finished(arrival);
        }
        while self.waiting.front().is_some_and(|start| *start <= arrival) {
            self.waiting.pop_front();
        }
        if self.waiting.len() >= self.backlog {
            return None;
        }
        let start = self.busy.peek().map(|first| first.0)?;
        self.waiting.push_back(start);
        Some(start)
    }

    fn clear_finished(&mut self, now: Instant) {
        self.open.retain(|open| open.end > now);
        self.clear_at = 2 * self.open.len();
    }
}

/// The factor as the request path uses it: integers, so that no machine rounds differently.
fn per_mille(factor: f64) -> u64 {
    (factor * 1_000.0).round() as u64
}

fn scaled(nanos: u64, per_mille: u64) -> u64 {
    u64::try_from(u128::from(nanos) * u128::from(per_mille) / 1_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server(concurrency: u32, backlog: u32) -> Server {
        let mut server = Server::new(
            &ApplicationSpec {
                startup_time: Distribution::secs(0),
                on_sigterm: OnSigterm::Exit,
                sigterm_reaction: Distribution::secs(0),
                drain_until: DrainUntil::Timeout,
                drain_timeout: Duration::ZERO,
                keep_alive: Duration::secs(75),
                keep_alive_race_window: Duration::ZERO,
                concurrency,
                backlog,
                versions: BTreeMap::new(),
                feature_flag_delay: Distribution::secs(0),
            },
            Revision(1),
        );
        server.set_port(Port::Open);
        server
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// When the work on a request begins.
    fn start(server: &mut Server, arrival: u64, demand: u64) -> Option<Instant> {
        let demand = Duration::from_nanos(demand);
        let request = Request { arrival: at(arrival), demand, ..Request::default() };
        server.accept(request, Some(0)).map(|(start, _)| start)
    }

    /// Workers as an array of the instants at which each is free: obviously right, and slow.
    struct ObviousServer {
        workers: Vec<u64>,
        starts: Vec<u64>,
        backlog: usize,
    }

    impl ObviousServer {
        fn accept(&mut self, arrival: u64, demand: u64) -> Option<u64> {
            let waiting = self.starts.iter().filter(|start| **start > arrival).count();
            let worker = self.workers.iter_mut().min().expect("there are workers");
            let start = arrival.max(*worker);
            if start > arrival && waiting >= self.backlog {
                return None;
            }
            *worker = start + demand;
            self.starts.push(start);
            Some(start)
        }
    }

    #[test]
    fn one_worker_serves_one_after_the_other() {
        let mut server = server(1, 10);
        let starts: Vec<_> =
            [(0, 10), (3, 10), (5, 1), (40, 2)].map(|(arrival, demand)| start(&mut server, arrival, demand)).into();
        assert_eq!(starts, [Some(at(0)), Some(at(10)), Some(at(20)), Some(at(40))]);
    }

    #[test]
    fn a_full_backlog_takes_nobody() {
        let mut server = server(1, 2);
        let taken: Vec<_> = (0..4).map(|now| start(&mut server, now, 100).is_some()).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(start(&mut server, 100, 100).is_some(), "one has been worked off");
    }

    proptest! {
        #[test]
        fn it_agrees_with_an_obvious_server(
            concurrency in 1u32..40,
            backlog in 0u32..30,
            requests in proptest::collection::vec((0u64..20, 0u64..400), 0..400),
        ) {
            let mut ours = server(concurrency, backlog);
            let workers = vec![0; concurrency as usize];
            let mut obvious = ObviousServer { workers, starts: vec![], backlog: backlog as usize };
            let mut now = 0;
            for (gap, demand) in requests {
                now += gap;
                let wait = ours.wait(at(now));
                let start = start(&mut ours, now, demand);
                let expected = obvious.accept(now, demand);
                prop_assert_eq!(start, expected.map(at), "at {}", now);
                if let Some(start) = start {
                    prop_assert_eq!(wait, start - at(now));
                }
            }
        }
    }
}
