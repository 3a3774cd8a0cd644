//! `[traffic]`: rates that change, classes, users, sessions, and arrivals from a file.

use crate::support;
use rollout_sim::model::traffic::{Activity, ClassSpec, Request, Traffic};
use rollout_sim::report::resolved;
use rollout_sim::scenario::load::load;
use rollout_sim::scenario::{Loaded, Origin, Scenario};
use rollout_sim::simulation;
use rollout_sim::units::{Duration, Instant};

/// The short scenario with another `[traffic]`.
fn text(traffic: &str) -> String {
    let (before, after) = support::SHORT.split_once("[traffic]").expect("it has traffic");
    let (_, after) = after.split_once("\n[").expect("other tables follow");
    format!("{before}[traffic]\n{traffic}\n[{after}")
}

fn loaded(traffic: &str, overrides: &[&str]) -> Loaded {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    load(&text(traffic), "test", &overrides).unwrap_or_else(|problems| panic!("{traffic}: {problems:#?}"))
}

/// Each with the words of the scenario that it points to.
fn problems(traffic: &str) -> Vec<String> {
    let text = text(traffic);
    let problems = load(&text, "test", &[]).map_or_else(|problems| problems, |loaded| loaded.warnings);
    let place = |place: Option<std::ops::Range<usize>>| place.map_or("", |place| text.get(place).unwrap());
    let line = |problem: rollout_sim::scenario::diagnostic::Problem| {
        let place = place(problem.place).lines().next().unwrap_or_default().to_owned();
        format!("{} @ {place}: {} ({})", problem.key, problem.message, problem.help)
    };
    problems.into_iter().map(line).collect()
}

const CLASSES: &str = r#"
rate = "100/s"
arrivals = "uniform"
service_time = "20ms"
[[traffic.classes]]
name = "employees"
share = 0.1
headers = { "X-Canary" = "yes" }
caller = "portal"
propagates_headers = false
calls_per_action = 2
users = 50
[[traffic.classes]]
name = "public"
host = "shop.example.com"
path = "/search?q=shoes&page&lang=en"
method = "POST"
users = { count = 1000, activity = { zipf = 1.1 }, requests_per_session = 20, think_time = "2s" }
[[traffic.classes]]
name = "partners"
rate = { steps = [{ at = "0s", rate = "10/s" }, { at = "30s", rate = "0/s" }] }
arrivals = "poisson"
service_time = { exponential = "100ms" }
source_ip = "2001:db8::7"
"#;

fn requests(scenario: &Scenario, secs: u64) -> Vec<Request> {
    let release = Instant::START + scenario.simulation.warmup;
    let mut traffic = Traffic::new(&scenario.traffic, 1, release);
    std::iter::from_fn(|| traffic.next_before(Instant::START + Duration::secs(secs))).collect()
}

