//! Changes to a cluster. All objects of a call are parsed and checked before the first is sent, and what was checked is what
//! is sent. Repeating a call with the same content does no harm: names are derived from the step, never drawn.

use crate::bindings::waybill::stage::kubernetes::{Applied, ApplyOptions, Error};
use crate::bindings::waybill::stage::types::Target;
use crate::fault::Stop;
use crate::gate::of_cluster;
use crate::log::LogSink;
use crate::manifest::{self, Manifest, OBJECTS_MAX, Object, shown};
use crate::session::Session;
use crate::trace::Open;
use crate::watches::Seen;
use app::ports::{self, Cluster, ClusterError, ObjectKey};
use model::account::ClusterConnection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Most manifests of one call.
const MANIFESTS_MAX: usize = 100;
/// Characters of a derived name's end.
const SUFFIX_CHARS: usize = 10;
/// Beginning of a derived name; with its end it fits into a label.
const PREFIX_BYTES_MAX: usize = 53;
/// Says which call of which step created an object.
const EFFECT_ANNOTATION: &str = "waybill/effect";

/// What a change gives beside its answer.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) seen: Vec<Seen>,
    left_out: Vec<(String, Vec<String>)>,
}

pub(super) fn log_left_out(log: &mut LogSink, told: &Told) {
    for (title, pointers) in &told.left_out {
        super::kubernetes::log_fields(log, title, pointers);
    }
}

type AppliedMany = Result<Vec<Applied>, (Vec<Applied>, Error)>;

/// Everything a call sends, parsed and checked.
struct Batch {
    connection: Arc<ClusterConnection>,
    cluster: Arc<dyn Cluster>,
    manifests: Vec<Manifest>,
}

async fn checked(session: &Session, verbs: &[&str], at: &Target, texts: &[String]) -> Result<Batch, Error> {
    // The account first: whoever may not see it learns nothing else.
    let connection = Arc::clone(&session.gate().account(&at.account)?.connection);
    if texts.len() > MANIFESTS_MAX {
        return Err(Error::Invalid(format!("one call takes {MANIFESTS_MAX} manifests, not {}", texts.len())));
    }
    let mut manifests = texts.iter().map(|text| manifest::parse(text)).collect::<Result<Vec<_>, _>>()?;
    if manifests.iter().map(|m| m.objects.len()).sum::<usize>() > OBJECTS_MAX {
        return Err(Error::Denied(format!("more than {OBJECTS_MAX} objects in one call are always denied")));
    }
    for manifest in &mut manifests {
        session.gate().objects(verbs, at, &mut manifest.objects).await?;
    }
    Ok(Batch { connection, cluster: Arc::clone(&session.call.cluster), manifests })
}

pub(super) async fn apply(
    session: &mut Session,
    open: &Open,
    verbs: &[&str],
    at: &Target,
    texts: &[String],
    opts: ApplyOptions,
    told: &mut Told,
) -> Result<AppliedMany, Stop> {
    let batch = match checked(session, verbs, at, texts).await {
        Ok(batch) => batch,
        Err(error) => return Ok(Err((Vec::new(), error))),
    };
    let nameless = batch.manifests.iter().flat_map(|m| &m.objects).find(|o| o.name.is_none());
    if let Some(object) = nameless {
        let error = Error::Invalid(format!("{}: only `create` takes the beginning of a name", object.title()));
        return Ok(Err((Vec::new(), error)));
    }
    session.intend(open).await?;
    let options = ports::ApplyOptions { force_conflicts: opts.force_conflicts, dry_run: session.dry_run() };
    let mut done = Vec::with_capacity(batch.manifests.len());
    for manifest in &batch.manifests {
        let mut applied = Vec::with_capacity(manifest.objects.len());
        for object in &manifest.objects {
            session.still_current()?;
            match batch.cluster.apply(&batch.connection, &object.value, options).await {
                Ok(one) => applied.push(note(at, object, one, options.dry_run, told)),
                Err(error) => return Ok(Err((done, of_cluster(&error)))),
            }
        }
        done.extend(if manifest.is_list { Some(as_list(applied)) } else { applied.pop() }.map(of_port));
    }
    Ok(Ok(done))
}

fn note(at: &Target, object: &Object, mut applied: ports::Applied, dry_run: bool, told: &mut Told) -> ports::Applied {
    if !dry_run {
        told.seen.extend(Seen::object(&at.account, &key_of(object), &applied.live));
    }
    if !applied.left_out.is_empty() {
        told.left_out.push((object.title(), std::mem::take(&mut applied.left_out)));
    }
    applied.live = shown(applied.live);
    applied
}

