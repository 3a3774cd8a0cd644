//! Which target of a group gets the next request of a node.
//!
//! Source: *User Guide for Application Load Balancers*, Routing algorithms and Slow start mode. Left out: the anomaly
//! mitigation of `weighted_random`, whose rules AWS does not publish.

use crate::model::PodId;
use crate::random::derived_lot;
use crate::units::{Duration, Instant};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// `load_balancing.algorithm.type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    RoundRobin,
    /// The target with the fewest requests that this node waits for.
    LeastOutstandingRequests,
    WeightedRandom,
}

/// The targets of one group that one node sends requests to.
#[derive(Clone, Debug)]
pub struct Targets {
    pods: Vec<u32>,
    /// The next one in turn.
    next: usize,
    algorithm: Algorithm,
    slow_start: Duration,
    /// When each target got its first request's worth of the ramp; with slow start only.
    ramps: Vec<Instant>,
    /// From then on each target is as good as another, and the next one in turn gets the request: no target ramps, and the
    /// algorithm is round robin.
    chosen_until: Instant,
    /// By pod, when each request that the node waits for ends; for the least outstanding requests only.
    outstanding: Vec<BinaryHeap<Reverse<Instant>>>,
}

/// The share of a full target that one in slow start has at least, in thousandths. Assumption: AWS says "a linearly
/// increasing share", not where the line begins.
const LEAST_SHARE: u64 = 10;
const FULL_SHARE: u64 = 1_000;

/// What a request's lot decides here.
const PICK: u64 = 3;

impl Targets {
    pub fn new(algorithm: Algorithm, slow_start: Duration) -> Self {
        Self {
            pods: vec![],
            next: 0,
            algorithm,
            slow_start,
            ramps: vec![],
            chosen_until: if algorithm == Algorithm::RoundRobin { Instant::START } else { Instant::NEVER },
            outstanding: vec![],
        }
    }

    /// These are the targets from now on.
    pub fn replace(&mut self, now: Instant, pods: &[PodId]) {
        let pods: Vec<_> = pods.iter().map(|pod| pod.0).collect();
        if self.slow_start > Duration::ZERO {
            // Targets that come into an empty group have nobody to take the rest.
            let is_first = self.pods.is_empty();
            let since = |pod: &u32| match self.pods.iter().position(|other| other == pod) {
                Some(place) => self.ramps[place],
                None if is_first => Instant::START,
                None => now,
            };
            self.ramps = pods.iter().map(since).collect();
            let is_new = pods.iter().any(|pod| !self.pods.contains(pod));
            if is_new && !is_first {
                self.chosen_until = self.chosen_until.max(now + self.slow_start);
            }
        }
        // The rotation goes on where it was: an offset in a list that has changed.
        self.next = if pods.is_empty() { 0 } else { self.next % pods.len() };
        self.pods = pods;
    }

    pub fn contains(&self, pod: u32) -> bool {
        self.pods.contains(&pod)
    }

    /// The target of a request that comes now; None if there is none.
    #[inline(always)]
    pub fn next(&mut self, now: Instant, lot: u64) -> Option<u32> {
        if now < self.chosen_until {
            return self.choose(now, lot);
        }
        let target = *self.pods.get(self.next)?;
        self.next += 1;
        if self.next == self.pods.len() {
            self.next = 0;
        }
        Some(target)
    }

    /// The node waits for the pod's answer until then: told where the fewest outstanding requests count.
    pub fn waits(&mut self, pod: u32, until: Instant) {
        let index = pod as usize;
        if self.outstanding.len() <= index {
            self.outstanding.resize_with(index + 1, BinaryHeap::new);
        }
        self.outstanding[index].push(Reverse(until));
    }

    #[inline(never)]
    fn choose(&mut self, now: Instant, lot: u64) -> Option<u32> {
        if self.pods.is_empty() {
            return None;
        }
        match self.algorithm {
            Algorithm::LeastOutstandingRequests => self.least_outstanding(now),
            Algorithm::RoundRobin | Algorithm::WeightedRandom => Some(self.draw(now, derived_lot(lot, PICK))),
        }
    }

    /// By lot, each with the share that its ramp has reached.
    fn draw(&self, now: Instant, lot: u64) -> u32 {
        let total: u64 = (0..self.pods.len()).map(|place| self.share(place, now)).sum();
        let mut rest = ((lot >> 32) * total) >> 32;
        for (place, pod) in self.pods.iter().enumerate() {
            let share = self.share(place, now);
            if rest < share {
                return *pod;
            }
            rest -= share;
        }
        unreachable!("the lot lies below the total")
    }

