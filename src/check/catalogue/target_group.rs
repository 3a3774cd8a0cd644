//! Target groups and the load balancer: annotations of the Ingress.

use super::Rule;

pub const RULES: &[Rule] = &[];
