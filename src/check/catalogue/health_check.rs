//! How the load balancer checks its targets: annotations of the Ingress, and of the Services.

use super::Rule;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::{Subject, seconds};
use crate::scenario::document::Node;

pub const RULES: &[Rule] = &[TIMEOUT_ABOVE_INTERVAL, OTHER_PATH, ERRORS_AS_HEALTHY, SLOW_RECOVERY, OTHER_PORT];

/// How long an unhealthy target may take to get requests again before it is worth a note. Assumption: a minute.
const LONG_RECOVERY: u64 = 60;

const TIMEOUT_ABOVE_INTERVAL: Rule = Rule {
    page: Page {
        code: "ALB022",
        title: "a health check's time-out that is not below its interval",
        level: Level::Error,
        cause: "ELBv2 refuses a target group whose health check has a time-out of its interval or more. The load balancer \
                controller takes 15 s and 5 s unless set.",
        consequence: "The target group cannot be made or changed, and with it the whole Ingress group stays as it was.",
        remedy: "set healthcheck-timeout-seconds below healthcheck-interval-seconds",
        source: "User Guide for Application Load Balancers: Health check settings",
        example: include_str!("../../../scenarios/findings/ALB022.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let number = |short: &str| subject.target_group_text(short).map(|text| text.parse::<u32>().ok());
        let interval = number("healthcheck-interval-seconds").unwrap_or(Some(15));
        let timeout = number("healthcheck-timeout-seconds").unwrap_or(Some(5));
        let (Some(interval), Some(timeout), Some(_)) = (interval, timeout, subject.alb_ingress()) else {
            return Vec::new();
        };
        if timeout < interval {
            return Vec::new();
        }
        let written = subject
            .target_group_annotation("healthcheck-timeout-seconds")
            .or_else(|| subject.target_group_annotation("healthcheck-interval-seconds"));
        let place = written.and_then(|(_, entry)| entry.value.place.clone());
        let message = format!("the health check's time-out, {timeout} s, must be below its interval, {interval} s");
        let change = subject.set_annotation("healthcheck-timeout-seconds", &(interval / 2).clamp(2, 5).to_string());
        vec![Found::at(place, message).with(change)]
    },
};

/// The path of an `httpGet` readiness probe.
fn readiness_path<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let probe = subject.container("readinessProbe.httpGet")?.table()?;
    Some(probe.find("path").and_then(Node::text).unwrap_or("/"))
}

fn health_check_path<'a>(subject: &Subject<'a>) -> &'a str {
    subject.target_group_text("healthcheck-path").unwrap_or("/")
}

fn is_grpc(subject: &Subject<'_>) -> bool {
    subject.target_group_text("backend-protocol-version").is_some_and(|version| version.eq_ignore_ascii_case("grpc"))
}

