//! Figures of one class of traffic, under the names that thresholds use: `target_5xx{class=partners,version=v2}.count`,
//! `users{class=partners}.exposed`.

use super::metric::Unit;
use crate::run::{Answer, Audience, ClassRecord};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassMetric {
    Count(Requests, Versions),
    /// Of all requests of the class.
    Rate(Requests, Versions),
    /// Requests with the header of a route that came to another version.
    WrongVersion,
    Users(Users),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    All,
    Answered(Answer),
}

/// To which versions the requests came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    All,
    /// 0: no pod took them.
    One(usize),
    /// The one that the release brings, and later ones.
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    Active,
    Exposed,
    SawBoth,
    BackAndForth,
    Flips,
    HitByTarget5xx,
    HitByElb5xx,
}

const REQUESTS: [(&str, Requests); 5] = [
    ("requests", Requests::All),
    ("ok", Requests::Answered(Answer::Ok)),
    ("target_5xx", Requests::Answered(Answer::Target5xx)),
    ("elb_5xx", Requests::Answered(Answer::Elb5xx)),
    ("elb_404", Requests::Answered(Answer::Elb404)),
];

const USERS: [(&str, Users); 7] = [
    ("active", Users::Active),
    ("exposed", Users::Exposed),
    ("saw_both", Users::SawBoth),
    ("back_and_forth", Users::BackAndForth),
    ("flips", Users::Flips),
    ("hit_by_target_5xx", Users::HitByTarget5xx),
    ("hit_by_elb_5xx", Users::HitByElb5xx),
];

impl Versions {
    /// `v2`, `none` or `new`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::One(0)),
            "new" => Some(Self::New),
            _ => name.strip_prefix('v')?.parse().ok().filter(|number| *number > 0).map(Self::One),
        }
    }
}

impl ClassMetric {
    /// The name without its labels; `versions` is the label of that name.
    pub fn parse(name: &str, versions: Option<Versions>) -> Option<Self> {
        let (subject, figure) = name.split_once('.')?;
        let of_all = versions.is_none();
        let versions = versions.unwrap_or(Versions::All);
        let requests = REQUESTS.iter().find(|(known, _)| *known == subject).map(|(_, requests)| *requests);
        match (requests, figure) {
            (Some(requests), "count") => Some(Self::Count(requests, versions)),
            (Some(requests), "rate") => Some(Self::Rate(requests, versions)),
            (None, "count") if subject == "wrong_version" && of_all => Some(Self::WrongVersion),
            (None, figure) if subject == "users" && of_all => {
                USERS.iter().find(|(known, _)| *known == figure).map(|(_, users)| Self::Users(*users))
            }
            (Some(_) | None, _) => None,
        }
    }

    /// Every name, with its labels for a class `NAME`.
    pub fn names() -> Vec<String> {
        let requests =
            REQUESTS.iter().flat_map(|(name, _)| ["count", "rate"].map(|of| format!("{name}{{class=NAME}}.{of}")));
        let users = USERS.iter().map(|(name, _)| format!("users{{class=NAME}}.{name}"));
        requests.chain(["wrong_version{class=NAME}.count".to_owned()]).chain(users).collect()
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::Count(..) | Self::WrongVersion | Self::Users(_) => Unit::Number,
            Self::Rate(..) => Unit::Share,
        }
    }

    pub fn observe(self, class: &ClassRecord) -> f64 {
        match self {
            Self::Count(requests, versions) => requests.count(class, versions) as f64,
            Self::Rate(requests, versions) => {
                let all = Requests::All.count(class, Versions::All);
                if all == 0 { 0.0 } else { requests.count(class, versions) as f64 / all as f64 }
            }
            Self::WrongVersion => class.wrong_version as f64,
            Self::Users(users) => users.count(class.audience()) as f64,
        }
    }
}

impl Requests {
    fn count(self, class: &ClassRecord, versions: Versions) -> u64 {
        let counts = match versions {
            Versions::All => class.requests(),
            Versions::New => class.requests_to_new(),
            Versions::One(version) if version < class.versions() => class.total(version),
            // A revision that this run cannot have.
            Versions::One(_) => return 0,
        };
        match self {
            Self::All => counts.iter().sum(),
            Self::Answered(answer) => counts[answer as usize],
        }
    }
}

impl Users {
    fn count(self, audience: Audience) -> u64 {
        match self {
            Self::Active => audience.active,
            Self::Exposed => audience.exposed,
            Self::SawBoth => audience.saw_both,
            Self::BackAndForth => audience.back_and_forth,
            Self::Flips => audience.flips,
            Self::HitByTarget5xx => audience.hit_by_target_5xx,
            Self::HitByElb5xx => audience.hit_by_elb_5xx,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::UserRecord;

    /// Two seconds: v1 answers 3 and 1, v2 answers 2, fails 4 itself, and 5 requests find no rule.
    fn class() -> ClassRecord {
        let mut class = ClassRecord::new(3, 2);
        class.close_second(&[[0, 0, 0, 5], [3, 0, 0, 0], [2, 4, 0, 0]], &[0; 3]);
        class.close_second(&[[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], &[0; 3]);
        class.users[1] = UserRecord { requests: 6, flips: 3, target_5xx: 4, seen: 0b110, ..UserRecord::default() };
        class.wrong_version = 7;
        class
    }

    #[test]
    fn each_name_has_its_figure() {
        for (name, version, observed) in [
            ("requests.count", None, 15.0),
            ("requests.count", Some("v1"), 4.0),
            ("requests.count", Some("v2"), 6.0),
            ("requests.count", Some("new"), 6.0),
            ("requests.count", Some("none"), 5.0),
            ("requests.count", Some("v9"), 0.0),
            ("requests.rate", Some("new"), 0.4),
            ("target_5xx.count", Some("v1"), 0.0),
            ("target_5xx.count", None, 4.0),
            ("elb_404.rate", None, 1.0 / 3.0),
            ("wrong_version.count", None, 7.0),
            ("users.exposed", None, 1.0),
            ("users.back_and_forth", None, 1.0),
            ("users.flips", None, 3.0),
            ("users.hit_by_elb_5xx", None, 0.0),
        ] {
            let versions = version.map(|version| Versions::parse(version).expect(version));
            let metric = ClassMetric::parse(name, versions).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(metric.observe(&class()), observed, "{name} of {version:?}");
        }
    }

    #[test]
    fn what_has_no_sense_is_no_metric() {
        for (name, version) in [
            ("elb_502.count", None),
            ("users.count", None),
            ("users.exposed", Some("v2")),
            ("wrong_version.count", Some("v2")),
            ("wrong_version.rate", None),
            ("requests", None),
        ] {
            assert_eq!(ClassMetric::parse(name, version.and_then(Versions::parse)), None, "{name} of {version:?}");
        }
        assert_eq!(["v0", "2", "vx", "old"].map(Versions::parse), [None; 4]);
    }

    #[test]
    fn every_name_can_be_read() {
        for name in ClassMetric::names() {
            assert!(ClassMetric::parse(&name.replace("{class=NAME}", ""), None).is_some(), "{name}");
        }
    }
}
