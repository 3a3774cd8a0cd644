//! The requests: when each arrives, what it demands, whose it is, and what it says to a router.
//!
//! Each request draws its demand and its lot at birth, from streams of its class's own, so two scenarios under one seed
//! face the same requests, whatever else differs.

mod calendar;
mod class;
pub mod process;
pub mod rate_profile;
pub mod recording;
mod sessions;
mod steady_state;
pub mod users;

use crate::model::http_request::HttpRequest;
use crate::random::Distribution;
use crate::units::{Duration, Instant, Rate};
use class::Class;
use process::Spread;
use recording::Recording;
use std::sync::Arc;

pub use rate_profile::RateProfile;
pub use users::{Activity, SessionSpec, UsersSpec};

/// So many classes there may be: a request carries its own in a byte, and the earliest of all is looked for one by one.
pub const MAX_CLASSES: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent of each other, as the requests of many users are.
    Poisson,
    /// Evenly spread, the first at the start of the run: for sums by hand.
    Uniform,
    /// As they were: those of one class of the recording; None: all.
    Recorded { recording: Arc<Recording>, class: Option<u8> },
}

impl Arrivals {
    /// None: they are not drawn.
    pub fn spread(&self) -> Option<Spread> {
        match self {
            Self::Poisson => Some(Spread::Poisson),
            Self::Uniform => Some(Spread::Uniform),
            Self::Recorded { .. } => None,
        }
    }
}

/// `[traffic]`: the requests that reach the load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSpec {
    /// Of all classes that have a share of it.
    pub rate: RateProfile,
    pub arrivals: Arrivals,
    /// How long an idle pod works on a request.
    pub service_time: Distribution,
    /// `[[traffic.classes]]`; none: all requests are alike, and nobody asks whose they are.
    pub classes: Vec<ClassSpec>,
}

/// Requests that look alike to a router.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassSpec {
    pub name: String,
    /// Of requests, whatever a session or an action has of them.
    pub rate: RateProfile,
    pub arrivals: Arrivals,
    pub service_time: Distribution,
    /// As it reaches the load balancer.
    pub request: HttpRequest,
    pub users: Option<UsersSpec>,
    pub caller: Option<Caller>,
    /// One action of a user is so many requests, one right after the other, each routed by itself.
    pub calls_per_action: u32,
}

/// A service in front of this one, which its users talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub name: String,
    /// Whether the headers of its own requests reach this service. If not, `ClassSpec::request` has none.
    pub propagates_headers: bool,
}

impl TrafficSpec {
    /// How many users each class has; without classes there is one, of nobody's.
    pub fn users_by_class(&self) -> Vec<u32> {
        let users = |class: &ClassSpec| class.users.as_ref().map_or(0, |users| users.count);
        if self.classes.is_empty() { vec![0] } else { self.classes.iter().map(users).collect() }
    }

    /// Requests per second of all classes together, in this second since the start of the release; negative ones are the
    /// warm-up's.
    pub fn rate_in(&self, second: i64) -> f64 {
        self.rates().map(|rate| rate.rate_in(second).per_second()).sum()
    }

    /// The most requests per second that all classes together could come to.
    pub fn peak_rate_per_second(&self) -> f64 {
        self.rates().map(|rate| rate.peak().per_second()).sum()
    }

    /// The rate, if there is but one all the time, and no classes.
    pub fn only_rate(&self) -> Option<Rate> {
        let rate = if let RateProfile::Constant(rate) = self.rate { Some(rate) } else { None };
        rate.filter(|_| self.classes.is_empty())
    }

    /// The requests of a file, if they are not drawn.
    pub fn recording(&self) -> Option<&Recording> {
        if let Arrivals::Recorded { recording, .. } = &self.arrivals { Some(recording) } else { None }
    }

    /// The fewest, likewise: at no time there are fewer.
    pub fn lowest_rate_per_second(&self) -> f64 {
        self.rates().map(|rate| rate.lowest().per_second()).sum()
    }

    /// The usual load: that of the second before the release.
    pub fn total_rate_per_second(&self) -> f64 {
        self.rate_in(-1)
    }

    /// How long an idle pod works on a request of any class, on average.
    pub fn mean_service_time(&self) -> Duration {
        if self.classes.is_empty() {
            return self.service_time.mean();
        }
        let weight = |class: &ClassSpec| class.rate.peak().per_second();
        let work = |class: &ClassSpec| class.service_time.mean().as_nanos() as f64 * weight(class);
        let (work, weights) =
            self.classes.iter().fold((0.0, 0.0), |sum, class| (sum.0 + work(class), sum.1 + weight(class)));
        Duration::from_nanos((work / weights).round() as u64)
    }

