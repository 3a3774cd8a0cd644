//! One object of Kubernetes, as a manifest describes it.

use crate::scenario::document::{Entry, Node, Table};
use std::ops::Range;

#[derive(Clone, Debug)]
pub struct Object {
    pub kind: String,
    /// The API group, without the version; empty for the core group.
    pub group: String,
    pub namespace: String,
    pub name: String,
    /// The whole document, or the item of a List.
    pub table: Table,
    /// Where its kind stands.
    pub place: Range<usize>,
    /// Where its name stands.
    pub name_place: Range<usize>,
}

/// Kinds that stand in no namespace.
const CLUSTER_SCOPED: [&str; 4] = ["ClusterAnalysisTemplate", "IngressClass", "IngressClassParams", "Namespace"];

/// Why a document is none.
#[derive(Debug)]
pub enum NoObject {
    /// It has neither apiVersion nor kind: something else, as a file of Helm's values.
    Other,
    /// A part of what an object has.
    Incomplete(&'static str),
}

impl Object {
    pub fn new(node: &Node) -> Result<Self, NoObject> {
        let Some(table) = node.table() else { return Err(NoObject::Other) };
        let text = |key: &str| table.find(key).and_then(Node::text).filter(|text| !text.is_empty());
        let (kind, api_version) = match (text("kind"), text("apiVersion")) {
            (Some(kind), Some(api_version)) => (kind, api_version),
            (None, None) => return Err(NoObject::Other),
            (None, Some(_)) => return Err(NoObject::Incomplete("kind")),
            (Some(_), None) => return Err(NoObject::Incomplete("apiVersion")),
        };
        let place = |key: &str| table.find(key).and_then(|node| node.place.clone()).unwrap_or_default();
        let is_cluster_scoped = CLUSTER_SCOPED.contains(&kind);
        let namespace = text("metadata.namespace").filter(|_| !is_cluster_scoped);
        Ok(Self {
            kind: kind.to_owned(),
            group: group(Some(api_version)).to_owned(),
            namespace: namespace.unwrap_or(if is_cluster_scoped { "" } else { "default" }).to_owned(),
            name: text("metadata.name").unwrap_or_default().to_owned(),
            place: place("kind"),
            name_place: place("metadata.name"),
            table: table.clone(),
        })
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// `Rollout web`.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    /// The value at a dotted key.
    pub fn find(&self, key: &str) -> Option<&Node> {
        self.table.find(key)
    }

    /// Where the last part of a dotted key stands.
    pub fn key_place(&self, key: &str) -> Option<Range<usize>> {
        let (parent, name) = key.rsplit_once('.')?;
        self.find(parent)?.table()?.get(name)?.key_place.clone()
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.find(key).and_then(Node::text)
    }

    pub fn spec(&self) -> Option<&Node> {
        self.find("spec")
    }

    /// The entries of a table in it.
    pub fn entries(&self, key: &str) -> &[Entry] {
        self.find(key).and_then(Node::table).map_or(&[], |table| &table.entries)
    }

    pub fn items(&self, key: &str) -> &[Node] {
        self.find(key).and_then(Node::array).unwrap_or_default()
    }

    /// Whether every entry of the first stands in the second: a selector, and labels.
    pub fn selects(selector: &[Entry], labels: &[Entry]) -> bool {
        let has = |entry: &Entry| labels.iter().any(|label| label.key == entry.key && text_of(label) == text_of(entry));
        !selector.is_empty() && selector.iter().all(has)
    }
}

/// The group in an apiVersion; empty for the core group.
pub fn group(api_version: Option<&str>) -> &str {
    api_version.and_then(|version| version.rsplit_once('/')).map_or("", |(group, _)| group)
}

fn text_of(entry: &Entry) -> Option<&str> {
    entry.value.text()
}
