//! `sim plot` on the folder of a sweep.

use super::super::arguments::{Picture, PlotArguments};
use super::super::console::Console;
use super::super::{Done, Failure, files, picture};
use super::finish::{self, Table};
use super::folder;
use crate::report::svg;
use crate::report::sweep::definition::Shard;
use crate::report::sweep::{self, names};
use crate::simulation;
use crate::sweep::plan::Plan;
use crate::sweep::play::FIGURES;
use std::path::Path;

pub fn is_folder(path: &Path) -> bool {
    path.is_dir() && folder::find(path).is_some()
}

pub fn plot(path: &Path, arguments: &PlotArguments, console: &mut Console) -> Done<()> {
    let found = folder::find(path).expect("the caller found a sweep");
    if !arguments.overrides.set.is_empty() || arguments.overrides.seed.is_some() {
        return refuse("a sweep is drawn as it was played, without --set and --seed", "leave them out");
    }
    if arguments.picture != Picture::Timeline {
        return refuse(
            "--picture is for scenarios and the folders of runs",
            "draw the scenario of the sweep: sim plot FILE",
        );
    }
    let definition = found.definition;
    let plan = definition.plan().map_err(|message| Failure::Input(message, String::new()))?;
    if arguments.figure.is_some() && !arguments.cells.is_empty() {
        return refuse("--cells draws timelines, --figure a map", "leave one of them out");
    }
    let (name, svg) = if !arguments.cells.is_empty() {
        ("timelines.svg".to_owned(), timelines(&plan, &arguments.cells)?)
    } else if found.shard != Shard::WHOLE {
        return refuse(&format!("{} is a shard", path.display()), "join the shards: sim merge DIR…");
    } else if found.is_complete {
        let chosen = arguments.figure.as_deref().map(finish::figure).transpose()?;
        let figures = sweep::picture::figures(&plan.design, chosen);
        // The folder's own picture stays what the sweep made it.
        let name = match &arguments.figure {
            None => folder::PICTURE.to_owned(),
            Some(_) => format!("sweep-{}.svg", sweep::column(FIGURES[figures[0]])),
        };
        let results = finish::read(&Table::of(path, &plan.design, Shard::WHOLE), figures, |_, _| ())?;
        (name, sweep::picture::draw(&definition, &plan.design, &results))
    } else {
        return refuse(&format!("{} is not complete", path.display()), "finish it: the same command with --resume");
    };
    let target = arguments.output.clone().unwrap_or_else(|| path.join(&name));
    let Some((folder, name)) = files::split(&target) else {
        return refuse(&format!("{} is not the name of a file", target.display()), "write --output plot.svg");
    };
    let tables = [folder::DEFINITION, folder::CELLS, folder::RUNS].map(|name| path.join(name));
    files::spare_inputs([target.clone()], &tables)?;
    files::write(&folder, &[(&name, picture::bytes(&target, svg)?)], &[])?;
    if console.quiet { Ok(()) } else { console.print(&format!("{}\n", target.display())) }
}

fn refuse<T>(message: &str, help: &str) -> Done<T> {
    Err(Failure::Input(message.to_owned(), help.to_owned()))
}

/// These cells, played again with the first seed.
fn timelines(plan: &Plan, cells: &[u64]) -> Done<String> {
    let mut runs = Vec::new();
    for cell in cells {
        if *cell >= plan.design.cells() {
            let message = format!("there is no cell {cell}: they count from 0 to {}", plan.design.cells() - 1);
            return refuse(&message, "see the first column of cells.csv");
        }
        let loaded = plan.load(*cell);
        let mut loaded = loaded.map_err(|message| Failure::Input(format!("cell {cell}: {message}"), String::new()))?;
        let label = names::label(&names::of_keys(&plan.design), &plan.design.values(*cell));
        loaded.scenario.title = format!("Cell {cell}: {label}");
        let run = simulation::run(&loaded.scenario, plan.seeds[0]);
        runs.push((loaded, run));
    }
    Ok(svg::timeline(&runs.iter().map(|(loaded, run)| (loaded, run)).collect::<Vec<_>>()))
}
