//! May it? Decided on the typed envelope of a call, before anything is sent: the component's grant and what the cloud account
//! gives the application, and a few things that nobody can be granted.
//!
//! A denial says exactly what is missing. The only IO here is to ask a cluster whether a custom kind is namespaced, and only
//! once everything else allows it.

use crate::bindings::waybill::stage::executions;
use crate::bindings::waybill::stage::kubernetes::Error;
use crate::bindings::waybill::stage::types::{ObjectRef, Target};
use crate::kinds::{self, Class};
use crate::manifest::Object;
use crate::names;
use app::ports::{AccountAccess, Cluster, ClusterError, ObjectKey};
use model::component::Grant;
use serde_json::json;
use std::collections::BTreeMap;

/// What a call does with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The component sees its content.
    Read,
    /// The component learns how it is, not what it holds.
    State,
    /// It is changed.
    Write,
}

/// Everything a decision needs.
pub(crate) struct Gate<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) accounts: &'a BTreeMap<String, AccountAccess>,
    pub(crate) cluster: &'a dyn Cluster,
}

/// A kind somewhere.
struct Wanted<'w> {
    at: &'w Target,
    api_version: &'w str,
    group: &'w str,
    kind: &'w str,
    /// As the object itself says.
    namespace: Option<&'w str>,
    name: Option<&'w str>,
}

