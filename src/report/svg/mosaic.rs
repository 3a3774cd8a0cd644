//! `mosaic.svg`: a row for each of some users, a box for each request, coloured by what became of it.

use super::canvas::{Canvas, INFALLIBLE, INK};
use super::panel::{LEFT, Panel, RIGHT, TimeAxis, WIDTH};
use super::versions::{Drawn, ELB_5XX, HEAD, Sign, TARGET_5XX, UNROUTED, caption, colour, head};
use super::{FOOT, Frame, Layout, draw_marks};
use crate::model::tally::exposure::SAMPLED_USERS;
use crate::report::classes::{Class, of};
use crate::report::{counted, grouped, secs_since_release};
use crate::run::{Answer, Run, SampledRequest};
use crate::scenario::Loaded;
use crate::units::Instant;
use plotters::prelude::*;

/// Rows of all classes together: a page and a half.
const ROWS: usize = 72;
const FEWEST_ROWS: usize = 4;
/// Widths of a box with the gap beside it, the first that has room.
const PITCHES: [i32; 5] = [12, 10, 8, 7, 6];
/// A row may be so full: else too many boxes would not stand at their time.
const FULLNESS: f64 = 0.7;
/// A box stands no more places than this beside its time; where more requests crowd, some have none.
const FARTHEST: i32 = 2;

/// The runs below each other on one time axis; None if no class has users.
pub fn mosaic(runs: &[(&Loaded, &Run)]) -> Option<String> {
    let axis = TimeAxis::of(runs);
    let blocks: Vec<Vec<Block<'_>>> = runs.iter().map(|(loaded, run)| blocks(axis, (loaded, run))).collect();
    if blocks.iter().all(Vec::is_empty) {
        return None;
    }
    let pitch = pitch(blocks.iter().flatten());
    let heights: Vec<i32> = blocks.iter().map(|blocks| height(blocks, pitch)).collect();
    let mut svg = String::new();
    let height = heights.iter().sum::<i32>() + FOOT;
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
    canvas.rectangle((0, 0), (WIDTH, height), WHITE);
    let mut top = 0;
    for ((pair, blocks), height) in runs.iter().zip(&blocks).zip(heights) {
        let frame = Frame { layout: Layout { head: HEAD, ..Layout::ONE }, axis, top, most: 0 };
        draw_run(&canvas, &frame, (*pair, blocks, pitch));
        top += height;
    }
    axis.labels(&canvas, top);
    canvas.0.present().expect(INFALLIBLE);
    drop(canvas);
    Some(svg)
}

/// A class with the users of whom a row is drawn.
struct Block<'a> {
    class: Class<'a>,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    user: u32,
    /// Within the time that is drawn, in order.
    requests: Vec<&'a SampledRequest>,
}

impl<'a> Row<'a> {
    /// The requests that may have a box, and their places.
    fn boxes(&self, axis: TimeAxis, run: &Run, pitch: i32) -> Vec<(&'a SampledRequest, Option<i32>)> {
        let drawn: Vec<_> = self.requests.iter().copied().step_by(every(self.requests.len(), pitch)).collect();
        let wanted: Vec<_> = drawn.iter().map(|request| (at(axis, run, request.arrival) - LEFT) / pitch).collect();
        let places = places(&wanted, (RIGHT - LEFT) / pitch);
        drawn.into_iter().zip(places).collect()
    }

    /// The first answer of the new version.
    fn exposed(&self) -> Option<Instant> {
        let is_new = |request: &&&SampledRequest| {
            request.version >= 2 && matches!(request.answer, Answer::Ok | Answer::Target5xx)
        };
        self.requests.iter().find(is_new).map(|request| request.arrival)
    }
}

