//! `sim check`: findings about manifests, with what each costs.

use super::arguments::{CheckArguments, FailOn, Format};
use super::console::Console;
use super::diagnostics::{self, Input};
use super::source::{self, Choice, Opened};
use super::{Done, Exit, Failure, files, manifests};
use crate::check::catalogue::pages;
use crate::check::change::{self, Edit};
use crate::check::finding::{Finding, INPUT, Level};
use crate::check::mend;
use crate::check::predict::Predictor;
use crate::check::{Checked, Setting, check_all, check_without_workload, suppression};
use crate::report::check::{Before, Findings, github, gitlab, json, junit, markdown, sarif, text};
use crate::scenario::diagnostic::Problem;
use crate::scenario::document::Table;
use crate::scenario::manifests::release::{Release, releases};
use crate::scenario::manifests::stream::Stream;
use crate::scenario::nearest;
use crate::scenario::sources::Sources;
use rayon::prelude::*;
use similar::TextDiff;
use std::fs::File;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

pub fn check(arguments: &CheckArguments, console: &mut Console) -> Done<Exit> {
    let seeds: Vec<u64> = (1..=u64::from(arguments.seeds)).collect();
    let opened = open(&arguments.files, &arguments.set, console)?;
    let old = match &arguments.against[..] {
        [] => None,
        against => Some(open_old(against, &arguments.set, console)?),
    };
    check_targets(arguments, [Some(&opened), old.as_ref()])?;
    let before = old.map(|old| failed_before(&old, arguments, &seeds, console)).transpose()?;
    let empty = Table::default();
    let setting = setting(&opened, &empty, arguments, &seeds);
    let (mut stream, problems) = read(&opened.sources);
    let before = before.map(|failed| Before { removed: removed(&failed, &stream, &problems), failed });
    let before = before.as_ref();
    if !problems.is_empty() {
        let unread = [Checked::unread(&problems)];
        return conclude(
            Findings { sources: &opened.sources, checked: &unread, suppressed: 0, before, seeds: seeds.len() },
            arguments,
            console,
        );
    }
    source::settle(&mut stream, &opened.sources, choice(arguments), console);
    let Judged { releases, checked, suppressed } = judge(&opened.sources, &stream, (arguments, setting))?;
    let changed = match arguments.fix || arguments.diff {
        true => mend(&opened, (&releases, &checked), (arguments, setting), console)?,
        false => None,
    };
    let Some(changed) = changed.filter(|_| arguments.fix) else {
        return conclude(
            Findings { sources: &opened.sources, checked: &checked, suppressed, before, seeds: seeds.len() },
            arguments,
            console,
        );
    };
    // What is left after the change is what counts.
    let (mut left, _) = Stream::read(&changed);
    left.is_scaled_elsewhere = stream.is_scaled_elsewhere;
    let Judged { checked, suppressed, .. } = judge(&changed, &left, (arguments, setting))?;
    conclude(
        Findings { sources: &changed, checked: &checked, suppressed, before, seeds: seeds.len() },
        arguments,
        console,
    )
}

/// The releases of a stream, and what is found.
struct Judged<'s> {
    /// None if the files hold no workload.
    releases: Vec<Release<'s>>,
    checked: Vec<Checked>,
    /// How many findings comments take out.
    suppressed: usize,
}

/// Files that hold no workload are checked as far as they say something by themselves; but whoever names a release, or has
/// written a scenario for it, misses it.
fn judge<'s>(
    sources: &Sources,
    stream: &'s Stream,
    (arguments, setting): (&CheckArguments, Setting<'_>),
) -> Done<Judged<'s>> {
    let is_of_release = arguments.rollout.is_some() || setting.scenario.0.is_some();
    let has_workload = !releases(stream).is_empty();
    let (releases, mut checked) = if has_workload || is_of_release || stream.objects.is_empty() {
        let releases = source::pick(stream, choice(arguments))?;
        let checked = check_all(sources, &releases, setting);
        (releases, checked)
    } else {
        (Vec::new(), vec![check_without_workload(sources, stream)])
    };
    let suppressed = suppression::suppress(sources, &mut checked);
    Ok(Judged { releases, checked, suppressed })
}

