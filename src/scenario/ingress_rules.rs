//! `ingress.rules` and `ingress.defaultBackend`: where requests go, in the words of networking.k8s.io/v1; and what the
//! AWS Load Balancer Controller or the ELBv2 API would refuse of them.
//!
//! What Kubernetes demands and what says nothing here may be left out: a path, its type, the port of a Service.

use super::document::{Node, Table};
use super::entry::Entry;
use super::pass::Pass;
use super::path;
use super::reader::Reader;
use super::service_names::ServiceNames;
use super::validation;
use super::value::count_from;
use super::{Scenario, diagnostic::Problem, diagnostic::Severity};
use crate::model::ingress::{Backend, HttpPath, Ingress, IngressRule, PathType, ServicePort, USE_ANNOTATION};
use crate::model::load_balancer::listener_rule::{Listener, MAX_RULES};
use crate::model::load_balancer_controller::listener_rules::{Cluster, build};
use crate::model::rollout::alb::{Annotations, Destination};
use crate::model::rollout::step::Step;
use crate::units::TrafficWeight;
use serde_json::{Value, json};

const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// Where a Service listens that says nothing else.
pub const PORT: u16 = 80;

/// The parts of the spec, as they are written.
#[derive(Debug)]
pub struct Written {
    pub rules: Option<Vec<IngressRule>>,
    pub default_backend: Option<Backend>,
}

pub fn read(reader: &mut Reader<'_, '_>) -> Written {
    const RULES: &str = "Which requests go to which Service. Assumption: all to the one that the release is for";
    const DEFAULT: &str = "Where the others go. AWS Load Balancer Controller: a 404 unless set";
    let rules = reader.take("rules", rules_schema, RULES).map(|node| {
        let key = reader.key("rules");
        reader.pass.parameter(key.clone(), node.to_toml(), Some(node), RULES);
        rules(reader.pass, &key, node)
    });
    let default_backend = reader.take("defaultBackend", backend_schema, DEFAULT).and_then(|node| {
        let key = reader.key("defaultBackend");
        reader.pass.parameter(key.clone(), node.to_toml(), Some(node), DEFAULT);
        backend(Entry::new(reader.pass, key, node))
    });
    Written { rules, default_backend }
}

fn backend_schema() -> Value {
    let port = json!({
        "type": "object",
        "description": "Its port: a number, or a name. 80 unless set",
        "properties": {
            "number": { "type": "integer", "minimum": 1, "maximum": 65535, "description": "A number" },
            "name": {
                "type": "string",
                "description": "A name; with use-annotation the annotation actions.<Service> tells what to do",
            },
        },
        "additionalProperties": false,
    });
    let name = json!({ "type": "string", "description": "Of the Service, or of the action" });
    let service = json!({
        "type": "object",
        "description": "Who answers",
        "properties": { "name": name, "port": port },
        "required": ["name"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "description": "Where such requests go",
        "properties": { "service": service },
        "required": ["service"],
        "additionalProperties": false,
    })
}

fn rules_schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let types: Vec<_> = PATH_TYPES.iter().map(|(name, _)| *name).collect();
    let path = json!({
        "type": "object",
        "properties": {
            "path": text("With an ALB's wildcards, if it is ImplementationSpecific. All paths unless set"),
            "pathType": { "enum": types, "default": "ImplementationSpecific", "description": "What the path means" },
            "backend": backend_schema(),
        },
        "required": ["backend"],
        "additionalProperties": false,
    });
    let order = "Exact ones are tried first, then those of the type Prefix, the longest first";
    let paths = json!({ "type": "array", "description": order, "items": path });
    let http = json!({
        "type": "object",
        "description": "Its paths",
        "properties": { "paths": paths },
        "required": ["paths"],
        "additionalProperties": false,
    });
    let mut host = text("Only for this host. Any unless set");
    host["examples"] = json!(["shop.example.com", "*.example.com"]);
    json!({
        "type": "array",
        "items": { "type": "object", "properties": { "host": host, "http": http }, "additionalProperties": false },
    })
}

