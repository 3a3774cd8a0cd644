//! `cells.csv`, one row per cell, and `runs.csv`, one row per cell and seed.
//!
//! A row never holds a line break, so a file that was cut off in the middle of a row can be mended at its last line.

use super::column;
use crate::report::{decimal, observed};
use crate::scenario::spread::Spread;
use crate::sweep::design::Design;
use crate::sweep::play::{Cell, FIGURES};

/// What is written of each figure, and where it stands in `Spread::columns`.
pub const STATISTICS: [(&str, usize); 4] = [("mean", 1), ("min", 0), ("p95", 3), ("max", 4)];

/// After the axes, before the figures.
pub const VERDICT: [&str; 3] = ["met", "thresholds_failed", "error"];

/// The first line, with its end.
pub fn header(design: &Design) -> String {
    let figure = |figure: &&str| STATISTICS.map(|(statistic, _)| format!("{}_{statistic}", column(figure)));
    let keys = design.keys().map(str::to_owned);
    let verdict = VERDICT.map(str::to_owned);
    let cells = std::iter::once("cell".to_owned()).chain(keys).chain(verdict).chain(FIGURES.iter().flat_map(figure));
    line(cells)
}

/// One cell. The figures of one that cannot run are empty, and so is `met` without thresholds.
pub fn row(cell: &Cell) -> String {
    let start = std::iter::once(cell.index.to_string()).chain(cell.values.iter().cloned());
    let played = match &cell.outcome {
        Ok(played) => played,
        Err(message) => {
            let verdict = [String::new(), String::new(), message.clone()];
            let figures = vec![String::new(); FIGURES.len() * STATISTICS.len()];
            return line(start.chain(verdict).chain(figures));
        }
    };
    let failed: Vec<_> = played
        .verdicts
        .iter()
        .filter(|verdict| !verdict.met)
        .map(|verdict| format!("{}: {}", verdict.threshold, observed(verdict)))
        .collect();
    let met = if played.verdicts.is_empty() { String::new() } else { failed.is_empty().to_string() };
    let figures = (0..FIGURES.len()).flat_map(|index| {
        let values: Vec<_> = played.replications.iter().map(|replication| replication.figures[index]).collect();
        let columns = Spread::of(&values).expect("a sweep has a seed").columns();
        STATISTICS.map(|(_, place)| decimal(columns[place], 6))
    });
    line(start.chain([met, failed.join("; "), String::new()]).chain(figures))
}

/// The first line of `runs.csv`, with its end.
pub fn runs_header(design: &Design) -> String {
    let keys = design.keys().map(str::to_owned);
    let figures = FIGURES.map(column);
    let start = std::iter::once("cell".to_owned()).chain(keys).chain(["seed".to_owned(), "fingerprint".to_owned()]);
    line(start.chain(figures))
}

/// The runs of one cell; nothing for one that cannot run.
pub fn run_rows(cell: &Cell) -> String {
    let Ok(played) = &cell.outcome else { return String::new() };
    let row = |replication: &crate::sweep::play::Replication| {
        let start = std::iter::once(cell.index.to_string()).chain(cell.values.iter().cloned());
        let run = [replication.seed.to_string(), format!("{:016x}", replication.fingerprint)];
        line(start.chain(run).chain(replication.figures.map(|value| decimal(value, 6))))
    };
    played.replications.iter().map(row).collect()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    let cells = cells.map(|cell| cell.replace(['\r', '\n'], " "));
    csv.write_record(cells.map(String::into_bytes)).expect("a vector takes everything");
    let bytes = csv.into_inner().expect("a vector takes everything");
    String::from_utf8(bytes).expect("text stays text")
}
