//! Secrets of an application: named texts that a pipeline refers to as `secret://NAME` instead of holding them.
//!
//! A value comes in and is sealed, bound to its application and name. It never goes out again: no use case gives it back, and it is
//! opened only for the outgoing call that it is meant for ([`resolve`]).

pub mod references;
pub mod resolve;

use crate::applications;
use crate::error::AppError;
use crate::expect::Expect;
use crate::paging::{self, Listed, PageRequest};
use crate::ports::{Change, Changes, Clock, Condition, Key, Sealer, Table, TransactError, Transaction, Write};
use crate::record::{self, Record, Shape, shape};
use futures::future::join;
use model::Millis;
use model::account::Sealed;
use model::id::AppName;
use model::person::{Action, Principal};
use model::problem::Problems;
use serde::{Deserialize, Serialize};

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 127;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Most secrets of an application.
pub const SECRETS_MAX: usize = 1_000;
const WHAT: &str = "secret";

/// A stored secret. The value is sealed, and stays so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRow {
    /// Whose it is.
    pub application: AppName,
    /// Unique within the application; its case counts.
    pub name: String,
    value: Sealed,
    /// Who stored it first.
    pub created_by: String,
    /// When.
    pub created_ms: Millis,
    /// Who gave it its value.
    pub updated_by: String,
    /// When.
    pub updated_ms: Millis,
}

impl Record for SecretRow {
    const SHAPE: &'static str = "secret";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<SecretRow>()];

/// What storing a secret needs.
#[derive(Clone, Copy)]
pub struct SecretPorts<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Encrypts.
    pub sealer: &'a dyn Sealer,
    /// Tells followers.
    pub changes: &'a dyn Changes,
}

/// A name and what is to be kept under it. Its `Debug` leaves the value out.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether a text can be a secret's name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= NAME_BYTES_MAX && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && text.bytes().all(sign)
}

fn partition(application: &AppName) -> String {
    format!("APP#{}", application.key())
}

fn key(application: &AppName, name: &str) -> Key {
    Key::new(partition(application), format!("SECRET#{name}"))
}

/// What a value is bound to.
fn context(application: &AppName, name: &str) -> String {
    format!("secret:{}:{name}", application.key())
}

fn unknown(name: &str) -> AppError {
    AppError::NotFound { what: WHAT, id: name.to_owned() }
}

/// Says everything that is wrong with a new secret; never its value.
pub(crate) fn check(new: &NewSecret, at: &str, problems: &mut Problems) {
    if !is_name(&new.name) {
        let message =
            format!("a secret's name has 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` and `.`, and begins with a letter or digit");
        problems.error(format!("{at}/name"), "name-invalid", message);
    }
    if new.value.is_empty() || new.value.len() > VALUE_BYTES_MAX {
        problems.error(format!("{at}/value"), "value-invalid", format!("a secret has 1 to {VALUE_BYTES_MAX} bytes"));
    }
}

/// What storing a secret comes to.
pub(crate) struct Prepared {
    pub(crate) write: Write,
    pub(crate) row: SecretRow,
    pub(crate) version: u64,
    /// The value is what it was.
    pub(crate) same: bool,
}

/// What is stored under a name now, with its version.
pub(crate) async fn stored(table: &dyn Table, application: &AppName, name: &str) -> Result<Option<(SecretRow, u64)>, AppError> {
    record::load(table, &key(application, name)).await
}

/// Seals a secret for a transaction, over what is stored under its name now; nothing is written.
pub(crate) async fn prepare(
    ports: SecretPorts<'_>,
    caller: &Principal,
    application: &AppName,
    new: &NewSecret,
    old: Option<(SecretRow, u64)>,
) -> Result<Prepared, AppError> {
    let same = match &old {
        Some((old, _)) => open(ports.sealer, old).await? == new.value,
        None => false,
    };
    let now = ports.clock.now_ms();
    let (created_by, created_ms) = old.as_ref().map_or((caller.name.clone(), now), |(old, _)| (old.created_by.clone(), old.created_ms));
    let row = SecretRow {
        application: application.clone(),
        name: new.name.clone(),
        value: ports.sealer.seal(&context(application, &new.name), new.value.as_bytes()).await?,
        created_by,
        created_ms,
        updated_by: caller.name.clone(),
        updated_ms: now,
    };
    let condition = old.as_ref().map_or(Condition::Absent, |(_, version)| Condition::Revision(*version));
    let write = Write::Put(record::item(key(application, &new.name), &row)?, vec![condition]);
    Ok(Prepared { write, row, version: old.map_or(1, |(_, version)| version + 1), same })
}

