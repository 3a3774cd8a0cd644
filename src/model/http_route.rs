//! HTTPRoutes of the Gateway API as they stand in the cluster: the Rollouts controller's plugin writes them, a gateway
//! reads them. Plain data with the names of gateway.networking.k8s.io/v1, and the order in which their rules are tried.
//!
//! Source: Gateway API, *HTTPRoute* and the comments of `HTTPRouteRule.matches`. All routes hang on one listener of one
//! Gateway. Left out: `parentRefs`, `sectionName`, filters that change a request without sending it elsewhere, backends in
//! other namespaces.

use super::load_balancer::listener_rule::{Action, Condition, Forward, Listener, Mirror, Rule, WeightedTargetGroup};
use super::request_match::{RequestMatch, StringMatch};
use crate::units::Percent;
use std::cmp::Reverse;

/// A backend without a weight counts once. Source: `BackendRef.weight`.
pub const DEFAULT_WEIGHT: u32 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpRoute {
    pub name: String,
    /// Empty: any host.
    pub hostnames: Vec<String>,
    pub rules: Vec<HttpRouteRule>,
}

impl HttpRoute {
    /// The weight of the one backend in the first rule that has both, if somebody has written one.
    pub fn weight_beside(&self, service: &str, other: &str) -> Option<u32> {
        let rule = self.rules.iter().find(|rule| rule.has(service) && rule.has(other))?;
        rule.backend_refs.iter().find(|backend| backend.service == service)?.weight
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpRouteRule {
    pub name: Option<String>,
    /// One of them must fit; empty: every request.
    pub matches: Vec<HttpRouteMatch>,
    pub filters: Vec<Filter>,
    pub backend_refs: Vec<BackendRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpRouteMatch {
    /// None: a `PathPrefix` of `/`.
    pub path: Option<PathMatch>,
    pub headers: Vec<NamedMatch>,
    pub query_params: Vec<NamedMatch>,
    pub method: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    Exact(String),
    PathPrefix(String),
    RegularExpression(String),
}

/// Of a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedMatch {
    pub name: String,
    /// `Exact` or `RegularExpression`.
    pub value: StringMatch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    RequestRedirect,
    RequestMirror(Mirror),
    /// The request goes on, changed.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendRef {
    pub service: String,
    /// None: `DEFAULT_WEIGHT`. A manifest that names none leaves the weights to whoever writes them.
    pub weight: Option<u32>,
}

impl BackendRef {
    pub fn weight(&self) -> u32 {
        self.weight.unwrap_or(DEFAULT_WEIGHT)
    }
}

/// What a listener does to which all of these routes are attached, the oldest first. A request that no rule takes is a 404.
pub fn listener(routes: &[HttpRoute]) -> Listener {
    let mut candidates: Vec<_> = routes.iter().flat_map(candidates).collect();
    // Equals stay in the order of their routes, and of the rules in them.
    candidates.sort_by_key(|candidate| Reverse(candidate.precedence));
    let number = |(priority, candidate): (u32, Candidate)| Rule { priority, ..candidate.rule };
    Listener { rules: (1..).zip(candidates).map(number).collect(), default_action: Action::FixedResponse(404) }
}

/// What goes first, the greatest: the more specific host, then the match. Each is compared only where all before it are
/// equal. Where the host fits and nothing else does, a route of a wider host is tried; the Gateway API does not say so, and
/// does not forbid it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Precedence {
    host: (u8, usize),
    /// Exact, then a regular expression, whose place the Gateway API leaves open: as Envoy Gateway sorts it
    /// (`internal/gatewayapi/sort.go`), then a prefix.
    path: (u8, usize),
    has_method: bool,
    headers: usize,
    query_params: usize,
}

struct Candidate {
    precedence: Precedence,
    /// Without its priority.
    rule: Rule,
}

/// Each host with each match.
fn candidates(route: &HttpRoute) -> Vec<Candidate> {
    let hosts: Vec<_> =
        if route.hostnames.is_empty() { vec![None] } else { route.hostnames.iter().map(Some).collect() };
    let mut candidates = vec![];
    for rule in &route.rules {
        let everything = [HttpRouteMatch::default()];
        let matches = if rule.matches.is_empty() { &everything[..] } else { &rule.matches };
        for (host, one) in hosts.iter().flat_map(|host| matches.iter().map(move |one| (host, one))) {
            let host = host.map(String::as_str);
            let precedence = Precedence {
                host: specificity(host),
                path: one.path.as_ref().map_or((0, 1), PathMatch::precedence),
                has_method: one.method.is_some(),
                headers: one.headers.len(),
                query_params: one.query_params.len(),
            };
            let rule = Rule { priority: 0, conditions: one.conditions(host), action: rule.action() };
            candidates.push(Candidate { precedence, rule });
        }
    }
    candidates
}

fn specificity(host: Option<&str>) -> (u8, usize) {
    match host {
        None => (0, 0),
        Some(host) if host.starts_with('*') => (1, host.len()),
        Some(host) => (2, host.len()),
    }
}

impl PathMatch {
    fn precedence(&self) -> (u8, usize) {
        match self {
            Self::PathPrefix(prefix) => (0, prefix.len()),
            Self::RegularExpression(pattern) => (1, pattern.len()),
            Self::Exact(path) => (2, path.len()),
        }
    }

