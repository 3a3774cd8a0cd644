//! What surrounds the application: `[namespace]`, `[cluster]`, `[rollouts_controller]`, `[load_balancer_controller]` and
//! `[load_balancer]`.

use super::document::Entry;
use super::quoted::quoted;
use super::reader::Reader;
use super::value::text_from;
use crate::model::load_balancer::{EmptyTargetGroup, InitialOnly, LoadBalancerSpec, TargetGroupSelection};
use crate::model::load_balancer_controller::{
    GatedPods, LoadBalancerControllerSpec, QueueDiscipline, ReadinessGateSpec,
};
use crate::model::rollout::controller::{Profile, RolloutsControllerSpec, Version};
use crate::model::scheduler::ClusterSpec;
use crate::random::{Distribution, Tail};
use crate::units::Duration;

const HOST_UNREACHABLE: &str = "Share of connections to a removed pod that end in 502 by ICMP, not in 504. Assumption: \
    aws-load-balancer-controller issue 2366 saw both";

const AVAILABILITY_CHECK: &str = "From the end of minReadySeconds, if it is set, until a pod counts as available. \
    Kubernetes, pkg/api/v1/pod: API time stamps have whole seconds";

/// Whether the load balancer controller puts readiness gates into new pods.
pub fn namespace(reader: &mut Reader<'_, '_>) -> bool {
    reader.ignored(&["name", "annotations"]);
    reader.table("labels", "Labels of the Namespace; their values are strings", |reader| {
        const NOTE: &str = "`enabled`: new pods get a readiness gate for each target group whose Service selects them. AWS \
                            Load Balancer Controller: none unless set";
        const LABEL: &str = "elbv2.k8s.aws/pod-readiness-gate-inject";
        let is_injected = reader.text(LABEL, None, NOTE);
        if let Some(value) = is_injected.as_ref().filter(|value| !["enabled", "disabled"].contains(&value.as_str())) {
            let (key, place) = (reader.key(LABEL), reader.place());
            let message = format!("`{value}` puts no readiness gates into pods");
            reader.pass.warning(&key, place, message, "the webhook looks for the value \"enabled\"");
        }
        other_labels(reader);
        is_injected.is_some_and(|value| value == "enabled")
    })
}

fn other_labels(reader: &mut Reader<'_, '_>) {
    let entries: Vec<&Entry> = reader.others().collect();
    for entry in entries {
        let key = reader.key(&entry.key);
        reader.accept(&entry.key);
        match text_from(&entry.key, &entry.value) {
            Ok(text) => {
                const NOTE: &str = "Accepted, without effect on the simulation";
                reader.pass.parameter(key, quoted(&text), Some(&entry.value), NOTE);
            }
            Err((message, help)) => reader.pass.error(&key, entry.value.place.clone(), message, help),
        }
    }
}

