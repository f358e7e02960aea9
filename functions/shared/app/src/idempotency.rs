//! `Idempotency-Key`: the same request sent twice acts once. What it did is remembered in the transaction that did it.

use crate::error::AppError;
use crate::ports::{Clock, Condition, Key, Table, Write};
use crate::record::{self, Record, Shape, shape};
use model::Millis;
use model::person::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How long a key is remembered.
pub const KEPT_MS: u64 = 24 * 3_600_000;
/// Longest key.
pub const KEY_BYTES_MAX: usize = 63;

/// True when the text may serve as a key: 1 to 63 letters, digits, dashes and underscores (a UUID or ULID fits).
#[must_use]
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= KEY_BYTES_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// What is remembered of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Remembered {
    request: String,
    answer: Value,
}

impl Record for Remembered {
    const SHAPE: &'static str = "idempotency";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Remembered>()];

/// A request that was not seen before.
#[derive(Debug, Clone)]
pub struct Attempt(Option<Pending>);

#[derive(Debug, Clone)]
struct Pending {
    key: Key,
    request: String,
    forget: Millis,
}

/// Whether the request was seen before.
#[derive(Debug, Clone)]
pub enum Begun {
    /// It was not: act, and add [`Attempt::write`] to the transaction.
    Fresh(Attempt),
    /// It was: what was remembered of it.
    Again(Value),
}

/// Looks a request up. `request` is what must be the same for a repeat to count as one, and holds no secret.
pub async fn begin(
    table: &dyn Table,
    clock: &dyn Clock,
    caller: &Principal,
    operation: &str,
    key: Option<&str>,
    request: &impl Serialize,
) -> Result<Begun, AppError> {
    let Some(text) = key else { return Ok(Begun::Fresh(Attempt(None))) };
    if !is_key(text) {
        return Err(AppError::invalid(
            "",
            "idempotency-key-invalid",
            "an Idempotency-Key is 1 to 63 letters, digits, dashes or underscores",
        ));
    }
    let bytes = serde_json::to_vec(request).map_err(|error| AppError::Damaged(error.to_string()))?;
    let request = hex::encode(Sha256::digest(&bytes));
    let key = Key::new(format!("IDEM#{}", caller.name), format!("{operation}#{text}"));
    let now = clock.now_ms();
    let found = table.get(&key).await?.filter(|item| item.expires_ms.is_none_or(|at| at > now));
    match found {
        None => Ok(Begun::Fresh(Attempt(Some(Pending { key, request, forget: now + KEPT_MS })))),
        Some(item) => {
            let seen: Remembered = record::decode(&item.body)?;
            if seen.request == request {
                return Ok(Begun::Again(seen.answer));
            }
            Err(AppError::invalid("", "idempotency-key-reused", "this Idempotency-Key came with another request before"))
        }
    }
}

impl Attempt {
    /// Remembers the answer, in the transaction that acts. Nothing when the caller gave no key.
    pub fn write(&self, answer: &Value) -> Result<Option<Write>, AppError> {
        let Some(pending) = &self.0 else { return Ok(None) };
        let seen = Remembered { request: pending.request.clone(), answer: answer.clone() };
        let item = record::item(pending.key.clone(), &seen)?.expires(Some(pending.forget));
        Ok(Some(Write::Put(item, vec![Condition::Absent])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Transaction;
    use crate::testing::{FixedClock, MemoryTable, principal};
    use model::person::Role;
    use serde_json::json;

    #[tokio::test]
    async fn a_repeat_is_recognised_and_another_request_refused() {
        let (table, clock, caller) = (MemoryTable::default(), FixedClock::default(), principal("ann", Role::Operator));
        let key = Some("k-1");
        let Begun::Fresh(attempt) = begin(&table, &clock, &caller, "make", key, &json!({"a": 1})).await.unwrap() else {
            panic!("nothing was sent before")
        };
        let write = attempt.write(&json!({"id": 7})).unwrap().unwrap();
        table.transact(Transaction::of(vec![write])).await.unwrap();
        let again = begin(&table, &clock, &caller, "make", key, &json!({"a": 1})).await.unwrap();
        assert!(matches!(again, Begun::Again(value) if value == json!({"id": 7})));
        let other = begin(&table, &clock, &caller, "make", key, &json!({"a": 2})).await.unwrap_err();
        assert!(matches!(other, AppError::Invalid(list) if list[0].code == "idempotency-key-reused"));
        let somebody = principal("bob", Role::Operator);
        assert!(matches!(begin(&table, &clock, &somebody, "make", key, &json!({})).await.unwrap(), Begun::Fresh(_)));
    }

    #[tokio::test]
    async fn a_key_is_checked_and_forgotten() {
        let (table, clock, caller) = (MemoryTable::default(), FixedClock::default(), principal("ann", Role::Operator));
        for bad in ["", "a b", &"x".repeat(64)] {
            assert!(begin(&table, &clock, &caller, "make", Some(bad), &json!({})).await.is_err(), "{bad}");
        }
        let Begun::Fresh(attempt) = begin(&table, &clock, &caller, "make", Some("k"), &json!({})).await.unwrap() else { panic!() };
        table.transact(Transaction::of(vec![attempt.write(&json!(1)).unwrap().unwrap()])).await.unwrap();
        clock.advance(KEPT_MS);
        assert!(matches!(begin(&table, &clock, &caller, "make", Some("k"), &json!({})).await.unwrap(), Begun::Fresh(_)));
    }
}
