//! From the text of a scenario to the scenario: the file format from its first key to its last.

use super::diagnostic::{Problem, Severity};
use super::document::{self, Node, Table};
use super::draft::Draft;
use super::gitops;
use super::ingress::IngressSection;
use super::manifests::release::Release;
use super::manifests::{self, Imported};
use super::monitoring::MonitoringSpec;
use super::pass::Pass;
use super::preset::Preset;
use super::reader::Reader;
use super::service_names::ServiceNames;
use super::sources::Sources;
use super::threshold;
use super::workload::{Workload, WorkloadSection};
use super::{
    Loaded, Scenario, actions, alerts, analysis, application, check, deployment, environment, hpa, http_routes,
    ingress, ingress_rules, monitoring, rollout, router, router_preset, steps, sweep, traffic, virtual_service,
};
use crate::model::Service;
use crate::model::people::Action;
use crate::model::rollout::controller::RolloutsControllerSpec;
use crate::model::traffic::recording::Recording;
use crate::units::Duration;
use serde_json::json;
use std::sync::Arc;

/// Reads a scenario. `name` is the file's, without its ending; `overrides` are `--set`'s `KEY=VALUE`.
///
/// All problems of the file come back at once: warnings with them, if there is an error, else inside of `Loaded`.
pub fn load(text: &str, name: &str, overrides: &[String]) -> Result<Loaded, Vec<Problem>> {
    load_with(text, None, (name, overrides))
}

/// The same for a scenario that may name a file of arrivals, which has been read.
pub fn load_with(
    text: &str,
    recording: Option<&Arc<Recording>>,
    (name, overrides): (&str, &[String]),
) -> Result<Loaded, Vec<Problem>> {
    let mut document = document::parse(text)?;
    let mut pass = Pass { recording: recording.cloned(), ..Pass::default() };
    for assignment in overrides {
        if let Err(problem) = document::set(&mut document, assignment) {
            pass.problems.push(problem);
        }
    }
    let as_written = AsWritten { document: &document, is_manifest: false };
    finish(pass, (&document, as_written), name, overrides)
}

/// Reads a release of manifests. `scenario` is the document of a scenario file that is laid over it, empty without one;
/// a name goes before that of the release.
pub fn load_release(
    sources: &Sources,
    release: &Release<'_>,
    (name, scenario): (Option<&str>, &Table),
    overrides: &[String],
) -> Result<Loaded, Vec<Problem>> {
    // What the command line sets counts for the import as if the scenario said it; mistakes in it are told below.
    let mut said = scenario.clone();
    let _ = overrides.iter().filter_map(|assignment| document::set(&mut said, assignment).err()).count();
    let imported = manifests::import(sources, release, scenario, &said);
    let Imported { mut document, mut as_written, ignored, problems, from, knows_template, .. } = imported;
    let recording = sources.recording().cloned();
    let services = release.stream.of_kind("Service").map(|service| service.name.clone()).collect();
    let mut pass = Pass { problems, ignored, manifests_from: Some(from), services, recording, ..Pass::default() };
    for assignment in overrides {
        if let Err(problem) = document::set(&mut document, assignment) {
            pass.problems.push(problem);
        }
        // Said once is enough.
        let _ = document::set(&mut as_written, assignment);
    }
    let as_written = AsWritten { document: &as_written, is_manifest: knows_template };
    let loaded = finish(pass, (&document, as_written), name.unwrap_or(&release.workload.name), overrides);
    loaded.map_err(|problems| problems.into_iter().map(|problem| of_yaml(problem, sources)).collect())
}

/// What is wrong with the annotations of an Ingress, and of the Service that it leads to: all that a scenario reads of files
/// without a workload.
pub fn load_annotations(sources: &Sources, release: &Release<'_>) -> Vec<Problem> {
    let document = manifests::import_annotations(release);
    let from = sources.manifests().next().map(|source| source.start);
    let mut pass = Pass { manifests_from: from, ..Pass::default() };
    Reader::new(&mut pass, String::new(), Some(&document), None).table("ingress", "", ingress::read);
    pass.problems.into_iter().map(|problem| of_yaml(problem, sources)).collect()
}

