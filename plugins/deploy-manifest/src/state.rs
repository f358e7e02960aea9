//! What a checkpoint holds: which objects there are, which were applied, which have settled. References only, never bodies,
//! and compact: five hundred objects have to fit.

use sdk::checkpoint::CHECKPOINT_BYTES_MAX;
use sdk::contract::{Blame, Failure, ObjectRef, Target};
use sdk::manifest::Manifest;
use sdk::{kinds, labels, live};
use serde::{Deserialize, Serialize};

/// The schema of this state.
pub(crate) const SCHEMA: u32 = 1;
/// Room left for numbers that grow.
const RESERVE_BYTES: usize = 2 * 1024;
/// What a uid takes in JSON, and what a generated name adds.
const UID_BYTES: usize = 43;
const GENERATED_BYTES: usize = 16;

const CREATED: u8 = 1;
const CHANGED: u8 = 2;
const SETTLED: u8 = 4;
const BALANCED: u8 = 8;

/// The whole state.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// `apiVersion` and kind.
    kinds: Vec<(String, String)>,
    namespaces: Vec<String>,
    /// In the order of applying.
    pub(crate) objects: Vec<Entry>,
    /// How many of them were applied.
    pub(crate) applied: usize,
    /// Where checking goes on when one step cannot ask about all.
    pub(crate) cursor: usize,
    /// When all were applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since_ms: Option<u64>,
    /// Uids are left out where so many objects would not fit with them.
    #[serde(default)]
    no_uids: bool,
}

/// One object.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Index of the kind.
    k: usize,
    /// Index of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    /// Name; blank until the cluster has generated it.
    m: String,
    /// Uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    u: String,
    /// Flags.
    #[serde(default)]
    f: u8,
    /// Selector of the workload's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<String>,
}

/// An entry with what its indexes mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) pods: Option<&'a str>,
    flags: u8,
}

impl Object<'_> {
    pub(crate) fn created(&self) -> bool {
        self.flags & CREATED != 0
    }

    pub(crate) fn changed(&self) -> bool {
        self.flags & CHANGED != 0
    }

    pub(crate) fn settled(&self) -> bool {
        self.flags & SETTLED != 0
    }

    /// Whether it is a Service that asks for a load balancer.
    pub(crate) fn balanced(&self) -> bool {
        self.flags & BALANCED != 0
    }

    /// Whether it has to be waited for.
    pub(crate) fn waits(&self, for_address: bool) -> bool {
        !self.settled() && (kinds::settles_later(self.api_version, self.kind) || (for_address && self.balanced()))
    }

    pub(crate) fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version.to_owned(),
            kind: self.kind.to_owned(),
            name: self.name.to_owned(),
            namespace: self.namespace.map(str::to_owned),
        }
    }

    pub(crate) fn target(&self, account: &str) -> Target {
        Target { account: account.to_owned(), namespace: self.namespace.map(str::to_owned) }
    }

    /// `Deployment web`.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

impl State {
    /// The state before anything is applied.
    ///
    /// # Errors
    /// `too-many-objects` when so many objects with names so long could not be kept track of.
    pub(crate) fn of(manifests: &[Manifest]) -> Result<Self, Failure> {
        let mut state = Self::default();
        for manifest in manifests {
            let kind = (manifest.api_version().to_owned(), manifest.kind().to_owned());
            let waits = kinds::settles_later(manifest.api_version(), manifest.kind());
            let entry = Entry {
                k: index_of(&mut state.kinds, kind),
                n: manifest.namespace().map(|namespace| index_of(&mut state.namespaces, namespace.to_owned())),
                m: manifest.name().to_owned(),
                u: String::new(),
                f: if live::wants_load_balancer(&manifest.body) { BALANCED } else { 0 },
                p: waits.then(|| labels::pod_selector(&manifest.body)).flatten(),
            };
            state.objects.push(entry);
        }
        let generated: usize = manifests.iter().filter_map(Manifest::generate_name).map(|n| n.len() + GENERATED_BYTES).sum();
        let bytes = serde_json::to_string(&state).map_or(usize::MAX, |text| text.len()).saturating_add(generated);
        let room = CHECKPOINT_BYTES_MAX - RESERVE_BYTES;
        // A flag of two digits, at most, where there was one.
        let bytes = bytes.saturating_add(manifests.len());
        if bytes > room {
            let message = format!("{} objects with names this long are too many for one stage", manifests.len());
            return Err(Failure::user("too-many-objects", message));
        }
        state.no_uids = bytes.saturating_add(manifests.len().saturating_mul(UID_BYTES)) > room;
        Ok(state)
    }

