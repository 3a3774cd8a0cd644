//! The load balancer itself: how long it keeps a connection on which nothing comes.

use super::Rule;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::seconds;
use crate::units::Duration;

pub const RULES: &[Rule] = &[KEEP_ALIVE, IDLE_TIMEOUT_BELOW_REQUESTS];

const LOAD_BALANCER: &str = "load-balancer-attributes";
const IDLE: &str = "idle_timeout.timeout_seconds";

const KEEP_ALIVE: Rule = Rule {
    page: Page {
        code: "ALB010",
        title: "the program closes idle connections before the ALB does",
        level: Level::Warning,
        cause: "Both sides close a connection that has been idle for a while. If the program is first, the ALB may send a \
                request at the very moment.",
        consequence: "Now and then a request gets 502, in releases and between them.",
        remedy: "raise the keep-alive time-out of the program (application.keep_alive) above the idle time-out of the ALB",
        source: "User Guide for Application Load Balancers: causes of HTTP 502; Amazon EKS Best Practices Guide, load \
                 balancing",
        example: include_str!("../../../scenarios/findings/ALB010.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(scenario), Some(ingress)) = (subject.scenario, subject.alb_ingress()) else { return Vec::new() };
        let (keep_alive, idle) = (scenario.application.keep_alive, scenario.load_balancer.idle_timeout);
        if keep_alive > idle {
            return Vec::new();
        }
        let message = format!(
            "the program closes a connection that is idle for {} s (application.keep_alive), the ALB after {} s",
            seconds(keep_alive),
            seconds(idle)
        );
        let place = subject.target_group_attribute(LOAD_BALANCER, IDLE).map(|(_, place)| place);
        let place = place.or_else(|| Some(ingress.name_place.clone()));
        let shorter = keep_alive.saturating_sub(Duration::secs(5));
        let change = subject.set_attribute(LOAD_BALANCER, IDLE, &shorter.whole_secs().to_string());
        vec![Found::at(place, message).played(change.filter(|_| shorter >= subject.longest_request()))]
    },
};

const IDLE_TIMEOUT_BELOW_REQUESTS: Rule = Rule {
    page: Page {
        code: "ALB044",
        title: "an idle time-out below the longest request",
        level: Level::Warning,
        cause: "The ALB closes a connection on which nothing has come for the idle time-out, even if the program is still \
                working on the answer.",
        consequence: "A request that takes longer ends with 504, in releases and between them.",
        remedy: "raise idle_timeout.timeout_seconds above the longest request",
        source: "User Guide for Application Load Balancers: causes of HTTP 504",
        example: include_str!("../../../scenarios/findings/ALB044.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(scenario), Some(ingress)) = (subject.scenario, subject.alb_ingress()) else { return Vec::new() };
        let (idle, longest) = (scenario.load_balancer.idle_timeout, subject.longest_request());
        if idle >= longest {
            return Vec::new();
        }
        let place = subject.target_group_attribute(LOAD_BALANCER, IDLE).map(|(_, place)| place);
        let place = place.or_else(|| Some(ingress.name_place.clone()));
        let message =
            format!("a request that takes longer than {} s ends with 504: that is the idle time-out", seconds(idle));
        let change = subject.set_attribute(LOAD_BALANCER, IDLE, &(seconds(longest) + 5).to_string());
        vec![Found::at(place, message).played(change)]
    },
};
