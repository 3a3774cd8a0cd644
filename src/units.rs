//! Units: the only place where a bare number gets its meaning.
//!
//! Time is integer nanoseconds, so sums are exact and the same on every machine. A duration is read and written as Go
//! writes it (`1m30s`, `250ms`), because Kubernetes, Argo and the AWS Load Balancer Controller are written in Go.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::str::FromStr;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A point of simulated time: nanoseconds since the start of the run (the start of the warm-up, not of the release).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    pub const START: Self = Self(0);
    /// Later than every instant of a run.
    pub const NEVER: Self = Self(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The number of the second that this instant lies in.
    pub const fn second(self) -> u64 {
        self.0 / NANOS_PER_SEC
    }

    /// The last whole second at or before this instant: the resolution of a Kubernetes time stamp.
    pub const fn floor_to_second(self) -> Self {
        Self(self.0 - self.0 % NANOS_PER_SEC)
    }

    /// Zero if `earlier` is not earlier.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// Panics if time ran backwards.
    fn sub(self, earlier: Self) -> Duration {
        Duration(self.0.checked_sub(earlier.0).expect("time ran backwards"))
    }
}

/// A span of simulated time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    pub const ZERO: Self = Self(0);
    /// About 146 years: the longest span that a scenario may name, so that sums of two cannot overflow.
    pub const MAX: Self = Self(u64::MAX / 4);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    pub const fn secs(secs: u64) -> Self {
        Self(secs * NANOS_PER_SEC)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds, the rest cut off.
    pub const fn whole_secs(self) -> u64 {
        self.0 / NANOS_PER_SEC
    }

    /// For reports and for the parameters of distributions; never for the clock.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }

    /// Rounded to nanoseconds once; what does not fit is cut to `MAX`.
    pub fn from_secs_f64(secs: f64) -> Self {
        let nanos = (secs * NANOS_PER_SEC as f64).round();
        if nanos >= Self::MAX.0 as f64 { Self::MAX } else { Self(nanos.max(0.0) as u64) }
    }

    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).expect("a span cannot be negative"))
    }
}

impl Mul<u64> for Duration {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Sum for Duration {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Duration {
    /// The shortest exact form: `0s`, `250ms`, `1m30s`, `24h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < NANOS_PER_SEC {
            return match self.0 {
                n if n % 1_000_000 == 0 => write!(f, "{}ms", n / 1_000_000),
                n if n % 1_000 == 0 => write!(f, "{}us", n / 1_000),
                n => write!(f, "{n}ns"),
            };
        }
        let (secs, nanos) = (self.0 / NANOS_PER_SEC, self.0 % NANOS_PER_SEC);
        let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if nanos > 0 {
            let fraction = format!("{nanos:09}");
            write!(f, "{secs}.{}s", fraction.trim_end_matches('0'))
        } else if secs > 0 {
            write!(f, "{secs}s")
        } else {
            Ok(())
        }
    }
}

impl FromStr for Duration {
    type Err = String;

    /// Go's grammar: decimal numbers with a unit each, `h`, `m`, `s`, `ms`, `us` or `ns`. No sign: no span is negative.
    fn from_str(text: &str) -> Result<Self, String> {
        let help = || {
            format!("`{text}` is not a duration: write a number with its unit, like \"30s\", \"250ms\" or \"1m30s\"")
        };
        if text.starts_with('-') {
            return Err(format!("`{text}` is negative: no time span can be"));
        }
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let (mut rest, mut nanos) = (text, 0u128);
        if rest.is_empty() {
            return Err(help());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(help)?;
            let (number, after) = rest.split_at(digits);
            let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_end);
            let unit_nanos: u128 = match unit {
                "ns" => 1,
                "us" | "µs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(help()),
            };
            nanos = nanos.saturating_add(decimal_times(number, unit_nanos).ok_or_else(help)?);
            rest = after;
        }
        match u64::try_from(nanos) {
            Ok(nanos) if nanos <= Self::MAX.0 => Ok(Self(nanos)),
            _ => Err(format!("`{text}` is longer than this program can count (about 146 years)")),
        }
    }
}

/// `number × unit`, cut off to a whole number. None if `number` is no plain decimal number.
pub fn decimal_times(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut result = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.chars() {
        scale /= 10;
        result = result.checked_add(u128::from(digit.to_digit(10)?) * scale)?;
    }
    Some(result)
}

/// A share of the requests as `setWeight` gives it: 0..=100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    pub const ZERO: Self = Self(0);
    pub const HUNDRED: Self = Self(100);

    pub const fn get(self) -> u8 {
        self.0
    }

    /// What is left to 100 %.
    pub const fn rest(self) -> Self {
        Self(100 - self.0)
    }

    /// This share of `count`, rounded up.
    pub fn of_ceil(self, count: u32) -> u32 {
        let product = u64::from(self.0) * u64::from(count);
        u32::try_from(product.div_ceil(100)).expect("a share of a u32 fits a u32")
    }

    /// This share of `count`, rounded down.
    pub fn of_floor(self, count: u32) -> u32 {
        let product = u64::from(self.0) * u64::from(count);
        u32::try_from(product / 100).expect("a share of a u32 fits a u32")
    }
}

