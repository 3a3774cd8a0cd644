//! `timeline.svg`: what failed, over the weight asked for and the weight in force, over the pods, on one time axis.
//!
//! Drawn on whole pixels and without measuring a font, so the bytes are the same everywhere. Fills differ in luminance:
//! the picture can be printed in black and white.

use super::{grouped, second_of_row, secs_since_release, weight_effective};
use crate::run::{Run, Second};
use crate::scenario::Loaded;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: i32 = 1200;
const LEFT: i32 = 76;
const RIGHT: i32 = 1180;

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FAINT: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
const MARK: RGBColor = RGBColor(0x9a, 0x9a, 0x9a);
/// Requested, but not yet in force.
const LAG: RGBColor = RGBColor(0xf3, 0xdf, 0xa6);

/// What is drawn from the bottom up.
struct Layer {
    name: &'static str,
    colour: RGBColor,
    value: fn(&Second) -> u32,
}

const ERRORS: [Layer; 3] = [
    Layer { name: "502", colour: RGBColor(0x8c, 0x10, 0x1c), value: |second| second.elb_502 },
    Layer { name: "503", colour: RGBColor(0xe8, 0x7a, 0x1d), value: |second| second.elb_503 },
    Layer { name: "504", colour: RGBColor(0xf8, 0xd0, 0x8a), value: |second| second.elb_504 },
];

const PODS: [Layer; 4] = [
    Layer { name: "stable, serving", colour: RGBColor(0x17, 0x35, 0x5a), value: |second| second.stable_serving.into() },
    Layer { name: "canary, serving", colour: RGBColor(0x8f, 0xbf, 0xe6), value: |second| second.canary_serving.into() },
    Layer { name: "terminating", colour: RGBColor(0x77, 0x7d, 0x85), value: |second| second.terminating.into() },
    Layer { name: "starting", colour: RGBColor(0xf6, 0xee, 0xd2), value: starting },
];

/// Created, but neither ready nor deleted.
fn starting(second: &Second) -> u32 {
    let others = second.stable_serving + second.canary_serving + second.terminating;
    second.pods_total.saturating_sub(others).into()
}

/// One run fills the picture with three panels; several share one time axis, with two panels each.
pub fn timeline(runs: &[(&Loaded, &Run)]) -> String {
    let mut svg = String::new();
    let layout = if runs.len() == 1 { Layout::ONE } else { Layout::SEVERAL };
    let height = layout.height() * i32::try_from(runs.len()).expect("a page of runs") + FOOT;
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
    canvas.rectangle((0, 0), (WIDTH, height), WHITE);
    let axis = TimeAxis::of(runs);
    let most = runs.iter().flat_map(|(_, run)| &run.seconds).map(Second::elb_5xx).max().unwrap_or(0);
    let mut top = 0;
    for (loaded, run) in runs {
        draw_run(&canvas, &Frame { layout, axis, top, most }, loaded, run);
        top += layout.height();
    }
    axis.labels(&canvas, top);
    canvas.0.present().expect(INFALLIBLE);
    drop(canvas);
    svg
}

/// Below the last panel: the labels of the time axis.
const FOOT: i32 = 44;
const INFALLIBLE: &str = "drawing into a string cannot fail";

/// Heights in pixels.
#[derive(Clone, Copy)]
struct Layout {
    title: f64,
    head: i32,
    errors: i32,
    weights: i32,
    /// 0 leaves the panel out.
    pods: i32,
}

impl Layout {
    const ONE: Self = Self { title: 24.8, head: 60, errors: 190, weights: 150, pods: 170 };
    const SEVERAL: Self = Self { title: 18.6, head: 50, errors: 90, weights: 64, pods: 0 };
    /// The labels of the marked steps.
    const MARKS: i32 = 36;
    /// A panel's name and legend.
    const NAME: i32 = 24;
    const GAP: i32 = 14;

    fn height(self) -> i32 {
        let panel = |height: i32| if height > 0 { Self::NAME + height + Self::GAP } else { 0 };
        self.head + Self::MARKS + panel(self.errors) + panel(self.weights) + panel(self.pods)
    }
}

