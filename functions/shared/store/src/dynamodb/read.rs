//! Reading: items and ranges consistently; the `due` index, which may lag and only says where to look.

use super::item::{self, Attributes, DUE, PARTITION, SHARD, SHARDS, SORT};
use super::{Dynamo, setup};
use crate::Everything;
use crate::fault::{Fault, fault};
use crate::rules::{self, PAGE_BYTES_MAX};
use app::ports::{Item, Key, Page, Query, StoreError};
use async_trait::async_trait;
use model::Millis;
use std::collections::HashMap;

/// Most items asked for at a time; DynamoDB ends a page at 1 MB anyway.
const ITEMS_A_CALL_MAX: usize = 1_000;
/// Most calls for one page: a page that holds little because much of it has expired has a successor.
const CALLS_A_PAGE_MAX: usize = 8;
/// Most calls for one part of the `due` index.
const CALLS_A_SHARD_MAX: usize = 16;

/// What DynamoDB shall look for: a range of keys, and where in it to begin.
struct Range {
    after: Option<String>,
}

/// Where to begin; none when nothing can be found. DynamoDB refuses a start outside of the range.
fn range(query: &Query) -> Option<Range> {
    if !rules::part_is_valid(&query.partition, rules::PARTITION_BYTES_MAX) || query.prefix.len() > rules::SORT_BYTES_MAX {
        return None;
    }
    let Some(after) = query.after.as_deref() else { return Some(Range { after: None }) };
    let within = after.starts_with(&query.prefix) && !after.is_empty();
    let before_all = after < query.prefix.as_str() || after.is_empty();
    match (within, before_all, query.backward) {
        // Nothing comes before the prefix itself.
        (true, _, true) if after == query.prefix => None,
        (true, _, _) if after.len() > rules::SORT_BYTES_MAX => None,
        (true, _, _) => Some(Range { after: Some(after.to_owned()) }),
        (false, true, false) | (false, false, true) => Some(Range { after: None }),
        (false, true, true) | (false, false, false) => None,
    }
}

fn count(items: usize) -> i32 {
    i32::try_from(items.clamp(1, ITEMS_A_CALL_MAX)).unwrap_or(i32::MAX)
}

