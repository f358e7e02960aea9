//! What a pipeline was known by where it comes from: ids and addresses that are issued anew here, and what somebody has to set up
//! elsewhere because of it.

use crate::walk::objects;
use serde::Serialize;
use serde_json::{Map, Value};

/// An identity that does not come along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Where it stands; for what has no id of its own, where what it belongs to stands.
    pub pointer: String,
    /// `pipeline-id`, `trigger-id`, `cron`, `hook-address`, `registry-subscription`, `git-hook`, `subscription`.
    pub kind: &'static str,
    /// What has to be done elsewhere, or what changes.
    pub todo: String,
}

/// Keys that the server writes.
const SERVERS: [&str; 3] = ["updateTs", "lastModified", "lastModifiedBy"];

/// Lists them.
#[must_use]
pub fn find(document: &Value) -> Vec<Identity> {
    let mut found = Vec::new();
    let mut add = |pointer: String, kind, todo: String| found.push(Identity { pointer, kind, todo });
    if has_text(document.as_object(), "id") {
        let todo = "the pipeline gets a new id; whoever starts it by the old one must say the new one, or its name";
        add("/id".to_owned(), "pipeline-id", todo.to_owned());
    }
    for (at, trigger) in objects(document, "triggers") {
        let pointer = format!("/triggers/{at}");
        let text = |key: &str| trigger.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "docker" => {
                let todo = format!("the registry must tell about pushes of `{}` at the trigger's new address", text("repository"));
                add(pointer.clone(), "registry-subscription", todo);
            }
            "git" => {
                let todo =
                    format!("`{}/{}` needs a hook that calls the trigger's new address, with its secret", text("project"), text("slug"));
                add(pointer.clone(), "git-hook", todo);
            }
            "webhook" => add(pointer.clone(), "hook-address", "whoever calls the trigger's hook must call its new address".to_owned()),
            "cron" => {
                let todo = "the trigger gets a new id: where its expression says `H`, it falls on another instant";
                add(pointer.clone(), "cron", todo.to_owned());
            }
            "pubsub" => {
                let todo = "the subscription must deliver to this installation as well";
                add(pointer.clone(), "subscription", todo.to_owned());
            }
            _ => {}
        }
        if has_text(Some(trigger), "id") {
            add(format!("{pointer}/id"), "trigger-id", "the trigger gets a new id".to_owned());
        }
    }
    found
}

fn has_text(object: Option<&Map<String, Value>>, key: &str) -> bool {
    object.and_then(|object| object.get(key)).is_some_and(|value| value.as_str().is_none_or(|text| !text.is_empty()) && !value.is_null())
}

/// Takes them out, with what the server writes itself, so that new ones are issued when the pipeline is saved.
pub fn strip(document: &mut Value) {
    let Some(object) = document.as_object_mut() else { return };
    object.shift_remove("id");
    for key in SERVERS {
        object.shift_remove(key);
    }
    for trigger in object.get_mut("triggers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(trigger) = trigger.as_object_mut() {
            trigger.shift_remove("id");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_issued_anew_is_listed_and_taken_out() {
        let mut document = json!({"id": "x", "name": "p", "updateTs": "1", "triggers": [
            {"type": "docker", "repository": "team/web", "id": "t1"}, {"type": "git", "project": "a", "slug": "b"},
            {"type": "webhook", "source": "s"}, {"type": "cron", "id": "c"}, {"type": "pubsub"}, {"type": "jenkins"}]});
        let found: Vec<_> = find(&document).into_iter().map(|identity| format!("{} {}", identity.kind, identity.pointer)).collect();
        assert_eq!(
            found,
            [
                "pipeline-id /id",
                "registry-subscription /triggers/0",
                "trigger-id /triggers/0/id",
                "git-hook /triggers/1",
                "hook-address /triggers/2",
                "cron /triggers/3",
                "trigger-id /triggers/3/id",
                "subscription /triggers/4"
            ]
        );
        strip(&mut document);
        assert_eq!(document["triggers"][3], json!({"type": "cron"}));
        assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["name", "triggers"]);
    }
}
