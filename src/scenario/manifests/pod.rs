//! The pod template, and which of its containers takes the requests.

use super::Import;
use super::build::{put, remove};
use super::object::Object;
use crate::scenario::document::{Kind, Node, Table};

/// `template`, from the workload itself or from the object that `workloadRef` names.
pub(super) fn template(import: &mut Import<'_>, workload: &str, spec: &mut Table) {
    if let Some(reference) = remove(spec, "workloadRef") {
        let template = import.release.template.and_then(|object| object.find("spec.template"));
        match template {
            Some(template) => put(spec, "template", template.clone()),
            None => import.ignore("rollout.workloadRef", reference.key_place),
        }
    }
    let Some(pod) = super::build::inside(spec, &["template", "spec"]) else { return };
    let Some(containers) = pod.entries.iter_mut().find(|entry| entry.key == "containers") else { return };
    let Kind::Array(items) = &mut containers.value.kind else { return };
    if items.len() > 1 {
        let main = main_container(&import.release.services(), items);
        for (index, other) in items.iter().enumerate().filter(|(index, _)| *index != main) {
            import.ignore(format!("{workload}.template.spec.containers[{index}]"), other.place.clone());
        }
        *items = vec![items.swap_remove(main)];
    }
}

/// The one that has the port to which a Service sends requests; else the first.
pub fn main_container(services: &[&Object], containers: &[Node]) -> usize {
    let targets: Vec<_> = services.iter().flat_map(|service| service.items("spec.ports")).filter_map(target).collect();
    let has_port = |container: &Node| {
        let ports = container.table().and_then(|table| table.find("ports")).and_then(Node::array).unwrap_or_default();
        let is_target = |port: &Node| {
            let value = |key: &str| port.table()?.find(key).map(Node::to_toml);
            targets
                .iter()
                .any(|target| value("name").as_ref() == Some(target) || value("containerPort").as_ref() == Some(target))
        };
        ports.iter().any(is_target)
    };
    containers.iter().position(has_port).unwrap_or(0)
}

/// `targetPort`, a name or a number; the port itself unless set.
fn target(port: &Node) -> Option<String> {
    let table = port.table()?;
    Some(table.find("targetPort").or_else(|| table.find("port"))?.to_toml())
}
