//! `trafficRouting`: the routers with the field names of `pkg/apis/rollouts/v1alpha1/types.go`, and of the Gateway API
//! plugin.

use super::document::Node;
use super::entry::{self, Entry};
use super::reader::Reader;
use super::router::{GATEWAY_API, ROUTERS};
use super::routes;
use crate::model::rollout::spec::TrafficRouting;
use crate::units::TrafficWeight;
use serde_json::{Value, json};

/// The largest `maxTrafficWeight`. Assumption: ten millions of a part are finer than any router.
const MAX_WEIGHT: u32 = 10_000_000;

pub fn read(reader: &mut Reader<'_, '_>) -> TrafficRouting {
    let played = ROUTERS.into_iter().find(|router| reader.has(router));
    if reader.exists() && played.is_none() {
        reader.missing("alb", "name what splits the traffic: alb = {}, or istio, nginx, plugins, …");
    }
    let mut stickiness = None;
    for router in ROUTERS {
        // One of several is played.
        if let Some(played) = played.filter(|played| reader.has(router) && *played != router) {
            reader.not_played(router, played);
        } else if router == "alb" {
            let alb = reader.optional_table("alb", "An Ingress of the AWS Load Balancer Controller", alb);
            stickiness = alb.flatten();
        } else {
            read_router(reader, router);
        }
    }
    const NOTE: &str = "The routes that setHeaderRoute and setMirrorRoute may make, the one that goes first in front";
    let node = reader.take("managedRoutes", routes::schema, NOTE);
    let key = reader.key("managedRoutes");
    if let Some(node) = node {
        reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    }
    TrafficRouting {
        max_weight: max_weight(reader, played),
        managed_routes: routes::managed(reader.pass, &key, node),
        stickiness,
        removes_by_form: false,
    }
}

/// For the others the controller refuses it.
fn max_weight(reader: &mut Reader<'_, '_>, router: Option<&str>) -> TrafficWeight {
    const NAME: &str = "maxTrafficWeight";
    const NOTE: &str =
        "Out of what weights are given. Argo Rollouts: 100 unless set; nginx and plugins alone take another one";
    if !matches!(router, Some("nginx" | "plugins")) && !reader.writes_schema() {
        reader.refused_by_controller(NAME);
        return TrafficWeight::HUNDRED;
    }
    reader.optional_count(NAME, 1..=MAX_WEIGHT, NOTE).map_or(TrafficWeight::HUNDRED, TrafficWeight::new)
}

fn read_router(reader: &mut Reader<'_, '_>, router: &'static str) {
    match router {
        "istio" => _ = reader.optional_table("istio", "A VirtualService of Istio", istio),
        "nginx" => _ = reader.optional_table("nginx", "An Ingress of ingress-nginx", nginx),
        "smi" => _ = reader.optional_table("smi", "A TrafficSplit of the Service Mesh Interface", smi),
        "ambassador" => {
            _ = reader.optional_table("ambassador", "Mappings of Ambassador", |it| texts(it, "mappings"));
        }
        "appMesh" => {
            const NOTE: &str = "A virtual service of App Mesh";
            _ = reader.optional_table("appMesh", NOTE, |it| {
                plain(it, ("virtualService", TABLE));
                plain(it, ("virtualNodeGroup", TABLE));
            });
        }
        "traefik" => {
            _ = reader.optional_table("traefik", "A TraefikService", |it| {
                it.text("weightedTraefikServiceName", None, "Name of the TraefikService");
            });
        }
        "apisix" => _ = reader.optional_table("apisix", "An ApisixRoute", |it| plain(it, ("route", TABLE))),
        "plugins" => _ = reader.optional_table("plugins", "Routers that are plugins of the controller", plugins),
        router => unreachable!("{router} is no router"),
    }
}

