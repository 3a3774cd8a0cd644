//! `sim check`: each rule finds what it is for and nothing else, and what it proposes is played.

mod command;
mod explain;
mod fix;
mod forms;
mod reports;
mod suppression;
mod without_workload;

use rollout_sim::check::catalogue::{pages, rules};
use rollout_sim::check::finding::{Finding, INPUT, UNKNOWN_FIELD};
use rollout_sim::check::glossary::RULES;
use rollout_sim::check::{Checked, Setting, check, check_all};
use rollout_sim::scenario::document::Table;
use rollout_sim::scenario::manifests::release::releases;
use rollout_sim::scenario::manifests::stream::Stream;
use rollout_sim::scenario::sources::Sources;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/findings")
}

/// What the lines `# --set KEY=VALUE` say. A few requests are enough to see what they meet.
fn overrides(text: &str) -> Vec<String> {
    let said = text.lines().filter_map(|line| line.strip_prefix("# --set "));
    std::iter::once("traffic.rate=20/s").chain(said).map(str::to_owned).collect()
}

/// A manifest of `scenarios/findings`, checked. Lines `# --set KEY=VALUE` say what no manifest can.
fn checked(name: &str) -> (String, Sources, Checked) {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    let set = overrides(&text);
    let mut sources = Sources::default();
    sources.add_manifests(name, &text, true);
    let (stream, problems) = Stream::read(&sources);
    assert_eq!(problems, [], "{name}");
    let releases = releases(&stream);
    assert_eq!(releases.len(), 1, "{name}");
    let setting = Setting { scenario: (None, &Table::default()), overrides: &set, seeds: &[1] };
    let checked = check(&sources, &releases[0], setting);
    (text, sources, checked)
}

/// The codes of all rules, and of what the reader of the manifests says.
fn codes() -> impl Iterator<Item = &'static str> {
    rules().map(|rule| rule.page.code).chain([INPUT, UNKNOWN_FIELD])
}

fn find<'a>(checked: &'a Checked, code: &str) -> Option<&'a Finding> {
    checked.findings.iter().find(|finding| finding.code == code)
}

/// Each rule has a smallest manifest that it finds fault with, at the line that says `# <-`, and the same without the fault.
#[test]
fn each_rule_finds_its_fault_and_spares_the_mended_manifest() {
    for code in codes() {
        let (text, sources, bad) = checked(&format!("{code}.bad.yaml"));
        let finding = find(&bad, code).unwrap_or_else(|| panic!("{code} finds nothing: {:#?}", bad.findings));
        let line = finding.place.as_ref().map(|place| sources.line_and_column(place.start).0);
        let marked = text.lines().position(|line| line.ends_with("# <-")).map(|index| index + 1);
        assert_eq!(line, marked, "{code}: {}", finding.message);
        let (_, _, good) = checked(&format!("{code}.good.yaml"));
        assert!(find(&good, code).is_none(), "{code}: {:#?}", find(&good, code));
    }
}

/// What nobody has seen is told to be missing, and no rule judges its defaults.
#[test]
fn a_template_that_is_not_in_the_files_is_not_judged() {
    let (_, _, unseen) = checked("M011.bad.yaml");
    let codes: Vec<_> = unseen.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["M011"]);
    // Behind an ALB or in blueGreen its hook decides how soon the old pods may go.
    for name in ["R011.bad.yaml", "ALB018.bad.yaml"] {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let (before, rest) = text.split_once("  template:\n").unwrap();
        let (_, after) = rest.split_once("\n  strategy:\n").unwrap();
        let reference = "  workloadRef: { apiVersion: apps/v1, kind: Deployment, name: web }";
        let unseen = format!("{before}{reference}\n  strategy:\n{after}");
        let mut sources = Sources::default();
        sources.add_manifests(name, &unseen, true);
        let (stream, problems) = Stream::read(&sources);
        assert_eq!(problems, [], "{unseen}");
        let setting = Setting { scenario: (None, &Table::default()), overrides: &overrides(&text), seeds: &[1] };
        let checked = check(&sources, &releases(&stream)[0], setting);
        assert!(find(&checked, "M011").is_some(), "{unseen}\n{:#?}", checked.findings);
        assert!(find(&checked, &name[..name.len() - ".bad.yaml".len()]).is_none(), "{name}");
    }
}

