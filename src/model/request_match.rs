//! What a proxy's route asks of a request: Istio's VirtualService, the Gateway API's HTTPRoute, and the routers of their
//! kind. The conditions of an ALB are others, with wildcards and without case.
//!
//! Sources: Istio, *Virtual Service* (HTTPMatchRequest, StringMatch); Gateway API, *HTTPRoute* (HTTPPathMatch,
//! HTTPHeaderMatch, HTTPQueryParamMatch). Left out: what is negated, what ignores the case of a path, ports, source labels.

use super::http_request::HttpRequest;
use regex_lite::Regex;
use std::fmt;

/// How a text is compared, with its case: the three forms of Istio, of a step's `headerValue`, and of the Gateway API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StringMatch {
    Exact(String),
    Prefix(String),
    /// Of the whole text. Source: Envoy, `RegexMatcher`.
    Regex(String),
}

impl StringMatch {
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Regex(pattern) => whole(pattern).is_ok_and(|regex| regex.is_match(text)),
        }
    }

    /// Why no proxy would take it.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Exact(_) | Self::Prefix(_) => None,
            Self::Regex(pattern) => whole(pattern).err().map(|error| error.to_string()),
        }
    }
}

fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// One condition of a route; all of a route's must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestMatch {
    /// A name, a name behind `*.`, which stands for one label or more, or `*`.
    Host(String),
    /// A name of the mesh without its domain: `web` is also `web.shop.svc.cluster.local`.
    ShortHost(String),
    /// The host as Istio's `authority` compares it.
    Authority(StringMatch),
    Path(StringMatch),
    /// By whole elements: `/a` takes `/a` and `/a/b`, not `/ab`.
    PathPrefix(String),
    Method(StringMatch),
    Header {
        name: String,
        value: StringMatch,
    },
    Query {
        name: String,
        value: StringMatch,
    },
}

impl RequestMatch {
    pub fn holds(&self, request: &HttpRequest) -> bool {
        match self {
            Self::Host(host) => fits_host(host, &request.host),
            Self::ShortHost(name) => {
                let rest = request.host.to_ascii_lowercase();
                let rest = rest.strip_prefix(&name.to_ascii_lowercase()).map(str::to_owned);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            Self::Authority(host) => host.fits(&request.host),
            Self::Path(path) => path.fits(&request.path),
            Self::PathPrefix(prefix) => {
                let rest = request.path.strip_prefix(prefix.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Method(method) => method.fits(&request.method),
            Self::Header { name, value } => request.headers.iter().any(|(sent, content)| {
                // The names of headers have no case, their values have.
                sent.eq_ignore_ascii_case(name) && value.fits(content)
            }),
            // The first of that name counts. Source: Gateway API, `HTTPQueryParamMatch`.
            Self::Query { name, value } => {
                let first = request.query.iter().find(|(sent, _)| sent == name);
                first.is_some_and(|(_, content)| value.fits(content))
            }
        }
    }

    pub const fn field(&self) -> &'static str {
        match self {
            Self::Host(_) | Self::ShortHost(_) | Self::Authority(_) => "host",
            Self::Path(_) | Self::PathPrefix(_) => "path",
            Self::Method(_) => "method",
            Self::Header { .. } => "header",
            Self::Query { .. } => "query",
        }
    }
}

fn fits_host(host: &str, sent: &str) -> bool {
    let (host, sent) = (host.to_ascii_lowercase(), sent.to_ascii_lowercase());
    match host.strip_prefix('*') {
        None => host == sent,
        Some("") => true,
        Some(suffix) => sent.len() > suffix.len() && sent.ends_with(suffix),
    }
}

/// `=yes`, `=yes…`, `~yes|no`.
impl fmt::Display for StringMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "={text}"),
            Self::Prefix(text) => write!(f, "={text}…"),
            Self::Regex(text) => write!(f, "~{text}"),
        }
    }
}

