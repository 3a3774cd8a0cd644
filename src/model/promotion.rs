//! The promotion stage: after the deploy the pipeline waits for a verdict on the new version.
//!
//! In Jenkins an `input` inside of a `timeout`. What the time-out does is the author's of the Jenkinsfile: an expired one
//! ends the build as aborted, unless it is caught, and then nothing more happens.

use crate::units::Duration;
use std::fmt;
use {Effect::*, Input::*};

/// `[promotion]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromotionSpec {
    pub timeout: Duration,
    pub on_timeout: OnTimeout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// The build ends as aborted; the cluster stays as it is.
    AbortWithoutAction,
    /// As after a rejection.
    Rollback,
    /// As after an acceptance.
    KeepNew,
}

impl OnTimeout {
    pub const ALL: [(&'static str, Self); 3] =
        [("abort_without_action", Self::AbortWithoutAction), ("rollback", Self::Rollback), ("keep_new", Self::KeepNew)];

    pub const fn name(self) -> &'static str {
        match self {
            Self::AbortWithoutAction => Self::ALL[0].0,
            Self::Rollback => Self::ALL[1].0,
            Self::KeepNew => Self::ALL[2].0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Accept,
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The new version is deployed.
    Deployed,
    /// A person decides.
    Decided(Verdict),
    TimeoutOver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give this input back after the delay.
    Wake(Duration, Input),
    Ended(End),
    /// The previous image goes into the manifest repository.
    CommitPrevious,
    /// Somebody has decided what had ended so.
    TooLate(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Accepted,
    Rejected,
    TimedOut(OnTimeout),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "it was accepted",
            Self::Rejected => "it was rejected",
            Self::TimedOut(_) => "it had timed out",
        })
    }
}

#[derive(Clone, Debug)]
pub struct Promotion {
    spec: PromotionSpec,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has been deployed yet.
    Ahead,
    Waiting,
    Over(End),
}

impl Promotion {
    pub fn new(spec: PromotionSpec) -> Self {
        Self { spec, phase: Phase::Ahead }
    }

    pub fn is_under_way(&self) -> bool {
        self.phase == Phase::Waiting
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let (phase, effects) = match (self.phase, input) {
            (Phase::Ahead, Deployed) => (Phase::Waiting, vec![Wake(self.spec.timeout, TimeoutOver)]),
            (Phase::Waiting, Decided(Verdict::Accept)) => ended(End::Accepted),
            (Phase::Waiting, Decided(Verdict::Reject)) => ended(End::Rejected),
            (Phase::Waiting, TimeoutOver) => ended(End::TimedOut(self.spec.on_timeout)),
            (Phase::Over(end), Decided(_)) => (Phase::Over(end), vec![TooLate(end)]),
            // Somebody was faster.
            (Phase::Over(end), TimeoutOver) => (Phase::Over(end), vec![]),
            (Phase::Ahead, Decided(_) | TimeoutOver) | (Phase::Waiting | Phase::Over(_), Deployed) => {
                unreachable!("{input:?} reached a promotion stage that is {:?}", self.phase)
            }
        };
        self.phase = phase;
        effects
    }
}

fn ended(end: End) -> (Phase, Vec<Effect>) {
    let effects = match end {
        End::Rejected | End::TimedOut(OnTimeout::Rollback) => vec![Ended(end), CommitPrevious],
        End::Accepted | End::TimedOut(OnTimeout::AbortWithoutAction | OnTimeout::KeepNew) => vec![Ended(end)],
    };
    (Phase::Over(end), effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(on_timeout: OnTimeout) -> Promotion {
        let mut promotion = Promotion::new(PromotionSpec { timeout: Duration::secs(1_800), on_timeout });
        assert_eq!(promotion.handle(Deployed), [Wake(Duration::secs(1_800), TimeoutOver)]);
        assert!(promotion.is_under_way());
        promotion
    }

    #[test]
    fn the_first_verdict_counts() {
        let mut promotion = waiting(OnTimeout::Rollback);
        assert_eq!(promotion.handle(Decided(Verdict::Accept)), [Ended(End::Accepted)]);
        assert!(!promotion.is_under_way());
        assert_eq!(promotion.handle(Decided(Verdict::Reject)), [TooLate(End::Accepted)]);
        assert_eq!(promotion.handle(TimeoutOver), []);
    }

    #[test]
    fn a_rejection_commits_the_previous_image() {
        let mut promotion = waiting(OnTimeout::KeepNew);
        assert_eq!(promotion.handle(Decided(Verdict::Reject)), [Ended(End::Rejected), CommitPrevious]);
    }

    #[test]
    fn a_time_out_does_what_it_was_told_to() {
        for (_, on_timeout) in OnTimeout::ALL {
            let effects = waiting(on_timeout).handle(TimeoutOver);
            assert_eq!(effects[0], Ended(End::TimedOut(on_timeout)));
            assert_eq!(effects.contains(&CommitPrevious), on_timeout == OnTimeout::Rollback, "{on_timeout:?}");
        }
    }
}
