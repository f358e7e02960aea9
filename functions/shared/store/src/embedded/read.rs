//! Reads, each on one snapshot: they see a transaction whole or not at all. Those of a [`Core`] block; never call them on
//! async threads.

use super::codec::{self, Damaged, Range};
use super::folder::Core;
use crate::rules;
use app::ports::{Item, Key, Page, Query, StoreError};
use fjall::{Guard, Readable, UserKey, UserValue};
use model::Millis;
use std::ops::Bound;

/// A stored key and its value.
pub(crate) type Stored = (UserKey, UserValue);

fn failed(error: fjall::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl From<Damaged> for StoreError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged.0.to_owned())
    }
}

/// What is stored under a key.
pub(crate) fn get(core: &Core, key: &[u8]) -> Result<Option<UserValue>, StoreError> {
    core.db.snapshot().get(&core.items, key).map_err(failed)
}

/// The item of a key and of what is stored under it.
pub(crate) fn item(key: Key, stored: Option<UserValue>, now: Millis) -> Result<Option<Item>, StoreError> {
    let Some(value) = stored else { return Ok(None) };
    let item = codec::item(key, &value)?;
    Ok(if rules::expired(item.expires_ms, now) { None } else { Some(item) })
}

pub(crate) fn query(core: &Core, query: &Query, range: Range, now: Millis) -> Result<Page, StoreError> {
    let stored = |guard: Guard| guard.into_inner().map_err(failed);
    let found = core.db.snapshot().range(&core.items, range);
    if query.backward { page(found.rev().map(stored), query, now) } else { page(found.map(stored), query, now) }
}

/// A page of what is stored in a range, in the order in which it is asked for.
pub(crate) fn page(found: impl Iterator<Item = Result<Stored, StoreError>>, query: &Query, now: Millis) -> Result<Page, StoreError> {
    let mut items = Vec::new();
    let mut bytes = 0;
    let mut last = query.after.clone();
    for stored in found {
        let (key, value) = stored?;
        bytes += key.len() + value.len();
        // Expired items count as read, so that a page ends even where there is nothing else.
        let first = last == query.after;
        if items.len() >= query.limit || (bytes > rules::PAGE_BYTES_MAX && !first) {
            return Ok(Page { items, next: last });
        }
        let item = codec::item(codec::read_item_key(&key)?, &value)?;
        last = Some(item.key.sort.clone());
        if !rules::expired(item.expires_ms, now) {
            items.push(item);
        }
    }
    Ok(Page { items, next: None })
}

/// Some items after a stored key, whatever partition they are of, and the last key looked at.
pub(crate) fn everything(core: &Core, after: Option<Vec<u8>>, limit: usize, now: Millis) -> Result<(Vec<Item>, Option<Key>), StoreError> {
    let after = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut items, mut last, mut bytes) = (Vec::new(), None, 0);
    for guard in core.db.snapshot().range::<Vec<u8>, _>(&core.items, (after, Bound::Unbounded)).take(limit.max(1)) {
        let (key, value) = guard.into_inner().map_err(failed)?;
        bytes += value.len();
        let item = codec::item(codec::read_item_key(&key)?, &value)?;
        last = Some(item.key.clone());
        if !rules::expired(item.expires_ms, now) {
            items.push(item);
        }
        if bytes > rules::PAGE_BYTES_MAX {
            break;
        }
    }
    Ok((items, last))
}

pub(crate) fn due(core: &Core, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
    let found = core.db.snapshot().range(&core.due, codec::index_until(now)).take(limit);
    found
        .map(|guard| {
            let entry = guard.key().map_err(failed)?;
            let (_, key) = codec::read_index_key(&entry)?;
            Ok(codec::read_item_key(key)?)
        })
        .collect()
}
