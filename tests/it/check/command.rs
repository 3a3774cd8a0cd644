//! The command `sim check`: what it prints, writes, mends and compares, and its exit codes.

use crate::manifests::{WEB, folder, sim, sim_with_input, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Enough requests to see a difference.
const QUICK: [&str; 4] = ["--set", "traffic.rate=40/s", "--seeds", "1"];

fn check(folder: &Path, arguments: &[&str]) -> std::process::Output {
    sim(folder, &[&["check"], &QUICK[..], arguments].concat())
}

fn check_input(folder: &Path, arguments: &[&str], input: &str) -> std::process::Output {
    sim_with_input(folder, &[&["check", "-"], &QUICK[..], arguments].concat(), input)
}

/// `cat rollout.yaml ingress.yaml`, byte by byte.
pub fn article() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/article/manifests");
    ["rollout.yaml", "ingress.yaml"].map(|name| fs::read_to_string(here.join(name)).unwrap()).concat()
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
    let output = check(&folder, &["web.yaml", "--diff"]);
    let diff = stdout(&output);
    assert!(diff.starts_with("--- a/web.yaml\n+++ b/web.yaml\n@@ "), "{diff}");
    let changed: Vec<_> = diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed.len(), 2, "{diff}");
    assert_eq!(fs::read_to_string(folder.join("web.yaml")).unwrap(), article(), "it is only shown");
    let piped = check_input(&folder, &["--fix"], &article());
    assert_eq!(stdout(&piped), article().replace("dynamicStableScale: true", "dynamicStableScale: false"));
    // A finding that is named is mended whether it helps most or not.
    let output = check(&folder, &["web.yaml", "--diff", "--only", "K005"]);
    assert!(stdout(&output).contains("+                seconds: "), "{}", stdout(&output));
    for (code, message) in [
        ("K001", "error: K001 proposes no change here"),
        ("K05", "error: --only K05: there is no such finding\n |\n = help: did you mean K005?"),
    ] {
        let output = check(&folder, &["web.yaml", "--fix", "--only", code]);
        assert!(stderr(&output).starts_with(message), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2));
    }
    // Of two releases the one that has the fault is mended; codes may be written small.
    let mended = article().replace("  name: web\nspec:\n  replicas", "  name: shop\nspec:\n  replicas");
    let mended = mended.split("---\n").nth(1).unwrap().replace("dynamicStableScale: true", "dynamicStableScale: false");
    fs::write(folder.join("two.yaml"), format!("{}---\n{mended}", article())).unwrap();
    let output = check(&folder, &["two.yaml", "--diff", "--only", "alb020"]);
    assert!(stdout(&output).contains("+      dynamicStableScale: false"), "{}", stderr(&output));
}

