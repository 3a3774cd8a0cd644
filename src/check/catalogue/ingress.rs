//! The Ingress, its rules and actions.

use super::Rule;

pub const RULES: &[Rule] = &[];
