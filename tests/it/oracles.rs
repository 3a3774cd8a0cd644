//! Decisions and whole histories that were observed on the real Rollouts controller, where they are at hand:
//! `ROLLOUT_SIM_CORPUS` names the folder (`.ci/run` sets it). Without it there is nothing to compare with.
//!
//! Only what this version models is compared: a canary with traffic routing, one new image, nobody interferes.

use rollout_sim::model::replica_set;
use rollout_sim::model::rollout::replicas::desired;
use rollout_sim::model::rollout::step::{CanaryScale, Step};
use rollout_sim::model::rollout::{Effect, Input, Rollout, RolloutSpec, Weights};
use rollout_sim::model::{Revision, Service};
use rollout_sim::units::{Duration, Instant, Percent};
use serde_json::Value;
use std::collections::BTreeSet;

const STABLE: Revision = Revision(1);
const CANARY: Revision = Revision(2);

/// The cases of one file, or None without the corpus.
fn cases(name: &str) -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os("ROLLOUT_SIM_CORPUS") else {
        eprintln!("skipped: ROLLOUT_SIM_CORPUS is not set");
        return None;
    };
    let path = std::path::Path::new(&folder).join("oracles").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(text.lines().map(|line| serde_json::from_str(line).expect("each line is a case")).collect())
}

fn percent(value: &Value) -> Option<Percent> {
    Percent::try_from(value.as_i64()?).ok()
}

/// None for a step that this version does not model.
fn step(value: &Value) -> Option<Step> {
    let fields = value.as_object()?;
    if fields.len() != 1 {
        return None;
    }
    if let Some(weight) = fields.get("setWeight") {
        return percent(weight).map(Step::SetWeight);
    }
    if let Some(scale) = fields.get("setCanaryScale") {
        return canary_scale(scale).map(Step::SetCanaryScale);
    }
    match fields.get("pause")?.get("duration") {
        None => Some(Step::Pause(None)),
        Some(Value::Number(secs)) => Some(Step::Pause(Some(Duration::secs(secs.as_u64()?)))),
        Some(Value::String(text)) => {
            let duration = text.parse().map(Duration::secs).or_else(|_| text.parse::<Duration>()).ok()?;
            Some(Step::Pause(Some(Duration::secs(duration.whole_secs()))))
        }
        Some(_) => None,
    }
}

fn canary_scale(scale: &Value) -> Option<CanaryScale> {
    if scale.get("matchTrafficWeight") == Some(&Value::Bool(true)) {
        return Some(CanaryScale::MatchTrafficWeight);
    }
    match (scale.get("replicas"), scale.get("weight")) {
        (Some(replicas), _) => Some(CanaryScale::Replicas(u32::try_from(replicas.as_u64()?).ok()?)),
        (None, Some(weight)) => percent(weight).map(CanaryScale::Weight),
        (None, None) => Some(CanaryScale::MatchTrafficWeight),
    }
}

fn steps(value: &Value) -> Option<Vec<Step>> {
    value.as_array().map_or(Some(vec![]), |steps| steps.iter().map(step).collect())
}

fn number(value: &Value, default: u32) -> u32 {
    value.as_u64().map_or(default, |number| u32::try_from(number).expect("a pod count"))
}

/// `maxUnavailable` in pods: a percentage is rounded down; with `maxSurge` also 0, it is 1.
fn max_unavailable(canary: &Value, replicas: u32) -> u32 {
    let resolve = |key: &str, up: bool| {
        let value = &canary[key];
        let share = value.as_str().map(|text| text.trim_end_matches('%').parse().unwrap_or(0));
        let share = share.or(value.is_null().then_some(25));
        share.map_or_else(|| number(value, 0), |share| percentage(share, replicas, up))
    };
    let (surge, unavailable) = (resolve("maxSurge", true), resolve("maxUnavailable", false));
    if surge == 0 && unavailable == 0 { 1 } else { unavailable.min(replicas) }
}

fn percentage(share: u32, replicas: u32, up: bool) -> u32 {
    if up { (share * replicas).div_ceil(100) } else { share * replicas / 100 }
}

