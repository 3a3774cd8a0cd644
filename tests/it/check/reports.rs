//! What the reports of `sim check` call things, and what they keep to themselves.

use super::command::{article, json};
use crate::manifests::{WEB, folder, sim, stderr, stdout};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const FEW: [&str; 5] = ["--exit-zero", "--seeds", "1", "--set", "traffic.rate=20/s"];

#[test]
fn releases_of_one_name_are_told_apart_by_their_namespaces() {
    let folder = folder("reports_namespaces");
    let in_staging = article().replace("metadata:\n  name:", "metadata:\n  namespace: staging\n  name:");
    let mended = in_staging.replace("dynamicStableScale: true", "dynamicStableScale: false");
    fs::write(folder.join("new.yaml"), format!("{}---\n{in_staging}", article())).unwrap();
    fs::write(folder.join("old.yaml"), format!("{}---\n{mended}", article())).unwrap();
    let arguments = ["check", "new.yaml", "--against", "old.yaml", "--format", "json", "--sarif", "x", "--gitlab", "y"];
    let output = sim(&folder, &[&arguments, &FEW[..]].concat());
    let report = json(&stdout(&output));
    let of = |index: usize, key: &str| report["deployments"][index][key].clone();
    assert_eq!([of(0, "deployment"), of(1, "deployment")], ["Rollout web in default", "Rollout web in staging"]);
    assert_eq!(of(0, "failed_before"), of(0, "failed"));
    assert!(of(1, "failed_before").as_f64() < of(1, "failed").as_f64(), "{report}");
    // Equal lines of one file are not one finding.
    let read = |name: &str| json(&fs::read_to_string(folder.join(name)).unwrap());
    let count = |fingerprints: Vec<Value>| {
        (fingerprints.len(), fingerprints.iter().map(Value::to_string).collect::<BTreeSet<_>>().len())
    };
    let results = read("x")["runs"][0]["results"].as_array().unwrap().clone();
    let hash = |result: &Value| result["partialFingerprints"]["primaryLocationLineHash"].clone();
    let (all, different) = count(results.iter().map(hash).collect());
    assert_eq!(all, different);
    assert!(results.iter().any(|result| hash(result).as_str().unwrap().ends_with(":2")), "{results:?}");
    let (all, different) =
        count(read("y").as_array().unwrap().iter().map(|entry| entry["fingerprint"].clone()).collect());
    assert_eq!(all, different);
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let folder = folder("reports_secret");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: x }\nstringData:\n  password: hunter2: oops\n";
    fs::write(folder.join("web.yaml"), format!("{WEB}---\n{secret}")).unwrap();
    let output = sim(&folder, &["check", "web.yaml"]);
    let said = format!("{}{}", stderr(&output), stdout(&output));
    assert_eq!(output.status.code(), Some(2), "{said}");
    let line = WEB.lines().count() + 6;
    assert!(said.contains(&format!("web.yaml:{line}:")) && !said.contains("hunter2"), "{said}");
    // Of anything else the line is shown.
    fs::write(folder.join("web.yaml"), format!("{WEB}---\n{}", secret.replace("Secret", "SecretStore"))).unwrap();
    let output = sim(&folder, &["check", "web.yaml"]);
    let said = format!("{}{}", stderr(&output), stdout(&output));
    assert!(said.contains("hunter2"), "{said}");
}

#[test]
fn a_file_below_the_current_folder_is_named_from_there() {
    let folder = folder("reports_absolute");
    fs::create_dir_all(folder.join("deploy")).unwrap();
    fs::write(folder.join("deploy/web.yaml"), article()).unwrap();
    let path = folder.join("deploy").to_str().unwrap().to_owned();
    // With a mistake of its own, at a line and at none.
    let scenario = "manifests = [\"web.yaml\"]\n[application]\nstartup_tme = \"1s\"\n[traffic]\nrate = \"1\"\n";
    fs::write(folder.join("deploy/web.toml"), scenario).unwrap();
    let scenario = folder.join("deploy/web.toml").to_str().unwrap().to_owned();
    let few = &FEW[..3];
    for (path, is_sound) in [(path.as_str(), true), (scenario.as_str(), false)] {
        let output = sim(&folder, &[&["check", path, "--sarif", "x", "--gitlab", "y", "--junit", "z"], few].concat());
        assert_eq!(output.status.success(), is_sound, "{}", stderr(&output));
        let reports = ["x", "y", "z"].map(|name| fs::read_to_string(folder.join(name)).unwrap());
        assert_eq!(reports[0].contains("\"deploy/web.toml\""), !is_sound, "{}", reports[0]);
        assert!(reports[0].contains("\"deploy/web.yaml\"") || !is_sound, "{}", reports[0]);
        for report in reports.iter().map(String::as_str).chain([stdout(&output).as_str()]) {
            assert!(!report.contains(folder.to_str().unwrap()), "{report}");
        }
    }
}

