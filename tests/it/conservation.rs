//! Nothing is lost and nothing comes from nowhere: requests in = outcomes out, time never falls, and the Rollouts
//! controller keeps its promises about the number of pods.

use crate::support::{self, LONGEST_RECONCILE_MS, LONGEST_STATUS_MS};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rayon::prelude::*;
use rollout_sim::model::outcome::{Cause, Outcome};
use rollout_sim::model::rollout::step::{CanaryScale, Step};
use rollout_sim::run::{Answer, ClassRecord, LogEntry, Run, Second, TracedRequest};
use rollout_sim::scenario::Scenario;
use rollout_sim::simulation::run_traced;
use rollout_sim::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

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

/// Three kinds of requests: by the weights, with the header of a route that comes late and goes early, and by nobody.
const CLASSES: &str = r#"
[[traffic.classes]]
name = "public"
share = 0.6
users = { count = 300, requests_per_session = 5, think_time = "2s" }
[[traffic.classes]]
name = "testers"
share = 0.3
headers = { "X-Canary" = "yes" }
users = { count = 7, activity = { zipf = 1.2 } }
[[traffic.classes]]
name = "probes"
"#;

#[test]
fn classes_of_traffic_lose_nothing() {
    let route = r#"{ name = "by-header", match = [{ headerName = "X-Canary", headerValue = { exact = "yes" } }] }"#;
    let steps = format!(
        "rollout.strategy.canary.steps=[{{ setCanaryScale = {{ weight = 25 }} }}, {{ setHeaderRoute = {route} }}, \
         {{ pause = {{ duration = 10 }} }}, {{ setWeight = 40 }}, {{ pause = {{ duration = 20 }} }}]"
    );
    let managed = "rollout.strategy.canary.trafficRouting.managedRoutes=[{ name = \"by-header\" }]";
    let bad = "application.versions.v2.error_share=0.3";
    // Pods that die with requests in flight, and an abort: what was counted is counted again.
    let rough = ["rollout.template.spec.terminationGracePeriodSeconds=1", "traffic.service_time=900ms"];
    let abort = "actions=[{ when = \"step 4\", after = \"8s\", do = \"abort\" }]";
    let text = support::SHORT.replace("[rollout]\n", &format!("{CLASSES}[rollout]\n"));
    for more in [&[][..], &rough, &[rough[0], rough[1], abort]] {
        let overrides = [&[steps.as_str(), managed, bad][..], more].concat();
        let scenario = support::scenario(&text, "classes", &overrides);
        for seed in 1..=3 {
            if let Err(failure) = check(&scenario, seed) {
                panic!("{more:?}, seed {seed}: {failure}");
            }
        }
    }
}

fn check(scenario: &Scenario, seed: u64) -> Checked {
    let run = run_traced(scenario, seed).run;
    requests_add_up(&run)?;
    the_trace_adds_up(&run)?;
    // Where somebody may go back all requests are one class, if there are no others: their versions are counted.
    let may_go_back = !scenario.actions.is_empty()
        || !scenario.alerts.is_empty()
        || !scenario.analysis_templates.is_empty()
        || scenario.gitops.is_some();
    prop_assert_eq!(run.classes.len(), scenario.traffic.classes.len().max(may_go_back.into()));
    if !run.classes.is_empty() {
        classes_add_up(&run)?;
    }
    pods_add_up(&run)?;
    time_never_falls(&run)?;
    the_controller_keeps_its_promises(scenario, &run)
}

