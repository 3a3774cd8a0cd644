//! One or two plain sentences on why requests failed, or what kept them from it, out of the run's own data.

mod group;
mod mechanism;
mod place;
mod stop;
mod story;
mod written_over;

use super::{counted, data_plane, grouped_decimal, is_set_weight, percent, span};
use crate::model::outcome::Cause;
use crate::model::rollout::spec::Canary;
use crate::run::{Run, StepRecord};
use crate::scenario::Loaded;
use stop::{Stop, stops};
use story::Story;

/// Takes the part of the release in which most requests failed by one mechanism.
pub fn explain(loaded: &Loaded, run: &Run) -> String {
    let story = match Story::worst(loaded, run) {
        None => protection(loaded, run),
        Some(_) if loaded.scenario.is_overloaded() => never_enough(loaded, run),
        Some(story) => story.sentence(),
    };
    match own_errors(loaded, run) {
        None => story,
        Some(own) => format!("{story} {own}"),
    }
}

/// The service cannot carry its load even without a release.
fn never_enough(loaded: &Loaded, run: &Run) -> String {
    let scenario = &loaded.scenario;
    let replicas = u64::from(scenario.workload.replicas());
    let each = scenario.capacity_per_pod();
    format!(
        "Even without a release, {} can't carry the load: {} requests/s arrive, and a pod answers at most {} \
         (concurrency {}, service time {} on average). {} failed.",
        counted(replicas, "pod"),
        grouped_decimal(scenario.traffic.peak_rate_per_second(), 1),
        grouped_decimal(each, 1),
        scenario.application.concurrency,
        span(scenario.traffic.mean_service_time()),
        counted(run.requests.elb_5xx(), "request"),
    )
}

/// With fewer requests than this no failure is weak evidence: of n requests without a failure, up to 3 / n of all may
/// still fail (the rule of three, at 95 %).
const TELLING: u64 = 1000;

/// What kept every request from failing.
fn protection(loaded: &Loaded, run: &Run) -> String {
    let canary = loaded.scenario.workload.canary().filter(|canary| canary.is_traffic_routed());
    let sender = data_plane(loaded);
    let lag = |step: &StepRecord| Some((step.weight_effective? - step.weight_asked?, step.step.clone()));
    let weights = || run.steps.iter().filter(|step| is_set_weight(step));
    let never = weights().find(|step| step.weight_asked.is_some() && step.weight_effective.is_none());
    let slowest = match (never, weights().filter_map(lag).max()) {
        (Some(step), _) => format!("; {} never reached {sender}", step.step),
        (None, Some((lag, step))) => format!("; the slowest weight took {} to reach {sender} ({step})", span(lag)),
        (None, None) => String::new(),
    };
    let stops = stops(run);
    let shortest = stops.iter().map(Stop::open_after_deletion).min();
    let outlived = shortest.map(|open| {
        let open = span(open);
        match loaded.scenario.pod.pre_stop {
            Some(hook) => {
                format!("every pod kept its port open for {open} or more after its deletion (preStop hook: {hook})")
            }
            None => format!("every pod kept its port open for {open} or more after its deletion"),
        }
    });
    let delay = canary.filter(|canary| !canary.dynamic_stable_scale).map(Canary::scale_down_delay);
    let guard = match (delay, run.rollout.stable_gone, outlived) {
        (Some(_), None, _) => "without dynamicStableScale the stable pods stayed to the end of the run".into(),
        (Some(delay), Some(_), _) => format!(
            "without dynamicStableScale the stable pods stayed until {delay} after the promotion (scaleDownDelaySeconds)"
        ),
        (None, _, Some(outlived)) => outlived,
        (None, _, None) => "no pod was stopped".into(),
    };
    let caution = match run.requests.total {
        0 => return "No request arrived, so the run says nothing about failures.".into(),
        few if few < TELLING => {
            let share = percent((3.0 / few as f64).min(1.0));
            format!(" But only {} arrived: up to {share} could still fail.", counted(few, "request"))
        }
        _ => String::new(),
    };
    let nothing = match run.requests.target_5xx {
        0 => "No request failed",
        _ => "The load balancer failed no request",
    };
    format!("{nothing}: {guard}{slowest}.{caution}")
}

