use crate::random::Distribution;
use crate::units::Rate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Independent of each other, as the requests of many users are.
    Poisson,
    /// Evenly spread, the first at the start of the run: for sums by hand.
    Uniform,
}

/// `[traffic]`: the requests that reach the load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSpec {
    pub rate: Rate,
    pub arrivals: Arrivals,
    /// How long an idle pod works on a request.
    pub service_time: Distribution,
}
