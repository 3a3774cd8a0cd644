//! Which cells a sweep has: the full grid of its axes, or a sample of it.

use super::axis::Axis;
use crate::random::{Random, Stream};

/// The axes, and how their values are combined.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    axes: Vec<Axis>,
    sample: Option<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Each axis is cut into as many equal parts as there are cells, and each part is met once.
    LatinHypercube,
    /// Each cell on its own.
    Random,
}

impl Sampling {
    pub const ALL: [Self; 2] = [Self::LatinHypercube, Self::Random];

    pub const fn name(self) -> &'static str {
        match self {
            Self::LatinHypercube => "latin-hypercube",
            Self::Random => "random",
        }
    }
}

/// Ranks from 0 to 1, one for each axis and cell.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    cells: u64,
    /// By axis, then by cell.
    ranks: Vec<Vec<f64>>,
}

impl Sample {
    fn draw(axes: usize, cells: u64, sampling: Sampling, seed: u64) -> Self {
        let axis = |number: usize| {
            let mut random = Random::new(seed, Stream::Sample, u32::try_from(number).expect("a handful of axes"));
            let mut part = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            match sampling {
                Sampling::Random => (0..cells).map(|_| part()).collect(),
                Sampling::LatinHypercube => {
                    let mut parts: Vec<f64> = (0..cells).map(|cell| (cell as f64 + part()) / cells as f64).collect();
                    // Fisher-Yates.
                    for last in (1..parts.len()).rev() {
                        parts.swap(last, (part() * (last + 1) as f64) as usize);
                    }
                    parts
                }
            }
        };
        Self { cells, ranks: (0..axes).map(axis).collect() }
    }
}

impl Design {
    /// Every combination of the axes' values; the last axis changes fastest. Errors name an axis without an end.
    pub fn grid(axes: Vec<Axis>) -> Result<Self, String> {
        let open = axes.iter().find(|axis| axis.count().is_none());
        match open.and_then(|axis| axis.keys().next()) {
            Some(key) => Err(format!("`{key}` is a range without a step: a grid needs to know its points")),
            None => Ok(Self { axes, sample: None }),
        }
    }

    /// So many cells drawn from the axes.
    pub fn sample(axes: Vec<Axis>, cells: u64, sampling: Sampling, seed: u64) -> Self {
        let sample = Sample::draw(axes.len(), cells, sampling, seed);
        Self { axes, sample: Some(sample) }
    }

    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// All keys of all axes, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().flat_map(Axis::keys)
    }

    pub fn is_grid(&self) -> bool {
        self.sample.is_none()
    }

    /// The number of cells; the largest number if there are more than that.
    pub fn cells(&self) -> u64 {
        match &self.sample {
            Some(sample) => sample.cells,
            None => self.axes.iter().filter_map(Axis::count).fold(1, u64::saturating_mul),
        }
    }

    /// The values of a cell, one for each of `keys`.
    pub fn values(&self, cell: u64) -> Vec<String> {
        if let Some(sample) = &self.sample {
            let index = usize::try_from(cell).expect("a sample is in memory");
            let of_axis = |(axis, ranks): (&Axis, &Vec<f64>)| axis.values_at_rank(ranks[index]).collect::<Vec<_>>();
            return self.axes.iter().zip(&sample.ranks).flat_map(of_axis).collect();
        }
        let mut rest = cell;
        let mut values = Vec::new();
        for axis in self.axes.iter().rev() {
            let count = axis.count().expect("a grid has no open range");
            values.push(axis.values(rest % count).collect::<Vec<_>>());
            rest /= count;
        }
        values.into_iter().rev().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| Axis::parse(text).unwrap()).collect()
    }

    #[test]
    fn the_last_axis_of_a_grid_changes_fastest() {
        let design = Design::grid(axes(&["a=1,2;b=x,y", "c=7,8,9"])).unwrap();
        assert_eq!(design.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        let cells: Vec<_> = (0..design.cells()).map(|cell| design.values(cell).join("")).collect();
        assert_eq!(cells, ["1x7", "1x8", "1x9", "2y7", "2y8", "2y9"]);
        assert!(Design::grid(axes(&["a=1..2"])).is_err());
    }

    #[test]
    fn a_grid_of_any_size_is_counted_without_being_made() {
        let design = Design::grid(axes(&["a=0..999999999:1", "b=0..999999999:1", "c=1..9:1"])).unwrap();
        assert_eq!(design.cells(), 9_000_000_000_000_000_000);
        let design = Design::grid(axes(&["a=0..999999999:1", "b=0..999999999:1", "c=0..99:1"])).unwrap();
        assert_eq!(design.cells(), u64::MAX);
    }

    #[test]
    fn a_latin_hypercube_meets_each_part_of_each_axis_once() {
        let design = Design::sample(axes(&["a=0..1000", "b=1,2,3,4,5"]), 20, Sampling::LatinHypercube, 7);
        let cells: Vec<_> = (0..20).map(|cell| design.values(cell)).collect();
        let mut parts: Vec<_> = cells.iter().map(|values| values[0].parse::<f64>().unwrap() as u64 / 50).collect();
        parts.sort_unstable();
        // Values are rounded to whole numbers, so one at the upper end of its part may print as the next.
        assert!(parts.iter().zip(0..).all(|(part, number)| *part == number || *part == number + 1), "{parts:?}");
        for value in ["1", "2", "3", "4", "5"] {
            assert_eq!(cells.iter().filter(|values| values[1] == value).count(), 4, "{value}");
        }
        assert_eq!(design, Design::sample(axes(&["a=0..1000", "b=1,2,3,4,5"]), 20, Sampling::LatinHypercube, 7));
        assert_ne!(design, Design::sample(axes(&["a=0..1000", "b=1,2,3,4,5"]), 20, Sampling::Random, 7));
    }

    #[test]
    fn axes_of_a_sample_are_drawn_apart() {
        let one = Design::sample(axes(&["a=0..1000000"]), 10, Sampling::Random, 1);
        let two = Design::sample(axes(&["a=0..1000000", "b=0..1000000"]), 10, Sampling::Random, 1);
        for cell in 0..10 {
            assert_eq!(one.values(cell)[0], two.values(cell)[0]);
            assert_ne!(two.values(cell)[0], two.values(cell)[1]);
        }
    }
}
