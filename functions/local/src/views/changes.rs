//! What changed between two looks at an execution, as one line each.

use super::{list, number, reason, stage_objects, text};
use crate::time;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One thing that changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    at: i64,
    /// `stage 1 Deploy flaskapp`, or `execution …`.
    subject: String,
    text: String,
    /// For programs.
    pub(crate) value: Value,
}

impl Change {
    /// `12:03:04 stage 1 Deploy flaskapp: 2 of 3 updated pods available`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", time::clock(self.at), self.words())
    }

    /// The same without the time.
    pub(crate) fn words(&self) -> String {
        format!("{}{}", self.subject, self.text)
    }
}

/// True for statuses after which nothing changes any more.
pub(crate) fn is_complete(status: &str) -> bool {
    matches!(status, "SUCCEEDED" | "SKIPPED" | "FAILED_CONTINUE" | "TERMINAL" | "CANCELED" | "STOPPED")
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    status: String,
    attempt: i64,
    progress: String,
    /// The execution is over, so that what has not started never will.
    over: bool,
}

/// Remembers what was shown of an execution.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    status: String,
    stages: BTreeMap<String, Seen>,
}

impl Watcher {
    /// What changed since the last look, in the order of the stages.
    pub(crate) fn look(&mut self, detail: &Value) -> Vec<Change> {
        let now = time::now_ms();
        let status = text(detail, "status").to_owned();
        let over = is_complete(&status);
        let mut changes = Vec::new();
        for stage in list(detail, "stages") {
            self.stage(detail, stage, over, now, &mut changes);
        }
        if status != self.status {
            if self.status.is_empty() || over {
                changes.push(of_execution(detail, &status, now));
            }
            self.status = status;
        }
        if !over {
            // The execution's own first line comes before those of its stages.
            changes.sort_by_key(|change| !change.subject.starts_with("execution"));
        }
        changes
    }

    fn stage(&mut self, detail: &Value, stage: &Value, over: bool, now: i64, changes: &mut Vec<Change>) {
        let ref_id = text(stage, "refId");
        let seen = self.stages.entry(ref_id.to_owned()).or_default();
        let progress = stage.get("progress").map(|progress| text(progress, "message")).unwrap_or_default();
        let attempt = number(stage, "attempt").unwrap_or(1);
        let is = Seen { status: text(stage, "status").to_owned(), attempt, progress: progress.to_owned(), over };
        if is == *seen {
            return;
        }
        let waits = is.status == "NOT_STARTED" && !over;
        let never = is.status == "NOT_STARTED" && over;
        let turned = ((&is.status, is.attempt) != (&seen.status, seen.attempt) || never) && !waits;
        let moved = is.progress != seen.progress && !is.progress.is_empty() && !is_complete(&is.status);
        let subject = format!("stage {ref_id} {}", text(stage, "name"));
        let value = |text: &str| json!({"stage": ref_id, "name": super::text(stage, "name"), "status": is.status, "message": text});
        if turned {
            let at = turn_time(stage, &is.status).unwrap_or(now);
            let words = turn(detail, stage, &is.status);
            let value = value(words.trim());
            changes.push(Change { at, subject: subject.clone(), text: words, value });
        }
        if moved {
            let at = stage.get("progress").and_then(|progress| number(progress, "at")).unwrap_or(now);
            changes.push(Change { at, subject, text: format!(": {}", is.progress), value: value(&is.progress) });
        }
        *seen = is;
    }
}

fn turn_time(stage: &Value, status: &str) -> Option<i64> {
    match status {
        "RUNNING" => number(stage, "startedMs"),
        status if is_complete(status) => number(stage, "endedMs"),
        _ => None,
    }
}

fn turn(detail: &Value, stage: &Value, status: &str) -> String {
    let mut words = format!(" {status}");
    if is_complete(status)
        && let Some(took) = super::took(stage)
    {
        words.push_str(&format!(" after {took}"));
    }
    let reason = reason(stage);
    let said = if reason.is_empty() { text(stage, "message") } else { reason.as_str() };
    if !said.is_empty() {
        words.push_str(&format!(": {said}"));
    }
    for signal in list(stage, "signals") {
        words.push_str(&format!("\n  waits for {}: {}", text(signal, "name"), text(signal, "prompt")));
        if text(signal, "name") == "judgment" {
            let (id, stage) = (text(detail, "id"), text(stage, "refId"));
            words.push_str(&format!("\n  answer with: waybill execution judge {id} continue|stop --stage {stage}"));
        }
    }
    if is_complete(status) {
        for object in stage_objects(stage) {
            words.push_str(&format!("\n  {object}"));
        }
    }
    words
}

