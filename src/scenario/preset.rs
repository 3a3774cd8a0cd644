//! Routers as presets: how fast each hears of a change, how it holds changes back, how far its proxies are apart, and how
//! they choose by weight. A preset is a set of defaults of `[load_balancer]` and `[load_balancer_controller]`; every one
//! of them can be set by itself.
//!
//! What a source says is named in the note of its parameter; all other figures are assumptions, for nobody publishes them.
//! Left out: the reload of 1 to 3 s by which ingress-nginx meets a canary Ingress for the first time; callers outside of an
//! Istio mesh, who do not follow its weights; that AWS ends App Mesh on 2026-09-30.
//!
//! A change is effective at a proxy after: the write, the watch (`rule_lag`), the hold, and the way to the proxy
//! (`rule_push`).

use crate::model::load_balancer::TargetGroupSelection::{self, Random, Smooth};
use crate::model::load_balancer::hold::Hold;
use crate::random::{Distribution, Tail};
use crate::units::Duration;

/// A default, and where it comes from.
pub type Sourced<T> = (T, &'static str);

/// The defaults of one router.
#[derive(Clone, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// Routers of `trafficRouting` that may be installed as this one. Without `trafficRouting` any may stand in front.
    pub routers: &'static [&'static str],
    pub nodes: Sourced<u32>,
    pub rule_lag: Sourced<Distribution>,
    pub target_lag: Sourced<Distribution>,
    pub hold: Sourced<Hold>,
    pub rule_push: Sourced<Distribution>,
    pub registration: Sourced<Distribution>,
    /// Of an ALB alone: other proxies hear of what is new and what is gone together.
    pub deregistration: Option<Sourced<Distribution>>,
    pub selection: Sourced<TargetGroupSelection>,
    pub connect_timeout: Sourced<Duration>,
    pub idle_timeout: Sourced<Duration>,
}

impl Preset {
    pub fn is_alb(&self) -> bool {
        self.name == ALB
    }
}

pub const ALB: &str = "alb";
/// Plain Services: the kube-proxy of every node is a proxy.
const NONE: &str = "none";

/// What is known of proxies of one kind, in milliseconds.
struct Proxies {
    /// From the change of an object until the control plane has applied it.
    watch: (u64, u64),
    hold: Sourced<Hold>,
    /// From then until a proxy follows.
    skew: (u64, u64),
    /// The same for endpoints, which wait for the same control plane.
    endpoints: (u64, u64),
    selection: Sourced<TargetGroupSelection>,
    nodes: Sourced<u32>,
    connect_timeout: Sourced<Duration>,
    idle_timeout: Sourced<Duration>,
}

/// The notes that differ by the name alone.
struct Notes {
    rule_lag: &'static str,
    target_lag: &'static str,
    rule_push: &'static str,
    registration: &'static str,
}

macro_rules! notes {
    ($name:literal) => {
        Notes {
            rule_lag: concat!(
                "From the change of the object until the control plane of the proxies has it. Preset ",
                $name,
                ", assumption: nobody publishes a figure"
            ),
            target_lag: concat!(
                "From the change of the endpoints until the control plane of the proxies has it. Preset ",
                $name,
                ", assumption: as for routes"
            ),
            rule_push: concat!(
                "From the end of the hold until a proxy routes by it, each on its own. Preset ",
                $name,
                ", assumption"
            ),
            registration: concat!(
                "From then until a proxy sends requests by the new endpoints, each on its own. Preset ",
                $name,
                ", assumption: as for routes, with the control plane's hold"
            ),
        }
    };
}

