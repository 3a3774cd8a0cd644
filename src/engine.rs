//! The event queue and its clock, for any kind of event.
//!
//! Left out on purpose: cancelling. An event that nobody wants any more is recognised by whoever receives it.

use crate::units::Instant;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events ordered by time. Events of one instant leave in the order in which they entered.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Entry<E>>,
    serial: u64,
    now: Instant,
}

#[derive(Debug)]
struct Entry<E> {
    at: Instant,
    serial: u64,
    event: E,
}

impl<E> Entry<E> {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.serial)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    /// Turned round: `BinaryHeap` hands out its greatest entry, and the earliest event is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), serial: 0, now: Instant::START }
    }
}

impl<E> Queue<E> {
    /// The instant of the event that left the queue last.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Panics if `at` is in the past.
    pub fn schedule(&mut self, at: Instant, event: E) {
        assert!(at >= self.now, "an event was scheduled for {at:?}, before {:?}", self.now);
        self.heap.push(Entry { at, serial: self.serial, event });
        self.serial += 1;
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub fn pop(&mut self) -> Option<(Instant, E)> {
        let entry = self.heap.pop()?;
        self.now = entry.at;
        Some((entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[should_panic(expected = "an event was scheduled for")]
    fn the_past_is_closed() {
        let mut queue = Queue::default();
        queue.schedule(Instant::from_nanos(5), "first");
        queue.pop();
        queue.schedule(Instant::from_nanos(4), "too late");
    }

    proptest! {
        #[test]
        fn events_leave_by_time_and_ties_in_order_of_entry(times in proptest::collection::vec(0u64..20, 0..60)) {
            let mut queue = Queue::default();
            for (serial, at) in times.iter().enumerate() {
                queue.schedule(Instant::from_nanos(*at), serial);
            }
            let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(at, serial)| (at.as_nanos(), serial)).collect();
            let mut expected: Vec<_> = times.iter().copied().enumerate().map(|(serial, at)| (at, serial)).collect();
            expected.sort();
            prop_assert_eq!(left, expected);
        }
    }
}
