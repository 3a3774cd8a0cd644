//! What each actor did, as the event log tells it, and which of it is certain to have caused what.

use crate::report::rollback::header_routes::lives;
use crate::run::{LogEntry, Run};
use crate::scenario::Loaded;
use crate::units::Instant;
use std::collections::BTreeMap;

/// Who has a lane, from the top down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Actor {
    People,
    Git,
    Pipeline,
    ArgoCd,
    /// Or the Deployment controller.
    Rollouts,
    ControlPlane,
    DataPlane,
    /// The program in the pods.
    Application,
    /// Nobody: what the others did to the header routes.
    HeaderRoutes,
}

impl Actor {
    const ALL: [Self; 9] = [
        Self::People,
        Self::Git,
        Self::Pipeline,
        Self::ArgoCd,
        Self::Rollouts,
        Self::ControlPlane,
        Self::DataPlane,
        Self::Application,
        Self::HeaderRoutes,
    ];

    fn of(component: &str) -> Option<Self> {
        Some(match component {
            "people" | "alert" => Self::People,
            "git" => Self::Git,
            "pipeline" | "promotion" => Self::Pipeline,
            "argo-cd" => Self::ArgoCd,
            "rollouts-controller" | "deployment-controller" => Self::Rollouts,
            "load-balancer-controller" | "control-plane" => Self::ControlPlane,
            "load-balancer" => Self::DataPlane,
            "application" => Self::Application,
            _ => return None,
        })
    }

    /// In lines, as there is little room at the left.
    fn name(self, loaded: &Loaded) -> &'static [&'static str] {
        let has_alb = loaded.scenario.has_alb();
        match self {
            Self::People => &["people"],
            Self::Git => &["git"],
            Self::Pipeline => &["pipeline"],
            Self::ArgoCd => &["Argo CD"],
            Self::Rollouts if loaded.scenario.workload.rollout().is_none() => &["controller"],
            Self::Rollouts => &["Rollouts", "controller"],
            Self::ControlPlane if has_alb => &["LB", "controller"],
            Self::ControlPlane => &["control", "plane"],
            Self::DataPlane if has_alb => &["ALB"],
            Self::DataPlane => &["data", "plane"],
            Self::Application => &["application"],
            Self::HeaderRoutes => &["header", "routes"],
        }
    }
}

pub(super) struct Lane {
    pub name: &'static [&'static str],
    pub spans: Vec<Span>,
    pub marks: Vec<Mark>,
}

/// Something that lasted.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub from: Instant,
    pub to: Instant,
    pub name: String,
    /// Told where there is room for it.
    pub detail: String,
    pub look: Look,
    /// The log's entries that began and ended it, by their numbers, with the end at which they stand.
    pub entries: Vec<(usize, Edge)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start,
    /// A pause that belongs to it.
    Within(Instant),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Step,
    Work,
    Wait,
    Alarm,
    Route,
}

/// Something that happened at once.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub at: Instant,
    /// The number of the log's entry.
    pub entry: usize,
    pub name: String,
    pub detail: String,
    /// The lowest are labelled first.
    pub rank: u8,
    pub is_alarming: bool,
}

/// One entry of the log made another one happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub from: usize,
    pub to: usize,
}

pub(super) struct Story {
    pub lanes: Vec<Lane>,
    pub causes: Vec<Cause>,
}

pub(super) fn story(loaded: &Loaded, run: &Run) -> Story {
    let mut teller = Teller { loaded, run, lanes: BTreeMap::new(), open: vec![], nodes: BTreeMap::new() };
    for (number, entry) in run.events.iter().enumerate() {
        if let Some(actor) = Actor::of(entry.component) {
            teller.tell(actor, number, entry);
        }
    }
    teller.tell_header_routes();
    for lane in teller.lanes.values_mut() {
        lane.spans.sort_by_key(|span| span.from);
    }
    let lanes = Actor::ALL.into_iter().filter_map(|actor| teller.lanes.remove(&actor)).collect();
    Story { lanes, causes: causes(run) }
}

