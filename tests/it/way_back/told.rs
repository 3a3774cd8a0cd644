//! What the report says of a way back.

use super::{answered, log};
use crate::support;
use rayon::prelude::*;
use rollout_sim::model::Revision;
use rollout_sim::report::{self, summary::summary};
use rollout_sim::run::{Answer, ChangeKind, RolloutOutcome, Run};
use rollout_sim::scenario::Loaded;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use rollout_sim::units::Duration;
use serde_json::Value;

/// A run with its report.
struct Told {
    loaded: Loaded,
    run: Run,
    summary: Value,
    /// Without line breaks.
    text: String,
}

impl Told {
    fn of(loaded: Loaded, seed: u64) -> Self {
        let run = simulation::run(&loaded.scenario, seed);
        let text = report::text::render(&loaded, &run, &[], 120);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { summary: summary(&loaded, &run, &[]), loaded, run, text }
    }

    fn rollback(&self, key: &str) -> &Value {
        &self.summary["rollback"][key]
    }

    fn seconds(&self, key: &str) -> f64 {
        self.rollback(key).as_f64().unwrap_or_else(|| panic!("{key}: {:#}", self.summary["rollback"]))
    }

    #[track_caller]
    fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.text.contains(part), "`{part}` is not in: {}", self.text);
        }
    }

    #[track_caller]
    fn says_nothing_of(&self, parts: &[&str]) {
        for part in parts {
            assert!(!self.text.contains(part), "`{part}` is in: {}", self.text);
        }
    }
}

const USERS: &str = "[[traffic.classes]]\nname = \"public\"\nrate = \"40/s\"\nusers = { count = 100, requests_per_session = 10, think_time = { exponential = \"5s\" } }\n";
const ARGO_CD: &str = "[git]\ncommit_time = \"10s\"\n[argo_cd]\ncommit_detection = \"20s\"\nsync_time = \"5s\"\n\
                       application.spec.syncPolicy.automated = { selfHeal = true }\n";

/// The canary has half of the requests after some seconds, and all after two minutes, unless somebody does something.
fn tell(traffic: &str, sections: &str, overrides: &[&str]) -> Told {
    let text = format!(
        "[simulation]\nwarmup = \"5s\"\ncooldown = \"30s\"\nhorizon = \"1h\"\n[traffic]\n{traffic}[rollout]\nreplicas = 4\n\
         [rollout.strategy.canary]\ntrafficRouting.alb = {{}}\nsteps = [{{ setWeight = 50 }}, {{ pause = {{ duration = \"120s\" \
         }} }}]\n[application]\nstartup_time = \"2s\"\nversions.v2.error_share = 0.5\n[load_balancer_controller]\nrule_lag = \
         \"1s\"\n{sections}"
    );
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let loaded = load(&text, "way back", &overrides).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    Told::of(loaded, 1)
}

fn action(when: &str, verb: &str) -> String {
    format!("[[actions]]\n{when}\ndo = \"{verb}\"\n")
}

/// Requests that a version answered before a second since the release.
fn answered_before(run: &Run, version: usize, second: f64) -> u64 {
    let row = (run.release - rollout_sim::units::Instant::START).as_secs_f64() + second;
    answered(run, version)[..row as usize].iter().sum()
}

#[test]
fn a_version_is_bad_that_fails_more_than_the_old_one() {
    let abort = action("at = \"60s\"", "abort");
    let told = tell(USERS, &abort, &["application.versions.v1.error_share=0.01"]);
    assert!(told.seconds("first_bad_s") > 2.0, "{}", told.text);
    assert_eq!(*told.rollback("requests"), answered(&told.run, 2).iter().sum::<u64>());
    assert_eq!(*told.rollback("decision"), "abort");
    // Errors of the old version are not the bad one's.
    let failed: u64 = told.run.classes[0].total(2)[Answer::Target5xx as usize];
    assert_eq!(*told.rollback("target_5xx"), failed);
    assert!(told.run.requests.target_5xx > failed);
}