#[test]
fn a_change_is_compared_with_what_was_before() {
    let folder = folder("check_against");
    fs::create_dir_all(folder.join("old")).unwrap();
    fs::write(folder.join("old/web.yaml"), article().replace("dynamicStableScale: true", "dynamicStableScale: false"))
        .unwrap();
    fs::write(folder.join("new.yaml"), article()).unwrap();
    let output = check(&folder, &["new.yaml", "--against", "old", "--markdown", "comment.md"]);
    let sentence = "this change raises the expected failed requests per release from 0 to ";
    assert!(stdout(&output).contains(sentence), "{}", stdout(&output));
    assert!(fs::read_to_string(folder.join("comment.md")).unwrap().contains(sentence));
    let output = check(&folder, &["old/web.yaml", "--against", "old"]);
    assert!(stdout(&output).contains("leaves the expected failed requests per release at 0"), "{}", stdout(&output));
    let output = check(&folder, &["old/web.yaml", "--against", "new.yaml"]);
    assert!(stdout(&output).contains("this change lowers the expected failed requests per release from "));
    let renamed = article().replace("  name: web\nspec:\n  replicas", "  name: shop\nspec:\n  replicas");
    let output = check_input(&folder, &["--against", "old"], &renamed);
    assert!(stdout(&output).contains("Rollout shop is new: "), "{}", stdout(&output));
    assert!(stdout(&output).contains("this change removes Rollout web in default"), "{}", stdout(&output));
    let output = check_input(&folder, &["--against", "old", "--rollout", "shop", "--format", "json"], &renamed);
    assert_eq!(json(&stdout(&output))["removed"], serde_json::json!([]));
    // On the branch before there was no such folder.
    let output = check(&folder, &["new.yaml", "--against", "older/deploy", "--against", "older.yaml"]);
    assert!(stdout(&output).contains("Rollout web is new: "), "{}", stdout(&output));
    assert!(stderr(&output).contains("--against older/deploy: there is no such file or folder"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_to_render_first_goes_to_this_command() {
    let folder = folder("check_unrendered");
    let text = article().replace("  replicas: 10", "  replicas: {{ .Values.replicas }}");
    let said = stdout(&check_input(&folder, &[], &text));
    assert!(said.contains("render it first: helm template … | sim check -"), "{said}");
    fs::write(folder.join("old.yaml"), text).unwrap();
    let output = check_input(&folder, &["--against", "old.yaml"], &article());
    assert!(stderr(&output).contains("helm template … | sim check -"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn comments_with_a_reason_suppress_and_useless_ones_are_found() {
    let folder = folder("check_suppress");
    let codes = |text: &str| {
        let output = check_input(&folder, &["--format", "json", "--exit-zero"], text);
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
    let output = check_input(folder, &["--format", "json"], text);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = json(&stdout(&output));
    let findings = report["deployments"][0]["findings"].as_array().unwrap().clone();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_exit_code_follows_the_level() {
    let folder = folder("check_exit");
    let code = |text: &str, arguments: &[&str]| {
        check_input(&folder, &[&["-q"], arguments].concat(), text).status.code().unwrap()
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
    fs::create_dir(folder.join("old")).unwrap();
    fs::write(folder.join("old/web.yaml"), WEB).unwrap();
    for (arguments, message) in [
        (&["--sarif", "web.yaml"][..], "error: the report would take the place of web.yaml, which has been read"),
        (&["--against", "old", "--junit", "old/web.yaml"], "error: the report would take the place of old/web.yaml"),
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
    assert!(said.contains("::warning file=web.yaml,line=34,col=7,title=ALB020::dynamicStableScale"), "{said}");
    assert!(fs::read_to_string(folder.join("summary.md")).unwrap().starts_with("## ❌ rollout-sim"));
    // Where stdout is for machines, they do not.
    for arguments in [&["--format", "json"][..], &["--diff"], &["--format", "json", "-v"]] {
        let mut command = crate::manifests::command(&folder, &[&["check", "web.yaml"], arguments].concat());
        let output = command.env("GITHUB_ACTIONS", "true").output().unwrap();
        assert!(!stdout(&output).contains("::warning"), "{arguments:?}: {}", stdout(&output));
    }
}

#[test]
fn what_cannot_be_read_is_in_the_reports() {
    let folder = folder("check_broken");
    fs::write(folder.join("web.yaml"), article().replace("  replicas: 10", "  replicas: {{ .Values.replicas }}"))
        .unwrap();
    let output = check(&folder, &["web.yaml", "--sarif", "a.sarif", "--junit", "a.xml", "--markdown", "a.md"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("this looks like a Helm template"), "{}", stdout(&output));
    let sarif = json(&fs::read_to_string(folder.join("a.sarif")).unwrap());
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "INPUT");
    assert!(fs::read_to_string(folder.join("a.xml")).unwrap().contains("Helm template"));
    assert!(fs::read_to_string(folder.join("a.md")).unwrap().contains("| the manifests | cannot be read |"));
    assert!(stdout(&output).contains("\nthe manifests cannot be read\n1 error"), "{}", stdout(&output));
}

#[test]
fn a_fix_is_followed_by_what_is_left() {
    let folder = folder("check_left");
    fs::write(folder.join("web.yaml"), article()).unwrap();
    let output = check(&folder, &["web.yaml", "--fix", "--format", "json"]);
    let report = json(&stdout(&output));
    assert_eq!(report["deployments"][0]["failed"], 0.0);
    let findings = report["deployments"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["code"] != "ALB020"), "{findings:?}");
}

#[test]
fn a_fix_keeps_the_format_of_the_file() {
    let folder = folder("check_format");
    let crlf = article().replace('\n', "\r\n");
    let output = check_input(&folder, &["--fix", "--only", "K005"], &crlf);
    let mended = stdout(&output);
    assert!(mended.contains("preStop:\r\n"), "{mended}");
    assert_eq!(mended.matches('\n').count(), mended.matches("\r\n").count());
    // JSON stays JSON.
    let objects: Vec<Value> = ["rollout", "ingress"].map(json_of).into();
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    for text in [serde_json::to_string_pretty(&list).unwrap(), list.to_string()] {
        let output = check_input(&folder, &["--fix", "--only", "K005,ALB020"], &text);
        let mended = json(&stdout(&output));
        let canary = &mended["items"][0]["spec"]["strategy"]["canary"];
        assert_eq!(canary["dynamicStableScale"], false, "{}", stderr(&output));
        let container = &mended["items"][0]["spec"]["template"]["spec"]["containers"][0];
        assert!(container["lifecycle"]["preStop"]["sleep"]["seconds"].is_u64(), "{container}");
    }
}

/// A small deployment in JSON.
fn json_of(kind: &str) -> Value {
    match kind {
        "rollout" => serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": { "name": "web" },
            "spec": {
                "replicas": 4, "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web" }] } },
                "strategy": { "canary": {
                    "canaryService": "a", "stableService": "b", "dynamicStableScale": true,
                    "trafficRouting": { "alb": { "ingress": "web", "servicePort": 80 } },
                    "steps": [{ "setWeight": 50 }, { "pause": { "duration": 60 } }],
                } },
            },
        }),
        _ => serde_json::json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": { "name": "web", "annotations": { "alb.ingress.kubernetes.io/target-type": "ip" } },
            "spec": { "ingressClassName": "alb", "rules": [{ "http": { "paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": "b", "port": { "name": "use-annotation" } } },
            }] } }] },
        }),
    }
}

