//! What Argo CD wrote over, in a sentence.

use crate::report::{listed, time};
use crate::run::Run;
use crate::units::counted;
use std::collections::BTreeMap;

/// By object and fields: how often, and when last. The template of a Rollout is told as what it is.
pub(super) fn sentence(run: &Run) -> Option<String> {
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
    (!told.is_empty()).then(|| format!("Argo CD wrote git's state over {}.", told.join("; ")))
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
        assert_eq!(sentence(&run), None);
        let annotation = "/metadata/annotations/alb.ingress.kubernetes.io~1actions.web";
        run.events.extend(log(&[
            (10_000, "argo-cd", "Applied", "Ingress/web", annotation),
            (20_000, "argo-cd", "Applied", "Ingress/web", annotation),
            (30_000, "argo-cd", "Applied", "Ingress/web", "/spec/rules"),
            (40_000, "argo-cd", "Applied", "Rollout/app", "/spec/template/spec/containers"),
        ]));
        let told = "Argo CD wrote git's state over Ingress/web (annotation actions.web) 2 times, the last at t = 20 s; \
                    Ingress/web (spec.rules) 1 time, at t = 30 s; Rollout/app (the image) 1 time, at t = 40 s.";
        assert_eq!(sentence(&run).as_deref(), Some(told));
    }
}
