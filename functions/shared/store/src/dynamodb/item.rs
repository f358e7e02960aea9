//! How an item stands in the table: attributes and back. Pure.
//!
//! Names are one letter, because every item pays for them. The version of this form comes with every item; a form that is
//! newer than this program is refused, never guessed at.

use app::ports::{Item, Key, StoreError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use model::Millis;
use std::collections::{BTreeMap, HashMap};

/// An item as the SDK knows it.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// Partition and sort key.
pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";
/// Version of this form.
pub(super) const FORM: &str = "v";
pub(super) const REVISION: &str = "r";
pub(super) const BODY: &str = "b";
/// A map of texts.
pub(super) const ATTRIBUTES: &str = "a";
/// When it is due, and under which shard of the index.
pub(super) const DUE: &str = "d";
pub(super) const SHARD: &str = "ds";
/// When it counts as gone, to the millisecond; and when DynamoDB may remove it, in seconds.
pub(super) const EXPIRES: &str = "e";
pub(super) const REMOVED: &str = "x";

/// The form written here; raised when an older program would misread it.
pub(super) const FORM_VERSION: u64 = 1;
/// Parts of the `due` index, so that no part takes all of the writes. May grow, never shrink.
pub(super) const SHARDS: u64 = 8;
/// An expired item is removed an hour later at the earliest: a worker whose clock is slow still counts on it.
const REMOVED_AFTER_S: u64 = 3_600;

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// The attributes that name an item.
pub(super) fn key(key: &Key) -> Attributes {
    HashMap::from([(PARTITION.to_owned(), text(&key.partition)), (SORT.to_owned(), text(&key.sort))])
}

/// The part of the `due` index that a partition's items are in (FNV-1a: the same in every program, for ever).
pub(super) fn shard(partition: &str) -> String {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    shard_name(partition.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix) % SHARDS)
}

pub(super) fn shard_name(number: u64) -> String {
    format!("DUE#{number:02}")
}

/// Everything but key and revision. JSON stands as text, so that people can read it in AWS's console; anything else as bytes.
pub(super) fn values(item: &Item) -> Vec<(&'static str, Option<AttributeValue>)> {
    let body = match std::str::from_utf8(&item.body) {
        Ok(json) => text(json),
        Err(_) => AttributeValue::B(Blob::new(item.body.clone())),
    };
    let texts = || item.attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    vec![
        (FORM, Some(number(FORM_VERSION))),
        (BODY, Some(body)),
        (ATTRIBUTES, (!item.attributes.is_empty()).then(|| AttributeValue::M(texts()))),
        (DUE, item.due_ms.map(number)),
        (SHARD, item.due_ms.map(|_| text(shard(&item.key.partition)))),
        (EXPIRES, item.expires_ms.map(number)),
        (REMOVED, item.expires_ms.map(|at| number(removed_s(at)))),
    ]
}

fn removed_s(expires_ms: Millis) -> u64 {
    expires_ms.div_ceil(1_000).saturating_add(REMOVED_AFTER_S)
}

