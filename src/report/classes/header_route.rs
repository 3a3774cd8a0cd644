//! Why requests with a header that a route was made for came to another version: read off the event log, the seconds of
//! the class, and the rules that the route amounts to.

use super::{Class, version_name};
use crate::model::load_balancer::listener_rule::{Condition, Rule, first_taking};
use crate::model::load_balancer_controller::listener_rules::build;
use crate::model::rollout::alb::Destination;
use crate::model::rollout::step::{HeaderRoute, Step};
use crate::model::{Service, http_request::HttpRequest};
use crate::report::{counted, grouped, listed, span, time};
use crate::run::{LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::{Instant, TrafficWeight};
use std::ops::Range;

/// `1,204 of 3,100 requests with the header X-Canary came to v1, …`. None if all came where they were meant to come.
pub(super) fn sentence(loaded: &Loaded, run: &Run, class: &Class<'_>) -> Option<String> {
    if class.record.wrong_version == 0 {
        return None;
    }
    let router = loaded.scenario.router()?;
    let route = routes(loaded).find(|route| router.means(route, &class.spec.request))?;
    let spell = Spell::of((run, class), &route.name)?;
    let headers: Vec<_> = route.matches.iter().map(|wanted| wanted.header_name.as_str()).collect();
    let headers =
        if headers.len() == 1 { format!("header {}", headers[0]) } else { format!("headers {}", listed(&headers)) };
    let wrong = class.record.wrong_version;
    Some(format!(
        "{} with the {headers} came to {}, {}",
        counted(wrong, "request"),
        listed(&spell.elsewhere()),
        spell.reason((loaded, route)),
    ))
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
    run: &'a Run,
    class: &'a Class<'a>,
    /// When the controller wrote the route.
    written: Instant,
    /// When it took the route away before the release was over.
    removed: Option<Instant>,
    /// When the release was over, one way or the other.
    over: Instant,
    /// Where they were meant to come.
    meant: usize,
}

impl<'a> Spell<'a> {
    /// The longest one of this route.
    fn of((run, class): (&'a Run, &'a Class<'a>), route: &str) -> Option<Self> {
        let written = run.events.iter().filter(|entry| entry.event == "SetHeaderRoute" && entry.detail == route);
        let spells = written.map(|entry| {
            let after = || run.events.iter().filter(|other| other.at > entry.at);
            let is_end = |other: &&LogEntry| ["Promoted", "Aborted", "TakenBack"].contains(&other.event);
            let over = after().find(is_end).map_or(run.end, |end| end.at);
            let is_removal =
                |other: &&LogEntry| other.event == "RemoveRoutes" && other.detail.split(", ").any(|name| name == route);
            let removed = after().find(is_removal).map(|removal| removal.at).filter(|at| *at < over);
            let deployed = run.events.iter().filter(|other| other.component == "people" && other.event == "deploy");
            let meant = 2 + deployed.filter(|deploy| deploy.at <= entry.at).count();
            Self { run, class, written: entry.at, removed, over, meant }
        });
        spells.max_by_key(|spell| (spell.over.saturating_since(spell.written), std::cmp::Reverse(spell.written)))
    }

    fn rows(&self, from: Instant, to: Instant) -> Range<usize> {
        let row = |at: Instant| usize::try_from(at.second()).expect("a run's seconds can be indexed");
        row(from)..(row(to) + 1).min(self.class.record.seconds())
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

    /// Those of the seconds before the route was removed.
    fn wrong_before(&self, removed: Instant) -> u64 {
        let rows = self.rows(self.written, removed);
        self.wrong_in(rows.start..rows.end.saturating_sub(1))
    }

    /// The versions that they came to.
    fn elsewhere(&self) -> Vec<String> {
        let rows = self.rows(self.written, self.over);
        let came = |version: &usize| rows.clone().any(|row| self.count(row, *version) > 0);
        let versions = (1..self.class.record.versions()).filter(|version| *version != self.meant).filter(came);
        versions.map(version_name).collect()
    }

    fn reason(&self, (loaded, route): (&Loaded, &HeaderRoute)) -> String {
        let until = self.removed.unwrap_or(self.over);
        if let Some(removed) = self.removed
            && self.wrong_in(self.rows(removed, self.over)) > self.wrong_before(removed)
        {
            return self.removal(removed);
        }
        let at = |instant| time(self.run, instant);
        let written = at(self.written);
        if let Some(rule) = shadow(loaded, route, &self.class.spec.request) {
            let conditions: Vec<_> = rule.conditions.iter().map(ToString::to_string).collect();
            return format!(
                "as rule {} of the listener ({}) stands before the route's, which was written at t = {written}, and takes \
                 them",
                rule.priority,
                conditions.join(" and "),
            );
        }
        match self.in_force(until) {
            Some(in_force) => {
                let late = span(in_force.saturating_since(self.written));
                format!(
                    "before the route was in force: the controller wrote it at t = {written}, the ALB had it {late} later"
                )
            }
            None => format!("as the route, written at t = {written}, never came into force at the ALB"),
        }
    }

    /// What took the route away.
    fn removal(&self, removed: Instant) -> String {
        let at = time(self.run, removed);
        let by_hand = self.run.events.iter().rfind(|entry| {
            entry.component == "people" && entry.event == "promote_full" && (self.written..=removed).contains(&entry.at)
        });
        let why = match by_hand {
            Some(_) => "promote --full takes routes away at once",
            None => "the controller takes it away while no pod of the canary is available",
        };
        let before = match self.wrong_before(removed) {
            0 => String::new(),
            count => format!("; about {} of them before the ALB had it", grouped(count)),
        };
        format!("after the route was gone at t = {at}: {why}{before}")
    }

    /// The end of the last second in which a request still came elsewhere, if later ones came where they were meant to.
    fn in_force(&self, until: Instant) -> Option<Instant> {
        let rows = self.rows(self.written, until);
        let last = rows.clone().rfind(|row| self.wrong(*row) > 0)?;
        let later = (last + 1..rows.end).any(|row| self.count(row, self.meant) > 0);
        later.then(|| Instant::START + crate::units::Duration::secs(last as u64 + 1))
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
    let listener = build(&object, &scenario.known_to_the_load_balancer_controller()).ok()?;
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
                &format!("{wrong} requests with the header X-Canary came to v1, after the route was gone at t = 52 s"),
                "while no pod of the canary is available; about 50 of them before the ALB had it",
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
