//! The table, as a map: exactly the conditions of `app::ports::Table`, transactions all or nothing, revisions, expiry, the
//! `due` index. What goes wrong with it is decided elsewhere.

use app::ports::{COMMIT_BYTES_MAX, Condition, ITEMS_A_COMMIT_MAX, Item, Key, Page, Query, TransactError, Transaction, Write};
use model::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How long a token makes a repeat of the same transaction harmless.
const TOKEN_MS: Millis = 10 * 60_000;

/// The table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    items: BTreeMap<Key, Item>,
    due: BTreeSet<(Millis, Key)>,
    /// What was due a while ago, for an index that lags.
    lagging: Option<BTreeSet<(Millis, Key)>>,
    tokens: BTreeMap<String, Millis>,
}

fn live(item: &Item, now: Millis) -> bool {
    item.expires_ms.is_none_or(|at| at > now)
}

fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    match condition {
        Condition::Absent => item.is_none(),
        Condition::Exists => item.is_some(),
        Condition::Revision(wanted) => item.is_some_and(|item| item.revision == *wanted),
        Condition::Attribute(name, value) => item.is_some_and(|item| item.attributes.get(name) == Some(value)),
        Condition::NoAttribute(name) => item.is_none_or(|item| !item.attributes.contains_key(name)),
    }
}

fn conditions(write: &Write) -> &[Condition] {
    match write {
        Write::Put(_, list) | Write::Delete(_, list) | Write::Check(_, list) => list,
    }
}

impl Store {
    pub(crate) fn get(&self, key: &Key, now: Millis) -> Option<&Item> {
        self.items.get(key).filter(|item| live(item, now))
    }

    /// Items of one partition whose sort key begins so, in order.
    pub(crate) fn under<'a>(&'a self, partition: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a Item> {
        let from = Key::new(partition, prefix);
        let inside = move |key: &Key| key.partition == partition && key.sort.starts_with(prefix);
        self.items.range(from..).take_while(move |(key, _)| inside(key)).map(|(_, item)| item)
    }

    pub(crate) fn query(&self, query: &Query, now: Millis) -> Page {
        let fits = |item: &&Item| {
            let after = |sort: &String| if query.backward { item.key.sort < *sort } else { item.key.sort > *sort };
            live(item, now) && query.after.as_ref().is_none_or(after)
        };
        if query.backward {
            let found: Vec<&Item> = self.under(&query.partition, &query.prefix).filter(fits).collect();
            return page(found.into_iter().rev(), query.limit);
        }
        let from = match &query.after {
            Some(after) if after.as_str() >= query.prefix.as_str() => Bound::Excluded(Key::new(query.partition.as_str(), after.as_str())),
            _ => Bound::Included(Key::new(query.partition.as_str(), query.prefix.as_str())),
        };
        let inside = |key: &Key| key.partition == query.partition && key.sort.starts_with(&query.prefix);
        let range = self.items.range((from, Bound::Unbounded)).take_while(|(key, _)| inside(key)).map(|(_, item)| item);
        page(range.filter(fits), query.limit)
    }

    /// Whether a transaction is allowed, was made before under its token, and its conditions hold.
    pub(crate) fn check(&self, transaction: &Transaction, now: Millis, tokens: bool) -> Result<Repeat, TransactError> {
        let writes = &transaction.writes;
        let bytes: usize = writes.iter().map(|w| if let Write::Put(item, _) = w { item.body.len() } else { 0 }).sum();
        if writes.len() > ITEMS_A_COMMIT_MAX || bytes > COMMIT_BYTES_MAX {
            return Err(TransactError::Invalid(format!("{} items, {bytes} bytes", writes.len())));
        }
        if let Some((_, twice)) = writes.iter().enumerate().find(|(i, w)| writes.iter().take(*i).any(|o| o.key() == w.key())) {
            return Err(TransactError::Invalid(format!("an item twice: {:?}", twice.key())));
        }
        let known = transaction.token.as_ref().and_then(|token| self.tokens.get(token));
        if tokens && known.is_some_and(|at| at + TOKEN_MS > now) {
            return Ok(Repeat::Yes);
        }
        let fails = |w: &Write| !conditions(w).iter().all(|condition| holds(condition, self.get(w.key(), now)));
        let failed: Vec<usize> = writes.iter().enumerate().filter(|(_, w)| fails(w)).map(|(i, _)| i).collect();
        if failed.is_empty() { Ok(Repeat::No) } else { Err(TransactError::Conflict(failed)) }
    }

