//! How a pod stops, and whether the load balancer knows.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::{LONGEST_REQUEST, POD, Subject, seconds};
use crate::model::application::OnSigterm;
use crate::units::Duration;

pub const RULES: &[Rule] = &[NO_PRE_STOP];

const NO_PRE_STOP: Rule = Rule {
    page: Page {
        code: "K005",
        title: "no preStop hook, and the program closes its port on SIGTERM",
        level: Level::Warning,
        cause: "Deleting a pod sends SIGTERM at once. The load balancer hears of it through the EndpointSlice, \
                DeregisterTargets and its nodes, many seconds later.",
        consequence: "Requests that come in between are refused: 502, and 504 once the pod's address is gone.",
        remedy: "add a preStop hook that sleeps until the load balancer has let go of the pod, and a grace period above it",
        source: "Amazon EKS Best Practices Guide, load balancing; AWS Load Balancer Controller issues 1719, 2366",
        reproduce: "sim run scenarios/field-reports/lbc-2366-traffic-after-draining.toml",
    },
    look: |subject| {
        let (Some(scenario), Some(until)) = (subject.scenario, subject.deregistered_after()) else { return Vec::new() };
        let has_hook = subject.container("lifecycle.preStop").is_some() || scenario.pod.pre_stop.is_some();
        let keeps_serving = scenario.application.on_sigterm == OnSigterm::Ignore;
        if has_hook || keeps_serving || subject.release.ingress.is_none() || subject.containers().is_empty() {
            return Vec::new();
        }
        let message = format!(
            "without a preStop hook each deleted pod refuses the requests that the ALB still sends it, for up to {} s",
            seconds(until)
        );
        vec![Found::at(subject.container_place(), message).played(sleep(subject, until))]
    },
};

/// A preStop sleep of that time, and a grace period that leaves room behind it.
fn sleep(subject: &Subject<'_>, time: Duration) -> Option<Change> {
    let sleep = seconds(time);
    let key = subject.container_key("lifecycle.preStop.sleep.seconds");
    let hook = subject.set_in_template(&key, &sleep.to_string())?;
    let needed = sleep + seconds(LONGEST_REQUEST) + 5;
    if subject.grace_period().is_some_and(|grace| seconds(grace) >= needed) {
        return Some(hook);
    }
    hook.and(subject.set_in_template(&format!("{POD}.terminationGracePeriodSeconds"), &needed.to_string()))
}
