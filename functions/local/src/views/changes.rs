//! What changed between two looks at an execution, as one line each.

use super::tree::tree;
use super::{code, list, number, reason, stage_objects, text};
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
    /// The code of the reason it gave last; one that is gone again is not told twice.
    reason: String,
    progress: String,
    /// The execution is over, so that what has not started never will.
    over: bool,
}

/// Remembers what was shown of an execution.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    status: String,
    reason: String,
    generation: i64,
    stages: BTreeMap<String, Seen>,
}

impl Watcher {
    /// What changed since the last look, in the order of the stages.
    pub(crate) fn look(&mut self, detail: &Value) -> Vec<Change> {
        let now = time::now_ms();
        let over = is_complete(text(detail, "status"));
        let mut changes = Vec::new();
        for (depth, stage) in tree(detail) {
            self.stage(detail, stage, depth, now, &mut changes);
        }
        let own = self.execution(detail, now);
        // The execution's own line comes before those of its stages, but its end after theirs.
        if over { [changes, own].concat() } else { [own, changes].concat() }
    }

    /// What the execution itself came to.
    fn execution(&mut self, detail: &Value, now: i64) -> Vec<Change> {
        let (status, code) = (text(detail, "status").to_owned(), code(detail));
        let generation = number(detail, "generation").unwrap_or(1);
        let first = self.status.is_empty();
        let mut told = Vec::new();
        if !first && generation > self.generation {
            told.push(again(detail, generation, now));
        }
        if first && !is_complete(&status) {
            told.push(beginning(detail, now));
        } else if first || status != self.status || code != self.reason {
            told.push(of_execution(detail, &status, now));
        }
        (self.status, self.reason, self.generation) = (status, code, generation);
        told
    }