/// A span that has begun: what ends it, whose it is, and its number in the lane.
struct Open {
    key: String,
    actor: Actor,
    span: usize,
}

struct Teller<'a> {
    loaded: &'a Loaded,
    run: &'a Run,
    /// Those without an event are not there.
    lanes: BTreeMap<Actor, Lane>,
    open: Vec<Open>,
    /// What each node of the load balancer does by now, by what it is about.
    nodes: BTreeMap<String, BTreeMap<String, String>>,
}

impl Teller<'_> {
    fn tell(&mut self, actor: Actor, number: usize, entry: &LogEntry) {
        match actor {
            Actor::People if entry.component == "alert" => self.tell_alert(number, entry),
            Actor::People => self.mark(number, (0, shorten(&entry.detail))),
            Actor::Git => self.mark(number, (0, shorten(&format!("{}: {}", entry.object, entry.detail)))),
            Actor::Pipeline if entry.component == "promotion" => self.tell_promotion(number, entry),
            Actor::Pipeline => self.tell_pipeline(number, entry),
            Actor::ArgoCd => self.tell_argo_cd(number, entry),
            Actor::Rollouts => self.tell_rollouts_controller(number, entry),
            Actor::ControlPlane => self.tell_control_plane(number, entry),
            Actor::DataPlane => self.tell_data_plane(number, entry),
            Actor::Application => self.mark(number, (1, shorten(&entry.object))),
            Actor::HeaderRoutes => {}
        }
    }

    fn tell_alert(&mut self, number: usize, entry: &LogEntry) {
        let key = format!("alert {}", entry.object);
        match entry.event {
            "Pending" => self.begin(&key, number, (Look::Wait, "pending", &entry.object)),
            "Firing" => {
                self.end(&key, number);
                self.begin(&key, number, (Look::Alarm, &entry.object, "fires"));
            }
            "Inactive" | "Resolved" => self.end(&key, number),
            _ => self.mark(number, (1, entry.object.clone())),
        }
    }

    fn tell_promotion(&mut self, number: usize, entry: &LogEntry) {
        if entry.event == "Started" {
            return self.begin("promotion", number, (Look::Wait, "promotion", "waits for a verdict"));
        }
        if entry.event != "TooLate" {
            self.end("promotion", number);
        }
        self.mark(number, (0, shorten(&entry.detail)));
    }

    fn tell_pipeline(&mut self, number: usize, entry: &LogEntry) {
        let key = format!("stage {}", entry.object);
        let queue = format!("queue {}", entry.object);
        match entry.event {
            "Queued" => self.begin(&queue, number, (Look::Wait, "queued", &entry.detail)),
            "Started" => {
                self.end(&queue, number);
                self.mark(number, (0, shorten(&entry.object)));
            }
            "StageStarted" => {
                // `run 1, retry 1`
                let run = entry.detail.split(',').next().unwrap_or_default();
                self.end(&format!("queue {run}"), number);
                self.begin(&key, number, (Look::Work, &entry.object, ""));
            }
            "StageEnded" => self.end(&key, number),
            "StageFailed" => {
                if let Some(span) = self.open.iter().rfind(|open| open.key == key).map(|open| open.span) {
                    self.lane(Actor::Pipeline).spans[span].look = Look::Alarm;
                }
                self.end(&key, number);
                self.mark(number, (0, shorten(&entry.object)));
            }
            _ => self.mark(number, (0, shorten(&entry.detail))),
        }
    }

    fn tell_argo_cd(&mut self, number: usize, entry: &LogEntry) {
        let key = format!("sync of {}", entry.object);
        match entry.event {
            "OutOfSync" => {
                self.end("OutOfSync", number);
                self.begin("OutOfSync", number, (Look::Wait, "OutOfSync", &entry.detail));
            }
            "Synced" if self.open.iter().any(|open| open.key == "OutOfSync") => self.end("OutOfSync", number),
            "SyncStarted" => {
                let detail = format!("{}, {}", entry.object, entry.detail);
                self.begin(&key, number, (Look::Work, "sync", &detail));
            }
            "SyncEnded" => self.end(&key, number),
            "Applied" => self.mark(number, (1, shorten(&entry.object))),
            "Pruned" | "Created" => self.mark(number, (0, shorten(&entry.object))),
            _ => self.mark(number, (0, shorten(&entry.detail))),
        }
    }

    fn tell_rollouts_controller(&mut self, number: usize, entry: &LogEntry) {
        let detail = shorten(&entry.detail);
        match entry.event {
            "StepStarted" => self.begin_step(number, entry),
            "StepCompleted" => self.end("step", number),
            "Aborted" | "Promoted" | "TakenBack" => {
                self.end("step", number);
                let detail = if entry.event == "Aborted" { String::new() } else { shorten(&entry.object) };
                self.mark(number, (0, detail));
            }
            "SetHeaderRoute" | "SetMirrorRoute" | "RemoveRoutes" | "PatchFailed" | "InvalidSpec" | "PassFailed" => {
                self.mark(number, (0, detail));
            }
            "SetWeight" => self.mark(number, (1, weight(&entry.detail))),
            "ScaleReplicaSet" => {
                self.mark(number, (3, format!("{} {}", entry.object, entry.detail.replace("->", "→"))))
            }
            "SwitchService" => self.mark(number, (3, shorten(&entry.object))),
            "CreateReplicaSet" | "ScaleDownDeadline" | "Evict" => {}
            _ => self.mark(number, (2, shorten(&entry.object))),
        }
    }

    /// A pause belongs to the step before it.
    fn begin_step(&mut self, number: usize, entry: &LogEntry) {
        self.end("step", number);
        let lane = self.lane(Actor::Rollouts);
        let before = lane.spans.last_mut().filter(|span| entry.detail.starts_with("pause") && span.to == entry.at);
        let Some(before) = before else {
            return self.begin("step", number, (Look::Step, &entry.detail, ""));
        };
        before.detail = format!("{} + {}", before.detail, entry.detail).trim_start().to_owned();
        for (_, edge) in before.entries.iter_mut().filter(|(_, edge)| *edge == Edge::End) {
            *edge = Edge::Within(entry.at);
        }
        before.entries.push((number, Edge::Within(entry.at)));
        let span = lane.spans.len() - 1;
        self.open.push(Open { key: "step".to_owned(), actor: Actor::Rollouts, span });
    }

    fn tell_control_plane(&mut self, number: usize, entry: &LogEntry) {
        match entry.event {
            "ModifyRule" | "ModifyListener" | "Configure" => self.mark(number, (1, action(&entry.detail))),
            "CreateRule" | "DeleteRule" => self.mark(number, (1, first_words(&entry.detail, 2))),
            "SetRulePriorities" => self.mark(number, (3, String::new())),
            "FailedBuildModel" => self.mark(number, (0, shorten(&entry.detail))),
            "RegisterTargets" | "DeregisterTargets" => {
                self.mark(number, (3, format!("{} {}", entry.object, first_words(&entry.detail, 1))));
            }
            _ => {}
        }
    }

    /// What all nodes do is told, once the last of them does it.
    fn tell_data_plane(&mut self, number: usize, entry: &LogEntry) {
        let (about, value) = match entry.event {
            "RuleEffective" => (String::new(), entry.detail.clone()),
            "RouteEffective" => self.class_and_route(&entry.detail),
            "GroupEmpty" => {
                let group = entry.object.split(' ').nth(2).unwrap_or_default().to_owned();
                return self.mark(number, (2, group));
            }
            _ => return,
        };
        let nodes = self.nodes.entry(about).or_default();
        nodes.insert(entry.object.clone(), value.clone());
        let count = nodes.values().filter(|other| **other == value).count();
        if count == self.run.nodes as usize {
            let detail = if entry.event == "RuleEffective" { weight(&value) } else { class_route(&entry.detail) };
            self.mark(number, (1, detail));
        }
    }

    fn class_and_route(&self, detail: &str) -> (String, String) {
        let classes = self.loaded.scenario.traffic.classes.iter();
        let named = classes.filter_map(|class| Some((&class.name, detail.strip_prefix(class.name.as_str())?)));
        let longest = named.max_by_key(|(name, _)| name.len());
        longest.map_or_else(|| (detail.to_owned(), String::new()), |(name, route)| (name.clone(), route.to_owned()))
    }

    fn tell_header_routes(&mut self) {
        for life in lives(self.loaded, self.run) {
            for (from, to) in life.spells {
                let span = Span {
                    from,
                    to,
                    name: life.name.clone(),
                    detail: String::new(),
                    look: Look::Route,
                    entries: vec![],
                };
                self.lane(Actor::HeaderRoutes).spans.push(span);
            }
        }
    }

    fn lane(&mut self, actor: Actor) -> &mut Lane {
        let name = actor.name(self.loaded);
        self.lanes.entry(actor).or_insert_with(|| Lane { name, spans: vec![], marks: vec![] })
    }

    fn begin(&mut self, key: &str, number: usize, (look, name, detail): (Look, &str, &str)) {
        let entry = &self.run.events[number];
        let actor = Actor::of(entry.component).expect("the entry has an actor");
        let (from, to, entries) = (entry.at, self.run.end, vec![(number, Edge::Start)]);
        let span = Span { from, to, name: name.to_owned(), detail: shorten(detail), look, entries };
        let spans = &mut self.lane(actor).spans;
        spans.push(span);
        let span = spans.len() - 1;
        self.open.push(Open { key: key.to_owned(), actor, span });
    }

    /// Without a beginning there is no end.
    fn end(&mut self, key: &str, number: usize) {
        let Some(place) = self.open.iter().rposition(|open| open.key == key) else { return };
        let Open { actor, span, .. } = self.open.remove(place);
        let at = self.run.events[number].at;
        let span = &mut self.lane(actor).spans[span];
        span.to = at;
        span.entries.push((number, Edge::End));
    }

    fn mark(&mut self, number: usize, (rank, detail): (u8, String)) {
        const ALARMING: [&str; 11] = [
            "Aborted",
            "PatchFailed",
            "PassFailed",
            "InvalidSpec",
            "Pruned",
            "FailedBuildModel",
            "StageFailed",
            "TimedOut",
            "Rejected",
            "GroupEmpty",
            "ProgressDeadlineExceeded",
        ];
        let entry = &self.run.events[number];
        let actor = Actor::of(entry.component).expect("the entry has an actor");
        let is_taken_away = entry.component == "argo-cd" && entry.event == "RemoveRoutes";
        let name = match entry.component {
            "git" => String::new(),
            "pipeline" | "promotion" | "alert" => format!("{} {}", entry.component, entry.event),
            _ => entry.event.to_owned(),
        };
        let answers_itself = entry.detail.contains("-> fixed response 5");
        let is_alarming = is_taken_away || answers_itself || ALARMING.contains(&entry.event);
        let mark = Mark { at: entry.at, entry: number, name, detail, rank, is_alarming };
        self.lane(actor).marks.push(mark);
    }
}

