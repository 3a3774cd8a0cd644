//! `sim init`: a scenario to start from.

use super::arguments::InitArguments;
use super::console::Console;
use super::{Done, Failure, files, gallery};
use std::path::{Path, PathBuf};

pub fn init(arguments: &InitArguments, console: &mut Console) -> Done<()> {
    if arguments.list {
        let width = gallery::SCENARIOS.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, text): &(&str, &str)| format!("{name:width$}  {}\n", gallery::title(text));
        return console.print(&gallery::SCENARIOS.iter().map(line).collect::<String>());
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
    let file = format!("{}.toml", gallery::base(name));
    if PathBuf::from(&file).symlink_metadata().is_ok() {
        let help = "remove or rename it first".to_owned();
        return Err(Failure::Input(format!("{file} exists already: it stays as it is"), help));
    }
    files::write(Path::new("."), &[(&file, text.as_bytes().to_vec())], &[])?;
    if console.quiet {
        return Ok(());
    }
    console.note(&format!("wrote {file}; try: sim run {file}"));
    Ok(())
}
