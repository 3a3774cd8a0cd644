//! What became of a request: the status that the client got, and the cause if the load balancer made it up.

/// The fate of one request. Every request that arrives has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered 2xx.
    Ok,
    /// The target answered 5xx itself (`target_status_code` is set): `error_share` of a version.
    Target5xx,
    /// The load balancer answered 5xx (`target_status_code` is `-`).
    Elb(Cause),
}

/// Why the load balancer made up an answer of its own. Source of the codes: *User Guide for Application Load Balancers*,
/// Troubleshoot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Code 502. The target refused the connection (RST to the SYN): the process has closed its listener or is gone, its pod
    /// still has a network. Access log: times -1 -1 -1, `TargetConnectionErrorCount` counts it.
    ConnectionRefused,
    /// Code 502. The answer to the SYN was "host unreachable": the pod's network is gone and its node says so. Access log: as
    /// `connection_refused`.
    HostUnreachable,
    /// Code 502. The connection broke while the target worked on the request: the process exited or was killed. Access log:
    /// a `target_processing_time` above 0, `response_processing_time` -1.
    ResetInFlight,
    /// Code 502. The target closed an idle connection in the very moment in which the load balancer used it again.
    KeepAliveRace,
    /// Code 502. The target was still working when the deregistration delay ran out.
    DeregistrationDelayExpired,
    /// Code 503. The target group that the weighted rule chose has no target that may get the request. Access log: no target.
    NoRegisteredTargets,
    /// Code 504. Nobody answered the SYN for 10 s: the pod's address is gone.
    ConnectTimeout,
    /// Code 504. Nobody answered the SYN for 10 s: the pod lives, but its queue of connections is full. Access log: as
    /// `connect_timeout`.
    BacklogFull,
    /// Code 504. The target accepted the request and did not answer within the load balancer's idle time-out.
    IdleTimeout,
    /// Code 503. The rule has a fixed response in place of an action or a Service that does not exist: the AWS Load
    /// Balancer Controller wrote it. Access log: no target, `actions_executed` is `fixed-response`.
    MissingBackend,
    /// Code 404. No rule takes the request: the default action of the listener. Access log: as `missing_backend`.
    NoMatchingRule,
}

impl Outcome {
    /// Whether a target answered, well or badly.
    #[inline]
    pub const fn is_from_target(self) -> bool {
        match self {
            Self::Ok | Self::Target5xx => true,
            Self::Elb(_) => false,
        }
    }
}

impl Cause {
    pub const ALL: [Self; 11] = [
        Self::ConnectionRefused,
        Self::HostUnreachable,
        Self::ResetInFlight,
        Self::KeepAliveRace,
        Self::DeregistrationDelayExpired,
        Self::NoRegisteredTargets,
        Self::ConnectTimeout,
        Self::BacklogFull,
        Self::IdleTimeout,
        Self::MissingBackend,
        Self::NoMatchingRule,
    ];

    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in files and thresholds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection_refused",
            Self::HostUnreachable => "host_unreachable",
            Self::ResetInFlight => "reset_in_flight",
            Self::KeepAliveRace => "keep_alive_race",
            Self::DeregistrationDelayExpired => "deregistration_delay_expired",
            Self::NoRegisteredTargets => "no_registered_targets",
            Self::ConnectTimeout => "connect_timeout",
            Self::BacklogFull => "backlog_full",
            Self::IdleTimeout => "idle_timeout",
            Self::MissingBackend => "missing_backend",
            Self::NoMatchingRule => "no_matching_rule",
        }
    }

    /// The `elb_status_code` of the access log.
    pub const fn elb_status_code(self) -> u16 {
        match self {
            Self::ConnectionRefused
            | Self::HostUnreachable
            | Self::ResetInFlight
            | Self::KeepAliveRace
            | Self::DeregistrationDelayExpired => 502,
            Self::NoRegisteredTargets | Self::MissingBackend => 503,
            Self::NoMatchingRule => 404,
            Self::ConnectTimeout | Self::BacklogFull | Self::IdleTimeout => 504,
        }
    }

    pub const fn is_5xx(self) -> bool {
        self.elb_status_code() >= 500
    }

    /// In plain words, for a table.
    pub const fn description(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "the pod had closed its port",
            Self::HostUnreachable => "the pod's address was gone (ICMP)",
            Self::ResetInFlight => "the pod died with the request in flight",
            Self::KeepAliveRace => "the pod closed an idle connection as it was reused",
            Self::DeregistrationDelayExpired => "the deregistration delay ran out",
            Self::NoRegisteredTargets => "the target group was empty",
            Self::ConnectTimeout => "nobody answered the connection for 10 s",
            Self::BacklogFull => "the pod's queue of connections was full",
            Self::IdleTimeout => "the pod gave no answer within the idle time-out",
            Self::MissingBackend => "the rule leads to nothing that is there",
            Self::NoMatchingRule => "no rule of the listener took the request",
        }
    }
}
