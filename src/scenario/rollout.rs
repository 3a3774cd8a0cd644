//! `[rollout]`: the `spec` of a Rollout, with the field names of its manifest.

use super::document::Node;
use super::pre_stop::{self, PreStop};
use super::reader::{Pass, Reader};
use super::{routes, steps};
use crate::model::fenceposts::IntOrPercent;
use crate::model::pod::{PodSpec, ReadinessProbe};
use crate::model::rollout::spec::{Canary, ReplicaProgressThreshold, RolloutSpec, Strategy, TrafficRouting};
use crate::units::Duration;
use serde_json::json;

/// A release has about twice as many pods, and a second's pods are counted in 16 bits.
pub const MAX_REPLICAS: u32 = 10_000;

/// A day: longer than any of Kubernetes' own waits.
const MAX_SECONDS: u32 = 86_400;

/// `[rollout]` as read; `pod.pre_stop` is filled in once `[application]` is known, which may have to tell it.
#[derive(Debug)]
pub struct RolloutSection {
    pub spec: RolloutSpec,
    pub pod: PodSpec,
    pub pre_stop: PreStop,
}

pub fn read(reader: &mut Reader<'_, '_>) -> RolloutSection {
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
    reader.not_simulated(&["paused", "restartAt", "workloadRef", "analysis"]);
    let (pod, pre_stop) = reader.table("template", "The pod template", |template| {
        template.ignored(&["metadata"]);
        template.table("spec", "The pod's spec", pod_spec)
    });
    let mut spec = RolloutSpec {
        replicas,
        min_ready,
        progress_deadline,
        progress_deadline_abort,
        revision_history_limit,
        rollback_window: rollback_window.flatten(),
        ..RolloutSpec::default()
    };
    reader.table("strategy", "How a release proceeds", |strategy| {
        // Of two strategies the controller says that one is too many.
        if strategy.has("canary") {
            strategy.refused_by_controller("blueGreen");
        } else {
            strategy.not_simulated(&["blueGreen"]);
        }
        let canary = strategy.table("canary", "A canary with traffic routing", canary_strategy);
        spec.strategy = Strategy::Canary(canary);
    });
    RolloutSection { spec, pod, pre_stop }
}

fn pod_spec(reader: &mut Reader<'_, '_>) -> (PodSpec, PreStop) {
    let grace_period = reader.seconds(
        "terminationGracePeriodSeconds",
        0..=MAX_SECONDS,
        30,
        "Seconds from the deletion of a pod to SIGKILL, the preStop hook included. Kubernetes: 30 unless set",
    );
    reader.ignored(&[
        "affinity",
        "automountServiceAccountToken",
        "dnsPolicy",
        "imagePullSecrets",
        "nodeSelector",
        "priorityClassName",
        "restartPolicy",
        "securityContext",
        "serviceAccountName",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    ]);
    reader.not_simulated(&["initContainers", "readinessGates", "hostNetwork"]);
    let (readiness_probe, pre_stop) = containers(reader);
    (PodSpec { grace_period, pre_stop: None, readiness_probe }, pre_stop)
}

fn containers(reader: &mut Reader<'_, '_>) -> (Option<ReadinessProbe>, PreStop) {
    const NOTE: &str = "The pod's container; exactly one is simulated for now";
    let node = reader.take("containers", || json!({ "type": "array", "maxItems": 1 }), NOTE);
    let path = format!("{}[0]", reader.key("containers"));
    const HELP: &str = "write [[rollout.template.spec.containers]]";
    let items = node.and_then(Node::array).unwrap_or_default();
    if let Some(node) = node
        && node.array().is_none()
    {
        reader.pass.error(&path, node.place.clone(), "`containers` must be an array", HELP);
    }
    if let Some(second) = items.get(1) {
        let key = format!("{}[1]", reader.key("containers"));
        let help = "leave the sidecar out, or put both into one container";
        reader.pass.error(&key, second.place.clone(), "more than one container is not simulated yet", help);
    }
    let first = items.first();
    let table = first.and_then(Node::table);
    if let Some(item) = first
        && table.is_none()
    {
        let message = format!("a container is a table, this is {}", item.kind_name());
        reader.pass.error(&path, item.place.clone(), message, HELP);
    }
    let place = first.and_then(|item| item.place.clone());
    let mut container = Reader::new(reader.pass, path, table, place);
    let result = read_container(&mut container);
    container.refuse_unknown();
    result
}

