//! `maxSurge` and `maxUnavailable`.

use super::document::Node;
use super::reader::Reader;
use super::workload::MAX_REPLICAS;
use crate::model::fenceposts::IntOrPercent;
use serde_json::json;

pub fn max_unavailable(reader: &mut Reader<'_, '_>) -> IntOrPercent {
    int_or_percent(
        reader,
        "maxUnavailable",
        "Pods that may be missing, as a number or as a percentage of the replicas, rounded down. Argo Rollouts, Kubernetes: \
         25% unless set",
    )
}

pub fn max_surge(reader: &mut Reader<'_, '_>) -> IntOrPercent {
    int_or_percent(
        reader,
        "maxSurge",
        "Pods beyond the replicas, as a number or a percentage, rounded up; not with traffic routing. Argo Rollouts, \
         Kubernetes: 25% unless set",
    )
}

/// Any string counts as a percentage, with its sign or without. Source: Argo Rollouts, `resolveFenceposts`.
fn read_int_or_percent(node: &Node) -> Option<IntOrPercent> {
    if let Some(text) = node.text() {
        let part = IntOrPercent::parse(text);
        return matches!(part, IntOrPercent::Percent(0..=1_000)).then_some(part);
    }
    let pods = u32::try_from(node.integer()?).ok()?;
    (pods <= MAX_REPLICAS).then_some(IntOrPercent::Pods(pods))
}

fn int_or_percent(reader: &mut Reader<'_, '_>, name: &'static str, note: &'static str) -> IntOrPercent {
    let default = IntOrPercent::default();
    let schema = || json!({ "type": ["integer", "string"], "default": "25%", "examples": [1, "25%"] });
    let node = reader.take(name, schema, note);
    let key = reader.key(name);
    let Some(node) = node else {
        reader.pass.parameter(key, "\"25%\"".to_owned(), None, note);
        return default;
    };
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), note);
    read_int_or_percent(node).unwrap_or_else(|| {
        let message = format!("{} is neither a number of pods nor a percentage", node.to_toml());
        reader.pass.error(&key, node.place.clone(), message, format!("write {name} = 1 or {name} = \"25%\""));
        default
    })
}
