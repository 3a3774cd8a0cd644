//! `[router]`: the preset of the router that is installed, and what says nothing of it.

use super::document::{Node, Table};
use super::preset::{self, ALB, Preset};
use super::reader::Reader;
use super::router::named;

/// The preset that a router has unless `[router]` says otherwise.
fn default_preset(router: Option<&str>) -> &'static str {
    match router {
        None | Some("alb") => ALB,
        // The specification is archived; Linkerd is the mesh that it came from.
        Some("smi") => "linkerd",
        Some("appMesh") => "app-mesh",
        Some("plugins") => "envoy-gateway",
        Some("istio") => "istio",
        Some("nginx") => "nginx",
        Some("ambassador") => "ambassador",
        Some("traefik") => "traefik",
        Some("apisix") => "apisix",
        Some(router) => unreachable!("{router} is no router"),
    }
}

/// Whether an ALB stands in front; `scenario` may name another preset.
pub fn is_alb(document: &Table, scenario: &Table) -> bool {
    let chosen = scenario.find("router.preset").and_then(Node::text);
    chosen.unwrap_or_else(|| default_preset(named(scenario).or_else(|| named(document)))) == ALB
}

/// `[router]`. An ALB is what it is without a word about it.
pub fn preset(reader: &mut Reader<'_, '_>, document: &Table) -> Preset {
    const NAME: &str = "preset";
    const NOTE: &str = "Whose proxies follow: the defaults of [load_balancer] and [load_balancer_controller]. Unless set, what \
                        trafficRouting names; assumption: of the Gateway API plugin envoy-gateway, of SMI linkerd, and an ALB \
                        where nothing is named";
    let router = named(document);
    let mut presets = preset::all();
    let default = default_preset(router);
    let first = presets.iter().position(|preset| preset.name == default).expect("it is in the table");
    let first = presets.remove(first);
    presets.insert(0, first);
    let is_told = router.is_some_and(|router| router != ALB) || reader.has(NAME) || reader.writes_schema();
    if !is_told {
        reader.accept(NAME);
        return presets.swap_remove(0);
    }
    let choices: Vec<_> = presets.iter().enumerate().map(|(index, preset)| (preset.name, index)).collect();
    let chosen = presets.swap_remove(reader.choice(NAME, &choices, NOTE));
    if let Some(router) = router.filter(|router| !chosen.routers.contains(router)) {
        let fits = preset::all().into_iter().filter(|preset| preset.routers.contains(&router));
        let names: Vec<_> = fits.map(|preset| preset.name).collect();
        let message = format!("the preset `{}` does not read what the router `{router}` writes", chosen.name);
        let place = document.find("router.preset").and_then(|node| node.place.clone());
        reader.pass.error("router.preset", place, message, format!("it is one of {}", names.join(", ")));
    }
    chosen
}

/// Routes that are written by another router than the one that is there, or read by other proxies.
pub fn refuse_foreign(root: &mut Reader<'_, '_>, document: &Table, (section, router): (&'static str, &str)) {
    let chosen = document.find("router.preset").and_then(Node::text);
    let chosen = chosen.unwrap_or_else(|| default_preset(named(document)));
    let is_read = preset::all().iter().any(|preset| preset.name == chosen && preset.routers.contains(&router));
    if is_read && named(document).is_none_or(|named| named == router) {
        return;
    }
    let place = document.find(section).and_then(|node| node.place.clone());
    let message = format!("`{section}` says nothing here: the router is another one");
    let help = format!("leave it out, or name trafficRouting.{router}, or a preset of its kind in [router]");
    root.pass.error(section, place, message, help);
}
