//! Services and the Ingress: what a pass writes into them.
//!
//! Follows `rollout/service.go` and `rollout/trafficrouting/alb/alb.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::pass::Pass;
use super::status::ReplicaSet;
use super::step::HeaderRoute;
use super::{Effect, Selector};
use crate::model::Service;
use crate::units::TrafficWeight;

/// What a ReplicaSet must have before a Service moves to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    AvailablePods,
}

impl Pass<'_> {
    /// Source: `reconcilePingAndPongService` and `reconcileStableAndCanaryService`.
    pub(super) fn reconcile_services(&mut self) {
        let observed = self.observed();
        let (new, stable) = (observed.new, observed.stable);
        if self.rollout.spec.canary().ping_pong {
            if !observed.is_fully_promoted() {
                self.point(self.rollout.canary_service(), new, Needs::Nothing);
            }
            return;
        }
        self.point(Service::Stable, stable, Needs::AvailablePods);
        if self.is_aborted() && !self.rollout.spec.canary().is_traffic_routed() {
            self.point(Service::Canary, stable, Needs::AvailablePods);
        } else if !self.is_rolling_back_to_stable() {
            self.point(Service::Canary, new, Needs::AvailablePods);
        }
    }

    /// After an abort. The reset names `canaryService`, which `pingPong` leaves empty.
    pub(super) fn reset_canary_service(&mut self) {
        if !self.rollout.spec.canary().ping_pong {
            let stable = self.observed().stable;
            self.point(Service::Canary, stable, Needs::Nothing);
        }
    }

    /// Source: `ensureSVCTargets`.
    fn point(&mut self, service: Service, to: Option<ReplicaSet>, needs: Needs) {
        let Some(to) = to else { return };
        let Some(services) = &mut self.rollout.services else { return };
        let selector = &mut services[service.index()];
        let from = selector.revision;
        // One that was never managed waits for all pods (since 1.3.2), the others for the first one.
        let is_served = to.available > 0 && (selector.is_managed || to.available >= to.replicas);
        if from == Some(to.revision) || (needs == Needs::AvailablePods && !is_served) {
            return;
        }
        *selector = Selector { revision: Some(to.revision), is_managed: true };
        self.effects.push(Effect::SwitchService { service, from, to: to.revision });
    }

    /// The patch is sent only if the annotation differs.
    pub(super) fn set_weight(&mut self, weight: TrafficWeight) {
        let canary = self.rollout.canary_service();
        if !is_same_split(self.rollout.ingress.weight, canary, weight, self.rollout.spec.canary().max_weight()) {
            self.effects.push(Effect::SetWeight { canary, weight });
        }
        self.rollout.ingress.weight = Some((canary, weight));
    }

    pub(super) fn set_header_route(&mut self, route: HeaderRoute) {
        let service = self.rollout.canary_service();
        let routes = &mut self.rollout.ingress.routes;
        let place = routes.iter().position(|(other, _)| other.name == route.name);
        if route.matches.is_empty() {
            if let Some(place) = place {
                routes.remove(place);
                self.effects.push(Effect::RemoveRoutes(vec![route.name]));
            }
            return;
        }
        let wanted = (route.clone(), service);
        match place {
            Some(place) if routes[place] == wanted => return,
            Some(place) => routes[place] = wanted,
            None => routes.push(wanted),
        }
        self.effects.push(Effect::SetHeaderRoute(route));
    }

    pub(super) fn remove_managed_routes(&mut self) {
        let managed =
            self.rollout.spec.canary().traffic_routing.as_ref().map_or(&[][..], |routing| &routing.managed_routes);
        let routes = &mut self.rollout.ingress.routes;
        let gone: Vec<_> =
            routes.iter().map(|(route, _)| route.name.clone()).filter(|name| managed.contains(name)).collect();
        if !gone.is_empty() {
            routes.retain(|(route, _)| !gone.contains(&route.name));
            self.effects.push(Effect::RemoveRoutes(gone));
        }
    }
}

/// With `pingPong` the same split can be written from either side.
fn is_same_split(
    before: Option<(Service, TrafficWeight)>,
    canary: Service,
    weight: TrafficWeight,
    max: TrafficWeight,
) -> bool {
    before.is_some_and(|(service, old)| if service == canary { old == weight } else { old.rest(max) == weight })
}
