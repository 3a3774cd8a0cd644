//! What Argo CD wrote over, deleted and created, in a few sentences.

use crate::report::{listed, span, time};
use crate::run::{LogEntry, Run};
use crate::units::{Duration, counted};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn sentences(run: &Run) -> Option<String> {
    let told: Vec<_> = pruned(run).into_iter().chain(written_over(run)).collect();
    (!told.is_empty()).then(|| told.join(" "))
}

/// `Argo CD pruned Ingress/web at t = 160.4 s, and created it anew at t = 396.6 s.`
fn pruned(run: &Run) -> Vec<String> {
    let by_argo_cd =
        |event| run.events.iter().filter(move |entry| entry.component == "argo-cd" && entry.event == event);
    let told = |pruned: &LogEntry| {
        let anew = by_argo_cd("Created").find(|created| created.object == pruned.object && created.at > pruned.at);
        let anew = anew.map_or_else(String::new, |at| format!(", and created it anew at t = {}", time(run, at.at)));
        format!("Argo CD pruned {} at t = {}{anew}.", pruned.object, time(run, pruned.at))
    };
    by_argo_cd("Pruned").map(told).collect()
}

/// By object and fields: how often, and when last. The template of a Rollout is told as what it is.
fn written_over(run: &Run) -> Option<String> {
    let mut written: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
    for entry in run.events.iter().filter(|entry| entry.component == "argo-cd" && entry.event == "Applied") {
        written.entry((&entry.object, &entry.detail)).or_default().push(entry.at);
    }
    let told = |((object, fields), times): (&(&str, &str), &Vec<_>)| {
        let fields: Vec<_> = fields.split(", ").map(field).collect();
        let last = times.last().expect("it was written");
        let when = if times.len() == 1 {
            format!("at t = {}", time(run, *last))
        } else {
            format!("the last at t = {}", time(run, *last))
        };
        format!("{object} ({}) {}, {when}", listed(&fields), counted(times.len() as u64, "time"))
    };
    let told: Vec<_> = written.iter().map(told).collect();
    let routed = match by_weights_of_git(run) {
        Duration::ZERO => String::new(),
        time => format!(" Requests went by git's weights instead of the Rollouts controller's for {}.", span(time)),
    };
    (!told.is_empty()).then(|| format!("Argo CD wrote git's state over {}.{routed}", told.join("; ")))
}

/// How long a node at least routed by weights that Argo CD had written over those of the Rollouts controller.
pub(super) fn by_weights_of_git(run: &Run) -> Duration {
    let (mut of_git, mut nodes, mut since, mut sum) = (None, BTreeSet::new(), None, Duration::ZERO);
    for entry in &run.events {
        match entry.event {
            "OverwriteWeight" => of_git = Some(&entry.detail),
            // What the controller asks for itself is its own, from then on.
            "SetWeight" if of_git == Some(&entry.detail) => of_git = None,
            "RuleEffective" if of_git == Some(&entry.detail) => {
                nodes.insert(&entry.object);
                since = since.or(Some(entry.at));
            }
            "RuleEffective" => {
                nodes.remove(&entry.object);
                let ended = since.take_if(|_| nodes.is_empty());
                sum += ended.map_or(Duration::ZERO, |since| entry.at.saturating_since(since));
            }
            _ => {}
        }
    }
    sum + since.map_or(Duration::ZERO, |since| run.end.saturating_since(since))
}

/// `annotation actions.web-root`, `spec.rules`.
fn field(pointer: &str) -> String {
    let key = pointer.replace("~1", "/").replace("~0", "~");
    match key.strip_prefix("/metadata/annotations/") {
        Some(annotation) => format!("annotation {}", annotation.rsplit('/').next().unwrap_or(annotation)),
        None if crate::model::manifest::IMAGE.starts_with(pointer) => "the image".to_owned(),
        None => pointer.trim_start_matches('/').replace('/', "."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{log, quiet};

    #[test]
    fn what_was_written_over_is_counted_by_object_and_field() {
        let mut run = quiet();
        assert_eq!(sentences(&run), None);
        let annotation = "/metadata/annotations/alb.ingress.kubernetes.io~1actions.web";
        run.events.extend(log(&[
            (10_000, "argo-cd", "Applied", "Ingress/web", annotation),
            (20_000, "argo-cd", "Applied", "Ingress/web", annotation),
            (30_000, "argo-cd", "Applied", "Ingress/web", "/spec/rules"),
            (40_000, "argo-cd", "Applied", "Rollout/app", "/spec/template/spec/containers"),
        ]));
        let told = "Argo CD wrote git's state over Ingress/web (annotation actions.web) 2 times, the last at t = 20 s; \
                    Ingress/web (spec.rules) 1 time, at t = 30 s; Rollout/app (the image) 1 time, at t = 40 s.";
        assert_eq!(sentences(&run).as_deref(), Some(told));
        // One node routes by git's weights from 11 s on, the last one to 17 s. Then the controller asks for them itself.
        let split = "canary 0 stable 100";
        run.events.extend(log(&[
            (10_000, "argo-cd", "OverwriteWeight", "ingress", split),
            (10_100, "rollouts-controller", "SetWeight", "ingress", "canary 20 stable 80"),
            (11_000, "load-balancer", "RuleEffective", "node 0", split),
            (12_000, "load-balancer", "RuleEffective", "node 1", split),
            (16_000, "load-balancer", "RuleEffective", "node 1", "canary 20 stable 80"),
            (17_000, "load-balancer", "RuleEffective", "node 0", "canary 20 stable 80"),
            (50_000, "rollouts-controller", "SetWeight", "ingress", split),
            (51_000, "load-balancer", "RuleEffective", "node 0", split),
        ]));
        run.events.sort_by_key(|entry| entry.at);
        let routed = " Requests went by git's weights instead of the Rollouts controller's for 6 s.";
        assert_eq!(sentences(&run), Some(format!("{told}{routed}")));
    }
}
