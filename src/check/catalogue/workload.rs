//! How many pods there are, how they are replaced, and when the next ones count as available.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::{Subject, seconds, usual_most};
use crate::model::deployment;
use crate::model::fenceposts::{Fenceposts, fenceposts};
use crate::model::rollout::spec::RolloutSpec;
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::object::Object;
use crate::scenario::workload::Workload;
use crate::units::Duration;
use std::ops::Range;

pub const RULES: &[Rule] = &[
    FASTER_THAN_THE_LOAD_BALANCER,
    UNKNOWN_NAMESPACE,
    GATE_LABEL,
    FEWER_PODS,
    ONE_REPLICA,
    BLOCKED_EVICTIONS,
    UNPINNED_IMAGE,
    SHORT_PROGRESS_DEADLINE,
];

const FASTER_THAN_THE_LOAD_BALANCER: Rule = Rule {
    page: Page {
        code: "K017",
        title: "the release is faster than the load balancer",
        level: Level::Warning,
        cause: "With minReadySeconds: 0 a pod is available as soon as it is ready. The ALB knows it as a target only after \
                RegisterTargets and its first health check, and no readiness gate makes the update wait for that.",
        consequence: "Old pods are removed while the new targets are still `initial`: few targets carry all requests, or none \
                      is left and the ALB answers 503.",
        remedy: "set minReadySeconds to the time of a registration and a health check, or let the load balancer controller \
                 inject readiness gates: the namespace label elbv2.k8s.aws/pod-readiness-gate-inject: enabled",
        source: "Amazon EKS Best Practices Guide, load balancing; AWS Load Balancer Controller documentation, Pod readiness \
                 gate",
        example: include_str!("../../../scenarios/findings/K017.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(scenario) = subject.scenario.filter(|_| has_ip_targets(subject)) else { return Vec::new() };
        let is_gated = scenario.load_balancer_controller.readiness_gate.is_injected;
        if is_gated || !is_rolling_update(&scenario.workload) || scenario.workload.min_ready() > Duration::ZERO {
            return Vec::new();
        }
        let load_balancer = &scenario.load_balancer;
        let further_passes = load_balancer.initial_passes.saturating_sub(1);
        let registered = usual_most(&scenario.load_balancer_controller.target_lag)
            + usual_most(&load_balancer.registration)
            + usual_most(&load_balancer.first_health_check)
            + scenario.target_group.interval * u64::from(further_passes);
        let registered = seconds(registered);
        let message = format!(
            "with minReadySeconds: 0 old pods go when new ones are ready, and the ALB knows those up to {registered} s later"
        );
        let key = "spec.minReadySeconds";
        let change = subject.set(key, &registered.to_string());
        vec![Found::at(value_or_name(subject, key), message).played(change)]
    },
};

const UNKNOWN_NAMESPACE: Rule = Rule {
    page: Page {
        code: "K018",
        title: "whether pods get readiness gates is not to be seen",
        level: Level::Note,
        cause: "A label of the Namespace decides whether the load balancer controller puts a readiness gate into new pods, and \
                the manifests have no Namespace. They are taken to have no gates.",
        consequence: "With the label a rolling update waits for the load balancer, without it does not: the failed requests \
                      differ.",
        remedy: "give the Namespace along with the other manifests; the label is elbv2.k8s.aws/pod-readiness-gate-inject: enabled",
        source: "AWS Load Balancer Controller documentation, Pod readiness gate",
        example: include_str!("../../../scenarios/findings/K018.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(scenario) = subject.scenario.filter(|_| has_ip_targets(subject)) else { return Vec::new() };
        let is_known = subject.release.namespace.is_some()
            || scenario.load_balancer_controller.readiness_gate.is_injected
            || subject.pod("readinessGates").is_some();
        // With pingPong both Services take turns, so that the next pods are selected by one and get its gate.
        let is_ping_pong = scenario.workload.rollout().is_some_and(RolloutSpec::is_ping_pong);
        if is_known || !is_ping_pong && !is_rolling_update(&scenario.workload) {
            return Vec::new();
        }
        let message = format!(
            "the Namespace `{}` is not among the manifests, so nobody knows whether its pods get readiness gates",
            subject.workload().namespace
        );
        vec![Found::at(Some(subject.workload().name_place.clone()), message)]
    },
};

const GATE_LABEL: Rule = Rule {
    page: Page {
        code: "K040",
        title: "a label for readiness gates with a value that injects none",
        level: Level::Warning,
        cause: "The webhook of the load balancer controller selects namespaces by elbv2.k8s.aws/pod-readiness-gate-inject: \
                enabled. Any other value, true as well, is not that.",
        consequence: "No pod gets a readiness gate, and nothing says so: a rolling update does not wait for the load balancer.",
        remedy: "write the value enabled, or leave the label out",
        source: "AWS Load Balancer Controller documentation, Pod readiness gate",
        example: include_str!("../../../scenarios/findings/K040.bad.yaml"),
        run: None,
    },
    look: |subject| {
        const LABEL: &str = "elbv2.k8s.aws/pod-readiness-gate-inject";
        let Some(namespace) = subject.release.namespace else { return Vec::new() };
        let label = namespace.entries("metadata.labels").iter().find(|entry| entry.key == LABEL);
        let value = label.and_then(|label| Some((label, label.value.text()?)));
        let Some((label, text)) = value.filter(|(_, text)| !["enabled", "disabled"].contains(text)) else {
            return Vec::new();
        };
        let message = format!("`{text}` puts no readiness gates into pods: the webhook looks for enabled");
        let change = Change::set(subject.sources, namespace, &format!("metadata.labels.\"{LABEL}\""), "enabled");
        vec![Found::at(label.value.place.clone(), message).with(change)]
    },
};

/// With so few pods each one that is missing counts.
const FEW: u32 = 2;

const FEWER_PODS: Rule = Rule {
    page: Page {
        code: "K021",
        title: "the update takes pods away before it brings new ones",
        level: Level::Warning,
        cause: "Recreate stops all pods before it starts the first new one; a maxUnavailable that comes to one pod or more lets \
                a rolling update stop pods before their successors are ready.",
        consequence: "The pods that are left carry all requests: of two pods one, of one pod none, which is an outage until \
                      the new one is ready and the load balancer knows it.",
        remedy: "use a rolling update with maxSurge: 1 and maxUnavailable: 0",
        source: "Kubernetes documentation, Deployments, strategy; `pkg/controller/deployment/rolling.go`, `recreate.go`",
        example: include_str!("../../../scenarios/findings/K021.bad.yaml"),
        run: Some(Run::of("strategies/deployment-recreate")),
    },
    look: |subject| {
        let Some(scenario) = subject.scenario else { return Vec::new() };
        let replicas = scenario.workload.replicas();
        if let Workload::Deployment(deployment) = &scenario.workload
            && deployment.strategy == deployment::Strategy::Recreate
        {
            let key = "spec.strategy.type";
            let message = format!("Recreate stops all {replicas} pods before it starts the first new one");
            let change = subject.set(key, "RollingUpdate");
            return vec![Found::at(value_or_name(subject, key), message).played(change)];
        }
        let Some((limits, fields)) = limits(&scenario.workload) else { return Vec::new() };
        if limits.max_unavailable == 0 || replicas == 0 || replicas > FEW {
            return Vec::new();
        }
        let message =
            format!("the update may stop {} of {replicas} pods before new ones are ready", limits.max_unavailable);
        let [surge, unavailable] = ["maxSurge", "maxUnavailable"].map(|name| format!("{fields}.{name}"));
        let change = subject.set(&unavailable, "0").and_then(|change| match limits.max_surge {
            0 => change.and(subject.set(&surge, "1")),
            _ => Some(change),
        });
        vec![Found::at(value_or_name(subject, &unavailable), message).played(change)]
    },
};

const ONE_REPLICA: Rule = Rule {
    page: Page {
        code: "K023",
        title: "one replica",
        level: Level::Warning,
        cause: "There is a single pod. A drained node, an eviction or a crash takes it away, and no PodDisruptionBudget can keep \
                it without blocking every drain.",
        consequence: "Each of these is an outage until a new pod has started and the load balancer knows it.",
        remedy: "run two replicas or more",
        source: "Kubernetes documentation, Disruptions, application owner perspective",
        example: include_str!("../../../scenarios/findings/K023.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let key = "spec.replicas";
        let fewest =
            subject.release.autoscaler.map(|hpa| hpa.find("spec.minReplicas").and_then(Node::integer).unwrap_or(1));
        if subject.scenario.is_none() || subject.replicas() != 1 || fewest.is_some_and(|fewest| fewest > 1) {
            return Vec::new();
        }
        let message = "with one replica each lost pod is an outage until the next one serves";
        // An autoscaler would go back to its own minimum.
        let change = subject.set(key, "2").filter(|_| fewest.is_none());
        vec![Found::at(value_or_name(subject, key), message).with(change)]
    },
};

const BLOCKED_EVICTIONS: Rule = Rule {
    page: Page {
        code: "K028",
        title: "a PodDisruptionBudget that allows no disruption",
        level: Level::Warning,
        cause: "The budget demands as many available pods as there are, or allows none to be missing. The eviction API then \
                refuses every eviction.",
        consequence: "Drains of nodes wait for ever, so do node upgrades and Karpenter's consolidation, until somebody deletes \
                      pods by hand. Releases do not ask the budget.",
        remedy: "write maxUnavailable: 1",
        source: "Kubernetes documentation, Specifying a Disruption Budget; API-initiated Eviction",
        example: include_str!("../../../scenarios/findings/K028.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(replicas) = subject.scenario.map(|scenario| scenario.workload.replicas()) else { return Vec::new() };
        let labels = subject.release.labels();
        let is_of_pods = |budget: &&Object| {
            budget.namespace == subject.workload().namespace && !labels.is_empty() && selects(budget, labels)
        };
        let found = |budget: &Object| {
            let (key, node) = blocking(budget, replicas)?;
            let message =
                format!("{key}: {} allows no eviction of any of the {replicas} pods", node.to_toml().trim_matches('"'));
            // A budget of one pod allows none to go, or protects nothing.
            let change = match key {
                _ if replicas < 2 => None,
                "minAvailable" => {
                    Change::set(subject.sources, budget, "spec.minAvailable", &(replicas - 1).to_string())
                }
                _ => Change::set(subject.sources, budget, "spec.maxUnavailable", "1"),
            };
            Some(Found::at(node.place.clone(), message).with(change))
        };
        let budgets = subject.release.stream.of_kind("PodDisruptionBudget");
        budgets.filter(is_of_pods).filter_map(found).collect()
    },
};

const UNPINNED_IMAGE: Rule = Rule {
    page: Page {
        code: "K030",
        title: "an image that is not pinned",
        level: Level::Warning,
        cause: "The image has the tag `latest`, or none, which means the same. What that is changes without a change of the \
                manifest, and each pod asks the registry when it starts.",
        consequence: "Pods of one revision run different programs, a release is not noticed, and a rollback brings back the \
                      tag, not the program.",
        remedy: "name a version, or a digest: image: example.com/web@sha256:…",
        source: "Kubernetes documentation, Images, image names and imagePullPolicy; Configuration Best Practices",
        example: include_str!("../../../scenarios/findings/K030.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let found = |container: &Node| {
            let node = container.table()?.find("image")?;
            let image = node.text().filter(|image| is_unpinned(image))?;
            Some(Found::at(
                node.place.clone(),
                format!("{image} names no version: what it is may change from one day to the next"),
            ))
        };
        let others = subject.pod("initContainers").and_then(Node::array).unwrap_or_default();
        subject.containers().iter().chain(others).filter_map(found).collect()
    },
};

const SHORT_PROGRESS_DEADLINE: Rule = Rule {
    page: Page {
        code: "K037",
        title: "progressDeadlineSeconds is shorter than the start of a pod",
        level: Level::Warning,
        cause: "Between two steps of progress a pod is scheduled, pulls its image, starts, becomes ready, and stays ready for \
                minReadySeconds. That may take longer than progressDeadlineSeconds.",
        consequence: "A release that is doing well is reported as ProgressDeadlineExceeded; with progressDeadlineAbort it is \
                      aborted, and pipelines that wait for it fail.",
        remedy: "set progressDeadlineSeconds to at least twice the time, more where pods wait for new nodes",
        source: "Kubernetes documentation, Deployments, progress deadline; Argo Rollouts documentation, specification",
        example: include_str!("../../../scenarios/findings/K037.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(scenario) = subject.scenario else { return Vec::new() };
        let deadline = match &scenario.workload {
            Workload::Rollout(rollout) => rollout.progress_deadline,
            Workload::Deployment(deployment) => deployment.progress_deadline,
        };
        let probe = scenario.pod.readiness_probe;
        let first_look = probe.map_or(Duration::ZERO, |probe| probe.initial_delay);
        let needed = usual_most(&scenario.cluster.image_pull)
            + usual_most(&scenario.application.startup_time).max(first_look)
            + scenario.workload.min_ready();
        if deadline == Duration::ZERO || deadline >= needed {
            return Vec::new();
        }
        let key = "spec.progressDeadlineSeconds";
        let message = format!(
            "a pod needs up to {} s until it is available, and the release counts as stuck after {} s",
            seconds(needed),
            seconds(deadline)
        );
        let change = subject.set(key, &(2 * seconds(needed)).to_string());
        vec![Found::at(value_or_name(subject, key), message).with(change)]
    },
};

/// Where a field of the workload stands, or else its name.
fn value_or_name(subject: &Subject<'_>, key: &str) -> Option<Range<usize>> {
    let value = subject.workload().find(key).and_then(|node| node.place.clone());
    value.or_else(|| Some(subject.workload().name_place.clone()))
}

/// Whether the ALB sends its requests to the pods themselves. An annotation of a Service goes before the Ingress's.
fn has_ip_targets(subject: &Subject<'_>) -> bool {
    subject.release.ingress.is_some() && subject.target_group_text("target-type") == Some("ip")
}

/// Whether pods replace each other behind one Service. With traffic routing the canary's Service selects the first pods
/// only when they are available, the active Service of blueGreen even later: there neither minReadySeconds nor a readiness
/// gate lets the load balancer catch up. Source: argo-rollouts, `rollout/service.go`; AWS Load Balancer Controller,
/// `pod_readiness_gate_inject.go`, puts a gate only into pods that a Service selects when they are created.
fn is_rolling_update(workload: &Workload) -> bool {
    match workload {
        Workload::Deployment(deployment) => deployment.strategy != deployment::Strategy::Recreate,
        Workload::Rollout(rollout) => !rollout.is_traffic_routed() && rollout.blue_green().is_none(),
    }
}

/// How far a rolling update leaves the number of replicas, and below which key that is written. A canary with traffic
/// routing brings its pods first.
fn limits(workload: &Workload) -> Option<(Fenceposts, &'static str)> {
    let replicas = workload.replicas();
    if let Workload::Deployment(deployment) = workload {
        return match deployment.strategy {
            deployment::Strategy::RollingUpdate { max_surge, max_unavailable } => {
                Some((fenceposts(max_surge, max_unavailable, replicas), "spec.strategy.rollingUpdate"))
            }
            deployment::Strategy::Recreate => None,
        };
    }
    let canary = workload.canary().filter(|canary| !canary.is_traffic_routed())?;
    Some((fenceposts(canary.max_surge, canary.max_unavailable, replicas), "spec.strategy.canary"))
}

/// Whether the selector of a budget means pods with these labels. One without conditions means all pods, since policy/v1.
/// Source: Kubernetes documentation, Labels and Selectors; Specifying a Disruption Budget.
fn selects(budget: &Object, labels: &[Entry]) -> bool {
    let (wanted, expressions) =
        (budget.entries("spec.selector.matchLabels"), budget.items("spec.selector.matchExpressions"));
    if wanted.is_empty() && expressions.is_empty() {
        return budget.find("spec.selector").is_some() && budget.text("apiVersion") == Some("policy/v1");
    }
    (wanted.is_empty() || Object::selects(wanted, labels)) && expressions.iter().all(|node| holds(node, labels))
}

/// One of `matchExpressions`.
fn holds(expression: &Node, labels: &[Entry]) -> bool {
    let Some(table) = expression.table() else { return false };
    let text = |key: &str| table.find(key).and_then(Node::text).unwrap_or_default();
    let label = labels.iter().find(|label| label.key == text("key")).map(|label| label.value.text());
    let values = table.find("values").and_then(Node::array).unwrap_or_default();
    let is_one_of = |label: Option<&str>| label.is_some() && values.iter().any(|value| value.text() == label);
    match text("operator") {
        "In" => label.is_some_and(is_one_of),
        "NotIn" => !label.is_some_and(is_one_of),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => false,
    }
}

/// The field of a budget that forbids every eviction. Percentages are rounded up. Source: Kubernetes, `disruption.go`.
fn blocking(budget: &Object, replicas: u32) -> Option<(&'static str, &Node)> {
    let pods = |node: &Node| match node.text() {
        Some(text) => {
            let percent = text.strip_suffix('%')?.parse::<u64>().ok()?;
            Some((percent.min(100) * u64::from(replicas)).div_ceil(100))
        }
        None => u64::try_from(node.integer()?).ok(),
    };
    let field = |key: &'static str| Some((key, budget.find(&format!("spec.{key}"))?));
    let is_too_many = |(_, node): &(&str, &Node)| pods(node).is_some_and(|pods| pods >= u64::from(replicas));
    let is_none = |(_, node): &(&str, &Node)| pods(node) == Some(0);
    field("minAvailable").filter(is_too_many).or_else(|| field("maxUnavailable").filter(is_none))
}

/// A tag stands behind the last colon, unless that belongs to the registry's port. Placeholders are filled in by others.
fn is_unpinned(image: &str) -> bool {
    if image.is_empty() || image.contains(['@', '$', '{', '<']) {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_stands_behind_the_last_colon_of_the_name() {
        for image in ["web", "web:latest", "registry.example.com:5000/web", "registry.example.com:5000/web:latest"] {
            assert!(is_unpinned(image), "{image}");
        }
        for image in
            ["web:v1", "registry.example.com:5000/web:v1", "web@sha256:0123", "web:latest@sha256:0123", "${IMAGE}"]
        {
            assert!(!is_unpinned(image), "{image}");
        }
    }

    #[test]
    fn a_budget_means_the_pods_that_its_selector_selects() {
        let object = |text: &str| {
            let text = format!("kind: PodDisruptionBudget\n{text}\n");
            let documents = crate::scenario::manifests::yaml::documents(&text, 0);
            Object::new(documents[0].as_ref().unwrap()).unwrap()
        };
        let labels = object("apiVersion: v1\nlabels: { app: web, tier: front }");
        let selects = |selector: &str| {
            let budget = object(&format!("apiVersion: policy/v1\nspec: {{ {selector} }}"));
            selects(&budget, labels.entries("labels"))
        };
        for (selector, expected) in [
            ("selector: { matchLabels: { app: web } }", true),
            ("selector: { matchLabels: { app: shop } }", false),
            ("selector: { matchExpressions: [{ key: app, operator: In, values: [shop, web] }] }", true),
            ("selector: { matchExpressions: [{ key: app, operator: In, values: [shop] }] }", false),
            ("selector: { matchExpressions: [{ key: app, operator: NotIn, values: [web] }] }", false),
            ("selector: { matchExpressions: [{ key: team, operator: NotIn, values: [web] }] }", true),
            ("selector: { matchExpressions: [{ key: tier, operator: Exists }] }", true),
            ("selector: { matchExpressions: [{ key: tier, operator: DoesNotExist }] }", false),
            ("selector: { matchLabels: { app: web }, matchExpressions: [{ key: team, operator: Exists }] }", false),
            ("selector: {}", true),
            ("minAvailable: 1", false),
        ] {
            assert_eq!(selects(selector), expected, "{selector}");
        }
    }

    #[test]
    fn a_budget_blocks_if_nothing_may_be_missing() {
        let blocks = |field: &str, replicas: u32| {
            let text = format!("kind: PodDisruptionBudget\napiVersion: policy/v1\nspec: {{ {field} }}\n");
            let documents = crate::scenario::manifests::yaml::documents(&text, 0);
            let budget = Object::new(documents[0].as_ref().unwrap()).unwrap();
            blocking(&budget, replicas).is_some()
        };
        assert!(blocks("minAvailable: 4", 4) && blocks("minAvailable: 100%", 4) && blocks("minAvailable: 76%", 4));
        assert!(!blocks("minAvailable: 3", 4) && !blocks("minAvailable: 75%", 4));
        assert!(blocks("maxUnavailable: 0", 4) && blocks("maxUnavailable: 0%", 4));
        // Rounded up to a pod.
        assert!(!blocks("maxUnavailable: 1", 4) && !blocks("maxUnavailable: 10%", 4));
    }
}