/// How long a client stays with its target group, if it does.
fn alb(reader: &mut Reader<'_, '_>) -> Option<u32> {
    reader.text("ingress", None, "Name of the Ingress");
    if reader.has("ingress") && reader.has("ingresses") {
        let help = "leave `ingresses` out: one Ingress is simulated";
        reader.error_here("the controller takes one of `ingress` and `ingresses`, and both are given", help);
    }
    reader.text("rootService", None, "The Service that the Ingress names. Argo Rollouts: stableService unless set");
    reader.optional_count("servicePort", 1..=65_535, "Port of the Services");
    reader.ignored(&["annotationPrefix", "ingresses"]);
    reader.optional_table("stickinessConfig", "A cookie for the target group", stickiness_config).flatten()
}

/// Seconds, where it is enabled. What is out of range the controller itself refuses, pass by pass; here the run does not
/// start.
fn stickiness_config(config: &mut Reader<'_, '_>) -> Option<u32> {
    let is_enabled = config.boolean(
        "enabled",
        false,
        "Whether a client stays with its target group. Argo Rollouts: false unless set",
    );
    let seconds = config.optional_count("durationSeconds", 1..=604_800, "For so long");
    if is_enabled && !config.has("durationSeconds") {
        config.missing("durationSeconds", "write durationSeconds = 3600");
    }
    seconds.filter(|_| is_enabled)
}

fn istio(reader: &mut Reader<'_, '_>) {
    reader.optional_table("virtualService", "The VirtualService whose weights change", |service| {
        service.text("name", None, "Its name");
        texts(service, "routes");
        service.not_simulated(&["tlsRoutes", "tcpRoutes"]);
    });
    if reader.has("virtualService") && reader.has("virtualServices") {
        let help = "leave `virtualServices` out: one VirtualService is simulated";
        reader.error_here("the controller takes one of `virtualService` and `virtualServices`", help);
    }
    reader.ignored(&["virtualServices"]);
    reader.optional_table(
        "destinationRule",
        "Two subsets of one Service share the traffic, not two Services",
        |rule| {
            rule.text("name", None, "Its name");
            for (name, help) in [
                ("canarySubsetName", "write canarySubsetName = \"canary\""),
                ("stableSubsetName", "write stableSubsetName = \"stable\""),
            ] {
                if rule.exists() && !rule.has(name) {
                    rule.missing(name, help);
                }
                rule.text(name, None, "Name of the subset. Assumption: it selects pods when a Service would");
            }
        },
    );
}

fn nginx(reader: &mut Reader<'_, '_>) {
    reader.text("stableIngress", None, "The Ingress that the canary Ingress is made after");
    reader.ignored(&["stableIngresses", "annotationPrefix", "canaryIngressAnnotations"]);
    let note = "Annotations of the canary Ingress: a header or a cookie goes before the weight";
    reader.optional_table("additionalIngressAnnotations", note, |annotations| {
        annotations.text("canary-by-header", None, "Requests with this header, `always`, or a value, go to the canary");
        annotations.text("canary-by-header-value", None, "The value that is meant");
        annotations.text("canary-by-header-pattern", None, "A regular expression of the values that are meant");
        annotations.text("canary-by-cookie", None, "Requests with this cookie, `always`, go to the canary");
        let others: Vec<_> = annotations.others().map(|entry| entry.key.as_str()).collect();
        others.into_iter().for_each(|name| annotations.accept(name));
    });
}

fn smi(reader: &mut Reader<'_, '_>) {
    reader.text("rootService", None, "The Service that clients call");
    reader.text("trafficSplitName", None, "Name of the TrafficSplit");
}

