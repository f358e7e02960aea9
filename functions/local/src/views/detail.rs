//! An execution and a release order in full.

use super::tree::tree;
use super::{artifact, indent, list, number, reason, text, took, when, word};
use crate::time;
use serde_json::Value;

/// The objects that a stage applied, a line each.
pub(crate) fn stage_objects(stage: &Value) -> Vec<String> {
    list(stage, "objects").iter().map(object).collect()
}

fn object(object: &Value) -> String {
    let namespace = text(object, "namespace");
    let slash = if namespace.is_empty() { "" } else { "/" };
    let flag = |key: &str| object.get(key).and_then(Value::as_bool).unwrap_or(false);
    let what = match (flag("created"), flag("changed")) {
        (true, _) => "created",
        (false, true) => "changed",
        (false, false) => "unchanged",
    };
    let mut line = format!("{} {namespace}{slash}{} {what}", text(object, "kind"), text(object, "name"));
    if let Some(address) = object.get("loadBalancer").and_then(Value::as_str) {
        line.push_str(&format!(", load balancer at {address}"));
    }
    line
}

fn row(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("  {name:<12} {value}\n") }
}

/// `3.1 s`, or how long it has gone on.
fn so_far(value: &Value) -> String {
    match (took(value), number(value, "startedMs")) {
        (Some(took), _) => took,
        (None, Some(started)) => format!("{} so far", time::duration(time::now_ms() - started)),
        (None, None) => String::new(),
    }
}

fn origin(value: &Value) -> String {
    let Some(origin) = value.get("origin") else { return String::new() };
    match text(origin, "kind") {
        "trigger" => format!(" ({} trigger)", ["triggerType", "trigger_type"].map(|key| text(origin, key)).concat()),
        "stage" => format!(" (stage {} of execution {})", text(origin, "stage"), text(origin, "execution")),
        kind => format!(" ({kind})"),
    }
}

/// How an execution is being run, beyond the ordinary.
fn conduct(execution: &Value) -> String {
    let mut text_of = String::new();
    if execution.get("dryRun") == Some(&Value::Bool(true)) {
        text_of.push_str(&row("dry run", "only what changes nothing is run"));
    }
    let unbegun = number(execution, "startedMs").is_none() && number(execution, "endedMs").is_none();
    if unbegun && number(execution, "startByMs").is_some() {
        text_of.push_str(&row("start by", &when(execution, "startByMs")));
    }
    for again in list(execution, "restarts") {
        let (stage, by) = (text(again, "stage"), text(again, "by"));
        let was = text(again, "previousStatus");
        text_of.push_str(&row("restarted", &format!("stage {stage}, which was {was}, by {by} at {}", when(again, "atMs"))));
    }
    if let Some(held) = execution.get("paused") {
        let why = text(held, "reason");
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        text_of.push_str(&row("paused", &format!("by {} since {}{why}", text(held, "by"), when(held, "atMs"))));
    }
    if let Some(ending) = execution.get("ending") {
        text_of.push_str(&row("winding down", &format!("to {}: {}", text(ending, "status"), reason(ending))));
    }
    text_of
}

/// Everything that an execution and its order share.
fn facts(value: &Value) -> String {
    let mut text_of = String::new();
    text_of.push_str(&row("application", text(value, "application")));
    let revision = number(value, "revision").map(|n| format!(", revision {n}")).unwrap_or_default();
    text_of.push_str(&row("pipeline", &format!("{}{revision}", text(value, "pipelineName"))));
    text_of.push_str(&row("submitter", &format!("{}{}", text(value, "submitter"), origin(value))));
    text_of.push_str(&row("created", &when(value, "createdMs")));
    text_of.push_str(&row("began", &when(value, "startedMs")));
    if number(value, "endedMs").is_some() {
        text_of.push_str(&row("ended", &format!("{} after {}", when(value, "endedMs"), so_far(value))));
    }
    text_of.push_str(&row("reason", &reason(value)));
    text_of.push_str(&row("note", text(value, "note")));
    for one in list(value, "artifacts") {
        text_of.push_str(&row("artifact", &artifact(one)));
    }
    for (name, one) in value.get("parameters").and_then(Value::as_object).into_iter().flatten() {
        text_of.push_str(&row("parameter", &format!("{name} = {}", word(one))));
    }
    text_of
}

fn stages(execution: &Value) -> String {
    tree(execution).into_iter().map(|(depth, one)| indent(&stage(one), 2 + 2 * depth)).collect()
}

