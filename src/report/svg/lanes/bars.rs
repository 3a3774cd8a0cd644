//! What lasts, as bars: one after the other on as few tracks as their labels allow.

use super::super::LAG;
use super::super::canvas::{Canvas, FAINT, Font, INK, MARK, text_width};
use super::super::panel::{LEFT, RIGHT};
use super::story::{Look, Span};
use crate::units::Instant;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

pub(super) const WORK: RGBColor = RGBColor(0x8f, 0xbf, 0xe6);
const ROUTE: RGBColor = RGBColor(0xa4, 0xd6, 0xcf);
const STEP: RGBColor = RGBColor(0xe6, 0xec, 0xf3);
const ALARM: RGBColor = RGBColor(0xf4, 0xa7, 0x72);
/// The height of a track.
pub(super) const TRACK: i32 = 20;
/// More things at once lie over each other.
const TRACKS: usize = 3;
/// Bars of one kind nearer than this are one, if one of them is this narrow.
const NEXT_BAR: i32 = 5;
const NARROW: i32 = 12;

/// A span, or several that lie too close to be told apart.
pub(super) struct Bar {
    pub left: i32,
    pub right: i32,
    pub track: usize,
    look: Look,
    /// With where it begins.
    label: Option<(i32, String)>,
    /// The spans, by their numbers in the lane.
    pub members: Vec<usize>,
}

impl Bar {
    pub(super) fn draw(&self, canvas: &Canvas, top: i32, ground: RGBColor) {
        let (above, below) = (top + 1, top + TRACK - 2);
        let right = self.right.max(self.left + 2);
        canvas.rectangle((self.left, above), (right, below), self.look.colour());
        let frame = vec![(self.left, above), (right, above), (right, below), (self.left, below), (self.left, above)];
        canvas.line(frame, if self.look == Look::Step { MARK } else { FAINT }, 1);
        if let Some((left, label)) = &self.label {
            if *left >= right || *left < self.left {
                canvas.rectangle((left - 1, above), (left + text_width(label), below), ground);
            }
            let y = i32::midpoint(above, below);
            canvas.text(label, (*left, y), Font::plain(INK).anchored(HPos::Left, VPos::Center));
        }
    }
}

impl Look {
    fn colour(self) -> RGBColor {
        match self {
            Self::Step => STEP,
            Self::Work => WORK,
            Self::Wait => LAG,
            Self::Alarm => ALARM,
            Self::Route => ROUTE,
        }
    }
}

/// One after the other on as few tracks as their labels allow.
pub(super) fn bars(spans: &[Span], x: impl Fn(Instant) -> i32) -> Vec<Bar> {
    let mut groups: Vec<(i32, i32, Vec<usize>)> = vec![];
    for (index, span) in spans.iter().enumerate() {
        let (left, right) = (x(span.from), x(span.to));
        let is_near = |(from, to, members): &&mut (i32, i32, Vec<usize>)| {
            let other = &spans[members[0]];
            let is_alike = span.look != Look::Step && (other.look, &other.name) == (span.look, &span.name);
            is_alike && left - *to < NEXT_BAR && (right - left).min(*to - *from) < NARROW
        };
        match groups.iter_mut().rev().find(is_near) {
            Some((_, to, members)) => {
                *to = right.max(*to);
                members.push(index);
            }
            None => groups.push((left, right, vec![index])),
        }
    }
    let mut taken: Vec<Vec<(i32, i32)>> = vec![vec![]; TRACKS];
    let mut bars: Vec<Bar> = vec![];
    for (left, right, members) in groups {
        let (bar, (from, to)) = fitting(&taken, (left, right), (spans, members));
        taken[bar.track].push((from, to));
        // Where nothing fits any more a bar is worth more than a label beside another one.
        for other in bars.iter_mut().filter(|other| other.track == bar.track) {
            let ends = |(left, label): &(i32, String)| (*left, left + text_width(label));
            let is_hidden = |label: &(i32, String)| ends(label).0 < to.max(from + 2) && from < ends(label).1;
            other.label = other.label.take().filter(|label| !is_hidden(label));
        }
        bars.push(bar);
    }
    bars
}

/// Inside of the bar or beside it, in full or in short: whatever has room on the first track that has some. Also the room
/// that it takes.
fn fitting(taken: &[Vec<(i32, i32)>], (left, right): (i32, i32), of: (&[Span], Vec<usize>)) -> (Bar, (i32, i32)) {
    const PAD: i32 = 4;
    let (spans, members) = of;
    let span = &spans[members[0]];
    let labels = match members.len() {
        1 => {
            let weight = span.name.strip_prefix("setWeight ").map(|weight| format!("{weight} %"));
            let full = format!("{} {}", span.name, span.detail).trim_end().to_owned();
            [Some(full), Some(span.name.clone()), weight].into_iter().flatten().collect()
        }
        count => vec![format!("{} ×{count}", span.name)],
    };
    let is_step = span.look == Look::Step;
    let mut places = vec![];
    for label in labels {
        let width = text_width(&label);
        if width + 2 * PAD <= right - left {
            places.push((Some((left + PAD, label)), (left, right)));
        } else if !is_step && right + PAD + width <= RIGHT {
            places.push((Some((right + PAD, label)), (left, right + PAD + width)));
        } else if !is_step && left - PAD - width >= LEFT {
            places.push((Some((left - PAD - width, label)), (left - PAD - width, right)));
        }
    }
    places.push((None, (left, right)));
    let look = span.look;
    let tracks = if is_step { 1 } else { TRACKS };
    for (label, (from, to)) in &places {
        // A label inside may begin where the bar before it ends.
        let gap = if (*from, *to) == (left, right) { 0 } else { PAD };
        let is_free = |track: &usize| taken[*track].iter().all(|(a, b)| *b + gap <= *from || *to + gap <= *a);
        if let Some(track) = (0..tracks).find(is_free) {
            return (Bar { left, right, track, look, label: label.clone(), members }, (*from, *to));
        }
    }
    (Bar { left, right, track: tracks - 1, look, label: None, members }, (left, right))
}
