//! What CI systems read of a sweep: GitHub annotations, Markdown, GitLab Code Quality. (JUnit XML has its own file.)

use super::definition::Definition;
use super::results::{Results, reason};
use super::table::Row;
use crate::report::ci::{cell, escape, escape_property, fingerprint};
use crate::report::{counted, grouped, grouped_decimal};
use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;
use serde_json::json;

/// The first cells of a sweep that ought to stop a build.
#[derive(Debug)]
pub struct Ci<'a> {
    name: &'a str,
    /// Where the scenario lies, as the user named it.
    path: &'a str,
    told: Vec<Told>,
    untold: u64,
}

#[derive(Debug)]
struct Told {
    label: String,
    /// All of the cell's keys and values.
    identity: String,
    reason: String,
    is_invalid: bool,
}

/// GitHub shows ten annotations of a step, and a job summary has room for one mebibyte.
const ANNOTATIONS: usize = 10;
const MARKDOWN_ROWS: usize = 200;
/// A merge request shows a handful of findings; more than this only makes it slow.
const GITLAB_FINDINGS: usize = 10_000;

impl<'a> Ci<'a> {
    pub fn new(name: &'a str, path: &'a str) -> Self {
        Self { name, path, told: vec![], untold: 0 }
    }

    pub fn push(&mut self, design: &Design, results: &Results, row: &Row) {
        if !row.fails() {
            return;
        }
        if self.told.len() == GITLAB_FINDINGS {
            self.untold += 1;
            return;
        }
        let identity: Vec<_> = design.keys().zip(&row.values).map(|(key, value)| format!("{key}={value}")).collect();
        self.told.push(Told {
            label: row.label(&results.names),
            identity: identity.join(";"),
            reason: reason(row),
            is_invalid: !row.error.is_empty(),
        });
    }

    /// Workflow commands, one a line.
    pub fn annotations(&self) -> String {
        let annotation = |told: &Told| {
            let title = if told.is_invalid { "cell could not run" } else { "cell is not safe" };
            let message = format!("{}: {}: {}", self.name, told.label, told.reason);
            format!("::error title={}::{}\n", escape_property(title), escape(&message))
        };
        self.told.iter().take(ANNOTATIONS).map(annotation).collect()
    }

    pub fn markdown(&self, definition: &Definition, results: &Results) -> String {
        let all = results.cells.len() as u64;
        let mark = if results.failed + results.invalid == 0 { "✅" } else { "❌" };
        let mut text = format!(
            "## {mark} Sweep {}\n\n{}\n\n{} × {}: **{} safe** ({}), {} not, {} could not run.\n\n",
            cell(&definition.name),
            cell(&definition.title),
            counted(all, "cell"),
            counted(definition.seeds.len() as u64, "seed"),
            grouped(results.safe),
            results.meaning(),
            grouped(results.unsafe_),
            grouped(results.invalid),
        );
        text.push_str("| figure | least | most |\n|---|---:|---:|\n");
        for (place, figure) in results.figures.iter().enumerate() {
            let means = || results.cells.iter().filter_map(|cell| Some(cell.figures.get(place)?.mean));
            let number = |value: Option<f64>| value.map_or("–".into(), |value| grouped_decimal(value, 3));
            let (least, most) = (means().min_by(f64::total_cmp), means().max_by(f64::total_cmp));
            let name = super::column(FIGURES[*figure]);
            text.push_str(&format!("| {name}, mean of the seeds | {} | {} |\n", number(least), number(most)));
        }
        if !self.told.is_empty() {
            text.push_str("\n| cell | why it is not safe |\n|---|---|\n");
            for told in self.told.iter().take(MARKDOWN_ROWS) {
                text.push_str(&format!("| {} | {} |\n", cell(&told.label), cell(&told.reason)));
            }
        }
        let untold = self.untold + self.told.len().saturating_sub(MARKDOWN_ROWS) as u64;
        if untold > 0 {
            text.push_str(&format!("\nAnd {} more.\n", grouped(untold)));
        }
        text.push('\n');
        text
    }

    /// One finding for each cell that fails, and one for those that are too many. They have no line: the whole scenario is
    /// meant.
    pub fn gitlab(&self) -> Vec<u8> {
        let finding = |told: &Told| {
            let check = if told.is_invalid { "invalid-cell" } else { "unsafe-cell" };
            json!({
                "description": format!("{}: {}", told.label, told.reason),
                "check_name": check,
                "fingerprint": fingerprint(&[self.name, check, &told.identity]),
                "severity": if told.is_invalid { "critical" } else { "major" },
                "location": { "path": self.path, "lines": { "begin": 1 } },
            })
        };
        let mut findings: Vec<_> = self.told.iter().map(finding).collect();
        if self.untold > 0 {
            findings.push(json!({
                "description": format!("{} more cells fail, see cells.csv", grouped(self.untold)),
                "check_name": "more-cells",
                "fingerprint": fingerprint(&[self.name, "more-cells"]),
                "severity": "major",
                "location": { "path": self.path, "lines": { "begin": 1 } },
            }));
        }
        let mut bytes = serde_json::to_vec_pretty(&findings).expect("JSON can be written");
        bytes.push(b'\n');
        bytes
    }
}
