//! What the plugin `argoproj-labs/gatewayAPI` writes into HTTPRoutes: weights, and rules for header routes.
//!
//! Follows `pkg/plugin/httproute.go` of rollouts-plugin-trafficrouter-gatewayapi 0.15.0. A mirror step does nothing there
//! yet, and a weight is always taken for verified. The label of a release in progress stands in the manifest alone, as nobody
//! but Argo CD reads it. Left out: GRPCRoutes, TCPRoutes, TLSRoutes, label selectors; other versions of the plugin: that before 0.15 one rule alone was made for a header route, and
//! that 0.4 made that rule's weight 0 with `setWeight: 0` (issue 158).

use super::router::{Destination, Pair, weight_in_object};
use super::step::{HeaderMatch, HeaderRoute};
use crate::model::http_route::{BackendRef, DEFAULT_WEIGHT, HttpRoute, HttpRouteMatch, HttpRouteRule, NamedMatch};
use crate::model::request_match::StringMatch;

/// `trafficRouting.plugins."argoproj-labs/gatewayAPI"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    pub routes: Vec<NamedRoute>,
}

/// Of `httpRoutes`, or the one of `httpRoute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRoute {
    pub name: String,
    /// `useHeaderRoutes`: false unless set, true for `httpRoute`.
    pub uses_header_routes: bool,
}

impl Router {
    /// Out of a hundred, whatever `maxTrafficWeight` says. The weight of a stable backend is set in every rule, also where
    /// it stands alone: with the canary at 100 nothing answers there any more. Source: `setHTTPRouteWeight`.
    pub fn set_weights(&self, routes: &mut [HttpRoute], split: &[Destination; 2]) -> Result<(), String> {
        let [canary, stable] = split;
        let pair = Pair { canary: &canary.service, stable: &stable.service };
        let weight = weight_in_object(canary.weight)?;
        let rest = weight_in_object(canary.weight.rest(crate::units::TrafficWeight::HUNDRED))?;
        for named in &self.routes {
            let route = find(routes, &named.name)?;
            for service in [pair.canary, pair.stable] {
                if !route.rules.iter().any(|rule| rule.has(service)) {
                    return Err("backendRef was not found in httpRoute".to_owned());
                }
            }
            for rule in route.rules.iter_mut().filter(|rule| !is_managed(rule, pair)) {
                set(rule, pair.canary, weight);
                set(rule, pair.stable, rest);
            }
        }
        Ok(())
    }

    /// One rule for each that has both backends, behind all others: what it asks for besides makes it go before them.
    /// Source: `setHTTPHeaderRoute`.
    pub fn set_header_route(
        &self,
        routes: &mut [HttpRoute],
        (route, pair): (&HeaderRoute, Pair<'_>),
        managed: &[String],
    ) -> Result<(), String> {
        let headers: Vec<_> = route.matches.iter().map(header).collect();
        for named in self.routes.iter().filter(|named| named.uses_header_routes) {
            let object = find(routes, &named.name)?;
            object.rules.retain(|rule| !is_of(rule, &route.name, managed));
            if headers.is_empty() {
                continue;
            }
            let sources = object.rules.iter().filter(|rule| rule.has(pair.canary) && rule.has(pair.stable));
            let added: Vec<_> =
                sources.enumerate().map(|(index, rule)| copy(rule, &headers, (&route.name, index))).collect();
            if added.is_empty() {
                return Err("backendRef was not found in httpRoute".to_owned());
            }
            let leads_to = |rule: HttpRouteRule| {
                let backend_refs = vec![BackendRef { service: pair.canary.to_owned(), weight: Some(DEFAULT_WEIGHT) }];
                HttpRouteRule { backend_refs, ..rule }
            };
            object.rules.extend(added.into_iter().map(leads_to));
        }
        Ok(())
    }

    /// Not only what has a name of the list: a rule that leads to the canary alone counts as managed, whoever wrote it.
    /// Source: `removeHTTPManagedRoutes`.
    pub fn remove_managed_routes(&self, routes: &mut [HttpRoute], pair: Pair<'_>, managed: &[String]) {
        if managed.is_empty() {
            return;
        }
        for named in self.routes.iter().filter(|named| named.uses_header_routes) {
            if let Ok(route) = find(routes, &named.name) {
                let is_of_list = |rule: &HttpRouteRule| managed.iter().any(|name| is_of(rule, name, managed));
                route.rules.retain(|rule| !is_managed(rule, pair) && !is_of_list(rule));
            }
        }
    }
}

fn find<'r>(routes: &'r mut [HttpRoute], name: &str) -> Result<&'r mut HttpRoute, String> {
    let found = routes.iter_mut().find(|route| route.name == name);
    found.ok_or_else(|| format!("httproutes.gateway.networking.k8s.io \"{name}\" not found"))
}

