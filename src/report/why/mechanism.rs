//! One sentence per mechanism that makes requests fail.

use super::super::{counted, data_plane, decimal, grouped, percent, span, time};
use super::group::{Load, Whose, revision};
use super::place::place_of;
use super::stop::{Stop, stops};
use super::story::{Mechanism, Story};
use crate::model::Service;
use crate::model::application::OnSigterm;
use crate::model::load_balancer::EmptyTargetGroup;
use crate::run::LogEntry;
use crate::units::{Duration, Instant};

/// Targets are exchanged within this time after the Service was switched; what fails later has another cause.
const EXCHANGE: Duration = Duration::secs(60);

/// Switches to and fro that follow each other so closely are one disturbance.
const FLAPPING: Duration = Duration::secs(1);

impl<'a> Story<'a> {
    pub(super) fn sentence(&self) -> String {
        if let Some(crashed) = self.crashed().filter(|_| self.mechanism != Mechanism::Slow) {
            return crashed;
        }
        if let Some(removed) = self.all_removed() {
            return removed;
        }
        let is_by_weight = matches!(self.mechanism, Mechanism::PodGone | Mechanism::GroupEmpty | Mechanism::Slow);
        if let Some(written) = is_by_weight.then(|| self.weights_of_git()).flatten() {
            return written;
        }
        match self.mechanism {
            Mechanism::PodGone => match self.deserted().filter(|_| self.is_traffic_routed()) {
                Some(load) => self.rule_late(load.service, Some(load)),
                None => self.target_late(),
            },
            Mechanism::GroupEmpty if self.is_traffic_routed() => self.group_empty(),
            Mechanism::GroupEmpty => self.only_group_empty(),
            Mechanism::CutOff => self.cut_off(),
            Mechanism::KeepAliveRace => self.keep_alive_race(),
            Mechanism::DeregistrationDelay => self.deregistration_delay_expired(),
            Mechanism::Slow => self.overload().unwrap_or_else(|| self.slow()),
            Mechanism::NoRule => {
                let pruned = self.pruned().map_or_else(String::new, |text| format!(", {text}"));
                self.unrouted(404, &format!("no rule of the listener took them{pruned}, so its default action did"))
            }
            Mechanism::MissingBackend => {
                let reason = "the rule that took them leads to an action or a Service that is not there";
                let by_argo_cd = self.written_without_action().map_or_else(String::new, |text| format!(": {text}"));
                self.unrouted(503, &format!("{reason}{by_argo_cd}"))
            }
        }
    }

    fn is_traffic_routed(&self) -> bool {
        self.loaded.scenario.workload.is_traffic_routed()
    }

