//! The Ingress that the ALB router needs.
//!
//! Follows `pkg/apis/rollouts/validation/validation_references.go:ValidateIngress` of argo-rollouts at 9f8d111d.

use super::rule::Rule;
use super::{Violation, ViolationKind};

/// Whether a rule of the Ingress names the Service whose action the router writes: `rootService`, or `stableService`.
pub fn violation(ingress: &str, root_service: &str, backends: &[&str]) -> Option<Violation> {
    (!backends.contains(&root_service)).then(|| Violation {
        rule: Rule::IngressBackend,
        kind: ViolationKind::Invalid,
        field: "spec.strategy.canary.trafficRouting.alb.ingress".to_owned(),
        detail: format!("ingress `{ingress}` has no rules using service {root_service} backend"),
    })
}
