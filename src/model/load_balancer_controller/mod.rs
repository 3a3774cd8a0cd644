//! The AWS Load Balancer Controller: two loops that know nothing of each other.
//!
//! The [`ingress`] loop turns the Ingress annotation into a listener rule; the [`target_group_binding`] loop turns
//! endpoints into registered targets, and a [`readiness_gate`] says which endpoints those are. Follows aws-load-balancer-controller v3.5. Left out: the API's rate limits and
//! errors other than refusals, leader election, several groups that compete for workers (all of them are in the lags).

mod back_off;
pub mod ingress;
pub mod listener_rules;
pub mod readiness_gate;
pub mod target_group_binding;

use crate::random::Distribution;
use crate::units::Duration;
use listener_rules::RuleSynthesis;

/// What happens to a change that finds its Ingress group already in the work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueDiscipline {
    /// As controller-runtime does it: one item per group, the newest state wins.
    WorkQueue,
    /// Every change takes effect its own lag after it was asked for, whatever else is under way: for sums by hand.
    Overlap,
}

/// How the controller learns that the containers of a pod with an open readiness gate have become ready. The
/// EndpointSlice does not tell: `ready` waits for the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatedPods {
    /// It watches the pods. Source: AWS Load Balancer Controller 3.4.
    Watch,
    /// It looks again after `requeue_duration`. Source: `resource_manager.go` since the checkpoints of 2.10.
    Requeue,
    /// It looks again after longer and longer waits. Source: `resource_manager.go` before; issues 1974 and 3622.
    BackOff,
}

/// What the controller does about pod readiness gates.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadinessGateSpec {
    /// The namespace has the label `elbv2.k8s.aws/pod-readiness-gate-inject=enabled`.
    pub is_injected: bool,
    pub gated_pods: GatedPods,
    /// `--targetgroupbinding-requeue-duration`: between two looks while a gate is open.
    pub requeue_duration: Duration,
    /// From a pod's ContainersReady condition until the controller has it in its cache.
    pub pod_watch: Distribution,
    /// From DescribeTargetHealth's answer until the kubelet takes the gate for passed.
    pub gate_patch: Distribution,
}

/// `[load_balancer_controller]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancerControllerSpec {
    /// From the change of the Ingress to `ModifyRule`, when the group was idle.
    pub rule_lag: Distribution,
    /// The last part of `rule_lag`: from the snapshot of the Ingress to `ModifyRule`.
    pub reconcile_time: Duration,
    pub queue: QueueDiscipline,
    /// A call about listener rules, where another one waits for its answer.
    pub rule_call: Distribution,
    pub rule_synthesis: RuleSynthesis,
    /// `--tolerate-non-existent-backend-action`: a rule without its action answers 503. Else the pass fails, and nothing
    /// changes.
    pub tolerates_missing_action: bool,
    /// From the change of the endpoints to `DeregisterTargets`, when the TargetGroupBinding was idle.
    pub target_lag: Distribution,
    pub deregister_targets: Distribution,
    pub register_targets: Distribution,
    pub readiness_gate: ReadinessGateSpec,
}
