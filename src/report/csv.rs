//! `timeline.csv` and `events.csv`, written row by row: memory does not grow with the run. And `arrivals.csv`.

use super::{decimal, millis_since_release, second_of_row, weight_effective, weight_requested};
use crate::model::traffic::recording::Recording;
use crate::run::{Run, Second};
use crate::scenario::recording::seconds;
use std::io::Write;

/// The first line of `timeline.csv`. Further columns go to the right.
const TIMELINE: [&str; 16] = [
    "time_s",
    "requests",
    "ok",
    "elb_502",
    "elb_503",
    "elb_504",
    "target_5xx",
    "weight_requested",
    "weight_effective",
    "stable_serving",
    "canary_serving",
    "terminating",
    "pods_total",
    "latency_ms_p50",
    "latency_ms_p99",
    "elb_404",
];

/// One row per simulated second. The latency cells of a second in which no target answered are empty.
pub fn timeline(run: &Run, to: impl Write) -> ::csv::Result<()> {
    let mut csv = ::csv::Writer::from_writer(to);
    csv.write_record(TIMELINE)?;
    for (row, second) in run.seconds.iter().enumerate() {
        csv.write_record([
            second_of_row(run, row).to_string(),
            second.requests.to_string(),
            second.ok.to_string(),
            second.elb_502.to_string(),
            second.elb_503.to_string(),
            second.elb_504.to_string(),
            second.target_5xx.to_string(),
            decimal(weight_requested(second), 2),
            decimal(weight_effective(run, second), 2),
            second.stable_serving.to_string(),
            second.canary_serving.to_string(),
            second.terminating.to_string(),
            second.pods_total.to_string(),
            latency_cell(second, second.latency_p50_us),
            latency_cell(second, second.latency_p99_us),
            second.elb_404.to_string(),
        ])?;
    }
    csv.flush()?;
    Ok(())
}

/// Milliseconds.
fn latency_cell(second: &Second, micros: u32) -> String {
    if second.latency_p99_us == 0 { String::new() } else { decimal(f64::from(micros) / 1e3, 3) }
}

/// One row per event of the control plane.
pub fn events(run: &Run, to: impl Write) -> ::csv::Result<()> {
    let mut csv = ::csv::Writer::from_writer(to);
    csv.write_record(["time_s", "component", "event", "object", "detail"])?;
    for entry in &run.events {
        let time = format!("{:.3}", millis_since_release(run, entry.at) as f64 / 1e3);
        csv.write_record([time.as_str(), entry.component, entry.event, &entry.object, &entry.detail])?;
    }
    csv.flush()?;
    Ok(())
}

/// The arrivals that a run replayed: it can be run again from its folder. Users have numbers for names.
pub fn arrivals(recording: &Recording) -> String {
    let has_classes = recording.classes.iter().any(|class| class.name.is_some());
    let columns = [("time_s", true), ("class", has_classes), ("user", recording.has_users)];
    let header: Vec<_> = columns.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect();
    let mut text = format!("{}\n", header.join(","));
    for request in &recording.requests {
        text.push_str(&seconds(request.since_release));
        if let Some(name) = recording.classes.get(usize::from(request.class)).and_then(|class| class.name.as_ref()) {
            // A class's name has neither commas nor quotes.
            text.push(',');
            text.push_str(name);
        }
        if recording.has_users {
            text.push_str(&format!(",{}", request.user));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::units::Instant;

    fn lines(write: impl FnOnce(&mut Vec<u8>) -> ::csv::Result<()>) -> Vec<String> {
        let mut bytes = Vec::new();
        write(&mut bytes).expect("a vector takes everything");
        String::from_utf8(bytes).expect("text").lines().map(String::from).collect()
    }

    #[test]
    fn the_timeline_has_one_row_per_second_from_the_start_of_the_warm_up() {
        let mut run = sample::incident();
        run.nodes = 3;
        run.seconds[1].weight_effective_sum = 10_000;
        run.seconds[2].latency_p50_us = 0;
        run.seconds[2].latency_p99_us = 0;
        (run.seconds[2].ok, run.seconds[2].elb_404) = (240, 10);
        let lines = lines(|to| timeline(&run, to));
        assert_eq!(lines.len(), 1 + run.seconds.len());
        assert_eq!(lines[0], TIMELINE.join(","));
        assert_eq!(lines[1], "-60,250,250,0,0,0,0,0,0,10,0,0,10,40,400.123,0");
        assert_eq!(lines[2], "-59,250,250,0,0,0,0,0,33.33,10,0,0,10,40,400.123,0");
        assert_eq!(lines[3], "-58,250,240,0,0,0,0,0,0,10,0,0,10,,,10");
        assert!(lines[1 + 60 + 430].starts_with("430,250,225,25,0,0,0,100,"), "{}", lines[491]);
    }

    #[test]
    fn events_carry_milliseconds_and_quote_what_needs_it() {
        let mut run = sample::incident();
        run.events.truncate(2);
        run.events[0].at = Instant::from_nanos(59_998_500_000);
        run.events[1].detail = "a, b".into();
        let lines = lines(|to| events(&run, to));
        assert_eq!(lines[0], "time_s,component,event,object,detail");
        assert_eq!(lines[1], "-0.001,rollouts-controller,StepStarted,step 0,setCanaryScale weight 20");
        assert!(lines[2].ends_with(",\"a, b\""), "{}", lines[2]);
    }
}
