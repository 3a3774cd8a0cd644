//! Random numbers that are the same on every machine: named streams, and the distributions that a scenario can name.
//!
//! A draw is one `u64` put through the inverse of the distribution function, so a stream's n-th draw depends on nothing
//! but the seed, the stream's name and n. Logarithms come from `libm`, whose bits are the same everywhere.

use crate::units::Duration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt;

/// Who draws. One stream per (name, instance), addressed by number, so that nobody's draws depend on anybody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Arrivals = 1,
    ServiceTimes = 2,
    Lots = 3,
    /// Everything about a pod, drawn at its birth; the instance is the pod.
    Pod = 4,
    ReplicaSet = 5,
    EndpointSlice = 6,
    RuleLag = 7,
    TargetLag = 8,
    /// One instance per ALB node, as are the three below.
    RulePush = 9,
    Registration = 10,
    Deregistration = 11,
    FirstHealthCheck = 12,
    ImagePull = 13,
    RolloutsController = 14,
    /// The cells of a sampled sweep; the instance is the axis.
    Sample = 15,
    /// How long the Rollouts controller's looks at AWS take, and which of them fail.
    AwsQuery = 16,
    /// How long the news of readiness gates take between kubelets and the load balancer controller.
    ReadinessGate = 17,
    /// Whose request, or session, it is. The instance is the class of requests, as with arrivals, service times and lots
    /// above, and with the two below.
    Users = 18,
    /// The sessions that are open when a run starts.
    OpenSessions = 19,
    /// From a request of a session to its next one.
    ThinkTimes = 20,
    /// The calls of the load balancer controller about listener rules.
    RuleCall = 21,
    /// Comparisons and syncs of Argo CD, and how long it takes to find out about a commit.
    ArgoCd = 22,
    /// How long commits take.
    Git = 23,
    /// How long the stages of a run of the pipeline take, and which fail; the instance is the run.
    Pipeline = 24,
    /// When other teams' jobs come to the executors, and how long they take.
    OtherJobs = 25,
    /// From the firing of an alert until somebody knows; the instance is the alert.
    Notification = 26,
    /// When a pod hears of a feature flag; the instance is the pod.
    FeatureFlag = 27,
    /// How long people take; the instance is the action.
    People = 28,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64, stream: Stream, instance: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(stream as u32) << 32 | u64::from(instance));
        Self(rng)
    }

    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Whether something happens whose probability is `share`.
    pub fn happens(&mut self, share: f64) -> bool {
        // 53 bits are what a double holds.
        ((self.next_u64() >> 11) as f64) < share * (1u64 << 53) as f64
    }

    /// A draw from the exponential distribution whose mean is 1.
    pub fn exponential(&mut self) -> f64 {
        let rank = ((self.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -libm::log(rank)
    }

    pub fn draw(&mut self, distribution: &Distribution) -> Duration {
        // Even a fixed delay takes its number: replacing it by a spread one then leaves the draws after it alone.
        let bits = self.next_u64();
        distribution.at(bits)
    }
}

/// A further lot made from a lot, for the few requests that need a second one (SplitMix64's finaliser).
pub fn derived_lot(lot: u64, purpose: u64) -> u64 {
    let mut z = lot.wrapping_add(purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How long something takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    Fixed(Duration),
    Uniform {
        min: Duration,
        max: Duration,
    },
    Exponential {
        mean: Duration,
    },
    LogNormal {
        median: Duration,
        tail: Tail,
    },
    Triangular {
        min: Duration,
        mode: Duration,
        max: Duration,
    },
    /// Straight lines between measured quantiles: (rank from 0 to 1, value), ranks rising.
    Quantiles(Vec<(f64, Duration)>),
}

/// The second number that fixes a log-normal distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    P95(Duration),
    P99(Duration),
}

/// Standard normal quantiles at 0.95 and 0.99.
const Z95: f64 = 1.644_853_626_951_472_2;
const Z99: f64 = 2.326_347_874_040_841;

impl Distribution {
    pub const fn secs(secs: u64) -> Self {
        Self::Fixed(Duration::secs(secs))
    }

    pub const fn millis(millis: u64) -> Self {
        Self::Fixed(Duration::millis(millis))
    }

    pub const fn uniform_millis(min: u64, max: u64) -> Self {
        Self::Uniform { min: Duration::millis(min), max: Duration::millis(max) }
    }

    /// The value below which the share `rank` of all draws lies, in nanoseconds.
    pub fn quantile_nanos(&self, rank: f64) -> f64 {
        let nanos = |duration: Duration| duration.as_nanos() as f64;
        match self {
            Self::Fixed(value) => nanos(*value),
            Self::Uniform { min, max } => nanos(*min) + rank * (nanos(*max) - nanos(*min)),
            Self::Exponential { mean } => -nanos(*mean) * libm::log(1.0 - rank),
            Self::LogNormal { median, tail } => {
                nanos(*median) * libm::exp(sigma(*median, *tail) * normal_quantile(rank))
            }
            Self::Triangular { min, mode, max } => triangular(nanos(*min), nanos(*mode), nanos(*max), rank),
            Self::Quantiles(points) => {
                let after = points.iter().position(|(r, _)| *r >= rank).unwrap_or(points.len() - 1).max(1);
                let ((r0, v0), (r1, v1)) = (points[after - 1], points[after]);
                nanos(v0) + (rank - r0) / (r1 - r0) * (nanos(v1) - nanos(v0))
            }
        }
    }

    pub fn mean(&self) -> Duration {
        let nanos = |duration: Duration| duration.as_nanos() as f64;
        let mean = match self {
            Self::Fixed(value) => nanos(*value),
            Self::Uniform { min, max } => f64::midpoint(nanos(*min), nanos(*max)),
            Self::Exponential { mean } => nanos(*mean),
            Self::LogNormal { median, tail } => {
                let sigma = sigma(*median, *tail);
                nanos(*median) * libm::exp(sigma * sigma / 2.0)
            }
            Self::Triangular { min, mode, max } => (nanos(*min) + nanos(*mode) + nanos(*max)) / 3.0,
            Self::Quantiles(points) => {
                let part = |ends: &[(f64, Duration)]| {
                    (ends[1].0 - ends[0].0) * f64::midpoint(nanos(ends[0].1), nanos(ends[1].1))
                };
                points.windows(2).map(part).sum()
            }
        };
        from_nanos(mean)
    }

    /// The draw that belongs to these 64 random bits.
    pub fn at(&self, bits: u64) -> Duration {
        if let Self::Fixed(value) = self {
            return *value;
        }
        // The middle of one of 2^53 equal parts: never 0 and never 1.
        let rank = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        from_nanos(self.quantile_nanos(rank))
    }

    /// The longest draw that is to be expected: the 99.9th percentile.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.quantile_nanos(0.999) as u64)
    }
}

