//! One pod, as its kubelet runs it: start, readiness, preStop, SIGTERM, SIGKILL, removal.
//!
//! Follows the kubelet of Kubernetes 1.35: `pkg/kubelet/kubelet.go`, `kuberuntime/kuberuntime_container.go` and
//! `prober/worker.go`. One container. Left out: init containers and sidecars, start-up and liveness probes, eviction, a
//! readiness gate that falls back to False, the tenth of a second that it takes to start an exec hook.

use crate::model::Service;
use crate::model::application::{DrainUntil, OnSigterm};
use crate::units::{Duration, Instant};
use std::collections::BTreeSet;
use {Effect::*, Input::*, Phase::*};

/// The window a container gets after SIGTERM even when the hook used up the whole grace period.
/// Source: kubelet, `minimumGracePeriodInSeconds`.
const MINIMUM_GRACE: Duration = Duration::secs(2);

/// The kubelet never runs a container down in less. Source: kubelet, `pod_workers.go`.
const SHORTEST_GRACE: Duration = Duration::secs(1);

/// A container that ended is started again at once the first time, then after 10 s, 20 s, 40 s … Source: kubelet,
/// `containerBackOffPeriod`; *Pod Lifecycle*, restart policy.
const FIRST_BACK_OFF: Duration = Duration::secs(10);
const LONGEST_BACK_OFF: Duration = Duration::secs(300);

/// After so long without an end the count begins anew. Source: *Pod Lifecycle*, restart policy.
const BACK_OFF_RESET: Duration = Duration::secs(600);

/// `readinessProbe`. Zero counts as absent, as in Kubernetes, but for `initial_delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessProbe {
    /// Whole seconds.
    pub initial_delay: Duration,
    pub period: Duration,
    pub timeout: Duration,
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

/// `spec.template.spec`: what the manifest says of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodSpec {
    /// `terminationGracePeriodSeconds`.
    pub grace_period: Duration,
    /// How long the preStop hook runs; None without a hook.
    pub pre_stop: Option<Duration>,
    pub readiness_probe: Option<ReadinessProbe>,
}

/// What is random about one pod, drawn at its birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    pub scheduling: Duration,
    pub sandbox_creation: Duration,
    pub container_start: Duration,
    pub container_seen: Duration,
    pub startup_time: Duration,
    /// From the start of the container until the process dies by itself.
    pub crash_after: Option<Duration>,
    pub kubelet_notices_delete: Duration,
    pub sigterm_reaction: Duration,
    pub sandbox_removal: Duration,
    pub pod_removal: Duration,
}

/// What the program does on SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    pub on_sigterm: OnSigterm,
    pub drain_until: DrainUntil,
    pub drain_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not bound to a node.
    Pending,
    /// Bound; the container does not run yet.
    Starting,
    Running,
    /// The process has died; the container waits to be started again.
    Crashed,
    /// The hook runs; the program knows of nothing.
    PreStop,
    /// SIGTERM was sent.
    Stopping,
    /// The process is gone, the sandbox still answers with RST.
    Exited,
    /// The address answers nothing any more.
    Unreachable,
    /// The pod object is gone.
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Created,
    Scheduled,
    SandboxCreated,
    ImagePulled,
    ContainerStarted,
    StartupOver,
    /// The process dies by itself.
    Died,
    /// The kubelet has seen that the container ended.
    CrashSeen,
    ProbeDue,
    Probed {
        passed: bool,
    },
    Deleted,
    KubeletNoticed,
    PreStopOver,
    SigtermHandled,
    /// The last request in flight will be answered so long from now.
    InFlight(Duration),
    Finished,
    GraceOver,
    SandboxRemoved,
    ObjectRemoved,
    /// The condition of the readiness gate of this Service's target group is True.
    GatePassed(Service),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give this input back to the same pod after the delay.
    Wake(Duration, Input),
    /// Ask the node for the image; answer with `ImagePulled`.
    PullImage,
    /// The program answers from now on.
    Listen,
    /// Ask the program whether it answers in time; answer with `Probed`.
    Probe { timeout: Duration },
    /// The Ready condition in the API.
    Ready(bool),
    /// The ContainersReady condition, told while a readiness gate keeps Ready from following it.
    ContainersReady(bool),
    /// SIGTERM was sent.
    Sigterm,
    /// New connections are refused; what is in flight goes on.
    CloseListener,
    /// Ask when the last request in flight will be answered; answer with `InFlight`.
    AskInFlight,
    /// The process is gone, and with it what was in flight. `killed`: by SIGKILL.
    Exit { killed: bool },
    /// The process died by itself: as `Exit`, but the pod stays.
    Crash,
    /// Nobody answers at the address any more.
    LoseAddress,
    /// The object is gone from the API: the pod costs nothing any more.
    Remove,
}

