use crate::random::Distribution;

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
    /// From a change of a pod or a selector until the AWS Load Balancer Controller hears the new EndpointSlice.
    pub endpoint_slice: Distribution,
    /// Share of connections to a removed pod address that get an ICMP answer; the rest gets none.
    pub host_unreachable_share: f64,
}