/// None if the case is about something that is not modelled yet.
fn wanted_of(case: &Value) -> Option<(RolloutSpec, usize, Option<Weights>)> {
    let inputs = &case["inputs"];
    let foreign = ["abort", "promoteFull", "minPodsPerReplicaSet", "maxTrafficWeight", "canaryIsStable"];
    let update = inputs["statusStableRS"].is_string() && inputs["statusStableRS"] != inputs["statusCurrentPodHash"];
    if foreign.iter().any(|key| !inputs[key].is_null()) || !update || inputs["stableRS"].is_null() {
        return None;
    }
    let steps = steps(&inputs["steps"])?;
    let index = usize::try_from(inputs["currentStepIndex"].as_u64().unwrap_or(0)).expect("small");
    let weights = percent(&inputs["weights"]["canary"]).map(|canary| Weights {
        canary,
        canary_revision: CANARY,
        stable_revision: STABLE,
    });
    let spec = RolloutSpec {
        replicas: number(&inputs["specReplicas"], 1),
        min_ready: Duration::ZERO,
        steps,
        dynamic_stable_scale: inputs["dynamicStableScale"] == Value::Bool(true),
        scale_down_delay: Duration::secs(30),
        max_unavailable: 0,
    };
    Some((spec, index, weights))
}

#[test]
fn replica_counts_are_those_of_the_real_controller() {
    let mut compared = 0;
    for file in ["replica_counts_traffic_routed-1.jsonl", "replica_counts_traffic_routed-2.jsonl"] {
        let Some(cases) = cases(file) else { return };
        for case in cases {
            let Some((spec, index, weights)) = wanted_of(&case) else { continue };
            let ours = desired(&spec, index, weights);
            let real = (number(&case["expected"]["stable"], 0), number(&case["expected"]["canary"], 0));
            assert_eq!((ours.stable, ours.canary), real, "{case}");
            compared += 1;
        }
    }
    println!("{compared} replica counts");
    assert!(compared > 1_000, "only {compared} cases were compared");
}

/// ReplicaSets whose pods come and go at once, as in the recorded world.
#[derive(Default)]
struct World {
    /// Creation second of each pod, and how long it takes to become available, by revision.
    pods: [Vec<u64>; 2],
    available_after: [Option<u64>; 2],
}

impl World {
    fn scale(&mut self, revision: Revision, to: u32, now: u64) {
        // On a scale-down the newest pods go first.
        self.pods[revision.0 as usize - 1].resize(to as usize, now);
    }

    fn status(&self, revision: Revision, now: u64) -> replica_set::Status {
        let index = revision.0 as usize - 1;
        let is_available = |created: &&u64| self.available_after[index].is_some_and(|after| **created + after <= now);
        let count = |pods: usize| u32::try_from(pods).expect("a pod count");
        replica_set::Status {
            created: count(self.pods[index].len()),
            available: count(self.pods[index].iter().filter(is_available).count()),
        }
    }
}

/// What is compared at the end of a second: step, weight, Services, and each ReplicaSet's wanted and available pods.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    step: u64,
    weight: u64,
    services: [Revision; 2],
    pods: [(u64, u64); 2],
}

struct Player {
    rollout: Rollout,
    world: World,
    services: [Revision; 2],
    weight: u64,
    timers: BTreeSet<u64>,
    heard: [replica_set::Status; 2],
}

impl Player {
    /// Everything that happens at one second, without time between: the clock stands a millisecond after it.
    fn settle(&mut self, now: u64, input: Option<Input>) {
        let instant = Instant::START + Duration::secs(now) + Duration::millis(1);
        let mut effects = input.map_or(vec![], |input| self.rollout.handle(instant, input));
        if self.timers.remove(&now) {
            effects.extend(self.rollout.handle(instant, Input::Timer));
        }
        for _ in 0..200 {
            let mut passes = false;
            for effect in std::mem::take(&mut effects) {
                passes |= effect == Effect::ReconcileSoon;
                self.carry_out(effect, now);
            }
            for revision in [STABLE, CANARY] {
                let status = self.world.status(revision, now);
                let known = revision == STABLE || self.rollout.knows(CANARY);
                if known && std::mem::replace(&mut self.heard[revision.0 as usize - 1], status) != status {
                    effects.extend(self.rollout.handle(instant, Input::ReplicaSetStatus(revision, status)));
                }
            }
            if passes {
                effects.extend(self.rollout.handle(instant, Input::Reconcile));
            } else if effects.is_empty() {
                return;
            }
        }
        panic!("the controller does not come to rest at {now} s");
    }

    fn carry_out(&mut self, effect: Effect, now: u64) {
        match effect {
            Effect::WakeAt(at) => {
                let second = at.saturating_since(Instant::START).whole_secs();
                self.timers.insert(if second > now { second } else { now + 1 });
            }
            Effect::Scale { revision, to, .. } => self.world.scale(revision, to, now),
            Effect::SwitchService { service, to, .. } => self.services[service.index()] = to,
            Effect::SetWeight(weight) => self.weight = u64::from(weight.get()),
            Effect::ReconcileSoon
            | Effect::CreateReplicaSet(_)
            | Effect::StepStarted(_)
            | Effect::StepCompleted(_)
            | Effect::ScaleDownDeadline(..)
            | Effect::Promoted(_) => {}
        }
    }

