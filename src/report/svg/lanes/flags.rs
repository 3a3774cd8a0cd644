//! The labels of marks: each stands like a flag on a line that rises from its mark, where there is room for it.

use super::super::canvas::text_width;
use super::super::panel::{LEFT, WIDTH};
use super::story::Mark;
use std::cmp::Ordering;

/// Rows of labels in one lane.
const ROWS: usize = 3;
/// Marks nearer than so many pixels are drawn as one.
const NEXT_MARK: i32 = 5;
/// Marks nearer than this share a label rather than stand without one.
const NEIGHBOURS: i32 = 24;
/// Marks of this rank are told where nothing else is, or where there are so many of them.
pub(super) const BACKGROUND: u8 = 3;
const NOTICED: usize = 10;
/// The longest label of several marks, in characters.
const MOST: usize = 56;
/// Between the line and its label.
pub(super) const OFFSET: i32 = 4;

/// Marks with one label.
pub(super) struct Flag<'a> {
    pub marks: Vec<(i32, &'a Mark)>,
    /// None: without a label.
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from the marks up.
    pub row: usize,
    pub left: i32,
    pub right: i32,
    pub text: String,
}

impl Flag<'_> {
    /// Where the line rises.
    pub(super) fn x(&self) -> i32 {
        self.marks[0].0
    }

    fn last(&self) -> i32 {
        self.marks[self.marks.len() - 1].0
    }

    /// A long chain is of one kind: what else happens meanwhile has a label of its own.
    fn takes(&self, x: i32, mark: &Mark) -> bool {
        let mut told = self.marks.iter().map(|(_, mark)| *mark).filter(|mark| mark.rank < BACKGROUND);
        x - self.x() < NEIGHBOURS || mark.rank == BACKGROUND || told.all(|other| other.name == mark.name)
    }

    fn rank(&self) -> u8 {
        self.marks.iter().map(|(_, mark)| mark.rank).min().unwrap_or(u8::MAX)
    }
}

/// The marks are in order of time.
pub(super) fn flags<'a>(marks: impl Iterator<Item = (i32, &'a Mark)>) -> Vec<Flag<'a>> {
    let mut flags: Vec<Flag<'a>> = vec![];
    for (x, mark) in marks {
        match flags.last_mut().filter(|flag| x - flag.last() < NEXT_MARK && flag.takes(x, mark)) {
            Some(flag) => flag.marks.push((x, mark)),
            None => flags.push(Flag { marks: vec![(x, mark)], place: None }),
        }
    }
    while let Err(failed) = place(&mut flags) {
        let with = [failed.checked_sub(1), Some(failed)].into_iter().flatten().filter(|index| may_join(&flags, *index));
        let Some(first) = with.min_by_key(|index| flags[index + 1].x() - flags[*index].last()) else { break };
        let second = flags.remove(first + 1);
        flags[first].marks.extend(second.marks);
    }
    flags
}

