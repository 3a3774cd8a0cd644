//! Scenario files from the disk.

use super::console::Console;
use super::diagnostics::{self, Input};
use super::{Done, Exit, Failure, conclude, gallery};
use crate::scenario::document::MAX_BYTES;
use crate::scenario::load::load;
use crate::scenario::sources::Sources;
use crate::scenario::{Loaded, diagnostic::Problem};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Reads and checks all of them: what is wrong with one does not hide the mistakes of the next.
pub fn scenarios(paths: &[PathBuf], overrides: &[String], console: &mut Console) -> Done<Vec<Loaded>> {
    let (mut worst, mut good) = (Exit::Fine, Vec::new());
    for path in paths {
        match scenario(path, overrides, console) {
            Ok(loaded) => good.push(loaded),
            Err(failure) => worst = worst.max(conclude(Err(failure), console)),
        }
    }
    if worst == Exit::Fine { Ok(good) } else { Err(Failure::Reported(worst)) }
}

/// Reads and checks one scenario; its problems are printed.
pub fn scenario(path: &Path, overrides: &[String], console: &mut Console) -> Done<Loaded> {
    check(path, &text(path)?, overrides, console)
}

/// Checks the text of a file; its problems are printed.
pub fn check(path: &Path, text: &str, overrides: &[String], console: &mut Console) -> Done<Loaded> {
    let sources = Sources::scenario(&path.display().to_string(), text);
    let input = Input { sources: &sources, overrides };
    let mut show = |problems: &[Problem]| {
        for problem in problems {
            console.note(&diagnostics::render(problem, input));
            console.note("");
        }
    };
    match load(text, &name(path), overrides) {
        Ok(loaded) => {
            show(&loaded.warnings);
            Ok(loaded)
        }
        Err(problems) => {
            show(&problems);
            Err(Failure::Reported(Exit::Input))
        }
    }
}

/// The file's name without its ending. The resolved scenario of a run goes by the name of its folder.
pub fn name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if stem != "scenario" {
        return stem;
    }
    let folder = path.canonicalize().ok().and_then(|path| Some(path.parent()?.file_name()?.to_owned()));
    folder.map_or(stem, |folder| folder.to_string_lossy().into_owned())
}

pub fn text(path: &Path) -> Done<String> {
    let shown = path.display();
    let input = |message: String, help: &str| Failure::Input(message, help.to_owned());
    if path == Path::new("-") || path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        let message = format!("{shown} is not read yet: this version reads .toml scenarios");
        return Err(input(message, "`sim init` writes one to start from; its fields have the manifests' names"));
    }
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(Failure::World(format!("cannot read {shown}: it is a folder"), inside(path)));
    }
    // Before it is opened: a named pipe without a writer would keep us waiting for ever.
    if !metadata.is_file() {
        let message = format!("cannot read {shown}: it is a pipe or a device, not a regular file");
        return Err(Failure::World(message, "write the scenario to a file first".to_owned()));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() > MAX_BYTES {
        let message = format!("{shown} is longer than 1 MiB: that is no scenario");
        return Err(input(message, "is this the right file?"));
    }
    let binary = |at: usize| input(format!("{shown} is not a text file (byte {at})"), "a scenario is TOML in UTF-8");
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(binary(at));
    }
    String::from_utf8(bytes).map_err(|error| binary(error.utf8_error().valid_up_to()))
}

/// What of a folder could have been meant.
fn inside(folder: &Path) -> String {
    let scenario = |path: &Path| path.join("scenario.toml");
    if scenario(folder).is_file() {
        return format!("to run it again: sim run {} --output DIR", scenario(folder).display());
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs: Vec<_> = entries.filter(|path| scenario(path).is_file()).collect();
    runs.sort();
    match runs.first() {
        Some(run) => format!("give the folder of one run, like {}", run.display()),
        None => "give the scenario file inside of it".to_owned(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let shown = path.display();
    if error.kind() != ErrorKind::NotFound {
        return Failure::World(format!("cannot read {shown}: {error}"), String::new());
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let help = match gallery::nearest(&stem) {
        Some(scenario) => format!("the gallery has `{scenario}`: sim init {scenario}"),
        None => "`sim init --list` shows the built-in scenarios".to_owned(),
    };
    Failure::World(format!("cannot read {shown}: there is no such file"), help)
}
