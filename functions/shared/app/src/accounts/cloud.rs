//! Cloud accounts: registered from a kubeconfig or an address, changed, removed, opened for an application's stages.

use super::{AccountPorts, CLOUD, VERIFY_AGAIN_MS, cloud_context, cloud_key, damaged, publish, taken, uses};
use crate::error::{AppError, require};
use crate::expect::{Expect, differs};
use crate::idempotency::{Begun, begin};
use crate::paging::{self, Listed, PageRequest};
use crate::ports::{AccountAccess, Cluster, Condition, Hint, Sealer, Table, TransactError, Transaction, Write};
use crate::record;
use model::account::{AccountState, CloudAccount, ClusterConnection};
use model::id::{AccountName, AppName};
use model::person::{Action, Principal, may};
use model::problem::{Problem, Problems};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most bytes of a kubeconfig.
pub const KUBECONFIG_BYTES_MAX: usize = 512 << 10;
/// Most bytes of a connection as it is sealed: an item must hold it.
const CONNECTION_BYTES_MAX: usize = 192 << 10;
/// Most applications, namespaces and kinds of an account, each.
pub const ENTRIES_MAX: usize = 500;
const WHAT: &str = "cloud account";

/// How the cluster is reached.
#[derive(Clone)]
pub enum Access {
    /// From a kubeconfig.
    Kubeconfig {
        /// Its text.
        text: String,
        /// Which context; may be left out when there is only one.
        context: Option<String>,
    },
    /// From an address and a token.
    Address {
        /// `https://host:port`.
        server: String,
        /// PEM of the certificate authority.
        ca_pem: Option<String>,
        /// The bearer token.
        token: String,
    },
}

/// What people decide about an account, besides how it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Applications that may deploy with it.
    pub applications: Vec<AppName>,
    /// Namespaces they may deploy into.
    pub namespaces: Vec<String>,
    /// Kinds beyond the ordinary ones.
    pub extra_kinds: Vec<String>,
}

/// Registers an account. It is `verifying` until the background check has ended.
pub async fn create(
    ports: &AccountPorts<'_>,
    cluster: &dyn Cluster,
    caller: &Principal,
    idempotency: Option<&str>,
    name: AccountName,
    (access, insecure): (Access, bool),
    scope: &Scope,
) -> Result<(CloudAccount, u64), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    check(scope)?;
    let (connection, context) = connect(cluster, access, insecure)?;
    // The secret is left out of what is compared, so that nothing of it is kept beside the sealed copy.
    let request = json!({ "name": name, "server": connection.server, "scope": format!("{scope:?}") });
    let attempt = match begin(ports.table, ports.clock, caller, "create-cloud-account", idempotency, &request).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Again(_) => return load(ports.table, &name).await,
    };
    let mut account = CloudAccount {
        server: connection.server.clone(),
        context,
        insecure_skip_tls_verify: connection.insecure_skip_tls_verify,
        applications: BTreeSet::new(),
        namespaces: BTreeSet::new(),
        extra_kinds: BTreeSet::new(),
        connection: seal(ports.sealer, &name, &connection).await?,
        state: AccountState::Verifying,
        reason: None,
        checks: Vec::new(),
        verified_ms: None,
        created_ms: ports.clock.now_ms(),
        name,
    };
    set_scope(&mut account, scope);
    let mut writes = vec![put(ports, &account, Condition::Absent)?];
    writes.extend(attempt.write(&json!({ "name": account.name }))?);
    ports.table.transact(Transaction::of(writes)).await.map_err(|error| match error {
        TransactError::Conflict(places) if places.contains(&0) => taken(&account.name),
        error => error.into(),
    })?;
    ask(ports, &account.name, 1).await;
    Ok((account, 1))
}

