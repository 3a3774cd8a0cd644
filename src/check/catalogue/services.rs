//! Services, and whether they lead to the pods.

use super::Rule;

pub const RULES: &[Rule] = &[];