/// Where one run is drawn.
struct Frame {
    layout: Layout,
    axis: TimeAxis,
    top: i32,
    /// The highest ELB 5xx per second of all runs: they share the scale.
    most: u32,
}

fn draw_run(canvas: &Canvas, frame: &Frame, loaded: &Loaded, run: &Run) {
    let layout = frame.layout;
    let requests = &run.requests;
    let subtitle = format!(
        "scenario {}, seed {}: of {} requests, {} got 502, {} got 503, {} got 504",
        loaded.scenario.name,
        run.seed,
        grouped(requests.total),
        grouped(requests.elb_502),
        grouped(requests.elb_503),
        grouped(requests.elb_504),
    );
    let title: String = loaded.scenario.title.chars().take(100).collect();
    canvas.text(&title, (LEFT, frame.top + 12), Font::bold(layout.title));
    canvas.text(&subtitle, (LEFT, frame.top + layout.head - 20), Font::plain(FAINT));

    let mut top = frame.top + layout.head + Layout::MARKS;
    let mut next = |height: i32| {
        let panel = Panel { top: top + Layout::NAME, height, most: 1, axis: frame.axis };
        top += Layout::NAME + height + Layout::GAP;
        panel
    };
    let errors = Panel { most: frame.most, ..next(layout.errors) };
    let weights = Panel { most: 100, ..next(layout.weights) };
    let pods = (layout.pods > 0).then(|| Panel { most: most_pods(run), ..next(layout.pods) });
    let bottom = pods.as_ref().unwrap_or(&weights).bottom();

    for panel in [Some(&errors), Some(&weights), pods.as_ref()].into_iter().flatten() {
        panel.grid(canvas);
    }
    let bins = bins(run, frame.axis);
    draw_weights_gap(canvas, &weights, run, &bins);
    if let Some(pods) = &pods {
        pods.name(canvas, "pods", &PODS.map(|layer| (layer.name.to_string(), Swatch::Fill(layer.colour))));
        draw_stack(canvas, pods, &bins, Sample::Last, &PODS);
    }
    draw_marks(canvas, frame, run, bottom);
    draw_errors(canvas, &errors, run, &bins);
    draw_weights(canvas, &weights, run, &bins);
}

fn most_pods(run: &Run) -> u32 {
    run.seconds.iter().map(|second| u32::from(second.pods_total)).max().unwrap_or(0)
}

fn draw_errors(canvas: &Canvas, panel: &Panel, run: &Run, bins: &[Bin]) {
    let totals = [run.requests.elb_502, run.requests.elb_503, run.requests.elb_504];
    let legend: Vec<_> = ERRORS
        .iter()
        .zip(totals)
        .map(|(layer, total)| (format!("{} ({})", layer.name, grouped(total)), Swatch::Fill(layer.colour)))
        .collect();
    panel.name(canvas, "ELB 5xx per second (requests/s)", &legend);
    draw_stack(canvas, panel, bins, Sample::Worst, &ERRORS);
    // `max_by_key` takes the last of equals.
    let highest = bins.iter().rev().max_by_key(|bin| bin.worst.elb_5xx()).filter(|bin| bin.worst.elb_5xx() > 0);
    if let Some(bin) = highest {
        let value = bin.worst.elb_5xx();
        let label = format!("highest: {}/s", grouped(u64::from(value)));
        let place = (panel.axis.x(bin.from).min(RIGHT - text_width(&label)), panel.y(value) - 3);
        canvas.text(&label, place, Font::plain(INK).anchored(HPos::Left, VPos::Bottom));
    }
}

fn draw_weights_gap(canvas: &Canvas, panel: &Panel, run: &Run, bins: &[Bin]) {
    for bin in bins {
        let (asked, effective) = (panel.y(bin.last.weight_requested.into()), effective_y(panel, run, bin));
        if asked != effective {
            let (left, right) = (panel.axis.x(bin.from), panel.axis.x(bin.to));
            canvas.rectangle((left, asked.min(effective)), (right, asked.max(effective)), LAG);
        }
    }
}

