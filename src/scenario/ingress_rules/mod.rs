//! `ingress.rules` and `ingress.defaultBackend`: where requests go, in the words of networking.k8s.io/v1.
//!
//! What Kubernetes demands and what says nothing here may be left out: a path, its type, the port of a Service.

mod check;

use super::document::Node;
use super::entry::Entry;
use super::pass::Pass;
use super::path;
use super::reader::Reader;
use super::service_names::ServiceNames;
use super::value::count_from;
use crate::model::ingress::{Backend, HttpPath, Ingress, IngressRule, PathType, ServicePort, USE_ANNOTATION};
use crate::model::rollout::alb::Annotations;
use serde_json::{Value, json};

pub use check::check;

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

pub fn uses_annotation(backend: &Backend) -> bool {
    backend.port == ServicePort::Name(USE_ANNOTATION.to_owned())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::scenario::Loaded;
    use crate::scenario::diagnostic::Problem;
    use crate::scenario::load::load;

    pub const RELEASE: &str = "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\n\
                           trafficRouting.alb = { rootService = \"root\" }\n";
    pub const ROOT: &str = "{ path = \"/*\", backend.service = { name = \"root\", port.name = \"use-annotation\" } }";

    /// With these paths before the root one.
    pub fn paths(paths: &str) -> Result<Loaded, Vec<Problem>> {
        load(&format!("{RELEASE}[[ingress.rules]]\nhttp.paths = [{paths}{ROOT}]\n"), "x", &[])
    }

    pub fn annotated(name: &str, value: &str, path: &str) -> Result<Loaded, Vec<Problem>> {
        let rules = format!("[[ingress.rules]]\nhttp.paths = [{path}{ROOT}]\n");
        let annotation = format!("[ingress.annotations]\n\"{PREFIX}{name}\" = '{value}'\n");
        load(&format!("{RELEASE}{rules}{annotation}"), "x", &[])
    }

    /// The only problem, with its key.
    pub fn told(result: Result<Loaded, Vec<Problem>>) -> (String, String) {
        let problems = result.map_or_else(|problems| problems, |loaded| loaded.warnings);
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(problem.place.is_some(), "{problem:?}");
        (problem.key.clone(), problem.message.clone())
    }

    pub fn is_told(result: Result<Loaded, Vec<Problem>>, key: &str, message: &str) {
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
            "`number` is 0, it must lie between 1 and 65,535",
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
}
