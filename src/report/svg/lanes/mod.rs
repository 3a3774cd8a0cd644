//! `lanes.svg`: who did what when, a lane for each actor, over the requests that each version answered.

mod bars;
mod flags;
mod story;

use super::canvas::{Canvas, FAINT, Font, GRID, INFALLIBLE, INK, MARK};
use super::classes::{NO_REQUEST, TICKS, draw_band, draw_frame, draw_ticks};
use super::panel::{Bin, LEFT, Panel, RIGHT, TimeAxis, WIDTH, bins};
use super::versions::{Drawn, ELB_5XX, Sign, TARGET_5XX, UNROUTED, draw_key, key, key_width};
use super::{FOOT, Layout, draw_weights, draw_weights_gap};
use crate::report::millis_since_release;
use crate::report::window::Window;
use crate::run::{Run, Second};
use crate::scenario::Loaded;
use crate::units::Instant;
use bars::{Bar, TRACK, bars};
use flags::{BACKGROUND, Flag, OFFSET, flags};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use std::cmp::Ordering;
use story::{Cause, Edge, Lane, Mark, Span, Story, story};

/// From cause to effect.
const ARROW: RGBColor = RGBColor(0x6f, 0x8f, 0xb5);
/// Every second lane.
const SHADE: RGBColor = RGBColor(0xf7, 0xf7, 0xf7);

/// Title, what was run, and how to read the picture.
const HEAD: i32 = 88;
/// A row of labels.
const ROW: i32 = 17;
/// The row of marks.
const MARKS: i32 = 12;
/// Above and below what a lane holds.
const MARGIN: i32 = 7;
/// Two lines of a name.
const LOWEST: i32 = 40;
const PANEL: i32 = 110;
/// Arrows that lie nearer at both ends are one.
const NEXT_ARROW: i32 = 7;

/// The runs below each other on one time axis.
pub fn lanes(runs: &[(&Loaded, &Run)]) -> String {
    let stories: Vec<_> = runs.iter().map(|(loaded, run)| story(loaded, run)).collect();
    let axis = axis(runs, &stories);
    let plans: Vec<_> = runs.iter().zip(&stories).map(|(run, story)| Plan::of(axis, *run, story)).collect();
    let height = plans.iter().map(Plan::height).sum::<i32>() + FOOT;
    let mut svg = String::new();
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
    canvas.rectangle((0, 0), (WIDTH, height), WHITE);
    let mut top = 0;
    for (plan, (loaded, run)) in plans.iter().zip(runs) {
        draw_head(&canvas, top, (loaded, run));
        plan.draw(&canvas, top);
        top += plan.height();
    }
    axis.labels(&canvas, top);
    canvas.0.present().expect(INFALLIBLE);
    drop(canvas);
    svg
}

/// Everything that the lanes tell is on it.
fn axis(runs: &[(&Loaded, &Run)], stories: &[Story]) -> TimeAxis {
    let runs: Vec<_> = runs.iter().map(|(_, run)| *run).collect();
    let mut shown = vec![];
    for (run, story) in runs.iter().zip(stories) {
        let entries = story.lanes.iter().flat_map(|lane| {
            let spans = lane.spans.iter().flat_map(|span| span.entries.iter().map(|(entry, _)| *entry));
            lane.marks.iter().map(|mark| mark.entry).chain(spans)
        });
        let seconds: Vec<_> =
            entries.map(|entry| millis_since_release(run, run.events[entry].at).div_euclid(1000)).collect();
        if let (Some(first), Some(last)) = (seconds.iter().min(), seconds.iter().max()) {
            shown.push((*first.min(&0), last + 1));
        }
    }
    TimeAxis(Window::close_to(&runs, &shown))
}

/// A run and where its parts are drawn.
struct Plan<'a> {
    axis: TimeAxis,
    loaded: &'a Loaded,
    run: &'a Run,
    lanes: Vec<LanePlan<'a>>,
    story: &'a Story,
}

struct LanePlan<'a> {
    lane: &'a Lane,
    /// From the head of the run.
    top: i32,
    bars: Vec<Bar>,
    flags: Vec<Flag<'a>>,
}

