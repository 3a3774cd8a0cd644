//! What the AWS Load Balancer Controller or the ELBv2 API would refuse of an Ingress, and what is odd.

use super::{PREFIX, uses_annotation};
use crate::model::ingress::{Backend, Ingress, IngressRule, USE_ANNOTATION};
use crate::model::load_balancer::listener_rule::{Listener, MAX_RULES};
use crate::model::load_balancer_controller::listener_rules::{Cluster, build};
use crate::model::rollout::alb::{Annotations, Destination};
use crate::model::rollout::step::Step;
use crate::scenario::diagnostic::{Problem, Severity};
use crate::scenario::document::{Node, Table};
use crate::scenario::pass::Pass;
use crate::scenario::{Scenario, path, validation};
use crate::units::TrafficWeight;

/// What would be refused, each with its place, and what is odd.
pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    // What could not be read has no place in the object.
    let is_of_ingress =
        |problem: &Problem| problem.severity == Severity::Error && path::is_within(&problem.key, "ingress");
    if pass.problems.iter().any(is_of_ingress) {
        return;
    }
    let mut checked = Checked { pass, scenario, document, annotations: annotations_of_a_run(scenario) };
    if checked.has_ports() {
        checked.backends();
    }
    checked.root();
    checked.header_routes();
}

/// The Rollouts controller has written its own before anything begins, whatever stood there.
fn annotations_of_a_run(scenario: &Scenario) -> Annotations {
    let mut ingress = scenario.ingress.clone();
    let stable = Destination { service: scenario.services.stable.clone(), weight: TrafficWeight::HUNDRED };
    // Without a path to the root Service nothing is written, which is told.
    let _ = scenario.alb_router().map(|router| router.set_weights(&mut ingress, &[stable]));
    ingress.annotations
}

struct Checked<'a> {
    pass: &'a mut Pass,
    scenario: &'a Scenario,
    document: &'a Table,
    annotations: Annotations,
}

