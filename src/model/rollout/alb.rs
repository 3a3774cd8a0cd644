//! What the ALB router writes into an Ingress: its annotations, and the paths of header routes.
//!
//! Follows `rollout/trafficrouting/alb/alb.go` and `utils/ingress/{ingress,wrapper}.go` of argo-rollouts at 9f8d111d
//! (after 1.10.0-rc1): byte for byte what the AWS Load Balancer Controller then reads. Left out: `ingresses`, several
//! Services' ports.

use super::step::{HeaderMatch, HeaderRoute};
use crate::model::http_request::HttpRequest;
use crate::model::ingress::{Backend, HttpPath, Ingress, PathType, ServicePort, USE_ANNOTATION};
use crate::model::load_balancer::listener_rule::Condition;
use crate::model::request_match::StringMatch;
use crate::units::TrafficWeight;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Which annotations belong to which Rollout: a JSON map of lists.
const MANAGED: &str = "rollouts.argoproj.io/managed-alb-annotations";

pub use super::router::Destination;

pub type Annotations = BTreeMap<String, String>;

/// `trafficRouting.alb`, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    pub rollout: String,
    /// `annotationPrefix`: `alb.ingress.kubernetes.io` unless set.
    pub annotation_prefix: String,
    /// `rootService`: `stableService` unless set.
    pub action_service: String,
    pub service_port: i64,
    /// `stickinessConfig.durationSeconds`, where it is enabled.
    pub stickiness: Option<i64>,
}

impl Router {
    /// Splits the requests over these Services. A refusal fails the whole pass, and nothing is written. Source:
    /// `SetWeightPerIngress`.
    pub fn set_weights(&self, ingress: &mut Ingress, split: &[Destination]) -> Result<(), String> {
        if !has_path_to(ingress, &self.action_service) {
            return Err(format!("ingress does not have service `{}` in rules", self.action_service));
        }
        ingress.annotations = self.with_weights(&ingress.annotations, split)?;
        Ok(())
    }

    /// What validation says of an Ingress that leads nowhere near the Service whose action the router writes. Source:
    /// `validation_references.go:ValidateIngress`.
    pub fn violation(&self, ingress: &Ingress, name: &str) -> Option<String> {
        let is_led_to = has_path_to(ingress, &self.action_service);
        (!is_led_to).then(|| format!("ingress `{name}` has no rules using service {} backend", self.action_service))
    }

    /// Sends the requests that the route matches to the canary, or removes the route if it matches none. Its path stands
    /// in every rule, so it takes requests for whatever else the Ingress leads to (issue 3727). Source:
    /// `SetHeaderRoutePerIngress`.
    pub fn set_header_route(
        &self,
        ingress: &mut Ingress,
        (route, canary_service): (&HeaderRoute, &str),
        managed_routes: &[String],
    ) -> Result<(), String> {
        let HeaderRoute { name, matches } = route;
        ingress.annotations = self.with_header_route(&ingress.annotations, name, matches, canary_service)?;
        let has_path = has_path_to(ingress, name);
        if has_path && matches.is_empty() {
            remove_path(ingress, name);
        } else if !has_path && !matches.is_empty() {
            add_path(ingress, name);
        }
        sort_paths(ingress, managed_routes);
        Ok(())
    }

    /// After a promotion or an abort, and while no pod of the canary is available. Source: `RemoveManagedRoutesPerIngress`.
    pub fn remove_managed_routes(&self, ingress: &mut Ingress, managed_routes: &[String]) -> Result<(), String> {
        if managed_routes.is_empty() {
            return Ok(());
        }
        let keys = managed_routes.iter().flat_map(|name| self.keys_of_route(name));
        let changes: Vec<_> = keys.map(|key| (key, None)).collect();
        ingress.annotations = self.managing(&ingress.annotations, &changes)?;
        for name in managed_routes {
            remove_path(ingress, name);
        }
        Ok(())
    }

    /// Whether the Ingress carries the annotation by which the controller finds the Rollout that it is of.
    pub fn is_marked(&self, ingress: &Ingress) -> bool {
        let managed = ingress.annotations.get(MANAGED).and_then(|text| serde_json::from_str::<Value>(text).ok());
        managed.is_some_and(|managed| managed.get(&self.rollout).is_some())
    }

