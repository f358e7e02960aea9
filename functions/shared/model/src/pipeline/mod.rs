//! Pipelines: Spinnaker's JSON read once into types, everything wrong with it reported at once, the document kept as it came.

mod details;
mod graph;
mod notification;
mod parameter;
mod quartz;
mod read;
mod read_parts;
mod read_window;
mod shape;
mod start;
pub mod window;

pub use details::{Alert, Details, Lock, SpelVersion, Tag};
pub use graph::{FailureChoice, Stage};
pub use notification::Notification;
pub use parameter::{Comparator, Conditional, Parameter};
pub use read::truthy;
pub use start::{InvalidParameter, bind_parameters};

use crate::artifact::ExpectedArtifact;
use crate::exact::Spellings;
use crate::id::{AppName, PipelineId};
use crate::problem::Problem;
use crate::trigger::Trigger;
use crate::{Millis, problem::Problems};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most stages of a pipeline, synthetic ones not counted.
pub const STAGES_MAX: usize = 200;
/// Most bytes of a pipeline document.
pub const DOCUMENT_BYTES_MAX: usize = 2 << 20;

/// How many executions of a pipeline may run at once, and what becomes of those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Concurrency {
    /// At most so many, at least 1; none is no limit.
    pub limit: Option<u32>,
    /// The oldest that waits runs next and none is dropped; else the newest runs and the others are cancelled.
    pub keep_waiting: bool,
}

/// A pipeline, read from its document.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Owning application.
    pub application: AppName,
    /// Name, unique within the application ignoring case.
    pub name: String,
    /// Any start is refused.
    pub disabled: bool,
    /// How many executions at once.
    pub concurrency: Concurrency,
    /// IANA name of the zone of its execution windows, if it says one.
    pub time_zone: Option<String>,
    /// The graph's nodes, in the document's order.
    pub stages: Vec<Stage>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// What may or must be given to start it.
    pub parameters: Vec<Parameter>,
    /// What must be bound to start it.
    pub expected_artifacts: Vec<ExpectedArtifact>,
    /// Who is told what.
    pub notifications: Vec<Notification>,
    /// What people and lists see of it, and who may change or start it.
    pub details: Details,
}

/// An immutable revision of a pipeline: the document as it was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Number, from 1.
    pub number: u64,
    /// The document.
    pub document: Value,
    /// How its numbers were written.
    #[serde(default, skip_serializing_if = "Spellings::is_empty")]
    pub spellings: Spellings,
    /// Who saved it.
    pub author: String,
    /// When.
    pub created_ms: Millis,
}

