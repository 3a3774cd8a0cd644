//! Routers that are no ALB: their presets, what is refused, what a header route, a mirror and three URLs come to.

use crate::manifests::imported;
use crate::support::of_gallery;
use rollout_sim::model::Revision;
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::scenario::load::load;
use rollout_sim::scenario::manifests::ignored::Reason;
use rollout_sim::scenario::preset;
use rollout_sim::scenario::{Loaded, Origin};
use rollout_sim::simulation::{run, run_traced};
use rollout_sim::units::Instant;

/// A canary behind a router: `routing` is what stands in `trafficRouting`.
fn canary(routing: &str, rest: &str) -> String {
    format!(
        "[simulation]\nwarmup = \"5s\"\ncooldown = \"5s\"\nhorizon = \"10m\"\n[traffic]\nrate = \"40/s\"\n[rollout]\n\
         replicas = 4\n[[rollout.template.spec.containers]]\nname = \"web\"\nlifecycle.preStop.sleep.seconds = 10\n\
         [rollout.strategy.canary]\ncanaryService = \"next\"\nstableService = \"now\"\nsteps = [{{ setWeight = 50 }}, \
         {{ pause = {{ duration = 20 }} }}]\ntrafficRouting = {{ {routing} }}\n[application]\nstartup_time = \"2s\"\n{rest}"
    )
}

