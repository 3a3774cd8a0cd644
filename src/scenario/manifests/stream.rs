//! A stream of manifests: documents, Lists, what Helm and Kustomize print.

use super::object::{NoObject, Object};
use super::{texts, yaml};
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::document::Node;
use crate::scenario::sources::{Source, Sources};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Kinds that a release may depend on, each with its group.
const KNOWN: [(&str, &str); 16] = [
    ("AnalysisTemplate", "argoproj.io"),
    ("Application", "argoproj.io"),
    ("ClusterAnalysisTemplate", "argoproj.io"),
    ("Deployment", "apps"),
    ("HTTPRoute", "gateway.networking.k8s.io"),
    ("HorizontalPodAutoscaler", "autoscaling"),
    ("Ingress", "networking.k8s.io"),
    ("IngressClass", "networking.k8s.io"),
    ("IngressClassParams", "elbv2.k8s.aws"),
    ("Namespace", ""),
    ("PodDisruptionBudget", "policy"),
    ("ReplicaSet", "apps"),
    ("Rollout", "argoproj.io"),
    ("Service", ""),
    ("TargetGroupBinding", "elbv2.k8s.aws"),
    ("VirtualService", "networking.istio.io"),
];

/// What stands in it.
#[derive(Debug, Default)]
pub struct Stream {
    /// Objects of known kinds, in the order of the texts. A stream in which one document has changed shares the others.
    pub objects: Vec<Arc<Object>>,
    /// How many of other kinds there are.
    pub others: BTreeMap<String, usize>,
    /// How many documents are something else: Helm's values, a patch.
    pub no_objects: usize,
    /// Whether a scenario or the command line says how many replicas there are, whatever stands in a manifest.
    pub is_scaled_elsewhere: bool,
}

impl Stream {
    /// All problems come at once; what could be read is there all the same.
    pub fn read(sources: &Sources) -> (Self, Vec<Problem>) {
        let (mut stream, mut problems) = (Self::default(), Vec::new());
        // Files that somebody named and that hold nothing of Kubernetes, and whether any file does.
        let (mut strange, mut holds_any) = (Vec::new(), false);
        for source in sources.manifests() {
            let (mut no_objects, mut holds) = (Vec::new(), false);
            for document in yaml::documents(&source.text, source.start) {
                match document {
                    Ok(node) if is_object(&node) => {
                        stream.take(&node, source, &mut problems);
                        holds = true;
                    }
                    Ok(node) => no_objects.push(node.place),
                    Err(mistake) => problems.push(error(mistake.message, Some(mistake.place), mistake.help)),
                }
            }
            holds_any |= holds;
            let help = "a manifest begins with apiVersion and kind";
            let refused = |place| error("this is no object of Kubernetes", place, help);
            match (source.is_named, holds) {
                (false, _) => stream.no_objects += no_objects.len(),
                (true, true) => problems.extend(no_objects.into_iter().map(refused)),
                (true, false) => strange.extend(no_objects.into_iter().map(refused)),
            }
        }
        // A shell that writes out a pattern names values.yaml along with manifests.
        match holds_any {
            true => stream.no_objects += strange.len(),
            false => problems.extend(strange),
        }
        stream.refuse_doubles(sources, &mut problems);
        problems.extend(stream.objects.iter().flat_map(|object| texts::wrong(object, sources)));
        (stream, problems)
    }