#[derive(Clone, Debug)]
pub struct Pod {
    spec: PodSpec,
    shutdown: Shutdown,
    timings: Timings,
    phase: Phase,
    listening: bool,
    /// What the probe has found.
    containers_ready: bool,
    /// `spec.readinessGates` whose condition is not True, by the Service of their target group.
    open_gates: BTreeSet<Service>,
    container_started: Instant,
    /// How often in a row the container ended by itself.
    crashes: u32,
    /// A probe is under way: attempts are synchronous.
    probing: bool,
    /// A tick came meanwhile. At most one is kept.
    tick_kept: bool,
    /// How often in a row the probe had the same result: the kubelet's `resultRun`.
    run_passed: bool,
    run_length: u32,
}

impl Pod {
    pub fn new(spec: PodSpec, shutdown: Shutdown, timings: Timings) -> Self {
        Self {
            spec,
            shutdown,
            timings,
            phase: Pending,
            listening: false,
            containers_ready: false,
            open_gates: BTreeSet::new(),
            container_started: Instant::START,
            crashes: 0,
            probing: false,
            tick_kept: false,
            run_passed: false,
            run_length: 0,
        }
    }

    /// With these readiness gates, as a webhook puts them into the pod that is being created.
    #[must_use]
    pub fn with_gates(self, open_gates: BTreeSet<Service>) -> Self {
        Self { open_gates, ..self }
    }

