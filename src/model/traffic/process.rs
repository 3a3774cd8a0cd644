//! When requests arrive, or sessions begin: one process of points in time.

use super::Request;
use super::rate_profile::RateProfile;
use crate::random::{Distribution, QuantileTable, Random};
use crate::units::{Duration, Instant, Rate};

/// How the points of a process follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Independent of each other.
    Poisson,
    /// All at one distance, the first at the start of the run.
    Uniform,
}

/// What the points of a process have to come to.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    pub rate: &'a RateProfile,
    pub spread: Spread,
    /// Each point stands for so many requests of the rate.
    pub requests: u32,
    /// The start of the release, on a whole second.
    pub release: Instant,
}

#[derive(Clone, Debug)]
pub enum Process {
    Never,
    Poisson(Box<Poisson>),
    Uniform {
        rate: Rate,
        requests: u64,
        /// Of the next one.
        number: u64,
    },
    /// The rate changes.
    Inverted(Box<Inverted>),
}

impl Process {
    pub fn new(pace: Pace<'_>, random: Random) -> Self {
        let requests = u64::from(pace.requests);
        match (pace.rate, pace.spread) {
            (RateProfile::Constant(rate), _) if rate.is_none() => Self::Never,
            (RateProfile::Constant(rate), Spread::Poisson) => {
                let mean = Duration::from_nanos((rate.mean_gap_nanos() * requests as f64).round() as u64);
                let gaps = QuantileTable::new(&Distribution::Exponential { mean });
                Self::Poisson(Box::new(Poisson { nanos: 0, gaps, random }))
            }
            (RateProfile::Constant(rate), Spread::Uniform) => Self::Uniform { rate: *rate, requests, number: 0 },
            (
                RateProfile::Steps(_)
                | RateProfile::Ramp { .. }
                | RateProfile::Daily { .. }
                | RateProfile::Burst { .. },
                _,
            ) => Self::Inverted(Box::new(Inverted::new(pace, random))),
        }
    }

    #[inline]
    pub fn next_point(&mut self) -> Instant {
        match self {
            Self::Never => Instant::NEVER,
            Self::Poisson(poisson) => poisson.next_point(),
            Self::Uniform { rate, requests, number } => {
                let at = rate.instant_of(*number * *requests);
                *number += 1;
                at
            }
            Self::Inverted(inverted) => inverted.next_point(),
        }
    }

    /// The next points, as arrivals: one tight loop.
    pub fn fill(&mut self, block: &mut [Request]) {
        match self {
            Self::Poisson(poisson) => poisson.fill(block),
            Self::Never | Self::Uniform { .. } | Self::Inverted(_) => {
                block.iter_mut().for_each(|request| request.arrival = self.next_point())
            }
        }
    }
}

#[derive(Clone, Debug)]
pub struct Poisson {
    nanos: u64,
    gaps: QuantileTable,
    random: Random,
}

impl Poisson {
    #[inline]
    fn next_point(&mut self) -> Instant {
        self.nanos = self.nanos.saturating_add(self.gaps.at(self.random.next_u64()));
        Instant::from_nanos(self.nanos)
    }

    fn fill(&mut self, block: &mut [Request]) {
        // In a register, not in memory.
        let mut nanos = self.nanos;
        for request in block {
            nanos = nanos.saturating_add(self.gaps.at(self.random.next_u64()));
            request.arrival = Instant::from_nanos(nanos);
        }
        self.nanos = nanos;
    }
}

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// One request, as a rate in thousandths an hour times nanoseconds.
const ONE_REQUEST: u64 = 1_000 * 3600 * NANOS_PER_SEC;

/// No run is so long. Whoever looks for a request that never comes stops here.
const LAST_SECOND: u64 = 30 * 24 * 3600;

/// Nobody sees what comes after it.
pub const LAST: Instant = Instant::from_nanos(LAST_SECOND * NANOS_PER_SEC);

