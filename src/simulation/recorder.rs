//! What is written down while a run goes on: the log, the pods, the steps.

use crate::model::rollout::replicas::set_weight_at;
use crate::model::rollout::step::Step;
use crate::model::tally::Totals;
use crate::run::{LogEntry, Pods, RolloutOutcome, RolloutRecord, Run, Second, StepRecord};
use crate::units::{Duration, Instant, Percent, TrafficWeight};

/// The control plane's columns of the timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub weight_requested: u8,
    pub weight_effective_sum: u16,
    pub stable_serving: u16,
    pub canary_serving: u16,
    pub terminating: u16,
    pub pods_total: u16,
}

/// What the requests of a stretch of time are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Step(usize),
    AfterLastStep,
    AfterAbort,
    AfterUndo,
    /// A release without steps that follows an undo.
    NextRelease,
}

#[derive(Clone, Debug)]
pub struct Recorder {
    events: Vec<LogEntry>,
    /// Each state with the instant since which it held.
    states: Vec<(Instant, State)>,
    /// Wanted sizes (stable, canary) with the instant since which they held.
    sizes: Vec<(Instant, u32, u32)>,
    /// The canary weight by which all nodes route, with the instant since which they agreed.
    effective: Vec<(Instant, Percent)>,
    /// The canary weight in the annotation, with the instant since which it was there.
    asked: Vec<(Instant, Percent)>,
    started: Vec<Option<Instant>>,
    /// The sections of the tally but the first, which lies before the release.
    sections: Vec<Section>,
    completed: Vec<Option<Instant>>,
    promoted: Option<Instant>,
    aborted: Option<Instant>,
    undone: Option<Instant>,
    stable_gone: Option<Instant>,
    peak: u32,
    pod_time: Duration,
}

/// What a run knows of itself when it is over.
#[derive(Debug)]
pub struct Ending<'a> {
    pub seed: u64,
    pub fingerprint: u64,
    pub release: Instant,
    pub end: Instant,
    pub nodes: u32,
    pub replicas: u32,
    pub steps: &'a [Step],
    pub outcome: RolloutOutcome,
}

impl Recorder {
    pub fn new(steps: usize, stable: u32) -> Self {
        Self {
            events: vec![],
            states: vec![],
            sizes: vec![(Instant::START, stable, 0)],
            effective: vec![(Instant::START, Percent::ZERO)],
            asked: vec![(Instant::START, Percent::ZERO)],
            started: vec![None; steps],
            sections: vec![],
            completed: vec![None; steps],
            promoted: None,
            aborted: None,
            undone: None,
            stable_gone: None,
            peak: 0,
            pod_time: Duration::ZERO,
        }
    }

    pub fn log(&mut self, entry: LogEntry) {
        self.events.push(entry);
    }

    pub fn state(&mut self, now: Instant, state: State) {
        self.peak = self.peak.max(u32::from(state.pods_total));
        match self.states.last_mut() {
            Some((_, last)) if *last == state => {}
            Some((since, last)) if *since == now => *last = state,
            _ => self.states.push((now, state)),
        }
    }

    pub fn sizes(&mut self, now: Instant, stable: u32, canary: u32) {
        self.sizes.push((now, stable, canary));
    }

    pub fn effective(&mut self, now: Instant, weight: Percent) {
        self.effective.push((now, weight));
    }

    pub fn asked(&mut self, now: Instant, weight: Percent) {
        self.asked.push((now, weight));
    }

    /// Begins a section of the tally. After a retry, and in another update, a step begins once more, and those behind it
    /// have not yet.
    pub fn step_started(&mut self, now: Instant, index: usize) {
        self.started[index] = Some(now);
        self.completed[index] = None;
        self.started[index + 1..].fill(None);
        self.completed[index + 1..].fill(None);
        self.promoted = None;
        self.sections.push(Section::Step(index));
        (self.aborted, self.undone) = (None, None);
    }

    pub fn step_completed(&mut self, now: Instant, index: usize) {
        self.completed[index] = Some(now);
    }

    /// Begins a section of the tally: no step is left.
    pub fn steps_over(&mut self) {
        self.sections.push(Section::AfterLastStep);
    }

    /// Begins a section of the tally: until a retry no step is in force.
    pub fn aborted(&mut self, now: Instant) {
        self.sections.push(Section::AfterAbort);
        self.aborted = Some(now);
    }

    /// Begins a section of the tally: until a step begins once more none is in force.
    pub fn undone(&mut self, now: Instant) {
        self.sections.push(Section::AfterUndo);
        self.undone = Some(now);
    }

    /// Another release: what was undone is the past. Whether that begins a section of the tally; a step would by itself.
    pub fn deployed(&mut self) -> bool {
        let begins = self.undone.take().is_some() && self.started.is_empty();
        if begins {
            self.sections.push(Section::NextRelease);
        }
        begins
    }

    /// ELB 5xx of the requests that arrived in sections of this kind.
    fn in_sections(&self, totals: &Totals, kind: Section) -> u64 {
        // The first section lies before all of them.
        let counts = totals.sections.iter().skip(1).zip(&self.sections);
        counts.filter(|(_, section)| **section == kind).map(|(count, _)| count).sum()
    }

    pub fn promoted(&mut self, now: Instant) {
        self.promoted = Some(now);
    }

    pub fn pod_removed(&mut self, existed: Duration) {
        self.pod_time += existed;
    }

