//! The Ingress object as it stands in the cluster: the Rollouts controller writes it, the AWS Load Balancer Controller
//! reads it. Plain data with the names of networking.k8s.io/v1.

use std::collections::BTreeMap;

/// The port name of a backend that stands for the annotation `actions.<service>`.
pub const USE_ANNOTATION: &str = "use-annotation";

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ingress {
    pub annotations: BTreeMap<String, String>,
    pub default_backend: Option<Backend>,
    pub rules: Vec<IngressRule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IngressRule {
    /// None: any host.
    pub host: Option<String>,
    pub paths: Vec<HttpPath>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpPath {
    pub path: String,
    pub path_type: PathType,
    pub backend: Backend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathType {
    Exact,
    Prefix,
    ImplementationSpecific,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    pub service: String,
    pub port: ServicePort,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServicePort {
    Name(String),
    Number(u16),
}

impl PathType {
    pub const ALL: [Self; 3] = [Self::Exact, Self::Prefix, Self::ImplementationSpecific];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "Exact",
            Self::Prefix => "Prefix",
            Self::ImplementationSpecific => "ImplementationSpecific",
        }
    }
}
