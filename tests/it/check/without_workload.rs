//! Files that hold no Rollout and no Deployment: an Ingress alone, Services alone.

use super::command::json;
use super::folder as findings;
use crate::manifests::{WEB, folder, sim, sim_with_input, stderr, stdout};
use rollout_sim::check::catalogue::rules_without_workload;
use rollout_sim::check::{Checked, Simulated, check_without_workload};
use rollout_sim::scenario::manifests::stream::Stream;
use rollout_sim::scenario::sources::Sources;
use std::fs;

/// The documents that are no workload.
fn without_workload(text: &str) -> String {
    let is_workload =
        |document: &&str| ["kind: Rollout", "kind: Deployment"].iter().any(|kind| document.contains(kind));
    text.split("---\n").filter(|document| !is_workload(document)).collect::<Vec<_>>().join("---\n")
}

fn checked(text: &str) -> (Sources, Checked) {
    let mut sources = Sources::default();
    sources.add_manifests("x.yaml", text, true);
    let (stream, problems) = Stream::read(&sources);
    assert_eq!(problems, [], "{text}");
    let checked = check_without_workload(&sources, &stream);
    (sources, checked)
}

#[test]
fn a_rule_that_needs_no_workload_finds_its_fault_without_one() {
    for rule in rules_without_workload() {
        let code = rule.page.code;
        let read = |name: &str| fs::read_to_string(findings().join(format!("{code}.{name}.yaml"))).unwrap();
        let (bad, good) = (read("bad"), read("good"));
        let bad = without_workload(&bad);
        let (sources, found) = checked(&bad);
        let lines = found
            .findings
            .iter()
            .filter(|finding| finding.code == code)
            .map(|finding| finding.place.as_ref().map(|place| sources.line_and_column(place.start).0));
        let marked = bad.lines().position(|line| line.ends_with("# <-")).map(|index| index + 1);
        assert_eq!(lines.collect::<Vec<_>>(), [marked], "{code}");
        assert_eq!(found.simulated, Simulated::NoWorkload, "{code}");
        let (_, found) = checked(&without_workload(&good));
        assert!(found.findings.iter().all(|finding| finding.code != code), "{code}: {:#?}", found.findings);
    }
}

#[test]
fn an_ingress_alone_is_checked_and_not_run() {
    let folder = folder("without_workload");
    let objects = without_workload(WEB);
    fs::write(folder.join("web.yaml"), &objects).unwrap();
    let output = sim(&folder, &["check", "web.yaml", "--junit", "a.xml", "--markdown", "a.md", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let told = "the manifests hold no Rollout and no Deployment: nothing is simulated";
    let deployment = json(&stdout(&output))["deployments"][0].clone();
    assert_eq!((&deployment["not_simulated"], &deployment["failed"]), (&told.into(), &serde_json::Value::Null));
    let junit = fs::read_to_string(folder.join("a.xml")).unwrap();
    assert!(junit.contains(&format!("<skipped message=\"{told}\"/>")) && junit.contains("errors=\"0\""), "{junit}");
    let markdown = fs::read_to_string(folder.join("a.md")).unwrap();
    assert!(markdown.starts_with("## ✅") && markdown.contains("nothing is simulated"), "{markdown}");
    for arguments in [&["run", "web.yaml"][..], &["check", "web.yaml", "--rollout", "web"]] {
        let output = sim(&folder, arguments);
        assert!(stderr(&output).starts_with("error: there is nothing to release"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn the_exit_code_follows_what_is_found_in_it() {
    let folder = folder("without_workload_exit");
    let interval = "healthcheck-interval-seconds: \"10\"";
    let objects = without_workload(WEB);
    assert!(objects.contains(interval));
    let with = |line: &str| objects.replace(interval, &format!("{interval}\n    alb.ingress.kubernetes.io/{line}"));
    for (text, code, told) in [
        (objects.clone(), 0, "0 errors, 0 warnings, 0 notes"),
        (with("healthcheck-timeout-seconds: \"10\""), 1, "error[ALB022]"),
        (with("helthcheck-path: /"), 1, "warning[M001]: unknown annotation"),
        (with("success-codes: 200-499 # sim-check: ignore ALB025 because of a login"), 0, "1 ignored by comments"),
        // Whether it would ignore anything shows when there is a workload.
        (with("success-codes: \"200\" # sim-check: ignore ALB023 because of a login"), 0, "0 errors, 0 warnings"),
        (with("healthy-threshold-count: two"), 2, "error: `healthy-threshold-count` is two"),
        (with("load-balancer-attributes: \"idle_timeout.timeout_seconds=0,x\""), 2, "2 errors"),
    ] {
        let output = sim_with_input(&folder, &["check", "-"], &text);
        assert!(stdout(&output).contains(told), "{told}: {}", stdout(&output));
        assert_eq!(output.status.code(), Some(code), "{told}");
    }
    let wrong = with("healthcheck-timeout-seconds: \"10\"");
    let mended = sim_with_input(&folder, &["check", "-", "--fix", "--only", "ALB022"], &wrong);
    assert_eq!(stdout(&mended), with("healthcheck-timeout-seconds: \"5\""), "{}", stderr(&mended));
    assert_eq!(mended.status.code(), Some(0));
}
