//! Who sees which version: the requests of each class of traffic by second and version, and what every user met.
//!
//! Kept where a scenario has classes of traffic, or a version that somebody may take back. 32 bytes a user; a class takes
//! 16 bytes a second for each version, and 4 for the users that were last answered by it. A version counts as seen by its
//! answer, even if that answer breaks off later; the error counts then as the load balancer's.
//!
//! The books of many users are too large for a core's caches. So what each request changes is kept apart from what changes
//! now and then, and requests are entered in batches: first a loop that only fetches, a dozen users at a time, where each
//! entry would wait for its own.

use super::Fate;
use crate::model::Revision;
use crate::model::outcome::Outcome;
use crate::run::{Answer, ClassRecord, SampledRequest, UserRecord};
use crate::units::Instant;

/// So many users of a class are drawn, one row each.
pub const SAMPLED_USERS: u32 = 32;
/// Books tell so many versions apart.
const MOST_VERSIONS: usize = 256;
/// No more requests of them are kept for a class, as a picture cannot show them: of more, every second, every fourth …
const MOST_SAMPLES: usize = 20_000;

/// So many requests are entered at a time: their users fit into a core's innermost cache.
const BATCH: usize = 128;

/// A request that waits to be entered.
#[derive(Clone, Copy, Debug)]
struct Entry {
    arrival: Instant,
    user: u32,
    class: u8,
    /// As the books number them; 0: no pod.
    version: u8,
    answer: Answer,
}

/// Of a user what each of his requests changes.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    requests: u32,
    /// The version that answered last; 0: none has.
    version: u8,
}

#[derive(Clone, Debug)]
pub struct Exposure {
    /// Revisions that can appear, and one for "no pod".
    versions: usize,
    classes: Vec<Class>,
    /// What has not been entered yet, all of the second that is being counted.
    batch: Box<[Entry; BATCH]>,
    /// So many of them.
    waiting: usize,
}

#[derive(Clone, Debug)]
struct Class {
    /// Of its users the requests are added at the end.
    record: ClassRecord,
    /// By user.
    newest: Vec<Newest>,
    /// By version, of the second that is being counted.
    current: Vec<[u32; Answer::ALL.len()]>,
    /// Users by the version that answered them last.
    users_on: Vec<u32>,
    /// The version that the requests of this class are meant for while a route of theirs is said to be there.
    meant_for: Option<u8>,
}

impl Exposure {
    /// For so many users of each class, and revisions up to this one.
    pub fn new(users: &[u32], newest: Revision) -> Self {
        // The last of so many stands for all beyond it, too.
        let versions = (newest.0 as usize + 1).min(MOST_VERSIONS);
        let class = |users: &u32| Class {
            record: ClassRecord::new(versions, *users),
            newest: vec![Newest::default(); *users as usize],
            current: vec![[0; Answer::ALL.len()]; versions],
            users_on: vec![0; versions],
            meant_for: None,
        };
        let nothing = Entry { arrival: Instant::START, user: 0, class: 0, version: 0, answer: Answer::Ok };
        let batch = Box::new([nothing; BATCH]);
        Self { versions, classes: users.iter().map(class).collect(), batch, waiting: 0 }
    }

    /// From now on the requests of this class are meant for that revision, or for any.
    pub fn mean_for(&mut self, class: usize, revision: Option<Revision>) {
        self.enter_batch();
        self.classes[class].meant_for = revision.map(|revision| self.version(Some(revision)));
    }

    #[inline(always)]
    pub fn count(&mut self, fate: &Fate) {
        let version = self.version(fate.version);
        let Fate { arrival, user, class, .. } = *fate;
        self.batch[self.waiting] = Entry { arrival, user, class, version, answer: answer(fate.outcome) };
        self.waiting += 1;
        if self.waiting == BATCH {
            self.enter_batch();
        }
    }

    #[inline(never)]
    fn enter_batch(&mut self) {
        let batch = &self.batch[..std::mem::take(&mut self.waiting)];
        let fetched = |entry: &Entry| {
            let newest = self.classes[usize::from(entry.class)].newest.get(entry.user as usize);
            newest.map_or(0, |newest| newest.version)
        };
        std::hint::black_box(batch.iter().fold(0, |sum, entry| sum ^ fetched(entry)));
        batch.iter().for_each(|entry| self.classes[usize::from(entry.class)].enter(entry));
    }

