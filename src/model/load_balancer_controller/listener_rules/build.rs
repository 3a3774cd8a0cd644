//! The rules that an Ingress asks for.
//!
//! Follows `model_build_listener_rules.go`, `enhanced_backend_builder.go` and `rule_optimizer.go`.

use super::Cluster;
use super::annotation::{self, ForwardConfig, PREFIX, Redirect, Target, Wanted};
use crate::model::ingress::{Backend, HttpPath, Ingress, PathType, ServicePort, USE_ANNOTATION};
use crate::model::load_balancer::listener_rule::{Action, Condition, Forward, Listener, Rule, WeightedTargetGroup};
use std::cmp::Reverse;

/// Of a lone target group, where it makes no difference.
const LONE_WEIGHT: u16 = 1;

/// The listener that the Ingress asks for; else why the controller gives up on the whole group.
pub fn build(ingress: &Ingress, cluster: &Cluster) -> Result<Listener, String> {
    let builder = Builder { ingress, cluster };
    let entry = builder.entry()?;
    let mut rules: Vec<Unnumbered> = vec![];
    for rule in &ingress.rules {
        for path in in_order(&rule.paths) {
            let unnumbered = builder.rule(rule.host.as_deref(), path)?;
            let is_shadowed = rules.iter().any(|earlier| earlier.redirect.is_some() && earlier.covers(&unnumbered));
            if !unnumbered.is_loop(&entry) && !is_shadowed {
                rules.push(unnumbered);
            }
        }
    }
    let default_action = match &ingress.default_backend {
        Some(backend) => builder.action(backend)?.0,
        None => Action::FixedResponse(404),
    };
    let rules = (1..).zip(rules).map(|(priority, rule)| rule.numbered(priority)).collect();
    Ok(Listener { rules, default_action })
}

/// Exact paths as they are given, then prefixes, the longest first, then the others as they are given. Source:
/// `sortIngressPaths`.
fn in_order(paths: &[HttpPath]) -> Vec<&HttpPath> {
    let mut paths: Vec<_> = paths.iter().collect();
    paths.sort_by_key(|path| match path.path_type {
        PathType::Exact => (0, Reverse(0)),
        PathType::Prefix => (1, Reverse(path.path.len())),
        PathType::ImplementationSpecific => (2, Reverse(0)),
    });
    paths
}

/// A rule before it has its priority.
struct Unnumbered {
    conditions: Vec<Condition>,
    action: Action,
    redirect: Option<Redirect>,
}

/// How requests come in.
struct Entry {
    protocol: String,
    port: u16,
}

struct Builder<'a> {
    ingress: &'a Ingress,
    cluster: &'a Cluster,
}

