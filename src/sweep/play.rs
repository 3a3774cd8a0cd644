//! Plays the cells of a plan, in batches on all cores, and hands them out in order.

use super::plan::Plan;
use crate::scenario::metric::Metric;
use crate::scenario::threshold::Verdict;
use crate::scenario::{Loaded, Scenario};
use crate::simulation;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// The figures that a sweep keeps of each run, under the names of thresholds.
pub const FIGURES: [&str; 13] = [
    "requests.count",
    "elb_502.count",
    "elb_503.count",
    "elb_504.count",
    "elb_5xx.count",
    "errors.seconds",
    "errors.share_while_failing",
    "errors.worst_10s.share",
    "pods.peak",
    "pods.extra_pod_seconds",
    "rollout.duration_s",
    "latency_ms.p50",
    "latency_ms.p99",
];

pub fn figures() -> &'static [Metric; FIGURES.len()] {
    // Once, as a picture asks for every mark that it draws.
    static METRICS: LazyLock<[Metric; FIGURES.len()]> =
        LazyLock::new(|| FIGURES.map(|name| Metric::parse(name).expect("the figures are metrics")));
    &METRICS
}

/// What became of one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub index: u64,
    /// One for each key of the design.
    pub values: Vec<String>,
    /// The first mistake of a scenario that cannot run.
    pub outcome: Result<Played, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// One for each seed of the plan.
    pub replications: Vec<Replication>,
    /// Over all seeds.
    pub verdicts: Vec<Verdict>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Replication {
    pub seed: u64,
    pub fingerprint: u64,
    /// In the order of `FIGURES`.
    pub figures: [f64; FIGURES.len()],
    /// What the thresholds of the scenario look at.
    observed: Vec<f64>,
}

/// How many cells are played before the first of them is handed out. That much an interruption can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// A batch ends when its last run does, so that some threads wait for the last one: with so many runs for each, that is
    /// about one part in a hundred.
    Long,
    /// One run for each thread.
    Short,
}

impl Batch {
    const fn runs_per_thread(self) -> usize {
        match self {
            Self::Long => 64,
            Self::Short => 1,
        }
    }
}

/// Plays these cells and hands each to `take`, in their order, until it or `stop` ends it. Returns whether all were played.
pub fn play(
    plan: &Plan,
    cells: impl Iterator<Item = u64>,
    batch: Batch,
    stop: &(impl Fn() -> bool + Sync),
    mut take: impl FnMut(Cell) -> ControlFlow<()>,
) -> bool {
    let mut cells = cells.peekable();
    let length = (rayon::current_num_threads() * batch.runs_per_thread()).div_ceil(plan.seeds.len()).max(1);
    while cells.peek().is_some() {
        let batch: Vec<u64> = cells.by_ref().take(length).collect();
        for cell in play_batch(plan, &batch, stop) {
            let Some(cell) = cell else { return false };
            if take(cell).is_break() {
                return false;
            }
        }
    }
    true
}

/// None for a cell that was stopped on the way.
fn play_batch(plan: &Plan, batch: &[u64], stop: &(impl Fn() -> bool + Sync)) -> Vec<Option<Cell>> {
    let loaded: Vec<_> = batch.par_iter().map(|cell| plan.load(*cell)).collect();
    let jobs: Vec<(usize, u64)> = (0..batch.len())
        .filter(|place| loaded[*place].is_ok())
        .flat_map(|place| plan.seeds.iter().map(move |seed| (place, *seed)))
        .collect();
    let replicate = |(place, seed): &(usize, u64)| match &loaded[*place] {
        Ok(loaded) if !stop() => Some(replicate(loaded, *seed)),
        Ok(_) | Err(_) => None,
    };
    // One by one, as neighbours differ: a run under overload takes longer than ten others.
    let mut runs = jobs.par_iter().with_max_len(1).map(replicate).collect::<Vec<_>>().into_iter();
    let cell = |(index, loaded): (&u64, &Result<Loaded, String>)| {
        let outcome = match loaded {
            Err(message) => Err(message.clone()),
            Ok(loaded) => {
                let replications: Option<Vec<_>> = runs.by_ref().take(plan.seeds.len()).collect();
                Ok(judge(loaded, replications?))
            }
        };
        Some(Cell { index: *index, values: plan.design.values(*index), outcome })
    };
    batch.iter().zip(&loaded).map(cell).collect()
}

fn replicate(loaded: &Loaded, seed: u64) -> Replication {
    let scenario: &Scenario = &loaded.scenario;
    let run = simulation::run(scenario, seed);
    Replication {
        seed,
        fingerprint: run.fingerprint,
        figures: figures().map(|figure| figure.observe(&run)),
        observed: loaded.thresholds.iter().map(|threshold| threshold.observe(&run)).collect(),
    }
}

fn judge(loaded: &Loaded, replications: Vec<Replication>) -> Played {
    let verdict = |index: usize| {
        let observed: Vec<_> = replications.iter().map(|replication| replication.observed[index]).collect();
        loaded.thresholds[index].verdict(&observed)
    };
    let verdicts = (0..loaded.thresholds.len()).map(verdict).collect();
    Played { replications, verdicts }
}

impl Cell {
    /// Whether every threshold is met, by every seed unless it says otherwise.
    pub fn is_met(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|played| played.verdicts.iter().all(|verdict| verdict.met))
    }
}