    /// What was counted has come to another end, in a second that may have been closed.
    pub fn count_again(&mut self, before: &Fate, after: &Fate) {
        self.enter_batch();
        let version = self.version(before.version);
        let class = &mut self.classes[usize::from(before.class)];
        let cells = class.cells(before.arrival, usize::from(version));
        cells[answer(before.outcome) as usize] -= 1;
        cells[answer(after.outcome) as usize] += 1;
        if let Some(user) = class.record.users.get_mut(before.user as usize) {
            user.take_back(answer(before.outcome));
            user.blame(answer(after.outcome));
        }
        let same = |sample: &&mut SampledRequest| sample.arrival == before.arrival && sample.user == before.user;
        if before.user < SAMPLED_USERS
            && let Some(sample) = class.record.samples.iter_mut().rev().find(same)
        {
            sample.answer = answer(after.outcome);
        }
    }

    pub fn next_second(&mut self) {
        self.enter_batch();
        for class in &mut self.classes {
            class.record.close_second(&class.current, &class.users_on);
            class.current.fill([0; Answer::ALL.len()]);
        }
    }

    pub fn into_records(mut self) -> Vec<ClassRecord> {
        self.enter_batch();
        self.classes.into_iter().map(Class::into_record).collect()
    }

    #[inline]
    fn version(&self, revision: Option<Revision>) -> u8 {
        // There are no more than a byte tells apart.
        revision.map_or(0, |revision| revision.0 as usize).min(self.versions - 1) as u8
    }
}

impl Class {
    #[inline]
    fn enter(&mut self, entry: &Entry) {
        let version = usize::from(entry.version);
        self.current[version][entry.answer as usize] += 1;
        if let Some(meant) = self.meant_for
            && entry.version > 0
            && entry.version != meant
        {
            self.record.wrong_version += 1;
        }
        if entry.answer.is_from_target() && self.record.first_answers[version].is_none() {
            self.record.first_answers[version] = Some(entry.arrival);
            if version >= 2 {
                self.record.first_exposure.get_or_insert(entry.arrival);
            }
        }
        self.enter_user(entry);
    }

    #[inline]
    fn enter_user(&mut self, entry: &Entry) {
        // Of nobody's in a class without users.
        let Some(newest) = self.newest.get_mut(entry.user as usize) else { return };
        newest.requests += 1;
        let place = newest.requests - 1;
        let before = newest.version;
        if entry.answer.is_from_target() && entry.version != before && entry.version > 0 {
            newest.version = entry.version;
            self.change_version(entry, before);
        }
        if entry.answer != Answer::Ok {
            let user = &mut self.record.users[entry.user as usize];
            user.blame(entry.answer);
            if entry.answer == Answer::Target5xx {
                user.failed_by |= 1 << entry.version.min(15);
            }
        }
        if entry.user < SAMPLED_USERS && place.is_multiple_of(self.record.sampled_every) {
            let Entry { arrival, user, version, answer, .. } = *entry;
            self.record.samples.push(SampledRequest { user, arrival, version, answer });
            if self.record.samples.len() >= MOST_SAMPLES {
                self.thin_out();
            }
        }
    }

    /// Another version than `before` has answered the user.
    fn change_version(&mut self, entry: &Entry, before: u8) {
        let user = &mut self.record.users[entry.user as usize];
        if before > 0 {
            user.flips += 1;
            self.users_on[usize::from(before)] -= 1;
        }
        self.users_on[usize::from(entry.version)] += 1;
        user.seen |= 1 << entry.version.min(15);
        if entry.version >= 2 {
            let second = u32::try_from(entry.arrival.second()).unwrap_or(u32::MAX);
            user.first_exposed_s = user.first_exposed_s.min(second);
        }
    }

    fn into_record(mut self) -> ClassRecord {
        for (user, newest) in self.record.users.iter_mut().zip(self.newest) {
            user.requests = newest.requests;
        }
        self.record
    }

