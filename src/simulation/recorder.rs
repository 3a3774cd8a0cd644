//! What is written down while a run goes on: the log, the pods, the steps.

use crate::model::rollout::replicas::set_weight_at;
use crate::model::rollout::step::Step;
use crate::model::tally::Totals;
use crate::run::{LogEntry, Pods, RolloutOutcome, RolloutRecord, Run, Second, StepRecord};
use crate::units::{Duration, Instant, Share, TrafficWeight};
use std::ops::Range;

/// The control plane's columns of the timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub weight_requested: u16,
    pub weight_effective_sum: u32,
    pub stable_serving: u16,
    pub canary_serving: u16,
    pub terminating: u16,
    pub pods_total: u16,
}

/// What the requests of a stretch of time are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    /// Before the steps began anew.
    Superseded,
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
    effective: Vec<(Instant, Share)>,
    /// The canary weight in the annotation, with the instant since which it was there.
    asked: Vec<(Instant, Share)>,
    /// Weights that somebody else wrote there, and when.
    overwritten: Vec<(Instant, Share)>,
    started: Vec<Option<Instant>>,
    /// The sections of the tally but the first, which lies before the release.
    sections: Vec<Section>,
    /// When the steps began anew last.
    began_anew: Option<Instant>,
    completed: Vec<Option<Instant>>,
    promoted: Option<Instant>,
    aborted: Option<Instant>,
    /// When the template was changed while steps were left, and none has begun since.
    cut_off: Option<Instant>,
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
    pub max_weight: TrafficWeight,
    pub outcome: RolloutOutcome,
}

