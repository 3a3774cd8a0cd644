//! The ingress loop: from the Ingress object to the calls that change the listener's rules.
//!
//! One work item per Ingress group. A change that finds the item waiting joins it; one that finds it being reconciled
//! queues it once more for when that is done. The snapshot of the Ingress is taken when the reconcile begins, so the
//! newest state at *that* moment is what the rules get: a weight that was asked for and replaced while the item waited
//! is never sent. An object that makes no rules stops the whole group, and the rules stay as they are; a call that
//! the API refuses stops the rest of them, and what was called before it stays. Either way the item is retried with a
//! back-off.
//! Source: `controllers/ingress/group_controller.go`, controller-runtime's work queue.
//!
//! For another router the item is whatever that one reads, and its control plane sends all of it at once. Assumption: it
//! reads the newest state, too, when an item's turn has come, as every controller does that goes by an informer.

use super::back_off::back_off;
use super::listener_rules::{self, Cluster, RuleCall, RuleSynthesis};
use crate::model::load_balancer::listener_rule::Listener;
use crate::model::routing_object::RoutingObject;
use crate::units::Duration;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use {Effect::*, Input::*, State::*};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The object is like that now.
    Changed(Arc<RoutingObject>),
    /// The selector of a Service that the Ingress names has changed: nothing to modify, and yet work.
    ServiceChanged,
    /// The item's turn has come; the reconcile will take so long until its first call.
    Start(Duration),
    /// The reconcile has come to the rules.
    Send,
    /// The next call is answered.
    Answered,
    /// For [`super::QueueDiscipline::Overlap`]: this very state is due.
    SendState(Arc<RoutingObject>),
    /// The back-off of the retry of this number is over.
    Retry(u32),
}

/// What the object says shows in the rules that come of it; the names in it are no part of what happens.
impl Hash for Input {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Start(delay) => delay.hash(state),
            Retry(number) => number.hash(state),
            Changed(_) | ServiceChanged | Send | Answered | SendState(_) => {}
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The item enters the queue; answer with `Start`.
    Enqueue,
    /// Give `Send` back after the delay.
    Reconcile(Duration),
    /// A call, and the listener as it is after it.
    Call {
        call: RuleCall,
        listener: Arc<Listener>,
    },
    /// More calls follow: give `Answered` back when this one is.
    AwaitAnswer,
    Failed(Failure),
    /// Give `Retry` back after the delay.
    RetryAfter(Duration, u32),
}

/// Why a reconcile ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The object makes no rules.
    BuildModel(String),
    /// The API refuses a call.
    DeployModel(String),
}

impl Failure {
    /// The reason of the Event. Source: `pkg/k8s/events.go`.
    pub const fn event(&self) -> &'static str {
        match self {
            Self::BuildModel(_) => "FailedBuildModel",
            Self::DeployModel(_) => "FailedDeployModel",
        }
    }

    pub fn message(self) -> String {
        match self {
            Self::BuildModel(message) | Self::DeployModel(message) => message,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Waiting,
    Reconciling {
        snapshot: Arc<RoutingObject>,
        /// Something changed since the snapshot.
        dirty: bool,
    },
    /// What is still to be called.
    Calling {
        calls: VecDeque<RuleCall>,
        dirty: bool,
    },
}

/// What the loop goes by besides the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressSpec {
    pub cluster: Cluster,
    pub synthesis: RuleSynthesis,
}

#[derive(Clone, Debug)]
pub struct Ingress {
    spec: IngressSpec,
    /// The object as it stands.
    observed: Arc<RoutingObject>,
    /// As the controller last left it.
    listener: Arc<Listener>,
    state: State,
    /// In a row.
    failures: u32,
    /// How many retries were set up so far; the newest alone counts.
    retries: u32,
    /// The newest has not come yet.
    is_retry_due: bool,
}

impl Ingress {
    /// At rest with this object: its rules are those of the listener.
    ///
    /// # Errors
    /// The object makes no rules, for this reason.
    pub fn established(spec: IngressSpec, object: Arc<RoutingObject>) -> Result<Self, String> {
        let listener = Arc::new(wanted(&object, &spec.cluster)?);
        let (failures, retries, is_retry_due) = (0, 0, false);
        Ok(Self { spec, observed: object, listener, state: Idle, failures, retries, is_retry_due })
    }

