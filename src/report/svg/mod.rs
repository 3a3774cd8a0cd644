//! `timeline.svg`: what failed, over the weight asked for and the weight in force, over the pods, on one time axis.
//!
//! Drawn on whole pixels and without measuring a font, so the bytes are the same everywhere. Fills differ in luminance:
//! the picture can be printed in black and white.

mod canvas;
mod classes;
pub(super) mod heat_map;
mod lanes;
pub(super) mod lines;
mod mosaic;
mod page;
mod panel;
pub(super) mod scatter;
mod versions;

use super::{grouped, secs_since_release, weight_effective, weight_requested};
use crate::run::{Requests, Run, Second, StepRecord};
use crate::scenario::Loaded;
use crate::units::Instant;
use canvas::{Canvas, FAINT, Font, INFALLIBLE, INK, MARK, text_width};
use panel::{Bin, LEFT, Panel, RIGHT, Swatch, TimeAxis, WIDTH, bins};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

pub use classes::classes;
pub use lanes::lanes;
pub use mosaic::mosaic;

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
    Layer { name: "504", colour: RGBColor(0xf4, 0xc2, 0x5e), value: |second| second.elb_504 },
];

/// The answers of a bad version, above what the load balancer failed.
const OWN: Layer = Layer { name: "target 5xx", colour: RGBColor(0xb7, 0xb0, 0xd8), value: |second| second.target_5xx };

const PODS: [Layer; 4] = [
    Layer { name: "stable, serving", colour: RGBColor(0x17, 0x35, 0x5a), value: |second| second.stable_serving.into() },
    Layer { name: "canary, serving", colour: RGBColor(0x8f, 0xbf, 0xe6), value: |second| second.canary_serving.into() },
    Layer { name: "terminating", colour: RGBColor(0x77, 0x7d, 0x85), value: |second| second.terminating.into() },
    Layer { name: "not ready", colour: RGBColor(0xf6, 0xee, 0xd2), value: not_ready },
];

/// No rule of the listener took the request.
const UNROUTED: Layer = Layer { name: "404", colour: RGBColor(0x3a, 0x3a, 0x3a), value: |second| second.elb_404 };

/// By the load balancer, or by the program itself.
fn failed(second: &Second) -> u32 {
    second.elb_5xx() + second.elb_404 + second.target_5xx
}

/// Created, but neither ready nor deleted.
fn not_ready(second: &Second) -> u32 {
    let others = second.stable_serving + second.canary_serving + second.terminating;
    second.pods_total.saturating_sub(others).into()
}

