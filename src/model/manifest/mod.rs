//! Objects of the cluster as their manifests write them: what Argo CD compares with git and writes back.
//!
//! Of each object the fields that anybody changes in a run; the rest of a manifest is the same in git and in the cluster.

mod http_route;
mod ingress;
mod virtual_service;

use super::Revision;
use super::routing_object::RoutingObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Whether the API knows the type (strategic merge) or only its schema (JSON merge).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Rollout,
    Ingress,
    Service,
    HttpRoute,
    VirtualService,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollout => "Rollout",
            Self::Ingress => "Ingress",
            Self::Service => "Service",
            Self::HttpRoute => "HTTPRoute",
            Self::VirtualService => "VirtualService",
        }
    }

    /// Empty for those of the core.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Rollout => "argoproj.io",
            Self::Ingress => "networking.k8s.io",
            Self::Service => "",
            Self::HttpRoute => "gateway.networking.k8s.io",
            Self::VirtualService => "networking.istio.io",
        }
    }

    pub const fn is_custom(self) -> bool {
        match self {
            Self::Rollout | Self::HttpRoute | Self::VirtualService => true,
            Self::Ingress | Self::Service => false,
        }
    }
}

/// An object of the application's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub kind: Kind,
    pub name: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.name)
    }
}

/// All objects of an application.
pub type Manifests = BTreeMap<Id, Value>;

/// A Rollout: the image stands for the whole pod template. Without `replicas` an autoscaler has them.
pub fn rollout(template: Revision, replicas: Option<u32>) -> Value {
    let mut manifest =
        json!({ "spec": { "template": { "spec": { "containers": [{ "image": template.to_string() }] } } } });
    if let Some(replicas) = replicas {
        manifest["spec"]["replicas"] = replicas.into();
    }
    manifest
}

/// The revision and the replicas of a Rollout's manifest.
pub fn of_rollout(manifest: &Value) -> (Revision, Option<u32>) {
    let image = manifest.pointer(IMAGE).and_then(Value::as_str).expect("a manifest of a Rollout has an image");
    let number = image.strip_prefix('v').and_then(|number| number.parse().ok());
    let replicas = manifest.pointer("/spec/replicas").and_then(Value::as_u64);
    let replicas = replicas.map(|replicas| u32::try_from(replicas).expect("replicas are counted in u32"));
    (Revision(number.expect("an image is a revision")), replicas)
}

/// Where the image stands in a Rollout.
pub const IMAGE: &str = "/spec/template/spec/containers/0/image";
const SELECTED: &str = "rollouts-pod-template-hash";

/// A Service; git never names the revision, the Rollouts controller does.
pub fn service(app: &str, revision: Option<Revision>) -> Value {
    let mut manifest = json!({ "spec": { "selector": { "app": app } } });
    if let Some(revision) = revision {
        manifest["spec"]["selector"][SELECTED] = revision.to_string().into();
    }
    manifest
}

/// Whether a Service's manifest selects the pods of one revision only.
pub fn selects_a_revision(manifest: &Value) -> bool {
    manifest["spec"]["selector"].get(SELECTED).is_some()
}

impl RoutingObject {
    /// With their ids; none of an object that the Rollouts controller makes itself: it stands in no git.
    pub fn manifests(&self, name: &str) -> Manifests {
        let id = |kind, name: &str| Id { kind, name: name.to_owned() };
        match self {
            Self::Ingress(object) => BTreeMap::from([(id(Kind::Ingress, name), ingress::write(object))]),
            Self::HttpRoutes(routes) => {
                routes.iter().map(|route| (id(Kind::HttpRoute, &route.name), http_route::write(route))).collect()
            }
            Self::VirtualService(service) => {
                BTreeMap::from([(id(Kind::VirtualService, name), virtual_service::write(service))])
            }
            Self::Weighted(_) => BTreeMap::new(),
        }
    }

    /// The part of it that this manifest is of becomes what it says.
    pub fn take(&mut self, id: &Id, manifest: &Value) {
        match self {
            Self::Ingress(object) => *object = ingress::read(manifest),
            Self::HttpRoutes(routes) => {
                let route = routes.iter_mut().find(|route| route.name == id.name).expect("it was written from a route");
                *route = http_route::read(&id.name, manifest);
            }
            Self::VirtualService(service) => *service = virtual_service::read(manifest),
            Self::Weighted(_) => unreachable!("{id} stands in no git"),
        }
    }
}

/// What a manifest must have, as it was written from an object that has it.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| unreachable!("{value} is a text")).to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

/// Empty where nothing is.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
