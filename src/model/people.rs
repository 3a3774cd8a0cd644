//! The people around a release: what each waits for, and what he then does, after the time that he takes.
//!
//! Each acts once. Left out: people who change their mind.

use crate::model::metrics::Condition;
use crate::random::{Distribution, Random};
use crate::units::{Duration, Instant};

/// One entry of `[[actions]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub trigger: Trigger,
    /// The time a person takes after that.
    pub after: Distribution,
    /// So much of it is over when he notices. None: the trigger is what he notices.
    pub noticed_after: Option<Distribution>,
    pub verb: Verb,
}

/// What an action waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trigger {
    /// This long after the start of the release.
    At(Duration),
    /// The first time that a step of the canary begins.
    StepStarted(usize),
    /// The first time that monitoring shows this, since the start of the release.
    Shown(Condition),
    /// The first time that somebody is told of this alert, by its place.
    Alert(u32),
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `kubectl argo rollouts promote`, `promote --full`, `abort`, `retry`, `pause`, `restart`.
    Promote,
    PromoteFull,
    Abort,
    Retry,
    Pause,
    Restart,
    /// `kubectl argo rollouts undo`: the pod template of the revision before.
    Undo,
    /// A new pod template.
    Deploy,
    /// `kubectl scale`.
    SetReplicas(u32),
    /// Commits the pod template that stood in git before: the pods' previous image.
    RevertCommit,
    /// Argo CD's buttons: it syncs with the head, or looks at it.
    Sync,
    Refresh,
    /// Sends the code of that pod template through the whole pipeline.
    RunPipeline,
    /// The verdicts that the promotion stage waits for.
    Accept,
    Reject,
    /// Switches off what the release brings, without a deploy.
    DisableFeature,
}

impl Verb {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::PromoteFull => "promote_full",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Undo => "undo",
            Self::Deploy => "deploy",
            Self::SetReplicas(_) => "set_replicas",
            Self::RevertCommit => "revert_commit",
            Self::Sync => "sync",
            Self::Refresh => "refresh",
            Self::RunPipeline => "run_pipeline",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::DisableFeature => "disable_feature",
        }
    }

    /// Whether it brings a pod template, which nobody has had before, into the cluster.
    pub const fn brings_a_revision(self) -> bool {
        match self {
            Self::Deploy | Self::RunPipeline => true,
            Self::Promote | Self::PromoteFull | Self::Abort | Self::Retry | Self::Pause | Self::Restart => false,
            Self::Undo | Self::SetReplicas(_) | Self::RevertCommit | Self::Sync | Self::Refresh => false,
            Self::Accept | Self::Reject | Self::DisableFeature => false,
        }
    }
}

/// The time that somebody takes after his trigger. What is random about it was drawn before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Until he notices: no longer than until he acts.
    pub noticing: Duration,
    pub acting: Duration,
}

impl Pace {
    pub fn draw(action: &Action, random: &mut Random) -> Self {
        let acting = random.draw(&action.after);
        let noticing = action.noticed_after.as_ref().map_or(Duration::ZERO, |after| random.draw(after));
        Self { noticing: noticing.min(acting), acting }
    }
}

/// Something that is done now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Act {
    pub verb: Verb,
    pub trigger: Trigger,
    /// When that happened.
    pub triggered: Instant,
    pub noticed: Instant,
}

/// The actions, and which of them are still to come.
#[derive(Clone, Debug)]
pub struct People {
    actions: Vec<(Action, Pace)>,
    /// When what it waits for has happened.
    begun: Vec<Option<Instant>>,
    /// Begun, and not done yet.
    waiting: usize,
}

impl People {
    pub fn new(actions: Vec<(Action, Pace)>) -> Self {
        Self { begun: vec![None; actions.len()], waiting: 0, actions }
    }

    /// Whether somebody is about to do something: a release is not over before that.
    pub fn are_about_to_act(&self) -> bool {
        self.waiting > 0
    }

    /// Whether somebody still waits for what monitoring shows.
    pub fn watch(&self) -> bool {
        self.awaited().any(|trigger| matches!(trigger, Trigger::Shown(_)))
    }

    /// Whether somebody still waits for this.
    pub fn wait_for(&self, trigger: Trigger) -> bool {
        self.awaited().any(|awaited| awaited == trigger)
    }

    fn awaited(&self) -> impl Iterator<Item = Trigger> {
        let awaited = self.actions.iter().zip(&self.begun).filter(|(_, begun)| begun.is_none());
        awaited.map(|((action, _), _)| action.trigger)
    }

    /// Those whose trigger happens, each once: which, and when it is done. `happens` gives the instant.
    pub fn begin(&mut self, happens: impl Fn(Trigger) -> Option<Instant>) -> Vec<(Instant, u32)> {
        let mut begun = vec![];
        for (index, (action, pace)) in self.actions.iter().enumerate() {
            if let Some(at) = happens(action.trigger).filter(|_| self.begun[index].is_none()) {
                self.begun[index] = Some(at);
                self.waiting += 1;
                begun.push((at + pace.acting, u32::try_from(index).expect("actions are few")));
            }
        }
        begun
    }

    /// The action of this number is done now.
    pub fn act(&mut self, index: u32) -> Act {
        self.waiting -= 1;
        let (Action { verb, trigger, .. }, pace) = &self.actions[index as usize];
        let triggered = self.begun[index as usize].expect("what it waits for has happened");
        Act { verb: *verb, trigger: *trigger, triggered, noticed: triggered + pace.noticing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_acts_once_after_the_time_that_he_takes() {
        let pace = Pace { noticing: Duration::secs(10), acting: Duration::secs(30) };
        let action =
            |trigger, verb| (Action { trigger, after: Distribution::secs(30), noticed_after: None, verb }, pace);
        let mut people = People::new(vec![
            action(Trigger::StepStarted(2), Verb::Abort),
            action(Trigger::At(Duration::secs(5)), Verb::Retry),
        ]);
        let now = Instant::START + Duration::secs(100);
        let step = |trigger| (trigger == Trigger::StepStarted(2)).then_some(now);
        assert!(!people.are_about_to_act());
        assert_eq!(people.begin(step), [(now + Duration::secs(30), 0)]);
        assert!(people.are_about_to_act());
        assert_eq!(people.begin(step), [], "the step begins once more after a retry");
        let act = people.act(0);
        assert_eq!((act.verb, act.trigger), (Verb::Abort, Trigger::StepStarted(2)));
        assert_eq!((act.triggered, act.noticed), (now, now + Duration::secs(10)));
        assert!(!people.are_about_to_act());
    }

    #[test]
    fn nobody_acts_before_he_has_noticed() {
        let after = Distribution::LogNormal {
            median: Duration::secs(600),
            tail: crate::random::Tail::P95(Duration::secs(1800)),
        };
        let action = Action {
            trigger: Trigger::At(Duration::ZERO),
            after: Distribution::secs(300),
            noticed_after: Some(after),
            verb: Verb::Abort,
        };
        let paces =
            (0..50).map(|number| Pace::draw(&action, &mut Random::new(1, crate::random::Stream::People, number)));
        let noticing: Vec<_> = paces.map(|pace| (pace.acting, pace.noticing)).collect();
        assert!(noticing.iter().all(|(acting, noticing)| *acting == Duration::secs(300) && noticing <= acting));
        assert!(noticing.iter().any(|(_, noticing)| *noticing < Duration::secs(300)), "{noticing:?}");
    }
}
