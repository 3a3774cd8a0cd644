//! Words of the reports about Argo CD, and about the way back from a bad version.

use super::{Entry, Reproduce};
use crate::check::reproduce::Run;

pub const WAY_BACK: [Entry; 8] = [
    Entry {
        name: "rollback",
        title: "the way back from a bad version",
        words: "From the decision to go back (abort, undo, revert_commit, run_pipeline, reject, disable_feature, or a machine's) until \
                the bad version answers nothing any more. An abort sends the traffic back in seconds, as the old pods are still there; \
                after the promotion each way is a release of its own, with its pipeline, its poll and its steps.",
        source: "argo-rollouts, Rollback Windows, and rollout/canary.go",
        reproduce: Reproduce::Run(Run::of("gitops/revert-at-100")),
    },
    Entry {
        name: "equivalent_s",
        title: "how long a full outage would have cost the same",
        words: "The bad version's share of the requests, added up over the seconds: 100 s at a weight of 10 % and 10 s at 100 % are 10 s \
                both. So ways back compare whatever the weight was while nobody had noticed.",
        source: "this program",
        reproduce: Reproduce::Run(Run::of("gitops/abort-at-10")),
    },
    Entry {
        name: "OutOfSync",
        title: "an application whose objects are not as git has them",
        words: "Argo CD compares the fields that git names, and lists as a whole: an annotation that a controller adds is no difference, \
                another path in spec.rules is one. ignoreDifferences leaves a field out of the comparison; only \
                RespectIgnoreDifferences leaves it out of what a sync writes.",
        source: "Argo CD, Diff Customization and Sync Options",
        reproduce: Reproduce::Run(Run::of("gitops/header-route-ignored")),
    },
    Entry {
        name: "self-heal",
        title: "Argo CD puts back what somebody has changed in the cluster",
        words: "It undoes a rollback of the dashboard, which changes the Rollout and not git. Up to 2.12 it waits 5 s between two attempts; \
                from 2.13 on nothing, 2 s, 6 s, 18 s, up to 300 s, and which versions begin anew once they are Synced differs. An abort \
                is no change of the spec, so nothing is put back.",
        source: "Argo CD, Automated Sync Policy, and controller/appcontroller.go",
        reproduce: Reproduce::Run(Run::of("gitops/dashboard-rollback-undone")),
    },
    Entry {
        name: "prune",
        title: "Argo CD deletes what git no longer has",
        words: "A commit with delete = true takes the Ingress, or another route object, out of git. With automated.prune a sync deletes it \
                in the cluster; without, the application stays OutOfSync, and a sync by hand leaves it there, too. The object's own \
                sync option Prune=false keeps it. Its rules go with it, and requests get the 404 of the default action. Of an Ingress the \
                Rollouts controller is not told: its next pass finds the spec invalid, and it looks again every 20 s. Of a VirtualService \
                it is told at once; where an HTTPRoute is gone its passes fail. Assumption, and a kind one: the load balancer is shared \
                and stays, and so do target groups and their targets, which would be registered and checked anew.",
        source: "Argo CD, Automated Sync Policy and Sync Options; argo-rollouts, validation_references.go",
        reproduce: Reproduce::Run(Run::of("gitops/ingress-pruned")),
    },
    Entry {
        name: "header_routes",
        title: "how long a header route stood in its Ingress or route object",
        words: "Of the time in which it was meant to: from its step until the release is over. present_s and absent_s add up to that. \
                removed_by says who took it away before: argo-cd, which wrote git's state over it, or the rollouts-controller.",
        source: "argo-rollouts issues 2902 and 4486",
        reproduce: Reproduce::Run(Run::of("gitops/header-route-removed")),
    },
    Entry {
        name: "promotion",
        title: "the stage of a pipeline that waits for a verdict",
        words: "[promotion]: somebody accepts the release or rejects it, or the time runs out (on_timeout). A rejection commits the image \
                that stood in git before; Argo CD brings it as any other commit. Not the promotion of a Rollout, which makes the new \
                version the stable one.",
        source: "this program",
        reproduce: Reproduce::Run(Run::of("gitops/promotion-timeout")),
    },
    Entry {
        name: "alert",
        title: "a rule on what monitoring shows",
        words: "[[alerts]]: a condition that must hold for a while (for), looked at once in an evaluation interval; it fires then, and people \
                hear of it after the delay of the notification. An action with when = \"alert NAME\" begins there.",
        source: "Prometheus, Alerting rules; Alertmanager, Configuration",
        reproduce: Reproduce::Run(Run::of("gitops/abort-at-10")),
    },
];
