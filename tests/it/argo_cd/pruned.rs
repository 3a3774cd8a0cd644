//! What git no longer has: when it is deleted, what keeps it, and what becomes of a release without its route object.

use super::played::{SELF_HEAL, SMALL, only, play, small, times};
use super::{NEWEST, World, at, http_route, id, spec};
use rollout_sim::model::argo_cd::application::{ApplicationSpec, Automated};
use rollout_sim::model::argo_cd::{ArgoCd, Cluster, Difference, Effect, Input};
use rollout_sim::model::manifest::{Kind, Manifests};
use rollout_sim::run::Run;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation::run;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn application(prune: bool) -> ApplicationSpec {
    ApplicationSpec { automated: Some(Automated { prune, self_heal: true }), ..ApplicationSpec::default() }
}

/// An application of an Ingress with these annotations and of a Service, synced; and then git has no Ingress any more.
fn deleted(prune: bool, annotations: &Value) -> (World, ArgoCd) {
    let ingress = json!({ "metadata": { "annotations": annotations }, "spec": { "rules": [] } });
    let mut world = World::new(Kind::Ingress, &ingress);
    let service = Manifests::from([(id(Kind::Service), json!({ "spec": {} }))]);
    world.live.extend(service.clone());
    world.git.push(world.live.clone());
    let argo_cd = ArgoCd::synced(spec(NEWEST, application(prune)), &world.git, at(0));
    world.git.push(service);
    (world, argo_cd)
}

