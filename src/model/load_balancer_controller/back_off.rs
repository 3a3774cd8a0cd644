//! How long the work queue waits with an item that failed. Source: controller-runtime, `DefaultTypedControllerRateLimiter`.

use crate::units::Duration;

/// After a first failure; each further one doubles it.
const FIRST: Duration = Duration::millis(5);

/// Of TargetGroupBindings also `--targetgroupbinding-max-exponential-backoff-delay`.
const LONGEST: Duration = Duration::secs(1000);

/// By then the delay has long reached its cap.
const MOST_DOUBLINGS: u32 = 20;

/// The delay after so many failures in a row before this one.
pub fn back_off(failures: u32) -> Duration {
    (FIRST * (1 << failures.min(MOST_DOUBLINGS))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_thousand_seconds() {
        for (failures, delay) in [(0, 5), (1, 10), (11, 10_240), (17, 655_360), (18, 1_000_000), (4_000, 1_000_000)] {
            assert_eq!(back_off(failures), Duration::millis(delay));
        }
    }
}
