//! What the pods can carry: workers ÷ the average work on a request.

use crate::scenario::Scenario;

/// Requests per second that one pod can answer at most.
pub(super) fn per_pod(scenario: &Scenario) -> f64 {
    let mean = scenario.traffic.service_time.mean().as_secs_f64();
    if mean > 0.0 { f64::from(scenario.application.concurrency) / mean } else { f64::INFINITY }
}

/// The load ÷ what all pods can carry in the steady state. From 1 on the queue grows without end.
pub(super) fn utilisation(scenario: &Scenario) -> f64 {
    let capacity = per_pod(scenario) * f64::from(scenario.rollout.replicas);
    if capacity > 0.0 { scenario.traffic.rate.per_second() / capacity } else { f64::INFINITY }
}