    /// The name of a target group.
    fn name(&self, service: Service) -> &'static str {
        self.loaded.scenario.workload.service_name(service)
    }

    /// Somebody has asked for no pods at all: neither a weight nor a switch is to blame.
    fn all_removed(&self) -> Option<String> {
        let concerned = matches!(self.mechanism, Mechanism::PodGone | Mechanism::GroupEmpty);
        let asked = self.before_the_start(|entry| entry.component == "people" && entry.event == "set_replicas")?;
        (concerned && asked.detail == "0").then(|| {
            let place = place_of(self.run, asked.at).name;
            format!("{place}, the controller removed every pod. {}, {}.", capitalised(&self.when(None)), self.failed())
        })
    }

    /// Where no weight leads anywhere else, an empty group fails everything.
    fn only_group_empty(&self) -> String {
        if let Some(switched) = self.group_exchanged(self.loaded.scenario.backend) {
            return switched;
        }
        format!(
            "{}, the old pods had left the target group, and no new one was healthy yet. {}, {}.",
            self.place.name,
            capitalised(&self.when(None)),
            self.failed()
        )
    }

    /// The pods are gone, the rule still sends requests to their group.
    fn rule_late(&self, service: Service, load: Option<Load>) -> String {
        let share = load.map_or_else(
            || "requests".into(),
            |load| {
                // Between two weights each node sends another share; and a second weight may have come meanwhile.
                let up_to = if load.share.fract() > 0.01 || self.share_falls(service) { "up to " } else { "" };
                format!("{up_to}{} of the requests", weight(load.share))
            },
        );
        let scaled = self.scale_down(service);
        let gone = match scaled {
            Some(entry) => self.gone(entry),
            None => format!("{}, no pod of the {} target group served any more", self.place.name, self.name(service)),
        };
        format!(
            "{gone}, but {} kept sending {share} to the {} target group{}. {}, {}.{}{}",
            data_plane(self.loaded),
            self.name(service),
            self.until(service, scaled),
            capitalised(&self.when(self.share_ended(service))),
            self.failed(),
            self.ended_early(service, scaled),
            self.last_known_targets(service),
        )
    }

    /// `At setWeight 100 (t = 420 s), the controller scaled the ReplicaSet of v1 from 1 to 0 pods 0.1 s after it asked for
    /// weight 100; the last of them closed its port at t = 480.5 s (preStop hook: 1m)`.
    fn gone(&self, entry: &LogEntry) -> String {
        let after = self.asked_before(entry).map(|asked| {
            let weight = canary_weight(&asked.detail);
            match entry.at - asked.at {
                Duration::ZERO => format!("as it asked for weight {weight}"),
                later => format!("{} after it asked for weight {weight}", span(later)),
            }
        });
        let when = after.unwrap_or_else(|| format!("at t = {}", time(self.run, entry.at)));
        let (from, to) = entry.detail.split_once(" -> ").unwrap_or(("some", "0"));
        let number = |text: &str| text.parse().map_or_else(|_| text.to_string(), grouped);
        let closed = stops(self.run).iter().filter(|stop| stop.revision == entry.object).map(|stop| stop.closed).max();
        let closed = closed.filter(|closed| *closed > entry.at + Duration::secs(1) && *closed <= self.over());
        let closed = match (self.mechanism, closed) {
            (Mechanism::PodGone, Some(closed)) => {
                format!("; the last of them closed its port at t = {}{}", time(self.run, closed), self.hook())
            }
            _ => String::new(),
        };
        format!(
            "{}, the controller scaled the ReplicaSet of {} from {} to {} pods {when}{closed}",
            place_of(self.run, entry.at).name,
            entry.object,
            number(from),
            number(to),
        )
    }

    /// The weight that the controller asked for last in the same place.
    fn asked_before(&self, entry: &LogEntry) -> Option<&'a LogEntry> {
        let since = place_of(self.run, entry.at).start;
        let is_asked = |asked: &&LogEntry| asked.event == "SetWeight" && (since..=entry.at).contains(&asked.at);
        self.run.events.iter().rev().find(is_asked)
    }

    /// The rule was late, but the group had targets again before it came.
    fn ended_early(&self, service: Service, scaled: Option<&LogEntry>) -> String {
        if self.share_ended(service).is_some() {
            return String::new();
        }
        let name = self.name(service);
        let since = scaled.map_or(self.start(), |entry| entry.at.min(self.start()));
        let switched = self.before_the_end(|entry| entry.event == "SwitchService" && entry.object == name);
        if switched.is_some_and(|switch| since <= switch.at && switch.at < self.over()) {
            return format!(
                " The promotion ended it earlier: it put the new pods into the {name} target group, where they served what \
                 the rule still sent."
            );
        }
        match self.refilled(name) {
            Some(at) => {
                format!(" New targets of the {name} target group ended it earlier (t = {}).", time(self.run, at))
            }
            None => String::new(),
        }
    }

    /// When the last ALB node had a target in the group again, if the failures ended with that.
    fn refilled(&self, name: &str) -> Option<Instant> {
        let of_node = |node: u32| {
            let object = format!("node {node} {name}");
            let emptied = self.before_the_end(|entry| entry.event == "GroupEmpty" && entry.object == object)?;
            let is_healthy = |entry: &&LogEntry| entry.event == "TargetHealthy" && entry.object == object;
            self.run.events.iter().filter(|entry| entry.at >= emptied.at).find(is_healthy).map(|entry| entry.at)
        };
        let refilled = (0..self.run.nodes).map(of_node).collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let last_second = self.over().as_nanos() - Duration::secs(1).as_nanos();
        (last_second..=self.over().as_nanos()).contains(&refilled.as_nanos()).then_some(refilled)
    }

    /// ` until t = 490 s, 70 s after weight 100 was asked for (t = 420 s)`.
    fn until(&self, service: Service, scaled: Option<&LogEntry>) -> String {
        let named = scaled.and_then(|entry| self.asked_before(entry));
        let Some(at) = self.share_ended(service).or_else(|| self.share_changes(service)) else {
            return format!(" to the end of the run{}", self.replaced(named));
        };
        let late = self.requested(at).map(|asked| {
            let late = span(at - asked.at);
            match named.is_some_and(|named| *named == *asked) {
                true => format!(", {late} after that weight was asked for"),
                false => {
                    let weight = canary_weight(&asked.detail);
                    format!(", {late} after weight {weight} was asked for (t = {})", time(self.run, asked.at))
                }
            }
        });
        format!(" until t = {}{}{}", time(self.run, at), late.unwrap_or_default(), self.replaced(named))
    }

    /// The request for the weight by which the last ALB node routes since `at`.
    fn requested(&self, at: Instant) -> Option<&'a LogEntry> {
        let until = |at: Instant, event: &'static str| {
            self.run.events.iter().rev().filter(move |entry| entry.at <= at && entry.event == event)
        };
        let rule = until(at, "RuleEffective").next()?;
        let of_rule = |entry: &&LogEntry| entry.detail == rule.detail;
        let sent = until(at, "ModifyRule").find(of_rule).map_or(at, |sent| sent.at);
        until(sent, "SetWeight").find(of_rule)
    }

    /// A weight that no ALB node ever routed by, because the promotion took its place.
    fn replaced(&self, asked: Option<&LogEntry>) -> String {
        let is_effective = |asked: &LogEntry| {
            let effective = |entry: &LogEntry| entry.event == "RuleEffective" && entry.detail == asked.detail;
            self.run.events.iter().any(|entry| entry.at >= asked.at && effective(entry))
        };
        let stable = self.name(Service::Stable);
        let is_switch = |entry: &LogEntry| entry.event == "SwitchService" && entry.object == stable;
        let promoted = |asked: &LogEntry| self.run.events.iter().any(|entry| entry.at > asked.at && is_switch(entry));
        match asked.filter(|asked| !is_effective(asked) && promoted(asked)) {
            Some(asked) => {
                format!("; the promotion replaced weight {} before it was sent", canary_weight(&asked.detail))
            }
            None => String::new(),
        }
    }

    /// When the revision whose pods the Service's target group had lost its last one.
    fn scale_down(&self, service: Service) -> Option<&'a LogEntry> {
        let name = self.name(service);
        let switch = self.before_the_start(|entry| entry.event == "SwitchService" && entry.object == name);
        let selected = switch.and_then(|entry| revision(entry.detail.split_once(" -> ")?.1)).map(Whose::Of);
        let of = |whose: Whose| {
            let Whose::Of(revision) = whose else { return None };
            let revision = revision.to_string();
            let last = self.before_the_start(|entry| entry.event == "ScaleReplicaSet" && entry.object == revision)?;
            last.detail.ends_with("-> 0").then_some(last)
        };
        of(self.groups.whose(service, self.start())).or_else(|| of(selected?))
    }

    fn last_known_targets(&self, service: Service) -> &'static str {
        let name = self.name(service);
        let emptied = self.before_the_end(|entry| entry.event == "GroupEmpty");
        let emptied = emptied.is_some_and(|entry| entry.object.ends_with(name));
        let last_known = self.loaded.scenario.load_balancer.empty_target_group == EmptyTargetGroup::LastKnownTargets;
        match (self.mechanism == Mechanism::GroupEmpty, emptied && last_known) {
            (false, true) => " (A node whose group is empty goes on with the last targets it knew.)",
            (true, _) | (false, false) => "",
        }
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
                    "the last {} sent requests to it until {} after its deletion",
                    if self.loaded.scenario.has_alb() { "ALB node" } else { "proxy" },
                    span(at.saturating_since(worst.deleted))
                )
            }
            Some(_) | None => format!("{} went on using it", data_plane(self.loaded)),
        };
        format!(
            "{}, {} stopped: {} closed its port {} after its deletion{}, but {taken_out}. {}.",
            self.place.name,
            counted(stopped.len() as u64, "pod"),
            worst.pod,
            span(worst.open_after_deletion()),
            self.hook(),
            self.failed(),
        )
    }

    /// Pods of a bad version died by themselves.
    fn crashed(&self) -> Option<String> {
        let crashes: Vec<_> = self.run.events.iter().filter(|entry| entry.event == "Crashed").collect();
        let here: Vec<_> = crashes.iter().filter(|entry| self.place.rows.contains(&entry.at.second())).collect();
        let first = here.first()?;
        // Pods that were stopped are the simpler story, if there were more of them.
        let stopped = stops(self.run).iter().filter(|stop| self.concerns(stop)).count();
        if first.at > self.over() || stopped > here.len() {
            return None;
        }
        Some(format!(
            "{}, processes of {} died by themselves {} (crash_after), the first at t = {}. Until the kubelet has started \
             such a process again, its port is closed: {}.",
            self.place.name,
            first.detail,
            counted(here.len() as u64, "time"),
            time(self.run, first.at),
            self.failed(),
        ))
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
        format!("{}, {}, {}.", self.place.name, self.when(None), self.failed())
    }

    fn group_empty(&self) -> String {
        let emptied = self
            .before_the_start(|entry| entry.event == "GroupEmpty")
            .and_then(|entry| Service::ALL.into_iter().find(|service| entry.object.ends_with(self.name(*service))));
        let deserted = self.deserted();
        let Some(service) = deserted.map(|load| load.service).or(emptied) else { return self.plainly() };
        if let Some(exchanged) = self.group_exchanged(service) {
            return exchanged;
        }
        match self.scale_down(service) {
            Some(_) => self.rule_late(service, deserted.filter(|load| load.service == service)),
            None => self.plainly(),
        }
    }

    /// The Service was pointed at other pods, and its old targets were gone before the new ones were healthy.
    fn group_exchanged(&self, service: Service) -> Option<String> {
        let name = self.name(service);
        let emptied = self.before_the_start(|entry| entry.event == "GroupEmpty" && entry.object.ends_with(name));
        let until = emptied.map_or(self.start(), |entry| entry.at);
        // Those that select other pods than were in the group before.
        let left = self.groups.whose(service, until);
        let leaves = |entry: &&LogEntry| {
            let from = entry.detail.split_once(" -> ").and_then(|(from, _)| revision(from)).map(Whose::Of);
            entry.event == "SwitchService" && entry.object == name && from == Some(left) && entry.at <= until
        };
        let switches: Vec<_> = self.run.events.iter().filter(leaves).collect();
        let series = switches.chunk_by(|a, b| b.at.saturating_since(a.at) <= FLAPPING).next_back()?;
        let (first, last) = (series.first()?, series.last()?);
        let was_scaled_down = self.scale_down(service).is_some_and(|scaled| scaled.at < first.at);
        if was_scaled_down || self.start().saturating_since(last.at) > EXCHANGE {
            return None;
        }
        let again = if series.len() > 1 { ", and to and fro with each later pass" } else { "" };
        Some(format!(
            "{}, the controller pointed the {name} Service from {} (t = {}{again}). While its targets were exchanged, {}, {}.",
            place_of(self.run, first.at).name,
            first.detail.replace(" -> ", " to "),
            time(self.run, first.at),
            self.when(None),
            self.failed(),
        ))
    }

    fn cut_off(&self) -> String {
        let pod = &self.loaded.scenario.pod;
        // The pods that were deleted here, and ended when the failures had begun.
        let stops = stops(self.run);
        let ended = |stop: &&Stop| self.place.rows.contains(&stop.deleted.second()) && stop.ended >= Some(self.start());
        let (killed, exited): (Vec<_>, Vec<_>) = stops.iter().filter(ended).partition(|stop| stop.killed);
        let stopped = if killed.is_empty() { exited.len() } else { killed.len() } as u64;
        let mechanism = if !killed.is_empty() {
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
            "{}, {who} {mechanism}: {}; the slowest 1 % of the answers take {} or more.",
            self.place.name,
            self.failed(),
            span(self.run.latency.p99),
        )
    }

    fn keep_alive_race(&self) -> String {
        let (keep_alive, idle) =
            (self.loaded.scenario.application.keep_alive, self.loaded.scenario.load_balancer.idle_timeout);
        let sender = data_plane(self.loaded);
        let reason = format!(
            "the pod closed an idle connection at the moment {sender} used it again: the application keeps idle \
             connections for {keep_alive}, no longer than {sender}'s {idle}"
        );
        format!("{}, {}.", self.place.name, self.failed_because(502, &reason))
    }

    fn deregistration_delay_expired(&self) -> String {
        let delay = self.loaded.scenario.target_group.deregistration_delay;
        let reason = format!("their answers were not ready when the deregistration delay of {delay} ran out");
        format!(
            "{}, targets were deregistered and {}; the slowest answer that arrived took {}.",
            self.place.name,
            self.failed_because(502, &reason),
            span(self.run.latency.max),
        )
    }

    /// Too few pods for the share of the requests that they get. None if they had enough.
    fn overload(&self) -> Option<String> {
        let scenario = &self.loaded.scenario;
        let usual = scenario.traffic.total_rate_per_second() / f64::from(scenario.workload.replicas().max(1));
        let capacity = scenario.capacity_per_pod();
        let load = self.busiest().filter(|load| load.each >= capacity)?;
        let Load { whose, pods, share, each, .. } = load;
        Some(format!(
            "{}, {}{whose} got {} of the requests{}: {} requests/s each, {} times the {} of a pod in the steady state and \
             more than the {} that one can answer. {}.",
            self.place.name,
            counted(u64::from(pods), "pod"),
            weight(share),
            self.by_rule(&load),
            decimal(each, 1),
            decimal(each / usual, 1),
            decimal(usual, 1),
            decimal(capacity, 1),
            self.failed(),
        ))
    }

    /// How old the rule was by which the ALB sent so much.
    fn by_rule(&self, load: &Load) -> String {
        let end = Instant::START + Duration::secs(load.row as u64 + 1);
        let until = |event: &'static str| {
            self.run.events.iter().rev().filter(move |entry| entry.at < end && entry.event == event)
        };
        let Some(newest) = until("SetWeight").next() else { return String::new() };
        let told = |asked: &LogEntry| {
            format!("weight {}, asked for at t = {}", canary_weight(&asked.detail), time(self.run, asked.at))
        };
        let (rule, sender) = (until("RuleEffective").next(), data_plane(self.loaded));
        match rule.and_then(|rule| Some((rule, self.requested(rule.at)?))) {
            Some((rule, asked)) if rule.detail == newest.detail => {
                let late = rule.at.saturating_since(asked.at);
                match late > Duration::ZERO {
                    true => format!(" (the weight reached {sender} {} after it was asked for)", span(late)),
                    false => String::new(),
                }
            }
            Some((_, asked)) => {
                format!(" ({sender} still routed by {}, and not yet by {})", told(asked), told(newest))
            }
            None => format!(" ({sender} did not yet route by {})", told(newest)),
        }
    }

    fn unrouted(&self, code: u16, why: &str) -> String {
        // What the rules lack they lack all the time: no step is to blame.
        format!("{}, {} got {code}: {why}.", capitalised(&self.when(None)), self.counted())
    }

    /// No answer in time, although the pods had enough workers on average.
    fn slow(&self) -> String {
        let scenario = &self.loaded.scenario;
        format!(
            "{}, {}, {}; work on a request takes {} on average, {} waits {} for an answer, and a pod works on {} \
             requests at a time.",
            self.place.name,
            self.when(None),
            self.failed(),
            span(scenario.traffic.mean_service_time()),
            data_plane(self.loaded),
            scenario.load_balancer.idle_timeout,
            grouped(scenario.application.concurrency.into()),
        )
    }
}

/// Of `canary 80 stable 20`: the canary Service comes first.
pub(super) fn canary_weight(split: &str) -> &str {
    split.split(' ').nth(1).unwrap_or(split)
}

/// A weight, which counts in percent already.
fn weight(weight: f64) -> String {
    percent(weight / 100.0)
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
