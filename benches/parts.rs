//! The parts of a request's cost, for finding out where a change went: `cargo bench --bench parts`.

use divan::Bencher;
use divan::counter::ItemsCount;
use rollout_sim::engine::Queue;
use rollout_sim::model::outcome::Outcome;
use rollout_sim::model::tally::{Fate, Tally};
use rollout_sim::model::traffic::{Traffic, TrafficSpec};
use rollout_sim::random::{QuantileTable, Random, Stream};
use rollout_sim::scenario::load::load;
use rollout_sim::scenario::{Loaded, Scenario};
use rollout_sim::simulation;
use rollout_sim::units::{Duration, Instant};

fn main() {
    divan::main();
}

fn article() -> Scenario {
    let Loaded { scenario, .. } = load(include_str!("../scenarios/article/2-pod-tuning.toml"), "2-pod-tuning", &[])
        .expect("the scenario is right");
    scenario
}

const MANY: u64 = 100_000;

#[divan::bench]
fn random_numbers(bencher: Bencher) {
    let mut random = Random::new(1, Stream::Lots, 0);
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| (0..MANY).fold(0, |sum, _| sum ^ random.next_u64()));
}

#[divan::bench]
fn draws_from_a_quantile_table(bencher: Bencher) {
    let mut random = Random::new(1, Stream::ServiceTimes, 0);
    let table = QuantileTable::new(&article().traffic.service_time);
    bencher
        .counter(ItemsCount::new(MANY))
        .bench_local(|| (0..MANY).fold(0, |sum, _| sum ^ table.at(random.next_u64())));
}

#[divan::bench]
fn draws_by_the_exact_inverse(bencher: Bencher) {
    let mut random = Random::new(1, Stream::ServiceTimes, 0);
    let service_time = article().traffic.service_time;
    let mut draw = || service_time.at(random.next_u64()).as_nanos();
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| (0..MANY).fold(0, |sum, _| sum ^ draw()));
}

#[divan::bench]
fn requests(bencher: Bencher) {
    measure(bencher, &article().traffic);
}

fn measure(bencher: Bencher, traffic: &TrafficSpec) {
    let mut traffic = Traffic::new(traffic, 1, Instant::from_nanos(60_000_000_000));
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        let (mut left, mut sum) = (MANY as usize, 0);
        while left > 0 {
            let requests = traffic.waiting();
            sum = requests.iter().fold(sum, |sum, request| sum ^ request.lot);
            let count = requests.len();
            traffic.take(count);
            left = left.saturating_sub(count);
        }
        sum
    });
}

/// The article's requests with other keys of `[traffic]`.
fn measure_with(bencher: Bencher, overrides: &[&str]) {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let Loaded { scenario, .. } =
        load(include_str!("../scenarios/article/2-pod-tuning.toml"), "2-pod-tuning", &overrides)
            .expect("the overrides are right");
    measure(bencher, &scenario.traffic);
}

#[divan::bench]
fn requests_on_a_ramp(bencher: Bencher) {
    measure_with(bencher, &[r#"traffic.rate={ ramp = { from = "15000/s", to = "20000/s", duration = "1h" } }"#]);
}

#[divan::bench(args = [1, 3, 10])]
fn requests_of_classes(bencher: Bencher, count: u32) {
    let class = |number| format!(r#"{{ name = "c{number}", rate = "1000/s" }}"#);
    let classes: Vec<_> = (0..count).map(class).collect();
    measure_with(bencher, &[&format!("traffic.classes=[{}]", classes.join(", "))]);
}

#[divan::bench(args = [r#""uniform""#, "{ zipf = 1.1 }"])]
fn requests_of_100_000_users(bencher: Bencher, activity: &str) {
    let users = format!("{{ count = 100000, activity = {activity} }}");
    measure_with(bencher, &[&format!(r#"traffic.classes=[{{ name = "a", users = {users} }}]"#)]);
}

/// By the number of sessions that are open at a time.
#[divan::bench(args = [100, 1_000, 10_000, 100_000, 1_000_000])]
fn requests_in_sessions(bencher: Bencher, open: u32) {
    // 20 requests with 5 s between two of them, log-normal: 6.2 s on average.
    let rate = format!("traffic.rate={}/h", u64::from(open) * 20 * 3600 / 19 * 10 / 62);
    let users = r#"{ count = 1000000, requests_per_session = 20, think_time = { median = "5s", p95 = "15s" } }"#;
    measure_with(bencher, &[&rate, &format!(r#"traffic.classes=[{{ name = "a", users = {users} }}]"#)]);
}

#[divan::bench]
fn counted_requests(bencher: Bencher) {
    let mut tally = Tally::new(Duration::secs(60), false);
    let mut number = 0;
    let mut count = || {
        let arrival = Instant::START + Duration::millis(4) * number;
        let answered = arrival + Duration::millis(20 + number % 200);
        let fate = Fate { number, arrival, outcome: Outcome::Ok, answered, version: None, user: 0, class: 0 };
        tally.count(fate, Duration::ZERO);
        number += 1;
    };
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| (0..MANY).for_each(|_| count()));
}

/// The hold model: the earliest event leaves and enters again.
#[divan::bench(args = [14, 100, 1_000, 10_000])]
fn held_events(bencher: Bencher, length: u64) {
    let mut random = Random::new(1, Stream::Pod, 0);
    let mut queue = Queue::default();
    for number in 0..length {
        queue.schedule(Instant::from_nanos(random.next_u64() >> 40), number);
    }
    let mut hold = || {
        let (now, event) = queue.pop().expect("it never empties");
        queue.schedule(now + Duration::from_nanos(random.next_u64() >> 40), event);
    };
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| (0..MANY).for_each(|_| hold()));
}

#[divan::bench]
fn a_run_of_the_article(bencher: Bencher) {
    let scenario = article();
    bencher.bench_local(|| simulation::run(&scenario, 1).fingerprint);
}

/// Three times what the pods can carry: full queues, refused connections, failing probes.
#[divan::bench]
fn a_run_under_overload(bencher: Bencher) {
    let mut scenario = article();
    scenario.application.concurrency = 1;
    assert!(scenario.is_overloaded());
    bencher.bench_local(|| simulation::run(&scenario, 1).fingerprint);
}
