//! `[[http_routes]]`: HTTPRoutes of the Gateway API, with the field names of their manifests; the oldest stands first.

use super::document::{Node, Table};
use super::entry::Entry;
use super::path;
use super::reader::Reader;
use super::string_match::expression;
use crate::model::http_route::{
    BackendRef, Filter, HttpRoute, HttpRouteMatch, HttpRouteRule, NamedMatch, PathMatch,
};
use crate::model::load_balancer::listener_rule::Mirror;
use crate::model::request_match::StringMatch;
use crate::units::Percent;
use serde_json::{Value, json};

const NAME: &str = "http_routes";
const NOTE: &str = "HTTPRoutes of the Gateway API, with the field names of the manifest. Without them the plugin's route has one \
                    rule for everything, with both backends";

pub fn read(root: &mut Reader<'_, '_>, document: &Table) -> Option<Vec<HttpRoute>> {
    let node = root.take(NAME, schema, NOTE)?;
    let Some(items) = node.array() else {
        let help = "write [[http_routes]] with metadata.name and spec";
        root.pass.error(NAME, node.place.clone(), format!("this is {}, it must be an array", node.kind_name()), help);
        return None;
    };
    let mut routes = vec![];
    for (index, item) in items.iter().enumerate() {
        let key = format!("{NAME}[{index}]");
        routes.extend(route(Entry::new(root.pass, key, item)));
    }
    root.pass.parameter(NAME.to_owned(), node.to_toml(), Some(node), NOTE);
    super::router::refuse_foreign(root, document, (NAME, "plugins"));
    Some(routes)
}

fn schema() -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "metadata": { "type": "object", "description": "Its name" },
                "spec": { "type": "object", "description": "hostnames and rules, as in the manifest" },
            },
            "required": ["spec"],
        },
    })
}

fn route(mut entry: Entry<'_, '_>) -> Option<HttpRoute> {
    entry.knows(&["apiVersion", "kind", "status"]);
    let metadata = entry.get("metadata").and_then(Node::table);
    let name = metadata.and_then(|metadata| metadata.get("name")?.value.text()).map(str::to_owned);
    if name.is_none() {
        entry.error("metadata", ("`metadata.name` is missing".to_owned(), "write metadata.name = \"web\"".to_owned()));
    }
    let Some(spec) = entry.get("spec") else {
        entry.required("spec", "write spec.rules = [{ backendRefs = [{ name = \"stable\" }, { name = \"canary\" }] }]");
        return None;
    };
    let mut spec = Entry::new(entry.pass, path::join(&entry.key, "spec"), spec);
    spec.knows(&["parentRefs", "useDefaultGateways"]);
    let hostnames = spec.items("hostnames").iter().filter_map(Node::text).map(str::to_owned).collect();
    let rules = list(&mut spec, "rules", rule);
    spec.refuse_unknown();
    entry.refuse_unknown();
    // A route without rules takes everything and has nothing to answer with.
    Some(HttpRoute { name: name?, hostnames, rules })
}

/// What each item of a list comes to.
fn list<T>(entry: &mut Entry<'_, '_>, name: &'static str, read: fn(Entry<'_, '_>) -> Option<T>) -> Vec<T> {
    let items = entry.items(name);
    let key = path::join(&entry.key, name);
    let read = |(index, item): (usize, &Node)| read(Entry::new(entry.pass, format!("{key}[{index}]"), item));
    items.iter().enumerate().filter_map(read).collect()
}

fn rule(mut entry: Entry<'_, '_>) -> Option<HttpRouteRule> {
    entry.knows(&["timeouts", "retry"]);
    entry.not_simulated("sessionPersistence");
    let name = entry.text("name");
    let matches = list(&mut entry, "matches", one_match);
    let filters = list(&mut entry, "filters", filter);
    let backend_refs = list(&mut entry, "backendRefs", backend);
    entry.refuse_unknown();
    Some(HttpRouteRule { name, matches, filters, backend_refs })
}

