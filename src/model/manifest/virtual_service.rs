//! A VirtualService of networking.istio.io/v1.

use super::{list, text, texts};
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

pub fn read(manifest: &Value) -> VirtualService {
    let spec = &manifest["spec"];
    VirtualService { hosts: texts(&spec["hosts"]), http: list(&spec["http"]).iter().map(read_route).collect() }
}

fn read_route(route: &Value) -> Route {
    let direct = route["directResponse"]["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let percent = route["mirrorPercentage"]["value"].as_i64().and_then(|percent| Percent::try_from(percent).ok());
    Route {
        name: route.get("name").map(text),
        matches: list(&route["match"]).iter().map(read_match).collect(),
        route: list(&route["route"]).iter().map(read_destination).collect(),
        answer: direct.map(Answer::Direct).or_else(|| route.get("redirect").map(|_| Answer::Redirect)),
        mirror: route
            .get("mirror")
            .map(|mirror| Mirror { service: text(&mirror["host"]), percent: percent.unwrap_or(Percent::HUNDRED) }),
    }
}

fn read_match(one: &Value) -> Match {
    let named = |key: &str| {
        let named = one[key].as_object().into_iter().flatten();
        named.map(|(name, value)| (name.clone(), read_string(value))).collect()
    };
    Match {
        uri: one.get("uri").map(read_string),
        method: one.get("method").map(read_string),
        authority: one.get("authority").map(read_string),
        headers: named("headers"),
        query_params: named("queryParams"),
    }
}

fn read_string(value: &Value) -> StringMatch {
    match (value.get("exact"), value.get("prefix")) {
        (Some(exact), _) => StringMatch::Exact(text(exact)),
        (None, Some(prefix)) => StringMatch::Prefix(text(prefix)),
        (None, None) => StringMatch::Regex(text(&value["regex"])),
    }
}

fn read_destination(one: &Value) -> RouteDestination {
    let destination = &one["destination"];
    RouteDestination {
        host: text(&destination["host"]),
        subset: destination.get("subset").map(text),
        weight: one["weight"].as_u64().and_then(|weight| u32::try_from(weight).ok()),
    }
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
        assert_eq!(read(&write(&service)), service);
    }
}
