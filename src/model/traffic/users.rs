//! Whose request it is: users, each as active as he is.
//!
//! Left out: users who come and go. The same ones are there all the time.

use super::{ANONYMOUS, Request};
use crate::random::{Distribution, Random};
use std::hint::select_unpredictable;

/// Who sends the requests of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct UsersSpec {
    pub count: u32,
    pub activity: Activity,
    /// None: each request is of any user, whoever sent the last one.
    pub session: Option<SessionSpec>,
}

/// How the requests, or the sessions, are spread over the users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activity {
    Uniform,
    /// The k-th user is 1 ÷ k^exponent times as active as the first.
    Zipf {
        exponent: f64,
    },
}

/// Requests of one user that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSpec {
    pub requests: u32,
    /// From a request to the next one of the session.
    pub think_time: Distribution,
}

/// The users of one class, made ready for the request path.
#[derive(Clone, Debug)]
pub enum Users {
    Anonymous,
    Uniform { count: u32 },
    Zipf(AliasTable),
}

impl Users {
    pub fn new(spec: Option<&UsersSpec>) -> Self {
        match spec.map(|users| (users.count, users.activity)) {
            None => Self::Anonymous,
            Some((count, Activity::Uniform)) => Self::Uniform { count },
            Some((count, Activity::Zipf { exponent })) => Self::Zipf(AliasTable::zipf(count, exponent)),
        }
    }

    /// Whose requests these are: one tight loop for each kind of users.
    pub fn fill(&self, random: &mut Random, block: &mut [Request]) {
        match self {
            // As the block was made.
            Self::Anonymous => {}
            Self::Uniform { count } => {
                block.iter_mut().for_each(|request| request.user = split(random.next_u64(), *count).0);
            }
            Self::Zipf(table) => block.iter_mut().for_each(|request| request.user = table.at(random.next_u64())),
        }
    }

    /// The user that belongs to the next 64 random bits. Nobody draws for nobody.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> u32 {
        match self {
            Self::Anonymous => ANONYMOUS,
            Self::Uniform { count } => split(random.next_u64(), *count).0,
            Self::Zipf(table) => table.at(random.next_u64()),
        }
    }
}

/// One of `count` numbers, and the bits that this choice leaves over. Off by less than 1 part in 2^32.
#[inline]
fn split(bits: u64, count: u32) -> (u32, u32) {
    let product = u128::from(bits) * u128::from(count);
    ((product >> 64) as u32, (product >> 32) as u32)
}

/// A choice with weights in constant time: 8 bytes for each user, one draw, one look.
///
/// Source: A. J. Walker 1977; built as in M. D. Vose, *A linear algorithm for generating random numbers with a given
/// distribution*, IEEE Transactions on Software Engineering 17 (1991).
#[derive(Clone, Debug)]
pub struct AliasTable(Box<[Column]>);

/// A place that two users share.
#[derive(Clone, Copy, Debug)]
struct Column {
    /// Of 2^32 draws so many stay with the user whose place it is …
    stays: u32,
    /// … and the others go to this one.
    other: u32,
}

impl AliasTable {
    fn zipf(count: u32, exponent: f64) -> Self {
        let mut parts: Vec<f64> = (0..count).map(|user| libm::pow(f64::from(user) + 1.0, -exponent)).collect();
        let sum: f64 = parts.iter().sum();
        // 1 is what a place holds.
        parts.iter_mut().for_each(|part| *part *= f64::from(count) / sum);
        let mut columns: Box<[Column]> = (0..count).map(|user| Column { stays: u32::MAX, other: user }).collect();
        // Whoever comes after the first with less than a place has less, too: one pointer goes through the rich, one through
        // the poor, and who is no longer rich is served at once.
        let first_poor = parts.iter().position(|part| *part < 1.0).unwrap_or(parts.len());
        let (mut rich, mut next_poor) = (0, first_poor);
        let mut poor = next_poor;
        while rich < first_poor && poor < parts.len() {
            columns[poor] = Column { stays: (parts[poor] * 4_294_967_296.0) as u32, other: rich as u32 };
            parts[rich] -= 1.0 - parts[poor];
            if parts[rich] < 1.0 {
                poor = rich;
                rich += 1;
            } else {
                next_poor += 1;
                poor = next_poor;
            }
        }
        Self(columns)
    }

    #[inline]
    fn at(&self, bits: u64) -> u32 {
        let (user, rest) = split(bits, self.0.len() as u32);
        let Column { stays, other } = self.0[user as usize];
        // A branch would be foreseen no better than a coin, and the looks of several draws could not overlap.
        select_unpredictable(rest < stays, user, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use proptest::prelude::*;

    /// What the table gives to each user, out of 1.
    fn shares(table: &AliasTable) -> Vec<f64> {
        let mut shares = vec![0.0; table.0.len()];
        for (user, column) in table.0.iter().enumerate() {
            let stays = if column.other as usize == user { 1.0 } else { f64::from(column.stays) / 4_294_967_296.0 };
            shares[user] += stays;
            shares[column.other as usize] += 1.0 - stays;
        }
        shares.iter().map(|share| share / table.0.len() as f64).collect()
    }

    proptest! {
        #[test]
        fn the_table_holds_what_zipf_says(count in 1u32..3_000, exponent in 0.001f64..5.0) {
            let shares = shares(&AliasTable::zipf(count, exponent));
            let sum: f64 = (1..=count).map(|k| libm::pow(f64::from(k), -exponent)).sum();
            for (k, share) in (1..).zip(&shares) {
                let expected = libm::pow(f64::from(k), -exponent) / sum;
                // A place is cut to 1 part in 2^32, and a rich user gives to all others.
                prop_assert!((share - expected).abs() < 1e-9 + 1e-12 * f64::from(count), "{k}: {share}, {expected}");
            }
        }
    }

    #[test]
    fn users_are_drawn_as_often_as_they_are_active() {
        let draws = 1_000_000;
        let session = None;
        for (activity, first) in [(Activity::Uniform, 0.1), (Activity::Zipf { exponent: 1.0 }, 1.0 / 2.928_968_254)] {
            let users = Users::new(Some(&UsersSpec { count: 10, activity, session: session.clone() }));
            let mut random = Random::new(1, Stream::Users, 0);
            let mut counts = [0u32; 10];
            (0..draws).for_each(|_| counts[users.draw(&mut random) as usize] += 1);
            // Five standard deviations.
            let (n, share) = (f64::from(draws), f64::from(counts[0]) / f64::from(draws));
            assert!((share - first).abs() < 5.0 * (first * (1.0 - first) / n).sqrt(), "{activity:?}: {share}");
        }
    }
}
