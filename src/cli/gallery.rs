//! The scenarios under `scenarios/`, built into the binary.

use crate::scenario::load::load;

/// Path under `scenarios/` without its ending, and the text.
pub const SCENARIOS: &[(&str, &str)] = &[
    ("article/1-original", include_str!("../../scenarios/article/1-original.toml")),
    ("article/2-pod-tuning", include_str!("../../scenarios/article/2-pod-tuning.toml")),
    ("article/2b-empty-group", include_str!("../../scenarios/article/2b-empty-group.toml")),
    ("article/3-ninety-nine", include_str!("../../scenarios/article/3-ninety-nine.toml")),
    ("article/4-fixed", include_str!("../../scenarios/article/4-fixed.toml")),
    ("field-reports/lbc-1064-pre-stop-25s", include_str!("../../scenarios/field-reports/lbc-1064-pre-stop-25s.toml")),
    ("field-reports/lbc-1064-pre-stop-5s", include_str!("../../scenarios/field-reports/lbc-1064-pre-stop-5s.toml")),
    (
        "field-reports/lbc-2366-traffic-after-draining",
        include_str!("../../scenarios/field-reports/lbc-2366-traffic-after-draining.toml"),
    ),
    ("field-reports/p01-a-pauses-120s", include_str!("../../scenarios/field-reports/p01-a-pauses-120s.toml")),
    ("field-reports/p01-a-pauses-60s", include_str!("../../scenarios/field-reports/p01-a-pauses-60s.toml")),
    (
        "field-reports/p01-a-pre-stop-60s-deregistered-at-once",
        include_str!("../../scenarios/field-reports/p01-a-pre-stop-60s-deregistered-at-once.toml"),
    ),
    (
        "field-reports/p01-a-pre-stop-60s-deregistered-late",
        include_str!("../../scenarios/field-reports/p01-a-pre-stop-60s-deregistered-late.toml"),
    ),
    ("field-reports/p01-b-ninety-nine-120s", include_str!("../../scenarios/field-reports/p01-b-ninety-nine-120s.toml")),
    ("field-reports/p01-b-ninety-nine-60s", include_str!("../../scenarios/field-reports/p01-b-ninety-nine-60s.toml")),
    ("field-reports/p01-c-fixed", include_str!("../../scenarios/field-reports/p01-c-fixed.toml")),
    (
        "field-reports/p02-dynamic-stable-scale-off",
        include_str!("../../scenarios/field-reports/p02-dynamic-stable-scale-off.toml"),
    ),
    (
        "field-reports/p02-stable-at-zero-before-the-weight",
        include_str!("../../scenarios/field-reports/p02-stable-at-zero-before-the-weight.toml"),
    ),
    ("field-reports/p02-weight-verified", include_str!("../../scenarios/field-reports/p02-weight-verified.toml")),
    ("field-reports/p03-delay-honoured", include_str!("../../scenarios/field-reports/p03-delay-honoured.toml")),
    (
        "field-reports/p03-every-step-has-its-window",
        include_str!("../../scenarios/field-reports/p03-every-step-has-its-window.toml"),
    ),
    (
        "field-reports/p04-third-image-at-half",
        include_str!("../../scenarios/field-reports/p04-third-image-at-half.toml"),
    ),
    ("field-reports/p05-after", include_str!("../../scenarios/field-reports/p05-after.toml")),
    ("field-reports/p05-before", include_str!("../../scenarios/field-reports/p05-before.toml")),
    ("field-reports/p06-aborted-at-80", include_str!("../../scenarios/field-reports/p06-aborted-at-80.toml")),
    ("field-reports/p06-superseded-at-80", include_str!("../../scenarios/field-reports/p06-superseded-at-80.toml")),
    ("field-reports/p07-after", include_str!("../../scenarios/field-reports/p07-after.toml")),
    ("field-reports/p07-before", include_str!("../../scenarios/field-reports/p07-before.toml")),
    ("field-reports/p08-ping-pong", include_str!("../../scenarios/field-reports/p08-ping-pong.toml")),
    ("field-reports/p08-swap-race", include_str!("../../scenarios/field-reports/p08-swap-race.toml")),
    ("field-reports/p09-ping-pong-share", include_str!("../../scenarios/field-reports/p09-ping-pong-share.toml")),
    ("field-reports/p10-unverified", include_str!("../../scenarios/field-reports/p10-unverified.toml")),
    ("field-reports/p10-verified", include_str!("../../scenarios/field-reports/p10-verified.toml")),
    (
        "field-reports/p11-preview-points-at-nothing",
        include_str!("../../scenarios/field-reports/p11-preview-points-at-nothing.toml"),
    ),
    (
        "field-reports/p12-rollback-to-the-first-pod",
        include_str!("../../scenarios/field-reports/p12-rollback-to-the-first-pod.toml"),
    ),
    (
        "field-reports/p13-rollback-keeps-its-pods",
        include_str!("../../scenarios/field-reports/p13-rollback-keeps-its-pods.toml"),
    ),
    (
        "field-reports/p14-last-weight-for-one-pod",
        include_str!("../../scenarios/field-reports/p14-last-weight-for-one-pod.toml"),
    ),
    ("field-reports/p15-git-rollback", include_str!("../../scenarios/field-reports/p15-git-rollback.toml")),
    ("field-reports/p15-self-heal", include_str!("../../scenarios/field-reports/p15-self-heal.toml")),
    (
        "field-reports/p26-autoscaler-and-canary",
        include_str!("../../scenarios/field-reports/p26-autoscaler-and-canary.toml"),
    ),
    (
        "field-reports/p27-scaled-in-the-middle",
        include_str!("../../scenarios/field-reports/p27-scaled-in-the-middle.toml"),
    ),
    ("first-run", include_str!("../../scenarios/first-run.toml")),
    ("gitops/abort-at-10", include_str!("../../scenarios/gitops/abort-at-10.toml")),
    ("gitops/analysis-at-10", include_str!("../../scenarios/gitops/analysis-at-10.toml")),
    ("gitops/dashboard-rollback-redeployed", include_str!("../../scenarios/gitops/dashboard-rollback-redeployed.toml")),
    ("gitops/dashboard-rollback-undone", include_str!("../../scenarios/gitops/dashboard-rollback-undone.toml")),
    ("gitops/feature-flag", include_str!("../../scenarios/gitops/feature-flag.toml")),
    ("gitops/full-pipeline", include_str!("../../scenarios/gitops/full-pipeline.toml")),
    ("gitops/header-route-ignored", include_str!("../../scenarios/gitops/header-route-ignored.toml")),
    ("gitops/header-route-out-of-sync-only", include_str!("../../scenarios/gitops/header-route-out-of-sync-only.toml")),
    ("gitops/header-route-removed", include_str!("../../scenarios/gitops/header-route-removed.toml")),
    ("gitops/header-route-respected", include_str!("../../scenarios/gitops/header-route-respected.toml")),
    ("gitops/improved-pipeline", include_str!("../../scenarios/gitops/improved-pipeline.toml")),
    ("gitops/ingress-pruned", include_str!("../../scenarios/gitops/ingress-pruned.toml")),
    ("gitops/promotion-timeout", include_str!("../../scenarios/gitops/promotion-timeout.toml")),
    ("gitops/revert-at-100", include_str!("../../scenarios/gitops/revert-at-100.toml")),
    ("gitops/revert-at-100-webhook", include_str!("../../scenarios/gitops/revert-at-100-webhook.toml")),
    ("gitops/rollback-window", include_str!("../../scenarios/gitops/rollback-window.toml")),
    ("gitops/undo-at-100", include_str!("../../scenarios/gitops/undo-at-100.toml")),
    ("gitops/weight-in-git", include_str!("../../scenarios/gitops/weight-in-git.toml")),
    ("gitops/weight-in-git-dynamic", include_str!("../../scenarios/gitops/weight-in-git-dynamic.toml")),
    ("gitops/weight-removed-from-git", include_str!("../../scenarios/gitops/weight-removed-from-git.toml")),
    ("gitops/weight-replaced", include_str!("../../scenarios/gitops/weight-replaced.toml")),
    ("hazards/h1-weight-100-then-pause", include_str!("../../scenarios/hazards/h1-weight-100-then-pause.toml")),
    (
        "hazards/h10-third-version-in-the-middle",
        include_str!("../../scenarios/hazards/h10-third-version-in-the-middle.toml"),
    ),
    (
        "hazards/h11-rollback-to-the-first-pod",
        include_str!("../../scenarios/hazards/h11-rollback-to-the-first-pod.toml"),
    ),
    (
        "hazards/h12-pauses-shorter-than-the-lag",
        include_str!("../../scenarios/hazards/h12-pauses-shorter-than-the-lag.toml"),
    ),
    (
        "hazards/h13-old-pods-leave-before-the-targets",
        include_str!("../../scenarios/hazards/h13-old-pods-leave-before-the-targets.toml"),
    ),
    (
        "hazards/h14-delay-of-zero-keeps-the-old-pods",
        include_str!("../../scenarios/hazards/h14-delay-of-zero-keeps-the-old-pods.toml"),
    ),
    (
        "hazards/h2-stable-too-small-for-its-share",
        include_str!("../../scenarios/hazards/h2-stable-too-small-for-its-share.toml"),
    ),
    (
        "hazards/h3-promotion-empties-the-stable-group",
        include_str!("../../scenarios/hazards/h3-promotion-empties-the-stable-group.toml"),
    ),
    (
        "hazards/h4-first-weight-without-warm-up",
        include_str!("../../scenarios/hazards/h4-first-weight-without-warm-up.toml"),
    ),
    (
        "hazards/h5-lower-weight-shrinks-first",
        include_str!("../../scenarios/hazards/h5-lower-weight-shrinks-first.toml"),
    ),
    (
        "hazards/h6-match-throws-the-warm-pods-away",
        include_str!("../../scenarios/hazards/h6-match-throws-the-warm-pods-away.toml"),
    ),
    (
        "hazards/h7-canary-too-small-for-its-weight",
        include_str!("../../scenarios/hazards/h7-canary-too-small-for-its-weight.toml"),
    ),
    ("hazards/h8-abort-shrinks-the-canary", include_str!("../../scenarios/hazards/h8-abort-shrinks-the-canary.toml")),
    (
        "hazards/h9-abort-flaps-the-canary-service",
        include_str!("../../scenarios/hazards/h9-abort-flaps-the-canary-service.toml"),
    ),
    ("routing/article-header-route", include_str!("../../scenarios/routing/article-header-route.toml")),
    ("routing/article-header-route-bad", include_str!("../../scenarios/routing/article-header-route-bad.toml")),
    ("routing/asia-stays-on-stable", include_str!("../../scenarios/routing/asia-stays-on-stable.toml")),
    ("routing/asia-stays-on-stable-bad", include_str!("../../scenarios/routing/asia-stays-on-stable-bad.toml")),
    ("routing/french-users-first", include_str!("../../scenarios/routing/french-users-first.toml")),
    ("routing/french-users-first-bad", include_str!("../../scenarios/routing/french-users-first-bad.toml")),
    ("routing/header-route-too-early", include_str!("../../scenarios/routing/header-route-too-early.toml")),
    ("routing/header-route-too-early-1-7", include_str!("../../scenarios/routing/header-route-too-early-1-7.toml")),
    ("routing/header-x-canary", include_str!("../../scenarios/routing/header-x-canary.toml")),
    ("routing/header-x-canary-bad", include_str!("../../scenarios/routing/header-x-canary-bad.toml")),
    ("routing/mirrored-traffic", include_str!("../../scenarios/routing/mirrored-traffic.toml")),
    ("routing/mirrored-traffic-bad", include_str!("../../scenarios/routing/mirrored-traffic-bad.toml")),
    ("routing/missing-backend", include_str!("../../scenarios/routing/missing-backend.toml")),
    ("routing/no-matching-rule", include_str!("../../scenarios/routing/no-matching-rule.toml")),
    ("routing/payment-stays-intranet-first", include_str!("../../scenarios/routing/payment-stays-intranet-first.toml")),
    (
        "routing/payment-stays-intranet-first-bad",
        include_str!("../../scenarios/routing/payment-stays-intranet-first-bad.toml"),
    ),
    ("routing/random-30", include_str!("../../scenarios/routing/random-30.toml")),
    ("routing/random-30-bad", include_str!("../../scenarios/routing/random-30-bad.toml")),
    ("routing/shadowed-header-route", include_str!("../../scenarios/routing/shadowed-header-route.toml")),
    ("routing/shadowed-header-route-bad", include_str!("../../scenarios/routing/shadowed-header-route-bad.toml")),
    ("routing/sticky-30", include_str!("../../scenarios/routing/sticky-30.toml")),
    ("routing/sticky-30-bad", include_str!("../../scenarios/routing/sticky-30-bad.toml")),
    ("routing/three-urls", include_str!("../../scenarios/routing/three-urls.toml")),
    ("routing/three-urls-bad", include_str!("../../scenarios/routing/three-urls-bad.toml")),
    ("strategies/analysis-of-a-bad-version", include_str!("../../scenarios/strategies/analysis-of-a-bad-version.toml")),
    ("strategies/blue-green", include_str!("../../scenarios/strategies/blue-green.toml")),
    ("strategies/canary-without-router", include_str!("../../scenarios/strategies/canary-without-router.toml")),
    ("strategies/deployment-recreate", include_str!("../../scenarios/strategies/deployment-recreate.toml")),
    ("strategies/deployment-rolling-update", include_str!("../../scenarios/strategies/deployment-rolling-update.toml")),
    ("sweeps/last-step", include_str!("../../scenarios/sweeps/last-step.toml")),
    ("sweeps/pre-stop", include_str!("../../scenarios/sweeps/pre-stop.toml")),
    ("sweeps/scale-down-delay", include_str!("../../scenarios/sweeps/scale-down-delay.toml")),
    ("sweeps/stable-scale", include_str!("../../scenarios/sweeps/stable-scale.toml")),
];

