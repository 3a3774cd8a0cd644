//! `cells.csv` read back: what pictures, summaries and CI reports are made of.

use super::cells::{STATISTICS, VERDICT};
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

    /// Whether the thresholds are met; without thresholds, whether no seed had more than 0 of the figure.
    pub fn is_safe(&self, figure: usize) -> Option<bool> {
        self.met.or_else(|| self.figure(figure).map(|figure| figure.max == 0.0))
    }

    /// `scaleDownDelaySeconds = 30, rule_lag = 70s`.
    pub fn label(&self, design: &Design) -> String {
        let part = |(key, value): (&str, &String)| format!("{} = {value}", short(key));
        let mut parts: Vec<_> = design.keys().zip(&self.values).map(part).collect();
        parts.dedup();
        parts.join(", ")
    }
}

/// The last name of a dotted key, or the last two where one says too little.
pub fn short(key: &str) -> &str {
    const VAGUE: [&str; 6] = ["seconds", "duration", "weight", "command", "min", "max"];
    let key = key.trim_end_matches('"');
    let name = key.rsplit(['.', '"', '/']).next().unwrap_or(key);
    let before = key[..key.len() - name.len()].trim_end_matches('.');
    match VAGUE.contains(&name) && !before.is_empty() {
        true => &key[before.rfind('.').map_or(0, |dot| dot + 1)..],
        false => name,
    }
}

/// Values that move together, each once.
pub fn joined(values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<_> = values.collect();
    values.dedup();
    values.join(", ")
}

/// The rows of a `cells.csv` of this design, in their order; an error says what is wrong in which line.
pub fn rows(design: &Design, csv: impl Read) -> impl Iterator<Item = Result<Row, String>> {
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
        Ok(Row {
            cell: cell(0).parse().map_err(|_| broken("it does not begin with a number"))?,
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
        let rows: Vec<_> = rows(&design, text.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(rows[0].values, cell.values);
        assert_eq!(rows[0].error, "no such \"key\", sorry");
        assert_eq!((rows[0].figure(0), rows[0].is_safe(0)), (None, None));
        assert_eq!(rows[0].label(&design), "a = \"x,\\\"y\", c = 1");
    }

    #[test]
    fn the_last_name_of_a_key_is_its_short_one() {
        for (key, name) in [
            ("traffic.rate", "rate"),
            ("rollout.strategy.canary.steps[12].setWeight", "setWeight"),
            ("ingress.annotations.\"alb.ingress.kubernetes.io/target-group-attributes\"", "target-group-attributes"),
            ("scenario", "scenario"),
            ("rollout.strategy.canary.steps[12].pause.duration", "pause.duration"),
            ("a.lifecycle.preStop.sleep.seconds", "sleep.seconds"),
        ] {
            assert_eq!(short(key), name);
        }
    }
}
