//! `classes.svg`: a band for each class of traffic, the share of each version over time, with its errors.

use super::canvas::{Canvas, Font, INFALLIBLE, INK};
use super::panel::{LEFT, Panel, RIGHT, TimeAxis, WIDTH};
use super::versions::{Drawn, ELB_5XX, HEAD, TARGET_5XX, UNROUTED, caption, colour, errors, head};
use super::{FOOT, Frame, Layout, draw_marks, steps};
use crate::report::classes::{Class, of};
use crate::report::{counted, grouped, percent, second_of_row};
use crate::run::{Answer, ClassRecord, Run};
use crate::scenario::Loaded;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use std::ops::Range;

/// Between the caption of a class and its band: a row of ticks for the errors of the program, and one for the rest.
pub(super) const TICKS: i32 = 12;
pub(super) const NO_REQUEST: RGBColor = RGBColor(0xf2, 0xf2, 0xf2);
/// So many requests make a column: with fewer its shares would be noise.
const SAMPLE: u64 = 25;
/// Columns that are drawn however few requests there are.
const FEWEST_COLUMNS: u64 = 30;

/// The runs below each other on one time axis.
pub fn classes(runs: &[(&Loaded, &Run)]) -> String {
    let mut svg = String::new();
    let height = runs.iter().map(|(loaded, _)| height(loaded)).sum::<i32>() + FOOT;
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
    canvas.rectangle((0, 0), (WIDTH, height), WHITE);
    let axis = TimeAxis::of(runs);
    let mut top = 0;
    for (loaded, run) in runs {
        draw_run(&canvas, (axis, top), (loaded, run));
        top += self::height(loaded);
    }
    axis.labels(&canvas, top);
    canvas.0.present().expect(INFALLIBLE);
    drop(canvas);
    svg
}

fn height(loaded: &Loaded) -> i32 {
    let count = i32::try_from(loaded.scenario.traffic.classes.len()).expect("classes are few");
    HEAD + Layout::MARKS + count * (Layout::NAME + TICKS + band(count) + Layout::GAP)
}

/// The height of a band where there are so many.
fn band(count: i32) -> i32 {
    (480 / count.max(1)).clamp(36, 120)
}

fn draw_run(canvas: &Canvas, (axis, top): (TimeAxis, i32), (loaded, run): (&Loaded, &Run)) {
    head(canvas, top, ((loaded, run), Drawn::Shares));
    let classes = of(loaded, run);
    let height = band(i32::try_from(classes.len()).expect("classes are few"));
    let panel = |place: i32| {
        let top = top + HEAD + Layout::MARKS + place * (Layout::NAME + TICKS + height + Layout::GAP);
        Panel { top: top + Layout::NAME + TICKS, height, most: 100, full: true, axis }
    };
    let panels: Vec<_> = (0..).zip(&classes).map(|(place, _)| panel(place)).collect();
    for (panel, class) in panels.iter().zip(&classes) {
        caption(canvas, panel.top - TICKS - 11, (class, &figures(class)));
        canvas.rectangle((LEFT, panel.top), (RIGHT, panel.bottom()), NO_REQUEST);
        draw_band(canvas, panel, (run, &[class.record]));
        draw_ticks(canvas, panel, (run, &[class.record]));
        draw_frame(canvas, panel);
    }
    let frame = Frame { layout: Layout { head: HEAD, ..Layout::ONE }, axis, top, most: 0 };
    draw_marks(canvas, &frame, (loaded, run), &panels.iter().collect::<Vec<_>>());
}

/// `114,000 requests, 40.1 % by v2, 4,568 target 5xx, 1,318 ELB 5xx, seen by 1,133 of 2,000 users`.
fn figures(class: &Class<'_>) -> String {
    let new = if class.record.versions() <= 3 { "v2" } else { "v2 and later" };
    let seen = class
        .audience
        .map(|audience| format!(", seen by {} of {}", grouped(audience.exposed), counted(audience.count, "user")));
    format!(
        "{}, {} by {new}{}{}",
        counted(class.total.requests(), "request"),
        percent(class.share_of_new()),
        seen.unwrap_or_default(),
        errors(class),
    )
}

pub(super) fn draw_frame(canvas: &Canvas, panel: &Panel) {
    for (value, label) in [(0, "0 %"), (100, "100 %")] {
        let y = panel.y(value);
        // Inside of the band's height, so that two bands never share a line.
        let v_pos = if value == 0 { VPos::Bottom } else { VPos::Top };
        canvas.text(label, (LEFT - 8, y), Font::plain(INK).anchored(HPos::Right, v_pos));
    }
    let (top, bottom) = (panel.top, panel.bottom());
    canvas.line(vec![(LEFT, top), (LEFT, bottom), (RIGHT, bottom), (RIGHT, top), (LEFT, top)], INK, 1);
}

