//! `[argo_cd]` and `[git]`: who else writes into the cluster, and from what.

use super::document::{Node, Table};
use super::entry::Entry;
use super::reader::Reader;
use crate::model::argo_cd::application::{
    ApplicationSpec, ArgoCdSpec, Automated, Polling, SyncOptions, SyncWindow,
};
use crate::model::argo_cd::ignore_differences::IgnoreDifference;
use crate::model::argo_cd::jq;
use crate::model::argo_cd::profile::{Profile, Version};
use crate::model::manifest::Kind;
use crate::random::Distribution;
use crate::units::Duration;
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub struct GitOpsSpec {
    pub argo_cd: ArgoCdSpec,
    /// In the order of the file.
    pub commits: Vec<ScheduledCommit>,
    /// From the decision to commit to the push.
    pub commit_time: Distribution,
    /// The name of what the router goes by.
    pub routing_object: String,
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

/// A field of the manifests of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub kind: Kind,
    pub pointer: String,
    /// None takes it away.
    pub value: Option<String>,
}

impl Change {
    pub fn apply(&self, manifest: &Value) -> Value {
        let mut manifest = manifest.clone();
        let Some((parent, last)) = self.pointer.rsplit_once('/') else { return manifest };
        let key = last.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Object(fields)) = manifest.pointer_mut(parent) {
            match &self.value {
                Some(value) => fields.insert(key, value.as_str().into()),
                None => fields.remove(&key),
            };
        }
        manifest
    }
}
