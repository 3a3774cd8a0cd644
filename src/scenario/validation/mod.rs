//! The rules by which the Rollouts controller refuses a spec.
//!
//! Follows `pkg/apis/rollouts/validation/validation.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1): the same rules in
//! the same order, with the field and the words that `kubectl describe` shows. The controller itself tells the first only,
//! and does nothing at all while there is one. What `workloadRef` refuses comes before: `rollout/templateref.go`.
//!
//! Left out: pod templates but for their labels, experiments' templates but for their weights, analysis arguments.

mod canary;
pub mod ingress;
pub mod problem;
pub mod rule;

use super::document::{Kind, Node};
use super::manifests::object::group;
use rule::Rule;

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub kind: ViolationKind,
    /// As the controller names it, beginning with `spec`.
    pub field: String,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    Invalid,
    Required,
}

impl ViolationKind {
    /// As the API's errors call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
        }
    }
}

/// Collects what is broken, in the order in which the controller looks.
#[derive(Debug, Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn invalid(&mut self, rule: Rule, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Violation { rule, kind: ViolationKind::Invalid, field: field.into(), detail: detail.into() });
    }

    fn required(&mut self, rule: Rule, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Violation { rule, kind: ViolationKind::Required, field: field.into(), detail: detail.into() });
    }
}

/// A value of a manifest, or the absence of one.
#[derive(Clone, Copy)]
struct Value<'a>(Option<&'a Node>);

impl<'a> Value<'a> {
    fn get(self, key: &str) -> Self {
        Self(self.0.and_then(|node| Some(&node.table()?.get(key)?.value)))
    }

    fn is_there(self) -> bool {
        self.0.is_some()
    }

    fn integer(self) -> Option<i64> {
        self.0.and_then(Node::integer)
    }

    fn text(self) -> &'a str {
        self.0.and_then(Node::text).unwrap_or_default()
    }

    fn is_true(self) -> bool {
        self.0.and_then(Node::boolean) == Some(true)
    }

    fn items(self) -> impl Iterator<Item = Self> {
        self.0.and_then(Node::array).unwrap_or_default().iter().map(|node| Self(Some(node)))
    }

    fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let table = self.0.and_then(Node::table).map_or(&[][..], |table| &table.entries);
        table.iter().map(|entry| (entry.key.as_str(), Self(Some(&entry.value))))
    }
}

/// What the controller says of the `spec` of a Rollout whose pod template carries these labels.
pub fn violations(spec: &Node, labels: &[(&str, &str)]) -> Vec<Violation> {
    let mut violations = Violations::default();
    let spec = Value(Some(spec));
    let at_least_zero = |violations: &mut Violations, name: &str, value: i64| {
        if value < 0 {
            violations.invalid(Rule::AtLeastZero, format!("spec.{name}"), "must be greater than or equal to 0");
        }
    };
    workload_ref(&mut violations, spec, labels);
    at_least_zero(&mut violations, "replicas", spec.get("replicas").integer().unwrap_or(1));
    selector(&mut violations, spec, labels);
    let min_ready = spec.get("minReadySeconds").integer().unwrap_or(0);
    let deadline = spec.get("progressDeadlineSeconds").integer().unwrap_or(600);
    at_least_zero(&mut violations, "minReadySeconds", min_ready);
    at_least_zero(&mut violations, "revisionHistoryLimit", spec.get("revisionHistoryLimit").integer().unwrap_or(10));
    at_least_zero(&mut violations, "progressDeadlineSeconds", deadline);
    if deadline <= min_ready {
        violations.invalid(
            Rule::ProgressDeadline,
            "spec.progressDeadlineSeconds",
            "must be greater than minReadySeconds",
        );
    }
    strategy(&mut violations, spec);
    violations.0
}

/// The objects of which the controller takes a pod template, each with its group.
pub const REFERENCED: [(&str, &str); 3] = [("", "PodTemplate"), ("apps", "Deployment"), ("apps", "ReplicaSet")];

