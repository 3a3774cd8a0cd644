//! The report on the terminal, in about 25 lines.
//!
//! Colours are written as ANSI sequences; whoever prints to something else strips them.

use super::classes::table as classes;
use super::rollback;
use super::sparkline::sparkline;
use super::step_table::step_table;
use super::summary::assumed;
use super::terminal::{BAD, GOOD, INDENT, QUIET, TITLE, fit, paint, paragraph, words};
use super::{
    Verdict, abort_reason, counted, grouped, grouped_decimal, millis, percent, second_of_row, seconds, time, why,
};
use crate::model::outcome::Cause;
use crate::model::traffic::Arrivals;
use crate::run::{Mirrored, Requests, RolloutOutcome, Run};
use crate::scenario::manifests::A_LOOK;
use crate::scenario::manifests::ignored::{Ignored, Reason};
use crate::scenario::{Loaded, Origin, Parameter};
use crate::units::Duration;

/// What decides most about failed requests. The first five that a scenario has are shown.
const ASSUMPTIONS_SHOWN: usize = 5;
const ASSUMPTIONS: [&str; 7] = [
    "load_balancer_controller.rule_lag",
    "rollouts_controller.reconcile_delay",
    "load_balancer.empty_target_group",
    "load_balancer.deregistration",
    "application.on_sigterm",
    "application.startup_time",
    "load_balancer_controller.target_lag",
];

/// No line is wider than `width`, from 80 columns on.
pub fn render(loaded: &Loaded, run: &Run, verdicts: &[Verdict], width: usize) -> String {
    let width = width.clamp(80, 140);
    let mut lines = header(loaded, run, width);
    lines.push(String::new());
    lines.extend(step_table(run, width));
    lines.push(String::new());
    lines.extend(sparkline(run, width));
    lines.extend(cause_table(run, width));
    lines.extend(classes::table(loaded, run, width));
    lines.extend(figures(loaded, run));
    lines.extend(verdicts.iter().map(|verdict| verdict_line(verdict, width)));
    lines.push(String::new());
    if let Some(waits_for) = &run.waits_for {
        lines.extend(paragraph("waits for", &words(waits_for), " ", width));
    }
    if let Some(reason) = abort_reason(run) {
        lines.extend(paragraph("aborted", &words(&reason), " ", width));
    }
    lines.extend(paragraph("why", &words(&why::explain(loaded, run)), " ", width));
    for (number, sentence) in classes::sentences(loaded, run).iter().enumerate() {
        lines.extend(paragraph(if number == 0 { "who" } else { "" }, &words(sentence), " ", width));
    }
    for (name, text) in rollback::text::paragraphs(loaded, run) {
        lines.extend(paragraph(name, &words(&text), " ", width));
    }
    lines.extend(assumptions(loaded, width));
    lines.extend(ignored(&loaded.ignored, width));
    lines.push(String::new());
    lines.join("\n")
}

