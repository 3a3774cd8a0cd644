//! What is wrong with manifests is told with its place, and nothing is written.

use super::{WEB, folder, sim, sim_with_input, stderr};
use std::fs;

/// What is changed in a right manifest, and what is said about it, with line and column.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("  replicas: 4", "  replicas: four", "`replicas` is a string, it must be an integer", ":6:13"),
    (
        "  replicas: 4",
        "  replicas: {{ .Values.replicas }}",
        "this looks like a Helm template that nobody has rendered",
        ":6:13",
    ),
    ("  replicas: 4", "  replicas: 4\n  replicas: 5", "`replicas` stands here twice", ":7:3"),
    ("---\n", "", "put a line `---` between the two objects; the first has it in line 1", ":36:1"),
    ("  replicas: 4", "\treplicas: 4", "YAML is not indented by tabs", ":6:1"),
    ("kind: Rollout", "kind: Rolout", "there is no kind `Rolout` in argoproj.io/v1alpha1", ":2:7"),
    ("kind: Rollout", "kind: rollout", "help: did you mean `Rollout`?", ":2:7"),
    ("  replicas: 4", "  replicas: [4", "this is not YAML", ":7:11"),
    ("  name: web\n", "  name: \"{{ .Release.Name }}\"\n", "this looks like a Helm template", ":4:9"),
    ("  name: web\n", "  labels: {}\n", "this Rollout has no name", ":2:7"),
    ("  name: web\n", "  name: 123\n", "the name is a number, it must be a text", ":4:9"),
    ("  name: web\n", "  name: 123\n", "help: put it in quotes: \"123\"", ":4:9"),
    ("  name: web\n", "  name: off\n", "`off` without quotes is a boolean in YAML 1.1", ":4:9"),
    ("  name: web\n", "  name: web\n  namespace: 007\n", "the namespace is a number, it must be a text", ":5:14"),
    ("kind: Rollout\n", "", "`kind` is missing: this is no object of Kubernetes", ":1:1"),
    ("setWeight: 25", "setWeight: 125", "SetWeight needs to be between 0 and 100", ":32:22"),
    ("duration: 10 }", "duration: 1d }", "Duration needs to be greater than 0", ":33:30"),
    ("stableService: web-stable", "stableService: web-canary", "This rollout uses the same service", ":28:22"),
    ("stableService: web-stable", "stableService: web-stabel", "there is no Service `web-stabel`", ":28:22"),
    ("alb: { ingress: web,", "alb: { ingress: wbe,", "there is no Ingress `wbe` in the namespace default", ":30:25"),
    (
        "rootService: web-root",
        "rootService: web-stable",
        "ingress `web` has no rules using service web-stable",
        ":61:41",
    ),
    (
        "matchLabels: { app: web }",
        "matchLabels: { app: shop }",
        "`selector` does not match template `labels`",
        ":11:15",
    ),
    (
        "  selector:\n    matchLabels: { app: web }\n",
        "",
        "= help: write the same labels in selector.matchLabels and template.metadata.labels\n",
        ":5:1",
    ),
    ("        - name: web\n", "          name: web\n", "error: `containers` must be a list", ":15:11"),
    ("        - name: web\n", "          name: web\n", "begin each container with a dash: - name: web", ":15:11"),
    ("seconds: \"10\"", "seconds: 10", "an annotation is a string, this is an integer", ":53:61"),
    ("target-type: ip", "target-type: on", "`on` without quotes means true", ":52:44"),
    (
        "name: web-canary }",
        "name: web-stable }",
        "there are two Services `web-stable` in the namespace default",
        ":44:19",
    ),
    (
        "networking.k8s.io/v1\n",
        "networking.k8s.io/v1beta1\n",
        "Ingresses of networking.k8s.io/v1beta1 are removed in Kubernetes 1.22",
        ":47:13",
    ),
    (
        "networking.k8s.io/v1\n",
        "extensions/v1beta1\n",
        "Ingresses of extensions/v1beta1 are removed in Kubernetes 1.22",
        ":47:13",
    ),
    ("labels: { app: web }", "labels: { app: web, version: 1.10 }", "put it in quotes: \"1.10\"", ":11:36"),
    ("labels: { app: web }", "labels: { app: web, v: yes }", "the label `v` is a boolean, it must be a text", ":11:30"),
    (
        "labels: { app: web }",
        "labels: { app: web, off: web }",
        "the key of the label `off` is a boolean, it must be a text",
        ":11:27",
    ),
    ("selector: { app: web }", "selector: { app: 12 }", "the selector `app` is a number, it must be a text", ":40:26"),
    (
        "matchLabels: { app: web }",
        "matchLabels: { app: web, v: off }",
        "`off` without quotes is a boolean in YAML 1.1, which Kubernetes reads: put it in quotes: \"off\"",
        ":8:33",
    ),
    ("setWeight: 25", "setWeight: \"25\"", "help: write 25 without quotes", ":32:22"),
    ("PeriodSeconds: 60", "PeriodSeconds: \"60\"", "help: write 60 without quotes", ":13:38"),
    (
        "      trafficRouting:\n        alb: { ingress: web, rootService: web-root, servicePort: 80 }\n",
        "      scaleDownDelaySeconds: 30\n",
        "write trafficRouting: { alb: { ingress: \"web\", rootService: \"web-root\", servicePort: 80 } }",
        ":29:30",
    ),
];

