//! What every backend must agree on: which transactions are allowed, when a condition holds, when an item has expired,
//! and what a repeated token means. Pure.

use app::ports::{COMMIT_BYTES_MAX, Condition, ITEMS_A_COMMIT_MAX, Item, Key, TransactError, Transaction, Write};
use model::Millis;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Most bytes of an item's body; DynamoDB takes 400 KB for the whole item.
pub const BODY_BYTES_MAX: usize = 380 << 10;
/// Most bytes of an item's attributes, names and values together.
pub const ATTRIBUTES_BYTES_MAX: usize = 16 << 10;
/// Most bytes of a partition; DynamoDB's limit.
pub const PARTITION_BYTES_MAX: usize = 2_048;
/// Most bytes of a sort key; DynamoDB's limit.
pub const SORT_BYTES_MAX: usize = 1_024;
/// Most bytes of a transaction's token.
pub const TOKEN_BYTES_MAX: usize = 256;
/// A page of a query ends before it would hold more bytes than this; DynamoDB's limit. It always holds one item.
pub const PAGE_BYTES_MAX: usize = 1 << 20;

const TOKEN_LIFE_MS: Millis = 10 * 60 * 1_000;
const TOKENS_MAX: usize = 10_000;

/// Whether an item that expires at an instant counts as gone.
pub(crate) fn expired(expires_ms: Option<Millis>, now: Millis) -> bool {
    expires_ms.is_some_and(|at| at <= now)
}

/// Whether a key can be stored at all.
pub(crate) fn key_is_valid(key: &Key) -> bool {
    part_is_valid(&key.partition, PARTITION_BYTES_MAX) && part_is_valid(&key.sort, SORT_BYTES_MAX)
}

/// Whether a text can stand as a part of a key: never empty, and free of the byte that divides the parts.
pub(crate) fn part_is_valid(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.as_bytes().contains(&0)
}

/// Bytes of an item as limits count them.
pub(crate) fn item_bytes(item: &Item) -> usize {
    item.key.partition.len() + item.key.sort.len() + attributes_bytes(&item.attributes) + item.body.len()
}

fn attributes_bytes(attributes: &BTreeMap<String, String>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// Refuses a transaction that no store takes.
pub(crate) fn check(transaction: &Transaction) -> Result<(), TransactError> {
    let refuse = |message: String| Err(TransactError::Invalid(message));
    if transaction.writes.len() > ITEMS_A_COMMIT_MAX {
        return refuse(format!("{} items, at most {ITEMS_A_COMMIT_MAX} are allowed", transaction.writes.len()));
    }
    if transaction.token.as_ref().is_some_and(|token| token.is_empty() || token.len() > TOKEN_BYTES_MAX) {
        return refuse(format!("the token must be 1 to {TOKEN_BYTES_MAX} bytes"));
    }
    let mut seen = HashSet::with_capacity(transaction.writes.len());
    let mut bytes = 0;
    for write in &transaction.writes {
        let key = write.key();
        if !key_is_valid(key) {
            return refuse(format!("a key's parts must be 1 to {PARTITION_BYTES_MAX} and 1 to {SORT_BYTES_MAX} bytes without a zero byte"));
        }
        if !seen.insert(key) {
            return refuse(format!("{} / {} stands in it twice", key.partition, key.sort));
        }
        bytes += check_item(write)?;
    }
    if bytes > COMMIT_BYTES_MAX {
        return refuse(format!("{bytes} bytes, at most {COMMIT_BYTES_MAX} are allowed"));
    }
    Ok(())
}

fn check_item(write: &Write) -> Result<usize, TransactError> {
    let Write::Put(item, _) = write else {
        let key = write.key();
        return Ok(key.partition.len() + key.sort.len());
    };
    if item.body.len() > BODY_BYTES_MAX {
        return Err(TransactError::Invalid(format!(
            "{} / {} has {} bytes, at most {BODY_BYTES_MAX} are allowed",
            item.key.partition,
            item.key.sort,
            item.body.len()
        )));
    }
    if attributes_bytes(&item.attributes) > ATTRIBUTES_BYTES_MAX || item.attributes.keys().any(String::is_empty) {
        return Err(TransactError::Invalid(format!(
            "the attributes of {} / {} must have names and at most {ATTRIBUTES_BYTES_MAX} bytes",
            item.key.partition, item.key.sort
        )));
    }
    Ok(item_bytes(item))
}

/// What conditions may ask of an item that is there.
pub(crate) struct Facts<'a> {
    pub(crate) revision: u64,
    pub(crate) attributes: &'a BTreeMap<String, String>,
}