#[test]
fn the_users_of_a_good_release_before_it_are_not_reached() {
    let sections = action("at = \"200s\"", "deploy") + &action("at = \"260s\"", "abort");
    let bad = ["application.versions.v2.error_share=0.0", "application.versions.v3.error_share=0.5"];
    let told = tell(USERS, &sections, &bad);
    assert!((200.0..230.0).contains(&told.seconds("first_bad_s")), "{}", told.text);
    assert_eq!(*told.rollback("requests"), answered(&told.run, 3).iter().sum::<u64>());
    let exposed = told.run.classes[0].users.iter().filter(|user| user.seen >> 3 & 1 == 1).count();
    assert_eq!(told.rollback("users")["exposed"], exposed);
    // Where nobody meets it there is nothing to tell.
    assert_eq!(tell(USERS, "", &bad).summary["rollback"], Value::Null);
}

#[test]
fn a_bad_version_is_told_of_that_nobody_goes_back_from() {
    let told = tell(USERS, "", &[]);
    assert_eq!(*told.rollback("decision"), Value::Null);
    assert_eq!(*told.rollback("requests"), answered(&told.run, 2).iter().sum::<u64>());
    told.says(&["it still answered when the run ended. Nobody decided to go back from it."]);
}

#[test]
fn of_several_decisions_all_are_told_and_the_first_has_noticed() {
    let undo = action("at = \"150s\"", "undo");
    let told = tell(USERS, &format!("{ARGO_CD}{undo}{}", action("at = \"200s\"", "revert_commit")), &[]);
    assert_eq!(*told.rollback("decision"), "revert_commit");
    let noticed = told.seconds("first_bad_s") + told.seconds("time_to_detect_s");
    assert!((noticed - 150.0).abs() < 0.002, "{noticed}");
    assert!((told.seconds("time_to_decide_s") - 50.0).abs() < 0.002);
    told.says(&["`undo` (t = 150 s) had its effect at t = 150 s; Argo CD brought v2 back at t = 15"]);
    let wrote = told.summary["argo_cd"]["wrote"].as_array().expect("a list");
    assert!(wrote.iter().any(|row| row["object"] == "Rollout/app" && row["times"].as_u64() >= Some(1)), "{wrote:?}");
}

#[test]
fn what_an_undone_way_back_breaks_counts_until_it_is_mended() {
    let undo = action("at = \"150s\"", "undo");
    let told = tell(USERS, &format!("{ARGO_CD}{undo}"), &[]);
    let undone = told.run.changes.iter().position(|change| change.decision.is_some()).expect("a change");
    let over = told.run.changes[undone + 1].complete.expect("Argo CD brings v2 back");
    let (from, to) = (told.run.changes[undone].at, over);
    let rows = told.run.seconds.iter().enumerate();
    let rows = rows.filter(|(row, _)| (from.second()..=to.second()).contains(&(*row as u64)));
    let expected: u64 = rows.map(|(_, second)| u64::from(second.elb_5xx())).sum();
    assert_eq!(*told.rollback("elb_5xx"), expected, "{}", told.text);
}

/// Requests that get no answer at all are no better off.
#[test]
fn an_outage_mitigates_nothing() {
    let commits = "[[git.commits]]\nat = \"30s\"\ndelete = true\n[[git.commits]]\nat = \"90s\"\nrestore = true\n";
    let pruning = ARGO_CD.replace("selfHeal", "prune = true, selfHeal").replace("20s", "2s");
    let abort = action("at = \"70s\"", "abort");
    let told = tell(USERS, &format!("{pruning}{commits}{abort}"), &[]);
    let pruned = told.run.events.iter().find(|entry| entry.event == "Pruned").expect("it is deleted");
    let outage = (pruned.at - told.run.release).as_secs_f64();
    assert!((30.0..60.0).contains(&outage), "{outage}");
    assert_eq!(*told.rollback("decision"), "abort", "{}", told.text);
    assert!(told.seconds("mitigated_s") > 97.0, "{}", told.text);
}

#[test]
fn without_classes_there_is_a_way_back_all_the_same() {
    let abort = action("at = \"60s\"", "abort");
    let told = tell("rate = \"40/s\"\n", &abort, &[]);
    assert_eq!(*told.rollback("requests"), answered(&told.run, 2).iter().sum::<u64>());
    assert!(told.rollback("requests").as_u64() > Some(500), "{}", told.text);
    assert_eq!(*told.rollback("users"), Value::Null);
    assert_eq!(told.summary.get("classes"), None);
    told.says(&["abort 0 s after that", "whom it reached is not known without [[traffic.classes]] with users"]);
    // An analysis decides by itself.
    let analysed = Told::of(support::of_gallery("strategies/analysis-of-a-bad-version", &["traffic.classes=[]"]), 1);
    assert_eq!(*analysed.rollback("decision"), "automatic abort", "{}", analysed.text);
    assert!(analysed.rollback("requests").as_u64() > Some(0));
    // Nobody may go back: nobody counts versions.
    assert!(tell("rate = \"40/s\"\n", "", &[]).run.classes.is_empty());
}

