//! What the Rollouts controller refuses: its own words under the number of its rule, the place, and what to write instead.
//!
//! V21 looks into experiments, which are not simulated; V24 is of blue-green.

use super::{VALID, folder, refused, sim, stderr, with};
use std::fs;

const CANARY: &str = "[rollout.strategy.canary]\n";
const STEPS: &str = "steps = [\n";
const HEADER_ROUTE: &str = "{ setHeaderRoute = { name = \"by-header\", match = \
     [{ headerName = \"X\", headerValue = { exact = \"on\" } }] } },\n";
const PING_PONG: &str = "pingPong = { pingService = \"web-ping\", pongService = \"web-pong\" }\n";

fn behind(line: &str, new: &str) -> String {
    with(line, &format!("{line}{new}"))
}

fn without_router(canary: &str, step: &str) -> String {
    let router = VALID.lines().find(|line| line.starts_with("trafficRouting")).unwrap();
    behind(CANARY, canary).replace(&format!("{router}\n"), "").replace(STEPS, &format!("{STEPS}{step}"))
}

fn routes(names: &[&str], step: &str) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{{ name = \"{name}\" }}")).collect();
    let managed = format!("trafficRouting.managedRoutes = [{}]\n", names.join(", "));
    behind(CANARY, &managed).replace(STEPS, &format!("{STEPS}{step}"))
}

#[test]
fn a_deadline_above_the_time_to_be_ready() {
    refused(
        "v1_unset",
        &behind("replicas = 4\n", "minReadySeconds = 600\n"),
        r#"
error[V1]: progressDeadlineSeconds must be greater than minReadySeconds
  --> x.toml:11:19
   |
11 | minReadySeconds = 600
   |                   ^^^
   |
   = help: progressDeadlineSeconds is 600 unless set: raise it, or lower minReadySeconds
"#,
    );
    refused(
        "v1_both",
        &behind("replicas = 4\n", "minReadySeconds = 30\nprogressDeadlineSeconds = 30\n"),
        r#"
error[V1]: progressDeadlineSeconds must be greater than minReadySeconds
  --> x.toml:12:27
   |
12 | progressDeadlineSeconds = 30
   |                           ^^
   |
   = help: progressDeadlineSeconds is 600 unless set: raise it, or lower minReadySeconds
"#,
    );
}

#[test]
fn one_strategy_and_no_more() {
    refused(
        "v2_none",
        &VALID[..VALID.find("[rollout.strategy").unwrap()],
        r#"
error[V2]: Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'
 --> x.toml:9:1
  |
9 | [rollout]
  | ^
  |
  = help: write strategy.canary with trafficRouting.alb and steps
"#,
    );
    refused(
        "v2_both",
        &format!("{VALID}[rollout.strategy.blueGreen]\nactiveService = \"web\"\n"),
        r#"
error[V2]: Multiple Strategies can not be listed
  --> x.toml:17:1
   |
17 | [rollout.strategy.blueGreen]
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: leave one of canary and blueGreen out
"#,
    );
}

#[test]
fn a_selector_that_is_written_fits_the_labels() {
    refused(
        "v3_empty",
        &behind("replicas = 4\n", "selector = {}\n"),
        r#"
error[V3]: empty selector is invalid for deployment
  --> x.toml:11:12
   |
11 | selector = {}
   |            ^^
   |
   = help: write the same labels in selector.matchLabels and template.metadata.labels, or leave `selector` out
"#,
    );
    refused(
        "v3_labels",
        &behind(
            "replicas = 4\n",
            "selector.matchLabels = { app = \"web\" }\ntemplate.metadata.labels = { app = \"wbe\" }\n",
        ),
        r#"
error[V3]: `selector` does not match template `labels`
  --> x.toml:12:28
   |
12 | template.metadata.labels = { app = "wbe" }
   |                            ^^^^^^^^^^^^^^^
   |
   = help: write the same labels in selector.matchLabels and template.metadata.labels, or leave `selector` out
"#,
    );
}

#[test]
fn a_canary_that_can_move() {
    refused(
        "v4",
        &behind(CANARY, "maxSurge = 0\nmaxUnavailable = \"0%\"\n"),
        r#"
error[V4]: MaxSurge and MaxUnavailable both can not be zero
  --> x.toml:12:12
   |
12 | maxSurge = 0
   |            ^
   |
   = help: leave one of them out, it is 25% then, or write maxUnavailable = 1
"#,
    );
}