impl<'a> Gate<'a> {
    /// The account, if it lists the application.
    pub(crate) fn account(&self, name: &str) -> Result<&'a AccountAccess, Error> {
        // The name is repeated as it came, but cannot bring control characters into a message.
        let named = || crate::log::clean(name, 200);
        self.accounts.get(name).ok_or_else(|| denied(format!("account {} does not exist or does not list this application", named())))
    }

    /// One object by its name.
    pub(crate) async fn key(
        &self,
        verbs: &[&str],
        purpose: Purpose,
        at: &Target,
        what: &ObjectRef,
    ) -> Result<(&'a AccountAccess, ObjectKey), Error> {
        let access = self.account(&at.account)?;
        let group = checked_kind(&what.api_version, &what.kind)?;
        if !names::is_name(&what.name) {
            return Err(Error::Invalid(format!("{:?} is not the name of an object", what.name)));
        }
        let wanted = Wanted {
            at,
            api_version: &what.api_version,
            group,
            kind: &what.kind,
            namespace: what.namespace.as_deref().filter(|n| !n.is_empty()),
            name: Some(&what.name),
        };
        let namespace = self.check(verbs, purpose, access, &wanted).await?;
        Ok((access, ObjectKey { api_version: what.api_version.clone(), kind: what.kind.clone(), namespace, name: what.name.clone() }))
    }

    /// Objects of a manifest; on return each has the namespace it is sent with.
    pub(crate) async fn objects(&self, verbs: &[&str], at: &Target, objects: &mut [Object]) -> Result<&'a AccountAccess, Error> {
        let access = self.account(&at.account)?;
        for object in objects {
            if object.secret_type().is_some_and(kinds::is_identity_secret) {
                return Err(denied(format!("{}: Secrets that hold an identity are always denied", object.title())));
            }
            let wanted = Wanted {
                at,
                api_version: &object.api_version,
                group: &object.group,
                kind: &object.kind,
                namespace: object.namespace.as_deref(),
                name: object.name.as_deref(),
            };
            let namespace = self.check(verbs, Purpose::Write, access, &wanted).await?;
            if let Some(namespace) = &namespace {
                object.set_metadata("namespace", namespace);
            }
            object.namespace = namespace;
        }
        Ok(access)
    }

    /// Objects of a kind: the namespaces to look into, or none when the kind has none.
    pub(crate) async fn kind(
        &self,
        verbs: &[&str],
        purpose: Purpose,
        at: &Target,
        api_version: &str,
        kind: &str,
    ) -> Result<(&'a AccountAccess, Option<Vec<String>>), Error> {
        let access = self.account(&at.account)?;
        let group = checked_kind(api_version, kind)?;
        // Without a namespace all that the account gives are meant, one after the other.
        let some = access.namespaces.iter().map(String::as_str).find(|n| !kinds::NAMESPACES_NEVER.contains(n));
        let namespace = at.namespace.as_deref().filter(|n| !n.is_empty()).or(some);
        let wanted = Wanted { at, api_version, group, kind, namespace, name: None };
        let found = self.check(verbs, purpose, access, &wanted).await?;
        let all = || access.namespaces.iter().filter(|n| !kinds::NAMESPACES_NEVER.contains(&n.as_str())).cloned().collect();
        let named = at.namespace.as_ref().is_some_and(|n| !n.is_empty());
        Ok((access, found.map(|n| if named { vec![n] } else { all() })))
    }

    /// Whether the component holds a function at all.
    pub(crate) fn verb_at_all(&self, verb: &str) -> Result<(), Error> {
        if self.grant.kubernetes.iter().any(|g| g.verbs.iter().any(|v| v == verb)) {
            return Ok(());
        }
        Err(missing_grant(verb, "*", "*"))
    }

    /// Whether the component holds a function of the `executions` interface; what the execution's starter may do is the other
    /// side's to say.
    pub(crate) fn executions(&self, verb: &str) -> Result<(), executions::Error> {
        if self.grant.allows_executions(verb) {
            return Ok(());
        }
        let grant = json!({ "executions": [verb] });
        Err(executions::Error::Denied(format!("this stage type is not granted it; what is missing: {grant} in its grant")))
    }

    /// Grant, class of the kind and account, in this order; the namespace it is about, none for what has none.
    async fn check(&self, verbs: &[&str], purpose: Purpose, access: &AccountAccess, wanted: &Wanted<'_>) -> Result<Option<String>, Error> {
        let (group, kind) = (wanted.group, wanted.kind);
        let class = kinds::classify(group, kind);
        if let Class::Never(why) = class {
            return Err(denied(format!("{} is always denied: {why}", kinds::full_name(group, kind))));
        }
        if purpose == Purpose::Read && group.is_empty() && kind == "Secret" {
            return Err(denied("reading Secrets is always denied".into()));
        }
        if !verbs.iter().any(|v| self.grant.allows(v, group, kind)) {
            return Err(missing_grant(verbs.first().copied().unwrap_or_default(), group, kind));
        }
        allowed_kind(class, purpose, access, wanted)?;
        for namespace in [wanted.at.namespace.as_deref().filter(|n| !n.is_empty()), wanted.namespace].into_iter().flatten() {
            allowed_namespace(access, &wanted.at.account, namespace)?;
        }
        let namespaced = match class {
            Class::Extra(Some(namespaced)) => namespaced,
            Class::Extra(None) => self.namespaced(access, wanted).await?,
            Class::Never(_) | Class::Ordinary | Class::ReadOnly => true,
        };
        if namespaced { namespace_of(wanted) } else { without_namespace(access, wanted) }
    }

    /// Asks the cluster what it knows of a kind that is not built in.
    async fn namespaced(&self, access: &AccountAccess, wanted: &Wanted<'_>) -> Result<bool, Error> {
        let question = format!("{} {}", wanted.api_version, wanted.kind);
        let known = self.cluster.resolve(&access.connection, &question).await;
        let known = match known {
            Ok(known) => known,
            Err(ClusterError::NotFound(_)) => Vec::new(),
            Err(other) => return Err(of_cluster(&other)),
        };
        let same = |i: &&app::ports::KindInfo| {
            i.kind == wanted.kind && names::group_version(&i.api_version).is_some_and(|(g, _)| g == wanted.group)
        };
        let full = || kinds::full_name(wanted.group, wanted.kind);
        known.iter().find(same).map(|i| i.namespaced).ok_or_else(|| Error::Invalid(format!("the cluster has no kind {}", full())))
    }
}

