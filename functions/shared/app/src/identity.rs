//! Who calls: bearer tokens, looked up by their SHA-256. A token stands in clear only in the answer that made it.

use crate::error::{AppError, require};
use crate::idempotency::{Begun, begin};
use crate::paging::{self, Listed, PageRequest};
use crate::ports::{Clock, Condition, Entropy, Key, Table, TransactError, Transaction, Write};
use crate::record::{self, Record, Shape, shape};
use model::Millis;
use model::person::{Action, Principal, Role, may};
use model::problem::Problems;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;

/// What every token begins with, so that a leaked one is recognised.
pub const TOKEN_PREFIX: &str = "wb_";
/// Longest text that is looked up.
const TOKEN_BYTES_MAX: usize = 256;
/// Most groups of a token.
pub const GROUPS_MAX: usize = 50;
/// Latest end of a token: the last instant of the year 9999.
pub const EXPIRES_MS_MAX: Millis = 253_402_300_799_999;
const NAME_BYTES_MAX: usize = 63;
const TRIES_MAX: usize = 5;
const TOKENS: &str = "TOKENS";

/// A token, without the token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// Name of the principal it speaks for.
    pub name: String,
    /// The principal's role.
    pub role: Role,
    /// The principal's groups.
    pub groups: BTreeSet<String>,
    /// SHA-256 of the token, hex.
    pub sha256: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_ms: Millis,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<Millis>,
}

impl Record for TokenRow {
    const SHAPE: &'static str = "token";
}

impl TokenRow {
    /// True when it does not work any more.
    #[must_use]
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires_ms.is_some_and(|at| at <= now)
    }
}

/// What a new token shall be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewToken {
    /// Name of the principal.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its groups.
    pub groups: BTreeSet<String>,
    /// When it stops working.
    pub expires_ms: Option<Millis>,
}

/// Serialises removals of administrators' tokens, so that two cannot remove the last two.
#[derive(Serialize, Deserialize)]
struct Guard {}