fn blocks<'a>(axis: TimeAxis, (loaded, run): (&'a Loaded, &'a Run)) -> Vec<Block<'a>> {
    let classes: Vec<_> = of(loaded, run).into_iter().filter(|class| class.audience.is_some()).collect();
    let most = (ROWS / classes.len().max(1)).clamp(FEWEST_ROWS, SAMPLED_USERS as usize);
    let is_drawn = |request: &&SampledRequest| {
        let second = secs_since_release(run, request.arrival).floor() as i64;
        (axis.0.from..axis.0.to).contains(&second)
    };
    let block = |class: Class<'a>| {
        let mut rows: Vec<Row<'_>> = (0..SAMPLED_USERS).map(|user| Row { user, requests: vec![] }).collect();
        for request in class.record.samples.iter().filter(is_drawn) {
            rows[request.user as usize].requests.push(request);
        }
        rows.retain(|row| !row.requests.is_empty());
        rows.truncate(most);
        rows.sort_by_key(|row| (row.exposed().unwrap_or(Instant::NEVER), row.user));
        Block { class, rows }
    };
    classes.into_iter().map(block).collect()
}

/// Boxes as wide as nine rows of ten have room for.
fn pitch<'a>(blocks: impl Iterator<Item = &'a Block<'a>>) -> i32 {
    let mut lengths: Vec<usize> = blocks.flat_map(|block| &block.rows).map(|row| row.requests.len()).collect();
    lengths.sort_unstable();
    let length = lengths.get(lengths.len() * 9 / 10).copied().unwrap_or(0);
    PITCHES.into_iter().find(|pitch| length <= room(*pitch)).unwrap_or(PITCHES[PITCHES.len() - 1])
}

/// So many boxes are drawn in a row at most.
fn room(pitch: i32) -> usize {
    (f64::from((RIGHT - LEFT) / pitch) * FULLNESS) as usize
}

/// Of a box, with the gap below it.
fn row_height(pitch: i32) -> i32 {
    pitch + 2
}

fn block_height(block: &Block<'_>, pitch: i32) -> i32 {
    row_height(pitch) * i32::try_from(block.rows.len().max(1)).expect("rows are few")
}