    /// Every second request of each user stays, and of those to come so many fewer are kept.
    #[cold]
    fn thin_out(&mut self) {
        let mut stays = [false; SAMPLED_USERS as usize];
        self.record.samples.retain(|sample| {
            let stays = &mut stays[sample.user as usize];
            *stays = !*stays;
            *stays
        });
        self.record.sampled_every *= 2;
    }

    fn cells(&mut self, arrival: Instant, version: usize) -> &mut [u32; Answer::ALL.len()] {
        let second = usize::try_from(arrival.second()).expect("a run's seconds can be indexed");
        self.record.cells_mut(second, version).unwrap_or(&mut self.current[version])
    }
}

#[inline]
fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Ok => Answer::Ok,
        Outcome::Target5xx => Answer::Target5xx,
        Outcome::Elb(cause) if cause.elb_status_code() == 404 => Answer::Elb404,
        Outcome::Elb(_) => Answer::Elb5xx,
    }
}

impl UserRecord {
    #[inline]
    fn blame(&mut self, answer: Answer) {
        match answer {
            Answer::Ok | Answer::Elb404 => {}
            Answer::Target5xx => self.target_5xx += 1,
            Answer::Elb5xx => self.elb_5xx += 1,
        }
    }

    fn take_back(&mut self, answer: Answer) {
        match answer {
            Answer::Ok | Answer::Elb404 => {}
            Answer::Target5xx => {
                self.target_5xx -= 1;
                if self.target_5xx == 0 {
                    self.failed_by = 0;
                }
            }
            Answer::Elb5xx => self.elb_5xx -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Cause;
    use crate::units::Duration;

    fn fate(version: u32) -> Fate {
        let arrival = Instant::START + Duration::millis(u64::from(version));
        let version = Some(Revision(version));
        Fate { number: 0, arrival, outcome: Outcome::Ok, answered: arrival, version, user: 0, class: 0 }
    }

    #[test]
    fn a_user_takes_32_bytes() {
        assert_eq!((size_of::<Newest>(), size_of::<UserRecord>()), (8, 24));
    }

    #[test]
    fn more_versions_than_the_books_tell_apart_count_as_the_last() {
        let mut exposure = Exposure::new(&[1], Revision(400));
        for version in 1..=400 {
            exposure.count(&fate(version));
        }
        exposure.next_second();
        let class = exposure.into_records().remove(0);
        let user = class.users[0];
        assert_eq!((user.requests, user.flips, user.seen), (400, 254, 0xfffe), "v255 stands for all beyond it");
        assert_eq!(class.total(255)[Answer::Ok as usize], 146);
        assert_eq!((class.users_on(0, 255), class.users_on(0, 254)), (1, 0));
    }

    #[test]
    fn of_many_requests_fewer_are_kept_evenly_to_the_end() {
        let mut exposure = Exposure::new(&[2], Revision(2));
        let count = 3 * MOST_SAMPLES as u64;
        for number in 0..count {
            let arrival = Instant::START + Duration::millis(number);
            exposure.count(&Fate { number, arrival, answered: arrival, user: (number % 2) as u32, ..fate(1) });
        }
        let class = exposure.into_records().remove(0);
        assert_eq!(class.sampled_every, 4);
        assert_eq!(class.samples.len() as u64, count / 4);
        for user in 0..2 {
            let times: Vec<_> = class.samples.iter().filter(|sample| sample.user == user).collect();
            let gap = Duration::millis(2 * 4);
            assert!(times.windows(2).all(|pair| pair[1].arrival - pair[0].arrival == gap), "user {user}");
        }
    }

    #[test]
    fn what_no_pod_took_did_not_come_to_the_wrong_version() {
        let mut exposure = Exposure::new(&[1], Revision(2));
        exposure.mean_for(0, Some(Revision(2)));
        exposure.count(&fate(1));
        exposure.count(&fate(2));
        exposure.count(&Fate { version: None, outcome: Outcome::Elb(Cause::MissingBackend), ..fate(1) });
        assert_eq!(exposure.into_records().remove(0).wrong_version, 1);
    }
}