    fn condition(&self) -> RequestMatch {
        match self {
            Self::Exact(path) => RequestMatch::Path(StringMatch::Exact(path.clone())),
            Self::PathPrefix(prefix) => RequestMatch::PathPrefix(prefix.clone()),
            Self::RegularExpression(pattern) => RequestMatch::Path(StringMatch::Regex(pattern.clone())),
        }
    }
}

impl HttpRouteMatch {
    fn conditions(&self, host: Option<&str>) -> Vec<Condition> {
        let host = host.map(|host| RequestMatch::Host(host.to_owned()));
        let path = self.path.as_ref().map(PathMatch::condition);
        let method = self.method.as_ref().map(|method| RequestMatch::Method(StringMatch::Exact(method.clone())));
        let header = |one: &NamedMatch| RequestMatch::Header { name: one.name.clone(), value: one.value.clone() };
        let query = |one: &NamedMatch| RequestMatch::Query { name: one.name.clone(), value: one.value.clone() };
        let parts = host.into_iter().chain(path).chain(method);
        let named = self.headers.iter().map(header).chain(self.query_params.iter().map(query));
        parts.chain(named).map(Condition::Route).collect()
    }
}

impl HttpRouteRule {
    pub fn has(&self, service: &str) -> bool {
        self.backend_refs.iter().any(|backend| backend.service == service)
    }

