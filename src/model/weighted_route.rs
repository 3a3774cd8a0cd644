//! What a router keeps that splits requests by weights alone: the canary Ingress of ingress-nginx, a TrafficSplit, a
//! TraefikService, the Mappings of Ambassador, an ApisixRoute, a route of App Mesh; or a plain Service, without any router.
//!
//! One route, whatever the host and the path: which requests reach the two Services at all is not simulated there. Some of
//! these routers know routes by a header besides.

use super::http_route::in_sixteen_bits;
use super::load_balancer::listener_rule::{Action, Condition, Forward, Listener, Rule, WeightedTargetGroup};
use super::request_match::RequestMatch;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WeightedRoute {
    /// Tried in their order, before the weights.
    pub headers: Vec<HeaderRoute>,
    pub destinations: Vec<Destination>,
}

/// Requests of which all of this holds go to one Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderRoute {
    pub name: String,
    pub conditions: Vec<RequestMatch>,
    pub service: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub service: String,
    pub weight: u32,
}

impl WeightedRoute {
    pub fn listener(&self) -> Listener {
        let rule = |(priority, route): (u32, &HeaderRoute)| Rule {
            priority,
            conditions: route.conditions.iter().cloned().map(Condition::Route).collect(),
            action: forward(&[Destination { service: route.service.clone(), weight: 1 }]),
        };
        Listener { rules: (1..).zip(&self.headers).map(rule).collect(), default_action: forward(&self.destinations) }
    }
}

fn forward(destinations: &[Destination]) -> Action {
    if destinations.iter().all(|destination| destination.weight == 0) {
        return Action::FixedResponse(503);
    }
    let weights: Vec<_> = destinations.iter().map(|destination| destination.weight).collect();
    let group = |(destination, weight): (&Destination, u16)| WeightedTargetGroup {
        service: destination.service.clone(),
        weight,
    };
    let target_groups = destinations.iter().zip(in_sixteen_bits(&weights)).map(group).collect();
    Action::Forward(Forward { target_groups, stickiness: None, mirror: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::http_request::HttpRequest;
    use crate::model::request_match::StringMatch;

    #[test]
    fn a_header_goes_before_the_weights() {
        let to = |service: &str, weight| Destination { service: service.to_owned(), weight };
        let always =
            RequestMatch::Header { name: "X-Canary".to_owned(), value: StringMatch::Exact("always".to_owned()) };
        let header = HeaderRoute { name: "h".to_owned(), conditions: vec![always], service: "canary".to_owned() };
        let route = WeightedRoute { headers: vec![header], destinations: vec![to("stable", 950), to("canary", 50)] };
        let listener = route.listener();
        let plain = HttpRequest {
            host: "a".to_owned(),
            path: "/".to_owned(),
            method: "GET".to_owned(),
            query: vec![],
            headers: vec![],
            source_ip: "10.0.0.1".parse().unwrap(),
        };
        let marked = HttpRequest { headers: vec![("x-canary".to_owned(), "always".to_owned())], ..plain.clone() };
        assert_eq!(listener.action(&plain).to_string(), "stable 950 canary 50");
        assert_eq!(listener.action(&marked).to_string(), "canary 1");
    }
}
