//! An HTTPRoute of gateway.networking.k8s.io/v1.

use super::field::{Field, Misfit};
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

pub fn read(name: &str, manifest: &Value) -> Result<HttpRoute, Misfit> {
    let spec = Field::of(manifest).get("spec")?;
    Ok(HttpRoute {
        name: name.to_owned(),
        hostnames: spec.get("hostnames")?.list(Field::text)?,
        rules: spec.get("rules")?.list(read_rule)?,
    })
}

fn read_rule(rule: &Field<'_>) -> Result<HttpRouteRule, Misfit> {
    Ok(HttpRouteRule {
        name: rule.get("name")?.optional(Field::text)?,
        matches: rule.get("matches")?.list(read_match)?,
        filters: rule.get("filters")?.list(read_filter)?,
        backend_refs: rule.get("backendRefs")?.list(read_backend)?,
    })
}

fn read_match(one: &Field<'_>) -> Result<HttpRouteMatch, Misfit> {
    Ok(HttpRouteMatch {
        path: one.get("path")?.optional(read_path)?,
        headers: one.get("headers")?.list(read_named)?,
        query_params: one.get("queryParams")?.list(read_named)?,
        method: one.get("method")?.optional(Field::text)?,
    })
}

/// Gateway API: the prefix `/` unless it says something else.
fn read_path(path: &Field<'_>) -> Result<PathMatch, Misfit> {
    let value = path.get("value")?.optional(Field::text)?.unwrap_or_else(|| "/".to_owned());
    let kind = path.get("type")?;
    match kind.optional(Field::text)?.as_deref() {
        Some("Exact") => Ok(PathMatch::Exact(value)),
        Some("PathPrefix") | None => Ok(PathMatch::PathPrefix(value)),
        Some("RegularExpression") => Ok(PathMatch::RegularExpression(value)),
        Some(_) => Err(kind.must_be("Exact, PathPrefix or RegularExpression")),
    }
}

/// Gateway API: exact unless it says something else.
fn read_named(one: &Field<'_>) -> Result<NamedMatch, Misfit> {
    let (kind, value) = (one.get("type")?, one.get("value")?.text()?);
    let value = match kind.optional(Field::text)?.as_deref() {
        Some("Exact") | None => StringMatch::Exact(value),
        Some("RegularExpression") => StringMatch::Regex(value),
        Some(_) => return Err(kind.must_be("Exact or RegularExpression")),
    };
    Ok(NamedMatch { name: one.get("name")?.text()?, value })
}

fn read_filter(filter: &Field<'_>) -> Result<Filter, Misfit> {
    match filter.get("type")?.text()?.as_str() {
        "RequestRedirect" => Ok(Filter::RequestRedirect),
        "RequestMirror" => {
            let mirror = filter.get("requestMirror")?;
            let percent = mirror.get("percent")?.optional(read_percent)?;
            let service = mirror.get("backendRef")?.get("name")?.text()?;
            Ok(Filter::RequestMirror(Mirror { service, percent: percent.unwrap_or(Percent::HUNDRED) }))
        }
        _ => Ok(Filter::Other),
    }
}

pub(super) fn read_percent(field: &Field<'_>) -> Result<Percent, Misfit> {
    Percent::try_from(i64::from(field.whole::<u32>()?)).map_err(|_| field.must_be("a whole number from 0 to 100"))
}

fn read_backend(backend: &Field<'_>) -> Result<BackendRef, Misfit> {
    Ok(BackendRef { service: backend.get("name")?.text()?, weight: backend.get("weight")?.optional(Field::whole)? })
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
        assert_eq!(read("web", &write(&route)), Ok(route));
    }
}