/// `canary 10 stable 90` is 10 %.
fn weight(detail: &str) -> String {
    let mut words = detail.split(' ');
    match (words.next(), words.next().map(str::parse::<u8>)) {
        (Some("canary"), Some(Ok(weight))) => format!("{weight} %"),
        _ => first_words(detail, 2),
    }
}

/// `rule 1 (path-pattern /*) -> fixed response 503` is `→ fixed response 503`.
fn action(detail: &str) -> String {
    match detail.split_once(" -> ") {
        Some((_, action)) if action.starts_with("canary") => weight(action),
        Some((_, action)) => shorten(&format!("→ {action}")),
        None => weight(detail),
    }
}

/// `testers web-canary 0 web-stable 100` is `testers → web-stable`; of several Services that with the largest weight counts.
/// `testers 404` is `testers → 404`.
fn class_route(detail: &str) -> String {
    let words: Vec<_> = detail.split(' ').collect();
    if let [class, code] = words[..] {
        return shorten(&format!("{class} → {code}"));
    }
    let services = words.windows(2).filter_map(|pair| Some((pair[1].parse::<u32>().ok()?, pair[0])));
    let most = services.max_by_key(|(weight, _)| *weight);
    most.map_or_else(|| shorten(detail), |(_, service)| shorten(&format!("{} → {service}", words[0])))
}

