//! Server-side apply as the installation's one manager. What client-side apply made is adopted first, so that fields
//! the manifest no longer has go away and nothing conflicts; any other manager's field is a conflict. Replicas that the
//! scale sub-resource owns are left out, and a write that lost to another one at the same moment is made again. One read and one patch in the common case, one patch more for an adoption.

use crate::link::{Ask, Link};
use crate::{MANAGER, errors, managed_fields, objects, paths};
use app::ports::{Applied, ApplyOptions, ClusterError};
use serde_json::Value;
use std::time::Instant;

/// Most attempts at an adoption while somebody else keeps changing the object.
const ATTEMPTS_MAX: usize = 5;
const REPLICAS: &str = "/spec/replicas";
const APPLY_PATCH: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";

pub(crate) async fn apply(link: &Link, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError> {
    let path = path_of(link, manifest).await?;
    for _ in 0..ATTEMPTS_MAX {
        match once(link, &path, manifest, options).await {
            // The same is sent again, to what the object is now.
            Err(ClusterError::Conflict(text)) if errors::in_between(&text) => {}
            other => return other,
        }
    }
    Err(errors::kept_changing(ATTEMPTS_MAX))
}

async fn once(link: &Link, path: &str, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError> {
    let before = before(link, path, options.dry_run).await?;
    let mut manifest = manifest.clone();
    let left_out = leave_out(&mut manifest, before.as_ref().map(|before| &before.live));
    let send = |force: bool| {
        let pairs = [
            ("fieldManager", Some(MANAGER)),
            ("force", force.then_some("true")),
            ("fieldValidation", Some("Strict")),
            ("dryRun", options.dry_run.then_some("All")),
        ];
        link.json(Ask::patch(paths::with_query(path, &pairs), APPLY_PATCH, &manifest))
    };
    let force = options.force_conflicts || before.as_ref().is_some_and(|before| before.force);
    let (status, live) = match send(force).await {
        // What would have been handed over stands in the way of a dry run, and only of that.
        Err(ClusterError::Conflict(text)) if before.as_ref().is_some_and(|before| before.would_adopt(&text)) => send(true).await?,
        other => other?,
    };
    let created = status == 201;
    let changed = created || before.is_none_or(|before| differs(&before, &live, options.dry_run));
    if !options.dry_run {
        link.written.note(path, version_of(&live), Instant::now());
    }
    Ok(Applied { live, created, changed, left_out })
}

async fn path_of(link: &Link, manifest: &Value) -> Result<String, ClusterError> {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    if api_version.is_empty() || kind.is_empty() {
        return Err(ClusterError::Invalid("the manifest says no apiVersion or no kind".to_owned()));
    }
    if name.is_empty() {
        return Err(ClusterError::Invalid(format!("the {kind} has no metadata.name; what has a generateName is created, not applied")));
    }
    let namespace = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
    let collection = objects::collection_of(link, api_version, kind, namespace).await?;
    paths::object(&collection, name)
}

/// What was there before.
struct Before {
    live: Value,
    /// The resourceVersion it was found at, before an adoption moved it.
    version: String,
    /// Client-side apply made it, but no record says so that could be handed over: its fields are taken by force.
    force: bool,
    /// A dry run, so nothing was handed over: the managers that would have been.
    not_adopted: Vec<String>,
}

impl Before {
    /// A conflict that would not be one after the adoption which a dry run does not make.
    fn would_adopt(&self, conflict: &str) -> bool {
        let managers: Vec<&str> = errors::managers_in(conflict).collect();
        !managers.is_empty() && managers.iter().all(|manager| self.not_adopted.iter().any(|ours| ours == manager))
    }
}

/// Reads the object and adopts it if need be.
async fn before(link: &Link, path: &str, dry_run: bool) -> Result<Option<Before>, ClusterError> {
    let mut first_version = None;
    for _ in 0..ATTEMPTS_MAX {
        let live = match link.json(Ask::get(path.to_owned())).await {
            Ok((_, live)) => link.written.fresh(link.server(), path, version_of(&live), Instant::now()).map(|()| live)?,
            Err(ClusterError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = first_version.get_or_insert_with(|| version_of(&live).to_owned()).clone();
        let Some(patch) = managed_fields::adoption(&live) else {
            let force = managed_fields::client_side_applied(&live) && managed_fields::nobody_owns_anything(&live);
            return Ok(Some(Before { live, version, force, not_adopted: Vec::new() }));
        };
        if dry_run {
            let not_adopted = managed_fields::client_side_managers(&live).into_iter().map(str::to_owned).collect();
            return Ok(Some(Before { live, version, force: false, not_adopted }));
        }
        let pairs = [("fieldManager", Some(MANAGER))];
        match link.json(Ask::patch(paths::with_query(path, &pairs), JSON_PATCH, &patch)).await {
            Ok((_, live)) => return Ok(Some(Before { live, version, force: false, not_adopted: Vec::new() })),
            Err(ClusterError::Conflict(_) | ClusterError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(errors::kept_changing(ATTEMPTS_MAX))
}

fn version_of(live: &Value) -> &str {
    live.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

/// Takes out of the manifest what must not be in an apply; gives back what a person should know of.
fn leave_out(manifest: &mut Value, live: Option<&Value>) -> Vec<String> {
    // Manifests copied from a cluster carry it; the API server refuses it.
    if let Some(Value::Object(metadata)) = manifest.pointer_mut("/metadata") {
        metadata.remove("managedFields");
    }
    if live.is_some_and(managed_fields::replicas_are_scaled)
        && let Some(Value::Object(spec)) = manifest.pointer_mut("/spec")
        && spec.shift_remove("replicas").is_some()
    {
        return vec![REPLICAS.to_owned()];
    }
    Vec::new()
}

/// A dry run leaves the version as it is, so there the content is compared.
fn differs(before: &Before, after: &Value, dry_run: bool) -> bool {
    if dry_run { content(&before.live) != content(after) } else { before.version != version_of(after) }
}

fn content(object: &Value) -> Value {
    let mut content = object.clone();
    if let Some(Value::Object(metadata)) = content.pointer_mut("/metadata") {
        for key in ["managedFields", "resourceVersion", "generation"] {
            metadata.shift_remove(key);
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scaled() -> Value {
        json!({"metadata": {"managedFields": [{"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}})
    }

    #[test]
    fn scaled_replicas_and_foreign_records_are_left_out() {
        let manifest = json!({"metadata": {"name": "a", "managedFields": []}, "spec": {"replicas": 2, "paused": true}});
        let mut given = manifest.clone();
        assert_eq!(leave_out(&mut given, Some(&scaled())), ["/spec/replicas"]);
        assert_eq!(given, json!({"metadata": {"name": "a"}, "spec": {"paused": true}}));
        let mut given = manifest;
        assert!(leave_out(&mut given, None).is_empty());
        assert_eq!(given["spec"]["replicas"], 2);
        let mut without = json!({"metadata": {}, "spec": {}});
        assert!(leave_out(&mut without, Some(&scaled())).is_empty(), "nothing to report when the manifest says none");
    }

    #[test]
    fn dry_runs_compare_content() {
        let live = json!({"metadata": {"resourceVersion": "1", "generation": 1}, "spec": {"a": 1}});
        let before = Before { live, version: "1".to_owned(), force: false, not_adopted: vec!["kubectl".to_owned()] };
        assert!(before.would_adopt("field .a belongs to manager \"kubectl\"; field .b belongs to manager \"kubectl\""));
        assert!(!before.would_adopt("field .a belongs to manager \"kubectl\"; field .b belongs to manager \"ci\""));
        assert!(!before.would_adopt("the object has been modified"));
        let same = json!({"metadata": {"resourceVersion": "1", "generation": 2, "managedFields": []}, "spec": {"a": 1}});
        assert!(!differs(&before, &same, true));
        assert!(differs(&before, &json!({"metadata": {"resourceVersion": "1"}, "spec": {"a": 2}}), true));
        assert!(!differs(&before, &same, false));
        assert!(differs(&before, &json!({"metadata": {"resourceVersion": "2"}}), false));
    }
}
