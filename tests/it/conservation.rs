//! Nothing is lost and nothing comes from nowhere: requests in = outcomes out, time never falls, and the Rollouts
//! controller keeps its promises about the number of pods.

use crate::support::{self, LONGEST_RECONCILE_MS, LONGEST_STATUS_MS};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rayon::prelude::*;
use rollout_sim::model::outcome::{Cause, Outcome};
use rollout_sim::model::rollout::step::{CanaryScale, Step};
use rollout_sim::run::{LogEntry, Run, Second, TracedRequest};
use rollout_sim::scenario::Scenario;
use rollout_sim::simulation::run_traced;
use rollout_sim::units::{Duration, Instant};
use std::collections::BTreeMap;

type Checked = Result<(), TestCaseError>;

#[test]
fn the_gallery_loses_nothing() {
    let gallery = support::gallery();
    gallery.par_iter().for_each(|scenario| {
        for seed in support::seeds("gallery") {
            if let Err(failure) = check(scenario, seed) {
                panic!("{}, seed {seed}: {failure}", scenario.name);
            }
        }
    });
}

#[test]
fn a_thousand_random_scenarios_lose_nothing() {
    support::for_random_scenarios("conservation", 1_000, check);
}

fn check(scenario: &Scenario, seed: u64) -> Checked {
    let run = run_traced(scenario, seed).run;
    requests_add_up(&run)?;
    the_trace_adds_up(&run)?;
    pods_add_up(&run)?;
    time_never_falls(&run)?;
    the_controller_keeps_its_promises(scenario, &run)
}

fn requests_add_up(run: &Run) -> Checked {
    let requests = run.requests;
    let answered = requests.ok + requests.elb_5xx() + requests.target_5xx;
    prop_assert_eq!(requests.total, answered, "every request has one outcome");
    for (number, second) in run.seconds.iter().enumerate() {
        let answered = second.ok + second.elb_5xx() + second.target_5xx;
        prop_assert_eq!(second.requests, answered, "second {}", number);
    }
    let sum = |figure: fn(&Second) -> u32| run.seconds.iter().map(|second| u64::from(figure(second))).sum::<u64>();
    prop_assert_eq!(sum(|second| second.requests), requests.total);
    prop_assert_eq!(sum(|second| second.ok), requests.ok);
    prop_assert_eq!(sum(|second| second.elb_502), requests.elb_502);
    prop_assert_eq!(sum(|second| second.elb_503), requests.elb_503);
    prop_assert_eq!(sum(|second| second.elb_504), requests.elb_504);
    prop_assert_eq!(sum(|second| second.target_5xx), requests.target_5xx);
    for (code, count) in [(502, requests.elb_502), (503, requests.elb_503), (504, requests.elb_504)] {
        let causes = Cause::ALL.iter().filter(|cause| cause.elb_status_code() == code);
        prop_assert_eq!(causes.map(|cause| run.causes[cause.index()].count).sum::<u64>(), count, "causes of {}", code);
    }
    let in_steps: u64 = run.steps.iter().map(|step| step.elb_5xx).sum();
    prop_assert!(in_steps + run.rollout.elb_5xx_after_last_step <= requests.elb_5xx(), "steps count no failure twice");
    Ok(())
}

