//! What surrounds the application: `[namespace]`, `[cluster]`, `[rollouts_controller]`, `[load_balancer_controller]` and
//! `[load_balancer]`.

use super::document::Entry;
use super::preset::{self, Preset};
use super::quoted::quoted;
use super::reader::Reader;
use super::value::text_from;
use crate::model::load_balancer::cookie::CookieSpec;
use crate::model::load_balancer::hold::Hold;
use crate::model::load_balancer::{EmptyTargetGroup, InitialOnly, LoadBalancerSpec, TargetGroupSelection};
use crate::model::load_balancer_controller::listener_rules::RuleSynthesis;
use crate::model::load_balancer_controller::{
    GatedPods, LoadBalancerControllerSpec, QueueDiscipline, ReadinessGateSpec,
};
use crate::model::rollout::controller::{Profile, RolloutsControllerSpec, Version};
use crate::model::scheduler::ClusterSpec;
use crate::random::Distribution;
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

/// Whether the label of the Namespace injects readiness gates, and whether there are managed routes. Of another router's
/// control plane only what it has in common with that of the ALB is shown.
pub fn load_balancer_controller(
    reader: &mut Reader<'_, '_>,
    preset: &Preset,
    (gates_are_injected, has_routes): (bool, bool),
) -> LoadBalancerControllerSpec {
    let is_alb = preset.is_alb();
    let is_wanted = |reader: &Reader<'_, '_>, name| is_alb || reader.has(name);
    let (default, note) = preset.rule_lag.clone();
    let rule_lag = reader.distribution("rule_lag", default, note);
    let mut reconcile_time = if is_alb { Duration::secs(2) } else { Duration::ZERO };
    if is_wanted(reader, "reconcile_time") {
        reconcile_time = reader.duration(
            "reconcile_time",
            reconcile_time,
            "The last part of rule_lag: from the controller's look at the Ingress to ModifyRule. AWS Load Balancer \
             Controller: some dozen AWS calls in a row before it",
        );
    }
    let queue = reader.choice(
        "queue",
        &[("work_queue", QueueDiscipline::WorkQueue), ("overlap", QueueDiscipline::Overlap)],
        "What happens to a change that finds its group queued already. controller-runtime: one item per group, the \
         newest state wins",
    );
    let (rule_call, rule_synthesis) = rule_calls(reader, has_routes && is_alb);
    let tolerates_missing_action = tolerates_missing_action(reader);
    let (default, note) = preset.target_lag.clone();
    let target_lag = reader.distribution("target_lag", default, note);
    let (deregister_targets, register_targets) = target_calls(reader, is_alb);
    // The webhook is the AWS Load Balancer Controller's.
    let readiness_gate = readiness_gate(reader, gates_are_injected && is_alb);
    LoadBalancerControllerSpec {
        rule_lag,
        reconcile_time,
        queue,
        rule_call,
        rule_synthesis,
        tolerates_missing_action,
        target_lag,
        deregister_targets,
        register_targets,
        readiness_gate,
    }
}

/// Of interest only where somebody takes the action away.
fn tolerates_missing_action(reader: &mut Reader<'_, '_>) -> bool {
    const NAME: &str = "tolerate_non_existent_backend_action";
    if !reader.has(NAME) && !reader.writes_schema() {
        return true;
    }
    let note = "The flag --tolerate-non-existent-backend-action: a rule whose action annotation is missing answers 503; else \
                the whole pass fails, and the load balancer stays as it is. AWS Load Balancer Controller: true unless set";
    reader.boolean(NAME, true, note)
}

/// The proxies of other routers are called by nobody: they hear.
fn target_calls(reader: &mut Reader<'_, '_>, is_alb: bool) -> (Distribution, Distribution) {
    let mut calls = if is_alb {
        (Distribution::millis(50), Distribution::millis(100))
    } else {
        (Distribution::millis(0), Distribution::millis(0))
    };
    if is_alb || reader.has("deregister_targets") {
        calls.0 = reader.distribution(
            "deregister_targets",
            calls.0,
            "The call DeregisterTargets. aws-load-balancer-controller issue 3069: 41 ms",
        );
    }
    if is_alb || reader.has("register_targets") {
        calls.1 = reader.distribution(
            "register_targets",
            calls.1,
            "The call RegisterTargets. aws-load-balancer-controller issue 3069: 205 ms; assumption: half of that as usual",
        );
    }
    calls
}

