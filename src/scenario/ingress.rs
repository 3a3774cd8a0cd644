//! `[ingress]`: annotations of the AWS Load Balancer Controller.

use super::document::{Entry, Node};
use super::ingress_rules::{self, Written};
use super::manifests::ignored::Reason;
use super::nearest::nearest;
use super::quoted::quoted;
use super::reader::Reader;
use super::target_group_attributes::{self, Refusal, Selection};
use super::value::text_from;
use crate::model::argo_cd::{COMPARE_OPTIONS, SYNC_OPTIONS};
use crate::model::load_balancer::TargetGroupSpec;
use crate::units::{Duration, grouped};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

const PREFIX: &str = "alb.ingress.kubernetes.io/";
const INTERVAL: &str = "alb.ingress.kubernetes.io/healthcheck-interval-seconds";
const TIMEOUT: &str = "alb.ingress.kubernetes.io/healthcheck-timeout-seconds";
const HEALTHY: &str = "alb.ingress.kubernetes.io/healthy-threshold-count";
const UNHEALTHY: &str = "alb.ingress.kubernetes.io/unhealthy-threshold-count";
const TARGET_GROUP_ATTRIBUTES: &str = "alb.ingress.kubernetes.io/target-group-attributes";
const LOAD_BALANCER_ATTRIBUTES: &str = "alb.ingress.kubernetes.io/load-balancer-attributes";
const TARGET_TYPE: &str = "alb.ingress.kubernetes.io/target-type";
const SIMULATED: [&str; 7] =
    [INTERVAL, TIMEOUT, HEALTHY, UNHEALTHY, TARGET_GROUP_ATTRIBUTES, LOAD_BALANCER_ATTRIBUTES, TARGET_TYPE];

/// Source: AWS Load Balancer Controller, *Ingress annotations*.
const WITHOUT_EFFECT: [&str; 35] = [
    "auth-idp-cognito",
    "auth-idp-oidc",
    "auth-on-unauthenticated-request",
    "auth-scope",
    "auth-session-cookie",
    "auth-session-timeout",
    "auth-type",
    "backend-protocol",
    "backend-protocol-version",
    "customer-owned-ipv4-pool",
    "enable-frontend-nlb",
    "group.name",
    "group.order",
    "healthcheck-path",
    "healthcheck-port",
    "healthcheck-protocol",
    "inbound-cidrs",
    "ip-address-type",
    "ipam-ipv4-pool-id",
    "load-balancer-name",
    "manage-backend-security-group-rules",
    "minimum-load-balancer-capacity",
    "multi-cluster-target-group",
    "mutual-authentication",
    "scheme",
    "security-groups",
    "shield-advanced-protection",
    "ssl-policy",
    "ssl-redirect",
    "subnets",
    "success-codes",
    "tags",
    "target-node-labels",
    "use-regex-path-match",
    "wafv2-acl-arn",
];
/// The listener whose rules are looked at is that for HTTPS, if there is one.
const OF_RULES: [&str; 2] = ["certificate-arn", "listen-ports"];
/// Annotations that end in a name of the user's own.
const NAMED: [&str; 4] = ["actions.", "conditions.", "transforms.", "listener-attributes."];

const DEREGISTRATION_DELAY: &str = "deregistration_delay.timeout_seconds";
const MINIMUM_HEALTHY: &str = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count";
const IDLE_TIMEOUT: &str = "idle_timeout.timeout_seconds";

