//! What every backend must agree on: which transactions are allowed, when a condition holds, when an item has expired,
//! and what a repeated token means. Pure.

use app::ports::{COMMIT_BYTES_MAX, Condition, ITEMS_A_COMMIT_MAX, Item, Key, TransactError, Transaction, Write};
use model::Millis;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

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

/// The revision that an item has once it is put, by what was stored before: its revision, and whether it has expired. An
/// expired item that is still there is gone on from, since DynamoDB cannot tell in a write, unless the write asks that
/// there be none.
pub(crate) fn revision_after(conditions: &[Condition], stored: Option<(u64, bool)>) -> u64 {
    match stored {
        None => 1,
        Some((_, true)) if conditions.contains(&Condition::Absent) => 1,
        Some((revision, _)) => revision.saturating_add(1),
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
#[derive(Debug)]
pub(crate) struct Tokens {
    prints: HashMap<Arc<str>, (u128, Millis)>,
    order: VecDeque<(Millis, Arc<str>)>,
    /// Of this process; a print never leaves it.
    seed: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { prints: HashMap::new(), order: VecDeque::new(), seed: RandomState::new().hash_one(()) }
    }
}

impl Tokens {
    pub(crate) fn look(&mut self, transaction: &Transaction, now: Millis) -> Seen {
        self.forget(now);
        match transaction.token.as_ref().and_then(|token| self.prints.get(token.as_str())) {
            None => Seen::New,
            Some((print, _)) if *print == fingerprint(transaction, self.seed) => Seen::Repeat,
            Some(_) => Seen::Other,
        }
    }

    /// Remembers a transaction that is being written.
    pub(crate) fn remember(&mut self, transaction: &Transaction, now: Millis) {
        let Some(token) = &transaction.token else { return };
        let token: Arc<str> = token.as_str().into();
        self.prints.insert(Arc::clone(&token), (fingerprint(transaction, self.seed), now));
        self.order.push_back((now, token));
    }

    /// When a transaction with its token was remembered.
    pub(crate) fn since(&self, transaction: &Transaction) -> Option<Millis> {
        transaction.token.as_ref().and_then(|token| self.prints.get(token.as_str())).map(|(_, at)| *at)
    }

    /// Its token is free again: nothing was written.
    pub(crate) fn forget_one(&mut self, transaction: &Transaction) {
        if let Some(token) = &transaction.token {
            self.prints.remove(token.as_str());
        }
    }

    fn forget(&mut self, now: Millis) {
        let old = |entry: Option<&(Millis, Arc<str>)>| entry.is_some_and(|(at, _)| at.saturating_add(TOKEN_LIFE_MS) <= now);
        while self.order.len() > TOKENS_MAX || old(self.order.front()) {
            let Some((at, token)) = self.order.pop_front() else { return };
            // It may have been freed and taken again since.
            if self.prints.get(&token).is_some_and(|(_, since)| *since == at) {
                self.prints.remove(&token);
            }
        }
    }
}

/// Tells one transaction from another. Every text with its length before it, so that none runs into the next.
fn fingerprint(transaction: &Transaction, seed: u64) -> u128 {
    let mut print = Print(Xxh3::with_seed(seed));
    for write in &transaction.writes {
        match write {
            Write::Put(item, _) => {
                print.number(1);
                print.bytes(&item.body);
                print.number(item.attributes.len() as u64);
                for (name, value) in &item.attributes {
                    print.bytes(name.as_bytes());
                    print.bytes(value.as_bytes());
                }
                print.instant(item.due_ms);
                print.instant(item.expires_ms);
            }
            Write::Delete(..) => print.number(2),
            Write::Check(..) => print.number(3),
        }
        print.bytes(write.key().partition.as_bytes());
        print.bytes(write.key().sort.as_bytes());
        print.number(conditions(write).len() as u64);
        conditions(write).iter().for_each(|condition| print.condition(condition));
    }
    print.0.digest128()
}

struct Print(Xxh3);

impl Print {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn instant(&mut self, at: Option<Millis>) {
        self.number(u64::from(at.is_some()));
        self.number(at.unwrap_or_default());
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Absent => self.number(1),
            Condition::Exists => self.number(2),
            Condition::Revision(revision) => {
                self.number(3);
                self.number(*revision);
            }
            Condition::Attribute(name, value) => {
                self.number(4);
                self.bytes(name.as_bytes());
                self.bytes(value.as_bytes());
            }
            Condition::NoAttribute(name) => {
                self.number(5);
                self.bytes(name.as_bytes());
            }
        }
    }
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
    fn every_part_of_a_transaction_is_in_its_print() {
        let key = || Key::new("P", "a");
        let item = || Item::new(key(), b"b".to_vec());
        let all = [
            vec![Write::Put(item(), vec![])],
            vec![Write::Put(Item::new(Key::new("Pa", "a"), b"b".to_vec()), vec![])],
            vec![Write::Put(Item::new(Key::new("P", "aa"), b"b".to_vec()), vec![])],
            vec![Write::Put(Item::new(key(), b"c".to_vec()), vec![])],
            vec![Write::Put(item().attribute("ab", "c"), vec![])],
            vec![Write::Put(item().attribute("a", "bc"), vec![])],
            vec![Write::Put(item().due(Some(0)), vec![])],
            vec![Write::Put(item().expires(Some(0)), vec![])],
            vec![Write::Put(item(), vec![Condition::Absent])],
            vec![Write::Put(item(), vec![Condition::Exists])],
            vec![Write::Put(item(), vec![Condition::Revision(1)])],
            vec![Write::Put(item(), vec![Condition::Revision(2)])],
            vec![Write::Put(item(), vec![Condition::Attribute("a".to_owned(), "b".to_owned())])],
            vec![Write::Put(item(), vec![Condition::Attribute("ab".to_owned(), String::new())])],
            vec![Write::Put(item(), vec![Condition::NoAttribute("a".to_owned())])],
            vec![Write::Delete(key(), vec![])],
            vec![Write::Check(key(), vec![])],
            vec![Write::Check(key(), vec![]), Write::Check(key(), vec![])],
            vec![],
        ];
        let prints: HashSet<u128> = all.iter().map(|writes| fingerprint(&Transaction::of(writes.clone()), 7)).collect();
        assert_eq!(prints.len(), all.len());
        assert_ne!(fingerprint(&Transaction::of(all[0].clone()), 7), fingerprint(&Transaction::of(all[0].clone()), 8));
    }

    #[test]
    fn a_token_that_wrote_nothing_is_free_again() {
        let mut tokens = Tokens::default();
        tokens.remember(&put("a"), 1);
        assert_eq!(tokens.since(&put("a")), Some(1));
        tokens.forget_one(&put("a"));
        assert_eq!((tokens.look(&put("b"), 2), tokens.since(&put("a"))), (Seen::New, None));
        tokens.remember(&put("b"), 2);
        assert_eq!(tokens.look(&put("b"), TOKEN_LIFE_MS + 1), Seen::Repeat, "the first one's end is not its end");
    }

    #[test]
    fn what_replaces_an_expired_item_goes_on_or_begins_anew() {
        assert_eq!(revision_after(&[], None), 1);
        assert_eq!(revision_after(&[Condition::Exists], Some((3, false))), 4);
        assert_eq!(revision_after(&[], Some((3, true))), 4);
        assert_eq!(revision_after(&[Condition::Absent], Some((3, true))), 1);
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
