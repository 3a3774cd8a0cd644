//! Argo CD in whole runs: the story of a release, its hazards, and what outlives a sync.

use crate::support::of_gallery;
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::scenario::load::load;
use rollout_sim::simulation::run;

const TESTERS: usize = 1;

pub(super) fn play(name: &str, set: &[&str]) -> Run {
    run(&of_gallery(&format!("gitops/{name}"), set).scenario, 1)
}

fn since_release(run: &Run, entry: &LogEntry) -> f64 {
    (entry.at - run.release).as_secs_f64()
}

pub(super) fn times(run: &Run, component: &str, event: &str, object: &str) -> Vec<f64> {
    let is_meant =
        |entry: &&LogEntry| entry.component == component && entry.event == event && entry.object.contains(object);
    run.events.iter().filter(is_meant).map(|entry| since_release(run, entry)).collect()
}

pub(super) fn only(times: &[f64]) -> f64 {
    let [time] = times else { panic!("once, not at {times:?}") };
    *time
}

/// Of the requests of a class between two times, the share that v2 answered.
fn share(run: &Run, class: usize, (from, to): (f64, f64)) -> f64 {
    let release = run.release.second();
    let row = |time: f64| usize::try_from(release + time.ceil() as u64).unwrap();
    let count = |version| {
        let rows = row(from)..row(to);
        rows.map(|row| run.classes[class].counts(row, version).iter().map(|count| u64::from(*count)).sum::<u64>())
            .sum::<u64>()
    };
    let all: u64 = (0..run.classes[class].versions()).map(count).sum();
    count(2) as f64 / all as f64
}

/// The story of gitops-and-routing.md 1.7, second by second, for several seeds and versions.
#[test]
fn the_header_route_is_lost_once_and_for_all() {
    for (version, longest) in [("2.12.0", 11.0), ("2.13.0", 5.0), ("3.0.0", 5.0), ("3.5.1", 5.0)] {
        for seed in 1..=5 {
            let version = format!("argo_cd.version=\"{version}\"");
            let loaded = of_gallery("gitops/header-route-removed", &[&version]);
            let run = run(&loaded.scenario, seed);
            let set = only(&times(&run, "rollouts-controller", "SetHeaderRoute", "ingress"));
            let completed = times(&run, "rollouts-controller", "StepCompleted", "step 1");
            assert_eq!(only(&completed), set, "the step is over in the same reconcile");
            let drift = times(&run, "argo-cd", "OutOfSync", "application")[0] - set;
            assert!((0.1..=1.0).contains(&drift), "{version}: the watch tells it: {drift}");
            let gone = only(&times(&run, "argo-cd", "RemoveRoutes", "ingress"));
            assert!((0.2..=longest).contains(&(gone - set)), "{version}, seed {seed}: {}", gone - set);
            let applied: Vec<_> = run.events.iter().filter(|entry| entry.event == "Applied").collect();
            assert_eq!(applied.len(), 1, "it does not flap");
            assert_eq!((applied[0].object.as_str(), applied[0].detail.as_str()), ("Ingress/web", "/spec/rules"));
            // At weight 0, and at 1 %: testers meet the stable version, and no error.
            let after = only(&times(&run, "rollouts-controller", "SetWeight", "ingress")[..1]);
            assert!(share(&run, TESTERS, (gone + 30.0, after)) < 1e-9, "{version}, seed {seed}");
            assert!(run.classes[TESTERS].wrong_version > 1_000);
            assert_eq!(run.requests.target_5xx, 0);
        }
    }
}

/// With what the article does the route lives to the end of the release.
#[test]
fn a_header_route_that_is_ignored_lives() {
    for (name, until) in [
        ("header-route-respected", None),
        ("header-route-out-of-sync-only", None),
        ("header-route-ignored", Some("Applied")),
    ] {
        let run = play(name, &[]);
        let promoted = only(&times(&run, "rollouts-controller", "Promoted", ""));
        let gone = times(&run, "argo-cd", "RemoveRoutes", "ingress");
        assert_eq!(gone.is_empty(), until.is_none(), "{name}: {gone:?}");
        let until = gone.first().copied().unwrap_or(promoted);
        assert!((share(&run, TESTERS, (40.0, until)) - 1.0).abs() < 1e-9, "{name}");
        if let Some(gone) = gone.first() {
            assert!(share(&run, TESTERS, (gone + 30.0, 360.0)) < 0.1, "{name}");
        }
    }
    // Without the commit the rule of the comparison is enough.
    let run = play("header-route-ignored", &["git.commits=[]"]);
    assert!(times(&run, "argo-cd", "SyncStarted", "").is_empty());
}

