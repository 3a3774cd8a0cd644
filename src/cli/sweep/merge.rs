//! `sim merge`: the shards of a sweep become the folder that one process would have written, byte for byte.

use super::super::arguments::MergeArguments;
use super::super::console::Console;
use super::super::{Done, Exit, Failure, files};
use super::finish::{self, Ending};
use super::folder::{self, CELLS, DEFINITION, FILES, Found, RUNS};
use crate::report::sweep::cells;
use crate::report::sweep::definition::Shard;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

pub fn merge(arguments: &MergeArguments, console: &mut Console) -> Done<Exit> {
    let found = shards(&arguments.shards)?;
    let (_, Found { definition, .. }) = &found[0];
    let plan = definition.plan().map_err(|message| Failure::Input(message, String::new()))?;
    let target = arguments.output.clone().unwrap_or_else(|| Path::new("output").join(&definition.name));
    let inputs: Vec<_> = found.iter().flat_map(|(folder, _)| FILES.map(|name| folder.join(name))).collect();
    finish::check(&arguments.reports, definition.runs, &target, &inputs)?;
    folder::may_write(&target, definition, Shard::WHOLE, false)?;

    let all = plan.design.cells();
    let sources: Vec<_> = found.iter().map(|(folder, _)| folder.as_path()).collect();
    let header = cells::header(&plan.design);
    let mut valid = Vec::new();
    files::stream(&target.join(CELLS), |out| {
        out.write_all(header.as_bytes())?;
        join(&sources, CELLS, &header, all, |_, rows| {
            valid.push(rows.iter().all(|row| folder::is_valid(row)));
            write_all(out, rows, 1)
        })
    })?;
    if definition.runs {
        let seeds = definition.seeds.len();
        let header = cells::runs_header(&plan.design);
        let joined = files::stream(&target.join(RUNS), |out| {
            out.write_all(header.as_bytes())?;
            join(&sources, RUNS, &header, all, |cell, rows| {
                let is_valid = usize::try_from(cell).ok().and_then(|cell| valid.get(cell)) == Some(&true);
                write_all(out, rows, if is_valid { seeds } else { 0 })
            })
        });
        if joined.is_err() {
            // Half a sweep is none.
            let _ = fs::remove_file(target.join(CELLS));
        }
        joined?;
    }
    files::write(&target, &[(DEFINITION, definition.to_json(all, Shard::WHOLE))], &[])?;
    let scenario = definition.file_name();
    let ending = Ending { folder: &target, definition, design: &plan.design, shard: Shard::WHOLE, scenario: &scenario };
    finish::finish(&ending, &arguments.reports, console)
}

/// Every shard of one sweep once, in their order.
fn shards(folders: &[PathBuf]) -> Done<Vec<(PathBuf, Found)>> {
    let refuse = |message: String, help: &str| Err(Failure::Input(message, help.to_owned()));
    let mut found: Vec<(PathBuf, Found)> = Vec::new();
    for folder in folders {
        let Some(shard) = folder::find(folder) else {
            return refuse(format!("{} holds no sweep", folder.display()), "give the folders of the shards");
        };
        if !shard.is_complete {
            return refuse(
                format!("{} is not complete", folder.display()),
                "finish it: the same command with --resume",
            );
        }
        if let Some((other, first)) = found.first() {
            if first.definition != shard.definition {
                return refuse(format!("{} and {} are of different sweeps", other.display(), folder.display()), "");
            }
            if first.shard.count != shard.shard.count {
                let message = format!(
                    "{} is one of {} shards, {} one of {}",
                    other.display(),
                    first.shard.count,
                    folder.display(),
                    shard.shard.count,
                );
                return refuse(message, "");
            }
        }
        if let Some((other, _)) = found.iter().find(|(_, other)| other.shard == shard.shard) {
            let Shard { index, count } = shard.shard;
            return refuse(format!("{} and {} are both shard {index}/{count}", other.display(), folder.display()), "");
        }
        found.push((folder.clone(), shard));
    }
    found.sort_by_key(|(_, found)| found.shard);
    let count = found[0].1.shard.count;
    let missing: Vec<_> =
        (0..count).filter(|index| !found.iter().any(|(_, found)| found.shard.index == *index)).collect();
    match missing[..] {
        [] => Ok(found),
        [index] => refuse(format!("shard {index}/{count} is missing"), "give the folders of all shards"),
        [index, ..] => refuse(
            format!("{} of {count} shards are missing, {index}/{count} the first of them", missing.len()),
            "give the folders of all shards",
        ),
    }
}

/// Hands out the rows of each cell, taken from its shard.
fn join(
    shards: &[&Path],
    name: &str,
    header: &str,
    all: u64,
    mut each: impl FnMut(u64, &[String]) -> io::Result<()>,
) -> io::Result<()> {
    let told =
        |shard: usize, error: &io::Error| io::Error::other(format!("{}: {error}", shards[shard].join(name).display()));
    let mut rows = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        rows.push(Rows::open(&shard.join(name), header).map_err(|error| told(number, &error))?);
    }
    let count = shards.len() as u64;
    for cell in 0..all {
        let shard = usize::try_from(cell % count).expect("shards are few");
        let taken = rows[shard].take(cell).and_then(|taken| each(cell, &taken));
        taken.map_err(|error| told(shard, &error))?;
    }
    match rows.iter().position(|rows| !rows.next.is_empty()) {
        None => Ok(()),
        Some(shard) => Err(told(shard, &io::Error::other("it has rows that belong to no cell of this shard"))),
    }
}

fn write_all(out: &mut dyn Write, rows: &[String], expected: usize) -> io::Result<()> {
    if rows.len() != expected {
        let cell =
            rows.first().and_then(|row| row.split(',').next()).map_or(String::new(), |cell| format!(" of cell {cell}"));
        return Err(io::Error::other(format!(
            "{} rows{cell} where {expected} belong: play this shard again",
            rows.len()
        )));
    }
    rows.iter().try_for_each(|row| out.write_all(row.as_bytes()))
}

/// The rows of one file, in the order of their cells.
struct Rows {
    reader: BufReader<File>,
    /// The next row; empty at the end.
    next: String,
}

impl Rows {
    fn open(path: &Path, header: &str) -> io::Result<Self> {
        let mut rows = Self { reader: BufReader::new(File::open(path)?), next: String::new() };
        rows.advance()?;
        if rows.next != header {
            return Err(io::Error::other("it is not a table of this sweep"));
        }
        rows.advance()?;
        Ok(rows)
    }

    fn advance(&mut self) -> io::Result<()> {
        self.next.clear();
        self.reader.read_line(&mut self.next).map(|_| ())
    }

    /// The rows of this cell.
    fn take(&mut self, cell: u64) -> io::Result<Vec<String>> {
        let mut taken = Vec::new();
        while self.next.split(',').next().and_then(|number| number.parse().ok()) == Some(cell) {
            taken.push(self.next.clone());
            self.advance()?;
        }
        Ok(taken)
    }
}