    pub fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let state = std::mem::replace(&mut self.state, Idle);
        let (state, effects) = match (state, input) {
            (state, Changed(object)) => {
                self.observed = object;
                on_changed(state)
            }
            (state, ServiceChanged) => on_changed(state),
            (Waiting, Start(delay)) => {
                (Reconciling { snapshot: Arc::clone(&self.observed), dirty: false }, vec![Reconcile(delay)])
            }
            (Reconciling { snapshot, dirty }, Send) => match self.calls(&snapshot) {
                Ok(calls) => self.next_call(calls, dirty),
                Err(failure) => self.fail(dirty, failure),
            },
            (Calling { calls, dirty }, Answered) => self.next_call(calls, dirty),
            (state, Retry(number)) if self.is_retry_due && number == self.retries => {
                self.is_retry_due = false;
                on_changed(state)
            }
            (state, Retry(_)) => (state, vec![]),
            (state, SendState(object)) => (state, self.send_at_once(&object)),
            (state @ (Idle | Reconciling { .. } | Calling { .. }), input @ Start(_))
            | (state @ (Idle | Waiting | Calling { .. }), input @ Send)
            | (state @ (Idle | Waiting | Reconciling { .. }), input @ Answered) => {
                unreachable!("{input:?} reached the ingress loop in {state:?}")
            }
        };
        self.state = state;
        effects
    }

    fn calls(&self, object: &RoutingObject) -> Result<VecDeque<RuleCall>, Failure> {
        let wanted = wanted(object, &self.spec.cluster).map_err(Failure::BuildModel)?;
        if object.is_ingress() {
            return Ok(listener_rules::synthesize(&self.listener, &wanted, self.spec.synthesis).into());
        }
        Ok((wanted != *self.listener).then_some(RuleCall::Configure(wanted)).into_iter().collect())
    }

    fn next_call(&mut self, mut calls: VecDeque<RuleCall>, dirty: bool) -> (State, Vec<Effect>) {
        let Some(call) = calls.pop_front() else { return self.succeed(dirty, vec![]) };
        match self.call(call) {
            Err(failure) => self.fail(dirty, failure),
            Ok(effect) if calls.is_empty() => self.succeed(dirty, vec![effect]),
            Ok(effect) => (Calling { calls, dirty }, vec![effect, AwaitAnswer]),
        }
    }

    fn call(&mut self, call: RuleCall) -> Result<Effect, Failure> {
        if let Some(refusal) = listener_rules::refusal(&self.listener, &call) {
            return Err(Failure::DeployModel(refusal));
        }
        listener_rules::apply(Arc::make_mut(&mut self.listener), &call);
        Ok(Call { call, listener: Arc::clone(&self.listener) })
    }

    fn succeed(&mut self, dirty: bool, effects: Vec<Effect>) -> (State, Vec<Effect>) {
        self.failures = 0;
        end(dirty, effects)
    }

    /// Of two retries the work queue keeps the earlier one: that of a row that has just begun, else the one there is.
    fn fail(&mut self, dirty: bool, failure: Failure) -> (State, Vec<Effect>) {
        let mut effects = vec![Failed(failure)];
        if self.failures == 0 || !self.is_retry_due {
            (self.retries, self.is_retry_due) = (self.retries + 1, true);
            effects.push(RetryAfter(back_off(self.failures), self.retries));
        }
        self.failures += 1;
        end(dirty, effects)
    }

    /// All calls in one instant, and none of them again.
    fn send_at_once(&mut self, object: &RoutingObject) -> Vec<Effect> {
        let mut effects = vec![];
        let sent = self.calls(object).and_then(|calls| {
            calls.into_iter().try_for_each(|call| {
                effects.push(self.call(call)?);
                Ok(())
            })
        });
        effects.extend(sent.err().map(Failed));
        effects
    }
}

/// The rules that the object asks for.
fn wanted(object: &RoutingObject, cluster: &Cluster) -> Result<Listener, String> {
    match object {
        RoutingObject::Ingress(ingress) => listener_rules::build(ingress, cluster),
        RoutingObject::HttpRoutes(_) | RoutingObject::VirtualService(_) | RoutingObject::Weighted(_) => {
            Ok(object.listener().expect("proxies take it as it is"))
        }
    }
}

fn on_changed(state: State) -> (State, Vec<Effect>) {
    match state {
        Idle => (Waiting, vec![Enqueue]),
        Waiting => (Waiting, vec![]),
        Reconciling { snapshot, .. } => (Reconciling { snapshot, dirty: true }, vec![]),
        Calling { calls, .. } => (Calling { calls, dirty: true }, vec![]),
    }
}