/// The request by request account says the same as the sums.
fn the_trace_adds_up(run: &Run) -> Checked {
    let trace = run.trace.as_ref().expect("the run was traced");
    prop_assert_eq!(trace.len() as u64, run.requests.total);
    prop_assert!(trace.is_sorted_by_key(|request| request.arrival), "in order of arrival");
    prop_assert!(trace.iter().all(|request| request.answered >= request.arrival), "no answer before its request");
    prop_assert!(trace.iter().all(|request| request.arrival < run.end));
    let mut seconds = vec![[0u32; 5]; run.seconds.len()];
    for request in trace {
        let column = match request.outcome {
            Outcome::Ok => 0,
            Outcome::Elb(cause) => usize::from(cause.elb_status_code()) - 501,
            Outcome::Target5xx => 4,
        };
        seconds[usize::try_from(request.arrival.second()).unwrap()][column] += 1;
    }
    for (number, (ours, theirs)) in seconds.iter().zip(&run.seconds).enumerate() {
        let theirs = [theirs.ok, theirs.elb_502, theirs.elb_503, theirs.elb_504, theirs.target_5xx];
        prop_assert_eq!(*ours, theirs, "second {}", number);
    }
    for cause in Cause::ALL {
        let struck = |request: &&TracedRequest| request.outcome == Outcome::Elb(cause);
        let arrivals: Vec<_> = trace.iter().filter(struck).map(|request| request.arrival).collect();
        let count = run.causes[cause.index()];
        prop_assert_eq!(count.count, arrivals.len() as u64, "{:?}", cause);
        prop_assert_eq!(count.first, arrivals.first().copied(), "{:?}", cause);
        prop_assert_eq!(count.last, arrivals.last().copied(), "{:?}", cause);
        let in_seconds: u64 = run.failures.iter().map(|second| u64::from(second.causes[cause.index()])).sum();
        prop_assert_eq!(in_seconds, count.count, "{:?} by second", cause);
    }
    for second in &run.failures {
        let by_code = |code| Cause::ALL.into_iter().filter(move |cause| cause.elb_status_code() == code);
        let codes = [502, 503, 504].map(|code| by_code(code).map(|cause| second.causes[cause.index()]).sum::<u32>());
        let row = &run.seconds[second.row as usize];
        prop_assert_eq!(codes, [row.elb_502, row.elb_503, row.elb_504], "second {}", second.row);
    }
    let slowest = trace.iter().filter(|request| request.outcome == Outcome::Ok).map(|r| r.answered - r.arrival).max();
    prop_assert_eq!(run.latency.max.as_nanos() / 1_000, slowest.map_or(0, |time| time.as_nanos() / 1_000));
    let sections: Vec<_> = run.steps.iter().filter_map(|step| Some((step.started?, step.elb_5xx))).collect();
    for (index, (from, count)) in sections.iter().enumerate() {
        let over = run.steps.last().and_then(|step| step.completed).or(run.rollout.aborted);
        let until = sections.get(index + 1).map_or(over.unwrap_or(run.end), |(next, _)| *next);
        let failed =
            |r: &&TracedRequest| r.arrival >= *from && r.arrival < until && matches!(r.outcome, Outcome::Elb(_));
        prop_assert_eq!(trace.iter().filter(failed).count() as u64, *count, "step {}", index);
    }
    Ok(())
}

fn pods_add_up(run: &Run) -> Checked {
    for (number, second) in run.seconds.iter().enumerate() {
        let serving = second.stable_serving + second.canary_serving;
        prop_assert!(serving + second.terminating <= second.pods_total, "second {}: {:?}", number, second);
        prop_assert!(u32::from(second.pods_total) <= run.pods.peak, "second {}: {:?}", number, second);
    }
    // Each pod exists from its creation, or the start of the run, until its removal, or the end of the run.
    let mut created: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut pod_time = Duration::ZERO;
    for entry in run.events.iter().filter(|entry| entry.component == "pod") {
        match entry.event {
            "Created" => prop_assert!(created.insert(&entry.object, entry.at).is_none(), "{:?}", entry),
            "Removed" => pod_time += entry.at - created.remove(entry.object.as_str()).unwrap_or(Instant::START),
            _ => {}
        }
    }
    let established = run.pods.steady_pod_time.as_nanos() / (run.end - Instant::START).as_nanos();
    let first: Vec<_> = (0..established).map(|number| format!("pod-{number}")).collect();
    let removed = |pod: &&String| run.events.iter().any(|entry| entry.event == "Removed" && entry.object == **pod);
    let left = first.iter().filter(|pod| !removed(pod)).map(|_| Instant::START).chain(created.into_values());
    pod_time += left.map(|since| run.end - since).sum();
    prop_assert_eq!(run.pods.pod_time, pod_time);
    Ok(())
}