/// The annotation in git: repaired within a second each time, and fought for again on schedule.
#[test]
fn weights_in_git_are_fought_for() {
    let instant = ["argo_cd.comparison=0s", "argo_cd.selective_sync_time=0s"];
    for (version, least, most) in [("3.5.1", 7, 7), ("2.13.0", 7, 7), ("2.12.0", 100, 125)] {
        let version = format!("argo_cd.version=\"{version}\"");
        let run = play("weight-in-git", &[&version, instant[0], instant[1]]);
        let [began, over] = [times(&run, "rollouts-controller", "SetWeight", "ingress")[0], 610.0];
        let heals: Vec<_> = times(&run, "argo-cd", "Applied", "Ingress").into_iter().filter(|at| *at < over).collect();
        assert!((least..=most).contains(&heals.len()), "{version}: {}", heals.len());
        let repairs = times(&run, "rollouts-controller", "SetWeight", "ingress");
        for heal in &heals {
            assert!(repairs.iter().any(|repair| (0.0..=1.0).contains(&(repair - heal))), "{version}: {heal}");
        }
        if most == 7 {
            // Each wait counts from the last one, and the Rollouts controller needs a tenth of a second.
            let expected = [0.0, 2.0, 8.0, 26.0, 80.0, 242.0, 542.0];
            for (heal, expected) in heals.iter().zip(expected) {
                assert!((heal - began - expected).abs() < 0.5, "{version}: {} and {expected}", heal - began);
            }
        }
    }
}

/// A key that was in git and no longer is goes once, and comes back within a second.
#[test]
fn weights_that_leave_git_are_deleted_once() {
    let run = play("weight-removed-from-git", &[]);
    let gone = only(&times(&run, "argo-cd", "Applied", "Ingress"));
    let repairs = times(&run, "rollouts-controller", "SetWeight", "ingress");
    assert!(repairs.iter().any(|repair| (0.0..=1.0).contains(&(repair - gone))), "{gone}: {repairs:?}");
}

/// Replaced, the Ingress is nobody's: 503 until something else wakes the Rollouts controller. With the tolerance of the
/// load balancer controller off, the rule stays as it was.
#[test]
fn a_replaced_ingress_answers_503() {
    let run = play("weight-replaced", &[]);
    let replaced = only(&times(&run, "argo-cd", "Applied", "Ingress"));
    let repaired = times(&run, "rollouts-controller", "SetWeight", "ingress").into_iter().find(|at| *at > replaced);
    let late = repaired.expect("the resync comes at last") - replaced;
    assert!((10.0..=900.0).contains(&late), "{late}");
    assert!(run.requests.elb_503 as f64 > (late - 30.0) * 100.0 * 0.9, "{} in {late} s", run.requests.elb_503);
    let strict = play("weight-replaced", &["load_balancer_controller.tolerate_non_existent_backend_action=false"]);
    assert!(!times(&strict, "load-balancer-controller", "FailedBuildModel", "ingress").is_empty());
    assert!(strict.requests.elb_503 < 100, "{}", strict.requests.elb_503);
}

/// Short, and few requests: v2 is at 100 % after a minute.
pub(super) const SMALL: &str = r#"
[simulation]
warmup = "10s"
cooldown = "10s"
[traffic]
rate = "10/s"
[rollout]
replicas = 2
[rollout.strategy.canary]
stableService = "web-stable"
canaryService = "web-canary"
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
steps = [{ setWeight = 50 }, { pause = { duration = "20s" } }]
[application]
startup_time = "2s"
"#;

