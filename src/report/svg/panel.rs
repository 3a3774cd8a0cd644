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

pub(super) fn bins(run: &Run, axis: TimeAxis) -> Vec<Bin> {
    let rows = run.seconds.len();
    let (first, last) = (second_of_row(run, 0), second_of_row(run, rows));
    let pixels = usize::try_from(axis.x(last) - axis.x(first)).expect("time runs to the right");
    let count = rows.min(pixels.max(1));
    let bin = |index: usize| {
        let (from, to) = (index * rows / count, (index + 1) * rows / count);
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
#[derive(Clone, Copy)]
pub(super) struct TimeAxis {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl TimeAxis {
    pub(super) fn of(runs: &[(&Loaded, &Run)]) -> Self {
        let from = runs.iter().map(|(_, run)| second_of_row(run, 0)).min().unwrap_or(0);
        let to = runs.iter().map(|(_, run)| second_of_row(run, run.seconds.len())).max().unwrap_or(1);
        Self { from, to: to.max(from + 1) }
    }

    pub(super) fn x(self, second: i64) -> i32 {
        let width = i64::from(RIGHT - LEFT);
        let x = (second.clamp(self.from, self.to) - self.from) * width / (self.to - self.from);
        LEFT + i32::try_from(x).expect("within the picture")
    }

    pub(super) fn span(self, bin: &Bin) -> (i32, i32) {
        (self.x(bin.from), self.x(bin.to))
    }

    /// Round numbers of seconds, minutes, hours; at most 13 of them.
    pub(super) fn ticks(self) -> impl Iterator<Item = i64> {
        const STEPS: [i64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400];
        let span = self.to - self.from;
        let step = STEPS.into_iter().find(|step| span / step <= 12).unwrap_or(span / 12);
        (self.from.div_euclid(step)..=self.to.div_euclid(step))
            .map(move |n| n * step)
            .filter(move |at| *at >= self.from)
    }

    pub(super) fn labels(self, canvas: &Canvas, top: i32) {
        let top = top - Layout::GAP;
        for tick in self.ticks() {
            let x = self.x(tick);
            canvas.line(vec![(x, top), (x, top + 5)], INK, 1);
            let sign = if tick < 0 { "−" } else { "" };
            let label = format!("{sign}{}", grouped(tick.unsigned_abs()));
            canvas.text(&label, (x, top + 8), Font::plain(INK).anchored(HPos::Center, VPos::Top));
        }
        let centre = (LEFT + RIGHT) / 2;
        canvas.text(
            "seconds since the start of the release",
            (centre, top + 28),
            Font::plain(FAINT).anchored(HPos::Center, VPos::Top),
        );
    }
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
