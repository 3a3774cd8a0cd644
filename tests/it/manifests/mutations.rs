//! Whatever becomes of a manifest, the program says something about it and does not stumble.

use super::{WEB, imported};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rollout_sim::check::suppression::suppress;
use rollout_sim::check::{Setting, check_all};
use rollout_sim::scenario::document::Table;
use rollout_sim::scenario::load::load_release;
use rollout_sim::scenario::manifests::release::releases;
use rollout_sim::scenario::manifests::stream::Stream;
use rollout_sim::scenario::sources::Sources;

/// What takes the place of a part of a line.
const SNIPPETS: [&str; 22] = [
    "",
    "null",
    "~",
    "yes",
    "-1",
    "0",
    "99999999999999999999",
    "1.5",
    "\"\"",
    "'",
    "[]",
    "{}",
    "{",
    "- x",
    "*a",
    "&a b",
    "|",
    ": :",
    "\t",
    "---",
    "{{ x }}",
    "ä€",
];

/// Reads all releases of a text, whatever it is.
fn read(text: &str) {
    let mut sources = Sources::default();
    sources.add_manifests("x.yaml", text, true);
    let (stream, _) = Stream::read(&sources);
    for release in releases(&stream) {
        let problems = match load_release(&sources, &release, (None, &Table::default()), &[]) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        for place in problems.into_iter().filter_map(|problem| problem.place) {
            let (source, within) = sources.locate(&place).expect("it is in the text");
            assert!(source.text.get(within.clone()).is_some(), "{within:?} is no part of\n{text}");
        }
    }
}

/// Checks all releases of a text: no rule stumbles, what is found is in the text, and so is what is proposed.
fn check(text: &str) {
    let mut sources = Sources::default();
    sources.add_manifests("x.yaml", text, true);
    let (stream, _) = Stream::read(&sources);
    let set = ["traffic.rate=1/s".to_owned()];
    let setting = Setting { scenario: (None, &Table::default()), overrides: &set, seeds: &[1] };
    let mut checked = check_all(&sources, &releases(&stream), setting);
    suppress(&sources, &mut checked);
    for finding in checked.iter().flat_map(|checked| &checked.findings) {
        let edits = finding.change.iter().flat_map(|change| &change.edits);
        for place in finding.place.iter().chain(edits.map(|edit| &edit.at)) {
            let (source, within) = sources.locate(place).expect("it is in the text");
            assert!(source.text.get(within.clone()).is_some(), "{within:?} is no part of\n{text}");
        }
    }
}

#[test]
fn no_changed_line_makes_it_stumble() {
    for_changed_lines(WEB, 3_000, read);
}

#[test]
fn no_changed_line_makes_a_rule_stumble() {
    let text = WEB.replace("replicas: 4", "replicas: 4 # sim-check: ignore K023 because x");
    assert_ne!(text, WEB);
    for_changed_lines(&format!("# sim-check: ignore K005 because x\n{text}"), 300, check);
}

/// With one to three lines of a text changed, as often as this.
fn for_changed_lines(text: &str, cases: u32, read: impl Fn(&str)) {
    let lines: Vec<_> = text.lines().collect();
    let change = (0..lines.len(), 0..SNIPPETS.len(), 0..4_usize, any::<prop::sample::Index>());
    let mut runner = TestRunner::new(Config { cases, rng_seed: RngSeed::Fixed(5), ..Config::default() });
    let result = runner.run(&proptest::collection::vec(change, 1..4), |changes| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for (line, snippet, how, at) in changes {
            let line = line.min(lines.len() - 1);
            let text = lines[line].clone();
            let snippet = SNIPPETS[snippet];
            match how {
                0 => lines[line] = snippet.to_owned(),
                1 => lines[line] = text.split_once(": ").map_or(String::new(), |(key, _)| format!("{key}: {snippet}")),
                2 => drop(lines.remove(line)),
                _ => {
                    let at = at.index(text.len() + 1);
                    lines[line] = format!("{}{snippet}{}", &text[..at], &text[at..]);
                }
            }
        }
        read(&lines.join("\n"));
        Ok(())
    });
    result.unwrap();
}

#[test]
fn no_byte_that_is_missing_or_cut_off_makes_it_stumble() {
    for at in 0..WEB.len() {
        read(&WEB[..at]);
        read(&format!("{}{}", &WEB[..at], &WEB[at + 1..]));
    }
}

#[test]
fn any_field_may_be_of_any_kind() {
    // In the place of each value of the Rollout: what the API server would refuse, or would not.
    let (rollout, rest) = WEB.split_once("---\n").unwrap();
    for (number, line) in rollout.lines().enumerate().filter(|(_, line)| line.contains(": ")) {
        for value in ["7", "text", "true", "[1]", "{ a: 1 }", "-3", "1e400", "0x10", "\"\""] {
            let changed = format!("{}: {value}", line.split_once(": ").unwrap().0);
            let lines = rollout
                .lines()
                .enumerate()
                .map(|(at, line)| if at == number { changed.clone() } else { line.to_owned() });
            let text = format!("{}\n---\n{rest}", lines.collect::<Vec<_>>().join("\n"));
            read(&text);
        }
    }
    assert!(imported(WEB, "", &[]).is_ok());
}
