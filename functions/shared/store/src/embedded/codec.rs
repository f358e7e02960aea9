//! How keys and items stand in the key-value store: bytes and back. Pure.
//!
//! An item's key is `partition 0x00 sort`, so that a partition is one range, in the order of sort keys. An index key is
//! eight bytes of time, big-endian, and the item's key. A value is a head with its version first, and the body.

use app::ports::{Item, Key, Query, StoreError};
use model::Millis;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::rules;

const VERSION: u8 = 1;
const HAS_DUE: u8 = 1;
const HAS_EXPIRES: u8 = 2;

/// A range of stored keys.
pub(crate) type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What is stored cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

/// What is known of an item without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) revision: u64,
    pub(crate) due_ms: Option<Millis>,
    pub(crate) expires_ms: Option<Millis>,
    pub(crate) attributes: BTreeMap<String, String>,
}

pub(crate) fn item_key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.partition.len() + 1 + key.sort.len());
    bytes.extend_from_slice(key.partition.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key.sort.as_bytes());
    bytes
}

pub(crate) fn read_item_key(bytes: &[u8]) -> Result<Key, Damaged> {
    let text = std::str::from_utf8(bytes).map_err(|_| Damaged("a key is not text"))?;
    let (partition, sort) = text.split_once('\0').ok_or(Damaged("a key has no two parts"))?;
    Ok(Key::new(partition, sort))
}

pub(crate) fn index_key(at: Millis, item_key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + item_key.len());
    bytes.extend_from_slice(&at.to_be_bytes());
    bytes.extend_from_slice(item_key);
    bytes
}

pub(crate) fn read_index_key(bytes: &[u8]) -> Result<(Millis, &[u8]), Damaged> {
    let (at, key) = bytes.split_first_chunk::<8>().ok_or(Damaged("an index key is too short"))?;
    Ok((u64::from_be_bytes(*at), key))
}

/// Everything of an index up to and with an instant.
pub(crate) fn index_until(now: Millis) -> Range {
    let end = now.checked_add(1).map_or(Bound::Unbounded, |end| Bound::Excluded(end.to_be_bytes().to_vec()));
    (Bound::Unbounded, end)
}

/// The range a query names; none when nothing can be in it.
pub(crate) fn range(query: &Query) -> Option<Range> {
    if !rules::part_is_valid(&query.partition, rules::PARTITION_BYTES_MAX) {
        return None;
    }
    let under = |sort: &str| item_key(&Key::new(query.partition.as_str(), sort));
    let start = under(&query.prefix);
    // Text is UTF-8 and the divider is zero, so the last byte is never 0xFF and has a successor.
    let mut end = start.clone();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    let after = query.after.as_deref().map(under);
    let (low, high) = match after {
        None => (Bound::Included(start), end),
        Some(after) if query.backward => (Bound::Included(start), end.min(after)),
        Some(after) if after < start => (Bound::Included(start), end),
        Some(after) => (Bound::Excluded(after), end),
    };
    let (Bound::Included(first) | Bound::Excluded(first)) = &low else { return None };
    if *first >= high { None } else { Some((low, Bound::Excluded(high))) }
}

/// The range of all keys of a key's partition.
pub(crate) fn range_of_partition(key: &[u8]) -> Option<Range> {
    let bytes = key.iter().position(|byte| *byte == 0)?;
    let (mut start, mut end) = (key.get(..bytes)?.to_vec(), key.get(..bytes)?.to_vec());
    start.push(0);
    end.push(1);
    Some((Bound::Included(start), Bound::Excluded(end)))
}

