//! Which AnalysisRuns there are, and what becomes of the Rollout by their verdicts.
//!
//! Follows `rollout/analysis.go` of argo-rollouts at 9f8d111d (after 1.10.0-rc1). What a run measures is its own affair
//! (`model::analysis`); here it is a phase and a message.

use super::pass::Pass;
use super::status::PauseReason;
use super::step::Step;
use super::{Effect, Observed};
use crate::model::analysis::metric::Phase;

/// What a run is for. Of each kind there is one at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `canary.analysis`, beside the steps.
    Background,
    /// A step `analysis`.
    Step,
    /// `blueGreen.prePromotionAnalysis`.
    PrePromotion,
    /// `blueGreen.postPromotionAnalysis`.
    PostPromotion,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Step => "step",
            Self::PrePromotion => "pre-promotion",
            Self::PostPromotion => "post-promotion",
        }
    }
}

/// A run, as the Rollout's status names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub kind: Kind,
    /// Runs are numbered in the order in which they are created.
    pub number: u32,
    pub phase: Phase,
    pub message: String,
}

/// Names of AnalysisTemplates, which one run measures together.
pub type Templates = Vec<String>;

impl Observed<'_> {
    /// The templates of a run that the pass wants to have, if it wants one of this kind.
    fn wants(&self, kind: Kind) -> Option<Templates> {
        let blue_green = self.spec.blue_green();
        match kind {
            Kind::Background => {
                let background = blue_green.is_none().then(|| self.canary().analysis.clone()).flatten()?;
                let is_before = self.step_index().is_some_and(|index| index < background.starting_step);
                (!self.is_fully_promoted() && !is_before).then_some(background.templates)
            }
            Kind::Step => match self.step() {
                Some(Step::Analysis(templates)) => Some(templates.clone()),
                _ => None,
            },
            Kind::PrePromotion => {
                let templates = blue_green?.pre_promotion_analysis.clone()?;
                let is_switched = self.status.active.is_none() || self.status.active == self.new_revision();
                let wanted = blue_green?.preview_replicas.unwrap_or(self.spec.replicas);
                let has_pods =
                    self.new.is_some_and(|new| new.available >= wanted.min(new.replicas) && new.available > 0);
                let is_over = self.status.stable == self.new_revision() || is_switched;
                (!is_over && has_pods && self.new.is_some_and(|new| new.replicas >= wanted)).then_some(templates)
            }
            Kind::PostPromotion => {
                let templates = blue_green?.post_promotion_analysis.clone()?;
                let is_switched = self.status.active.is_some() && self.status.active == self.new_revision();
                (self.status.stable != self.new_revision() && is_switched).then_some(templates)
            }
        }
    }

    fn run(&self, kind: Kind) -> Option<&Run> {
        self.status.analysis.iter().find(|run| run.kind == kind)
    }

    /// Source: `needsNewAnalysisRun`.
    fn needs_new(&self, run: Option<&Run>) -> bool {
        let Some(run) = run else { return true };
        // A person has ended the pause that an inconclusive run brought. Another pause is none of its business.
        if self.status.controller_pause && self.status.pause_conditions.is_empty() {
            return run.phase == Phase::Inconclusive;
        }
        // A retry: the abort was taken back, and no full pass has been since.
        self.status.aborted_at.is_some()
    }
}

impl Pass<'_> {
    /// Source: `reconcileAnalysisRuns`.
    pub(super) fn reconcile_analysis(&mut self) {
        let observed = self.observed();
        let is_kept = observed.new.is_some_and(|new| new.has_scale_down_deadline());
        let is_first = observed.stable.is_none();
        if self.is_aborted() || observed.status.promote_full || is_kept || is_first || self.is_rollback_within_window()
        {
            return self.end_runs_beside(&[]);
        }
        let kinds = match observed.spec.blue_green() {
            None => [Kind::Step, Kind::Background],
            Some(_) => [Kind::PrePromotion, Kind::PostPromotion],
        };
        let current: Vec<_> = kinds.into_iter().filter_map(|kind| self.reconcile_run(kind)).collect();
        self.end_runs_beside(&current.iter().map(|run| run.number).collect::<Vec<_>>());
        self.rollout.status.analysis = current;
    }

    /// The run of this kind, if there is to be one: begun, or heard.
    fn reconcile_run(&mut self, kind: Kind) -> Option<Run> {
        let observed = self.observed();
        let current = observed.run(kind).cloned();
        let is_paused = !observed.status.pause_conditions.is_empty() || self.rollout.spec.paused;
        let is_inconclusive = self.has_pause_condition(PauseReason::InconclusiveAnalysisRun);
        if kind == Kind::Step && is_paused {
            return current;
        }
        let templates = observed.wants(kind)?;
        if is_inconclusive || kind == Kind::PostPromotion && !self.are_targets_verified() {
            return current;
        }
        let observed = self.observed();
        if observed.needs_new(current.as_ref()) {
            let number = self.rollout.next_run;
            self.rollout.next_run += 1;
            self.effects.push(Effect::StartAnalysis { number, kind, templates });
            return Some(Run { kind, number, phase: Phase::Running, message: String::new() });
        }
        let run = current?;
        match run.phase {
            Phase::Inconclusive => self.pause.adds.push(PauseReason::InconclusiveAnalysisRun),
            Phase::Error | Phase::Failed => {
                let message = run.message.clone();
                self.pause.abort.get_or_insert(message);
            }
            Phase::Running | Phase::Successful => {}
        }
        Some(run)
    }

    /// Whoever still measures is told to stop.
    fn end_runs_beside(&mut self, current: &[u32]) {
        for run in &mut self.rollout.status.analysis {
            if run.phase == Phase::Running && !current.contains(&run.number) {
                // Ended by us: nothing follows from it.
                run.phase = Phase::Successful;
                self.effects.push(Effect::EndAnalysis(run.number));
            }
        }
    }

    /// Another revision: what was measured is of no use any more.
    pub(super) fn end_runs(&mut self) {
        self.end_runs_beside(&[]);
        self.rollout.status.analysis.clear();
    }

    /// Nothing is scaled and no pause begins while somebody has to decide.
    pub(super) fn is_halted(&self) -> bool {
        self.has_pause_condition(PauseReason::InconclusiveAnalysisRun)
    }

    pub(super) fn is_step_analysis_successful(&self) -> bool {
        self.observed().run(Kind::Step).is_some_and(|run| run.phase == Phase::Successful)
    }

    /// Source: `completedPrePromotionAnalysis`.
    pub(super) fn has_passed_pre_promotion_analysis(&self) -> bool {
        let wanted = self.rollout.spec.blue_green().and_then(|blue_green| blue_green.pre_promotion_analysis.as_ref());
        wanted.is_none() || self.is_successful(Kind::PrePromotion)
    }

    pub(super) fn has_passed_post_promotion_analysis(&self) -> bool {
        let wanted = self.rollout.spec.blue_green().and_then(|blue_green| blue_green.post_promotion_analysis.as_ref());
        wanted.is_none() || self.is_successful(Kind::PostPromotion)
    }

    fn is_successful(&self, kind: Kind) -> bool {
        self.observed().run(kind).is_some_and(|run| run.phase == Phase::Successful)
    }
}
