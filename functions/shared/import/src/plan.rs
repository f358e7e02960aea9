//! The graph of a pipeline, as the engine would take it: its stages, and those that stages of known types unfold into. A stage of
//! a type that nobody knows is a node that nobody can look into.

use engine::{Graph, InvalidGraph, Node, Parent};
use model::component::Part;
use model::id::RefId;
use model::pipeline::{Pipeline, Stage};
use serde::Serialize;
use serde_json::Value;

/// Time of a stage that says none; nothing here waits for it.
const TIMEOUT_MS: u64 = 72 * 3_600_000;

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedNode {
    /// Its name within an execution.
    pub ref_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub name: String,
    /// What must end well first.
    pub requisites: Vec<String>,
    /// The stage that unfolds into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// It waits for its execution window.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub window: bool,
    /// Nobody knows what it does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub opaque: bool,
}

/// Plans a pipeline. One without stages is planned as nothing.
pub fn plan(pipeline: &Pipeline, is_known: &dyn Fn(&str) -> bool) -> Result<Vec<PlannedNode>, InvalidGraph> {
    if pipeline.stages.is_empty() {
        return Ok(Vec::new());
    }
    let mut graph = Graph::new(pipeline.stages.iter().map(node).collect())?;
    let name = |at: &usize| pipeline.stages.get(*at).map(|stage| stage.ref_id.to_string());
    let own = |stage: &Stage| PlannedNode {
        ref_id: stage.ref_id.to_string(),
        kind: stage.kind.clone(),
        name: stage.name.clone(),
        requisites: stage.requisites.iter().filter_map(name).collect(),
        parent: None,
        window: stage.window.is_some(),
        opaque: !is_known(&stage.kind),
    };
    let mut nodes: Vec<PlannedNode> = pipeline.stages.iter().map(own).collect();
    for (run, stage) in pipeline.stages.iter().enumerate() {
        let parts = preconditions(stage);
        let planned: Vec<Node> = parts.iter().filter_map(|part| part_node(stage, part)).collect();
        if !planned.is_empty() {
            graph = graph.grown(Parent { run, attempt: 1, part: Part::Before }, &planned)?;
            nodes.extend(parts);
        }
    }
    Ok(nodes)
}

fn node(stage: &Stage) -> Node {
    Node {
        ref_id: stage.ref_id.clone(),
        requisites: stage.requisites.clone(),
        timeout_ms: stage.timeout_ms.unwrap_or(TIMEOUT_MS),
        succeed_on_timeout: stage.succeed_on_timeout,
        failure: stage.failure,
        parent: None,
        plans: false,
        compensates: false,
        siblings_continue: stage.siblings_continue,
        may_skip: stage.skippable,
    }
}

fn part_node(stage: &Stage, part: &PlannedNode) -> Option<Node> {
    Some(Node { ref_id: RefId::parse(part.ref_id.as_str()).ok()?, requisites: Vec::new(), ..node(stage) })
}

/// Preconditions are checked each by itself, all at once, before the stage.
fn preconditions(stage: &Stage) -> Vec<PlannedNode> {
    if stage.kind != "checkPreconditions" {
        return Vec::new();
    }
    let list = match stage.json.get("preconditions") {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    let part = |(at, precondition): (usize, &Value)| PlannedNode {
        ref_id: format!("{}<{}", stage.ref_id, at + 1),
        kind: stage.kind.clone(),
        name: precondition.get("type").and_then(Value::as_str).unwrap_or("precondition").to_owned(),
        requisites: Vec::new(),
        parent: Some(stage.ref_id.to_string()),
        window: false,
        opaque: false,
    };
    list.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn planned(stages: Value) -> Result<Vec<PlannedNode>, InvalidGraph> {
        let (pipeline, _) = Pipeline::parse(&json!({"application": "a", "name": "p", "stages": stages})).unwrap();
        plan(&pipeline, &|kind| kind != "terraform")
    }

    #[test]
    fn stages_unfold_and_strangers_stay_closed() {
        let nodes = planned(json!([
            {"refId": "1", "type": "checkPreconditions", "preconditions": [{"type": "expression"}, {"type": "stageStatus"}]},
            {"refId": "2", "type": "terraform", "requisiteStageRefIds": ["1"], "restrictExecutionDuringTimeWindow": true}
        ]))
        .unwrap();
        let shown: Vec<_> = nodes.iter().map(|n| (n.ref_id.as_str(), n.requisites.join(","), n.opaque, n.window)).collect();
        assert_eq!(
            shown,
            [
                ("1", String::new(), false, false),
                ("2", "1".to_owned(), true, true),
                ("1<1", String::new(), false, false),
                ("1<2", String::new(), false, false)
            ]
        );
    }

    #[test]
    fn nothing_is_planned_as_nothing_and_too_much_is_refused() {
        assert_eq!(planned(json!([])), Ok(vec![]));
        let many: Vec<Value> = (0..600).map(|_| json!({"type": "expression"})).collect();
        assert_eq!(planned(json!([{"refId": "1", "type": "checkPreconditions", "preconditions": many}])), Err(InvalidGraph::TooLarge));
    }
}
