//! `--vary KEY=VALUES`: a key of the scenario, or several that move together, and the values that they take.

use super::quantity::{Decimal, Unit, parse_all};
use crate::scenario::path;
use std::collections::BTreeSet;
use std::fmt;

/// The longest axis whose values are compared with each other. Longer ones are ranges, and those seldom repeat.
const COMPARED: u64 = 100_000;

/// Tables and keys of a scenario that a cell takes no notice of.
const OF_THE_SWEEP: [&str; 3] = ["seed", "seeds", "sweep"];

/// What is wrong with an axis, and what to write instead.
pub type Refusal = (String, String);

/// Keys that change together.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// As it was written.
    text: String,
    members: Vec<Member>,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Member {
    key: String,
    points: Points,
}

#[derive(Clone, Debug, PartialEq)]
enum Points {
    List(Vec<String>),
    /// `a..b:step`: from `a` in steps, not beyond `b`.
    Steps {
        from: Decimal,
        step: Decimal,
        count: u64,
        unit: Unit,
    },
    /// `a..b#n`: so many points, both ends among them.
    Spread {
        range: Range,
        count: u64,
    },
    /// `a..b`: any number between; for samples only.
    Any(Range),
}

#[derive(Clone, Debug, PartialEq)]
struct Range {
    from: Decimal,
    to: Decimal,
    /// Equal factors instead of equal differences.
    is_log: bool,
    /// Both ends were written as whole numbers, without a unit: most keys of that kind take no others.
    is_whole: bool,
    unit: Unit,
}

impl Range {
    /// The point `index` of `count`: exact, but for a logarithmic range.
    fn point(&self, index: u64, count: u64) -> Decimal {
        let gaps = count.saturating_sub(1).max(1);
        if index == gaps {
            return self.to;
        }
        if self.is_log {
            return self.between(index as f64 / gaps as f64, gaps);
        }
        let way = (self.to.0 - self.from.0) * i128::from(index);
        let point = Decimal(self.from.0 + way / i128::from(gaps));
        if self.stays_whole(gaps) { Decimal::whole(point.to_f64()) } else { point }
    }

    /// The number at this part of the way, from 0 to 1.
    fn at(&self, part: f64) -> Decimal {
        self.between(part, 1)
    }

    /// One of so many gaps' ends, not exact.
    fn between(&self, part: f64, gaps: u64) -> Decimal {
        let (from, to) = (self.from.to_f64(), self.to.to_f64());
        let value = match self.is_log {
            _ if part <= 0.0 => return self.from,
            true => from * libm::exp(part * libm::log(to / from)),
            false => from + part * (to - from),
        };
        // Four digits are easy to read; where they would put points together, there are nine.
        let gap = if self.is_log { libm::log(to / from).abs() } else { (to - from).abs() / from.abs().max(to.abs()) };
        let is_fine = gap / gaps as f64 > 0.005;
        match self.stays_whole(gaps) {
            true => Decimal::whole(value),
            false => Decimal::rounded(value, if is_fine { 4 } else { 9 }),
        }
    }

    /// Not where whole numbers would be too coarse: `0..1` is a share.
    fn stays_whole(&self, gaps: u64) -> bool {
        self.is_whole && (self.to.0 - self.from.0).unsigned_abs() > Decimal::ONE.0.unsigned_abs() * u128::from(gaps)
    }
}

impl Points {
    /// None: there is no end of them.
    fn count(&self) -> Option<u64> {
        match self {
            Self::List(values) => Some(values.len() as u64),
            Self::Steps { count, .. } | Self::Spread { count, .. } => Some(*count),
            Self::Any(_) => None,
        }
    }

    fn value(&self, index: u64) -> String {
        match self {
            Self::List(values) => values[usize::try_from(index).expect("a list is in memory")].clone(),
            Self::Steps { from, step, unit, .. } => unit.write(Decimal(from.0 + step.0 * i128::from(index))),
            Self::Spread { range, count } => range.unit.write(range.point(index, *count)),
            Self::Any(_) => unreachable!("only a sample draws from an open range"),
        }
    }

