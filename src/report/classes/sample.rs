//! The release of the other sample, with three classes of traffic and a new version that fails a tenth of its requests.
//!
//! Partners use a URL of the stable Service. The public goes by the weights. Testers send a header: the controller writes
//! their route at 40.1 s, the load balancer has it at 45 s, and at 52 s the route is gone. For two seconds no rule takes
//! the testers' requests.

use crate::model::Revision;
use crate::model::http_request::{HttpRequest, NOBODYS_ADDRESS, NOBODYS_HOST};
use crate::model::ingress::{Backend, HttpPath, Ingress, IngressRule, PathType, ServicePort};
use crate::model::outcome::{Cause, Outcome};
use crate::model::request_match::StringMatch;
use crate::model::rollout::spec::{Canary, Strategy, TrafficRouting};
use crate::model::rollout::step::{HeaderMatch, HeaderRoute, Step};
use crate::model::tally::exposure::Exposure;
use crate::model::tally::{Fate, Tally};
use crate::model::traffic::{Activity, Caller, ClassSpec, UsersSpec};
use crate::report::sample::{at, at_millis, loaded, log, quiet};
use crate::run::{Run, Second};
use crate::scenario::Loaded;
use crate::scenario::workload::Workload;
use crate::units::{Duration, Instant};

const PARTNERS: u8 = 0;
const PUBLIC: u8 = 1;
const TESTERS: u8 = 2;
/// Requests per second and users, by class.
const RATES: [u64; 3] = [50, 190, 10];
const USERS: [u32; 3] = [40, 2000, 20];
const WARMUP: i64 = 60;

pub fn exposed() -> (Loaded, Run) {
    let (mut loaded, mut run) = (loaded(), quiet());
    loaded.scenario.traffic.classes = classes(&loaded);
    loaded.scenario.services.root = "root".into();
    loaded.scenario.ingress = ingress(&["/*"]);
    give_route(&mut loaded);
    play(&mut run);
    run.events.extend(log(&[
        (40_100, "rollouts-controller", "SetHeaderRoute", "ingress", "by-header"),
        (40_100, "rollouts-controller", "StepCompleted", "step 0", "setHeaderRoute by-header"),
        (
            41_000,
            "load-balancer-controller",
            "CreateRule",
            "ingress",
            "rule 1 (http-header X-Canary=yes) -> canary 100",
        ),
        (44_000, "load-balancer", "RouteEffective", "node 1", "testers canary 1"),
        (45_000, "load-balancer", "RouteEffective", "node 0", "testers canary 1"),
        (52_000, "rollouts-controller", "RemoveRoutes", "ingress", "by-header"),
        (480_100, "rollouts-controller", "Promoted", "v2", ""),
    ]));
    run.events.sort_by_key(|entry| entry.at);
    (loaded, run)
}

/// A path for each of these to the root Service, as prefixes but for `/*`.
pub fn ingress(paths: &[&str]) -> Ingress {
    let path = |path: &&str| HttpPath {
        path: (*path).to_owned(),
        path_type: if *path == "/*" { PathType::ImplementationSpecific } else { PathType::Prefix },
        backend: Backend { service: "root".into(), port: ServicePort::Name("use-annotation".into()) },
    };
    let rule = IngressRule { host: None, paths: paths.iter().map(path).collect() };
    Ingress { rules: vec![rule], ..Ingress::default() }
}

fn classes(loaded: &Loaded) -> Vec<ClassSpec> {
    let class = |name: &str, (host, path): (&str, &str), headers: &[(&str, &str)]| ClassSpec {
        name: name.into(),
        rate: loaded.scenario.traffic.rate.clone(),
        arrivals: loaded.scenario.traffic.arrivals.clone(),
        service_time: loaded.scenario.traffic.service_time.clone(),
        request: HttpRequest {
            host: host.into(),
            path: path.into(),
            method: "GET".into(),
            query: vec![],
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            source_ip: NOBODYS_ADDRESS,
        },
        users: Some(UsersSpec { count: 1, activity: Activity::Uniform, session: None }),
        caller: None,
        calls_per_action: 1,
    };
    let mut classes = vec![
        class("partners", ("partner.example.com", "/stable"), &[]),
        class("public", (NOBODYS_HOST, "/"), &[]),
        class("testers", (NOBODYS_HOST, "/"), &[("X-Canary", "yes")]),
    ];
    classes[0].caller = Some(Caller { name: "portal".into(), propagates_headers: true });
    for (class, count) in classes.iter_mut().zip(USERS) {
        class.users = Some(UsersSpec { count, activity: Activity::Uniform, session: None });
    }
    classes
}

