//! One value of a document: a text, a number, a duration, a distribution. A bad one is a message and a help.

use super::document::{Kind, Node};
use super::quoted::quoted;
use crate::random::{Distribution, Tail};
use crate::units::{Duration, Percent, grouped};
use std::ops::RangeInclusive;

pub fn number_from(node: &Node) -> Option<f64> {
    if let Kind::Float(number) = node.kind { Some(number) } else { node.integer().map(|number| number as f64) }
}

pub fn wrong_kind(name: &str, node: &Node, wanted: &str) -> (String, String) {
    (format!("`{name}` is {}, it must be {wanted}", node.kind_name()), String::new())
}

pub fn text_from(name: &str, node: &Node) -> Result<String, (String, String)> {
    let refuse = || {
        let (message, _) = wrong_kind(name, node, "a string");
        (message, format!("put it in quotes: {}", quoted(&node.to_toml())))
    };
    node.text().map(str::to_owned).ok_or_else(refuse)
}

pub fn count_from(name: &str, node: &Node, range: &RangeInclusive<u32>) -> Result<u32, (String, String)> {
    let number = node.integer().ok_or_else(|| wrong_kind(name, node, "an integer"))?;
    match u32::try_from(number) {
        Ok(count) if range.contains(&count) => Ok(count),
        _ => {
            let [low, high] = [range.start(), range.end()].map(|bound| grouped(u64::from(*bound)));
            Err((format!("`{name}` is {number}, it must lie between {low} and {high}"), String::new()))
        }
    }
}

/// How much of something, in whole percent.
pub fn percent_from(name: &str, node: &Node) -> Result<Percent, (String, String)> {
    let percent = node.integer().and_then(|number| Percent::try_from(number).ok());
    let message = || format!("`{name}` is {}, it must be a percentage: a whole number from 0 to 100", node.to_toml());
    percent.ok_or_else(|| (message(), format!("write {name} = 50 for one in two")))
}

pub fn duration_from(node: &Node) -> Result<Duration, (String, String)> {
    match &node.kind {
        Kind::String(text) => text.parse().map_err(|message| (message, String::new())),
        Kind::Integer(_) | Kind::Float(_) => {
            let number = node.to_toml();
            let help = format!("give it a unit: \"{number}s\" or \"{number}ms\"");
            Err((format!("{number} is a bare number, a duration needs its unit"), help))
        }
        Kind::Boolean(_) | Kind::Datetime(_) | Kind::Array(_) | Kind::Table(_) => {
            Err((format!("this is {}, a duration is a string like \"30s\"", node.kind_name()), String::new()))
        }
    }
}

const DELAY_HELP: &str = "a delay is \"40ms\", { min, max }, { min, mode, max }, { exponential }, { median, p95 }, \
                          { median, p99 } or { quantiles = [[0.0, \"1s\"], …, [1.0, \"9s\"]] }";

pub fn distribution_from(node: &Node) -> Result<Distribution, (String, String)> {
    if node.array().is_some() {
        return Err(("an array is no delay".to_owned(), DELAY_HELP.to_owned()));
    }
    let Some(table) = node.table() else { return duration_from(node).map(Distribution::Fixed) };
    let mut names: Vec<_> = table.entries.iter().map(|entry| entry.key.as_str()).collect();
    names.sort_unstable();
    if names == ["quantiles"] {
        return quantiles_from(&table.entries[0].value);
    }
    let at = |name: &str| duration_from(&table.get(name).expect("the name is in the table").value);
    let refuse = |message: String| Err((message, String::new()));
    match names[..] {
        ["exponential"] => Ok(Distribution::Exponential { mean: at("exponential")? }),
        ["max", "min"] => {
            let (min, max) = (at("min")?, at("max")?);
            if min > max {
                return refuse(format!("min ({min}) is above max ({max})"));
            }
            Ok(Distribution::Uniform { min, max })
        }
        ["max", "min", "mode"] => {
            let (min, mode, max) = (at("min")?, at("mode")?, at("max")?);
            if min > mode || mode > max {
                return refuse(format!("min, mode and max ({min}, {mode}, {max}) do not rise"));
            }
            Ok(Distribution::Triangular { min, mode, max })
        }
        ["median", tail @ ("p95" | "p99")] => {
            let (median, at) = (at("median")?, at(tail)?);
            if median == Duration::ZERO || at < median {
                return refuse(format!("the median ({median}) must be above zero and not above the {tail} ({at})"));
            }
            let tail = if tail == "p95" { Tail::P95(at) } else { Tail::P99(at) };
            Ok(Distribution::LogNormal { median, tail })
        }
        _ => Err((format!("{{ {} }} is no delay", names.join(", ")), DELAY_HELP.to_owned())),
    }
}

