//! Sweeps: the same bytes however they were made, a border that can be worked out by hand, and what is refused.

use rollout_sim::cli::gallery;
use rollout_sim::report::sweep::definition::Definition;
use rollout_sim::scenario::load::load;
use rollout_sim::sweep::play::{Batch, Cell, play};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Short, and some of its cells lose requests.
pub const SCENARIO: &str = r#"title = "Short"
[simulation]
warmup = "5s"
cooldown = "5s"
[traffic]
rate = "20/s"
[rollout]
replicas = 4
[rollout.strategy.canary]
trafficRouting.alb = { ingress = "web", rootService = "web-root", servicePort = 80 }
dynamicStableScale = true
steps = [{ setWeight = 50 }, { pause = { duration = "10s" } }]
[load_balancer_controller]
rule_lag = "5s"
[thresholds]
"elb_5xx{seeds=p95}.count" = "< 40"
"#;

const AXES: [&str; 4] = [
    "--vary",
    "load_balancer_controller.rule_lag=0s..45s:5s",
    "--vary",
    "rollout.template.spec.containers[0].lifecycle.preStop.sleep.seconds=0..27:3",
];

pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("x.toml"), SCENARIO).unwrap();
    folder
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    command_of(env!("CARGO_BIN_EXE_sim"), folder, arguments)
}

fn command_of(program: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CI_NODE_INDEX", "JOB_COMPLETION_INDEX"] {
        command.env_remove(variable);
    }
    command
}

pub fn sim(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn sweep<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "x.toml", "--seeds", "2", "--runs", "-q"], &AXES[..], rest].concat()
}

/// Of so many runs that a signal comes long before the last of them.
fn long_sweep<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "x.toml", "--seeds", "24", "--runs", "-q"], &AXES[..], rest].concat()
}

pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect();
    files.sort();
    files
}

pub fn assert_same(a: &Path, b: &Path) {
    let (a_files, b_files) = (files(a), files(b));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&a_files), names(&b_files), "{} and {}", a.display(), b.display());
    for ((name, a_bytes), (_, b_bytes)) in a_files.iter().zip(&b_files) {
        assert_eq!(a_bytes, b_bytes, "{name} of {} and {}", a.display(), b.display());
    }
}