/// The reconcile is over; what changed in the meantime queues the item again.
fn end(dirty: bool, mut effects: Vec<Effect>) -> (State, Vec<Effect>) {
    effects.extend(dirty.then_some(Enqueue));
    (if dirty { Waiting } else { Idle }, effects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ingress::Ingress as Object;
    use crate::model::ingress::{Backend, HttpPath, IngressRule, PathType, ServicePort};
    use crate::model::load_balancer::listener_rule::{Action, Forward, WeightedTargetGroup};
    use crate::model::weighted_route::{Destination, WeightedRoute};

    fn object(paths: &[&str]) -> Arc<RoutingObject> {
        let backend = |service: &str| Backend { service: service.to_owned(), port: ServicePort::Number(80) };
        let path =
            |name: &&str| HttpPath { path: format!("/{name}"), path_type: PathType::Exact, backend: backend(name) };
        let rules = vec![IngressRule { host: None, paths: paths.iter().map(path).collect() }];
        Arc::new(RoutingObject::Ingress(Object { rules, ..Object::default() }))
    }

    /// The object of which no rules can be made.
    fn broken() -> Arc<RoutingObject> {
        let RoutingObject::Ingress(mut object) = RoutingObject::clone(&object(&["a"])) else { unreachable!() };
        object.rules[0].paths[0].path = "/with*wildcard".to_owned();
        Arc::new(RoutingObject::Ingress(object))
    }

    fn ingress(paths: &[&str]) -> Ingress {
        let spec = IngressSpec { cluster: Cluster::default(), synthesis: RuleSynthesis::BySettings };
        Ingress::established(spec, object(paths)).unwrap()
    }

    /// Calls by name, and the Services that the rules then lead to, in order of priority.
    fn told(effects: &[Effect]) -> Vec<String> {
        let tell = |effect: &Effect| match effect {
            Enqueue => "enqueue".to_owned(),
            Reconcile(_) => "reconcile".to_owned(),
            AwaitAnswer => "await".to_owned(),
            Failed(failure) => failure.event().to_owned(),
            RetryAfter(delay, _) => format!("retry after {delay}"),
            Call { call, listener } => {
                let name = match call {
                    RuleCall::ModifyListener(_) => "listener",
                    RuleCall::SetRulePriorities(_) => "priorities",
                    RuleCall::ModifyRule(_) => "modify",
                    RuleCall::CreateRule(_) => "create",
                    RuleCall::DeleteRule(_) => "delete",
                    RuleCall::Configure(_) => "configure",
                };
                let service = |action: &Action| match action {
                    Action::Forward(Forward { target_groups, .. }) => {
                        let WeightedTargetGroup { service, .. } = &target_groups[0];
                        service.clone()
                    }
                    Action::FixedResponse(code) => code.to_string(),
                    Action::Redirect => "redirect".to_owned(),
                };
                let services: Vec<_> = listener.rules.iter().map(|rule| service(&rule.action)).collect();
                format!("{name} {}", services.join(" "))
            }
        };
        effects.iter().map(tell).collect()
    }

    const TIME: Duration = Duration::secs(2);

    #[test]
    fn a_change_is_sent_when_its_turn_comes() {
        let mut ingress = ingress(&["a"]);
        assert_eq!(told(&ingress.handle(Changed(object(&["b"])))), ["enqueue"]);
        assert_eq!(ingress.handle(Start(TIME)), vec![Reconcile(TIME)]);
        assert_eq!(told(&ingress.handle(Send)), ["modify b"]);
    }

    #[test]
    fn a_waiting_item_takes_the_newest_state() {
        let mut ingress = ingress(&["a"]);
        ingress.handle(Changed(object(&["b"])));
        assert_eq!(ingress.handle(Changed(object(&["c"]))), vec![], "one item per group");
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["modify c"], "b is never sent");
    }

    #[test]
    fn a_change_during_the_reconcile_waits_for_a_whole_second_one() {
        let mut ingress = ingress(&["a"]);
        ingress.handle(Changed(object(&["b"])));
        ingress.handle(Start(TIME));
        assert_eq!(ingress.handle(Changed(object(&["c"]))), vec![]);
        assert_eq!(told(&ingress.handle(Send)), ["modify b", "enqueue"]);
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["modify c"]);
    }

    #[test]
    fn a_selector_occupies_the_group_and_modifies_nothing() {
        let mut ingress = ingress(&["a"]);
        assert_eq!(ingress.handle(ServiceChanged), vec![Enqueue]);
        ingress.handle(Start(TIME));
        assert_eq!(ingress.handle(Changed(object(&["b"]))), vec![]);
        assert_eq!(ingress.handle(Send), vec![Enqueue]);
    }

    #[test]
    fn each_call_waits_for_the_answer_to_the_one_before() {
        let mut ingress = ingress(&["a"]);
        ingress.handle(Changed(object(&["b", "a"])));
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["priorities a", "await"]);
        assert_eq!(ingress.handle(ServiceChanged), vec![], "the item is being worked on");
        assert_eq!(told(&ingress.handle(Answered)), ["create b a", "enqueue"]);
    }

    #[test]
    fn an_object_that_makes_no_rules_leaves_them_as_they_are() {
        let mut ingress = ingress(&["a"]);
        let before = Arc::clone(ingress.listener());
        ingress.handle(Changed(broken()));
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["FailedBuildModel", "retry after 5ms"]);
        assert_eq!(*ingress.listener(), before);
        ingress.handle(Changed(object(&["b"])));
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["modify b"], "it is mended");
    }

    /// A route that ELBv2 refuses, and the weight of the root rule.
    fn refused_route(weight: u16) -> Arc<RoutingObject> {
        let RoutingObject::Ingress(mut object) = RoutingObject::clone(&object(&["root"])) else { unreachable!() };
        let values: Vec<_> = (0..4).map(|value| format!("\"{value}\"")).collect();
        let header = format!(
            r#"[{{"field":"http-header","httpHeaderConfig":{{"httpHeaderName":"X","values":[{}]}}}}]"#,
            values.join(",")
        );
        let action = |groups: &str| format!(r#"{{"type":"forward","forwardConfig":{{"targetGroups":[{groups}]}}}}"#);
        let group =
            |name: &str, weight: u16| format!(r#"{{"serviceName":"{name}","servicePort":"80","weight":{weight}}}"#);
        for (name, text) in [
            ("conditions.route", header),
            ("actions.route", action(&group("b", 1))),
            ("actions.root", action(&format!("{},{}", group("a", 100 - weight), group("b", weight)))),
        ] {
            object.annotations.insert(format!("alb.ingress.kubernetes.io/{name}"), text);
        }
        let port = ServicePort::Name("use-annotation".to_owned());
        let path = |name: &str| HttpPath {
            path: "/*".to_owned(),
            path_type: PathType::ImplementationSpecific,
            backend: Backend { service: name.to_owned(), port: port.clone() },
        };
        object.rules[0].paths = vec![path("route"), path("root")];
        Arc::new(RoutingObject::Ingress(object))
    }

    fn without_route(object: &RoutingObject) -> Arc<RoutingObject> {
        let RoutingObject::Ingress(mut object) = object.clone() else { unreachable!() };
        object.rules[0].paths.remove(0);
        Arc::new(RoutingObject::Ingress(object))
    }

    #[test]
    fn a_refused_call_stops_those_behind_it_alone() {
        let spec = IngressSpec { cluster: Cluster::default(), synthesis: RuleSynthesis::BySettings };
        let mut ingress = Ingress::established(spec, without_route(&refused_route(0))).unwrap();
        ingress.handle(Changed(refused_route(0)));
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["priorities a", "await"]);
        assert_eq!(told(&ingress.handle(Answered)), ["FailedDeployModel", "retry after 5ms"]);
        // The weight of the root rule, which has made way, comes before the route.
        ingress.handle(Changed(refused_route(20)));
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["modify a", "await"]);
        assert_eq!(told(&ingress.handle(Answered)), ["FailedDeployModel"], "the first retry is earlier than a second");
        let Action::Forward(forward) = &ingress.listener().rules[0].action else { unreachable!() };
        assert_eq!(forward.target_groups[1].weight, 20);

        assert_eq!(ingress.handle(Retry(1)), vec![Enqueue]);
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["FailedDeployModel", "retry after 20ms"]);
        ingress.handle(Changed(without_route(&refused_route(20))));
        ingress.handle(Start(TIME));
        assert_eq!(told(&ingress.handle(Send)), ["priorities a"], "it is mended");
        assert_eq!(ingress.handle(Retry(2)), vec![Enqueue], "and looked at once more");
        assert_eq!(ingress.handle(Retry(1)), vec![]);
    }

    #[test]
    fn proxies_get_all_of_it_at_once_if_anything_has_changed() {
        let object = |services: &[&str]| {
            let to = |service: &&str| Destination { service: (*service).to_owned(), weight: 1 };
            let destinations = services.iter().map(to).collect();
            Arc::new(RoutingObject::Weighted(WeightedRoute { headers: vec![], destinations }))
        };
        let spec = IngressSpec { cluster: Cluster::default(), synthesis: RuleSynthesis::BySettings };
        let mut ingress = Ingress::established(spec, object(&["a"])).unwrap();
        assert_eq!(told(&ingress.handle(SendState(object(&["a", "b"])))), ["configure "]);
        assert_eq!(ingress.listener().default_action.to_string(), "a 1 b 1");
        assert_eq!(ingress.handle(SendState(object(&["a", "b"]))), vec![]);
    }

    #[test]
    fn overlapping_changes_are_sent_one_by_one() {
        let mut ingress = ingress(&["a"]);
        assert_eq!(told(&ingress.handle(SendState(object(&["b"])))), ["modify b"]);
        assert_eq!(ingress.handle(SendState(object(&["b"]))), vec![]);
    }
}
