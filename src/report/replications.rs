//! Several seeds of one scenario: how far its figures spread.
//!
//! Percentiles are those of [`Spread`].

use super::summary::number;
use super::terminal::{BAD, GOOD, TITLE, paint};
use super::{Verdict, counted, grouped_decimal, observed, percent};
use crate::scenario::spread::Spread;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Names a row of a list and is no figure of the run.
const NAMES: [&str; 2] = ["code", "index"];

/// The figures that the table and `seeds.csv` show.
const FIGURES: [&str; 9] = [
    "elb_502",
    "elb_503",
    "elb_504",
    "elb_5xx",
    "errors.seconds",
    "errors.share_while_failing",
    "pods.peak",
    "pods.extra_pod_seconds",
    "rollout.duration_s",
];

/// The same of a way back, where a seed has one.
const OF_THE_WAY_BACK: [&str; 5] = [
    "rollback.time_to_detect_s",
    "rollback.time_to_mitigate_s",
    "rollback.requests",
    "rollback.target_5xx",
    "rollback.elb_5xx",
];

fn figures(summaries: &[Value]) -> Vec<&'static str> {
    let goes_back = summaries.iter().any(|summary| summary["rollback"].is_object());
    let of_the_way_back = OF_THE_WAY_BACK.into_iter().filter(|_| goes_back);
    let has_404 = summaries.iter().any(|summary| summary["requests"]["elb_404"].as_u64() > Some(0));
    FIGURES.into_iter().chain(has_404.then_some("elb_404")).chain(of_the_way_back).collect()
}

/// Joins the summaries of several seeds into one of the same shape. Each number becomes {min, mean, p50, p95, max};
/// nulls are skipped; of texts that differ it says how many seeds had which. A cause counts 0 for a seed without it.
/// `verdicts` are those over all seeds, one for each threshold.
pub fn aggregate(summaries: &[Value], verdicts: &[Verdict]) -> Value {
    let all: Vec<_> = summaries.iter().collect();
    let mut joined = join(&all);
    if let Value::Object(keys) = &mut joined {
        keys.remove("seed");
        keys.insert("seeds".into(), summaries.iter().map(|summary| summary["seed"].clone()).collect());
        keys.insert("fingerprint".into(), json!(format!("{:016x}", fingerprint(summaries))));
        keys.insert("causes".into(), causes(summaries));
    }
    for (index, verdict) in verdicts.iter().enumerate() {
        joined["thresholds"][index]["met"] = json!(verdict.met);
    }
    joined
}

/// FNV-1a, 64 bits, over the digits of all fingerprints in the order of the seeds.
fn fingerprint(summaries: &[Value]) -> u64 {
    let digits = summaries.iter().filter_map(|summary| summary["fingerprint"].as_str()).flat_map(str::bytes);
    digits.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn join(values: &[&Value]) -> Value {
    let values: Vec<_> = values.iter().copied().filter(|value| !value.is_null()).collect();
    match values.first() {
        None | Some(Value::Null) => Value::Null,
        Some(Value::Bool(_)) => json!(values.iter().all(|value| value.as_bool() == Some(true))),
        Some(Value::Number(_)) => spread(&values.iter().filter_map(|value| value.as_f64()).collect::<Vec<_>>()),
        Some(Value::String(_)) => join_texts(&values),
        Some(Value::Array(_)) => join_rows(&values),
        Some(Value::Object(_)) => join_objects(&values),
    }
}

fn join_texts(texts: &[&Value]) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for text in texts.iter().filter_map(|text| text.as_str()) {
        *counts.entry(text).or_default() += 1;
    }
    if counts.len() == 1 { texts[0].clone() } else { json!(counts) }
}

/// Row by row: all seeds of a scenario have the same steps, thresholds and assumptions.
fn join_rows(lists: &[&Value]) -> Value {
    let length = lists.iter().filter_map(|list| list.as_array()).map(Vec::len).max().unwrap_or(0);
    let row = |index: usize| join(&lists.iter().filter_map(|list| list.get(index)).collect::<Vec<_>>());
    (0..length).map(row).collect()
}