struct Arrow {
    from: (i32, i32),
    to: (i32, i32),
    /// 1 is down, -1 is up.
    way: i32,
}

impl Arrow {
    /// Where its head begins.
    fn neck(&self) -> i32 {
        self.to.1 - self.way * 7
    }
}

/// Where something is drawn that arrows may touch.
struct Place {
    at: Instant,
    above: i32,
    below: i32,
}

impl<'a> Plan<'a> {
    fn of(axis: TimeAxis, (loaded, run): (&'a Loaded, &'a Run), story: &'a Story) -> Self {
        let x = |at: Instant| axis.x_of_millis(millis_since_release(run, at));
        let mut top = HEAD;
        let plan = |lane: &'a Lane| {
            let flags = flags(lane.marks.iter().map(|mark| (x(mark.at), mark)));
            let plan = LanePlan { lane, top, bars: bars(&lane.spans, x), flags };
            top += plan.height();
            plan
        };
        let lanes = story.lanes.iter().map(plan).collect();
        Self { axis, loaded, run, lanes, story }
    }

    fn x(&self, at: Instant) -> i32 {
        self.axis.x_of_millis(millis_since_release(self.run, at))
    }

    fn lanes_height(&self) -> i32 {
        self.lanes.iter().map(LanePlan::height).sum()
    }

    fn has_panel(&self) -> bool {
        !self.run.classes.is_empty() || self.loaded.scenario.workload.is_traffic_routed()
    }

    fn height(&self) -> i32 {
        let panel = if self.has_panel() { Layout::GAP + Layout::NAME + TICKS + PANEL } else { 0 };
        HEAD + self.lanes_height() + panel + Layout::GAP
    }

    fn draw(&self, canvas: &Canvas, top: i32) {
        for (index, plan) in self.lanes.iter().enumerate() {
            let (above, below) = (top + plan.top, top + plan.top + plan.height());
            if index % 2 == 0 {
                canvas.rectangle((0, above), (RIGHT, below), SHADE);
            }
            plan.draw_name(canvas, i32::midpoint(above, below));
        }
        let (above, below) = (top + HEAD, top + HEAD + self.lanes_height());
        for tick in self.axis.ticks() {
            let x = self.axis.x(tick);
            canvas.line(vec![(x, above), (x, below)], GRID, 1);
        }
        // Under the labels, so that none is struck through; the head is where it leads to.
        let arrows = self.arrows(top);
        for arrow in &arrows {
            canvas.line(vec![arrow.from, (arrow.to.0, arrow.neck())], ARROW, 1);
        }
        for (index, plan) in self.lanes.iter().enumerate() {
            plan.draw(canvas, top, if index % 2 == 0 { SHADE } else { WHITE });
        }
        for arrow in arrows.iter().filter(|arrow| !self.hides_a_label(top, arrow)) {
            let (x, neck) = (arrow.to.0, arrow.neck());
            canvas.polygon(vec![arrow.to, (x - 3, neck), (x + 3, neck)], ARROW);
        }
        canvas.line(vec![(LEFT, above), (LEFT, below)], INK, 1);
        if self.has_panel() {
            let top = below + Layout::GAP + Layout::NAME + TICKS;
            self.draw_panel(canvas, Panel { top, height: PANEL, most: 100, full: true, axis: self.axis });
        }
    }

    fn arrows(&self, top: i32) -> Vec<Arrow> {
        let place = |entry| self.lanes.iter().find_map(|plan| Some((plan.top, plan.place(entry)?)));
        let arrow = |cause: &Cause| {
            let ((from_top, from), (to_top, to)) = (place(cause.from)?, place(cause.to)?);
            let (x0, x1) = (self.x(from.at), self.x(to.at));
            match from_top.cmp(&to_top) {
                Ordering::Less => Some(Arrow { from: (x0, top + from.below), to: (x1, top + to.above), way: 1 }),
                Ordering::Greater => Some(Arrow { from: (x0, top + from.above), to: (x1, top + to.below), way: -1 }),
                Ordering::Equal => None,
            }
        };
        let mut arrows: Vec<Arrow> = vec![];
        for arrow in self.story.causes.iter().filter_map(arrow) {
            let is_told = |other: &Arrow| {
                let is_near = |a: (i32, i32), b: (i32, i32)| a.1 == b.1 && (a.0 - b.0).abs() < NEXT_ARROW;
                is_near(other.from, arrow.from) && is_near(other.to, arrow.to)
            };
            if !arrows.iter().any(is_told) {
                arrows.push(arrow);
            }
        }
        arrows
    }

    fn hides_a_label(&self, top: i32, arrow: &Arrow) -> bool {
        let (x, y) = arrow.to;
        let (above, below) = (y.min(arrow.neck()) - top, y.max(arrow.neck()) - top);
        self.lanes.iter().any(|plan| {
            let labels = plan.flags.iter().filter_map(|flag| flag.place.as_ref());
            labels.into_iter().any(|place| {
                let middle = plan.row_y(place.row);
                let is_within = place.left + OFFSET < x + 3 && x - 3 < place.right - OFFSET;
                is_within && above < middle + ROW / 2 && middle - ROW / 2 < below
            })
        })
    }

    fn draw_panel(&self, canvas: &Canvas, panel: Panel) {
        let run = self.run;
        let bins = bins(run, panel.axis);
        if run.classes.is_empty() {
            panel.grid(canvas);
            draw_weights_gap(canvas, &panel, run, &bins);
            draw_weights(canvas, &panel, run, &bins);
            draw_struck(canvas, &panel, (&bins, TARGET_5XX), |second| second.target_5xx > 0);
            draw_struck(canvas, &panel, (&bins, ELB_5XX), |second| second.elb_5xx() > 0);
            draw_struck(canvas, &panel, (&bins, UNROUTED), |second| second.elb_404 > 0);
            return;
        }
        let records: Vec<_> = run.classes.iter().collect();
        let y = panel.top - TICKS - 11;
        canvas.text("requests by version", (LEFT, y), Font::strong().anchored(HPos::Left, VPos::Center));
        let key: Vec<(String, Sign)> = key(run, Drawn::Shares);
        draw_key(canvas, (RIGHT - key_width(&key), y), &key);
        canvas.rectangle((LEFT, panel.top), (RIGHT, panel.bottom()), NO_REQUEST);
        draw_band(canvas, &panel, (run, &records));
        draw_ticks(canvas, &panel, (run, &records));
        draw_frame(canvas, &panel);
    }
}

