//! Header routes from the step to the requests: one that ELBv2 refuses, and who gets what while one is in force.

use crate::support::of_gallery;
use rollout_sim::model::Revision;
use rollout_sim::run::{LogEntry, Run};
use rollout_sim::simulation::{run, run_traced};
use rollout_sim::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

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

/// While the route is in force at every node: testers see the new version alone, the public never.
#[test]
fn nobody_sees_both_versions_while_a_header_route_is_in_force() {
    let loaded = of_gallery("routing/header-x-canary-bad", &[]);
    let run = run_traced(&loaded.scenario, 1).run;
    let of = |detail: &str| {
        let is = |entry: &&LogEntry| entry.event == "RouteEffective" && entry.detail.starts_with(detail);
        run.events
            .iter()
            .filter(is)
            .map(|entry| (entry.at, entry.object.clone(), entry.detail.clone()))
            .collect::<Vec<_>>()
    };
    let (set, all) = (of("testers web-canary 1"), of("testers"));
    let nodes: BTreeSet<_> = set.iter().map(|(_, node, _)| node.clone()).collect();
    assert_eq!(nodes.len(), run.nodes as usize, "{all:?}");
    let from = set.iter().map(|(at, ..)| *at).max().expect("every node has it");
    let until = all.iter().map(|(at, ..)| *at).find(|at| *at > from).expect("the abort takes it away");
    // Before that the Service of the canary leads to stable pods: flapping after an abort is an exception of its own.
    let until = until.min(run.rollout.aborted.expect("somebody aborts"));
    assert!(until > from + Duration::secs(60), "{all:?}");
    let class = |name: &str| loaded.scenario.traffic.classes.iter().position(|class| class.name == name).unwrap();
    let (testers, public) = (class("testers"), class("public"));
    let trace = run.trace.as_ref().expect("the run is traced");
    let inside = trace.iter().filter(|one| (from..until).contains(&one.arrival) && one.outcome.is_from_target());
    let mut seen: BTreeMap<(usize, u32), BTreeSet<Option<Revision>>> = BTreeMap::new();
    for request in inside {
        seen.entry((usize::from(request.class), request.user)).or_default().insert(request.version);
    }
    let saw_both = seen.values().filter(|versions| versions.len() > 1).count();
    assert_eq!(saw_both, 0);
    let of_class = |wanted: usize| seen.iter().filter(move |((class, _), _)| *class == wanted).map(|(_, seen)| seen);
    assert!(of_class(testers).count() > 10 && of_class(testers).all(|seen| seen.contains(&Some(Revision(2)))));
    assert!(of_class(public).count() > 500 && of_class(public).all(|seen| seen.contains(&Some(Revision(1)))));
    assert_eq!(run.classes[public].first_exposure, None);
}
