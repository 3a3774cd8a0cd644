//! Manifests of Kubernetes as a scenario: the objects of one release amount to the document that a person would have
//! written, each value with its place in the manifest.
//!
//! What a manifest cannot say (traffic, latencies) has the defaults of a scenario; what stands in it without a part in the
//! simulation is listed as [`ignored`].

mod analysis;
mod autoscaler;
mod build;
pub mod ignored;
pub mod ingress;
pub mod object;
mod overlay;
pub mod pod;
pub mod release;
mod routes;
mod strategy;
pub mod stream;
mod texts;
pub mod yaml;

use super::diagnostic::Problem;
use super::document::{Entry, Kind, Node, Table};
use super::sources::Sources;
use super::validation::RESOLVED;
use build::{put, text};
use ignored::{Ignored, Reason};
use release::Release;
use std::ops::Range;

/// A pause without an end waits for a person; so long that person is taken to look. Assumption.
pub const A_LOOK: &str = "60s";

/// A release as the document of a scenario.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The workload's.
    pub name: String,
    pub document: Table,
    /// The same with the Rollout's spec as it stands: by that the Rollouts controller judges it.
    pub as_written: Table,
    pub ignored: Vec<Ignored>,
    pub problems: Vec<Problem>,
    /// Whether the stream has the pod template and its labels.
    pub knows_template: bool,
    /// Where the manifests begin.
    pub from: usize,
}

/// `scenario` is laid over: the document of a scenario file, empty without one. `said` is the same with what the command
/// line sets: the import asks it what the scenario knows.
pub fn import(sources: &Sources, release: &Release<'_>, scenario: &Table, said: &Table) -> Imported {
    let mut import = Import { release, scenario: said, document: Table::default(), ignored: Vec::new() };
    import.workload();
    ingress::ingress(&mut import);
    routes::routes(&mut import);
    import.namespace();
    autoscaler::autoscaler(&mut import);
    let Import { mut document, ignored, .. } = import;
    let mut as_written = Table::default();
    if release.is_rollout() {
        let workload = release.workload;
        let key_place = workload.table.get("spec").and_then(|entry| entry.key_place.clone());
        let key_place = key_place.or_else(|| Some(workload.place.clone()));
        as_written.entries.push(Entry { key: "rollout".to_owned(), key_place, value: import_as_written(release) });
    }
    overlay::lay_over(&mut document, scenario);
    overlay::lay_over(&mut as_written, scenario);
    Imported {
        name: release.workload.name.clone(),
        document,
        as_written,
        ignored,
        problems: release.references(),
        knows_template: release.template.is_some(),
        from: sources.manifests().next().map_or(0, |source| source.start),
    }
}

/// The annotations alone, of the Ingress and of the Service that it leads to, as the document of a scenario.
pub fn import_annotations(release: &Release<'_>) -> Table {
    let nothing = Table::default();
    let mut import = Import { release, scenario: &nothing, document: Table::default(), ignored: Vec::new() };
    ingress::ingress(&mut import);
    import.document
}

/// The spec; of `workloadRef` the controller takes the template, unless it has its own, which is one too many, and the
/// selector, unless it has its own.
fn import_as_written(release: &Release<'_>) -> Node {
    let mut spec = release.workload.spec().cloned().unwrap_or_default();
    let referenced = release
        .template
        .filter(|template| template.name != release.workload.name || template.kind != release.workload.kind);
    if let (Some(template), Kind::Table(spec)) = (referenced, &mut spec.kind) {
        if spec.get("selector").is_none()
            && let Some(selector) = template.find("spec.selector")
        {
            put(spec, "selector", selector.clone());
        }
        let has_own = ["labels", "annotations"]
            .iter()
            .any(|name| !release.workload.entries(&format!("spec.template.metadata.{name}")).is_empty());
        if let Some(template) = template.find("spec.template").filter(|_| !has_own) {
            put(spec, "template", template.clone());
            put(spec, RESOLVED, Node { kind: Kind::Boolean(true), place: None });
        }
    }
    spec
}

/// What is being built.
struct Import<'a> {
    release: &'a Release<'a>,
    scenario: &'a Table,
    document: Table,
    ignored: Vec<Ignored>,
}

impl Import<'_> {
    fn ignore(&mut self, key: impl Into<String>, place: Option<Range<usize>>) {
        self.ignored.push(Ignored { key: key.into(), place, reason: Reason::NotSimulated });
    }

    /// `[rollout]` or `[deployment]`.
    fn workload(&mut self) {
        let workload = self.release.workload;
        put(&mut self.document, "title", text(&workload.title(), &Some(workload.name_place.clone())));
        let key = if self.release.is_rollout() { "rollout" } else { "deployment" };
        let mut spec = workload.spec().cloned().unwrap_or_default();
        if spec.place.is_none() {
            spec.place = Some(workload.place.clone());
        }
        if let Kind::Table(table) = &mut spec.kind {
            self.replicas(table);
            pod::template(self, key, table);
            if self.release.is_rollout() {
                strategy::strategy(self, table);
            }
        }
        put(&mut self.document, key, spec);
    }

    /// Where an autoscaler has the say, a manifest names no number.
    fn replicas(&self, spec: &mut Table) {
        let Some(autoscaler) = self.release.autoscaler else { return };
        if spec.get("replicas").is_none()
            && let Some(least) = autoscaler.find("spec.minReplicas")
        {
            put(spec, "replicas", least.clone());
        }
    }

    fn namespace(&mut self) {
        let Some(namespace) = self.release.namespace else { return };
        if let Some(labels) = namespace.find("metadata.labels") {
            let place = labels.place.clone();
            put(&mut self.document, "namespace", build::table([("labels", labels.clone())], &place));
        }
    }
}

impl Default for Node {
    /// An empty table, from nowhere.
    fn default() -> Self {
        Self { kind: Kind::Table(Table::default()), place: None }
    }
}