/// Replaces who may use an account and where, and its connection when one is given; it is checked again.
pub async fn update(
    ports: &AccountPorts<'_>,
    cluster: &dyn Cluster,
    caller: &Principal,
    name: &AccountName,
    (access, insecure): (Option<Access>, bool),
    scope: &Scope,
    expect: &Expect,
) -> Result<(CloudAccount, u64), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    let (mut account, version) = load(ports.table, name).await?;
    check(scope)?;
    expect.check(WHAT, Some(version))?;
    if let Some(access) = access {
        let (connection, context) = connect(cluster, access, insecure)?;
        account.connection = seal(ports.sealer, name, &connection).await?;
        account.server.clone_from(&connection.server);
        account.insecure_skip_tls_verify = connection.insecure_skip_tls_verify;
        account.context = context;
    }
    set_scope(&mut account, scope);
    verifying(&mut account);
    let write = put(ports, &account, Condition::Revision(version))?;
    ports.table.transact(Transaction::of(vec![write])).await.map_err(|error| match error {
        TransactError::Conflict(_) => differs(WHAT, None),
        error => error.into(),
    })?;
    ask(ports, name, version + 1).await;
    Ok((account, version + 1))
}

/// Has an account checked again.
pub async fn verify_again(ports: &AccountPorts<'_>, caller: &Principal, name: &AccountName) -> Result<(CloudAccount, u64), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    let (mut account, version) = load(ports.table, name).await?;
    verifying(&mut account);
    ports.table.transact(Transaction::of(vec![put(ports, &account, Condition::Revision(version))?])).await?;
    ask(ports, name, version + 1).await;
    Ok((account, version + 1))
}

/// Removes an account; refused while stages name it, naming them.
pub async fn delete(ports: &AccountPorts<'_>, caller: &Principal, name: &AccountName, expect: &Expect) -> Result<(), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    let (_, version) = load(ports.table, name).await?;
    expect.check_if_given(WHAT, Some(version))?;
    let uses = uses::find(ports.table, name, |row| &row.cloud_accounts).await?;
    if !uses.is_empty() {
        return Err(uses::refuse(name, &uses));
    }
    ports.table.transact(Transaction::of(vec![Write::Delete(cloud_key(name), vec![Condition::Revision(version)])])).await?;
    publish(ports.changes, name, version + 1);
    Ok(())
}

/// Reads an account and its version; the secret stays sealed.
pub async fn get(table: &dyn Table, caller: &Principal, name: &AccountName) -> Result<(CloudAccount, u64), AppError> {
    require(may(caller, Action::ReadAccounts))?;
    load(table, name).await
}

/// Accounts by name.
pub async fn list(table: &dyn Table, caller: &Principal, page: &PageRequest) -> Result<Listed<(CloudAccount, u64)>, AppError> {
    require(may(caller, Action::ReadAccounts))?;
    paging::rows(table, &page.query(CLOUD, "")).await
}

/// The accounts that list an application, opened, whatever state they are in: a check that failed yesterday is no reason to
/// refuse today's deployment, and the cluster says itself what it does not allow. One whose secret does not open is left out.
pub async fn open_for(table: &dyn Table, sealer: &dyn Sealer, application: &AppName) -> Result<BTreeMap<String, AccountAccess>, AppError> {
    let mut found = BTreeMap::new();
    for (account, _) in paging::all::<CloudAccount>(table, CLOUD, "").await? {
        if !account.applications.contains(&application.key()) {
            continue;
        }
        let connection = match open(sealer, &account).await {
            Ok(connection) => Arc::new(connection),
            Err(AppError::Damaged(inside)) => {
                tracing::error!(account = %account.name, inside, "an account's secret does not open");
                continue;
            }
            Err(error) => return Err(error),
        };
        let access = AccountAccess { connection, namespaces: account.namespaces, extra_kinds: account.extra_kinds };
        found.insert(account.name.to_string(), access);
    }
    Ok(found)
}

/// Whether an account may be used by an application; none when there is no such account.
pub(crate) async fn serves(table: &dyn Table, name: &AccountName, application: &AppName) -> Result<Option<bool>, AppError> {
    let found = record::load::<CloudAccount>(table, &cloud_key(name)).await?;
    Ok(found.map(|(account, _)| account.applications.contains(&application.key())))
}

pub(super) async fn load(table: &dyn Table, name: &AccountName) -> Result<(CloudAccount, u64), AppError> {
    record::load(table, &cloud_key(name)).await?.ok_or_else(|| AppError::NotFound { what: WHAT, id: name.to_string() })
}

pub(super) async fn open(sealer: &dyn Sealer, account: &CloudAccount) -> Result<ClusterConnection, AppError> {
    let bytes = sealer.open(&cloud_context(&account.name), &account.connection).await?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(&account.name, &error))
}

