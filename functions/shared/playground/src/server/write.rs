//! Create, replace and patch: from a body to a stored object, with the checks and in the order of the API server.

use super::status::{Refusal, json_response};
use super::target::Target;
use super::{Ask, Server, body};
use crate::interfaces::{Cause, Objects as _};
use crate::kinds::Row;
use crate::patch::{self, Manager};
use crate::state::{State, Writer, count_generation, metadata, text, time};
use crate::{defaults, validate};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Letters that generated names end in.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const NAME_CHARS_MAX: usize = 63;
const SUFFIX_CHARS: usize = 5;
const APPLY: &str = "application/apply-patch+yaml";
/// Kinds that are replaced only at a version that is named.
const CONDITIONAL: [&str; 2] = ["PodDisruptionBudget", "Lease"];
/// Kinds of which a replace makes what is not there.
const MADE_BY_REPLACE: [&str; 8] =
    ["Service", "Endpoints", "LimitRange", "Lease", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
/// What the server gives to new objects after it is recorded who owns what.
const ALLOCATED: [(&str, &str, &[&str]); 4] = [
    ("Service", "/spec", &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]),
    ("Job", "/spec", &["selector"]),
    (
        "Job",
        "/spec/template/metadata/labels",
        &["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"],
    ),
    ("PersistentVolumeClaim", "/metadata", &["finalizers"]),
];
/// Fields of metadata that only the server writes.
const OWN_FIELDS: [&str; 5] = ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// What a write is about, apart from the object.
pub(crate) struct Write<'a> {
    pub(crate) target: &'a Target,
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
}

impl<'a> Write<'a> {
    pub(crate) fn of(target: &'a Target, ask: &Ask, options: &str) -> Result<Self, Refusal> {
        ask.options.check_field_validation(options)?;
        let dry_run = ask.options.dry_run(options)?;
        let applies = ask.content_type == APPLY;
        if options == "PatchOptions" {
            let cause =
                |field: &str, reason: &'static str, message: &str| Cause { reason, field: field.to_owned(), message: message.to_owned() };
            if applies && ask.options.get("fieldManager").is_none() {
                let why = cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch");
                return Err(Refusal::invalid_options(options, &[why]));
            }
            if !applies && ask.options.get("force").is_some() {
                let why = cause("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch");
                return Err(Refusal::invalid_options(options, &[why]));
            }
        }
        Ok(Self { target, manager: ask.manager(), force: ask.options.is("force"), dry_run })
    }

    fn kind(&self) -> (&'static str, &'static str) {
        (self.target.row.kind.api_version, self.target.row.kind.kind)
    }

    fn manager(&self, now_ms: u64) -> Manager {
        Manager { name: self.manager.clone(), force: self.force, subresource: self.target.subresource.clone(), now: time(now_ms) }
    }
}

/// The body as an object of this kind; what it does not say of itself is filled in.
fn object_body(row: &Row, ask: &Ask) -> Result<Value, Refusal> {
    let mut object = body::object(ask, (row.kind.api_version, row.kind.kind))?;
    check_kind(row, &object)?;
    if let Value::Object(fields) = &mut object {
        for (name, value) in [("apiVersion", row.kind.api_version), ("kind", row.kind.kind)] {
            fields.insert(name.to_owned(), value.into());
        }
    }
    let kind = (row.kind.api_version, row.kind.kind);
    let handled = |why: &str| Refusal::bad(format!("{0} in version {1:?} cannot be handled as a {0}: {why}", kind.1, row.version));
    // The one knows the types by their names, the other knows all of them.
    validate::decode(&object).map_err(Refusal::bad)?;
    if let Some(why) = patch::undecodable(kind, &object) {
        return Err(handled(&why));
    }
    let unknown = patch::settle(kind, &mut object);
    if !unknown.is_empty() && ask.options.get("fieldValidation") == Some("Strict") {
        return Err(handled(&strictly(&unknown)));
    }
    Ok(object)
}

/// What is wrong with a text that is no JSON, as the API server says it where it says the same of all of them.
pub(crate) fn unread(error: &serde_json::Error) -> String {
    if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() }
}

fn strictly(unknown: &[String]) -> String {
    let named: Vec<String> = unknown.iter().map(|field| format!("unknown field {field:?}")).collect();
    format!("strict decoding error: {}", named.join(", "))
}