/// Of a small release with these lines besides, which end in the table of Argo CD.
pub(super) fn small(lines: &str, set: &[&str]) -> Run {
    let set: Vec<_> = set.iter().map(|text| (*text).to_owned()).collect();
    let loaded = load(&format!("{SMALL}{lines}"), "small", &set);
    run(&loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).scenario, 1)
}

pub(super) const SELF_HEAL: &str = "[argo_cd.application.spec.syncPolicy]\nautomated = { selfHeal = true }\n";

/// A commit that waits for the end of a sync window is on its way: the release is not over before that.
#[test]
fn a_rollback_commit_behind_a_sync_window_is_awaited() {
    let lines = format!("{SELF_HEAL}[[actions]]\nat = \"120s\"\ndo = \"revert_commit\"\n");
    let set = ["argo_cd.commit_detection=\"30s\"", "argo_cd.sync_windows=[{ from = \"100s\", to = \"15m\" }]"];
    let run = small(&lines, &set);
    let drift = only(&times(&run, "argo-cd", "OutOfSync", "application"));
    assert!((150.0..200.0).contains(&drift), "{drift}");
    let began = only(&times(&run, "argo-cd", "SyncStarted", "commit 2"));
    assert!((900.0..902.0).contains(&began), "{began}");
    assert_eq!(times(&run, "rollouts-controller", "Promoted", "v1").len(), 1, "and the old version is back");
}

/// A comparison after self-heal is none with a commit that Argo CD has not found out about.
#[test]
fn self_heal_brings_no_commit_before_its_time() {
    let lines = format!(
        "{SELF_HEAL}[[actions]]\nat = \"60s\"\ndo = \"set_replicas\"\nreplicas = 3\n\
             [[actions]]\nat = \"70s\"\ndo = \"set_replicas\"\nreplicas = 4\n\
             [[git.commits]]\nat = \"50s\"\nset = {{ \"/metadata/labels/team\" = \"shop\" }}\n"
    );
    let run = small(&lines, &["argo_cd.commit_detection=\"100s\""]);
    assert!(times(&run, "argo-cd", "SyncStarted", "commit 1").len() >= 2, "kubectl scale is drift");
    assert!(times(&run, "argo-cd", "Applied", "Rollout").len() >= 2, "and is taken back");
    let began = only(&times(&run, "argo-cd", "SyncStarted", "commit 2"));
    assert!((150.1..=151.0).contains(&began), "{began}");
}

/// A sync by hand in front of the poll brings the head, in an application that nobody syncs by himself.
#[test]
fn a_person_syncs_with_the_head() {
    let lines = "[argo_cd]\ncommit_detection = \"180s\"\n\
                     [[actions]]\nat = \"100s\"\ndo = \"revert_commit\"\n\
                     [[actions]]\nat = \"130s\"\ndo = \"sync\"\n";
    let run = small(lines, &[]);
    assert!((only(&times(&run, "argo-cd", "SyncStarted", "commit 2")) - 130.0).abs() < 1e-9);
    assert_eq!(times(&run, "rollouts-controller", "Promoted", "v1").len(), 1);
    let denied = small(lines, &["argo_cd.sync_windows=[{ to = \"10m\" }]"]);
    assert_eq!(times(&denied, "argo-cd", "SyncRefused", "application"), [130.0]);
    assert!(times(&denied, "argo-cd", "SyncStarted", "").is_empty());
}

/// Each pod of v2 says when it answers like the old version: those that were there, and those that start later.
#[test]
fn every_pod_says_that_the_feature_is_off() {
    let run = small("[[actions]]\nat = \"10s\"\ndo = \"disable_feature\"\n", &[]);
    let pods = |event: &str, is_meant: fn(&LogEntry) -> bool| {
        let entries = run.events.iter().filter(|entry| entry.event == event && is_meant(entry));
        entries.map(|entry| entry.object.as_str()).collect::<Vec<_>>()
    };
    let created = pods("Created", |entry| entry.detail.starts_with("v2"));
    assert_eq!(created.len(), 2, "one for the canary, one for the promotion");
    assert_eq!(pods("FeatureDisabled", |_| true), created);
    assert_eq!(pods("FeatureDisabled", |entry| entry.detail == "from its start"), created[1..]);
}