/// The value of an item at a revision.
pub(crate) fn value(head: &Head, body: &[u8]) -> Vec<u8> {
    let texts: usize = head.attributes.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    let mut bytes = Vec::with_capacity(28 + texts + body.len());
    bytes.push(VERSION);
    bytes.push(if head.due_ms.is_some() { HAS_DUE } else { 0 } | if head.expires_ms.is_some() { HAS_EXPIRES } else { 0 });
    bytes.extend_from_slice(&head.revision.to_be_bytes());
    for at in [head.due_ms, head.expires_ms].into_iter().flatten() {
        bytes.extend_from_slice(&at.to_be_bytes());
    }
    count(&mut bytes, head.attributes.len());
    for (name, value) in &head.attributes {
        for text in [name, value] {
            count(&mut bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// Limits keep every count far below four bytes.
fn count(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

/// The head of a value, and its body.
pub(crate) fn read_value(bytes: &[u8]) -> Result<(Head, &[u8]), Damaged> {
    let mut rest = Rest(bytes);
    let [version, flags] = rest.take::<2>()?;
    if version != VERSION {
        return Err(Damaged("an item was written by a newer version"));
    }
    let revision = rest.number()?;
    let due_ms = if flags & HAS_DUE == 0 { None } else { Some(rest.number()?) };
    let expires_ms = if flags & HAS_EXPIRES == 0 { None } else { Some(rest.number()?) };
    let mut attributes = BTreeMap::new();
    for _ in 0..rest.count()? {
        let name = rest.text()?;
        attributes.insert(name, rest.text()?);
    }
    Ok((Head { revision, due_ms, expires_ms, attributes }, rest.0))
}

/// The item of a key and a value. Failures name the item.
pub(crate) fn item(key: Key, bytes: &[u8]) -> Result<Item, StoreError> {
    let (head, body) = read_value(bytes).map_err(|damaged| {
        let what = format!("{} / {}", key.partition, key.sort);
        match bytes.first() {
            Some(version) if *version > VERSION => StoreError::Newer { what, needs: (*version).into(), knows: VERSION.into() },
            _ => StoreError::Damaged(format!("{what}: {}; restore it from a backup", damaged.0)),
        }
    })?;
    Ok(Item {
        key,
        revision: head.revision,
        attributes: head.attributes,
        body: body.to_vec(),
        due_ms: head.due_ms,
        expires_ms: head.expires_ms,
    })
}

/// When the item of a value expires.
pub(crate) fn read_expires(bytes: &[u8]) -> Option<Millis> {
    let mut rest = Rest(bytes);
    let [_, flags] = rest.take::<2>().ok()?;
    rest.number().ok()?;
    if flags & HAS_DUE != 0 {
        rest.number().ok()?;
    }
    if flags & HAS_EXPIRES == 0 { None } else { rest.number().ok() }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged("an item is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        self.take::<8>().map(u64::from_be_bytes)
    }

    fn count(&mut self) -> Result<u32, Damaged> {
        self.take::<4>().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Result<String, Damaged> {
        let bytes = usize::try_from(self.count()?).map_err(|_| Damaged("an item is cut off"))?;
        let (text, rest) = self.0.split_at_checked(bytes).ok_or(Damaged("an item is cut off"))?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map_err(|_| Damaged("an attribute is not text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let attributes = BTreeMap::from([("fence".to_owned(), "7".to_owned()), ("open".to_owned(), String::new())]);
        Head { revision: 3, due_ms: Some(0x0102), expires_ms: None, attributes }
    }

    /// Stored bytes of version 1. Never edited: what was written must stay readable.
    const GOLDEN: &str = "010100000000000000030000000000000102000000020000000566656e6365000000013700000004\
                          6f70656e000000007b7d";

    #[test]
    fn the_stored_form_stays() {
        assert_eq!(hex::encode(value(&head(), b"{}")), GOLDEN);
        let bytes = hex::decode(GOLDEN).unwrap();
        assert_eq!(read_value(&bytes).unwrap(), (head(), b"{}".as_slice()));
    }

    #[test]
    fn when_an_item_expires_stands_at_a_known_place() {
        for (due_ms, expires_ms) in [(None, None), (Some(5), None), (None, Some(9)), (Some(5), Some(9))] {
            assert_eq!(read_expires(&value(&Head { due_ms, expires_ms, ..head() }, b"{}")), expires_ms);
        }
        assert_eq!(read_expires(&[VERSION]), None);
    }

    #[test]
    fn a_damaged_value_is_refused() {
        let bytes = value(&Head { expires_ms: Some(9), ..head() }, b"");
        assert!(read_value(&bytes).is_ok());
        for cut in 0..bytes.len() {
            assert!(read_value(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let newer = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(read_value(&newer).unwrap_err(), Damaged("an item was written by a newer version"));
        let told = item(Key::new("EXEC#1", "META"), &newer).unwrap_err();
        assert!(matches!(&told, StoreError::Newer { needs: 2, knows: 1, .. }) && told.to_string().contains("EXEC#1 / META"), "{told}");
        let told = item(Key::new("EXEC#1", "META"), &bytes[..9]).unwrap_err();
        assert!(matches!(&told, StoreError::Damaged(text) if text.contains("EXEC#1 / META") && text.contains("restore")), "{told}");
        assert!(read_item_key(b"no divider").is_err());
        assert!(read_index_key(b"short").is_err());
    }

    #[test]
    fn keys_come_back_and_keep_their_order() {
        let key = Key::new("EXEC#1", "LOG#9");
        assert_eq!(read_item_key(&item_key(&key)).unwrap(), key);
        let index = index_key(77, &item_key(&key));
        assert_eq!(read_index_key(&index).unwrap(), (77, item_key(&key).as_slice()));
        assert!(index_key(255, b"z") < index_key(256, b"a"));
        assert!(item_key(&Key::new("A", "z")) < item_key(&Key::new("A#", "a")), "a partition is one range");
        let whole = range_of_partition(&item_key(&Key::new("A", "b"))).unwrap();
        assert_eq!(Some(whole), range(&Query::prefix("A", "", 1)));
        assert!(range_of_partition(b"no divider").is_none());
    }

    #[test]
    fn an_empty_range_is_none() {
        let query = |prefix: &str, after: Option<&str>, backward| Query {
            partition: "P".to_owned(),
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            backward,
            limit: 1,
        };
        assert!(range(&query("b", Some("c"), false)).is_none());
        assert!(range(&query("b", Some("a"), true)).is_none());
        assert!(range(&query("b", Some("b"), true)).is_none());
        assert!(range(&query("b", Some("a"), false)).is_some());
        assert!(range(&query("b", Some("c"), true)).is_some());
        assert!(range(&Query::prefix("", "", 1)).is_none());
        assert!(range(&Query::prefix("a\0b", "", 1)).is_none());
    }
}
