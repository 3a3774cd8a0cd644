//! Argo CD beside the Rollouts controller: both write the Ingress.

use super::Rule;
use super::ingress::root_service;
use crate::check::change::{Change, List};
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::{ANNOTATIONS, Subject};
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::object::Object;
use std::ops::Range;

pub const RULES: &[Rule] = &[WEIGHTS_IN_GIT, ROUTES_UNDER_SELF_HEAL, REPLACE];

const IGNORED: &str = "spec.ignoreDifferences";
const OPTIONS: &str = "spec.syncPolicy.syncOptions";

/// The Applications that may apply these manifests: those for their namespace.
fn applications<'a>(subject: &Subject<'a>) -> Vec<&'a Object> {
    let workload = subject.workload();
    let is_for_it = |application: &&Object| {
        let namespace = application.text("spec.destination.namespace");
        workload.find("metadata.namespace").is_none() || namespace.is_none_or(|name| name == workload.namespace)
    };
    subject.release.stream.of_kind("Application").filter(is_for_it).collect()
}

const WEIGHTS_IN_GIT: Rule = Rule {
    page: Page {
        code: "G001",
        title: "the manifest of the Ingress carries the weights",
        level: Level::Warning,
        cause: "The Rollouts controller keeps the weights in the annotation actions.ROOT of the Ingress, and the manifest has \
                a value of its own for it.",
        consequence: "Every sync or kubectl apply in the middle of a release resets the weights, until the Rollouts \
                      controller and then the load balancer controller repair it. Under selfHeal they fight for it.",
        remedy: "leave the annotation out of the manifest, or have Argo CD ignore it, with RespectIgnoreDifferences=true",
        source: "Argo CD documentation, Diff Customization and Sync Options; Argo Rollouts documentation, AWS ALB",
        example: include_str!("../../../scenarios/findings/G001.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(ingress), Some(root), true) =
            (subject.release.ingress, root_service(subject), subject.is_routed_by_alb())
        else {
            return Vec::new();
        };
        let key = format!("{ANNOTATIONS}actions.{root}");
        let Some(entry) = ingress.entries("metadata.annotations").iter().find(|entry| entry.key == key) else {
            return Vec::new();
        };
        let pointer = format!("/metadata/annotations/{}", key.replace('/', "~1"));
        let is_ignored = |application: &&Object| ignores(application, ingress, &pointer) && respects(application);
        if applications(subject).iter().any(is_ignored) {
            return Vec::new();
        }
        let message = format!("each sync sets actions.{root} to what stands here, whatever the weight is by then");
        let mut change = Change::remove(subject.sources, ingress, &format!("metadata.annotations.\"{key}\""));
        if let Some(change) = &mut change {
            change.words = format!("remove the annotation actions.{root}, between two releases");
        }
        vec![Found::at(entry.key_place.clone(), message).with(change)]
    },
};

/// Whether an Application leaves a part of the Ingress to others when it compares.
fn ignores(application: &Object, ingress: &Object, pointer: &str) -> bool {
    let is_about = |node: &&Node| {
        let text = |key: &str| node.table().and_then(|table| table.find(key)).and_then(Node::text);
        text("kind").is_some_and(|kind| kind == "Ingress" || kind == "*")
            && text("name").is_none_or(|name| name == ingress.name)
    };
    let last = pointer.rsplit('/').next().unwrap_or(pointer).replace("~1", "/");
    let covers = |node: &Node| {
        let items =
            |key: &str| node.table().and_then(|table| table.find(key)).and_then(Node::array).unwrap_or_default();
        let texts = |key: &str| items(key).iter().filter_map(Node::text).collect::<Vec<_>>();
        // A query may single out a part; a manager's fields are whatever it has written last.
        texts("jsonPointers").iter().any(|text| pointer.starts_with(text))
            || texts("jqPathExpressions").iter().any(|text| text.contains(&last))
            || !items("managedFieldsManagers").is_empty()
    };
    application.items(IGNORED).iter().filter(is_about).any(covers)
}

fn respects(application: &Object) -> bool {
    application.items(OPTIONS).iter().any(|option| option.text() == Some("RespectIgnoreDifferences=true"))
}

const ROUTES_UNDER_SELF_HEAL: Rule = Rule {
    page: Page {
        code: "G002",
        title: "selfHeal takes header routes away",
        level: Level::Warning,
        cause: "setHeaderRoute adds a path to the rules of the Ingress. Rules are one list: for Argo CD the Ingress differs \
                from git, and selfHeal writes the old list back within seconds.",
        consequence: "The header route is gone for the rest of the release: who sends the header tests the stable version, \
                      and passes a build that nobody has tried.",
        remedy: "add to the Application's spec, beside syncPolicy.syncOptions: [RespectIgnoreDifferences=true]: \
                 ignoreDifferences: [{ group: networking.k8s.io, kind: Ingress, jsonPointers: [/spec/rules] }]",
        source: "Argo CD documentation, Diff Customization and Sync Options; argo-rollouts issues 2463, 4486",
        example: include_str!("../../../scenarios/findings/G002.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(ingress) = subject.release.ingress.filter(|_| subject.is_routed_by_alb()) else { return Vec::new() };
        let adds_route = |step: &Node| step.table().is_some_and(|table| table.find("setHeaderRoute.match").is_some());
        if !subject.steps().iter().any(adds_route) {
            return Vec::new();
        }
        let found = |application: &Object| {
            let node = application.find("spec.syncPolicy.automated.selfHeal")?;
            if node.boolean() != Some(true) || ignores(application, ingress, "/spec/rules") {
                return None;
            }
            let message = format!(
                "the Application {} takes each header route out of the Ingress {} again",
                application.name, ingress.name
            );
            Some(Found::at(node.place.clone(), message).with(ignore_rules(subject, application, &ingress.name)))
        };
        applications(subject).into_iter().filter_map(found).collect()
    },
};

/// The ready stanza, and the option that makes it count in a sync, too.
fn ignore_rules(subject: &Subject<'_>, application: &Object, ingress: &str) -> Option<Change> {
    const RESPECT: &str = "RespectIgnoreDifferences=true";
    let item = format!("{{ group: networking.k8s.io, kind: Ingress, name: {ingress}, jsonPointers: [/spec/rules] }}");
    let list = |key| List { sources: subject.sources, object: application, key };
    let mut edits = Vec::new();
    // The inner key goes first: both may be added at the end of the same line.
    if !respects(application) {
        match application.items(OPTIONS).len() {
            0 => edits.extend(Change::set(subject.sources, application, OPTIONS, &format!("[{RESPECT}]"))?.edits),
            count => edits.push(list(OPTIONS).after(count - 1, &[RESPECT])?),
        }
    }
    match application.items(IGNORED).len() {
        0 => edits.extend(Change::set(subject.sources, application, IGNORED, &format!("[{item}]"))?.edits),
        count => edits.push(list(IGNORED).after(count - 1, &[&item])?),
    }
    Some(Change { words: format!("add ignoreDifferences: [{item}], and the sync option {RESPECT}"), edits })
}

const REPLACE: Rule = Rule {
    page: Page {
        code: "G003",
        title: "a sync replaces whole objects",
        level: Level::Warning,
        cause: "With Replace=true Argo CD does not apply, but replaces: what the Rollouts controller has written into the \
                Ingress and the Services is gone.",
        consequence: "The ALB answers 503 for the rule without its action, for up to 15 minutes, as the Rollouts controller \
                      does not hear of it; the Services select the pods of both versions.",
        remedy: "leave Replace=true out, or say it of the objects that need it, by annotation",
        source: "Argo CD documentation, Sync Options: Replace Resource Instead Of Applying Changes",
        example: include_str!("../../../scenarios/findings/G003.bad.yaml"),
        run: None,
    },
    look: |subject| {
        if !subject.is_routed_by_alb() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for application in applications(subject) {
            let options = application.items(OPTIONS).iter().enumerate();
            for (index, option) in options.filter(|(_, option)| option.text() == Some("Replace=true")) {
                let message = format!("each sync of {} throws the weights of a release away", application.name);
                let change = Change::set(subject.sources, application, &format!("{OPTIONS}[{index}]"), "Replace=false");
                found.push(Found::at(option.place.clone(), message).with(change));
            }
        }
        let objects = subject.release.ingress.into_iter().chain(subject.release.services());
        let replaced = objects.filter_map(|object| Some((object, replaces(object)?)));
        found.extend(replaced.map(|(object, place)| {
            let message = format!("each sync replaces the {}, and what the Rollouts controller wrote", object.title());
            Found::at(place, message)
        }));
        found
    },
};

/// Where an object says of itself that it is replaced.
fn replaces(object: &Object) -> Option<Option<Range<usize>>> {
    let is_replaced = |entry: &&Entry| {
        let options = entry.value.text().unwrap_or_default();
        entry.key == "argocd.argoproj.io/sync-options"
            && options.split(',').any(|option| option.trim() == "Replace=true")
    };
    let entry = object.entries("metadata.annotations").iter().find(is_replaced)?;
    Some(entry.key_place.clone())
}
