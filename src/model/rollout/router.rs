//! The traffic routers: what each writes where. A router that has no method for a step does nothing, and the step passes.
//!
//! Follows `rollout/trafficrouting/*` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). Of several routers in one Rollout the
//! first is played. Left out: destinations of experiments.

use super::step::{HeaderMatch, HeaderRoute, MirrorRoute};
use super::{Refusal, alb, gateway_api, istio, weighted};
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
        match self {
            Self::Alb(router) => router.set_weights(object.ingress_mut(), split),
            Self::GatewayApi(router) => router.set_weights(object.http_routes_mut(), split),
            Self::Istio(router) => router.set_weights(object.virtual_service_mut(), split),
            Self::Weighted(router) => router.set_weights(object.weighted_mut(), split),
        }
    }

    /// Requests that the route matches go to the canary's Service; without a match the route goes.
    pub fn set_header_route(
        &self,
        object: &mut RoutingObject,
        (route, pair): (&HeaderRoute, Pair<'_>),
        managed: &[String],
    ) -> Result<(), String> {
        match self {
            Self::Alb(router) => router.set_header_route(object.ingress_mut(), (route, pair.canary), managed),
            Self::GatewayApi(router) => router.set_header_route(object.http_routes_mut(), (route, pair), managed),
            Self::Istio(router) => router.set_header_route(object.virtual_service_mut(), (route, pair.canary), managed),
            Self::Weighted(router) => {
                router.set_header_route(object.weighted_mut(), (route, pair.canary), managed);
                Ok(())
            }
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
        match self {
            Self::Istio(router) => router.set_mirror_route(object.virtual_service_mut(), (route, pair.canary), managed),
            Self::Alb(_) | Self::GatewayApi(_) | Self::Weighted(_) => Ok(()),
        }
    }

    /// After a promotion or an abort, and while no pod of the canary is available.
    pub fn remove_managed_routes(
        &self,
        object: &mut RoutingObject,
        pair: Pair<'_>,
        managed: &[String],
    ) -> Result<(), String> {
        match self {
            Self::Alb(router) => router.remove_managed_routes(object.ingress_mut(), managed)?,
            Self::GatewayApi(router) => router.remove_managed_routes(object.http_routes_mut(), pair, managed),
            Self::Istio(_) => istio::remove_managed_routes(object.virtual_service_mut(), managed),
            Self::Weighted(_) => weighted::remove_managed_routes(object.weighted_mut(), managed),
        }
        Ok(())
    }

    /// Whether a header or mirror route of this name stands in the object.
    pub fn has_route(object: &RoutingObject, name: &str) -> bool {
        match object {
            RoutingObject::Ingress(ingress) => alb::has_path_to(ingress, name),
            RoutingObject::HttpRoutes(routes) => routes.iter().any(|route| gateway_api::has_rule(route, name)),
            RoutingObject::VirtualService(service) => {
                service.http.iter().any(|route| route.name.as_deref() == Some(name))
            }
            RoutingObject::Weighted(route) => route.headers.iter().any(|route| route.name == name),
        }
    }

    /// Whether the controller hears of a change that somebody else made to the object. Source: its event handlers, and
    /// `utils/ingress`: an Ingress is found by the annotation that names the Rollout.
    pub fn hears_of(&self, object: &RoutingObject) -> bool {
        match (self, object) {
            (Self::Alb(router), RoutingObject::Ingress(ingress)) => router.is_marked(ingress),
            (Self::Istio(_) | Self::Weighted(_), _) => true,
            (Self::GatewayApi(_) | Self::Alb(_), _) => false,
        }
    }

    /// Whether the controller hears that somebody has deleted such an object. Source: `ingress/ingress.go:syncIngress` leaves
    /// it at a line in the log, `rollout/controller.go` watches VirtualServices.
    pub const fn hears_of_deletions(&self) -> bool {
        match self {
            Self::Istio(_) | Self::Weighted(_) => true,
            Self::Alb(_) | Self::GatewayApi(_) => false,
        }
    }

    /// Why the controller cannot write this split, if so. `object` is None where it does not exist; `name` is that of a lone
    /// one. An Ingress and a VirtualService are validated with the Rollout; what a plugin finds fails the pass.
    pub fn refusal(&self, object: Option<&RoutingObject>, name: &str, split: &[Destination; 2]) -> Option<Refusal> {
        let Some(object) = object else {
            let resource = match self {
                Self::Alb(_) => "ingress.networking.k8s.io",
                Self::Istio(_) => "virtualservices.networking.istio.io",
                Self::GatewayApi(_) | Self::Weighted(_) => unreachable!("it writes several objects, or its own"),
            };
            return Some(Refusal::InvalidSpec(format!("{resource} \"{name}\" not found")));
        };
        if let (Self::Alb(router), RoutingObject::Ingress(ingress)) = (self, object)
            && let Some(violation) = router.violation(ingress, name)
        {
            return Some(Refusal::InvalidSpec(violation));
        }
        // Source: `ValidateVirtualService`. Assumption: an empty list counts as none, which Istio's own validation refuses.
        if matches!(object, RoutingObject::VirtualService(service) if service.http.is_empty()) {
            let message = "Unable to get HTTP and/or TLS routes for Istio VirtualService";
            return Some(Refusal::InvalidSpec(message.to_owned()));
        }
        let misfit = self.set_weights(&mut object.clone(), split).err()?;
        Some(match self {
            Self::Istio(_) => {
                Refusal::InvalidSpec(format!("Istio VirtualService has invalid HTTP routes. Error: {misfit}"))
            }
            Self::Alb(_) | Self::GatewayApi(_) | Self::Weighted(_) => Refusal::PassFails(misfit),
        })
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
