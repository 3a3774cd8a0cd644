//! What CI systems read of a sweep: JUnit XML, GitHub annotations, Markdown, GitLab Code Quality.

use super::definition::Definition;
use super::results::{Results, State};
use super::table::Row;
use crate::report::{counted, grouped, grouped_decimal};
use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

/// Takes the rows of a sweep one after the other.
#[derive(Debug)]
pub struct Ci<'a> {
    name: &'a str,
    design: &'a Design,
    /// Only if it is asked for: it holds every cell.
    suite: Option<TestSuite>,
    /// The first that are not safe.
    told: Vec<Told>,
    untold: u64,
}

#[derive(Debug)]
struct Told {
    label: String,
    reason: String,
    is_invalid: bool,
}

/// GitHub shows ten annotations of a step, and a job summary has room for one mebibyte.
const ANNOTATIONS: usize = 10;
const MARKDOWN_ROWS: usize = 200;

impl<'a> Ci<'a> {
    pub fn new(name: &'a str, design: &'a Design, wants_junit: bool) -> Self {
        Self { name, design, suite: wants_junit.then(|| TestSuite::new(name)), told: vec![], untold: 0 }
    }

    pub fn push(&mut self, results: &Results, row: &Row) {
        let label = row.label(self.design);
        let state = results.state(row);
        let status = match state {
            State::Safe => TestCaseStatus::success(),
            State::Unsafe | State::Invalid => {
                let (kind, of) = match state {
                    State::Invalid => (NonSuccessKind::Error, "scenario"),
                    State::Safe | State::Unsafe => (NonSuccessKind::Failure, "threshold"),
                };
                let mut status = TestCaseStatus::non_success(kind);
                status.set_message(results.reason(row)).set_type(of);
                status
            }
        };
        if state != State::Safe {
            let told = Told { label: label.clone(), reason: results.reason(row), is_invalid: state == State::Invalid };
            if self.told.len() < MARKDOWN_ROWS { self.told.push(told) } else { self.untold += 1 }
        }
        if let Some(suite) = &mut self.suite {
            let mut case = TestCase::new(label, status);
            case.set_classname(self.name);
            suite.add_test_case(case);
        }
    }

    pub fn junit(&self) -> Vec<u8> {
        let mut report = Report::new("rollout-sim");
        report.add_test_suites(self.suite.clone());
        let mut bytes = report.to_string().expect("XML can be written").into_bytes();
        bytes.push(b'\n');
        bytes
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
        let mark = if results.safe == all { "✅" } else { "❌" };
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
            for told in &self.told {
                text.push_str(&format!("| {} | {} |\n", cell(&told.label), cell(&told.reason)));
            }
        }
        if self.untold > 0 {
            text.push_str(&format!("\nAnd {} more.\n", grouped(self.untold)));
        }
        text.push('\n');
        text
    }

    /// One finding for each cell that is not safe. They have no line: the whole scenario is meant.
    pub fn gitlab(&self) -> Vec<u8> {
        let finding = |told: &Told| {
            let check = if told.is_invalid { "invalid-cell" } else { "unsafe-cell" };
            json!({
                "description": format!("{}: {}", told.label, told.reason),
                "check_name": check,
                "fingerprint": fingerprint(&[self.name, check, &told.label]),
                "severity": if told.is_invalid { "critical" } else { "major" },
                "location": { "path": format!("{}.toml", self.name), "lines": { "begin": 1 } },
            })
        };
        let findings: Vec<_> = self.told.iter().map(finding).collect();
        let mut bytes = serde_json::to_vec_pretty(&findings).expect("JSON can be written");
        bytes.push(b'\n');
        bytes
    }
}

/// FNV-1a, 64 bits: stays the same from run to run, so that GitLab knows a finding again.
fn fingerprint(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Text of a workflow command.
pub fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
pub fn escape_property(text: &str) -> String {
    escape(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in a table of Markdown.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ").replace('<', "&lt;").replace('*', "\\*")
}