fn checked_kind<'k>(api_version: &'k str, kind: &str) -> Result<&'k str, Error> {
    let (group, _) = names::group_version(api_version).ok_or_else(|| Error::Invalid(format!("{api_version:?} is not an apiVersion")))?;
    if !names::is_kind(kind) {
        return Err(Error::Invalid(format!("{kind:?} is not a kind")));
    }
    Ok(group)
}

fn allowed_kind(class: Class, purpose: Purpose, access: &AccountAccess, wanted: &Wanted<'_>) -> Result<(), Error> {
    let full = kinds::full_name(wanted.group, wanted.kind);
    let free = match class {
        Class::Ordinary => true,
        Class::ReadOnly => purpose != Purpose::Write,
        Class::Never(_) | Class::Extra(_) => false,
    };
    if free || access.extra_kinds.contains(&full) || access.extra_kinds.contains(wanted.kind) {
        return Ok(());
    }
    let account = &wanted.at.account;
    Err(denied(format!("account {account} does not allow kind {full}; what is missing: {full:?} in the account's extraKinds")))
}

fn allowed_namespace(access: &AccountAccess, account: &str, namespace: &str) -> Result<(), Error> {
    if !names::is_namespace(namespace) {
        return Err(Error::Invalid(format!("{namespace:?} is not a namespace")));
    }
    if kinds::NAMESPACES_NEVER.contains(&namespace) {
        return Err(denied(format!("namespace {namespace} is always denied: it is the cluster's own")));
    }
    if access.namespaces.contains(namespace) {
        return Ok(());
    }
    Err(denied(format!(
        "account {account} does not allow namespace {namespace}; what is missing: {namespace:?} in the account's namespaces"
    )))
}

fn namespace_of(wanted: &Wanted<'_>) -> Result<Option<String>, Error> {
    let namespace = wanted.namespace.or(wanted.at.namespace.as_deref()).filter(|n| !n.is_empty());
    let name = wanted.name.unwrap_or("without name");
    let none = || denied(format!("{} {name}: neither the object nor the target names a namespace", wanted.kind));
    namespace.map(|n| Some(n.to_owned())).ok_or_else(none)
}

fn without_namespace(access: &AccountAccess, wanted: &Wanted<'_>) -> Result<Option<String>, Error> {
    // For a list the namespace is only one to try with.
    if let (Some(namespace), Some(name)) = (wanted.namespace, wanted.name) {
        return Err(Error::Invalid(format!("{} {name} has no namespace, but {namespace:?} is given", wanted.kind)));
    }
    if let (true, "Namespace", Some(name)) = (wanted.group.is_empty(), wanted.kind, wanted.name) {
        allowed_namespace(access, &wanted.at.account, name)?;
    }
    Ok(None)
}

fn missing_grant(verb: &str, group: &str, kind: &str) -> Error {
    let grant = json!({ "apiGroups": [group], "kinds": [kind], "verbs": [verb] });
    denied(format!("this stage type is not granted it; what is missing: {grant} in its Kubernetes grant"))
}

fn denied(text: String) -> Error {
    Error::Denied(text)
}

/// A cluster's error as a component sees it.
pub(crate) fn of_cluster(error: &ClusterError) -> Error {
    match error {
        ClusterError::Denied(_) | ClusterError::Unauthorized(_) => Error::Denied(error.to_string()),
        ClusterError::NotFound(_) => Error::NotFound,
        ClusterError::Conflict(text) => Error::Conflict(text.clone()),
        ClusterError::Invalid(text) => Error::Invalid(text.clone()),
        ClusterError::Throttled(ms) => Error::Throttled(*ms),
        ClusterError::Unreachable { code, message } => Error::Unavailable(format!("{code}: {message}")),
        ClusterError::TooLarge(bytes) => Error::TooLarge(*bytes),
    }
}
