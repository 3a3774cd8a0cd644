//! rollout-sim: what a canary release behind an AWS Application Load Balancer costs in failed requests, and why.
//!
//! Three machines act on old news about each other. The Rollouts controller removes pods by the weight it *asked* for; the
//! AWS Load Balancer Controller brings that weight to the load balancer a minute later; the nodes of the load balancer
//! hear of it later still, and of the pods by another way. This crate plays them, second by second, and sends every
//! single request through what they believe at that moment.
//!
//! ```text
//!            annotation                ModifyRule               push to each node
//!  Rollouts ───────────▶ ingress loop ───────────▶ ALB control ───────────▶ nodes ◀──── requests
//! controller  rule_lag   (work queue)  rule_batch    plane      rule_push    │ weight, targets
//!     │  ▲                                             ▲                     ▼
//!     │  │ replica_set_status                          │ RegisterTargets,  target group ─▶ pod ─▶ answer,
//!   scale│                                             │ DeregisterTargets                 or 502, 503, 504
//!     ▼  │                                             │
//! ReplicaSet ──▶ pods ──▶ EndpointSlice ──▶ TargetGroupBinding loop
//!            kubelet   endpoint_slice  target_lag
//! ```
//!
//! With another router than the ALB the chain has the same links under other names: an object of the router's kind, its
//! control plane, which holds changes back in a way of its own, and its proxies, which hear of all endpoints of a Service at
//! once ([`scenario::preset`]).
//!
//! # Layers
//!
//! Lowest first; a module uses only what stands above it in this list (`tests/it/layers.rs` holds it to that).
//!
//! | layer | what it is |
//! |---|---|
//! | [`units`] | instants, durations, weights, rates: the only place where a bare number gets its meaning |
//! | [`random`] | named streams of random numbers, and the distributions a scenario can name |
//! | [`engine`] | the event queue and its clock; not one word of the domain |
//! | [`model`] | the machines, one component each: `Input` in, `Effect` out, no component knows another |
//! | [`run`] | what one run produced, as plain data |
//! | [`scenario`] | what a run is a function of: read, checked, every default with its source |
//! | [`simulation`] | the wiring: who tells whom, after which lag |
//! | [`sweep`] | many runs: cells × seeds, on all cores |
//! | [`check`] | findings about a deployment, with the failed requests that each costs |
//! | [`report`] | a run as text, JSON, CSV or a picture |
//! | [`cli`] | the commands; the only layer that opens files, prints or looks at the environment |
//!
//! # Invariants
//!
//! - A run is a pure function of (scenario, seed): the same bytes on any machine, with any number of threads.
//! - Time is integer nanoseconds and never falls. Events of one instant happen in the order in which they were scheduled.
//! - News travels in the open: whoever needs a fact that another component owns gets it as an input, after a lag that has
//!   a name in the scenario.
//! - Every draw comes from a stream of its own, addressed by name and number. Two scenarios under one seed face the same
//!   requests: the design differs, not the dice.
//! - Requests are never events. Between two events nothing that routes can change, so they are served in a loop from
//!   tables that only events rebuild ([`model::load_balancer::data_plane`]). A request counts in the second in which it
//!   arrived, and has exactly one outcome.
//! - What is left out, and what is assumed, stands at the head of each module and in every report.

pub mod check;
pub mod cli;
pub mod engine;
pub mod model;
pub mod random;
pub mod report;
pub mod run;
pub mod scenario;
pub mod simulation;
pub mod sweep;
pub mod units;
