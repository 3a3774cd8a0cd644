//! Who saw which version: by the formulas for users of a random weight, by every single request of the gallery, and by
//! the timelines of those who are routed by a header or a URL.

use crate::support;
use rayon::prelude::*;
use rollout_sim::model::Revision;
use rollout_sim::model::traffic::ANONYMOUS;
use rollout_sim::run::{Answer, LogEntry, Run, TracedRequest, UserRecord};
use rollout_sim::scenario::Scenario;
use rollout_sim::simulation::{run, run_traced};
use rollout_sim::units::{Duration, Instant};
use std::collections::BTreeMap;

const STABLE: Revision = Revision(1);
const CANARY: Revision = Revision(2);

/// Users who keep sending requests while the canary has this weight, without an end.
fn weighted(weight: u32, requests_per_user: u32, more: &[&str]) -> Scenario {
    let text = format!(
        r#"
        simulation = {{ warmup = "5s", duration = "140s" }}
        [traffic]
        rate = "{}/s"
        service_time = "5ms"
        classes = [{{ name = "everybody", users = 5000 }}]
        [rollout]
        replicas = 10
        [rollout.strategy.canary]
        stableService = "web-stable"
        canaryService = "web-canary"
        trafficRouting.alb = {{ ingress = "web", rootService = "web-root", servicePort = 80 }}
        steps = [{{ setWeight = {weight} }}, {{ pause = {{}} }}]
        [rollout.template.spec]
        containers = [{{ name = "web" }}]
        [application]
        startup_time = "1s"
        [load_balancer_controller]
        rule_lag = "1s"
        "#,
        50 * requests_per_user
    );
    support::scenario(&text, "weighted", more)
}

/// The requests of a hundred seconds in which every node had the weight.
fn steady(run: &Run) -> impl Iterator<Item = &TracedRequest> {
    let from = run.steps[0].weight_effective.expect("the weight came into force") + Duration::secs(5);
    let trace = run.trace.as_ref().expect("the run was traced");
    let until = from + Duration::secs(100);
    assert!(until <= run.end, "the run is long enough");
    trace.iter().filter(move |request| (from..until).contains(&request.arrival))
}

/// By user: how many requests, and whether each version answered one.
fn by_user<'a>(requests: impl Iterator<Item = &'a TracedRequest>) -> BTreeMap<u32, (u32, [bool; 2])> {
    let mut users = BTreeMap::new();
    for request in requests {
        let (count, seen): &mut (u32, [bool; 2]) = users.entry(request.user).or_default();
        *count += 1;
        seen[0] |= request.version == Some(STABLE);
        seen[1] |= request.version == Some(CANARY);
    }
    users
}

/// Nine estimates at once, one in a thousand of which may miss by chance: a level of 1 − 0.001 ÷ 9 for each.
const DEVIATIONS: f64 = 3.87;

#[test]
fn users_of_a_random_weight_see_both_versions_as_often_as_probability_says() {
    let pairs = [1, 10, 30].into_iter().flat_map(|weight| [2, 10, 20].map(|requests| (weight, requests)));
    let pairs: Vec<(u32, u32)> = pairs.collect();
    pairs.par_iter().for_each(|(weight, requests)| {
        let traced = run_traced(&weighted(*weight, *requests, &[]), 1).run;
        let users = by_user(steady(&traced));
        let alike: Vec<_> = users.values().filter(|(count, _)| count == requests).collect();
        let both = alike.iter().filter(|(_, seen)| *seen == [true, true]).count() as f64;
        let (w, n, exponent) = (f64::from(*weight) / 100.0, alike.len() as f64, *requests as i32);
        let expected = 1.0 - w.powi(exponent) - (1.0 - w).powi(exponent);
        let deviation = (n * expected * (1.0 - expected)).sqrt();
        assert!(n > 300.0, "{n} users with {requests} requests are too few");
        assert!(
            (both - n * expected).abs() <= DEVIATIONS * deviation,
            "weight {weight}, {requests} requests: {both} of {n} users saw both, expected {:.1} ± {deviation:.1}",
            n * expected
        );
    });
}

const STICKY: &str =
    "rollout.strategy.canary.trafficRouting.alb.stickinessConfig={ enabled = true, durationSeconds = 3600 }";

#[test]
fn with_sticky_target_groups_nobody_sees_both_while_the_cookie_lives() {
    let traced = run_traced(&weighted(30, 10, &[STICKY]), 1).run;
    let users = by_user(steady(&traced));
    assert!(users.len() > 4_900, "nearly all users came");
    assert!(users.values().any(|(_, seen)| seen[1]), "new users are drawn by the weight");
    assert!(users.values().all(|(_, seen)| *seen != [true, true]));
    // Whoever came before the weight has a cookie for the stable group: 5 s of warm-up, and what it took to come into force.
    // Who sent nothing in that time, at 0.1/s each, is drawn by the weight; nodes that come early draw some of the others.
    let is_first = |entry: &&LogEntry| entry.event == "RuleEffective";
    let first = traced.events.iter().find(is_first).expect("a node is the first").at;
    let effective = [first, traced.steps[0].weight_effective.expect("it came into force")];
    let canary = users.values().filter(|(_, seen)| seen[1]).count() as f64;
    let [most, least] = effective.map(|at| 0.3 * 5_000.0 * libm::exp(-0.1 * (at - Instant::START).as_secs_f64()));
    let within = (least - DEVIATIONS * least.sqrt())..(most + DEVIATIONS * most.sqrt());
    assert!(within.contains(&canary), "{canary} users of the canary group, expected {within:?}");
}

