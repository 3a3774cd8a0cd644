//! `[argo_cd]`: who else writes into the cluster.

use super::Scenario;
use super::delivery;
use super::document::{Node, Table};
use super::entry::Entry;
use super::git::{self, GitSpec};
use super::pass::Pass;
use super::reader::Reader;
use crate::model::argo_cd::application::{ApplicationSpec, ArgoCdSpec, Automated, Polling, SyncOptions, SyncWindow};
use crate::model::argo_cd::ignore_differences::IgnoreDifference;
use crate::model::argo_cd::jq;
use crate::model::argo_cd::profile::{Profile, Version};
use crate::model::pipeline::PipelineSpec;
use crate::model::promotion::PromotionSpec;
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::json;

#[derive(Clone, Debug, PartialEq)]
pub struct GitOpsSpec {
    pub argo_cd: ArgoCdSpec,
    pub git: GitSpec,
    /// The name of what the router goes by.
    pub routing_object: String,
    pub pipeline: Option<PipelineSpec>,
    pub promotion: Option<PromotionSpec>,
}

/// None without `[argo_cd]`.
pub fn read(root: &mut Reader<'_, '_>, document: &Table) -> Option<GitOpsSpec> {
    const SECTIONS: [&str; 3] = ["git", "pipeline", "promotion"];
    let Some(argo_cd) = root.optional_table("argo_cd", "Argo CD, which applies the manifests from git", argo_cd) else {
        for name in SECTIONS {
            delivery::refuse_without_argo_cd(root, name);
        }
        return None;
    };
    let has_hpa = document.find("hpa").is_some();
    let git = root.table("git", "The manifest repository", |reader| git::read(reader, has_hpa));
    let pipeline = delivery::pipeline(root);
    let promotion = delivery::promotion(root);
    let name = ["alb.ingress", "istio.virtualService.name"]
        .into_iter()
        .find_map(|key| document.find(&format!("rollout.strategy.canary.trafficRouting.{key}")).and_then(Node::text));
    let routing_object = name.unwrap_or("web").to_owned();
    Some(GitOpsSpec { argo_cd, git, routing_object, pipeline, promotion })
}

fn argo_cd(reader: &mut Reader<'_, '_>) -> ArgoCdSpec {
    let profile = Profile::of(version(reader));
    let polling = polling(reader, profile);
    let webhook = reader.optional_distribution(
        "webhook",
        "From a push until the webhook's refresh; no webhook unless set. Assumption where one is: 1 s to 5 s",
    );
    let uniform = Distribution::uniform_millis;
    let comparison = reader.distribution(
        "comparison",
        uniform(100, 1_000),
        "From the change of an object, or from a refresh, until the application has been compared with git. Derived: about a \
         second, as the watch tells it",
    );
    let sync_time = reader.distribution(
        "sync_time",
        uniform(2_000, 10_000),
        "How long a sync of all resources takes. Assumption: 2 s to 10 s",
    );
    let selective_sync_time = reader.distribution(
        "selective_sync_time",
        uniform(100, 4_000),
        "How long a sync of the resources that differ takes, as self-heal does it. Assumption: up to 4 s",
    );
    let sync_windows = sync_windows(reader);
    let application =
        reader.table("application", "The manifest of the Application (argoproj.io/v1alpha1)", application);
    ArgoCdSpec { profile, application, polling, webhook, comparison, sync_time, selective_sync_time, sync_windows }
}

fn version(reader: &mut Reader<'_, '_>) -> Version {
    const NEWEST: Version = Version(3, 5, 1);
    const NOTE: &str =
        "Whose timers, self-heal and RespectIgnoreDifferences are played: 2.0.0 to 3.5.1. The newest unless set";
    let schema = json!({ "type": "string", "default": "3.5.1", "examples": ["2.12.0", "3.3.12"] });
    let show = |version: &Version| format!("\"{}.{}.{}\"", version.0, version.1, version.2);
    let value = reader.value("version", (schema, NOTE), Some(NEWEST), show, |node| {
        let text = node.text().unwrap_or_default();
        let mut parts = text.trim_start_matches('v').splitn(3, '.').map(str::parse);
        let version = match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some(Version(major, minor, patch)),
            (Some(Ok(major)), Some(Ok(minor)), None) => Some(Version(major, minor, 0)),
            (None | Some(_), _, _) => None,
        };
        let is_known = |version: &Version| matches!(version, Version(2, 0..=14, _) | Version(3, 0..=5, _));
        let version = version.filter(is_known);
        version.ok_or_else(|| match node.text() {
            Some(text) => {
                let message = format!("\"{text}\" is no version of Argo CD from 2.0 to 3.5");
                (message, "write one of them, like version = \"3.3.12\"".to_owned())
            }
            // TOML reads 2.10 as 2.1.
            None => {
                let message = format!("a version is a string, this is {}", node.kind_name());
                (message, "write it in quotes, version = \"2.10\"".to_owned())
            }
        })
    });
    value.unwrap_or(NEWEST)
}

