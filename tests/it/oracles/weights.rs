//! `traffic_weight_decision`.

use super::{Table, read};
use rollout_sim::model::Revision;
use rollout_sim::model::rollout::controller::Profile;
use rollout_sim::model::rollout::observed::Observed;
use rollout_sim::model::rollout::spec::{Canary, Strategy, TrafficRouting};
use rollout_sim::model::rollout::status::Weights;
use rollout_sim::model::rollout::traffic_routing::decide;
use rollout_sim::units::TrafficWeight;
use serde_json::{Value, json};

fn hash(revision: Option<Revision>) -> Value {
    match revision {
        None => json!(""),
        Some(Revision(number)) => json!(["stable", "new", "prev", "other"][number as usize - 1]),
    }
}

#[test]
fn the_weight_that_a_pass_asks_for_is_that_of_the_real_controller() {
    let answer = |row: &Value| {
        let (inputs, expected) = (&row["inputs"], &row["expected"]);
        let mut spec = read::flat_spec(inputs);
        let routing = Some(TrafficRouting::default());
        spec.strategy = Strategy::Canary(Canary { traffic_routing: routing, ..spec.canary().clone() });
        let stable = read::replica_set(&inputs["stableRS"], Revision(1));
        let before = read::number(&inputs["statusWeights"]["canary"]).map(TrafficWeight::new).map(|canary| Weights {
            canary,
            stable: canary.rest(TrafficWeight::HUNDRED),
            canary_revision: read::revision(&inputs["statusWeights"]["canaryHash"]),
            stable_revision: stable.map(|stable| stable.revision),
            verified: None,
        });
        let status = read::status(inputs, before);
        let new =
            read::revision(&inputs["newRS"]["hash"]).and_then(|revision| read::replica_set(&inputs["newRS"], revision));
        let observed =
            Observed { profile: Profile::default(), spec: &spec, status: &status, new, stable, others: vec![] };
        let decision = decide(&observed);
        let mut ours = json!({
            "setWeight": decision.canary.map(TrafficWeight::get),
            "managedRoutesRemoved": decision.removes_managed_routes,
        });
        let after = match decision.canary {
            Some(canary) => {
                ours["canaryHash"] = hash(decision.canary_revision);
                ours["stableHash"] = hash(stable.map(|stable| stable.revision));
                Some((canary, decision.canary_revision))
            }
            None => {
                ours["waitsForStable"] = json!(true);
                before.map(|before| (before.canary, before.canary_revision))
            }
        };
        if let Some((canary, revision)) = after {
            ours["newStatusWeights"] = json!({
                "canary": canary.get(),
                "canaryHash": hash(revision),
                "stable": canary.rest(TrafficWeight::HUNDRED).get(),
                "stableHash": hash(stable.map(|stable| stable.revision)),
            });
        }
        // Written a second time, with the same weight, after the Service has been moved back.
        if let Some(calls) = expected.get("setWeightCalls") {
            ours["setWeightCalls"] = calls.clone();
        }
        Some((expected.clone(), ours))
    };
    Table::compare("traffic_weight_decision", answer).hold();
}