/// Weights change by one call of one kind: where no route comes and goes, none of this matters.
fn rule_calls(reader: &mut Reader<'_, '_>, has_routes: bool) -> (Distribution, RuleSynthesis) {
    let mut spec = (Distribution::millis(150), RuleSynthesis::BySettings);
    let is_wanted = |reader: &Reader<'_, '_>, name| has_routes || reader.has(name) || reader.writes_schema();
    if is_wanted(reader, "rule_call") {
        spec.0 = reader.distribution(
            "rule_call",
            spec.0,
            "One call about listener rules, where another one follows it. Assumption: the time of an API call; AWS publishes \
             no figure",
        );
    }
    if is_wanted(reader, "rule_synthesis") {
        spec.1 = reader.choice(
            "rule_synthesis",
            &[("by_settings", RuleSynthesis::BySettings), ("by_priority", RuleSynthesis::ByPriority)],
            "How rules that there are become the wanted ones: by_settings, since 2.12, keeps what has the wanted settings; \
             by_priority, before, rewrites whatever stands at a priority",
        );
    }
    spec
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

/// Of an ALB `idle_timeout` comes from an annotation of the Ingress. Of other proxies only what they have in common with an
/// ALB is shown: they look at no pod themselves.
///
/// The idle time-out, and whether clients stay with target groups or targets.
pub fn load_balancer(
    reader: &mut Reader<'_, '_>,
    preset: &Preset,
    (idle_timeout, is_sticky): (Duration, bool),
) -> LoadBalancerSpec {
    let (default, note) = preset.nodes;
    let nodes = reader.count("nodes", 1..=100, default, note);
    let hold = hold(reader, preset);
    let distribution = |reader: &mut Reader<'_, '_>, name, default: &preset::Sourced<Distribution>| {
        reader.distribution(name, default.0.clone(), default.1)
    };
    let rule_push = distribution(reader, "rule_push", &preset.rule_push);
    let health_checks = health_checks(reader, preset.is_alb());
    let registration = distribution(reader, "registration", &preset.registration);
    let mut first_health_check = Distribution::uniform_millis(0, 5000);
    if health_checks || reader.has("first_health_check") {
        first_health_check = reader.distribution(
            "first_health_check",
            first_health_check,
            "From then until that node's first health check. Assumption: AWS publishes no figure",
        );
    }
    let deregistration = match &preset.deregistration {
        Some(default) => distribution(reader, "deregistration", default),
        None => registration.clone(),
    };
    let (initial_passes, empty_target_group, initial_only) = of_health(reader, health_checks);
    let (default, note) = preset.selection;
    let mut selections = [("random", TargetGroupSelection::Random), ("smooth", TargetGroupSelection::Smooth)];
    if default == TargetGroupSelection::Smooth {
        selections.reverse();
    }
    let target_group_selection = reader.choice("target_group_selection", &selections, note);
    let cookies = cookies(reader, is_sticky);
    let (default, note) = preset.connect_timeout;
    let connect_timeout = reader.duration("connect_timeout", default, note);
    let idle_timeout = match preset.is_alb() {
        true => idle_timeout,
        false => reader.duration("idle_timeout", preset.idle_timeout.0, preset.idle_timeout.1),
    };
    LoadBalancerSpec {
        nodes,
        hold,
        rule_push,
        registration,
        health_checks,
        first_health_check,
        deregistration,
        initial_passes,
        empty_target_group,
        initial_only,
        target_group_selection,
        cookies,
        connect_timeout,
        idle_timeout,
    }
}

/// Nobody asks where no client stays.
fn cookies(reader: &mut Reader<'_, '_>, is_sticky: bool) -> CookieSpec {
    let mut spec = CookieSpec { honours_zero_weight: false, is_renewed: true };
    let is_wanted = |reader: &Reader<'_, '_>, name| is_sticky || reader.has(name) || reader.writes_schema();
    if is_wanted(reader, "sticky_honours_zero_weight") {
        spec.honours_zero_weight = reader.boolean(
            "sticky_honours_zero_weight",
            spec.honours_zero_weight,
            "Whether a valid AWSALBTG cookie leads to a target group whose weight has become 0. AWS: a cookie overrides the \
             weights for its duration; of 0 it says nothing. Assumption: false, its user is drawn anew; with true he stays \
             until the group leaves the rule",
        );
    }
    if is_wanted(reader, "sticky_cookies_are_renewed") {
        spec.is_renewed = reader.boolean(
            "sticky_cookies_are_renewed",
            spec.is_renewed,
            "Whether each answer sets the cookie anew, so that it ends after the last request. Assumption: it does",
        );
    }
    spec
}

/// A batch has its own spelling with an ALB.
fn hold(reader: &mut Reader<'_, '_>, preset: &Preset) -> Hold {
    let Hold::Batch(batch) = preset.hold.0 else { return super::hold::read(reader, "hold", preset.hold) };
    if !preset.is_alb() {
        return super::hold::read(reader, "hold", preset.hold);
    }
    const NOTE: &str = "How changes of the routes are held back. Preset alb: the batch of rule_batch";
    if reader.has("hold") && reader.has("rule_batch") {
        reader.error_here(
            "`hold` and `rule_batch` say the same thing",
            "leave rule_batch out: hold = { batch = \"10s\" }",
        );
    }
    if reader.writes_schema() {
        super::hold::read(reader, "hold", (preset.hold.0, NOTE));
    } else if reader.has("hold") {
        reader.accept("rule_batch");
        return super::hold::read(reader, "hold", (preset.hold.0, NOTE));
    }
    Hold::Batch(reader.duration("rule_batch", batch, preset.hold.1))
}

/// An ALB is not asked about it.
fn health_checks(reader: &mut Reader<'_, '_>, is_alb: bool) -> bool {
    const NAME: &str = "health_checks";
    const NOTE: &str = "Whether each node looks for itself, as an ALB does. Without, a pod gets requests as soon as a node hears \
                        of it: such proxies go by EndpointSlices alone";
    if is_alb && !reader.has(NAME) && !reader.writes_schema() {
        return true;
    }
    reader.boolean(NAME, is_alb, NOTE)
}

/// What depends on what a node finds out for itself.
fn of_health(reader: &mut Reader<'_, '_>, health_checks: bool) -> (u32, EmptyTargetGroup, InitialOnly) {
    let is_wanted = |reader: &Reader<'_, '_>, name| health_checks || reader.has(name);
    let mut initial_passes = 1;
    if is_wanted(reader, "initial_passes") {
        initial_passes = reader.count(
            "initial_passes",
            1..=10,
            1,
            "Passed checks that make a new target healthy. ELBv2, health checks for target groups: one",
        );
    }
    let note = match health_checks {
        true => {
            "What a node does for a group that has lost all its targets, or has initial ones only. ELBv2, troubleshooting: \
             503"
        }
        false => "What a proxy does for a Service without endpoints. Assumption: 503, as Envoy and nginx answer",
    };
    let empty_target_group = reader.choice(
        "empty_target_group",
        &[("503", EmptyTargetGroup::Answer503), ("last_known_targets", EmptyTargetGroup::LastKnownTargets)],
        note,
    );
    let mut initial_only = InitialOnly::Answer503;
    if is_wanted(reader, "initial_only") {
        initial_only = reader.choice(
            "initial_only",
            &[("503", InitialOnly::Answer503), ("route", InitialOnly::Route)],
            "What a node does for a group whose targets are all initial. Assumption: 503, as argo-rollouts issue 4433 saw; \
             other reports differ",
        );
    }
    (initial_passes, empty_target_group, initial_only)
}
