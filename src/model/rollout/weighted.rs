//! What the routers write that know weights alone: ingress-nginx, SMI, Traefik, Ambassador, App Mesh; and APISIX, which
//! knows header routes, too.
//!
//! Follows `rollout/trafficrouting/{nginx,smi,traefik,ambassador,appmesh,apisix}` of argo-rollouts at 9f8d111d (after
//! 1.10.0-rc1): which methods do something there.

use super::router::{Destination, condition, weight_in_object};
use super::step::HeaderRoute;
use crate::model::weighted_route::{self, WeightedRoute};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// APISIX alone: for the others such a step does nothing.
    pub has_header_routes: bool,
}

impl Router {
    pub fn set_weights(&self, route: &mut WeightedRoute, split: &[Destination; 2]) -> Result<(), String> {
        let destination = |ours: &Destination| {
            let weight = weight_in_object(ours.weight)?;
            Ok(weighted_route::Destination { service: ours.service.clone(), weight })
        };
        route.destinations = split.iter().map(destination).collect::<Result<_, String>>()?;
        Ok(())
    }

    /// A copy of the route with a higher priority. Assumption: several matches must all hold; the source hands them on, and
    /// APISIX joins what it is given by "and".
    pub fn set_header_route(
        &self,
        object: &mut WeightedRoute,
        (route, canary): (&HeaderRoute, &str),
        managed: &[String],
    ) {
        if !self.has_header_routes {
            return;
        }
        object.headers.retain(|other| other.name != route.name);
        if !route.matches.is_empty() {
            object.headers.push(weighted_route::HeaderRoute {
                name: route.name.clone(),
                conditions: route.matches.iter().map(condition).collect(),
                service: canary.to_owned(),
            });
        }
        let rank = |name: &String| managed.iter().position(|other| other == name).unwrap_or(managed.len());
        object.headers.sort_by_key(|route| rank(&route.name));
    }
}

/// Those of ingress-nginx stay: they are the user's own.
pub fn remove_managed_routes(object: &mut WeightedRoute, managed: &[String]) {
    object.headers.retain(|route| !managed.contains(&route.name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request_match::StringMatch;
    use crate::model::rollout::step::HeaderMatch;
    use crate::units::TrafficWeight;

    fn split(canary: u32, max: u32) -> [Destination; 2] {
        let destination = |service: &str, weight| Destination { service: service.to_owned(), weight };
        let canary = TrafficWeight::new(canary);
        [destination("canary", canary), destination("stable", canary.rest(TrafficWeight::new(max)))]
    }

    #[test]
    fn weights_may_be_out_of_more_than_a_hundred() {
        let mut route = WeightedRoute::default();
        Router::default().set_weights(&mut route, &split(5, 1000)).unwrap();
        assert_eq!(route.listener().default_action.to_string(), "canary 5 stable 995");
    }

    #[test]
    fn a_header_route_is_written_by_apisix_alone() {
        let matches =
            vec![HeaderMatch { header_name: "X-Canary".to_owned(), value: StringMatch::Exact("yes".to_owned()) }];
        let step = HeaderRoute { name: "by-header".to_owned(), matches };
        let managed = ["by-header".to_owned()];
        let mut route = WeightedRoute::default();
        Router::default().set_header_route(&mut route, (&step, "canary"), &managed);
        assert_eq!(route.headers, []);
        Router { has_header_routes: true }.set_header_route(&mut route, (&step, "canary"), &managed);
        assert_eq!(route.headers.len(), 1);
        remove_managed_routes(&mut route, &managed);
        assert_eq!(route.headers, []);
    }
}