impl From<Percent> for TrafficWeight {
    fn from(percent: Percent) -> Self {
        Self(i64::from(percent.0))
    }
}

impl TryFrom<i64> for Percent {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        match u8::try_from(number) {
            Ok(percent) if percent <= 100 => Ok(Self(percent)),
            _ => Err(format!("{number} is not a weight: it must lie between 0 and 100")),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A weight of a traffic router as a Rollout gives it: out of `maxTrafficWeight`, which is 100 unless set. The controller
/// itself may work out one beyond that, and a negative rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficWeight(i64);

impl TrafficWeight {
    pub const ZERO: Self = Self(0);
    /// `maxTrafficWeight` unless set, and always with an ALB.
    pub const HUNDRED: Self = Self(100);

    pub const fn new(weight: u32) -> Self {
        Self(weight as i64)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// As a percentage of the requests, where the maximum is 100; None for a weight that no load balancer takes.
    pub fn percent(self) -> Option<Percent> {
        Percent::try_from(self.0).ok()
    }

    /// The share of the requests, out of `max`; None for a weight beyond it.
    pub fn share_of(self, max: Self) -> Option<Share> {
        let (weight, max) = (u64::try_from(self.0).ok()?, u64::try_from(max.0).ok()?);
        (weight <= max).then(|| Share::new(weight, max))
    }

    /// What is left to `max`.
    pub const fn rest(self, max: Self) -> Self {
        Self(max.0 - self.0)
    }

    /// This part of `max`, as pods out of `replicas`, rounded up; 0 for a negative one.
    pub fn pods_ceil(self, replicas: u32, max: Self) -> u32 {
        let product = i128::from(self.0) * i128::from(replicas);
        u32::try_from((product + i128::from(max.0) - 1).div_euclid(i128::from(max.0)).max(0)).unwrap_or(u32::MAX)
    }

    /// The same, rounded down.
    pub fn pods_floor(self, replicas: u32, max: Self) -> u32 {
        let product = i128::from(self.0) * i128::from(replicas);
        u32::try_from(product.div_euclid(i128::from(max.0)).max(0)).unwrap_or(u32::MAX)
    }

    /// The weight that so many pods out of `replicas` (not 0) can carry, rounded down.
    pub fn of_pods(pods: u32, replicas: u32, max: Self) -> Self {
        Self(max.0 * i64::from(pods) / i64::from(replicas))
    }
}

impl fmt::Display for TrafficWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An exact share of the requests, whatever its weight was out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// In lowest terms.
    part: u64,
    of: u64,
}

impl Share {
    pub const NONE: Self = Self { part: 0, of: 1 };
    pub const ALL: Self = Self { part: 1, of: 1 };

    /// Nothing of nothing is nothing.
    pub const fn new(part: u64, of: u64) -> Self {
        assert!(part <= of, "a share is a part of a whole");
        if of == 0 {
            return Self::NONE;
        }
        let (mut divisor, mut rest) = (of, part);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self { part: part / divisor, of: of / divisor }
    }

    /// What is left to all.
    pub const fn rest(self) -> Self {
        Self { part: self.of - self.part, of: self.of }
    }

    /// In hundredths of a percent, rounded.
    pub fn hundredths(self) -> u16 {
        let hundredths = (u128::from(self.part) * 20_000 + u128::from(self.of)) / (2 * u128::from(self.of));
        u16::try_from(hundredths).expect("a share is at most all")
    }
}

impl From<Percent> for Share {
    fn from(percent: Percent) -> Self {
        Self::new(u64::from(percent.0), 100)
    }
}

/// In percent, with as many decimals as it takes, at most two: `25`, `2.5`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.hundredths() / 100, self.hundredths() % 100);
        match rest {
            0 => write!(f, "{whole}"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}", rest / 10),
            rest => write!(f, "{whole}.{rest:02}"),
        }
    }
}

/// Requests per time, kept as the fraction that the user wrote, so that even arrivals fall on exact instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Thousandths of a request …
    millirequests: u64,
    /// … in this long.
    per: Duration,
}

impl Rate {
    /// No requests at all: between two bursts, or at the foot of a ramp. Where requests are wanted, `parse` refuses it.
    pub const NONE: Self = Self { millirequests: 0, per: Duration::secs(1) };

    /// Whole numbers for every rate that can be written, so that sums over seconds are exact.
    pub const fn millirequests_per_hour(self) -> u64 {
        self.millirequests * (3600 / self.per.whole_secs())
    }

    /// In the shortest time of which a rate can be that gives a whole number.
    pub const fn from_millirequests_per_hour(millirequests: u64) -> Self {
        let secs = if millirequests.is_multiple_of(3600) {
            1
        } else if millirequests.is_multiple_of(60) {
            60
        } else {
            3600
        };
        Self { millirequests: millirequests / (3600 / secs), per: Duration::secs(secs) }
    }

    pub const fn is_none(self) -> bool {
        self.millirequests == 0
    }

