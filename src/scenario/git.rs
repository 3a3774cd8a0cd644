//! `[git]`: the manifest repository, and what is committed to it.

use super::Scenario;
use super::document::{Kind as Toml, Node, Table};
use super::entry::{self, Entry};
use super::gitops::GitOpsSpec;
use super::pass::Pass;
use super::reader::Reader;
use super::workload::{MAX_REPLICAS, Workload};
use crate::model::argo_cd::merge;
use crate::model::git::Repository;
use crate::model::manifest::{self, Id, Kind, Manifests, Misfit};
use crate::model::{Revision, Service};
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub struct GitSpec {
    /// From the decision to commit to the push.
    pub commit_time: Distribution,
    /// Whether the manifest of the workload has `spec.replicas`.
    pub has_replicas: bool,
    /// In the order of the file.
    pub commits: Vec<ScheduledCommit>,
}

/// An entry of `[[git.commits]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledCommit {
    /// Since the start of the release.
    pub at: Duration,
    pub message: String,
    /// Whose manifests it changes.
    pub kind: Kind,
    pub change: Change,
}

/// What a commit does to the manifests of a kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// None: it changes no file of the application.
    Fields(Vec<FieldChange>),
    /// Takes them away.
    Delete,
    /// Brings back what a commit before has deleted, as it was.
    Restore,
}

/// A field: the last key of the pointer is one of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    pub pointer: String,
    /// None takes it away.
    pub value: Option<Value>,
}

impl ScheduledCommit {
    /// The manifests after it.
    ///
    /// # Errors
    /// A field that no longer fits the kind of its object.
    pub fn apply(&self, repository: &Repository) -> Result<Manifests, Misfit> {
        let mut manifests = repository.manifests().clone();
        match &self.change {
            Change::Fields(changes) => {
                for (_, manifest) in manifests.iter_mut().filter(|(id, _)| id.kind == self.kind) {
                    *manifest = changes.iter().fold(manifest.clone(), |manifest, change| change.apply(&manifest));
                }
            }
            Change::Delete => manifests.retain(|id, _| id.kind != self.kind),
            Change::Restore => manifests.extend(repository.last_of_kind(self.kind)),
        }
        for (id, manifest) in &mut manifests {
            *manifest = merge::patched(manifest, &manifest::of_router(id, manifest)?);
        }
        Ok(manifests)
    }

    /// As a message says it.
    fn describe(&self) -> String {
        let kind = self.kind.name();
        match &self.change {
            Change::Fields(changes) if changes.is_empty() => "of another team".to_owned(),
            Change::Fields(changes) => {
                changes.iter().map(|change| format!("{kind}: {}", change.describe())).collect::<Vec<_>>().join(", ")
            }
            Change::Delete => format!("{kind}: delete"),
            Change::Restore => format!("{kind}: restore"),
        }
    }
}

impl FieldChange {
    /// Tables that are missing on the way are made.
    fn apply(&self, manifest: &Value) -> Value {
        // What is not there is not taken away: no table is made on the way to it.
        if self.value.is_none() && manifest.pointer(&self.pointer).is_none() {
            return manifest.clone();
        }
        let unescaped = |key: &str| key.replace("~1", "/").replace("~0", "~");
        let keys: Vec<_> = self.pointer.split('/').skip(1).map(unescaped).collect();
        let patch = |value: Value| keys.iter().rev().fold(value, |value, key| json!({ key: value }));
        let without = merge::patched(manifest, &patch(Value::Null));
        self.value.as_ref().map_or(without.clone(), |value| merge::patched(&without, &patch(value.clone())))
    }

    fn describe(&self) -> String {
        format!("{} {}", self.key(), self.pointer)
    }

    /// Where a scenario says it.
    fn key(&self) -> &'static str {
        if self.value.is_some() { "set" } else { "remove" }
    }
}