#[test]
fn each_mistake_has_its_message_and_its_place() {
    let folder = folder("mistakes");
    for (index, (right, wrong, message, place)) in MISTAKES.iter().enumerate() {
        assert!(WEB.contains(right), "{right}");
        let name = format!("{index}.yaml");
        fs::write(folder.join(&name), WEB.replacen(right, wrong, 1)).unwrap();
        let output = sim(&folder, &["run", &name]);
        let said = stderr(&output);
        assert!(said.contains(message), "{wrong}: {said}");
        assert!(said.contains(&format!("{name}{place}")), "{wrong}: {said}");
        assert_eq!(said.matches("error").count(), 1, "{wrong}: {said}");
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(!folder.join("output").exists(), "{wrong}");
    }
}

/// Each by the word that stands there.
#[test]
fn a_key_and_its_value_may_both_be_wrong() {
    let text = WEB.replacen("labels: { app: web }", "labels: { app: web, on: yes }", 1);
    let said = stderr(&sim_with_input(&folder("key_and_value"), &["run", "-"], &text));
    for (message, place) in [
        ("the key of the label `on` is a boolean, it must be a text", "-:11:27"),
        ("the label `on` is a boolean, it must be a text", "-:11:31"),
    ] {
        assert!(said.contains(&format!("error: {message}\n  --> {place}\n")), "{said}");
    }
    assert_eq!(said.matches("error").count(), 2, "{said}");
}