#[test]
fn two_services_with_names() {
    refused(
        "v5",
        &behind(CANARY, "canaryService = \"web\"\nstableService = \"web\"\n"),
        r#"
error[V5]: This rollout uses the same service for the stable and canary services, but two different services are required
  --> x.toml:13:17
   |
13 | stableService = "web"
   |                 ^^^^^
   |
   = help: name two: canaryService = "web-canary" and stableService = "web-stable"
"#,
    );
    refused(
        "v6",
        &behind(CANARY, "canaryService = \"\"\n"),
        r#"
error[V6]: Canary service and Stable service must to be set to use Traffic Routing
  --> x.toml:12:17
   |
12 | canaryService = ""
   |                 ^^
   |
   = help: name both: canaryService = "web-canary" and stableService = "web-stable", or leave both out
"#,
    );
    refused(
        "v6_one",
        &behind(CANARY, "canaryService = \"web-canary\"\n"),
        r#"
error[V6]: Canary service and Stable service must to be set to use Traffic Routing
  --> x.toml:11:1
   |
11 | [rollout.strategy.canary]
   | ^
   |
   = help: name both: canaryService = "web-canary" and stableService = "web-stable", or leave both out
"#,
    );
}

#[test]
fn what_only_a_router_can_do_needs_one() {
    refused(
        "v7",
        &without_router("scaleDownDelaySeconds = 60\n", ""),
        r#"
error[V7]: Canary scaleDownDelaySeconds can only be used with traffic routing
  --> x.toml:12:25
   |
12 | scaleDownDelaySeconds = 60
   |                         ^^
   |
   = help: write trafficRouting = { alb = { ingress = "web", rootService = "web-root", servicePort = 80 } }
"#,
    );
    refused(
        "v8",
        &without_router("dynamicStableScale = true\n", ""),
        r#"
error[V8]: Canary dynamicStableScale can only be used with traffic routing
  --> x.toml:12:22
   |
12 | dynamicStableScale = true
   |                      ^^^^
   |
   = help: write trafficRouting = { alb = { ingress = "web", rootService = "web-root", servicePort = 80 } }
"#,
    );
    refused(
        "v13",
        &without_router("", "{ setCanaryScale = { replicas = 2 } },\n"),
        r#"
error[V13]: SetCanaryScale requires TrafficRouting to be set
  --> x.toml:11:1
   |
11 | [rollout.strategy.canary]
   | ^
   |
   = help: write trafficRouting = { alb = { ingress = "web", rootService = "web-root", servicePort = 80 } }
"#,
    );
    refused(
        "v14",
        &without_router("", HEADER_ROUTE),
        r#"
error[V14]: SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix
  --> x.toml:13:20
   |
13 | { setHeaderRoute = { name = "by-header", match = [{ headerName = "X", headerValue = { exact = "on" } }] } },
   |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: write trafficRouting = { alb = { ingress = "web", rootService = "web-root", servicePort = 80 } }
"#,
    );
}

#[test]
fn one_of_the_two_ways_to_scale_down() {
    refused(
        "v9",
        &behind(CANARY, "dynamicStableScale = true\nscaleDownDelaySeconds = 60\n"),
        r#"
error[V9]: Canary dynamicStableScale cannot be used with scaleDownDelaySeconds
  --> x.toml:12:22
   |
12 | dynamicStableScale = true
   |                      ^^^^
   |
   = help: leave scaleDownDelaySeconds out, or write dynamicStableScale = false
"#,
    );
}

#[test]
fn weights_in_percent() {
    refused(
        "v10",
        &behind(CANARY, "trafficRouting.maxTrafficWeight = 1000\n"),
        r#"
error[V10]: Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins
  --> x.toml:12:35
   |
12 | trafficRouting.maxTrafficWeight = 1000
   |                                   ^^^^
   |
   = help: leave it out: with an ALB the weights are percentages
"#,
    );
    refused(
        "v11",
        &with("setWeight = 25", "setWeight = 101"),
        r#"
error[V11]: SetWeight needs to be between 0 and 100
  --> x.toml:14:19
   |
14 |     { setWeight = 101 },
   |                   ^^^
   |
   = help: it is the canary's share in percent
"#,
    );
}

