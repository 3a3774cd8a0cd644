//! What the browsers of users keep: the target group (`AWSALBTG`) and the target (`AWSALB`, `AWSALBAPP`) that they got.
//!
//! Source: *User Guide for Application Load Balancers*, Sticky sessions. Assumption: one cookie of each kind is enough, as
//! a class of traffic meets one rule at a time; a cookie that names a group which the rule does not have is not looked at.

use super::route::Split;
use crate::model::Service;
use crate::units::{Duration, Instant};

/// 16 bytes a user.
#[derive(Clone, Copy, Debug, Default)]
struct Cookie {
    /// In seconds of the run, rounded up; 0: no cookie.
    group_until: u32,
    target_until: u32,
    target: u32,
    /// `Service::index`
    group: u8,
}

/// What is not settled in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieSpec {
    /// A valid cookie leads to a group whose weight has become 0.
    pub honours_zero_weight: bool,
    /// Each answer sets the cookie anew, so it ends that long after the last request, not after the first.
    pub is_renewed: bool,
}

/// Whose browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub class: u8,
    /// Of the class; a number beyond its users is nobody's.
    pub user: u32,
}

#[derive(Clone, Debug)]
pub struct Cookies {
    spec: CookieSpec,
    /// Where the users of each class begin, and after the last one where they end.
    first: Vec<usize>,
    cookies: Vec<Cookie>,
}

impl Cookies {
    /// For so many users of each class. A request of no known user is of a new one: it has no cookie.
    pub fn new(spec: CookieSpec, users: &[u32]) -> Self {
        let mut first = vec![0];
        let mut count = 0;
        for users in users {
            count += *users as usize;
            first.push(count);
        }
        Self { spec, first, cookies: vec![Cookie::default(); count] }
    }

    fn of(&mut self, client: Client) -> Option<&mut Cookie> {
        let class = usize::from(client.class);
        let users = &mut self.cookies[self.first[class]..self.first[class + 1]];
        users.get_mut(client.user as usize)
    }

    /// The group that the client's cookie leads to, if the action has it and lets it.
    pub fn group(&mut self, client: Client, now: Instant, split: Split) -> Option<Service> {
        let honours_zero_weight = self.spec.honours_zero_weight;
        let cookie = self.of(client)?;
        let (service, index) = (Service::ALL[usize::from(cookie.group)], usize::from(cookie.group));
        let is_valid = u64::from(cookie.group_until) > now.second();
        let is_open = split.has[index] && (split.weights[index] > 0 || honours_zero_weight);
        (is_valid && is_open).then_some(service)
    }

    pub fn set_group(&mut self, client: Client, (group, is_new): (Service, bool), until: Instant) {
        let is_set = is_new || self.spec.is_renewed;
        if let Some(cookie) = self.of(client).filter(|_| is_set) {
            cookie.group = group as u8;
            cookie.group_until = seconds(until);
        }
    }

    /// The target that the client's cookie names.
    pub fn target(&mut self, client: Client, now: Instant) -> Option<u32> {
        let cookie = self.of(client)?;
        (u64::from(cookie.target_until) > now.second()).then_some(cookie.target)
    }

    pub fn set_target(&mut self, client: Client, (target, is_new): (u32, bool), until: Instant) {
        let is_set = is_new || self.spec.is_renewed;
        if let Some(cookie) = self.of(client).filter(|_| is_set) {
            cookie.target = target;
            cookie.target_until = seconds(until);
        }
    }
}

fn seconds(until: Instant) -> u32 {
    u32::try_from((until + Duration::from_nanos(999_999_999)).second()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Percent;

    const CLIENT: Client = Client { class: 1, user: 2 };

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::secs(secs)
    }

    fn cookies(honours_zero_weight: bool, is_renewed: bool) -> Cookies {
        Cookies::new(CookieSpec { honours_zero_weight, is_renewed }, &[5, 3])
    }

    fn split(canary: i64) -> Split {
        Split::weighted(Percent::try_from(canary).unwrap())
    }

    #[test]
    fn a_client_stays_until_its_cookie_ends() {
        for (is_renewed, end) in [(false, 60), (true, 100)] {
            let mut cookies = cookies(false, is_renewed);
            assert_eq!(cookies.group(CLIENT, at(0), split(10)), None, "a new client");
            cookies.set_group(CLIENT, (Service::Canary, true), at(60));
            cookies.set_group(CLIENT, (Service::Canary, false), at(100));
            assert_eq!(cookies.group(CLIENT, at(end - 1), split(10)), Some(Service::Canary));
            assert_eq!(cookies.group(CLIENT, at(end), split(10)), None);
        }
    }

    #[test]
    fn a_cookie_of_a_group_that_gets_nothing_depends_on_the_choice() {
        for (honours_zero_weight, kept) in [(false, None), (true, Some(Service::Canary))] {
            let mut cookies = cookies(honours_zero_weight, true);
            cookies.set_group(CLIENT, (Service::Canary, true), at(60));
            assert_eq!(cookies.group(CLIENT, at(1), split(0)), kept);
            let stable_only = Split { has: [true, false], ..split(0) };
            assert_eq!(cookies.group(CLIENT, at(1), stable_only), None, "the rule does not have the group");
        }
    }

    #[test]
    fn nobody_else_has_the_cookie() {
        let mut cookies = cookies(false, true);
        cookies.set_target(CLIENT, (7, true), at(60));
        assert_eq!(cookies.target(CLIENT, at(1)), Some(7));
        for (class, user) in [(0, 2), (1, 1), (0, 4), (0, 7), (1, u32::MAX)] {
            assert_eq!(cookies.target(Client { class, user }, at(1)), None, "{class} {user}");
        }
        let nobody = Client { class: 0, user: u32::MAX };
        cookies.set_target(nobody, (7, true), at(60));
        assert_eq!(cookies.target(nobody, at(1)), None);
    }
}
