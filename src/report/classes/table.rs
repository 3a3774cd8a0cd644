//! What the report on the terminal says of classes: a table, and a sentence on each class that needs one.

use super::{Class, header_route, of};
use crate::report::terminal::{columns, quiet};
use crate::report::{counted, grouped, listed, name_of_way_back, percent, time};
use crate::run::{Audience, Run};
use crate::scenario::Loaded;
use crate::units::{Duration, Instant};

/// A row for each class; nothing without classes.
pub(in crate::report) fn table(loaded: &Loaded, run: &Run, width: usize) -> Vec<String> {
    let classes = of(loaded, run);
    if classes.is_empty() {
        return vec![];
    }
    let is_unrouted = classes.iter().any(|class| class.total.elb_404 > 0);
    let new = new_version(&classes);
    let by = format!("by {new}");
    let saw = format!("saw {new}");
    let heads = ["class", "requests", &by, "its 5xx", "ELB 5xx", "404", &saw, "saw both", "first at"].map(String::from);
    let rows = std::iter::once(heads).chain(classes.iter().map(|class| cells(run, class)));
    // Most runs have a rule for every request.
    let shown = |row: [String; 9]| {
        let cells = row.into_iter().enumerate().filter(|(column, _)| is_unrouted || *column != UNROUTED);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>()
    };
    let mut lines = columns(&rows.map(shown).collect::<Vec<_>>(), 0, width);
    lines[0] = quiet(&lines[0]);
    lines
}

/// The column of the 404.
const UNROUTED: usize = 5;

