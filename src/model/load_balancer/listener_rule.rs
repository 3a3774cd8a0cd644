//! The rules of an ALB listener: which requests a rule takes, and what it does with them.
//!
//! Sources: *User Guide for Application Load Balancers*: Listener rules, Condition types, Quotas; the ELBv2 API reference
//! for the length of names and values. Left out: regular expressions instead of values, transforms (they change the
//! request, not its way), authentication before the action.

use super::pattern::Pattern;
use crate::model::http_request::HttpRequest;
use crate::model::request_match::RequestMatch;
use crate::units::{Duration, Percent};
use ipnet::IpNet;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Not counting the default action; adjustable. Source: Quotas.
pub const MAX_RULES: usize = 100;
/// Source: Condition types.
const MAX_VALUES_OF_CONDITION: usize = 3;
/// Source: Quotas, "match evaluations per rule".
const MAX_VALUES_OF_RULE: usize = 5;
/// Source: Condition types.
const MAX_WILDCARDS_OF_RULE: usize = 5;
/// Source: `HttpHeaderConditionConfig`.
const MAX_HEADER_NAME: usize = 40;
/// Source: the `…ConditionConfig` of the API.
const MAX_VALUE: usize = 128;
/// Source: `HttpRequestMethodConditionConfig`.
const MAX_METHOD: usize = 40;
/// Source: Quotas, "target groups per action".
const MAX_TARGET_GROUPS: usize = 5;
/// Source: `TargetGroupTuple`.
pub const MAX_WEIGHT: u16 = 999;

/// What a listener does with its requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// In order of priority.
    pub rules: Vec<Rule>,
    /// For what no rule takes.
    pub default_action: Action,
}

/// Rules are tried in order of priority, the lowest first; the first whose conditions all hold takes the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    pub priority: u32,
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// It holds if one of its values fits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    HostHeader(Vec<String>),
    PathPattern(Vec<String>),
    HttpHeader {
        name: String,
        values: Vec<String>,
    },
    HttpRequestMethod(Vec<String>),
    /// Key and value; without a key any key will do.
    QueryString(Vec<(Option<String>, String)>),
    /// In CIDR notation.
    SourceIp(Vec<String>),
    /// Of a proxy's route; an ALB has none of these.
    Route(RequestMatch),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Forward(Forward),
    FixedResponse(u16),
    /// To another URL: the request never comes back to this load balancer.
    Redirect,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Forward {
    pub target_groups: Vec<WeightedTargetGroup>,
    /// How long a client stays with the target group that it got first (`AWSALBTG`).
    pub stickiness: Option<Duration>,
    /// An ALB has none.
    pub mirror: Option<Mirror>,
}

/// So many of 100 requests are sent once more, and nobody waits for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    pub service: String,
    pub percent: Percent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedTargetGroup {
    /// The Service whose pods are its targets: the group has its name. Of a target group that stands outside of the
    /// cluster, its ARN or its name.
    pub service: String,
    /// 0 to 999.
    pub weight: u16,
}

/// The same run under other names has the same fingerprint.
impl Hash for WeightedTargetGroup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.weight.hash(state);
    }
}

impl Listener {
    /// What becomes of such requests.
    pub fn action(&self, request: &HttpRequest) -> &Action {
        first_taking(&self.rules, request).map_or(&self.default_action, |rule| &rule.action)
    }

    /// Where the rule stands that takes such requests, counted from the last one: 0 is the default action, which others
    /// that come before it do not move.
    pub fn place_from_end(&self, request: &HttpRequest) -> u16 {
        let Some(taking) = first_taking(&self.rules, request) else { return 0 };
        let behind =
            self.rules.iter().rev().position(|rule| std::ptr::eq(rule, taking)).expect("it is one of the rules");
        u16::try_from(behind + 1).expect("a listener has no thousands of rules")
    }

    /// Why the API would refuse one of the rules, or so many.
    pub fn refusal(&self) -> Option<String> {
        if self.rules.len() > MAX_RULES {
            return Some(format!("a load balancer has at most {MAX_RULES} rules, these are {}", self.rules.len()));
        }
        self.rules.iter().find_map(Rule::refusal).or_else(|| self.default_action.refusal())
    }
}

/// The rule that takes such requests; None if that is left to the default action.
pub fn first_taking<'r>(rules: &'r [Rule], request: &HttpRequest) -> Option<&'r Rule> {
    rules.iter().filter(|rule| rule.takes(request)).min_by_key(|rule| rule.priority)
}