fn polling(reader: &mut Reader<'_, '_>, profile: Profile) -> Polling {
    const NOTE: &str = "How Argo CD finds out about a commit: `drawn`, each after a time of commit_detection, or `informer`, by \
                        the ticks of its informer and the cache of its repo-server, as the code reads";
    let is_informer = reader.choice("polling", &[("drawn", false), ("informer", true)], NOTE);
    let longest = profile.reconciliation + profile.jitter;
    let drawn = Distribution::Uniform { min: Duration::ZERO, max: longest };
    if !is_informer || reader.writes_schema() {
        let detection = reader.distribution(
            "commit_detection",
            drawn.clone(),
            "From a push until Argo CD has found out by itself. Assumption, consistent with the documented 3 minutes: up to \
             timeout.reconciliation and its jitter",
        );
        if !reader.writes_schema() {
            if reader.peek("repo_server_cache").is_some() {
                reader.accept("repo_server_cache");
                let message = "with polling = \"drawn\" nobody asks the repo-server";
                reader.error_at(
                    "repo_server_cache",
                    message,
                    "write polling = \"informer\", or commit_detection instead",
                );
            }
            return Polling::Drawn(detection);
        }
    }
    let cache = reader.duration(
        "repo_server_cache",
        Duration::secs(180),
        "So long the repo-server answers with the head that it has looked up. Argo CD: 180 s unless timeout.reconciliation is set",
    );
    Polling::Informer { cache }
}

fn sync_windows(reader: &mut Reader<'_, '_>) -> Vec<SyncWindow> {
    const NOTE: &str = "Deny windows of the AppProject, in which no sync begins: { from, to, manualSync }, since the start of the release. \
         Argo CD: manualSync is false unless set, and people cannot sync either";
    let schema = || {
        let time = |description| json!({ "type": "string", "description": description, "examples": ["0s", "10m"] });
        let properties = json!({
            "from": time("Its begin; 0s unless set"),
            "to": time("Its end"),
            "manualSync": { "type": "boolean", "default": false, "description": "People may sync all the same" },
        });
        json!({ "type": "array", "items": { "type": "object", "required": ["to"], "additionalProperties": false, "properties": properties } })
    };
    let Some(node) = reader.take("sync_windows", schema, NOTE) else { return vec![] };
    let key = reader.key("sync_windows");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    super::entry::list((reader.pass, &key), node, |mut entry| {
        let from = entry.duration("from").unwrap_or(Duration::ZERO);
        entry.requires("to", "write to = \"10m\"");
        let to = entry.duration("to");
        let manual_sync = entry.boolean("manualSync").unwrap_or(false);
        entry.refuse_unknown();
        let to = to?;
        if to <= from {
            let message = format!("the window ends at {to}, and begins at {from}: it is never open");
            entry.error("to", (message, format!("write to = \"{}\"", from + Duration::secs(600))));
        }
        Some(SyncWindow { from, to, manual_sync })
    })
}

/// A rule that is about no object of the application: Argo CD takes it in silence, and compares what it was to leave out.
pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    let Some(gitops) = &scenario.gitops else { return };
    let manifests = scenario.manifests(gitops);
    for (index, rule) in gitops.argo_cd.application.ignore_differences.iter().enumerate() {
        if manifests.keys().any(|id| rule.is_about(id)) {
            continue;
        }
        let key = format!("argo_cd.application.spec.ignoreDifferences[{index}]");
        let ids: Vec<_> = manifests.keys().map(|id| format!("{} {}", id.kind.group(), id)).collect();
        let message = "no object of the application has this group, kind and name: the rule ignores nothing";
        let help = format!("the objects are {}", ids.iter().map(|id| id.trim_start()).collect::<Vec<_>>().join(", "));
        pass.warning(&key, document.find(&key).and_then(|node| node.place.clone()), message, help);
    }
}

/// `metadata.annotations` and `spec`, as the manifest has them.
fn application(reader: &mut Reader<'_, '_>) -> ApplicationSpec {
    const NOTE: &str = "An Application's annotations: argocd.argoproj.io/manifest-generate-paths counts";
    let mut application = reader.table("spec", "What the Application says of its syncs", application_spec);
    let metadata = reader.take("metadata", || json!({ "type": "object" }), NOTE);
    if let Some(metadata) = metadata {
        let annotation = "annotations.\"argocd.argoproj.io/manifest-generate-paths\"";
        let key = reader.key("metadata");
        reader.pass.parameter(key, metadata.to_toml(), Some(metadata), NOTE);
        application.manifest_generate_paths = metadata.table().is_some_and(|table| table.find(annotation).is_some());
    }
    application
}