/// The status that a comparison finds, by the names of the kinds, and whether a sync begins.
fn compared(world: &World, argo_cd: &mut ArgoCd, now: u64) -> (Vec<(&'static str, Difference)>, bool) {
    let effects = world.compare(argo_cd, at(now));
    let status = effects.iter().find_map(|effect| match effect {
        Effect::StatusChanged(status) => {
            Some(status.iter().map(|(id, difference)| (id.kind.name(), *difference)).collect())
        }
        Effect::Compare | Effect::Wait(_) | Effect::Sync | Effect::SyncRefused(_) => None,
    });
    (status.unwrap_or_default(), effects.contains(&Effect::Sync))
}

/// Whether a sync that is going on deletes the Ingress.
fn prunes(world: &mut World, argo_cd: &mut ArgoCd, now: u64) -> bool {
    let cluster = Cluster { objects: &world.live, managers: &BTreeMap::new() };
    let (written, _) = argo_cd.sync(at(now), &world.git, &cluster);
    written.pruned.iter().for_each(|id| _ = world.live.remove(id));
    world.live.extend(written.objects);
    !world.live.contains_key(&id(Kind::Ingress))
}

#[test]
fn without_prune_a_new_revision_that_only_deletes_is_not_synced() {
    let (world, mut argo_cd) = deleted(false, &json!({}));
    argo_cd.handle(at(60), Input::CommitNoticed, &world.git);
    assert_eq!(compared(&world, &mut argo_cd, 60), (vec![("Ingress", Difference::RequiresPruning)], false));
}

#[test]
fn what_is_deleted_in_git_is_deleted_and_what_is_back_is_created() {
    let (mut world, mut argo_cd) = deleted(true, &json!({}));
    let before = world.live.clone();
    argo_cd.handle(at(60), Input::CommitNoticed, &world.git);
    assert_eq!(compared(&world, &mut argo_cd, 60), (vec![("Ingress", Difference::RequiresPruning)], true));
    assert!(prunes(&mut world, &mut argo_cd, 61));
    assert_eq!(compared(&world, &mut argo_cd, 62), (vec![], false), "it is Synced without it");
    world.git.push(before.clone());
    argo_cd.handle(at(120), Input::CommitNoticed, &world.git);
    assert_eq!(compared(&world, &mut argo_cd, 120), (vec![("Ingress", Difference::Missing)], true));
    assert!(!prunes(&mut world, &mut argo_cd, 121));
    assert_eq!(world.live, before);
    assert_eq!(compared(&world, &mut argo_cd, 122), (vec![], false));
}

#[test]
fn an_object_may_say_that_it_stays() {
    for (annotations, is_told) in [
        (json!({ "argocd.argoproj.io/sync-options": "Prune=false" }), true),
        (json!({ "argocd.argoproj.io/sync-options": "ServerSideApply=true, Prune=false" }), true),
        (json!({ "argocd.argoproj.io/compare-options": "IgnoreExtraneous" }), false),
    ] {
        let (mut world, mut argo_cd) = deleted(true, &annotations);
        argo_cd.handle(at(60), Input::CommitNoticed, &world.git);
        let (status, syncs) = compared(&world, &mut argo_cd, 60);
        assert_eq!((!status.is_empty(), syncs), (is_told, is_told), "{annotations}");
        // A sync of all that comes for another reason deletes what says no more than that it is no difference.
        if !syncs {
            let mut manifests = world.git.manifests().clone();
            manifests.insert(id(Kind::Service), json!({ "spec": { "a": "b" } }));
            world.git.push(manifests);
            argo_cd.handle(at(60), Input::CommitNoticed, &world.git);
            assert!(compared(&world, &mut argo_cd, 60).1);
        }
        assert_eq!(prunes(&mut world, &mut argo_cd, 61), !is_told, "{annotations}");
    }
}

#[test]
fn a_sync_by_hand_does_not_prune() {
    let (mut world, mut argo_cd) = deleted(true, &json!({}));
    assert_eq!(argo_cd.handle(at(60), Input::SyncAsked, &world.git), [Effect::Sync]);
    assert!(!prunes(&mut world, &mut argo_cd, 61));
}

#[test]
fn self_heal_creates_what_somebody_has_deleted() {
    let git = http_route([None, None], false);
    let mut world = World::new(Kind::HttpRoute, &git);
    let mut argo_cd = ArgoCd::synced(spec(NEWEST, application(false)), &world.git, at(0));
    world.live.clear();
    argo_cd.handle(at(60), Input::ObjectChanged, &world.git);
    assert_eq!(compared(&world, &mut argo_cd, 60), (vec![("HTTPRoute", Difference::Missing)], true));
    prunes(&mut world, &mut argo_cd, 61);
    assert_eq!(world.live[&world.id], git);
}

fn requests_with_404(run: &Run) -> u64 {
    run.requests.elb_404
}

/// Nobody tells the Rollouts controller: its pause ends, and its next pass finds the spec invalid. It looks again every 20 s.
#[test]
fn a_release_without_its_ingress_stands_still_until_it_is_back() {
    let run = play("ingress-pruned", &[]);
    let pruned = only(&times(&run, "argo-cd", "Pruned", "Ingress/web"));
    let created = only(&times(&run, "argo-cd", "Created", "Ingress/web"));
    let refused = only(&times(&run, "rollouts-controller", "InvalidSpec", "rollout"));
    let pause_began = times(&run, "rollouts-controller", "StepStarted", "step 3")[0];
    assert!(refused > pruned + 60.0 && (refused - pause_began - 240.0).abs() < 1.0, "{refused}");
    let repaired = times(&run, "rollouts-controller", "SetWeight", "ingress").into_iter().find(|at| *at > pruned);
    let repaired = repaired.expect("the weight is written again");
    assert!((created..=created + 20.2).contains(&repaired), "{repaired}");
    let deleted = times(&run, "load-balancer-controller", "DeleteRule", "ingress");
    let rules_back =
        times(&run, "load-balancer-controller", "CreateRule", "ingress").pop().expect("it makes rules again");
    assert!(deleted.len() == 2 && deleted[0] > pruned && rules_back > created);
    // From the deletion of the rules to their return, give or take the nodes' time.
    let expected = (rules_back - deleted[1]) * 102.0;
    let got = requests_with_404(&run) as f64;
    assert!((got / expected - 1.0).abs() < 0.1, "{got}, not {expected}");
    assert!(times(&run, "rollouts-controller", "SetHeaderRoute", "").iter().all(|at| *at < pruned));
    assert!(run.rollout.promoted.is_some(), "{:?}", run.waits_for);
}

#[test]
fn without_prune_the_ingress_stays_and_the_application_is_out_of_sync() {
    let run = play("ingress-pruned", &["argo_cd.application.spec.syncPolicy.automated.prune=false"]);
    assert!(times(&run, "argo-cd", "Pruned", "").is_empty());
    assert_eq!(requests_with_404(&run), 0);
    let told =
        run.events.iter().filter(|entry| entry.event == "OutOfSync" && entry.detail.contains("requires pruning"));
    assert_eq!(told.count(), 1);
    assert!(run.rollout.promoted.is_some());
}

#[test]
fn a_release_that_never_gets_its_ingress_back_says_what_it_waits_for() {
    let lines = format!(
        "{}[[git.commits]]\nat = \"15s\"\ndelete = true\n",
        SELF_HEAL.replace("selfHeal", "prune = true, selfHeal")
    );
    let run = small(&lines, &["argo_cd.commit_detection=\"1s\"", "simulation.duration=\"10m\""]);
    let waits_for = run.waits_for.as_deref().unwrap_or_default();
    assert_eq!(waits_for, "a valid spec; InvalidSpec: ingress.networking.k8s.io \"web\" not found");
}

/// Rules that no longer lead to the root Service are refused as an Ingress is that is not there.
#[test]
fn an_ingress_whose_rules_leave_git_is_refused_too() {
    let lines = format!("{SELF_HEAL}[[git.commits]]\nat = \"15s\"\nremove = [\"/spec/rules\"]\n");
    let run = small(&lines, &["argo_cd.commit_detection=\"1s\"", "simulation.duration=\"10m\""]);
    let waits_for = run.waits_for.as_deref().unwrap_or_default();
    assert_eq!(waits_for, "a valid spec; InvalidSpec: ingress `web` has no rules using service web-root backend");
}

/// Of these routers one is watched and validated, the other is a plugin's: its passes fail until the object is back.
#[test]
fn other_routers_without_their_object() {
    const ALB: &str = "trafficRouting.alb = { ingress = \"web\", rootService = \"web-root\", servicePort = 80 }";
    for (kind, router, refused, message) in [
        (
            "HTTPRoute",
            "trafficRouting.plugins.\"argoproj-labs/gatewayAPI\".httpRoute = \"web\"",
            "PassFailed",
            "httproutes.gateway.networking.k8s.io \"web\" not found",
        ),
        (
            "VirtualService",
            "trafficRouting.istio.virtualService = { name = \"web\" }",
            "InvalidSpec",
            "virtualservices.networking.istio.io \"web\" not found",
        ),
    ] {
        let text = format!(
            "{}{}[[git.commits]]\nat = \"20s\"\nkind = \"{kind}\"\ndelete = true\n\
             [[git.commits]]\nat = \"100s\"\nkind = \"{kind}\"\nrestore = true\n",
            SMALL.replace(ALB, router),
            SELF_HEAL.replace("selfHeal", "prune = true, selfHeal"),
        );
        let loaded = load(&text, kind, &["argo_cd.commit_detection=\"1s\"".to_owned()]);
        let run = run(&loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).scenario, 1);
        let pruned = only(&times(&run, "argo-cd", "Pruned", kind));
        let created = only(&times(&run, "argo-cd", "Created", kind));
        let told = run.events.iter().find(|entry| entry.event == refused).map(|entry| entry.detail.as_str());
        assert_eq!(told, Some(message));
        let at = only(&times(&run, "rollouts-controller", refused, "rollout"));
        assert!((pruned..created).contains(&at), "{kind}: {at}");
        // A VirtualService is watched; of an HTTPRoute the controller hears nothing before its pause is over.
        assert_eq!(at - pruned < 1.0, kind == "VirtualService", "{kind}: {at}, {pruned}");
        let repaired = times(&run, "rollouts-controller", "SetWeight", "").into_iter().find(|at| *at > pruned);
        assert!((created..=created + 20.2).contains(&repaired.expect("the weight is written again")), "{kind}");
        assert!(requests_with_404(&run) > 300, "{kind}: {}", requests_with_404(&run));
        assert!(run.rollout.promoted.is_some(), "{kind}: {:?}", run.waits_for);
    }
}