/// The objects of manifests, and what is wrong with them, in the words of this command.
fn read(sources: &Sources) -> (Stream, Vec<Problem>) {
    let (stream, mut problems) = Stream::read(sources);
    for problem in &mut problems {
        problem.help = problem.help.replace("| sim run -", "| sim check -");
    }
    (stream, problems)
}

/// Who was there before and is no more; of manifests that cannot be read nobody knows.
fn removed(before: &[(String, Option<f64>)], stream: &Stream, problems: &[Problem]) -> Vec<String> {
    let now: Vec<_> = releases(stream).iter().map(|release| crate::check::identity(release.workload)).collect();
    let is_gone = |(identity, _): &&(String, Option<f64>)| problems.is_empty() && !now.contains(identity);
    before.iter().filter(is_gone).map(|(identity, _)| identity.clone()).collect()
}

/// What is not there yet, as the folder of a new deployment on the branch before it, is empty.
fn open_old(paths: &[PathBuf], overrides: &[String], console: &mut Console) -> Done<Opened> {
    let is_absent = |path: &&PathBuf| !is_special(path) && path.symlink_metadata().is_err();
    let (absent, there): (Vec<_>, Vec<_>) = paths.iter().partition(is_absent);
    for path in absent {
        console.note(&format!(
            "--against {}: there is no such file or folder, so nothing was there before",
            path.display()
        ));
    }
    match &there[..] {
        [] => Ok(Opened { sources: Sources::default(), inputs: Vec::new(), scenario: None }),
        there => open(&there.iter().map(|path| (*path).clone()).collect::<Vec<_>>(), overrides, console),
    }
}

/// A pipe, or a pattern.
fn is_special(path: &Path) -> bool {
    manifests::is_piped(path) || path.to_string_lossy().contains(['*', '?'])
}

/// All manifests are one stream; a scenario has its own.
fn open(paths: &[PathBuf], overrides: &[String], console: &mut Console) -> Done<Opened> {
    let (named, scenarios) = source::partition(paths);
    match (&scenarios[..], &named[..]) {
        ([], named) => source::open_manifests(named),
        ([path], []) if path.symlink_metadata().is_err() => {
            let message = format!("cannot read {}: there is no such file or folder", path.display());
            Err(Failure::World(message, String::new()))
        }
        ([path], []) => {
            let text = source::text(path)?;
            source::refuse_manifests(path, &text)?;
            source::open_scenario((path, &text), overrides, console)?.ok_or_else(|| {
                let message = format!("{} names no manifests: there is nothing to check", path.display());
                Failure::Input(message, "add manifests = [\"rollout.yaml\"], or run it: sim run".to_owned())
            })
        }
        ([path, ..], _) => {
            let message = format!("{} is a scenario, and it is not alone", path.display());
            Err(Failure::Input(message, "check one scenario at a time, or manifests".to_owned()))
        }
    }
}

fn setting<'a>(opened: &'a Opened, empty: &'a Table, arguments: &'a CheckArguments, seeds: &'a [u64]) -> Setting<'a> {
    let scenario = opened.scenario.as_ref();
    let scenario = scenario.map_or((None, empty), |(name, document)| (Some(name.as_str()), document));
    Setting { scenario, overrides: &arguments.set, seeds }
}

fn choice(arguments: &CheckArguments) -> Choice<'_> {
    Choice { rollout: arguments.rollout.as_deref(), overrides: &arguments.set }
}

