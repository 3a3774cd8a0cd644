//! `[monitoring]`, and the conditions on what it shows: `elb_5xx.rate > 1%`, `canary.latency_ms.p99 > 800`.

use super::nearest::nearest;
use super::reader::Reader;
use crate::model::comparison::Comparison;
use crate::model::metrics::{Condition, Of, Query, Series};
use crate::units::Duration;

/// How monitoring looks at the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitoringSpec {
    /// Figures are over so much of the past.
    pub window: Duration,
    /// The newest sample is so old.
    pub scrape_lag: Duration,
    /// Conditions are looked at so often.
    pub evaluation_interval: Duration,
}

impl Default for MonitoringSpec {
    fn default() -> Self {
        Self { window: Duration::secs(60), scrape_lag: Duration::secs(15), evaluation_interval: Duration::secs(15) }
    }
}

/// Nobody's assumption, unless somebody looks.
pub fn read(root: &mut Reader<'_, '_>, somebody_looks: bool) -> MonitoringSpec {
    if !somebody_looks && !root.has("monitoring") && !root.writes_schema() {
        return MonitoringSpec::default();
    }
    root.table("monitoring", "What people and analyses look at", |reader| {
        let default = MonitoringSpec::default();
        let mut seconds = |name, least, default: Duration, note| {
            let range = Duration::secs(least)..=Duration::secs(86_400);
            reader.whole_seconds(name, range, Some(default), note).unwrap_or(default)
        };
        MonitoringSpec {
            window: seconds(
                "window",
                1,
                default.window,
                "Rates and response times are over so much of the past. Assumption: one minute, as dashboards have it",
            ),
            scrape_lag: seconds(
                "scrape_lag",
                0,
                default.scrape_lag,
                "The newest sample is so old. Assumption: 15 s, a usual scrape interval",
            ),
            evaluation_interval: seconds(
                "evaluation_interval",
                1,
                default.evaluation_interval,
                "Conditions of people are looked at so often. Assumption: 15 s, a usual evaluation interval of alerts",
            ),
        }
    })
}

const HELP: &str = "write a figure, a comparison and a bound: elb_5xx.rate > 1%, canary.latency_ms.p99 > 800";

/// `success.rate`, `canary.error.rate`, `stable.latency_ms.p99`.
pub fn query(text: &str, monitoring: MonitoringSpec) -> Result<Query, (String, String)> {
    let (of, series) = match text.split_once('.') {
        Some(("canary", rest)) => (Of::Canary, rest),
        Some(("stable", rest)) => (Of::Stable, rest),
        Some(_) | None => (Of::Service, text),
    };
    let Some((_, series)) = Series::ALL.iter().find(|(name, _)| *name == series) else {
        let names = Series::ALL.map(|(name, _)| name);
        let known = format!("known: {}, each also of `canary.` or `stable.`", names.join(", "));
        let help = nearest(series, &names).map_or(known.clone(), |near| format!("did you mean `{near}`? {known}"));
        return Err((format!("monitoring has no figure `{text}`"), help));
    };
    let MonitoringSpec { window, scrape_lag, .. } = monitoring;
    Ok(Query { series: *series, of, window, scrape_lag })
}

pub fn condition(text: &str, monitoring: MonitoringSpec) -> Result<Condition, (String, String)> {
    let refuse = |message: String| (message, HELP.to_owned());
    let parts = Comparison::ALL.iter().find_map(|(sign, comparison)| Some((text.split_once(sign)?, *comparison)));
    let Some(((figure, bound), comparison)) = parts else {
        return Err(refuse(format!("`{text}` has no comparison")));
    };
    let query = query(figure.trim(), monitoring)?;
    let bound = bound.trim();
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let is_share = query.series.is_share();
    let fits = |value: &f64| !is_share || (0.0..=1.0).contains(value);
    let value = match bound.strip_suffix('%') {
        Some(percent) if query.series.is_share() => number(percent).map(|percent| percent / 100.0),
        Some(_) => None,
        None => number(bound),
    };
    let unit = if is_share { "a share from 0% to 100%, as 1% or 0.01" } else { "a number of milliseconds" };
    let bound = value.filter(fits).ok_or_else(|| refuse(format!("`{bound}` is not {unit}")))?;
    Ok(Condition { query, comparison, bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_figure_a_comparison_and_a_bound() {
        let parse = |text| condition(text, MonitoringSpec::default());
        let rate = parse("elb_5xx.rate > 1%").unwrap();
        assert_eq!((rate.query.series, rate.query.of), (Series::Elb5xx, Of::Service));
        assert_eq!((rate.comparison, rate.bound), (Comparison::Greater, 0.01));
        let latency = parse("canary.latency_ms.p99>=800").unwrap();
        assert_eq!((latency.query.series, latency.query.of), (Series::LatencyMs(990), Of::Canary));
        assert_eq!((latency.comparison, latency.bound), (Comparison::AtLeast, 800.0));
    }

    #[test]
    fn a_condition_that_says_nothing_is_refused_with_what_to_write() {
        let message = |text| condition(text, MonitoringSpec::default()).unwrap_err();
        assert_eq!(message("elb_5xx.rate").0, "`elb_5xx.rate` has no comparison");
        assert_eq!(message("elb_5x.rate > 1%").0, "monitoring has no figure `elb_5x.rate`");
        assert!(message("elb_5x.rate > 1%").1.starts_with("did you mean `elb_5xx.rate`?"));
        assert_eq!(message("elb_5xx.rate > much").0, "`much` is not a share from 0% to 100%, as 1% or 0.01");
        assert_eq!(message("latency_ms.p99 > 5%").0, "`5%` is not a number of milliseconds");
    }
}
