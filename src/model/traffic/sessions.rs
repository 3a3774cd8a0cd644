//! Sessions: actions of one user that follow each other after think times.
//!
//! Sessions begin as requests would arrive, one for so many requests of the rate, and each has a user as active as he is. So
//! a change of the rate shows first in new sessions, and in all of their requests only when the older ones are over.

use super::calendar::{Calendar, Entry};
use super::process::{LAST, Pace, Process, Spread};
use super::steady_state::Residual;
use super::users::{SessionSpec, Users};
use crate::random::{QuantileTable, Random, Stream};
use crate::units::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Sessions {
    begin: Process,
    /// When the next one begins.
    next: Instant,
    users: Users,
    random_users: Random,
    think_times: QuantileTable,
    random_think_times: Random,
    /// After the first.
    further_actions: u32,
    open: Calendar,
}

/// Requests in sessions, so many for each action.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub session: &'a SessionSpec,
    pub calls_per_action: u32,
    pub pace: Pace<'a>,
}

impl Plan<'_> {
    fn further_actions(self) -> u32 {
        self.session.requests / self.calls_per_action - 1
    }

    /// Sessions that begin per second, at the start of the run.
    fn sessions_per_second(self) -> f64 {
        let first = -(self.pace.release.second() as i64);
        self.pace.rate.rate_in(first).per_second() / f64::from(self.session.requests)
    }
}

impl Sessions {
    pub fn new(plan: Plan<'_>, users: Users, random: &impl Fn(Stream) -> Random) -> Self {
        let pace = Pace { requests: plan.session.requests, ..plan.pace };
        let mut begin = Process::new(pace, random(Stream::Arrivals));
        let actions_per_second = plan.pace.rate.peak().per_second() / f64::from(plan.calls_per_action);
        let mut open = Calendar::new(actions_per_second, plan.session.think_time.longest());
        begin_before(plan, (&users, random(Stream::OpenSessions)), &mut open);
        Self {
            next: begin.next_point(),
            begin,
            users,
            random_users: random(Stream::Users),
            think_times: QuantileTable::new(&plan.session.think_time),
            random_think_times: random(Stream::ThinkTimes),
            further_actions: plan.further_actions(),
            open,
        }
    }

    /// The next action: when, and whose.
    #[inline]
    pub fn next_action(&mut self) -> (Instant, u32) {
        let entry = self.open.pop_before(self.next).unwrap_or_else(|| self.begin_session());
        if entry.left > 0 {
            let think_time = Duration::from_nanos(self.think_times.at(self.random_think_times.next_u64()));
            file(&mut self.open, Entry { at: entry.at + think_time, left: entry.left - 1, ..entry });
        }
        (entry.at, entry.user)
    }

    fn begin_session(&mut self) -> Entry {
        let at = self.next;
        self.next = self.begin.next_point();
        Entry { at, user: self.users.draw(&mut self.random_users), left: self.further_actions }
    }
}

#[inline]
fn file(open: &mut Calendar, entry: Entry) {
    if entry.at < LAST {
        open.push(entry);
    }
}

/// The sessions that began before the run.
fn begin_before(plan: Plan<'_>, (users, mut random): (&Users, Random), open: &mut Calendar) {
    let think_time = &plan.session.think_time;
    let between_two_actions = plan.sessions_per_second() * think_time.mean().as_secs_f64();
    if between_two_actions <= 0.0 {
        return;
    }
    let residual = Residual::of(think_time);
    // One process of points over all places between two actions: where a point lies says how far its session has come.
    let mut point = if plan.pace.spread == Spread::Uniform { -0.5 } else { 0.0 };
    let mut next = |random: &mut Random| {
        point += match plan.pace.spread {
            Spread::Uniform => 1.0,
            Spread::Poisson => random.exponential(),
        };
        point / between_two_actions
    };
    let mut place = next(&mut random);
    while place < f64::from(plan.further_actions()) {
        let at = Instant::START + residual.at(place - libm::floor(place));
        let user = users.draw(&mut random);
        file(open, Entry { at, user, left: plan.further_actions() - 1 - place as u32 });
        place = next(&mut random);
    }
}

#[cfg(test)]
mod tests {
    use super::super::RateProfile;
    use super::super::rate_profile::Step;
    use super::super::users::{Activity, UsersSpec};
    use super::*;
    use crate::random::{Distribution, Tail};
    use std::collections::BTreeMap;

    const RELEASE: Instant = Instant::from_nanos(60_000_000_000);
    const USERS: UsersSpec = UsersSpec { count: 1_000_000, activity: Activity::Uniform, session: None };

    fn constant(text: &str) -> RateProfile {
        RateProfile::Constant(text.parse().unwrap())
    }

