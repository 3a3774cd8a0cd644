//! What the open sessions do next: a calendar queue.
//!
//! Time is cut into days of equal length, and a ring holds as many of them as think times usually reach. A day is sorted when
//! it comes; what lies beyond the ring stays in its place for a further turn. Sessions far apart never meet in one heap:
//! with 10,000 open sessions an entry costs a fifth of what it costs there. The order is that of a heap, as
//! `a_calendar_is_a_heap` holds it to.
//!
//! Source: R. Brown, *Calendar queues: a fast O(1) priority queue implementation for the simulation event set problem*,
//! Communications of the ACM 31 (1988).

use crate::units::{Duration, Instant};

/// The next action of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub at: Instant,
    pub user: u32,
    /// So many actions are still to come after it.
    pub left: u32,
}

/// A day has about so many entries: its header is worth its place, and it is sorted in the first-level cache.
const ENTRIES_A_DAY: f64 = 64.0;

/// The ring has at most so many days. Longer days are slower to sort, but not as slow as entries that are filed again.
const MOST_DAYS: f64 = 16_384.0;

#[derive(Clone, Debug)]
pub struct Calendar {
    /// The latest first.
    today: Vec<Entry>,
    /// Of today, counted from the start of the run.
    number: u64,
    /// Those after today, day by its number modulo the length of the ring.
    days: Box<[Vec<Entry>]>,
    /// How many entries `days` holds.
    waiting: usize,
    /// Log2 of a day's nanoseconds.
    day: u32,
}

impl Calendar {
    /// For so many entries per second, most of which are filed at most `ahead` before they come.
    pub fn new(per_second: f64, ahead: Duration) -> Self {
        let ahead = ahead.as_nanos() as f64;
        let day = (ENTRIES_A_DAY * 1e9 / per_second).max(ahead / MOST_DAYS).clamp(1.0, 1e15) as u64;
        let day = day.ilog2();
        let days = ((ahead / (1u64 << day) as f64) as usize).next_power_of_two().clamp(16, 2 * MOST_DAYS as usize);
        Self { today: vec![], number: 0, days: vec![vec![]; days].into(), waiting: 0, day }
    }

    #[inline]
    pub fn push(&mut self, entry: Entry) {
        let number = entry.at.as_nanos() >> self.day;
        if number <= self.number {
            let place = self.today.partition_point(|other| *other > entry);
            self.today.insert(place, entry);
        } else {
            let place = self.place(number);
            self.days[place].push(entry);
            self.waiting += 1;
        }
    }

    /// The earliest entry, if it comes before `until`. A later `push` may be as early as `until`, and not earlier.
    #[inline]
    pub fn pop_before(&mut self, until: Instant) -> Option<Entry> {
        if self.today.is_empty() && !self.turn_page(until) {
            return None;
        }
        let is_due = self.today.last().is_some_and(|entry| entry.at < until);
        if is_due { self.today.pop() } else { None }
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting + self.today.len()
    }

    fn place(&self, number: u64) -> usize {
        number as usize & (self.days.len() - 1)
    }

    /// To the next day with entries, if it begins before `until`.
    fn turn_page(&mut self, until: Instant) -> bool {
        let last = until.as_nanos() >> self.day;
        let mut empty = 0;
        while self.waiting > 0 && self.number < last {
            self.number += 1;
            empty += 1;
            if empty > self.days.len() {
                // A whole turn without an entry: straight to the first one.
                let first = self.days.iter().flatten().min().expect("some entry waits");
                self.number = (first.at.as_nanos() >> self.day).min(last);
                empty = 0;
            }
            if self.open() {
                return true;
            }
        }
        // Nothing is left, and later entries would all be put into a day that is long over.
        self.number = self.number.max(last);
        false
    }

    /// Takes today's entries out of the ring; those of a later turn stay.
    fn open(&mut self) -> bool {
        let (place, day, number) = (self.place(self.number), self.day, self.number);
        let filed = &mut self.days[place];
        if filed.is_empty() {
            return false;
        }
        let is_today = |entry: &Entry| entry.at.as_nanos() >> day == number;
        if filed.iter().all(is_today) {
            std::mem::swap(&mut self.today, filed);
        } else {
            self.today.extend(filed.extract_if(.., |entry| is_today(entry)));
        }
        self.waiting -= self.today.len();
        self.today.sort_unstable_by(|a, b| b.cmp(a));
        !self.today.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    /// How the calendar is used: entries are taken out before a time that only rises, and each may bring the next one.
    fn play(calendar: &mut Calendar, moves: &[(u64, u64, u32)]) {
        let mut heap = BinaryHeap::new();
        let (mut until, mut now) = (0, 0);
        for (step, think, user) in moves {
            let entry = |at: u64| Entry { at: Instant::from_nanos(at), user: *user, left: (at % 7) as u32 };
            until += step;
            let limit = Instant::from_nanos(until);
            loop {
                let expected = heap.peek().is_some_and(|Reverse(entry): &Reverse<Entry>| entry.at < limit);
                let expected = if expected { heap.pop().map(|Reverse(entry)| entry) } else { None };
                assert_eq!(calendar.pop_before(limit), expected, "before {until}");
                let Some(popped) = expected else { break };
                assert!(popped.at.as_nanos() >= now);
                now = popped.at.as_nanos();
                if popped.left > 0 {
                    let next = Entry { left: popped.left - 1, ..entry(now + think % 50_000) };
                    heap.push(Reverse(next));
                    calendar.push(next);
                }
            }
            now = until;
            heap.push(Reverse(entry(until + think)));
            calendar.push(entry(until + think));
        }
        while let Some(Reverse(entry)) = heap.pop() {
            assert_eq!(calendar.pop_before(Instant::NEVER), Some(entry));
        }
        assert_eq!(calendar.pop_before(Instant::NEVER), None);
    }

    proptest! {
        #[test]
        fn a_calendar_is_a_heap(
            per_second in 1e3..1e9,
            ahead in 0u64..1_000_000,
            moves in proptest::collection::vec((0u64..20_000, prop_oneof![0u64..100, 0u64..3_000_000], 0u32..4), 1..400),
        ) {
            play(&mut Calendar::new(per_second, Duration::from_nanos(ahead)), &moves);
        }
    }

    #[test]
    fn a_day_far_ahead_is_found_at_once() {
        let mut calendar = Calendar::new(1e9, Duration::millis(1));
        let far = Entry { at: Instant::START + Duration::secs(30 * 24 * 3600), user: 1, left: 0 };
        calendar.push(far);
        assert_eq!(calendar.pop_before(Instant::START + Duration::secs(3600)), None);
        let near = Entry { at: Instant::START + Duration::secs(3601), ..far };
        calendar.push(near);
        assert_eq!(calendar.pop_before(Instant::NEVER), Some(near));
        assert_eq!(calendar.pop_before(Instant::NEVER), Some(far));
    }
}
