//! What the step has read and at which resourceVersion, so that a watch begins there and misses nothing in between.

use app::ports::{ObjectKey, WatchKey, WatchSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// Something that was read, kept in the trace with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// In which account.
    pub(crate) account: String,
    /// What, and at which resourceVersion.
    pub(crate) spec: WatchSpec,
    /// It was read to say how this object is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<ObjectKey>,
}

impl Seen {
    /// An object, as far as it says its resourceVersion.
    pub(crate) fn object(account: &str, key: &ObjectKey, live: &Value) -> Option<Self> {
        let version = live.pointer("/metadata/resourceVersion")?.as_str().filter(|v| !v.is_empty())?;
        Some(Self::at(account, WatchKey::Object(key.clone()), version))
    }

    /// Anything at a resourceVersion.
    pub(crate) fn at(account: &str, what: WatchKey, version: &str) -> Self {
        let version = (!version.is_empty()).then(|| version.to_owned());
        Self { account: account.to_owned(), spec: WatchSpec { what, resource_version: version }, of: None }
    }
}

/// The last read of everything in this step.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    last: HashMap<(String, WatchKey), Option<String>>,
    rollouts: HashMap<(String, ObjectKey), Vec<WatchKey>>,
}

impl Watches {
    pub(crate) fn observe(&mut self, seen: Vec<Seen>) {
        for Seen { account, spec, of } in seen {
            if let Some(object) = of {
                let reads = self.rollouts.entry((account.clone(), object)).or_default();
                if !reads.contains(&spec.what) {
                    reads.push(spec.what.clone());
                }
            }
            self.last.insert((account, spec.what), spec.resource_version);
        }
    }

    /// A watch on it, and for an object whose rollout was asked also on what that rests on: its pods, usually.
    pub(crate) fn specs(&self, account: &str, what: WatchKey) -> Vec<WatchSpec> {
        let mut all = Vec::new();
        if let WatchKey::Object(key) = &what {
            all.extend(self.rollouts.get(&(account.to_owned(), key.clone())).into_iter().flatten().cloned());
        }
        if !all.contains(&what) {
            all.insert(0, what);
        }
        all.into_iter().map(|what| self.spec(account, what)).collect()
    }

    fn spec(&self, account: &str, what: WatchKey) -> WatchSpec {
        let place = (account.to_owned(), what);
        let resource_version = self.last.get(&place).cloned().flatten();
        WatchSpec { what: place.1, resource_version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str) -> ObjectKey {
        ObjectKey { api_version: "apps/v1".into(), kind: "Deployment".into(), namespace: Some("a".into()), name: name.into() }
    }

    fn pods(labels: &str) -> WatchKey {
        let (api_version, kind, namespace) = ("v1".into(), "Pod".into(), Some("a".into()));
        WatchKey::Selection { api_version, kind, namespace, labels: Some(labels.into()), fields: None }
    }

    #[test]
    fn a_watch_begins_at_the_last_read() {
        let mut watches = Watches::default();
        let live = |version: &str| json!({"metadata": {"resourceVersion": version}});
        watches.observe(vec![Seen::object("c", &object("web"), &live("5")).unwrap()]);
        watches.observe(vec![Seen::object("c", &object("web"), &live("9")).unwrap()]);
        let specs = watches.specs("c", WatchKey::Object(object("web")));
        assert_eq!(specs, [WatchSpec { what: WatchKey::Object(object("web")), resource_version: Some("9".into()) }]);
        assert_eq!(watches.specs("other", WatchKey::Object(object("web")))[0].resource_version, None);
        assert_eq!(Seen::object("c", &object("web"), &json!({})), None);
    }

    #[test]
    fn a_rollout_is_watched_with_its_pods() {
        let mut watches = Watches::default();
        let read = |what, version| Seen { of: Some(object("web")), ..Seen::at("c", what, version) };
        watches.observe(vec![read(WatchKey::Object(object("web")), "7"), read(pods("app=web"), "8")]);
        let specs = watches.specs("c", WatchKey::Object(object("web")));
        let versions: Vec<_> = specs.iter().map(|s| s.resource_version.as_deref()).collect();
        assert_eq!((specs[1].what.clone(), versions), (pods("app=web"), vec![Some("7"), Some("8")]));
        assert_eq!(watches.specs("c", pods("app=web"))[0].resource_version.as_deref(), Some("8"));
    }
}