/// By its form: the canary is the only backend.
fn is_managed(rule: &HttpRouteRule, pair: Pair<'_>) -> bool {
    matches!(&rule.backend_refs[..], [only] if only.service == pair.canary)
}

/// `by-header`, `by-header-1`, … are of the route `by-header`, unless the list has a route of that very name.
fn is_of(rule: &HttpRouteRule, name: &str, managed: &[String]) -> bool {
    let Some(own) = &rule.name else { return false };
    let number = own.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    let is_numbered = number.is_some_and(|number| number.parse::<u32>().is_ok());
    own == name || (is_numbered && !managed.contains(own))
}

/// Named after the header route, from the second on with a number.
pub fn has_rule(route: &HttpRoute, name: &str) -> bool {
    let is_of_route = |rule: &str| {
        rule.strip_prefix(name).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
        })
    };
    route.rules.iter().filter_map(|rule| rule.name.as_deref()).any(is_of_route)
}

fn set(rule: &mut HttpRouteRule, service: &str, weight: u32) {
    for backend in rule.backend_refs.iter_mut().filter(|backend| backend.service == service) {
        backend.weight = Some(weight);
    }
}

/// Path, method, query and filters are those of the source; its headers are not copied.
fn copy(source: &HttpRouteRule, headers: &[NamedMatch], (name, index): (&str, usize)) -> HttpRouteRule {
    let with_headers = |one: &HttpRouteMatch| HttpRouteMatch { headers: headers.to_vec(), ..one.clone() };
    let matches = match source.matches.is_empty() {
        true => vec![with_headers(&HttpRouteMatch::default())],
        false => source.matches.iter().map(with_headers).collect(),
    };
    let name = if index == 0 { name.to_owned() } else { format!("{name}-{index}") };
    HttpRouteRule { name: Some(name), matches, filters: source.filters.clone(), backend_refs: vec![] }
}