fn requests_add_up(run: &Run) -> Checked {
    let requests = run.requests;
    let answered = requests.ok + requests.elb_5xx() + requests.elb_404 + requests.target_5xx;
    prop_assert_eq!(requests.total, answered, "every request has one outcome");
    for (number, second) in run.seconds.iter().enumerate() {
        let answered = second.ok + second.elb_5xx() + second.elb_404 + second.target_5xx;
        prop_assert_eq!(second.requests, answered, "second {}", number);
    }
    let sum = |figure: fn(&Second) -> u32| run.seconds.iter().map(|second| u64::from(figure(second))).sum::<u64>();
    prop_assert_eq!(sum(|second| second.requests), requests.total);
    prop_assert_eq!(sum(|second| second.ok), requests.ok);
    prop_assert_eq!(sum(|second| second.elb_502), requests.elb_502);
    prop_assert_eq!(sum(|second| second.elb_503), requests.elb_503);
    prop_assert_eq!(sum(|second| second.elb_504), requests.elb_504);
    prop_assert_eq!(sum(|second| second.elb_404), requests.elb_404);
    prop_assert_eq!(sum(|second| second.target_5xx), requests.target_5xx);
    let codes = [(404, requests.elb_404), (502, requests.elb_502), (503, requests.elb_503), (504, requests.elb_504)];
    for (code, count) in codes {
        let causes = Cause::ALL.iter().filter(|cause| cause.elb_status_code() == code);
        prop_assert_eq!(causes.map(|cause| run.causes[cause.index()].count).sum::<u64>(), count, "causes of {}", code);
    }
    let in_steps: u64 = run.steps.iter().map(|step| step.elb_5xx).sum();
    let rollout = &run.rollout;
    let outside = rollout.elb_5xx_after_last_step + rollout.elb_5xx_after_abort + rollout.elb_5xx_superseded;
    let outside = outside + rollout.elb_5xx_after_undo;
    prop_assert!(in_steps + outside <= requests.elb_5xx(), "no failure counts twice");
    Ok(())
}

/// The request by request account says the same as the sums.
fn the_trace_adds_up(run: &Run) -> Checked {
    let trace = run.trace.as_ref().expect("the run was traced");
    prop_assert_eq!(trace.len() as u64, run.requests.total);
    prop_assert!(trace.is_sorted_by_key(|request| request.arrival), "in order of arrival");
    prop_assert!(trace.iter().all(|request| request.answered >= request.arrival), "no answer before its request");
    prop_assert!(trace.iter().all(|request| request.arrival < run.end));
    let mut seconds = vec![[0u32; 6]; run.seconds.len()];
    for request in trace {
        let column = match request.outcome {
            Outcome::Ok => 0,
            Outcome::Elb(cause) if cause.elb_status_code() == 404 => 4,
            Outcome::Elb(cause) => usize::from(cause.elb_status_code()) - 501,
            Outcome::Target5xx => 5,
        };
        seconds[usize::try_from(request.arrival.second()).unwrap()][column] += 1;
    }
    for (number, (ours, theirs)) in seconds.iter().zip(&run.seconds).enumerate() {
        let theirs = [theirs.ok, theirs.elb_502, theirs.elb_503, theirs.elb_504, theirs.elb_404, theirs.target_5xx];
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
        let codes =
            [502, 503, 504, 404].map(|code| by_code(code).map(|cause| second.causes[cause.index()]).sum::<u32>());
        let row = &run.seconds[second.row as usize];
        prop_assert_eq!(codes, [row.elb_502, row.elb_503, row.elb_504, row.elb_404], "second {}", second.row);
    }
    let answered = trace.iter().filter(|request| request.outcome.is_from_target());
    let slowest = answered.map(|request| request.answered - request.arrival).max();
    prop_assert_eq!(run.latency.max.as_nanos() / 1_000, slowest.map_or(0, |time| time.as_nanos() / 1_000));
    let sections: Vec<_> = run.steps.iter().filter_map(|step| Some((step.started?, step.elb_5xx))).collect();
    for (index, (from, count)) in sections.iter().enumerate().filter(|_| !begins_again(run)) {
        let taken_back = [run.rollout.aborted, run.rollout.undone].into_iter().flatten().min();
        let over = run.steps.last().and_then(|step| step.completed).or(taken_back);
        let until = sections.get(index + 1).map_or(over.unwrap_or(run.end), |(next, _)| *next);
        let failed = |r: &&TracedRequest| {
            r.arrival >= *from && r.arrival < until && matches!(r.outcome, Outcome::Elb(cause) if cause.is_5xx())
        };
        prop_assert_eq!(trace.iter().filter(failed).count() as u64, *count, "step {}", index);
    }
    Ok(())
}

