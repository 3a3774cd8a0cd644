//! `classes.csv` and `users.csv`, written row by row.

use super::{Counts, of, version_name};
use crate::report::second_of_row;
use crate::run::{Answer, Run, UserRecord};
use crate::scenario::Loaded;
use std::io::Write;

/// So many users of a class have their row: the first ones, which are the most active where that differs.
const MOST_USERS: usize = 10_000;

/// One row per second, class and version. Rows of zeros are left out.
pub fn classes(loaded: &Loaded, run: &Run, to: impl Write) -> ::csv::Result<()> {
    let mut csv = ::csv::Writer::from_writer(to);
    let header =
        ["time_s", "class", "version", "requests", "ok", "target_5xx", "elb_5xx", "elb_404", "users_on"].as_slice();
    csv.write_record(header)?;
    let classes = of(loaded, run);
    for second in 0..run.seconds.len() {
        let time = second_of_row(run, second).to_string();
        for class in &classes {
            for version in 0..class.record.versions() {
                let counts = class.record.counts(second, version);
                let users_on = class.record.users_on(second, version);
                if counts == [0; Answer::ALL.len()] && users_on == 0 {
                    continue;
                }
                let counts = Counts::of(counts.map(u64::from));
                let Counts { ok, target_5xx, elb_5xx, elb_404 } = counts;
                let figures = [counts.requests(), ok, target_5xx, elb_5xx, elb_404, users_on.into()];
                let names = [time.clone(), class.spec.name.clone(), version_name(version)];
                csv.write_record(names.into_iter().chain(figures.map(|figure| figure.to_string())))?;
            }
        }
    }
    csv.flush()?;
    Ok(())
}

/// One row per user, of at most `MOST_USERS` of each class.
pub fn users(loaded: &Loaded, run: &Run, to: impl Write) -> ::csv::Result<()> {
    let mut csv = ::csv::Writer::from_writer(to);
    let header = ["class", "user", "requests", "flips", "seen", "first_exposed_s", "target_5xx", "elb_5xx"];
    csv.write_record(header)?;
    for class in of(loaded, run) {
        for (number, user) in class.record.users.iter().take(MOST_USERS).enumerate() {
            csv.write_record([
                class.spec.name.clone(),
                number.to_string(),
                user.requests.to_string(),
                user.flips.to_string(),
                seen(user),
                first_exposed(run, user),
                user.target_5xx.to_string(),
                user.elb_5xx.to_string(),
            ])?;
        }
    }
    csv.flush()?;
    Ok(())
}

/// `v1 v2`: the versions that answered.
fn seen(user: &UserRecord) -> String {
    let versions = (1..u16::BITS as usize).filter(|version| user.seen >> version & 1 == 1);
    versions.map(version_name).collect::<Vec<_>>().join(" ")
}

/// Empty for those who never met the new version.
fn first_exposed(run: &Run, user: &UserRecord) -> String {
    match usize::try_from(user.first_exposed_s) {
        Ok(row) if user.is_exposed() => second_of_row(run, row).to_string(),
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use std::collections::BTreeMap;

    /// The cells of each row, without the first line.
    fn rows(write: impl FnOnce(&mut Vec<u8>) -> ::csv::Result<()>) -> Vec<Vec<String>> {
        let mut bytes = Vec::new();
        write(&mut bytes).expect("a vector takes everything");
        let text = String::from_utf8(bytes).expect("text");
        text.lines().skip(1).map(|line| line.split(',').map(String::from).collect()).collect()
    }

    #[test]
    fn the_rows_of_a_second_add_up_to_its_requests() {
        let (loaded, run) = sample::exposed();
        let mut sums: BTreeMap<i64, [u32; 2]> = BTreeMap::new();
        for row in rows(|to| classes(&loaded, &run, to)) {
            let numbers: Vec<u32> = row[3..].iter().map(|cell| cell.parse().expect("a number")).collect();
            assert_eq!(numbers[0], numbers[1..5].iter().sum::<u32>(), "{row:?}");
            assert!(numbers.iter().any(|number| *number > 0), "{row:?}");
            let sum = sums.entry(row[0].parse().expect("a time")).or_default();
            sum[0] += numbers[0];
            sum[1] += numbers[4];
        }
        for (row, second) in run.seconds.iter().enumerate() {
            assert_eq!(sums[&second_of_row(&run, row)], [second.requests, second.elb_404], "second {row}");
        }
    }

    #[test]
    fn a_version_that_nobody_meets_has_no_row_yet() {
        let (loaded, run) = sample::exposed();
        let rows = rows(|to| classes(&loaded, &run, to));
        let first = |class: &str, version: &str| {
            rows.iter().find(|row| row[1] == class && row[2] == version).map(|row| row[0].clone())
        };
        assert_eq!(first("partners", "v1").as_deref(), Some("-60"));
        assert_eq!(first("partners", "v2").as_deref(), Some("480"));
        assert_eq!(first("testers", "v2").as_deref(), Some("45"));
        assert_eq!(first("testers", "none").as_deref(), Some("300"));
    }

    #[test]
    fn users_are_told_one_by_one_as_far_as_there_is_room() {
        let (loaded, mut run) = sample::exposed();
        run.classes[1].users = vec![UserRecord::default(); MOST_USERS + 1];
        run.classes[1].users[0] = UserRecord {
            requests: 9,
            flips: 3,
            target_5xx: 2,
            elb_5xx: 1,
            first_exposed_s: 62,
            seen: 0b110,
            failed_by: 0b100,
        };
        let rows = rows(|to| users(&loaded, &run, to));
        assert_eq!(rows.len(), 40 + MOST_USERS + 20);
        assert_eq!(rows[40], ["public", "0", "9", "3", "v1 v2", "2", "2", "1"]);
        assert_eq!(rows[41], ["public", "1", "0", "0", "", "", "0", "0"]);
    }
}
