//! How a pod stops, and whether the load balancer knows.

mod container;
mod hook;

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::{LONGEST_REQUEST, POD, seconds};
use crate::model::application::OnSigterm;
use crate::scenario::Scenario;
use crate::scenario::document::Node;
use crate::units::Duration;
use container::{has_no_shell, is_proxy, keeps_its_shell, needs_a_shell, runs_on_spot, script, with_exec};
use hook::{
    DEFAULT_GRACE, GRACE_PERIOD, Hook, grace, hooks, is_refused, last_request, main_hook, room_behind, set_on_one_line,
    sleep, sleeping, slept_by_the_kubelet, time_of_main_hook,
};

pub const RULES: &[Rule] = &[
    HOOK_TAKES_THE_GRACE_PERIOD,
    SHORT_GRACE_PERIOD,
    DEFAULT_GRACE_PERIOD,
    SLEEP_ABOVE_THE_GRACE_PERIOD,
    NO_PRE_STOP,
    SHORT_PRE_STOP,
    UNKNOWN_PRE_STOP,
    NO_SHELL,
    NO_GRACE_PERIOD,
    SHELL_AS_PROCESS_1,
    SIDECAR_WITHOUT_HOOK,
    SPOT,
];

/// A hook from here on needs most of the default. Assumption: whoever writes 20 s has thought of the load balancer.
const LONG_HOOK: Duration = Duration::secs(20);

const HOOK_TAKES_THE_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K001",
        title: "the preStop hook takes the whole grace period",
        level: Level::Warning,
        cause: "A preStop hook runs inside of terminationGracePeriodSeconds, it does not extend it. At the end of the grace \
                period the kubelet abandons the hook, sends SIGTERM, and SIGKILL two seconds later.",
        consequence: "The program has two seconds to finish what it works on: longer requests are cut off and become 502. A \
                      hook that waits for the load balancer waits for a shorter time than it says.",
        remedy: "raise terminationGracePeriodSeconds above the hook, the longest request and a few seconds",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods; kubelet, `minimumGracePeriodInSeconds`",
        example: include_str!("../../../../scenarios/findings/K001.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let grace = grace(subject);
        let is_cut = |hook: &Hook<'_>| {
            grace > Duration::ZERO && !is_refused(hook, grace) && hook.time.is_some_and(|time| time >= grace)
        };
        let found = |hook: Hook<'_>| {
            let time = hook.time?;
            let message = format!(
                "the preStop hook takes {} s of a grace period of {} s: SIGTERM cuts it off there, SIGKILL follows 2 s later",
                seconds(time),
                seconds(grace)
            );
            Some(Found::at(hook.place, message).played(room_behind(subject, time)))
        };
        hooks(subject).into_iter().filter(is_cut).filter_map(found).collect()
    },
};

const SHORT_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K002",
        title: "the grace period ends before the last request",
        level: Level::Warning,
        cause: "terminationGracePeriodSeconds counts from the deletion of the pod, the preStop hook included. What it leaves \
                behind the hook is all that a program has to finish what it works on.",
        consequence: "SIGKILL cuts requests off that take longer: 502 for each of them.",
        remedy: "raise terminationGracePeriodSeconds above the hook, the longest request and a few seconds",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods",
        example: include_str!("../../../../scenarios/findings/K002.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (grace, key) = (grace(subject), format!("{POD}.{GRACE_PERIOD}"));
        let is_said = subject.template().is_some_and(|template| template.find(&key).is_some());
        let Some(time) = time_of_main_hook(subject).filter(|time| is_said && *time < grace) else { return Vec::new() };
        let last = last_request(subject, time);
        if grace == Duration::ZERO || last + LONGEST_REQUEST <= grace {
            return Vec::new();
        }
        let message = format!(
            "a request that reaches a pod {} s after its deletion has {} s until SIGKILL, and one may take {} s",
            seconds(last),
            grace.saturating_sub(last).whole_secs(),
            seconds(LONGEST_REQUEST)
        );
        let place = subject.pod(GRACE_PERIOD).and_then(|node| node.place.clone());
        vec![Found::at(place, message).played(room_behind(subject, time))]
    },
};