fn key_of(object: &Object) -> ObjectKey {
    ObjectKey {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone().unwrap_or_default(),
    }
}

fn as_list(applied: Vec<ports::Applied>) -> ports::Applied {
    let (created, changed) = (applied.iter().any(|a| a.created), applied.iter().any(|a| a.changed));
    let items: Vec<Value> = applied.into_iter().map(|a| a.live).collect();
    ports::Applied { live: list_of(items), created, changed, left_out: Vec::new() }
}

fn list_of(items: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn of_port(applied: ports::Applied) -> Applied {
    Applied { live: applied.live.to_string(), created: applied.created, changed: applied.changed }
}

pub(super) async fn create(
    session: &mut Session,
    open: &Open,
    at: &Target,
    text: &String,
    told: &mut Told,
) -> Result<Result<String, Error>, Stop> {
    let mut batch = match checked(session, &["create"], at, std::slice::from_ref(text)).await {
        Ok(batch) => batch,
        Err(error) => return Ok(Err(error)),
    };
    let Some(mut manifest) = batch.manifests.pop() else { return Ok(Err(Error::Invalid("there is no manifest".into()))) };
    for (nth, object) in manifest.objects.iter_mut().enumerate() {
        mark(object, &effect_id(session, open, nth));
    }
    session.intend(open).await?;
    let mut live = Vec::with_capacity(manifest.objects.len());
    for object in &manifest.objects {
        session.still_current()?;
        match create_one(&batch, object, session.dry_run()).await {
            Ok(one) => {
                if !session.dry_run() {
                    told.seen.extend(Seen::object(&at.account, &key_of(object), &one));
                }
                live.push(shown(one));
            }
            Err(error) => return Ok(Err(of_cluster(&error))),
        }
    }
    let answer = if manifest.is_list { Some(list_of(live)) } else { live.pop() };
    Ok(answer.map(|a| a.to_string()).ok_or_else(|| Error::Invalid("the list is empty".into())))
}

/// The identity of one created object: the same when the step is repeated, and never the same for two.
fn effect_id(session: &Session, open: &Open, nth: usize) -> String {
    let info = &session.call.info;
    let parts = json!([info.execution_id, info.stage_id, info.attempt, session.call.seq, open.index, nth]);
    hex::encode(Sha256::digest(parts.to_string()))
}

/// Derives the name and leaves the mark by which a repetition knows its own work again.
fn mark(object: &mut Object, effect: &str) {
    if object.name.is_none() {
        let begin = object.generate_name().unwrap_or_default();
        let begin = begin.get(..PREFIX_BYTES_MAX).unwrap_or(begin);
        let name = format!("{begin}{}", effect.get(..SUFFIX_CHARS).unwrap_or(effect));
        object.set_metadata("name", &name);
        object.remove_metadata("generateName");
        object.name = Some(name);
    }
    object.annotate(EFFECT_ANNOTATION, effect);
}

/// What exists already and carries our mark was made by an earlier run of this same step.
async fn create_one(batch: &Batch, object: &Object, dry_run: bool) -> Result<Value, ClusterError> {
    let refused = match batch.cluster.create(&batch.connection, &object.value, dry_run).await {
        Err(ClusterError::Conflict(text)) => ClusterError::Conflict(text),
        other => return other,
    };
    let mark = |value: &Value| value.get("metadata").and_then(|m| m.get("annotations")).and_then(|a| a.get(EFFECT_ANNOTATION)).cloned();
    match batch.cluster.get(&batch.connection, &key_of(object)).await {
        Ok(live) if mark(&live).is_some() && mark(&live) == mark(&object.value) => Ok(live),
        _ => Err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_and_fit_into_a_label() {
        let text = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": format!("{}-", "x".repeat(60))}});
        let mut object = manifest::parse(&text.to_string()).unwrap().objects.pop().unwrap();
        mark(&mut object, "0123456789abcdef");
        let name = object.name.clone().unwrap();
        assert_eq!((name.len(), name.ends_with("x0123456789")), (63, true));
        assert_eq!(object.value["metadata"]["name"], json!(name));
        assert_eq!(object.value["metadata"].get("generateName"), None);
        assert_eq!(object.value["metadata"]["annotations"][EFFECT_ANNOTATION], json!("0123456789abcdef"));
    }
}
