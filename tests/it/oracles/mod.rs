//! Decisions and whole histories that were observed on the real Rollouts controller.
//!
//! `tests/oracles` holds a sample of each table, and its origin. `SIM_CORPUS` names a folder with the whole tables; without
//! it `../shared/corpus` is looked at, and where that is not either, the sample is all there is.

mod annotations;
mod counts;
mod durations;
mod read;
mod traces;
mod validation;
mod weights;
mod world;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What one table says of us: the rows, and those that don't agree, with both answers.
struct Table {
    name: &'static str,
    rows: usize,
    /// With more pods available than exist, and the like.
    incoherent: usize,
    wrong: Vec<String>,
}

impl Table {
    /// Compares each row but those that no cluster can show: `answer` gives what is expected of it, and what we say.
    fn compare(name: &'static str, answer: impl Fn(&Value) -> Option<(Value, Value)>) -> Self {
        let mut table = Self { name, rows: 0, incoherent: 0, wrong: vec![] };
        for row in rows(name) {
            if row["incoherent"] == Value::Bool(true) {
                table.incoherent += 1;
                continue;
            }
            let Some((expected, ours)) = answer(&row) else { continue };
            table.rows += 1;
            if expected != ours {
                let case = row["name"].as_str().map_or_else(|| row["inputs"].to_string(), str::to_owned);
                table.wrong.push(format!("{case}\n  expected {expected}\n  ours     {ours}"));
            }
        }
        table
    }

    fn hold(&self) {
        let agree = self.rows - self.wrong.len();
        println!("{}: {} rows, {agree} agree ({} incoherent ones left out)", self.name, self.rows, self.incoherent);
        for wrong in self.wrong.iter().take(10) {
            println!("{wrong}");
        }
        assert!(self.rows > 0, "{} has no rows", self.name);
        assert!(self.wrong.is_empty(), "{}: {} of {} rows don't agree", self.name, self.wrong.len(), self.rows);
    }
}

/// The cases of a table, which may be cut into several files.
fn rows(name: &str) -> Vec<Value> {
    let folder = folder();
    let is_of_table = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let rest = stem.strip_prefix(name);
        path.extension().is_some_and(|extension| extension == "jsonl")
            && rest.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|part| part.parse::<u32>().is_ok())
            })
    };
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder").path()).filter(is_of_table).collect();
    files.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = files.iter().flat_map(|path| text(path).lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| serde_json::from_str(&line).expect("each line is a case")).collect()
}

fn folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = match std::env::var_os("SIM_CORPUS") {
        Some(named) => PathBuf::from(named),
        None => here.join("../shared/corpus"),
    };
    let whole = corpus.join("oracles");
    if whole.is_dir() { whole } else { here.join("tests/oracles") }
}
