//! What the Istio router writes into a VirtualService: the weights of its routes, and routes of its own before them.
//!
//! Follows `rollout/trafficrouting/istio/istio.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). Left out: several
//! VirtualServices, TLS and TCP routes, ports of destinations. The subsets of a DestinationRule stand for Services here:
//! their selectors change when those of Services would, which is a pass later than `UpdateHash` changes them.

use super::router::{Destination, weight_in_object};
use super::step::{HeaderRoute, MirrorMatch, MirrorRoute};
use crate::model::load_balancer::listener_rule::Mirror;
use crate::model::virtual_service::{Match, Route, RouteDestination, VirtualService};

/// `trafficRouting.istio`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// `virtualService.routes`: empty, where there is one route alone.
    pub routes: Vec<String>,
    /// The host whose subsets `destinationRule` names.
    pub subsets_of: Option<String>,
}

impl Router {
    /// What leads elsewhere is taken out of the routes. Source: `reconcileVirtualService`, `processRoutes`.
    pub fn set_weights(&self, service: &mut VirtualService, split: &[Destination; 2]) -> Result<(), String> {
        let managed_mirrors = service.http.iter().filter(|route| route.mirror.is_some());
        let mirrors: Vec<_> = managed_mirrors.filter_map(|route| route.name.clone()).collect();
        // Mirror routes join the list of names. Where that was empty, the route without a name is no longer looked for, and
        // keeps its weights.
        let names: Vec<_> = self.routes.iter().chain(&mirrors).cloned().collect();
        let places = places(&names, &service.http)?;
        let [canary, stable] = split;
        let weights = [weight_in_object(canary.weight)?, weight_in_object(stable.weight)?];
        for place in places {
            let route = &mut service.http[place].route;
            let is_ours =
                |destination: &RouteDestination| split.iter().any(|ours| ours.service == destination.target());
            for (ours, kind) in [(canary, "Canary"), (stable, "Stable")] {
                if !route.iter().any(|destination| destination.target() == ours.service) {
                    return Err(format!("{kind} Service '{}' not found in route", ours.service));
                }
            }
            route.retain(|destination| is_ours(destination) || destination.weight.unwrap_or(0) == 0);
            for destination in route.iter_mut().filter(|destination| is_ours(destination)) {
                let is_canary = destination.target() == canary.service;
                destination.weight = Some(weights[usize::from(!is_canary)]);
            }
        }
        Ok(())
    }

    /// Source: `reconcileVirtualServiceHeaderRoutes`, `createHeaderRoute`: each match is one of several that may fit.
    pub fn set_header_route(
        &self,
        service: &mut VirtualService,
        (route, canary): (&HeaderRoute, &str),
        managed: &[String],
    ) -> Result<(), String> {
        remove(service, &route.name);
        if !route.matches.is_empty() {
            let one = |one: &super::step::HeaderMatch| Match {
                headers: vec![(one.header_name.clone(), one.value.clone())],
                ..Match::default()
            };
            let added = Route {
                name: Some(route.name.clone()),
                matches: route.matches.iter().map(one).collect(),
                route: vec![self.destination(canary, 100)],
                ..Route::default()
            };
            service.http.insert(0, added);
        }
        order(service, managed);
        Ok(())
    }

    /// The weights of the primary route go on in it. Source: `reconcileVirtualServiceMirrorRoutes`, `createMirrorRoute`.
    pub fn set_mirror_route(
        &self,
        service: &mut VirtualService,
        (route, canary): (&MirrorRoute, &str),
        managed: &[String],
    ) -> Result<(), String> {
        remove(service, &route.name);
        if !route.matches.is_empty() {
            let places = places(&self.routes, &service.http)?;
            let primary = places.first().map(|place| service.http[*place].route.clone());
            let one = |MirrorMatch { method, path, headers }: &MirrorMatch| Match {
                uri: path.clone(),
                method: method.clone(),
                headers: headers.clone(),
                ..Match::default()
            };
            let added = Route {
                name: Some(route.name.clone()),
                matches: route.matches.iter().map(one).collect(),
                route: primary.unwrap_or_default(),
                answer: None,
                mirror: Some(Mirror { service: canary.to_owned(), percent: route.percentage }),
            };
            service.http.insert(0, added);
        }
        order(service, managed);
        Ok(())
    }

