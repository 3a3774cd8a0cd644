//! Why the load balancer answered by itself.

use super::{Entry, Reproduce};
use crate::check::reproduce::Run;
use crate::model::outcome::Cause;

/// The page about a cause.
pub const fn cause(cause: Cause) -> Entry {
    let (words, run) = match cause {
        Cause::ConnectionRefused => (
            "The target answers the SYN with RST: its program has closed the port or is gone, while its pod still has a network. \
             This is the usual answer of a pod without a preStop hook, from SIGTERM until the last ALB node has let go of it. In \
             the access log the three times are -1, and TargetConnectionErrorCount counts it.",
            Run::of("article/1-original"),
        ),
        Cause::HostUnreachable => (
            "The pod's network is gone, and its node says so by ICMP. It takes the place of connection_refused once the sandbox of \
             the pod has been removed; in the access log the two look alike.",
            Run::of("article/1-original"),
        ),
        Cause::ResetInFlight => (
            "The connection broke while the target worked on the request: the program exited, or SIGKILL came at the end of the \
             grace period. In the access log target_processing_time is above 0 and response_processing_time is -1.",
            Run::of("first-run"),
        ),
        Cause::KeepAliveRace => (
            "The target closed an idle connection in the moment in which the load balancer sent a request on it: its keep-alive \
             time is not longer than the load balancer's idle time-out. It happens outside of releases, too.",
            Run { scenario: "first-run", set: &["traffic.rate=10/s", "application.keep_alive=1s"] },
        ),
        Cause::DeregistrationDelayExpired => (
            "The target was still working on the request when deregistration_delay.timeout_seconds ran out: the load balancer \
             closes the connection.",
            Run { scenario: "first-run", set: &["traffic.service_time=70s", "application.concurrency=100000"] },
        ),
        Cause::NoRegisteredTargets => (
            "The weighted rule chose a target group in which no target may get the request: all have been deregistered, or the new \
             ones have not passed their first health check. Behind an ALB a weighted rule never falls back to the other group.",
            Run::of("article/2b-empty-group"),
        ),
        Cause::ConnectTimeout => (
            "Nobody answered the SYN within 10 s: the pod's address is gone. The client waits those 10 s.",
            Run::of("field-reports/lbc-2366-traffic-after-draining"),
        ),
        Cause::BacklogFull => (
            "Nobody answered the SYN within 10 s, although the pod lives: more requests wait for its workers than its queue of \
             connections holds. Too few pods have too large a share.",
            Run::of("hazards/h10-third-version-in-the-middle"),
        ),
        Cause::IdleTimeout => (
            "The target took the request and gave no answer within the load balancer's idle time-out (60 s unless set).",
            Run { scenario: "first-run", set: &["traffic.service_time=70s", "application.concurrency=100000"] },
        ),
        Cause::MissingBackend => (
            "The rule that took the request has a fixed response: its Ingress names an action annotation or a Service that \
             does not exist, and the AWS Load Balancer Controller wrote 503 in its place.",
            Run { scenario: "routing/missing-backend", set: &[] },
        ),
        Cause::NoMatchingRule => (
            "No rule of the listener took the request, so the default action answered: 404, unless the Ingress has a default \
             backend. It is no 5xx and counts by itself.",
            Run { scenario: "routing/no-matching-rule", set: &[] },
        ),
    };
    Entry {
        name: cause.name(),
        title: cause.description(),
        words,
        source: "Elastic Load Balancing, User Guide for Application Load Balancers: Troubleshoot, Access logs",
        reproduce: Reproduce::Run(run),
    }
}
