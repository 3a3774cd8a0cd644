//! A scenario: everything that a run is a function of, but for the seed.

mod actions;
mod alerts;
pub mod analysis;
mod application;
mod capacity;
mod check;
mod class_metric;
mod delivery;
mod deployment;
pub mod diagnostic;
pub mod document;
mod draft;
mod entry;
mod environment;
mod fenceposts;
mod foreign_services;
pub mod git;
pub mod gitops;
mod hold;
pub mod hpa;
mod http_request;
mod http_routes;
mod ingress;
mod ingress_rules;
pub mod load;

pub mod manifests;
pub mod metric;
pub mod monitoring;
mod nearest;
mod pass;
pub mod path;
mod pod_template;
pub mod pre_stop;
pub mod preset;
mod quoted;
mod rate_profile;
mod reader;
pub mod recording;
mod replay;
mod rollout;
mod route_checks;
pub mod router;
mod router_preset;
mod routes;
mod routing_object;
pub mod schema;
pub mod service_names;
pub mod sources;
pub mod spread;
mod steps;
mod stickiness;
mod string_match;
pub mod sweep;
mod target_group_attributes;
pub mod threshold;
mod traffic;
mod traffic_routing;
mod users;
pub mod validation;
mod value;
mod virtual_service;
pub mod workload;

use crate::model::Service;
use crate::model::alert::AlertSpec;
use crate::model::application::ApplicationSpec;
use crate::model::ingress::Ingress;
use crate::model::load_balancer::{LoadBalancerSpec, TargetGroupSpec};
use crate::model::load_balancer_controller::LoadBalancerControllerSpec;
use crate::model::people::Action;
use crate::model::pod::PodSpec;
use crate::model::rollout::controller::RolloutsControllerSpec;
use crate::model::scheduler::ClusterSpec;
use crate::model::traffic::TrafficSpec;
use crate::units::Duration;
use analysis::AnalysisTemplateSpec;
use hpa::HpaSpec;
use monitoring::MonitoringSpec;
use service_names::ServiceNames;
use workload::Workload;

pub use nearest::nearest;

/// A checked scenario: it cannot fail any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    pub title: String,
    pub seed: u64,
    /// The seeds of `--seeds`, if the scenario names them.
    pub seeds: Option<Vec<u64>>,
    pub simulation: SimulationSpec,
    pub traffic: TrafficSpec,
    pub workload: Workload,
    pub pod: PodSpec,
    pub target_group: TargetGroupSpec,
    pub application: ApplicationSpec,
    pub cluster: ClusterSpec,
    pub rollouts_controller: RolloutsControllerSpec,
    pub load_balancer_controller: LoadBalancerControllerSpec,
    pub load_balancer: LoadBalancerSpec,
    /// What people do, in the order of the file.
    pub actions: Vec<Action>,
    pub monitoring: MonitoringSpec,
    pub analysis_templates: Vec<AnalysisTemplateSpec>,
    pub alerts: Vec<AlertSpec>,
    pub hpa: Option<HpaSpec>,
    /// The Service that the Ingress names, where no weights split the requests: the active one of blueGreen, or its preview.
    pub backend: Service,
    /// The Ingress as it stands before the Rollouts controller writes into it.
    pub ingress: Ingress,
    pub services: ServiceNames,
    pub router: router::RouterSpec,
    /// None: nobody but people and the Rollouts controller write into the cluster.
    pub gitops: Option<gitops::GitOpsSpec>,
}

/// `[simulation]`: how long. Whole seconds, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulationSpec {
    /// Steady traffic before the release.
    pub warmup: Duration,
    /// From the end of the release to the end of the run.
    pub cooldown: Duration,
    /// Instead of a cooldown: exactly this long after the start of the release.
    pub duration: Option<Duration>,
    /// A release that has not ended so long after its start is given up.
    pub horizon: Duration,
}

/// A scenario file after reading: the scenario, and what reports say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub scenario: Scenario,
    pub thresholds: Vec<threshold::Threshold>,
    /// Every parameter of the scenario, in the order of the file format, with the value that was used.
    pub parameters: Vec<Parameter>,
    /// The sweep that the file asks for; a run takes no notice of it.
    pub sweep: sweep::SweepSection,
    /// Odd but possible: the run goes on.
    pub warnings: Vec<diagnostic::Problem>,
    /// What the manifests say without a part in the simulation.
    pub ignored: Vec<manifests::ignored::Ignored>,
}

/// One parameter as it was used.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The dotted TOML path, as `--set` takes it.
    pub key: String,
    /// A TOML value.
    pub value: String,
    pub origin: Origin,
    /// What it is, and where the default comes from.
    pub note: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Scenario,
    /// A manifest that the user gave, or that the scenario names.
    Manifest,
    CommandLine,
    Default,
}
