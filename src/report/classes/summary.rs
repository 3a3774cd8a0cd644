//! `classes` and `mirrored` of `summary.json`.

use super::{Class, Counts, of, version_name};
use crate::report::summary::{number, since_release};
use crate::run::{Audience, Mirrored, Run};
use crate::scenario::Loaded;
use serde_json::{Map, Value, json};

/// Adds what only some runs have.
pub(in crate::report) fn add(summary: &mut Value, loaded: &Loaded, run: &Run) {
    let classes: Vec<_> = of(loaded, run).iter().map(|found| class(run, found)).collect();
    if !classes.is_empty() {
        summary["classes"] = json!(classes);
    }
    if run.mirrored.requests > 0 {
        let Mirrored { requests, target_5xx, lost } = run.mirrored;
        summary["mirrored"] = json!({ "requests": requests, "target_5xx": target_5xx, "lost": lost });
    }
}

fn class(run: &Run, class: &Class<'_>) -> Value {
    let request = &class.spec.request;
    let headers: Map<_, _> = request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    // Each version has its row, so that the rows of several seeds are those of the same version.
    let version = |(version, counts): (usize, Counts)| {
        let mut row = figures(counts, "requests");
        row["version"] = json!(version_name(version));
        row
    };
    json!({
        "name": class.spec.name,
        "caller": class.spec.caller.as_ref().map(|caller| &caller.name),
        "host": request.host,
        "path": request.path,
        "headers": headers,
        "requests": figures(class.total, "total"),
        "versions": class.versions().map(version).collect::<Vec<_>>(),
        "users": class.audience.map(users),
        "first_exposure_s": since_release(run, class.record.first_exposure),
        "wrong_version": class.record.wrong_version,
    })
}

fn figures(counts: Counts, sum: &str) -> Value {
    let Counts { ok, target_5xx, elb_5xx, elb_404 } = counts;
    json!({ sum: counts.requests(), "ok": ok, "target_5xx": target_5xx, "elb_5xx": elb_5xx, "elb_404": elb_404 })
}

fn users(audience: Audience) -> Value {
    let Audience { count, active, exposed, saw_both, back_and_forth, flips, most_flips, .. } = audience;
    let mean = (active > 0).then(|| number(flips as f64 / active as f64, 3));
    json!({
        "count": count,
        "active": active,
        "exposed": exposed,
        "saw_both": saw_both,
        "back_and_forth": back_and_forth,
        "flips": { "total": flips, "mean": mean, "max": most_flips },
        "hit_by_target_5xx": audience.hit_by_target_5xx,
        "hit_by_elb_5xx": audience.hit_by_elb_5xx,
        "hit_by_both": audience.hit_by_both,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::report::replications::aggregate;
    use crate::report::summary::summary;

    fn keys(value: &Value) -> String {
        value.as_object().expect("an object").keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_keys_are_those_that_scripts_rely_on() {
        let (loaded, mut run) = sample::exposed();
        run.mirrored = Mirrored { requests: 100, target_5xx: 10, lost: 1 };
        let summary = summary(&loaded, &run, &[]);
        let class = &summary["classes"][1];
        assert_eq!(keys(class), "caller first_exposure_s headers host name path requests users versions wrong_version");
        assert_eq!(keys(&class["requests"]), "elb_404 elb_5xx ok target_5xx total");
        assert_eq!(keys(&class["versions"][0]), "elb_404 elb_5xx ok requests target_5xx version");
        let users = "active back_and_forth count exposed flips hit_by_both hit_by_elb_5xx hit_by_target_5xx saw_both";
        assert_eq!(keys(&class["users"]), users);
        assert_eq!(keys(&class["users"]["flips"]), "max mean total");
        assert_eq!(summary["mirrored"], json!({ "requests": 100, "target_5xx": 10, "lost": 1 }));
    }

    #[test]
    fn without_classes_nothing_is_said_of_them() {
        let summary = summary(&crate::report::sample::loaded(), &crate::report::sample::quiet(), &[]);
        assert_eq!((summary.get("classes"), summary.get("mirrored")), (None, None));
    }

    #[test]
    fn the_rows_of_a_class_add_up() {
        let (loaded, run) = sample::exposed();
        let summary = summary(&loaded, &run, &[]);
        let number = |value: &Value, key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"));
        let mut total = 0;
        for class in summary["classes"].as_array().expect("a list") {
            let requests = &class["requests"];
            let answers = ["ok", "elb_5xx", "elb_404", "target_5xx"];
            assert_eq!(number(requests, "total"), answers.iter().map(|answer| number(requests, answer)).sum::<u64>());
            for answer in answers {
                let versions = class["versions"].as_array().expect("a list").iter();
                assert_eq!(number(requests, answer), versions.map(|version| number(version, answer)).sum::<u64>());
            }
            total += number(requests, "total");
        }
        assert_eq!(total, number(&summary["requests"], "total"));
        let errors = ["ok", "elb_5xx", "elb_404", "target_5xx"].map(|key| number(&summary["requests"], key));
        assert_eq!(total, errors.iter().sum::<u64>());
    }

    #[test]
    fn the_figures_of_the_sample_are_told() {
        let (loaded, run) = sample::exposed();
        let summary = summary(&loaded, &run, &[]);
        for (pointer, expected) in [
            ("/classes/0/name", json!("partners")),
            ("/classes/0/caller", json!("portal")),
            ("/classes/0/path", json!("/stable")),
            ("/classes/0/first_exposure_s", json!(480.11)),
            ("/classes/0/versions/2/version", json!("v2")),
            ("/classes/0/versions/0/version", json!("none")),
            ("/classes/2/headers", json!({ "X-Canary": "yes" })),
            ("/classes/2/requests/elb_404", json!(20)),
            ("/classes/2/versions/0/elb_404", json!(20)),
            ("/classes/2/users/count", json!(20)),
        ] {
            assert_eq!(summary.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}");
        }
        assert!(summary["classes"][2]["wrong_version"].as_u64() > Some(0));
    }

    #[test]
    fn the_classes_of_several_seeds_are_joined_row_by_row() {
        let (loaded, mut run) = sample::exposed();
        let first = summary(&loaded, &run, &[]);
        run.seed = 2;
        // Without an exposure this seed says nothing of when it was.
        run.classes[0].first_exposure = None;
        run.classes[0].wrong_version = 7;
        let joined = aggregate(&[first, summary(&loaded, &run, &[])], &[]);
        for (pointer, expected) in [
            ("/classes/0/name", json!("partners")),
            ("/classes/0/first_exposure_s/mean", json!(480.11)),
            ("/classes/0/wrong_version", json!({ "min": 0, "mean": 3.5, "p50": 0, "p95": 7, "max": 7 })),
            ("/classes/0/versions/2/version", json!("v2")),
            ("/classes/2/headers/X-Canary", json!("yes")),
            ("/classes/2/requests/elb_404/max", json!(20)),
        ] {
            assert_eq!(joined.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}");
        }
    }
}
