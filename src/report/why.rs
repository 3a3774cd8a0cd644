//! One or two plain sentences on why requests failed, or what kept them from it, out of the run's own data.

use super::{Stage, counted, grouped, is_set_weight, percent, span, stages, time, weight_effective};
use crate::model::Service;
use crate::model::application::OnSigterm;
use crate::model::load_balancer::EmptyTargetGroup;
use crate::model::outcome::Cause;
use crate::run::{LogEntry, Run, Second, StepRecord};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// Takes the cause that struck most, and the part of the release that it struck most.
pub fn explain(loaded: &Loaded, run: &Run) -> String {
    let counts = |cause: &Cause| run.causes[cause.index()].count;
    // `max_by_key` takes the last of equals, hence the reversal.
    let Some(cause) = Cause::ALL.into_iter().rev().max_by_key(counts).filter(|cause| counts(cause) > 0) else {
        return protection(loaded, run);
    };
    let Some(story) = Story::new(loaded, run, cause) else {
        return format!("{} failed: {}.", counted(counts(&cause), "request"), cause.description());
    };
    match cause {
        Cause::ConnectionRefused | Cause::HostUnreachable | Cause::ConnectTimeout => story.pod_gone(),
        Cause::NoRegisteredTargets => story.group_empty(),
        Cause::ResetInFlight => story.cut_off(),
        Cause::KeepAliveRace => story.keep_alive_race(),
        Cause::DeregistrationDelayExpired => story.deregistration_delay_expired(),
        Cause::IdleTimeout => story.overload(),
    }
}

/// The part of the release in which most requests failed by the dominant cause.
#[derive(Debug)]
struct Story<'a> {
    loaded: &'a Loaded,
    run: &'a Run,
    cause: Cause,
    /// `At setWeight 100 (t = 420 s)`.
    place: String,
    /// The `setWeight` in force.
    asked: Option<&'a StepRecord>,
    /// The seconds with an error of the cause's code, in this place and on from it: number of the row, row.
    failing: Vec<(usize, &'a Second)>,
    /// ELB answers of the cause's code in them.
    count: u64,
    /// When the stable Service began to select the new revision.
    switched: Option<Instant>,
}

/// Failing seconds so far apart are still one stretch.
const GAP: usize = 5;

fn errors_of_code(second: &Second, code: u16) -> u64 {
    u64::from(match code {
        502 => second.elb_502,
        503 => second.elb_503,
        _ => second.elb_504,
    })
}

/// A stretch of the release with a name.
struct Place<'a> {
    name: String,
    asked: Option<&'a StepRecord>,
    rows: std::ops::Range<u64>,
}

fn places(run: &Run) -> Vec<Place<'_>> {
    let stages: Vec<_> = stages(run).filter(|stage| stage.first().started.is_some()).collect();
    let start = |stage: &Stage| stage.first().started.map_or(u64::MAX, Instant::second);
    let over = stages.last().and_then(|stage| stage.last().completed);
    let end = run.seconds.len() as u64;
    let mut places = Vec::new();
    let mut asked = None;
    let before = stages.first().map_or(end, start);
    places.push(Place { name: "Before the release".into(), asked: None, rows: 0..before });
    for (index, stage) in stages.iter().enumerate() {
        let first = stage.first();
        asked = if is_set_weight(first) { Some(first) } else { asked };
        let until = stages.get(index + 1).map_or(over.map_or(end, Instant::second), start);
        let name = format!("At {} (t = {})", first.step, time(run, first.started.unwrap_or(run.release)));
        places.push(Place { name, asked, rows: start(stage)..until });
    }
    if let Some(over) = over {
        let name = format!("After the last step (over at t = {})", time(run, over));
        places.push(Place { name, asked, rows: over.second()..end });
    }
    places
}