    fn stage(&mut self, detail: &Value, stage: &Value, depth: usize, now: i64, changes: &mut Vec<Change>) {
        let over = is_complete(text(detail, "status"));
        let ref_id = text(stage, "refId");
        let seen = self.stages.entry(ref_id.to_owned()).or_default();
        let progress = stage.get("progress").map(|progress| text(progress, "message")).unwrap_or_default();
        let attempt = number(stage, "attempt").unwrap_or(1);
        let same = seen.status == text(stage, "status") && seen.attempt == attempt;
        let reason = if same && code(stage).is_empty() { seen.reason.clone() } else { code(stage) };
        let is = Seen { status: text(stage, "status").to_owned(), attempt, reason, progress: progress.to_owned(), over };
        if is == *seen {
            return;
        }
        let waits = is.status == "NOT_STARTED" && !over;
        let never = is.status == "NOT_STARTED" && over;
        let turned = (!same || is.reason != seen.reason || never) && !waits;
        let moved = is.progress != seen.progress && !is.progress.is_empty() && !is_complete(&is.status);
        let subject = format!("{:1$}stage {ref_id} {2}", "", 2 * depth, text(stage, "name"));
        let value = |text: &str| json!({"stage": ref_id, "name": super::text(stage, "name"), "status": is.status, "message": text});
        if turned {
            let at = turn_time(stage, &is.status).filter(|_| !same).unwrap_or(now);
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
    if matches!(code(stage).as_str(), "execution-window" | "window-jitter") && !is_complete(status) {
        let (id, stage) = (text(detail, "id"), text(stage, "refId"));
        words.push_str(&format!("\n  do not wait for it with: waybill execution skip-window {id} {stage}"));
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

/// The first line about an execution: what it is, and why it does not run if it does not.
fn beginning(detail: &Value, now: i64) -> Change {
    let mut words = format!(": {} of {}, by {}", text(detail, "pipelineName"), text(detail, "application"), text(detail, "submitter"));
    if detail.get("dryRun") == Some(&Value::Bool(true)) {
        words.push_str(", a dry run");
    }
    let status = text(detail, "status");
    if !reason(detail).is_empty() {
        words.push_str(&format!(", {status}: {}", reason(detail)));
    }
    told(detail, status, words, number(detail, "startedMs").unwrap_or(now))
}

/// A stage is done again.
fn again(detail: &Value, generation: i64, now: i64) -> Change {
    let last = list(detail, "restarts").last().cloned().unwrap_or_default();
    let words = format!(": stage {} is done again, as {} wants it (generation {generation})", text(&last, "stage"), text(&last, "by"));
    told(detail, text(detail, "status"), words, number(&last, "atMs").unwrap_or(now))
}

fn of_execution(detail: &Value, status: &str, now: i64) -> Change {
    let mut words = format!(" {status}");
    if let Some(took) = super::took(detail).filter(|_| is_complete(status)) {
        words.push_str(&format!(" after {took}"));
    }
    if !reason(detail).is_empty() {
        words.push_str(&format!(": {}", reason(detail)));
    }
    if status == "PAUSED" {
        words.push_str(&format!("\n  let it go on with: waybill execution resume {}", text(detail, "id")));
    }
    let at = number(detail, "endedMs").filter(|_| is_complete(status)).unwrap_or(now);
    told(detail, status, words, at)
}

fn told(detail: &Value, status: &str, words: String, at: i64) -> Change {
    let id = text(detail, "id");
    let value = json!({"execution": id, "status": status, "message": reason(detail)});
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

    fn because(mut value: Value, code: &str, message: &str, data: Value) -> Value {
        value["reason"] = json!({"code": code, "message": message, "data": data});
        value
    }

    #[test]
    fn waiting_holding_and_winding_down_are_told_once_each() {
        let mut watcher = Watcher::default();
        let queued = because(detail("NOT_STARTED", json!([])), "waiting-for-slot", "waits for one to end", json!({"position": 2}));
        let told = words(&watcher.look(&queued));
        assert_eq!(
            told,
            [
                "execution 01J: deployTesting of flaskapp, by dana, NOT_STARTED: waiting-for-slot: waits for one to end (place 2 when it came)"
            ]
        );
        assert!(watcher.look(&queued).is_empty());
        assert_eq!(words(&watcher.look(&detail("RUNNING", json!([])))), ["execution 01J RUNNING"]);
        let paused = because(detail("PAUSED", json!([])), "paused-by-user", "paused by dana: lunch", json!({}));
        let told = words(&watcher.look(&paused));
        assert!(
            told[0].starts_with("execution 01J PAUSED: paused-by-user: paused by dana: lunch\n") && told[0].contains("resume 01J"),
            "{told:?}"
        );
        assert_eq!(words(&watcher.look(&detail("RUNNING", json!([])))), ["execution 01J RUNNING"]);
        let ending = because(detail("RUNNING", json!([])), "winding-down", "ends as CANCELED", json!({}));
        assert_eq!(words(&watcher.look(&ending)), ["execution 01J RUNNING: winding-down: ends as CANCELED"]);
        let ended = because(detail("CANCELED", json!([])), "superseded", "execution 01K took its place", json!({"by": "01K"}));
        assert_eq!(words(&watcher.look(&ended)), ["execution 01J CANCELED after 4.2 s: superseded: execution 01K took its place"]);
    }

    #[test]
    fn a_window_is_told_with_its_end_and_its_zone() {
        let mut watcher = Watcher::default();
        let stage = |reason: Value| json!({"refId": "1", "name": "Deploy", "status": "RUNNING", "attempt": 1, "startedMs": 1_000, "reason": reason});
        let window = json!({"code": "execution-window", "message": "waits for its window", "data":
            {"until": 1_700_000_000_000_i64, "timeZone": "Asia/Shanghai"}});
        let told = words(&watcher.look(&detail("RUNNING", json!([stage(window.clone())]))));
        assert!(told[1].contains("until 2023-11-15 06:13:20 Asia/Shanghai") && told[1].contains("skip-window 01J 1"), "{told:?}");
        assert!(watcher.look(&detail("RUNNING", json!([stage(Value::Null)]))).is_empty(), "that it is over shows in what follows");
        assert!(watcher.look(&detail("RUNNING", json!([stage(window)]))).is_empty());
    }

    #[test]
    fn parts_are_told_under_their_whole_and_restarts_as_such() {
        let mut watcher = Watcher::default();
        let part = json!({"refId": "1<1", "parentRefId": "1", "name": "Check 1", "status": "RUNNING", "attempt": 1});
        let told = words(&watcher.look(&detail("RUNNING", json!([stage("RUNNING", ""), part]))));
        assert_eq!(told[2], "  stage 1<1 Check 1 RUNNING");
        let mut again = detail("RUNNING", json!([stage("NOT_STARTED", "")]));
        again["generation"] = json!(2);
        again["restarts"] = json!([{"stage": "1", "by": "olga", "atMs": 5, "generation": 2}]);
        assert_eq!(words(&watcher.look(&again)), ["execution 01J: stage 1 is done again, as olga wants it (generation 2)"]);
    }
}
