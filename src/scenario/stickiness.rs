//! Whether clients stay with a target group or a target, and what does not go together.
//!
//! Source: *User Guide for Application Load Balancers*, Sticky sessions.

use super::Scenario;
use super::document::Table;
use super::pass::Pass;

const ATTRIBUTES: &str = "ingress.annotations.\"alb.ingress.kubernetes.io/target-group-attributes\"";
const CONFIG: &str = "rollout.strategy.canary.trafficRouting.alb.stickinessConfig";

impl Scenario {
    /// `alb.stickinessConfig`: how long a client stays with its target group.
    pub fn target_group_stickiness(&self) -> Option<u32> {
        self.workload.canary()?.traffic_routing.as_ref()?.stickiness
    }
}

pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    let group = scenario.target_group_stickiness();
    let target = scenario.target_group.stickiness;
    let is_split = scenario.workload.is_traffic_routed();
    let place = |key: &str| document.find(key).and_then(|node| node.place.clone());
    if is_split && target.is_some() && group.is_none() {
        let help = format!("write {CONFIG} = {{ enabled = true, durationSeconds = 3600 }}");
        let message = "targets are sticky and target groups are not: each request draws its group anew, and only within it \
                       its cookie counts";
        pass.warning(ATTRIBUTES, place(ATTRIBUTES), message, help);
    }
    // An application's own cookie leads to a target, and the request of a weighted rule has none yet.
    if is_split && scenario.target_group.cookie_is_of_application {
        let message = "`stickiness.type=app_cookie` does not go with a rule that splits requests over target groups";
        pass.error(ATTRIBUTES, place(ATTRIBUTES), message, "write stickiness.type=lb_cookie");
    }
    let says_so = if group.is_some() { CONFIG } else { ATTRIBUTES };
    let has_users = scenario.traffic.classes.iter().any(|class| class.users.is_some());
    if (group.is_some() || target.is_some()) && !has_users {
        let message = "cookies have no effect without users: every request is a new client's";
        pass.warning(says_so, place(says_so), message, "write [[traffic.classes]] with users = 1000");
    }
}
