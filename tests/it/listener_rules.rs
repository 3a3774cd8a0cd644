//! From the Ingress and its routes to what becomes of a request: a table worked out by hand, the object that a header
//! step leaves, and laws of the calls between two listeners.

use proptest::prelude::*;
use rollout_sim::model::http_request::HttpRequest;
use rollout_sim::model::ingress::{Backend, HttpPath, Ingress, IngressRule, PathType, ServicePort, USE_ANNOTATION};
use rollout_sim::model::load_balancer::listener_rule::{
    Action, Condition, Forward, Listener, Rule, WeightedTargetGroup, first_taking,
};
use rollout_sim::model::load_balancer_controller::listener_rules::{
    Cluster, RuleCall, RuleSynthesis, apply, build, synthesize,
};
use rollout_sim::model::request_match::StringMatch;
use rollout_sim::model::rollout::alb::{Destination, Router};
use rollout_sim::model::rollout::step::{HeaderMatch, HeaderRoute};
use rollout_sim::scenario::Scenario;
use rollout_sim::scenario::document::{Node, Table, parse};
use rollout_sim::scenario::load::load;
use rollout_sim::units::TrafficWeight;

const TABLE: &str = include_str!("listener_rules.toml");

const RELEASE: &str = r#"
[traffic]
rate = "1/s"
[rollout.strategy.canary]
canaryService = "canary"
stableService = "stable"
trafficRouting.alb = { ingress = "shop", rootService = "root", servicePort = 80 }
trafficRouting.managedRoutes = [{ name = "by-header" }, { name = "second" }]
"#;

fn items<'a>(table: &'a Table, key: &str) -> &'a [Node] {
    table.find(key).and_then(Node::array).unwrap_or_default()
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.find(key).and_then(Node::text)
}

fn is_true(table: &Table, key: &str) -> bool {
    table.find(key).and_then(Node::boolean) == Some(true)
}

fn managed() -> [String; 2] {
    ["by-header", "second"].map(str::to_owned)
}

fn header_route(table: &Table) -> HeaderRoute {
    let matches = table.find("match").and_then(Node::table).expect("a route has matches");
    let of_header = |name: &str, values: &Node| -> Vec<HeaderMatch> {
        let exact = |value: &Node| value.text().expect("a value").to_owned();
        let values = values.array().expect("values").iter().map(exact);
        values.map(|exact| HeaderMatch { header_name: name.to_owned(), value: StringMatch::Exact(exact) }).collect()
    };
    let matches = matches.entries.iter().flat_map(|entry| of_header(&entry.key, &entry.value)).collect();
    HeaderRoute { name: text(table, "name").expect("a name").to_owned(), matches }
}

/// The Ingress after what the Rollouts controller does to it.
fn after_the_controller(case: &Table, scenario: &Scenario) -> Result<Ingress, String> {
    let (router, mut ingress) = (scenario.alb_router().expect("it is routed"), scenario.ingress.clone());
    let weights = items(case, "weights").iter().map(|weight| weight.integer().and_then(|it| u32::try_from(it).ok()));
    let weights: Vec<_> = weights.map(|weight| weight.expect("a weight")).collect();
    let weights = if weights.is_empty() { vec![20, 80] } else { weights };
    let names = [&scenario.services.canary, &scenario.services.stable];
    let destination = |(name, weight): (&&String, &u32)| Destination {
        service: (*name).clone(),
        weight: TrafficWeight::new(*weight),
    };
    let split: Vec<_> = names.iter().zip(&weights).map(destination).collect();
    router.set_weights(&mut ingress, &split)?;
    for route in items(case, "routes") {
        let route = header_route(route.table().expect("a route"));
        router.set_header_route(&mut ingress, (&route, &scenario.services.canary), &managed())?;
    }
    Ok(ingress)
}

/// The listener, or the first reason why there is none.
fn listener(case: &Table) -> Result<Listener, String> {
    let ingress = case.find("ingress").map_or(String::new(), |node| format!("ingress = {}\n", node.to_toml()));
    let loaded = load(&format!("{ingress}{RELEASE}"), "shop", &[]);
    let scenario = loaded.map_err(|problems| problems[0].message.clone())?.scenario;
    let services = case.find("services").and_then(Node::array);
    let name = |node: &Node| node.text().expect("a name").to_owned();
    let is_tolerant = !is_true(case, "is_strict");
    let cluster = Cluster {
        services: services.map(|services| services.iter().map(name).collect()),
        tolerates_missing_action: is_tolerant,
        tolerates_missing_service: is_tolerant,
    };
    let listener = build(&after_the_controller(case, &scenario)?, &cluster)?;
    listener.refusal().map_or(Ok(listener), Err)
}

