//! `[git]`: the manifest repository, and what is committed to it.

use super::Scenario;
use super::document::{Kind as Toml, Node, Table};
use super::entry::{self, Entry};
use super::gitops::GitOpsSpec;
use super::pass::Pass;
use super::reader::Reader;
use super::workload::{MAX_REPLICAS, Workload};
use crate::model::argo_cd::merge;
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
    /// None: it changes no file of the application.
    pub changes: Vec<Change>,
}

/// A field of the manifests of a kind: the last key of the pointer is one of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub kind: Kind,
    pub pointer: String,
    /// None takes it away.
    pub value: Option<Value>,
}

impl ScheduledCommit {
    /// # Errors
    /// A field that no longer fits the kind of its object.
    pub fn apply(&self, manifests: &Manifests) -> Result<Manifests, Misfit> {
        let mut manifests = manifests.clone();
        for change in &self.changes {
            for (_, manifest) in manifests.iter_mut().filter(|(id, _)| id.kind == change.kind) {
                *manifest = change.apply(manifest);
            }
        }
        for (id, manifest) in &mut manifests {
            *manifest = merge::patched(manifest, &manifest::of_router(id, manifest)?);
        }
        Ok(manifests)
    }
}

impl Change {
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

    /// As a message says it.
    fn describe(&self) -> String {
        let verb = if self.value.is_some() { "set" } else { "remove" };
        format!("{}: {verb} {}", self.kind.name(), self.pointer)
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
    const NOTE: &str = "Commits on the tracked branch: { at, message, set, remove, kind }; without a change they are somebody \
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
    let mut changes: Vec<_> =
        entry.texts("remove").into_iter().map(|pointer| Change { kind, pointer, value: None }).collect();
    let set = entry.read("set", values_from).unwrap_or_default();
    changes.extend(set.into_iter().map(|(pointer, value)| Change { kind, pointer, value: Some(value) }));
    for change in &changes {
        if let Some(problem) = refusal(change) {
            entry.error(if change.value.is_some() { "set" } else { "remove" }, problem);
        }
    }
    entry.refuse_unknown();
    let derived = || match &changes[..] {
        [] => "of another team".to_owned(),
        changes => changes.iter().map(Change::describe).collect::<Vec<_>>().join(", "),
    };
    Some(ScheduledCommit { at: at?, message: message.unwrap_or_else(derived), changes })
}

/// What no commit here can change.
fn refusal(change: &Change) -> Option<(String, String)> {
    let Change { kind, pointer, value } = change;
    let is_place = |key: &str| key == "-" || key.parse::<u32>().is_ok();
    if !pointer.starts_with('/') || pointer.split('/').any(is_place) {
        let problem = match pointer.starts_with('/') {
            true => format!("`{pointer}` leads into a list: a commit sets a list as a whole"),
            false => format!("`{pointer}` is no JSON pointer"),
        };
        let help = "write a JSON pointer like /metadata/annotations/alb.ingress.kubernetes.io~1actions.web";
        return Some((problem, help.to_owned()));
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
    let mut manifests = scenario.manifests(gitops);
    let mut commits: Vec<_> = gitops.git.commits.iter().enumerate().collect();
    commits.sort_by_key(|(_, commit)| commit.at);
    for (index, commit) in commits {
        let key = format!("git.commits[{index}]");
        let mut report = |key: String, message: String, help: String| {
            let node = document.find(&key).or_else(|| document.find(&format!("git.commits[{index}]")));
            pass.error(&key, node.and_then(|node| node.place.clone()), message, help);
        };
        let is_of_nothing = |change: &&Change| manifests.keys().all(|id| id.kind != change.kind);
        if let Some(change) = commit.changes.iter().find(is_of_nothing) {
            let mut kinds: Vec<_> = manifests.keys().map(|id| id.kind.name()).collect();
            kinds.dedup();
            let help = format!("write one of {}", kinds.join(", "));
            report(format!("{key}.kind"), format!("git has no {}", change.kind.name()), help);
            continue;
        }
        match commit.apply(&manifests) {
            Ok(changed) => manifests = changed,
            Err(misfit) => {
                let is_set = commit.changes.iter().any(|change| change.value.is_some());
                let help = "Kubernetes refuses such a manifest".to_owned();
                report(format!("{key}.{}", if is_set { "set" } else { "remove" }), misfit.to_string(), help);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        let after = gitops.git.commits[0].apply(&before).expect("an Ingress without rules is one");
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
            ("message = \"tidy up\"\nremove = [\"/spec/rules\"]", "tidy up"),
        ] {
            let loaded = load(&text(commit), "x", &[]).unwrap_or_else(|problems| panic!("{commit}: {problems:?}"));
            let gitops = loaded.scenario.gitops.expect("there is an [argo_cd]");
            assert_eq!(gitops.git.commits[0].message, message);
        }
    }
}