async fn seal(sealer: &dyn Sealer, name: &AccountName, connection: &ClusterConnection) -> Result<model::account::Sealed, AppError> {
    let bytes = serde_json::to_vec(connection).map_err(|error| damaged(name, &error))?;
    if bytes.len() > CONNECTION_BYTES_MAX {
        return Err(AppError::invalid(
            "",
            "connection-too-large",
            format!("certificates, key and token have at most {CONNECTION_BYTES_MAX} bytes"),
        ));
    }
    Ok(sealer.seal(&cloud_context(name), &bytes).await?)
}

fn connect(cluster: &dyn Cluster, access: Access, insecure: bool) -> Result<(ClusterConnection, Option<String>), AppError> {
    match access {
        Access::Kubeconfig { text, .. } if text.len() > KUBECONFIG_BYTES_MAX => {
            let message = format!("a kubeconfig has at most {KUBECONFIG_BYTES_MAX} bytes");
            Err(AppError::invalid("/kubeconfig", "kubeconfig-too-large", message))
        }
        Access::Kubeconfig { text, context } => {
            let inside = |p: Problem| Problem { pointer: format!("/kubeconfig{}", p.pointer), ..p };
            let read = cluster.read_kubeconfig(&text, context.as_deref(), insecure);
            let (connection, context) = read.map_err(|list| AppError::Invalid(list.into_iter().map(inside).collect()))?;
            Ok((connection, Some(context)))
        }
        Access::Address { server, ca_pem, token } => {
            let connection = cluster.read_address(&server, ca_pem.as_deref(), &token, insecure).map_err(AppError::Invalid)?;
            Ok((connection, None))
        }
    }
}

fn check(scope: &Scope) -> Result<(), AppError> {
    let mut problems = Problems::default();
    for (key, count) in
        [("applications", scope.applications.len()), ("namespaces", scope.namespaces.len()), ("extraKinds", scope.extra_kinds.len())]
    {
        if count > ENTRIES_MAX {
            problems.error(format!("/{key}"), "too-many", format!("at most {ENTRIES_MAX}"));
        }
    }
    for (i, namespace) in scope.namespaces.iter().enumerate().filter(|(_, n)| !is_label(n)) {
        problems.error(format!("/namespaces/{i}"), "namespace-invalid", format!("`{namespace}` is no name of a namespace"));
    }
    for (i, kind) in scope.extra_kinds.iter().enumerate().filter(|(_, k)| !is_kind(k)) {
        problems.error(format!("/extraKinds/{i}"), "kind-invalid", format!("`{kind}` is no kind: `Kind`, or `Kind.group`"));
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

/// A DNS label.
fn is_label(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 63 && edge(text.bytes().next()) && edge(text.bytes().last()) && text.bytes().all(inner)
}

fn is_kind(text: &str) -> bool {
    let (kind, group) = text.split_once('.').unwrap_or((text, "x"));
    let kind_fits = kind.bytes().next().is_some_and(|b| b.is_ascii_uppercase()) && kind.bytes().all(|b| b.is_ascii_alphanumeric());
    text.len() <= 253 && kind_fits && group.split('.').all(is_label)
}

fn set_scope(account: &mut CloudAccount, scope: &Scope) {
    account.applications = scope.applications.iter().map(AppName::key).collect();
    account.namespaces = scope.namespaces.iter().cloned().collect();
    account.extra_kinds = scope.extra_kinds.iter().cloned().collect();
}

fn verifying(account: &mut CloudAccount) {
    account.state = AccountState::Verifying;
    account.reason = None;
    account.checks = Vec::new();
}

fn put(ports: &AccountPorts<'_>, account: &CloudAccount, condition: Condition) -> Result<Write, AppError> {
    let due = Some(ports.clock.now_ms() + VERIFY_AGAIN_MS);
    Ok(Write::Put(record::item(cloud_key(&account.name), account)?.due(due), vec![condition]))
}

async fn ask(ports: &AccountPorts<'_>, name: &AccountName, version: u64) {
    publish(ports.changes, name, version);
    ports.queue.hint(Hint::CloudAccount { name: name.clone() }, 0).await;
}
