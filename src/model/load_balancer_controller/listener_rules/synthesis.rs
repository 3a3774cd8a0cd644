//! The calls that make the wanted rules of those that there are.
//!
//! Follows `listener_rule_synthesizer.go` and `listener_rule_manager.go`, and for what counts as the same
//! `pkg/equality/elbv2`. Between two calls requests go on: each of them is one state of the listener.

use super::{RuleCall, RuleSynthesis};
use crate::model::load_balancer::listener_rule::{Action, Forward, Listener, MAX_RULES, Rule, WeightedTargetGroup};

/// Where leftover rules wait for their end, from here upwards. Source: `SetRulePriorities`; the API's highest priority.
const LAST_PRIORITY: u32 = 50_000;

/// The calls that make `wanted` of `current`, in their order: the listener comes before its rules.
pub fn synthesize(current: &Listener, wanted: &Listener, synthesis: RuleSynthesis) -> Vec<RuleCall> {
    let is_default_same = is_same_action(&wanted.default_action, &current.default_action);
    let listener = (!is_default_same).then(|| RuleCall::ModifyListener(wanted.default_action.clone()));
    let rules = match synthesis {
        RuleSynthesis::BySettings => by_settings(&current.rules, &wanted.rules),
        RuleSynthesis::ByPriority => by_priority(&current.rules, &wanted.rules),
    };
    listener.into_iter().chain(rules).collect()
}

/// Why the API refuses a call, with these rules there.
pub fn refusal(listener: &Listener, call: &RuleCall) -> Option<String> {
    match call {
        RuleCall::ModifyListener(action) => action.refusal(),
        RuleCall::CreateRule(_) if listener.rules.len() >= MAX_RULES => {
            Some(format!("a load balancer has at most {MAX_RULES} rules"))
        }
        RuleCall::CreateRule(rule) | RuleCall::ModifyRule(rule) => rule.refusal(),
        RuleCall::SetRulePriorities(_) | RuleCall::DeleteRule(_) | RuleCall::Configure(_) => None,
    }
}

/// The listener after a call.
pub fn apply(listener: &mut Listener, call: &RuleCall) {
    let rules = &mut listener.rules;
    match call {
        RuleCall::ModifyListener(action) => listener.default_action = action.clone(),
        RuleCall::SetRulePriorities(moves) => {
            for rule in rules.iter_mut() {
                if let Some((_, to)) = moves.iter().find(|(from, _)| *from == rule.priority) {
                    rule.priority = *to;
                }
            }
        }
        RuleCall::ModifyRule(rule) => {
            let modified = rules.iter_mut().find(|other| other.priority == rule.priority);
            *modified.expect("a rule that is modified exists") = rule.clone();
        }
        RuleCall::CreateRule(rule) => rules.push(rule.clone()),
        RuleCall::DeleteRule(priority) => rules.retain(|rule| rule.priority != *priority),
        RuleCall::Configure(wanted) => {
            listener.clone_from(wanted);
            return;
        }
    }
    rules.sort_by_key(|rule| rule.priority);
    assert!(
        rules.is_sorted_by(|one, next| one.priority < next.priority),
        "the API lets no two rules have one priority"
    );
}

/// What stands in the place of what, and what is left.
struct Matched<'a> {
    /// The same settings at another priority: from where, to where.
    moves: Vec<(u32, u32)>,
    /// Other settings at the same priority.
    rewritten: Vec<&'a Rule>,
    created: Vec<&'a Rule>,
    /// The priorities of the rules that nobody wants.
    deleted: Vec<u32>,
}

/// Source: `matchResAndSDKListenerRules`: a wanted rule takes the first that has its settings, wherever it stands.
fn matched<'a>(current: &[Rule], wanted: &'a [Rule]) -> Matched<'a> {
    let mut left: Vec<&Rule> = current.iter().collect();
    let (mut moves, mut unmatched) = (vec![], vec![]);
    for rule in wanted {
        match left.iter().position(|other| has_same_settings(rule, other)) {
            Some(at) => {
                let other = left.remove(at);
                if other.priority != rule.priority {
                    moves.push((other.priority, rule.priority));
                }
            }
            None => unmatched.push(rule),
        }
    }
    let is_left = |priority: u32| left.iter().any(|rule| rule.priority == priority);
    let (rewritten, created): (Vec<_>, Vec<_>) = unmatched.into_iter().partition(|rule| is_left(rule.priority));
    let is_rewritten = |priority: &u32| rewritten.iter().any(|rule| rule.priority == *priority);
    let deleted = left.iter().map(|rule| rule.priority).filter(|priority| !is_rewritten(priority)).collect();
    Matched { moves, rewritten, created, deleted }
}

