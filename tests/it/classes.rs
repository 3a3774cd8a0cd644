//! Who sees the canary: what a run with classes of traffic reports, in its files, pictures and thresholds.

use rollout_sim::model::Revision;
use rollout_sim::report::{svg, text};
use rollout_sim::scenario::load::load;
use rollout_sim::simulation::{run, run_traced};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The public by the weights, testers by a header route, and probes of nobody's. v2 fails a fifth of what it answers.
const CLASSES: &str = r#"
[[traffic.classes]]
name = "public"
share = 0.7
users = { count = 100, requests_per_session = 10, think_time = "1s" }
[[traffic.classes]]
name = "testers"
share = 0.2
headers = { "X-Canary" = "yes" }
users = 8
[[traffic.classes]]
name = "probes"
"#;

const RELEASE: &str = r#"
[rollout]
replicas = 4
[rollout.strategy.canary]
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
trafficRouting.managedRoutes = [{ name = "by-header" }]
steps = [
    { setCanaryScale = { weight = 25 } },
    { setHeaderRoute = { name = "by-header", match = [
        { headerName = "X-Canary", headerValue = { exact = "yes" } },
    ] } },
    { pause = { duration = 20 } },
    { setWeight = 25 },
    { pause = { duration = 20 } },
]
[application]
startup_time = "2s"
[application.versions.v2]
error_share = 0.2
[load_balancer_controller]
rule_lag = "5s"
"#;

fn scenario(classes: &str) -> String {
    let simulation = "[simulation]\nwarmup = \"10s\"\ncooldown = \"10s\"\n";
    format!("{simulation}[traffic]\nrate = \"40/s\"\nservice_time = \"40ms\"\n{classes}{RELEASE}")
}

/// An empty folder with the scenario as `x.toml`.
fn folder(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("classes").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("x.toml"), text).unwrap();
    folder
}

fn sim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments).current_dir(folder).env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: Result<fs::DirEntry, _>| entry.unwrap().file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort_unstable();
    names
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

const ALWAYS: [&str; 5] = ["events.csv", "scenario.toml", "summary.json", "timeline.csv", "timeline.svg"];

