//! From the command line and the scenario file to the definition of a sweep.

use super::super::arguments::SweepArguments;
use super::super::console::Console;
use super::super::diagnostics::{Input, render};
use super::super::{Done, Exit, Failure, source};
use crate::report::sweep::definition::{Definition, Sample};
use crate::scenario::Loaded;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::sweep::axis::Axis;
use crate::sweep::design::{Design, Sampling};
use crate::sweep::plan::{Plan, SCENARIO, Source};
use std::path::Path;

/// Sweeps with more cells want a second thought: at ten milliseconds a run, a million take hours.
const MANY_CELLS: u64 = 1_000_000;

pub fn define(arguments: &SweepArguments, console: &mut Console) -> Done<Definition> {
    let text = source::text(&arguments.file)?;
    let loaded = source::check(&arguments.file, &text, &arguments.set, console)?;
    let axes = axes(arguments, &text, &loaded, console)?;
    if axes.is_empty() {
        let help = "write --vary KEY=VALUES, or a table [sweep] with vary = [\"KEY=VALUES\"]".to_owned();
        return Err(Failure::Input("there is nothing to vary".to_owned(), help));
    }
    let keys: Vec<_> = axes.iter().flat_map(Axis::keys).collect();
    if let Some(index) = (1..keys.len()).find(|index| keys[..*index].contains(&keys[*index])) {
        let message = format!("`{}` is on two axes", keys[index]);
        return Err(Failure::Input(message, "join axes that move together by `;`".to_owned()));
    }
    if let Some(key) = keys.iter().find(|key| is_set(key, &arguments.set)) {
        let message = format!("`{key}` is set and varied: every cell would have the value of its axis");
        return Err(Failure::Input(message, "leave out --set or --vary".to_owned()));
    }
    let name = source::name(&arguments.file);
    let sources = match axes.iter().find(|axis| axis.keys().any(|key| key == SCENARIO)) {
        None => vec![Source { path: String::new(), name: name.clone(), text }],
        Some(axis) => files_of(axis, &arguments.set, console)?,
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
        seeds: seeds(arguments.seeds.or(section.seeds), loaded.scenario.seeds.as_deref())?,
        sources,
        runs: arguments.runs,
    })
}

fn is_set(key: &str, set: &[String]) -> bool {
    set.iter().any(|set| set.split('=').next().is_some_and(|other| other.trim() == key))
}

fn axes(arguments: &SweepArguments, text: &str, loaded: &Loaded, console: &mut Console) -> Done<Vec<Axis>> {
    let mut axes = Vec::new();
    let mut is_right = true;
    let shown = arguments.file.display().to_string();
    let input = Input { path: &shown, text, overrides: &[] };
    for vary in &loaded.sweep.vary {
        match Axis::parse(&vary.axis) {
            Ok(axis) => axes.push(axis),
            Err((message, help)) => {
                let (key, place) = ("sweep.vary".to_owned(), vary.place.clone());
                console.note(&render(&Problem { severity: Severity::Error, key, message, place, help }, input));
                is_right = false;
            }
        }
    }
    let of_the_file = axes.len();
    for text in &arguments.vary {
        match Axis::parse(text) {
            Ok(axis) => {
                // An axis of the command line takes the place of the file's.
                let shares_a_key = |other: &Axis| other.keys().any(|key| axis.keys().any(|own| own == key));
                match axes[..of_the_file].iter().position(shares_a_key) {
                    Some(place) => axes[place] = axis,
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
fn files_of(axis: &Axis, set: &[String], console: &mut Console) -> Done<Vec<Source>> {
    let place = axis.keys().position(|key| key == SCENARIO).expect("it is that axis");
    let Some(count) = axis.count() else {
        return Err(Failure::Input("`scenario` takes files, not a range".to_owned(), String::new()));
    };
    let mut sources = Vec::new();
    for index in 0..count {
        let written = axis.values(index).nth(place).expect("a value for each key");
        let path = written.trim_matches(['"', '\'']);
        let text = source::text(Path::new(path))?;
        source::check(Path::new(path), &text, set, console)?;
        sources.push(Source { path: written.clone(), name: source::name(Path::new(path)), text });
    }
    Ok(sources)
}

fn seeds(count: Option<u32>, named: Option<&[u64]>) -> Done<Vec<u64>> {
    match (count, named) {
        (None, None) => Ok(vec![1]),
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
    let input = Input { path: &shown, text: &source.text, overrides: &overrides };
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
