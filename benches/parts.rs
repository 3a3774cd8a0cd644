//! The parts of a request's cost, for finding out where a change went: `cargo bench --bench parts`.

use divan::Bencher;
use divan::counter::ItemsCount;
use rollout_sim::engine::Queue;
use rollout_sim::model::outcome::Outcome;
use rollout_sim::model::tally::{Fate, Tally};
use rollout_sim::model::traffic::Traffic;
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
    let mut traffic = Traffic::new(&article().traffic, 1, Instant::from_nanos(60_000_000_000));
    let mut next = || traffic.next_before(Instant::NEVER).map_or(0, |request| request.lot);
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| (0..MANY).fold(0, |sum, _| sum ^ next()));
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
