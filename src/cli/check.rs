//! `sim check`: findings about manifests, with what each costs.

use super::arguments::{CheckArguments, FailOn, Format};
use super::console::Console;
use super::diagnostics::{self, Input};
use super::source::{self, Opened};
use super::{Done, Exit, Failure, files, manifests};
use crate::check::catalogue::pages;
use crate::check::change::{self, Edit};
use crate::check::finding::Level;
use crate::check::predict::{Played, Predictor, smallest};
use crate::check::{Checked, Setting, suppression};
use crate::report::check::{Findings, github, gitlab, json, junit, markdown, sarif, text};
use crate::scenario::document::Table;
use crate::scenario::manifests::release::Release;
use crate::scenario::sources::Sources;
use similar::TextDiff;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn check(arguments: &CheckArguments, console: &mut Console) -> Done<Exit> {
    check_targets(arguments)?;
    let seeds: Vec<u64> = (1..=u64::from(arguments.seeds)).collect();
    let before = match &arguments.against[..] {
        [] => None,
        paths => Some(failed_before(paths, arguments, &seeds, console)?),
    };
    let mut worst = Exit::Fine;
    for opened in open(&arguments.files)? {
        let exit = check_one(&opened, before.as_deref(), (arguments, &seeds), console)?;
        worst = worst.max(exit);
    }
    Ok(worst)
}

/// All manifests are one stream; each scenario has its own.
fn open(paths: &[PathBuf]) -> Done<Vec<Opened>> {
    let (named, scenarios): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| manifests::is_manifest(path));
    let mut opened = Vec::new();
    for path in &scenarios {
        let Some(scenario) = source::open_scenario(path, &source::text(path)?)? else {
            let message = format!("{} names no manifests: there is nothing to check", path.display());
            return Err(Failure::Input(message, "add manifests = [\"rollout.yaml\"], or run it: sim run".to_owned()));
        };
        opened.push(scenario);
    }
    if !named.is_empty() {
        opened.push(source::open_manifests(&named)?);
    }
    Ok(opened)
}

fn setting<'a>(opened: &'a Opened, empty: &'a Table, arguments: &'a CheckArguments, seeds: &'a [u64]) -> Setting<'a> {
    let scenario = opened.scenario.as_ref();
    let scenario = scenario.map_or((None, empty), |(name, document)| (Some(name.as_str()), document));
    Setting { scenario, overrides: &arguments.set, seeds }
}

fn check_one(
    opened: &Opened,
    before: Option<&[(String, Option<f64>)]>,
    (arguments, seeds): (&CheckArguments, &[u64]),
    console: &mut Console,
) -> Done<Exit> {
    let sources = &opened.sources;
    let stream = source::stream(sources, &arguments.set, console)?;
    let releases = source::pick(&stream, arguments.rollout.as_deref())?;
    let empty = Table::default();
    let setting = setting(opened, &empty, arguments, seeds);
    let mut checked: Vec<Checked> =
        releases.iter().map(|release| crate::check::check(sources, release, setting)).collect();
    let suppressed = suppression::suppress(sources, &mut checked);
    let findings = Findings { sources, checked: &checked, suppressed, before, seeds: seeds.len() };
    if arguments.fix || arguments.diff {
        mend(opened, (&releases, &checked), (arguments, setting), console)?;
    }
    if !(arguments.diff || arguments.fix && is_piped(sources)) || console.verbose {
        print(&findings, arguments, console)?;
    }
    tell(&findings, arguments, console)?;
    Ok(exit(&findings, arguments))
}

fn exit(findings: &Findings<'_>, arguments: &CheckArguments) -> Exit {
    if findings.checked.iter().any(|checked| checked.is_wrong_input) {
        return Exit::Input;
    }
    let least = match arguments.fail_on {
        FailOn::Note => Level::Note,
        FailOn::Warning => Level::Warning,
        FailOn::Error => Level::Error,
    };
    let fails = findings.all().any(|finding| finding.level >= least);
    if fails && !arguments.exit_zero { Exit::Unmet } else { Exit::Fine }
}

/// The failed requests of each deployment before a change; one that cannot be read there has none.
fn failed_before(
    paths: &[PathBuf],
    arguments: &CheckArguments,
    seeds: &[u64],
    console: &mut Console,
) -> Done<Vec<(String, Option<f64>)>> {
    let mut failed = Vec::new();
    for opened in open(paths)? {
        let stream = source::stream(&opened.sources, &arguments.set, console)?;
        let empty = Table::default();
        let setting = setting(&opened, &empty, arguments, seeds);
        for release in crate::scenario::manifests::release::releases(&stream) {
            let played = Predictor::new(&opened.sources, &release, setting).play_with(&[]);
            failed.push((crate::check::identity(release.workload), played.map(|played| played.failed)));
        }
    }
    Ok(failed)
}

fn is_piped(sources: &Sources) -> bool {
    sources.manifests().any(|source| source.name == "-")
}

fn print(findings: &Findings<'_>, arguments: &CheckArguments, console: &mut Console) -> Done<()> {
    if console.quiet {
        return Ok(());
    }
    if arguments.format == Format::Json {
        return console.print(&json::render(findings));
    }
    let input = Input { sources: findings.sources, overrides: &arguments.set };
    for finding in findings.all() {
        let report = diagnostics::render_finding(finding, input);
        console.print(&format!("{}\n\n", report.trim_end()))?;
    }
    console.print(&text::render(findings))
}

