//! Who decided what about the release, and which change of it that led to.
//!
//! Some decisions change the cluster at once, some by way of git and Argo CD, some not at all. Nobody asks here what the
//! change was good for: reports do.

use crate::model::Revision;
use crate::run::{Change, ChangeKind, Decider, Decision};
use crate::units::Instant;

#[derive(Clone, Debug, Default)]
pub struct Decisions {
    decisions: Vec<Decision>,
    changes: Vec<Change>,
    /// Pod templates that are on their way, in the order in which somebody asked for them.
    templates: Vec<Template>,
    /// The last person who wanted an abort that has not come.
    abort: Option<usize>,
    /// Notifications on their way.
    fired: Vec<Fired>,
}

/// That a decision asked for.
#[derive(Clone, Copy, Debug)]
struct Template {
    decision: usize,
    revision: Revision,
    /// It stands in git, or does not need to.
    is_there: bool,
}

/// An alert has fired, and somebody hears of it.
#[derive(Clone, Copy, Debug)]
struct Fired {
    alert: u32,
    at: Instant,
    notified: Instant,
}

impl Decisions {
    pub fn decided(&mut self, decision: Decision) -> usize {
        self.decisions.push(decision);
        self.decisions.len() - 1
    }

    /// The newest one has no effect, for this reason.
    pub fn refused(&mut self, reason: impl ToString) {
        let newest = self.decisions.last_mut().expect("somebody has decided");
        newest.refused = Some(reason.to_string());
    }

    /// The newest one that was made: what happens at once is its doing.
    pub fn newest(&self) -> usize {
        self.decisions.len() - 1
    }

    /// It changes the pod template in the cluster.
    pub fn applies(&mut self, revision: Revision) {
        self.templates.push(Template { decision: self.newest(), revision, is_there: true });
    }

    /// It brings a commit of this pod template.
    pub fn commits(&mut self, decision: usize, revision: Revision) {
        self.templates.push(Template { decision, revision, is_there: false });
    }

    /// The commit has reached the branch.
    pub fn committed(&mut self, revision: Revision) {
        let is_awaited = |template: &&mut Template| template.revision == revision && !template.is_there;
        if let Some(template) = self.templates.iter_mut().find(is_awaited) {
            template.is_there = true;
        }
    }

    /// The workload has another pod template: by the first decision that brought it there, if one did. What was committed
    /// before that has been passed over.
    pub fn template_changed(&mut self, now: Instant, revision: Revision) {
        let brought = self.templates.iter().position(|template| template.is_there && template.revision == revision);
        let decision = brought.map(|place| self.templates[place].decision);
        if let Some(place) = brought {
            let mut number = 0;
            self.templates.retain(|template| {
                number += 1;
                number > place + 1 || !template.is_there
            });
        }
        self.change(now, ChangeKind::Template(revision), decision);
    }

    /// The pod template is this one already.
    pub fn template_stays(&mut self, revision: Revision) {
        self.templates.retain(|template| !template.is_there || template.revision != revision);
    }

    pub fn wants_abort(&mut self) {
        self.abort = Some(self.newest());
    }

    /// By a person who wanted it, or by the controller itself: then it has a reason.
    pub fn aborted(&mut self, now: Instant, is_automatic: bool) {
        let person = self.abort.filter(|_| !is_automatic);
        let decision = person.unwrap_or_else(|| {
            self.decided(Decision {
                by: Decider::RolloutsController,
                triggered: now,
                noticed: now,
                alert: None,
                decided: now,
                refused: None,
            })
        });
        self.abort = None;
        self.change(now, ChangeKind::Abort, Some(decision));
    }

    pub fn change(&mut self, at: Instant, kind: ChangeKind, decision: Option<usize>) {
        self.changes.push(Change { at, kind, decision, complete: None });
    }

    /// One revision has all pods and all requests.
    pub fn settled(&mut self, now: Instant) {
        let is_about_pods = |change: &&mut Change| change.kind != ChangeKind::FeatureDisabled;
        if let Some(newest) = self.changes.iter_mut().rev().find(is_about_pods)
            && newest.kind != ChangeKind::Retry
        {
            newest.complete.get_or_insert(now);
        }
    }