impl Recorder {
    pub fn new(steps: usize, stable: u32) -> Self {
        Self {
            events: vec![],
            states: vec![],
            sizes: vec![(Instant::START, stable, 0)],
            effective: vec![(Instant::START, Share::NONE)],
            asked: vec![(Instant::START, Share::NONE)],
            overwritten: vec![],
            started: vec![None; steps],
            sections: vec![],
            began_anew: None,
            completed: vec![None; steps],
            promoted: None,
            aborted: None,
            cut_off: None,
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

    /// All nodes route by it. Changes of other rules say it again.
    pub fn effective(&mut self, now: Instant, weight: Share) {
        if self.effective.last().is_none_or(|(_, last)| *last != weight) {
            self.effective.push((now, weight));
        }
    }

    pub fn asked(&mut self, now: Instant, weight: Share) {
        self.asked.push((now, weight));
    }

    /// Somebody else than the Rollouts controller has written the annotation.
    pub fn overwritten(&mut self, now: Instant, weight: Share) {
        self.overwritten.push((now, weight));
    }

    /// Begins a section of the tally. After a retry, and in another update, a step begins once more, and those behind it
    /// have not yet.
    pub fn step_started(&mut self, now: Instant, index: usize) {
        if index == 0 && !self.sections.is_empty() {
            self.sections.fill(Section::Superseded);
            self.began_anew = Some(now);
        }
        self.started[index] = Some(now);
        self.completed[index] = None;
        self.started[index + 1..].fill(None);
        self.completed[index + 1..].fill(None);
        self.promoted = None;
        self.sections.push(Section::Step(index));
        (self.aborted, self.undone, self.cut_off) = (None, None, None);
    }

    pub fn template_changed(&mut self, now: Instant) {
        self.cut_off = Some(now);
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

    /// The same, by a template that brought stable back: perhaps after an abort, which has been the end of the release then.
    pub fn taken_back(&mut self, now: Instant) {
        self.sections.push(if self.undone.is_some() { Section::AfterUndo } else { Section::AfterAbort });
        self.aborted.get_or_insert(now);
    }

    /// Begins a section of the tally: what was promoted stays, and the update that would have replaced it is over.
    pub fn rollback_undone(&mut self, now: Instant) {
        self.sections.push(Section::AfterLastStep);
        (self.promoted, self.aborted, self.undone) = (Some(now), None, None);
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
        let superseded = self.in_sections(&totals, Section::Superseded);
        let after_undo = self.in_sections(&totals, Section::AfterUndo);
        let seconds = self.fill_seconds(totals.seconds);
        let until = self.over(ending.outcome).unwrap_or(ending.end);
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
                began_anew: self.began_anew,
                elb_5xx_superseded: superseded,
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
            classes: totals.classes,
            decisions: vec![],
            changes: vec![],
            built_from: vec![],
            mirrored: totals.mirrored,
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
            let weight = set_weight_at(ending.steps, index, ending.max_weight);
            let weight = weight.share_of(ending.max_weight).unwrap_or(Share::ALL);
            let started = self.started[index];
            let is_set_weight = step.weight().is_some();
            // The pass after the one that completes the step may write it; what comes after the next one is another's.
            let over = self.next_set_weight(ending, index).unwrap_or(ending.end);
            let completed = self.completed[index].unwrap_or(over);
            let asked = started.filter(|_| is_set_weight).and_then(|at| self.asked_for(weight, at..completed));
            let asked = asked.filter(|asked| asked.at <= over);
            let (stable_pods, canary_pods) = self.settled(ending, index);
            StepRecord {
                index,
                step: step.to_string(),
                started,
                completed: self.completed[index],
                weight_requested: weight,
                weight_asked: asked.map(|asked| asked.at),
                weight_effective: asked.and_then(|asked| self.in_force(weight, asked)),
                stable_pods,
                canary_pods,
                elb_5xx: self.in_sections(totals, Section::Step(index)),
            }
        };
        (0..ending.steps.len()).map(record).collect()
    }

    /// When the release came to this end.
    fn over(&self, outcome: RolloutOutcome) -> Option<Instant> {
        match outcome {
            RolloutOutcome::Promoted => self.promoted,
            RolloutOutcome::Aborted => self.aborted,
            RolloutOutcome::Paused | RolloutOutcome::Degraded | RolloutOutcome::Running => None,
        }
    }

    /// When the steps had no say any more: the promotion, the abort, or another template.
    fn steps_ended(&self) -> Option<Instant> {
        [self.promoted, self.aborted, self.cut_off].into_iter().flatten().min()
    }

    /// When the next weight was asked for, be it by a step or by the promotion.
    fn next_set_weight(&self, ending: &Ending<'_>, index: usize) -> Option<Instant> {
        let is_set_weight = |next: &usize| ending.steps[*next].weight().is_some();
        let next = (index + 1..ending.steps.len()).find(is_set_weight);
        next.and_then(|next| self.started[next]).or(self.steps_ended())
    }

    /// The wanted sizes just before the next step but pauses began, or before the promotion.
    fn settled(&self, ending: &Ending<'_>, index: usize) -> (u32, u32) {
        let next = (index + 1..ending.steps.len()).find(|next| !matches!(ending.steps[*next], Step::Pause(_)));
        // After a last pause the promotion goes on to its own sizes.
        let last = ending.steps.len() - 1;
        let paused = self.completed[last].filter(|_| matches!(ending.steps[last], Step::Pause(_)));
        let until = next.and_then(|next| self.started[next]).or(paused).or(self.steps_ended()).unwrap_or(ending.end);
        let (_, stable, canary) = self.sizes.iter().rfind(|(at, ..)| *at < until).expect("the first is at the start");
        (*stable, *canary)
    }

    /// When a step that lasted so long asked for its weight. What was there already counts, unless something replaced it
    /// before the step was over: then another update had left it behind.
    fn asked_for(&self, weight: Share, step: Range<Instant>) -> Option<Asked> {
        let there = self.asked.iter().rposition(|(at, _)| *at <= step.start).unwrap_or(0);
        let ((written, before), later) = (self.asked[there], &self.asked[there + 1..]);
        let is_replaced = later.iter().any(|(at, then)| *at < step.end && *then != weight);
        if before == weight && !is_replaced {
            return Some(Asked { at: step.start, written });
        }
        later.iter().find(|(_, then)| *then == weight).map(|(at, _)| Asked { at: *at, written: *at })
    }

    /// When all nodes routed by a weight that was asked for, for the first time: what somebody else wrote over it later does
    /// not count. Earlier weights may still be on their way: what is followed by one of those was an earlier one, too.
    fn in_force(&self, weight: Share, asked: Asked) -> Option<Instant> {
        let there = self.effective.iter().rposition(|(at, _)| *at <= asked.at).unwrap_or(0);
        let is_newer = |(at, weight): &(Instant, Share)| {
            let mut written = self.asked.iter().chain(&self.overwritten);
            written.any(|(written, then)| then == weight && asked.written < *written && written <= at)
        };
        let mut entries = self.effective[there..].iter().enumerate();
        let found = entries
            .find(|(index, (_, then))| *then == weight && self.effective.get(there + index + 1).is_none_or(is_newer));
        found.map(|(_, (at, _))| (*at).max(asked.at))
    }
}

/// How a step came to its weight.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// When it was written into the annotation: perhaps before the step began.
    written: Instant,
}
