//! A sample: for each axis a cloud of points, one for each cell, over the values that the axis took.

use super::canvas::{Canvas, FAINT, Font, GRID, INK};
use super::page::{HEAD, LEFT, RIGHT, legend, mark, name, page, short, shown, ticks};
use crate::report::sweep::definition::Definition;
use crate::report::sweep::names;
use crate::report::sweep::results::Results;
use crate::sweep::design::Design;
use crate::sweep::quantity::parse_all;
use plotters::style::text_anchor::{HPos, VPos};

const PANEL: i32 = 200;
const GAP: i32 = 64;

pub(in crate::report) fn draw(definition: &Definition, design: &Design, results: &Results) -> String {
    let keys = names::of_keys(design);
    let rows = i32::try_from(keys.len().div_ceil(2)).expect("a handful of axes");
    let height = HEAD + 26 + rows * (PANEL + GAP);
    let values: Vec<Vec<String>> = results.cells.iter().map(|cell| design.values(cell.cell)).collect();
    let most = results.cells.iter().filter_map(|cell| Some(cell.figures.first()?.mean)).fold(0.0, f64::max);
    page(definition, results, height, |canvas| {
        legend(canvas, HEAD - 14);
        let title = format!("{}, mean of the seeds", name(results.figures[0]));
        canvas.text(&title, (LEFT, HEAD - 21), Font::strong());
        for (number, key) in keys.iter().enumerate() {
            let place = i32::try_from(number).expect("a handful of axes");
            let width = (RIGHT - LEFT - 40) / 2;
            let left = LEFT + (place % 2) * (width + 40) + 60;
            let panel = Panel {
                left,
                right: left + width - 70,
                top: HEAD + 26 + (place / 2) * (PANEL + GAP),
                ticks: ticks(0.0, shown(results.figures[0], most)),
                key,
            };
            let own: Vec<&str> = values.iter().map(|values| values[number].as_str()).collect();
            panel.draw(canvas, &own, results);
        }
    })
}

struct Panel<'a> {
    left: i32,
    right: i32,
    top: i32,
    ticks: Vec<f64>,
    key: &'a str,
}

impl Panel<'_> {
    fn draw(&self, canvas: &Canvas, values: &[&str], results: &Results) {
        let (least, most) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        let y =
            |value: f64| self.top + PANEL - (f64::from(PANEL - 8) * (value - least) / (most - least)).round() as i32;
        for tick in &self.ticks {
            canvas.line(vec![(self.left, y(*tick)), (self.right, y(*tick))], if *tick == 0.0 { INK } else { GRID }, 1);
            let font = Font::plain(INK).anchored(HPos::Right, VPos::Center);
            canvas.text(&short(*tick), (self.left - 8, y(*tick)), font);
        }
        let mut kinds: Vec<&str> = values.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        let numbers: Vec<f64> = match parse_all(values) {
            Ok((numbers, _)) => numbers.iter().map(|number| number.to_f64()).collect(),
            Err(_) => {
                values.iter().map(|value| kinds.iter().position(|kind| kind == value).unwrap_or(0) as f64).collect()
            }
        };
        let (least, most) = numbers.iter().fold((f64::MAX, f64::MIN), |(least, most), n| (least.min(*n), most.max(*n)));
        let x = |number: f64| match most > least {
            true => {
                self.left
                    + 8
                    + (f64::from(self.right - self.left - 16) * (number - least) / (most - least)).round() as i32
            }
            false => i32::midpoint(self.left, self.right),
        };
        for (number, cell) in numbers.iter().zip(&results.cells) {
            let height = cell.figures.first().map_or(0.0, |figure| shown(results.figures[0], figure.mean));
            mark(canvas, (x(*number), y(height)), cell.state);
        }
        let ends = |wanted: f64| numbers.iter().position(|number| *number == wanted).map(|index| values[index]);
        let bottom = self.top + PANEL + 8;
        if let (Some(first), Some(last)) = (ends(least), ends(most)) {
            canvas.text(first, (self.left, bottom), Font::plain(INK));
            if first != last {
                canvas.text(last, (self.right, bottom), Font::plain(INK).anchored(HPos::Right, VPos::Top));
            }
        }
        let centre = (i32::midpoint(self.left, self.right), bottom);
        canvas.text(self.key, centre, Font::plain(FAINT).anchored(HPos::Center, VPos::Top));
    }
}
