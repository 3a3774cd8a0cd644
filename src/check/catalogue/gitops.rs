//! Argo CD beside a Rollout.

use super::Rule;

pub const RULES: &[Rule] = &[];
