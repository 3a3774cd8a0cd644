//! `sweep.json`: what was swept, so that the folder explains itself, can be continued, joined and drawn.

use super::super::csv;
use crate::scenario::recording;
use crate::sweep::axis::Axis;
use crate::sweep::design::{Design, Sampling};
use crate::sweep::plan::{Plan, Source};
use crate::sweep::play::FIGURES;
use serde_json::{Value, json};
use std::sync::Arc;

pub const SCHEMA: &str = "rollout-sim/sweep/v1";

/// Two folders with equal definitions hold cells of one sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    pub title: String,
    /// The program: another version may give other results.
    pub version: String,
    /// As `--vary` takes them.
    pub axes: Vec<String>,
    pub sample: Option<Sample>,
    pub set: Vec<String>,
    pub seeds: Vec<u64>,
    pub sources: Vec<Source>,
    /// Whether there is a `runs.csv`.
    pub runs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub cells: u64,
    pub sampling: Sampling,
    pub seed: u64,
}

/// The cells whose index leaves this rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    pub index: u64,
    pub count: u64,
}

impl Shard {
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The indices of its cells.
    pub fn cells(self, all: u64) -> impl Iterator<Item = u64> {
        (0..)
            .map_while(move |n: u64| n.checked_mul(self.count)?.checked_add(self.index))
            .take_while(move |cell| *cell < all)
    }

    pub fn len(self, all: u64) -> u64 {
        all.saturating_sub(self.index).div_ceil(self.count)
    }
}

impl Definition {
    /// The scenario's file, where nobody named it.
    pub fn file_name(&self) -> String {
        format!("{}.toml", self.name)
    }

    pub fn design(&self) -> Result<Design, String> {
        let axes = self.axes.iter().map(|axis| Axis::parse(axis)).collect::<Result<Vec<_>, _>>();
        let axes = axes.map_err(|(message, _)| message)?;
        match self.sample {
            None => Design::grid(axes),
            Some(Sample { cells, sampling, seed }) => Ok(Design::sample(axes, cells, sampling, seed)),
        }
    }

    pub fn plan(&self) -> Result<Plan, String> {
        let design = self.design()?;
        Ok(Plan { sources: self.sources.clone(), set: self.set.clone(), design, seeds: self.seeds.clone() })
    }

    pub fn to_json(&self, cells: u64, shard: Shard) -> Vec<u8> {
        let sample =
            |sample: Sample| json!({ "cells": sample.cells, "sampling": sample.sampling.name(), "seed": sample.seed });
        let source = |source: &Source| {
            let mut value = json!({ "path": source.path, "name": source.name, "text": source.text });
            if let Some(recording) = &source.recording {
                value["arrivals"] = json!(csv::arrivals(recording));
            }
            value
        };
        let mut value = json!({
            "schema": SCHEMA,
            "version": self.version,
            "name": self.name,
            "title": self.title,
            "axes": self.axes,
            "sample": self.sample.map(sample),
            "set": self.set,
            "seeds": self.seeds,
            "scenarios": self.sources.iter().map(source).collect::<Vec<_>>(),
            "runs": self.runs,
            "cells": cells,
            "figures": FIGURES,
        });
        if shard != Shard::WHOLE {
            value["shard"] = json!({ "index": shard.index, "count": shard.count });
        }
        let mut bytes = serde_json::to_vec_pretty(&value).expect("JSON can be written");
        bytes.push(b'\n');
        bytes
    }

    /// What `to_json` wrote; None if this is something else.
    pub fn from_json(bytes: &[u8]) -> Option<(Self, Shard)> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        if value["schema"] != SCHEMA {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |value: &Value| value.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
        let source = |source: &Value| {
            let recording = source["arrivals"].as_str().map(|text| recording::parse(text).map(Arc::new));
            Some(Source {
                path: text(&source["path"])?,
                name: text(&source["name"])?,
                text: text(&source["text"])?,
                recording: recording.transpose().ok()?,
            })
        };
        let sample = match &value["sample"] {
            none if none.is_null() => None,
            sample => Some(Sample {
                cells: sample["cells"].as_u64()?,
                sampling: Sampling::ALL.into_iter().find(|sampling| sample["sampling"] == sampling.name())?,
                seed: sample["seed"].as_u64()?,
            }),
        };
        let shard = match &value["shard"] {
            none if none.is_null() => Shard::WHOLE,
            shard => {
                Shard { index: shard["index"].as_u64()?, count: shard["count"].as_u64().filter(|count| *count > 0)? }
            }
        };
        let definition = Self {
            name: text(&value["name"])?,
            title: text(&value["title"])?,
            version: text(&value["version"])?,
            axes: texts(&value["axes"])?,
            sample,
            set: texts(&value["set"])?,
            seeds: value["seeds"].as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?,
            sources: value["scenarios"].as_array()?.iter().map(source).collect::<Option<_>>()?,
            runs: value["runs"].as_bool()?,
        };
        let is_playable = !definition.seeds.is_empty() && !definition.sources.is_empty() && !definition.axes.is_empty();
        (is_playable && shard.index < shard.count).then_some((definition, shard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        Definition {
            name: "web".into(),
            title: "Which delay is safe?".into(),
            version: "0.1.0".into(),
            axes: vec!["a=1,2".into(), "b=10s..20s:5s;c=\"x\",y,z".into()],
            sample: Some(Sample { cells: 9, sampling: Sampling::Random, seed: 4 }),
            set: vec!["traffic.rate=50/s".into()],
            seeds: vec![1, 2],
            sources: vec![Source {
                path: String::new(),
                name: "web".into(),
                text: "title = \"ü\"\n".into(),
                recording: recording::parse("time_s,class,user\n-1.5,a,x\n0.25,b,x\n").ok().map(Arc::new),
            }],
            runs: true,
        }
    }

    #[test]
    fn what_is_written_reads_as_itself() {
        let (shard, other) = (Shard { index: 2, count: 7 }, Definition { sample: None, ..definition() });
        for (definition, shard) in [(definition(), Shard::WHOLE), (definition(), shard), (other, Shard::WHOLE)] {
            let bytes = definition.to_json(6, shard);
            assert_eq!(Definition::from_json(&bytes), Some((definition, shard)));
        }
        for foreign in ["", "{}", "[1]", "{\"schema\": \"rollout-sim/run/v1\"}"] {
            assert_eq!(Definition::from_json(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn shards_share_the_cells_out() {
        for (all, count) in [(10, 3), (3, 7), (1, 1), (400, 7), (0, 2)] {
            let mut cells: Vec<u64> = Vec::new();
            for index in 0..count {
                let shard = Shard { index, count };
                assert_eq!(shard.len(all), shard.cells(all).count() as u64, "{shard:?} of {all}");
                cells.extend(shard.cells(all));
            }
            cells.sort_unstable();
            assert_eq!(cells, (0..all).collect::<Vec<_>>());
        }
    }
}