/// The Gateway API has no prefix of a header. Source: `getHTTPHeaderRouteRuleList`.
fn header(one: &HeaderMatch) -> NamedMatch {
    let value = match &one.value {
        StringMatch::Prefix(prefix) => StringMatch::Regex(format!("{prefix}.*")),
        StringMatch::Exact(_) | StringMatch::Regex(_) => one.value.clone(),
    };
    NamedMatch { name: one.header_name.clone(), value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::http_route::{Filter, PathMatch};
    use crate::units::TrafficWeight;

    const PAIR: Pair<'_> = Pair { canary: "canary", stable: "stable" };

    fn rule(path: &str, backends: &[&str]) -> HttpRouteRule {
        let one = HttpRouteMatch { path: Some(PathMatch::PathPrefix(path.to_owned())), ..HttpRouteMatch::default() };
        let backend = |service: &&str| BackendRef { service: (*service).to_owned(), weight: None };
        let backend_refs = backends.iter().map(backend).collect();
        HttpRouteRule { matches: vec![one], backend_refs, ..HttpRouteRule::default() }
    }

    fn route(name: &str, rules: Vec<HttpRouteRule>) -> HttpRoute {
        HttpRoute { name: name.to_owned(), hostnames: vec![], rules }
    }

    fn router(uses_header_routes: bool) -> Router {
        Router { routes: vec![NamedRoute { name: "web".to_owned(), uses_header_routes }] }
    }

    fn split(canary: u32) -> [Destination; 2] {
        let destination = |service: &str, weight| Destination { service: service.to_owned(), weight };
        let canary = TrafficWeight::new(canary);
        [destination("canary", canary), destination("stable", canary.rest(TrafficWeight::HUNDRED))]
    }

    fn by_header(value: StringMatch) -> HeaderRoute {
        let matches = vec![HeaderMatch { header_name: "X-Canary".to_owned(), value }];
        HeaderRoute { name: "by-header".to_owned(), matches }
    }

    /// Each rule by its name and its backends.
    fn shown(route: &HttpRoute) -> Vec<String> {
        let backend = |one: &BackendRef| format!("{} {}", one.service, one.weight());
        let show = |rule: &HttpRouteRule| {
            let name = rule.name.as_deref().unwrap_or("-");
            format!("{name}: {}", rule.backend_refs.iter().map(backend).collect::<Vec<_>>().join(", "))
        };
        route.rules.iter().map(show).collect()
    }

    #[test]
    fn weights_go_into_every_rule_of_the_named_routes_but_those_of_the_canary_alone() {
        let rules = vec![
            rule("/", &["stable", "canary"]),
            rule("/stable", &["stable"]),
            rule("/preview", &["canary"]),
            rule("/other", &["other"]),
        ];
        let mut routes = [route("web", rules), route("other", vec![rule("/", &["stable", "canary"])])];
        router(false).set_weights(&mut routes, &split(25)).unwrap();
        assert_eq!(shown(&routes[0]), ["-: stable 75, canary 25", "-: stable 75", "-: canary 1", "-: other 1"]);
        assert_eq!(shown(&routes[1]), ["-: stable 1, canary 1"], "nobody named it");
    }

    #[test]
    fn without_both_backends_or_out_of_more_than_a_hundred_nothing_is_written() {
        let mut routes = [route("web", vec![rule("/", &["stable"])])];
        let refusal = router(false).set_weights(&mut routes, &split(25)).unwrap_err();
        assert_eq!(refusal, "backendRef was not found in httpRoute");
        let mut routes = [route("web", vec![rule("/", &["stable", "canary"])])];
        let refusal = router(false).set_weights(&mut routes, &split(200)).unwrap_err();
        assert_eq!(refusal, "Invalid value: -100: must be greater than or equal to 0");
        let refusal = router(false).set_weights(&mut [], &split(25)).unwrap_err();
        assert_eq!(refusal, "httproutes.gateway.networking.k8s.io \"web\" not found");
    }

    #[test]
    fn a_header_route_copies_each_rule_that_has_both_backends() {
        let first = HttpRouteRule { filters: vec![Filter::Other], ..rule("/a", &["stable", "canary"]) };
        let rules = vec![first, rule("/stable", &["stable"]), rule("/b", &["canary", "stable"])];
        let mut routes = [route("web", rules)];
        let step = by_header(StringMatch::Prefix("al".to_owned()));
        router(true).set_header_route(&mut routes, (&step, PAIR), &["by-header".to_owned()]).unwrap();
        assert_eq!(
            shown(&routes[0]),
            [
                "-: stable 1, canary 1",
                "-: stable 1",
                "-: canary 1, stable 1",
                "by-header: canary 1",
                "by-header-1: canary 1"
            ]
        );
        let [.., copy, _] = &routes[0].rules[..] else { panic!("{routes:?}") };
        assert_eq!(copy.matches[0].path, Some(PathMatch::PathPrefix("/a".to_owned())));
        assert_eq!(copy.matches[0].headers[0].value, StringMatch::Regex("al.*".to_owned()));
        assert_eq!(copy.filters, [Filter::Other]);

        let before = routes.clone();
        router(true).set_header_route(&mut routes, (&step, PAIR), &["by-header".to_owned()]).unwrap();
        assert_eq!(routes, before, "the second time it is written anew");
        let nothing = HeaderRoute { matches: vec![], ..step };
        router(true).set_header_route(&mut routes, (&nothing, PAIR), &["by-header".to_owned()]).unwrap();
        assert_eq!(routes[0].rules.len(), 3);
    }

    #[test]
    fn without_use_header_routes_nothing_is_added_or_removed() {
        let mut routes = [route("web", vec![rule("/", &["stable", "canary"]), rule("/preview", &["canary"])])];
        let before = routes.clone();
        let (router, managed) = (router(false), ["by-header".to_owned()]);
        let step = by_header(StringMatch::Exact("yes".to_owned()));
        router.set_header_route(&mut routes, (&step, PAIR), &managed).unwrap();
        router.remove_managed_routes(&mut routes, PAIR, &managed);
        assert_eq!(routes, before);
    }

    #[test]
    fn at_the_end_a_rule_for_the_canary_alone_goes_whoever_wrote_it() {
        let mut routes = [route("web", vec![rule("/", &["stable", "canary"]), rule("/preview", &["canary"])])];
        let managed = ["by-header".to_owned()];
        let step = by_header(StringMatch::Exact("yes".to_owned()));
        router(true).set_header_route(&mut routes, (&step, PAIR), &managed).unwrap();
        router(true).remove_managed_routes(&mut routes, PAIR, &[]);
        assert_eq!(routes[0].rules.len(), 3, "without a list nothing is removed");
        router(true).remove_managed_routes(&mut routes, PAIR, &managed);
        assert_eq!(shown(&routes[0]), ["-: stable 1, canary 1"]);
    }
}