impl<'a> Story<'a> {
    fn new(loaded: &'a Loaded, run: &'a Run, cause: Cause) -> Option<Self> {
        let code = cause.elb_status_code();
        let struck = &run.causes[cause.index()];
        let (first, last) = (struck.first?.second(), struck.last?.second());
        let rows = || run.seconds.iter().enumerate().filter(|(row, _)| (first..=last).contains(&(*row as u64)));
        let stable = Service::Stable.to_string();
        let switch = run.events.iter().find(|entry| entry.event == "SwitchService" && entry.object == stable);
        let switched = switch.map(|entry| entry.at);
        let of_place = |place: Place<'a>| {
            let failing: Vec<_> = rows()
                .filter(|(row, second)| place.rows.contains(&(*row as u64)) && errors_of_code(second, code) > 0)
                .collect();
            let count = failing.iter().map(|(_, second)| errors_of_code(second, code)).sum();
            Self { loaded, run, cause, place: place.name, asked: place.asked, failing, count, switched }
        };
        let stories = places(run).into_iter().map(of_place);
        let mut worst = stories.rev().max_by_key(|story| story.count).filter(|story| story.count > 0)?;
        // One mechanism does not stop where a step does: whatever follows without a gap belongs to it.
        for (row, second) in rows().filter(|(_, second)| errors_of_code(second, code) > 0) {
            let (last, _) = worst.failing[worst.failing.len() - 1];
            if (last + 1..=last + GAP).contains(&row) {
                worst.failing.push((row, second));
                worst.count += errors_of_code(second, code);
            }
        }
        Some(worst)
    }

    /// `1,750 requests got 502`; the rest of them, if the cause struck elsewhere too.
    fn failed(&self) -> String {
        let total = self.run.causes[self.cause.index()].count;
        let code = self.cause.elb_status_code();
        // A second code-mate may have struck in the same seconds, so the place can hold more than the cause's own.
        match self.count >= total {
            true => format!("{} got {code}", counted(total, "request")),
            false => format!("{} of {} got {code}", grouped(self.count), counted(total, "request")),
        }
    }

    fn first(&self) -> (usize, &'a Second) {
        self.failing[0]
    }

    /// The end of the last second with an error.
    fn over(&self) -> Instant {
        let (row, _) = self.failing[self.failing.len() - 1];
        Instant::START + Duration::secs(row as u64 + 1)
    }

    fn start(&self) -> Instant {
        Instant::START + Duration::secs(self.first().0 as u64)
    }

    /// The last such event before the errors ended.
    fn before_the_end(&self, wanted: impl Fn(&LogEntry) -> bool) -> Option<&'a LogEntry> {
        self.run.events.iter().rev().find(|entry| entry.at <= self.over() && wanted(entry))
    }

    /// Pods behind a Service's target group that work, and the percentage of requests that the ALB sends there.
    fn group(&self, row: usize, service: Service) -> (u32, f64) {
        let second = &self.run.seconds[row];
        let switched = self.switched.is_some_and(|at| at <= Instant::START + Duration::secs(row as u64));
        let weight = weight_effective(self.run, second);
        match service {
            Service::Stable if !switched => (u32::from(second.stable_serving), 100.0 - weight),
            Service::Stable => (u32::from(second.canary_serving), 100.0 - weight),
            Service::Canary => (u32::from(second.canary_serving), weight),
        }
    }

    /// The Service to which the ALB still sends requests although no pod works behind it.
    fn deserted(&self) -> Option<Service> {
        Service::ALL.into_iter().find(|&service| {
            self.failing.iter().any(|(row, _)| matches!(self.group(*row, service), (0, share) if share > 0.0))
        })
    }

    fn pod_gone(&self) -> String {
        match self.deserted() {
            Some(service) => self.rule_late(service, self.cause.description()),
            None => self.target_late(),
        }
    }

    /// The pods are gone, the rule still sends requests to their group.
    fn rule_late(&self, service: Service, reason: &str) -> String {
        let deserted = |(row, _): &&(usize, &Second)| self.group(*row, service).0 == 0;
        let row = self.failing.iter().find(deserted).map_or(self.first().0, |(row, _)| *row);
        let share = decimal_percent(self.group(row, service).1);
        let gone = self.scale_down(service).map_or_else(
            || format!("no {service} pod served any more"),
            |entry| {
                let asked = self.asked.and_then(|step| step.weight_asked);
                let after = asked
                    .filter(|asked| entry.at >= *asked)
                    .map(|asked| format!("{} after it asked for weight {}", span(entry.at - asked), self.requested()));
                let (from, to) = entry.detail.split_once(" -> ").unwrap_or(("some", "0"));
                let when = after.unwrap_or_else(|| format!("at t = {}", time(self.run, entry.at)));
                format!("the controller scaled the {service} ReplicaSet from {from} to {to} pods {when}")
            },
        );
        let stop = match self.loaded.scenario.pod.pre_stop {
            Some(hook) => format!(" (preStop hook: {hook})"),
            None => String::new(),
        };
        format!(
            "{}, {gone}{stop}, but the ALB kept sending {share} of the requests to the {service} target group {}. Between \
             t = {} and {}, {} because {reason}.{}{}",
            self.place,
            self.until_effective(),
            time(self.run, self.start()),
            time(self.run, self.over()),
            self.failed(),
            self.ended_early(service),
            self.last_known_targets(service),
        )
    }

    /// The rule was late, but the group had targets again before it came.
    fn ended_early(&self, service: Service) -> String {
        let effective = self.asked.and_then(|step| step.weight_effective);
        let rescued =
            |at: &Instant| self.over() + Duration::secs(1) < *at && self.switched.is_some_and(|at| at < self.over());
        match effective.filter(rescued) {
            Some(_) => format!(
                " Then the new pods were in the {service} target group and served what the rule still sent there."
            ),
            None => String::new(),
        }
    }

    fn requested(&self) -> u8 {
        self.asked.map_or(0, |step| step.weight_requested.get())
    }

    /// `until t = 490 s, 70 s after the request for weight 100`.
    fn until_effective(&self) -> String {
        let asked = self.asked.and_then(|step| Some((step.weight_asked?, step.weight_effective)));
        match asked {
            Some((asked, Some(effective))) if effective > self.start() => {
                format!(
                    "until t = {}, {} after that weight was asked for",
                    time(self.run, effective),
                    span(effective - asked)
                )
            }
            Some((_, None)) => "until the run ended: the rule never became effective".into(),
            Some((_, Some(_))) | None => format!("until t = {}", time(self.run, self.over())),
        }
    }

    fn scale_down(&self, service: Service) -> Option<&'a LogEntry> {
        let revision = match service {
            Service::Stable => "v1",
            Service::Canary => "v2",
        };
        self.before_the_end(|entry| {
            entry.event == "ScaleReplicaSet" && entry.object == revision && entry.detail.ends_with("-> 0")
        })
    }

    fn last_known_targets(&self, service: Service) -> &'static str {
        let emptied = self.group_emptied().is_some_and(|entry| entry.object.ends_with(&service.to_string()));
        let last_known = self.loaded.scenario.load_balancer.empty_target_group == EmptyTargetGroup::LastKnownTargets;
        match (self.cause == Cause::NoRegisteredTargets, emptied && last_known) {
            (false, true) => " (A node whose group is empty goes on with the last targets it knew.)",
            (true, _) | (false, false) => "",
        }
    }

    fn group_emptied(&self) -> Option<&'a LogEntry> {
        self.before_the_end(|entry| entry.event == "GroupEmpty")
    }

    /// Single pods are gone while their group goes on: the target was taken out later than the pod stopped.
    fn target_late(&self) -> String {
        let stops = stops(self.run);
        let stopped: Vec<_> = stops.iter().filter(|stop| self.concerns(stop)).collect();
        let exposure = |stop: &&&Stop| stop.taken_out.map_or(Duration::MAX, |at| at.saturating_since(stop.closed));
        let Some(worst) = stopped.iter().max_by_key(exposure) else {
            return self.plainly();
        };
        let taken_out = match worst.taken_out {
            Some(at) if at > worst.closed => {
                format!(
                    "the last ALB node sent requests to it until {} after",
                    span(at.saturating_since(worst.deleted))
                )
            }
            Some(_) | None => "the ALB went on using it".into(),
        };
        format!(
            "{}, {} stopped: {} closed its port {} after its deletion{}, but {taken_out}: {} because {}.",
            self.place,
            counted(stopped.len() as u64, "pod"),
            worst.pod,
            span(worst.closed.saturating_since(worst.deleted)),
            self.hook(),
            self.failed(),
            self.cause.description(),
        )
    }

    /// The pod stopped while requests failed, or up to ten seconds earlier: a connection attempt lasts no longer.
    fn concerns(&self, stop: &Stop) -> bool {
        let start = self.start().as_nanos().saturating_sub(Duration::secs(10).as_nanos());
        (start..=self.over().as_nanos()).contains(&stop.closed.as_nanos())
    }

    fn hook(&self) -> String {
        match self.loaded.scenario.pod.pre_stop {
            Some(hook) => format!(" (preStop hook: {hook})"),
            None => " (no preStop hook)".into(),
        }
    }

    fn plainly(&self) -> String {
        let (from, to) = (time(self.run, self.start()), time(self.run, self.over()));
        format!("{}, {} between t = {from} and t = {to}: {}.", self.place, self.failed(), self.cause.description())
    }

    fn group_empty(&self) -> String {
        let emptied = self
            .group_emptied()
            .and_then(|entry| Service::ALL.into_iter().find(|service| entry.object.ends_with(&service.to_string())));
        let Some(service) = emptied.or_else(|| self.deserted()) else { return self.plainly() };
        let name = service.to_string();
        if let Some(switch) = self.before_the_end(|entry| entry.event == "SwitchService" && entry.object == name) {
            let (from, to) = (time(self.run, self.start()), time(self.run, self.over()));
            return format!(
                "{}, the controller pointed the {name} Service from {} (t = {}), and the {name} target group had no \
                 usable target from t = {from} to t = {to} while its targets were exchanged: {}.",
                self.place,
                switch.detail.replace(" -> ", " to "),
                time(self.run, switch.at),
                self.failed(),
            );
        }
        match self.scale_down(service) {
            Some(_) => self.rule_late(service, "the group was empty"),
            None => self.plainly(),
        }
    }

    fn cut_off(&self) -> String {
        let pod = &self.loaded.scenario.pod;
        // A request dies after it arrived, at most as long after as an answer may take.
        let (start, end) = (self.start(), self.over() + self.run.latency.max);
        let kills = self.run.events.iter().filter(|entry| entry.event == "SIGKILL");
        let killed = kills.filter(|entry| (start..=end).contains(&entry.at)).count() as u64;
        let stops = stops(self.run);
        let exited = stops.iter().filter(|stop| (start..=end).contains(&stop.closed)).count() as u64;
        let stopped = if killed > 0 { killed } else { exited };
        let mechanism = if killed > 0 {
            format!(
                "still worked when the grace period of {} ran out and SIGKILL came{}",
                pod.grace_period,
                self.hook()
            )
        } else {
            match self.loaded.scenario.application.on_sigterm {
                OnSigterm::Exit => {
                    format!("exited at once on SIGTERM{}, without finishing the requests in flight", self.hook())
                }
                OnSigterm::Drain => format!(
                    "gave up after draining for {}{}",
                    self.loaded.scenario.application.drain_timeout,
                    self.hook()
                ),
                OnSigterm::Ignore => format!("ended within the grace period of {}{}", pod.grace_period, self.hook()),
            }
        };
        let who = if stopped == 0 { "pods".into() } else { counted(stopped, "pod") };
        format!(
            "{}, {who} {mechanism}: {} because {}; the slowest 1 % of the answers take {} or more.",
            self.place,
            self.failed(),
            self.cause.description(),
            span(self.run.latency.p99),
        )
    }

    fn keep_alive_race(&self) -> String {
        let (keep_alive, idle) =
            (self.loaded.scenario.application.keep_alive, self.loaded.scenario.load_balancer.idle_timeout);
        let comparison = if keep_alive <= idle { "no longer than" } else { "longer than" };
        format!(
            "{} because the pod closed an idle connection at the moment the ALB used it again: the application keeps idle \
             connections for {keep_alive}, {comparison} the ALB's {idle}.",
            self.failed(),
        )
    }

    fn deregistration_delay_expired(&self) -> String {
        format!(
            "{}, targets were deregistered and {} because their answers were not ready when the deregistration delay of {} \
             ran out; the slowest answer that arrived took {}.",
            self.place,
            self.failed(),
            self.loaded.scenario.target_group.deregistration_delay,
            span(self.run.latency.max),
        )
    }

    /// Too few pods for the share of the requests that they get.
    fn overload(&self) -> String {
        let scenario = &self.loaded.scenario;
        let usual = scenario.traffic.rate.per_second() / f64::from(scenario.rollout.replicas.max(1));
        let mut worst: Option<(f64, Service, u32, f64)> = None;
        for (row, second) in &self.failing {
            for service in Service::ALL {
                let (pods, share) = self.group(*row, service);
                let each = f64::from(second.requests) * share / 100.0 / f64::from(pods.max(1));
                if pods > 0 && worst.is_none_or(|(most, ..)| each > most) {
                    worst = Some((each, service, pods, share));
                }
            }
        }
        let Some((each, service, pods, share)) = worst else { return self.plainly() };
        let late = self.asked.and_then(|step| Some(step.weight_effective? - step.weight_asked?));
        let late = late.filter(|late| *late > Duration::ZERO).map_or(String::new(), |late| {
            format!(" (the weight reached the ALB {} after it was asked for)", span(late))
        });
        format!(
            "{}, {} got {} of the requests{late}: {} requests/s each, {} times the {} of a pod in the steady state; {} \
             because no answer came within the idle time-out of {}.",
            self.place,
            counted(u64::from(pods), &format!("{service} pod")),
            decimal_percent(share),
            super::decimal(each, 1),
            super::decimal(each / usual, 1),
            super::decimal(usual, 1),
            self.failed(),
            scenario.load_balancer.idle_timeout,
        )
    }
}

