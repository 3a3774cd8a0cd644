//! The end of a sweep: the picture, the table, and what CI systems read, all made of the folder's own files.

use super::super::arguments::{Format, SweepReports};
use super::super::console::Console;
use super::super::{Done, Exit, Failure, files};
use super::folder::{self, CELLS};
use crate::report::sweep::ci::Ci;
use crate::report::sweep::definition::{Definition, Shard};
use crate::report::sweep::results::{Results, reason};
use crate::report::sweep::{self, json, junit, names, picture, table, text};
use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The index of the figure that a user names.
pub fn figure(name: &str) -> Done<usize> {
    sweep::figure(name).ok_or_else(|| {
        let known = FIGURES.map(sweep::column).join(", ");
        Failure::Input(format!("a sweep keeps no figure `{name}`"), format!("it keeps {known}"))
    })
}

/// Figures that the folder's table has, of every cell.
pub fn read(table: &Table<'_>, figures: Vec<usize>, mut each: impl FnMut(&Results, &table::Row)) -> Done<Results> {
    let mut results = Results::new(figures, names::of_keys(table.design));
    for row in table.rows()? {
        let row = row.map_err(|message| table.broken(&message))?;
        each(&results, &row);
        results.push(&row);
    }
    let (found, all) = (results.cells.len() as u64, table.shard.len(table.design.cells()));
    if table.is_whole && found != all {
        return Err(table.broken(&format!("it has {found} of {all} cells")));
    }
    Ok(results)
}

/// The cells of a folder on the disk.
pub struct Table<'a> {
    pub path: PathBuf,
    pub design: &'a Design,
    pub shard: Shard,
    /// Whether all cells must be there.
    pub is_whole: bool,
}

impl<'a> Table<'a> {
    pub fn of(folder: &Path, design: &'a Design, shard: Shard) -> Self {
        Self { path: folder.join(CELLS), design, shard, is_whole: true }
    }

    fn rows(&self) -> Done<impl Iterator<Item = Result<table::Row, String>>> {
        let file = File::open(&self.path).map_err(|error| self.broken(&error.to_string()))?;
        Ok(table::rows(self.design, self.shard.cells(self.design.cells()), std::io::BufReader::new(file)))
    }

    fn broken(&self, message: &str) -> Failure {
        Failure::World(format!("cannot read {}: {message}", self.path.display()), "play the sweep again".to_owned())
    }
}

/// What a sweep ends with.
pub struct Ending<'a> {
    pub folder: &'a Path,
    pub definition: &'a Definition,
    pub design: &'a Design,
    pub shard: Shard,
    /// The scenario's file, as the user named it.
    pub scenario: &'a str,
}

pub fn finish(ending: &Ending<'_>, reports: &SweepReports, console: &mut Console) -> Done<Exit> {
    let Ending { folder, definition, design, shard, scenario } = *ending;
    let table = Table::of(folder, design, shard);
    let mut ci = Ci::new(&definition.name, scenario);
    let figures = picture::figures(design, Some(figure(&reports.figure)?));
    let results = read(&table, figures, |results, row| ci.push(design, results, row))?;
    if shard == Shard::WHOLE {
        // Of a part there is none: it would show a grid with holes.
        let picture = picture::draw(definition, design, &results);
        files::write(folder, &[(folder::PICTURE, picture.into_bytes())], &[])?;
    }
    if reports.parquet {
        parquet(folder, design)?;
    }
    if !console.quiet {
        console.print(&match reports.shared.format {
            Format::Text => text::render(definition, design, &results),
            Format::Json => json::render(definition, &results),
        })?;
        console.note(&format!("files: {}", folder.join("").display()));
    }
    tell(ending, &table, (&ci, &results), reports, console)
}

/// What CI systems read, and the exit code.
fn tell(
    ending: &Ending<'_>,
    table: &Table<'_>,
    (ci, results): (&Ci<'_>, &Results),
    reports: &SweepReports,
    console: &mut Console,
) -> Done<Exit> {
    let definition = ending.definition;
    if let Some(path) = &reports.shared.junit {
        let rows = table.rows()?;
        files::stream(path, |out| junit::write(out, &definition.name, &results.names, results, rows))?;
    }
    if let Some(path) = &reports.shared.markdown {
        write_report(path, ci.markdown(definition, results).into_bytes())?;
    }
    if let Some(path) = &reports.shared.gitlab {
        write_report(path, ci.gitlab())?;
    }
    github(ci, definition, results, console)?;
    Ok(match (results.invalid, results.failed) {
        (1.., _) => Exit::Input,
        (0, 1..) if !reports.shared.exit_zero => Exit::Unmet,
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

/// Asks for nothing that this build can't do, and for a table that is there; no report takes the place of an input or of a
/// result.
pub fn check(reports: &SweepReports, has_runs: bool, folder: &Path, inputs: &[PathBuf]) -> Done<()> {
    figure(&reports.figure)?;
    let targets: Vec<_> = reports.shared.targets().cloned().collect();
    files::check_targets(&targets)?;
    let own: Vec<_> = folder::FILES.map(|name| folder.join(name)).to_vec();
    if let Some(target) = targets.iter().find(|target| own.iter().any(|own| files::are_same(own, target))) {
        let message = format!("{} is a file of the sweep itself", target.display());
        return Err(Failure::Input(message, "name another one".to_owned()));
    }
    files::spare_inputs(targets, inputs)?;
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) {
        let opened = File::options().append(true).create(true).open(&path);
        opened.map_err(|error| files::unwritable(&path, &error))?;
    }
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

/// Whether the last cell of an interrupted sweep is one that `--fail-fast` stops at.
pub fn last_fails(ending: &Ending<'_>) -> Done<bool> {
    let path = folder::partial(ending.folder, CELLS);
    let table = Table { path, design: ending.design, shard: ending.shard, is_whole: false };
    let rows: Result<Vec<_>, _> = table.rows()?.map(|row| row.map(|row| row.met)).collect();
    let met = rows.map_err(|message| table.broken(&message))?;
    Ok(met.last() == Some(&Some(false)))
}

/// A sweep that `--fail-fast` ended: the cells so far are told, and kept.
pub fn stopped(ending: &Ending<'_>, reports: &SweepReports, console: &mut Console) -> Done<Exit> {
    let Ending { folder, definition, design, shard, scenario } = *ending;
    let table = Table { path: folder::partial(folder, CELLS), design, shard, is_whole: false };
    let mut ci = Ci::new(&definition.name, scenario);
    let mut last = None;
    let figures = picture::figures(design, Some(figure(&reports.figure)?));
    let results = read(&table, figures, |results, row| {
        ci.push(design, results, row);
        last = Some((row.cell, row.label(&results.names), reason(row)));
    })?;
    if let Some((cell, label, reason)) = last {
        console
            .note(&format!("stopped at cell {cell} ({label}): {reason}; the cells so far are in {}", folder.display()));
    }
    tell(ending, &table, (&ci, &results), reports, console)
}