impl Scenario {
    /// What git has before the release: nothing of what controllers add.
    pub fn manifests(&self, gitops: &GitOpsSpec) -> Manifests {
        let replicas = gitops.git.has_replicas.then(|| self.workload.replicas());
        let mut manifests = self.routing_object().manifests(&gitops.routing_object);
        manifests.insert(self.workload_id(), manifest::workload(Revision(1), replicas));
        for service in self.services_of_revisions() {
            manifests.insert(self.service_id(service), manifest::service(APP, None));
        }
        manifests
    }

    pub fn workload_id(&self) -> Id {
        let kind = match &self.workload {
            Workload::Rollout(_) => Kind::Rollout,
            Workload::Deployment(_) => Kind::Deployment,
        };
        Id { kind, name: APP.to_owned() }
    }

    pub fn service_id(&self, service: Service) -> Id {
        Id { kind: Kind::Service, name: self.services.name(service).to_owned() }
    }

    /// Those that the Rollouts controller points at revisions.
    pub fn services_of_revisions(&self) -> impl Iterator<Item = Service> + use<> {
        let has_services = self.workload.is_traffic_routed();
        Service::ALL.into_iter().filter(move |_| has_services)
    }
}

/// What the pods of the release are called.
pub const APP: &str = "app";

pub fn read(reader: &mut Reader<'_, '_>, has_hpa: bool) -> GitSpec {
    let commit_time = reader.distribution(
        "commit_time",
        Distribution::uniform_millis(5_000, 15_000),
        "From the decision to commit to the push. Assumption: 5 s to 15 s",
    );
    let has_replicas = reader.boolean(
        "replicas",
        !has_hpa,
        "Whether the manifest of the workload has spec.replicas. Argo CD, Best Practices: it does not next to a \
         HorizontalPodAutoscaler; what scales the pods is drift where it does",
    );
    GitSpec { commit_time, has_replicas, commits: commits(reader) }
}

fn commits(reader: &mut Reader<'_, '_>) -> Vec<ScheduledCommit> {
    const NOTE: &str = "Commits on the tracked branch: { at, message, kind, set, remove, delete, restore }; without a change they are somebody \
                        else's, in a shared repository";
    let schema = || {
        let properties = json!({
            "at": { "type": "string", "description": "Time since the start of the release", "examples": ["90s"] },
            "message": { "type": "string", "description": "What the log says of it" },
            "kind": { "enum": KINDS.map(Kind::name), "description": "Whose manifests it changes. Ingress unless set" },
            "set": { "type": "object", "description": "Values by JSON pointer" },
            "remove": {
                "type": "array",
                "items": { "type": "string" },
                "description": "JSON pointers of what it takes away",
            },
            "delete": { "type": "boolean", "description": "Takes the manifests themselves away" },
            "restore": { "type": "boolean", "description": "Brings back manifests that an earlier commit deleted" },
        });
        json!({ "type": "array", "items": { "type": "object", "required": ["at"], "additionalProperties": false, "properties": properties } })
    };
    let Some(node) = reader.take("commits", schema, NOTE) else { return vec![] };
    let key = reader.key("commits");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    entry::list((reader.pass, &key), node, commit)
}

const KINDS: [Kind; 6] =
    [Kind::Ingress, Kind::HttpRoute, Kind::VirtualService, Kind::Service, Kind::Rollout, Kind::Deployment];

