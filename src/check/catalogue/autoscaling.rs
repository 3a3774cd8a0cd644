//! A HorizontalPodAutoscaler beside the release.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::Subject;
use crate::model::rollout::step::{CanaryScale, Step};
use crate::scenario::document::{Node, Table};
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::release::releases;
use crate::units::TrafficWeight;

pub const RULES: &[Rule] = &[REPLICAS_BESIDE_AUTOSCALER, MEMORY_METRIC, AVERAGE_VALUE, NO_REQUEST, OTHER_TARGET];

const REPLICAS_BESIDE_AUTOSCALER: Rule = Rule {
    page: Page {
        code: "K024",
        title: "replicas beside an autoscaler",
        level: Level::Warning,
        cause: "The manifest names a number of replicas, and a HorizontalPodAutoscaler sets the same field. Whoever applies the \
                manifest sets it back.",
        consequence: "Each release begins with a jump to the manifest's number: under load most pods are stopped, and what they \
                      worked on, and what they cannot carry any more, fails.",
        remedy: "leave spec.replicas out; when it is taken out of a live object, make sure first that no apply resets it to 1 \
                 for a moment",
        source: "Kubernetes documentation, Horizontal Pod Autoscaling, migrating Deployments to horizontal autoscaling; Argo CD \
                 documentation, Best Practices, leaving room for imperativeness",
        example: include_str!("../../../scenarios/findings/K024.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (key, Some(hpa)) = ("spec.replicas", subject.release.autoscaler) else { return Vec::new() };
        let Some(node) = subject.workload().find(key).filter(|_| !is_left_alone(subject)) else { return Vec::new() };
        let message = format!(
            "each apply sets replicas back to {}, while `{}` scales between {} and {}",
            node.to_toml(),
            hpa.name,
            hpa.find("spec.minReplicas").map_or_else(|| "1".to_owned(), Node::to_toml),
            hpa.find("spec.maxReplicas").map_or_else(|| "its maximum".to_owned(), Node::to_toml)
        );
        let change = Change::remove(subject.sources, subject.workload(), key);
        vec![Found::at(subject.key_place(key), message).with(change)]
    },
};

const MEMORY_METRIC: Rule = Rule {
    page: Page {
        code: "K025",
        title: "an autoscaler by memory beside a canary with traffic routing",
        level: Level::Warning,
        cause: "The autoscaler counts stable and canary pods together, and the Rollouts controller takes its answer for the \
                stable pods alone and adds the canary again. Memory per pod hardly falls when there are more pods.",
        consequence: "While usage lies in a range *below* the target the stable pods grow at every sync, up to maxReplicas, \
                      and stay there until the end of the release.",
        remedy: "scale by CPU or by requests, or keep the canary small with setCanaryScale",
        source: "argo-rollouts issues 2857, 3849, 4369; pull request 4868",
        example: include_str!("../../../scenarios/findings/K025.bad.yaml"),
        run: Some(Run::of("field-reports/p26-autoscaler-and-canary")),
    },
    look: |subject| {
        let Some(hpa) = hpa_of_routed_canary(subject) else { return Vec::new() };
        let Some(share) = largest_canary(subject) else { return Vec::new() };
        let found = |metric: &Node| {
            let metric = metric.table()?;
            let source = ["resource", "containerResource"].into_iter().find_map(|key| metric.find(key)?.table())?;
            let name = source.find("name").filter(|name| name.text() == Some("memory"))?;
            let low = 10_000 / (100 + share);
            // Within a tenth of its target the autoscaler does nothing. Source: Kubernetes, tolerance.
            if low >= 90 {
                return None;
            }
            let message = format!(
                "with {share} % of canary pods on top, `{}` adds stable pods without end while memory is at {low} to 90 % of \
                 its target",
                hpa.name
            );
            Some(Found::at(name.place.clone(), message))
        };
        hpa.items("spec.metrics").iter().filter_map(found).collect()
    },
};

const AVERAGE_VALUE: Rule = Rule {
    page: Page {
        code: "K026",
        title: "an autoscaler by an average per pod beside a canary with traffic routing",
        level: Level::Note,
        cause: "For an External or Object metric with averageValue the autoscaler divides by all pods, canary pods included. \
                Within its tolerance it answers with their number, which the Rollouts controller takes for the stable pods.",
        consequence: "The stable pods swing between two numbers during the release: pods start and stop for nothing.",
        remedy: "keep the canary small with setCanaryScale, or use a metric of type Value",
        source: "argo-rollouts issue 4847; Kubernetes, `podautoscaler/replica_calculator.go`",
        example: include_str!("../../../scenarios/findings/K026.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(hpa) = hpa_of_routed_canary(subject) else { return Vec::new() };
        let found = |metric: &Node| {
            let metric = metric.table()?;
            let source = ["external", "object"].into_iter().find_map(|key| metric.find(key)?.table())?;
            let target = source.find("target.averageValue")?;
            let message = format!(
                "`{}` divides by canary pods, too: the stable pods swing around {} per pod during a release",
                hpa.name,
                target.to_toml().trim_matches('"')
            );
            Some(Found::at(target.place.clone(), message))
        };
        hpa.items("spec.metrics").iter().filter_map(found).collect()
    },
};

const NO_REQUEST: Rule = Rule {
    page: Page {
        code: "K027",
        title: "an autoscaler by utilization and a container without a request",
        level: Level::Warning,
        cause: "Utilization is usage divided by the request. A container of the pod has no request, so there is nothing to divide \
                by. A LimitRange of the namespace may add one.",
        consequence: "The metric fails with FailedGetResourceMetric, and the autoscaler does not scale at all.",
        remedy: "give every container of the pod a request for that resource, sidecars included",
        source: "Kubernetes documentation, Horizontal Pod Autoscaling, how it works; `podautoscaler/replica_calculator.go`",
        example: include_str!("../../../scenarios/findings/K027.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(hpa) = subject.release.autoscaler else { return Vec::new() };
        let demands = utilizations(hpa);
        let mut found = Vec::new();
        for container in subject.containers() {
            let Some(table) = container.table() else { continue };
            let Some(name) = table.find("name") else { continue };
            let lacks = |(resource, only): &&(String, Option<String>)| {
                let is_meant = only.as_deref().is_none_or(|only| name.text() == Some(only));
                let has = |kind: &str| {
                    table
                        .find(&format!("resources.{kind}"))
                        .and_then(Node::table)
                        .is_some_and(|table| table.get(resource).is_some())
                };
                // A limit without a request is both.
                is_meant && !has("requests") && !has("limits")
            };
            for (resource, _) in demands.iter().filter(lacks) {
                let message =
                    format!("`{}` scales by the utilization of {resource}, and this container requests none", hpa.name);
                found.push(Found::at(name.place.clone(), message));
            }
        }
        found
    },
};

/// Whether Argo CD is told to leave the number of replicas to others.
fn is_left_alone(subject: &Subject<'_>) -> bool {
    let has = |node: &Node, key: &str, text: &str| {
        let items = node.table().and_then(|table| table.find(key)).and_then(Node::array).unwrap_or_default();
        items.iter().any(|item| item.text() == Some(text))
    };
    let leaves = |application: &Object| {
        let ignored = application.items("spec.ignoreDifferences");
        let is_respected =
            application.spec().is_some_and(|spec| has(spec, "syncPolicy.syncOptions", "RespectIgnoreDifferences=true"));
        let is_ignored = |node: &Node| {
            has(node, "jsonPointers", "/spec/replicas") || has(node, "jqPathExpressions", ".spec.replicas")
        };
        is_respected && ignored.iter().any(is_ignored)
    };
    subject.release.stream.of_kind("Application").any(leaves)
}

/// The autoscaler, where it counts canary pods beyond the replicas.
fn hpa_of_routed_canary<'a>(subject: &Subject<'a>) -> Option<&'a Object> {
    let canary = subject.scenario?.workload.canary()?;
    subject.release.autoscaler.filter(|_| canary.is_traffic_routed() && !canary.dynamic_stable_scale)
}

/// The most canary pods while the release waits, as a percentage of the replicas.
fn largest_canary(subject: &Subject<'_>) -> Option<u32> {
    let replicas = subject.replicas().max(1);
    let of_weight = |weight: TrafficWeight| u32::try_from(weight.get()).unwrap_or(0);
    let (mut weight, mut scale, mut largest) = (0, CanaryScale::MatchTrafficWeight, 0);
    for step in subject.scenario?.workload.steps() {
        match step {
            Step::SetWeight(to) => weight = of_weight(*to),
            Step::SetCanaryScale(to) => scale = *to,
            Step::SetCanaryScaleAndWeight(to, share) => (scale, weight) = (*to, of_weight(*share)),
            Step::Pause(_) | Step::Analysis(_) => {
                let share = match scale {
                    CanaryScale::MatchTrafficWeight => weight,
                    CanaryScale::Weight(of_replicas) => of_weight(of_replicas),
                    CanaryScale::Replicas(pods) => pods.saturating_mul(100) / replicas,
                };
                largest = share.max(largest);
            }
            Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => {}
        }
    }
    Some(largest).filter(|largest| *largest > 0)
}

/// What utilizations an autoscaler looks at: the resource, and of which container if only of one.
fn utilizations(hpa: &Object) -> Vec<(String, Option<String>)> {
    let metrics = hpa.items("spec.metrics");
    // Without any metric it looks at the CPU. Source: Kubernetes, `pkg/apis/autoscaling/v2/defaults.go`.
    if metrics.is_empty() {
        return vec![("cpu".to_owned(), None)];
    }
    let demand = |metric: &Node| {
        let text = |table: &Table, key: &str| table.find(key).and_then(Node::text).map(str::to_owned);
        let source = |key: &str| metric.table()?.find(key)?.table();
        let (source, only) = match (source("resource"), source("containerResource")) {
            (Some(resource), _) => (resource, None),
            (None, Some(resource)) => (resource, Some(text(resource, "container")?)),
            (None, None) => return None,
        };
        source.find("target.averageUtilization")?;
        Some((text(source, "name")?, only))
    };
    metrics.iter().filter_map(demand).collect()
}

const OTHER_TARGET: Rule = Rule {
    page: Page {
        code: "K041",
        title: "an autoscaler that scales nothing of these files",
        level: Level::Warning,
        cause: "scaleTargetRef names a kind and a name, and no object has both: a Rollout is no Deployment, and the Deployment \
                that a workloadRef names stays at its own replicas.",
        consequence: "The autoscaler says FailedGetScale, or scales pods that take no requests; the release keeps its number \
                      of pods under any load.",
        remedy: "name the Rollout: scaleTargetRef: { apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: … }",
        source: "Argo Rollouts documentation, Horizontal Pod Autoscaling; Kubernetes API reference, CrossVersionObjectReference",
        example: include_str!("../../../scenarios/findings/K041.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (release, workload) = (subject.release, subject.workload());
        if release.autoscaler.is_some() {
            return Vec::new();
        }
        let is_first = releases(release.stream)
            .iter()
            .find(|other| other.autoscaler.is_none() && other.workload.namespace == workload.namespace)
            .is_some_and(|first| first.workload.name_place == workload.name_place);
        let found = |hpa: &Object| {
            let (kind, name) = (hpa.find("spec.scaleTargetRef.kind")?, hpa.find("spec.scaleTargetRef.name")?);
            let (kind_text, name_text) = (kind.text()?, name.text()?);
            let target = release.stream.find(kind_text, &workload.namespace, name_text);
            // Of the pods of its template none are left.
            let is_template = target.is_some_and(|target| {
                release.template.is_some_and(|template| template.name_place == target.name_place)
            });
            let message = format!("`{}` scales the {kind_text} {name_text}, not the {}", hpa.name, workload.title());
            if is_template || target.is_none() && name_text == workload.name {
                return Some(Found::at(kind.place.clone(), message));
            }
            // Of other kinds a release says nothing.
            let is_nowhere = target.is_none() && is_first && ["Deployment", "Rollout"].contains(&kind_text);
            let message = format!("`{}` scales the {kind_text} {name_text}, which these files do not have", hpa.name);
            is_nowhere.then(|| Found::at(name.place.clone(), message))
        };
        let autoscalers = release.stream.of_kind("HorizontalPodAutoscaler");
        autoscalers.filter(|hpa| hpa.namespace == workload.namespace).filter_map(found).collect()
    },
};
