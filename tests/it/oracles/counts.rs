//! `replica_counts_basic`, `replica_counts_traffic_routed`, `weight_to_replicas`.

use super::{Table, read};
use rollout_sim::model::Revision;
use rollout_sim::model::rollout::basic_canary::nearest_split;
use rollout_sim::model::rollout::controller::Profile;
use rollout_sim::model::rollout::observed::Observed;
use rollout_sim::model::rollout::replicas::{
    ScaleSource, at_desired_replica_counts, current_set_weight, desired_canary_weight, scale_source, wanted,
};
use rollout_sim::model::rollout::status::Weights;
use rollout_sim::units::TrafficWeight;
use serde_json::{Value, json};

/// Values that belong to an intermediate step of the calculation; the answer is `canary` and `stable`.
fn answer(row: &Value) -> Option<(Value, Value)> {
    let inputs = &row["inputs"];
    let spec = read::flat_spec(inputs);
    let weight = |name: &str| read::number(&inputs["weights"][name]).map(TrafficWeight::new);
    let weights = weight("canary").zip(weight("stable")).map(|(canary, stable)| Weights {
        canary,
        stable,
        canary_revision: None,
        stable_revision: None,
        verified: None,
    });
    let status = read::status(inputs, weights);
    let stable = read::replica_set(&inputs["stableRS"], Revision(1));
    let new = if read::flag(&inputs["canaryIsStable"]) {
        stable
    } else {
        read::replica_set(&inputs["canaryRS"], Revision(2))
    };
    let others = inputs["olderRSs"].as_array().map_or(vec![], |others| {
        let numbered = others.iter().zip(10..);
        numbered.map(|(other, number)| read::replica_set(other, Revision(number)).expect("it exists")).collect()
    });
    let observed = Observed { profile: Profile::default(), spec: &spec, status: &status, new, stable, others };
    let ours = wanted(&observed, weights);
    let fenceposts = spec.canary().fenceposts(spec.replicas);
    let mut answer = json!({
        "canary": ours.canary,
        "stable": ours.stable,
        "maxSurge": fenceposts.max_surge,
        "maxUnavailable": fenceposts.max_unavailable,
        "maxTrafficWeight": spec.canary().max_weight().get(),
        "currentSetWeight": current_set_weight(&observed).get(),
        "desiredCanaryWeight": desired_canary_weight(&observed).get(),
    });
    match scale_source(&observed) {
        ScaleSource::Weight(weight) => answer["weightForScaling"] = json!(weight.get()),
        ScaleSource::Replicas(replicas) => {
            answer["weightForScaling"] = json!(0);
            answer["explicitCanaryReplicas"] = json!(replicas);
        }
    }
    if row["expected"].get("atDesiredReplicaCounts").is_some() {
        answer["atDesiredReplicaCounts"] = json!(at_desired_replica_counts(&observed, weights));
        answer["atDesiredReplicaCountsIgnoringWeights"] = json!(at_desired_replica_counts(&observed, None));
    }
    Some((row["expected"].clone(), answer))
}

#[test]
fn replica_counts_without_a_router_are_those_of_the_real_controller() {
    Table::compare("replica_counts_basic", answer).hold();
}

#[test]
fn replica_counts_with_a_router_are_those_of_the_real_controller() {
    Table::compare("replica_counts_traffic_routed", answer).hold();
}

#[test]
fn a_weight_is_as_many_pods_as_in_the_real_controller() {
    let answer = |row: &Value| {
        let number = |name: &str| read::number(&row["inputs"][name]).expect("a number");
        let (weight, max) = (TrafficWeight::new(number("weight")), TrafficWeight::new(number("maxWeight")));
        let split = nearest_split(number("specReplicas"), weight, max, number("maxSurge"));
        let ceil = weight.pods_ceil(number("specReplicas"), max);
        let ours = json!({ "canary": split.canary, "stable": split.stable, "trafficCeil": ceil });
        Some((row["expected"].clone(), ours))
    };
    Table::compare("weight_to_replicas", answer).hold();
}