const OTHER_PATH: Rule = Rule {
    page: Page {
        code: "ALB023",
        title: "the ALB's health check and the readiness probe ask for different paths",
        level: Level::Note,
        cause: "The kubelet asks one path whether the pod may get requests, and the ALB another. Unless set, the load \
                balancer controller takes `/`.",
        consequence: "A pod that is ready may be unhealthy for ever, as `/` answers 404, or get requests while it is not \
                      ready, as `/` always answers.",
        remedy: "set healthcheck-path to the path of the readiness probe",
        source: "Amazon EKS Best Practices Guide, load balancing: health checks",
        example: include_str!("../../../scenarios/findings/ALB023.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(probe), Some(ingress)) = (readiness_path(subject), subject.alb_ingress()) else { return Vec::new() };
        let path = health_check_path(subject);
        if probe == path || is_grpc(subject) {
            return Vec::new();
        }
        let written = subject.target_group_annotation("healthcheck-path");
        let place = written.map_or(Some(ingress.name_place.clone()), |(_, entry)| entry.value.place.clone());
        let unless = if written.is_some() { "" } else { ", as no healthcheck-path is set" };
        let message = format!("the ALB checks `{path}`{unless}, and the readiness probe `{probe}`");
        vec![Found::at(place, message).with(subject.set_annotation("healthcheck-path", probe))]
    },
};

const ERRORS_AS_HEALTHY: Rule = Rule {
    page: Page {
        code: "ALB025",
        title: "a health check that takes errors for success",
        level: Level::Warning,
        cause: "success-codes has codes from 400: the path of the health check does not exist, or wants a login, or the \
                program cannot answer.",
        consequence: "A program that answers everything with that error is healthy, gets requests, and the release goes on.",
        remedy: "let the health check ask a path that answers 200 without a login, and take nothing else for success",
        source: "User Guide for Application Load Balancers: Health check settings, success codes",
        example: include_str!("../../../scenarios/findings/ALB025.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some((_, entry)) = subject.target_group_annotation("success-codes").filter(|_| !is_grpc(subject)) else {
            return Vec::new();
        };
        let codes = entry.value.text().unwrap_or_default();
        let is_error = |code: &str| code.trim().parse::<u32>().is_ok_and(|code| code >= 400);
        if !codes.split([',', '-']).any(is_error) {
            return Vec::new();
        }
        // A path that the kubelet takes for ready answers below 400.
        let is_probed = readiness_path(subject) == Some(health_check_path(subject));
        let change = subject.set_annotation("success-codes", "200-399").filter(|_| is_probed);
        let message = format!("the ALB takes a pod for healthy that answers {codes}");
        vec![Found::at(entry.value.place.clone(), message).with(change)]
    },
};

const SLOW_RECOVERY: Rule = Rule {
    page: Page {
        code: "ALB026",
        title: "an unhealthy target takes long to recover",
        level: Level::Note,
        cause: "A target that was unhealthy gets requests again after healthy-threshold-count passed checks, each of them an \
                interval apart. A new target needs one.",
        consequence: "After a short trouble of all pods the group stays without healthy targets for that long.",
        remedy: "let two checks 5 s to 15 s apart be enough",
        source: "User Guide for Application Load Balancers: Health checks for target groups",
        example: include_str!("../../../scenarios/findings/ALB026.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(scenario), Some(_)) = (subject.scenario, subject.alb_ingress()) else { return Vec::new() };
        let (count, interval) = (scenario.target_group.healthy_threshold, seconds(scenario.target_group.interval));
        let time = u64::from(count) * interval;
        if time <= LONG_RECOVERY {
            return Vec::new();
        }
        let names = ["healthy-threshold-count", "healthcheck-interval-seconds"];
        let place = names.iter().find_map(|short| subject.target_group_annotation(short));
        let message =
            format!("an unhealthy pod gets requests again after {count} checks, {interval} s apart: after {time} s");
        let fewer = subject.set_annotation(names[0], "2").filter(|_| 2 * interval <= LONG_RECOVERY);
        let change = fewer.or_else(|| subject.set_annotation(names[1], "10"));
        vec![Found::at(place.and_then(|(_, entry)| entry.value.place.clone()), message).with(change)]
    },
};

/// The containers that declare a port, by name or number.
fn containers_with_port(subject: &Subject<'_>, wanted: &str) -> Vec<usize> {
    let is_wanted = |port: &Node| {
        let is = |key: &str| {
            let node = port.table().and_then(|table| table.find(key));
            node.is_some_and(|node| {
                node.text() == Some(wanted) || node.integer().map(|n| n.to_string()).as_deref() == Some(wanted)
            })
        };
        is("name") || is("containerPort")
    };
    let ports = |container: &Node| container.table().and_then(|table| table.find("ports")).cloned();
    let declares =
        |container: &Node| ports(container).is_some_and(|node| node.array().unwrap_or_default().iter().any(is_wanted));
    (0..subject.containers().len()).filter(|index| declares(&subject.containers()[*index])).collect()
}

const OTHER_PORT: Rule = Rule {
    page: Page {
        code: "ALB043",
        title: "the health check asks another container",
        level: Level::Warning,
        cause: "healthcheck-port is a port of another container than the one that gets the requests. They start and stop each \
                in its own time.",
        consequence: "A target is healthy while its program is not there yet, or not any more: 502.",
        remedy: "set healthcheck-port: traffic-port, with a path that the program itself answers",
        source: "AWS Load Balancer Controller, Ingress annotations: healthcheck-port; Kubernetes documentation, Pod Lifecycle",
        example: include_str!("../../../scenarios/findings/ALB043.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some((_, entry)) = subject.target_group_annotation("healthcheck-port") else { return Vec::new() };
        let port = entry.value.text().unwrap_or_default();
        let owners = containers_with_port(subject, port);
        let Some(other) = owners.first().filter(|_| !owners.contains(&subject.main())) else { return Vec::new() };
        let name = |index: usize| {
            let node = subject.containers().get(index).and_then(Node::table).and_then(|table| table.find("name"));
            node.and_then(Node::text).unwrap_or("another")
        };
        let message = format!(
            "the health check asks port {port} of the container {}, and requests go to {}",
            name(*other),
            name(subject.main())
        );
        let is_answered = readiness_path(subject) == Some(health_check_path(subject));
        let change = subject.set_annotation("healthcheck-port", "traffic-port").filter(|_| is_answered);
        vec![Found::at(entry.value.place.clone(), message).with(change)]
    },
};
