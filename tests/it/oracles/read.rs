//! Manifests and statuses as the tables write them.

use rollout_sim::model::Revision;
use rollout_sim::model::fenceposts::IntOrPercent;
use rollout_sim::model::request_match::StringMatch;
use rollout_sim::model::rollout::spec::{Canary, ReplicaProgressThreshold, RolloutSpec, Strategy, TrafficRouting};
use rollout_sim::model::rollout::status::{ReplicaSet, Status, Weights};
use rollout_sim::model::rollout::step::{CanaryScale, HeaderMatch, HeaderRoute, Step};
use rollout_sim::units::{Duration, Instant, TrafficWeight};
use serde_json::Value;

pub fn number(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| u32::try_from(number).expect("it fits"))
}

pub fn flag(value: &Value) -> bool {
    value == &Value::Bool(true)
}

pub fn seconds(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::secs)
}

pub fn int_or_percent(value: &Value) -> IntOrPercent {
    match (value, number(value)) {
        (Value::Null, _) => IntOrPercent::default(),
        (_, Some(pods)) => IntOrPercent::Pods(pods),
        (value, None) => IntOrPercent::parse(value.as_str().expect("a text")),
    }
}

pub fn steps(value: &Value) -> Vec<Step> {
    value.as_array().map_or(vec![], |steps| steps.iter().map(step).collect())
}

fn step(value: &Value) -> Step {
    let weight = |value: &Value| number(value).map(TrafficWeight::new);
    if let Some(weight) = weight(&value["setWeight"]) {
        return Step::SetWeight(weight);
    }
    if let Some(scale) = value.get("setCanaryScale") {
        return Step::SetCanaryScale(
            match (flag(&scale["matchTrafficWeight"]), &scale["replicas"], &scale["weight"]) {
                (true, ..) | (false, Value::Null, Value::Null) => CanaryScale::MatchTrafficWeight,
                (false, Value::Null, scale) => CanaryScale::Weight(weight(scale).expect("a weight")),
                (false, replicas, _) => CanaryScale::Replicas(number(replicas).expect("pods")),
            },
        );
    }
    if let Some(route) = value.get("setHeaderRoute") {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let one = |value: &Value| HeaderMatch {
            header_name: text(&value["headerName"]),
            value: StringMatch::Exact(text(&value["headerValue"]["exact"])),
        };
        let matches = route["match"].as_array().map_or(vec![], |matches| matches.iter().map(one).collect());
        return Step::SetHeaderRoute(HeaderRoute { name: text(&route["name"]), matches });
    }
    let pause = value.get("pause").unwrap_or_else(|| panic!("a step: {value}"));
    let duration = pause.get("duration").map(|duration| {
        let seconds = rollout_sim::model::rollout::step::pause_seconds(duration.as_str(), duration.as_i64());
        Duration::secs(u64::try_from(seconds).expect("a valid duration"))
    });
    Step::Pause(duration)
}

/// The fields of a decision table.
pub fn flat_spec(inputs: &Value) -> RolloutSpec {
    let is_routed = flag(&inputs["trafficRouted"]) || inputs.get("statusWeights").is_some();
    RolloutSpec {
        replicas: number(&inputs["specReplicas"]).unwrap_or(1),
        strategy: Strategy::Canary(Canary {
            max_surge: int_or_percent(&inputs["maxSurge"]),
            max_unavailable: int_or_percent(&inputs["maxUnavailable"]),
            ..canary(inputs, is_routed.then(|| routing(inputs)))
        }),
        ..RolloutSpec::default()
    }
}

pub fn canary(fields: &Value, traffic_routing: Option<TrafficRouting>) -> Canary {
    Canary {
        analysis: None,
        steps: steps(&fields["steps"]),
        max_surge: int_or_percent(&fields["maxSurge"]),
        max_unavailable: int_or_percent(&fields["maxUnavailable"]),
        traffic_routing,
        dynamic_stable_scale: flag(&fields["dynamicStableScale"]),
        scale_down_delay: seconds(&fields["scaleDownDelaySeconds"]),
        scale_down_delay_revision_limit: number(&fields["scaleDownDelayRevisionLimit"]),
        abort_scale_down_delay: seconds(&fields["abortScaleDownDelaySeconds"]),
        min_pods_per_replica_set: number(&fields["minPodsPerReplicaSet"]),
        replica_progress_threshold: threshold(&fields["replicaProgressThreshold"]),
        ping_pong: fields.get("pingPong").is_some(),
    }
}

pub fn routing(fields: &Value) -> TrafficRouting {
    let name = |route: &Value| route["name"].as_str().expect("a name").to_owned();
    let routes = fields["managedRoutes"].as_array();
    TrafficRouting {
        stickiness: None,
        max_weight: number(&fields["maxTrafficWeight"]).map_or(TrafficWeight::HUNDRED, TrafficWeight::new),
        managed_routes: routes.map_or(vec![], |routes| routes.iter().map(name).collect()),
        removes_by_form: false,
    }
}

fn threshold(value: &Value) -> Option<ReplicaProgressThreshold> {
    let amount = number(&value["value"])?;
    Some(match value["type"].as_str() {
        Some("Pods") => ReplicaProgressThreshold::Pods(amount),
        Some("Percent") => ReplicaProgressThreshold::Percent(amount),
        other => panic!("a type of threshold: {other:?}"),
    })
}

/// The hashes of the tables, one revision each.
pub fn revision(hash: &Value) -> Option<Revision> {
    match hash.as_str()? {
        "" => None,
        "stable" => Some(Revision(1)),
        "canary" | "new" => Some(Revision(2)),
        "prev" => Some(Revision(3)),
        "other" => Some(Revision(4)),
        other => panic!("a hash: {other}"),
    }
}

pub fn replica_set(value: &Value, revision: Revision) -> Option<ReplicaSet> {
    Some(ReplicaSet {
        revision,
        replicas: number(value.get("spec")?).expect("pods"),
        created: number(&value["created"]).expect("pods"),
        available: number(&value["available"]).expect("pods"),
        desired_replicas: 0,
        number: revision.0,
        created_at: Instant::START,
        scale_down_deadline: None,
    })
}

pub fn status(inputs: &Value, weights: Option<Weights>) -> Status {
    Status {
        stable: revision(&inputs["statusStableRS"]),
        current: revision(&inputs["statusCurrentPodHash"]),
        step_index: inputs["currentStepIndex"].as_u64().map(|index| usize::try_from(index).expect("few steps")),
        abort: flag(&inputs["abort"]),
        promote_full: flag(&inputs["promoteFull"]),
        weights,
        ..Status::default()
    }
}