/// A weight, which counts in percent already.
fn decimal_percent(weight: f64) -> String {
    percent(weight / 100.0)
}

/// How a pod stopped.
#[derive(Debug)]
struct Stop<'a> {
    pod: &'a str,
    deleted: Instant,
    /// When it took no more connections.
    closed: Instant,
    /// When the last ALB node stopped using it.
    taken_out: Option<Instant>,
}

fn stops(run: &Run) -> Vec<Stop<'_>> {
    let mut deleted: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut closed: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut taken_out: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut starting: BTreeSet<&str> = BTreeSet::new();
    for entry in &run.events {
        match (entry.component, entry.event) {
            ("pod", "Deleted") => _ = deleted.insert(&entry.object, entry.at),
            ("pod", "ListenerClosed" | "SIGKILL" | "Exited") if starting.contains(entry.object.as_str()) => {}
            ("pod", "ListenerClosed" | "SIGKILL" | "Exited") => _ = closed.entry(&entry.object).or_insert(entry.at),
            // One that was still starting never opened its port.
            ("pod", "Listening") => _ = starting.remove(entry.object.as_str()),
            ("pod", "Created") => _ = starting.insert(&entry.object),
            ("load-balancer", "TargetRemoved") => _ = taken_out.insert(&entry.detail, entry.at),
            _ => {}
        }
    }
    let stop =
        |(pod, closed)| Some(Stop { pod, deleted: *deleted.get(pod)?, closed, taken_out: taken_out.get(pod).copied() });
    closed.into_iter().filter_map(stop).collect()
}

