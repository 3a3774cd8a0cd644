//! `scenario.toml` of a run: the scenario as it was run, every default and override written out with its source.
//! Running it gives the same run.

use crate::scenario::path::{self, Segment};
use crate::scenario::{Loaded, Origin, Parameter};
use std::fmt::Write;

/// Tables that get a header of their own; what lies deeper is written with dots.
const HEADERS: [&str; 8] = [
    "rollout.template.spec.containers[0]",
    "rollout.template.spec",
    "rollout.strategy.canary",
    "rollout.strategy.blueGreen",
    "deployment.template.spec.containers[0]",
    "deployment.template.spec",
    "deployment.strategy",
    "ingress.annotations",
];

/// The text of the file.
pub fn scenario(loaded: &Loaded, seed: u64) -> String {
    let mut text =
        String::from("# The scenario as it was run: every value with its source. Running it gives the same run.\n");
    let (mut header, mut in_steps) = (String::new(), false);
    let own_seed = seed == loaded.scenario.seed;
    // What belongs to no table stands before all of them.
    let (of_the_file, of_tables): (Vec<_>, Vec<_>) =
        loaded.parameters.iter().partition(|parameter| split(parameter).0.is_empty());
    for parameter in of_the_file.into_iter().chain(of_tables) {
        let value = if parameter.key == "seed" { seed.to_string() } else { parameter.value.clone() };
        let source = match parameter.origin {
            Origin::CommandLine => "from the command line".to_owned(),
            Origin::Manifest => "from a manifest".to_owned(),
            Origin::Scenario | Origin::Default if parameter.key == "seed" && !own_seed => {
                "from the command line".to_owned()
            }
            Origin::Scenario => "from the scenario".to_owned(),
            Origin::Default => format!("default: {}", parameter.note),
        };
        let (table, rest) = split(parameter);
        let is_step = rest.starts_with("steps[");
        if in_steps && !is_step {
            text.push_str("]\n");
        }
        if table != header {
            write_header(&mut text, &table);
            header = table;
        }
        if is_step {
            if !in_steps {
                text.push_str("steps = [\n");
            }
            line(&mut text, &format!("  {value},"), &source);
        } else {
            line(&mut text, &format!("{rest} = {value}"), &source);
        }
        in_steps = is_step;
    }
    if in_steps {
        text.push_str("]\n");
    }
    text
}

fn line(text: &mut String, assignment: &str, source: &str) {
    writeln!(text, "{assignment}  # {source}").expect("a string takes every write");
}

fn write_header(text: &mut String, table: &str) {
    let header = match table.strip_suffix("[0]") {
        Some(array) => format!("[[{array}]]"),
        None => format!("[{table}]"),
    };
    writeln!(text, "\n{header}").expect("a string takes every write");
}

/// The table that a parameter stands in, and its key there.
fn split(parameter: &Parameter) -> (String, String) {
    let inside = |header: &&&str| parameter.key.strip_prefix(**header).is_some_and(|rest| rest.starts_with('.'));
    let header = match HEADERS.iter().find(inside) {
        Some(header) => (*header).to_owned(),
        None => {
            let segments = path::parse(&parameter.key).expect("the reader writes paths that parse");
            match &segments[..] {
                [Segment::Key(first), _, ..] => path::key(first),
                _ => String::new(),
            }
        }
    };
    let rest = parameter.key.strip_prefix(&header).unwrap_or(&parameter.key);
    let rest = rest.strip_prefix('.').unwrap_or(rest).to_owned();
    (header, rest)
}