    fn destination(&self, target: &str, weight: u32) -> RouteDestination {
        let weight = Some(weight);
        match &self.subsets_of {
            None => RouteDestination { host: target.to_owned(), subset: None, weight },
            Some(host) => RouteDestination { host: host.clone(), subset: Some(target.to_owned()), weight },
        }
    }
}

/// Source: `RemoveManagedRoutes`.
pub fn remove_managed_routes(service: &mut VirtualService, managed: &[String]) {
    service.http.retain(|route| !route.name.as_ref().is_some_and(|name| managed.contains(name)));
}

/// The routes of these names; without names the first that has none. Source: `getHttpRouteIndexesToPatch`.
fn places(names: &[String], routes: &[Route]) -> Result<Vec<usize>, String> {
    if names.is_empty() {
        return Ok(routes.iter().position(|route| route.name.is_none()).into_iter().collect());
    }
    let place = |name: &String| {
        let found = routes.iter().position(|route| route.name.as_ref() == Some(name));
        found.ok_or_else(|| format!("HTTP Route '{name}' is not found in the defined Virtual Service."))
    };
    names.iter().map(place).collect()
}

fn remove(service: &mut VirtualService, name: &str) {
    service.http.retain(|route| route.name.as_deref() != Some(name));
}

/// Managed routes first, in the order of their list. Source: `orderRoutes`.
fn order(service: &mut VirtualService, managed: &[String]) {
    let rank = |route: &Route| managed.iter().position(|name| route.name.as_ref() == Some(name));
    service.http.sort_by_key(|route| rank(route).unwrap_or(managed.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request_match::StringMatch;
    use crate::model::rollout::step::HeaderMatch;
    use crate::units::{Percent, TrafficWeight};

    fn to(host: &str, weight: u32) -> RouteDestination {
        RouteDestination { host: host.to_owned(), subset: None, weight: Some(weight) }
    }

    fn route(name: Option<&str>, destinations: Vec<RouteDestination>) -> Route {
        Route { name: name.map(str::to_owned), route: destinations, ..Route::default() }
    }

    fn service(http: Vec<Route>) -> VirtualService {
        VirtualService { hosts: vec![], http }
    }

    fn split(canary: u32) -> [Destination; 2] {
        let destination = |service: &str, weight| Destination { service: service.to_owned(), weight };
        let canary = TrafficWeight::new(canary);
        [destination("canary", canary), destination("stable", canary.rest(TrafficWeight::HUNDRED))]
    }

    /// Each route by its name and its weights.
    fn shown(service: &VirtualService) -> Vec<String> {
        let destination = |one: &RouteDestination| format!("{} {}", one.target(), one.weight.unwrap_or(0));
        let show = |route: &Route| {
            let name = route.name.as_deref().unwrap_or("-");
            format!("{name}: {}", route.route.iter().map(destination).collect::<Vec<_>>().join(", "))
        };
        service.http.iter().map(show).collect()
    }

    fn header(name: &str, matches: &[(&str, StringMatch)]) -> HeaderRoute {
        let one =
            |(name, value): &(&str, StringMatch)| HeaderMatch { header_name: (*name).to_owned(), value: value.clone() };
        HeaderRoute { name: name.to_owned(), matches: matches.iter().map(one).collect() }
    }

    fn mirror(name: &str, matches: Vec<MirrorMatch>) -> MirrorRoute {
        MirrorRoute { name: name.to_owned(), matches, percentage: Percent::try_from(35).unwrap() }
    }

    #[test]
    fn weights_go_into_the_named_routes_alone() {
        let pair = || vec![to("stable.shop.svc", 100), to("canary", 0)];
        let mut object = service(vec![route(Some("a"), pair()), route(Some("b"), pair()), route(None, pair())]);
        let router = Router { routes: vec!["b".to_owned()], ..Router::default() };
        router.set_weights(&mut object, &split(30)).unwrap();
        assert_eq!(shown(&object), ["a: stable 100, canary 0", "b: stable 70, canary 30", "-: stable 100, canary 0"]);
        Router::default().set_weights(&mut object, &split(5)).unwrap();
        assert_eq!(shown(&object)[2], "-: stable 95, canary 5", "without names it is the route without a name");
    }

    #[test]
    fn a_route_that_leads_elsewhere_is_refused_or_loses_what_is_not_ours() {
        let mut object = service(vec![route(None, vec![to("stable", 50), to("canary", 0), to("old", 50)])]);
        Router::default().set_weights(&mut object, &split(10)).unwrap();
        assert_eq!(shown(&object), ["-: stable 90, canary 10"]);
        let mut alone = service(vec![route(None, vec![to("stable", 100)])]);
        let refusal = Router::default().set_weights(&mut alone, &split(10));
        assert_eq!(refusal, Err("Canary Service 'canary' not found in route".to_owned()));
        let router = Router { routes: vec!["gone".to_owned()], ..Router::default() };
        let refusal = router.set_weights(&mut object, &split(10)).unwrap_err();
        assert_eq!(refusal, "HTTP Route 'gone' is not found in the defined Virtual Service.");
    }

    #[test]
    fn managed_routes_stand_in_front_in_the_order_of_their_list_until_they_are_removed() {
        let before = service(vec![route(Some("primary"), vec![to("stable", 90), to("canary", 10)])]);
        let router = Router { routes: vec!["primary".to_owned()], ..Router::default() };
        let managed = ["first".to_owned(), "second".to_owned()];
        let mut object = before.clone();
        let yes = [("X-Canary", StringMatch::Exact("yes".to_owned()))];
        for name in ["first", "second"] {
            router.set_header_route(&mut object, (&header(name, &yes), "canary"), &managed).unwrap();
        }
        assert_eq!(shown(&object), ["first: canary 100", "second: canary 100", "primary: stable 90, canary 10"]);
        router.set_weights(&mut object, &split(40)).unwrap();
        assert_eq!(shown(&object)[..2], ["first: canary 100", "second: canary 100"], "weights are not theirs");
        router.set_header_route(&mut object, (&header("first", &[]), "canary"), &managed).unwrap();
        assert_eq!(object.http.len(), 2, "a route that matches nothing goes");
        remove_managed_routes(&mut object, &managed);
        assert_eq!(shown(&object), ["primary: stable 60, canary 40"]);
    }

    #[test]
    fn a_mirror_route_has_the_weights_of_the_primary_one_and_follows_them() {
        let mut object = service(vec![route(Some("primary"), vec![to("stable", 90), to("canary", 10)])]);
        let router = Router { routes: vec!["primary".to_owned()], ..Router::default() };
        let get = MirrorMatch { method: Some(StringMatch::Exact("GET".to_owned())), ..MirrorMatch::default() };
        let managed = ["copies".to_owned()];
        router.set_mirror_route(&mut object, (&mirror("copies", vec![get]), "canary"), &managed).unwrap();
        let copied = Mirror { service: "canary".to_owned(), percent: Percent::try_from(35).unwrap() };
        assert_eq!(object.http[0].mirror, Some(copied));
        router.set_weights(&mut object, &split(50)).unwrap();
        assert_eq!(shown(&object), ["copies: stable 50, canary 50", "primary: stable 50, canary 50"]);
        router.set_mirror_route(&mut object, (&mirror("copies", vec![]), "canary"), &managed).unwrap();
        assert_eq!(object.http.len(), 1);
    }

    #[test]
    fn beside_a_mirror_route_the_route_without_a_name_keeps_its_weights() {
        let mut object = service(vec![route(None, vec![to("stable", 90), to("canary", 10)])]);
        let router = Router::default();
        let all = MirrorMatch { path: Some(StringMatch::Prefix("/".to_owned())), ..MirrorMatch::default() };
        let managed = ["copies".to_owned()];
        router.set_mirror_route(&mut object, (&mirror("copies", vec![all]), "canary"), &managed).unwrap();
        router.set_weights(&mut object, &split(50)).unwrap();
        assert_eq!(shown(&object), ["copies: stable 50, canary 50", "-: stable 90, canary 10"]);
    }

    #[test]
    fn subsets_are_destinations_of_their_host() {
        let subset = |name: &str, weight| RouteDestination { subset: Some(name.to_owned()), ..to("web", weight) };
        let mut object = service(vec![route(None, vec![subset("stable", 100), subset("canary", 0)])]);
        let router = Router { subsets_of: Some("web".to_owned()), ..Router::default() };
        router.set_weights(&mut object, &split(20)).unwrap();
        let yes = [("X-Canary", StringMatch::Exact("yes".to_owned()))];
        router.set_header_route(&mut object, (&header("h", &yes), "canary"), &["h".to_owned()]).unwrap();
        assert_eq!(object.http[0].route, [subset("canary", 100)]);
        assert_eq!(shown(&object)[1], "-: stable 80, canary 20");
    }
}
