//! `sim merge`: the shards of a sweep become the folder that one process would have written, byte for byte.

use super::super::arguments::MergeArguments;
use super::super::console::Console;
use super::super::{Done, Exit, Failure, files};
use super::finish;
use super::folder::{self, CELLS, DEFINITION, Found, RUNS};
use crate::report::sweep::cells;
use crate::report::sweep::definition::Shard;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

pub fn merge(arguments: &MergeArguments, console: &mut Console) -> Done<Exit> {
    let figure = finish::figure(&arguments.reports.figure)?;
    let found = shards(&arguments.shards)?;
    let (_, Found { definition, .. }) = &found[0];
    finish::check(&arguments.reports, definition.runs)?;
    let plan = definition.plan().map_err(|message| Failure::Input(message, String::new()))?;
    let target = arguments.output.clone().unwrap_or_else(|| Path::new("output").join(&definition.name));
    folder::may_write(&target, definition, Shard::WHOLE, false)?;

    let all = plan.design.cells();
    let definition_json = definition.to_json(all, Shard::WHOLE);
    files::write(&target, &[(DEFINITION, definition_json)], &[])?;
    let sources: Vec<_> = found.iter().map(|(folder, _)| folder.as_path()).collect();
    if definition.runs {
        join(&sources, RUNS, &cells::runs_header(&plan.design), all, &target)?;
    }
    join(&sources, CELLS, &cells::header(&plan.design), all, &target)?;
    finish::finish(&target, (definition, Shard::WHOLE), &plan.design, figure, &arguments.reports, console)
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

/// Takes the rows of each cell from its shard.
fn join(shards: &[&Path], name: &str, header: &str, all: u64, target: &Path) -> Done<()> {
    let target = target.join(name);
    let temporary = target.with_extension("csv.tmp");
    let mut rows = Vec::new();
    for shard in shards {
        let path = shard.join(name);
        rows.push(Rows::open(&path, header).map_err(|error| unreadable(&path, &error))?);
    }
    let unwritable = |error: io::Error| files::unwritable(&target, &error);
    let mut out = BufWriter::new(File::create(&temporary).map_err(unwritable)?);
    out.write_all(header.as_bytes()).map_err(unwritable)?;
    let count = shards.len() as u64;
    for cell in 0..all {
        let shard = usize::try_from(cell % count).expect("shards are few");
        let taken = rows[shard].copy(cell, &mut out).map_err(|error| unreadable(&shards[shard].join(name), &error))?;
        if taken == 0 && name == CELLS {
            let message = format!("{} has no row for cell {cell}", shards[shard].join(name).display());
            return Err(Failure::Input(message, "play this shard again".to_owned()));
        }
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).map_err(unwritable)?;
    file.sync_all().and_then(|()| fs::rename(&temporary, &target)).map_err(unwritable)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::World(format!("cannot read {}: {error}", path.display()), String::new())
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

    /// Copies the rows of this cell and returns how many there were.
    fn copy(&mut self, cell: u64, out: &mut impl Write) -> io::Result<u64> {
        let mut copied = 0;
        while self.next.split(',').next().and_then(|number| number.parse().ok()) == Some(cell) {
            out.write_all(self.next.as_bytes())?;
            self.advance()?;
            copied += 1;
        }
        Ok(copied)
    }
}
