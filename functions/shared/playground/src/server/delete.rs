//! Deleting one object or many: at once, or marked for those who finish it (finalizers, the kubelet, the end of a namespace).

use super::read::selector;
use super::status::{Refusal, json_response};
use super::target::{Options, Target, unsupported_option};
use super::{Ask, Server, body};
use crate::interfaces::{Cause, Objects as _};
use crate::kinds::Row;
use crate::protobuf;
use crate::state::{State, field, metadata, place_of, text, time};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Grace of a pod that does not say its own.
const GRACE_S_DEFAULT: u64 = 30;
/// Kinds whose deletion answers with the object.
const ANSWERED_WHOLE: [&str; 9] = [
    "Pod",
    "Service",
    "Namespace",
    "ServiceAccount",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "PodTemplate",
    "StorageClass",
];

/// How to delete.
#[derive(Debug, Default)]
struct Wishes {
    uid: Option<String>,
    version: Option<String>,
    policy: Option<String>,
    grace_s: Option<u64>,
    dry_run: bool,
}

impl Wishes {
    /// From the body, else from the query.
    fn of(ask: &Ask) -> Result<Self, Refusal> {
        let dry = ask.options.dry_run("DeleteOptions")?;
        let mut wishes = if ask.body.trim_ascii().is_empty() { Self::of_query(&ask.options)? } else { Self::of_body(ask)? };
        wishes.dry_run |= dry;
        match wishes.policy.as_deref() {
            None | Some("Background" | "Foreground" | "Orphan") => Ok(wishes),
            Some(other) => Err(unsupported_option(
                "DeleteOptions",
                "propagationPolicy",
                &format!("{other:?}"),
                "\"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            )),
        }
    }

    fn of_query(options: &Options) -> Result<Self, Refusal> {
        let policy = options.get("propagationPolicy").map(str::to_owned);
        let orphan = options.get("orphanDependents").map(|orphan| if orphan == "true" { "Orphan" } else { "Background" }.to_owned());
        if let (Some(policy), Some(_)) = (&policy, &orphan) {
            let message = format!("Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both set");
            let cause = Cause { reason: "FieldValueInvalid", field: "propagationPolicy".to_owned(), message };
            return Err(Refusal::invalid_options("DeleteOptions", &[cause]));
        }
        Ok(Self { policy: policy.or(orphan), grace_s: options.number("gracePeriodSeconds")?, ..Self::default() })
    }

    fn of_body(ask: &Ask) -> Result<Self, Refusal> {
        let given = match ask.content_type.as_str() {
            protobuf::MEDIA_TYPE => protobuf::json(&ask.body, ("v1", "DeleteOptions")).map_err(|why| why.to_string()),
            "application/yaml" => body::yaml(&ask.body),
            _ => serde_json::from_slice::<Value>(&ask.body)
                .map_err(|error| format!("couldn't get version/kind; json parse error: {}", super::write::unread(&error))),
        };
        let given = given.map_err(Refusal::bad)?;
        let kind = text(&given, "/kind");
        if !matches!(kind, "" | "DeleteOptions") {
            return Err(Refusal::bad("decoded object cannot be converted to DeleteOptions"));
        }
        let said = |pointer: &str| given.pointer(pointer).and_then(Value::as_str).filter(|said| !said.is_empty()).map(str::to_owned);
        let orphan =
            given.get("orphanDependents").and_then(Value::as_bool).map(|orphan| if orphan { "Orphan" } else { "Background" }.to_owned());
        let dry_run = match given.get("dryRun").and_then(Value::as_array).map(Vec::as_slice) {
            None | Some([]) => false,
            Some([all]) if all == "All" => true,
            Some(_) => {
                let given = given.get("dryRun").map(Value::to_string).unwrap_or_default();
                return Err(unsupported_option("DeleteOptions", "dryRun", &given, "\"All\""));
            }
        };
        Ok(Self {
            uid: said("/preconditions/uid"),
            version: said("/preconditions/resourceVersion"),
            policy: said("/propagationPolicy").or(orphan),
            grace_s: given.get("gracePeriodSeconds").and_then(Value::as_u64),
            dry_run,
        })
    }

    fn check(&self, row: &Row, name: &str, object: &Value) -> Result<(), Refusal> {
        let own = |key: &str| text(object, key).to_owned();
        if let Some(uid) = self.uid.as_ref().filter(|uid| **uid != own("/metadata/uid")) {
            let own = own("/metadata/uid");
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({own}). The object might have been deleted and then recreated"
            );
            return Err(Refusal::precondition(row, name, &why));
        }
        if let Some(version) = self.version.as_ref().filter(|version| **version != own("/metadata/resourceVersion")) {
            let own = own("/metadata/resourceVersion");
            let why = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({own}). The object might have been modified"
            );
            return Err(Refusal::precondition(row, name, &why));
        }
        Ok(())
    }

    /// Seconds until the object must be gone; none for what ends at once.
    fn grace_of(&self, row: &Row, object: &Value) -> Option<u64> {
        let done = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
        if row.kind.kind != "Pod" || done || text(object, "/spec/nodeName").is_empty() {
            return None;
        }
        let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
        Some(self.grace_s.or(own).unwrap_or(GRACE_S_DEFAULT)).filter(|seconds| *seconds > 0)
    }