impl Builder<'_> {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.ingress.annotations.get(&format!("{PREFIX}{name}")).map(String::as_str)
    }

    /// The listener of most clients. Source: `computeIngressListenPortConfigByPort`.
    fn entry(&self) -> Result<Entry, String> {
        let ports = match self.annotation("listen-ports") {
            Some(text) => annotation::listen_ports(text).map_err(|reason| format!("listen-ports: {reason}"))?,
            None if self.annotation("certificate-arn").is_some() => vec![("HTTPS".to_owned(), 443)],
            None => vec![("HTTP".to_owned(), 80)],
        };
        let https = ports.iter().find(|(protocol, _)| protocol == "HTTPS");
        let (protocol, port) = https.unwrap_or(&ports[0]).clone();
        Ok(Entry { protocol, port })
    }

    fn rule(&self, host: Option<&str>, path: &HttpPath) -> Result<Unnumbered, String> {
        let conditions = self.conditions(host, path)?;
        let (action, redirect) = self.action(&path.backend)?;
        Ok(Unnumbered { conditions, action, redirect })
    }

    /// Those of the annotation first, then hosts, then paths. Source: `buildRuleConditions`.
    fn conditions(&self, host: Option<&str>, path: &HttpPath) -> Result<Vec<Condition>, String> {
        let name = format!("conditions.{}", path.backend.service);
        let annotated = match self.annotation(&name) {
            Some(text) => annotation::conditions(text).map_err(|reason| format!("{name}: {reason}"))?,
            None => vec![],
        };
        let mut hosts: Vec<_> = host.filter(|host| !host.is_empty()).map(str::to_owned).into_iter().collect();
        let (mut patterns, mut conditions) = (patterns(path)?, vec![]);
        for condition in annotated {
            match condition {
                Condition::HostHeader(values) => hosts.extend(values),
                Condition::PathPattern(values) => patterns.extend(values),
                Condition::HttpHeader { .. }
                | Condition::HttpRequestMethod(_)
                | Condition::QueryString(_)
                | Condition::SourceIp(_)
                | Condition::Route(_) => conditions.push(condition),
            }
        }
        if !hosts.is_empty() {
            conditions.push(Condition::HostHeader(hosts));
        }
        if patterns.is_empty() && conditions.is_empty() {
            patterns.push("/*".to_owned());
        }
        if !patterns.is_empty() {
            conditions.push(Condition::PathPattern(patterns));
        }
        Ok(conditions)
    }

    /// Source: `enhanced_backend_builder.go`.
    fn action(&self, backend: &Backend) -> Result<(Action, Option<Redirect>), String> {
        let wanted = match &backend.port {
            ServicePort::Name(port) if port == USE_ANNOTATION => {
                let name = format!("actions.{}", backend.service);
                match self.annotation(&name) {
                    Some(text) => annotation::action(text).map_err(|reason| format!("{name}: {reason}"))?,
                    None if self.cluster.tolerates_missing_action => Wanted::FixedResponse(503),
                    None => return Err(format!("missing {name} configuration")),
                }
            }
            ServicePort::Name(_) | ServicePort::Number(_) => {
                let target = Target::Service(backend.service.clone());
                let target_groups = vec![annotation::Tuple { target, weight: None }];
                Wanted::Forward(ForwardConfig { target_groups, stickiness: None })
            }
        };
        match wanted {
            Wanted::Forward(config) => Ok((self.forward(config)?, None)),
            Wanted::FixedResponse(status) => Ok((Action::FixedResponse(status), None)),
            Wanted::Redirect(redirect) => Ok((Action::Redirect, Some(redirect))),
        }
    }

    /// Source: `loadBackendServices`.
    fn forward(&self, config: ForwardConfig) -> Result<Action, String> {
        let is_lone = config.target_groups.len() == 1;
        let mut target_groups = vec![];
        for tuple in config.target_groups {
            let service = match tuple.target {
                Target::Service(name) if self.is_missing(&name) => {
                    if is_lone && self.cluster.tolerates_missing_service {
                        return Ok(Action::FixedResponse(503));
                    }
                    return Err(format!("services \"{name}\" not found"));
                }
                Target::Service(name) | Target::TargetGroup(name) => name,
            };
            let weight = match tuple.weight {
                None => LONE_WEIGHT,
                Some(weight) => {
                    u16::try_from(weight).map_err(|_| format!("{weight} is no weight of a target group"))?
                }
            };
            target_groups.push(WeightedTargetGroup { service, weight });
        }
        Ok(Action::Forward(Forward { target_groups, stickiness: config.stickiness, mirror: None }))
    }

    fn is_missing(&self, service: &String) -> bool {
        self.cluster.services.as_ref().is_some_and(|services| !services.contains(service))
    }
}

