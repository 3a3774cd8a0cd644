//! The cluster's worker nodes: which pod runs where, and who has which image.
//!
//! Every node has room for every pod. Assumption: the scheduler spreads an application's pods, as the default
//! `PodTopologySpread` constraints do: the node with the fewest goes first, of equals the first.

use crate::model::Revision;
use crate::random::Distribution;
use crate::units::{Duration, Instant};
use std::collections::BTreeMap;

/// `[cluster]`: how long the news takes inside Kubernetes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// Worker nodes, with room for every pod.
    pub nodes: u32,
    pub api_write: Distribution,
    pub scheduling: Distribution,
    /// From the binding until the sandbox is up: the kubelet notices, mounts the volumes, sets up the network.
    pub sandbox_creation: Distribution,
    /// The first pull of a revision's image on a node. Later pods there find it.
    pub image_pull: Distribution,
    pub container_start: Distribution,
    /// From the start of the container until the kubelet has seen it run and probes it for the first time.
    pub container_seen: Distribution,
    /// From the deletion until the kubelet acts on it.
    pub kubelet_notices_delete: Distribution,
    /// From the exit of the container until the pod's network is gone.
    pub sandbox_removal: Distribution,
    /// From the exit of the container until the pod object is gone.
    pub pod_removal: Distribution,
    /// From a new size of a ReplicaSet until its controller creates or deletes pods.
    pub replica_set_sync: Distribution,
    /// From a change of a pod until the Rollouts controller hears the ReplicaSet's new status.
    pub replica_set_status: Distribution,
    /// From the end of `minReadySeconds` until a pod counts as available.
    pub availability_check: Distribution,
    /// From a change of a pod or a selector until the AWS Load Balancer Controller hears the new EndpointSlice.
    pub endpoint_slice: Distribution,
    /// Share of connections to a removed pod address that get an ICMP answer; the rest gets none.
    pub host_unreachable_share: f64,
}

/// Where the pods of the application run.
#[derive(Clone, Debug)]
pub struct Scheduler {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    pods: u32,
    /// When the image of a revision is there.
    images: BTreeMap<Revision, Instant>,
    /// The kubelet pulls one image at a time (`serializeImagePulls`).
    pull_ends: Instant,
}

impl Scheduler {
    pub fn new(nodes: u32) -> Self {
        Self { nodes: vec![Node::default(); nodes as usize] }
    }

    pub fn bind(&mut self) -> u32 {
        let (index, node) =
            self.nodes.iter_mut().enumerate().min_by_key(|(_, node)| node.pods).expect("a cluster has nodes");
        node.pods += 1;
        u32::try_from(index).expect("nodes are counted in u32")
    }

    pub fn release(&mut self, node: u32) {
        self.nodes[node as usize].pods -= 1;
    }

    /// The node has had the image for long.
    pub fn has_image(&mut self, node: u32, revision: Revision) {
        self.nodes[node as usize].images.insert(revision, Instant::START);
    }

    /// When a pod on `node` has its image, if a pull takes `pull`.
    pub fn image_ready(&mut self, now: Instant, node: u32, revision: Revision, pull: Duration) -> Instant {
        let node = &mut self.nodes[node as usize];
        let ready = *node.images.entry(revision).or_insert_with(|| {
            node.pull_ends = node.pull_ends.max(now) + pull;
            node.pull_ends
        });
        ready.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_spread_over_the_nodes() {
        let mut scheduler = Scheduler::new(3);
        let bound: Vec<_> = (0..5).map(|_| scheduler.bind()).collect();
        assert_eq!(bound, [0, 1, 2, 0, 1]);
        scheduler.release(1);
        scheduler.release(1);
        assert_eq!(scheduler.bind(), 1);
    }

    #[test]
    fn only_the_first_pod_of_a_revision_on_a_node_pulls() {
        let at = |secs| Instant::START + Duration::secs(secs);
        let mut scheduler = Scheduler::new(2);
        let pull = Duration::secs(10);
        assert_eq!(scheduler.image_ready(at(5), 0, Revision(2), pull), at(15));
        assert_eq!(scheduler.image_ready(at(7), 0, Revision(2), pull), at(15), "the pull under way serves it too");
        assert_eq!(scheduler.image_ready(at(8), 0, Revision(3), pull), at(25), "one pull at a time");
        assert_eq!(scheduler.image_ready(at(60), 0, Revision(2), pull), at(60));
        assert_eq!(scheduler.image_ready(at(60), 1, Revision(2), pull), at(70));
        scheduler.has_image(1, Revision(1));
        assert_eq!(scheduler.image_ready(at(80), 1, Revision(1), pull), at(80));
    }
}
