//! The order of the layers and the banned words, read off the source itself. Tests at the foot of a file may look
//! anywhere; what is compiled into the program may not.

use crate::support;
use std::fs;
use std::path::Path;

/// Lowest first: a module uses only what stands before it.
const LAYERS: [&str; 11] =
    ["units", "random", "engine", "model", "run", "scenario", "simulation", "sweep", "check", "report", "cli"];

struct Exception {
    /// A file, or a folder and all in it, under `src/` without the ending.
    file: &'static str,
    /// The path that it uses, or the beginning of it.
    uses: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    reason: &'static str,
}

const UPWARDS: [Exception; 1] = [Exception {
    file: "model/tally",
    uses: "run",
    reason: "the books are kept in the form in which they are handed out: no copy of each second at the end",
}];

/// What every component of the model may know of it, besides its own parts: ids, the objects that several of them read,
/// what a request says and what it came to, arithmetic.
const COMMON: [&str; 16] = [
    "model::PodId",
    "model::Revision",
    "model::Service",
    "model::Update",
    "model::ingress",
    "model::manifest",
    "model::git",
    "model::http_request",
    "model::http_route",
    "model::request_match",
    "model::routing_object",
    "model::virtual_service",
    "model::weighted_route",
    "model::outcome",
    "model::fenceposts",
    "model::comparison",
];

/// One component that knows another.
const ACROSS: [Exception; 19] = [
    Exception {
        file: "model/manifest",
        uses: "model::load_balancer",
        reason: "a mirror is what routes say it is: Mirror, plain data",
    },
    Exception {
        file: "model/deployment",
        uses: "model::replica_set",
        reason: "the status that a ReplicaSet publishes is the Deployment controller's input: Status, nothing else",
    },
    Exception {
        file: "model/load_balancer/data_plane",
        uses: "model::application",
        reason: "the request path runs the program in the pod: a call for each request, no effect and no event",
    },
    Exception {
        file: "model/load_balancer/data_plane",
        uses: "model::traffic",
        reason: "the request path draws its requests itself, between two events",
    },
    Exception {
        file: "model/load_balancer/data_plane",
        uses: "model::tally",
        reason: "the request path counts each outcome where it falls",
    },
    Exception {
        file: "model/load_balancer_controller",
        uses: "model::load_balancer::listener_rule",
        reason: "the rules of a listener are what its calls are about: plain data, no effect and no event",
    },
    Exception {
        file: "model/http_route",
        uses: "model::load_balancer::listener_rule",
        reason: "it tells its own precedence as the rules of a listener: plain data, no effect and no event",
    },
    Exception {
        file: "model/virtual_service",
        uses: "model::load_balancer::listener_rule",
        reason: "it tells its own precedence as the rules of a listener: plain data, no effect and no event",
    },
    Exception {
        file: "model/weighted_route",
        uses: "model::load_balancer::listener_rule",
        reason: "it tells its own precedence as the rules of a listener: plain data, no effect and no event",
    },
    Exception {
        file: "model/routing_object",
        uses: "model::load_balancer::listener_rule",
        reason: "whatever its kind, it comes to the rules of a listener: plain data, no effect and no event",
    },
    Exception {
        file: "model/rollout/istio",
        uses: "model::load_balancer::listener_rule",
        reason: "the mirror of a route is written as proxies hold it: Mirror, plain data",
    },
    Exception {
        file: "model/rollout/alb",
        uses: "model::load_balancer::listener_rule",
        reason: "which requests a header route is meant for is what its condition says: Condition, plain data",
    },
    Exception {
        file: "model/pod",
        uses: "model::application",
        reason: "what the program does on SIGTERM decides how its pod ends: OnSigterm and DrainUntil, no state",
    },
    Exception {
        file: "model/application",
        uses: "model::traffic",
        reason: "a program takes a request: Request, no state",
    },
    Exception {
        file: "model/tally",
        uses: "model::metrics",
        reason: "what monitoring shows is counted where every outcome is counted, and only if somebody looks",
    },
    Exception { file: "model/people", uses: "model::metrics", reason: "people wait for a figure: Condition, no state" },
    Exception {
        file: "model/alert",
        uses: "model::metrics",
        reason: "an alert is about a figure: Condition, no state",
    },
    Exception {
        file: "model/rollout",
        uses: "model::analysis",
        reason: "the phase of an AnalysisRun is the Rollouts controller's input: Phase, nothing else",
    },
    Exception {
        file: "model/rollout",
        uses: "model::replica_set",
        reason: "the status that a ReplicaSet publishes is the Rollouts controller's input: Status, nothing else",
    },
];