    /// At the end of the run.
    pub fn stable_there(&mut self) {
        self.stable_gone = None;
    }

    pub fn stable_gone(&mut self, now: Instant) {
        self.stable_gone = Some(now);
    }

    pub fn into_run(mut self, totals: Totals, ending: &Ending<'_>) -> Run {
        let steps = self.step_records(&totals, ending);
        let after = self.in_sections(&totals, Section::AfterLastStep);
        let after_abort = self.in_sections(&totals, Section::AfterAbort);
        let after_undo = self.in_sections(&totals, Section::AfterUndo);
        let seconds = self.fill_seconds(totals.seconds);
        let until = self.promoted.or(self.aborted).unwrap_or(ending.end);
        Run {
            seed: ending.seed,
            fingerprint: ending.fingerprint,
            release: ending.release,
            end: ending.end,
            seconds,
            events: std::mem::take(&mut self.events),
            requests: totals.requests,
            causes: totals.causes,
            failures: totals.failures,
            steps,
            rollout: RolloutRecord {
                outcome: ending.outcome,
                promoted: self.promoted,
                stable_gone: self.stable_gone,
                duration: until.saturating_since(ending.release),
                elb_5xx_after_last_step: after,
                elb_5xx_after_abort: after_abort,
                elb_5xx_after_undo: after_undo,
                aborted: self.aborted,
                undone: self.undone,
            },
            pods: Pods {
                peak: self.peak,
                pod_time: self.pod_time,
                steady_pod_time: (ending.end - Instant::START) * u64::from(ending.replicas),
            },
            latency: totals.latency,
            waits_for: None,
            nodes: ending.nodes,
            trace: totals.trace,
        }
    }

    /// Each second gets the state that held at its end.
    fn fill_seconds(&self, mut seconds: Vec<Second>) -> Vec<Second> {
        let mut states = self.states.iter().peekable();
        let mut state = State::default();
        for (number, second) in (1..).zip(&mut seconds) {
            let end = Instant::START + Duration::secs(number);
            while let Some((_, next)) = states.next_if(|(since, _)| *since < end) {
                state = *next;
            }
            second.weight_requested = state.weight_requested;
            second.weight_effective_sum = state.weight_effective_sum;
            second.stable_serving = state.stable_serving;
            second.canary_serving = state.canary_serving;
            second.terminating = state.terminating;
            second.pods_total = state.pods_total;
        }
        seconds
    }

    fn step_records(&self, totals: &Totals, ending: &Ending<'_>) -> Vec<StepRecord> {
        let record = |index: usize| {
            let step = &ending.steps[index];
            let weight =
                set_weight_at(ending.steps, index, TrafficWeight::HUNDRED).percent().unwrap_or(Percent::HUNDRED);
            let started = self.started[index];
            let is_set_weight = matches!(step, Step::SetWeight(_));
            let weight_asked = started.filter(|_| is_set_weight).and_then(|at| in_force(&self.asked, at, weight));
            // The pass after the one that completes the step may write it; what comes after the next one is another's.
            let over = self.next_set_weight(ending, index).unwrap_or(ending.end);
            let weight_asked = weight_asked.filter(|at| *at <= over);
            let (stable_pods, canary_pods) = self.settled(ending, index);
            StepRecord {
                index,
                step: step.to_string(),
                started,
                completed: self.completed[index],
                weight_requested: weight,
                weight_asked,
                weight_effective: weight_asked.and_then(|at| in_force(&self.effective, at, weight)),
                stable_pods,
                canary_pods,
                elb_5xx: self.in_sections(totals, Section::Step(index)),
            }
        };
        (0..ending.steps.len()).map(record).collect()
    }

    /// When the steps had no say any more: the undo, the promotion, or the abort.
    fn over(&self) -> Option<Instant> {
        self.undone.or(self.promoted).or(self.aborted)
    }

    /// When the next weight was asked for, be it by a step or by the promotion.
    fn next_set_weight(&self, ending: &Ending<'_>, index: usize) -> Option<Instant> {
        let is_set_weight = |next: &usize| matches!(ending.steps[*next], Step::SetWeight(_));
        let next = (index + 1..ending.steps.len()).find(is_set_weight);
        next.and_then(|next| self.started[next]).or(self.over())
    }

    /// The wanted sizes just before the next step but pauses began, or before the promotion.
    fn settled(&self, ending: &Ending<'_>, index: usize) -> (u32, u32) {
        let next = (index + 1..ending.steps.len()).find(|next| !matches!(ending.steps[*next], Step::Pause(_)));
        // After a last pause the promotion goes on to its own sizes.
        let last = ending.steps.len() - 1;
        let paused = self.completed[last].filter(|_| matches!(ending.steps[last], Step::Pause(_)));
        let until = next.and_then(|next| self.started[next]).or(paused).or(self.over()).unwrap_or(ending.end);
        let (_, stable, canary) = self.sizes.iter().rfind(|(at, ..)| *at < until).expect("the first is at the start");
        (*stable, *canary)
    }
}

/// When `weight` was in force, at `since` or later.
fn in_force(history: &[(Instant, Percent)], since: Instant, weight: Percent) -> Option<Instant> {
    let at_that_time = history.iter().rposition(|(at, _)| *at <= since).unwrap_or(0);
    history[at_that_time..].iter().find(|(_, then)| *then == weight).map(|(at, _)| (*at).max(since))
}
