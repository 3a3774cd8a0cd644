//! What a figure did over several seeds.

/// p50 and p95 are nearest-rank percentiles: the smallest observed value that at least half, or 95 %, of the seeds do not
/// exceed. They are figures of real runs, never something in between two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

impl Spread {
    pub const NAMES: [&str; 5] = ["min", "mean", "p50", "p95", "max"];

    /// None without a value.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let rank = |percent: usize| sorted[(percent * sorted.len()).div_ceil(100) - 1];
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Some(Self { min, mean, p50: rank(50), p95: rank(95), max })
    }

    /// In the order of `NAMES`.
    pub fn columns(self) -> [f64; 5] {
        [self.min, self.mean, self.p50, self.p95, self.max]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_nearest_rank() {
        let hundred: Vec<_> = (1..=100).rev().map(f64::from).collect();
        for (values, p50, p95) in [(&hundred[..], 50.0, 95.0), (&[7.0], 7.0, 7.0), (&[3.0, 1.0], 1.0, 3.0)] {
            let spread = Spread::of(values).expect("values");
            assert_eq!((spread.p50, spread.p95), (p50, p95), "{} values", values.len());
        }
        assert_eq!(Spread::of(&[]), None);
    }
}
