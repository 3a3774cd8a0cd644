//! One axis: a diagram per figure, with the mean over the seeds, their p95, and the band from the least to the most.

use super::canvas::{Canvas, FAINT, Font, GRID, INK, text_width};
use super::page::{HEAD, LEFT, RIGHT, legend, mark, name, page, short, shown, ticks};
use crate::report::sweep::definition::Definition;
use crate::report::sweep::names;
use crate::report::sweep::results::{Point, Results, State};
use crate::report::sweep::table::{self, Statistics};
use crate::sweep::axis::Axis;
use crate::sweep::design::Design;
use crate::sweep::quantity::parse_all;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

const PANEL: i32 = 170;
const GAP: i32 = 44;
const BAND: RGBColor = RGBColor(0xfe, 0xe3, 0x91);

pub(in crate::report) fn draw(definition: &Definition, design: &Design, results: &Results) -> String {
    let axis = &design.axes()[0];
    let panels = i32::try_from(results.figures.len()).expect("a few figures");
    let height = HEAD + panels * (PANEL + GAP) + 40;
    let places = Places::of(axis);
    page(definition, results, height, |canvas| {
        legend(canvas, HEAD - 14);
        let text = "line: mean of the seeds; dashes: p95; band: least to most";
        canvas.text(text, (LEFT, HEAD - 21), Font::plain(FAINT));
        let mut top = HEAD + 26;
        for (place, figure) in results.figures.iter().enumerate() {
            let most = results.cells.iter().filter_map(|cell| Some(cell.figures.get(place)?.max)).fold(0.0, f64::max);
            let least = results.cells.iter().filter_map(|cell| Some(cell.figures.get(place)?.min)).fold(0.0, f64::min);
            let ticks = ticks(shown(*figure, least), shown(*figure, most));
            let panel = Panel { top, figure: *figure, place, ticks };
            panel.draw(canvas, &places, &results.cells);
            top += PANEL + GAP;
        }
        places.labels(canvas, top - GAP, &names::of_axes(design)[0]);
    })
}

/// Where the values of the axis stand: by their size if they are numbers, else one after the other.
struct Places {
    x: Vec<i32>,
    labels: Vec<String>,
}

const PLOT_LEFT: i32 = LEFT + 66;
const PLOT_RIGHT: i32 = RIGHT - 20;

impl Places {
    fn of(axis: &Axis) -> Self {
        let count = axis.count().unwrap_or(0);
        let labels: Vec<String> = (0..count).map(|index| table::joined(axis.values(index))).collect();
        let texts: Vec<&str> = labels.iter().map(String::as_str).collect();
        let numbers: Vec<f64> = match parse_all(&texts) {
            Ok((numbers, _)) => {
                let place = |number: f64| if axis.is_logarithmic() { libm::log(number) } else { number };
                numbers.iter().map(|number| place(number.to_f64())).collect()
            }
            Err(_) => (0..count).map(|index| index as f64).collect(),
        };
        let (least, most) =
            (numbers.iter().copied().fold(f64::MAX, f64::min), numbers.iter().copied().fold(f64::MIN, f64::max));
        let x = |number: &f64| match most > least {
            true => PLOT_LEFT + (f64::from(PLOT_RIGHT - PLOT_LEFT) * (number - least) / (most - least)).round() as i32,
            false => i32::midpoint(PLOT_LEFT, PLOT_RIGHT),
        };
        Self { x: numbers.iter().map(x).collect(), labels }
    }

    fn labels(&self, canvas: &Canvas, top: i32, name: &str) {
        let mut taken: Vec<(i32, i32)> = Vec::new();
        for (x, label) in self.x.iter().zip(&self.labels) {
            let half = text_width(label) / 2;
            if taken.iter().all(|(from, to)| x + half + 8 < *from || to + 8 < x - half) {
                canvas.text(label, (*x, top + 6), Font::plain(INK).anchored(HPos::Center, VPos::Top));
                taken.push((x - half, x + half));
            }
        }
        let centre = (i32::midpoint(PLOT_LEFT, PLOT_RIGHT), top + 26);
        canvas.text(name, centre, Font::plain(FAINT).anchored(HPos::Center, VPos::Top));
    }
}

