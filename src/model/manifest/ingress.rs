//! An Ingress of networking.k8s.io/v1.

use super::field::{Field, Misfit};
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

pub fn read(manifest: &Value) -> Result<Ingress, Misfit> {
    let manifest = Field::of(manifest);
    let annotations = manifest.get("metadata")?.get("annotations")?.table(Field::text)?;
    let spec = manifest.get("spec")?;
    Ok(Ingress {
        annotations: annotations.into_iter().collect(),
        default_backend: spec.get("defaultBackend")?.optional(read_backend)?,
        rules: spec.get("rules")?.list(read_rule)?,
    })
}

fn read_rule(rule: &Field<'_>) -> Result<IngressRule, Misfit> {
    let paths = rule.get("http")?.get("paths")?.list(read_path)?;
    Ok(IngressRule { host: rule.get("host")?.optional(Field::text)?, paths })
}

fn read_path(path: &Field<'_>) -> Result<HttpPath, Misfit> {
    let kind = path.get("pathType")?;
    let written = kind.text()?;
    let path_type = PathType::ALL.into_iter().find(|path_type| path_type.name() == written);
    let path_type = path_type.ok_or_else(|| kind.must_be("Exact, Prefix or ImplementationSpecific"))?;
    Ok(HttpPath { path: path.get("path")?.text()?, path_type, backend: read_backend(&path.get("backend")?)? })
}

fn read_backend(backend: &Field<'_>) -> Result<Backend, Misfit> {
    let service = backend.get("service")?;
    let port = service.get("port")?;
    let port = match port.get("name")?.optional(Field::text)? {
        Some(name) => ServicePort::Name(name),
        None => ServicePort::Number(port.get("number")?.whole()?),
    };
    Ok(Backend { service: service.get("name")?.text()?, port })
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
        assert_eq!(read(&written), Ok(ingress));
        assert_eq!(written.pointer("/spec/rules/0/http/paths/1/backend/service/port/number"), Some(&json!(8080)));
    }
}
