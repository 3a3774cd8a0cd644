//! `[[http_routes]]`: HTTPRoutes of the Gateway API, with the field names of their manifests; the oldest stands first.

use super::document::Table;
use super::entry::Entry;
use super::reader::Reader;
use super::string_match::expression;
use super::value::percent_from;
use crate::model::http_route::{BackendRef, Filter, HttpRoute, HttpRouteMatch, HttpRouteRule, NamedMatch, PathMatch};
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
        let read = route(Entry::new(root.pass, key.clone(), item));
        if let Some(read) = &read
            && !read.name.is_empty()
            && routes.iter().any(|other: &HttpRoute| other.name == read.name)
        {
            let message = format!("there are two HTTPRoutes `{}`", read.name);
            root.pass.error(&key, item.place.clone(), message, "put their rules together, or give one another name");
        }
        routes.extend(read);
    }
    root.pass.parameter(NAME.to_owned(), node.to_toml(), Some(node), NOTE);
    super::router_preset::refuse_foreign(root, document, (NAME, "plugins"));
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
    entry.knows(&["apiVersion", "status"]);
    entry.one_of("kind", &["HTTPRoute"]);
    entry.requires("metadata", "write metadata.name = \"web\"");
    let name = entry.inner("metadata").map(|mut metadata| metadata.required("name", "write metadata.name = \"web\""));
    entry.requires("spec", "write spec.rules = [{ backendRefs = [{ name = \"stable\" }, { name = \"canary\" }] }]");
    let mut spec = entry.inner("spec")?;
    spec.knows(&["parentRefs", "useDefaultGateways"]);
    let hostnames = spec.texts("hostnames");
    let rules = spec.list("rules", rule);
    spec.refuse_unknown();
    entry.refuse_unknown();
    // A route without rules takes everything and has nothing to answer with.
    Some(HttpRoute { name: name?, hostnames, rules })
}

fn rule(mut entry: Entry<'_, '_>) -> Option<HttpRouteRule> {
    entry.knows(&["timeouts", "retry"]);
    entry.not_simulated("sessionPersistence");
    let name = entry.text("name");
    let matches = entry.list("matches", one_match);
    let filters = entry.list("filters", filter);
    let backend_refs = entry.list("backendRefs", backend);
    entry.refuse_unknown();
    Some(HttpRouteRule { name, matches, filters, backend_refs })
}

/// Source: Gateway API, `HTTPMethod`.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

