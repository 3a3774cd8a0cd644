//! `[thresholds]`: what a run must hold, in k6's grammar.

/// One condition on one figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As the user wrote it: `elb_502.count == 0`.
    pub text: String,
}