    /// The annotations with the requests split over these Services. Source: `SetWeightPerIngress`.
    pub fn with_weights(&self, before: &Annotations, split: &[Destination]) -> Result<Annotations, String> {
        let key = format!("{}/actions.{}", self.annotation_prefix, self.action_service);
        let action = self.forward(split)?;
        self.managing(before, &[(key, Some(action))])
    }

    /// The annotations with the requests that have these headers sent to the canary; without headers, with the route
    /// removed. Source: `SetHeaderRoutePerIngress`.
    pub fn with_header_route(
        &self,
        before: &Annotations,
        name: &str,
        matches: &[HeaderMatch],
        canary_service: &str,
    ) -> Result<Annotations, String> {
        let [actions, conditions] = self.keys_of_route(name);
        if matches.is_empty() {
            return self.managing(before, &[(actions, None), (conditions, None)]);
        }
        let canary = Destination { service: canary_service.to_owned(), weight: TrafficWeight::HUNDRED };
        let action = self.forward(&[canary])?;
        self.managing(before, &[(actions, Some(action)), (conditions, Some(header_conditions(matches)))])
    }

    /// Of its action and of its conditions.
    fn keys_of_route(&self, name: &str) -> [String; 2] {
        ["actions", "conditions"].map(|kind| format!("{}/{kind}.{name}", self.annotation_prefix))
    }

    /// Source: `getForwardActionString`.
    fn forward(&self, split: &[Destination]) -> Result<String, String> {
        let group = |destination: &Destination| {
            format!(
                "{{\"ServiceName\":{},\"ServicePort\":\"{}\",\"Weight\":{}}}",
                quoted(&destination.service),
                self.service_port,
                destination.weight
            )
        };
        let groups: Vec<_> = split.iter().map(group).collect();
        let mut action = format!("{{\"Type\":\"forward\",\"ForwardConfig\":{{\"TargetGroups\":[{}]", groups.join(","));
        if let Some(seconds) = self.stickiness {
            if !(1..=604_800).contains(&seconds) {
                let message = "TargetGroupStickinessConfig's duration must be between 1 and 604800 seconds (7 days)!";
                return Err(message.to_owned());
            }
            let config = format!(",\"TargetGroupStickinessConfig\":{{\"Enabled\":true,\"DurationSeconds\":{seconds}}}");
            action.push_str(&config);
        }
        action.push_str("}}");
        Ok(action)
    }

    /// Sets or removes annotations, and keeps the list of those that are the Rollout's. Source: `modifyManagedAnnotation`.
    fn managing(&self, before: &Annotations, changes: &[(String, Option<String>)]) -> Result<Annotations, String> {
        let mut annotations = before.clone();
        let mut managed: BTreeMap<String, Vec<String>> = match before.get(MANAGED) {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_str(text).map_err(|error| format!("{MANAGED}: {error}"))?,
        };
        let own = managed.entry(self.rollout.clone()).or_default();
        for (key, value) in changes {
            match value {
                Some(value) => {
                    annotations.insert(key.clone(), value.clone());
                    if !own.contains(key) {
                        own.push(key.clone());
                    }
                }
                None => {
                    annotations.remove(key);
                    own.retain(|other| other != key);
                }
            }
        }
        annotations.insert(MANAGED.to_owned(), serde_json::to_string(&managed).expect("text is JSON"));
        Ok(annotations)
    }
}

/// Source: `HasRuleWithService`.
pub fn has_path_to(ingress: &Ingress, service: &str) -> bool {
    ingress.rules.iter().flat_map(|rule| &rule.paths).any(|path| path.backend.service == service)
}

/// In every rule, before all others. Source: `CreateAnnotationBasedPath`, which panics at a rule without paths; here such a
/// rule stays empty.
fn add_path(ingress: &mut Ingress, name: &str) {
    let backend = Backend { service: name.to_owned(), port: ServicePort::Name(USE_ANNOTATION.to_owned()) };
    let path = HttpPath { path: "/*".to_owned(), path_type: PathType::ImplementationSpecific, backend };
    for rule in ingress.rules.iter_mut().filter(|rule| !rule.paths.is_empty()) {
        rule.paths.insert(0, path.clone());
    }
}