impl Rule {
    /// Whether the rule takes such requests.
    pub fn takes(&self, request: &HttpRequest) -> bool {
        self.conditions.iter().all(|condition| condition.holds(request))
    }

    /// Why the API would refuse such a rule, whoever asks for it: the first reason.
    pub fn refusal(&self) -> Option<String> {
        let values: usize = self.conditions.iter().map(Condition::values).sum();
        let wildcards: usize = self.conditions.iter().map(Condition::wildcards).sum();
        let several = self.conditions.iter().find(|condition| {
            let alike = |other: &&Condition| other.field() == condition.field();
            !condition.may_repeat() && self.conditions.iter().filter(alike).count() > 1
        });
        if let Some(condition) = several {
            return Some(format!("a rule has at most one {} condition", condition.field()));
        }
        if let Some(refusal) = self.conditions.iter().find_map(Condition::refusal) {
            return Some(refusal);
        }
        if values > MAX_VALUES_OF_RULE {
            return Some(format!("a rule has at most {MAX_VALUES_OF_RULE} condition values, this one has {values}"));
        }
        if wildcards > MAX_WILDCARDS_OF_RULE {
            return Some(format!("a rule has at most {MAX_WILDCARDS_OF_RULE} wildcards, this one has {wildcards}"));
        }
        self.action.refusal()
    }
}

impl Condition {
    pub fn holds(&self, request: &HttpRequest) -> bool {
        match self {
            Self::HostHeader(values) => values.iter().any(|value| fits_in_any_case(value, &request.host)),
            Self::PathPattern(values) => values.iter().any(|value| Pattern::new(value).fits(&request.path)),
            // A header that comes several times is tried value by value.
            Self::HttpHeader { name, values } => request.headers.iter().any(|(sent, content)| {
                sent.eq_ignore_ascii_case(name) && values.iter().any(|value| fits_in_any_case(value, content))
            }),
            Self::HttpRequestMethod(values) => values.contains(&request.method),
            Self::QueryString(pairs) => request.query.iter().any(|(sent, content)| {
                let fits_key = |key: &Option<String>| key.as_ref().is_none_or(|key| fits_in_query(key, sent));
                pairs.iter().any(|(key, value)| fits_key(key) && fits_in_query(value, content))
            }),
            Self::SourceIp(blocks) => {
                let blocks = blocks.iter().filter_map(|block| block.parse::<IpNet>().ok());
                blocks.into_iter().any(|block| block.contains(&request.source_ip))
            }
            Self::Route(condition) => condition.holds(request),
        }
    }

    /// As the API calls it.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::HostHeader(_) => "host-header",
            Self::PathPattern(_) => "path-pattern",
            Self::HttpHeader { .. } => "http-header",
            Self::HttpRequestMethod(_) => "http-request-method",
            Self::QueryString(_) => "query-string",
            Self::SourceIp(_) => "source-ip",
            Self::Route(condition) => condition.field(),
        }
    }

    /// Whether a rule may have several of this field.
    const fn may_repeat(&self) -> bool {
        match self {
            Self::HttpHeader { .. } | Self::QueryString(_) | Self::Route(_) => true,
            Self::HostHeader(_) | Self::PathPattern(_) | Self::HttpRequestMethod(_) | Self::SourceIp(_) => false,
        }
    }

    fn values(&self) -> usize {
        match self {
            Self::HostHeader(values) | Self::PathPattern(values) | Self::HttpHeader { values, .. } => values.len(),
            Self::HttpRequestMethod(values) | Self::SourceIp(values) => values.len(),
            Self::QueryString(pairs) => pairs.len(),
            Self::Route(_) => 1,
        }
    }

    fn wildcards(&self) -> usize {
        match self {
            Self::HostHeader(values) | Self::PathPattern(values) | Self::HttpHeader { values, .. } => {
                values.iter().map(|value| Pattern::new(value).wildcards()).sum()
            }
            Self::QueryString(pairs) => {
                let texts = pairs.iter().flat_map(|(key, value)| key.iter().chain([value]));
                texts.map(|text| Pattern::of_query(text).wildcards()).sum()
            }
            Self::HttpRequestMethod(_) | Self::SourceIp(_) | Self::Route(_) => 0,
        }
    }

    fn refusal(&self) -> Option<String> {
        let (field, values) = (self.field(), self.values());
        if values == 0 {
            return Some(format!("a {field} condition needs a value"));
        }
        if values > MAX_VALUES_OF_CONDITION {
            return Some(format!(
                "a {field} condition has at most {MAX_VALUES_OF_CONDITION} values, this one has {values}"
            ));
        }
        let too_long = |values: &[String], most: usize| {
            let value = values.iter().find(|value| value.is_empty() || value.chars().count() > most)?;
            let length = value.chars().count();
            Some(format!("a value of a {field} condition has 1 to {most} characters, this one has {length}"))
        };
        match self {
            Self::HostHeader(values) => too_long(values, MAX_VALUE).or_else(|| {
                let name = values.iter().find(|value| !value.contains('.'))?;
                Some(format!("the host `{name}` of a host-header condition has no `.`"))
            }),
            Self::PathPattern(values) => too_long(values, MAX_VALUE),
            Self::HttpHeader { name, values } => header_refusal(name).or_else(|| too_long(values, MAX_VALUE)),
            Self::HttpRequestMethod(values) => too_long(values, MAX_METHOD),
            Self::QueryString(pairs) => {
                let texts: Vec<_> = pairs.iter().flat_map(|(key, value)| key.iter().chain([value])).cloned().collect();
                too_long(&texts, MAX_VALUE)
            }
            Self::SourceIp(blocks) => {
                let block = blocks.iter().find(|block| block.parse::<IpNet>().is_err())?;
                Some(format!("`{block}` of a source-ip condition is not in CIDR notation, as 10.0.0.0/8"))
            }
            Self::Route(_) => Some(format!("an ALB has no condition like `{field}` of a proxy")),
        }
    }
}