#[test]
fn classes_reach_the_scenario() {
    let scenario = loaded(CLASSES, &[]).scenario;
    let [employees, public, partners] = &scenario.traffic.classes[..] else { panic!("three classes") };
    let per_second = |class: &ClassSpec| class.rate.rate_in(0).per_second();
    assert_eq!([employees, public, partners].map(per_second), [10.0, 90.0, 10.0]);
    assert!(employees.request.headers.is_empty(), "the portal does not hand them on");
    assert_eq!(employees.caller.as_ref().unwrap().name, "portal");
    assert_eq!((employees.calls_per_action, public.calls_per_action), (2, 1));
    assert_eq!(employees.users.as_ref().unwrap().count, 50);
    assert_eq!((public.request.path.as_str(), public.request.method.as_str()), ("/search", "POST"));
    let query = [("q", "shoes"), ("page", ""), ("lang", "en")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(public.request.query, query);
    let users = public.users.as_ref().unwrap();
    assert_eq!((users.count, users.activity), (1000, Activity::Zipf { exponent: 1.1 }));
    assert_eq!(users.session.as_ref().unwrap().requests, 20);
    assert_eq!(partners.request.source_ip.to_string(), "2001:db8::7");
    assert_eq!(partners.request.host, "service.example");
    assert_eq!(partners.service_time.mean(), Duration::millis(100));
    assert_eq!(public.service_time.mean(), Duration::millis(20));
}

#[test]
fn every_class_has_the_requests_of_its_rate() {
    let scenario = loaded(CLASSES, &["simulation.warmup=20s"]).scenario;
    let mut counts = [0; 3];
    for request in requests(&scenario, 50) {
        counts[usize::from(request.class)] += 1;
    }
    assert_eq!(counts[..2], [500, 4500]);
    // Poisson with a mean of 10/s × 50 s.
    assert!((f64::from(counts[2]) - 500.0).abs() < 5.0 * 500f64.sqrt(), "{counts:?}");
    let late: Vec<_> = requests(&scenario, 70).into_iter().filter(|request| request.arrival.second() >= 50).collect();
    assert!(late.iter().all(|request| request.class != 2), "the partners have gone home");
    assert_eq!(late.len(), 100 * 20);
}

#[test]
fn a_resolved_scenario_with_classes_is_the_same_scenario() {
    let profiles = [
        r#"rate = { ramp = { from = "0/s", to = "90/min", start = "10s", duration = "1m30s" } }"#,
        r#"rate = { daily = { lowest = "10/s", highest = "20.5/s", highest_at = "1h" } }"#,
        r#"rate = { base = "1/s", bursts = [{ at = "5s", duration = "1s", rate = "50/s", every = "1m" }] }"#,
        "rate = \"50/s\"\n[[traffic.classes]]\nname = \"all\"",
        CLASSES,
    ];
    for traffic in profiles {
        let case = loaded(traffic, &[]);
        let text = resolved::scenario(&case, case.scenario.seed);
        let again = load(&text, "test", &[]).unwrap_or_else(|problems| panic!("{text}{problems:#?}"));
        assert_eq!(again.scenario, case.scenario, "{text}");
        assert!(again.parameters.iter().all(|parameter| parameter.origin == Origin::Scenario), "{text}");
        let fingerprint = |scenario: &Scenario| simulation::run(scenario, 3).fingerprint;
        assert_eq!(fingerprint(&again.scenario), fingerprint(&case.scenario), "{text}");
    }
}

#[test]
fn what_a_class_leaves_out_is_an_assumption() {
    let parameters = loaded("rate = \"50/s\"\n[[traffic.classes]]\nname = \"all\"", &[]).parameters;
    let defaults: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter.key.starts_with("traffic.classes") && parameter.origin == Origin::Default)
        .inspect(|parameter| assert!(parameter.note.contains("Assumption: "), "{}", parameter.key))
        .map(|parameter| (parameter.key.strip_prefix("traffic.classes[0].").unwrap(), parameter.value.as_str()))
        .collect();
    let expected = [
        ("share", "1.0"),
        ("host", "\"service.example\""),
        ("path", "\"/\""),
        ("method", "\"GET\""),
        ("source_ip", "\"203.0.113.1\""),
    ];
    assert_eq!(defaults, expected);
}

#[test]
fn the_command_line_reaches_into_a_class() {
    let changed = loaded(CLASSES, &["traffic.classes[0].share=0.4", "traffic.classes[1].users.count=7"]);
    let classes = &changed.scenario.traffic.classes;
    assert_eq!(classes[0].rate.rate_in(0).per_second(), 40.0);
    assert_eq!(classes[1].rate.rate_in(0).per_second(), 60.0);
    let origin = |key: &str| changed.parameters.iter().find(|parameter| parameter.key == key).expect(key).origin;
    assert_eq!(origin("traffic.classes[0].share"), Origin::CommandLine);
    assert_eq!(origin("traffic.classes[1].share"), Origin::Default);
}

