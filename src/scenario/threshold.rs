//! `[thresholds]`: what a run must hold, in k6's grammar: a metric, and a condition or a list of conditions.

use super::class_metric::{ClassMetric, Versions};
use super::document::{Entry, Node};
use super::metric::{Metric, Unit};
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::reader::Reader;
use super::spread::Spread;
use super::value::text_from;
use crate::model::Revision;
use crate::model::comparison::Comparison;
use crate::model::traffic::ClassSpec;
use crate::run::Run;
use crate::units::Duration;

/// One condition on one figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As the user wrote it: `elb_502.count == 0`.
    pub text: String,
    metric: Metric,
    /// Which figure of the seeds it is about: an index into `Spread::NAMES`. None: each seed must hold it.
    across: Option<usize>,
    operator: Comparison,
    bound: f64,
}

/// A threshold, and what the runs had to say to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub threshold: String,
    /// The figure over the seeds that the threshold names, else that of the seed that is farthest from holding it.
    pub observed: f64,
    pub unit: Unit,
    pub met: bool,
    /// It is about the seeds together, not about each.
    pub is_across_seeds: bool,
}

/// How far a value is from holding: the larger, the worse.
fn distance(operator: Comparison, observed: f64, bound: f64) -> f64 {
    match operator {
        Comparison::Equal => (observed - bound).abs(),
        Comparison::NotEqual => -(observed - bound).abs(),
        Comparison::Less | Comparison::AtMost => observed - bound,
        Comparison::Greater | Comparison::AtLeast => bound - observed,
    }
}

impl Threshold {
    /// Of one run alone.
    pub fn judge(&self, run: &Run) -> Verdict {
        self.verdict(&[self.observe(run)])
    }

    pub fn observe(&self, run: &Run) -> f64 {
        self.metric.observe(run)
    }

    /// Over the seeds: what `observe` said of each. There is at least one.
    pub fn verdict(&self, observed: &[f64]) -> Verdict {
        let distance = |value: &f64| distance(self.operator, *value, self.bound);
        let worst = observed.iter().copied().max_by(|a, b| distance(a).total_cmp(&distance(b)));
        let across = self.across.and_then(|index| Some(Spread::of(observed)?.columns()[index]));
        let observed = across.or(worst).expect("there is a seed");
        let met = self.operator.holds(observed, self.bound);
        let (threshold, unit) = (self.text.clone(), self.metric.unit());
        Verdict { threshold, observed, unit, met, is_across_seeds: self.across.is_some() }
    }

    /// The step that this is about, if it is about one.
    pub fn step(&self) -> Option<usize> {
        self.metric.step()
    }

    fn parse(name: &str, (metric, across): Subject, condition: &str) -> Result<Self, String> {
        let condition = condition.trim();
        let Some((operator, bound)) =
            Comparison::ALL.iter().find_map(|(sign, operator)| Some((*operator, condition.strip_prefix(sign)?.trim())))
        else {
            return Err(format!("`{condition}` starts with no comparison"));
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let bound = match (metric.unit(), bound.strip_suffix('%')) {
            (Unit::Share, Some(percent)) => number(percent.trim()).map(|percent| percent / 100.0),
            (Unit::Seconds, None) => number(bound).or_else(|| Some(bound.parse::<Duration>().ok()?.as_secs_f64())),
            (Unit::Milliseconds, None) => {
                number(bound).or_else(|| Some(bound.parse::<Duration>().ok()?.as_secs_f64() * 1_000.0))
            }
            (Unit::Number | Unit::Share, None) => number(bound),
            (Unit::Number | Unit::Seconds | Unit::Milliseconds, Some(_)) => None,
        };
        let bound = bound.ok_or_else(|| format!("`{condition}` does not end in {}", metric.unit().wanted()))?;
        Ok(Self { text: format!("{name} {condition}"), metric, across, operator, bound })
    }
}

/// A metric, and which figure of the seeds.
type Subject = (Metric, Option<usize>);

/// What is wrong, and what to write instead.
type Refusal = (String, String);

/// What figures of one class can be about.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub classes: &'a [ClassSpec],
    pub newest: Revision,
}

