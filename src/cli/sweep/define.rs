//! From the command line and the scenario file to the definition of a sweep.

use super::super::arguments::SweepArguments;
use super::super::console::Console;
use super::super::diagnostics::{Input, render};
use super::super::files::from_here;
use super::super::source::Flattened;
use super::super::{Done, Exit, Failure, source};
use crate::report::sweep::definition::{Definition, Sample};
use crate::scenario::Loaded;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::path;
use crate::scenario::sources::Sources;
use crate::sweep::axis::Axis;
use crate::sweep::design::{Design, Sampling};
use crate::sweep::plan::{Plan, SCENARIO, Source};
use std::path::{Path, PathBuf};

/// Sweeps with more cells want a second thought: at ten milliseconds a run, a million take hours.
const MANY_CELLS: u64 = 1_000_000;

pub fn define(arguments: &SweepArguments, console: &mut Console) -> Done<Definition> {
    let flattened = source::flattened(&arguments.file, &arguments.set, console)?;
    let loaded = source::check(&arguments.file, &flattened, &arguments.set, console)?;
    let Flattened { text, recording } = flattened;
    let axes = axes(arguments, &text, &loaded, console)?;
    if axes.is_empty() {
        let help = "write --vary KEY=VALUES, or a table [sweep] with vary = [\"KEY=VALUES\"]".to_owned();
        return Err(Failure::Input("there is nothing to vary".to_owned(), help));
    }
    let keys: Vec<_> = axes.iter().flat_map(Axis::keys).collect();
    if let Some((one, other)) = overlapping(&keys) {
        let message = match one == other {
            true => format!("`{one}` is on two axes"),
            false => format!("`{one}` and `{other}` are axes, and one is a part of the other"),
        };
        return Err(Failure::Input(message, "join axes that move together by `;`".to_owned()));
    }
    let set: Vec<_> =
        arguments.set.iter().filter_map(|set| Some(path::written(&path::parse_assignment(set).ok()?.0))).collect();
    if let Some(key) = keys.iter().find(|key| set.iter().any(|set| set == *key)) {
        let message = format!("`{key}` is set and varied: every cell would have the value of its axis");
        return Err(Failure::Input(message, "leave out --set or --vary".to_owned()));
    }
    if arguments.fail_fast && loaded.thresholds.is_empty() {
        let message = "--fail-fast waits for a threshold that is missed, and the scenario has none".to_owned();
        return Err(Failure::Input(message, "add [thresholds] with \"elb_5xx.count\" = \"== 0\"".to_owned()));
    }
    let name = source::name(&arguments.file);
    let sources = match axes.iter().find(|axis| axis.keys().any(|key| key == SCENARIO)) {
        None => vec![Source { path: String::new(), name: name.clone(), text, recording }],
        Some(axis) => {
            let is_of_the_file = loaded.sweep.vary.iter().any(|vary| vary.axis == axis.to_string());
            let own = arguments.file.parent().filter(|_| is_of_the_file).unwrap_or(Path::new(""));
            files_of(axis, own, &arguments.set, console)?
        }
    };
    let section = &loaded.sweep;
    let written = |axis: &Axis| axis.to_string();
    Ok(Definition {
        title: loaded.scenario.title.clone(),
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        axes: axes.iter().map(written).collect(),
        sample: sample(arguments, &loaded)?,
        set: arguments.set.clone(),
        seeds: match arguments.seed {
            Some(seed) => vec![seed],
            None => {
                let named = loaded.scenario.seeds.as_deref();
                seeds(arguments.seeds.or(section.seeds), named, loaded.scenario.seed)?
            }
        },
        sources,
        runs: arguments.runs,
    })
}

/// Two keys of which one lies in the other.
fn overlapping<'a>(keys: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let contains = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let pairs = keys.iter().enumerate().flat_map(|(place, key)| keys[..place].iter().map(move |other| (*other, *key)));
    pairs.into_iter().find(|(one, other)| contains(one, other) || contains(other, one))
}

/// The scenario files, which no output may overwrite.
pub fn inputs(arguments: &SweepArguments, definition: &Definition) -> Vec<PathBuf> {
    let others = definition.sources.iter().map(|source| PathBuf::from(source.path.trim_matches(['"', '\''])));
    std::iter::once(arguments.file.clone()).chain(others.filter(|path| !path.as_os_str().is_empty())).collect()
}

fn axes(arguments: &SweepArguments, text: &str, loaded: &Loaded, console: &mut Console) -> Done<Vec<Axis>> {
    let mut axes = Vec::new();
    let mut is_right = true;
    let sources = Sources::scenario(&from_here(&arguments.file), text);
    let input = Input { sources: &sources, overrides: &[] };
    for vary in &loaded.sweep.vary {
        match Axis::parse(&vary.axis) {
            Ok(axis) => axes.push(axis),
            Err((message, help)) => {
                let (key, place) = ("sweep.vary".to_owned(), vary.place.clone());
                let problem = Problem { severity: Severity::Error, code: None, key, message, place, help };
                console.note(&render(&problem, input));
                is_right = false;
            }
        }
    }
    let of_the_file = axes.len();
    let mut replaced = Vec::new();
    for text in &arguments.vary {
        match Axis::parse(text) {
            Ok(axis) => {
                // An axis of the command line takes the place of the file's with the same keys. Others that share a key
                // are refused, as every key has one axis.
                let mut keys: Vec<_> = axis.keys().collect();
                keys.sort_unstable();
                let has_the_keys = |(place, other): (usize, &Axis)| {
                    let mut others: Vec<_> = other.keys().collect();
                    others.sort_unstable();
                    place < of_the_file && others == keys && !replaced.contains(&place)
                };
                match axes.iter().enumerate().position(has_the_keys) {
                    Some(place) => {
                        replaced.push(place);
                        axes[place] = axis;
                    }
                    None => axes.push(axis),
                }
            }
            Err((message, help)) => {
                console.complain(&format!("--vary {message}"), &help);
                is_right = false;
            }
        }
    }
    if is_right { Ok(axes) } else { Err(Failure::Reported(Exit::Input)) }
}

