//! The target group attributes that are words, or go together: algorithm, slow start, stickiness.
//!
//! Source: *User Guide for Application Load Balancers*, Target group attributes. Left out: `anomaly_mitigation`.

use crate::model::load_balancer::target_selection::Algorithm;
use crate::units::Duration;

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

/// What the attributes say: `key=value` each.
///
/// # Errors
/// What ELBv2 refuses of them: a sentence, and what to write instead.
pub fn selection(attributes: &[(String, String)]) -> Result<Selection, (String, String)> {
    let value = |name: &str| attributes.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let algorithm = match value(ALGORITHM) {
        None => Algorithm::RoundRobin,
        Some(word) => known(word)?,
    };
    let slow_start = value(SLOW_START).map_or(Ok(0), |value| number(SLOW_START, value, (0, 900)))?;
    if (1..30).contains(&slow_start) {
        return Err((format!("`{SLOW_START}` is {slow_start}, it must be 0 or 30 to 900"), String::new()));
    }
    if slow_start > 0 && algorithm != Algorithm::RoundRobin {
        let help = format!("leave `{SLOW_START}` out, or `{ALGORITHM}`");
        return Err(("slow start goes with round_robin alone".to_owned(), help));
    }
    let duration = |name| value(name).map_or(Ok(86_400), |value| number(name, value, (1, 604_800)));
    let stickiness = match (value(ENABLED), value(TYPE).unwrap_or("lb_cookie")) {
        (None | Some("false"), _) => None,
        (Some("true"), "lb_cookie") => Some((duration(LB_COOKIE)?, false)),
        (Some("true"), "app_cookie") => Some((duration(APP_COOKIE)?, true)),
        (Some("true"), other) => {
            return Err((format!("there is no `{TYPE}={other}`"), "lb_cookie or app_cookie".to_owned()));
        }
        (Some(other), _) => return Err((format!("`{ENABLED}` is `{other}`"), "true or false".to_owned())),
    };
    let stickiness = stickiness.map(|(seconds, is_of_application)| Stickiness {
        duration: Duration::secs(u64::from(seconds)),
        is_of_application,
    });
    Ok(Selection { algorithm, slow_start: Duration::secs(u64::from(slow_start)), stickiness })
}

fn known(word: &str) -> Result<Algorithm, (String, String)> {
    let found = ALGORITHMS.iter().find(|(name, _)| *name == word).map(|(_, algorithm)| *algorithm);
    found.ok_or_else(|| {
        let names: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        (format!("there is no `{ALGORITHM}={word}`"), format!("it is one of {}", names.join(", ")))
    })
}

fn number(name: &str, value: &str, (low, high): (u32, u32)) -> Result<u32, (String, String)> {
    match value.parse::<u32>() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err((format!("`{name}` is `{value}`, it must be a number from {low} to {high}"), String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Selection, String> {
        let pair = |item: &str| {
            let (key, value) = item.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        let attributes: Vec<_> = text.split(',').filter(|item| !item.is_empty()).map(pair).collect();
        selection(&attributes).map_err(|(message, _)| message)
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
            ("slow_start.duration_seconds=10", "`slow_start.duration_seconds` is 10, it must be 0 or 30 to 900"),
            (
                "slow_start.duration_seconds=30,load_balancing.algorithm.type=weighted_random",
                "slow start goes with round_robin alone",
            ),
            ("stickiness.enabled=yes", "`stickiness.enabled` is `yes`"),
            ("stickiness.enabled=true,stickiness.type=source_ip", "there is no `stickiness.type=source_ip`"),
            (
                "stickiness.enabled=true,stickiness.lb_cookie.duration_seconds=0",
                "`stickiness.lb_cookie.duration_seconds` is `0`, it must be a number from 1 to 604800",
            ),
        ] {
            assert_eq!(read(text), Err(message.to_owned()), "{text}");
        }
    }
}
