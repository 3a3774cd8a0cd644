//! `[traffic]`: rates that change, classes, users, sessions, and arrivals from a file.

mod mistakes;

use crate::support;
use rollout_sim::model::traffic::{Activity, ClassSpec, Request, Traffic};
use rollout_sim::report::resolved;
use rollout_sim::scenario::load::load;
use rollout_sim::scenario::{Loaded, Origin, Scenario};
use rollout_sim::simulation;
use rollout_sim::units::{Duration, Instant};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
    traffic.all_before(Instant::START + Duration::secs(secs)).collect()
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

/// A scenario with one class.
fn class(rest: &str) -> String {
    format!("rate = \"50/s\"\n[[traffic.classes]]\nname = \"a\"\n{rest}")
}

/// Each traffic with the beginning of one of its problems.
fn check_problems(cases: &[(String, &str)]) {
    for (traffic, expected) in cases {
        let problems = problems(traffic);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{traffic}\n{expected}\n{problems:#?}");
    }
}

#[test]
fn a_rate_that_makes_no_sense_is_told_with_its_place() {
    let rate = |rate: &str| format!("rate = {rate}");
    check_problems(&[
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
    ]);
}

#[test]
fn shares_that_make_no_sense_are_told_with_their_place() {
    let two = |one: &str, other: &str| {
        format!("rate = \"50/s\"\n[[traffic.classes]]\nname = \"a\"\n{one}\n[[traffic.classes]]\nname = \"b\"\n{other}")
    };
    check_problems(&[
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
    ]);
}

#[test]
fn a_class_that_makes_no_sense_is_told_with_its_place() {
    check_problems(&[
        (class("host = \"https://a/\""), "traffic.classes[0].host @ \"https://a/\": \"https://a/\" is no host"),
        (class("path = \"search\""), "traffic.classes[0].path @ \"search\": \"search\" is no path"),
        (
            class("method = \"get\""),
            "traffic.classes[0].method @ \"get\": \"get\" is no method (a method is in capital letters",
        ),
        (class("headers = [\"a\"]"), "traffic.classes[0].headers @ [\"a\"]: `headers` is an array, it must be a table"),
        (class("headers = { a = 1 }"), "traffic.classes[0].headers.a @ 1: `a` is an integer, it must be a string"),
        (class("headers = { a = \"1\", A = \"2\" }"), "traffic.classes[0].headers.A @ A: there are two headers `A`"),
        (
            class("headers = { \"a b\" = \"1\" }"),
            "traffic.classes[0].headers.\"a b\" @ \"a b\": \"a b\" is no name of a header",
        ),
        (class("headers = { Host = \"a\" }"), "traffic.classes[0].headers.Host @ Host: the Host header is `host`"),
        (class("source_ip = \"1.2.3\""), "traffic.classes[0].source_ip @ \"1.2.3\": `1.2.3` is no IP address"),
        (
            class("propagates_headers = false"),
            "traffic.classes[0].propagates_headers @ false: `propagates_headers` without `caller`",
        ),
        (
            class("calls_per_action = 0"),
            "traffic.classes[0].calls_per_action @ 0: `calls_per_action` is 0, it must lie between 1 and 1,000",
        ),
        (
            class("users = \"many\""),
            "traffic.classes[0].users @ \"many\": `users` is a string, it must be a whole number or a table",
        ),
        (class("users = 0"), "traffic.classes[0].users @ 0: `users` is 0, it must lie between 1 and 10,000,000"),
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
            "traffic.classes[0].users @ { count = 5, requests_per_session = 1000, think_time = \"500h\" }: 89,910,000 sessions \
             are open at a time, at most 10,000,000 are simulated",
        ),
    ]);
}

#[test]
fn at_most_64_classes_are_simulated() {
    let class = |number: u32| format!("[[traffic.classes]]\nname = \"c{number}\"\nrate = \"1/s\"\n");
    let classes = |count: u32| (0..count).map(class).collect::<String>();
    assert_eq!(problems(&classes(64)), Vec::<String>::new());
    assert!(problems(&classes(65))[0].starts_with("traffic.classes @ [[traffic.classes]]: there are 65 classes"));
}

/// An empty folder with a scenario and a file of arrivals.
fn folder(name: &str, traffic: &str, arrivals: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("traffic").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("web.toml"), text(traffic)).unwrap();
    fs::write(folder.join("monday.csv"), arrivals).unwrap();
    folder
}

