//! Two axes as a heat map, with the border between safe and not safe; more axes as several heat maps on one scale.

use super::canvas::{Canvas, FAINT, Font, INK, text_width};
use super::page::{HEAD, LEFT, RIGHT, name, page, short, shown};
use crate::report::sweep::definition::Definition;
use crate::report::sweep::results::{Point, Results, State};
use crate::report::sweep::{names, table};
use crate::sweep::axis::Axis;
use crate::sweep::design::Design;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

/// Pixels at the left of a map.
const LONGEST_LABEL: i32 = 240;

/// Maps on one page; more would be too small to read.
const MAPS: usize = 12;

pub(in crate::report) fn draw(definition: &Definition, design: &Design, results: &Results) -> String {
    let axes = design.axes();
    let (outer, inner) = axes.split_at(axes.len() - 2);
    let size = |axis: &Axis| usize::try_from(axis.count().unwrap_or(1)).unwrap_or(usize::MAX);
    let (rows, columns) = (size(&inner[0]), size(&inner[1]));
    let maps: Vec<&[Point]> = results.cells.chunks(rows * columns).collect();
    let drawn = maps.len().min(MAPS);
    let across = if drawn == 1 { 1 } else { 2 };
    let labels = Labels::of(inner, &names::of_axes(design)[outer.len()..]);
    let width = (RIGHT - LEFT - (across - 1) * 30) / across;
    let cell_height = (480 / across / i32::try_from(rows).unwrap_or(i32::MAX)).clamp(2, 34);
    let map_height = cell_height * i32::try_from(rows).expect("a page of rows");
    let block = 26 + map_height + 58;
    let lines = i32::try_from(drawn.div_ceil(across.unsigned_abs() as usize)).expect("a few");
    let height = HEAD + 24 + lines * block + 24;
    let figure = results.figures[0];
    let most = results.cells.iter().filter_map(|cell| Some(cell.figures.first()?.mean)).fold(0.0, f64::max);
    let scale = Scale { figure, most, has_invalid: results.invalid > 0 };
    page(definition, results, height, |canvas| {
        scale.draw(canvas);
        for (number, points) in maps.iter().take(drawn).enumerate() {
            let number = i32::try_from(number).expect("a few");
            let left = LEFT + (number % across) * (width + 30) + labels.left;
            let top = HEAD + 24 + (number / across) * block + 26;
            let right = LEFT + (number % across) * (width + 30) + width;
            let map = Map { left, top, right, cell_height, rows, columns };
            if !outer.is_empty() {
                let cell = points.first().map_or(0, |point| point.cell);
                let keys = outer.iter().flat_map(Axis::keys).count();
                let title = names::label(&results.names[..keys], &design.values(cell));
                canvas.text(&title, (left, top - 20), Font::strong());
            }
            map.fill(canvas, &scale, points);
            map.border(canvas, points);
            map.axes(canvas, &labels);
        }
        if drawn < maps.len() {
            let note = format!("{} of {} maps; all cells are in cells.csv", drawn, maps.len());
            canvas.text(&note, (LEFT, height - 22), Font::plain(FAINT));
        }
    })
}

/// What stands at the two axes.
struct Labels {
    down: Vec<String>,
    right: Vec<String>,
    down_name: String,
    right_name: String,
    /// Room for the labels of the rows.
    left: i32,
}

impl Labels {
    fn of(axes: &[Axis], names: &[String]) -> Self {
        let values = |axis: &Axis| -> Vec<String> {
            (0..axis.count().unwrap_or(0)).map(|index| table::joined(axis.values(index))).collect()
        };
        let down_values: Vec<_> = values(&axes[0]).iter().map(|label| cut(label)).collect();
        let right_values = values(&axes[1]);
        let widest = down_values.iter().map(|label| text_width(label)).max().unwrap_or(0);
        Self {
            down: down_values,
            right: right_values,
            down_name: names[0].clone(),
            right_name: names[1].clone(),
            left: widest + 14,
        }
    }
}

/// A label of a row, with an end that fits the margin.
fn cut(label: &str) -> String {
    match text_width(label) > LONGEST_LABEL {
        true => {
            let fits =
                |length: &usize| text_width(&label.chars().take(*length).collect::<String>()) <= LONGEST_LABEL - 12;
            let length = (0..label.chars().count()).rev().find(fits).unwrap_or(0);
            label.chars().take(length).chain(['…']).collect()
        }
        false => label.to_owned(),
    }
}

