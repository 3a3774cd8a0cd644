//! The requests of one class, in order of arrival.

use super::process::{Pace, Process};
use super::recording::Replay;
use super::sessions::{Plan, Sessions};
use super::users::Users;
use super::{Arrivals, BLOCK, Block, ClassSpec, Request, TrafficSpec};
use crate::random::{Distribution, QuantileTable, Random, Stream};
use crate::units::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Class {
    number: u8,
    actions: Actions,
    /// What an action of a user is in requests, if it is more than one.
    calls: Option<Calls>,
    demands: QuantileTable,
    random_demands: Random,
    random_lots: Random,
}

impl Class {
    /// All requests, if there are no classes. It draws as the first class does.
    pub fn anonymous(spec: &TrafficSpec, seed: u64, release: Instant) -> Self {
        let random = |stream| Random::new(seed, stream, 0);
        let actions = match spec.arrivals.spread() {
            Some(spread) => {
                let pace = Pace { rate: &spec.rate, spread, requests: 1, release };
                Actions::independent(pace, Users::Anonymous, &random)
            }
            None => Actions::recorded((&spec.arrivals, release), Users::Anonymous, &random),
        };
        Self::drawing(actions, &spec.service_time, &random)
    }

    pub fn new((number, spec): (u8, &ClassSpec), seed: u64, release: Instant) -> Self {
        let random = |stream| Random::new(seed, stream, number.into());
        let users = Users::new(spec.users.as_ref());
        let Some(spread) = spec.arrivals.spread() else {
            let actions = Actions::recorded((&spec.arrivals, release), users, &random);
            return Self { number, ..Self::drawing(actions, &spec.service_time, &random) };
        };
        let calls_per_action = spec.calls_per_action;
        let pace = Pace { rate: &spec.rate, spread, requests: calls_per_action, release };
        let actions = match spec.users.as_ref().and_then(|users| users.session.as_ref()) {
            None => Actions::independent(pace, users, &random),
            Some(session) => {
                let plan = Plan { session, calls_per_action, pace };
                Actions::InSessions(Box::new(Sessions::new(plan, users, &random)))
            }
        };
        let calls = (calls_per_action > 1).then(|| Calls::new(calls_per_action));
        Self { number, calls, ..Self::drawing(actions, &spec.service_time, &random) }
    }

    fn drawing(actions: Actions, service_time: &Distribution, random: &impl Fn(Stream) -> Random) -> Self {
        Self {
            number: 0,
            actions,
            calls: None,
            demands: QuantileTable::new(service_time),
            random_demands: random(Stream::ServiceTimes),
            random_lots: random(Stream::Lots),
        }
    }

    /// With what all requests of the class have in common.
    pub fn empty_block(&self) -> Block {
        Box::new([Request { class: self.number, ..Request::default() }; BLOCK])
    }

    /// The next requests, numbered from `first` on, in a block of this class.
    pub fn fill(&mut self, first: u64, block: &mut Block) {
        match &mut self.calls {
            None => self.actions.fill(&mut block[..]),
            Some(calls) => calls.fill(&mut self.actions, block),
        }
        for request in block.iter_mut() {
            request.demand = Duration::from_nanos(self.demands.at(self.random_demands.next_u64()));
        }
        for (number, request) in (first..).zip(block.iter_mut()) {
            request.lot = self.random_lots.next_u64();
            request.number = number;
        }
    }
}

/// What users do, one by one. Each is a request, or several.
#[derive(Clone, Debug)]
enum Actions {
    Independent(Box<Independent>),
    InSessions(Box<Sessions>),
    Recorded(Box<Replay>),
}

impl Actions {
    fn independent(pace: Pace<'_>, users: Users, random: &impl Fn(Stream) -> Random) -> Self {
        let process = Process::new(pace, random(Stream::Arrivals));
        Self::Independent(Box::new(Independent { process, users, random_users: random(Stream::Users) }))
    }

    fn recorded(of: (&Arrivals, Instant), users: Users, random: &impl Fn(Stream) -> Random) -> Self {
        let replay = Replay::new(of, (users, random(Stream::Users)));
        Self::Recorded(Box::new(replay.expect("what is not drawn is recorded")))
    }

    /// Arrivals and users.
    fn fill(&mut self, block: &mut [Request]) {
        match self {
            Self::Independent(independent) => independent.fill(block),
            Self::Recorded(replay) => replay.fill(block),
            Self::InSessions(sessions) => {
                block.iter_mut().for_each(|request| (request.arrival, request.user) = sessions.next_action());
            }
        }
    }
}

/// Whoever acts, it does not matter who has acted before.
#[derive(Clone, Debug)]
struct Independent {
    process: Process,
    users: Users,
    random_users: Random,
}

impl Independent {
    fn fill(&mut self, block: &mut [Request]) {
        self.process.fill(block);
        self.users.fill(&mut self.random_users, block);
    }
}

/// Actions that wait to become requests.
#[derive(Clone, Debug)]
struct Calls {
    per_action: u32,
    /// Of the first action that waits, so many are still to come.
    left: u32,
    actions: [Request; Self::AHEAD],
    next: usize,
}

impl Calls {
    const AHEAD: usize = 32;

    fn new(per_action: u32) -> Self {
        Self { per_action, left: per_action, actions: [Request::default(); Self::AHEAD], next: Self::AHEAD }
    }

    fn fill(&mut self, actions: &mut Actions, block: &mut Block) {
        for request in block.iter_mut() {
            if self.left == 0 {
                self.left = self.per_action;
                self.next += 1;
            }
            if self.next >= Self::AHEAD {
                actions.fill(&mut self.actions);
                self.next = 0;
            }
            self.left -= 1;
            let action = self.actions[self.next];
            (request.arrival, request.user) = (action.arrival, action.user);
        }
    }
}
