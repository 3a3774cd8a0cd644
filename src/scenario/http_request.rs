//! What the requests of a class say: host, path, method, headers, and where they come from.

use super::document::Node;
use super::path;
use super::quoted::quoted;
use super::reader::Reader;
use super::value::{text_from, wrong_kind};
use crate::model::http_request::{HttpRequest, NOBODYS_ADDRESS, NOBODYS_HOST};
use serde_json::json;
use std::net::IpAddr;

/// What the requests say to a router.
pub fn read(reader: &mut Reader<'_, '_>) -> HttpRequest {
    let host = checked_text(reader, "host", NOBODYS_HOST, HOST, |host| {
        let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        is_host.then_some(()).ok_or("a host is a name like shop.example.com, without a scheme and a port")
    });
    let path = checked_text(reader, "path", "/", PATH, |path| {
        let is_path =
            path.starts_with('/') && !path.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control());
        is_path.then_some(()).ok_or("a path is like /stable or /search?q=1")
    });
    let method = checked_text(reader, "method", "GET", METHOD, |method| {
        let is_method = !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase() || "-_".contains(c));
        is_method.then_some(()).ok_or("a method is in capital letters, as GET or POST")
    });
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.to_owned(), value.to_owned())
    };
    HttpRequest {
        host,
        path: path.to_owned(),
        method,
        query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
        headers: headers(reader),
        source_ip: source_ip(reader),
    }
}

const HOST: &str = "The Host header. Assumption: a name that nobody has (RFC 2606), which rules without a host take";
const PATH: &str = "The path, and after a question mark the query. Assumption: /";
const METHOD: &str = "The method. Assumption: GET";

fn checked_text(
    reader: &mut Reader<'_, '_>,
    name: &'static str,
    default: &'static str,
    note: &'static str,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> String {
    let schema = json!({ "type": "string", "default": default });
    let show = |text: &String| quoted(text);
    let value = reader.value(name, (schema, note), Some(default.to_owned()), show, |node| {
        let text = text_from(name, node)?;
        check(&text).map_err(|help| (format!("{} is no {name}", quoted(&text)), help.to_owned()))?;
        Ok(text)
    });
    value.unwrap_or_else(|| default.to_owned())
}

fn headers(reader: &mut Reader<'_, '_>) -> Vec<(String, String)> {
    const NOTE: &str = "Headers that routes look at, as they leave the user";
    const HELP: &str = "write headers = { \"X-Canary\" = \"yes\" }";
    let schema =
        json!({ "type": "object", "additionalProperties": { "type": "string" }, "examples": [{ "X-Canary": "yes" }] });
    let Some(node) = reader.take("headers", || schema, NOTE) else { return vec![] };
    let key = reader.key("headers");
    let Some(table) = node.table() else {
        reader.pass.error(&key, node.place.clone(), wrong_kind("headers", node, "a table").0, HELP);
        return vec![];
    };
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    let mut headers: Vec<(String, String)> = vec![];
    for entry in &table.entries {
        let is_twice = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&entry.key));
        let read = match header_name(&entry.key, is_twice) {
            Err(refusal) => Err((entry.key_place.clone(), refusal)),
            Ok(name) => match header_value(name, &entry.value) {
                Err(refusal) => Err((entry.value.place.clone(), refusal)),
                Ok(value) => Ok((name.to_owned(), value)),
            },
        };
        match read {
            Ok(header) => headers.push(header),
            Err((place, (message, help))) => reader.pass.error(&path::join(&key, &entry.key), place, message, help),
        }
    }
    headers
}

/// Source: RFC 9110, `token`.
fn header_name(name: &str, is_twice: bool) -> Result<&str, (String, String)> {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_of_token) {
        let help = "it has letters, digits and a few signs: X-Canary";
        return Err((format!("{} is no name of a header", quoted(name)), help.to_owned()));
    }
    if name.eq_ignore_ascii_case("host") {
        return Err(("the Host header is `host`".to_owned(), "write host = \"…\" beside `headers`".to_owned()));
    }
    if is_twice {
        return Err((format!("there are two headers `{name}`"), "names are compared without case".to_owned()));
    }
    Ok(name)
}

/// Source: RFC 9110, `field-value`.
fn header_value(name: &str, value: &Node) -> Result<String, (String, String)> {
    let text = text_from(name, value)?;
    let is_blank = |c: char| c == ' ' || c == '\t';
    if text.contains(|c: char| c.is_control() && c != '\t') || text.starts_with(is_blank) || text.ends_with(is_blank) {
        let help = "it has no line break or other control character, and no blank at its ends";
        return Err((format!("{} is no value of a header", quoted(&text)), help.to_owned()));
    }
    Ok(text)
}

fn source_ip(reader: &mut Reader<'_, '_>) -> IpAddr {
    const NOTE: &str = "The address that the requests come from. Assumption: one for documentation (RFC 5737)";
    let schema = json!({ "type": "string", "default": NOBODYS_ADDRESS.to_string() });
    let value = reader.value(
        "source_ip",
        (schema, NOTE),
        Some(NOBODYS_ADDRESS),
        |ip| quoted(&ip.to_string()),
        |node| {
            let text = text_from("source_ip", node)?;
            text.parse()
                .map_err(|_| (format!("`{text}` is no IP address"), "write one like \"198.51.100.7\"".to_owned()))
        },
    );
    value.unwrap_or(NOBODYS_ADDRESS)
}
