//! The target group attributes that are words, or go together: algorithm, slow start, stickiness.
//!
//! Source: *User Guide for Application Load Balancers*, Target group attributes. Left out: `anomaly_mitigation`.

use crate::model::load_balancer::target_selection::Algorithm;
use crate::units::{Duration, grouped};

const ALGORITHM: &str = "load_balancing.algorithm.type";
const SLOW_START: &str = "slow_start.duration_seconds";
const ENABLED: &str = "stickiness.enabled";
const TYPE: &str = "stickiness.type";
const LB_COOKIE: &str = "stickiness.lb_cookie.duration_seconds";
const APP_COOKIE: &str = "stickiness.app_cookie.duration_seconds";

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("round_robin", Algorithm::RoundRobin),
    ("least_outstanding_requests", Algorithm::LeastOutstandingRequests),
    ("weighted_random", Algorithm::WeightedRandom),
];

/// How a node picks a target of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    pub algorithm: Algorithm,
    pub slow_start: Duration,
    pub stickiness: Option<Stickiness>,
}

/// How long a client stays with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stickiness {
    pub duration: Duration,
    /// The application sets the cookie, not the load balancer.
    pub is_of_application: bool,
}

/// What ELBv2 refuses: the attribute, a sentence, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub attribute: &'static str,
    pub message: String,
    pub help: String,
}

/// What the attributes say: `key=value` each.
///
/// # Errors
/// All that ELBv2 refuses of them.
pub fn selection(attributes: &[(String, String)]) -> Result<Selection, Vec<Refusal>> {
    let value = |name: &str| attributes.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let algorithm = value(ALGORITHM).map_or(Ok(Algorithm::RoundRobin), known);
    let slow_start = value(SLOW_START).map_or(Ok(0), slow_start);
    let stickiness = stickiness(value);
    let mut refusals = vec![];
    if let (Ok(algorithm), Ok(1..)) = (&algorithm, &slow_start)
        && *algorithm != Algorithm::RoundRobin
    {
        let help = format!("leave `{SLOW_START}` out, or `{ALGORITHM}`");
        refusals.push(refusal(SLOW_START, "slow start goes with round_robin alone".to_owned(), help));
    }
    let selection = (algorithm, slow_start, stickiness);
    if let ((Ok(algorithm), Ok(slow_start), Ok(stickiness)), true) = (&selection, refusals.is_empty()) {
        let slow_start = Duration::secs(u64::from(*slow_start));
        return Ok(Selection { algorithm: *algorithm, slow_start, stickiness: *stickiness });
    }
    let (algorithm, slow_start, stickiness) = selection;
    refusals.extend([algorithm.err(), slow_start.err(), stickiness.err()].into_iter().flatten());
    Err(refusals)
}

fn refusal(attribute: &'static str, message: String, help: String) -> Refusal {
    Refusal { attribute, message, help }
}

fn slow_start(value: &str) -> Result<u32, Refusal> {
    let help = || format!("write {SLOW_START}=30, or leave it out");
    match value.parse::<u32>() {
        Ok(seconds @ (0 | 30..=900)) => Ok(seconds),
        Ok(_) | Err(_) => {
            Err(refusal(SLOW_START, format!("`{SLOW_START}` is `{value}`, it must be 0 or 30 to 900"), help()))
        }
    }
}

fn stickiness<'v>(value: impl Fn(&str) -> Option<&'v str>) -> Result<Option<Stickiness>, Refusal> {
    let lives = |name, is_of_application| {
        let seconds = value(name).map_or(Ok(86_400), |value| number(name, value, (1, 604_800)))?;
        Ok(Some(Stickiness { duration: Duration::secs(u64::from(seconds)), is_of_application }))
    };
    match (value(ENABLED), value(TYPE).unwrap_or("lb_cookie")) {
        (None | Some("false"), _) => Ok(None),
        (Some("true"), "lb_cookie") => lives(LB_COOKIE, false),
        (Some("true"), "app_cookie") => lives(APP_COOKIE, true),
        (Some("true"), other) => {
            let help = "it is lb_cookie or app_cookie";
            Err(refusal(TYPE, format!("there is no `{TYPE}={other}`"), help.to_owned()))
        }
        (Some(other), _) => {
            Err(refusal(ENABLED, format!("`{ENABLED}` is `{other}`"), "it is true or false".to_owned()))
        }
    }
}

