//! Waits until something changed since a resourceVersion. A watch that ends or breaks is opened again where it was, with
//! a growing pause; silence means nothing; where the cluster no longer knows what happened in between, that counts as a
//! change, unless the object itself proves that it is the same. Dropping the future ends the watch.

use crate::discovery;
use crate::link::{Ask, Limits, Link};
use crate::{errors, objects, paths};
use app::ports::{ClusterError, ListQuery, WatchKey, WatchSpec};
use futures::TryStreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long the API server keeps one watch open.
const WATCH_S: &str = "60";
/// Longest silence of an open watch; the API server ends it before. Longer, and the connection is dead.
const SILENCE_MS_MAX: u64 = 75_000;
/// A watch that was open for this long counts as one that worked.
const WORKED_MS_MIN: u64 = 2_000;
/// Most failures in a row.
const FAILURES_MAX: u32 = 8;
/// Longest event that is read; a longer one is a change anyhow.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// Only the events matter, not the objects in them.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// How one watch ended.
#[derive(Debug, PartialEq)]
enum End {
    /// Something changed.
    Changed,
    /// The API server no longer knows what happened since.
    Expired,
    /// It ended or broke without a change; to be opened again from here.
    Over(Option<ClusterError>),
}

pub(crate) async fn changed(link: &Link, spec: &WatchSpec) -> Result<(), ClusterError> {
    let target = Target::of(link, &spec.what).await?;
    // To the API server an empty version means to begin with everything there is, which would look like a change.
    let mut version = match spec.resource_version.as_deref().filter(|version| !version.is_empty()) {
        Some(version) => version.to_owned(),
        None => target.list(link).await?.1,
    };
    let mut failures = 0;
    loop {
        let opened = Instant::now();
        match target.watch(link, &mut version).await? {
            End::Changed => return Ok(()),
            End::Expired => match target.same_still(link, spec).await? {
                Some(now) => version = now,
                None => return Ok(()),
            },
            End::Over(error) => {
                let worked = opened.elapsed() >= Duration::from_millis(WORKED_MS_MIN);
                failures = if worked { 0 } else { failures + 1 };
                if failures >= FAILURES_MAX {
                    return Err(error.unwrap_or_else(|| errors::no_watch(link.server())));
                }
                if !worked || error.is_some() {
                    tracing::debug!(server = link.server(), failures, ?error, "a watch ended early and is opened again");
                    sleep(pause(&link.limits, failures, error.as_ref())).await;
                }
            }
        }
    }
}

fn pause(limits: &Limits, failures: u32, error: Option<&ClusterError>) -> Duration {
    let doubled = limits.watch_pause_ms_min.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(limits.watch_pause_ms_max);
    let told = if let Some(ClusterError::Throttled(ms)) = error { u64::from(*ms) } else { 0 };
    Duration::from_millis(doubled.max(told))
}

/// What is watched, as paths and selectors.
struct Target {
    collection: String,
    query: ListQuery,
    single: bool,
}

impl Target {
    async fn of(link: &Link, what: &WatchKey) -> Result<Self, ClusterError> {
        let (api_version, kind, namespace, labels, fields, single) = match what {
            WatchKey::Object(key) => (&key.api_version, &key.kind, &key.namespace, None, Some(objects::named(&key.name)), true),
            WatchKey::Selection { api_version, kind, namespace, labels, fields } => {
                (api_version, kind, namespace, labels.clone(), fields.clone(), false)
            }
        };
        let collection = if single {
            objects::collection_of(link, api_version, kind, namespace.as_deref()).await?
        } else {
            let place = discovery::place(link, api_version, kind).await?;
            paths::collection(api_version, &place.plural, namespace.as_deref().filter(|_| place.namespaced))?
        };
        let query = ListQuery {
            api_version: api_version.clone(),
            kind: kind.clone(),
            namespace: namespace.clone(),
            labels,
            fields,
            limit: 1,
            continue_token: None,
        };
        Ok(Self { collection, query, single })
    }

    /// The first object, if there is one, and the list's resourceVersion.
    async fn list(&self, link: &Link) -> Result<(Option<Value>, String), ClusterError> {
        let page = objects::list(link, &self.query).await?;
        Ok((page.items.into_iter().next(), page.resource_version))
    }

    /// After an expiry: where to watch on from, if the one object watched is at the version given. The version of an
    /// object that nobody touches grows too old to watch from all by itself.
    async fn same_still(&self, link: &Link, spec: &WatchSpec) -> Result<Option<String>, ClusterError> {
        if !self.single || spec.resource_version.is_none() {
            return Ok(None);
        }
        let (object, now) = self.list(link).await?;
        let found = object.as_ref().and_then(|object| object.pointer("/metadata/resourceVersion")).and_then(Value::as_str);
        Ok(if found == spec.resource_version.as_deref() { Some(now) } else { None })
    }

