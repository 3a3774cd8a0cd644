//! `[rollout]`: the `spec` of a Rollout, with the field names of its manifest.

use super::document::Node;
use super::reader::Reader;
use super::workload::{MAX_REPLICAS, MAX_SECONDS, Workload, WorkloadSection};
use super::{analysis, fenceposts, pod_template, steps, traffic_routing};
use crate::model::rollout::analysis::Templates;
use crate::model::rollout::spec::{
    BackgroundAnalysis, BlueGreen, Canary, ReplicaProgressThreshold, RolloutSpec, Strategy,
};
use crate::units::Duration;
use serde_json::json;

pub fn read(reader: &mut Reader<'_, '_>) -> WorkloadSection {
    let replicas = reader.count("replicas", 1..=MAX_REPLICAS, 1, "Pods. Argo Rollouts, `spec.replicas`: 1 unless set");
    let min_ready = reader.seconds(
        "minReadySeconds",
        0..=MAX_SECONDS,
        0,
        "Seconds that a pod must be ready before it counts as available. Argo Rollouts: 0 unless set",
    );
    let progress_deadline = reader.seconds(
        "progressDeadlineSeconds",
        1..=MAX_SECONDS,
        600,
        "Seconds without progress after which the controller calls the release Degraded. Argo Rollouts: 600 unless \
         set",
    );
    let progress_deadline_abort = reader.boolean(
        "progressDeadlineAbort",
        false,
        "Whether the controller aborts a release that makes no progress. Argo Rollouts: false unless set",
    );
    let revision_history_limit = reader.count(
        "revisionHistoryLimit",
        0..=1_000,
        10,
        "ReplicaSets that are kept beside stable and canary. Argo Rollouts: 10 unless set",
    );
    let rollback_window = reader.optional_table("rollbackWindow", "Going back without steps", |window| {
        window.optional_count("revisions", 1..=1_000, "So many revisions back")
    });
    reader.ignored(&["selector", "metadata"]);
    reader.not_simulated(&["restartAt", "workloadRef"]);
    // Limits of the history of runs.
    reader.ignored(&["analysis"]);
    let (pod, pre_stop) = pod_template::read(reader);
    let mut spec = RolloutSpec {
        replicas,
        paused: paused(reader),
        min_ready,
        progress_deadline,
        progress_deadline_abort,
        revision_history_limit,
        rollback_window: rollback_window.flatten(),
        ..RolloutSpec::default()
    };
    reader.table("strategy", "How a release proceeds", |strategy| {
        // Of two strategies the controller says that one is too many.
        let is_blue_green = strategy.has("blueGreen") && !strategy.has("canary");
        let blue_green =
            strategy.optional_table("blueGreen", "All new pods beside the old ones, then one switch", blue_green);
        if is_blue_green {
            strategy.ignored(&["canary"]);
            spec.strategy = Strategy::BlueGreen(blue_green.unwrap_or_default());
        } else {
            let canary = strategy.table("canary", "A canary, with traffic routing or without", canary_strategy);
            spec.strategy = Strategy::Canary(canary);
        }
    });
    WorkloadSection { workload: Workload::Rollout(spec), pod, pre_stop }
}

/// No assumption of anybody's, unless somebody asks.
fn paused(reader: &mut Reader<'_, '_>) -> bool {
    const NAME: &str = "paused";
    const NOTE: &str = "A pause by hand from the start of the run: the new template gets its ReplicaSet, but no pods and no \
                        steps until an action promotes. Argo Rollouts: false unless set";
    (reader.has(NAME) || reader.writes_schema()) && reader.boolean(NAME, false, NOTE)
}

