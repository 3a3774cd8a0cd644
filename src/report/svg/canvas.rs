//! What the pictures are drawn on: whole pixels, text that is never measured.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) const INFALLIBLE: &str = "drawing into a string cannot fail";

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const FAINT: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
pub(super) const MARK: RGBColor = RGBColor(0x9a, 0x9a, 0x9a);
/// Never less than a sans-serif font takes at 12.5 px.
pub(super) fn text_width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).expect("a label is short") * 7
}

#[derive(Clone, Copy)]
pub(super) struct Font {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) colour: RGBColor,
    pub(super) anchor: Pos,
}

impl Font {
    pub(super) const fn plain(colour: RGBColor) -> Self {
        // `plotters` divides by 1.24 on the way to SVG: 12.5 px.
        Self { size: 15.5, bold: false, colour, anchor: Pos { h_pos: HPos::Left, v_pos: VPos::Top } }
    }

    pub(super) const fn strong() -> Self {
        Self { bold: true, ..Self::plain(INK) }
    }

    pub(super) const fn bold(size: f64) -> Self {
        Self { size, bold: true, ..Self::plain(INK) }
    }

    pub(super) const fn anchored(self, h_pos: HPos, v_pos: VPos) -> Self {
        Self { anchor: Pos { h_pos, v_pos }, ..self }
    }
}

/// Whole pixels from the upper left corner.
pub(super) struct Canvas<'a>(pub(super) DrawingArea<SVGBackend<'a>, Shift>);

impl Canvas<'_> {
    pub(super) fn text(&self, text: &str, at: (i32, i32), font: Font) {
        let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
        let style = ("sans-serif", font.size, style).into_font().color(&font.colour).pos(font.anchor);
        self.0.draw(&Text::new(text, at, style)).expect(INFALLIBLE);
    }

    pub(super) fn line(&self, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) {
        self.0.draw(&PathElement::new(points, colour.stroke_width(width))).expect(INFALLIBLE);
    }

    /// The second of two styles that black and white can tell apart.
    pub(super) fn dashes(&self, points: Vec<(i32, i32)>) {
        let colour = RGBColor(0xb0, 0x3a, 0x2e);
        for ends in points.windows(2) {
            let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
            let length = (x1 - x0).abs() + (y1 - y0).abs();
            // Steps run along the axes, so a part of the way is a part of one coordinate.
            let point = |at: i32| (x0 + (x1 - x0).signum() * at.min(length), y0 + (y1 - y0).signum() * at.min(length));
            for start in (0..length).step_by(9) {
                self.line(vec![point(start), point(start + 5)], colour, 2);
            }
        }
    }

    pub(super) fn polygon(&self, points: Vec<(i32, i32)>, colour: RGBColor) {
        self.0.draw(&Polygon::new(points, colour)).expect(INFALLIBLE);
    }

    pub(super) fn rectangle(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) {
        self.0.draw(&Rectangle::new([from, to], colour.filled())).expect(INFALLIBLE);
    }
}
