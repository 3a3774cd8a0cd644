//! Between git, Argo CD and the cluster: who hears of a commit, what Argo CD sees, and who hears of what it writes.

use super::Simulation;
use super::event::Event;
use crate::model::Revision;
use crate::model::argo_cd::application::Polling;
use crate::model::argo_cd::ignore_differences::{Manager, Managers, changed_fields};
use crate::model::argo_cd::{self, ArgoCd, Cluster, Difference, Effect, Initiator, Operation, Refusal, Written, merge};
use crate::model::git::{CommitId, Repository};
use crate::model::manifest::{self, Id, Kind, Manifests};
use crate::model::rollout::{self, Overwritten};
use crate::model::routing_object::RoutingObject;
use crate::random::{Distribution, Random, Stream};
use crate::scenario::Scenario;
use crate::scenario::git::APP;
use crate::scenario::gitops::GitOpsSpec;
use crate::units::{Duration, Instant};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a push brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Push {
    /// This pod template.
    Template(Revision),
    /// The entry of the scenario's list of commits.
    Scheduled(u32),
}

pub struct GitOps<'a> {
    spec: &'a GitOpsSpec,
    workload: Id,
    repository: Repository,
    /// None before the release.
    argo_cd: Option<ArgoCd>,
    managers: BTreeMap<Id, Managers>,
    /// What stands in the cluster without a part in the simulation, as merge patches.
    others: BTreeMap<Id, Value>,
    /// Commits that are being made, and those that Argo CD has not found out about.
    under_way: u32,
    random: Random,
    git_random: Random,
}

impl<'a> GitOps<'a> {
    /// Git has the manifests as the scenario writes them: nothing of what controllers add.
    pub fn new(scenario: &'a Scenario, seed: u64) -> Option<Self> {
        let spec = scenario.gitops.as_ref()?;
        Some(Self {
            spec,
            workload: scenario.workload_id(),
            repository: Repository::new(scenario.manifests(spec)),
            argo_cd: None,
            managers: BTreeMap::new(),
            others: BTreeMap::new(),
            under_way: 0,
            random: Random::new(seed, Stream::ArgoCd, 0),
            git_random: Random::new(seed, Stream::Git, 0),
        })
    }

    /// Whether a commit is on its way, or a sync: a release is not over before that.
    pub fn is_under_way(&self) -> bool {
        let is_busy = |argo_cd: &ArgoCd| argo_cd.operation().is_some() || argo_cd.is_behind(&self.repository);
        self.under_way > 0 || self.argo_cd.as_ref().is_some_and(is_busy)
    }

    /// The head's manifests with another pod template.
    fn with_template(&self, revision: Revision) -> Manifests {
        let mut manifests = self.repository.manifests().clone();
        let workload = manifests.get_mut(&self.workload).expect("git has the workload");
        *workload.pointer_mut(manifest::IMAGE).expect("a workload has an image") = revision.to_string().into();
        manifests
    }

    /// The pod template of the head, and the one that stood there before.
    pub fn templates(&self) -> (Revision, Revision) {
        let template = |id| manifest::of_workload(&self.repository.commit(id).manifests[&self.workload]).0;
        let head = self.repository.head();
        let newest = template(head);
        let before = (0..head.0).rev().map(|id| template(CommitId(id))).find(|revision| *revision != newest);
        (newest, before.unwrap_or(newest))
    }
}