fn known(word: &str) -> Result<Algorithm, Refusal> {
    let found = ALGORITHMS.iter().find(|(name, _)| *name == word).map(|(_, algorithm)| *algorithm);
    found.ok_or_else(|| {
        let names: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        let help = format!("it is one of {}", names.join(", "));
        refusal(ALGORITHM, format!("there is no `{ALGORITHM}={word}`"), help)
    })
}

fn number(name: &'static str, value: &str, (low, high): (u32, u32)) -> Result<u32, Refusal> {
    match value.parse::<u32>() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            let bounds = format!("{} to {}", grouped(u64::from(low)), grouped(u64::from(high)));
            let message = format!("`{name}` is `{value}`, it must be a number from {bounds}");
            Err(refusal(name, message, format!("write {name}=86400, which is a day")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Selection, Vec<String>> {
        let pair = |item: &str| {
            let (key, value) = item.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        let attributes: Vec<_> = text.split(',').filter(|item| !item.is_empty()).map(pair).collect();
        selection(&attributes).map_err(|refusals| refusals.into_iter().map(|refusal| refusal.message).collect())
    }

    #[test]
    fn nothing_said_is_round_robin_without_cookies() {
        let none = Selection { algorithm: Algorithm::RoundRobin, slow_start: Duration::ZERO, stickiness: None };
        assert_eq!(read(""), Ok(none));
        assert_eq!(read("stickiness.enabled=false,stickiness.type=lb_cookie,slow_start.duration_seconds=0"), Ok(none));
    }

    #[test]
    fn cookies_live_a_day_unless_said() {
        let stickiness = |text| read(text).unwrap().stickiness.unwrap();
        let day = Stickiness { duration: Duration::secs(86_400), is_of_application: false };
        assert_eq!(stickiness("stickiness.enabled=true"), day);
        let minute = Stickiness { duration: Duration::secs(60), ..day };
        assert_eq!(stickiness("stickiness.enabled=true,stickiness.lb_cookie.duration_seconds=60"), minute);
        let own = Stickiness { is_of_application: true, ..minute };
        let text = "stickiness.enabled=true,stickiness.type=app_cookie,stickiness.app_cookie.duration_seconds=60";
        assert_eq!(stickiness(text), own);
    }

    #[test]
    fn what_elbv2_refuses_is_told() {
        for (text, message) in [
            ("load_balancing.algorithm.type=random", "there is no `load_balancing.algorithm.type=random`"),
            ("slow_start.duration_seconds=10", "`slow_start.duration_seconds` is `10`, it must be 0 or 30 to 900"),
            (
                "slow_start.duration_seconds=30,load_balancing.algorithm.type=weighted_random",
                "slow start goes with round_robin alone",
            ),
            ("stickiness.enabled=yes", "`stickiness.enabled` is `yes`"),
            ("stickiness.enabled=true,stickiness.type=source_ip", "there is no `stickiness.type=source_ip`"),
            (
                "stickiness.enabled=true,stickiness.lb_cookie.duration_seconds=0",
                "`stickiness.lb_cookie.duration_seconds` is `0`, it must be a number from 1 to 604,800",
            ),
        ] {
            assert_eq!(read(text), Err(vec![message.to_owned()]), "{text}");
        }
    }

    #[test]
    fn all_that_is_refused_is_told_at_once() {
        let told = read("slow_start.duration_seconds=5,stickiness.enabled=maybe,load_balancing.algorithm.type=random");
        assert_eq!(told.unwrap_err().len(), 3);
    }
}
