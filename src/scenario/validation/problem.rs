//! What the Rollouts controller refuses, as problems of the scenario: each with its place in the file.
//!
//! One mistake makes one problem. Where the reader could not read a field, or a key is only misspelt, its word stands and
//! the controller's is left out; so is all that the controller says only because of another mistake.

use super::rule::{Rule, SAME_LABELS};
use super::{Value, Violation, violations};
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::document::{Node, Table};
use crate::scenario::load::AsWritten;
use crate::scenario::nearest::nearest;
use crate::scenario::path::{self, Segment};
use std::ops::Range;

const CANARY: &str = "rollout.strategy.canary";
const BLUE_GREEN: &str = "rollout.strategy.blueGreen";
const HONOR: &str = "rollouts_controller.honor_scale_down_delay";
const LABELS: &str = "rollout.template.metadata.labels";

/// `read` are the problems that the reader has found in the same document.
pub fn problems(as_written: AsWritten<'_>, read: &[Problem]) -> Vec<Problem> {
    let AsWritten { document, is_manifest } = as_written;
    let refused = Refused { document, read, is_manifest };
    // Without it that is what the reader says is missing.
    let Some(rollout) = refused.node("rollout") else { return Vec::new() };
    let labels = refused.node(LABELS);
    let labels: Vec<_> = Value(labels).entries().map(|(name, value)| (name, value.text())).collect();
    let (mut problems, mut seen): (Vec<(Rule, Problem)>, Vec<Violation>) = (Vec::new(), Vec::new());
    for violation in violations(rollout, &labels) {
        let key = refused.key(&violation);
        let is_of_another = seen.last().is_some_and(|before| follows(&violation, before))
            || seen.iter().any(|other| other.field == violation.field)
            || problems.iter().any(|(rule, other)| other.key == key || refused.is_same_mistake(*rule, violation.rule));
        let rule = violation.rule;
        if !is_of_another && !refused.may_be_left_out(rule, &key) && !refused.is_read_as_wrong(rule, &key) {
            problems.push((rule, refused.problem(&violation, key)));
        }
        seen.push(violation);
    }
    problems.into_iter().map(|(_, problem)| problem).collect()
}

/// A route that the router does not take needs no place among the managed ones.
fn follows(violation: &Violation, before: &Violation) -> bool {
    violation.rule == Rule::MissingManagedRoutes && matches!(before.rule, Rule::SetHeaderRoute | Rule::SetMirrorRoute)
}

#[derive(Clone, Copy)]
struct Refused<'a> {
    document: &'a Table,
    read: &'a [Problem],
    is_manifest: bool,
}

impl<'a> Refused<'a> {
    fn node(self, key: &str) -> Option<&'a Node> {
        self.document.find(key)
    }

    fn has_router(self) -> bool {
        self.node(&router()).is_some()
    }

    /// Without a router the first field that needs one says it for all, one Service of a pair says it for both, and labels
    /// do not match what is not there.
    fn is_same_mistake(self, earlier: Rule, later: Rule) -> bool {
        !self.has_router() && earlier.needs_router() && later.needs_router()
            || earlier == Rule::PingPongServices && later == Rule::PingPongServices
            || earlier == Rule::MissingSelector && later == Rule::TemplateLabels
    }

    /// The dotted key of the field that is to blame. The controller leaves the strategy's name out of its own.
    fn key(self, violation: &Violation) -> String {
        let field = violation.field.as_str();
        let is_blue_green = self.node(BLUE_GREEN).is_some() && self.node(CANARY).is_none();
        let strategy = if is_blue_green { BLUE_GREEN } else { CANARY };
        let key = match field.strip_prefix("spec.strategy.") {
            Some("strategy") => "rollout.strategy".to_owned(),
            Some(rest) => format!("{strategy}.{rest}"),
            None => field.replacen("spec", "rollout", 1),
        };
        let rule = violation.rule;
        if rule == Rule::OneStrategy {
            BLUE_GREEN.to_owned()
        } else if rule == Rule::ProgressDeadline && self.node(&key).is_none() {
            // It has its default, so the other one is too much for it.
            "rollout.minReadySeconds".to_owned()
        } else if rule == Rule::AntiAffinityWeight {
            format!("{strategy}.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight")
        } else if matches!(rule, Rule::AlbHeaderValue | Rule::HeaderValue) {
            format!("{key}.headerValue")
        } else if rule == Rule::ManagedRoute {
            format!("{key}.name")
        } else {
            key
        }
    }

    /// What a manifest must say and a scenario need not.
    fn may_be_left_out(self, rule: Rule, key: &str) -> bool {
        let is_absent = |key: &str| !self.is_manifest && self.node(key).is_none();
        let is_named = |key: &str| self.node(key).and_then(Node::text).is_some_and(|name| !name.is_empty());
        // The reader's types take no negative number, and say their range.
        rule == Rule::AtLeastZero
            // The user asks what would be if the controller took both.
            || rule == Rule::DynamicStableScale && self.node(HONOR).and_then(Node::boolean) == Some(true)
            // Nothing selects pods by labels here: a ReplicaSet knows its own. What is written must agree all the same.
            || rule == Rule::MissingSelector && !self.is_manifest
            || rule == Rule::TemplateLabels && (is_absent("rollout.selector") || is_absent(LABELS))
            // The two Services are `canary` and `stable`, if nobody calls them otherwise: who names one has to name both.
            || rule == Rule::MissingCanaryService
                && is_absent(key)
                && ["canaryService", "stableService"].iter().all(|name| !is_named(&key_beside(key, name)))
            // For the controller two Services without a name are the same one.
            || rule == Rule::BlueGreenServices
                && is_absent(&format!("{BLUE_GREEN}.activeService"))
                && is_absent(&format!("{BLUE_GREEN}.previewService"))
    }

    /// Whether the reader has said it already, or has said why the controller says it.
    fn is_read_as_wrong(self, rule: Rule, key: &str) -> bool {
        // What the reader could not read, the controller reads as absent, as 0 or as "".
        let beside = rule.reads_also().map(|name| key_beside(key, name));
        let says = |problem: &Problem| {
            path::is_within(key, &problem.key)
                || rule.is_of_whole() && path::is_within(&problem.key, key)
                || beside.as_ref() == Some(&problem.key)
        };
        self.errors().any(says)
            || self.node(key).is_none() && self.is_misspelt(key)
            || rule == Rule::MissingStrategy && (self.is_misspelt(CANARY) || self.is_misspelt(BLUE_GREEN))
            || rule.needs_router() && !self.has_router() && self.is_misspelt(&router())
    }

    fn errors(self) -> impl Iterator<Item = &'a Problem> {
        self.read.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// Whether an unknown key beside it is probably meant to be this one.
    fn is_misspelt(self, key: &str) -> bool {
        let Some((parent, name)) = parent_and_name(key) else { return false };
        let is_meant = |problem: &Problem| {
            let unknown = parent_and_name(&problem.key).filter(|_| problem.message.starts_with("unknown key "));
            unknown.is_some_and(|(beside, typed)| beside == parent && nearest(&typed, &[name.as_str()]).is_some())
        };
        self.errors().any(is_meant)
    }

    fn problem(self, violation: &Violation, key: String) -> Problem {
        let rule = violation.rule;
        let detail = violation.detail.trim_end_matches('.');
        // Some of the controller's sentences go on from the name of the field.
        let name = violation.field.rsplit('.').next().filter(|_| detail.starts_with("must "));
        let message = name.map_or_else(|| detail.to_owned(), |name| format!("{name} {detail}"));
        let (key, place) = self.located(key);
        let is_of_labels = matches!(rule, Rule::MissingSelector | Rule::Selector | Rule::TemplateLabels);
        let help = if is_of_labels && self.is_manifest { SAME_LABELS } else { rule.help() };
        Problem { severity: Severity::Error, code: rule.code(), key, message, place, help: help.to_owned() }
    }

    /// The field and its place; without it the beginning of the nearest table that is there, or the word `spec`. One that
    /// the command line has made takes the blame itself: it has no place in the file.
    fn located(self, key: String) -> (String, Option<Range<usize>>) {
        if let Some(node) = self.node(&key) {
            return (key, node.place.clone());
        }
        let mut parent = key.clone();
        while let Some((above, _)) = parent_and_name(&parent) {
            let spec = self.document.get("rollout").filter(|_| self.is_manifest && above == "rollout");
            if let Some(place) = spec.and_then(|spec| spec.key_place.clone()) {
                return (key, Some(place));
            }
            if let Some(node) = self.node(&above) {
                return match &node.place {
                    Some(place) => (key, Some(place.start..place.start)),
                    None => (above, None),
                };
            }
            parent = above;
        }
        (key, None)
    }
}

