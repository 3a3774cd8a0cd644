//! Scenarios from the disk, and the manifests that they name.

use super::console::Console;
use super::diagnostics::{self, Input};
use super::files::from_here;
use super::{Done, Exit, Failure, arrivals, conclude, gallery, manifests};
use crate::model::traffic::recording::Recording;
use crate::report::resolved;
use crate::scenario::document::{self, MAX_BYTES, Table};
use crate::scenario::load::{load_release, load_with};
use crate::scenario::manifests::release::{self, Release};
use crate::scenario::manifests::stream::Stream;
use crate::scenario::sources::Sources;
use crate::scenario::{Loaded, diagnostic::Problem};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was given on the command line, checked: scenarios, and releases of manifests.
#[derive(Debug)]
pub struct Given {
    pub loaded: Loaded,
    /// Every file that was read for it: no output may take the place of one.
    pub inputs: Vec<PathBuf>,
}

/// Which release of several, and what the command line changes of it.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    pub rollout: Option<&'a str>,
    pub overrides: &'a [String],
}

impl Choice<'_> {
    pub fn picks(self, release: &Release<'_>) -> bool {
        self.rollout.is_none_or(|rollout| release.workload.name == rollout)
    }
}

/// Reads and checks all of them: what is wrong with one does not hide the mistakes of the next. All manifests together are
/// one stream.
pub fn read(paths: &[PathBuf], choice: Choice<'_>, console: &mut Console) -> Done<Vec<Given>> {
    let (manifests, scenarios) = partition(paths);
    if let (Some(scenario), [_, ..]) = (scenarios.first(), &manifests[..]) {
        let message = format!("{} is a scenario, and there are manifests beside it", scenario.display());
        let help = format!("name them in the scenario: manifests = [\"{}\"]", manifests[0].display());
        return Err(Failure::Input(message, help));
    }
    let (mut worst, mut good) = (Exit::Fine, Vec::new());
    for path in &scenarios {
        match scenario_and_manifests(path, choice, console) {
            Ok(given) => good.extend(given),
            Err(failure) => worst = worst.max(conclude(Err(failure), console)),
        }
    }
    if !manifests.is_empty() {
        match releases(&open_manifests(&manifests)?, choice, console) {
            Ok(given) => good.extend(given),
            Err(failure) => worst = worst.max(conclude(Err(failure), console)),
        }
    }
    if worst == Exit::Fine { Ok(good) } else { Err(Failure::Reported(worst)) }
}

/// Manifests and scenarios. What is neither by its ending, a README that a shell's pattern names along, counts for nothing
/// beside manifests.
pub fn partition(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (manifests, mut scenarios): (Vec<_>, Vec<_>) =
        paths.iter().cloned().partition(|path| manifests::is_manifest(path));
    if !manifests.is_empty() {
        scenarios.retain(|path| has_ending(path) || !path.is_file());
    }
    (manifests, scenarios)
}

/// Whether it is called a scenario.
fn has_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"))
}

/// Manifests in a file whose name does not say so.
pub fn refuse_manifests(path: &Path, text: &str) -> Done<()> {
    if has_ending(path) || document::parse(text).is_ok() || !text.contains("apiVersion") {
        return Ok(());
    }
    let shown = path.display();
    let help = format!("{}, or come through a pipe: < {shown} sim … -", manifests::ENDINGS_HELP);
    Err(Failure::Input(format!("{shown} looks like manifests and is not called so"), help))
}

/// Texts that belong together.
#[derive(Debug)]
pub struct Opened {
    pub sources: Sources,
    /// Every file that was read.
    pub inputs: Vec<PathBuf>,
    /// The name and the document of the scenario that names the manifests.
    pub scenario: Option<(String, Table)>,
}

/// The manifests of several files, folders and patterns: one stream.
pub fn open_manifests(paths: &[PathBuf]) -> Done<Opened> {
    let mut sources = Sources::default();
    let inputs = manifests::read(paths, &mut sources)?;
    Ok(Opened { sources, inputs, scenario: None })
}

/// A scenario with the manifests and the arrivals that it names; None if it names no manifests.
pub fn open_scenario((path, text): (&Path, &str), overrides: &[String], console: &mut Console) -> Done<Option<Opened>> {
    let named = document::parse(text).ok().and_then(|document| Some((manifests_of(&document)?, document)));
    let Some((patterns, document)) = named else { return Ok(None) };
    let mut sources = Sources::scenario(&from_here(path), text);
    let folder = path.parent().unwrap_or(Path::new(""));
    let patterns: Vec<_> = patterns.iter().map(|pattern| folder.join(pattern)).collect();
    let mut inputs = manifests::read(&patterns, &mut sources)?;
    if let Some(arrivals) = arrivals::read((path, text), overrides, console)? {
        sources = sources.with_recording(arrivals.recording);
        inputs.push(arrivals.path);
    }
    inputs.push(path.to_path_buf());
    Ok(Some(Opened { sources, inputs, scenario: Some((name(path), document)) }))
}