fn check_kind(row: &Row, object: &Value) -> Result<(), Refusal> {
    let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    if !api_version.is_empty() && api_version != row.kind.api_version {
        let expected = row.kind.api_version;
        let why = format!("the API version in the data ({api_version}) does not match the expected API version ({expected})");
        return Err(Refusal::bad(why));
    }
    if !kind.is_empty() && kind != row.kind.kind {
        let (version, own) = (row.version, row.kind.kind);
        let group = if row.group.is_empty() { "core" } else { row.group.split('.').next().unwrap_or_default() };
        let why = format!(
            "{kind} in version {version:?} cannot be handled as a {own}: converting ({version}.{kind}) to ({group}.{own}): unknown conversion"
        );
        return Err(Refusal::bad(why));
    }
    Ok(())
}

fn check_place(target: &Target, object: &Value) -> Result<(), Refusal> {
    let (name, namespace) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
    let wanted = target.name.as_deref().unwrap_or_default();
    if name != wanted {
        return Err(Refusal::bad(format!("the name of the object ({name}) does not match the name on the URL ({wanted})")));
    }
    if !namespace.is_empty() && namespace != target.place() {
        return Err(Refusal::bad("the namespace of the provided object does not match the namespace sent on the request"));
    }
    Ok(())
}

/// The namespace is there, and stays.
fn check_namespace(state: &State, row: &Row, namespace: &str, name: &str) -> Result<(), Refusal> {
    let Some(namespaces) = crate::kinds::by_kind("v1", "Namespace").filter(|_| row.namespaced) else { return Ok(()) };
    let found = state.find(namespaces.kind, "", namespace).ok_or_else(|| Refusal::not_found(namespaces, namespace))?;
    if found.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut refusal = Refusal::forbidden(row, name, &why);
    if let Value::Object(details) = &mut refusal.details {
        let message = format!("namespace {namespace} is being terminated");
        details.insert("causes".to_owned(), json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]));
    }
    Err(refusal)
}

fn generated(prefix: &str) -> String {
    let mut bytes = [0_u8; SUFFIX_CHARS];
    // Without randomness the name is taken already, and the caller hears of it.
    let _ = getrandom::fill(&mut bytes);
    let prefix: String = prefix.chars().take(NAME_CHARS_MAX - SUFFIX_CHARS).collect();
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied().map_or('x', char::from);
    prefix + &bytes.iter().map(letter).collect::<String>()
}

/// The name a new object is to have.
fn name_new(row: &Row, object: &mut Value) -> Result<String, Refusal> {
    let (name, prefix) = (text(object, "/metadata/name").to_owned(), text(object, "/metadata/generateName").to_owned());
    if !name.is_empty() {
        return Ok(name);
    }
    if prefix.is_empty() {
        let message = "Required value: name or generateName is required".to_owned();
        return Err(Refusal::invalid(row, "", &[Cause { reason: "FieldValueRequired", field: "metadata.name".to_owned(), message }]));
    }
    let name = generated(&prefix);
    metadata(object).insert("name".to_owned(), name.clone().into());
    Ok(name)
}

