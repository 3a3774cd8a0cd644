//! Objects of the cluster as their manifests write them: what Argo CD compares with git and writes back.
//!
//! Of each object the fields that anybody changes in a run; the rest of a manifest is the same in git and in the cluster.

mod field;
mod http_route;
mod ingress;
mod virtual_service;

use super::Revision;
use super::ingress::Ingress;
use super::routing_object::RoutingObject;
use super::virtual_service::VirtualService;
use field::Field;
pub use field::Misfit;
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
    Deployment,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollout => "Rollout",
            Self::Ingress => "Ingress",
            Self::Service => "Service",
            Self::HttpRoute => "HTTPRoute",
            Self::VirtualService => "VirtualService",
            Self::Deployment => "Deployment",
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
            Self::Deployment => "apps",
        }
    }

    pub const fn is_custom(self) -> bool {
        match self {
            Self::Rollout | Self::HttpRoute | Self::VirtualService => true,
            Self::Ingress | Self::Service | Self::Deployment => false,
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

/// A Rollout or a Deployment: the image stands for the whole pod template. Without `replicas` somebody else has them.
pub fn workload(template: Revision, replicas: Option<u32>) -> Value {
    let mut manifest =
        json!({ "spec": { "template": { "spec": { "containers": [{ "image": template.to_string() }] } } } });
    if let Some(replicas) = replicas {
        manifest["spec"]["replicas"] = replicas.into();
    }
    manifest
}

/// The revision and the replicas of such a manifest.
pub fn of_workload(manifest: &Value) -> (Revision, Option<u32>) {
    let image = manifest.pointer(IMAGE).and_then(Value::as_str).expect("a manifest of a workload has an image");
    let number = image.strip_prefix('v').and_then(|number| number.parse().ok());
    let replicas = manifest.pointer("/spec/replicas").and_then(Value::as_u64);
    let replicas = replicas.map(|replicas| u32::try_from(replicas).expect("replicas are counted in u32"));
    (Revision(number.expect("an image is a revision")), replicas)
}

/// Of a workload that does not say. Source: Kubernetes, `defaults.go`; argo-rollouts, `GetReplicasOrDefault`.
pub const DEFAULT_REPLICAS: u32 = 1;

/// Where the image stands in a workload.
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

    /// The part of it that this manifest is of becomes what it says, or is made. The manifest fits its kind: git's does, and
    /// so does what controllers write.
    pub fn take(&mut self, id: &Id, manifest: &Value) {
        const FITS: &str = "a manifest fits its kind";
        match self {
            Self::Ingress(object) => *object = ingress::read(manifest).expect(FITS),
            Self::HttpRoutes(routes) => {
                let read = http_route::read(&id.name, manifest).expect(FITS);
                match routes.iter_mut().find(|route| route.name == id.name) {
                    Some(route) => *route = read,
                    // The newest.
                    None => routes.push(read),
                }
            }
            Self::VirtualService(service) => *service = virtual_service::read(manifest).expect(FITS),
            Self::Weighted(_) => unreachable!("{id} stands in no git"),
        }
    }

    /// Nothing is left of the part of it that has this id.
    pub fn delete(&mut self, id: &Id) {
        match self {
            Self::Ingress(object) => *object = Ingress::default(),
            Self::HttpRoutes(routes) => routes.retain(|route| route.name != id.name),
            Self::VirtualService(service) => *service = VirtualService::default(),
            Self::Weighted(_) => unreachable!("{id} stands in no git"),
        }
    }
}

/// Of a manifest what a router goes by, read and written again; an empty table of other kinds. What the simulation does not
/// know is left out: in lists there is then nothing else.
///
/// # Errors
/// The first field that does not fit the kind.
pub fn of_router(id: &Id, manifest: &Value) -> Result<Value, Misfit> {
    let metadata = Field::of(manifest).get("metadata")?;
    for name in ["labels", "annotations"] {
        metadata.get(name)?.table(Field::text)?;
    }
    Ok(match id.kind {
        Kind::Ingress => ingress::write(&ingress::read(manifest)?),
        Kind::HttpRoute => http_route::write(&http_route::read(&id.name, manifest)?),
        Kind::VirtualService => virtual_service::write(&virtual_service::read(manifest)?),
        Kind::Service => {
            Field::of(manifest).get("spec")?.get("selector")?.table(Field::text)?;
            json!({})
        }
        Kind::Rollout | Kind::Deployment => {
            Field::of(manifest).get("spec")?.get("replicas")?.optional(Field::whole::<u32>)?;
            json!({})
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_wrong_kind_is_named() {
        let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
        let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
        let rule = |path: &Value| json!({ "spec": { "rules": [{ "http": { "paths": [path] } }] } });
        let with = |key: &str, value: Value| {
            let mut path = path.clone();
            path[key] = value;
            rule(&path)
        };
        for (kind, manifest, expected) in [
            (Kind::Ingress, rule(&path), ""),
            (Kind::Ingress, json!({ "spec": { "rules": "x" } }), "`/spec/rules` must be a list"),
            (Kind::Ingress, json!({ "spec": 1 }), "`/spec` must be a table"),
            (
                Kind::Ingress,
                with("pathType", json!("exact")),
                "`/spec/rules/0/http/paths/0/pathType` must be Exact, Prefix or ImplementationSpecific",
            ),
            (
                Kind::Ingress,
                with("backend", json!({ "service": { "name": "web", "port": { "number": 70_000 } } })),
                "`/spec/rules/0/http/paths/0/backend/service/port/number` must be a whole number in its range",
            ),
            (
                Kind::Service,
                json!({ "metadata": { "annotations": { "a/b": 1 } } }),
                "`/metadata/annotations/a~1b` must be a string",
            ),
            (Kind::HttpRoute, json!({ "spec": { "hostnames": "x" } }), "`/spec/hostnames` must be a list"),
            (
                Kind::HttpRoute,
                json!({ "spec": { "rules": [{ "backendRefs": [{ "name": "web", "weight": "1" }] }] } }),
                "`/spec/rules/0/backendRefs/0/weight` must be a whole number in its range",
            ),
            (
                Kind::VirtualService,
                json!({ "spec": { "http": [{ "match": [{ "uri": {} }] }] } }),
                "`/spec/http/0/match/0/uri` must be a table with exact, prefix or regex",
            ),
            (
                Kind::Rollout,
                json!({ "spec": { "replicas": "9" } }),
                "`/spec/replicas` must be a whole number in its range",
            ),
        ] {
            let id = Id { kind, name: "web".to_owned() };
            let told = of_router(&id, &manifest).err().map(|misfit| misfit.to_string());
            assert_eq!(told.unwrap_or_default(), expected, "{manifest}");
        }
    }

    #[test]
    fn what_the_simulation_does_not_know_is_in_no_list() {
        let id = Id { kind: Kind::HttpRoute, name: "web".to_owned() };
        let manifest =
            json!({ "spec": { "rules": [{ "backendRefs": [{ "name": "web", "port": 80, "weight": 3 }] }] } });
        let read = json!({ "spec": { "rules": [{ "backendRefs": [{ "name": "web", "weight": 3 }] }] } });
        assert_eq!(of_router(&id, &manifest), Ok(read));
    }
}