fn quantiles_from(node: &Node) -> Result<Distribution, (String, String)> {
    let refuse =
        |message: &str| Err((message.to_owned(), "write [[0.0, \"1s\"], [0.5, \"2s\"], [1.0, \"9s\"]]".to_owned()));
    let Some(items) = node.array() else { return refuse("quantiles are a list of [rank, value]") };
    let mut points = Vec::new();
    for item in items {
        let Some([rank, value]) = item.array() else { return refuse("a quantile is [rank, value]") };
        let Some(rank) = number_from(rank) else { return refuse("a rank is a number between 0.0 and 1.0") };
        points.push((rank, duration_from(value)?));
    }
    let spans =
        points.first().is_some_and(|(rank, _)| *rank == 0.0) && points.last().is_some_and(|(rank, _)| *rank == 1.0);
    let rises = points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    if !spans || !rises {
        return refuse("the ranks must rise from 0.0 to 1.0, and the values with them");
    }
    Ok(Distribution::Quantiles(points))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::document;

    fn delay(toml: &str) -> Result<Distribution, String> {
        let table = document::parse(&format!("x = {toml}")).expect("the test's TOML is right");
        distribution_from(&table.entries[0].value).map_err(|(message, _)| message)
    }

    #[test]
    fn every_form_of_a_delay_reads_and_prints_as_itself() {
        for toml in [
            "\"40ms\"",
            "{ min = \"1s\", max = \"2s\" }",
            "{ min = \"1s\", mode = \"1.5s\", max = \"2s\" }",
            "{ exponential = \"40ms\" }",
            "{ median = \"40ms\", p99 = \"400ms\" }",
            "{ median = \"40ms\", p95 = \"400ms\" }",
            "{ quantiles = [[0.0, \"1s\"], [0.5, \"2s\"], [1.0, \"9s\"]] }",
        ] {
            assert_eq!(delay(toml).unwrap().to_string(), toml);
        }
    }

    #[test]
    fn a_delay_that_makes_no_sense_is_refused() {
        for (toml, message) in [
            ("40", "40 is a bare number, a duration needs its unit"),
            ("\"40\"", "`40` is not a duration"),
            ("\"-1s\"", "`-1s` is negative"),
            ("{ min = \"2s\", max = \"1s\" }", "min (2s) is above max (1s)"),
            ("{ min = \"1s\", mode = \"3s\", max = \"2s\" }", "min, mode and max (1s, 3s, 2s) do not rise"),
            ("{ median = \"0s\", p99 = \"1s\" }", "the median (0s) must be above zero"),
            ("{ median = \"2s\", p99 = \"1s\" }", "the median (2s) must be above zero and not above the p99 (1s)"),
            ("{ mean = \"2s\" }", "{ mean } is no delay"),
            ("{ quantiles = [[0.1, \"1s\"], [1.0, \"2s\"]] }", "the ranks must rise from 0.0 to 1.0"),
            ("{ quantiles = [[0.0, \"2s\"], [1.0, \"1s\"]] }", "the ranks must rise from 0.0 to 1.0"),
            ("{ quantiles = [] }", "the ranks must rise from 0.0 to 1.0"),
            ("{ quantiles = [[0.0, \"2s\"], [nan, \"2s\"], [1.0, \"3s\"]] }", "the ranks must rise"),
            ("[]", "an array is no delay"),
        ] {
            let got = delay(toml).unwrap_err();
            assert!(got.starts_with(message), "{toml}: {got}");
        }
    }
}