fn header(loaded: &Loaded, run: &Run, width: usize) -> Vec<String> {
    let scenario = &loaded.scenario;
    let requests = &run.requests;
    let arrivals = match &scenario.traffic.arrivals {
        Arrivals::Poisson => "Poisson",
        Arrivals::Uniform => "evenly spread",
        Arrivals::Recorded { .. } => "replayed",
    };
    let arrivals = match scenario.traffic.classes.len() {
        0 => arrivals.to_owned(),
        1 => format!("{arrivals}, in one class"),
        count => format!("{arrivals}, in {count} classes"),
    };
    // A rate that would print as 0 is shown as the scenario writes it.
    let (lowest, peak) = (scenario.traffic.lowest_rate_per_second(), scenario.traffic.peak_rate_per_second());
    let rate = match scenario.traffic.only_rate() {
        Some(rate) if peak < 0.1 => rate.to_string(),
        Some(_) | None if lowest < peak => {
            format!("{} to {} requests/s", grouped_decimal(lowest, 2), grouped_decimal(peak, 2))
        }
        Some(_) | None => format!("{} requests/s", grouped_decimal(peak, 2)),
    };
    let ending = match run.rollout.outcome {
        RolloutOutcome::Paused | RolloutOutcome::Running => format!("still {}", run.rollout.outcome.name()),
        RolloutOutcome::Promoted | RolloutOutcome::Aborted | RolloutOutcome::Degraded => {
            run.rollout.outcome.name().into()
        }
    };
    let failed = requests.elb_5xx();
    let share = if requests.total == 0 { 0.0 } else { failed as f64 / requests.total as f64 };
    let verdict = if failed == 0 {
        paint(GOOD, "no ELB 5xx")
    } else {
        let (x502, x503, x504) = (grouped(requests.elb_502), grouped(requests.elb_503), grouped(requests.elb_504));
        let sum = paint(BAD, format!("{} ELB 5xx ({})", grouped(failed), percent(share)));
        format!("{sum} = {x502} × 502, {x503} × 503, {x504} × 504")
    };
    // The program's own answers: only a version that is said to be bad gives them.
    let own = match requests.target_5xx {
        0 => None,
        count => Some(paint(
            BAD,
            format!("{} target 5xx ({})", grouped(count), percent(count as f64 / requests.total as f64)),
        )),
    };
    let columns = |text: &str| anstream::adapter::strip_str(text).to_string().chars().count();
    let total = format!("{}: {verdict}", counted(requests.total, "request"));
    let total = if columns(&total) <= width { total } else { total.replacen(": ", ":\n", 1) };
    let mut head = vec![
        paint(TITLE, fit(&scenario.title, width)),
        fit(&format!("scenario {}, seed {}, fingerprint {:016x}", scenario.name, run.seed, run.fingerprint), width),
        fit(
            &format!(
                "{rate} ({arrivals}), {} simulated, {}, {ending} after {}",
                whole_seconds(run.end.saturating_since(crate::units::Instant::START)),
                counted(scenario.workload.replicas().into(), "replica"),
                whole_seconds(run.rollout.duration),
            ),
            width,
        ),
        total,
    ];
    head.extend(own);
    // Without such a request there is nothing to say of rules.
    head.extend((requests.elb_404 > 0).then(|| paint(BAD, unrouted(requests))));
    head
}

/// `1,204 requests got 404 (2.1 %): no rule of the listener took them`.
fn unrouted(requests: &Requests) -> String {
    let share = percent(requests.elb_404 as f64 / requests.total as f64);
    format!("{} got 404 ({share}): no rule of the listener took them", counted(requests.elb_404, "request"))
}

fn whole_seconds(duration: Duration) -> String {
    format!("{} s", grouped_decimal(duration.as_secs_f64(), 0))
}

fn cause_table(run: &Run, width: usize) -> Vec<String> {
    let mut struck: Vec<_> = Cause::ALL.into_iter().filter(|cause| run.causes[cause.index()].count > 0).collect();
    if struck.is_empty() {
        return Vec::new();
    }
    struck.sort_by_key(|cause| std::cmp::Reverse(run.causes[cause.index()].count));
    let described = width >= 118;
    let describe = |text: &str| if described { format!("  {text}") } else { String::new() };
    let head = format!("{:<34}{:>10}{:>12}{:>12}{}", "cause", "requests", "first", "last", describe("meaning"));
    let row = |cause: &Cause| {
        let count = &run.causes[cause.index()];
        let at = |instant: Option<_>| instant.map_or_else(|| "–".into(), |instant| time(run, instant));
        let name = format!("{} {}", cause.elb_status_code(), cause.name());
        let figures = format!("{:>10}{:>12}{:>12}", grouped(count.count), at(count.first), at(count.last));
        format!("{name:<34}{figures}{}", describe(cause.description()))
    };
    std::iter::once(paint(QUIET, head)).chain(struck.iter().map(row)).collect()
}

fn figures(loaded: &Loaded, run: &Run) -> Vec<String> {
    let line = |name: &str, text: String| format!("{name:<INDENT$}{text}");
    let mut lines = Vec::new();
    if let Some(worst) = run.worst_ten_seconds() {
        let start = second_of_row(run, worst.first);
        let until = start + 10;
        lines.push(line(
            "worst 10 s",
            format!("t = {} to {}: {} of the requests failed", seconds(start), seconds(until), percent(worst.share())),
        ));
    }
    let extra = run.pods.extra_pod_seconds();
    lines.push(line(
        "pods",
        format!(
            "peak {} (steady {}), {}{} pod-seconds ({} pod-hours) over steady",
            grouped(run.pods.peak.into()),
            grouped(loaded.scenario.workload.replicas().into()),
            if extra > 0.0 { "+" } else { "" },
            grouped_decimal(extra, 0),
            grouped_decimal(extra / 3600.0, if extra.abs() < 36.0 { 3 } else { 2 }),
        ),
    ));
    let latency = &run.latency;
    let latency = match run.requests.ok {
        0 => "no request was answered".into(),
        _ => format!("p50 {}, p99 {}, max {}", millis(latency.p50), millis(latency.p99), millis(latency.max)),
    };
    lines.push(line("latency", latency));
    if run.mirrored.requests > 0 {
        lines.push(line("mirrored", mirrored(&run.mirrored)));
    }
    lines
}