/// From white for 0 to dark for the most: lighter is less, also in black and white. ColorBrewer's YlOrBr, which people
/// with any colour vision can order.
#[derive(Clone, Copy)]
struct Scale {
    figure: usize,
    most: f64,
    has_invalid: bool,
}

const STOPS: [RGBColor; 8] = [
    RGBColor(0xff, 0xf7, 0xbc),
    RGBColor(0xfe, 0xe3, 0x91),
    RGBColor(0xfe, 0xc4, 0x4f),
    RGBColor(0xfe, 0x99, 0x29),
    RGBColor(0xec, 0x70, 0x14),
    RGBColor(0xcc, 0x4c, 0x02),
    RGBColor(0x99, 0x34, 0x04),
    RGBColor(0x66, 0x25, 0x06),
];
const NOTHING: RGBColor = RGBColor(0xd0, 0xd0, 0xd0);

impl Scale {
    fn stop(self, value: f64) -> Option<usize> {
        let part = value / self.most;
        (value > 0.0).then(|| ((part * STOPS.len() as f64) as usize).min(STOPS.len() - 1))
    }

    fn colour(self, value: f64) -> RGBColor {
        self.stop(value).map_or(WHITE, |stop| STOPS[stop])
    }

    fn ink(self, value: f64) -> RGBColor {
        if self.stop(value).is_some_and(|stop| stop >= 5) { WHITE } else { INK }
    }

    fn draw(self, canvas: &Canvas) {
        let (y, step) = (HEAD - 14, 44);
        let title = format!("{}, mean of the seeds", name(self.figure));
        canvas.text(&title, (LEFT, y), Font::strong());
        let mut x = LEFT + text_width(&title) + 30;
        let mut swatch = |colour, label: &str| {
            canvas.rectangle((x, y), (x + step, y + 14), colour);
            canvas.line(vec![(x, y), (x + step, y), (x + step, y + 14), (x, y + 14), (x, y)], INK, 1);
            canvas.text(label, (x, y + 17), Font::plain(INK));
            x += step;
        };
        swatch(WHITE, "0");
        if self.most > 0.0 {
            for (stop, colour) in STOPS.into_iter().enumerate() {
                let from = self.most * stop as f64 / STOPS.len() as f64;
                swatch(
                    colour,
                    &if stop % 2 == 0 && stop > 0 { short(shown(self.figure, from)) } else { String::new() },
                );
            }
            canvas.text(&short(shown(self.figure, self.most)), (x, y + 17), Font::plain(INK));
        }
        x += 60;
        corner(canvas, (x, y + 13), INK);
        canvas.text("not safe", (x + 14, y), Font::plain(INK));
        canvas.line(vec![(x + 90, y + 7), (x + 124, y + 7)], INK, 4);
        canvas.text("border of the safe cells", (x + 132, y), Font::plain(INK));
        if self.has_invalid {
            let (from, to) = ((x + 310, y), (x + 330, y + 14));
            canvas.rectangle(from, to, NOTHING);
            canvas.line(vec![from, to], INK, 1);
            canvas.line(vec![(from.0, to.1), (to.0, from.1)], INK, 1);
            canvas.text("could not run", (x + 338, y), Font::plain(INK));
        }
    }
}

/// The sign of a cell that is not safe: the border alone does not say which side is which.
fn corner(canvas: &Canvas, (x, y): (i32, i32), ink: RGBColor) {
    canvas.polygon(vec![(x, y), (x + 8, y), (x, y - 8)], ink);
}

/// Where one map lies.
struct Map {
    left: i32,
    top: i32,
    right: i32,
    cell_height: i32,
    rows: usize,
    columns: usize,
}

impl Map {
    fn x(&self, column: usize) -> i32 {
        let part = column as f64 / self.columns as f64;
        self.left + (f64::from(self.right - self.left) * part).round() as i32
    }

    fn y(&self, row: usize) -> i32 {
        self.top + self.cell_height * i32::try_from(row).expect("a page of rows")
    }

    fn bottom(&self) -> i32 {
        self.y(self.rows)
    }