const PATH_TYPES: [(&str, PathType); 3] = [
    ("Exact", PathType::Exact),
    ("Prefix", PathType::Prefix),
    ("ImplementationSpecific", PathType::ImplementationSpecific),
];

fn rules(pass: &mut Pass, key: &str, node: &Node) -> Vec<IngressRule> {
    let help = "write rules = [{ http.paths = [{ path = \"/*\", backend.service.name = \"web\" }] }]";
    let items = array(pass, key, node, help);
    let rules = items.iter().enumerate().map(|(index, item)| {
        let mut rule = Entry::new(pass, format!("{key}[{index}]"), item);
        let host = rule.read("host", host);
        let mut paths = vec![];
        if let Some(node) = rule.get("http") {
            let mut http = Entry::new(rule.pass, path::join(&rule.key, "http"), node);
            if let Some(node) = http.get("paths") {
                let key = path::join(&http.key, "paths");
                let items =
                    array(http.pass, &key, node, "write paths = [{ path = \"/*\", backend.service.name = \"web\" }]");
                let read = |(index, item)| http_path(Entry::new(http.pass, format!("{key}[{index}]"), item));
                paths = items.iter().enumerate().filter_map(read).collect();
            }
            http.refuse_unknown();
        }
        rule.refuse_unknown();
        IngressRule { host, paths }
    });
    rules.collect()
}

fn array<'a>(pass: &mut Pass, key: &str, node: &'a Node, help: &str) -> &'a [Node] {
    node.array().unwrap_or_else(|| {
        pass.error(key, node.place.clone(), format!("this is {}, it must be an array", node.kind_name()), help);
        &[]
    })
}

/// Source: Kubernetes, `ValidateIngressSpec`: a name of DNS, in small letters, that may begin with `*.`.
fn host(node: &Node) -> Result<String, (String, String)> {
    let text =
        node.text().ok_or_else(|| (format!("`host` is {}, it must be a string", node.kind_name()), String::new()))?;
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.strip_prefix("*.").unwrap_or(text).split('.').all(is_label) || text.is_empty() {
        return Ok(text.to_owned());
    }
    let help = "small letters, digits and - between dots, without a port: shop.example.com, or *.example.com";
    Err((format!("`{text}` is no host of an Ingress"), help.to_owned()))
}

fn http_path(mut entry: Entry<'_, '_>) -> Option<HttpPath> {
    let path_type = entry.read("pathType", |node| {
        let text = node.text().unwrap_or_default();
        let named = PATH_TYPES.iter().find(|(name, _)| *name == text).map(|(_, path_type)| *path_type);
        let help = "it is Exact, Prefix or ImplementationSpecific, in this spelling";
        named.ok_or_else(|| (format!("there is no pathType {}", node.to_toml()), help.to_owned()))
    });
    let mut path_type = path_type.unwrap_or(PathType::ImplementationSpecific);
    let path = entry.text("path").unwrap_or_default();
    if path_type == PathType::Prefix && path.contains('*') {
        path_type = wildcard_in_a_prefix(&mut entry);
    }
    let is_all_paths = path.is_empty() && path_type == PathType::ImplementationSpecific;
    if !is_all_paths && !path.starts_with('/') {
        let help = "Kubernetes refuses such an Ingress: write path = \"/\"";
        entry.error("path", ("a path begins with a slash".to_owned(), help.to_owned()));
    }
    let backend = match entry.get("backend") {
        Some(node) => backend(Entry::new(entry.pass, path::join(&entry.key, "backend"), node)),
        None => {
            entry.required("backend", "write backend.service.name = \"web\"");
            None
        }
    };
    entry.refuse_unknown();
    Some(HttpPath { path, path_type, backend: backend? })
}

/// Whoever writes it means what it would say as ImplementationSpecific: it is read like that, and told.
fn wildcard_in_a_prefix(entry: &mut Entry<'_, '_>) -> PathType {
    let place = entry.get("path").and_then(|node| node.place.clone());
    let message = "a path of the type Prefix has no wildcards: the AWS Load Balancer Controller gives up on the whole \
                   Ingress";
    let help = "write pathType ImplementationSpecific, as which it is simulated";
    entry.pass.warning(&path::join(&entry.key, "path"), place, message, help);
    PathType::ImplementationSpecific
}