fn join_objects(objects: &[&Value]) -> Value {
    let keys: BTreeSet<&String> = objects.iter().filter_map(|object| object.as_object()).flat_map(Map::keys).collect();
    let entry = |key: &String| {
        let values: Vec<_> = objects.iter().filter_map(|object| object.get(key)).collect();
        let value = if NAMES.contains(&key.as_str()) { values[0].clone() } else { join(&values) };
        (key.clone(), value)
    };
    Value::Object(keys.into_iter().map(entry).collect())
}

fn causes(summaries: &[Value]) -> Value {
    let listed = |summary: &Value| summary["causes"].as_array().cloned().unwrap_or_default();
    let name = |cause: &Value| (cause["code"].as_u64(), cause["cause"].as_str().unwrap_or_default().to_string());
    let names: BTreeSet<_> = summaries.iter().flat_map(listed).map(|cause| name(&cause)).collect();
    let joined = |(code, cause): (Option<u64>, String)| {
        let none = json!({ "code": code, "cause": cause, "count": 0, "first_s": null, "last_s": null });
        let of_seed = |summary| {
            let found = listed(summary).into_iter().find(|entry| name(entry) == (code, cause.clone()));
            found.unwrap_or_else(|| none.clone())
        };
        let entries: Vec<_> = summaries.iter().map(of_seed).collect();
        join(&entries.iter().collect::<Vec<_>>())
    };
    names.into_iter().map(joined).collect()
}

/// What a figure did over the seeds; null without one.
fn spread(values: &[f64]) -> Value {
    let Some(spread) = Spread::of(values) else { return Value::Null };
    let [min, mean, p50, p95, max] = spread.columns().map(|value| number(value, 6));
    json!({ "min": min, "mean": mean, "p50": p50, "p95": p95, "max": max })
}

/// A figure of `FIGURES`, out of one summary.
fn figure(summary: &Value, name: &str) -> Option<f64> {
    let path = name.split_once('.').unwrap_or(("requests", name));
    summary[path.0][path.1].as_f64()
}

/// The terminal table: one row per figure, one line per threshold.
pub fn table(summaries: &[Value], verdicts: &[Verdict]) -> String {
    let said = |name: &str| summaries.first().and_then(|summary| summary[name].as_str()).unwrap_or_default();
    let mut text = format!("{}\nscenario {}\n\n", paint(TITLE, said("title")), said("scenario"));
    text.push_str(&format!("{:<28}", counted(summaries.len() as u64, "seed")));
    for name in Spread::NAMES {
        text.push_str(&format!("{name:>10}"));
    }
    text.push('\n');
    for name in figures(summaries) {
        let values: Vec<_> = summaries.iter().filter_map(|summary| figure(summary, name)).collect();
        let label = match values.len() {
            // Not every seed comes to the end of a way back.
            count if count < summaries.len() && OF_THE_WAY_BACK.contains(&name) => {
                format!("{}, {count} seeds", label(name))
            }
            _ => label(name),
        };
        text.push_str(&format!("{label:<28}"));
        for value in Spread::of(&values).map_or([None; 5], |spread| spread.columns().map(Some)) {
            text.push_str(&format!("{:>10}", value.map_or("–".into(), |value| cell(name, value))));
        }
        text.push('\n');
    }
    for (index, verdict) in verdicts.iter().enumerate() {
        let met = |summary: &&Value| summary["thresholds"][index]["met"] == json!(true);
        let said = match verdict.is_across_seeds {
            true => observed(verdict),
            false => {
                let met = summaries.iter().filter(met).count();
                format!("met with {met} of {}", counted(summaries.len() as u64, "seed"))
            }
        };
        let (style, mark) = if verdict.met { (GOOD, '✓') } else { (BAD, '✗') };
        text.push_str(&format!("{}\n", paint(style, format!("{mark} {}: {said}", verdict.threshold))));
    }
    text
}