    /// Watches once, from `version`, which follows the bookmarks. Only what opening it again cannot cure is an error.
    async fn watch(&self, link: &Link, version: &mut String) -> Result<End, ClusterError> {
        let pairs = [
            ("watch", Some("true")),
            ("allowWatchBookmarks", Some("true")),
            ("timeoutSeconds", Some(WATCH_S)),
            ("resourceVersion", Some(version.as_str())),
            ("labelSelector", self.query.labels.as_deref()),
            ("fieldSelector", self.query.fields.as_deref()),
        ];
        let ask = Ask::get(paths::with_query(&self.collection, &pairs)).accepting(METADATA_ONLY);
        let mut stream = match link.stream(ask).await {
            Ok(answer) => answer.into_body().into_data_stream(),
            Err(ClusterError::Conflict(_)) => return Ok(End::Expired),
            Err(error @ (ClusterError::Throttled(_) | ClusterError::Unreachable { .. })) => return Ok(End::Over(Some(error))),
            Err(error) => return Err(error),
        };
        let mut lines = Lines::default();
        loop {
            match timeout(Duration::from_millis(SILENCE_MS_MAX), stream.try_next()).await {
                Ok(Ok(Some(chunk))) => {
                    if let Some(end) = lines.add(&chunk, version) {
                        return Ok(end);
                    }
                }
                Ok(Ok(None)) | Err(_) => return Ok(End::Over(None)),
                Ok(Err(error)) => return Ok(End::Over(Some(errors::transport(link.server(), &error)))),
            }
        }
    }
}

/// Events are lines of JSON that come in pieces.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn add(&mut self, chunk: &[u8], version: &mut String) -> Option<End> {
        self.rest.extend_from_slice(chunk);
        while let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=at).collect();
            if let Some(end) = judge(&line, version) {
                return Some(end);
            }
        }
        if self.rest.len() > EVENT_BYTES_MAX { Some(End::Changed) } else { None }
    }
}

/// What one event means; none goes on.
fn judge(line: &[u8], version: &mut String) -> Option<End> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    let event: Value = match serde_json::from_slice(line) {
        Ok(event) => event,
        Err(_) => return Some(End::Over(None)),
    };
    match event.get("type").and_then(Value::as_str) {
        Some("ADDED" | "MODIFIED" | "DELETED") => Some(End::Changed),
        Some("BOOKMARK") => {
            if let Some(now) = event.pointer("/object/metadata/resourceVersion").and_then(Value::as_str) {
                now.clone_into(version);
            }
            None
        }
        _ => Some(failed(event.get("object").unwrap_or(&Value::Null))),
    }
}

/// An error in the stream: its object is a `Status`.
fn failed(status: &Value) -> End {
    let code = status.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    if code == 410 || status.get("reason").is_some_and(|reason| reason == "Expired" || reason == "Gone") {
        return End::Expired;
    }
    End::Over(Some(errors::refusal(code, None, status.to_string().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, object: Value) -> Vec<u8> {
        let mut line = json!({"type": kind, "object": object}).to_string().into_bytes();
        line.push(b'\n');
        line
    }

    #[test]
    fn changes_end_a_watch_and_bookmarks_move_it() {
        let mut version = "1".to_owned();
        for kind in ["ADDED", "MODIFIED", "DELETED"] {
            assert_eq!(judge(&event(kind, json!({})), &mut version), Some(End::Changed));
        }
        assert_eq!(judge(&event("BOOKMARK", json!({"metadata": {"resourceVersion": "9"}})), &mut version), None);
        assert_eq!(version, "9");
        assert_eq!(judge(b" \n", &mut version), None);
    }

    #[test]
    fn errors_in_the_stream_are_told_apart() {
        let mut version = "1".to_owned();
        assert_eq!(judge(&event("ERROR", json!({"kind": "Status", "code": 410})), &mut version), Some(End::Expired));
        assert_eq!(judge(&event("ERROR", json!({"kind": "Status", "reason": "Expired"})), &mut version), Some(End::Expired));
        let broken = judge(&event("ERROR", json!({"kind": "Status", "code": 503, "message": "m"})), &mut version);
        assert!(matches!(broken, Some(End::Over(Some(ClusterError::Unreachable { code: "server-error", .. })))));
        assert_eq!(judge(b"<html>\n", &mut version), Some(End::Over(None)));
    }

    #[test]
    fn events_come_in_pieces() {
        let (mut lines, mut version) = (Lines::default(), "1".to_owned());
        let mut bytes = event("BOOKMARK", json!({"metadata": {"resourceVersion": "2"}}));
        bytes.extend(event("MODIFIED", json!({})));
        let ends: Vec<_> = bytes.chunks(7).filter_map(|chunk| lines.add(chunk, &mut version)).collect();
        assert_eq!((ends, version.as_str()), (vec![End::Changed], "2"));
        assert_eq!(lines.add(&vec![b'x'; EVENT_BYTES_MAX + 1], &mut version), Some(End::Changed), "too long to read is a change");
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let ms = |failures, error: Option<&ClusterError>| pause(&Limits::default(), failures, error).as_millis();
        assert_eq!([ms(0, None), ms(1, None), ms(4, None), ms(100, None)], [100, 100, 800, 10_000]);
        assert_eq!(ms(1, Some(&ClusterError::Throttled(3_000))), 3_000);
    }
}