fn backend(mut entry: Entry<'_, '_>) -> Option<Backend> {
    let mut read = None;
    if let Some(node) = entry.get("resource") {
        let help = "an ALB forwards to Services: write service.name = \"web\"";
        entry.pass.error(
            &path::join(&entry.key, "resource"),
            node.place.clone(),
            "missing required \"service\" field",
            help,
        );
    } else if let Some(node) = entry.get("service") {
        let mut service = Entry::new(entry.pass, path::join(&entry.key, "service"), node);
        let name = service.required("name", "write name = \"web\"");
        let port = match service.get("port") {
            Some(node) => port(Entry::new(service.pass, path::join(&service.key, "port"), node)),
            None => ServicePort::Number(PORT),
        };
        service.refuse_unknown();
        read = (!name.is_empty()).then_some(Backend { service: name, port });
    } else {
        entry.required("service", "write service.name = \"web\"");
    }
    entry.refuse_unknown();
    read
}

fn port(mut entry: Entry<'_, '_>) -> ServicePort {
    let name = entry.text("name").filter(|name| !name.is_empty());
    let number = entry.read("number", |node| count_from("number", node, &(1..=65_535)));
    if name.is_some() && number.is_some() {
        let help = "Kubernetes refuses such an Ingress: leave one of the two out";
        entry.error("name", ("a port has a number or a name, and both are given".to_owned(), help.to_owned()));
    }
    entry.refuse_unknown();
    let number = number.and_then(|number| u16::try_from(number).ok()).unwrap_or(PORT);
    name.map_or(ServicePort::Number(number), ServicePort::Name)
}

/// The object as it stands before the Rollouts controller writes into it. Where nothing is said all requests go to the
/// root Service, and where weights split them its annotation tells how.
pub fn object((written, annotations): (Written, Annotations), names: &ServiceNames, is_split: bool) -> Ingress {
    let rules = written.rules.unwrap_or_else(|| {
        let port =
            if is_split { ServicePort::Name(USE_ANNOTATION.to_owned()) } else { ServicePort::Number(names.port) };
        let backend = Backend { service: names.root.clone(), port };
        let path = HttpPath { path: "/*".to_owned(), path_type: PathType::ImplementationSpecific, backend };
        vec![IngressRule { host: None, paths: vec![path] }]
    });
    Ingress { annotations, default_backend: written.default_backend, rules }
}

/// What would be refused, each with its place, and what is odd.
pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    // What could not be read has no place in the object.
    let is_of_ingress =
        |problem: &Problem| problem.severity == Severity::Error && path::is_within(&problem.key, "ingress");
    if pass.problems.iter().any(is_of_ingress) {
        return;
    }
    let mut checked = Checked { pass, scenario, document, annotations: annotations_of_a_run(scenario) };
    if checked.has_ports() {
        checked.backends();
    }
    checked.root();
    checked.header_routes();
}

/// The Rollouts controller has written its own before anything begins, whatever stood there.
fn annotations_of_a_run(scenario: &Scenario) -> Annotations {
    let mut ingress = scenario.ingress.clone();
    let stable = Destination { service: scenario.services.stable.clone(), weight: TrafficWeight::HUNDRED };
    // Without a path to the root Service nothing is written, which is told.
    let _ = scenario.alb_router().map(|router| router.set_weights(&mut ingress, &[stable]));
    ingress.annotations
}

struct Checked<'a> {
    pass: &'a mut Pass,
    scenario: &'a Scenario,
    document: &'a Table,
    annotations: Annotations,
}

