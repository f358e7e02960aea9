//! How the stage ends when its child has: what the child's answer says, and what of it is left behind.

use sdk::contract::{Blame, Failure, Outcome, Results};
use sdk::fields;
use serde_json::{Map, Value, json};

use crate::child::Child;
use crate::settings::Settings;

/// What outputs, context and artifacts may have together; the host takes 4 MiB in all.
pub(crate) const RESULT_BYTES_MAX: usize = 3 * 1024 * 1024;
/// What the host takes.
pub(crate) const ARTIFACTS_MAX: usize = 500;
const MESSAGE_CHARS_MAX: usize = 2_000;
const REASON_BYTES_MAX: usize = 64 * 1024;

/// Where the child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State<'a> {
    /// It has not ended; queued and paused are among these.
    Live(&'a str),
    Succeeded,
    Failed,
    Canceled,
}

impl<'a> State<'a> {
    pub(crate) fn of(child: &Child, answer: &'a Map<String, Value>) -> Result<Self, Failure> {
        match fields::text(answer, "status") {
            Some(status @ ("NOT_STARTED" | "RUNNING" | "PAUSED" | "SUSPENDED" | "BUFFERED")) => Ok(Self::Live(status)),
            Some("SUCCEEDED") => Ok(Self::Succeeded),
            Some("TERMINAL") => Ok(Self::Failed),
            Some("CANCELED") => Ok(Self::Canceled),
            // Resting on a word nobody knows could be for ever.
            Some(other) => Err(unreadable(child, &format!("its status is {}", fields::cut(other, 100)))),
            None => Err(unreadable(child, "it has no status")),
        }
    }
}

/// The failure for an answer that cannot be understood.
pub(crate) fn unreadable(child: &Child, why: &str) -> Failure {
    let message = format!("what is known of {} cannot be read: {why}", child.label());
    Failure::new("child-unreadable", Blame::Platform, message).with_results(left(child, None, String::new()))
}

/// The child's id and name alone.
pub(crate) fn left(child: &Child, status: Option<&str>, message: String) -> Results {
    Results { outputs: "{}".to_owned(), ..Results::of(&child.context(status), message) }
}

/// The child's outputs become the stage's, unless they are not wanted; its artifacts are visible either way.
pub(crate) fn succeeded(child: &Child, answer: &Map<String, Value>, settings: &Settings) -> Result<Outcome, Failure> {
    let outputs = match answer.get("outputs") {
        _ if settings.skip_outputs => Map::new(),
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(outputs)) => outputs.clone(),
        Some(_) => return Err(unreadable(child, "its outputs are not an object")),
    };
    let artifacts: Vec<String> = match answer.get("artifacts") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().filter(|artifact| artifact.is_object()).map(Value::to_string).collect(),
        Some(_) => return Err(unreadable(child, "its artifacts are not a list")),
    };
    let mut context = outputs.clone();
    if let Value::Object(own) = child.context(Some("SUCCEEDED")) {
        context.extend(own);
    }
    let (outputs, context) = (Value::Object(outputs).to_string(), Value::Object(context).to_string());
    let bytes = outputs.len() + context.len() + artifacts.iter().map(String::len).sum::<usize>();
    if bytes > RESULT_BYTES_MAX || artifacts.len() > ARTIFACTS_MAX {
        return Err(too_large(child, bytes, artifacts.len()));
    }
    let message = format!("{} succeeded", child.label());
    Ok(Outcome::Succeeded(Results { outputs, context, artifacts, message, adopt_sender: false }))
}

fn too_large(child: &Child, bytes: usize, artifacts: usize) -> Failure {
    let message = format!(
        "{} succeeded, but leaves {bytes} bytes and {artifacts} artifacts; {RESULT_BYTES_MAX} and {ARTIFACTS_MAX} are allowed \
         (skipDownstreamOutput leaves its outputs out)",
        child.label()
    );
    Failure::user("child-results-too-large", message).with_results(left(child, Some("SUCCEEDED"), String::new()))
}

/// The child's own words go on to whoever looks at the parent.
pub(crate) fn failed(child: &Child, answer: &Map<String, Value>) -> Failure {
    let said = said(answer);
    let why = if said.is_empty() { "no reason is known" } else { &said };
    let message = fields::cut(&format!("{} failed: {why}", child.label()), MESSAGE_CHARS_MAX);
    let details = json!({
        "executionId": child.id,
        "executionName": child.name,
        "status": "TERMINAL",
        "errors": errors(answer),
        "reason": reason(answer),
    });
    let results = left(child, Some("TERMINAL"), message.clone());
    Failure::user("child-failed", message).with_details(&details).with_results(results)
}

/// Who cancelled the child and why, in the child's own words.
pub(crate) fn canceled(child: &Child, answer: &Map<String, Value>) -> Outcome {
    let said = said(answer);
    let message = match said.as_str() {
        "" => format!("{} was cancelled", child.label()),
        // The reason of a person's cancel says it whole.
        whole if whole.starts_with("cancelled") => format!("{} was {whole}", child.label()),
        why => format!("{} was cancelled: {why}", child.label()),
    };
    Outcome::Canceled(left(child, Some("CANCELED"), fields::cut(&message, MESSAGE_CHARS_MAX)))
}

/// The message of the child's reason.
fn said(answer: &Map<String, Value>) -> String {
    let reason = answer.get("reason");
    let text = reason.and_then(|reason| reason.get("message")).or(reason).and_then(Value::as_str);
    text.unwrap_or_default().trim().to_owned()
}

/// Every message in the reason, the outermost first: a reason's data may hold the reasons of stages.
fn errors(answer: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(reason) = answer.get("reason") {
        messages(reason, 0, &mut found);
    }
    found
}

fn messages(value: &Value, depth: usize, found: &mut Vec<String>) {
    const DEPTH_MAX: usize = 8;
    const ERRORS_MAX: usize = 20;
    if depth > DEPTH_MAX || found.len() >= ERRORS_MAX {
        return;
    }
    match value {
        Value::Object(map) => {
            if let Some(message) = fields::text(map, "message") {
                let message = fields::cut(message, MESSAGE_CHARS_MAX);
                if !found.contains(&message) {
                    found.push(message);
                }
            }
            map.values().for_each(|inner| messages(inner, depth + 1, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| messages(inner, depth + 1, found)),
        _ => {}
    }
}

/// The child's reason as it stands, or only its code and message when it is too large to be passed on.
fn reason(answer: &Map<String, Value>) -> Value {
    let reason = answer.get("reason").cloned().unwrap_or_default();
    if reason.to_string().len() <= REASON_BYTES_MAX {
        return reason;
    }
    let message = fields::cut(&said(answer), MESSAGE_CHARS_MAX);
    json!({"code": reason.get("code"), "message": message})
}