/// `v2`, or of several `new`.
fn new_version(classes: &[Class<'_>]) -> &'static str {
    if classes.iter().all(|class| class.record.versions() <= 3) { "v2" } else { "new" }
}

fn cells(run: &Run, class: &Class<'_>) -> [String; 9] {
    let dash = || String::from("–");
    let of_users = |audience: Audience| format!("{} of {}", grouped(audience.exposed), grouped(audience.count));
    [
        class.spec.name.clone(),
        grouped(class.total.requests()),
        percent(class.share_of_new()),
        grouped(class.new.target_5xx),
        grouped(class.total.elb_5xx),
        grouped(class.total.elb_404),
        class.audience.map_or_else(dash, of_users),
        class.audience.map_or_else(dash, |audience| grouped(audience.saw_both)),
        class.record.first_exposure.map_or_else(dash, |at| time(run, at)),
    ]
}

/// `testers: 1,204 requests with the header X-Canary came to v1, after …`, for the classes of which there is more to say
/// than the table holds.
pub(in crate::report) fn sentences(loaded: &Loaded, run: &Run) -> Vec<String> {
    let classes = of(loaded, run);
    let new = new_version(&classes);
    let told = |class: &Class<'_>| {
        let parts = [
            header_route::sentence(loaded, run, class),
            mixed(loaded, class),
            hit(class),
            lingering((run, new), class),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("{}: {}.", class.spec.name, parts.join(". ")))
    };
    classes.iter().filter_map(told).collect()
}

/// Who met a version again after the other one. That each meets the new one once, later, is what a release is.
fn mixed(loaded: &Loaded, class: &Class<'_>) -> Option<String> {
    let audience = class.audience.filter(|audience| audience.back_and_forth > 0)?;
    let Audience { count, back_and_forth, most_flips, .. } = audience;
    let routing = loaded.scenario.workload.canary().and_then(|canary| canary.traffic_routing.as_ref());
    let why = match routing.and_then(|routing| routing.stickiness) {
        Some(_) => ": a cookie keeps them with a target group, whose version changes at a promotion and after an abort",
        None => "",
    };
    Some(format!(
        "{} of {} went back and forth between versions, up to {} changes for one user{why}",
        grouped(back_and_forth),
        counted(count, "user"),
        grouped(most_flips),
    ))
}

/// Whom an error hit.
fn hit(class: &Class<'_>) -> Option<String> {
    let Audience { count, hit_by_target_5xx, hit_by_elb_5xx, hit_by_both, .. } = class.audience?;
    let kinds = [("a 5xx of the program", hit_by_target_5xx), ("an ELB 5xx", hit_by_elb_5xx), ("both", hit_by_both)];
    let kinds: Vec<_> = kinds.into_iter().filter(|(_, users)| *users > 0).collect();
    let (first, others) = kinds.split_first()?;
    let first = format!("{} of {} got {}", grouped(first.1), counted(count, "user"), first.0);
    let others = others.iter().map(|(name, users)| format!("{} {name}", grouped(*users)));
    Some(listed(&std::iter::once(first).chain(others).collect::<Vec<_>>()))
}

/// How long the new version still answered after it was given up.
fn lingering((run, new): (&Run, &str), class: &Class<'_>) -> Option<String> {
    let (what, at) = match (run.rollout.undone, run.rollout.aborted) {
        (_, Some(aborted)) if run.rollout.undone.is_none_or(|undone| aborted < undone) => ("the abort", aborted),
        (Some(undone), _) => (name_of_way_back(run, undone), undone),
        (None, _) => return None,
    };
    let next = usize::try_from(at.second()).expect("a run's seconds can be indexed") + 1;
    let answered = |row: &usize| {
        let versions = 2..class.record.versions();
        versions
            .map(|version| super::Counts::of(class.record.counts(*row, version).map(u64::from)).answered())
            .sum::<u64>()
    };
    let rows = next..class.record.seconds();
    let count: u64 = rows.clone().map(|row| answered(&row)).sum();
    let last = rows.clone().rfind(|row| answered(row) > 0)?;
    let over = Instant::START + Duration::secs(last as u64 + 1);
    Some(format!(
        "{new} answered {} after {what} (t = {}), until t = {}",
        counted(count, "more request"),
        time(run, at),
        time(run, over)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::report::sample::at;

    fn plain(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn the_table_says_who_saw_the_new_version() {
        let (loaded, run) = sample::exposed();
        let text = plain(&table(&loaded, &run, 80));
        let rows: Vec<_> = text.lines().collect();
        let words = |row: &str| row.split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(rows[0].split_whitespace().next(), Some("class"));
        assert!(rows[0].contains("by v2") && rows[0].contains("404") && rows[0].contains("saw both"), "{text}");
        let [partners, testers] = [words(rows[1]), words(rows[3])];
        assert_eq!(partners[..2], ["partners", "30,000"]);
        assert_eq!(testers[..2], ["testers", "6,000"]);
        assert_eq!(partners[7], "40", "{text}");
        assert!(rows.iter().all(|row| row.chars().count() <= 80), "{text}");
    }

    #[test]
    fn long_names_and_large_numbers_fit_the_terminal() {
        let (mut loaded, mut run) = sample::exposed();
        loaded.scenario.traffic.classes[0].name = "an-unusually-long-name-of-a-class-of-traffic".into();
        run.classes[0].users = vec![run.classes[0].users[0]; 1_000_000];
        for width in [80, 120] {
            let lines = table(&loaded, &run, width);
            assert!(plain(&lines).lines().all(|line| line.chars().count() <= width), "{}", plain(&lines));
        }
    }

    #[test]
    fn without_users_and_exposure_there_are_dashes() {
        let (loaded, mut run) = sample::exposed();
        run.classes[0].users.clear();
        run.classes[0].first_exposure = None;
        let row = plain(&table(&loaded, &run, 80)).lines().nth(1).map(String::from).expect("a row");
        assert_eq!(row.matches('–').count(), 3, "{row}");
    }

    #[test]
    fn a_sentence_tells_what_the_table_cannot() {
        let (loaded, mut run) = sample::exposed();
        let told = sentences(&loaded, &run);
        let audience = run.classes[1].audience();
        let of = |name: &str| told.iter().find(|text| text.starts_with(name)).unwrap_or_else(|| panic!("{told:?}"));
        assert!(of("testers: ").contains("requests with the header X-Canary came to v1, about 50 before the ALB"));
        let mixed = format!("{} of 2,000 users went back and forth", grouped(audience.back_and_forth));
        assert!(of("public: ").contains(&mixed), "{told:?}");
        assert!(!of("partners: ").contains("back and forth"), "{told:?}");
        let hit = format!("{} of 2,000 users got a 5xx of the program", grouped(audience.hit_by_target_5xx));
        assert!(of("public: ").contains(&hit), "{told:?}");
        assert!(!told.iter().any(|text| text.contains("abort")), "{told:?}");
        run.rollout.aborted = Some(at(200));
        let told = sentences(&loaded, &run);
        assert!(
            told.iter().any(|text| text.contains("more requests after the abort (t = 200 s), until t = 540 s.")),
            "{told:?}"
        );
    }
}