/// `elb_502.count`, `elb_502{seeds=p95}.count`, `elb_5xx{step=3,seeds=max}.count`,
/// `target_5xx{class=partners,version=v2}.count`.
fn subject(name: &str, known: Known<'_>) -> Result<Subject, Refusal> {
    let unknown = || (format!("there is no metric `{name}`"), nearest_metric(name, known.classes));
    let Some((before, (labels, after))) = name.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?)))
    else {
        return Metric::parse(name).map(|metric| (metric, None)).ok_or_else(unknown);
    };
    let (mut across, mut class, mut versions) = (None, None, None);
    let mut others = Vec::new();
    for label in labels.split(',') {
        match label.trim().split_once('=') {
            Some(("seeds", figure)) => {
                let index = Spread::NAMES.iter().position(|known| *known == figure);
                let known = Spread::NAMES.join(", ");
                let refusal = || (format!("`{label}`: the figures of the seeds are {known}"), String::new());
                across = Some(index.ok_or_else(refusal)?);
            }
            Some(("class", name)) => class = Some(number_of(name, known.classes)?),
            Some(("version", name)) => versions = Some(versions_of(name, known.newest)?),
            _ => others.push(label.trim()),
        }
    }
    if let Some(class) = class.filter(|_| others.is_empty()) {
        let metric = ClassMetric::parse(&format!("{before}{after}"), versions).ok_or_else(unknown)?;
        return Ok((Metric::Class(class, metric), across));
    }
    if class.is_some() || versions.is_some() {
        return Err(unknown());
    }
    let rest = if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) };
    Metric::parse(&format!("{before}{rest}{after}")).map(|metric| (metric, across)).ok_or_else(unknown)
}

fn nearest_metric(name: &str, classes: &[ClassSpec]) -> String {
    // Of the class that is named; a figure of it may be any name's.
    let class = name.split_once("class=").and_then(|(_, rest)| rest.split([',', '}']).next()).unwrap_or("NAME");
    let of_class = |name: String| name.replace("NAME", class);
    let of_classes = if classes.is_empty() { vec![] } else { ClassMetric::names() };
    let known: Vec<_> = Metric::names().into_iter().chain(of_classes.into_iter().map(of_class)).collect();
    match nearest(name, &known.iter().map(String::as_str).collect::<Vec<_>>()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known metrics: {}, elb_5xx{{step=N}}.count", known.join(", ")),
    }
}

/// Of the class of this name.
fn number_of(name: &str, classes: &[ClassSpec]) -> Result<usize, Refusal> {
    let known: Vec<_> = classes.iter().map(|class| class.name.as_str()).collect();
    known.iter().position(|known| *known == name).ok_or_else(|| {
        let help = match (nearest(name, &known), classes) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => "the scenario has no classes of traffic".to_owned(),
            (None, [_, ..]) => format!("the classes are {}", known.join(", ")),
        };
        (format!("there is no class `{name}`"), help)
    })
}

fn versions_of(name: &str, newest: Revision) -> Result<Versions, Refusal> {
    match Versions::parse(name) {
        None => Err((format!("`version={name}`: a version is v1, v2, …, none or new"), String::new())),
        Some(Versions::One(number)) if number > newest.0 as usize => {
            let help = "each action `deploy` brings one more".to_owned();
            Err((format!("there is no {name}: the newest version of this release is v{}", newest.0), help))
        }
        Some(versions) => Ok(versions),
    }
}

/// What is asked of users whom nobody has.
fn without_users((metric, _): Subject, classes: &[ClassSpec]) -> Option<Refusal> {
    let Metric::Class(class, ClassMetric::Users(_)) = metric else { return None };
    let class = classes.get(class).filter(|class| class.users.is_none())?;
    let help = format!("write users = 1000 in the class `{}`", class.name);
    Some((format!("the class `{}` has no users", class.name), help))
}