#[test]
fn a_pause_that_can_end() {
    refused(
        "v12_number",
        &with("duration = \"10s\"", "duration = -5"),
        r#"
error[V12]: Duration needs to be greater than 0
  --> x.toml:15:28
   |
15 |     { pause = { duration = -5 } },
   |                            ^^
   |
   = help: write seconds (60), or a Go duration ("60s", "1h30m"); `pause = {}` waits for a person
"#,
    );
    refused(
        "v12_text",
        &with("duration = \"10s\"", "duration = \"1d\""),
        r#"
error[V12]: Duration needs to be greater than 0
  --> x.toml:15:28
   |
15 |     { pause = { duration = "1d" } },
   |                            ^^^^
   |
   = help: write seconds (60), or a Go duration ("60s", "1h30m"); `pause = {}` waits for a person
"#,
    );
}

#[test]
fn an_alb_matches_whole_values_of_headers() {
    refused(
        "v15",
        &routes(&["by-header"], &HEADER_ROUTE.replace("exact", "regex")),
        r#"
error[V15]: SetHeaderRoute match value invalid. ALB supports 'exact' value only
  --> x.toml:15:85
   |
15 | { setHeaderRoute = { name = "by-header", match = [{ headerName = "X", headerValue = { regex = "on" } }] } },
   |                                                                                     ^^^^^^^^^^^^^^^^
   |
   = help: write headerValue = { exact = "always" }
"#,
    );
    refused(
        "v16",
        &routes(&["by-header"], "{ setHeaderRoute = { name = \"by-header\", match = [{ headerName = \"X\" }] } },\n"),
        r#"
error[V16]: StringMatch value missed, match value must have one of the following: exact, regex, prefix
  --> x.toml:15:51
   |
15 | { setHeaderRoute = { name = "by-header", match = [{ headerName = "X" }] } },
   |                                                   ^
   |
   = help: write headerValue = { exact = "always" }
"#,
    );
}

#[test]
fn an_alb_mirrors_nothing() {
    refused(
        "v17",
        &behind(STEPS, "{ setMirrorRoute = { name = \"copy\", percentage = 10 } },\n"),
        r#"
error[V17]: SetMirrorRoute requires TrafficRouting, supports Istio and Plugins
  --> x.toml:14:20
   |
14 | { setMirrorRoute = { name = "copy", percentage = 10 } },
   |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: leave the step out: an ALB mirrors no requests
"#,
    );
}

#[test]
fn a_route_is_one_of_the_managed() {
    refused(
        "v18",
        &behind(STEPS, HEADER_ROUTE),
        r#"
error[V18]: Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'
  --> x.toml:12:1
   |
12 | trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
   | ^
   |
   = help: write managedRoutes = [{ name = "…" }], with the name of each route
"#,
    );
    refused(
        "v19",
        &routes(&["other"], HEADER_ROUTE),
        r#"
error[V19]: Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes
  --> x.toml:15:29
   |
15 | { setHeaderRoute = { name = "by-header", match = [{ headerName = "X", headerValue = { exact = "on" } }] } },
   |                             ^^^^^^^^^^^
   |
   = help: write the name of one of trafficRouting.managedRoutes, or add this one there
"#,
    );
}

#[test]
fn a_step_is_of_one_kind() {
    refused(
        "v20_none",
        &behind(STEPS, "{},\n"),
        r#"
error[V20]: Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause
  --> x.toml:14:1
   |
14 | {},
   | ^^
   |
   = help: a step is { setWeight = 25 }, { setCanaryScale = { replicas | weight | matchTrafficWeight } }, { pause = { duration = "60s" } }, { pause = {} }, { setHeaderRoute = { name, match } } or { analysis = { templates } }
"#,
    );
    refused(
        "v20_two",
        &behind(STEPS, "{ setWeight = 50, pause = {} },\n"),
        r#"
error[V20]: Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause
  --> x.toml:14:1
   |
14 | { setWeight = 50, pause = {} },
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: write a step for each of them
"#,
    );
}

