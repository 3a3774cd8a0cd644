//! One pod as an M/M/c queue: its mean waiting time is known exactly (A. K. Erlang, 1917), whatever the code looks like.

use crate::support;
use rayon::prelude::*;
use rollout_sim::simulation::run_traced;

/// Poisson arrivals, exponential service, one pod that nothing ever happens to. Waiting ends neither in a full backlog
/// nor in a time-out, and no connection is closed before its time.
const ONE_POD: &str = r#"
[simulation]
warmup = "0s"
[rollout]
replicas = 1
[rollout.strategy.canary]
trafficRouting.alb = {}
steps = [{ pause = {} }]
[ingress.annotations]
"alb.ingress.kubernetes.io/healthcheck-interval-seconds" = "300"
"alb.ingress.kubernetes.io/load-balancer-attributes" = "idle_timeout.timeout_seconds=4000"
[application]
backlog = 1000000
keep_alive = "2h"
[load_balancer]
nodes = 1
"#;

struct Case {
    /// Workers.
    servers: u32,
    /// Arrivals in a thousandth of the time that a worker takes, per worker: the load in per mille.
    load_per_mille: u32,
    /// So many requests are served.
    requests: u32,
    /// The half width of the confidence interval must stay below this share of the mean, else the test says nothing.
    widest: f64,
}

/// Probability that an arrival finds all servers busy.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let offered = load * f64::from(servers);
    // Erlang B by its recursion over the servers.
    let blocked = (1..=servers).map(f64::from).fold(1.0, |blocked, k| offered * blocked / (k + offered * blocked));
    blocked / (1.0 - load * (1.0 - blocked))
}

const BATCHES: usize = 30;
/// Student's t with 29 degrees of freedom: 99.9 % of the draws lie between -t and t. Nine cases are tested.
const T_999: f64 = 3.659;

/// Mean of the batch means and half the width of its confidence interval. The first batch is thrown away: the queue
/// fills up in it.
fn batch_means(waits: &[f64]) -> (f64, f64) {
    let size = waits.len() / (BATCHES + 1);
    let means: Vec<_> =
        waits.chunks_exact(size).skip(1).take(BATCHES).map(|batch| batch.iter().sum::<f64>() / size as f64).collect();
    let n = BATCHES as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|batch| (batch - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, T_999 * (variance / n).sqrt())
}

#[test]
fn erlang_c_has_its_known_values() {
    // One server: the load itself. Two servers at one half: 1/3.
    assert!((erlang_c(1, 0.8) - 0.8).abs() < 1e-12);
    assert!((erlang_c(2, 0.5) - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn the_mean_wait_in_one_pod_is_erlangs() {
    let case = |servers, load_per_mille, requests, widest| Case { servers, load_per_mille, requests, widest };
    let cases = [
        case(1, 500, 300_000, 0.05),
        case(1, 800, 600_000, 0.08),
        case(1, 950, 1_000_000, 0.25),
        case(4, 500, 700_000, 0.08),
        case(4, 800, 600_000, 0.08),
        case(4, 950, 1_000_000, 0.25),
        // One of 3,400 requests waits at all.
        case(32, 500, 3_000_000, 0.5),
        case(32, 800, 2_000_000, 0.12),
        case(32, 950, 1_000_000, 0.25),
    ];
    cases.par_iter().for_each(agrees_with_erlang);
}

fn agrees_with_erlang(case: &Case) {
    let Case { servers, load_per_mille, requests, widest } = *case;
    let name = format!("{servers} servers at {load_per_mille} per mille");
    // A worker takes as many milliseconds as there are workers, so the load in per mille is the rate per second.
    let scenario = support::scenario(
        ONE_POD,
        &name,
        &[
            &format!("traffic={{ rate = \"{load_per_mille}/s\", service_time = {{ exponential = \"{servers}ms\" }} }}"),
            &format!("application.concurrency={servers}"),
            &format!("simulation.duration={}s", requests / load_per_mille),
        ],
    );
    let run = run_traced(&scenario, 1).run;
    assert_eq!(run.requests.ok, run.requests.total, "{name}: nothing fails");
    let trace = run.trace.expect("the run was traced");
    let waits: Vec<_> = trace.iter().map(|request| request.waited.as_secs_f64()).collect();
    let (mean, half_width) = batch_means(&waits);
    let load = f64::from(load_per_mille) / 1_000.0;
    let exact = erlang_c(servers, load) * 0.001 / (1.0 - load);
    println!("{name}: {mean:.3e} s ± {:.1} %, Erlang {exact:.3e} s", 100.0 * half_width / mean);
    assert!(half_width < widest * mean, "{name}: ± {half_width} s is too wide for {mean} s");
    assert!((mean - exact).abs() <= half_width, "{name}: {mean} s ± {half_width} s, but Erlang says {exact} s");
}