#[test]
fn the_alert_is_the_one_that_somebody_was_told_of() {
    let alert =
        |name: &str, expr: &str, more: &str| format!("[[alerts]]\nname = \"{name}\"\nexpr = \"{expr}\"\n{more}");
    let failing = alert("fails", "canary.error.rate > 20%", "for = \"15s\"\nnotification_delay = \"7s\"\n");
    // It fires after the other and before the decision, and nobody waits for it.
    let other = alert("service-fails", "error.rate > 10%", "for = \"30s\"\nnotification_delay = \"0s\"\n");
    let sections = format!(
        "[monitoring]\nwindow = \"10s\"\n{failing}{}",
        action("when = \"alert fails\"\nafter = \"20s\"", "abort")
    );
    let told = tell(USERS, &sections, &[]);
    let fired = |run: &Run| log(run, "alert").iter().find(|entry| entry.1 == "Firing").expect("it fires").0;
    let is_close = |told: &Told| (told.seconds("detected_s") - fired(&told.run)).abs() < 0.002;
    assert!(is_close(&told), "{}", told.text);
    assert_eq!((told.rollback("alert"), told.seconds("time_to_decide_s")), (&Value::from("fails"), 27.0));
    let both = tell(USERS, &format!("{sections}{other}"), &[]);
    let fired = log(&both.run, "alert").into_iter().find(|entry| (entry.1, entry.2) == ("Firing", "service-fails"));
    let fired = fired.expect("it fires, too").0;
    assert!(both.seconds("detected_s") < fired && fired < both.seconds("decided_s"), "{fired}: {}", both.text);
    assert_eq!(
        (both.rollback("alert"), both.rollback("detected_s")),
        (told.rollback("alert"), told.rollback("detected_s"))
    );
    // Somebody who looks for himself was told of nothing.
    let by_hand = sections.replace("when = \"alert fails\"\nafter = \"20s\"", "at = \"90s\"");
    let told = tell(USERS, &by_hand, &[]);
    assert!(log(&told.run, "alert").iter().any(|entry| entry.1 == "Firing" && entry.0 < 90.0));
    assert_eq!((told.rollback("alert"), told.seconds("detected_s")), (&Value::Null, 90.0));
}

#[test]
fn the_action_that_was_done_says_how_long_it_took() {
    // The first of the two never comes: nothing fails that often.
    let sections = action("when = \"elb_5xx.rate > 99%\"\nafter = \"300s\"", "abort")
        + &action("at = \"40s\"\nnoticed_after = \"20s\"\nafter = \"30s\"", "abort");
    let told = tell(USERS, &sections, &[]);
    assert_eq!((told.seconds("detected_s"), told.seconds("decided_s")), (60.0, 70.0));
    assert_eq!(told.seconds("time_to_decide_s"), 10.0);
    let [detect, mitigate, recover] =
        ["time_to_detect_s", "time_to_mitigate_s", "time_to_recover_s"].map(|key| told.seconds(key));
    assert!((detect + mitigate - recover).abs() < 0.002, "{detect} + {mitigate} = {recover}");
    let decision = &told.summary["decisions"][0];
    assert_eq!((&decision["triggered_s"], &decision["noticed_s"]), (&40.into(), &60.into()));
    assert_eq!(decision["changes"][0]["change"], "abort");
    let problems =
        load(&action("at = \"1s\"\nnoticed_after = \"2s\"", "abort"), "late", &[]).expect_err("it is too late");
    assert!(problems.iter().any(|problem| problem.key == "actions[0].noticed_after"), "{problems:?}");
}