fn one_match(mut entry: Entry<'_, '_>) -> Option<HttpRouteMatch> {
    let path = match entry.get("path") {
        Some(node) => Some(path_match(Entry::new(entry.pass, path::join(&entry.key, "path"), node))?),
        None => None,
    };
    let headers = list(&mut entry, "headers", named);
    let query_params = list(&mut entry, "queryParams", named);
    let method = entry.text("method");
    entry.refuse_unknown();
    Some(HttpRouteMatch { path, headers, query_params, method })
}

fn path_match(mut entry: Entry<'_, '_>) -> Option<PathMatch> {
    let kind = entry.text("type").unwrap_or_else(|| "PathPrefix".to_owned());
    let value = entry.text("value").unwrap_or_else(|| "/".to_owned());
    entry.refuse_unknown();
    if kind == "RegularExpression" {
        expression(&mut entry, ("value", value.clone()))?;
        return Some(PathMatch::RegularExpression(value));
    }
    if !value.starts_with('/') {
        let message = format!("the path `{value}` does not begin with a slash");
        entry.error("value", (message, "the Gateway API refuses such a route".to_owned()));
        return None;
    }
    match kind.as_str() {
        "Exact" => Some(PathMatch::Exact(value)),
        "PathPrefix" => Some(PathMatch::PathPrefix(value)),
        _ => {
            let help = "it is one of Exact, PathPrefix, RegularExpression";
            entry.error("type", (format!("there is no path match of the type `{kind}`"), help.to_owned()));
            None
        }
    }
}

/// A header or a query parameter.
fn named(mut entry: Entry<'_, '_>) -> Option<NamedMatch> {
    let kind = entry.text("type").unwrap_or_else(|| "Exact".to_owned());
    let name = entry.required("name", "write name = \"X-Canary\"");
    let value = entry.required("value", "write value = \"yes\"");
    entry.refuse_unknown();
    let value = match kind.as_str() {
        "Exact" => StringMatch::Exact(value),
        "RegularExpression" => expression(&mut entry, ("value", value))?,
        _ => {
            let help = "it is one of Exact, RegularExpression";
            entry.error("type", (format!("there is no match of the type `{kind}`"), help.to_owned()));
            return None;
        }
    };
    Some(NamedMatch { name, value })
}

fn backend(mut entry: Entry<'_, '_>) -> Option<BackendRef> {
    entry.knows(&["group", "kind", "namespace", "port", "filters"]);
    let service = entry.required("name", "write name = \"stable\"");
    let weight = entry.whole("weight", 0).map(|weight| u32::try_from(weight).expect("it is in its range"));
    entry.refuse_unknown();
    (!service.is_empty()).then_some(BackendRef { service, weight })
}

fn filter(mut entry: Entry<'_, '_>) -> Option<Filter> {
    let kind = entry.required("type", "write type = \"RequestMirror\"");
    entry.knows(&[
        "requestRedirect",
        "urlRewrite",
        "requestHeaderModifier",
        "responseHeaderModifier",
        "extensionRef",
        "cors",
    ]);
    let mirror = entry.get("requestMirror");
    let filter = match (kind.as_str(), mirror) {
        ("RequestRedirect", _) => Some(Filter::RequestRedirect),
        ("RequestMirror", Some(node)) => {
            mirror_filter(Entry::new(entry.pass, path::join(&entry.key, "requestMirror"), node))
        }
        _ => Some(Filter::Other),
    };
    entry.refuse_unknown();
    filter
}

fn mirror_filter(mut entry: Entry<'_, '_>) -> Option<Filter> {
    entry.not_simulated("fraction");
    let percent = entry.whole("percent", 0).unwrap_or(100);
    let percent = match Percent::try_from(percent) {
        Ok(percent) => percent,
        Err(message) => {
            entry.error("percent", (message, String::new()));
            return None;
        }
    };
    let backend = entry.get("backendRef").and_then(Node::table);
    let service = backend.and_then(|backend| backend.get("name")?.value.text()).map(str::to_owned);
    entry.refuse_unknown();
    Some(Filter::RequestMirror(Mirror { service: service?, percent }))
}
