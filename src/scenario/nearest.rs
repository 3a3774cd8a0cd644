//! A name that nobody knows, and the known one beside it.

/// The known name that the user probably meant.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = name.to_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    let best = known.iter().min_by_key(|known| distance(known))?;
    (distance(best) <= 1 + name.chars().count() / 3).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_one_that_a_person_could_have_meant() {
        let known = ["minReadySeconds", "replicas", "strategy"];
        for (name, expected) in [
            ("minreadyseconds", Some("minReadySeconds")),
            ("replica", Some("replicas")),
            ("stratgey", Some("strategy")),
            ("image", None),
        ] {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }
}