pub(crate) fn create(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let write = Write::of(target, ask, "CreateOptions")?;
    let mut object = object_body(target.row, ask)?;
    let namespace = text(&object, "/metadata/namespace");
    if !namespace.is_empty() && namespace != target.place() {
        return Err(Refusal::bad("the namespace of the provided object does not match the namespace sent on the request"));
    }
    let mut state = server.state();
    let name = name_new(target.row, &mut object)?;
    check_namespace(&state, target.row, target.place(), &name)?;
    if !text(&object, "/metadata/resourceVersion").is_empty() {
        return Err(Refusal::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    let made = store_new(&mut state, &write, object, true)?;
    let now_ms = state.now_ms();
    drop(state);
    Ok(json_response(201, &ask.shape.object(target.row, &made, ask.options.get("includeObject"), true, now_ms)))
}

/// Checks and stores an object that was not there; who owns its fields is recorded unless an apply has done so.
fn store_new(state: &mut State, write: &Write<'_>, mut object: Value, track: bool) -> Result<Arc<Value>, Refusal> {
    let (row, place) = (write.target.row, write.target.place());
    let fields = metadata(&mut object);
    for key in OWN_FIELDS.into_iter().chain(["resourceVersion", "selfLink"]) {
        fields.shift_remove(key);
    }
    if row.namespaced {
        fields.insert("namespace".to_owned(), place.into());
    } else {
        fields.shift_remove("namespace");
    }
    if row.has("status")
        && let Value::Object(fields) = &mut object
    {
        fields.shift_remove("status");
    }
    validate::decode(&object).map_err(Refusal::bad)?;
    let given = object.clone();
    begin(row, &mut object);
    state.stamp(row, &mut object);
    defaults::fill(&mut object);
    patch::settle(write.kind(), &mut object);
    let name = text(&object, "/metadata/name").to_owned();
    let causes = validate::create(&object);
    if !causes.is_empty() {
        return Err(Refusal::invalid(row, &name, &causes));
    }
    if state.find(row.kind, place, &name).is_some() {
        return Err(Refusal::exists(row, &name));
    }
    if track {
        let mut tracked = as_given(row, &given, &object);
        patch::track(write.kind(), None, &mut tracked, &write.manager(state.now_ms()));
        if let Some(managed) = tracked.pointer("/metadata/managedFields") {
            metadata(&mut object).insert("managedFields".to_owned(), managed.clone());
        }
    }
    if write.dry_run {
        return Ok(Arc::new(object));
    }
    let made = state.put(row.kind, object).map_err(|full| Refusal::full(row, &name, &full))?;
    if row.kind.kind == "Namespace" {
        state.furnish(&name);
    }
    Ok(made)
}

/// The new object without what the server gave it.
fn as_given(row: &Row, given: &Value, object: &Value) -> Value {
    let mut tracked = object.clone();
    let own = ALLOCATED.iter().filter(|(kind, ..)| *kind == row.kind.kind);
    for (_, place, names) in own {
        if let Some(Value::Object(fields)) = tracked.pointer_mut(place) {
            fields.retain(|name, _| !names.contains(&name.as_str()) || given.pointer(place).is_some_and(|given| given.get(name).is_some()));
        }
    }
    if let (Value::Object(fields), "Namespace") = (&mut tracked, row.kind.kind) {
        fields.shift_remove("spec");
    }
    tracked
}

/// What kinds begin their life with, beside the defaults of their fields.
fn begin(row: &Row, object: &mut Value) {
    let name = text(object, "/metadata/name").to_owned();
    match row.kind.kind {
        "Namespace" => {
            if let Value::Object(fields) = object {
                fields.insert("spec".to_owned(), json!({"finalizers": ["kubernetes"]}));
                fields.insert("status".to_owned(), json!({"phase": "Active"}));
            }
            let labels = metadata(object).entry("labels").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(labels) = labels {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
            }
        }
        "Pod" => {
            if let Value::Object(fields) = object {
                fields.insert("status".to_owned(), json!({"phase": "Pending"}));
            }
        }
        _ => {}
    }
}

pub(crate) fn replace(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let write = Write::of(target, ask, "UpdateOptions")?;
    let object = object_body(target.row, ask)?;
    check_place(target, &object)?;
    let name = target.name.as_deref().unwrap_or_default();
    let mut state = server.state();
    let Some(live) = state.find(target.row.kind, target.place(), name) else {
        if target.subresource.is_some() || !MADE_BY_REPLACE.contains(&target.row.kind.kind) {
            return Err(Refusal::not_found(target.row, name));
        }
        check_namespace(&state, target.row, target.place(), name)?;
        let made = store_new(&mut state, &write, object, true)?;
        let now_ms = state.now_ms();
        drop(state);
        return Ok(json_response(201, &ask.shape.object(target.row, &made, ask.options.get("includeObject"), true, now_ms)));
    };
    if CONDITIONAL.contains(&target.row.kind.kind) && text(&object, "/metadata/resourceVersion").is_empty() {
        return Err(Refusal::unconditional(target.row, name));
    }
    let after = store(&mut state, &write, &live, object, true)?;
    let now_ms = state.now_ms();
    drop(state);
    Ok(json_response(200, &ask.shape.object(target.row, &after, ask.options.get("includeObject"), true, now_ms)))
}

pub(crate) fn patch(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let write = Write::of(target, ask, "PatchOptions")?;
    let name = target.name.as_deref().unwrap_or_default();
    let mut state = server.state();
    let live = state.find(target.row.kind, target.place(), name);
    let applies = ask.content_type == APPLY;
    let (code, after) = match live {
        Some(live) => {
            let object = if applies {
                applied(target.row, &write, ask, Some(&live), state.now_ms())?
            } else {
                patched(ask, write.kind(), &live, &write, name)?
            };
            check_kind(target.row, &object).map_err(|refusal| Refusal::unreadable_patch(&object.to_string(), &refusal.message))?;
            check_place(target, &object)?;
            (200, store(&mut state, &write, &live, object, !applies)?)
        }
        None if applies && target.subresource.is_none() => {
            let object = applied(target.row, &write, ask, None, state.now_ms())?;
            check_place(target, &object)?;
            check_namespace(&state, target.row, target.place(), name)?;
            (201, store_new(&mut state, &write, object, false)?)
        }
        None => return Err(Refusal::not_found(target.row, name)),
    };
    let now_ms = state.now_ms();
    drop(state);
    Ok(json_response(code, &ask.shape.object(target.row, &after, ask.options.get("includeObject"), true, now_ms)))
}

/// The object as a merge, strategic or JSON patch leaves it.
pub(crate) fn patched(ask: &Ask, kind: (&str, &str), live: &Value, write: &Write<'_>, name: &str) -> Result<Value, Refusal> {
    let read =
        |before: &str| serde_json::from_slice::<Value>(&ask.body).map_err(|error| Refusal::bad(format!("{before}{}", unread(&error))));
    let failed = |error: patch::PatchError| {
        let (code, reason) = error.status();
        let refusal = Refusal::new(code, reason, error.to_string());
        if code == 422 { refusal.with(json!({})) } else { refusal }
    };
    let object_only = |patch: Value, before: &str| {
        let of = if patch.is_array() { "array" } else { "string" };
        let why = format!("{before}json: cannot unmarshal {of} into Go value of type map[string]interface {{}}");
        if patch.is_object() { Ok(patch) } else { Err(Refusal::bad(why)) }
    };
    let mut object = live.clone();
    match ask.content_type.as_str() {
        "application/json-patch+json" => patch::json(&mut object, &read("error decoding patch: ")?).map_err(failed)?,
        "application/merge-patch+json" => {
            patch::merge(&mut object, &object_only(read("error decoding patch: ")?, "error decoding patch: ")?)
        }
        "application/strategic-merge-patch+json" => patch::strategic(kind, &mut object, &object_only(read("")?, "")?).map_err(failed)?,
        // Of what is no object of its own, an apply owns nothing that is recorded elsewhere.
        APPLY if kind.1 == "Scale" => {
            let wanted = body::applied(ask)?;
            check_place(write.target, &wanted)
                .or_else(|refusal| if text(&wanted, "/metadata/name").is_empty() { Ok(()) } else { Err(refusal) })?;
            patch::merge(&mut object, &wanted);
        }
        _ => return Err(Refusal::unsupported_patch()),
    }
    if !object.is_object() {
        return Err(Refusal::bad(format!("what the patch makes of {name:?} is no object")));
    }
    // What a strategic patch says is quoted; of the others, what they made.
    let made = object.clone();
    let given = || match serde_json::from_slice(&ask.body) {
        Ok(given) if ask.content_type.starts_with("application/strategic") => patch::go_print(&given),
        _ => made.to_string(),
    };
    if let Some(why) = patch::undecodable(kind, &object) {
        return Err(Refusal::unreadable_patch(&given(), &why));
    }
    let unknown = patch::settle(kind, &mut object);
    if !unknown.is_empty() && ask.options.get("fieldValidation") == Some("Strict") {
        return Err(Refusal::unreadable_patch(&given(), &strictly(&unknown)));
    }
    Ok(object)
}

/// The object as a server-side apply leaves it, with who owns what.
fn applied(row: &Row, write: &Write<'_>, ask: &Ask, live: Option<&Value>, now_ms: u64) -> Result<Value, Refusal> {
    let name = write.target.name.as_deref().unwrap_or_default();
    let mut wanted = body::applied(ask)?;
    if text(&wanted, "/metadata/name").is_empty() {
        metadata(&mut wanted).insert("name".to_owned(), name.into());
    }
    check_place(write.target, &wanted)?;
    let version = text(&wanted, "/metadata/resourceVersion");
    if !version.is_empty() && live.is_none_or(|live| text(live, "/metadata/resourceVersion") != version) {
        return Err(Refusal::modified(row, name));
    }
    patch::apply(write.kind(), live, &wanted, &write.manager(now_ms)).map_err(|error| {
        let (code, reason) = error.status();
        let refusal = Refusal::new(code, reason, error.to_string());
        match error {
            patch::ApplyError::Conflicts(conflicts) => refusal.with(json!({"causes": conflicts.iter().map(conflict).collect::<Vec<_>>()})),
            _ => refusal,
        }
    })
}

fn conflict(conflict: &patch::Conflict) -> Value {
    let message = format!("conflict with {}", conflict.manager);
    json!({"reason": "FieldManagerConflict", "message": message, "field": conflict.field})
}

/// Checks and stores a changed object; the same as what is there is not written.
pub(crate) fn store(
    state: &mut State,
    write: &Write<'_>,
    live: &Arc<Value>,
    mut object: Value,
    track: bool,
) -> Result<Arc<Value>, Refusal> {
    let (row, name) = (write.target.row, text(live, "/metadata/name").to_owned());
    check_versions(row, live, &object, &name)?;
    keep_own(row, write.target, live, &mut object);
    if write.target.subresource.as_deref() != Some("status") {
        validate::decode(&object).map_err(Refusal::bad)?;
        defaults::carry(live, &mut object);
        defaults::fill(&mut object);
        let causes = validate::update(live, &object);
        if !causes.is_empty() {
            return Err(Refusal::invalid(row, &name, &causes));
        }
    }
    count_generation(row, live, &mut object, Writer::Client);
    if track {
        patch::track(write.kind(), Some(live), &mut object, &write.manager(state.now_ms()));
    }
    if patch::same_but_for_times(live, &object) {
        return Ok(Arc::clone(live));
    }
    if write.dry_run {
        return Ok(Arc::new(object));
    }
    let ended = has_ended(&object);
    let after = state.put(row.kind, object).map_err(|full| Refusal::full(row, &name, &full))?;
    if ended {
        state.take(row.kind, write.target.place(), &name);
    }
    Ok(after)
}

/// Being deleted, and nothing holds it any more.
fn has_ended(object: &Value) -> bool {
    let empty = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).is_none_or(Vec::is_empty);
    let waits = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds > 0);
    let holds = text(object, "/kind") == "Namespace" && !empty("/spec/finalizers");
    object.pointer("/metadata/deletionTimestamp").is_some() && empty("/metadata/finalizers") && !waits && !holds
}

