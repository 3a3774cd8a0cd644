//! `surge_and_unavailable`, `pause_durations`, `scale_down_delays`.

use super::{Table, read};
use rollout_sim::model::fenceposts::fenceposts;
use rollout_sim::model::rollout::spec::{AbortScaleDown, Canary, TrafficRouting};
use rollout_sim::model::rollout::step::pause_seconds;
use serde_json::{Value, json};

#[test]
fn surge_and_unavailable_are_those_of_the_real_controller() {
    let answer = |row: &Value| {
        let inputs = &row["inputs"];
        let [surge, unavailable] = ["maxSurge", "maxUnavailable"].map(|name| read::int_or_percent(&inputs[name]));
        let ours = fenceposts(surge, unavailable, read::number(&inputs["specReplicas"]).expect("pods"));
        let ours = json!({ "maxSurge": ours.max_surge, "maxUnavailable": ours.max_unavailable });
        Some((row["expected"].clone(), ours))
    };
    Table::compare("surge_and_unavailable", answer).hold();
}

#[test]
fn a_pause_is_as_long_as_with_the_real_controller() {
    let answer = |row: &Value| {
        let duration = &row["inputs"]["duration"];
        Some((row["expected"].clone(), json!({ "seconds": pause_seconds(duration.as_str(), duration.as_i64()) })))
    };
    Table::compare("pause_durations", answer).hold();
}

#[test]
fn scale_down_delays_are_those_of_the_real_controller() {
    let answer = |row: &Value| {
        let inputs = &row["inputs"];
        let canary = Canary {
            traffic_routing: read::flag(&inputs["trafficRouted"]).then(TrafficRouting::default),
            scale_down_delay: read::seconds(&inputs["scaleDownDelaySeconds"]),
            abort_scale_down_delay: read::seconds(&inputs["abortScaleDownDelaySeconds"]),
            ..Canary::default()
        };
        let abort = match canary.abort_scale_down() {
            AbortScaleDown::After(delay) => json!(delay.whole_secs()),
            AbortScaleDown::Never => Value::Null,
        };
        let ours = json!({
            "scaleDownDelay": canary.scale_down_delay().whole_secs(),
            "abortScaleDownDelay": abort,
            "abortDelayExplicit": canary.is_traffic_routed() && canary.abort_scale_down_delay.is_some(),
            "holdsCanaryAtFullScale": canary.holds_canary_on_abort(),
        });
        Some((row["expected"].clone(), ours))
    };
    Table::compare("scale_down_delays", answer).hold();
}
