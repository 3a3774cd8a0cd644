//! The strategy of a Rollout behind an ALB.

use super::Rule;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::{Subject, seconds};
use crate::model::rollout::replicas::last_set_weight;
use crate::model::rollout::spec::{AbortScaleDown, Canary};
use crate::model::rollout::step::Step;
use crate::scenario::document::Node;
use crate::scenario::manifests::release::backends;
use crate::units::Duration;
use std::ops::Range;

pub const RULES: &[Rule] = &[
    NO_PING_PONG,
    SHORT_DELAY,
    SHORT_ABORT_DELAY,
    DYNAMIC_STABLE_SCALE,
    DELAY_OF_ZERO,
    ABORT_DELAY_OF_ZERO,
    BLUE_GREEN,
    SHORT_BLUE_GREEN_DELAY,
    ROLLBACK_WINDOW,
];

const CANARY: &str = "spec.strategy.canary";
const BLUE_GREEN_KEY: &str = "spec.strategy.blueGreen";

/// A canary with a router.
fn routed<'a>(subject: &Subject<'a>) -> Option<&'a Canary> {
    subject.scenario?.workload.canary().filter(|canary| canary.is_traffic_routed())
}

/// Where a field of the strategy stands, or the field beside which it would.
fn place_of(subject: &Subject<'_>, key: &str, other: &str) -> Option<Range<usize>> {
    subject.key_place(key).or_else(|| subject.key_place(other))
}

const NO_PING_PONG: Rule = Rule {
    page: Page {
        code: "ALB015",
        title: "a canary without pingPong behind ip targets",
        level: Level::Note,
        cause: "At the promotion the stable Service selects the new pods: its target group exchanges all its targets, while \
                the rule is told to send it everything.",
        consequence: "If the rule is faster than the new targets are healthy, requests meet a group without targets: 503 at \
                      the end of a release.",
        remedy: "name pingPong.pingService and pingPong.pongService instead of canaryService and stableService: then the \
                 roles change, and no target moves",
        source: "Argo Rollouts documentation, AWS ALB: Ping-Pong feature; argo-rollouts issues 2864, 4433",
        example: include_str!("../../../scenarios/findings/ALB015.bad.yaml"),
        run: Some(Run::of("field-reports/p08-swap-race")),
    },
    look: |subject| {
        let key = format!("{CANARY}.trafficRouting.alb");
        let is_swapped = routed(subject).is_some_and(|canary| !canary.ping_pong);
        if !subject.is_routed_by_alb() || !is_swapped || !subject.has_ip_targets() {
            return Vec::new();
        }
        let message = format!(
            "at the promotion the stable target group exchanges all its targets (replicas: {}): pingPong would spare that",
            subject.replicas()
        );
        vec![Found::at(subject.key_place(&key), message)]
    },
};

