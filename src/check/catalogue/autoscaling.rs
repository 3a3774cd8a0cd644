//! A HorizontalPodAutoscaler beside a release.

use super::Rule;

pub const RULES: &[Rule] = &[];