fn application_spec(reader: &mut Reader<'_, '_>) -> ApplicationSpec {
    let (automated, sync_options) = reader.table("syncPolicy", "When and how Argo CD syncs", |reader| {
        let automated = reader.optional_table("automated", "Syncs by itself; without it somebody has to", |reader| {
            let note = "Deletes what git no longer has; a sync by hand does not. Argo CD: false unless set";
            let prune = reader.boolean("prune", false, note);
            let note = "Writes git back when somebody else has changed the cluster. Argo CD: false unless set";
            Automated { prune, self_heal: reader.boolean("selfHeal", false, note) }
        });
        reader.ignored(&["retry", "managedNamespaceMetadata"]);
        (automated, sync_options(reader))
    });
    let ignore_differences = ignore_differences(reader);
    reader.ignored(&["destination", "project", "source", "revisionHistoryLimit", "info"]);
    reader.not_simulated(&["sources"]);
    ApplicationSpec { automated, sync_options, ignore_differences, manifest_generate_paths: false }
}

/// Those that change what becomes of a release, and those that do not.
fn sync_options(reader: &mut Reader<'_, '_>) -> SyncOptions {
    const NOTE: &str = "RespectIgnoreDifferences, ApplyOutOfSyncOnly and Replace change what becomes of a release";
    const KNOWN: [&str; 13] = [
        "RespectIgnoreDifferences",
        "ApplyOutOfSyncOnly",
        "Replace",
        "Force",
        "ServerSideApply",
        "CreateNamespace",
        "Validate",
        "Prune",
        "PruneLast",
        "PrunePropagationPolicy",
        "FailOnSharedResource",
        "SkipDryRunOnMissingResource",
        "ClientSideApplyMigration",
    ];
    let mut options = SyncOptions::default();
    let schema =
        || json!({ "type": "array", "items": { "type": "string", "examples": ["RespectIgnoreDifferences=true"] } });
    let Some(node) = reader.take("syncOptions", schema, NOTE) else { return options };
    let key = reader.key("syncOptions");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    for text in super::entry::texts(reader.pass, &key, node) {
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        if value.is_empty() || !KNOWN.contains(&name) {
            let help = super::nearest(name, &KNOWN).map_or_else(
                || "write it like RespectIgnoreDifferences=true".to_owned(),
                |near| format!("did you mean `{near}=true`?"),
            );
            reader.pass.error(&key, node.place.clone(), format!("`{text}` is no sync option"), help);
        }
        if name == "Prune" && value != "true" {
            let help = "write it as the annotation argocd.argoproj.io/sync-options of the object that stays";
            let message = format!("`{text}` for all objects of an application is not simulated");
            reader.pass.error(&key, node.place.clone(), message, help);
        }
        match name {
            "RespectIgnoreDifferences" => options.respect_ignore_differences = value == "true",
            "ApplyOutOfSyncOnly" => options.apply_out_of_sync_only = value == "true",
            "Replace" => options.replace = value == "true",
            _ => {}
        }
    }
    options
}

fn ignore_differences(reader: &mut Reader<'_, '_>) -> Vec<IgnoreDifference> {
    const NOTE: &str = "What the comparison leaves out: { group, kind, name, jsonPointers, jqPathExpressions, \
                        managedFieldsManagers }";
    let schema = || {
        let text = |description| json!({ "type": "string", "description": description });
        let texts = |description| json!({ "type": "array", "items": { "type": "string" }, "description": description });
        let properties = json!({
            "group": text("API group of the kind; * for any"),
            "kind": text("Kind of the objects; * for any"),
            "name": text("Name of the object; all of the kind unless set"),
            "namespace": text("Namespace of the object"),
            "jsonPointers": texts("Fields by JSON pointer"),
            "jqPathExpressions": texts("Fields by a path expression of jq"),
            "managedFieldsManagers": texts("Whatever one of these managers wrote last"),
        });
        json!({ "type": "array", "items": {
            "type": "object", "required": ["kind"], "additionalProperties": false, "properties": properties,
        } })
    };
    let Some(node) = reader.take("ignoreDifferences", schema, NOTE) else { return vec![] };
    let key = reader.key("ignoreDifferences");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    super::entry::list((reader.pass, &key), node, ignore_difference)
}

fn ignore_difference(mut entry: Entry<'_, '_>) -> Option<IgnoreDifference> {
    entry.knows(&["namespace"]);
    let group = entry.text("group").unwrap_or_default();
    let kind = entry.required("kind", "write kind = \"Ingress\"");
    let name = entry.text("name");
    let json_pointers = entry.texts("jsonPointers");
    for pointer in json_pointers.iter().filter(|pointer| !pointer.starts_with('/')) {
        let help = format!("write /{}", pointer.trim_start_matches('.').replace('.', "/"));
        entry.error("jsonPointers", (format!("`{pointer}` is no JSON pointer: it begins with a slash"), help));
    }
    let mut jq_path_expressions = vec![];
    for text in entry.texts("jqPathExpressions") {
        match jq::Path::parse(&text) {
            Ok(path) => jq_path_expressions.push(path),
            Err(message) => {
                let help =
                    "write a path like .spec.rules[].http.paths[] | select(.backend.service.name == \"testers\")";
                entry.error("jqPathExpressions", (format!("`{text}`: {message}"), help.to_owned()));
            }
        }
    }
    let managed_fields_managers = entry.texts("managedFieldsManagers");
    entry.refuse_unknown();
    Some(IgnoreDifference { group, kind, name, json_pointers, jq_path_expressions, managed_fields_managers })
}