/// Fails when an application that has so many secrets would have more than it may have.
pub(crate) fn room_for(count: usize, more: usize) -> Result<(), AppError> {
    if more == 0 || count + more <= SECRETS_MAX {
        return Ok(());
    }
    Err(AppError::refused("too-many-secrets", format!("an application has at most {SECRETS_MAX} secrets")))
}

/// Stores a secret under its name; gives it, its version, and whether it is new.
pub async fn put(
    ports: SecretPorts<'_>,
    caller: &Principal,
    application: &AppName,
    new: &NewSecret,
    expect: &Expect,
) -> Result<(SecretRow, u64, bool), AppError> {
    let owner = applications::get_for(ports.table, caller, application, Action::EditPipelines);
    let (owner, old) = join(owner, stored(ports.table, application, &new.name)).await;
    let (owner, _) = owner?;
    let mut problems = Problems::default();
    check(new, "", &mut problems);
    if problems.has_errors() {
        return Err(AppError::Invalid(problems.into_vec()));
    }
    let old = old?;
    expect.check(WHAT, old.as_ref().map(|(_, version)| *version))?;
    let Prepared { write, row, version, .. } = prepare(ports, caller, &owner.name, new, old).await?;
    if version == 1 {
        room_for(names(ports.table, application).await?.len(), 1)?;
    }
    let mut writes = vec![write];
    writes.extend(applications::using(application)?);
    ports.table.transact(Transaction::of(writes)).await.map_err(|error| match error {
        TransactError::Conflict(places) if places.contains(&0) => crate::expect::differs(WHAT, None),
        error => error.into(),
    })?;
    publish(ports.changes, application);
    Ok((row, version, version == 1))
}

/// Removes a secret. Pipelines that refer to it are refused, by name, when they are started.
pub async fn delete(
    (table, changes): (&dyn Table, &dyn Changes),
    caller: &Principal,
    application: &AppName,
    name: &str,
    expect: &Expect,
) -> Result<(), AppError> {
    let (_, version) = get(table, caller, application, name).await?;
    expect.check_if_given(WHAT, Some(version))?;
    table.transact(Transaction::of(vec![Write::Delete(key(application, name), vec![Condition::Revision(version)])])).await?;
    publish(changes, application);
    Ok(())
}

/// What is known of a secret, for those who may edit pipelines; never its value.
pub async fn get(table: &dyn Table, caller: &Principal, application: &AppName, name: &str) -> Result<(SecretRow, u64), AppError> {
    let may = applications::get_for(table, caller, application, Action::EditPipelines);
    let (may, found) = join(may, stored(table, application, name)).await;
    may?;
    found?.filter(|_| is_name(name)).ok_or_else(|| unknown(name))
}

/// A page of an application's secrets, by name.
pub async fn list(
    table: &dyn Table,
    caller: &Principal,
    application: &AppName,
    page: &PageRequest,
) -> Result<Listed<(SecretRow, u64)>, AppError> {
    let may = applications::get_for(table, caller, application, Action::EditPipelines);
    let query = page.query(partition(application), "SECRET#");
    let (may, rows) = join(may, paging::rows(table, &query)).await;
    may?;
    rows
}

/// Names of an application's secrets, for use cases; asks nobody's rights.
pub(crate) async fn names(table: &dyn Table, application: &AppName) -> Result<Vec<String>, AppError> {
    let rows = paging::all::<SecretRow>(table, &partition(application), "SECRET#").await?;
    Ok(rows.into_iter().map(|(row, _)| row.name).collect())
}

/// Whether there is one of this name; asks nobody's rights.
pub(crate) async fn exists(table: &dyn Table, application: &AppName, name: &str) -> Result<bool, AppError> {
    Ok(is_name(name) && table.get(&key(application, name)).await?.is_some())
}

