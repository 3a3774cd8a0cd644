//! What the open sessions do next: a calendar queue.
//!
//! Time is cut into days, and days are put together to months. A day is sorted when it comes, and a month is dealt out to its
//! days; what lies farther ahead than all months stays in its place for a further turn. So an entry is moved twice, always to
//! the end of one of a few lists that are at hand: about 17 ns, whether a hundred sessions are open or a million. The order is
//! that of a heap, as `a_calendar_is_a_heap` holds it to.
//!
//! Source: R. Brown, *Calendar queues: a fast O(1) priority queue implementation for the simulation event set problem*,
//! Communications of the ACM 31 (1988); the months are a second level, as timing wheels have it.

use crate::units::{Duration, Instant};

/// The next action of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Instant,
    pub user: u32,
    /// So many actions are still to come after it.
    pub left: u32,
}

/// A day has about so many entries: enough for a sort without branches, and all in the first-level cache.
const ENTRIES_A_DAY: f64 = 64.0;

/// Low bits of a key in today's order: where the entry lies. The others are its time within the day.
const PLACE_BITS: u32 = 24;

/// Log2 of the longest day in nanoseconds: any time within it fits a key.
const LONGEST_DAY: u32 = 63 - PLACE_BITS;

/// So many entries that are over may lie in today's list, beside as many as are not over.
const OVER: usize = if cfg!(test) { 8 } else { 1024 };

/// Entries leave in order of time; at one instant, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Entries of this day as they came, those that are over among them.
    today: Vec<Entry>,
    /// Keys of those that are not over, the latest first.
    order: Vec<u64>,
    /// Of today, counted from the start of the run.
    number: u64,
    /// The other days of this month, by their number modulo the days of a month.
    days: Box<[Vec<Entry>]>,
    in_days: usize,
    /// The other months, likewise.
    months: Box<[Vec<Entry>]>,
    in_months: usize,
    /// Log2 of a day's nanoseconds.
    day: u32,
    /// Log2 of a month's days.
    month: u32,
}

impl Calendar {
    /// For so many entries per second, most of which are filed at most `ahead` before they come.
    pub fn new(per_second: f64, ahead: Duration) -> Self {
        let day = ((ENTRIES_A_DAY * 1e9 / per_second).clamp(1.0, 1e15) as u64).ilog2().min(LONGEST_DAY);
        let days = (ahead.as_nanos() >> day).max(1);
        // About as many days in a month as there are months: few lists of either kind.
        let month = days.ilog2().div_ceil(2).clamp(4, 11);
        let months = ((days >> month) + 2).next_power_of_two().min(1 << 12);
        let lists = |count: u64| vec![vec![]; count as usize].into();
        Self {
            today: vec![],
            order: vec![],
            number: 0,
            days: lists(1 << month),
            in_days: 0,
            months: lists(months),
            in_months: 0,
            day,
            month,
        }
    }

    /// Not for a time before the last entry that has left, nor before the last `until` that brought none.
    #[inline]
    pub fn push(&mut self, entry: Entry) {
        let number = entry.at.as_nanos() >> self.day;
        if number == self.number {
            self.push_today(entry);
        } else if number >> self.month == self.number >> self.month {
            in_ring(number, &mut self.days).push(entry);
            self.in_days += 1;
        } else {
            in_ring(number >> self.month, &mut self.months).push(entry);
            self.in_months += 1;
        }
    }

    fn push_today(&mut self, entry: Entry) {
        if self.today.len() > 2 * self.order.len() + OVER {
            self.clear_away();
        }
        let key = self.key(self.today.len(), entry.at);
        self.today.push(entry);
        let place = self.order.partition_point(|other| *other > key);
        self.order.insert(place, key);
    }

    /// Drops the entries of today that are over.
    fn clear_away(&mut self) {
        self.today = self.order.iter().rev().map(|key| self.today[place_of(*key)]).collect();
        self.sort();
    }

    /// The earliest entry, if it comes before `until`.
    #[inline]
    pub fn pop_before(&mut self, until: Instant) -> Option<Entry> {
        if self.order.is_empty() && !self.turn_page(until) {
            return None;
        }
        let entry = self.today[place_of(*self.order.last()?)];
        if entry.at >= until {
            return None;
        }
        self.order.pop();
        Some(entry)
    }

    /// To the next day with entries, but not beyond that of `until`.
    fn turn_page(&mut self, until: Instant) -> bool {
        let last = until.as_nanos() >> self.day;
        let mut empty_months = 0;
        while self.number < last && self.in_days + self.in_months > 0 {
            if self.in_days > 0 {
                self.number += 1;
            } else {
                let month = if empty_months > self.months.len() { self.first_month() } else { self.next_month() };
                if month << self.month > last {
                    break;
                }
                self.number = month << self.month;
                empty_months = if self.deal_out() { 0 } else { empty_months + 1 };
            }
            if self.open() {
                return true;
            }
        }
        self.number = self.number.max(last);
        self.today.clear();
        false
    }

