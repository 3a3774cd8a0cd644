//! What a sweep must not lose, overwrite or pass over in silence.

use crate::sweep::{SCENARIO, assert_same, command, folder, sim, stderr};
use std::fs;
use std::path::Path;
use std::process::Output;

const VARY: [&str; 2] = ["--vary", "load_balancer_controller.rule_lag=0s,15s,45s"];

fn play(folder: &Path, rest: &[&str]) -> Output {
    sim(folder, &[&["sweep", "x.toml", "-q", "--exit-zero", "--seeds", "2", "--runs"], &VARY[..], rest].concat())
}

fn refused(output: &Output, code: i32, message: &str) {
    assert!(stderr(output).contains(message), "{message}: {}", stderr(output));
    assert_eq!(output.status.code(), Some(code), "{message}");
}

#[test]
fn no_report_takes_the_place_of_an_input_or_of_a_result() {
    let folder = folder("spares");
    refused(&play(&folder, &["--junit", "x.toml"]), 2, "would overwrite its own input x.toml");
    refused(&play(&folder, &["--markdown", "output/x/cells.csv"]), 2, "of the sweep itself");
    assert_eq!(play(&folder, &[]).status.code(), Some(0));
    refused(
        &play(&folder, &["-o", "output/x", "--resume", "--markdown", "output/x/cells.csv"]),
        2,
        "of the sweep itself",
    );
    refused(&play(&folder, &["-o", "y", "--junit", "a", "--gitlab", "a"]), 2, "two reports would go to a");
    refused(&play(&folder, &["-o", "y", "--junit", "output"]), 2, "output is a folder");
    refused(&sim(&folder, &["plot", "output/x", "-o", "output/x/cells.csv"]), 2, "would overwrite its own input");
    assert_eq!(fs::read_to_string(folder.join("x.toml")).unwrap(), SCENARIO);
    for name in ["runs.csv", "sweep.svg", "cells.csv.part", "summary.json"] {
        fs::create_dir(folder.join("mine")).unwrap();
        fs::write(folder.join("mine").join(name), "mine").unwrap();
        refused(&play(&folder, &["-o", "mine"]), 2, "mine holds a ");
        assert_eq!(fs::read_to_string(folder.join("mine").join(name)).unwrap(), "mine");
        fs::remove_dir_all(folder.join("mine")).unwrap();
    }
}

