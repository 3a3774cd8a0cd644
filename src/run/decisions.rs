//! What people and machines decided about the release, and what changed by it.

use crate::model::Revision;
use crate::model::people::Verb;
use crate::units::Instant;

/// What a person, or a machine, decided about the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub by: Decider,
    /// When what a person waited for happened; with an alert, when he was told.
    pub triggered: Instant,
    /// When he knew. A machine knows at once.
    pub noticed: Instant,
    /// What he was told.
    pub alert: Option<FiredAlert>,
    pub decided: Instant,
    /// Why nothing came of it, where somebody said so.
    pub refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    Person {
        verb: Verb,
        /// Of `[[actions]]`.
        action: u32,
    },
    /// The time of the promotion stage was over, and that takes the release back.
    Promotion,
    /// The Rollouts controller, by an analysis or the progress deadline.
    RolloutsController,
}

impl Decider {
    /// A person's verb, or what else it was.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person { verb, .. } => verb.name(),
            Self::Promotion => "promotion time-out",
            Self::RolloutsController => "automatic abort",
        }
    }
}

/// An alert that somebody was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiredAlert {
    pub name: String,
    /// When it fired: the notification comes later.
    pub fired: Instant,
}

/// Something that changed which version the requests come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Instant,
    pub kind: ChangeKind,
    /// Index of the decision that led to it. None: the release itself, or a sync of Argo CD that nobody of `decisions`
    /// asked for.
    pub decision: Option<usize>,
    /// When one revision had all pods and all requests, or when the last pod knew of it. None: another change came first,
    /// or the end of the run.
    pub complete: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The workload has another pod template.
    Template(Revision),
    /// `status.abort`
    Abort,
    /// Taken back.
    Retry,
    /// What the release brought is switched off.
    FeatureDisabled,
}