    /// The value at a rank from 0 to 1, each as likely as the others.
    fn at_rank(&self, rank: f64) -> String {
        match (self, self.count()) {
            (Self::Any(range), _) => range.unit.write(range.at(rank)),
            (_, Some(count)) => self.value(((rank * count as f64) as u64).min(count - 1)),
            (_, None) => unreachable!("only an open range has no count"),
        }
    }
}

impl Axis {
    /// `KEY=VALUES`, or several of them joined by `;`, which move together.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let members = split(text, ';').iter().map(|part| member(part)).collect::<Result<Vec<_>, _>>()?;
        let count = members[0].points.count();
        if let Some(other) = members.iter().find(|member| member.points.count() != count) {
            let number = |count: Option<u64>| count.map_or("any number of".into(), |count| count.to_string());
            let message = format!(
                "`{}` has {} values, `{}` has {}: keys that move together have the same number",
                members[0].key,
                number(count),
                other.key,
                number(other.points.count()),
            );
            return Err((message, String::new()));
        }
        let keys: Vec<_> = members.iter().map(|member| &member.key).collect();
        match (1..keys.len()).find(|index| keys[..*index].contains(&keys[*index])) {
            Some(index) => Err((format!("`{}` stands twice in one axis", keys[index]), String::new())),
            None => Self { text: text.to_owned(), members }.without_repetition(),
        }
    }

    /// Two equal cells would count twice in every table, and lie on each other in every picture.
    fn without_repetition(self) -> Result<Self, Refusal> {
        let could_repeat = |member: &Member| !matches!(member.points, Points::Steps { .. } | Points::Any(_));
        let Some(count) = self.count().filter(|count| *count <= COMPARED && self.members.iter().all(could_repeat))
        else {
            return Ok(self);
        };
        let mut seen = BTreeSet::new();
        match (0..count).map(|index| self.values(index).collect::<Vec<_>>()).find(|values| !seen.insert(values.clone()))
        {
            Some(values) => {
                let keys: Vec<_> = self.keys().collect();
                let message = format!("`{}` takes the value {} twice", keys.join(";"), values.join(";"));
                Err((message, "write each value once".to_owned()))
            }
            None => Ok(self),
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.key.as_str())
    }

    /// How many values it takes; None if it is an open range.
    pub fn count(&self) -> Option<u64> {
        self.members[0].points.count()
    }

    /// Of each key: whether all of its values are bare numbers.
    pub fn are_numbers(&self) -> impl Iterator<Item = bool> {
        self.members.iter().map(|member| match &member.points {
            Points::List(values) => values.iter().all(|value| Decimal::parse(value).is_some()),
            Points::Steps { unit, .. }
            | Points::Spread { range: Range { unit, .. }, .. }
            | Points::Any(Range { unit, .. }) => *unit == Unit::Suffix(String::new()),
        })
    }

    /// Whether its first key goes up by equal factors.
    pub fn is_logarithmic(&self) -> bool {
        match &self.members[0].points {
            Points::Spread { range, .. } | Points::Any(range) => range.is_log,
            Points::List(_) | Points::Steps { .. } => false,
        }
    }

    /// One value per key.
    pub fn values(&self, index: u64) -> impl Iterator<Item = String> {
        self.members.iter().map(move |member| member.points.value(index))
    }

    pub fn values_at_rank(&self, rank: f64) -> impl Iterator<Item = String> {
        self.members.iter().map(move |member| member.points.at_rank(rank))
    }
}

