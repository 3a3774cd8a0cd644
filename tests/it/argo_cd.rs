//! Argo CD against its reference: what counts as drift, what a sync writes, and when self-heal acts.

use rollout_sim::model::argo_cd::application::{ApplicationSpec, ArgoCdSpec, Automated, Polling, SyncOptions};
use rollout_sim::model::argo_cd::ignore_differences::{IgnoreDifference, Manager, Managers, changed_fields};
use rollout_sim::model::argo_cd::profile::{Profile, Version};
use rollout_sim::model::argo_cd::{ArgoCd, Cluster, Effect, Input, jq};
use rollout_sim::model::git::Repository;
use rollout_sim::model::manifest::{Id, Kind, Manifests};
use rollout_sim::random::Distribution;
use rollout_sim::units::{Duration, Instant};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NEWEST: Version = Version(3, 5, 1);

fn at(secs: u64) -> Instant {
    Instant::START + Duration::secs(secs)
}

fn spec(version: Version, application: ApplicationSpec) -> ArgoCdSpec {
    let zero = Distribution::secs(0);
    ArgoCdSpec {
        profile: Profile::of(version),
        application,
        polling: Polling::Drawn(zero.clone()),
        webhook: None,
        comparison: zero.clone(),
        sync_time: zero.clone(),
        selective_sync_time: zero,
        sync_windows: vec![],
    }
}

fn self_healing() -> ApplicationSpec {
    ApplicationSpec { automated: Some(Automated { self_heal: true }), ..ApplicationSpec::default() }
}

fn id(kind: Kind) -> Id {
    Id { kind, name: "web".to_owned() }
}

/// One object, as git has it and as it is.
struct World {
    id: Id,
    git: Repository,
    live: Manifests,
    managers: BTreeMap<Id, Managers>,
}

impl World {
    fn new(kind: Kind, git: &Value) -> Self {
        let manifests = Manifests::from([(id(kind), git.clone())]);
        Self { id: id(kind), git: Repository::new(manifests.clone()), live: manifests, managers: BTreeMap::new() }
    }

    /// The Rollouts controller writes.
    fn write(&mut self, live: &Value) {
        let fields = changed_fields(&self.live[&self.id], live);
        let managers = self.managers.entry(self.id.clone()).or_default();
        managers.extend(fields.into_iter().map(|field| (field, Manager::RolloutsController)));
        self.live.insert(self.id.clone(), live.clone());
    }

    fn compare(&self, argo_cd: &mut ArgoCd, now: Instant) -> Vec<Effect> {
        argo_cd.compare(now, &self.git, &Cluster { objects: &self.live, managers: &self.managers })
    }

    /// Whether anything was written.
    fn sync(&mut self, argo_cd: &mut ArgoCd, now: Instant) -> bool {
        let cluster = Cluster { objects: &self.live, managers: &self.managers };
        let (written, _) = argo_cd.sync(now, &self.git, &cluster);
        for (id, after) in &written.objects {
            let fields = changed_fields(&self.live[id], after);
            let managers = self.managers.entry(id.clone()).or_default();
            managers.extend(fields.into_iter().map(|field| (field, Manager::ArgoCd)));
        }
        let has_written = !written.objects.is_empty();
        self.live.extend(written.objects);
        has_written
    }
}

/// What a change of the live object comes to: whether it is drift, and the object after a sync that applies it.
fn fate(kind: Kind, git: &Value, live: &Value) -> (bool, Value) {
    let mut world = World::new(kind, git);
    let mut argo_cd = ArgoCd::synced(spec(NEWEST, self_healing()), &world.git, at(0));
    world.write(live);
    argo_cd.handle(at(60), Input::ObjectChanged);
    let is_drift = world.compare(&mut argo_cd, at(60)).contains(&Effect::Sync);
    if !is_drift {
        argo_cd.handle(at(60), Input::SyncAsked);
    }
    world.sync(&mut argo_cd, at(61));
    (is_drift, world.live[&world.id].clone())
}

