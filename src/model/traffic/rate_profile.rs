//! How many requests a second there are, second by second.
//!
//! Left out: a change within a second. Each second has one rate, that of its middle, so the requests of a whole ramp are
//! exactly the area below it.

use crate::units::{Duration, Rate};
use std::fmt;

/// `rate`: the same all the time, or one that changes. All times count from the start of the release, in whole seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum RateProfile {
    Constant(Rate),
    /// Each holds from its time on, the first also before; in order of time.
    Steps(Vec<Step>),
    /// In a straight line from one rate to the other.
    Ramp {
        from: Rate,
        to: Rate,
        start: Duration,
        duration: Duration,
    },
    /// A sine, before the release too.
    Daily {
        lowest: Rate,
        highest: Rate,
        /// When the rate is the highest.
        highest_at: Duration,
        period: Duration,
    },
    Burst {
        base: Rate,
        /// Where two of them meet, the later in the list holds.
        bursts: Vec<Burst>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Duration,
    pub rate: Rate,
}

/// Another rate for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    pub at: Duration,
    pub duration: Duration,
    pub rate: Rate,
    /// From the start of one to the start of the next; None: once.
    pub every: Option<Duration>,
}

impl From<Rate> for RateProfile {
    fn from(rate: Rate) -> Self {
        Self::Constant(rate)
    }
}

impl RateProfile {
    /// In this second since the start of the release; negative ones are the warm-up's.
    pub fn rate_in(&self, second: i64) -> Rate {
        match self {
            Self::Constant(rate) => *rate,
            Self::Steps(steps) => {
                let begun = steps.partition_point(|step| signed(step.at) <= second);
                steps.get(begun.saturating_sub(1)).map_or(Rate::NONE, |step| step.rate)
            }
            Self::Ramp { from, to, start, duration } => {
                let since_start = (second - signed(*start)) as f64 + 0.5;
                between(*from, *to, (since_start / signed(*duration) as f64).clamp(0.0, 1.0))
            }
            Self::Daily { lowest, highest, highest_at, period } => {
                let since_highest = (second - signed(*highest_at)) as f64 + 0.5;
                let turn = since_highest / signed(*period) as f64;
                between(*lowest, *highest, f64::midpoint(1.0, libm::cos(core::f64::consts::TAU * turn)))
            }
            Self::Burst { base, bursts } => {
                bursts.iter().rfind(|burst| burst.is_on(second)).map_or(*base, |burst| burst.rate)
            }
        }
    }

    /// The highest rate of all.
    pub fn peak(&self) -> Rate {
        self.rates().max_by_key(|rate| rate.millirequests_per_hour()).unwrap_or(Rate::NONE)
    }

    /// The lowest rate of all.
    pub fn lowest(&self) -> Rate {
        self.rates().min_by_key(|rate| rate.millirequests_per_hour()).unwrap_or(Rate::NONE)
    }

    /// The same, but for a part of the requests.
    #[must_use]
    pub fn times(&self, share: f64) -> Self {
        let part = |rate: &Rate| {
            Rate::from_millirequests_per_hour((rate.millirequests_per_hour() as f64 * share).round() as u64)
        };
        match self {
            Self::Constant(rate) => Self::Constant(part(rate)),
            Self::Steps(steps) => {
                Self::Steps(steps.iter().map(|step| Step { rate: part(&step.rate), ..*step }).collect())
            }
            Self::Ramp { from, to, start, duration } => {
                Self::Ramp { from: part(from), to: part(to), start: *start, duration: *duration }
            }
            Self::Daily { lowest, highest, highest_at, period } => {
                Self::Daily { lowest: part(lowest), highest: part(highest), highest_at: *highest_at, period: *period }
            }
            Self::Burst { base, bursts } => Self::Burst {
                base: part(base),
                bursts: bursts.iter().map(|burst| Burst { rate: part(&burst.rate), ..*burst }).collect(),
            },
        }
    }

    /// The rates that the profile names.
    fn rates(&self) -> impl Iterator<Item = Rate> {
        let (ends, steps, bursts) = match self {
            Self::Constant(rate) => ([*rate; 2], &[][..], &[][..]),
            Self::Steps(steps) => {
                let first = steps.first().map_or(Rate::NONE, |step| step.rate);
                ([first; 2], &steps[..], &[][..])
            }
            Self::Ramp { from, to, .. } => ([*from, *to], &[][..], &[][..]),
            Self::Daily { lowest, highest, .. } => ([*lowest, *highest], &[][..], &[][..]),
            Self::Burst { base, bursts } => ([*base; 2], &[][..], &bursts[..]),
        };
        let steps = steps.iter().map(|step| step.rate);
        ends.into_iter().chain(steps).chain(bursts.iter().map(|burst| burst.rate))
    }
}

