//! The delivery pipeline, as a CI server plays it: stages one after the other, on an executor.
//!
//! Follows a declarative Jenkinsfile with `agent none` at its top: a run takes an executor for the first stage that needs
//! one, and holds it until a stage that needs none, or its end. Who finds none waits, first come, first served. The jobs of
//! other teams take executors as well.
//!
//! Left out: stages side by side, agents with labels, runs that are stopped by hand, `quietPeriod`.

use crate::random::Distribution;
use crate::units::{Duration, Rate};
use std::collections::VecDeque;
use std::fmt;
use {Effect::*, Input::*};

/// `[pipeline]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSpec {
    pub executors: u32,
    pub other_jobs: Option<OtherJobs>,
    /// So often a stage that has failed is tried again.
    pub retries: u32,
    pub stages: Vec<StageSpec>,
}

/// The jobs of other teams, which come at random.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherJobs {
    pub rate: Rate,
    pub duration: Distribution,
}

/// `[[pipeline.stages]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSpec {
    pub name: String,
    pub duration: Distribution,
    pub failure_share: f64,
    /// False: people do it, or the CI server itself.
    pub needs_executor: bool,
}

/// A run of the pipeline, numbered in the order in which people start them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u32);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.0 + 1)
    }
}

/// A stage of one run, as it will come to pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    pub needs_executor: bool,
    /// The first one, and its retries.
    pub attempts: Vec<Attempt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    pub time: Duration,
    pub fails: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A person starts a run.
    RunAsked(Vec<Stage>),
    AttemptOver(RunId),
    /// Another team starts a job of this length.
    OtherJobAsked(Duration),
    OtherJobOver,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Started(RunId),
    /// It waits for an executor, behind so many others.
    Queued(RunId, usize),
    /// Which stage, counted from 0, and which attempt.
    StageStarted(RunId, usize, usize),
    StageEnded(RunId, usize),
    StageFailed(RunId, usize, usize),
    Ended(RunId, Verdict),
    /// Give this input back after the delay.
    Wake(Duration, Input),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Succeeded,
    Failed,
}

impl Verdict {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Pipeline {
    executors: u32,
    busy: u32,
    /// First come, first served.
    queue: VecDeque<Job>,
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
enum Job {
    Run(RunId),
    Other(Duration),
}

#[derive(Clone, Debug)]
struct Run {
    stages: Vec<Stage>,
    /// The stage that it is at.
    stage: usize,
    attempt: usize,
    has_executor: bool,
    is_over: bool,
}

impl Pipeline {
    /// With every executor free.
    pub fn new(executors: u32) -> Self {
        Self { executors, busy: 0, queue: VecDeque::new(), runs: vec![] }
    }

    /// Whether a run is going on, or waits: what it brings is still to come.
    pub fn is_under_way(&self) -> bool {
        self.runs.iter().any(|run| !run.is_over)
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = vec![];
        match input {
            RunAsked(stages) => {
                let id = RunId(u32::try_from(self.runs.len()).expect("runs are few"));
                self.runs.push(Run { stages, stage: 0, attempt: 0, has_executor: false, is_over: false });
                effects.push(Started(id));
                self.go_on(id, &mut effects);
            }
            AttemptOver(id) => self.end_attempt(id, &mut effects),
            OtherJobAsked(time) if self.busy < self.executors => {
                self.busy += 1;
                effects.push(Wake(time, OtherJobOver));
            }
            OtherJobAsked(time) => self.queue.push_back(Job::Other(time)),
            OtherJobOver => self.free_executor(&mut effects),
        }
        effects
    }

    /// To the stage that it is at, if it has what that needs.
    fn go_on(&mut self, id: RunId, effects: &mut Vec<Effect>) {
        let run = &mut self.runs[id.0 as usize];
        let Some(stage) = run.stages.get(run.stage) else { return self.end(id, Verdict::Succeeded, effects) };
        match (stage.needs_executor, run.has_executor) {
            (true, false) if self.busy < self.executors => {
                self.busy += 1;
                run.has_executor = true;
            }
            (true, false) => {
                effects.push(Queued(id, self.queue.len()));
                return self.queue.push_back(Job::Run(id));
            }
            (false, true) => {
                run.has_executor = false;
                self.free_executor(effects);
            }
            (true, true) | (false, false) => {}
        }
        self.attempt(id, effects);
    }

    fn attempt(&self, id: RunId, effects: &mut Vec<Effect>) {
        let run = &self.runs[id.0 as usize];
        let time = run.stages[run.stage].attempts[run.attempt].time;
        effects.push(StageStarted(id, run.stage, run.attempt));
        effects.push(Wake(time, AttemptOver(id)));
    }

    fn end_attempt(&mut self, id: RunId, effects: &mut Vec<Effect>) {
        let run = &mut self.runs[id.0 as usize];
        let attempts = &run.stages[run.stage].attempts;
        if !attempts[run.attempt].fails {
            effects.push(StageEnded(id, run.stage));
            (run.stage, run.attempt) = (run.stage + 1, 0);
            return self.go_on(id, effects);
        }
        effects.push(StageFailed(id, run.stage, run.attempt));
        if run.attempt + 1 < attempts.len() {
            run.attempt += 1;
            return self.attempt(id, effects);
        }
        self.end(id, Verdict::Failed, effects);
    }

