//! Between people, the CI server and the manifest repository: what runs of the pipeline and the promotion stage commit.

use super::Simulation;
use super::event::Event;
use crate::model::Revision;
use crate::model::pipeline::{self, Attempt, Effect, Pipeline, PipelineSpec, RunId, Stage, Verdict};
use crate::model::promotion::{self, End, OnTimeout, Promotion};
use crate::random::{Random, Stream};
use crate::run::{Decider, Decision};
use crate::scenario::Scenario;
use crate::units::{Duration, Instant};

pub struct Delivery<'a> {
    pipeline: Option<Ci<'a>>,
    promotion: Option<Promotion>,
    /// The pod template that the promotion stage goes back to.
    previous: Revision,
}

/// The CI server.
struct Ci<'a> {
    spec: &'a PipelineSpec,
    pipeline: Pipeline,
    /// By run.
    builds: Vec<Build>,
    other_jobs: Random,
}

impl<'a> Delivery<'a> {
    pub fn new(scenario: &'a Scenario, seed: u64) -> Option<Self> {
        let gitops = scenario.gitops.as_ref()?;
        let ci = |spec: &'a PipelineSpec| Ci {
            spec,
            pipeline: Pipeline::new(spec.executors),
            builds: vec![],
            other_jobs: Random::new(seed, Stream::OtherJobs, 0),
        };
        let promotion = gitops.promotion.map(Promotion::new);
        Some(Self { pipeline: gitops.pipeline.as_ref().map(ci), promotion, previous: super::STABLE })
    }

    /// Whether it may still bring a commit: a release is not over before that.
    pub fn is_under_way(&self) -> bool {
        self.pipeline.as_ref().is_some_and(|ci| ci.pipeline.is_under_way())
            || self.promotion.as_ref().is_some_and(Promotion::is_under_way)
    }
}

#[derive(Clone, Copy)]
struct Build {
    /// The pod template whose code it builds.
    source: Revision,
    /// Of whom asked for it.
    decision: usize,
}

/// What is random about a run, always drawn in this order.
fn draw_run(spec: &PipelineSpec, random: &mut Random) -> Vec<Stage> {
    let stages = spec.stages.iter().map(|stage| {
        let mut attempt = || Attempt { time: random.draw(&stage.duration), fails: random.happens(stage.failure_share) };
        let attempts = (0..=spec.retries).map(|_| attempt()).collect();
        Stage { needs_executor: stage.needs_executor, attempts }
    });
    stages.collect()
}

/// `run 1, retry 2`
fn of_attempt(run: RunId, attempt: usize) -> String {
    if attempt == 0 { run.to_string() } else { format!("{run}, retry {attempt}") }
}