impl Dynamo {
    pub(super) async fn read_item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        if !rules::key_is_valid(key) {
            return Ok(None);
        }
        let call = || async {
            let asked = self.client.get_item().table_name(&self.table).consistent_read(true).set_key(Some(item::key(key)));
            asked.send().await.map_err(|error| fault(&error, &self.place))
        };
        let Some(stored) = self.ask(call).await?.item else { return Ok(None) };
        let item = item::read(stored)?;
        Ok(Some(item).filter(|item| !rules::expired(item.expires_ms, self.clock.now_ms())))
    }

    pub(super) async fn read_range(&self, query: &Query) -> Result<Page, StoreError> {
        let mut page = Page { items: Vec::new(), next: None };
        let Some(Range { mut after }) = range(query) else { return Ok(page) };
        let now = self.clock.now_ms();
        let (mut bytes, mut last) = (0, query.after.clone());
        for call in 1.. {
            // One more than wanted, by which a page knows whether there is more.
            let wanted = query.limit.saturating_sub(page.items.len()).saturating_add(1);
            let (found, next) = self.call_range(query, after.take(), wanted).await?;
            for stored in found {
                let item = item::read(stored)?;
                if rules::expired(item.expires_ms, now) {
                    continue;
                }
                bytes += rules::item_bytes(&item);
                if page.items.len() >= query.limit || (bytes > PAGE_BYTES_MAX && !page.items.is_empty()) {
                    page.next = last;
                    return Ok(page);
                }
                last = Some(item.key.sort.clone());
                page.items.push(item);
            }
            let Some(next) = next else { return Ok(page) };
            if call >= CALLS_A_PAGE_MAX {
                page.next = Some(next);
                return Ok(page);
            }
            after = Some(next);
        }
        Ok(page)
    }

    /// One call: what was found, and the sort key to go on after.
    async fn call_range(
        &self,
        query: &Query,
        after: Option<String>,
        wanted: usize,
    ) -> Result<(Vec<Attributes>, Option<String>), StoreError> {
        let mut values = HashMap::from([(":pk".to_owned(), item::text(&query.partition))]);
        let mut condition = format!("{PARTITION} = :pk");
        if !query.prefix.is_empty() {
            values.insert(":prefix".to_owned(), item::text(&query.prefix));
            condition = format!("{condition} AND begins_with({SORT}, :prefix)");
        }
        let start = after.map(|sort| item::key(&Key::new(query.partition.as_str(), sort)));
        let call = || async {
            let asked = self.client.query().table_name(&self.table).consistent_read(true).key_condition_expression(&condition);
            let asked = asked.set_expression_attribute_values(Some(values.clone())).scan_index_forward(!query.backward);
            let asked = asked.limit(count(wanted)).set_exclusive_start_key(start.clone());
            asked.send().await.map_err(|error| fault(&error, &self.place))
        };
        let answer = self.ask(call).await?;
        let next = answer.last_evaluated_key.map(|key| item::read_key(&key)).transpose()?;
        Ok((answer.items.unwrap_or_default(), next.map(|key| key.sort)))
    }

    pub(super) async fn read_due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        let shards = (0..SHARDS).map(|shard| self.read_shard(item::shard_name(shard), now, limit));
        let mut due: Vec<(Millis, Key)> = futures::future::try_join_all(shards).await?.into_iter().flatten().collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
    }

    /// What is due of one part of the index, the earliest first.
    async fn read_shard(&self, shard: String, now: Millis, limit: usize) -> Result<Vec<(Millis, Key)>, StoreError> {
        let values = HashMap::from([(":shard".to_owned(), item::text(shard)), (":now".to_owned(), item::number(now))]);
        let condition = format!("{SHARD} = :shard AND {DUE} <= :now");
        let (mut due, mut start) = (Vec::new(), None::<Attributes>);
        for _ in 0..CALLS_A_SHARD_MAX {
            let call = || async {
                let asked = self.client.query().table_name(&self.table).index_name(setup::DUE_INDEX);
                let asked = asked.key_condition_expression(&condition).set_expression_attribute_values(Some(values.clone()));
                let asked = asked.limit(count(limit.saturating_sub(due.len()))).set_exclusive_start_key(start.clone());
                asked.send().await.map_err(|error| fault(&error, &self.place))
            };
            let answer = self.ask(call).await?;
            for stored in answer.items.unwrap_or_default() {
                let at = stored.get(DUE).and_then(|at| at.as_n().ok()).and_then(|at| at.parse().ok());
                due.push((at.unwrap_or_default(), item::read_key(&stored)?));
            }
            start = answer.last_evaluated_key;
            if start.is_none() || due.len() >= limit {
                break;
            }
        }
        Ok(due)
    }
}

#[async_trait]
impl Everything for Dynamo {
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<(Vec<Item>, Option<Key>), StoreError> {
        let start = after.map(item::key);
        let call = || async {
            let asked = self.client.scan().table_name(&self.table).consistent_read(true).limit(count(limit));
            let answer = asked.set_exclusive_start_key(start.clone()).send().await;
            answer.map_err(|error| -> Fault { fault(&error, &self.place) })
        };
        let answer = self.ask(call).await?;
        let next = answer.last_evaluated_key.map(|key| item::read_key(&key)).transpose()?;
        let now = self.clock.now_ms();
        let mut items = Vec::new();
        for stored in answer.items.unwrap_or_default() {
            let item = item::read(stored)?;
            if !rules::expired(item.expires_ms, now) {
                items.push(item);
            }
        }
        Ok((items, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_outside_the_prefix_begins_at_its_edge_or_finds_nothing() {
        let start = |after: Option<&str>, backward: bool| {
            let query = Query { after: after.map(str::to_owned), backward, ..Query::prefix("P", "LOG#", 1) };
            range(&query).map(|range| range.after)
        };
        let within = Some(Some("LOG#5".to_owned()));
        assert_eq!((start(None, false), start(None, true)), (Some(None), Some(None)));
        assert_eq!((start(Some("LOG#5"), false), start(Some("LOG#5"), true)), (within.clone(), within));
        assert_eq!((start(Some("A"), false), start(Some("A"), true)), (Some(None), None));
        assert_eq!((start(Some("Z"), false), start(Some("Z"), true)), (None, Some(None)));
        assert_eq!((start(Some("LOG#"), false), start(Some("LOG#"), true)), (Some(Some("LOG#".to_owned())), None));
        assert_eq!((start(Some(""), false), start(Some(""), true)), (Some(None), None));
        assert!(range(&Query::prefix("", "", 1)).is_none());
        assert!(range(&Query::prefix("a\0", "", 1)).is_none());
    }
}
