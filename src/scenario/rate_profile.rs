//! `rate`: a number of requests per time, or a table that says how it changes.

use super::document::{Kind, Node};
use super::entry::Entry;
use super::pass::Pass;
use super::path;
use super::reader::Reader;
use super::value::{duration_from, wrong_kind};
use crate::model::traffic::RateProfile;
use crate::model::traffic::rate_profile::{Burst, Step};
use crate::units::{Duration, Rate};
use serde_json::{Value, json};

const FORMS: [&str; 5] = ["steps", "ramp", "daily", "base", "bursts"];

const HELP: &str = "a rate is \"250/s\", { steps = [{ at, rate }] }, { ramp = { from, to, duration } }, \
                    { daily = { lowest, highest, highest_at } } or { base, bursts = [{ at, duration, rate }] }";

/// `definitions.rate` of the schema.
pub fn schema() -> Value {
    let rate = json!({ "type": "string", "examples": ["15000/min", "250/s"] });
    let time = json!({ "type": "string", "examples": ["60s", "5m"], "description": "Whole seconds" });
    let form = |names: &[&str], required: &[&str]| {
        let of = |name: &str| match name {
            "at" | "start" | "duration" | "highest_at" | "period" | "every" => time.clone(),
            _ => rate.clone(),
        };
        let properties: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), of(name))).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    };
    let only = |name: &str, value: Value| json!({ "type": "object", "properties": { name: value }, "required": [name], "additionalProperties": false });
    let list = |item: Value| json!({ "type": "array", "minItems": 1, "items": item });
    let bursts = list(form(&["at", "duration", "rate", "every"], &["at", "duration", "rate"]));
    json!({
        "description": "Requests per time: constant, in steps, a ramp, a daily wave, or with bursts. Times count from the release",
        "oneOf": [
            rate.clone(),
            only("steps", list(form(&["at", "rate"], &["at", "rate"]))),
            only("ramp", form(&["from", "to", "start", "duration"], &["from", "to", "duration"])),
            only("daily", form(&["lowest", "highest", "highest_at", "period"], &["lowest", "highest", "highest_at"])),
            {
                "type": "object",
                "properties": { "base": rate, "bursts": bursts },
                "required": ["base", "bursts"],
                "additionalProperties": false,
            },
        ],
    })
}

/// None if the key is not there, or wrong.
pub fn read(reader: &mut Reader<'_, '_>, name: &'static str, note: &'static str) -> Option<RateProfile> {
    let node = reader.take(name, || json!({ "$ref": "#/definitions/rate" }), note)?;
    let key = reader.key(name);
    let rate = from_node(reader.pass, (&key, name), node)?;
    reader.pass.parameter(key, rate.to_string(), Some(node), note);
    Some(rate)
}

fn from_node(pass: &mut Pass, (key, name): (&str, &str), node: &Node) -> Option<RateProfile> {
    if node.table().is_none() {
        let rate = rate_from(name, node).map_err(|(message, help)| pass.error(key, node.place.clone(), message, help));
        return rate.ok().map(RateProfile::Constant);
    }
    let problems = pass.problems.len();
    let mut table = Entry::new(pass, key.to_owned(), node);
    let [steps, ramp, daily, base, bursts] = FORMS.map(|form| table.get(form));
    table.refuse_unknown();
    let profile = match (steps, ramp, daily, base, bursts) {
        (Some(items), None, None, None, None) => steps_from(table.pass, (&path::join(key, "steps"), items)),
        (None, Some(ramp), None, None, None) => ramp_from(table.pass, (&path::join(key, "ramp"), ramp)),
        (None, None, Some(daily), None, None) => daily_from(table.pass, (&path::join(key, "daily"), daily)),
        (None, None, None, Some(_), Some(items)) => {
            let base = part_of(&mut table, "base");
            let bursts = bursts_from(table.pass, (&path::join(key, "bursts"), items));
            base.zip(bursts).map(|(base, bursts)| RateProfile::Burst { base, bursts })
        }
        (..) if table.pass.problems.len() > problems => None,
        (..) => {
            let names: Vec<_> =
                node.table().into_iter().flat_map(|table| &table.entries).map(|entry| entry.key.as_str()).collect();
            pass.error(key, node.place.clone(), format!("{{ {} }} is no rate", names.join(", ")), HELP);
            return None;
        }
    };
    let profile = profile.filter(|_| pass.problems.len() == problems)?;
    if profile.peak().is_none() {
        pass.error(
            key,
            node.place.clone(),
            "this rate is never above zero",
            "without requests there is nothing to count",
        );
        return None;
    }
    Some(profile)
}

fn rate_from(name: &str, node: &Node) -> Result<Rate, (String, String)> {
    match &node.kind {
        Kind::Integer(number) => {
            let help = format!("write {name} = \"{number}/s\" or \"{number}/min\"");
            Err((format!("`{name}` is a bare number: requests per what?"), help))
        }
        Kind::String(text) => text.parse().map_err(|message| (message, String::new())),
        Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) | Kind::Array(_) | Kind::Table(_) => {
            Err(wrong_kind(name, node, "requests per time, like \"250/s\""))
        }
    }
}