#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    let class = |rest: &str| format!("rate = \"50/s\"\n[[traffic.classes]]\nname = \"a\"\n{rest}");
    let two = |one: &str, other: &str| {
        format!("rate = \"50/s\"\n[[traffic.classes]]\nname = \"a\"\n{one}\n[[traffic.classes]]\nname = \"b\"\n{other}")
    };
    let rate = |rate: &str| format!("rate = {rate}");
    for (traffic, expected) in [
        (rate("50"), "traffic.rate @ 50: `rate` is a bare number: requests per what?"),
        (rate("\"0/s\""), "traffic.rate @ \"0/s\": `0/s` is not above zero"),
        (rate("[]"), "traffic.rate @ []: `rate` is an array, it must be requests per time"),
        (rate("{}"), "traffic.rate @ {}: {  } is no rate (a rate is \"250/s\", { steps"),
        (rate("{ base = \"5/s\" }"), "traffic.rate @ { base = \"5/s\" }: { base } is no rate"),
        (rate("{ stepz = [] }"), "traffic.rate.stepz @ stepz: unknown key `stepz` (did you mean `steps`?)"),
        (rate("{ steps = [] }"), "traffic.rate.steps @ []: this must be a list of tables"),
        (
            rate("{ steps = [{ at = \"1.5s\", rate = \"1/s\" }] }"),
            "traffic.rate.steps[0].at @ \"1.5s\": `at` is 1.5s, it must be whole seconds",
        ),
        (rate("{ steps = [{ at = \"1s\", rate = 7 }] }"), "traffic.rate.steps[0].rate @ 7: `rate` is a bare number"),
        (rate("{ steps = [{ at = \"1s\" }] }"), "traffic.rate.steps[0].rate @ { at = \"1s\" }: `rate` is missing"),
        (
            rate("{ steps = [{ at = \"2s\", rate = \"1/s\" }, { at = \"2s\", rate = \"2/s\" }] }"),
            "traffic.rate.steps[1].at @ [{ at = \"2s\", rate = \"1/s\" }, { at = \"2s\", rate = \"2/s\" }]: the steps are not in \
             order of time: 2s is followed by 2s",
        ),
        (
            rate("{ steps = [{ at = \"0s\", rate = \"0/s\" }] }"),
            "traffic.rate @ { steps = [{ at = \"0s\", rate = \"0/s\" }] }: this rate is never above zero",
        ),
        (
            rate("{ ramp = { from = \"1/s\", to = \"2/s\" } }"),
            "traffic.rate.ramp.duration @ { from = \"1/s\", to = \"2/s\" }: `duration` is missing",
        ),
        (
            rate("{ ramp = { from = \"1/s\", to = \"2/s\", duration = \"0s\" } }"),
            "traffic.rate.ramp.duration @ \"0s\": `duration` must be above zero",
        ),
        (
            rate("{ daily = { lowest = \"3/s\", highest = \"2/s\", highest_at = \"0s\" } }"),
            "traffic.rate.daily.lowest @ \"3/s\": lowest (3/s) is above highest (2/s)",
        ),
        (
            rate("{ base = \"1/s\", bursts = [{ at = \"0s\", duration = \"9s\", rate = \"2/s\", every = \"9s\" }] }"),
            "traffic.rate.bursts[0].every @ \"9s\": `every` (9s) is not longer than the burst (9s)",
        ),
        ("rate = \"1/s\"\nclasses = 3".to_owned(), "traffic.classes @ 3: `classes` must be an array of tables"),
        ("[[traffic.classes]]\nname = \"a\"".to_owned(), "traffic.rate @ : `traffic.rate` is missing"),
        (
            "rate = \"9/s\"\n[[traffic.classes]]\nshare = 1.0".to_owned(),
            "traffic.classes[0].name @ : `traffic.classes[0].name` is missing",
        ),
        (class("shares = 1.0"), "traffic.classes[0].shares @ shares: unknown key `shares` (did you mean `share`?)"),
        (class("share = 1.0\nrate = \"1/s\""), "traffic.classes[0].share @ 1.0: a class has one of `share` and `rate`"),
        (class("share = 0.9"), "traffic.classes @ 0.9: the shares add up to 0.9, they must add up to 1"),
        (two("share = 0.5", "share = 0.6"), "traffic.classes @ 0.6: the shares add up to 1.1"),
        (two("", ""), "traffic.classes @ [[traffic.classes]]: this class has neither `share` nor `rate`"),
        (two("share = 1.5", ""), "traffic.classes[0].share @ 1.5: `share` is 1.5, it must lie between 0.0 and 1.0"),
        (
            two("rate = \"1/s\"", "rate = \"1/s\"").replace("\"b\"", "\"a\""),
            "traffic.classes[1].name @ \"a\": there are two classes `a`",
        ),
        (
            two("rate = \"1/s\"", "rate = \"1/s\""),
            "traffic.rate @ \"50/s\": `rate` has no effect: every class has its own",
        ),
        (class("").replace("\"a\"", "\"a b\""), "traffic.classes[0].name @ \"a b\": \"a b\" is no name of a class"),
        (class("host = \"https://a/\""), "traffic.classes[0].host @ \"https://a/\": \"https://a/\" is no host"),
        (class("path = \"search\""), "traffic.classes[0].path @ \"search\": \"search\" is no path"),
        (
            class("method = \"get\""),
            "traffic.classes[0].method @ \"get\": \"get\" is no method (a method is in capital letters",
        ),
        (class("headers = [\"a\"]"), "traffic.classes[0].headers @ [\"a\"]: `headers` is an array, it must be a table"),
        (class("headers = { a = 1 }"), "traffic.classes[0].headers.a @ 1: `a` is an integer, it must be a string"),
        (
            class("headers = { a = \"1\", A = \"2\" }"),
            "traffic.classes[0].headers.A @ \"2\": there are two headers `A`",
        ),
        (
            class("headers = { \"a b\" = \"1\" }"),
            "traffic.classes[0].headers.\"a b\" @ \"1\": \"a b\" is no name of a header",
        ),
        (class("headers = { Host = \"a\" }"), "traffic.classes[0].headers.Host @ \"a\": the Host header is `host`"),
        (class("source_ip = \"1.2.3\""), "traffic.classes[0].source_ip @ \"1.2.3\": `1.2.3` is no IP address"),
        (
            class("propagates_headers = false"),
            "traffic.classes[0].propagates_headers @ false: `propagates_headers` without `caller`",
        ),
        (
            class("calls_per_action = 0"),
            "traffic.classes[0].calls_per_action @ 0: `calls_per_action` is 0, it must lie between 1 and 1000",
        ),
        (
            class("users = \"many\""),
            "traffic.classes[0].users @ \"many\": `users` is a string, it must be a number or a table",
        ),
        (class("users = 0"), "traffic.classes[0].users @ 0: `users` is 0, it must lie between 1 and 10000000"),
        (class("users = {}"), "traffic.classes[0].users.count @ : `traffic.classes[0].users.count` is missing"),
        (
            class("users = { count = 5, activity = \"zipf\" }"),
            "traffic.classes[0].users.activity @ \"zipf\": \"zipf\" is no activity",
        ),
        (
            class("users = { count = 5, activity = { zipf = 11 } }"),
            "traffic.classes[0].users.activity @ { zipf = 11 }: `zipf` is 11, it must lie",
        ),
        (
            class("users = { count = 5, think_time = \"1s\" }"),
            "traffic.classes[0].users.requests_per_session @ : `traffic.classes[0].users.requests_per_session` is missing",
        ),
        (
            class("calls_per_action = 4\nusers = { count = 5, requests_per_session = 10 }"),
            "traffic.classes[0].users @ { count = 5, requests_per_session = 10 }: a session of 10 requests is not made of actions \
             of 4 requests each (requests_per_session is a multiple of calls_per_action: 4, 8, …)",
        ),
        (
            class("users = { count = 5, requests_per_session = 10, think_time = \"10s\" }"),
            "traffic.classes[0].users @ { count = 5, requests_per_session = 10, think_time = \"10s\" }: 450 sessions are open at \
             a time, of 5 users",
        ),
        (
            class("users = { count = 5, requests_per_session = 1000, think_time = \"500h\" }"),
            "traffic.classes[0].users @ { count = 5, requests_per_session = 1000, think_time = \"500h\" }: 89910000 sessions \
             are open at a time, at most 10000000 are simulated",
        ),
    ] {
        let problems = problems(&traffic);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{traffic}\n{expected}\n{problems:#?}");
    }
}

#[test]
fn at_most_64_classes_are_simulated() {
    let class = |number: u32| format!("[[traffic.classes]]\nname = \"c{number}\"\nrate = \"1/s\"\n");
    let classes = |count: u32| (0..count).map(class).collect::<String>();
    assert_eq!(problems(&classes(64)), Vec::<String>::new());
    assert!(problems(&classes(65))[0].starts_with("traffic.classes @ [[traffic.classes]]: there are 65 classes"));
}