fn time_never_falls(run: &Run) -> Checked {
    prop_assert!(run.events.is_sorted_by_key(|entry| entry.at));
    prop_assert!(run.events.iter().all(|entry| entry.at < run.end));
    prop_assert_eq!((run.end - Instant::START).as_nanos(), run.seconds.len() as u64 * 1_000_000_000);
    prop_assert!(run.release < run.end);
    let times = run.steps.iter().flat_map(|step| [step.started, step.completed]).flatten();
    let times: Vec<_> = times.chain(run.rollout.promoted).collect();
    prop_assert!(times.is_sorted(), "steps come one after the other: {:?}", times);
    let of_stable = |event| run.events.iter().rfind(move |entry| entry.event == event && entry.detail == "v1");
    if let Some(gone) = run.rollout.stable_gone {
        prop_assert_eq!(of_stable("Removed").map(|entry| entry.at), Some(gone));
        prop_assert!(of_stable("Created").is_none_or(|entry| entry.at < gone));
        prop_assert!(run.seconds.last().is_none_or(|second| second.stable_serving == 0));
    }
    for step in &run.steps {
        if let (Some(asked), Some(effective)) = (step.weight_asked, step.weight_effective) {
            prop_assert!(asked <= effective, "{:?}", step);
        }
    }
    Ok(())
}

/// What the log says of the Rollouts controller, up to some entry.
struct Story<'a> {
    scenario: &'a Scenario,
    /// Wanted pods of revision 1 and 2.
    wanted: [u32; 2],
    /// The canary weights that were asked for, with the instants.
    asked: Vec<(Instant, u32)>,
    /// Pods of revision 1 and 2 that are ready, after each change.
    ready: [Vec<(Instant, u32)>; 2],
    /// The current step.
    index: usize,
    promoted: bool,
}

/// Source of the promises: `rollout/canary.go`, `rollout/trafficrouting.go`, `utils/replicaset/canary.go`.
fn the_controller_keeps_its_promises(scenario: &Scenario, run: &Run) -> Checked {
    let replicas = scenario.workload.replicas();
    let mut story = Story {
        scenario,
        wanted: [replicas, 0],
        asked: vec![(Instant::START, 0)],
        ready: [vec![(Instant::START, replicas)], vec![(Instant::START, 0)]],
        index: 0,
        promoted: false,
    };
    let events: Vec<&LogEntry> = run.events.iter().collect();
    for instant in events.chunk_by(|a, b| a.at == b.at) {
        for entry in instant {
            story.take(entry)?;
        }
        let next =
            events.get(events.partition_point(|entry| entry.at <= instant[0].at)).map_or(run.end, |next| next.at);
        story.stable_pods_suffice(instant[0].at, next)?;
    }
    Ok(())
}