/// The row of gitops-and-routing.md 1.9 about the plugin's label: the rules are ignored while the canary has a weight. Git
/// has no label, so the application stays OutOfSync; what self-heal applies then is what there is.
#[test]
fn the_label_of_a_release_in_progress_protects_its_rules_at_a_weight() {
    let plugin = "trafficRouting.plugins.\"argoproj-labs/gatewayAPI\".httpRoute = \"web\"\n\
                      trafficRouting.managedRoutes = [{ name = \"testers\" }]";
    let alb = "trafficRouting.alb = { ingress = \"web\", rootService = \"web-root\", servicePort = 80 }";
    let play = |first: &str, version: &str, options: &str| {
        let steps = format!(
            "steps = [{first}, {{ setHeaderRoute = {{ name = \"testers\", match = [{{ headerName = \"v\", headerValue = {{ exact = \"2\" }} }}] }} }}, \
                 {{ pause = {{ duration = \"60s\" }} }}]"
        );
        let text = SMALL.replace(alb, plugin);
        let text = text.replace("steps = [{ setWeight = 50 }, { pause = { duration = \"20s\" } }]", &steps);
        let rule =
            "select(.metadata.labels[\"rollouts.argoproj.io/gatewayapi-canary\"] == \"in-progress\") | .spec.rules";
        let text = format!(
            "{text}{SELF_HEAL}syncOptions = [{options}]\n[[argo_cd.application.spec.ignoreDifferences]]\n\
                 group = \"gateway.networking.k8s.io\"\nkind = \"HTTPRoute\"\njqPathExpressions = ['{rule}']\n\
                 [[git.commits]]\nat = \"30s\"\nkind = \"Service\"\nset = {{ \"/metadata/labels/a\" = \"b\" }}\n"
        );
        let set = [format!("argo_cd.version=\"{version}\""), "argo_cd.commit_detection=\"5s\"".to_owned()];
        let run = run(&load(&text, "label", &set).unwrap_or_else(|problems| panic!("{problems:#?}")).scenario, 1);
        let is_lost = !times(&run, "argo-cd", "RemoveRoutes", "").is_empty();
        assert!(!times(&run, "rollouts-controller", "SetHeaderRoute", "").is_empty());
        let promoted = only(&times(&run, "rollouts-controller", "Promoted", "v2"));
        let drift = times(&run, "argo-cd", "OutOfSync", "application")[0];
        let synced = times(&run, "argo-cd", "Synced", "application");
        (is_lost, synced.iter().all(|at| *at < drift || *at > promoted))
    };
    let (weight, respect) = ("{ setWeight = 50 }", "\"RespectIgnoreDifferences=true\"");
    assert_eq!(play(weight, "3.3.12", respect), (false, true), "kept, and OutOfSync to the end of the release");
    assert!(play(weight, "3.3.12", "").0, "no rule of the comparison is one of the apply");
    assert!(play("{ setCanaryScale = { replicas = 1 } }", "3.3.12", respect).0, "no label at weight 0");
}

fn applied(run: &Run, object: &str) -> Vec<String> {
    let is_meant = |entry: &&LogEntry| entry.event == "Applied" && entry.object == object;
    run.events.iter().filter(is_meant).map(|entry| entry.detail.clone()).collect()
}