/// Counts each user's books anew from every single request.
fn recounted(scenario: &Scenario, run: &Run) -> Vec<Vec<UserRecord>> {
    let count = |class: &_| -> usize {
        let class: &rollout_sim::model::traffic::ClassSpec = class;
        class.users.as_ref().map_or(0, |users| users.count as usize)
    };
    let mut users: Vec<Vec<UserRecord>> =
        scenario.traffic.classes.iter().map(|class| vec![UserRecord::default(); count(class)]).collect();
    let mut last: Vec<_> = users.iter().map(|users| vec![0; users.len()]).collect();
    for request in run.trace.as_ref().expect("the run was traced").iter().filter(|one| one.user != ANONYMOUS) {
        let user = &mut users[usize::from(request.class)][request.user as usize];
        user.requests += 1;
        match answer(request) {
            Answer::Ok | Answer::Elb404 => {}
            Answer::Target5xx => {
                user.target_5xx += 1;
                user.failed_by |= 1 << request.version.expect("a pod answered").0;
            }
            Answer::Elb5xx => user.elb_5xx += 1,
        }
        let Some(Revision(version)) = request.version.filter(|_| request.outcome.is_from_target()) else { continue };
        let last = &mut last[usize::from(request.class)][request.user as usize];
        user.flips += u32::from(*last > 0 && *last != version);
        user.seen |= 1 << version;
        *last = version;
        if version >= 2 {
            user.first_exposed_s = user.first_exposed_s.min(u32::try_from(request.arrival.second()).unwrap());
        }
    }
    users
}

fn answer(request: &TracedRequest) -> Answer {
    use rollout_sim::model::outcome::Outcome::{Elb, Ok, Target5xx};
    match request.outcome {
        Ok => Answer::Ok,
        Target5xx => Answer::Target5xx,
        Elb(cause) if cause.elb_status_code() == 404 => Answer::Elb404,
        Elb(_) => Answer::Elb5xx,
    }
}

fn routing_gallery() -> Vec<Scenario> {
    let gallery = support::gallery().into_iter().filter(|scenario| !scenario.traffic.classes.is_empty());
    let gallery: Vec<_> = gallery.collect();
    assert!(gallery.len() >= 20, "only {} scenarios have classes", gallery.len());
    gallery
}

#[test]
fn the_books_of_every_user_agree_with_every_single_request() {
    routing_gallery().par_iter().for_each(|scenario| {
        let traced = run_traced(scenario, 1).run;
        // An answer that breaks off later counts as seen, which the trace does not tell: no user of the gallery had one.
        let lost = traced.trace.as_ref().unwrap().iter().filter(|one| lost_its_answer(one) && one.user != ANONYMOUS);
        assert_eq!(lost.count(), 0, "{}", scenario.name);
        for (class, users) in recounted(scenario, &traced).into_iter().enumerate() {
            assert_eq!(traced.classes[class].users, users, "{}, class {class}", scenario.name);
        }
    });
}

/// A pod had it, and nobody got the answer.
fn lost_its_answer(request: &TracedRequest) -> bool {
    !request.outcome.is_from_target() && request.version.is_some()
}

#[test]
fn the_books_of_every_class_add_up() {
    routing_gallery().par_iter().for_each(|scenario| {
        let run = run(scenario, 2);
        let sum = |answer: Answer| -> u64 {
            let of = |class: &rollout_sim::run::ClassRecord| -> u64 {
                (0..class.versions()).map(|version| class.total(version)[answer as usize]).sum()
            };
            run.classes.iter().map(of).sum()
        };
        let requests = run.requests;
        let name = &scenario.name;
        assert_eq!(sum(Answer::Ok), requests.ok, "{name}");
        assert_eq!(sum(Answer::Target5xx), requests.target_5xx, "{name}");
        assert_eq!(sum(Answer::Elb5xx), requests.elb_5xx(), "{name}");
        assert_eq!(sum(Answer::Elb404), requests.elb_404, "{name}");
        for class in &run.classes {
            assert_eq!(class.seconds(), run.seconds.len(), "{name}");
            let by_users: u64 = class.users.iter().map(|user| u64::from(user.requests)).sum();
            let by_versions: u64 = (0..class.versions()).flat_map(|version| class.total(version)).sum();
            assert!(class.users.is_empty() || by_users == by_versions, "{name}: {by_users} and {by_versions}");
        }
    });
}