/// The whole item at a revision.
pub(super) fn attributes(item: &Item, revision: u64) -> Attributes {
    let mut all = key(&item.key);
    all.insert(REVISION.to_owned(), number(revision));
    all.extend(values(item).into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    all
}

/// The key of a stored item.
pub(super) fn read_key(stored: &Attributes) -> Result<Key, StoreError> {
    let part = |name: &str| stored.get(name).and_then(|value| value.as_s().ok()).cloned();
    match (part(PARTITION), part(SORT)) {
        (Some(partition), Some(sort)) => Ok(Key { partition, sort }),
        _ => Err(StoreError::Damaged("an item has no key of two texts".to_owned())),
    }
}

/// The form of a stored item, where it says one.
pub(super) fn form(stored: &Attributes) -> Option<u64> {
    stored.get(FORM)?.as_n().ok()?.parse().ok()
}

/// For people: what to do about an item of a newer form.
pub(super) fn newer(key: &Key, form: u64) -> String {
    format!("{} / {} was written by a newer Waybill (form {form}, this one knows {FORM_VERSION}): update this one", key.partition, key.sort)
}

fn damaged(key: &Key, what: &str) -> StoreError {
    StoreError::Damaged(format!("{} / {}: {what}; restore it from a backup, or put it anew", key.partition, key.sort))
}

/// Reads an item back.
pub(super) fn read(mut stored: Attributes) -> Result<Item, StoreError> {
    let key = read_key(&stored)?;
    match form(&stored) {
        Some(FORM_VERSION) => {}
        Some(form) if form > FORM_VERSION => {
            return Err(StoreError::Newer { what: format!("{} / {}", key.partition, key.sort), needs: form, knows: FORM_VERSION });
        }
        _ => return Err(damaged(&key, "its form has no version that there was")),
    }
    let damaged = |what: &str| damaged(&key, what);
    let instant = |name: &str| match stored.get(name) {
        None => Ok(None),
        Some(value) => read_number(value).map(Some).ok_or_else(|| damaged(&format!("`{name}` is not a whole number"))),
    };
    let revision = instant(REVISION)?.filter(|revision| *revision > 0).ok_or_else(|| damaged("it has no revision"))?;
    let (due_ms, expires_ms) = (instant(DUE)?, instant(EXPIRES)?);
    let attributes = match stored.remove(ATTRIBUTES) {
        None => BTreeMap::new(),
        Some(AttributeValue::M(map)) => read_texts(map).ok_or_else(|| damaged("`a` holds more than texts"))?,
        Some(_) => return Err(damaged("`a` is not a map")),
    };
    let body = match stored.remove(BODY) {
        Some(AttributeValue::S(text)) => text.into_bytes(),
        Some(AttributeValue::B(bytes)) => bytes.into_inner(),
        _ => return Err(damaged("it has no body")),
    };
    Ok(Item { revision, attributes, body, due_ms, expires_ms, key })
}

fn read_number(value: &AttributeValue) -> Option<u64> {
    value.as_n().ok()?.parse().ok()
}

fn read_texts(map: Attributes) -> Option<BTreeMap<String, String>> {
    map.into_iter().map(|(name, value)| if let AttributeValue::S(value) = value { Some((name, value)) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Item {
        let item = Item::new(Key::new("EXEC#1", "META"), b"{}".to_vec()).attribute("fence", "7").due(Some(5)).expires(Some(1_001));
        Item { revision: 3, ..item }
    }

    #[test]
    fn an_item_comes_back() {
        let bare = Item { revision: 1, ..Item::new(Key::new("P", "a"), vec![0, 255]) };
        for item in [full(), bare] {
            assert_eq!(read(attributes(&item, item.revision)).unwrap(), item);
        }
    }

    /// The stored form of version 1. Never edited: what was written must stay readable.
    #[test]
    fn the_stored_form_stays() {
        let mut golden = Attributes::from([("pk".to_owned(), text("EXEC#1")), ("sk".to_owned(), text("META"))]);
        for (name, value) in [("v", 1), ("r", 3), ("d", 5), ("e", 1_001), ("x", 3_602)] {
            golden.insert(name.to_owned(), number(value));
        }
        golden.insert("ds".to_owned(), text("DUE#04"));
        golden.insert("b".to_owned(), text("{}"));
        golden.insert("a".to_owned(), AttributeValue::M(Attributes::from([("fence".to_owned(), text("7"))])));
        assert_eq!(attributes(&full(), 3), golden);
        assert_eq!(read(golden).unwrap(), full());
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_key() {
        let changed = |name: &str, value: Option<AttributeValue>| {
            let mut stored = attributes(&full(), 3);
            match value {
                Some(value) => stored.insert(name.to_owned(), value),
                None => stored.remove(name),
            };
            read(stored).unwrap_err().to_string()
        };
        let told = [
            changed("v", Some(number(2))),
            changed("v", None),
            changed("v", Some(text("1"))),
            changed("r", None),
            changed("r", Some(number(0))),
            changed("d", Some(text("soon"))),
            changed("e", Some(AttributeValue::N("1.5".to_owned()))),
            changed("a", Some(text("fence"))),
            changed("a", Some(AttributeValue::M(Attributes::from([("n".to_owned(), number(1))])))),
            changed("b", None),
            changed("b", Some(AttributeValue::Bool(true))),
        ];
        for told in &told {
            assert!(told.contains("EXEC#1 / META"), "{told}");
        }
        assert!(told[0].contains("newer") && told[0].contains("update"), "{}", told[0]);
        assert!(read(Attributes::new()).is_err());
    }

    #[test]
    fn shards_are_used_evenly_and_stay() {
        let mut used = BTreeMap::<String, usize>::new();
        for n in 0..8_000 {
            *used.entry(shard(&format!("EXEC#{n}"))).or_default() += 1;
        }
        assert_eq!(used.len() as u64, SHARDS);
        assert!(used.values().all(|count| (800..1_200).contains(count)), "{used:?}");
        assert!(used.keys().all(|name| (0..SHARDS).any(|shard| shard_name(shard) == *name)));
    }
}
