//! Target groups: annotations of the Ingress, and of the Services.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::{ANNOTATIONS, POD, Subject, seconds};
use crate::model::application::OnSigterm;
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::ingress::OF_SERVICE;
use crate::scenario::manifests::object::Object;
use crate::scenario::manifests::release::backends;
use crate::units::Duration;
use std::ops::Range;

pub const RULES: &[Rule] = &[
    DELAY_BELOW_REQUESTS,
    DELAY_ABOVE_GRACE,
    PRE_STOP_BELOW_DELAY,
    NO_DELAY,
    SLOW_START_AND_ALGORITHM,
    SLOW_START_OF_A_CANARY,
    STICKY_CLIENTS,
    APP_COOKIE,
    CLUSTER_IP,
    DIFFERENT_TARGET_GROUPS,
];

const TARGET_GROUP: &str = "target-group-attributes";
const DELAY: &str = "deregistration_delay.timeout_seconds";

/// The deregistration delay of an ALB's target groups with pods: set, or its default; and where.
fn deregistration_delay(subject: &Subject<'_>) -> Option<(Duration, Option<Range<usize>>)> {
    let (scenario, ingress) = (subject.scenario?, subject.alb_ingress().filter(|_| subject.has_ip_targets())?);
    let place = subject.target_group_attribute(TARGET_GROUP, DELAY).map(|(_, place)| place);
    Some((scenario.target_group.deregistration_delay, place.or_else(|| Some(ingress.name_place.clone()))))
}

fn is_delay_written(subject: &Subject<'_>) -> bool {
    subject.target_group_attribute(TARGET_GROUP, DELAY).is_some()
}

fn set_delay(subject: &Subject<'_>, delay: Duration) -> Option<Change> {
    subject.set_attribute(TARGET_GROUP, DELAY, &seconds(delay).to_string())
}