/// The first in every rule. Source: `RemovePathByServiceName`.
fn remove_path(ingress: &mut Ingress, name: &str) {
    for rule in &mut ingress.rules {
        if let Some(at) = rule.paths.iter().position(|path| path.backend.service == name) {
            rule.paths.remove(at);
        }
    }
}

/// Managed routes first, in the order of their list. Of a name that stands there twice the last counts. Source:
/// `SortHttpPaths`.
fn sort_paths(ingress: &mut Ingress, managed_routes: &[String]) {
    let rank = |path: &HttpPath| managed_routes.iter().rposition(|name| *name == path.backend.service);
    for rule in &mut ingress.rules {
        rule.paths.sort_by_key(|path| rank(path).unwrap_or(managed_routes.len()));
    }
}

/// Whether the route is for such requests: wildcards count, and case does not.
pub fn means(route: &HeaderRoute, request: &HttpRequest) -> bool {
    let texts = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
    let headers = values_by_header(&route.matches);
    let conditions = headers
        .into_iter()
        .map(|(name, values)| Condition::HttpHeader { name: name.to_owned(), values: texts(values) });
    conditions.into_iter().all(|condition| condition.holds(request))
}

/// The values of each header. The validation lets exact ones pass alone.
fn values_by_header(matches: &[HeaderMatch]) -> Vec<(&str, Vec<&str>)> {
    let mut headers: Vec<(&str, Vec<&str>)> = vec![];
    for one in matches {
        let StringMatch::Exact(value) = &one.value else { continue };
        match headers.iter_mut().find(|(name, _)| *name == one.header_name) {
            Some((_, values)) => values.push(value),
            None => headers.push((&one.header_name, vec![value])),
        }
    }
    headers
}

/// One condition for each header name: several values of one header are an "or", several headers an "and".
fn header_conditions(matches: &[HeaderMatch]) -> String {
    let mut text = String::from("[");
    for (place, (name, values)) in values_by_header(matches).iter().enumerate() {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        let comma = if place == 0 { "" } else { "," };
        let (name, values) = (quoted(name), values.join(","));
        let config = format!("{{\"httpHeaderName\":{name},\"values\":[{values}]}}");
        write!(text, "{comma}{{\"field\":\"http-header\",\"httpHeaderConfig\":{config}}}").expect("text takes text");
    }
    text.push(']');
    text
}

