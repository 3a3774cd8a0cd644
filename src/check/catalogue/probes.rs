//! The probes of the pod.

use super::Rule;
use super::services::{is_port_name, only_port, port_names};
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::{POD, Subject, seconds, usual_most};
use crate::scenario::document::{Kind, Node, Table};
use crate::scenario::{nearest, pre_stop};
use std::ops::Range;

pub const RULES: &[Rule] = &[
    NO_READINESS_PROBE,
    SLOW_TO_NOTICE,
    COARSE_PERIOD,
    DELAY_BESIDE_STARTUP_PROBE,
    STARTUP_PROBE_GIVES_UP,
    KILLED_WHILE_STARTING,
    LIVENESS_LIKE_READINESS,
    SEVERAL_SUCCESSES,
    ASKS_OTHERS,
    NEVER_PASSES,
    NEVER_CARRIED_OUT,
];

/// A sick pod should be out of the way within this time. Assumption: what the defaults of Kubernetes come to, three
/// failures ten seconds apart.
const SOON_ENOUGH: u64 = 30;

const NO_READINESS_PROBE: Rule = Rule {
    page: Page {
        code: "K009",
        title: "no readiness probe",
        level: Level::Warning,
        cause: "Without a readinessProbe a container is ready as soon as its process runs, long before the program listens. \
                For the controllers the pod is available, and the release goes on.",
        consequence: "Old pods are removed, and weights raised, for pods that do not answer yet: 502, or 503 while no target \
                      is healthy.",
        remedy: "add a readinessProbe that answers when the program can take requests",
        source: "Amazon EKS Best Practices Guide, load balancing; Kubernetes documentation, Configure Probes",
        example: include_str!("../../../scenarios/findings/K009.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let is_simulated = subject.scenario.is_some_and(|scenario| scenario.pod.readiness_probe.is_some());
        let has_probe = ["readinessProbe", "startupProbe"].iter().any(|probe| subject.container(probe).is_some());
        if is_simulated || has_probe || subject.containers().is_empty() || !takes_requests(subject) {
            return Vec::new();
        }
        let start = start(subject).map_or_else(String::new, |start| format!(", about {start} s before it answers"));
        let message = format!("without a readiness probe a pod counts as ready when its process starts{start}");
        vec![Found::at(subject.container_place(), message).played(opening_port(subject))]
    },
};

const SLOW_TO_NOTICE: Rule = Rule {
    page: Page {
        code: "K010",
        title: "the readiness probe notices a sick pod late",
        level: Level::Warning,
        cause: "A pod stays ready until failureThreshold probes in a row have failed, periodSeconds apart.",
        consequence: "Until then a pod that no longer answers goes on getting its share of the requests.",
        remedy: "look more often, or give up after fewer failures: periodSeconds: 5 and failureThreshold: 3",
        source: "Kubernetes documentation, Configure Liveness, Readiness and Startup Probes",
        example: include_str!("../../../scenarios/findings/K010.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(probe) = probe(subject, "readinessProbe") else { return Vec::new() };
        let noticed = probe.period * probe.failures;
        // The health check of the ALB takes the pod out as well, if it is the faster of the two.
        let by_health_check = subject.scenario.filter(|_| subject.release.ingress.is_some()).map(|scenario| {
            seconds(scenario.target_group.interval) * u64::from(scenario.target_group.unhealthy_threshold)
        });
        if noticed <= SOON_ENOUGH || by_health_check.is_some_and(|time| time <= SOON_ENOUGH) {
            return Vec::new();
        }
        let message =
            format!("a sick pod stays ready for {noticed} s: {} failures, {} s apart", probe.failures, probe.period);
        let name = if probe.period > 10 { "periodSeconds" } else { "failureThreshold" };
        let change = match name {
            "periodSeconds" if 5 * probe.failures <= SOON_ENOUGH => set(subject, "readinessProbe.periodSeconds", 5),
            "failureThreshold" => set(subject, "readinessProbe.failureThreshold", (SOON_ENOUGH / probe.period).max(1)),
            _ => set(subject, "readinessProbe.periodSeconds", 5)
                .and_then(|period| period.and(set(subject, "readinessProbe.failureThreshold", 3))),
        };
        vec![Found::at(value_place(subject, &format!("readinessProbe.{name}")), message).with(change)]
    },
};

/// From this period on the steps are worth a note: it is the default.
const COARSE: u64 = 10;

const COARSE_PERIOD: Rule = Rule {
    page: Page {
        code: "K011",
        title: "pods become ready in large steps",
        level: Level::Note,
        cause: "The readiness probe looks when the container starts and then every periodSeconds. A program that answers just \
                after a look waits for the next.",
        consequence: "Each batch of pods takes longer than its program needs, and the release with it.",
        remedy: "set periodSeconds: 5 or less, and failureThreshold so that a sick pod is still noticed when you want it",
        source: "Kubernetes documentation, Configure Probes; kubelet, `prober/worker.go`",
        example: include_str!("../../../scenarios/findings/K011.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(probe), Some(start)) = (probe(subject, "readinessProbe"), start(subject)) else { return Vec::new() };
        // Behind a startup probe the first look comes at once.
        let begins_at_once = subject.container("startupProbe").is_some();
        if probe.period < COARSE || start <= probe.delay || begins_at_once {
            return Vec::new();
        }
        let message = format!(
            "a program that answers after {start} s becomes ready up to {} s later: the probe looks every {} s",
            probe.period, probe.period
        );
        let change = set(subject, "readinessProbe.periodSeconds", 5);
        let place = value_place(subject, "readinessProbe.periodSeconds");
        vec![Found::at(place, message).with(change)]
    },
};

const DELAY_BESIDE_STARTUP_PROBE: Rule = Rule {
    page: Page {
        code: "K012",
        title: "initialDelaySeconds beside a startup probe",
        level: Level::Note,
        cause: "The readiness probe begins only when the startup probe has passed. initialDelaySeconds counts from the start \
                of the container all the same.",
        consequence: "The delay has no effect, or it holds back a pod that has long started.",
        remedy: "leave initialDelaySeconds out of the readiness probe",
        source: "Kubernetes documentation, Configure Probes; Kubernetes Enhancement Proposal 950, startup probes",
        example: include_str!("../../../scenarios/findings/K012.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let key = "readinessProbe.initialDelaySeconds";
        let delay = subject.container(key).and_then(Node::integer).filter(|delay| *delay > 0);
        let Some(delay) = delay.filter(|_| subject.container("startupProbe").is_some()) else { return Vec::new() };
        let message =
            format!("the startup probe holds the readiness probe back already, and {delay} s more do not help");
        let change = subject
            .template()
            .and_then(|template| Change::remove(subject.sources, template, &subject.container_key(key)))
            .or_else(|| set(subject, key, 0));
        vec![Found::at(subject.container_key_place(key), message).with(change)]
    },
};

const STARTUP_PROBE_GIVES_UP: Rule = Rule {
    page: Page {
        code: "K013",
        title: "the startup probe gives up before the program has started",
        level: Level::Warning,
        cause: "A container is killed when its startupProbe has failed failureThreshold times, periodSeconds apart, and this \
                program may take longer than that.",
        consequence: "The container is restarted, again and again with longer waits, and never becomes ready: the release \
                      hangs until progressDeadlineSeconds.",
        remedy: "let failureThreshold × periodSeconds be twice the longest start",
        source: "Kubernetes documentation, Configure Liveness, Readiness and Startup Probes, slow starting containers",
        example: include_str!("../../../scenarios/findings/K013.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(probe), Some(start)) = (probe(subject, "startupProbe"), start(subject)) else { return Vec::new() };
        if probe.deadline() >= start {
            return Vec::new();
        }
        let message = format!(
            "the startup probe kills the container after {} s, and the program takes {start} s to start",
            probe.deadline()
        );
        let key = "startupProbe.failureThreshold";
        let change = set(subject, key, (2 * start).div_ceil(probe.period));
        vec![Found::at(value_place(subject, key), message).with(change)]
    },
};

const KILLED_WHILE_STARTING: Rule = Rule {
    page: Page {
        code: "K014",
        title: "the liveness probe kills the program while it starts",
        level: Level::Warning,
        cause: "Without a startupProbe the liveness probe begins initialDelaySeconds after the start of the container, and \
                kills it after failureThreshold failures.",
        consequence: "A program that starts more slowly is restarted, again and again with longer waits, and never becomes \
                      ready.",
        remedy: "add a startupProbe that waits for twice the longest start",
        source: "Kubernetes documentation, Configure Liveness, Readiness and Startup Probes, slow starting containers",
        example: include_str!("../../../scenarios/findings/K014.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(probe), Some(start)) = (probe(subject, "livenessProbe"), start(subject)) else { return Vec::new() };
        if subject.container("startupProbe").is_some() || probe.deadline() >= start {
            return Vec::new();
        }
        let message = format!(
            "the liveness probe kills the container after {} s, and the program takes {start} s to start",
            probe.deadline()
        );
        let change = handler(subject, "livenessProbe").and_then(|handler| {
            // Every two seconds, for twice the time.
            let value = format!("{{ {handler}, periodSeconds: 2, failureThreshold: {start} }}");
            subject.set_in_template(&subject.container_key("startupProbe"), &value)
        });
        vec![Found::at(subject.container_key_place("livenessProbe"), message).with(change)]
    },
};

const LIVENESS_LIKE_READINESS: Rule = Rule {
    page: Page {
        code: "K015",
        title: "the liveness probe is the readiness probe",
        level: Level::Warning,
        cause: "Both probes ask the same question and lose patience at the same time.",
        consequence: "A pod that is merely busy is restarted where it should have been left alone until it is through: the \
                      others get its requests, become busy, and are restarted, too.",
        remedy: "let the liveness probe be far more patient than the readiness probe, or leave it out",
        source: "Kubernetes documentation, Liveness, Readiness, and Startup Probes, caution on liveness probes; Amazon EKS Best \
                 Practices Guide, applications",
        example: include_str!("../../../scenarios/findings/K015.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let [liveness, readiness] = ["livenessProbe", "readinessProbe"].map(|name| probe(subject, name));
        let (Some(liveness), Some(readiness)) = (liveness, readiness) else { return Vec::new() };
        let [first, second] = ["livenessProbe", "readinessProbe"].map(|name| handler(subject, name));
        let patience = liveness.period * liveness.failures;
        if first.is_none() || first != second || patience > readiness.period * readiness.failures {
            return Vec::new();
        }
        let message = format!(
            "the liveness probe asks what the readiness probe asks, and restarts a busy pod after {patience} s"
        );
        let failures = (3 * readiness.period * readiness.failures).div_ceil(liveness.period);
        let change = set(subject, "livenessProbe.failureThreshold", failures);
        vec![Found::at(subject.container_key_place("livenessProbe"), message).with(change)]
    },
};

const SEVERAL_SUCCESSES: Rule = Rule {
    page: Page {
        code: "K035",
        title: "the readiness probe must pass several times",
        level: Level::Note,
        cause: "With successThreshold above 1 a pod becomes ready after so many passes in a row, periodSeconds apart.",
        consequence: "Every pod becomes ready later, in every release and after every short failure, when it could have taken \
                      its requests again.",
        remedy: "leave successThreshold at 1, and let minReadySeconds watch over new pods",
        source: "Kubernetes documentation, Configure Liveness, Readiness and Startup Probes",
        example: include_str!("../../../scenarios/findings/K035.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let key = "readinessProbe.successThreshold";
        let Some(probe) = probe(subject, "readinessProbe").filter(|probe| probe.successes > 1) else {
            return Vec::new();
        };
        let message = format!(
            "each pod becomes ready {} s later than it could: {} passes, {} s apart",
            (probe.successes - 1) * probe.period,
            probe.successes,
            probe.period
        );
        vec![Found::at(value_place(subject, key), message).with(set(subject, key, 1))]
    },
};

const ASKS_OTHERS: Rule = Rule {
    page: Page {
        code: "K038",
        title: "the readiness probe asks another host",
        level: Level::Warning,
        cause: "The probe does not ask its own pod, but a host that all pods have in common: a database, another service.",
        consequence: "When that host is slow or away for a moment, all pods become unready at once, and are deregistered. The \
                      target group is empty: 503, also for requests that never needed that host.",
        remedy: "let the probe ask the program itself, and let the program answer for others by its status codes",
        source: "AWS Load Balancer Controller issue 3711; Kubernetes documentation, Liveness, Readiness, and Startup Probes",
        example: include_str!("../../../scenarios/findings/K038.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let found = |(host, node): (&str, &Node)| {
            let message = format!("the readiness probe asks {host}, not its own pod: without it no pod is ready");
            Found::at(node.place.clone(), message)
        };
        asked_host(subject).map(found).into_iter().collect()
    },
};

/// The host that the readiness probe asks, and where that is said; None if it is the pod itself, or nobody can tell.
fn asked_host<'a>(subject: &Subject<'a>) -> Option<(&'a str, &'a Node)> {
    let named = ["httpGet.host", "tcpSocket.host"].iter().find_map(|key| {
        let node = subject.container(&format!("readinessProbe.{key}"))?;
        Some((node.text()?, node))
    });
    let commanded = || {
        let node = subject.container("readinessProbe.exec.command")?;
        Some((host_in(&pre_stop::words(node)?)?, node))
    };
    named.or_else(commanded).filter(|(host, _)| is_other_host(host))
}

/// Clients that are told their host by `-h`.
const CLIENTS: [&str; 6] = ["mysql", "mysqladmin", "pg_isready", "psql", "redis-cli", "valkey-cli"];

/// The host in a URL of a command, or behind `-h` or `--host` of a client.
fn host_in<'a>(command: &[&'a str]) -> Option<&'a str> {
    let words: Vec<&str> = command.iter().flat_map(|word| word.split_whitespace()).collect();
    let of_url = |word: &&'a str| {
        let (_, rest) = word.trim_matches(['"', '\'']).split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        let host = authority.rsplit('@').next()?;
        match host.strip_prefix('[') {
            Some(address) => address.split(']').next(),
            None => host.split(':').next(),
        }
    };
    let is_client = words.iter().any(|word| CLIENTS.contains(&word.rsplit('/').next().unwrap_or(word)));
    let of_client = || {
        let long = words.iter().find_map(|word| word.strip_prefix("--host="));
        long.or_else(|| words.windows(2).find(|pair| ["-h", "--host"].contains(&pair[0])).map(|pair| pair[1]))
    };
    words.iter().find_map(of_url).or_else(|| if is_client { of_client() } else { None })
}

/// What a shell or the kubelet fills in may be the pod's own address.
fn is_other_host(host: &str) -> bool {
    let own = ["", "localhost", "0.0.0.0", "::1"];
    !own.contains(&host) && !host.starts_with("127.") && !host.contains(['$', '`'])
}

/// What both rules about ports without a name go by: the consequence is another one, and so is the level.
const UNKNOWN_PORT: &str = "The kubelet finds the port of a probe by its name among the ports of the same container, and this \
                            one has none of that name. It throws the result of such a probe away.";
const UNKNOWN_PORT_SOURCE: &str = "Kubernetes documentation, Configure Liveness, Readiness and Startup Probes, named ports; \
                                   `pkg/probe/util.go`, ResolveContainerPort; kubelet, `prober/worker.go`";

const NEVER_PASSES: Rule = Rule {
    page: Page {
        code: "K042",
        title: "a probe at a port that its container does not have",
        level: Level::Error,
        cause: UNKNOWN_PORT,
        consequence: "A readiness probe never passes, and a startup probe neither: no new pod becomes ready, and the release \
                      hangs until progressDeadlineSeconds.",
        remedy: "use the name of a port of the container, or its number",
        source: UNKNOWN_PORT_SOURCE,
        example: include_str!("../../../scenarios/findings/K042.bad.yaml"),
        run: None,
    },
    look: |subject| at_unknown_ports(subject, &["readinessProbe", "startupProbe"], "no pod ever becomes ready"),
};

const NEVER_CARRIED_OUT: Rule = Rule {
    page: Page {
        code: "K043",
        title: "a liveness probe at a port that its container does not have",
        level: Level::Warning,
        cause: UNKNOWN_PORT,
        consequence: "The probe counts as passed for ever: a program that hangs is never restarted.",
        remedy: "use the name of a port of the container, or its number",
        source: UNKNOWN_PORT_SOURCE,
        example: include_str!("../../../scenarios/findings/K043.bad.yaml"),
        run: None,
    },
    look: |subject| at_unknown_ports(subject, &["livenessProbe"], "it never restarts anything"),
};

/// Probes of these kinds that ask a port by a name that their own container does not have.
fn at_unknown_ports(subject: &Subject<'_>, probes: &[&str], consequence: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for list in ["containers", "initContainers"] {
        let containers = subject.pod(list).and_then(Node::array).unwrap_or_default();
        for (index, container) in containers.iter().enumerate() {
            let (names, only) = (port_names(container), only_port(container));
            for probe in probes {
                let port = ["httpGet.port", "tcpSocket.port"].iter().find_map(|port| {
                    let key = format!("{probe}.{port}");
                    Some((container.table()?.find(&key)?, key))
                });
                let Some((node, key)) = port.filter(|(node, _)| is_port_name(node)) else { continue };
                let Some(name) = node.text().filter(|name| !names.contains(name)) else { continue };
                let message =
                    format!("{probe} asks the port `{name}`, and its container has no such port: {consequence}");
                let right = nearest(name, &names).map(str::to_owned).or_else(|| only.clone());
                let change =
                    right.and_then(|right| subject.set_in_template(&format!("{POD}.{list}[{index}].{key}"), &right));
                found.push(Found::at(node.place.clone(), message).with(change));
            }
        }
    }
    found
}

/// A probe as the kubelet has it, in seconds. Source: Kubernetes, `SetDefaults_Probe`: zero counts as absent.
struct Probe {
    delay: u64,
    period: u64,
    successes: u64,
    failures: u64,
}

impl Probe {
    /// When the container is killed that never passed.
    fn deadline(&self) -> u64 {
        self.delay + self.period * self.failures
    }
}

/// A probe of the container that takes the requests.
fn probe(subject: &Subject<'_>, name: &str) -> Option<Probe> {
    let table = subject.container(name)?.table()?;
    let value = |key: &str, default: u64| {
        let number = table.find(key).and_then(Node::integer).and_then(|number| u64::try_from(number).ok());
        number.filter(|number| *number > 0).map_or(default, |number| number.min(1_000_000))
    };
    Some(Probe {
        delay: value("initialDelaySeconds", 0),
        period: value("periodSeconds", 10),
        successes: value("successThreshold", 1),
        failures: value("failureThreshold", 3),
    })
}

/// How long the program usually takes to start at most, in seconds.
fn start(subject: &Subject<'_>) -> Option<u64> {
    Some(seconds(usual_most(&subject.scenario?.application.startup_time)))
}

fn set(subject: &Subject<'_>, key: &str, value: u64) -> Option<Change> {
    subject.set_in_template(&subject.container_key(key), &value.to_string())
}

/// Where a field of a probe stands, or the probe's name if its default counts.
fn value_place(subject: &Subject<'_>, key: &str) -> Option<Range<usize>> {
    let probe = key.split('.').next()?;
    let value = subject.container(key).and_then(|node| node.place.clone());
    value.or_else(|| subject.container_key_place(probe))
}

/// Whether requests come in at all: a worker that takes its tasks from a queue needs no readiness.
fn takes_requests(subject: &Subject<'_>) -> bool {
    let has_port = subject.container("ports").and_then(Node::array).is_some_and(|ports| !ports.is_empty());
    has_port || !subject.release.services().is_empty() || !subject.release.named_services().is_empty()
}

/// A readiness probe that passes when the port opens: of the program we know no more.
fn opening_port(subject: &Subject<'_>) -> Option<Change> {
    let port = subject.container("ports[0].containerPort").and_then(Node::integer)?;
    subject.set_in_template(&subject.container_key("readinessProbe.tcpSocket.port"), &port.to_string())
}

/// What a probe asks, as YAML on one line: `httpGet: { path: "/", port: 8080 }`.
fn handler(subject: &Subject<'_>, probe: &str) -> Option<String> {
    let entries = &subject.container(probe)?.table()?.entries;
    let entry = entries.iter().find(|entry| ["httpGet", "tcpSocket", "exec", "grpc"].contains(&entry.key.as_str()))?;
    Some(format!("{}: {}", entry.key, yaml(&entry.value)))
}

/// As YAML writes it on one line; a table's keys in order, so that two of the same content look the same.
fn yaml(node: &Node) -> String {
    match &node.kind {
        Kind::Table(Table { entries }) => {
            let mut written: Vec<_> =
                entries.iter().map(|entry| format!("{}: {}", entry.key, yaml(&entry.value))).collect();
            written.sort();
            format!("{{ {} }}", written.join(", "))
        }
        Kind::Array(items) => format!("[{}]", items.iter().map(yaml).collect::<Vec<_>>().join(", ")),
        Kind::String(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) => node.to_toml(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_asks_a_host_or_its_own_pod() {
        for (command, host) in [
            (&["curl", "-f", "http://localhost:8080/healthz"][..], None),
            (&["curl", "-f", "http://auth.example.com:8080/healthz?a=b"], Some("auth.example.com")),
            (&["sh", "-c", "wget -q -O- 'https://user:x@auth/healthz' && true"], Some("auth")),
            (&["curl", "http://$(POD_IP):8080/"], None),
            (&["curl", "http://[::1]:8080/"], None),
            (&["curl", "http://[::1]/"], None),
            (&["sh", "-c", "pg_isready -U web"], None),
            (&["/usr/bin/pg_isready", "-h", "db"], Some("db")),
            (&["sh", "-c", "redis-cli -h 127.0.0.1 ping"], None),
            (&["sh", "-c", "mysqladmin --host=db ping"], Some("db")),
            (&["df", "-h", "/data"], None),
            (&["cat", "/tmp/ready"], None),
        ] {
            assert_eq!(host_in(command).filter(|host| is_other_host(host)), host, "{command:?}");
        }
    }
}