impl fmt::Display for Distribution {
    /// As it is written in a scenario.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => write!(f, "\"{value}\""),
            Self::Uniform { min, max } => write!(f, "{{ min = \"{min}\", max = \"{max}\" }}"),
            Self::Exponential { mean } => write!(f, "{{ exponential = \"{mean}\" }}"),
            Self::LogNormal { median, tail: Tail::P95(at) } => write!(f, "{{ median = \"{median}\", p95 = \"{at}\" }}"),
            Self::LogNormal { median, tail: Tail::P99(at) } => write!(f, "{{ median = \"{median}\", p99 = \"{at}\" }}"),
            Self::Triangular { min, mode, max } => {
                write!(f, "{{ min = \"{min}\", mode = \"{mode}\", max = \"{max}\" }}")
            }
            Self::Quantiles(points) => {
                let points: Vec<_> = points.iter().map(|(rank, value)| format!("[{rank:?}, \"{value}\"]")).collect();
                write!(f, "{{ quantiles = [{}] }}", points.join(", "))
            }
        }
    }
}

/// Rounded, and no longer than a duration can be.
fn from_nanos(nanos: f64) -> Duration {
    let limit = Duration::MAX.as_nanos();
    Duration::from_nanos(if nanos >= limit as f64 { limit } else { nanos.round().max(0.0) as u64 })
}

/// The standard deviation of the logarithm.
fn sigma(median: Duration, tail: Tail) -> f64 {
    let (z, at) = match tail {
        Tail::P95(at) => (Z95, at),
        Tail::P99(at) => (Z99, at),
    };
    libm::log(at.as_nanos() as f64 / median.as_nanos() as f64) / z
}

