//! Comments that suppress findings: what is one, what was meant to be one, and whose they are.

use super::command::{article, json};
use crate::manifests::{folder, sim_with_input, stderr, stdout};
use std::path::Path;

const LINE: &str = "      dynamicStableScale: true #";

/// The codes of the first deployment; `--exit-zero` and a few requests.
fn codes(folder: &Path, text: &str, arguments: &[&str]) -> Vec<String> {
    let few = ["check", "-", "--format", "json", "--exit-zero", "--seeds", "1", "--set", "traffic.rate=5/s"];
    let output = sim_with_input(folder, &[&few, arguments].concat(), text);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(&stdout(&output));
    let findings = report["deployments"][0]["findings"].as_array().unwrap().clone();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_mark_is_a_comment_and_is_understood_or_told() {
    let folder = folder("suppression_marks");
    let name = "metadata:\n  name: web\nspec:\n  replicas";
    assert!(article().contains(LINE) && article().contains(name));
    let noted = |note: &str| {
        article().replace(name, &format!("metadata:\n  name: web\n  annotations:\n    note: {note}\nspec:\n  replicas"))
    };
    let with = |line: &str| article().replace(LINE, &format!("{line} #"));
    for (text, expected) in [
        // In quotes and in a block text there are no comments.
        (noted("\"# sim-check: ignore ALB020 because x\""), &["ALB020"][..]),
        (noted("|\n      # sim-check: ignore ALB020 because x"), &["ALB020"]),
        // Over an empty line, and whatever the case of the code.
        (with("      # sim-check: ignore alb020 because x\n\n      dynamicStableScale: true"), &[]),
        (with("      dynamicStableScale: true # sim-check: ignore ALB020: it drains"), &["ALB020", "S003"]),
        (with("      dynamicStableScale: true # sim-check: ignore ALB020 it drains"), &["S002"]),
        (with("      dynamicStableScale: true #sim-check: ignore ALB020 because x"), &["ALB020", "S003"]),
        (with("      dynamicStableScale: true # sim-check:ignore ALB020 because x"), &["ALB020", "S003"]),
        (with("      dynamicStableScale: true # sim-check: ignore"), &["ALB020", "S003"]),
        (with("      dynamicStableScale: true # as sim-check: says"), &["ALB020"]),
        // Above the whole document: behind its `---`, or in front of the first.
        (format!("# Ours.\n# sim-check: ignore ALB020 because x\n{}", article()), &[]),
        (article().replacen("---\n", "---\n# sim-check: ignore ALB020 because x\n", 1), &[]),
        (article().replacen("---\n", "# sim-check: ignore ALB020 because x\n", 1), &[]),
    ] {
        let codes = codes(&folder, &text, &[]);
        let found: Vec<_> = codes.iter().filter(|code| code.starts_with('S') || *code == "ALB020").collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_marks_of_releases_that_nobody_asked_for_are_not_judged() {
    let folder = folder("suppression_rollout");
    let marked = article().replace(LINE, "      dynamicStableScale: true # sim-check: ignore ALB020 because x #");
    let shop = marked.replace("web", "shop").replace("  replicas: 10", "  replicas: 10 # sim-check: ignore K023");
    let both = format!("{}---\n{shop}", article());
    let of_web = codes(&folder, &both, &["--rollout", "web"]);
    assert!(of_web.contains(&"ALB020".to_owned()) && !of_web.contains(&"S001".to_owned()), "{of_web:?}");
    let of_shop = codes(&folder, &both, &["--rollout", "shop"]);
    assert!(!of_shop.contains(&"ALB020".to_owned()) && of_shop.contains(&"S001".to_owned()), "{of_shop:?}");
    assert!(codes(&folder, &both, &[]).contains(&"S001".to_owned()));
}

/// What one release has no finding for, another may have, whose document it is, too; or it is nobody's.
#[test]
fn a_mark_in_a_shared_document_is_unused_only_if_all_say_so() {
    let folder = folder("suppression_shared");
    let told = |text: &str, rollout: &[&str]| {
        let codes = codes(&folder, text, rollout);
        codes.into_iter().filter(|code| code.starts_with('S') || code == "ALB023").collect::<Vec<_>>()
    };
    // The health check asks what the probe of shop asks, and not what that of web asks.
    let shop = article().split("---\n").nth(1).unwrap().replacen("name: web", "name: shop", 1);
    let shop = shop.replace("path: /healthz", "path: /");
    let ingress = "kind: Ingress\nmetadata:\n  name: web\n";
    let marked = |mark: &str| article().replace(ingress, &ingress.replace("web\n", &format!("web # {mark}\n")));
    let mark = marked("sim-check: ignore ALB023 because of a redirect");
    let (shop_alone, all) = (["--rollout", "shop"], [""; 0]);
    assert_ne!(mark, article());
    assert_eq!(told(&format!("{shop}---\n{mark}"), &shop_alone), [""; 0]);
    assert_eq!(told(&format!("{shop}---\n{mark}"), &all), [""; 0]);
    assert_eq!(told(&format!("{shop}---\n{}", mark.split("---\n").nth(2).unwrap()), &all), ["S001"]);
    // What is wrong whoever reads it is told.
    let malformed = marked("sim-check: ALB023");
    assert_eq!(told(&format!("{shop}---\n{malformed}"), &shop_alone), ["S003"]);
    // Nobody's, as far as the files say.
    let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: x } # sim-check: ignore G003 \
                       because of x\n";
    let orphan = format!("{shop}---\n{}---\n{application}", article());
    assert_eq!(told(&orphan, &shop_alone), [""; 0]);
    assert_eq!(told(&orphan, &all), ["S001"]);
}
