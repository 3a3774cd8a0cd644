//! Why requests with a header that a route was made for came to another version: read off the event log, the seconds of
//! the class, and the rules that the route amounts to.

use super::{Class, version_name};
use crate::model::load_balancer::listener_rule::{Condition, Rule, first_taking};
use crate::model::load_balancer_controller::listener_rules::{Cluster, build};
use crate::model::rollout::alb::Destination;
use crate::model::rollout::step::{HeaderRoute, Step};
use crate::model::{Service, http_request::HttpRequest};
use crate::report::{counted, data_plane, grouped, listed, span, time};
use crate::run::{LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Instant, TrafficWeight};
use std::collections::BTreeMap;
use std::ops::Range;

/// `1,204 of 3,100 requests with the header X-Canary came to v1, …`. None if all came where they were meant to come.
pub(super) fn sentence(loaded: &Loaded, run: &Run, class: &Class<'_>) -> Option<String> {
    if class.record.wrong_version == 0 {
        return None;
    }
    let router = loaded.scenario.router()?;
    let route = routes(loaded).find(|route| router.means(route, &class.spec.request))?;
    let spell = Spell::of((loaded, run), class, route)?;
    let mut headers: Vec<_> = route.matches.iter().map(|wanted| wanted.header_name.as_str()).collect();
    // Several values of one header stand beside each other.
    headers.dedup();
    let headers =
        if headers.len() == 1 { format!("header {}", headers[0]) } else { format!("headers {}", listed(&headers)) };
    let wrong = class.record.wrong_version;
    let elsewhere = spell.elsewhere();
    let elsewhere = if elsewhere.is_empty() { "another version".to_owned() } else { listed(&elsewhere) };
    Some(format!("{} with the {headers} came to {elsewhere}, {}", counted(wrong, "request"), spell.reason(),))
}

fn routes(loaded: &Loaded) -> impl Iterator<Item = &HeaderRoute> {
    loaded.scenario.workload.steps().iter().filter_map(|step| match step {
        Step::SetHeaderRoute(route) if !route.matches.is_empty() => Some(route),
        Step::SetHeaderRoute(_)
        | Step::SetWeight(_)
        | Step::SetCanaryScale(_)
        | Step::SetCanaryScaleAndWeight(..)
        | Step::Pause(_)
        | Step::SetMirrorRoute(_)
        | Step::Analysis(_) => None,
    })
}

/// The time in which requests of the class were meant to come to one version.
struct Spell<'a> {
    loaded: &'a Loaded,
    run: &'a Run,
    class: &'a Class<'a>,
    route: &'a HeaderRoute,
    /// When the step was over.
    began: Instant,
    /// When the controller wrote the route; None if it did not.
    written: Option<Instant>,
    /// When it took the route away before the release was over.
    removed: Option<Instant>,
    /// When the release was over, one way or the other.
    over: Instant,
    /// Where they were meant to come.
    meant: usize,
}

impl<'a> Spell<'a> {
    /// The longest one of this route.
    fn of((loaded, run): (&'a Loaded, &'a Run), class: &'a Class<'a>, route: &'a HeaderRoute) -> Option<Self> {
        let step = format!("setHeaderRoute {}", route.name);
        let completed = run.events.iter().filter(|entry| entry.event == "StepCompleted" && entry.detail == step);
        let spells = completed.map(|entry| {
            let after = || run.events.iter().filter(|other| other.at > entry.at);
            let is_end = |other: &&LogEntry| ["Promoted", "Aborted", "TakenBack"].contains(&other.event);
            let over = after().find(is_end).map_or(run.end, |end| end.at);
            let is_removal = |other: &LogEntry| {
                other.event == "RemoveRoutes" && other.detail.split(", ").any(|name| name == route.name)
            };
            let removed = after().find(|other| is_removal(other)).map(|removal| removal.at).filter(|at| *at < over);
            // The newest word on the route until then.
            let is_writing = |other: &LogEntry| other.event == "SetHeaderRoute" && other.detail == route.name;
            let until = run.events.iter().rev().filter(|other| other.at <= entry.at);
            let newest = until.into_iter().find(|other| is_writing(other) || is_removal(other));
            let written = newest.filter(|newest| is_writing(newest)).map(|writing| writing.at);
            let deployed = run.events.iter().filter(|other| other.component == "people" && other.event == "deploy");
            let meant = 2 + deployed.filter(|deploy| deploy.at <= entry.at).count();
            Self { loaded, run, class, route, began: entry.at, written, removed, over, meant }
        });
        spells.max_by_key(|spell| (spell.over.saturating_since(spell.began), std::cmp::Reverse(spell.began)))
    }

