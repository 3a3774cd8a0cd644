//! The result of a sweep as JSON, for stdout.

use super::definition::Definition;
use super::results::Results;
use crate::sweep::play::FIGURES;
use serde_json::json;

pub const SCHEMA: &str = "rollout-sim/sweep-result/v1";

pub fn render(definition: &Definition, results: &Results) -> String {
    let figure = |(place, figure): (usize, &usize)| {
        let means = || results.cells.iter().filter_map(|cell| Some(cell.figures.get(place)?.mean));
        let (least, most) = (means().min_by(f64::total_cmp), means().max_by(f64::total_cmp));
        (FIGURES[*figure].to_owned(), json!({ "mean_least": least, "mean_most": most }))
    };
    let told = |(label, reason): &(String, String)| json!({ "cell": label, "reason": reason });
    let value = json!({
        "schema": SCHEMA,
        "name": definition.name,
        "title": definition.title,
        "axes": definition.axes,
        "seeds": definition.seeds,
        "cells": {
            "count": results.cells.len(),
            "safe": results.safe,
            "unsafe": results.unsafe_,
            "failed": results.failed,
            "invalid": results.invalid,
        },
        "safe_means": results.meaning(),
        "figures": results.figures.iter().enumerate().map(figure).collect::<serde_json::Map<_, _>>(),
        "first_unsafe": results.told.iter().map(told).collect::<Vec<_>>(),
    });
    let mut text = serde_json::to_string_pretty(&value).expect("JSON can be written");
    text.push('\n');
    text
}