    /// Every pod knows that the feature is switched off.
    pub fn told_of_feature(&mut self, now: Instant) {
        let is_feature = |change: &&mut Change| change.kind == ChangeKind::FeatureDisabled;
        if let Some(change) = self.changes.iter_mut().rev().find(is_feature) {
            change.complete.get_or_insert(now);
        }
    }

    pub fn fired(&mut self, at: Instant, alert: u32, notified: Instant) {
        self.fired.push(Fired { alert, at, notified });
    }

    /// When the alert had fired of which somebody was told then.
    pub fn firing(&self, alert: u32, notified: Instant) -> Option<Instant> {
        let is_it = |fired: &&Fired| fired.alert == alert && fired.notified == notified;
        self.fired.iter().find(is_it).map(|fired| fired.at)
    }

    /// The revisions that the pod template has had.
    pub fn templates_had(&self) -> impl DoubleEndedIterator<Item = Revision> {
        self.changes.iter().filter_map(|change| match change.kind {
            ChangeKind::Template(revision) => Some(revision),
            ChangeKind::Abort | ChangeKind::Retry | ChangeKind::FeatureDisabled => None,
        })
    }

    pub fn into_records(self) -> (Vec<Decision>, Vec<Change>) {
        (self.decisions, self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::people::Verb;
    use crate::units::Duration;

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    fn decides(decisions: &mut Decisions, verb: Verb, secs: u64) -> usize {
        let now = at(secs);
        let by = Decider::Person { verb, action: 0 };
        decisions.decided(Decision { by, triggered: now, noticed: now, alert: None, decided: now, refused: None })
    }

    /// What was changed when, and by which decision.
    fn changes(decisions: &Decisions) -> Vec<(u64, Option<usize>)> {
        decisions.changes.iter().map(|change| (change.at.second(), change.decision)).collect()
    }

    #[test]
    fn a_commit_is_the_cause_of_the_sync_that_brings_it() {
        let mut decisions = Decisions::default();
        // The second one reverts the first.
        for (secs, revision) in [(90, 1), (120, 2)] {
            let decision = decides(&mut decisions, Verb::RevertCommit, secs);
            decisions.commits(decision, Revision(revision));
            decisions.committed(Revision(revision));
        }
        decisions.template_changed(at(122), Revision(1));
        decisions.template_changed(at(240), Revision(2));
        assert_eq!(changes(&decisions), [(122, Some(0)), (240, Some(1))]);
    }

    #[test]
    fn what_is_not_in_git_yet_changes_nothing() {
        let mut decisions = Decisions::default();
        let revert = decides(&mut decisions, Verb::RevertCommit, 90);
        decisions.commits(revert, Revision(1));
        // Somebody is faster, in the dashboard.
        decides(&mut decisions, Verb::Undo, 95);
        decisions.applies(Revision(1));
        decisions.template_changed(at(95), Revision(1));
        decisions.committed(Revision(1));
        decisions.template_stays(Revision(1));
        // Argo CD brings the release once more, and then somebody else the old version: not by that commit.
        decisions.template_changed(at(300), Revision(2));
        decisions.template_changed(at(400), Revision(1));
        assert_eq!(changes(&decisions), [(95, Some(1)), (300, None), (400, None)]);
    }

    #[test]
    fn an_abort_with_a_reason_is_nobodys() {
        let mut decisions = Decisions::default();
        decides(&mut decisions, Verb::Abort, 10);
        decisions.wants_abort();
        decisions.aborted(at(11), false);
        decisions.settled(at(40));
        decisions.change(at(50), ChangeKind::Retry, None);
        decisions.settled(at(55));
        decisions.aborted(at(60), true);
        assert_eq!(changes(&decisions), [(11, Some(0)), (50, None), (60, Some(1))]);
        assert_eq!(decisions.decisions[1].by, Decider::RolloutsController);
        let complete: Vec<_> = decisions.changes.iter().map(|change| change.complete).collect();
        assert_eq!(complete, [Some(at(40)), None, None]);
    }

    #[test]
    fn of_an_alert_that_flaps_the_firing_counts_that_somebody_was_told_of() {
        let mut decisions = Decisions::default();
        for (fired, notified) in [(10, 40), (70, 100)] {
            decisions.fired(at(fired), 3, at(notified));
        }
        assert_eq!(decisions.firing(3, at(40)), Some(at(10)));
        assert_eq!(decisions.firing(3, at(41)), None);
    }
}