/// What kept every request from failing.
fn protection(loaded: &Loaded, run: &Run) -> String {
    let rollout = &loaded.scenario.rollout;
    let lag = |step: &StepRecord| Some((step.weight_effective? - step.weight_asked?, step.step.clone()));
    let weights = || run.steps.iter().filter(|step| is_set_weight(step));
    let never = weights().find(|step| step.weight_asked.is_some() && step.weight_effective.is_none());
    let slowest = match (never, weights().filter_map(lag).max()) {
        (Some(step), _) => format!("; {} never reached the ALB", step.step),
        (None, Some((lag, step))) => format!("; the slowest weight took {} to reach the ALB ({step})", span(lag)),
        (None, None) => String::new(),
    };
    let stops = stops(run);
    let shortest = stops.iter().min_by_key(|stop| stop.closed.saturating_since(stop.deleted));
    let outlived = shortest.map(|stop| {
        let open = span(stop.closed.saturating_since(stop.deleted));
        match loaded.scenario.pod.pre_stop {
            Some(hook) => {
                format!("every pod kept its port open for {open} or more after its deletion (preStop hook: {hook})")
            }
            None => format!("every pod kept its port open for {open} or more after its deletion"),
        }
    });
    let guard = match (rollout.dynamic_stable_scale, outlived) {
        (false, _) => format!(
            "without dynamicStableScale the stable pods stayed until {} after the promotion (scaleDownDelaySeconds)",
            rollout.scale_down_delay
        ),
        (true, Some(outlived)) => outlived,
        (true, None) => "no pod was stopped".into(),
    };
    format!("No request failed: {guard}{slowest}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// The quiet run with 25 errors/s of this cause in some seconds, and some events.
    fn failing(
        cause: Cause,
        seconds: std::ops::Range<usize>,
        events: &[(u64, &'static str, &'static str, &str, &str)],
    ) -> Run {
        let mut run = sample::quiet();
        for row in &mut run.seconds[60 + seconds.start..60 + seconds.end] {
            match cause.elb_status_code() {
                502 => row.elb_502 = 25,
                503 => row.elb_503 = 25,
                _ => row.elb_504 = 25,
            }
        }
        run.events.extend(sample::log(events));
        sample::recount(&mut run, cause);
        run
    }

    fn check(loaded: &Loaded, run: &Run, parts: &[&str]) {
        let text = explain(loaded, run);
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(text.ends_with(['.', ')']), "{text}");
    }

    #[test]
    fn a_late_rule_is_told_with_the_numbers_of_the_scenario() {
        check(
            &sample::loaded(),
            &sample::incident(),
            &[
                "At setWeight 100 (t = 420 s), the controller scaled the stable ReplicaSet from 1 to 0 pods 0.1 s after it \
                 asked for weight 100",
                "kept sending 10 % of the requests to the stable target group until t = 490 s, 70 s after",
                "1,750 requests got 502 because the pod had closed its port.",
                "goes on with the last targets it knew",
            ],
        );
    }

    #[test]
    fn a_late_rule_over_an_empty_group_is_a_503() {
        let mut loaded = sample::loaded();
        loaded.scenario.load_balancer.empty_target_group = EmptyTargetGroup::Answer503;
        let events = [
            (420_100, "rollouts-controller", "ScaleReplicaSet", "v1", "1 -> 0"),
            (423_000, "load-balancer", "GroupEmpty", "node 0 stable", "pod-9"),
        ];
        let run = failing(Cause::NoRegisteredTargets, 423..490, &events);
        check(
            &loaded,
            &run,
            &["to the stable target group until t = 490 s", "1,675 requests got 503", "group was empty"],
        );
    }

    #[test]
    fn an_exchange_of_targets_at_the_promotion_is_told_as_such() {
        let events = [
            (480_100, "rollouts-controller", "SwitchService", "stable", "v1 -> v2"),
            (482_000, "load-balancer", "GroupEmpty", "node 0 stable", "pod-9"),
        ];
        let run = failing(Cause::NoRegisteredTargets, 482..492, &events);
        check(
            &sample::loaded(),
            &run,
            &[
                "After the last step (over at t = 480 s)",
                "from v1 to v2 (t = 480.1 s)",
                "from t = 482 s to t = 492 s",
                "250 requests got 503",
            ],
        );
    }

    #[test]
    fn a_late_deregistration_is_told_by_the_pod_that_suffered_longest() {
        let events = [
            (180_200, "pod", "Deleted", "pod-3", "v1"),
            (180_200, "pod", "Deleted", "pod-4", "v1"),
            (180_500, "pod", "ListenerClosed", "pod-3", "v1"),
            (180_500, "pod", "ListenerClosed", "pod-4", "v1"),
            (181_700, "load-balancer", "TargetRemoved", "node 0 stable", "pod-3"),
            (183_400, "load-balancer", "TargetRemoved", "node 1 stable", "pod-4"),
        ];
        let run = failing(Cause::ConnectionRefused, 180..183, &events);
        check(
            &sample::loaded(),
            &run,
            &[
                "At setWeight 60 (t = 180 s), 2 pods stopped: pod-4 closed its port 0.3 s",
                "until 3.2 s after",
                "75 requests got 502",
            ],
        );
    }

    #[test]
    fn requests_cut_off_are_told_by_what_ended_the_program() {
        let term = [(180_200, "pod", "Deleted", "pod-3", "v1"), (180_500, "pod", "Exited", "pod-3", "v1")];
        let mut kill = term.to_vec();
        kill.push((210_500, "pod", "SIGKILL", "pod-3", "v1"));
        let mut loaded = sample::loaded();
        check(
            &loaded,
            &failing(Cause::ResetInFlight, 180..181, &term),
            &["1 pod exited at once on SIGTERM (no preStop hook)", "25 requests got 502"],
        );
        loaded.scenario.application.on_sigterm = OnSigterm::Ignore;
        check(
            &loaded,
            &failing(Cause::ResetInFlight, 205..209, &kill),
            &["1 pod still worked when the grace period of 30s"],
        );
    }

    #[test]
    fn overload_is_told_as_a_multiple_of_the_usual_share() {
        let run = failing(Cause::IdleTimeout, 260..330, &[]);
        check(
            &sample::loaded(),
            &run,
            &[
                "At setWeight 80 (t = 260 s), 2 stable pods got 40 % of the requests",
                "70 s after",
                "50 requests/s each, 2 times the 25",
                "1,750 requests got 504",
                "idle time-out of 1m",
            ],
        );
    }

    #[test]
    fn the_scenarios_own_limits_are_named() {
        let loaded = sample::loaded();
        check(&loaded, &failing(Cause::KeepAliveRace, 5..6, &[]), &["1m15s, longer than the ALB's 1m"]);
        check(
            &loaded,
            &failing(Cause::DeregistrationDelayExpired, 200..202, &[]),
            &["At setWeight 60 (t = 180 s)", "deregistration delay of 30s", "took 2.3 s"],
        );
    }

    #[test]
    fn without_an_error_the_protection_is_named() {
        let (mut loaded, mut run) = (sample::loaded(), sample::quiet());
        check(&loaded, &run, &["No request failed: no pod was stopped; the slowest weight took 70 s"]);
        loaded.scenario.pod.pre_stop = Some(Duration::secs(90));
        run.events.extend(sample::log(&[
            (180_200, "pod", "Deleted", "pod-3", "v1"),
            (270_500, "pod", "ListenerClosed", "pod-3", "v1"),
        ]));
        check(&loaded, &run, &["kept its port open for 90.3 s or more", "(preStop hook: 1m30s)"]);
        loaded.scenario.rollout.dynamic_stable_scale = false;
        check(&loaded, &run, &["stayed until 30s after the promotion"]);
    }
}