fn fits_in_any_case(pattern: &str, text: &str) -> bool {
    Pattern::new(&pattern.to_ascii_lowercase()).fits(&text.to_ascii_lowercase())
}

fn fits_in_query(pattern: &str, text: &str) -> bool {
    Pattern::of_query(&pattern.to_ascii_lowercase()).fits(&text.to_ascii_lowercase())
}

/// Source: `HttpHeaderConditionConfig`.
fn header_refusal(name: &str) -> Option<String> {
    let length = name.chars().count();
    if name.eq_ignore_ascii_case("host") {
        return Some(
            "an http-header condition cannot look at the header Host: write a host-header condition".to_owned(),
        );
    }
    if !(1..=MAX_HEADER_NAME).contains(&length) {
        return Some(format!("the name of a header has 1 to {MAX_HEADER_NAME} characters, this one has {length}"));
    }
    // A token of RFC 7230, where `*` is a character as any other; the API takes no wildcard here.
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
    (!name.chars().all(is_of_token)).then(|| format!("`{name}` is no name of a header"))
}

impl Action {
    /// Why the API would refuse it.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Forward(forward) => forward.refusal(),
            // Source: `FixedResponseActionConfig`: 2XX, 4XX, or 5XX.
            Self::FixedResponse(status) => (!matches!(status, 200..=299 | 400..=599))
                .then(|| format!("a fixed response has a status 2XX, 4XX or 5XX, not {status}")),
            Self::Redirect => None,
        }
    }
}

impl Forward {
    fn refusal(&self) -> Option<String> {
        let count = self.target_groups.len();
        if !(1..=MAX_TARGET_GROUPS).contains(&count) {
            return Some(format!("a forward action has 1 to {MAX_TARGET_GROUPS} target groups, this one has {count}"));
        }
        let heavy = self.target_groups.iter().find(|group| group.weight > MAX_WEIGHT)?;
        Some(format!("a weight lies between 0 and {MAX_WEIGHT}, that of {} is {}", heavy.service, heavy.weight))
    }
}