fn plugins(reader: &mut Reader<'_, '_>) {
    reader.optional_table(GATEWAY_API, "HTTPRoutes of the Gateway API", |plugin| {
        plugin.text("httpRoute", None, "Name of the HTTPRoute; header routes go into it, too");
        if let Some(node) = plain(plugin, ("httpRoutes", ROUTES)) {
            let key = plugin.key("httpRoutes");
            entry::list((plugin.pass, &key), node, named_route);
        }
        plugin.ignored(&[
            "namespace",
            "configMap",
            "disableInProgressLabel",
            "inProgressLabelKey",
            "inProgressLabelValue",
        ]);
        plugin.not_simulated(&[
            "grpcRoute",
            "grpcRoutes",
            "tcpRoute",
            "tcpRoutes",
            "tlsRoute",
            "tlsRoutes",
            "httpRouteSelector",
            "grpcRouteSelector",
            "tcpRouteSelector",
        ]);
    });
    // Of another one nobody knows what it writes.
    let others: Vec<_> = reader.others().collect();
    for entry in others {
        let key = reader.key(&entry.key);
        reader.accept(&entry.key);
        let message = format!("the plugin `{}` is not simulated yet", entry.key);
        let help = format!("simulated: \"{GATEWAY_API}\"");
        reader.pass.not_simulated(&key, entry.key_place.clone(), message, help);
    }
}

/// A field that is looked at elsewhere, or by nobody: its schema and its note.
type Shape = (fn() -> Value, &'static str);
const TABLE: Shape = (|| json!({ "type": "object" }), "Where it stands, and what it is called");
const ROUTES: Shape = (
    || {
        let name = json!({ "type": "string", "description": "Name of the HTTPRoute" });
        let uses = json!({ "type": "boolean", "default": false, "description": "Whether header routes go into it" });
        json!({
            "type": "array",
            "items": { "type": "object", "properties": { "name": name, "useHeaderRoutes": uses }, "required": ["name"] },
        })
    },
    "HTTPRoutes whose weights change; header routes go into those that say so",
);

fn plain<'a>(reader: &mut Reader<'a, '_>, (name, (schema, note)): (&'static str, Shape)) -> Option<&'a Node> {
    let node = reader.take(name, schema, note)?;
    reader.pass.parameter(reader.key(name), node.to_toml(), Some(node), note);
    Some(node)
}

fn texts(reader: &mut Reader<'_, '_>, name: &'static str) {
    const TEXTS: Shape = (|| json!({ "type": "array", "items": { "type": "string" } }), "Their names");
    if let Some(node) = plain(reader, (name, TEXTS)) {
        let key = reader.key(name);
        entry::texts(reader.pass, &key, node);
    }
}

/// As a router takes it, it is looked at elsewhere.
fn named_route(mut entry: Entry<'_, '_>) -> Option<()> {
    entry.required("name", "write httpRoutes = [{ name = \"web\" }]");
    entry.boolean("useHeaderRoutes");
    entry.refuse_unknown();
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::scenario::load::load;

    /// Key, message and help of the only problem.
    fn told(routing: &str) -> [String; 3] {
        let text = format!("[traffic]\nrate = \"1/s\"\n[rollout.strategy.canary.trafficRouting]\n{routing}\n");
        let problems = load(&text, "x", &[]).expect_err(routing);
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        [problem.key.clone(), problem.message.clone(), problem.help.clone()]
    }

    #[test]
    fn one_mistake_is_told_once() {
        let duration = "`durationSeconds` is 99999999, it must lie between 1 and 604,800";
        let brackets = "put it in brackets: [ … ]";
        for (text, key, message, help) in [
            (
                "alb.stickinessConfig = { enabled = true, durationSeconds = 99999999 }",
                "alb.stickinessConfig.durationSeconds",
                duration,
                "",
            ),
            ("alb = {}\nnginx = {}", "nginx", "one router is simulated: `alb`", "leave `nginx` out, or `alb`"),
            (
                "istio.virtualService.routes = \"web\"",
                "istio.virtualService.routes",
                "this is a string, it must be an array",
                brackets,
            ),
            (
                "plugins.\"argoproj-labs/gatewayAPI\".httpRoutes = [{ useHeaderRoutes = true }]",
                "plugins.\"argoproj-labs/gatewayAPI\".httpRoutes[0].name",
                "`name` is missing",
                "write httpRoutes = [{ name = \"web\" }]",
            ),
        ] {
            let expected =
                [format!("rollout.strategy.canary.trafficRouting.{key}"), message.to_owned(), help.to_owned()];
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
