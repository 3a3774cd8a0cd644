//! Replicas, disruptions and images of a workload.

use super::Rule;

pub const RULES: &[Rule] = &[];