#[test]
fn threads_and_shards_do_not_show_in_the_bytes() {
    let folder = folder("same_bytes");
    for threads in ["1", "2", "8"] {
        let output = sim(&folder, &sweep(&["--threads", threads, "-o", threads]));
        // Some cells do not meet the threshold: an answer.
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    }
    assert_same(&folder.join("1"), &folder.join("2"));
    assert_same(&folder.join("1"), &folder.join("8"));
    let names: Vec<_> = files(&folder.join("1")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cells.csv", "runs.csv", "sweep.json", "sweep.svg"]);
    for count in [3, 7] {
        let mut merge = vec!["merge".to_owned(), "-q".to_owned(), "-o".to_owned(), format!("merged-{count}")];
        // From the last to the first: the order in which they are named does not matter.
        for index in (0..count).rev() {
            let (shard, name) = (format!("{index}/{count}"), format!("shard-{index}-{count}"));
            let output = sim(&folder, &sweep(&["--shard", &shard, "-o", &name]));
            assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
            merge.push(name);
        }
        let output = sim(&folder, &merge.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_same(&folder.join("1"), &folder.join(format!("merged-{count}")));
    }
}

fn rows(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Starts a sweep, waits until it has added a row, and sends a signal. Returns the exit code.
fn interrupt(folder: &Path, arguments: &[&str], table: &Path, signal: &str) -> Option<i32> {
    let before = rows(table).max(1);
    let mut child: Child = command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while rows(table) <= before && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "it ended before the signal came");
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_goes_on_where_it_was() {
    let folder = folder("interrupted");
    assert_eq!(sim(&folder, &long_sweep(&["-o", "whole"])).status.code(), Some(1));
    for (signal, code) in [("-INT", Some(130)), ("-TERM", Some(143)), ("-KILL", None)] {
        let name = ["cut", signal].concat();
        let table = folder.join(&name).join("cells.csv.part");
        // Rows come in batches, so that these are three moments of the sweep.
        for round in 0..3 {
            let resume: &[&str] = if round == 0 { &[] } else { &["--resume"] };
            let arguments = long_sweep(&[&["--threads", "1", "-o", &name][..], resume].concat());
            let before = rows(&table);
            let ended = interrupt(&folder, &arguments, &table, signal);
            assert_eq!(ended, code, "{signal} in round {round}");
            assert!(rows(&table) > before && !folder.join(&name).join("cells.csv").exists());
            if round == 0 {
                let refused = sim(&folder, &long_sweep(&["-o", &name]));
                assert!(stderr(&refused).contains("holds this sweep, interrupted"), "{}", stderr(&refused));
                assert_eq!(refused.status.code(), Some(2));
                // A row that was written in part, as a full disk or a power cut leaves it.
                let mut text = fs::read_to_string(&table).unwrap();
                text.push_str("23,0s,9,tr");
                fs::write(&table, text).unwrap();
            }
        }
        // The second time nothing is left to play.
        for _ in 0..2 {
            let output = sim(&folder, &long_sweep(&["-o", &name, "--resume"]));
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert_same(&folder.join("whole"), &folder.join(&name));
        }
        let again = sim(&folder, &long_sweep(&["-o", &name, "--resume"]));
        assert!(stderr(&again).contains("nothing is left to play"), "{}", stderr(&again));
    }
}

#[test]
fn a_missing_a_doubled_and_a_foreign_shard_are_named() {
    let folder = folder("shards");
    let small = ["sweep", "x.toml", "-q", "--exit-zero", "--vary", "rollout.replicas=2,3,4,5"];
    for (index, name) in [("0/2", "a"), ("1/2", "b"), ("0/2", "again"), ("0/3", "third")] {
        let output = sim(&folder, &[&small[..], &["--shard", index, "-o", name]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    sim(&folder, &["sweep", "x.toml", "-q", "--vary", "rollout.replicas=2,3", "--shard", "1/2", "-o", "foreign"]);
    sim(&folder, &["run", "x.toml", "-q", "-o", "run"]);
    for (shards, message) in [
        (&["a"][..], "shard 1/2 is missing"),
        (&["third"], "2 of 3 shards are missing, 1/3 the first of them"),
        (&["a", "b", "again"], "a and again are both shard 0/2"),
        (&["a", "foreign"], "a and foreign are of different sweeps"),
        (&["a", "third"], "a is one of 2 shards, third one of 3"),
        (&["a", "run"], "run holds no sweep"),
        (&["a", "nowhere"], "nowhere holds no sweep"),
    ] {
        let output = sim(&folder, &[&["merge", "-o", "merged"], shards].concat());
        assert!(stderr(&output).starts_with(&format!("error: {message}")), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(!folder.join("merged").exists());
    }
    let plot = sim(&folder, &["plot", "a"]);
    assert!(stderr(&plot).starts_with("error: a is a shard"), "{}", stderr(&plot));
    assert_eq!(sim(&folder, &["merge", "-q", "--exit-zero", "-o", "merged", "b", "a"]).status.code(), Some(0));
}

#[test]
fn a_cell_that_cannot_run_is_a_row_and_stops_nobody() {
    let folder = folder("invalid");
    let output = sim(&folder, &["sweep", "x.toml", "--vary", "rollout.strategy.canary.steps[0].setWeight=50,101,60"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let table = fs::read_to_string(folder.join("output/x/cells.csv")).unwrap();
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[2].contains("SetWeight needs to be between 0 and 100") && rows[2].ends_with(",,,"), "{}", rows[2]);
    assert!(rows[3].starts_with("2,60,") && !rows[3].ends_with(",,"), "{}", rows[3]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("setWeight = 101: ") && text.contains("✗ 1 cell could not run"), "{text}");
}

#[test]
fn what_makes_no_sweep_is_refused_and_nothing_is_written() {
    let folder = folder("refused");
    fs::create_dir(folder.join("foreign")).unwrap();
    fs::write(folder.join("foreign/cells.csv"), "mine").unwrap();
    for (arguments, message) in [
        (&["--vary", "rollout.replica=2,3"][..], "unknown key `replica`"),
        (&["--vary", "traffic.rate=50/s..10/s:5/s"], "--vary `traffic.rate`: the range is empty"),
        (&["--vary", "rollout.replicas=2..9:0"], "--vary `rollout.replicas`: the step is 0"),
        (&["--vary", "rollout.replicas=2..9:-1"], "--vary `rollout.replicas`: the range is empty"),
        (&["--vary", "rollout.replicas=2..9"], "`rollout.replicas` is a range without a step"),
        (&["--vary", "rollout.replicas=1..1000000000:1"], "1000000000 cells, 1000000000 runs"),
        (&["--vary", "rollout.replicas=2;rollout.replicas=3"], "--vary `rollout.replicas` stands twice"),
        (&["--vary", "rollout.replicas=2,2"], "--vary `rollout.replicas` takes the value 2 twice"),
        (&["--vary", "rollout.replicas=2", "--set", "rollout.replicas=3"], "`rollout.replicas` is set and varied"),
        (&[], "there is nothing to vary"),
        (&["--vary", "rollout.replicas=2", "--shard", "2/2"], "--shard 2/2: shards count from 0"),
        (&["--vary", "rollout.replicas=2", "--figure", "elb_508"], "a sweep keeps no figure `elb_508`"),
        (&["--vary", "seed=1,2"], "--vary `seed` belongs to the sweep as a whole"),
        (&["--vary", "rollout.replicas=0..1000000000000000:0.000000001"], "--vary `rollout.replicas`: more values"),
        (
            &["--vary", "traffic={ rate = \"9/s\" }", "--vary", "traffic.rate=5/s"],
            "`traffic` and `traffic.rate` are axes",
        ),
        (&["--vary", "rollout.replicas=2", "--fail-fast", "--set", "thresholds={}"], "--fail-fast waits for"),
        (&["--vary", "rollout.replicas=2", "-o", "foreign"], "foreign holds a cells.csv that is not of this program"),
        (
            &["--vary", "rollout.replicas=2", "--parquet"],
            if cfg!(feature = "parquet") { "--parquet holds the rows" } else { "this build writes no Parquet" },
        ),
        (&["--vary", "scenario=y.toml"], "cannot read y.toml: there is no such file"),
    ] {
        let output = sim(&folder, &[&["sweep", "x.toml"], arguments].concat());
        assert!(stderr(&output).contains(&format!("error: {message}")), "{message}: {}", stderr(&output));
        let code = if message.starts_with("cannot read") { 3 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(!folder.join("output").exists(), "{message}");
    }
    let nearest = sim(&folder, &["sweep", "x.toml", "--vary", "rollout.replica=2"]);
    assert!(stderr(&nearest).contains("did you mean `replicas`?"), "{}", stderr(&nearest));
    assert_eq!(fs::read_to_string(folder.join("foreign/cells.csv")).unwrap(), "mine");

    let own = ["sweep", "x.toml", "-q", "--exit-zero", "--vary", "rollout.replicas=2"];
    assert_eq!(sim(&folder, &own).status.code(), Some(0));
    let before = files(&folder.join("output/x"));
    let other = sim(&folder, &["sweep", "x.toml", "-q", "--vary", "rollout.replicas=3"]);
    assert!(stderr(&other).contains("output/x holds another sweep (other axes)"), "{}", stderr(&other));
    assert_eq!((other.status.code(), files(&folder.join("output/x"))), (Some(2), before));
}

#[test]
fn a_table_that_cannot_be_written_is_said() {
    let folder = folder("full");
    // No file may grow beyond eight blocks: as on a full disk, each write behind them fails.
    let line = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let vary = ["--vary", "load_balancer_controller.rule_lag=0s..19s:1s"];
    let play = [&["sweep", "x.toml", "-q", "--exit-zero", "--seeds", "2"], &vary[..]].concat();
    let output = command_of("sh", &folder, &[&["-c", line, env!("CARGO_BIN_EXE_sim")], &play[..]].concat()).output();
    let output = output.unwrap();
    assert!(stderr(&output).contains("cannot write output/x/cells.csv.part: File too large"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(sim(&folder, &[&play[..], &["--resume"]].concat()).status.code(), Some(0));
    sim(&folder, &[&play[..], &["-o", "whole"]].concat());
    assert_same(&folder.join("whole"), &folder.join("output/x"));
}

#[test]
fn a_sweep_in_the_file_says_the_same_as_on_the_command_line() {
    let folder = folder("in_the_file");
    let table =
        "[sweep]\nseeds = 2\nvary = [\"rollout.replicas=2,4\", \"traffic.rate=10/s,20/s;simulation.warmup=1s,2s\"]\n";
    fs::write(folder.join("y.toml"), format!("{SCENARIO}{table}")).unwrap();
    assert_eq!(sim(&folder, &["sweep", "y.toml", "-q", "--exit-zero", "-o", "file"]).status.code(), Some(0));
    let vary = ["--vary", "rollout.replicas=2,4", "--vary", "traffic.rate=10/s,20/s;simulation.warmup=1s,2s"];
    assert_eq!(
        sim(&folder, &[&["sweep", "x.toml", "-q", "--seeds", "2", "--exit-zero", "-o", "line"], &vary[..]].concat())
            .status
            .code(),
        Some(0)
    );
    let cells = |name: &str| fs::read_to_string(folder.join(name).join("cells.csv")).unwrap();
    assert_eq!(cells("file"), cells("line"));
    assert_eq!(cells("file").lines().count(), 1 + 4);
}

#[test]
fn scenario_files_can_be_an_axis() {
    let folder = folder("files");
    fs::write(folder.join("fixed.toml"), SCENARIO.replace("dynamicStableScale = true", "dynamicStableScale = false"))
        .unwrap();
    let output =
        sim(&folder, &["sweep", "x.toml", "--vary", "scenario=x.toml,fixed.toml", "--vary", "rollout.replicas=2,4"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    let table = fs::read_to_string(folder.join("output/x/cells.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let names: Vec<_> = rows.iter().map(|row| (row[1], row[2])).collect();
    assert_eq!(names, [("x.toml", "2"), ("x.toml", "4"), ("fixed.toml", "2"), ("fixed.toml", "4")]);
    assert_ne!(rows[1][6..], rows[3][6..], "they are different scenarios");
}

#[test]
fn fail_fast_stops_at_the_first_cell_that_is_not_safe() {
    let folder = folder("fail_fast");
    let output = sim(&folder, &sweep(&["--fail-fast", "-o", "fast"]));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let table = fs::read_to_string(folder.join("fast/cells.csv.part")).unwrap();
    let met: Vec<_> = table.lines().skip(1).map(|row| row.split(',').nth(3).unwrap()).collect();
    assert_eq!(met.iter().position(|met| *met == "false"), Some(met.len() - 1), "{met:?}");
    // Started again, it says so at once.
    let again = sim(&folder, &sweep(&["--fail-fast", "--resume", "-o", "fast", "--exit-zero"]));
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(folder.join("fast/cells.csv.part")).unwrap(), table);
    assert_eq!(sim(&folder, &sweep(&["--resume", "-o", "fast"])).status.code(), Some(1));
    sim(&folder, &sweep(&["-o", "whole"]));
    assert_same(&folder.join("whole"), &folder.join("fast"));
}

#[test]
fn a_sweeps_folder_can_be_drawn_again() {
    let folder = folder("plot");
    sim(&folder, &sweep(&["-o", "s"]));
    let before = fs::read(folder.join("s/sweep.svg")).unwrap();
    assert_eq!(sim(&folder, &["plot", "s", "-q"]).status.code(), Some(0));
    assert_eq!(fs::read(folder.join("s/sweep.svg")).unwrap(), before);
    let output = sim(&folder, &["plot", "s", "--figure", "pods.peak", "-o", "peak.svg"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::read_to_string(folder.join("peak.svg")).unwrap().contains("pods at the peak, mean of the seeds"));
    let output = sim(&folder, &["plot", "s", "-q", "-o", "s.png"]);
    if cfg!(feature = "png") {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let bytes = fs::read(folder.join("s.png")).unwrap();
        assert_eq!(
            (&bytes[..8], &bytes[12..20]),
            (&b"\x89PNG\r\n\x1a\n"[..], &b"IHDR\0\0\x04\xb0"[..]),
            "1200 pixels wide"
        );
        sim(&folder, &["plot", "s", "-q", "-o", "again.png"]);
        assert_eq!(fs::read(folder.join("again.png")).unwrap(), bytes);
    } else {
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    let output = sim(&folder, &["plot", "s", "--cells", "0,99"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "s/timelines.svg\n", "{}", stderr(&output));
    assert!(fs::read_to_string(folder.join("s/timelines.svg")).unwrap().contains("Cell 99: rule_lag = 45s"));
    let output = sim(&folder, &["plot", "s", "--cells", "100"]);
    assert!(stderr(&output).contains("there is no cell 100: they count from 0 to 99"), "{}", stderr(&output));
}

/// The sum that `scenarios/sweeps/scale-down-delay.toml` states, in tenths of a second from the switch of the Service on.
fn is_safe(rule_lag: u64, scale_down_delay: u64) -> bool {
    let (rule_lag, pods_end, targets) = (10 * rule_lag, 10 * scale_down_delay - 2, 172);
    let old_rule = rule_lag.saturating_sub(596).min(targets);
    let new_rule_is_faster = rule_lag < targets;
    pods_end >= old_rule && (pods_end >= targets || !new_rule_is_faster)
}

#[test]
fn the_border_of_no_failed_request_lies_where_the_sum_puts_it() {
    let (_, text) = gallery::find("scale-down-delay").unwrap();
    let section = load(text, "scale-down-delay", &[]).unwrap().sweep;
    let source = rollout_sim::sweep::plan::Source {
        path: String::new(),
        name: "scale-down-delay".into(),
        text: text.to_owned(),
        recording: None,
    };
    let definition = Definition {
        name: "scale-down-delay".into(),
        title: String::new(),
        version: String::new(),
        axes: section.vary.iter().map(|vary| vary.axis.clone()).collect(),
        sample: None,
        set: vec![],
        seeds: (1..=u64::from(section.seeds.unwrap())).collect(),
        sources: vec![source],
        runs: false,
    };
    let plan = definition.plan().unwrap();
    assert!(plan.design.cells() >= 400 && plan.seeds.len() >= 5);
    let values = |cell: u64| {
        let number = |text: &str| text.trim_end_matches('s').parse::<u64>().unwrap();
        let values = plan.design.values(cell);
        (number(&values[0]), number(&values[1]))
    };
    let safe = |cell: u64| is_safe(values(cell).0, values(cell).1);
    // On both sides of the border, in every row that it crosses.
    let at_the_border = |cell: &u64| (1..20).contains(&(cell % 20)) && safe(*cell) != safe(cell - 1);
    let mut cells: Vec<u64> = (0..400).filter(at_the_border).flat_map(|cell| [cell - 1, cell]).collect();
    cells.extend([45, 165, 185]);
    cells.sort_unstable();
    // 10, 16, 64, 70, 76 s, and of the rows from 82 s on, which are all the same, two.
    cells.retain(|cell| values(*cell).0 <= 88);
    assert!(cells.len() >= 16, "{cells:?}");
    let mut played = Vec::new();
    play(&plan, cells.into_iter(), Batch::Long, &|| false, |cell| {
        played.push(cell);
        ControlFlow::Continue(())
    });
    for Cell { index, outcome, .. } in played {
        let (rule_lag, delay) = values(index);
        let outcome = outcome.unwrap();
        let met = outcome.verdicts.iter().all(|verdict| verdict.met);
        assert_eq!(met, is_safe(rule_lag, delay), "rule_lag {rule_lag} s, delay {delay} s: {:?}", outcome.verdicts);
    }
}