#[test]
fn what_changed_nothing_says_why() {
    let pipeline = |lines: &str| format!("{ARGO_CD}[pipeline]\n{lines}{}", action("at = \"60s\"", "run_pipeline"));
    let stages =
        |share: &str| format!("stages = [{{ name = \"tests\", duration = \"60s\", failure_share = {share} }}]\n");
    let full = "executors = 1\nother_jobs = { rate = \"3600/h\", duration = \"60s\" }\n";
    let by_hand = "[git]\ncommit_time = \"10s\"\n[argo_cd]\n";
    let revert = |at: &str| action(&format!("at = \"{at}\""), "revert_commit");
    for (sections, why) in [
        (pipeline(&stages("1.0")), "run 1 of the pipeline failed"),
        (
            pipeline(&format!("{full}{}", stages("0.0"))),
            "run 1 of the pipeline was still waiting for an executor at the end",
        ),
        (pipeline(&stages("0.0").replace("60s", "300s")), "run 1 of the pipeline was still going on at the end"),
        (format!("{by_hand}{}", revert("60s")), "nothing synced commit 2"),
        (format!("{ARGO_CD}{}", revert("175s")), "its commit was not pushed before the end"),
        (format!("{ARGO_CD}{}", revert("145s")), "the sync of commit 2 was still going on at the end"),
    ] {
        let told = tell(USERS, &sections, &["simulation.duration=\"180s\""]);
        let verb = if sections.contains("run_pipeline") { "run_pipeline" } else { "revert_commit" };
        told.says(&[&format!("`{verb}` (t = "), &format!("changed nothing: {why}.")]);
    }
}

#[test]
fn what_had_no_effect_is_not_the_way_back() {
    let promotion = format!("{ARGO_CD}[promotion]\n");
    // Accepted: the rejection comes too late, and nothing takes the release back.
    let late = promotion.clone() + &action("at = \"60s\"", "accept") + &action("at = \"320s\"", "reject");
    let told = tell(USERS, &late, &[]);
    assert_eq!((told.rollback("decision"), told.rollback("elb_5xx")), (&Value::Null, &Value::Null));
    told.says(&["`reject` (t = 320 s) came too late: it was accepted.", "it still answered when the run ended"]);
    told.says_nothing_of(&["reject 0 s after that"]);
    assert_eq!(told.summary["decisions"][1]["refused"], "it was accepted");
    // After the promotion there is nothing to abort, and a commit goes back.
    let abort = ARGO_CD.to_owned() + &action("at = \"200s\"", "abort") + &action("at = \"300s\"", "revert_commit");
    let told = tell(USERS, &abort, &[]);
    assert_eq!((told.rollback("decision"), told.seconds("decided_s")), (&Value::from("revert_commit"), 300.0));
    told.says(&["`abort` (t = 200 s) changed nothing"]);
    // The abort took it back; what comes later takes nothing from anybody.
    let both = ARGO_CD.to_owned() + &action("at = \"60s\"", "abort") + &action("at = \"200s\"", "revert_commit");
    let told = tell(USERS, &both, &[]);
    assert_eq!((told.rollback("decision"), told.seconds("decided_s")), (&Value::from("abort"), 60.0));
    assert_eq!(told.run.rollout.duration, told.run.rollout.aborted.expect("it was") - told.run.release);
    assert!(told.run.rollout.duration < Duration::secs(70), "{}", told.text);
    told.says(&["aborted after 60 s", "aborted by a person (t = 60 s)"]);
}

#[test]
fn a_revert_through_git_is_told_as_what_it_is() {
    let revert = ARGO_CD.to_owned() + &action("at = \"60s\"", "revert_commit");
    let told = tell(USERS, &revert, &[]);
    assert_eq!(told.run.rollout.outcome, RolloutOutcome::Aborted);
    let [decided, changed] = ["decided_s", "changed_s"].map(|key| told.seconds(key));
    // 10 s for the commit, 20 s until Argo CD looks, a comparison, 5 s for the sync.
    assert_eq!(decided, 60.0);
    assert!((95.0..100.0).contains(&changed), "{changed}");
    told.says(&["by a person, with `revert_commit` (t = 60 s), synced at t = 9", "after revert_commit"]);
    told.says_nothing_of(&["undo"]);
    // The second one is a commit of the bad version: the first was synced, and then that.
    let twice = revert + &action("at = \"90s\"", "revert_commit");
    let told = tell(USERS, &twice, &["argo_cd.commit_detection=10s"]);
    let changes: Vec<_> = told.run.changes.iter().map(|change| (change.kind, change.decision)).collect();
    let template = |revision| ChangeKind::Template(Revision(revision));
    assert_eq!(changes, [(template(2), None), (template(1), Some(0)), (template(2), Some(1))]);
    assert_eq!(told.seconds("decided_s"), 60.0);
    told.says(&["revert_commit brought v2 back at t = "]);
}

