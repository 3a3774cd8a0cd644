//! `alb_annotations`, `ingress_validation`.

use super::Table;
use rollout_sim::model::request_match::StringMatch;
use rollout_sim::model::rollout::alb::{Annotations, Router};
use rollout_sim::model::rollout::router::Destination;
use rollout_sim::model::rollout::step::HeaderMatch;
use rollout_sim::scenario::validation::ingress::violation;
use rollout_sim::units::TrafficWeight;
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn weight(value: &Value) -> TrafficWeight {
    TrafficWeight::new(u32::try_from(value.as_u64().expect("a weight")).expect("a small one"))
}

/// The Services in the roles of canary and stable.
fn services(inputs: &Value) -> [String; 2] {
    let Some(ping_pong) = inputs.get("pingPong") else {
        return ["canaryService", "stableService"].map(|name| text(&inputs[name]));
    };
    let [ping, pong] = ["pingService", "pongService"].map(|name| text(&ping_pong[name]));
    if inputs["stablePingPong"] == "ping" { [pong, ping] } else { [ping, pong] }
}

#[test]
fn the_annotations_are_those_of_the_real_controller() {
    let answer = |row: &Value| {
        let inputs = &row["inputs"];
        let alb = &inputs["alb"];
        let or = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
        let sticky = &alb["stickinessConfig"];
        let router = Router {
            rollout: text(&inputs["rolloutName"]),
            annotation_prefix: or(&alb["annotationPrefix"], "alb.ingress.kubernetes.io"),
            action_service: or(&alb["rootService"], inputs["stableService"].as_str().expect("a name")),
            service_port: inputs["port"].as_i64().expect("a port"),
            stickiness: sticky["durationSeconds"].as_i64().filter(|_| sticky["enabled"] == Value::Bool(true)),
        };
        let before: Annotations = serde_json::from_value(inputs["annotations"].clone()).expect("texts");
        let [canary, stable] = services(inputs);
        let after = if row["kind"] == "weight" {
            let mut split = vec![Destination { service: canary, weight: weight(&inputs["desiredWeight"]) }];
            for other in inputs["additionalDestinations"].as_array().into_iter().flatten() {
                split.push(Destination { service: text(&other["serviceName"]), weight: weight(&other["weight"]) });
            }
            let given: i64 = split.iter().map(|destination| destination.weight.get()).sum();
            let given = TrafficWeight::new(u32::try_from(given).expect("small shares"));
            split.push(Destination { service: stable, weight: given.rest(TrafficWeight::HUNDRED) });
            router.with_weights(&before, &split)
        } else {
            let route = &inputs["headerRoute"];
            let one = |header: &Value| HeaderMatch {
                header_name: text(&header["headerName"]),
                value: StringMatch::Exact(text(&header["headerValue"]["exact"])),
            };
            let matches: Vec<_> = route["match"].as_array().into_iter().flatten().map(one).collect();
            router.with_header_route(&before, &text(&route["name"]), &matches, &canary)
        };
        let ours = match after {
            Ok(annotations) => json!({ "annotations": annotations }),
            Err(message) => json!({ "error": message }),
        };
        Some((row["expected"].clone(), ours))
    };
    Table::compare("alb_annotations", answer).hold();
}

#[test]
fn an_ingress_is_refused_as_by_the_real_controller() {
    let answer = |row: &Value| {
        let inputs = &row["inputs"];
        let root = inputs["alb"]["rootService"].as_str().or(inputs["stableService"].as_str()).expect("a Service");
        let backends: Vec<_> = inputs["ingressBackends"].as_array().expect("backends").iter().collect();
        let backends: Vec<_> = backends.iter().map(|backend| backend["service"].as_str().expect("a name")).collect();
        let ours = violation(inputs["alb"]["ingress"].as_str().expect("a name"), root, &backends);
        let ours: Vec<_> = ours
            .map(|one| json!({ "type": one.kind.name(), "field": one.field, "detail": one.detail }))
            .into_iter()
            .collect();
        Some((row["expected"].clone(), json!({ "errors": ours })))
    };
    Table::compare("ingress_validation", answer).hold();
}
