//! The rules of an ALB listener: which requests a rule takes, and what it does with them.
//!
//! Source: *User Guide for Application Load Balancers*, Listener rules and Condition types.

use crate::model::http_request::HttpRequest;
use crate::units::Duration;

/// Rules are tried in order of priority, the lowest first; the first whose conditions all hold takes the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub priority: u32,
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// It holds if one of its values fits.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Forward(Forward),
    FixedResponse(u16),
    /// To another URL: the request never comes back to this load balancer.
    Redirect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    pub target_groups: Vec<WeightedTargetGroup>,
    /// How long a client stays with the target group that it got first (`AWSALBTG`).
    pub stickiness: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedTargetGroup {
    /// The Service whose pods are its targets: the group has its name.
    pub service: String,
    /// 0 to 999.
    pub weight: u16,
}

impl Rule {
    /// Whether the rule takes such requests.
    pub fn takes(&self, request: &HttpRequest) -> bool {
        let _ = request;
        todo!()
    }
}
