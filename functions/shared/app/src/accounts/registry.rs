//! Registry accounts: registered, removed, opened for reading tags and digests.

use super::{AccountPorts, REGISTRIES, VERIFY_AGAIN_MS, damaged, publish, registry_context, registry_key, taken, uses};
use crate::error::{AppError, require};
use crate::expect::Expect;
use crate::idempotency::{Begun, begin};
use crate::paging::{self, ENTRIES_A_PAGE_MAX, Listed, PageRequest};
use crate::ports::{
    Condition, Hint, ImageVersion, Registry, RegistryAccess, RegistryError, Sealer, Table, TransactError, Transaction, Write,
};
use crate::record;
use model::account::{AccountState, LoginKind, RegistryAccount, RegistryCredentials, RegistryLogin};
use model::id::AccountName;
use model::image::{is_repository, is_tag, normal_registry};
use model::person::{Action, Principal, may};
use model::problem::Problems;
use serde_json::json;

const ADDRESS_BYTES_MAX: usize = 255;
const SECRET_BYTES_MAX: usize = 64 << 10;
const WHAT: &str = "registry account";

/// What a new account shall be.
pub struct NewRegistry {
    /// Unique name.
    pub name: AccountName,
    /// `host[:port]`.
    pub address: String,
    /// Speak HTTP; when it is not said, only to this machine itself.
    pub plain_http: Option<bool>,
    /// How to log in.
    pub credentials: RegistryCredentials,
}

/// True for addresses that do not leave this machine.
#[must_use]
pub fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Registers an account. It is `verifying` until the background check has ended.
pub async fn create(
    ports: &AccountPorts<'_>,
    caller: &Principal,
    idempotency: Option<&str>,
    new: NewRegistry,
) -> Result<(RegistryAccount, u64), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    check(&new)?;
    let address = normal_registry(&new.address);
    let own_ca = new.credentials.ca_pem.is_some();
    let plain_http = new.plain_http.unwrap_or_else(|| !own_ca && is_loopback(&address));
    let (login, username) = match &new.credentials.login {
        RegistryLogin::Anonymous => (LoginKind::Anonymous, None),
        RegistryLogin::Basic { username, .. } => (LoginKind::Basic, Some(username.clone())),
        RegistryLogin::Bearer(_) => (LoginKind::Bearer, None),
    };
    let request = json!({ "name": new.name, "address": address, "plainHttp": plain_http, "login": login, "username": username });
    let attempt = match begin(ports.table, ports.clock, caller, "create-registry-account", idempotency, &request).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Again(_) => return load(ports.table, &new.name).await,
    };
    let secret = serde_json::to_vec(&new.credentials).map_err(|error| damaged(&new.name, &error))?;
    let account = RegistryAccount {
        credentials: ports.sealer.seal(&registry_context(&new.name), &secret).await?,
        name: new.name,
        address,
        plain_http,
        login,
        username,
        own_ca,
        state: AccountState::Verifying,
        reason: None,
        verified_ms: None,
        created_ms: ports.clock.now_ms(),
    };
    let mut writes = vec![put(ports, &account, Condition::Absent)?];
    writes.extend(attempt.write(&json!({ "name": account.name }))?);
    ports.table.transact(Transaction::of(writes)).await.map_err(|error| match error {
        TransactError::Conflict(places) if places.contains(&0) => taken(&account.name),
        error => error.into(),
    })?;
    ask(ports, &account.name, 1).await;
    Ok((account, 1))
}

