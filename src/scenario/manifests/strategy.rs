//! `strategy`: steps and pauses as this program plays them.

use super::build::{array, entry, inside, integer, put, remove, table, text};
use super::{A_LOOK, Import, analysis};
use crate::scenario::document::{Kind, Node, Table};

pub fn strategy(import: &mut Import<'_>, spec: &mut Table) {
    if let Some(blue_green) = inside(spec, &["strategy", "blueGreen"]) {
        for name in ["prePromotionAnalysis", "postPromotionAnalysis"] {
            analysis::keep_or_remove(import, blue_green, (name, &format!("rollout.strategy.blueGreen.{name}")));
        }
        promote_by_hand(import, blue_green);
    }
    let Some(canary) = inside(spec, &["strategy", "canary"]) else { return };
    analysis::keep_or_remove(import, canary, ("analysis", "rollout.strategy.canary.analysis"));
    further_ingresses(import);
    let Some(steps) = canary.entries.iter_mut().find(|entry| entry.key == "steps") else { return };
    let Kind::Array(steps) = &mut steps.value.kind else { return };
    let mut promotions = Vec::new();
    for (index, step) in steps.iter_mut().enumerate() {
        if let Kind::Table(table) = &mut step.kind {
            self::step(import, table, index);
            let is_endless = table.get("pause").is_some_and(|pause| pause.value.table().is_some_and(is_endless));
            if is_endless {
                promotions.push(promotion(index, &step.place));
            }
        }
    }
    // Of what people do the scenario knows more, if it says anything.
    if !promotions.is_empty() && import.scenario.get("actions").is_none() {
        let place = promotions[0].place.clone();
        import.document.entries.push(entry("actions", array(promotions, &place)));
    }
}

fn is_endless(pause: &Table) -> bool {
    pause.get("duration").is_none()
}

fn promotion(index: usize, place: &Option<std::ops::Range<usize>>) -> Node {
    let when = text(&format!("step {index}"), place);
    table([("when", when), ("after", text(A_LOOK, place)), ("do", text("promote", place))], place)
}

/// The preview waits for a person, who is taken to look as long as at a pause.
fn promote_by_hand(import: &mut Import<'_>, blue_green: &mut Table) {
    let is_manual = blue_green.get("autoPromotionEnabled").is_some_and(|entry| entry.value.boolean() == Some(false));
    if is_manual
        && blue_green.get("autoPromotionSeconds").is_none()
        && let Some(manual) = remove(blue_green, "autoPromotionEnabled")
    {
        import.ignore("rollout.strategy.blueGreen.autoPromotionEnabled", manual.key_place);
        put(blue_green, "autoPromotionSeconds", integer(60, &manual.value.place));
    }
}

/// One Ingress is simulated.
fn further_ingresses(import: &mut Import<'_>) {
    for further in import.release.further_ingresses() {
        import.ignore("rollout.strategy.canary.trafficRouting.alb.ingresses", further.place.clone());
    }
}

/// A step that is not simulated takes its time, if it says how long that is, and its place: the others keep their numbers.
fn step(import: &mut Import<'_>, step: &mut Table, index: usize) {
    let key = |name: &str| format!("rollout.strategy.canary.steps[{index}].{name}");
    for name in ["experiment", "plugin"] {
        if let Some(other) = remove(step, name) {
            let place = other.value.place.clone();
            import.ignore(key(name), other.key_place);
            let duration = other.value.table().and_then(|table| table.find("duration").cloned());
            if step.entries.is_empty() {
                put(step, "pause", table([("duration", duration.unwrap_or(integer(0, &place)))], &place));
            }
        }
    }
    if step.get("analysis").is_some() && !analysis::keep_or_remove(import, step, ("analysis", &key("analysis"))) {
        let (seconds, place) = analysis::takes(import, index);
        if step.entries.is_empty() {
            put(step, "pause", table([("duration", integer(seconds, &place))], &place));
        }
    }
}