/// As Go's `encoding/json` writes a string: safe inside of HTML.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("text is JSON");
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ingress::IngressRule;

    fn router() -> Router {
        Router {
            rollout: "shop".to_owned(),
            annotation_prefix: "alb.ingress.kubernetes.io".to_owned(),
            action_service: "root".to_owned(),
            service_port: 80,
            stickiness: None,
        }
    }

    fn path(path: &str, service: &str) -> HttpPath {
        let backend = Backend { service: service.to_owned(), port: ServicePort::Name(USE_ANNOTATION.to_owned()) };
        HttpPath { path: path.to_owned(), path_type: PathType::ImplementationSpecific, backend }
    }

    fn ingress() -> Ingress {
        let rule = |host: Option<&str>, paths| IngressRule { host: host.map(str::to_owned), paths };
        let rules = vec![
            rule(Some("shop.example.com"), vec![path("/*", "root")]),
            rule(None, vec![path("/api/*", "api"), path("/*", "root")]),
        ];
        Ingress { rules, ..Ingress::default() }
    }

    fn route(name: &str, matches: &[(&str, &str)]) -> HeaderRoute {
        let one = |(name, value): &(&str, &str)| HeaderMatch {
            header_name: (*name).to_owned(),
            value: StringMatch::Exact((*value).to_owned()),
        };
        HeaderRoute { name: name.to_owned(), matches: matches.iter().map(one).collect() }
    }

    fn services(ingress: &Ingress) -> Vec<Vec<&str>> {
        ingress.rules.iter().map(|rule| rule.paths.iter().map(|path| path.backend.service.as_str()).collect()).collect()
    }

    const ALWAYS: &[(&str, &str)] = &[("X-Canary", "always")];

    #[test]
    fn a_header_route_stands_first_in_every_rule() {
        let (router, mut ingress) = (router(), ingress());
        let managed = ["by-header".to_owned()];
        router.set_header_route(&mut ingress, (&route("by-header", ALWAYS), "canary"), &managed).unwrap();
        assert_eq!(services(&ingress), [vec!["by-header", "root"], vec!["by-header", "api", "root"]]);
        assert_eq!(ingress.rules[0].paths[0], path("/*", "by-header"));
        assert_eq!(
            ingress.annotations["alb.ingress.kubernetes.io/conditions.by-header"],
            r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-Canary","values":["always"]}}]"#
        );
        assert!(ingress.annotations.contains_key("alb.ingress.kubernetes.io/actions.by-header"));

        let before = ingress.clone();
        router.set_header_route(&mut ingress, (&route("by-header", ALWAYS), "canary"), &managed).unwrap();
        assert_eq!(ingress, before, "the second time there is nothing to do");
    }

    /// The rule of a header route has one target group, and clients stay with it all the same.
    #[test]
    fn a_header_route_is_as_sticky_as_the_weights() {
        let (router, mut ingress) = (Router { stickiness: Some(3_600), ..router() }, ingress());
        router
            .set_header_route(&mut ingress, (&route("by-header", ALWAYS), "canary"), &["by-header".to_owned()])
            .unwrap();
        assert_eq!(
            ingress.annotations["alb.ingress.kubernetes.io/actions.by-header"],
            r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"canary","ServicePort":"80","Weight":100}],"TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":3600}}}"#
        );
    }

    #[test]
    fn routes_stand_in_the_order_of_their_list() {
        let (router, mut ingress) = (router(), ingress());
        let managed = ["first".to_owned(), "second".to_owned()];
        for name in ["first", "second", "unlisted"] {
            router.set_header_route(&mut ingress, (&route(name, ALWAYS), "canary"), &managed).unwrap();
        }
        assert_eq!(services(&ingress)[0], ["first", "second", "unlisted", "root"]);
    }

    #[test]
    fn a_route_that_matches_nothing_is_removed() {
        let (router, mut ingress) = (router(), ingress());
        let managed = ["by-header".to_owned()];
        router.set_header_route(&mut ingress, (&route("by-header", ALWAYS), "canary"), &managed).unwrap();
        router.set_header_route(&mut ingress, (&route("by-header", &[]), "canary"), &managed).unwrap();
        assert_eq!(ingress.rules, self::ingress().rules);
        assert_eq!(
            ingress.annotations.into_iter().collect::<Vec<_>>(),
            [(MANAGED.to_owned(), r#"{"shop":[]}"#.to_owned())]
        );
    }

    #[test]
    fn all_managed_routes_go_at_once_and_the_weights_stay() {
        let (router, mut ingress) = (router(), ingress());
        let split = ["canary", "stable"]
            .map(|service| Destination { service: service.to_owned(), weight: TrafficWeight::new(50) });
        router.set_weights(&mut ingress, &split).unwrap();
        let weighted = ingress.clone();
        let managed = ["first".to_owned(), "second".to_owned()];
        for name in &managed {
            router.set_header_route(&mut ingress, (&route(name, ALWAYS), "canary"), &managed).unwrap();
        }
        router.remove_managed_routes(&mut ingress, &[]).unwrap();
        assert_ne!(ingress, weighted, "without a list nothing is removed");
        router.remove_managed_routes(&mut ingress, &managed).unwrap();
        assert_eq!(ingress, weighted);
    }

    #[test]
    fn without_a_path_to_the_action_service_no_weight_is_written() {
        let mut ingress = ingress();
        let router = Router { action_service: "stable".to_owned(), ..router() };
        let refusal = router.set_weights(&mut ingress, &[]);
        assert_eq!(refusal, Err("ingress does not have service `stable` in rules".to_owned()));
        assert_eq!(ingress, self::ingress());
    }
}
