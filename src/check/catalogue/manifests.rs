//! What the files say that is not simulated as it stands, and what they do not have.

use super::Rule;
use crate::check::finding::{Found, Level, Page};
use crate::check::reproduce::Run;
use crate::check::subject::Subject;
use crate::model::fenceposts::{IntOrPercent, fenceposts};
use crate::scenario::document::Node;
use crate::scenario::manifests::object::Object;
use crate::scenario::validation::REFERENCED;

pub const RULES: &[Rule] = &[
    OTHER_ROUTER,
    NO_SERVICES,
    NO_INGRESS,
    NO_ANALYSIS,
    TEXT_WITHOUT_PERCENT,
    SEVERAL_CONTAINERS,
    INSTANCE_TARGETS,
    INSTANCE_BINDING,
    SEVERAL_INGRESSES,
    NO_TEMPLATE,
];

const OTHER_ROUTER: Rule = Rule {
    page: Page {
        code: "M002",
        title: "the router is not an ALB",
        level: Level::Note,
        cause: "The delays of an ALB are those that users have measured. For another router there is a preset, and most of its \
                figures are assumptions: nobody publishes them.",
        consequence: "How long a weight takes to reach the proxies, and how far they are apart, may be otherwise in your cluster. \
                      What a proxy does about a pod that is gone (retries, outlier detection) is not simulated.",
        remedy: "measure your router, and set [load_balancer_controller] and [load_balancer] in a scenario; [router] names \
                 another preset",
        source: "Argo Rollouts documentation, Traffic Management",
        example: include_str!("../../../scenarios/findings/M002.bad.yaml"),
        run: None,
    },
    look: |subject| {
        const ROUTING: &str = "spec.strategy.canary.trafficRouting";
        // What stands beside the routers.
        const OTHERS: [&str; 3] = ["alb", "managedRoutes", "maxTrafficWeight"];
        let is_alb = subject.is_routed_by_alb();
        let routers = subject.workload().entries(ROUTING).iter();
        let router = |entry: &&crate::scenario::document::Entry| !OTHERS.contains(&entry.key.as_str());
        let found = routers.filter(router).map(|entry| {
            // Of a plugin the name says which.
            let plugin = entry.value.table().filter(|_| entry.key == "plugins").and_then(|table| table.entries.first());
            let name = plugin.map_or(&entry.key, |plugin| &plugin.key);
            let message = match (is_alb, subject.scenario) {
                (true, _) => format!("{name} splits the traffic beside the ALB: only the ALB is simulated"),
                (false, Some(scenario)) => {
                    let preset = scenario.router.preset;
                    format!("{name} splits the traffic: its proxies are played by the preset `{preset}`")
                }
                (false, None) => format!("{name} splits the traffic"),
            };
            Found::at(entry.key_place.clone(), message)
        });
        found.take(1).collect()
    },
};