fn first_words(text: &str, count: usize) -> String {
    text.split(' ').take(count).collect::<Vec<_>>().join(" ")
}

/// A label is short.
fn shorten(text: &str) -> String {
    const MOST: usize = 30;
    match text.chars().count() > MOST {
        true => text.chars().take(MOST - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn causes(run: &Run) -> Vec<Cause> {
    let events = &run.events;
    let mut causes: Vec<Cause> = vec![];
    for (to, entry) in events.iter().enumerate() {
        // The last entry before this one that fits, unless it has caused another one like this.
        let before = |fits: &dyn Fn(&LogEntry) -> bool| events[..to].iter().rposition(fits);
        let from = match (entry.component, entry.event) {
            ("argo-cd", "SyncStarted") if entry.detail == "new revision" => {
                before(&|other| other.event == "Commit" && other.object == entry.object)
            }
            ("argo-cd", "SyncStarted") if entry.detail == "by hand" => before(&is_verb("sync")),
            ("argo-cd", "Synced") => before(&|other| other.event == "Commit" && other.object == entry.detail),
            ("git", "Commit") => origin_of_commit(&events[..to]),
            ("pipeline", "Queued" | "Started") => {
                before(&|other| is_verb("run_pipeline")(other) && other.at == entry.at)
            }
            ("promotion", "Accepted") => before(&is_verb("accept")),
            ("promotion", "Rejected") => before(&is_verb("reject")),
            ("rollouts-controller", "Aborted") => before(&is_verb("abort")),
            ("rollouts-controller", "StepCompleted") if entry.detail == "pause" => before(&is_verb("promote")),
            ("rollouts-controller", "StepStarted") if entry.object == "step 0" => before(&is_decision),
            (_, "ModifyRule" | "ModifyListener") if !entry.detail.is_empty() => {
                before(&|other| other.event == "SetWeight" && other.detail == entry.detail).or_else(|| {
                    before(&|other| other.event == "SetWeight" || is_foreign(other))
                        .filter(|from| is_foreign(&events[*from]))
                })
            }
            ("application", "FeatureDisabled") => before(&is_verb("disable_feature")),
            (_, "CreateRule") => {
                before(&|other| is_route_set(other) || is_foreign(other)).filter(|from| is_route_set(&events[*from]))
            }
            (_, "DeleteRule") => {
                before(&|other| ["RemoveRoutes", "Pruned"].contains(&other.event) || is_foreign(other))
                    .filter(|from| !is_foreign(&events[*from]))
            }
            ("load-balancer", "RuleEffective") => {
                before(&|other| other.event.starts_with("Modify") && other.detail == entry.detail)
            }
            ("rollouts-controller" | "load-balancer-controller" | "control-plane", _) => {
                let now = (0..to).rev().take_while(|other| events[*other].at == entry.at);
                now.into_iter().find(|other| is_written_by_argo_cd(&events[*other]))
            }
            _ => None,
        };
        let Some(from) = from else { continue };
        // Each node takes the same rule; nothing else happens twice for one reason.
        let is_repeated = |cause: &Cause| cause.from == from && events[cause.to].event == entry.event;
        if entry.event == "RuleEffective" || !causes.iter().any(is_repeated) {
            causes.push(Cause { from, to });
        }
    }
    causes
}

fn is_verb(verb: &'static str) -> impl Fn(&LogEntry) -> bool {
    move |entry| entry.component == "people" && entry.event == verb
}

/// A person, or Argo CD, brings another pod template, or begins anew.
fn is_decision(entry: &LogEntry) -> bool {
    match entry.component {
        "people" => ["deploy", "undo", "retry"].contains(&entry.event),
        "argo-cd" => entry.event == "Applied" && entry.object.starts_with("Rollout"),
        _ => false,
    }
}

fn is_written_by_argo_cd(entry: &LogEntry) -> bool {
    entry.component == "argo-cd" && ["Applied", "Created", "Pruned", "RemoveRoutes"].contains(&entry.event)
}

fn is_route_set(entry: &LogEntry) -> bool {
    ["SetHeaderRoute", "SetMirrorRoute"].contains(&entry.event)
}

/// Git's rules, which may be others.
fn is_foreign(entry: &LogEntry) -> bool {
    entry.component == "argo-cd" && ["Applied", "Created"].contains(&entry.event) && entry.object.starts_with("Ingress")
}

/// A commit takes its time: who asked for it has done so since the commit before.
fn origin_of_commit(before: &[LogEntry]) -> Option<usize> {
    let is_origin = |entry: &LogEntry| match entry.component {
        "people" => entry.event == "revert_commit",
        "pipeline" => entry.event == "Ended" && entry.detail == "succeeded",
        "promotion" => entry.event == "TimedOut" && entry.detail == "rollback" || entry.event == "Rejected",
        _ => false,
    };
    let last = before.iter().rposition(|entry| entry.component == "git").map_or(0, |last| last + 1);
    let mut origins = (last..before.len()).filter(|number| is_origin(&before[*number]));
    origins.next().filter(|_| origins.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{at_millis, loaded, log, quiet};

    fn told(log_entries: &[(u64, &'static str, &'static str, &str, &str)]) -> (Run, Story) {
        let mut run = quiet();
        run.events = log(log_entries);
        let story = story(&loaded(), &run);
        (run, story)
    }

    #[test]
    fn whoever_waits_between_two_stages_waits_until_the_next_one() {
        let (_, story) = told(&[
            (0, "pipeline", "StageStarted", "review", "run 1"),
            (60_000, "pipeline", "StageEnded", "review", "run 1"),
            (60_000, "pipeline", "Queued", "run 1", "2 before it"),
            (90_000, "pipeline", "StageStarted", "tests", "run 1"),
        ]);
        let queued = story.lanes[0].spans.iter().find(|span| span.name == "queued").expect("it waited");
        assert_eq!((queued.from, queued.to), (at_millis(60_000), at_millis(90_000)));
    }

    #[test]
    fn the_rule_that_git_writes_and_the_flag_that_a_person_turns_have_effects() {
        let rule = "rule 1 (path-pattern /*) -> fixed response 503";
        let (run, story) = told(&[
            (10_000, "rollouts-controller", "SetWeight", "ingress", "canary 20 stable 80"),
            (52_000, "argo-cd", "Applied", "Ingress/web", "/spec/rules"),
            (54_000, "load-balancer-controller", "ModifyRule", "ingress", rule),
            (60_000, "people", "disable_feature", "application", ""),
            (61_000, "application", "FeatureDisabled", "pod-7", ""),
        ]);
        let name = |number: usize| run.events[number].event;
        let causes: Vec<_> = story.causes.iter().map(|cause| (name(cause.from), name(cause.to))).collect();
        assert_eq!(causes, [("Applied", "ModifyRule"), ("disable_feature", "FeatureDisabled")]);
        let marks: Vec<_> = story.lanes.iter().flat_map(|lane| &lane.marks).collect();
        let modified = marks.iter().find(|mark| mark.name == "ModifyRule").expect("it is told");
        assert_eq!((modified.detail.as_str(), modified.is_alarming), ("→ fixed response 503", true));
    }

    #[test]
    fn a_route_of_a_class_is_told_by_the_service_it_leads_to() {
        assert_eq!(class_route("testers web-canary 0 web-stable 100"), "testers → web-stable");
        assert_eq!(class_route("testers web-canary 1"), "testers → web-canary");
        assert_eq!(class_route("testers 404"), "testers → 404");
        assert_eq!(class_route("testers elsewhere"), "testers → elsewhere");
    }
}
