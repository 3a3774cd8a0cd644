//! The world in which the histories were recorded: pods come and go at once, and a router obeys at once.

use super::read;
use rollout_sim::model::rollout::spec::{RolloutSpec, Strategy};
use rollout_sim::model::rollout::status::PingPong;
use rollout_sim::model::rollout::{Command, Effect, Input, Rollout, Selector};
use rollout_sim::model::{Revision, Service, replica_set};
use rollout_sim::units::{Duration, Instant};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// More passes than this in one second: the controller does not come to rest.
const RESTLESS: usize = 200;

/// The controller looks at everything again. Source: `--rollout-resync`.
const RESYNC: u64 = 900;

pub struct World<'a> {
    inputs: &'a Value,
    rollout: Rollout,
    /// Creation seconds of the pods of each revision, the newest last.
    pods: BTreeMap<Revision, Vec<u64>>,
    /// Seconds at which the controller wants to be woken.
    timers: BTreeSet<u64>,
    pub rows: Vec<Value>,
    pub reconciles: Vec<Value>,
    pub is_restless: bool,
}

pub fn spec(spec: &Value) -> RolloutSpec {
    let fields = &spec["strategy"]["canary"];
    let routing = fields.get("trafficRouting").map(read::routing);
    let default = RolloutSpec::default();
    RolloutSpec {
        replicas: read::number(&spec["replicas"]).unwrap_or(1),
        progress_deadline: read::seconds(&spec["progressDeadlineSeconds"]).unwrap_or(default.progress_deadline),
        progress_deadline_abort: read::flag(&spec["progressDeadlineAbort"]),
        revision_history_limit: read::number(&spec["revisionHistoryLimit"]).unwrap_or(default.revision_history_limit),
        rollback_window: read::number(&spec["rollbackWindow"]["revisions"]),
        strategy: Strategy::Canary(read::canary(fields, routing)),
        ..default
    }
}

fn revision(image: &Value) -> Revision {
    Revision(image.as_str().and_then(|image| image.strip_prefix('v')).expect("an image").parse().expect("a number"))
}

fn image(revision: Option<Revision>) -> String {
    revision.map_or(String::new(), |revision| revision.to_string())
}

impl<'a> World<'a> {
    /// Plays the whole history.
    pub fn play(inputs: &'a Value) -> Self {
        let fields = &inputs["spec"]["strategy"]["canary"];
        let mut rollout = Rollout::created(spec(&inputs["spec"]), Revision(1));
        if fields.get("canaryService").is_none() && fields.get("pingPong").is_none() {
            rollout = rollout.without_services();
        }
        let routing = &fields["trafficRouting"];
        if routing.get("maxTrafficWeight").is_some() {
            let weight = &routing["maxTrafficWeight"];
            rollout = rollout.refused(format!(
                "The Rollout \"ro\" is invalid: spec.strategy.trafficRouting.maxTrafficWeight: Invalid value: {weight}: \
                 Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"
            ));
        }
        let (pods, timers) = (BTreeMap::new(), BTreeSet::new());
        let mut world = Self { inputs, rollout, pods, timers, rows: vec![], reconciles: vec![], is_restless: false };
        let horizon = inputs["horizonSeconds"].as_u64().expect("a horizon");
        let mut now = 0;
        loop {
            world.settle(now);
            match world.next_after(now) {
                Some(next) if next <= horizon => now = next,
                Some(_) | None => return world,
            }
        }
    }

    fn after(&self, revision: Revision) -> Option<u64> {
        let times = &self.inputs["podAvailableAfterSeconds"];
        times.get(revision.to_string()).or(times.get("default")).and_then(Value::as_u64)
    }

    /// When something is due next.
    fn next_after(&self, now: u64) -> Option<u64> {
        let events = self.inputs["events"].as_array().into_iter().flatten().filter_map(|event| event["t"].as_u64());
        let pods = self.pods.iter().flat_map(|(revision, pods)| {
            let after = self.after(*revision);
            pods.iter().filter_map(move |created| Some(created + after?))
        });
        let all = events.chain(pods).chain(self.timers.iter().copied()).chain([(now / RESYNC + 1) * RESYNC]);
        all.filter(|second| *second > now).min()
    }

