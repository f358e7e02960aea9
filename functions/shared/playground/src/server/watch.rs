//! Watches: what is there, when that is asked for, and then every change, as lines of JSON, with bookmarks in between.

use super::read::selector;
use super::select::Selector;
use super::shape::{Shape, metadata_of};
use super::status::Refusal;
use super::target::Target;
use super::{Ask, Server, streamed};
use crate::interfaces::Objects as _;
use crate::kinds::Row;
use crate::state::{Change, State, What};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// How long a watch stays open that does not say so.
const OPEN_S_DEFAULT: u64 = 1_800;
/// Longest a watch stays open.
const OPEN_S_MAX: u64 = 3_600;
/// Between bookmarks of a watch in which nothing happens.
const BOOKMARK_MS: u64 = 20_000;
/// Most changes looked at before others get their turn.
const CHANGES_AT_ONCE: usize = 500;

/// An open watch.
struct Feed {
    server: Arc<Server>,
    row: &'static Row,
    namespace: Option<String>,
    selector: Selector,
    shape: Shape,
    include: Option<String>,
    bookmarks: bool,
    /// Everything up to this version is told.
    cursor: u64,
    /// The table's columns were said.
    headed: bool,
    waiting: Vec<u8>,
    changes: watch::Receiver<u64>,
    running: watch::Receiver<()>,
    ends: Instant,
    bookmark: Instant,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

pub(crate) fn answer(server: &Arc<Server>, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let permit = Arc::clone(&server.streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::too_many("there are too many watches, please try again later"))?;
    let open_s = ask.options.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).unwrap_or(OPEN_S_DEFAULT).min(OPEN_S_MAX);
    // The API server finds out only when it looks for its place in the history.
    let wanted = ask
        .options
        .version("resourceVersion")
        .map_err(|refusal| Refusal::new(500, "", refusal.message.trim_start_matches("invalid resource version: ")))?;
    let initial = ask.options.is("sendInitialEvents");
    let selector = selector(target, ask)?;
    let state = server.state();
    let mut feed = Feed {
        server: Arc::clone(server),
        row: target.row,
        namespace: target.namespace.clone(),
        selector,
        shape: ask.shape,
        include: ask.options.get("includeObject").map(str::to_owned),
        bookmarks: ask.options.is("allowWatchBookmarks"),
        cursor: wanted.unwrap_or_else(|| state.version()),
        headed: false,
        waiting: Vec::new(),
        changes: state.changes(),
        running: server.running.clone(),
        ends: Instant::now() + Duration::from_secs(open_s),
        bookmark: Instant::now() + Duration::from_millis(BOOKMARK_MS),
        over: false,
        _permit: permit,
    };
    // `0` and nothing at all begin with what is there, unless somebody says that he does not want it.
    let silent = ask.options.get("sendInitialEvents").is_some() && !initial;
    if initial || (wanted.is_none() && !silent) {
        feed.cursor = state.version();
        feed.tell_all(&state, initial);
    }
    drop(state);
    let events = stream::unfold(feed, |mut feed| async move { feed.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), feed)) });
    Ok(streamed(events, "application/json"))
}

impl Feed {
    fn line(&mut self, kind: &str, object: &Value) {
        let line = json!({"type": kind, "object": object}).to_string();
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
    }

    fn event(&mut self, kind: &str, object: &Value, now_ms: u64) {
        let shaped = self.shape.object(self.row, object, self.include.as_deref(), !self.headed, now_ms);
        self.headed = true;
        self.line(kind, &shaped);
    }

    /// What is there, and where that ends when it is asked for.
    fn tell_all(&mut self, state: &State, marked: bool) {
        for object in state.all_of(self.row.kind, self.namespace.as_deref()) {
            if self.selector.matches(&object) {
                self.event("ADDED", &object, state.now_ms());
            }
        }
        if marked && self.bookmarks {
            self.tell_bookmark(true);
        }
    }

    fn tell_bookmark(&mut self, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": self.cursor.to_string(), "creationTimestamp": null});
        if let Value::Object(fields) = &mut metadata
            && initial_end
        {
            fields.insert("annotations".to_owned(), json!({"k8s.io/initial-events-end": "true"}));
        }
        let object = json!({"kind": self.row.kind.kind, "apiVersion": self.row.kind.api_version, "metadata": metadata});
        let shaped = match self.shape {
            Shape::Whole => object,
            Shape::Metadata => metadata_of(&object),
            Shape::Table => self.shape.object(self.row, &object, self.include.as_deref(), !self.headed, 0),
        };
        self.line("BOOKMARK", &shaped);
        self.bookmark = Instant::now() + Duration::from_millis(BOOKMARK_MS);
    }

    /// What a change is to this watch: which event, with which object.
    fn judge(&self, change: &Change) -> Option<(&'static str, Arc<Value>)> {
        if change.kind != self.row.kind {
            return None;
        }
        if let Some(namespace) = &self.namespace
            && change.object.pointer("/metadata/namespace").and_then(Value::as_str) != Some(namespace)
        {
            return None;
        }
        let was = change.before.as_ref().is_some_and(|before| self.selector.matches(before));
        let is = change.what != What::Deleted && self.selector.matches(&change.object);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        // Whoever no longer selects it hears what it was when it did, at the version at which it ceased.
        let left = kind == "DELETED" && change.what != What::Deleted;
        let Some(before) = change.before.as_ref().filter(|_| left) else { return Some((kind, Arc::clone(&change.object))) };
        let mut last = Value::clone(before);
        if let (Some(version), Some(metadata)) =
            (change.object.pointer("/metadata/resourceVersion"), last.get_mut("metadata").and_then(Value::as_object_mut))
        {
            metadata.insert("resourceVersion".to_owned(), version.clone());
        }
        Some((kind, Arc::new(last)))
    }

    /// Takes what happened since; false when there is more to take.
    fn take(&mut self) -> bool {
        let server = Arc::clone(&self.server);
        let state = server.state();
        let mut seen = 0;
        let (mut events, mut cursor) = (Vec::new(), self.cursor);
        match state.since(self.cursor) {
            Ok(changes) => {
                for change in changes.take(CHANGES_AT_ONCE) {
                    seen += 1;
                    cursor = change.version;
                    events.extend(self.judge(change));
                }
            }
            Err(expired) => {
                self.over = true;
                let status = Refusal::expired(self.cursor, expired.oldest).status();
                self.line("ERROR", &status);
            }
        }
        let now_ms = state.now_ms();
        drop(state);
        self.cursor = cursor;
        for (kind, object) in events {
            self.event(kind, &object, now_ms);
        }
        seen < CHANGES_AT_ONCE
    }

    /// The next lines; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.waiting.is_empty() {
                return Some(std::mem::take(&mut self.waiting).into());
            }
            if self.over {
                return None;
            }
            self.changes.mark_unchanged();
            let all = self.take();
            if !self.waiting.is_empty() || !all {
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => self.over = changed.is_err(),
                _ = self.running.changed() => self.over = true,
                () = sleep_until(self.ends) => {
                    self.over = true;
                    if self.bookmarks {
                        self.tell_bookmark(false);
                    }
                }
                () = sleep_until(self.bookmark) => {
                    self.bookmark = Instant::now() + Duration::from_millis(BOOKMARK_MS);
                    if self.bookmarks {
                        self.tell_bookmark(false);
                    }
                }
            }
        }
    }
}
