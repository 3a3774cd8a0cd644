//! What the manifest says: the `spec` of a Rollout.
//!
//! Follows `pkg/apis/rollouts/v1alpha1/types.go` and `utils/defaults/defaults.go` of argo-rollouts at 9f8d111d (after
//! 1.10.0-rc1).

use super::analysis::Templates;
use super::step::Step;
use crate::model::fenceposts::{Fenceposts, IntOrPercent, fenceposts};
use crate::units::{Duration, TrafficWeight};

/// `[rollout]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutSpec {
    pub replicas: u32,
    /// Nothing is scaled and no step completes until somebody promotes.
    pub paused: bool,
    pub min_ready: Duration,
    /// `progressDeadlineSeconds`, 600 s unless set.
    pub progress_deadline: Duration,
    /// Whether a missed deadline aborts the update.
    pub progress_deadline_abort: bool,
    /// How many ReplicaSets beside stable and canary are kept, 10 unless set.
    pub revision_history_limit: u32,
    /// `rollbackWindow.revisions`.
    pub rollback_window: Option<u32>,
    pub strategy: Strategy,
}

/// `strategy`.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    Canary(Canary),
    BlueGreen(BlueGreen),
}

impl Default for RolloutSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            paused: false,
            min_ready: Duration::ZERO,
            progress_deadline: Duration::secs(600),
            progress_deadline_abort: false,
            revision_history_limit: 10,
            rollback_window: None,
            strategy: Strategy::Canary(Canary::default()),
        }
    }
}

impl RolloutSpec {
    /// For the rules of a canary; no other strategy asks them.
    pub fn canary(&self) -> &Canary {
        match &self.strategy {
            Strategy::Canary(canary) => canary,
            Strategy::BlueGreen(_) => unreachable!("a rule of the strategy canary was asked about blueGreen"),
        }
    }

    pub fn blue_green(&self) -> Option<&BlueGreen> {
        match &self.strategy {
            Strategy::Canary(_) => None,
            Strategy::BlueGreen(blue_green) => Some(blue_green),
        }
    }

    /// Of a canary.
    pub fn steps(&self) -> &[Step] {
        match &self.strategy {
            Strategy::Canary(canary) => &canary.steps,
            Strategy::BlueGreen(_) => &[],
        }
    }

    /// Whether a router splits the traffic by weights.
    pub fn is_traffic_routed(&self) -> bool {
        matches!(&self.strategy, Strategy::Canary(canary) if canary.is_traffic_routed())
    }

    /// The whole of the traffic, as weights.
    pub fn max_weight(&self) -> TrafficWeight {
        match &self.strategy {
            Strategy::Canary(canary) => canary.max_weight(),
            Strategy::BlueGreen(_) => TrafficWeight::HUNDRED,
        }
    }

    /// Whether the two Services of `pingPong` take turns.
    pub fn is_ping_pong(&self) -> bool {
        matches!(&self.strategy, Strategy::Canary(canary) if canary.ping_pong)
    }

    /// Where an analysis is asked for, below `strategy`; which templates; and whether something waits for its end.
    pub fn analyses(&self) -> Vec<(String, &Templates, bool)> {
        match &self.strategy {
            Strategy::Canary(canary) => {
                let background = canary.analysis.iter().map(|it| ("canary.analysis".to_owned(), &it.templates, false));
                let steps = canary.steps.iter().enumerate().filter_map(|(index, step)| match step {
                    Step::Analysis(templates) => Some((format!("canary.steps[{index}].analysis"), templates, true)),
                    Step::SetWeight(_) | Step::SetCanaryScale(_) | Step::SetCanaryScaleAndWeight(..) => None,
                    Step::Pause(_) | Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => None,
                });
                background.chain(steps).collect()
            }
            Strategy::BlueGreen(blue_green) => {
                let both = [
                    ("blueGreen.prePromotionAnalysis", &blue_green.pre_promotion_analysis),
                    ("blueGreen.postPromotionAnalysis", &blue_green.post_promotion_analysis),
                ];
                both.into_iter().filter_map(|(key, run)| Some((key.to_owned(), run.as_ref()?, true))).collect()
            }
        }
    }

    /// From the promotion until the previous ReplicaSet goes.
    pub fn scale_down_delay(&self) -> Duration {
        match &self.strategy {
            Strategy::Canary(canary) => canary.scale_down_delay(),
            Strategy::BlueGreen(blue_green) => blue_green.scale_down_delay.unwrap_or(DEFAULT_DELAY),
        }
    }

    pub fn scale_down_delay_revision_limit(&self) -> Option<u32> {
        match &self.strategy {
            Strategy::Canary(canary) => canary.scale_down_delay_revision_limit,
            Strategy::BlueGreen(blue_green) => blue_green.scale_down_delay_revision_limit,
        }
    }

    /// What becomes of the new pods after an abort.
    pub fn abort_scale_down(&self) -> AbortScaleDown {
        match &self.strategy {
            Strategy::Canary(canary) => canary.abort_scale_down(),
            Strategy::BlueGreen(blue_green) => AbortScaleDown::of(blue_green.abort_scale_down_delay),
        }
    }
}

/// `scaleDownDelaySeconds` and `abortScaleDownDelaySeconds` unless set. Source: `utils/defaults/defaults.go`.
const DEFAULT_DELAY: Duration = Duration::secs(30);

