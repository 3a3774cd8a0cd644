//! From the Ingress object to listener rules, and from the rules that there are to those that are wanted.
//!
//! Follows `pkg/ingress` and `pkg/deploy/elbv2` of aws-load-balancer-controller v3.5. One Ingress is one group, and one
//! listener is looked at: that for HTTPS, where the Ingress has one, else that for HTTP. Left out: other Ingresses of the
//! group, `regexValues` and `use-regex-path-match`, transforms, authentication.

mod annotation;
mod build;
mod synthesis;

use crate::model::load_balancer::listener_rule::{Action, Listener, Rule};

pub use build::build;
pub use synthesis::{apply, refusal, synthesize};

/// What the controller may refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Names of the Services that exist; None: whatever is named exists.
    pub services: Option<Vec<String>>,
    /// `--tolerate-non-existent-backend-action`
    pub tolerates_missing_action: bool,
    /// `--tolerate-non-existent-backend-service`
    pub tolerates_missing_service: bool,
}

impl Default for Cluster {
    /// Source: both flags are true unless set.
    fn default() -> Self {
        Self { services: None, tolerates_missing_action: true, tolerates_missing_service: true }
    }
}

/// How the rules that there are become the wanted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSynthesis {
    /// A rule that has the wanted settings keeps them and moves. Since 2.12.
    BySettings,
    /// The rule at a priority is rewritten. Before 2.12.
    ByPriority,
}

/// One call of the ELBv2 API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleCall {
    /// Its default action.
    ModifyListener(Action),
    /// From which priority to which, all at once.
    SetRulePriorities(Vec<(u32, u32)>),
    ModifyRule(Rule),
    CreateRule(Rule),
    DeleteRule(u32),
    /// No call of that API: the control plane of other proxies sends all routes anew.
    Configure(Listener),
}