/// The queue keeps one time at which the controller looks again, whatever else has woken it in the meantime.
#[test]
fn an_invalid_spec_is_looked_at_every_twenty_seconds_whoever_wakes_the_controller() {
    let repaired = |actions: &str| {
        let lines = format!(
            "{}[[git.commits]]\nat = \"15s\"\ndelete = true\n[[git.commits]]\nat = \"100s\"\nrestore = true\n{actions}",
            SELF_HEAL.replace("selfHeal", "prune = true, selfHeal")
        );
        let run = small(&lines, &["argo_cd.commit_detection=\"1s\""]);
        let refused = only(&times(&run, "rollouts-controller", "InvalidSpec", "rollout"));
        let created = only(&times(&run, "argo-cd", "Created", "Ingress/web"));
        let repaired = times(&run, "rollouts-controller", "SetWeight", "ingress").into_iter().find(|at| *at > created);
        (refused, repaired.expect("the weight is written again"))
    };
    let (refused, plain) = repaired("");
    // The first look comes 20 s after the refusal, and each one after the pass before it.
    let looks = ((plain - refused) / 20.1).round();
    assert!((plain - refused - looks * 20.1).abs() < 0.5, "{refused}, {plain}");
    let woken: String = ["61s", "65s", "73s"]
        .map(|at| format!("[[actions]]\nat = \"{at}\"\ndo = \"pause\"\n[[actions]]\nat = \"{at}\"\ndo = \"promote\"\n"))
        .concat();
    let (_, woken) = repaired(&woken);
    // A pass of another's may be under way when the time has come: no more than its delay.
    assert!((woken - plain).abs() < 0.3, "{woken}, {plain}");
}
