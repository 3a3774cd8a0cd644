//! What the open sessions do next: a calendar queue.
//!
//! Time is cut into days, and days are put together to months. A day is sorted when it comes, and a month is dealt out to its
//! days; what lies farther ahead than all months stays in its place for a further turn. So an entry is moved twice, always to
//! the end of one of a few lists that are at hand, whether a hundred sessions are open or a million. The order is that of a
//! heap, as `a_calendar_is_a_heap` holds it to.
//!
//! Source: R. Brown, *Calendar queues: a fast O(1) priority queue implementation for the simulation event set problem*,
//! Communications of the ACM 31 (1988); the months are a second level, as timing wheels have it.

use crate::units::{Duration, Instant};
use std::hint::select_unpredictable;

/// The next action of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Instant,
    pub user: u32,
    /// So many actions are still to come after it.
    pub left: u32,
}

/// A day has about so many entries: all of them in the first-level cache.
const ENTRIES_A_DAY: f64 = 64.0;

/// Log2 of the longest day in nanoseconds.
const LONGEST_DAY: u32 = 40;

/// Log2 of the parts of a day into which its entries are put before they are sorted.
const HOURS: u32 = 6;

/// Of longer days the entries are sorted at once.
const MOST_BY_HOURS: usize = 4 << HOURS;

/// So many entries that are over may lie in today's list, beside as many as are not over.
const OVER: usize = if cfg!(test) { 8 } else { 1024 };

/// Entries leave in order of time; at one instant, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Entries of this day in order, those that are over in front.
    today: Vec<Entry>,
    /// So many of them are over.
    over: usize,
    /// Of today, counted from the start of the run.
    number: u64,
    /// First the other days of this month, by their number modulo the days of a month; then the other months, likewise.
    lists: Box<[Vec<Entry>]>,
    /// Entries in the lists of months, and of days.
    filed: [usize; 2],
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
        let lists = vec![vec![]; (1 << month) + months as usize].into();
        Self { today: vec![], over: 0, number: 0, lists, filed: [0; 2], day, month }
    }

    /// Not for a time before the last entry that has left, nor before the last `until` that brought none.
    #[inline]
    pub fn push(&mut self, entry: Entry) {
        let number = entry.at.as_nanos() >> self.day;
        if number == self.number {
            return self.push_today(entry);
        }
        // Which of the two cannot be foreseen.
        let is_soon = number >> self.month == self.number >> self.month;
        let list = select_unpredictable(is_soon, self.list_of_day(number), self.list_of_month(number >> self.month));
        self.lists[list].push(entry);
        self.filed[usize::from(is_soon)] += 1;
    }

    #[inline]
    fn list_of_day(&self, number: u64) -> usize {
        number as usize & ((1 << self.month) - 1)
    }

    #[inline]
    fn list_of_month(&self, number: u64) -> usize {
        let days = 1 << self.month;
        days + (number as usize & (self.lists.len() - days - 1))
    }

    fn push_today(&mut self, entry: Entry) {
        if self.over > OVER && self.over > self.today.len() / 2 {
            self.today.drain(..self.over);
            self.over = 0;
        }
        let place = self.today[self.over..].partition_point(|other| other.at <= entry.at);
        self.today.insert(self.over + place, entry);
    }

    /// The earliest entry, if it comes before `until`.
    #[inline]
    pub fn pop_before(&mut self, until: Instant) -> Option<Entry> {
        if self.over == self.today.len() && !self.turn_page(until) {
            return None;
        }
        let entry = self.today[self.over];
        if entry.at >= until {
            return None;
        }
        self.over += 1;
        Some(entry)
    }

    /// To the next day with entries, but not beyond that of `until`.
    fn turn_page(&mut self, until: Instant) -> bool {
        let last = until.as_nanos() >> self.day;
        let months = self.lists.len() - (1 << self.month);
        let mut empty_months = 0;
        while self.number < last && self.filed != [0; 2] {
            if self.filed[1] > 0 {
                self.number += 1;
            } else {
                let month = if empty_months > months { self.first_month() } else { self.next_month() };
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
        self.over = 0;
        false
    }

    fn next_month(&self) -> u64 {
        (self.number >> self.month) + 1
    }

    /// The first with an entry, after a long time with none.
    fn first_month(&self) -> u64 {
        let entries = self.lists[1 << self.month..].iter().flatten();
        let first = entries.map(|entry| entry.at).min().expect("some entry waits");
        first.as_nanos() >> self.day >> self.month
    }

    /// Puts the entries of this month into its days; those of a later turn stay.
    fn deal_out(&mut self) -> bool {
        let (day, number) = (self.day, self.number >> self.month);
        let (days, months) = self.lists.split_at_mut(1 << self.month);
        let month = &mut months[number as usize & (months.len() - 1)];
        let mut stay = 0;
        for place in 0..month.len() {
            let entry = month[place];
            let number_of_day = entry.at.as_nanos() >> day;
            if number_of_day >> self.month == number {
                days[number_of_day as usize & (days.len() - 1)].push(entry);
            } else {
                month[stay] = entry;
                stay += 1;
            }
        }
        let dealt = month.len() - stay;
        month.truncate(stay);
        self.filed[0] -= dealt;
        self.filed[1] += dealt;
        dealt > 0
    }

    /// Whether today has entries: then they are in order.
    fn open(&mut self) -> bool {
        let list = self.list_of_day(self.number);
        let entries = &mut self.lists[list];
        if entries.is_empty() {
            return false;
        }
        self.filed[1] -= entries.len();
        self.over = 0;
        sort(entries, &mut self.today, self.day.saturating_sub(HOURS));
        entries.clear();
        true
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.today.len() - self.over + self.filed[0] + self.filed[1]
    }
}

/// The entries of a day in order, at one instant as they came: by hours, which leaves few that stand before an earlier one.
fn sort(entries: &[Entry], sorted: &mut Vec<Entry>, hour: u32) {
    sorted.clear();
    sorted.extend_from_slice(entries);
    if entries.len() > MOST_BY_HOURS {
        return sorted.sort_by_key(|entry| entry.at);
    }
    let hour_of = |entry: &Entry| (entry.at.as_nanos() >> hour) as usize & ((1 << HOURS) - 1);
    let mut places = [0_u16; 1 << HOURS];
    entries.iter().for_each(|entry| places[hour_of(entry)] += 1);
    let mut sum = 0;
    for place in &mut places {
        sum += std::mem::replace(place, sum);
    }
    for entry in entries {
        let place = &mut places[hour_of(entry)];
        sorted[usize::from(*place)] = *entry;
        *place += 1;
    }
    for number in 1..sorted.len() {
        let entry = sorted[number];
        let mut place = number;
        while place > 0 && sorted[place - 1].at > entry.at {
            sorted[place] = sorted[place - 1];
            place -= 1;
        }
        sorted[place] = entry;
    }
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
