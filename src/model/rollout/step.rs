//! The steps of a canary.

use crate::model::http_request::HttpRequest;
use crate::model::request_match::StringMatch;
use crate::units::{Duration, Percent, TrafficWeight};
use std::fmt;

/// One entry of `canary.steps`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    SetWeight(TrafficWeight),
    SetCanaryScale(CanaryScale),
    /// Both in one step, which the controller lets pass: the weight is asked for, and the step completes by the rule of
    /// `setCanaryScale` alone.
    SetCanaryScaleAndWeight(CanaryScale, TrafficWeight),
    /// None waits for a person.
    Pause(Option<Duration>),
    SetHeaderRoute(HeaderRoute),
    /// Istio's alone: other routers do nothing with it.
    SetMirrorRoute(MirrorRoute),
    /// The names of AnalysisTemplates; the step waits for their verdict.
    Analysis(Vec<String>),
}

impl Step {
    /// Of a `setWeight`.
    pub fn weight(&self) -> Option<TrafficWeight> {
        match self {
            Self::SetWeight(weight) | Self::SetCanaryScaleAndWeight(_, weight) => Some(*weight),
            Self::SetCanaryScale(_) | Self::Pause(_) | Self::Analysis(_) => None,
            Self::SetHeaderRoute(_) | Self::SetMirrorRoute(_) => None,
        }
    }

    /// Of a `setCanaryScale`.
    pub fn canary_scale(&self) -> Option<CanaryScale> {
        match self {
            Self::SetCanaryScale(scale) | Self::SetCanaryScaleAndWeight(scale, _) => Some(*scale),
            Self::SetWeight(_) | Self::Pause(_) | Self::Analysis(_) => None,
            Self::SetHeaderRoute(_) | Self::SetMirrorRoute(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CanaryScale {
    Replicas(u32),
    Weight(TrafficWeight),
    MatchTrafficWeight,
}

impl fmt::Display for CanaryScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas(replicas) => write!(f, "replicas {replicas}"),
            Self::Weight(weight) => write!(f, "weight {weight}"),
            Self::MatchTrafficWeight => f.write_str("matchTrafficWeight"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderRoute {
    pub name: String,
    /// Empty removes the route.
    pub matches: Vec<HeaderMatch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    pub header_name: String,
    /// `headerValue`. An ALB takes an exact one alone.
    pub value: StringMatch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MirrorRoute {
    pub name: String,
    /// One of them must fit. Empty removes the route.
    pub matches: Vec<MirrorMatch>,
    /// Of the requests that match, so many are copied: all, unless set.
    pub percentage: Percent,
}

/// All that it says must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MirrorMatch {
    pub method: Option<StringMatch>,
    pub path: Option<StringMatch>,
    pub headers: Vec<(String, StringMatch)>,
}

impl MirrorRoute {
    /// Whether such requests are copied.
    pub fn copies(&self, request: &HttpRequest) -> bool {
        self.matches.iter().any(|one| one.holds(request))
    }
}

impl MirrorMatch {
    fn holds(&self, request: &HttpRequest) -> bool {
        let fits = |asked: &Option<StringMatch>, text: &str| asked.as_ref().is_none_or(|asked| asked.fits(text));
        let has = |(name, value): &(String, StringMatch)| {
            let is_sent = |(sent, content): &(String, String)| sent.eq_ignore_ascii_case(name) && value.fits(content);
            request.headers.iter().any(is_sent)
        };
        fits(&self.method, &request.method) && fits(&self.path, &request.path) && self.headers.iter().all(has)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetWeight(weight) => write!(f, "setWeight {weight}"),
            Self::SetCanaryScale(scale) => write!(f, "setCanaryScale {scale}"),
            Self::SetCanaryScaleAndWeight(scale, weight) => write!(f, "setWeight {weight}, setCanaryScale {scale}"),
            Self::Pause(Some(duration)) => write!(f, "pause {}s", duration.whole_secs()),
            Self::Pause(None) => f.write_str("pause"),
            Self::SetHeaderRoute(route) => write!(f, "setHeaderRoute {}", route.name),
            Self::SetMirrorRoute(route) => write!(f, "setMirrorRoute {}", route.name),
            Self::Analysis(templates) => write!(f, "analysis {}", templates.join(", ")),
        }
    }
}

/// The seconds of a pause's `duration`, a number or a text; -1 where it cannot be read. Source:
/// `pkg/apis/rollouts/v1alpha1/types.go:DurationSeconds`.
pub fn pause_seconds(text: Option<&str>, number: Option<i64>) -> i64 {
    let Some(text) = text else { return number.unwrap_or(0) };
    text.parse::<i32>().ok().map(i64::from).or_else(|| go_duration(text)).unwrap_or(-1)
}

/// `time.ParseDuration` of Go, in whole seconds as an int32 takes them.
fn go_duration(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(crate::units::decimal_times(number, unit)?)?;
        rest = after;
    }
    // Go holds nanoseconds in 64 bits, and cuts the seconds to 32: more than those hold come out as the smallest number.
    let seconds = i64::try_from(nanos).ok()? / 1_000_000_000;
    let seconds = if is_negative { -seconds } else { seconds };
    Some(i32::try_from(seconds).map_or(i64::from(i32::MIN), i64::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed on the controller's own code (commit 9f8d111d8). None stands for "invalid" and for negative durations,
    /// which validation refuses.
    #[test]
    fn a_pause_takes_the_forms_that_the_controller_takes() {
        for (text, secs) in [
            ("10", Some(10)),
            ("1h", Some(3600)),
            ("1.5h", Some(5400)),
            ("1.9s", Some(1)),
            ("-5s", None),
            ("0", Some(0)),
            ("0s", Some(0)),
            (" ", None),
            ("10 s", None),
            ("5d", None),
            ("5M", None),
            ("ms", None),
            ("1500ms", Some(1)),
            ("999ms", Some(0)),
            ("100us", Some(0)),
            ("1h2m3s", Some(3723)),
            ("+5s", Some(5)),
            ("+5", Some(5)),
            ("007", Some(7)),
            ("1e3", None),
            ("1e3s", None),
            ("10.0", None),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("2147483648s", None),
            ("9999999h", None),
            ("1_000", None),
            ("0x10", None),
            ("s", None),
            ("1.s", Some(1)),
            ("1h-5m", None),
            ("３s", None),
            ("60S", None),
            ("", None),
        ] {
            let ours = u64::try_from(pause_seconds(Some(text), None)).ok();
            assert_eq!(ours, secs, "{text:?}");
        }
    }
}
