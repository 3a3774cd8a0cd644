//! Rules across fields: what Argo Rollouts and Kubernetes would refuse, and what is odd but possible.

use super::diagnostic::Severity;
use super::document::{Node, Table};
use super::draft::Draft;
use super::load::AsWritten;
use super::nearest::nearest;
use super::pass::Pass;
use super::pre_stop::PreStop;
use super::workload::Workload;
use super::{
    delivery, foreign_services, git, gitops, ingress_rules, recording, route_checks, steps, stickiness, validation,
};
use crate::model::comparison::Comparison;
use crate::model::metrics::Condition;
use crate::model::people::{Trigger, Verb};
use crate::model::rollout::spec::RolloutSpec;
use crate::model::rollout::step::{HeaderMatch, Step};
use crate::units::{Duration, counted};
use std::ops::Range;

const CANARY: &str = "rollout.strategy.canary";
/// Source: kubelet, `minimumGracePeriodInSeconds`.
const MINIMUM_GRACE: &str = "2 s";

pub fn check(pass: &mut Pass, draft: &Draft, document: &Table, as_written: AsWritten<'_>) {
    let rules = Rules { document, draft };
    let refused = validation::problem::problems(as_written, &pass.problems);
    pass.problems.extend(refused);
    rules.title(pass);
    rules.simulation(pass);
    rules.capacity(pass);
    rules.early_arrivals(pass);
    rules.late_arrivals(pass);
    rules.unsent_headers(pass);
    rules.reconcile_delay(pass);
    rules.requeue_duration(pass);
    rules.scale_down_delay(pass);
    rules.grace_period(pass);
    rules.health_check(pass);
    rules.thresholds(pass);
    rules.analysis(pass);
    rules.actions(pass);
    delivery::check(pass, &draft.scenario, document);
    git::check(pass, &draft.scenario, document);
    gitops::check(pass, &draft.scenario, document);
    rules.deployment(pass);
    rules.never_shown(pass);
    rules.unused_templates(pass);
    rules.without_effect(pass);
    if draft.scenario.has_alb() {
        ingress_rules::check(pass, &draft.scenario, document);
    }
    route_checks::check(pass, &draft.scenario, document);
    stickiness::check(pass, &draft.scenario, document);
    foreign_services::check(pass, &draft.scenario, document);
}

/// `1 request of the file comes`
fn arrive(count: usize) -> String {
    format!("{} of the file {}", counted(count as u64, "request"), if count == 1 { "comes" } else { "come" })
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

struct Rules<'a> {
    document: &'a Table,
    draft: &'a Draft,
}

