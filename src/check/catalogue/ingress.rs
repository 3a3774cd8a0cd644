//! The Ingress: its class, its backends, and the actions in its annotations.

use super::Rule;
use crate::check::change::{Change, Edit};
use crate::check::finding::{Found, Level, Page};
use crate::check::subject::{ANNOTATIONS, Subject};
use crate::scenario::document::{Entry, Node};
use crate::scenario::manifests::object::Object;
use serde_json::Value;

pub const RULES: &[Rule] = &[REFUSED_ACTION, NO_ANNOTATION, NO_JSON, OTHER_CLASS, MISSING_PORT];

/// A path's port of this name takes its action from an annotation.
const USE_ANNOTATION: &str = "use-annotation";

/// The backends of the paths, each with its dotted key.
fn backends(ingress: &Object) -> Vec<(String, &Node)> {
    let mut found = Vec::new();
    for (rule_index, rule) in ingress.items("spec.rules").iter().enumerate() {
        let paths = rule.table().and_then(|table| table.find("http.paths")).and_then(Node::array).unwrap_or_default();
        for (index, path) in paths.iter().enumerate() {
            if let Some(service) = path.table().and_then(|table| table.find("backend.service")) {
                found.push((format!("spec.rules[{rule_index}].http.paths[{index}].backend.service"), service));
            }
        }
    }
    found
}

fn text_in<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.table()?.find(key)?.text()
}

/// The actions that a path takes from an annotation: only those does the load balancer controller read.
fn actions(ingress: &Object) -> Vec<&Entry> {
    let names = backends(ingress);
    let is_used = |entry: &&Entry| {
        let name = entry.key.strip_prefix(ANNOTATIONS).and_then(|short| short.strip_prefix("actions."));
        names.iter().any(|(_, service)| {
            name.is_some() && text_in(service, "name") == name && text_in(service, "port.name") == Some(USE_ANNOTATION)
        })
    };
    ingress.entries("metadata.annotations").iter().filter(is_used).collect()
}

fn json(entry: &Entry) -> Result<Value, serde_json::Error> {
    serde_json::from_str(entry.value.text().unwrap_or_default())
}

/// A field of a JSON object, as Go finds it: whatever its case.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let (_, value) = value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value).filter(|value| !value.is_null())
}

