//! Services and the Ingress: what a pass writes into them.
//!
//! Follows `rollout/service.go` and `rollout/trafficrouting/alb/alb.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1).

use super::pass::Pass;
use super::status::ReplicaSet;
use super::step::{HeaderRoute, MirrorRoute};
use super::{Effect, Selector};
use crate::model::Service;
use crate::units::TrafficWeight;

/// What a ReplicaSet must have before a Service moves to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    AvailablePods,
}

impl Pass<'_> {
    /// Source: `reconcilePingAndPongService` and `reconcileStableAndCanaryService`.
    pub(super) fn reconcile_services(&mut self) {
        let observed = self.observed();
        let (new, stable) = (observed.new, observed.stable);
        if self.rollout.spec.is_ping_pong() {
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
    pub(super) fn point(&mut self, service: Service, to: Option<ReplicaSet>, needs: Needs) {
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
                self.effects.push(Effect::RemoveRoute(route.name));
            }
            return;
        }
        self.rollout.ingress.is_cleared = false;
        let is_lost = self.rollout.ingress.lost.remove(&route.name);
        let routes = &mut self.rollout.ingress.routes;
        let wanted = (route.clone(), service);
        match place {
            Some(place) if routes[place] == wanted && !is_lost => return,
            Some(place) => routes[place] = wanted,
            None => routes.push(wanted),
        }
        self.effects.push(Effect::SetHeaderRoute(route));
    }

    /// As a header route. Source: `SetMirrorRoute` of each router.
    pub(super) fn set_mirror_route(&mut self, route: MirrorRoute) {
        let service = self.rollout.canary_service();
        let mirrors = &mut self.rollout.ingress.mirrors;
        let before = mirrors.iter().position(|(other, _)| other.name == route.name).map(|place| mirrors.remove(place));
        if route.matches.is_empty() {
            self.effects.extend(before.map(|_| Effect::RemoveRoute(route.name)));
            return;
        }
        let wanted = (route.clone(), service);
        let is_there = !self.rollout.ingress.lost.remove(&route.name) && before.as_ref() == Some(&wanted);
        mirrors.push(wanted);
        if !is_there {
            self.effects.push(Effect::SetMirrorRoute(route));
        }
    }

    pub(super) fn remove_managed_routes(&mut self) {
        let Some(routing) = &self.rollout.spec.canary().traffic_routing else { return };
        let managed = &routing.managed_routes;
        let super::Ingress { routes, mirrors, is_cleared, .. } = &mut self.rollout.ingress;
        let names = routes.iter().map(|(route, _)| &route.name).chain(mirrors.iter().map(|(route, _)| &route.name));
        let mut gone: Vec<_> = names.filter(|name| managed.contains(name)).cloned().collect();
        routes.retain(|(route, _)| !gone.contains(&route.name));
        mirrors.retain(|(route, _)| !gone.contains(&route.name));
        if routing.removes_by_form && !std::mem::replace(is_cleared, true) {
            gone.clone_from(managed);
        }
        if !gone.is_empty() {
            self.rollout.ingress.lost.retain(|name| !gone.contains(name));
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