fn effective_y(panel: &Panel, run: &Run, bin: &Bin) -> i32 {
    panel.y_of(weight_effective(run, &bin.last))
}

fn draw_weights(canvas: &Canvas, panel: &Panel, run: &Run, bins: &[Bin]) {
    let legend = [
        ("requested".to_string(), Swatch::Dashes),
        ("effective at the ALB".to_string(), Swatch::Line),
        ("the difference".to_string(), Swatch::Fill(LAG)),
    ];
    panel.name(canvas, "canary weight (%)", &legend);
    canvas.line(steps(bins, |bin| panel.axis.span(bin), |bin| effective_y(panel, run, bin)), INK, 3);
    let asked = steps(bins, |bin| panel.axis.span(bin), |bin| panel.y(bin.last.weight_requested.into()));
    canvas.dashes(asked);
    for step in run.steps.iter().filter(|step| super::is_set_weight(step)) {
        let (Some(started), Some(effective)) = (step.started, step.weight_effective) else { continue };
        let (from, to) = (secs_since_release(run, started) as i64, secs_since_release(run, effective) as i64);
        let (left, right) = (panel.axis.x(from), panel.axis.x(to));
        let label = format!("{} late", super::span(effective.saturating_since(started)));
        let before = run.seconds.get(started.second() as usize).map_or(0.0, |second| weight_effective(run, second));
        let below = panel.y_of(before) + 5;
        if right - left > text_width(&label)
            && below + 14 < panel.bottom()
            && f64::from(step.weight_requested.get()) > before
        {
            canvas.text(&label, ((left + right) / 2, below), Font::plain(INK).anchored(HPos::Center, VPos::Top));
        }
    }
}

/// Which second stands for a bin of many.
#[derive(Clone, Copy)]
enum Sample {
    /// The one with most ELB 5xx: no spike gets lost.
    Worst,
    Last,
}

impl Sample {
    fn of(self, bin: &Bin) -> &Second {
        match self {
            Self::Worst => &bin.worst,
            Self::Last => &bin.last,
        }
    }
}

fn draw_stack(canvas: &Canvas, panel: &Panel, bins: &[Bin], sample: Sample, layers: &[Layer]) {
    let height = |bin: &Bin, layers: &[Layer]| panel.y(layers.iter().map(|layer| (layer.value)(sample.of(bin))).sum());
    let outline = |layers: &[Layer]| steps(bins, |bin| panel.axis.span(bin), |bin| height(bin, layers));
    for (index, layer) in layers.iter().enumerate() {
        if bins.iter().all(|bin| (layer.value)(sample.of(bin)) == 0) {
            continue;
        }
        let mut points = outline(&layers[..=index]);
        points.extend(outline(&layers[..index]).into_iter().rev());
        canvas.polygon(points, layer.colour);
    }
    canvas.line(outline(layers), INK, 1);
}

/// The corners of a line that holds each bin's value over the whole of it.
fn steps(bins: &[Bin], span: impl Fn(&Bin) -> (i32, i32), y: impl Fn(&Bin) -> i32) -> Vec<(i32, i32)> {
    let mut points: Vec<(i32, i32)> = Vec::new();
    for bin in bins {
        let ((from, to), y) = (span(bin), y(bin));
        match points.last_mut() {
            Some(last) if last.1 == y => last.0 = to,
            Some(_) | None => points.extend([(from, y), (to, y)]),
        }
    }
    points
}

