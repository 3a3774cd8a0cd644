//! Argo CD against its reference: what counts as drift, what a sync writes, and when self-heal acts.

use rollout_sim::model::argo_cd::application::{
    ApplicationSpec, ArgoCdSpec, Automated, Polling, SyncOptions, SyncWindow,
};
use rollout_sim::model::argo_cd::ignore_differences::{IgnoreDifference, Manager, Managers, changed_fields};
use rollout_sim::model::argo_cd::profile::{Profile, Version};
use rollout_sim::model::argo_cd::{ArgoCd, Cluster, Effect, Input, Refusal, jq};
use rollout_sim::model::git::{CommitId, Repository};
use rollout_sim::model::manifest::{Id, Kind, Manifests};
use rollout_sim::random::{Distribution, Random, Stream};
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
    ApplicationSpec { automated: Some(Automated { prune: false, self_heal: true }), ..ApplicationSpec::default() }
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
    argo_cd.handle(at(60), Input::ObjectChanged, &world.git);
    let is_drift = world.compare(&mut argo_cd, at(60)).contains(&Effect::Sync);
    if !is_drift {
        argo_cd.handle(at(60), Input::SyncAsked, &world.git);
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

fn rollout(image: &str) -> Value {
    json!({ "spec": { "replicas": 5, "template": { "spec": { "containers": [{ "image": image }] } } } })
}

fn virtual_service(weight: u32) -> Value {
    json!({ "spec": { "http": [{ "route": [{ "weight": 100 - weight }, { "weight": weight }] }] } })
}

/// The table of what Rollouts touches: is it drift, and does a sync take it back?
#[test]
fn the_verdict_on_everything_that_the_rollouts_controller_writes() {
    let plain = ingress(&[], &["web"]);
    let in_git = ingress(&[(WEIGHT, "0")], &["web"]);
    let mut paused = rollout("v2");
    paused["spec"]["paused"] = true.into();
    let mut scaled = rollout("v2");
    scaled["spec"]["replicas"] = 9.into();
    let service = json!({ "spec": { "selector": { "app": "web" } } });
    let hashed = json!({ "spec": { "selector": { "app": "web", "rollouts-pod-template-hash": "abc" } } });
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
        ("a template that was undone", Kind::Rollout, rollout("v2"), rollout("v1"), drift, true),
        ("spec.paused", Kind::Rollout, rollout("v2"), paused, kept, false),
        ("replicas of an autoscaler, in git", Kind::Rollout, rollout("v2"), scaled, drift, true),
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
    let mut effects = argo_cd.handle(now, Input::ObjectChanged, &world.git);
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
            effects =
                if is_seen { argo_cd.handle(now, Input::ObjectChanged, &world.git) } else { vec![Effect::Compare] };
            continue;
        }
        let wait = effects.iter().find_map(|effect| match effect {
            Effect::Wait(wait) => Some(*wait),
            Effect::Compare | Effect::Sync | Effect::StatusChanged(_) | Effect::SyncRefused(_) => None,
        });
        now = now + wait.expect("it waits for its next attempt");
        effects = argo_cd.handle(now, Input::WaitOver, &world.git);
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
    let automated = Some(Automated { prune: false, self_heal });
    let application =
        ApplicationSpec { automated, sync_options, ignore_differences: rules, ..ApplicationSpec::default() };
    let mut argo_cd = ArgoCd::synced(spec(version, application), &world.git, at(0));
    world.write(&ingress(&[(WEIGHT, "10"), ("actions.testers", "{}")], &["testers", "web"]));
    let has_path = |world: &World| world.live[&world.id].pointer("/spec/rules/0/http/paths/1").is_some();
    let mut play = |world: &mut World, now: u64, input| {
        argo_cd.handle(at(now), input, &world.git);
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

/// A scenario of the gallery, played.
mod played;
mod pruned;

/// From a commit until Argo CD finds out by itself, under 3.x with its defaults: the derived figures of
/// gitops-and-routing.md 1.3.
#[test]
fn polls_by_the_informer_come_as_late_as_derived() {
    let mut random = Random::new(1, Stream::ArgoCd, 0);
    let mut uniform = |most: f64| random.next_u64() as f64 / u64::MAX as f64 * most;
    for (cache, [mean, p95, max]) in [(180, [147.0, 320.0, 415.0]), (0, [100.0, 214.0, 295.0])] {
        let mut delays = vec![];
        for _ in 0..4_000 {
            let git = json!({ "spec": {} });
            let mut world = World::new(Kind::Service, &git);
            let mut spec = spec(NEWEST, self_healing());
            spec.polling = Polling::Informer { cache: Duration::secs(cache) };
            let mut argo_cd = ArgoCd::synced(spec, &world.git, at(0));
            let committed = 3_600.0 + uniform(3_600.0);
            let mut is_committed = false;
            // Ticks of the informer, each with its jitter; the comparison follows at once.
            for tick in (1..).map(|number| f64::from(number) * 120.0) {
                let now = tick + uniform(60.0);
                if !is_committed && now >= committed {
                    world.git.push(Manifests::from([(world.id.clone(), json!({ "spec": { "a": 1 } }))]));
                    is_committed = true;
                }
                let instant = Instant::START + Duration::from_nanos((now * 1e9) as u64);
                if argo_cd.handle(instant, Input::Tick, &world.git).is_empty() {
                    continue;
                }
                if world.compare(&mut argo_cd, instant).contains(&Effect::Sync) {
                    delays.push(now - committed);
                    break;
                }
            }
        }
        delays.sort_by(f64::total_cmp);
        let found = [
            delays.iter().sum::<f64>() / delays.len() as f64,
            delays[delays.len() * 95 / 100],
            delays[delays.len() - 1],
        ];
        for (found, expected) in found.iter().zip([mean, p95, max]) {
            assert!((found / expected - 1.0).abs() < 0.15, "cache {cache}: {found} and {expected}");
        }
    }
}

/// Weights that git carries, protected: a pointer to the annotation, and a sync that leaves it as it is.
#[test]
fn an_ignored_annotation_lets_git_carry_a_value_to_begin_with() {
    let pointer = "/metadata/annotations/alb.ingress.kubernetes.io~1actions.web";
    for (respects, is_kept) in [(true, true), (false, false)] {
        let mut world = World::new(Kind::Ingress, &ingress(&[(WEIGHT, "0")], &["web"]));
        let application = ApplicationSpec {
            ignore_differences: vec![rule(&[pointer], &[], &[])],
            sync_options: SyncOptions { respect_ignore_differences: respects, ..SyncOptions::default() },
            ..self_healing()
        };
        let mut argo_cd = ArgoCd::synced(spec(NEWEST, application), &world.git, at(0));
        world.write(&ingress(&[(WEIGHT, "30")], &["web"]));
        argo_cd.handle(at(60), Input::ObjectChanged, &world.git);
        assert!(!world.compare(&mut argo_cd, at(60)).contains(&Effect::Sync), "no comparison sees it");
        argo_cd.handle(at(61), Input::SyncAsked, &world.git);
        world.sync(&mut argo_cd, at(62));
        let weight = &world.live[&world.id]["metadata"]["annotations"][WEIGHT];
        assert_eq!(weight == "30", is_kept, "RespectIgnoreDifferences={respects}: {weight}");
    }
}

/// In a deny window nothing is synced, neither by self-heal nor a new revision; when it is over, both are.
#[test]
fn a_sync_window_holds_everything_back() {
    let mut world = World::new(Kind::Ingress, &ingress(&[], &["web"]));
    let window = SyncWindow { from: Duration::ZERO, to: Duration::secs(600), manual_sync: false };
    let spec = ArgoCdSpec { sync_windows: vec![window], ..spec(NEWEST, self_healing()) };
    let mut argo_cd = ArgoCd::synced(spec, &world.git, at(0));
    world.write(&ingress(&[], &["testers", "web"]));
    argo_cd.handle(at(60), Input::ObjectChanged, &world.git);
    let effects = world.compare(&mut argo_cd, at(60));
    assert!(effects.contains(&Effect::Wait(Duration::secs(540))) && !effects.contains(&Effect::Sync), "{effects:?}");
    world.git.push(Manifests::from([(world.id.clone(), ingress(&[("a", "b")], &["web"]))]));
    argo_cd.handle(at(300), Input::CommitNoticed, &world.git);
    assert!(!world.compare(&mut argo_cd, at(300)).contains(&Effect::Sync), "a rollback commit waits, too");
    argo_cd.handle(at(600), Input::WaitOver, &world.git);
    assert!(world.compare(&mut argo_cd, at(600)).contains(&Effect::Sync));
}

/// The second commit of a branch, of which Argo CD has not heard.
fn with_a_commit(spec: ArgoCdSpec) -> (World, ArgoCd) {
    let mut world = World::new(Kind::Ingress, &ingress(&[], &["web"]));
    let argo_cd = ArgoCd::synced(spec, &world.git, at(0));
    world.git.push(Manifests::from([(world.id.clone(), ingress(&[("a", "b")], &["web"]))]));
    (world, argo_cd)
}

/// Rows of gitops-and-routing.md 1.1: a manual sync forces the head, with or without `automated`.
#[test]
fn a_sync_by_hand_resolves_the_branch_as_it_begins() {
    for application in [ApplicationSpec::default(), self_healing()] {
        let (mut world, mut argo_cd) = with_a_commit(spec(NEWEST, application));
        assert_eq!(argo_cd.handle(at(60), Input::SyncAsked, &world.git), [Effect::Sync]);
        assert_eq!(argo_cd.operation().map(|operation| operation.revision), Some(CommitId(1)));
        let refused = [Effect::SyncRefused(Refusal::OperationInProgress)];
        assert_eq!(argo_cd.handle(at(61), Input::SyncAsked, &world.git), refused);
        assert!(world.sync(&mut argo_cd, at(62)), "the second commit is applied");
    }
}

/// A commit whose detection was drawn is seen when its time is over, or by whoever asks git itself.
#[test]
fn a_commit_is_not_seen_before_its_time() {
    for (input, is_seen) in [
        (Input::ObjectChanged, false),
        // The end of a self-heal wait looks at the head, but through the repo-server's cache.
        (Input::WaitOver, false),
        (Input::CommitNoticed, true),
        (Input::Refresh, true),
    ] {
        let (world, mut argo_cd) = with_a_commit(spec(NEWEST, self_healing()));
        argo_cd.handle(at(60), input, &world.git);
        let effects = world.compare(&mut argo_cd, at(60));
        assert_eq!(effects.contains(&Effect::Sync), is_seen, "{input:?}");
        // Once seen it is known to all that follow.
        argo_cd.handle(at(61), Input::CommitNoticed, &world.git);
        world.compare(&mut argo_cd, at(61));
        assert_eq!(argo_cd.operation().map(|operation| operation.revision), Some(CommitId(1)), "{input:?}");
    }
}

/// Under the informer a change of an object, which asks for no revision, looks it up once the last look is too old.
#[test]
fn an_expired_comparison_goes_before_a_recent_one() {
    for (polling, seconds, is_seen) in [
        (Polling::Informer { cache: Duration::ZERO }, 120, false),
        (Polling::Informer { cache: Duration::ZERO }, 121, true),
        (Polling::Informer { cache: Duration::secs(180) }, 121, true),
        (Polling::Drawn(Distribution::secs(300)), 121, false),
    ] {
        let (world, mut argo_cd) =
            with_a_commit(ArgoCdSpec { polling: polling.clone(), ..spec(NEWEST, self_healing()) });
        argo_cd.handle(at(seconds), Input::ObjectChanged, &world.git);
        let effects = world.compare(&mut argo_cd, at(seconds));
        assert_eq!(effects.contains(&Effect::Sync), is_seen, "{polling:?} after {seconds} s");
    }
}

/// Deny windows are for people, too, unless each that is open says `manualSync`.
#[test]
fn a_sync_window_denies_a_sync_by_hand() {
    let window = |from, manual_sync| SyncWindow { from: Duration::secs(from), to: Duration::secs(600), manual_sync };
    let refused = [Effect::SyncRefused(Refusal::SyncWindow)];
    for (windows, now, expected) in [
        (vec![window(0, false)], 60, &refused[..]),
        (vec![window(0, true)], 60, &[Effect::Sync]),
        (vec![window(0, true), window(60, false)], 60, &refused),
        (vec![window(0, false)], 600, &[Effect::Sync]),
    ] {
        let spec = ArgoCdSpec { sync_windows: windows.clone(), ..spec(NEWEST, self_healing()) };
        let (world, mut argo_cd) = with_a_commit(spec);
        assert_eq!(argo_cd.handle(at(now), Input::SyncAsked, &world.git), expected, "{windows:?} at {now} s");
    }
}

/// `RespectIgnoreDifferences` makes the targets before the sync, be they applied or put in the place of the object.
#[test]
fn what_is_ignored_outlives_a_replacement() {
    let pointer = "/metadata/annotations/alb.ingress.kubernetes.io~1actions.web";
    for (respects, expected) in [(true, json!("30")), (false, Value::Null)] {
        let mut world = World::new(Kind::Ingress, &ingress(&[], &["web"]));
        let application = ApplicationSpec {
            ignore_differences: vec![rule(&[pointer], &[], &[])],
            sync_options: SyncOptions { replace: true, respect_ignore_differences: respects, ..SyncOptions::default() },
            ..self_healing()
        };
        let mut argo_cd = ArgoCd::synced(spec(NEWEST, application), &world.git, at(0));
        world.write(&ingress(&[(WEIGHT, "30"), ("mark", "of the controller")], &["web"]));
        argo_cd.handle(at(60), Input::SyncAsked, &world.git);
        world.sync(&mut argo_cd, at(61));
        let annotations = &world.live[&world.id]["metadata"]["annotations"];
        assert_eq!(annotations[WEIGHT], expected, "RespectIgnoreDifferences={respects}");
        assert_eq!(annotations["mark"], Value::Null, "the rest is replaced");
    }
}