#[test]
fn all_broken_documents_are_told_at_once() {
    let folder = folder("at_once");
    let text = "a: [\n---\nkind: Rollout\n---\napiVersion: v1\nkind: Service\nmetadata: {}\n";
    let said = stderr(&sim_with_input(&folder, &["run", "-"], text));
    for message in ["this `[` is never closed", "`apiVersion` is missing", "this Service has no name"] {
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn what_is_no_manifest_is_refused() {
    let folder = folder("no_manifest");
    fs::create_dir_all(folder.join("empty")).unwrap();
    fs::write(folder.join("values.yaml"), "replicas: 1\n").unwrap();
    fs::write(folder.join("kustomization.yaml"), "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
        .unwrap();
    fs::write(folder.join("service.yaml"), "apiVersion: v1\nkind: Service\nmetadata: { name: a }\n").unwrap();
    fs::write(folder.join("binary.yaml"), b"a: \xff\xfe").unwrap();
    fs::write(folder.join("web.yaml"), WEB).unwrap();
    fs::write(folder.join("manifests"), WEB).unwrap();
    fs::write(folder.join("x.toml"), "[traffic]\nrate = \"1/s\"\n").unwrap();
    for (arguments, message, code) in [
        (&["values.yaml"][..], "error: this is no object of Kubernetes", 2),
        (&["kustomization.yaml"], "error: a Kustomization is no manifest, but makes some", 2),
        (&["service.yaml"], "error: there is nothing to release: no Rollout and no Deployment", 2),
        (&["empty"], "error: empty holds no manifest", 2),
        (&["*.yml"], "error: no file matches *.yml", 2),
        (&["nowhere.yaml"], "error: cannot read nowhere.yaml: there is no such file", 3),
        (&["values.yaml", "empty"], "error: this is no object of Kubernetes", 2),
        (&["manifests"], "error: manifests looks like manifests and is not called so", 2),
        (&["binary.yaml"], "error: binary.yaml is not a text file (byte 3)", 2),
        (&["x.toml", "web.yaml"], "error: x.toml is a scenario, and there are manifests beside it", 2),
        (&["x.toml", "--rollout", "web"], "error: --rollout web: x.toml names no manifests", 2),
    ] {
        let output = sim(&folder, &[&["run"], arguments].concat());
        assert!(stderr(&output).starts_with(message), "{arguments:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
    assert!(!folder.join("output").exists());
}

/// A shell writes a pattern out: folders, notes and values are named along with the manifests.
#[test]
fn what_a_pattern_names_along_is_passed_over() {
    let folder = folder("named_along");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/notes.txt"), "nothing\n").unwrap();
    fs::write(folder.join("README.md"), "# web\n").unwrap();
    fs::write(folder.join("Chart.yaml"), "name: web\nversion: 1.0.0\n").unwrap();
    fs::write(folder.join("values.yaml"), "replicas: 1\n").unwrap();
    fs::write(folder.join("WEB.YAML"), WEB).unwrap();
    for files in [&["Chart.yaml", "README.md", "WEB.YAML", "sub", "values.yaml"][..], &["*"], &["."]] {
        for command in ["run", "check"] {
            let output = sim(&folder, &[&[command, "-v", "--set", "traffic.rate=5/s"], files].concat());
            let said = stderr(&output);
            let skipped = "skipped: 2 documents that are no Kubernetes objects\n";
            assert!(said.contains(skipped) && !said.contains("error"), "{files:?}: {said}");
            assert_ne!(output.status.code(), Some(2), "{files:?}: {said}");
            let _ = fs::remove_dir_all(folder.join("output"));
        }
    }
    // Beside an object of the same file it is a mistake.
    fs::write(folder.join("WEB.YAML"), format!("{WEB}---\nreplicas: 1\n")).unwrap();
    let output = sim(&folder, &["run", "WEB.YAML"]);
    assert!(stderr(&output).starts_with("error: this is no object of Kubernetes"), "{}", stderr(&output));
}

/// `sim check <(helm template …)`, and the same by its name.
#[cfg(unix)]
#[test]
fn a_pipe_by_any_name_is_read() {
    let folder = folder("pipes");
    for path in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        if path != "-" && !std::path::Path::new(path).exists() {
            continue;
        }
        let output = sim_with_input(&folder, &["check", path, "--set", "traffic.rate=5/s"], WEB);
        assert!(super::stdout(&output).contains("Rollout web: no failed request"), "{path}: {}", stderr(&output));
        let text = WEB.replace("type: ip", "type: ip\n    alb.ingress.kubernetes.io/healthcheck-path: /x");
        let output = sim_with_input(&folder, &["check", path, "--fix", "--only", "ALB023"], &text);
        assert_eq!(super::stdout(&output), text.replace("path: /x", "path: \"/\""), "{path}: {}", stderr(&output));
    }
}

/// A Deployment that is none of the releases.
#[test]
fn why_a_deployment_is_not_released_is_told() {
    let folder = folder("not_released");
    let deployment = |name: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: {name} }}\nspec:\n  selector: {{ matchLabels: {{ app: \
             {name} }} }}\n  template: {{ metadata: {{ labels: {{ app: {name} }} }}, spec: {{ containers: [{{ name: a, image: x \
             }}] }} }}\n---\n"
        )
    };
    let (_, rest) = WEB.split_once("---\n").unwrap();
    let ingress = rest.replace("name: web-root", "name: web-stable");
    let [beside_rollout, beside_ingress] =
        [format!("{}{WEB}", deployment("worker")), format!("{}{}{ingress}", deployment("worker"), deployment("web"))];
    for (text, reason) in [
        (beside_rollout, "that is a Deployment, and beside Rollouts no Deployment is released"),
        (beside_ingress, "no Ingress leads to this Deployment, and to others one does"),
    ] {
        for command in ["run", "check"] {
            let output = sim_with_input(&folder, &[command, "-", "--rollout", "worker"], &text);
            let said = stderr(&output);
            assert!(said.starts_with(&format!("error: --rollout worker: {reason}")), "{said}");
            assert!(said.contains("these files have web"), "{said}");
            assert_eq!(output.status.code(), Some(2));
        }
    }
}