impl Rules<'_> {
    fn node(&self, key: &str) -> Option<&Node> {
        self.document.find(key)
    }

    fn place(&self, key: &str) -> Option<Range<usize>> {
        self.node(key).and_then(|node| node.place.clone())
    }

    fn title(&self, pass: &mut Pass) {
        let title = &self.draft.scenario.title;
        if title.contains(char::is_control) {
            let message = "the title holds a line break or another control character";
            pass.error("title", self.place("title"), message, "reports print it on one line");
        } else if title.trim().is_empty() {
            pass.error("title", self.place("title"), "the title is empty", "leave it out to use the file's name");
        }
    }

    fn simulation(&self, pass: &mut Pass) {
        let key = "simulation.cooldown";
        if self.draft.scenario.simulation.duration.is_some() && self.node(key).is_some() {
            let message = "`cooldown` has no effect next to `duration`";
            pass.warning(key, self.place(key), message, "`duration` counts from the start of the release");
        }
    }

    fn capacity(&self, pass: &mut Pass) {
        let scenario = &self.draft.scenario;
        if scenario.is_overloaded() {
            let arrive = match scenario.traffic.only_rate() {
                Some(rate) => format!("{rate} arrive"),
                None => format!("up to {:.1}/s arrive", scenario.traffic.peak_rate_per_second()),
            };
            let message = format!(
                "the pods can't carry this load even without a release: {arrive}, a pod answers at most {:.1}/s",
                scenario.capacity_per_pod(),
            );
            let help = format!(
                "service_time is {:.1} ms on average, concurrency {}, replicas {}: change one of them, or traffic.rate",
                scenario.traffic.mean_service_time().as_secs_f64() * 1e3,
                scenario.application.concurrency,
                scenario.workload.replicas(),
            );
            pass.warning("traffic.rate", self.place("traffic.rate"), message, help);
        }
    }

    /// What lies before the warm-up is not simulated.
    fn early_arrivals(&self, pass: &mut Pass) {
        let scenario = &self.draft.scenario;
        let Some(recording) = scenario.traffic.recording() else { return };
        let warmup = scenario.simulation.warmup;
        let is_early = |since_release: i64| since_release < -(warmup.as_nanos() as i64);
        let early = recording.requests.iter().take_while(|request| is_early(request.since_release)).count();
        let first = recording.requests.first().map_or(0, |request| request.since_release);
        if early > 0 {
            let key = "traffic.arrivals";
            let message = format!("{} before the warm-up of {warmup} and {} left out", arrive(early), are(early));
            let help = format!("the first comes at {} s: lengthen simulation.warmup", recording::seconds(first));
            pass.warning(key, self.place(key), message, help);
        }
    }

    /// When the run ends by itself is known to nobody yet; beyond these it never goes on.
    fn late_arrivals(&self, pass: &mut Pass) {
        let scenario = &self.draft.scenario;
        let Some(recording) = scenario.traffic.recording() else { return };
        let (end, of) = match scenario.simulation.duration {
            Some(duration) => (duration, "duration"),
            None => (scenario.simulation.horizon, "horizon"),
        };
        let in_time = |since_release: i64| since_release < end.as_nanos() as i64;
        let late = recording.requests.len() - recording.requests.partition_point(|it| in_time(it.since_release));
        let last = recording.requests.last().map_or(0, |request| request.since_release);
        if late > 0 {
            let key = "traffic.arrivals";
            let message = format!("{} after the end of the run, {end}, and {} left out", arrive(late), are(late));
            let help = format!("the last comes at {} s: lengthen simulation.{of}", recording::seconds(last));
            pass.warning(key, self.place(key), message, help);
        }
    }

    /// A route for a header that is in no request is never met. What a caller drops its users have sent.
    fn unsent_headers(&self, pass: &mut Pass) {
        let items = self.node("traffic.classes").and_then(Node::array).unwrap_or_default();
        let headers = items.iter().filter_map(|class| class.table()?.get("headers")?.value.table());
        let sent: Vec<_> = headers.flat_map(|headers| &headers.entries).map(|entry| entry.key.as_str()).collect();
        if items.is_empty() {
            return;
        }
        for (index, step) in self.draft.scenario.workload.steps().iter().enumerate() {
            let Step::SetHeaderRoute(route) = step else { continue };
            for (number, HeaderMatch { header_name: name, .. }) in route.matches.iter().enumerate() {
                let is_sent = |sent: &&str| sent.eq_ignore_ascii_case(name);
                if sent.iter().any(is_sent) || name.eq_ignore_ascii_case("host") {
                    continue;
                }
                let key = format!("{CANARY}.steps[{index}].setHeaderRoute.match[{number}].headerName");
                let help = match nearest(name, &sent) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write headers = {{ \"{name}\" = \"…\" }} in a class"),
                };
                pass.warning(&key, self.place(&key), format!("no class sends `{name}`"), help);
            }
        }
    }

    /// The controller is woken by its own writes, too: without a delay it could go on for ever in one instant.
    fn reconcile_delay(&self, pass: &mut Pass) {
        if self.draft.scenario.rollouts_controller.reconcile_delay.longest() == Duration::ZERO {
            let key = "rollouts_controller.reconcile_delay";
            let help = "write \"1ms\": the controller wakes itself by its own writes";
            pass.error(key, self.place(key), "reconcile_delay must be above zero", help);
        }
    }

    /// The controller asks again as long as a gate is open: without a pause it could go on for ever in one instant.
    fn requeue_duration(&self, pass: &mut Pass) {
        if self.draft.scenario.load_balancer_controller.readiness_gate.requeue_duration == Duration::ZERO {
            let key = "load_balancer_controller.requeue_duration";
            let help = "write \"15s\", as the controller does unless told otherwise";
            pass.error(key, self.place(key), "requeue_duration must be above zero", help);
        }
    }

    fn scale_down_delay(&self, pass: &mut Pass) {
        let Some(canary) = self.draft.scenario.workload.canary().filter(|canary| canary.is_traffic_routed()) else {
            return;
        };
        if !canary.dynamic_stable_scale && canary.scale_down_delay() == Duration::ZERO {
            let key = format!("{CANARY}.scaleDownDelaySeconds");
            let message = "with scaleDownDelaySeconds = 0 the previous ReplicaSet is never removed";
            let help = "its pods go on to cost; leave it out to scale down after 30 s";
            pass.warning(&key, self.place(&key), message, help);
        }
    }

    /// A key of the pod template.
    fn of_template(&self, key: &str) -> String {
        let workload = match self.draft.scenario.workload {
            Workload::Rollout(_) => "rollout",
            Workload::Deployment(_) => "deployment",
        };
        format!("{workload}.template.spec.{key}")
    }

    fn grace_period(&self, pass: &mut Pass) {
        let hook = self.of_template("containers[0].lifecycle.preStop");
        let grace = self.draft.scenario.pod.grace_period;
        match self.draft.pre_stop {
            PreStop::None => {}
            PreStop::Sleep(sleep) if sleep > grace => {
                let key = format!("{hook}.sleep.seconds");
                let message = format!("the preStop sleep ({sleep}) is longer than the grace period ({grace})");
                let help = format!(
                    "Kubernetes refuses such a pod: raise terminationGracePeriodSeconds above {}",
                    sleep.whole_secs()
                );
                pass.error(&key, self.place(&key), message, help);
            }
            PreStop::Sleep(time) => self.outlives(pass, &format!("{hook}.sleep.seconds"), time, grace),
            PreStop::Command(time) => self.outlives(pass, &format!("{hook}.exec.command"), time, grace),
            PreStop::Unknown => {
                let key = "application.pre_stop_time";
                if self.node(key).is_none() {
                    let message = "how long this preStop hook runs cannot be read off it: it counts as instant";
                    let help = "say it in [application]: pre_stop_time = \"20s\"";
                    pass.warning(&hook, self.place(&hook), message, help);
                }
                let time = self.draft.scenario.pod.pre_stop.unwrap_or(Duration::ZERO);
                if time > Duration::ZERO {
                    self.outlives(pass, key, time, grace);
                }
            }
        }
    }

    fn outlives(&self, pass: &mut Pass, key: &str, time: Duration, grace: Duration) {
        if time < grace {
            return;
        }
        let message = format!("the preStop hook ({time}) takes the whole grace period ({grace})");
        let help = format!(
            "it is cut off there, and SIGKILL follows {MINIMUM_GRACE} after SIGTERM: raise {}",
            self.of_template("terminationGracePeriodSeconds")
        );
        pass.warning(key, self.place(key), message, help);
    }

    fn health_check(&self, pass: &mut Pass) {
        let spec = self.draft.scenario.target_group;
        if spec.timeout >= spec.interval {
            let [interval, timeout] = ["interval", "timeout"]
                .map(|name| format!("ingress.annotations.\"alb.ingress.kubernetes.io/healthcheck-{name}-seconds\""));
            let key = if self.node(&timeout).is_some() { timeout } else { interval };
            let message =
                format!("the health check's timeout ({}) must be below its interval ({})", spec.timeout, spec.interval);
            pass.error(&key, self.place(&key), message, "ELBv2 refuses such a target group");
        }
    }

    /// Source: `validation_references.go:ValidateAnalysisTemplatesWithType`.
    fn analysis(&self, pass: &mut Pass) {
        let scenario = &self.draft.scenario;
        let Some(rollout) = scenario.workload.rollout() else { return };
        for (key, names, has_to_end) in rollout.analyses() {
            for name in names {
                let template = scenario.analysis_templates.iter().find(|template| template.name == *name);
                let message = match template {
                    None => format!("there is no AnalysisTemplate `{name}`"),
                    Some(template) if has_to_end && !template.is_finite() => {
                        format!("the AnalysisTemplate `{name}` never ends: nothing would come after it")
                    }
                    Some(_) => continue,
                };
                let help = match template {
                    None => "write [[analysis_templates]] with this name",
                    Some(_) => "give each of its metrics a count",
                };
                let key = format!("rollout.strategy.{key}");
                pass.error(&key, self.place(&key), message, help);
            }
        }
    }

    /// Source: `pkg/apis/apps/validation/validation.go` of Kubernetes.
    fn deployment(&self, pass: &mut Pass) {
        let Workload::Deployment(spec) = &self.draft.scenario.workload else { return };
        if spec.progress_deadline <= spec.min_ready {
            let key = "deployment.progressDeadlineSeconds";
            let place = self.place(key).or_else(|| self.place("deployment.minReadySeconds"));
            let message = "progressDeadlineSeconds must be greater than minReadySeconds";
            pass.error(key, place, message, "Kubernetes refuses such a Deployment");
        }
        let field = |name: &str| format!("deployment.strategy.rollingUpdate.{name}");
        let fields = [field("maxSurge"), field("maxUnavailable")];
        for key in &fields {
            // A Rollout takes any text for a percentage, a Deployment does not.
            if self.node(key).and_then(Node::text).is_some_and(|text| !text.ends_with('%')) {
                let help = "write a number without quotes, or a percentage: \"25%\"";
                pass.error(key, self.place(key), "a text must be a percentage", help);
            }
        }
        let is_zero =
            |key: &String| self.node(key).is_some_and(|node| node.integer() == Some(0) || node.text() == Some("0%"));
        if fields.iter().all(is_zero) {
            let message = "maxSurge and maxUnavailable are both 0";
            pass.error(&fields[1], self.place(&fields[1]), message, "Kubernetes refuses such a Deployment");
        }
    }

    /// A bound that no share can pass: `> 1` is above 100 %.
    fn never_shown(&self, pass: &mut Pass) {
        let scenario = &self.draft.scenario;
        let actions = scenario.actions.iter().enumerate().filter_map(|(index, action)| match action.trigger {
            Trigger::Shown(condition) => Some((format!("actions[{index}].when"), condition)),
            Trigger::At(_) | Trigger::StepStarted(_) | Trigger::Alert(_) => None,
        });
        let alerts = scenario.alerts.iter().enumerate();
        let alerts = alerts.map(|(index, alert)| (format!("alerts[{index}].expr"), alert.condition));
        for (key, Condition { query, comparison, bound }) in actions.chain(alerts) {
            let is_possible = match comparison {
                Comparison::Greater => bound < 1.0,
                Comparison::Less => bound > 0.0,
                Comparison::AtLeast | Comparison::AtMost | Comparison::Equal | Comparison::NotEqual => true,
            };
            if query.series.is_share() && !is_possible {
                let message = "this never holds: a share lies between 0 and 1, which is 100 %";
                pass.warning(&key, self.place(&key), message, "write 1% for one in a hundred");
            }
        }
    }

    /// Templates that no strategy asks for.
    fn unused_templates(&self, pass: &mut Pass) {
        // A name that is misspelt has been told.
        if pass.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return;
        }
        let scenario = &self.draft.scenario;
        let analyses = scenario.workload.rollout().map_or(vec![], RolloutSpec::analyses);
        let names: Vec<_> = analyses.iter().flat_map(|(_, names, _)| names.iter()).collect();
        for (index, template) in scenario.analysis_templates.iter().enumerate() {
            if !template.name.is_empty() && !names.contains(&&template.name) {
                let key = format!("analysis_templates[{index}]");
                let message = format!("nobody asks for the AnalysisTemplate `{}`", template.name);
                let help = format!("write analysis = {{ templates = [{{ templateName = \"{}\" }}] }}", template.name);
                pass.warning(&key, self.place(&key), message, help);
            }
        }
    }

    /// What is written and changes nothing, or hardly what its author thinks.
    fn without_effect(&self, pass: &mut Pass) {
        let mut warn = |key: &str, message: String, help: &str| {
            if let Some(place) = self.place(key) {
                pass.warning(key, Some(place), message, help);
            }
        };
        let scenario = &self.draft.scenario;
        if !scenario.rollouts_controller.profile.aws_verify_target_group {
            for name in ["aws_error_share", "aws_query_time"] {
                let message = format!("`{name}` has no effect: the controller does not look at AWS");
                warn(&format!("rollouts_controller.{name}"), message, "write aws_verify_target_group = true");
            }
        }
        if !scenario.has_alb() {
            let message =
                "`aws_verify_target_group` has no effect: no router but the ALB is looked up at AWS".to_owned();
            warn("rollouts_controller.aws_verify_target_group", message, "leave it out");
        }
        for (index, action) in scenario.actions.iter().enumerate() {
            let end = scenario.simulation.duration.unwrap_or(scenario.simulation.horizon);
            if matches!(action.trigger, Trigger::At(at) if at >= end) {
                let message = "this action comes after the end of the run".to_owned();
                warn(&format!("actions[{index}].at"), message, "raise simulation.horizon, or simulation.duration");
            }
        }
        let Some(rollout) = scenario.workload.rollout() else { return };
        if let Some(preview) = rollout.blue_green().and_then(|blue_green| blue_green.preview_replicas)
            && preview > rollout.replicas
        {
            let message = format!("the preview has {preview} pods, more than the {} replicas", rollout.replicas);
            warn("rollout.strategy.blueGreen.previewReplicaCount", message, "leave it out for a preview with all pods");
        }
        let Some(canary) = scenario.workload.canary() else { return };
        if scenario.rollouts_controller.profile.honor_scale_down_delay && !canary.dynamic_stable_scale {
            let message = "`honor_scale_down_delay` has no effect without dynamicStableScale".to_owned();
            warn("rollouts_controller.honor_scale_down_delay", message, "scaleDownDelaySeconds holds there anyway");
        }
        if !canary.is_traffic_routed() {
            for name in ["canaryService", "stableService"] {
                let message =
                    format!("`{name}` has no effect without trafficRouting: requests go to a Service of all pods");
                warn(&format!("{CANARY}.{name}"), message, "leave it out, or add trafficRouting");
            }
        }
        if canary.analysis.as_ref().is_some_and(|analysis| analysis.starting_step >= canary.steps.len().max(1)) {
            let message = format!("the analysis never begins: there are {} steps, counted from 0", canary.steps.len());
            warn(&format!("{CANARY}.analysis.startingStep"), message, "it begins with that step");
        }
    }

    /// A Deployment knows a part of them only.
    fn actions(&self, pass: &mut Pass) {
        let Workload::Deployment(_) = self.draft.scenario.workload else { return };
        for (index, action) in self.draft.scenario.actions.iter().enumerate() {
            // What people do to git and to Argo CD they do beside it.
            let is_command = matches!(action.verb, Verb::Promote | Verb::PromoteFull | Verb::Abort | Verb::Retry);
            if is_command || matches!(action.verb, Verb::Pause | Verb::Restart) {
                let key = format!("actions[{index}].do");
                let message = format!("a Deployment cannot `{}`", action.verb.name());
                pass.error(&key, self.place(&key), message, "it knows undo, deploy, set_replicas and disable_feature");
            }
        }
    }

    fn thresholds(&self, pass: &mut Pass) {
        let steps = steps::count(self.document);
        for threshold in &self.draft.thresholds {
            if threshold.step().is_some_and(|step| step >= steps) {
                let message = format!("`{}`: there are {steps} steps, counted from 0", threshold.text);
                pass.error("thresholds", self.place("thresholds"), message, "");
            }
        }
    }
}