#[test]
fn a_rollback_after_the_promotion_that_is_undone_aborts_nothing() {
    let told = tell(USERS, &(ARGO_CD.to_owned() + &action("at = \"200s\"", "undo")), &["simulation.duration=300s"]);
    assert_eq!((told.run.rollout.outcome, told.run.rollout.aborted), (RolloutOutcome::Promoted, None));
    told.says(&["Argo CD brought v2 back at t = 20", "it still answered when the run ended"]);
    told.says_nothing_of(&["abort"]);
    // In the middle of the update it takes that back.
    let told = tell(USERS, &action("at = \"60s\"", "undo"), &[]);
    assert_eq!(told.run.rollout.outcome, RolloutOutcome::Aborted);
    told.says(&["by a person, with `undo v1` (t = 60 s)"]);
}

/// ELB 5xx of the release that follows are not the rollback's.
#[test]
fn the_way_back_costs_what_fails_until_it_is_complete() {
    let told = Told::of(support::of_gallery("gitops/dashboard-rollback-redeployed", &[]), 1);
    let undo = told.run.changes.iter().position(|change| change.kind == ChangeKind::Template(Revision(1)));
    let undo = told.run.changes[undo.expect("somebody undoes")];
    let complete = undo.complete.expect("nobody stops it");
    let rows = usize::try_from(undo.at.second()).unwrap()..=usize::try_from(complete.second()).unwrap();
    let failed: u64 = told.run.seconds[rows].iter().map(|second| u64::from(second.elb_5xx())).sum();
    assert_eq!(*told.rollback("elb_5xx"), failed);
    let after: u64 = told.run.seconds[usize::try_from(complete.second()).unwrap() + 1..]
        .iter()
        .map(|second| u64::from(second.elb_5xx()))
        .sum();
    assert!(after > 0, "the bad version comes once more");
    assert_eq!(told.run.rollout.outcome, RolloutOutcome::Promoted);
    told.says(&["Argo CD brought v2 back at t = "]);
}

#[test]
fn a_version_without_its_feature_is_no_longer_bad() {
    let told = tell(USERS, &action("at = \"60s\"", "disable_feature"), &[]);
    let heard = log(&told.run, "application").into_iter().filter(|entry| entry.3.is_empty()).map(|entry| entry.0);
    let last = heard.fold(0.0, f64::max);
    let requests = told.rollback("requests").as_u64().expect("a count");
    assert!(requests >= answered_before(&told.run, 2, 60.0), "{requests}");
    assert!(requests <= answered_before(&told.run, 2, last.ceil() + 1.0), "{requests}");
    assert!(answered(&told.run, 2).iter().sum::<u64>() > 2 * requests, "it goes on, as a good one");
    assert!((told.seconds("mitigated_s") - last).abs() < 1.5, "{last}");
    assert_eq!(*told.rollback("target_5xx"), told.run.requests.target_5xx);
    assert!((told.seconds("complete_s") - last).abs() < 0.002);
}

#[test]
fn people_take_as_long_as_a_distribution_says() {
    let drawn = "after = { median = \"40s\", p95 = \"100s\" }";
    let sections = |after: &str| action(&format!("when = \"step 1\"\n{after}"), "abort");
    let acted = |after: &str, seed: u64| {
        let told = tell(USERS, &sections(after), &[]);
        let run = simulation::run(&told.loaded.scenario, seed);
        let person = log(&run, "people")[0].0;
        let step = log(&run, "rollouts-controller").iter().find(|entry| entry.2 == "step 1").expect("it begins").0;
        person - step
    };
    let [first, again, other] = [1, 1, 2].map(|seed| acted(drawn, seed));
    assert!((5.0..400.0).contains(&first), "{first} s");
    assert_eq!(first, again);
    assert!((first - other).abs() > 0.1, "{first} and {other}");
    assert!((acted("after = \"30s\"", 2) - 30.0).abs() < 1e-6);
}

// Header routes.

const TESTERS: &str = "[[traffic.classes]]\nname = \"public\"\nrate = \"40/s\"\n[[traffic.classes]]\nname = \"testers\"\nrate = \"5/s\"\n\
                       headers = { version = \"2\" }\n";

