//! The file of arrivals that a scenario names.

use super::console::Console;
use super::diagnostics::Input;
use super::{Done, Exit, Failure, source};
use crate::model::traffic::recording::Recording;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::document;
use crate::scenario::recording::{self, MAX_BYTES, Mistake};
use crate::scenario::sources::Sources;
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
    let named = document::parse(text).ok().and_then(|document| recording::file_of(&document, overrides));
    let Some((file, is_of_command_line)) = named else { return Ok(None) };
    let folder = scenario.parent().filter(|_| !is_of_command_line).unwrap_or(Path::new(""));
    let path = folder.join(file);
    let too_long = "64 MiB, about six million requests";
    let text = source::bounded_text(&path, (MAX_BYTES, too_long), "arrivals are a CSV in UTF-8")?;
    match recording::parse(&text) {
        Ok(recording) => Ok(Some(Read { recording: Arc::new(recording), path })),
        Err(mistakes) => {
            let sources = Sources::scenario(&path.display().to_string(), &text);
            let problems: Vec<_> = mistakes.into_iter().map(problem).collect();
            source::show(&problems, Input { sources: &sources, overrides: &[] }, console);
            Err(Failure::Reported(Exit::Input))
        }
    }
}

fn problem(mistake: Mistake) -> Problem {
    let Mistake { place, message, help } = mistake;
    Problem { severity: Severity::Error, code: None, key: String::new(), message, place: Some(place), help }
}
