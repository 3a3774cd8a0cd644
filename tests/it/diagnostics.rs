//! What the program says to mistakes: one clear message with its place, the right exit code, and no file touched.

mod controller;
mod gitops;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GALLERY: &str = include_str!("../../scenarios/first-run.toml");

/// Short and right; each test breaks it in one place.
const VALID: &str = r#"title = "Short"

[simulation]
warmup = "30s"

[traffic]
rate = "40/s"

[rollout]
replicas = 4
[rollout.strategy.canary]
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
steps = [
    { setWeight = 25 },
    { pause = { duration = "10s" } },
]
"#;

/// An empty folder that the program runs in.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diagnostics").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
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

fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files(&path));
        } else {
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    names
}

/// Runs a scenario that is wrong in one place: the message is the whole of stderr.
fn refused(name: &str, text: &str, message: &str) {
    let folder = folder(name);
    fs::write(folder.join("x.toml"), text).unwrap();
    let output = sim(&folder, &["run", "x.toml"]);
    assert_eq!(stderr(&output).trim_end(), message.trim_start_matches('\n').trim_end(), "{name}");
    assert_eq!(output.status.code(), Some(2), "{name}");
    assert!(output.stdout.is_empty(), "{name}");
    assert_eq!(files(&folder), ["x.toml"], "{name}");
}

fn with(old: &str, new: &str) -> String {
    assert!(VALID.contains(old), "{old}");
    VALID.replacen(old, new, 1)
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    let message = r#"
error: unknown key `replica`
  --> x.toml:10:1
   |
10 | replica = 4
   | ^^^^^^^
   |
   = help: did you mean `replicas`?
"#;
    refused("unknown_key", &with("replicas = 4", "replica = 4"), message);
}

/// What is said of a scenario that is right but for these lines, in which nothing is wrong.
fn warnings(lines: &str, overrides: &[&str]) -> Vec<(String, String)> {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let loaded = rollout_sim::scenario::load::load(&format!("{VALID}{lines}"), "x", &overrides);
    let warnings = loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).warnings;
    warnings.into_iter().map(|warning| (warning.message, warning.help)).collect()
}

#[test]
fn what_can_never_have_an_effect_is_warned_of() {
    let first = |lines: &str, overrides: &[&str]| warnings(lines, overrides).into_iter().next().unwrap_or_default();
    let when = |condition: &str| format!("[[actions]]\nwhen = \"{condition}\"\ndo = \"abort\"\n");
    let (message, help) = first(&when("elb_5xx.rate > 1"), &[]);
    assert_eq!(message, "this never holds: a share lies between 0 and 1, which is 100 %");
    assert_eq!(help, "write 1% for one in a hundred");
    for condition in ["elb_5xx.rate > 1%", "elb_5xx.rate >= 1", "latency_ms.p99 > 1", "success.rate < 1"] {
        assert_eq!(warnings(&when(condition), &[]), [], "{condition}");
    }
    assert_eq!(
        first(&when("success.rate < 0"), &[]).0,
        "this never holds: a share lies between 0 and 1, which is 100 %"
    );
    let label = |value: &str| {
        format!("[namespace]\nlabels = {{ \"elbv2.k8s.aws/pod-readiness-gate-inject\" = \"{value}\" }}\n")
    };
    assert_eq!(first(&label("yes"), &[]).0, "`yes` puts no readiness gates into pods");
    assert_eq!(warnings(&label("enabled"), &[]), []);
    let honor = "[rollouts_controller]\nhonor_scale_down_delay = true\n";
    assert_eq!(first(honor, &[]).0, "`honor_scale_down_delay` has no effect without dynamicStableScale");
    assert_eq!(warnings(honor, &["rollout.strategy.canary.dynamicStableScale=true"]), []);
    let template = "[[analysis_templates]]\nname = \"t\"\n[[analysis_templates.metrics]]\nname = \"m\"\n\
                    provider.simulation.query = \"success.rate\"\n";
    assert_eq!(first(template, &[]).0, "nobody asks for the AnalysisTemplate `t`");
    let asked = "rollout.strategy.canary.analysis={ templates = [{ templateName = \"t\" }] }";
    assert_eq!(warnings(template, &[asked]), []);
}

