//! What tables and pictures show of a sweep: counts, and some figures of every cell.

use super::table::{Row, Statistics};

/// Cells that are told in full.
const TOLD: usize = 10;

/// Grows with the number of cells by the figures that were asked for alone.
#[derive(Clone, Debug)]
pub struct Results {
    /// Indices into the figures of a sweep; the first is the one that was asked for.
    pub figures: Vec<usize>,
    /// Of the design's keys.
    pub names: Vec<String>,
    pub cells: Vec<Point>,
    pub has_thresholds: bool,
    pub safe: u64,
    pub unsafe_: u64,
    pub invalid: u64,
    /// Those of `unsafe_` that have thresholds.
    pub failed: u64,
    /// The first that are not safe: label, reason.
    pub told: Vec<(String, String)>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub cell: u64,
    /// In the order of `Results::figures`; empty if it could not run.
    pub figures: Vec<Statistics>,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The thresholds are met; without thresholds: no request failed with any seed.
    Safe,
    Unsafe,
    /// The scenario of the cell has a mistake.
    Invalid,
}

impl Results {
    pub fn new(figures: Vec<usize>, names: Vec<String>) -> Self {
        let (cells, told) = (vec![], vec![]);
        Self { figures, names, cells, has_thresholds: false, safe: 0, unsafe_: 0, invalid: 0, failed: 0, told }
    }

    pub fn push(&mut self, row: &Row) {
        let state = state(row);
        match state {
            State::Safe => self.safe += 1,
            State::Unsafe => self.unsafe_ += 1,
            State::Invalid => self.invalid += 1,
        }
        self.failed += u64::from(state == State::Unsafe && row.fails());
        self.has_thresholds |= row.met.is_some();
        if state != State::Safe && self.told.len() < TOLD {
            self.told.push((row.label(&self.names), reason(row)));
        }
        let figures = self.figures.iter().filter_map(|figure| row.figure(*figure)).collect();
        self.cells.push(Point { cell: row.cell, figures, state });
    }

    /// What safe means here.
    pub fn meaning(&self) -> &'static str {
        if self.has_thresholds { "all thresholds met" } else { "elb_5xx is 0 with every seed" }
    }
}

pub fn state(row: &Row) -> State {
    match row.is_safe() {
        None => State::Invalid,
        Some(true) => State::Safe,
        Some(false) => State::Unsafe,
    }
}

/// Why a cell is not safe.
pub fn reason(row: &Row) -> String {
    if !row.error.is_empty() {
        return row.error.clone();
    }
    if !row.thresholds_failed.is_empty() {
        return row.thresholds_failed.clone();
    }
    row.failed_requests().map_or_else(String::new, |failed| {
        let number = |value| crate::report::grouped_decimal(value, 3);
        format!("elb_5xx: mean {}, at most {}", number(failed.mean), number(failed.max))
    })
}
