//! Speed as quotients measured in one run: ours and the yardstick R in turn, A B A B.
//!
//! `cargo bench --bench speed`. Absolute times on a shared machine mean little; the median of the quotients repeats.

mod yardstick;

use rollout_sim::scenario::Scenario;
use rollout_sim::scenario::load::load;
use rollout_sim::simulation;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;

const ARTICLE: &str = include_str!("../scenarios/article/2-pod-tuning.toml");
const HEADER_ROUTE: &str = include_str!("../scenarios/routing/header-x-canary.toml");

/// What may be asked of each request besides, by its name in the report.
const EXTRAS: [(&str, &str, &str); 5] = [
    (
        "three classes",
        ARTICLE,
        "[[traffic.classes]]\nname = 'a'\nshare = 0.2\n[[traffic.classes]]\nname = 'b'\nshare = 0.3\n\
         [[traffic.classes]]\nname = 'c'\n",
    ),
    ("100,000 users", ARTICLE, "[[traffic.classes]]\nname = 'a'\nusers = 100000\n"),
    (
        "100,000 users by Zipf",
        ARTICLE,
        "[[traffic.classes]]\nname = 'a'\nusers = { count = 100000, activity = { zipf = 1.0 } }\n",
    ),
    (
        "100,000 users in sessions",
        ARTICLE,
        "[[traffic.classes]]\nname = 'a'\n\
         users = { count = 100000, requests_per_session = 10, think_time = { exponential = '5s' } }\n",
    ),
    ("classes, users and a header route", HEADER_ROUTE, ""),
];

/// A deployment, its steady state prolonged: through the full data plane.
fn prolonged(text: &str, hours: u64) -> Scenario {
    let duration = format!("simulation.duration=\"{hours}h\"");
    load(text, "speed", &[duration]).expect("the scenario is right").scenario
}

/// Nanoseconds per request.
fn ours(scenario: &Scenario) -> f64 {
    let start = Instant::now();
    let run = black_box(simulation::run(scenario, 1));
    start.elapsed().as_secs_f64() * 1e9 / run.requests.total as f64
}

/// Nanoseconds per request.
fn yardstick(hours: u64) -> f64 {
    let start = Instant::now();
    let (requests, checksum) = yardstick::play(hours * 3600);
    black_box(checksum);
    start.elapsed().as_secs_f64() * 1e9 / requests as f64
}

fn report(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    println!("{name:<44} {:8.3}   ({least:.3} to {most:.3})", values[values.len() / 2]);
}

/// The most memory that this process ever held, where the system tells.
fn peak_mebibytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

fn main() {
    let (day, hour) = (prolonged(ARTICLE, 24), prolonged(ARTICLE, 1));
    ours(&hour);
    if let Some(peak) = peak_mebibytes() {
        println!("{:<44} {peak:8.1}", "peak memory after 1 h, MiB");
    }
    ours(&day);
    if let Some(peak) = peak_mebibytes() {
        println!("{:<44} {peak:8.1}", "peak memory after 24 h, MiB");
    }
    let (mut r, mut long, mut quotients, mut linearity) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (ours_long, yardstick) = (ours(&day), yardstick(24));
        let short: f64 = (0..24).map(|_| ours(&hour)).sum::<f64>() / 24.0;
        r.push(yardstick);
        long.push(ours_long);
        quotients.push(ours_long / yardstick);
        linearity.push(ours_long / short);
    }
    report("R, ns per request", r);
    report("ours, 24 h of the article, ns per request", long);
    report("ours ÷ R", quotients);
    report("ns per request at 24 h ÷ at 1 h", linearity);
    for (name, text, classes) in EXTRAS {
        let with = prolonged(&format!("{text}{classes}"), 6);
        let without = prolonged(ARTICLE, 6);
        let quotients = (0..ROUNDS).map(|_| ours(&with) / ours(&without)).collect();
        report(&format!("ns per request with {name} ÷ without"), quotients);
    }
}
