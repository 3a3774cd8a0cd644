//! `sim explain`: a page for whatever a report names, and the commands on it show what they promise.

use super::command::json;
use crate::manifests::{folder, sim, stderr, stdout};
use rollout_sim::check::catalogue::pages;
use rollout_sim::check::glossary::{Instead, REFERENCES, RULES, TERMS, WAY_BACK, cause, entries};
use rollout_sim::model::outcome::Cause;
use rollout_sim::report::check::page;
use std::path::Path;

fn explain(name: &str) -> String {
    // Which reads no file and writes none: the tests may do it side by side.
    let output = sim(Path::new(env!("CARGO_TARGET_TMPDIR")), &["explain", name]);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn there_is_a_page_for_each_finding_cause_rule_and_term() {
    let all = stdout(&sim(&folder("explain_list"), &["explain"]));
    for found in pages() {
        assert!(page::render(found, 100).contains(found.consequence.split(' ').next().unwrap()), "{}", found.code);
        assert!(all.contains(found.title), "{}", found.code);
    }
    for entry in entries() {
        assert!(page::entry(&entry, 100).contains(entry.title), "{}", entry.name);
        assert!(entry.words.ends_with('.'), "{}", entry.name);
        assert!(all.contains(entry.title), "{}", entry.name);
    }
    assert_eq!((RULES.len(), TERMS.len() >= 8), (25, true));
    assert!(explain("k005").contains("no preStop hook"));
    assert!(explain("V9").contains("dynamicStableScale beside scaleDownDelaySeconds"));
    assert!(explain("connection_refused").contains("SYN"));
    assert!(explain("rule_lag").contains("load_balancer_controller.rule_lag"));
    assert!(explain("load_balancer.deregistration").contains("Default"));
    let output = sim(&folder("explain_nothing"), &["explain", "K05"]);
    assert!(stderr(&output).contains("did you mean `K005`?"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

/// The rules follow two lists of practices: a code of theirs without a rule leads to the one that covers it, or says why
/// none does.
#[test]
fn a_code_without_a_rule_says_so() {
    let codes: Vec<_> = pages().map(|page| page.code).collect();
    for reference in &REFERENCES {
        assert!(!codes.contains(&reference.code), "{}", reference.code);
        match reference.instead {
            Instead::See(code) => assert!(codes.contains(&code), "{code}"),
            Instead::NotChecked(why) => assert!(why.ends_with('.'), "{why}"),
        }
    }
    assert!(explain("ALB001").starts_with("ALB001: see K005\n\nK005 (warning)"), "{}", explain("ALB001"));
    assert!(explain("k031").contains("K031 is not checked: the size of an image"), "{}", explain("k031"));
    assert!(explain("ALB042").starts_with("ALB042: see K038\n\nK038 (warning)"), "{}", explain("ALB042"));
    let output = sim(&folder("explain_code"), &["explain", "K099"]);
    assert!(!stderr(&output).contains("did you mean"), "{}", stderr(&output));
    assert!(explain("setweight").contains("share of the traffic"));
}

/// What the lines of a page print that go to a shell, if `sim` prints JSON; requests and seeds are few. Nothing but the
/// program is there.
#[cfg(unix)]
mod shell {
    use super::{explain, folder, json};
    use serde_json::Value;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;
    use std::{env, fs};

    /// The lines below a head.
    pub fn lines(page: &str, head: &str) -> Option<String> {
        let (_, lines) = page.split_once(&format!("\n{head}\n"))?;
        let end = lines.find("\n\n").map_or(lines.len(), |end| end + 1);
        Some(lines[..end].to_owned())
    }

    fn sim(folder: &Path) -> String {
        let script = format!(
            "#!/bin/sh\ncommand=$1\nshift\ncase $command in\ncheck) set -- --format json --seeds 1 --set traffic.rate=20/s \
             \"$@\" ;;\nrun) set -- --format json \"$@\" ;;\nesac\nexec '{}' $command \"$@\"\n",
            env!("CARGO_BIN_EXE_sim")
        );
        fs::write(folder.join("sim"), script).unwrap();
        fs::set_permissions(folder.join("sim"), fs::Permissions::from_mode(0o755)).unwrap();
        format!("{}:{}", folder.display(), env::var("PATH").unwrap())
    }

    /// What comes of the lines, and how they end.
    pub fn run(name: &str, lines: &str) -> (Value, i32) {
        let folder = folder(&format!("explain_{}", name.replace(' ', "_")));
        let path = sim(&folder);
        let output = Command::new("sh").args(["-c", lines]).current_dir(&folder).env("PATH", path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with('{'), "{name}: {lines}\n{said}{}", String::from_utf8_lossy(&output.stderr));
        (json(&said), output.status.code().unwrap())
    }

    /// The page's example has a finding of its code, where the example says; returns that finding.
    pub fn example(code: &str) -> Value {
        let page = explain(code);
        let lines = lines(&page, "To see it").unwrap_or_else(|| panic!("{page}"));
        let (report, exit) = run(code, &lines);
        assert_eq!(exit == 2, code == "INPUT", "{code}");
        let findings = report["deployments"][0]["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["code"] == code);
        let found = found.unwrap_or_else(|| panic!("{code}: {findings:#?}"));
        // The first line is the command's.
        if let Some(marked) = lines.lines().position(|line| line.ends_with("# <-")) {
            assert_eq!(found["position"]["line"], marked, "{code}: {found}");
        }
        found.clone()
    }
}

#[cfg(unix)]
#[test]
fn the_example_of_a_page_has_its_finding_and_says_what_it_costs() {
    for page in pages() {
        let found = shell::example(page.code);
        let run = shell::lines(&explain(page.code), "What comes of it").map(|lines| shell::run(page.code, &lines));
        assert_eq!(run.is_some(), page.run.is_some(), "{}", page.code);
        let of_run = run.map_or(0, |(summary, _)| summary["requests"]["elb_5xx"].as_u64().expect("a run counts them"));
        let prediction = &found["prediction"];
        let shows_cost = prediction["failed"].as_f64() != prediction["failed_with_change"].as_f64() || of_run > 0;
        assert!(prediction.is_null() || shows_cost, "{}: {prediction}", page.code);
    }
}

#[cfg(unix)]
#[test]
fn the_example_of_a_rule_of_the_controller_breaks_it() {
    for rule in &RULES {
        shell::example(rule.name);
    }
}

#[cfg(unix)]
#[test]
fn the_run_of_a_cause_shows_it_and_that_of_a_term_runs() {
    for entry in Cause::ALL.map(cause).iter().chain(&TERMS).chain(&WAY_BACK) {
        let lines = shell::lines(&explain(entry.name), "To see it").unwrap();
        let (summary, exit) = shell::run(entry.name, &lines);
        assert!(matches!(exit, 0 | 1), "{}", entry.name);
        let causes = summary["causes"].as_array().unwrap();
        let is_there = causes.iter().any(|cause| cause["cause"] == entry.name);
        let is_cause = Cause::ALL.iter().any(|cause| cause.name() == entry.name);
        assert!(is_there || !is_cause, "{}: {causes:?}", entry.name);
    }
}