#[test]
fn two_services_that_take_turns() {
    refused(
        "v22_missing",
        &behind(CANARY, "pingPong.pongService = \"web-pong\"\n"),
        r#"
error[V22]: Ping service and Pong service must to be set to use Ping-Pong feature
  --> x.toml:12:1
   |
12 | pingPong.pongService = "web-pong"
   | ^
   |
   = help: name two: pingPong = { pingService = "web-ping", pongService = "web-pong" }
"#,
    );
    refused(
        "v22_same",
        &behind(CANARY, "pingPong = { pingService = \"web\", pongService = \"web\" }\n"),
        r#"
error[V22]: This rollout uses the same service for the ping and pong services, but two different services are required
  --> x.toml:12:28
   |
12 | pingPong = { pingService = "web", pongService = "web" }
   |                            ^^^^^
   |
   = help: name two: pingPong = { pingService = "web-ping", pongService = "web-pong" }
"#,
    );
    refused(
        "v22_root",
        &behind(CANARY, PING_PONG).replace("rootService = \"web-root\", ", ""),
        r#"
error[V22]: Root service field is required for the configuration with ALB and ping-pong feature enabled
  --> x.toml:13:22
   |
13 | trafficRouting.alb = { ingress = "web", servicePort = 80 }
   |                      ^
   |
   = help: write rootService = "web-root" in trafficRouting.alb: the Service that the Ingress names
"#,
    );
}

#[test]
fn anti_affinity_of_one_kind() {
    refused(
        "v23_none",
        &behind(CANARY, "antiAffinity = {}\n"),
        r#"
error[V23]: AntiAffinity must have exactly one strategy listed
  --> x.toml:12:16
   |
12 | antiAffinity = {}
   |                ^^
   |
   = help: write antiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = {} }, or { preferredDuringSchedulingIgnoredDuringExecution = { weight = 100 } }
"#,
    );
    refused(
        "v23_weight",
        &behind(CANARY, "antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight = 101\n"),
        r#"
error[V23]: AntiAffinity weight must be between 1-100
  --> x.toml:12:71
   |
12 | antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight = 101
   |                                                                       ^^^
   |
   = help: write weight = 100, or any number from 1
"#,
    );
}

/// The heads of all messages.
fn told(name: &str, text: &str) -> Vec<String> {
    let folder = folder(name);
    fs::write(folder.join("x.toml"), text).unwrap();
    let output = sim(&folder, &["run", "x.toml", "-q"]);
    stderr(&output).lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect()
}

#[test]
fn one_mistake_is_told_once() {
    for (name, text, message) in [
        // Three fields want the same router.
        (
            "once_router",
            without_router("dynamicStableScale = true\n", "{ setCanaryScale = {} },\n{ setCanaryScale = {} },\n"),
            "error[V8]: Canary dynamicStableScale can only be used with traffic routing",
        ),
        (
            "once_misspelt_router",
            VALID
                .replace("trafficRouting", "traficRouting")
                .replace(CANARY, &format!("{CANARY}dynamicStableScale = true\n")),
            "error: unknown key `traficRouting`",
        ),
        ("once_misspelt_strategy", VALID.replace("canary", "canry"), "error: unknown key `canry`"),
        (
            "once_misspelt_routes",
            routes(&["by-header"], HEADER_ROUTE).replace("managedRoutes", "managedRoute"),
            "error: unknown key `managedRoute`",
        ),
        // The controller takes for 0 or for nothing what cannot be read.
        (
            "once_unreadable_surge",
            behind(CANARY, "maxSurge = \"some\"\nmaxUnavailable = 0\n"),
            "error: \"some\" is neither a number of pods nor a percentage",
        ),
        (
            "once_unreadable_unavailable",
            behind(CANARY, "maxSurge = 0\nmaxUnavailable = \"some\"\n"),
            "error: \"some\" is neither a number of pods nor a percentage",
        ),
        (
            "once_unreadable_header",
            routes(&["by-header"], &HEADER_ROUTE.replace("\"on\"", "1")),
            "error: `exact` is an integer, it must be a string",
        ),
        (
            "once_negative",
            with("replicas = 4", "replicas = -1"),
            "error: `replicas` is -1, it must lie between 1 and 10,000",
        ),
        ("once_step", with("setWeight = 25", "setWait = 25"), "error: there is no step `setWait`"),
        (
            "once_several",
            with("{ setWeight = 25 }", "{ pause = {}, setCanaryScale = {} }"),
            "error: a step that does several things is not simulated yet",
        ),
        // The route needs no name among the managed ones, as it cannot be.
        (
            "once_mirror",
            behind(STEPS, "{ setMirrorRoute = { name = \"copy\" } },\n"),
            "error[V17]: SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
        ),
        (
            "once_pair",
            behind(CANARY, "pingPong = {}\n"),
            "error[V22]: Ping service and Pong service must to be set to use Ping-Pong feature",
        ),
        ("once_long_pause", with("\"10s\"", "2147483648"), "error: 2147483648 s are more than a pause can have"),
        // A step that is refused is a step all the same: the action waits for the last one.
        (
            "once_counted",
            format!("{}[[actions]]\nwhen = \"step 1\"\ndo = \"abort\"\n", with("setWeight = 25", "setWeight = 101")),
            "error[V11]: SetWeight needs to be between 0 and 100",
        ),
    ] {
        assert_eq!(told(name, &text), [message], "{name}");
    }
}