    fn settle(&mut self, now: u64) {
        let instant = Instant::START + Duration::secs(now) + Duration::millis(1);
        self.timers.retain(|timer| *timer > now);
        let events: Vec<_> = self.inputs["events"].as_array().into_iter().flatten().cloned().collect();
        for event in events.iter().filter(|event| event["t"] == now) {
            self.act(instant, event);
        }
        for pass in 0.. {
            let available = |world: &Self, revision: Revision, pods: &[u64]| {
                let after = world.after(revision);
                pods.iter().filter(|created| after.is_some_and(|after| **created + after <= now)).count()
            };
            let count = |pods: usize| u32::try_from(pods).expect("few pods");
            for (revision, pods) in self.pods.clone() {
                let status = replica_set::Status {
                    created: count(pods.len()),
                    available: count(available(self, revision, &pods)),
                };
                self.rollout.handle(instant, Input::ReplicaSetStatus(revision, status));
            }
            let effects = self.rollout.handle(instant, Input::Reconcile);
            let wrote = effects.contains(&Effect::ReconcileSoon);
            for effect in effects {
                self.carry_out(now, effect);
            }
            self.record_reconcile(now, pass);
            let pods: BTreeMap<_, _> =
                self.rollout.replica_sets().iter().map(|set| (set.revision, set.replicas)).collect();
            for (revision, wanted) in &pods {
                self.pods.entry(*revision).or_default().resize(*wanted as usize, now);
            }
            self.pods.retain(|revision, _| pods.contains_key(revision));
            if !wrote {
                break;
            }
            if pass == RESTLESS {
                self.is_restless = true;
                break;
            }
        }
        let row = self.row(now);
        let last = self.rows.last().cloned().unwrap_or_default();
        if (Map::from_iter(without_time(&row)), true) != (Map::from_iter(without_time(&last)), true) {
            self.rows.push(row);
        }
    }

    fn act(&mut self, now: Instant, event: &Value) {
        let input = match event["action"].as_str().expect("an action") {
            "setImage" => Input::TemplateChanged(revision(&event["image"])),
            "scale" => Input::ReplicasChanged(read::number(&event["n"]).expect("a number")),
            "promote" => Input::Command(Command::Promote),
            "promoteFull" => Input::Command(Command::PromoteFull),
            "abort" => Input::Command(Command::Abort),
            "retry" => Input::Command(Command::Retry),
            "pause" => Input::Command(Command::Pause),
            other => panic!("an action: {other}"),
        };
        self.rollout.handle(now, input);
    }

    fn carry_out(&mut self, now: u64, effect: Effect) {
        if let Effect::WakeAt(at) = effect {
            // The clock stands a millisecond after the second.
            let nanos = at.as_nanos().saturating_sub(1_000_000);
            let second = nanos.div_ceil(1_000_000_000);
            self.timers.insert(second.max(now + 1));
        }
    }

    fn row(&self, now: u64) -> Value {
        let status = self.rollout.status();
        let fields = &self.inputs["spec"]["strategy"]["canary"];
        let mut row = json!({
            "t": now,
            "phase": status.phase.name(),
            "message": status.message.replace("ReplicaSet \"v", "ReplicaSet \"rs:v"),
            "step": status.step_index,
            "stable": image(status.stable),
            "current": image(status.current),
            "rs": self.replica_sets(now),
        });
        if let Some(weights) = self.weights() {
            row["weights"] = weights;
        }
        if !self.services().is_empty() {
            row["services"] = self.services().into();
        }
        if fields["trafficRouting"].get("alb").is_some() {
            row["ingress"] = self.ingress();
        }
        let pauses = status.pause_conditions.iter();
        let pauses: Vec<_> =
            pauses.map(|pause| format!("{}@{}", pause.reason.name(), pause.start.as_nanos() / 1_000_000_000)).collect();
        if !pauses.is_empty() {
            row["pauses"] = json!(pauses);
        }
        let deadlines = self.rollout.replica_sets().iter();
        let deadlines: Map<_, _> = deadlines
            .filter_map(|set| {
                Some((set.revision.to_string(), json!(set.scale_down_deadline?.as_nanos() / 1_000_000_000)))
            })
            .collect();
        if !deadlines.is_empty() {
            row["scaleDownDeadline"] = deadlines.into();
        }
        if status.abort {
            row["abort"] = json!(true);
        }
        if status.promote_full {
            row["promoteFull"] = json!(true);
        }
        if let Some(ping_pong) = status.stable_ping_pong {
            row["stablePingPong"] = json!(if ping_pong == PingPong::Ping { "ping" } else { "pong" });
        }
        row
    }

