//! The way back: how long a bad version was out, who noticed and decided when, and whom it reached in the meantime.
//!
//! The bad versions are those that the scenario gives more errors than the old one; else the one that the release brought.
//! Shares are those of the data plane, by whole seconds: what was served, not what was asked for. The way back is the
//! decision whose change took the requests away from them; what came to nothing, or came later, is not.

mod argo_cd;
mod bad_version;
pub(super) mod header_routes;
mod in_vain;
pub mod side_by_side;
pub(super) mod summary;
pub(super) mod text;

use crate::model::Revision;
use crate::model::people::Verb;
use crate::run::{Change, ChangeKind, Decider, Decision, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};
use bad_version::{Answered, BadVersions};

/// The share of bad answers below which the release counts as mitigated, strictly and for practice.
const TOLERATED: [f64; 2] = [0.0, 0.01];

/// Of a run in which a bad version answered: the scenario says which is bad, or somebody decided to go back from it.
#[derive(Clone, Debug)]
pub(super) struct Rollback<'a> {
    /// The first answer of a bad version.
    pub first_bad: Instant,
    /// None: nobody's decision took the requests away from it.
    pub way: Option<Way<'a>>,
    /// Decisions to go back whose change was undone, or came after the last bad answer.
    pub others: Vec<Other<'a>>,
    /// Decisions to go back that came to nothing.
    pub vain: Vec<&'a Decision>,
    /// By `TOLERATED`; None if it was not over when the run ended.
    pub mitigated: [Option<Instant>; 2],
    pub exposure: Exposure,
}

/// How the release was taken back.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    pub decision: &'a Decision,
    pub change: &'a Change,
    /// When somebody could know: an alert fired, or what a person noticed happened. Not before the first bad answer; of
    /// several decisions to go back the first counts.
    pub detected: Instant,
    /// The next change, if it brought a bad version again.
    pub undone: Option<&'a Change>,
    /// ELB 5xx of the requests that arrived from the change until it was complete; if it was undone, until that was.
    pub elb_5xx: u64,
}

/// A decision that was not the way back, and its change.
#[derive(Clone, Debug)]
pub(super) struct Other<'a> {
    pub decision: &'a Decision,
    pub change: &'a Change,
    /// The next change, if it brought a bad version again.
    pub undone: Option<&'a Change>,
}

/// Whom the bad versions reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exposure {
    pub requests: u64,
    /// Those that they failed.
    pub target_5xx: u64,
    /// The sum of their shares over the seconds: so many seconds with all requests cost the same.
    pub equivalent: f64,
    pub total: u64,
    pub users: Option<Users>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Users {
    pub count: u64,
    pub exposed: u64,
    pub hit_by_target_5xx: u64,
}

/// The times that a way back is measured by, each up to the next. Until somebody noticed; until he decided; and both until
/// the last bad answer: from the noticing, and from the first bad answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub detect: Duration,
    pub decide: Duration,
    pub mitigate: Option<Duration>,
    pub recover: Option<Duration>,
}

impl Rollback<'_> {
    pub(super) fn times(&self) -> Option<Times> {
        let Way { decision, detected, .. } = self.way.as_ref()?;
        let mitigated = self.mitigated[0];
        Some(Times {
            detect: detected.saturating_since(self.first_bad),
            decide: decision.decided.saturating_since(*detected),
            mitigate: mitigated.map(|at| at.saturating_since(*detected)),
            recover: mitigated.map(|at| at.saturating_since(self.first_bad)),
        })
    }
}

/// None if nobody met a bad version; or if nobody decided anything, and the scenario says of none that it is bad.
pub(super) fn of<'a>(loaded: &Loaded, run: &'a Run) -> Option<Rollback<'a>> {
    let bad = BadVersions::of(loaded, run);
    let first_bad = bad.first_answer()?;
    let answered: Vec<_> = (0..run.seconds.len()).map(|row| bad.answered(row)).collect();
    let mitigated = TOLERATED.map(|tolerated| mitigated(run, &answered, tolerated));
    let way = way((run, &bad), first_bad, mitigated[0]);
    let vain: Vec<_> = vain(run).filter(|decision| decision.decided >= first_bad).collect();
    let others = others((run, &bad), first_bad, way.as_ref());
    if way.is_none() && vain.is_empty() && others.is_empty() && !bad.are_said() {
        return None;
    }
    let first_noticed = others.iter().map(|other| other.decision).chain(vain.iter().copied()).map(noticed).min();
    let way = way
        .map(|way| Way { detected: first_noticed.map_or(way.detected, |at| at.clamp(first_bad, way.detected)), ..way });
    // What had an effect had it no later than that.
    let mitigated = mitigated.map(|at| at.map(|at| way.as_ref().map_or(at, |way| at.max(way.decision.decided))));
    Some(Rollback { first_bad, way, others, vain, mitigated, exposure: exposure((run, &bad), &answered) })
}

/// When somebody could know: a person is told of an alert after it fired.
fn noticed(decision: &Decision) -> Instant {
    decision.alert.as_ref().map_or(decision.noticed, |alert| alert.fired)
}

