//! A VirtualService of networking.istio.io/v1.

use super::field::{Field, Misfit};
use super::http_route::read_percent;
use crate::model::load_balancer::listener_rule::Mirror;
use crate::model::request_match::StringMatch;
use crate::model::virtual_service::{Answer, Match, Route, RouteDestination, VirtualService};
use crate::units::Percent;
use serde_json::{Map, Value, json};

pub fn write(service: &VirtualService) -> Value {
    let http: Vec<_> = service.http.iter().map(write_route).collect();
    let mut spec = json!({ "http": http });
    if !service.hosts.is_empty() {
        spec["hosts"] = service.hosts.clone().into();
    }
    json!({ "spec": spec })
}

fn write_route(route: &Route) -> Value {
    let mut written = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            written.insert(key.to_owned(), value);
        }
    };
    let lists = |values: Vec<Value>| (!values.is_empty()).then(|| Value::from(values));
    put("name", route.name.as_deref().map(Value::from));
    put("match", lists(route.matches.iter().map(write_match).collect()));
    put("route", lists(route.route.iter().map(write_destination).collect()));
    match route.answer {
        Some(Answer::Redirect) => put("redirect", Some(json!({}))),
        Some(Answer::Direct(status)) => put("directResponse", Some(json!({ "status": status }))),
        None => {}
    }
    if let Some(Mirror { service, percent }) = &route.mirror {
        put("mirror", Some(json!({ "host": service })));
        put("mirrorPercentage", Some(json!({ "value": percent.get() })));
    }
    Value::Object(written)
}

fn write_match(one: &Match) -> Value {
    let mut written = Map::new();
    for (key, value) in [("uri", &one.uri), ("method", &one.method), ("authority", &one.authority)] {
        if let Some(value) = value {
            written.insert(key.to_owned(), write_string(value));
        }
    }
    for (key, named) in [("headers", &one.headers), ("queryParams", &one.query_params)] {
        if !named.is_empty() {
            let named: Map<_, _> = named.iter().map(|(name, value)| (name.clone(), write_string(value))).collect();
            written.insert(key.to_owned(), named.into());
        }
    }
    Value::Object(written)
}

fn write_string(value: &StringMatch) -> Value {
    match value {
        StringMatch::Exact(value) => json!({ "exact": value }),
        StringMatch::Prefix(value) => json!({ "prefix": value }),
        StringMatch::Regex(value) => json!({ "regex": value }),
    }
}

fn write_destination(one: &RouteDestination) -> Value {
    let mut written = json!({ "destination": { "host": one.host } });
    if let Some(subset) = &one.subset {
        written["destination"]["subset"] = subset.as_str().into();
    }
    if let Some(weight) = one.weight {
        written["weight"] = weight.into();
    }
    written
}

pub fn read(manifest: &Value) -> Result<VirtualService, Misfit> {
    let spec = Field::of(manifest).get("spec")?;
    Ok(VirtualService { hosts: spec.get("hosts")?.list(Field::text)?, http: spec.get("http")?.list(read_route)? })
}

fn read_route(route: &Field<'_>) -> Result<Route, Misfit> {
    let direct = route.get("directResponse")?.optional(|direct| direct.get("status")?.whole())?;
    let redirect = route.get("redirect")?.optional(|_| Ok(Answer::Redirect))?;
    let percent = route.get("mirrorPercentage")?.get("value")?.optional(read_percent)?;
    let mirrored = route.get("mirror")?.optional(|mirror| mirror.get("host")?.text())?;
    Ok(Route {
        name: route.get("name")?.optional(Field::text)?,
        matches: route.get("match")?.list(read_match)?,
        route: route.get("route")?.list(read_destination)?,
        answer: direct.map(Answer::Direct).or(redirect),
        mirror: mirrored.map(|service| Mirror { service, percent: percent.unwrap_or(Percent::HUNDRED) }),
    })
}

fn read_match(one: &Field<'_>) -> Result<Match, Misfit> {
    Ok(Match {
        uri: one.get("uri")?.optional(read_string)?,
        method: one.get("method")?.optional(read_string)?,
        authority: one.get("authority")?.optional(read_string)?,
        headers: one.get("headers")?.table(read_string)?,
        query_params: one.get("queryParams")?.table(read_string)?,
    })
}

fn read_string(field: &Field<'_>) -> Result<StringMatch, Misfit> {
    let text = |key: &str| field.get(key)?.optional(Field::text);
    match (text("exact")?, text("prefix")?, text("regex")?) {
        (Some(exact), _, _) => Ok(StringMatch::Exact(exact)),
        (None, Some(prefix), _) => Ok(StringMatch::Prefix(prefix)),
        (None, None, Some(regex)) => Ok(StringMatch::Regex(regex)),
        (None, None, None) => Err(field.must_be("a table with exact, prefix or regex")),
    }
}

fn read_destination(one: &Field<'_>) -> Result<RouteDestination, Misfit> {
    let destination = one.get("destination")?;
    Ok(RouteDestination {
        host: destination.get("host")?.text()?,
        subset: destination.get("subset")?.optional(Field::text)?,
        weight: one.get("weight")?.optional(Field::whole)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_service_is_read_as_it_was_written() {
        let destination =
            |weight| RouteDestination { host: "web".to_owned(), subset: Some("canary".to_owned()), weight };
        let service = VirtualService {
            hosts: vec!["web".to_owned()],
            http: vec![
                Route {
                    name: Some("testers".to_owned()),
                    matches: vec![Match {
                        uri: Some(StringMatch::Prefix("/a".to_owned())),
                        method: Some(StringMatch::Exact("GET".to_owned())),
                        authority: Some(StringMatch::Regex("a.*".to_owned())),
                        headers: vec![("x".to_owned(), StringMatch::Exact("yes".to_owned()))],
                        query_params: vec![("q".to_owned(), StringMatch::Prefix("1".to_owned()))],
                    }],
                    route: vec![destination(None)],
                    answer: None,
                    mirror: Some(Mirror { service: "canary".to_owned(), percent: Percent::HUNDRED }),
                },
                Route { route: vec![destination(Some(0)), destination(Some(100))], ..Route::default() },
                Route { answer: Some(Answer::Direct(503)), ..Route::default() },
                Route { answer: Some(Answer::Redirect), ..Route::default() },
            ],
        };
        assert_eq!(read(&write(&service)), Ok(service));
    }
}
