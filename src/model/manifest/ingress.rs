//! An Ingress of networking.k8s.io/v1.

use super::{list, text};
use crate::model::ingress::{Backend, HttpPath, Ingress, IngressRule, PathType, ServicePort};
use serde_json::{Map, Value, json};

pub fn write(ingress: &Ingress) -> Value {
    let mut spec = Map::new();
    spec.insert("rules".to_owned(), ingress.rules.iter().map(write_rule).collect());
    if let Some(backend) = &ingress.default_backend {
        spec.insert("defaultBackend".to_owned(), write_backend(backend));
    }
    json!({ "metadata": { "annotations": ingress.annotations }, "spec": spec })
}

fn write_rule(rule: &IngressRule) -> Value {
    let paths: Vec<_> = rule.paths.iter().map(write_path).collect();
    let mut written = json!({ "http": { "paths": paths } });
    if let Some(host) = &rule.host {
        written["host"] = host.as_str().into();
    }
    written
}

fn write_path(path: &HttpPath) -> Value {
    json!({ "path": path.path, "pathType": path.path_type.name(), "backend": write_backend(&path.backend) })
}

fn write_backend(backend: &Backend) -> Value {
    let port = match &backend.port {
        ServicePort::Name(name) => json!({ "name": name }),
        ServicePort::Number(number) => json!({ "number": number }),
    };
    json!({ "service": { "name": backend.service, "port": port } })
}

pub fn read(manifest: &Value) -> Ingress {
    let annotations = manifest["metadata"]["annotations"].as_object().into_iter().flatten();
    Ingress {
        annotations: annotations.map(|(key, value)| (key.clone(), text(value))).collect(),
        default_backend: manifest["spec"].get("defaultBackend").map(read_backend),
        rules: list(&manifest["spec"]["rules"]).iter().map(read_rule).collect(),
    }
}

fn read_rule(rule: &Value) -> IngressRule {
    let paths = list(&rule["http"]["paths"]).iter().map(read_path).collect();
    IngressRule { host: rule.get("host").map(text), paths }
}

fn read_path(path: &Value) -> HttpPath {
    let written = text(&path["pathType"]);
    let path_type = PathType::ALL.into_iter().find(|path_type| path_type.name() == written);
    let path_type = path_type.unwrap_or_else(|| unreachable!("{written} is a path type"));
    HttpPath { path: text(&path["path"]), path_type, backend: read_backend(&path["backend"]) }
}

fn read_backend(backend: &Value) -> Backend {
    let service = &backend["service"];
    let port = match service["port"].get("name") {
        Some(name) => ServicePort::Name(text(name)),
        None => {
            let number = service["port"]["number"].as_u64().and_then(|number| u16::try_from(number).ok());
            ServicePort::Number(number.unwrap_or_else(|| unreachable!("{service} has a port")))
        }
    };
    Backend { service: text(&service["name"]), port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingress_is_read_as_it_was_written() {
        let backend = |port| Backend { service: "web".to_owned(), port };
        let path = |path: &str, path_type, port| HttpPath { path: path.to_owned(), path_type, backend: backend(port) };
        let ingress = Ingress {
            annotations: [("a/actions.web".to_owned(), "{}".to_owned())].into(),
            default_backend: Some(backend(ServicePort::Number(80))),
            rules: vec![
                IngressRule {
                    host: Some("shop.example".to_owned()),
                    paths: vec![
                        path("/*", PathType::ImplementationSpecific, ServicePort::Name("use-annotation".to_owned())),
                        path("/a", PathType::Exact, ServicePort::Number(8080)),
                    ],
                },
                IngressRule { host: None, paths: vec![path("/", PathType::Prefix, ServicePort::Number(80))] },
            ],
        };
        let written = write(&ingress);
        assert_eq!(read(&written), ingress);
        assert_eq!(written.pointer("/spec/rules/0/http/paths/1/backend/service/port/number"), Some(&json!(8080)));
    }
}
