//! `sim run`: one deployment of each scenario, or one for each of several seeds.

use super::arguments::{Format, RunArguments};
use super::console::Console;
use super::source::{Choice, Given};
use super::{Done, Exit, Failure, conclude, files, source};
use crate::report::classes::csv as classes;
use crate::report::rollback::side_by_side;
use crate::report::{csv, replications, resolved, summary, svg, text};
use crate::run::Run;
use crate::scenario::Loaded;
use crate::scenario::document;
use crate::scenario::recording;
use crate::scenario::threshold::{Threshold, Verdict};
use crate::simulation;
use rayon::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What one file asks for, checked.
struct Job {
    loaded: Loaded,
    folder: PathBuf,
    /// None: one run, with `seed`.
    seeds: Option<Vec<u64>>,
}

/// All files, one after the other, and then beside each other; the worst end counts. Nothing runs unless all of them are
/// right.
pub fn run(arguments: &RunArguments, console: &mut Console) -> Exit {
    let choice = Choice { rollout: arguments.overrides.rollout.as_deref(), overrides: &arguments.overrides.set };
    let given = match source::read(&arguments.files, choice, console) {
        Ok(given) => given,
        Err(failure) => return conclude(Err(failure), console),
    };
    let mut worst = Exit::Fine;
    let mut jobs: Vec<Job> = Vec::new();
    let is_one = given.len() == 1;
    for given in given {
        match prepare(given, is_one, &jobs, arguments) {
            Ok(job) => jobs.push(job),
            Err(failure) => worst = worst.max(conclude(Err(failure), console)),
        }
    }
    if worst != Exit::Fine {
        return worst;
    }
    let (mut runs, mut spreads) = (vec![], vec![]);
    for job in &jobs {
        let done = match &job.seeds {
            None => run_once(job, arguments, console).map(|(exit, run)| {
                runs.push((&job.loaded, run));
                exit
            }),
            Some(seeds) => run_seeds(job, seeds, arguments, console).map(|(exit, spread)| {
                spreads.push(spread);
                exit
            }),
        };
        let is_closed = matches!(done, Err(Failure::BrokenPipe));
        worst = worst.max(conclude(done, console));
        if is_closed {
            return worst;
        }
    }
    if runs.len() > 1 && !console.quiet && arguments.format == Format::Text {
        let runs: Vec<_> = runs.iter().map(|(loaded, run)| (*loaded, run)).collect();
        let done = console.print(&side_by_side::render(&runs)).map(|()| Exit::Fine);
        worst = worst.max(conclude(done, console));
    }
    if spreads.len() > 1 && !console.quiet && arguments.format == Format::Text {
        let spreads: Vec<_> = spreads.iter().collect();
        let done = console.print(&side_by_side::medians(&spreads)).map(|()| Exit::Fine);
        worst = worst.max(conclude(done, console));
    }
    worst
}

fn prepare(given: Given, is_one: bool, before: &[Job], arguments: &RunArguments) -> Done<Job> {
    let Given { loaded, inputs, .. } = given;
    let name = &loaded.scenario.name;
    let file = inputs.last().map_or_else(String::new, |path| path.display().to_string());
    if ["", ".", ".."].contains(&name.as_str()) {
        let message = format!("{file}: a scenario's name is the name of its file, and this one has none");
        return Err(Failure::Input(message, "rename the file".to_owned()));
    }
    if before.iter().any(|job| job.loaded.scenario.name == *name) {
        let message = format!("{file}: there is a scenario of the name `{name}` before it");
        return Err(Failure::Input(message, "their files would go to the same folder: rename one".to_owned()));
    }
    let folder = match &arguments.output {
        None => Path::new("output").join(name),
        Some(folder) if is_one => folder.clone(),
        Some(folder) => folder.join(name),
    };
    let is_possible = |name: &&str| *name != recording::FILE || loaded.scenario.traffic.recording().is_some();
    files::spare_inputs(FILES.into_iter().filter(is_possible).map(|name| folder.join(name)), &inputs)?;
    spare_foreign_files(&folder, &written(&loaded, arguments.seeds.is_some()))?;
    let seeds = arguments.seeds.map(|count| seeds(&loaded, count as usize)).transpose()?;
    Ok(Job { loaded, folder, seeds })
}

