//! `[sweep]`: the sweep that belongs to a scenario, so that one reviewable file says it all. What the axes mean is read by
//! [`crate::sweep`].

use super::reader::Reader;
use serde_json::json;
use std::ops::Range;

/// What a file says of its sweep; the command line may add to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepSection {
    /// As `--vary` takes them.
    pub vary: Vec<Vary>,
    /// Replications of each cell.
    pub seeds: Option<u32>,
    /// Cells to draw, instead of the full grid.
    pub sample: Option<u32>,
    /// The name of a way to draw them.
    pub sampling: Option<String>,
}

/// An axis with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vary {
    pub axis: String,
    pub place: Option<Range<usize>>,
}

pub fn read(reader: &mut Reader<'_, '_>) -> SweepSection {
    let vary = vary(reader);
    let seeds = whole(reader, "seeds", 100_000, "Seeds of each cell: 1 to this number");
    let sample = whole(reader, "sample", 1_000_000, "So many cells drawn from the axes, instead of all");
    let sampling = reader.take("sampling", || json!({ "type": "string" }), "latin-hypercube or random");
    let sampling = sampling.and_then(|node| node.text()).map(str::to_owned);
    SweepSection { vary, seeds, sample, sampling }
}

fn vary(reader: &mut Reader<'_, '_>) -> Vec<Vary> {
    const NOTE: &str =
        "The axes: \"KEY=1,2,5\", \"KEY=10s..120s:10s\", \"KEY=1..100#5:log\"; joined by `;` they move together";
    let schema = || json!({ "type": "array", "items": { "type": "string" } });
    let Some(node) = reader.take("vary", schema, NOTE) else { return Vec::new() };
    let key = reader.key("vary");
    let mut axes = Vec::new();
    for item in node.array().unwrap_or(std::slice::from_ref(node)) {
        match item.text() {
            Some(axis) => axes.push(Vary { axis: axis.to_owned(), place: item.place.clone() }),
            None => {
                let message = format!("an axis is a string, this is {}", item.kind_name());
                reader.pass.error(&key, item.place.clone(), message, "write vary = [\"traffic.rate=100/s,200/s\"]");
            }
        }
    }
    axes
}

/// A number from 1, without a default and without a line in reports: it says nothing about a run.
fn whole(reader: &mut Reader<'_, '_>, name: &'static str, most: u32, note: &'static str) -> Option<u32> {
    let node = reader.take(name, || json!({ "type": "integer", "minimum": 1, "maximum": most }), note)?;
    let number =
        node.integer().and_then(|number| u32::try_from(number).ok()).filter(|number| (1..=most).contains(number));
    if number.is_none() {
        let message = format!("{} is not a number from 1 to {most}", node.to_toml());
        let key = reader.key(name);
        reader.pass.error(&key, node.place.clone(), message, "");
    }
    number
}
