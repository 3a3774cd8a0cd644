//! `sim explain`: a page for whatever a report names, and the commands on it show what they promise.

use crate::manifests::{folder, sim, stderr, stdout};
use rollout_sim::check::catalogue::pages;
use rollout_sim::check::glossary::{Instead, REFERENCES, RULES, TERMS, cause, entries};
use rollout_sim::model::outcome::Cause;
use rollout_sim::report::check::page;
use std::process::Command;

fn explain(name: &str) -> String {
    let output = sim(&folder("explain"), &["explain", name]);
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
    let output = sim(&folder("explain_code"), &["explain", "K099"]);
    assert!(!stderr(&output).contains("did you mean"), "{}", stderr(&output));
    assert!(explain("setweight").contains("share of the traffic"));
}

/// Runs a command of a page, in the project's folder.
fn run(command: &str) -> serde_json::Value {
    let output = folder("explain_run").join(command.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let arguments = command.strip_prefix("sim ").unwrap().split(' ');
    let mut sim = Command::new(env!("CARGO_BIN_EXE_sim"));
    sim.args(arguments.map(|argument| argument.replace('\'', ""))).current_dir(env!("CARGO_MANIFEST_DIR"));
    let done = sim.args(["--format", "json", "--output", output.to_str().unwrap()]).output().unwrap();
    assert!(matches!(done.status.code(), Some(0 | 1)), "{command}: {}", stderr(&done));
    serde_json::from_str(&stdout(&done)).unwrap()
}

#[test]
fn the_command_of_a_cause_shows_it() {
    for name in Cause::ALL {
        let entry = cause(name);
        let summary = run(entry.reproduce);
        let causes = summary["causes"].as_array().unwrap();
        assert!(causes.iter().any(|cause| cause["cause"] == entry.name), "{}: {causes:?}", entry.name);
    }
}

#[test]
fn the_commands_of_pages_name_what_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let commands = pages().map(|page| page.reproduce).chain(entries().map(|entry| entry.reproduce)).collect::<Vec<_>>();
    for command in commands {
        for word in command.split(' ').filter(|word| word.starts_with("scenarios/")) {
            let path = root.join(word.trim_end_matches(','));
            assert!(path.exists(), "{command}: {word}");
        }
    }
}
