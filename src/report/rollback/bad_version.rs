//! Which versions are the bad ones, and whom they reached: by whole seconds, as the data plane served them.
//!
//! A revision is as bad as the code that it was built from. Once a feature is switched off, a revision that is bad by it
//! is no longer: until all of its pods have heard of it, so much of its answers counts as its pods that have not.

use crate::model::Revision;
use crate::model::people::Verb;
use crate::run::{Answer, Change, ChangeKind, ClassRecord, Decider, FROM_ITS_START, LogEntry, Run, UserRecord};
use crate::scenario::Loaded;
use crate::units::Instant;

#[derive(Clone, Debug)]
pub(super) struct BadVersions<'a> {
    run: &'a Run,
    versions: Vec<usize>,
    /// The scenario gives them errors. Else they are what the release brought.
    is_said: bool,
    flag: Option<Flag>,
}

/// A feature is switched off.
#[derive(Clone, Debug)]
struct Flag {
    at: Instant,
    /// When each pod of those that were there heard of it.
    heard: Vec<Instant>,
    pods: u64,
}

impl<'a> BadVersions<'a> {
    pub(super) fn of(loaded: &Loaded, run: &'a Run) -> Self {
        let specs = &loaded.scenario.application.versions;
        let errors = |revision: Revision| specs.get(&revision).map_or(0.0, |spec| spec.error_share);
        let code = |version: usize| {
            let revision = Revision(u32::try_from(version).expect("versions are few"));
            // What is said of a revision itself goes before what is said of its code.
            if specs.contains_key(&revision) { revision } else { run.code_of(revision) }
        };
        let count = run.classes.iter().map(ClassRecord::versions).max().unwrap_or(0);
        let worse: Vec<_> = (2..count).filter(|version| errors(code(*version)) > errors(Revision(1))).collect();
        let is_said = !worse.is_empty();
        let brought = || (2..count).filter(|version| code(*version) == Revision(2)).collect();
        Self { run, versions: if is_said { worse } else { brought() }, is_said, flag: Flag::of(run) }
    }

    /// Whether the scenario says which they are.
    pub(super) fn are_said(&self) -> bool {
        self.is_said
    }

    pub(super) fn contain(&self, revision: Revision) -> bool {
        self.versions.contains(&(revision.0 as usize))
    }

    /// Whether it takes requests away from them, by what it is, and by the pod template `before` it.
    pub(super) fn are_left_by(&self, change: &Change, before: Option<Revision>) -> bool {
        let verb = self.run.decision_of(change).and_then(|decision| match decision.by {
            Decider::Person { verb, .. } => Some(verb),
            Decider::Promotion | Decider::RolloutsController => None,
        });
        let was_bad = before.is_some_and(|revision| self.contain(revision));
        was_bad
            && match change.kind {
                // Another version follows a good one, too.
                ChangeKind::Template(_) if verb == Some(Verb::Deploy) && !self.is_said => false,
                ChangeKind::Template(revision) => !self.contain(revision),
                ChangeKind::Abort | ChangeKind::FeatureDisabled => true,
                ChangeKind::Retry => false,
            }
    }

    /// Arrival of the first request that one of them answered.
    pub(super) fn first_answer(&self) -> Option<Instant> {
        let first = |class: &ClassRecord| {
            let versions = self.versions.iter().filter_map(|version| *class.first_answers.get(*version)?);
            versions.min()
        };
        self.run.classes.iter().filter_map(first).min()
    }

    /// Of the requests of a second: those that they answered, and those of them that they failed.
    pub(super) fn answered(&self, row: usize) -> Answered {
        let classes = self.run.classes.iter().filter(|class| row < class.seconds());
        let cells = classes.flat_map(|class| {
            let versions = self.versions.iter().filter(|version| **version < class.versions());
            versions.map(move |version| class.counts(row, *version))
        });
        let answered = cells.fold(Answered::default(), |sum, cell| {
            let [ok, failed] = [Answer::Ok, Answer::Target5xx].map(|answer| u64::from(cell[answer as usize]));
            Answered { requests: sum.requests + ok + failed, failed: sum.failed + failed }
        });
        let Some(flag) = &self.flag else { return answered };
        let unaware = flag.unaware(row);
        let requests = (answered.requests * unaware).div_ceil(flag.pods);
        // Errors are of those that do not know yet.
        Answered { requests, failed: if unaware == 0 { 0 } else { answered.failed.min(requests) } }
    }

    /// Whether they answered the user, at a time at which they were bad.
    pub(super) fn reached(&self, user: &UserRecord) -> bool {
        let is_early = match self.flag.as_ref().and_then(Flag::known_to_all) {
            Some(known) => u64::from(user.first_exposed_s) <= known.second(),
            None => true,
        };
        is_early && self.is_in(user.seen)
    }

    pub(super) fn failed(&self, user: &UserRecord) -> bool {
        self.reached(user) && user.target_5xx > 0 && self.is_in(user.failed_by)
    }

    /// Of a bit for each version; the highest one stands for all beyond it, too.
    fn is_in(&self, bits: u16) -> bool {
        self.versions.iter().any(|version| bits >> (*version).min(15) & 1 == 1)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) requests: u64,
    pub(super) failed: u64,
}

impl Flag {
    fn of(run: &Run) -> Option<Self> {
        let is_flag = |change: &&Change| change.kind == ChangeKind::FeatureDisabled;
        let at = run.changes.iter().find(is_flag)?.at;
        // Pods that start later are good from their start on.
        let is_heard = |entry: &&LogEntry| {
            entry.component == "application" && entry.event == "FeatureDisabled" && entry.detail != FROM_ITS_START
        };
        let heard: Vec<_> = run.events.iter().filter(is_heard).map(|entry| entry.at).collect();
        let pods = (heard.len() as u64).max(1);
        Some(Self { at, heard, pods })
    }

    /// Pods that had not heard of it at the start of this second.
    fn unaware(&self, row: usize) -> u64 {
        let row = row as u64;
        if row <= self.at.second() {
            return self.pods;
        }
        self.pods - self.heard.iter().filter(|at| at.second() < row).count() as u64
    }

    fn known_to_all(&self) -> Option<Instant> {
        self.heard.iter().max().copied()
    }
}