/// What stands in an Ingress that two Rollouts share is said once, and everything says whose it is.
#[test]
fn a_finding_of_several_releases_is_told_once() {
    let folder = folder("reports_shared");
    let (rollout, rest) = WEB.split_once("---\n").unwrap();
    let shop = rollout.replacen("name: web", "name: shop", 1);
    fs::write(folder.join("two.yaml"), format!("{shop}---\n{rollout}---\n{rest}")).unwrap();
    let output = sim(&folder, &[&["check", "two.yaml", "--sarif", "x"], &FEW[..]].concat());
    let said = stdout(&output);
    let message = "note[ALB006]: ";
    assert_eq!(said.matches(message).count(), 1, "{said}");
    let (_, shared) = said.split_once(message).unwrap();
    assert!(shared.split("\n\n").next().unwrap().ends_with("= note: of Rollout shop, Rollout web"), "{said}");
    assert_eq!(said.matches("= note: of Rollout shop\n").count(), said.matches("= note: of Rollout web\n").count());
    let results = json(&fs::read_to_string(folder.join("x")).unwrap())["runs"][0]["results"].clone();
    let count = |code: &str| results.as_array().unwrap().iter().filter(|result| result["ruleId"] == code).count();
    assert_eq!((count("ALB006"), count("ALB015")), (1, 2), "{results}");
    // Alone nobody has to say whose it is.
    fs::write(folder.join("one.yaml"), WEB).unwrap();
    let output = sim(&folder, &[&["check", "one.yaml"], &FEW[..]].concat());
    assert!(!stdout(&output).contains("= note: of "), "{}", stdout(&output));
}

/// What has no part in the numbers, and what has to be mended before they come true.
#[test]
fn what_the_numbers_leave_out_stands_beside_them() {
    let folder = folder("reports_left_out");
    let port = "            httpGet: { path: /, port: http }\n";
    let text = WEB.replace(port, &port.replace("port: http", "port: htpp"));
    let text = text.replace(
        "          readinessProbe:",
        "          livenessProbe: { exec: { command: [\"true\"] } }\n          readinessProbe:",
    );
    fs::write(folder.join("web.yaml"), text).unwrap();
    let arguments = ["check", "web.yaml", "--markdown", "comment.md", "--junit", "x.xml"];
    let output = sim(&folder, &[&arguments, &FEW[..]].concat());
    let said = stdout(&output);
    let verdict = said.lines().find(|line| line.starts_with("Rollout web: ")).unwrap();
    assert!(verdict.ends_with(", supposing that K042 is mended"), "{verdict}");
    assert!(said.contains("\nignored    livenessProbe (no pod is restarted for failing it)\n"), "{said}");
    for file in ["comment.md", "x.xml"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains("supposing that K042 is mended"), "{text}");
    }
    let output = sim(&folder, &[&["check", "web.yaml", "--format", "json"], &FEW[..]].concat());
    let deployment = json(&stdout(&output))["deployments"][0].clone();
    assert_eq!(deployment["supposes_mended"], serde_json::json!(["K042"]));
    let ignored = deployment["ignored"].as_array().unwrap();
    let key = "rollout.template.spec.containers[0].livenessProbe";
    assert!(ignored.iter().any(|field| field["key"] == key), "{ignored:?}");
    assert!(ignored.iter().all(|field| field["reason"] != "without_effect"), "{ignored:?}");
}