const SHORT_DELAY: Rule = Rule {
    page: Page {
        code: "ALB018",
        title: "the old pods leave before the load balancer lets go of them",
        level: Level::Warning,
        cause: "After the promotion the old pods stay for scaleDownDelaySeconds, 30 unless set. That long the ALB needs to \
                hear that its targets have changed, or, with pingPong, that the weight has.",
        consequence: "If they leave sooner, the ALB still sends them requests: 502, then 503 or 504.",
        remedy: "set scaleDownDelaySeconds to what rule and targets take together, 60 s to 120 s in a busy cluster",
        source: "argo-rollouts issues 3333, 4595; argo-rollouts pull request 3627",
        example: include_str!("../../../scenarios/findings/ALB018.bad.yaml"),
        run: Some(Run::of("hazards/h13-old-pods-leave-before-the-targets")),
    },
    look: |subject| {
        let Some(canary) = routed(subject).filter(|_| subject.is_routed_by_alb()) else { return Vec::new() };
        let (Some(rule), Some(targets)) = (subject.rule_effective_after(), subject.deregistered_after()) else {
            return Vec::new();
        };
        // With pingPong the weight has to be off the old pods before they leave their group; without, the group has others
        // already, and an old pod that goes on serving behind its deletion is as good as one that stays.
        let (needed, what) = match canary.ping_pong {
            true if is_at_hundred(canary, rule) => (Duration::ZERO, "the weight"),
            true => (rule, "the weight"),
            false if !subject.may_have_ip_targets() => return Vec::new(),
            false => match subject.serves_after_deletion() {
                Some(time) => (targets.saturating_sub(time), "its targets"),
                None => return Vec::new(),
            },
        };
        let delay = canary.scale_down_delay();
        if canary.uses_dynamic_stable_scale() || delay >= needed || delay == Duration::ZERO {
            return Vec::new();
        }
        let message = format!(
            "the old pods are deleted {} s after the promotion, and the ALB may need {} s to follow {what}",
            seconds(delay),
            seconds(if canary.ping_pong { rule } else { targets })
        );
        let key = format!("{CANARY}.scaleDownDelaySeconds");
        let place = place_of(subject, &key, &format!("{CANARY}.trafficRouting"));
        let enough = seconds(rule + targets).next_multiple_of(5);
        vec![Found::at(place, message).played(subject.set(&key, &enough.to_string()))]
    },
};

/// Whether the steps end with weight 100, held for so long that the ALB follows.
fn is_at_hundred(canary: &Canary, lag: Duration) -> bool {
    let Some(last) = canary.steps.iter().rposition(|step| step.weight().is_some()) else { return false };
    let waits = canary.steps[last + 1..].iter().map(|step| match step {
        Step::Pause(time) => time.unwrap_or(lag),
        Step::SetWeight(_) | Step::SetCanaryScale(_) | Step::SetCanaryScaleAndWeight(..) => Duration::ZERO,
        Step::Analysis(_) | Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => Duration::ZERO,
    });
    canary.steps[last].weight() == Some(canary.max_weight()) && waits.sum::<Duration>() >= lag
}

const SHORT_ABORT_DELAY: Rule = Rule {
    page: Page {
        code: "ALB019",
        title: "an aborted canary leaves before its weight does",
        level: Level::Warning,
        cause: "After an abort the canary's pods stay for abortScaleDownDelaySeconds, 30 unless set, and the ALB needs its time \
                to follow the weight back to 0.",
        consequence: "If they leave sooner, the canary's share of the requests goes to pods that are gone: 502 and 503, in the \
                      very moment that was to rescue the release.",
        remedy: "set abortScaleDownDelaySeconds above the time that the ALB takes to follow a weight",
        source: "argo-rollouts pull requests 1160, 4867",
        example: include_str!("../../../scenarios/findings/ALB019.bad.yaml"),
        run: Some(Run {
            scenario: "field-reports/p06-aborted-at-80",
            set: &["rollout.strategy.canary.abortScaleDownDelaySeconds=5"],
        }),
    },
    look: |subject| {
        let Some(canary) = routed(subject).filter(|_| subject.is_routed_by_alb()) else { return Vec::new() };
        let Some(lag) = subject.rule_effective_after() else { return Vec::new() };
        let AbortScaleDown::After(delay) = canary.abort_scale_down() else { return Vec::new() };
        if canary.uses_dynamic_stable_scale() || delay >= lag {
            return Vec::new();
        }
        let message = format!(
            "an aborted canary loses its pods after {} s, and the ALB may follow its weight {} s later",
            seconds(delay),
            seconds(lag)
        );
        let key = format!("{CANARY}.abortScaleDownDelaySeconds");
        let place = place_of(subject, &key, &format!("{CANARY}.trafficRouting"));
        let enough = seconds(lag).next_multiple_of(5).max(30);
        vec![Found::at(place, message).with(subject.set(&key, &enough.to_string()))]
    },
};

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
        example: include_str!("../../../scenarios/findings/ALB020.bad.yaml"),
        run: Some(Run::of("article/1-original")),
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