/// A tick above the panel for each moment with such a second.
fn draw_struck(
    canvas: &Canvas,
    panel: &Panel,
    (bins, colour): (&[Bin], RGBColor),
    is_struck: impl Fn(&Second) -> bool,
) {
    for bin in bins.iter().filter(|bin| is_struck(&bin.worst)) {
        let (from, to) = panel.axis.span(bin);
        canvas.rectangle((from, panel.top - 4), (to.max(from + 2), panel.top), colour);
    }
}

impl LanePlan<'_> {
    fn tracks(&self) -> i32 {
        let tracks = self.bars.iter().map(|bar| bar.track + 1).max().unwrap_or(0);
        i32::try_from(tracks).expect("tracks are few")
    }

    fn rows(&self) -> i32 {
        let rows = self.flags.iter().filter_map(|flag| Some(flag.place.as_ref()?.row + 1)).max().unwrap_or(0);
        i32::try_from(rows).expect("rows are few")
    }

    fn content(&self) -> i32 {
        let marks = if self.flags.is_empty() { 0 } else { self.rows() * ROW + MARKS };
        self.tracks() * TRACK + marks
    }

    fn height(&self) -> i32 {
        (self.content() + 2 * MARGIN).max(LOWEST)
    }

    /// Where the tracks begin.
    fn first_track(&self) -> i32 {
        self.top + (self.height() - self.content()) / 2
    }

    fn marks_y(&self) -> i32 {
        self.first_track() + self.content() - MARKS / 2
    }

    /// The middle of a row of labels.
    fn row_y(&self, row: usize) -> i32 {
        self.marks_y() - MARKS / 2 - ROW / 2 - i32::try_from(row).expect("rows are few") * ROW
    }

    /// Where the entry of the log is drawn.
    fn place(&self, entry: usize) -> Option<Place> {
        if let Some(mark) = self.lane.marks.iter().find(|mark| mark.entry == entry) {
            return Some(Place { at: mark.at, above: self.marks_y() - 5, below: self.marks_y() + 5 });
        }
        let edge = |span: &Span| span.entries.iter().find(|(other, _)| *other == entry).map(|(_, edge)| *edge);
        let (index, edge) = self.lane.spans.iter().enumerate().find_map(|(index, span)| Some((index, edge(span)?)))?;
        let span = &self.lane.spans[index];
        let bar = self.bars.iter().find(|bar| bar.members.contains(&index))?;
        let top = self.track_y(bar.track);
        let at = match edge {
            Edge::Start => span.from,
            Edge::Within(at) => at,
            Edge::End => span.to,
        };
        Some(Place { at, above: top + 1, below: top + TRACK - 2 })
    }

    fn track_y(&self, track: usize) -> i32 {
        self.first_track() + i32::try_from(track).expect("tracks are few") * TRACK
    }

    fn draw_name(&self, canvas: &Canvas, y: i32) {
        const LINE: i32 = 16;
        let lines = i32::try_from(self.lane.name.len()).expect("a name is short");
        for (index, line) in (0..).zip(self.lane.name) {
            let y = y + index * LINE - (lines - 1) * LINE / 2;
            canvas.text(line, (LEFT - 8, y), Font::plain(INK).anchored(HPos::Right, VPos::Center));
        }
    }

    fn draw(&self, canvas: &Canvas, top: i32, ground: RGBColor) {
        for bar in &self.bars {
            bar.draw(canvas, top + self.track_y(bar.track), ground);
        }
        let y = top + self.marks_y();
        let middle = |row: usize| top + self.row_y(row);
        let labelled = || self.flags.iter().filter_map(|flag| Some((flag.x(), flag.place.as_ref()?)));
        for (x, place) in labelled() {
            canvas.line(vec![(x, middle(place.row) - ROW / 2 + 2), (x, y)], MARK, 1);
        }
        for (x, place) in labelled() {
            let y = middle(place.row);
            canvas.rectangle((place.left + 2, y - ROW / 2 + 1), (place.right - 2, y + ROW / 2), ground);
            let (x, side) = match place.left == x {
                true => (x + OFFSET, HPos::Left),
                false => (x - OFFSET, HPos::Right),
            };
            canvas.text(&place.text, (x, y), Font::plain(INK).anchored(side, VPos::Center));
        }
        for flag in &self.flags {
            draw_marks(canvas, y, flag);
        }
    }
}

