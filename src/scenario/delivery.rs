//! `[pipeline]` and `[promotion]`: how an image comes into the manifest repository, and who of the people needs what.

use super::Scenario;
use super::document::{Node, Table};
use super::entry::{self, Entry};
use super::pass::Pass;
use super::quoted::quoted;
use super::reader::Reader;
use super::value::{distribution_from, number_from, text_from};
use crate::model::people::Verb;
use crate::model::pipeline::{OtherJobs, PipelineSpec, StageSpec};
use crate::model::promotion::{OnTimeout, PromotionSpec};
use crate::random::{Distribution, Tail};
use crate::units::Duration;
use serde_json::{Value, json};

/// A section that says nothing without `[argo_cd]`.
pub fn refuse_without_argo_cd(root: &mut Reader<'_, '_>, name: &'static str) {
    if let Some(node) = root.take(name, || json!({}), "Only next to [argo_cd]") {
        let message = format!("`{name}` needs [argo_cd]: nobody else brings a commit into the cluster");
        root.pass.error(name, node.place.clone(), message, NEEDS_ARGO_CD);
    }
}

const NEEDS_ARGO_CD: &str = "write [argo_cd.application.spec.syncPolicy] with automated = { selfHeal = true }";

pub fn pipeline(root: &mut Reader<'_, '_>) -> Option<PipelineSpec> {
    root.optional_table("pipeline", "The delivery pipeline: from code to a commit of its image", |reader| {
        let executors = reader.count(
            "executors",
            1..=10_000,
            2,
            "Stages that the CI server works on at once; more wait, first come, first served. Jenkins, `numExecutors` of its \
             built-in node: 2",
        );
        let other_jobs = other_jobs(reader);
        let retries =
            reader.count("retries", 0..=10, 0, "So often a stage that failed is tried again. Jenkins: no `retry` unless set");
        let stages = stages(reader);
        PipelineSpec { executors, other_jobs, retries, stages }
    })
}

fn other_jobs(reader: &mut Reader<'_, '_>) -> Option<OtherJobs> {
    const NOTE: &str = "Jobs of other teams, which hold executors: { rate = \"6/h\", duration }. They come at random from the \
                        start of the run on, which finds all executors free; none unless set";
    let schema = || {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["rate", "duration"],
            "properties": {
                "rate": { "type": "string", "description": "So many come", "examples": ["6/h"] },
                "duration": delay("So long each of them holds an executor"),
            },
        })
    };
    let node = reader.take("other_jobs", schema, NOTE)?;
    let key = reader.key("other_jobs");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    let mut entry = Entry::new(reader.pass, key, node);
    entry.requires("rate", "write rate = \"6/h\"");
    entry.requires("duration", "write duration = \"5m\"");
    let rate = entry.read("rate", |node| {
        let text = text_from("rate", node)?;
        text.parse().map_err(|_| (format!("`{text}` is no rate of jobs"), "write rate = \"6/h\"".to_owned()))
    });
    let duration = entry.read("duration", distribution_from);
    entry.refuse_unknown();
    Some(OtherJobs { rate: rate?, duration: duration? })
}

fn stages(reader: &mut Reader<'_, '_>) -> Vec<StageSpec> {
    const NOTE: &str = "The stages in their order: { name, duration, failure_share, executor }. Assumptions, where the scenario \
                        names none: a decision, a pull request and its review take 10 min in the median, for which nobody \
                        holds an executor; tests 5 min (CircleCI reports a median of 3 min for CI workflows, and 10 min as \
                        what to stay below); an image build 3 min; a push to the registry 30 s";
    let Some(node) = reader.take("stages", stages_schema, NOTE) else {
        let stages = default_stages();
        let texts: Vec<_> = stages.iter().map(written).collect();
        reader.pass.parameter(reader.key("stages"), format!("[{}]", texts.join(", ")), None, NOTE);
        return stages;
    };
    let key = reader.key("stages");
    reader.pass.parameter(key.clone(), node.to_toml(), Some(node), NOTE);
    if node.array().is_some_and(<[Node]>::is_empty) {
        let help = "leave it out for the usual stages";
        reader.pass.error(&key, node.place.clone(), "a pipeline without stages", help);
    }
    entry::list((reader.pass, &key), node, stage)
}

fn delay(description: &str) -> Value {
    json!({ "allOf": [{ "$ref": "#/definitions/delay" }], "description": description })
}