fn member(text: &str) -> Result<Member, Refusal> {
    const HELP: &str = "write KEY=1,2,5 or KEY=10s..120s:10s or KEY=1..100#5:log";
    let refuse = |message: String| (message, HELP.to_owned());
    let (_, values) = path::parse_assignment(text).map_err(|(message, _)| refuse(format!("`{text}`: {message}")))?;
    let written = text[..text.len() - values.len()].trim_end().trim_end_matches('=').trim();
    // One spelling for one key: quotes that it doesn't need go.
    let segments = path::parse(written).map_err(|(message, _)| refuse(format!("`{text}`: {message}")))?;
    let key = path::written(&segments);
    if let Some(own) = OF_THE_SWEEP.iter().find(|own| key.split(['.', '[']).next() == Some(**own)) {
        let help = "every cell runs with the same seeds: --seeds N, or --seed N";
        return Err((format!("`{own}` belongs to the sweep as a whole, it is no axis"), help.to_owned()));
    }
    let items: Vec<_> = split(values, ',').iter().map(|item| item.trim().to_owned()).collect();
    if items.iter().any(String::is_empty) {
        return Err(refuse(format!("`{key}` has an empty value")));
    }
    let ranges = items.iter().filter(|item| key != "scenario" && is_range(item)).count();
    let points = match (ranges, items.len()) {
        (0, _) => Points::List(items),
        (1, 1) => range(&items[0]).map_err(|message| refuse(format!("`{key}`: {message}")))?,
        _ => return Err(refuse(format!("`{key}`: a range stands alone, not in a list"))),
    };
    Ok(Member { key, points })
}

fn is_range(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.contains("..")
}

/// `a..b`, `a..b:step` or `a..b#n`, the last and the first also with `:log`.
fn range(text: &str) -> Result<Points, String> {
    let (text, is_log) = text.strip_suffix(":log").map_or((text, false), |text| (text, true));
    let (from, rest) = text.split_once("..").expect("it is a range");
    if let Some((to, count)) = rest.split_once('#') {
        let count = count.parse().ok().filter(|count| *count > 0);
        let count: u64 = count.ok_or_else(|| format!("`{rest}`: `#` wants the number of points, 1 or more"))?;
        return Ok(Points::Spread { range: ends(from, to, is_log)?, count });
    }
    let Some((to, step)) = rest.split_once(':') else { return Ok(Points::Any(ends(from, rest, is_log)?)) };
    if is_log {
        return Err("a logarithmic range has a number of points, not a step".to_owned());
    }
    let (numbers, unit) = parse_all(&[from, to, step])?;
    let [from, to, step] = numbers[..] else { unreachable!("three texts make three numbers") };
    if unit == Unit::Duration && (from.0 < 0 || to.0 < 0) {
        return Err("a duration is not negative".to_owned());
    }
    if step.0 == 0 {
        return Err("the step is 0: it would never get there".to_owned());
    }
    if from != to && (to > from) != (step.0 > 0) {
        let sign = if step.0 > 0 { "below" } else { "above" };
        return Err(format!("the range is empty: its end is {sign} its start, and the step goes the other way"));
    }
    let count = (to.0 - from.0) / step.0 + 1;
    let count = u64::try_from(count).map_err(|_| "more values than can be counted".to_owned())?;
    Ok(Points::Steps { from, step, count, unit })
}

fn ends(from: &str, to: &str, is_log: bool) -> Result<Range, String> {
    let (numbers, unit) = parse_all(&[from, to])?;
    let is_whole = unit == Unit::Suffix(String::new()) && !from.contains('.') && !to.contains('.');
    let range = Range { from: numbers[0], to: numbers[1], is_log, is_whole, unit };
    if range.unit == Unit::Duration && (range.from.0 < 0 || range.to.0 < 0) {
        return Err("a duration is not negative".to_owned());
    }
    if is_log && (range.from.0 <= 0 || range.to.0 <= 0) {
        return Err("a logarithmic range lies above 0".to_owned());
    }
    Ok(range)
}

