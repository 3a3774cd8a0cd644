//! The rules, by what they are about. The codes K… and ALB… are those of the two lists of practices that the rules follow:
//! for Kubernetes and for the load balancer; R… are the hazards of the Rollouts controller, G… those of Argo CD beside it,
//! M… are about the manifests.

mod autoscaling;
mod gitops;
mod health_check;
mod ingress;
mod load_balancer;
mod manifests;
mod pod;
mod probes;
mod services;
mod steps;
mod strategy;
mod target_group;
mod workload;

use super::finding::{self, Found, Page};
use super::subject::Subject;
use super::suppression;

/// One kind of finding.
#[derive(Debug)]
pub struct Rule {
    pub page: Page,
    pub look: fn(&Subject<'_>) -> Vec<Found>,
}

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let of_pods = [pod::RULES, probes::RULES, workload::RULES, autoscaling::RULES, services::RULES];
    let of_the_load_balancer = [target_group::RULES, health_check::RULES, load_balancer::RULES, ingress::RULES];
    let of_the_release = [strategy::RULES, steps::RULES, gitops::RULES, manifests::RULES];
    of_pods.into_iter().chain(of_the_load_balancer).chain(of_the_release).flatten()
}

/// What these find needs no pods: an Ingress, a Service or a Namespace by itself is enough.
const WITHOUT_WORKLOAD: [&str; 8] = ["ALB022", "ALB025", "ALB027", "ALB036", "ALB039", "ALB046", "K034", "K040"];

/// The rules for files that hold no workload.
pub fn rules_without_workload() -> impl Iterator<Item = &'static Rule> {
    rules().filter(|rule| WITHOUT_WORKLOAD.contains(&rule.page.code))
}

/// All pages that `sim explain` has for findings.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    let of_the_reader = [&finding::UNREADABLE, &finding::UNKNOWN];
    let of_suppressions = [&suppression::UNUSED, &suppression::WITHOUT_REASON, &suppression::MALFORMED];
    rules().map(|rule| &rule.page).chain(of_the_reader).chain(of_suppressions)
}