pub fn cluster(reader: &mut Reader<'_, '_>) -> ClusterSpec {
    const NODES: &str = "Worker nodes, with room for every pod. Assumption: a small cluster";
    let nodes = reader.count("nodes", 1..=10_000, 5, NODES);
    let mut delay = |name, default, note| reader.distribution(name, default, note);
    let uniform = Distribution::uniform_millis;
    ClusterSpec {
        nodes,
        api_write: delay(
            "api_write",
            Distribution::millis(15),
            "One write to the API server. Kubernetes SLO: 99 % within 1 s; assumption: 15 ms as usual",
        ),
        scheduling: delay(
            "scheduling",
            Distribution::millis(20),
            "From the creation of a pod to its binding. Kubernetes, scheduler throughput tests: 100 pods/s and more",
        ),
        sandbox_creation: delay(
            "sandbox_creation",
            uniform(500, 1500),
            "From the binding until the pod has its network. Kubernetes, pod start-up tests: median 1.1 s in all",
        ),
        image_pull: delay(
            "image_pull",
            Distribution::secs(2),
            "The first pull of a revision's image on a node. Assumption: 60 MB compressed at 50 MB/s, and 0.8 s",
        ),
        container_start: delay(
            "container_start",
            uniform(200, 500),
            "Creation and start of the container. Assumption: containerd's usual times",
        ),
        container_seen: delay(
            "container_seen",
            uniform(100, 1000),
            "From the start of the container until the kubelet probes it. kubelet, `genericPlegRelistPeriod`: 1 s",
        ),
        kubelet_notices_delete: delay(
            "kubelet_notices_delete",
            uniform(50, 300),
            "From the deletion until the kubelet acts on it. Assumption: the time of a watch",
        ),
        sandbox_removal: delay(
            "sandbox_removal",
            uniform(200, 1000),
            "From the exit of the container until the pod's network is gone. Assumption: a CNI delete",
        ),
        pod_removal: delay(
            "pod_removal",
            uniform(1000, 4000),
            "From the exit of the container until the pod object is gone. Kubernetes issue 115459: a few seconds",
        ),
        replica_set_sync: delay(
            "replica_set_sync",
            Distribution::millis(30),
            "From a ReplicaSet's new size until its controller creates or deletes pods. Assumption: the time of a watch",
        ),
        replica_set_status: delay(
            "replica_set_status",
            uniform(50, 300),
            "From a change of a pod until the Rollouts controller hears of it. Assumption: two writes and two watches",
        ),
        availability_check: delay("availability_check", uniform(0, 1_000), AVAILABILITY_CHECK),
        endpoint_slice: delay(
            "endpoint_slice",
            uniform(60, 400),
            "From a change of a pod or selector until its EndpointSlice is heard of. Assumption: a write, two watches",
        ),
        host_unreachable_share: reader.share("host_unreachable_share", 0.2, HOST_UNREACHABLE),
    }
}

pub fn rollouts_controller(reader: &mut Reader<'_, '_>) -> RolloutsControllerSpec {
    let reconcile_delay = reader.distribution(
        "reconcile_delay",
        Distribution::millis(100),
        "From whatever wakes the Rollouts controller until its pass. argo-rollouts issue 1731 logs 56 ms a pass, 1.10 \
         requeues after 100 ms",
    );
    let versions = Version::ALL.map(|(name, version)| (name, version));
    let newest_first: Vec<_> = versions.into_iter().rev().collect();
    let profile = Profile {
        version: reader.choice(
            "version",
            &newest_first,
            "The release of Argo Rollouts; the README lists what differs. Assumption: the newest",
        ),
        aws_verify_target_group: reader.boolean(
            "aws_verify_target_group",
            false,
            "The flag --aws-verify-target-group: the controller looks up weights and targets at AWS. Argo Rollouts: off \
             unless set",
        ),
        honor_scale_down_delay: honor_scale_down_delay(reader),
    };
    let resync_period = resync_period(reader);
    let (aws_query_time, aws_error_share) = aws_queries(reader, profile.aws_verify_target_group);
    RolloutsControllerSpec { profile, reconcile_delay, resync_period, aws_query_time, aws_error_share }
}

fn resync_period(reader: &mut Reader<'_, '_>) -> Duration {
    let default = RolloutsControllerSpec::default().resync_period;
    let period = reader.whole_seconds(
        "resync_period",
        Duration::secs(1)..=Duration::secs(86_400),
        Some(default),
        "The controller looks at the Rollout again this often, whatever happened; first so long after the start of the \
         run. Argo Rollouts, `--rollout-resync`: 900 s unless set",
    );
    period.unwrap_or(default)
}

/// No assumption of anybody's, unless somebody asks.
fn honor_scale_down_delay(reader: &mut Reader<'_, '_>) -> bool {
    const NAME: &str = "honor_scale_down_delay";
    const NOTE: &str = "What if scaleDownDelaySeconds held together with dynamicStableScale? In no release: argo-rollouts \
                        pull request 4925";
    (reader.has(NAME) || reader.writes_schema()) && reader.boolean(NAME, false, NOTE)
}

