//! What tables and pictures show of a sweep: counts, and some figures of every cell.

use super::table::{Row, Statistics};
use crate::sweep::design::Design;

/// Cells that are told in full.
const TOLD: usize = 10;

/// Grows with the number of cells by the figures that were asked for alone.
#[derive(Clone, Debug)]
pub struct Results {
    /// Indices into the figures of a sweep; the first decides what is safe where there are no thresholds.
    pub figures: Vec<usize>,
    pub cells: Vec<Point>,
    pub has_thresholds: bool,
    pub safe: u64,
    pub unsafe_: u64,
    pub invalid: u64,
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
    /// The thresholds are met; without thresholds: the figure is 0 with every seed.
    Safe,
    Unsafe,
    /// The scenario of the cell has a mistake.
    Invalid,
}

impl Results {
    pub fn new(figures: Vec<usize>) -> Self {
        Self { figures, cells: vec![], has_thresholds: false, safe: 0, unsafe_: 0, invalid: 0, told: vec![] }
    }

    pub fn state(&self, row: &Row) -> State {
        match row.is_safe(self.figures[0]) {
            None => State::Invalid,
            Some(true) => State::Safe,
            Some(false) => State::Unsafe,
        }
    }

    pub fn push(&mut self, design: &Design, row: &Row) {
        let state = self.state(row);
        match state {
            State::Safe => self.safe += 1,
            State::Unsafe => self.unsafe_ += 1,
            State::Invalid => self.invalid += 1,
        }
        self.has_thresholds |= row.met.is_some();
        if state != State::Safe && self.told.len() < TOLD {
            self.told.push((row.label(design), self.reason(row)));
        }
        let figures = self.figures.iter().filter_map(|figure| row.figure(*figure)).collect();
        self.cells.push(Point { cell: row.cell, figures, state });
    }

    /// Why a cell is not safe.
    pub fn reason(&self, row: &Row) -> String {
        if !row.error.is_empty() {
            return row.error.clone();
        }
        if !row.thresholds_failed.is_empty() {
            return row.thresholds_failed.clone();
        }
        let name = super::column(crate::sweep::play::FIGURES[self.figures[0]]);
        let figure = row.figure(self.figures[0]);
        figure.map_or_else(String::new, |figure| {
            let number = |value| crate::report::grouped_decimal(value, 3);
            format!("{name}: mean {}, at most {}", number(figure.mean), number(figure.max))
        })
    }

    /// What safe means here.
    pub fn meaning(&self) -> String {
        match self.has_thresholds {
            true => "all thresholds met".into(),
            false => format!("{} is 0 with every seed", super::column(crate::sweep::play::FIGURES[self.figures[0]])),
        }
    }
}