/// Source: `buildPathPatterns`.
fn patterns(path: &HttpPath) -> Result<Vec<String>, String> {
    let HttpPath { path, path_type, .. } = path;
    if path.is_empty() {
        return Ok(vec![]);
    }
    let has_wildcards = path.contains(['*', '?']);
    match path_type {
        PathType::ImplementationSpecific => Ok(vec![path.clone()]),
        PathType::Exact if has_wildcards => Err(format!("exact path shouldn't contain wildcards: {path}")),
        PathType::Exact => Ok(vec![path.clone()]),
        PathType::Prefix if path == "/" => Ok(vec!["/*".to_owned()]),
        PathType::Prefix if has_wildcards => Err(format!("prefix path shouldn't contain wildcards: {path}")),
        PathType::Prefix => {
            let path = path.strip_suffix('/').unwrap_or(path);
            Ok(vec![path.to_owned(), format!("{path}/*")])
        }
    }
}

impl Unnumbered {
    fn numbered(self, priority: u32) -> Rule {
        Rule { priority, conditions: self.conditions, action: self.action }
    }

    fn hosts(&self) -> Vec<&str> {
        let hosts = self.conditions.iter().map(|condition| match condition {
            Condition::HostHeader(values) => values.as_slice(),
            Condition::PathPattern(_)
            | Condition::HttpHeader { .. }
            | Condition::HttpRequestMethod(_)
            | Condition::QueryString(_)
            | Condition::SourceIp(_)
            | Condition::Route(_) => &[],
        });
        hosts.flatten().map(String::as_str).collect()
    }

    fn paths(&self) -> Vec<&str> {
        let paths = self.conditions.iter().map(|condition| match condition {
            Condition::PathPattern(values) => values.as_slice(),
            Condition::HostHeader(_)
            | Condition::HttpHeader { .. }
            | Condition::HttpRequestMethod(_)
            | Condition::QueryString(_)
            | Condition::SourceIp(_)
            | Condition::Route(_) => &[],
        });
        paths.flatten().map(String::as_str).collect()
    }

    /// A redirect to where the request already is makes no rule: `ssl-redirect` on the listener for HTTPS. Source:
    /// `isInfiniteRedirectRule`.
    fn is_loop(&self, entry: &Entry) -> bool {
        let Some(redirect) = &self.redirect else { return false };
        let stays = |to: &Option<String>, own: &str, here: &[&str]| {
            to.as_deref().is_none_or(|to| to == own || here.contains(&to))
        };
        stays(&redirect.host, "#{host}", &self.hosts())
            && stays(&redirect.path, "/#{path}", &self.paths())
            && stays(&redirect.port, "#{port}", &[&entry.port.to_string()])
            && stays(&redirect.protocol, "#{protocol}", &[&entry.protocol])
            && stays(&redirect.query, "#{query}", &[])
    }