fn triangular(min: f64, mode: f64, max: f64, rank: f64) -> f64 {
    if max <= min {
        return min;
    }
    let turn = (mode - min) / (max - min);
    if rank < turn {
        min + libm::sqrt(rank * (max - min) * (mode - min))
    } else {
        max - libm::sqrt((1.0 - rank) * (max - min) * (max - mode))
    }
}

/// The inverse of the standard normal distribution function, to about 1e-15.
/// Source: M. J. Wichura, *Algorithm AS 241*, Applied Statistics 37 (1988), routine PPND16.
pub fn normal_quantile(rank: f64) -> f64 {
    let ratio = |r: f64, top: [f64; 8], bottom: [f64; 8]| {
        let polynomial = |c: [f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
        polynomial(top) / polynomial(bottom)
    };
    let q = rank - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, CENTRE_TOP, CENTRE_BOTTOM);
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { rank } else { 1.0 - rank }));
    let value = if r <= 5.0 { ratio(r - 1.6, MIDDLE_TOP, MIDDLE_BOTTOM) } else { ratio(r - 5.0, FAR_TOP, FAR_BOTTOM) };
    if q < 0.0 { -value } else { value }
}

const CENTRE_TOP: [f64; 8] = [
    3.387_132_872_796_366_5,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
const CENTRE_BOTTOM: [f64; 8] = [
    1.0,
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_545,
];
const MIDDLE_TOP: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    0.022_723_844_989_269_184,
    0.000_774_545_014_278_341_4,
];
const MIDDLE_BOTTOM: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    0.015_198_666_563_616_457,
    0.000_547_593_808_499_534_5,
    1.050_750_071_644_416_9e-9,
];
const FAR_TOP: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    0.026_532_189_526_576_124,
    0.001_242_660_947_388_078_4,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const FAR_BOTTOM: [f64; 8] = [
    1.0,
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    0.014_875_361_290_850_615,
    0.000_786_869_131_145_613_2,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

/// Log2 of the number of cells in a [`QuantileTable`].
const CELL_BITS: u32 = 11;
const CELLS: u64 = 1 << CELL_BITS;
/// So many cells at each end are inverted exactly: there the quantile function is steep and a straight line is wrong.
const EXACT_CELLS: u64 = 16;

/// A distribution made ready for the request path: straight lines between 2,049 exact quantiles, and the exact inverse
/// in the outer 1.6 % of the draws.
///
/// One draw from the table takes about 6 ns, by the exact inverse of a log-normal about 60. The mean of an exponential
/// moves by less than 1e-5 of itself; `the_table_follows_its_distribution` holds it to that.
#[derive(Clone, Debug)]
pub struct QuantileTable {
    /// Nanoseconds at rank i / 2048. The last entry is never read for an unbounded distribution.
    points: Box<[u64; CELLS as usize + 1]>,
    exact: Distribution,
    /// Straight lines are exact: the whole table is used.
    straight: bool,
}

impl QuantileTable {
    pub fn new(distribution: &Distribution) -> Self {
        let limit = Duration::MAX.as_nanos() as f64;
        let point =
            |cell: usize| distribution.quantile_nanos(cell as f64 / CELLS as f64).clamp(0.0, limit).round() as u64;
        let straight = matches!(distribution, Distribution::Fixed(_) | Distribution::Uniform { .. });
        Self { points: Box::new(std::array::from_fn(point)), exact: distribution.clone(), straight }
    }

    #[inline]
    pub fn at(&self, bits: u64) -> u64 {
        let cell = bits >> (64 - CELL_BITS);
        if !self.straight && cell.wrapping_sub(EXACT_CELLS) >= CELLS - 2 * EXACT_CELLS {
            return self.exactly_at(bits);
        }
        let cell = cell as usize;
        let (low, high) = (self.points[cell], self.points[cell + 1]);
        let part = bits << CELL_BITS >> 32;
        low + ((u128::from(high - low) * u128::from(part)) >> 32) as u64
    }

    #[cold]
    fn exactly_at(&self, bits: u64) -> u64 {
        self.exact.at(bits).as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_normal() -> Distribution {
        Distribution::LogNormal { median: Duration::millis(40), tail: Tail::P99(Duration::millis(400)) }
    }

    #[test]
    fn the_normal_quantiles_agree_with_published_tables() {
        for (rank, z) in [
            (0.5, 0.0),
            (0.95, Z95),
            (0.99, Z99),
            (0.975, 1.959_963_984_540_054),
            (1e-10, -6.361_340_902_404_056),
            (0.001, -3.090_232_306_167_813_5),
        ] {
            assert!((normal_quantile(rank) - z).abs() < 1e-12, "{rank}: {} instead of {z}", normal_quantile(rank));
        }
    }

    #[test]
    fn a_log_normal_has_the_median_and_the_tail_it_was_given() {
        let p95 = Distribution::LogNormal { median: Duration::secs(1), tail: Tail::P95(Duration::secs(8)) };
        for (distribution, rank, secs) in [(log_normal(), 0.5, 0.04), (log_normal(), 0.99, 0.4), (p95, 0.95, 8.0)] {
            let got = distribution.quantile_nanos(rank) / 1e9;
            assert!((got / secs - 1.0).abs() < 1e-9, "{distribution} at {rank}: {got} s");
        }
    }

    #[test]
    fn measured_quantiles_are_joined_by_straight_lines() {
        let points = vec![(0.0, Duration::secs(2)), (0.5, Duration::secs(10)), (1.0, Duration::secs(40))];
        let distribution = Distribution::Quantiles(points);
        for (rank, secs) in [(0.0, 2.0), (0.25, 6.0), (0.5, 10.0), (0.75, 25.0), (1.0, 40.0)] {
            assert_eq!(distribution.quantile_nanos(rank), secs * 1e9, "rank {rank}");
        }
    }

    #[test]
    fn the_table_follows_its_distribution() {
        let triangular =
            Distribution::Triangular { min: Duration::secs(2), mode: Duration::secs(10), max: Duration::secs(20) };
        let exponential = Distribution::Exponential { mean: Duration::millis(4) };
        for distribution in [exponential, log_normal(), triangular, Distribution::uniform_millis(1, 9)] {
            let table = QuantileTable::new(&distribution);
            // Evenly spread ranks integrate both quantile functions: the difference of the means is the table's error.
            let steps = 1u64 << 20;
            let ranks = (0..steps).map(|i| (2 * i + 1) << (63 - 20));
            let (mut ours, mut exact) = (0.0, 0.0);
            for bits in ranks {
                let (a, b) = (table.at(bits) as f64, distribution.at(bits).as_nanos() as f64);
                assert!((a - b).abs() <= 1.0 + 6e-4 * b, "{distribution} at {bits:x}: {a} instead of {b}");
                ours += a;
                exact += b;
            }
            assert!((ours / exact - 1.0).abs() < 1e-5, "{distribution}: mean off by {}", ours / exact - 1.0);
        }
    }

    #[test]
    fn the_mean_is_the_average_of_all_ranks() {
        let points = vec![(0.0, Duration::secs(2)), (0.5, Duration::secs(10)), (1.0, Duration::secs(40))];
        let triangular =
            Distribution::Triangular { min: Duration::secs(2), mode: Duration::secs(10), max: Duration::secs(20) };
        let exponential = Distribution::Exponential { mean: Duration::millis(4) };
        for distribution in [
            Distribution::millis(40),
            Distribution::uniform_millis(1, 9),
            exponential,
            log_normal(),
            triangular,
            Distribution::Quantiles(points),
        ] {
            let steps = 1u64 << 20;
            let sum: f64 = (0..steps).map(|i| distribution.at((2 * i + 1) << (63 - 20)).as_nanos() as f64).sum();
            let (average, mean) = (sum / steps as f64, distribution.mean().as_nanos() as f64);
            assert!((average / mean - 1.0).abs() < 1e-5, "{distribution}: {mean} ns instead of {average}");
        }
    }

    #[test]
    fn a_stream_is_addressed_by_name_and_instance() {
        let first = |stream, instance| Random::new(7, stream, instance).next_u64();
        assert_eq!(first(Stream::Pod, 3), first(Stream::Pod, 3));
        assert_ne!(first(Stream::Pod, 3), first(Stream::Pod, 4));
        assert_ne!(first(Stream::Pod, 3), first(Stream::ReplicaSet, 3));
    }
}