fn request(table: &Table) -> HttpRequest {
    let or = |key: &str, default: &str| text(table, key).unwrap_or(default).to_owned();
    let pair = |node: &Node| {
        let [name, value] = node.array().expect("a pair") else { panic!("a header has a name and a value") };
        (name.text().expect("a name").to_owned(), value.text().expect("a value").to_owned())
    };
    let query = or("query", "");
    let split =
        |item: &str| item.split_once('=').map_or((item.to_owned(), String::new()), |(k, v)| (k.into(), v.into()));
    HttpRequest {
        host: or("host", "shop.example.com"),
        path: or("path", "/"),
        method: or("method", "GET"),
        query: query.split('&').filter(|item| !item.is_empty()).map(split).collect(),
        headers: items(table, "headers").iter().map(pair).collect(),
        source_ip: or("source_ip", "203.0.113.7").parse().expect("an address"),
    }
}

fn shown(action: &Action) -> String {
    let forward = match action {
        Action::FixedResponse(status) => return status.to_string(),
        Action::Redirect => return "redirect".to_owned(),
        Action::Forward(forward) => forward,
    };
    match forward.target_groups.as_slice() {
        [lone] => lone.service.clone(),
        groups => {
            groups.iter().map(|group| format!("{} {}", group.service, group.weight)).collect::<Vec<_>>().join(", ")
        }
    }
}