    fn sessions(session: &SessionSpec, (rate, spread): (&RateProfile, Spread), seed: u64) -> Sessions {
        let pace = Pace { rate, spread, requests: 1, release: RELEASE };
        let plan = Plan { session, calls_per_action: 1, pace };
        Sessions::new(plan, Users::new(Some(&USERS)), &|stream| Random::new(seed, stream, 0))
    }

    fn counts(sessions: &mut Sessions, until: usize) -> Vec<u32> {
        let mut counts = vec![0; until];
        let seconds = std::iter::from_fn(|| Some(sessions.next_action().0.second() as usize));
        seconds.take_while(|second| *second < until).for_each(|second| counts[second] += 1);
        counts
    }

    #[test]
    fn evenly_spread_sessions_have_the_rate_in_every_second() {
        let session = SessionSpec { requests: 5, think_time: Distribution::secs(8) };
        let mut sessions = sessions(&session, (&constant("100/s"), Spread::Uniform), 1);
        assert_eq!(counts(&mut sessions, 200), [100; 200]);
    }

    #[test]
    fn the_rate_is_right_from_the_first_second_on() {
        let secs = Duration::secs;
        // No think time is shorter than five seconds: in so long a session has one request at most, and the number of all is
        // a Poisson number.
        for think_time in [
            Distribution::Uniform { min: secs(5), max: secs(40) },
            Distribution::Quantiles(vec![(0.0, secs(5)), (0.9, secs(6)), (1.0, secs(120))]),
        ] {
            let session = SessionSpec { requests: 12, think_time };
            let runs = 200;
            let first: Vec<u32> = (0..runs)
                .map(|seed| {
                    let mut sessions = sessions(&session, (&constant("100/s"), Spread::Poisson), seed);
                    counts(&mut sessions, 5).iter().sum()
                })
                .collect();
            let n = f64::from(runs as u32);
            let mean = f64::from(first.iter().sum::<u32>()) / n;
            let variance = first.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / (n - 1.0);
            // Five standard deviations of the estimates.
            assert!((mean - 500.0).abs() < 5.0 * (500.0 / n).sqrt(), "{}: mean {mean}", session.think_time);
            assert!((variance - 500.0).abs() < 5.0 * 500.0 * (2.0 / n).sqrt(), "{}: {variance}", session.think_time);
        }
    }

    #[test]
    fn a_session_is_as_long_as_it_should_be() {
        let session = SessionSpec { requests: 7, think_time: Distribution::millis(1_500) };
        let mut sessions = sessions(&session, (&constant("700/s"), Spread::Poisson), 1);
        let mut actions: BTreeMap<u32, Vec<Instant>> = BTreeMap::new();
        loop {
            let (at, user) = sessions.next_action();
            if at.second() >= 100 {
                break;
            }
            actions.entry(user).or_default().push(at);
        }
        // Those with more than one session, or with one that is cut off, are left out.
        let is_whole = |actions: &&Vec<Instant>| {
            (10..80).contains(&actions[0].second()) && actions.last().unwrap().second() < 90 && actions.len() <= 7
        };
        let whole: Vec<_> = actions.values().filter(is_whole).collect();
        assert!(whole.len() > 6_000, "{} sessions", whole.len());
        for actions in whole {
            assert_eq!(actions.len(), 7);
            assert!(actions.windows(2).all(|pair| pair[1] - pair[0] == Duration::millis(1_500)));
        }
    }

    #[test]
    fn a_change_of_the_rate_comes_with_new_sessions() {
        let step = |at, rate: &str| Step { at: Duration::secs(at), rate: rate.parse().unwrap() };
        let steps = RateProfile::Steps(vec![step(0, "100/s"), step(20, "500/s")]);
        let session = SessionSpec { requests: 5, think_time: Distribution::secs(8) };
        let mut sessions = sessions(&session, (&steps, Spread::Uniform), 1);
        let counts = counts(&mut sessions, 150);
        // 80 new sessions a second more, at once; then their second requests, and so on.
        for (second, count) in [(79, 100), (80, 180), (87, 180), (88, 260), (103, 340), (112, 500), (149, 500)] {
            assert_eq!(counts[second], count, "second {second}");
        }
    }

    #[test]
    fn memory_is_that_of_the_open_sessions() {
        let think_time = Distribution::LogNormal { median: Duration::secs(5), tail: Tail::P99(Duration::secs(60)) };
        let session = SessionSpec { requests: 20, think_time };
        let mut sessions = sessions(&session, (&constant("1000/s"), Spread::Poisson), 1);
        let open = |sessions: &Sessions| sessions.open.len() as f64;
        // 50 sessions a second, each with 19 think times.
        let expected = 50.0 * 19.0 * session.think_time.mean().as_secs_f64();
        for _ in 0..10 {
            let error = open(&sessions) - expected;
            assert!(error.abs() < 5.0 * expected.sqrt(), "{} sessions are open", open(&sessions));
            for _ in 0..20_000 {
                sessions.next_action();
            }
        }
    }
}
