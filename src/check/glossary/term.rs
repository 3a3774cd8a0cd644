//! Words of the reports.

use super::{Entry, Reproduce};
use crate::check::reproduce::Run;

pub const TERMS: [Entry; 21] = [
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
    Entry {
        name: "class",
        title: "a part of the traffic that goes its own way",
        words: "One [[traffic.classes]] of a scenario: requests with a host, a path and headers of their own, of a share or a rate of \
                the traffic, by users or by another program (caller). What the listener does with them follows from its rules. \
                The classes of a scenario share its pods.",
        source: "this program",
        reproduce: Reproduce::Run(Run::of("routing/three-urls")),
    },
    Entry {
        name: "exposed",
        title: "a user whom the new version has answered",
        words: "Once is enough, and an error of the program counts. A weight is a share of requests, not of users: of a user's n \
                requests at the weight w none comes to the new version in (1 - w)^n of all cases, so nearly everybody is exposed \
                soon. first_exposure_s is when the first user of the class was, in seconds since the start of the release.",
        source: "this program; argo-rollouts, Traffic Management",
        reproduce: Reproduce::Run(Run::of("routing/random-30")),
    },
    Entry {
        name: "saw_both",
        title: "a user whom both versions have answered",
        words: "After a promotion everybody who stays has seen both. Users who go back_and_forth are those to look at: a version \
                answered them again after another one had. flips counts the answers of another version than the one before.",
        source: "this program",
        reproduce: Reproduce::Run(Run::of("routing/sticky-30")),
    },
    Entry {
        name: "setHeaderRoute",
        title: "the step that sends requests with a header to the canary",
        words: "The Rollouts controller adds a path, /*, in front of all others and two annotations to the Ingress, once, while \
                this step is the current one. The AWS Load Balancer Controller puts it behind all paths of the types Exact and \
                Prefix, so a path / of the type Prefix shadows it. It goes at the promotion, at an abort, and from 1.8 on \
                whenever no pod of the canary is available; nothing brings it back.",
        source: "argo-rollouts, rollout/trafficrouting/alb/alb.go and rollout/trafficrouting.go",
        reproduce: Reproduce::Run(Run::of("routing/shadowed-header-route")),
    },
    Entry {
        name: "wrong_version",
        title: "requests with the header of a route that came to another version",
        words: "From the step until the route is taken away. Whoever tests with the header gets the version that he does not mean, \
                and no error: before the route is in force, after it has been lost, or behind a rule that takes the requests first.",
        source: "this program; argo-rollouts issues 2902, 4486 and 4716",
        reproduce: Reproduce::Run(Run::of("routing/header-route-too-early")),
    },
    Entry {
        name: "stickiness",
        title: "a client that stays where it was",
        words: "Two different things. That of the rule (stickinessConfig, TargetGroupStickinessConfig) keeps a client with a target \
                group: new clients are drawn by the weight, old ones stay, and the share lags behind the weight. That of a \
                target group (stickiness.enabled) keeps a client with one target of the group that the rule has chosen. A cookie \
                names a target group, and no version, so a client may still see both: when his cookie ends, when the group's \
                weight is 0 (whether a cookie still counts then is not documented: load_balancer.sticky_honours_zero_weight says \
                it), and when the Service of the group is pointed at other pods, at a promotion and after an abort.",
        source: "Elastic Load Balancing, Sticky sessions for your Application Load Balancer",
        reproduce: Reproduce::Run(Run::of("routing/sticky-30")),
    },
    Entry {
        name: "mirrored",
        title: "requests that the canary gets once more",
        words: "setMirrorRoute: the proxy sends a part of the requests to the canary, too, and throws its answers away. The copies \
                count as load of the pods and by themselves, never among the requests. Only Istio and some plugins have it, and the \
                canary needs pods without a weight: setCanaryScale.",
        source: "argo-rollouts, rollout/trafficrouting/istio/istio.go; Istio, Mirroring",
        reproduce: Reproduce::Run(Run::of("routing/mirrored-traffic")),
    },
    Entry {
        name: "elb_404",
        title: "a request that no rule of the listener took",
        words: "The default action answers 404. It is no 5xx and counts by itself. Besides a missing path, the AWS Load Balancer \
                Controller makes such a gap for one call when a header route and a weight reach it in one pass.",
        source: "AWS Load Balancer Controller, pkg/deploy/elbv2/listener_rule_synthesizer.go",
        reproduce: Reproduce::Run(Run::of("routing/no-matching-rule")),
    },
];