fn versions(records: &[&ClassRecord]) -> usize {
    records.iter().map(|record| record.versions()).max().unwrap_or(0)
}

/// Seconds that are drawn as one, with what came in them.
struct Column {
    /// Seconds since the release.
    from: i64,
    to: i64,
    /// By version and answer.
    cells: Vec<[u64; Answer::ALL.len()]>,
}

impl Column {
    fn of(run: &Run, records: &[&ClassRecord], rows: Range<usize>) -> Self {
        let mut cells = vec![[0; Answer::ALL.len()]; versions(records)];
        for (row, record) in rows.clone().flat_map(|row| records.iter().map(move |record| (row, record))) {
            for (version, cell) in cells.iter_mut().enumerate().take(record.versions()) {
                let counts = record.counts(row, version);
                cell.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(count));
            }
        }
        Self { from: second_of_row(run, rows.start), to: second_of_row(run, rows.end), cells }
    }

    fn all(&self) -> u64 {
        self.cells.iter().flatten().sum()
    }

    fn count(&self, part: Part) -> u64 {
        let of_all = |answer: Answer| self.cells.iter().map(|cell| cell[answer as usize]).sum();
        match part {
            Part::Ok(version) => self.cells[version][Answer::Ok as usize],
            Part::Target5xx(version) => self.cells[version][Answer::Target5xx as usize],
            Part::Elb5xx => of_all(Answer::Elb5xx),
            Part::Unrouted => of_all(Answer::Elb404),
        }
    }
}

/// The seconds that the axis shows, in at most so many columns of two pixels or more.
fn columns(run: &Run, (records, axis): (&[&ClassRecord], TimeAxis), most: u64) -> Vec<Column> {
    let Range { start, end } = axis.0.rows(run);
    let pixels = axis.x(second_of_row(run, end)) - axis.x(second_of_row(run, start));
    let room = usize::try_from(pixels / 2).expect("time runs to the right").max(1);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (rows, count) = (end - start, (end - start).min(room).min(most.max(1)));
    let column = |index: usize| start + index * rows / count..start + (index + 1) * rows / count;
    (0..count).map(|index| Column::of(run, records, column(index))).collect()
}

/// What a band is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Ok(usize),
    Target5xx(usize),
    Elb5xx,
    Unrouted,
}

impl Part {
    /// From the bottom up: the errors of a version stand on what it answered well.
    fn all(versions: usize) -> Vec<Self> {
        let answered = (1..versions).flat_map(|version| [Self::Ok(version), Self::Target5xx(version)]);
        answered.chain([Self::Ok(0), Self::Elb5xx, Self::Unrouted]).collect()
    }

    fn colour(self) -> RGBColor {
        match self {
            Self::Ok(version) => colour(version),
            Self::Target5xx(_) => TARGET_5XX,
            Self::Elb5xx => ELB_5XX,
            Self::Unrouted => UNROUTED,
        }
    }
}

pub(super) fn draw_band(canvas: &Canvas, panel: &Panel, (run, records): (&Run, &[&ClassRecord])) {
    let requests: u64 = columns(run, (records, panel.axis), u64::MAX).iter().map(Column::all).sum();
    let columns = columns(run, (records, panel.axis), (requests / SAMPLE).max(FEWEST_COLUMNS));
    let parts = Part::all(versions(records));
    for stretch in columns.chunk_by(|a, b| (a.all() > 0) == (b.all() > 0)).filter(|stretch| stretch[0].all() > 0) {
        let span = |column: &Column| (panel.axis.x(column.from), panel.axis.x(column.to));
        let outline = |parts: &[Part]| {
            let below = |column: &Column| parts.iter().map(|part| column.count(*part)).sum::<u64>();
            let y = |column: &Column| panel.y_of(below(column) as f64 * 100.0 / column.all() as f64);
            steps(stretch, span, y)
        };
        for (index, part) in parts.iter().enumerate() {
            if stretch.iter().any(|column| column.count(*part) > 0) {
                let mut points = outline(&parts[..=index]);
                points.extend(outline(&parts[..index]).into_iter().rev());
                canvas.polygon(points, part.colour());
            }
        }
    }
}