    /// The longest work on a request that is to be expected: the 99.9th percentile of the slowest class.
    pub fn longest_service_time(&self) -> Duration {
        let of_classes = self.classes.iter().map(|class| class.service_time.longest()).max();
        of_classes.unwrap_or_else(|| self.service_time.longest())
    }

    fn rates(&self) -> impl Iterator<Item = &RateProfile> {
        let own = self.classes.is_empty().then_some(&self.rate);
        own.into_iter().chain(self.classes.iter().map(|class| &class.rate))
    }
}

/// The user of a request of which nobody asks whose it is.
pub const ANONYMOUS: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The first is 0; counted over all classes.
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

/// Of nobody, and nothing to do.
impl Default for Request {
    fn default() -> Self {
        Self { number: 0, arrival: Instant::START, demand: Duration::ZERO, lot: 0, user: ANONYMOUS, class: 0 }
    }
}

/// Requests are made so many at a time, in one tight loop for each generator: about 14 ns a request.
const BLOCK: usize = 256;

type Block = Box<[Request; BLOCK]>;

#[derive(Clone, Debug)]
pub struct Traffic {
    classes: Vec<Class>,
    /// Requests of each class that wait for earlier ones of the others; empty if there is one class.
    ahead: Vec<Ahead>,
    block: Block,
    next: usize,
}

impl Traffic {
    /// The release starts on a whole second.
    pub fn new(spec: &TrafficSpec, seed: u64, release: Instant) -> Self {
        let mut classes = match &spec.classes[..] {
            [] => vec![Class::anonymous(spec, seed, release)],
            classes => (0..).zip(classes).map(|(number, class)| Class::new((number, class), seed, release)).collect(),
        };
        let ahead = match &mut classes[..] {
            [_] => vec![],
            several => several.iter_mut().map(Ahead::of).collect(),
        };
        let block = classes[0].empty_block();
        let mut traffic = Self { classes, ahead, block, next: 0 };
        traffic.fill(0);
        traffic
    }

    /// The next requests, in order; never empty. They stay the next ones until [`Self::take`]. A slice: handed out one by
    /// one, each request would cost a look at where the next one is.
    #[inline]
    pub fn waiting(&mut self) -> &[Request] {
        if self.next == BLOCK {
            self.fill(self.block[BLOCK - 1].number + 1);
        }
        &self.block[self.next..]
    }

    /// So many of those that wait are done with.
    #[inline]
    pub fn take(&mut self, count: usize) {
        self.next += count;
    }

    /// All requests that arrive before `until`.
    pub fn all_before(&mut self, until: Instant) -> impl Iterator<Item = Request> {
        std::iter::from_fn(move || {
            let request = self.waiting()[0];
            let is_due = request.arrival < until;
            self.take(usize::from(is_due));
            is_due.then_some(request)
        })
    }

    #[inline(never)]
    fn fill(&mut self, first: u64) {
        self.next = 0;
        if let [only] = &mut self.classes[..] {
            only.fill(first, &mut self.block);
            return;
        }
        for (number, slot) in (first..).zip(self.block.iter_mut()) {
            let (class, ahead) = earliest(&mut self.ahead);
            *slot = Request { number, ..ahead.take(&mut self.classes[class]) };
        }
    }
}

/// At one instant, the class that the scenario names first.
fn earliest(ahead: &mut [Ahead]) -> (usize, &mut Ahead) {
    ahead.iter_mut().enumerate().min_by_key(|(_, ahead)| ahead.arrival).expect("there are several classes")
}

/// The requests of one class that have been made, but not been handed out.
#[derive(Clone, Debug)]
struct Ahead {
    /// Of the next one.
    arrival: Instant,
    block: Block,
    next: usize,
}

impl Ahead {
    fn of(class: &mut Class) -> Self {
        let mut block = class.empty_block();
        class.fill(0, &mut block);
        Self { arrival: block[0].arrival, block, next: 0 }
    }