const DEFAULT_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K003",
        title: "a long preStop hook in the grace period that nobody set",
        level: Level::Warning,
        cause: "Without terminationGracePeriodSeconds a pod has 30 s from its deletion to SIGKILL, and its preStop hook takes \
                most of them.",
        consequence: "A few seconds are left for the requests in flight. Longer ones are cut off: 502.",
        remedy: "set terminationGracePeriodSeconds above the hook, the longest request and a few seconds",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods",
        example: include_str!("../../../../scenarios/findings/K003.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let is_default = subject.pod(GRACE_PERIOD).is_none() && grace(subject) == DEFAULT_GRACE;
        let is_long =
            |hook: &Hook<'_>| hook.time.is_some_and(|time| time >= LONG_HOOK && time < DEFAULT_GRACE && is_default);
        let found = |hook: Hook<'_>| {
            let time = hook.time?;
            let message = format!(
                "the preStop hook takes {} s of the 30 s that a pod has unless it says more: {} s are left behind it",
                seconds(time),
                DEFAULT_GRACE.saturating_sub(time).whole_secs()
            );
            Some(Found::at(hook.place, message).played(room_behind(subject, time)))
        };
        hooks(subject).into_iter().filter(is_long).filter_map(found).collect()
    },
};

const SLEEP_ABOVE_THE_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K004",
        title: "the preStop sleep is longer than the grace period",
        level: Level::Error,
        cause: "`preStop.sleep.seconds` must not exceed terminationGracePeriodSeconds, which is 30 unless set. The API server \
                checks that, and Argo Rollouts checks the pod template likewise.",
        consequence: "A Deployment is refused, a Rollout becomes InvalidSpec: nothing is released.",
        remedy: "raise terminationGracePeriodSeconds above the sleep, the longest request and a few seconds",
        source: "Kubernetes Enhancement Proposals 3960 and 4818, validation of the sleep action",
        example: include_str!("../../../../scenarios/findings/K004.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let grace = grace(subject);
        let found = |hook: Hook<'_>| {
            let time = hook.time?;
            let (sleep, grace) = (seconds(time), seconds(grace));
            let message = format!("Kubernetes refuses a preStop sleep of {sleep} s in a grace period of {grace} s");
            Some(Found::at(hook.place, message).with(room_behind(subject, time)))
        };
        hooks(subject).into_iter().filter(|hook| is_refused(hook, grace)).filter_map(found).collect()
    },
};

const NO_PRE_STOP: Rule = Rule {
    page: Page {
        code: "K005",
        title: "no preStop hook, and the program closes its port on SIGTERM",
        level: Level::Warning,
        cause: "Deleting a pod sends SIGTERM at once. The load balancer hears of it through the EndpointSlice, \
                DeregisterTargets and its nodes, many seconds later.",
        consequence: "Requests that come in between are refused: 502, and 504 once the pod's address is gone.",
        remedy: "add a preStop hook that sleeps until the load balancer has let go of the pod, and a grace period above it",
        source: "Amazon EKS Best Practices Guide, load balancing; AWS Load Balancer Controller issues 1719, 2366",
        example: include_str!("../../../../scenarios/findings/K005.bad.yaml"),
        run: Some(Run::of("field-reports/lbc-2366-traffic-after-draining")),
    },
    look: |subject| {
        let (Some(scenario), Some(until)) = (subject.scenario, subject.deregistered_after()) else { return Vec::new() };
        let has_hook = subject.container("lifecycle.preStop").is_some() || scenario.pod.pre_stop.is_some();
        let keeps_serving = scenario.application.on_sigterm == OnSigterm::Ignore;
        if has_hook || keeps_serving || subject.containers().is_empty() {
            return Vec::new();
        }
        // Without an Ingress nobody knows what sends the requests: an ALB is what is simulated.
        let message = match subject.release.ingress {
            Some(_) => format!(
                "without a preStop hook each deleted pod refuses the requests that the ALB still sends it, for up to {} s",
                seconds(until)
            ),
            None => format!(
                "behind {}, as simulated, a deleted pod without a preStop hook refuses what it is still sent, for up to {} s",
                senders(scenario),
                seconds(until)
            ),
        };
        vec![Found::at(subject.container_place(), message).played(sleep(subject, until))]
    },
};

/// Who sends the requests, where no Ingress tells.
fn senders(scenario: &Scenario) -> &'static str {
    if scenario.has_alb() { "an ALB" } else { "the proxies of its router" }
}

