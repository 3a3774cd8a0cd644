//! What a node's rules come to for the requests of one class of traffic, which all look alike to them.

use crate::model::outcome::Cause;
use crate::units::{Duration, Percent};

/// What a node does with the requests of one class: the first rule that takes them, found when the rules came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Forward(Split),
    /// The load balancer answers by itself.
    FixedResponse(Cause),
    /// To the pods of another Service, which always answer: they are not simulated.
    Elsewhere,
}

/// A forward action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// By `Service::index`.
    pub weights: [u16; 2],
    /// Whether each of the two is in the action at all, be it with weight 0.
    pub has: [bool; 2],
    /// How long a client stays with the target group that it got.
    pub stickiness: Option<Duration>,
    /// Of 100 requests, so many are sent to the canary once more, and nobody waits for the answer.
    pub mirrored: Percent,
    /// Which of the node's rotations goes by these weights: requests that meet one rule take turns in one.
    pub rotation: u16,
}

impl Route {
    /// Whether requests go the same way, whichever rule sends them there.
    pub fn leads_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Forward(one), Self::Forward(other)) => *one == Split { rotation: one.rotation, ..*other },
            (one, other) => one == other,
        }
    }
}

impl Split {
    /// Whether the weights are all there is to it.
    pub fn is_plain(&self) -> bool {
        self.stickiness.is_none() && self.mirrored == Percent::ZERO
    }

    /// Of 2^32 lots, those below this go to the canary: its share, rounded up, as lots are counted from 0.
    pub fn canary_below(&self) -> u64 {
        let [stable, canary] = self.weights.map(u64::from);
        if canary == 0 { 0 } else { (canary << 32).div_ceil(stable + canary) }
    }

    /// Two target groups, so much for the canary.
    pub const fn weighted(canary: Percent) -> Self {
        let canary = canary.get() as u16;
        Self { weights: [100 - canary, canary], has: [true; 2], stickiness: None, mirrored: Percent::ZERO, rotation: 0 }
    }
}