    /// The seconds from one time to that of the other. In the second in which a release is over it is everybody's.
    fn rows(&self, from: Instant, to: Instant) -> Range<usize> {
        let row = |at: Instant| usize::try_from(at.second()).expect("a run's seconds can be indexed");
        let end = if to == self.over { row(to) } else { row(to) + 1 };
        row(from)..end.min(self.class.record.seconds())
    }

    /// Requests of a second that came to this version.
    fn count(&self, row: usize, version: usize) -> u64 {
        self.class.record.counts(row, version).iter().map(|count| u64::from(*count)).sum()
    }

    /// Those that came to a version they were not meant for.
    fn wrong(&self, row: usize) -> u64 {
        let others = (1..self.class.record.versions()).filter(|version| *version != self.meant);
        others.map(|version| self.count(row, version)).sum()
    }

    fn wrong_in(&self, rows: Range<usize>) -> u64 {
        rows.map(|row| self.wrong(row)).sum()
    }

    /// Those of the seconds before the route was removed. Seconds hold more than the spell: no more than there were in all.
    fn wrong_before(&self, removed: Instant) -> u64 {
        let rows = self.rows(self.began, removed);
        self.wrong_in(rows.start..rows.end.saturating_sub(1)).min(self.class.record.wrong_version)
    }

    /// The versions that they came to.
    fn elsewhere(&self) -> Vec<String> {
        let rows = self.rows(self.began, self.over);
        let came = |version: &usize| rows.clone().any(|row| self.count(row, *version) > 0);
        let versions = (1..self.class.record.versions()).filter(|version| *version != self.meant).filter(came);
        versions.map(version_name).collect()
    }

    fn reason(&self) -> String {
        let Some(written) = self.written else { return self.nothing_written() };
        if let Some(removed) = self.removed
            && self.wrong_in(self.rows(removed, self.over)) > self.wrong_before(removed)
        {
            return self.removal(removed);
        }
        let at = time(self.run, written);
        if let Some(rule) = shadow(self.loaded, self.route, &self.class.spec.request) {
            let conditions: Vec<_> = rule.conditions.iter().map(ToString::to_string).collect();
            return format!(
                "as rule {} of the listener ({}) stands before the route's, which was written at t = {at}, and takes them",
                rule.priority,
                conditions.join(" and "),
            );
        }
        let sender = data_plane(self.loaded);
        let Some(in_force) = self.in_force(self.removed.unwrap_or(self.over)) else {
            return format!("as the route, written at t = {at}, never came into force at {sender}");
        };
        if let Some(switched) = self.service_switched(in_force) {
            return format!(
                "as the canary Service, to which the route of t = {at} leads, selected the pods of {} only from t = {} on",
                version_name(self.meant),
                time(self.run, switched),
            );
        }
        let late = span(in_force.saturating_since(written));
        format!("before the route was in force: the controller wrote it at t = {at}, {sender} had it {late} later")
    }

    fn nothing_written(&self) -> String {
        format!(
            "as the step passed at t = {} and nothing was written: the controller's pass had ended before its routes, as it \
             had pods to count anew, or too few stable ones were available",
            time(self.run, self.began),
        )
    }

