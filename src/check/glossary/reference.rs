//! Codes of lists of practices that have no rule of their own.

/// A code of the lists of practices that the rules follow, and that has no rule of its own.
#[derive(Debug)]
pub struct Reference {
    pub code: &'static str,
    pub instead: Instead,
}

#[derive(Debug)]
pub enum Instead {
    /// The rule of this code covers it.
    See(&'static str),
    /// Nothing does, for this reason.
    NotChecked(&'static str),
}

const fn see(code: &'static str, other: &'static str) -> Reference {
    Reference { code, instead: Instead::See(other) }
}

const fn not_checked(code: &'static str, why: &'static str) -> Reference {
    Reference { code, instead: Instead::NotChecked(why) }
}

pub const REFERENCES: [Reference; 26] = [
    see("ALB001", "K005"),
    see("ALB002", "K006"),
    see("ALB003", "K002"),
    see("ALB004", "K001"),
    see("ALB009", "K019"),
    see("ALB011", "K019"),
    see("ALB012", "K009"),
    see("ALB013", "K018"),
    see("ALB038", "K023"),
    see("ALB041", "K017"),
    see("ALB042", "K038"),
    not_checked("ALB014", "the webhook that injects readiness gates is installed with the load balancer controller."),
    not_checked(
        "ALB016",
        "--aws-verify-target-group is an option of the Rollouts controller, and stands in no manifest here.",
    ),
    not_checked("ALB021", "nobody can tell from manifests that a revision is pushed in the middle of a release."),
    not_checked("ALB024", "what the program answers to health checks after SIGTERM stands in no manifest."),
    not_checked(
        "ALB031",
        "the other members of an Ingress group are not in these files; load_balancer_controller.rule_lag says how slow they make it.",
    ),
    not_checked("ALB032", "the version of the load balancer controller stands in no manifest here."),
    not_checked("ALB033", "the version of the load balancer controller stands in no manifest here."),
    not_checked("ALB034", "the version of the load balancer controller stands in no manifest here."),
    not_checked("ALB035", "the replicas of the load balancer controller are none of this release's manifests."),
    not_checked("ALB040", "a listener counts the rules of all its Ingresses, and they are not in these files."),
    not_checked(
        "ALB045",
        "what ends the nodes stands in no manifest of a release; K029 is about the notice of spot instances.",
    ),
    not_checked(
        "K016",
        "how long the program works on a probe stands in no manifest. That a probe has to wait behind requests, up to \
         timeoutSeconds, is simulated.",
    ),
    not_checked(
        "K022",
        "how many pods the nodes have room for stands in no manifest; cluster.scheduling says how long a pod waits for a node.",
    ),
    not_checked("K031", "the size of an image stands in no manifest; cluster.image_pull says how long a pull takes."),
    not_checked(
        "K036",
        "what a pod-hour may cost is yours to say: sim run tells the extra pod-seconds of a release, and a threshold on \
         pods.extra_pod_seconds judges them.",
    ),
];