impl Checked<'_> {
    fn error(&mut self, key: &str, message: String, help: &str) {
        let place = self.document.find(key).and_then(|node| node.place.clone());
        self.pass.error(key, place, message, help);
    }

    fn warning(&mut self, key: &str, message: String, help: &str) {
        let place = self.document.find(key).and_then(|node| node.place.clone());
        self.pass.warning(key, place, message, help);
    }

    fn annotations_alone(&self) -> Ingress {
        Ingress { annotations: self.annotations.clone(), ..Ingress::default() }
    }

    /// Without them there is no rule at all.
    fn has_ports(&mut self) -> bool {
        let refusal = built(&self.annotations_alone()).err();
        let is_right = refusal.is_none();
        if let Some(reason) = refusal {
            let help = "write it like [{\"HTTP\": 80}, {\"HTTPS\": 443}]";
            self.error(&annotation_key("listen-ports"), reason, help);
        }
        is_right
    }

    /// Each backend by itself: then the place is known.
    fn backends(&mut self) {
        let ingress = &self.scenario.ingress;
        let count: usize = ingress.rules.iter().map(|rule| rule.paths.len()).sum();
        if count > MAX_RULES {
            let message =
                format!("each path is a rule, and a load balancer has at most {MAX_RULES}: these are {count}");
            self.error("ingress.rules", message, "the quota can be raised, which is not simulated");
            return;
        }
        let mut alone = vec![];
        for (rule_index, rule) in ingress.rules.iter().enumerate() {
            for (index, path) in rule.paths.iter().enumerate() {
                let rules = vec![IngressRule { host: rule.host.clone(), paths: vec![path.clone()] }];
                let key = format!("ingress.rules[{rule_index}].http.paths[{index}]");
                alone.push((key, &path.backend, Ingress { rules, ..self.annotations_alone() }));
            }
        }
        if let Some(backend) = &ingress.default_backend {
            let default_backend = Some(backend.clone());
            let key = "ingress.defaultBackend".to_owned();
            alone.push((key, backend, Ingress { default_backend, ..self.annotations_alone() }));
        }
        let mut told = vec![];
        for (key, backend, ingress) in &alone {
            let refusal = built(ingress).and_then(|listener| listener.refusal().map_or(Ok(()), Err));
            if let Err(reason) = refusal {
                let annotation = annotations_of(backend).into_iter().find(|name| reason.starts_with(name.as_str()));
                let key = annotation.map_or_else(|| key.clone(), |name| annotation_key(&name));
                if !told.contains(&key) {
                    let help = "the AWS Load Balancer Controller would give up on the whole Ingress";
                    self.error(&key, reason, help);
                }
                told.push(key);
            } else {
                self.missing_action(key, backend);
            }
        }
    }

    fn missing_action(&mut self, key: &str, backend: &Backend) {
        let name = format!("actions.{}", backend.service);
        if uses_annotation(backend) && !self.annotations.contains_key(&format!("{PREFIX}{name}")) {
            let message = format!("there is no annotation `{name}`: a fixed 503 stands in its place");
            self.warning(key, message, "the AWS Load Balancer Controller tolerates it unless told otherwise");
        }
    }

    /// Source: `validation_references.go:ValidateIngress`. Of manifests that is told with their references.
    fn root(&mut self) {
        const RULES: &str = "ingress.rules";
        let Some(node) = self.document.find(RULES).filter(|_| self.scenario.workload.is_traffic_routed()) else {
            return;
        };
        let root = &self.scenario.services.root;
        let paths = self.scenario.ingress.rules.iter().flat_map(|rule| &rule.paths);
        let backends: Vec<_> = paths.map(|path| &path.backend).collect();
        let services: Vec<_> = backends.iter().map(|backend| backend.service.as_str()).collect();
        let name = self.document.find("rollout.strategy.canary.trafficRouting.alb.ingress").and_then(Node::text);
        let violation = validation::ingress::violation(name.unwrap_or("ingress"), root, &services);
        let is_of_manifest = self.pass.is_of_manifest(node.place.as_ref());
        if let Some(violation) = violation.filter(|_| !is_of_manifest) {
            let help = format!("name `{root}` as the backend of a path, with the port name {USE_ANNOTATION}");
            let place = node.place.clone();
            self.pass.problems.push(Problem {
                severity: Severity::Error,
                code: violation.rule.code(),
                key: RULES.to_owned(),
                message: violation.detail,
                place,
                help,
            });
        } else if !backends.iter().any(|backend| backend.service == *root && uses_annotation(backend)) {
            let message = format!("no weight has an effect: no path to `{root}` has the port name {USE_ANNOTATION}");
            self.warning(RULES, message, "the annotation with the weights is looked at for that port name alone");
        }
    }

    /// The rules that a step would ask for, one route at a time. What is wrong with a route itself has been told.
    fn header_routes(&mut self) {
        if self.pass.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return;
        }
        let (Some(router), Some(canary)) = (self.scenario.alb_router(), self.scenario.workload.canary()) else {
            return;
        };
        let managed = canary.traffic_routing.as_ref().map_or(&[][..], |routing| &routing.managed_routes);
        for (index, step) in canary.steps.iter().enumerate() {
            let Step::SetHeaderRoute(route) = step else { continue };
            let mut ingress = Ingress { annotations: self.annotations.clone(), ..self.scenario.ingress.clone() };
            let set = router.set_header_route(&mut ingress, (route, &self.scenario.services.canary), managed);
            let listener = set.and_then(|()| built(&ingress));
            if let Some(reason) = listener.ok().and_then(|listener| listener.refusal()) {
                let key = format!("rollout.strategy.canary.steps[{index}].setHeaderRoute");
                let message = format!("ELBv2 refuses the rule of this route: {reason}");
                self.warning(
                    &key,
                    message,
                    "the AWS Load Balancer Controller tries it again and again, and nothing behind it",
                );
            }
        }
    }
}