/// The step before `setWeight 0`.
fn give_route(loaded: &mut Loaded) {
    let matches = vec![HeaderMatch { header_name: "X-Canary".into(), value: StringMatch::Exact("yes".into()) }];
    let route = HeaderRoute { name: "by-header".into(), matches };
    let rollout = loaded.scenario.workload.rollout().expect("the sample is a Rollout").clone();
    let canary = Canary {
        steps: vec![Step::SetHeaderRoute(route)],
        traffic_routing: Some(TrafficRouting { managed_routes: vec!["by-header".into()], ..TrafficRouting::default() }),
        ..rollout.canary().clone()
    };
    let strategy = Strategy::Canary(canary);
    loaded.scenario.workload = Workload::Rollout(crate::model::rollout::spec::RolloutSpec { strategy, ..rollout });
}

/// Counts every request as a run does.
fn play(run: &mut Run) {
    let exposure = Exposure::new(&USERS, Revision(2));
    let mut tally = Tally::new(Duration::secs(60), false).with_exposure(exposure);
    let mut lots = Lots(1);
    let mut number = 0;
    for row in 0..run.seconds.len() {
        let weight = run.seconds[row].weight_effective_sum / 200;
        let mut arrivals: Vec<(Duration, u8)> = vec![];
        for (class, rate) in (0..).zip(RATES) {
            let gap = 1_000_000_000 / rate;
            arrivals.extend((0..rate).map(|n| (Duration::from_nanos(n * gap + gap / 2), class)));
        }
        arrivals.sort_unstable();
        for (offset, class) in arrivals {
            let arrival = Instant::START + Duration::secs(row as u64) + offset;
            let exposure = tally.exposure().expect("it keeps the books of classes");
            let meant = (at_millis(40_100)..at_millis(480_100)).contains(&arrival);
            exposure.mean_for(usize::from(TESTERS), meant.then_some(Revision(2)));
            tally.count(lots.fate(number, (arrival, class), weight), Duration::ZERO);
            number += 1;
        }
    }
    let totals = tally.close(run.seconds.len());
    for (ours, counted) in run.seconds.iter_mut().zip(&totals.seconds) {
        let Second { requests, ok, elb_502, elb_404, target_5xx, .. } = *counted;
        *ours = Second { requests, ok, elb_502, elb_404, target_5xx, ..*ours };
    }
    (run.requests, run.causes, run.failures) = (totals.requests, totals.causes, totals.failures);
    run.classes = totals.classes;
}

/// What is up to chance, the same each time.
struct Lots(u64);

impl Lots {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn fate(&mut self, number: u64, (arrival, class): (Instant, u8), weight: u32) -> Fate {
        let user = self.below(USERS[usize::from(class)].into());
        let (chance, luck) = (self.below(100), self.below(10));
        let is_routed = class == TESTERS && (at(45)..at(52)).contains(&arrival);
        let is_new = match class {
            PARTNERS => arrival >= at_millis(480_100),
            _ => is_routed || chance < u64::from(weight),
        };
        let is_unrouted = class == TESTERS && (at(300)..at(302)).contains(&arrival);
        let is_gone = class == PUBLIC && !is_new && (at(420)..at(490)).contains(&arrival);
        let (version, outcome) = match (is_unrouted, is_new, is_gone) {
            (true, ..) => (None, Outcome::Elb(Cause::NoMatchingRule)),
            (_, true, _) if luck == 0 => (Some(Revision(2)), Outcome::Target5xx),
            (_, true, _) => (Some(Revision(2)), Outcome::Ok),
            (.., true) => (Some(Revision(1)), Outcome::Elb(Cause::ConnectionRefused)),
            (..) => (Some(Revision(1)), Outcome::Ok),
        };
        let answered = arrival + Duration::millis(40);
        let user = u32::try_from(user).expect("few users");
        Fate { number, arrival, outcome, answered, version, user, class }
    }
}

#[test]
fn the_sample_is_what_its_head_says() {
    let (loaded, run) = exposed();
    assert_eq!(loaded.scenario.traffic.classes.len(), run.classes.len());
    assert_eq!((run.requests.total, run.requests.elb_404), (150_000, 20));
    // Before the route was in force, and after it was gone.
    assert!(run.classes[usize::from(TESTERS)].wrong_version > 0);
    assert_eq!(WARMUP * 1_000, i64::try_from(run.release.as_nanos() / 1_000_000).expect("a minute"));
}
