//! The machines of the model, one component each, and what they call each other by.
//!
//! A component takes an `Input` and returns `Effect`s. It knows no queue and no other component: `simulation` carries
//! every effect to whoever is concerned, after the lag that the news takes.

pub mod alert;
pub mod analysis;
pub mod application;
pub mod argo_cd;
pub mod comparison;
pub mod deployment;
pub mod endpoint_slice;
pub mod fenceposts;
pub mod git;
pub mod horizontal_pod_autoscaler;
pub mod http_request;
pub mod http_route;
pub mod ingress;
pub mod load_balancer;
pub mod load_balancer_controller;
pub mod manifest;
pub mod metrics;
pub mod outcome;
pub mod people;
pub mod pipeline;
pub mod pod;
pub mod promotion;
pub mod replica_set;
pub mod request_match;
pub mod rollout;
pub mod routing_object;
pub mod scheduler;
pub mod tally;
pub mod traffic;
pub mod virtual_service;
pub mod weighted_route;

use std::fmt;

/// A pod, numbered in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub u32);

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod-{}", self.0)
    }
}

/// A revision of the pod template, and with it the ReplicaSet of that pod-template hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u32);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// How far the newest change of the pod template has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    /// The template was never changed.
    #[default]
    None,
    Begun,
    /// What it brought is the stable revision, be it one that there was before.
    Promoted,
    /// It brought the stable revision back before anything else was promoted, and all is as it was.
    TakenBack,
}

/// The two Services of a traffic-routed canary. Each has one target group, which goes by the Service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Stable,
    Canary,
}

impl Service {
    pub const ALL: [Self; 2] = [Self::Stable, Self::Canary];

    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        })
    }
}
