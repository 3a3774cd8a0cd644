//! Who tells whom inside Kubernetes: ReplicaSets, pods, EndpointSlices.

use super::event::Event;
use super::{Member, STABLE, Simulation, index, start};
use crate::model::endpoint_slice::{self, Conditions, Endpoints};
use crate::model::load_balancer::data_plane::Command;
use crate::model::load_balancer_controller::readiness_gate;
use crate::model::pod::{self, Phase, Pod};
use crate::model::replica_set::{self, NewPod, ReplicaSet};
use crate::model::rollout::Rollout;
use crate::model::{PodId, Revision, Service};
use crate::units::{Duration, Instant};

impl Simulation<'_> {
    pub(super) fn tell_replica_set(&mut self, now: Instant, revision: Revision, input: replica_set::Input) {
        use replica_set::Effect::*;
        let cluster = &self.scenario.cluster;
        for effect in self.replica_sets[index(revision)].handle(now, input) {
            match effect {
                SyncSoon => {
                    let delay = self.streams.replica_set.draw(&cluster.replica_set_sync);
                    self.queue.schedule(now + delay, Event::SyncReplicaSet(revision));
                }
                Create(count) => {
                    let delay = self.streams.replica_set.draw(&cluster.api_write);
                    self.queue.schedule(now + delay, Event::PodsWritten(revision, count));
                }
                Delete(pods) => {
                    let delay = self.streams.replica_set.draw(&cluster.api_write);
                    self.queue.schedule(now + delay, Event::PodsDeleted(pods));
                }
                AwaitMinReady(pod, min_ready) => {
                    let over = now + min_ready + self.streams.replica_set.draw(&cluster.availability_check);
                    self.queue.schedule(over, Event::ReplicaSet(revision, replica_set::Input::MinReadyOver(pod)));
                }
                StatusSoon => {
                    let delay = self.streams.replica_set.draw(&cluster.replica_set_status);
                    self.queue.schedule(now + delay, Event::ReplicaSet(revision, replica_set::Input::StatusDue));
                }
                Publish(status) => {
                    self.publish_status(now, revision, status);
                }
            }
        }
    }

    pub(super) fn sync_replica_set(&mut self, now: Instant, revision: Revision) {
        let mut pods_on_node = vec![0; self.scenario.cluster.nodes as usize];
        for node in self.replica_sets.iter().flat_map(ReplicaSet::nodes) {
            pods_on_node[node as usize] += 1;
        }
        self.tell_replica_set(now, revision, replica_set::Input::Sync { pods_on_node });
    }

    pub(super) fn create_pods(&mut self, now: Instant, revision: Revision, count: u32) {
        let mut created = vec![];
        for _ in 0..count {
            let id = PodId(u32::try_from(self.pods.len()).expect("pods are counted in u32"));
            let mut random = self.streams.of_pod(id);
            let timings = start::timings(self.scenario, self.code.of(revision), &mut random);
            let pod = Pod::new(self.scenario.pod, start::shutdown(self.scenario), timings);
            let pod = pod.with_gates(self.gates_to_inject(revision));
            created.push(NewPod { id, uid: random.next_u64() });
            self.pods.push(Member {
                pod,
                revision,
                created: now,
                node: None,
                ready_since: now,
                deleted: false,
                removed: false,
            });
            self.command(now, Command::AddPod(id, revision));
            self.begin_behaviour(now, id, revision);
            self.log(now, "pod", "Created", id, revision);
            self.inject_gates(now, id);
            self.tell_pod(now, id, pod::Input::Created);
        }
        self.record_pods(now);
        self.publish_pods(now, revision);
        self.tell_replica_set(now, revision, replica_set::Input::Created(created));
    }

    /// Of each revision: pods older than `restartAt`, and not on their way out.
    pub(super) fn count_old_pods(&self) -> Vec<(Revision, u32)> {
        let revisions = (1..).map(Revision).take(self.replica_sets.len());
        revisions.map(|revision| (revision, u32::try_from(self.old_pods(revision).len()).expect("few"))).collect()
    }

    /// Oldest first: pods are numbered in the order of their creation.
    fn old_pods(&self, revision: Revision) -> Vec<PodId> {
        let restart_at = self.workload.rollout().and_then(Rollout::restart_at);
        let is_old = |member: &Member| restart_at.is_some_and(|at| member.created < at);
        let is_meant = |member: &Member| member.revision == revision && !member.deleted && is_old(member);
        let ids = (0..).map(PodId).zip(&self.pods);
        ids.filter(|(_, member)| is_meant(member)).map(|(id, _)| id).collect()
    }

    /// The pods go by the Eviction API; their ReplicaSet learns of it as of any deletion.
    pub(super) fn evict(&mut self, now: Instant, revision: Revision, count: u32) {
        for id in self.old_pods(revision).into_iter().take(count as usize) {
            self.log(now, "rollouts-controller", "Evict", id, revision);
            self.delete_pod(now, id);
            self.tell_replica_set(now, revision, replica_set::Input::Evicted(id));
        }
    }

    pub(super) fn delete_pod(&mut self, now: Instant, id: PodId) {
        let member = &mut self.pods[id.0 as usize];
        member.deleted = true;
        let revision = member.revision;
        self.log(now, "pod", "Deleted", id, revision);
        self.record_pods(now);
        self.tell_pod(now, id, pod::Input::Deleted);
        self.publish_conditions(now, id);
    }

    pub(super) fn tell_pod(&mut self, now: Instant, id: PodId, input: pod::Input) {
        let member = &mut self.pods[id.0 as usize];
        if input == pod::Input::Scheduled && member.pod.phase() == Phase::Pending {
            let node = self.scheduler.bind();
            member.node = Some(node);
            let bound = replica_set::Input::Scheduled(id, node);
            let revision = member.revision;
            self.tell_replica_set(now, revision, bound);
        }
        let (revision, phase) = (self.pods[id.0 as usize].revision, self.pods[id.0 as usize].pod.phase());
        if input == pod::Input::ContainerStarted && phase == Phase::Starting {
            self.tell_replica_set(now, revision, replica_set::Input::Started(id));
        }
        if input == pod::Input::ContainerStarted && phase == Phase::Crashed {
            self.tell_replica_set(now, revision, replica_set::Input::Restarted(id));
        }
        for effect in self.pods[id.0 as usize].pod.handle(now, input) {
            self.on_pod_effect(now, id, effect);
        }
        if input == pod::Input::ContainerStarted && self.pods[id.0 as usize].pod.awaits_gates() {
            // It has its address, and with it a place among the endpoints that are not ready.
            self.publish_conditions(now, id);
        }
    }

    fn on_pod_effect(&mut self, now: Instant, id: PodId, effect: pod::Effect) {
        use pod::Effect::*;
        let revision = self.pods[id.0 as usize].revision;
        match effect {
            Wake(delay, input) => self.queue.schedule(now + delay, Event::Pod(id, input)),
            PullImage => {
                let pull = self.streams.image_pull.draw(&self.scenario.cluster.image_pull);
                let node = self.pods[id.0 as usize].node.expect("a pod that pulls is bound");
                let ready = self.scheduler.image_ready(now, node, revision, pull);
                self.queue.schedule(ready, Event::Pod(id, pod::Input::ImagePulled));
            }
            Listen => {
                self.command(now, Command::Listen(id));
                self.log(now, "pod", "Listening", id, revision);
            }
            Probe { timeout } => {
                let (delay, passed) = self.ask(now, id, timeout);
                self.queue.schedule(now + delay, Event::Pod(id, pod::Input::Probed { passed }));
            }
            Ready(ready) => {
                self.pods[id.0 as usize].ready_since = now;
                self.log(now, "pod", if ready { "Ready" } else { "Unready" }, id, revision);
                self.record_pods(now);
                self.tell_replica_set(now, revision, replica_set::Input::Ready(id, ready));
                self.publish_conditions(now, id);
            }
            ContainersReady(ready) => {
                let event = if ready { "ContainersReady" } else { "ContainersUnready" };
                self.log(now, "pod", event, id, revision);
                self.watch_pod(now, id, ready);
            }
            Sigterm => self.log(now, "pod", "SIGTERM", id, revision),
            CloseListener => {
                self.command(now, Command::CloseListener(id));
                self.log(now, "pod", "ListenerClosed", id, revision);
            }
            AskInFlight => {
                let rest = self.data_plane.in_flight(id, now);
                self.tell_pod(now, id, pod::Input::InFlight(rest));
            }
            Exit { killed } => {
                self.command(now, Command::Exit(id));
                self.log(now, "pod", if killed { "SIGKILL" } else { "Exited" }, id, revision);
            }
            Crash => {
                self.command(now, Command::Exit(id));
                self.log(now, "pod", "Crashed", id, revision);
            }
            LoseAddress => {
                self.command(now, Command::LoseAddress(id));
                self.tell_endpoint_slices(now, endpoint_slice::Input::PodRemoved(id));
            }
            Remove => self.remove_pod(now, id),
        }
    }

    fn remove_pod(&mut self, now: Instant, id: PodId) {
        let member = &mut self.pods[id.0 as usize];
        member.removed = true;
        let (revision, existed) = (member.revision, now - member.created);
        if let Some(node) = member.node {
            self.scheduler.release(node);
        }
        self.log(now, "pod", "Removed", id, revision);
        self.recorder.pod_removed(existed);
        if revision == STABLE && self.pods.iter().all(|member| member.revision != STABLE || member.removed) {
            self.recorder.stable_gone(now);
        }
        self.record_pods(now);
        self.publish_pods(now, revision);
        self.tell_endpoint_slices(now, endpoint_slice::Input::PodRemoved(id));
        self.end_if_over(now);
    }

    /// How a probe or a health check that comes now ends, and when.
    pub(super) fn ask(&self, now: Instant, id: PodId, timeout: Duration) -> (Duration, bool) {
        match self.data_plane.time_to_answer(id, now) {
            Some(wait) if wait <= timeout => (wait, true),
            None if self.data_plane.refuses(id) => (Duration::ZERO, false),
            Some(_) | None => (timeout, false),
        }
    }

    fn publish_conditions(&mut self, now: Instant, id: PodId) {
        let member = &self.pods[id.0 as usize];
        if member.removed {
            return;
        }
        let conditions = Conditions {
            revision: member.revision,
            serving: member.pod.ready(),
            terminating: member.deleted,
            awaits_gates: member.pod.awaits_gates(),
        };
        self.tell_endpoint_slices(now, endpoint_slice::Input::PodChanged(id, conditions));
    }

    fn tell_endpoint_slices(&mut self, now: Instant, input: endpoint_slice::Input) {
        for service in Service::ALL {
            self.tell_endpoint_slice(now, service, input);
        }
    }

    pub(super) fn tell_endpoint_slice(&mut self, now: Instant, service: Service, input: endpoint_slice::Input) {
        use endpoint_slice::Effect::*;
        for effect in self.endpoint_slices[service.index()].handle(input) {
            match effect {
                SyncSoon => {
                    let heard = now + self.streams.endpoint_slice.draw(&self.scenario.cluster.endpoint_slice);
                    self.queue.schedule(heard, Event::EndpointSlice(service, endpoint_slice::Input::SyncDue));
                }
                Publish(Endpoints { ready, gated }) => {
                    let detail = match gated.len() {
                        0 => format!("{} ready", ready.len()),
                        gated => format!("{} ready, {gated} gated", ready.len()),
                    };
                    self.log(now, "endpoint-slice", "Updated", self.name(service), detail);
                    if !self.routing.object().is_ingress() {
                        self.watch_endpoints(now, service, ready);
                        continue;
                    }
                    let heard = readiness_gate::Input::EndpointsChanged { ready, gated };
                    self.tell_readiness_gate(now, service, heard);
                }
            }
        }
    }
}