fn with_route(steps: &str, sections: &str, overrides: &[&str]) -> Told {
    let set = "{ setHeaderRoute = { name = \"testers\", match = [{ headerName = \"version\", headerValue = { exact = \"2\" } }] } }";
    let steps = format!(
        "rollout.strategy.canary.steps=[{}]",
        steps.replace("SET", set).replace("REMOVE", "{ setHeaderRoute = { name = \"testers\" } }")
    );
    let routing = "rollout.strategy.canary.trafficRouting={ alb = { ingress = \"web\", rootService = \"web-root\", servicePort = 80 }, managedRoutes = [{ name = \"testers\" }] }";
    let services =
        ["rollout.strategy.canary.stableService=web-stable", "rollout.strategy.canary.canaryService=web-canary"];
    let all: Vec<_> =
        [&steps, routing, services[0], services[1]].into_iter().chain(overrides.iter().copied()).collect();
    tell(TESTERS, sections, &all)
}

/// Present and absent, in seconds.
fn life(told: &Told) -> [f64; 2] {
    let life = &told.summary["header_routes"][0];
    ["present_s", "absent_s"].map(|key| life[key].as_f64().unwrap_or_else(|| panic!("{:#}", told.summary)))
}

#[test]
fn a_header_route_lives_each_time_that_its_step_is_passed() {
    let steps = "{ setCanaryScale = { weight = 50 } }, SET, { pause = { duration = \"60s\" } }";
    let sections = action("at = \"30s\"", "abort") + &action("at = \"60s\"", "retry");
    let told = with_route(steps, &sections, &[]);
    let [present, absent] = life(&told);
    let set: Vec<_> = log(&told.run, "rollouts-controller")
        .iter()
        .filter(|entry| entry.1 == "SetHeaderRoute")
        .map(|entry| entry.0)
        .collect();
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(present > 60.0 && (present - (30.0 - set[0]) - 60.0).abs() < 5.0, "{present}, {set:?}");
    assert!(absent < 0.5, "{absent}");
    told.says_nothing_of(&["The header route"]);
}

#[test]
fn a_step_that_takes_the_route_away_loses_nothing() {
    let steps = "{ setCanaryScale = { weight = 50 } }, SET, { pause = { duration = \"60s\" } }, REMOVE, { pause = { duration = \"60s\" } }";
    let told = with_route(steps, "", &[]);
    let [present, absent] = life(&told);
    assert!((59.0..62.0).contains(&present) && absent < 0.5, "{present}, {absent}");
    assert_eq!(told.summary["header_routes"][0]["removed_by"], Value::Null);
    told.says_nothing_of(&["The header route"]);
}

#[test]
fn a_route_that_came_too_early_is_told() {
    // Before the first pod of the canary the controller takes it away again.
    let told = Told::of(support::of_gallery("routing/header-route-too-early", &[]), 1);
    let [present, absent] = life(&told);
    assert!(present < 1.0 && absent > 60.0, "{present}, {absent}");
    told.says(&["The header route testers was there for 100 ms of ", "the Rollouts controller took it away"]);
}

// The weights that git carries.

/// With the delays that a scenario has unless it says otherwise: as its comment tells.
#[test]
fn the_fight_about_the_weights_with_default_delays() {
    for (version, least, most) in [("3.5.1", 7, 7), ("2.12.0", 75, 85)] {
        let loaded = support::of_gallery("gitops/weight-in-git", &[&format!("argo_cd.version=\"{version}\"")]);
        let told = Told::of(loaded, 1);
        let count =
            log(&told.run, "argo-cd").iter().filter(|entry| entry.1 == "OverwriteWeight" && entry.0 < 610.0).count();
        assert!((least..=most).contains(&count), "{version}: {count}");
        // It was in force before it was written over the first time that the ALB heard of.
        let step = &told.run.steps[0];
        let late = step.weight_effective.expect("it was in force") - step.weight_asked.expect("it was asked for");
        assert!(version != "3.5.1" || late < Duration::secs(60), "{late:?}");
    }
}

