//! `[virtual_service]`: the VirtualService of Istio, with the field names of its manifest.

use super::document::Table;
use super::entry::Entry;
use super::reader::Reader;
use super::string_match;
use super::value::percent_from;
use crate::model::load_balancer::listener_rule::Mirror;
use crate::model::virtual_service::{Answer, Match, Route, RouteDestination, VirtualService};
use crate::units::Percent;
use serde_json::{Value, json};

const NAME: &str = "virtual_service";
const NOTE: &str = "The VirtualService of Istio, with the field names of the manifest. Without it there is one route for \
                    everything, to both Services or subsets";

pub fn read(root: &mut Reader<'_, '_>, document: &Table) -> Option<VirtualService> {
    let node = root.take(NAME, schema, NOTE)?;
    let service = virtual_service(Entry::new(root.pass, NAME.to_owned(), node));
    root.pass.parameter(NAME.to_owned(), node.to_toml(), Some(node), NOTE);
    super::router_preset::refuse_foreign(root, document, (NAME, "istio"));
    service
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "metadata": { "type": "object", "description": "Its name" },
            "spec": { "type": "object", "description": "hosts and http, as in the manifest" },
        },
        "required": ["spec"],
    })
}

fn virtual_service(mut entry: Entry<'_, '_>) -> Option<VirtualService> {
    entry.knows(&["apiVersion", "metadata", "status"]);
    entry.one_of("kind", &["VirtualService"]);
    entry.requires("spec", "write spec.http = [{ route = [{ destination.host = \"stable\", weight = 100 }, …] }]");
    let mut spec = entry.inner("spec")?;
    spec.knows(&["gateways", "exportTo"]);
    for name in ["tls", "tcp"] {
        spec.not_simulated(name);
    }
    let hosts = spec.texts("hosts");
    let http = spec.list("http", route);
    spec.refuse_unknown();
    entry.refuse_unknown();
    Some(VirtualService { hosts, http })
}

fn route(mut entry: Entry<'_, '_>) -> Option<Route> {
    entry.knows(&["rewrite", "timeout", "retries", "corsPolicy", "headers"]);
    for name in ["delegate", "fault", "mirrors"] {
        entry.not_simulated(name);
    }
    let name = entry.text("name").filter(|name| !name.is_empty());
    let matches = entry.list("match", one_match);
    let destinations = entry.list("route", weighted);
    let redirect = entry.get("redirect").map(|_| Answer::Redirect);
    let direct = entry.inner("directResponse").and_then(direct_response);
    let mirror = mirror(&mut entry);
    entry.refuse_unknown();
    Some(Route { name, matches, route: destinations, answer: redirect.or(direct), mirror })
}

/// Source: Istio, `validateHTTPStatus`, which has 600 in it whatever it says.
fn direct_response(mut entry: Entry<'_, '_>) -> Option<Answer> {
    entry.knows(&["body"]);
    entry.requires("status", "write status = 503");
    let status = entry.read("status", |node| {
        let status = node.integer().filter(|status| (200..=600).contains(status));
        let message = || format!("HTTP status {} is not in range 200-599", node.to_toml());
        status.ok_or_else(|| (message(), "write status = 503".to_owned()))
    });
    entry.refuse_unknown();
    status.and_then(|status| u16::try_from(status).ok()).map(Answer::Direct)
}

fn mirror(entry: &mut Entry<'_, '_>) -> Option<Mirror> {
    let service = entry.inner("mirror").and_then(destination).map(|destination| destination.target().to_owned());
    let number = entry.get("mirrorPercentage").filter(|node| node.table().is_none());
    if let Some(number) = number {
        let message = format!("this is {}, it must be a table", number.kind_name());
        entry.error("mirrorPercentage", (message, "write mirrorPercentage = { value = 50 }".to_owned()));
        return None;
    }
    let percent = entry.inner("mirrorPercentage").and_then(percentage);
    Some(Mirror { service: service?, percent: percent.unwrap_or(Percent::HUNDRED) })
}