/// Nor may it take the place of a file that merely has the name of one of a run's. A picture may be there alone.
fn spare_foreign_files(folder: &Path, written: &[&'static str]) -> Done<()> {
    let before = earlier(folder);
    let is_foreign = |name: &&str| !before.contains(name) && !name.ends_with(".svg");
    let names = written.iter().copied().filter(is_foreign);
    match names.map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(path) => {
            let message = format!("{} is not from a run of this program: it stays as it is", path.display());
            Err(Failure::Input(message, "move it away, or name another folder: --output DIR".to_owned()))
        }
    }
}

/// Everything that a run may write.
const FILES: [&str; 12] = [
    "summary.json",
    "seeds.csv",
    "timeline.csv",
    "events.csv",
    "scenario.toml",
    "timeline.svg",
    "classes.csv",
    "classes.svg",
    "users.csv",
    "mosaic.svg",
    "lanes.svg",
    recording::FILE,
];

/// What it writes of this scenario.
fn written(loaded: &Loaded, writes_seeds: bool) -> Vec<&'static str> {
    let classes = &loaded.scenario.traffic.classes;
    let has_users = classes.iter().any(|class| class.users.is_some());
    kept(Kind {
        has_seeds: writes_seeds,
        has_classes: !classes.is_empty(),
        has_users,
        has_gitops: loaded.scenario.gitops.is_some(),
        has_arrivals: loaded.scenario.traffic.recording().is_some(),
    })
}

/// What decides which files there are.
#[derive(Clone, Copy, Debug)]
struct Kind {
    has_seeds: bool,
    has_classes: bool,
    has_users: bool,
    /// Argo CD syncs the release.
    has_gitops: bool,
    /// It replays a file.
    has_arrivals: bool,
}

fn kept(kind: Kind) -> Vec<&'static str> {
    let is_kept = |name: &&str| match *name {
        "seeds.csv" => kind.has_seeds,
        "classes.csv" | "classes.svg" => kind.has_classes,
        "users.csv" | "mosaic.svg" => kind.has_users,
        "lanes.svg" => kind.has_gitops,
        recording::FILE => kind.has_arrivals,
        _ => true,
    };
    FILES.into_iter().filter(is_kept).collect()
}

fn run_once(job: &Job, arguments: &RunArguments, console: &mut Console) -> Done<(Exit, Run)> {
    let Job { loaded, folder, .. } = job;
    let seed = arguments.overrides.seed.unwrap_or(loaded.scenario.seed);
    let run = simulation::run(&loaded.scenario, seed);
    let verdicts = judge(loaded, &run);
    let summary = summary::summary(loaded, &run, &verdicts);
    let mut outputs = vec![("summary.json", json(&summary))];
    outputs.extend(files_of_one_run(loaded, &run, seed)?);
    write(folder, &outputs)?;
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
    Ok((if verdicts.iter().all(|verdict| verdict.met) { Exit::Fine } else { Exit::Unmet }, run))
}

fn run_seeds(job: &Job, seeds: &[u64], arguments: &RunArguments, console: &mut Console) -> Done<(Exit, Value)> {
    let Job { loaded, folder, .. } = job;
    let progress = console.progress(seeds.len(), loaded.scenario.name.clone());
    let replicate = |(index, seed): (usize, &u64)| {
        let run = simulation::run(&loaded.scenario, *seed);
        let verdicts = judge(loaded, &run);
        let mut summary = summary::summary(loaded, &run, &verdicts);
        if index > 0
            && let Some(keys) = summary.as_object_mut()
        {
            // The same for all seeds, and most of the text.
            keys.remove("assumptions");
        }
        let observed: Vec<f64> = verdicts.iter().map(|verdict| verdict.observed).collect();
        progress.inc(1);
        // One run is kept for the files that show a single one; the others would only fill the memory.
        (summary, observed, (index == 0).then_some(run))
    };
    // 0: as many as there are cores.
    let threads = arguments.threads.unwrap_or(0) as usize;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failure::World(format!("cannot start threads: {error}"), String::new()))?;
    let mut replications: Vec<_> = pool.install(|| seeds.par_iter().enumerate().map(replicate).collect());
    progress.finish_and_clear();

    let first = replications[0].2.take().expect("the first run is kept");
    let over_seeds = |(index, threshold): (usize, &Threshold)| {
        let observed: Vec<f64> = replications.iter().map(|(_, observed, _)| observed[index]).collect();
        threshold.verdict(&observed)
    };
    let verdicts: Vec<Verdict> = loaded.thresholds.iter().enumerate().map(over_seeds).collect();
    let summaries: Vec<Value> = replications.into_iter().map(|(summary, _, _)| summary).collect();
    let aggregate = replications::aggregate(&summaries, &verdicts);
    let mut seeds_csv = Vec::new();
    replications::seeds_csv(&summaries, &mut seeds_csv).map_err(unwritten)?;
    let mut outputs = vec![("summary.json", json(&aggregate)), ("seeds.csv", seeds_csv)];
    outputs.extend(files_of_one_run(loaded, &first, seeds[0])?);
    write(folder, &outputs)?;
    if console.verbose {
        print_events(&first, console);
    }
    if !console.quiet {
        let report = match arguments.format {
            Format::Text => replications::table(&summaries, &verdicts),
            Format::Json => String::from_utf8_lossy(&json(&aggregate)).into_owned(),
        };
        console.print(&report)?;
    }
    say_where(folder, console);
    Ok((if verdicts.iter().all(|verdict| verdict.met) { Exit::Fine } else { Exit::Unmet }, aggregate))
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