const DELAY_OF_ZERO: Rule = Rule {
    page: Page {
        code: "R004",
        title: "scaleDownDelaySeconds: 0 keeps the old pods",
        level: Level::Warning,
        cause: "With a delay of 0 the controller never writes the deadline at which the old ReplicaSet goes.",
        consequence: "The pods of the previous version stay until somebody removes them: each release costs the pods twice.",
        remedy: "write 1 for almost at once, or leave it out for 30 s",
        source: "argo-rollouts issue 1992",
        example: include_str!("../../../scenarios/findings/R004.bad.yaml"),
        run: Some(Run::of("hazards/h14-delay-of-zero-keeps-the-old-pods")),
    },
    look: |subject| {
        let Some(canary) = routed(subject) else { return Vec::new() };
        if canary.uses_dynamic_stable_scale() || canary.scale_down_delay() > Duration::ZERO {
            return Vec::new();
        }
        let key = format!("{CANARY}.scaleDownDelaySeconds");
        let time = subject.rule_effective_after().into_iter().chain(subject.deregistered_after()).sum();
        let change = subject.set(&key, &seconds(time).next_multiple_of(5).max(30).to_string());
        let message = format!("with 0 the old ReplicaSet (replicas: {}) is never scaled down", subject.replicas());
        vec![Found::at(subject.key_place(&key), message).with(change)]
    },
};

const ABORT_DELAY_OF_ZERO: Rule = Rule {
    page: Page {
        code: "R009",
        title: "abortScaleDownDelaySeconds: 0 removes the canary at once",
        level: Level::Warning,
        cause: "0 is documented as: never scale down. What the controller does is to leave the delay out: the canary gets the \
                size of step 0, which is none, unless that is a setCanaryScale.",
        consequence: "An abort deletes the canary's pods in the same pass that asks for weight 0, and the ALB sends them their \
                      share for many seconds more.",
        remedy: "leave it out for 30 s, or write what the ALB takes to follow a weight",
        source: "argo-rollouts issue 1841",
        example: include_str!("../../../scenarios/findings/R009.bad.yaml"),
        run: Some(Run {
            scenario: "field-reports/p06-aborted-at-80",
            set: &["rollout.strategy.canary.abortScaleDownDelaySeconds=0"],
        }),
    },
    look: |subject| {
        let Some(canary) = routed(subject).filter(|canary| !canary.uses_dynamic_stable_scale()) else {
            return Vec::new();
        };
        let keeps_pods = canary.steps.first().is_some_and(|step| step.canary_scale().is_some());
        if canary.abort_scale_down() != AbortScaleDown::Never || keeps_pods {
            return Vec::new();
        }
        let key = format!("{CANARY}.abortScaleDownDelaySeconds");
        let lag = subject.rule_effective_after().map_or(0, seconds);
        let message = format!("an abort deletes the canary's pods at once, and the ALB may go on sending for {lag} s");
        let change = subject.set(&key, &lag.next_multiple_of(5).max(30).to_string());
        vec![Found::at(subject.key_place(&key), message).with(change)]
    },
};

/// A blueGreen strategy whose active Service an ALB leads to, with the pods as its targets.
fn blue_green(subject: &Subject<'_>) -> bool {
    let active = subject.workload().text(&format!("{BLUE_GREEN_KEY}.activeService"));
    let leads_there =
        subject.alb_ingress().is_some_and(|ingress| backends(ingress).iter().any(|node| node.text() == active));
    active.is_some() && leads_there && subject.has_ip_targets()
}

