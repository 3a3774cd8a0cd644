//! Short names for the keys of a design: as much of the end of each as tells it from the others.

use crate::scenario::path::{self, Segment};
use crate::sweep::design::Design;

/// Last names that say too little on their own.
const VAGUE: [&str; 6] = ["seconds", "duration", "weight", "command", "min", "max"];

/// One for each key, all different.
pub fn of_keys(design: &Design) -> Vec<String> {
    let keys: Vec<Vec<Segment>> = design.keys().map(|key| path::parse(key).unwrap_or_default()).collect();
    let longest = keys.iter().map(Vec::len).max().unwrap_or(0);
    let name = |(own, key): (usize, &Vec<Segment>)| {
        let shared = |name: &str, parts: usize| {
            keys.iter().enumerate().any(|(other, key)| other != own && end(key, parts).as_deref() == Some(name))
        };
        let names = (1..=longest).filter_map(|parts| Some((end(key, parts)?, parts)));
        let fits = |(name, parts): &(String, usize)| !VAGUE.contains(&name.as_str()) && !shared(name, *parts);
        let whole = path::written(key);
        names.into_iter().find(fits).map_or(whole, |(name, _)| name)
    };
    keys.iter().enumerate().map(name).collect()
}

/// One for each axis: the names of its keys.
pub fn of_axes(design: &Design) -> Vec<String> {
    let mut names = of_keys(design).into_iter();
    design.axes().iter().map(|axis| names.by_ref().take(axis.keys().count()).collect::<Vec<_>>().join(", ")).collect()
}

/// `a = 1, b = x`: a cell, or a part of its keys.
pub fn label(names: &[String], values: &[String]) -> String {
    let parts: Vec<_> = names.iter().zip(values).map(|(name, value)| format!("{name} = {value}")).collect();
    parts.join(", ")
}

/// The last names of a key. An annotation goes without its prefix; an index stays with the name before it.
fn end(key: &[Segment], names: usize) -> Option<String> {
    let starts: Vec<_> = (0..key.len()).filter(|place| matches!(key[*place], Segment::Key(_))).collect();
    let start = starts.len().checked_sub(names).map(|place| starts[place])?;
    let text = match &key[start..] {
        [Segment::Key(name)] if name.contains('/') => name.rsplit('/').next().unwrap_or(name).to_owned(),
        segments => path::written(segments),
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::axis::Axis;

    fn names(axes: &[&str]) -> String {
        let design = Design::grid(axes.iter().map(|axis| Axis::parse(axis).unwrap()).collect()).unwrap();
        of_keys(&design).join(" ")
    }

    #[test]
    fn a_name_is_as_long_as_it_must_be() {
        for (axes, expected) in [
            (&["traffic.rate=1/s"][..], "rate"),
            (&["scenario=x.toml"], "scenario"),
            (&["rollout.strategy.canary.steps[12].setWeight=1"], "setWeight"),
            (&["rollout.strategy.canary.steps[12].pause.duration=1s"], "pause.duration"),
            (&["a.lifecycle.preStop.sleep.seconds=1"], "sleep.seconds"),
            (&["ingress.annotations.\"alb.ingress.kubernetes.io/target-type\"=ip"], "target-type"),
            (&["thresholds.\"elb_5xx.count\"=1"], "\"elb_5xx.count\""),
            (&["c.steps[0].setWeight=1", "c.steps[2].setWeight=1"], "steps[0].setWeight steps[2].setWeight"),
            (&["a.x=1;b.x=1", "y=1"], "a.x b.x y"),
            (&["x=1", "a.x=1"], "x a.x"),
        ] {
            assert_eq!(names(axes), expected, "{axes:?}");
        }
    }
}
