//! The folder of a sweep: rows are added cell by cell, so that an interrupted sweep can go on where it was.

use super::super::{Done, Failure, files};
use crate::report::sweep::cells;
use crate::report::sweep::definition::{Definition, Shard};
use crate::sweep::design::Design;
use crate::sweep::play::Cell;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

pub const DEFINITION: &str = "sweep.json";
pub const CELLS: &str = "cells.csv";
pub const RUNS: &str = "runs.csv";
pub const PICTURE: &str = "sweep.svg";

/// Everything that a sweep writes into its folder.
pub const FILES: [&str; 7] = [DEFINITION, CELLS, RUNS, PICTURE, "cells.csv.part", "runs.csv.part", "runs.parquet"];

/// What a folder holds of a sweep.
#[derive(Debug)]
pub struct Found {
    pub definition: Definition,
    pub shard: Shard,
    /// Whether all of its cells are there.
    pub is_complete: bool,
}

/// None if it holds no sweep.
pub fn find(folder: &Path) -> Option<Found> {
    let (definition, shard) = Definition::from_json(&fs::read(folder.join(DEFINITION)).ok()?)?;
    Some(Found { definition, shard, is_complete: folder.join(CELLS).is_file() && !partial(folder, CELLS).exists() })
}

pub fn partial(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.part"))
}

/// Takes the rows of the cells in their order.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    cells: BufWriter<File>,
    runs: Option<BufWriter<File>>,
    /// How many of the shard's cells are on the disk.
    pub done: u64,
}

impl Writer {
    /// Begins, or goes on behind the last whole row of an interrupted sweep.
    pub fn open(folder: &Path, definition: &Definition, design: &Design, shard: Shard, resume: bool) -> Done<Self> {
        let definition_bytes = definition.to_json(design.cells(), shard);
        files::write(folder, &[(DEFINITION, definition_bytes)], &[])?;
        let open = |name: &str, header: &str| {
            let path = partial(folder, name);
            let file = File::options().read(true).write(true).create(true).truncate(!resume).open(&path);
            let file = file.and_then(|file| {
                if file.metadata()?.len() == 0 {
                    (&file).write_all(header.as_bytes())?;
                }
                Ok(file)
            });
            file.map_err(|error| files::unwritable(&path, &error))
        };
        let failed = |name: &'static str| move |error: io::Error| files::unwritable(&partial(folder, name), &error);
        // It got its name, and then something ended the program before cells.csv had its own.
        if resume && definition.runs && !partial(folder, RUNS).exists() && folder.join(RUNS).exists() {
            let renamed = fs::rename(folder.join(RUNS), partial(folder, RUNS));
            renamed.map_err(|error| files::unwritable(&partial(folder, RUNS), &error))?;
        }
        let mut cells_file = open(CELLS, &cells::header(design))?;
        if let Err(TryLockError::WouldBlock) = cells_file.try_lock() {
            let message = format!("another process is playing the sweep in {}", folder.display());
            return Err(Failure::Input(message, "wait for it, or name another folder: --output DIR".to_owned()));
        }
        let all = design.cells();
        let (done, end) = whole_rows(&cells_file, &cells::header(design), shard.cells(all)).map_err(failed(CELLS))?;
        cut(&mut cells_file, end).map_err(failed(CELLS))?;
        let runs = match definition.runs {
            false => None,
            true => {
                let mut file = open(RUNS, &cells::runs_header(design))?;
                let last = shard.cells(all).take(usize::try_from(done).unwrap_or(usize::MAX)).last();
                let (rows, end) = rows_up_to(&file, last).map_err(failed(RUNS))?;
                let expected = valid_cells(&cells_file).map_err(failed(CELLS))? * definition.seeds.len() as u64;
                if rows != expected {
                    let path = partial(folder, RUNS);
                    let message = format!("{} has {rows} rows where {expected} belong", path.display());
                    return Err(Failure::World(message, "remove the folder and play the sweep anew".to_owned()));
                }
                cut(&mut file, end).map_err(failed(RUNS))?;
                Some(BufWriter::new(file))
            }
        };
        Ok(Self { folder: folder.to_path_buf(), cells: BufWriter::new(cells_file), runs, done })
    }

    /// With the operating system when it returns: whatever ends the program then, this cell is done.
    pub fn add(&mut self, cell: &Cell) -> Done<()> {
        // The runs come first: a cell that has its row has its runs.
        if let Some(runs) = &mut self.runs {
            let written = runs.write_all(cells::run_rows(cell).as_bytes()).and_then(|()| runs.flush());
            written.map_err(|error| files::unwritable(&partial(&self.folder, RUNS), &error))?;
        }
        let written = self.cells.write_all(cells::row(cell).as_bytes()).and_then(|()| self.cells.flush());
        written.map_err(|error| files::unwritable(&partial(&self.folder, CELLS), &error))?;
        self.done += 1;
        Ok(())
    }