/// Vertical lines through all panels, and their labels above them, where there is room.
fn draw_marks(canvas: &Canvas, frame: &Frame, run: &Run, bottom: i32) {
    let top = frame.top + frame.layout.head;
    let weights = run.steps.iter().filter(|step| super::is_set_weight(step));
    let mut marks: Vec<_> =
        weights.filter_map(|step| Some((step.started?, format!("{} %", step.weight_requested)))).collect();
    marks.extend(run.rollout.promoted.map(|at| (at, "promoted".into())));
    marks.extend(run.rollout.last_pod_removed.map(|at| (at, "last stable pod gone".into())));
    marks.push((run.release, "release".into()));
    canvas.text("setWeight", (LEFT - 8, top + 18), Font::plain(FAINT).anchored(HPos::Right, VPos::Top));
    let mut taken: Vec<(i32, i32, i32)> = Vec::new();
    for (at, label) in marks {
        let x = frame.axis.x(secs_since_release(run, at).floor() as i64);
        canvas.line(vec![(x, top + Layout::MARKS), (x, bottom)], MARK, 1);
        let half = text_width(&label) / 2;
        let centre = x.clamp(LEFT + half - 20, RIGHT - half);
        let free =
            |row: &i32| !taken.iter().any(|(r, from, to)| r == row && centre - half < *to && *from < centre + half);
        let rows: &[i32] = if label.ends_with('%') { &[18] } else { &[18, 0] };
        if let Some(&row) = rows.iter().find(|row| free(row)) {
            taken.push((row, centre - half, centre + half));
            canvas.text(&label, (centre, top + row), Font::plain(INK).anchored(HPos::Center, VPos::Top));
            canvas.line(vec![(x, top + row + 15), (x, top + Layout::MARKS)], MARK, 1);
        }
    }
}

/// Consecutive seconds that share a pixel, or one second that has several.
struct Bin {
    /// Seconds since the release.
    from: i64,
    to: i64,
    worst: Second,
    last: Second,
}

fn bins(run: &Run, axis: TimeAxis) -> Vec<Bin> {
    let rows = run.seconds.len();
    let (first, last) = (second_of_row(run, 0), second_of_row(run, rows));
    let pixels = usize::try_from(axis.x(last) - axis.x(first)).expect("time runs to the right");
    let count = rows.min(pixels.max(1));
    let bin = |index: usize| {
        let (from, to) = (index * rows / count, (index + 1) * rows / count);
        let seconds = &run.seconds[from..to];
        let worst = seconds.iter().rev().max_by_key(|second| second.elb_5xx()).copied().unwrap_or_default();
        let last = seconds.last().copied().unwrap_or_default();
        Bin { from: second_of_row(run, from), to: second_of_row(run, to), worst, last }
    };
    (0..count).map(bin).collect()
}

/// Seconds since the release, from left to right.
#[derive(Clone, Copy)]
struct TimeAxis {
    from: i64,
    to: i64,
}

impl TimeAxis {
    fn of(runs: &[(&Loaded, &Run)]) -> Self {
        let from = runs.iter().map(|(_, run)| second_of_row(run, 0)).min().unwrap_or(0);
        let to = runs.iter().map(|(_, run)| second_of_row(run, run.seconds.len())).max().unwrap_or(1);
        Self { from, to: to.max(from + 1) }
    }

    fn x(self, second: i64) -> i32 {
        let width = i64::from(RIGHT - LEFT);
        let x = (second.clamp(self.from, self.to) - self.from) * width / (self.to - self.from);
        LEFT + i32::try_from(x).expect("within the picture")
    }

    fn span(self, bin: &Bin) -> (i32, i32) {
        (self.x(bin.from), self.x(bin.to))
    }

    /// Round numbers of seconds, minutes, hours; at most 13 of them.
    fn ticks(self) -> impl Iterator<Item = i64> {
        const STEPS: [i64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400];
        let span = self.to - self.from;
        let step = STEPS.into_iter().find(|step| span / step <= 12).unwrap_or(span / 12);
        (self.from.div_euclid(step)..=self.to.div_euclid(step))
            .map(move |n| n * step)
            .filter(move |at| *at >= self.from)
    }