fn of_execution(detail: &Value, status: &str, now: i64) -> Change {
    let id = text(detail, "id");
    let mut words = match super::took(detail) {
        _ if !is_complete(status) => {
            format!(": {} of {}, by {}", text(detail, "pipelineName"), text(detail, "application"), text(detail, "submitter"))
        }
        Some(took) => format!(" {status} after {took}"),
        None => format!(" {status}"),
    };
    let reason = reason(detail);
    if !reason.is_empty() {
        words.push_str(&format!(": {reason}"));
    }
    let at = number(detail, "endedMs").filter(|_| is_complete(status)).or_else(|| number(detail, "startedMs")).unwrap_or(now);
    let value = json!({"execution": id, "status": status, "message": reason});
    Change { at, subject: format!("execution {id}"), text: words, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(status: &str, stages: Value) -> Value {
        json!({"id": "01J", "status": status, "pipelineName": "deployTesting", "application": "flaskapp", "submitter": "dana",
            "startedMs": 1_000, "endedMs": if is_complete(status) { json!(5_200) } else { Value::Null }, "stages": stages})
    }

    fn stage(status: &str, progress: &str) -> Value {
        json!({"refId": "1", "name": "Deploy flaskapp", "status": status, "attempt": 1, "startedMs": 1_000,
            "endedMs": if is_complete(status) { json!(4_100) } else { Value::Null },
            "progress": {"message": progress, "at": 2_000}, "message": "",
            "objects": [{"kind": "Deployment", "namespace": "default", "name": "flaskapp", "created": true, "changed": true}]})
    }

    fn words(changes: &[Change]) -> Vec<String> {
        changes.iter().map(Change::words).collect()
    }

    #[test]
    fn every_change_is_told_once() {
        let mut watcher = Watcher::default();
        let first = detail("RUNNING", json!([stage("RUNNING", "applied")]));
        let told = words(&watcher.look(&first));
        assert_eq!(
            told,
            ["execution 01J: deployTesting of flaskapp, by dana", "stage 1 Deploy flaskapp RUNNING", "stage 1 Deploy flaskapp: applied"]
        );
        assert!(watcher.look(&first).is_empty());
        let told = words(&watcher.look(&detail("RUNNING", json!([stage("RUNNING", "2 of 3 updated pods available")]))));
        assert_eq!(told, ["stage 1 Deploy flaskapp: 2 of 3 updated pods available"]);
        let told = words(&watcher.look(&detail("SUCCEEDED", json!([stage("SUCCEEDED", "3 of 3")]))));
        assert_eq!(
            told,
            ["stage 1 Deploy flaskapp SUCCEEDED after 3.1 s\n  Deployment default/flaskapp created", "execution 01J SUCCEEDED after 4.2 s"]
        );
    }

    #[test]
    fn what_never_started_is_told_with_its_reason_at_the_end() {
        let mut watcher = Watcher::default();
        let waiting = json!({"refId": "2", "name": "Expose", "status": "NOT_STARTED", "attempt": 1,
            "reason": {"code": "waiting-for-upstream", "message": "waits for Deploy"}});
        assert_eq!(watcher.look(&detail("RUNNING", json!([waiting]))).len(), 1, "only the execution's own line");
        let halted = json!({"refId": "2", "name": "Expose", "status": "NOT_STARTED", "attempt": 1, "reason":
            {"code": "upstream-halted", "message": "did not start"}});
        let told = words(&watcher.look(&detail("TERMINAL", json!([halted]))));
        assert_eq!(told.first().unwrap(), "stage 2 Expose NOT_STARTED: upstream-halted: did not start");
    }

    #[test]
    fn a_question_says_how_it_is_answered() {
        let asked = json!({"refId": "3", "name": "Check", "status": "SUSPENDED", "attempt": 1,
            "signals": [{"name": "judgment", "prompt": "Looks good?"}]});
        let told = words(&Watcher::default().look(&detail("RUNNING", json!([asked]))));
        assert!(told[1].contains("Looks good?") && told[1].contains("waybill execution judge 01J continue|stop --stage 3"), "{told:?}");
    }
}
