//! What a scenario comes to for the routing of its requests.

use super::{Scenario, routed};
use crate::model::http_request::HttpRequest;
use crate::model::load_balancer_controller::listener_rules::Cluster;
use crate::model::rollout::router::Pair;
use std::net::{IpAddr, Ipv4Addr};

impl Scenario {
    /// What the load balancer controller may refer to: of a scenario, whatever it names.
    pub fn known_to_the_load_balancer_controller(&self) -> Cluster {
        Cluster::default()
    }

    /// A request that says nothing special: it goes by the weights. Host and path are those of the first path that leads to
    /// the root Service.
    pub fn usual_request(&self) -> HttpRequest {
        let services = &self.services;
        let pair = Pair { canary: &services.canary, stable: &services.stable };
        let (host, path) = routed::place(&self.routing_object(), (pair, &services.root));
        HttpRequest {
            host: host.unwrap_or_else(|| "service.example".to_owned()),
            path: path.unwrap_or_else(|| "/".to_owned()),
            method: "GET".to_owned(),
            query: vec![],
            headers: vec![],
            // For documentation: RFC 5737.
            source_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
        }
    }
}
