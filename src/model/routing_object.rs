//! What stands in the cluster and says where requests go: the Rollouts controller writes it, the control plane of the
//! proxies reads it. Its kind is the router's.

use super::http_route::{self, HttpRoute};
use super::ingress::Ingress;
use super::load_balancer::listener_rule::Listener;
use super::virtual_service::VirtualService;
use super::weighted_route::WeightedRoute;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RoutingObject {
    /// Of the AWS Load Balancer Controller.
    Ingress(Ingress),
    /// Of the Gateway API, the oldest first.
    HttpRoutes(Vec<HttpRoute>),
    VirtualService(VirtualService),
    Weighted(WeightedRoute),
}

/// The object of a router's own kind: each router writes no other.
macro_rules! of_kind {
    ($name:ident, $kind:ident, $object:ty) => {
        pub fn $name(&mut self) -> &mut $object {
            let name = self.name();
            let Self::$kind(object) = self else { unreachable!("its router writes another object than {name}") };
            object
        }
    };
}

impl RoutingObject {
    of_kind!(ingress_mut, Ingress, Ingress);
    of_kind!(http_routes_mut, HttpRoutes, Vec<HttpRoute>);
    of_kind!(virtual_service_mut, VirtualService, VirtualService);
    of_kind!(weighted_mut, Weighted, WeightedRoute);

    /// What proxies do that have it; None for an Ingress, of which the load balancer controller makes rules itself.
    pub fn listener(&self) -> Option<Listener> {
        match self {
            Self::Ingress(_) => None,
            Self::HttpRoutes(routes) => Some(http_route::listener(routes)),
            Self::VirtualService(service) => Some(service.listener()),
            Self::Weighted(route) => Some(route.listener()),
        }
    }

    pub const fn is_ingress(&self) -> bool {
        match self {
            Self::Ingress(_) => true,
            Self::HttpRoutes(_) | Self::VirtualService(_) | Self::Weighted(_) => false,
        }
    }

    /// As the event log calls it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ingress(_) => "ingress",
            Self::HttpRoutes(_) => "http-route",
            Self::VirtualService(_) => "virtual-service",
            Self::Weighted(_) => "weights",
        }
    }
}
