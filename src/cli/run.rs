//! `sim run`: one deployment of each scenario, or one for each of several seeds.

use super::arguments::{Format, RunArguments};
use super::console::Console;
use super::{Done, Exit, Failure, conclude, files, source};
use crate::report::{csv, replications, resolved, summary, svg, text};
use crate::run::Run;
use crate::scenario::Loaded;
use crate::scenario::threshold::Verdict;
use crate::simulation;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All files, one after the other; the worst end counts.
pub fn run(arguments: &RunArguments, console: &mut Console) -> Exit {
    let (mut worst, mut names) = (Exit::Fine, BTreeSet::new());
    for file in &arguments.files {
        let name = source::name(file);
        let done = if names.insert(name.clone()) {
            run_file(file, arguments, console)
        } else {
            let message = format!("{}: there is a scenario of the name `{name}` before it", file.display());
            Err(Failure::Input(message, "their files would go to the same folder: rename one".to_owned()))
        };
        let is_closed = matches!(done, Err(Failure::BrokenPipe));
        worst = worst.max(conclude(done, console));
        if is_closed {
            break;
        }
    }
    worst
}

fn run_file(file: &Path, arguments: &RunArguments, console: &mut Console) -> Done<Exit> {
    let loaded = source::scenario(file, &arguments.overrides.set, console)?;
    let folder = match &arguments.output {
        None => Path::new("output").join(&loaded.scenario.name),
        Some(folder) if arguments.files.len() == 1 => folder.clone(),
        Some(folder) => folder.join(&loaded.scenario.name),
    };
    match arguments.seeds {
        None => run_once(&loaded, &folder, arguments, console),
        Some(count) => run_seeds(&loaded, count.get(), &folder, arguments, console),
    }
}

fn run_once(loaded: &Loaded, folder: &Path, arguments: &RunArguments, console: &mut Console) -> Done<Exit> {
    let seed = arguments.overrides.seed.unwrap_or(loaded.scenario.seed);
    let run = simulation::run(&loaded.scenario, seed);
    let verdicts = judge(loaded, &run);
    let summary = summary::summary(loaded, &run, &verdicts);
    let mut outputs = vec![("summary.json", json(&summary))];
    outputs.extend(files_of_one_run(loaded, &run, seed)?);
    files::write(folder, &outputs, &["seeds.csv"])?;
    if console.verbose {
        print_events(&run, console);
    }
    if !console.quiet {
        let report = match arguments.format {
            Format::Text => text::render(loaded, &run, &verdicts, console.width()),
            Format::Json => String::from_utf8_lossy(&json(&summary)).into_owned(),
        };
        console.print(&report)?;
    }
    say_where(folder, console);
    Ok(if verdicts.iter().all(|verdict| verdict.met) { Exit::Fine } else { Exit::Unmet })
}

fn run_seeds(
    loaded: &Loaded,
    count: usize,
    folder: &Path,
    arguments: &RunArguments,
    console: &mut Console,
) -> Done<Exit> {
    let seeds = seeds(loaded, count)?;
    let progress = console.progress(seeds.len(), loaded.scenario.name.clone());
    let replicate = |(index, seed): (usize, &u64)| {
        let run = simulation::run(&loaded.scenario, *seed);
        let verdicts = judge(loaded, &run);
        let summary = summary::summary(loaded, &run, &verdicts);
        let met = verdicts.iter().all(|verdict| verdict.met);
        progress.inc(1);
        // One run is kept for the files that show a single one; the others would only fill the memory.
        (summary, met, (index == 0).then_some(run))
    };
    let threads = arguments.threads.map_or(0, std::num::NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failure::World(format!("cannot start threads: {error}"), String::new()))?;
    let mut replications: Vec<_> = pool.install(|| seeds.par_iter().enumerate().map(replicate).collect());
    progress.finish_and_clear();

    let first = replications[0].2.take().expect("the first run is kept");
    let all_met = replications.iter().all(|(_, met, _)| *met);
    let summaries: Vec<Value> = replications.into_iter().map(|(summary, _, _)| summary).collect();
    let aggregate = replications::aggregate(&summaries);
    let mut seeds_csv = Vec::new();
    replications::seeds_csv(&summaries, &mut seeds_csv).map_err(unwritten)?;
    let mut outputs = vec![("summary.json", json(&aggregate)), ("seeds.csv", seeds_csv)];
    outputs.extend(files_of_one_run(loaded, &first, seeds[0])?);
    files::write(folder, &outputs, &[])?;
    if !console.quiet {
        let report = match arguments.format {
            Format::Text => replications::table(&summaries),
            Format::Json => String::from_utf8_lossy(&json(&aggregate)).into_owned(),
        };
        console.print(&report)?;
    }
    say_where(folder, console);
    Ok(if all_met { Exit::Fine } else { Exit::Unmet })
}

/// 1, 2, 3, … unless the scenario names others.
fn seeds(loaded: &Loaded, count: usize) -> Done<Vec<u64>> {
    let Some(named) = &loaded.scenario.seeds else { return Ok((1..=count as u64).collect()) };
    if named.len() < count {
        let message = format!("--seeds {count}: the scenario names {} seeds", named.len());
        return Err(Failure::Input(message, "leave `seeds` out of the scenario to run with 1, 2, 3, …".to_owned()));
    }
    Ok(named[..count].to_vec())
}

fn judge(loaded: &Loaded, run: &Run) -> Vec<Verdict> {
    loaded.thresholds.iter().map(|threshold| threshold.judge(run)).collect()
}

fn files_of_one_run(loaded: &Loaded, run: &Run, seed: u64) -> Done<[(&'static str, Vec<u8>); 4]> {
    let (mut timeline, mut events) = (Vec::new(), Vec::new());
    let written = csv::timeline(run, &mut timeline).and_then(|()| csv::events(run, &mut events));
    written.map_err(unwritten)?;
    Ok([
        ("timeline.csv", timeline),
        ("events.csv", events),
        ("scenario.toml", resolved::scenario(loaded, seed).into_bytes()),
        ("timeline.svg", svg::timeline(&[(loaded, run)]).into_bytes()),
    ])
}

fn unwritten(error: ::csv::Error) -> Failure {
    Failure::World(format!("cannot write a CSV file: {error}"), String::new())
}

fn json(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("JSON can be written");
    bytes.push(b'\n');
    bytes
}

fn print_events(run: &Run, console: &mut Console) {
    for entry in &run.events {
        let seconds = entry.at.as_nanos() as f64 / 1e9 - run.release.as_nanos() as f64 / 1e9;
        let line = format!("{seconds:9.3} s  {} {} {} {}", entry.component, entry.event, entry.object, entry.detail);
        console.note(&line);
    }
}

fn say_where(folder: &Path, console: &mut Console) {
    if !console.quiet {
        let shown: PathBuf = folder.join("");
        console.note(&format!("files: {}", shown.display()));
    }
}