/// A process with a rate that changes from second to second: the time at which the area below the rate reaches the next
/// draw. Integers all through, so the number of evenly spread points is exactly the area, rounded up.
#[derive(Clone, Debug)]
pub struct Inverted {
    profile: RateProfile,
    /// The second of the release.
    release: i64,
    /// From point to point; None: evenly spread.
    gaps: Option<QuantileTable>,
    random: Random,
    requests: u128,
    is_first: bool,
    second: u64,
    /// In this second.
    rate: u64,
    nanos: u64,
    /// The area since `nanos` that the last point did not need, less than one nanosecond's.
    rest: u64,
}

impl Inverted {
    fn new(pace: Pace<'_>, random: Random) -> Self {
        let one = Distribution::Exponential { mean: Duration::from_nanos(ONE_REQUEST) };
        let mut inverted = Self {
            profile: pace.rate.clone(),
            release: pace.release.second() as i64,
            gaps: (pace.spread == Spread::Poisson).then(|| QuantileTable::new(&one)),
            random,
            requests: pace.requests.into(),
            is_first: true,
            second: 0,
            rate: 0,
            nanos: 0,
            rest: 0,
        };
        inverted.enter(0);
        inverted
    }

    fn enter(&mut self, second: u64) {
        self.second = second;
        self.nanos = second * NANOS_PER_SEC;
        self.rest = 0;
        self.rate = self.profile.rate_in(second as i64 - self.release).millirequests_per_hour();
    }

    fn next_point(&mut self) -> Instant {
        let gap = match &self.gaps {
            Some(gaps) => gaps.at(self.random.next_u64()),
            None if self.is_first => 0,
            None => ONE_REQUEST,
        };
        self.is_first = false;
        self.advance(u128::from(gap) * self.requests)
    }

    /// To where the area is larger by so much.
    fn advance(&mut self, area: u128) -> Instant {
        let mut wanted = area + u128::from(self.rest);
        loop {
            let left = (self.second + 1) * NANOS_PER_SEC - self.nanos;
            let within = u128::from(self.rate) * u128::from(left);
            if wanted < within {
                let (nanos, rest) = divided(wanted, self.rate);
                self.nanos += nanos;
                self.rest = rest;
                return Instant::from_nanos(self.nanos);
            }
            if self.second >= LAST_SECOND {
                // For good: a small draw must not come after it.
                self.rate = 0;
                return Instant::NEVER;
            }
            wanted -= within;
            self.enter(self.second + 1);
        }
    }
}