fn loaded(text: &str) -> Loaded {
    load(text, "web", &[]).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

fn problems(text: &str) -> Vec<String> {
    match load(text, "web", &[]) {
        Ok(loaded) => loaded.warnings.into_iter().map(|problem| problem.message).collect(),
        Err(problems) => problems.into_iter().map(|problem| problem.message).collect(),
    }
}

/// When the log says this of that object for the first time, in seconds since the start of the run.
fn first(run: &Run, event: &str, detail: &str) -> Option<f64> {
    let is = |entry: &&LogEntry| entry.event == event && entry.detail.starts_with(detail);
    run.events.iter().find(is).map(|entry| (entry.at - Instant::START).as_secs_f64())
}

const ROUTERS: [(&str, &str); 9] = [
    ("istio = { virtualService = { name = \"web\" } }", "istio"),
    ("nginx = { stableIngress = \"web\" }", "nginx"),
    ("smi = {}", "linkerd"),
    ("ambassador = { mappings = [\"web\"] }", "ambassador"),
    ("appMesh = { virtualService = { name = \"web\" } }", "app-mesh"),
    ("traefik = { weightedTraefikServiceName = \"web\" }", "traefik"),
    ("apisix = { route = { name = \"web\" } }", "apisix"),
    ("plugins = { \"argoproj-labs/gatewayAPI\" = { httpRoute = \"web\" } }", "envoy-gateway"),
    ("alb = { ingress = \"web\" }", "alb"),
];

#[test]
fn a_router_has_its_preset_and_its_weights_reach_the_pods() {
    for (routing, preset) in ROUTERS {
        let loaded = loaded(&canary(routing, ""));
        assert_eq!(loaded.scenario.router.preset, preset);
        let run = run(&loaded.scenario, 1);
        let asked = first(&run, "SetWeight", "canary 50").expect(preset);
        let effective = first(&run, "RuleEffective", "canary 50").expect(preset);
        assert!(effective > asked, "{preset}: asked at {asked}, effective at {effective}");
        assert_eq!(run.rollout.outcome.name(), "promoted", "{preset}");
    }
}

#[test]
fn every_figure_of_a_preset_is_a_parameter_with_its_source() {
    for (routing, preset) in ROUTERS {
        let loaded = loaded(&canary(routing, ""));
        let of_router = |key: &str| key.starts_with("load_balancer.") || key.starts_with("load_balancer_controller.");
        let parameters: Vec<_> = loaded.parameters.iter().filter(|parameter| of_router(&parameter.key)).collect();
        assert!(parameters.len() >= 10, "{preset}: {}", parameters.len());
        for parameter in parameters {
            let note = parameter.note;
            let sources = [
                "ssumption",
                "PILOT_DEBOUNCE_AFTER",
                "meshConfig.connectTimeout",
                "--sync-rate-limit",
                "proxy-connect-timeout",
                "proxy-read-timeout",
                "providersThrottleDuration",
                "forwardingTimeouts.dialTimeout",
                "AMBASSADOR_RECONFIG_MAX_DELAY",
                "AWS",
                "aws-",
                "ELBv2",
                "argo-",
                "controller-runtime",
                "Envoy",
                "EndpointSlices",
            ];
            assert!(sources.iter().any(|source| note.contains(source)), "{preset}: {}: {note}", parameter.key);
            assert_eq!(parameter.origin, Origin::Default);
        }
        let told = loaded.parameters.iter().any(|parameter| parameter.key == "router.preset");
        assert_eq!(told, preset != "alb", "an ALB is what it is without a word about it");
    }
}

#[test]
fn a_preset_is_a_set_of_defaults() {
    let gateway = "plugins = { \"argoproj-labs/gatewayAPI\" = { httpRoute = \"web\" } }";
    for preset in preset::all() {
        let fits = preset.routers.contains(&"plugins");
        let text = canary(gateway, &format!("[router]\npreset = \"{}\"\n", preset.name));
        if fits {
            assert_eq!(loaded(&text).scenario.load_balancer.hold, preset.hold.0, "{}", preset.name);
        } else {
            let message = format!("the preset `{}` does not read what the router `plugins` writes", preset.name);
            assert!(problems(&text).contains(&message), "{}: {:?}", preset.name, problems(&text));
        }
    }
    let own = canary(gateway, "[load_balancer]\nhold = { tick = \"7s\" }\nhealth_checks = true\n");
    let scenario = loaded(&own).scenario;
    assert_eq!(scenario.load_balancer.hold.longest().whole_secs(), 7);
    assert!(scenario.load_balancer.health_checks);
}

#[test]
fn what_says_nothing_of_the_router_is_refused() {
    let istio = "istio = { virtualService = { name = \"web\" } }";
    for (text, message) in [
        (
            canary(istio, "[ingress.annotations]\n\"alb.ingress.kubernetes.io/scheme\" = \"internal\"\n"),
            "`ingress` says nothing of a router that is no ALB",
        ),
        (
            canary(istio, "[[http_routes]]\nmetadata.name = \"web\"\nspec.rules = []\n"),
            "`http_routes` says nothing here: the router is another one",
        ),
        (
            canary("alb = {}", "[virtual_service]\nspec.http = []\n"),
            "`virtual_service` says nothing here: the router is another one",
        ),
        (
            canary(istio, "[virtual_service]\nspec.http = [{ route = [{ destination.host = \"now\" }] }]\n"),
            "Canary Service 'next' not found in route",
        ),
        (
            canary(
                "plugins = { \"argoproj-labs/gatewayAPI\" = { httpRoute = \"wbe\" } }",
                "[[http_routes]]\nmetadata.name = \"web\"\nspec.rules = [{ backendRefs = [{ name = \"now\" }, { name = \
                 \"next\" }] }]\n",
            ),
            "httproutes.gateway.networking.k8s.io \"wbe\" not found",
        ),
        (
            canary("nginx = {}, maxTrafficWeight = 1000", "seed = -1\n[load_balancer]\nnodes = 0\n"),
            "`nodes` is 0, it must lie between 1 and 100",
        ),
        (
            canary("alb = {}", "[load_balancer]\nrule_batch = \"1s\"\nhold = \"none\"\n"),
            "`hold` and `rule_batch` say the same thing",
        ),
        (canary("traefik = {}, istio = {}", ""), "one router is simulated: `istio`"),
        (canary("plugins = { \"acme/router\" = {} }", ""), "the plugin `acme/router` is not simulated yet"),
        (canary("alb = {}", "[router]\npresset = \"alb\"\n"), "unknown key `presset`"),
        (canary(istio, "[router]\npreset = \"isito\"\n"), "`isito` is no choice for `preset`"),
    ] {
        assert!(problems(&text).iter().any(|problem| problem == message), "{message}: {:?}\n{text}", problems(&text));
    }
}

#[test]
fn routes_without_a_place_for_the_weights_are_told_once_with_what_there_is() {
    let header = "managedRoutes = [{ name = \"h\" }], ";
    let plugin =
        |route: &str| format!("{header}plugins = {{ \"argoproj-labs/gatewayAPI\" = {{ httpRoute = \"{route}\" }} }}");
    let routes = |service: &str| {
        let backends = format!("backendRefs = [{{ name = \"now\" }}, {{ name = \"{service}\" }}]");
        format!("[[http_routes]]\nmetadata.name = \"web\"\nspec.rules = [{{ {backends} }}]\n")
    };
    let istio = |routes: &str| format!("{header}istio = {{ virtualService = {{ name = \"web\"{routes} }} }}");
    let service = "[virtual_service]\nspec.http = [{ name = \"a\", route = [{ destination.host = \"now\" }] }]\n";
    for (text, message, help) in [
        (
            canary(&plugin("web"), &routes("nxt")),
            "backendRef was not found in httpRoute",
            "name backendRefs now and next; there are now, nxt",
        ),
        (
            canary(&plugin("wbe"), &routes("next")),
            "httproutes.gateway.networking.k8s.io \"wbe\" not found",
            "did you mean `web`?",
        ),
        (
            canary(&istio(", routes = [\"a\"]"), service),
            "Canary Service 'next' not found in route",
            "name destinations now and next; there are now",
        ),
        (
            canary(&istio(", routes = [\"front\"]"), service),
            "HTTP Route 'front' is not found in the defined Virtual Service.",
            "there are a",
        ),
    ] {
        let step = "steps = [{ setHeaderRoute = { name = \"h\", match = [{ headerName = \"a\", headerValue = { exact = \"b\" } }] \
                    } }, ";
        let problems = load(&text.replace("steps = [", step), "web", &[]).expect_err(message);
        let told: Vec<_> = problems.iter().map(|problem| (problem.message.as_str(), problem.help.as_str())).collect();
        assert_eq!(told, [(message, help)]);
        assert!(problems[0].place.is_some(), "{message}");
    }
}

#[test]
fn what_does_nothing_is_told() {
    let steps = |step: &str| format!("[rollout.strategy.canary]\nsteps = [{step}]\n");
    let header =
        "{ setHeaderRoute = { name = \"h\", match = [{ headerName = \"a\", headerValue = { prefix = \"b\" } }] } }";
    let mirror = "{ setMirrorRoute = { name = \"h\", match = [{ method = { exact = \"GET\" } }] } }";
    let plugin = |routes: &str| {
        format!("managedRoutes = [{{ name = \"h\" }}], plugins = {{ \"argoproj-labs/gatewayAPI\" = {{ {routes} }} }}")
    };
    let with = |routing: &str, step: &str| {
        let text = canary(routing, "");
        let from = text.find("steps = [").unwrap();
        let to = text[from..].find("\n").unwrap() + from;
        format!("{}{}{}", &text[..from], steps(step).lines().nth(1).unwrap(), &text[to..])
    };
    let no_route = plugin("httpRoutes = [{ name = \"web\" }]");
    assert_eq!(problems(&with(&no_route, header)), ["this step makes no route: it is over at once"]);
    assert_eq!(problems(&with(&plugin("httpRoute = \"web\""), header)), [""; 0]);
    let told = problems(&with(&plugin("httpRoute = \"web\""), mirror));
    assert_eq!(told, ["this router makes no mirror route: the step is over at once"]);
    let form = canary(
        &plugin("httpRoute = \"web\""),
        "[[http_routes]]\nmetadata.name = \"web\"\nspec.rules = [{ backendRefs = [{ name = \"now\" }, { name = \"next\" }] }, \
         { backendRefs = [{ name = \"next\" }] }]\n",
    );
    let message = "the plugin will delete a rule of this route: its only backend is the canary's Service";
    assert_eq!(problems(&form), [message]);
}

#[test]
fn weights_may_be_out_of_a_thousand_with_nginx() {
    let text = canary("nginx = { stableIngress = \"web\" }, maxTrafficWeight = 1000", "");
    let text = text.replace("setWeight = 50", "setWeight = 25").replace("duration = 20", "duration = 100");
    let scenario = loaded(&text).scenario;
    let run = run_traced(&scenario, 1).run;
    assert!(first(&run, "RuleEffective", "canary 2.5 stable 97.5").is_some());
    assert_eq!(run.steps[0].weight_requested.to_string(), "2.5");
    let effective = run.steps[0].weight_effective.expect("every proxy follows");
    let over = run.steps[1].completed.expect("the pause ends");
    let trace = run.trace.as_ref().expect("the run is traced");
    let versions: Vec<_> = trace.iter().filter(|one| (effective..over).contains(&one.arrival)).collect();
    let canary = versions.iter().filter(|one| one.version == Some(Revision(2))).count() as f64;
    let (expected, deviation) = (0.025 * versions.len() as f64, (0.025 * 0.975 * versions.len() as f64).sqrt());
    assert!(versions.len() > 3_000 && (canary - expected).abs() < 3.3 * deviation, "{canary} of {}", versions.len());
    let quarter = loaded(&text.replace("setWeight = 25", "setWeight = 250")).scenario;
    let run = rollout_sim::simulation::run(&quarter, 1);
    assert_eq!(run.steps[0].weight_requested.to_string(), "25");
    assert!(run.steps[0].weight_effective.is_some());
    let seconds = run.seconds.iter().map(|second| (second.weight_requested, second.weight_effective_sum));
    assert!(seconds.into_iter().any(|weights| weights == (2_500, 2_500 * run.nodes)));
    let beyond = text.replace("setWeight = 25", "setWeight = 1001");
    assert!(problems(&beyond).contains(&"SetWeight needs to be between 0 and 1000".to_owned()));
}

/// Of the requests of a class in this stretch of seconds, the share that the new version got.
fn share(run: &Run, class: u8, (from, to): (f64, f64)) -> f64 {
    let at = |arrival: Instant| (arrival - Instant::START).as_secs_f64();
    let trace = run.trace.as_ref().expect("the run is traced");
    let requests = trace.iter().filter(|request| request.class == class && (from..to).contains(&at(request.arrival)));
    let versions: Vec<_> = requests.map(|request| request.version).collect();
    assert!(versions.len() > 20, "{} requests of class {class} from {from} to {to}", versions.len());
    versions.iter().filter(|version| **version == Some(Revision(2))).count() as f64 / versions.len() as f64
}

const TESTERS: u8 = 0;
const EVERYBODY: u8 = 1;

#[test]
fn a_header_route_before_the_first_canary_pod_is_removed_since_1_8() {
    for (name, is_removed) in [("routing/header-route-too-early", true), ("routing/header-route-too-early-1-7", false)]
    {
        let scenario = of_gallery(name, &[]).scenario;
        let run = run_traced(&scenario, scenario.seed).run;
        let set = first(&run, "SetHeaderRoute", "testers").expect("the step sets it");
        let gone = first(&run, "RemoveRoutes", "testers").expect("at the end it goes");
        let weight = first(&run, "RuleEffective", "canary 25").expect("the weight is asked for");
        let promoted = first(&run, "SetWeight", "canary 100").expect("somebody promotes");
        assert!(set < gone);
        assert_eq!(gone < weight, is_removed, "{name}: removed at {gone}, the first weight at {weight}");
        // Both proxies follow after at most 3.5 s: a throttle of 2 s, and 2 s between them.
        let pause = (weight + 5.0, promoted);
        let (testers, everybody) = (share(&run, TESTERS, pause), share(&run, EVERYBODY, pause));
        assert!((everybody - 0.25).abs() < 0.03, "{name}: {everybody}");
        match is_removed {
            true => assert!((testers - 0.25).abs() < 0.08, "{name}: {testers}"),
            false => assert!(testers == 1.0, "{name}: {testers}"),
        }
    }
}

#[test]
fn with_a_pod_first_the_header_route_stays_under_every_version() {
    let steps = "rollout.strategy.canary.steps=[{ setCanaryScale = { replicas = 1 } }, { setHeaderRoute = { name = \"testers\", \
                 match = [{ headerName = \"X-Canary\", headerValue = { exact = \"yes\" } }] } }, { pause = { duration = 30 } }]";
    for version in ["1.7", "1.10"] {
        let version = format!("rollouts_controller.version=\"{version}\"");
        let scenario = of_gallery("routing/header-route-too-early", &[steps, &version, "actions=[]"]).scenario;
        let run = run_traced(&scenario, 1).run;
        let set = first(&run, "SetHeaderRoute", "testers").expect("the step sets it");
        let gone = first(&run, "RemoveRoutes", "testers").expect("at the end it goes");
        let stretch = (set + 5.0, gone);
        assert!(gone - set > 25.0, "{version}: it stays for the pause");
        assert_eq!((share(&run, TESTERS, stretch), share(&run, EVERYBODY, stretch)), (1.0, 0.0), "{version}");
    }
}

/// Half of 100/s; every copy meets the bad version, and while the route is there no user does.
#[test]
fn copies_are_for_the_canary_and_for_nobody_else() {
    // The abort takes the route away; or a step does, if nobody looks.
    for (actions, until) in [(None, "Aborted"), (Some("actions=[]"), "SetWeight")] {
        let all: Vec<_> = ["application.versions.v2.error_share=1.0"].into_iter().chain(actions).collect();
        let scenario = of_gallery("routing/mirrored-traffic-bad", &all).scenario;
        let run = run_traced(&scenario, 1).run;
        let set = first(&run, "SetMirrorRoute", "shadow").expect("the step sets it");
        let gone = first(&run, "RemoveRoutes", "shadow").expect("it goes");
        let end = first(&run, until, "").expect(until);
        assert!(set < gone && gone <= end + 1.0, "{until}: {set}, {gone}, {end}");
        let expected = (gone - set) * 100.0 * 0.5;
        let copies = run.mirrored.requests as f64;
        assert!((copies - expected).abs() < 0.1 * expected, "{until}: {copies} of {expected}");
        // Until the proxies have heard of the canary's first pod, its Service is that of the stable ones: a second at most.
        let well = run.mirrored.requests - run.mirrored.target_5xx;
        assert!(well <= 55 && run.mirrored.lost == 0, "{until}: {:?}", run.mirrored);
        assert_eq!(share(&run, 0, (set, gone)), 0.0);
    }
}

#[test]
fn three_urls_in_front_of_one_canary() {
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/routing/manifests");
    let read = |name: &str| std::fs::read_to_string(format!("{FOLDER}/{name}")).expect(name);
    let manifests = ["rollout.yaml", "http-routes.yaml", "services.yaml"].map(read).join("---\n");
    let loaded = imported(&manifests, &read("three-urls.toml"), &[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let lost: Vec<_> = loaded.ignored.iter().filter(|ignored| ignored.reason != Reason::WithoutEffect).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let run = run_traced(&loaded.scenario, 1).run;
    let preview = first(&run, "SwitchService", "v1 -> v2").expect("the canary's Service moves") + 5.0;
    let promoted = first(&run, "Promoted", "").expect("all steps pass");
    let [partners, employees, public] = [0, 1, 2];
    assert_eq!(share(&run, partners, (0.0, promoted)), 0.0);
    assert_eq!(share(&run, employees, (preview, promoted)), 1.0);
    let first_weight = first(&run, "RuleEffective", "canary 30").expect("30 reaches the proxies") + 5.0;
    let next = first(&run, "SetWeight", "canary 40").expect("somebody promotes");
    // Traefik takes turns: the share is closer to the weight than lots would be.
    let share = share(&run, public, (first_weight, next));
    assert!((share - 0.3).abs() < 0.01, "{share}");
    assert_eq!(run.requests.elb_5xx(), 0);
}

/// The route is set while the canary has no pod: under 1.7 it stays until the end, since then the next pass removes it.
#[test]
fn the_header_step_comes_first_in_manifests() {
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/routing/manifests");
    let read = |name: &str| std::fs::read_to_string(format!("{FOLDER}/{name}")).expect(name);
    let manifests = ["dynamic-rollout.yaml", "smart-route.yaml", "dynamic-services.yaml"].map(read).join("---\n");
    for (version, is_removed) in [("1.7", false), ("1.8", true), ("1.10", true)] {
        let version = format!("rollouts_controller.version=\"{version}\"");
        let loaded = imported(&manifests, &read("dynamic-header-route.toml"), &[&version]);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let lost: Vec<_> = loaded.ignored.iter().filter(|ignored| ignored.reason != Reason::WithoutEffect).collect();
        assert!(lost.is_empty(), "{lost:?}");
        let run = run_traced(&loaded.scenario, 1).run;
        let set = first(&run, "SetHeaderRoute", "canary-by-header").expect("the step sets it");
        let gone = first(&run, "RemoveRoutes", "canary-by-header").expect("at the end it goes");
        assert_eq!(gone < set + 5.0, is_removed, "{version}: set at {set}, removed at {gone}");
        let weight = first(&run, "RuleEffective", "canary 25").expect("the weight reaches a proxy") + 5.0;
        let promoted = first(&run, "SetWeight", "canary 100").expect("somebody promotes");
        let testers = share(&run, TESTERS, (weight, promoted));
        let expected = if is_removed { 0.25 } else { 1.0 };
        assert!((testers - expected).abs() < 0.08, "{version}: {testers}");
        assert_eq!(run.requests.elb_5xx(), 0);
    }
}

#[test]
fn copies_of_what_changes_something_are_told() {
    let istio = "istio = { virtualService = { name = \"web\" } }, managedRoutes = [{ name = \"h\" }]";
    let with = |matches: &str, class: &str| {
        let step = format!("steps = [{{ setMirrorRoute = {{ name = \"h\", match = [{matches}] }} }}, ");
        canary(istio, class).replace("steps = [", &step)
    };
    let class = |method: &str| {
        format!(
            "[[traffic.classes]]\nname = \"readers\"\nshare = 0.5\n[[traffic.classes]]\nname = \"writers\"\nmethod = \"{method}\"\n"
        )
    };
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let message = format!("{method} requests of the class `writers` are copied: what they do is done twice");
        assert_eq!(problems(&with("{ path = { prefix = \"/\" } }", &class(method))), [message]);
    }
    for quiet in [
        with("{ path = { prefix = \"/\" } }", &class("GET")),
        with("{ method = { exact = \"GET\" } }", &class("POST")),
        with("{ path = { prefix = \"/other\" } }", &class("POST")),
    ] {
        assert_eq!(problems(&quiet), [""; 0]);
    }
}
