//! Arrivals as they were: times, and perhaps classes and users, from a file.
//!
//! Left out: what a recorded request demanded, and where it went. Demands and lots are drawn as for all other requests.

use super::rate_profile::{RateProfile, Step};
use super::users::Users;
use super::{Arrivals, Request};
use crate::random::Random;
use crate::units::{Duration, Instant, Rate};
use std::sync::Arc;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Nanoseconds since the start of the release; negative in the warm-up.
    pub since_release: i64,
    /// Of its class, from 0; or [`super::ANONYMOUS`].
    pub user: u32,
    /// Index of `Recording::classes`.
    pub class: u8,
}

/// The requests of a file, in order of time: 16 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    pub requests: Vec<Recorded>,
    /// As they come in the file; one without a name if it does not tell.
    pub classes: Vec<RecordedClass>,
    pub has_users: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedClass {
    /// None: the file does not tell.
    pub name: Option<String>,
    /// Of the file, where it comes first; from 1.
    pub line: usize,
    pub users: u32,
}

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// The rate of a recording is given for so many seconds together.
const SPAN: usize = 10;

impl Recording {
    /// How many requests of a class there were: over ten seconds each, the first also for the time before the release.
    pub fn rate(&self, is_of: impl Fn(&Recorded) -> bool) -> RateProfile {
        let mut counts: Vec<u64> = vec![0];
        for request in self.requests.iter().filter(|request| request.since_release >= 0 && is_of(request)) {
            let span = (request.since_release / NANOS_PER_SEC) as usize / SPAN;
            counts.resize(counts.len().max(span + 1), 0);
            counts[span] += 1;
        }
        let step = |(span, count): (usize, u64)| Step {
            at: Duration::secs((span * SPAN) as u64),
            rate: Rate::from_millirequests_per_hour(count * 1_000 * 3_600 / SPAN as u64),
        };
        let mut steps: Vec<_> = counts.into_iter().chain([0]).enumerate().map(step).collect();
        steps.dedup_by_key(|step| step.rate);
        RateProfile::Steps(steps)
    }

    pub fn class(&self, name: &str) -> Option<u8> {
        let place = self.classes.iter().position(|class| class.name.as_deref() == Some(name));
        place.map(|place| place as u8)
    }
}

/// The requests of one class, as they come.
#[derive(Clone, Debug)]
pub struct Replay {
    recording: Arc<Recording>,
    /// Of the recording; None: all.
    class: Option<u8>,
    next: usize,
    release: i64,
    /// Where the recording does not tell.
    users: Users,
    random_users: Random,
}

impl Replay {
    /// None if nothing is recorded.
    pub fn new((arrivals, release): (&Arrivals, Instant), (users, random_users): (Users, Random)) -> Option<Self> {
        let Arrivals::Recorded { recording, class } = arrivals else { return None };
        let release = release.as_nanos() as i64;
        // What lies before the warm-up is not simulated.
        let next = recording.requests.partition_point(|request| request.since_release < -release);
        Some(Self { recording: Arc::clone(recording), class: *class, next, release, users, random_users })
    }

    /// When, and whose; never, if it is over.
    pub fn fill(&mut self, block: &mut [Request]) {
        for request in block {
            let rest = &self.recording.requests[self.next..];
            let is_own = |recorded: &Recorded| self.class.is_none_or(|class| recorded.class == class);
            let found = rest.iter().position(is_own);
            self.next += found.map_or(rest.len(), |place| place + 1);
            let Some(recorded) = found.map(|place| rest[place]) else {
                request.arrival = Instant::NEVER;
                continue;
            };
            request.arrival = Instant::from_nanos((recorded.since_release + self.release) as u64);
            request.user = match self.recording.has_users {
                true => recorded.user,
                false => self.users.draw(&mut self.random_users),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ANONYMOUS;
    use super::*;

    fn recording() -> Recording {
        let request = |secs: i64, class| Recorded { since_release: secs * NANOS_PER_SEC, user: ANONYMOUS, class };
        let before = [(-70, 0), (-60, 1), (-1, 0)];
        let within = (0..20).map(|secs| (secs, 0)).chain((20..30).flat_map(|secs| [(secs, 0), (secs, 1)]));
        let requests = before.into_iter().chain(within).map(|(secs, class)| request(secs, class)).collect();
        let class = |name: &str| RecordedClass { name: Some(name.to_owned()), line: 2, users: 0 };
        Recording { requests, classes: vec![class("a"), class("b")], has_users: false }
    }

    #[test]
    fn the_rate_is_that_of_ten_seconds() {
        let recording = recording();
        let per_second = |rate: &RateProfile, second| rate.rate_in(second).per_second();
        let all = recording.rate(|_| true);
        assert_eq!([-5, 0, 19, 20, 29, 30].map(|second| per_second(&all, second)), [1.0, 1.0, 1.0, 2.0, 2.0, 0.0]);
        let own = recording.rate(|request| request.class == 1);
        assert_eq!([0, 20, 30].map(|second| per_second(&own, second)), [0.0, 1.0, 0.0]);
        assert_eq!(recording.class("b"), Some(1));
    }

    #[test]
    fn a_replay_begins_with_the_run_and_ends_with_the_recording() {
        let recording = Arc::new(recording());
        let arrivals = |class| Arrivals::Recorded { recording: Arc::clone(&recording), class };
        for (class, count) in [(None, 42), (Some(0), 31), (Some(1), 11)] {
            let users = (Users::Anonymous, Random::new(1, crate::random::Stream::Users, 0));
            let mut replay = Replay::new((&arrivals(class), Instant::START + Duration::secs(60)), users).unwrap();
            let mut block = [Request::default(); 50];
            replay.fill(&mut block);
            let arrivals: Vec<_> = block.iter().map(|request| request.arrival).collect();
            assert!(arrivals.is_sorted());
            assert_eq!(arrivals.iter().filter(|at| **at < Instant::NEVER).count(), count, "{class:?}");
            assert!(block[..count].iter().all(|request| request.user == ANONYMOUS));
        }
    }
}