/// `strategy.blueGreen`.
#[derive(Clone, Debug, PartialEq)]
pub struct BlueGreen {
    /// Whether the active Service moves by itself. True unless set.
    pub auto_promotion: bool,
    /// `autoPromotionSeconds`: so long after the new pods are there. None: at once.
    pub auto_promotion_after: Option<Duration>,
    /// `previewReplicaCount`: pods before the promotion. None: all.
    pub preview_replicas: Option<u32>,
    pub scale_down_delay: Option<Duration>,
    pub scale_down_delay_revision_limit: Option<u32>,
    pub abort_scale_down_delay: Option<Duration>,
    pub pre_promotion_analysis: Option<Templates>,
    pub post_promotion_analysis: Option<Templates>,
}

impl Default for BlueGreen {
    fn default() -> Self {
        Self {
            auto_promotion: true,
            auto_promotion_after: None,
            preview_replicas: None,
            scale_down_delay: None,
            scale_down_delay_revision_limit: None,
            abort_scale_down_delay: None,
            pre_promotion_analysis: None,
            post_promotion_analysis: None,
        }
    }
}

impl BlueGreen {
    /// Whether the controller stops before the active Service moves. Source: `needsBlueGreenControllerPause`.
    pub fn pauses(&self) -> bool {
        !self.auto_promotion || self.auto_promotion_after.is_some()
    }
}

/// `strategy.canary`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Canary {
    pub steps: Vec<Step>,
    /// 25 % unless set; without traffic routing only.
    pub max_surge: IntOrPercent,
    /// 25 % unless set.
    pub max_unavailable: IntOrPercent,
    pub traffic_routing: Option<TrafficRouting>,
    pub dynamic_stable_scale: bool,
    pub scale_down_delay: Option<Duration>,
    pub scale_down_delay_revision_limit: Option<u32>,
    pub abort_scale_down_delay: Option<Duration>,
    pub min_pods_per_replica_set: Option<u32>,
    pub replica_progress_threshold: Option<ReplicaProgressThreshold>,
    /// The two Services of `pingPong` take turns, instead of `canaryService` and `stableService`.
    pub ping_pong: bool,
    pub analysis: Option<BackgroundAnalysis>,
}

/// `canary.analysis`.
#[derive(Clone, Debug, PartialEq)]
pub struct BackgroundAnalysis {
    pub templates: Templates,
    /// The run begins with this step.
    pub starting_step: usize,
}

/// `trafficRouting`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficRouting {
    /// `maxTrafficWeight`, 100 unless set.
    pub max_weight: TrafficWeight,
    /// Names of `managedRoutes`.
    pub managed_routes: Vec<String>,
    /// `alb.stickinessConfig.durationSeconds`, where it is enabled.
    pub stickiness: Option<u32>,
    /// Whether the router removes what only looks like a managed route, too: the Gateway API plugin does.
    pub removes_by_form: bool,
}

impl Default for TrafficRouting {
    fn default() -> Self {
        Self {
            max_weight: TrafficWeight::HUNDRED,
            managed_routes: Vec::new(),
            stickiness: None,
            removes_by_form: false,
        }
    }
}

/// When a canary with fewer available pods than wanted counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaProgressThreshold {
    /// This part of the wanted pods.
    Percent(u32),
    Pods(u32),
}

impl ReplicaProgressThreshold {
    /// Whether so many available pods pass for `wanted` ones. Source: `replicaProgressThresholdMet`.
    pub fn is_met(self, available: u32, wanted: u32) -> bool {
        match self {
            Self::Pods(pods) => available >= pods,
            Self::Percent(_) if wanted == 0 => true,
            Self::Percent(percent) => u64::from(available) * 100 >= u64::from(percent) * u64::from(wanted),
        }
    }
}

/// What becomes of the canary's pods after an abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortScaleDown {
    /// They go when stable has all its pods and this long has passed.
    After(Duration),
    /// `abortScaleDownDelaySeconds: 0`: no delay is applied.
    Never,
}

impl AbortScaleDown {
    /// Of a strategy that keeps the pods for a while: a delay that is set to 0 is none at all.
    fn of(delay: Option<Duration>) -> Self {
        match delay {
            None => Self::After(DEFAULT_DELAY),
            Some(Duration::ZERO) => Self::Never,
            Some(delay) => Self::After(delay),
        }
    }
}

impl Canary {
    pub fn is_traffic_routed(&self) -> bool {
        self.traffic_routing.is_some()
    }

    /// With a router only; validation refuses it without one.
    pub fn uses_dynamic_stable_scale(&self) -> bool {
        self.dynamic_stable_scale && self.is_traffic_routed()
    }

    pub fn max_weight(&self) -> TrafficWeight {
        self.traffic_routing.as_ref().map_or(TrafficWeight::HUNDRED, |routing| routing.max_weight)
    }

    /// `scaleDownDelaySeconds`: 30 s unless set; none without a router. Source: `GetScaleDownDelaySecondsOrDefault`.
    pub fn scale_down_delay(&self) -> Duration {
        if self.is_traffic_routed() { self.scale_down_delay.unwrap_or(DEFAULT_DELAY) } else { Duration::ZERO }
    }

    /// `abortScaleDownDelaySeconds`: 30 s unless set. Source: `GetAbortScaleDownDelaySecondsOrDefault`.
    pub fn abort_scale_down(&self) -> AbortScaleDown {
        match self.is_traffic_routed() {
            false => AbortScaleDown::After(Duration::ZERO),
            true => AbortScaleDown::of(self.abort_scale_down_delay),
        }
    }

    /// Whether an aborted canary keeps its full size until the delay that the user set has passed, also under
    /// dynamicStableScale.
    pub fn holds_canary_on_abort(&self) -> bool {
        self.is_traffic_routed() && self.abort_scale_down_delay.is_some_and(|delay| delay > Duration::ZERO)
    }

    pub fn fenceposts(&self, replicas: u32) -> Fenceposts {
        fenceposts(self.max_surge, self.max_unavailable, replicas)
    }
}