/// As the event log writes a rule: `rule 1 (http-header X-Canary=yes) -> canary 100`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions: Vec<_> = self.conditions.iter().map(ToString::to_string).collect();
        write!(f, "rule {} ({}) -> {}", self.priority, conditions.join(" and "), self.action)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = match self {
            Self::HostHeader(values)
            | Self::PathPattern(values)
            | Self::HttpRequestMethod(values)
            | Self::SourceIp(values) => values.join(" or "),
            Self::HttpHeader { name, values } => format!("{name}={}", values.join(" or ")),
            Self::QueryString(pairs) => {
                let pair = |(key, value): &(Option<String>, String)| match key {
                    Some(key) => format!("{key}={value}"),
                    None => value.clone(),
                };
                pairs.iter().map(pair).collect::<Vec<_>>().join(" or ")
            }
            Self::Route(condition) => condition.to_string(),
        };
        write!(f, "{} {values}", self.field())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(forward) => {
                let group = |group: &WeightedTargetGroup| format!("{} {}", group.service, group.weight);
                f.write_str(&forward.target_groups.iter().map(group).collect::<Vec<_>>().join(" "))
            }
            Self::FixedResponse(code) => write!(f, "fixed response {code}"),
            Self::Redirect => f.write_str("redirect"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> HttpRequest {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        HttpRequest {
            host: "Shop.example.com".to_owned(),
            path: "/cart/7".to_owned(),
            method: "GET".to_owned(),
            query: vec![pair("Version", "V2"), pair("debug", ""), pair("q", "50%*")],
            headers: vec![pair("X-Canary", "no"), pair("x-canary", "Always"), pair("Cookie", "a=1; beta=yes")],
            source_ip: "10.1.2.3".parse().unwrap(),
        }
    }

    fn texts<const N: usize>(values: [&str; N]) -> Vec<String> {
        values.map(str::to_owned).to_vec()
    }

    fn header<const N: usize>(name: &str, values: [&str; N]) -> Condition {
        Condition::HttpHeader { name: name.to_owned(), values: texts(values) }
    }

    fn query(key: Option<&str>, value: &str) -> Condition {
        Condition::QueryString(vec![(key.map(str::to_owned), value.to_owned())])
    }

    fn forward(weight: u16) -> Action {
        let target_groups = vec![WeightedTargetGroup { service: "web".to_owned(), weight }];
        Action::Forward(Forward { target_groups, stickiness: None, mirror: None })
    }

    fn rule(conditions: Vec<Condition>) -> Rule {
        Rule { priority: 1, conditions, action: forward(1) }
    }

    #[test]
    fn a_condition_holds_where_one_of_its_values_fits() {
        for (condition, holds) in [
            (Condition::HostHeader(texts(["shop.EXAMPLE.com"])), true),
            (Condition::HostHeader(texts(["example.com", "*.example.com"])), true),
            (Condition::HostHeader(texts(["*.shop.example.com"])), false),
            (Condition::PathPattern(texts(["/cart/*"])), true),
            (Condition::PathPattern(texts(["/cart/?"])), true),
            (Condition::PathPattern(texts(["/Cart/*"])), false),
            (Condition::PathPattern(texts(["/cart"])), false),
            (header("X-CANARY", ["always"]), true),
            (header("X-Canary", ["yes", "alw*"]), true),
            (header("X-Canary", ["yes"]), false),
            (header("X-Other", ["*"]), false),
            (header("Cookie", ["*beta=yes*"]), true),
            (Condition::HttpRequestMethod(texts(["POST", "GET"])), true),
            (Condition::HttpRequestMethod(texts(["get"])), false),
            (Condition::HttpRequestMethod(texts(["*"])), false),
            (query(Some("version"), "v?"), true),
            (query(None, "v2"), true),
            (query(Some("Ver*"), "*"), true),
            (query(Some("other"), "v2"), false),
            (query(Some("debug"), "*"), true),
            (query(Some("q"), r"50%\*"), true),
            (query(Some("version"), r"v\*"), false),
            (Condition::SourceIp(texts(["192.168.0.0/16", "10.1.0.0/16"])), true),
            (Condition::SourceIp(texts(["10.2.0.0/16"])), false),
            (Condition::SourceIp(texts(["::/0"])), false),
        ] {
            assert_eq!(condition.holds(&request()), holds, "{condition:?}");
        }
    }

    #[test]
    fn addresses_of_the_newer_kind_have_blocks_of_their_own() {
        let request = HttpRequest { source_ip: "2001:db8::7".parse().unwrap(), ..request() };
        assert!(Condition::SourceIp(texts(["2001:db8::/32"])).holds(&request));
        assert!(!Condition::SourceIp(texts(["2001:db9::/32", "0.0.0.0/0"])).holds(&request));
    }

    #[test]
    fn a_rule_takes_a_request_if_all_of_its_conditions_hold() {
        let path = Condition::PathPattern(texts(["/*"]));
        assert!(rule(vec![header("x-canary", ["always"]), path.clone()]).takes(&request()));
        assert!(rule(vec![header("x-canary", ["always"]), header("cookie", ["a=*"]), path.clone()]).takes(&request()));
        assert!(!rule(vec![header("x-canary", ["always"]), header("cookie", ["b=*"]), path]).takes(&request()));
    }

    #[test]
    fn the_lowest_priority_goes_first_wherever_it_stands_in_the_list() {
        let everything = |priority| Rule { priority, ..rule(vec![Condition::PathPattern(texts(["/*"]))]) };
        let rules = [everything(7), everything(2), Rule { priority: 1, ..rule(vec![header("x-canary", ["maybe"])]) }];
        assert_eq!(first_taking(&rules, &request()).map(|rule| rule.priority), Some(2));
        let listener = Listener { rules: vec![rules[2].clone()], default_action: Action::FixedResponse(404) };
        assert_eq!(listener.action(&request()), &Action::FixedResponse(404));
    }

    #[test]
    fn what_the_api_takes_has_limits() {
        let long = "x".repeat(129);
        let path = |values: Vec<String>| rule(vec![Condition::PathPattern(values)]);
        let refusal = |rule: Rule| rule.refusal().unwrap_or_default();
        assert_eq!(refusal(path(texts(["/a", "/b", "/c"]))), "");
        assert_eq!(
            refusal(path(texts(["/a", "/b", "/c", "/d"]))),
            "a path-pattern condition has at most 3 values, this one has 4"
        );
        assert_eq!(
            refusal(rule(vec![header("a", ["1", "2", "3"]), header("b", ["1", "2", "3"])])),
            "a rule has at most 5 condition values, this one has 6"
        );
        assert_eq!(
            refusal(rule(vec![header("a", ["*1*", "*2*"]), header("b", ["?3*"])])),
            "a rule has at most 5 wildcards, this one has 6"
        );
        assert_eq!(
            refusal(rule(vec![Condition::SourceIp(texts(["::/0"])), Condition::SourceIp(texts(["::/0"]))])),
            "a rule has at most one source-ip condition"
        );
        assert_eq!(refusal(rule(vec![query(None, "a"), query(None, "b")])), "");
        assert_eq!(
            refusal(rule(vec![header("HOST", ["a"])])),
            "an http-header condition cannot look at the header Host: write a host-header condition"
        );
        assert_eq!(
            refusal(rule(vec![header(&long[..41], ["a"])])),
            "the name of a header has 1 to 40 characters, this one has 41"
        );
        assert_eq!(refusal(rule(vec![header("X Canary", ["a"])])), "`X Canary` is no name of a header");
        assert_eq!(
            refusal(rule(vec![header("x", [&long])])),
            "a value of a http-header condition has 1 to 128 characters, this one has 129"
        );
        assert_eq!(
            refusal(rule(vec![Condition::HostHeader(texts(["localhost"]))])),
            "the host `localhost` of a host-header condition has no `.`"
        );
        assert_eq!(
            refusal(rule(vec![Condition::SourceIp(texts(["10.0.0.1"]))])),
            "`10.0.0.1` of a source-ip condition is not in CIDR notation, as 10.0.0.0/8"
        );
        assert_eq!(refusal(rule(vec![Condition::SourceIp(vec![])])), "a source-ip condition needs a value");
    }

    #[test]
    fn an_action_has_limits_too() {
        let refusal = |action| Rule { action, ..rule(vec![]) }.refusal().unwrap_or_default();
        assert_eq!(refusal(forward(999)), "");
        assert_eq!(refusal(forward(1000)), "a weight lies between 0 and 999, that of web is 1000");
        let groups = |count| {
            let group = WeightedTargetGroup { service: "web".to_owned(), weight: 1 };
            Action::Forward(Forward { target_groups: vec![group; count], stickiness: None, mirror: None })
        };
        assert_eq!(refusal(groups(5)), "");
        assert_eq!(refusal(groups(6)), "a forward action has 1 to 5 target groups, this one has 6");
        assert_eq!(refusal(groups(0)), "a forward action has 1 to 5 target groups, this one has 0");
        assert_eq!(refusal(Action::FixedResponse(503)), "");
        assert_eq!(refusal(Action::FixedResponse(302)), "a fixed response has a status 2XX, 4XX or 5XX, not 302");

        let rules: Vec<_> = (1..=101).map(|priority| Rule { priority, ..rule(vec![]) }).collect();
        let listener = Listener { rules, default_action: Action::FixedResponse(404) };
        assert_eq!(listener.refusal().as_deref(), Some("a load balancer has at most 100 rules, these are 101"));
    }
}