/// `[thresholds]`.
pub fn read(root: &mut Reader<'_, '_>, known: Known<'_>) -> Vec<Threshold> {
    root.table("thresholds", "What the run must hold, in k6's grammar", |reader| {
        let mut thresholds = Vec::new();
        let entries: Vec<&Entry> = reader.others().collect();
        for entry in entries {
            reader.accept(&entry.key);
            let key = reader.key(&entry.key);
            read_entry((reader.pass, known), &key, (&entry.key, entry), &mut thresholds);
        }
        thresholds
    })
}

/// An unquoted `elb_502.count` is a table in TOML; it means the same.
fn read_entry(
    (pass, known): (&mut Pass, Known<'_>),
    key: &str,
    (name, entry): (&str, &Entry),
    thresholds: &mut Vec<Threshold>,
) {
    const NOTE: &str = "What the run must hold";
    if let Some(table) = entry.value.table() {
        for inner in &table.entries {
            let name = format!("{name}.{}", inner.key);
            read_entry((pass, known), &path::join(key, &inner.key), (&name, inner), thresholds);
        }
        return;
    }
    // A mistake in the users themselves has been told.
    let has_bad_classes = pass.problems.iter().any(|problem| path::is_within(&problem.key, "traffic.classes"));
    let told = subject(name, known).and_then(|subject| match without_users(subject, known.classes) {
        Some(refusal) if !has_bad_classes => Err(refusal),
        Some(_) | None => Ok(subject),
    });
    let subject = match told {
        Ok(subject) => subject,
        Err((message, help)) => return pass.error(key, entry.key_place.clone(), message, help),
    };
    let conditions = entry.value.array().unwrap_or(std::slice::from_ref(&entry.value));
    for node in conditions {
        match condition_text(node).and_then(|text| Threshold::parse(name, subject, &text)) {
            Ok(threshold) => thresholds.push(threshold),
            Err(message) => {
                let help = "write it like \"== 0\", \"< 0.01%\" or [\">= 50\", \"<= 700\"]";
                pass.error(key, node.place.clone(), message, help);
            }
        }
    }
    pass.parameter(key.to_owned(), entry.value.to_toml(), Some(&entry.value), NOTE);
}

fn condition_text(node: &Node) -> Result<String, String> {
    text_from("condition", node).map_err(|_| format!("a condition is a string, this is {}", node.kind_name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load::load;

    fn threshold(name: &str, condition: &str) -> Result<Threshold, String> {
        let known = Known { classes: &[], newest: Revision(2) };
        Threshold::parse(name, subject(name, known).map_err(|(message, _)| message)?, condition)
    }

    #[test]
    fn a_condition_reads_in_the_unit_of_its_metric() {
        for (name, condition, bound) in [
            ("elb_502.count", "== 0", 0.0),
            ("elb_5xx.rate", "< 0.01%", 0.0001),
            ("elb_5xx.rate", "<0.0001", 0.0001),
            ("rollout.duration_s", "<= 1m30s", 90.0),
            ("rollout.duration_s", "<= 90", 90.0),
            ("latency_ms.p99", "< 0.5s", 500.0),
            ("latency_ms.p99", "< 500", 500.0),
            ("connection_refused.count", ">= 7", 7.0),
            ("pods.extra_pod_seconds", "> -3.5", -3.5),
        ] {
            assert_eq!(threshold(name, condition).unwrap().bound, bound, "{name} {condition}");
        }
    }

    #[test]
    fn a_condition_without_sense_is_refused() {
        for (name, condition, message) in [
            ("elb_502.count", "0", "`0` starts with no comparison"),
            ("elb_502.count", "= 0", "`= 0` starts with no comparison"),
            ("elb_502.count", "== 5%", "`== 5%` does not end in a number"),
            ("elb_502.count", "== nan", "`== nan` does not end in a number"),
            ("pods.peak", "== 5s", "`== 5s` does not end in a number"),
            ("rollout.duration_s", "< 5x", "`< 5x` does not end in a duration like 90s"),
            ("elb_508.count", "== 0", "there is no metric `elb_508.count`"),
            ("elb_5xx{step=x}.count", "== 0", "there is no metric `elb_5xx{step=x}.count`"),
            ("elb_5xx{seeds=p97}.count", "== 0", "`seeds=p97`: the figures of the seeds are min, mean, p50, p95, max"),
            ("elb_508{seeds=max}.count", "== 0", "there is no metric `elb_508{seeds=max}.count`"),
            ("ok{class=web}.count", "== 0", "there is no class `web`"),
            ("ok{version=v2}.count", "== 0", "there is no metric `ok{version=v2}.count`"),
            ("ok{version=2}.count", "== 0", "`version=2`: a version is v1, v2, …, none or new"),
        ] {
            assert_eq!(threshold(name, condition).unwrap_err(), message);
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_what_to_write() {
        let text = "[traffic]\nrate = \"1/s\"\n[[traffic.classes]]\nname = \"partners\"\n[rollout]\n[rollout.strategy.canary]\n";
        let deploy = "[[actions]]\nat = \"9s\"\ndo = \"deploy\"\n";
        let told = |name: &str, text: &str| {
            let problems = load(&format!("{text}[thresholds]\n\"{name}\" = \"== 0\"\n"), "x", &[]);
            let problems = problems.map_or_else(|problems| problems, |_| vec![]);
            problems.into_iter().map(|problem| format!("{} ({})", problem.message, problem.help)).collect::<Vec<_>>()
        };
        for (name, expected) in [
            (
                "users{class=partners}.saw_both",
                "the class `partners` has no users (write users = 1000 in the class `partners`)",
            ),
            (
                "requests{class=partners,version=v3}.count",
                "there is no v3: the newest version of this release is v2 (each action `deploy` brings one more)",
            ),
            ("requests{class=partner}.count", "there is no class `partner` (did you mean `partners`?)"),
            ("requests{class=web}.count", "there is no class `web` (the classes are partners)"),
            (
                "request{class=partners}.count",
                "there is no metric `request{class=partners}.count` (did you mean `requests{class=partners}.count`?)",
            ),
        ] {
            assert_eq!(told(name, text), [expected]);
        }
        let third = told("requests{class=partners,version=v3}.count", &format!("{text}{deploy}"));
        assert_eq!(third, Vec::<String>::new());
    }

    #[test]
    fn a_threshold_on_a_step_knows_the_step() {
        assert_eq!(threshold("elb_5xx{step=12}.count", "== 0").unwrap().step(), Some(12));
        assert_eq!(threshold("elb_5xx.count", "== 0").unwrap().step(), None);
    }

    #[test]
    fn a_threshold_holds_for_each_seed_or_for_a_figure_of_them() {
        let seeds = [4.0, 0.0, 9.0, 1.0];
        for (name, condition, observed, met) in [
            ("elb_502.count", "<= 9", 9.0, true),
            ("elb_502.count", "< 9", 9.0, false),
            ("elb_502.count", ">= 1", 0.0, false),
            ("elb_502.count", "== 4", 9.0, false),
            ("elb_502.count", "!= 1", 1.0, false),
            ("elb_502{seeds=max}.count", "<= 9", 9.0, true),
            ("elb_502{seeds=p50}.count", "<= 1", 1.0, true),
            ("elb_502{seeds=mean}.count", "<= 3", 3.5, false),
            ("elb_5xx{step=2,seeds=min}.count", "== 0", 0.0, true),
        ] {
            let verdict = threshold(name, condition).unwrap().verdict(&seeds);
            assert_eq!((verdict.observed, verdict.met), (observed, met), "{name} {condition}");
        }
    }

    #[test]
    fn each_operator_does_what_it_says() {
        for (operator, below, equal, above) in [
            ("==", false, true, false),
            ("!=", true, false, true),
            ("<", true, false, false),
            ("<=", true, true, false),
            (">", false, false, true),
            (">=", false, true, true),
        ] {
            let operator = threshold("pods.peak", &format!("{operator} 5")).unwrap().operator;
            assert_eq!([4.0, 5.0, 6.0].map(|observed| operator.holds(observed, 5.0)), [below, equal, above]);
        }
    }
}