fn canary_strategy(reader: &mut Reader<'_, '_>) -> Canary {
    reader.text("canaryService", None, "The Service of the canary's pods");
    reader.text("stableService", None, "The Service of the stable pods");
    let dynamic_stable_scale = reader.boolean(
        "dynamicStableScale",
        false,
        "Whether the stable ReplicaSet shrinks as the canary's weight grows. Argo Rollouts: false unless set",
    );
    let scale_down_delay = scale_down_delay(reader, dynamic_stable_scale);
    let (max_unavailable, max_surge) = (fenceposts::max_unavailable(reader), fenceposts::max_surge(reader));
    let abort_scale_down_delay = reader.optional_count(
        "abortScaleDownDelaySeconds",
        0..=MAX_SECONDS,
        "Seconds from an abort until the canary's pods go; 0: no delay. Argo Rollouts: 30 unless set",
    );
    let scale_down_delay_revision_limit = reader.optional_count(
        "scaleDownDelayRevisionLimit",
        0..=1_000,
        "Old ReplicaSets that may wait at once. Argo Rollouts: all, unless set",
    );
    let min_pods_per_replica_set = reader.optional_count(
        "minPodsPerReplicaSet",
        0..=MAX_REPLICAS,
        "Pods of a ReplicaSet that has any. Argo Rollouts: 1 unless set",
    );
    let threshold =
        reader.optional_table("replicaProgressThreshold", "When a canary counts as ready", progress_threshold);
    anti_affinity(reader);
    reader.ignored(&["canaryMetadata", "stableMetadata"]);
    let ping_pong = ping_pong(reader);
    let traffic_routing = reader.optional_table(
        "trafficRouting",
        "What splits the traffic; without it the numbers of pods do",
        traffic_routing::read,
    );
    let analysis = reader.take("analysis", background_schema, "An AnalysisRun beside the steps");
    let analysis = analysis.map(|node| background(reader, node));
    let node = reader.take("steps", steps::schema, "The steps of the canary, in order");
    let key = reader.key("steps");
    Canary {
        analysis,
        steps: steps::read(reader.pass, &key, node),
        max_surge,
        max_unavailable,
        traffic_routing,
        dynamic_stable_scale,
        scale_down_delay,
        scale_down_delay_revision_limit,
        abort_scale_down_delay: abort_scale_down_delay.map(|seconds| Duration::secs(u64::from(seconds))),
        min_pods_per_replica_set,
        replica_progress_threshold: threshold,
        ping_pong,
    }
}

/// It is no parameter where the controller refuses it, next to dynamicStableScale and without a router, unless the user set
/// it.
fn scale_down_delay(reader: &mut Reader<'_, '_>, dynamic_stable_scale: bool) -> Option<Duration> {
    const NAME: &str = "scaleDownDelaySeconds";
    let is_refused = dynamic_stable_scale || !reader.has("trafficRouting");
    if is_refused && !reader.has(NAME) && !reader.writes_schema() {
        // Known all the same.
        reader.not_simulated(&[NAME]);
        return None;
    }
    Some(reader.seconds(
        NAME,
        0..=MAX_SECONDS,
        30,
        "Seconds from the promotion until the previous ReplicaSet goes. Argo Rollouts: 30 unless set, with traffic \
         routing",
    ))
}

fn ping_pong(reader: &mut Reader<'_, '_>) -> bool {
    let services = reader.optional_table(
        "pingPong",
        "Two Services that take turns as stable and canary, instead of canaryService and stableService",
        |ping_pong| {
            ping_pong.text("pingService", None, "The Service of the stable pods at first");
            ping_pong.text("pongService", None, "The Service of the first canary's pods");
        },
    );
    services.is_some()
}