#[test]
fn a_run_with_classes_writes_their_files_and_takes_them_back() {
    let folder = folder("files", &scenario(CLASSES));
    let run = |arguments: &[&str]| {
        let output = sim(&folder, &[&["run", "x.toml", "-q"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        names(&folder.join("output/x"))
    };
    let all = [&["classes.csv", "classes.svg", "events.csv", "mosaic.svg"][..], &ALWAYS[1..], &["users.csv"]].concat();
    assert_eq!(run(&[]), all);
    let [classes, mosaic] = ["classes", "mosaic"].map(|name| format!("output/x/{name}.svg"));
    for (picture, path) in [("classes", &classes), ("mosaic", &mosaic)] {
        let before = fs::read(folder.join(path)).unwrap();
        let output = sim(&folder, &["plot", "output/x", "--picture", picture]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{path}\n"), "{}", stderr(&output));
        assert_eq!(fs::read(folder.join(path)).unwrap(), before, "{path} is drawn again as it was");
    }
    // Without users, and then without classes.
    fs::write(folder.join("x.toml"), scenario("[[traffic.classes]]\nname = \"all\"\n")).unwrap();
    assert_eq!(run(&[]), [&["classes.csv", "classes.svg"][..], &ALWAYS].concat());
    fs::write(folder.join("x.toml"), scenario("")).unwrap();
    assert_eq!(run(&[]), ALWAYS);
}

#[test]
fn a_file_that_merely_has_such_a_name_stays_as_it_is() {
    let folder = folder("foreign", &scenario(""));
    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/users.csv"), "mine").unwrap();
    let run = || sim(&folder, &["run", "x.toml", "-q", "--output", "mine"]);
    // Who writes no such file has no business with it.
    assert_eq!(run().status.code(), Some(0));
    fs::write(folder.join("x.toml"), scenario(CLASSES)).unwrap();
    let output = run();
    assert!(
        stderr(&output).starts_with("error: mine/users.csv is not from a run of this program"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.join("mine/users.csv")).unwrap(), "mine");
}

#[test]
fn a_picture_of_what_is_not_there_is_refused() {
    let folder = folder("pictures", &scenario(""));
    for (classes, picture, message) in [
        ("", "classes", "error: x has no classes of traffic to draw"),
        ("", "mosaic", "error: x has no classes of traffic to draw"),
        ("[[traffic.classes]]\nname = \"all\"\n", "mosaic", "error: x has no users to draw"),
    ] {
        fs::write(folder.join("x.toml"), scenario(classes)).unwrap();
        let output = sim(&folder, &["plot", "x.toml", "--picture", picture]);
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        assert_eq!((output.status.code(), names(&folder)), (Some(2), vec!["x.toml".to_owned()]));
    }
    fs::write(folder.join("x.toml"), scenario(CLASSES)).unwrap();
    let output = sim(&folder, &["plot", "x.toml", "--picture", "mosaic"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "output/x-mosaic.svg\n", "{}", stderr(&output));
}

#[test]
fn pictures_and_tables_show_the_numbers_of_the_summary() {
    let folder = folder("numbers", &scenario(CLASSES));
    assert_eq!(sim(&folder, &["run", "x.toml", "-q", "--output", "run"]).status.code(), Some(0));
    let (run, summary) = (folder.join("run"), summary(&folder.join("run")));
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let (picture, mosaic, rows, users) =
        (read("classes.svg"), read("mosaic.svg"), read("classes.csv"), read("users.csv"));
    assert_eq!(rows.lines().next(), Some("time_s,class,version,requests,ok,target_5xx,elb_5xx,elb_404,users_on"));
    assert!(read("timeline.csv").lines().next().is_some_and(|head| head.ends_with(",elb_404")));
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value}"));
    for class in summary["classes"].as_array().unwrap() {
        let (name, requests) = (class["name"].as_str().unwrap(), &class["requests"]);
        let total = ["ok", "target_5xx", "elb_5xx", "elb_404"].map(|key| number(&requests[key]));
        assert_eq!(number(&requests["total"]), total.iter().sum::<u64>(), "{name}");
        assert!(picture.contains(&format!("\n{} requests, ", grouped(number(&requests["total"])))), "{name}");
        let own: Vec<Vec<&str>> =
            rows.lines().map(|row| row.split(',').collect()).filter(|row: &Vec<&str>| row[1] == name).collect();
        for (column, key) in [(3, "total"), (4, "ok"), (5, "target_5xx"), (6, "elb_5xx"), (7, "elb_404")] {
            let sum: u64 = own.iter().map(|row| row[column].parse::<u64>().unwrap()).sum();
            assert_eq!(sum, number(&requests[key]), "{key} of {name}");
        }
        let people: Vec<Vec<&str>> =
            users.lines().map(|row| row.split(',').collect()).filter(|row: &Vec<&str>| row[0] == name).collect();
        if class["users"].is_null() {
            assert!(people.is_empty(), "{name}");
            continue;
        }
        let count = |wanted: &dyn Fn(&[&str]) -> bool| people.iter().filter(|row| wanted(row)).count() as u64;
        assert_eq!(count(&|_| true), number(&class["users"]["count"]), "{name}");
        let exposed = number(&class["users"]["exposed"]);
        assert_eq!(count(&|row| !row[5].is_empty()), exposed, "{name}");
        assert_eq!(count(&|row| row[4] == "v1 v2"), number(&class["users"]["saw_both"]), "{name}");
        assert_eq!(count(&|row| row[6] != "0"), number(&class["users"]["hit_by_target_5xx"]), "{name}");
        assert!(mosaic.contains(&format!("; {} saw v2", grouped(exposed))), "{name}");
    }
}

/// `1,234`.
fn grouped(count: u64) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}

#[test]
fn testers_meet_the_new_version_before_the_public_does() {
    let loaded = load(&scenario(CLASSES), "x", &[]).unwrap();
    let run = run(&loaded.scenario, 1);
    let [public, testers, _] = &run.classes[..] else { panic!("there are three classes") };
    let set = run.events.iter().find(|entry| entry.event == "SetHeaderRoute").expect("the step writes the route").at;
    assert!(testers.first_exposure > Some(set) && testers.first_exposure < public.first_exposure);
    assert!(testers.wrong_version > 0, "the route comes late");
    assert_eq!((public.wrong_version, testers.requests()[3]), (0, 0));
    let report = without_colours(&text::render(&loaded, &run, &[], 80));
    assert!(report.contains("testers: ") && report.contains("with the header X-Canary came to v1, before"), "{report}");
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    assert!(svg::classes(&[(&loaded, &run)]).contains("header route"));
}

fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    for (number, part) in text.split('\u{1b}').enumerate() {
        plain.push_str(if number == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) });
    }
    plain
}