    fn next_month(&self) -> u64 {
        (self.number >> self.month) + 1
    }

    /// The first with an entry, after a long time with none.
    fn first_month(&self) -> u64 {
        let first = self.months.iter().flatten().map(|entry| entry.at).min().expect("some entry waits");
        first.as_nanos() >> self.day >> self.month
    }

    /// Puts the entries of this month into its days; those of a later turn stay.
    fn deal_out(&mut self) -> bool {
        let (day, number) = (self.day, self.number >> self.month);
        let month = in_ring(number, &mut self.months);
        let mut stay = 0;
        for place in 0..month.len() {
            let entry = month[place];
            let number_of_day = entry.at.as_nanos() >> day;
            if number_of_day >> self.month == number {
                in_ring(number_of_day, &mut self.days).push(entry);
            } else {
                month[stay] = entry;
                stay += 1;
            }
        }
        let dealt = month.len() - stay;
        month.truncate(stay);
        self.in_months -= dealt;
        self.in_days += dealt;
        dealt > 0
    }

    /// Whether today has entries: then they are sorted.
    fn open(&mut self) -> bool {
        let day = in_ring(self.number, &mut self.days);
        if day.is_empty() {
            return false;
        }
        self.today.clear();
        std::mem::swap(&mut self.today, day);
        self.in_days -= self.today.len();
        self.sort();
        true
    }

    fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(self.today.iter().enumerate().map(|(place, entry)| self.key(place, entry.at)));
        order.sort_unstable_by(|a, b| b.cmp(a));
        self.order = order;
    }

    #[inline]
    fn key(&self, place: usize, at: Instant) -> u64 {
        let midnight = Instant::from_nanos(self.number << self.day);
        (at - midnight).as_nanos() << PLACE_BITS | place as u64
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.order.len() + self.in_days + self.in_months
    }
}

#[inline]
fn place_of(key: u64) -> usize {
    (key & ((1 << PLACE_BITS) - 1)) as usize
}

#[inline]
fn in_ring(number: u64, lists: &mut [Vec<Entry>]) -> &mut Vec<Entry> {
    let place = number as usize & (lists.len() - 1);
    &mut lists[place]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    /// The slow, obvious twin: one heap, and a serial number for the order at one instant.
    #[derive(Default)]
    struct Heap {
        entries: BinaryHeap<Reverse<(Instant, u64, u32, u32)>>,
        serial: u64,
    }

    impl Heap {
        fn push(&mut self, entry: Entry) {
            self.entries.push(Reverse((entry.at, self.serial, entry.user, entry.left)));
            self.serial += 1;
        }

        fn pop_before(&mut self, until: Instant) -> Option<Entry> {
            self.entries.peek().filter(|Reverse((at, ..))| *at < until)?;
            self.entries.pop().map(|Reverse((at, _, user, left))| Entry { at, user, left })
        }
    }

    /// How sessions use it: entries are taken out before a time that only rises, and each may bring the next one.
    fn play(calendar: &mut Calendar, moves: &[(u64, u64)]) {
        let mut heap = Heap::default();
        let mut until = 0;
        for (user, (step, think)) in (0..).zip(moves) {
            until += step;
            let limit = Instant::from_nanos(until);
            loop {
                let entry = heap.pop_before(limit);
                assert_eq!(calendar.pop_before(limit), entry, "before {until}");
                let Some(entry) = entry else { break };
                if entry.left > 0 {
                    let think = Duration::from_nanos(think % 50_000);
                    let next = Entry { at: entry.at + think, left: entry.left - 1, ..entry };
                    heap.push(next);
                    calendar.push(next);
                }
            }
            let entry = Entry { at: Instant::from_nanos(until + think), user, left: (think % 7) as u32 };
            heap.push(entry);
            calendar.push(entry);
            assert_eq!(calendar.len(), heap.entries.len());
        }
        while let Some(entry) = heap.pop_before(Instant::NEVER) {
            assert_eq!(calendar.pop_before(Instant::NEVER), Some(entry));
        }
        assert_eq!(calendar.pop_before(Instant::NEVER), None);
    }

    fn think() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0u64..100, 0u64..3_000_000]
    }

    proptest! {
        #[test]
        fn a_calendar_is_a_heap(
            per_second in prop_oneof![1e3..1e6, 1e6..1e9, 1e9..1e11],
            ahead in 0u64..1_000_000,
            moves in proptest::collection::vec((prop_oneof![0u64..20, 0u64..20_000], think()), 1..400),
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

    #[test]
    fn what_is_over_takes_no_place() {
        let mut calendar = Calendar::new(1e3, Duration::secs(1));
        let entry = Entry { at: Instant::START, user: 1, left: 0 };
        for _ in 0..10_000 {
            calendar.push(entry);
            assert_eq!(calendar.pop_before(Instant::NEVER), Some(entry));
        }
        assert!(calendar.today.len() <= OVER + 2, "{}", calendar.today.len());
    }
}