/// How long a look at AWS takes, and which share of them fails. Nobody looks while the flag is off.
fn aws_queries(reader: &mut Reader<'_, '_>, is_on: bool) -> (Distribution, f64) {
    let is_wanted = |reader: &Reader<'_, '_>, name| is_on || reader.has(name) || reader.writes_schema();
    let mut time = Distribution::millis(500);
    if is_wanted(reader, "aws_query_time") {
        time = reader.distribution(
            "aws_query_time",
            time,
            "What a look at AWS adds to a pass. Argo Rollouts: five calls or more, one after the other; assumption: 0.1 s \
             each",
        );
    }
    let mut error_share = 0.0;
    if is_wanted(reader, "aws_error_share") {
        error_share = reader.share(
            "aws_error_share",
            error_share,
            "Of the looks at AWS, the share that fails (throttled, denied). Assumption: none",
        );
    }
    (time, error_share)
}

/// `gates_are_injected` comes from a label of the Namespace.
pub fn load_balancer_controller(reader: &mut Reader<'_, '_>, gates_are_injected: bool) -> LoadBalancerControllerSpec {
    let p95 = |median, at| Distribution::LogNormal {
        median: Duration::millis(median),
        tail: Tail::P95(Duration::millis(at)),
    };
    let rule_lag = reader.distribution(
        "rule_lag",
        p95(1500, 8000),
        "From the change of the Ingress to ModifyRule, when its group was idle. Assumption: seconds in a quiet account; \
         aws-load-balancer-controller issue 3588 saw about 70 s in a busy one",
    );
    let reconcile_time = reader.duration(
        "reconcile_time",
        Duration::secs(2),
        "The last part of rule_lag: from the controller's look at the Ingress to ModifyRule. AWS Load Balancer \
         Controller: some dozen AWS calls in a row before it",
    );
    let queue = reader.choice(
        "queue",
        &[("work_queue", QueueDiscipline::WorkQueue), ("overlap", QueueDiscipline::Overlap)],
        "What happens to a change that finds its group queued already. controller-runtime: one item per group, the \
         newest state wins",
    );
    let target_lag = reader.distribution(
        "target_lag",
        p95(700, 3000),
        "From the change of the endpoints to the AWS call. aws-load-balancer-controller issue 2366: within the same \
         second",
    );
    let deregister_targets = reader.distribution(
        "deregister_targets",
        Distribution::millis(50),
        "The call DeregisterTargets. aws-load-balancer-controller issue 3069: 41 ms",
    );
    let register_targets = reader.distribution(
        "register_targets",
        Distribution::millis(100),
        "The call RegisterTargets. aws-load-balancer-controller issue 3069: 205 ms; assumption: half of that as usual",
    );
    let readiness_gate = readiness_gate(reader, gates_are_injected);
    LoadBalancerControllerSpec {
        rule_lag,
        reconcile_time,
        queue,
        target_lag,
        deregister_targets,
        register_targets,
        readiness_gate,
    }
}

/// Nobody waits for a gate where none is injected.
fn readiness_gate(reader: &mut Reader<'_, '_>, is_injected: bool) -> ReadinessGateSpec {
    let is_wanted = |reader: &Reader<'_, '_>, name| is_injected || reader.has(name) || reader.writes_schema();
    let mut spec = ReadinessGateSpec {
        is_injected,
        gated_pods: GatedPods::Watch,
        requeue_duration: Duration::secs(15),
        pod_watch: Distribution::uniform_millis(50, 300),
        gate_patch: Distribution::uniform_millis(100, 500),
    };
    if is_wanted(reader, "gated_pods") {
        spec.gated_pods = reader.choice(
            "gated_pods",
            &[("watch", GatedPods::Watch), ("requeue", GatedPods::Requeue), ("back_off", GatedPods::BackOff)],
            "How the controller learns that the containers of a gated pod are ready. AWS Load Balancer Controller: a watch \
             since 3.4; looks requeue_duration apart since 2.10; before, looks after longer and longer waits",
        );
    }
    if is_wanted(reader, "requeue_duration") {
        spec.requeue_duration = reader.duration(
            "requeue_duration",
            spec.requeue_duration,
            "Between two questions to DescribeTargetHealth while a readiness gate is open. AWS Load Balancer Controller, \
             --targetgroupbinding-requeue-duration: 15 s",
        );
    }
    if is_wanted(reader, "pod_watch") {
        spec.pod_watch = reader.distribution(
            "pod_watch",
            spec.pod_watch,
            "From a pod's ContainersReady until the controller knows of it. Assumption: the time of a write and a watch",
        );
    }
    if is_wanted(reader, "gate_patch") {
        spec.gate_patch = reader.distribution(
            "gate_patch",
            spec.gate_patch,
            "From DescribeTargetHealth until the gate has passed and the pod is Ready. Assumption: an AWS call, a write, a \
             watch",
        );
    }
    spec
}

