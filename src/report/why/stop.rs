//! How the pods of a run stopped, read off its event log.

use crate::run::Run;
use crate::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Stop<'a> {
    pub(super) pod: &'a str,
    pub(super) deleted: Instant,
    /// When it took no more connections.
    pub(super) closed: Instant,
    /// When the last ALB node stopped using it.
    pub(super) taken_out: Option<Instant>,
}

impl Stop<'_> {
    /// How long it still took connections after it was deleted.
    pub(super) fn open_after_deletion(&self) -> Duration {
        self.closed.saturating_since(self.deleted)
    }
}

/// Every pod that had opened its port and closed it again.
pub(super) fn stops(run: &Run) -> Vec<Stop<'_>> {
    let mut deleted: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut closed: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut taken_out: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut starting: BTreeSet<&str> = BTreeSet::new();
    for entry in &run.events {
        match (entry.component, entry.event) {
            ("pod", "Deleted") => _ = deleted.insert(&entry.object, entry.at),
            ("pod", "ListenerClosed" | "SIGKILL" | "Exited") if starting.contains(entry.object.as_str()) => {}
            ("pod", "ListenerClosed" | "SIGKILL" | "Exited") => _ = closed.entry(&entry.object).or_insert(entry.at),
            // One that was still starting never opened its port.
            ("pod", "Listening") => _ = starting.remove(entry.object.as_str()),
            ("pod", "Created") => _ = starting.insert(&entry.object),
            ("load-balancer", "TargetRemoved") => _ = taken_out.insert(&entry.detail, entry.at),
            _ => {}
        }
    }
    let stop =
        |(pod, closed)| Some(Stop { pod, deleted: *deleted.get(pod)?, closed, taken_out: taken_out.get(pod).copied() });
    closed.into_iter().filter_map(stop).collect()
}
