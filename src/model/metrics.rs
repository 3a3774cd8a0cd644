//! What monitoring shows of the requests: rates and response times over a trailing window, as a scraper that adds up
//! counters would see them. People and analyses look at nothing else.
//!
//! A request counts when it is answered. One that never reached a pod belongs to the service as a whole, and to no
//! version; one that a pod did not answer counts for that pod's version, as an error of the load balancer.
//!
//! Left out: the interpolation of Prometheus between two scrapes, buckets of histograms.

use crate::model::Revision;
use crate::model::comparison::Comparison;
use crate::model::outcome::Outcome;
use crate::units::{Duration, Instant};

/// A figure that monitoring shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    pub series: Series,
    pub of: Of,
    /// Over so much of the past.
    pub window: Duration,
    /// The newest sample is so old.
    pub scrape_lag: Duration,
}

/// Whose requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Service,
    /// Those sent to pods of the version that is being rolled out.
    Canary,
    Stable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Of the answers of pods, the share that is no 5xx: what the program itself reports.
    Success,
    /// Of all requests, the share that got a 5xx, be it from a pod or from the load balancer.
    Error,
    /// Of all requests, the share that got a 5xx from the load balancer.
    Elb5xx,
    /// Of the answers of pods, the share that is a 5xx.
    Target5xx,
    /// How many requests were answered.
    Requests,
    /// Milliseconds within which so many thousandths of the answers of pods came.
    LatencyMs(u64),
}

impl Series {
    pub const ALL: [(&'static str, Self); 7] = [
        ("success.rate", Self::Success),
        ("error.rate", Self::Error),
        ("elb_5xx.rate", Self::Elb5xx),
        ("target_5xx.rate", Self::Target5xx),
        ("latency_ms.p50", Self::LatencyMs(500)),
        ("latency_ms.p90", Self::LatencyMs(900)),
        ("latency_ms.p99", Self::LatencyMs(990)),
    ];

    /// Whether it is a part of a whole.
    pub fn is_share(self) -> bool {
        match self {
            Self::Success | Self::Error | Self::Elb5xx | Self::Target5xx => true,
            Self::Requests | Self::LatencyMs(_) => false,
        }
    }
}

/// A figure beyond a bound: what an alert fires on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    pub query: Query,
    pub comparison: Comparison,
    pub bound: f64,
}

/// The revisions that "canary" and "stable" mean at the moment of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub canary: Option<Revision>,
    pub stable: Option<Revision>,
}

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// By second of the answer.
    seconds: Vec<Vec<Sample>>,
}

/// The answers of one second that concern one version, or none.
#[derive(Clone, Debug)]
struct Sample {
    version: Option<Revision>,
    ok: u64,
    target_5xx: u64,
    elb_5xx: u64,
    /// Of the answers of pods, in microseconds.
    times: Vec<u32>,
}

/// An answer, as monitoring counts it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub version: Option<Revision>,
    pub outcome: Outcome,
    pub answered: Instant,
    pub micros: u32,
}

impl Metrics {
    pub fn count(&mut self, answer: Answer) {
        let sample = self.sample(answer);
        match answer.outcome {
            Outcome::Ok => sample.ok += 1,
            Outcome::Target5xx => sample.target_5xx += 1,
            Outcome::Elb(_) => sample.elb_5xx += 1,
        }
        if answer.outcome.is_from_target() {
            sample.times.push(answer.micros);
        }
    }

    /// Takes back what was counted ahead of its time: it comes otherwise.
    pub fn take_back(&mut self, answer: Answer) {
        let sample = self.sample(answer);
        match answer.outcome {
            Outcome::Ok => sample.ok -= 1,
            Outcome::Target5xx => sample.target_5xx -= 1,
            Outcome::Elb(_) => sample.elb_5xx -= 1,
        }
        if answer.outcome.is_from_target() {
            let place = sample.times.iter().position(|time| *time == answer.micros).expect("it was counted");
            sample.times.swap_remove(place);
        }
    }

    fn sample(&mut self, answer: Answer) -> &mut Sample {
        let second = usize::try_from(answer.answered.second()).expect("a run's seconds can be indexed");
        if self.seconds.len() <= second {
            self.seconds.resize_with(second + 1, Vec::new);
        }
        let samples = &mut self.seconds[second];
        let place = samples.iter().position(|sample| sample.version == answer.version).unwrap_or_else(|| {
            samples.push(Sample { version: answer.version, ok: 0, target_5xx: 0, elb_5xx: 0, times: vec![] });
            samples.len() - 1
        });
        &mut samples[place]
    }