/// Quotient and remainder. Nearly always 64 bits are enough, which is faster.
#[inline]
fn divided(area: u128, rate: u64) -> (u64, u64) {
    match u64::try_from(area) {
        Ok(area) => (area / rate, area % rate),
        Err(_) => {
            let rate = u128::from(rate);
            ((area / rate) as u64, (area % rate) as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate_profile::{Burst, Step};
    use super::*;
    use crate::random::Stream;

    const RELEASE: Instant = Instant::from_nanos(60 * NANOS_PER_SEC);

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn ramp() -> RateProfile {
        let (start, duration) = (Duration::secs(10), Duration::secs(300));
        RateProfile::Ramp { from: rate("100/s"), to: rate("500/s"), start, duration }
    }

    fn process(rate: &RateProfile, spread: Spread, requests: u32) -> Process {
        Process::new(Pace { rate, spread, requests, release: RELEASE }, Random::new(1, Stream::Arrivals, 0))
    }

    /// Points by second of the run, `until` a second.
    fn counts(mut process: Process, until: usize) -> Vec<u32> {
        let mut counts = vec![0; until];
        let seconds = std::iter::from_fn(|| Some(process.next_point().second() as usize));
        seconds.take_while(|second| *second < until).for_each(|second| counts[second] += 1);
        counts
    }

    #[test]
    fn evenly_spread_requests_of_a_ramp_are_the_area_below_it() {
        let counts = counts(process(&ramp(), Spread::Uniform, 1), 60 + 10 + 300 + 100);
        // Warm-up and the first ten seconds, the ramp, what comes after it.
        assert_eq!(counts[..70].iter().sum::<u32>(), 7_000);
        assert_eq!(counts[70..370].iter().sum::<u32>(), 300 * (100 + 500) / 2);
        assert_eq!(counts[370..].iter().sum::<u32>(), 50_000);
        // In the middle of the first second of the ramp: 100 + 400 × 0.5 ÷ 300.
        assert!((100..=101).contains(&counts[70]), "{}", counts[70]);
    }

    #[test]
    fn steps_and_bursts_begin_and_end_with_their_second() {
        let step = |at, text| Step { at: Duration::secs(at), rate: rate(text) };
        let steps = RateProfile::Steps(vec![step(0, "10/s"), step(3, "200/s"), step(5, "1/s")]);
        assert_eq!(counts(process(&steps, Spread::Uniform, 1), 68)[58..], [10, 10, 10, 10, 10, 200, 200, 1, 1, 1]);
        let (at, duration) = (Duration::secs(1), Duration::secs(2));
        let burst = Burst { at, duration, rate: rate("300/s"), every: Some(Duration::secs(4)) };
        let bursts = RateProfile::Burst { base: Rate::NONE, bursts: vec![burst] };
        let counts = counts(process(&bursts, Spread::Uniform, 3), 70);
        assert_eq!(
            counts[58..],
            [0, 0, 0, 100, 100, 0, 0, 100, 100, 0, 0, 100],
            "each point stands for three requests"
        );
    }

    #[test]
    fn a_profile_that_never_changes_is_a_constant_rate() {
        let step = Step { at: Duration::ZERO, rate: rate("7000/min") };
        let (mut one, mut other) = (
            process(&RateProfile::Steps(vec![step]), Spread::Uniform, 1),
            process(&RateProfile::Constant(step.rate), Spread::Uniform, 1),
        );
        for number in 0..100_000 {
            assert_eq!(one.next_point(), other.next_point(), "{number}");
        }
    }

    #[test]
    fn a_wave_comes_to_its_mean_over_whole_periods() {
        let (highest_at, period) = (Duration::secs(15), Duration::secs(60));
        let wave = RateProfile::Daily { lowest: rate("20/s"), highest: rate("180/s"), highest_at, period };
        let counts = counts(process(&wave, Spread::Uniform, 1), 240);
        assert_eq!(counts.iter().sum::<u32>(), 24_000);
        assert!(counts[60 + 15] >= 179 && counts[60 + 45] <= 21, "{counts:?}");
        // The wave goes on before the release.
        assert!(counts[15] >= 179, "{counts:?}");
    }

    #[test]
    fn poisson_arrivals_follow_their_profile() {
        // Thirty seconds of the ramp together: a Poisson number whose mean is the area.
        let runs = 40;
        let total: Vec<u64> = (0..runs)
            .map(|seed| {
                let pace = Pace { rate: &ramp(), spread: Spread::Poisson, requests: 1, release: RELEASE };
                let process = Process::new(pace, Random::new(seed, Stream::Arrivals, 0));
                counts(process, 100)[70..].iter().map(|count| u64::from(*count)).sum()
            })
            .collect();
        let area = 30.0 * (100.0 + 400.0 * 15.0 / 300.0);
        let n = runs as f64;
        let mean = total.iter().sum::<u64>() as f64 / n;
        let variance = total.iter().map(|total| (*total as f64 - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // Five standard deviations of the estimates.
        assert!((mean - area).abs() < 5.0 * (area / n).sqrt(), "mean {mean} instead of {area}");
        assert!((variance - area).abs() < 5.0 * area * (2.0 / n).sqrt(), "variance {variance} instead of {area}");
    }

    #[test]
    fn where_nothing_comes_any_more_nobody_waits_for_it() {
        let step = |at, rate| Step { at: Duration::secs(at), rate };
        let ending = RateProfile::Steps(vec![step(0, rate("5/s")), step(10, Rate::NONE)]);
        for spread in [Spread::Poisson, Spread::Uniform] {
            let mut process = process(&ending, spread, 1);
            let points: Vec<_> = (0..1_000).map(|_| process.next_point()).collect();
            let last = points.iter().rposition(|at| *at < Instant::NEVER).unwrap();
            assert!(points.is_sorted() && points[last].second() < 70 && last > 200, "{spread:?}: {last}");
        }
    }
}
