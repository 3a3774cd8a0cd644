//! The time axis that all diagrams share, and one diagram on it.

use super::Layout;
use super::canvas::{Canvas, FAINT, Font, GRID, INK, text_width};
use crate::report::window::Window;
use crate::report::{grouped, second_of_row};
use crate::run::{Run, Second};
use crate::scenario::Loaded;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use std::ops::Range;

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
    let Range { start: first, end: last } = axis.0.rows(run);
    let pixels = axis.x(second_of_row(run, last)) - axis.x(second_of_row(run, first));
    let rows = last - first;
    let count = rows.min(usize::try_from(pixels / 2).expect("time runs to the right").max(1));
    let bin = |index: usize| {
        let (from, to) = (first + index * rows / count, first + (index + 1) * rows / count);
        let seconds = &run.seconds[from..to];
        // `max_by_key` takes the last of equals.
        let worst = seconds.iter().rev().max_by_key(|second| super::failed(second)).copied().unwrap_or_default();
        let fullest = seconds.iter().rev().max_by_key(|second| second.pods_total).copied().unwrap_or_default();
        let last = seconds.last().copied().unwrap_or_default();
        Bin { from: second_of_row(run, from), to: second_of_row(run, to), worst, fullest, last }
    };
    (0..count).map(bin).collect()
}

/// Seconds since the release, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeAxis(pub(super) Window);

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

    pub(super) fn of(runs: &[(&Loaded, &Run)]) -> Self {
        let runs: Vec<_> = runs.iter().map(|(_, run)| *run).collect();
        Self(Window::of(&runs))
    }

    pub(super) fn x(self, second: i64) -> i32 {
        self.x_of_millis(second * 1000)
    }

    pub(super) fn x_of_millis(self, millis: i64) -> i32 {
        let (from, to, width) = (self.0.from * 1000, self.0.to * 1000, i64::from(RIGHT - LEFT));
        let x = (millis.clamp(from, to) - from) * width / (to - from);
        LEFT + i32::try_from(x).expect("within the picture")
    }

    pub(super) fn span(self, bin: &Bin) -> (i32, i32) {
        (self.x(bin.from), self.x(bin.to))
    }

    /// The unit of the labels and the distance of two of them in seconds.
    fn scale(self) -> (&'static Unit, i64) {
        let span = self.0.to - self.0.from;
        let steps = UNITS.iter().flat_map(|unit| unit.steps.iter().map(move |step| (unit, step * unit.seconds)));
        let longest = (&UNITS[2], span / Self::TICKS / 3600 * 3600 + 3600);
        steps.into_iter().find(|(_, step)| span / step < Self::TICKS).unwrap_or(longest)
    }

    pub(super) fn ticks(self) -> impl Iterator<Item = i64> {
        let (_, step) = self.scale();
        (self.0.from.div_euclid(step)..=self.0.to.div_euclid(step))
            .map(move |n| n * step)
            .filter(move |at| *at >= self.0.from)
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
        let note = match (self.0.cut_before, self.0.cut_after) {
            (false, false) => "",
            (true, false) => "; the steady time before is not drawn",
            (false, true) => "; the steady time after is not drawn",
            (true, true) => "; the steady time before and after is not drawn",
        };
        let name = format!("{} since the start of the release{note}", unit.name);
        let centre = (LEFT + RIGHT) / 2;
        canvas.text(&name, (centre, top + 28), Font::plain(FAINT).anchored(HPos::Center, VPos::Top));
    }
}

/// A diagram from 0 up to a round number.
pub(super) struct Panel {
    pub(super) top: i32,
    pub(super) height: i32,
    /// The highest value to be drawn.
    pub(super) most: u32,
    /// The scale ends there, without room for a label above.
    pub(super) full: bool,
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

    /// Ends a little above the highest value, for its label, unless that is the end of the scale by nature.
    pub(super) fn scale(&self) -> u32 {
        let step = self.step();
        let top = self.most.div_ceil(step).max(1) * step;
        if self.full {
            self.most
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
            let axis = TimeAxis(Window { from, to, cut_before: false, cut_after: false });
            let all: Vec<_> = axis.ticks().collect();
            assert!(all.len() <= 13 && all.iter().all(|tick| (from..=to).contains(tick)), "{all:?}");
            assert_eq!((all.len(), *all.last().expect("a tick"), axis.scale().0.name), (ticks, last, unit));
        }
    }

    #[test]
    fn scales_end_at_round_numbers_above_the_data() {
        let axis = TimeAxis(Window { from: 0, to: 100, cut_before: false, cut_after: false });
        for (most, height, full, step, scale) in [
            (0, 190, false, 1, 1),
            (25, 190, false, 5, 27),
            (37, 190, false, 10, 45),
            (100, 150, true, 20, 100),
            (100, 150, false, 20, 110),
            (250, 64, false, 200, 400),
            (13, 170, false, 5, 15),
        ] {
            let panel = Panel { top: 0, height, most, full, axis };
            assert_eq!((panel.step(), panel.scale()), (step, scale), "{most} on {height} px");
        }
    }
}