const SHORT_PRE_STOP: Rule = Rule {
    page: Page {
        code: "K006",
        title: "the preStop hook ends before the load balancer has let go of the pod",
        level: Level::Warning,
        cause: "The hook keeps the program serving while the load balancer hears of the deletion: through the EndpointSlice, \
                DeregisterTargets and the nodes of the ALB. This one ends sooner than that may take.",
        consequence: "From SIGTERM on the port is closed, and what the ALB still sends is refused: 502.",
        remedy: "let the hook sleep until the load balancer has let go of the pod, and raise the grace period above it",
        source: "Amazon EKS Best Practices Guide, load balancing; AWS Load Balancer Controller issues 1064, 2366",
        example: include_str!("../../../../scenarios/findings/K006.bad.yaml"),
        run: Some(Run::of("field-reports/lbc-1064-pre-stop-5s")),
    },
    look: |subject| {
        let (Some(scenario), Some(until)) = (subject.scenario, subject.deregistered_after()) else { return Vec::new() };
        let Some(hook) = main_hook(subject) else { return Vec::new() };
        let keeps_serving = scenario.application.on_sigterm == OnSigterm::Ignore;
        let Some(time) = hook.time.filter(|time| *time < until && !keeps_serving) else { return Vec::new() };
        let (ends, last) = (seconds(time), seconds(until));
        let message = match subject.release.ingress {
            Some(_) => format!(
                "the preStop hook ends after {ends} s, and the ALB may send requests to a deleted pod for up to \
                 {last} s"
            ),
            None => format!(
                "the preStop hook ends after {ends} s, and behind {}, as simulated, requests may reach a deleted pod \
                 for up to {last} s",
                senders(scenario)
            ),
        };
        vec![Found::at(hook.place.clone(), message).played(sleeping(subject, &hook, until))]
    },
};

const UNKNOWN_PRE_STOP: Rule = Rule {
    page: Page {
        code: "K039",
        title: "a preStop hook of which nobody knows how long it runs",
        level: Level::Warning,
        cause: "The hook calls a URL, or a program of which the manifest does not say when it is done. Only sleeps can be read \
                off it.",
        consequence: "The hook counts as instant: requests that it saves are counted as failed here. Whether it outlives the \
                      load balancer, and fits in the grace period, is not checked either.",
        remedy: "say its time with --set application.pre_stop_time=20s, or in [application] of a scenario that names these \
                 manifests; or write a sleep, whose time everybody can read",
        source: "Kubernetes documentation, Container Lifecycle Hooks",
        example: include_str!("../../../../scenarios/findings/K039.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let is_known = |hook: &Hook<'_>| hook.time.is_some() || subject.scenario.is_none();
        let found = |hook: Hook<'_>| {
            let message = "how long this preStop hook runs cannot be read off it: it counts as instant";
            Found::at(hook.place, message)
        };
        main_hook(subject).filter(|hook| !is_known(hook)).map(found).into_iter().collect()
    },
};

const NO_SHELL: Rule = Rule {
    page: Page {
        code: "K007",
        title: "a preStop command in an image that has no shell",
        level: Level::Warning,
        cause: "The hook runs `sleep` or a shell in the container, and images of this kind have neither.",
        consequence: "The hook fails at once with FailedPreStopHook, and SIGTERM follows without any wait: as if there were no \
                      hook.",
        remedy: "use `preStop.sleep.seconds`, which the kubelet runs itself (on by default since Kubernetes 1.30)",
        source: "Kubernetes Enhancement Proposal 3960, motivation; Kubernetes documentation, Container Lifecycle Hooks",
        example: include_str!("../../../../scenarios/findings/K007.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let found = |hook: Hook<'_>| {
            let words = hook.words().filter(|words| needs_a_shell(words))?;
            let container = subject.containers().get(hook.container)?.table()?;
            let image = container.find("image").and_then(Node::text).filter(|image| has_no_shell(image))?;
            let message = format!("{image} probably has no `{}`: this preStop hook fails at once", words.first()?);
            let until = subject.deregistered_after().filter(|_| subject.release.ingress.is_some());
            let written = hook.time.filter(|time| *time > Duration::ZERO);
            let change = written.or(until).and_then(|time| slept_by_the_kubelet(subject, &hook, time));
            Some(Found::at(hook.place, message).with(change))
        };
        hooks(subject).into_iter().filter_map(found).collect()
    },
};