/// The scenarios of an axis `scenario`, each checked.
fn files_of(axis: &Axis, folder: &Path, set: &[String], console: &mut Console) -> Done<Vec<Source>> {
    let place = axis.keys().position(|key| key == SCENARIO).expect("it is that axis");
    let Some(count) = axis.count() else {
        return Err(Failure::Input("`scenario` takes files, not a range".to_owned(), String::new()));
    };
    let mut sources = Vec::new();
    for index in 0..count {
        let written = axis.values(index).nth(place).expect("a value for each key");
        let named = written.trim_matches(['"', '\'']);
        // As seen from the file that names it, if one does.
        let path = folder.join(named);
        let flattened = source::flattened(&path, set, console)?;
        source::check(&path, &flattened, set, console)?;
        let Flattened { text, recording } = flattened;
        sources.push(Source { path: written.clone(), name: source::name(&path), text, recording });
    }
    Ok(sources)
}

fn seeds(count: Option<u32>, named: Option<&[u64]>, seed: u64) -> Done<Vec<u64>> {
    match (count, named) {
        (None, None) => Ok(vec![seed]),
        (None, Some(named)) => Ok(named.to_vec()),
        (Some(count), None) => Ok((1..=u64::from(count)).collect()),
        (Some(count), Some(named)) if named.len() < count as usize => {
            let message = format!("{count} seeds: the scenario names {}", named.len());
            Err(Failure::Input(message, "leave `seeds` out of the scenario to run with 1, 2, 3, …".to_owned()))
        }
        (Some(count), Some(named)) => Ok(named[..count as usize].to_vec()),
    }
}

fn sample(arguments: &SweepArguments, loaded: &Loaded) -> Done<Option<Sample>> {
    if arguments.sampling.is_some() && arguments.sample.or(loaded.sweep.sample).is_none() {
        return Err(Failure::Input(
            "--sampling says how cells are drawn, and none are".to_owned(),
            "add --sample N".to_owned(),
        ));
    }
    let name = arguments.sampling.as_deref().or(loaded.sweep.sampling.as_deref());
    let sampling = match name {
        None => Sampling::LatinHypercube,
        Some(name) => Sampling::ALL.into_iter().find(|sampling| sampling.name() == name).ok_or_else(|| {
            let known = Sampling::ALL.map(Sampling::name).join(" or ");
            Failure::Input(format!("there is no sampling `{name}`"), format!("write {known}"))
        })?,
    };
    let cells = arguments.sample.or(loaded.sweep.sample);
    Ok(cells.map(|cells| Sample { cells: cells.into(), sampling, seed: loaded.scenario.seed }))
}

/// What is wrong with every cell is wrong with the sweep: a key that does not exist, too many cells.
pub fn check(arguments: &SweepArguments, plan: &Plan, console: &mut Console) -> Done<()> {
    let cells = plan.design.cells();
    if cells > MANY_CELLS && !arguments.yes {
        let runs = u128::from(cells) * plan.seeds.len() as u128;
        let cells = if cells == u64::MAX { "more cells than can be counted".into() } else { format!("{cells} cells") };
        let message = format!("{cells}, {runs} runs");
        return Err(Failure::Input(message, "take fewer values or --sample N, or say --yes".to_owned()));
    }
    let (source, overrides) = plan.cell(0);
    let problems = plan.try_load(0).err().unwrap_or_default();
    let shown = match source.path.is_empty() {
        true => arguments.file.display().to_string(),
        false => source.path.clone(),
    };
    let sources = Sources::scenario(&shown, &source.text);
    let input = Input { sources: &sources, overrides: &overrides };
    let of_all_cells: Vec<_> = problems.iter().filter(|problem| is_of_all_cells(problem, &plan.design)).collect();
    for problem in &of_all_cells {
        console.note(&render(problem, input).replace("--> --set ", "--> --vary "));
        console.note("");
    }
    if of_all_cells.is_empty() { Ok(()) } else { Err(Failure::Reported(Exit::Input)) }
}

/// A key that is unknown, or that leads nowhere, is so whatever its value.
fn is_of_all_cells(problem: &Problem, design: &Design) -> bool {
    let is_axis = |key: &str| design.keys().any(|axis| axis == key || axis.starts_with(key) || key.starts_with(axis));
    let key = problem.key.strip_prefix("--set ").unwrap_or(&problem.key);
    let is_lost = problem.key.starts_with("--set ") || problem.message.starts_with("unknown ");
    problem.severity == Severity::Error && is_lost && is_axis(key.split('=').next().unwrap_or(key).trim())
}
