//! Argo CD: one Application and its controller, which compares the cluster with git and writes git back.
//!
//! Follows `controller/{appcontroller,state,sync}.go` and `gitops-engine/pkg/diff` of argo-cd (development version of
//! 3.6.0, compared with v2.0.0 to v3.5.1). Manifests are applied by the client; under `ServerSideApply` the objects of a
//! release come out the same. Left out: syncs that fail, and with them retries; hooks and waves; server-side diff; several
//! sources.

pub mod application;
mod comparison;
pub mod ignore_differences;
pub mod jq;
pub mod merge;
pub mod profile;

use super::git::{CommitId, Repository};
use super::manifest::{Id, Manifests};
use crate::units::{Duration, Instant};
use application::{ArgoCdSpec, Polling, SyncWindow};
use comparison::Comparison;
pub use comparison::{COMPARE_OPTIONS, Difference};
use ignore_differences::Managers;
use profile::Reset;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use {Effect::*, Input::*};

/// The annotation by which an object has sync options of its own.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The branch has a commit that Argo CD had not seen.
    CommitNoticed,
    /// The informer's resync, and the jitter behind it.
    Tick,
    /// A webhook came, or a person asked for it.
    Refresh,
    /// A managed object is no longer what it was.
    ObjectChanged,
    /// A person syncs.
    SyncAsked,
    /// The wait before the next attempt is over, or a window is.
    WaitOver,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Call [`ArgoCd::compare`] after the time of a comparison.
    Compare,
    /// Give `WaitOver` back after this.
    Wait(Duration),
    /// Call [`ArgoCd::sync`] after the time of such an operation.
    Sync,
    /// The status was another one before. Empty: Synced.
    StatusChanged(BTreeMap<Id, Difference>),
    /// A person's sync does not begin.
    SyncRefused(Refusal),
}

/// Why Argo CD refuses a sync by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One operation at a time.
    OperationInProgress,
    /// A deny window without `manualSync`.
    SyncWindow,
}

/// How new the revision must be that a comparison is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// That of the last comparison.
    Recent,
    /// The head of the branch, as the cache of the repo-server has it.
    Latest,
    /// The head of the branch.
    LatestForced,
}

/// A sync that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub revision: CommitId,
    /// None: all of them.
    pub resources: Option<BTreeSet<Id>>,
    /// Whether what git does not have is deleted.
    pub prune: bool,
    pub initiator: Initiator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    NewRevision,
    /// With the number of the attempt, from 0.
    SelfHeal(u32),
    Person,
}

/// What a sync wrote.
#[derive(Clone, Debug)]
pub struct Written {
    pub operation: Operation,
    /// Deleted, before anything else. Source: gitops-engine, `sync_context.go:runTasks`.
    pub pruned: BTreeSet<Id>,
    pub objects: Manifests,
}

#[derive(Clone, Debug)]
pub struct ArgoCd {
    spec: ArgoCdSpec,
    /// The start of the release.
    began: Instant,
    /// A comparison that is on its way.
    requested: Option<Level>,
    /// The revision of the last comparison.
    compared: CommitId,
    /// The repo-server's answer, and until when it stands.
    cached_head: (CommitId, Instant),
    /// The last comparison with a revision that was looked up.
    compared_latest: Instant,
    /// The revision of the last sync.
    attempted: CommitId,
    /// Self-heal attempts.
    attempts: u32,
    last_operation_end: Instant,
    operation: Option<Operation>,
    /// The annotation `last-applied-configuration` of each object.
    last_applied: Manifests,
    out_of_sync: BTreeMap<Id, Difference>,
    /// Somebody has been told to come back then.
    waits_until: Option<Instant>,
}

impl ArgoCd {
    /// Synced with the head, by an operation that ended now.
    pub fn synced(spec: ArgoCdSpec, git: &Repository, now: Instant) -> Self {
        let head = git.head();
        Self {
            spec,
            began: now,
            requested: None,
            compared: head,
            cached_head: (head, now),
            compared_latest: now,
            attempted: head,
            attempts: 0,
            last_operation_end: now,
            operation: None,
            last_applied: git.manifests().clone(),
            out_of_sync: BTreeMap::new(),
            waits_until: None,
        }
    }

    pub fn spec(&self) -> &ArgoCdSpec {
        &self.spec
    }