/// The most important first, and of those the last one: it needs the lowest row. If that leaves one without a label, also
/// simply from the last one to the first, and with short labels to the right before long ones to the left; what labels most
/// of them counts. Err is the first flag that found no room and has a neighbour that may take it.
fn place(flags: &mut [Flag<'_>]) -> Result<(), usize> {
    let mut by_rank: Vec<usize> = (0..flags.len()).collect();
    by_rank.sort_by_key(|index| (flags[*index].rank(), -flags[*index].x()));
    let mut by_time = by_rank.clone();
    by_time.sort_by_key(|index| (flags[*index].rank() == BACKGROUND, -flags[*index].x()));
    let ways = [(&by_rank, true), (&by_time, true), (&by_rank, false), (&by_time, false)];
    let mut best: Option<(usize, Vec<Option<Place>>)> = None;
    for (order, is_full) in ways {
        let places = places(flags, order, is_full);
        let missing = places.iter().zip(&*flags).filter(|(place, flag)| is_missing(flag, place.as_ref())).count();
        if best.as_ref().is_none_or(|(fewest, _)| missing < *fewest) {
            best = Some((missing, places));
        }
        if missing == 0 {
            break;
        }
    }
    let (_, places) = best.expect("there is a way");
    let is_failed = |index: &usize| is_missing(&flags[*index], places[*index].as_ref()) && has_neighbour(flags, *index);
    let failed = by_rank.into_iter().find(is_failed);
    flags.iter_mut().zip(places).for_each(|(flag, place)| flag.place = place);
    failed.map_or(Ok(()), Err)
}

fn is_missing(flag: &Flag<'_>, place: Option<&Place>) -> bool {
    place.is_none() && flag.rank() < BACKGROUND
}

fn places(flags: &[Flag<'_>], order: &[usize], is_full: bool) -> Vec<Option<Place>> {
    let mut placed: Vec<(i32, Place)> = vec![];
    let mut places = vec![None; flags.len()];
    for &index in order {
        let x = flags[index].x();
        let [full, short] = [MOST, 0].map(|most| text(&flags[index], most));
        let brief = brief(&flags[index]).unwrap_or_else(|| short.clone());
        let mut texts = [(&full, Side::Right), (&full, Side::Left), (&short, Side::Right), (&short, Side::Left)];
        if !is_full {
            texts.swap(1, 2);
        }
        let mut ways = texts.into_iter().chain([(&brief, Side::Right), (&brief, Side::Left)]);
        let place = ways.find_map(|(text, side)| room((x, side), text, &placed));
        placed.extend(place.clone().map(|place| (x, place)));
        places[index] = place;
    }
    places
}

/// Of the line on which it stands.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

fn has_neighbour(flags: &[Flag<'_>], index: usize) -> bool {
    may_join(flags, index) || index.checked_sub(1).is_some_and(|before| may_join(flags, before))
}

/// Whether a flag and the next one may share a label: it stands at the first mark, and has to be true of the last.
fn may_join(flags: &[Flag<'_>], index: usize) -> bool {
    let Some(next) = flags.get(index + 1) else { return false };
    next.x() - flags[index].last() < NEIGHBOURS && next.last() - flags[index].x() < 2 * NEIGHBOURS
}

/// The lowest row in which neither the label nor its line meets another one.
fn room((x, side): (i32, Side), text: &str, placed: &[(i32, Place)]) -> Option<Place> {
    const GAP: i32 = 6;
    let width = OFFSET + text_width(text);
    let (left, right) = match side {
        Side::Left => (x - width, x),
        Side::Right => (x, x + width),
    };
    // A width is estimated: a little room to the names of the lanes.
    if left < LEFT + OFFSET || WIDTH - 4 < right {
        return None;
    }
    let is_free = |row: &usize| {
        placed.iter().all(|(line, other)| match row.cmp(&other.row) {
            Ordering::Equal => right + GAP <= other.left || other.right + GAP <= left,
            Ordering::Greater => x + GAP <= other.left || other.right + 2 <= x,
            Ordering::Less => line + GAP <= left || right + 2 <= *line,
        })
    };
    let row = (0..ROWS).find(is_free)?;
    Some(Place { row, left, right, text: text.to_owned() })
}

/// What the marks say, each thing once, the most important first; what finds no place among so many characters is counted.
fn text(flag: &Flag<'_>, most: usize) -> String {
    let count = |wanted: &Mark| flag.marks.iter().filter(|(_, mark)| mark.name == wanted.name).count();
    let is_told = |mark: &&Mark| mark.rank < BACKGROUND || flag.rank() == BACKGROUND || count(mark) >= NOTICED;
    let mut marks: Vec<&Mark> = flag.marks.iter().map(|(_, mark)| *mark).filter(is_told).collect();
    marks.sort_by_key(|mark| mark.rank);
    let mut names: Vec<&str> = vec![];
    for mark in &marks {
        if !names.contains(&mark.name.as_str()) {
            names.push(&mark.name);
        }
    }
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let next = of_one_name(name, marks.iter().filter(|mark| mark.name == **name));
        if index > 0 && text.chars().count() + next.chars().count() > most {
            return format!("{text} +{}", names.len() - index);
        }
        if index > 0 {
            text.push_str(" · ");
        }
        text.push_str(&next);
    }
    text
}

/// Of a weight alone its number says enough: in a lane there is one kind.
fn brief(flag: &Flag<'_>) -> Option<String> {
    let mut told = flag.marks.iter().map(|(_, mark)| *mark).filter(|mark| mark.rank < BACKGROUND);
    let one = told.next().filter(|mark| mark.detail.ends_with(" %"))?;
    told.next().is_none().then(|| one.detail.clone())
}

/// `SetWeight 100 %, 0 %`; of many `ScaleReplicaSet ×7`.
fn of_one_name<'a>(name: &str, marks: impl Iterator<Item = &'a &'a Mark>) -> String {
    let mut details: Vec<&str> = vec![];
    let mut count = 0;
    for mark in marks {
        count += 1;
        if !details.contains(&mark.detail.as_str()) {
            details.push(&mark.detail);
        }
    }
    let text = match &details[..] {
        [one] if count == 1 => format!("{name} {one}"),
        [one] => format!("{name} {one} ×{count}"),
        [one, two] if count == 2 => format!("{name} {one}, {two}"),
        _ if name.is_empty() => format!("{count} commits"),
        _ => format!("{name} ×{count}"),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
