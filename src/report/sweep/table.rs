//! `cells.csv` read back: what pictures, summaries and CI reports are made of.

use super::cells::{STATISTICS, VERDICT};
use super::names;
use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;
use std::io::Read;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub cell: u64,
    pub values: Vec<String>,
    /// None without thresholds, and of a cell that could not run.
    pub met: Option<bool>,
    pub thresholds_failed: String,
    pub error: String,
    figures: Option<[[f64; STATISTICS.len()]; FIGURES.len()]>,
}

/// In the order of `STATISTICS`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    pub mean: f64,
    pub min: f64,
    pub p95: f64,
    pub max: f64,
}

impl Row {
    /// None of a cell that could not run.
    pub fn figure(&self, index: usize) -> Option<Statistics> {
        let [mean, min, p95, max] = self.figures.as_ref()?[index];
        Some(Statistics { mean, min, p95, max })
    }

    /// Whether the thresholds are met; without thresholds, whether no request failed with any seed. None of a cell that
    /// could not run.
    pub fn is_safe(&self) -> Option<bool> {
        self.met.or_else(|| self.failed_requests().map(|failed| failed.max == 0.0))
    }

    /// Whether it ought to stop a build: it could not run, or has thresholds that it does not meet.
    pub fn fails(&self) -> bool {
        !self.error.is_empty() || self.met == Some(false)
    }

    pub fn failed_requests(&self) -> Option<Statistics> {
        self.figure(super::figure("elb_5xx").expect("it is a figure of every sweep"))
    }

    /// `scaleDownDelaySeconds = 30, rule_lag = 70s`, with the names of the design's keys.
    pub fn label(&self, names: &[String]) -> String {
        names::label(names, &self.values)
    }
}

/// Values that move together, each once.
pub fn joined(values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<_> = values.collect();
    values.dedup();
    values.join(", ")
}

/// The rows of a `cells.csv` of this design, which must be of these cells, in their order; an error says what is wrong in
/// which line.
pub fn rows(
    design: &Design,
    mut cells: impl Iterator<Item = u64>,
    csv: impl Read,
) -> impl Iterator<Item = Result<Row, String>> {
    let keys = design.keys().count();
    let reader = ::csv::Reader::from_reader(csv);
    reader.into_records().enumerate().map(move |(number, record)| {
        let broken = |what: &str| format!("line {}: {what}", number + 2);
        let record = record.map_err(|error| broken(&error.to_string()))?;
        let cell = |index: usize| record.get(index).unwrap_or_default();
        if record.len() != 1 + keys + VERDICT.len() + FIGURES.len() * STATISTICS.len() {
            return Err(broken("this is no row of this sweep"));
        }
        let verdict = 1 + keys;
        let met = match cell(verdict) {
            "" => None,
            met => Some(met == "true"),
        };
        let number = |figure: usize, statistic: usize| {
            cell(verdict + VERDICT.len() + figure * STATISTICS.len() + statistic).parse::<f64>().ok()
        };
        let mut figures = Some([[0.0; STATISTICS.len()]; FIGURES.len()]);
        for figure in 0..FIGURES.len() {
            for statistic in 0..STATISTICS.len() {
                match (&mut figures, number(figure, statistic)) {
                    (Some(figures), Some(value)) => figures[figure][statistic] = value,
                    _ => figures = None,
                }
            }
        }
        let index = cell(0).parse().map_err(|_| broken("it does not begin with a number"))?;
        match cells.next() {
            Some(expected) if expected == index => {}
            Some(expected) => return Err(broken(&format!("it is cell {index}, where cell {expected} belongs"))),
            None => return Err(broken("it is one cell too many")),
        }
        Ok(Row {
            cell: index,
            values: (1..=keys).map(|index| cell(index).to_owned()).collect(),
            met,
            thresholds_failed: cell(verdict + 1).to_owned(),
            error: cell(verdict + 2).to_owned(),
            figures,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sweep::cells;
    use crate::sweep::axis::Axis;
    use crate::sweep::play::Cell;

    #[test]
    fn a_row_reads_as_it_was_written() {
        let design = Design::grid(vec![Axis::parse("a=\"x,\\\"y\",z;b.c=1,2").unwrap()]).unwrap();
        let cell = Cell { index: 0, values: design.values(0), outcome: Err("no\nsuch \"key\", sorry".into()) };
        let text = format!("{}{}", cells::header(&design), cells::row(&cell));
        assert_eq!(text.lines().count(), 2);
        let rows: Vec<_> = rows(&design, 0.., text.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(rows[0].values, cell.values);
        assert_eq!(rows[0].error, "no such \"key\", sorry");
        assert_eq!((rows[0].figure(0), rows[0].is_safe(), rows[0].fails()), (None, None, true));
        assert_eq!(rows[0].label(&names::of_keys(&design)), "a = \"x,\\\"y\", c = 1");
    }
}
