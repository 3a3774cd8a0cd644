//! The steps of a canary: what the Rollouts controller makes of them, and what an ALB does meanwhile.

use super::Rule;
use crate::check::change::Change;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::{Subject, seconds};
use crate::model::rollout::basic_canary::nearest_split;
use crate::model::rollout::spec::Canary;
use crate::model::rollout::step::{CanaryScale, Step};
use crate::scenario::document::Node;
use crate::units::{Duration, TrafficWeight};
use std::ops::Range;

pub const RULES: &[Rule] = &[
    SHORT_PAUSE,
    FAR_JUMP,
    SMALL_CANARY,
    FALLING_WEIGHT,
    MATCH_AT_ZERO,
    ENDLESS_PAUSE,
    IMPOSSIBLE_WEIGHT,
    NO_STEPS,
    COLD_CANARY,
];

const STEPS: &str = "spec.strategy.canary.steps";

/// So many points at once are what a last weight may leave to the promotion. Assumption: as from 90 to 100.
const SMALL_JUMP: i64 = 10;

/// So far from its weight the share of a canary without a router may be. Assumption: five points.
const TOLERANCE: f64 = 5.0;

/// The steps of a canary with a router: as they are played, and as they are written.
#[derive(Clone, Copy)]
struct Steps<'a> {
    canary: &'a Canary,
    played: &'a [Step],
    written: &'a [Node],
    replicas: u32,
}

impl<'a> Steps<'a> {
    fn of(subject: &Subject<'a>) -> Option<Self> {
        let canary = subject.scenario?.workload.canary()?;
        let (played, written) = (canary.steps.as_slice(), subject.steps());
        let is_same = played.len() == written.len() && !played.is_empty();
        let steps = Self { canary, played, written, replicas: subject.replicas() };
        Some(steps).filter(|_| is_same && canary.is_traffic_routed())
    }

    /// Every setWeight with its position.
    fn weights(self) -> Vec<(usize, TrafficWeight)> {
        self.played.iter().enumerate().filter_map(|(index, step)| Some((index, step.weight()?))).collect()
    }

    /// The last setCanaryScale before a position.
    fn scale_before(self, index: usize) -> Option<(usize, CanaryScale)> {
        let scale = |(index, step): (usize, &Step)| Some((index, step.canary_scale()?));
        self.played[..index].iter().enumerate().rev().find_map(scale)
    }

    /// The pods that carry a weight.
    fn pods(self, weight: TrafficWeight) -> u32 {
        weight.pods_ceil(self.replicas, self.canary.max_weight())
    }

    /// The pods of a scale, unless it follows the weight.
    fn pods_of(self, scale: CanaryScale) -> Option<u32> {
        match scale {
            CanaryScale::Replicas(pods) => Some(pods),
            CanaryScale::Weight(weight) => Some(self.pods(weight)),
            CanaryScale::MatchTrafficWeight => None,
        }
    }

    /// How long the steps of a range wait; None if they wait for a person or for something whose time is not known.
    fn waits(self, range: Range<usize>) -> Option<Duration> {
        let is_known = |node: &Node| {
            let others = ["analysis", "experiment", "plugin"];
            node.table().is_none_or(|table| others.iter().all(|name| table.get(name).is_none()))
        };
        if !self.written[range.clone()].iter().all(is_known) {
            return None;
        }
        let wait = |step: &Step| match step {
            Step::Pause(time) => *time,
            Step::Analysis(_) => None,
            Step::SetWeight(_)
            | Step::SetCanaryScale(_)
            | Step::SetCanaryScaleAndWeight(..)
            | Step::SetHeaderRoute(_)
            | Step::SetMirrorRoute(_) => Some(Duration::ZERO),
        };
        self.played[range].iter().map(wait).sum()
    }

    /// Where a step stands: at its name.
    fn place(self, index: usize, name: &str) -> Option<Range<usize>> {
        self.written.get(index)?.table()?.get(name)?.key_place.clone()
    }
}

