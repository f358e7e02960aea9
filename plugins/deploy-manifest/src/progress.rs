//! How waiting is told to people: one line, and the state of each object.

use sdk::contract::Progress;
use sdk::fields::cut;
use sdk::host::{Reason, Rollout};
use serde_json::{Value, json};

use crate::state::{Object, State};

const TEXT_CHARS_MAX: usize = 500;
const OBJECTS_MAX: usize = 100;
const REASONS_MAX: usize = 10;

/// What was learnt of an object that has not settled.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) index: usize,
    pub(crate) message: String,
    pub(crate) rollout: Option<Rollout>,
}

/// An unsettled object in the host's words, and the first thing that holds it back.
pub(crate) fn words(object: &Object<'_>, rollout: &Rollout) -> String {
    let counted = matches!(object.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet");
    let mut words = if !rollout.message.is_empty() {
        cut(&rollout.message, TEXT_CHARS_MAX)
    } else if rollout.paused {
        "the rollout is paused".to_owned()
    } else if counted && rollout.available < rollout.desired {
        format!("{} of {} updated pods available", rollout.available, rollout.desired)
    } else {
        "not settled yet".to_owned()
    };
    if let Some(reason) = rollout.reasons.first().filter(|reason| !words.contains(&reason.code)) {
        words = format!("{words}; {}: {}", place(reason), reason.code);
    }
    words
}

/// `Pod web-1 (container app)`.
pub(crate) fn place(reason: &Reason) -> String {
    let object = format!("{} {}", reason.object.kind, reason.object.name);
    match &reason.container {
        Some(container) => format!("{object} (container {container})"),
        None => object,
    }
}

/// A reason in full: where, its code, its text.
pub(crate) fn sentence(reason: &Reason) -> String {
    let text = cut(reason.message.trim(), TEXT_CHARS_MAX);
    let colon = if text.is_empty() { "" } else { ": " };
    format!("{}: {}{colon}{text}", place(reason), reason.code)
}

/// The line for all objects: the first one that has not settled, named unless it is the only object.
pub(crate) fn line(state: &State, waiting: &[Waiting]) -> String {
    let Some(first) = waiting.first() else {
        return "waiting for objects to settle".to_owned();
    };
    let more = match waiting.len() - 1 {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    match state.object(first.index) {
        Some(object) if state.objects.len() > 1 => {
            format!("{}: {}{more}", object.label(), first.message)
        }
        _ => first.message.clone(),
    }
}

/// Everything about waiting, for people and for expressions.
pub(crate) fn progress(state: &State, waiting: &[Waiting], for_address: bool) -> Progress {
    let all = state.objects.len();
    let settled = state.all().filter(|(_, object)| !object.waits(for_address)).count();
    let percent = settled.saturating_mul(100).checked_div(all).and_then(|percent| u8::try_from(percent).ok());
    Progress { message: line(state, waiting), percent, details: Some(details(state, waiting, for_address).to_string()) }
}

/// State by object.
pub(crate) fn details(state: &State, waiting: &[Waiting], for_address: bool) -> Value {
    let objects: Vec<_> = state
        .all()
        .take(OBJECTS_MAX)
        .map(|(index, object)| {
            let known = waiting.iter().find(|waiting| waiting.index == index);
            let waits = object.waits(for_address);
            let mut shown = json!({"kind": object.kind, "name": object.name, "namespace": object.namespace,
                "state": if waits { "waiting" } else { "settled" }});
            if let (Some(known), Some(map)) = (known, shown.as_object_mut()) {
                map.insert("message".to_owned(), json!(known.message));
                if let Some(rollout) = &known.rollout {
                    map.insert("desired".to_owned(), json!(rollout.desired));
                    map.insert("updated".to_owned(), json!(rollout.updated));
                    map.insert("available".to_owned(), json!(rollout.available));
                    map.insert("reasons".to_owned(), reasons(&rollout.reasons));
                }
            }
            shown
        })
        .collect();
    json!({ "objects": objects })
}

/// Reasons as JSON.
pub(crate) fn reasons(reasons: &[Reason]) -> Value {
    let shown = reasons.iter().take(REASONS_MAX).map(|reason| {
        json!({"code": reason.code, "kind": reason.object.kind, "name": reason.object.name,
            "namespace": reason.object.namespace, "container": reason.container,
            "message": cut(&reason.message, TEXT_CHARS_MAX)})
    });
    Value::Array(shown.collect())
}