const NO_SERVICES: Rule = Rule {
    page: Page {
        code: "M003",
        title: "the Services are not in these files",
        level: Level::Note,
        cause: "The strategy names Services, and the files have none of their namespace.",
        consequence: "What the Services say of ports, selectors and target groups is not checked, and their annotations do not \
                      count.",
        remedy: "give the files with the Services, too, or what helm template or kustomize build prints",
        source: "Argo Rollouts documentation, Canary: canaryService and stableService",
        example: include_str!("../../../scenarios/findings/M003.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let namespace = subject.workload().namespace.as_str();
        let mut services = subject.release.stream.of_kind("Service");
        let named = subject.release.named_services();
        let Some((_, first)) = named.first().filter(|_| !services.any(|service| service.namespace == namespace)) else {
            return Vec::new();
        };
        let names: Vec<_> = named.iter().filter_map(|(_, node)| node.text()).collect();
        let message = format!("these files have no Services of the namespace {namespace}: {}", names.join(", "));
        vec![Found::at(first.place.clone(), message)]
    },
};

const NO_INGRESS: Rule = Rule {
    page: Page {
        code: "M004",
        title: "the Ingress is not in these files",
        level: Level::Note,
        cause: "The Rollout routes by an Ingress, and the files have none of its namespace.",
        consequence: "The target groups are simulated with the defaults of the load balancer controller, and the Ingress is \
                      not checked.",
        remedy: "give the file with the Ingress, too",
        source: "Argo Rollouts documentation, AWS ALB",
        example: include_str!("../../../scenarios/findings/M004.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let namespace = subject.workload().namespace.as_str();
        let mut ingresses = subject.release.stream.of_kind("Ingress");
        let named = subject.release.named_ingress();
        let Some(named) = named.filter(|_| !ingresses.any(|ingress| ingress.namespace == namespace)) else {
            return Vec::new();
        };
        let message = format!("these files do not have the Ingress {}", named.text().unwrap_or_default());
        vec![Found::at(named.place.clone(), message)]
    },
};

const NO_ANALYSIS: Rule = Rule {
    page: Page {
        code: "M005",
        title: "an analysis that counts as successful",
        level: Level::Note,
        cause: "An AnalysisTemplate is not in these files, or it asks a provider (Prometheus, CloudWatch, a Job) that nobody \
                can ask here.",
        consequence: "The analysis counts as successful: how soon it would end a bad release is not simulated.",
        remedy: "write [[analysis_templates]] of the same name in a scenario that names these manifests: it asks the run's own \
                 monitoring",
        source: "Argo Rollouts documentation, Analysis & Progressive Delivery",
        example: include_str!("../../../scenarios/findings/M005.bad.yaml"),
        run: Some(Run::of("strategies/analysis-of-a-bad-version")),
    },
    look: |subject| {
        let known = subject.scenario.map_or(&[][..], |scenario| &scenario.analysis_templates);
        let mut told: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for node in analyses(subject) {
            let Some(name) = node.text() else { continue };
            if told.contains(&name) || known.iter().any(|template| template.name == name) {
                continue;
            }
            told.push(name);
            found.push(Found::at(node.place.clone(), unsimulated(subject, name)));
        }
        found
    },
};

/// The names of the templates of all AnalysisRuns.
fn analyses<'a>(subject: &Subject<'a>) -> Vec<&'a Node> {
    const OTHERS: [&str; 3] = ["canary.analysis", "blueGreen.prePromotionAnalysis", "blueGreen.postPromotionAnalysis"];
    let workload = subject.workload();
    let others = OTHERS.iter().flat_map(|key| workload.items(&format!("spec.strategy.{key}.templates")));
    let of_step = |step: &'a Node| step.table()?.find("analysis.templates")?.array();
    let of_steps = subject.steps().iter().filter_map(of_step).flatten();
    others.chain(of_steps).filter_map(|item| item.table()?.find("templateName")).collect()
}

fn unsimulated(subject: &Subject<'_>, name: &str) -> String {
    let (stream, namespace) = (subject.release.stream, subject.workload().namespace.as_str());
    let of_cluster = stream.find("ClusterAnalysisTemplate", "", name);
    let Some(template) = stream.find("AnalysisTemplate", namespace, name).or(of_cluster) else {
        return format!("the AnalysisTemplate {name} is not in these files: it counts as successful");
    };
    let provider = |metric: &Node| Some(metric.table()?.find("provider")?.table()?.entries.first()?.key.clone());
    let providers: Vec<_> = template.items("spec.metrics").iter().filter_map(provider).collect();
    match providers.first() {
        Some(provider) => format!("nobody can ask {provider} here: the analysis {name} counts as successful"),
        None => format!("the analysis {name} counts as successful: it is not known what it asks"),
    }
}