/// `pause: { duration: 25s }`, at least so long.
fn pause(time: Duration) -> String {
    format!("pause: {{ duration: {}s }}", seconds(time).next_multiple_of(5))
}

const SHORT_PAUSE: Rule = Rule {
    page: Page {
        code: "ALB017",
        title: "a pause that is shorter than the ALB takes to follow the weight",
        level: Level::Warning,
        cause: "A weight is an annotation at first. The load balancer controller, the batch of ten seconds in which the ALB \
                collects rule changes and its nodes follow one after the other.",
        consequence: "The ALB is a step behind: a pause watches the weight before, and with dynamicStableScale the stable \
                      pods of the weight before are already gone.",
        remedy: "pause after each setWeight for longer than the ALB takes to follow",
        source: "argo-rollouts issue 3617; AWS Load Balancer Controller issues 3588, 4039",
        example: include_str!("../../../scenarios/findings/ALB017.bad.yaml"),
        run: Some(Run::of("hazards/h12-pauses-shorter-than-the-lag")),
    },
    look: |subject| {
        let lag = subject.rule_effective_after().filter(|_| subject.is_routed_by_alb());
        let (Some(steps), Some(lag)) = (Steps::of(subject), lag) else { return Vec::new() };
        let weights = steps.weights();
        let mut before = TrafficWeight::ZERO;
        let (mut first, mut count, mut change) = (None, 0, None);
        for pair in weights.windows(2) {
            let ((index, weight), (next, _)) = (pair[0], pair[1]);
            let is_changed = weight != std::mem::replace(&mut before, weight);
            let Some(time) = steps.waits(index + 1..next).filter(|time| is_changed && *time < lag) else { continue };
            let longer = longer_pause(subject, steps, index..next, lag);
            change = if count == 0 { longer } else { change.and_then(|change: Change| change.and(longer)) };
            first.get_or_insert((index, weight, time));
            count += 1;
        }
        let Some((index, weight, time)) = first else { return Vec::new() };
        let further = if count > 1 { format!(", and so on at {} more", count - 1) } else { String::new() };
        let message = format!(
            "setWeight {weight} is followed by {} s of pauses{further}, and the ALB may follow it {} s later",
            seconds(time),
            seconds(lag)
        );
        let found = Found::at(steps.place(index, "setWeight"), message);
        // Without dynamicStableScale no request is lost by it, but a bad version is seen late.
        vec![if steps.canary.uses_dynamic_stable_scale() { found.played(change) } else { found.with(change) }]
    },
};

/// The first pause between two weights made so long, or a new one.
fn longer_pause(subject: &Subject<'_>, steps: Steps<'_>, range: Range<usize>, lag: Duration) -> Option<Change> {
    let is_pause = |index: &usize| matches!(steps.played[*index], Step::Pause(_));
    match (range.start + 1..range.end).find(is_pause) {
        Some(index) => {
            let value = format!("{}s", seconds(lag).next_multiple_of(5));
            subject.set(&format!("{STEPS}[{index}].pause.duration"), &value)
        }
        None => {
            let pause = pause(lag);
            let edit = subject.step_list().after(range.start, &[&pause])?;
            Some(Change { words: format!("add {pause}"), edits: vec![edit] })
        }
    }
}

