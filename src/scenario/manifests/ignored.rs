//! What manifests say without a part in the simulation, and what that means for the answer.

use std::ops::Range;

/// A field that the simulation does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The dotted key, as `--set` would take it.
    pub key: String,
    pub place: Option<Range<usize>>,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It changes nothing that is simulated.
    WithoutEffect,
    /// It could change the answer.
    NotSimulated,
    /// Nobody knows what it is: a mistake, or newer than this program.
    Unknown,
}

/// What becomes of the answer, by the last name of a key.
const CONSEQUENCES: &[(&str, &str)] = &[
    ("ambassador", "another router is played in its place"),
    ("analysis", "it counts as successful"),
    ("apisix", "another router is played in its place"),
    ("appMesh", "another router is played in its place"),
    ("autoPromotionEnabled", "a person promotes after 60s"),
    ("containers", "a sidecar that starts later or stops sooner fails requests, too"),
    ("experiment", "the step only takes its duration"),
    ("hostNetwork", "pods may wait for a free port"),
    ("hpa", "the number of pods stays: application.cpu_per_request would say what they use"),
    ("ingresses", "requests through this one are not in the numbers"),
    ("initContainers", "a pod starts sooner than it would"),
    ("istio", "another router is played in its place"),
    ("livenessProbe", "no pod is restarted for failing it"),
    ("metrics", "the autoscaler looks at the others alone"),
    ("nginx", "another router is played in its place"),
    ("paused", "the release goes on"),
    ("plugin", "the step is over at once"),
    ("plugins", "another router is played in its place"),
    ("postPromotionAnalysis", "it counts as successful"),
    ("postStart", "a pod is running sooner than it would be"),
    ("prePromotionAnalysis", "it counts as successful"),
    ("readinessGates", "a pod is ready without them"),
    ("restartAt", "no pod is restarted by it"),
    ("smi", "another router is played in its place"),
    ("startupProbe", "the other probes begin at once"),
    ("stickinessConfig", "requests are spread by weight alone"),
    ("stopSignal", "SIGTERM ends the program"),
    ("target-type", "targets are the pods themselves, as with `ip`"),
    ("traefik", "another router is played in its place"),
    ("workloadRef", "the pod template is not known"),
];

impl Ignored {
    /// What becomes of the answer, if that is known.
    pub fn consequence(&self) -> Option<&'static str> {
        let name = self.name();
        CONSEQUENCES.iter().find(|(known, _)| *known == name).map(|(_, consequence)| *consequence)
    }

    /// The last name in its key, without an index.
    pub fn name(&self) -> &str {
        let key = self.key.trim_end_matches('"');
        let last = key.rsplit(['.', '/']).next().unwrap_or(key);
        last.split('[').next().unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consequences_are_found_by_the_last_name() {
        assert!(CONSEQUENCES.is_sorted());
        let consequence = |key: &str| {
            Ignored { key: key.to_owned(), place: None, reason: Reason::NotSimulated }.consequence().unwrap_or_default()
        };
        assert!(consequence("rollout.template.spec.containers[1]").contains("sidecar"));
        assert!(consequence("rollout.template.spec.containers[0].livenessProbe").contains("restarted"));
        assert!(consequence("ingress.annotations.\"alb.ingress.kubernetes.io/target-type\"").contains("ip"));
        assert_eq!(consequence("rollout.something"), "");
    }
}
