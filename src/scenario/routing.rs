//! What a scenario comes to for the routing of its requests.

use super::Scenario;
use crate::model::Revision;
use crate::model::http_request::HttpRequest;
use crate::model::ingress::{HttpPath, IngressRule};
use crate::model::load_balancer_controller::listener_rules::Cluster;
use crate::model::people::Verb;
use std::net::{IpAddr, Ipv4Addr};

impl Scenario {
    /// What the load balancer controller may refer to: of a scenario, whatever it names.
    pub fn known_to_the_load_balancer_controller(&self) -> Cluster {
        Cluster::default()
    }

    /// A request that says nothing special: it goes by the weights. Host and path are those of the first path that leads to
    /// the root Service.
    pub fn usual_request(&self) -> HttpRequest {
        let paths = self.ingress.rules.iter().flat_map(|rule| rule.paths.iter().map(move |path| (rule, path)));
        let to_root = paths.clone().find(|(_, path)| path.backend.service == self.services.root);
        let (host, path) =
            to_root.or_else(|| paths.clone().next()).map_or((None, None), |(rule, path)| (host(rule), said(path)));
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

    /// The newest revision that there can be in a run.
    pub fn newest_revision(&self) -> Revision {
        let deployed = self.actions.iter().filter(|action| action.verb == Verb::Deploy).count();
        Revision(2 + u32::try_from(deployed).unwrap_or(u32::MAX))
    }
}

/// A host that the rule takes.
fn host(rule: &IngressRule) -> Option<String> {
    rule.host.as_ref().map(|host| host.replace('*', "any").replace('?', "x"))
}

/// A path that this one takes.
fn said(path: &HttpPath) -> Option<String> {
    let path = path.path.replace('*', "").replace('?', "x");
    (!path.is_empty()).then_some(path)
}