const BANNED: [(&str, &str); 14] = [
    ("HashMap", "its order differs between runs: a Vec by id, or a BTreeMap"),
    ("HashSet", "its order differs between runs: a BTreeSet"),
    ("std::time", "a run knows simulated time only"),
    ("SystemTime", "a run knows simulated time only"),
    ("Instant::now", "a run knows simulated time only"),
    ("thread_rng", "a run draws from its own named streams"),
    ("StdRng", "it may change with a release"),
    ("SmallRng", "it may change with a release"),
    ("rand::rng", "a run draws from its own named streams"),
    ("RandomState", "its keys differ between runs"),
    (".ln()", "its last bit differs between platforms: libm::log"),
    (".exp()", "its last bit differs between platforms: libm::exp"),
    (".powf(", "its last bit differs between platforms: libm::pow"),
    ("f64::ln", "its last bit differs between platforms: libm::log"),
];

/// Words that `cli` alone may say.
const CLI_ONLY: [&str; 8] = ["println!", "eprintln!", "print!", "dbg!", "fs::", "std::fs", "env::", "std::env"];

const BANNED_MODULES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// One source file: its module's path (`model/pod`) and its program text, without comments and tests.
struct Source {
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources: Vec<_> = support::files(&root, "rs")
        .iter()
        .map(|path| {
            let module = path.strip_prefix(&root).unwrap().with_extension("");
            let parts: Vec<_> = module.iter().map(|part| part.to_str().unwrap()).collect();
            let module = parts.join("/");
            let module = module.strip_suffix("/mod").unwrap_or(&module).to_owned();
            Source { module, text: program_text(&fs::read_to_string(path).unwrap()) }
        })
        .collect();
    assert!(sources.len() > 30, "only {} files were found", sources.len());
    sources
}

/// Without comments, and without the tests at the foot.
fn program_text(text: &str) -> String {
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    program.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// A `//` inside of a string is none.
fn without_comment(line: &str) -> &str {
    let is_comment = |at: &usize| line[..*at].matches('"').count().is_multiple_of(2);
    let comment = line.match_indices("//").map(|(at, _)| at).find(is_comment);
    &line[..comment.unwrap_or(line.len())]
}

/// Every path of the crate that the module names, from the root on and with groups taken apart: in `model/pod`,
/// `use super::{PodId, scheduler::{self, Node}}` names `model::PodId`, `model::scheduler::self` and
/// `model::scheduler::Node`.
fn crate_paths(module: &str, text: &str) -> Vec<String> {
    let mut paths = vec![];
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root) {
            // The end of a longer name, or the second `super`.
            if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let (mut parents, mut rest) = (module.split('/').collect::<Vec<_>>(), &text[at..]);
            if let Some(after) = rest.strip_prefix("crate::") {
                (parents, rest) = (vec![], after);
            }
            while let Some(after) = rest.strip_prefix("super::") {
                parents.pop();
                rest = after;
            }
            let prefix: String = parents.iter().map(|parent| format!("{parent}::")).collect();
            expand(&prefix, rest, &mut paths);
        }
    }
    paths
}

/// Reads one tree of a `use`; returns what follows it.
fn expand<'a>(prefix: &str, text: &'a str, paths: &mut Vec<String>) -> &'a str {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '*';
    let end = text.find(|c: char| !is_path(c)).unwrap_or(text.len());
    let (path, mut rest) = text.split_at(end);
    let path = format!("{prefix}{path}");
    if !rest.starts_with('{') {
        paths.push(path);
        return rest;
    }
    rest = &rest[1..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        let next = expand(&path, rest, paths);
        // `as` and its name.
        rest = next.trim_start_matches(|c: char| c != ',' && c != '}');
    }
}

fn layer(path: &str) -> Option<usize> {
    let first = path.split(['/', ':']).next().unwrap();
    LAYERS.iter().position(|layer| *layer == first)
}