    /// The mean time between two requests, in nanoseconds.
    pub fn mean_gap_nanos(self) -> f64 {
        self.per.as_nanos() as f64 * 1_000.0 / self.millirequests as f64
    }

    pub fn per_second(self) -> f64 {
        1e9 / self.mean_gap_nanos()
    }

    /// When the `number`-th of evenly spread requests arrives (the first, number 0, at the start).
    pub fn instant_of(self, number: u64) -> Instant {
        let nanos = u128::from(number) * u128::from(self.per.as_nanos()) * 1_000 / u128::from(self.millirequests);
        Instant(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// One request a day: slower traffic shows nothing.
const SLOWEST_PER_SECOND: f64 = 1.0 / 86_400.0;
/// A million requests a second: faster than any ALB, and still a nanosecond's resolution between two.
const FASTEST_PER_SECOND: f64 = 1e6;

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || format!("`{text}` is not a rate: write requests per time, like \"15000/min\" or \"250/s\"");
        if text.starts_with('-') {
            return Err(format!("`{text}` is negative: a rate must be above zero"));
        }
        let (count, unit) = text.split_once('/').ok_or_else(help)?;
        let per = match unit.trim() {
            "s" | "sec" | "second" => Duration::secs(1),
            "m" | "min" | "minute" => Duration::secs(60),
            "h" | "hour" => Duration::secs(3600),
            _ => return Err(help()),
        };
        let millirequests = decimal_times(count.trim(), 1_000).ok_or_else(help)?;
        let millirequests = u64::try_from(millirequests).map_err(|_| help())?;
        if millirequests == 0 {
            return Err(format!("`{text}` is not above zero: without requests there is nothing to count"));
        }
        let rate = Self { millirequests, per };
        if rate.per_second() > FASTEST_PER_SECOND || rate.per_second() < SLOWEST_PER_SECOND {
            return Err(format!("`{text}` is out of range: from one request a day to 1000000 a second"));
        }
        Ok(rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.whole_secs() {
            1 => "s",
            60 => "min",
            _ => "h",
        };
        match self.millirequests % 1000 {
            0 => write!(f, "{}/{unit}", self.millirequests / 1000),
            _ => write!(f, "{}/{unit}", self.millirequests as f64 / 1000.0),
        }
    }
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 pod`, `2 pods`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_exact_and_is_written_in_percent() {
        for (part, of, percent) in
            [(25, 100, "25"), (250, 1000, "25"), (25, 1000, "2.5"), (1, 1000, "0.1"), (1, 3, "33.33"), (2, 3, "66.67")]
        {
            assert_eq!(Share::new(part, of).to_string(), percent);
        }
        assert_eq!(Share::new(250, 1000), Share::new(25, 100));
        assert_ne!(Share::new(24, 1000), Share::new(25, 1000));
        assert_eq!((Share::new(0, 0), Share::new(3, 3)), (Share::NONE, Share::ALL));
        assert_eq!(TrafficWeight::new(250).share_of(TrafficWeight::new(1000)), Some(Share::new(1, 4)));
        assert_eq!(TrafficWeight::new(101).share_of(TrafficWeight::HUNDRED), None);
    }

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, nanos, back) in [
            ("0s", 0, "0s"),
            ("250ms", 250_000_000, "250ms"),
            ("1.5h", 5_400_000_000_000, "1h30m"),
            ("90s", 90_000_000_000, "1m30s"),
            ("1h2m3.004s", 3_723_004_000_000, "1h2m3.004s"),
            ("100us", 100_000, "100us"),
            ("60s", 60_000_000_000, "1m"),
        ] {
            let duration: Duration = text.parse().expect(text);
            assert_eq!((duration.as_nanos(), duration.to_string().as_str()), (nanos, back), "{text}");
        }
        for text in ["", "60", "s", "1x", "1 s", "-1s", "1..5s", "9999999h", "1d", "٣s"] {
            assert!(text.parse::<Duration>().is_err(), "{text} must be refused");
        }
    }

    #[test]
    fn even_arrivals_fall_on_exact_instants() {
        let rate: Rate = "15000/min".parse().unwrap();
        assert_eq!(rate.instant_of(250), Instant::from_nanos(1_000_000_000));
        let third: Rate = "3/s".parse().unwrap();
        assert_eq!(third.instant_of(3_000_001), Instant::from_nanos(1_000_000_333_333_333));
    }

    #[test]
    fn a_rate_needs_a_number_and_a_time() {
        for text in ["15000", "0/s", "-3/s", "x/s", "3/fortnight", "1e9/s", "2000000/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text} must be refused");
        }
    }

    proptest! {
        #[test]
        fn a_printed_duration_reads_as_itself(nanos in 0..Duration::MAX.as_nanos()) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse::<Duration>(), Ok(duration));
        }

        #[test]
        fn two_shares_cover_the_whole(percent in 0i64..=100, count in 0u32..10_000) {
            let percent = Percent::try_from(percent).unwrap();
            prop_assert!(percent.of_ceil(count) + percent.rest().of_floor(count) == count);
        }
    }
}
