//! A file of arrivals: a CSV with the column `time_s`, and perhaps `class` and `user`.

use super::document::{Node, Table, set};
use super::nearest::nearest;
use super::quoted::quoted;
use crate::model::traffic::ANONYMOUS;
use crate::model::traffic::MAX_CLASSES;
use crate::model::traffic::recording::{Recorded, RecordedClass, Recording};
use crate::units::{Duration, counted, decimal_times};
use std::collections::BTreeMap;
use std::ops::Range;

/// About six million requests: a day at 70 a second. A recording is held in memory.
pub const MAX_BYTES: usize = 64 << 20;

/// Its name in the folder of a run.
pub const FILE: &str = "arrivals.csv";

/// What is wrong is seldom one line alone.
const MISTAKES: usize = 10;

const COLUMNS: [&str; 3] = ["time_s", "class", "user"];

/// Where, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub place: Range<usize>,
    pub message: String,
    pub help: String,
}

/// What a scenario says of its file: `traffic.arrivals = { file = "arrivals.csv" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub file: String,
    pub is_of_command_line: bool,
    /// Where the scenario names it.
    pub place: Option<Range<usize>>,
    /// The classes of the scenario.
    pub classes: Vec<String>,
}

impl Named {
    pub fn read(document: &Table, overrides: &[String]) -> Option<Self> {
        let mut document = document.clone();
        // Mistakes are told when the scenario is read.
        let _ = overrides.iter().filter_map(|assignment| set(&mut document, assignment).err()).count();
        let node = document.find("traffic.arrivals.file")?;
        let items = document.find("traffic.classes").and_then(Node::array).unwrap_or_default();
        let name = |item: &Node| Some(item.table()?.get("name")?.value.text()?.to_owned());
        Some(Self {
            file: node.text()?.to_owned(),
            is_of_command_line: Node::is_overridden(node),
            place: node.place.clone(),
            classes: items.iter().filter_map(name).collect(),
        })
    }

    /// Where the text of the file has classes that the scenario has not. Of one without any the scenario itself is wrong.
    pub fn unknown_classes(&self, text: &str, recording: &Recording) -> Vec<Mistake> {
        let known: Vec<_> = self.classes.iter().map(String::as_str).collect();
        let named = recording.classes.iter().filter_map(|class| Some((class.line, class.name.as_deref()?)));
        let unknown = named.filter(|(_, name)| !known.is_empty() && !known.contains(name));
        let mistake = |(line, name): (usize, &str)| {
            let line = lines(text).nth(line - 1).unwrap_or_default();
            let cell = cells(text, &line).find(|(_, cell)| *cell == name).map(|(place, _)| place);
            let help = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("traffic.classes has {}", known.join(", ")),
            };
            Mistake { place: cell.unwrap_or(line), message: format!("there is no class `{name}`"), help }
        };
        unknown.map(mistake).take(MISTAKES).collect()
    }
}

pub fn parse(text: &str) -> Result<Recording, Vec<Mistake>> {
    let mut lines = lines(text);
    let (columns, has_header) = match lines.next() {
        Some(line) => (columns(text, &line)?, true),
        None => (vec![], false),
    };
    let mut parser = Parser { text, columns, recording: Recording::default(), users: vec![], mistakes: vec![] };
    for (number, line) in (2..).zip(lines) {
        parser.line(number, line);
        if parser.mistakes.len() >= MISTAKES {
            break;
        }
    }
    let Parser { mut recording, mistakes, columns, .. } = parser;
    recording.has_users = columns.contains(&"user");
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    if recording.requests.is_empty() {
        let place = text.len()..text.len();
        let help = if has_header { "below the header each line is a request" } else { HEADER };
        return Err(vec![Mistake { place, message: "there is no request in it".to_owned(), help: help.to_owned() }]);
    }
    Ok(recording)
}

const HEADER: &str = "the first line is time_s, or time_s,class,user";

/// Empty ones are left out, but for their number.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = start;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = at..at + rest[..length].trim_end_matches('\r').len();
        at += (length + 1).min(rest.len());
        Some(line)
    })
}

