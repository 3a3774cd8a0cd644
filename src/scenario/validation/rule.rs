//! The rules by name, each with what to write instead.

use crate::scenario::steps;

/// What a [`super::Violation`] breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Numbers that may not be negative.
    AtLeastZero,
    /// A template beside the reference to one.
    WorkloadRefTemplate,
    WorkloadRefKind,
    ProgressDeadline,
    MissingStrategy,
    OneStrategy,
    MissingSelector,
    Selector,
    TemplateLabels,
    Surge,
    CanaryServices,
    MissingCanaryService,
    ScaleDownDelayNeedsRouter,
    DynamicStableScaleNeedsRouter,
    DynamicStableScale,
    MaxTrafficWeight,
    SetWeight,
    PauseDuration,
    SetCanaryScaleNeedsRouter,
    SetHeaderRoute,
    /// What an ALB can match.
    AlbHeaderValue,
    HeaderValue,
    SetMirrorRoute,
    MissingManagedRoutes,
    ManagedRoute,
    /// A step of no kind.
    StepKind,
    /// A step of several kinds.
    OneStep,
    ExperimentWeight,
    PingPongRouter,
    PingPongServices,
    PingPongRootService,
    AntiAffinity,
    AntiAffinityWeight,
    BlueGreenServices,
    BlueGreenRevisionLimit,
    /// Of the Ingress, not of the spec.
    IngressBackend,
}

/// What most of them want that want a router. Helps are written as in TOML so that ` = ` becomes `: ` in a manifest, and
/// name no dotted keys before it.
pub const ROUTER: &str =
    "write trafficRouting = { alb = { ingress = \"web\", rootService = \"web-root\", servicePort = 80 } }";

/// In a manifest nothing of it can be left out.
pub const SAME_LABELS: &str = "write the same labels in selector.matchLabels and template.metadata.labels";

impl Rule {
    /// Its number among the rules for a spec, if it has one.
    pub const fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::AtLeastZero | Self::IngressBackend => return None,
            Self::WorkloadRefTemplate | Self::WorkloadRefKind => "V25",
            Self::ProgressDeadline => "V1",
            Self::MissingStrategy | Self::OneStrategy => "V2",
            Self::MissingSelector | Self::Selector | Self::TemplateLabels => "V3",
            Self::Surge => "V4",
            Self::CanaryServices => "V5",
            Self::MissingCanaryService => "V6",
            Self::ScaleDownDelayNeedsRouter => "V7",
            Self::DynamicStableScaleNeedsRouter => "V8",
            Self::DynamicStableScale => "V9",
            Self::MaxTrafficWeight => "V10",
            Self::SetWeight => "V11",
            Self::PauseDuration => "V12",
            Self::SetCanaryScaleNeedsRouter => "V13",
            Self::SetHeaderRoute => "V14",
            Self::AlbHeaderValue => "V15",
            Self::HeaderValue => "V16",
            Self::SetMirrorRoute => "V17",
            Self::MissingManagedRoutes => "V18",
            Self::ManagedRoute => "V19",
            Self::StepKind | Self::OneStep => "V20",
            Self::ExperimentWeight => "V21",
            Self::PingPongRouter | Self::PingPongServices | Self::PingPongRootService => "V22",
            Self::AntiAffinity | Self::AntiAffinityWeight => "V23",
            Self::BlueGreenServices | Self::BlueGreenRevisionLimit => "V24",
        })
    }

    /// What to write instead.
    pub const fn help(self) -> &'static str {
        match self {
            Self::AtLeastZero => "write 0 or more",
            Self::WorkloadRefTemplate => "leave `template` out, or `workloadRef`",
            Self::WorkloadRefKind => {
                "refer to a Deployment or a ReplicaSet (apiVersion: apps/v1), or to a PodTemplate (apiVersion: v1)"
            }
            Self::ProgressDeadline => "progressDeadlineSeconds is 600 unless set: raise it, or lower minReadySeconds",
            Self::MissingStrategy => "write strategy.canary with trafficRouting.alb and steps",
            Self::OneStrategy => "leave one of canary and blueGreen out",
            Self::MissingSelector | Self::Selector | Self::TemplateLabels => {
                "write the same labels in selector.matchLabels and template.metadata.labels, or leave `selector` out"
            }
            Self::Surge => "leave one of them out, it is 25% then, or write maxUnavailable = 1",
            Self::CanaryServices => "name two: canaryService = \"web-canary\" and stableService = \"web-stable\"",
            Self::MissingCanaryService => {
                "name both: canaryService = \"web-canary\" and stableService = \"web-stable\", or leave both out"
            }
            Self::ScaleDownDelayNeedsRouter
            | Self::DynamicStableScaleNeedsRouter
            | Self::SetCanaryScaleNeedsRouter
            | Self::SetHeaderRoute
            | Self::PingPongRouter => ROUTER,
            Self::DynamicStableScale => "leave scaleDownDelaySeconds out, or write dynamicStableScale = false",
            Self::MaxTrafficWeight => "leave it out: with an ALB the weights are percentages",
            Self::SetWeight => "it is the canary's share in percent",
            Self::PauseDuration => {
                "write seconds (60), or a Go duration (\"60s\", \"1h30m\"); `pause = {}` waits for a person"
            }
            Self::AlbHeaderValue | Self::HeaderValue => "write headerValue = { exact = \"always\" }",
            Self::SetMirrorRoute => "leave the step out: an ALB mirrors no requests",
            Self::MissingManagedRoutes => "write managedRoutes = [{ name = \"…\" }], with the name of each route",
            Self::ManagedRoute => "write the name of one of trafficRouting.managedRoutes, or add this one there",
            Self::StepKind => steps::HELP,
            Self::OneStep => "write a step for each of them",
            Self::ExperimentWeight => "leave the weight out: the experiment's pods get no requests of their own",
            Self::PingPongServices => "name two: pingPong = { pingService = \"web-ping\", pongService = \"web-pong\" }",
            Self::PingPongRootService => {
                "write rootService = \"web-root\" in trafficRouting.alb: the Service that the Ingress names"
            }
            Self::AntiAffinity => {
                "write antiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = {} }, or \
                 { preferredDuringSchedulingIgnoredDuringExecution = { weight = 100 } }"
            }
            Self::AntiAffinityWeight => "write weight = 100, or any number from 1",
            Self::BlueGreenServices => "name two: activeService = \"web-active\" and previewService = \"web-preview\"",
            Self::BlueGreenRevisionLimit => "revisionHistoryLimit is 10 unless set: raise it, or lower this limit",
            Self::IngressBackend => "write a rule of the Ingress whose backend is alb.rootService",
        }
    }

    /// Whether a router is all that is missing.
    pub const fn needs_router(self) -> bool {
        matches!(
            self,
            Self::ScaleDownDelayNeedsRouter
                | Self::DynamicStableScaleNeedsRouter
                | Self::SetCanaryScaleNeedsRouter
                | Self::SetHeaderRoute
        )
    }

    /// A second field of the same table on which the rule depends.
    pub fn reads_also(self) -> Option<&'static str> {
        let others = [
            (Self::ProgressDeadline, "minReadySeconds"),
            (Self::WorkloadRefTemplate, "workloadRef"),
            (Self::Surge, "maxUnavailable"),
            (Self::CanaryServices, "canaryService"),
        ];
        others.iter().find(|(rule, _)| *rule == self).map(|(_, name)| *name)
    }

    /// Whether it looks at the keys inside of its field.
    pub const fn is_of_whole(self) -> bool {
        matches!(self, Self::AlbHeaderValue | Self::HeaderValue | Self::StepKind)
    }
}
