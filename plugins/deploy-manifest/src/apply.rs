//! Applying, in chunks that fit a step. What was applied before an error is kept and reported.

use std::ops::Range;

use sdk::contract::{Failure, Mode, STAGE_TIMEOUT, Target};
use sdk::host::{ApplyOptions, ClusterError, cluster_failure};
use sdk::manifest::{Manifest, section_mut};
use sdk::moniker::Moniker;
use sdk::{labels, live, moniker};
use serde_json::{Value, json};

use crate::Host;
use crate::finish;
use crate::work::{CALLS_MAX, Work};

const OBJECTS_PER_CHUNK_MAX: usize = 50;
/// Requests and answers together may have 8 MiB a step; an answer is longer than its request.
const BYTES_PER_CHUNK_MAX: usize = 1536 * 1024;
const PAUSE_MS: u32 = 1_000;

/// How a chunk ended.
pub(crate) enum Applied {
    /// Nothing is left to apply.
    All,
    /// Some objects are left.
    Some,
    /// Some objects are left, and the cluster is better left alone for a while.
    Interrupted {
        /// So long.
        after_ms: u32,
        /// What it said, and of which object.
        why: String,
    },
}

/// Objects that go in one call.
struct Batch {
    target: Target,
    how: How,
    /// Index of the first one.
    first: usize,
    manifests: Vec<String>,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum How {
    Apply { force: bool },
    Create,
}

/// Applies the next chunk.
///
/// # Errors
/// The first error that repeating will not mend, with what was applied; one that repeating may mend only when nothing was
/// applied in this step, so that no progress is lost.
pub(crate) fn chunk<H: Host>(work: &mut Work<'_, H>) -> Result<Applied, Failure> {
    let mut documents = work.take_documents()?;
    let moniker = work.moniker();
    let range = next(&documents.objects, work.state.applied);
    let end = range.end;
    let before = work.state.applied;
    let mut batches: Vec<Batch> = Vec::new();
    for index in range {
        if let Some(manifest) = documents.objects.get_mut(index) {
            mark(work, manifest, &moniker)?;
            add(&mut batches, work, index, manifest);
        }
    }
    let total = documents.objects.len();
    work.documents = Some(documents);
    for batch in batches {
        if let Err((index, error)) = send(work, &batch) {
            let label = work.state.object(index).map_or_else(String::new, |object| object.label());
            let failure = cluster_failure(&label, &error);
            return if failure.retryable && work.state.applied > before {
                Ok(Applied::Interrupted { after_ms: failure.retry_after_ms.unwrap_or(PAUSE_MS).max(PAUSE_MS), why: failure.message })
            } else {
                Err(refused(work, index, failure))
            };
        }
    }
    if end < total {
        return Ok(Applied::Some);
    }
    work.state.since_ms = Some(work.input.now_ms);
    Ok(Applied::All)
}

/// As many objects as one step can carry, at least one.
fn next(objects: &[Manifest], from: usize) -> Range<usize> {
    let (mut bytes, mut calls) = (0, 0);
    let mut namespace = None;
    let mut end = from;
    for object in objects.iter().skip(from).take(OBJECTS_PER_CHUNK_MAX) {
        bytes += object.to_json().len();
        // Reading the live object, and a batch of its own where the namespace changes.
        calls += 1 + usize::from(namespace != Some(object.namespace()) || object.generate_name().is_some());
        namespace = Some(object.namespace());
        if end > from && (bytes > BYTES_PER_CHUNK_MAX || calls > CALLS_MAX) {
            break;
        }
        end += 1;
    }
    from..end
}

/// Writes annotations and labels. A live workload is read first, so that taking it over restarts nothing.
fn mark<H: Host>(work: &mut Work<'_, H>, manifest: &mut Manifest, moniker: &Moniker) -> Result<(), Failure> {
    if manifest.template_metadata_mut().is_some() && manifest.generate_name().is_none() {
        let at = target(&work.settings.account, manifest);
        let what = manifest.object_ref();
        work.calls += 1;
        match work.host.get(&at, &what, &[]) {
            Ok(text) => keep(manifest, &serde_json::from_str(&text).unwrap_or_default()),
            Err(ClusterError::NotFound) => {}
            Err(error) => {
                return Err(cluster_failure(&format!("{} {}", what.kind, what.name), &error));
            }
        }
    }
    moniker::annotate(manifest, moniker);
    labels::label(manifest, &moniker.app, work.settings.skip_template_labels);
    Ok(())
}

fn keep(manifest: &mut Manifest, found: &Value) {
    moniker::keep_template_marks(manifest, found);
    let wanted = manifest.annotation("strategy.spinnaker.io/use-source-capacity").is_some_and(is_true);
    if let (true, Some(replicas)) = (wanted, found.pointer("/spec/replicas")) {
        section_mut(&mut manifest.body, "spec").insert("replicas".to_owned(), replicas.clone());
    }
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

fn target(account: &str, manifest: &Manifest) -> Target {
    Target { account: account.to_owned(), namespace: manifest.namespace().map(str::to_owned) }
}

/// Puts an object into the last batch, or begins one where the way of sending changes: the order is kept. A batch names no
/// namespace, each object has its own: the host checks a whole call before it sends the first object, so the fewer calls,
/// the less is done before one object is refused.
fn add<H: Host>(batches: &mut Vec<Batch>, work: &Work<'_, H>, index: usize, manifest: &Manifest) {
    let mut target = target(&work.settings.account, manifest);
    let force = manifest.annotation("strategy.spinnaker.io/server-side-apply") == Some("force-conflicts");
    let how = if manifest.generate_name().is_some() { How::Create } else { How::Apply { force } };
    let manifest = manifest.to_json();
    if how != How::Create {
        target.namespace = None;
    }
    match batches.last_mut() {
        Some(batch) if batch.how == how && how != How::Create => {
            batch.manifests.push(manifest);
        }
        _ => batches.push(Batch { target, how, first: index, manifests: vec![manifest] }),
    }
}

/// Sends a batch; an error comes with the index of the object that met it.
fn send<H: Host>(work: &mut Work<'_, H>, batch: &Batch) -> Result<(), (usize, ClusterError)> {
    work.calls += 1;
    let (done, error) = match batch.how {
        How::Create => match work.host.create(&batch.target, batch.manifests.first().map_or("", String::as_str)) {
            Ok(live) => (vec![(live, true, true)], None),
            Err(error) => (Vec::new(), Some(error)),
        },
        How::Apply { force } => {
            let options = ApplyOptions { force_conflicts: force };
            let (done, error) = match work.host.apply_many(&batch.target, &batch.manifests, options) {
                Ok(done) => (done, None),
                Err((done, error)) => (done, Some(error)),
            };
            (done.into_iter().map(|one| (one.live, one.created, one.changed)).collect(), error)
        }
    };
    let count = done.len();
    for (offset, (live, created, changed)) in done.into_iter().enumerate() {
        note(work, batch.first + offset, &live, created, changed);
    }
    match error {
        Some(error) => Err((batch.first + count, error)),
        None if count < batch.manifests.len() => {
            let text = "the host answered for fewer objects than it was given".to_owned();
            Err((batch.first + count, ClusterError::Unavailable(text)))
        }
        None => Ok(()),
    }
}

fn note<H: Host>(work: &mut Work<'_, H>, index: usize, text: &str, created: bool, changed: bool) {
    let live: Value = serde_json::from_str(text).unwrap_or_default();
    let given = work.state.object(index).map(|object| object.name.to_owned()).unwrap_or_default();
    let field = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = if given.is_empty() { field("/metadata/name").to_owned() } else { given };
    work.state.note_applied(index, &name, field("/metadata/uid"), created, changed);
    let verb = if work.input.mode == Mode::Plan { "would be" } else { "was" };
    let what = if created { "created" } else { "changed" };
    let line = match work.state.object(index) {
        Some(object) if created || changed => format!("{} {verb} {what}", object.label()),
        Some(object) => format!("{} is as it should be", object.label()),
        None => return,
    };
    let line = live::load_balancer(&live).map_or_else(|| line.clone(), |address| format!("{line}, at {address}"));
    work.log(&line);
}

/// The failure for an object that was refused, with what was applied before it.
fn refused<H: Host>(work: &mut Work<'_, H>, index: usize, failure: Failure) -> Failure {
    if failure.retryable {
        return failure;
    }
    let object = work.state.object(index).map(|object| {
        json!({"apiVersion": object.api_version, "kind": object.kind, "namespace": object.namespace,
            "name": object.name, "code": failure.code, "message": failure.message})
    });
    let results = finish::partial(work, &failure.message, &[index]);
    failure.with_details(&json!({"errors": object.map_or_else(Vec::new, |object| vec![object])})).with_results(results)
}

/// The failure when the stage's time is over before everything was applied.
pub(crate) fn timed_out<H: Host>(work: &mut Work<'_, H>) -> Failure {
    let (done, all) = (work.state.applied, work.state.objects.len());
    let message = format!("{done} of {all} objects had been applied");
    let results = finish::partial(work, &message, &[]);
    Failure::user(STAGE_TIMEOUT, message).with_results(results)
}
