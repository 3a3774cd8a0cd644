//! Argo CD and git: windows that are never open, versions that there are not, commits that no cluster takes.

use super::{VALID, refused};

fn with_lines(lines: &str) -> String {
    format!("{VALID}{lines}")
}

#[test]
fn a_window_that_is_never_open() {
    refused(
        "empty_window",
        &with_lines("[argo_cd]\nsync_windows = [{ from = \"20m\", to = \"5m\" }]\n"),
        r#"
error: the window ends at 5m, and begins at 20m: it is never open
  --> x.toml:18:38
   |
18 | sync_windows = [{ from = "20m", to = "5m" }]
   |                                      ^^^^
   |
   = help: write to = "30m"
"#,
    );
}

#[test]
fn a_version_that_there_is_not() {
    refused(
        "argo_cd_version",
        &with_lines("[argo_cd]\nversion = \"3.9.9\"\n"),
        r#"
error: "3.9.9" is no version of Argo CD from 2.0 to 3.5
  --> x.toml:18:11
   |
18 | version = "3.9.9"
   |           ^^^^^^^
   |
   = help: write one of them, like version = "3.3.12"
"#,
    );
}

#[test]
fn a_commit_of_a_string_where_a_list_belongs() {
    refused(
        "commit_of_a_string",
        &with_lines("[argo_cd]\n[[git.commits]]\nat = \"30s\"\nset = { \"/spec/rules\" = \"x\" }\n"),
        r#"
error: `/spec/rules` must be a list
  --> x.toml:20:7
   |
20 | set = { "/spec/rules" = "x" }
   |       ^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: Kubernetes refuses such a manifest
"#,
    );
}

#[test]
fn a_commit_of_an_object_that_is_not_in_git() {
    refused(
        "commit_of_nothing",
        &with_lines("[argo_cd]\n[[git.commits]]\nat = \"30s\"\nkind = \"HTTPRoute\"\nremove = [\"/spec/hostnames\"]\n"),
        r#"
error: git has no HTTPRoute
  --> x.toml:20:8
   |
20 | kind = "HTTPRoute"
   |        ^^^^^^^^^^^
   |
   = help: write one of Rollout, Ingress, Service; without `kind` a commit is of an Ingress
"#,
    );
}

/// TOML reads 2.10 as 2.1.
#[test]
fn a_version_that_is_a_number() {
    refused(
        "argo_cd_version_number",
        &with_lines("[argo_cd]\nversion = 2.10\n"),
        r#"
error: a version is a string, this is a decimal number
  --> x.toml:18:11
   |
18 | version = 2.10
   |           ^^^^
   |
   = help: write it in quotes, version = "2.10"
"#,
    );
}

#[test]
fn a_cache_that_nobody_asks() {
    refused(
        "repo_server_cache",
        &with_lines("[argo_cd]\nrepo_server_cache = \"10m\"\n"),
        r#"
error: with polling = "drawn" nobody asks the repo-server
  --> x.toml:18:21
   |
18 | repo_server_cache = "10m"
   |                     ^^^^^
   |
   = help: write polling = "informer", or commit_detection instead
"#,
    );
}

#[test]
fn a_rule_for_no_object_ignores_nothing() {
    let rule = |rule: &str| {
        let text = with_lines(&format!("[argo_cd]\napplication.spec.ignoreDifferences = [{rule}]\n"));
        let loaded = rollout_sim::scenario::load::load(&text, "x", &[]).expect("Argo CD takes it");
        loaded.warnings.iter().filter(|warning| warning.message.contains("ignores nothing")).count()
    };
    let pointers = "jsonPointers = [\"/spec/rules\"]";
    assert_eq!(rule(&format!("{{ group = \"networking.k8s.io\", kind = \"Ingress\", {pointers} }}")), 0);
    assert_eq!(rule(&format!("{{ group = \"*\", kind = \"*\", {pointers} }}")), 0);
    assert_eq!(rule(&format!("{{ group = \"networking.k8s.io\", kind = \"Ingres\", {pointers} }}")), 1);
    assert_eq!(rule(&format!("{{ group = \"extensions\", kind = \"Ingress\", {pointers} }}")), 1);
}
