//! Output files: all of them whole, or none.

use super::{Done, Failure};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Writes the files of one folder. Each goes to a temporary neighbour first; only when all of them are on the disk do
/// they get their names, and `obsolete` ones of an earlier run are removed. On a failure the previous files stay as they
/// were.
pub fn write(folder: &Path, files: &[(&str, Vec<u8>)], obsolete: &[&str]) -> Done<()> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let temporary = |name: &str| folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let result = files
        .iter()
        .try_for_each(|(name, bytes)| write_one(&folder.join(name), &temporary(name), bytes))
        .and_then(|()| files.iter().try_for_each(|(name, _)| rename(&temporary(name), &folder.join(name))));
    if result.is_err() {
        for (name, _) in files {
            // Most of them never came to be.
            let _ = fs::remove_file(temporary(name));
        }
        return result;
    }
    for name in obsolete {
        // Usually there is none.
        let _ = fs::remove_file(folder.join(name));
    }
    Ok(())
}

fn write_one(target: &Path, temporary: &Path, bytes: &[u8]) -> Done<()> {
    // A rename onto a folder would fail after others have succeeded, and onto a device would take its place.
    if target.is_dir() {
        return Err(unwritable(target, &io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if target.exists() && !target.is_file() {
        return Err(unwritable(target, &io::Error::other("it is not a regular file")));
    }
    let write = || {
        let mut file = fs::File::create(temporary)?;
        io::Write::write_all(&mut file, bytes)?;
        // Who could read and write the file can still.
        if let Ok(metadata) = fs::metadata(target) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()
    };
    write().map_err(|error| unwritable(target, &error))
}

fn rename(temporary: &Path, target: &Path) -> Done<()> {
    fs::rename(temporary, target).map_err(|error| unwritable(target, &error))
}

pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::World(format!("cannot write {}: {error}", path.display()), String::new())
}

/// No output may take the place of a scenario that was given: what a person wrote would be lost.
pub fn spare_inputs(targets: impl IntoIterator<Item = PathBuf>, inputs: &[PathBuf]) -> Done<()> {
    let inputs: Vec<_> = inputs.iter().filter_map(|input| input.canonicalize().ok()).collect();
    let is_input = |target: &PathBuf| target.canonicalize().is_ok_and(|target| inputs.contains(&target));
    match targets.into_iter().find(is_input) {
        None => Ok(()),
        Some(target) => {
            let message = format!("the run would overwrite its own input {}", target.display());
            Err(Failure::Input(message, "say where its files go: --output".to_owned()))
        }
    }
}

/// As the user named it; what lies below the current folder by its way from there, as reports of CI systems want it.
pub fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = path.strip_prefix(&here).ok().filter(|_| path.is_absolute() && here.is_absolute());
    below.unwrap_or(path).display().to_string()
}

/// Whether two names mean one file, there or not yet.
pub fn are_same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        split(path).and_then(|(folder, name)| {
            let whole = folder.canonicalize().or_else(|_| std::path::absolute(&folder));
            Some((whole.ok()?, name))
        })
    };
    place(a).is_some_and(|a| place(b) == Some(a))
}

/// Whether a report could be written here: said before the first run, not after the last one.
pub fn check_target(path: &Path) -> Done<()> {
    let refuse = |message: &str| Err(Failure::Input(format!("{} {message}", path.display()), String::new()));
    match split(path) {
        None => refuse("is not the name of a file"),
        Some(_) if path.is_dir() => refuse("is a folder"),
        Some((folder, _)) if folder.exists() && !folder.is_dir() => refuse("lies in something that is no folder"),
        Some(_) => Ok(()),
    }
}

/// The same of several reports, none of which may take the place of another.
pub fn check_targets(targets: &[PathBuf]) -> Done<()> {
    for (place, target) in targets.iter().enumerate() {
        check_target(target)?;
        if targets[..place].iter().any(|other| are_same(other, target)) {
            let message = format!("two reports would go to {}", target.display());
            return Err(Failure::Input(message, "name a file for each".to_owned()));
        }
    }
    Ok(())
}

/// Writes one file piece by piece, for what is too large to be held.
pub fn stream(path: &Path, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Done<()> {
    let Some((folder, name)) = split(path) else {
        return Err(Failure::Input(format!("{} is not the name of a file", path.display()), String::new()));
    };
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = fs::create_dir_all(&folder).and_then(|()| {
        let mut out = io::BufWriter::new(fs::File::create(&temporary)?);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, folder.join(&name))
    });
    written.map_err(|error| {
        // Perhaps it never came to be.
        let _ = fs::remove_file(&temporary);
        unwritable(path, &error)
    })
}

/// The folder and the name of a file; a bare name lies in the current folder.
pub fn split(path: &Path) -> Option<(PathBuf, String)> {
    // A link stays one: what it points to is the file.
    let pointed_to = if path.is_symlink() { path.canonicalize().ok() } else { None };
    let path = pointed_to.as_deref().unwrap_or(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((folder.to_path_buf(), path.file_name()?.to_str()?.to_owned()))
}
