//! What is stored: objects by kind, namespace and name, their versions, and the history that watches read. It knows no
//! rules about content; whoever writes has checked. Everything is bounded.

mod events;
mod objects;
mod seed;

pub(crate) use objects::{Writer, count_generation};

use crate::interfaces::Kind;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// How much is kept. Bytes are what objects take in memory, roughly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) objects_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) changes_max: usize,
    pub(crate) changes_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { objects_max: 10_000, bytes_max: 96 << 20, changes_max: 4_000, changes_bytes_max: 16 << 20 }
    }
}

/// Where the time comes from: Unix milliseconds.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<dyn Fn() -> u64 + Send + Sync>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Clock {
    /// The machine's.
    pub(crate) fn system() -> Self {
        Self(Arc::new(|| u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()))
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Added,
    Modified,
    Deleted,
}

/// One entry of the history.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) kind: Kind,
    pub(crate) what: What,
    /// As it is now; as it was at its end, when deleted.
    pub(crate) object: Arc<Value>,
    pub(crate) before: Option<Arc<Value>>,
    bytes: usize,
}

/// No room for more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// `count/objects` or `bytes`.
    pub(crate) what: &'static str,
    pub(crate) used: usize,
    pub(crate) limit: usize,
}

/// What happened since then is forgotten.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) oldest: u64,
}

struct Stored {
    object: Arc<Value>,
    bytes: usize,
}

/// Namespace (empty for what has none) and name.
type Place = (String, String);

/// Everything there is.
pub(crate) struct State {
    kinds: BTreeMap<Kind, BTreeMap<Place, Stored>>,
    count: usize,
    bytes: usize,
    version: u64,
    history: VecDeque<Change>,
    history_bytes: usize,
    /// Changes up to this version are forgotten.
    forgotten: u64,
    pub(crate) clock: Clock,
    limits: Limits,
    changed: watch::Sender<u64>,
}

impl State {
    /// An empty one.
    pub(crate) fn new(clock: Clock, limits: Limits) -> Self {
        // Versions go on from the time, so that one from an earlier playground is too old in the next, not to come.
        let version = (clock.0)();
        Self {
            kinds: BTreeMap::new(),
            count: 0,
            bytes: 0,
            version,
            history: VecDeque::new(),
            history_bytes: 0,
            forgotten: version,
            clock,
            limits,
            changed: watch::Sender::new(version),
        }
    }

    /// Told of every new version.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The newest version.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let place = (namespace.to_owned(), name.to_owned());
        self.kinds.get(&kind)?.get(&place).map(|stored| Arc::clone(&stored.object))
    }

    /// By namespace and name.
    pub(crate) fn all_of(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(objects) = self.kinds.get(&kind) else { return Vec::new() };
        match namespace {
            None => objects.values().map(|stored| Arc::clone(&stored.object)).collect(),
            Some(namespace) => objects
                .range((namespace.to_owned(), String::new())..)
                .take_while(|((own, _), _)| own == namespace)
                .map(|(_, stored)| Arc::clone(&stored.object))
                .collect(),
        }
    }

    /// What happened after `version`, oldest first.
    pub(crate) fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Expired> {
        if version < self.forgotten {
            return Err(Expired { oldest: self.forgotten });
        }
        let first = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(first..))
    }

    /// Whether one more object of this size has room; `before` is the size of what it replaces.
    fn room(&self, bytes: usize, before: Option<usize>) -> Result<(), Full> {
        if before.is_none() && self.count >= self.limits.objects_max {
            return Err(Full { what: "count/objects", used: self.count, limit: self.limits.objects_max });
        }
        let after = self.bytes.saturating_sub(before.unwrap_or_default()).saturating_add(bytes);
        if before.is_none_or(|before| bytes > before) && after > self.limits.bytes_max {
            return Err(Full { what: "bytes", used: self.bytes, limit: self.limits.bytes_max });
        }
        Ok(())
    }

    /// Stores a whole object, new or in place of the one there, as a new version.
    pub(crate) fn put(&mut self, kind: Kind, mut object: Value) -> Result<Arc<Value>, Full> {
        let place = place_of(&object);
        let bytes = weight(&object);
        let objects = self.kinds.entry(kind).or_default();
        let before = objects.get(&place).map(|stored| (Arc::clone(&stored.object), stored.bytes));
        self.room(bytes, before.as_ref().map(|(_, bytes)| *bytes))?;
        self.version += 1;
        set_version(&mut object, self.version);
        let object = Arc::new(object);
        self.kinds.entry(kind).or_default().insert(place, Stored { object: Arc::clone(&object), bytes });
        self.bytes += bytes;
        let what = match &before {
            Some((_, bytes)) => {
                self.bytes -= bytes;
                What::Modified
            }
            None => {
                self.count += 1;
                What::Added
            }
        };
        self.remember(kind, what, Arc::clone(&object), before.map(|(object, _)| object));
        Ok(object)
    }

    /// Takes an object away; gives back what it was, at the version of its end.
    pub(crate) fn take(&mut self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let stored = self.kinds.get_mut(&kind)?.remove(&(namespace.to_owned(), name.to_owned()))?;
        self.count -= 1;
        self.bytes -= stored.bytes;
        self.version += 1;
        let mut last = Value::clone(&stored.object);
        set_version(&mut last, self.version);
        let last = Arc::new(last);
        self.remember(kind, What::Deleted, Arc::clone(&last), Some(stored.object));
        Some(last)
    }

    fn remember(&mut self, kind: Kind, what: What, object: Arc<Value>, before: Option<Arc<Value>>) {
        let bytes = weight(&object);
        self.history_bytes += bytes;
        self.history.push_back(Change { version: self.version, kind, what, object, before, bytes });
        while self.history.len() > self.limits.changes_max || self.history_bytes > self.limits.changes_bytes_max {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_bytes -= oldest.bytes;
            self.forgotten = oldest.version;
        }
        self.changed.send_replace(self.version);
    }
}

/// Roughly what a value takes in memory.
pub(crate) fn weight(value: &Value) -> usize {
    const SLOT: usize = 72;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| SLOT + weight(item)).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| 2 * SLOT + key.len() + weight(value)).sum(),
    }
}

/// A text field by its pointer; empty when there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Where an object lives.
pub(crate) fn place_of(object: &Value) -> Place {
    (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned())
}

/// The metadata of an object, made when there is none.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    field(object, "metadata")
}

/// A mapping within an object, made when there is none.
pub(crate) fn field<'a>(object: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(fields) = object else { unreachable!("it is one now") };
    let inner = fields.entry(name).or_insert(Value::Null);
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    let Value::Object(inner) = inner else { unreachable!("it is one now") };
    inner
}

fn set_version(object: &mut Value, version: u64) {
    metadata(object).insert("resourceVersion".to_owned(), version.to_string().into());
}

/// Unix milliseconds as the API writes times: whole seconds.
pub(crate) fn time(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// A random version 4 UUID.
pub(crate) fn uid() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness a uid is still unique enough for what lives in one process: it is only compared.
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests;
