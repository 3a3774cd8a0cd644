//! Who sees both versions although target groups are sticky: nobody, but for the exceptions that the model knows. Each
//! of them has a test: outside of it no user with both, inside some.

use crate::support;
use rollout_sim::model::Revision;
use rollout_sim::run::{Run, TracedRequest};
use rollout_sim::simulation::run_traced;
use rollout_sim::units::{Duration, Instant};
use std::collections::BTreeMap;

/// 20,000 users, each with a request in 40 s, behind one node, where a weight is in force at one instant.
fn sticky(steps: &str, more: &[&str]) -> Run {
    let text = format!(
        r#"
        simulation = {{ warmup = "5s", duration = "160s" }}
        load_balancer_controller.rule_lag = "1s"
        load_balancer.target_group_selection = "random"
        [traffic]
        rate = "500/s"
        service_time = "5ms"
        classes = [{{ name = "everybody", users = 20000 }}]
        [rollout]
        replicas = 10
        [rollout.strategy.canary]
        stableService = "web-stable"
        canaryService = "web-canary"
        steps = [{{ setCanaryScale = {{ replicas = 3 }} }}, {steps}]
        [rollout.strategy.canary.trafficRouting.alb]
        ingress = "web"
        rootService = "web-root"
        servicePort = 80
        stickinessConfig = {{ enabled = true, durationSeconds = 3600 }}
        [rollout.template.spec]
        containers = [{{ name = "web" }}]
        [application]
        startup_time = "1s"
        "#
    );
    let overrides: Vec<_> = ["load_balancer.nodes=1"].into_iter().chain(more.iter().copied()).collect();
    run_traced(&support::scenario(&text, "sticky", &overrides), 1).run
}

/// Of the users that a pod answered in that time: how many there were, how many v2 answered, how many both.
fn seen(run: &Run, from: Instant, until: Instant) -> [usize; 3] {
    let is_there =
        |request: &&TracedRequest| (from..until).contains(&request.arrival) && request.outcome.is_from_target();
    let mut users: BTreeMap<u32, [bool; 2]> = BTreeMap::new();
    for request in run.trace.as_ref().expect("the run is traced").iter().filter(is_there) {
        let versions = users.entry(request.user).or_default();
        versions[usize::from(request.version == Some(Revision(2)))] = true;
    }
    let count = |is: fn(&[bool; 2]) -> bool| users.values().filter(|seen| is(seen)).count();
    [users.len(), count(|seen| seen[1]), count(|seen| *seen == [true, true])]
}

fn effective(run: &Run, step: usize) -> Instant {
    run.steps[step].weight_effective.expect("the weight comes into force")
}

const STEADY: &str = "{ setWeight = 30 }, { pause = {} }";
const ZERO: &str = "{ setWeight = 30 }, { pause = { duration = 60 } }, { setWeight = 0 }, { pause = {} }";
const HONOURED: &str = "load_balancer.sticky_honours_zero_weight=true";

/// The exact figure: who comes for the first time once the weight is in force is drawn by it, everybody else stays.
#[test]
fn new_users_are_drawn_by_the_weight_and_all_others_stay() {
    let run = sticky(STEADY, &[]);
    let from = effective(&run, 1);
    let mut first: BTreeMap<u32, &TracedRequest> = BTreeMap::new();
    let mut canary: BTreeMap<u32, bool> = BTreeMap::new();
    for request in run.trace.as_ref().expect("the run is traced").iter().filter(|one| one.outcome.is_from_target()) {
        first.entry(request.user).or_insert(request);
        *canary.entry(request.user).or_default() |= request.version == Some(Revision(2));
    }
    let (new, old): (Vec<u32>, Vec<u32>) = first.keys().partition(|user| first[user].arrival >= from);
    assert!(old.iter().all(|user| !canary[user]), "{} users have a cookie of the stable group", old.len());
    let drawn = new.iter().filter(|user| canary[user]).count() as f64;
    let (expected, deviation) = (0.3 * new.len() as f64, (0.3 * 0.7 * new.len() as f64).sqrt());
    assert!(new.len() > 1_000 && (drawn - expected).abs() < 3.3 * deviation, "{drawn} of {} new users", new.len());
    assert_eq!(seen(&run, Instant::START, run.end)[2], 0);
}

