//! `[deployment]`: the `spec` of a Deployment, with the field names of its manifest.

use super::reader::Reader;
use super::workload::{MAX_REPLICAS, MAX_SECONDS, Workload, WorkloadSection};
use super::{fenceposts, pod_template};
use crate::model::deployment::{DeploymentSpec, Strategy};

pub fn read(reader: &mut Reader<'_, '_>) -> WorkloadSection {
    let replicas = reader.count("replicas", 1..=MAX_REPLICAS, 1, "Pods. Kubernetes: 1 unless set");
    let min_ready = reader.seconds(
        "minReadySeconds",
        0..=MAX_SECONDS,
        0,
        "Seconds that a pod must be ready before it counts as available. Kubernetes: 0 unless set",
    );
    let progress_deadline = reader.seconds(
        "progressDeadlineSeconds",
        1..=MAX_SECONDS,
        600,
        "Seconds without progress after which the Deployment says so. Kubernetes: 600 unless set",
    );
    let revision_history_limit =
        reader.count("revisionHistoryLimit", 0..=1_000, 10, "Old ReplicaSets that are kept. Kubernetes: 10 unless set");
    reader.ignored(&["selector", "metadata"]);
    reader.not_simulated(&["paused"]);
    let (pod, pre_stop) = pod_template::read(reader);
    let strategy = reader.table("strategy", "How old pods are replaced by new ones", strategy);
    let spec = DeploymentSpec { replicas, min_ready, progress_deadline, strategy, revision_history_limit };
    WorkloadSection { workload: Workload::Deployment(spec), pod, pre_stop }
}

fn strategy(reader: &mut Reader<'_, '_>) -> Strategy {
    let is_rolling = reader.choice(
        "type",
        &[("RollingUpdate", true), ("Recreate", false)],
        "New pods come as old ones go, or after all of them are gone. Kubernetes: RollingUpdate unless set",
    );
    if !is_rolling {
        let place = reader.optional_table("rollingUpdate", "Only with RollingUpdate", |rolling| rolling.place());
        if let Some(place) = place {
            let key = reader.key("rollingUpdate");
            let message = "`rollingUpdate` may not stand next to type = \"Recreate\"";
            reader.pass.error(&key, place, message, "Kubernetes refuses such a Deployment: leave one of the two out");
        }
        return Strategy::Recreate;
    }
    reader.table("rollingUpdate", "How far it may leave the replicas", |rolling| Strategy::RollingUpdate {
        max_unavailable: fenceposts::max_unavailable(rolling),
        max_surge: fenceposts::max_surge(rolling),
    })
}