    /// Every cell is there: the files get their names.
    pub fn finish(self) -> Done<()> {
        let mut names = vec![(RUNS, self.runs), (CELLS, Some(self.cells))];
        names.retain(|(_, file)| file.is_some());
        for (name, file) in names {
            let path = self.folder.join(name);
            let file = file.expect("it was kept").into_inner().map_err(io::IntoInnerError::into_error);
            let written = file.and_then(|file| file.sync_all());
            let named = written.and_then(|()| fs::rename(partial(&self.folder, name), &path));
            named.map_err(|error| files::unwritable(&path, &error))?;
        }
        Ok(())
    }
}

/// How many rows belong to these cells, one after the other, and where they end. What follows was written in part only.
fn whole_rows(file: &File, header: &str, cells: impl Iterator<Item = u64>) -> io::Result<(u64, u64)> {
    let mut lines = Lines::new(file)?;
    match lines.next()? {
        Some((line, _)) if line == header => {}
        Some(_) | None => return Err(io::Error::other("it is not a table of this sweep")),
    }
    let (mut done, mut end) = (0, header.len() as u64);
    for cell in cells {
        match lines.next()? {
            Some((line, at)) if number(&line) == Some(cell) => (done, end) = (done + 1, at),
            Some(_) | None => break,
        }
    }
    Ok((done, end))
}

/// How many rows there are up to this cell, and where they end.
fn rows_up_to(file: &File, last: Option<u64>) -> io::Result<(u64, u64)> {
    let mut lines = Lines::new(file)?;
    let (mut rows, mut end) = (0, lines.next()?.map_or(0, |(_, at)| at));
    while let Some((line, at)) = lines.next()? {
        if number(&line) > last || number(&line).is_none() {
            break;
        }
        (rows, end) = (rows + 1, at);
    }
    Ok((rows, end))
}

/// How many cells have runs. The file has whole rows only, and stands at its end again afterwards.
fn valid_cells(mut file: &File) -> io::Result<u64> {
    let mut lines = Lines::new(file)?;
    let (mut valid, mut end) = (0, lines.next()?.map_or(0, |(_, at)| at));
    while let Some((line, at)) = lines.next()? {
        (valid, end) = (valid + u64::from(is_valid(&line)), at);
    }
    file.seek(io::SeekFrom::Start(end))?;
    Ok(valid)
}

/// Whether the cell of this row was played: one that could not run has no figures, so its last column is empty.
pub fn is_valid(row: &str) -> bool {
    !row.trim_end_matches(['\r', '\n']).ends_with(',')
}

fn number(row: &str) -> Option<u64> {
    row.split(',').next()?.parse().ok()
}

fn cut(file: &mut File, end: u64) -> io::Result<()> {
    file.set_len(end)?;
    file.seek(io::SeekFrom::Start(end)).map(|_| ())
}

/// Whole lines, with the place where each ends.
struct Lines<'a> {
    reader: BufReader<&'a File>,
    at: u64,
}

impl<'a> Lines<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        let mut reader = BufReader::new(file);
        reader.rewind()?;
        Ok(Self { reader, at: 0 })
    }

    fn next(&mut self) -> io::Result<Option<(String, u64)>> {
        // Whatever a broken disk left there, it is no line of ours.
        let mut line = Vec::new();
        self.at += self.reader.read_until(b'\n', &mut line)? as u64;
        let line = String::from_utf8(line).ok().filter(|line| line.ends_with('\n'));
        Ok(line.map(|line| (line, self.at)))
    }
}

/// A sweep must not lose the results of another one, nor of an interrupted one.
pub fn may_write(folder: &Path, definition: &Definition, shard: Shard, resume: bool) -> Done<()> {
    let shown = folder.display();
    let refuse = |message: String, help: &str| Err(Failure::Input(message, help.to_owned()));
    let other = "name another folder: --output DIR";
    let Some(found) = find(folder) else {
        // With --resume, too, the first start of a sweep is one: so a job can be started again by the same line.
        return match FILES.iter().find(|name| folder.join(name).exists()) {
            Some(name) => refuse(format!("{shown} holds a {name} that is not of this program"), other),
            None if folder.join("summary.json").exists() => refuse(format!("{shown} holds a run"), other),
            None => Ok(()),
        };
    };
    if found.definition.version != definition.version {
        return refuse(format!("{shown} holds a sweep of version {}", found.definition.version), other);
    }
    if found.definition != *definition || found.shard != shard {
        return refuse(format!("{shown} holds another sweep ({})", difference(&found, definition, shard)), other);
    }
    match found.is_complete || resume || !partial(folder, CELLS).exists() {
        true => Ok(()),
        false => refuse(format!("{shown} holds this sweep, interrupted"), "add --resume, or remove the folder"),
    }
}

fn difference(found: &Found, definition: &Definition, shard: Shard) -> &'static str {
    let (a, b) = (&found.definition, definition);
    match () {
        () if found.shard != shard => "another shard",
        () if a.axes != b.axes || a.sample != b.sample => "other axes",
        () if a.seeds != b.seeds => "other seeds",
        () if a.set != b.set => "other --set",
        () if a.runs != b.runs => "with --runs in one of the two",
        () => "another scenario",
    }
}
