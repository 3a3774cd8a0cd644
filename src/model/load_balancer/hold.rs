//! How a control plane holds changes of the routes back before it tells its nodes: each has its own way of joining several
//! into one. Whatever the way, a node gets the newest state; one in between may never reach it.
//!
//! Sources: aws-load-balancer-controller issue 4039 (batch); Istio, `PILOT_DEBOUNCE_AFTER` and `PILOT_DEBOUNCE_MAX`
//! (`pilot/pkg/xds/discovery.go`); Traefik, `providers.providersThrottleDuration`; ingress-nginx, `--sync-rate-limit`;
//! HAProxy Ingress, `--rate-limit-update`; Kong, `--proxy-sync-seconds`.

use crate::units::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    None,
    /// The first change opens a batch, which takes whatever comes until it is sent.
    Batch(Duration),
    /// Sent when nothing has come for `quiet`, or when the timer finds that `max` has passed since the first change.
    Debounce {
        quiet: Duration,
        max: Duration,
    },
    /// The first change is sent at once; then nothing for so long, and the newest of what has come in the meantime.
    Throttle(Duration),
    /// The newest state is sent at every multiple of this, counted from the start of the run. Assumption: when a controller
    /// was started nobody says.
    Tick(Duration),
}

impl Hold {
    /// The longest that a change waits.
    pub const fn longest(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Batch(length) | Self::Throttle(length) | Self::Tick(length) => length,
            Self::Debounce { max, .. } => max,
        }
    }
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The timer is set.
    is_timed: bool,
    /// Something has come that is not sent yet.
    is_changed: bool,
    first: Instant,
    last: Instant,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Tell the nodes the newest state.
    pub sends: bool,
    /// Look again then.
    pub wakes_after: Option<Duration>,
}

impl Held {
    pub fn on_change(&mut self, now: Instant, hold: Hold) -> Turn {
        let waits = |wakes_after| Turn { sends: false, wakes_after };
        if !self.is_changed {
            self.first = now;
        }
        self.last = now;
        self.is_changed = true;
        let is_timed = std::mem::replace(&mut self.is_timed, hold != Hold::None);
        match hold {
            Hold::None => self.send(None),
            Hold::Batch(_) | Hold::Debounce { .. } | Hold::Throttle(_) | Hold::Tick(_) if is_timed => waits(None),
            Hold::Batch(length) => waits(Some(length)),
            Hold::Debounce { quiet, .. } => waits(Some(quiet)),
            Hold::Throttle(period) => self.send(Some(period)),
            Hold::Tick(period) => waits(Some(until_tick(now, period))),
        }
    }

    /// The timer has run out.
    pub fn on_time(&mut self, now: Instant, hold: Hold) -> Turn {
        self.is_timed = false;
        match hold {
            Hold::Debounce { quiet, max } if now - self.first < max && now - self.last < quiet => {
                self.is_timed = true;
                Turn { sends: false, wakes_after: Some(quiet - (now - self.last)) }
            }
            Hold::Throttle(period) if self.is_changed => {
                self.is_timed = true;
                self.send(Some(period))
            }
            Hold::Throttle(_) => Turn::default(),
            Hold::None | Hold::Batch(_) | Hold::Debounce { .. } | Hold::Tick(_) => self.send(None),
        }
    }

    fn send(&mut self, wakes_after: Option<Duration>) -> Turn {
        self.is_changed = false;
        Turn { sends: true, wakes_after }
    }
}

/// The next one; never the present instant, whose tick is over.
fn until_tick(now: Instant, period: Duration) -> Duration {
    let period = period.as_nanos().max(1);
    Duration::from_nanos(period - now.as_nanos() % period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When something is sent, in milliseconds, if it changes then.
    fn sent(hold: Hold, changes: &[u64]) -> Vec<u64> {
        let at = |millis| Instant::START + Duration::millis(millis);
        let (mut held, mut timer, mut sent) = (Held::default(), None, vec![]);
        let mut changes = changes.iter().map(|millis| at(*millis)).peekable();
        loop {
            // A change goes before a timer of the same instant.
            let is_change = match (changes.peek(), timer) {
                (None, None) => return sent,
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (Some(change), Some(timer)) => *change <= timer,
            };
            let (now, turn) = if is_change {
                let now = changes.next().unwrap();
                (now, held.on_change(now, hold))
            } else {
                let now: Instant = timer.take().unwrap();
                (now, held.on_time(now, hold))
            };
            if turn.sends {
                sent.push((now - Instant::START).as_nanos() / 1_000_000);
            }
            if let Some(delay) = turn.wakes_after {
                assert_eq!(timer, None, "there is one timer");
                timer = Some(now + delay);
            }
        }
    }

    const THREE: &[u64] = &[0, 500, 1_900];

    #[test]
    fn three_changes_under_each_hold() {
        let secs = Duration::secs;
        assert_eq!(sent(Hold::None, THREE), [0, 500, 1_900]);
        assert_eq!(sent(Hold::Batch(secs(1)), THREE), [1_000, 2_900], "the third opens a batch of its own");
        assert_eq!(sent(Hold::Batch(secs(10)), THREE), [10_000]);
        assert_eq!(sent(Hold::Throttle(secs(2)), THREE), [0, 2_000], "500 is never sent by itself");
        assert_eq!(sent(Hold::Tick(secs(3)), THREE), [3_000]);
        assert_eq!(sent(Hold::Tick(secs(1)), THREE), [1_000, 2_000]);
    }

    #[test]
    fn a_debounce_waits_for_quiet_but_not_for_ever() {
        let debounce = |quiet, max| Hold::Debounce { quiet: Duration::millis(quiet), max: Duration::millis(max) };
        assert_eq!(sent(debounce(100, 10_000), THREE), [100, 600, 2_000], "each is alone");
        assert_eq!(sent(debounce(1_000, 10_000), THREE), [1_500, 2_900]);
        assert_eq!(sent(debounce(1_500, 10_000), THREE), [3_400]);
        let restless: Vec<_> = (0..40).map(|number| number * 50).collect();
        // The timer looks every quiet period behind the newest change it saw: the first look past 1 s sends.
        assert_eq!(sent(debounce(100, 1_000), &restless), [1_000, 2_050]);
    }

    #[test]
    fn a_throttle_is_at_once_again_when_it_has_rested() {
        let throttle = Hold::Throttle(Duration::secs(2));
        assert_eq!(sent(throttle, &[0, 1_000, 5_000]), [0, 2_000, 5_000]);
        assert_eq!(sent(throttle, &[0, 1_000, 3_999, 4_000]), [0, 2_000, 4_000]);
    }

    #[test]
    fn a_tick_that_is_over_does_not_come_back() {
        assert_eq!(sent(Hold::Tick(Duration::secs(3)), &[3_000, 6_001]), [6_000, 9_000]);
    }
}
