//! Other people's manifests, where they are: `manifests` in the folder that `SIM_CORPUS` names, or in `../shared/corpus`.
//! Each valid Rollout is released to an end; each invalid file gets the finding that it is there for.

use rayon::prelude::*;
use rollout_sim::report::resolved::of_manifests;
use rollout_sim::scenario::document::{Kind, Node, Table};
use rollout_sim::scenario::load::{load, load_release};
use rollout_sim::scenario::manifests::ignored::{Ignored, Reason};
use rollout_sim::scenario::manifests::release::releases;
use rollout_sim::scenario::manifests::stream::Stream;
use rollout_sim::scenario::manifests::yaml::documents;
use rollout_sim::scenario::sources::Sources;
use rollout_sim::simulation::run;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is told of an invalid file: its message begins so, and stands in this line.
const INVALID: [(&str, &str, usize); 5] = [
    (
        "invalid-nginx-canary.yml",
        "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio",
        98,
    ),
    ("invalid-unknown-field.yml", "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'", 9),
    ("invalid.yml", "MaxSurge and MaxUnavailable both can not be zero", 12),
    ("malformed-rollout.yaml", "\"invalid\" is no quantity", 19),
    ("block3.yaml", "a text behind `|` or `>` stands further in than its key", 11),
];

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::env::var_os("SIM_CORPUS").map_or_else(|| here.join("../shared/corpus"), PathBuf::from);
    let folder = corpus.join("manifests");
    folder.is_dir().then_some(folder)
}

fn facts(folder: &Path) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(folder.join("sources.json")).unwrap();
    let Value::Object(files) = serde_json::from_str::<Value>(&text).unwrap()["files"].take() else {
        panic!("files is an object")
    };
    files.into_iter().collect()
}

fn sources(paths: &[PathBuf]) -> Sources {
    let mut sources = Sources::default();
    for path in paths {
        sources.add_manifests(&path.display().to_string(), &fs::read_to_string(path).unwrap(), true);
    }
    sources
}

/// Files of one repository and folder belong together, if each of them has its own objects.
fn deployments(folder: &Path, files: &BTreeMap<String, Value>) -> Vec<Vec<PathBuf>> {
    let valid = files.keys().filter(|name| !name.starts_with("invalid/"));
    let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for name in valid {
        let is_part = ["_ingress.yaml", "_rollout.yaml", "_services.yaml"].iter().any(|end| name.ends_with(end));
        let stem = name.rsplit_once('_').map_or(name.as_str(), |(stem, _)| stem);
        let group = if is_part { stem.to_owned() } else { name.clone() };
        groups.entry(group).or_default().push(folder.join(name));
    }
    groups.into_values().collect()
}