const DELAY_BELOW_REQUESTS: Rule = Rule {
    page: Page {
        code: "ALB005",
        title: "a deregistration delay below the longest request",
        level: Level::Warning,
        cause: "When a target is deregistered, the ALB lets its requests in flight go on for the deregistration delay, and \
                then closes their connections.",
        consequence: "A request that takes longer ends with 502, although its pod would have answered.",
        remedy: "set deregistration_delay.timeout_seconds to the longest request that has to be answered",
        source: "User Guide for Application Load Balancers: Deregistration delay, and the causes of HTTP 502",
        example: include_str!("../../../scenarios/findings/ALB005.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let longest = subject.longest_request();
        let Some((delay, place)) = deregistration_delay(subject) else { return Vec::new() };
        if delay >= longest || delay == Duration::ZERO {
            return Vec::new();
        }
        let message = format!(
            "when a pod leaves, requests that take longer than {} s are cut off: that is the deregistration delay",
            seconds(delay)
        );
        vec![Found::at(place, message).played(set_delay(subject, longest))]
    },
};

const DELAY_ABOVE_GRACE: Rule = Rule {
    page: Page {
        code: "ALB006",
        title: "a deregistration delay above the grace period",
        level: Level::Note,
        cause: "The deregistration delay keeps no pod alive: the kubelet kills it when terminationGracePeriodSeconds are \
                over, whatever the ALB still waits for. The delay is 300 s unless set.",
        consequence: "The target is still draining when its pod is long gone; a long request ends by SIGKILL, not by the \
                      ALB, so raising the delay helps nobody.",
        remedy: "let the delay be no longer than the grace period: delay ≤ preStop < grace",
        source: "User Guide for Application Load Balancers: Deregistration delay; alphagov/govuk-helm-charts pull request \
                 4033",
        example: include_str!("../../../scenarios/findings/ALB006.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some((delay, place)), Some(grace)) = (deregistration_delay(subject), subject.grace_period()) else {
            return Vec::new();
        };
        if delay <= grace || subject.containers().is_empty() {
            return Vec::new();
        }
        let unless = if is_delay_written(subject) { "" } else { " unless set" };
        let message = format!(
            "the deregistration delay is {} s{unless}, but a pod is killed {} s after its deletion",
            seconds(delay),
            seconds(grace)
        );
        let hook = subject.pre_stop().unwrap_or(Duration::ZERO);
        vec![Found::at(place, message).with(set_delay(subject, hook.max(subject.longest_request()).min(grace)))]
    },
};

const PRE_STOP_BELOW_DELAY: Rule = Rule {
    page: Page {
        code: "ALB007",
        title: "a preStop hook that is shorter than the deregistration delay",
        level: Level::Warning,
        cause: "The ALB lets requests in flight go on for the whole deregistration delay, and the program exits on SIGTERM, \
                when the preStop hook is over: earlier.",
        consequence: "What is still in flight then gets 502. One report counts about 1,000 5xx a minute with a hook of 25 s \
                      and a delay of 30 s.",
        remedy: "let the preStop hook sleep for at least the deregistration delay, or let the program drain on SIGTERM",
        source: "open-vsx infrastructure pull request 12422; User Guide for Application Load Balancers: causes of HTTP 502",
        example: include_str!("../../../scenarios/findings/ALB007.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some((delay, _)), Some(hook)) = (deregistration_delay(subject), subject.pre_stop()) else {
            return Vec::new();
        };
        // The last request comes when the last ALB node hears of the pod's end, and then takes its time. A hook that is
        // over before that is another rule's.
        let Some(last) = subject.deregistered_after().filter(|last| hook >= *last) else { return Vec::new() };
        let needed = delay.min(last + subject.longest_request());
        let exits = subject.scenario.is_some_and(|scenario| scenario.application.on_sigterm == OnSigterm::Exit);
        if !is_delay_written(subject) || !exits || hook >= needed {
            return Vec::new();
        }
        let message = format!(
            "the program exits {} s after its pod's deletion, and requests may be in flight for {} s: the deregistration \
             delay",
            seconds(hook),
            seconds(delay)
        );
        let place = subject.container("lifecycle.preStop").and_then(|node| node.place.clone());
        vec![Found::at(place, message).played(longer_sleep(subject, needed))]
    },
};

/// A preStop hook that sleeps is made to sleep so long, with a grace period that has room for it.
fn longer_sleep(subject: &Subject<'_>, time: Duration) -> Option<Change> {
    subject.container("lifecycle.preStop.sleep.seconds")?;
    let key = subject.container_key("lifecycle.preStop.sleep.seconds");
    let hook = subject.set_in_template(&key, &seconds(time).to_string())?;
    let needed = seconds(time) + seconds(subject.longest_request()) + 5;
    if subject.grace_period().is_some_and(|grace| seconds(grace) >= needed) {
        return Some(hook);
    }
    hook.and(subject.set_in_template(&format!("{POD}.terminationGracePeriodSeconds"), &needed.to_string()))
}

const NO_DELAY: Rule = Rule {
    page: Page {
        code: "ALB008",
        title: "no deregistration delay",
        level: Level::Warning,
        cause: "With a deregistration delay of 0 the ALB closes the connections of a target as soon as it is deregistered.",
        consequence: "Each pod that leaves takes the requests with it that it was working on: 502.",
        remedy: "set deregistration_delay.timeout_seconds to the longest request that has to be answered",
        source: "User Guide for Application Load Balancers: Deregistration delay",
        example: include_str!("../../../scenarios/findings/ALB008.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some((delay, place)) = deregistration_delay(subject) else { return Vec::new() };
        if delay > Duration::ZERO {
            return Vec::new();
        }
        let message = "the deregistration delay is 0 s: each pod that leaves loses the requests that it is working on";
        vec![Found::at(place, message).played(set_delay(subject, subject.longest_request()))]
    },
};

/// The seconds of slow start, if it is on, and where.
fn slow_start(subject: &Subject<'_>) -> Option<(u32, Range<usize>)> {
    let (text, place) = subject.target_group_attribute(TARGET_GROUP, "slow_start.duration_seconds")?;
    Some((text.parse().ok().filter(|seconds| *seconds > 0)?, place))
}

/// An algorithm with which slow start does not go.
fn other_algorithm<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let (algorithm, _) = subject.target_group_attribute(TARGET_GROUP, "load_balancing.algorithm.type")?;
    Some(algorithm).filter(|algorithm| ["least_outstanding_requests", "weighted_random"].contains(algorithm))
}

const SLOW_START_AND_ALGORITHM: Rule = Rule {
    page: Page {
        code: "ALB027",
        title: "slow start with an algorithm that has none",
        level: Level::Error,
        cause: "ELBv2 refuses slow start together with least_outstanding_requests or weighted_random.",
        consequence: "The load balancer controller fails at this target group, again and again, and the whole Ingress group \
                      stays as it was: no weight of a release reaches the ALB.",
        remedy: "use round_robin, or set slow_start.duration_seconds=0",
        source: "User Guide for Application Load Balancers: Slow start mode; AWS Load Balancer Controller issue 3686",
        example: include_str!("../../../scenarios/findings/ALB027.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some((time, place)), Some(algorithm)) = (slow_start(subject), other_algorithm(subject)) else {
            return Vec::new();
        };
        let message = format!("ELBv2 refuses slow start ({time} s) together with {algorithm}");
        let change = subject.set_attribute(TARGET_GROUP, "slow_start.duration_seconds", "0");
        vec![Found::at(Some(place), message).with(change)]
    },
};

const SLOW_START_OF_A_CANARY: Rule = Rule {
    page: Page {
        code: "ALB028",
        title: "slow start of a canary",
        level: Level::Note,
        cause: "Targets that are registered together in an empty target group do not ramp: slow start needs a healthy target \
                beside them that has gone through it.",
        consequence: "The first pods of a canary get their whole share at once; slow start protects only those that come \
                      later.",
        remedy: "warm the canary up by itself: setCanaryScale and a pause before the first setWeight",
        source: "User Guide for Application Load Balancers: Slow start mode",
        example: include_str!("../../../scenarios/findings/ALB028.bad.yaml"),
        run: Some(Run::of("hazards/h4-first-weight-without-warm-up")),
    },
    look: |subject| {
        let Some((time, place)) = slow_start(subject).filter(|_| subject.is_routed_by_alb()) else { return Vec::new() };
        if other_algorithm(subject).is_some() || !subject.has_ip_targets() {
            return Vec::new();
        }
        let message =
            format!("slow start ({time} s) does not hold for the first pods of a canary: their group is empty");
        vec![Found::at(Some(place), message)]
    },
};

/// Whether clients are bound to a target, and where that stands.
fn sticky_targets(subject: &Subject<'_>) -> Option<Range<usize>> {
    let (_, place) =
        subject.target_group_attribute(TARGET_GROUP, "stickiness.enabled").filter(|(text, _)| *text == "true")?;
    Some(place)
}

const STICKY_CLIENTS: Rule = Rule {
    page: Page {
        code: "ALB029",
        title: "sticky clients behind a canary",
        level: Level::Warning,
        cause: "A cookie binds a client to the target group that answered it first, for the duration of the stickiness, \
                whatever the weights say meanwhile.",
        consequence: "The share of the canary is not its weight, and a rollback does not bring back the clients that it has: \
                      they go on with the bad version.",
        remedy: "leave stickiness out, or make its duration a few minutes at most",
        source: "User Guide for Application Load Balancers: Sticky sessions for your Application Load Balancer",
        example: include_str!("../../../scenarios/findings/ALB029.bad.yaml"),
        run: None,
    },
    look: |subject| {
        const CONFIG: &str = "spec.strategy.canary.trafficRouting.alb.stickinessConfig";
        if !subject.is_routed_by_alb() {
            return Vec::new();
        }
        let config = |name: &str| subject.workload().find(&format!("{CONFIG}.{name}"));
        if config("enabled").and_then(Node::boolean) == Some(true) {
            let time = config("durationSeconds").and_then(Node::integer).unwrap_or(0);
            let message =
                format!("for {time} s a client stays with the target group that it got first, whatever the weight");
            let off = subject.set(&format!("{CONFIG}.enabled"), "false");
            return vec![Found::at(subject.key_place(&format!("{CONFIG}.enabled")), message).with(off)];
        }
        // One that is refused because of its type is told of by another rule.
        let Some(place) = sticky_targets(subject).filter(|_| !has_app_cookie(subject)) else { return Vec::new() };
        let message = "clients are bound to a target by stickiness.enabled=true: the canary's share is not its weight";
        let change = subject.set_attribute(TARGET_GROUP, "stickiness.enabled", "false");
        vec![Found::at(Some(place), message).with(change)]
    },
};

fn has_app_cookie(subject: &Subject<'_>) -> bool {
    subject.target_group_attribute(TARGET_GROUP, "stickiness.type").is_some_and(|(kind, _)| kind == "app_cookie")
}

const APP_COOKIE: Rule = Rule {
    page: Page {
        code: "ALB030",
        title: "stickiness by the program's own cookie behind a canary",
        level: Level::Error,
        cause: "ELBv2 does not support stickiness of the type app_cookie for target groups with weights.",
        consequence: "The rule with both target groups cannot be made, so the canary gets no requests.",
        remedy: "use stickiness.type=lb_cookie, or stickinessConfig of trafficRouting.alb",
        source: "User Guide for Application Load Balancers: Application-based stickiness, considerations",
        example: include_str!("../../../scenarios/findings/ALB030.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let is_on = subject.is_routed_by_alb() && has_app_cookie(subject);
        let Some(place) = sticky_targets(subject).filter(|_| is_on) else { return Vec::new() };
        let message = "stickiness.type=app_cookie is not supported for the weighted target groups of a canary";
        let change = subject.set_attribute(TARGET_GROUP, "stickiness.type", "lb_cookie");
        vec![Found::at(Some(place), message).with(change)]
    },
};

const CLUSTER_IP: Rule = Rule {
    page: Page {
        code: "ALB039",
        title: "instance targets for a Service without a node port",
        level: Level::Warning,
        cause: "Targets of the type instance are node ports. It is the type unless target-type says ip, or the controller \
                runs with --default-target-type=ip.",
        consequence: "The load balancer controller refuses a Service of the type ClusterIP, and the target group stays empty.",
        remedy: "set target-type: ip, so that the pods are the targets",
        source: "AWS Load Balancer Controller, Ingress annotations: target-type; pkg/backend/endpoint_resolver.go",
        example: include_str!("../../../scenarios/findings/ALB039.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(ingress) = subject.alb_ingress().filter(|_| subject.target_group_text("target-type") != Some("ip"))
        else {
            return Vec::new();
        };
        let named: Vec<_> = backends(ingress).iter().filter_map(|node| node.text()).collect();
        let has_target_group = |service: &&Object| subject.is_routed_by_alb() || named.contains(&service.name.as_str());
        let is_inside = |service: &&Object| service.text("spec.type").is_none_or(|kind| kind == "ClusterIP");
        let Some(service) = subject.release.services().into_iter().filter(has_target_group).find(is_inside) else {
            return Vec::new();
        };
        let written = subject.target_group_annotation("target-type");
        let place = written.map_or(Some(service.name_place.clone()), |(_, entry)| entry.value.place.clone());
        let unless = if written.is_some() { "" } else { ", unless the controller is told otherwise" };
        let message = format!("the Service {} has no node port for instance targets{unless}", service.name);
        vec![Found::at(place, message).with(subject.set_annotation("target-type", "ip"))]
    },
};

const DIFFERENT_TARGET_GROUPS: Rule = Rule {
    page: Page {
        code: "ALB048",
        title: "the target groups of stable and canary are set up differently",
        level: Level::Note,
        cause: "An annotation of a Service goes before the Ingress's, for the target group of that Service alone, and the two \
                Services do not have the same.",
        consequence: "Stable and canary differ in more than their version, and at the end of a release the canary's pods come \
                      under the other settings. Simulated are those of the stable Service, for both.",
        remedy: "give both Services the same annotations, or write them at the Ingress",
        source: "AWS Load Balancer Controller, Ingress annotations",
        example: include_str!("../../../scenarios/findings/ALB048.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let services: Vec<_> =
            subject.release.named_services().iter().map(|(_, name)| subject.release.service(name.text()?)).collect();
        let (Some(ingress), [Some(stable), Some(canary), ..]) = (subject.alb_ingress(), services.as_slice()) else {
            return Vec::new();
        };
        let own = |object: &'_ Object, short: &str| -> Option<Entry> {
            let key = format!("{ANNOTATIONS}{short}");
            object.entries("metadata.annotations").iter().find(|entry| entry.key == key).cloned()
        };
        let value = |service: &Object, short: &str| {
            let entry = own(service, short).or_else(|| own(ingress, short))?;
            entry.value.text().map(|text| text.trim().to_owned())
        };
        let found = |short: &&str| {
            let (of_stable, of_canary) = (value(stable, short), value(canary, short));
            if of_stable == of_canary {
                return None;
            }
            let told = |value: Option<String>| value.unwrap_or_else(|| "its default".to_owned());
            let message = format!(
                "{short} of `{}` is {}, and of `{}` {}: the latter is simulated for both",
                canary.name,
                told(of_canary),
                stable.name,
                told(of_stable)
            );
            let place = own(canary, short).map_or(Some(canary.name_place.clone()), |entry| entry.value.place);
            Some(Found::at(place, message))
        };
        OF_SERVICE.iter().filter_map(found).collect()
    },
};
