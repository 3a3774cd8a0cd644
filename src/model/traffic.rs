//! The requests: when each arrives and what it demands.
//!
//! Each request draws its demand and its lot at birth, from streams of their own, so two scenarios under one seed face
//! the same requests, whatever else differs.

use crate::model::http_request::HttpRequest;
use crate::random::{Distribution, QuantileTable, Random, Stream};
use crate::units::{Duration, Instant, Rate};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Independent of each other, as the requests of many users are.
    Poisson,
    /// Evenly spread, the first at the start of the run: for sums by hand.
    Uniform,
}

/// `[traffic]`: the requests that reach the load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSpec {
    pub rate: Rate,
    pub arrivals: Arrivals,
    /// How long an idle pod works on a request.
    pub service_time: Distribution,
    /// `[[traffic.classes]]`; none: all requests are alike, and nobody asks whose they are.
    pub classes: Vec<ClassSpec>,
}

impl TrafficSpec {
    /// How many users each class has; without classes there is one, of nobody's.
    pub fn users_by_class(&self) -> Vec<u32> {
        let users = |class: &ClassSpec| class.users.as_ref().map_or(0, |users| users.count);
        if self.classes.is_empty() { vec![0] } else { self.classes.iter().map(users).collect() }
    }
}

/// Requests that look alike to a router.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassSpec {
    pub name: String,
    pub rate: Rate,
    pub arrivals: Arrivals,
    pub service_time: Distribution,
    pub request: HttpRequest,
    pub users: Option<UsersSpec>,
}

/// Who sends the requests of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct UsersSpec {
    pub count: u32,
    pub activity: Activity,
    /// None: each request is of any user, whoever sent the last one.
    pub session: Option<SessionSpec>,
}

/// How the requests, or the sessions, are spread over the users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activity {
    Uniform,
    /// The k-th user is 1 ÷ k^exponent times as active as the first.
    Zipf {
        exponent: f64,
    },
}

/// Requests of one user that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSpec {
    pub requests: u32,
    /// From a request to the next one of the session.
    pub think_time: Distribution,
}

/// The user of a request of which nobody asks whose it is.
pub const ANONYMOUS: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The first is 0.
    pub number: u64,
    pub arrival: Instant,
    /// How long a pod works on it.
    pub demand: Duration,
    /// Decides by chance what has to be decided by chance: the node, the target group.
    pub lot: u64,
    /// Of its class, from 0; or [`ANONYMOUS`].
    pub user: u32,
    /// Index of `TrafficSpec::classes`; 0 without classes.
    pub class: u8,
}

/// Requests are made so many at a time, in one tight loop for each generator: about 14 ns a request.
const BLOCK: usize = 256;

#[derive(Clone, Debug)]
pub struct Traffic {
    arrivals: Arrivals,
    rate: Rate,
    gaps: QuantileTable,
    demands: QuantileTable,
    random_arrivals: Random,
    random_demands: Random,
    random_lots: Random,
    block: Box<[Request; BLOCK]>,
    next: usize,
}

impl Traffic {
    pub fn new(spec: &TrafficSpec, seed: u64) -> Self {
        let mut traffic = Self {
            arrivals: spec.arrivals,
            rate: spec.rate,
            gaps: QuantileTable::gaps(spec.rate),
            demands: QuantileTable::new(&spec.service_time),
            random_arrivals: Random::new(seed, Stream::Arrivals, 0),
            random_demands: Random::new(seed, Stream::ServiceTimes, 0),
            random_lots: Random::new(seed, Stream::Lots, 0),
            block: Box::new([Request::default(); BLOCK]),
            next: 0,
        };
        traffic.fill(0, Instant::START);
        traffic
    }

    /// The next request if it arrives before `until`.
    #[inline]
    pub fn next_before(&mut self, until: Instant) -> Option<Request> {
        let request = self.block[self.next];
        if request.arrival >= until {
            return None;
        }
        self.next += 1;
        if self.next == BLOCK {
            self.fill(request.number + 1, request.arrival);
        }
        Some(request)
    }

    #[inline(never)]
    fn fill(&mut self, first: u64, after: Instant) {
        self.next = 0;
        match self.arrivals {
            Arrivals::Poisson => {
                let mut nanos = after.as_nanos();
                for request in self.block.iter_mut() {
                    nanos = nanos.saturating_add(self.gaps.at(self.random_arrivals.next_u64()));
                    request.arrival = Instant::from_nanos(nanos);
                }
            }
            Arrivals::Uniform => {
                for (number, request) in (first..).zip(self.block.iter_mut()) {
                    request.arrival = self.rate.instant_of(number);
                }
            }
        }
        for request in self.block.iter_mut() {
            request.demand = Duration::from_nanos(self.demands.at(self.random_demands.next_u64()));
        }
        for (number, request) in (first..).zip(self.block.iter_mut()) {
            request.lot = self.random_lots.next_u64();
            request.number = number;
            request.user = ANONYMOUS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(arrivals: Arrivals, seed: u64) -> Traffic {
        let service_time = Distribution::Exponential { mean: Duration::millis(40) };
        Traffic::new(&TrafficSpec { rate: "250/s".parse().unwrap(), arrivals, service_time, classes: vec![] }, seed)
    }

    fn requests(mut traffic: Traffic, secs: u64) -> Vec<Request> {
        std::iter::from_fn(|| traffic.next_before(Instant::START + Duration::secs(secs))).collect()
    }

    #[test]
    fn uniform_arrivals_are_exactly_as_many_as_the_rate_says() {
        let requests = requests(traffic(Arrivals::Uniform, 1), 40);
        assert_eq!(requests.len(), 10_000);
        assert_eq!(requests[9_999].arrival, Instant::from_nanos(39_996_000_000));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() {
        let secs = 4_000;
        let mut counts = vec![0.0f64; secs];
        for request in requests(traffic(Arrivals::Poisson, 1), secs as u64) {
            counts[request.arrival.second() as usize] += 1.0;
        }
        let n = secs as f64;
        let mean = counts.iter().sum::<f64>() / n;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // Five standard deviations of the estimates: sqrt(250/n) of the mean, 250·sqrt(2/n) of the variance.
        assert!((mean - 250.0).abs() < 5.0 * (250.0 / n).sqrt(), "mean {mean}");
        assert!((variance - 250.0).abs() < 5.0 * 250.0 * (2.0 / n).sqrt(), "variance {variance}");
    }

    #[test]
    fn another_service_time_leaves_arrivals_and_lots_alone() {
        let mut fixed = TrafficSpec {
            rate: "250/s".parse().unwrap(),
            arrivals: Arrivals::Poisson,
            service_time: Distribution::millis(40),
            classes: vec![],
        };
        let a = requests(Traffic::new(&fixed, 7), 20);
        fixed.service_time = Distribution::LogNormal {
            median: Duration::millis(40),
            tail: crate::random::Tail::P99(Duration::millis(400)),
        };
        let b = requests(Traffic::new(&fixed, 7), 20);
        assert!(a.iter().zip(&b).all(|(a, b)| (a.arrival, a.lot) == (b.arrival, b.lot)));
        assert!(a.iter().zip(&b).any(|(a, b)| a.demand != b.demand));
    }
}