#[test]
fn all_that_the_controller_refuses_is_told_at_once_in_the_order_of_the_file() {
    let steps = "{ setWeight = -1 },\n{ setMirrorRoute = { name = \"copy\" } },\n{ setWait = 3 },\n{},\n";
    let text = routes(&[], &format!("{steps}{HEADER_ROUTE}"))
        .replace(
            CANARY,
            &format!("{CANARY}dynamicStableScale = true\nscaleDownDelaySeconds = \"1m\"\nantiAffinity = {{}}\n"),
        )
        .replace("replicas = 4", "minReadySeconds = 600\nreplicas = 0");
    assert_eq!(
        told("refused_at_once", &text),
        [
            "error[V1]: progressDeadlineSeconds must be greater than minReadySeconds",
            "error: `replicas` is 0, it must lie between 1 and 10,000",
            "error[V9]: Canary dynamicStableScale cannot be used with scaleDownDelaySeconds",
            "error: `1m` is a string, `scaleDownDelaySeconds` must be an integer",
            "error[V23]: AntiAffinity must have exactly one strategy listed",
            "error[V11]: SetWeight needs to be between 0 and 100",
            "error[V17]: SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
            "error: there is no step `setWait`",
            "error[V20]: Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause",
            "error[V19]: Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes",
        ]
    );
}

#[test]
fn a_refused_override_is_named_as_the_place() {
    let folder = folder("refused_override");
    fs::write(folder.join("x.toml"), behind(CANARY, "scaleDownDelaySeconds = 60\n")).unwrap();
    for (set, code) in [
        ("rollout.strategy.canary.dynamicStableScale=true", "V9"),
        ("rollout.minReadySeconds=600", "V1"),
        ("rollout.strategy.canary.pingPong.pongService=pong", "V22"),
        ("rollout.strategy.canary.steps[2]={ setMirrorRoute = { name = \"copy\" } }", "V17"),
    ] {
        let message = stderr(&sim(&folder, &["run", "x.toml", "--set", set]));
        assert!(message.starts_with(&format!("error[{code}]: ")), "{message}");
        assert_eq!(message.lines().nth(1), Some(&*format!("--> --set {set}")), "{message}");
    }
}

#[test]
fn what_the_controller_takes_runs() {
    let text = routes(&["by-header"], HEADER_ROUTE).replace(CANARY, &format!("{CANARY}{PING_PONG}"));
    let affinity = "antiAffinity.requiredDuringSchedulingIgnoredDuringExecution = {}\n";
    for (name, text) in [
        ("takes_routes", text),
        ("takes_affinity", behind(CANARY, affinity)),
        ("takes_no_pause", with("\"10s\"", "0")),
        (
            "takes_labels",
            behind("replicas = 4\n", "selector.matchLabels.app = \"a\"\ntemplate.metadata.labels.app = \"a\"\n"),
        ),
    ] {
        let folder = folder(name);
        fs::write(folder.join("x.toml"), text).unwrap();
        let output = sim(&folder, &["run", "x.toml", "-q"]);
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)), "{name}");
    }
}