    fn fill(&self, canvas: &Canvas, scale: &Scale, points: &[Point]) {
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        // Numbers in all cells or in none: the widest must fit.
        let label = |point: &Point| point.figures.first().map(|figure| short(shown(scale.figure, figure.mean)));
        let widest = points.iter().filter_map(label).map(|label| text_width(&label)).max().unwrap_or(0);
        let has_room = widest + 6 <= (self.right - self.left) / i32::try_from(self.columns).unwrap_or(i32::MAX)
            && self.cell_height >= 15;
        let colour_of = |point: &Point| point.figures.first().map_or(NOTHING, |figure| scale.colour(figure.mean));
        let mut before: Option<(usize, usize, RGBColor)> = None;
        for ((row, column), point) in places.zip(points) {
            let (from, to) = ((self.x(column), self.y(row)), (self.x(column + 1), self.y(row + 1)));
            let colour = colour_of(point);
            // Neighbours of one colour are one rectangle, and white ones none: a large map stays a small file.
            let start = match before {
                Some((same_row, start, same)) if same_row == row && same == colour => start,
                Some(_) | None => column,
            };
            before = Some((row, start, colour));
            let goes_on = column + 1 < self.columns && {
                points.get(row * self.columns + column + 1).is_some_and(|next| colour_of(next) == colour)
            };
            let start = (self.x(start), from.1);
            if !goes_on && colour != WHITE {
                canvas.rectangle(start, to, colour);
            }
            if !goes_on && colour == NOTHING {
                canvas.line(vec![start, to], INK, 1);
                canvas.line(vec![(start.0, to.1), (to.0, start.1)], INK, 1);
            }
        }
        for (place, point) in points.iter().enumerate() {
            let (row, column) = (place / self.columns, place % self.columns);
            if point.state == State::Unsafe && self.x(column + 1) - self.x(column) >= 16 && self.cell_height >= 12 {
                let ink = point.figures.first().map_or(INK, |figure| scale.ink(figure.mean));
                corner(canvas, (self.x(column), self.y(row + 1)), ink);
            }
            if !has_room {
                continue;
            }
            let centre =
                (i32::midpoint(self.x(column), self.x(column + 1)), i32::midpoint(self.y(row), self.y(row + 1)));
            if let (Some(figure), Some(label)) = (point.figures.first(), label(point)) {
                let font = Font::plain(scale.ink(figure.mean)).anchored(HPos::Center, VPos::Center);
                canvas.text(&label, centre, font);
            }
        }
        let (left, right, top, bottom) = (self.left, self.right, self.top, self.bottom());
        canvas.line(vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], INK, 1);
    }

    /// Between every safe cell and a neighbour that is not.
    fn border(&self, canvas: &Canvas, points: &[Point]) {
        let is_safe =
            |row: usize, column: usize| points.get(row * self.columns + column).map(|point| point.state == State::Safe);
        for row in 0..self.rows {
            for column in 0..self.columns {
                if column + 1 < self.columns && is_safe(row, column) != is_safe(row, column + 1) {
                    let x = self.x(column + 1);
                    canvas.line(vec![(x, self.y(row)), (x, self.y(row + 1))], INK, 4);
                }
                if row + 1 < self.rows && is_safe(row, column) != is_safe(row + 1, column) {
                    let y = self.y(row + 1);
                    canvas.line(vec![(self.x(column), y), (self.x(column + 1), y)], INK, 4);
                }
            }
        }
    }

    fn axes(&self, canvas: &Canvas, labels: &Labels) {
        let right_font = Font::plain(INK).anchored(HPos::Right, VPos::Center);
        let mut free = i32::MIN;
        for (row, label) in labels.down.iter().enumerate() {
            let y = i32::midpoint(self.y(row), self.y(row + 1));
            if y - 7 >= free {
                canvas.text(label, (self.left - 6, y), right_font);
                free = y + 8;
            }
        }
        let mut free = i32::MIN;
        for (column, label) in labels.right.iter().enumerate() {
            let x = i32::midpoint(self.x(column), self.x(column + 1));
            let half = text_width(label) / 2;
            if x - half >= free {
                let font = Font::plain(INK).anchored(HPos::Center, VPos::Top);
                canvas.text(label, (x, self.bottom() + 5), font);
                free = x + half + 10;
            }
        }
        let font = Font::plain(FAINT).anchored(HPos::Right, VPos::Top);
        canvas.text(&format!("{} →", labels.right_name), (self.right, self.bottom() + 23), font);
        let name = Font::plain(FAINT);
        canvas.text(&format!("↓ {}", labels.down_name), (self.left - labels.left, self.bottom() + 23), name);
    }
}
