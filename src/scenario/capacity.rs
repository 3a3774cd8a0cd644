//! What the pods can carry: workers ÷ the average work on a request.

use super::Scenario;

impl Scenario {
    /// Requests per second that one pod can answer at most.
    pub fn capacity_per_pod(&self) -> f64 {
        let work = self.traffic.mean_service_time().as_secs_f64();
        if work > 0.0 { f64::from(self.application.concurrency) / work } else { f64::INFINITY }
    }

    /// Whether more requests arrive, at the peak, than all pods can answer in the steady state: then their queues grow without
    /// end.
    pub fn is_overloaded(&self) -> bool {
        self.traffic.peak_rate_per_second() > self.capacity_per_pod() * f64::from(self.workload.replicas())
    }
}