#[test]
fn a_change_never_goes_through_an_alias() {
    let folder = folder("check_alias");
    let probe = "          readinessProbe:\n            httpGet:\n              path: /healthz\n              port: http\n            periodSeconds: 5\n";
    let aliased =
        "          readinessProbe: &p\n            httpGet: { path: /, port: http }\n          livenessProbe: *p\n";
    assert!(article().contains(probe));
    let text = article().replace(probe, aliased);
    let output = check_input(&folder, &["--fix", "--only", "K015"], &text);
    assert!(stderr(&output).starts_with("error: K015 proposes no change here"), "{}", stderr(&output));
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("", Some(2)));
}

#[cfg(unix)]
#[test]
fn a_fix_keeps_the_mode_of_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("check_mode");
    fs::write(folder.join("web.yaml"), article()).unwrap();
    fs::set_permissions(folder.join("web.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    check(&folder, &["web.yaml", "--fix", "-q"]);
    assert!(fs::read_to_string(folder.join("web.yaml")).unwrap().contains("dynamicStableScale: false"));
    assert_eq!(fs::metadata(folder.join("web.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
}

/// What fails in the simulation is explained, whoever sends the requests.
#[test]
fn a_release_without_an_ingress_is_told_why_it_fails() {
    let folder = folder("check_without_ingress");
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: { name: web }\nspec:\n  replicas: 3\n  \
                   selector: { matchLabels: { app: web } }\n  template:\n    metadata: { labels: { app: web } }\n    spec:\n      \
                   containers:\n        - name: web\n          image: example.com/web:v1\n  strategy:\n    canary: { steps: [\
                   { setWeight: 50 }, { pause: { duration: 10 } }] }\n";
    let hook = rollout.replace("web:v1\n", "web:v1\n          lifecycle: { preStop: { sleep: { seconds: 2 } } }\n");
    for (text, code) in [(rollout, "K005"), (hook.as_str(), "K006")] {
        let output = sim_with_input(&folder, &["check", "-", "--format", "json"], text);
        let report = json(&stdout(&output));
        let deployment = &report["deployments"][0];
        assert!(deployment["failed"].as_f64().unwrap() > 0.0, "{report}");
        let findings = deployment["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["code"] == code).expect("the cause is named");
        assert!(found["message"].as_str().unwrap().contains("behind an ALB"), "{found}");
        assert_eq!(found["prediction"]["failed_with_change"], 0.0, "{found}");
    }
}

#[test]
fn a_router_beside_the_alb_is_told() {
    let istio = "        alb: { ingress: web, rootService: web-root, servicePort: 80 }\n        istio: { virtualService: { name: v } }\n";
    let both = WEB.replace("        alb: { ingress: web, rootService: web-root, servicePort: 80 }\n", istio);
    let output = sim_with_input(&folder("check_routers"), &["check", "-", "--format", "json"], &both);
    let report = json(&stdout(&output));
    let findings = report["deployments"][0]["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["code"] == "M002").expect("it is told");
    assert!(found["message"].as_str().unwrap().contains("only the ALB is simulated"), "{found}");
}

/// An autoscaler that scales nothing is told once, and one that scales another object of the files not at all.
#[test]
fn an_autoscaler_of_nothing_is_told() {
    let autoscaler = |kind: &str, name: &str| {
        format!(
            "{WEB}---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{ name: h }}\nspec: {{ \
             scaleTargetRef: {{ kind: {kind}, name: {name} }}, maxReplicas: 4 }}\n---\napiVersion: apps/v1\nkind: \
             Deployment\nmetadata: {{ name: worker }}\nspec: {{ replicas: 1 }}\n"
        )
    };
    let folder = folder("check_autoscaler");
    for (kind, name, count) in
        [("Rollout", "wbe", 1), ("Deployment", "web", 1), ("Rollout", "web", 0), ("Deployment", "worker", 0)]
    {
        let output = sim_with_input(&folder, &["check", "-", "--format", "json"], &autoscaler(kind, name));
        let report = json(&stdout(&output));
        let findings = report["deployments"][0]["findings"].as_array().unwrap();
        let told = findings.iter().filter(|finding| finding["code"] == "K041").count();
        assert_eq!(told, count, "{kind} {name}");
    }
}

/// That a hook takes no time is the default, but not if somebody says it.
#[test]
fn a_time_of_zero_that_is_said_is_a_time() {
    let folder = folder("check_pre_stop_time");
    let hook = WEB.replace("[\"sleep\", \"30\"]", "[\"/app/drain\"]");
    assert_ne!(hook, WEB);
    fs::write(folder.join("web.yaml"), &hook).unwrap();
    let scenario = |said: &str| format!("manifests = [\"web.yaml\"]\n[application]\n{said}\n");
    fs::write(folder.join("silent.toml"), scenario("")).unwrap();
    fs::write(folder.join("said.toml"), scenario("pre_stop_time = \"0s\"")).unwrap();
    for (arguments, has_k039) in [
        (&["web.yaml"][..], true),
        (&["silent.toml"], true),
        (&["said.toml"], false),
        (&["web.yaml", "--set", "application.pre_stop_time=0s"], false),
        (&["web.yaml", "--set", "application.pre_stop_time=20s"], false),
    ] {
        let output = check(&folder, &[arguments, &["--format", "json"]].concat());
        let report = json(&stdout(&output));
        let findings = report["deployments"][0]["findings"].as_array().unwrap();
        assert_eq!(findings.iter().any(|finding| finding["code"] == "K039"), has_k039, "{arguments:?}: {report}");
    }
}

/// Whoever wants no report, or has something else on stdout, is told all the same why there is an exit code 2.
#[test]
fn what_cannot_be_read_is_told_where_nothing_is_printed() {
    let folder = folder("check_quiet");
    for (right, wrong, message) in [
        ("replicas: 10", "replicas: [10", "error: this is not YAML"),
        ("replicas: 10", "replicas: ten", "error: `replicas` is a string, it must be an integer"),
    ] {
        let text = article().replace(right, wrong);
        for arguments in [&["-q"][..], &["--diff"], &["--fix"], &["-q", "--format", "json"]] {
            let output = check_input(&folder, arguments, &text);
            assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
            assert!(!stdout(&output).contains("error"), "{arguments:?}: {}", stdout(&output));
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        }
    }
}

/// Nobody can follow `..` in a diff: it names its files from the folder that has them all.
#[test]
fn a_diff_of_files_above_can_be_applied() {
    let folder = folder("check_diff_above");
    fs::create_dir_all(folder.join("here/below")).unwrap();
    fs::write(folder.join("web.yaml"), article()).unwrap();
    let output = check(&folder.join("here"), &["below/.././../web.yaml", "--diff"]);
    assert!(stdout(&output).starts_with("--- a/web.yaml\n+++ b/web.yaml\n@@ "), "{}", stdout(&output));
    let note = format!("the diff names files as seen from {}: apply it there", folder.display());
    assert!(stderr(&output).contains(&note), "{}", stderr(&output));
    fs::write(folder.join("web.diff"), stdout(&output)).unwrap();
    let applied = std::process::Command::new("git").args(["apply", "web.diff"]).current_dir(&folder).status();
    // Not every machine has git, and a folder that it ignores it does not change.
    if applied.is_ok_and(|status| status.success()) {
        assert!(fs::read_to_string(folder.join("web.yaml")).unwrap().contains("dynamicStableScale: false"));
    }
    // Below the current folder the names are as they were.
    fs::rename(folder.join("web.yaml"), folder.join("here/below/web.yaml")).unwrap();
    fs::write(folder.join("here/below/web.yaml"), article()).unwrap();
    let output = check(&folder.join("here"), &["./below/web.yaml", "--diff"]);
    assert!(stdout(&output).starts_with("--- a/below/web.yaml\n"), "{}", stdout(&output));
    assert!(!stderr(&output).contains("apply it there"), "{}", stderr(&output));
}

/// What the command line has set is to blame by its own words.
#[test]
fn a_wrong_override_is_named() {
    let folder = folder("check_override");
    for set in ["rollout.replica=3", "rollout.replicas=many"] {
        let said = stdout(&check_input(&folder, &["--set", set], &article()));
        assert!(said.contains(&format!("\n--> --set {set}\n")), "{said}");
    }
}

/// Thousands of pods are played once, and what follows from a change is not.
#[test]
fn many_pods_are_played_in_bounded_time() {
    let folder = folder("check_many");
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: { name: web }\nspec:\n  replicas: 2001\n  \
                   selector: { matchLabels: { app: web } }\n  template:\n    metadata: { labels: { app: web } }\n    spec: { \
                   containers: [{ name: web, image: example.com/web:v1 }] }\n  strategy:\n    canary: { maxSurge: 1, steps: \
                   [{ setWeight: 1 }, { pause: {} }] }\n";
    let short = ["--set", "traffic.rate=5/s", "--set", "simulation.duration=2s", "--set", "simulation.warmup=1s"];
    let output = sim_with_input(&folder, &[&["check", "-"], &short[..]].concat(), rollout);
    let words = "\n  2,001 pods take long to play: it was played with 1 seed, and no change of it\n";
    assert!(stdout(&output).contains(words), "{}", stdout(&output));
    let output = sim_with_input(&folder, &[&["check", "-", "--format", "json"], &short[..]].concat(), rollout);
    let deployment = json(&stdout(&output))["deployments"][0].clone();
    assert_eq!((&deployment["seeds"], &deployment["changes_are_played"]), (&Value::from(1), &Value::from(false)));
    let output = sim_with_input(&folder, &[&["check", "-", "--diff"], &short[..]].concat(), rollout);
    assert!(stderr(&output).contains("too many pods to play its changes"), "{}", stderr(&output));
}
