//! Manifests from the disk or from a pipe.

use super::files::from_here;
use super::{Done, Failure};
use crate::scenario::sources::Sources;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What a release is made of fits many times; an image or an archive does not.
const MAX_BYTES: u64 = 16 << 20;
/// Of all files together.
const MAX_TOTAL_BYTES: usize = 64 << 20;
/// A folder that has more is not one of manifests.
const MAX_FILES: usize = 20_000;

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
pub const ENDINGS_HELP: &str = "manifests end in .yaml, .yml or .json";

/// Whether a name on the command line means manifests, and not a scenario.
pub fn is_manifest(path: &Path) -> bool {
    let shown = path.to_string_lossy();
    let is_pattern = shown.contains(['*', '?']) && !shown.ends_with(".toml");
    is_piped(path) || has_ending(path) || is_pattern || path.is_dir() && !is_of_runs(path)
}

/// Whether it comes through a pipe: `-`, `/dev/stdin`, or `<(helm template …)`, which a shell calls `/dev/fd/63`. A pipe
/// with a name of its own may have nobody at the other end.
pub fn is_piped(path: &Path) -> bool {
    const FOLDERS: [&str; 2] = ["/dev/fd", "/proc/self/fd"];
    let is_open_file = path.parent().is_some_and(|parent| FOLDERS.iter().any(|folder| parent == Path::new(folder)));
    path == Path::new("-") || path == Path::new("/dev/stdin") || is_open_file
}

/// Whether a folder is that of a run, or one of runs, or bears the name of a scenario.
fn is_of_runs(folder: &Path) -> bool {
    let has_scenario = |folder: &Path| folder.join("scenario.toml").is_file();
    let mut inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    folder.extension().is_some_and(|ending| ending == "toml")
        || has_scenario(folder)
        || inside.any(|path| has_scenario(&path))
}

fn has_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Reads files, folders, patterns and `-`, in this order, into `sources`. Returns the files that were read.
pub fn read(paths: &[PathBuf], sources: &mut Sources) -> Done<Vec<PathBuf>> {
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    // A shell that writes out a pattern names folders, too.
    let mut empty = None;
    for path in paths {
        let shown = path.to_string_lossy();
        if path.is_dir() {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before {
                empty.get_or_insert(path);
            }
        } else if shown.contains(['*', '?']) && path.symlink_metadata().is_err() {
            files.extend(matching(&shown)?.into_iter().map(|path| (path, false)));
        } else {
            files.push((path.clone(), true));
        }
    }
    if let Some(folder) = empty.filter(|_| files.is_empty()) {
        return Err(Failure::Input(format!("{} holds no manifest", folder.display()), ENDINGS_HELP.to_owned()));
    }
    let mut read: Vec<PathBuf> = Vec::new();
    let mut bytes = 0;
    for (path, is_named) in files {
        // A file that two of them mean is one file.
        if read.contains(&path) {
            continue;
        }
        let text = text(&path)?;
        bytes += text.len();
        if bytes > MAX_TOTAL_BYTES {
            let message = format!("these manifests are larger than {} MiB together", MAX_TOTAL_BYTES >> 20);
            return Err(Failure::Input(message, "give those that belong to the release".to_owned()));
        }
        sources.add_manifests(&from_here(&path), &text, is_named);
        read.push(path);
    }
    Ok(read)
}

/// The manifests of a folder and of the folders in it, in the order of their names.
fn walk(folder: &Path, files: &mut Vec<(PathBuf, bool)>) -> Done<()> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A link to a folder above would never end.
        if path.is_dir() && !path.is_symlink() && !is_hidden {
            walk(&path, files)?;
        } else if path.is_file() && has_ending(&path) {
            files.push((path, false));
        }
        if files.len() > MAX_FILES {
            let message = format!("{} holds more than {MAX_FILES} manifests", folder.display());
            return Err(Failure::Input(message, "give those that belong to the release".to_owned()));
        }
    }
    Ok(())
}

fn matching(pattern: &str) -> Done<Vec<PathBuf>> {
    let refuse = |message: String| Failure::Input(message, "write, say, deploy/*.yaml".to_owned());
    let paths = glob::glob(pattern).map_err(|error| refuse(format!("{pattern} is no pattern: {error}")))?;
    let paths: Vec<_> = paths.filter_map(Result::ok).filter(|path| path.is_file() && has_ending(path)).collect();
    if paths.is_empty() { Err(refuse(format!("no file matches {pattern}"))) } else { Ok(paths) }
}

fn text(path: &Path) -> Done<String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        let input = std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        input.map_err(|error| unreadable(path, &error))?;
    } else if is_piped(path) {
        let pipe = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        pipe.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    } else {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        // Before it is opened: a named pipe without a writer would keep us waiting for ever.
        if !metadata.is_file() {
            let message = format!("cannot read {shown}: it is a pipe or a device, not a regular file");
            return Err(Failure::World(message, "give it through a pipe: … | sim run -".to_owned()));
        }
        let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("{shown} is larger than {} MiB: that is no manifest", MAX_BYTES >> 20);
        return Err(Failure::Input(message, "is this the right file?".to_owned()));
    }
    let binary = |at: usize| {
        Failure::Input(format!("{shown} is not a text file (byte {at})"), "a manifest is YAML in UTF-8".to_owned())
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(binary(at));
    }
    String::from_utf8(bytes).map_err(|error| binary(error.utf8_error().valid_up_to()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let shown = path.display();
    let is_absent = error.kind() == ErrorKind::NotFound;
    let reason = if is_absent { "there is no such file".to_owned() } else { error.to_string() };
    Failure::World(format!("cannot read {shown}: {reason}"), String::new())
}
