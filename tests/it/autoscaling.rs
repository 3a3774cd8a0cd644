//! A HorizontalPodAutoscaler beside a release.

use crate::support;
use rollout_sim::run::Run;
use rollout_sim::simulation;

const BASE: &str = r#"
[simulation]
warmup = "60s"
cooldown = "5s"
horizon = "30m"
[traffic]
rate = "100/s"
arrivals = "uniform"
[application]
startup_time = "5s"
[[rollout.template.spec.containers]]
name = "web"
resources.requests.cpu = "200m"
readinessProbe = { periodSeconds = 1 }
[rollout.strategy.canary]
trafficRouting.alb = {}
"#;

fn play(more: &str) -> Run {
    simulation::run(&support::scenario(&format!("{BASE}{more}"), "autoscaling", &[]), 1)
}

/// Sizes of `spec.replicas`, as they were written.
fn sizes(run: &Run) -> Vec<String> {
    let scaled = run.events.iter().filter(|entry| entry.component == "horizontal-pod-autoscaler");
    scaled.map(|entry| entry.detail.clone()).collect()
}

/// P26 (argo-rollouts issue 3849): memory does not fall with more pods, so stable goes to the maximum, and the canary to
/// 65 % of it on top.
#[test]
fn a_load_independent_metric_drives_stable_to_the_maximum() {
    let steps = |dynamic: bool| {
        let rollout = format!(
            "dynamicStableScale = {dynamic}\nsteps = [{{ setWeight = 65 }}, {{ pause = {{ duration = \"15m\" }} }}]\n[rollout]\nreplicas = 20\n"
        );
        let memory = "metrics = [{ type = \"Resource\", resource = { name = \"memory\", target = { type = \"Utilization\", averageUtilization = 60 } } }]";
        format!("{rollout}[hpa]\nminReplicas = 20\nmaxReplicas = 42\n{memory}\n")
    };
    // 42 % of 60 %: a ratio of 0.7, and 0.7 × 1.65 is above one.
    let usage = "[application]\nmemory_utilization = 0.42\n";
    let base = BASE.replace("[application]\n", usage);
    let run = |dynamic| {
        let text = format!("{base}{}", steps(dynamic)).replacen("[rollout]\nreplicas = 20\n", "", 1);
        let text = text.replacen("[[rollout.template", "[rollout]\nreplicas = 20\n[[rollout.template", 1);
        simulation::run(&support::scenario(&text, "p26", &[]), 1)
    };
    let fixed = run(false);
    let settled = &fixed.steps[0];
    assert_eq!((settled.stable_pods, settled.canary_pods), (42, 28), "ceil(0.65 × 42) = 28");
    let dynamic = run(true);
    assert!(sizes(&dynamic).is_empty(), "the sum stays at 20: {:?}", sizes(&dynamic));
    assert!(fixed.pods.extra_pod_seconds() > 10.0 * dynamic.pods.extra_pod_seconds());
}

/// 100/s × 10 ms are a core: with requests of 200 m and a target of 50 %, ten pods.
#[test]
fn the_cpu_that_requests_take_decides_the_size() {
    let cpu = "metrics = [{ type = \"Resource\", resource = { name = \"cpu\", target = { type = \"Utilization\", averageUtilization = 50 } } }]";
    let text = format!(
        "{BASE}steps = [{{ pause = {{ duration = \"10m\" }} }}]\n[hpa]\nminReplicas = 2\nmaxReplicas = 40\n{cpu}\n"
    );
    let text = text.replacen("[[rollout.template", "[rollout]\nreplicas = 4\n[[rollout.template", 1);
    let run = simulation::run(&support::scenario(&text, "cpu", &[]), 1);
    let sizes = sizes(&run);
    // Twice as many at most in one step; then the ratio says it.
    assert_eq!(sizes, ["4 -> 8", "8 -> 10"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |hpa: &str, cpu: &str| {
        let text = format!("{BASE}steps = []\n[hpa]\n{hpa}").replace("200m", cpu);
        let text = if cpu.is_empty() { text.replace("resources.requests.cpu = \"\"\n", "") } else { text };
        let problems = rollout_sim::scenario::load::load(&text, "hpa", &[]).expect_err("it is refused");
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(refused("maxReplicas = 5\n", ""), ["without resources.requests.cpu a pod has no CPU utilization"]);
    assert_eq!(refused("minReplicas = 2\n", "1"), ["`hpa.maxReplicas` is missing"]);
    let of = |metric: &str| refused(&format!("maxReplicas = 5\nmetrics = [{metric}]\n"), "1");
    assert_eq!(of("{ type = \"Pods\" }"), ["metrics of the type `Pods` are not simulated"]);
    let memory = |target: &str| {
        format!("{{ type = \"Resource\", resource = {{ name = \"memory\", target = {{ {target} }} }} }}")
    };
    assert_eq!(of(&memory("averageUtilization = 0")), ["0 is not a whole number from 1 to 1,000,000"]);
    let both = "averageUtilization = 50, averageValue = \"1\"";
    for target in ["type = \"Utilization\"", both] {
        assert_eq!(of(&memory(target)), ["a target is one of averageUtilization and averageValue"]);
    }
    assert_eq!(of(&memory("averageValue = \"1\"")), ["memory is simulated as a part of its request"]);
    let queue = "{ type = \"External\", external = { metric = { name = \"queue\" }, target = { value = 3 } } }";
    assert_eq!(of(queue), ["the run cannot measure `queue`"]);
    let behavior = |rules: &str| refused(&format!("maxReplicas = 5\nbehavior = {{ {rules} }}\n"), "1");
    assert_eq!(behavior("scaledown = { selectPolicy = \"Disabled\" }"), ["unknown key `scaledown`"]);
    assert_eq!(behavior("scaleUp = { policies = [] }"), ["at least one policy is needed"]);
    let policies = |policy: &str| behavior(&format!("scaleUp = {{ policies = [{{ {policy} }}] }}"));
    let percents = "type = \"Percents\", value = 1, periodSeconds = 15";
    assert_eq!(policies(percents), ["there is no policy of the type `Percents`"]);
    assert_eq!(policies("type = \"Pods\", value = 1"), ["a policy has type, value and periodSeconds"]);
    assert_eq!(behavior("scaleUp = { selectPolicy = \"Least\" }"), ["there is no selectPolicy `Least`"]);
    assert_eq!(play("steps = []\n").requests.elb_5xx(), 0, "the rest of the scenario is right");
}

/// The preview's pods are none of the autoscaler's: only the active ReplicaSet is in its selector.
#[test]
fn a_preview_does_not_drive_the_autoscaler() {
    let blue_green =
        "strategy.blueGreen = { activeService = \"a\", previewService = \"p\", autoPromotionEnabled = false }";
    let memory = "metrics = [{ type = \"Resource\", resource = { name = \"memory\", target = { type = \"Utilization\", averageUtilization = 100 } } }]";
    let text = format!(
        "[simulation]\nhorizon = \"4m\"\n[traffic]\nrate = \"10/s\"\n[application]\nmemory_utilization = 0.95\n[rollout]\nreplicas = 6\n{blue_green}\n[hpa]\nmaxReplicas = 40\n{memory}\n"
    );
    let run = simulation::run(&support::scenario(&text, "preview", &[]), 1);
    assert_eq!(sizes(&run), [] as [&str; 0], "a ratio of 0.95 is within the tolerance");
    assert_eq!(run.pods.peak, 12);
}
