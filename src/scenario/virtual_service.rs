//! `[virtual_service]`: the VirtualService of Istio, with the field names of its manifest.

use super::document::{Node, Table};
use super::entry::Entry;
use super::path;
use super::reader::Reader;
use super::string_match;
use crate::model::load_balancer::listener_rule::Mirror;
use crate::model::request_match::StringMatch;
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
    super::router::refuse_foreign(root, document, (NAME, "istio"));
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
    entry.knows(&["apiVersion", "kind", "metadata", "status"]);
    let Some(spec) = entry.get("spec") else {
        entry.required("spec", "write spec.http = [{ route = [{ destination.host = \"stable\", weight = 100 }, …] }]");
        return None;
    };
    let mut spec = Entry::new(entry.pass, path::join(&entry.key, "spec"), spec);
    spec.knows(&["gateways", "exportTo"]);
    for name in ["tls", "tcp"] {
        spec.not_simulated(name);
    }
    let hosts = spec.items("hosts").iter().filter_map(Node::text).map(str::to_owned).collect();
    let http = list(&mut spec, "http", route);
    spec.refuse_unknown();
    entry.refuse_unknown();
    Some(VirtualService { hosts, http })
}

/// What each item of a list comes to.
fn list<T>(entry: &mut Entry<'_, '_>, name: &'static str, read: fn(Entry<'_, '_>) -> Option<T>) -> Vec<T> {
    let items = entry.items(name);
    let key = path::join(&entry.key, name);
    let read = |(index, item): (usize, &Node)| read(Entry::new(entry.pass, format!("{key}[{index}]"), item));
    items.iter().enumerate().filter_map(read).collect()
}

fn route(mut entry: Entry<'_, '_>) -> Option<Route> {
    entry.knows(&["rewrite", "timeout", "retries", "corsPolicy", "headers"]);
    for name in ["delegate", "fault", "mirrors"] {
        entry.not_simulated(name);
    }
    let name = entry.text("name").filter(|name| !name.is_empty());
    let matches = list(&mut entry, "match", one_match);
    let destinations = list(&mut entry, "route", weighted);
    let redirect = entry.get("redirect").map(|_| Answer::Redirect);
    let direct = entry.get("directResponse").and_then(Node::table).and_then(|table| table.get("status"));
    let status = direct.and_then(|status| u16::try_from(status.value.integer()?).ok());
    let mirror = mirror(&mut entry);
    entry.refuse_unknown();
    let answer = redirect.or(status.map(Answer::Direct));
    Some(Route { name, matches, route: destinations, answer, mirror })
}

fn mirror(entry: &mut Entry<'_, '_>) -> Option<Mirror> {
    let percentage = entry.get("mirrorPercentage").and_then(Node::table).and_then(|table| table.get("value"));
    let node = entry.get("mirror")?;
    let service = destination(Entry::new(entry.pass, path::join(&entry.key, "mirror"), node))?.target().to_owned();
    let percent = percentage.map_or(Ok(Percent::HUNDRED), |value| {
        let number = value.value.integer();
        number.ok_or_else(|| "a percentage is a whole number here".to_owned()).and_then(Percent::try_from)
    });
    let percent = percent.map_err(|message| entry.error("mirrorPercentage", (message, String::new()))).ok()?;
    Some(Mirror { service, percent })
}

fn one_match(mut entry: Entry<'_, '_>) -> Option<Match> {
    entry.knows(&["name", "gateways", "scheme", "statPrefix"]);
    for name in ["port", "sourceLabels", "sourceNamespace", "withoutHeaders", "ignoreUriCase"] {
        entry.not_simulated(name);
    }
    let read = Match {
        uri: text(&mut entry, "uri"),
        method: text(&mut entry, "method"),
        authority: text(&mut entry, "authority"),
        headers: named(&mut entry, "headers"),
        query_params: named(&mut entry, "queryParams"),
    };
    entry.refuse_unknown();
    Some(read)
}

fn text(entry: &mut Entry<'_, '_>, name: &'static str) -> Option<StringMatch> {
    let node = entry.get(name)?;
    string_match::read(Entry::new(entry.pass, path::join(&entry.key, name), node))
}

/// A table with names of the user's own.
fn named(entry: &mut Entry<'_, '_>, name: &'static str) -> Vec<(String, StringMatch)> {
    let Some(table) = entry.get(name).and_then(Node::table) else { return vec![] };
    let key = path::join(&entry.key, name);
    let read = |one: &super::document::Entry| {
        let value = string_match::read(Entry::new(entry.pass, path::join(&key, &one.key), &one.value))?;
        Some((one.key.clone(), value))
    };
    table.entries.iter().filter_map(read).collect()
}

fn weighted(mut entry: Entry<'_, '_>) -> Option<RouteDestination> {
    entry.knows(&["headers"]);
    let weight = entry.whole("weight", 0).and_then(|weight| u32::try_from(weight).ok());
    let Some(node) = entry.get("destination") else {
        entry.required("destination", "write destination.host = \"stable\"");
        return None;
    };
    let destination = destination(Entry::new(entry.pass, path::join(&entry.key, "destination"), node));
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