fn height(blocks: &[Block<'_>], pitch: i32) -> i32 {
    let blocks = blocks.iter().map(|block| Layout::NAME + block_height(block, pitch) + Layout::GAP);
    HEAD + Layout::MARKS + blocks.sum::<i32>()
}

/// A run, its classes, and the width of a box.
type Part<'a> = ((&'a Loaded, &'a Run), &'a [Block<'a>], i32);

fn draw_run(canvas: &Canvas, frame: &Frame, ((loaded, run), blocks, pitch): Part<'_>) {
    head(canvas, frame.top, ((loaded, run), Drawn::Boxes));
    let mut top = frame.top + HEAD + Layout::MARKS;
    let mut panels = vec![];
    for block in blocks {
        let height = block_height(block, pitch);
        panels.push(Panel { top: top + Layout::NAME, height, most: 1, full: true, axis: frame.axis });
        top += Layout::NAME + height + Layout::GAP;
    }
    draw_marks(canvas, frame, (loaded, run), &panels.iter().collect::<Vec<_>>());
    for (panel, block) in panels.iter().zip(blocks) {
        caption(canvas, panel.top - 11, (&block.class, &figures(block, (frame.axis, run), pitch)));
        draw_rows(canvas, (panel, pitch), (run, block));
    }
}

/// `24 of 2,000 users; 1,133 saw v2, 1,109 went back and forth, 478 got a target 5xx`: of all, not of those drawn.
fn figures(block: &Block<'_>, (axis, run): (TimeAxis, &Run), pitch: i32) -> String {
    let audience = block.class.audience.expect("a block is of a class with users");
    let new = if block.class.record.versions() <= 3 { "v2" } else { "v2 or later" };
    let counts = [
        (audience.back_and_forth, "went back and forth"),
        (audience.hit_by_target_5xx, "got a target 5xx"),
        (audience.hit_by_elb_5xx, "got an ELB 5xx"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, what)| format!(", {} {what}", grouped(count)));
    let sampled_every = block.class.record.sampled_every as usize;
    let strides = block.rows.iter().map(|row| sampled_every * every(row.requests.len(), pitch));
    let crowds = block.rows.iter().any(|row| row.boxes(axis, run, pitch).iter().any(|(_, place)| place.is_none()));
    let thinned = match (strides.clone().min(), strides.max()) {
        (Some(1), Some(1)) if crowds => Some(" (a box for most requests)".to_owned()),
        (Some(1), Some(1)) | (None, _) | (_, None) => None,
        (Some(least), Some(most)) if least == most => Some(format!(" (a box for one request in {most})")),
        (Some(_), Some(most)) => Some(format!(" (a box for each request, or for one in up to {most})")),
    };
    format!(
        "{} of {}{}; {} saw {new}{}",
        grouped(block.rows.len() as u64),
        counted(audience.count, "user"),
        thinned.unwrap_or_default(),
        grouped(audience.exposed),
        counts.collect::<String>(),
    )
}

/// Of more requests than a row has room for, one in so many is drawn.
fn every(requests: usize, pitch: i32) -> usize {
    requests.div_ceil(room(pitch)).max(1)
}

fn draw_rows(canvas: &Canvas, (panel, pitch): (&Panel, i32), (run, block): (&Run, &Block<'_>)) {
    let side = pitch - 1;
    for (number, row) in (0..).zip(&block.rows) {
        let y = panel.top + number * row_height(pitch);
        for (request, place) in row.boxes(panel.axis, run, pitch) {
            if let Some(place) = place {
                sign(request).draw(canvas, (LEFT + place * pitch, y), side);
            }
        }
        if block.class.record.users[row.user as usize].went_back_and_forth() {
            let centre = (RIGHT + 9, y + side / 2);
            canvas.0.draw(&Circle::new(centre, 3, INK.filled())).expect(INFALLIBLE);
        }
    }
}

/// To the pixel, not to the second as steps are.
fn at(axis: TimeAxis, run: &Run, arrival: Instant) -> i32 {
    let (from, to) = (axis.0.from as f64, axis.0.to as f64);
    let part = (secs_since_release(run, arrival) - from) / (to - from);
    LEFT + (f64::from(RIGHT - LEFT) * part) as i32
}

/// Each box stands at its place, or at the next one that is free if that is not too far.
fn places(wanted: &[i32], room: i32) -> Vec<Option<i32>> {
    let mut next = 0;
    let place = |wanted: &i32| {
        let wanted = (*wanted).min(room - 1);
        let place = next.max(wanted);
        let is_drawn = place <= wanted + FARTHEST && place < room;
        if is_drawn {
            next = place + 1;
        }
        is_drawn.then_some(place)
    };
    wanted.iter().map(place).collect()
}

/// The error of a version stands on its colour; what no version answered is hollow, and what nobody took a cross.
fn sign(request: &SampledRequest) -> Sign {
    let own = colour(request.version.into());
    match request.answer {
        Answer::Ok => Sign::Full(own),
        Answer::Target5xx => Sign::Footed(TARGET_5XX, own),
        Answer::Elb5xx => Sign::Hollow(ELB_5XX),
        Answer::Elb404 => Sign::Crossed(UNROUTED),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::boxes;
    use super::super::versions::Sign;
    use super::*;
    use crate::report::classes::sample;
    use crate::report::summary::summary;

    /// The sample with its class of this number alone.
    fn alone(number: usize) -> (Loaded, Run) {
        let (mut loaded, mut run) = sample::exposed();
        loaded.scenario.traffic.classes = vec![loaded.scenario.traffic.classes.swap_remove(number)];
        run.classes = vec![run.classes.swap_remove(number)];
        (loaded, run)
    }

    fn fills(svg: &str, colour: RGBColor) -> usize {
        let fill = format!("fill=\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
        svg.lines().filter(|line| line.contains("<rect") && line.contains(&fill)).count()
    }

    #[test]
    fn each_request_that_has_room_near_its_time_has_its_box() {
        let (loaded, run) = alone(1);
        let pair = [(&loaded, &run)];
        let (svg, axis) = (mosaic(&pair).expect("there are users"), TimeAxis::of(&pair));
        let blocks = blocks(axis, pair[0]);
        let pitch = pitch(blocks.iter());
        let boxes: Vec<_> = blocks[0].rows.iter().flat_map(|row| row.boxes(axis, &run, pitch)).collect();
        assert_eq!(boxes.len(), run.classes[0].samples.len(), "all have a row, and none is one of several");
        let drawn = |wanted: &dyn Fn(&SampledRequest) -> bool| {
            boxes.iter().filter(|(request, place)| place.is_some() && wanted(request)).count()
        };
        // One more of each stands in the key, and the errors of v2 stand on its colour.
        let v1 = drawn(&|request| request.version == 1 && request.answer == Answer::Ok);
        let v2 = drawn(&|request| request.version == 2);
        assert!(v1 > 100 && v2 > 100);
        assert_eq!((fills(&svg, colour(1)), fills(&svg, colour(2))), (v1 + 1, v2 + 2));
        assert_eq!(fills(&svg, TARGET_5XX), drawn(&|request| request.answer == Answer::Target5xx) + 1);
        assert_eq!(fills(&svg, ELB_5XX), drawn(&|request| request.answer == Answer::Elb5xx) + 1);
        for (request, place) in boxes {
            let wanted = (at(axis, &run, request.arrival) - LEFT) / pitch;
            assert!(place.is_none_or(|place| (wanted - 1..=wanted + FARTHEST).contains(&place)), "{wanted}, {place:?}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_summary() {
        let (loaded, run) = sample::exposed();
        let svg = mosaic(&[(&loaded, &run)]).expect("there are users");
        let texts: Vec<_> = boxes(&svg).into_iter().map(|(.., text)| text).collect();
        for class in summary(&loaded, &run, &[])["classes"].as_array().expect("a list") {
            let users = &class["users"];
            let number = |key: &str| grouped(users[key].as_u64().unwrap_or_else(|| panic!("{key} of {users}")));
            let head = format!(" of {} users", number("count"));
            let told = texts.iter().find(|text| text.contains(&head)).unwrap_or_else(|| panic!("{head}: {texts:?}"));
            for (key, words) in [
                ("exposed", "saw v2"),
                ("back_and_forth", "went back and forth"),
                ("hit_by_target_5xx", "got a target 5xx"),
                ("hit_by_elb_5xx", "got an ELB 5xx"),
            ] {
                let part = format!("{} {words}", number(key));
                assert_eq!(told.contains(&part), key == "exposed" || users[key].as_u64() > Some(0), "{part}: {told}");
            }
        }
    }

    #[test]
    fn boxes_stand_in_order_and_none_far_from_its_time() {
        for (wanted, expected) in [
            (&[0, 3, 7][..], &[Some(0), Some(3), Some(7)][..]),
            (&[2, 2, 2, 5], &[Some(2), Some(3), Some(4), Some(5)]),
            (&[2, 2, 2, 2, 3], &[Some(2), Some(3), Some(4), None, Some(5)]),
            (&[9, 9, 10], &[Some(9), None, None]),
            (&[], &[]),
        ] {
            assert_eq!(places(wanted, 10), expected, "{wanted:?}");
        }
    }

    #[test]
    fn who_met_the_new_version_first_stands_on_top() {
        let (loaded, run) = alone(2);
        let blocks = blocks(TimeAxis::of(&[(&loaded, &run)]), (&loaded, &run));
        let exposed: Vec<_> = blocks[0].rows.iter().map(|row| row.exposed().unwrap_or(Instant::NEVER)).collect();
        assert_eq!(exposed.len(), 20);
        assert!(exposed.is_sorted(), "{exposed:?}");
    }

    #[test]
    fn requests_that_were_not_kept_are_not_passed_over_in_silence() {
        let (loaded, mut run) = alone(1);
        run.classes[0].sampled_every = 4;
        let svg = mosaic(&[(&loaded, &run)]).expect("there are users");
        assert!(svg.contains("of 2,000 users (a box for one request in 4); "), "{:?}", boxes(&svg));
    }

    #[test]
    fn without_users_there_is_no_mosaic() {
        let (loaded, mut run) = sample::exposed();
        run.classes.iter_mut().for_each(|class| class.users.clear());
        assert_eq!(mosaic(&[(&loaded, &run)]), None);
        assert!(matches!(sign(&run.classes[1].samples[0]), Sign::Full(_)));
    }
}