fn stage(stage: &Value) -> String {
    let requires = list(stage, "requisiteStageRefIds").iter().map(word).collect::<Vec<_>>().join(", ");
    let after = if requires.is_empty() { String::new() } else { format!(", after {requires}") };
    let again = number(stage, "attempt").filter(|attempt| *attempt > 1).map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
    let head = format!("{} {} ({}{after}{again})", text(stage, "refId"), text(stage, "name"), text(stage, "type"));
    let mut lines = format!("{head}  {}  {}", text(stage, "status"), so_far(stage)).trim_end().to_owned() + "\n";
    let reason = reason(stage);
    let progress = stage.get("progress").map(|progress| text(progress, "message")).unwrap_or_default();
    if let Some(said) = [reason.as_str(), text(stage, "message"), progress].into_iter().find(|said| !said.is_empty()) {
        lines.push_str(&indent(said, 4));
    }
    for signal in list(stage, "signals") {
        lines.push_str(&indent(&format!("waits for {}: {}", text(signal, "name"), text(signal, "prompt")), 4));
    }
    for answer in list(stage, "answers") {
        let body = answer.get("body").map(word).unwrap_or_default();
        lines.push_str(&indent(&format!("{} by {} at {}: {body}", text(answer, "signal"), text(answer, "by"), when(answer, "at")), 4));
    }
    for object in stage_objects(stage) {
        lines.push_str(&indent(&object, 4));
    }
    lines
}

/// An execution.
pub(crate) fn execution(detail: &Value) -> String {
    let head = format!("execution {}  {}\n", text(detail, "id"), text(detail, "status"));
    let orders: Vec<String> = list(detail, "orders").iter().map(order_name).collect();
    format!("{head}{}{}{}stages\n{}", facts(detail), conduct(detail), row("orders", &orders.join(", ")), stages(detail))
}

/// `cd-demo/7`.
pub(crate) fn order_name(order: &Value) -> String {
    format!("{}/{}", text(order, "project"), number(order, "number").unwrap_or_default())
}

/// A release order with its execution.
pub(crate) fn order(detail: &Value) -> String {
    let null = Value::Null;
    let (order, execution) = (detail.get("order").unwrap_or(&null), detail.get("execution").unwrap_or(&null));
    let head = format!("release order {}  {}\n", order_name(order), text(order, "status"));
    let id = row("execution", text(order, "execution"));
    let source = detail.get("source").filter(|source| !source.is_null());
    let source = source.map(|source| format!("source\n{}", indent(&format!("{source:#}"), 2))).unwrap_or_default();
    format!("{head}{}{id}{}stages\n{}{source}", facts(order), conduct(execution), stages(execution))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_order_shows_what_was_released_and_what_came_of_it() {
        let detail = json!({
            "order": {"project": "cd-demo", "number": 2, "application": "flaskapp", "pipelineName": "deployTesting", "revision": 1,
                "execution": "01J", "submitter": "dana", "origin": {"kind": "manual"}, "note": "by hand", "status": "SUCCEEDED",
                "createdMs": 1, "startedMs": 1_000, "endedMs": 4_000, "parameters": {"who": "me"},
                "artifacts": [{"name": "127.0.0.1:5000/flaskapp", "version": "1.0.0", "metadata": {"digest": "sha256:ab"}}]},
            "execution": {"stages": [
                {"refId": "1", "name": "Deploy", "type": "deployManifest", "status": "SUCCEEDED", "startedMs": 1_000, "endedMs": 3_000},
                {"refId": "2", "name": "Expose", "type": "deployManifest", "status": "TERMINAL", "requisiteStageRefIds": ["1"],
                    "reason": {"code": "stage-failed", "message": "no address"}, "objects": [
                    {"kind": "Service", "namespace": "default", "name": "flaskapp", "changed": true, "loadBalancer": "203.0.113.1"}]}]},
            "source": {"name": "deployTesting"}});
        let text = order(&detail);
        for line in [
            "release order cd-demo/2  SUCCEEDED",
            "  submitter    dana (manual)",
            "  artifact     127.0.0.1:5000/flaskapp:1.0.0  sha256:ab",
            "  parameter    who = me",
            "  1 Deploy (deployManifest)  SUCCEEDED  2.0 s",
            "  2 Expose (deployManifest, after 1)  TERMINAL",
            "      stage-failed: no address",
            "      Service default/flaskapp changed, load balancer at 203.0.113.1",
            "    \"name\": \"deployTesting\"",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn an_execution_shows_how_it_is_run() {
        let detail = json!({"id": "01J", "status": "PAUSED", "startedMs": 1_000, "dryRun": true, "generation": 2,
            "origin": {"kind": "stage", "execution": "01P", "stage": "4"}, "submitter": "dana",
            "restarts": [{"stage": "1", "by": "olga", "atMs": 5, "generation": 2, "previousStatus": "TERMINAL"}],
            "paused": {"by": "dana", "reason": "lunch", "atMs": 7},
            "ending": {"status": "TERMINAL", "reason": {"code": "execution-failed", "message": "stage 1 failed"}},
            "stages": [{"refId": "1", "name": "Check", "type": "checkPreconditions", "status": "PAUSED", "attempt": 2},
                {"refId": "1<1", "parentRefId": "1", "name": "Check 1", "type": "checkPreconditions", "status": "SUCCEEDED"}]});
        let text = execution(&detail);
        for line in [
            "  submitter    dana (stage 4 of execution 01P)",
            "  dry run      only what changes nothing is run",
            "  winding down to TERMINAL: execution-failed: stage 1 failed",
            "  1 Check (checkPreconditions, attempt 2)  PAUSED",
            "    1<1 Check 1 (checkPreconditions)  SUCCEEDED",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
        for part in ["stage 1, which was TERMINAL, by olga at", "paused       by dana since", ": lunch"] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
    }
}