    /// Writes, after [`Self::check`].
    pub(crate) fn write(&mut self, transaction: Transaction, now: Millis) {
        if let Some(token) = transaction.token {
            self.tokens.insert(token, now);
        }
        for write in transaction.writes {
            match write {
                Write::Put(item, _) => self.put(item, now),
                Write::Delete(key, _) => self.remove(&key),
                Write::Check(..) => {}
            }
        }
    }

    fn put(&mut self, mut item: Item, now: Millis) {
        let old = self.items.get(&item.key);
        item.revision = old.filter(|old| live(old, now)).map_or(1, |old| old.revision + 1);
        if let Some(at) = old.and_then(|old| old.due_ms) {
            self.due.remove(&(at, item.key.clone()));
        }
        // Rows of ended executions are due when they may be forgotten, months later: that is not simulated.
        if let Some(at) = item.due_ms.filter(|_| !item.key.partition.starts_with("PIPE#")) {
            self.due.insert((at, item.key.clone()));
        }
        self.items.insert(item.key.clone(), item);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(at) = self.items.remove(key).and_then(|old| old.due_ms) {
            self.due.remove(&(at, key.clone()));
        }
    }

    pub(crate) fn due(&self, until: Millis, limit: usize) -> Vec<Key> {
        self.due.iter().take_while(|(at, _)| *at <= until).take(limit).map(|(_, key)| key.clone()).collect()
    }

    /// What the index said a while ago; from now on that is what is said now.
    pub(crate) fn stale_due(&mut self, until: Millis, limit: usize) -> Vec<Key> {
        let index = self.lagging.replace(self.due.clone()).unwrap_or_default();
        index.iter().take_while(|(at, _)| *at <= until).take(limit).map(|(_, key)| key.clone()).collect()
    }

    /// The earliest instant at which something is due.
    pub(crate) fn first_due(&self) -> Option<&(Millis, Key)> {
        self.due.first()
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }
}

/// Whether a transaction was made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Under the same token: nothing is written again.
    Yes,
    /// It was not.
    No,
}

fn page<'a>(found: impl Iterator<Item = &'a Item>, limit: usize) -> Page {
    let mut items: Vec<Item> = found.take(limit + 1).cloned().collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| item.key.sort.clone());
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(sort: &str, conditions: Vec<Condition>) -> Write {
        Write::Put(Item::new(Key::new("P", sort), b"{}".to_vec()).due(Some(5)), conditions)
    }

    fn transact(store: &mut Store, writes: Vec<Write>, token: Option<&str>) -> Result<(), TransactError> {
        let transaction = Transaction { writes, token: token.map(str::to_owned) };
        if store.check(&transaction, 0, true)? == Repeat::No {
            store.write(transaction, 0);
        }
        Ok(())
    }

    #[test]
    fn all_or_nothing_under_conditions() {
        let mut store = Store::default();
        transact(&mut store, vec![put("a", vec![Condition::Absent])], None).unwrap();
        let again = transact(&mut store, vec![put("b", vec![]), put("a", vec![Condition::Absent])], None);
        assert!(matches!(again, Err(TransactError::Conflict(places)) if places == [1]));
        assert!(store.get(&Key::new("P", "b"), 0).is_none());
        transact(&mut store, vec![put("a", vec![Condition::Revision(1)])], None).unwrap();
        assert_eq!(store.get(&Key::new("P", "a"), 0).unwrap().revision, 2);
        assert!(matches!(transact(&mut store, vec![put("a", vec![]), put("a", vec![])], None), Err(TransactError::Invalid(_))));
    }

    #[test]
    fn a_repeated_token_writes_once() {
        let mut store = Store::default();
        for _ in 0..2 {
            transact(&mut store, vec![put("a", vec![])], Some("t")).unwrap();
        }
        assert_eq!(store.get(&Key::new("P", "a"), 0).unwrap().revision, 1);
    }

    #[test]
    fn pages_and_the_index() {
        let mut store = Store::default();
        for sort in ["x1", "x2", "x3", "y"] {
            transact(&mut store, vec![put(sort, vec![])], None).unwrap();
        }
        let mut query = Query::prefix("P", "x", 2);
        let first = store.query(&query, 0);
        assert_eq!((first.items.len(), first.next.as_deref()), (2, Some("x2")));
        query.after = first.next;
        assert_eq!(store.query(&query, 0).items.len(), 1);
        query = Query { backward: true, after: None, ..query };
        assert_eq!(store.query(&query, 0).items[0].key.sort, "x3");
        assert_eq!(store.due(4, 10).len(), 0);
        assert_eq!(store.due(5, 3).len(), 3);
        assert_eq!(store.stale_due(5, 9).len(), 0, "nothing was known before");
        assert_eq!(store.stale_due(5, 9).len(), 4);
    }
}
