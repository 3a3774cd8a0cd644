//! What Argo CD wrote over, where requests failed for it.

use super::super::{data_plane, time};
use super::mechanism::{canary_weight, capitalised};
use super::story::Story;
use crate::run::LogEntry;
use crate::units::counted;

impl Story<'_> {
    /// The rule by which requests failed carried git's weights, not those of the Rollouts controller. Each repair was
    /// written over again, or came too late.
    pub(super) fn weights_of_git(&self) -> Option<String> {
        let rule = self.before_the_start(|entry| entry.event == "RuleEffective")?;
        let is_of_rule = |entry: &LogEntry| entry.detail == rule.detail && entry.at <= rule.at;
        let last = |event: &str| {
            let mut entries = self.run.events.iter().rev();
            entries.find(|entry| entry.event == event && is_of_rule(entry)).map(|entry| entry.at)
        };
        // What the controller has asked for itself since then is its own doing.
        let written =
            last("OverwriteWeight").filter(|written| last("SetWeight").is_none_or(|asked| asked < *written))?;
        let began = self.run.events.iter().rfind(|entry| entry.event == "StepStarted" && entry.at <= written);
        let since = began.map_or(written, |entry| entry.at);
        let is_overwriting = |entry: &&LogEntry| {
            entry.event == "OverwriteWeight" && entry.detail == rule.detail && (since..=self.over()).contains(&entry.at)
        };
        let times: Vec<_> = self.run.events.iter().filter(is_overwriting).map(|entry| entry.at).collect();
        let first = times.first()?;
        let asked = self.run.events.iter().rfind(|entry| entry.event == "SetWeight" && entry.at <= written);
        let own = asked.map_or_else(String::new, |asked| format!(", over weight {}", canary_weight(&asked.detail)));
        let when = match times.len() {
            1 => format!("at t = {}", time(self.run, *first)),
            count => format!("{}, at t = {} first", counted(count as u64, "time"), time(self.run, *first)),
        };
        Some(format!(
            "{}, Argo CD wrote the weights that stand in git, {}{own}, {when}, and {} routed by them: requests failed in \
             {} of that. {}, {}.",
            self.place.name,
            rule.detail,
            data_plane(self.loaded),
            counted(self.failing_seconds(), "second"),
            capitalised(&self.when(None)),
            self.failed(),
        ))
    }

    /// Argo CD wrote the object without the action to which the rule leads.
    pub(super) fn written_without_action(&self) -> Option<String> {
        let is_object = |entry: &LogEntry| {
            entry.component == "argo-cd"
                && ["Applied", "Created"].contains(&entry.event)
                && entry.object.starts_with("Ingress")
        };
        let applied = self.before_the_start(is_object)?;
        Some(format!(
            "Argo CD had written the Ingress as it stands in git, without that action, at t = {}",
            time(self.run, applied.at)
        ))
    }

    /// Argo CD deleted the object of which the rules were made, or one of them.
    pub(super) fn pruned(&self) -> Option<String> {
        let pruned = self.before_the_start(|entry| entry.component == "argo-cd" && entry.event == "Pruned")?;
        Some(format!("as Argo CD had pruned {} at t = {}", pruned.object, time(self.run, pruned.at)))
    }
}
