//! From the Ingress object to listener rules, and from the rules that there are to those that are wanted.

use crate::model::ingress::Ingress;
use crate::model::load_balancer::listener_rule::Rule;

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
    /// From which priority to which, all at once.
    SetRulePriorities(Vec<(u32, u32)>),
    ModifyRule(Rule),
    CreateRule(Rule),
    DeleteRule(u32),
}

/// The rules that the Ingress asks for, in order of priority; else why the controller gives up on the whole group.
pub fn build(ingress: &Ingress, cluster: &Cluster) -> Result<Vec<Rule>, String> {
    let _ = (ingress, cluster);
    todo!()
}

/// The calls that make `wanted` of `current`, in their order.
pub fn synthesize(current: &[Rule], wanted: &[Rule], synthesis: RuleSynthesis) -> Vec<RuleCall> {
    let _ = (current, wanted, synthesis);
    todo!()
}

/// The rules after a call, in order of priority.
pub fn apply(rules: &mut Vec<Rule>, call: &RuleCall) {
    let _ = (rules, call);
    todo!()
}