fn commit(mut entry: Entry<'_, '_>) -> Option<ScheduledCommit> {
    entry.requires("at", "write at = \"90s\"");
    let at = entry.duration("at");
    let message = entry.text("message");
    let kind = entry.one_of("kind", &KINDS.map(Kind::name));
    let kind = kind.and_then(|name| KINDS.into_iter().find(|kind| kind.name() == name)).unwrap_or(Kind::Ingress);
    let remove = entry.texts("remove").into_iter().map(|pointer| FieldChange { pointer, value: None });
    let set = entry.read("set", values_from).unwrap_or_default();
    let set = set.into_iter().map(|(pointer, value)| FieldChange { pointer, value: Some(value) });
    let changes: Vec<_> = remove.chain(set).collect();
    for change in &changes {
        if let Some(problem) = refusal(kind, change) {
            entry.error(change.key(), problem);
        }
    }
    let [delete, restore] = ["delete", "restore"].map(|key| entry.boolean(key).unwrap_or(false));
    let key = if delete { "delete" } else { "restore" };
    if (delete || restore)
        && let Some(problem) = refusal_of_the_whole(kind, key, !changes.is_empty() || delete && restore)
    {
        entry.error(key, problem);
    }
    entry.refuse_unknown();
    let change = match () {
        () if delete => Change::Delete,
        () if restore => Change::Restore,
        () => Change::Fields(changes),
    };
    let mut commit = ScheduledCommit { at: at?, message: String::new(), kind, change };
    commit.message = message.unwrap_or_else(|| commit.describe());
    Some(commit)
}

/// What comes and goes as a whole is what routes requests, and nothing else changes with it.
fn refusal_of_the_whole(kind: Kind, key: &str, is_more: bool) -> Option<(String, String)> {
    match kind {
        Kind::Ingress | Kind::HttpRoute | Kind::VirtualService if is_more => {
            Some((format!("`{key}` is all that a commit does to a manifest"), "write a commit for each".to_owned()))
        }
        Kind::Ingress | Kind::HttpRoute | Kind::VirtualService => None,
        Kind::Service | Kind::Rollout | Kind::Deployment => {
            let message =
                format!("`{key}`: of a {} a commit changes fields only; a run without it has no release", kind.name());
            Some((message, "write kind = \"Ingress\", \"HTTPRoute\" or \"VirtualService\"".to_owned()))
        }
    }
}

/// What no commit here can change.
fn refusal(kind: Kind, change: &FieldChange) -> Option<(String, String)> {
    let FieldChange { pointer, value } = change;
    let is_place = |key: &str| key == "-" || key.parse::<u32>().is_ok();
    if !pointer.starts_with('/') || pointer.split('/').any(is_place) {
        let problem = match pointer.starts_with('/') {
            true => format!("`{pointer}` leads into a list: a commit sets a list as a whole"),
            false => format!("`{pointer}` is no JSON pointer"),
        };
        let help = "write a JSON pointer like /metadata/annotations/alb.ingress.kubernetes.io~1actions.web";
        return Some((problem, help.to_owned()));
    }
    if value.as_ref().and_then(Value::as_str).is_some_and(|text| text.contains("=confirm")) {
        let problem = format!("`{pointer}`: a sync that waits for somebody to confirm it is not simulated");
        return Some((problem, "write Prune=false, or leave it out".to_owned()));
    }
    match kind {
        Kind::Ingress | Kind::HttpRoute | Kind::VirtualService => None,
        Kind::Service | Kind::Rollout | Kind::Deployment if pointer.starts_with("/metadata/") => None,
        // Its selector would be another workload's.
        Kind::Service => Some((format!("`{pointer}`: of a Service a commit changes metadata only"), String::new())),
        Kind::Rollout | Kind::Deployment if pointer == "/spec/replicas" => {
            let is_count =
                value.as_ref().is_none_or(|value| value.as_u64().is_some_and(|count| count <= u64::from(MAX_REPLICAS)));
            let message = || format!("`/spec/replicas` is a whole number from 0 to {MAX_REPLICAS}");
            (!is_count).then(|| (message(), "write set = { \"/spec/replicas\" = 5 }".to_owned()))
        }
        Kind::Rollout | Kind::Deployment => {
            let message =
                format!("`{pointer}`: of a {} a commit changes metadata and /spec/replicas only", kind.name());
            Some((message, "an action do = \"revert_commit\" brings another pod template".to_owned()))
        }
    }
}

fn values_from(node: &Node) -> Result<Vec<(String, Value)>, (String, String)> {
    let Some(table) = node.table() else {
        let message = format!("`set` is {}, it must be a table", node.kind_name());
        return Err((message, "write set = { \"/spec/replicas\" = 5 }".to_owned()));
    };
    table.entries.iter().map(|entry| Ok((entry.key.clone(), json_of(&entry.value)?))).collect()
}