/// Source: `rollout/templateref.go`, Resolve; `types.go`, EmptyTemplate: one is empty without labels and annotations.
fn workload_ref(violations: &mut Violations, spec: Value<'_>, labels: &[(&str, &str)]) {
    let reference = spec.get("workloadRef");
    if !reference.is_there() || spec.get(RESOLVED).is_true() {
        return;
    }
    let annotations = spec.get("template").get("metadata").get("annotations");
    if !labels.is_empty() || annotations.entries().next().is_some() {
        let detail = "template must be empty for workload reference rollout";
        violations.invalid(Rule::WorkloadRefTemplate, "spec.template", detail);
    }
    let (group, kind) = (group(Some(reference.get("apiVersion").text())), reference.get("kind").text());
    if !REFERENCED.contains(&(group, kind)) {
        let detail = format!("workload of type {group}/{kind} is not supported");
        violations.invalid(Rule::WorkloadRefKind, "spec.workloadRef", detail);
    }
}

/// What the controller sets beside a template that it took from somewhere else.
pub const RESOLVED: &str = "templateResolvedFromRef";

fn selector(violations: &mut Violations, spec: Value<'_>, labels: &[(&str, &str)]) {
    let selector = spec.get("selector");
    let is_null = !selector.is_there();
    // The object of a reference has its own.
    if is_null && spec.get("workloadRef").is_there() {
        return;
    }
    if is_null {
        violations.required(Rule::MissingSelector, "spec.selector", "Rollout has missing field '.spec.selector'");
    } else if selector.get("matchLabels").entries().next().is_none() && !selector.get("matchExpressions").is_there() {
        violations.invalid(Rule::Selector, "spec.selector", "empty selector is invalid for deployment");
    }
    let has = |(key, value): (&str, Value<'_>)| labels.contains(&(key, value.text()));
    if is_null || !selector.get("matchLabels").entries().all(has) {
        violations.invalid(
            Rule::TemplateLabels,
            "spec.template.metadata.labels",
            "`selector` does not match template `labels`",
        );
    }
}

fn strategy(violations: &mut Violations, spec: Value<'_>) {
    let strategy = spec.get("strategy");
    match (strategy.get("canary").is_there(), strategy.get("blueGreen").is_there()) {
        (false, false) => violations.required(
            Rule::MissingStrategy,
            "spec.strategy.strategy",
            "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'",
        ),
        (true, true) => {
            violations.invalid(Rule::OneStrategy, "spec.strategy.strategy", "Multiple Strategies can not be listed")
        }
        (true, false) => canary::violations(violations, strategy.get("canary")),
        (false, true) => blue_green(violations, spec, strategy.get("blueGreen")),
    }
}

fn blue_green(violations: &mut Violations, spec: Value<'_>, blue_green: Value<'_>) {
    if blue_green.get("activeService").text() == blue_green.get("previewService").text() {
        let detail = "This rollout uses the same service for the active and preview services, but two different services \
                      are required.";
        violations.invalid(Rule::BlueGreenServices, "spec.strategy.activeService", detail);
    }
    let history = spec.get("revisionHistoryLimit").integer().unwrap_or(10);
    if blue_green.get("scaleDownDelayRevisionLimit").integer().is_some_and(|limit| limit > history) {
        let detail = "This rollout's revision limit can not be larger than the rollout's revision history limit";
        violations.invalid(Rule::BlueGreenRevisionLimit, "spec.strategy.scaleDownDelayRevisionLimit", detail);
    }
    anti_affinity(violations, blue_green.get("antiAffinity"));
}

fn anti_affinity(violations: &mut Violations, affinity: Value<'_>) {
    const FIELD: &str = "spec.strategy.antiAffinity";
    if !affinity.is_there() {
        return;
    }
    let preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution");
    let required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution");
    if preferred.is_there() == required.is_there() {
        violations.invalid(Rule::AntiAffinity, FIELD, "AntiAffinity must have exactly one strategy listed");
    }
    if preferred.is_there() && !(1..=100).contains(&preferred.get("weight").integer().unwrap_or(0)) {
        violations.invalid(
            Rule::AntiAffinityWeight,
            format!("{FIELD}.weight"),
            "AntiAffinity weight must be between 1-100",
        );
    }
}

/// As the check of maxSurge against maxUnavailable reads it, which is not how the sizes are worked out: any text but a
/// percentage is a number, or 0.
fn loosely_zero(value: Value<'_>) -> bool {
    match value.0.map(|node| &node.kind) {
        None => false,
        Some(Kind::Integer(number)) => *number == 0,
        Some(Kind::String(text)) => {
            let digits = text.strip_suffix('%').unwrap_or(text);
            let is_percent = text.ends_with('%') && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            let number = if is_percent { digits.parse::<i64>() } else { text.parse::<i64>() };
            number.unwrap_or(0) == 0
        }
        Some(_) => true,
    }
}
