//! Which objects are not what git says, and what a sync applies.

use super::application::ApplicationSpec;
use super::ignore_differences::{Managers, normalised};
use super::profile::Profile;
use super::{Cluster, merge};
use crate::model::manifest::{Id, Manifests};
use serde_json::Value;
use std::collections::BTreeMap;

/// How an object is not what git says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    Changed,
    /// The cluster does not have it.
    Missing,
    /// Git does not have it.
    RequiresPruning,
}

/// The annotation by which an object says how it is compared.
pub const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";

pub(super) struct Comparison<'a> {
    pub application: &'a ApplicationSpec,
    pub profile: Profile,
    pub last_applied: &'a Manifests,
    pub live: &'a Cluster<'a>,
}

impl Comparison<'_> {
    pub fn out_of_sync(&self, git: &Manifests) -> BTreeMap<Id, Difference> {
        let wanted = git.iter().filter_map(|(id, wanted)| Some((id.clone(), self.difference(id, wanted)?)));
        let is_extra = |(id, live): &(&Id, &Value)| {
            !git.contains_key(id) && !super::has_option(live, COMPARE_OPTIONS, "IgnoreExtraneous")
        };
        let extras = self.live.objects.iter().filter(is_extra);
        wanted.chain(extras.map(|(id, _)| (id.clone(), Difference::RequiresPruning))).collect()
    }

    fn difference(&self, id: &Id, git: &Value) -> Option<Difference> {
        match self.live.objects.contains_key(id) {
            true => self.differs(id, git).then_some(Difference::Changed),
            false => Some(Difference::Missing),
        }
    }

    /// Three ways: an apply would change the object. One that was replaced has no last-applied configuration; git's stands
    /// for it. Source: `Diff` and `ThreeWayDiff`.
    fn differs(&self, id: &Id, git: &Value) -> bool {
        let [git, live] = [git, self.live(id)].map(|manifest| self.normalised(id, manifest));
        let last = self.last_applied.get(id).map_or_else(|| git.clone(), |last| self.normalised(id, last));
        let live = if id.kind.is_custom() { merge::known(&live, &last) } else { live };
        merge::applied(&live, &git, &last) != live
    }

    /// What is applied, or takes the place of the object: git's manifest, or with `RespectIgnoreDifferences` that with what is ignored as it is in the
    /// cluster. Source: `normalizeTargetResources`.
    pub fn target(&self, id: &Id, git: &Value) -> Value {
        if !self.application.sync_options.respect_ignore_differences {
            return git.clone();
        }
        let live = self.live(id);
        let [wanted, rest] = [git, live].map(|manifest| self.normalised(id, manifest));
        let target = merge::patched(&wanted, &merge::patch(&rest, live));
        if self.profile.restores_what_git_says { merge::restored(&target, git, &wanted) } else { target }
    }

    fn live(&self, id: &Id) -> &Value {
        &self.live.objects[id]
    }

    fn normalised(&self, id: &Id, manifest: &Value) -> Value {
        let none = Managers::new();
        let managers = self.live.managers.get(id).unwrap_or(&none);
        normalised(&self.application.ignore_differences, id, manifest, managers)
    }
}
