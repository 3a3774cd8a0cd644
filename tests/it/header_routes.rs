//! Header routes from the step to the requests: one that ELBv2 refuses, and who gets what while one is in force.

use crate::support::of_gallery;
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::simulation::run;
use rollout_sim::units::{Duration, Instant};

/// When the log says these things for the first time, in seconds since the start of the run.
fn first(run: &Run, event: &str, detail: &str) -> Option<f64> {
    let is = |entry: &&LogEntry| entry.event == event && entry.detail.starts_with(detail);
    run.events.iter().find(is).map(|entry| (entry.at - Instant::START).as_secs_f64())
}

#[test]
fn weights_pass_a_route_that_is_refused() {
    let four = ["2", "3", "4", "5"]
        .map(|value| format!("{{ headerName = \"version\", headerValue = {{ exact = \"{value}\" }} }}"));
    let steps = format!(
        "rollout.strategy.canary.steps=[{{ setCanaryScale = {{ weight = 10 }} }}, {{ setHeaderRoute = {{ name = \
         \"version-2\", match = [{}] }} }}, {{ pause = {{ duration = \"120s\" }} }}, {{ setWeight = 20 }}, {{ pause = {{ \
         duration = \"60s\" }} }}]",
        four.join(", ")
    );
    let scenario = of_gallery("routing/article-header-route", &["actions=[]", &steps]).scenario;
    let run = run(&scenario, 1);
    let of = |event: &str| run.events.iter().filter(|entry| entry.event == event).collect::<Vec<_>>();
    assert!(of("FailedBuildModel").is_empty());
    assert!(of("CreateRule").iter().all(|entry| !entry.detail.contains("http-header")));
    let failed = of("FailedDeployModel");
    assert_eq!(failed[0].detail, "a http-header condition has at most 3 values, this one has 4");
    // With a back-off: a pass of 2 s a time at first, and less and less often.
    assert!((8..40).contains(&failed.len()), "{} failures", failed.len());
    let weight = run.steps[3].weight_effective.expect("the rule of the weights has made way");
    let asked = first(&run, "SetWeight", "canary 20").expect("the step asks for it");
    assert!((weight - Instant::START).as_secs_f64() < asked + 60.0);
    let testers = run.classes[1].total(2);
    assert!(testers.iter().sum::<u64>() > 0, "testers meet the weight as everybody does");
    assert_eq!(run.rollout.outcome.name(), "promoted");
    // The route goes with the promotion, and with it what was refused.
    let promoted = run.rollout.promoted.expect("it is promoted");
    assert!(failed.last().expect("there are some").at < promoted + Duration::secs(10));
}