/// The last row of gitops-and-routing.md 1.5: with `spec.replicas` in git self-heal takes away what the autoscaler adds.
#[test]
fn replicas_in_git_beside_an_autoscaler_collapse_the_capacity() {
    let lines = format!(
        "{SELF_HEAL}[git]\nreplicas = true\n[hpa]\nminReplicas = 2\nmaxReplicas = 8\nmetrics = [{{ type = \"Resource\", \
             resource = {{ name = \"cpu\", target = {{ type = \"Utilization\", averageUtilization = 50 }} }} }}]\n\
             [[rollout.template.spec.containers]]\nname = \"web\"\nresources.requests.cpu = \"50m\"\n"
    );
    for (in_git, has_drift) in [("true", true), ("false", false)] {
        let set = [&format!("git.replicas={in_git}"), "simulation.duration=\"5m\""];
        let run = small(&lines, &set);
        let scaled = times(&run, "horizontal-pod-autoscaler", "Scale", "replicas");
        assert!(!scaled.is_empty(), "100 m in two pods with 50 m each");
        let took = applied(&run, "Rollout/app");
        assert_eq!(took.contains(&"/spec/replicas".to_owned()), has_drift, "replicas = {in_git}: {took:?}");
    }
    // Nothing is said of them in git unless somebody asks for it.
    let run = small(&lines.replace("replicas = true", ""), &["simulation.duration=\"5m\""]);
    assert!(applied(&run, "Rollout/app").is_empty());
}

/// A commit of a number; and one that takes the replicas away: the default of Kubernetes is one pod.
#[test]
fn a_commit_changes_the_replicas() {
    let lines = format!("{SELF_HEAL}[[git.commits]]\nat = \"60s\"\nkind = \"Rollout\"\n");
    for (change, replicas) in
        [("set = { \"/spec/replicas\" = 5 }\n", "2 -> 5"), ("remove = [\"/spec/replicas\"]\n", "2 -> 1")]
    {
        let run = small(&format!("{lines}{change}"), &["argo_cd.commit_detection=\"5s\""]);
        assert_eq!(applied(&run, "Rollout/app"), ["/spec/replicas"]);
        let scaled = run.events.iter().filter(|entry| entry.event == "ScaleReplicaSet");
        assert!(scaled.map(|entry| entry.detail.as_str()).any(|detail| detail == replicas), "{replicas}");
    }
}

/// A Deployment under Argo CD: at rest it is Synced, and a rollback by hand, a scale by hand and a commit go their ways.
#[test]
fn a_deployment_is_synced_with_git() {
    let deployment = format!(
        "[simulation]\nwarmup = \"10s\"\ncooldown = \"10s\"\n[traffic]\nrate = \"10/s\"\n[deployment]\nreplicas = 2\n\
             [application]\nstartup_time = \"2s\"\n{SELF_HEAL}"
    );
    let play = |lines: &str| {
        let loaded = load(&format!("{deployment}{lines}"), "deployment", &[]);
        run(&loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).scenario, 1)
    };
    let at = |verb: &str| format!("[[actions]]\nat = \"60s\"\ndo = \"{verb}\"\n");
    let quiet = play(&at("refresh"));
    assert!(times(&quiet, "argo-cd", "OutOfSync", "").is_empty());
    assert_eq!(applied(&play(&at("undo")), "Deployment/app"), ["/spec/template/spec/containers"]);
    let scaled = play(&format!("{}replicas = 5\n", at("set_replicas")));
    assert_eq!(applied(&scaled, "Deployment/app"), ["/spec/replicas"]);
    assert_eq!(times(&scaled, "deployment-controller", "ScaleReplicaSet", "v2").len(), 4, "up, and down again");
    let reverted = play(&at("revert_commit"));
    assert_eq!(applied(&reverted, "Deployment/app"), ["/spec/template/spec/containers"]);
    assert_eq!(times(&reverted, "deployment-controller", "Completed", "v1").len(), 1);
    // The load balancer hears of a commit that nobody else has written into.
    let rules = play(
        "[ingress]\nrules = [{ http.paths = [{ path = \"/\", pathType = \"Prefix\", backend.service = { name = \"web\", port.number = 80 } }] }]\n\
             [[git.commits]]\nat = \"60s\"\nset = { \"/spec/rules\" = [] }\n",
    );
    assert_eq!(applied(&rules, "Ingress/web"), ["/spec/rules"]);
    let synced = times(&rules, "argo-cd", "SyncEnded", "commit 2")[0];
    let told = rules.events.iter().filter(|entry| entry.component == "load-balancer-controller");
    let told: Vec<_> = told.filter(|entry| since_release(&rules, entry) > synced).collect();
    assert!(!told.is_empty(), "it deletes the rule");
}