/// Since 2.12 (pull request 4039): nothing is deleted before its successor is there.
fn by_settings(current: &[Rule], wanted: &[Rule]) -> Vec<RuleCall> {
    let Matched { mut moves, rewritten, created, mut deleted } = matched(current, wanted);
    let mut calls = vec![];
    if !moves.is_empty() {
        // What is to go makes way in the same call, the last of them to the very end.
        let places: Vec<_> = (0..=LAST_PRIORITY).rev().take(deleted.len()).collect();
        let pushed: Vec<_> = deleted.iter().rev().copied().zip(places).collect();
        deleted = pushed.iter().rev().map(|(_, to)| *to).collect();
        moves.splice(0..0, pushed);
        calls.push(RuleCall::SetRulePriorities(moves));
    }
    calls.extend(rewritten.into_iter().cloned().map(RuleCall::ModifyRule));
    // Source: `createAndDeleteRules` (pull request 4393): at the quota one has to go before the next can come.
    let (mut created, mut deleted) = (created.into_iter().peekable(), deleted.into_iter().peekable());
    let mut count = current.len();
    while created.peek().is_some() || deleted.peek().is_some() {
        if created.peek().is_some() && (count < MAX_RULES || deleted.peek().is_none()) {
            calls.extend(created.next().cloned().map(RuleCall::CreateRule));
            count += 1;
        } else {
            calls.extend(deleted.next().map(RuleCall::DeleteRule));
            count -= 1;
        }
    }
    calls
}

/// Before 2.12: the priority alone tells which rule is which.
fn by_priority(current: &[Rule], wanted: &[Rule]) -> Vec<RuleCall> {
    let at = |rules: &'_ [Rule], priority: u32| rules.iter().position(|rule| rule.priority == priority);
    let deleted = current.iter().filter(|rule| at(wanted, rule.priority).is_none());
    let created = wanted.iter().filter(|rule| at(current, rule.priority).is_none());
    let modified = wanted
        .iter()
        .filter(|rule| at(current, rule.priority).is_some_and(|place| !has_same_settings(rule, &current[place])));
    let deleted = deleted.map(|rule| RuleCall::DeleteRule(rule.priority));
    let created = created.cloned().map(RuleCall::CreateRule);
    deleted.chain(created).chain(modified.cloned().map(RuleCall::ModifyRule)).collect()
}

/// Whether nothing but the priority differs. Conditions count in any order of their fields.
pub fn has_same_settings(wanted: &Rule, current: &Rule) -> bool {
    let conditions = |rule: &Rule| {
        let mut conditions = rule.conditions.clone();
        conditions.sort_by_key(|condition| condition.field());
        conditions
    };
    is_same_action(&wanted.action, &current.action) && conditions(wanted) == conditions(current)
}

fn is_same_action(wanted: &Action, current: &Action) -> bool {
    match (wanted, current) {
        (Action::Forward(wanted), Action::Forward(current)) => is_same_forward(wanted, current),
        (Action::FixedResponse(wanted), Action::FixedResponse(current)) => wanted == current,
        (Action::Redirect, Action::Redirect) => true,
        (Action::Forward(_), Action::FixedResponse(_) | Action::Redirect)
        | (Action::FixedResponse(_), Action::Forward(_) | Action::Redirect)
        | (Action::Redirect, Action::Forward(_) | Action::FixedResponse(_)) => false,
    }
}

