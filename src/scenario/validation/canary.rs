//! `strategy.canary`.

use super::rule::Rule;
use super::{Value, Violations, anti_affinity, loosely_zero};
use crate::model::rollout::step::pause_seconds;

/// What may stand in a step. Of the first four, one at most.
const STEPS: [&str; 8] =
    ["setWeight", "pause", "experiment", "analysis", "setCanaryScale", "setHeaderRoute", "setMirrorRoute", "plugin"];

/// Routers that send requests to Services, so that both must be named. An ALB, and Istio without a DestinationRule, take
/// those of `pingPong` instead.
const SERVICE_ROUTERS: [&str; 6] = ["nginx", "smi", "ambassador", "appMesh", "traefik", "apisix"];

pub(super) fn violations(violations: &mut Violations, canary: Value<'_>) {
    let routing = canary.get("trafficRouting");
    if loosely_zero(canary.get("maxSurge")) && loosely_zero(canary.get("maxUnavailable")) {
        violations.invalid(Rule::Surge, "spec.strategy.maxSurge", "MaxSurge and MaxUnavailable both can not be zero");
    }
    let (canary_service, stable_service) = (canary.get("canaryService").text(), canary.get("stableService").text());
    if !canary_service.is_empty() && canary_service == stable_service {
        let detail = "This rollout uses the same service for the stable and canary services, but two different services \
                      are required.";
        violations.invalid(Rule::CanaryServices, "spec.strategy.stableService", detail);
    }
    if canary.get("pingPong").is_there() {
        ping_pong(violations, canary.get("pingPong"), routing);
    }
    if requires_services(canary.get("pingPong"), routing) {
        let detail = "Canary service and Stable service must to be set to use Traffic Routing";
        for (name, service) in [("stableService", stable_service), ("canaryService", canary_service)] {
            if service.is_empty() {
                violations.invalid(Rule::MissingCanaryService, format!("spec.strategy.{name}"), detail);
            }
        }
    }
    scaling(violations, canary, routing);
    let max = routing.get("maxTrafficWeight").integer().unwrap_or(100);
    for (index, step) in canary.get("steps").items().enumerate() {
        Step { field: format!("spec.strategy.steps[{index}]"), step, routing, max }.violations(violations);
    }
    anti_affinity(violations, canary.get("antiAffinity"));
}

fn requires_services(ping_pong: Value<'_>, routing: Value<'_>) -> bool {
    let istio = routing.get("istio");
    let needs_pair = routing.get("alb").is_there() || (istio.is_there() && !istio.get("destinationRule").is_there());
    SERVICE_ROUTERS.iter().any(|router| routing.get(router).is_there()) || (needs_pair && !ping_pong.is_there())
}

fn ping_pong(violations: &mut Violations, ping_pong: Value<'_>, routing: Value<'_>) {
    let has = |router: &str| routing.get(router).is_there();
    if routing.is_there() && !has("alb") && !has("istio") && !has("plugins") {
        let detail = "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only";
        violations.invalid(Rule::PingPongRouter, "spec.strategy.trafficRouting.alb", detail);
    }
    let (ping, pong) = (ping_pong.get("pingService").text(), ping_pong.get("pongService").text());
    for (name, service) in [("pingService", ping), ("pongService", pong)] {
        if service.is_empty() {
            let detail = "Ping service and Pong service must to be set to use Ping-Pong feature";
            violations.invalid(Rule::PingPongServices, format!("spec.strategy.pingPong.{name}"), detail);
        }
    }
    if ping == pong {
        let detail = "This rollout uses the same service for the ping and pong services, but two different services are \
                      required.";
        violations.invalid(Rule::PingPongServices, "spec.strategy.pingPong.pingService", detail);
    }
    if has("alb") && routing.get("alb").get("rootService").text().is_empty() {
        let detail = "Root service field is required for the configuration with ALB and ping-pong feature enabled";
        violations.invalid(Rule::PingPongRootService, "spec.strategy.trafficRouting.alb.rootService", detail);
    }
}

fn scaling(violations: &mut Violations, canary: Value<'_>, routing: Value<'_>) {
    let (has_delay, is_dynamic) =
        (canary.get("scaleDownDelaySeconds").is_there(), canary.get("dynamicStableScale").is_true());
    if has_delay && !routing.is_there() {
        let detail = "Canary scaleDownDelaySeconds can only be used with traffic routing";
        violations.invalid(Rule::ScaleDownDelayNeedsRouter, "spec.strategy.scaleDownDelaySeconds", detail);
    }
    if is_dynamic && !routing.is_there() {
        let detail = "Canary dynamicStableScale can only be used with traffic routing";
        violations.invalid(Rule::DynamicStableScaleNeedsRouter, "spec.strategy.dynamicStableScale", detail);
    } else if is_dynamic && has_delay {
        let detail = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds";
        violations.invalid(Rule::DynamicStableScale, "spec.strategy.dynamicStableScale", detail);
    }
    let takes_max = routing.get("nginx").is_there() || routing.get("plugins").is_there();
    if routing.get("maxTrafficWeight").is_there() && !takes_max {
        let detail = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins";
        violations.invalid(Rule::MaxTrafficWeight, "spec.strategy.trafficRouting.maxTrafficWeight", detail);
    }
}