    fn labels(self, canvas: &Canvas, top: i32) {
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
struct Panel {
    top: i32,
    height: i32,
    /// The highest value to be drawn.
    most: u32,
    axis: TimeAxis,
}

impl Panel {
    fn bottom(&self) -> i32 {
        self.top + self.height
    }

    /// The distance of two grid lines: 1, 2, 5, 10, … so that at most five, or two on a low panel, are needed.
    fn step(&self) -> u32 {
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
    fn scale(&self) -> u32 {
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

    fn y(&self, value: u32) -> i32 {
        self.y_of(f64::from(value))
    }

    fn y_of(&self, value: f64) -> i32 {
        let part = value / f64::from(self.scale());
        self.bottom() - (f64::from(self.height) * part).round() as i32
    }

    fn grid(&self, canvas: &Canvas) {
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
    fn name(&self, canvas: &Canvas, name: &str, legend: &[(String, Swatch)]) {
        let y = self.top - 13;
        canvas.text(name, (LEFT, y), Font::strong().anchored(HPos::Left, VPos::Center));
        let mut x = RIGHT;
        for (label, swatch) in legend.iter().rev() {
            canvas.text(label, (x, y), Font::plain(INK).anchored(HPos::Right, VPos::Center));
            x -= text_width(label) + 26;
            match swatch {
                Swatch::Fill(colour) => {
                    canvas.rectangle((x, y - 6), (x + 20, y + 6), *colour);
                    canvas.line(vec![(x, y - 6), (x + 20, y - 6), (x + 20, y + 6), (x, y + 6), (x, y - 6)], INK, 1);
                }
                Swatch::Line => canvas.line(vec![(x, y), (x + 20, y)], INK, 3),
                Swatch::Dashes => canvas.dashes(vec![(x, y), (x + 20, y)]),
            }
            x -= 22;
        }
    }
}

#[derive(Clone, Copy)]
enum Swatch {
    Fill(RGBColor),
    Line,
    Dashes,
}

/// Never less than a sans-serif font takes at 12.5 px.
fn text_width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).expect("a label is short") * 7
}

#[derive(Clone, Copy)]
struct Font {
    size: f64,
    bold: bool,
    colour: RGBColor,
    anchor: Pos,
}

impl Font {
    const fn plain(colour: RGBColor) -> Self {
        // `plotters` divides by 1.24 on the way to SVG: 12.5 px.
        Self { size: 15.5, bold: false, colour, anchor: Pos { h_pos: HPos::Left, v_pos: VPos::Top } }
    }

    const fn strong() -> Self {
        Self { bold: true, ..Self::plain(INK) }
    }

    const fn bold(size: f64) -> Self {
        Self { size, bold: true, ..Self::plain(INK) }
    }

    const fn anchored(self, h_pos: HPos, v_pos: VPos) -> Self {
        Self { anchor: Pos { h_pos, v_pos }, ..self }
    }
}

/// Whole pixels from the upper left corner.
struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

impl Canvas<'_> {
    fn text(&self, text: &str, at: (i32, i32), font: Font) {
        let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
        let style = ("sans-serif", font.size, style).into_font().color(&font.colour).pos(font.anchor);
        self.0.draw(&Text::new(text, at, style)).expect(INFALLIBLE);
    }

    fn line(&self, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) {
        self.0.draw(&PathElement::new(points, colour.stroke_width(width))).expect(INFALLIBLE);
    }

    /// The second of two styles that black and white can tell apart.
    fn dashes(&self, points: Vec<(i32, i32)>) {
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

    fn polygon(&self, points: Vec<(i32, i32)>, colour: RGBColor) {
        self.0.draw(&Polygon::new(points, colour)).expect(INFALLIBLE);
    }

    fn rectangle(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) {
        self.0.draw(&Rectangle::new([from, to], colour.filled())).expect(INFALLIBLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn dump() {
        let Ok(dir) = std::env::var("SAMPLE_SVG") else { return };
        let (loaded, mut run, quiet) = (sample::loaded(), sample::incident(), sample::quiet());
        let mut day = sample::incident();
        day.seconds.resize(86_400, quiet.seconds[599]);
        day.seconds[50_000].elb_504 = 30;
        for second in 480..495 {
            run.seconds[60 + second].elb_503 = 8;
            run.seconds[60 + second].elb_504 = 4;
        }
        for (name, runs) in [
            ("one", &[(&loaded, &run)][..]),
            ("day", &[(&loaded, &day)]),
            ("three", &[(&loaded, &run), (&loaded, &quiet), (&loaded, &sample::incident())]),
        ] {
            std::fs::write(format!("{dir}/{name}.svg"), timeline(runs)).unwrap();
        }
    }
}
