//! The background checks of accounts, carried out when a hint says so. What they find is written only if nobody changed the
//! account meanwhile; then it is checked again.

use super::{cloud, cloud_key, needs, publish, registry, registry_key};
use crate::error::AppError;
use crate::ports::{
    Changes, Clock, Cluster, ClusterError, Condition, Registry, RegistryError, Sealer, Table, TransactError, Transaction, Verified, Write,
};
use crate::record::{self, Record};
use crate::stage_types;
use model::Millis;
use model::account::{AccountState, CloudAccount, RegistryAccount};
use model::id::AccountName;
use model::reason::{Reason, ReasonCode};

const TRIES_MAX: usize = 5;
const CHECKS_NAMED_MAX: usize = 5;

/// What the check of a cloud account needs.
pub struct CloudVerifyPorts<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Opens the secret.
    pub sealer: &'a dyn Sealer,
    /// Asks the cluster.
    pub cluster: &'a dyn Cluster,
    /// Tells followers.
    pub changes: &'a dyn Changes,
}

/// What the check of a registry account needs.
pub struct RegistryVerifyPorts<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Opens the secret.
    pub sealer: &'a dyn Sealer,
    /// Asks the registry.
    pub registry: &'a dyn Registry,
    /// Tells followers.
    pub changes: &'a dyn Changes,
}

/// Checks a cloud account that wants it. An account that is gone or was checked meanwhile is fine.
pub async fn verify_cloud(ports: &CloudVerifyPorts<'_>, name: &AccountName) -> Result<(), AppError> {
    for _ in 0..TRIES_MAX {
        let Some((mut account, version)) = gone_is_none(cloud::load(ports.table, name).await)? else { return Ok(()) };
        if account.state != AccountState::Verifying {
            return Ok(());
        }
        let found = match cloud::open(ports.sealer, &account).await {
            Ok(connection) => {
                let needs = needs::of(&account, &stage_types::all(ports.table).await?);
                ports.cluster.verify(&connection, &needs).await.map_err(|error| cluster_reason(&error, ports.clock.now_ms()))
            }
            Err(AppError::Damaged(_)) => Err(unreadable(ports.clock.now_ms())),
            Err(error) => return Err(error),
        };
        conclude(&mut account, found, ports.clock.now_ms());
        if write(ports.table, record::item(cloud_key(name), &account)?, version).await? {
            tracing::info!(account = %name, state = ?account.state, "cloud account checked");
            publish(ports.changes, name, version + 1);
            return Ok(());
        }
    }
    Err(AppError::conflict("changed-in-between", "the account is being changed while it is checked"))
}

/// Checks a registry account that wants it. An account that is gone or was checked meanwhile is fine.
pub async fn verify_registry(ports: &RegistryVerifyPorts<'_>, name: &AccountName) -> Result<(), AppError> {
    for _ in 0..TRIES_MAX {
        let Some((mut account, version)) = gone_is_none(registry::load(ports.table, name).await)? else { return Ok(()) };
        if account.state != AccountState::Verifying {
            return Ok(());
        }
        let now = ports.clock.now_ms();
        let found = match registry::open(ports.sealer, &account).await {
            Ok(access) => ports.registry.check(&access).await.map_err(|error| registry_reason(&error, &account, now)),
            Err(AppError::Damaged(_)) => Err(unreadable(now)),
            Err(error) => return Err(error),
        };
        account.state = if found.is_ok() { AccountState::Ready } else { AccountState::Failed };
        account.reason = found.err();
        account.verified_ms = Some(ports.clock.now_ms());
        if write(ports.table, record::item(registry_key(name), &account)?, version).await? {
            tracing::info!(account = %name, state = ?account.state, "registry account checked");
            publish(ports.changes, name, version + 1);
            return Ok(());
        }
    }
    Err(AppError::conflict("changed-in-between", "the account is being changed while it is checked"))
}

fn gone_is_none<T: Record>(loaded: Result<(T, u64), AppError>) -> Result<Option<(T, u64)>, AppError> {
    match loaded {
        Ok(found) => Ok(Some(found)),
        Err(AppError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what was found; false when somebody else wrote in between.
async fn write(table: &dyn Table, item: crate::ports::Item, version: u64) -> Result<bool, AppError> {
    match table.transact(Transaction::of(vec![Write::Put(item, vec![Condition::Revision(version)])])).await {
        Ok(()) => Ok(true),
        Err(TransactError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn conclude(account: &mut CloudAccount, found: Result<Verified, Reason>, now: Millis) {
    account.verified_ms = Some(now);
    match found {
        Ok(verified) => {
            let missing: Vec<&str> = verified.checks.iter().filter(|c| !c.passed).map(|c| c.message.as_str()).collect();
            account.state = if missing.is_empty() { AccountState::Ready } else { AccountState::Failed };
            account.reason = (!missing.is_empty()).then(|| {
                let more = missing.len().saturating_sub(CHECKS_NAMED_MAX);
                let mut message = missing.iter().take(CHECKS_NAMED_MAX).copied().collect::<Vec<_>>().join("; ");
                if more > 0 {
                    message = format!("{message}; and {more} more");
                }
                Reason::new(ReasonCode::AccountRightsMissing, message, now).with(serde_json::json!({ "version": verified.version }))
            });
            account.checks = verified.checks;
        }
        Err(reason) => {
            account.state = AccountState::Failed;
            account.reason = Some(reason);
            account.checks = Vec::new();
        }
    }
}

fn unreadable(now: Millis) -> Reason {
    Reason::new(ReasonCode::AccountSecretUnreadable, "the stored credentials cannot be opened: give them again", now)
}

/// A cluster's trouble in words a person understands, with what to do about it.
fn cluster_reason(error: &ClusterError, now: Millis) -> Reason {
    let (code, advice) = match error {
        ClusterError::Unauthorized(_) => (ReasonCode::AccountUnauthorized, "give credentials that are still valid"),
        ClusterError::Denied(_) => (ReasonCode::AccountForbidden, "let the account's user ask what it may do"),
        ClusterError::Unreachable { code, .. } => match *code {
            "name-not-found" => (ReasonCode::AccountNameNotFound, "check the host name"),
            "refused" => (ReasonCode::AccountConnectionRefused, "check the port, and that the API server runs"),
            "certificate-not-trusted" => (ReasonCode::AccountCertificateNotTrusted, "give the cluster's certificate authority"),
            "timed-out" => (ReasonCode::AccountTimedOut, "check the address, and what stands between"),
            _ => (ReasonCode::AccountUnreachable, "try again later"),
        },
        ClusterError::Throttled(_) => (ReasonCode::AccountUnreachable, "try again later"),
        ClusterError::NotFound(_) | ClusterError::Conflict(_) | ClusterError::Invalid(_) | ClusterError::TooLarge(_) => {
            (ReasonCode::AccountNotUnderstood, "check that this is the address of a Kubernetes API server")
        }
    };
    Reason::new(code, format!("{error}; {advice}"), now)
}

fn registry_reason(error: &RegistryError, account: &RegistryAccount, now: Millis) -> Reason {
    let (code, advice) = match error {
        RegistryError::Denied(_) => (ReasonCode::AccountUnauthorized, "check name and password, or the token"),
        RegistryError::Unavailable(_) => (ReasonCode::AccountUnreachable, "check the address, and that the registry runs"),
        RegistryError::NotFound(_) | RegistryError::Protocol(_) => {
            (ReasonCode::AccountNotUnderstood, "check that this is the address of a container registry")
        }
    };
    Reason::new(code, format!("{}: {error}; {advice}", account.address), now)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
