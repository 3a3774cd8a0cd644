//! What the ALB router writes into the annotations of an Ingress.
//!
//! Follows `rollout/trafficrouting/alb/alb.go` and `utils/ingress/ingress.go` of argo-rollouts at 9f8d111d (after
//! 1.10.0-rc1): byte for byte what the AWS Load Balancer Controller then reads.

use super::step::HeaderMatch;
use crate::units::TrafficWeight;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Which annotations belong to which Rollout: a JSON map of lists.
const MANAGED: &str = "rollouts.argoproj.io/managed-alb-annotations";

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

/// A Service and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub service: String,
    pub weight: TrafficWeight,
}

impl Router {
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
        let [actions, conditions] =
            ["actions", "conditions"].map(|kind| format!("{}/{kind}.{name}", self.annotation_prefix));
        if matches.is_empty() {
            return self.managing(before, &[(actions, None), (conditions, None)]);
        }
        let canary = Destination { service: canary_service.to_owned(), weight: TrafficWeight::HUNDRED };
        let action = self.forward(&[canary])?;
        self.managing(before, &[(actions, Some(action)), (conditions, Some(header_conditions(matches)))])
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

/// One condition for each header name: several values of one header are an "or", several headers an "and".
fn header_conditions(matches: &[HeaderMatch]) -> String {
    let mut headers: Vec<(&str, Vec<&str>)> = vec![];
    for one in matches {
        match headers.iter_mut().find(|(name, _)| *name == one.header_name) {
            Some((_, values)) => values.push(&one.exact),
            None => headers.push((&one.header_name, vec![&one.exact])),
        }
    }
    let mut text = String::from("[");
    for (place, (name, values)) in headers.iter().enumerate() {
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
