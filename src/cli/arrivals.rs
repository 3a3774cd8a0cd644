//! The file of arrivals that a scenario names.

use super::console::Console;
use super::diagnostics::Input;
use super::files::from_here;
use super::{Done, Exit, Failure, source};
use crate::model::traffic::recording::Recording;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::document;
use crate::scenario::nearest;
use crate::scenario::recording::{self, MAX_BYTES, Mistake, Named};
use crate::scenario::sources::Sources;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub struct Read {
    pub recording: Arc<Recording>,
    pub path: PathBuf,
}

/// None if the scenario names no file. One that it names lies beside it; one that the command line names, where the command
/// line is.
pub fn read((scenario, text): (&Path, &str), overrides: &[String], console: &mut Console) -> Done<Option<Read>> {
    let named = document::parse(text).ok().and_then(|document| Named::read(&document, overrides));
    let Some(named) = named else { return Ok(None) };
    let folder = scenario.parent().filter(|_| !named.is_of_command_line).unwrap_or(Path::new(""));
    let path = folder.join(&named.file);
    if let Some((reason, help)) = no_file(&path) {
        let sources = Sources::scenario(&from_here(scenario), text);
        let message = format!("cannot read {}: {reason}", path.display());
        let (key, place) = ("traffic.arrivals.file".to_owned(), named.place);
        let problem = Problem { severity: Severity::Error, code: None, key, message, place, help };
        source::show(&[problem], Input { sources: &sources, overrides }, console);
        return Err(Failure::Reported(Exit::World));
    }
    let too_long = "64 MiB, about six million requests";
    let text = source::bounded_text(&path, (MAX_BYTES, too_long), "arrivals are a CSV in UTF-8")?;
    let read = recording::parse(&text).and_then(|recording| match named.unknown_classes(&text, &recording) {
        mistakes if mistakes.is_empty() => Ok(recording),
        mistakes => Err(mistakes),
    });
    match read {
        Ok(recording) => Ok(Some(Read { recording: Arc::new(recording), path })),
        Err(mistakes) => {
            let sources = Sources::scenario(&path.display().to_string(), &text);
            let problems: Vec<_> = mistakes.into_iter().map(problem).collect();
            source::show(&problems, Input { sources: &sources, overrides: &[] }, console);
            Err(Failure::Reported(Exit::Input))
        }
    }
}

/// Why there is nothing to read, and what may be meant.
fn no_file(path: &Path) -> Option<(&'static str, String)> {
    let (reason, folder) = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => ("it is a folder", path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ("there is no such file", path.parent().unwrap_or(Path::new("")))
        }
        Ok(_) | Err(_) => return None,
    };
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let files = fs::read_dir(here).into_iter().flatten().flatten().map(|entry| folder.join(entry.file_name()));
    let is_csv = |file: &PathBuf| file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let mut names: Vec<_> = files.filter(is_csv).map(|file| file.display().to_string()).collect();
    names.sort();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let help = match (nearest(&path.display().to_string(), &names), names.first()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, Some(first)) => format!("a CSV of arrivals, as {first}"),
        (None, None) => "it names a CSV of arrivals, by its way from the folder of the scenario".to_owned(),
    };
    Some((reason, help))
}

fn problem(mistake: Mistake) -> Problem {
    let Mistake { place, message, help } = mistake;
    Problem { severity: Severity::Error, code: None, key: String::new(), message, place: Some(place), help }
}