    fn share(&self, place: usize, now: Instant) -> u64 {
        let Some(since) = self.ramps.get(place) else { return FULL_SHARE };
        let age = now.saturating_since(*since).as_nanos();
        let ramp = u128::from(age) * u128::from(FULL_SHARE) / u128::from(self.slow_start.as_nanos());
        u64::try_from(ramp).unwrap_or(u64::MAX).clamp(LEAST_SHARE, FULL_SHARE)
    }

    /// Of equals the next in turn.
    fn least_outstanding(&mut self, now: Instant) -> Option<u32> {
        for pod in &self.pods {
            if let Some(ends) = self.outstanding.get_mut(*pod as usize) {
                while ends.peek().is_some_and(|end| end.0 <= now) {
                    ends.pop();
                }
            }
        }
        let count = self.pods.len();
        let waiting = |place: &usize| {
            let pod = self.pods[place % count];
            self.outstanding.get(pod as usize).map_or(0, BinaryHeap::len)
        };
        let place = (self.next..self.next + count).min_by_key(waiting)? % count;
        self.next = (place + 1) % count;
        Some(self.pods[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    fn targets(algorithm: Algorithm, slow_start: u64, pods: &[u32]) -> Targets {
        let mut targets = Targets::new(algorithm, Duration::secs(slow_start));
        targets.replace(at(0), &pods.iter().copied().map(PodId).collect::<Vec<_>>());
        targets
    }

    fn lots() -> impl Iterator<Item = u64> {
        let mut random = crate::random::Random::new(1, crate::random::Stream::Lots, 0);
        std::iter::repeat_with(move || random.next_u64())
    }

    /// How many of so many requests at this instant each pod gets.
    fn shares(targets: &mut Targets, now: Instant, requests: usize) -> Vec<usize> {
        let mut counts = vec![0; 4];
        for lot in lots().take(requests) {
            counts[targets.next(now, lot).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn round_robin_goes_on_in_a_list_that_has_changed() {
        let mut targets = targets(Algorithm::RoundRobin, 0, &[0, 1, 2]);
        let mut next = || targets.next(at(0), 0);
        assert_eq!([next(), next()], [Some(0), Some(1)]);
        targets.replace(at(1), &[PodId(0), PodId(1), PodId(2), PodId(3)]);
        assert_eq!(targets.next(at(1), 0), Some(2));
        targets.replace(at(2), &[]);
        assert_eq!(targets.next(at(2), 0), None);
    }

    #[test]
    fn the_target_that_fails_fast_attracts_requests() {
        let mut targets = targets(Algorithm::LeastOutstandingRequests, 0, &[0, 1]);
        let mut counts = [0; 2];
        for _ in 0..100 {
            let pod = targets.next(at(0), 0).unwrap();
            counts[pod as usize] += 1;
            // Pod 1 refuses at once; pod 0 works for a minute.
            targets.waits(pod, if pod == 0 { at(60) } else { at(0) });
        }
        assert_eq!(counts, [1, 99]);
        assert_eq!(targets.next(at(61), 0), Some(0), "it is idle again, and its turn");
    }

    #[test]
    fn a_new_target_ramps_up_and_the_first_ones_do_not() {
        let mut targets = targets(Algorithm::RoundRobin, 100, &[0, 1]);
        assert_eq!(shares(&mut targets, at(0), 100)[..2], [50, 50], "they came into an empty group");
        targets.replace(at(1_000), &[PodId(0), PodId(1), PodId(2)]);
        let requests = 10_000;
        for (age, share) in [(1, 0.01), (50, 0.5), (99, 0.99)] {
            let expected = share / (2.0 + share);
            let got = shares(&mut targets, at(1_000 + age), requests)[2] as f64 / requests as f64;
            let deviation = (expected * (1.0 - expected) / requests as f64).sqrt();
            assert!((got - expected).abs() < 5.0 * deviation, "{got} instead of {expected} after {age} s");
        }
        assert_eq!(shares(&mut targets, at(1_100), 300)[..3], [100, 100, 100], "round robin again");
    }

    #[test]
    fn by_lot_all_targets_are_alike() {
        let mut targets = targets(Algorithm::WeightedRandom, 0, &[0, 1, 2]);
        let requests = 9_000;
        let deviation = (requests as f64 * 2.0 / 9.0).sqrt();
        for count in &shares(&mut targets, at(0), requests)[..3] {
            assert!((*count as f64 - requests as f64 / 3.0).abs() < 5.0 * deviation, "{count}");
        }
    }
}
