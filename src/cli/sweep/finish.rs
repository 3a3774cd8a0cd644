//! The end of a sweep: the picture, the table, and what CI systems read, all made of the folder's own files.

use super::super::arguments::SweepReports;
use super::super::console::Console;
use super::super::{Done, Exit, Failure, files};
use super::folder::CELLS;
use crate::report::sweep::ci::{Ci, escape_property};
use crate::report::sweep::definition::{Definition, Shard};
use crate::report::sweep::results::Results;
use crate::report::sweep::{self, picture, table, text};
use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

const PICTURE: &str = "sweep.svg";

/// The index of the figure that a user names.
pub fn figure(name: &str) -> Done<usize> {
    sweep::figure(name).ok_or_else(|| {
        let known = FIGURES.map(sweep::column).join(", ");
        Failure::Input(format!("a sweep keeps no figure `{name}`"), format!("it keeps {known}"))
    })
}

/// Figures that the folder's table has, of every cell.
pub fn read(
    folder: &Path,
    design: &Design,
    figures: Vec<usize>,
    mut each: impl FnMut(&Results, &table::Row),
) -> Done<Results> {
    let path = folder.join(CELLS);
    let broken = |message: String| Failure::World(format!("cannot read {}: {message}", path.display()), String::new());
    let file = File::open(&path).map_err(|error| broken(error.to_string()))?;
    let mut results = Results::new(figures);
    for row in table::rows(design, std::io::BufReader::new(file)) {
        let row = row.map_err(broken)?;
        each(&results, &row);
        results.push(design, &row);
    }
    Ok(results)
}

pub fn finish(
    folder: &Path,
    (definition, shard): (&Definition, Shard),
    design: &Design,
    figure: usize,
    reports: &SweepReports,
    console: &mut Console,
) -> Done<Exit> {
    let mut ci = Ci::new(&definition.name, design, reports.junit.is_some());
    let figures = picture::figures(design, Some(figure));
    let results = read(folder, design, figures, |results, row| ci.push(results, row))?;
    if shard == Shard::WHOLE {
        // Of a part there is none: it would show a grid with holes.
        let picture = picture::draw(definition, design, &results);
        files::write(folder, &[(PICTURE, picture.into_bytes())], &[])?;
    }
    if reports.parquet {
        parquet(folder, design)?;
    }
    if let Some(path) = &reports.junit {
        write_report(path, ci.junit())?;
    }
    if let Some(path) = &reports.markdown {
        write_report(path, ci.markdown(definition, &results).into_bytes())?;
    }
    if let Some(path) = &reports.gitlab {
        write_report(path, ci.gitlab())?;
    }
    if !console.quiet {
        console.print(&text::render(definition, design, &results))?;
        console.note(&format!("files: {}", folder.join("").display()));
    }
    github(&ci, definition, &results, console)?;
    Ok(match (results.invalid, results.unsafe_) {
        (1.., _) => Exit::Input,
        (0, 1..) if results.has_thresholds && !reports.exit_zero => Exit::Unmet,
        _ => Exit::Fine,
    })
}

#[cfg(feature = "parquet")]
fn parquet(folder: &Path, design: &Design) -> Done<()> {
    let broken = |error: String| Failure::World(format!("cannot write runs.parquet: {error}"), String::new());
    let csv = File::open(folder.join(super::folder::RUNS)).map_err(|error| broken(error.to_string()))?;
    let mut bytes = Vec::new();
    sweep::parquet::write(design, std::io::BufReader::new(csv), &mut bytes)
        .map_err(|error| broken(error.to_string()))?;
    files::write(folder, &[("runs.parquet", bytes)], &[])
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &Path, _: &Design) -> Done<()> {
    unreachable!("the arguments have been checked")
}

/// Asks for nothing that this build can't do, and for a table that is there.
pub fn check(reports: &SweepReports, has_runs: bool) -> Done<()> {
    if !reports.parquet {
        return Ok(());
    }
    let refuse = |message: &str, help: &str| Err(Failure::Input(message.to_owned(), help.to_owned()));
    match (cfg!(feature = "parquet"), has_runs) {
        (false, _) => {
            refuse("this build writes no Parquet", "build it with --features parquet, or leave --parquet out")
        }
        (true, false) => refuse("--parquet holds the rows of runs.csv", "add --runs"),
        (true, true) => Ok(()),
    }
}

fn write_report(path: &Path, bytes: Vec<u8>) -> Done<()> {
    let Some((folder, name)) = files::split(path) else {
        return Err(Failure::Input(format!("{} is not the name of a file", path.display()), String::new()));
    };
    files::write(&folder, &[(&name, bytes)], &[])
}

/// In a GitHub workflow: annotations, and the summary of the job.
fn github(ci: &Ci, definition: &Definition, results: &Results, console: &mut Console) -> Done<()> {
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        console.print(&ci.annotations())?;
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let appended = File::options().append(true).create(true).open(&path);
    let appended = appended.and_then(|mut file| file.write_all(ci.markdown(definition, results).as_bytes()));
    appended.map_err(|error| files::unwritable(&path, &error))
}

/// A sweep that `--fail-fast` ended.
pub fn stopped(
    folder: &Path,
    cell: u64,
    definition: &Definition,
    design: &Design,
    console: &mut Console,
) -> Done<Exit> {
    let label: Vec<_> = design.keys().map(table::short).zip(design.values(cell)).collect();
    let label: Vec<_> = label.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let message = format!("{}: cell {cell} ({}) does not meet its thresholds", definition.name, label.join(", "));
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        console.print(&format!("::error title=sweep::{}\n", escape_property(&message)))?;
    }
    console.note(&format!("{message}; its row is the last one in {}/{CELLS}.part", folder.display()));
    Ok(Exit::Unmet)
}