const REFUSED_ACTION: Rule = Rule {
    page: Page {
        code: "ALB036",
        title: "an action that the load balancer controller refuses",
        level: Level::Error,
        cause: "The controller reads the JSON of an action annotation strictly: several target groups need a weight each, a \
                Service its port, and the Service has to be there.",
        consequence: "One bad action fails the whole Ingress group: no change of it reaches the ALB, no weight either. For a \
                      Service that is missing the ALB answers 503.",
        remedy: "write the action as the controller's documentation has it, with a weight for each target group",
        source: "AWS Load Balancer Controller: Ingress annotations, actions; pkg/ingress/config_types.go",
        example: include_str!("../../../scenarios/findings/ALB036.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(ingress) = subject.alb_ingress() else { return Vec::new() };
        let refusal = |entry: &Entry| {
            let action = json(entry).ok()?;
            let why = refusal(&action).or_else(|| missing_service(subject, &action))?;
            let name = entry.key.strip_prefix(ANNOTATIONS).unwrap_or(&entry.key);
            Some(Found::at(entry.key_place.clone(), format!("{name}: {why}")))
        };
        actions(ingress).into_iter().filter_map(refusal).collect()
    },
};

/// Why the controller refuses an action. Source: `pkg/ingress/config_types.go`.
fn refusal(action: &Value) -> Option<String> {
    let kind = field(action, "type").and_then(Value::as_str).unwrap_or_default();
    let needs = |name: &str| field(action, name).is_none().then(|| format!("an action {kind} has {name}"));
    match kind {
        "fixed-response" => needs("fixedResponseConfig"),
        "redirect" => needs("redirectConfig"),
        "forward" => {
            let is_short = ["targetGroupARN", "targetGroupName"].iter().any(|name| field(action, name).is_some());
            if is_short { None } else { needs("forwardConfig").or_else(|| refused_groups(target_groups(action))) }
        }
        _ => Some(format!("`{kind}` is no type of an action: it is forward, redirect or fixed-response")),
    }
}

fn target_groups(action: &Value) -> &[Value] {
    let groups = field(action, "forwardConfig").and_then(|config| field(config, "targetGroups"));
    groups.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn refused_groups(groups: &[Value]) -> Option<String> {
    let without = groups.iter().filter(|group| field(group, "weight").is_none()).count();
    if groups.len() > 1 && without > 0 {
        return Some(format!("{without} of {} target groups have no weight", groups.len()));
    }
    let why = |group: &Value| {
        let names = ["serviceName", "targetGroupARN", "targetGroupName"];
        let count = names.iter().filter(|name| field(group, name).is_some()).count();
        if count != 1 {
            return Some(format!("a target group has exactly one of {}", names.join(", ")));
        }
        let service = field(group, "serviceName")?.as_str()?;
        field(group, "servicePort").is_none().then(|| format!("the Service {service} has no servicePort"))
    };
    groups.iter().find_map(why)
}

/// A Service that the files do not have, if they have any of its namespace.
fn missing_service(subject: &Subject<'_>, action: &Value) -> Option<String> {
    let (ingress, stream) = (subject.alb_ingress()?, subject.release.stream);
    stream.of_kind("Service").find(|service| service.namespace == ingress.namespace)?;
    let names = target_groups(action).iter().filter_map(|group| field(group, "serviceName")?.as_str());
    let missing = |name: &&str| stream.find("Service", &ingress.namespace, name).is_none();
    let name = names.into_iter().find(missing)?;
    Some(format!("there is no Service {name} in the namespace {}", ingress.namespace))
}

const NO_ANNOTATION: Rule = Rule {
    page: Page {
        code: "ALB037",
        title: "a path to the root Service that does not take its action from the annotation",
        level: Level::Error,
        cause: "The Rollouts controller writes the weights into the annotation actions.ROOT. The load balancer controller \
                reads it only for a path whose port has the name use-annotation.",
        consequence: "The canary gets no request at any weight, and every release goes to all users at its promotion.",
        remedy: "write port: { name: use-annotation } in the path's backend",
        source: "Argo Rollouts documentation, AWS ALB; AWS Load Balancer Controller, pkg/ingress/enhanced_backend_builder.go",
        example: include_str!("../../../scenarios/findings/ALB037.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let (Some(ingress), true) = (subject.release.ingress, subject.is_routed_by_alb()) else { return Vec::new() };
        let Some(root) = root_service(subject) else { return Vec::new() };
        let backends = backends(ingress);
        let paths: Vec<_> =
            backends.into_iter().filter(|(_, service)| text_in(service, "name") == Some(root)).collect();
        let is_annotated = |(_, service): &(String, &Node)| text_in(service, "port.name") == Some(USE_ANNOTATION);
        let Some((key, service)) = paths.first().filter(|_| !paths.iter().any(is_annotated)) else { return Vec::new() };
        let port = service.table().and_then(|table| table.find("port"));
        let place = ["port.name", "port.number"].iter().find_map(|key| service.table()?.find(key)?.place.clone());
        let port = port.and_then(Node::table).and_then(|port| port.entries.first()).map(|entry| &entry.value);
        let port = port.map_or("nothing".to_owned(), |node| node.text().map_or_else(|| node.to_toml(), str::to_owned));
        let message =
            format!("the path to {root} goes by its port ({port}), not by actions.{root}: no weight counts for it");
        let place = place.or_else(|| ingress.find(&format!("{key}.name")).and_then(|node| node.place.clone()));
        vec![Found::at(place, message).with(use_annotation(&paths))]
    },
};

/// The Service whose action the Rollouts controller writes.
pub fn root_service<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let text = |key: &str| subject.workload().text(key).filter(|text| !text.is_empty());
    text("spec.strategy.canary.trafficRouting.alb.rootService").or_else(|| text("spec.strategy.canary.stableService"))
}

fn use_annotation(paths: &[(String, &Node)]) -> Option<Change> {
    let mut edits = Vec::new();
    for (_, service) in paths {
        let port = service.table()?.find("port")?.table()?;
        let [entry] = port.entries.as_slice() else { return None };
        let at = entry.key_place.as_ref()?.start..entry.value.place.as_ref()?.end;
        edits.push(Edit { at, text: format!("name: {USE_ANNOTATION}") });
    }
    Some(Change { words: format!("set port.name: {USE_ANNOTATION}"), edits })
}

const NO_JSON: Rule = Rule {
    page: Page {
        code: "ALB046",
        title: "an action annotation that is no JSON",
        level: Level::Error,
        cause: "A path takes its action from an annotation, and the load balancer controller cannot read it.",
        consequence: "The whole Ingress group stays as it was: no change of it reaches the ALB, no weight either.",
        remedy: "write JSON: {\"type\":\"forward\",\"forwardConfig\":{\"targetGroups\":[…]}}",
        source: "AWS Load Balancer Controller: Ingress annotations, actions; pkg/annotations/parser.go",
        example: include_str!("../../../scenarios/findings/ALB046.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(ingress) = subject.alb_ingress() else { return Vec::new() };
        let found = |entry: &Entry| {
            let problem = json(entry).err()?;
            let name = entry.key.strip_prefix(ANNOTATIONS).unwrap_or(&entry.key);
            Some(Found::at(entry.key_place.clone(), format!("{name} is no JSON: {problem}")))
        };
        actions(ingress).into_iter().filter_map(found).collect()
    },
};

const OTHER_CLASS: Rule = Rule {
    page: Page {
        code: "ALB047",
        title: "an Ingress without the class of the ALB",
        level: Level::Warning,
        cause: "The load balancer controller takes an Ingress whose ingressClassName leads to the controller \
                ingress.k8s.aws/alb, or with the annotation kubernetes.io/ingress.class: alb. The Rollouts controller watches \
                those of --alb-ingress-classes, alb unless set.",
        consequence: "Without it no ALB is made, or another controller makes something else of the Ingress, and nobody reads \
                      the weights.",
        remedy: "set ingressClassName: alb",
        source: "AWS Load Balancer Controller documentation, IngressClass; Argo Rollouts, --alb-ingress-classes",
        example: include_str!("../../../scenarios/findings/ALB047.bad.yaml"),
        run: None,
    },
    look: |subject| {
        const CLASS: &str = "spec.ingressClassName";
        const OLD: &str = "kubernetes.io/ingress.class";
        let Some(ingress) = subject.release.ingress.filter(|_| subject.is_routed_by_alb()) else { return Vec::new() };
        let old = ingress.entries("metadata.annotations").iter().find(|entry| entry.key == OLD);
        let class = ingress.find(CLASS).or(old.map(|entry| &entry.value));
        let name = class.and_then(Node::text);
        if leads_to_alb(subject, name) {
            return Vec::new();
        }
        let place = class.map_or(Some(ingress.name_place.clone()), |node| node.place.clone());
        let message = match name {
            Some(name) => format!("the Ingress {} is of the class {name}: no ALB is made of it", ingress.name),
            None => format!("the Ingress {} has no class: an ALB is made of it only by a default class", ingress.name),
        };
        let change = match (ingress.find(CLASS), old) {
            (None, Some(_)) => Change::set(subject.sources, ingress, &format!("metadata.annotations.\"{OLD}\""), "alb"),
            (Some(_) | None, _) => Change::set(subject.sources, ingress, CLASS, "alb"),
        };
        vec![Found::at(place, message).with(change)]
    },
};

/// Whether a class is the ALB's, as far as the files say. A name with `alb` in it is somebody's own class for it; without
/// a name the default class counts.
fn leads_to_alb(subject: &Subject<'_>, name: Option<&str>) -> bool {
    // The second is that of EKS Auto Mode.
    const CONTROLLERS: [&str; 2] = ["ingress.k8s.aws/alb", "eks.amazonaws.com/alb"];
    const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
    let is_alb = |class: &Object| class.text("spec.controller").is_some_and(|name| CONTROLLERS.contains(&name));
    let is_default = |class: &Object| {
        let annotations = class.entries("metadata.annotations");
        annotations.iter().any(|entry| entry.key == DEFAULT && entry.value.text() == Some("true"))
    };
    let mut classes = subject.release.stream.of_kind("IngressClass");
    match name {
        None => classes.any(|class| is_default(class) && is_alb(class)),
        Some(name) => match classes.find(|class| class.name == name) {
            Some(class) => is_alb(class),
            None => name.contains("alb"),
        },
    }
}

const MISSING_PORT: Rule = Rule {
    page: Page {
        code: "ALB049",
        title: "a servicePort that the Services do not have",
        level: Level::Error,
        cause: "The Rollouts controller writes trafficRouting.alb.servicePort into the action with the weights, and the load \
                balancer controller looks for that port in each Service of the action. It is the Service's port, not its \
                targetPort.",
        consequence: "The model of the whole Ingress group cannot be built: `unable to find port … on service …`. No change of it \
                      reaches the ALB, no weight either.",
        remedy: "set servicePort to the port of the Services",
        source: "AWS Load Balancer Controller, pkg/ingress/model_build_target_group.go, buildTargetGroup; pkg/k8s, \
                 LookupServicePort",
        example: include_str!("../../../scenarios/findings/ALB049.bad.yaml"),
        run: None,
    },
    look: |subject| {
        const KEY: &str = "spec.strategy.canary.trafficRouting.alb.servicePort";
        let node = subject.workload().find(KEY).and_then(|node| Some((node, node.integer()?)));
        let Some((node, port)) = node else { return Vec::new() };
        let services = subject.release.named_services();
        let mut services: Vec<(&str, Vec<i64>)> =
            services.iter().filter_map(|(_, name)| with_ports(subject.release.service(name.text()?)?)).collect();
        services.dedup();
        let lacking: Vec<&str> =
            services.iter().filter(|(_, ports)| !ports.contains(&port)).map(|(name, _)| *name).collect();
        if lacking.is_empty() {
            return Vec::new();
        }
        let verb = if lacking.len() == 1 { "has" } else { "have" };
        let message = format!("{} {verb} no port {port}: no weight reaches the ALB", lacking.join(" and "));
        let only = match &services[0].1[..] {
            [only] if services.iter().all(|(_, ports)| ports.contains(only)) => subject.set(KEY, &only.to_string()),
            _ => None,
        };
        vec![Found::at(node.place.clone(), message).with(only)]
    },
};

/// The name of a Service and its ports. Of an ExternalName any number is a port.
fn with_ports(service: &Object) -> Option<(&str, Vec<i64>)> {
    let port = |port: &Node| port.table()?.find("port")?.integer();
    let ports: Vec<_> = service.items("spec.ports").iter().filter_map(port).collect();
    (!ports.is_empty() && service.text("spec.type") != Some("ExternalName")).then_some((service.name.as_str(), ports))
}