    fn end(&mut self, id: RunId, verdict: Verdict, effects: &mut Vec<Effect>) {
        let run = &mut self.runs[id.0 as usize];
        run.is_over = true;
        effects.push(Ended(id, verdict));
        if std::mem::take(&mut run.has_executor) {
            self.free_executor(effects);
        }
    }

    /// It goes to whoever has waited longest.
    fn free_executor(&mut self, effects: &mut Vec<Effect>) {
        match self.queue.pop_front() {
            None => self.busy -= 1,
            Some(Job::Other(time)) => effects.push(Wake(time, OtherJobOver)),
            Some(Job::Run(id)) => {
                self.runs[id.0 as usize].has_executor = true;
                self.attempt(id, effects);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: RunId = RunId(0);

    fn secs(secs: u64) -> Duration {
        Duration::secs(secs)
    }

    /// On an executor, with attempts of which all but the last fail.
    fn stage(attempts: &[(u64, bool)]) -> Stage {
        let attempts = attempts.iter().map(|(time, fails)| Attempt { time: secs(*time), fails: *fails }).collect();
        Stage { needs_executor: true, attempts }
    }

    #[test]
    fn one_stage_follows_the_other_on_one_executor() {
        let mut pipeline = Pipeline::new(1);
        let stages = vec![stage(&[(300, false)]), stage(&[(180, false)])];
        let started = [Started(RUN), StageStarted(RUN, 0, 0), Wake(secs(300), AttemptOver(RUN))];
        assert_eq!(pipeline.handle(RunAsked(stages)), started);
        let second = [StageEnded(RUN, 0), StageStarted(RUN, 1, 0), Wake(secs(180), AttemptOver(RUN))];
        assert_eq!(pipeline.handle(AttemptOver(RUN)), second);
        assert!(pipeline.is_under_way());
        assert_eq!(pipeline.handle(AttemptOver(RUN)), [StageEnded(RUN, 1), Ended(RUN, Verdict::Succeeded)]);
        assert!(!pipeline.is_under_way());
    }

    #[test]
    fn a_stage_that_fails_is_tried_again_as_often_as_it_may() {
        let mut pipeline = Pipeline::new(1);
        pipeline.handle(RunAsked(vec![stage(&[(60, true), (60, true)])]));
        let again = [StageFailed(RUN, 0, 0), StageStarted(RUN, 0, 1), Wake(secs(60), AttemptOver(RUN))];
        assert_eq!(pipeline.handle(AttemptOver(RUN)), again);
        assert_eq!(pipeline.handle(AttemptOver(RUN)), [StageFailed(RUN, 0, 1), Ended(RUN, Verdict::Failed)]);
    }

    #[test]
    fn who_finds_no_executor_waits_behind_those_before_him() {
        let mut pipeline = Pipeline::new(1);
        assert_eq!(pipeline.handle(OtherJobAsked(secs(60))), [Wake(secs(60), OtherJobOver)]);
        assert_eq!(pipeline.handle(OtherJobAsked(secs(90))), []);
        assert_eq!(pipeline.handle(RunAsked(vec![stage(&[(1, false)])])), [Started(RUN), Queued(RUN, 1)]);
        assert_eq!(pipeline.handle(OtherJobOver), [Wake(secs(90), OtherJobOver)]);
        assert_eq!(pipeline.handle(OtherJobOver), [StageStarted(RUN, 0, 0), Wake(secs(1), AttemptOver(RUN))]);
    }

    #[test]
    fn a_review_by_people_waits_for_no_executor() {
        let mut pipeline = Pipeline::new(1);
        pipeline.handle(OtherJobAsked(secs(3_600)));
        let review = Stage { needs_executor: false, ..stage(&[(600, false)]) };
        let started = [Started(RUN), StageStarted(RUN, 0, 0), Wake(secs(600), AttemptOver(RUN))];
        assert_eq!(pipeline.handle(RunAsked(vec![review, stage(&[(1, false)])])), started);
        assert_eq!(pipeline.handle(AttemptOver(RUN)), [StageEnded(RUN, 0), Queued(RUN, 0)]);
    }

    proptest! {
        /// Whatever comes, no more jobs are worked on than there are executors, and in the end all of them are free.
        #[test]
        fn executors_are_given_back(
            executors in 1u32..4,
            jobs in proptest::collection::vec((any::<bool>(), proptest::collection::vec((any::<bool>(), any::<bool>()), 0..4)), 0..12),
        ) {
            let mut pipeline = Pipeline::new(executors);
            let mut due = VecDeque::new();
            let asked = jobs.into_iter().map(|(is_other, stages)| match is_other {
                true => OtherJobAsked(secs(1)),
                false => RunAsked(stages.into_iter().map(|(needs_executor, fails)| {
                    Stage { needs_executor, ..stage(&[(1, fails)]) }
                }).collect()),
            });
            for input in asked.collect::<Vec<_>>() {
                due.push_back(input);
                let input = due.pop_front().expect("one has just come");
                for effect in pipeline.handle(input) {
                    if let Wake(_, input) = effect {
                        due.push_back(input);
                    }
                }
                prop_assert!(pipeline.busy <= executors);
            }
            while let Some(input) = due.pop_front() {
                for effect in pipeline.handle(input) {
                    if let Wake(_, input) = effect {
                        due.push_back(input);
                    }
                }
                prop_assert!(pipeline.busy <= executors);
            }
            prop_assert_eq!(pipeline.busy, 0);
            prop_assert!(pipeline.queue.is_empty() && !pipeline.is_under_way());
        }
    }
}