impl Burst {
    fn is_on(&self, second: i64) -> bool {
        let since = second - signed(self.at);
        let since = match self.every {
            Some(every) if since >= 0 => since % signed(every),
            Some(_) | None => since,
        };
        (0..signed(self.duration)).contains(&since)
    }
}

impl fmt::Display for RateProfile {
    /// As it is written in a scenario.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(rate) => write!(f, "\"{rate}\""),
            Self::Steps(steps) => {
                let step = |step: &Step| format!("{{ at = \"{}\", rate = \"{}\" }}", step.at, step.rate);
                write!(f, "{{ steps = [{}] }}", steps.iter().map(step).collect::<Vec<_>>().join(", "))
            }
            Self::Ramp { from, to, start, duration } => {
                let times = format!("start = \"{start}\", duration = \"{duration}\"");
                write!(f, "{{ ramp = {{ from = \"{from}\", to = \"{to}\", {times} }} }}")
            }
            Self::Daily { lowest, highest, highest_at, period } => {
                let times = format!("highest_at = \"{highest_at}\", period = \"{period}\"");
                write!(f, "{{ daily = {{ lowest = \"{lowest}\", highest = \"{highest}\", {times} }} }}")
            }
            Self::Burst { base, bursts } => {
                let bursts: Vec<_> = bursts.iter().map(Burst::to_string).collect();
                write!(f, "{{ base = \"{base}\", bursts = [{}] }}", bursts.join(", "))
            }
        }
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, duration, rate, every } = self;
        let every = every.map_or(String::new(), |every| format!(", every = \"{every}\""));
        write!(f, "{{ at = \"{at}\", duration = \"{duration}\", rate = \"{rate}\"{every} }}")
    }
}

fn signed(span: Duration) -> i64 {
    span.whole_secs() as i64
}

/// A part of the way from one rate to the other.
fn between(from: Rate, to: Rate, part: f64) -> Rate {
    let (from, to) = (from.millirequests_per_hour() as f64, to.millirequests_per_hour() as f64);
    Rate::from_millirequests_per_hour((from + (to - from) * part).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_one_rate_in_a_second() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        let secs = Duration::secs;
        let step = |at, text| Step { at: secs(at), rate: rate(text) };
        let burst = |every| Burst { at: secs(10), duration: secs(2), rate: rate("900/s"), every };
        let ramp = RateProfile::Ramp { from: Rate::NONE, to: rate("100/s"), start: secs(5), duration: secs(10) };
        let daily = |lowest, highest| RateProfile::Daily {
            lowest: rate(lowest),
            highest: rate(highest),
            highest_at: secs(6),
            period: secs(12),
        };
        let steps = RateProfile::Steps(vec![step(0, "1/s"), step(4, "3/s")]);
        let once = RateProfile::Burst { base: rate("5/s"), bursts: vec![burst(None)] };
        let often = RateProfile::Burst { base: rate("5/s"), bursts: vec![burst(Some(secs(60)))] };
        for (profile, second, per_second) in [
            (&RateProfile::Constant(rate("90/min")), -7, 1.5),
            (&steps, -9, 1.0),
            (&steps, 3, 1.0),
            (&steps, 4, 3.0),
            (&ramp, -3, 0.0),
            (&ramp, 4, 0.0),
            (&ramp, 5, 5.0),
            (&ramp, 14, 95.0),
            (&ramp, 15, 100.0),
            // A quarter of the period from the highest is the middle; a second has the value of its own middle.
            (&daily("7/s", "7/s"), 3, 7.0),
            (&once, 9, 5.0),
            (&once, 10, 900.0),
            (&once, 12, 5.0),
            (&once, 71, 5.0),
            (&often, 71, 900.0),
            (&often, -49, 5.0),
        ] {
            let got = profile.rate_in(second).per_second();
            assert!((got - per_second).abs() < 1e-9, "{profile} in second {second}: {got} instead of {per_second}");
        }
        // Around the middle of the rise as much is lost as is won.
        let wave = daily("10/s", "20/s");
        let (before, after) = (wave.rate_in(2).per_second(), wave.rate_in(3).per_second());
        assert!((before + after - 30.0).abs() < 1e-6 && before < 15.0, "{before}, {after}");
        assert_eq!((often.lowest(), often.peak()), (rate("5/s"), rate("900/s")));
        assert_eq!(often.times(0.5).rate_in(10), rate("450/s"));
    }
}