    fn action(&self) -> Action {
        if self.filters.contains(&Filter::RequestRedirect) {
            return Action::Redirect;
        }
        // Source: `HTTPRouteRule.backendRefs`: a rule without a backend that takes requests answers 500.
        if self.backend_refs.iter().all(|backend| backend.weight() == 0) {
            return Action::FixedResponse(500);
        }
        let mirror = self.filters.iter().find_map(|filter| match filter {
            Filter::RequestMirror(mirror) => Some(mirror.clone()),
            Filter::RequestRedirect | Filter::Other => None,
        });
        let weights: Vec<_> = self.backend_refs.iter().map(BackendRef::weight).collect();
        let weights = in_sixteen_bits(&weights);
        let group =
            |(backend, weight): (&BackendRef, u16)| WeightedTargetGroup { service: backend.service.clone(), weight };
        let target_groups = self.backend_refs.iter().zip(weights).map(group).collect();
        Action::Forward(Forward { target_groups, stickiness: None, mirror })
    }
}

/// The same shares by smaller numbers, where one is too large; a backend that has a weight keeps one.
pub fn in_sixteen_bits(weights: &[u32]) -> Vec<u16> {
    let largest = weights.iter().copied().max().unwrap_or(0).max(u32::from(u16::MAX));
    let scaled = |weight: &u32| {
        let scaled = u64::from(*weight) * u64::from(u16::MAX) / u64::from(largest);
        u16::try_from(scaled).expect("no weight is above the largest").max(u16::from(*weight > 0))
    };
    weights.iter().map(scaled).collect()
}

/// The whole of the copies.
pub fn mirror_to(service: &str) -> Filter {
    Filter::RequestMirror(Mirror { service: service.to_owned(), percent: Percent::HUNDRED })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::http_request::HttpRequest;
    use PathMatch::{Exact, PathPrefix, RegularExpression};

    fn request(path: &str) -> HttpRequest {
        HttpRequest {
            host: "shop.example.com".to_owned(),
            path: path.to_owned(),
            method: "GET".to_owned(),
            query: vec![],
            headers: vec![],
            source_ip: "10.1.2.3".parse().unwrap(),
        }
    }

    fn header(name: &str, value: &str) -> NamedMatch {
        NamedMatch { name: name.to_owned(), value: StringMatch::Exact(value.to_owned()) }
    }

    fn on_path(path: PathMatch) -> HttpRouteMatch {
        HttpRouteMatch { path: Some(path), ..HttpRouteMatch::default() }
    }

    fn rule(service: &str, matches: Vec<HttpRouteMatch>) -> HttpRouteRule {
        let backend_refs = vec![BackendRef { service: service.to_owned(), weight: None }];
        HttpRouteRule { matches, backend_refs, ..HttpRouteRule::default() }
    }

    fn route(hostnames: &[&str], rules: Vec<HttpRouteRule>) -> HttpRoute {
        let hostnames = hostnames.iter().map(|host| (*host).to_owned()).collect();
        HttpRoute { name: "web".to_owned(), hostnames, rules }
    }

    fn served(routes: &[HttpRoute], request: &HttpRequest) -> String {
        match listener(routes).action(request) {
            Action::Forward(forward) => forward.target_groups[0].service.clone(),
            Action::FixedResponse(status) => status.to_string(),
            Action::Redirect => "redirect".to_owned(),
        }
    }

    #[test]
    fn the_longest_path_goes_first_wherever_it_stands() {
        let routes = [route(
            &[],
            vec![
                rule("root", vec![on_path(PathPrefix("/".to_owned()))]),
                rule("short", vec![on_path(PathPrefix("/a".to_owned()))]),
                rule("exact", vec![on_path(Exact("/a/b".to_owned()))]),
                rule("regex", vec![on_path(RegularExpression("/a/[x-z]".to_owned()))]),
                rule("long", vec![on_path(PathPrefix("/a/b".to_owned()))]),
            ],
        )];
        for (path, service) in [
            ("/", "root"),
            ("/ab", "root"),
            ("/a", "short"),
            ("/a/c", "short"),
            ("/a/b", "exact"),
            ("/a/b/c", "long"),
            ("/a/x", "regex"),
            ("/a/x/y", "short"),
        ] {
            assert_eq!(served(&routes, &request(path)), service, "{path}");
        }
    }

    #[test]
    fn then_the_method_then_headers_then_query_parameters_then_the_order() {
        let with = |one: HttpRouteMatch| vec![one];
        let any = HttpRouteMatch::default();
        let two = vec![header("a", "1"), header("b", "1")];
        let rules = vec![
            rule("first", with(any.clone())),
            rule("second", with(any.clone())),
            rule("query", with(HttpRouteMatch { query_params: vec![header("q", "1")], ..any.clone() })),
            rule("one", with(HttpRouteMatch { headers: vec![header("a", "1")], ..any.clone() })),
            rule("two", with(HttpRouteMatch { headers: two, ..any.clone() })),
            rule("post", with(HttpRouteMatch { method: Some("POST".to_owned()), ..any })),
        ];
        let routes = [route(&[], rules)];
        let pair = |name: &str| (name.to_owned(), "1".to_owned());
        let plain = request("/");
        let query = HttpRequest { query: vec![pair("q")], ..plain.clone() };
        let one = HttpRequest { headers: vec![pair("A")], ..query.clone() };
        let two = HttpRequest { headers: vec![pair("A"), pair("b")], ..query.clone() };
        let post = HttpRequest { method: "POST".to_owned(), ..two.clone() };
        for (request, service) in [(plain, "first"), (query, "query"), (one, "one"), (two, "two"), (post, "post")] {
            assert_eq!(served(&routes, &request), service);
        }
    }

    #[test]
    fn a_longer_path_goes_before_more_headers() {
        let by_header = HttpRouteMatch { headers: vec![header("x", "1")], ..on_path(PathPrefix("/".to_owned())) };
        let routes = [route(
            &[],
            vec![rule("header", vec![by_header]), rule("path", vec![on_path(PathPrefix("/a".to_owned()))])],
        )];
        let request = HttpRequest { headers: vec![("x".to_owned(), "1".to_owned())], ..request("/a") };
        assert_eq!(served(&routes, &request), "path");
    }

    #[test]
    fn the_more_specific_host_goes_before_the_longer_path_and_the_older_route_before_the_newer() {
        let deep = || vec![on_path(Exact("/a".to_owned()))];
        let routes = [
            route(&[], vec![rule("any", deep())]),
            route(&["*.example.com"], vec![rule("wide", deep())]),
            route(&["shop.example.com", "other.example.com"], vec![rule("exact", vec![])]),
            route(&["shop.example.com"], vec![rule("younger", vec![])]),
        ];
        assert_eq!(served(&routes, &request("/a")), "exact");
        assert_eq!(served(&routes[..2], &request("/a")), "wide");
        assert_eq!(served(&routes[..1], &request("/a")), "any");
        assert_eq!(served(&routes[..1], &request("/")), "404");
    }

    #[test]
    fn matches_of_a_rule_are_an_or_and_each_has_its_own_precedence() {
        let both = vec![on_path(PathPrefix("/b".to_owned())), on_path(PathPrefix("/c/d".to_owned()))];
        let routes = [route(&[], vec![rule("c", vec![on_path(PathPrefix("/c".to_owned()))]), rule("both", both)])];
        for (path, service) in [("/b/x", "both"), ("/c/d", "both"), ("/c/x", "c")] {
            assert_eq!(served(&routes, &request(path)), service, "{path}");
        }
    }

    #[test]
    fn a_rule_whose_backends_have_no_weight_answers_500() {
        let mut empty = rule("web", vec![]);
        empty.backend_refs[0].weight = Some(0);
        assert_eq!(served(&[route(&[], vec![empty.clone()])], &request("/")), "500");
        empty.backend_refs.clear();
        assert_eq!(served(&[route(&[], vec![empty.clone()])], &request("/")), "500");
        empty.filters.push(Filter::RequestRedirect);
        assert_eq!(served(&[route(&[], vec![empty])], &request("/")), "redirect");
    }

    #[test]
    fn large_weights_keep_their_shares() {
        assert_eq!(in_sixteen_bits(&[1, 1, 0]), [1, 1, 0]);
        assert_eq!(in_sixteen_bits(&[1_000_000, 500_000, 1]), [65_535, 32_767, 1]);
    }
}
