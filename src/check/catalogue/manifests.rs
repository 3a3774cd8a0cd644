//! The manifests themselves: what is not in them, what is not simulated.

use super::Rule;

pub const RULES: &[Rule] = &[];
