//! Questions to a cluster. Each is checked first; what it read, and at which resourceVersion, is noted for watches.

use crate::bindings::waybill::stage::kubernetes::{Error, KindInfo, LogOptions, Page, Reason, Rollout};
use crate::bindings::waybill::stage::types::{ObjectRef, Selector, Target};
use crate::gate::{Purpose, of_cluster};
use crate::manifest::masked;
use crate::names;
use crate::session::Session;
use crate::watches::Seen;
use app::ports::{self, ListQuery, LogQuery, ObjectKey, WatchKey};
use serde_json::Value;

/// Most objects of one page.
const PAGE_MAX: u32 = 500;
/// Page size when none is asked for.
const PAGE_DEFAULT: u32 = 100;
/// Longest token of a page.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Most bytes of a pod's log.
const LOG_BYTES_MAX: u32 = 1 << 20;
/// Most lines of a pod's log.
const LOG_LINES_MAX: u32 = 10_000;
/// Longest name of a kind in any spelling.
const KIND_BYTES_MAX: usize = 400;

pub(super) async fn resolve(session: &Session, at: &Target, kind: &str) -> Result<Vec<KindInfo>, Error> {
    let gate = session.gate();
    let access = gate.account(&at.account)?;
    gate.verb_at_all("resolve")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/' | ' ');
    if kind.is_empty() || kind.len() > KIND_BYTES_MAX || !kind.chars().all(plain) {
        return Err(Error::Invalid(format!("{kind:?} does not name a kind")));
    }
    let known = session.call.cluster.resolve(&access.connection, kind).await.map_err(|e| of_cluster(&e))?;
    let granted = |info: &ports::KindInfo| {
        let group = names::group_version(&info.api_version).map_or("", |(group, _)| group);
        session.call.grant.allows("resolve", group, &info.kind)
    };
    Ok(known.into_iter().filter(granted).map(kind_info).collect())
}

fn kind_info(info: ports::KindInfo) -> KindInfo {
    let ports::KindInfo { api_version, kind, plural, namespaced, scalable } = info;
    KindInfo { api_version, kind, plural, namespaced, scalable }
}

pub(super) async fn get(
    session: &Session,
    at: &Target,
    what: &ObjectRef,
    fields: &[String],
    seen: &mut Vec<Seen>,
) -> Result<String, Error> {
    let (access, key) = session.gate().key(&["get"], Purpose::Read, at, what).await?;
    let live = session.call.cluster.get(&access.connection, &key).await.map_err(|e| of_cluster(&e))?;
    seen.extend(Seen::object(&at.account, &key, &live));
    Ok(masked(live, fields).to_string())
}

pub(super) async fn list(session: &Session, at: &Target, query: &Selector, fields: &[String], seen: &mut Vec<Seen>) -> Result<Page, Error> {
    let selection = selection(session, &["list-objects"], Purpose::Read, at, query).await?;
    let (namespace, token) = selection.turn(query.continue_.as_deref())?;
    let limit = if query.limit == 0 { PAGE_DEFAULT } else { query.limit.min(PAGE_MAX) };
    let question = ListQuery {
        api_version: query.api_version.clone(),
        kind: query.kind.clone(),
        namespace: namespace.clone(),
        labels: selection.labels.clone(),
        fields: selection.fields.clone(),
        limit,
        continue_token: token,
    };
    let access = session.gate().account(&at.account)?;
    let page = session.call.cluster.list(&access.connection, &question).await.map_err(|e| of_cluster(&e))?;
    let version = &page.resource_version;
    seen.push(Seen::at(&at.account, selection.key(query, namespace.clone()), version));
    for item in &page.items {
        seen.extend(item_key(query, item).map(|key| Seen::at(&at.account, WatchKey::Object(key), version)));
    }
    let next = selection.next(namespace.as_deref(), page.continue_token);
    Ok(Page { items: page.items.into_iter().map(|item| masked(item, fields).to_string()).collect(), continue_: next })
}

fn item_key(query: &Selector, item: &Value) -> Option<ObjectKey> {
    let text = |key: &str| item.get("metadata")?.get(key)?.as_str().map(str::to_owned);
    let (api_version, kind) = (query.api_version.clone(), query.kind.clone());
    Some(ObjectKey { api_version, kind, namespace: text("namespace"), name: text("name")? })
}

/// A checked selector.
pub(crate) struct Selection {
    /// Where to look, one after the other; none for kinds without namespace.
    namespaces: Option<Vec<String>>,
    labels: Option<String>,
    fields: Option<String>,
}

