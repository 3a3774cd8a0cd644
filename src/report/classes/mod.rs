//! Who saw which version: what the reports say of each class of traffic.

pub mod csv;
mod header_route;
#[cfg(test)]
pub(super) mod sample;
pub(super) mod summary;
pub(super) mod table;

use crate::model::http_request::{HttpRequest, NOBODYS_HOST};
use crate::model::traffic::ClassSpec;
use crate::run::{Answer, Audience, ClassRecord, Run};
use crate::scenario::Loaded;

/// A class with the sums that several reports show.
#[derive(Debug)]
pub(super) struct Class<'a> {
    pub(super) spec: &'a ClassSpec,
    pub(super) record: &'a ClassRecord,
    pub(super) total: Counts,
    /// Of the new version and of later ones.
    pub(super) new: Counts,
    /// None if nobody asks whose the requests are.
    pub(super) audience: Option<Audience>,
}

/// Requests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) ok: u64,
    pub(super) target_5xx: u64,
    pub(super) elb_5xx: u64,
    pub(super) elb_404: u64,
}

impl Counts {
    pub(super) fn of(by_answer: [u64; Answer::ALL.len()]) -> Self {
        let count = |answer: Answer| by_answer[answer as usize];
        Self {
            ok: count(Answer::Ok),
            target_5xx: count(Answer::Target5xx),
            elb_5xx: count(Answer::Elb5xx),
            elb_404: count(Answer::Elb404),
        }
    }

    pub(super) fn requests(self) -> u64 {
        self.answered() + self.elb_5xx + self.elb_404
    }

    /// By a target, well or badly.
    pub(super) fn answered(self) -> u64 {
        self.ok + self.target_5xx
    }
}

/// In the order of the scenario.
pub(super) fn of<'a>(loaded: &'a Loaded, run: &'a Run) -> Vec<Class<'a>> {
    let class = |(spec, record): (&'a ClassSpec, &'a ClassRecord)| Class {
        spec,
        record,
        total: Counts::of(record.requests()),
        new: Counts::of(record.requests_to_new()),
        audience: (!record.users.is_empty()).then(|| record.audience()),
    };
    loaded.scenario.traffic.classes.iter().zip(&run.classes).map(class).collect()
}

impl Class<'_> {
    /// The part of its requests that the new version answered.
    pub(super) fn share_of_new(&self) -> f64 {
        self.new.answered() as f64 / self.total.requests().max(1) as f64
    }

    /// The versions with their requests.
    pub(super) fn versions(&self) -> impl Iterator<Item = (usize, Counts)> {
        (0..self.record.versions()).map(|version| (version, Counts::of(self.record.total(version))))
    }
}

/// `v2`; `none` where no pod took the request.
pub(super) fn version_name(version: usize) -> String {
    if version == 0 { "none".into() } else { format!("v{version}") }
}

/// `shop.example.com/cart, X-Canary: yes`; without a host that says nothing.
pub(super) fn request_line(request: &HttpRequest) -> String {
    let host = if request.host == NOBODYS_HOST { "" } else { request.host.as_str() };
    let headers = request.headers.iter().map(|(name, value)| format!(", {name}: {value}"));
    format!("{host}{}{}", request.path, headers.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_a_class_is_in_one_version_and_has_one_answer() {
        let (loaded, run) = sample::exposed();
        let classes = of(&loaded, &run);
        let all: u64 = classes.iter().map(|class| class.total.requests()).sum();
        assert_eq!(all, run.requests.total);
        for class in &classes {
            let by_version: u64 = class.versions().map(|(_, counts)| counts.requests()).sum();
            assert_eq!(by_version, class.total.requests());
            assert!(class.new.requests() <= class.total.requests());
        }
    }

    #[test]
    fn a_request_is_told_by_what_a_router_looks_at() {
        let (loaded, _) = sample::exposed();
        let lines: Vec<_> = loaded.scenario.traffic.classes.iter().map(|class| request_line(&class.request)).collect();
        assert_eq!(lines, ["partner.example.com/stable", "/", "/, X-Canary: yes"]);
    }
}
