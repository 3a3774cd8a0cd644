//! One release of a stream: the Rollout or Deployment, and the objects that belong to it.

use super::object::{self, Object};
use super::stream::{Stream, error};
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::document::Node;

/// What belongs together. What the stream does not have is None.
#[derive(Clone, Copy, Debug)]
pub struct Release<'s> {
    pub stream: &'s Stream,
    /// A Rollout or a Deployment; of [`parts`] the object that is looked at.
    pub workload: &'s Object,
    /// The object of `workloadRef`, or the workload itself: it has the pod template.
    pub template: Option<&'s Object>,
    pub ingress: Option<&'s Object>,
    pub autoscaler: Option<&'s Object>,
    pub namespace: Option<&'s Object>,
}

/// Services that a strategy names, by the dotted key of the Rollout that does. Not the `rootService`: only the action in
/// the annotation of the Ingress goes by its name.
const SERVICES: [&str; 6] = [
    "spec.strategy.canary.stableService",
    "spec.strategy.canary.canaryService",
    "spec.strategy.canary.pingPong.pingService",
    "spec.strategy.canary.pingPong.pongService",
    "spec.strategy.blueGreen.activeService",
    "spec.strategy.blueGreen.previewService",
];

const INGRESS: &str = "spec.strategy.canary.trafficRouting.alb.ingress";
const INGRESSES: &str = "spec.strategy.canary.trafficRouting.alb.ingresses";

/// Every release that the stream describes: its Rollouts; without any, the Deployments that an Ingress leads to; without
/// such, all Deployments.
pub fn releases(stream: &Stream) -> Vec<Release<'_>> {
    let rollouts: Vec<_> = stream.of_kind("Rollout").collect();
    if !rollouts.is_empty() {
        return rollouts.into_iter().map(|rollout| Release::new(stream, rollout)).collect();
    }
    let deployments: Vec<_> = stream.of_kind("Deployment").map(|workload| Release::new(stream, workload)).collect();
    let exposed: Vec<_> = deployments.iter().copied().filter(|release| release.ingress.is_some()).collect();
    if exposed.is_empty() { deployments } else { exposed }
}

/// What a stream without a workload consists of, each as if it were released: a Service with an Ingress that leads to it,
/// an Ingress that leads elsewhere, a Namespace. Of pods nothing is known.
pub fn parts(stream: &Stream) -> Vec<Release<'_>> {
    let alone =
        |object| Release { stream, workload: object, template: None, ingress: None, autoscaler: None, namespace: None };
    let leads_to = |ingress: &Object, service: &Object| {
        let is_named = |backend: &&Node| backend.text() == Some(service.name.as_str());
        ingress.namespace == service.namespace && backends(ingress).iter().any(is_named)
    };
    let mut parts = Vec::new();
    for service in stream.of_kind("Service") {
        parts.push(alone(service));
        let ingresses = stream.of_kind("Ingress").filter(|ingress| leads_to(ingress, service));
        parts.extend(ingresses.map(|ingress| Release { ingress: Some(ingress), ..alone(service) }));
    }
    for ingress in stream.of_kind("Ingress") {
        let led_to = stream.of_kind("Service").filter(|service| leads_to(ingress, service)).count();
        if led_to < backends(ingress).len().max(1) {
            parts.push(Release { ingress: Some(ingress), ..alone(ingress) });
        }
    }
    parts.extend(
        stream.of_kind("Namespace").map(|namespace| Release { namespace: Some(namespace), ..alone(namespace) }),
    );
    parts
}

impl<'s> Release<'s> {
    pub fn new(stream: &'s Stream, workload: &'s Object) -> Self {
        let namespace = workload.namespace.as_str();
        let template = match workload.text("spec.workloadRef.name") {
            Some(name) => stream
                .find(referenced_kind(workload), namespace, name)
                .filter(|object| object.group == object::group(workload.text("spec.workloadRef.apiVersion"))),
            None => Some(workload),
        };
        let targets = |hpa: &&Object| {
            let is_text = |key: &str, text: &str| hpa.text(key) == Some(text);
            hpa.namespace == namespace
                && is_text("spec.scaleTargetRef.kind", &workload.kind)
                && is_text("spec.scaleTargetRef.name", &workload.name)
        };
        let release = Self {
            stream,
            workload,
            template,
            ingress: None,
            autoscaler: stream.of_kind("HorizontalPodAutoscaler").find(targets),
            namespace: stream.find("Namespace", "", namespace),
        };
        Self { ingress: release.find_ingress(), ..release }
    }

    pub fn is_rollout(&self) -> bool {
        self.workload.is("Rollout")
    }

    /// Whether it has no pods: nothing is released.
    pub fn is_at_rest(&self) -> bool {
        let replicas = self.workload.find("spec.replicas").and_then(Node::integer);
        replicas == Some(0) && !self.stream.is_scaled_elsewhere
    }