fn percentage(mut entry: Entry<'_, '_>) -> Option<Percent> {
    entry.requires("value", "write mirrorPercentage = { value = 50 }");
    let percent = entry.read("value", |node| percent_from("value", node));
    entry.refuse_unknown();
    percent
}

fn one_match(mut entry: Entry<'_, '_>) -> Option<Match> {
    entry.knows(&["name", "gateways", "scheme", "statPrefix"]);
    for name in ["port", "sourceLabels", "sourceNamespace", "withoutHeaders", "ignoreUriCase"] {
        entry.not_simulated(name);
    }
    let [uri, method, authority] =
        ["uri", "method", "authority"].map(|name| entry.inner(name).and_then(string_match::read));
    let [headers, query_params] =
        ["headers", "queryParams"].map(|name| entry.inner(name).map(string_match::read_named).unwrap_or_default());
    entry.refuse_unknown();
    Some(Match { uri, method, authority, headers, query_params })
}

fn weighted(mut entry: Entry<'_, '_>) -> Option<RouteDestination> {
    entry.knows(&["headers"]);
    let weight = entry.whole("weight", 0).and_then(|weight| u32::try_from(weight).ok());
    entry.requires("destination", "write destination.host = \"stable\"");
    let destination = entry.inner("destination").and_then(destination);
    entry.refuse_unknown();
    Some(RouteDestination { weight, ..destination? })
}

fn destination(mut entry: Entry<'_, '_>) -> Option<RouteDestination> {
    entry.knows(&["port"]);
    let host = entry.required("host", "write host = \"stable\"");
    let subset = entry.text("subset").filter(|subset| !subset.is_empty());
    entry.refuse_unknown();
    (!host.is_empty()).then_some(RouteDestination { host, subset, weight: None })
}

#[cfg(test)]
mod tests {
    use crate::scenario::load::load;

    /// Key, message and help of each problem.
    fn told(spec: &str) -> Vec<[String; 3]> {
        let text = format!(
            "[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary]\ntrafficRouting.istio.virtualService.name = \"web\"\n\
             [virtual_service]\n{spec}"
        );
        let problems = load(&text, "x", &[]).expect_err(spec);
        problems.into_iter().map(|problem| [problem.key, problem.message, problem.help]).collect()
    }

    #[test]
    fn what_is_of_the_wrong_kind_is_refused_with_its_place() {
        let both = "route = [{ destination.host = \"stable\" }, { destination.host = \"canary\" }]";
        let percentage = "write mirrorPercentage = { value = 50 }";
        for (text, key, message, help) in [
            (
                format!("spec.hosts = \"web\"\nspec.http = [{{ {both} }}]\n"),
                "hosts",
                "this is a string, it must be an array",
                "put it in brackets: [ … ]",
            ),
            (
                format!("spec.http = [{{ match = \"all\", {both} }}]\n"),
                "http[0].match",
                "this is a string, it must be an array",
                "put it in brackets: [ … ]",
            ),
            (
                format!("spec.http = [{{ mirror.host = \"canary\", mirrorPercentage = 50, {both} }}]\n"),
                "http[0].mirrorPercentage",
                "this is an integer, it must be a table",
                percentage,
            ),
            (
                format!("spec.http = [{{ mirror.host = \"canary\", mirrorPercentage.value = 200, {both} }}]\n"),
                "http[0].mirrorPercentage.value",
                "`value` is 200, it must be a percentage: a whole number from 0 to 100",
                "write value = 50 for one in two",
            ),
            (
                format!("spec.http = [{{ directResponse.status = 99999 }}, {{ {both} }}]\n"),
                "http[0].directResponse.status",
                "HTTP status 99999 is not in range 200-599",
                "write status = 503",
            ),
            (
                format!("kind = \"DestinationRule\"\nspec.http = [{{ {both} }}]\n"),
                "",
                "`kind` cannot be `DestinationRule`",
                "it is VirtualService",
            ),
        ] {
            let key =
                if key.is_empty() { "virtual_service.kind".to_owned() } else { format!("virtual_service.spec.{key}") };
            assert_eq!(told(&text), [[key, message.to_owned(), help.to_owned()]], "{text}");
        }
    }
}
