//! `sim init`: a scenario to start from.

use super::arguments::InitArguments;
use super::console::Console;
use super::source::{self, Choice};
use super::{Done, Failure, files, gallery};
use crate::model::traffic::recording::Recording;
use crate::report::{csv, resolved};
use crate::scenario::Loaded;
use crate::scenario::recording::FILE;
use std::path::{Path, PathBuf};

pub fn init(arguments: &InitArguments, console: &mut Console) -> Done<()> {
    if arguments.list {
        let width = gallery::SCENARIOS.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, text): &(&str, &str)| format!("{name:width$}  {}\n", gallery::title(text));
        return console.print(&gallery::SCENARIOS.iter().map(line).collect::<String>());
    }
    if !arguments.from.is_empty() {
        return from_manifests(arguments, console);
    }
    let wanted = arguments.name.as_deref().unwrap_or(gallery::DEFAULT);
    let wanted = wanted.strip_suffix(".toml").unwrap_or(wanted);
    let Some((name, text)) = gallery::find(wanted) else {
        let help = match gallery::nearest(wanted) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`sim init --list` shows them".to_owned(),
        };
        return Err(Failure::Input(format!("the gallery has no scenario `{wanted}`"), help));
    };
    write((gallery::base(name), text), None, console)
}

/// What the manifests amount to, each value with where it comes from.
fn from_manifests(arguments: &InitArguments, console: &mut Console) -> Done<()> {
    let choice = Choice { rollout: arguments.rollout.as_deref(), overrides: &[] };
    let given = source::read(&arguments.from, choice, console)?;
    let [given] = &given[..] else {
        let titles: Vec<_> = given.iter().map(|given| given.loaded.scenario.title.as_str()).collect();
        let message = format!("there are {} releases: {}", titles.len(), titles.join(", "));
        return Err(Failure::Input(message, "pick one: --rollout NAME".to_owned()));
    };
    let Loaded { scenario, .. } = &given.loaded;
    write((&scenario.name, &resolved::of_manifests(&given.loaded)), scenario.traffic.recording(), console)
}

fn write((name, text): (&str, &str), recording: Option<&Recording>, console: &mut Console) -> Done<()> {
    let file = format!("{name}.toml");
    let mut outputs = vec![(file.as_str(), text.as_bytes().to_vec())];
    if let Some(recording) = recording {
        outputs.push((FILE, csv::arrivals(recording).into_bytes()));
    }
    if let Some((file, _)) = outputs.iter().find(|(file, _)| PathBuf::from(file).symlink_metadata().is_ok()) {
        let help = "remove or rename it first".to_owned();
        return Err(Failure::Input(format!("{file} exists already: it stays as it is"), help));
    }
    files::write(Path::new("."), &outputs, &[])?;
    if console.quiet {
        return Ok(());
    }
    console.note(&format!("wrote {file}; try: sim run {file}"));
    Ok(())
}
