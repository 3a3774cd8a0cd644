//! Manifests as input: what they amount to, what is said about them, and that nothing in them makes the program stumble.

mod corpus;
mod mistakes;
mod mutations;

use rollout_sim::scenario::document::{Table, parse};
use rollout_sim::scenario::load::{load, load_release};
use rollout_sim::scenario::manifests::ignored::Reason;
use rollout_sim::scenario::manifests::release::releases;
use rollout_sim::scenario::manifests::stream::Stream;
use rollout_sim::scenario::sources::Sources;
use rollout_sim::scenario::{Loaded, Origin, diagnostic::Problem};
use rollout_sim::simulation::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A whole deployment; tests change it in a few places.
pub const WEB: &str = r#"apiVersion: argoproj.io/v1alpha1
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
      terminationGracePeriodSeconds: 60
      containers:
        - name: web
          image: example.com/web:v1
          ports:
            - { name: http, containerPort: 8080 }
          lifecycle:
            preStop:
              exec: { command: ["sleep", "30"] }
          readinessProbe:
            httpGet: { path: /, port: http }
            periodSeconds: 2
  strategy:
    canary:
      canaryService: web-canary
      stableService: web-stable
      trafficRouting:
        alb: { ingress: web, rootService: web-root, servicePort: 80 }
      steps:
        - setWeight: 25
        - pause: { duration: 10 }
        - setWeight: 50
        - pause: { duration: 10s }
---
apiVersion: v1
kind: Service
metadata: { name: web-stable }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: http }] }
---
apiVersion: v1
kind: Service
metadata: { name: web-canary }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: http }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: "10"
spec:
  ingressClassName: alb
  rules:
    - http:
        paths:
          - path: /
            pathType: Prefix
            backend: { service: { name: web-root, port: { name: use-annotation } } }
"#;

/// The only release of a stream, with `--set`.
pub fn imported(text: &str, scenario: &str, set: &[&str]) -> Result<Loaded, Vec<Problem>> {
    let mut sources = Sources::scenario("x.toml", scenario);
    sources.add_manifests("x.yaml", text, true);
    let (stream, problems) = Stream::read(&sources);
    if !problems.is_empty() {
        return Err(problems);
    }
    let laid_over = if scenario.is_empty() { Table::default() } else { parse(scenario).unwrap() };
    let set: Vec<_> = set.iter().map(|text| (*text).to_owned()).collect();
    let releases = releases(&stream);
    assert_eq!(releases.len(), 1, "{text}");
    load_release(&sources, &releases[0], (None, &laid_over), &set)
}

fn loaded(text: &str, scenario: &str, set: &[&str]) -> Loaded {
    imported(text, scenario, set).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifests").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments).current_dir(folder).env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command
}

pub fn sim(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// With a text on its stdin.
pub fn sim_with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    fs::write(folder.join(".stdin"), input).unwrap();
    let stdin = Stdio::from(fs::File::open(folder.join(".stdin")).unwrap());
    command(folder, arguments).stdin(stdin).output().unwrap()
}

fn fingerprint(loaded: &Loaded) -> String {
    format!("{:016x}", run(&loaded.scenario, 1).fingerprint)
}

fn value<'a>(loaded: &'a Loaded, key: &str) -> &'a str {
    let parameter = loaded.parameters.iter().find(|parameter| parameter.key == key);
    parameter.map_or("", |parameter| parameter.value.as_str())
}

