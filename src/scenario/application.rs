//! `[simulation]` and `[application]`.

use super::SimulationSpec;
use super::hpa::{self, USAGE, Usage};
use super::pre_stop::PreStop;
use super::reader::Reader;
use crate::model::Revision;
use crate::model::application::{ApplicationSpec, DrainUntil, OnSigterm, VersionSpec};
use crate::random::Distribution;
use crate::units::Duration;
use std::collections::BTreeMap;

/// A week: each simulated second is kept until the report is written.
const LONGEST: Duration = Duration::secs(7 * 24 * 3600);

pub fn simulation(reader: &mut Reader<'_, '_>) -> SimulationSpec {
    let mut span = |name, least, default: Option<u64>, note| {
        reader.whole_seconds(name, Duration::secs(least)..=LONGEST, default.map(Duration::secs), note)
    };
    let warmup = span("warmup", 0, Some(60), "Steady traffic before the release. Assumption: long enough to settle");
    let cooldown = span(
        "cooldown",
        0,
        Some(60),
        "From the end of the release to the end of the run. Assumption: late errors show within a minute",
    );
    let duration = span("duration", 1, None, "Instead of a cooldown: exactly this long after the start of the release");
    let horizon = span(
        "horizon",
        1,
        Some(7200),
        "A release that has not ended so long after its start is given up. Assumption: nobody waits longer",
    );
    // The defaults stand behind these two; a bad value has been reported and the run does not start.
    let or_zero = |span: Option<Duration>| span.unwrap_or(Duration::ZERO);
    SimulationSpec { warmup: or_zero(warmup), cooldown: or_zero(cooldown), duration, horizon: or_zero(horizon) }
}

/// Who asks for what is nobody's assumption else.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    pub has_hpa: bool,
    pub disables_feature: bool,
}

/// The application, and how long a preStop hook runs that the manifest does not tell.
pub fn application(reader: &mut Reader<'_, '_>, hook: PreStop, asks: Asks) -> (ApplicationSpec, Duration, Usage) {
    let startup_time = reader.distribution(
        "startup_time",
        Distribution::secs(5),
        "From the start of the container until the program answers. Assumption: no figure is general, measure yours",
    );
    let on_sigterm = reader.choice(
        "on_sigterm",
        &[("exit", OnSigterm::Exit), ("drain", OnSigterm::Drain), ("ignore", OnSigterm::Ignore)],
        "What the program does on SIGTERM. Assumption: exit, the default action of the signal",
    );
    let sigterm_reaction = reader.distribution(
        "sigterm_reaction",
        Distribution::millis(100),
        "From SIGTERM until the program acts on it. Assumption: one turn of a main loop",
    );
    let drain_until = reader.choice(
        "drain_until",
        &[("requests_answered", DrainUntil::RequestsAnswered), ("timeout", DrainUntil::Timeout)],
        "What a draining program waits for before it exits: the requests in flight, or the whole drain_timeout. \
         Assumption: the requests, as a graceful server does",
    );
    let drain_timeout = reader.duration(
        "drain_timeout",
        Duration::secs(30),
        "A draining program gives up after this long. Assumption: as long as Kubernetes' own grace period",
    );
    let keep_alive = reader.duration(
        "keep_alive",
        Duration::secs(75),
        "An idle connection is closed by the program after this long. nginx, `keepalive_timeout`: 75 s",
    );
    let keep_alive_race_window = reader.duration(
        "keep_alive_race_window",
        Duration::millis(1),
        "So long around the closing, a request on that connection is lost. Assumption: a round trip within a region",
    );
    let concurrency = reader.count(
        "concurrency",
        1..=1_000_000,
        64,
        "Requests worked on at once; more wait in a queue. Assumption: a middle-sized worker pool",
    );
    let backlog = reader.count(
        "backlog",
        0..=1_000_000,
        4096,
        "So many requests may wait; a further connection gets no answer. Linux, `net.core.somaxconn`: 4096 since 5.4",
    );
    let versions = reader.optional_table("versions", "What is different in a version: v1 is the stable one", versions);
    let feature_flag_delay = feature_flag_delay(reader, asks.disables_feature);
    let pre_stop_time = pre_stop_time(reader, hook);
    let spec = ApplicationSpec {
        startup_time,
        on_sigterm,
        sigterm_reaction,
        drain_until,
        drain_timeout,
        keep_alive,
        keep_alive_race_window,
        concurrency,
        backlog,
        versions: versions.unwrap_or_default(),
        feature_flag_delay,
    };
    // Nobody's assumption, unless something scales by it.
    let is_used = asks.has_hpa || reader.writes_schema() || USAGE.iter().any(|name| reader.has(name));
    let usage = if is_used { hpa::usage(reader) } else { Usage::default() };
    (spec, pre_stop_time, usage)
}

/// v1 is stable at the start of the run, v2 is the release, and every `deploy` of a person brings the next one.
const VERSIONS: [&str; 5] = ["v1", "v2", "v3", "v4", "v5"];

fn versions(reader: &mut Reader<'_, '_>) -> BTreeMap<Revision, VersionSpec> {
    let mut versions = BTreeMap::new();
    for (number, name) in (1..).zip(VERSIONS) {
        let version = reader.optional_table(name, "One version of the program", version);
        versions.extend(version.map(|version| (Revision(number), version)));
    }
    versions
}

fn version(reader: &mut Reader<'_, '_>) -> VersionSpec {
    VersionSpec {
        error_share: reader.share("error_share", 0.0, "Of the requests that it answers, the share that gets a 500"),
        latency_factor: reader.optional_factor("latency_factor", "How many times as long it works on a request"),
        crash_after: reader.optional_distribution(
            "crash_after",
            "From the start of the container until the process dies by itself; the kubelet starts it again. Pods of the \
             warm-up have outlived it",
        ),
        startup_time: reader.optional_distribution("startup_time", "Instead of application.startup_time"),
    }
}

/// Nobody's assumption, unless somebody switches a feature off.
fn feature_flag_delay(reader: &mut Reader<'_, '_>, is_used: bool) -> Distribution {
    const NAME: &str = "feature_flag_delay";
    let default = Distribution::uniform_millis(1_000, 10_000);
    if !is_used && !reader.has(NAME) && !reader.writes_schema() {
        reader.not_simulated(&[NAME]);
        return default;
    }
    reader.distribution(
        NAME,
        default,
        "From `disable_feature` until a pod heeds it, drawn for each pod; pods that start later heed it at once. Assumption: \
         clients that poll every 10 s",
    )
}

fn pre_stop_time(reader: &mut Reader<'_, '_>, hook: PreStop) -> Duration {
    const NAME: &str = "pre_stop_time";
    let is_wanted = match hook {
        PreStop::Unknown => true,
        PreStop::None | PreStop::Sleep(_) | PreStop::Command(_) => reader.writes_schema(),
    };
    if reader.has(NAME) && !is_wanted {
        let key = reader.key(NAME);
        let message = "`pre_stop_time` has no effect";
        let help = "it is for a preStop hook whose time cannot be read off its command";
        reader.pass.warning(&key, None, message, help);
    }
    if !reader.has(NAME) && !is_wanted {
        reader.not_simulated(&[NAME]);
        return Duration::ZERO;
    }
    reader.duration(
        NAME,
        Duration::ZERO,
        "How long the preStop hook runs, where its command does not tell. Assumption: it returns at once",
    )
}