fn router() -> String {
    format!("{CANARY}.trafficRouting")
}

fn parent_and_name(key: &str) -> Option<(String, String)> {
    let mut segments = path::parse(key).ok()?;
    let name = match segments.pop()? {
        Segment::Key(name) => name,
        Segment::Index(index) => format!("[{index}]"),
    };
    (!segments.is_empty()).then(|| (path::written(&segments), name))
}

fn key_beside(key: &str, name: &str) -> String {
    parent_and_name(key).map_or_else(|| name.to_owned(), |(parent, _)| path::join(&parent, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::document;

    fn told(text: &str) -> Vec<(Option<&'static str>, String, &str)> {
        let document = document::parse(text).expect("the test's TOML is right");
        let problems = problems(AsWritten { document: &document, is_manifest: false }, &[]);
        problems
            .into_iter()
            .map(|problem| (problem.code, problem.key, &text[problem.place.expect("a place")]))
            .collect()
    }

    #[test]
    fn a_blue_green_strategy_is_told_under_its_own_name() {
        let text = "[rollout]\n[rollout.strategy.blueGreen]\nactiveService = \"web\"\npreviewService = \"web\"\n\
                    scaleDownDelayRevisionLimit = 11\nantiAffinity = {}\n";
        assert_eq!(
            told(text),
            [
                (Some("V24"), "rollout.strategy.blueGreen.activeService".to_owned(), "\"web\""),
                (Some("V24"), "rollout.strategy.blueGreen.scaleDownDelayRevisionLimit".to_owned(), "11"),
                (Some("V23"), "rollout.strategy.blueGreen.antiAffinity".to_owned(), "{}"),
            ]
        );
    }

    #[test]
    fn who_names_one_of_the_two_services_has_to_name_both() {
        let text = "[rollout]\n[rollout.strategy.canary]\nstableService = \"web\"\ntrafficRouting.alb = {}\n";
        let told = told(text);
        assert_eq!(told, [(Some("V6"), "rollout.strategy.canary.canaryService".to_owned(), "")]);
    }

    #[test]
    fn what_a_scenario_may_leave_out_is_no_problem() {
        for text in [
            "[rollout]\nstrategy.blueGreen = {}\n",
            "[rollout]\nstrategy.canary.trafficRouting.alb = {}\n",
            "[rollout]\nselector.matchLabels.app = \"web\"\nstrategy.canary.trafficRouting.alb = {}\n",
            "[rollout]\ntemplate.metadata.labels.app = \"web\"\nstrategy.canary.trafficRouting.alb = {}\n",
            "[traffic]\n",
        ] {
            assert_eq!(told(text), [], "{text}");
        }
    }
}