#[test]
fn the_articles_manifests_make_the_run_of_its_scenario() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/article");
    let text = fs::read_to_string(here.join("1-original.toml")).unwrap();
    let original = load(&text, "1-original", &[]).unwrap();
    let folder = folder("article");
    let path = here.join("manifests/lag-70s.toml");
    let output = sim(&folder, &["run", path.to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(summary["fingerprint"], fingerprint(&original));
    assert_eq!(summary["requests"]["elb_5xx"], 5_091);
    // The resolved scenario stands for all of it.
    let resolved = sim(&folder, &["run", "output/lag-70s/scenario.toml", "--format", "json", "-o", "again"]);
    let resolved: serde_json::Value = serde_json::from_str(&stdout(&resolved)).unwrap();
    assert_eq!(resolved["fingerprint"], summary["fingerprint"]);
}

#[test]
fn files_folders_patterns_and_a_pipe_are_one_stream() {
    let folder = folder("ways");
    fs::create_dir_all(folder.join("deploy/base")).unwrap();
    let documents: Vec<_> = WEB.split("---\n").collect();
    fs::write(folder.join("deploy/rollout.yaml"), documents[0]).unwrap();
    fs::write(folder.join("deploy/base/rest.yml"), documents[1..].join("---\n")).unwrap();
    fs::write(folder.join("deploy/values.yaml"), "replicas: 7\nimage: { tag: v1 }\n").unwrap();
    fs::write(folder.join("deploy/notes.txt"), "no manifest").unwrap();
    let fingerprint = |arguments: &[&str]| {
        let arguments = [&["run", "--format", "json"], arguments].concat();
        let output = sim_with_input(&folder, &arguments, WEB);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        summary["fingerprint"].as_str().unwrap().to_owned()
    };
    let expected = self::fingerprint(&loaded(WEB, "", &[]));
    for arguments in [
        &["deploy"][..],
        &["-"],
        &["deploy/rollout.yaml", "deploy/base/rest.yml"],
        &["deploy/base/rest.yml", "deploy/rollout.yaml"],
        &["deploy/base", "deploy/rollout.yaml"],
        &["deploy/**/r*.y*ml"],
        // Twice the same file is once.
        &["deploy", "deploy/rollout.yaml"],
    ] {
        assert_eq!(fingerprint(arguments), expected, "{arguments:?}");
    }
    fs::write(folder.join("scenario.toml"), "manifests = [\"deploy\"]\n").unwrap();
    assert_eq!(fingerprint(&["scenario.toml", "-o", "named"]), expected);
}

#[test]
fn lists_json_hooks_and_other_kinds_are_understood() {
    let documents: Vec<_> = WEB.split("---\n").collect();
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let items: String = documents.iter().map(|text| format!("  -\n{}", indented(text))).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let rest = documents[1..].join("---\n");
    let json = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default","labels":{"a":"b"}}}"#;
    let noise = "# Source: web/templates/test.yaml\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web-test\n  annotations:\n    \
                 helm.sh/hook: test\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { \"on\": \"1\" }\n---\n";
    let expected = fingerprint(&loaded(WEB, "", &[]));
    for text in [
        list,
        format!("{noise}{WEB}"),
        format!("{WEB}---\n{json}\n"),
        format!("\u{feff}{}", WEB.replace('\n', "\r\n")),
        format!("%YAML 1.1\n---\n{WEB}...\n---\n---\n# nothing\n"),
        format!("{}---\n{rest}", documents[0]),
    ] {
        assert_eq!(fingerprint(&loaded(&text, "", &[])), expected, "{text}");
    }
    let folder = folder("kinds");
    let output = sim_with_input(&folder, &["run", "-", "-v"], &format!("{noise}{WEB}"));
    assert!(stderr(&output).starts_with("skipped: 1 ConfigMap, 1 Pod\n"), "{}", stderr(&output));
}

#[test]
fn a_scenario_says_what_goes_before_the_manifests() {
    let scenario = "[traffic]\nrate = \"40/s\"\n[rollout]\nreplicas = 6\n\
                    [[rollout.template.spec.containers]]\nname = \"web\"\n\
                    lifecycle.preStop.exec.command = [\"sleep\", \"50\"]\n";
    let both = loaded(WEB, scenario, &["rollout.strategy.canary.steps[0].setWeight=30"]);
    for (key, expected) in [
        ("traffic.rate", "\"40/s\""),
        ("rollout.replicas", "6"),
        ("rollout.template.spec.terminationGracePeriodSeconds", "60"),
        ("rollout.template.spec.containers[0].readinessProbe.periodSeconds", "2"),
        ("rollout.template.spec.containers[0].lifecycle.preStop.exec.command", "[\"sleep\", \"50\"]"),
        ("rollout.strategy.canary.steps[0]", "{ setWeight = 30 }"),
        ("rollout.strategy.canary.steps[2]", "{ setWeight = 50 }"),
    ] {
        assert_eq!(value(&both, key), expected, "{key}");
    }
    let origin = |key: &str| both.parameters.iter().find(|parameter| parameter.key == key).unwrap().origin;
    assert_eq!(origin("traffic.rate"), Origin::Scenario);
    assert_eq!(origin("rollout.strategy.canary.steps[2]"), Origin::Manifest);
    assert_eq!(origin("rollout.strategy.canary.steps[0]"), Origin::CommandLine);
    assert_eq!(origin("rollout.minReadySeconds"), Origin::Default);
}

#[test]
fn what_manifests_leave_open_has_a_default_that_is_told() {
    let endless = WEB.replace("pause: { duration: 10 }", "pause: {}");
    let loaded = loaded(&endless, "", &[]);
    assert_eq!(value(&loaded, "traffic.rate"), "\"250/s\"");
    assert_eq!(value(&loaded, "actions"), "[{ when = \"step 1\", after = \"60s\", do = \"promote\" }]");
    let folder = folder("defaults");
    let output = sim_with_input(&folder, &["run", "-"], &endless);
    let report = stdout(&output);
    assert!(report.contains("a person promotes 60s after a pause without an end begins"), "{report}");
    assert!(report.contains("rate 250/s"), "{report}");
}

#[test]
fn what_is_not_simulated_is_told_with_what_follows_from_it() {
    let richer = WEB
        .replace(
            "          readinessProbe:",
            "          livenessProbe: { tcpSocket: { port: 1 } }\n          readinessProbe:",
        )
        .replace("    spec:\n      term", "    spec:\n      initContainers: [{ name: wait, image: x }]\n      term")
        .replace("        - name: web\n", "        - name: proxy\n          image: envoy\n        - name: web\n")
        .replace(
            "        - setWeight: 25\n",
            "        - setWeight: 25\n        - analysis: { templates: [{ templateName: a }] }\n",
        );
    let loaded = loaded(&richer, "", &[]);
    let told: Vec<_> = loaded
        .ignored
        .iter()
        .filter(|ignored| ignored.reason == Reason::NotSimulated)
        .map(|ignored| (ignored.name(), ignored.consequence().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            ("containers", "a sidecar that starts later or stops sooner fails requests, too"),
            ("analysis", "it counts as successful"),
            ("initContainers", "a pod starts sooner than it would"),
            ("livenessProbe", "no pod is restarted for failing it"),
        ]
    );
    // The container with the port of the Service takes the requests, wherever it stands.
    assert_eq!(value(&loaded, "rollout.template.spec.containers[0].name"), "\"web\"");
    assert_eq!(value(&loaded, "rollout.strategy.canary.steps[1]"), "{ pause = { duration = 0 } }");
}

#[test]
fn nothing_of_the_environment_of_a_container_is_shown() {
    let secret = WEB.replace("          ports:", "          env: [{ name: TOKEN, value: hunter2 }]\n          ports:");
    let folder = folder("secret");
    let output = sim_with_input(&folder, &["run", "-", "-v"], &secret);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for file in fs::read_dir(folder.join("output/web")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"));
    }
    assert!(!stdout(&output).contains("hunter2") && !stderr(&output).contains("hunter2"));
}

#[test]
fn every_rollout_of_a_stream_is_released_or_the_one_that_is_named() {
    let folder = folder("several");
    let second = WEB.replace("name: web\n", "name: shop\n").replace("  name: web-", "  name: shop-");
    let two = format!("{WEB}---\n{}", second.split("---\n").next().unwrap());
    let output = sim_with_input(&folder, &["run", "-"], &two);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(folder.join("output/web/summary.json").exists() && folder.join("output/shop/summary.json").exists());
    let output = sim_with_input(&folder, &["run", "-", "--rollout", "shop", "-o", "one"], &two);
    assert!(stdout(&output).starts_with("Rollout shop\n"), "{}", stdout(&output));
    let output = sim_with_input(&folder, &["run", "-", "--rollout", "shp"], &two);
    assert!(stderr(&output).starts_with("error: --rollout shp: there is none of that name"), "{}", stderr(&output));
    assert!(stderr(&output).contains("these files have web, shop"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_deployment_is_released_if_there_is_no_rollout() {
    let (head, rest) = WEB.split_once("---\n").unwrap();
    let deployment = head
        .replace("apiVersion: argoproj.io/v1alpha1\nkind: Rollout", "apiVersion: apps/v1\nkind: Deployment")
        .split("  strategy:")
        .next()
        .unwrap()
        .to_owned();
    let worker = deployment.replace("web", "worker");
    let loaded = loaded(&format!("{deployment}---\n{worker}---\n{}", rest.replace("web-root", "web-stable")), "", &[]);
    assert_eq!(loaded.scenario.title, "Deployment web");
    assert_eq!(value(&loaded, "deployment.replicas"), "4");
    assert_eq!(
        value(&loaded, "ingress.annotations.\"alb.ingress.kubernetes.io/healthcheck-interval-seconds\""),
        "\"10\""
    );
}

#[test]
fn a_workload_reference_brings_the_pod_template() {
    let (head, rest) = WEB.split_once("---\n").unwrap();
    let (before, template) = head.split_once("  selector:\n").unwrap();
    let (template, strategy) = template.split_once("  strategy:\n").unwrap();
    let rollout = format!(
        "{before}  workloadRef: {{ apiVersion: apps/v1, kind: Deployment, name: web }}\n  strategy:\n{strategy}"
    );
    let deployment = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 0\n  selector:\n{template}"
    );
    let by_reference = loaded(&format!("{rollout}---\n{deployment}---\n{rest}"), "", &[]);
    assert_eq!(fingerprint(&by_reference), fingerprint(&loaded(WEB, "", &[])));
    // Without the Deployment nobody knows the pods, and that is told.
    let alone = loaded(&format!("{rollout}---\n{rest}"), "", &[]);
    assert!(alone.ignored.iter().any(|ignored| ignored.name() == "workloadRef"), "{:?}", alone.ignored);
}

#[test]
fn a_service_goes_before_the_ingress_key_by_key() {
    let annotated = WEB.replace(
        "metadata: { name: web-stable }",
        "metadata:\n  name: web-stable\n  annotations:\n    alb.ingress.kubernetes.io/healthcheck-interval-seconds: \"20\"",
    );
    let key = "ingress.annotations.\"alb.ingress.kubernetes.io/healthcheck-interval-seconds\"";
    assert_eq!(value(&loaded(&annotated, "", &[]), key), "\"20\"");
}

#[test]
fn labels_of_the_namespace_open_the_gates() {
    let labelled = format!(
        "{WEB}---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: default\n  labels:\n    \
         elbv2.k8s.aws/pod-readiness-gate-inject: enabled\n"
    );
    assert_ne!(fingerprint(&loaded(&labelled, "", &[])), fingerprint(&loaded(WEB, "", &[])));
}

#[test]
fn an_autoscaler_scales_if_the_scenario_knows_what_pods_use() {
    let sized = WEB.replace(
        "          image: example.com/web:v1\n",
        "          image: x\n          resources: { requests: { cpu: 500m } }\n",
    );
    let scaled = format!(
        "{}---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{ name: web }}\nspec:\n  \
         scaleTargetRef: {{ apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web }}\n  minReplicas: 4\n  maxReplicas: 20\n  \
         metrics: [{{ type: Resource, resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: 80 }} }} }}]\n",
        sized.replace("  replicas: 4\n", "")
    );
    let resting = loaded(&scaled, "", &[]);
    assert_eq!(value(&resting, "rollout.replicas"), "4", "the least that the autoscaler allows");
    assert!(resting.scenario.hpa.is_none() && resting.ignored.iter().any(|ignored| ignored.key == "hpa"));
    let scaling = loaded(&scaled, "[application]\ncpu_per_request = \"10ms\"\n", &[]);
    assert!(scaling.scenario.hpa.is_some());
}

#[test]
fn init_writes_the_scenario_that_manifests_amount_to() {
    let folder = folder("init");
    fs::write(folder.join("all.yaml"), WEB.replace("pause: { duration: 10 }", "pause: {}")).unwrap();
    let output = sim(&folder, &["init", "--from", "all.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let fingerprint = |arguments: &[&str]| {
        let output = sim(&folder, &[&["run", "--format", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_str::<serde_json::Value>(&stdout(&output)).unwrap()["fingerprint"].clone()
    };
    assert_eq!(fingerprint(&["web.toml", "-o", "a"]), fingerprint(&["all.yaml", "-o", "b"]));
    // What is there stays.
    let output = sim(&folder, &["init", "--from", "all.yaml"]);
    assert!(stderr(&output).starts_with("error: web.toml exists already"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn manifests_can_be_swept_and_drawn() {
    let folder = folder("sweep");
    fs::write(folder.join("all.yaml"), WEB).unwrap();
    fs::write(folder.join("x.toml"), "manifests = [\"all.yaml\"]\n[traffic]\nrate = \"50/s\"\n").unwrap();
    let vary = "rollout.strategy.canary.steps[0].setWeight=25,75";
    for (file, name) in [("all.yaml", "all"), ("x.toml", "x")] {
        let output = sim(&folder, &["sweep", file, "--vary", vary, "-q"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let rows = fs::read_to_string(folder.join(format!("output/{name}/cells.csv"))).unwrap();
        assert_eq!(rows.lines().count(), 3, "{rows}");
    }
    let output = sim(&folder, &["plot", "all.yaml", "-o", "web.svg"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::read_to_string(folder.join("web.svg")).unwrap().contains("Rollout web"));
}

#[test]
fn the_parameters_of_the_class_go_before_the_annotations() {
    let class = "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: { name: alb }\nspec:\n  controller: \
                 ingress.k8s.aws/alb\n  parameters: { apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: shared }\n---\n\
                 apiVersion: elbv2.k8s.aws/v1beta1\nkind: IngressClassParams\nmetadata: { name: shared }\nspec:\n  \
                 loadBalancerAttributes:\n    - { key: idle_timeout.timeout_seconds, value: \"120\" }\n";
    let own = WEB.replace(
        "    alb.ingress.kubernetes.io/target-type: ip\n",
        "    alb.ingress.kubernetes.io/target-type: ip\n    alb.ingress.kubernetes.io/load-balancer-attributes: \
         idle_timeout.timeout_seconds=30,routing.http2.enabled=true\n",
    );
    let key = "ingress.annotations.\"alb.ingress.kubernetes.io/load-balancer-attributes\"";
    assert!(value(&loaded(&own, "", &[]), key).contains("idle_timeout.timeout_seconds=30"));
    let both = loaded(&format!("{own}{class}"), "", &[]);
    assert!(value(&both, key).contains("idle_timeout.timeout_seconds=120"), "{}", value(&both, key));
    assert_eq!(both.scenario.load_balancer.idle_timeout, rollout_sim::units::Duration::secs(120));
}

/// One kind of target group is simulated, and the reader and the rules agree whose.
#[test]
fn the_annotations_of_the_canarys_service_do_not_count() {
    let annotated = WEB.replace(
        "metadata: { name: web-canary }",
        "metadata:\n  name: web-canary\n  annotations:\n    alb.ingress.kubernetes.io/healthcheck-interval-seconds: \"20\"",
    );
    let key = "ingress.annotations.\"alb.ingress.kubernetes.io/healthcheck-interval-seconds\"";
    assert_eq!(value(&loaded(&annotated, "", &[]), key), "\"10\"");
}

#[test]
fn of_several_ingresses_the_others_are_told() {
    let (head, ingress) = WEB.rsplit_once("---\n").unwrap();
    let two = WEB.replace("{ ingress: web,", "{ ingresses: [web, intern],");
    let loaded = loaded(&format!("{two}---\n{}", ingress.replacen("name: web", "name: intern", 1)), "", &[]);
    let told = loaded.ignored.iter().find(|ignored| ignored.name() == "ingresses").expect("the second is told");
    assert_eq!(told.consequence(), Some("requests through this one are not in the numbers"));
    // Kinds that nobody reads are counted.
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: { name: web }\n";
    let output = sim_with_input(&folder("route"), &["run", "-", "-v"], &format!("{head}---\n{ingress}---\n{route}"));
    assert!(stderr(&output).starts_with("skipped: 1 GRPCRoute\n"), "{}", stderr(&output));
}