/// A scenario that needs no other file.
#[derive(Debug)]
pub struct Flattened {
    pub text: String,
    pub recording: Option<Arc<Recording>>,
}

/// The text of a scenario; of manifests, and of a scenario that names some, that of the scenario that they amount to. With
/// the arrivals that it names, or the command line.
pub fn flattened(path: &Path, overrides: &[String], console: &mut Console) -> Done<Flattened> {
    let opened = if manifests::is_manifest(path) {
        open_manifests(&[path.to_path_buf()])?
    } else {
        let text = text(path)?;
        match open_scenario((path, &text), &[], console)? {
            None => {
                let recording = arrivals::read((path, &text), overrides, console)?.map(|arrivals| arrivals.recording);
                return Ok(Flattened { text, recording });
            }
            Some(opened) => opened,
        }
    };
    let given = releases(&opened, Choice { rollout: None, overrides: &[] }, console)?;
    match &given[..] {
        [given] => {
            let recording = opened.sources.recording().cloned();
            Ok(Flattened { text: resolved::of_manifests(&given.loaded), recording })
        }
        several => {
            let message = format!("{} has {} releases, and a sweep is of one", path.display(), several.len());
            Err(Failure::Input(message, "write the one that you mean to a scenario: sim init --from".to_owned()))
        }
    }
}

/// Reads and checks one scenario; its problems are printed.
fn scenario_and_manifests(path: &Path, choice: Choice<'_>, console: &mut Console) -> Done<Vec<Given>> {
    let text = text(path)?;
    refuse_manifests(path, &text)?;
    let shown = path.display();
    let Some(opened) = open_scenario((path, &text), choice.overrides, console)? else {
        if let Some(rollout) = choice.rollout {
            let message = format!("--rollout {rollout}: {shown} names no manifests");
            return Err(Failure::Input(message, "it picks one of several releases in manifests".to_owned()));
        }
        let arrivals = arrivals::read((path, &text), choice.overrides, console)?;
        let recording = arrivals.as_ref().map(|arrivals| Arc::clone(&arrivals.recording));
        let loaded = check(path, &Flattened { text, recording }, choice.overrides, console)?;
        // The scenario comes last: messages go by its name.
        let inputs = arrivals.map(|arrivals| arrivals.path).into_iter().chain([path.to_path_buf()]).collect();
        return Ok(vec![Given { loaded, inputs }]);
    };
    let given = releases(&opened, choice, console)?;
    if given.len() > 1 {
        let names: Vec<_> = given.iter().map(|given| given.loaded.scenario.title.as_str()).collect();
        let message = format!("the manifests of {shown} have {} releases: {}", given.len(), names.join(", "));
        return Err(Failure::Input(message, "pick one: --rollout NAME".to_owned()));
    }
    Ok(given)
}

/// `manifests = ["rollout.yaml"]`; what is no list of texts the reader of the scenario refuses.
fn manifests_of(document: &Table) -> Option<Vec<String>> {
    let items = document.get("manifests")?.value.array()?;
    let texts: Option<Vec<_>> = items.iter().map(|item| item.text().map(str::to_owned)).collect();
    texts.filter(|texts| !texts.is_empty())
}

/// The objects of a stream; what is wrong with it is printed.
fn stream(sources: &Sources, choice: Choice<'_>, console: &mut Console) -> Done<Stream> {
    let (mut stream, problems) = Stream::read(sources);
    if !problems.is_empty() {
        show(&problems, Input { sources, overrides: choice.overrides }, console);
        return Err(Failure::Reported(Exit::Input));
    }
    settle(&mut stream, sources, choice, console);
    Ok(stream)
}

/// What is known of a stream before its releases are picked: what rests, and, with `-v`, what is nothing of a release.
pub fn settle(stream: &mut Stream, sources: &Sources, choice: Choice<'_>, console: &mut Console) {
    if console.verbose && (!stream.others.is_empty() || stream.no_objects > 0) {
        let mut kinds: Vec<_> = stream.others.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        kinds.extend(match stream.no_objects {
            0 => None,
            1 => Some("1 document that is no Kubernetes object".to_owned()),
            count => Some(format!("{count} documents that are no Kubernetes objects")),
        });
        console.note(&format!("skipped: {}", kinds.join(", ")));
    }
    stream.is_scaled_elsewhere = says_replicas(sources, choice.overrides);
    let picked = release::releases(stream).into_iter().filter(|release| choice.picks(release));
    let (resting, released): (Vec<_>, Vec<_>) = picked.partition(Release::is_at_rest);
    // If there is no other, that is an error.
    for release in resting.iter().filter(|_| !released.is_empty()) {
        console.note(&format!("{} has replicas: 0: nothing is released", release.workload.title()));
    }
}

