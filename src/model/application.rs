use crate::random::Distribution;
use crate::units::Duration;

/// What the process does on SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSigterm {
    /// The default action of the signal: gone at once, with all it was working on.
    Exit,
    /// Closes the listener and the idle connections, goes on with what is in flight.
    Drain,
    /// Goes on as before until SIGKILL: a shell as process 1, no handler.
    Ignore,
}

/// What a draining process waits for before it exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainUntil {
    /// Every connection is closed. The ALB keeps its pooled connections open, so this lasts the whole `drain_timeout`.
    ConnectionsClosed,
    /// The requests in flight are answered, at most `drain_timeout`.
    RequestsAnswered,
}

/// `[application]`: what the program in the pod does.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationSpec {
    /// From the start of the container until the program answers: probes, health checks and requests.
    pub startup_time: Distribution,
    pub on_sigterm: OnSigterm,
    /// From SIGTERM until the program acts on it.
    pub sigterm_reaction: Distribution,
    pub drain_until: DrainUntil,
    pub drain_timeout: Duration,
    /// An idle connection is closed after this long.
    pub keep_alive: Duration,
    /// So long before and after the moment of closing, a request on that connection is lost.
    pub keep_alive_race_window: Duration,
    /// Requests worked on at once; more wait in a queue, first come, first served.
    pub concurrency: u32,
    /// So many may wait; a further connection gets no answer.
    pub backlog: u32,
}