    fn take(&mut self, class: &mut Class) -> Request {
        let request = self.block[self.next];
        self.next += 1;
        if self.next == BLOCK {
            class.fill(0, &mut self.block);
            self.next = 0;
        }
        self.arrival = self.block[self.next].arrival;
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::http_request::{NOBODYS_ADDRESS, NOBODYS_HOST};

    const RELEASE: Instant = Instant::from_nanos(60_000_000_000);

    fn traffic(arrivals: Arrivals, seed: u64) -> Traffic {
        let service_time = Distribution::Exponential { mean: Duration::millis(40) };
        let rate = RateProfile::Constant("250/s".parse().unwrap());
        Traffic::new(&TrafficSpec { rate, arrivals, service_time, classes: vec![] }, seed, RELEASE)
    }

    fn requests(mut traffic: Traffic, secs: u64) -> Vec<Request> {
        traffic.all_before(Instant::START + Duration::secs(secs)).collect()
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
            rate: RateProfile::Constant("250/s".parse().unwrap()),
            arrivals: Arrivals::Poisson,
            service_time: Distribution::millis(40),
            classes: vec![],
        };
        let a = requests(Traffic::new(&fixed, 7, RELEASE), 20);
        fixed.service_time = Distribution::LogNormal {
            median: Duration::millis(40),
            tail: crate::random::Tail::P99(Duration::millis(400)),
        };
        let b = requests(Traffic::new(&fixed, 7, RELEASE), 20);
        assert!(a.iter().zip(&b).all(|(a, b)| (a.arrival, a.lot) == (b.arrival, b.lot)));
        assert!(a.iter().zip(&b).any(|(a, b)| a.demand != b.demand));
    }

    fn class(name: &str, rate: &str) -> ClassSpec {
        ClassSpec {
            name: name.to_owned(),
            rate: RateProfile::Constant(rate.parse().unwrap()),
            arrivals: Arrivals::Poisson,
            service_time: Distribution::millis(40),
            request: HttpRequest {
                host: NOBODYS_HOST.to_owned(),
                path: "/".to_owned(),
                method: "GET".to_owned(),
                query: vec![],
                headers: vec![],
                source_ip: NOBODYS_ADDRESS,
            },
            users: None,
            caller: None,
            calls_per_action: 1,
        }
    }

    fn of_classes(classes: Vec<ClassSpec>, seed: u64) -> Traffic {
        let rate = RateProfile::Constant("250/s".parse().unwrap());
        let spec = TrafficSpec { rate, arrivals: Arrivals::Poisson, service_time: Distribution::millis(40), classes };
        Traffic::new(&spec, seed, RELEASE)
    }

    fn plain(request: Request) -> (Instant, Duration, u64) {
        (request.arrival, request.demand, request.lot)
    }

    #[test]
    fn classes_come_in_order_of_arrival_and_none_of_them_moves_another() {
        let classes = [class("a", "250/s"), class("b", "100/s"), class("c", "7/s")];
        let all = requests(of_classes(classes.to_vec(), 3), 100);
        assert!(all.is_sorted_by_key(|request| request.arrival));
        assert!((0..).zip(&all).all(|(number, request)| request.number == number));
        for (number, class) in (0..).zip(&classes) {
            let mut others = classes.to_vec();
            others.iter_mut().for_each(|other| other.rate = RateProfile::Constant("50/s".parse().unwrap()));
            others[usize::from(number)] = class.clone();
            let own = |requests: &[Request]| -> Vec<_> {
                requests.iter().filter(|request| request.class == number).copied().map(plain).collect()
            };
            assert_eq!(own(&all), own(&requests(of_classes(others, 3), 100)), "{}", class.name);
        }
    }

    #[test]
    fn one_class_faces_the_same_requests_as_none() {
        let without = requests(of_classes(vec![], 3), 100);
        let with = requests(of_classes(vec![class("all", "250/s")], 3), 100);
        assert_eq!(with, without);
    }

    #[test]
    fn the_calls_of_an_action_come_at_once_and_count_in_the_rate() {
        let users = Some(UsersSpec { count: 1000, activity: Activity::Uniform, session: None });
        let several = ClassSpec { calls_per_action: 3, arrivals: Arrivals::Uniform, users, ..class("a", "300/s") };
        let requests = requests(of_classes(vec![several, class("b", "50/s")], 3), 100);
        let calls: Vec<_> = requests.iter().filter(|request| request.class == 0).collect();
        assert_eq!(calls.len(), 30_000);
        for action in calls.chunks(3) {
            assert!(action.iter().all(|call| (call.arrival, call.user) == (action[0].arrival, action[0].user)));
            assert!(action[0].lot != action[1].lot && action[1].lot != action[2].lot);
        }
        assert_eq!(calls[3].arrival, Instant::START + Duration::millis(10));
    }

    #[test]
    fn a_class_without_requests_has_none() {
        let none = ClassSpec { rate: RateProfile::Constant(Rate::NONE), ..class("none", "1/s") };
        let requests = requests(of_classes(vec![none, class("b", "50/s")], 3), 100);
        assert!(requests.iter().all(|request| request.class == 1));
    }
}