impl fmt::Display for RequestMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) | Self::ShortHost(host) => f.write_str(host),
            Self::PathPrefix(prefix) => write!(f, "={}/…", prefix.trim_end_matches('/')),
            Self::Authority(value) | Self::Path(value) | Self::Method(value) => write!(f, "{value}"),
            Self::Header { name, value } | Self::Query { name, value } => write!(f, "{name}{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StringMatch::{Exact, Prefix, Regex};

    fn request() -> HttpRequest {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        HttpRequest {
            host: "Shop.example.com".to_owned(),
            path: "/cart/7".to_owned(),
            method: "GET".to_owned(),
            query: vec![pair("version", "2"), pair("version", "3")],
            headers: vec![pair("X-Canary", "no"), pair("x-canary", "Always")],
            source_ip: "10.1.2.3".parse().unwrap(),
        }
    }

    fn header(name: &str, value: StringMatch) -> RequestMatch {
        RequestMatch::Header { name: name.to_owned(), value }
    }

    fn query(name: &str, value: StringMatch) -> RequestMatch {
        RequestMatch::Query { name: name.to_owned(), value }
    }

    #[test]
    fn each_condition_by_a_table() {
        let text = |text: &str| text.to_owned();
        for (condition, holds) in [
            (RequestMatch::Host(text("shop.EXAMPLE.com")), true),
            (RequestMatch::Host(text("*.example.com")), true),
            (RequestMatch::Host(text("*.com")), true),
            (RequestMatch::Host(text("*")), true),
            (RequestMatch::Host(text("*.shop.example.com")), false),
            (RequestMatch::Host(text("example.com")), false),
            (RequestMatch::ShortHost(text("shop")), true),
            (RequestMatch::ShortHost(text("sho")), false),
            (RequestMatch::Path(Exact(text("/cart/7"))), true),
            (RequestMatch::Path(Exact(text("/cart"))), false),
            (RequestMatch::Path(Exact(text("/Cart/7"))), false),
            (RequestMatch::Path(Prefix(text("/ca"))), true),
            (RequestMatch::Path(Regex(text("/cart/[0-9]"))), true),
            (RequestMatch::Path(Regex(text("/cart"))), false),
            (RequestMatch::PathPrefix(text("/cart")), true),
            (RequestMatch::PathPrefix(text("/cart/")), true),
            (RequestMatch::PathPrefix(text("/ca")), false),
            (RequestMatch::PathPrefix(text("/cart/7")), true),
            (RequestMatch::PathPrefix(text("/cart/7/8")), false),
            (RequestMatch::PathPrefix(text("/")), true),
            (RequestMatch::Method(Exact(text("GET"))), true),
            (RequestMatch::Method(Exact(text("get"))), false),
            (RequestMatch::Method(Regex(text("GET|HEAD"))), true),
            (header("X-CANARY", Exact(text("Always"))), true),
            (header("X-Canary", Exact(text("always"))), false),
            (header("X-Canary", Prefix(text("Al"))), true),
            (header("X-Canary", Prefix(String::new())), true),
            (header("X-Canary", Regex(text("A.*s"))), true),
            (header("X-Canary", Regex(text("A"))), false),
            (header("X-Other", Regex(text(".*"))), false),
            (query("version", Exact(text("2"))), true),
            (query("version", Exact(text("3"))), false),
            (query("Version", Exact(text("2"))), false),
            (query("debug", Regex(text(".*"))), false),
        ] {
            assert_eq!(condition.holds(&request()), holds, "{condition:?}");
        }
    }

    #[test]
    fn an_expression_that_is_none_fits_nothing_and_says_why() {
        let broken = Regex("(".to_owned());
        assert!(!broken.fits("("));
        assert!(broken.refusal().is_some());
        assert_eq!(Regex("a|b".to_owned()).refusal(), None);
        assert!(!Regex("a|b".to_owned()).fits("ab"), "the whole text, whatever stands in the expression");
    }
}