const WEIGHT: &str = "alb.ingress.kubernetes.io/actions.web";

fn ingress(annotations: &[(&str, &str)], paths: &[&str]) -> Value {
    let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
    let paths: Vec<_> =
        paths.iter().map(|name| json!({ "path": "/*", "backend": { "service": { "name": name } } })).collect();
    json!({ "metadata": { "annotations": annotations }, "spec": { "rules": [{ "http": { "paths": paths } }] } })
}

fn http_route(weights: [Option<u32>; 2], has_header_rule: bool) -> Value {
    let backend = |(name, weight): (&str, Option<u32>)| match weight {
        Some(weight) => json!({ "name": name, "weight": weight }),
        None => json!({ "name": name }),
    };
    let backends: Vec<_> = ["stable", "canary"].into_iter().zip(weights).map(backend).collect();
    let mut rules = vec![json!({ "backendRefs": backends })];
    if has_header_rule {
        rules.push(json!({ "name": "testers", "backendRefs": [{ "name": "canary" }] }));
    }
    json!({ "spec": { "rules": rules } })
}

/// The table of what Rollouts touches: is it drift, and does a sync take it back?
#[test]
fn the_verdict_on_everything_that_the_rollouts_controller_writes() {
    let plain = ingress(&[], &["web"]);
    let in_git = ingress(&[(WEIGHT, "0")], &["web"]);
    let image = |image: &str| json!({ "spec": { "replicas": 5, "template": { "spec": { "containers": [{ "image": image }] } } } });
    let mut paused = image("v2");
    paused["spec"]["paused"] = true.into();
    let mut scaled = image("v2");
    scaled["spec"]["replicas"] = 9.into();
    let service = json!({ "spec": { "selector": { "app": "web" } } });
    let hashed = json!({ "spec": { "selector": { "app": "web", "rollouts-pod-template-hash": "abc" } } });
    let virtual_service =
        |weight: u32| json!({ "spec": { "http": [{ "route": [{ "weight": 100 - weight }, { "weight": weight }] }] } });
    let none = [None, None];
    let (drift, kept) = (true, false);
    for (what, kind, git, live, is_drift, is_reverted) in [
        ("the hash in a Service's selector", Kind::Service, service, hashed, kept, false),
        (
            "a weight annotation that is not in git",
            Kind::Ingress,
            plain.clone(),
            ingress(&[(WEIGHT, "30")], &["web"]),
            kept,
            false,
        ),
        (
            "a weight annotation that is in git",
            Kind::Ingress,
            in_git,
            ingress(&[(WEIGHT, "30")], &["web"]),
            drift,
            true,
        ),
        (
            "annotations of a route",
            Kind::Ingress,
            plain.clone(),
            ingress(&[("actions.testers", "{}"), ("conditions.testers", "[]"), ("managed", "{}")], &["web"]),
            kept,
            false,
        ),
        ("the path of a header route", Kind::Ingress, plain.clone(), ingress(&[], &["testers", "web"]), drift, true),
        (
            "weights, git has none",
            Kind::HttpRoute,
            http_route(none, false),
            http_route([Some(70), Some(30)], false),
            kept,
            true,
        ),
        (
            "weights, git has them",
            Kind::HttpRoute,
            http_route([Some(100), Some(0)], false),
            http_route([Some(70), Some(30)], false),
            drift,
            true,
        ),
        ("a rule of a header route", Kind::HttpRoute, http_route(none, false), http_route(none, true), drift, true),
        ("weights of a VirtualService", Kind::VirtualService, virtual_service(0), virtual_service(30), drift, true),
        ("a template that was undone", Kind::Rollout, image("v2"), image("v1"), drift, true),
        ("spec.paused", Kind::Rollout, image("v2"), paused, kept, false),
        ("replicas of an autoscaler, in git", Kind::Rollout, image("v2"), scaled, drift, true),
    ] {
        let (has_drifted, after) = fate(kind, &git, &live);
        assert_eq!(has_drifted, is_drift, "{what}");
        let expected = if is_reverted { &git } else { &live };
        assert_eq!(&after, expected, "{what}");
    }
    // Of a header route the path goes, and its annotations stay behind.
    let live = ingress(&[(WEIGHT, "0"), ("actions.testers", "{}")], &["testers", "web"]);
    assert_eq!(
        fate(Kind::Ingress, &plain, &live),
        (true, ingress(&[(WEIGHT, "0"), ("actions.testers", "{}")], &["web"]))
    );
}

