//! What the pictures of a sweep have in common: a page with a head, figures as short numbers, states as signs.

use super::canvas::{Canvas, FAINT, Font, INFALLIBLE, INK};
use crate::report::sweep::definition::Definition;
use crate::report::sweep::results::{Results, State};
use crate::report::{counted, grouped};
use crate::scenario::metric::Unit;
use crate::sweep::play::{FIGURES, figures};
use plotters::prelude::*;

pub(super) const WIDTH: i32 = 1200;
pub(super) const LEFT: i32 = 24;
pub(super) const RIGHT: i32 = 1176;
/// Where the drawing begins, below title and subtitle.
pub(super) const HEAD: i32 = 92;

/// A page of this height with the title of the sweep; `draw` does the rest.
pub(super) fn page(definition: &Definition, results: &Results, height: i32, draw: impl FnOnce(&Canvas)) -> String {
    let mut svg = String::new();
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
    canvas.rectangle((0, 0), (WIDTH, height), WHITE);
    canvas.text(&super::fit(&definition.title, 24.8), (LEFT, 12), Font::bold(24.8));
    let subtitle = format!(
        "sweep {}: {} × {}; {} safe ({}), {} not, {} could not run",
        definition.name,
        counted(results.cells.len() as u64, "cell"),
        counted(definition.seeds.len() as u64, "seed"),
        grouped(results.safe),
        results.meaning(),
        grouped(results.unsafe_),
        grouped(results.invalid),
    );
    canvas.text(&super::fit(&subtitle, 15.5), (LEFT, 42), Font::plain(FAINT));
    draw(&canvas);
    canvas.0.present().expect(INFALLIBLE);
    drop(canvas);
    svg
}

/// `ELB 5xx (requests)`.
pub(super) fn name(figure: usize) -> String {
    let name = FIGURES[figure];
    let label = crate::report::replications::label(name.strip_suffix(".count").unwrap_or(name));
    let is_share = figures()[figure].unit() == Unit::Share;
    if is_share { format!("{label} (%)") } else { label }
}

/// The number that is shown for a value of this figure: shares in percent.
pub(super) fn shown(figure: usize, value: f64) -> f64 {
    match figures()[figure].unit() {
        Unit::Share => value * 100.0,
        Unit::Number | Unit::Seconds | Unit::Milliseconds => value,
    }
}

/// Three significant digits: `0`, `0.04`, `12.5`, `840`, `1.2k`, `15k`, `2.5M`.
pub(super) fn short(value: f64) -> String {
    let digits = |value: f64| {
        let places = match value.abs() {
            v if v >= 100.0 => 0,
            v if v >= 10.0 => 1,
            v if v >= 0.1 => 2,
            _ => 4,
        };
        crate::report::decimal(value, places)
    };
    match value.abs() {
        v if v >= 999_500.0 => format!("{}M", digits(value / 1e6)),
        v if v >= 9_995.0 => format!("{}k", digits(value / 1e3)),
        v if v >= 999.5 => grouped(value.abs().round() as u64).replace(',', if value < 0.0 { "" } else { "," }),
        _ => digits(value),
    }
}

/// Round numbers from at most `least` to at least `most`, 0 among them; four to six lines.
pub(super) fn ticks(least: f64, most: f64) -> Vec<f64> {
    let least = least.min(0.0);
    let most = if most > least { most.max(0.0) } else { least + 1.0 };
    let rough = (most - least) / 4.0;
    let magnitude = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * magnitude);
    let step = steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    let (first, last) = ((least / step).floor() as i64, (most / step * 0.999_999).ceil() as i64);
    (first..=last).map(|number| number as f64 * step).collect()
}

/// A round disc is not safe, a ring is, a cross could not run.
pub(super) fn mark(canvas: &Canvas, (x, y): (i32, i32), state: State) {
    const RADIUS: i32 = 4;
    match state {
        State::Safe => {
            canvas.0.draw(&Circle::new((x, y), RADIUS, WHITE.filled())).expect(INFALLIBLE);
            canvas.0.draw(&Circle::new((x, y), RADIUS, INK.stroke_width(2))).expect(INFALLIBLE);
        }
        State::Unsafe => canvas.0.draw(&Circle::new((x, y), RADIUS, UNSAFE.filled())).expect(INFALLIBLE),
        State::Invalid => {
            canvas.line(vec![(x - RADIUS, y - RADIUS), (x + RADIUS, y + RADIUS)], INK, 2);
            canvas.line(vec![(x - RADIUS, y + RADIUS), (x + RADIUS, y - RADIUS)], INK, 2);
        }
    }
}

pub(super) const UNSAFE: RGBColor = RGBColor(0x99, 0x34, 0x04);

/// What the marks mean, at the right of the head.
pub(super) fn legend(canvas: &Canvas, y: i32) {
    let entries = [(State::Unsafe, "not safe"), (State::Safe, "safe"), (State::Invalid, "could not run")];
    let mut x = RIGHT - 330;
    for (state, label) in entries {
        mark(canvas, (x, y), state);
        canvas.text(label, (x + 10, y - 7), Font::plain(INK));
        x += super::canvas::text_width(label) + 34;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_ticks() {
        for (least, most, expected) in [
            (0.0, 1437.0, vec![0.0, 500.0, 1000.0, 1500.0]),
            (0.0, 92.0, vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (0.0, 0.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (0.0, 4.0, vec![0.0, 1.0, 2.0, 3.0, 4.0]),
            (-30.0, 70.0, vec![-50.0, -25.0, 0.0, 25.0, 50.0, 75.0]),
        ] {
            assert_eq!(ticks(least, most), expected, "{least} to {most}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.0412, "0.0412"),
            (12.54, "12.5"),
            (840.2, "840"),
            (1234.0, "1,234"),
            (15_040.0, "15k"),
            (123_456.0, "123k"),
            (2_540_000.0, "2.54M"),
            (-3.456, "-3.46"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn every_figure_has_a_name_with_its_unit() {
        let names: Vec<_> = (0..FIGURES.len()).map(name).collect();
        for expected in ["ELB 5xx (requests)", "share failing within them (%)", "extra pod-seconds", "latency p99 (ms)"]
        {
            assert!(names.iter().any(|name| name == expected), "{expected} is not in {names:?}");
        }
        assert!(names.iter().all(|name| !name.contains('_')), "{names:?}");
    }
}
