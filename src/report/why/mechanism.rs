//! One sentence per mechanism that makes requests fail.

use super::super::{counted, decimal, percent, span, time};
use super::stop::{Stop, stops};
use super::story::{Load, Story};
use crate::model::Service;
use crate::model::application::OnSigterm;
use crate::model::load_balancer::EmptyTargetGroup;
use crate::model::outcome::Cause;
use crate::run::LogEntry;
use crate::units::{Duration, Instant};

/// Targets are exchanged within this time after the Service was switched; what fails later has another cause.
const EXCHANGE: Duration = Duration::secs(60);

impl<'a> Story<'a> {
    pub(super) fn sentence(&self) -> String {
        match self.cause {
            Cause::ConnectionRefused | Cause::HostUnreachable => self.pod_gone(),
            Cause::ConnectTimeout => {
                let backlog = self.loaded.scenario.application.backlog;
                let reason = format!("the backlog of {backlog} was full: {}", self.cause.description());
                self.overload(&reason).unwrap_or_else(|| self.pod_gone())
            }
            Cause::NoRegisteredTargets => self.group_empty(),
            Cause::ResetInFlight => self.cut_off(),
            Cause::KeepAliveRace => self.keep_alive_race(),
            Cause::DeregistrationDelayExpired => self.deregistration_delay_expired(),
            Cause::IdleTimeout => {
                let idle_timeout = self.loaded.scenario.load_balancer.idle_timeout;
                let reason = format!("no answer came within the idle time-out of {idle_timeout}");
                self.overload(&reason).unwrap_or_else(|| self.slow())
            }
        }
    }

    fn pod_gone(&self) -> String {
        match self.deserted() {
            Some(load) => self.rule_late(load.service, Some(load), self.cause.description()),
            None => self.target_late(),
        }
    }

    /// The pods are gone, the rule still sends requests to their group.
    fn rule_late(&self, service: Service, load: Option<Load>, reason: &str) -> String {
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
        let share = load.map_or_else(|| "requests".into(), |load| format!("{} of the requests", weight(load.share)));
        format!(
            "{}, {gone}{stop}, but the ALB kept sending {share} to the {service} target group {}. B{}, {}.{}{}",
            self.place,
            self.until_effective(),
            &self.when()[1..],
            self.failed(reason),
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
                " The promotion ended it earlier: it put the new pods into the {service} target group, where they served what \
                 the rule still sent."
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
        self.before_the_start(|entry| {
            entry.event == "ScaleReplicaSet" && entry.object == revision && entry.detail.ends_with("-> 0")
        })
    }

    fn last_known_targets(&self, service: Service) -> &'static str {
        let name = service.to_string();
        let emptied = self.before_the_end(|entry| entry.event == "GroupEmpty");
        let emptied = emptied.is_some_and(|entry| entry.object.ends_with(&name));
        let last_known = self.loaded.scenario.load_balancer.empty_target_group == EmptyTargetGroup::LastKnownTargets;
        match (self.cause == Cause::NoRegisteredTargets, emptied && last_known) {
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
                    "the last ALB node sent requests to it until {} after",
                    span(at.saturating_since(worst.deleted))
                )
            }
            Some(_) | None => "the ALB went on using it".into(),
        };
        format!(
            "{}, {} stopped: {} closed its port {} after its deletion{}, but {taken_out}: {}.",
            self.place,
            counted(stopped.len() as u64, "pod"),
            worst.pod,
            span(worst.open_after_deletion()),
            self.hook(),
            self.failed(self.cause.description()),
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
        format!("{}, {}, {}.", self.place, self.when(), self.failed(self.cause.description()))
    }

    fn group_empty(&self) -> String {
        let emptied = self
            .before_the_start(|entry| entry.event == "GroupEmpty")
            .and_then(|entry| Service::ALL.into_iter().find(|service| entry.object.ends_with(&service.to_string())));
        let deserted = self.deserted();
        let Some(service) = emptied.or_else(|| deserted.map(|load| load.service)) else { return self.plainly() };
        let name = service.to_string();
        let recent = |entry: &LogEntry| self.start().saturating_since(entry.at) <= EXCHANGE;
        let is_switch = |entry: &LogEntry| entry.event == "SwitchService" && entry.object == name && recent(entry);
        if let Some(switch) = self.before_the_start(is_switch) {
            return format!(
                "{}, the controller pointed the {name} Service from {} (t = {}), and the {name} target group had no \
                 usable target from t = {} to t = {} while its targets were exchanged: {}.",
                self.place,
                switch.detail.replace(" -> ", " to "),
                time(self.run, switch.at),
                time(self.run, self.start()),
                time(self.run, self.over()),
                self.failed("the group was empty"),
            );
        }
        match self.scale_down(service) {
            Some(_) => self.rule_late(service, deserted.filter(|load| load.service == service), "the group was empty"),
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
            "{}, {who} {mechanism}: {}; the slowest 1 % of the answers take {} or more.",
            self.place,
            self.failed(self.cause.description()),
            span(self.run.latency.p99),
        )
    }

    fn keep_alive_race(&self) -> String {
        let (keep_alive, idle) =
            (self.loaded.scenario.application.keep_alive, self.loaded.scenario.load_balancer.idle_timeout);
        let comparison = if keep_alive <= idle { "no longer than" } else { "longer than" };
        let reason = format!(
            "the pod closed an idle connection at the moment the ALB used it again: the application keeps idle \
             connections for {keep_alive}, {comparison} the ALB's {idle}"
        );
        format!("{}, {}.", self.place, self.failed(&reason))
    }

    fn deregistration_delay_expired(&self) -> String {
        let delay = self.loaded.scenario.target_group.deregistration_delay;
        let reason = format!("their answers were not ready when the deregistration delay of {delay} ran out");
        format!(
            "{}, targets were deregistered and {}; the slowest answer that arrived took {}.",
            self.place,
            self.failed(&reason),
            span(self.run.latency.max),
        )
    }

    /// Too few pods for the share of the requests that they get. None if they had enough.
    fn overload(&self, reason: &str) -> Option<String> {
        let scenario = &self.loaded.scenario;
        let usual = scenario.traffic.rate.per_second() / f64::from(scenario.rollout.replicas.max(1));
        let capacity = scenario.capacity_per_pod();
        let Load { service, pods, share, each } = self.busiest().filter(|load| load.each >= capacity)?;
        let late = self.asked.and_then(|step| Some(step.weight_effective? - step.weight_asked?));
        let late = late.filter(|late| *late > Duration::ZERO).map_or(String::new(), |late| {
            format!(" (the weight reached the ALB {} after it was asked for)", span(late))
        });
        Some(format!(
            "{}, {} got {} of the requests{late}: {} requests/s each, {} times the {} of a pod in the steady state and \
             more than the {} that one can answer; {}.",
            self.place,
            counted(u64::from(pods), &format!("{service} pod")),
            weight(share),
            decimal(each, 1),
            decimal(each / usual, 1),
            decimal(usual, 1),
            decimal(capacity, 1),
            self.failed(reason),
        ))
    }

    /// No answer in time, although the pods had enough workers.
    fn slow(&self) -> String {
        let scenario = &self.loaded.scenario;
        let reason = format!(
            "work on a request may take longer ({}) than the ALB's idle time-out of {}",
            scenario.traffic.service_time, scenario.load_balancer.idle_timeout
        );
        format!("{}, {}, {}.", self.place, self.when(), self.failed(&reason))
    }
}

/// A weight, which counts in percent already.
fn weight(weight: f64) -> String {
    percent(weight / 100.0)
}