impl Checked<'_> {
    fn error(&mut self, key: &str, message: String, help: &str) {
        let place = self.document.find(key).and_then(|node| node.place.clone());
        self.pass.error(key, place, message, help);
    }

    fn warning(&mut self, key: &str, message: String, help: &str) {
        let place = self.document.find(key).and_then(|node| node.place.clone());
        self.pass.warning(key, place, message, help);
    }

    fn annotations_alone(&self) -> Ingress {
        Ingress { annotations: self.annotations.clone(), ..Ingress::default() }
    }

    /// Without them there is no rule at all.
    fn has_ports(&mut self) -> bool {
        let refusal = built(&self.annotations_alone()).err();
        let is_right = refusal.is_none();
        if let Some(reason) = refusal {
            let help = "write it like [{\"HTTP\": 80}, {\"HTTPS\": 443}]";
            self.error(&annotation_key("listen-ports"), reason, help);
        }
        is_right
    }

    /// Each backend by itself: then the place is known.
    fn backends(&mut self) {
        let ingress = &self.scenario.ingress;
        let count: usize = ingress.rules.iter().map(|rule| rule.paths.len()).sum();
        if count > MAX_RULES {
            let message =
                format!("each path is a rule, and a load balancer has at most {MAX_RULES}: these are {count}");
            self.error("ingress.rules", message, "the quota can be raised, which is not simulated");
            return;
        }
        let mut alone = vec![];
        for (rule_index, rule) in ingress.rules.iter().enumerate() {
            for (index, path) in rule.paths.iter().enumerate() {
                let rules = vec![IngressRule { host: rule.host.clone(), paths: vec![path.clone()] }];
                let key = format!("ingress.rules[{rule_index}].http.paths[{index}]");
                alone.push((key, &path.backend, Ingress { rules, ..self.annotations_alone() }));
            }
        }
        if let Some(backend) = &ingress.default_backend {
            let default_backend = Some(backend.clone());
            let key = "ingress.defaultBackend".to_owned();
            alone.push((key, backend, Ingress { default_backend, ..self.annotations_alone() }));
        }
        let mut told = vec![];
        for (key, backend, ingress) in &alone {
            let refusal = built(ingress).and_then(|listener| listener.refusal().map_or(Ok(()), Err));
            if let Err(reason) = refusal {
                let annotation = annotations_of(backend).into_iter().find(|name| reason.starts_with(name.as_str()));
                let key = annotation.map_or_else(|| key.clone(), |name| annotation_key(&name));
                if !told.contains(&key) {
                    let help = "the AWS Load Balancer Controller would give up on the whole Ingress";
                    self.error(&key, reason, help);
                }
                told.push(key);
            } else {
                self.missing_action(key, backend);
            }
        }
    }

    fn missing_action(&mut self, key: &str, backend: &Backend) {
        let name = format!("actions.{}", backend.service);
        if uses_annotation(backend) && !self.annotations.contains_key(&format!("{PREFIX}{name}")) {
            let message = format!("there is no annotation `{name}`: a fixed 503 stands in its place");
            self.warning(key, message, "the AWS Load Balancer Controller tolerates it unless told otherwise");
        }
    }

    /// Source: `validation_references.go:ValidateIngress`. Of manifests that is told with their references.
    fn root(&mut self) {
        const RULES: &str = "ingress.rules";
        let Some(node) = self.document.find(RULES).filter(|_| self.scenario.workload.is_traffic_routed()) else {
            return;
        };
        let root = &self.scenario.services.root;
        let paths = self.scenario.ingress.rules.iter().flat_map(|rule| &rule.paths);
        let backends: Vec<_> = paths.map(|path| &path.backend).collect();
        let services: Vec<_> = backends.iter().map(|backend| backend.service.as_str()).collect();
        let name = self.document.find("rollout.strategy.canary.trafficRouting.alb.ingress").and_then(Node::text);
        let violation = validation::ingress::violation(name.unwrap_or("ingress"), root, &services);
        let is_of_manifest = self.pass.is_of_manifest(node.place.as_ref());
        if let Some(violation) = violation.filter(|_| !is_of_manifest) {
            let help = format!("name `{root}` as the backend of a path, with the port name {USE_ANNOTATION}");
            let place = node.place.clone();
            self.pass.problems.push(Problem {
                severity: Severity::Error,
                code: violation.rule.code(),
                key: RULES.to_owned(),
                message: violation.detail,
                place,
                help,
            });
        } else if !backends.iter().any(|backend| backend.service == *root && uses_annotation(backend)) {
            let message = format!("no weight has an effect: no path to `{root}` has the port name {USE_ANNOTATION}");
            self.warning(RULES, message, "the annotation with the weights is looked at for that port name alone");
        }
    }

    /// The rules that a step would ask for, one route at a time. What is wrong with a route itself has been told.
    fn header_routes(&mut self) {
        if self.pass.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return;
        }
        let (Some(router), Some(canary)) = (self.scenario.alb_router(), self.scenario.workload.canary()) else {
            return;
        };
        let managed = canary.traffic_routing.as_ref().map_or(&[][..], |routing| &routing.managed_routes);
        for (index, step) in canary.steps.iter().enumerate() {
            let Step::SetHeaderRoute(route) = step else { continue };
            let mut ingress = Ingress { annotations: self.annotations.clone(), ..self.scenario.ingress.clone() };
            let set = router.set_header_route(&mut ingress, (route, &self.scenario.services.canary), managed);
            let listener = set.and_then(|()| built(&ingress));
            if let Some(reason) = listener.ok().and_then(|listener| listener.refusal()) {
                let key = format!("rollout.strategy.canary.steps[{index}].setHeaderRoute");
                let message = format!("ELBv2 refuses the rule of this route: {reason}");
                self.warning(
                    &key,
                    message,
                    "the AWS Load Balancer Controller tries it again and again, and nothing behind it",
                );
            }
        }
    }
}

fn built(ingress: &Ingress) -> Result<Listener, String> {
    build(ingress, &Cluster::default())
}