/// The run of a scenario of the gallery, its classes by name, and a function that tells what a class got in a second.
struct Played {
    run: Run,
    names: Vec<String>,
}

fn play(name: &str) -> Played {
    let loaded = support::of_gallery(name, &[]);
    let names = loaded.scenario.traffic.classes.iter().map(|class| class.name.clone()).collect();
    Played { run: run(&loaded.scenario, 1), names }
}

impl Played {
    fn class(&self, name: &str) -> &rollout_sim::run::ClassRecord {
        &self.run.classes[self.names.iter().position(|other| other == name).expect("there is such a class")]
    }

    /// The share of the answers of pods that the new version gave between two instants.
    fn share(&self, name: &str, from: Instant, until: Instant) -> f64 {
        let class = self.class(name);
        let seconds = usize::try_from(from.second() + 1).unwrap()..usize::try_from(until.second()).unwrap();
        assert!(!seconds.is_empty(), "{name}: there is time between {from:?} and {until:?}");
        let of = |version| -> u64 {
            let count = |second| {
                let counts = class.counts(second, version);
                u64::from(counts[Answer::Ok as usize] + counts[Answer::Target5xx as usize])
            };
            seconds.clone().map(count).sum()
        };
        let (stable, canary) = (of(1), of(2));
        assert!(stable + canary > 0, "{name} sent requests");
        canary as f64 / (stable + canary) as f64
    }
}

#[test]
fn three_urls_show_each_group_what_it_asked_for() {
    let played = play("routing/three-urls");
    let run = &played.run;
    let promoted = run.rollout.promoted.expect("the release was promoted");
    let step = |index: usize| run.steps[index].completed.expect("the step was completed");
    // While the canary has pods and the weight is 0: after the scale, until the first weight.
    let (scaled, paused) = (step(0) + Duration::secs(30), step(1));
    assert_eq!(played.share("partners", scaled, paused), 0.0);
    assert_eq!(played.share("public", scaled, paused), 0.0);
    assert_eq!(played.share("employees", scaled, paused), 1.0);
    // While the weight is in force.
    let weighted = run.steps[2].weight_effective.expect("the weight came into force");
    assert_eq!(played.share("partners", weighted, step(3)), 0.0);
    assert_eq!(played.share("employees", weighted, step(3)), 1.0);
    let public = played.share("public", weighted, step(3));
    assert!((0.25..0.35).contains(&public), "{public}");
    // After the promotion all of them get the new version, once the stable Service's targets are exchanged.
    for name in ["partners", "employees", "public"] {
        assert_eq!(played.share(name, promoted + Duration::secs(60), run.end), 1.0, "{name}");
    }
    assert!(played.class("partners").first_exposure.expect("in the end they meet it") >= promoted);
}

#[test]
fn partners_never_see_a_failed_version() {
    let played = play("routing/three-urls-bad");
    let run = &played.run;
    let aborted = run.rollout.aborted.expect("somebody aborted");
    let partners = played.class("partners");
    assert_eq!(partners.first_exposure, None);
    assert!(partners.users.iter().all(|user| user.seen == 1 << 1 && user.target_5xx == 0));
    // /preview flaps until the canary is scaled down, 30 s later; the last node has heard of it after 20 s and a lag.
    let scaled_down = aborted + Duration::secs(30);
    for name in ["employees", "public"] {
        assert!(played.class(name).total(2)[Answer::Target5xx as usize] > 0, "{name} met it");
        assert_eq!(played.share(name, scaled_down + Duration::secs(25), run.end), 0.0, "{name}");
    }
    let mixed = played.share("employees", aborted + Duration::secs(5), scaled_down);
    assert!(mixed > 0.0, "they go on meeting it: {mixed}");
}

#[test]
fn only_who_sends_the_header_meets_a_bad_version() {
    let played = play("routing/header-x-canary-bad");
    assert_eq!(played.class("public").first_exposure, None);
    let testers = played.class("testers");
    assert!(testers.total(2)[Answer::Target5xx as usize] > 0);
    assert!(testers.wrong_version > 0, "until the route is in force, testers meet the stable version");
}

#[test]
fn a_shadowed_header_route_shows_testers_the_stable_version() {
    let played = play("routing/shadowed-header-route-bad");
    let testers = played.class("testers");
    let promoted = played.run.rollout.promoted.expect("nobody found anything wrong");
    assert!(testers.first_exposure.expect("in the end everybody meets it") >= promoted);
    assert!(testers.wrong_version > 100, "{}", testers.wrong_version);
}

#[test]
fn a_country_that_a_rule_keeps_on_stable_never_meets_a_failed_version() {
    let played = play("routing/asia-stays-on-stable-bad");
    assert_eq!(played.class("asia").first_exposure, None);
    assert!(played.class("elsewhere").users.iter().filter(|user| user.target_5xx > 0).count() > 100);
}
