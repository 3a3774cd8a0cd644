//! What differs between versions of Argo CD.
//!
//! Source: `cmd/argocd-application-controller` and `controller/{appcontroller,sync}.go` of argo-cd, v2.0.0 to v3.5.1; FAQ;
//! *Automated Sync Policy*.

use crate::units::Duration;

/// `major.minor.patch`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

/// How long self-heal waits, counted from the end of the last operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfHeal {
    /// `--self-heal-timeout-seconds`
    Fixed(Duration),
    /// `--self-heal-backoff-*`: nothing at first, then longer with each attempt.
    BackOff { first: Duration, factor: u32, cap: Duration },
}

/// When the number of attempts begins anew, besides at a new revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    Never,
    /// As soon as a comparison finds the application Synced.
    OnSynced,
    /// Synced, and the last operation this long ago.
    OnSyncedAfter(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `timeout.reconciliation`
    pub reconciliation: Duration,
    /// `timeout.reconciliation.jitter`
    pub jitter: Duration,
    pub self_heal: SelfHeal,
    pub reset: Reset,
    /// With `RespectIgnoreDifferences`: what the ignore rules did not change in git is put back, and a list is one leaf.
    pub restores_what_git_says: bool,
}

impl Profile {
    pub const fn of(version: Version) -> Self {
        let Version(major, minor, patch) = version;
        let is_two = major < 3;
        let back_off = SelfHeal::BackOff { first: Duration::secs(2), factor: 3, cap: Duration::secs(300) };
        Self {
            reconciliation: if is_two { Duration::secs(180) } else { Duration::secs(120) },
            jitter: if is_two { Duration::ZERO } else { Duration::secs(60) },
            self_heal: if is_two && minor < 13 { SelfHeal::Fixed(Duration::secs(5)) } else { back_off },
            reset: match (major, minor) {
                (2, 14) if patch >= 10 => Reset::OnSynced,
                (3, 0) => Reset::OnSynced,
                (3, 1 | 2) => Reset::OnSyncedAfter(Duration::secs(330)),
                // From 3.3 on the flag of the cool-down is ignored.
                (0..=2, _) | (3.., _) => Reset::Never,
            },
            restores_what_git_says: match (major, minor) {
                (3, 3) => patch >= 13,
                (3, 4) => patch >= 5,
                (0..=2, _) | (3, 0..=2) => false,
                (3.., _) => true,
            },
        }
    }
}

impl SelfHeal {
    /// Before attempt number `attempt`, counted from 0.
    pub fn wait(self, attempt: u32) -> Duration {
        match self {
            Self::Fixed(wait) => wait,
            Self::BackOff { .. } if attempt == 0 => Duration::ZERO,
            Self::BackOff { first, factor, cap } => {
                let growth = u64::from(factor).saturating_pow(attempt - 1);
                Duration::from_nanos(first.as_nanos().saturating_mul(growth)).min(cap)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_each_version() {
        let waits = |version: Version| {
            let self_heal = Profile::of(version).self_heal;
            (0..8).map(|attempt| self_heal.wait(attempt).whole_secs()).collect::<Vec<_>>()
        };
        assert_eq!(waits(Version(2, 12, 9)), [5; 8]);
        for version in [Version(2, 13, 0), Version(3, 0, 0), Version(3, 5, 1)] {
            assert_eq!(waits(version), [0, 2, 6, 18, 54, 162, 300, 300], "{version:?}");
        }
    }

    #[test]
    fn each_version_has_its_own_ways() {
        let profile = |major, minor, patch| Profile::of(Version(major, minor, patch));
        let seconds = |profile: Profile| (profile.reconciliation.whole_secs(), profile.jitter.whole_secs());
        assert_eq!([seconds(profile(2, 14, 20)), seconds(profile(3, 0, 0))], [(180, 0), (120, 60)]);
        assert_eq!([profile(2, 13, 9).reset, profile(2, 14, 9).reset], [Reset::Never; 2]);
        assert_eq!([profile(2, 14, 10).reset, profile(3, 0, 5).reset], [Reset::OnSynced; 2]);
        assert_eq!(profile(3, 2, 0).reset, Reset::OnSyncedAfter(Duration::secs(330)));
        assert_eq!(profile(3, 3, 0).reset, Reset::Never);
        let restores = [(3, 2, 99), (3, 3, 12), (3, 3, 13), (3, 4, 4), (3, 4, 5), (3, 5, 0), (4, 0, 0)];
        let restores = restores.map(|(major, minor, patch)| profile(major, minor, patch).restores_what_git_says);
        assert_eq!(restores, [false, false, true, false, true, true, true]);
    }
}