/// Rules are set as a whole, and weights are numbers; what the simulation does not know of them is in no object.
#[test]
fn a_commit_sets_rules_and_weights() {
    let route = |weights: [u32; 2]| {
        format!(
            "[{{ backendRefs = [{{ name = \"web-stable\", port = 80, weight = {} }}, {{ name = \"web-canary\", port = 80, \
                 weight = {} }}], timeouts = {{ request = \"10s\" }} }}]",
            weights[0], weights[1]
        )
    };
    let plugin = "trafficRouting.plugins.\"argoproj-labs/gatewayAPI\".httpRoute = \"web\"";
    let text = SMALL
        .replace("trafficRouting.alb = { ingress = \"web\", rootService = \"web-root\", servicePort = 80 }", plugin);
    let text = format!(
        "{text}{SELF_HEAL}[[git.commits]]\nat = \"12s\"\nkind = \"HTTPRoute\"\nset = {{ \"/spec/rules\" = {} }}\n",
        route([90, 10])
    );
    let loaded = load(&text, "weights", &["argo_cd.commit_detection=\"1s\"".to_owned()]);
    let run = run(&loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).scenario, 1);
    assert!(applied(&run, "HTTPRoute/web").contains(&"/spec/rules".to_owned()), "git's weights are drift now");
    let shares = run.events.iter().filter(|entry| entry.event == "RuleEffective");
    let shares: Vec<_> = shares.map(|entry| entry.detail.as_str()).collect();
    assert!(shares.iter().any(|share| share.starts_with("canary 10 ")), "{shares:?}");
    assert_eq!(run.rollout.outcome.name(), "promoted");
}

/// Nobody is told of an alert that is resolved before its notification goes out.
#[test]
fn a_resolved_alert_is_not_notified() {
    let lines = "[monitoring]\nwindow = \"15s\"\nscrape_lag = \"1s\"\nevaluation_interval = \"5s\"\n\
                     [application.versions.v2]\nerror_share = 0.5\n\
                     [[alerts]]\nname = \"canary-fails\"\nexpr = \"success.rate < 95%\"\nnotification_delay = \"10m\"\n\
                     [[actions]]\nat = \"25s\"\ndo = \"abort\"\n\
                     [[actions]]\nwhen = \"alert canary-fails\"\ndo = \"restart\"\n";
    for (delay, is_told) in [("10m", false), ("1s", true)] {
        let run = small(lines, &[&format!("alerts[0].notification_delay=\"{delay}\"")]);
        assert_eq!(times(&run, "alert", "Firing", "canary-fails").len(), 1, "{delay}");
        assert_eq!(times(&run, "alert", "Resolved", "canary-fails").len(), 1, "{delay}");
        assert_eq!(times(&run, "alert", "Notified", "canary-fails").len(), usize::from(is_told), "{delay}");
        assert_eq!(times(&run, "people", "restart", "rollout").len(), usize::from(is_told), "{delay}");
    }
}

/// Not a single request moves; without selfHeal it stands, until somebody commits something.
#[test]
fn a_rollback_in_the_dashboard_is_undone() {
    let run = play("dashboard-rollback-undone", &[]);
    let undo = only(&times(&run, "people", "undo", ""));
    let back = only(&times(&run, "argo-cd", "Applied", "Rollout"));
    assert!((0.0..=6.0).contains(&(back - undo)), "{undo}, {back}");
    assert!((share(&run, 0, (undo, 590.0)) - 1.0).abs() < 1e-9, "the bad version keeps all requests");
    let run = play("dashboard-rollback-redeployed", &[]);
    let undo = only(&times(&run, "people", "undo", ""));
    let again = only(&times(&run, "argo-cd", "Applied", "Rollout"));
    assert!((300.0..=800.0).contains(&(again - undo)), "{undo}, {again}: with the next commit");
    assert!(share(&run, 0, (undo + 200.0, 600.0)) < 1e-9, "the rollback was over by then");
    assert!((share(&run, 0, (1_100.0, 1_190.0)) - 1.0).abs() < 1e-9, "and the bad version is out again");
}