#[test]
fn thresholds_hold_for_a_class() {
    let thresholds = r#"
[thresholds]
"requests{class=public}.count" = "> 0"
"requests{class=public,version=new}.rate" = "< 50%"
"target_5xx{class=testers,version=v2}.count" = "== 0"
"target_5xx{class=testers,version=v1,seeds=max}.count" = "== 0"
"users{class=testers}.exposed" = "== 8"
"users{class=public}.back_and_forth" = "> 0"
"wrong_version{class=testers}.count" = "> 0"
"elb_404.count" = "== 0"
"#;
    let loaded = load(&format!("{}{thresholds}", scenario(CLASSES)), "x", &[]).unwrap();
    let run = run(&loaded.scenario, 1);
    let unmet: Vec<_> = loaded.thresholds.iter().map(|threshold| threshold.judge(&run)).filter(|v| !v.met).collect();
    assert_eq!(unmet.len(), 1, "{unmet:?}");
    assert_eq!(unmet[0].threshold, "target_5xx{class=testers,version=v2}.count == 0");
    for (name, message) in [
        ("requests{class=everybody}.count", "there is no class `everybody`"),
        ("elb_502{class=public}.count", "there is no metric `elb_502{class=public}.count`"),
        ("users{class=public}.exposde", "there is no metric `users{class=public}.exposde`"),
    ] {
        let text = format!("{}[thresholds]\n\"{name}\" = \"== 0\"\n", scenario(CLASSES));
        let problems = load(&text, "x", &[]).unwrap_err();
        assert_eq!(problems[0].message, message);
    }
}

#[test]
fn replications_and_sweeps_go_on_with_classes() {
    let text = format!("{}[thresholds]\n\"users{{class=testers}}.exposed\" = \"== 8\"\n", scenario(CLASSES));
    let folder = folder("seeds", &text);
    let output = sim(&folder, &["run", "x.toml", "-q", "--seeds", "3", "--output", "seeds"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let joined = summary(&folder.join("seeds"));
    let class = &joined["classes"][1];
    assert_eq!((&class["name"], &class["path"]), (&Value::from("testers"), &Value::from("/")));
    for pointer in
        ["/requests/total", "/versions/2/target_5xx", "/users/flips/max", "/wrong_version", "/first_exposure_s"]
    {
        let spread = class.pointer(pointer).and_then(Value::as_object).unwrap_or_else(|| panic!("{pointer}: {class}"));
        assert_eq!(spread.keys().map(String::as_str).collect::<Vec<_>>(), ["max", "mean", "min", "p50", "p95"]);
    }
    let vary = ["--vary", "load_balancer_controller.rule_lag=5s,10s", "--seeds", "2", "--output", "sweep"];
    let output = sim(&folder, &[&["sweep", "x.toml", "-q"], &vary[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let cells = fs::read_to_string(folder.join("sweep/cells.csv")).unwrap();
    assert_eq!(cells.lines().count(), 3, "{cells}");
    let output = sim(&folder, &["plot", "sweep", "--picture", "classes"]);
    assert!(stderr(&output).contains("--picture is for scenarios"), "{}", stderr(&output));
}

/// A proxy takes turns by rule, whoever sends the requests: both classes in one rotation.
#[test]
fn classes_that_meet_one_rule_take_turns_together() {
    let classes = "traffic.classes=[{ name = \"one\", users = 50, share = 0.5 }, { name = \"other\", users = 50 }]";
    let alone = ["load_balancer.target_group_selection=smooth", "load_balancer.nodes=1"];
    let steps = "rollout.strategy.canary.steps=[{ setWeight = 25 }, { pause = { duration = 60 } }]";
    let scenario = crate::support::scenario(crate::support::SHORT, "turns", &[alone[0], alone[1], classes, steps]);
    let run = run_traced(&scenario, 1).run;
    let from = run.steps[0].weight_effective.expect("the weight comes into force");
    let until = run.steps[1].completed.expect("the pause ends");
    let trace = run.trace.as_ref().expect("the run is traced");
    let versions: Vec<_> = trace
        .iter()
        .filter(|request| (from..until).contains(&request.arrival))
        .map(|request| u32::from(request.version == Some(Revision(2))))
        .collect();
    assert!(versions.len() > 1_000);
    assert!(versions.windows(4).all(|four| four.iter().sum::<u32>() == 1), "one of any four requests in a row");
}