/// The classes are all the requests, in every second, and their users all the requests of a class.
fn classes_add_up(run: &Run) -> Checked {
    for (number, second) in run.seconds.iter().enumerate() {
        let mut sum = [0; Answer::ALL.len()];
        for class in &run.classes {
            for version in 0..class.versions() {
                sum.iter_mut().zip(class.counts(number, version)).for_each(|(sum, count)| *sum += count);
            }
            let users_on: u32 = (0..class.versions()).map(|version| class.users_on(number, version)).sum();
            prop_assert!(users_on as usize <= class.users.len(), "second {}", number);
        }
        let answers = [second.ok, second.target_5xx, second.elb_5xx(), second.elb_404];
        prop_assert_eq!(sum, answers, "second {}", number);
    }
    let trace = run.trace.as_ref().expect("the run was traced");
    for (number, class) in run.classes.iter().enumerate() {
        prop_assert_eq!(class.seconds(), run.seconds.len());
        let own: Vec<_> = trace.iter().filter(|request| usize::from(request.class) == number).collect();
        let mut cells = vec![[0u32; Answer::ALL.len()]; class.seconds() * class.versions()];
        for request in &own {
            let second = usize::try_from(request.arrival.second()).unwrap();
            let version = request.version.map_or(0, |revision| revision.0 as usize);
            cells[second * class.versions() + version][answer(request) as usize] += 1;
        }
        for (place, cell) in cells.iter().enumerate() {
            let (second, version) = (place / class.versions(), place % class.versions());
            prop_assert_eq!(class.counts(second, version), *cell, "class {}, second {}, v{}", number, second, version);
        }
        users_add_up(class, &own)?;
    }
    Ok(())
}

fn users_add_up(class: &ClassRecord, own: &[&TracedRequest]) -> Checked {
    // By user: all requests, target 5xx, ELB 5xx.
    let mut counts = vec![[0u32; 3]; class.users.len()];
    for request in own {
        let Some([all, target_5xx, elb_5xx]) = counts.get_mut(request.user as usize) else { continue };
        *all += 1;
        *target_5xx += u32::from(answer(request) == Answer::Target5xx);
        *elb_5xx += u32::from(answer(request) == Answer::Elb5xx);
    }
    for (user, counts) in class.users.iter().zip(counts) {
        prop_assert_eq!([user.requests, user.target_5xx, user.elb_5xx], counts);
        prop_assert_eq!(user.is_exposed(), user.first_exposed_s != u32::MAX, "{:?}", user);
        prop_assert!(user.flips == 0 || user.saw_both(), "{:?}", user);
    }
    let audience = class.audience();
    prop_assert!(audience.active <= audience.count && audience.exposed <= audience.active, "{:?}", audience);
    prop_assert!(audience.back_and_forth <= audience.saw_both && audience.saw_both <= audience.exposed);
    prop_assert!(class.samples.is_sorted_by_key(|sample| sample.arrival), "in order of arrival");
    let known: BTreeSet<_> = own.iter().map(|request| (request.arrival, request.user, answer(request) as u8)).collect();
    for sample in &class.samples {
        prop_assert!(known.contains(&(sample.arrival, sample.user, sample.answer as u8)), "{:?}", sample);
    }
    Ok(())
}