impl Record for Guard {
    const SHAPE: &'static str = "tokens-guard";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<TokenRow>(), shape::<Guard>()];

fn guard_key() -> Key {
    Key::new("SYSTEM", "TOKENS")
}

fn lookup_key(sha256: &str) -> Key {
    Key::new(format!("TOKEN#{sha256}"), "TOKEN")
}

fn list_key(id: &str) -> Key {
    Key::new(TOKENS, id)
}

fn sha256(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// True when the text may name a principal or a group. A colon is not among the signs: `trigger:<application>` is ours.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@'))
}

/// Makes the first administrator's token, once in the life of a table. Gives it in clear; it is never shown again.
pub async fn bootstrap(table: &dyn Table, entropy: &dyn Entropy, clock: &dyn Clock) -> Result<Option<String>, AppError> {
    if table.get(&guard_key()).await?.is_some() {
        return Ok(None);
    }
    let new = NewToken { name: "admin".to_owned(), role: Role::Administrator, groups: BTreeSet::new(), expires_ms: None };
    let (row, token) = make(entropy, clock, "installation", new);
    let mut writes = vec![Write::Put(record::item(guard_key(), &Guard {})?, vec![Condition::Absent])];
    writes.extend(puts(&row)?);
    match table.transact(Transaction::of(writes)).await {
        Ok(()) => Ok(Some(token)),
        Err(TransactError::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make(entropy: &dyn Entropy, clock: &dyn Clock, author: &str, new: NewToken) -> (TokenRow, String) {
    let now = clock.now_ms();
    let token = format!("{TOKEN_PREFIX}{}", entropy.token());
    let row = TokenRow {
        id: entropy.ulid(now),
        name: new.name,
        role: new.role,
        groups: new.groups,
        sha256: sha256(&token),
        created_by: author.to_owned(),
        created_ms: now,
        expires_ms: new.expires_ms,
    };
    (row, token)
}

fn puts(row: &TokenRow) -> Result<Vec<Write>, AppError> {
    let absent = || vec![Condition::Absent];
    Ok(vec![
        Write::Put(record::item(lookup_key(&row.sha256), row)?.expires(row.expires_ms), absent()),
        Write::Put(record::item(list_key(&row.id), row)?, absent()),
    ])
}

/// Makes a token. A repeat by the same `Idempotency-Key` is refused: the token was shown once and cannot be shown again.
pub async fn create(
    table: &dyn Table,
    entropy: &dyn Entropy,
    clock: &dyn Clock,
    caller: &Principal,
    key: Option<&str>,
    new: NewToken,
) -> Result<(TokenRow, String), AppError> {
    require(may(caller, Action::ManageTokens))?;
    check(&new, clock.now_ms())?;
    let attempt = match begin(table, clock, caller, "create-token", key, &new).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Again(answer) => {
            let message = "this token was made by the first of these requests, and was shown only there".to_owned();
            return Err(AppError::Conflict { code: "token-already-made", message, data: answer });
        }
    };
    let (row, token) = make(entropy, clock, &caller.name, new);
    let mut writes = puts(&row)?;
    writes.extend(attempt.write(&serde_json::json!({ "id": row.id }))?);
    table.transact(Transaction::of(writes)).await?;
    Ok((row, token))
}

fn check(new: &NewToken, now: Millis) -> Result<(), AppError> {
    let mut problems = Problems::default();
    let rule = "1 to 63 letters, digits, dots, dashes, underscores or @, beginning with a letter or digit";
    if !is_name(&new.name) {
        problems.error("/name", "name-invalid", format!("a name is {rule}"));
    }
    if new.groups.len() > GROUPS_MAX {
        problems.error("/groups", "too-many-groups", format!("at most {GROUPS_MAX} groups"));
    }
    for (i, group) in new.groups.iter().enumerate().filter(|(_, g)| !is_name(g)) {
        problems.error(format!("/groups/{i}"), "name-invalid", format!("`{group}` is no group: a name is {rule}"));
    }
    if new.expires_ms.is_some_and(|at| at <= now) {
        problems.error("/expiresMs", "in-the-past", "the token would not work at all");
    }
    if new.expires_ms.is_some_and(|at| at > EXPIRES_MS_MAX) {
        problems.error("/expiresMs", "too-late", "a token ends before the year 10000; leave it out for one that never does");
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

/// Tokens, oldest first.
pub async fn list(table: &dyn Table, caller: &Principal, page: &PageRequest) -> Result<Listed<TokenRow>, AppError> {
    require(may(caller, Action::ManageTokens))?;
    let listed = paging::rows(table, &page.query(TOKENS, "")).await?;
    Ok(Listed { entries: listed.entries.into_iter().map(|(row, _)| row).collect(), next: listed.next })
}

/// Removes a token; it stops working at once. The last administrator's token stays.
pub async fn revoke(table: &dyn Table, clock: &dyn Clock, caller: &Principal, id: &str) -> Result<(), AppError> {
    require(may(caller, Action::ManageTokens))?;
    for _ in 0..TRIES_MAX {
        let Some((row, _)) = record::load::<TokenRow>(table, &list_key(id)).await? else {
            return Err(AppError::NotFound { what: "token", id: id.to_owned() });
        };
        let mut writes = vec![Write::Delete(list_key(id), vec![Condition::Exists]), Write::Delete(lookup_key(&row.sha256), vec![])];
        if row.role == Role::Administrator {
            writes.push(keep_one(table, clock, &row).await?);
        }
        match table.transact(Transaction::of(writes)).await {
            Err(TransactError::Conflict(_)) => {}
            done => return Ok(done?),
        }
    }
    Err(AppError::conflict("changed-in-between", "tokens are being changed by others: try again"))
}

/// Refuses when no other administrator's token would be left; otherwise the write that makes a concurrent removal fail.
async fn keep_one(table: &dyn Table, clock: &dyn Clock, going: &TokenRow) -> Result<Write, AppError> {
    let condition = table.get(&guard_key()).await?.map_or(Condition::Absent, |item| Condition::Revision(item.revision));
    let now = clock.now_ms();
    let tokens = paging::all::<TokenRow>(table, TOKENS, "").await?;
    // One that expires some day would leave nobody.
    if !tokens.iter().any(|(t, _)| t.id != going.id && t.role == Role::Administrator && t.expires_ms.is_none())
        && !going.is_expired(now)
        && going.expires_ms.is_none()
    {
        return Err(AppError::refused(
            "last-administrator",
            "this is the last administrator's token that does not expire: make another one first",
        ));
    }
    Ok(Write::Put(record::item(guard_key(), &Guard {})?, vec![condition]))
}

/// Who presents this token; nobody when it is unknown, expired or malformed.
pub async fn authenticate(table: &dyn Table, clock: &dyn Clock, token: &str) -> Result<Option<Principal>, AppError> {
    if !token.starts_with(TOKEN_PREFIX) || token.len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    let presented = sha256(token);
    let Some((row, _)) = record::load::<TokenRow>(table, &lookup_key(&presented)).await? else { return Ok(None) };
    let same = bool::from(row.sha256.as_bytes().ct_eq(presented.as_bytes()));
    if !same || row.is_expired(clock.now_ms()) {
        return Ok(None);
    }
    Ok(Some(Principal { name: row.name, role: Some(row.role), groups: row.groups }))
}

/// What all tokens of a name together may do; nobody when there is none that works. For use cases; asks nobody's rights.
pub(crate) async fn named(table: &dyn Table, clock: &dyn Clock, name: &str) -> Result<Option<Principal>, AppError> {
    let now = clock.now_ms();
    let rows = paging::all::<TokenRow>(table, TOKENS, "").await?;
    let rows = rows.into_iter().map(|(row, _)| row).filter(|row| row.name == name && !row.is_expired(now));
    Ok(rows.fold(None, |found: Option<Principal>, row| {
        let mut found = found.unwrap_or_else(|| Principal { name: row.name, role: None, groups: BTreeSet::new() });
        found.role = found.role.max(Some(row.role));
        found.groups.extend(row.groups);
        Some(found)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Counting, FixedClock, MemoryTable, principal};

    struct Bench {
        table: MemoryTable,
        entropy: Counting,
        clock: FixedClock,
        admin: Principal,
    }

    fn bench() -> Bench {
        let admin = principal("root", Role::Administrator);
        Bench { table: MemoryTable::default(), entropy: Counting::default(), clock: FixedClock::default(), admin }
    }

    impl Bench {
        async fn create(&self, new: NewToken) -> Result<(TokenRow, String), AppError> {
            create(&self.table, &self.entropy, &self.clock, &self.admin, None, new).await
        }

        async fn who(&self, token: &str) -> Option<Principal> {
            authenticate(&self.table, &self.clock, token).await.unwrap()
        }
    }

    fn new(name: &str, role: Role) -> NewToken {
        NewToken { name: name.to_owned(), role, groups: BTreeSet::from(["ops".to_owned()]), expires_ms: None }
    }

    #[tokio::test]
    async fn the_first_token_is_made_once_and_never_stored_in_clear() {
        let b = bench();
        let token = bootstrap(&b.table, &b.entropy, &b.clock).await.unwrap().unwrap();
        assert_eq!(bootstrap(&b.table, &b.entropy, &b.clock).await.unwrap(), None);
        let admin = b.who(&token).await.unwrap();
        assert_eq!((admin.name.as_str(), admin.role), ("admin", Some(Role::Administrator)));
        assert!(!b.table.dump().contains(&token));
    }

    #[tokio::test]
    async fn a_token_speaks_for_its_principal_until_it_ends() {
        let b = bench();
        let mut what = new("ann", Role::Developer);
        what.expires_ms = Some(b.clock.now_ms() + 10);
        let (_, token) = b.create(what).await.unwrap();
        let ann = b.who(&token).await.unwrap();
        assert!(ann.is(Role::Developer) && !ann.is(Role::Operator) && ann.groups.contains("ops"));
        assert_eq!(b.who(&format!("{token}x")).await, None);
        assert_eq!(b.who("").await, None);
        assert_eq!(b.who(&format!("wb_{}", "x".repeat(300))).await, None);
        b.clock.advance(10);
        assert_eq!(b.who(&token).await, None);
    }

    #[tokio::test]
    async fn revoked_tokens_stop_and_the_last_administrator_stays() {
        let b = bench();
        let first = bootstrap(&b.table, &b.entropy, &b.clock).await.unwrap().unwrap();
        let only = list(&b.table, &b.admin, &PageRequest::default()).await.unwrap().entries;
        let last = revoke(&b.table, &b.clock, &b.admin, &only[0].id).await.unwrap_err();
        assert!(matches!(last, AppError::Refused { code, .. } if code == "last-administrator"));
        b.create(new("second", Role::Administrator)).await.unwrap();
        revoke(&b.table, &b.clock, &b.admin, &only[0].id).await.unwrap();
        assert_eq!(b.who(&first).await, None);
        assert!(matches!(revoke(&b.table, &b.clock, &b.admin, &only[0].id).await, Err(AppError::NotFound { .. })));
    }

    #[tokio::test]
    async fn only_administrators_give_tokens() {
        let b = bench();
        let operator = principal("op", Role::Operator);
        let made = create(&b.table, &b.entropy, &b.clock, &operator, None, new("x", Role::Developer)).await;
        assert!(matches!(made, Err(AppError::Denied { .. })));
        assert!(matches!(list(&b.table, &operator, &PageRequest::default()).await, Err(AppError::Denied { .. })));
        assert!(matches!(revoke(&b.table, &b.clock, &operator, "x").await, Err(AppError::Denied { .. })));
        assert!(b.table.is_empty());
    }

    #[tokio::test]
    async fn names_and_times_are_checked() {
        let b = bench();
        let mut bad = new("trigger:flaskapp", Role::Developer);
        bad.groups.insert("a b".to_owned());
        bad.expires_ms = Some(1);
        let AppError::Invalid(problems) = b.create(bad).await.unwrap_err() else { panic!() };
        let pointers: Vec<&str> = problems.iter().map(|p| p.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/groups/0", "/expiresMs"]);
    }

    #[tokio::test]
    async fn a_token_ends_some_day_or_never() {
        let b = bench();
        let mut late = new("x", Role::Developer);
        late.expires_ms = Some(EXPIRES_MS_MAX + 1);
        assert!(matches!(b.create(late).await, Err(AppError::Invalid(list)) if list[0].code == "too-late"));
    }

    #[tokio::test]
    async fn a_repeat_does_not_make_a_second_token() {
        let b = bench();
        let make = || create(&b.table, &b.entropy, &b.clock, &b.admin, Some("k"), new("x", Role::Developer));
        let (row, _) = make().await.unwrap();
        let again = make().await.unwrap_err();
        assert!(matches!(again, AppError::Conflict { code: "token-already-made", data, .. } if data["id"] == row.id));
    }
}