/// The keys in them. Source: Elastic Load Balancing API Reference, TargetGroupAttribute and
/// LoadBalancerAttribute: those of Application Load Balancers.
const OF_TARGET_GROUP: [&str; 15] = [
    DEREGISTRATION_DELAY,
    "lambda.multi_value_headers.enabled",
    "load_balancing.algorithm.anomaly_mitigation",
    "load_balancing.algorithm.type",
    "load_balancing.cross_zone.enabled",
    "slow_start.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "stickiness.enabled",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.type",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    MINIMUM_HEALTHY,
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
];
const OF_LOAD_BALANCER: [&str; 23] = [
    "access_logs.s3.bucket",
    "access_logs.s3.enabled",
    "access_logs.s3.prefix",
    "client_keep_alive.seconds",
    "connection_logs.s3.bucket",
    "connection_logs.s3.enabled",
    "connection_logs.s3.prefix",
    "deletion_protection.enabled",
    "health_check_logs.s3.bucket",
    "health_check_logs.s3.enabled",
    "health_check_logs.s3.prefix",
    IDLE_TIMEOUT,
    "ipv6.deny_all_igw_traffic",
    "load_balancing.cross_zone.enabled",
    "routing.http.desync_mitigation_mode",
    "routing.http.drop_invalid_header_fields.enabled",
    "routing.http.preserve_host_header.enabled",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "routing.http.xff_client_port.enabled",
    "routing.http.xff_header_processing.mode",
    "routing.http2.enabled",
    "waf.fail_open.enabled",
    "zonal_shift.config.enabled",
];

/// What the annotations say.
#[derive(Debug)]
pub struct IngressSection {
    pub target_group: TargetGroupSpec,
    pub idle_timeout: Duration,
    /// Those that rules are made of.
    pub annotations: BTreeMap<String, String>,
    pub written: Written,
}

pub fn read(reader: &mut Reader<'_, '_>) -> IngressSection {
    let written = ingress_rules::read(reader);
    reader.ignored(&["ingressClassName", "tls", "metadata"]);
    reader.table("annotations", "Annotations of the Ingress; their values are strings", |reader| {
        annotations(reader, written)
    })
}

fn annotations(reader: &mut Reader<'_, '_>, written: Written) -> IngressSection {
    let seconds = |count: u32| Duration::secs(u64::from(count));
    let interval = number(
        reader,
        INTERVAL,
        5..=300,
        15,
        "Seconds between two health checks of an ALB node. AWS Load Balancer Controller: 15 unless set",
    );
    let timeout = number(
        reader,
        TIMEOUT,
        2..=120,
        5,
        "Seconds until a health check has failed. AWS Load Balancer Controller: 5 unless set",
    );
    let healthy_threshold = number(
        reader,
        HEALTHY,
        2..=10,
        2,
        "Passes that make an unhealthy target healthy. AWS Load Balancer Controller: 2 unless set",
    );
    let unhealthy_threshold = number(
        reader,
        UNHEALTHY,
        2..=10,
        2,
        "Failures that make a target unhealthy. AWS Load Balancer Controller: 2 unless set",
    );
    let ([deregistration_delay, minimum_healthy_targets], others) = attributes(
        reader,
        TARGET_GROUP_ATTRIBUTES,
        [(DEREGISTRATION_DELAY, 0..=3600, 300), (MINIMUM_HEALTHY, 1..=10_000, 1)],
        "ELBv2, target group attributes: deregistration delay 300 s and one healthy target unless set",
    );
    let selection = selection_of_targets(reader, &others);
    let ([idle_timeout], _) = attributes(
        reader,
        LOAD_BALANCER_ATTRIBUTES,
        [(IDLE_TIMEOUT, 1..=4000, 60)],
        "ELBv2, load balancer attributes: idle time-out 60 s unless set",
    );
    target_type(reader);
    let annotations = other_annotations(reader);
    IngressSection {
        target_group: TargetGroupSpec {
            interval: seconds(interval),
            timeout: seconds(timeout),
            healthy_threshold,
            unhealthy_threshold,
            deregistration_delay: seconds(deregistration_delay),
            minimum_healthy_targets,
            algorithm: selection.algorithm,
            slow_start: selection.slow_start,
            stickiness: selection.stickiness.map(|stickiness| stickiness.duration),
            cookie_is_of_application: selection.stickiness.is_some_and(|stickiness| stickiness.is_of_application),
        },
        idle_timeout: seconds(idle_timeout),
        annotations,
        written,
    }
}