impl Pipeline {
    /// Reads a document. Errors refuse it; warnings come back beside the pipeline.
    pub fn parse(document: &Value) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut problems = Problems::default();
        let pipeline = read::pipeline(document, &mut problems);
        match pipeline {
            Some(pipeline) if !problems.has_errors() => Ok((pipeline, problems.into_vec())),
            _ => Err(problems.into_vec()),
        }
    }

    /// The trigger with this id.
    #[must_use]
    pub fn trigger(&self, id: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|t| t.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(document: Value) -> Vec<(String, String)> {
        match Pipeline::parse(&document) {
            Ok((_, warnings)) => warnings.into_iter().map(|p| (p.pointer, p.code)).collect(),
            Err(errors) => errors.into_iter().map(|p| (p.pointer, p.code)).collect(),
        }
    }

    fn has(document: Value, pointer: &str, code: &str) {
        let found = problems(document);
        assert!(found.iter().any(|(p, c)| p == pointer && c == code), "{found:?}");
    }

    fn stages(stages: Value) -> Value {
        json!({"application": "a", "name": "p", "stages": stages})
    }

    #[test]
    fn a_plain_pipeline_reads() {
        let document = stages(json!([
            {"refId": "1", "type": "wait", "requisiteStageRefIds": []},
            {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"], "stageTimeoutMs": "5000", "failPipeline": false}
        ]));
        let (pipeline, warnings) = Pipeline::parse(&document).unwrap();
        assert_eq!(warnings, vec![]);
        let second = pipeline.stages.get(1).unwrap();
        assert_eq!(second.requisites, vec![0]);
        assert_eq!(second.timeout_ms, Some(5_000), "numbers written as text are read at use");
        assert_eq!(second.failure, FailureChoice::StopBranch { fail_at_end: false });
    }

    #[test]
    fn without_ref_ids_it_is_a_chain() {
        let (pipeline, _) = Pipeline::parse(&stages(json!([{"type": "wait"}, {"type": "wait"}, {"type": "wait"}]))).unwrap();
        let requisites: Vec<_> = pipeline.stages.iter().map(|s| s.requisites.clone()).collect();
        assert_eq!(requisites, vec![vec![], vec![0], vec![1]]);
    }

    #[test]
    fn broken_graphs_are_refused_with_their_place() {
        has(stages(json!([{"refId": "1", "type": "wait"}, {"type": "wait"}])), "/stages/1/refId", "ref-id-missing");
        has(stages(json!([{"refId": "1", "type": "wait"}, {"refId": "1", "type": "wait"}])), "/stages/1/refId", "ref-id-twice");
        has(
            stages(json!([{"refId": "1", "type": "wait", "requisiteStageRefIds": ["9"]}])),
            "/stages/0/requisiteStageRefIds/0",
            "requisite-unknown",
        );
        has(
            stages(json!([
                {"refId": "1", "type": "wait", "requisiteStageRefIds": ["2"]},
                {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"]}
            ])),
            "/stages",
            "cycle",
        );
        has(stages(json!([{"refId": "1"}])), "/stages/0/type", "type-missing");
        has(stages(json!([7])), "/stages/0", "not-an-object");
        has(stages(json!({})), "/stages", "not-a-list");
    }

    #[test]
    fn a_cycle_is_named() {
        let document = stages(json!([
            {"refId": "a", "type": "wait", "requisiteStageRefIds": ["c"]},
            {"refId": "b", "type": "wait", "requisiteStageRefIds": ["a"]},
            {"refId": "c", "type": "wait", "requisiteStageRefIds": ["b"]},
            {"refId": "d", "type": "wait", "requisiteStageRefIds": ["c"]}
        ]));
        let errors = Pipeline::parse(&document).unwrap_err();
        let cycle = errors.iter().find(|p| p.code == "cycle").unwrap();
        assert!(cycle.message.contains("a → b → c → a"), "{}", cycle.message);
    }

    #[test]
    fn the_rest_is_checked_too() {
        has(json!([]), "", "not-an-object");
        has(json!({"name": "p"}), "/application", "application-missing");
        has(json!({"application": "a b", "name": "p"}), "/application", "application-invalid");
        has(json!({"application": "a", "name": "  "}), "/name", "name-missing");
        has(json!({"application": "a", "name": "p", "triggers": [{"type": "docker", "tag": "("}]}), "/triggers/0/tag", "pattern-invalid");
        has(
            json!({"application": "a", "name": "p", "triggers": [{"type": "docker", "account": "r", "repository": "w", "expectedArtifactIds": ["x"]}]}),
            "/triggers/0/expectedArtifactIds/0",
            "expected-artifact-unknown",
        );
        has(json!({"application": "a", "name": "p", "triggers": [{"type": "cron"}]}), "/triggers/0/type", "trigger-not-served");
        has(
            json!({"application": "a", "name": "p", "parameterConfig": [{"name": "x"}, {"name": "x"}]}),
            "/parameterConfig/1/name",
            "name-twice",
        );
        has(
            json!({"application": "a", "name": "p", "stages": [{"type": "wait", "stageTimeoutMs": "soon"}]}),
            "/stages/0/stageTimeoutMs",
            "not-a-number",
        );
    }

    // Rule 2.3: `maxConcurrentExecutions`: so many at a time, where `limitConcurrent` is off
    #[test]
    fn concurrency_reads_as_spinnaker_does() {
        let read = |extra: Value| {
            let mut document = json!({"application": "a", "name": "p"});
            document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let (pipeline, warnings) = Pipeline::parse(&document).unwrap();
            assert_eq!(warnings, vec![], "{document}");
            (pipeline.concurrency.limit, pipeline.concurrency.keep_waiting)
        };
        assert_eq!(read(json!({})), (None, false));
        assert_eq!(read(json!({"limitConcurrent": true, "keepWaitingPipelines": "true"})), (Some(1), true));
        assert_eq!(read(json!({"limitConcurrent": true, "maxConcurrentExecutions": 5})), (Some(1), false));
        assert_eq!(read(json!({"limitConcurrent": "false", "maxConcurrentExecutions": "5"})), (Some(5), false));
        assert_eq!(read(json!({"maxConcurrentExecutions": 0})), (None, false));
        assert_eq!(read(json!({"maxConcurrentExecutions": ""})), (None, false));
        for bad in [json!(-1), json!("-1"), json!("many"), json!(1.5), json!(true), json!([])] {
            has(json!({"application": "a", "name": "p", "maxConcurrentExecutions": bad}), "/maxConcurrentExecutions", "not-a-number");
        }
        let huge = u64::from(u32::MAX) + 1;
        has(json!({"application": "a", "name": "p", "maxConcurrentExecutions": huge}), "/maxConcurrentExecutions", "number-too-large");
    }

    #[test]
    fn the_time_zone_is_known_or_refused() {
        let with = |ours: Value| json!({"application": "a", "name": "p", "waybill": ours});
        let read = |ours: Value| Pipeline::parse(&with(ours)).unwrap().0.time_zone;
        assert_eq!(read(json!({"timeZone": "europe/berlin"})), Some("Europe/Berlin".to_owned()));
        assert_eq!(read(json!({"timeZone": "UTC"})), Some("UTC".to_owned()));
        for nothing in [json!(null), json!({}), json!({"timeZone": null}), json!({"timeZone": ""})] {
            assert_eq!(read(nothing), None);
        }
        has(with(json!(1)), "/waybill", "not-an-object");
        has(with(json!({"timeZone": 8})), "/waybill/timeZone", "not-a-text");
        has(with(json!({"timeZone": "Europe/Bielefeld"})), "/waybill/timeZone", "time-zone-unknown");
    }

    #[test]
    fn switches_of_a_stage_are_off_until_set() {
        let document = stages(json!([
            {"refId": "1", "type": "wait"},
            {"refId": "2", "type": "wait", "allowSiblingStagesToContinueOnFailure": "true", "skippable": true}
        ]));
        let (pipeline, _) = Pipeline::parse(&document).unwrap();
        let switches: Vec<_> = pipeline.stages.iter().map(|s| (s.window.is_some(), s.siblings_continue, s.skippable)).collect();
        assert_eq!(switches, [(false, false, false), (false, true, true)]);
    }

    #[test]
    fn too_many_stages_are_refused() {
        let many: Vec<_> = (0..=STAGES_MAX).map(|_| json!({"type": "wait"})).collect();
        has(stages(json!(many)), "/stages", "too-many-stages");
    }
}
