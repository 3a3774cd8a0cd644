//! The traffic routers: what each writes where. A router that has no method for a step does nothing, and the step passes.
//!
//! Follows `rollout/trafficrouting/*` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). Of several routers in one Rollout the
//! first is played. Left out: destinations of experiments.

use super::step::{HeaderMatch, HeaderRoute, MirrorRoute};
use super::{alb, gateway_api, istio, weighted};
use crate::model::http_request::HttpRequest;
use crate::model::request_match::RequestMatch;
use crate::model::routing_object::RoutingObject;
use crate::units::TrafficWeight;

/// A Service and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub service: String,
    pub weight: TrafficWeight,
}

/// `trafficRouting`, and whose it is. Each writes an object of its own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Router {
    Alb(alb::Router),
    GatewayApi(gateway_api::Router),
    Istio(istio::Router),
    Weighted(weighted::Router),
}

/// The canary's Service and the other one.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub canary: &'a str,
    pub stable: &'a str,
}

impl Router {
    /// Splits the requests: the canary's Service first, then the stable one.
    pub fn set_weights(&self, object: &mut RoutingObject, split: &[Destination; 2]) -> Result<(), String> {
        match (self, object) {
            (Self::Alb(router), RoutingObject::Ingress(ingress)) => router.set_weights(ingress, split),
            (Self::GatewayApi(router), RoutingObject::HttpRoutes(routes)) => router.set_weights(routes, split),
            (Self::Istio(router), RoutingObject::VirtualService(service)) => router.set_weights(service, split),
            (Self::Weighted(router), RoutingObject::Weighted(route)) => router.set_weights(route, split),
            (_, object) => unreachable!("{self:?} writes into {object:?}"),
        }
    }

    /// Requests that the route matches go to the canary's Service; without a match the route goes.
    pub fn set_header_route(
        &self,
        object: &mut RoutingObject,
        (route, pair): (&HeaderRoute, Pair<'_>),
        managed: &[String],
    ) -> Result<(), String> {
        match (self, object) {
            (Self::Alb(router), RoutingObject::Ingress(ingress)) => {
                router.set_header_route(ingress, (route, pair.canary), managed)
            }
            (Self::GatewayApi(router), RoutingObject::HttpRoutes(routes)) => {
                router.set_header_route(routes, (route, pair), managed)
            }
            (Self::Istio(router), RoutingObject::VirtualService(service)) => {
                router.set_header_route(service, (route, pair.canary), managed)
            }
            (Self::Weighted(router), RoutingObject::Weighted(object)) => {
                router.set_header_route(object, (route, pair.canary), managed);
                Ok(())
            }
            (_, object) => unreachable!("{self:?} writes into {object:?}"),
        }
    }

    /// Whether a mirror route comes of a step.
    pub const fn mirrors(&self) -> bool {
        match self {
            Self::Istio(_) => true,
            Self::Alb(_) | Self::GatewayApi(_) | Self::Weighted(_) => false,
        }
    }

    pub fn set_mirror_route(
        &self,
        object: &mut RoutingObject,
        (route, pair): (&MirrorRoute, Pair<'_>),
        managed: &[String],
    ) -> Result<(), String> {
        match (self, object) {
            (Self::Istio(router), RoutingObject::VirtualService(service)) => {
                router.set_mirror_route(service, (route, pair.canary), managed)
            }
            (Self::Alb(_) | Self::GatewayApi(_) | Self::Weighted(_) | Self::Istio(_), _) => Ok(()),
        }
    }

    /// After a promotion or an abort, and while no pod of the canary is available.
    pub fn remove_managed_routes(
        &self,
        object: &mut RoutingObject,
        pair: Pair<'_>,
        managed: &[String],
    ) -> Result<(), String> {
        match (self, object) {
            (Self::Alb(router), RoutingObject::Ingress(ingress)) => router.remove_managed_routes(ingress, managed)?,
            (Self::GatewayApi(router), RoutingObject::HttpRoutes(routes)) => {
                router.remove_managed_routes(routes, pair, managed);
            }
            (Self::Istio(_), RoutingObject::VirtualService(service)) => {
                istio::remove_managed_routes(service, managed);
            }
            (Self::Weighted(_), RoutingObject::Weighted(route)) => weighted::remove_managed_routes(route, managed),
            (_, object) => unreachable!("{self:?} writes into {object:?}"),
        }
        Ok(())
    }

    /// Whether the route is for such requests, as this router reads several matches.
    pub fn means(&self, route: &HeaderRoute, request: &HttpRequest) -> bool {
        let holds = |one: &HeaderMatch| condition(one).holds(request);
        match self {
            Self::Alb(_) => alb::means(route, request),
            Self::Istio(_) => route.matches.iter().any(holds),
            Self::GatewayApi(_) | Self::Weighted(_) => !route.matches.is_empty() && route.matches.iter().all(holds),
        }
    }
}

/// As a proxy takes it.
pub(super) fn condition(one: &HeaderMatch) -> RequestMatch {
    RequestMatch::Header { name: one.header_name.clone(), value: one.value.clone() }
}

/// A weight as an object holds it.
pub(super) fn weight_in_object(weight: TrafficWeight) -> Result<u32, String> {
    let number = weight.get();
    u32::try_from(number).map_err(|_| format!("Invalid value: {number}: must be greater than or equal to 0"))
}