fn columns(text: &str, line: &Range<usize>) -> Result<Vec<&'static str>, Vec<Mistake>> {
    let (mut columns, mut mistakes) = (vec![], vec![]);
    for (place, name) in cells(text, line) {
        let mut refuse = |message: String, help: String| mistakes.push(Mistake { place: place.clone(), message, help });
        match COLUMNS.iter().find(|column| **column == name) {
            Some(column) if columns.contains(column) => {
                refuse(format!("there are two columns `{name}`"), String::new())
            }
            Some(column) => columns.push(*column),
            None => match nearest(name, &COLUMNS) {
                Some(near) => refuse(format!("unknown column `{name}`"), format!("did you mean `{near}`?")),
                None => refuse(format!("unknown column {}", quoted(name)), HEADER.to_owned()),
            },
        }
    }
    if mistakes.is_empty() && !columns.contains(&"time_s") {
        let message = "there is no column `time_s`".to_owned();
        mistakes.push(Mistake { place: line.clone(), message, help: HEADER.to_owned() });
    }
    if mistakes.is_empty() { Ok(columns) } else { Err(mistakes) }
}

/// Each with its place, without quotes and spaces around it.
fn cells<'t>(text: &'t str, line: &Range<usize>) -> impl Iterator<Item = (Range<usize>, &'t str)> {
    let mut at = line.start;
    text[line.clone()].split(',').map(move |cell| {
        let start = at + (cell.len() - cell.trim_start().len());
        at += cell.len() + 1;
        let cell = cell.trim();
        let word = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell);
        (start..start + cell.len(), word)
    })
}

struct Parser<'t> {
    text: &'t str,
    columns: Vec<&'static str>,
    recording: Recording,
    /// By class: the numbers of the users by their names.
    users: Vec<BTreeMap<&'t str, u32>>,
    mistakes: Vec<Mistake>,
}

impl<'t> Parser<'t> {
    fn line(&mut self, number: usize, line: Range<usize>) {
        if self.text[line.clone()].trim().is_empty() {
            return;
        }
        let (mut time, mut class, mut user, mut count) = (None, None, None, 0);
        for (place, cell) in cells(self.text, &line) {
            match self.columns.get(count) {
                Some(&"time_s") => time = self.time((&place, cell)),
                Some(&"class") => class = Some((place, cell)),
                Some(_) => user = Some((place, cell)),
                None => {}
            }
            count += 1;
        }
        if count != self.columns.len() {
            let message =
                format!("this line has {}, the first has {}", counted(count as u64, "cell"), self.columns.len());
            self.refuse(line, message, "");
            return;
        }
        let Some(since_release) = time else { return };
        let Some(class) = self.class(class, number) else { return };
        let Some(user) = self.user(class, user) else { return };
        self.recording.requests.push(Recorded { since_release, user, class });
    }

    fn refuse(&mut self, place: Range<usize>, message: String, help: &str) {
        self.mistakes.push(Mistake { place, message, help: help.to_owned() });
    }

    fn time(&mut self, (place, cell): (&Range<usize>, &str)) -> Option<i64> {
        let digits = cell.strip_prefix('-').unwrap_or(cell);
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let nanos = if is_plain { decimal_times(digits, 1_000_000_000) } else { None };
        let nanos = nanos.filter(|nanos| *nanos <= u128::from(Duration::MAX.as_nanos())).map(|nanos| nanos as i64);
        let Some(nanos) = nanos.map(|nanos| if cell.starts_with('-') { -nanos } else { nanos }) else {
            let help = "write seconds since the start of the release like 12.345, or -3 for the warm-up";
            self.refuse(place.clone(), format!("{} is no number of seconds", quoted(cell)), help);
            return None;
        };
        let before = self.recording.requests.last().map_or(i64::MIN, |request| request.since_release);
        if nanos < before {
            let message = format!("{cell} s comes before the line above, {} s", seconds(before));
            self.refuse(place.clone(), message, "sort the file by time_s");
            return None;
        }
        Some(nanos)
    }