pub const DEFAULT: &str = "first-run";

/// The last part of a name: what its file is called once it is written.
pub fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// By its whole name, or by the last part alone.
pub fn find(name: &str) -> Option<(&'static str, &'static str)> {
    let whole = SCENARIOS.iter().find(|(known, _)| *known == name);
    whole.or_else(|| SCENARIOS.iter().find(|(known, _)| base(known) == name)).copied()
}

/// The scenario whose name the user probably meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let distance = |known: &str| strsim::damerau_levenshtein(base(name), base(known));
    let (best, _) = SCENARIOS.iter().min_by_key(|(known, _)| distance(known))?;
    (distance(best) <= 1 + name.chars().count() / 3).then_some(*best)
}

pub fn title(text: &str) -> String {
    load(text, "", &[]).map(|loaded| loaded.scenario.title).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn names(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.ends_with("manifests") {
                // A scenario that names the manifests beside it is none by itself.
            } else if path.is_dir() {
                names(&path, &format!("{prefix}{stem}/"), found);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                found.push(format!("{prefix}{stem}"));
            }
        }
    }

    #[test]
    fn the_gallery_is_the_folder_of_scenarios() {
        let mut found = Vec::new();
        names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"), "", &mut found);
        found.sort_unstable();
        let mut listed: Vec<_> = SCENARIOS.iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort_unstable();
        assert_eq!(listed, found);
    }

    #[test]
    fn every_scenario_of_the_gallery_loads_and_has_a_title() {
        for (name, text) in SCENARIOS {
            let problems = load(text, name, &[]).err().unwrap_or_default();
            assert_eq!(problems, [], "{name}");
            assert!(!title(text).is_empty(), "{name}");
        }
    }
}