#[test]
fn a_flood_is_refused_in_bounded_memory() {
    let folder = folder("flood");
    let text = format!("{WEB}---\n{}", "# much\n".repeat(15 << 20));
    let output = sim_with_input(&folder, &["run", "-"], &text);
    assert!(stderr(&output).starts_with("error: - is larger than 16 MiB: that is no manifest"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_unknown_field_is_a_warning() {
    let folder = folder("unknown_field");
    let text = WEB.replace("  replicas: 4", "  replicas: 4\n  minReadySecond: 5");
    let output = sim_with_input(&folder, &["run", "-"], &text);
    let said = stderr(&output);
    assert!(said.contains("warning: unknown key `minReadySecond`") && said.contains("-:7:3"), "{said}");
    assert!(said.contains("did you mean `minReadySeconds`?"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

/// Wherever they stand, and with the one that was meant.
#[test]
fn an_unknown_attribute_is_a_warning() {
    let folder = folder("unknown_attribute");
    let line = "    alb.ingress.kubernetes.io/target-type: ip\n";
    let attributes = "    alb.ingress.kubernetes.io/target-group-attributes: stickiness.enabled=false,deregistration_delay.timeout=10\n    \
                      alb.ingress.kubernetes.io/load-balancer-attributes: \"idle_timeout.timeout_second=5, made.up=1\"\n";
    let text = WEB.replace(line, &format!("{line}{attributes}"));
    for command in ["run", "check"] {
        let output = sim_with_input(&folder, &[command, "-", "--set", "traffic.rate=5/s"], &text);
        let said = format!("{}{}", stderr(&output), super::stdout(&output));
        for (message, place, help) in [
            (
                "unknown attribute `deregistration_delay.timeout`",
                ":53:81",
                "did you mean `deregistration_delay.timeout_seconds`?",
            ),
            (
                "unknown attribute `idle_timeout.timeout_second`",
                ":54:58",
                "did you mean `idle_timeout.timeout_seconds`?",
            ),
            ("unknown attribute `made.up`", ":54:89", "an Application Load Balancer has no such attribute"),
        ] {
            let (_, told) = said.split_once(message).unwrap_or_else(|| panic!("{message}: {said}"));
            let told = told.split("\n\n").next().unwrap();
            assert!(told.contains(place) && told.contains(help), "{message}: {said}");
        }
        assert!(!said.contains("unknown attribute `stickiness"), "{said}");
        assert_eq!(output.status.code(), Some(i32::from(command == "check")), "{said}");
    }
}

#[test]
fn a_reference_beside_the_deployments_of_the_files_is_a_mistake() {
    let folder = folder("reference");
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: { name: web }\nspec:\n  replicas: 3\n  \
                   workloadRef: { apiVersion: apps/v1, kind: Deployment, name: wbe }\n  strategy:\n    canary: { steps: [\
                   { setWeight: 50 }, { pause: { duration: 10 } }] }\n";
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  selector: { matchLabels: { app: \
                      web } }\n  template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: a, image: x }] } }\n";
    let output = sim_with_input(&folder, &["run", "-"], &format!("{rollout}---\n{deployment}"));
    let said = stderr(&output);
    assert!(
        said.contains("there is no Deployment `wbe` in the namespace default") && said.contains("-:6:63"),
        "{said}"
    );
    assert!(said.contains("did you mean `web`?"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    // Files without any are a part of the whole.
    let output = sim_with_input(&folder, &["run", "-"], rollout);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// The controller takes a template of three kinds of objects, and only where there is none.
#[test]
fn a_workload_reference_that_brings_no_template_is_refused() {
    let folder = folder("workload_reference");
    let reference = |version: &str, kind: &str| {
        format!("  workloadRef: {{ apiVersion: {version}, kind: {kind}, name: web }}\n  selector:\n    matchLabels")
    };
    let (before, rest) = WEB.split_once("  template:\n").unwrap();
    let (_, strategy) = rest.split_once("  strategy:\n").unwrap();
    let without = format!("{before}  strategy:\n{strategy}");
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec: { template: { metadata: { labels: \
                      { app: web } } } }\n";
    for (text, version, kind, message) in [
        (WEB, "apps/v1", "Deployment", "error[V25]: template must be empty for workload reference rollout"),
        (&without, "apps/v1", "StatefulSet", "error[V25]: workload of type apps/StatefulSet is not supported"),
        (&without, "v1", "Deployment", "error[V25]: workload of type /Deployment is not supported"),
        (&without, "apps/v1", "Deployment", ""),
        (&without, "apps/v1", "ReplicaSet", ""),
    ] {
        let text = text.replacen("  selector:\n    matchLabels", &reference(version, kind), 1);
        // Whether the files have the object or not.
        for text in [text.clone(), format!("{text}---\n{deployment}")] {
            let output = sim_with_input(&folder, &["run", "-", "--set", "traffic.rate=1/s"], &text);
            let said = stderr(&output);
            let code = if message.is_empty() { 0 } else { 2 };
            assert!(said.starts_with(message) && output.status.code() == Some(code), "{version} {kind}: {said}");
        }
    }
}

#[test]
fn a_number_in_the_environment_is_told_and_not_shown() {
    let folder = folder("environment");
    let env = "          env: [{ name: TOKEN, value: hunter2 }, { name: PORT, value: 8080123 }]\n          ports:";
    let output = sim_with_input(&folder, &["run", "-"], &WEB.replace("          ports:", env));
    let said = stderr(&output);
    assert!(said.contains("the value of the environment variable `PORT` is a number, it must be a text"), "{said}");
    assert!(said.contains("it stands at -:17:71: put it in quotes"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains("8080123"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_has_no_replicas_is_not_released() {
    let folder = folder("at_rest");
    let resting = WEB.replace("  replicas: 4", "  replicas: 0");
    for command in ["run", "check"] {
        let output = sim_with_input(&folder, &[command, "-"], &resting);
        let said = stderr(&output);
        assert!(said.starts_with("error: Rollout web has replicas: 0: nothing is released"), "{said}");
        assert!(said.contains("--set rollout.replicas=4"), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    let output = sim_with_input(&folder, &["run", "-", "--set", "rollout.replicas=4"], &resting);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The others go on.
    let shop = resting.split("---\n").next().unwrap().replacen("name: web", "name: shop", 1);
    let both = format!("{WEB}---\n{shop}");
    let output = sim_with_input(&folder, &["run", "-"], &both);
    assert!(stderr(&output).starts_with("Rollout shop has replicas: 0: nothing is released\n"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // Nobody has asked for it.
    for command in ["run", "check"] {
        let output = sim_with_input(&folder, &[command, "-", "--rollout", "web"], &both);
        assert!(!stderr(&output).contains("Rollout shop"), "{}", stderr(&output));
    }
}