/// However few they are among the others: each moment with an error has its tick.
pub(super) fn draw_ticks(canvas: &Canvas, panel: &Panel, (run, records): (&Run, &[&ClassRecord])) {
    let columns = columns(run, (records, panel.axis), u64::MAX);
    let own: Vec<_> = (0..versions(records)).map(Part::Target5xx).collect();
    for (y, parts) in [(panel.top - 11, &own[..]), (panel.top - 6, &[Part::Elb5xx, Part::Unrouted])] {
        // Of several in one moment the last is seen: what no rule takes is the rarest.
        for part in parts {
            let struck = |column: &Column| column.count(*part) > 0;
            for same in columns.chunk_by(|a, b| struck(a) == struck(b)).filter(|same| struck(&same[0])) {
                let (from, to) = (panel.axis.x(same[0].from), panel.axis.x(same[same.len() - 1].to));
                canvas.rectangle((from, y), (to.max(from + 2), y + 4), part.colour());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::boxes;
    use super::*;
    use crate::report::classes::{sample, version_name};
    use crate::report::summary::summary;
    use serde_json::Value;

    fn number(value: &Value, key: &str) -> u64 {
        value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"))
    }

    #[test]
    fn the_numbers_are_those_of_the_summary() {
        let (loaded, run) = sample::exposed();
        let texts: Vec<_> = boxes(&classes(&[(&loaded, &run)])).into_iter().map(|(.., text)| text).collect();
        for class in summary(&loaded, &run, &[])["classes"].as_array().expect("a list") {
            let (requests, users) = (&class["requests"], &class["users"]);
            let head = format!("{} requests, ", grouped(number(requests, "total")));
            let told = texts.iter().find(|text| text.starts_with(&head)).unwrap_or_else(|| panic!("{head}: {texts:?}"));
            let new = &class["versions"][2];
            let answered = (number(new, "ok") + number(new, "target_5xx")) as f64;
            let share = percent(answered / number(requests, "total") as f64);
            let seen =
                format!("seen by {} of {} users", grouped(number(users, "exposed")), grouped(number(users, "count")));
            assert!(told.contains(&format!("{share} by v2")) && told.contains(&seen), "{told}: {class}");
            for (key, name) in [("target_5xx", "target 5xx"), ("elb_5xx", "ELB 5xx"), ("elb_404", "got 404")] {
                let part = format!(", {} {name}", grouped(number(requests, key)));
                assert_eq!(told.contains(&part), number(requests, key) > 0, "{part}: {told}");
            }
        }
    }

    #[test]
    fn the_columns_of_a_band_hold_what_the_summary_counts() {
        let (loaded, run) = sample::exposed();
        let axis = TimeAxis::of(&[(&loaded, &run)]);
        let summary = summary(&loaded, &run, &[]);
        for (class, told) in of(&loaded, &run).iter().zip(summary["classes"].as_array().expect("a list")) {
            for most in [u64::MAX, 30] {
                let columns = columns(&run, (&[class.record], axis), most);
                let sum = |part: Part| columns.iter().map(|column| column.count(part)).sum::<u64>();
                for version in 0..class.record.versions() {
                    let row = &told["versions"][version];
                    assert_eq!(row["version"], version_name(version).as_str());
                    assert_eq!(sum(Part::Ok(version)), number(row, "ok"));
                    assert_eq!(sum(Part::Target5xx(version)), number(row, "target_5xx"));
                }
                assert_eq!(sum(Part::Elb5xx), number(&told["requests"], "elb_5xx"));
                assert_eq!(sum(Part::Unrouted), number(&told["requests"], "elb_404"));
                let parts = Part::all(class.record.versions());
                assert_eq!(parts.into_iter().map(sum).sum::<u64>(), class.total.requests());
            }
        }
    }

    #[test]
    fn one_failed_request_among_thousands_has_its_tick() {
        let (loaded, mut run) = sample::exposed();
        let ticks = |run: &Run| {
            let svg = classes(&[(&loaded, run)]);
            let fill = format!("fill=\"#{:02X}{:02X}{:02X}\"", ELB_5XX.0, ELB_5XX.1, ELB_5XX.2);
            svg.lines().filter(|line| line.contains("height=\"4\"") && line.contains(&fill)).count()
        };
        let before = ticks(&run);
        run.classes[0].cells_mut(200, 1).expect("a second of the run")[Answer::Elb5xx as usize] += 1;
        assert_eq!(ticks(&run), before + 1);
    }

    #[test]
    fn a_class_without_requests_for_a_while_has_a_gap() {
        let (loaded, mut run) = sample::exposed();
        for second in 100..200 {
            for version in 0..3 {
                *run.classes[0].cells_mut(second, version).expect("a second of the run") = [0; 4];
            }
        }
        let polygons = |run: &Run| classes(&[(&loaded, run)]).matches("<polygon").count();
        assert_eq!(polygons(&run), polygons(&sample::exposed().1) + 1);
    }
}