fn sim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments).current_dir(folder).env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn summary(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

const REPLAY: &str = r#"
arrivals = { file = "monday.csv" }
[[traffic.classes]]
name = "public"
[[traffic.classes]]
name = "partners"
[[traffic.classes]]
name = "absent"
"#;

/// Forty seconds, fifty requests in each, every fifth of a partner.
fn monday() -> String {
    let line = |number: i64| {
        let (class, user) = if number % 5 == 0 { ("partners", number % 15) } else { ("public", number % 71) };
        format!("{},{class},u{user}\n", (number as f64 * 20.0 - 5_000.0) / 1_000.0)
    };
    format!("time_s,class,user\n{}", (0..2000).map(line).collect::<String>())
}

#[test]
fn a_replay_runs_again_from_its_folder() {
    let folder = folder("again", REPLAY, &monday());
    let output = sim(&folder, &["run", "web.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "files: output/web/\n");
    let once = summary(&folder.join("output/web"));
    assert_eq!(once["requests"]["total"], 2000);
    let written = fs::read_to_string(folder.join("output/web/arrivals.csv")).unwrap();
    assert!(written.starts_with("time_s,class,user\n-5,partners,0\n-4.98,public,0\n"), "{written}");
    let output = sim(&folder, &["run", "output/web/scenario.toml", "--output", "again"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(summary(&folder.join("again"))["fingerprint"], once["fingerprint"]);
    assert_eq!(fs::read_to_string(folder.join("again/arrivals.csv")).unwrap(), written);
    // Its own arrivals are an input: they stay.
    let output = sim(&folder, &["run", "output/web/scenario.toml", "--output", "output/web"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("would overwrite its own input"), "{}", stderr(&output));
    assert!(sim(&folder, &["plot", "output/web"]).status.success());
    // A run without them takes them away, and nobody else's.
    fs::write(folder.join("again/notes.csv"), "mine").unwrap();
    let output = sim(&folder, &["run", "web.toml", "--output", "again", "--set", "traffic={ rate = \"9/s\" }"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!folder.join("again/arrivals.csv").exists() && folder.join("again/notes.csv").exists());
}

#[test]
fn the_seeds_of_a_replay_share_its_times() {
    let folder = folder("seeds", REPLAY, &monday());
    let output = sim(&folder, &["run", "web.toml", "--seeds", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary = summary(&folder.join("output/web"));
    let total = &summary["requests"]["total"];
    assert_eq!((total["min"].as_f64(), total["max"].as_f64()), (Some(2000.0), Some(2000.0)));
    let latency = &summary["latency_ms"]["p50"];
    assert_ne!(latency["min"], latency["max"], "demands vary");
}

#[test]
fn a_file_of_the_command_line_lies_where_the_command_line_is() {
    let folder = folder("command-line", "rate = \"9/s\"", "time_s\n-5\n0\n7.5\n");
    fs::create_dir(folder.join("scenarios")).unwrap();
    fs::rename(folder.join("web.toml"), folder.join("scenarios/web.toml")).unwrap();
    let set = ["--set", "traffic.arrivals={ file = \"monday.csv\" }"];
    let output = sim(&folder, &[&["run", "scenarios/web.toml"], &set[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: `traffic.rate` has no effect"), "{}", stderr(&output));
    assert_eq!(summary(&folder.join("output/web"))["requests"]["total"], 3);
}

#[test]
fn arrivals_that_make_no_sense_are_told_with_file_line_and_column() {
    let plain = "arrivals = { file = \"monday.csv\" }";
    let class = format!("{plain}\n[[traffic.classes]]\nname = \"public\"");
    for (name, traffic, arrivals, expected) in [
        ("unsorted", plain, "time_s\n3\n2\n", "error: 2 s comes before the line above, 3 s\n --> monday.csv:3:1\n"),
        ("no-number", plain, "time_s\n3\nsoon\n", "error: \"soon\" is no number of seconds\n --> monday.csv:3:1\n"),
        ("column", plain, "time_s,clas\n", "error: unknown column `clas`\n --> monday.csv:1:8\n"),
        ("cells", plain, "time_s\n1,2\n", "error: this line has 2 cells, the first has 1\n --> monday.csv:2:1\n"),
        ("empty", plain, "", "error: there is no request in it\n --> monday.csv:1:1\n"),
        (
            "class",
            plain,
            "time_s,class\n1,a\n",
            "error: the file has a column `class`, and there are no classes\n --> web.toml:7:12\n",
        ),
        (
            "user",
            plain,
            "time_s,user\n1,a\n",
            "error: the file has a column `user`, and there are no classes\n --> web.toml:7:12\n",
        ),
        ("other", &class, "time_s,class\n1,public\n1,a\n", "error: there is no class `a`\n --> monday.csv:3:3\n"),
        (
            "early",
            plain,
            "time_s\n-70\n-65\n1\n",
            "warning: 2 requests of the file come before the warm-up of 5s and are left out\n --> web.toml:7:12\n",
        ),
        (
            "late",
            plain,
            "time_s\n1\n90000\n",
            "warning: 1 request of the file comes after the end of the run, 10m, and is left out\n --> web.toml:7:12\n",
        ),
        ("table", "arrivals = { files = \"a\" }", "", "error: unknown key `files`\n --> web.toml:7:12\n"),
    ] {
        let output = sim(&folder(name, traffic, arrivals), &["run", "web.toml"]);
        let expected_code = if expected.starts_with("warning") { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(expected_code), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{name}: {}", stderr(&output));
    }
    let missing = folder("missing", "arrivals = { file = \"tuesday.csv\" }", "");
    let output = sim(&missing, &["run", "web.toml"]);
    assert_eq!(output.status.code(), Some(3));
    let message = "\
error: cannot read tuesday.csv: there is no such file
 --> web.toml:7:21
  |
7 | arrivals = { file = \"tuesday.csv\" }
  |                     ^^^^^^^^^^^^^
  |
  = help: did you mean monday.csv?
";
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
    fs::create_dir(missing.join("tuesday.csv")).unwrap();
    let output = sim(&missing, &["run", "web.toml"]);
    assert!(
        stderr(&output).contains("cannot read tuesday.csv: it is a folder\n --> web.toml:7:21\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_sweep_replays_the_arrivals_in_every_cell_and_keeps_them() {
    let folder = folder("sweep", REPLAY, &monday());
    let output = sim(&folder, &["sweep", "web.toml", "--vary", "rollout.replicas=3,4", "--seeds", "2", "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let cells = fs::read_to_string(folder.join("output/web/cells.csv")).unwrap();
    assert_eq!(cells.matches(",2000,2000,2000,2000,").count(), 2, "{cells}");
    let definition = fs::read_to_string(folder.join("output/web/sweep.json")).unwrap();
    assert!(definition.contains("time_s,class,user\\n-5,partners,0\\n"), "{definition}");
}
