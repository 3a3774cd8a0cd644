//! What the pods can carry: workers ÷ the average work on a request.

use super::Scenario;

impl Scenario {
    /// Requests per second that one pod can answer at most.
    pub fn capacity_per_pod(&self) -> f64 {
        let work = self.traffic.service_time.mean().as_secs_f64();
        if work > 0.0 { f64::from(self.application.concurrency) / work } else { f64::INFINITY }
    }

    /// The load ÷ what all pods can carry in the steady state. From 1 on their queues grow without end.
    pub fn utilisation(&self) -> f64 {
        let capacity = self.capacity_per_pod() * f64::from(self.rollout.replicas);
        if capacity > 0.0 { self.traffic.rate.per_second() / capacity } else { f64::INFINITY }
    }
}
