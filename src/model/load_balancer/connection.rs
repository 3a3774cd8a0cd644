//! Idle keep-alive connections from the nodes to a target, and the race for them.
//!
//! A target that closes idle connections sooner than the load balancer does closes one, now and then, in the very moment
//! in which a node uses it again: that request is lost (502). Assumption: a node uses the connection that was idle for
//! the shortest time. Left out: the moment of SIGTERM, at which a server closes all idle connections at once. Without the race (keep-alive longer than the idle time-out) nothing here is ever asked.
//! Source: *User Guide for Application Load Balancers*, Troubleshoot, HTTP 502.

use crate::units::{Duration, Instant};

/// The connections of one node to one target.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Since when each is idle; in the future for one that is in use.
    idle_since: Vec<Instant>,
}

/// When the target closes what is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    pub closes_after: Duration,
    /// So long before and after that moment a request is lost.
    pub race_window: Duration,
}

impl Pool {
    /// Takes the connection for a request that arrives now; false if that request is lost.
    pub fn take(&mut self, keep_alive: KeepAlive, now: Instant) -> bool {
        let KeepAlive { closes_after, race_window } = keep_alive;
        // By then the node has seen the FIN.
        self.idle_since.retain(|since| now.saturating_since(*since) <= closes_after + race_window);
        let idle = self.idle_since.iter().enumerate().filter(|(_, since)| **since <= now);
        let Some((newest, since)) = idle.max_by_key(|(_, since)| **since) else {
            return true;
        };
        let lost = now - *since >= closes_after.saturating_sub(race_window);
        self.idle_since.swap_remove(newest);
        !lost
    }

    /// The request on the connection is answered at `end`.
    pub fn give_back(&mut self, end: Instant) {
        self.idle_since.push(end);
    }

    /// Closes the connection of the request that would be answered at `end`; false if it is not one of these.
    pub fn close(&mut self, end: Instant) -> bool {
        let place = self.idle_since.iter().position(|since| *since == end);
        place.map(|place| self.idle_since.swap_remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: KeepAlive = KeepAlive { closes_after: Duration::secs(5), race_window: Duration::millis(1) };

    fn at(ms: u64) -> Instant {
        Instant::START + Duration::millis(ms)
    }

    #[test]
    fn only_the_moment_of_closing_is_dangerous() {
        for (idle_ms, survives) in
            [(10, true), (4_998, true), (4_999, false), (5_000, false), (5_001, false), (5_002, true)]
        {
            let mut pool = Pool::default();
            pool.give_back(at(1_000));
            assert_eq!(pool.take(KEEP_ALIVE, at(1_000 + idle_ms)), survives, "idle for {idle_ms} ms");
        }
    }

    #[test]
    fn the_connection_used_last_is_used_first() {
        let mut pool = Pool::default();
        pool.give_back(at(0));
        pool.give_back(at(4_000));
        assert!(pool.take(KEEP_ALIVE, at(5_000)), "the older one would be lost");
        assert!(!pool.take(KEEP_ALIVE, at(5_000)), "now it is its turn");
    }

    #[test]
    fn a_closed_connection_is_not_used_again() {
        let mut pool = Pool::default();
        pool.give_back(at(1_000));
        assert!(pool.close(at(1_000)));
        assert!(!pool.close(at(1_000)), "there was one");
        assert!(pool.take(KEEP_ALIVE, at(6_000)), "a new connection is opened");
    }

    #[test]
    fn a_connection_in_use_is_not_shared() {
        let mut pool = Pool::default();
        pool.give_back(at(9_000));
        assert!(pool.take(KEEP_ALIVE, at(8_000)), "a new connection is opened");
        assert_eq!(pool.idle_since.len(), 1);
    }
}