/// The copies count nowhere else.
fn mirrored(copies: &Mirrored) -> String {
    let Mirrored { requests, target_5xx, lost } = *copies;
    let mut text = format!("{}, whose answers nobody saw", counted(requests, "request"));
    for (count, what) in [(target_5xx, "target 5xx"), (lost, "lost")] {
        if count > 0 {
            text.push_str(&format!("; {} {what}", grouped(count)));
        }
    }
    text
}

/// Seconds since the release.
fn verdict_line(verdict: &Verdict, width: usize) -> String {
    let text = fit(&format!("{}: {}", verdict.threshold, super::observed(verdict)), width - 2);
    if verdict.met { paint(GOOD, format!("✓ {text}")) } else { paint(BAD, format!("✗ {text}")) }
}

fn assumptions(loaded: &Loaded, width: usize) -> Vec<String> {
    let find = |key: &&str| assumed(loaded).find(|parameter| parameter.key == **key);
    let shown: Vec<_> = ASSUMPTIONS.iter().filter_map(find).take(ASSUMPTIONS_SHOWN).collect();
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let value = |value: &str| value.replace('"', "").replace(" = ", " ").replace("{ ", "{").replace(" }", "}");
    // Where no scenario says it, the load is the first thing to ask for.
    let rate = assumed(loaded).find(|parameter| parameter.key == "traffic.rate" && parameter.origin == Origin::Default);
    let shown: Vec<_> = rate.into_iter().chain(shown).collect();
    let mut words: Vec<_> =
        shown.iter().map(|parameter| format!("{} {}", name(&parameter.key), value(&parameter.value))).collect();
    let is_promoted = |parameter: &Parameter| parameter.key == "actions" && parameter.origin == Origin::Manifest;
    if loaded.parameters.iter().any(is_promoted) {
        words.insert(0, format!("a person promotes {A_LOOK} after a pause without an end begins"));
    }
    let more = assumed(loaded).count() - shown.len();
    words.push(format!("{more} more in summary.json"));
    paragraph("assumed", &words, ", ", width)
}