/// A diamond for each, the alarming ones on top.
fn draw_marks(canvas: &Canvas, y: i32, flag: &Flag<'_>) {
    let colour_of = |mark: &Mark| match (mark.is_alarming, mark.rank) {
        (true, _) => ELB_5XX,
        (false, BACKGROUND) => MARK,
        (false, _) => INK,
    };
    for (colour, size) in [(MARK, 3), (INK, 4), (ELB_5XX, 4)] {
        let mut last = i32::MIN;
        for (x, _) in flag.marks.iter().filter(|(_, mark)| colour_of(mark) == colour) {
            // Many at one place are one.
            if *x > last {
                canvas.polygon(vec![(x - size, y), (*x, y - size), (x + size, y), (*x, y + size)], colour);
                last = *x;
            }
        }
    }
}

fn draw_head(canvas: &Canvas, top: i32, (loaded, run): (&Loaded, &Run)) {
    canvas.text(&super::fit(&loaded.scenario.title, 24.8), (LEFT, top + 12), Font::bold(24.8));
    let subtitle = format!(
        "scenario {}, seed {}, fingerprint {:016x}: who did what when",
        loaded.scenario.name, run.seed, run.fingerprint
    );
    canvas.text(&super::fit(&subtitle, 15.5), (LEFT, top + 42), Font::plain(FAINT));
    let how_to_read = "A box lasts, a diamond happens at once (red: trouble, grey: routine); ×3: so many at one place, +2: so \
                       many more. An arrow leads from cause to effect.";
    canvas.text(how_to_read, (LEFT, top + 60), Font::plain(FAINT));
}