fn check_versions(row: &Row, live: &Value, object: &Value, name: &str) -> Result<(), Refusal> {
    let (uid, own) = (text(object, "/metadata/uid"), text(live, "/metadata/uid"));
    if !uid.is_empty() && uid != own {
        let key = format!("/registry/{}/{}/{name}", row.plural, text(live, "/metadata/namespace"));
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"
        );
        return Err(Refusal::conflict(row, name, &why));
    }
    let version = text(object, "/metadata/resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(Refusal::new(500, "", format!("strconv.ParseUint: parsing {version:?}: invalid syntax")));
    }
    if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
        return Err(Refusal::modified(row, name));
    }
    Ok(())
}

/// Puts back what this write may not change.
fn keep_own(row: &Row, target: &Target, live: &Value, object: &mut Value) {
    match target.subresource.as_deref() {
        Some("status") => {
            let mut kept = live.clone();
            let managed = object.pointer("/metadata/managedFields").cloned();
            if let (Value::Object(kept), Value::Object(given)) = (&mut kept, &mut *object)
                && let Some(status) = given.shift_remove("status")
            {
                kept.insert("status".to_owned(), status);
            }
            if let Some(managed) = managed {
                metadata(&mut kept).insert("managedFields".to_owned(), managed);
            }
            *object = kept;
        }
        _ if row.has("status") => restore(object, live, "status"),
        _ => {}
    }
    if row.kind.kind == "Namespace" && target.subresource.as_deref() != Some("finalize") {
        restore(object, live, "spec");
    }
    let fields = metadata(object);
    fields.shift_remove("selfLink");
    for key in OWN_FIELDS.into_iter().chain(["name", "namespace", "resourceVersion"]) {
        match live.get("metadata").and_then(|metadata| metadata.get(key)) {
            Some(value) => fields.insert(key.to_owned(), value.clone()),
            None => fields.shift_remove(key),
        };
    }
}

fn restore(object: &mut Value, live: &Value, key: &str) {
    if let Value::Object(fields) = object {
        match live.get(key) {
            Some(value) => fields.insert(key.to_owned(), value.clone()),
            None => fields.shift_remove(key),
        };
    }
}
