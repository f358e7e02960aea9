//! What a start would run.

use super::{artifact, list, number, reason, text, word, words};
use crate::out::table;
use serde_json::Value;
use std::fmt::Write as _;

/// A plan: what it would have, then its stages in the order in which they can begin.
pub(crate) fn plan(answer: &Value) -> String {
    let mut out = String::new();
    let revision = number(answer, "revision").unwrap_or_default();
    let dry = if answer.get("dryRun").and_then(Value::as_bool).unwrap_or_default() { ", dry run" } else { "" };
    // Writing to a String does not fail.
    let _ = writeln!(out, "{} (revision {revision}{dry}); nothing was started", text(answer, "pipelineName"));
    for (name, value) in answer.get("parameters").and_then(Value::as_object).into_iter().flatten() {
        let _ = writeln!(out, "  {name} = {}", word(value));
    }
    for one in list(answer, "artifacts") {
        let _ = writeln!(out, "  {}", artifact(one));
    }
    if let Some(waits) = answer.get("waits").filter(|waits| !waits.is_null()) {
        let _ = writeln!(out, "  it would not begin at once: {}", text(waits, "message"));
    }
    let rows: Vec<Vec<String>> = list(answer, "stages").iter().map(row).collect();
    let _ = write!(out, "{}", table(&["RANK", "STAGE", "TYPE", "NAME", "AFTER", "OUTLOOK", "WHY"], &rows));
    out
}

fn row(stage: &Value) -> Vec<String> {
    let open = words(stage, "open");
    let why = match (reason(stage), open.as_str()) {
        (why, "") => why,
        (why, open) if why.is_empty() => format!("open until stages before it have run: {open}"),
        (why, open) => format!("{why}; open: {open}"),
    };
    let unfolds = stage.get("unfolds").and_then(Value::as_bool).unwrap_or_default();
    let kind = if unfolds { format!("{} (unfolds)", text(stage, "type")) } else { text(stage, "type").to_owned() };
    vec![
        number(stage, "rank").unwrap_or_default().to_string(),
        text(stage, "refId").to_owned(),
        kind,
        text(stage, "name").to_owned(),
        words(stage, "requisiteStageRefIds"),
        text(stage, "outlook").to_owned(),
        why,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_says_what_runs_what_does_not_and_what_is_open() {
        let stage = |ref_id: &str, rank: u64, more: Value| {
            let mut stage = json!({"refId": ref_id, "type": "wait", "name": "n", "requisiteStageRefIds": [], "rank": rank, "open": []});
            stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            stage
        };
        let false_condition = json!({"code": "condition-false", "message": "the stage's condition is false"});
        let answer = json!({"pipelineName": "deploy", "revision": 3, "dryRun": true, "parameters": {"env": "testing"},
        "artifacts": [{"name": "r.io/web", "version": "1"}], "waits": {"code": "waiting-for-slot", "message": "waits for one"},
        "stages": [
            stage("1", 0, json!({"outlook": "skipped", "reason": false_condition})),
            stage("2", 1, json!({"outlook": "open", "open": ["/stageEnabled/expression"], "requisiteStageRefIds": ["1"]})),
            stage("3", 1, json!({"outlook": "runs", "unfolds": true})),
        ]});
        let said = plan(&answer);
        for expected in [
            "deploy (revision 3, dry run); nothing was started",
            "  env = testing\n  r.io/web:1\n  it would not begin at once: waits for one",
            "the stage's condition is false",
            "open until stages before it have run: /stageEnabled/expression",
            "wait (unfolds)",
        ] {
            assert!(said.contains(expected), "{expected:?} in\n{said}");
        }
    }
}