#[cfg(test)]
mod tests {
    use super::super::tests::{attribute, boxes};
    use super::bars::WORK;
    use super::*;
    use crate::report::classes::sample::exposed;
    use crate::report::sample::{at_millis, log, quiet};
    use crate::scenario::Loaded;

    /// A release that everybody has a hand in, and that is taken back.
    fn delivered() -> (Loaded, Run) {
        let (loaded, mut run) = exposed();
        run.events.extend(log(&[
            (0, "git", "Commit", "commit 1", "v2"),
            (0, "argo-cd", "Synced", "application", "commit 1"),
            (41_000, "argo-cd", "OutOfSync", "application", "Ingress/web"),
            (46_000, "argo-cd", "SyncStarted", "commit 1", "self-heal attempt 0"),
            (52_000, "argo-cd", "SyncEnded", "commit 1", "self-heal attempt 0"),
            (52_000, "argo-cd", "Applied", "Ingress/web", "/spec/rules"),
            (52_000, "argo-cd", "RemoveRoutes", "ingress", "by-header"),
            (52_500, "argo-cd", "Synced", "application", ""),
            (55_000, "load-balancer-controller", "DeleteRule", "ingress", "rule 50000"),
            (100_000, "alert", "Pending", "TooManyErrors", ""),
            (160_000, "alert", "Firing", "TooManyErrors", ""),
            (165_000, "alert", "Notified", "TooManyErrors", ""),
            (200_000, "people", "run_pipeline", "pipeline", ""),
            (200_000, "pipeline", "Queued", "run 1", "1 before it"),
            (230_000, "pipeline", "Started", "run 1", "the code of v1"),
            (230_000, "pipeline", "StageStarted", "build", "run 1"),
            (300_000, "pipeline", "StageEnded", "build", "run 1"),
            (300_000, "pipeline", "StageStarted", "test", "run 1"),
            (330_000, "pipeline", "StageFailed", "test", "run 1"),
            (330_000, "pipeline", "StageStarted", "test", "run 1, retry 1"),
            (360_000, "pipeline", "StageEnded", "test", "run 1"),
            (360_000, "pipeline", "Ended", "run 1", "succeeded"),
            (370_000, "git", "Commit", "commit 2", "v3"),
            (390_000, "argo-cd", "SyncStarted", "commit 2", "new revision"),
            (400_000, "argo-cd", "SyncEnded", "commit 2", "new revision"),
            (400_000, "promotion", "Started", "stage", "for 1800s"),
            (440_000, "alert", "Resolved", "TooManyErrors", ""),
            (450_000, "people", "accept", "promotion", ""),
            (450_000, "promotion", "Accepted", "stage", ""),
        ]));
        run.events.sort_by_key(|entry| entry.at);
        (loaded, run)
    }

    /// An hour in which something happens every few seconds, in every lane.
    fn busy() -> (Loaded, Run) {
        let (loaded, mut run) = delivered();
        run.seconds.resize(3660, run.seconds[590]);
        run.classes.clear();
        run.end = at_millis(3_600_000);
        for number in 0..250 {
            let at = 14_000 * number;
            let detail = format!("canary {} stable {}", number % 101, 100 - number % 101);
            run.events.extend(log(&[
                (at, "rollouts-controller", "SetWeight", "ingress", &detail),
                (at + 10, "rollouts-controller", "ScaleReplicaSet", "v2", "1 -> 2"),
                (at + 900, "load-balancer-controller", "ModifyRule", "ingress", &detail),
                (at + 2000, "load-balancer", "RuleEffective", "node 0", &detail),
                (at + 3000, "load-balancer", "RuleEffective", "node 1", &detail),
                (at + 4000, "argo-cd", "SyncStarted", "commit 1", "self-heal attempt 5"),
                (at + 5000, "argo-cd", "SyncEnded", "commit 1", "self-heal attempt 5"),
                (at + 5000, "argo-cd", "Applied", "Ingress/web", "/spec/rules"),
                (at + 6000, "people", "refresh", "argo-cd", ""),
            ]));
        }
        run.events.sort_by_key(|entry| entry.at);
        (loaded, run)
    }