fn read_container(reader: &mut Reader<'_, '_>) -> (Option<ReadinessProbe>, PreStop) {
    reader.text("name", None, "Name of the container");
    reader.ignored(&[
        "image",
        "imagePullPolicy",
        "command",
        "args",
        "env",
        "envFrom",
        "ports",
        "resources",
        "securityContext",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "volumeMounts",
        "workingDir",
    ]);
    reader.not_simulated(&["livenessProbe", "startupProbe"]);
    let pre_stop = reader.optional_table("lifecycle", "Hooks", |lifecycle| {
        lifecycle.not_simulated(&["postStart", "stopSignal"]);
        lifecycle.optional_table("preStop", "Runs before SIGTERM, inside of the grace period", pre_stop_hook)
    });
    let probe = reader.optional_table("readinessProbe", "Decides whether the pod is ready", readiness_probe);
    (probe, pre_stop.flatten().unwrap_or(PreStop::None))
}

fn pre_stop_hook(reader: &mut Reader<'_, '_>) -> PreStop {
    let mut hooks = Vec::new();
    hooks.extend(reader.optional_table("exec", "A command in the container", |exec| {
        const NOTE: &str = "The hook's command: `sleep 60` and shell scripts with sleeps are understood";
        let schema = || json!({ "type": "array", "items": { "type": "string" }, "examples": [["sleep", "60"]] });
        let Some(node) = exec.take("command", schema, NOTE) else {
            exec.missing("command", "write command = [\"sleep\", \"60\"]");
            return PreStop::Unknown;
        };
        let key = exec.key("command");
        exec.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
        command_hook(exec.pass, &key, node)
    }));
    hooks.extend(reader.optional_table("sleep", "The kubelet's own sleep, without a shell", |sleep| {
        if !sleep.has("seconds") {
            sleep.missing("seconds", "write seconds = 60");
        }
        let secs = sleep.optional_count("seconds", 0..=MAX_SECONDS, "Seconds");
        PreStop::Sleep(Duration::secs(u64::from(secs.unwrap_or(0))))
    }));
    hooks.extend(reader.optional_table("httpGet", "A request to the container", |get| {
        get.ignored(&["path", "port", "host", "scheme", "httpHeaders"]);
        PreStop::Unknown
    }));
    if hooks.len() != 1 && !reader.writes_schema() {
        let message = format!("a preStop hook has one handler, this has {}", hooks.len());
        let help = "write lifecycle.preStop.exec.command, .sleep.seconds or .httpGet";
        reader.error_here(message, help);
    }
    hooks.first().copied().unwrap_or(PreStop::None)
}

fn command_hook(pass: &mut Pass, key: &str, node: &Node) -> PreStop {
    let Some(words) = pre_stop::words(node) else {
        pass.error(key, node.place.clone(), "a command is an array of strings", "write [\"sleep\", \"60\"]");
        return PreStop::Unknown;
    };
    if pre_stop::signals_before_sleeping(&words) {
        let message = "this hook tells the program to stop before it sleeps";
        let help = "the simulated program goes on until SIGTERM; sleep first, then stop it";
        pass.warning(key, node.place.clone(), message, help);
    }
    PreStop::from_command(&words)
}

