//! The time axis that all diagrams share, and one diagram on it.

use super::Layout;
use super::canvas::{Canvas, FAINT, Font, GRID, INK, text_width};
use crate::report::{grouped, second_of_row};
use crate::run::{Run, Second};
use crate::scenario::Loaded;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

pub(super) const WIDTH: i32 = 1200;
pub(super) const LEFT: i32 = 84;
pub(super) const RIGHT: i32 = 1180;

/// Consecutive seconds that share a pixel, or one second that has several.
pub(super) struct Bin {
    /// Seconds since the release.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) worst: Second,
    pub(super) fullest: Second,
    pub(super) last: Second,
}

/// The part of a run that the axis shows, in bins of two pixels or more: a narrower bar has no colour.
pub(super) fn bins(run: &Run, axis: TimeAxis) -> Vec<Bin> {
    let row = |second: i64| usize::try_from(second - second_of_row(run, 0)).unwrap_or(0).min(run.seconds.len());
    let (first, last) = (row(axis.from), row(axis.to));
    let pixels = axis.x(second_of_row(run, last)) - axis.x(second_of_row(run, first));
    let rows = last - first;
    let count = rows.min(usize::try_from(pixels / 2).expect("time runs to the right").max(1));
    let bin = |index: usize| {
        let (from, to) = (first + index * rows / count, first + (index + 1) * rows / count);
        let seconds = &run.seconds[from..to];
        // `max_by_key` takes the last of equals.
        let worst = seconds.iter().rev().max_by_key(|second| second.elb_5xx()).copied().unwrap_or_default();
        let fullest = seconds.iter().rev().max_by_key(|second| second.pods_total).copied().unwrap_or_default();
        let last = seconds.last().copied().unwrap_or_default();
        Bin { from: second_of_row(run, from), to: second_of_row(run, to), worst, fullest, last }
    };
    (0..count).map(bin).collect()
}

/// Seconds since the release, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeAxis {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The runs go on where nothing happens any more, or began long before anything did.
    pub(super) cut: bool,
}

/// What labels count.
struct Unit {
    name: &'static str,
    seconds: i64,
    /// The distances of two ticks, in this unit.
    steps: &'static [i64],
}

const UNITS: [Unit; 3] = [
    Unit { name: "seconds", seconds: 1, steps: &[1, 2, 5, 10, 15, 30, 60, 120, 300] },
    Unit { name: "minutes", seconds: 60, steps: &[5, 10, 15, 20, 30] },
    Unit { name: "hours", seconds: 3600, steps: &[1, 2, 3, 4, 6, 12, 24, 48, 120, 240] },
];

impl TimeAxis {
    /// Most ticks that an axis has.
    const TICKS: i64 = 13;

    /// From the first of the runs to the last. Where that is more than twice as long as anything happens in them, only
    /// the seconds in which something does, with a minute around them.
    pub(super) fn of(runs: &[(&Loaded, &Run)]) -> Self {
        let from = runs.iter().map(|(_, run)| second_of_row(run, 0)).min().unwrap_or(0);
        let to = runs.iter().map(|(_, run)| second_of_row(run, run.seconds.len())).max().unwrap_or(1).max(from + 1);
        let eventful: Vec<_> = runs.iter().map(|(_, run)| eventful(run)).collect();
        let first = eventful.iter().map(|(first, _)| *first).min().unwrap_or(from);
        let last = eventful.iter().map(|(_, last)| *last).max().unwrap_or(to);
        let margin = ((last - first) / 10).max(60);
        let (first, last) = ((first - margin).max(from), (last + margin).min(to));
        if (last - first) * 2 < to - from {
            Self { from: first, to: last, cut: true }
        } else {
            Self { from, to, cut: false }
        }
    }

    pub(super) fn x(self, second: i64) -> i32 {
        let width = i64::from(RIGHT - LEFT);
        let x = (second.clamp(self.from, self.to) - self.from) * width / (self.to - self.from);
        LEFT + i32::try_from(x).expect("within the picture")
    }

    pub(super) fn span(self, bin: &Bin) -> (i32, i32) {
        (self.x(bin.from), self.x(bin.to))
    }

    /// The unit of the labels and the distance of two of them in seconds.
    fn scale(self) -> (&'static Unit, i64) {
        let span = self.to - self.from;
        let steps = UNITS.iter().flat_map(|unit| unit.steps.iter().map(move |step| (unit, step * unit.seconds)));
        let longest = (&UNITS[2], span / Self::TICKS / 3600 * 3600 + 3600);
        steps.into_iter().find(|(_, step)| span / step < Self::TICKS).unwrap_or(longest)
    }

    pub(super) fn ticks(self) -> impl Iterator<Item = i64> {
        let (_, step) = self.scale();
        (self.from.div_euclid(step)..=self.to.div_euclid(step))
            .map(move |n| n * step)
            .filter(move |at| *at >= self.from)
    }

    pub(super) fn labels(self, canvas: &Canvas, top: i32) {
        let top = top - Layout::GAP;
        let (unit, _) = self.scale();
        for tick in self.ticks() {
            let x = self.x(tick);
            canvas.line(vec![(x, top), (x, top + 5)], INK, 1);
            let sign = if tick < 0 { "−" } else { "" };
            let label = format!("{sign}{}", grouped(tick.unsigned_abs() / unit.seconds.unsigned_abs()));
            let centre = x.min(WIDTH - 2 - text_width(&label) / 2);
            canvas.text(&label, (centre, top + 8), Font::plain(INK).anchored(HPos::Center, VPos::Top));
        }
        let note = if self.cut { "; the steady time before and after is not drawn" } else { "" };
        let name = format!("{} since the start of the release{note}", unit.name);
        let centre = (LEFT + RIGHT) / 2;
        canvas.text(&name, (centre, top + 28), Font::plain(FAINT).anchored(HPos::Center, VPos::Top));
    }
}