const BLUE_GREEN: Rule = Rule {
    page: Page {
        code: "R010",
        title: "blueGreen exchanges all targets of an ALB at once",
        level: Level::Warning,
        cause: "The switch of the active Service takes all old pods out of the only target group and puts all new ones in: \
                ALB nodes hear of the two at different times.",
        consequence: "Until the new targets are healthy, requests meet a group without targets: 503, in every release. \
                      --aws-verify-target-group looks after the switch, which is too late.",
        remedy: "use a canary with pingPong: it shifts weights between two groups that are both full",
        source: "argo-rollouts issue 4834; argo-rollouts pull request 4259",
        example: include_str!("../../../scenarios/findings/R010.bad.yaml"),
        run: Some(Run::of("field-reports/p10-unverified")),
    },
    look: |subject| {
        let Some(time) = subject.registered_after().filter(|_| blue_green(subject)) else { return Vec::new() };
        let message = format!(
            "the switch of the active Service exchanges all targets (replicas: {}): the new ones may take {} s until they get \
             requests",
            subject.replicas(),
            seconds(time)
        );
        vec![Found::at(subject.key_place(&format!("{BLUE_GREEN_KEY}.activeService")), message)]
    },
};

const SHORT_BLUE_GREEN_DELAY: Rule = Rule {
    page: Page {
        code: "R011",
        title: "the old pods of blueGreen leave before they are deregistered",
        level: Level::Warning,
        cause: "After the switch the old pods stay for scaleDownDelaySeconds, 30 unless set, and the ALB sends them requests \
                until the last of its nodes knows of the switch.",
        consequence: "If they leave sooner, those requests are refused: 502 and 504.",
        remedy: "set scaleDownDelaySeconds above the time that a deregistration takes",
        source: "Argo Rollouts documentation, BlueGreen: scaleDownDelaySeconds; AWS Load Balancer Controller issue 2366",
        example: include_str!("../../../scenarios/findings/R011.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(rollout) = subject.scenario.and_then(|scenario| scenario.workload.rollout()) else {
            return Vec::new();
        };
        let Some(needed) = subject.deregistered_after().filter(|_| blue_green(subject)) else { return Vec::new() };
        let (delay, Some(served)) = (rollout.scale_down_delay(), subject.serves_after_deletion()) else {
            return Vec::new();
        };
        if delay + served >= needed || delay == Duration::ZERO {
            return Vec::new();
        }
        let message = format!(
            "the old pods are deleted {} s after the switch, and the ALB may send them requests for {} s",
            seconds(delay),
            seconds(needed)
        );
        let key = format!("{BLUE_GREEN_KEY}.scaleDownDelaySeconds");
        let place = place_of(subject, &key, &format!("{BLUE_GREEN_KEY}.activeService"));
        let enough = seconds(needed).next_multiple_of(5).max(30);
        vec![Found::at(place, message).played(subject.set(&key, &enough.to_string()))]
    },
};

const ROLLBACK_WINDOW: Rule = Rule {
    page: Page {
        code: "R012",
        title: "a rollback within the window sends its weight to the first pod",
        level: Level::Warning,
        cause: "A rollback within rollbackWindow jumps behind the last step. From its first available pod on, the ALB router \
                asks for the last setWeight of the list; dynamicStableScale removes stable pods to match.",
        consequence: "Until the other pods are there, one pod gets the share of many: time-outs and 5xx in the very moment \
                      that was to rescue the service.",
        remedy: "leave rollbackWindow out where pods start at different speeds, or let the steps end with a low weight",
        source: "argo-rollouts issue 3941; argo-rollouts pull requests 4612, 4852",
        example: include_str!("../../../scenarios/findings/R012.bad.yaml"),
        run: Some(Run::of("hazards/h11-rollback-to-the-first-pod")),
    },
    look: |subject| {
        let Some(canary) = routed(subject).filter(|_| subject.is_routed_by_alb()) else { return Vec::new() };
        let Some(weight) = last_set_weight(&canary.steps) else { return Vec::new() };
        let needed = weight.pods_ceil(subject.replicas(), canary.max_weight());
        let key = "spec.rollbackWindow";
        if subject.workload().find(&format!("{key}.revisions")).is_none() || needed < 2 {
            return Vec::new();
        }
        let message = format!(
            "a rollback within the window sends {weight} % of the requests to its first pod, and {needed} pods carry that"
        );
        vec![Found::at(subject.key_place(key), message)]
    },
};
