//! The yardstick R: workload W with every event through one binary heap, as anyone would write it in a minute.
//!
//! Generator and distributions are the usual ones (PCG64, ziggurat), as fast as they come.
//!
//! W: Poisson arrivals at 250/s; target group by weight 80 : 20, round robin over ten targets in each; log-normal
//! service times (median 50 ms, sigma 0.5); completions and one control tick a second are events, too.

use rand_distr::{Distribution, Exp, LogNormal};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Completion { target: u32, failed: bool },
    Control,
}

/// Plays W for so many seconds; returns the number of requests and a checksum, so that nothing is optimised away.
pub fn play(seconds: u64) -> (u64, u64) {
    let mut rng = Pcg64::seed_from_u64(1);
    let gap = Exp::new(250.0 / 1e9).expect("a positive rate");
    let service_time = LogNormal::new(libm::log(50e6), 0.5).expect("a positive spread");
    let mut heap = BinaryHeap::new();
    let mut serial = 0u64;
    let mut push = |heap: &mut BinaryHeap<_>, at: u64, event| {
        serial += 1;
        heap.push(Reverse((at, serial, event)));
    };
    let (mut in_flight, mut next) = ([0i64; 20], [0u32; 2]);
    let mut counts = vec![[0u32; 2]; seconds as usize + 2];
    let (mut requests, mut worst) = (0u64, 0u32);
    push(&mut heap, 0, Event::Arrival);
    push(&mut heap, 1_000_000_000, Event::Control);
    while let Some(Reverse((now, _, event))) = heap.pop() {
        if now >= seconds * 1_000_000_000 {
            break;
        }
        match event {
            Event::Arrival => {
                requests += 1;
                push(&mut heap, now + gap.sample(&mut rng) as u64, Event::Arrival);
                let group = usize::from(unit(&mut rng) >= 0.8);
                let target = group as u32 * 10 + next[group];
                next[group] = (next[group] + 1) % 10;
                in_flight[target as usize] += 1;
                let failed = unit(&mut rng) < [0.001, 0.010][group];
                let done = now + service_time.sample(&mut rng) as u64;
                push(&mut heap, done, Event::Completion { target, failed });
            }
            Event::Completion { target, failed } => {
                in_flight[target as usize] -= 1;
                counts[(now / 1_000_000_000) as usize][usize::from(failed)] += 1;
            }
            Event::Control => {
                worst = worst.max(counts[(now / 1_000_000_000) as usize - 1][1]);
                push(&mut heap, now + 1_000_000_000, Event::Control);
            }
        }
    }
    let failed: u64 = counts.iter().map(|count| u64::from(count[1])).sum();
    (requests, failed << 20 ^ u64::from(worst) ^ in_flight.iter().sum::<i64>() as u64)
}

/// Uniform in [0, 1).
fn unit(rng: &mut Pcg64) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