/// The controller checks it, the simulated cluster has no nodes.
fn anti_affinity(reader: &mut Reader<'_, '_>) {
    const NOTE: &str = "Where the pods of stable and canary may meet: accepted, without effect on the simulation";
    let schema = || {
        let weight = json!({ "type": "integer", "minimum": 1, "maximum": 100, "description": "Of this wish" });
        json!({
            "type": "object",
            "properties": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "type": "object",
                    "description": "Never on one node",
                },
                "preferredDuringSchedulingIgnoredDuringExecution": {
                    "type": "object",
                    "description": "On one node only where there is no other",
                    "properties": { "weight": weight },
                    "required": ["weight"],
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    };
    if let Some(node) = reader.take("antiAffinity", schema, NOTE) {
        reader.pass.parameter(reader.key("antiAffinity"), node.to_toml(), Some(node), NOTE);
    }
}

pub fn templates_schema() -> serde_json::Value {
    let name = json!({ "type": "string", "description": "One of [[analysis_templates]]" });
    let template = json!({ "type": "object", "properties": { "templateName": name } });
    let templates = json!({ "type": "array", "description": "What one run measures together", "items": template });
    json!({ "type": "object", "properties": { "templates": templates } })
}

fn background_schema() -> serde_json::Value {
    let mut schema = templates_schema();
    schema["properties"]["startingStep"] = json!({
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "The run begins with this step, counted from 0",
    });
    schema
}

fn background(reader: &mut Reader<'_, '_>, node: &Node) -> BackgroundAnalysis {
    const NOTE: &str = "An AnalysisRun beside the steps, from startingStep on";
    let key = reader.key("analysis");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    let starting_step = node.table().and_then(|table| table.get("startingStep"));
    let index = starting_step.map_or(Some(0), |entry| usize::try_from(entry.value.integer()?).ok());
    if index.is_none() {
        let place = starting_step.and_then(|entry| entry.value.place.clone());
        reader.pass.error(
            &key,
            place,
            "startingStep is the position of a step, counted from 0",
            "write startingStep = 2",
        );
    }
    let templates = analysis::template_names(reader.pass, &key, node, &["startingStep"]);
    BackgroundAnalysis { templates, starting_step: index.unwrap_or(0) }
}

fn blue_green(reader: &mut Reader<'_, '_>) -> BlueGreen {
    if reader.exists() && !reader.has("activeService") {
        reader.missing("activeService", "write activeService = \"web\"");
    }
    reader.text("activeService", None, "The Service that the traffic goes to");
    reader.text("previewService", None, "The Service of the new pods before the promotion");
    let auto_promotion = reader.boolean(
        "autoPromotionEnabled",
        true,
        "Whether the active Service moves by itself. Argo Rollouts: true unless set",
    );
    let seconds = |count: Option<u32>| count.map(|count| Duration::secs(u64::from(count)));
    let mut optional = |name, note| seconds(reader.optional_count(name, 0..=MAX_SECONDS, note));
    let auto_promotion_after =
        optional("autoPromotionSeconds", "So long after the new pods are available the active Service moves by itself");
    let scale_down_delay = optional(
        "scaleDownDelaySeconds",
        "Seconds from the promotion until the old pods go. Argo Rollouts: 30 unless set",
    );
    let abort_scale_down_delay = optional(
        "abortScaleDownDelaySeconds",
        "Seconds from an abort until the new pods go; 0: never. Argo Rollouts: 30 unless set",
    );
    let preview_replicas = reader.optional_count(
        "previewReplicaCount",
        1..=MAX_REPLICAS,
        "Pods of the preview. Argo Rollouts: all unless set",
    );
    let scale_down_delay_revision_limit = reader.optional_count(
        "scaleDownDelayRevisionLimit",
        0..=1_000,
        "Old ReplicaSets that may wait at once. Argo Rollouts: all, unless set",
    );
    reader.ignored(&["activeMetadata", "previewMetadata", "maxUnavailable"]);
    anti_affinity(reader);
    let mut run = |name, note| -> Option<Templates> {
        let node = reader.take(name, templates_schema, note)?;
        let key = reader.key(name);
        reader.pass.parameter(key.clone(), node.to_toml(), Some(node), note);
        Some(analysis::template_names(reader.pass, &key, node, &[]))
    };
    let pre_promotion_analysis = run("prePromotionAnalysis", "An AnalysisRun before the active Service moves");
    let post_promotion_analysis = run("postPromotionAnalysis", "An AnalysisRun after the active Service has moved");
    BlueGreen {
        auto_promotion,
        // Zero is no pause at all.
        auto_promotion_after: auto_promotion_after.filter(|after| *after > Duration::ZERO),
        // Zero counts as unset.
        preview_replicas: preview_replicas.filter(|pods| *pods > 0),
        scale_down_delay,
        scale_down_delay_revision_limit,
        abort_scale_down_delay,
        pre_promotion_analysis,
        post_promotion_analysis,
    }
}

fn progress_threshold(reader: &mut Reader<'_, '_>) -> ReplicaProgressThreshold {
    for (name, help) in [("type", "write type = \"Percent\", or \"Pods\""), ("value", "write value = 90")] {
        // Both are required by the CRD.
        if reader.exists() && !reader.has(name) {
            reader.missing(name, help);
        }
    }
    let is_percent =
        reader.choice("type", &[("Percent", true), ("Pods", false)], "Percent of the wanted pods, or a number of pods");
    let value = reader.count("value", 0..=MAX_REPLICAS, 100, "So many of them must be available");
    if is_percent { ReplicaProgressThreshold::Percent(value) } else { ReplicaProgressThreshold::Pods(value) }
}
