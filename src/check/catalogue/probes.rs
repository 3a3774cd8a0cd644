//! The probes of the pod.

use super::Rule;

pub const RULES: &[Rule] = &[];
