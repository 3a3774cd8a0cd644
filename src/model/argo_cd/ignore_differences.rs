//! `spec.ignoreDifferences`: what the comparison leaves out, on both sides.
//!
//! Source: `util/argo/normalizers` of argo-cd; *Diff Customization*.

use super::jq;
use crate::model::manifest::Id;
use serde_json::Value;
use std::collections::BTreeMap;

/// Who wrote a field last, by its JSON pointer: a list is one field.
pub type Managers = BTreeMap<String, Manager>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    RolloutsController,
    ArgoCd,
}

impl Manager {
    /// As `managedFields` names it. Assumption for the Rollouts controller: its binary's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RolloutsController => "rollouts-controller",
            Self::ArgoCd => "argocd-controller",
        }
    }
}

/// One entry of `ignoreDifferences`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IgnoreDifference {
    /// `*` fits any.
    pub group: String,
    pub kind: String,
    /// None: all of the kind.
    pub name: Option<String>,
    pub json_pointers: Vec<String>,
    pub jq_path_expressions: Vec<jq::Path>,
    pub managed_fields_managers: Vec<String>,
}

impl IgnoreDifference {
    /// Whether the object is of its group, kind and name.
    pub fn is_about(&self, id: &Id) -> bool {
        let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
        fits(&self.group, id.kind.group())
            && fits(&self.kind, id.kind.name())
            && self.name.as_ref().is_none_or(|name| *name == id.name)
    }

    fn take_out(&self, manifest: &mut Value, managers: &Managers) {
        for pointer in &self.json_pointers {
            remove(manifest, pointer);
        }
        for path in &self.jq_path_expressions {
            path.delete(manifest);
        }
        let is_named = |manager: &Manager| self.managed_fields_managers.iter().any(|name| name == manager.name());
        for (pointer, _) in managers.iter().filter(|(_, manager)| is_named(manager)) {
            remove(manifest, pointer);
        }
    }
}

/// The manifest without what is ignored.
pub fn normalised(rules: &[IgnoreDifference], id: &Id, manifest: &Value, managers: &Managers) -> Value {
    let mut manifest = manifest.clone();
    for rule in rules.iter().filter(|rule| rule.is_about(id)) {
        rule.take_out(&mut manifest, managers);
    }
    manifest
}

fn remove(manifest: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let key = last.replace("~1", "/").replace("~0", "~");
    match manifest.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&key);
        }
        Some(Value::Array(elements)) => {
            if let Some(index) = key.parse().ok().filter(|index| *index < elements.len()) {
                elements.remove(index);
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
    }
}

/// What differs between two states of an object, by the pointers of its fields.
pub fn changed_fields(before: &Value, after: &Value) -> Vec<String> {
    let mut fields = vec![];
    find_changes(before, after, String::new(), &mut fields);
    fields
}

fn find_changes(before: &Value, after: &Value, at: String, fields: &mut Vec<String>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return fields.push(at) };
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let [old, new] = [old, new].map(|fields| fields.get(key).unwrap_or(&Value::Null));
        let key = key.replace('~', "~0").replace('/', "~1");
        find_changes(old, new, format!("{at}/{key}"), fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::Kind;
    use serde_json::json;

    fn ingress() -> Id {
        Id { kind: Kind::Ingress, name: "web".to_owned() }
    }

    #[test]
    fn a_rule_is_for_its_objects_alone() {
        let manifest = json!({ "spec": { "rules": [1] }, "metadata": { "annotations": { "a/b": "1" } } });
        let rule = |group: &str, name: Option<&str>| IgnoreDifference {
            group: group.to_owned(),
            kind: "Ingress".to_owned(),
            name: name.map(str::to_owned),
            json_pointers: vec!["/metadata/annotations/a~1b".to_owned(), "/spec/rules/0".to_owned()],
            ..IgnoreDifference::default()
        };
        let left = json!({ "spec": { "rules": [] }, "metadata": { "annotations": {} } });
        let none = Managers::new();
        for (group, name, is_about) in [
            ("networking.k8s.io", None, true),
            ("*", Some("web"), true),
            ("", None, false),
            ("networking.k8s.io", Some("other"), false),
        ] {
            let after = normalised(&[rule(group, name)], &ingress(), &manifest, &none);
            assert_eq!(after == left, is_about, "{group} {name:?}: {after}");
        }
    }

    #[test]
    fn the_fields_of_a_manager_are_those_that_it_wrote_last() {
        let managers = Managers::from([
            ("/spec/rules".to_owned(), Manager::RolloutsController),
            ("/metadata/annotations/a".to_owned(), Manager::ArgoCd),
        ]);
        let rule = IgnoreDifference {
            group: "*".to_owned(),
            kind: "*".to_owned(),
            managed_fields_managers: vec!["rollouts-controller".to_owned()],
            ..IgnoreDifference::default()
        };
        let manifest = json!({ "spec": { "rules": [1] }, "metadata": { "annotations": { "a": "1" } } });
        let left = json!({ "spec": {}, "metadata": { "annotations": { "a": "1" } } });
        assert_eq!(normalised(&[rule], &ingress(), &manifest, &managers), left);
    }

    #[test]
    fn changes_are_told_by_pointer() {
        let before = json!({ "a": { "x/y": 1, "z": [1, 2] }, "b": 1 });
        let after = json!({ "a": { "x/y": 2, "z": [1] }, "c": 1 });
        assert_eq!(changed_fields(&before, &after), ["/a/x~1y", "/a/z", "/b", "/c"]);
        assert!(changed_fields(&before, &before).is_empty());
    }
}