    fn replica_sets(&self, now: u64) -> Map<String, Value> {
        let available = |revision: Revision| {
            let after = self.after(revision);
            let pods = self.pods.get(&revision).into_iter().flatten();
            pods.filter(|created| after.is_some_and(|after| **created + after <= now)).count()
        };
        let sets = self.rollout.replica_sets().iter();
        sets.map(|set| (set.revision.to_string(), json!([set.replicas, available(set.revision)]))).collect()
    }

    fn weights(&self) -> Option<Value> {
        let weights = self.rollout.status().weights?;
        Some(json!({
            "canary": weights.canary.get(),
            "stable": weights.stable.get(),
            "canaryRev": image(weights.canary_revision),
            "stableRev": image(weights.stable_revision),
        }))
    }

    /// The names of the two Services.
    fn names(&self) -> [&'static str; 2] {
        let ping_pong = self.inputs["spec"]["strategy"]["canary"].get("pingPong").is_some();
        if ping_pong { ["pong", "ping"] } else { ["stable", "canary"] }
    }

    fn root(&self) -> Option<&str> {
        self.inputs["spec"]["strategy"]["canary"]["trafficRouting"]["alb"]["rootService"].as_str()
    }

    fn services(&self) -> Map<String, Value> {
        let Some(services) = self.rollout.services() else { return Map::new() };
        let own = self.names().into_iter().zip(services.map(|Selector { revision, .. }| json!(image(revision))));
        let own = own.map(|(name, revision)| (name.to_owned(), revision));
        own.chain(self.root().map(|root| (root.to_owned(), json!("")))).collect()
    }

    fn ingress(&self) -> Value {
        let ingress = self.rollout.ingress();
        let root = self.root().unwrap_or("stable");
        let mut paths: Vec<_> = ingress.routes.iter().map(|(route, _)| format!("/* -> {}", route.name)).collect();
        let has_route = !paths.is_empty();
        paths.push(format!("/* -> {root}"));
        let mut value = json!({ "paths": paths, "headerRoute": has_route });
        if let Some((canary, weight)) = ingress.weight {
            let stable = if canary == Service::Canary { Service::Stable } else { Service::Canary };
            let rest = weight.rest(rollout_sim::units::TrafficWeight::HUNDRED);
            let names = self.names();
            value["targetGroups"] = json!({ names[canary.index()]: weight.get(), names[stable.index()]: rest.get() });
        }
        value
    }

    /// As the controller saw the pods.
    fn record_reconcile(&mut self, now: u64, pass: usize) {
        let status = self.rollout.status();
        let sets = self.rollout.replica_sets().iter();
        let sets: Map<_, _> =
            sets.map(|set| (set.revision.to_string(), json!([set.replicas, set.available]))).collect();
        let row = json!({
            "t": now,
            "reconcile": pass,
            "phase": status.phase.name(),
            "step": status.step_index,
            "stable": image(status.stable),
            "weights": self.weights(),
            "rs": sets,
            "services": self.services(),
        });
        let last = self.reconciles.last().cloned().unwrap_or_default();
        if Map::from_iter(without_time(&row)) != Map::from_iter(without_time(&last)) {
            self.reconciles.push(row);
        }
    }
}

/// What is compared of a row, without when it was.
fn without_time(row: &Value) -> impl Iterator<Item = (String, Value)> {
    let fields = row.as_object().cloned().unwrap_or_default();
    fields.into_iter().filter(|(key, _)| !["t", "reconcile"].contains(&key.as_str()))
}