impl Story<'_> {
    fn take(&mut self, entry: &LogEntry) -> Checked {
        match (entry.component, entry.event) {
            ("rollouts-controller", "ScaleReplicaSet") => return self.on_scale(entry),
            ("rollouts-controller", "SetWeight") => return self.on_set_weight(entry),
            ("rollouts-controller", "StepStarted") => self.index = number_in(&entry.object),
            ("rollouts-controller", "StepCompleted") => self.index = number_in(&entry.object) + 1,
            ("rollouts-controller", "Promoted") => {
                prop_assert_eq!(self.index, self.scenario.workload.steps().len(), "promoted after the last step");
                self.promoted = true;
            }
            ("pod", "Ready") => self.count_ready(entry, |count| count + 1),
            ("pod", "Unready") => self.count_ready(entry, |count| count - 1),
            _ => {}
        }
        Ok(())
    }

    fn count_ready(&mut self, entry: &LogEntry, change: impl Fn(u32) -> u32) {
        let history = &mut self.ready[number_in(&entry.detail) - 1];
        let count = history.last().expect("it begins with the run").1;
        history.push((entry.at, change(count)));
    }

    fn on_scale(&mut self, entry: &LogEntry) -> Checked {
        let (from, to) = entry.detail.split_once(" -> ").expect("a -> b");
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        let revision = number_in(&entry.object) - 1;
        prop_assert_eq!(self.wanted[revision], from, "{:?}", entry);
        self.wanted[revision] = to;
        if revision == 1 || self.promoted {
            return Ok(());
        }
        prop_assert!(
            self.scenario.workload.canary().is_some_and(|canary| canary.dynamic_stable_scale),
            "the stable size is fixed: {:?}",
            entry
        );
        // The stable side follows a weight in a later pass than the one that asked for it.
        let (_, weight) = self.asked.iter().rfind(|(at, _)| *at < entry.at).expect("the first is at the start");
        prop_assert!(to >= from || to >= self.stable_share(*weight), "sooner than its weight: {:?}", entry);
        Ok(())
    }

    fn on_set_weight(&mut self, entry: &LogEntry) -> Checked {
        let weight = u32::try_from(number_in(&entry.detail)).unwrap();
        let before = self.asked.last().expect("it begins with the run").1;
        self.asked.push((entry.at, weight));
        if weight > before {
            self.may_rise(entry, weight)?;
        }
        let stable = usize::from(self.promoted);
        let needed = (100 - weight) * self.scenario.workload.replicas() / 100;
        let ready = self.most_ready(stable, entry.at);
        prop_assert!(ready >= needed, "{} stable pods are too few: {:?}", ready, entry);
        Ok(())
    }

    /// A weight rises when the canary has its pods, or goes back to that of the nearest setWeight before.
    fn may_rise(&self, entry: &LogEntry, weight: u32) -> Checked {
        let steps = self.scenario.workload.steps();
        let set_weight = |steps: &[Step]| match steps.iter().rev().find(|step| matches!(step, Step::SetWeight(_))) {
            Some(Step::SetWeight(weight)) => u32::try_from(weight.get()).expect("a percentage"),
            _ => 0,
        };
        if weight == set_weight(&steps[..self.index]) && self.most_ready(1, entry.at) > 0 {
            return Ok(());
        }
        let is_over = self.index >= steps.len();
        let current = if is_over { 100 } else { set_weight(&steps[..=self.index]) };
        prop_assert_eq!(weight, current, "step {}: {:?}", self.index, entry);
        let done = if is_over { &[] } else { &steps[..=self.index] };
        let scale = done.iter().rev().find_map(Step::canary_scale);
        let share = |percent: u32| (percent * self.scenario.workload.replicas()).div_ceil(100);
        let wanted = match scale {
            Some(CanaryScale::Replicas(pods)) => pods,
            Some(CanaryScale::Weight(scale)) => share(u32::try_from(scale.get()).expect("a percentage")),
            Some(CanaryScale::MatchTrafficWeight) | None => share(current),
        };
        prop_assert_eq!(self.wanted[1], wanted, "the canary's size at step {}: {:?}", self.index, entry);
        let ready = self.most_ready(1, entry.at);
        prop_assert!(ready >= wanted, "{} of {} canary pods are ready: {:?}", ready, wanted, entry);
        Ok(())
    }

    /// Until the promotion there are stable pods for the share that they were last asked to bear. Only after a weight
    /// has fallen the controller may need its next full pass to make up for it; a pass that does nothing but write the
    /// Progressing condition can come between.
    fn stable_pods_suffice(&self, now: Instant, until: Instant) -> Checked {
        let (since, weight) = *self.asked.last().expect("it begins with the run");
        let share = self.stable_share(weight);
        if self.promoted || self.wanted[0] >= share {
            return Ok(());
        }
        let passes = Duration::millis(2 * LONGEST_RECONCILE_MS);
        let before = self.asked[self.asked.len() - 2].1;
        prop_assert!(weight < before, "{} stable pods for {} % since {:?}", self.wanted[0], 100 - weight, now);
        prop_assert!(until <= since + passes, "{} stable pods for {} % at {:?}", self.wanted[0], 100 - weight, until);
        Ok(())
    }

    fn stable_share(&self, canary_weight: u32) -> u32 {
        ((100 - canary_weight) * self.scenario.workload.replicas()).div_ceil(100)
    }

    /// The most pods of a ReplicaSet that were ready at one time, of the times that the controller may know of.
    fn most_ready(&self, revision: usize, now: Instant) -> u32 {
        let oldest = Duration::millis(LONGEST_STATUS_MS + LONGEST_RECONCILE_MS);
        let history = &self.ready[revision];
        let last_known = history.iter().rposition(|(at, _)| *at + oldest <= now).unwrap_or(0);
        history[last_known..].iter().map(|(_, count)| *count).max().expect("the last is there")
    }
}

/// The first number in a text: of `step 3`, `v1`, `canary 25 stable 75`.
fn number_in(text: &str) -> usize {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().expect(text)
}