/// What a bad version did itself.
fn own_errors(loaded: &Loaded, run: &Run) -> Option<String> {
    let versions = &loaded.scenario.application.versions;
    let answered = run.requests.target_5xx;
    let failing = versions.iter().find(|(_, version)| version.error_share > 0.0).filter(|_| answered > 0);
    let failing = failing.map(|(revision, version)| {
        let share = percent(version.error_share);
        let requests = counted(answered, "request");
        format!("{requests} got a 5xx of the program itself: {revision} fails {share} of what it answers.")
    });
    // Where requests were too slow for the load balancer, the version that is slow says why.
    let timed_out = run.causes[Cause::IdleTimeout.index()].count + run.causes[Cause::BacklogFull.index()].count;
    let slow = versions.iter().find_map(|(revision, version)| Some((revision, version.latency_factor?)));
    let slow = slow.filter(|(_, factor)| *factor > 1.0 && timed_out > 0);
    let slow = slow.map(|(revision, factor)| format!("{revision} works {factor} times as long on a request."));
    let sentences: Vec<_> = slow.into_iter().chain(failing).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::application::OnSigterm;
    use crate::model::load_balancer::EmptyTargetGroup;
    use crate::model::rollout::spec::{RolloutSpec, Strategy};
    use crate::random::Distribution;
    use crate::report::{sample, time};
    use crate::run::{CauseCount, LogEntry};
    use crate::scenario::workload::Workload;
    use crate::units::Duration;

    /// The quiet run with 25 errors/s of this cause in some seconds, and some events.
    fn failing(
        cause: Cause,
        seconds: std::ops::Range<usize>,
        events: &[(u64, &'static str, &'static str, &str, &str)],
    ) -> Run {
        let mut run = sample::quiet();
        for row in &mut run.seconds[60 + seconds.start..60 + seconds.end] {
            match cause.elb_status_code() {
                502 => row.elb_502 = 25,
                503 => row.elb_503 = 25,
                _ => row.elb_504 = 25,
            }
        }
        run.events.extend(sample::log(events));
        run.events.sort_by_key(|entry| entry.at);
        sample::recount(&mut run, cause);
        run
    }

    fn check(loaded: &Loaded, run: &Run, parts: &[&str]) {
        let text = explain(loaded, run);
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(text.ends_with(['.', ')']), "{text}");
    }

    #[test]
    fn a_late_rule_is_told_with_the_numbers_of_the_scenario() {
        check(
            &sample::loaded(),
            &sample::incident(),
            &[
                "At setWeight 100 (t = 420 s), the controller scaled the ReplicaSet of v1 from 1 to 0 pods 100 ms after it \
                 asked for weight 100",
                "kept sending 10 % of the requests to the stable target group until t = 490 s, 70 s after",
                "1,750 requests got 502 because the pod had closed its port.",
                "goes on with the last targets it knew",
            ],
        );
    }

    #[test]
    fn a_late_rule_over_an_empty_group_is_a_503() {
        let mut loaded = sample::loaded();
        loaded.scenario.load_balancer.empty_target_group = EmptyTargetGroup::Answer503;
        let events = [
            (420_100, "rollouts-controller", "ScaleReplicaSet", "v1", "1 -> 0"),
            (423_000, "load-balancer", "GroupEmpty", "node 0 stable", ""),
            (480_100, "rollouts-controller", "SwitchService", "stable", "v1 -> v2"),
        ];
        let run = failing(Cause::NoRegisteredTargets, 423..490, &events);
        check(
            &loaded,
            &run,
            &[
                "to the stable target group until t = 490 s",
                "1,675 requests got 503 because the target group was empty",
            ],
        );
    }

    /// When an event happened, as the sentence writes it.
    fn when(run: &Run, event: &str, object: &str, detail: &str) -> String {
        let wanted =
            |entry: &&LogEntry| entry.event == event && entry.object == object && entry.detail.ends_with(detail);
        time(run, run.events.iter().rfind(wanted).expect("it happened").at)
    }

    #[test]
    fn a_real_run_over_an_empty_group_names_no_cause_later_than_its_effect() {
        let (loaded, run) = real(include_str!("../../../scenarios/article/2b-empty-group.toml"), &[]);
        check(
            &loaded,
            &run,
            &["scaled the ReplicaSet of v1 from 1 to 0", "group was empty", "The promotion ended it earlier"],
        );
        let switch = when(&run, "SwitchService", "stable", "v1 -> v2");
        let text = explain(&loaded, &run);
        assert!(!text.contains("pointed") && !text.contains(&switch), "{text}");
    }

    #[test]
    fn a_long_pre_stop_parts_the_scale_down_from_the_failures() {
        let (loaded, run) = real(include_str!("../../../scenarios/article/2-pod-tuning.toml"), &[]);
        let start = run.steps.iter().find(|step| step.step == "setWeight 100").and_then(|step| step.started);
        let scaled = when(&run, "ScaleReplicaSet", "v1", "1 -> 0");
        let deleted = run.events.iter().rfind(|entry| entry.event == "Deleted" && entry.detail == "v1");
        let last = &deleted.expect("the last pod").object;
        check(
            &loaded,
            &run,
            &[
                &format!("At setWeight 100 (t = {}), the controller scaled", time(&run, start.expect("it began"))),
                &format!("closed its port at t = {} (preStop hook: 1m)", when(&run, "ListenerClosed", last, "v1")),
                &format!("until t = {}", when(&run, "RuleEffective", "node 1", "canary 100 stable 0")),
            ],
        );
        assert!(!explain(&loaded, &run).contains(&scaled), "it is told as a time after the request for the weight");
    }

    #[test]
    fn a_weight_that_the_promotion_replaced_is_not_said_to_have_been_waited_for() {
        let (loaded, run) = real(FIRST_RUN, &["load_balancer_controller.rule_lag=1h"]);
        check(
            &loaded,
            &run,
            &["; the promotion replaced weight 100 before it was sent", "The promotion ended it earlier"],
        );
        let steps = "rollout.strategy.canary.steps=[{setWeight=50},{pause={}}]";
        let (loaded, run) = real(FIRST_RUN, &["load_balancer_controller.rule_lag=1h", steps]);
        assert!(!explain(&loaded, &run).contains("promotion"), "{}", explain(&loaded, &run));
    }

    #[test]
    fn failures_that_began_before_the_release_are_not_its_doing() {
        let (loaded, run) = real(FIRST_RUN, &["traffic.service_time=62s", "application.concurrency=1000"]);
        check(
            &loaded,
            &run,
            &["Already before the release, between t = -30 s and t = 0 s, 950 requests", "takes 62 s on average"],
        );
    }

    #[test]
    fn a_pod_whose_address_is_gone_has_no_full_backlog() {
        let overrides = ["application.concurrency=1", "traffic.service_time=90ms"];
        let (loaded, run) = real(FIRST_RUN, &overrides);
        assert_eq!(run.causes[Cause::BacklogFull.index()].count, 0);
        assert!(!explain(&loaded, &run).contains("queue of connections"), "{}", explain(&loaded, &run));
        let full = [&overrides[..], &["application.backlog=0"]].concat();
        let (loaded, run) = real(FIRST_RUN, &full);
        check(&loaded, &run, &["got 504 because the pod's queue of connections was full"]);
    }

    #[test]
    fn a_weight_taken_back_ends_where_the_nodes_take_it_back() {
        let steps = "rollout.strategy.canary.steps=[{setWeight=50},{pause={duration=60}},{setWeight=0},{pause={duration=60}},\
                     {setWeight=50},{pause={duration=60}}]";
        let (loaded, run) = real(FIRST_RUN, &[steps]);
        let back = run.steps[2].weight_effective.expect("the pass after the step asks for it");
        assert!(run.steps[2].completed < run.steps[2].weight_asked && run.steps[4].started > Some(back));
        check(&loaded, &run, &[&format!("until t = {}, ", time(&run, back))]);
    }

    #[test]
    fn without_a_promotion_none_is_named() {
        let fixed = include_str!("../../../scenarios/article/4-fixed.toml");
        let (loaded, run) = real(fixed, &["simulation.horizon=5m"]);
        check(&loaded, &run, &["the stable pods stayed to the end of the run"]);
        let (loaded, run) = real(fixed, &[]);
        check(&loaded, &run, &["stayed until 1m after the promotion"]);
    }

    #[test]
    fn an_exchange_of_targets_at_the_promotion_is_told_as_such() {
        let events = [
            (480_100, "rollouts-controller", "SwitchService", "stable", "v1 -> v2"),
            (482_000, "load-balancer", "GroupEmpty", "node 0 stable", ""),
        ];
        let run = failing(Cause::NoRegisteredTargets, 482..492, &events);
        check(
            &sample::loaded(),
            &run,
            &[
                "After the last step (over at t = 480 s)",
                "from v1 to v2 (t = 480.1 s). While its targets were exchanged, between t = 482.3 s and t = 492 s,",
                "250 requests got 503",
            ],
        );
    }

    #[test]
    fn a_late_deregistration_is_told_by_the_pod_that_suffered_longest() {
        let events = [
            (180_200, "pod", "Deleted", "pod-3", "v1"),
            (180_200, "pod", "Deleted", "pod-4", "v1"),
            (180_500, "pod", "ListenerClosed", "pod-3", "v1"),
            (180_500, "pod", "ListenerClosed", "pod-4", "v1"),
            (181_700, "load-balancer", "TargetRemoved", "node 0 stable", "pod-3"),
            (183_400, "load-balancer", "TargetRemoved", "node 1 stable", "pod-4"),
        ];
        let run = failing(Cause::ConnectionRefused, 180..183, &events);
        check(
            &sample::loaded(),
            &run,
            &[
                "At setWeight 60 (t = 180 s), 2 pods stopped: pod-4 closed its port 300 ms",
                "until 3.2 s after its deletion. 75",
                "75 requests got 502",
            ],
        );
    }

    #[test]
    fn requests_cut_off_are_told_by_what_ended_the_program() {
        let term = [(180_200, "pod", "Deleted", "pod-3", "v1"), (180_500, "pod", "Exited", "pod-3", "v1")];
        let mut kill = term.to_vec();
        kill.push((210_500, "pod", "SIGKILL", "pod-3", "v1"));
        let mut loaded = sample::loaded();
        check(
            &loaded,
            &failing(Cause::ResetInFlight, 180..181, &term),
            &["1 pod exited at once on SIGTERM (no preStop hook)", "25 requests got 502"],
        );
        loaded.scenario.application.on_sigterm = OnSigterm::Ignore;
        check(
            &loaded,
            &failing(Cause::ResetInFlight, 205..209, &kill),
            &["1 pod still worked when the grace period of 30s"],
        );
    }

    #[test]
    fn overload_is_told_as_a_multiple_of_the_usual_share() {
        let events = [
            (180_000, "rollouts-controller", "SetWeight", "ingress", "canary 60 stable 40"),
            (250_000, "load-balancer", "RuleEffective", "node 1", "canary 60 stable 40"),
        ];
        let mut run = failing(Cause::IdleTimeout, 260..330, &events);
        let mut loaded = sample::loaded();
        loaded.scenario.application.concurrency = 2;
        loaded.scenario.traffic.service_time = Distribution::millis(50);
        check(
            &loaded,
            &run,
            &[
                "At setWeight 80 (t = 260 s), 2 pods of v1 got 40 % of the requests (the weight reached the ALB 70 s after",
                "50 requests/s each, 2 times the 25 of a pod in the steady state and more than the 40 that one can answer",
                "1,750 requests got 504",
                "gave no answer within the idle time-out",
            ],
        );
        run.events.extend(sample::log(&[(
            260_000,
            "rollouts-controller",
            "SetWeight",
            "ingress",
            "canary 80 stable 20",
        )]));
        run.events.sort_by_key(|entry| entry.at);
        check(
            &loaded,
            &run,
            &[
                "(the ALB still routed by weight 60, asked for at t = 180 s, and not yet by weight 80, asked for at t = 260 s)",
            ],
        );
    }

    #[test]
    fn slow_answers_of_pods_with_free_workers_are_no_overload() {
        let run = failing(Cause::IdleTimeout, 260..330, &[]);
        check(&sample::loaded(), &run, &["takes 40 ms on average, the ALB waits 1m for an answer"]);
    }

    /// A scenario of the gallery with overrides, and its run.
    fn real(text: &str, overrides: &[&str]) -> (Loaded, Run) {
        let overrides: Vec<_> = overrides.iter().copied().map(String::from).collect();
        let loaded = crate::scenario::load::load(text, "real", &overrides).expect("a scenario");
        let run = crate::simulation::run(&loaded.scenario, 1);
        (loaded, run)
    }

    const FIRST_RUN: &str = include_str!("../../../scenarios/first-run.toml");

    #[test]
    fn a_service_that_never_had_enough_pods_is_not_the_releases_fault() {
        let (loaded, run) = real(FIRST_RUN, &["application.concurrency=1", "traffic.rate=80/s"]);
        check(
            &loaded,
            &run,
            &["Even without a release, 4 pods can't carry the load: 80 requests/s arrive", "(concurrency 1,"],
        );
    }

    #[test]
    fn errors_of_a_release_without_steps_are_not_before_it() {
        let (loaded, run) = real(FIRST_RUN, &["rollout.strategy.canary.steps=[]"]);
        assert!(run.steps.is_empty());
        check(&loaded, &run, &["In the release, which has no steps, "]);
    }

    #[test]
    fn requests_that_no_rule_took_are_counted_among_their_like() {
        let (loaded, mut run) = crate::report::classes::sample::exposed();
        run.causes[Cause::ConnectionRefused.index()] = CauseCount::default();
        run.failures.retain(|second| second.causes[Cause::NoMatchingRule.index()] > 0);
        check(&loaded, &run, &["20 requests got 404: no rule of the listener took them"]);
        let text = explain(&loaded, &run);
        assert!(!text.contains("in the whole run"), "{text}");
    }

    #[test]
    fn too_few_requests_prove_nothing() {
        let (loaded, mut run) = (sample::loaded(), sample::quiet());
        run.requests.total = 30;
        check(&loaded, &run, &["No request failed", "only 30 requests arrived: up to 10 % could still fail."]);
        run.requests.total = 0;
        assert_eq!(explain(&loaded, &run), "No request arrived, so the run says nothing about failures.");
    }

    #[test]
    fn the_scenarios_own_limits_are_named() {
        let loaded = sample::loaded();
        let mut short = sample::loaded();
        short.scenario.application.keep_alive = Duration::secs(5);
        let run = failing(Cause::KeepAliveRace, 5..6, &[]);
        check(&short, &run, &["keeps idle connections for 5s, no longer than the ALB's 1m"]);
        check(
            &loaded,
            &failing(Cause::DeregistrationDelayExpired, 200..202, &[]),
            &["At setWeight 60 (t = 180 s)", "deregistration delay of 30s", "took 2.3 s"],
        );
    }

    #[test]
    fn without_an_error_the_protection_is_named() {
        let (mut loaded, mut run) = (sample::loaded(), sample::quiet());
        check(&loaded, &run, &["No request failed: no pod was stopped; the slowest weight took 70 s"]);
        loaded.scenario.pod.pre_stop = Some(Duration::secs(90));
        run.events.extend(sample::log(&[
            (180_200, "pod", "Deleted", "pod-3", "v1"),
            (270_500, "pod", "ListenerClosed", "pod-3", "v1"),
        ]));
        check(&loaded, &run, &["kept its port open for 90.3 s or more", "(preStop hook: 1m30s)"]);
        let rollout = loaded.scenario.workload.rollout().expect("the sample is a Rollout").clone();
        let canary = Canary { dynamic_stable_scale: false, ..rollout.canary().clone() };
        loaded.scenario.workload = Workload::Rollout(RolloutSpec { strategy: Strategy::Canary(canary), ..rollout });
        check(&loaded, &run, &["stayed until 30s after the promotion"]);
        run.rollout.stable_gone = None;
        check(&loaded, &run, &["stayed to the end of the run"]);
    }
}