fn built(ingress: &Ingress) -> Result<Listener, String> {
    build(ingress, &Cluster::default())
}

fn annotations_of(backend: &Backend) -> [String; 2] {
    ["actions", "conditions"].map(|kind| format!("{kind}.{}", backend.service))
}

fn annotation_key(name: &str) -> String {
    path::join("ingress.annotations", &format!("{PREFIX}{name}"))
}

pub fn uses_annotation(backend: &Backend) -> bool {
    backend.port == ServicePort::Name(USE_ANNOTATION.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Loaded;
    use crate::scenario::load::load;

    const RELEASE: &str = "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\n\
                           trafficRouting.alb = { rootService = \"root\" }\n";
    const ROOT: &str = "{ path = \"/*\", backend.service = { name = \"root\", port.name = \"use-annotation\" } }";

    /// With these paths before the root one.
    fn paths(paths: &str) -> Result<Loaded, Vec<Problem>> {
        load(&format!("{RELEASE}[[ingress.rules]]\nhttp.paths = [{paths}{ROOT}]\n"), "x", &[])
    }

    fn annotated(name: &str, value: &str, path: &str) -> Result<Loaded, Vec<Problem>> {
        let rules = format!("[[ingress.rules]]\nhttp.paths = [{path}{ROOT}]\n");
        let annotation = format!("[ingress.annotations]\n\"{PREFIX}{name}\" = '{value}'\n");
        load(&format!("{RELEASE}{rules}{annotation}"), "x", &[])
    }

    /// The only problem, with its key.
    fn told(result: Result<Loaded, Vec<Problem>>) -> (String, String) {
        let problems = result.map_or_else(|problems| problems, |loaded| loaded.warnings);
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(problem.place.is_some(), "{problem:?}");
        (problem.key.clone(), problem.message.clone())
    }

    fn is_told(result: Result<Loaded, Vec<Problem>>, key: &str, message: &str) {
        assert_eq!(told(result), (key.to_owned(), message.to_owned()));
    }

    #[test]
    fn where_nothing_is_said_all_requests_go_to_the_release() {
        let ingress =
            |text: &str| load(&format!("[traffic]\nrate = \"1/s\"\n{text}"), "x", &[]).unwrap().scenario.ingress;
        let only = |ingress: &Ingress| {
            assert_eq!((ingress.rules.len(), &ingress.default_backend), (1, &None));
            let path = &ingress.rules[0].paths[0];
            assert_eq!((path.path.as_str(), path.path_type), ("/*", PathType::ImplementationSpecific));
            (path.backend.service.clone(), path.backend.port.clone())
        };
        let annotated = ServicePort::Name(USE_ANNOTATION.to_owned());
        let routed = "[rollout.strategy.canary]\ntrafficRouting.alb = { rootService = \"root\" }\n";
        assert_eq!(only(&ingress(routed)), ("root".to_owned(), annotated.clone()));
        let routed = "[rollout.strategy.canary]\ntrafficRouting.alb = {}\n";
        assert_eq!(only(&ingress(routed)), ("stable".to_owned(), annotated));
        let blue_green = "[rollout.strategy.blueGreen]\nactiveService = \"web\"\n";
        assert_eq!(only(&ingress(blue_green)), ("web".to_owned(), ServicePort::Number(80)));
        assert_eq!(only(&ingress("[deployment]\n")), ("service".to_owned(), ServicePort::Number(80)));
    }

    #[test]
    fn what_is_said_is_read() {
        let text = format!(
            "{RELEASE}[ingress]\ndefaultBackend.service = {{ name = \"rest\", port.number = 8080 }}\n\
             [[ingress.rules]]\nhost = \"*.example.com\"\n\
             http.paths = [{ROOT}, {{ path = \"/a\", pathType = \"Exact\", backend.service.name = \"a\" }}]\n\
             [[ingress.rules]]\nhost = \"b.example.com\"\n"
        );
        let ingress = load(&text, "x", &[]).unwrap().scenario.ingress;
        let backend = |service: &str, port| Backend { service: service.to_owned(), port };
        assert_eq!(ingress.default_backend, Some(backend("rest", ServicePort::Number(8080))));
        let [first, second] = ingress.rules.as_slice() else { panic!("{ingress:?}") };
        assert_eq!((first.host.as_deref(), second.host.as_deref()), (Some("*.example.com"), Some("b.example.com")));
        assert_eq!(first.paths[1].path_type, PathType::Exact);
        assert_eq!(first.paths[1].backend, backend("a", ServicePort::Number(80)));
        assert!(second.paths.is_empty());
    }

    #[test]
    fn only_the_annotations_that_make_rules_are_kept() {
        let value = r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":"410"}}"#;
        let loaded = annotated("actions.unused", value, "").unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let names: Vec<_> = loaded.scenario.ingress.annotations.keys().collect();
        assert_eq!(names, ["alb.ingress.kubernetes.io/actions.unused"]);
    }

    #[test]
    fn what_kubernetes_would_refuse_is_told_with_its_place() {
        let path = "ingress.rules[0].http.paths[0]";
        let at = |inner: &str| format!("{path}.{inner}");
        let broken = |text: &str| paths(&format!("{{ {text} }}, "));
        is_told(
            broken("path = \"/\", pathType = \"prefix\", backend.service.name = \"a\""),
            &at("pathType"),
            "there is no pathType \"prefix\"",
        );
        is_told(
            broken("path = \"a\", pathType = \"Prefix\", backend.service.name = \"a\""),
            &at("path"),
            "a path begins with a slash",
        );
        is_told(broken("path = \"/a\""), &at("backend"), "`backend` is missing");
        is_told(broken("path = \"/a\", backend = {}"), &at("backend.service"), "`service` is missing");
        is_told(broken("path = \"/a\", backend.service = {}"), &at("backend.service.name"), "`name` is missing");
        is_told(
            broken("path = \"/a\", backend.resource = {}"),
            &at("backend.resource"),
            "missing required \"service\" field",
        );
        is_told(
            broken("path = \"/a\", backend.service = { name = \"a\", port = { number = 80, name = \"http\" } }"),
            &at("backend.service.port.name"),
            "a port has a number or a name, and both are given",
        );
        is_told(
            broken("path = \"/a\", backend.service = { name = \"a\", port.number = 0 }"),
            &at("backend.service.port.number"),
            "`number` is 0, it must lie between 1 and 65535",
        );
        is_told(
            broken("path = \"/a\", backend.service = { nam = \"a\", name = \"a\" }"),
            &at("backend.service.nam"),
            "unknown key `nam`",
        );
        let host = |host: &str| {
            load(&format!("{RELEASE}[[ingress.rules]]\nhost = \"{host}\"\nhttp.paths = [{ROOT}]\n"), "x", &[])
        };
        is_told(host("Shop.example.com"), "ingress.rules[0].host", "`Shop.example.com` is no host of an Ingress");
        is_told(host("shop.example.com:80"), "ingress.rules[0].host", "`shop.example.com:80` is no host of an Ingress");
        is_told(
            load(&format!("{RELEASE}[ingress]\nrules = \"/*\"\n"), "x", &[]),
            "ingress.rules",
            "this is a string, it must be an array",
        );
    }

    #[test]
    fn what_the_load_balancer_controller_would_refuse_is_told_with_its_place() {
        let path = "ingress.rules[0].http.paths[0]";
        is_told(
            paths("{ path = \"/a*\", pathType = \"Exact\", backend.service.name = \"a\" }, "),
            path,
            "exact path shouldn't contain wildcards: /a*",
        );
        let a = "{ path = \"/a\", backend.service = { name = \"a\", port.name = \"use-annotation\" } }, ";
        let key = |name: &str| format!("ingress.annotations.\"{PREFIX}{name}\"");
        // Two paths, one annotation: one problem.
        is_told(
            annotated("actions.a", "{}", &format!("{a}{a}")),
            &key("actions.a"),
            "actions.a: unknown action type: ",
        );
        is_told(
            annotated(
                "conditions.a",
                "[{\"field\":\"source-ip\"}]",
                "{ path = \"/a\", backend.service.name = \"a\" }, ",
            ),
            &key("conditions.a"),
            "conditions.a: missing sourceIPConfig",
        );
        is_told(annotated("listen-ports", "[]", ""), &key("listen-ports"), "listen-ports: empty listen-ports");
        let heavy = r#"{"type":"forward","forwardConfig":{"targetGroups":[
            {"serviceName":"b","servicePort":80,"weight":1000},{"serviceName":"c","servicePort":80,"weight":1}]}}"#;
        is_told(
            annotated("actions.a", &heavy.replace('\n', ""), a),
            path,
            "a weight lies between 0 and 999, that of b is 1000",
        );
        let many: String =
            (0..100).map(|number| format!("{{ path = \"/{number}\", backend.service.name = \"a\" }}, ")).collect();
        is_told(
            paths(&many),
            "ingress.rules",
            "each path is a rule, and a load balancer has at most 100: these are 101",
        );
    }

    #[test]
    fn what_is_odd_but_possible_is_a_warning() {
        is_told(
            paths("{ path = \"/a\", backend.service = { name = \"a\", port.name = \"use-annotation\" } }, "),
            "ingress.rules[0].http.paths[0]",
            "there is no annotation `actions.a`: a fixed 503 stands in its place",
        );
        let text = format!("{RELEASE}[[ingress.rules]]\nhttp.paths = [{{ backend.service.name = \"root\" }}]\n");
        is_told(
            load(&text, "x", &[]),
            "ingress.rules",
            "no weight has an effect: no path to `root` has the port name use-annotation",
        );
        let values =
            ["a", "b", "c", "d"].map(|value| format!("{{ headerName = \"x\", headerValue.exact = \"{value}\" }}"));
        let step = format!("{{ setHeaderRoute = {{ name = \"r\", match = [{}] }} }}", values.join(", "));
        let text = format!("{RELEASE}trafficRouting.managedRoutes = [{{ name = \"r\" }}]\nsteps = [{step}]\n");
        is_told(
            load(&text, "x", &[]),
            "rollout.strategy.canary.steps[0].setHeaderRoute",
            "ELBv2 refuses the rule of this route: a http-header condition has at most 3 values, this one has 4",
        );
    }

    #[test]
    fn a_release_that_splits_requests_needs_a_path_to_its_root_service() {
        let text = format!("{RELEASE}[[ingress.rules]]\nhttp.paths = [{{ backend.service.name = \"other\" }}]\n");
        is_told(load(&text, "x", &[]), "ingress.rules", "ingress `ingress` has no rules using service root backend");
    }
}