/// At each separator outside of quotes and brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0u32, None);
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match (quote, c) {
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, c) if c == separator && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let axis = Axis::parse(text).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        (0..axis.count().expect("an end")).map(|index| axis.values(index).collect::<Vec<_>>().join("|")).collect()
    }

    #[test]
    fn lists_and_ranges_give_their_values() {
        for (text, values) in [
            ("a=1,2,5", "1 2 5"),
            ("a=x", "x"),
            ("a.b[3].c = true, false", "true false"),
            ("a=0..30:10", "0 10 20 30"),
            ("a=0..25:10", "0 10 20"),
            ("a=30..0:-15", "30 15 0"),
            ("a=5..5:1", "5"),
            ("a=0.1..0.3:0.1", "0.1 0.2 0.3"),
            ("a=10s..30s:10s", "10s 20s 30s"),
            ("a=30s..2m:30s", "30s 1m 1m30s 2m"),
            ("a=0%..50%:25%", "0% 25% 50%"),
            ("a=100/s..300/s:100/s", "100/s 200/s 300/s"),
            ("a=0..10#3", "0 5 10"),
            ("a=0..10#4", "0 3 7 10"),
            ("a=0..1#5", "0 0.25 0.5 0.75 1"),
            ("a=0.0..10.0#5", "0 2.5 5 7.5 10"),
            ("a=12345ms..12365ms#3", "12345ms 12355ms 12365ms"),
            ("a=1/s..2/s#3", "1/s 1.5/s 2/s"),
            ("a=2m..30s:-30s", "2m 1m30s 1m 30s"),
            ("a.\"b\"=1,2", "1 2"),
            ("a=0s..1s#3", "0s 0.5s 1s"),
            ("a=7..9#1", "7"),
            ("a=1..1000#4:log", "1 10 100 1000"),
            ("a=1ms..100ms#3:log", "1ms 10ms 100ms"),
            ("a=\"x,y\",[1,2],{ b = 3, c = 4 }", "\"x,y\" [1,2] { b = 3, c = 4 }"),
            ("scenario=../a.toml,2..3.toml", "../a.toml 2..3.toml"),
            ("a=1,2;b.\"c;d\"=x,y", "1|x 2|y"),
        ] {
            assert_eq!(all(text).join(" "), values, "{text}");
        }
    }

    #[test]
    fn an_axis_without_sense_is_refused_in_words() {
        for (text, message) in [
            ("a", "`a`: there is no `=` in it"),
            ("a=", "`a` has an empty value"),
            ("a=1,,2", "`a` has an empty value"),
            ("a=0..10:0", "`a`: the step is 0: it would never get there"),
            ("a=0..10:-1", "`a`: the range is empty: its end is above its start, and the step goes the other way"),
            ("a=10..0:1", "`a`: the range is empty: its end is below its start, and the step goes the other way"),
            ("a=0..10#0", "`a`: `10#0`: `#` wants the number of points, 1 or more"),
            ("a=0..10s:1", "`a`: `0` and `10s` and `1` have different units"),
            ("a=0..10#3:log", "`a`: a logarithmic range lies above 0"),
            ("a=1..10:2:log", "`a`: a logarithmic range has a number of points, not a step"),
            ("a=1,2..5:1", "`a`: a range stands alone, not in a list"),
            ("a=1,2;b=1", "`a` has 2 values, `b` has 1: keys that move together have the same number"),
            ("a=1;a=2", "`a` stands twice in one axis"),
            ("a=1,2,1", "`a` takes the value 1 twice"),
            ("a=1,1,1;b=x,y,x", "`a;b` takes the value 1;x twice"),
            ("seed=1,2", "`seed` belongs to the sweep as a whole, it is no axis"),
            ("sweep.seeds=1,2", "`sweep` belongs to the sweep as a whole, it is no axis"),
            ("a=0..1000000000000000:0.000000001", "`a`: more values than can be counted"),
        ] {
            assert_eq!(Axis::parse(text).map_err(|(message, _)| message), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_long_range_takes_no_room() {
        let axis = Axis::parse("a=0..1000000000:1").unwrap();
        assert_eq!(axis.count(), Some(1_000_000_001));
        assert_eq!(axis.values(999_999_999).collect::<Vec<_>>(), ["999999999"]);
    }

    #[test]
    fn ranks_reach_every_value_equally() {
        let at = |text: &str, rank| Axis::parse(text).unwrap().values_at_rank(rank).collect::<Vec<_>>().join("");
        assert_eq!([0.0, 0.3, 0.34, 0.999].map(|rank| at("a=x,y,z", rank)), ["x", "x", "y", "z"]);
        assert_eq!([0.0, 0.5, 0.25].map(|rank| at("a=10s..20s", rank)), ["10s", "15s", "12.5s"]);
        assert_eq!([0.0, 0.5].map(|rank| at("a=1..100:log", rank)), ["1", "10"]);
        assert_eq!([0.0, 0.5, 0.7].map(|rank| at("a=0..1", rank)), ["0", "0.5", "0.7"]);
    }
}
