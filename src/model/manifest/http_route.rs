//! An HTTPRoute of gateway.networking.k8s.io/v1.

use super::{list, text, texts};
use crate::model::http_route::{BackendRef, Filter, HttpRoute, HttpRouteMatch, HttpRouteRule, NamedMatch, PathMatch};
use crate::model::load_balancer::listener_rule::Mirror;
use crate::model::request_match::StringMatch;
use crate::units::Percent;
use serde_json::{Map, Value, json};

pub fn write(route: &HttpRoute) -> Value {
    let rules: Vec<_> = route.rules.iter().map(write_rule).collect();
    let mut spec = json!({ "rules": rules });
    if !route.hostnames.is_empty() {
        spec["hostnames"] = route.hostnames.clone().into();
    }
    json!({ "spec": spec })
}

fn write_rule(rule: &HttpRouteRule) -> Value {
    let mut written = Map::new();
    let mut put = |key: &str, values: Vec<Value>| {
        if !values.is_empty() {
            written.insert(key.to_owned(), values.into());
        }
    };
    put("matches", rule.matches.iter().map(write_match).collect());
    put("filters", rule.filters.iter().map(write_filter).collect());
    put("backendRefs", rule.backend_refs.iter().map(write_backend).collect());
    if let Some(name) = &rule.name {
        written.insert("name".to_owned(), name.as_str().into());
    }
    Value::Object(written)
}

fn write_match(one: &HttpRouteMatch) -> Value {
    let mut written = Map::new();
    let named = |matches: &[NamedMatch]| matches.iter().map(write_named).collect::<Vec<_>>();
    if let Some(path) = &one.path {
        let (kind, value) = match path {
            PathMatch::Exact(value) => ("Exact", value),
            PathMatch::PathPrefix(value) => ("PathPrefix", value),
            PathMatch::RegularExpression(value) => ("RegularExpression", value),
        };
        written.insert("path".to_owned(), json!({ "type": kind, "value": value }));
    }
    if let Some(method) = &one.method {
        written.insert("method".to_owned(), method.as_str().into());
    }
    for (key, matches) in [("headers", named(&one.headers)), ("queryParams", named(&one.query_params))] {
        if !matches.is_empty() {
            written.insert(key.to_owned(), matches.into());
        }
    }
    Value::Object(written)
}

fn write_named(one: &NamedMatch) -> Value {
    let (kind, value) = match &one.value {
        StringMatch::Exact(value) => ("Exact", value),
        StringMatch::Regex(value) => ("RegularExpression", value),
        // The plugin writes prefixes as regular expressions, and the API has no other way to say one.
        StringMatch::Prefix(value) => unreachable!("an HTTPRoute has no prefix of a header: {value}"),
    };
    json!({ "name": one.name, "type": kind, "value": value })
}

fn write_filter(filter: &Filter) -> Value {
    match filter {
        Filter::RequestRedirect => json!({ "type": "RequestRedirect" }),
        Filter::RequestMirror(Mirror { service, percent }) => json!({
            "type": "RequestMirror",
            "requestMirror": { "backendRef": { "name": service }, "percent": percent.get() },
        }),
        Filter::Other => json!({ "type": OTHER }),
    }
}

/// For any filter that changes a request and lets it go on.
const OTHER: &str = "RequestHeaderModifier";

fn write_backend(backend: &BackendRef) -> Value {
    let mut written = json!({ "name": backend.service });
    if let Some(weight) = backend.weight {
        written["weight"] = weight.into();
    }
    written
}

pub fn read(name: &str, manifest: &Value) -> HttpRoute {
    let spec = &manifest["spec"];
    HttpRoute {
        name: name.to_owned(),
        hostnames: texts(&spec["hostnames"]),
        rules: list(&spec["rules"]).iter().map(read_rule).collect(),
    }
}

fn read_rule(rule: &Value) -> HttpRouteRule {
    HttpRouteRule {
        name: rule.get("name").map(text),
        matches: list(&rule["matches"]).iter().map(read_match).collect(),
        filters: list(&rule["filters"]).iter().map(read_filter).collect(),
        backend_refs: list(&rule["backendRefs"]).iter().map(read_backend).collect(),
    }
}

fn read_match(one: &Value) -> HttpRouteMatch {
    let path = |path: &Value| {
        let value = text(&path["value"]);
        match path["type"].as_str() {
            Some("Exact") => PathMatch::Exact(value),
            Some("RegularExpression") => PathMatch::RegularExpression(value),
            Some(_) | None => PathMatch::PathPrefix(value),
        }
    };
    HttpRouteMatch {
        path: one.get("path").map(path),
        headers: list(&one["headers"]).iter().map(read_named).collect(),
        query_params: list(&one["queryParams"]).iter().map(read_named).collect(),
        method: one.get("method").map(text),
    }
}

fn read_named(one: &Value) -> NamedMatch {
    let value = text(&one["value"]);
    let is_regex = one["type"].as_str() == Some("RegularExpression");
    let value = if is_regex { StringMatch::Regex(value) } else { StringMatch::Exact(value) };
    NamedMatch { name: text(&one["name"]), value }
}

fn read_filter(filter: &Value) -> Filter {
    match filter["type"].as_str() {
        Some("RequestRedirect") => Filter::RequestRedirect,
        Some("RequestMirror") => {
            let mirror = &filter["requestMirror"];
            let percent = mirror["percent"].as_i64().and_then(|percent| Percent::try_from(percent).ok());
            let service = text(&mirror["backendRef"]["name"]);
            Filter::RequestMirror(Mirror { service, percent: percent.unwrap_or(Percent::HUNDRED) })
        }
        Some(_) | None => Filter::Other,
    }
}

fn read_backend(backend: &Value) -> BackendRef {
    let weight = backend["weight"].as_u64().and_then(|weight| u32::try_from(weight).ok());
    BackendRef { service: text(&backend["name"]), weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_as_it_was_written() {
        let named = |value| NamedMatch { name: "x".to_owned(), value };
        let route = HttpRoute {
            name: "web".to_owned(),
            hostnames: vec!["shop.example".to_owned()],
            rules: vec![
                HttpRouteRule {
                    name: Some("canary".to_owned()),
                    matches: vec![HttpRouteMatch {
                        path: Some(PathMatch::Exact("/a".to_owned())),
                        headers: vec![named(StringMatch::Exact("1".to_owned()))],
                        query_params: vec![named(StringMatch::Regex("2.*".to_owned()))],
                        method: Some("GET".to_owned()),
                    }],
                    filters: vec![
                        Filter::RequestMirror(Mirror { service: "b".to_owned(), percent: Percent::HUNDRED }),
                        Filter::RequestRedirect,
                        Filter::Other,
                    ],
                    backend_refs: vec![],
                },
                HttpRouteRule {
                    matches: vec![HttpRouteMatch::default()],
                    backend_refs: vec![
                        BackendRef { service: "a".to_owned(), weight: Some(0) },
                        BackendRef { service: "b".to_owned(), weight: None },
                    ],
                    ..HttpRouteRule::default()
                },
            ],
        };
        assert_eq!(read("web", &write(&route)), route);
    }
}