    /// What took the route away.
    fn removal(&self, removed: Instant) -> String {
        let at = time(self.run, removed);
        let by_hand = self.run.events.iter().rfind(|entry| {
            entry.component == "people" && entry.event == "promote_full" && (self.began..=removed).contains(&entry.at)
        });
        let has_argo_cd = |event: &str| {
            let mut then = self.run.events.iter().filter(|entry| entry.at == removed && entry.component == "argo-cd");
            then.any(|entry| entry.event == event)
        };
        let why = match by_hand {
            Some(_) => "promote --full takes routes away at once",
            None if has_argo_cd("Pruned") => "Argo CD pruned the object, and nothing sets a route again",
            None if has_argo_cd("RemoveRoutes") => {
                "Argo CD wrote the object as it stands in git, and nothing sets a route again"
            }
            None => "the controller takes it away while no pod of the canary is available",
        };
        let (before, who) = match self.wrong_before(removed) {
            0 => (String::new(), ""),
            count => {
                (format!("about {} before {} had the route, ", grouped(count), data_plane(self.loaded)), "the others ")
            }
        };
        format!("{before}{who}after the route was gone at t = {at}: {why}")
    }

    /// When the last node had the route, if all had it until then.
    fn in_force(&self, until: Instant) -> Option<Instant> {
        let mut nodes = BTreeMap::new();
        for entry in self.run.events.iter().filter(|entry| (self.began..until).contains(&entry.at)) {
            let is_of_class =
                || entry.detail.strip_prefix(&self.class.spec.name).is_some_and(|rest| rest.starts_with(' '));
            if entry.event == "RouteEffective" && is_of_class() {
                nodes.entry(&entry.object).or_insert(entry.at);
            }
        }
        let has_reached_all = nodes.len() == self.loaded.scenario.load_balancer.nodes as usize;
        nodes.into_values().max().filter(|_| has_reached_all)
    }

    /// When the canary Service was pointed at the pods that were meant, if that was later.
    fn service_switched(&self, in_force: Instant) -> Option<Instant> {
        let to = format!(" -> {}", version_name(self.meant));
        let is_switch = |entry: &&LogEntry| {
            entry.event == "SwitchService" && entry.detail.ends_with(&to) && (in_force..self.over).contains(&entry.at)
        };
        self.run.events.iter().find(is_switch).map(|entry| entry.at)
    }
}

/// The rule that takes such requests before the one of the route can. Routes of other routers than an ALB stand in front.
fn shadow(loaded: &Loaded, route: &HeaderRoute, request: &HttpRequest) -> Option<Rule> {
    let scenario = &loaded.scenario;
    if !scenario.has_alb() {
        return None;
    }
    let (mut object, router) = (scenario.ingress.clone(), scenario.alb_router()?);
    let destination = |service, weight| Destination { service: scenario.services.name(service).to_owned(), weight };
    let split =
        [destination(Service::Canary, TrafficWeight::ZERO), destination(Service::Stable, TrafficWeight::HUNDRED)];
    router.set_weights(&mut object, &split).ok()?;
    let canary = scenario.services.name(Service::Canary);
    router.set_header_route(&mut object, (route, canary), scenario.workload.managed_routes()).ok()?;
    let listener = build(&object, &Cluster::default()).ok()?;
    let rule = first_taking(&listener.rules, request)?;
    let is_of_route = |condition: &Condition| match condition {
        Condition::HttpHeader { name, .. } => route.matches.iter().any(|wanted| wanted.header_name == *name),
        Condition::HostHeader(_)
        | Condition::PathPattern(_)
        | Condition::HttpRequestMethod(_)
        | Condition::QueryString(_)
        | Condition::SourceIp(_)
        | Condition::Route(_) => false,
    };
    (!rule.conditions.iter().any(is_of_route)).then(|| rule.clone())
}

#[cfg(test)]
mod tests {
    use super::super::{of, sample};
    use super::*;
    use crate::report::sample::{at, log};