fn json_of(node: &Node) -> Result<Value, (String, String)> {
    Ok(match &node.kind {
        Toml::String(text) | Toml::Datetime(text) => text.as_str().into(),
        Toml::Integer(number) => (*number).into(),
        Toml::Float(number) if number.is_finite() => (*number).into(),
        Toml::Float(number) => return Err((format!("{number} is no number of a manifest"), String::new())),
        Toml::Boolean(yes) => (*yes).into(),
        Toml::Array(items) => Value::Array(items.iter().map(json_of).collect::<Result<_, _>>()?),
        Toml::Table(_) => Value::Object(values_from(node)?.into_iter().collect()),
    })
}

/// Each commit, in the order in which they are pushed, changes an object that there is into one that Kubernetes takes.
pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    let Some(gitops) = &scenario.gitops else { return };
    // Of commits that could not be read the others know nothing, not even their place.
    let written = document.find("git.commits").and_then(Node::array).map_or(0, <[Node]>::len);
    if written != gitops.git.commits.len() {
        return;
    }
    let mut repository = Repository::new(scenario.manifests(gitops));
    let mut commits: Vec<_> = gitops.git.commits.iter().enumerate().collect();
    commits.sort_by_key(|(_, commit)| commit.at);
    for (index, commit) in commits {
        let key = format!("git.commits[{index}]");
        let changed = match misfit(&repository, commit) {
            None => commit.apply(&repository).map_err(|misfit| {
                let Change::Fields(changes) = &commit.change else { unreachable!("what was in git fits its kind") };
                let is_set = changes.iter().any(|change| change.value.is_some());
                let help = "Kubernetes refuses such a manifest".to_owned();
                (if is_set { "set" } else { "remove" }, misfit.to_string(), help)
            }),
            Some(problem) => Err(problem),
        };
        match changed {
            Ok(manifests) => _ = repository.push(manifests),
            Err((field, message, help)) => {
                let field = format!("{key}.{field}");
                let node = document.find(&field).or_else(|| document.find(&key));
                pass.error(&field, node.and_then(|node| node.place.clone()), message, help);
            }
        }
    }
}

/// Whether what the commit is about is not there, or is there already: its key, the message and what to write.
fn misfit(repository: &Repository, commit: &ScheduledCommit) -> Option<(&'static str, String, String)> {
    let manifests = repository.manifests();
    let kind = commit.kind.name();
    let is_there = manifests.keys().any(|id| id.kind == commit.kind);
    let has_been = !repository.last_of_kind(commit.kind).is_empty();
    let others = || {
        let mut kinds: Vec<_> = manifests.keys().map(|id| id.kind.name()).collect();
        kinds.dedup();
        format!("write one of {}; without `kind` a commit is of an Ingress", kinds.join(", "))
    };
    match &commit.change {
        Change::Fields(changes) if changes.is_empty() => None,
        Change::Fields(_) | Change::Delete if is_there => None,
        Change::Restore if has_been && !is_there => None,
        Change::Restore if is_there => {
            Some(("restore", format!("git has the {kind}: no commit before has deleted it"), String::new()))
        }
        Change::Fields(_) | Change::Delete if has_been => {
            let message = format!("git has no {kind} any more: a commit before has deleted it");
            Some(("kind", message, "write restore = true in a commit between them".to_owned()))
        }
        Change::Fields(_) | Change::Delete | Change::Restore => Some(("kind", format!("git has no {kind}"), others())),
    }
}

#[cfg(test)]
mod tests {
    use super::Repository;
    use crate::scenario::load::load;

    fn text(commit: &str) -> String {
        format!(
            "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\n\
             trafficRouting.alb = {{ ingress = \"web\", rootService = \"root\" }}\n[argo_cd]\n\
             [[git.commits]]\nat = \"30s\"\n{commit}\n"
        )
    }

