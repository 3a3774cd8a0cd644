//! `sim plot`: one picture of one or several runs.

use super::arguments::PlotArguments;
use super::console::Console;
use super::source::Choice;
use super::{Done, Failure, files, picture, source, sweep};
use crate::report::svg;
use crate::run::Run;
use crate::scenario::Loaded;
use crate::simulation;
use std::path::{Path, PathBuf};

pub fn plot(arguments: &PlotArguments, console: &mut Console) -> Done<()> {
    let is_changed = !arguments.overrides.set.is_empty() || arguments.overrides.seed.is_some();
    if let [path] = &arguments.paths[..]
        && path.is_dir()
        && is_changed
        && arguments.output.is_none()
    {
        let message = format!("{} holds the picture of the run as it was, without --set or --seed", path.display());
        return Err(Failure::Input(message, "say where this one goes: --output FILE".to_owned()));
    }
    if let [folder] = &arguments.paths[..]
        && sweep::is_folder(folder)
    {
        return sweep::plot(folder, arguments, console);
    }
    if let Some(folder) = arguments.paths.iter().find(|path| sweep::is_folder(path)) {
        let message = format!("{} holds a sweep, which is a picture of its own", folder.display());
        return Err(Failure::Input(message, "draw it alone: sim plot DIR".to_owned()));
    }
    if arguments.figure.is_some() || !arguments.cells.is_empty() {
        let message = "--figure and --cells are for the folder of a sweep".to_owned();
        return Err(Failure::Input(message, "leave them out, or give the folder: sim plot DIR".to_owned()));
    }
    let inputs: Vec<_> = arguments.paths.iter().map(|path| scenario_of(path)).collect();
    let choice = Choice { rollout: arguments.overrides.rollout.as_deref(), overrides: &arguments.overrides.set };
    let given = source::read(&inputs, choice, console)?;
    let inputs: Vec<_> = given.iter().flat_map(|given| given.inputs.clone()).collect();
    let scenarios: Vec<_> = given.into_iter().map(|given| given.loaded).collect();
    let target = arguments.output.clone().unwrap_or_else(|| default_target(&arguments.paths, &scenarios));
    let Some((folder, name)) = files::split(&target) else {
        let message = format!("{} is not the name of a file", target.display());
        return Err(Failure::Input(message, "write --output plot.svg".to_owned()));
    };
    files::spare_inputs([target.clone()], &inputs)?;
    let progress = console.progress(scenarios.len(), String::new());
    let mut pictures: Vec<(&Loaded, Run)> = Vec::new();
    for loaded in &scenarios {
        let seed = arguments.overrides.seed.unwrap_or(loaded.scenario.seed);
        pictures.push((loaded, simulation::run(&loaded.scenario, seed)));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let pairs: Vec<_> = pictures.iter().map(|(loaded, run)| (*loaded, run)).collect();
    files::write(&folder, &[(&name, picture::bytes(&target, svg::timeline(&pairs))?)], &[])?;
    if console.quiet { Ok(()) } else { console.print(&format!("{}\n", target.display())) }
}

/// The folder of a run stands for the scenario inside of it.
fn scenario_of(path: &Path) -> PathBuf {
    let resolved = path.join("scenario.toml");
    if resolved.is_file() { resolved } else { path.to_path_buf() }
}

fn default_target(paths: &[PathBuf], scenarios: &[Loaded]) -> PathBuf {
    match (paths, scenarios) {
        ([path], _) if path.is_dir() => path.join("timeline.svg"),
        ([_], [loaded]) => Path::new("output").join(format!("{}.svg", loaded.scenario.name)),
        _ => PathBuf::from("output/plot.svg"),
    }
}