    /// Whether a later rule gets nothing any more, as far as hosts and paths tell. Source: `isSupersetConditions`.
    fn covers(&self, later: &Self) -> bool {
        let is_place =
            |condition: &Condition| matches!(condition, Condition::HostHeader(_) | Condition::PathPattern(_));
        let has_all = |own: &[&str], others: &[&str]| !others.is_empty() && others.iter().all(|it| own.contains(it));
        let (hosts, paths) = (self.hosts(), self.paths());
        self.conditions.iter().all(is_place)
            && (hosts.is_empty() || has_all(&hosts, &later.hosts()))
            && (paths.is_empty() || paths.contains(&"/*") || has_all(&paths, &later.paths()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ingress::IngressRule;

    fn path(path_type: PathType, path: &str, service: &str, port: &str) -> HttpPath {
        let backend = Backend { service: service.to_owned(), port: ServicePort::Name(port.to_owned()) };
        HttpPath { path: path.to_owned(), path_type, backend }
    }

    fn ingress(paths: Vec<HttpPath>, annotations: &[(&str, &str)]) -> Ingress {
        let annotation = |(name, value): &(&str, &str)| (format!("{PREFIX}{name}"), (*value).to_owned());
        Ingress {
            annotations: annotations.iter().map(annotation).collect(),
            default_backend: None,
            rules: vec![IngressRule { host: None, paths }],
        }
    }

    /// Each rule by its path and where it leads to.
    fn shown(listener: &Listener) -> Vec<String> {
        let show = |rule: &Rule| {
            let patterns = rule.conditions.iter().map(|condition| {
                let Condition::PathPattern(values) = condition else { return condition.field().to_owned() };
                values.join(" or ")
            });
            format!("{} {}: {}", rule.priority, patterns.collect::<Vec<_>>().join(" and "), to(&rule.action))
        };
        listener.rules.iter().map(show).collect()
    }

    fn to(action: &Action) -> String {
        match action {
            Action::Forward(forward) => {
                let groups = forward.target_groups.iter().map(|group| format!("{} {}", group.service, group.weight));
                groups.collect::<Vec<_>>().join(", ")
            }
            Action::FixedResponse(status) => status.to_string(),
            Action::Redirect => "redirect".to_owned(),
        }
    }

    const PATHS: [(PathType, &str, &str); 8] = [
        (PathType::ImplementationSpecific, "/*", "rest"),
        (PathType::Prefix, "/", "root"),
        (PathType::Prefix, "/a", "short"),
        (PathType::Prefix, "/a/b/", "long"),
        (PathType::Exact, "/b", "exact"),
        (PathType::Prefix, "/b", "second"),
        (PathType::Exact, "/a/long/one", "exact"),
        (PathType::ImplementationSpecific, "/z?", "last"),
    ];

    #[test]
    fn exact_goes_before_prefix_and_the_longer_prefix_before_the_shorter() {
        let paths = PATHS.map(|(path_type, text, service)| path(path_type, text, service, "http")).to_vec();
        let listener = build(&ingress(paths, &[]), &Cluster::default()).unwrap();
        assert_eq!(
            shown(&listener),
            [
                "1 /b: exact 1",
                "2 /a/long/one: exact 1",
                "3 /a/b or /a/b/*: long 1",
                "4 /a or /a/*: short 1",
                "5 /b or /b/*: second 1",
                "6 /*: root 1",
                "7 /*: rest 1",
                "8 /z?: last 1",
            ]
        );
        assert_eq!(listener.default_action, Action::FixedResponse(404));
    }

    #[test]
    fn conditions_of_the_annotation_come_first_and_join_hosts_and_paths() {
        let conditions = r#"[
            {"field":"host-header","hostHeaderConfig":{"values":["b.example.com"]}},
            {"field":"path-pattern","pathPatternConfig":{"values":["/b"]}},
            {"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}}]"#;
        let mut ingress = ingress(vec![path(PathType::Exact, "/a", "web", "http")], &[("conditions.web", conditions)]);
        ingress.rules[0].host = Some("a.example.com".to_owned());
        let listener = build(&ingress, &Cluster::default()).unwrap();
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(
            listener.rules[0].conditions,
            [
                Condition::HttpRequestMethod(texts(&["GET"])),
                Condition::HostHeader(texts(&["a.example.com", "b.example.com"])),
                Condition::PathPattern(texts(&["/a", "/b"])),
            ]
        );
    }

    #[test]
    fn without_any_condition_a_rule_takes_all_paths() {
        let paths = vec![path(PathType::ImplementationSpecific, "", "web", "http")];
        let mut ingress = ingress(paths, &[]);
        assert_eq!(shown(&build(&ingress, &Cluster::default()).unwrap()), ["1 /*: web 1"]);
        ingress.rules[0].host = Some("a.example.com".to_owned());
        assert_eq!(shown(&build(&ingress, &Cluster::default()).unwrap()), ["1 host-header: web 1"]);
    }

    #[test]
    fn an_action_that_is_not_there_is_a_503_or_an_error() {
        let ingress = ingress(vec![path(PathType::Prefix, "/", "web", USE_ANNOTATION)], &[]);
        assert_eq!(shown(&build(&ingress, &Cluster::default()).unwrap()), ["1 /*: 503"]);
        let strict = Cluster { tolerates_missing_action: false, ..Cluster::default() };
        assert_eq!(build(&ingress, &strict), Err("missing actions.web configuration".to_owned()));
    }

    #[test]
    fn a_service_that_is_not_there_is_a_503_alone_and_an_error_among_several() {
        let two = r#"{"type":"forward","forwardConfig":{"targetGroups":[
            {"serviceName":"web","servicePort":80,"weight":1},{"serviceName":"gone","servicePort":80,"weight":0}]}}"#;
        let paths = vec![path(PathType::Exact, "/a", "gone", "http"), path(PathType::Exact, "/b", "web", "http")];
        let knows = Cluster { services: Some(vec!["web".to_owned()]), ..Cluster::default() };
        assert_eq!(shown(&build(&ingress(paths.clone(), &[]), &knows).unwrap()), ["1 /a: 503", "2 /b: web 1"]);
        let not_found = Err("services \"gone\" not found".to_owned());
        let strict = Cluster { tolerates_missing_service: false, ..knows.clone() };
        assert_eq!(build(&ingress(paths, &[]), &strict), not_found);
        let both = ingress(vec![path(PathType::Prefix, "/", "both", USE_ANNOTATION)], &[("actions.both", two)]);
        assert_eq!(build(&both, &knows), not_found);
        assert_eq!(shown(&build(&both, &Cluster::default()).unwrap()), ["1 /*: web 1, gone 0"]);
    }

    #[test]
    fn the_default_backend_takes_what_is_left() {
        let mut ingress = ingress(vec![], &[]);
        ingress.default_backend = Some(Backend { service: "web".to_owned(), port: ServicePort::Number(80) });
        let listener = build(&ingress, &Cluster::default()).unwrap();
        assert_eq!((shown(&listener).len(), to(&listener.default_action).as_str()), (0, "web 1"));
    }

    #[test]
    fn what_makes_no_sense_ends_the_whole_group() {
        for (path_type, text, reason) in [
            (PathType::Exact, "/a*", "exact path shouldn't contain wildcards: /a*"),
            (PathType::Prefix, "/a?", "prefix path shouldn't contain wildcards: /a?"),
        ] {
            let ingress = ingress(vec![path(path_type, text, "web", "http")], &[]);
            assert_eq!(build(&ingress, &Cluster::default()), Err(reason.to_owned()));
        }
        let ingress = ingress(
            vec![path(PathType::Prefix, "/", "web", "http")],
            &[("conditions.web", "[{\"field\":\"source-ip\"}]")],
        );
        assert_eq!(build(&ingress, &Cluster::default()), Err("conditions.web: missing sourceIPConfig".to_owned()));
    }

    #[test]
    fn a_redirect_to_https_is_a_rule_on_http_alone_and_leaves_nothing_behind_it() {
        let redirect =
            r#"{"Type":"redirect","RedirectConfig":{"Protocol":"HTTPS","Port":"443","StatusCode":"HTTP_301"}}"#;
        let paths = vec![
            path(PathType::ImplementationSpecific, "/*", "ssl-redirect", USE_ANNOTATION),
            path(PathType::ImplementationSpecific, "/*", "web", "http"),
        ];
        let both = [("actions.ssl-redirect", redirect), ("listen-ports", r#"[{"HTTP":80},{"HTTPS":443}]"#)];
        let listener = build(&ingress(paths.clone(), &both), &Cluster::default()).unwrap();
        assert_eq!(shown(&listener), ["1 /*: web 1"]);
        let listener = build(&ingress(paths.clone(), &both[..1]), &Cluster::default()).unwrap();
        assert_eq!(shown(&listener), ["1 /*: redirect"]);
        let with_certificate = [both[0], ("certificate-arn", "arn:aws:acm/a")];
        let listener = build(&ingress(paths, &with_certificate), &Cluster::default()).unwrap();
        assert_eq!(shown(&listener), ["1 /*: web 1"]);
    }
}