/// A word that only looks like a text is the likeliest reason of a wrong kind, and quotes around a number the next. What
/// to write in a manifest is YAML.
fn of_yaml(problem: Problem, sources: &Sources) -> Problem {
    let Some(place) = problem.place.as_ref().filter(|place| sources.is_of_manifest(place.start)) else {
        return problem;
    };
    // The same things by other names.
    let message = problem.message.replace(" a table", " a map").replace(" an array", " a list");
    let problem = Problem { message, ..problem.clone() };
    let word = sources.text(place);
    let number = word.trim_matches(['"', '\'']);
    let is_quoted = problem.message.contains(" is a string, ") && problem.message.contains(" integer");
    if is_quoted && number.parse::<i64>().is_ok() {
        return Problem { help: format!("write {number} without quotes"), ..problem };
    }
    if !problem.message.contains("boolean") || !manifests::yaml::is_boolean_word(word) {
        // Of a scenario's own sections a help may speak as they are.
        let is_of_scenario = problem.help.contains(" in [");
        let help = if is_of_scenario { problem.help } else { problem.help.replace(" = ", ": ") };
        return Problem { help, ..problem };
    }
    let meaning = ["y", "yes", "on"].iter().any(|yes| word.eq_ignore_ascii_case(yes));
    let help = format!("`{word}` without quotes means {meaning} in YAML 1.1, which Kubernetes reads: write \"{word}\"");
    Problem { help, ..problem }
}

/// What the Rollouts controller judges.
#[derive(Clone, Copy, Debug)]
pub struct AsWritten<'a> {
    pub document: &'a Table,
    /// Whether it is a whole manifest: a scenario may leave out what says nothing here.
    pub is_manifest: bool,
}

fn finish(
    mut pass: Pass,
    (document, as_written): (&Table, AsWritten<'_>),
    name: &str,
    overrides: &[String],
) -> Result<Loaded, Vec<Problem>> {
    let mut draft = read(&mut pass, name, document);
    check::check(&mut pass, &draft, document, as_written);
    // In the order of the file; what has no place in it comes first, in the order of the command line.
    pass.problems.sort_by_key(|problem| match &problem.place {
        Some(place) => (Some(place.start), None),
        None => (None, problem.override_index(overrides)),
    });
    if pass.problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(pass.problems);
    }
    draft.scenario.name = name.to_owned();
    Ok(Loaded {
        scenario: draft.scenario,
        thresholds: draft.thresholds,
        parameters: pass.parameters,
        sweep: draft.sweep,
        warnings: pass.problems,
        ignored: pass.ignored,
    })
}

/// The whole file format, in the order in which it is written.
pub fn read(pass: &mut Pass, name: &str, document: &Table) -> Draft {
    let mut root = Reader::new(pass, String::new(), Some(document), None);
    schema_of_the_file(&mut root);
    manifests_of_the_file(&mut root);
    let title = root.text("title", Some(name), "One line, shown in every report").unwrap_or_default();
    let seed = seed(&mut root);
    let seeds = seeds(&mut root);
    let simulation = root.table("simulation", "How long is simulated", application::simulation);
    let traffic = root.table("traffic", "The requests", traffic::read);
    let WorkloadSection { mut workload, mut pod, pre_stop } = workload(&mut root);
    let (preset, router) = router(&mut root, document);
    let ingress = ingress(&mut root, &preset);
    let gates_are_injected = root.table("namespace", "The Namespace of the pods", environment::namespace);
    let asks = application::Asks { has_hpa: root.has("hpa"), disables_feature: actions::disable_feature(document) };
    let (application, pre_stop_time, usage) = root.table("application", "What the program in the pod does", |reader| {
        application::application(reader, pre_stop, asks)
    });
    let hpa = hpa::read(&mut root, document, usage);
    pod.pre_stop = pre_stop.time(pre_stop_time);
    let cluster = root.table("cluster", "How long the news takes inside of Kubernetes", environment::cluster);
    let rollouts_controller = rollouts_controller(&mut root, &workload, &preset);
    let has_routes = !workload.managed_routes().is_empty();
    let load_balancer_controller =
        root.table("load_balancer_controller", "The AWS Load Balancer Controller", |reader| {
            environment::load_balancer_controller(reader, &preset, (gates_are_injected, has_routes))
        });
    let load_balancer = root.table("load_balancer", "The Application Load Balancer", |reader| {
        environment::load_balancer(reader, &preset, (ingress.idle_timeout, is_sticky(&workload, &ingress)))
    });
    let monitoring = monitoring::read(&mut root, somebody_looks(document));
    let analysis_templates = analysis::read(&mut root, monitoring);
    let gitops = gitops::read(&mut root, document);
    let alerts = alerts::read(&mut root, monitoring);
    let actions = actions(&mut root, document, monitoring);
    let known = threshold::Known { classes: &traffic.classes, newest: actions::newest_revision(&actions) };
    let thresholds = threshold::read(&mut root, known);
    let sweep = root.table("sweep", "The sweep of `sim sweep`; a run takes no notice of it", sweep::read);
    root.refuse_unknown();
    let rules = ingress.written.rules.as_deref().unwrap_or_default();
    let names = router.rename(ServiceNames::read(document, &workload, (rules, &ingress.annotations)));
    let is_split = workload.is_traffic_routed();
    router.tell(&mut workload);
    let scenario = Scenario {
        router,
        name: name.to_owned(),
        title,
        seed,
        seeds,
        simulation,
        traffic,
        workload,
        pod,
        target_group: ingress.target_group,
        application,
        cluster,
        rollouts_controller,
        load_balancer_controller,
        load_balancer,
        actions,
        monitoring,
        analysis_templates,
        alerts,
        hpa,
        gitops,
        backend: backend(document),
        ingress: ingress_rules::object((ingress.written, ingress.annotations), &names, is_split),
        services: names,
    };
    Draft { scenario, thresholds, sweep, pre_stop }
}