    /// A pod that has served for long, its gates passed; its next probe is for the caller to schedule.
    pub fn established(spec: PodSpec, shutdown: Shutdown, timings: Timings) -> Self {
        let running = Self::new(spec, shutdown, timings);
        Self { phase: Running, listening: true, containers_ready: true, run_passed: true, run_length: 1, ..running }
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The Ready condition.
    pub fn ready(&self) -> bool {
        self.containers_ready && !self.awaits_gates()
    }

    pub fn awaits_gates(&self) -> bool {
        !self.open_gates.is_empty()
    }

    /// Takes one step. Each arm is one sentence of the pod lifecycle.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let (phase, effects) = match (self.phase, input) {
            (Pending, Created) => (Pending, vec![Wake(self.timings.scheduling, Scheduled)]),
            (Pending, Scheduled) => (Starting, vec![Wake(self.timings.sandbox_creation, SandboxCreated)]),
            (Starting, SandboxCreated) => (Starting, vec![PullImage]),
            (Starting, ImagePulled) => (Starting, vec![Wake(self.timings.container_start, ContainerStarted)]),
            (Starting | Crashed, ContainerStarted) => (Running, self.on_container_started(now)),
            (Running | PreStop, StartupOver) => (self.phase, self.on_startup_over(now)),
            (Running, Died) => (Crashed, self.on_crash(now)),
            // While it stops nobody starts it again.
            (PreStop | Stopping, Died) => (Exited, self.on_exit(false)),
            (Crashed, CrashSeen) => (Crashed, self.on_crash_seen()),
            (Crashed, ProbeDue) => {
                (Crashed, self.spec.readiness_probe.map(|probe| Wake(probe.period, ProbeDue)).into_iter().collect())
            }
            (Running | PreStop | Stopping, ProbeDue) => (self.phase, self.on_probe_due(now)),
            (Running | PreStop | Stopping, Probed { passed }) => (self.phase, self.on_probed(passed)),
            (phase, GatePassed(service)) => (phase, self.on_gate_passed(service)),

            (Pending, Deleted) => (Removed, vec![Remove]),
            (Starting | Running | Crashed, Deleted) => {
                let mut effects = vec![Wake(self.timings.kubelet_notices_delete, KubeletNoticed)];
                // Without a grace period the object does not wait for the kubelet.
                effects.extend((self.spec.grace_period == Duration::ZERO).then_some(Remove));
                (self.phase, effects)
            }
            (Starting | Crashed, KubeletNoticed) => (Exited, self.on_exit(false)),
            (Running, KubeletNoticed) => match self.spec.pre_stop {
                Some(_) => (PreStop, vec![Wake(self.hook(), PreStopOver)]),
                None => (Stopping, self.on_sigterm()),
            },
            (PreStop, PreStopOver) => (Stopping, self.on_sigterm()),
            (Stopping, SigtermHandled) => (Stopping, self.on_sigterm_handled()),
            (Stopping, InFlight(rest)) => (Stopping, vec![Wake(rest.min(self.shutdown.drain_timeout), Finished)]),
            (Stopping, Finished) => (Exited, self.on_exit(false)),
            (Stopping, GraceOver) => (Exited, self.on_exit(true)),
            (Exited, SandboxRemoved) => (Unreachable, vec![LoseAddress]),
            (Unreachable, ObjectRemoved) => (Removed, self.on_object_removed()),

            // What was already on its way when the pod was deleted, killed or gone.
            (Exited | Unreachable | Removed, StartupOver | ProbeDue | Probed { .. } | SigtermHandled | InFlight(_))
            | (
                Exited | Unreachable | Removed,
                Finished | GraceOver | SandboxCreated | ImagePulled | ContainerStarted | Died | CrashSeen | PreStopOver,
            )
            | (PreStop | Stopping, ContainerStarted)
            | (Running | PreStop | Stopping, CrashSeen)
            | (Crashed, StartupOver | Probed { .. })
            | (Removed, Scheduled)
            | (Stopping, StartupOver) => (self.phase, vec![]),

            // Nobody schedules these. A new phase or input will not compile until it is placed.
            (
                Pending | Starting | Running | Crashed | PreStop | Stopping | Exited | Unreachable | Removed,
                Created
                | Scheduled
                | SandboxCreated
                | ImagePulled
                | ContainerStarted
                | StartupOver
                | Died
                | CrashSeen
                | ProbeDue
                | Probed { .. }
                | Deleted
                | KubeletNoticed
                | PreStopOver
                | SigtermHandled
                | InFlight(_)
                | Finished
                | GraceOver
                | SandboxRemoved
                | ObjectRemoved,
            ) => unreachable!("{input:?} reached a pod in {:?}", self.phase),
        };
        self.phase = phase;
        effects
    }

    /// Grace period as the kubelet counts it.
    fn grace(&self) -> Duration {
        self.spec.grace_period.max(SHORTEST_GRACE)
    }

    /// How long the hook may run: it is abandoned when the grace period is over.
    fn hook(&self) -> Duration {
        self.spec.pre_stop.unwrap_or(Duration::ZERO).min(self.grace())
    }

    /// From SIGTERM to SIGKILL. The kubelet subtracts whole seconds of the hook.
    fn window(&self) -> Duration {
        let used = Duration::secs(self.hook().whole_secs());
        self.grace().saturating_sub(used).max(MINIMUM_GRACE)
    }

    fn on_container_started(&mut self, now: Instant) -> Vec<Effect> {
        self.container_started = now;
        let mut effects = vec![Wake(self.timings.startup_time, StartupOver)];
        // The worker that probes outlives its container.
        if self.crashes == 0 || self.spec.readiness_probe.is_none() {
            effects.push(Wake(self.timings.container_seen, ProbeDue));
        }
        effects.extend(self.timings.crash_after.map(|after| Wake(after, Died)));
        effects
    }

    /// One that comes from a container before this one is for nobody.
    fn on_startup_over(&mut self, now: Instant) -> Vec<Effect> {
        if now < self.container_started + self.timings.startup_time {
            return vec![];
        }
        self.listening = true;
        vec![Listen]
    }

    fn on_crash(&mut self, now: Instant) -> Vec<Effect> {
        self.listening = false;
        if now >= self.container_started + BACK_OFF_RESET {
            self.crashes = 0;
        }
        let seen = self.timings.container_seen;
        let back_off = match self.crashes {
            0 => Duration::ZERO,
            crashes => (FIRST_BACK_OFF * (1 << (crashes - 1).min(5))).min(LONGEST_BACK_OFF),
        };
        self.crashes += 1;
        let restart = seen.max(back_off) + self.timings.container_start;
        vec![Crash, Wake(seen, CrashSeen), Wake(restart, ContainerStarted)]
    }

    /// The results of the probe begin anew with the next container.
    fn on_crash_seen(&mut self) -> Vec<Effect> {
        (self.run_passed, self.run_length) = (false, 0);
        self.set_containers_ready(false)
    }

    /// Ready = ContainersReady and every gate True. Source: kubelet, `status/generate.go`.
    fn set_containers_ready(&mut self, containers_ready: bool) -> Vec<Effect> {
        if std::mem::replace(&mut self.containers_ready, containers_ready) == containers_ready {
            return vec![];
        }
        vec![if self.awaits_gates() { ContainersReady(containers_ready) } else { Ready(containers_ready) }]
    }

    /// Once the process is gone the kubelet writes no conditions any more.
    fn on_gate_passed(&mut self, service: Service) -> Vec<Effect> {
        let was_open = self.open_gates.remove(&service);
        let is_told = !matches!(self.phase, Exited | Unreachable | Removed);
        if was_open && is_told && self.ready() { vec![Ready(true)] } else { vec![] }
    }

    /// The first attempt comes when the kubelet has seen the container run, the next ones a period apart: since a
    /// manual trigger restarts the ticker, the phase is that of the first attempt.
    fn on_probe_due(&mut self, now: Instant) -> Vec<Effect> {
        let Some(probe) = self.spec.readiness_probe else {
            // Without a probe a container is ready as soon as it runs.
            return self.set_containers_ready(true);
        };
        let next = Wake(probe.period, ProbeDue);
        let since_start = Duration::secs((now - self.container_started).whole_secs());
        if since_start < probe.initial_delay {
            return vec![next];
        }
        if std::mem::replace(&mut self.probing, true) {
            self.tick_kept = true;
            return vec![next];
        }
        vec![Probe { timeout: probe.timeout }, next]
    }

    fn on_probed(&mut self, passed: bool) -> Vec<Effect> {
        let probe = self.spec.readiness_probe.expect("only a probe has results");
        self.run_length = if self.run_passed == passed { self.run_length + 1 } else { 1 };
        self.run_passed = passed;
        let threshold = if passed { probe.success_threshold } else { probe.failure_threshold };
        let mut effects = if self.run_length >= threshold { self.set_containers_ready(passed) } else { vec![] };
        // A tick that came during a slow probe is made up for at once.
        self.probing = std::mem::take(&mut self.tick_kept);
        if self.probing {
            effects.push(Probe { timeout: probe.timeout });
        }
        effects
    }

    fn on_sigterm(&mut self) -> Vec<Effect> {
        let window = self.window();
        let kill = Wake(window, GraceOver);
        let mut effects = vec![Sigterm];
        match self.shutdown.on_sigterm {
            OnSigterm::Exit | OnSigterm::Drain if self.timings.sigterm_reaction < window => {
                effects.extend([Wake(self.timings.sigterm_reaction, SigtermHandled), kill]);
            }
            OnSigterm::Exit | OnSigterm::Drain | OnSigterm::Ignore => effects.push(kill),
        }
        effects
    }

    /// SIGKILL, if it is due first, finds the process still there: the later of two timers reaches an exited pod.
    fn on_sigterm_handled(&mut self) -> Vec<Effect> {
        match (self.shutdown.on_sigterm, self.shutdown.drain_until) {
            (OnSigterm::Exit, _) => vec![Wake(Duration::ZERO, Finished)],
            (OnSigterm::Drain, DrainUntil::Timeout) => {
                self.listening = false;
                vec![CloseListener, Wake(self.shutdown.drain_timeout, Finished)]
            }
            (OnSigterm::Drain, DrainUntil::RequestsAnswered) => {
                self.listening = false;
                vec![CloseListener, AskInFlight]
            }
            (OnSigterm::Ignore, _) => unreachable!("a process that ignores SIGTERM does not handle it"),
        }
    }

    fn on_exit(&mut self, killed: bool) -> Vec<Effect> {
        self.listening = false;
        let removal = self.timings.pod_removal.max(self.timings.sandbox_removal);
        vec![Exit { killed }, Wake(self.timings.sandbox_removal, SandboxRemoved), Wake(removal, ObjectRemoved)]
    }

    fn on_object_removed(&self) -> Vec<Effect> {
        if self.spec.grace_period == Duration::ZERO { vec![] } else { vec![Remove] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Queue;

    const NO_DELAYS: Timings = Timings {
        scheduling: Duration::ZERO,
        sandbox_creation: Duration::ZERO,
        container_start: Duration::ZERO,
        container_seen: Duration::millis(300),
        startup_time: Duration::ZERO,
        crash_after: None,
        kubelet_notices_delete: Duration::ZERO,
        sigterm_reaction: Duration::ZERO,
        sandbox_removal: Duration::millis(500),
        pod_removal: Duration::secs(2),
    };

    fn probe(initial_delay: u64, period: u64, success_threshold: u32) -> Option<ReadinessProbe> {
        Some(ReadinessProbe {
            initial_delay: Duration::secs(initial_delay),
            period: Duration::secs(period),
            timeout: Duration::secs(1),
            success_threshold,
            failure_threshold: 3,
        })
    }

    /// Plays a pod that is deleted at `delete_at`; returns what it did and when. The image is there, probes pass while
    /// the program listens.
    fn play(mut pod: Pod, delete_at: Option<Duration>, until: Duration) -> Vec<(Instant, Effect)> {
        let (mut queue, mut story) = (Queue::default(), vec![]);
        queue.schedule(Instant::START, Created);
        if let Some(at) = delete_at {
            queue.schedule(Instant::START + at, Deleted);
        }
        while let Some((now, input)) = queue.pop() {
            if now > Instant::START + until {
                break;
            }
            for effect in pod.handle(now, input) {
                match effect {
                    Wake(delay, input) => queue.schedule(now + delay, input),
                    PullImage => queue.schedule(now, ImagePulled),
                    Probe { .. } => queue.schedule(now, Probed { passed: pod.listening }),
                    AskInFlight => queue.schedule(now, InFlight(Duration::secs(3))),
                    Listen
                    | Ready(_)
                    | ContainersReady(_)
                    | Sigterm
                    | CloseListener
                    | Exit { .. }
                    | Crash
                    | LoseAddress
                    | Remove => story.push((now, effect)),
                }
            }
        }
        story
    }

    fn when(story: &[(Instant, Effect)], wanted: Effect) -> Option<f64> {
        let at = story.iter().find(|(_, effect)| *effect == wanted)?.0;
        Some((at - Instant::START).as_secs_f64())
    }

    fn pod(spec: PodSpec, shutdown: Shutdown, timings: Timings) -> Pod {
        Pod::new(spec, shutdown, timings)
    }

    fn drain(seconds: u64) -> Shutdown {
        Shutdown {
            on_sigterm: OnSigterm::Drain,
            drain_until: DrainUntil::Timeout,
            drain_timeout: Duration::secs(seconds),
        }
    }

    const IGNORE: Shutdown =
        Shutdown { on_sigterm: OnSigterm::Ignore, drain_until: DrainUntil::Timeout, drain_timeout: Duration::ZERO };

    #[test]
    fn termination_follows_the_published_vectors() {
        // Grace, hook (ms), seconds from SIGTERM to exit (None: ignores it) -> SIGTERM, exit, killed.
        let cases = [
            (90, Some(60_000), Some(5), 60.0, 65.0, false),
            (90, Some(60_000), Some(45), 60.0, 90.0, true),
            (90, Some(60_000), None, 60.0, 90.0, true),
            (30, Some(60_000), Some(5), 30.0, 32.0, true),
            (30, Some(60_000), Some(1), 30.0, 31.0, false),
            (30, None, Some(0), 0.0, 0.0, false),
            (30, None, Some(10), 0.0, 10.0, false),
            (30, None, None, 0.0, 30.0, true),
            (30, Some(15_000), Some(10), 15.0, 25.0, false),
            (30, Some(25_000), Some(10), 25.0, 30.0, true),
            (30, Some(30_000), Some(10), 30.0, 32.0, true),
            (75, Some(60_400), Some(20), 60.4, 75.4, true),
            (0, Some(60_000), Some(5), 1.0, 3.0, true),
        ];
        let deleted = 100.0;
        for (grace, hook, app_exit, term, exit, killed) in cases {
            let spec = PodSpec {
                grace_period: Duration::secs(grace),
                pre_stop: hook.map(Duration::millis),
                readiness_probe: None,
            };
            let shutdown = app_exit.map_or(IGNORE, drain);
            let story = play(pod(spec, shutdown, NO_DELAYS), Some(Duration::secs(100)), Duration::secs(300));
            let case = (grace, hook, app_exit);
            assert_eq!(when(&story, Sigterm), Some(deleted + term), "SIGTERM of {case:?}");
            assert_eq!(when(&story, Exit { killed }), Some(deleted + exit), "exit of {case:?}");
            assert_eq!(when(&story, Exit { killed: !killed }), None, "{case:?} ends once");
        }
    }

    #[test]
    fn pre_stop_60_with_grace_30_gives_sigterm_at_30_and_sigkill_at_32() {
        let spec =
            PodSpec { grace_period: Duration::secs(30), pre_stop: Some(Duration::secs(60)), readiness_probe: None };
        let story = play(pod(spec, IGNORE, NO_DELAYS), Some(Duration::secs(10)), Duration::secs(100));
        assert_eq!(when(&story, Sigterm), Some(40.0));
        assert_eq!(when(&story, Exit { killed: true }), Some(42.0));
    }

    #[test]
    fn readiness_follows_the_published_table() {
        // Start-up L (ms), initialDelaySeconds D, periodSeconds T, successThreshold S -> ready this long after the start.
        let cases = [
            (200, 0, 10, 1, 0.3),
            (3_000, 0, 10, 1, 10.3),
            (3_000, 5, 10, 1, 10.3),
            (3_000, 15, 10, 1, 20.3),
            (3_000, 0, 1, 1, 3.3),
            (3_000, 5, 5, 1, 5.3),
            (8_000, 10, 5, 1, 10.3),
            (20_000, 0, 10, 1, 20.3),
            (3_000, 0, 10, 3, 30.3),
        ];
        for (startup, initial_delay, period, successes, ready) in cases {
            let spec = PodSpec {
                grace_period: Duration::secs(30),
                pre_stop: None,
                readiness_probe: probe(initial_delay, period, successes),
            };
            let timings = Timings { startup_time: Duration::millis(startup), ..NO_DELAYS };
            let story = play(pod(spec, IGNORE, timings), None, Duration::secs(60));
            let case = (startup, initial_delay, period, successes);
            assert_eq!(when(&story, Ready(true)), Some(ready), "{case:?}");
        }
    }

    #[test]
    fn without_a_probe_a_pod_is_ready_before_its_program_answers() {
        let spec = PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: None };
        let timings = Timings { startup_time: Duration::secs(20), ..NO_DELAYS };
        let story = play(pod(spec, IGNORE, timings), None, Duration::secs(60));
        assert_eq!(when(&story, Ready(true)), Some(0.3));
        assert_eq!(when(&story, Listen), Some(20.0));
    }

    #[test]
    fn a_server_that_closes_its_port_loses_readiness_after_three_failures() {
        let spec = PodSpec { grace_period: Duration::secs(60), pre_stop: None, readiness_probe: probe(0, 5, 1) };
        let story = play(pod(spec, drain(40), NO_DELAYS), Some(Duration::secs(20)), Duration::secs(100));
        assert_eq!(when(&story, CloseListener), Some(20.0));
        assert_eq!(when(&story, Ready(false)), Some(30.3), "probes at 20.3, 25.3 and 30.3 fail");
    }

    #[test]
    fn slow_probes_follow_each_other_and_never_overlap() {
        let spec = PodSpec {
            grace_period: Duration::secs(30),
            pre_stop: None,
            readiness_probe: Some(ReadinessProbe { timeout: Duration::secs(5), ..probe(0, 1, 1).unwrap() }),
        };
        let mut pod = Pod::established(spec, IGNORE, NO_DELAYS);
        let mut queue = Queue::default();
        queue.schedule(Instant::START + Duration::millis(500), ProbeDue);
        let mut unready = None;
        while let Some((now, input)) = queue.pop().filter(|_| unready.is_none()) {
            for effect in pod.handle(now, input) {
                match effect {
                    Wake(delay, input) => queue.schedule(now + delay, input),
                    Probe { timeout } => queue.schedule(now + timeout, Probed { passed: false }),
                    Ready(false) => unready = Some(now),
                    PullImage
                    | Listen
                    | Ready(true)
                    | ContainersReady(_)
                    | Sigterm
                    | CloseListener
                    | AskInFlight
                    | Exit { .. }
                    | Crash
                    | LoseAddress
                    | Remove => unreachable!("{effect:?}"),
                }
            }
        }
        assert_eq!(unready, Some(Instant::START + Duration::millis(15_500)), "three probes of 5 s from 0.5 s on");
    }

    #[test]
    fn a_server_may_leave_when_its_requests_are_answered() {
        let spec = PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: None };
        let shutdown = Shutdown { drain_until: DrainUntil::RequestsAnswered, ..drain(20) };
        let story = play(pod(spec, shutdown, NO_DELAYS), Some(Duration::secs(10)), Duration::secs(100));
        assert_eq!(when(&story, Exit { killed: false }), Some(13.0), "the last request takes 3 s more");
    }

    #[test]
    fn after_the_exit_the_address_goes_first_and_the_object_last() {
        let spec = PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: None };
        let story = play(pod(spec, drain(5), NO_DELAYS), Some(Duration::secs(10)), Duration::secs(100));
        assert_eq!(when(&story, LoseAddress), Some(15.5));
        assert_eq!(when(&story, Remove), Some(17.0));
    }

    #[test]
    fn a_pod_deleted_while_it_starts_never_runs() {
        let spec =
            PodSpec { grace_period: Duration::secs(30), pre_stop: Some(Duration::secs(9)), readiness_probe: None };
        let timings = Timings { sandbox_creation: Duration::secs(4), ..NO_DELAYS };
        let story = play(pod(spec, drain(5), timings), Some(Duration::secs(1)), Duration::secs(100));
        assert_eq!(when(&story, Listen), None);
        assert_eq!(when(&story, Exit { killed: false }), Some(1.0));
    }

    #[test]
    fn a_process_that_dies_is_started_again_after_longer_and_longer_waits() {
        let timings = Timings { crash_after: Some(Duration::secs(5)), ..NO_DELAYS };
        let spec = PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: probe(0, 1, 1) };
        let story = play(pod(spec, IGNORE, timings), None, Duration::secs(100));
        let at = |wanted: Effect| {
            let times = story.iter().filter(|(_, effect)| *effect == wanted);
            times.map(|(at, _)| (*at - Instant::START).as_secs_f64()).collect::<Vec<_>>()
        };
        // The kubelet sees an end 0.3 s after it; then it waits 0 s, 10 s, 20 s, 40 s from the end.
        assert_eq!(at(Crash), [5.0, 10.3, 25.3, 50.3, 95.3]);
        assert_eq!(at(Listen), [0.0, 5.3, 20.3, 45.3, 90.3]);
        assert_eq!(at(Ready(false)), [5.3, 10.6, 25.6, 50.6, 95.6]);
        assert!(at(Ready(true)).windows(2).zip(at(Ready(false))).all(|(pair, end)| pair[0] < end && end <= pair[1]));
    }

    #[test]
    fn a_pod_that_waits_to_be_started_again_is_deleted_like_any_other() {
        let timings = Timings { crash_after: Some(Duration::secs(5)), ..NO_DELAYS };
        let spec = PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: probe(0, 1, 1) };
        let story = play(pod(spec, IGNORE, timings), Some(Duration::secs(12)), Duration::secs(100));
        assert_eq!(when(&story, Exit { killed: false }), Some(12.0));
        assert_eq!(when(&story, Remove), Some(14.0));
    }

    const GATES: [Service; 2] = Service::ALL;

    /// Running, with both gates open; its containers are not ready.
    fn gated() -> Pod {
        let spec = PodSpec { grace_period: Duration::secs(30), pre_stop: None, readiness_probe: probe(0, 1, 1) };
        let pod = pod(spec, drain(5), NO_DELAYS).with_gates(GATES.into());
        Pod { phase: Running, listening: true, ..pod }
    }

    fn now() -> Instant {
        Instant::START + Duration::secs(10)
    }

    #[test]
    fn a_pod_is_ready_when_its_containers_are_and_every_gate_has_passed() {
        let mut pod = gated();
        let probed = Probed { passed: true };
        let orders = [
            [
                (probed, vec![ContainersReady(true)]),
                (GatePassed(GATES[0]), vec![]),
                (GatePassed(GATES[1]), vec![Ready(true)]),
            ],
            [
                (GatePassed(GATES[1]), vec![]),
                (probed, vec![ContainersReady(true)]),
                (GatePassed(GATES[0]), vec![Ready(true)]),
            ],
            [(GatePassed(GATES[0]), vec![]), (GatePassed(GATES[1]), vec![]), (probed, vec![Ready(true)])],
        ];
        for order in orders {
            for (input, expected) in order {
                assert!(!pod.ready());
                assert_eq!(pod.handle(now(), input), expected, "{input:?}");
            }
            assert!(pod.ready() && !pod.awaits_gates());
            pod = gated();
        }
    }

    #[test]
    fn a_gate_that_has_passed_stays_so() {
        let mut pod = gated();
        pod.handle(now(), Probed { passed: true });
        for gate in GATES {
            pod.handle(now(), GatePassed(gate));
        }
        assert_eq!(pod.handle(now(), GatePassed(GATES[0])), vec![], "it is told once");
        let failures: Vec<_> = (0..3).flat_map(|_| pod.handle(now(), Probed { passed: false })).collect();
        assert_eq!(failures, vec![Ready(false)]);
        assert_eq!(pod.handle(now(), Probed { passed: true }), vec![Ready(true)]);
    }

    #[test]
    fn containers_that_fail_behind_an_open_gate_are_told_of_as_such() {
        let mut pod = gated();
        pod.handle(now(), Probed { passed: true });
        let failures: Vec<_> = (0..3).flat_map(|_| pod.handle(now(), Probed { passed: false })).collect();
        assert_eq!(failures, vec![ContainersReady(false)]);
        for gate in GATES {
            assert_eq!(pod.handle(now(), GatePassed(gate)), vec![]);
        }
        assert!(!pod.ready());
    }

    #[test]
    fn a_gate_that_passes_after_the_exit_makes_no_pod_ready() {
        for (phase, expected) in
            [(Stopping, vec![Ready(true)]), (Exited, vec![]), (Unreachable, vec![]), (Removed, vec![])]
        {
            let mut pod = Pod { phase, containers_ready: true, open_gates: [GATES[0]].into(), ..gated() };
            assert_eq!(pod.handle(now(), GatePassed(GATES[0])), expected, "{phase:?}");
        }
    }
}