fn answer(request: &TracedRequest) -> Answer {
    match request.outcome {
        Outcome::Ok => Answer::Ok,
        Outcome::Target5xx => Answer::Target5xx,
        Outcome::Elb(cause) if cause.is_5xx() => Answer::Elb5xx,
        Outcome::Elb(_) => Answer::Elb404,
    }
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
    prop_assert!(times.is_sorted() || begins_again(run), "steps come one after the other: {:?}", times);
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

/// Whether steps were begun once more, or after an abort: the record of a step is that of its last time.
fn begins_again(run: &Run) -> bool {
    let began = run.events.iter().filter(|entry| ["StepStarted", "Aborted"].contains(&entry.event));
    let began: Vec<_> = began.map(|entry| (entry.event == "StepStarted").then(|| number_in(&entry.object))).collect();
    began.windows(2).any(|pair| pair[1].is_some_and(|next| pair[0].is_none_or(|before| next <= before)))
}

/// What the log says of the Rollouts controller, up to some entry.
struct Story<'a> {
    scenario: &'a Scenario,
    /// Wanted pods, by revision.
    wanted: BTreeMap<usize, u32>,
    /// The canary weights that were asked for, with the instants.
    asked: Vec<(Instant, u32)>,
    /// Ready pods after each change, by revision.
    ready: BTreeMap<usize, Vec<(Instant, u32)>>,
    /// The revision that is stable, and the one of the template.
    stable: usize,
    current: usize,
    /// The current step.
    index: usize,
    promoted: bool,
    /// With pingPong each promotion exchanges the Services of stable and canary.
    turned: bool,
    /// A person has made the controller leave out steps, or changed the number of pods.
    skips: bool,
    paused: bool,
    replicas_changed: bool,
}