/// A change that is proposed leaves no fault of its kind, or at least fewer failed requests.
#[test]
fn what_is_proposed_helps() {
    for rule in rules() {
        let code = rule.page.code;
        let (text, sources, bad) = checked(&format!("{code}.bad.yaml"));
        let Some(change) = find(&bad, code).and_then(|finding| finding.proposed().cloned()) else { continue };
        let changed = rollout_sim::check::change::apply(&sources, &change.edits).unwrap_or_else(|| panic!("{code}"));
        let (stream, problems) = Stream::read(&changed);
        assert_eq!(problems, [], "{code}: {}", changed.texts()[0].text);
        let releases = releases(&stream);
        let set = overrides(&text);
        let setting = Setting { scenario: (None, &Table::default()), overrides: &set, seeds: &[1] };
        let after = check(&changed, &releases[0], setting);
        let helped = after.simulated.failed() < bad.simulated.failed();
        assert!(find(&after, code).is_none() || helped, "{code}: {}\n{:#?}", change.words, after.findings);
        // Comments and everything else stay as they were.
        let kept: BTreeSet<&str> = changed.texts()[0].text.lines().collect();
        let lost = text.lines().filter(|line| !kept.contains(line)).count();
        assert!(lost <= change.edits.len(), "{code}: {}", changed.texts()[0].text);
    }
}

/// Among other releases, in a file of its own or in one with the others, a release is told what it is told alone.
#[test]
fn a_release_among_others_is_played_as_if_alone() {
    let of = |name: &str| crate::manifests::WEB.replace("web", name);
    let predictions = |files: &[String], name: &str| {
        let mut sources = Sources::default();
        for (number, text) in files.iter().enumerate() {
            sources.add_manifests(&format!("{number}.yaml"), text, true);
        }
        let (stream, problems) = Stream::read(&sources);
        assert_eq!(problems, []);
        let set = ["traffic.rate=20/s".to_owned()];
        let setting = Setting { scenario: (None, &Table::default()), overrides: &set, seeds: &[1] };
        let checked = check_all(&sources, &releases(&stream), setting);
        let checked = checked.into_iter().find(|checked| checked.title == format!("Rollout {name}")).unwrap();
        let told = |finding: &Finding| (finding.code, finding.prediction, finding.help.clone());
        (checked.simulated.failed(), checked.findings.iter().map(told).collect::<Vec<_>>())
    };
    let alone = predictions(&[of("shop")], "shop");
    assert!(alone.1.iter().any(|(_, prediction, _)| prediction.is_some()), "{alone:?}");
    assert_eq!(predictions(&[of("other"), of("shop"), of("third")], "shop"), alone);
    assert_eq!(predictions(&[[of("other"), of("shop"), of("third")].join("---\n")], "shop"), alone);
}

#[test]
fn every_page_is_whole() {
    let codes: Vec<_> = pages().map(|page| page.code).collect();
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "{codes:?}");
    for page in pages() {
        for text in [page.cause, page.consequence, page.source] {
            assert!(text.len() > 10 && text.starts_with(|c: char| !c.is_whitespace()), "{}: {text}", page.code);
        }
        assert!(!page.title.ends_with('.') && page.title.len() < 80, "{}", page.code);
        assert!(page.cause.ends_with('.') && page.consequence.ends_with('.'), "{}", page.code);
        let example = fs::read_to_string(folder().join(format!("{}.bad.yaml", page.code))).unwrap();
        assert_eq!(page.example, example, "{}", page.code);
    }
}

/// No manifest is left over.
#[test]
fn every_manifest_belongs_to_a_page() {
    let codes: BTreeSet<_> = pages().map(|page| page.code).chain(RULES.iter().map(|rule| rule.name)).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(codes.contains(name.split('.').next().unwrap()), "{name}");
    }
}