#[test]
fn requests_go_where_the_documents_say() {
    let table = parse(TABLE).expect("the table is TOML");
    let (mut asked, mut wrong) = (0, vec![]);
    for case in items(&table, "cases").iter().map(|case| case.table().expect("a case")) {
        let what = text(case, "what").expect("a case says what it shows");
        let refused = text(case, "refused");
        let listener = match (listener(case), refused) {
            (Ok(listener), None) => listener,
            (Err(reason), Some(expected)) if reason.starts_with(expected) => {
                asked += 1;
                continue;
            }
            (result, expected) => {
                wrong.push(format!("{what}: expected {expected:?}, got {result:#?}"));
                continue;
            }
        };
        for entry in items(case, "requests").iter().map(|entry| entry.table().expect("a request")) {
            asked += 1;
            let request = request(entry);
            let priority = first_taking(&listener.rules, &request).map_or(0, |rule| i64::from(rule.priority));
            let (to, expected) =
                (shown(listener.action(&request)), text(entry, "to").expect("a request goes somewhere"));
            let expected_rule = entry.find("rule").and_then(Node::integer);
            if to != expected || expected_rule.is_some_and(|rule| rule != priority) {
                let of_rule = expected_rule.map_or(String::new(), |rule| format!(" by rule {rule}"));
                wrong.push(format!(
                    "{what}\n  {request:?}\n  expected {expected}{of_rule}, got {to} by rule {priority}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked >= 100, "only {asked} cases");
}

fn path(path: &str, path_type: PathType, service: &str) -> HttpPath {
    let backend = Backend { service: service.to_owned(), port: ServicePort::Name(USE_ANNOTATION.to_owned()) };
    HttpPath { path: path.to_owned(), path_type, backend }
}

/// §5.2 of the controller's behaviour: one path more in every rule, before all others, and two annotations.
#[test]
fn a_header_step_leaves_the_object_that_the_real_controller_leaves() {
    let backend = "backend.service = { name = \"root\", port.name = \"use-annotation\" }";
    let text = format!(
        "{RELEASE}[[ingress.rules]]\nhost = \"a.example.com\"\n\
         http.paths = [{{ path = \"/\", pathType = \"Prefix\", {backend} }}]\n\
         [[ingress.rules]]\nhttp.paths = [{{ path = \"/*\", {backend} }}]\n"
    );
    let scenario = load(&text, "shop", &[]).expect("it is right").scenario;
    let (router, before) = (scenario.alb_router().expect("it is routed"), scenario.ingress.clone());
    let one = |name: &str, exact: &str| HeaderMatch {
        header_name: name.to_owned(),
        value: StringMatch::Exact(exact.to_owned()),
    };
    let matches = vec![one("X-Canary", "always"), one("X-Canary", "beta"), one("X-Region", "eu")];
    let route = HeaderRoute { name: "by-header".to_owned(), matches };
    let mut ingress = before.clone();
    router.set_header_route(&mut ingress, (&route, "canary"), &managed()).expect("it is set");

    let paths = |own: HttpPath| vec![path("/*", PathType::ImplementationSpecific, "by-header"), own];
    let rule = |host: Option<&str>, paths| IngressRule { host: host.map(str::to_owned), paths };
    assert_eq!(
        ingress.rules,
        [
            rule(Some("a.example.com"), paths(path("/", PathType::Prefix, "root"))),
            rule(None, paths(path("/*", PathType::ImplementationSpecific, "root"))),
        ]
    );
    let annotations: Vec<_> = ingress.annotations.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let expected = [
        "alb.ingress.kubernetes.io/actions.by-header: {\"Type\":\"forward\",\"ForwardConfig\":{\"TargetGroups\":[\
         {\"ServiceName\":\"canary\",\"ServicePort\":\"80\",\"Weight\":100}]}}",
        "alb.ingress.kubernetes.io/conditions.by-header: [\
         {\"field\":\"http-header\",\"httpHeaderConfig\":\
         {\"httpHeaderName\":\"X-Canary\",\"values\":[\"always\",\"beta\"]}},\
         {\"field\":\"http-header\",\"httpHeaderConfig\":{\"httpHeaderName\":\"X-Region\",\"values\":[\"eu\"]}}]",
        "rollouts.argoproj.io/managed-alb-annotations: {\"rollout\":[\
         \"alb.ingress.kubernetes.io/actions.by-header\",\"alb.ingress.kubernetes.io/conditions.by-header\"]}",
    ];
    assert_eq!(annotations, expected);

    router.remove_managed_routes(&mut ingress, &managed()).expect("they are removed");
    assert_eq!(ingress.rules, before.rules);
}

fn root(weight: u16) -> Rule {
    let groups = [("canary", weight), ("stable", 100 - weight)];
    let group = |(service, weight): (&str, u16)| WeightedTargetGroup { service: service.to_owned(), weight };
    Rule {
        priority: 0,
        conditions: vec![Condition::PathPattern(vec!["/*".to_owned()])],
        action: Action::Forward(Forward { target_groups: groups.map(group).to_vec(), stickiness: None, mirror: None }),
    }
}

/// One of a few rules, some of them alike in their settings.
fn any_rule() -> impl Strategy<Value = Rule> {
    let path = |path: &str| Condition::PathPattern(vec![path.to_owned()]);
    let route = |value: &str| {
        vec![Condition::HttpHeader { name: "X-Canary".to_owned(), values: vec![value.to_owned()] }, path("/*")]
    };
    let fixed = |conditions, status| Rule { priority: 0, conditions, action: Action::FixedResponse(status) };
    let rules = vec![
        root(0),
        root(20),
        root(100),
        Rule { conditions: route("a"), ..root(100) },
        Rule { conditions: route("b"), ..root(100) },
        fixed(vec![path("/a")], 200),
        fixed(vec![path("/a")], 503),
        fixed(vec![path("/b")], 200),
        Rule { action: Action::Redirect, ..root(0) },
    ];
    proptest::sample::select(rules)
}

fn numbered(rules: Vec<Rule>) -> Listener {
    let rules = (1..).zip(rules).map(|(priority, rule)| Rule { priority, ..rule }).collect();
    Listener { rules, default_action: Action::FixedResponse(404) }
}

fn any_listener() -> impl Strategy<Value = Listener> {
    (proptest::collection::vec(any_rule(), 0..8), any_rule())
        .prop_map(|(rules, default)| Listener { default_action: default.action, ..numbered(rules) })
}

fn ordinary() -> HttpRequest {
    request(&Table::default())
}

/// An Ingress with the root path and other paths around it.
fn any_ingress() -> impl Strategy<Value = Ingress> {
    let other = proptest::sample::select(vec![
        path("/api", PathType::Prefix, "api"),
        path("/exact", PathType::Exact, "exact"),
        path("/img/*", PathType::ImplementationSpecific, "img"),
    ]);
    let others = proptest::collection::vec(other, 0..4);
    (others.clone(), others, any::<bool>()).prop_map(|(before, after, is_prefix)| {
        let root = if is_prefix {
            path("/", PathType::Prefix, "root")
        } else {
            path("/*", PathType::ImplementationSpecific, "root")
        };
        let paths = before.into_iter().chain([root]).chain(after).collect();
        Ingress { rules: vec![IngressRule { host: None, paths }], ..Ingress::default() }
    })
}

fn router() -> Router {
    load(RELEASE, "shop", &[]).expect("it is right").scenario.alb_router().expect("it is routed")
}

fn split(canary: u32) -> [Destination; 2] {
    [("canary", canary), ("stable", 100 - canary)]
        .map(|(name, weight)| Destination { service: name.to_owned(), weight: TrafficWeight::new(weight) })
}

/// What an ordinary request gets at every moment between the first call and the last.
fn moments(current: &Listener, wanted: &Listener, synthesis: RuleSynthesis) -> Vec<(Option<RuleCall>, String)> {
    let mut listener = current.clone();
    let mut moments = vec![(None, shown(listener.action(&ordinary())))];
    for call in synthesize(current, wanted, synthesis) {
        apply(&mut listener, &call);
        moments.push((Some(call), shown(listener.action(&ordinary()))));
    }
    assert_eq!(&listener, wanted);
    moments
}

proptest! {
    /// In order of priority, each priority once, and nothing left to do.
    #[test]
    fn the_calls_reach_the_wanted_listener(
        current in any_listener(),
        wanted in any_listener(),
        synthesis in proptest::sample::select(vec![RuleSynthesis::BySettings, RuleSynthesis::ByPriority]),
    ) {
        let mut listener = current.clone();
        for call in synthesize(&current, &wanted, synthesis) {
            apply(&mut listener, &call);
        }
        prop_assert_eq!(&listener, &wanted);
        prop_assert_eq!(synthesize(&listener, &wanted, synthesis), []);
    }

    /// Half of the calls, and then all over again: a controller that was interrupted ends at the same rules.
    #[test]
    fn a_controller_that_was_interrupted_goes_on(
        current in any_listener(),
        between in any_listener(),
        wanted in any_listener(),
        share in 0usize..10,
    ) {
        let mut listener = current.clone();
        for call in synthesize(&current, &between, RuleSynthesis::BySettings).iter().take(share) {
            apply(&mut listener, call);
        }
        for call in synthesize(&listener.clone(), &wanted, RuleSynthesis::BySettings) {
            apply(&mut listener, &call);
        }
        prop_assert_eq!(&listener, &wanted);
    }

    /// Routes that come and go never cost the root Service its rule, as long as no weight changes.
    #[test]
    fn routes_alone_leave_no_gap(
        ingress in any_ingress(),
        routes in proptest::collection::vec((0usize..2, any::<bool>()), 1..6),
    ) {
        let (router, managed) = (router(), managed());
        let mut ingress = ingress;
        router.set_weights(&mut ingress, &split(50)).expect("there is a path to root");
        let mut current = build(&ingress, &Cluster::default()).expect("it is right");
        for (route, is_set) in routes {
            let header = HeaderMatch { header_name: "X-Canary".to_owned(), value: StringMatch::Exact(managed[route].clone()) };
            let matches = if is_set { vec![header] } else { vec![] };
            let route = HeaderRoute { name: managed[route].clone(), matches };
            router.set_header_route(&mut ingress, (&route, "canary"), &managed).expect("it is set");
            let wanted = build(&ingress, &Cluster::default()).expect("it is right");
            let moments = moments(&current, &wanted, RuleSynthesis::BySettings);
            prop_assert!(moments.iter().all(|(_, to)| to == "canary 50, stable 50"), "{:#?}", moments);
            current = wanted;
        }
        router.remove_managed_routes(&mut ingress, &managed).expect("they are removed");
        let wanted = build(&ingress, &Cluster::default()).expect("it is right");
        let moments = moments(&current, &wanted, RuleSynthesis::BySettings);
        prop_assert!(moments.iter().all(|(_, to)| to == "canary 50, stable 50"), "{:#?}", moments);
    }
}

/// From the objects to the calls: what the reference derives for adjacent steps that the controller sees as one change.
#[test]
fn a_route_that_comes_with_a_weight_costs_one_moment() {
    let scenario = load(RELEASE, "shop", &[]).expect("it is right").scenario;
    let (router, mut ingress) = (router(), scenario.ingress);
    let listener = |ingress: &Ingress| build(ingress, &Cluster::default()).expect("it is right");
    router.set_weights(&mut ingress, &split(0)).expect("there is a path to root");
    let at_first = listener(&ingress);
    let header = HeaderMatch { header_name: "X-Canary".to_owned(), value: StringMatch::Exact("always".to_owned()) };
    let route = HeaderRoute { name: "by-header".to_owned(), matches: vec![header] };
    router.set_header_route(&mut ingress, (&route, "canary"), &managed()).expect("it is set");
    router.set_weights(&mut ingress, &split(20)).expect("there is a path to root");
    let routed = listener(&ingress);
    let answers = |from, to| {
        let moments = moments(from, to, RuleSynthesis::BySettings);
        moments.into_iter().map(|(_, to)| to).collect::<Vec<_>>()
    };
    assert_eq!(answers(&at_first, &routed), ["canary 0, stable 100", "404", "canary 20, stable 80"]);

    // The abort takes the route and the weight back together.
    router.remove_managed_routes(&mut ingress, &managed()).expect("they are removed");
    router.set_weights(&mut ingress, &split(0)).expect("there is a path to root");
    let aborted = listener(&ingress);
    assert_eq!(answers(&routed, &aborted), ["canary 20, stable 80", "canary 0, stable 100", "canary 0, stable 100"]);
}