#[test]
fn a_cookie_that_ends_lets_its_user_see_the_other_version() {
    const SHORT: &str =
        "rollout.strategy.canary.trafficRouting.alb.stickinessConfig={ enabled = true, durationSeconds = 20 }";
    const FIXED: &str = "load_balancer.sticky_cookies_are_renewed=false";
    let both = |more: &[&str]| {
        let run = sticky(STEADY, more);
        let from = effective(&run, 1);
        seen(&run, from, run.end)[2]
    };
    assert_eq!(both(&[FIXED]), 0, "an hour is longer than the run");
    let (fixed, renewed) = (both(&[SHORT, FIXED]), both(&[SHORT]));
    assert!(0 < renewed && renewed < fixed, "renewed, it ends for those who stay away: {renewed} of {fixed}");
}

#[test]
fn a_weight_of_zero_frees_the_cookie_unless_it_is_honoured() {
    for (more, is_freed) in [(&[][..], true), (&[HONOURED][..], false)] {
        let run = sticky(ZERO, more);
        let (from, zero) = (effective(&run, 1), effective(&run, 3));
        let [_, canary, both] = seen(&run, from, zero);
        assert!(canary > 20 && both == 0, "{canary} users of v2, {both} of both");
        let [_, late, _] = seen(&run, zero, run.end);
        let [_, _, both] = seen(&run, from, run.end);
        // Nearly all of them come again.
        assert_eq!((late == 0, both > canary / 2), (is_freed, is_freed), "{late} of v2 at weight 0, {both} of both");
        assert!(is_freed || (both == 0 && late > canary / 2), "{late} stay with v2, {both} saw both");
    }
}

#[test]
fn a_promotion_shows_every_user_the_other_version() {
    let run = sticky("{ setWeight = 30 }, { pause = { duration = 60 } }", &[]);
    let promoted = run.rollout.promoted.expect("it is promoted");
    assert_eq!(seen(&run, Instant::START, promoted)[2], 0);
    let [users, canary, both] = seen(&run, Instant::START, run.end);
    assert!(canary > both && both > users / 2, "{both} of {users}");
}

#[test]
fn the_service_that_flaps_after_an_abort_shows_both_versions_through_one_cookie() {
    const ABORT: &str = "actions=[{ when = \"step 2\", after = \"60s\", do = \"abort\" }]";
    let run = sticky(STEADY, &[ABORT, HONOURED]);
    let aborted = run.rollout.aborted.expect("somebody aborts");
    assert_eq!(seen(&run, Instant::START, aborted)[2], 0);
    let [_, canary, both] = seen(&run, aborted, run.end);
    assert!(both > 0, "{canary} users of v2");
    // Once the canary has gone there is one version: it went 30 s after the abort, and the node knows within 25 s.
    let [_, canary, _] = seen(&run, aborted + Duration::secs(55), run.end);
    assert_eq!(canary, 0);
}

#[test]
fn while_a_weight_is_on_its_way_nodes_disagree_about_a_cookie() {
    let slow = ["load_balancer.nodes=4", "load_balancer.rule_push={ min = \"0s\", max = \"40s\" }"];
    let run = sticky(STEADY, &slow);
    let is_first = |entry: &&rollout_sim::run::LogEntry| entry.event == "RuleEffective";
    let from = run.events.iter().find(is_first).expect("a node is the first").at;
    let until = effective(&run, 1);
    assert_eq!(seen(&run, Instant::START, from)[2], 0);
    let [_, canary, both] = seen(&run, from, until);
    assert!(both > 0, "{canary} users of v2");
    assert_eq!(seen(&run, until, run.end)[2], 0);
    // What frees the cookie at the node that is late is its weight of 0.
    let run = sticky(STEADY, &[slow[0], slow[1], HONOURED]);
    assert_eq!(seen(&run, Instant::START, run.end)[2], 0);
}

/// What the two answers to the open question come to at an abort, as the scenario tells: the Service of the canary leads to
/// stable pods before the weight of 0 is in force.
#[test]
fn an_abort_ends_the_exposure_whatever_a_cookie_of_weight_zero_does() {
    let play = |more: &[&str]| {
        let run = run_traced(&support::of_gallery("routing/sticky-30-bad", more).scenario, 1).run;
        let aborted = run.rollout.aborted.expect("somebody aborts");
        let trace = run.trace.as_ref().expect("the run is traced").iter();
        let late: Vec<_> = trace.filter(|one| one.arrival >= aborted && one.version == Some(Revision(2))).collect();
        let last = late.last().expect("some meet it after the abort").arrival - aborted;
        // A lag, and 20 s until the last node has heard that the targets are others.
        assert!(last < Duration::secs(25), "{last}");
        let [_, canary, both] = seen(&run, Instant::START, run.end);
        (canary, both, late.len())
    };
    let (freed, honoured) = (play(&[]), play(&[HONOURED]));
    assert_eq!((freed.0, freed.1), (42, 38));
    assert_eq!(freed, honoured);
}