    fn take(&mut self, node: &Node, source: &Source, problems: &mut Vec<Problem>) {
        let object = match Object::new(node) {
            Ok(object) => object,
            // An item of a List.
            Err(NoObject::Other) if !source.is_named => {
                self.no_objects += 1;
                return;
            }
            Err(NoObject::Other) => {
                let help = "a manifest begins with apiVersion and kind";
                problems.push(error("this is no object of Kubernetes", node.place.clone(), help));
                return;
            }
            Err(NoObject::Incomplete(missing)) => {
                let message = format!("`{missing}` is missing: this is no object of Kubernetes");
                problems.push(error(message, node.place.clone(), format!("write {missing}: …")));
                return;
            }
        };
        if object.kind == "Kustomization" && object.group == "kustomize.config.k8s.io" {
            let help = "build it first: kustomize build … | sim run -";
            problems.push(error("a Kustomization is no manifest, but makes some", Some(object.place), help));
            return;
        }
        if object.kind.ends_with("List") && object.find("items").is_some() {
            for item in object.items("items") {
                self.take(item, source, problems);
            }
            return;
        }
        if let Some(problem) = removed_version(&object) {
            problems.push(problem);
            return;
        }
        let is_hook = object.entries("metadata.annotations").iter().any(|entry| entry.key == "helm.sh/hook");
        let is_known = KNOWN.iter().any(|(kind, group)| object.is(kind) && object.group == *group);
        if let Some(problem) = misspelt(&object).filter(|_| !is_hook && !is_known) {
            problems.push(problem);
            return;
        }
        if is_hook || !is_known {
            *self.others.entry(object.kind).or_default() += 1;
            return;
        }
        if let Some(problem) = texts::wrong_name(&object, source) {
            problems.push(problem);
            return;
        }
        if object.name.is_empty() {
            let help = "an object has metadata.name";
            let message = format!("this {} has no name", object.kind);
            problems.push(error(message, Some(object.place), help));
            return;
        }
        if object.name.contains("{{") {
            let message = "this looks like a Helm template that nobody has rendered";
            problems.push(error(message, Some(object.name_place), "render it first: helm template … | sim run -"));
            return;
        }
        self.objects.push(Arc::new(object));
    }

    fn refuse_doubles(&self, sources: &Sources, problems: &mut Vec<Problem>) {
        for (index, object) in self.objects.iter().enumerate() {
            let first = self.objects[..index].iter().find(|other| {
                (&other.kind, &other.namespace, &other.name) == (&object.kind, &object.namespace, &object.name)
            });
            let Some(first) = first else { continue };
            let file = sources.locate(&first.place).map_or("", |(source, _)| source.name.as_str());
            let (line, _) = sources.line_and_column(first.place.start);
            let message = format!(
                "there are two {} `{}` in the namespace {}",
                plural(&object.kind),
                object.name,
                object.namespace
            );
            let help = format!("the first is at {file}:{line}; leave one of them out, or give them separately");
            problems.push(error(message, Some(object.name_place.clone()), help));
        }
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().map(Arc::as_ref).filter(move |object| object.is(kind))
    }

    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        let objects = self.objects.iter().map(Arc::as_ref);
        objects.filter(|object| object.is(kind)).find(|object| object.namespace == namespace && object.name == name)
    }
}

/// Whether a document is an object, or was meant to be one.
fn is_object(node: &Node) -> bool {
    let is_there = |key: &str| node.table().and_then(|table| table.find(key)).and_then(Node::text).is_some();
    is_there("kind") || is_there("apiVersion")
}

/// An Ingress of a version that no API server takes any more.
fn removed_version(object: &Object) -> Option<Problem> {
    const REMOVED: [&str; 2] = ["extensions/v1beta1", "networking.k8s.io/v1beta1"];
    let node = object.find("apiVersion")?;
    let version = node.text().filter(|version| object.is("Ingress") && REMOVED.contains(version))?;
    let message = format!("Ingresses of {version} are removed in Kubernetes 1.22");
    let help = "write networking.k8s.io/v1, and each backend as service: { name: …, port: … }";
    Some(error(message, node.place.clone(), help))
}

/// A kind that its group does not have, and that is nearly one that it has: no API server takes it.
fn misspelt(object: &Object) -> Option<Problem> {
    const NEARLY: usize = 2;
    let lower = object.kind.to_lowercase();
    let is_meant = |(kind, group): &&(&str, &str)| {
        object.group == *group && strsim::damerau_levenshtein(&lower, &kind.to_lowercase()) <= NEARLY
    };
    let (kind, _) = KNOWN.iter().find(is_meant)?;
    let message = format!("there is no kind `{}` in {}", object.kind, object.text("apiVersion").unwrap_or_default());
    Some(error(message, Some(object.place.clone()), format!("did you mean `{kind}`?")))
}

/// `two Ingresses`.
pub fn plural(kind: &str) -> String {
    if kind.ends_with('s') { format!("{kind}es") } else { format!("{kind}s") }
}

pub fn error(message: impl Into<String>, place: Option<Range<usize>>, help: impl Into<String>) -> Problem {
    let (message, help) = (message.into(), help.into());
    Problem { severity: Severity::Error, code: None, key: String::new(), message, place, help }
}