    /// Refuses a state whose indexes point nowhere.
    ///
    /// # Errors
    /// `checkpoint-unreadable`.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        let fits = |entry: &Entry| entry.k < self.kinds.len() && entry.n.is_none_or(|n| n < self.namespaces.len());
        let bounds = self.applied <= self.objects.len() && self.cursor <= self.objects.len();
        if bounds && self.objects.iter().all(fits) { Ok(self) } else { Err(unreadable("its indexes point nowhere")) }
    }

    /// Whether nothing is left to apply.
    pub(crate) fn is_applied(&self) -> bool {
        self.since_ms.is_some()
    }

    pub(crate) fn object(&self, index: usize) -> Option<Object<'_>> {
        let entry = self.objects.get(index)?;
        let (api_version, kind) = self.kinds.get(entry.k)?;
        let namespace = entry.n.and_then(|n| self.namespaces.get(n));
        Some(Object {
            api_version,
            kind,
            namespace: namespace.map(String::as_str),
            name: &entry.m,
            uid: &entry.u,
            pods: entry.p.as_deref(),
            flags: entry.f,
        })
    }

    /// All objects, in the order of applying.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, Object<'_>)> {
        (0..self.objects.len()).filter_map(|index| Some((index, self.object(index)?)))
    }

    /// Those that were applied.
    pub(crate) fn done(&self) -> impl Iterator<Item = (usize, Object<'_>)> {
        self.all().take(self.applied)
    }

    /// Notes that the next object was applied.
    pub(crate) fn note_applied(&mut self, index: usize, name: &str, uid: &str, created: bool, changed: bool) {
        let no_uids = self.no_uids;
        if let Some(entry) = self.objects.get_mut(index) {
            name.clone_into(&mut entry.m);
            if !no_uids {
                uid.clone_into(&mut entry.u);
            }
            entry.f |= if created { CREATED } else { 0 } | if changed { CHANGED } else { 0 };
            self.applied = index + 1;
        }
    }

    /// Notes that an object has settled.
    pub(crate) fn note_settled(&mut self, index: usize) {
        if let Some(entry) = self.objects.get_mut(index) {
            entry.f |= SETTLED;
        }
    }
}

/// The failure for a checkpoint that this plugin cannot have written.
pub(crate) fn unreadable(why: &str) -> Failure {
    Failure::new("checkpoint-unreadable", Blame::Plugin, format!("the checkpoint cannot be read: {why}"))
}

fn index_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifests(count: usize, name: &str) -> Vec<Manifest> {
        let make = |i| {
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("{name}-{i}"), "namespace": "default"}});
            Manifest { pointer: String::new(), body: body.as_object().unwrap().clone() }
        };
        (0..count).map(make).collect()
    }

    fn filled(count: usize, name: &str) -> State {
        let manifests = manifests(count, name);
        let mut state = State::of(&manifests).unwrap();
        for (index, manifest) in manifests.iter().enumerate() {
            state.note_applied(index, manifest.name(), "01234567-89ab-cdef-0123-456789abcdef", true, true);
            state.note_settled(index);
        }
        state.since_ms = Some(u64::MAX);
        state
    }

    #[test]
    fn five_hundred_objects_fit() {
        for name in ["config", &"n".repeat(90)] {
            let state = filled(500, name);
            let text = serde_json::to_string(&state).unwrap();
            assert!(text.len() <= CHECKPOINT_BYTES_MAX, "{}", text.len());
            assert_eq!(serde_json::from_str::<State>(&text).unwrap().checked().unwrap(), state);
        }
        assert!(filled(10, "config").objects[0].u.len() == 36, "uids are kept where there is room");
    }

    #[test]
    fn what_could_not_be_kept_track_of_is_refused_before_anything_is_applied() {
        let failure = State::of(&manifests(500, &"n".repeat(240))).unwrap_err();
        assert_eq!(failure.code, "too-many-objects");
    }

    #[test]
    fn indexes_are_checked() {
        for text in [
            r#"{"kinds":[],"namespaces":[],"objects":[{"k":0,"m":"a"}],"applied":0,"cursor":0}"#,
            r#"{"kinds":[["v1","Pod"]],"namespaces":[],"objects":[{"k":0,"n":4,"m":"a"}],"applied":0,"cursor":0}"#,
            r#"{"kinds":[],"namespaces":[],"objects":[],"applied":9,"cursor":0}"#,
            r#"{"kinds":[],"namespaces":[],"objects":[],"applied":0,"cursor":18446744073709551615}"#,
        ] {
            let state: State = serde_json::from_str(text).unwrap();
            assert_eq!(state.checked().unwrap_err().code, "checkpoint-unreadable", "{text}");
        }
    }
}