/// What of the manifests could change the answer, and has no part in it.
pub(super) fn ignored(ignored: &[Ignored], width: usize) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for ignored in ignored.iter().filter(|ignored| ignored.reason == Reason::NotSimulated) {
        let word = match ignored.consequence() {
            Some(consequence) => format!("{} ({consequence})", ignored.name()),
            None => ignored.name().to_owned(),
        };
        // Of ten steps with the same field one tells it all.
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() { Vec::new() } else { paragraph("ignored", &words, ", ", width) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::classes::sample::exposed;
    use crate::report::sample;
    use crate::run::StepRecord;
    use crate::scenario::metric::Unit;

    fn verdicts() -> [Verdict; 2] {
        let verdict = |threshold: &str, observed: f64, met, unit| Verdict {
            threshold: threshold.into(),
            observed,
            unit,
            met,
            is_across_seeds: false,
        };
        [
            verdict("elb_502.count == 0", 1750.0, false, Unit::Number),
            verdict("errors.share_while_failing <= 30%", 0.16, true, Unit::Share),
        ]
    }

    fn plain(run: &Run, width: usize) -> String {
        strip(&render(&sample::loaded(), run, &verdicts(), width))
    }

    fn strip(text: &str) -> String {
        let mut plain = String::new();
        let mut escaped = false;
        for c in text.chars() {
            match (escaped, c) {
                (false, '\u{1b}') => escaped = true,
                (true, 'm') => escaped = false,
                (false, _) => plain.push(c),
                (true, _) => {}
            }
        }
        plain
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut long = sample::incident();
        long.rollout.elb_5xx_after_last_step = 12_345_678;
        long.requests.elb_502 += 12_345_678;
        long.causes = [long.causes[0]; Cause::ALL.len()];
        for step in &mut long.steps {
            step.step = format!("{} and a very long name", step.step);
        }
        let loaded = sample::loaded();
        let runs = [sample::incident(), sample::quiet(), long].map(|run| (loaded.clone(), run));
        for (loaded, run) in runs.iter().chain([&exposed()]) {
            for width in [80, 100, 120, 200] {
                let text = strip(&render(loaded, run, &verdicts(), width));
                let widest = text.lines().map(|line| line.chars().count()).max();
                assert!(widest <= Some(width), "{widest:?} columns of {width}:\n{text}");
            }
        }
    }

    #[test]
    fn the_report_tells_the_incident() {
        let text = plain(&sample::incident(), 80);
        for part in [
            "Ten pods, and a rule that arrives 70 s late\n",
            "scenario web-incident, seed 1, fingerprint 0123456789abcdef\n",
            "150,000 requests: 1,750 ELB 5xx (1.17 %) = 1,750 × 502, 0 × 503, 0 × 504\n",
            "setWeight 100 + pause 60s",
            " 420 s   100 %  490 s (+70 s)    0/10    1,500\n",
            "ELB 5xx per second, highest 25 requests/s\n",
            "502 connection_refused",
            "     1,750     420.3 s       490 s\n",
            "t = 420 s to 430 s: 10 % of the requests failed\n",
            "peak 13 (steady 10), +512 pod-seconds (0.14 pod-hours) over steady\n",
            "p50 40 ms, p99 400.1 ms, max 2,310 ms\n",
            "✗ elb_502.count == 0: 1,750\n",
            "✓ errors.share_while_failing <= 30%: 16 %\n",
            "why        At setWeight 100 (t = 420 s)",
            "rule_lag 1m10s, reconcile_delay {min 50ms, max 150ms},\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        assert!(text.lines().count() <= 36, "{} lines", text.lines().count());
    }

    #[test]
    fn a_weight_that_never_reached_the_load_balancer_is_said() {
        let mut run = sample::incident();
        run.steps[11].weight_effective = None;
        run.steps[12].started = None;
        let text = plain(&run, 80);
        let row = text.lines().find(|line| line.contains("setWeight 100")).expect("the row");
        assert!(row.contains("never"), "{row}");
    }

    #[test]
    fn what_was_never_started_has_no_pods_and_columns_never_touch() {
        let mut run = sample::incident();
        run.steps[11].weight_effective = run.steps[11].weight_asked.map(|at| at + Duration::millis(16_200));
        for step in &mut run.steps {
            (step.stable_pods, step.canary_pods) = (1_750, 250);
        }
        let never = StepRecord { index: 13, step: "setWeight 50".into(), started: None, ..run.steps[12].clone() };
        run.steps.push(StepRecord { elb_5xx: 0, ..never });
        for width in [80, 120] {
            let text = plain(&run, width);
            let row = |number: &str| text.lines().find(|line| line.trim_start().starts_with(number)).expect("a row");
            let cells = |number| row(number).split_whitespace().rev().take(2).collect::<Vec<_>>();
            assert_eq!(cells("11–12"), ["1,500", "1,750/250"], "{text}");
            assert_eq!(cells("13 "), ["0", "–"], "{text}");
            assert!(row("11–12").contains("(+16.2 s) "), "{text}");
        }
    }

    #[test]
    fn one_bad_second_of_a_day_stays_visible() {
        let mut run = sample::quiet();
        run.seconds = vec![run.seconds[0]; 86_400];
        for second in [20, 43_200, 86_380] {
            run.seconds[second].elb_503 = 1;
        }
        let lines = sparkline(&run, 80);
        let line = strip(&lines[1]);
        assert_eq!((line.chars().count(), line.chars().filter(|c| *c == '█').count()), (80, 3));
        assert_eq!(line.chars().nth(40), Some('█'));
    }

    #[test]
    fn a_quiet_run_has_no_list_of_causes() {
        let text = plain(&sample::quiet(), 80);
        assert!(text.contains("ELB 5xx per second: none\n") && text.contains("No request failed"), "{text}");
        assert!(!text.contains("cause  ") && !text.contains("worst"), "{text}");
    }
}