/// The end of the last second in which they had a higher share than that. A second in which no version answered anybody
/// mitigates nothing: it is as bad as the one before.
fn mitigated(run: &Run, answered: &[Answered], tolerated: f64) -> Option<Instant> {
    let mut was_bad = false;
    let is_bad = |(bad, second): (&Answered, &crate::run::Second)| {
        if second.ok + second.target_5xx > 0 {
            was_bad = bad.requests as f64 > tolerated * f64::from(second.requests);
        }
        was_bad
    };
    let seconds: Vec<_> = answered.iter().zip(&run.seconds).map(is_bad).collect();
    let last = seconds.into_iter().rposition(|is_bad| is_bad);
    let end = Instant::START + last.map_or(Duration::ZERO, |last| Duration::secs(last as u64 + 1));
    (end < run.end).then_some(end)
}

/// By the last change that left a bad version before that version's last answer.
fn way<'a>((run, bad): (&'a Run, &BadVersions<'_>), first_bad: Instant, mitigated: Option<Instant>) -> Option<Way<'a>> {
    let is_in_time = |change: &Change| mitigated.is_none_or(|at| change.at <= at);
    let left = |place: &usize| {
        let change = &run.changes[*place];
        change.decision.is_some() && bad.are_left_by(change, template_before(run, *place)) && is_in_time(change)
    };
    let place = (0..run.changes.len()).rfind(left)?;
    let (change, later) = (&run.changes[place], run.changes.get(place + 1));
    let decision = run.decision_of(change)?;
    let undone = undone((run, bad), place);
    let after = run.changes.get(place + 2).map(|after| after.at);
    let until = match undone {
        Some(undone) => change.complete.or(undone.complete).or(after),
        None => change.complete.or(later.map(|later| later.at)),
    };
    let until = until.unwrap_or(run.end);
    let [from, until] = [change.at, until].map(|at| usize::try_from(at.second()).expect("seconds can be indexed"));
    let rows = run.seconds.iter().take(until + 1).skip(from);
    Some(Way {
        decision,
        change,
        detected: noticed(decision).max(first_bad),
        undone,
        elb_5xx: rows.map(|second| u64::from(second.elb_5xx())).sum(),
    })
}

/// The change after this one, if it brings a bad version again.
fn undone<'a>((run, bad): (&'a Run, &BadVersions<'_>), place: usize) -> Option<&'a Change> {
    run.changes.get(place + 1).filter(|later| match later.kind {
        ChangeKind::Template(revision) => bad.contain(revision),
        ChangeKind::Retry => template_before(run, place).is_some_and(|revision| bad.contain(revision)),
        ChangeKind::Abort | ChangeKind::FeatureDisabled => false,
    })
}

/// What else was decided after the bad version had answered, and had an effect.
fn others<'a>((run, bad): (&'a Run, &BadVersions<'_>), first_bad: Instant, way: Option<&Way<'_>>) -> Vec<Other<'a>> {
    let other = |(place, change): (usize, &'a Change)| {
        let decision = run.decision_of(change)?;
        let is_way = way.is_some_and(|way| std::ptr::eq(way.change, change));
        let is_other = !is_way
            && decision.decided >= first_bad
            && is_back(decision)
            && bad.are_left_by(change, template_before(run, place));
        is_other.then(|| Other { decision, change, undone: undone((run, bad), place) })
    };
    run.changes.iter().enumerate().filter_map(other).collect()
}

/// The pod template that a change met.
fn template_before(run: &Run, place: usize) -> Option<Revision> {
    run.changes[..place].iter().rev().find_map(|change| match change.kind {
        ChangeKind::Template(revision) => Some(revision),
        ChangeKind::Abort | ChangeKind::Retry | ChangeKind::FeatureDisabled => None,
    })
}

fn is_back(decision: &Decision) -> bool {
    match decision.by {
        Decider::Promotion | Decider::RolloutsController => true,
        Decider::Person { verb, .. } => matches!(
            verb,
            Verb::Abort | Verb::Undo | Verb::RevertCommit | Verb::RunPipeline | Verb::Reject | Verb::DisableFeature
        ),
    }
}

/// To go back, and nothing came of it.
fn vain(run: &Run) -> impl Iterator<Item = &Decision> {
    let is_vain = |index: usize| run.changes.iter().all(|change| change.decision != Some(index));
    let decisions = run.decisions.iter().enumerate();
    decisions.filter(move |(index, decision)| is_back(decision) && is_vain(*index)).map(|(_, decision)| decision)
}

fn exposure((run, bad): (&Run, &BadVersions<'_>), answered: &[Answered]) -> Exposure {
    let users: Vec<_> = run.classes.iter().flat_map(|class| &class.users).collect();
    let count =
        |is_one: &dyn Fn(&crate::run::UserRecord) -> bool| users.iter().filter(|user| is_one(user)).count() as u64;
    let shares = answered.iter().zip(&run.seconds).filter(|(_, second)| second.requests > 0);
    Exposure {
        requests: answered.iter().map(|bad| bad.requests).sum(),
        target_5xx: answered.iter().map(|bad| bad.failed).sum(),
        equivalent: shares.map(|(bad, second)| bad.requests as f64 / f64::from(second.requests)).sum(),
        total: run.requests.total,
        users: (!users.is_empty()).then(|| Users {
            count: users.len() as u64,
            exposed: count(&|user| bad.reached(user)),
            hit_by_target_5xx: count(&|user| bad.failed(user)),
        }),
    }
}