/// When self-heal writes, in seconds since the last sync of a new revision, while somebody puts his value back after a
/// tenth of a second each time; `is_seen` whether Argo CD compares before that.
fn attempts(version: Version, is_seen: bool, until: u64) -> Vec<f64> {
    let mut world = World::new(Kind::Ingress, &ingress(&[(WEIGHT, "0")], &["web"]));
    let mut argo_cd = ArgoCd::synced(spec(version, self_healing()), &world.git, at(0));
    let fight = ingress(&[(WEIGHT, "30")], &["web"]);
    world.write(&fight);
    let (mut now, mut attempts) = (at(0), vec![]);
    let mut effects = argo_cd.handle(now, Input::ObjectChanged);
    while now < at(until) {
        if effects.contains(&Effect::Compare) {
            effects = world.compare(&mut argo_cd, now);
        }
        if effects.contains(&Effect::Sync) {
            assert!(world.sync(&mut argo_cd, now), "the field is another one");
            attempts.push((now - at(0)).as_secs_f64());
            if is_seen {
                world.compare(&mut argo_cd, now);
            }
            now = now + Duration::millis(100);
            world.write(&fight);
            effects = if is_seen { argo_cd.handle(now, Input::ObjectChanged) } else { vec![Effect::Compare] };
            continue;
        }
        let wait = effects.iter().find_map(|effect| match effect {
            Effect::Wait(wait) => Some(*wait),
            Effect::Compare | Effect::Sync | Effect::StatusChanged(_) => None,
        });
        now = now + wait.expect("it waits for its next attempt");
        effects = argo_cd.handle(now, Input::WaitOver);
    }
    attempts
}

/// Ten minutes of a fight about one field, as gitops-and-routing.md 1.2 has it.
#[test]
fn self_heal_attempts_of_ten_minutes_by_version() {
    let rounded = |times: Vec<f64>| times.into_iter().map(|time| time.round() as u64).collect::<Vec<_>>();
    for is_seen in [false, true] {
        let fixed = attempts(Version(2, 12, 3), is_seen, 600);
        assert!((100..=121).contains(&fixed.len()), "{}", fixed.len());
        assert!(fixed.windows(2).all(|pair| (pair[1] - pair[0] - 5.0).abs() < 0.001), "{fixed:?}");
        for version in [Version(2, 13, 3), Version(2, 14, 9), Version(3, 3, 0), NEWEST] {
            assert_eq!(rounded(attempts(version, is_seen, 600)), [0, 2, 8, 26, 80, 242, 542], "{version:?}");
        }
        // The cool-down of 330 s is longer than any wait.
        assert_eq!(rounded(attempts(Version(3, 2, 0), is_seen, 600)), [0, 2, 8, 26, 80, 242, 542]);
    }
    // Who begins anew as soon as it is Synced never waits, if it looks in time.
    for version in [Version(2, 14, 10), Version(3, 0, 0)] {
        assert!(attempts(version, true, 60).len() > 500, "{version:?}");
        assert_eq!(rounded(attempts(version, false, 600)), [0, 2, 8, 26, 80, 242, 542], "{version:?}");
    }
}

fn rule(pointers: &[&str], expressions: &[&str], managers: &[&str]) -> IgnoreDifference {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    IgnoreDifference {
        group: "networking.k8s.io".to_owned(),
        kind: "Ingress".to_owned(),
        name: None,
        json_pointers: texts(pointers),
        jq_path_expressions: expressions.iter().map(|text| jq::Path::parse(text).expect("it is a path")).collect(),
        managed_fields_managers: texts(managers),
    }
}