const NO_GRACE_PERIOD: Rule = Rule {
    page: Page {
        code: "K008",
        title: "a grace period of zero",
        level: Level::Warning,
        cause: "With terminationGracePeriodSeconds: 0 a deleted pod vanishes from the API at once, and the kubelet gives its \
                containers a second, preStop hook included.",
        consequence: "Nothing is drained: the requests in flight are lost, and what the load balancer still sends is refused.",
        remedy: "leave it out for 30 s, or set it above the preStop hook and the longest request",
        source: "Kubernetes documentation, Pod Lifecycle, termination of Pods; `pkg/registry/core/pod/strategy.go`",
        example: include_str!("../../../../scenarios/findings/K008.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(node) = subject.pod(GRACE_PERIOD).filter(|node| node.integer() == Some(0)) else { return Vec::new() };
        let message = "with a grace period of 0 s a deleted pod is killed with all requests that it works on";
        let time = time_of_main_hook(subject).unwrap_or(Duration::ZERO).max(LONG_HOOK);
        vec![Found::at(node.place.clone(), message).played(room_behind(subject, time))]
    },
};

const SHELL_AS_PROCESS_1: Rule = Rule {
    page: Page {
        code: "K019",
        title: "a shell is process 1 and may keep SIGTERM to itself",
        level: Level::Warning,
        cause: "The container starts a shell with several commands. SIGTERM goes to process 1, the shell, and a shell passes \
                no signal on. Which of them replace themselves by the last command differs from shell to shell.",
        consequence: "Where the shell stays, the program never hears of SIGTERM: it serves until SIGKILL at the end of the \
                      grace period, and loses what it works on.",
        remedy: "write `exec` before the last command, or start an init such as tini",
        source: "Amazon EKS Best Practices Guide, load balancing, graceful shutdown; Docker documentation, ENTRYPOINT",
        example: include_str!("../../../../scenarios/findings/K019.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some((key, script)) = script(subject).filter(|(_, script)| keeps_its_shell(script)) else {
            return Vec::new();
        };
        let message = format!(
            "SIGTERM goes to the shell and may not reach the program, which then dies by SIGKILL after {} s",
            seconds(grace(subject))
        );
        let place = subject.container(&key).and_then(|node| node.place.clone());
        let change = with_exec(script)
            .and_then(|script| set_on_one_line(subject, &subject.container_key(&key), &script))
            .map(|change| Change { words: "write exec before the last command".to_owned(), ..change });
        vec![Found::at(place, message).with(change)]
    },
};

const SIDECAR_WITHOUT_HOOK: Rule = Rule {
    page: Page {
        code: "K020",
        title: "a proxy beside the program stops before it",
        level: Level::Warning,
        cause: "All containers of a pod are stopped at the same time. The program has a preStop hook, the proxy beside it has \
                none and gets SIGTERM at once.",
        consequence: "While the program waits in its hook for the load balancer, requests through the proxy fail, as do its \
                      own: to the database, to other services.",
        remedy: "give all containers the same hook, or make the proxy a native sidecar: an init container with \
                 restartPolicy: Always",
        source: "Kubernetes Enhancement Proposal 753, Sidecar containers; Kubernetes documentation, Pod Lifecycle",
        example: include_str!("../../../../scenarios/findings/K020.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(hook) = main_hook(subject) else { return Vec::new() };
        let Some(time) = hook.time.filter(|time| *time > Duration::ZERO) else { return Vec::new() };
        let name = |node: &Node| node.table()?.find("name")?.text().map(str::to_owned);
        let program = subject.containers().get(hook.container).and_then(name).unwrap_or_default();
        let found = |(index, container): (usize, &Node)| {
            let table = container.table()?;
            if index == hook.container || table.find("lifecycle.preStop").is_some() || !is_proxy(container) {
                return None;
            }
            let message = format!(
                "`{}` has no preStop hook and stops at once, while `{program}` goes on for {} s",
                name(container)?,
                seconds(time)
            );
            let key = format!("{POD}.containers[{index}].lifecycle.preStop.sleep.seconds");
            let change = subject.set_in_template(&key, &seconds(time).to_string());
            Some(Found::at(table.find("name")?.place.clone(), message).with(change))
        };
        subject.containers().iter().enumerate().filter_map(found).collect()
    },
};

/// A spot instance is gone two minutes after its notice; some of that passes before the pod is deleted. Source: Karpenter
/// documentation, interruption.
const SPOT_NOTICE: Duration = Duration::secs(110);

const SPOT: Rule = Rule {
    page: Page {
        code: "K029",
        title: "stopping takes longer than the notice of a spot instance",
        level: Level::Warning,
        cause: "The pod runs on spot instances, which AWS takes back two minutes after a notice. Its preStop hook and its \
                longest request together take longer.",
        consequence: "The instance disappears with the requests in flight: 504 once nobody answers.",
        remedy: "shorten the preStop hook to what the load balancer needs, or run on demand",
        source: "Karpenter documentation, Disruption, interruption; AWS Node Termination Handler, README",
        example: include_str!("../../../../scenarios/findings/K029.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(hook) = main_hook(subject).filter(|_| runs_on_spot(subject)) else { return Vec::new() };
        let Some(time) = hook.time.filter(|time| *time + LONGEST_REQUEST > SPOT_NOTICE) else { return Vec::new() };
        let message = format!(
            "the preStop hook takes {} s and a request up to {} s: a spot instance leaves the pod about {} s",
            seconds(time),
            seconds(LONGEST_REQUEST),
            seconds(SPOT_NOTICE)
        );
        let until = subject.deregistered_after().filter(|_| subject.release.ingress.is_some());
        let change = until.and_then(|until| sleeping(subject, &hook, until));
        vec![Found::at(hook.place.clone(), message).with(change)]
    },
};