struct Step<'a> {
    field: String,
    step: Value<'a>,
    routing: Value<'a>,
    max: i64,
}

impl Step<'_> {
    fn violations(&self, violations: &mut Violations) {
        let Self { field, step, routing, max } = self;
        let present = |kinds: &[&str]| kinds.iter().filter(|kind| step.get(kind).is_there()).count();
        let detail = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";
        for _ in 1..present(&STEPS[..4]) {
            violations.invalid(Rule::OneStep, field, detail);
        }
        if present(&STEPS) == 0 {
            violations.invalid(Rule::StepKind, field, detail);
        }
        if step.get("setWeight").integer().is_some_and(|weight| weight < 0 || weight > *max) {
            violations.invalid(
                Rule::SetWeight,
                format!("{field}.setWeight"),
                format!("SetWeight needs to be between 0 and {max}"),
            );
        }
        let duration = step.get("pause").get("duration");
        let text = duration.0.and_then(super::Node::text);
        if duration.is_there() && pause_seconds(text, duration.integer()) < 0 {
            violations.invalid(
                Rule::PauseDuration,
                format!("{field}.pause.duration"),
                "Duration needs to be greater than 0",
            );
        }
        self.experiment(violations);
        if step.get("setCanaryScale").is_there() && !routing.is_there() {
            let detail = "SetCanaryScale requires TrafficRouting to be set";
            violations.required(Rule::SetCanaryScaleNeedsRouter, "spec.strategy.trafficRouting", detail);
        }
        self.header_route(violations);
        if step.get("setMirrorRoute").is_there() && !self.has_router(&["istio", "plugins"]) {
            let detail = "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins";
            violations.invalid(Rule::SetMirrorRoute, format!("{field}.setMirrorRoute"), detail);
        }
        self.managed_route(violations);
    }

    /// A share of the traffic for an experiment's pods.
    fn experiment(&self, violations: &mut Violations) {
        let detail = match self.has_router(&["smi", "alb", "istio", "plugins"]) {
            true => return,
            false if self.routing.is_there() => {
                "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this \
                 time"
            }
            false => "Experiment template weight cannot be set unless TrafficRouting is enabled",
        };
        for (index, template) in self.step.get("experiment").get("templates").items().enumerate() {
            if template.get("weight").is_there() {
                let field = format!("{}.experiment.templates[{index}].weight", self.field);
                violations.invalid(Rule::ExperimentWeight, field, detail);
            }
        }
    }

    fn has_router(&self, routers: &[&str]) -> bool {
        routers.iter().any(|router| self.routing.get(router).is_there())
    }

    fn header_route(&self, violations: &mut Violations) {
        let route = self.step.get("setHeaderRoute");
        if !route.is_there() {
            return;
        }
        let field = format!("{}.setHeaderRoute", self.field);
        if !self.has_router(&["istio", "alb", "apisix", "plugins"]) {
            let detail = "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix";
            return violations.invalid(Rule::SetHeaderRoute, &field, detail);
        }
        for (index, header) in route.get("match").items().enumerate() {
            let value = header.get("headerValue");
            let has = |kind: &str| !value.get(kind).text().is_empty();
            let forms = ["exact", "regex", "prefix"].iter().filter(|kind| has(kind)).count();
            let is_alb = self.routing.get("alb").is_there() && value.is_there();
            let (rule, detail) = match (is_alb, forms) {
                (true, _) if !has("exact") || forms > 1 => {
                    (Rule::AlbHeaderValue, "SetHeaderRoute match value invalid. ALB supports 'exact' value only")
                }
                (false, 0) => (
                    Rule::HeaderValue,
                    "StringMatch value missed, match value must have one of the following: exact, regex, prefix",
                ),
                (false, 2..) => (
                    Rule::HeaderValue,
                    "StringMatch match value must have exactly one of the following: exact, regex, prefix",
                ),
                (true, _) | (false, 1) => continue,
            };
            violations.invalid(rule, format!("{field}.match[{index}]"), detail);
        }
    }

    fn managed_route(&self, violations: &mut Violations) {
        let managed = self.routing.get("managedRoutes");
        for kind in ["setHeaderRoute", "setMirrorRoute"] {
            let route = self.step.get(kind);
            if !route.is_there() || !self.routing.is_there() {
                continue;
            }
            if !managed.is_there() {
                let detail = "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'";
                return violations.required(
                    Rule::MissingManagedRoutes,
                    "spec.strategy.trafficRouting.managedRoutes",
                    detail,
                );
            }
            if !managed.items().any(|other| other.get("name").text() == route.get("name").text()) {
                let detail =
                    "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes";
                violations.invalid(Rule::ManagedRoute, format!("{}.{kind}", self.field), detail);
            }
        }
    }
}
