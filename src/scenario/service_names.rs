//! The Services of the release, by the names that the strategy and the Ingress have for them.

use super::document::{Node, Table};
use super::ingress_rules::{PORT, uses_annotation};
use super::workload::Workload;
use crate::model::Service;
use crate::model::ingress::{Backend, IngressRule};
use crate::model::rollout::alb::Annotations;

/// `annotationPrefix` unless set.
pub const PREFIX: &str = "alb.ingress.kubernetes.io";

/// A scenario may leave them out: then they go by their roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceNames {
    /// `stableService` or `activeService`; `pongService`, which has the stable pods at first; else the only one.
    pub stable: String,
    /// `canaryService`, `previewService` or `pingService`. Without traffic routing nobody goes there.
    pub canary: String,
    /// Whose requests these are: the Ingress leads to it, and its action splits them.
    pub root: String,
    /// `servicePort`.
    pub port: u16,
}

impl ServiceNames {
    pub fn name(&self, service: Service) -> &str {
        match service {
            Service::Stable => &self.stable,
            Service::Canary => &self.canary,
        }
    }

    /// The rules and the annotations of the Ingress tell what the strategy leaves out.
    pub fn read(document: &Table, workload: &Workload, ingress: (&[IngressRule], &Annotations)) -> Self {
        let text = |key: &str| {
            let node = document.find(&format!("rollout.strategy.{key}"));
            node.and_then(Node::text).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let named = |key: &str, default: &str| text(key).unwrap_or_else(|| default.to_owned());
        let port = document.find("rollout.strategy.canary.trafficRouting.alb.servicePort").and_then(Node::integer);
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
        match workload {
            Workload::Rollout(rollout) if rollout.is_traffic_routed() => {
                let [stable, canary] = if rollout.is_ping_pong() {
                    [named("canary.pingPong.pongService", "pong"), named("canary.pingPong.pingService", "ping")]
                } else {
                    [named("canary.stableService", "stable"), named("canary.canaryService", "canary")]
                };
                let root = text("canary.trafficRouting.alb.rootService").or_else(|| text("canary.stableService"));
                let default = if rollout.is_ping_pong() { "root" } else { &stable };
                let root = root.or_else(|| without_action(ingress)).unwrap_or_else(|| default.to_owned());
                Self { stable, canary, root, port }
            }
            Workload::Rollout(rollout) if rollout.blue_green().is_some() => {
                let stable = named("blueGreen.activeService", "active");
                let canary = named("blueGreen.previewService", "preview");
                Self { root: stable.clone(), stable, canary, port }
            }
            // One Service for all pods.
            Workload::Rollout(_) | Workload::Deployment(_) => {
                let [stable, canary] = Service::ALL.map(|service| workload.service_name(service).to_owned());
                let stable = plain(ingress.0).unwrap_or(stable);
                Self { root: stable.clone(), stable, canary, port }
            }
        }
    }
}

/// The first Service whose action has to come from somebody else.
fn without_action((rules, annotations): (&[IngressRule], &Annotations)) -> Option<String> {
    let has_action = |backend: &Backend| annotations.contains_key(&format!("{PREFIX}/actions.{}", backend.service));
    backends(rules).find(|backend| uses_annotation(backend) && !has_action(backend)).map(|it| it.service.clone())
}

/// The first Service that stands for itself.
fn plain(rules: &[IngressRule]) -> Option<String> {
    backends(rules).find(|backend| !uses_annotation(backend)).map(|it| it.service.clone())
}

fn backends(rules: &[IngressRule]) -> impl Iterator<Item = &Backend> {
    rules.iter().flat_map(|rule| &rule.paths).map(|path| &path.backend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load::load;

    fn names(text: &str) -> [String; 3] {
        let text = format!("[traffic]\nrate = \"1/s\"\n{text}");
        let loaded = load(&text, "x", &[]).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
        let ServiceNames { stable, canary, root, .. } = loaded.scenario.services;
        [stable, canary, root]
    }

    #[test]
    fn names_are_those_of_the_strategy() {
        let canary = "[rollout.strategy.canary]\n";
        let named = "canaryService = \"web-canary\"\nstableService = \"web-stable\"\n";
        let alb = "trafficRouting.alb = {}\n";
        assert_eq!(names(&format!("{canary}{named}{alb}")), ["web-stable", "web-canary", "web-stable"]);
        let root = "trafficRouting.alb = { rootService = \"web\" }\n";
        assert_eq!(names(&format!("{canary}{named}{root}")), ["web-stable", "web-canary", "web"]);
        let ping_pong = "pingPong = { pingService = \"a\", pongService = \"b\" }\n";
        assert_eq!(names(&format!("{canary}{ping_pong}{root}")), ["b", "a", "web"]);
        let blue_green = "[rollout.strategy.blueGreen]\nactiveService = \"web\"\npreviewService = \"next\"\n";
        assert_eq!(names(blue_green), ["web", "next", "web"]);
    }

    #[test]
    fn what_has_no_name_goes_by_its_role() {
        assert_eq!(names("[rollout.strategy.canary]\ntrafficRouting.alb = {}\n"), ["stable", "canary", "stable"]);
        assert_eq!(names("[rollout.strategy.canary]\n"), ["service", "unused", "service"]);
        assert_eq!(names("[deployment]\n"), ["service", "unused", "service"]);
        let blue_green = "[rollout.strategy.blueGreen]\nactiveService = \"web\"\n";
        assert_eq!(names(blue_green), ["web", "preview", "web"]);
    }

    #[test]
    fn the_ingress_tells_what_the_strategy_leaves_out() {
        let paths = "[[ingress.rules]]\nhttp.paths = [{ backend.service.name = \"api\" }, \
                     { backend.service = { name = \"web\", port.name = \"use-annotation\" } }]\n";
        let canary = "[rollout.strategy.canary]\ntrafficRouting.alb = {}\n";
        assert_eq!(names(&format!("{canary}{paths}")), ["stable", "canary", "web"]);
        assert_eq!(names(&format!("[deployment]\n{paths}")), ["api", "unused", "api"]);
    }
}
