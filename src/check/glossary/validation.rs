//! What the Rollouts controller refuses.

use super::{Entry, Reproduce};

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
        include_str!("../../../scenarios/findings/V1.bad.yaml"),
    ),
    rule(
        "V2",
        "no strategy, or two",
        "A Rollout has one of canary and blueGreen under strategy.",
        include_str!("../../../scenarios/findings/V2.bad.yaml"),
    ),
    rule(
        "V3",
        "selector and labels that do not fit",
        "selector must be there, must not be empty, and must match the labels of the pod template.",
        include_str!("../../../scenarios/findings/V3.bad.yaml"),
    ),
    rule(
        "V4",
        "maxSurge and maxUnavailable are both 0",
        "With both at 0 no pod could ever be replaced.",
        include_str!("../../../scenarios/findings/V4.bad.yaml"),
    ),
    rule(
        "V5",
        "one Service for stable and canary",
        "canaryService and stableService must be two Services.",
        include_str!("../../../scenarios/findings/V5.bad.yaml"),
    ),
    rule(
        "V6",
        "a router without its Services",
        "Most routers need both canaryService and stableService; an ALB may have pingPong instead.",
        include_str!("../../../scenarios/findings/V6.bad.yaml"),
    ),
    rule(
        "V7",
        "scaleDownDelaySeconds without a router",
        "Without trafficRouting the old pods go as the new ones come: there is nothing to delay.",
        include_str!("../../../scenarios/findings/V7.bad.yaml"),
    ),
    rule(
        "V8",
        "dynamicStableScale without a router",
        "Without trafficRouting the numbers of pods are the weights already.",
        include_str!("../../../scenarios/findings/V8.bad.yaml"),
    ),
    rule(
        "V9",
        "dynamicStableScale beside scaleDownDelaySeconds",
        "The two exclude each other: with dynamicStableScale nothing is left to delay after the promotion.",
        include_str!("../../../scenarios/findings/V9.bad.yaml"),
    ),
    rule(
        "V10",
        "maxTrafficWeight with a router that has none",
        "Only nginx and plugins know another whole than 100.",
        include_str!("../../../scenarios/findings/V10.bad.yaml"),
    ),
    rule(
        "V11",
        "a weight that is no share",
        "setWeight lies between 0 and 100, or maxTrafficWeight.",
        include_str!("../../../scenarios/findings/V11.bad.yaml"),
    ),
    rule(
        "V12",
        "a pause that is no duration",
        "A pause has seconds, or a Go duration: 60, 60s, 1h30m. There is no unit for days.",
        include_str!("../../../scenarios/findings/V12.bad.yaml"),
    ),
    rule(
        "V13",
        "setCanaryScale without a router",
        "Without trafficRouting the number of canary pods is the weight.",
        include_str!("../../../scenarios/findings/V13.bad.yaml"),
    ),
    rule(
        "V14",
        "setHeaderRoute with a router that has none",
        "Header routes need Istio, an ALB, Apisix or a plugin.",
        include_str!("../../../scenarios/findings/V14.bad.yaml"),
    ),
    rule(
        "V15",
        "a header that an ALB cannot match",
        "Behind an ALB a header matches by exact, not by regex or prefix.",
        include_str!("../../../scenarios/findings/V15.bad.yaml"),
    ),
    rule(
        "V16",
        "a header match of no kind, or of several",
        "A header value has exactly one of exact, regex and prefix.",
        include_str!("../../../scenarios/findings/V16.bad.yaml"),
    ),
    rule(
        "V17",
        "setMirrorRoute with a router that has none",
        "Only Istio and plugins mirror requests; an ALB does not.",
        include_str!("../../../scenarios/findings/V17.bad.yaml"),
    ),
    rule(
        "V18",
        "a route without managedRoutes",
        "Steps that set routes need trafficRouting.managedRoutes.",
        include_str!("../../../scenarios/findings/V18.bad.yaml"),
    ),
    rule(
        "V19",
        "a route that is not managed",
        "The name of a route must stand in trafficRouting.managedRoutes.",
        include_str!("../../../scenarios/findings/V19.bad.yaml"),
    ),
    rule(
        "V20",
        "a step of no kind, or of several",
        "A step has one of setWeight, pause, experiment and analysis at most, and something at all.",
        include_str!("../../../scenarios/findings/V20.bad.yaml"),
    ),
    rule(
        "V21",
        "a weight for an experiment that nobody can give",
        "Experiments get a share of the traffic from SMI, an ALB, Istio or a plugin alone.",
        include_str!("../../../scenarios/findings/V21.bad.yaml"),
    ),
    rule(
        "V22",
        "pingPong that cannot work",
        "It needs two different Services, an ALB, Istio or a plugin, and with an ALB a rootService.",
        include_str!("../../../scenarios/findings/V22.bad.yaml"),
    ),
    rule(
        "V23",
        "antiAffinity of no kind, or of two",
        "One of required and preferred, and the weight of a preference from 1 to 100.",
        include_str!("../../../scenarios/findings/V23.bad.yaml"),
    ),
    rule(
        "V24",
        "blueGreen with one Service, or a limit above the history",
        "activeService and previewService must differ; scaleDownDelayRevisionLimit is not above revisionHistoryLimit.",
        include_str!("../../../scenarios/findings/V24.bad.yaml"),
    ),
    Entry {
        source: "argo-rollouts, rollout/templateref.go, Resolve",
        ..rule(
            "V25",
            "a workloadRef that brings no template",
            "It refers to a Deployment, a ReplicaSet or a PodTemplate, and nothing else; and beside it there is no template.",
            include_str!("../../../scenarios/findings/V25.bad.yaml"),
        )
    },
];
