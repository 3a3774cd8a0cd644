//! The strategy of a Rollout behind an ALB.

use super::Rule;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::seconds;
use crate::scenario::document::Node;

pub const RULES: &[Rule] = &[DYNAMIC_STABLE_SCALE];

const CANARY: &str = "spec.strategy.canary";

const DYNAMIC_STABLE_SCALE: Rule = Rule {
    page: Page {
        code: "ALB020",
        title: "dynamicStableScale behind an ALB",
        level: Level::Warning,
        cause: "With `dynamicStableScale: true` the Rollouts controller removes stable pods as soon as it has *asked* for a \
                weight. It never looks at the load balancer, whose rule follows seconds to minutes later.",
        consequence: "Until then the ALB sends the old share of the requests to fewer stable pods, or to pods that are gone: \
                      502 and 504, at every step.",
        remedy: "set `dynamicStableScale: false`; the stable pods then stay until scaleDownDelaySeconds after the promotion, \
                 which costs pods for the length of the release",
        source: "argo-rollouts issues 3926, 4595, 3586; pull request 1430",
        reproduce: "sim run scenarios/article/1-original.toml",
    },
    look: |subject| {
        let key = format!("{CANARY}.dynamicStableScale");
        let is_on = subject.workload().find(&key).and_then(Node::boolean) == Some(true);
        let Some(lag) = subject.rule_effective_after().filter(|_| is_on && subject.is_routed_by_alb()) else {
            return Vec::new();
        };
        let message = format!(
            "dynamicStableScale removes stable pods when a weight is asked for, and the ALB may follow it {} s later",
            seconds(lag)
        );
        let off = || subject.set(&key, "false");
        let delay = seconds(lag) + subject.deregistered_after().map_or(0, seconds);
        let delayed = subject.set(&format!("{CANARY}.scaleDownDelaySeconds"), &delay.to_string());
        let changes = [off(), off().and_then(|off| off.and(delayed))];
        vec![Found::at(subject.key_place(&key), message).played(changes.into_iter().flatten())]
    },
};