    #[test]
    fn a_commit_that_no_cluster_takes_is_told() {
        for (commit, message) in [
            ("set = { \"/spec/rules/0/host\" = \"a\" }", "`/spec/rules/0/host` leads into a list"),
            ("remove = [\"/spec/rules/-\"]", "`/spec/rules/-` leads into a list"),
            ("remove = [\"spec\"]", "`spec` is no JSON pointer"),
            ("set = { \"/spec/rules\" = \"x\" }", "`/spec/rules` must be a list"),
            ("set = { \"/spec\" = \"x\" }", "`/spec` must be a table"),
            ("set = { \"/metadata/labels/team\" = 1 }", "`/metadata/labels/team` must be a string"),
            ("set = \"x\"", "`set` is a string, it must be a table"),
            ("set = { \"/spec/x\" = nan }", "NaN is no number of a manifest"),
            ("kind = \"HTTPRoute\"\nset = { \"/spec/hostnames\" = \"x\" }", "git has no HTTPRoute"),
            (
                "kind = \"Rollout\"\nset = { \"/spec/replicas\" = \"5\" }",
                "`/spec/replicas` is a whole number from 0 to",
            ),
            ("kind = \"HTTPRoute\"\ndelete = true", "git has no HTTPRoute"),
            ("restore = true", "git has the Ingress: no commit before"),
            ("delete = true\nset = { \"/metadata/labels/team\" = \"a\" }", "`delete` is all that a commit does"),
            ("delete = true\nrestore = true", "`delete` is all that a commit does"),
            ("kind = \"Rollout\"\ndelete = true", "`delete`: of a Rollout a commit changes fields only"),
            ("delete = true\n[[git.commits]]\nat = \"40s\"\nremove = [\"/spec/rules\"]", "git has no Ingress any more"),
            ("kind = \"Service\"\nremove = [\"/spec/selector\"]", "`/spec/selector`: of a Service a commit changes"),
            ("kind = \"Rollout\"\nset = { \"/spec/paused\" = true }", "`/spec/paused`: of a Rollout a commit changes"),
        ] {
            let problems = load(&text(commit), "x", &[]).expect_err(commit);
            assert!(problems[0].message.starts_with(message), "{problems:?}");
            assert!(problems[0].place.is_some(), "{problems:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_taken_away() {
        let text = text("remove = [\"/metadata/labels/nobody\", \"/spec/rules\"]");
        let scenario = load(&text, "x", &[]).expect("it is right").scenario;
        let gitops = scenario.gitops.as_ref().expect("there is an [argo_cd]");
        let before = scenario.manifests(gitops);
        let after =
            gitops.git.commits[0].apply(&Repository::new(before.clone())).expect("an Ingress without rules is one");
        let ingress = |manifests: &super::Manifests| {
            let found = manifests.iter().find(|(id, _)| id.kind == super::Kind::Ingress);
            found.expect("there is one").1.clone()
        };
        assert_eq!(ingress(&after)["metadata"], ingress(&before)["metadata"]);
        assert_ne!(ingress(&after), ingress(&before));
    }

    #[test]
    fn what_a_commit_says_is_what_it_does() {
        for (commit, message) in [
            ("", "of another team"),
            ("set = { \"/metadata/labels/team\" = \"a\" }", "Ingress: set /metadata/labels/team"),
            ("kind = \"Rollout\"\nset = { \"/spec/replicas\" = 5 }", "Rollout: set /spec/replicas"),
            ("delete = true", "Ingress: delete"),
            ("message = \"tidy up\"\nremove = [\"/spec/rules\"]", "tidy up"),
        ] {
            let loaded = load(&text(commit), "x", &[]).unwrap_or_else(|problems| panic!("{commit}: {problems:?}"));
            let gitops = loaded.scenario.gitops.expect("there is an [argo_cd]");
            assert_eq!(gitops.git.commits[0].message, message);
        }
    }
}