/// The figure's name in words, with its unit where the words have none.
pub(super) fn label(name: &str) -> String {
    match name {
        "requests" => "requests".into(),
        "errors.worst_10s.share" => "share failing in the worst 10 s".into(),
        "latency_ms.p50" => "latency p50 (ms)".into(),
        "latency_ms.p99" => "latency p99 (ms)".into(),
        "errors.seconds" => "seconds with an ELB 5xx".into(),
        "errors.share_while_failing" => "share failing within them".into(),
        "pods.peak" => "pods at the peak".into(),
        "pods.extra_pod_seconds" => "extra pod-seconds".into(),
        "rollout.duration_s" => "rollout duration (s)".into(),
        "rollback.time_to_detect_s" => "time to detect (s)".into(),
        "rollback.time_to_mitigate_s" => "time to mitigate".into(),
        "rollback.requests" => "to the bad version".into(),
        "rollback.target_5xx" => "target 5xx of it".into(),
        "rollback.elb_5xx" => "ELB 5xx going back".into(),
        code => format!("{} (requests)", code.replace('_', " ").replace("elb", "ELB")),
    }
}

fn cell(name: &str, value: f64) -> String {
    if name == "errors.share_while_failing" { percent(value) } else { grouped_decimal(value, 1) }
}

/// One row per seed.
pub fn seeds_csv(summaries: &[Value], to: impl Write) -> ::csv::Result<()> {
    let mut csv = ::csv::Writer::from_writer(to);
    let figures = figures(summaries);
    let columns: Vec<_> = figures.iter().map(|name| name.replace('.', "_")).collect();
    csv.write_record(["seed"].into_iter().chain(columns.iter().map(String::as_str)))?;
    for summary in summaries {
        let cells = figures
            .iter()
            .map(|name| figure(summary, name).map_or(String::new(), |value| number(value, 6).to_string()));
        csv.write_record([summary["seed"].to_string()].into_iter().chain(cells))?;
    }
    csv.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Cause;
    use crate::report::{sample, summary::summary};
    use crate::run::Run;
    use crate::scenario::metric::Unit;

    fn verdict(met: bool) -> Verdict {
        let threshold = "elb_5xx.count == 0".into();
        Verdict { threshold, observed: 50.0, met, unit: Unit::Number, is_across_seeds: false }
    }

    fn of(run: &Run) -> Value {
        summary(&sample::loaded(), run, &[verdict(run.requests.elb_5xx() == 0)])
    }

    /// Seeds 1 and 2 fail with 502, seed 3 with 503, seed 4 not at all.
    fn four_seeds() -> Vec<Value> {
        let mut runs = [sample::incident(), sample::incident(), sample::quiet(), sample::quiet()];
        for (run, seed) in runs.iter_mut().zip(1..) {
            run.seed = seed;
            run.fingerprint = seed;
        }
        runs[2].seconds[480].elb_503 = 50;
        sample::recount(&mut runs[2], Cause::NoRegisteredTargets);
        runs[3].rollout.outcome = crate::run::RolloutOutcome::Degraded;
        runs.iter().map(of).collect()
    }

    #[test]
    fn each_number_becomes_its_spread_over_the_seeds() {
        let joined = aggregate(&four_seeds(), &[verdict(false)]);
        for (pointer, expected) in [
            ("/seeds", json!([1, 2, 3, 4])),
            ("/requests/elb_502", json!({ "min": 0, "mean": 875, "p50": 0, "p95": 1750, "max": 1750 })),
            ("/requests/total", json!({ "min": 150000, "mean": 150000, "p50": 150000, "p95": 150000, "max": 150000 })),
            ("/causes/0/code", json!(502)),
            ("/causes/1/cause", json!("no_registered_targets")),
            ("/causes/1/count", json!({ "min": 0, "mean": 12.5, "p50": 0, "p95": 50, "max": 50 })),
            ("/causes/1/first_s", json!({ "min": 420.3, "mean": 420.3, "p50": 420.3, "p95": 420.3, "max": 420.3 })),
            ("/steps/0/weight_effective_s", Value::Null),
            ("/steps/11/index", json!(11)),
            ("/steps/11/step", json!("setWeight 100")),
            ("/thresholds/0/met", json!(false)),
            ("/rollout/outcome", json!({ "degraded": 1, "promoted": 3 })),
            ("/schema", json!("rollout-sim/run/v1")),
        ] {
            assert_eq!(joined.pointer(pointer), Some(&expected), "{pointer}");
        }
        assert_eq!(joined.get("seed"), None);
        assert_eq!(joined["errors"]["worst_10s"]["share"]["min"], json!(0.02));
    }

    #[test]
    fn the_fingerprint_depends_on_each_seed_and_their_order() {
        let mut seeds = four_seeds();
        let before = aggregate(&seeds, &[verdict(false)])["fingerprint"].clone();
        assert_eq!(before.as_str().map(str::len), Some(16));
        seeds.swap(0, 1);
        assert_ne!(aggregate(&seeds, &[verdict(false)])["fingerprint"], before);
    }

    #[test]
    fn the_table_has_a_row_per_figure_and_fits_80_columns() {
        let across =
            Verdict { threshold: "elb_5xx{seeds=p50}.count <= 50".into(), is_across_seeds: true, ..verdict(true) };
        let table = table(&four_seeds(), &[verdict(false), across]);
        assert_eq!(table.lines().count(), 3 + 1 + FIGURES.len() + 2);
        assert!(table.contains("✓ elb_5xx{seeds=p50}.count <= 50: 50"), "{table}");
        assert!(table.contains("scenario web-incident\n\n4 seeds  "), "{table}");
        assert!(table.contains("✗ elb_5xx.count == 0: met with 1 of 4 seeds"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert!(
            table.contains("ELB 502 (requests)                   0       875         0     1,750     1,750"),
            "{table}"
        );
    }

    #[test]
    fn a_way_back_has_its_rows_where_a_seed_has_one() {
        let mut seeds = four_seeds();
        for (number, mitigated) in [(0, json!(100.0)), (1, json!(300.0)), (2, Value::Null)] {
            let requests = 1000 * (number + 1);
            seeds[number]["rollback"] =
                json!({ "time_to_detect_s": 60, "time_to_mitigate_s": mitigated, "requests": requests, "elb_5xx": 0 });
        }
        let table = table(&seeds, &[]);
        assert!(
            table.contains("time to mitigate, 2 seeds          100       200       100       300       300"),
            "{table}"
        );
        assert!(table.contains("to the bad version, 3 seeds"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        let mut bytes = Vec::new();
        seeds_csv(&seeds, &mut bytes).expect("a vector takes everything");
        let text = String::from_utf8(bytes).expect("text");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("rollout_duration_s,rollback_time_to_detect_s,rollback_time_to_mitigate_s,rollback_requests,rollback_target_5xx,rollback_elb_5xx"), "{}", lines[0]);
        assert!(lines[1].ends_with(",60,100,1000,,0") && lines[3].ends_with(",60,,3000,,0"), "{text}");
        assert!(lines[4].ends_with(",480.1,,,,,"), "{text}");
    }

    #[test]
    fn seeds_csv_has_a_row_per_seed() {
        let mut bytes = Vec::new();
        seeds_csv(&four_seeds(), &mut bytes).expect("a vector takes everything");
        let text = String::from_utf8(bytes).expect("text");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[0].starts_with("seed,elb_502,elb_503,elb_504,elb_5xx,errors_seconds,"), "{}", lines[0]);
        assert_eq!(lines[1], "1,1750,0,0,1750,70,0.1,13,512,480.1");
    }
}