fn number(
    reader: &mut Reader<'_, '_>,
    name: &'static str,
    range: RangeInclusive<u32>,
    default: u32,
    note: &'static str,
) -> u32 {
    let node = reader.take(name, || json!({ "type": "string", "default": default.to_string() }), note);
    let value = match node.map(|node| (in_range(name, node, &range), node)) {
        None => default,
        Some((Ok(value), _)) => value,
        Some((Err((message, help)), node)) => {
            reader.pass.error(&reader.key(name), node.place.clone(), message, help);
            default
        }
    };
    reader.pass.parameter(reader.key(name), format!("\"{value}\""), node, note);
    value
}

fn in_range(name: &str, node: &Node, range: &RangeInclusive<u32>) -> Result<u32, (String, String)> {
    let text = annotation_text(node)?;
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    let [low, high] = [range.start(), range.end()].map(|bound| grouped(u64::from(*bound)));
    match text.parse::<u32>() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err((format!("`{short}` is {text}, it must be a number from {low} to {high}"), String::new())),
    }
}

fn annotation_text(node: &Node) -> Result<String, (String, String)> {
    text_from("", node).map_err(|_| {
        let help = format!("put it in quotes: {}", quoted(&node.to_toml()));
        (format!("an annotation is a string, this is {}", node.kind_name()), help)
    })
}