/// What an earlier run left in a folder, as its summary tells.
fn earlier(folder: &Path) -> Vec<&'static str> {
    let path = folder.join("summary.json");
    let summary = path.is_file().then(|| std::fs::read(path).ok()).flatten();
    let summary = summary.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(summary) = summary.filter(|summary| summary["schema"] == summary::SCHEMA) else { return vec![] };
    let classes = summary["classes"].as_array().map_or(&[][..], Vec::as_slice);
    let has_users = classes.iter().any(|class| class["users"].is_object());
    kept(Kind {
        has_seeds: summary["seeds"].is_array(),
        has_classes: !classes.is_empty(),
        has_users,
        has_gitops: summary["gitops"] == true,
        has_arrivals: has_arrivals(folder),
    })
}

/// Whether the scenario of an earlier run names the arrivals beside it.
fn has_arrivals(folder: &Path) -> bool {
    let before = std::fs::read_to_string(folder.join("scenario.toml")).ok();
    let document = before.and_then(|text| document::parse(&text).ok());
    let named = document.and_then(|document| recording::Named::read(&document, &[]));
    named.is_some_and(|named| named.file == recording::FILE)
}

/// What an earlier run left and this one does not write would not fit to its files.
fn write(folder: &Path, outputs: &[(&'static str, Vec<u8>)]) -> Done<()> {
    let is_obsolete = |name: &&'static str| outputs.iter().all(|(written, _)| written != name);
    let obsolete: Vec<_> = earlier(folder).into_iter().filter(is_obsolete).collect();
    files::write(folder, outputs, &obsolete)
}

fn judge(loaded: &Loaded, run: &Run) -> Vec<Verdict> {
    loaded.thresholds.iter().map(|threshold| threshold.judge(run)).collect()
}

fn files_of_one_run(loaded: &Loaded, run: &Run, seed: u64) -> Done<Vec<(&'static str, Vec<u8>)>> {
    let (mut timeline, mut events) = (Vec::new(), Vec::new());
    let written = csv::timeline(run, &mut timeline).and_then(|()| csv::events(run, &mut events));
    written.map_err(unwritten)?;
    let mut files = vec![
        ("timeline.csv", timeline),
        ("events.csv", events),
        ("scenario.toml", resolved::scenario(loaded, seed).into_bytes()),
        ("timeline.svg", svg::timeline(&[(loaded, run)]).into_bytes()),
    ];
    if let Some(recording) = loaded.scenario.traffic.recording() {
        files.push((recording::FILE, csv::arrivals(recording).into_bytes()));
    }
    if !loaded.scenario.traffic.classes.is_empty() {
        let mut rows = Vec::new();
        classes::classes(loaded, run, &mut rows).map_err(unwritten)?;
        files.extend([("classes.csv", rows), ("classes.svg", svg::classes(&[(loaded, run)]).into_bytes())]);
    }
    if let Some(mosaic) = svg::mosaic(&[(loaded, run)]) {
        let mut rows = Vec::new();
        classes::users(loaded, run, &mut rows).map_err(unwritten)?;
        files.extend([("users.csv", rows), ("mosaic.svg", mosaic.into_bytes())]);
    }
    if loaded.scenario.gitops.is_some() {
        files.push(("lanes.svg", svg::lanes(&[(loaded, run)]).into_bytes()));
    }
    Ok(files)
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