    fn texts(svg: &str) -> Vec<String> {
        boxes(svg).into_iter().map(|(.., text)| text).collect()
    }

    #[test]
    fn every_actor_with_an_event_has_a_lane() {
        let (loaded, run) = delivered();
        let all = ["people", "git", "pipeline", "Argo CD", "Rollouts", "LB", "ALB", "header"];
        let told = texts(&lanes(&[(&loaded, &run)]));
        let places: Vec<_> = all.iter().filter_map(|name| told.iter().position(|text| text == name)).collect();
        assert!(places.len() == all.len() && places.is_sorted(), "{told:?}");
        let told = texts(&lanes(&[(&loaded, &quiet())]));
        let there: Vec<_> = all.into_iter().filter(|name| told.iter().any(|text| text == name)).collect();
        assert_eq!(there, ["Rollouts"]);
    }

    #[test]
    fn no_two_texts_overlap_and_none_leaves_the_page() {
        let [(loaded, delivered), (_, busy)] = [delivered(), busy()];
        for runs in [&[&delivered][..], &[&busy], &[&delivered, &busy]] {
            let runs: Vec<_> = runs.iter().map(|run| (&loaded, *run)).collect();
            let boxes = boxes(&lanes(&runs));
            assert!(boxes.len() > 30);
            for (index, a) in boxes.iter().enumerate() {
                assert!(a.0 >= 0.0 && a.1 <= f64::from(WIDTH), "{a:?}");
                for b in &boxes[..index] {
                    assert!(a.0 >= b.1 || b.0 >= a.1 || a.2 >= b.3 || b.2 >= a.3, "{a:?} lies over {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_lane_has_three_rows_of_labels_at_most() {
        let (loaded, run) = busy();
        let story = story(&loaded, &run);
        let plan = Plan::of(axis(&[(&loaded, &run)], &[]), (&loaded, &run), &story);
        assert!(plan.lanes.iter().all(|lane| (0..=3).contains(&lane.rows()) && (0..=3).contains(&lane.tracks())));
        assert!(plan.lanes.iter().any(|lane| lane.rows() == 3));
    }

    #[test]
    fn a_sync_begins_and_ends_where_its_events_are() {
        let (loaded, run) = delivered();
        let stories = [story(&loaded, &run)];
        let axis = axis(&[(&loaded, &run)], &stories);
        let svg = lanes(&[(&loaded, &run)]);
        let [from, to] = [390_000, 400_000].map(|millis| axis.x_of_millis(millis));
        let fill = format!("fill=\"#{:02X}{:02X}{:02X}\"", WORK.0, WORK.1, WORK.2);
        let is_sync = |line: &&str| {
            line.contains("<rect")
                && line.contains(&fill)
                && attribute(line, "x") == from.to_string()
                && attribute(line, "width") == (to - from).to_string()
        };
        assert_eq!(svg.lines().filter(is_sync).count(), 1, "from {from} to {to}");
    }

    #[test]
    fn what_is_certain_has_an_arrow() {
        let (loaded, run) = delivered();
        let told = story(&loaded, &run).causes;
        let name = |number: usize| format!("{} {}", run.events[number].event, run.events[number].object);
        let told: Vec<_> = told.iter().map(|cause| (name(cause.from), name(cause.to))).collect();
        for (from, to) in [
            ("Commit commit 1", "Synced application"),
            ("RemoveRoutes ingress", "DeleteRule ingress"),
            ("run_pipeline pipeline", "Queued run 1"),
            ("Ended run 1", "Commit commit 2"),
            ("Commit commit 2", "SyncStarted commit 2"),
            ("accept promotion", "Accepted stage"),
        ] {
            assert!(told.contains(&(from.to_owned(), to.to_owned())), "{from}: {told:?}");
        }
        assert!(!told.iter().any(|(from, to)| from == to || to == "SyncStarted commit 1"), "{told:?}");
    }

    #[test]
    fn the_same_run_makes_the_same_bytes() {
        let [(loaded, one), (_, other)] = [busy(), busy()];
        assert_eq!(lanes(&[(&loaded, &one)]), lanes(&[(&loaded, &other)]));
    }
}