async fn open(sealer: &dyn Sealer, row: &SecretRow) -> Result<String, AppError> {
    let bytes = sealer.open(&context(&row.application, &row.name), &row.value).await?;
    // The bytes are the secret: no error repeats them.
    String::from_utf8(bytes).map_err(|_| AppError::Damaged(format!("the secret {} of {}", row.name, row.application)))
}

pub(crate) fn publish(changes: &dyn Changes, application: &AppName) {
    changes.publish(Change { topic: format!("secrets:{}", application.key()), version: 0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FixedClock, KeptChanges, MemoryTable, TurningSealer, principal};
    use model::person::Role;
    use serde_json::json;

    #[derive(Default)]
    struct Bench {
        table: MemoryTable,
        clock: FixedClock,
        sealer: TurningSealer,
        changes: KeptChanges,
    }

    fn app() -> AppName {
        AppName::parse("shop").unwrap()
    }

    impl Bench {
        async fn new() -> Self {
            let b = Self::default();
            let application = serde_json::from_value(json!({"name": "Shop"})).unwrap();
            applications::create(&b.table, &b.clock, &b.changes, &principal("op", Role::Operator), None, application).await.unwrap();
            b
        }

        async fn put(&self, who: Role, name: &str, value: &str, expect: Expect) -> Result<(SecretRow, u64, bool), AppError> {
            let ports = SecretPorts { table: &self.table, clock: &self.clock, sealer: &self.sealer, changes: &self.changes };
            let new = NewSecret { name: name.to_owned(), value: value.to_owned() };
            put(ports, &principal("op", who), &app(), &new, &expect).await
        }
    }

    #[tokio::test]
    async fn a_value_goes_in_and_never_comes_out() {
        let b = Bench::new().await;
        let (row, version, new) = b.put(Role::Operator, "db", "hunter2", Expect::Nothing).await.unwrap();
        assert_eq!((row.name.as_str(), version, new), ("db", 1, true));
        let shown = format!("{row:?} {} {:?}", b.table.dump(), NewSecret { name: "x".to_owned(), value: "hunter2".to_owned() });
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(b.put(Role::Operator, "db", "other", Expect::Nothing).await.is_err(), "which version?");
        let (_, version, new) = b.put(Role::Operator, "db", "other", Expect::Versions(vec![1])).await.unwrap();
        assert_eq!((version, new), (2, false));
        let page = list(&b.table, &principal("op", Role::Operator), &app(), &PageRequest::default()).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        delete((&b.table, &b.changes), &principal("op", Role::Operator), &app(), "db", &Expect::Nothing).await.unwrap();
        assert!(!exists(&b.table, &app(), "db").await.unwrap());
    }

    #[tokio::test]
    async fn what_cannot_be_one_is_refused_and_developers_see_none() {
        let b = Bench::new().await;
        for (name, value) in [("", "v"), ("-x", "v"), ("a b", "v"), ("a/b", "v"), ("a", ""), ("a", &"x".repeat(VALUE_BYTES_MAX + 1))] {
            assert!(matches!(b.put(Role::Operator, name, value, Expect::Nothing).await, Err(AppError::Invalid(_))), "{name}");
        }
        assert!(matches!(b.put(Role::Developer, "a", "v", Expect::Nothing).await, Err(AppError::Denied { .. })));
        let developer = principal("dev", Role::Developer);
        assert!(matches!(list(&b.table, &developer, &app(), &PageRequest::default()).await, Err(AppError::Denied { .. })));
        assert!(matches!(get(&b.table, &developer, &app(), "a").await, Err(AppError::Denied { .. })));
        let operator = principal("op", Role::Operator);
        assert!(matches!(get(&b.table, &operator, &app(), "no/name").await, Err(AppError::NotFound { .. })));
    }

    #[tokio::test]
    async fn an_application_with_secrets_stays() {
        let b = Bench::new().await;
        b.put(Role::Operator, "db", "hunter2", Expect::Nothing).await.unwrap();
        let refused = applications::delete(&b.table, &b.changes, &principal("op", Role::Operator), &app(), &Expect::Nothing).await;
        assert!(matches!(refused, Err(AppError::Conflict { code: "application-in-use", message, .. }) if message.contains("db")));
    }
}
