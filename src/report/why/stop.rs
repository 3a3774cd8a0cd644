//! How the pods of a run stopped, read off its event log.

use crate::run::Run;
use crate::units::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Stop<'a> {
    pub(super) pod: &'a str,
    pub(super) revision: &'a str,
    pub(super) deleted: Instant,
    /// When it took no more connections.
    pub(super) closed: Instant,
    /// When its program ended.
    pub(super) ended: Option<Instant>,
    /// By SIGKILL.
    pub(super) killed: bool,
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
    let mut stops: BTreeMap<&str, Stop> = BTreeMap::new();
    // One that is still starting has no port to close.
    let mut starting: BTreeSet<&str> = BTreeSet::new();
    for entry in &run.events {
        let pod = entry.object.as_str();
        match (entry.component, entry.event) {
            ("pod", "Created") => _ = starting.insert(pod),
            ("pod", "Listening") => _ = starting.remove(pod),
            ("pod", "Deleted") if !starting.contains(pod) => {
                let stop = Stop {
                    pod,
                    revision: &entry.detail,
                    deleted: entry.at,
                    closed: Instant::NEVER,
                    ended: None,
                    killed: false,
                    taken_out: None,
                };
                stops.insert(pod, stop);
            }
            ("pod", "ListenerClosed" | "SIGKILL" | "Exited") => {
                if let Some(stop) = stops.get_mut(pod) {
                    stop.closed = stop.closed.min(entry.at);
                    if entry.event != "ListenerClosed" {
                        (stop.ended, stop.killed) = (Some(entry.at), entry.event == "SIGKILL");
                    }
                }
            }
            ("load-balancer", "TargetRemoved") => {
                if let Some(stop) = stops.get_mut(entry.detail.as_str()) {
                    stop.taken_out = Some(entry.at);
                }
            }
            _ => {}
        }
    }
    stops.into_values().filter(|stop| stop.closed != Instant::NEVER).collect()
}
