//! `--fix`: which changes are made, alone and together, and that nothing is left to do behind it.

use super::command::json;
use crate::manifests::{folder, sim, stderr, stdout};
use serde_json::Value;
use std::fs;

/// Without a hook, a probe and enough time: some changes alone make it worse, and only with one of those nothing fails.
const BARE: &str = "apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web
spec:
  replicas: 4
  selector:
    matchLabels: { app: web }
  template:
    metadata:
      labels: { app: web }
    spec:
      containers:
        - name: web
          image: example.com/web:v1
          ports:
            - containerPort: 8080
  strategy:
    canary:
      scaleDownDelaySeconds: 5
      canaryService: web-canary
      stableService: web-stable
      trafficRouting:
        alb: { ingress: web, rootService: web-root, servicePort: 80 }
      steps:
        - setWeight: 20
        - pause: {}
";

const RATE: [&str; 2] = ["--set", "traffic.rate=40/s"];

#[test]
fn what_makes_it_worse_alone_says_so_and_may_be_needed_with_others() {
    let folder = folder("fix_together");
    let check = |arguments: &[&str]| sim(&folder, &[&["check", "web.yaml"], &RATE[..], arguments].concat());
    fs::write(folder.join("web.yaml"), BARE).unwrap();

    let said = stdout(&check(&[]));
    let line = said.lines().find(|line| line.contains("set readinessProbe.tcpSocket.port: 8080")).expect(&said);
    assert!(line.contains("(here it would raise the failed requests of a release: "), "{line}");
    let report = json(&stdout(&check(&["--format", "json", "--sarif", "x"])));
    let findings = report["deployments"][0]["findings"].as_array().unwrap();
    let of = |code: &str| findings.iter().find(|finding| finding["code"] == code).unwrap()["prediction"].clone();
    let failed = |code: &str, key: &str| of(code)[key].as_f64().unwrap();
    assert!(failed("K009", "failed_with_change") > failed("K009", "failed"), "{report}");
    // No tool makes it at a click.
    let sarif = json(&fs::read_to_string(folder.join("x")).unwrap());
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let fixes = |code: &str| results.iter().find(|result| result["ruleId"] == code).unwrap()["fixes"].clone();
    assert_eq!(fixes("K009"), Value::Null);
    assert_ne!(fixes("K005"), Value::Null);
    // Who asks for it gets it.
    let diff = stdout(&check(&["--diff", "--only", "K009"]));
    assert!(diff.contains("+          readinessProbe:"), "{diff}");

    let output = check(&["--fix", "-q"]);
    assert!(stderr(&output).contains(" → 0\nchanged web.yaml"), "{}", stderr(&output));
    let mended = fs::read_to_string(folder.join("web.yaml")).unwrap();
    assert_eq!(stderr(&check(&["--fix", "-q"])), "nothing to change\n");
    assert_eq!(fs::read_to_string(folder.join("web.yaml")).unwrap(), mended);
}