/// Whether the header path is still there after self-heal has looked, and after a commit of somebody else was synced.
fn survives(version: Version, rules: Vec<IgnoreDifference>, sync_options: SyncOptions, self_heal: bool) -> [bool; 2] {
    let git = ingress(&[], &["web"]);
    let mut world = World::new(Kind::Ingress, &git);
    let automated = Some(Automated { self_heal });
    let application =
        ApplicationSpec { automated, sync_options, ignore_differences: rules, ..ApplicationSpec::default() };
    let mut argo_cd = ArgoCd::synced(spec(version, application), &world.git, at(0));
    world.write(&ingress(&[(WEIGHT, "10"), ("actions.testers", "{}")], &["testers", "web"]));
    let has_path = |world: &World| world.live[&world.id].pointer("/spec/rules/0/http/paths/1").is_some();
    let mut play = |world: &mut World, now: u64, input| {
        argo_cd.handle(at(now), input);
        if world.compare(&mut argo_cd, at(now)).contains(&Effect::Sync) {
            world.sync(&mut argo_cd, at(now + 1));
            world.compare(&mut argo_cd, at(now + 1));
        }
        has_path(world)
    };
    let after_self_heal = play(&mut world, 60, Input::ObjectChanged);
    // Another object of the application changes in git, so a sync of all comes.
    let manifests = world.git.manifests().clone();
    let other = Id { kind: Kind::Service, name: "other".to_owned() };
    let with = |port: u32| {
        manifests
            .iter()
            .map(|(id, value)| (id.clone(), value.clone()))
            .chain([(other.clone(), json!({ "port": port }))])
    };
    world.live.insert(other.clone(), json!({ "port": 1 }));
    world.git.push(with(2).collect());
    let after_commit = after_self_heal && play(&mut world, 120, Input::CommitNoticed);
    [after_self_heal, after_commit]
}

/// The table of mitigations: what stops self-heal, and what survives the sync of a new revision.
#[test]
fn the_strength_of_each_mitigation() {
    const JQ: &str = r#".spec.rules[].http.paths[] | select(.backend.service.name == "testers")"#;
    let none = SyncOptions::default();
    let out_of_sync_only = SyncOptions { apply_out_of_sync_only: true, ..none };
    let respect = SyncOptions { respect_ignore_differences: true, ..none };
    let jq = || vec![rule(&[], &[JQ], &[])];
    let rules = || vec![rule(&["/spec/rules"], &[], &[])];
    let manager = || vec![rule(&[], &[], &["rollouts-controller"])];
    for (what, version, ignored, options, self_heal, expected) in [
        ("nothing", NEWEST, vec![], none, true, [false, false]),
        ("the jq rule alone", NEWEST, jq(), none, true, [true, false]),
        ("+ ApplyOutOfSyncOnly", NEWEST, jq(), out_of_sync_only, true, [true, true]),
        ("+ Respect, before 3.3.13", Version(3, 3, 12), jq(), respect, true, [true, true]),
        ("+ Respect, 3.4.4", Version(3, 4, 4), jq(), respect, true, [true, true]),
        ("+ Respect, from 3.3.13 on", Version(3, 3, 13), jq(), respect, true, [true, false]),
        ("+ Respect, from 3.5.0 on", Version(3, 5, 0), jq(), respect, true, [true, false]),
        ("the pointer + Respect", NEWEST, rules(), respect, true, [true, true]),
        ("the pointer + Respect, long ago", Version(2, 9, 0), rules(), respect, true, [true, true]),
        ("the manager + Respect", NEWEST, manager(), respect, true, [true, true]),
        ("no selfHeal", NEWEST, vec![], none, false, [true, false]),
    ] {
        assert_eq!(survives(version, ignored, options, self_heal), expected, "{what}");
    }
}