const TEXT_WITHOUT_PERCENT: Rule = Rule {
    page: Page {
        code: "M006",
        title: "a number of pods in quotes, which a Rollout takes for a percentage",
        level: Level::Warning,
        cause: "The Rollouts controller takes every text in maxSurge and maxUnavailable for a percentage: \"5\" is 5 %.",
        consequence: "Other numbers of pods come and go at once than it seems: slower, or with less capacity.",
        remedy: "write a number without quotes, or a percentage with its sign",
        source: "argo-rollouts, utils/replicaset/replicaset.go and utils/defaults/defaults.go",
        example: include_str!("../../../scenarios/findings/M006.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(canary) = subject.scenario.and_then(|scenario| scenario.workload.canary()) else { return Vec::new() };
        let is_routed = canary.is_traffic_routed();
        let replicas = subject.replicas();
        let found = |name: &str| {
            let key = format!("spec.strategy.canary.{name}");
            let node = subject.workload().find(&key)?;
            let pods: u32 = node.text()?.trim().parse().ok()?;
            // Under traffic routing maxSurge has no part.
            if is_routed && name == "maxSurge" {
                return None;
            }
            let percent = IntOrPercent::Percent(pods);
            let meant = fenceposts(percent, percent, replicas);
            let real = if name == "maxSurge" { meant.max_surge } else { meant.max_unavailable };
            let message = format!("{name} \"{pods}\" means {pods} %: of {replicas} pods that is {real}, not {pods}");
            (real != pods).then(|| Found::at(node.place.clone(), message).with(subject.set(&key, &pods.to_string())))
        };
        ["maxSurge", "maxUnavailable"].into_iter().filter_map(found).collect()
    },
};

const SEVERAL_CONTAINERS: Rule = Rule {
    page: Page {
        code: "M007",
        title: "several containers, of which one is simulated",
        level: Level::Note,
        cause: "A pod is simulated with the container that takes the requests: the one with the port to which a Service leads, \
                or the first.",
        consequence: "A sidecar that starts later or stops sooner fails requests, too; that is not in the numbers.",
        remedy: "give each container on the way of a request the same preStop hook, or make proxies native sidecars",
        source: "Kubernetes documentation, Sidecar Containers",
        example: include_str!("../../../scenarios/findings/M007.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let containers = subject.containers();
        if containers.len() < 2 {
            return Vec::new();
        }
        let name =
            |node: &Node| node.table().and_then(|table| table.find("name")).and_then(Node::text).map(str::to_owned);
        let main = containers.get(subject.main()).and_then(name).unwrap_or_default();
        let message = format!("of {} containers only `{main}` is simulated: it takes the requests", containers.len());
        vec![Found::at(subject.container_place(), message)]
    },
};

const INSTANCE_TARGETS: Rule = Rule {
    page: Page {
        code: "M008",
        title: "instance targets are simulated as pods",
        level: Level::Note,
        cause: "With target-type instance, the default of the load balancer controller, requests go to a port of a node, and \
                kube-proxy sends them on to some pod.",
        consequence: "Simulated are targets of the type ip, the pods themselves. With instances there is no registration of \
                      pods, and each node learns of a pod's end in its own time.",
        remedy: "set target-type: ip, so that the pods are the targets; or read the numbers with that in mind",
        source: "AWS Load Balancer Controller, Ingress annotations: target-type",
        example: include_str!("../../../scenarios/findings/M008.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some(ingress) = subject.alb_ingress() else { return Vec::new() };
        let written = subject.target_group_annotation("target-type");
        let (place, message) = match (written, subject.target_group_text("target-type")) {
            (Some((_, entry)), Some("instance")) => {
                (entry.value.place.clone(), "targets of the type instance are simulated as pods, as with ip")
            }
            (None, _) => {
                let message = "without target-type the controller takes instance: simulated are pods, as with ip";
                (Some(ingress.name_place.clone()), message)
            }
            (Some(_), _) => return Vec::new(),
        };
        vec![Found::at(place, message)]
    },
};

const INSTANCE_BINDING: Rule = Rule {
    page: Page {
        code: "M009",
        title: "a TargetGroupBinding with instance targets is simulated with pods",
        level: Level::Note,
        cause: "The files bind a Service of the release to a target group themselves, and with targetType instance its targets \
                are ports of nodes.",
        consequence: "Simulated are targets of the type ip, the pods themselves: with instances there is no registration of \
                      pods, and each node learns of a pod's end in its own time.",
        remedy: "set targetType: ip and bind a target group of that type; or read the numbers with that in mind",
        source: "AWS Load Balancer Controller, TargetGroupBinding",
        example: include_str!("../../../scenarios/findings/M009.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let namespace = subject.workload().namespace.as_str();
        // Those that the strategy names, in these files or not, and those that select the pods.
        let named: Vec<_> = subject.release.named_services().iter().filter_map(|(_, node)| node.text()).collect();
        let selecting: Vec<_> = subject.release.services().iter().map(|service| service.name.as_str()).collect();
        let is_of_release = |binding: &&Object| {
            let name = binding.text("spec.serviceRef.name");
            binding.namespace == namespace
                && name.is_some_and(|name| named.contains(&name) || selecting.contains(&name))
        };
        let found = |binding: &Object| {
            let node = binding.find("spec.targetType").filter(|node| node.text() == Some("instance"))?;
            let service = binding.text("spec.serviceRef.name")?;
            let message =
                format!("`{}` binds `{service}` with targets of the type instance: simulated are pods", binding.name);
            Some(Found::at(node.place.clone(), message))
        };
        subject.release.stream.of_kind("TargetGroupBinding").filter(is_of_release).filter_map(found).collect()
    },
};

const SEVERAL_INGRESSES: Rule = Rule {
    page: Page {
        code: "M010",
        title: "several Ingresses, of which one is simulated",
        level: Level::Note,
        cause: "The Rollout sets its weights in several Ingresses, each with an ALB of its own or in a group with others.",
        consequence: "Simulated and checked is the first: requests that come through the others, and ALBs that follow a weight \
                      later than the first, are not in the numbers.",
        remedy: "check with each of them in the first place",
        source: "Argo Rollouts documentation, AWS ALB: ingresses",
        example: include_str!("../../../scenarios/findings/M010.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let Some((second, others)) = subject.release.further_ingresses().split_first() else { return Vec::new() };
        let message = format!(
            "of {} Ingresses only `{}` is simulated",
            others.len() + 2,
            subject.release.named_ingress().and_then(Node::text).unwrap_or_default()
        );
        vec![Found::at(second.place.clone(), message)]
    },
};

const NO_TEMPLATE: Rule = Rule {
    page: Page {
        code: "M011",
        title: "the pod template is not in these files",
        level: Level::Note,
        cause: "The Rollout takes its pod template from the object that workloadRef names, and the files do not have it.",
        consequence: "Pods are simulated as if the template said nothing: without hooks, without probes, with 30 s to stop. What \
                      it really says of them is not checked.",
        remedy: "give the file with the object that workloadRef names, too",
        source: "Argo Rollouts documentation, Migrating to Rollouts: workloadRef",
        example: include_str!("../../../scenarios/findings/M011.bad.yaml"),
        run: None,
    },
    look: |subject| {
        let workload = subject.workload();
        let named = workload.find("spec.workloadRef.name").filter(|_| subject.template().is_none());
        let Some((node, name)) = named.and_then(|node| Some((node, node.text()?))) else { return Vec::new() };
        let kind = workload.text("spec.workloadRef.kind").unwrap_or_default();
        let is_of_namespace = |object: &Object| object.namespace == workload.namespace;
        // What is another name for one that is there, and what brings no template, is an error.
        if subject.release.stream.of_kind(kind).any(is_of_namespace)
            || !REFERENCED.iter().any(|(_, referenced)| *referenced == kind)
        {
            return Vec::new();
        }
        let message = match kind {
            "PodTemplate" => format!("the PodTemplate {name} is not read: nothing is known of the pods"),
            _ => format!("these files do not have the {kind} {name}: nothing is known of the pods"),
        };
        vec![Found::at(node.place.clone(), message)]
    },
};
