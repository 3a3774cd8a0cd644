//! `alb_annotations`, `ingress_validation`.

use super::Table;
use rollout_sim::model::ingress::{Backend, HttpPath, Ingress, IngressRule, PathType, ServicePort, USE_ANNOTATION};
use rollout_sim::model::load_balancer::listener_rule::Action;
use rollout_sim::model::load_balancer_controller::listener_rules::{Cluster, build};
use rollout_sim::model::request_match::StringMatch;
use rollout_sim::model::rollout::alb::Router;
use rollout_sim::model::rollout::router::Destination;
use rollout_sim::model::rollout::step::{HeaderMatch, HeaderRoute};
use rollout_sim::scenario::validation::ingress::violation;
use rollout_sim::units::TrafficWeight;
use serde_json::{Value, json};

const PREFIX: &str = "alb.ingress.kubernetes.io";

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

fn router(inputs: &Value) -> Router {
    let alb = &inputs["alb"];
    let or = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
    let sticky = &alb["stickinessConfig"];
    Router {
        rollout: text(&inputs["rolloutName"]),
        annotation_prefix: or(&alb["annotationPrefix"], PREFIX),
        action_service: or(&alb["rootService"], inputs["stableService"].as_str().expect("a name")),
        service_port: inputs["port"].as_i64().expect("a port"),
        stickiness: sticky["durationSeconds"].as_i64().filter(|_| sticky["enabled"] == Value::Bool(true)),
    }
}

fn path(service: &str) -> HttpPath {
    let backend = Backend { service: service.to_owned(), port: ServicePort::Name(USE_ANNOTATION.to_owned()) };
    HttpPath { path: "/*".to_owned(), path_type: PathType::ImplementationSpecific, backend }
}

/// The Ingress after the call of a row: with one path to the root Service before it.
fn after(row: &Value) -> Result<Ingress, String> {
    let inputs = &row["inputs"];
    let (router, [canary, stable]) = (router(inputs), services(inputs));
    let annotations = serde_json::from_value(inputs["annotations"].clone()).expect("texts");
    let rules = vec![IngressRule { host: None, paths: vec![path(&router.action_service)] }];
    let mut ingress = Ingress { annotations, default_backend: None, rules };
    if row["kind"] == "weight" {
        let mut split = vec![Destination { service: canary, weight: weight(&inputs["desiredWeight"]) }];
        for other in inputs["additionalDestinations"].as_array().into_iter().flatten() {
            split.push(Destination { service: text(&other["serviceName"]), weight: weight(&other["weight"]) });
        }
        let given: i64 = split.iter().map(|destination| destination.weight.get()).sum();
        let given = TrafficWeight::new(u32::try_from(given).expect("small shares"));
        split.push(Destination { service: stable, weight: given.rest(TrafficWeight::HUNDRED) });
        router.set_weights(&mut ingress, &split)?;
    } else {
        let route = &inputs["headerRoute"];
        let one = |header: &Value| HeaderMatch {
            header_name: text(&header["headerName"]),
            value: StringMatch::Exact(text(&header["headerValue"]["exact"])),
        };
        let matches = route["match"].as_array().into_iter().flatten().map(one).collect();
        let route = HeaderRoute { name: text(&route["name"]), matches };
        router.set_header_route(&mut ingress, (&route, &canary), std::slice::from_ref(&route.name))?;
        let root = path(&router.action_service);
        let paths = if route.matches.is_empty() { vec![root] } else { vec![path(&route.name), root] };
        assert_eq!(ingress.rules[0].paths, paths, "{row}");
    }
    Ok(ingress)
}

#[test]
fn the_annotations_are_those_of_the_real_controller() {
    let answer = |row: &Value| {
        let ours = match after(row) {
            Ok(ingress) => json!({ "annotations": ingress.annotations }),
            Err(message) => json!({ "error": message }),
        };
        Some((row["expected"].clone(), ours))
    };
    Table::compare("alb_annotations", answer).hold();
}

/// Under its own prefix: another one says nothing to it.
#[test]
fn the_load_balancer_controller_reads_what_the_rollouts_controller_writes() {
    let answer = |row: &Value| {
        let ingress = after(row).ok().filter(|_| router(&row["inputs"]).annotation_prefix == PREFIX)?;
        let [canary, stable] = services(&row["inputs"]);
        let listener = match build(&ingress, &Cluster::default()) {
            Ok(listener) => listener,
            // Experiments can take more than there is: what is written then, ELBv2 refuses.
            Err(reason) => {
                assert!(
                    reason.starts_with('-') && reason.ends_with(" is no weight of a target group"),
                    "{reason}: {row}"
                );
                return None;
            }
        };
        let first = &listener.rules[0];
        let weights = |action: &Action| match action {
            Action::Forward(forward) => {
                forward.target_groups.iter().map(|group| json!([group.service, group.weight])).collect::<Vec<_>>()
            }
            Action::FixedResponse(_) | Action::Redirect => vec![],
        };
        if row["kind"] == "weight" {
            let groups = weights(&first.action);
            let expected = json!([canary, row["inputs"]["desiredWeight"]]);
            assert_eq!(groups.last().map(|group| group[0].clone()), Some(json!(stable)), "{row}");
            return Some((expected, groups[0].clone()));
        }
        if row["inputs"]["headerRoute"]["match"].as_array().is_none_or(Vec::is_empty) {
            return None;
        }
        let headers = first.conditions.iter().filter(|condition| condition.field() == "http-header").count();
        let mut names: Vec<_> =
            row["inputs"]["headerRoute"]["match"].as_array()?.iter().map(|it| text(&it["headerName"])).collect();
        names.sort();
        names.dedup();
        Some((json!([names.len(), [[canary, 100]]]), json!([headers, weights(&first.action)])))
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