    fn snapshot(&self, now: u64) -> Snapshot {
        let pods = |revision| {
            let status = self.world.status(revision, now);
            (u64::from(self.rollout.replicas_of(revision)), u64::from(status.available))
        };
        Snapshot {
            step: self.rollout.step_index() as u64,
            weight: self.weight,
            services: self.services,
            pods: [pods(STABLE), pods(CANARY)],
        }
    }
}

fn recorded(row: &Value) -> Option<Snapshot> {
    let revision = |image: &Value| Some(if image == "v2" { CANARY } else { STABLE });
    let pods = |image: &str| {
        let pair = &row["rs"][image];
        (pair[0].as_u64().unwrap_or(0), pair[1].as_u64().unwrap_or(0))
    };
    let services = [Service::Stable, Service::Canary].map(|service| revision(&row["services"][service.to_string()]));
    Some(Snapshot {
        step: row["step"].as_u64()?,
        weight: row["weights"]["canary"].as_u64()?,
        services: [services[0]?, services[1]?],
        pods: [pods("v1"), pods("v2")],
    })
}

/// The spec, when the new image came, and how long the pods of both images take; None for what is not modelled.
fn history_of(case: &Value) -> Option<(RolloutSpec, u64, [Option<u64>; 2])> {
    let (inputs, spec) = (&case["inputs"], &case["inputs"]["spec"]);
    let canary = &spec["strategy"]["canary"];
    let foreign = ["pingPong", "minPodsPerReplicaSet", "replicaProgressThreshold"];
    let routed = !canary["trafficRouting"]["alb"].is_null() || !canary["trafficRouting"]["smi"].is_null();
    if !routed || foreign.iter().any(|key| !canary[key].is_null()) || !spec["progressDeadlineAbort"].is_null() {
        return None;
    }
    if !canary["trafficRouting"]["maxTrafficWeight"].is_null() {
        return None;
    }
    let [event] = inputs["events"].as_array()?.as_slice() else { return None };
    if event["action"] != "setImage" || event["image"] != "v2" {
        return None;
    }
    let replicas = number(&spec["replicas"], 1);
    let dynamic_stable_scale = canary["dynamicStableScale"] == Value::Bool(true);
    let after = |image: &str| {
        let times = &inputs["podAvailableAfterSeconds"];
        times.get(image).or(times.get("default")).and_then(Value::as_u64)
    };
    let rollout = RolloutSpec {
        replicas,
        min_ready: Duration::ZERO,
        steps: steps(&canary["steps"])?,
        dynamic_stable_scale,
        scale_down_delay: Duration::secs(canary["scaleDownDelaySeconds"].as_u64().unwrap_or(30)),
        max_unavailable: max_unavailable(canary, replicas),
    };
    Some((rollout, event["t"].as_u64()?, [after("v1"), after("v2")]))
}

fn compare_history(case: &Value) -> bool {
    let Some((spec, begin, available_after)) = history_of(case) else { return false };
    let rows: Vec<_> = case["expected"].as_array().expect("rows").iter().collect();
    let mut world = World { available_after, ..World::default() };
    world.scale(STABLE, spec.replicas, 0);
    // The first deployment is no canary: it must be over, and have all its pods, when the new image comes.
    let before = rows.iter().rfind(|row| row["t"].as_u64().expect("a second") < begin);
    let settled = before.is_some_and(|row| row["phase"] == "Healthy");
    if !settled || available_after[0].is_none_or(|after| after >= begin) {
        return false;
    }
    let full = world.status(STABLE, begin);
    let mut player = Player {
        rollout: Rollout::established(spec),
        world,
        services: [STABLE; 2],
        weight: 0,
        timers: BTreeSet::new(),
        heard: [full, replica_set::Status::default()],
    };
    let horizon = case["inputs"]["horizonSeconds"].as_u64().expect("a horizon");
    let mut expected = None;
    for now in begin..=horizon {
        player.settle(now, (now == begin).then_some(Input::TemplateChanged(CANARY)));
        if let Some(row) = rows.iter().find(|row| row["t"] == now) {
            expected = recorded(row);
        }
        assert_eq!(Some(player.snapshot(now)), expected, "{} at {now} s", case["name"]);
    }
    true
}

#[test]
fn whole_histories_are_those_of_the_real_controller() {
    let mut compared = 0;
    for file in ["controller_traces_named.jsonl", "controller_traces.jsonl"] {
        let Some(cases) = cases(file) else { return };
        compared += cases.iter().filter(|case| compare_history(case)).count();
    }
    println!("{compared} histories");
    assert!(compared > 20, "only {compared} histories were compared");
}
