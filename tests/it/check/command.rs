//! The command `sim check`: what it prints, writes, mends and compares, and its exit codes.

use crate::manifests::{WEB, folder, sim, sim_with_input, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

pub fn article() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/article/manifests");
    let read = |name: &str| fs::read_to_string(here.join(name)).unwrap();
    format!("{}---\n{}", read("rollout.yaml"), read("ingress.yaml"))
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|problem| panic!("{problem}: {text}"))
}

#[test]
fn the_articles_deployment_is_told_its_cause_and_mended() {
    let folder = folder("check_article");
    let output = sim_with_input(&folder, &["check", "-", "--format", "json"], &article());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = json(&stdout(&output));
    let deployment = &report["deployments"][0];
    let findings = deployment["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["code"] == "ALB020").expect("the cause is named");
    let line = article().lines().position(|line| line.contains("dynamicStableScale: true")).unwrap() + 1;
    assert_eq!(found["position"]["line"], line);
    let failed = deployment["failed"].as_f64().unwrap();
    assert!(failed > 1_000.0, "{failed}");
    assert_eq!(found["prediction"]["failed"], failed);
    assert_eq!(found["prediction"]["failed_with_change"], 0.0);

    fs::write(folder.join("web.yaml"), article()).unwrap();
    let output = sim(&folder, &["check", "web.yaml", "--fix", "-q"]);
    assert!(stderr(&output).contains("ALB020: failed requests of a release"), "{}", stderr(&output));
    assert!(stderr(&output).contains("→ 0\nchanged web.yaml"), "{}", stderr(&output));
    let mended = fs::read_to_string(folder.join("web.yaml")).unwrap();
    // One word of one line, and its comment is still there.
    assert_eq!(mended, article().replace("dynamicStableScale: true #", "dynamicStableScale: false #"));
    let output = sim(&folder, &["check", "web.yaml", "--format", "json"]);
    assert_eq!(json(&stdout(&output))["deployments"][0]["failed"], 0.0);
}

#[test]
fn a_change_is_shown_made_and_piped_alike() {
    let folder = folder("check_diff");
    fs::write(folder.join("web.yaml"), article()).unwrap();
    let output = sim(&folder, &["check", "web.yaml", "--diff"]);
    let diff = stdout(&output);
    assert!(diff.starts_with("--- a/web.yaml\n+++ b/web.yaml\n@@ "), "{diff}");
    let changed: Vec<_> = diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed.len(), 2, "{diff}");
    assert_eq!(fs::read_to_string(folder.join("web.yaml")).unwrap(), article(), "it is only shown");
    let piped = sim_with_input(&folder, &["check", "-", "--fix"], &article());
    assert_eq!(stdout(&piped), article().replace("dynamicStableScale: true", "dynamicStableScale: false"));
    // A finding that is named is mended whether it helps most or not.
    let output = sim(&folder, &["check", "web.yaml", "--diff", "--only", "K005"]);
    assert!(stdout(&output).contains("+                seconds: "), "{}", stdout(&output));
    let output = sim(&folder, &["check", "web.yaml", "--fix", "--only", "K001"]);
    assert!(stderr(&output).starts_with("error: K001: Rollout web has no change to make"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_change_is_compared_with_what_was_before() {
    let folder = folder("check_against");
    fs::create_dir_all(folder.join("old")).unwrap();
    fs::write(folder.join("old/web.yaml"), article().replace("dynamicStableScale: true", "dynamicStableScale: false"))
        .unwrap();
    fs::write(folder.join("new.yaml"), article()).unwrap();
    let output = sim(&folder, &["check", "new.yaml", "--against", "old", "--markdown", "comment.md"]);
    let sentence = "this change raises the expected failed requests per release from 0 to ";
    assert!(stdout(&output).contains(sentence), "{}", stdout(&output));
    assert!(fs::read_to_string(folder.join("comment.md")).unwrap().contains(sentence));
    let output = sim(&folder, &["check", "old/web.yaml", "--against", "old"]);
    assert!(stdout(&output).contains("leaves the expected failed requests per release at 0"), "{}", stdout(&output));
    let output = sim(&folder, &["check", "old/web.yaml", "--against", "new.yaml"]);
    assert!(stdout(&output).contains("this change lowers the expected failed requests per release from "));
    let renamed = article().replace("  name: web\nspec:\n  replicas", "  name: shop\nspec:\n  replicas");
    let output = sim_with_input(&folder, &["check", "-", "--against", "old"], &renamed);
    assert!(stdout(&output).contains("Rollout shop is new: "), "{}", stdout(&output));
}

#[test]
fn comments_with_a_reason_suppress_and_useless_ones_are_found() {
    let folder = folder("check_suppress");
    let codes = |text: &str| {
        let output = sim_with_input(&folder, &["check", "-", "--format", "json", "--exit-zero"], text);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let report = json(&stdout(&output));
        let findings = report["deployments"][0]["findings"].as_array().unwrap().clone();
        let codes: Vec<String> = findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
        (codes, report["suppressed"].as_u64().unwrap())
    };
    let has = |codes: &[String], code: &str| codes.iter().any(|other| other == code);
    let (all, _) = codes(&article());
    assert!(has(&all, "ALB020") && has(&all, "K005") && !has(&all, "S001"));
    let line = "      dynamicStableScale: true # saves";
    for (comment, reason) in [
        ("      dynamicStableScale: true # sim-check: ignore ALB020 because pods are dear; saves", true),
        (
            "      # sim-check: ignore ALB020 because pods are dear\n      # and so on\n      dynamicStableScale: true # saves",
            true,
        ),
        ("      dynamicStableScale: true # sim-check: ignore ALB020", false),
    ] {
        let (left, suppressed) = codes(&article().replace(line, comment));
        assert!(!has(&left, "ALB020") && has(&left, "K005"), "{comment}: {left:?}");
        assert_eq!((suppressed, has(&left, "S002"), has(&left, "S001")), (1, !reason, false), "{comment}");
    }
    let of_all = format!("# sim-check: ignore ALB020, K005 because this is the article\n{}", article());
    let (left, suppressed) = codes(&of_all);
    assert!(!has(&left, "ALB020") && !has(&left, "K005") && suppressed == 2, "{left:?}");
    let useless = article().replace("  replicas: 10", "  replicas: 10 # sim-check: ignore K023 because of nothing");
    assert!(has(&codes(&useless).0, "S001"));
    // An error is none the less one.
    let broken = article().replace("setWeight: 60", "setWeight: 160 # sim-check: ignore V11 because we can");
    assert!(has(&codes_of_broken(&folder, &broken), "V11"));
}

fn codes_of_broken(folder: &Path, text: &str) -> Vec<String> {
    let output = sim_with_input(folder, &["check", "-", "--format", "json"], text);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = json(&stdout(&output));
    let findings = report["deployments"][0]["findings"].as_array().unwrap().clone();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_exit_code_follows_the_level() {
    let folder = folder("check_exit");
    let code = |text: &str, arguments: &[&str]| {
        sim_with_input(&folder, &[&["check", "-", "-q"], arguments].concat(), text).status.code().unwrap()
    };
    assert_eq!(code(&article(), &[]), 1);
    assert_eq!(code(&article(), &["--fail-on", "error"]), 0);
    assert_eq!(code(&article(), &["--exit-zero"]), 0);
    assert_eq!(code(&article().replace("setWeight: 60", "setWeight: 160"), &["--fail-on", "error"]), 1);
    // What cannot be read is no finding.
    assert_eq!(code(&article().replace("replicas: 10", "replicas: ten"), &["--exit-zero"]), 2);
    assert_eq!(code("a: [", &["--exit-zero"]), 2);
    assert_eq!(code("", &[]), 2);
}

#[test]
fn the_numbers_are_those_of_a_run() {
    let folder = folder("check_numbers");
    fs::write(folder.join("web.yaml"), WEB).unwrap();
    let set = ["--set", "traffic.rate=60/s", "--set", "rollout.strategy.canary.dynamicStableScale=true"];
    let checked = sim(&folder, &[&["check", "web.yaml", "--seeds", "4", "--format", "json"], &set[..]].concat());
    let checked = json(&stdout(&checked))["deployments"][0].clone();
    let run = sim(&folder, &[&["run", "web.yaml", "--seeds", "4", "--format", "json"], &set[..]].concat());
    let run = json(&stdout(&run));
    assert_eq!(checked["failed"], run["requests"]["elb_5xx"]["mean"]);
    assert_eq!(checked["requests"], run["requests"]["total"]["mean"]);
}

#[test]
fn reports_take_no_ones_place() {
    let folder = folder("check_reports");
    fs::write(folder.join("web.yaml"), WEB).unwrap();
    for (arguments, message) in [
        (&["--sarif", "web.yaml"][..], "error: the run would overwrite its own input web.yaml"),
        (&["--sarif", "a", "--junit", "./a"], "error: two reports would go to ./a"),
        (&["--only", "K005"], "error: --only says whose changes are made, and none are"),
        (&["--set", "nonsense"], "error: "),
    ] {
        let output = sim(&folder, &[&["check", "web.yaml"], arguments].concat());
        let said = format!("{}{}", stderr(&output), stdout(&output));
        assert!(said.starts_with(message), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(folder.join("web.yaml")).unwrap(), WEB);
}

#[test]
fn annotations_come_by_themselves_on_github() {
    let folder = folder("check_github");
    fs::write(folder.join("web.yaml"), article()).unwrap();
    let mut command = crate::manifests::command(&folder, &["check", "web.yaml", "-q"]);
    let output =
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", folder.join("summary.md")).output().unwrap();
    let said = stdout(&output);
    assert!(said.contains("::warning file=web.yaml,line=33,col=7,title=ALB020::dynamicStableScale"), "{said}");
    assert!(fs::read_to_string(folder.join("summary.md")).unwrap().starts_with("## ❌ rollout-sim"));
}
