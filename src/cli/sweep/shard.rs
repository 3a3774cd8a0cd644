//! `--shard`: which part of a sweep this process plays.

use crate::report::sweep::definition::Shard;

/// A system that starts many processes and tells each its number. Sources: the systems' own documentation of the
/// variables that they set.
struct Starter {
    name: &'static str,
    index: &'static str,
    /// None: the system does not tell, and `--shards` must.
    count: Option<&'static str>,
    base: Base,
}

enum Base {
    Zero,
    One,
    /// The number in this variable; 0 without it.
    Variable(&'static str),
}

const STARTERS: [Starter; 6] = [
    Starter { name: "Kubernetes Indexed Job", index: "JOB_COMPLETION_INDEX", count: None, base: Base::Zero },
    Starter {
        name: "Slurm array",
        index: "SLURM_ARRAY_TASK_ID",
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        base: Base::Variable("SLURM_ARRAY_TASK_MIN"),
    },
    Starter {
        name: "AWS Batch array",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
        base: Base::Zero,
    },
    Starter { name: "GitLab parallel", index: "CI_NODE_INDEX", count: Some("CI_NODE_TOTAL"), base: Base::One },
    Starter { name: "CircleCI", index: "CIRCLE_NODE_INDEX", count: Some("CIRCLE_NODE_TOTAL"), base: Base::Zero },
    Starter {
        name: "Buildkite",
        index: "BUILDKITE_PARALLEL_JOB",
        count: Some("BUILDKITE_PARALLEL_JOB_COUNT"),
        base: Base::Zero,
    },
];

/// `I/N`, or `auto`: then `environment` is asked. `shards` is N where the system does not tell it.
pub fn parse(
    text: &str,
    shards: Option<u64>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Shard, (String, String)> {
    if text == "auto" {
        return from_environment(shards, environment);
    }
    if shards.is_some() {
        let message = format!("--shard {text} says itself how many shards there are");
        return Err((message, "leave --shards out".to_owned()));
    }
    let help = || "write --shard I/N with I from 0 to N-1, or --shard auto".to_owned();
    let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parts {
        Some((index, count)) if index < count => Ok(Shard { index, count }),
        Some(_) => Err((format!("--shard {text}: shards count from 0, so there is no such one"), help())),
        None => Err((format!("--shard {text} is not a shard"), help())),
    }
}

fn from_environment(
    shards: Option<u64>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Shard, (String, String)> {
    let Some((starter, index)) = STARTERS.iter().find_map(|starter| Some((starter, environment(starter.index)?)))
    else {
        let known: Vec<_> = STARTERS.iter().map(|starter| format!("{} ({})", starter.name, starter.index)).collect();
        let message = "--shard auto: nothing in the environment tells which shard this is".to_owned();
        return Err((message, format!("known are {}; else write --shard I/N", known.join(", "))));
    };
    let number = |variable: &str, text: &str| {
        let message = format!("--shard auto: {variable} is `{text}`, which is not a number ({})", starter.name);
        text.parse::<u64>().map_err(|_| (message, String::new()))
    };
    let index = number(starter.index, &index)?;
    let base = match starter.base {
        Base::Zero => 0,
        Base::One => 1,
        Base::Variable(variable) => environment(variable).map_or(Ok(0), |text| number(variable, &text))?,
    };
    let told = starter.count.and_then(|variable| Some((variable, environment(variable)?)));
    let told = match told {
        None => None,
        Some((variable, text)) => Some((variable, number(variable, &text)?)),
    };
    let count = match (told, shards) {
        // A single task of an array that is started again counts itself alone, from its own number.
        (_, Some(shards)) if matches!(starter.base, Base::Variable(_)) => {
            return in_range(starter.name, index, shards);
        }
        (Some((variable, told)), Some(shards)) if told != shards => {
            return Err((format!("--shards {shards}: {variable} says {told}"), "leave --shards out".to_owned()));
        }
        (Some((_, count)), _) => count,
        (None, Some(shards)) => shards,
        (None, None) => {
            let message = format!("--shard auto: {} does not tell how many shards there are", starter.name);
            return Err((message, "add --shards N".to_owned()));
        }
    };
    in_range(starter.name, index.wrapping_sub(base), count)
}

fn in_range(starter: &str, index: u64, count: u64) -> Result<Shard, (String, String)> {
    let message = || format!("--shard auto: {starter} counts {count} shards, and this is none of them");
    (index < count).then_some(Shard { index, count }).ok_or_else(|| (message(), String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(variables: &[(&str, &str)], shards: Option<u64>) -> Result<Shard, String> {
        let environment =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        parse("auto", shards, environment).map_err(|(message, _)| message)
    }

    #[test]
    fn each_system_tells_its_shard() {
        for (variables, shards, index, count) in [
            (&[("JOB_COMPLETION_INDEX", "3")][..], Some(8), 3, 8),
            (
                &[("SLURM_ARRAY_TASK_ID", "10"), ("SLURM_ARRAY_TASK_MIN", "10"), ("SLURM_ARRAY_TASK_COUNT", "4")],
                None,
                0,
                4,
            ),
            // sbatch --array=3, after one of eight has failed.
            (
                &[("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_MIN", "3"), ("SLURM_ARRAY_TASK_COUNT", "1")],
                Some(8),
                3,
                8,
            ),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "1"), ("AWS_BATCH_JOB_ARRAY_SIZE", "2")], None, 1, 2),
            (&[("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "3")], None, 2, 3),
            (&[("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "3")], None, 0, 3),
            (&[("BUILDKITE_PARALLEL_JOB", "4"), ("BUILDKITE_PARALLEL_JOB_COUNT", "5")], None, 4, 5),
        ] {
            assert_eq!(auto(variables, shards), Ok(Shard { index, count }), "{variables:?}");
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["3/3", "0/0", "1", "a/b", "-1/3", "1/2/3", ""] {
            assert!(parse(text, None, |_| None).is_err(), "{text}");
        }
        assert!(auto(&[], None).unwrap_err().contains("nothing in the environment"));
        assert!(auto(&[("JOB_COMPLETION_INDEX", "3")], None).unwrap_err().contains("does not tell how many"));
        assert!(auto(&[("JOB_COMPLETION_INDEX", "9")], Some(8)).unwrap_err().contains("none of them"));
        assert!(
            auto(&[("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "3")], Some(8))
                .unwrap_err()
                .contains("CI_NODE_TOTAL says 3")
        );
        assert!(parse("0/2", Some(5), |_| None).is_err());
        assert!(auto(&[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "3")], None).unwrap_err().contains("not a number"));
    }
}