    /// The labels of its pods.
    pub fn labels(&self) -> &'s [crate::scenario::document::Entry] {
        self.template.map_or(&[], |template| template.entries("spec.template.metadata.labels"))
    }

    /// The Services that the strategy names, in the stream or not, each with the key that names it.
    pub fn named_services(&self) -> Vec<(&'static str, &'s Node)> {
        SERVICES.into_iter().filter_map(|key| Some((key, self.workload.find(key)?))).collect()
    }

    /// A Service of the same namespace.
    pub fn service(&self, name: &str) -> Option<&'s Object> {
        self.stream.find("Service", &self.workload.namespace, name)
    }

    /// The Services whose pods these are: those that the strategy names, or all that select them.
    pub fn services(&self) -> Vec<&'s Object> {
        if self.workload.is("Service") {
            return vec![self.workload];
        }
        let named: Vec<_> = self.named_services().iter().filter_map(|(_, node)| self.service(node.text()?)).collect();
        if !named.is_empty() {
            return named;
        }
        let selects = |service: &&Object| {
            service.namespace == self.workload.namespace
                && Object::selects(service.entries("spec.selector"), self.labels())
        };
        self.stream.of_kind("Service").filter(selects).collect()
    }

    /// The Service whose annotations count for the target groups, of which one kind is simulated: that of the stable pods,
    /// or of those that take requests first. None if the files do not have it.
    pub fn service_of_target_group(&self) -> Option<&'s Object> {
        match self.named_services().first() {
            Some((_, name)) => self.service(name.text()?),
            None => self.services().first().copied(),
        }
    }

    /// The name of the Ingress, or of the first of several, with its node.
    pub fn named_ingress(&self) -> Option<&'s Node> {
        self.workload.find(INGRESS).or_else(|| self.workload.items(INGRESSES).first())
    }

    /// Those that the Rollout names besides, which are not simulated.
    pub fn further_ingresses(&self) -> &'s [Node] {
        let all = self.workload.items(INGRESSES);
        if self.workload.find(INGRESS).is_some() { all } else { all.get(1..).unwrap_or_default() }
    }

    fn find_ingress(&self) -> Option<&'s Object> {
        if let Some(name) = self.named_ingress().and_then(Node::text) {
            return self.stream.find("Ingress", &self.workload.namespace, name);
        }
        let names: Vec<_> = self.services().iter().map(|service| service.name.as_str()).collect();
        let leads_here = |ingress: &&Object| {
            ingress.namespace == self.workload.namespace
                && backends(ingress).iter().filter_map(|node| node.text()).any(|backend| names.contains(&backend))
        };
        self.stream.of_kind("Ingress").find(leads_here)
    }

    /// What the objects name and the stream does not have. A stream without a single Service is a part of the whole, and so
    /// is one without an Ingress, or without the Deployment of a workloadRef: that is told elsewhere.
    pub fn references(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut has = |kind: &str, named: &[&'s Node]| {
            let names: Vec<_> = named.iter().filter_map(|node| Some((*node, node.text()?))).collect();
            let missing = |(_, name): &&(&Node, &str)| self.stream.find(kind, &self.workload.namespace, name).is_none();
            let missing: Vec<_> = names.iter().filter(missing).collect();
            let in_namespace: Vec<_> = self
                .stream
                .of_kind(kind)
                .filter(|object| object.namespace == self.workload.namespace)
                .map(|object| object.name.as_str())
                .collect();
            for (node, name) in missing {
                let message = format!("there is no {kind} `{name}` in the namespace {}", self.workload.namespace);
                if in_namespace.is_empty() {
                    continue;
                }
                let help = match crate::scenario::nearest::nearest(name, &in_namespace) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("these files have {}", in_namespace.join(", ")),
                };
                problems.push(error(message, node.place.clone(), help));
            }
        };
        let services: Vec<_> = self.named_services().into_iter().map(|(_, node)| node).collect();
        has("Service", &services);
        has("Ingress", &self.named_ingress().into_iter().collect::<Vec<_>>());
        let referenced = self.workload.find("spec.workloadRef.name");
        has(referenced_kind(self.workload), &referenced.into_iter().collect::<Vec<_>>());
        problems.extend(self.ingress_backend());
        problems
    }

    /// The Ingress leads to the Service whose action the controller writes. Source: `validation_references.go`.
    fn ingress_backend(&self) -> Option<Problem> {
        let (name, ingress) = (self.named_ingress()?, self.ingress?);
        let root = self
            .workload
            .find("spec.strategy.canary.trafficRouting.alb.rootService")
            .or_else(|| self.workload.find("spec.strategy.canary.stableService"))?;
        let nodes = backends(ingress);
        let backends: Vec<_> = nodes.iter().filter_map(|node| node.text()).collect();
        let violation = crate::scenario::validation::ingress::violation(name.text()?, root.text()?, &backends)?;
        let place = nodes.first().and_then(|node| node.place.clone()).or_else(|| root.place.clone());
        Some(Problem {
            severity: Severity::Error,
            code: violation.rule.code(),
            key: String::new(),
            message: violation.detail,
            place,
            help: format!("name `{}` as the backend of a path, with the port name use-annotation", root.text()?),
        })
    }
}

/// The kind of the object that `workloadRef` names.
fn referenced_kind(workload: &Object) -> &str {
    workload.text("spec.workloadRef.kind").unwrap_or("Deployment")
}

/// The Services that the paths of an Ingress name.
pub fn backends(ingress: &Object) -> Vec<&Node> {
    let paths = ingress.items("spec.rules").iter().filter_map(|rule| rule.table()?.find("http.paths")?.array());
    let default = ingress.find("spec.defaultBackend.service.name");
    let named = paths.flatten().filter_map(|path| path.table()?.find("backend.service.name"));
    named.chain(default).collect()
}
