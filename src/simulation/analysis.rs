//! Who tells whom about AnalysisRuns: the controller that wants one, monitoring that answers.

use super::Simulation;
use super::event::Event;
use crate::model::analysis::condition::Value;
use crate::model::analysis::{AnalysisRun, Effect, Input};
use crate::model::metrics::Query;
use crate::model::rollout;
use crate::model::rollout::analysis::{Kind, Templates};
use crate::units::Instant;

/// A run that measures, and what each of its metrics asks monitoring for.
pub struct Measuring {
    name: String,
    run: AnalysisRun,
    queries: Vec<Query>,
}

impl Simulation<'_> {
    pub(super) fn start_analysis(&mut self, now: Instant, (number, kind): (u32, Kind), templates: &Templates) {
        let known = &self.scenario.analysis_templates;
        let metrics = templates.iter().flat_map(|name| {
            let template = known.iter().find(|template| template.name == *name);
            &template.expect("a checked scenario names templates that it has").metrics
        });
        let (metrics, queries) = metrics.cloned().unzip();
        let name = format!("run {number}");
        self.log(now, "analysis", "Started", &name, format!("{}: {}", kind.name(), templates.join(", ")));
        self.analysis_runs.insert(number, Measuring { name, run: AnalysisRun::new(metrics), queries });
        self.tell_analysis(now, number, Input::Started);
    }

    pub(super) fn tell_analysis(&mut self, now: Instant, number: u32, input: Input) {
        let measuring = self.analysis_runs.get_mut(&number).expect("runs are kept");
        let name = measuring.name.clone();
        for effect in measuring.run.handle(now, input) {
            match effect {
                Effect::WakeAt(at) => self.queue.schedule(at.max(now), Event::MeasureDue(number)),
                Effect::Measure(metric) => self.measure(now, number, metric),
                Effect::Finished(phase, message) => {
                    let detail =
                        if message.is_empty() { format!("{phase:?}") } else { format!("{phase:?}: {message}") };
                    self.log(now, "analysis", "Finished", &name, detail);
                    let heard = rollout::Input::AnalysisRun(number, phase, message);
                    self.queue.schedule(now, Event::Rollout(heard));
                }
            }
        }
    }

    fn measure(&mut self, now: Instant, number: u32, metric: usize) {
        let measuring = &self.analysis_runs[&number];
        let value = self.tally.metrics().value(measuring.queries[metric], now, self.versions());
        let (name, metric_name) = (measuring.name.clone(), measuring.run.metrics()[metric].name.clone());
        let shown = value.map_or("nothing".to_owned(), |value| format!("{value:.4}"));
        self.log(now, "analysis", "Measured", name, format!("{metric_name} {shown}"));
        self.tell_analysis(now, number, Input::Measured(metric, value.map_or(Value::Empty, Value::Number)));
    }
}