fn begins_with(path: &str, beginning: &str, separator: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

fn is_excepted(exceptions: &[Exception], module: &str, path: &str) -> bool {
    exceptions.iter().any(|it| begins_with(module, it.file, "/") && begins_with(path, it.uses, "::"))
}

/// Why a module may not use a path below `crate`; None if it may.
fn objection(module: &str, path: &str) -> Option<String> {
    let (Some(own), Some(other)) = (layer(module), layer(path)) else {
        return Some(format!("{module} uses {path}, which is no layer"));
    };
    if other > own && !is_excepted(&UPWARDS, module, path) {
        return Some(format!("{module} uses {path}: {} stands above {}", LAYERS[other], LAYERS[own]));
    }
    let component = |path: &str| path.replace('/', "::").split("::").nth(1).map(str::to_owned);
    let is_inside = LAYERS[own] == "model" && own == other;
    let knows = component(module) == component(path)
        || COMMON.iter().any(|common| begins_with(path, common, "::"))
        || is_excepted(&ACROSS, module, path);
    (is_inside && !knows).then(|| format!("{module} uses {path}: one component knows no other"))
}

fn assert_none(objections: &[String]) {
    assert!(objections.is_empty(), "\n{}", objections.join("\n"));
}

#[test]
fn every_module_uses_only_what_stands_to_its_left() {
    let mut objections = vec![];
    for Source { module, text } in sources().iter().filter(|source| !["lib", "main"].contains(&source.module.as_str()))
    {
        objections.extend(crate_paths(module, text).iter().filter_map(|path| objection(module, path)));
    }
    assert_none(&objections);
}

#[test]
fn every_exception_is_needed() {
    let sources = sources();
    for exception in UPWARDS.iter().chain(&ACROSS) {
        let uses = |source: &Source| {
            crate_paths(&source.module, &source.text).iter().any(|path| begins_with(path, exception.uses, "::"))
        };
        let mut files = sources.iter().filter(|source| begins_with(&source.module, exception.file, "/"));
        assert!(files.any(uses), "{} does not use {} any more", exception.file, exception.uses);
    }
}

#[test]
fn the_modules_of_the_crate_are_the_layers() {
    let sources = sources();
    let text = |module: &str| &sources.iter().find(|source| source.module == module).expect(module).text;
    let mut modules: Vec<_> = text("lib").lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    let mut layers = LAYERS.map(|layer| format!("{layer};"));
    modules.sort_unstable();
    layers.sort_unstable();
    assert_eq!(modules, layers);
    let main = text("main");
    assert!(main.contains("rollout_sim::cli"));
    assert_eq!(main.matches("rollout_sim::").count(), main.matches("rollout_sim::cli").count(), "main knows cli only");
}

#[test]
fn banned_words_are_absent() {
    let mut objections = vec![];
    for Source { module, text } in &sources() {
        let is_cli = begins_with(module, "cli", "/");
        for (number, line) in (1..).zip(text.lines()) {
            let banned = BANNED.iter().find(|(word, _)| line.contains(word));
            objections.extend(banned.map(|(word, why)| format!("{module}:{number}: {word}: {why}")));
            let word = CLI_ONLY.iter().find(|word| !is_cli && says(line, word));
            objections.extend(word.map(|word| format!("{module}:{number}: {word}: only cli may")));
        }
    }
    assert_none(&objections);
}

/// Whether the line has the word, and not as the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    let is_whole = |at: usize| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| is_whole(at))
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    for source in sources() {
        let says_nothing = source.module.split('/').any(|part| BANNED_MODULES.contains(&part));
        assert!(!says_nothing, "{}", source.module);
    }
}

#[test]
fn the_tests_of_this_file_can_fail() {
    let text = program_text(
        "use crate::model::{\n    PodId, pod::{self, Pod as P},\n}; // crate::cli\nfn f() { crate::units::g(\"a//b\") }\n\
         #[cfg(test)]\nmod tests {\n    use crate::cli;\n}",
    );
    assert_eq!(crate_paths("run", &text), ["model::PodId", "model::pod::self", "model::pod::Pod", "units::g"]);
    let text = "use super::super::tally::{self, Tally};\nuse super::Effect;";
    let paths = ["model::tally::self", "model::tally::Tally", "model::rollout::Effect"];
    assert_eq!(crate_paths("model/rollout/step", text), paths);

    assert!(objection("units", "random::Random").is_some(), "upwards");
    assert!(objection("engine", "model::PodId").is_some(), "upwards");
    assert!(objection("report/text", "cli::Exit").is_some(), "upwards");
    assert!(objection("model/pod", "model::scheduler::Scheduler").is_some(), "across");
    assert!(objection("model/load_balancer/mod", "model::tally::Tally").is_some(), "an exception of another file");
    assert!(objection("model/pod", "helpers::f").is_some(), "no layer");
    assert!(objection("model/load_balancer/data_plane", "model::tally::Tally").is_none());
    assert!(objection("model/load_balancer/target_group", "model::load_balancer::NodeId").is_none(), "its own part");
    assert!(objection("simulation", "model::pod::Pod").is_none(), "downwards");

    assert!(says("    fs::write(path)", "fs::"));
    assert!(!says("    refs::write(path)", "fs::"));
}
