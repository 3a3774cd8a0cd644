//! The VirtualService of Istio as it stands in the cluster: the Rollouts controller writes it, istiod reads it. Plain data
//! with the names of networking.istio.io/v1.
//!
//! Source: Istio, *Virtual Service*. Left out: `tls` and `tcp` routes, delegates, rewrites, faults, time-outs and retries
//! of a route, `sourceLabels` and `gateways` of a match, several VirtualServices.

use super::http_route::in_sixteen_bits;
use super::load_balancer::listener_rule::{Action, Condition, Forward, Listener, Mirror, Rule, WeightedTargetGroup};
use super::request_match::{RequestMatch, StringMatch};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VirtualService {
    /// Empty: any host.
    pub hosts: Vec<String>,
    /// Tried in their order.
    pub http: Vec<Route>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    pub name: Option<String>,
    /// One of them must fit; empty: every request.
    pub matches: Vec<Match>,
    pub route: Vec<RouteDestination>,
    pub answer: Option<Answer>,
    pub mirror: Option<Mirror>,
}

/// What the proxy does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Redirect,
    /// `directResponse.status`
    Direct(u16),
}

/// All that it says must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Match {
    pub uri: Option<StringMatch>,
    pub method: Option<StringMatch>,
    pub authority: Option<StringMatch>,
    pub headers: Vec<(String, StringMatch)>,
    pub query_params: Vec<(String, StringMatch)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteDestination {
    /// A Service; behind the first `.` stands its namespace.
    pub host: String,
    pub subset: Option<String>,
    /// None: 0, but for a lone destination.
    pub weight: Option<u32>,
}

impl VirtualService {
    /// What a proxy does that has these routes. What no route takes is a 404.
    pub fn listener(&self) -> Listener {
        let hosts: Vec<_> = if self.hosts.is_empty() { vec![None] } else { self.hosts.iter().map(Some).collect() };
        let mut rules = vec![];
        for route in &self.http {
            let everything = [Match::default()];
            let matches = if route.matches.is_empty() { &everything[..] } else { &route.matches };
            for (host, one) in hosts.iter().flat_map(|host| matches.iter().map(move |one| (host, one))) {
                let host = host.filter(|host| *host != "*").map(|host| of_host(host));
                let conditions = host.into_iter().chain(one.conditions()).map(Condition::Route).collect();
                rules.push(Rule { priority: 0, conditions, action: route.action() });
            }
        }
        let number = |(priority, rule): (u32, Rule)| Rule { priority, ..rule };
        Listener { rules: (1..).zip(rules).map(number).collect(), default_action: Action::FixedResponse(404) }
    }
}

/// A name of the mesh stands for the Service with its domain, too.
fn of_host(host: &str) -> RequestMatch {
    match host.contains('.') {
        true => RequestMatch::Host(host.to_owned()),
        false => RequestMatch::ShortHost(host.to_owned()),
    }
}

impl Match {
    fn conditions(&self) -> Vec<RequestMatch> {
        let authority = self.authority.clone().map(RequestMatch::Authority);
        let parts = authority.into_iter().chain(self.uri.clone().map(RequestMatch::Path));
        let parts = parts.chain(self.method.clone().map(RequestMatch::Method));
        let header =
            |(name, value): &(String, StringMatch)| RequestMatch::Header { name: name.clone(), value: value.clone() };
        let query =
            |(name, value): &(String, StringMatch)| RequestMatch::Query { name: name.clone(), value: value.clone() };
        parts.chain(self.headers.iter().map(header)).chain(self.query_params.iter().map(query)).collect()
    }
}

impl Route {
    fn action(&self) -> Action {
        match self.answer {
            Some(Answer::Redirect) => return Action::Redirect,
            Some(Answer::Direct(status)) => return Action::FixedResponse(status),
            None => {}
        }
        let is_lone = self.route.len() == 1;
        let weight = |destination: &RouteDestination| destination.weight.unwrap_or(u32::from(is_lone));
        let weights: Vec<_> = self.route.iter().map(weight).collect();
        // Envoy has no cluster to choose.
        if weights.iter().all(|weight| *weight == 0) {
            return Action::FixedResponse(503);
        }
        let group = |(destination, weight): (&RouteDestination, u16)| WeightedTargetGroup {
            service: destination.target().to_owned(),
            weight,
        };
        let target_groups = self.route.iter().zip(in_sixteen_bits(&weights)).map(group).collect();
        Action::Forward(Forward { target_groups, stickiness: None, mirror: self.mirror.clone() })
    }
}

impl RouteDestination {
    /// What the weights are about: the subset, where there is one, else the Service.
    pub fn target(&self) -> &str {
        self.subset.as_deref().unwrap_or_else(|| self.service())
    }

