//! `sim plot`: one picture of one or several runs.

use super::arguments::{Picture, PlotArguments};
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
    plot_runs(arguments, console)
}

fn plot_runs(arguments: &PlotArguments, console: &mut Console) -> Done<()> {
    let inputs: Vec<_> = arguments.paths.iter().map(|path| scenario_of(path)).collect();
    let choice = Choice { rollout: arguments.overrides.rollout.as_deref(), overrides: &arguments.overrides.set };
    let given = source::read(&inputs, choice, console)?;
    let inputs: Vec<_> = given.iter().flat_map(|given| given.inputs.clone()).collect();
    let scenarios: Vec<_> = given.into_iter().map(|given| given.loaded).collect();
    can_be_drawn(arguments.picture, &scenarios)?;
    let target = arguments.output.clone().unwrap_or_else(|| default_target(arguments, &scenarios));
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
    let svg = match arguments.picture {
        Picture::Timeline => svg::timeline(&pairs),
        Picture::Classes => svg::classes(&pairs),
        Picture::Mosaic => svg::mosaic(&pairs).expect("there are users"),
        Picture::Lanes => svg::lanes(&pairs),
    };
    files::write(&folder, &[(&name, picture::bytes(&target, svg)?)], &[])?;
    if console.quiet { Ok(()) } else { console.print(&format!("{}\n", target.display())) }
}

/// The folder of a run stands for the scenario inside of it.
fn scenario_of(path: &Path) -> PathBuf {
    let resolved = path.join("scenario.toml");
    if resolved.is_file() { resolved } else { path.to_path_buf() }
}

/// Before anything is played.
fn can_be_drawn(picture: Picture, scenarios: &[Loaded]) -> Done<()> {
    for scenario in scenarios.iter().map(|loaded| &loaded.scenario) {
        let classes = &scenario.traffic.classes;
        let (lacks, help) = match picture {
            Picture::Classes | Picture::Mosaic if classes.is_empty() => {
                ("classes of traffic", "name = \"employees\" and share = 0.1")
            }
            Picture::Mosaic if classes.iter().all(|class| class.users.is_none()) => ("users", "users = 1000"),
            Picture::Timeline | Picture::Classes | Picture::Mosaic | Picture::Lanes => continue,
        };
        let message = format!("{} has no {lacks} to draw", scenario.name);
        return Err(Failure::Input(message, format!("write [[traffic.classes]] with {help}")));
    }
    Ok(())
}

fn default_target(arguments: &PlotArguments, scenarios: &[Loaded]) -> PathBuf {
    let (name, ending) = match arguments.picture {
        Picture::Timeline => ("timeline", ""),
        Picture::Classes => ("classes", "-classes"),
        Picture::Mosaic => ("mosaic", "-mosaic"),
        Picture::Lanes => ("lanes", "-lanes"),
    };
    match (&arguments.paths[..], scenarios) {
        ([path], _) if path.is_dir() => path.join(format!("{name}.svg")),
        ([_], [loaded]) => Path::new("output").join(format!("{}{ending}.svg", loaded.scenario.name)),
        _ => PathBuf::from(format!("output/plot{ending}.svg")),
    }
}