fn proxies(name: &'static str, routers: &'static [&'static str], notes: &Notes, it: Proxies) -> Preset {
    let uniform = |(least, most): (u64, u64)| Distribution::uniform_millis(least, most);
    Preset {
        name,
        routers,
        nodes: it.nodes,
        rule_lag: (uniform(it.watch), notes.rule_lag),
        target_lag: (uniform(it.watch), notes.target_lag),
        hold: it.hold,
        rule_push: (uniform(it.skew), notes.rule_push),
        registration: (uniform(it.endpoints), notes.registration),
        deregistration: None,
        selection: it.selection,
        connect_timeout: it.connect_timeout,
        idle_timeout: it.idle_timeout,
    }
}

const NO_HOLD: Sourced<Hold> =
    (Hold::None, "How the control plane holds changes back. Assumption: it does not, as far as is known");
const TWO: Sourced<u32> = (2, "Proxies that meet the requests. Assumption: two replicas");
const PER_NODE: Sourced<u32> = (5, "Proxies that meet the requests: one on each node. Assumption: five nodes");
const DRAWN: Sourced<TargetGroupSelection> =
    (Random, "How a proxy chooses by weight. Envoy, weighted_clusters: each request draws its lot");
const DRAWN_ELSEWHERE: Sourced<TargetGroupSelection> =
    (Random, "How a proxy chooses by weight. Assumption: each request draws its lot, as Envoy's; this one is no Envoy");
const DRAWN_UNKNOWN: Sourced<TargetGroupSelection> =
    (Random, "How a proxy chooses by weight. Assumption: each request draws its lot; nobody publishes it");
const IN_TURN: Sourced<TargetGroupSelection> = (
    Smooth,
    "How a proxy chooses by weight. Assumption: weighted round robin of each proxy, as is generally known of this one",
);
const CONNECT: Sourced<Duration> =
    (Duration::secs(5), "How long a proxy waits for a connection to a pod. Assumption: 5 s, as Envoy does unless set");
const ANSWER: Sourced<Duration> =
    (Duration::secs(60), "How long a proxy, or whoever waits behind it, waits for an answer. Assumption: 60 s");

/// With the defaults of most.
const USUAL: Proxies = Proxies {
    watch: (100, 1_000),
    hold: NO_HOLD,
    skew: (0, 300),
    endpoints: (0, 300),
    selection: DRAWN,
    nodes: TWO,
    connect_timeout: CONNECT,
    idle_timeout: ANSWER,
};

/// Every preset, the ALB first.
pub fn all() -> Vec<Preset> {
    let mut presets =
        vec![alb(), istio(), ingress_nginx(), traefik(), kong(), haproxy_ingress(), ambassador(), apisix()];
    presets.extend([
        proxies("contour", &["plugins"], &notes!("contour"), USUAL),
        proxies("envoy-gateway", &["plugins"], &notes!("envoy-gateway"), USUAL),
        proxies("kgateway", &["plugins"], &notes!("kgateway"), USUAL),
        proxies("agentgateway", &["plugins"], &notes!("agentgateway"), Proxies { selection: DRAWN_ELSEWHERE, ..USUAL }),
        cilium(),
        proxies(
            "linkerd",
            &["smi", "plugins"],
            &notes!("linkerd"),
            Proxies { skew: (0, 500), endpoints: (0, 500), selection: DRAWN_ELSEWHERE, ..USUAL },
        ),
        nginx_gateway_fabric(),
    ]);
    let slow = |watch, skew| Proxies { watch, skew, endpoints: skew, selection: DRAWN_UNKNOWN, ..USUAL };
    presets.extend([
        proxies("google-cloud", &["plugins"], &notes!("google-cloud"), slow((30_000, 300_000), (0, 60_000))),
        proxies("vpc-lattice", &["plugins"], &notes!("vpc-lattice"), slow((2_000, 30_000), (0, 10_000))),
        app_mesh(),
        kube_proxy(),
    ]);
    presets
}

fn alb() -> Preset {
    let p95 = |median, at| Distribution::LogNormal {
        median: Duration::millis(median),
        tail: Tail::P95(Duration::millis(at)),
    };
    Preset {
        name: ALB,
        routers: &["alb"],
        nodes: (3, "Nodes of the ALB. ELBv2: at least one in each zone, at most 100"),
        rule_lag: (
            p95(1500, 8000),
            "From the change of the Ingress to ModifyRule, when its group was idle. Assumption: seconds in a quiet account; \
             aws-load-balancer-controller issue 3588 saw about 70 s in a busy one",
        ),
        target_lag: (
            p95(700, 3000),
            "From the change of the endpoints to the AWS call. aws-load-balancer-controller issue 2366: within the same \
             second",
        ),
        hold: (
            Hold::Batch(Duration::secs(10)),
            "The ALB collects rule changes for this long. aws-load-balancer-controller issue 4039: 10 s",
        ),
        rule_push: (
            Distribution::uniform_millis(0, 5000),
            "From the end of that until a node routes by the rule. argo-rollouts issue 3617: about 15 s in all",
        ),
        registration: (
            Distribution::uniform_millis(1000, 5000),
            "From RegisterTargets until a node knows the target. Assumption: AWS publishes no figure",
        ),
        deregistration: Some((
            Distribution::Triangular { min: Duration::secs(2), mode: Duration::secs(10), max: Duration::secs(20) },
            "From DeregisterTargets until a node stops sending requests. aws-load-balancer-controller issues 2366 and 1719: \
             2 to 17 s, about 10 s. Left out: the tail to 40 s that one report has",
        )),
        selection: (
            Random,
            "How a node picks the target group by weight. Assumption: each request draws its lot; AWS does not publish it",
        ),
        connect_timeout: (
            Duration::secs(10),
            "How long a node waits for a connection to a target. ELBv2, troubleshooting: 10 s",
        ),
        idle_timeout: (
            Duration::secs(60),
            "How long a node waits for an answer. ELBv2, load balancer attributes: idle time-out 60 s unless set",
        ),
    }
}

fn istio() -> Preset {
    let quiet = Hold::Debounce { quiet: Duration::millis(100), max: Duration::secs(10) };
    let numbers = Proxies {
        watch: (50, 500),
        hold: (
            quiet,
            "How istiod holds changes back. Preset istio: PILOT_DEBOUNCE_AFTER 100 ms without another change, \
             PILOT_DEBOUNCE_MAX 10 s at most",
        ),
        skew: (0, 500),
        endpoints: (100, 600),
        nodes: (
            2,
            "Proxies that meet the requests: gateways, or the sidecars of callers. Assumption: two. Left out: \
             callers outside of the mesh, who do not follow the weights",
        ),
        connect_timeout: (
            Duration::secs(10),
            "How long a proxy waits for a connection to a pod. Preset istio: meshConfig.connectTimeout, 10 s unless set",
        ),
        idle_timeout: (
            Duration::secs(60),
            "How long whoever waits behind a proxy waits for an answer. Preset istio: the proxy itself has no limit unless \
             its route has one; assumption: 60 s",
        ),
        ..USUAL
    };
    proxies("istio", &["istio", "plugins"], &notes!("istio"), numbers)
}

fn ingress_nginx() -> Preset {
    let numbers = Proxies {
        hold: (
            Hold::Throttle(Duration::millis(3_333)),
            "How the controller holds changes back: the first at once, the newest of the others after this. Preset nginx: \
             --sync-rate-limit, 0.3 a second",
        ),
        skew: (0, 3_300),
        endpoints: (0, 3_300),
        selection: (
            Random,
            "How a proxy chooses by weight. Assumption: each request draws its lot, as is generally known of ingress-nginx",
        ),
        connect_timeout: (
            Duration::secs(5),
            "How long a proxy waits for a connection to a pod. Preset nginx: proxy-connect-timeout, 5 s unless set",
        ),
        idle_timeout: (
            Duration::secs(60),
            "How long a proxy waits for an answer. Preset nginx: proxy-read-timeout, 60 s unless set",
        ),
        ..USUAL
    };
    let notes = Notes {
        rule_lag: "From the change of the canary Ingress until the control plane of the proxies has it. Preset nginx, \
                   assumption: nobody publishes a figure. Left out: the reload of 1 to 3 s when that Ingress first appears",
        ..notes!("nginx")
    };
    proxies("nginx", &["nginx"], &notes, numbers)
}

fn traefik() -> Preset {
    let numbers = Proxies {
        watch: (50, 300),
        hold: (
            Hold::Throttle(Duration::secs(2)),
            "How a proxy holds changes back: the first at once, the newest of the others after this. Preset traefik: \
             providersThrottleDuration, 2 s",
        ),
        skew: (0, 2_000),
        endpoints: (0, 2_000),
        selection: IN_TURN,
        connect_timeout: (
            Duration::secs(30),
            "How long a proxy waits for a connection to a pod. Preset traefik: forwardingTimeouts.dialTimeout, 30 s",
        ),
        ..USUAL
    };
    proxies("traefik", &["traefik", "plugins"], &notes!("traefik"), numbers)
}

fn kong() -> Preset {
    let numbers = Proxies {
        watch: (200, 1_000),
        hold: (
            Hold::Tick(Duration::secs(3)),
            "How the controller holds changes back: until its next round. Preset kong: --proxy-sync-seconds, 3 s",
        ),
        skew: (0, 1_000),
        endpoints: (0, 4_000),
        selection: IN_TURN,
        connect_timeout: (
            Duration::secs(60),
            "How long a proxy waits for a connection to a pod. Preset kong: connect_timeout of a service, 60 s",
        ),
        idle_timeout: (
            Duration::secs(60),
            "How long a proxy waits for an answer. Preset kong: read_timeout of a service, 60 s",
        ),
        ..USUAL
    };
    proxies("kong", &["plugins"], &notes!("kong"), numbers)
}

fn haproxy_ingress() -> Preset {
    let numbers = Proxies {
        watch: (200, 1_000),
        hold: (
            Hold::Throttle(Duration::secs(2)),
            "How the controller holds changes back: the first at once, the newest of the others after this. Preset \
             haproxy-ingress: --rate-limit-update, 0.5 a second",
        ),
        skew: (0, 2_000),
        endpoints: (0, 4_000),
        selection: IN_TURN,
        ..USUAL
    };
    proxies("haproxy-ingress", &["plugins"], &notes!("haproxy-ingress"), numbers)
}

fn ambassador() -> Preset {
    let numbers = Proxies {
        watch: (1_000, 5_000),
        hold: (
            Hold::Batch(Duration::secs(1)),
            "How long Ambassador collects changes. Preset ambassador: AMBASSADOR_RECONFIG_MAX_DELAY, 1 s",
        ),
        skew: (0, 1_000),
        endpoints: (0, 2_000),
        ..USUAL
    };
    proxies("ambassador", &["ambassador"], &notes!("ambassador"), numbers)
}

fn apisix() -> Preset {
    let numbers = Proxies { skew: (0, 500), endpoints: (0, 500), selection: IN_TURN, ..USUAL };
    proxies("apisix", &["apisix"], &notes!("apisix"), numbers)
}

fn app_mesh() -> Preset {
    let numbers = Proxies { watch: (5_000, 30_000), skew: (0, 10_000), endpoints: (0, 10_000), ..USUAL };
    let notes = Notes {
        rule_lag: "From the change of the object until the control plane of the proxies has it. Preset app-mesh, assumption: \
                   nobody publishes a figure. AWS ends the service on 2026-09-30",
        ..notes!("app-mesh")
    };
    proxies("app-mesh", &["appMesh"], &notes, numbers)
}

fn cilium() -> Preset {
    let numbers = Proxies { watch: (300, 2_000), skew: (0, 2_000), endpoints: (0, 2_000), nodes: PER_NODE, ..USUAL };
    proxies("cilium", &["plugins"], &notes!("cilium"), numbers)
}

fn nginx_gateway_fabric() -> Preset {
    let numbers = Proxies {
        watch: (500, 3_000),
        skew: (0, 2_000),
        endpoints: (0, 2_000),
        selection: (Random, "How a proxy chooses by weight. NGINX, split_clients: a lot for each request"),
        ..USUAL
    };
    proxies("nginx-gateway-fabric", &["plugins"], &notes!("nginx-gateway-fabric"), numbers)
}

fn kube_proxy() -> Preset {
    let numbers = Proxies {
        watch: (500, 3_000),
        skew: (0, 2_000),
        endpoints: (0, 2_000),
        nodes: PER_NODE,
        selection: (
            Random,
            "How a request finds its pod. Assumption: each request draws its lot; kube-proxy draws one for each connection",
        ),
        connect_timeout: (
            Duration::secs(10),
            "How long a client waits for a connection to a pod: nobody stands between them. Assumption: 10 s",
        ),
        idle_timeout: (Duration::secs(60), "How long a client waits for an answer. Assumption: 60 s"),
        ..USUAL
    };
    proxies(NONE, &[], &notes!("none"), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_names_where_its_figures_come_from() {
        for preset in all() {
            let notes = [
                preset.nodes.1,
                preset.rule_lag.1,
                preset.target_lag.1,
                preset.hold.1,
                preset.rule_push.1,
                preset.registration.1,
                preset.deregistration.map_or("Assumption", |(_, note)| note),
                preset.selection.1,
                preset.connect_timeout.1,
                preset.idle_timeout.1,
            ];
            for note in notes {
                let is_told = note.contains("ssumption") || SOURCES.iter().any(|source| note.contains(source));
                assert!(is_told, "{}: {note}", preset.name);
            }
        }
    }

    /// A flag, a setting, an issue or a document by its name.
    const SOURCES: [&str; 18] = [
        "ELBv2",
        "aws-load-balancer-controller issue",
        "argo-rollouts issue",
        "PILOT_DEBOUNCE_AFTER",
        "meshConfig.connectTimeout",
        "--sync-rate-limit",
        "proxy-connect-timeout",
        "proxy-read-timeout",
        "providersThrottleDuration",
        "forwardingTimeouts.dialTimeout",
        "--proxy-sync-seconds",
        "connect_timeout of a service",
        "read_timeout of a service",
        "--rate-limit-update",
        "AMBASSADOR_RECONFIG_MAX_DELAY",
        "split_clients",
        "weighted_clusters",
        "as Envoy does unless set",
    ];

    /// The table of presets in the notes on routers, copied by hand: hold, watch and apply, skew between proxies in
    /// milliseconds. The ALB's lag is that of the notes on the AWS Load Balancer Controller: median 1.5 s, p95 8 s.
    #[test]
    fn every_figure_is_that_of_the_table() {
        let ms = Duration::millis;
        let (at_once, debounce) = (Hold::None, Hold::Debounce { quiet: ms(100), max: ms(10_000) });
        // 0.3 and 0.5 a second.
        let (a_third, a_half) = (Hold::Throttle(ms(3_333)), Hold::Throttle(ms(2_000)));
        let table = [
            ("istio", debounce, (50, 500), (0, 500)),
            ("nginx", a_third, (100, 1_000), (0, 3_300)),
            ("traefik", Hold::Throttle(ms(2_000)), (50, 300), (0, 2_000)),
            ("kong", Hold::Tick(ms(3_000)), (200, 1_000), (0, 1_000)),
            ("haproxy-ingress", a_half, (200, 1_000), (0, 2_000)),
            ("ambassador", Hold::Batch(ms(1_000)), (1_000, 5_000), (0, 1_000)),
            ("apisix", at_once, (100, 1_000), (0, 500)),
            ("contour", at_once, (100, 1_000), (0, 300)),
            ("envoy-gateway", at_once, (100, 1_000), (0, 300)),
            ("kgateway", at_once, (100, 1_000), (0, 300)),
            ("agentgateway", at_once, (100, 1_000), (0, 300)),
            ("cilium", at_once, (300, 2_000), (0, 2_000)),
            ("linkerd", at_once, (100, 1_000), (0, 500)),
            ("nginx-gateway-fabric", at_once, (500, 3_000), (0, 2_000)),
            ("google-cloud", at_once, (30_000, 300_000), (0, 60_000)),
            ("vpc-lattice", at_once, (2_000, 30_000), (0, 10_000)),
            ("app-mesh", at_once, (5_000, 30_000), (0, 10_000)),
            ("none", at_once, (500, 3_000), (0, 2_000)),
        ];
        let uniform = |(least, most): (u64, u64)| Distribution::uniform_millis(least, most);
        let p95 = Distribution::LogNormal { median: ms(1_500), tail: Tail::P95(ms(8_000)) };
        let alb = ("alb", Hold::Batch(ms(10_000)), p95, uniform((0, 5_000)));
        let proxies = table.map(|(name, hold, watch, skew)| (name, hold, uniform(watch), uniform(skew)));
        let expected: Vec<_> = [alb].into_iter().chain(proxies).collect();
        let presets: Vec<_> = all().into_iter().map(|it| (it.name, it.hold.0, it.rule_lag.0, it.rule_push.0)).collect();
        assert_eq!(presets.len(), 19);
        for row in expected {
            let preset = presets.iter().find(|preset| preset.0 == row.0).expect(row.0);
            assert_eq!(*preset, row);
        }
    }

    /// What the notes on routers say of the choice by weight; of the others they say nothing.
    #[test]
    fn proxies_take_turns_where_the_table_says_so() {
        let mut in_turn: Vec<_> =
            all().into_iter().filter(|preset| preset.selection.0 == Smooth).map(|preset| preset.name).collect();
        in_turn.sort_unstable();
        assert_eq!(in_turn, ["apisix", "haproxy-ingress", "kong", "traefik"]);
        for name in ["linkerd", "agentgateway", "vpc-lattice", "google-cloud", "none"] {
            let preset = all().into_iter().find(|preset| preset.name == name).expect(name);
            assert!(preset.selection.1.contains("Assumption"), "{name}: {}", preset.selection.1);
        }
    }

    #[test]
    fn every_router_has_a_preset_and_no_name_comes_twice() {
        let presets = all();
        for router in ["alb", "ambassador", "apisix", "appMesh", "istio", "nginx", "plugins", "smi", "traefik"] {
            assert!(presets.iter().any(|preset| preset.routers.contains(&router)), "{router}");
        }
        let mut names: Vec<_> = presets.iter().map(|preset| preset.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), presets.len());
    }
}