/// What CI systems read.
fn tell(findings: &Findings<'_>, arguments: &CheckArguments, console: &mut Console) -> Done<()> {
    let junit = arguments.junit.as_ref().map(|path| Ok((path, junit::render(findings)?))).transpose();
    let junit = junit.map_err(|error: std::io::Error| Failure::World(error.to_string(), String::new()))?;
    let reports = [
        arguments.sarif.as_ref().map(|path| (path, sarif::render(findings, pages()))),
        junit,
        arguments.markdown.as_ref().map(|path| (path, markdown::render(findings).into_bytes())),
        arguments.gitlab.as_ref().map(|path| (path, gitlab::render(findings))),
    ];
    for (path, bytes) in reports.into_iter().flatten() {
        let (folder, name) = files::split(path).expect("the targets have been checked");
        files::write(&folder, &[(&name, bytes)], &[])?;
    }
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        console.print(&github::annotations(findings))?;
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let appended = File::options().append(true).create(true).open(&path);
    let appended = appended.and_then(|mut file| file.write_all(markdown::render(findings).as_bytes()));
    appended.map_err(|error| files::unwritable(&path, &error))
}

/// Reports that take each other's place, or that of a manifest, are refused before anything is played.
fn check_targets(arguments: &CheckArguments) -> Done<()> {
    let targets = [&arguments.sarif, &arguments.junit, &arguments.markdown, &arguments.gitlab];
    let targets: Vec<PathBuf> = targets.into_iter().flatten().cloned().collect();
    for (place, target) in targets.iter().enumerate() {
        files::check_target(target)?;
        if targets[..place].iter().any(|other| files::are_same(other, target)) {
            let message = format!("two reports would go to {}", target.display());
            return Err(Failure::Input(message, "name a file for each".to_owned()));
        }
    }
    files::spare_inputs(targets, &arguments.files)?;
    if arguments.only.is_empty() || arguments.fix || arguments.diff {
        return Ok(());
    }
    let message = "--only says whose changes are made, and none are".to_owned();
    Err(Failure::Input(message, "add --fix or --diff".to_owned()))
}

/// `--fix` and `--diff`.
fn mend(
    opened: &Opened,
    (releases, checked): (&[Release<'_>], &[Checked]),
    (arguments, setting): (&CheckArguments, Setting<'_>),
    console: &mut Console,
) -> Done<()> {
    let sources = &opened.sources;
    let mut edits: Vec<Edit> = Vec::new();
    for (release, checked) in releases.iter().zip(checked) {
        let predictor = Predictor::new(sources, release, setting);
        let (more, codes) = match (&arguments.only[..], checked.failed.zip(checked.requests)) {
            ([], None) => continue,
            ([], Some((failed, requests))) => {
                let (edits, codes, _) = smallest(&predictor, Played { failed, requests }, &checked.findings);
                (edits, codes)
            }
            (only, _) => of_findings(checked, only)?,
        };
        if let Some(played) = predictor.play_with(&more).filter(|_| !more.is_empty()) {
            let before = checked.failed.map_or("?".to_owned(), crate::report::check::requests);
            let after = crate::report::check::requests(played.failed);
            let codes = codes.join(", ");
            console.note(&format!("{}: {codes}: failed requests of a release {before} → {after}", checked.title));
        }
        edits.extend(more);
    }
    if edits.is_empty() {
        console.note("nothing to change");
    }
    let Some(changed) = change::apply(sources, &edits) else {
        let message = "these changes touch the same place".to_owned();
        return Err(Failure::Input(message, "make one of them at a time: --only CODE".to_owned()));
    };
    for (old, new) in sources.texts().iter().zip(changed.texts()) {
        if arguments.diff {
            let diff = TextDiff::from_lines(&old.text, &new.text);
            let name = old.name.trim_start_matches("./");
            console.print(&diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string())?;
        } else if old.name == "-" {
            console.print(&new.text)?;
        } else if old.text != new.text {
            let (folder, name) = files::split(Path::new(&old.name)).expect("it has been read");
            files::write(&folder, &[(&name, new.text.clone().into_bytes())], &[])?;
            console.note(&format!("changed {}", old.name));
        }
    }
    Ok(())
}

/// The changes of the findings of these codes.
fn of_findings(checked: &Checked, only: &[String]) -> Done<(Vec<Edit>, Vec<&'static str>)> {
    let (mut edits, mut codes) = (Vec::new(), Vec::new());
    for code in only {
        let findings: Vec<_> = checked.findings.iter().filter(|finding| finding.code == *code).collect();
        if findings.iter().all(|finding| finding.change.is_none()) {
            let message = format!("{code}: {} has no change to make", checked.title);
            return Err(Failure::Input(message, "sim check shows which findings propose one".to_owned()));
        }
        for finding in findings {
            edits.extend(finding.change.iter().flat_map(|change| change.edits.clone()));
            codes.push(finding.code);
        }
    }
    Ok((edits, codes))
}
