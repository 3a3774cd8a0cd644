//! The steps of a release on the terminal: when each began, when its weight was effective, what failed meanwhile.

use super::terminal::{coloured, columns, quiet};
use super::{Stage, grouped, is_set_weight, name_of_way_back, span, stages, time};
use crate::run::{RolloutRecord, Run, StepRecord};

const COLUMNS: usize = 7;

pub(super) fn step_table(run: &Run, width: usize) -> Vec<String> {
    let heads = ["#", "step", "start", "weight", "effective", "st/can", "ELB 5xx"].map(String::from);
    let mut rows = vec![(0, heads)];
    let (before, after) = outside_the_steps(run);
    let RolloutRecord { aborted, undone, elb_5xx_after_abort, elb_5xx_after_undo, .. } = run.rollout;
    let row = |words: &str, started: String, errors: u64| {
        let dash = || String::from("–");
        (errors, [String::new(), words.into(), started, dash(), dash(), dash(), grouped(errors)])
    };
    if before > 0 {
        rows.push(row("before the release", "–".into(), before));
    }
    if let Some(began) = run.rollout.began_anew {
        let name = format!("until the steps began anew, {}", time(run, began));
        rows.push(row(&name, time(run, run.release), run.rollout.elb_5xx_superseded));
    }
    rows.extend(stages(run).map(|stage| (stage.elb_5xx(), stage_cells(run, stage))));
    if run.steps.is_empty() {
        rows.push(row("the release, without steps", time(run, run.release), after));
    } else if after > 0 {
        let completed = run.steps.last().and_then(|step| step.completed);
        rows.push(row("after the last step", completed.map_or_else(|| "–".into(), |at| time(run, at)), after));
    }
    // An undo that has taken the release back is over like an abort, and is told as what it is.
    let aborted = aborted.filter(|at| undone.is_none_or(|undone| *at < undone));
    let back = undone.map_or("the way back", |undone| name_of_way_back(run, undone));
    for (what, at, errors) in [("the abort", aborted, elb_5xx_after_abort), (back, undone, elb_5xx_after_undo)] {
        // A retry or another release has taken back what counted there: its failures stay in the sum.
        if at.is_some() || errors > 0 {
            rows.push(row(&format!("after {what}"), at.map_or_else(|| "–".into(), |at| time(run, at)), errors));
        }
    }
    let (errors, cells): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let mut lines = columns(&cells, 1, width).into_iter();
    let head = lines.next().map(|head| quiet(&head));
    head.into_iter().chain(lines.zip(&errors[1..]).map(|(line, errors)| coloured(*errors, line))).collect()
}

/// ELB 5xx before the first step and after the last, so that the table adds up to the header.
fn outside_the_steps(run: &Run) -> (u64, u64) {
    let rollout = &run.rollout;
    let in_the_table = rollout.elb_5xx_after_abort + rollout.elb_5xx_after_undo + rollout.elb_5xx_superseded;
    let others = run.requests.elb_5xx() - in_the_table;
    if run.steps.is_empty() {
        let warmup = usize::try_from(run.release.second()).expect("a run's seconds can be indexed");
        let before = run.seconds[..warmup].iter().map(|second| u64::from(second.elb_5xx())).sum();
        return (before, others - before);
    }
    let after = run.rollout.elb_5xx_after_last_step;
    let steps: u64 = run.steps.iter().map(|step| step.elb_5xx).sum();
    (others - steps - after, after)
}

fn stage_cells(run: &Run, stage: Stage) -> [String; COLUMNS] {
    let (first, last) = (stage.first(), stage.last());
    let numbers = match last.index - first.index {
        0 => first.index.to_string(),
        _ => format!("{}–{}", first.index, last.index),
    };
    let pods = |step: &StepRecord| format!("{}/{}", grouped(step.stable_pods.into()), grouped(step.canary_pods.into()));
    // The pods are those at the end of the stage, or of the part of it that was reached.
    let reached = stage.steps.iter().rfind(|step| step.started.is_some());
    [
        numbers,
        stage.label(),
        first.started.map_or_else(|| "–".into(), |at| time(run, at)),
        format!("{} %", first.weight_requested),
        effective(run, first),
        reached.map_or_else(|| "–".into(), pods),
        grouped(stage.elb_5xx()),
    ]
}

/// When the ALB routed by the weight, and how long that took.
fn effective(run: &Run, step: &StepRecord) -> String {
    match (step.weight_asked, step.weight_effective) {
        (Some(asked), Some(effective)) => {
            format!("{} (+{})", time(run, effective), span(effective.saturating_since(asked)))
        }
        (Some(_), None) if is_set_weight(step) => "never".into(),
        (Some(_) | None, _) => "–".into(),
    }
}