type Attribute = (&'static str, RangeInclusive<u32>, u32);

/// `k=v,k2=v2`: the attributes that the simulation follows, and the defaults of those that are not there.
fn attributes<const N: usize>(
    reader: &mut Reader<'_, '_>,
    name: &'static str,
    wanted: [Attribute; N],
    note: &'static str,
) -> ([u32; N], Vec<(String, String)>) {
    let default = wanted.iter().map(|(key, _, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let schema = || json!({ "type": "string", "default": default });
    let node = reader.take(name, schema, note);
    let key = reader.key(name);
    let mut values = wanted.clone().map(|(_, _, default)| default);
    let Some(node) = node else {
        reader.pass.parameter(key, quoted(&default), None, note);
        return (values, vec![]);
    };
    let place = node.place.clone();
    let text = annotation_text(node).unwrap_or_else(|(message, help)| {
        reader.pass.error(&key, place.clone(), message, help);
        String::new()
    });
    let mut written = text.clone();
    for (at, (attribute, range, default)) in wanted.iter().enumerate() {
        match string_map(&text).into_iter().rev().find(|(key, _)| key == attribute) {
            None => written = format!("{written}{}{attribute}={default}", if written.is_empty() { "" } else { "," }),
            Some((_, value)) => match value.parse::<u32>() {
                Ok(value) if range.contains(&value) => values[at] = value,
                _ => {
                    let [low, high] = [range.start(), range.end()].map(|bound| grouped(u64::from(*bound)));
                    let message = format!("`{attribute}` is `{value}`, it must be a number from {low} to {high}");
                    reader.pass.error(&key, place.clone(), message, "");
                }
            },
        }
    }
    let known: &[&str] = if name == TARGET_GROUP_ATTRIBUTES { &OF_TARGET_GROUP } else { &OF_LOAD_BALANCER };
    for (attribute, value) in string_map(&text) {
        if known.contains(&attribute.as_str()) || !attribute.contains('.') && value.is_empty() {
            judge_attribute(reader, &key, node, &attribute, &value);
            continue;
        }
        let help = match nearest(&attribute, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "an Application Load Balancer has no such attribute".to_owned(),
        };
        let place = within(node, &attribute).or_else(|| place.clone());
        reader.pass.unknown(&key, place, format!("unknown attribute `{attribute}`"), help);
    }
    reader.pass.parameter(key, quoted(&written), Some(node), note);
    (values, string_map(&text))
}

/// What is wrong with them in a scenario stops the run, so what stands for it does not count.
fn selection_of_targets(reader: &mut Reader<'_, '_>, attributes: &[(String, String)]) -> Selection {
    target_group_attributes::selection(attributes).unwrap_or_else(|refusals| {
        let key = reader.key(TARGET_GROUP_ATTRIBUTES);
        let node = reader.peek(TARGET_GROUP_ATTRIBUTES);
        for Refusal { attribute, message, help } in refusals {
            let place = node.and_then(|node| within(node, attribute).or_else(|| node.place.clone()));
            if reader.pass.is_of_manifest(place.as_ref()) {
                // The release goes on without what AWS refuses.
                reader.pass.warning(&key, place, message, help);
            } else {
                reader.pass.error(&key, place, message, help);
            }
        }
        target_group_attributes::selection(&[]).expect("nothing is refused of nothing")
    })
}

/// Where a part of a text stands, if the text stands in one piece, in quotes or without.
fn within(node: &Node, part: &str) -> Option<Range<usize>> {
    let (text, place) = (node.text()?, node.place.as_ref()?);
    let begin = match place.len().checked_sub(text.len())? {
        0 => place.start,
        2 => place.start + 1,
        _ => return None,
    };
    let start = begin + text.find(part)?;
    Some(start..start + part.len())
}

/// Attributes that change the result and that this version does not follow.
fn judge_attribute(reader: &mut Reader<'_, '_>, key: &str, node: &Node, attribute: &str, value: &str) {
    let place = node.place.clone();
    let differs = match attribute {
        "load_balancing.algorithm.anomaly_mitigation" => value != "off",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage" => value != "off",
        _ => false,
    };
    if differs {
        reader.pass.warning(key, place, format!("`{attribute}={value}` is not simulated"), "");
    } else if value.is_empty() && !attribute.contains('.') {
        let help = "write key=value,key=value";
        reader.pass.error(key, place, format!("`{attribute}` is not an attribute with its value"), help);
    }
}

/// Items split at commas, each at its first `=`, all trimmed; a backslash takes the next character as it is.
/// Source: AWS Load Balancer Controller, `pkg/annotations/parser.go`.
fn string_map(text: &str) -> Vec<(String, String)> {
    let (mut items, mut chars) = (vec![String::new()], text.chars());
    while let Some(c) = chars.next() {
        match c {
            ',' => items.push(String::new()),
            '\\' => items.last_mut().expect("there is always an item").extend(chars.next()),
            c => items.last_mut().expect("there is always an item").push(c),
        }
    }
    let pair = |item: &String| {
        let (key, value) = item.split_once('=').unwrap_or((item, ""));
        (key.trim().to_owned(), value.trim().to_owned())
    };
    items.iter().filter(|item| !item.trim().is_empty()).map(pair).collect()
}

fn target_type(reader: &mut Reader<'_, '_>) {
    const NOTE: &str = "What the target groups hold. Assumption: ip, pods behind their own addresses; the AWS Load \
                        Balancer Controller itself takes instance unless set";
    let node = reader.take(TARGET_TYPE, || json!({ "type": "string", "enum": ["ip"], "default": "ip" }), NOTE);
    let key = reader.key(TARGET_TYPE);
    if let Some(node) = node {
        let help = "write \"ip\": the load balancer sends requests straight to the pods";
        match annotation_text(node) {
            Ok(text) if text == "ip" => {}
            Ok(text) if text == "instance" => {
                let message = "target-type `instance` is not simulated".to_owned();
                reader.pass.not_simulated(&key, node.place.clone(), message, help.to_owned());
            }
            Ok(text) => reader.pass.error(&key, node.place.clone(), format!("there is no target-type `{text}`"), help),
            Err((message, help)) => reader.pass.error(&key, node.place.clone(), message, help),
        }
    }
    reader.pass.parameter(key, "\"ip\"".to_owned(), node, NOTE);
}

/// Every other annotation: a part of the rules, taken over, named in one warning, or refused if there is none of that
/// name. Those of the rules are returned, and what Argo CD reads.
fn other_annotations(reader: &mut Reader<'_, '_>) -> BTreeMap<String, String> {
    const RULES_NOTE: &str = "Tells what the rules of the load balancer are";
    const NOTE: &str = "Accepted, without effect on the simulation";
    let entries: Vec<&Entry> = reader.others().collect();
    let (mut without_effect, mut place, mut of_rules) = (Vec::new(), None, BTreeMap::new());
    for entry in entries {
        let key = reader.key(&entry.key);
        reader.accept(&entry.key);
        let short = entry.key.strip_prefix(PREFIX);
        let is_of_rules = short.is_some_and(makes_rules);
        let is_of_argo_cd = [SYNC_OPTIONS, COMPARE_OPTIONS].contains(&entry.key.as_str());
        if let Some(short) = short.filter(|_| !is_of_rules) {
            if !WITHOUT_EFFECT.contains(&short) && !NAMED.iter().any(|prefix| short.starts_with(prefix)) {
                let known: Vec<_> = SIMULATED.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
                let help = match nearest(short, &[&known[..], &WITHOUT_EFFECT, &OF_RULES].concat()) {
                    Some(known) => format!("did you mean `{PREFIX}{known}`?"),
                    None => "the AWS Load Balancer Controller has no such annotation".to_owned(),
                };
                let message = format!("unknown annotation `{}`", entry.key);
                reader.pass.unknown(&key, entry.key_place.clone(), message, help);
                continue;
            }
            if reader.pass.is_of_manifest(entry.value.place.as_ref()) {
                reader.pass.ignore(key, entry.value.place.clone(), Reason::WithoutEffect);
                continue;
            }
            without_effect.push(short);
            place = place.or_else(|| entry.key_place.clone());
        }
        match annotation_text(&entry.value) {
            Ok(text) if is_of_argo_cd && text.contains("=confirm") => {
                let message = format!("`{text}`: a sync that waits for somebody to confirm it is not simulated");
                reader.pass.error(&key, entry.value.place.clone(), message, "write Prune=false, or leave it out");
            }
            Ok(text) => {
                let note = match (is_of_rules, is_of_argo_cd) {
                    (true, _) => RULES_NOTE,
                    (false, true) => {
                        "How Argo CD treats this object: Replace=true, Prune=false and IgnoreExtraneous count"
                    }
                    (false, false) => NOTE,
                };
                reader.pass.parameter(key, quoted(&text), Some(&entry.value), note);
                if is_of_rules || is_of_argo_cd {
                    of_rules.insert(entry.key.clone(), text);
                }
            }
            Err((message, help)) => reader.pass.error(&key, entry.value.place.clone(), message, help),
        }
    }
    if !without_effect.is_empty() {
        let message = format!("without effect on the simulation: {}", without_effect.join(", "));
        let key = reader.path.clone();
        reader.pass.warning(&key, place, message, "");
    }
    of_rules
}

fn makes_rules(short: &str) -> bool {
    OF_RULES.contains(&short) || ["actions.", "conditions."].iter().any(|kind| short.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_split_as_the_controller_splits_them() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            string_map(r"a=1, b = 2=3,,c=x\,y,d="),
            [pair("a", "1"), pair("b", "2=3"), pair("c", "x,y"), pair("d", "")]
        );
    }

    #[test]
    fn the_known_annotations_are_sorted() {
        assert!(WITHOUT_EFFECT.is_sorted() && OF_RULES.is_sorted());
        assert!(SIMULATED.iter().all(|name| matches!(name.strip_prefix(PREFIX), Some(short) if !short.is_empty())));
        let node = Node { kind: crate::scenario::document::Kind::Integer(10), place: None };
        assert_eq!(annotation_text(&node).unwrap_err().1, "put it in quotes: \"10\"");
    }
}