fn readiness_probe(reader: &mut Reader<'_, '_>) -> ReadinessProbe {
    let initial_delay = reader.seconds(
        "initialDelaySeconds",
        0..=MAX_SECONDS,
        0,
        "Seconds from the start of the container to the first probe. Kubernetes: 0 unless set",
    );
    let mut count = |name, default, note| match reader.count(name, 0..=MAX_SECONDS, default, note) {
        // Source: Kubernetes, `SetDefaults_Probe`: zero counts as absent.
        0 => default,
        count => count,
    };
    let period = count("periodSeconds", 10, "Seconds between two probes. Kubernetes: 10 unless set");
    let timeout = count("timeoutSeconds", 1, "Seconds until a probe has failed. Kubernetes: 1 unless set");
    let success_threshold = count("successThreshold", 1, "Passes in a row until ready. Kubernetes: 1 unless set");
    let failure_threshold = count("failureThreshold", 3, "Failures in a row until unready. Kubernetes: 3 unless set");
    reader.ignored(&["terminationGracePeriodSeconds"]);
    reader.optional_table("httpGet", "Passes with a status of 200 to 399", |get| {
        get.ignored(&["path", "port", "host", "scheme", "httpHeaders"]);
    });
    reader.optional_table("tcpSocket", "Passes when the port opens", |socket| socket.ignored(&["port", "host"]));
    reader.optional_table("exec", "Passes with exit code 0", |exec| exec.ignored(&["command"]));
    reader.optional_table("grpc", "Passes when the service says SERVING", |grpc| grpc.ignored(&["port", "service"]));
    let seconds = |count: u32| Duration::secs(u64::from(count));
    ReadinessProbe {
        initial_delay,
        period: seconds(period),
        timeout: seconds(timeout),
        success_threshold,
        failure_threshold,
    }
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
    let max_unavailable = int_or_percent(
        reader,
        "maxUnavailable",
        "Pods that may be missing, as a number or as a percentage of the replicas, rounded down. Argo Rollouts: 25% \
         unless set",
    );
    let max_surge = int_or_percent(
        reader,
        "maxSurge",
        "Pods beyond the replicas, as a number or a percentage, rounded up; without traffic routing only. Argo \
         Rollouts: 25% unless set",
    );
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
    reader.not_simulated(&["analysis"]);
    let ping_pong = ping_pong(reader);
    let traffic_routing = reader.table("trafficRouting", "What splits the traffic", traffic_routing);
    let node = reader.take("steps", steps::schema, "The steps of the canary, in order");
    let key = reader.key("steps");
    Canary {
        analysis: None,
        steps: steps::read(reader.pass, &key, node),
        max_surge,
        max_unavailable,
        traffic_routing: Some(traffic_routing),
        dynamic_stable_scale,
        scale_down_delay,
        scale_down_delay_revision_limit,
        abort_scale_down_delay: abort_scale_down_delay.map(|seconds| Duration::secs(u64::from(seconds))),
        min_pods_per_replica_set,
        replica_progress_threshold: threshold,
        ping_pong,
    }
}

/// It is no parameter next to dynamicStableScale unless the user set it, which the controller refuses.
fn scale_down_delay(reader: &mut Reader<'_, '_>, dynamic_stable_scale: bool) -> Option<Duration> {
    const NAME: &str = "scaleDownDelaySeconds";
    if dynamic_stable_scale && !reader.has(NAME) && !reader.writes_schema() {
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

fn progress_threshold(reader: &mut Reader<'_, '_>) -> ReplicaProgressThreshold {
    let is_percent =
        reader.choice("type", &[("Percent", true), ("Pods", false)], "Percent of the wanted pods, or a number of pods");
    let value = reader.count("value", 0..=MAX_REPLICAS, 100, "So many of them must be available");
    if is_percent { ReplicaProgressThreshold::Percent(value) } else { ReplicaProgressThreshold::Pods(value) }
}

fn traffic_routing(reader: &mut Reader<'_, '_>) -> TrafficRouting {
    reader.not_simulated(&["ambassador", "apisix", "appMesh", "istio", "nginx", "plugins", "smi", "traefik"]);
    reader.refused_by_controller("maxTrafficWeight");
    if reader.exists() && !reader.has("alb") {
        reader.missing("alb", "an AWS Application Load Balancer is what this program simulates");
    }
    reader.optional_table("alb", "An Ingress of the AWS Load Balancer Controller", |alb| {
        alb.text("ingress", None, "Name of the Ingress");
        alb.text("rootService", None, "The Service that the Ingress names. Argo Rollouts: stableService unless set");
        alb.optional_count("servicePort", 1..=65_535, "Port of the Services");
        alb.ignored(&["annotationPrefix", "ingresses"]);
        alb.not_simulated(&["stickinessConfig"]);
    });
    const NOTE: &str = "The routes that setHeaderRoute and setMirrorRoute may make, the one that goes first in front";
    let node = reader.take("managedRoutes", routes::schema, NOTE);
    let key = reader.key("managedRoutes");
    if let Some(node) = node {
        reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    }
    TrafficRouting { managed_routes: routes::managed(reader.pass, &key, node), ..TrafficRouting::default() }
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
