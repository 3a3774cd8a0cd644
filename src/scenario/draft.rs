//! A scenario that has been read, but not checked.

use super::Scenario;
use super::pre_stop::PreStop;
use super::sweep::SweepSection;
use super::threshold::Threshold;

/// What the document holds, before the rules across fields.
#[derive(Debug)]
pub struct Draft {
    pub scenario: Scenario,
    pub thresholds: Vec<Threshold>,
    pub sweep: SweepSection,
    pub pre_stop: PreStop,
}