impl Simulation<'_> {
    /// The sync that begins the release ends now; what comes later is planned.
    pub(super) fn begin_gitops(&mut self, now: Instant) {
        let Some(gitops) = &mut self.gitops else { return };
        let head = gitops.repository.push(gitops.with_template(super::CANARY));
        gitops.argo_cd = Some(ArgoCd::synced(gitops.spec.argo_cd.clone(), &gitops.repository, now));
        gitops.under_way += u32::try_from(gitops.spec.git.commits.len()).expect("commits are few");
        for (number, commit) in (0..).zip(&gitops.spec.git.commits) {
            self.queue.schedule(now + commit.at, Event::Push(Push::Scheduled(number)));
        }
        if let Polling::Informer { .. } = gitops.spec.argo_cd.polling {
            self.queue.schedule(now + gitops.spec.argo_cd.profile.reconciliation, Event::PollDue);
        }
        self.log(now, "git", "Commit", head, super::CANARY);
        self.log(now, "argo-cd", "Synced", "application", head);
    }

    pub(super) fn poll(&mut self, now: Instant) {
        let Some(gitops) = &mut self.gitops else { return };
        let profile = gitops.spec.argo_cd.profile;
        let jitter = gitops.random.draw(&Distribution::Uniform { min: Duration::ZERO, max: profile.jitter });
        self.queue.schedule(now + profile.reconciliation, Event::PollDue);
        self.queue.schedule(now + jitter, Event::ArgoCd(argo_cd::Input::Tick));
    }

    /// Somebody commits the pod template that stood in git before this one.
    pub(super) fn revert_commit(&mut self, now: Instant) {
        let Some(gitops) = &mut self.gitops else { unreachable!("a checked scenario commits to a git that it has") };
        let (_, before) = gitops.templates();
        self.commit_template(now, self.decisions.newest(), before);
    }

    /// Somebody, or something, commits a pod template: so it was decided.
    pub(super) fn commit_template(&mut self, now: Instant, decision: usize, revision: Revision) {
        self.decisions.commits(decision, revision);
        let Some(gitops) = &mut self.gitops else { unreachable!("a checked scenario commits to a git that it has") };
        let time = gitops.git_random.draw(&gitops.spec.git.commit_time);
        gitops.under_way += 1;
        self.queue.schedule(now + time, Event::Push(Push::Template(revision)));
    }

    /// The branch has a new commit.
    pub(super) fn push(&mut self, now: Instant, push: Push) {
        let Some(gitops) = &mut self.gitops else { return };
        let (manifests, detail) = match push {
            Push::Template(revision) => {
                self.decisions.committed(revision);
                (gitops.with_template(revision), revision.to_string())
            }
            Push::Scheduled(number) => {
                let commit = &gitops.spec.git.commits[number as usize];
                let changed = commit.apply(&gitops.repository);
                (changed.expect("a checked commit fits its objects"), commit.message.clone())
            }
        };
        let head = gitops.repository.push(manifests);
        let argo_cd = &gitops.spec.argo_cd;
        let mut noticed = vec![];
        if let Polling::Drawn(delay) = &argo_cd.polling {
            noticed.push((gitops.random.draw(delay), argo_cd::Input::CommitNoticed));
        }
        if let Some(delay) = &argo_cd.webhook {
            noticed.push((gitops.random.draw(delay), argo_cd::Input::Refresh));
        }
        // With a poll of the informer nobody knows when.
        gitops.under_way += u32::try_from(noticed.len()).expect("there are two ways");
        gitops.under_way -= 1;
        for (delay, input) in noticed {
            self.queue.schedule(now + delay, Event::CommitNoticed(input));
        }
        self.log(now, "git", "Commit", head, detail);
    }

    pub(super) fn notice_commit(&mut self, now: Instant, input: argo_cd::Input) {
        if let Some(gitops) = &mut self.gitops {
            gitops.under_way -= 1;
        }
        self.tell_argo_cd(now, input);
    }

    /// Argo CD hears of it, or the time has come.
    pub(super) fn tell_argo_cd(&mut self, now: Instant, input: argo_cd::Input) {
        let Some(GitOps { argo_cd: Some(argo_cd), repository, .. }) = &mut self.gitops else { return };
        let effects = argo_cd.handle(now, input, repository);
        self.on_argo_cd_effects(now, effects);
    }

    pub(super) fn compare(&mut self, now: Instant) {
        let live = self.live_manifests();
        let Some(gitops) = &mut self.gitops else { return };
        let argo_cd = gitops.argo_cd.as_mut().expect("it asked for the comparison");
        let cluster = Cluster { objects: &live, managers: &gitops.managers };
        let effects = argo_cd.compare(now, &gitops.repository, &cluster);
        self.on_argo_cd_effects(now, effects);
        self.end_if_over(now);
    }

    fn on_argo_cd_effects(&mut self, now: Instant, effects: Vec<Effect>) {
        for effect in effects {
            let Some(gitops) = &mut self.gitops else { return };
            let spec = &gitops.spec.argo_cd;
            match effect {
                Effect::Compare => {
                    let time = gitops.random.draw(&spec.comparison);
                    self.queue.schedule(now + time, Event::Compare);
                }
                Effect::Wait(time) => self.queue.schedule(now + time, Event::ArgoCd(argo_cd::Input::WaitOver)),
                Effect::Sync => {
                    let operation = gitops.argo_cd.as_ref().and_then(ArgoCd::operation).expect("one has begun");
                    let time = match operation.resources {
                        Some(_) => &spec.selective_sync_time,
                        None => &spec.sync_time,
                    };
                    let (time, object, detail) = (gitops.random.draw(time), operation.revision, describe(operation));
                    self.queue.schedule(now + time, Event::Sync);
                    self.log(now, "argo-cd", "SyncStarted", object, detail);
                }
                Effect::SyncRefused(refusal) => {
                    let detail = match refusal {
                        Refusal::OperationInProgress => "another operation is in progress",
                        Refusal::SyncWindow => "a sync window denies it",
                    };
                    self.decisions.refused(detail);
                    self.log(now, "argo-cd", "SyncRefused", "application", detail);
                }
                Effect::StatusChanged(out_of_sync) if out_of_sync.is_empty() => {
                    self.log(now, "argo-cd", "Synced", "application", "");
                }
                Effect::StatusChanged(out_of_sync) => {
                    let ids: Vec<_> = out_of_sync.iter().map(describe_difference).collect();
                    self.log(now, "argo-cd", "OutOfSync", "application", ids.join(", "));
                }
            }
        }
    }

    /// The operation ends: the cluster has what Argo CD wrote.
    pub(super) fn sync(&mut self, now: Instant) {
        let live = self.live_manifests();
        let Some(gitops) = &mut self.gitops else { return };
        let argo_cd = gitops.argo_cd.as_mut().expect("it has begun the operation");
        let cluster = Cluster { objects: &live, managers: &gitops.managers };
        let (Written { operation, pruned, objects }, effects) = argo_cd.sync(now, &gitops.repository, &cluster);
        self.log(now, "argo-cd", "SyncEnded", operation.revision, describe(&operation));
        for id in pruned {
            self.log(now, "argo-cd", "Pruned", &id, "");
            self.delete_routing(now, &id);
        }
        for (id, after) in objects {
            let before = live.get(&id);
            let fields = self.note_writer(&id, (before.unwrap_or(&Value::Null), &after), Manager::ArgoCd);
            match before {
                None => self.log(now, "argo-cd", "Created", &id, ""),
                Some(_) => self.log(now, "argo-cd", "Applied", &id, fields.join(", ")),
            }
            match id.kind {
                Kind::Rollout | Kind::Deployment => self.take_workload(now, &after),
                Kind::Service => self.take_service(now, &id, &after),
                Kind::Ingress | Kind::HttpRoute | Kind::VirtualService => self.take_routing(now, &id, &after),
            }
            self.keep_others(&id, &after);
        }
        self.on_argo_cd_effects(now, effects);
        self.end_if_over(now);
    }

    fn routing_object_name(&self) -> &str {
        self.scenario.gitops.as_ref().map_or("", |spec| &spec.routing_object)
    }

    /// As the API server has them, whoever wrote what.
    fn live_manifests(&self) -> Manifests {
        let mut manifests = self.routing.manifests(self.routing_object_name());
        let (replicas, _) = self.workload.scale();
        manifests.insert(self.scenario.workload_id(), manifest::workload(self.workload.template(), Some(replicas)));
        for service in self.scenario.services_of_revisions() {
            let selected = self.workload.selector(service);
            manifests.insert(self.scenario.service_id(service), manifest::service(APP, selected));
        }
        for (id, others) in self.gitops.iter().flat_map(|gitops| &gitops.others) {
            let manifest = manifests.get_mut(id).expect("what is deleted has nothing left");
            *manifest = merge::patched(manifest, others);
        }
        manifests
    }

    /// Fields that nobody here acts on stand in the cluster all the same.
    fn keep_others(&mut self, id: &Id, after: &Value) {
        if let Some(gitops) = &mut self.gitops {
            gitops.others.remove(id);
        }
        let simulated = &self.live_manifests()[id];
        let others = additions(merge::patch(simulated, after));
        if let Some(gitops) = &mut self.gitops {
            gitops.others.insert(id.clone(), others);
        }
    }

    /// The Rollouts controller has written the object: Argo CD hears of it.
    pub(super) fn on_routing_written(&mut self, now: Instant, before: &RoutingObject) {
        if self.gitops.is_none() {
            return;
        }
        let name = self.routing_object_name();
        let (before, after) = (before.manifests(name), self.routing.object().manifests(name));
        for (id, after) in &after {
            self.note_writer(id, (&before[id], after), Manager::RolloutsController);
        }
        self.mark_in_progress();
        self.tell_argo_cd(now, argo_cd::Input::ObjectChanged);
    }

    /// The plugin for the Gateway API has a label on its HTTPRoutes while the canary has a weight; a header route alone makes
    /// none. Source: rollouts-plugin-trafficrouter-gatewayapi, `inProgressLabelKey`. Left out: `disableInProgressLabel`.
    fn mark_in_progress(&mut self) {
        let RoutingObject::HttpRoutes(routes) = &**self.routing.object() else { return };
        let Some(gitops) = &mut self.gitops else { return };
        let services = &self.scenario.services;
        for route in routes {
            let Some(weight) = route.weight_beside(&services.canary, &services.stable) else { continue };
            let value = if weight > 0 { "in-progress".into() } else { Value::Null };
            let label = json!({ "metadata": { "labels": { "rollouts.argoproj.io/gatewayapi-canary": value } } });
            let others = gitops.others.entry(Id { kind: Kind::HttpRoute, name: route.name.clone() }).or_default();
            *others = merge::patched(others, &label);
        }
    }

    /// The fields that have changed, by their pointers.
    fn note_writer(&mut self, id: &Id, (before, after): (&Value, &Value), manager: Manager) -> Vec<String> {
        let fields = changed_fields(before, after);
        if let Some(gitops) = &mut self.gitops {
            let managers = gitops.managers.entry(id.clone()).or_default();
            managers.extend(fields.iter().map(|field| (field.clone(), manager)));
        }
        fields
    }

    fn take_workload(&mut self, now: Instant, manifest: &Value) {
        let (revision, replicas) = manifest::of_workload(manifest);
        if revision == self.workload.template() {
            self.decisions.template_stays(revision);
        } else {
            if revision < self.newest {
                self.tally.begin_section(now);
                self.recorder.undone(now);
            } else if self.recorder.deployed() {
                self.tally.begin_section(now);
            }
            self.go_on();
            self.log(now, "argo-cd", "ChangeTemplate", self.workload.kind(), revision);
            self.change_template(now, revision);
        }
        // Git had them, or replaces the object, and says nothing of them.
        let replicas = replicas.unwrap_or(manifest::DEFAULT_REPLICAS);
        if replicas != self.workload.scale().0 {
            self.change_replicas(now, replicas);
        }
    }

    /// Without the pod-template hash it selects the pods of every revision, until the Rollouts controller points it anew.
    fn take_service(&mut self, now: Instant, id: &Id, manifest: &Value) {
        let mut services = self.scenario.services_of_revisions();
        let service = services.find(|service| self.scenario.service_id(*service) == *id);
        if let Some(service) = service.filter(|_| !manifest::selects_a_revision(manifest)) {
            self.tell_endpoint_slice(now, service, crate::model::endpoint_slice::Input::SelectorRemoved);
            self.tell_rollout(now, rollout::Input::ServiceOverwritten(service));
        }
    }

    /// What was written over is gone; the Rollouts controller hears of it if it watches such objects and finds its mark.
    fn take_routing(&mut self, now: Instant, id: &Id, manifest: &Value) {
        let overwritten = self.routing.take(id, manifest, self.workload.rollout());
        self.on_overwritten(now, overwritten);
    }

    fn delete_routing(&mut self, now: Instant, id: &Id) {
        if let Some(gitops) = &mut self.gitops {
            gitops.managers.remove(id);
            gitops.others.remove(id);
        }
        let overwritten = self.routing.delete(id, self.workload.rollout());
        self.on_overwritten(now, overwritten);
    }

    fn on_overwritten(&mut self, now: Instant, overwritten: Option<Overwritten>) {
        if self.workload.rollout().is_some() {
            let refusal = self.routing.refusal(self.routing_object_name());
            self.tell_rollout(now, rollout::Input::RouterRefuses(refusal));
        }
        let Some(overwritten) = overwritten else { return };
        if !overwritten.routes.is_empty() {
            self.log(now, "argo-cd", "RemoveRoutes", self.routing.object().name(), overwritten.routes.join(", "));
        }
        self.note_overwritten_weight(now);
        self.tell_routing_object(now, Duration::ZERO, Ok(true));
        if self.workload.rollout().is_some() {
            self.tell_rollout(now, rollout::Input::Overwritten(overwritten));
        }
    }
}

fn describe_difference((id, difference): (&Id, &Difference)) -> String {
    match difference {
        Difference::Changed => id.to_string(),
        Difference::Missing => format!("{id} (missing)"),
        Difference::RequiresPruning => format!("{id} (requires pruning)"),
    }
}

/// A merge patch without what it takes away.
fn additions(patch: Value) -> Value {
    match patch {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (key, additions(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => patch,
    }
}

/// As the event log writes it.
fn describe(operation: &Operation) -> String {
    match operation.initiator {
        Initiator::NewRevision => "new revision".to_owned(),
        Initiator::SelfHeal(attempt) => format!("self-heal attempt {attempt}"),
        Initiator::Person => "by hand".to_owned(),
    }
}