    /// The figure at this moment, over whole seconds; None if nothing was counted that it is a part of.
    pub fn value(&self, query: Query, now: Instant, versions: Versions) -> Option<f64> {
        let index = |at: Instant| usize::try_from(at.second()).unwrap_or(usize::MAX);
        let until = Instant::START + now.saturating_since(Instant::START + query.scrape_lag);
        let since = Instant::START + until.saturating_since(Instant::START + query.window);
        let until = index(until).min(self.seconds.len());
        let seconds = &self.seconds[index(since).min(until)..until];
        let is_meant = |sample: &&Sample| match query.of {
            Of::Service => true,
            Of::Canary => sample.version.is_some() && sample.version == versions.canary,
            Of::Stable => sample.version.is_some() && sample.version == versions.stable,
        };
        let samples: Vec<_> = seconds.iter().flatten().filter(is_meant).collect();
        let sum = |figure: fn(&Sample) -> u64| samples.iter().map(|sample| figure(sample)).sum::<u64>() as f64;
        let (ok, target_5xx, elb_5xx) = (sum(|s| s.ok), sum(|s| s.target_5xx), sum(|s| s.elb_5xx));
        let part = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        match query.series {
            Series::Success => part(ok, ok + target_5xx),
            Series::Target5xx => part(target_5xx, ok + target_5xx),
            Series::Error => part(target_5xx + elb_5xx, ok + target_5xx + elb_5xx),
            Series::Elb5xx => part(elb_5xx, ok + target_5xx + elb_5xx),
            Series::Requests => Some(ok + target_5xx + elb_5xx),
            Series::LatencyMs(per_mille) => {
                let mut times: Vec<_> = samples.iter().flat_map(|sample| &sample.times).copied().collect();
                let rank = (times.len() as u64 * per_mille).div_ceil(1_000).checked_sub(1)?;
                let (_, time, _) = times.select_nth_unstable(usize::try_from(rank).expect("it is in the list"));
                Some(f64::from(*time) / 1_000.0)
            }
        }
    }

    /// Whether the figure is beyond the bound; without a figure it is not.
    pub fn holds(&self, condition: &Condition, now: Instant, versions: Versions) -> bool {
        let value = self.value(condition.query, now, versions);
        value.is_some_and(|value| condition.comparison.holds(value, condition.bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Cause;

    const VERSIONS: Versions = Versions { canary: Some(Revision(2)), stable: Some(Revision(1)) };

    fn at(second: u64) -> Instant {
        Instant::START + Duration::secs(second)
    }

    fn query(series: Series, of: Of) -> Query {
        Query { series, of, window: Duration::secs(10), scrape_lag: Duration::ZERO }
    }

    /// Each second the canary answers one request badly and three well, stable four well, and one is lost on the way.
    fn metrics(seconds: u64) -> Metrics {
        let mut metrics = Metrics::default();
        for second in 0..seconds {
            let mut count = |version: u32, outcome| {
                let version = (version > 0).then_some(Revision(version));
                metrics.count(Answer {
                    version,
                    outcome,
                    answered: at(second),
                    micros: 1_000 * version.map_or(0, |v| v.0),
                });
            };
            count(2, Outcome::Target5xx);
            (0..3).for_each(|_| count(2, Outcome::Ok));
            (0..4).for_each(|_| count(1, Outcome::Ok));
            count(0, Outcome::Elb(Cause::NoRegisteredTargets));
        }
        metrics
    }

    #[test]
    fn a_bad_canary_shows_in_full_in_its_own_figures_and_by_its_share_in_those_of_the_service() {
        let metrics = metrics(20);
        let value = |series, of| metrics.value(query(series, of), at(20), VERSIONS);
        assert_eq!(value(Series::Success, Of::Canary), Some(0.75));
        assert_eq!(value(Series::Success, Of::Stable), Some(1.0));
        assert_eq!(value(Series::Success, Of::Service), Some(7.0 / 8.0));
        assert_eq!(value(Series::Target5xx, Of::Service), Some(1.0 / 8.0));
        assert_eq!(value(Series::Error, Of::Service), Some(2.0 / 9.0));
        assert_eq!(value(Series::Elb5xx, Of::Service), Some(1.0 / 9.0));
        assert_eq!(value(Series::Elb5xx, Of::Canary), Some(0.0));
        assert_eq!(value(Series::LatencyMs(500), Of::Canary), Some(2.0));
        assert_eq!(value(Series::LatencyMs(500), Of::Service), Some(1.0));
    }

    #[test]
    fn the_window_ends_a_scrape_ago() {
        let metrics = metrics(5);
        let late = Query { scrape_lag: Duration::secs(15), ..query(Series::Success, Of::Canary) };
        assert_eq!(metrics.value(late, at(14), VERSIONS), None, "nothing has been scraped");
        assert_eq!(metrics.value(late, at(16), VERSIONS), Some(0.75));
        assert_eq!(metrics.value(late, at(29), VERSIONS), Some(0.75), "the last second is in the window");
        assert_eq!(metrics.value(late, at(30), VERSIONS), None, "and now it is not");
    }

    #[test]
    fn what_comes_otherwise_leaves_no_trace() {
        let mut metrics = metrics(1);
        let ahead = Answer { version: Some(Revision(2)), outcome: Outcome::Ok, answered: at(3), micros: 9 };
        metrics.count(ahead);
        metrics.take_back(ahead);
        assert_eq!(metrics.value(query(Series::Success, Of::Canary), at(5), VERSIONS), Some(0.75));
        assert_eq!(metrics.value(query(Series::LatencyMs(990), Of::Canary), at(5), VERSIONS), Some(2.0));
    }
}