/// Source of the promises: `rollout/canary.go`, `rollout/trafficrouting.go`, `utils/replicaset/canary.go`.
fn the_controller_keeps_its_promises(scenario: &Scenario, run: &Run) -> Checked {
    if !scenario.workload.is_traffic_routed() {
        return Ok(());
    }
    let replicas = scenario.workload.replicas();
    let mut story = Story {
        scenario,
        wanted: BTreeMap::from([(1, replicas)]),
        asked: vec![(Instant::START, 0)],
        ready: BTreeMap::from([(1, vec![(Instant::START, replicas)])]),
        stable: 1,
        current: 2,
        index: 0,
        promoted: false,
        turned: false,
        skips: false,
        paused: false,
        replicas_changed: false,
    };
    let events: Vec<&LogEntry> = run.events.iter().collect();
    for instant in events.chunk_by(|a, b| a.at == b.at) {
        for entry in instant {
            story.take(entry)?;
        }
        if story.replicas_changed {
            return Ok(());
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
                let count = self.scenario.workload.steps().len();
                prop_assert!(self.skips || self.index == count, "promoted after the last step: {:?}", entry);
                self.stable = number_in(&entry.object);
                self.promoted = true;
                if self.scenario.workload.canary().is_some_and(|canary| canary.ping_pong) {
                    self.turned = !self.turned;
                    let weight = self.asked.last().expect("it begins with the run").1;
                    self.asked.push((entry.at, 100 - weight));
                }
            }
            ("people", "deploy") => self.current = number_in(&entry.detail),
            ("people", "undo") | ("argo-cd", "ChangeTemplate") => {
                self.current = number_in(&entry.detail);
                // It goes back to stable, or to a revision within the rollbackWindow.
                let window = self.scenario.workload.rollout().and_then(|rollout| rollout.rollback_window);
                self.skips |= self.current == self.stable || window.is_some();
            }
            // `promote` while nothing is paused leaves the step out.
            ("people", "promote" | "promote_full") => self.skips = true,
            // Then no ReplicaSet is resized.
            ("people", "pause") => self.paused = true,
            ("people", "set_replicas") | ("horizontal-pod-autoscaler", "Scale") => self.replicas_changed = true,
            ("pod", "Ready") => self.count_ready(entry, |count| count + 1),
            ("pod", "Unready") => self.count_ready(entry, |count| count - 1),
            _ => {}
        }
        Ok(())
    }

    fn count_ready(&mut self, entry: &LogEntry, change: impl Fn(u32) -> u32) {
        let history = self.ready.entry(number_in(&entry.detail)).or_insert_with(|| vec![(Instant::START, 0)]);
        let count = history.last().expect("it begins with the run").1;
        history.push((entry.at, change(count)));
    }

    fn wanted(&self, revision: usize) -> u32 {
        self.wanted.get(&revision).copied().unwrap_or(0)
    }

    fn on_scale(&mut self, entry: &LogEntry) -> Checked {
        let (from, to) = entry.detail.split_once(" -> ").expect("a -> b");
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        let revision = number_in(&entry.object);
        prop_assert_eq!(self.wanted(revision), from, "{:?}", entry);
        self.wanted.insert(revision, to);
        if revision != 1 || self.promoted || self.replicas_changed {
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
        let weight = self.weight_in(entry);
        let before = self.asked.last().expect("it begins with the run").1;
        self.asked.push((entry.at, weight));
        if weight > before && !self.skips {
            self.may_rise(entry, weight)?;
        }
        // Since 1.8.1. Source: pull request 3878.
        if self.scenario.rollouts_controller.profile.version.guards_stable_capacity() && !self.replicas_changed {
            let needed = (100 - weight) * self.scenario.workload.replicas() / 100;
            let ready = self.most_ready(self.stable, entry.at);
            prop_assert!(ready >= needed, "{} stable pods are too few: {:?}", ready, entry);
        }
        Ok(())
    }

    /// The log has the share of the Service that was the canary's at first.
    fn weight_in(&self, entry: &LogEntry) -> u32 {
        let weight = u32::try_from(number_in(&entry.detail)).unwrap();
        if self.turned { 100 - weight } else { weight }
    }

    /// A weight rises when the canary has its pods, or goes back to that of the nearest setWeight before.
    fn may_rise(&self, entry: &LogEntry, weight: u32) -> Checked {
        let steps = self.scenario.workload.steps();
        let set_weight = |steps: &[Step]| {
            let weight = steps.iter().rev().find_map(Step::weight);
            weight.map_or(0, |weight| u32::try_from(weight.get()).expect("a percentage"))
        };
        if weight == set_weight(&steps[..self.index]) && self.most_ready(self.current, entry.at) > 0 {
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
        let canary = self.wanted(self.current);
        prop_assert_eq!(canary, wanted, "the canary's size at step {}: {:?}", self.index, entry);
        let ready = self.most_ready(self.current, entry.at);
        prop_assert!(ready >= wanted, "{} of {} canary pods are ready: {:?}", ready, wanted, entry);
        Ok(())
    }

    /// Until the promotion there are stable pods for the share that they were last asked to bear. Only after a weight
    /// has fallen the controller may need its next full pass to make up for it; a pass that does nothing but write the
    /// Progressing condition can come between.
    fn stable_pods_suffice(&self, now: Instant, until: Instant) -> Checked {
        let (since, weight) = *self.asked.last().expect("it begins with the run");
        let share = self.stable_share(weight);
        let stable = self.wanted(1);
        if self.promoted || self.paused || stable >= share {
            return Ok(());
        }
        let passes = self.longest_pass() * 2;
        let before = self.asked[self.asked.len() - 2].1;
        prop_assert!(weight < before, "{} stable pods for {} % since {:?}", stable, 100 - weight, now);
        prop_assert!(until <= since + passes, "{} stable pods for {} % at {:?}", stable, 100 - weight, until);
        Ok(())
    }

    fn stable_share(&self, canary_weight: u32) -> u32 {
        ((100 - canary_weight) * self.scenario.workload.replicas()).div_ceil(100)
    }

    /// From what wakes the controller to the end of the pass.
    fn longest_pass(&self) -> Duration {
        let controller = &self.scenario.rollouts_controller;
        let asks = controller.profile.aws_verify_target_group;
        let query = if asks { controller.aws_query_time.longest() } else { Duration::ZERO };
        Duration::millis(LONGEST_RECONCILE_MS) + query
    }

    /// The most pods of a ReplicaSet that were ready at one time, of the times that the controller may know of.
    fn most_ready(&self, revision: usize, now: Instant) -> u32 {
        let oldest = Duration::millis(LONGEST_STATUS_MS) + self.longest_pass();
        let Some(history) = self.ready.get(&revision) else { return 0 };
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