fn one_match(mut entry: Entry<'_, '_>) -> Option<HttpRouteMatch> {
    let path = match entry.inner("path") {
        Some(path) => Some(path_match(path)?),
        None => None,
    };
    let headers = entry.list("headers", named);
    let query_params = entry.list("queryParams", named);
    let method = entry.one_of("method", &METHODS).map(str::to_owned);
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

/// Source: Gateway API, `HTTPRouteFilterType`: each type has a field of its own, which is there if the type says so.
const FILTERS: [(&str, &str); 8] = [
    ("RequestMirror", "requestMirror"),
    ("RequestRedirect", "requestRedirect"),
    ("RequestHeaderModifier", "requestHeaderModifier"),
    ("ResponseHeaderModifier", "responseHeaderModifier"),
    ("URLRewrite", "urlRewrite"),
    ("CORS", "cors"),
    ("ExternalAuth", "externalAuth"),
    ("ExtensionRef", "extensionRef"),
];

fn filter(mut entry: Entry<'_, '_>) -> Option<Filter> {
    const HELP: &str = "write type = \"RequestMirror\"";
    entry.requires("type", HELP);
    let kind = entry.one_of("type", &FILTERS.map(|(kind, _)| kind));
    entry.knows(&FILTERS.map(|(_, field)| field));
    let filter = match kind {
        Some("RequestMirror") => {
            entry.requires("requestMirror", "write requestMirror.backendRef.name = \"canary\"");
            entry.inner("requestMirror").and_then(mirror_filter)
        }
        Some("RequestRedirect") => Some(Filter::RequestRedirect),
        Some(_) | None => Some(Filter::Other),
    };
    entry.refuse_unknown();
    filter
}

fn mirror_filter(mut entry: Entry<'_, '_>) -> Option<Filter> {
    entry.not_simulated("fraction");
    let percent = entry.read("percent", |node| percent_from("percent", node)).unwrap_or(Percent::HUNDRED);
    entry.requires("backendRef", "write backendRef.name = \"canary\"");
    let service = entry.inner("backendRef").and_then(backend).map(|backend| backend.service);
    entry.refuse_unknown();
    Some(Filter::RequestMirror(Mirror { service: service?, percent }))
}

#[cfg(test)]
mod tests {
    use crate::scenario::load::load;

    /// With this rule before the one that the weights are for: key, message and help of each problem.
    fn told(rule: &str) -> Vec<[String; 3]> {
        let rest = "{ backendRefs = [{ name = \"stable\" }, { name = \"canary\" }] }";
        of_routes(&format!("[[http_routes]]\nmetadata.name = \"web\"\nspec.rules = [{rule}, {rest}]\n"))
    }

    fn of_routes(routes: &str) -> Vec<[String; 3]> {
        let text = format!(
            "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\n\
             trafficRouting.plugins.\"argoproj-labs/gatewayAPI\".httpRoute = \"web\"\n{routes}"
        );
        let problems = load(&text, "x", &[]).expect_err(routes);
        problems.into_iter().map(|problem| [problem.key, problem.message, problem.help]).collect()
    }

    #[test]
    fn what_is_of_the_wrong_kind_is_refused_with_its_place() {
        let rule = "http_routes[0].spec.rules[0]";
        for (text, key, message, help) in [
            ("{ matches = \"all\" }", "matches", "this is a string, it must be an array", "put it in brackets: [ … ]"),
            (
                "{ matches = [\"all\"] }",
                "matches[0]",
                "this is a string, it must be a table",
                "write { name = value, … } in its place",
            ),
            (
                "{ matches = [{ method = \"get\" }] }",
                "matches[0].method",
                "`method` cannot be `get`",
                "did you mean `GET`?",
            ),
            (
                "{ filters = [{ type = \"RequestMiror\" }] }",
                "filters[0].type",
                "`type` cannot be `RequestMiror`",
                "did you mean `RequestMirror`?",
            ),
            (
                "{ filters = [{ type = \"RequestMirror\" }] }",
                "filters[0].requestMirror",
                "`requestMirror` is missing",
                "write requestMirror.backendRef.name = \"canary\"",
            ),
            (
                "{ filters = [{ type = \"RequestMirror\", requestMirror = { percent = 50 } }] }",
                "filters[0].requestMirror.backendRef",
                "`backendRef` is missing",
                "write backendRef.name = \"canary\"",
            ),
            (
                "{ filters = [{ type = \"RequestMirror\", requestMirror = { percent = 150, backendRef.name = \"canary\" } }] }",
                "filters[0].requestMirror.percent",
                "`percent` is 150, it must be a percentage: a whole number from 0 to 100",
                "write percent = 50 for one in two",
            ),
            (
                "{ backendRefs = [{ name = \"stable\", weight = -1 }] }",
                "backendRefs[0].weight",
                "-1 is not a whole number from 0 to 1,000,000",
                "write weight = 1",
            ),
        ] {
            let expected = [format!("{rule}.{key}"), message.to_owned(), help.to_owned()];
            assert_eq!(told(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_route_is_an_http_route_of_one_name() {
        let route = |head: &str, spec: &str| {
            format!(
                "[[http_routes]]\n{head}metadata.name = \"web\"\n{spec}spec.rules = [{{ backendRefs = [{{ name = \
                 \"stable\" }}, {{ name = \"canary\" }}] }}]\n"
            )
        };
        let message = |routes: &str| {
            let told = of_routes(routes);
            let [[_, message, _]] = told.as_slice() else { panic!("{told:?}") };
            message.clone()
        };
        assert_eq!(message(&route("kind = \"GRPCRoute\"\n", "")), "`kind` cannot be `GRPCRoute`");
        assert_eq!(message(&route("", "").repeat(2)), "there are two HTTPRoutes `web`");
        assert_eq!(message(&route("", "spec.hostnames = [5]\n")), "this is an integer, it must be a string");
    }
}