const FAR_JUMP: Rule = Rule {
    page: Page {
        code: "R001",
        title: "the promotion moves many requests at once",
        level: Level::Warning,
        cause: "Behind the last step the controller asks for 100 % and promotes in the same moment: the stable Service gets \
                the new pods, its target group loses all its targets, and the rule changes, each in its own time.",
        consequence: "What the last weight left to the stable version goes to a group that is being exchanged: 502 and 503; \
                      and a bad version gets all the rest of the users at once.",
        remedy: "end the steps with setWeight: 100 and a pause; with dynamicStableScale with 99, as 100 would empty the stable \
                 group",
        source: "argo-rollouts issues 478, 587, 2864",
        example: include_str!("../../../scenarios/findings/R001.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let lag = subject.rule_effective_after().filter(|_| subject.is_routed_by_alb());
        let (Some(steps), Some(lag)) = (Steps::of(subject), lag) else { return Vec::new() };
        let weights = steps.weights();
        let last = weights.last().copied();
        let reached = last.map_or(0, |(_, weight)| weight.get());
        let before = weights.len().checked_sub(2).map_or(0, |index| weights[index].1.get());
        let end = steps.played.len() - 1;
        let place = match last {
            Some((index, _)) => steps.place(index, "setWeight"),
            None => subject.key_place(STEPS),
        };
        let pause = pause(lag);
        let list = subject.step_list();
        if reached < 100 && 100 - reached > SMALL_JUMP {
            let message =
                format!("the steps end at {reached} %: the promotion moves the other {} % at once", 100 - reached);
            let ends = if steps.canary.uses_dynamic_stable_scale() { &[99, 100][..] } else { &[100] };
            let change = |weight: &i32| {
                let weight = format!("setWeight: {weight}");
                let edit = list.after(end, &[&weight, &pause])?;
                Some(Change { words: format!("add {weight} and {pause} at the end"), edits: vec![edit] })
            };
            return vec![Found::at(place, message).played(ends.iter().filter_map(change))];
        }
        let Some((index, _)) = last.filter(|_| reached == 100 && 100 - before > SMALL_JUMP) else { return Vec::new() };
        let Some(time) = steps.waits(index + 1..end + 1).filter(|time| *time < lag) else { return Vec::new() };
        let message = format!(
            "the promotion comes {} s after setWeight 100, and the ALB may follow it {} s later",
            seconds(time),
            seconds(lag)
        );
        vec![Found::at(place, message).played(longer_pause(subject, steps, index..end + 1, lag))]
    },
};

const SMALL_CANARY: Rule = Rule {
    page: Page {
        code: "R002",
        title: "a canary that is too small for its weight",
        level: Level::Warning,
        cause: "setCanaryScale holds until the next setCanaryScale, whatever setWeight asks for. The controller compares the \
                two with nothing.",
        consequence: "Fewer pods get the share of the requests: they queue, time out and fail, if the pods have no room.",
        remedy: "scale the canary to the weight first, or write setCanaryScale: { matchTrafficWeight: true } behind setWeight",
        source: "Argo Rollouts documentation, Canary: Dynamic Canary Scale; argo-rollouts, utils/replicaset/canary.go",
        example: include_str!("../../../scenarios/findings/R002.bad.yaml"),
        run: Some(Run::of("hazards/h7-canary-too-small-for-its-weight")),
    },
    look: |subject| {
        let Some(steps) = Steps::of(subject) else { return Vec::new() };
        let found = |index: usize| {
            let scale = steps.played[index].canary_scale()?;
            let pods = steps.pods_of(scale)?;
            let until = steps.played[index + 1..].iter().position(|step| step.canary_scale().is_some());
            let end = until.map_or(steps.played.len(), |offset| index + 1 + offset);
            let most =
                steps.played[index + 1..end].iter().filter_map(Step::weight).max_by_key(|weight| weight.get())?;
            let needed = steps.pods(most);
            if pods >= needed {
                return None;
            }
            let (name, value) = match scale {
                CanaryScale::Replicas(_) => ("replicas", needed.to_string()),
                CanaryScale::Weight(_) | CanaryScale::MatchTrafficWeight => ("weight", most.get().to_string()),
            };
            let message = format!(
                "setCanaryScale keeps the canary at {pods} of {} pods, and setWeight {most} wants {needed}",
                steps.replicas
            );
            let change = subject.set(&format!("{STEPS}[{index}].setCanaryScale.{name}"), &value);
            Some(Found::at(steps.place(index, "setCanaryScale"), message).played(change))
        };
        (0..steps.played.len()).filter_map(found).collect()
    },
};

const FALLING_WEIGHT: Rule = Rule {
    page: Page {
        code: "R003",
        title: "a weight below the one before it",
        level: Level::Warning,
        cause: "The controller sizes the canary for the weight of the step, and asks for that weight only when the canary has \
                that size.",
        consequence: "The canary shrinks before the ALB sends it less: too few pods get the old share.",
        remedy: "hold the canary with setCanaryScale until the ALB follows, or let the weights rise only",
        source: "argo-rollouts, utils/replicaset/canary.go: AtDesiredReplicaCountsForCanary",
        example: include_str!("../../../scenarios/findings/R003.bad.yaml"),
        run: Some(Run::of("hazards/h5-lower-weight-shrinks-first")),
    },
    look: |subject| {
        let Some(steps) = Steps::of(subject) else { return Vec::new() };
        let weights = steps.weights();
        let found = |pair: &[(usize, TrafficWeight)]| {
            let ((_, before), (index, weight)) = (pair[0], pair[1]);
            let held = steps.scale_before(index).and_then(|(_, scale)| steps.pods_of(scale));
            let (many, few) = (steps.pods(before), steps.pods(weight));
            if few >= many || held.is_some_and(|held| held >= many) {
                return None;
            }
            let message = format!(
                "from {before} to {weight} the canary shrinks from {many} to {few} pods before its weight falls"
            );
            Some(Found::at(steps.place(index, "setWeight"), message).played(held_canary(subject, index, before)))
        };
        weights.windows(2).filter_map(found).collect()
    },
};

/// A canary that keeps its size until the ALB follows the lower weight.
fn held_canary(subject: &Subject<'_>, index: usize, before: TrafficWeight) -> Option<Change> {
    let list = subject.step_list();
    let hold = format!("setCanaryScale: {{ weight: {before} }}");
    let pause = pause(subject.rule_effective_after()?);
    let edits = vec![
        list.before(index, &[&hold])?,
        list.after(index, &[&pause, "setCanaryScale: { matchTrafficWeight: true }"])?,
    ];
    Some(Change { words: format!("add {hold} before it, {pause} and matchTrafficWeight behind it"), edits })
}

const MATCH_AT_ZERO: Rule = Rule {
    page: Page {
        code: "R005",
        title: "matchTrafficWeight throws the warm pods away",
        level: Level::Warning,
        cause: "matchTrafficWeight sizes the canary for the weight of the last setWeight. Before the first weight that is 0, \
                and so is the canary.",
        consequence: "The pods that a setCanaryScale has warmed up are deleted, and the first weight starts cold ones; header \
                      routes are removed with the last pod.",
        remedy: "move it behind the first setWeight above 0",
        source: "argo-rollouts issues 3501, 4233, 4486",
        example: include_str!("../../../scenarios/findings/R005.bad.yaml"),
        run: Some(Run::of("hazards/h6-match-throws-the-warm-pods-away")),
    },
    look: |subject| {
        let Some(steps) = Steps::of(subject) else { return Vec::new() };
        let found = |index: usize| {
            let is_match = steps.played[index].canary_scale() == Some(CanaryScale::MatchTrafficWeight);
            let weight = steps.played[..index].iter().rev().find_map(Step::weight).unwrap_or(TrafficWeight::ZERO);
            let (warm, scale) = steps.scale_before(index).filter(|_| is_match && weight == TrafficWeight::ZERO)?;
            let pods = steps.pods_of(scale).filter(|pods| *pods > 0)?;
            let (next, weight) =
                steps.weights().into_iter().find(|(next, weight)| *next > index && weight.get() > 0)?;
            let message = format!(
                "matchTrafficWeight at weight 0 scales the warm canary from {pods} to 0, and setWeight {weight} starts others"
            );
            let list = subject.step_list();
            let edits = [list.without(index), list.after(next, &["setCanaryScale: { matchTrafficWeight: true }"])];
            let edits: Option<Vec<_>> = edits.into_iter().collect();
            let mut change = edits.map(|edits| Change { words: format!("move it behind setWeight: {weight}"), edits });
            if pods < steps.pods(weight) {
                let key = format!("{STEPS}[{warm}].setCanaryScale");
                let enough = match scale {
                    CanaryScale::Replicas(_) => {
                        subject.set(&format!("{key}.replicas"), &steps.pods(weight).to_string())
                    }
                    CanaryScale::Weight(_) | CanaryScale::MatchTrafficWeight => {
                        subject.set(&format!("{key}.weight"), &weight.get().to_string())
                    }
                };
                change = change.and_then(|change| change.and(enough));
            }
            Some(Found::at(steps.place(index, "setCanaryScale"), message).played(change))
        };
        (0..steps.played.len()).filter_map(found).collect()
    },
};

const ENDLESS_PAUSE: Rule = Rule {
    page: Page {
        code: "R006",
        title: "a pause without an end",
        level: Level::Note,
        cause: "`pause: {}` waits until a person promotes the Rollout, and autoPromotionEnabled: false does so, too.",
        consequence: "A release stands still, at night as well, with the pods of two versions; a rollback by a new commit \
                      waits at the same pause.",
        remedy: "give the pause a duration, and let an analysis decide",
        source: "Argo Rollouts documentation, Canary: Pause Duration",
        example: include_str!("../../../scenarios/findings/R006.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let steps = subject.steps().iter();
        let endless = steps.filter_map(|step| {
            let entry = step.table()?.get("pause")?;
            entry.value.table().filter(|pause| pause.get("duration").is_none())?;
            Some(entry.key_place.clone())
        });
        let places: Vec<_> = endless.collect();
        const AUTO: &str = "spec.strategy.blueGreen.autoPromotionEnabled";
        let is_by_hand = subject.workload().find(AUTO).and_then(Node::boolean) == Some(false)
            && subject.workload().find("spec.strategy.blueGreen.autoPromotionSeconds").is_none();
        if is_by_hand {
            let message = "the release waits until a person promotes it";
            return vec![Found::at(subject.key_place(AUTO), message)];
        }
        let Some(first) = places.first() else { return Vec::new() };
        let message = match places.len() {
            1 => "the release waits here until a person promotes it".to_owned(),
            count => format!("the release waits until a person promotes it, here and at {} more", count - 1),
        };
        vec![Found::at(first.clone(), message)]
    },
};

const IMPOSSIBLE_WEIGHT: Rule = Rule {
    page: Page {
        code: "R007",
        title: "a weight that so few pods cannot make",
        level: Level::Warning,
        cause: "Without trafficRouting the share of the requests is the share of the pods, and the controller takes the split \
                of whole pods that comes nearest.",
        consequence: "Another share of the users gets the new version than setWeight says: with few pods a multiple of it.",
        remedy: "write the weight that the pods can make, have more replicas, or add trafficRouting",
        source: "Argo Rollouts documentation, Canary; argo-rollouts, utils/replicaset/canary.go",
        example: include_str!("../../../scenarios/findings/R007.bad.yaml"),
        run: Some(Run { scenario: "strategies/canary-without-router", set: &["rollout.replicas=2"] }),
    },
    look: |subject| {
        let Some(canary) = subject.scenario.and_then(|scenario| scenario.workload.canary()) else { return Vec::new() };
        let replicas = subject.replicas();
        if canary.is_traffic_routed() || canary.steps.len() != subject.steps().len() || replicas == 0 {
            return Vec::new();
        }
        let surge = canary.fenceposts(replicas).max_surge;
        let found = |(index, step): (usize, &Step)| {
            let weight = step.weight()?;
            let split = nearest_split(replicas, weight, canary.max_weight(), surge);
            let all = split.canary + split.stable;
            let share = f64::from(split.canary) * 100.0 / f64::from(all);
            if (share - weight.get() as f64).abs() <= TOLERANCE {
                return None;
            }
            let message = format!(
                "setWeight {weight} is {} of {all} pods without a router: {share:.0} % of the requests",
                split.canary
            );
            let place = subject.steps()[index].table()?.get("setWeight")?.key_place.clone();
            Some(Found::at(place, message))
        };
        canary.steps.iter().enumerate().filter_map(found).collect()
    },
};

const NO_STEPS: Rule = Rule {
    page: Page {
        code: "R008",
        title: "traffic routing without steps",
        level: Level::Warning,
        cause: "Without steps the canary gets all its pods at once and no weight at all until it is promoted.",
        consequence: "No request tries the new version before all of them go there, and the stable target group is exchanged \
                      at that moment.",
        remedy: "add steps with setWeight and pauses",
        source: "Argo Rollouts documentation, Canary; argo-rollouts, rollout/trafficrouting.go",
        example: include_str!("../../../scenarios/findings/R008.bad.yaml"),
        run: None,
    },
    look: |subject| {
        const ROUTING: &str = "spec.strategy.canary.trafficRouting";
        let has_router = subject.workload().find(ROUTING).is_some();
        let Some(lag) = subject.rule_effective_after().filter(|_| has_router && subject.steps().is_empty()) else {
            return Vec::new();
        };
        let pause = pause(lag);
        let weights = [10, 50, 100].map(|weight| format!("{{ setWeight: {weight} }}, {{ {pause} }}"));
        let change = subject.set(STEPS, &format!("[{}]", weights.join(", ")));
        let message = "without steps the canary has weight 0 until it is promoted, and then gets all requests at once";
        vec![Found::at(subject.key_place(ROUTING), message).played(change)]
    },
};

const COLD_CANARY: Rule = Rule {
    page: Page {
        code: "R013",
        title: "the first weight goes to a target group that is being filled",
        level: Level::Note,
        cause: "When the first canary pods are available, the controller points the canary Service at them and asks for their \
                weight in the same pass. Pods and weight reach the ALB on two ways.",
        consequence: "If the rule is faster than the targets, the first share of the requests meets an empty group: 503.",
        remedy: "warm up: setCanaryScale and a pause before the first setWeight, matchTrafficWeight behind it",
        source: "argo-rollouts, rollout/service.go: ensureSVCTargets; argo-rollouts issue 1283",
        example: include_str!("../../../scenarios/findings/R013.bad.yaml"),
        run: Some(Run::of("hazards/h4-first-weight-without-warm-up")),
    },
    look: |subject| {
        let time = subject.registered_after().filter(|_| subject.is_routed_by_alb() && subject.may_have_ip_targets());
        let (Some(steps), Some(time)) = (Steps::of(subject), time) else { return Vec::new() };
        let has_gates = subject.scenario.is_some_and(|it| it.load_balancer_controller.readiness_gate.is_injected);
        let first = steps.weights().into_iter().find(|(_, weight)| weight.get() > 0);
        let Some((index, weight)) = first.filter(|_| !(steps.canary.ping_pong && has_gates)) else { return Vec::new() };
        let is_warm = steps.scale_before(index).is_some_and(|(scale, _)| {
            // What throws the pods away again is another rule's.
            let waits = steps.waits(scale + 1..index);
            steps.played[scale].canary_scale() == Some(CanaryScale::MatchTrafficWeight)
                || waits.is_none_or(|wait| wait > Duration::ZERO)
        });
        if is_warm {
            return Vec::new();
        }
        let list = subject.step_list();
        let warm = format!("setCanaryScale: {{ weight: {weight} }}");
        let pause = pause(time);
        let edits = [
            list.before(index, &[&warm, &pause]),
            list.after(index, &["setCanaryScale: { matchTrafficWeight: true }"]),
        ];
        let edits: Option<Vec<_>> = edits.into_iter().collect();
        let change = edits.map(|edits| Change {
            words: format!("add {warm} and {pause} before it, matchTrafficWeight behind it"),
            edits,
        });
        let message = format!(
            "setWeight {weight} is asked for when the first pods are ready, and their targets may take {} s more",
            seconds(time)
        );
        vec![Found::at(steps.place(index, "setWeight"), message).played(change)]
    },
};