impl Simulation<'_> {
    /// Somebody sends the code of the pod template before this one through the whole pipeline.
    pub(super) fn run_pipeline(&mut self, now: Instant) {
        let (Some(gitops), Some(delivery)) = (&self.gitops, &mut self.delivery) else {
            unreachable!("a checked scenario runs a pipeline that it has");
        };
        let ci = delivery.pipeline.as_mut().expect("a checked scenario runs a pipeline that it has");
        let (_, before) = gitops.templates();
        let number = u32::try_from(ci.builds.len()).expect("runs are few");
        ci.builds.push(Build { source: self.code.of(before), decision: self.decisions.newest() });
        let stages = draw_run(ci.spec, &mut Random::new(self.seed, Stream::Pipeline, number));
        self.tell_pipeline(now, pipeline::Input::RunAsked(stages));
    }

    pub(super) fn plan_other_job(&mut self, now: Instant) {
        let Some(ci) = self.delivery.as_mut().and_then(|delivery| delivery.pipeline.as_mut()) else { return };
        let Some(jobs) = &ci.spec.other_jobs else { return };
        let gap = jobs.rate.mean_gap_nanos() * ci.other_jobs.exponential();
        self.queue.schedule(now + Duration::from_secs_f64(gap / 1e9), Event::OtherJob);
    }

    pub(super) fn begin_other_job(&mut self, now: Instant) {
        let Some(ci) = self.delivery.as_mut().and_then(|delivery| delivery.pipeline.as_mut()) else { return };
        let Some(jobs) = &ci.spec.other_jobs else { return };
        let time = ci.other_jobs.draw(&jobs.duration);
        self.tell_pipeline(now, pipeline::Input::OtherJobAsked(time));
        self.plan_other_job(now);
    }

    pub(super) fn tell_pipeline(&mut self, now: Instant, input: pipeline::Input) {
        const NAME: &str = "pipeline";
        let Some(ci) = self.delivery.as_mut().and_then(|delivery| delivery.pipeline.as_mut()) else { return };
        let spec = ci.spec;
        let stage_name = |stage: usize| &spec.stages[stage].name;
        for effect in ci.pipeline.handle(input) {
            match effect {
                Effect::Started(run) => {
                    let Build { source, .. } = self.build(run);
                    self.log(now, NAME, "Started", run, format!("the code of {source}"));
                }
                Effect::Queued(run, before) => self.log(now, NAME, "Queued", run, format!("{before} before it")),
                Effect::StageStarted(run, stage, attempt) => {
                    self.log(now, NAME, "StageStarted", stage_name(stage), of_attempt(run, attempt));
                }
                Effect::StageEnded(run, stage) => self.log(now, NAME, "StageEnded", stage_name(stage), run),
                Effect::StageFailed(run, stage, attempt) => {
                    self.log(now, NAME, "StageFailed", stage_name(stage), of_attempt(run, attempt));
                }
                Effect::Ended(run, verdict) => {
                    self.log(now, NAME, "Ended", run, verdict.name());
                    if verdict == Verdict::Succeeded {
                        self.commit_build(now, run);
                    }
                }
                Effect::Wake(delay, input) => self.queue.schedule(now + delay, Event::Pipeline(input)),
            }
        }
        self.end_if_over(now);
    }

    fn build(&self, run: RunId) -> Build {
        let ci = self.delivery.as_ref().and_then(|delivery| delivery.pipeline.as_ref());
        ci.expect("a run has a pipeline").builds[run.0 as usize]
    }

    /// The same code makes another image, and with its digest another pod template.
    fn commit_build(&mut self, now: Instant, run: RunId) {
        let Build { source, decision } = self.build(run);
        self.newest = Revision(self.newest.0 + 1);
        self.code.is_built_from(self.newest, source);
        self.commit_template(now, decision, self.newest);
    }

    pub(super) fn begin_promotion(&mut self, now: Instant) {
        let (Some(gitops), Some(delivery)) = (&self.gitops, &mut self.delivery) else { return };
        if delivery.promotion.is_some() {
            delivery.previous = gitops.templates().1;
            self.tell_promotion(now, promotion::Input::Deployed);
        }
    }

    pub(super) fn tell_promotion(&mut self, now: Instant, input: promotion::Input) {
        use promotion::Effect::*;
        const NAME: &str = "promotion";
        let Some(delivery) = &mut self.delivery else { return };
        let previous = delivery.previous;
        let promotion = delivery.promotion.as_mut().expect("a checked scenario decides in a stage that it has");
        for effect in promotion.handle(input) {
            match effect {
                Wake(delay, input) => {
                    self.log(now, NAME, "Started", "stage", format!("for {delay}"));
                    self.queue.schedule(now + delay, Event::Promotion(input));
                }
                Ended(End::Accepted) => self.log(now, NAME, "Accepted", "stage", ""),
                Ended(End::Rejected) => self.log(now, NAME, "Rejected", "stage", ""),
                Ended(End::TimedOut(then)) => {
                    self.log(now, NAME, "TimedOut", "stage", then.name());
                    if then == OnTimeout::Rollback {
                        self.decide_by_time_out(now);
                    }
                }
                CommitPrevious => self.commit_template(now, self.decisions.newest(), previous),
                TooLate(end) => {
                    self.log(now, NAME, "TooLate", "stage", end);
                    self.decisions.refused(end);
                }
            }
        }
        self.end_if_over(now);
    }

    /// Nobody has looked: that goes back by itself.
    fn decide_by_time_out(&mut self, now: Instant) {
        let by = Decider::Promotion;
        self.decisions.decided(Decision { by, triggered: now, noticed: now, alert: None, decided: now, refused: None });
    }
}
