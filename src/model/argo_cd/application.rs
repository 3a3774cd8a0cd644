//! What an Application's manifest says, and what of Argo CD's own settings it depends on.

use super::ignore_differences::IgnoreDifference;
use super::profile::Profile;
use crate::random::Distribution;
use crate::units::Duration;

/// `spec.syncPolicy` and `spec.ignoreDifferences`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplicationSpec {
    /// None: somebody syncs by hand.
    pub automated: Option<Automated>,
    pub sync_options: SyncOptions,
    pub ignore_differences: Vec<IgnoreDifference>,
    /// The annotation `argocd.argoproj.io/manifest-generate-paths`: commits that change no file of the application do not
    /// count as revisions.
    pub manifest_generate_paths: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Automated {
    /// What git no longer has is deleted.
    pub prune: bool,
    pub self_heal: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    pub replace: bool,
    pub respect_ignore_differences: bool,
    pub apply_out_of_sync_only: bool,
}

/// How Argo CD finds out about a commit, besides webhooks.
#[derive(Clone, Debug, PartialEq)]
pub enum Polling {
    /// Each commit after a time of its own. Until then no comparison sees it but one that asks git itself: a webhook's, a
    /// person's refresh or sync.
    Drawn(Distribution),
    /// As the code reads: a tick of the informer every `timeout.reconciliation`, a jitter after it, and then a comparison,
    /// unless the last one is more recent than that time-out; and a cache of the branch's head, which may answer a poll.
    Informer { cache: Duration },
}

/// Everything that is known of Argo CD before a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgoCdSpec {
    pub profile: Profile,
    pub application: ApplicationSpec,
    pub polling: Polling,
    /// From a push until the refresh; None without one.
    pub webhook: Option<Distribution>,
    /// From the change of an object, or from a refresh, until the application has been compared.
    pub comparison: Distribution,
    /// The time of a sync of all resources.
    pub sync_time: Distribution,
    /// The time of a sync of those that differ.
    pub selective_sync_time: Distribution,
    /// No sync begins in them. Assumption: where one ends the application is compared.
    pub sync_windows: Vec<SyncWindow>,
}

/// A deny window of the AppProject, counted from the start of the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncWindow {
    pub from: Duration,
    pub to: Duration,
    /// `manualSync`: people may sync all the same.
    pub manual_sync: bool,
}