/// Whether somebody, or something, goes by what monitoring shows.
fn somebody_looks(document: &Table) -> bool {
    let has = |name| document.get(name).is_some();
    actions::look_at_metrics(document) || has("analysis_templates") || has("alerts")
}

fn actions(root: &mut Reader<'_, '_>, document: &Table, monitoring: MonitoringSpec) -> Vec<Action> {
    let known = actions::Known { steps: steps::count(document), monitoring, alerts: alerts::names(document) };
    actions::read(root, &known)
}

/// The preset, and what stands in the cluster for a router that is no ALB.
fn router(root: &mut Reader<'_, '_>, document: &Table) -> (Preset, router::RouterSpec) {
    let preset =
        root.table("router", "The router, as it is installed", |reader| router_preset::preset(reader, document));
    let routes = router::Routes {
        http_routes: http_routes::read(root, document),
        virtual_service: virtual_service::read(root, document),
    };
    let kind = router::RouterKind::read(document);
    let router = router::RouterSpec { kind, preset: preset.name, routes };
    (preset, router)
}

/// Its annotations are for an ALB alone. What they stand for has its defaults elsewhere, and is not told.
fn ingress(root: &mut Reader<'_, '_>, preset: &Preset) -> ingress::IngressSection {
    const NOTE: &str = "The Ingress of the AWS Load Balancer Controller";
    if preset.is_alb() {
        return root.table("ingress", NOTE, ingress::read);
    }
    if let Some(node) = root.take("ingress", || json!({}), NOTE) {
        let message = "`ingress` says nothing of a router that is no ALB";
        let help = format!("leave it out: the preset `{}` goes by objects of its own", preset.name);
        root.pass.error("ingress", node.place.clone(), message, help);
    }
    let mut pass = Pass::default();
    let mut section = ingress::read(&mut Reader::new(&mut pass, String::new(), None, None));
    // Nobody cuts what is in flight to an endpoint that is gone.
    section.target_group.deregistration_delay = Duration::secs(86_400);
    section
}

/// Whether clients stay with a target group or a target.
fn is_sticky(workload: &Workload, ingress: &IngressSection) -> bool {
    let routing = workload.canary().and_then(|canary| canary.traffic_routing.as_ref());
    routing.is_some_and(|routing| routing.stickiness.is_some()) || ingress.target_group.stickiness.is_some()
}

/// Next to a Deployment it says nothing.
fn rollouts_controller(root: &mut Reader<'_, '_>, workload: &Workload, preset: &Preset) -> RolloutsControllerSpec {
    match workload {
        Workload::Rollout(_) => {
            const NOTE: &str = "The Argo Rollouts controller";
            let mut spec = root.table("rollouts_controller", NOTE, environment::rollouts_controller);
            // For other routers `VerifyWeight` knows no answer, and AWS has no target groups of theirs.
            spec.profile.aws_verify_target_group &= preset.is_alb();
            spec
        }
        Workload::Deployment(_) => {
            if let Some(node) = root.take("rollouts_controller", || json!({}), "Only next to [rollout]") {
                let help = "leave it out: a Deployment has a controller of Kubernetes' own";
                let message = "`rollouts_controller` says nothing of a Deployment";
                root.pass.error("rollouts_controller", node.place.clone(), message, help);
            }
            RolloutsControllerSpec::default()
        }
    }
}