#[test]
fn a_route_for_a_header_that_no_class_sends_is_told_with_the_nearest_one() {
    let step = "rollout.strategy.canary.steps=[{ setHeaderRoute = { name = \"r\", match = [{ headerName = \"X-Kanary\", \
                headerValue = { exact = \"yes\" } }] } }]";
    let overrides = [step, "rollout.strategy.canary.trafficRouting.managedRoutes=[{ name = \"r\" }]"];
    let class = |headers: &str| format!("[[traffic.classes]]\nname = \"a\"\nheaders = {{ {headers} }}\n");
    let told = |help: &str| vec![("no class sends `X-Kanary`".to_owned(), help.to_owned())];
    assert_eq!(warnings(&class("\"X-Canary\" = \"yes\""), &overrides), told("did you mean `X-Canary`?"));
    assert_eq!(warnings(&class(""), &overrides), told("write headers = { \"X-Kanary\" = \"…\" } in a class"));
    let dropped = format!("{}caller = \"portal\"\npropagates_headers = false\n", class("x-kanary = \"yes\""));
    assert_eq!(warnings(&dropped, &overrides), []);
    assert_eq!(warnings("", &overrides), [], "nobody says what is sent");
}

#[test]
fn what_the_controller_or_the_api_wants_whole_is_not_taken_in_parts() {
    let problems = |set: &str| {
        let problems = rollout_sim::scenario::load::load(VALID, "x", &[set.to_owned()]).expect_err(set);
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let threshold = |inner: &str| format!("rollout.strategy.canary.replicaProgressThreshold={{ {inner} }}");
    let key = "rollout.strategy.canary.replicaProgressThreshold";
    assert_eq!(problems(&threshold("type = \"Pods\"")), [format!("`{key}.value` is missing")]);
    assert_eq!(problems(&threshold("value = 2")), [format!("`{key}.type` is missing")]);
    let both = "rollout.strategy.canary.trafficRouting.alb.ingresses=[\"web\"]";
    assert_eq!(problems(both), ["the controller takes one of `ingress` and `ingresses`, and both are given"]);
    let alone = "rollout.strategy.canary.trafficRouting.alb={ ingresses = [\"web\"], rootService = \"web-root\" }";
    assert_eq!(warnings("", &[alone]), []);
    let resume = "actions=[{ at = \"5s\", do = \"resume\" }]";
    let help = rollout_sim::scenario::load::load(VALID, "x", &[resume.to_owned()]).expect_err("no such verb");
    assert!(help[0].help.starts_with("write do = \"promote\""), "{}", help[0].help);
}

#[test]
fn a_wrong_unit_is_shown_in_its_place() {
    let message = r#"
error: `30sec` is not a duration: write a number with its unit, like "30s", "250ms" or "1m30s"
 --> x.toml:4:10
  |
4 | warmup = "30sec"
  |          ^^^^^^^
"#;
    refused("wrong_unit", &with("warmup = \"30s\"", "warmup = \"30sec\""), message);
}

#[test]
fn a_bare_number_for_a_duration_is_refused_with_a_hint() {
    let message = r#"
error: 30 is a bare number, a duration needs its unit
 --> x.toml:4:10
  |
4 | warmup = 30
  |          ^^
  |
  = help: give it a unit: "30s" or "30ms"
"#;
    refused("bare_number", &with("warmup = \"30s\"", "warmup = 30"), message);
}

#[test]
fn a_step_of_unknown_kind_names_the_kinds() {
    let message = r#"
error: there is no step `setWait`
  --> x.toml:14:7
   |
14 |     { setWait = 25 },
   |       ^^^^^^^
   |
   = help: did you mean `setWeight`? A step is one of setWeight, setCanaryScale, pause, setHeaderRoute, analysis
"#;
    refused("step_kind", &with("setWeight = 25", "setWait = 25"), message);
}

#[test]
fn a_negative_rate_is_refused() {
    let message = r#"
error: `-40/s` is negative: a rate must be above zero
 --> x.toml:7:8
  |
7 | rate = "-40/s"
  |        ^^^^^^^
"#;
    refused("rate", &with("rate = \"40/s\"", "rate = \"-40/s\""), message);
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let folder = folder("all_at_once");
    let text =
        with("replicas = 4", "replica = 4").replace("40/s", "-40/s").replace("setWeight = 25", "setWeight = 101");
    fs::write(folder.join("x.toml"), text).unwrap();
    let set = ["--set", "application.keep_alive=75", "--set", "rolout.replicas=3"];
    let output = sim(&folder, &[&["run", "x.toml"][..], &set].concat());
    assert_eq!(stderr(&output).lines().filter(|line| line.starts_with("error")).count(), 5, "{}", stderr(&output));
    assert!(stderr(&output).contains("--> --set rolout.replicas=3"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--> --set application.keep_alive=75"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_missing_file_is_named_with_its_neighbour_in_the_gallery() {
    let folder = folder("missing_file");
    let output = sim(&folder, &["run", "frist-run.toml"]);
    let expected = "error: cannot read frist-run.toml: there is no such file\n |\n = help: the gallery has `first-run`: sim init first-run";
    assert_eq!(stderr(&output).trim_end(), expected);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(files(&folder), [""; 0]);
}

#[test]
fn a_folder_is_no_scenario() {
    let folder = folder("a_folder");
    fs::create_dir(folder.join("x.toml")).unwrap();
    let output = sim(&folder, &["run", "x.toml"]);
    assert!(stderr(&output).starts_with("error: cannot read x.toml: it is a folder"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_binary_file_is_no_scenario() {
    for (name, bytes) in
        [("nul", &b"title = \"\0\""[..]), ("latin1", b"title = \"\xe4\""), ("elf", b"\x7fELF\x02\x01\0")]
    {
        let folder = folder(name);
        fs::write(folder.join("x.toml"), bytes).unwrap();
        let output = sim(&folder, &["run", "x.toml"]);
        assert!(stderr(&output).starts_with("error: x.toml is not a text file (byte "), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(files(&folder), ["x.toml"]);
    }
}

#[test]
fn a_flood_of_brackets_is_refused_at_once() {
    for (name, length, message) in [
        ("brackets_10_mb", 10 << 20, "error: x.toml is longer than 1 MiB: that is no scenario"),
        ("brackets_1_mb", (1 << 20) - 4, "error: this is not TOML: "),
    ] {
        let folder = folder(name);
        fs::write(folder.join("x.toml"), format!("x = {}", "[".repeat(length))).unwrap();
        let started = std::time::Instant::now();
        let output = sim(&folder, &["run", "x.toml"]);
        assert!(started.elapsed().as_secs() < 20, "{name}");
        assert!(stderr(&output).starts_with(message), "{name}: {}", &stderr(&output)[..200]);
        assert!(stderr(&output).len() < 10_000, "{name}: {} bytes", stderr(&output).len());
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

#[test]
fn an_output_folder_that_cannot_be_written_leaves_everything_as_it_was() {
    let folder = folder("unwritable");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    // A file where the folder should be: even the superuser cannot write into it.
    fs::write(folder.join("output"), "mine").unwrap();
    let output = sim(&folder, &["run", "x.toml"]);
    assert!(stderr(&output).starts_with("error: cannot write output/x: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(fs::read_to_string(folder.join("output")).unwrap(), "mine");

    // One of the files cannot be written: none of the others changes, and nothing is left over.
    let results = folder.join("results");
    fs::create_dir_all(results.join("timeline.svg")).unwrap();
    let previous = "{ \"schema\": \"rollout-sim/run/v1\" }";
    fs::write(results.join("summary.json"), previous).unwrap();
    let output = sim(&folder, &["run", "x.toml", "--output", "results"]);
    assert!(stderr(&output).starts_with("error: cannot write results/timeline.svg: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(files(&results), ["summary.json"]);
    assert_eq!(fs::read_to_string(results.join("summary.json")).unwrap(), previous);
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = folder("usage");
    fs::write(folder.join("...toml"), VALID).unwrap();
    for arguments in [
        &["run"][..],
        &["run", "...toml"],
        &["fly"],
        &["run", "x.toml", "--seeds", "0"],
        &["run", "x.toml", "--sed", "1"],
        &[],
    ] {
        assert_eq!(sim(&folder, arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn init_writes_a_scenario_that_runs_and_never_overwrites() {
    let folder = folder("init");
    let output = sim(&folder, &["init"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(folder.join("first-run.toml")).unwrap(), GALLERY);
    fs::write(folder.join("first-run.toml"), "mine").unwrap();
    let output = sim(&folder, &["init", "first-run"]);
    assert!(stderr(&output).starts_with("error: first-run.toml exists already: it stays as it is"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.join("first-run.toml")).unwrap(), "mine");
    let output = sim(&folder, &["init", "frist-run"]);
    assert!(stderr(&output).contains("did you mean `first-run`?"), "{}", stderr(&output));
    let output = sim(&folder, &["init", "--list"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("first-run  "));
}

#[test]
fn a_run_writes_all_its_files_whole() {
    let folder = folder("all_files");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    let output = sim(&folder, &["run", "x.toml", "-q"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", stderr(&output));
    let expected = ["events.csv", "scenario.toml", "summary.json", "timeline.csv", "timeline.svg"];
    assert_eq!(files(&folder.join("output/x")), expected);
    let before = fs::read(folder.join("output/x/timeline.svg")).unwrap();
    let output = sim(&folder, &["plot", "output/x"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "output/x/timeline.svg\n", "{}", stderr(&output));
    assert_eq!(fs::read(folder.join("output/x/timeline.svg")).unwrap(), before);
    let output = sim(&folder, &["plot", "output/x", "--set", "traffic.rate=80/s"]);
    assert!(stderr(&output).contains("say where this one goes: --output FILE"), "{}", stderr(&output));
    let output = sim(&folder, &["plot", "x.toml", "--set", "traffic.rate=80/s"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "output/x.svg\n", "{}", stderr(&output));
    assert_eq!(fs::read(folder.join("output/x/timeline.svg")).unwrap(), before);
}

#[test]
fn an_unmet_threshold_ends_with_1_and_the_files_are_there() {
    let folder = folder("threshold");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    let run = |condition: &str| {
        sim(&folder, &["run", "x.toml", "-q", "--set", &format!("thresholds.requests.count={condition}")])
    };
    assert_eq!(run("> 0").status.code(), Some(0));
    assert_eq!(run("== 0").status.code(), Some(1));
    assert!(folder.join("output/x/summary.json").is_file());
}

#[test]
fn a_threshold_over_seeds_judges_them_together() {
    let folder = folder("over_seeds");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    let run = |threshold: &str| {
        let set = format!("thresholds.{threshold}");
        sim(&folder, &["run", "x.toml", "--seeds", "5", "--set", &set])
    };
    let counts: Vec<u64> = {
        run("requests.count=> 0");
        let table = fs::read_to_string(folder.join("output/x/seeds.csv")).unwrap();
        table.lines().skip(1).map(|row| row.split(',').nth(4).unwrap().parse().unwrap()).collect()
    };
    let (least, most) = (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
    assert!(least < most, "{counts:?}");
    for (figure, bound, code) in [("min", least, 0), ("max", least, 1), ("max", most, 0), ("p50", most, 0)] {
        let output = run(&format!("\"elb_5xx{{seeds={figure}}}.count\"=<= {bound}"));
        assert_eq!(output.status.code(), Some(code), "{figure} {bound}: {}", stderr(&output));
    }
    let output = run(&format!("elb_5xx.count=<= {least}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("of 5 seeds"));
}

#[test]
fn of_several_files_none_runs_unless_all_are_right() {
    let folder = folder("several");
    fs::write(folder.join("good.toml"), VALID).unwrap();
    fs::write(folder.join("bad.toml"), with("replicas = 4", "replica = 4")).unwrap();
    fs::write(folder.join("worse.toml"), with("40/s", "-40/s")).unwrap();
    for (files, exit, messages) in [
        (&["good.toml", "bad.toml", "worse.toml"][..], 2, &["unknown key `replica`", "`-40/s` is negative"][..]),
        (&["good.toml", "missing.toml", "bad.toml"], 3, &["there is no such file", "unknown key `replica`"]),
        (&["good.toml", "./good.toml"], 2, &["there is a scenario of the name `good` before it"]),
    ] {
        let output = sim(&folder, &[&["run", "-q"], files].concat());
        assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
        for message in messages {
            assert!(stderr(&output).contains(message), "{message} is not in {}", stderr(&output));
        }
        assert!(!folder.join("output").exists(), "{files:?}");
    }
}

#[test]
fn of_several_files_the_worst_end_counts() {
    let folder = folder("worst");
    fs::write(folder.join("met.toml"), VALID).unwrap();
    fs::write(folder.join("unmet.toml"), format!("{VALID}[thresholds]\n\"requests.count\" = \"== 0\"\n")).unwrap();
    let output = sim(&folder, &["run", "unmet.toml", "met.toml", "-q"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for name in ["met", "unmet"] {
        assert!(folder.join("output").join(name).join("summary.json").is_file(), "{name}");
    }
}

#[test]
fn a_run_never_overwrites_its_own_input() {
    let folder = folder("own_input");
    fs::write(folder.join("scenario.toml"), VALID).unwrap();
    fs::create_dir(folder.join("other")).unwrap();
    fs::write(folder.join("other/x.toml"), VALID).unwrap();
    for arguments in [
        &["run", "scenario.toml", "--output", "."][..],
        &["run", "./scenario.toml", "--output", "other/.."],
        // The files of `x` would go to the folder of the other one.
        &["run", "other/x.toml", "scenario.toml", "--output", ".."],
        &["plot", "scenario.toml", "--output", "other/../scenario.toml"],
        &["plot", "other/x.toml", "scenario.toml", "--output", "scenario.toml"],
    ] {
        let output = sim(&folder, arguments);
        assert!(stderr(&output).starts_with("error: the run would overwrite its own input "), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(files(&folder), ["scenario.toml", "x.toml"]);
        assert_eq!(fs::read_to_string(folder.join("scenario.toml")).unwrap(), VALID);
    }
}

#[test]
fn only_a_table_of_our_own_is_obsolete() {
    let folder = folder("obsolete");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    let seeds_csv = folder.join("results/seeds.csv");
    fs::create_dir(folder.join("results")).unwrap();
    fs::write(&seeds_csv, "mine").unwrap();
    for _ in 0..2 {
        assert_eq!(sim(&folder, &["run", "x.toml", "-q", "--output", "results"]).status.code(), Some(0));
    }
    assert_eq!(fs::read_to_string(&seeds_csv).unwrap(), "mine");
    assert_eq!(sim(&folder, &["run", "x.toml", "-q", "--output", "again", "--seeds", "2"]).status.code(), Some(0));
    assert!(folder.join("again/seeds.csv").is_file());
    assert_eq!(sim(&folder, &["run", "x.toml", "-q", "--output", "again"]).status.code(), Some(0));
    assert!(!folder.join("again/seeds.csv").exists(), "it belonged to the run before");
}

#[test]
fn files_that_are_not_from_a_run_stay_as_they_are() {
    let folder = folder("foreign");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    for name in ["seeds.csv", "scenario.toml", "summary.json", "timeline.csv"] {
        let inner = folder.join(name.replace('.', "_"));
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join(name), "{ \"schema\": \"theirs\" }").unwrap();
        fs::copy(folder.join("x.toml"), inner.join("x.toml")).unwrap();
        let refuses = |after: &str| {
            let output = sim(&inner, &["run", "x.toml", "-o", ".", "--seeds", "2"]);
            let expected = format!("error: ./{name} is not from a run of this program: it stays as it is");
            assert!(stderr(&output).starts_with(&expected), "{after}: {}", stderr(&output));
            assert_eq!(output.status.code(), Some(2), "{name} {after}");
            assert_eq!(fs::read_to_string(inner.join(name)).unwrap(), "{ \"schema\": \"theirs\" }", "{name} {after}");
        };
        refuses("");
        assert_eq!(files(&inner).len(), 2, "{name}");
        if name == "seeds.csv" {
            // A run with one seed has no business with it, and does not make it ours.
            assert_eq!(sim(&inner, &["run", "x.toml", "-q", "-o", "."]).status.code(), Some(0));
            refuses("after a run");
        }
    }
}

#[test]
fn of_several_files_to_plot_all_mistakes_are_shown() {
    let folder = folder("several_plots");
    fs::write(folder.join("bad.toml"), with("replicas = 4", "replica = 4")).unwrap();
    fs::write(folder.join("worse.toml"), with("40/s", "-40/s")).unwrap();
    let output = sim(&folder, &["plot", "bad.toml", "missing.toml", "worse.toml"]);
    for message in ["unknown key `replica`", "there is no such file", "`-40/s` is negative"] {
        assert!(stderr(&output).contains(message), "{message} is not in {}", stderr(&output));
    }
    assert_eq!(output.status.code(), Some(3));
    assert!(!folder.join("output").exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_no_scenario_and_no_place_for_a_picture() {
    let folder = folder("pipe");
    assert!(Command::new("mkfifo").arg(folder.join("pipe.toml")).status().unwrap().success());
    fs::write(folder.join("x.toml"), VALID).unwrap();
    for path in ["pipe.toml", "/dev/zero", "/dev/null"] {
        for command in ["run", "plot"] {
            let output = sim(&folder, &[command, path]);
            let expected = format!("error: cannot read {path}: it is a pipe or a device, not a regular file");
            assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
            assert_eq!(output.status.code(), Some(3), "{command} {path}");
        }
    }
    let output = sim(&folder, &["plot", "x.toml", "-o", "pipe.toml"]);
    let expected = "error: cannot write ./pipe.toml: it is not a regular file";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(files(&folder), ["pipe.toml", "x.toml"]);
}

#[cfg(unix)]
#[test]
fn a_picture_goes_to_where_a_link_points() {
    let folder = folder("link");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    fs::create_dir(folder.join("inner")).unwrap();
    fs::write(folder.join("inner/real.svg"), "previous").unwrap();
    std::os::unix::fs::symlink("inner/real.svg", folder.join("link.svg")).unwrap();
    let output = sim(&folder, &["plot", "x.toml", "-o", "link.svg"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(folder.join("link.svg").is_symlink());
    assert!(fs::read_to_string(folder.join("inner/real.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn numbers_beyond_all_sense_are_refused() {
    let folder = folder("numbers");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    for arguments in [
        &["--seeds", "18446744073709551615"][..],
        &["--seeds", "100001"],
        &["--seeds", "2", "--threads", "1025"],
        &["--seeds", "2", "--threads", "0"],
        &["--seed", "9223372036854775808"],
        &["--seed", "-1"],
    ] {
        let output = sim(&folder, &[&["run", "x.toml"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
        assert_eq!(files(&folder), ["x.toml"]);
    }
    let output = sim(&folder, &["run", "x.toml", "-q", "--seed", "9223372036854775807"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let again = sim(&folder, &["run", "output/x/scenario.toml", "-q", "--output", "again"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}

#[test]
fn verbose_prints_the_events_of_the_first_seed() {
    let folder = folder("verbose");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    let events = |arguments: &[&str]| stderr(&sim(&folder, &[&["run", "x.toml", "-v"], arguments].concat()));
    let one = events(&["--seed", "1"]);
    assert!(one.contains("rollouts-controller SetWeight ingress canary 25 stable 75"), "{one}");
    assert_eq!(events(&["--seeds", "2"]), one);
    assert_ne!(events(&["--seed", "2"]), one);
}

#[test]
fn a_folder_of_runs_names_one_of_them() {
    let folder = folder("folder_of_runs");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    assert_eq!(sim(&folder, &["run", "x.toml", "-q"]).status.code(), Some(0));
    let output = sim(&folder, &["plot", "output"]);
    assert!(
        stderr(&output).contains("it is a folder\n |\n = help: give the folder of one run, like output/x"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn replications_are_the_same_on_any_number_of_threads_and_a_replay_has_the_same_fingerprint() {
    let folder = folder("replications");
    fs::write(folder.join("x.toml"), VALID).unwrap();
    for threads in ["1", "3"] {
        let output = sim(&folder, &["run", "x.toml", "-q", "--seeds", "4", "--threads", threads, "--output", threads]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let names = files(&folder.join("1"));
    assert_eq!(names, ["events.csv", "scenario.toml", "seeds.csv", "summary.json", "timeline.csv", "timeline.svg"]);
    for name in names {
        assert_eq!(fs::read(folder.join("1").join(&name)).unwrap(), fs::read(folder.join("3").join(&name)).unwrap());
    }

    sim(&folder, &["run", "x.toml", "-q", "--seed", "9"]);
    sim(&folder, &["run", "output/x/scenario.toml", "-q", "--output", "again"]);
    for name in ["timeline.csv", "events.csv"] {
        let [first, again] = ["output/x", "again"].map(|run| fs::read(folder.join(run).join(name)).unwrap());
        assert_eq!(first, again, "{name}");
    }
}
