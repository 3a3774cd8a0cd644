//! `scenario.toml` of a run: the scenario as it was run, every default and override written out with its source.
//! Running it gives the same run.

use crate::scenario::manifests::ignored::Reason;
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
    const HEAD: &str = "# The scenario as it was run: every value with its source. Running it gives the same run.\n";
    let own_seed = seed == loaded.scenario.seed;
    let source = |parameter: &Parameter| match parameter.origin {
        Origin::CommandLine => "from the command line".to_owned(),
        Origin::Scenario | Origin::Default if parameter.key == "seed" && !own_seed => {
            "from the command line".to_owned()
        }
        Origin::Manifest => "from a manifest".to_owned(),
        Origin::Scenario => "from the scenario".to_owned(),
        Origin::Default => format!("default: {}", parameter.note),
    };
    write(HEAD, &loaded.parameters.iter().collect::<Vec<_>>(), seed, source)
}

/// What manifests amount to, and the first of what they cannot say: a scenario to go on with.
pub fn of_manifests(loaded: &Loaded) -> String {
    const HEAD: &str = "# What the manifests amount to. What they cannot say has defaults; the most important of them stand here, to be\n\
                        # measured and set. `sim run` of this file and of the manifests make the same run.\n";
    let is_kept =
        |parameter: &&Parameter| parameter.origin != Origin::Default || ASKED_FOR.contains(&parameter.key.as_str());
    let source = |parameter: &Parameter| match parameter.origin {
        Origin::Manifest | Origin::Scenario | Origin::CommandLine => String::new(),
        Origin::Default => parameter.note.to_owned(),
    };
    let mut text =
        write(HEAD, &loaded.parameters.iter().filter(is_kept).collect::<Vec<_>>(), loaded.scenario.seed, source);
    let mut told: Vec<&str> = Vec::new();
    for ignored in loaded.ignored.iter().filter(|ignored| ignored.reason != Reason::WithoutEffect) {
        if told.is_empty() {
            text.push_str("\n# In the manifests, and without a part in the simulation:\n");
        }
        if !told.contains(&ignored.key.as_str()) {
            let consequence = ignored.consequence().map_or(String::new(), |consequence| format!(": {consequence}"));
            writeln!(text, "# {}{consequence}", ignored.key).expect("a string takes every write");
            told.push(&ignored.key);
        }
    }
    text
}

/// What decides most, and stands in no manifest.
const ASKED_FOR: [&str; 8] = [
    "traffic.rate",
    "traffic.service_time",
    "application.startup_time",
    "application.on_sigterm",
    "load_balancer_controller.rule_lag",
    "load_balancer_controller.target_lag",
    "load_balancer.deregistration",
    "load_balancer.empty_target_group",
];

fn write(head: &str, parameters: &[&Parameter], seed: u64, source: impl Fn(&Parameter) -> String) -> String {
    let mut text = String::from(head);
    let (mut header, mut in_steps) = (String::new(), false);
    // What belongs to no table stands before all of them.
    let (of_the_file, of_tables): (Vec<&Parameter>, Vec<&Parameter>) =
        parameters.iter().partition(|parameter| split(parameter).0.is_empty());
    for parameter in of_the_file.into_iter().chain(of_tables) {
        let value = if parameter.key == "seed" { seed.to_string() } else { parameter.value.clone() };
        let source = source(parameter);
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
    let comment = if source.is_empty() { String::new() } else { format!("  # {source}") };
    writeln!(text, "{assignment}{comment}").expect("a string takes every write");
}

fn write_header(text: &mut String, table: &str) {
    let header = match table.strip_suffix(']').and_then(|table| table.rsplit_once('[')) {
        Some((array, _)) => format!("[[{array}]]"),
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
                // Each class is a table of its own.
                [Segment::Key(first), Segment::Key(second), Segment::Index(index), _, ..] if second == "classes" => {
                    format!("{first}.{second}[{index}]")
                }
                [Segment::Key(first), _, ..] => path::key(first),
                _ => String::new(),
            }
        }
    };
    let rest = parameter.key.strip_prefix(&header).unwrap_or(&parameter.key);
    let rest = rest.strip_prefix('.').unwrap_or(rest).to_owned();
    (header, rest)
}
