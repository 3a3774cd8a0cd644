//! What each class of traffic met, and each of its users.

use crate::units::Instant;
use std::ops::Range;

/// What a request of a class came to, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Target5xx,
    Elb5xx,
    Elb404,
}

impl Answer {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Target5xx, Self::Elb5xx, Self::Elb404];

    /// Whether a pod gave it.
    #[inline]
    pub const fn is_from_target(self) -> bool {
        match self {
            Self::Ok | Self::Target5xx => true,
            Self::Elb5xx | Self::Elb404 => false,
        }
    }
}

/// The revision that the release brings. Later ones are new, too.
const NEW: usize = 2;

/// The requests of one class of traffic, and its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRecord {
    versions: usize,
    /// By second and version: counts by `Answer`.
    cells: Vec<[u32; Answer::ALL.len()]>,
    /// By second and version: users who were last answered by it, at the end of the second.
    users_on: Vec<u32>,
    /// The first users have the highest activity, if it differs.
    pub users: Vec<UserRecord>,
    /// The requests of the first users, in order of arrival.
    pub samples: Vec<SampledRequest>,
    /// Of each of them one request in so many is a sample.
    pub sampled_every: u32,
    /// Arrival of the first request that a pod of the new revision, or of a later one, answered.
    pub first_exposure: Option<Instant>,
    /// By version: arrival of the first request that a pod of it answered.
    pub first_answers: Vec<Option<Instant>>,
    /// Requests with a header that a route was made for, which came to another version than that route's.
    pub wrong_version: u64,
}

impl ClassRecord {
    pub fn new(versions: usize, users: u32) -> Self {
        Self {
            versions,
            cells: vec![],
            users_on: vec![],
            users: vec![UserRecord::default(); users as usize],
            samples: vec![],
            sampled_every: 1,
            first_exposure: None,
            first_answers: vec![None; versions],
            wrong_version: 0,
        }
    }

    /// Versions: 0 stands for "no pod", each other number for the revision.
    pub fn versions(&self) -> usize {
        self.versions
    }

    /// Requests of a second since the start of the warm-up that came to this version, by `Answer`.
    pub fn counts(&self, second: usize, version: usize) -> [u32; Answer::ALL.len()] {
        self.cells[second * self.versions + version]
    }

    /// Users who were last answered by this version, at the end of the second.
    pub fn users_on(&self, second: usize, version: usize) -> u32 {
        self.users_on[second * self.versions + version]
    }

    /// Requests of the whole run that came to this version, by `Answer`.
    pub fn total(&self, version: usize) -> [u64; Answer::ALL.len()] {
        let mut total = [0; Answer::ALL.len()];
        for cells in self.cells.iter().skip(version).step_by(self.versions) {
            for (sum, count) in total.iter_mut().zip(cells) {
                *sum += u64::from(*count);
            }
        }
        total
    }

    pub fn seconds(&self) -> usize {
        self.cells.len() / self.versions
    }

    /// Requests of the whole run, by `Answer`.
    pub fn requests(&self) -> [u64; Answer::ALL.len()] {
        self.sum(0..self.versions)
    }

    /// Those that came to the new revision, or to a later one, by `Answer`.
    pub fn requests_to_new(&self) -> [u64; Answer::ALL.len()] {
        self.sum(NEW..self.versions)
    }

    fn sum(&self, versions: Range<usize>) -> [u64; Answer::ALL.len()] {
        versions.map(|version| self.total(version)).fold([0; Answer::ALL.len()], |mut sum, total| {
            sum.iter_mut().zip(total).for_each(|(sum, count)| *sum += count);
            sum
        })
    }

    /// What the users met, all together.
    pub fn audience(&self) -> Audience {
        let mut audience = Audience { count: self.users.len() as u64, ..Audience::default() };
        for user in &self.users {
            audience.active += u64::from(user.requests > 0);
            audience.exposed += u64::from(user.is_exposed());
            audience.saw_both += u64::from(user.saw_both());
            audience.back_and_forth += u64::from(user.went_back_and_forth());
            audience.flips += u64::from(user.flips);
            audience.most_flips = audience.most_flips.max(user.flips.into());
            audience.hit_by_target_5xx += u64::from(user.target_5xx > 0);
            audience.hit_by_elb_5xx += u64::from(user.elb_5xx > 0);
            audience.hit_by_both += u64::from(user.target_5xx > 0 && user.elb_5xx > 0);
        }
        audience
    }

    /// Adds a second's books.
    pub fn close_second(&mut self, cells: &[[u32; Answer::ALL.len()]], users_on: &[u32]) {
        self.cells.extend_from_slice(cells);
        self.users_on.extend_from_slice(users_on);
    }

    /// None for the second that is still open.
    pub fn cells_mut(&mut self, second: usize, version: usize) -> Option<&mut [u32; Answer::ALL.len()]> {
        self.cells.get_mut(second * self.versions + version)
    }
}

/// The users of a class, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    pub count: u64,
    /// Who sent a request at all.
    pub active: u64,
    /// Whom the new revision, or a later one, has answered.
    pub exposed: u64,
    /// Whom more than one revision has answered.
    pub saw_both: u64,
    /// Who met a revision again after another one.
    pub back_and_forth: u64,
    /// How often another revision answered a user than the time before.
    pub flips: u64,
    /// Those of the user who had most of them.
    pub most_flips: u64,
    pub hit_by_target_5xx: u64,
    pub hit_by_elb_5xx: u64,
    /// Hit by the one and by the other.
    pub hit_by_both: u64,
}

/// What one user met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub requests: u32,
    /// How often another version answered than the time before.
    pub flips: u32,
    pub target_5xx: u32,
    pub elb_5xx: u32,
    /// The second since the start of the warm-up in which the new revision, or a later one, answered first; `u32::MAX`:
    /// never.
    pub first_exposed_s: u32,
    /// A bit for each revision that answered; the highest one stands for all beyond it, too.
    pub seen: u16,
    /// The same for those that answered with an error.
    pub failed_by: u16,
}

impl Default for UserRecord {
    fn default() -> Self {
        Self { requests: 0, flips: 0, target_5xx: 0, elb_5xx: 0, first_exposed_s: u32::MAX, seen: 0, failed_by: 0 }
    }
}

impl UserRecord {
    /// Whether the new revision, or a later one, has answered.
    pub fn is_exposed(&self) -> bool {
        self.seen >> NEW != 0
    }

    /// Whether more than one revision has answered.
    pub fn saw_both(&self) -> bool {
        self.seen.count_ones() > 1
    }

    /// Whether a revision answered again after another one had: more changes than it takes to meet each of them once.
    pub fn went_back_and_forth(&self) -> bool {
        self.flips >= self.seen.count_ones() && self.flips > 0
    }
}

/// One request of one of the users who are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampledRequest {
    pub user: u32,
    pub arrival: Instant,
    /// 0: no pod.
    pub version: u8,
    pub answer: Answer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_goes_back_and_forth_who_meets_a_version_again() {
        // The versions that answered, and the changes between them.
        for (seen, flips, back_and_forth, both) in [
            (0b010, 0, false, false),
            (0b110, 1, false, true),
            (0b110, 2, true, true),
            (0b1110, 2, false, true),
            (0b1110, 3, true, true),
            (0, 0, false, false),
        ] {
            let user = UserRecord { seen, flips, ..UserRecord::default() };
            assert_eq!((user.went_back_and_forth(), user.saw_both()), (back_and_forth, both), "{seen:b}, {flips}");
        }
    }
}