    fn told(loaded: &Loaded, run: &Run) -> String {
        sentence(loaded, run, &of(loaded, run)[2]).expect("requests came to another version")
    }

    fn check(loaded: &Loaded, run: &Run, parts: &[&str]) {
        let text = told(loaded, run);
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }

    #[test]
    fn a_route_that_went_with_the_last_pod_of_the_canary_is_told() {
        let (loaded, run) = sample::exposed();
        let wrong = grouped(run.classes[2].wrong_version);
        check(
            &loaded,
            &run,
            &[
                &format!("{wrong} requests with the header X-Canary came to v1, about 50 before the ALB had the route"),
                "the others after the route was gone at t = 52 s: the controller takes it away while no pod of the canary",
            ],
        );
    }

    #[test]
    fn a_route_that_a_person_removed_is_not_the_controllers_doing() {
        let (loaded, mut run) = sample::exposed();
        run.events.extend(log(&[(51_900, "people", "promote_full", "rollout", "")]));
        run.events.sort_by_key(|entry| entry.at);
        check(&loaded, &run, &["gone at t = 52 s: promote --full"]);
    }

    #[test]
    fn a_route_that_was_late_is_told_with_its_lag() {
        let (loaded, mut run) = sample::exposed();
        // The release is over while the route is there.
        run.events.retain(|entry| !["RemoveRoutes", "Promoted"].contains(&entry.event));
        run.events.extend(log(&[(51_900, "rollouts-controller", "Aborted", "rollout", "")]));
        run.events.sort_by_key(|entry| entry.at);
        check(&loaded, &run, &["before the route was in force", "wrote it at t = 40.1 s, the ALB had it 4.9 s later"]);
    }

    #[test]
    fn a_route_that_never_came_into_force_is_told() {
        let (loaded, mut run) = sample::exposed();
        run.events.retain(|entry| entry.event != "RemoveRoutes" && entry.event != "Promoted");
        run.events.extend(log(&[(44_500, "rollouts-controller", "Aborted", "rollout", "")]));
        run.events.sort_by_key(|entry| entry.at);
        check(&loaded, &run, &["as the route, written at t = 40.1 s, never came into force at the ALB"]);
    }

    #[test]
    fn a_route_that_was_never_written_is_told() {
        let (loaded, mut run) = sample::exposed();
        run.events.retain(|entry| entry.event != "SetHeaderRoute");
        check(&loaded, &run, &["as the step passed at t = 40.1 s and nothing was written"]);
    }

    #[test]
    fn a_service_that_did_not_yet_lead_there_is_told() {
        let (loaded, mut run) = sample::exposed();
        run.events.retain(|entry| !["RemoveRoutes", "Promoted"].contains(&entry.event));
        run.events.extend(log(&[
            (46_500, "rollouts-controller", "SwitchService", "canary", "v1 -> v2"),
            (51_900, "rollouts-controller", "Aborted", "rollout", ""),
        ]));
        run.events.sort_by_key(|entry| entry.at);
        check(
            &loaded,
            &run,
            &["as the canary Service, to which the route of t = 40.1 s leads", "v2 only from t = 46.5 s on"],
        );
    }

    #[test]
    fn a_rule_that_stands_before_the_route_is_named() {
        let (mut loaded, mut run) = sample::exposed();
        run.events.retain(|entry| entry.event != "RemoveRoutes");
        check(&loaded, &run, &["came to v1"]);
        loaded.scenario.ingress = sample::ingress(&["/"]);
        check(&loaded, &run, &["as rule 1 of the listener (path-pattern /*) stands before the route's", "t = 40.1 s"]);
    }

    #[test]
    fn what_came_where_it_was_meant_to_come_is_not_told() {
        let (loaded, run) = sample::exposed();
        let classes = of(&loaded, &run);
        assert_eq!([0, 1].map(|class| sentence(&loaded, &run, &classes[class])), [None, None]);
        assert!(run.release < at(1));
    }
}