struct Panel {
    top: i32,
    /// Of all figures of a sweep.
    figure: usize,
    /// In `Point::figures`.
    place: usize,
    /// The lines across, in the figure's unit: the scale begins at the first and ends at the last.
    ticks: Vec<f64>,
}

impl Panel {
    fn y(&self, value: f64) -> i32 {
        let (least, most) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        let part = (shown(self.figure, value) - least) / (most - least);
        self.top + PANEL - (f64::from(PANEL - 8) * part).round() as i32
    }

    fn draw(&self, canvas: &Canvas, places: &Places, cells: &[Point]) {
        canvas.text(&name(self.figure), (PLOT_LEFT, self.top - 22), Font::strong());
        for tick in &self.ticks {
            let y = self.y(tick / shown(self.figure, 1.0));
            canvas.line(vec![(PLOT_LEFT, y), (PLOT_RIGHT, y)], if *tick == 0.0 { INK } else { GRID }, 1);
            let font = Font::plain(INK).anchored(HPos::Right, VPos::Center);
            canvas.text(&short(*tick), (PLOT_LEFT - 10, y), font);
        }
        let mut points: Vec<(i32, Statistics, State)> = Vec::new();
        let mut invalid: Vec<i32> = Vec::new();
        for (x, cell) in places.x.iter().zip(cells) {
            match cell.figures.get(self.place) {
                Some(figure) => points.push((*x, *figure, cell.state)),
                None => invalid.push(*x),
            }
        }
        invalid.sort_unstable();
        invalid.dedup();
        for x in invalid {
            mark(canvas, (x, self.top + PANEL), State::Invalid);
        }
        points.sort_by_key(|(x, ..)| *x);
        let points = one_per_pixel(&points);
        let path = |value: fn(&Statistics) -> f64| -> Vec<(i32, i32)> {
            points.iter().map(|(x, figure, _)| (*x, self.y(value(figure)))).collect()
        };
        if points.len() > 1 {
            let mut band = path(|figure| figure.max);
            band.extend(path(|figure| figure.min).into_iter().rev());
            canvas.polygon(band, BAND);
            dashed(canvas, &path(|figure| figure.p95));
            canvas.line(path(|figure| figure.mean), INK, 2);
        }
        for (x, figure, state) in &points {
            if points.len() == 1 {
                canvas.line(vec![(*x, self.y(figure.min)), (*x, self.y(figure.max))], INK, 2);
            }
            mark(canvas, (*x, self.y(figure.mean)), *state);
        }
    }
}

/// Cells that fall on one pixel, as one: the mean of their means, the least and the most of all, and not safe if one of them
/// is not.
fn one_per_pixel(points: &[(i32, Statistics, State)]) -> Vec<(i32, Statistics, State)> {
    let join = |group: &[(i32, Statistics, State)]| {
        let (x, first, _) = group[0];
        let most =
            |value: fn(&Statistics) -> f64| group.iter().map(|(_, figure, _)| value(figure)).fold(f64::MIN, f64::max);
        let figure = Statistics {
            mean: group.iter().map(|(_, figure, _)| figure.mean).sum::<f64>() / group.len() as f64,
            min: group.iter().map(|(_, figure, _)| figure.min).fold(first.min, f64::min),
            p95: most(|figure| figure.p95),
            max: most(|figure| figure.max),
        };
        let is_safe = group.iter().all(|(.., state)| *state == State::Safe);
        (x, figure, if is_safe { State::Safe } else { State::Unsafe })
    };
    points.chunk_by(|a, b| a.0 == b.0).map(join).collect()
}

/// Dashes of equal length along slanted lines.
fn dashed(canvas: &Canvas, points: &[(i32, i32)]) {
    for ends in points.windows(2) {
        let (from, to) = (ends[0], ends[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = (dx * dx + dy * dy).sqrt();
        let at = |way: f64| {
            let part = (way / length).min(1.0);
            (from.0 + (dx * part).round() as i32, from.1 + (dy * part).round() as i32)
        };
        let mut way = 0.0;
        while way < length {
            canvas.line(vec![at(way), at(way + 6.0)], super::page::UNSAFE, 2);
            way += 11.0;
        }
    }
}