/// A rate inside of a profile, where there may be none.
fn part_of(entry: &mut Entry<'_, '_>, name: &'static str) -> Option<Rate> {
    let is_there = entry.get(name).is_some();
    if !is_there {
        entry.error(name, (format!("`{name}` is missing"), format!("write {name} = \"100/s\"")));
    }
    entry.read(name, |node| if is_zero(node) { Ok(Rate::NONE) } else { rate_from(name, node) })
}

fn is_zero(node: &Node) -> bool {
    let parts = node.text().and_then(|text| text.split_once('/'));
    parts.is_some_and(|(number, unit)| number.trim().parse() == Ok(0.0) && format!("1/{unit}").parse::<Rate>().is_ok())
}

/// A time inside of a profile: whole seconds, as a rate holds for a second.
fn time(entry: &mut Entry<'_, '_>, name: &'static str, least: Duration) -> Option<Duration> {
    entry.read(name, |node| {
        let time = duration_from(node)?;
        if time.as_nanos() % 1_000_000_000 != 0 {
            let message = format!("`{name}` is {time}, it must be whole seconds");
            return Err((message, "a rate holds for a second".to_owned()));
        }
        if time < least {
            return Err((format!("`{name}` must be above zero"), String::new()));
        }
        Ok(time)
    })
}

const MOMENT: Duration = Duration::ZERO;
const SPAN: Duration = Duration::secs(1);

fn required_time(entry: &mut Entry<'_, '_>, name: &'static str, least: Duration) -> Option<Duration> {
    if entry.get(name).is_none() {
        entry.error(name, (format!("`{name}` is missing"), format!("write {name} = \"60s\"")));
    }
    time(entry, name, least)
}

/// The tables of a list, each with its key; an empty list is a mistake.
fn items<T>(
    pass: &mut Pass,
    (key, node): (&str, &Node),
    read: impl Fn(&mut Entry<'_, '_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(items) = node.array().filter(|items| !items.is_empty()) else {
        pass.error(key, node.place.clone(), "this must be a list of tables", HELP);
        return None;
    };
    let read = |(index, item): (usize, &Node)| {
        let mut entry = Entry::new(pass, format!("{key}[{index}]"), item);
        item.table()?;
        let value = read(&mut entry);
        entry.refuse_unknown();
        value
    };
    // All mistakes of all items come out at once.
    let items: Vec<_> = items.iter().enumerate().map(read).collect();
    items.into_iter().collect()
}

fn steps_from(pass: &mut Pass, (key, node): (&str, &Node)) -> Option<RateProfile> {
    let step = |entry: &mut Entry<'_, '_>| {
        let (at, rate) = (required_time(entry, "at", MOMENT), part_of(entry, "rate"));
        Some(Step { at: at?, rate: rate? })
    };
    let steps = items(pass, (key, node), step)?;
    if let Some(late) = steps.windows(2).position(|pair| pair[0].at >= pair[1].at) {
        let message =
            format!("the steps are not in order of time: {} is followed by {}", steps[late].at, steps[late + 1].at);
        pass.error(&format!("{key}[{}].at", late + 1), node.place.clone(), message, "each holds from its `at` on");
    }
    Some(RateProfile::Steps(steps))
}

fn table<'a, 'p>(pass: &'p mut Pass, (key, node): (&str, &'a Node)) -> Option<Entry<'a, 'p>> {
    let entry = Entry::new(pass, key.to_owned(), node);
    node.table().map(|_| entry)
}

fn ramp_from(pass: &mut Pass, of: (&str, &Node)) -> Option<RateProfile> {
    let mut ramp = table(pass, of)?;
    let (from, to) = (part_of(&mut ramp, "from"), part_of(&mut ramp, "to"));
    let start = time(&mut ramp, "start", MOMENT).unwrap_or(Duration::ZERO);
    let duration = required_time(&mut ramp, "duration", SPAN);
    ramp.refuse_unknown();
    Some(RateProfile::Ramp { from: from?, to: to?, start, duration: duration? })
}

fn daily_from(pass: &mut Pass, of: (&str, &Node)) -> Option<RateProfile> {
    let mut daily = table(pass, of)?;
    let (lowest, highest) = (part_of(&mut daily, "lowest"), part_of(&mut daily, "highest"));
    let highest_at = required_time(&mut daily, "highest_at", MOMENT);
    let period = time(&mut daily, "period", SPAN).unwrap_or(Duration::secs(24 * 3600));
    daily.refuse_unknown();
    let (lowest, highest) = (lowest?, highest?);
    if lowest.millirequests_per_hour() > highest.millirequests_per_hour() {
        daily.error("lowest", (format!("lowest ({lowest}) is above highest ({highest})"), String::new()));
    }
    Some(RateProfile::Daily { lowest, highest, highest_at: highest_at?, period })
}

fn bursts_from(pass: &mut Pass, of: (&str, &Node)) -> Option<Vec<Burst>> {
    items(pass, of, |entry| {
        let at = required_time(entry, "at", MOMENT);
        let duration = required_time(entry, "duration", SPAN);
        let rate = part_of(entry, "rate");
        let every = time(entry, "every", SPAN);
        if let (Some(duration), Some(every)) = (duration, every)
            && every <= duration
        {
            let message = format!("`every` ({every}) is not longer than the burst ({duration}), which never ends so");
            entry
                .error("every", (message, "it counts from the start of one burst to the start of the next".to_owned()));
        }
        Some(Burst { at: at?, duration: duration?, rate: rate?, every })
    })
}