/// Prints and writes what was found.
fn conclude(findings: Findings<'_>, arguments: &CheckArguments, console: &mut Console) -> Done<Exit> {
    // Where stdout carries a diff or manifests, nothing else may stand in it.
    let is_taken = arguments.diff || arguments.fix && is_piped(findings.sources);
    if !is_taken {
        print(&findings, arguments, console)?;
    }
    if is_taken || console.quiet {
        // What cannot be read is no report, but the reason why there is none.
        let input = Input { sources: findings.sources, overrides: &arguments.set };
        for finding in findings.all().filter(|finding| finding.code == INPUT) {
            console.note(&diagnostics::render_finding(finding, None, input));
            console.note("");
        }
    }
    let is_text = !is_taken && arguments.reports.format == Format::Text;
    tell(&findings, arguments, is_text, console)?;
    Ok(exit(&findings, arguments))
}

fn exit(findings: &Findings<'_>, arguments: &CheckArguments) -> Exit {
    if findings.checked.iter().any(|checked| checked.simulated.is_wrong_input()) {
        return Exit::Input;
    }
    let least = match arguments.fail_on {
        FailOn::Note => Level::Note,
        FailOn::Warning => Level::Warning,
        FailOn::Error => Level::Error,
    };
    let fails = findings.all().any(|finding| finding.level >= least);
    if fails && !arguments.reports.exit_zero { Exit::Unmet } else { Exit::Fine }
}

/// The failed requests of each deployment before a change; one that cannot be read there has none.
fn failed_before(
    old: &Opened,
    arguments: &CheckArguments,
    seeds: &[u64],
    console: &mut Console,
) -> Done<Vec<(String, Option<f64>)>> {
    let (mut stream, problems) = read(&old.sources);
    if !problems.is_empty() {
        source::show(&problems, Input { sources: &old.sources, overrides: &arguments.set }, console);
        return Err(Failure::Reported(Exit::Input));
    }
    source::settle(&mut stream, &old.sources, choice(arguments), console);
    let empty = Table::default();
    let setting = setting(old, &empty, arguments, seeds);
    let failed = |release: &Release<'_>| {
        let played = Predictor::new(&old.sources, release, setting).play_with(&[]);
        (crate::check::identity(release.workload), played.map(|played| played.failed))
    };
    let releases = releases(&stream);
    let meant: Vec<_> = releases.iter().filter(|release| choice(arguments).picks(release)).collect();
    Ok(meant.into_par_iter().map(failed).collect())
}

fn is_piped(sources: &Sources) -> bool {
    sources.manifests().any(|source| manifests::is_piped(Path::new(&source.name)))
}

fn print(findings: &Findings<'_>, arguments: &CheckArguments, console: &mut Console) -> Done<()> {
    if console.quiet {
        return Ok(());
    }
    if arguments.reports.format == Format::Json {
        return console.print(&json::render(findings));
    }
    let input = Input { sources: findings.sources, overrides: &arguments.set };
    for told in findings.told() {
        // What is wrong with a suppression is nobody's in particular.
        let is_plain = findings.checked.len() == 1 || told.finding.code.starts_with('S');
        let of = (!is_plain).then(|| of(&told.titles));
        let report = diagnostics::render_finding(told.finding, of.as_deref(), input);
        console.print(&format!("{}\n\n", report.trim_end()))?;
    }
    console.print(&text::render(findings, console.width()))
}

/// Whose a finding is, if there are several deployments.
fn of(titles: &[&str]) -> String {
    const SHOWN: usize = 3;
    let more = match titles.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("of {}{more}", titles[..titles.len().min(SHOWN)].join(", "))
}