/// A sync rewrites the rules of an HTTPRoute without their weights, and nobody repairs them before the next step.
#[test]
fn a_weight_that_was_in_force_before_a_sync_was_in_force() {
    let route = "rollout.strategy.canary.trafficRouting={ plugins = { \"argoproj-labs/gatewayAPI\" = { httpRoute = \"web\" } } }";
    let services =
        ["rollout.strategy.canary.stableService=web-stable", "rollout.strategy.canary.canaryService=web-canary"];
    let commit = "git.commits=[{ at = \"30s\", kind = \"HTTPRoute\", set = { \"/metadata/labels/team\" = \"shop\" } }]";
    // A half is what rules without weights amount to.
    let steps = "rollout.strategy.canary.steps=[{ setWeight = 20 }, { pause = { duration = \"120s\" } }]";
    let told = tell(USERS, ARGO_CD, &[route, services[0], services[1], commit, steps]);
    let synced = log(&told.run, "argo-cd").iter().find(|entry| entry.1 == "OverwriteWeight").expect("git has none").0;
    let step = &told.run.steps[0];
    let effective = (step.weight_effective.expect("it was in force") - told.run.release).as_secs_f64();
    assert!(effective < synced - 10.0, "{effective} and {synced}");
}

#[test]
fn argo_cd_is_told_to_have_sent_the_requests_where_no_pod_is_left() {
    let told = Told::of(support::of_gallery("gitops/weight-in-git-dynamic", &[]), 1);
    assert!(told.run.requests.elb_503 > 3_000, "{}", told.text);
    told.says(&[
        "Argo CD wrote the weights that stand in git, canary 0 stable 100, over weight 100",
        "the ALB routed by them",
    ]);
    told.says_nothing_of(&["the ALB kept sending"]);
    // From 2.13 on the waits grow.
    let newer = support::of_gallery("gitops/weight-in-git-dynamic", &["argo_cd.version=\"3.5.1\""]);
    let failed = simulation::run(&newer.scenario, 1).requests.elb_503;
    assert!(3 * failed < told.run.requests.elb_503, "{failed}");
}

// The gallery.

/// Who decided, and the time from noticing until the last bad answer, in seconds; none if that never comes.
const WAYS_BACK: [(&str, &str, Option<[f64; 2]>); 12] = [
    ("abort-at-10", "abort", Some([60.0, 160.0])),
    ("analysis-at-10", "automatic abort", Some([0.0, 60.0])),
    ("dashboard-rollback-redeployed", "undo", None),
    ("dashboard-rollback-undone", "undo", None),
    ("feature-flag", "disable_feature", Some([60.0, 80.0])),
    ("full-pipeline", "run_pipeline", Some([1_000.0, 4_000.0])),
    ("improved-pipeline", "reject", Some([500.0, 900.0])),
    ("promotion-timeout", "promotion time-out", Some([400.0, 800.0])),
    ("revert-at-100", "revert_commit", Some([500.0, 900.0])),
    ("revert-at-100-webhook", "revert_commit", Some([450.0, 750.0])),
    ("rollback-window", "revert_commit", Some([80.0, 250.0])),
    ("undo-at-100", "undo", Some([450.0, 750.0])),
];

#[test]
fn the_ways_back_of_the_gallery() {
    let wrong = WAYS_BACK.par_iter().filter_map(|(name, decision, mitigated)| {
        let told = Told::of(support::of_gallery(&format!("gitops/{name}"), &[]), 1);
        let figure = |key: &str| told.rollback(key).as_f64();
        let is_decision = *told.rollback("decision") == *decision;
        let is_in_time = match (figure("time_to_mitigate_s"), mitigated) {
            (Some(found), Some([least, most])) => (*least..=*most).contains(&found),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        let adds_up = figure("time_to_mitigate_s").is_none_or(|mitigate| {
            (figure("time_to_detect_s").unwrap() + mitigate - figure("time_to_recover_s").unwrap()).abs() < 0.002
        });
        // Whoever waits for step 13 notices five minutes later, and decides one minute after that.
        let takes_a_minute = figure("time_to_decide_s") == Some(60.0)
            || !["feature-flag", "full-pipeline", "improved-pipeline", "revert-at-100", "undo-at-100"].contains(name);
        let is_counted = match *name {
            "feature-flag" => figure("requests") < Some(answered(&told.run, 2).iter().sum::<u64>() as f64),
            _ => *told.rollback("requests") == answered(&told.run, 2).iter().sum::<u64>(),
        };
        let is_right = is_decision && is_in_time && adds_up && takes_a_minute && is_counted;
        (!is_right).then(|| format!("{name}: {:#}", told.summary["rollback"]))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