/// The order of target groups, the weight of a lone one and a stickiness that nobody asks for make no difference. Source:
/// `CompareOptionForTargetGroupTuples`, `CompareOptionForForwardActionConfig`.
fn is_same_forward(wanted: &Forward, current: &Forward) -> bool {
    let groups = |forward: &Forward| {
        let is_lone = forward.target_groups.len() == 1;
        let group = |group: &WeightedTargetGroup| (group.service.clone(), (!is_lone).then_some(group.weight));
        let mut groups: Vec<_> = forward.target_groups.iter().map(group).collect();
        groups.sort();
        groups
    };
    (wanted.stickiness.is_none() || wanted.stickiness == current.stickiness) && groups(wanted) == groups(current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load_balancer::listener_rule::Condition;
    use crate::units::Duration;
    use RuleCall::{CreateRule, DeleteRule, ModifyListener, ModifyRule, SetRulePriorities};
    use RuleSynthesis::{ByPriority, BySettings};

    fn everything() -> Condition {
        Condition::PathPattern(vec!["/*".to_owned()])
    }

    fn forward(weights: &[(&str, u16)]) -> Action {
        let group =
            |(service, weight): &(&str, u16)| WeightedTargetGroup { service: (*service).to_owned(), weight: *weight };
        Action::Forward(Forward { target_groups: weights.iter().map(group).collect(), stickiness: None, mirror: None })
    }

    /// The rule of the root Service.
    fn root(priority: u32, canary: u16) -> Rule {
        let action = forward(&[("canary", canary), ("stable", 100 - canary)]);
        Rule { priority, conditions: vec![everything()], action }
    }

    fn route(priority: u32) -> Rule {
        let header = Condition::HttpHeader { name: "X-Canary".to_owned(), values: vec!["always".to_owned()] };
        Rule { priority, conditions: vec![header, everything()], action: forward(&[("canary", 100)]) }
    }

    fn other(priority: u32, path: &str) -> Rule {
        let conditions = vec![Condition::PathPattern(vec![path.to_owned()])];
        Rule { priority, conditions, action: forward(&[("other", 1)]) }
    }

    fn listener(rules: Vec<Rule>) -> Listener {
        Listener { rules, default_action: Action::FixedResponse(404) }
    }

    /// The calls, and the priorities of the rules of the root Service before and after each of them.
    fn played(current: Vec<Rule>, wanted: Vec<Rule>, synthesis: RuleSynthesis) -> (Vec<RuleCall>, Vec<Vec<u32>>) {
        let (mut listener, wanted) = (self::listener(current), self::listener(wanted));
        let calls = synthesize(&listener, &wanted, synthesis);
        let roots = |listener: &Listener| {
            let is_root = |rule: &&Rule| rule.conditions == [everything()];
            listener.rules.iter().filter(is_root).map(|rule| rule.priority).collect::<Vec<_>>()
        };
        let mut seen = vec![roots(&listener)];
        for call in &calls {
            apply(&mut listener, call);
            seen.push(roots(&listener));
        }
        assert_eq!(listener, wanted);
        (calls, seen)
    }

    #[test]
    fn a_weight_is_one_call() {
        for synthesis in [BySettings, ByPriority] {
            let (calls, _) = played(vec![root(1, 0)], vec![root(1, 20)], synthesis);
            assert_eq!(calls, [ModifyRule(root(1, 20))]);
        }
    }

    #[test]
    fn a_header_route_alone_leaves_no_gap() {
        let (calls, roots) = played(vec![root(1, 20)], vec![route(1), root(2, 20)], BySettings);
        assert_eq!(calls, [SetRulePriorities(vec![(1, 2)]), CreateRule(route(1))]);
        assert_eq!(roots, [vec![1], vec![2], vec![2]]);
    }

    #[test]
    fn a_header_route_with_a_change_of_weight_leaves_a_gap() {
        let (calls, roots) = played(vec![root(1, 0)], vec![route(1), root(2, 20)], BySettings);
        assert_eq!(calls, [ModifyRule(route(1)), CreateRule(root(2, 20))]);
        assert_eq!(roots, [vec![1], vec![], vec![2]]);
    }

    #[test]
    fn an_abort_leaves_no_gap() {
        let (calls, roots) = played(vec![route(1), root(2, 20)], vec![root(1, 0)], BySettings);
        assert_eq!(calls, [ModifyRule(root(1, 0)), DeleteRule(2)]);
        assert_eq!(roots, [vec![2], vec![1, 2], vec![1]]);
    }

    #[test]
    fn a_route_that_goes_alone_makes_way_and_is_deleted_last() {
        let (calls, roots) = played(vec![route(1), root(2, 20)], vec![root(1, 20)], BySettings);
        assert_eq!(calls, [SetRulePriorities(vec![(1, 50_000), (2, 1)]), DeleteRule(50_000)]);
        assert_eq!(roots, [vec![2], vec![1], vec![1]]);
    }

    #[test]
    fn the_last_of_those_that_go_is_pushed_furthest() {
        let current = vec![other(1, "/a"), other(2, "/b"), root(3, 20)];
        let (calls, _) = played(current, vec![root(1, 20)], BySettings);
        let moves = vec![(2, 50_000), (1, 49_999), (3, 1)];
        assert_eq!(calls, [SetRulePriorities(moves), DeleteRule(49_999), DeleteRule(50_000)]);
    }

    #[test]
    fn rules_that_only_change_places_do_so_in_one_call() {
        let (calls, _) = played(vec![other(1, "/a"), other(2, "/b")], vec![other(1, "/b"), other(2, "/a")], BySettings);
        assert_eq!(calls, [SetRulePriorities(vec![(2, 1), (1, 2)])]);
    }

    #[test]
    fn at_the_quota_one_goes_before_the_next_comes() {
        let many = |letter: &str, count: u32| -> Vec<Rule> {
            (1..=count).map(|priority| other(priority, &format!("/{letter}{priority}"))).collect()
        };
        let mut wanted = many("a", 99);
        wanted.push(other(101, "/new"));
        let (calls, _) = played(many("a", 100), wanted, BySettings);
        assert_eq!(calls, [DeleteRule(100), CreateRule(other(101, "/new"))]);
        let mut wanted = many("a", 98);
        wanted.push(other(101, "/new"));
        let (calls, _) = played(many("a", 99), wanted, BySettings);
        assert_eq!(calls, [CreateRule(other(101, "/new")), DeleteRule(99)]);
    }

    #[test]
    fn before_2_12_everything_behind_a_change_is_rewritten() {
        let (calls, roots) = played(vec![root(1, 20)], vec![route(1), root(2, 20)], ByPriority);
        assert_eq!(calls, [CreateRule(root(2, 20)), ModifyRule(route(1))]);
        assert_eq!(roots, [vec![1], vec![1, 2], vec![2]]);

        // The root rule is deleted first, and comes back with the last call.
        let current = vec![route(1), other(2, "/a"), root(3, 20)];
        let (calls, roots) = played(current, vec![other(1, "/a"), root(2, 20)], ByPriority);
        assert_eq!(calls, [DeleteRule(3), ModifyRule(other(1, "/a")), ModifyRule(root(2, 20))]);
        assert_eq!(roots, [vec![3], vec![], vec![], vec![2]]);
    }

    #[test]
    fn what_makes_no_difference_makes_no_call() {
        let sticky = |weights, seconds: Option<u64>| {
            let Action::Forward(forward) = forward(weights) else { unreachable!("it is a forward") };
            Rule {
                action: Action::Forward(Forward { stickiness: seconds.map(Duration::secs), ..forward }),
                ..root(1, 0)
            }
        };
        let turned = Rule { action: forward(&[("stable", 80), ("canary", 20)]), ..root(1, 0) };
        let swapped = Rule { conditions: route(1).conditions.into_iter().rev().collect(), ..route(1) };
        for (current, wanted, is_same) in [
            (root(1, 20), turned, true),
            (route(1), swapped, true),
            (sticky(&[("web", 1)], None), sticky(&[("web", 100)], None), true),
            (sticky(&[("web", 1)], Some(60)), sticky(&[("web", 1)], None), true),
            (sticky(&[("web", 1)], None), sticky(&[("web", 1)], Some(60)), false),
            (sticky(&[("web", 1)], Some(61)), sticky(&[("web", 1)], Some(60)), false),
            (root(1, 20), root(1, 21), false),
        ] {
            for synthesis in [BySettings, ByPriority] {
                let calls = synthesize(&listener(vec![current.clone()]), &listener(vec![wanted.clone()]), synthesis);
                assert_eq!(calls.is_empty(), is_same, "{current:?}\n{wanted:?}");
            }
        }
    }

    #[test]
    fn the_listener_comes_before_its_rules() {
        let current = listener(vec![root(1, 0)]);
        let wanted = Listener { rules: vec![root(1, 20)], default_action: forward(&[("canary", 20), ("stable", 80)]) };
        let calls = synthesize(&current, &wanted, BySettings);
        assert_eq!(calls, [ModifyListener(wanted.default_action.clone()), ModifyRule(root(1, 20))]);
        let mut reached = current;
        calls.iter().for_each(|call| apply(&mut reached, call));
        assert_eq!(reached, wanted);
    }
}
