//! The Services, and whether they lead to the pods.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::Subject;
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::object::Object;
use crate::scenario::path;

pub const RULES: &[Rule] = &[SELECTOR, TARGET_PORT, NOT_READY_ADDRESSES];

/// Which the Rollouts controller adds to the selectors itself.
const POD_TEMPLATE_HASH: &str = "rollouts-pod-template-hash";

const SELECTOR: Rule = Rule {
    page: Page {
        code: "K032",
        title: "a Service of the Rollout does not select its pods",
        level: Level::Error,
        cause: "The selector of the Service has a label that the pod template does not have, or has with another value.",
        consequence: "The Rollouts controller refuses the Rollout as InvalidSpec: `Service … has unmatch label`. Nothing is \
                      released.",
        remedy: "use labels of the pod template in the selector",
        source: "argo-rollouts, `pkg/apis/rollouts/validation/validation_references.go`, ValidateService",
        example: include_str!("../../../scenarios/findings/K032.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let release = subject.release;
        if !release.is_rollout() || release.template.is_none() {
            return Vec::new();
        }
        let mut services: Vec<&Object> =
            release.named_services().iter().filter_map(|(_, node)| release.service(node.text()?)).collect();
        services.dedup_by_key(|service| &service.name_place);
        let found = |service: &&Object| {
            let label = |key: &str| release.labels().iter().find(|label| label.key == key);
            let is_other = |entry: &&Entry| {
                let label = label(&entry.key).map(|label| label.value.to_toml());
                entry.key != POD_TEMPLATE_HASH && label != Some(entry.value.to_toml())
            };
            let other = service.entries("spec.selector").iter().find(is_other)?;
            let (key, text) = (&other.key, other.value.to_toml());
            let pods = label(key).map(|label| label.value.to_toml());
            let message = match &pods {
                Some(pods) => format!("`{}` selects pods with {key}: {text}, and these have {pods}", service.name),
                None => format!("`{}` selects pods with {key}: {text}, and these have no such label", service.name),
            };
            let field = path::join("spec.selector", key);
            let change = pods.and_then(|pods| Change::set(subject.sources, service, &field, &pods));
            Some(Found::at(other.value.place.clone(), message).with(change))
        };
        services.iter().filter_map(found).collect()
    },
};

const TARGET_PORT: Rule = Rule {
    page: Page {
        code: "K033",
        title: "targetPort names no port of the pod",
        level: Level::Error,
        cause: "A Service finds the port of a pod by its name, and no container of the pod has a port of that name.",
        consequence: "The EndpointSlice leaves the port out without a word, and the load balancer controller registers no \
                      target: 503.",
        remedy: "use the name of a container's port, or its number",
        source: "Kubernetes documentation, Service, port definitions; `k8s.io/endpointslice`, utils.go",
        example: include_str!("../../../scenarios/findings/K033.bad.yaml"),
        run: None,
    },
    look: |subject| {
        if subject.containers().is_empty() || has_injected_containers(subject) {
            return Vec::new();
        }
        let init = subject.pod("initContainers").and_then(Node::array).unwrap_or_default();
        let containers = subject.containers().iter().chain(init);
        let names: Vec<&str> = containers.flat_map(port_names).collect();
        let mut found = Vec::new();
        for service in subject.release.services() {
            for (index, port) in service.items("spec.ports").iter().enumerate() {
                let target = port.table().and_then(|table| table.find("targetPort"));
                let Some(node) = target.filter(|node| is_port_name(node)) else { continue };
                let Some(name) = node.text().filter(|name| !names.contains(name)) else { continue };
                let message = format!("`{}` sends to the port `{name}`, and no container has one", service.name);
                let key = format!("spec.ports[{index}].targetPort");
                let only = subject.containers().get(subject.main()).and_then(only_port);
                let only = only.and_then(|port| Change::set(subject.sources, service, &key, &port));
                found.push(Found::at(node.place.clone(), message).with(only));
            }
        }
        found
    },
};

const NOT_READY_ADDRESSES: Rule = Rule {
    page: Page {
        code: "K034",
        title: "a Service that publishes addresses of pods that are not ready",
        level: Level::Warning,
        cause: "With publishNotReadyAddresses: true every address of the Service counts as ready: pods that have not started \
                yet, and pods that are being deleted.",
        consequence: "The load balancer gets targets that do not answer, and does not hear of a deletion before the pod is gone: \
                      502 and 504 at every start and stop.",
        remedy: "leave publishNotReadyAddresses out; it is meant for headless Services of clusters that find each other",
        source: "Kubernetes API reference, ServiceSpec; `k8s.io/endpointslice`, utils.go",
        example: include_str!("../../../scenarios/findings/K034.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let key = "spec.publishNotReadyAddresses";
        let found = |service: &&Object| {
            let is_headless = service.text("spec.clusterIP") == Some("None");
            let node = service.find(key).filter(|node| node.boolean() == Some(true) && !is_headless)?;
            let message = format!("`{}` sends requests to pods that are not ready, or being deleted", service.name);
            let change = Change::set(subject.sources, service, key, "false");
            Some(Found::at(node.place.clone(), message).with(change))
        };
        subject.release.services().iter().filter_map(found).collect()
    },
};

/// A text of digits is a number to nobody: Kubernetes takes it for a name, and refuses it.
pub(super) fn is_port_name(node: &Node) -> bool {
    node.text().is_some_and(|text| text.chars().any(|c| c.is_ascii_alphabetic()))
}

/// Whether a webhook adds containers whose ports no manifest has.
fn has_injected_containers(subject: &Subject<'_>) -> bool {
    let of = |key: &str| {
        subject.template().map_or(&[][..], |template| template.entries(&format!("spec.template.metadata.{key}")))
    };
    of("annotations").iter().chain(of("labels")).any(|entry| entry.key.contains("inject"))
}

/// The names of a container's ports.
pub(super) fn port_names(container: &Node) -> Vec<&str> {
    let ports = container.table().and_then(|table| table.find("ports")).and_then(Node::array);
    ports.unwrap_or_default().iter().filter_map(|port| port.table()?.find("name")?.text()).collect()
}

/// The name of the only port of a container, or else its number.
pub(super) fn only_port(container: &Node) -> Option<String> {
    let [port] = container.table()?.find("ports")?.array()? else { return None };
    let port = port.table()?;
    let name = port.find("name").and_then(Node::text).map(str::to_owned);
    name.or_else(|| Some(port.find("containerPort")?.to_toml()))
}
