//! `template`: the pod template of a Rollout or a Deployment.

use super::document::Node;
use super::pass::Pass;
use super::pre_stop::{self, PreStop};
use super::reader::Reader;
use super::workload::MAX_SECONDS;
use crate::model::pod::{PodSpec, ReadinessProbe};
use crate::units::Duration;
use serde_json::json;

/// The pod, and its hook: `PodSpec::pre_stop` is filled in once `[application]` is known, which may have to tell it.
pub fn read(reader: &mut Reader<'_, '_>) -> (PodSpec, PreStop) {
    reader.table("template", "The pod template", |template| {
        template.ignored(&["metadata"]);
        template.table("spec", "The pod's spec", pod_spec)
    })
}

fn pod_spec(reader: &mut Reader<'_, '_>) -> (PodSpec, PreStop) {
    let grace_period = reader.seconds(
        "terminationGracePeriodSeconds",
        0..=MAX_SECONDS,
        30,
        "Seconds from the deletion of a pod to SIGKILL, the preStop hook included. Kubernetes: 30 unless set",
    );
    reader.ignored(&[
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "hostAliases",
        "hostIPC",
        "hostPID",
        "hostUsers",
        "hostname",
        "imagePullSecrets",
        "nodeName",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
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
    // A list in YAML has dashes.
    let help = match node.is_some_and(|node| reader.pass.is_of_manifest(node.place.as_ref())) {
        true => "begin each container with a dash: - name: web",
        false => "write [[rollout.template.spec.containers]]",
    };
    let items = node.and_then(Node::array).unwrap_or_default();
    if let Some(node) = node
        && node.array().is_none()
    {
        reader.pass.error(&path, node.place.clone(), "`containers` must be an array", help);
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
        reader.pass.error(&path, item.place.clone(), message, help);
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
        "resizePolicy",
        "restartPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ]);
    const RESOURCES: &str = "Requests and limits; only [hpa] asks for the CPU request";
    if let Some(node) = reader.take("resources", || json!({ "type": "object" }), RESOURCES) {
        let key = reader.key("resources");
        reader.pass.parameter(key.clone(), node.to_toml(), Some(node), RESOURCES);
        quantities(reader.pass, &key, node);
    }
    reader.not_simulated(&["livenessProbe", "startupProbe"]);
    let pre_stop = reader.optional_table("lifecycle", "Hooks", |lifecycle| {
        lifecycle.not_simulated(&["postStart", "stopSignal"]);
        lifecycle.optional_table("preStop", "Runs before SIGTERM, inside of the grace period", pre_stop_hook)
    });
    let probe = reader.optional_table("readinessProbe", "Decides whether the pod is ready", readiness_probe);
    (probe, pre_stop.flatten().unwrap_or(PreStop::None))
}

/// Requests and limits are quantities; the API server refuses anything else.
fn quantities(pass: &mut Pass, key: &str, node: &Node) {
    for kind in ["requests", "limits"] {
        let Some(table) = node.table().and_then(|table| table.get(kind)).and_then(|entry| entry.value.table()) else {
            continue;
        };
        for entry in table.entries.iter().filter(|entry| !is_quantity(&entry.value)) {
            let message = format!("{} is no quantity", entry.value.to_toml());
            let key = format!("{key}.{kind}.{}", super::path::key(&entry.key));
            pass.error(&key, entry.value.place.clone(), message, "write \"500m\", \"2\", \"64Mi\" or \"1Gi\"");
        }
    }
}

/// Source: Kubernetes, `apimachinery/pkg/api/resource/quantity.go`.
fn is_quantity(node: &Node) -> bool {
    const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let text = node.text().map_or_else(|| node.to_toml(), str::to_owned);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let exponent = suffix.strip_prefix(['e', 'E']).unwrap_or_default();
    let is_exponent = exponent.parse::<i32>().is_ok();
    number.parse::<f64>().is_ok() && (SUFFIXES.contains(&suffix) || is_exponent)
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
