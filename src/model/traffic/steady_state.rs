//! The sessions that are open when a run starts, so that the rate is right from the first second on.
//!
//! Between two actions of their users lie as many sessions as begin in a think time on average (Little), independently of
//! those between any other two actions, and what is left of a think time has its equilibrium distribution: the share of the
//! think times below `x`, each counted up to `x`.

use crate::random::Distribution;
use crate::units::Duration;

/// Ranks are this far apart …
const CELLS: u32 = 2048;
/// … and, in the last cell, each in the middle between the one before and 1: there a long tail has much of its time.
const TAIL: u32 = 40;

/// What is left of a think time at a moment that has nothing to do with it.
#[derive(Debug)]
pub struct Residual {
    /// Rank and nanoseconds, rising from (0, 0) to (1, the longest).
    points: Vec<(f64, f64)>,
}

impl Residual {
    pub fn of(think_time: &Distribution) -> Self {
        let cells = (0..CELLS).map(|cell| f64::from(cell) / f64::from(CELLS));
        let tail = (1..=TAIL).map(|halving| 1.0 - libm::pow(0.5, f64::from(halving)) / f64::from(CELLS));
        let mut points = vec![(0.0, 0.0)];
        let (mut before, mut area) = ((0.0, 0.0), 0.0);
        for rank in cells.chain(tail) {
            // A log-normal has no number at rank 0, and means 0.
            let value = think_time.quantile_nanos(rank).max(0.0);
            area += (rank - before.0) * f64::midpoint(before.1, value);
            before = (rank, value);
            // Up to here all think times that are over, and of all others the part that fits.
            points.push((area + value * (1.0 - rank), value));
        }
        let all = points.last().map_or(0.0, |(area, _)| *area);
        points.iter_mut().for_each(|(area, _)| *area /= all);
        Self { points }
    }

    /// At a rank from 0 to 1.
    pub fn at(&self, rank: f64) -> Duration {
        let after = self.points.partition_point(|(area, _)| *area < rank).clamp(1, self.points.len() - 1);
        let ((r0, v0), (r1, v1)) = (self.points[after - 1], self.points[after]);
        let part = if r1 > r0 { (rank - r0) / (r1 - r0) } else { 1.0 };
        Duration::from_nanos((v0 + part * (v1 - v0)).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Tail;

    /// Of evenly spread ranks, in seconds.
    fn mean(residual: &Residual) -> f64 {
        let ranks = 1_000_000;
        let sum: f64 = (0..ranks).map(|i| residual.at((f64::from(i) + 0.5) / f64::from(ranks)).as_secs_f64()).sum();
        sum / f64::from(ranks)
    }

    #[test]
    fn what_is_left_of_a_think_time_has_the_mean_of_renewal_theory() {
        let secs = Duration::secs;
        // E[T²] ÷ 2 E[T].
        let sigma = libm::log(6.0) / 2.326_347_874_040_841;
        let log_normal = 10.0 * libm::exp(1.5 * sigma * sigma) / 2.0;
        for (think_time, expected) in [
            (Distribution::secs(8), 4.0),
            (Distribution::Exponential { mean: secs(7) }, 7.0),
            (Distribution::Uniform { min: secs(0), max: secs(12) }, 4.0),
            (Distribution::LogNormal { median: secs(10), tail: Tail::P99(secs(60)) }, log_normal),
            (Distribution::Quantiles(vec![(0.0, secs(2)), (1.0, secs(4))]), (28.0 / 3.0) / 6.0),
        ] {
            let mean = mean(&Residual::of(&think_time));
            assert!((mean / expected - 1.0).abs() < 2e-3, "{think_time}: {mean} instead of {expected}");
        }
    }

    #[test]
    fn of_a_think_time_that_never_varies_every_part_is_as_likely() {
        let residual = Residual::of(&Distribution::secs(8));
        assert_eq!([0.25, 0.5, 1.0].map(|rank| residual.at(rank)), [2, 4, 8].map(Duration::secs));
    }
}