    /// The name of the Service alone.
    pub fn service(&self) -> &str {
        self.host.split('.').next().unwrap_or(&self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::http_request::HttpRequest;
    use crate::units::Percent;
    use StringMatch::{Exact, Prefix, Regex};

    fn request(path: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        HttpRequest {
            host: "web.shop.svc.cluster.local".to_owned(),
            path: path.to_owned(),
            method: "GET".to_owned(),
            query: vec![],
            headers: headers.iter().map(pair).collect(),
            source_ip: "10.1.2.3".parse().unwrap(),
        }
    }

    fn to(host: &str, weight: Option<u32>) -> RouteDestination {
        RouteDestination { host: host.to_owned(), subset: None, weight }
    }

    fn route(matches: Vec<Match>, destinations: Vec<RouteDestination>) -> Route {
        Route { matches, route: destinations, ..Route::default() }
    }

    fn uri(value: StringMatch) -> Match {
        Match { uri: Some(value), ..Match::default() }
    }

    fn with_header(value: StringMatch) -> Match {
        Match { headers: vec![("x-canary".to_owned(), value)], ..Match::default() }
    }

    fn served(service: &VirtualService, request: &HttpRequest) -> String {
        match service.listener().action(request) {
            Action::Forward(forward) => {
                let groups = forward.target_groups.iter().map(|group| format!("{} {}", group.service, group.weight));
                groups.collect::<Vec<_>>().join(", ")
            }
            Action::FixedResponse(status) => status.to_string(),
            Action::Redirect => "redirect".to_owned(),
        }
    }

    #[test]
    fn the_first_route_that_fits_takes_the_request_whatever_is_more_specific() {
        let http = vec![
            route(vec![uri(Prefix("/a".to_owned()))], vec![to("prefix", None)]),
            route(vec![uri(Exact("/a/b".to_owned()))], vec![to("exact", None)]),
            route(vec![], vec![to("rest.shop.svc.cluster.local", None)]),
        ];
        let service = VirtualService { hosts: vec![], http };
        for (path, answer) in [("/a/b", "prefix 1"), ("/ab", "prefix 1"), ("/", "rest 1")] {
            assert_eq!(served(&service, &request(path, &[])), answer, "{path}");
        }
    }

    #[test]
    fn matches_are_an_or_and_what_is_in_one_an_and() {
        let both = Match { uri: Some(Prefix("/a".to_owned())), ..with_header(Exact("yes".to_owned())) };
        let either = vec![both, with_header(Regex("al.*".to_owned()))];
        let service = VirtualService { hosts: vec![], http: vec![route(either, vec![to("canary", None)])] };
        for (path, headers, answer) in [
            ("/a", &[("X-Canary", "yes")][..], "canary 1"),
            ("/b", &[("X-Canary", "yes")], "404"),
            ("/b", &[("X-Canary", "always")], "canary 1"),
            ("/a", &[], "404"),
        ] {
            assert_eq!(served(&service, &request(path, headers)), answer, "{path} {headers:?}");
        }
    }

    #[test]
    fn other_hosts_are_none_of_its_business() {
        for (host, answer) in [("web", "web 1"), ("*", "web 1"), ("*.cluster.local", "web 1"), ("shop", "404")] {
            let http = vec![route(vec![], vec![to("web", None)])];
            let service = VirtualService { hosts: vec![host.to_owned()], http };
            assert_eq!(served(&service, &request("/", &[])), answer, "{host}");
        }
    }

    #[test]
    fn a_weight_that_is_not_there_is_none_but_for_a_lone_destination() {
        let http = |route| VirtualService { hosts: vec![], http: vec![route] };
        let several = route(vec![], vec![to("stable", Some(100)), to("canary", None)]);
        assert_eq!(served(&http(several), &request("/", &[])), "stable 100, canary 0");
        let none = route(vec![], vec![to("stable", Some(0)), to("canary", None)]);
        assert_eq!(served(&http(none), &request("/", &[])), "503");
        let answer = Route { answer: Some(Answer::Direct(418)), ..Route::default() };
        assert_eq!(served(&http(answer), &request("/", &[])), "418");
    }

    #[test]
    fn a_subset_is_what_the_weights_are_about_and_a_mirror_goes_along() {
        let subset = RouteDestination { subset: Some("canary".to_owned()), ..to("web", None) };
        let mirror = Mirror { service: "canary".to_owned(), percent: Percent::HUNDRED };
        let route = Route { mirror: Some(mirror.clone()), ..route(vec![], vec![subset]) };
        let listener = VirtualService { hosts: vec![], http: vec![route] }.listener();
        let Action::Forward(forward) = listener.action(&request("/", &[])) else { panic!("{listener:?}") };
        assert_eq!((forward.target_groups[0].service.as_str(), &forward.mirror), ("canary", &Some(mirror)));
    }
}