fn stages_schema() -> Value {
    let properties = json!({
        "name": { "type": "string", "description": "Name of the stage", "examples": ["tests"] },
        "duration": delay("How long it takes"),
        "failure_share": {
            "type": "number", "minimum": 0, "maximum": 1, "default": 0,
            "description": "Of its attempts, the share that fails",
        },
        "executor": { "type": "boolean", "default": true, "description": "Whether it holds an executor of the CI server" },
    });
    json!({ "type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["name", "duration"], "additionalProperties": false, "properties": properties,
    } })
}

fn default_stages() -> Vec<StageSpec> {
    let stage = |name: &str, duration, needs_executor| StageSpec {
        name: name.to_owned(),
        duration,
        failure_share: 0.0,
        needs_executor,
    };
    let review = Distribution::LogNormal { median: Duration::secs(600), tail: Tail::P95(Duration::secs(1_800)) };
    vec![
        stage("pull request and review", review, false),
        stage("tests", Distribution::secs(300), true),
        stage("image build", Distribution::secs(180), true),
        stage("push", Distribution::secs(30), true),
    ]
}

/// As a scenario writes it.
fn written(stage: &StageSpec) -> String {
    let StageSpec { name, duration, failure_share, needs_executor } = stage;
    let name = quoted(name);
    format!(
        "{{ name = {name}, duration = {duration}, failure_share = {failure_share:?}, executor = {needs_executor} }}"
    )
}

fn stage(mut entry: Entry<'_, '_>) -> Option<StageSpec> {
    let name = entry.required("name", "write name = \"tests\"");
    entry.requires("duration", "write duration = \"5m\"");
    let duration = entry.read("duration", distribution_from);
    let failure_share = entry.read("failure_share", |node| {
        let share = number_from(node).filter(|share| (0.0..=1.0).contains(share));
        let message = || format!("{} is no share: it must lie between 0.0 and 1.0", node.to_toml());
        share.ok_or_else(|| (message(), "write failure_share = 0.1 for one in ten".to_owned()))
    });
    let needs_executor = entry.boolean("executor").unwrap_or(true);
    entry.refuse_unknown();
    Some(StageSpec { name, duration: duration?, failure_share: failure_share.unwrap_or(0.0), needs_executor })
}

pub fn promotion(root: &mut Reader<'_, '_>) -> Option<PromotionSpec> {
    root.optional_table("promotion", "The stage after the deploy, which waits for a verdict", |reader| {
        let timeout = reader.duration(
            "timeout",
            Duration::secs(30 * 60),
            "So long it waits for `accept` or `reject`, from the start of the release on. Infraspec, *Header based traffic \
             routing using Argo Rollouts*: 30 min",
        );
        let on_timeout = reader.choice(
            "on_timeout",
            &OnTimeout::ALL,
            "What happens then. Jenkins: a time-out around an input ends the build as aborted, without any action",
        );
        PromotionSpec { timeout, on_timeout }
    })
}

/// People do nothing with what is not there.
pub fn check(pass: &mut Pass, scenario: &Scenario, document: &Table) {
    let gitops = scenario.gitops.as_ref();
    for (index, action) in scenario.actions.iter().enumerate() {
        let verb = action.verb;
        let (missing, help) = match verb {
            Verb::RevertCommit | Verb::Sync | Verb::Refresh | Verb::RunPipeline | Verb::Accept | Verb::Reject
                if gitops.is_none() =>
            {
                ("argo_cd", NEEDS_ARGO_CD)
            }
            Verb::RunPipeline if gitops.is_some_and(|gitops| gitops.pipeline.is_none()) => {
                ("pipeline", "write [pipeline], with executors = 2 or with stages of its own")
            }
            Verb::Accept | Verb::Reject if gitops.is_some_and(|gitops| gitops.promotion.is_none()) => {
                ("promotion", "write [promotion] with timeout = \"30m\"")
            }
            Verb::Promote | Verb::PromoteFull | Verb::Abort | Verb::Retry | Verb::Pause | Verb::Restart => continue,
            Verb::Undo | Verb::Deploy | Verb::SetReplicas(_) | Verb::DisableFeature => continue,
            Verb::RevertCommit | Verb::Sync | Verb::Refresh | Verb::RunPipeline | Verb::Accept | Verb::Reject => {
                continue;
            }
        };
        let key = format!("actions[{index}].do");
        let place = document.find(&key).and_then(|node| node.place.clone());
        pass.error(&key, place, format!("`{}` needs [{missing}]", verb.name()), help);
    }
}