/// Checks a selector.
pub(crate) async fn selection(
    session: &Session,
    verbs: &[&str],
    purpose: Purpose,
    at: &Target,
    query: &Selector,
) -> Result<Selection, Error> {
    let (_, namespaces) = session.gate().kind(verbs, purpose, at, &query.api_version, &query.kind).await?;
    let canonical = |text: &Option<String>, spell: fn(&str) -> Result<String, String>| match text {
        Some(text) => spell(text).map_err(Error::Invalid).map(|t| (!t.is_empty()).then_some(t)),
        None => Ok(None),
    };
    let labels = canonical(&query.labels, names::canonical_labels)?;
    let fields = canonical(&query.fields, names::canonical_fields)?;
    Ok(Selection { namespaces, labels, fields })
}

impl Selection {
    /// Which namespace a token is about. A list over several namespaces has tokens `namespace/token`.
    fn turn(&self, token: Option<&str>) -> Result<(Option<String>, Option<String>), Error> {
        let token = token.filter(|t| !t.is_empty());
        if token.is_some_and(|t| t.len() > TOKEN_BYTES_MAX) {
            return Err(Error::Invalid("the continue token is too long".into()));
        }
        let Some(namespaces) = &self.namespaces else { return Ok((None, token.map(str::to_owned))) };
        if let [only] = namespaces.as_slice() {
            return Ok((Some(only.clone()), token.map(str::to_owned)));
        }
        let Some(token) = token else { return Ok((namespaces.first().cloned(), None)) };
        let unknown = || Error::Invalid("the continue token is not one of this list".into());
        let (namespace, rest) = token.split_once('/').ok_or_else(unknown)?;
        let namespace = namespaces.iter().find(|n| *n == namespace).ok_or_else(unknown)?;
        Ok((Some(namespace.clone()), (!rest.is_empty()).then(|| rest.to_owned())))
    }

    /// The token of the next page.
    fn next(&self, namespace: Option<&str>, token: Option<String>) -> Option<String> {
        let token = token.filter(|t| !t.is_empty());
        let (Some(namespaces), Some(namespace)) = (&self.namespaces, namespace) else { return token };
        if namespaces.len() < 2 {
            return token;
        }
        let following = || namespaces.iter().skip_while(|n| *n != namespace).nth(1).map(|n| format!("{n}/"));
        token.map(|t| format!("{namespace}/{t}")).or_else(following)
    }

    fn key(&self, query: &Selector, namespace: Option<String>) -> WatchKey {
        WatchKey::Selection {
            api_version: query.api_version.clone(),
            kind: query.kind.clone(),
            namespace,
            labels: self.labels.clone(),
            fields: self.fields.clone(),
        }
    }

    /// What a watch of it is about: one a namespace.
    pub(crate) fn keys(&self, query: &Selector) -> Vec<WatchKey> {
        match &self.namespaces {
            None => vec![self.key(query, None)],
            Some(all) => all.iter().map(|n| self.key(query, Some(n.clone()))).collect(),
        }
    }
}

pub(super) async fn rollout(session: &Session, at: &Target, what: &ObjectRef, seen: &mut Vec<Seen>) -> Result<Rollout, Error> {
    let (access, key) = session.gate().key(&["rollout-status"], Purpose::State, at, what).await?;
    let rollout = session.call.cluster.rollout_status(&access.connection, &key).await.map_err(|e| of_cluster(&e))?;
    let of = |spec| Seen { account: at.account.clone(), spec, of: Some(key.clone()) };
    seen.extend(rollout.read.into_iter().map(of));
    Ok(Rollout {
        stable: rollout.stable,
        failed: rollout.failed,
        paused: rollout.paused,
        revision: rollout.revision,
        desired: rollout.desired,
        updated: rollout.updated,
        available: rollout.available,
        message: rollout.message,
        reasons: rollout.reasons.into_iter().map(reason).collect(),
    })
}

fn reason(reason: ports::RolloutReason) -> Reason {
    let ports::RolloutReason { code, object, container, message } = reason;
    let ObjectKey { api_version, kind, namespace, name } = object;
    Reason { code, object: ObjectRef { api_version, kind, name, namespace }, container, message }
}

pub(super) async fn pod_logs(session: &Session, at: &Target, pod: &str, opts: &LogOptions) -> Result<String, Error> {
    let what = ObjectRef { api_version: "v1".into(), kind: "Pod".into(), name: pod.to_owned(), namespace: None };
    let (access, key) = session.gate().key(&["pod-logs"], Purpose::Read, at, &what).await?;
    let container = opts.container.clone().filter(|c| !c.is_empty());
    if let Some(container) = container.as_deref().filter(|c| !names::is_namespace(c)) {
        return Err(Error::Invalid(format!("{container:?} is not the name of a container")));
    }
    let query = LogQuery {
        container,
        previous: opts.previous,
        tail_lines: opts.tail_lines.map(|n| n.min(LOG_LINES_MAX)),
        since_ms: opts.since_ms,
        bytes_max: opts.bytes_max.clamp(1, LOG_BYTES_MAX),
    };
    let namespace = key.namespace.unwrap_or_default();
    session.call.cluster.pod_logs(&access.connection, &namespace, pod, &query).await.map_err(|e| of_cluster(&e))
}
