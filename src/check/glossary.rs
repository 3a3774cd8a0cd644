//! What `sim explain` says besides the findings: causes of failed answers, the Rollouts controller's rules for a spec, and
//! terms.

use super::reproduce::Run;
use crate::model::outcome::Cause;

/// A page about a word of the reports.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub title: &'static str,
    pub words: &'static str,
    pub source: &'static str,
    pub reproduce: Reproduce,
}

/// How to see what a page speaks of.
#[derive(Clone, Copy, Debug)]
pub enum Reproduce {
    /// The smallest manifests that show it.
    Example(&'static str),
    Run(Run),
}

/// The page about a cause.
pub const fn cause(cause: Cause) -> Entry {
    let (words, run) = match cause {
        Cause::ConnectionRefused => (
            "The target answers the SYN with RST: its program has closed the port or is gone, while its pod still has a network. \
             This is the usual answer of a pod without a preStop hook, from SIGTERM until the last ALB node has let go of it. In \
             the access log the three times are -1, and TargetConnectionErrorCount counts it.",
            Run::of("article/1-original"),
        ),
        Cause::HostUnreachable => (
            "The pod's network is gone, and its node says so by ICMP. It takes the place of connection_refused once the sandbox of \
             the pod has been removed; in the access log the two look alike.",
            Run::of("article/1-original"),
        ),
        Cause::ResetInFlight => (
            "The connection broke while the target worked on the request: the program exited, or SIGKILL came at the end of the \
             grace period. In the access log target_processing_time is above 0 and response_processing_time is -1.",
            Run::of("first-run"),
        ),
        Cause::KeepAliveRace => (
            "The target closed an idle connection in the moment in which the load balancer sent a request on it: its keep-alive \
             time is not longer than the load balancer's idle time-out. It happens outside of releases, too.",
            Run { scenario: "first-run", set: &["traffic.rate=10/s", "application.keep_alive=1s"] },
        ),
        Cause::DeregistrationDelayExpired => (
            "The target was still working on the request when deregistration_delay.timeout_seconds ran out: the load balancer \
             closes the connection.",
            Run { scenario: "first-run", set: &["traffic.service_time=70s", "application.concurrency=100000"] },
        ),
        Cause::NoRegisteredTargets => (
            "The weighted rule chose a target group in which no target may get the request: all have been deregistered, or the new \
             ones have not passed their first health check. Behind an ALB a weighted rule never falls back to the other group.",
            Run::of("article/2b-empty-group"),
        ),
        Cause::ConnectTimeout => (
            "Nobody answered the SYN within 10 s: the pod's address is gone. The client waits those 10 s.",
            Run::of("field-reports/lbc-2366-traffic-after-draining"),
        ),
        Cause::BacklogFull => (
            "Nobody answered the SYN within 10 s, although the pod lives: more requests wait for its workers than its queue of \
             connections holds. Too few pods have too large a share.",
            Run::of("hazards/h10-third-version-in-the-middle"),
        ),
        Cause::IdleTimeout => (
            "The target took the request and gave no answer within the load balancer's idle time-out (60 s unless set).",
            Run { scenario: "first-run", set: &["traffic.service_time=70s", "application.concurrency=100000"] },
        ),
        Cause::MissingBackend => (
            "The rule that took the request has a fixed response: its Ingress names an action annotation or a Service that \
             does not exist, and the AWS Load Balancer Controller wrote 503 in its place.",
            Run { scenario: "routing/missing-backend", set: &[] },
        ),
        Cause::NoMatchingRule => (
            "No rule of the listener took the request, so the default action answered: 404, unless the Ingress has a default \
             backend. It is no 5xx and counts by itself.",
            Run { scenario: "routing/no-matching-rule", set: &[] },
        ),
    };
    Entry {
        name: cause.name(),
        title: cause.description(),
        words,
        source: "Elastic Load Balancing, User Guide for Application Load Balancers: Troubleshoot, Access logs",
        reproduce: Reproduce::Run(run),
    }
}

const VALIDATION: &str = "argo-rollouts, pkg/apis/rollouts/validation/validation.go at 9f8d111d (after 1.10.0-rc1)";

const fn rule(name: &'static str, title: &'static str, words: &'static str, example: &'static str) -> Entry {
    Entry { name, title, words, source: VALIDATION, reproduce: Reproduce::Example(example) }
}

/// Why the Rollouts controller refuses a spec. Until it is mended the controller does nothing at all: the Rollout is
/// Degraded with the condition InvalidSpec.
pub const RULES: [Entry; 25] = [
    rule(
        "V1",
        "a deadline that is not above minReadySeconds",
        "progressDeadlineSeconds must be greater than minReadySeconds.",
        include_str!("../../scenarios/findings/V1.bad.yaml"),
    ),
    rule(
        "V2",
        "no strategy, or two",
        "A Rollout has one of canary and blueGreen under strategy.",
        include_str!("../../scenarios/findings/V2.bad.yaml"),
    ),
    rule(
        "V3",
        "selector and labels that do not fit",
        "selector must be there, must not be empty, and must match the labels of the pod template.",
        include_str!("../../scenarios/findings/V3.bad.yaml"),
    ),
    rule(
        "V4",
        "maxSurge and maxUnavailable are both 0",
        "With both at 0 no pod could ever be replaced.",
        include_str!("../../scenarios/findings/V4.bad.yaml"),
    ),
    rule(
        "V5",
        "one Service for stable and canary",
        "canaryService and stableService must be two Services.",
        include_str!("../../scenarios/findings/V5.bad.yaml"),
    ),
    rule(
        "V6",
        "a router without its Services",
        "Most routers need both canaryService and stableService; an ALB may have pingPong instead.",
        include_str!("../../scenarios/findings/V6.bad.yaml"),
    ),
    rule(
        "V7",
        "scaleDownDelaySeconds without a router",
        "Without trafficRouting the old pods go as the new ones come: there is nothing to delay.",
        include_str!("../../scenarios/findings/V7.bad.yaml"),
    ),
    rule(
        "V8",
        "dynamicStableScale without a router",
        "Without trafficRouting the numbers of pods are the weights already.",
        include_str!("../../scenarios/findings/V8.bad.yaml"),
    ),
    rule(
        "V9",
        "dynamicStableScale beside scaleDownDelaySeconds",
        "The two exclude each other: with dynamicStableScale nothing is left to delay after the promotion.",
        include_str!("../../scenarios/findings/V9.bad.yaml"),
    ),
    rule(
        "V10",
        "maxTrafficWeight with a router that has none",
        "Only nginx and plugins know another whole than 100.",
        include_str!("../../scenarios/findings/V10.bad.yaml"),
    ),
    rule(
        "V11",
        "a weight that is no share",
        "setWeight lies between 0 and 100, or maxTrafficWeight.",
        include_str!("../../scenarios/findings/V11.bad.yaml"),
    ),
    rule(
        "V12",
        "a pause that is no duration",
        "A pause has seconds, or a Go duration: 60, 60s, 1h30m. There is no unit for days.",
        include_str!("../../scenarios/findings/V12.bad.yaml"),
    ),
    rule(
        "V13",
        "setCanaryScale without a router",
        "Without trafficRouting the number of canary pods is the weight.",
        include_str!("../../scenarios/findings/V13.bad.yaml"),
    ),
    rule(
        "V14",
        "setHeaderRoute with a router that has none",
        "Header routes need Istio, an ALB, Apisix or a plugin.",
        include_str!("../../scenarios/findings/V14.bad.yaml"),
    ),
    rule(
        "V15",
        "a header that an ALB cannot match",
        "Behind an ALB a header matches by exact, not by regex or prefix.",
        include_str!("../../scenarios/findings/V15.bad.yaml"),
    ),
    rule(
        "V16",
        "a header match of no kind, or of several",
        "A header value has exactly one of exact, regex and prefix.",
        include_str!("../../scenarios/findings/V16.bad.yaml"),
    ),
    rule(
        "V17",
        "setMirrorRoute with a router that has none",
        "Only Istio and plugins mirror requests; an ALB does not.",
        include_str!("../../scenarios/findings/V17.bad.yaml"),
    ),
    rule(
        "V18",
        "a route without managedRoutes",
        "Steps that set routes need trafficRouting.managedRoutes.",
        include_str!("../../scenarios/findings/V18.bad.yaml"),
    ),
    rule(
        "V19",
        "a route that is not managed",
        "The name of a route must stand in trafficRouting.managedRoutes.",
        include_str!("../../scenarios/findings/V19.bad.yaml"),
    ),
    rule(
        "V20",
        "a step of no kind, or of several",
        "A step has one of setWeight, pause, experiment and analysis at most, and something at all.",
        include_str!("../../scenarios/findings/V20.bad.yaml"),
    ),
    rule(
        "V21",
        "a weight for an experiment that nobody can give",
        "Experiments get a share of the traffic from SMI, an ALB, Istio or a plugin alone.",
        include_str!("../../scenarios/findings/V21.bad.yaml"),
    ),
    rule(
        "V22",
        "pingPong that cannot work",
        "It needs two different Services, an ALB, Istio or a plugin, and with an ALB a rootService.",
        include_str!("../../scenarios/findings/V22.bad.yaml"),
    ),
    rule(
        "V23",
        "antiAffinity of no kind, or of two",
        "One of required and preferred, and the weight of a preference from 1 to 100.",
        include_str!("../../scenarios/findings/V23.bad.yaml"),
    ),
    rule(
        "V24",
        "blueGreen with one Service, or a limit above the history",
        "activeService and previewService must differ; scaleDownDelayRevisionLimit is not above revisionHistoryLimit.",
        include_str!("../../scenarios/findings/V24.bad.yaml"),
    ),
    Entry {
        source: "argo-rollouts, rollout/templateref.go, Resolve",
        ..rule(
            "V25",
            "a workloadRef that brings no template",
            "It refers to a Deployment, a ReplicaSet or a PodTemplate, and nothing else; and beside it there is no template.",
            include_str!("../../scenarios/findings/V25.bad.yaml"),
        )
    },
];

/// Words of the reports that are nobody's field.
pub const TERMS: [Entry; 13] = [
    Entry {
        name: "elb_5xx",
        title: "an answer that the load balancer made up",
        words: "502, 503 or 504 without an answer of the target: elb_status_code is set and target_status_code is `-`. In CloudWatch: \
                HTTPCode_ELB_5XX_Count. What the program itself answers is target_5xx.",
        source: "Elastic Load Balancing, CloudWatch metrics for your Application Load Balancer",
        reproduce: Reproduce::Run(Run::of("article/1-original")),
    },
    Entry {
        name: "elb_502",
        title: "the load balancer got no answer that it could pass on",
        words: "The target refused the connection, its network was gone, or the connection broke before the answer: connection_refused, \
                host_unreachable, reset_in_flight, keep_alive_race and deregistration_delay_expired. In CloudWatch: \
                HTTPCode_ELB_502_Count.",
        source: "Elastic Load Balancing, User Guide for Application Load Balancers: Troubleshoot",
        reproduce: Reproduce::Run(Run::of("article/1-original")),
    },
    Entry {
        name: "elb_503",
        title: "the load balancer had no target to ask",
        words: "The rule chose a target group without a target that may get requests: no_registered_targets. In CloudWatch: \
                HTTPCode_ELB_503_Count.",
        source: "Elastic Load Balancing, User Guide for Application Load Balancers: Troubleshoot",
        reproduce: Reproduce::Run(Run::of("article/2b-empty-group")),
    },
    Entry {
        name: "elb_504",
        title: "the load balancer waited in vain",
        words: "Nobody answered the SYN within 10 s, or the request within the idle time-out: connect_timeout, backlog_full and \
                idle_timeout. In CloudWatch: HTTPCode_ELB_504_Count.",
        source: "Elastic Load Balancing, User Guide for Application Load Balancers: Troubleshoot",
        reproduce: Reproduce::Run(Run::of("field-reports/lbc-2366-traffic-after-draining")),
    },
    Entry {
        name: "setWeight",
        title: "the step that asks for a share of the traffic",
        words: "The Rollouts controller scales the canary to the share, then writes the weight into the annotation of the Ingress, and \
                goes on at once: the load balancer follows after the rule lag. Without trafficRouting the number of canary pods is the \
                share.",
        source: "argo-rollouts, Canary; AWS Load Balancer Controller issue 3588",
        reproduce: Reproduce::Run(Run::of("article/1-original")),
    },
    Entry {
        name: "pause",
        title: "the step that waits",
        words: "With a duration (60, 60s, 1h30m) it ends by itself; without one somebody has to promote the Rollout. It counts from \
                the moment in which the controller reaches the step, not from that in which the weight before it is effective.",
        source: "argo-rollouts, Canary",
        reproduce: Reproduce::Run(Run::of("article/1-original")),
    },
    Entry {
        name: "effective",
        title: "a weight that the last ALB node follows",
        words: "The Rollouts controller asks for a weight by an annotation; the load balancer controller sends ModifyRule after its rule \
                lag; the load balancer collects changes for a while and pushes them to its nodes, one later than the other. The weight \
                is effective when the last of them routes by it.",
        source: "AWS Load Balancer Controller issues 3588 and 4039, argo-rollouts issue 3617",
        reproduce: Reproduce::Run(Run::of("article/1-original")),
    },
    Entry {
        name: "rule lag",
        title: "the time from the annotation to ModifyRule",
        words: "All Ingresses of a group are one work item of the load balancer controller. A busy account, or a group with many rules, \
                makes a reconcile take a minute and more. load_balancer_controller.rule_lag says how long.",
        source: "AWS Load Balancer Controller issue 3588",
        reproduce: Reproduce::Run(Run {
            scenario: "article/1-original",
            set: &["load_balancer_controller.rule_lag=5s"],
        }),
    },
    Entry {
        name: "deregistration",
        title: "how a target leaves the load balancer",
        words: "Two different things: the propagation of DeregisterTargets to the nodes, in which they still send requests \
                (load_balancer.deregistration), and the deregistration delay, in which requests that are under way may end \
                (deregistration_delay.timeout_seconds, 300 s unless set).",
        source: "AWS Load Balancer Controller issues 1719 and 2366; Elastic Load Balancing, target group attributes",
        reproduce: Reproduce::Run(Run::of("field-reports/lbc-2366-traffic-after-draining")),
    },
    Entry {
        name: "extra pod-seconds",
        title: "what a release costs in pods",
        words: "The time of all pods that exist, terminating ones included, beyond what the replicas alone would have cost. 3,600 \
                pod-seconds are a pod for an hour.",
        source: "Kubernetes counts a terminating pod's requests until its containers have ended",
        reproduce: Reproduce::Run(Run::of("article/4-fixed")),
    },
    Entry {
        name: "readiness gate",
        title: "a pod that is ready when its targets are healthy",
        words: "In a namespace with the label elbv2.k8s.aws/pod-readiness-gate-inject the load balancer controller adds a gate for each \
                target group whose Service selects the pod at its creation. The first pods of a canary without pingPong have none: \
                the Service selects them later.",
        source: "AWS Load Balancer Controller, pod readiness gate",
        reproduce: Reproduce::Run(Run {
            scenario: "first-run",
            set: &["namespace.labels={\"elbv2.k8s.aws/pod-readiness-gate-inject\"=\"enabled\"}"],
        }),
    },
    Entry {
        name: "fingerprint",
        title: "the whole run in 16 digits",
        words: "It folds every event of the control plane and the outcome of every request. The same version, scenario and seed have \
                the same fingerprint on any machine; a manifest and the scenario that it amounts to, too.",
        source: "this program",
        reproduce: Reproduce::Run(Run::of("first-run")),
    },
    Entry {
        name: "outcome",
        title: "how a release ends",
        words: "promoted: the new version is stable. aborted: back at the old one. paused: somebody has to promote it. degraded: the \
                controller has given up, or cannot go on. running: it was not over at simulation.horizon. Whatever is not over \
                says on what it waits.",
        source: "argo-rollouts, phases of a Rollout",
        reproduce: Reproduce::Run(Run::of("strategies/analysis-of-a-bad-version")),
    },
];

/// A code of the lists of practices that the rules follow, and that has no rule of its own.
#[derive(Debug)]
pub struct Reference {
    pub code: &'static str,
    pub instead: Instead,
}

#[derive(Debug)]
pub enum Instead {
    /// The rule of this code covers it.
    See(&'static str),
    /// Nothing does, for this reason.
    NotChecked(&'static str),
}

const fn see(code: &'static str, other: &'static str) -> Reference {
    Reference { code, instead: Instead::See(other) }
}

const fn not_checked(code: &'static str, why: &'static str) -> Reference {
    Reference { code, instead: Instead::NotChecked(why) }
}

pub const REFERENCES: [Reference; 26] = [
    see("ALB001", "K005"),
    see("ALB002", "K006"),
    see("ALB003", "K002"),
    see("ALB004", "K001"),
    see("ALB009", "K019"),
    see("ALB011", "K019"),
    see("ALB012", "K009"),
    see("ALB013", "K018"),
    see("ALB038", "K023"),
    see("ALB041", "K017"),
    see("ALB042", "K038"),
    not_checked("ALB014", "the webhook that injects readiness gates is installed with the load balancer controller."),
    not_checked(
        "ALB016",
        "--aws-verify-target-group is an option of the Rollouts controller, and stands in no manifest here.",
    ),
    not_checked("ALB021", "nobody can tell from manifests that a revision is pushed in the middle of a release."),
    not_checked("ALB024", "what the program answers to health checks after SIGTERM stands in no manifest."),
    not_checked(
        "ALB031",
        "the other members of an Ingress group are not in these files; load_balancer_controller.rule_lag says how slow they make it.",
    ),
    not_checked("ALB032", "the version of the load balancer controller stands in no manifest here."),
    not_checked("ALB033", "the version of the load balancer controller stands in no manifest here."),
    not_checked("ALB034", "the version of the load balancer controller stands in no manifest here."),
    not_checked("ALB035", "the replicas of the load balancer controller are none of this release's manifests."),
    not_checked("ALB040", "a listener counts the rules of all its Ingresses, and they are not in these files."),
    not_checked(
        "ALB045",
        "what ends the nodes stands in no manifest of a release; K029 is about the notice of spot instances.",
    ),
    not_checked(
        "K016",
        "how long the program works on a probe stands in no manifest. That a probe has to wait behind requests, up to \
         timeoutSeconds, is simulated.",
    ),
    not_checked(
        "K022",
        "how many pods the nodes have room for stands in no manifest; cluster.scheduling says how long a pod waits for a node.",
    ),
    not_checked("K031", "the size of an image stands in no manifest; cluster.image_pull says how long a pull takes."),
    not_checked(
        "K036",
        "what a pod-hour may cost is yours to say: sim run tells the extra pod-seconds of a release, and a threshold on \
         pods.extra_pod_seconds judges them.",
    ),
];

/// All entries.
pub fn entries() -> impl Iterator<Item = Entry> {
    let copy = |entry: &'static Entry| Entry { ..*entry };
    Cause::ALL.into_iter().map(cause).chain(RULES.iter().map(copy)).chain(TERMS.iter().map(copy))
}