/// The first and the last second in which a run is not in its steady state: the release, errors, pods coming and going.
fn eventful(run: &Run) -> (i64, i64) {
    let steady = |second: &Second| second.elb_5xx() == 0 && second.terminating == 0;
    let busy = |row: &usize| !steady(&run.seconds[*row]);
    let first = (0..run.seconds.len()).find(busy).map_or(0, |row| second_of_row(run, row));
    let last = (0..run.seconds.len()).rfind(busy).map_or(0, |row| second_of_row(run, row));
    let changes = run.seconds.windows(2).rposition(|pair| {
        let state = |second: &Second| (second.weight_requested, second.weight_effective_sum, second.pods_total);
        state(&pair[0]) != state(&pair[1])
    });
    let changed = changes.map_or(0, |row| second_of_row(run, row + 1));
    (first.min(0), last.max(changed).max(0))
}

/// A diagram from 0 up to a round number.
pub(super) struct Panel {
    pub(super) top: i32,
    pub(super) height: i32,
    /// The highest value to be drawn.
    pub(super) most: u32,
    pub(super) axis: TimeAxis,
}

impl Panel {
    pub(super) fn bottom(&self) -> i32 {
        self.top + self.height
    }

    /// The distance of two grid lines: 1, 2, 5, 10, … so that at most five, or two on a low panel, are needed.
    pub(super) fn step(&self) -> u32 {
        let lines = if self.height < 100 { 2 } else { 5 };
        let mut step = 1u32;
        for factor in [2, 5, 2].iter().cycle() {
            if self.most.div_ceil(step) <= lines || step >= 1_000_000_000 {
                break;
            }
            step = match factor {
                5 => step / 2 * 5,
                _ => step * 2,
            };
        }
        step
    }

    /// A percentage ends at 100, anything else a little above its highest value, for the label.
    pub(super) fn scale(&self) -> u32 {
        let step = self.step();
        let top = self.most.div_ceil(step).max(1) * step;
        if self.most == 100 {
            100
        } else if top - self.most < step / 2 {
            top + step / 2
        } else {
            top
        }
    }

    pub(super) fn y(&self, value: u32) -> i32 {
        self.y_of(f64::from(value))
    }

    pub(super) fn y_of(&self, value: f64) -> i32 {
        let part = value / f64::from(self.scale());
        self.bottom() - (f64::from(self.height) * part).round() as i32
    }

    pub(super) fn grid(&self, canvas: &Canvas) {
        for tick in self.axis.ticks() {
            let x = self.axis.x(tick);
            canvas.line(vec![(x, self.top), (x, self.bottom())], GRID, 1);
        }
        let step = self.step();
        for value in (0..=self.scale() / step).map(|n| n * step) {
            let y = self.y(value);
            canvas.line(vec![(LEFT, y), (RIGHT, y)], if value == 0 { INK } else { GRID }, 1);
            let label = grouped(u64::from(value));
            canvas.text(&label, (LEFT - 8, y), Font::plain(INK).anchored(HPos::Right, VPos::Center));
        }
        canvas.line(vec![(LEFT, self.top), (LEFT, self.bottom())], INK, 1);
    }

    /// The name with the unit at the left, the legend at the right.
    pub(super) fn name(&self, canvas: &Canvas, name: &str, legend: &[(String, Swatch)]) {
        let y = self.top - 13;
        canvas.text(name, (LEFT, y), Font::strong().anchored(HPos::Left, VPos::Center));
        let mut x = RIGHT - legend.iter().map(|(label, _)| text_width(label) + 46).sum::<i32>() + 20;
        for (label, swatch) in legend {
            match swatch {
                Swatch::Fill(colour) => {
                    canvas.rectangle((x, y - 6), (x + 20, y + 6), *colour);
                    canvas.line(vec![(x, y - 6), (x + 20, y - 6), (x + 20, y + 6), (x, y + 6), (x, y - 6)], INK, 1);
                }
                Swatch::Line => canvas.line(vec![(x, y), (x + 20, y)], INK, 3),
                Swatch::Dashes => canvas.dashes(vec![(x, y), (x + 23, y)]),
            }
            canvas.text(label, (x + 27, y), Font::plain(INK).anchored(HPos::Left, VPos::Center));
            x += text_width(label) + 46;
        }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Swatch {
    Fill(RGBColor),
    Line,
    Dashes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_counts_in_the_unit_that_fits() {
        for (from, to, ticks, last, unit) in [
            (-60, 540, 11, 540, "seconds"),
            (-60, 4 * 3600, 13, 4 * 3600, "minutes"),
            (0, 86_400, 13, 86_400, "hours"),
            (0, 100 * 86_400, 11, 100 * 86_400, "hours"),
        ] {
            let axis = TimeAxis { from, to, cut: false };
            let all: Vec<_> = axis.ticks().collect();
            assert!(all.len() <= 13 && all.iter().all(|tick| (from..=to).contains(tick)), "{all:?}");
            assert_eq!((all.len(), *all.last().expect("a tick"), axis.scale().0.name), (ticks, last, unit));
        }
    }

    #[test]
    fn scales_end_at_round_numbers_above_the_data() {
        let axis = TimeAxis { from: 0, to: 100, cut: false };
        for (most, height, step, scale) in [
            (0, 190, 1, 1),
            (25, 190, 5, 27),
            (37, 190, 10, 45),
            (100, 150, 20, 100),
            (250, 64, 200, 400),
            (13, 170, 5, 15),
        ] {
            let panel = Panel { top: 0, height, most, axis };
            assert_eq!((panel.step(), panel.scale()), (step, scale), "{most} on {height} px");
        }
    }
}