/// `idle_timeout` comes from an annotation of the Ingress.
pub fn load_balancer(reader: &mut Reader<'_, '_>, idle_timeout: Duration) -> LoadBalancerSpec {
    let nodes = reader.count("nodes", 1..=100, 3, "Nodes of the ALB. ELBv2: at least one in each zone, at most 100");
    let rule_batch = reader.duration(
        "rule_batch",
        Duration::secs(10),
        "The ALB collects rule changes for this long. aws-load-balancer-controller issue 4039: 10 s",
    );
    let rule_push = reader.distribution(
        "rule_push",
        Distribution::uniform_millis(0, 5000),
        "From the end of that until a node routes by the rule. argo-rollouts issue 3617: about 15 s in all",
    );
    let registration = reader.distribution(
        "registration",
        Distribution::uniform_millis(1000, 5000),
        "From RegisterTargets until a node knows the target. Assumption: AWS publishes no figure",
    );
    let first_health_check = reader.distribution(
        "first_health_check",
        Distribution::uniform_millis(0, 5000),
        "From then until that node's first health check. Assumption: AWS publishes no figure",
    );
    let deregistration = reader.distribution(
        "deregistration",
        Distribution::Triangular { min: Duration::secs(2), mode: Duration::secs(10), max: Duration::secs(20) },
        "From DeregisterTargets until a node stops sending requests. aws-load-balancer-controller issues 2366 and 1719: \
         2 to 17 s, about 10 s. Left out: the tail to 40 s that one report has",
    );
    let initial_passes = reader.count(
        "initial_passes",
        1..=10,
        1,
        "Passed checks that make a new target healthy. ELBv2, health checks for target groups: one",
    );
    let empty_target_group = reader.choice(
        "empty_target_group",
        &[("503", EmptyTargetGroup::Answer503), ("last_known_targets", EmptyTargetGroup::LastKnownTargets)],
        "What a node does for a group that has lost all its targets, or has initial ones only. ELBv2, troubleshooting: 503",
    );
    let initial_only = reader.choice(
        "initial_only",
        &[("503", InitialOnly::Answer503), ("route", InitialOnly::Route)],
        "What a node does for a group whose targets are all initial. Assumption: 503, as argo-rollouts issue 4433 saw; \
         other reports differ",
    );
    let target_group_selection = reader.choice(
        "target_group_selection",
        &[("random", TargetGroupSelection::Random), ("smooth", TargetGroupSelection::Smooth)],
        "How a node picks the target group by weight. Assumption: each request draws its lot; AWS does not publish it",
    );
    let connect_timeout = reader.duration(
        "connect_timeout",
        Duration::secs(10),
        "How long a node waits for a connection to a target. ELBv2, troubleshooting: 10 s",
    );
    LoadBalancerSpec {
        nodes,
        rule_batch,
        rule_push,
        registration,
        first_health_check,
        deregistration,
        initial_passes,
        empty_target_group,
        initial_only,
        target_group_selection,
        connect_timeout,
        idle_timeout,
    }
}