/// The preview Service of blueGreen, if the first path of the Ingress leads there: a run for those who use that URL.
fn backend(document: &Table) -> Service {
    let text = |key: &str| document.find(key).and_then(Node::text);
    let named = text("ingress.rules[0].http.paths[0].backend.service.name");
    let preview = text("rollout.strategy.blueGreen.previewService");
    if named.is_some() && named == preview { Service::Canary } else { Service::Stable }
}

/// `[rollout]` or `[deployment]`.
fn workload(root: &mut Reader<'_, '_>) -> WorkloadSection {
    if root.has("rollout") && root.has("deployment") {
        let help = "one scenario releases one of them; compare two runs of one seed";
        root.error_here("there are [rollout] and [deployment]", help);
    } else if !root.has("rollout") && !root.has("deployment") {
        root.missing("rollout", "write [rollout] with the `spec` of the Rollout, or [deployment]");
    }
    let deployment = root.optional_table("deployment", "The `spec` of a Deployment (apps/v1)", deployment::read);
    match deployment.filter(|_| !root.has("rollout") && !root.writes_schema()) {
        Some(deployment) => deployment,
        None => root.table("rollout", "The `spec` of a Rollout (argoproj.io/v1alpha1)", rollout::read),
    }
}

/// Who reads the file has read them, too, and this document is what they amount to.
fn manifests_of_the_file(root: &mut Reader<'_, '_>) {
    const NOTE: &str = "Manifests (files, folders, patterns) whose release this is; what the scenario says goes before";
    let schema = || json!({ "type": "array", "items": { "type": "string" }, "examples": [["rollout.yaml"]] });
    root.take("manifests", schema, NOTE);
}

/// `$schema` is for editors, `schema_version` for a later version of this program.
fn schema_of_the_file(root: &mut Reader<'_, '_>) {
    root.take("$schema", || json!({ "type": "string" }), "Where an editor finds the JSON Schema");
    let version = root.take("schema_version", || json!({ "const": 1 }), "The version of this file format");
    if let Some(node) = version
        && node.integer() != Some(1)
    {
        let message = format!("schema_version is {}, this program reads 1", node.to_toml());
        root.pass.error("schema_version", node.place.clone(), message, "");
    }
}

fn seed_from(node: &Node) -> Result<u64, (String, String)> {
    let refuse = || (format!("{} is not a seed: it must be an integer from 0", node.to_toml()), String::new());
    node.integer().and_then(|number| u64::try_from(number).ok()).ok_or_else(refuse)
}

fn seed(root: &mut Reader<'_, '_>) -> u64 {
    const NOTE: &str = "Where the random numbers start; any number does";
    let node = root.take("seed", || json!({ "type": "integer", "minimum": 0, "default": 1 }), NOTE);
    let seed = node.map_or(Ok(1), seed_from).unwrap_or_else(|(message, help)| {
        root.pass.error("seed", node.and_then(|node| node.place.clone()), message, help);
        1
    });
    root.pass.parameter("seed".to_owned(), seed.to_string(), node, NOTE);
    seed
}

fn seeds(root: &mut Reader<'_, '_>) -> Option<Vec<u64>> {
    const NOTE: &str = "The seeds of --seeds, instead of 1, 2, 3, …";
    let schema = || json!({ "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1 });
    let node = root.take("seeds", schema, NOTE)?;
    let seeds = match node.array() {
        Some(items) if !items.is_empty() => items.iter().map(seed_from).collect::<Result<Vec<_>, _>>(),
        Some(_) | None => Err(("`seeds` is a list of integers".to_owned(), "write seeds = [1, 2, 3]".to_owned())),
    };
    let seeds = seeds.and_then(|seeds| match repeated(&seeds) {
        Some(seed) => Err((format!("`seeds` names {seed} twice: it would count twice"), String::new())),
        None => Ok(seeds),
    });
    match seeds {
        Ok(seeds) => {
            root.pass.parameter("seeds".to_owned(), node.to_toml(), Some(node), NOTE);
            Some(seeds)
        }
        Err((message, help)) => {
            root.pass.error("seeds", node.place.clone(), message, help);
            None
        }
    }
}

fn repeated(seeds: &[u64]) -> Option<u64> {
    let mut sorted = seeds.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