fn annotations_of(backend: &Backend) -> [String; 2] {
    ["actions", "conditions"].map(|kind| format!("{kind}.{}", backend.service))
}

fn annotation_key(name: &str) -> String {
    path::join("ingress.annotations", &format!("{PREFIX}{name}"))
}

#[cfg(test)]
mod tests {
    use super::super::PREFIX;
    use super::super::tests::{RELEASE, annotated, is_told, paths};
    use crate::scenario::load::load;

    #[test]
    fn what_the_load_balancer_controller_would_refuse_is_told_with_its_place() {
        let path = "ingress.rules[0].http.paths[0]";
        is_told(
            paths("{ path = \"/a*\", pathType = \"Exact\", backend.service.name = \"a\" }, "),
            path,
            "exact path shouldn't contain wildcards: /a*",
        );
        let a = "{ path = \"/a\", backend.service = { name = \"a\", port.name = \"use-annotation\" } }, ";
        let key = |name: &str| format!("ingress.annotations.\"{PREFIX}{name}\"");
        // Two paths, one annotation: one problem.
        is_told(
            annotated("actions.a", "{}", &format!("{a}{a}")),
            &key("actions.a"),
            "actions.a: unknown action type: ",
        );
        is_told(
            annotated(
                "conditions.a",
                "[{\"field\":\"source-ip\"}]",
                "{ path = \"/a\", backend.service.name = \"a\" }, ",
            ),
            &key("conditions.a"),
            "conditions.a: missing sourceIPConfig",
        );
        is_told(annotated("listen-ports", "[]", ""), &key("listen-ports"), "listen-ports: empty listen-ports");
        let heavy = r#"{"type":"forward","forwardConfig":{"targetGroups":[
            {"serviceName":"b","servicePort":80,"weight":1000},{"serviceName":"c","servicePort":80,"weight":1}]}}"#;
        is_told(
            annotated("actions.a", &heavy.replace('\n', ""), a),
            path,
            "a weight lies between 0 and 999, that of b is 1000",
        );
        let many: String =
            (0..100).map(|number| format!("{{ path = \"/{number}\", backend.service.name = \"a\" }}, ")).collect();
        is_told(
            paths(&many),
            "ingress.rules",
            "each path is a rule, and a load balancer has at most 100: these are 101",
        );
    }

    #[test]
    fn what_is_odd_but_possible_is_a_warning() {
        is_told(
            paths("{ path = \"/a\", backend.service = { name = \"a\", port.name = \"use-annotation\" } }, "),
            "ingress.rules[0].http.paths[0]",
            "there is no annotation `actions.a`: a fixed 503 stands in its place",
        );
        let text = format!("{RELEASE}[[ingress.rules]]\nhttp.paths = [{{ backend.service.name = \"root\" }}]\n");
        is_told(
            load(&text, "x", &[]),
            "ingress.rules",
            "no weight has an effect: no path to `root` has the port name use-annotation",
        );
        let values =
            ["a", "b", "c", "d"].map(|value| format!("{{ headerName = \"x\", headerValue.exact = \"{value}\" }}"));
        let step = format!("{{ setHeaderRoute = {{ name = \"r\", match = [{}] }} }}", values.join(", "));
        let text = format!("{RELEASE}trafficRouting.managedRoutes = [{{ name = \"r\" }}]\nsteps = [{step}]\n");
        is_told(
            load(&text, "x", &[]),
            "rollout.strategy.canary.steps[0].setHeaderRoute",
            "ELBv2 refuses the rule of this route: a http-header condition has at most 3 values, this one has 4",
        );
    }

    #[test]
    fn a_release_that_splits_requests_needs_a_path_to_its_root_service() {
        let text = format!("{RELEASE}[[ingress.rules]]\nhttp.paths = [{{ backend.service.name = \"other\" }}]\n");
        is_told(load(&text, "x", &[]), "ingress.rules", "ingress `ingress` has no rules using service root backend");
    }
}