fn check(new: &NewRegistry) -> Result<(), AppError> {
    let mut problems = Problems::default();
    let address = normal_registry(&new.address);
    let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    if address.len() > ADDRESS_BYTES_MAX || !address.bytes().all(sign) || new.address.trim().is_empty() {
        problems.error("/address", "address-invalid", "a registry's address is `host` or `host:port`, without scheme and path");
    }
    let secrets: &[(&str, &str)] = match &new.credentials.login {
        RegistryLogin::Anonymous => &[],
        RegistryLogin::Basic { username, password } => &[("username", username), ("password", password)],
        RegistryLogin::Bearer(token) => &[("token", token)],
    };
    for (field, text) in secrets {
        if text.is_empty() || text.len() > SECRET_BYTES_MAX || text.chars().any(char::is_control) {
            problems.error(
                format!("/credentials/{field}"),
                "credentials-invalid",
                format!("1 to {SECRET_BYTES_MAX} bytes without control characters"),
            );
        }
    }
    if new.credentials.ca_pem.as_ref().is_some_and(|pem| pem.len() > SECRET_BYTES_MAX || !pem.contains("-----BEGIN CERTIFICATE-----")) {
        problems.error("/caPem", "ca-invalid", "a certificate authority is PEM text with BEGIN CERTIFICATE");
    }
    if new.plain_http == Some(true) && new.credentials.ca_pem.is_some() {
        problems.error("/plainHttp", "plain-http-with-ca", "a certificate authority is of no use over plain HTTP");
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

/// Has an account checked again.
pub async fn verify_again(ports: &AccountPorts<'_>, caller: &Principal, name: &AccountName) -> Result<(RegistryAccount, u64), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    let (mut account, version) = load(ports.table, name).await?;
    account.state = AccountState::Verifying;
    account.reason = None;
    ports.table.transact(Transaction::of(vec![put(ports, &account, Condition::Revision(version))?])).await?;
    ask(ports, name, version + 1).await;
    Ok((account, version + 1))
}

/// Removes an account; refused while triggers name it, naming them.
pub async fn delete(ports: &AccountPorts<'_>, caller: &Principal, name: &AccountName, expect: &Expect) -> Result<(), AppError> {
    require(may(caller, Action::ManageAccounts))?;
    let (_, version) = load(ports.table, name).await?;
    expect.check_if_given(WHAT, Some(version))?;
    let uses = uses::find(ports.table, name, |row| &row.registry_accounts).await?;
    if !uses.is_empty() {
        return Err(uses::refuse(name, &uses));
    }
    ports.table.transact(Transaction::of(vec![Write::Delete(registry_key(name), vec![Condition::Revision(version)])])).await?;
    publish(ports.changes, name, version + 1);
    Ok(())
}

/// Reads an account and its version; the secret stays sealed.
pub async fn get(table: &dyn Table, caller: &Principal, name: &AccountName) -> Result<(RegistryAccount, u64), AppError> {
    require(may(caller, Action::ReadAccounts))?;
    load(table, name).await
}

/// Accounts by name.
pub async fn list(table: &dyn Table, caller: &Principal, page: &PageRequest) -> Result<Listed<(RegistryAccount, u64)>, AppError> {
    require(may(caller, Action::ReadAccounts))?;
    paging::rows(table, &page.query(REGISTRIES, "")).await
}

/// An account's address; none when there is no such account.
pub async fn registry_address(table: &dyn Table, name: &AccountName) -> Result<Option<String>, AppError> {
    Ok(record::load::<RegistryAccount>(table, &registry_key(name)).await?.map(|(account, _)| account.address))
}

/// Opens an account for an adapter; asks nobody's rights.
pub async fn open_registry(table: &dyn Table, sealer: &dyn Sealer, name: &AccountName) -> Result<RegistryAccess, AppError> {
    let (account, _) = load(table, name).await?;
    open(sealer, &account).await
}

/// Tags of a repository, as the registry orders them. Developers may: they choose what a release order releases.
pub async fn tags(
    (table, sealer, registry): (&dyn Table, &dyn Sealer, &dyn Registry),
    caller: &Principal,
    name: &AccountName,
    repository: &str,
    page: &PageRequest,
) -> Result<Listed<String>, AppError> {
    require(may(caller, Action::Read))?;
    check_repository(repository)?;
    let access = open_registry(table, sealer, name).await?;
    let limit = page.limit.clamp(1, ENTRIES_A_PAGE_MAX);
    let tags = registry.tags(&access, repository, page.after.as_deref(), limit).await.map_err(failure)?;
    let next = tags.last().filter(|_| tags.len() >= limit).cloned();
    Ok(Listed { entries: tags, next })
}

/// What a tag points at now.
pub async fn version(
    (table, sealer, registry): (&dyn Table, &dyn Sealer, &dyn Registry),
    caller: &Principal,
    name: &AccountName,
    repository: &str,
    tag: &str,
) -> Result<ImageVersion, AppError> {
    require(may(caller, Action::Read))?;
    check_repository(repository)?;
    if !is_tag(tag) {
        return Err(AppError::invalid("", "tag-invalid", format!("`{tag}` is no tag")));
    }
    let access = open_registry(table, sealer, name).await?;
    let digest = registry.digest(&access, repository, tag).await.map_err(failure)?;
    Ok(ImageVersion { tag: tag.to_owned(), digest })
}

fn check_repository(repository: &str) -> Result<(), AppError> {
    if is_repository(repository) {
        return Ok(());
    }
    Err(AppError::invalid("", "repository-invalid", "a repository is a path of lower-case letters, digits, dots, dashes and underscores"))
}

/// A registry's trouble, for whoever asked it something.
fn failure(error: RegistryError) -> AppError {
    match error {
        RegistryError::NotFound(what) => AppError::NotFound { what: "repository or tag", id: what },
        RegistryError::Denied(_) => AppError::refused("registry-denies", error.to_string()),
        RegistryError::Protocol(_) => AppError::refused("registry-not-understood", error.to_string()),
        RegistryError::Unavailable(inside) => AppError::Unavailable(inside),
    }
}

pub(super) async fn load(table: &dyn Table, name: &AccountName) -> Result<(RegistryAccount, u64), AppError> {
    record::load(table, &registry_key(name)).await?.ok_or_else(|| AppError::NotFound { what: WHAT, id: name.to_string() })
}

pub(super) async fn open(sealer: &dyn Sealer, account: &RegistryAccount) -> Result<RegistryAccess, AppError> {
    let bytes = sealer.open(&registry_context(&account.name), &account.credentials).await?;
    let credentials = serde_json::from_slice(&bytes).map_err(|error| damaged(&account.name, &error))?;
    Ok(RegistryAccess { address: account.address.clone(), plain_http: account.plain_http, credentials })
}

fn put(ports: &AccountPorts<'_>, account: &RegistryAccount, condition: Condition) -> Result<Write, AppError> {
    let due = Some(ports.clock.now_ms() + VERIFY_AGAIN_MS);
    Ok(Write::Put(record::item(registry_key(&account.name), account)?.due(due), vec![condition]))
}

async fn ask(ports: &AccountPorts<'_>, name: &AccountName, version: u64) {
    publish(ports.changes, name, version);
    ports.queue.hint(Hint::RegistryAccount { name: name.clone() }, 0).await;
}

/// The registry account with this address, as image names carry it.
pub async fn registry_at(table: &dyn Table, address: &str) -> Result<Option<AccountName>, AppError> {
    let wanted = normal_registry(address);
    let accounts = paging::all::<RegistryAccount>(table, REGISTRIES, "").await?;
    Ok(accounts.into_iter().map(|(account, _)| account).find(|a| normal_registry(&a.address) == wanted).map(|a| a.name))
}