    /// The finalizers an object has once it is being deleted this way.
    fn finalizers(&self, row: &Row, object: &Value) -> Vec<Value> {
        let mut own = object.pointer("/metadata/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
        // Jobs are the one kind whose dependants stay unless told otherwise.
        let default = if row.kind.kind == "Job" { "Orphan" } else { "" };
        let policy = self.policy.as_deref().unwrap_or(default);
        if !policy.is_empty() {
            own.retain(|finalizer| finalizer != "orphan" && finalizer != "foregroundDeletion");
        }
        match policy {
            "Foreground" => own.push("foregroundDeletion".into()),
            "Orphan" => own.push("orphan".into()),
            _ => {}
        }
        own
    }
}

/// What became of it: the object where it still is or its kind answers so, and whether it is gone.
struct Outcome {
    object: Arc<Value>,
    gone: bool,
}

/// Deletes one object that is there.
fn delete(state: &mut State, row: &Row, object: &Arc<Value>, wishes: &Wishes) -> Result<Outcome, Refusal> {
    let (namespace, name) = place_of(object);
    wishes.check(row, &name, object)?;
    if row.kind.kind == "Namespace" && matches!(name.as_str(), "default" | "kube-system" | "kube-public") {
        return Err(Refusal::forbidden(row, &name, "this namespace may not be deleted"));
    }
    let (grace, finalizers) = (wishes.grace_of(row, object), wishes.finalizers(row, object));
    let ends_by_itself = row.kind.kind == "Namespace";
    if grace.is_none() && finalizers.is_empty() && !ends_by_itself {
        let last = if wishes.dry_run { None } else { state.take(row.kind, &namespace, &name) };
        return Ok(Outcome { object: last.unwrap_or_else(|| Arc::clone(object)), gone: true });
    }
    let mut marked = Value::clone(object);
    mark(state, &mut marked, grace, finalizers);
    if ends_by_itself {
        field(&mut marked, "status").insert("phase".to_owned(), "Terminating".into());
    }
    if wishes.dry_run || marked == **object {
        return Ok(Outcome { object: Arc::new(marked), gone: false });
    }
    let object = state.put(row.kind, marked).map_err(|full| Refusal::full(row, &name, &full))?;
    Ok(Outcome { object, gone: false })
}

fn mark(state: &State, object: &mut Value, grace: Option<u64>, finalizers: Vec<Value>) {
    let now_ms = state.now_ms();
    let before = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_u64);
    let seconds = grace.unwrap_or_default();
    let is_namespace = text(object, "/kind") == "Namespace";
    let fields = metadata(object);
    if !finalizers.is_empty() {
        fields.insert("finalizers".to_owned(), finalizers.into());
    }
    // A second deletion can only shorten the first.
    if !fields.contains_key("deletionTimestamp") || before.is_some_and(|before| seconds < before) {
        fields.insert("deletionTimestamp".to_owned(), time(now_ms + seconds * 1_000).into());
        if !is_namespace {
            fields.insert("deletionGracePeriodSeconds".to_owned(), seconds.into());
        }
        if let Some(generation) = fields.get("generation").and_then(Value::as_u64).filter(|_| before.is_none()) {
            fields.insert("generation".to_owned(), (generation + 1).into());
        }
    }
}

pub(crate) fn one(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let wishes = Wishes::of(ask)?;
    let name = target.name.as_deref().unwrap_or_default();
    let mut state = server.state();
    let object = state.find(target.row.kind, target.place(), name).ok_or_else(|| Refusal::not_found(target.row, name))?;
    let outcome = delete(&mut state, target.row, &object, &wishes)?;
    let now_ms = state.now_ms();
    drop(state);
    if outcome.gone && !ANSWERED_WHOLE.contains(&target.row.kind.kind) {
        return Ok(json_response(200, &success(target.row, &outcome.object)));
    }
    Ok(json_response(200, &ask.shape.object(target.row, &outcome.object, ask.options.get("includeObject"), true, now_ms)))
}

fn success(row: &Row, object: &Value) -> Value {
    let mut details = json!({"name": text(object, "/metadata/name"), "kind": row.plural, "uid": text(object, "/metadata/uid")});
    if let Value::Object(details) = &mut details
        && !row.group.is_empty()
    {
        details.insert("group".to_owned(), row.group.into());
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

pub(crate) fn collection(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let wishes = Wishes::of(ask)?;
    if wishes.uid.is_some() || wishes.version.is_some() {
        let message = "Forbidden: may not be set for deletions of collections".to_owned();
        return Err(Refusal::invalid_options(
            "DeleteOptions",
            &[Cause { reason: "FieldValueForbidden", field: "preconditions".to_owned(), message }],
        ));
    }
    let selector = selector(target, ask)?;
    let mut state = server.state();
    let mut deleted = Vec::new();
    for object in state.all_of(target.row.kind, target.namespace.as_deref()) {
        if selector.matches(&object) {
            deleted.push(delete(&mut state, target.row, &object, &wishes)?.object);
        }
    }
    let (version, now_ms) = (state.version().to_string(), state.now_ms());
    drop(state);
    let objects = deleted.iter().map(AsRef::as_ref);
    Ok(json_response(
        200,
        &ask.shape.list(target.row, objects, json!({"resourceVersion": version}), ask.options.get("includeObject"), now_ms),
    ))
}