    fn class(&mut self, cell: Option<(Range<usize>, &str)>, line: usize) -> Option<u8> {
        let name = cell.as_ref().map(|(_, name)| *name);
        let known = self.recording.classes.iter().position(|class| class.name.as_deref() == name);
        let place = known.unwrap_or(self.recording.classes.len());
        if let Some((cell, "")) = cell {
            self.refuse(cell, "this request has no class".to_owned(), "");
            return None;
        }
        if known.is_none() {
            if let Some((cell, _)) = cell.filter(|_| place == MAX_CLASSES) {
                self.refuse(
                    cell,
                    format!("there are more than {MAX_CLASSES} classes"),
                    "put those together that are routed alike",
                );
                return None;
            }
            self.recording.classes.push(RecordedClass { name: name.map(str::to_owned), line, users: 0 });
            self.users.push(BTreeMap::new());
        }
        Some(place as u8)
    }

    fn user(&mut self, class: u8, cell: Option<(Range<usize>, &'t str)>) -> Option<u32> {
        let Some((place, name)) = cell else { return Some(ANONYMOUS) };
        if name.is_empty() {
            self.refuse(place, "this request has no user".to_owned(), "leave the column out if nobody knows them");
            return None;
        }
        let class = usize::from(class);
        let next = self.users[class].len() as u32;
        let user = *self.users[class].entry(name).or_insert(next);
        self.recording.classes[class].users = self.users[class].len() as u32;
        Some(user)
    }
}

/// Exactly, with as many decimals as are needed.
pub fn seconds(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    match rest {
        0 => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{}", format!("{rest:09}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mistakes(text: &str) -> Vec<(&str, String)> {
        let mistakes = parse(text).expect_err("there is a mistake");
        mistakes.into_iter().map(|mistake| (text.get(mistake.place).unwrap(), mistake.message)).collect()
    }

    #[test]
    fn a_file_has_times_and_perhaps_classes_and_users() {
        let text =
            "\u{feff}user,time_s,class\r\nada,-1.5,web\r\n\r\n \"bob\" , 0 ,api\r\nada,0.000000001,api\r\nada,.5,web";
        let recording = parse(text).unwrap();
        let request = |since_release, user, class| Recorded { since_release, user, class };
        let expected = [request(-1_500_000_000, 0, 0), request(0, 0, 1), request(1, 1, 1), request(500_000_000, 0, 0)];
        assert_eq!(recording.requests, expected);
        let class = |name: &str, line, users| RecordedClass { name: Some(name.to_owned()), line, users };
        assert_eq!(recording.classes, [class("web", 2, 1), class("api", 4, 2)]);
        let plain = parse("time_s\n1\n1\n").unwrap();
        assert_eq!(plain.requests, [request(1_000_000_000, ANONYMOUS, 0); 2]);
        assert!(recording.has_users && !plain.has_users);
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (text, place, message) in [
            ("", "", "there is no request in it"),
            ("time_s\n", "", "there is no request in it"),
            ("time\n1\n", "time", "unknown column `time`"),
            ("class,user\n", "class,user", "there is no column `time_s`"),
            ("time_s, class, class\n", "class", "there are two columns `class`"),
            ("time_s\n0\n1e3\n", "1e3", "\"1e3\" is no number of seconds"),
            ("time_s\n0\n--3\n", "--3", "\"--3\" is no number of seconds"),
            ("time_s\n9999999999999\n", "9999999999999", "\"9999999999999\" is no number of seconds"),
            ("time_s\n2.5\n2.25\n", "2.25", "2.25 s comes before the line above, 2.5 s"),
            ("time_s,class\n1\n", "1", "this line has 1 cell, the first has 2"),
            ("time_s\n1,2\n", "1,2", "this line has 2 cells, the first has 1"),
            ("time_s,class\n1,\n", "", "this request has no class"),
            ("time_s,user\n1, \n", "", "this request has no user"),
        ] {
            assert_eq!(mistakes(text)[0], (place, message.to_owned()), "{text:?}");
        }
        let many = format!("time_s\n{}", "x\n".repeat(1000));
        assert_eq!(mistakes(&many).len(), MISTAKES);
    }

    proptest! {
        #[test]
        fn written_seconds_read_as_themselves(nanos in -10_000_000_000_000i64..10_000_000_000_000) {
            let recording = parse(&format!("time_s\n{}\n", seconds(nanos))).unwrap();
            prop_assert_eq!(recording.requests[0].since_release, nanos);
        }
    }
}