/// Whether all conditions hold of an item; none stands for an item that is not there.
pub(crate) fn hold(conditions: &[Condition], item: Option<&Facts<'_>>) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::Absent => item.is_none(),
        Condition::Exists => item.is_some(),
        Condition::Revision(revision) => item.is_some_and(|item| item.revision == *revision),
        Condition::Attribute(name, value) => item.is_some_and(|item| item.attributes.get(name) == Some(value)),
        Condition::NoAttribute(name) => item.is_none_or(|item| !item.attributes.contains_key(name)),
    })
}

/// The conditions of a write.
pub(crate) fn conditions(write: &Write) -> &[Condition] {
    match write {
        Write::Put(_, conditions) | Write::Delete(_, conditions) | Write::Check(_, conditions) => conditions,
    }
}

/// What a token means for the transaction that carries it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not seen lately.
    New,
    /// The same transaction was written lately; writing it again must change nothing.
    Repeat,
    /// Another transaction used it.
    Other,
}

/// Tokens of transactions written in the last ten minutes, at most [`TOKENS_MAX`]. Forgotten when the process ends.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    prints: HashMap<String, [u8; 32]>,
    order: VecDeque<(Millis, String)>,
}

impl Tokens {
    pub(crate) fn look(&mut self, transaction: &Transaction, now: Millis) -> Seen {
        self.forget(now);
        match transaction.token.as_ref().and_then(|token| self.prints.get(token)) {
            None => Seen::New,
            Some(print) if *print == fingerprint(transaction) => Seen::Repeat,
            Some(_) => Seen::Other,
        }
    }

    /// Remembers a transaction that is being written.
    pub(crate) fn remember(&mut self, transaction: &Transaction, now: Millis) {
        let Some(token) = &transaction.token else { return };
        self.prints.insert(token.clone(), fingerprint(transaction));
        self.order.push_back((now, token.clone()));
    }

    fn forget(&mut self, now: Millis) {
        let old = |entry: Option<&(Millis, String)>| entry.is_some_and(|(at, _)| at.saturating_add(TOKEN_LIFE_MS) <= now);
        while self.order.len() > TOKENS_MAX || old(self.order.front()) {
            let Some((_, token)) = self.order.pop_front() else { return };
            self.prints.remove(&token);
        }
    }
}

fn fingerprint(transaction: &Transaction) -> [u8; 32] {
    let mut hash = Sha256::new();
    for write in &transaction.writes {
        if let Write::Put(item, _) = write {
            hash.update(item.body.len().to_be_bytes());
            hash.update(&item.body);
            let rest = (&item.attributes, item.due_ms, item.expires_ms);
            hash.update(format!("{rest:?}"));
        }
        let kind = match write {
            Write::Put(..) => "put",
            Write::Delete(..) => "delete",
            Write::Check(..) => "check",
        };
        hash.update(format!("{kind} {:?} {:?};", write.key(), conditions(write)));
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(body: &str) -> Transaction {
        let item = Item::new(Key::new("P#1", "META"), body.as_bytes().to_vec());
        Transaction { writes: vec![Write::Put(item, vec![])], token: Some("t".to_owned()) }
    }

    #[test]
    fn a_token_is_known_for_ten_minutes() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.look(&put("a"), 0), Seen::New);
        tokens.remember(&put("a"), 0);
        assert_eq!(tokens.look(&put("a"), TOKEN_LIFE_MS - 1), Seen::Repeat);
        assert_eq!(tokens.look(&put("b"), TOKEN_LIFE_MS - 1), Seen::Other);
        assert_eq!(tokens.look(&put("a"), TOKEN_LIFE_MS), Seen::New);
        assert!(tokens.prints.is_empty() && tokens.order.is_empty());
    }

    #[test]
    fn tokens_are_bounded() {
        let mut tokens = Tokens::default();
        for n in 0..=TOKENS_MAX {
            tokens.remember(&Transaction { writes: vec![], token: Some(n.to_string()) }, 1);
        }
        assert_eq!(tokens.look(&put("a"), 1), Seen::New);
        assert_eq!(tokens.prints.len(), TOKENS_MAX);
    }

    #[test]
    fn no_attribute_holds_of_what_is_not_there() {
        assert!(hold(&[Condition::NoAttribute("x".to_owned()), Condition::Absent], None));
        assert!(!hold(&[Condition::Exists], None));
        assert!(hold(&[], None));
    }
}