/// What CI systems read.
fn tell(findings: &Findings<'_>, arguments: &CheckArguments, is_text: bool, console: &mut Console) -> Done<()> {
    let junit = arguments.reports.junit.as_ref().map(|path| Ok((path, junit::render(findings)?))).transpose();
    let junit = junit.map_err(|error: std::io::Error| Failure::World(error.to_string(), String::new()))?;
    let reports = [
        arguments.sarif.as_ref().map(|path| (path, sarif::render(findings, pages()))),
        junit,
        arguments.reports.markdown.as_ref().map(|path| (path, markdown::render(findings).into_bytes())),
        arguments.reports.gitlab.as_ref().map(|path| (path, gitlab::render(findings))),
    ];
    for (path, bytes) in reports.into_iter().flatten() {
        let (folder, name) = files::split(path).expect("the targets have been checked");
        files::write(&folder, &[(&name, bytes)], &[])?;
    }
    if is_text && std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        console.print(&github::annotations(findings))?;
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let appended = File::options().append(true).create(true).open(&path);
    let appended = appended.and_then(|mut file| file.write_all(markdown::render(findings).as_bytes()));
    appended.map_err(|error| files::unwritable(&path, &error))
}

/// Reports that take each other's place, or that of anything that was read, are refused before anything is played; so are
/// codes that nobody knows.
fn check_targets(arguments: &CheckArguments, opened: [Option<&Opened>; 2]) -> Done<()> {
    let targets: Vec<PathBuf> = arguments.sarif.iter().chain(arguments.reports.targets()).cloned().collect();
    files::check_targets(&targets)?;
    let inputs: Vec<PathBuf> = opened.into_iter().flatten().flat_map(|opened| opened.inputs.clone()).collect();
    if let Some(target) = targets.iter().find(|target| inputs.iter().any(|input| files::are_same(input, target))) {
        let message = format!("the report would take the place of {}, which has been read", target.display());
        return Err(Failure::Input(message, "name another file".to_owned()));
    }
    let codes: Vec<&str> = pages().map(|page| page.code).collect();
    if let Some(unknown) = arguments.only.iter().find(|only| !codes.iter().any(|code| code.eq_ignore_ascii_case(only)))
    {
        let help = nearest(&unknown.to_uppercase(), &codes).map(|near| format!("did you mean {near}?"));
        let help = help.unwrap_or_else(|| "`sim explain` lists them".to_owned());
        return Err(Failure::Input(format!("--only {unknown}: there is no such finding"), help));
    }
    if arguments.only.is_empty() || arguments.fix || arguments.diff {
        return Ok(());
    }
    let message = "--only says whose changes are made, and none are".to_owned();
    Err(Failure::Input(message, "add --fix or --diff".to_owned()))
}

/// `--fix` and `--diff`. Returns the changed texts, if anything changes.
fn mend(
    opened: &Opened,
    (releases, checked): (&[Release<'_>], &[Checked]),
    (arguments, setting): (&CheckArguments, Setting<'_>),
    console: &mut Console,
) -> Done<Option<Sources>> {
    let sources = &opened.sources;
    let changed = match &arguments.only[..] {
        [] => {
            let (changed, mended) = mend::mend(sources, (releases, checked), setting);
            for mended in mended.iter().filter(|mended| !mended.codes.is_empty()) {
                console.note(&said(&mended.title, &mended.codes, Some(mended.before), mended.after));
            }
            changed
        }
        only => only_those(opened, (releases, checked), (only, setting), console)?,
    };
    let is_changed = sources.texts().iter().zip(changed.texts()).any(|(old, new)| old.text != new.text);
    let is_played = |checked: &Checked| checked.plays.is_none_or(|plays| plays.with_changes);
    for checked in checked.iter().filter(|checked| arguments.only.is_empty() && !is_played(checked)) {
        let help = "name the changes to make: --only CODE";
        console.note(&format!("{} has too many pods to play its changes; {help}", checked.title));
    }
    if !is_changed {
        console.note("nothing to change");
    }
    let base = if arguments.diff { base(sources, &changed, console) } else { PathBuf::new() };
    for (old, new) in sources.texts().iter().zip(changed.texts()) {
        if arguments.diff {
            let diff = TextDiff::from_lines(&old.text, &new.text);
            let name = named_from(&base, &old.name);
            console.print(&diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string())?;
        } else if manifests::is_piped(Path::new(&old.name)) {
            console.print(&new.text)?;
        } else if old.text != new.text {
            let (folder, name) = files::split(Path::new(&old.name)).expect("it has been read");
            files::write(&folder, &[(&name, new.text.clone().into_bytes())], &[])?;
            console.note(&format!("changed {}", old.name));
        }
    }
    Ok(Some(changed).filter(|_| is_changed))
}

/// The folder from which a diff names its files: no name in it may have `..`, or `git apply` refuses it. That is the current
/// one, or the nearest above it that has all changed files.
fn base(sources: &Sources, changed: &Sources, console: &mut Console) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let is_file = |name: &str| !manifests::is_piped(Path::new(name));
    let files = sources.texts().iter().zip(changed.texts());
    let files = files.filter(|(old, new)| old.text != new.text && is_file(&old.name));
    let files: Vec<PathBuf> = files.map(|(old, _)| absolute(&here, &old.name)).collect();
    let has_all = |folder: &&Path| files.iter().all(|file| file.starts_with(folder));
    let base = here.ancestors().find(has_all).unwrap_or(&here).to_path_buf();
    if base != here {
        console.note(&format!("the diff names files as seen from {}: apply it there", base.display()));
    }
    base
}

/// Without `.` and `..`.
fn absolute(here: &Path, name: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in here.join(name).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => path.push(component),
        }
    }
    path
}