/// One run fills the picture with three panels; several share one time axis, with two panels each.
pub fn timeline(runs: &[(&Loaded, &Run)]) -> String {
    let mut svg = String::new();
    let layout = if runs.len() == 1 { Layout::ONE } else { Layout::SEVERAL };
    let height = runs.iter().map(|(loaded, _)| layout.of(loaded).height()).sum::<i32>() + FOOT;
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
    canvas.rectangle((0, 0), (WIDTH, height), WHITE);
    let axis = TimeAxis::of(runs);
    let most = runs.iter().flat_map(|(_, run)| &run.seconds).map(failed).max().unwrap_or(0);
    // Room for the label of the highest one.
    let most = if (1..10).contains(&most) { most + 1 } else { most };
    let mut top = 0;
    for (loaded, run) in runs {
        let layout = layout.of(loaded);
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

/// Heights in pixels.
#[derive(Clone, Copy)]
struct Layout {
    title: f64,
    head: i32,
    errors: i32,
    weights: i32,
    /// 0 leaves the panel out, here and above.
    pods: i32,
}

impl Layout {
    const ONE: Self = Self { title: 24.8, head: 60, errors: 190, weights: 150, pods: 170 };
    const SEVERAL: Self = Self { title: 18.6, head: 62, errors: 90, weights: 64, pods: 0 };
    /// The labels of the marked steps.
    const MARKS: i32 = 36;
    /// A panel's name and legend.
    const NAME: i32 = 24;
    const GAP: i32 = 14;

    /// Without weights there is nothing to draw of them.
    fn of(self, loaded: &Loaded) -> Self {
        let weights = if loaded.scenario.workload.is_traffic_routed() { self.weights } else { 0 };
        Self { weights, ..self }
    }

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
    let unrouted = match requests.elb_404 {
        0 => String::new(),
        count => format!(", {} got 404", grouped(count)),
    };
    let subtitle = format!(
        "scenario {}, seed {}: of {} requests, {} got 502, {} got 503, {} got 504{unrouted}",
        loaded.scenario.name,
        run.seed,
        grouped(requests.total),
        grouped(requests.elb_502),
        grouped(requests.elb_503),
        grouped(requests.elb_504),
    );
    let title = fit(&loaded.scenario.title, layout.title);
    canvas.text(&title, (LEFT, frame.top + layout.head - 48), Font::bold(layout.title));
    canvas.text(&subtitle, (LEFT, frame.top + layout.head - 20), Font::plain(FAINT));

    let mut top = frame.top + layout.head + Layout::MARKS;
    let mut next = |height: i32| {
        let panel = Panel { top: top + Layout::NAME, height, most: 1, full: false, axis: frame.axis };
        top += Layout::NAME + height + Layout::GAP;
        panel
    };
    let errors = Panel { most: frame.most, ..next(layout.errors) };
    let weights = (layout.weights > 0).then(|| Panel { most: 100, full: true, ..next(layout.weights) });
    let pods = (layout.pods > 0).then(|| Panel { most: most_pods(run), ..next(layout.pods) });
    let panels: Vec<_> = [Some(&errors), weights.as_ref(), pods.as_ref()].into_iter().flatten().collect();
    for panel in &panels {
        panel.grid(canvas);
    }
    let bins = bins(run, frame.axis);
    if let Some(weights) = &weights {
        draw_weights_gap(canvas, weights, run, &bins);
    }
    if let Some(pods) = &pods {
        pods.name(canvas, "pods", &PODS.map(|layer| (layer.name.to_string(), Swatch::Fill(layer.colour))));
        draw_stack(canvas, pods, &bins, Sample::Fullest, &PODS);
        let total = |bin: &Bin| pods.y(bin.fullest.pods_total.into());
        canvas.line(steps(&bins, |bin| frame.axis.span(bin), total), INK, 1);
    }
    draw_marks(canvas, frame, (loaded, run), &panels);
    draw_errors(canvas, &errors, run, &bins);
    if let Some(weights) = &weights {
        draw_weights(canvas, weights, run, &bins);
    }
}

/// Cut to the width of the panels. Bold letters are 0.6 em wide on average, and `plotters` divides sizes by 1.24.
fn fit(title: &str, size: f64) -> String {
    let room = (f64::from(RIGHT - LEFT) / (size / 1.24 * 0.6)) as usize;
    match title.chars().count() > room {
        true => title.chars().take(room - 1).chain(['…']).collect(),
        false => title.into(),
    }
}

fn most_pods(run: &Run) -> u32 {
    run.seconds.iter().map(|second| u32::from(second.pods_total)).max().unwrap_or(0)
}

fn draw_errors(canvas: &Canvas, panel: &Panel, run: &Run, bins: &[Bin]) {
    let Requests { elb_502, elb_503, elb_504, elb_404, target_5xx, .. } = run.requests;
    // What has its place in every picture, and what only some runs have.
    let mut layers: Vec<(Layer, u64)> = ERRORS.into_iter().zip([elb_502, elb_503, elb_504]).collect();
    let rare =
        [("404", UNROUTED, elb_404), ("target 5xx", OWN, target_5xx)].into_iter().filter(|(.., total)| *total > 0);
    let mut names = vec!["ELB 5xx"];
    for (name, layer, total) in rare {
        names.push(name);
        layers.push((layer, total));
    }
    let name = format!("{} per second (requests/s)", super::listed(&names));
    let entry =
        |(layer, total): &(Layer, u64)| (format!("{} ({})", layer.name, grouped(*total)), Swatch::Fill(layer.colour));
    panel.name(canvas, &name, &layers.iter().map(entry).collect::<Vec<_>>());
    let layers: Vec<_> = layers.into_iter().map(|(layer, _)| layer).collect();
    draw_stack(canvas, panel, bins, Sample::Worst, &layers);
    // `max_by_key` takes the last of equals.
    let highest = bins.iter().rev().max_by_key(|bin| failed(&bin.worst)).filter(|bin| failed(&bin.worst) > 0);
    let Some(bin) = highest else {
        let place = (i32::midpoint(LEFT, RIGHT), i32::midpoint(panel.top, panel.bottom()));
        canvas.text("none", place, Font::plain(FAINT).anchored(HPos::Center, VPos::Center));
        return;
    };
    let value = failed(&bin.worst);
    let label = format!("highest: {}/s", grouped(u64::from(value)));
    let place = (panel.axis.x(bin.from).min(RIGHT - text_width(&label)), panel.y(value) - 3);
    canvas.text(&label, place, Font::plain(INK).anchored(HPos::Left, VPos::Bottom));
}

fn draw_weights_gap(canvas: &Canvas, panel: &Panel, run: &Run, bins: &[Bin]) {
    let ends = |bin: &Bin| (panel.y_of(weight_requested(&bin.last)), effective_y(panel, run, bin));
    // With the promotion the weight returns to 0 because the groups change roles: no request is late from then on.
    let promoted = run.rollout.promoted.map_or(i64::MAX, |at| secs_since_release(run, at).floor() as i64);
    let bins = &bins[..bins.partition_point(|bin| bin.to <= promoted)];
    for same in bins.chunk_by(|bin, next| ends(bin) == ends(next)) {
        let (asked, effective) = ends(&same[0]);
        if asked != effective {
            let (left, right) = (panel.axis.x(same[0].from), panel.axis.x(same[same.len() - 1].to));
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
    let asked = steps(bins, |bin| panel.axis.span(bin), |bin| panel.y_of(weight_requested(&bin.last)));
    canvas.dashes(asked);
    let mut taken = LEFT;
    for step in run.steps.iter().filter(|step| super::is_set_weight(step)) {
        taken = draw_lateness(canvas, panel, run, step, taken);
    }
}

/// How long a weight took, where there is room: between the two lines, else below them, else above. `taken` is where
/// the label before it ends.
fn draw_lateness(canvas: &Canvas, panel: &Panel, run: &Run, step: &StepRecord, taken: i32) -> i32 {
    const LINE: i32 = 17;
    let (Some(asked), Some(effective)) = (step.weight_asked, step.weight_effective) else { return taken };
    let x = |at| panel.axis.x(secs_since_release(run, at).floor() as i64);
    let (left, right) = (x(asked), x(effective));
    let label = format!("{} late", super::span(effective.saturating_since(asked)));
    let (centre, width) = (i32::midpoint(left, right), text_width(&label));
    if right - left < width || centre - width / 2 < taken {
        return taken;
    }
    // Half-way there the weight asked for before has arrived, and this one has not.
    let halfway = u64::midpoint(asked.second(), effective.second());
    let before = run.seconds.get(halfway as usize).map_or(0.0, |second| weight_effective(run, second));
    let (old, new) = (panel.y_of(before), panel.y_of(f64::from(step.weight_requested.hundredths()) / 100.0));
    if old == new {
        return taken;
    }
    let (upper, lower) = (old.min(new), old.max(new));
    let y = match (lower - upper >= LINE, lower + LINE + 4 < panel.bottom()) {
        (true, _) => i32::midpoint(upper, lower),
        (false, true) => lower + LINE / 2 + 3,
        (false, false) => upper - LINE / 2 - 3,
    };
    canvas.text(&label, (centre, y), Font::plain(INK).anchored(HPos::Center, VPos::Center));
    centre + width / 2
}

/// Which second stands for a bin of many.
#[derive(Clone, Copy)]
enum Sample {
    /// The one with most ELB 5xx: no spike gets lost.
    Worst,
    /// The one with most pods.
    Fullest,
}

impl Sample {
    fn of(self, bin: &Bin) -> &Second {
        match self {
            Self::Worst => &bin.worst,
            Self::Fullest => &bin.fullest,
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
}

/// The corners of a line that holds each bin's value over the whole of it.
fn steps<B>(bins: &[B], span: impl Fn(&B) -> (i32, i32), y: impl Fn(&B) -> i32) -> Vec<(i32, i32)> {
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

/// Vertical lines through the panels, and their labels above, as far as there is room.
fn draw_marks(canvas: &Canvas, frame: &Frame, (loaded, run): (&Loaded, &Run), panels: &[&Panel]) {
    let top = frame.top + frame.layout.head;
    let mut taken: Vec<(i32, i32, i32)> = Vec::new();
    if run.steps.iter().any(super::is_set_weight) {
        canvas.text("setWeight", (LEFT - 14, top + 18), Font::plain(FAINT).anchored(HPos::Right, VPos::Top));
    }
    let mut lines: Vec<i32> = Vec::new();
    for (at, label) in marks(loaded, run) {
        let x = frame.axis.x(secs_since_release(run, at).floor() as i64);
        if lines.iter().all(|other| (x - other).abs() >= NEXT_LINE) {
            for panel in panels {
                canvas.line(vec![(x, panel.top), (x, panel.bottom())], MARK, 1);
            }
            lines.push(x);
        }
        let half = text_width(&label) / 2;
        let centre = x.clamp(LEFT + half, RIGHT - half + 10);
        let free = |row: i32| {
            !taken
                .iter()
                .any(|(r, from, to)| *r == row && centre - half < *to + LABEL_GAP && *from - LABEL_GAP < centre + half)
        };
        // The lower row is where the eye looks for weights; the upper one holds what finds no room there.
        let rows = if label.ends_with('%') { &[18][..] } else { &[18, 0] };
        let Some(row) = rows.iter().copied().find(|row| free(*row)) else { continue };
        let covered = taken.iter().any(|(r, from, to)| *r == 18 && (*from..=*to).contains(&x));
        if row == 18 || !covered {
            canvas.line(vec![(x, top + row + 16), (x, top + Layout::MARKS + 1)], MARK, 1);
        }
        canvas.text(&label, (centre, top + row), Font::plain(INK).anchored(HPos::Center, VPos::Top));
        taken.push((row, centre - half, centre + half));
    }
}

/// Between two labels in a row, in pixels.
const LABEL_GAP: i32 = 12;

/// Lines nearer than so many pixels are one.
const NEXT_LINE: i32 = 4;

/// What is marked, the most important first.
fn marks(loaded: &Loaded, run: &Run) -> Vec<(Instant, String)> {
    let weights = run.steps.iter().filter(|step| super::is_set_weight(step));
    let mut marks: Vec<_> =
        weights.filter_map(|step| Some((step.started?, format!("{} %", step.weight_requested)))).collect();
    // The two Services change their roles; those of pingPong have changed them before.
    let workload = &loaded.scenario.workload;
    let switches = workload.is_traffic_routed() && workload.canary().is_some_and(|canary| !canary.ping_pong);
    let promoted = if switches { "promoted: roles switch" } else { "promoted" };
    marks.extend(run.rollout.promoted.map(|at| (at, promoted.into())));
    let by_hand = run.events.iter().filter(|entry| entry.component == "people");
    let by_hand: Vec<_> = by_hand.map(|entry| (entry.at, format!("{} by hand", entry.event))).collect();
    let routes = run.events.iter().filter_map(|entry| match entry.event {
        "SetHeaderRoute" => Some((entry.at, "header route".to_owned())),
        "SetMirrorRoute" => Some((entry.at, "mirror route".to_owned())),
        "RemoveRoutes" => Some((entry.at, "route gone".to_owned())),
        _ => None,
    });
    let is_by_hand = by_hand.iter().any(|(_, label)| label == "abort by hand");
    marks.extend(run.rollout.aborted.filter(|_| !is_by_hand).map(|at| (at, "aborted".into())));
    marks.extend(by_hand);
    marks.extend(routes);
    marks.push((run.release, "release".into()));
    marks.extend(run.rollout.stable_gone.map(|at| (at, "last stable pod gone".into())));
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::classes::sample::exposed;
    use crate::report::sample;
    use crate::report::window::Window;
    use crate::units::Share;

    /// Errors as uneven as random arrivals make them, of three codes.
    fn mixed() -> Run {
        let mut run = sample::incident();
        for row in 480..555 {
            let second = &mut run.seconds[row];
            second.elb_502 = if row < 550 { 18 + (row as u32 * 7919) % 13 } else { 0 };
            second.elb_503 = if row > 538 { 4 + (row as u32 * 104_729) % 7 } else { 0 };
            second.elb_504 = if row > 545 { 3 } else { 0 };
        }
        run
    }

    fn day() -> Run {
        let mut run = sample::incident();
        run.seconds.resize(86_400, sample::quiet().seconds[599]);
        run.seconds[50_000].elb_504 = 30;
        run
    }

    fn many_steps() -> Run {
        let mut run = sample::quiet();
        let first = run.steps[1].clone();
        run.steps = (0..=100)
            .map(|weight| StepRecord {
                step: format!("setWeight {weight}"),
                started: Some(sample::at(4 * weight)),
                weight_requested: Share::new(weight, 100),
                ..first.clone()
            })
            .collect();
        run
    }

    fn pictures() -> Vec<String> {
        let loaded = sample::loaded();
        let (mixed, day, quiet, many) = (mixed(), day(), sample::quiet(), many_steps());
        let one = |run| timeline(&[(&loaded, run)]);
        vec![
            one(&mixed),
            one(&day),
            one(&quiet),
            one(&many),
            timeline(&[(&loaded, &mixed), (&loaded, &quiet), (&loaded, &many)]),
        ]
        .into_iter()
        .chain(pictures_of_classes())
        .collect()
    }

    /// Of a few classes, of many with long names, and of two runs.
    fn pictures_of_classes() -> Vec<String> {
        let (loaded, run) = exposed();
        let (mut many, mut much) = (loaded.clone(), run.clone());
        for number in 0..30 {
            let mut class = loaded.scenario.traffic.classes[number % 3].clone();
            class.name = format!("a-class-with-a-rather-long-name-{number}");
            class.request.path = "/a/very/long/path/that/nobody/wants/to/read/in/full".into();
            many.scenario.traffic.classes.push(class);
            much.classes.push(run.classes[number % 3].clone());
        }
        many.scenario.name = "a-scenario-whose-name-is-about-as-long-as-a-name-can-be/and-somewhat-longer".into();
        let all = [(&loaded, &run), (&many, &much)];
        let mosaics = [&all[..1], &all[1..], &all[..]].map(|runs| mosaic(runs).expect("there are users"));
        [&all[..1], &all[1..], &all[..]].map(classes).into_iter().chain(mosaics).collect()
    }

    pub(super) fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
        let start = tag.find(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name} in {tag}")) + name.len() + 3;
        &tag[start..start + tag[start..].find('"').expect("a closing quote")]
    }

    /// (left, right, top, bottom, text) of every text, generously.
    pub(super) fn boxes(svg: &str) -> Vec<(f64, f64, f64, f64, String)> {
        let texts = svg.split("<text ").skip(1).map(|rest| {
            let tag = format!(" {}", rest.split('>').next().expect("a tag"));
            let text = rest.split('>').nth(1).expect("a text").split('<').next().expect("a text").trim().to_string();
            let number = |name| attribute(&tag, name).parse::<f64>().expect("a number");
            let (x, y, size) = (number("x"), number("y"), number("font-size"));
            let width = text.chars().count() as f64 * size * 0.56;
            let left = match attribute(&tag, "text-anchor") {
                "start" => x,
                "middle" => x - width / 2.0,
                _ => x - width,
            };
            let top = match attribute(&tag, "dy") {
                "0.76em" => y,
                "0.5ex" => y - size / 2.0,
                _ => y - size,
            };
            (left, left + width, top, top + size, text)
        });
        texts.collect()
    }

    #[test]
    fn no_two_texts_overlap_and_none_leaves_the_page() {
        for svg in pictures() {
            let boxes = boxes(&svg);
            assert!(boxes.len() > 20);
            for (index, a) in boxes.iter().enumerate() {
                assert!(a.0 >= 0.0 && a.1 <= f64::from(WIDTH), "{a:?}");
                for b in &boxes[..index] {
                    assert!(a.0 >= b.1 || b.0 >= a.1 || a.2 >= b.3 || b.2 >= a.3, "{a:?} lies over {b:?}");
                }
            }
        }
    }

    #[test]
    fn one_bad_second_of_a_day_stays_visible() {
        let (loaded, run) = (sample::loaded(), day());
        let axis = TimeAxis::of(&[(&loaded, &run)]);
        let bins = bins(&run, axis);
        assert!(bins.len() as i32 <= RIGHT - LEFT);
        let spikes: Vec<_> = bins.iter().filter(|bin| bin.worst.elb_504 == 30).map(|bin| bin.from..bin.to).collect();
        assert_eq!(spikes.len(), 1);
        assert!(spikes[0].contains(&(50_000 - 60)), "{spikes:?}");
        assert!(timeline(&[(&loaded, &run)]).contains("highest: 30/s"));
    }

    #[test]
    fn a_steady_day_is_not_drawn_and_that_is_said() {
        let (loaded, mut run) = (sample::loaded(), sample::incident());
        run.seconds.resize(86_400, sample::quiet().seconds[599]);
        let axis = TimeAxis::of(&[(&loaded, &run)]);
        // The last error is in second 489, the last change a weight that comes 70 s after 420 s.
        assert_eq!(axis, TimeAxis(Window { from: -60, to: 490 + 60, cut_before: false, cut_after: true }));
        assert_eq!(bins(&run, axis).last().map(|bin| bin.to), Some(550));
        assert!(timeline(&[(&loaded, &run)]).contains("steady time after is not drawn"));
    }

    #[test]
    fn every_step_has_its_line_even_where_its_label_has_no_room() {
        let (loaded, run) = (sample::loaded(), many_steps());
        let svg = timeline(&[(&loaded, &run)]);
        // One through each of the three panels; the short ones to the labels begin above.
        let full_height = |line: &&str| {
            let is_long = |points: &str| {
                let heights: Vec<f64> =
                    points.split([' ', ',']).skip(1).step_by(2).filter_map(|y| y.parse().ok()).collect();
                heights.windows(2).any(|pair| pair[1] - pair[0] > 100.0)
            };
            line.contains("#9A9A9A") && line.contains("points=\"") && is_long(attribute(line, "points"))
        };
        let labels = (0..=100).filter(|weight| svg.contains(&format!(">\n{weight} %\n<"))).count();
        assert!(svg.lines().filter(full_height).count() > 3 * 100 && (10..60).contains(&labels), "{labels} labels");
    }

    #[test]
    fn a_title_cannot_break_the_document() {
        let (mut loaded, run) = (sample::loaded(), sample::quiet());
        loaded.scenario.title = "a < b & \"c\"".into();
        assert!(timeline(&[(&loaded, &run)]).contains("a &lt; b &amp; &quot;c&quot;"));
    }
}
