//! One sentence per mechanism that makes requests fail.

use super::super::{counted, decimal, grouped, percent, span, time};
use super::place::place_of;
use super::stop::{Stop, stops};
use super::story::{Load, Mechanism, Story};
use crate::model::Service;
use crate::model::application::OnSigterm;
use crate::model::load_balancer::EmptyTargetGroup;
use crate::run::LogEntry;
use crate::units::Duration;

/// Targets are exchanged within this time after the Service was switched; what fails later has another cause.
const EXCHANGE: Duration = Duration::secs(60);

impl<'a> Story<'a> {
    pub(super) fn sentence(&self) -> String {
        if let Some(crashed) = self.crashed().filter(|_| self.mechanism != Mechanism::Slow) {
            return crashed;
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
        }
    }

    fn is_traffic_routed(&self) -> bool {
        self.loaded.scenario.workload.is_traffic_routed()
    }

    /// The name of a target group.
    fn name(&self, service: Service) -> &'static str {
        self.loaded.scenario.workload.service_name(service)
    }

    /// Where no weight leads anywhere else, an empty group fails everything.
    fn only_group_empty(&self) -> String {
        let name = self.name(self.loaded.scenario.backend);
        let switch = self.before_the_start(|entry| entry.event == "SwitchService" && entry.object == name);
        let reason = match switch {
            Some(switch) => format!(
                "the controller had pointed the {name} Service from {} (t = {}), and its targets were being exchanged",
                switch.detail.replace(" -> ", " to "),
                time(self.run, switch.at)
            ),
            None => "the old pods had left the target group, and no new one was healthy yet".to_owned(),
        };
        format!("{}, {reason}. {}, {}.", self.place.name, capitalised(&self.when()), self.failed())
    }

    /// The pods are gone, the rule still sends requests to their group.
    fn rule_late(&self, service: Service, load: Option<Load>) -> String {
        let share = load.map_or_else(|| "requests".into(), |load| format!("{} of the requests", weight(load.share)));
        format!(
            "{}, but the ALB kept sending {share} to the {} target group{}. {}, {}.{}{}",
            self.gone(service),
            self.name(service),
            self.until(service),
            capitalised(&self.when()),
            self.failed(),
            self.ended_early(service),
            self.last_known_targets(service),
        )
    }

    /// `At setWeight 100 (t = 420 s), the controller scaled the stable ReplicaSet from 1 to 0 pods 0.1 s after it asked for
    /// weight 100; the last of them closed its port at t = 480.5 s (preStop hook: 1m)`.
    fn gone(&self, service: Service) -> String {
        let Some(entry) = self.scale_down(service) else {
            return format!("{}, no pod of the {} target group served any more", self.place.name, self.name(service));
        };
        let place = place_of(self.run, entry.at);
        let asked = place.as_ref().and_then(|place| Some((place.asked?.weight_asked?, place.asked?.weight_requested)));
        let after = asked
            .filter(|(asked, _)| entry.at >= *asked)
            .map(|(asked, weight)| format!("{} after it asked for weight {weight}", span(entry.at - asked)));
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
            "{}, the controller scaled the {service} ReplicaSet from {} to {} pods {when}{closed}",
            place.map_or_else(|| self.place.name.clone(), |place| place.name),
            number(from),
            number(to),
        )
    }

    /// The rule was late, but the group had targets again before it came.
    fn ended_early(&self, service: Service) -> String {
        let rule = self.place.asked.and_then(|step| step.weight_effective).or_else(|| self.share_changes(service));
        let rescued = rule.is_none_or(|at| self.over() + Duration::secs(1) < at);
        if rescued && self.switched.is_some_and(|at| at < self.over()) {
            return format!(
                " The promotion ended it earlier: it put the new pods into the {} target group, where they served what the rule \
                 still sent.",
                self.name(service)
            );
        }
        String::new()
    }

    /// ` until t = 490 s, 70 s after the request for weight 100`.
    fn until(&self, service: Service) -> String {
        let step = self.place.asked.filter(|step| step.weight_asked.is_some());
        match step.and_then(|step| Some((step.weight_asked?, step.weight_effective?))) {
            Some((asked, effective)) if effective > self.start() => {
                let late = span(effective - asked);
                return format!(" until t = {}, {late} after that weight was asked for", time(self.run, effective));
            }
            Some(_) | None => {}
        }
        let replaced = match (step, self.switched) {
            (Some(step), Some(_)) if step.weight_effective.is_none() => {
                format!("; the promotion replaced weight {} before it was sent", step.weight_requested)
            }
            _ => String::new(),
        };
        match self.share_changes(service) {
            Some(at) => format!(" until t = {}{replaced}", time(self.run, at)),
            None => format!(" to the end of the run{replaced}"),
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
                    "the last ALB node sent requests to it until {} after its deletion",
                    span(at.saturating_since(worst.deleted))
                )
            }
            Some(_) | None => "the ALB went on using it".into(),
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
        format!("{}, {}, {}.", self.place.name, self.when(), self.failed())
    }

    fn group_empty(&self) -> String {
        let emptied = self
            .before_the_start(|entry| entry.event == "GroupEmpty")
            .and_then(|entry| Service::ALL.into_iter().find(|service| entry.object.ends_with(self.name(*service))));
        let deserted = self.deserted();
        let Some(service) = emptied.or_else(|| deserted.map(|load| load.service)) else { return self.plainly() };
        let name = self.name(service);
        let recent = |entry: &LogEntry| self.start().saturating_since(entry.at) <= EXCHANGE;
        let is_switch = |entry: &LogEntry| entry.event == "SwitchService" && entry.object == name && recent(entry);
        if let Some(switch) = self.before_the_start(is_switch) {
            return format!(
                "{}, the controller pointed the {name} Service from {} (t = {}). While its targets were exchanged, {}, {}.",
                self.place.name,
                switch.detail.replace(" -> ", " to "),
                time(self.run, switch.at),
                self.when(),
                self.failed(),
            );
        }
        match self.scale_down(service) {
            Some(_) => self.rule_late(service, deserted.filter(|load| load.service == service)),
            None => self.plainly(),
        }
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
        let reason = format!(
            "the pod closed an idle connection at the moment the ALB used it again: the application keeps idle \
             connections for {keep_alive}, no longer than the ALB's {idle}"
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
        let usual = scenario.traffic.rate.per_second() / f64::from(scenario.workload.replicas().max(1));
        let capacity = scenario.capacity_per_pod();
        let Load { service, pods, share, each } = self.busiest().filter(|load| load.each >= capacity)?;
        let late = self.place.asked.and_then(|step| Some(step.weight_effective? - step.weight_asked?));
        let late = late.filter(|late| *late > Duration::ZERO).map_or(String::new(), |late| {
            format!(" (the weight reached the ALB {} after it was asked for)", span(late))
        });
        Some(format!(
            "{}, {} got {} of the requests{late}: {} requests/s each, {} times the {} of a pod in the steady state and \
             more than the {} that one can answer. {}.",
            self.place.name,
            counted(u64::from(pods), &format!("{service} pod")),
            weight(share),
            decimal(each, 1),
            decimal(each / usual, 1),
            decimal(usual, 1),
            decimal(capacity, 1),
            self.failed(),
        ))
    }

    /// No answer in time, although the pods had enough workers on average.
    fn slow(&self) -> String {
        let scenario = &self.loaded.scenario;
        format!(
            "{}, {}, {}; work on a request takes {} on average, the ALB waits {} for an answer, and a pod works on {} \
             requests at a time.",
            self.place.name,
            self.when(),
            self.failed(),
            span(scenario.traffic.service_time.mean()),
            scenario.load_balancer.idle_timeout,
            grouped(scenario.application.concurrency.into()),
        )
    }
}

/// A weight, which counts in percent already.
fn weight(weight: f64) -> String {
    percent(weight / 100.0)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
