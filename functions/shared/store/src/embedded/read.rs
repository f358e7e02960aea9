//! Reads, each on one snapshot: they see a transaction whole or not at all. They block; never call them on async threads.

use super::codec::{self, Damaged};
use super::folder::Core;
use crate::rules;
use app::ports::{Item, Key, Page, Query, StoreError};
use fjall::{Guard, Readable};
use model::Millis;

fn failed(error: fjall::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl From<Damaged> for StoreError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged.0.to_owned())
    }
}

pub(crate) fn get(core: &Core, key: Key, now: Millis) -> Result<Option<Item>, StoreError> {
    if !rules::key_is_valid(&key) {
        return Ok(None);
    }
    let Some(value) = core.db.snapshot().get(&core.items, codec::item_key(&key)).map_err(failed)? else { return Ok(None) };
    let item = codec::item(key, &value)?;
    Ok(if rules::expired(item.expires_ms, now) { None } else { Some(item) })
}

pub(crate) fn query(core: &Core, query: &Query, now: Millis) -> Result<Page, StoreError> {
    let end = Page { items: Vec::new(), next: None };
    let Some(range) = codec::range(query) else { return Ok(end) };
    let found = core.db.snapshot().range(&core.items, range);
    if query.backward { page(found.rev(), query, now) } else { page(found, query, now) }
}

fn page(found: impl Iterator<Item = Guard>, query: &Query, now: Millis) -> Result<Page, StoreError> {
    let mut items = Vec::new();
    let mut bytes = 0;
    let mut last = query.after.clone();
    for guard in found {
        let (key, value) = guard.into_inner().map_err(failed)?;
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