fn named_from(base: &Path, name: &str) -> String {
    let path = absolute(&std::env::current_dir().unwrap_or_default(), name);
    path.strip_prefix(base).map_or_else(|_| name.to_owned(), |path| path.display().to_string().replace('\\', "/"))
}

/// What is changed of a release, and what that brings.
fn said(title: &str, codes: &[&str], before: Option<f64>, after: f64) -> String {
    let before = before.map_or("?".to_owned(), crate::report::check::requests);
    let after = crate::report::check::requests(after);
    format!("{title}: {}: failed requests of a release {before} → {after}", codes.join(", "))
}

/// `--only`: the changes of these codes, whatever they bring.
fn only_those(
    opened: &Opened,
    (releases, checked): (&[Release<'_>], &[Checked]),
    (only, setting): (&[String], Setting<'_>),
    console: &mut Console,
) -> Done<Sources> {
    let mut edits: Vec<Edit> = Vec::new();
    for (index, checked) in checked.iter().enumerate() {
        let (more, codes) = of_findings(checked, only);
        if more.is_empty() {
            continue;
        }
        // Files without a workload have findings, and no release.
        let predictor = releases.get(index).map(|release| Predictor::new(&opened.sources, release, setting));
        if let Some(played) = predictor.and_then(|predictor| predictor.play_with(&more)) {
            console.note(&said(&checked.title, &codes, checked.simulated.failed(), played.failed));
        }
        edits.extend(more);
    }
    if edits.is_empty() {
        let message = format!("{} proposes no change here", only.join(", "));
        return Err(Failure::Input(message, "sim check shows which findings propose one".to_owned()));
    }
    change::apply(&opened.sources, &edits).ok_or_else(|| {
        let message = "these changes touch the same place".to_owned();
        Failure::Input(message, "make one of them at a time: --only CODE".to_owned())
    })
}

/// The changes of the findings of these codes.
fn of_findings(checked: &Checked, only: &[String]) -> (Vec<Edit>, Vec<&'static str>) {
    let is_meant = |finding: &&Finding| only.iter().any(|code| code.eq_ignore_ascii_case(finding.code));
    let changes =
        checked.findings.iter().filter(is_meant).filter_map(|finding| Some((finding.code, finding.change.as_ref()?)));
    let (mut edits, mut codes) = (Vec::new(), Vec::new());
    for (code, change) in changes {
        edits.extend(change.edits.clone());
        codes.push(code);
    }
    codes.dedup();
    (edits, codes)
}