#[test]
fn every_valid_rollout_is_released_to_an_end() {
    let Some(folder) = corpus() else { return };
    let files = facts(&folder);
    let released: Vec<usize> = deployments(&folder, &files)
        .par_iter()
        .map(|paths| {
            let sources = sources(paths);
            let (stream, problems) = Stream::read(&sources);
            assert_eq!(problems, [], "{paths:?}");
            let releases = releases(&stream);
            for release in &releases {
                let loaded = load_release(&sources, release, (None, &Table::default()), &[])
                    .unwrap_or_else(|problems| panic!("{paths:?}: {problems:#?}"));
                let unknown: Vec<_> = loaded.warnings.iter().map(|problem| problem.message.as_str()).collect();
                assert!(unknown.iter().all(|message| !message.starts_with("unknown ")), "{paths:?}: {unknown:?}");
                let run = run(&loaded.scenario, 1);
                assert_eq!(run.rollout.outcome.name(), "promoted", "{paths:?}: {:?}", run.waits_for);
                agrees(&loaded.scenario, &files, paths);
                // As a scenario the same is the same.
                let text = of_manifests(&loaded);
                let again = load(&text, "again", &[]).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
                let again = rollout_sim::simulation::run(&again.scenario, 1);
                assert_eq!(again.fingerprint, run.fingerprint, "{paths:?}\n{text}");
            }
            releases.iter().filter(|release| release.is_rollout()).count()
        })
        .collect();
    let expected: usize = files
        .iter()
        .filter(|(name, _)| !name.starts_with("invalid/"))
        .map(|(_, file)| file["facts"]["rollouts"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(released.iter().sum::<usize>(), expected);
}

/// What becomes of the leaves of a file's values: used, known and without a part in the simulation, unknown.
fn shares(sources: &Sources, ignored: &[Ignored]) -> [usize; 3] {
    let mut counts = [0; 3];
    for source in sources.manifests() {
        for document in documents(&source.text, source.start) {
            count(&document.unwrap(), (ignored, 0), &mut counts);
        }
    }
    counts
}

fn count(node: &Node, (ignored, class): (&[Ignored], usize), counts: &mut [usize; 3]) {
    // What belongs to an object and says nothing of its behaviour.
    const OF_EVERY_OBJECT: [&str; 2] = ["metadata", "status"];
    let class_of = |place: &Option<std::ops::Range<usize>>| {
        ignored.iter().find(|ignored| ignored.place.is_some() && ignored.place == *place).map(|ignored| {
            match ignored.reason {
                Reason::Unknown => 2,
                Reason::WithoutEffect | Reason::NotSimulated => 1,
            }
        })
    };
    let class = class_of(&node.place).unwrap_or(class);
    match &node.kind {
        Kind::Table(table) => {
            for entry in &table.entries {
                let is_plain = OF_EVERY_OBJECT.contains(&entry.key.as_str()) && entry.value.table().is_some();
                let own = class_of(&entry.key_place).unwrap_or(if is_plain { 1 } else { class });
                let is_used = ["name", "namespace", "annotations"].contains(&entry.key.as_str()) && class == 1;
                count(&entry.value, (ignored, if is_used { 0 } else { own }), counts);
            }
        }
        Kind::Array(items) => items.iter().for_each(|item| count(item, (ignored, class), counts)),
        Kind::String(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) => {
            counts[class] += 1
        }
    }
}

#[test]
fn most_of_a_manifest_is_used_and_nothing_is_unknown() {
    let Some(folder) = corpus() else { return };
    println!("used  ignored  unknown");
    let (mut used, mut all) = (0, 0);
    for paths in deployments(&folder, &facts(&folder)) {
        let sources = sources(&paths);
        let (stream, _) = Stream::read(&sources);
        for release in releases(&stream) {
            let loaded = load_release(&sources, &release, (None, &Table::default()), &[]).unwrap();
            let counts = shares(&sources, &loaded.ignored);
            println!("{:4}  {:7}  {:7}  {}", counts[0], counts[1], counts[2], sources.texts()[0].name);
            assert_eq!(counts[2], 0, "{paths:?}");
            used += counts[0];
            all += counts.iter().sum::<usize>();
        }
    }
    assert!(used * 2 > all, "{used} of {all}");
}

/// With what the real types make of the same file.
fn agrees(scenario: &rollout_sim::scenario::Scenario, files: &BTreeMap<String, Value>, paths: &[PathBuf]) {
    let facts = paths.iter().find_map(|path| {
        let file = &files[path.file_name()?.to_str()?];
        Some(file["facts"]["rollouts"].as_array()?.first()?.clone())
    });
    let Some(facts) = facts else { return };
    assert_eq!(u64::from(scenario.workload.replicas()), facts["replicas"].as_u64().unwrap(), "{paths:?}");
    assert_eq!(scenario.workload.steps().len() as u64, facts["steps"].as_u64().unwrap_or(0), "{paths:?}");
    let is_routed = facts["routers"].as_array().is_some_and(|routers| !routers.is_empty());
    assert_eq!(scenario.workload.is_traffic_routed(), is_routed, "{paths:?}");
    let canary = scenario.workload.canary();
    let is_dynamic = canary.is_some_and(|canary| canary.dynamic_stable_scale);
    assert_eq!(is_dynamic, facts["dynamicStableScale"].as_bool().unwrap_or(false), "{paths:?}");
}

#[test]
fn every_invalid_file_gets_the_finding_that_it_is_there_for() {
    let Some(folder) = corpus() else { return };
    let invalid: Vec<_> = facts(&folder).into_keys().filter(|name| name.starts_with("invalid/")).collect();
    assert_eq!(invalid.len(), INVALID.len());
    for name in invalid {
        let (_, message, line) = INVALID.iter().find(|(end, ..)| name.ends_with(end)).expect("it is known");
        let sources = sources(&[folder.join(&name)]);
        let (stream, mut problems) = Stream::read(&sources);
        for release in releases(&stream) {
            problems.extend(load_release(&sources, &release, (None, &Table::default()), &[]).err().unwrap_or_default());
        }
        let found = problems.iter().find(|problem| problem.message.starts_with(message));
        let place = found.unwrap_or_else(|| panic!("{name}: {problems:#?}")).place.clone().expect("it has a place");
        assert_eq!(sources.line_and_column(place.start).0, *line, "{name}");
    }
}