/// Whether the command line or the scenario that is laid over the manifests says how many replicas there are.
fn says_replicas(sources: &Sources, overrides: &[String]) -> bool {
    const KEYS: [&str; 2] = ["rollout.replicas", "deployment.replicas"];
    let is_said = |text: &String| KEYS.iter().any(|key| text.split('=').next().is_some_and(|said| said.trim() == *key));
    let scenario = sources.texts().iter().find(|source| !sources.is_of_manifest(source.start));
    let document = scenario.and_then(|source| document::parse(&source.text).ok());
    overrides.iter().any(is_said)
        || document.is_some_and(|document| KEYS.iter().any(|key| document.find(key).is_some()))
}

/// All releases, or the one that is named. Without pods there is none.
pub fn pick<'s>(stream: &'s Stream, choice: Choice<'_>) -> Done<Vec<Release<'s>>> {
    let all = release::releases(stream);
    let names: Vec<_> = all.iter().map(|release| release.workload.name.as_str()).collect();
    let picked = all.iter().copied().filter(|release| choice.picks(release));
    let (resting, picked): (Vec<_>, Vec<_>) = picked.partition(Release::is_at_rest);
    if let (Some(release), []) = (resting.first(), picked.as_slice()) {
        let message = format!("{} has replicas: 0: nothing is released", release.workload.title());
        let key = if release.is_rollout() { "rollout" } else { "deployment" };
        return Err(Failure::Input(message, format!("say how many there are: --set {key}.replicas=4")));
    }
    match choice.rollout {
        _ if !picked.is_empty() => Ok(picked),
        Some(rollout) if !names.is_empty() => {
            let reason = beside(stream, rollout).unwrap_or_else(|| "there is none of that name".to_owned());
            let message = format!("--rollout {rollout}: {reason}");
            Err(Failure::Input(message, format!("these files have {}", names.join(", "))))
        }
        Some(_) | None => Err(Failure::Input(
            "there is nothing to release: no Rollout and no Deployment".to_owned(),
            "give the manifest of a Rollout, and what belongs to it: Services, Ingress".to_owned(),
        )),
    }
}

/// Why a Deployment is not among the releases.
fn beside(stream: &Stream, name: &str) -> Option<String> {
    stream.of_kind("Deployment").find(|deployment| deployment.name == name)?;
    Some(match stream.of_kind("Rollout").next() {
        Some(_) => {
            "that is a Deployment, and beside Rollouts no Deployment is released: give it without them".to_owned()
        }
        None => "no Ingress leads to this Deployment, and to others one does: give it without them".to_owned(),
    })
}

/// The releases of a stream, each under the scenario that is laid over it.
fn releases(opened: &Opened, choice: Choice<'_>, console: &mut Console) -> Done<Vec<Given>> {
    let Opened { sources, inputs, scenario } = opened;
    let stream = stream(sources, choice, console)?;
    let input = Input { sources, overrides: choice.overrides };
    let (mut worst, mut given) = (Exit::Fine, Vec::new());
    let empty = Table::default();
    for release in pick(&stream, choice)? {
        let laid_over = scenario.as_ref().map_or((None, &empty), |(name, document)| (Some(name.as_str()), document));
        match load_release(sources, &release, laid_over, choice.overrides) {
            Ok(loaded) => {
                show(&loaded.warnings, input, console);
                given.push(Given { loaded, inputs: inputs.clone() });
            }
            Err(problems) => {
                show(&problems, input, console);
                worst = Exit::Input;
            }
        }
    }
    if worst == Exit::Fine { Ok(given) } else { Err(Failure::Reported(worst)) }
}

pub fn show(problems: &[Problem], input: Input<'_>, console: &mut Console) {
    for problem in problems {
        console.note(&diagnostics::render(problem, input));
        console.note("");
    }
}

/// Checks a scenario without manifests; its problems are printed.
pub fn check(path: &Path, scenario: &Flattened, overrides: &[String], console: &mut Console) -> Done<Loaded> {
    let Flattened { text, recording } = scenario;
    let sources = Sources::scenario(&from_here(path), text);
    let input = Input { sources: &sources, overrides };
    match load_with(text, recording.as_ref(), (&name(path), overrides)) {
        Ok(loaded) => {
            show(&loaded.warnings, input, console);
            Ok(loaded)
        }
        Err(problems) => {
            show(&problems, input, console);
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
    bounded_text(path, (MAX_BYTES, "1 MiB: that is no scenario"), "a scenario is TOML in UTF-8")
}

/// The text of a file of at most so many bytes.
pub fn bounded_text(path: &Path, (most, too_long): (usize, &str), what: &str) -> Done<String> {
    let shown = path.display();
    let input = |message: String, help: &str| Failure::Input(message, help.to_owned());
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(Failure::World(format!("cannot read {shown}: it is a folder"), inside(path)));
    }
    // Before it is opened: a named pipe without a writer would keep us waiting for ever.
    if !metadata.is_file() {
        let message = format!("cannot read {shown}: it is a pipe or a device, not a regular file");
        return Err(Failure::World(message, "write it to a file first".to_owned()));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() > most {
        let message = format!("{shown} is longer than {too_long}");
        return Err(input(message, "is this the right file?"));
    }
    let binary = |at: usize| input(format!("{shown} is not a text file (byte {at})"), what);
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
