//! The steps of a canary.

use crate::units::{Duration, Percent};
use std::fmt;

/// One entry of `canary.steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    SetWeight(Percent),
    SetCanaryScale(CanaryScale),
    /// None waits for a person.
    Pause(Option<Duration>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryScale {
    Replicas(u32),
    Weight(Percent),
    MatchTrafficWeight,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetWeight(weight) => write!(f, "setWeight {weight}"),
            Self::SetCanaryScale(CanaryScale::Replicas(replicas)) => write!(f, "setCanaryScale replicas {replicas}"),
            Self::SetCanaryScale(CanaryScale::Weight(weight)) => write!(f, "setCanaryScale weight {weight}"),
            Self::SetCanaryScale(CanaryScale::MatchTrafficWeight) => f.write_str("setCanaryScale matchTrafficWeight"),
            Self::Pause(Some(duration)) => write!(f, "pause {}s", duration.whole_secs()),
            Self::Pause(None) => f.write_str("pause"),
        }
    }
}