#[test]
fn a_table_with_a_gap_is_not_read() {
    let folder = folder("gaps");
    assert_eq!(play(&folder, &["-o", "s"]).status.code(), Some(0));
    let table = fs::read_to_string(folder.join("s/cells.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    for (kept, message) in [
        (vec![0, 1, 3], "line 3: it is cell 2, where cell 1 belongs"),
        (vec![0, 1], "it has 1 of 3 cells"),
        (vec![0], "it has 0 of 3 cells"),
        (vec![0, 1, 2, 3, 3], "line 5: it is one cell too many"),
    ] {
        let rest: String = kept.iter().map(|line| format!("{}\n", lines[*line])).collect();
        fs::write(folder.join("s/cells.csv"), rest).unwrap();
        refused(&sim(&folder, &["plot", "s"]), 3, message);
        refused(&play(&folder, &["-o", "s", "--resume"]), 3, message);
    }
}

#[test]
fn a_shard_with_a_missing_run_does_not_join() {
    let folder = folder("short_shards");
    for shard in ["0/2", "1/2"] {
        assert_eq!(play(&folder, &["--shard", shard, "-o", &shard[..1]]).status.code(), Some(0));
    }
    let runs = fs::read_to_string(folder.join("1/runs.csv")).unwrap();
    let last = runs.trim_end().rfind('\n').unwrap() + 1;
    fs::write(folder.join("1/runs.csv"), &runs[..last]).unwrap();
    let merged = sim(&folder, &["merge", "0", "1", "-q", "-o", "m"]);
    refused(&merged, 3, "1/runs.csv: 1 rows of cell 1 where 2 belong: play this shard again");
    fs::write(folder.join("1/runs.csv"), format!("{runs}9,x\n")).unwrap();
    refused(&sim(&folder, &["merge", "0", "1", "-q", "-o", "m"]), 3, "rows that belong to no cell of this shard");
    assert!(!folder.join("m").exists() || fs::read_dir(folder.join("m")).unwrap().next().is_none(), "nothing is left");
    fs::write(folder.join("1/runs.csv"), runs).unwrap();
    assert_eq!(sim(&folder, &["merge", "0", "1", "-q", "--exit-zero", "-o", "m"]).status.code(), Some(0));
    play(&folder, &["-o", "whole"]);
    assert_same(&folder.join("whole"), &folder.join("m"));
}

#[test]
fn an_end_between_the_two_names_loses_no_run() {
    let folder = folder("between");
    play(&folder, &["-o", "s"]);
    play(&folder, &["-o", "whole"]);
    fs::rename(folder.join("s/cells.csv"), folder.join("s/cells.csv.part")).unwrap();
    assert_eq!(play(&folder, &["-o", "s", "--resume"]).status.code(), Some(0));
    assert_same(&folder.join("whole"), &folder.join("s"));
    // Bytes that are no text, at the end.
    for name in ["cells.csv", "runs.csv"] {
        let mut bytes = fs::read(folder.join("s").join(name)).unwrap();
        bytes.extend(b"\xff\xfe2,");
        fs::write(folder.join("s").join(format!("{name}.part")), bytes).unwrap();
        fs::remove_file(folder.join("s").join(name)).unwrap();
    }
    assert_eq!(play(&folder, &["-o", "s", "--resume"]).status.code(), Some(0));
    assert_same(&folder.join("whole"), &folder.join("s"));
    // Rows that are lost can't be made up.
    fs::rename(folder.join("s/cells.csv"), folder.join("s/cells.csv.part")).unwrap();
    fs::remove_file(folder.join("s/runs.csv")).unwrap();
    refused(&play(&folder, &["-o", "s", "--resume"]), 3, "has 0 rows where 6 belong");
}

#[test]
fn resume_begins_what_was_never_begun() {
    let folder = folder("begins");
    assert_eq!(play(&folder, &["-o", "s", "--resume"]).status.code(), Some(0));
    play(&folder, &["-o", "whole"]);
    assert_same(&folder.join("whole"), &folder.join("s"));
}

#[test]
fn without_thresholds_nothing_fails() {
    let folder = folder("no_thresholds");
    let [scenario, _] = [0, 1].map(|part| SCENARIO.split("[thresholds]").nth(part).unwrap());
    fs::write(folder.join("x.toml"), scenario).unwrap();
    let output = sim(&folder, &[&["sweep", "x.toml", "--junit", "j.xml", "--gitlab", "g.json"], &VARY[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("of 3 cells safe (elb_5xx is 0 with every seed)") && !text.contains('✗'), "{text}");
    assert!(fs::read_to_string(folder.join("j.xml")).unwrap().contains("tests=\"3\" skipped=\"0\" failures=\"0\""));
    assert_eq!(fs::read_to_string(folder.join("g.json")).unwrap().trim(), "[]");
    // Whatever figure is drawn, safe is what it was.
    let drawn = sim(&folder, &["plot", "output/x", "--figure", "requests", "-q"]);
    assert_eq!(drawn.status.code(), Some(0), "{}", stderr(&drawn));
    let other = fs::read_to_string(folder.join("output/x/sweep-requests.svg")).unwrap();
    let own = fs::read_to_string(folder.join("output/x/sweep.svg")).unwrap();
    let subtitle = |svg: &str| svg.lines().find(|line| line.contains("3 cells × 1 seed")).map(str::to_owned);
    assert_eq!(subtitle(&other), subtitle(&own));
    assert!(subtitle(&own).is_some());
}

#[test]
fn the_first_failure_is_told_to_the_ci_system() {
    let folder = folder("fast_ci");
    let arguments = ["sweep", "x.toml", "-q", "--fail-fast", "--junit", "j.xml", "--markdown", "m.md", "--vary"];
    // The first cell cannot run, the second one misses its threshold, the third is not played.
    let vary = "load_balancer_controller.rule_lag=never,45s,0s";
    let mut command = command(&folder, &[&arguments[..], &[vary]].concat());
    let output = command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "summary.md").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a cell could not run: {}", stderr(&output));
    let annotations = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = annotations.lines().collect();
    assert!(lines[0].starts_with("::error title=cell could not run::x: rule_lag = never: "), "{annotations}");
    assert!(lines[1].starts_with("::error title=cell is not safe::x: rule_lag = 45s: elb_5xx"), "{annotations}");
    assert_eq!(lines.len(), 2);
    // A scenario below the current folder is named from there.
    let whole = folder.join("x.toml").to_str().unwrap().to_owned();
    sim(&folder, &["sweep", &whole, "-q", "--fail-fast", "--gitlab", "g.json", "--vary", vary, "-o", "whole"]);
    let gitlab = fs::read_to_string(folder.join("g.json")).unwrap();
    assert!(gitlab.contains("\"path\": \"x.toml\""), "{gitlab}");
    assert!(
        fs::read_to_string(folder.join("j.xml"))
            .unwrap()
            .contains("tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"1\"")
    );
    assert_eq!(
        fs::read_to_string(folder.join("m.md")).unwrap(),
        fs::read_to_string(folder.join("summary.md")).unwrap()
    );
}

#[test]
fn two_keys_of_one_name_are_told_apart() {
    let folder = folder("names");
    let vary = [
        "--vary",
        "rollout.strategy.canary.steps[0].setWeight=20,50",
        "--vary",
        "rollout.strategy.canary.steps[2].setWeight=20,50",
    ];
    fs::write(folder.join("x.toml"), SCENARIO.replace("\"10s\" } }]", "\"10s\" } }, { setWeight = 80 }]")).unwrap();
    let output = sim(&folder, &[&["sweep", "x.toml", "--exit-zero", "--junit", "j.xml"], &vary[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let xml = fs::read_to_string(folder.join("j.xml")).unwrap();
    for cell in ["20, steps[2].setWeight = 20", "20, steps[2].setWeight = 50", "50, steps[2].setWeight = 20"] {
        assert_eq!(xml.matches(&format!("name=\"steps[0].setWeight = {cell}\"")).count(), 1, "{xml}");
    }
}

#[test]
fn the_seed_of_the_scenario_is_that_of_its_cells() {
    let folder = folder("seed");
    let run = |rest: &[&str]| {
        let vary = ["--vary", "rollout.replicas=4"];
        sim(&folder, &[&["sweep", "x.toml", "-q", "--exit-zero", "--runs"], &vary[..], rest].concat());
        let name = rest[rest.len() - 1];
        fs::read_to_string(folder.join(name).join("runs.csv")).unwrap().lines().nth(1).unwrap().to_owned()
    };
    let row = run(&["--seed", "7", "-o", "a"]);
    assert!(row.starts_with("0,4,7,"), "{row}");
    assert_eq!(run(&["--set", "seed=7", "-o", "b"]), row);
    assert_ne!(run(&["-o", "c"]), row);
}

#[test]
fn many_cells_make_small_pictures() {
    let folder = folder("many");
    let scenario = SCENARIO.replace("rate = \"20/s\"", "rate = \"0.1/s\"");
    fs::write(folder.join("x.toml"), scenario).unwrap();
    let vary = ["--vary", "load_balancer_controller.rule_lag=1ms..6000ms:1ms"];
    let output = sim(&folder, &[&["sweep", "x.toml", "-q"], &vary[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let size = fs::metadata(folder.join("output/x/sweep.svg")).unwrap().len();
    assert!(size < 2_000_000, "{size} bytes");
}