    pub fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }

    /// Whether it is going to sync a revision: one that it has not compared yet, or one that a sync window holds back.
    pub fn is_behind(&self, git: &Repository) -> bool {
        let is_new = self.counted(git, self.compared) != self.counted(git, self.attempted);
        let is_waiting = self.waits_until.is_some() || self.requested.is_some();
        let is_held_back = is_new && !self.out_of_sync.is_empty() && is_waiting;
        self.spec.application.automated.is_some() && (self.compared != git.head() || is_held_back)
    }

    pub fn handle(&mut self, now: Instant, input: Input, git: &Repository) -> Vec<Effect> {
        match input {
            CommitNoticed | Refresh => self.request(Level::LatestForced),
            // Assumption: where there is no jitter each tick compares, as the documentation has it.
            Tick if self.spec.profile.jitter == Duration::ZERO || self.is_expired(now) => self.request(Level::Latest),
            // A jitter that is shorter than the last one lets a tick pass.
            Tick => vec![],
            ObjectChanged if self.polls_by_informer() && self.is_expired(now) => self.request(Level::Latest),
            ObjectChanged => self.request(Level::Recent),
            WaitOver => {
                self.waits_until = None;
                self.request(Level::Latest)
            }
            SyncAsked => self.sync_by_hand(now, git),
        }
    }

    fn polls_by_informer(&self) -> bool {
        matches!(self.spec.polling, Polling::Informer { .. })
    }

    /// Not a moment sooner. An expired comparison looks the revision up, whatever asks for it. Source:
    /// `needRefreshAppStatus`.
    fn is_expired(&self, now: Instant) -> bool {
        now.saturating_since(self.compared_latest) > self.spec.profile.reconciliation
    }

    /// It resolves the branch as it begins, whatever the last comparison was made with.
    fn sync_by_hand(&mut self, now: Instant, git: &Repository) -> Vec<Effect> {
        if self.operation.is_some() {
            return vec![SyncRefused(Refusal::OperationInProgress)];
        }
        if self.windows(now).any(|window| !window.manual_sync) {
            return vec![SyncRefused(Refusal::SyncWindow)];
        }
        self.attempts = 0;
        let revision = self.resolve(now, git);
        // As `argocd app sync` does without `--prune`.
        self.begin(Operation { revision, resources: None, prune: false, initiator: Initiator::Person })
    }

    /// Those that are open.
    fn windows(&self, now: Instant) -> impl Iterator<Item = &SyncWindow> {
        let since = now.saturating_since(self.began);
        self.spec.sync_windows.iter().filter(move |window| (window.from..window.to).contains(&since))
    }

    fn request(&mut self, level: Level) -> Vec<Effect> {
        let before = self.requested.replace(self.requested.map_or(level, |before| before.max(level)));
        if before.is_none() { vec![Compare] } else { vec![] }
    }

    /// The comparison that was asked for, and what follows from it.
    pub fn compare(&mut self, now: Instant, git: &Repository, live: &Cluster<'_>) -> Vec<Effect> {
        let level = self.requested.take().expect("a comparison was asked for");
        self.compared = match level {
            Level::Recent => self.compared,
            Level::Latest | Level::LatestForced => self.look_up(now, git, level),
        };
        let out_of_sync = self.comparison(live).out_of_sync(&git.commit(self.compared).manifests);
        let mut effects = vec![];
        if out_of_sync != self.out_of_sync {
            effects.push(StatusChanged(out_of_sync.clone()));
        }
        self.out_of_sync = out_of_sync;
        effects.extend(self.auto_sync(now, git));
        effects
    }

    fn look_up(&mut self, now: Instant, git: &Repository, level: Level) -> CommitId {
        self.compared_latest = now;
        let (cached, until) = self.cached_head;
        let is_known = match self.spec.polling {
            Polling::Informer { .. } => now < until,
            // The time that was drawn contains the cache's: until it is over Argo CD does not know of the commit.
            Polling::Drawn(_) => true,
        };
        if level != Level::LatestForced && is_known { cached } else { self.resolve(now, git) }
    }

    /// The head of the branch, asked of git itself.
    fn resolve(&mut self, now: Instant, git: &Repository) -> CommitId {
        let lifetime = match self.spec.polling {
            Polling::Informer { cache } => cache,
            Polling::Drawn(_) => Duration::ZERO,
        };
        self.cached_head = (git.head(), now + lifetime);
        git.head()
    }

    /// Source: `autoSync`, in its order.
    fn auto_sync(&mut self, now: Instant, git: &Repository) -> Vec<Effect> {
        let Some(automated) = self.spec.application.automated else { return vec![] };
        if self.operation.is_some() {
            return vec![];
        }
        if self.out_of_sync.is_empty() {
            let is_reset = match self.spec.profile.reset {
                Reset::Never => false,
                Reset::OnSynced => true,
                Reset::OnSyncedAfter(cool_down) => now.saturating_since(self.last_operation_end) >= cool_down,
            };
            if is_reset {
                self.attempts = 0;
            }
            return vec![];
        }
        if !automated.prune && self.out_of_sync.values().all(|difference| *difference == Difference::RequiresPruning) {
            return vec![];
        }
        if let Some(to) = self.windows(now).map(|window| window.to).max() {
            return self.wait_until(now, self.began + to);
        }
        let revision = self.compared;
        if self.counted(git, revision) != self.counted(git, self.attempted) {
            self.attempts = 0;
            let initiator = Initiator::NewRevision;
            return self.begin(Operation { revision, resources: None, prune: automated.prune, initiator });
        }
        if !automated.self_heal {
            return vec![];
        }
        let next = self.last_operation_end + self.spec.profile.self_heal.wait(self.attempts);
        if now < next {
            return self.wait_until(now, next);
        }
        let initiator = Initiator::SelfHeal(self.attempts);
        self.attempts += 1;
        let resources = Some(self.out_of_sync.keys().cloned().collect());
        self.begin(Operation { revision, resources, prune: automated.prune, initiator })
    }

    /// The revision as which a commit counts.
    fn counted(&self, git: &Repository, revision: CommitId) -> CommitId {
        if self.spec.application.manifest_generate_paths { git.newest_of_application(revision) } else { revision }
    }

    fn wait_until(&mut self, now: Instant, until: Instant) -> Vec<Effect> {
        if self.waits_until.is_some_and(|before| before <= until) {
            return vec![];
        }
        self.waits_until = Some(until);
        vec![Wait(until - now)]
    }

    fn begin(&mut self, operation: Operation) -> Vec<Effect> {
        self.attempted = operation.revision;
        self.operation = Some(operation);
        vec![Sync]
    }

    /// The operation is over: the objects that are others now, as they are now.
    pub fn sync(&mut self, now: Instant, git: &Repository, live: &Cluster<'_>) -> (Written, Vec<Effect>) {
        let operation = self.operation.take().expect("an operation is going on");
        let manifests = Arc::clone(&git.commit(operation.revision).manifests);
        let options = self.spec.application.sync_options;
        let resources = match &operation.resources {
            Some(resources) => resources.clone(),
            // What git does not have is never left out. Source: gitops-engine, `filterOutOfSyncTasks`.
            None if options.apply_out_of_sync_only => {
                let extras = live.objects.keys().filter(|id| !manifests.contains_key(id)).cloned();
                self.comparison(live).out_of_sync(&manifests).into_keys().chain(extras).collect()
            }
            None => manifests.keys().chain(live.objects.keys()).cloned().collect(),
        };
        let (mut pruned, mut objects) = (BTreeSet::new(), Manifests::new());
        for id in resources {
            match (manifests.get(&id), live.objects.get(&id)) {
                (Some(wanted), before) => {
                    let after = self.written(&id, wanted, live);
                    if before != Some(&after) {
                        objects.insert(id, after);
                    }
                }
                (None, Some(extra)) if operation.prune && !keeps(extra) => {
                    self.last_applied.remove(&id);
                    pruned.insert(id);
                }
                (None, _) => {}
            }
        }
        self.last_operation_end = now;
        let effects = self.request(match operation.initiator {
            Initiator::NewRevision | Initiator::SelfHeal(_) => Level::Latest,
            Initiator::Person => Level::LatestForced,
        });
        (Written { operation, pruned, objects }, effects)
    }

    /// The object after it was applied, replaced or created.
    fn written(&mut self, id: &Id, wanted: &Value, live: &Cluster<'_>) -> Value {
        let before = live.objects.get(id);
        let target = before.map_or_else(|| wanted.clone(), |_| self.comparison(live).target(id, wanted));
        if self.spec.application.sync_options.replace || has_option(wanted, SYNC_OPTIONS, "Replace=true") {
            self.last_applied.remove(id);
            return target;
        }
        let last = self.last_applied.insert(id.clone(), target.clone()).unwrap_or_default();
        before.map_or_else(|| target.clone(), |before| merge::applied(before, &target, &last))
    }

    fn comparison<'a>(&'a self, live: &'a Cluster<'a>) -> Comparison<'a> {
        Comparison {
            application: &self.spec.application,
            profile: self.spec.profile,
            last_applied: &self.last_applied,
            live,
        }
    }
}

/// Whether the object says so of itself.
fn has_option(object: &Value, annotation: &str, option: &str) -> bool {
    let options = object["metadata"]["annotations"][annotation].as_str().unwrap_or_default();
    options.split(',').any(|one| one.trim() == option)
}

/// Whether the object is not pruned. Left out: `Prune=confirm`, which lets the sync wait for somebody.
fn keeps(object: &Value) -> bool {
    has_option(object, SYNC_OPTIONS, "Prune=false")
}

/// The objects of the application in the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    pub objects: &'a Manifests,
    pub managers: &'a BTreeMap<Id, Managers>,
}
